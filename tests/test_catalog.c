/* test_catalog.c: a catalog whose indexes are opened when a place needs them answers as one of opened indexes does, and
 * opens no more. Four towns: two beside each other (their boxes overlap), two far away. */
#include "ucid.h"

#include "lattice.h"
#include "town.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { TOWNS = 4, PLACES = 4000 };
static const struct {
    double lat, lon;
    int64_t timestamp;
} towns[TOWNS] = {
    {40.0, -40.0, 1767225600}, {40.03, -40.01, 1767225600}, {10.0, 140.0, 1735689600}, {-33.0, 149.0, 1704067200}};

static char folder[] = "/tmp/ucid-catalog-XXXXXX";

typedef struct world {
    char path[TOWNS][64];
    ucid_index *index[TOWNS];
    ucid_catalog_entry entry[TOWNS];
    ucid_index_info info[TOWNS];
    double lat[PLACES], lon[PLACES];
} world;

/* Places in and around the towns, the bad ones that there are, and some anywhere. */
static void scatter(world *w)
{
    uint64_t seed = 5;
    for (int i = 0; i < PLACES; i++) {
        const ucid_index_info *info = &w->info[i % TOWNS];
        double wide = i % 3 == 0 ? 0.1 : 0.01;
        double east = info->max_lon_deg + (info->max_lon_deg < info->min_lon_deg ? 360.0 : 0.0);
        w->lat[i] =
            info->min_lat_deg - wide + lattice_uniform(&seed) * (info->max_lat_deg - info->min_lat_deg + 2 * wide);
        w->lon[i] = info->min_lon_deg - wide + lattice_uniform(&seed) * (east - info->min_lon_deg + 2 * wide);
        if (w->lon[i] > 180.0) w->lon[i] -= 360.0;
        if (i % 101 == 0) w->lat[i] = NAN;
        if (i % 103 == 0) w->lon[i] = 181.0;
        if (i % 107 == 0) w->lat[i] = lattice_uniform(&seed) * 180.0 - 90.0;
    }
}

static int open_world(void **state)
{
    world *w = calloc(1, sizeof *w);
    ucid_error error;
    assert_non_null(w);
    assert_non_null(mkdtemp(folder));
    for (int i = 0; i < TOWNS; i++) {
        char extract[80];
        snprintf(w->path[i], sizeof w->path[i], "%s/%d.ucidx", folder, i);
        snprintf(extract, sizeof extract, "%s/town.osm.pbf", folder);
        town_counts counts;
        town_options options = TOWN_OPTIONS_INIT;
        options.seed = (uint64_t)i + 1;
        options.nodes = 3000;
        options.lat_deg = towns[i].lat;
        options.lon_deg = towns[i].lon;
        options.timestamp = towns[i].timestamp;
        if (town_write(&options, extract, &counts, &error) != UCID_OK) fail_msg("%s", error.message);
        ucid_build_options build = UCID_BUILD_OPTIONS_INIT;
        if (ucid_index_build(extract, w->path[i], &build, &error) != UCID_OK ||
            ucid_index_open(w->path[i], NULL, &w->index[i], &error) != UCID_OK) {
            fail_msg("%s", error.message);
        }
        unlink(extract);
        ucid_index_info *info = &w->info[i];
        ucid_index_info_get(w->index[i], info);
        w->entry[i] = (ucid_catalog_entry){.id = info->id,
                                           .data_hour = info->data_hour,
                                           .min_lat_deg = info->min_lat_deg,
                                           .min_lon_deg = info->min_lon_deg,
                                           .max_lat_deg = info->max_lat_deg,
                                           .max_lon_deg = info->max_lon_deg};
        w->entry[i].coverage_count = ucid_index_coverage_get(w->index[i], &w->entry[i].coverage);
    }
    scatter(w);
    *state = w;
    return 0;
}

static int close_world(void **state)
{
    world *w = *state;
    for (int i = 0; i < TOWNS; i++) {
        ucid_index_close(w->index[i]);
        unlink(w->path[i]);
    }
    rmdir(folder);
    free(w);
    return 0;
}

/* What a catalog asks for. */
typedef struct asked {
    world *world;
    int times[TOWNS];
    int refused; /* position that cannot be opened; -1: none */
} asked;

static ucid_status give(void *ctx, int64_t position, const ucid_index **index, ucid_error *error)
{
    asked *a = ctx;
    a->times[position]++;
    if (position == a->refused) {
        if (error != NULL) {
            *error = (ucid_error){.status = UCID_IO_ERROR, .byte = -1, .row = -1};
            strcpy(error->message, "no way");
        }
        return UCID_IO_ERROR;
    }
    *index = a->world->index[position];
    return UCID_OK;
}

