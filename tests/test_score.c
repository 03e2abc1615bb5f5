/* test_score.c: kernels against brute force on lattices anywhere on Earth; every width, thread count, batch size and
 * order gives the same bytes; damaged indexes give some answer and no bad access. */
#include "batch.h"
#include "kernel/score.h"
#include "lattice.h"
#include "rt/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PLACES = 4000, HOUR = 492000 };

static const lattice_options lattices[] = {
    {41.0, 28.9, 18, 16, 110.0, 0, 63, HOUR, 1},
    {-33.9, 151.2, 15, 12, 140.0, 1, 63, HOUR - 300, 2},
    {-16.8, 179.995, 14, 14, 120.0, 0, 63, HOUR - 2000, 3}, /* Taveuni: across the antimeridian */
    {78.2, -0.01, 12, 12, 130.0, 1, 0x2B, HOUR, 4},
    {-0.005, -0.005, 10, 12, 90.0, 0, 0x10, 0, 5},
};
enum { LATTICES = sizeof lattices / sizeof lattices[0] };

/* Places in and around the box of an index, some far off. */
static void make_places(const ucid_index *index, int64_t n, uint64_t seed, double *lat, double *lon)
{
    const ucidx_summary *s = index->summary;
    for (int64_t i = 0; i < n; i++) {
        double margin = i % 16 == 0 ? 60000.0 : 20000.0;
        double y = s->min_lat_e7 - margin + lattice_uniform(&seed) * (s->max_lat_e7 - s->min_lat_e7 + 2 * margin);
        double x = s->min_lon_e7 - margin + lattice_uniform(&seed) * (s->max_lon_e7 - s->min_lon_e7 + 2 * margin);
        x += s->lon_origin_e7;
        if (x >= 1.8e9) x -= 3.6e9;
        lat[i] = y * 1e-7;
        lon[i] = x * 1e-7;
    }
}

static void kernels_equal_brute_force(void **state)
{
    (void)state;
    int64_t seen[128] = {0};
    for (int l = 0; l < LATTICES; l++) {
        ucid_index *index = lattice_new(&lattices[l]);
        brute *plain = brute_new(index);
        double lat[PLACES], lon[PLACES];
        make_places(index, PLACES, (uint64_t)l, lat, lon);
        batch b = batch_new(PLACES);
        ucid_score_options options = UCID_SCORE_OPTIONS_INIT;
        options.hour = l == 0 ? UINT32_MAX : HOUR;
        assert_int_equal(ucid_score(index, PLACES, lat, lon, NULL, &options, &b.out, NULL), UCID_OK);
        for (int i = 0; i < PLACES; i++) {
            brute_result r = brute_score(plain, lat[i], lon[i], options.hour);
            batch_assert_brute(&b.out, i, &r, lat[i], lon[i]);
            seen[b.out.status[i]]++;
        }
        free(b.memory);
        brute_free(plain);
        lattice_free(index);
    }
    int statuses[] = {UCID_OK, UCID_OUTSIDE_INDEX, UCID_OFF_NETWORK, UCID_ISLAND, UCID_NEAR_BOUNDARY};
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) assert_true(seen[statuses[i]] > 100);
}

/* An explanation walks by itself: its score is the kernel's, its reasons are the places that brute force would count.
 */
