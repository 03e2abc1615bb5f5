/* Streets as lines: order of points, ranks, what fits, and records that point nowhere. */
#include "index/index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const ucidx_segment segments[] = {
    {0, 100, 10, 110, 0, 0, 1, 1, 0, 0},
    {10, 110, 20, 90, 0, 1, 1, 0, 0, 0},
    {-50, 0, -60, 5, 0, 0, 1, 0, 0, 1},
};
static const ucidx_summary summary = {.lon_origin_e7 = 1799999990};

static ucid_index small_index(const ucidx_edge *edges, uint32_t count)
{
    ucid_index index = {0};
    index.summary = &summary;
    index.segments = segments;
    index.segment_count = 3;
    index.edges = edges;
    index.edge_count = count;
    return index;
}

static void test_points_in_order(void **state)
{
    (void)state;
    const ucidx_edge edges[] = {{0, 1, 2, 0, 0, UCIDX_CLASS_PRIMARY},
                                {1, 2, 1, 2, 0, UCIDX_CLASS_STEPS | UCIDX_EDGE_ISLAND},
                                {0, 0, 0, 3, 0, 0}};
    ucid_index index = small_index(edges, 2);
    double lat[4] = {-1, -1, -1, -1};
    double lon[4] = {-1, -1, -1, -1};
    int rank = -1;
    assert_int_equal(ucid_index_street_get(&index, 0, 4, lat, lon, &rank), 3);
    assert_int_equal(rank, UCID_STREET_MAIN);
    const double want_lat[] = {100 / 1e7, 110 / 1e7, 90 / 1e7, -1};
    const double want_lon[] = {1799999990 / 1e7, 180.0, 1800000010 / 1e7, -1}; /* runs on past the antimeridian */
    for (int i = 0; i < 4; i++) {
        assert_true(lat[i] == want_lat[i]);
        assert_true(lon[i] == want_lon[i]);
    }
    assert_int_equal(ucid_index_street_get(&index, 1, 1, lat, lon, &rank), 2); /* one of two fits */
    assert_int_equal(rank, UCID_STREET_PATH);
    assert_true(lat[0] == 0);
    assert_true(lat[1] == want_lat[1]); /* as it was */
    assert_int_equal(ucid_index_street_get(&index, 0, 0, NULL, NULL, &rank), 3);
    assert_int_equal(ucid_index_street_get(&index, 2, 4, lat, lon, &rank), 0);
}

static void test_damaged_records(void **state)
{
    (void)state;
    const ucidx_edge edges[] = {{0, 1, 2, 2, 0, 0}, {1, 2, 1, 1, 0, 0}, {0, 0, 0, 9, 0, 0}};
    ucid_index index = small_index(edges, 2);
    double lat[2], lon[2];
    int rank = 7;
    assert_int_equal(ucid_index_street_get(&index, 0, 2, lat, lon, &rank), 0); /* ends before it begins */
    assert_int_equal(ucid_index_street_get(&index, 1, 2, lat, lon, &rank), 0); /* ends after the last segment */
    assert_int_equal(rank, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_points_in_order),
        cmocka_unit_test(test_damaged_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
