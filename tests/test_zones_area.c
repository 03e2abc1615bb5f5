/* Shares of cells in zones: zones that tile the globe share out every cell, cells that tile it share out every zone.
 * GEOS is asked in test_join.py. */
#include "ucid.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SPHERE_M2 (4 * 3.14159265358979323846 * 6371000.0 * 6371000.0)

static uint64_t random_state = 11;

static uint64_t random_bits(void)
{
    uint64_t x = random_state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}
static double random_between(double low, double high)
{
    return low + (double)(random_bits() >> 11) * 0x1p-53 * (high - low);
}

static void add(ucid_zones_builder *builder, int64_t n, const double *lat, const double *lon)
{
    assert_int_equal(ucid_zones_builder_add(builder, 1, &n, lat, lon, NULL), UCID_OK);
}

static ucid_zones *build(ucid_zones_builder *builder)
{
    ucid_zones *zones = NULL;
    assert_int_equal(ucid_zones_build(builder, 2, &zones, NULL), UCID_OK);
    ucid_zones_builder_free(builder);
    return zones;
}

enum { SIDE = 9, STEPS = 40, NODES = SIDE + 1 };

/* SIDE * SIDE zones with rough borders, which neighbours share, from (south, west) on. */
static ucid_zones *tile(double south, double west, double tall, double wide)
{
    static double lat[2][NODES][NODES][STEPS + 1],
        lon[2][NODES][NODES][STEPS + 1]; /* borders east, and north, of nodes */
    for (int east = 0; east < 2; east++) {
        for (int row = 0; row < NODES; row++) {
            for (int col = 0; col < NODES; col++) {
                for (int k = 0; k <= STEPS; k++) {
                    double rough = 0.6 * (k < STEPS - k ? k : STEPS - k) / STEPS; /* so borders meet at nodes only */
                    double up = row + (east ? 0 : k / (double)STEPS), right = col + (east ? k / (double)STEPS : 0);
                    if (east && row > 0 && row < SIDE) up += random_between(-rough, rough);
                    if (!east && col > 0 && col < SIDE) right += random_between(-rough, rough);
                    lat[east][row][col][k] = south + tall * up / SIDE,
                    lon[east][row][col][k] = west + wide * right / SIDE;
                }
            }
        }
    }
    ucid_zones_builder *builder = NULL;
    assert_int_equal(ucid_zones_builder_new(NULL, &builder, NULL), UCID_OK);
    for (int row = 0; row < SIDE; row++) {
        for (int col = 0; col < SIDE; col++) {
            double y[4 * STEPS], x[4 * STEPS];
            for (int k = 0; k < STEPS; k++) {
                y[k] = lat[1][row][col][k], x[k] = lon[1][row][col][k];
                y[STEPS + k] = lat[0][row][col + 1][k], x[STEPS + k] = lon[0][row][col + 1][k];
                y[2 * STEPS + k] = lat[1][row + 1][col][STEPS - k], x[2 * STEPS + k] = lon[1][row + 1][col][STEPS - k];
                y[3 * STEPS + k] = lat[0][row][col][STEPS - k], x[3 * STEPS + k] = lon[0][row][col][STEPS - k];
            }
            for (int k = 0; k < 4 * STEPS; k++) x[k] -= x[k] > 180 ? 360 : 0;
            add(builder, 4 * STEPS, y, x);
        }
    }
    return build(builder);
}

typedef struct overlaps {
    int64_t n, *offsets;
    int32_t *zone;
    double *area, *cell_area;
    uint8_t *status;
} overlaps;