static void explanations_equal_scores(void **state)
{
    (void)state;
    static const double full[PARTS] = {2, 2, 2, 1, 3, 2};
    for (int l = 0; l < LATTICES; l++) {
        ucid_index *index = lattice_new(&lattices[l]);
        double lat[PLACES], lon[PLACES];
        make_places(index, PLACES, 31 + (uint64_t)l, lat, lon);
        batch b = batch_new(PLACES);
        assert_int_equal(ucid_score(index, PLACES, lat, lon, NULL, NULL, &b.out, NULL), UCID_OK);
        for (int i = 0; i < PLACES; i++) {
            ucid_explanation *e = NULL;
            ucid_error error;
            ucid_status status = ucid_explain(index, lat[i], lon[i], NULL, &e, &error);
            if (ucid_status_exit_code((ucid_status)b.out.status[i]) != 0) {
                assert_int_equal(status, b.out.status[i]);
                assert_int_equal(error.status, status);
                assert_null(e);
                continue;
            }
            assert_int_equal(status, UCID_OK);
            ucid_scores s;
            ucid_explanation_scores_get(e, &s);
            brute_result r = {*s.status, *s.grade, *s.flags, *s.score, *s.confidence, *s.snap_m, {0}, {0}};
            for (int p = 0; p < PARTS; p++) r.part[p] = *s.part[p], r.nearest_m[p] = *s.nearest_m[p];
            batch_assert_brute(&b.out, i, &r, lat[i], lon[i]);
            const ucid_reason *reasons;
            int64_t count = ucid_explanation_reasons_get(e, &reasons);
            double sum[PARTS] = {0};
            for (int64_t k = 0; k < count; k++) {
                const ucid_reason *at = &reasons[k];
                if (k > 0 && at[-1].part == at->part) {
                    assert_true(at[-1].distance_m <= at->distance_m && at[-1].counted >= at->counted);
                } else {
                    assert_true(batch_same(at->distance_m, *s.nearest_m[at->part]));
                }
                assert_int_equal(at->counted, sum[at->part] < full[at->part]);
                sum[at->part] += at->quality;
                assert_string_equal(at->tag, "shop=bakery");
                assert_true(fabs(at->lat_deg - lat[i]) < 0.02);
            }
            for (int p = 0; p < PARTS; p++) assert_true(fabs(fmin(100, 100 * sum[p] / full[p]) - *s.part[p]) < 0.0051);
            ucid_explanation_free(e);
        }
        free(b.memory);
        lattice_free(index);
    }
    ucid_explanation_free(NULL);
}

static void every_way_gives_the_same_bytes(void **state)
{
    (void)state;
    const int64_t n = 70001; /* a chunk each for some threads */
    ucid_index *index = lattice_new(&lattices[1]);
    double *lat = malloc((size_t)n * sizeof *lat), *lon = malloc((size_t)n * sizeof *lon);
    make_places(index, n, 99, lat, lon);
    lat[7] = (double)NAN;
    lon[77] = -190.0;
    batch expected = batch_new(n);
    ucid_score_options options = UCID_SCORE_OPTIONS_INIT;
    assert_int_equal(score_with(score_kernels_find("scalar"), index, n, lat, lon, NULL, &options, &expected.out, NULL),
                     UCID_OK);
    const char *names[] = {"avx512", "avx2", "scalar"};
    int threads[] = {1, 2, 7};
    for (size_t k = 0; k < 3; k++) {
        const score_kernels *kernels = score_kernels_find(names[k]);
        if (kernels == NULL) {
            print_message("[ SKIP     ] this processor has no %s\n", names[k]);
            continue;
        }
        for (size_t t = 0; t < 3; t++) {
            batch b = batch_new(n);
            options.threads = threads[t];
            assert_int_equal(score_with(kernels, index, n, lat, lon, NULL, &options, &b.out, NULL), UCID_OK);
            assert_memory_equal(b.memory, expected.memory, b.bytes);
            free(b.memory);
        }
    }
    options.threads = 1;
    int64_t sizes[] = {1, 255, 4097}; /* slices; the validity bitmap starts at bit 0 of each, so it is left out */
    for (size_t s = 0; s < 3; s++) {
        batch b = batch_new(n);
        int64_t end = sizes[s] == 1 ? 500 : n;
        for (int64_t i = 0; i < end; i += sizes[s]) {
            int64_t count = end - i < sizes[s] ? end - i : sizes[s];
            ucid_scores slice = batch_from_row(&b.out, i);
            assert_int_equal(ucid_score(index, count, lat + i, lon + i, NULL, &options, &slice, NULL), UCID_OK);
        }
        for (int64_t i = 0; i < end; i++) {
            assert_true(batch_same(b.out.score[i], expected.out.score[i]));
            assert_true(batch_same(b.out.confidence[i], expected.out.confidence[i]));
            assert_int_equal(b.out.status[i], expected.out.status[i]);
            for (int p = 0; p < PARTS; p++)
                assert_true(batch_same(b.out.nearest_m[p][i], expected.out.nearest_m[p][i]));
        }
        free(b.memory);
    }
    batch shuffled = batch_new(n);
    double *lat2 = malloc((size_t)n * sizeof *lat), *lon2 = malloc((size_t)n * sizeof *lon);
    for (int64_t i = 0; i < n; i++) lat2[i] = lat[i * 3 % n], lon2[i] = lon[i * 3 % n]; /* 3 does not divide n */
    assert_int_equal(ucid_score(index, n, lat2, lon2, NULL, &options, &shuffled.out, NULL), UCID_OK);
    for (int64_t i = 0; i < n; i++) {
        assert_true(batch_same(shuffled.out.score[i], expected.out.score[i * 3 % n]));
        assert_true(batch_same(shuffled.out.snap_m[i], expected.out.snap_m[i * 3 % n]));
        assert_int_equal(shuffled.out.status[i], expected.out.status[i * 3 % n]);
    }
    /* the same places again and again, some chunks of them for one thread */
    const int64_t many = 600001;
    double *many_lat = malloc((size_t)many * sizeof *many_lat), *many_lon = malloc((size_t)many * sizeof *many_lon);
    double *score = malloc((size_t)many * sizeof *score);
    uint8_t *status = malloc((size_t)many);
    for (int64_t i = 0; i < many; i++) many_lat[i] = lat[i % n], many_lon[i] = lon[i % n];
    const ucid_scores few = {.score = score, .status = status};
    assert_int_equal(ucid_score(index, many, many_lat, many_lon, NULL, &options, &few, NULL), UCID_OK);
    for (int64_t i = 0; i < many; i++) {
        assert_true(batch_same(score[i], expected.out.score[i % n]));
        assert_int_equal(status[i], expected.out.status[i % n]);
    }
    free(many_lat);
    free(many_lon);
    free(score);
    free(status);
    free(shuffled.memory);
    free(expected.memory);
    free(lat);
    free(lon);
    free(lat2);
    free(lon2);
    lattice_free(index);
}

