/* test_extracts.c: real extracts are built, and at least 2,000 places of each are scored by the kernels, by
 * explanations and by brute force: in towns, at sea, near the ends of the extract and on the boundary. */
#include "batch.h"
#include "kernel/score.h"
#include "lattice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { BRUTE = 2000, EXPLAINED = 200, MANY = 80000 };

static const struct extract {
    const char *path, *boundary;
    int streets_only;
} extracts[] = {
    {"las-palmas/las-palmas.osm.pbf", "las-palmas/boundary.geojson", 0},
    {"las-palmas/las-palmas.osm.pbf", NULL, 0},
    {"malta/malta-2016.osm.pbf", NULL, 0},
    {"liechtenstein/liechtenstein-2022.osm.pbf", NULL, 0},
    {"liechtenstein/liechtenstein-2021.osm.pbf", NULL, 0},
    {"liechtenstein/liechtenstein-2015.osm.pbf", NULL, 0},
    {"liechtenstein/liechtenstein-2013.osm.pbf", NULL, 0},
    {"andorra/andorra-2021.osm.pbf", NULL, 0},
    {"andorra/andorra-2013.osm.pbf", NULL, 0},
    {"monaco/monaco-2025.osm.pbf", NULL, 0},
    {"monaco/monaco-2021.osm.pbf", NULL, 0},
    {"monaco/monaco-2012.osm.pbf", NULL, 0},
    {"porto-alegre/porto-alegre.osm.pbf", NULL, 1},
    {"sao-paulo/sao-paulo.osm.pbf", NULL, 1},
    {"heidelberg/heidelberg.osm.pbf", NULL, 0},
    {"centres-2020/munich.osm.pbf", NULL, 0},
    {"centres-2020/london.osm.pbf", NULL, 0},
    {"centres-2020/moscow.osm.pbf", NULL, 0},
    {"centres-2020/stockholm.osm.pbf", NULL, 0},
    {"centres-2020/boston.osm.pbf", NULL, 0},
    {"centres-2020/sydney.osm.pbf", NULL, 0},
};
enum { EXTRACTS = sizeof extracts / sizeof extracts[0] };

static void data_path(const char *name, char path[1024])
{
    const char *folder = getenv("UCID_DATA");
    snprintf(path, 1024, "%s/%s", folder != NULL ? folder : SOURCE_DIR "/../shared/data", name);
}

/* A third anywhere in the box and around it, a third near streets, a third near the ends of the extract or, where there
 * is one, near the boundary. */
static void make_places(const ucid_index *x, int64_t n, uint64_t seed, double *lat, double *lon)
{
    const ucidx_summary *s = x->summary;
    for (int64_t i = 0; i < n; i++) {
        double px, py, spread = 0;
        if (i % 3 == 0) {
            px = s->min_lon_e7 - 5e4 + lattice_uniform(&seed) * ((double)s->max_lon_e7 - s->min_lon_e7 + 1e5);
            py = s->min_lat_e7 - 5e4 + lattice_uniform(&seed) * ((double)s->max_lat_e7 - s->min_lat_e7 + 1e5);
        } else if (i % 3 == 1 || x->boundary_count == 0) {
            uint32_t node = (uint32_t)(lattice_random(&seed) % x->node_count);
            for (uint32_t tries = 0; i % 3 == 2 && tries < 1000 && !(x->nodes[node].flags & 1); tries++) {
                node = (uint32_t)(lattice_random(&seed) % x->node_count);
            }
            px = x->nodes[node].x_e7;
            py = x->nodes[node].y_e7;
            spread = lattice_random(&seed) % 8 ? 2e4 : 0;
        } else {
            const ucidx_ring_point *at = &x->boundary[lattice_random(&seed) % x->boundary_count];
            px = at->x_e7;
            py = at->y_e7;
            spread = lattice_random(&seed) % 8 ? 5e3 : 1;
        }
        lon[i] = (px + s->lon_origin_e7 + spread * (lattice_uniform(&seed) - 0.5)) * 1e-7;
        lat[i] = (py + spread * (lattice_uniform(&seed) - 0.5)) * 1e-7;
    }
}