static overlaps ask(const ucid_zones *zones, int64_t n, const uint64_t *cells, int threads)
{
    size_t rows = (size_t)n;
    overlaps o = {n,    calloc(rows + 1, sizeof(int64_t)), NULL,
                  NULL, calloc(rows + 1, sizeof(double)),  calloc(rows + 1, 1)};
    assert_int_equal(ucid_zones_overlaps(zones, n, cells, NULL, threads, o.offsets, NULL, NULL, 0, NULL, NULL, NULL),
                     UCID_OK);
    int64_t room = o.offsets[n];
    o.zone = calloc((size_t)room + 1, sizeof *o.zone), o.area = calloc((size_t)room + 1, sizeof *o.area);
    assert_int_equal(ucid_zones_overlaps(zones, n, cells, NULL, threads, o.offsets, o.zone, o.area, room, o.cell_area,
                                         o.status, NULL),
                     UCID_OK);
    assert_int_equal(o.offsets[n], room);
    return o;
}

static void forget(overlaps *o) { free(o->offsets), free(o->zone), free(o->area), free(o->cell_area), free(o->status); }

/* All cells of a resolution within a box. */
static uint64_t *cells_of(double south, double west, double north, double east, int resolution, int64_t *count)
{
    ucid_grid *grid = NULL;
    int64_t room = 1 << 16, n = 0, more;
    uint64_t *cells = malloc((size_t)room * sizeof *cells);
    assert_int_equal(ucid_grid_open_box(south, west, north, east, resolution, NULL, &grid, NULL), UCID_OK);
    while ((more = ucid_grid_next(grid, room - n, cells + n, NULL, NULL)) > 0) {
        n += more;
        if (n == room) cells = realloc(cells, (size_t)(room *= 2) * sizeof *cells);
    }
    ucid_grid_close(grid);
    *count = n;
    return cells;
}

/* Whether the whole cell, and not only its centre, lies in the tiles: no side of them is near. */
static int is_well_inside(uint64_t cell, double south, double west, double tall, double wide, double margin)
{
    double lat, lon;
    assert_int_equal(ucid_cell_centre(cell, &lat, &lon, NULL), UCID_OK);
    double right = lon - west;
    right += right < 0 ? 360 : 0;
    return lat > south + margin && lat < south + tall - margin && right > margin && right < wide - margin;
}

static void test_tiles_share_out_cells(void **state)
{
    (void)state;
    static const struct {
        double south, west, tall, wide, margin;
        int resolution;
    } places[] = {{28, -16, 2, 2, 0.2, 6},          {-60, 175, 12, 12, 3, 3}, {40, 170, 40, 30, 12, 1},
                  {28.1, -15.5, .03, .03, .004, 9}, {-1, 10, 2, 2, .3, 5},    {61, -160, 1, 1, .1, 8}};
    for (size_t p = 0; p < sizeof places / sizeof places[0]; p++) {
        double south = places[p].south, west = places[p].west, tall = places[p].tall, wide = places[p].wide;
        ucid_zones *zones = tile(south, west, tall, wide);
        int64_t n, checked = 0;
        double east = west + wide > 180 ? west + wide - 360 : west + wide;
        uint64_t *cells = cells_of(south, west, south + tall, east, places[p].resolution, &n);
        overlaps o = ask(zones, n, cells, 1), two = ask(zones, n, cells, 2), seven = ask(zones, n, cells, 7);
        size_t pairs = (size_t)o.offsets[n];
        assert_memory_equal(o.offsets, two.offsets, (size_t)(n + 1) * sizeof *o.offsets);
        assert_memory_equal(o.zone, two.zone, pairs * sizeof *o.zone);
        assert_memory_equal(o.area, two.area, pairs * sizeof *o.area);
        assert_memory_equal(o.zone, seven.zone, pairs * sizeof *o.zone);
        assert_memory_equal(o.area, seven.area, pairs * sizeof *o.area);
        for (int64_t i = 0; i < n; i++) {
            double sum = 0;
            assert_int_equal(o.status[i], UCID_OK);
            for (int64_t k = o.offsets[i]; k < o.offsets[i + 1]; k++) {
                if (k > o.offsets[i]) assert_true(o.zone[k] > o.zone[k - 1]);
                assert_true(o.area[k] > 0);
                sum += o.area[k];
            }
            assert_true(sum < o.cell_area[i] * (1 + 1e-9));
            if (!is_well_inside(cells[i], south, west, tall, wide, places[p].margin)) continue;
            checked++;
            if (fabs(sum / o.cell_area[i] - 1) > 1e-9) {
                fail_msg("%llx: %.17g of %.17g m2", (unsigned long long)cells[i], sum, o.cell_area[i]);
            }
        }
        assert_true(checked > 0);
        forget(&o), forget(&two), forget(&seven);
        free(cells);
        ucid_zones_close(zones);
    }
}