static void nulls_and_missing_outputs(void **state)
{
    (void)state;
    enum { N = 77 };
    ucid_index *index = lattice_new(&lattices[0]);
    double lat[N], lon[N];
    make_places(index, N, 5, lat, lon);
    uint8_t validity[N / 8 + 1], all[N / 8 + 1];
    memset(validity, 0x5B, sizeof validity);
    memset(all, 0xFF, sizeof all);
    batch whole = batch_new(N), holed = batch_new(N), valid = batch_new(N);
    ucid_score_options options = UCID_SCORE_OPTIONS_INIT;
    assert_int_equal(ucid_score(index, N, lat, lon, NULL, &options, &whole.out, NULL), UCID_OK);
    assert_int_equal(ucid_score(index, N, lat, lon, validity, &options, &holed.out, NULL), UCID_OK);
    assert_int_equal(ucid_score(index, N, lat, lon, all, NULL, &valid.out, NULL), UCID_OK);
    assert_memory_equal(whole.memory, valid.memory, whole.bytes);
    for (int i = 0; i < N; i++) {
        if (validity[i / 8] >> (i % 8) & 1) {
            assert_true(batch_same(holed.out.score[i], whole.out.score[i]));
            assert_int_equal(holed.out.status[i], whole.out.status[i]);
        } else {
            assert_int_equal(holed.out.status[i], UCID_NULL_INPUT);
            assert_true(isnan(holed.out.score[i]) && isnan(holed.out.confidence[i]) && isnan(holed.out.snap_m[i]));
            assert_true(isnan(holed.out.part[5][i]) && isnan(holed.out.nearest_m[0][i]));
            assert_int_equal(holed.out.grade[i] + holed.out.flags[i], 0);
        }
    }
    ucid_scores none = {0}, only = {.score = holed.out.score};
    assert_int_equal(ucid_score(index, N, lat, lon, NULL, &options, &none, NULL), UCID_OK);
    assert_int_equal(ucid_score(index, N, lat, lon, NULL, &options, &only, NULL), UCID_OK);
    for (int i = 0; i < N; i++) assert_true(batch_same(holed.out.score[i], whole.out.score[i]));
    assert_int_equal(ucid_score(index, 0, NULL, NULL, NULL, &options, &none, NULL), UCID_OK);

    ucid_error error;
    assert_int_equal(ucid_score(index, -1, lat, lon, NULL, &options, &none, &error), UCID_INVALID_ARGUMENT);
    assert_int_equal(ucid_score(index, 1, NULL, lon, NULL, &options, &none, &error), UCID_INVALID_ARGUMENT);
    options.threads = 0;
    assert_int_equal(ucid_score(index, 1, lat, lon, NULL, &options, &none, &error), UCID_INVALID_ARGUMENT);
    options.threads = 1;
    options.context = "WALKING";
    assert_int_equal(ucid_score(index, 1, lat, lon, NULL, &options, &none, &error), UCID_CONTEXT_NOT_FOUND);
    assert_non_null(strstr(error.message, "WALKING"));
    free(whole.memory);
    free(holed.memory);
    free(valid.memory);
    lattice_free(index);
}