static void compare_with_brute_force(const ucid_index *index, const batch *b, const double *lat, const double *lon)
{
    brute *plain = brute_new(index);
    for (int i = 0; i < BRUTE; i++) {
        brute_result r = brute_score(plain, lat[i], lon[i], UINT32_MAX);
        batch_assert_brute(&b->out, i, &r, lat[i], lon[i]);
    }
    brute_free(plain);
    for (int i = 0; i < EXPLAINED; i++) {
        ucid_explanation *e = NULL;
        ucid_status status = ucid_explain(index, lat[i], lon[i], NULL, &e, NULL);
        if (ucid_status_exit_code((ucid_status)b->out.status[i]) != 0) {
            assert_int_equal(status, b->out.status[i]);
            continue;
        }
        assert_int_equal(status, UCID_OK);
        ucid_scores s;
        ucid_explanation_scores_get(e, &s);
        brute_result r = {*s.status, *s.grade, *s.flags, *s.score, *s.confidence, *s.snap_m, {0}, {0}};
        for (int p = 0; p < PARTS; p++) r.part[p] = *s.part[p], r.nearest_m[p] = *s.nearest_m[p];
        batch_assert_brute(&b->out, i, &r, lat[i], lon[i]);
        ucid_explanation_free(e);
    }
}

static void compare_ways(const ucid_index *index, const batch *expected, const double *lat, const double *lon)
{
    static const char *const names[] = {"avx512", "avx2", "scalar"};
    int threads[] = {2, 7, 1};
    for (int k = 0; k < 3; k++) {
        const score_kernels *kernels = score_kernels_find(names[k]);
        if (kernels == NULL) continue;
        batch b = batch_new(MANY);
        ucid_score_options options = UCID_SCORE_OPTIONS_INIT;
        options.threads = threads[k];
        assert_int_equal(score_with(kernels, index, MANY, lat, lon, NULL, &options, &b.out, NULL), UCID_OK);
        assert_memory_equal(b.memory, expected->memory, b.bytes);
        free(b.memory);
    }
}

static void kernels_equal_brute_force_on_real_streets(void **state)
{
    (void)state;
    double *lat = malloc(MANY * sizeof *lat), *lon = malloc(MANY * sizeof *lon);
    int built = 0;
    for (int i = 0; i < EXTRACTS; i++) {
        char path[1024], rings[1024], out[] = "/tmp/ucid-extracts-XXXXXX";
        data_path(extracts[i].path, path);
        if (access(path, R_OK) != 0) {
            print_message("[ SKIP     ] %s is not there\n", path);
            continue;
        }
        int fd = mkstemp(out);
        assert_true(fd >= 0);
        close(fd);
        ucid_build_options options = UCID_BUILD_OPTIONS_INIT;
        if (extracts[i].boundary != NULL) {
            data_path(extracts[i].boundary, rings);
            options.boundary_path = rings;
        }
        ucid_error error;
        ucid_index *index = NULL;
        if (ucid_index_build(path, out, &options, &error) != UCID_OK) fail_msg("%s", error.message);
        if (ucid_index_open(out, NULL, &index, &error) != UCID_OK) fail_msg("%s", error.message);
        unlink(out);
        make_places(index, MANY, (uint64_t)i, lat, lon);
        batch b = batch_new(MANY);
        assert_int_equal(score_with(score_kernels_find("scalar"), index, MANY, lat, lon, NULL, NULL, &b.out, NULL),
                         UCID_OK);
        compare_with_brute_force(index, &b, lat, lon);
        compare_ways(index, &b, lat, lon);

        double score = 0, confidence = 0;
        int64_t seen[128] = {0}, scored = 0;
        for (int k = 0; k < MANY; k++) {
            seen[b.out.status[k]]++;
            if (b.out.status[k] != UCID_OK) continue;
            score += b.out.score[k];
            confidence += b.out.confidence[k];
            scored++;
        }
        print_message(
            "%-42s %5.1f %% ok, %4.1f %% near the end, %4.1f %% island, %4.1f %% off, %4.1f %% outside; mean score "
            "%.1f, confidence %.2f\n",
            extracts[i].path, 1e2 * (double)seen[UCID_OK] / MANY, 1e2 * (double)seen[UCID_NEAR_BOUNDARY] / MANY,
            1e2 * (double)seen[UCID_ISLAND] / MANY, 1e2 * (double)seen[UCID_OFF_NETWORK] / MANY,
            1e2 * (double)seen[UCID_OUTSIDE_INDEX] / MANY, score / (double)scored, confidence / (double)scored);
        if (extracts[i].streets_only) assert_true(confidence / (double)scored < 0.70);
        free(b.memory);
        ucid_index_close(index);
        built++;
    }
    free(lat);
    free(lon);
    if (built == 0) skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_equal_brute_force_on_real_streets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