/* Cells tile the globe: over all of them, a zone is shared out, be it around a pole or across longitude 180. */
static void test_cells_share_out_zones(void **state)
{
    (void)state;
    ucid_zones_builder *builder = NULL;
    assert_int_equal(ucid_zones_builder_new(NULL, &builder, NULL), UCID_OK);
    double cap_lat[24], cap_lon[24], low_lat[24];
    for (int k = 0; k < 24; k++) cap_lat[k] = 71 + 8 * (k & 1), low_lat[k] = -cap_lat[k], cap_lon[k] = -180 + 15 * k;
    add(builder, 24, cap_lat, cap_lon);
    add(builder, 24, low_lat, cap_lon);
    add(builder, 4, (double[]){-20, -20, 12, 25}, (double[]){170, -160, -170, 165});
    add(builder, 4, (double[]){-90, -90, 0, 0}, (double[]){-180, 180, 180, -180}); /* the southern half of the globe */
    add(builder, 4, (double[]){0, 0, 90, 90}, (double[]){-180, 180, 180, -180});
    add(builder, 5, (double[]){10, 40, 10, 40, 25}, (double[]){10, 40, 40, 10, 60}); /* crosses itself */
    add(builder, 3, (double[]){48.1, 48.2, 48.15}, (double[]){11.5, 11.6, 11.9});
    add(builder, 3, (double[]){48.1, 48.2, 48.15}, (double[]){11.5, 11.6, 11.9}); /* the same once more */
    int64_t none = 0;
    assert_int_equal(ucid_zones_builder_add(builder, none, NULL, NULL, NULL, NULL), UCID_OK);
    ucid_zones *zones = build(builder);
    double areas[9], one_thread[9];
    assert_int_equal(ucid_zones_areas(zones, 2, areas, NULL), UCID_OK);
    assert_int_equal(ucid_zones_areas(zones, 1, one_thread, NULL), UCID_OK);
    assert_memory_equal(areas, one_thread, sizeof areas);
    assert_true(fabs(areas[3] / SPHERE_M2 - 0.5) < 1e-12 && fabs(areas[4] / SPHERE_M2 - 0.5) < 1e-12);
    assert_true(fabs(areas[0] / areas[1] - 1) < 1e-9 && areas[6] == areas[7] && areas[8] == 0);
    for (int resolution = 0; resolution <= 2; resolution++) {
        int64_t n;
        uint64_t *cells = cells_of(-90, -180, 90, 180, resolution, &n);
        overlaps o = ask(zones, n, cells, 2);
        double sums[9] = {0}, globe = 0;
        for (int64_t i = 0; i < n; i++) {
            double halves = 0;
            for (int64_t k = o.offsets[i]; k < o.offsets[i + 1]; k++) {
                sums[o.zone[k]] += o.area[k];
                halves += o.zone[k] == 3 || o.zone[k] == 4 ? o.area[k] : 0;
            }
            globe += o.cell_area[i];
            if (fabs(halves / o.cell_area[i] - 1) > 1e-11)
                fail_msg("cell %lld of resolution %d", (long long)i, resolution);
        }
        assert_true(fabs(globe / SPHERE_M2 - 1) < 1e-7);
        for (int zone = 0; zone < 8; zone++) {
            if (fabs(sums[zone] / areas[zone] - 1) > 1e-7) {
                fail_msg("zone %d at resolution %d: %.17g of %.17g m2", zone, resolution, sums[zone], areas[zone]);
            }
        }
        forget(&o);
        free(cells);
    }
    ucid_zones_close(zones);
}