static void coordinates_at_the_edges_of_floats(void **state)
{
    (void)state;
    static const double odd[] = {(double)NAN,
                                 (double)INFINITY,
                                 -(double)INFINITY,
                                 0.0,
                                 -0.0,
                                 90.0,
                                 -90.0,
                                 90.0000001,
                                 -91.0,
                                 180.0,
                                 -180.0,
                                 180.0000001,
                                 1e300,
                                 -1e300,
                                 5e-324,
                                 2147483648.0,
                                 1e19,
                                 41.00000005,
                                 40.99999994999999,
                                 179.99999999,
                                 -179.99999999};
    enum { ODD = sizeof odd / sizeof odd[0], N = ODD * (ODD + 1) };
    static const char *const names[] = {"avx512", "avx2", "scalar"};
    for (int l = 0; l < LATTICES; l++) {
        ucid_index *index = lattice_new(&lattices[l]);
        brute *plain = brute_new(index);
        double lat[N], lon[N];
        brute_result expected[N];
        for (int i = 0; i < N; i++) {
            lat[i] = odd[i / (ODD + 1)];
            lon[i] = i % (ODD + 1) < ODD ? odd[i % (ODD + 1)] : lattices[l].lon_deg + 0.003;
            expected[i] = brute_score(plain, lat[i], lon[i], UINT32_MAX);
        }
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
            const score_kernels *kernels = score_kernels_find(names[k]);
            if (kernels == NULL) continue;
            batch all = batch_new(N), one = batch_new(1);
            assert_int_equal(score_with(kernels, index, N, lat, lon, NULL, NULL, &all.out, NULL), UCID_OK);
            for (int i = 0; i < N; i++) {
                batch_assert_brute(&all.out, i, &expected[i], lat[i], lon[i]);
                assert_int_equal(score_with(kernels, index, 1, lat + i, lon + i, NULL, NULL, &one.out, NULL), UCID_OK);
                batch_assert_brute(&one.out, 0, &expected[i], lat[i], lon[i]);
            }
            free(all.memory);
            free(one.memory);
        }
        brute_free(plain);
        lattice_free(index);
    }
    assert_int_equal(place_e7(41.00000005), 410000001);
    assert_int_equal(place_e7(-0.00000005), 0);
    assert_int_equal(place_e7(-0.00000006), -1);
    assert_int_equal(place_relative(-1799999999, 1800000000), 1);
    assert_int_equal(place_relative(1799999999, 1800000000), -1);
    assert_int_equal(place_relative(1800000000, 0), -1800000000);
}