typedef struct answers {
    double score[PLACES], confidence[PLACES], snap_m[PLACES], part[PLACES], nearest_m[PLACES];
    uint8_t grade[PLACES], status[PLACES], flags[PLACES];
} answers;

static ucid_scores outputs(answers *a)
{
    return (ucid_scores){.score = a->score,
                         .grade = a->grade,
                         .confidence = a->confidence,
                         .status = a->status,
                         .flags = a->flags,
                         .snap_m = a->snap_m,
                         .part = {a->part},
                         .nearest_m = {a->nearest_m}};
}

static void lazy_is_as_open(void **state)
{
    world *w = *state;
    ucid_error error;
    static answers expected, got;
    static int32_t hours[PLACES];
    for (int i = 0; i < PLACES; i++) hours[i] = (int32_t)w->info[0].data_hour + i % 5;
    /* any number of the towns, in any order, with one key and with a key a row */
    for (int chosen = 1; chosen < 1 << TOWNS; chosen++) {
        const ucid_index *indexes[TOWNS];
        ucid_catalog_entry entries[TOWNS];
        world given = *w;
        int count = 0;
        for (int i = 0; i < TOWNS; i++) {
            int t = chosen % 2 == 0 ? TOWNS - 1 - i : i;
            if (!(chosen >> t & 1)) continue;
            given.index[count] = w->index[t];
            indexes[count] = w->index[t];
            entries[count++] = w->entry[t];
        }
        for (int keyed = 0; keyed < 2; keyed++) {
            asked a = {&given, {0}, -1};
            ucid_catalog *open, *lazy;
            ucid_scores expected_out = outputs(&expected), got_out = outputs(&got);
            assert_int_equal(ucid_catalog_new(count, indexes, NULL, &open, &error), UCID_OK);
            assert_int_equal(ucid_catalog_new_lazy(count, entries, give, &a, NULL, &lazy, &error), UCID_OK);
            assert_int_equal(ucid_catalog_score(lazy, 0, NULL, NULL, NULL, NULL, NULL, &got_out, &error), UCID_OK);
            assert_null(ucid_catalog_index(lazy, 0));
            assert_int_equal(a.times[0], 0);
            const int32_t *keys = keyed ? hours : NULL;
            assert_int_equal(ucid_catalog_score(open, PLACES, w->lat, w->lon, NULL, keys, NULL, &expected_out, &error),
                             UCID_OK);
            memset(&got, 0, sizeof got);
            for (int first = 0; first < PLACES; first += 700) { /* in batches, which the answer does not depend on */
                int n = PLACES - first < 700 ? PLACES - first : 700;
                ucid_scores out = {.score = got.score + first,
                                   .grade = got.grade + first,
                                   .confidence = got.confidence + first,
                                   .status = got.status + first,
                                   .flags = got.flags + first,
                                   .snap_m = got.snap_m + first,
                                   .part = {got.part + first},
                                   .nearest_m = {got.nearest_m + first}};
                assert_int_equal(ucid_catalog_score(lazy, n, w->lat + first, w->lon + first, NULL,
                                                    keyed ? hours + first : NULL, NULL, &out, &error),
                                 UCID_OK);
            }
            assert_memory_equal(&got, &expected, sizeof got);
            for (int i = 0; i < PLACES; i++) {
                assert_int_equal(ucid_catalog_find(lazy, w->lat[i], w->lon[i]),
                                 ucid_catalog_find(open, w->lat[i], w->lon[i]));
            }
            for (int i = 0; i < count; i++) assert_int_equal(a.times[i], 1);
            assert_ptr_equal(ucid_catalog_index(lazy, count - 1), indexes[count - 1]);
            assert_null(ucid_catalog_index(lazy, count));
            ucid_catalog_free(open);
            ucid_catalog_free(lazy);
        }
    }
}