/* A cell that touches no border is all of it in its zone, and a file gives what memory gives. */
static void test_files_and_whole_cells(void **state)
{
    (void)state;
    ucid_zones *zones = tile(28, -16, 1, 1), *opened = NULL;
    char path[] = "/tmp/ucid-zones-area.XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(ucid_zones_write(zones, path, NULL), UCID_OK);
    assert_int_equal(ucid_zones_open(path, NULL, &opened, NULL), UCID_OK);
    int64_t n, whole = 0;
    uint64_t *cells = cells_of(28, -16, 28.2, -15.8, 8, &n);
    overlaps o = ask(zones, n, cells, 1), of_file = ask(opened, n, cells, 2);
    assert_memory_equal(o.area, of_file.area, (size_t)o.offsets[n] * sizeof *o.area);
    assert_memory_equal(o.zone, of_file.zone, (size_t)o.offsets[n] * sizeof *o.zone);
    for (int64_t i = 0; i < n; i++)
        whole += o.offsets[i] + 1 == o.offsets[i + 1] && o.area[o.offsets[i]] == o.cell_area[i];
    assert_true(whole > n / 4);
    forget(&o), forget(&of_file);
    free(cells);
    ucid_zones_close(opened);
    ucid_zones_close(zones);
    remove(path);
}

static void test_rows_that_are_no_cells(void **state)
{
    (void)state;
    ucid_zones *zones = tile(28, -16, 1, 1);
    uint64_t here = ucid_cell_at(28.5, -15.5, 9), away = ucid_cell_at(0, 0, 9);
    uint64_t cells[5] = {here, 0, 7, away, here};
    uint8_t validity = 0x0F, status[5];
    int64_t offsets[6];
    int32_t zone[16];
    double area[16], cell_area[5];
    assert_int_equal(
        ucid_zones_overlaps(zones, 5, cells, &validity, 2, offsets, zone, area, 16, cell_area, status, NULL), UCID_OK);
    assert_true(offsets[1] > 0 && offsets[5] == offsets[1]);
    uint8_t expected[5] = {UCID_OK, UCID_INVALID_H3, UCID_INVALID_H3, UCID_OK, UCID_NULL_INPUT};
    assert_memory_equal(status, expected, sizeof expected);
    assert_true(isnan(cell_area[1]) && isnan(cell_area[4]) && cell_area[3] > 0);
    zone[0] = -7; /* too little room: nothing is filled but offsets */
    assert_int_equal(ucid_zones_overlaps(zones, 5, cells, NULL, 1, offsets, zone, area, 0, NULL, NULL, NULL), UCID_OK);
    assert_true(zone[0] == -7 && offsets[5] == 2 * offsets[1]);
    assert_int_equal(ucid_zones_overlaps(zones, 0, NULL, NULL, 1, offsets, NULL, NULL, 0, NULL, NULL, NULL), UCID_OK);
    assert_int_equal(offsets[0], 0);
    ucid_error error;
    assert_int_equal(ucid_zones_overlaps(zones, 5, cells, NULL, 0, offsets, zone, area, 16, NULL, NULL, &error),
                     UCID_INVALID_ARGUMENT);
    assert_int_equal(ucid_zones_areas(zones, 0, area, &error), UCID_INVALID_ARGUMENT);
    ucid_zones_close(zones);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tiles_share_out_cells),
        cmocka_unit_test(test_cells_share_out_zones),
        cmocka_unit_test(test_files_and_whole_cells),
        cmocka_unit_test(test_rows_that_are_no_cells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