/* Every number of an index, one after the other, becomes any other: answers may be wrong, reads may not. */
static void damaged_numbers_do_no_harm(void **state)
{
    (void)state;
    static const lattice_options small = {41.0, 28.9, 5, 5, 110.0, 1, 63, HOUR, 7};
    enum { N = 300 };
    uint64_t seed = 11;
    double lat[N], lon[N];
    batch b = batch_new(N);
    for (int round = 0; round < 1500; round++) {
        ucid_index *index = lattice_new(&small);
        make_places(index, N, (uint64_t)round, lat, lon);
        struct {
            const void *start;
            size_t bytes;
        } parts[] = {
            {index->rows, index->summary->row_count * sizeof *index->rows},
            {index->blocks, index->block_count * sizeof *index->blocks},
            {index->cells, index->cell_count * sizeof *index->cells},
            {index->leaves, index->leaf_count * sizeof *index->leaves},
            {index->candidates, index->candidate_count * sizeof *index->candidates},
            {index->segments, index->segment_count * sizeof *index->segments},
            {index->edges, (index->edge_count + 1) * sizeof *index->edges},
            {index->entries, index->entry_count * sizeof *index->entries},
            {index->boundary, index->boundary_count * sizeof *index->boundary},
            {index->nodes, (index->node_count + 1) * sizeof *index->nodes},
            {index->arcs, index->arc_count * sizeof *index->arcs},
            {index->opportunities, index->opportunity_count * sizeof *index->opportunities},
            {&index->summary->cutoff, 2 * sizeof(uint32_t)},
        };
        for (int hit = 0; hit < 20; hit++) {
            size_t part = lattice_random(&seed) % (sizeof parts / sizeof parts[0]);
            uint32_t *words = (uint32_t *)(uintptr_t)parts[part].start;
            uint64_t r = lattice_random(&seed);
            words[lattice_random(&seed) % (parts[part].bytes / 4)] = r % 4 == 0   ? UINT32_MAX
                                                                     : r % 4 == 1 ? 0x7FFFFFFF
                                                                     : r % 4 == 2 ? (uint32_t)(r >> 59)
                                                                                  : (uint32_t)(r >> 32);
        }
        const char *name = round % 2 ? "scalar" : round % 4 ? "avx2" : NULL;
        if (score_kernels_find(name) == NULL) name = NULL;
        assert_int_equal(
            score_with(score_kernels_find(name), index, round % 3 ? N : 20, lat, lon, NULL, NULL, &b.out, NULL),
            UCID_OK);
        for (int i = 0; i < 3; i++) {
            ucid_explanation *e = NULL;
            ucid_explain(index, lat[i], lon[i], NULL, &e, NULL);
            ucid_explanation_free(e);
        }
        lattice_free(index);
    }
    free(b.memory);
}

static int allocations_left;
static void *failing_allocator(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    if (new_size != 0 && allocations_left-- <= 0) return NULL;
    return ucid_default_allocator.fn(ctx, ptr, old_size, new_size);
}

static void memory_that_runs_out_is_an_error(void **state)
{
    (void)state;
    enum { N = 1000 };
    ucid_index *index = lattice_new(&lattices[1]);
    double lat[N], lon[N];
    make_places(index, N, 5, lat, lon);
    batch b = batch_new(N);
    ucid_allocator allocator = {failing_allocator, NULL};
    ucid_score_options options = UCID_SCORE_OPTIONS_INIT;
    options.allocator = &allocator;
    options.threads = 2;
    ucid_status status = UCID_NO_MEMORY;
    for (int allowed = 0; status != UCID_OK; allowed++) {
        ucid_error error;
        allocations_left = allowed;
        status = ucid_score(index, N, lat, lon, NULL, &options, &b.out, &error);
        if (status != UCID_OK) {
            assert_int_equal(status, UCID_NO_MEMORY);
            assert_int_equal(b.out.status[0], 0);
            assert_true(allowed < 50);
        }
    }
    status = UCID_NO_MEMORY;
    for (int allowed = 0, row = 0; status != UCID_OK; allowed++) {
        while (b.out.status[row] != UCID_OK) row++;
        ucid_explanation *e = NULL;
        allocations_left = allowed;
        status = ucid_explain(index, lat[row], lon[row], &options, &e, NULL);
        assert_true(status == UCID_OK || (status == UCID_NO_MEMORY && e == NULL && allowed < 50));
        ucid_explanation_free(e);
    }
    free(b.memory);
    lattice_free(index);
}

