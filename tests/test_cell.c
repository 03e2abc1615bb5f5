/* test_cell.c: cells against the published samples and against libh3. */
#include "id/cell.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const double nan_value = NAN;

static void published_cells(void **state)
{
    (void)state;
    static const struct {
        double lat, lon;
        int resolution;
        const char *text;
    } samples[] = {
        {41.015, 28.979, 9, "891ec90243bffff"},  {41.0005, 28.979, 9, "891ec9020c7ffff"},
        {-0.0004, 28.979, 9, "896ac2132afffff"}, {41.015, -179.9996, 9, "8932b2cec93ffff"},
        {90, 28.979, 9, "890326233abffff"},      {-90, 28.979, 9, "89f29380e0fffff"},
        {41.015, 28.979, 0, "801ffffffffffff"},  {41.015, 28.979, 15, "8f1ec90243b016b"},
    };
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        uint64_t cell = ucid_cell_at(samples[i].lat, samples[i].lon, samples[i].resolution);
        char text[16];
        ucid_cell_format(cell, text);
        assert_string_equal(text, samples[i].text);
        assert_int_equal(ucid_cell_parse(text, 15), cell);
        assert_int_equal(ucid_cell_resolution(cell), samples[i].resolution);
        assert_true(ucid_cell_is_valid(cell));
    }
}

static void what_is_no_cell(void **state)
{
    (void)state;
    const double bad[] = {NAN, INFINITY, -INFINITY, 90.000001, -91, 1e300};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) assert_int_equal(ucid_cell_at(bad[i], 1, 9), 0);
    assert_int_equal(ucid_cell_at(1, 180.000001, 9), 0);
    assert_int_equal(ucid_cell_at(1, 1, 16), 0);
    assert_int_equal(ucid_cell_at(1, 1, -1), 0);
    assert_int_equal(ucid_cell_parse("891f2ed6df7ffff", 15), 0); /* printed everywhere, and no cell */
    assert_int_equal(ucid_cell_parse("891ec90243bfff", 14), 0);
    assert_int_equal(ucid_cell_parse("891ec90243bfffg", 15), 0);
    assert_int_equal(ucid_cell_parse("891ec90243b\0fff", 15), 0);
    assert_int_equal(ucid_cell_parse("891EC90243BFFFF", 15), 0x891ec90243bffffULL);
    assert_int_equal(ucid_cell_resolution(0), -1);
    assert_false(ucid_cell_is_valid(UINT64_MAX));

    ucid_error error;
    double lat = 7, lon = 8;
    assert_int_equal(ucid_cell_centre(5, &lat, &lon, &error), UCID_INVALID_H3);
    assert_true(lat == 7 && lon == 8);
    assert_non_null(strstr(error.message, "5 is not"));
    assert_int_equal(ucid_cell_parent(0x891ec90243bffffULL, 10), 0);
    assert_int_equal(ucid_cell_children_count(0x891ec90243bffffULL, 8), 0);
    assert_true(isnan(ucid_cell_area_m2(0)) && isnan(ucid_cell_edge_m(16)));
}

static void rows_of_columns(void **state)
{
    (void)state;
    const double lat[9] = {41.015, nan_value, 10, 91, -90, 0, 5, 5, 41.015};
    const double lon[9] = {28.979, 0, 10, 0, 180, 0, -180.5, INFINITY, 28.979};
    const uint8_t validity[2] = {0xFB, 0x01}; /* row 2 is null */
    uint64_t cells[9];
    uint8_t status[9];
    ucid_error error;
    assert_int_equal(ucid_cells_at(9, lat, lon, validity, 9, cells, status, &error), UCID_OK);
    const uint8_t expected[9] = {0,
                                 UCID_INVALID_COORDINATES,
                                 UCID_NULL_INPUT,
                                 UCID_INVALID_COORDINATES,
                                 0,
                                 UCID_OK,
                                 UCID_INVALID_COORDINATES,
                                 UCID_INVALID_COORDINATES,
                                 UCID_OK};
    assert_memory_equal(status, expected, sizeof status);
    for (int i = 0; i < 9; i++) {
        assert_int_equal(cells[i], status[i] == UCID_OK ? ucid_cell_at(lat[i], lon[i], 9) : 0);
    }
    assert_int_equal(ucid_cells_at(9, lat, lon, NULL, 16, cells, status, &error), UCID_INVALID_ARGUMENT);
    assert_int_equal(cells[0], 0x891ec90243bffffULL);

    uint64_t parents[9];
    assert_int_equal(ucid_cells_parents(9, cells, validity, 7, parents, status, &error), UCID_OK);
    assert_int_equal(parents[0], 0x871ec9024ffffffULL);
    assert_int_equal(status[1], UCID_INVALID_H3);
    assert_int_equal(status[2], UCID_NULL_INPUT);
    assert_int_equal(ucid_cells_parents(9, cells, NULL, 10, parents, NULL, &error), UCID_OK);
    assert_int_equal(parents[0], 0);
    assert_int_equal(ucid_cells_parents(9, cells, NULL, -1, parents, NULL, &error), UCID_INVALID_ARGUMENT);

    double centre_lat[9], centre_lon[9];
    ucid_cells_centres(9, cells, centre_lat, centre_lon);
    assert_int_equal(ucid_cell_at(centre_lat[0], centre_lon[0], 9), cells[0]);
    assert_true(isnan(centre_lat[1]) && isnan(centre_lon[1]));
    assert_int_equal(ucid_cells_at(0, NULL, NULL, NULL, 9, NULL, NULL, NULL), UCID_OK);
}