static void only_what_is_needed_is_opened(void **state)
{
    world *w = *state;
    ucid_error error;
    for (int t = 0; t < TOWNS; t++) {
        asked a = {w, {0}, -1};
        ucid_catalog *lazy;
        assert_int_equal(ucid_catalog_new_lazy(TOWNS, w->entry, give, &a, NULL, &lazy, &error), UCID_OK);
        double lat[4] = {NAN, 91.0, 0.0, 70.0}, lon[4] = {0.0, 0.0, 0.0, 20.0}, score[4];
        uint8_t status[4];
        ucid_scores out = {.score = score, .status = status};
        assert_int_equal(ucid_catalog_score(lazy, 4, lat, lon, NULL, NULL, NULL, &out, &error), UCID_OK);
        const uint8_t nowhere[4] = {UCID_INVALID_COORDINATES, UCID_INVALID_COORDINATES, UCID_OUTSIDE_INDEX,
                                    UCID_OUTSIDE_INDEX};
        assert_memory_equal(status, nowhere, 4);
        for (int i = 0; i < TOWNS; i++) assert_int_equal(a.times[i], 0);
        assert_int_equal(ucid_cell_centre(w->entry[t].coverage[0], &lat[1], &lon[1], &error), UCID_OK);
        assert_int_equal(ucid_catalog_score(lazy, 4, lat, lon, NULL, NULL, NULL, &out, &error), UCID_OK);
        int opened = 0;
        for (int i = 0; i < TOWNS; i++) opened += a.times[i];
        assert_int_equal(opened, 1);
        ucid_catalog_free(lazy);
    }
}

static void what_cannot_be_opened_leaves_all_as_it_was(void **state)
{
    world *w = *state;
    ucid_error error;
    static answers got, before;
    asked a = {w, {0}, 3};
    ucid_catalog *lazy;
    assert_int_equal(ucid_catalog_new_lazy(TOWNS, w->entry, give, &a, NULL, &lazy, &error), UCID_OK);
    memset(&got, 7, sizeof got);
    before = got;
    ucid_scores out = outputs(&got);
    for (int again = 1; again <= 2; again++) {
        assert_int_equal(ucid_catalog_score(lazy, PLACES, w->lat, w->lon, NULL, NULL, NULL, &out, &error),
                         UCID_IO_ERROR);
        assert_string_equal(error.message, "no way");
        assert_memory_equal(&got, &before, sizeof got);
        assert_int_equal(a.times[3], again);
    }
    double lat, lon;
    assert_int_equal(ucid_cell_centre(w->entry[3].coverage[0], &lat, &lon, &error), UCID_OK);
    assert_int_equal(ucid_catalog_find(lazy, lat, lon), 3); /* that it covers the place is known */
    a.refused = -1;
    assert_int_equal(ucid_catalog_score(lazy, PLACES, w->lat, w->lon, NULL, NULL, NULL, &out, &error), UCID_OK);
    ucid_catalog_free(lazy);
    w->entry[1].id = "no";
    assert_int_equal(ucid_catalog_new_lazy(TOWNS, w->entry, give, &a, NULL, &lazy, &error), UCID_INVALID_ARGUMENT);
    w->entry[1].id = w->info[1].id;
    assert_int_equal(ucid_catalog_new_lazy(0, w->entry, give, &a, NULL, &lazy, &error), UCID_INVALID_ARGUMENT);
}

/* -------------------------------------------------------------------------------------------------------- Memory -- */

typedef struct limited {
    long left, held;
} limited;

static void *allocate(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    limited *l = ctx;
    if (new_size == 0) {
        l->held -= ptr != NULL;
        free(ptr);
        return NULL;
    }
    if (l->left-- == 0) return NULL;
    void *now = malloc(new_size);
    if (ptr != NULL && now != NULL) memcpy(now, ptr, old_size < new_size ? old_size : new_size);
    if (ptr != NULL) free(ptr);
    if (ptr == NULL) l->held++;
    return now;
}

static void every_allocation_may_fail(void **state)
{
    world *w = *state;
    ucid_status status = UCID_NO_MEMORY;
    for (long n = 0; status != UCID_OK; n++) {
        limited l = {n, 0};
        ucid_allocator allocator = {allocate, &l};
        asked a = {w, {0}, -1};
        ucid_error error;
        ucid_catalog *lazy = NULL;
        static answers got;
        ucid_scores out = outputs(&got);
        status = ucid_catalog_new_lazy(TOWNS, w->entry, give, &a, &allocator, &lazy, &error);
        if (status == UCID_OK)
            status = ucid_catalog_score(lazy, PLACES, w->lat, w->lon, NULL, NULL, NULL, &out, &error);
        assert_true(status == UCID_OK || status == UCID_NO_MEMORY);
        ucid_catalog_free(lazy);
        assert_int_equal(l.held, 0);
        assert_true(n < 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lazy_is_as_open),
        cmocka_unit_test(only_what_is_needed_is_opened),
        cmocka_unit_test(what_cannot_be_opened_leaves_all_as_it_was),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