static void contexts_are_as_documented(void **state)
{
    (void)state;
    assert_ptr_equal(ucid_context_get("15MIN"), ucid_context_at(0));
    assert_null(ucid_context_get("15min"));
    assert_null(ucid_context_get(NULL));
    for (int i = 0; ucid_context_at(i) != NULL; i++) {
        const ucid_context *c = ucid_context_at(i);
        double sum = 0;
        for (int p = 0; p < c->part_count; p++) sum += c->part_weight[p];
        assert_true(fabs(sum - 1.0) < 1e-12);
    }
    assert_null(ucid_context_at(-1));
    FILE *file = fopen(SOURCE_DIR "/docs/contexts.md", "r");
    assert_non_null(file);
    char line[400], key[32];
    double weight, full;
    int part = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "| %31[a-z_] | %lf | %lf |", key, &weight, &full) != 3) continue;
        assert_true(part < PARTS);
        assert_string_equal(key, fifteen_context.part_key[part]);
        assert_true(batch_same(weight, fifteen_context.part_weight[part]));
        assert_true(batch_same(full * 4, fifteen_full[part]));
        part++;
    }
    fclose(file);
    assert_int_equal(part, PARTS);
    assert_string_equal(ucid_grade_text(UCID_GRADE_A_PLUS), "A+");
    assert_string_equal(ucid_grade_text(UCID_GRADE_F), "F");
    assert_string_equal(ucid_grade_text(200), "F");
}

static void components_are_as_documented(void **state)
{
    (void)state;
    FILE *file = fopen(SOURCE_DIR "/docs/contexts.md", "r");
    assert_non_null(file);
    char line[400], context[32], key[32], input[32];
    double weight, zero, full, sum = 0;
    int n = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "| %31[A-Z] | %31[a-z_] | %lf | %31[a-z_0-9] | %lf | %lf |", context, key, &weight, input,
                   &zero, &full) != 6) {
            continue;
        }
        const ucid_component *c = ucid_component_at(n++);
        assert_non_null(c);
        assert_ptr_equal(c, ucid_component_get(context, key));
        assert_string_equal(c->input, input);
        assert_true(batch_same(c->weight, weight) && batch_same(c->zero, zero) && batch_same(c->full, full));
        sum += weight;
    }
    fclose(file);
    assert_true(n == 12 && fabs(sum - (1.0 + 0.4 + 0.8 + 0.25)) < 1e-12);
    assert_null(ucid_component_at(n));
    assert_null(ucid_component_at(-1));
    assert_null(ucid_component_get("TRANSIT", "block_size"));
    assert_null(ucid_component_get(NULL, NULL));
}

/* Values that the conformance cases do not have. */
static void components_of_odd_numbers(void **state)
{
    (void)state;
    for (int i = 0; ucid_component_at(i) != NULL; i++) {
        const ucid_component *c = ucid_component_at(i);
        double up = c->full > c->zero ? INFINITY : -INFINITY;
        double values[6] = {NAN, up, -up, c->zero, c->full, (c->zero + c->full) / 2}, scores[6];
        ucid_component_scores(c, 6, values, scores);
        assert_true(isnan(scores[0]) && batch_same(scores[1], 100) && batch_same(scores[2], 0));
        assert_true(batch_same(scores[3], 0) && batch_same(scores[4], 100) && fabs(scores[5] - 50) < 1e-12);
        ucid_component_scores(c, 0, NULL, NULL);
    }
    assert_true(isnan(ucid_normalize(NAN, 0, 1, 0)) && isnan(ucid_normalize(0, NAN, 1, 0)));
    assert_true(batch_same(ucid_normalize(9, 10, 0, 0), 10) && batch_same(ucid_normalize(9, 10, 0, 1), 90));
    const double equal[3] = {7, 7, 7}, none[2] = {0, 0}, one_has_all[4] = {0, 0, 0, 8}, wrong[2] = {1, -1},
                 endless[2] = {1, INFINITY};
    assert_true(batch_same(ucid_equality(3, equal), 100) && batch_same(ucid_equality(2, none), 100));
    assert_true(batch_same(ucid_equality(4, one_has_all), 25)); /* G = (n - 1) / n */
    assert_true(isnan(ucid_equality(0, NULL)) && isnan(ucid_equality(2, wrong)) && isnan(ucid_equality(2, endless)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(components_are_as_documented),       cmocka_unit_test(components_of_odd_numbers),
        cmocka_unit_test(kernels_equal_brute_force),          cmocka_unit_test(explanations_equal_scores),
        cmocka_unit_test(every_way_gives_the_same_bytes),     cmocka_unit_test(nulls_and_missing_outputs),
        cmocka_unit_test(coordinates_at_the_edges_of_floats), cmocka_unit_test(damaged_numbers_do_no_harm),
        cmocka_unit_test(memory_that_runs_out_is_an_error),   cmocka_unit_test(contexts_are_as_documented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