static void families_and_neighbours(void **state)
{
    (void)state;
    const uint64_t cell = 0x891ec90243bffffULL, pentagon = ucid_cell_parse("89080000003ffff", 15);
    uint64_t children[343], disk[37];
    ucid_error error;
    assert_int_equal(ucid_cell_children_count(cell, 12), 343);
    assert_int_equal(ucid_cell_children(cell, 12, children, &error), UCID_OK);
    for (int i = 0; i < 343; i++) {
        assert_int_equal(ucid_cell_parent(children[i], 9), cell);
        if (i > 0) assert_true(children[i - 1] < children[i]);
    }
    assert_int_equal(ucid_cell_children(cell, 8, children, &error), UCID_INVALID_ARGUMENT);

    int64_t count = 0;
    assert_int_equal(ucid_cell_disk(cell, 3, disk, &count, &error), UCID_OK);
    assert_int_equal(count, 37);
    for (int i = 1; i < 37; i++) assert_true(disk[i - 1] < disk[i]);
    assert_int_equal(ucid_cell_disk(cell, -1, disk, &count, &error), UCID_INVALID_ARGUMENT);
    assert_int_equal(ucid_cell_disk(pentagon, 1, disk, &count, &error), UCID_OK);
    assert_int_equal(count, 6);
    /* Published: resolution 9 has edges of 200.8 m and areas of 0.1053 square kilometres on average. */
    assert_true(fabs(ucid_cell_edge_m(9) - 200.786) < 0.001);
    assert_true(fabs(ucid_cell_area_m2(cell) - 105300) < 20000);
}

static void a_box_and_a_cell(void **state)
{
    (void)state;
    const double half = UCID_CELL_PRINTED_HALF_DEG;
    for (int resolution = 0; resolution <= 15; resolution++) {
        uint64_t cell = ucid_cell_at(41.01537, 28.97949, resolution), disk[19];
        assert_true(ucid_cell_meets_box(cell, 41.015, 28.979, half));
        int64_t count = 0;
        uint64_t far = ucid_cell_at(41.215, 28.779, resolution);
        if (resolution >= 4) assert_false(ucid_cell_meets_box(far, 41.015, 28.979, half));
        if (resolution > 8) continue;
        uint64_t home = ucid_cell_at(41.015, 28.979, resolution), near[7];
        int64_t near_count = 0;
        ucid_cell_disk(home, 2, disk, &count, NULL);
        ucid_cell_disk(home, 1, near, &near_count, NULL);
        for (int i = 0; i < count; i++) { /* two cells away is refused */
            int is_near = 0;
            for (int j = 0; j < near_count; j++) is_near |= near[j] == disk[i];
            if (!is_near) assert_false(ucid_cell_meets_box(disk[i], 41.015, 28.979, half));
        }
    }
    assert_false(ucid_cell_meets_box(0, 41.015, 28.979, half));
    assert_false(ucid_cell_meets_box(ucid_cell_at(1, 1, 9), nan_value, 1, half));
}

static double random_unit(void)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (double)(state >> 11) * 0x1p-53;
}

static int holds(const uint64_t *cells, int count, uint64_t cell)
{
    for (int i = 0; i < count; i++) {
        if (cells[i] == cell) return 1;
    }
    return 0;
}

/* Against places strewn over the box: their cells meet it, and what meets it has places in a box that is a little
 * larger. */
static void boxes_full_of_places(void **state)
{
    (void)state;
    enum { SIDE = 65 };
    static double lat[SIDE * SIDE], lon[SIDE * SIDE];
    static uint64_t cells[2][SIDE * SIDE];
    const double half = UCID_CELL_PRINTED_HALF_DEG;
    int accepted = 0, refused = 0;
    for (int k = 0; k < 240; k++) {
        int resolution = 6 + k % 7;
        double middle_lat = 175 * (random_unit() - 0.5), middle_lon = 358 * (random_unit() - 0.5);
        for (int larger = 0; larger < 2; larger++) {
            for (int i = 0; i < SIDE * SIDE; i++) {
                double size = half * (larger ? 1.05 : 0.999999);
                lat[i] = middle_lat + size * (2.0 * (i / SIDE) / (SIDE - 1) - 1);
                lon[i] = middle_lon + size * (2.0 * (i % SIDE) / (SIDE - 1) - 1);
            }
            assert_int_equal(ucid_cells_at(SIDE * SIDE, lat, lon, NULL, resolution, cells[larger], NULL, NULL),
                             UCID_OK);
        }
        uint64_t near[37];
        int64_t count = 0;
        assert_int_equal(ucid_cell_disk(ucid_cell_at(middle_lat, middle_lon, resolution), 3, near, &count, NULL),
                         UCID_OK);
        for (int64_t i = 0; i < count; i++) {
            int meets = ucid_cell_meets_box(near[i], middle_lat, middle_lon, half);
            if (holds(cells[0], SIDE * SIDE, near[i])) assert_true(meets);
            if (meets) assert_true(holds(cells[1], SIDE * SIDE, near[i]));
            accepted += meets, refused += !meets;
        }
    }
    assert_true(accepted > 1000 && refused > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_cells),  cmocka_unit_test(what_is_no_cell),
        cmocka_unit_test(rows_of_columns),  cmocka_unit_test(families_and_neighbours),
        cmocka_unit_test(a_box_and_a_cell), cmocka_unit_test(boxes_full_of_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
