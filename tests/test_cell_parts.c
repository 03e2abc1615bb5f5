/* Outlines of cells: their area is what libh3 says, and the places that they hold are those of the cell. */
#include "id/cell_parts.h"
#include "ucid.h"

#include "id/cell_h3.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t random_state = 7;

static uint64_t random_bits(void)
{
    uint64_t x = random_state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static double random_unit(void) { return (double)(random_bits() >> 11) * 0x1p-53; }

static double dot(const double *u, const double *v) { return u[0] * v[0] + u[1] * v[1] + u[2] * v[2]; }

static void cross(const double *u, const double *v, double *out)
{
    out[0] = u[1] * v[2] - u[2] * v[1], out[1] = u[2] * v[0] - u[0] * v[2], out[2] = u[0] * v[1] - u[1] * v[0];
}

/* Area of a convex polygon on the unit sphere: triangles from its first corner; tan(area / 2), by differences. */
static double area_of(const ucid_cell_part *part)
{
    double sum = 0;
    for (int k = 1; k + 1 < part->count; k++) {
        const double *a = part->corner[0], *b = part->corner[k], *c = part->corner[k + 1];
        double ab[3], ac[3], normal[3];
        for (int i = 0; i < 3; i++) ab[i] = b[i] - a[i], ac[i] = c[i] - a[i];
        cross(ab, ac, normal);
        sum += 2 * atan2(dot(a, normal), 1 + dot(a, b) + dot(b, c) + dot(c, a));
    }
    return sum;
}

static void check_area(uint64_t cell)
{
    ucid_cell_part parts[UCID_CELL_PARTS_MAX];
    int count = ucid_cell_parts(cell, parts);
    double sum = 0, expected;
    for (int k = 0; k < count; k++) sum += area_of(&parts[k]);
    if (cellAreaRads2(cell, &expected) != E_SUCCESS) fail();
    /* libh3 adds angles, of which some 1e-15 are lost */
    if (!(fabs(sum - expected) < 1e-9 * expected + 2e-15)) {
        fail_msg("%llx: area %.17g in %d parts, libh3 says %.17g", (unsigned long long)cell, sum, count, expected);
    }
}

static void test_areas(void **state)
{
    (void)state;
    for (int resolution = 0; resolution <= 3; resolution++) {
        ucid_grid *grid = NULL;
        assert_int_equal(ucid_grid_open_box(-90, -180, 90, 180, resolution, NULL, &grid, NULL), UCID_OK);
        uint64_t cells[1024];
        int64_t n, all = 0;
        while ((n = ucid_grid_next(grid, 1024, cells, NULL, NULL)) > 0) {
            for (int64_t i = 0; i < n; i++) check_area(cells[i]);
            all += n;
        }
        int64_t expected = 2;
        for (int r = 0; r <= resolution; r++) expected = r == 0 ? 120 : expected * 7;
        assert_int_equal(all, expected + 2);
        ucid_grid_close(grid);
    }
    for (int resolution = 4; resolution <= 15; resolution++) {
        H3Index pentagons[12];
        if (getPentagons(resolution, pentagons) != E_SUCCESS) fail();
        for (int k = 0; k < 12; k++) {
            H3Index disk[61] = {0};
            if (gridDisk(pentagons[k], 4, disk) != E_SUCCESS) fail();
            for (int i = 0; i < 61; i++) {
                if (disk[i] != 0) check_area(disk[i]);
            }
        }
    }
}

/* Whether a part holds a direction; in doubt, yes. */
static int holds(const ucid_cell_part *part, const double v[3])
{
    for (int k = 0; k < part->count; k++) {
        double normal[3];
        cross(part->corner[k], part->corner[k + 1 < part->count ? k + 1 : 0], normal);
        if (dot(normal, v) < -1e-15) return 0;
    }
    return 1;
}

static void test_places(void **state)
{
    (void)state;
    for (int round = 0; round < 200000; round++) {
        double lat = asin(2 * random_unit() - 1), lon = (2 * random_unit() - 1) * acos(-1.0);
        double v[3] = {cos(lat) * cos(lon), cos(lat) * sin(lon), sin(lat)}, degree = 180 / acos(-1.0);
        uint64_t cell = ucid_cell_at(lat * degree, lon * degree, round & 15);
        ucid_cell_part parts[UCID_CELL_PARTS_MAX];
        int count = ucid_cell_parts(cell, parts), held = 0;
        for (int k = 0; k < count; k++) held += holds(&parts[k], v);
        if (held == 0) fail_msg("%llx does not hold %.17g %.17g", (unsigned long long)cell, lat * degree, lon * degree);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_areas), cmocka_unit_test(test_places)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
