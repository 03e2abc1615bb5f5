/* test_cell_grid.c: centres of cells and the cells of an area against libh3, by brute force. */
#include "id/cell_centre.h"
#include "id/cell_h3.h"
#include "rt/memory.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t random_state = 88172645463325252u;
static double random_unit(void)
{
    random_state ^= random_state << 13, random_state ^= random_state >> 7, random_state ^= random_state << 17;
    return (double)(random_state >> 11) * 0x1p-53;
}

static double between(double low, double high) { return low + (high - low) * random_unit(); }

/* ------------------------------------------------------------------------------------------------------ centres -- */

/* Distance of our centre from libh3's, radians: the chord, for latitudes and longitudes lose digits at the poles. */
static double centre_error(uint64_t cell)
{
    double lat, lon;
    LatLng theirs;
    assert_int_equal(ucid_cell_centre(cell, &lat, &lon, NULL), UCID_OK);
    assert_int_equal(cellToLatLng(cell, &theirs), E_SUCCESS);
    double p = degsToRads(lat), l = degsToRads(lon);
    double x = cos(p) * cos(l) - cos(theirs.lat) * cos(theirs.lng),
           y = cos(p) * sin(l) - cos(theirs.lat) * sin(theirs.lng);
    double z = sin(p) - sin(theirs.lat);
    /* libh3 takes the latitude as asin(z), and loses digits towards the poles. */
    return sqrt(x * x + y * y + z * z) * fmin(1, 5 * cos(theirs.lat));
}

static void every_centre_down_to_resolution_4(void **state)
{
    (void)state;
    H3Index base[122], *children = malloc(sizeof(H3Index) * 2401);
    assert_int_equal(getRes0Cells(base), E_SUCCESS);
    double worst = 0;
    for (int b = 0; b < 122; b++) {
        for (int resolution = 0; resolution <= 4; resolution++) {
            int64_t count = ucid_cell_children_count(base[b], resolution);
            assert_int_equal(ucid_cell_children(base[b], resolution, children, NULL), UCID_OK);
            for (int64_t k = 0; k < count; k++) {
                double v[3];
                assert_true(ucid_cell_direction(children[k], v));
                worst = fmax(worst, centre_error(children[k]));
            }
        }
    }
    free(children);
    for (int k = 0; k < 80000; k++) {
        uint64_t cell = ucid_cell_at(asin(between(-1, 1)) * 57.29577951308232, between(-180, 180), k % 16);
        worst = fmax(worst, centre_error(cell));
    }
    /* Around pentagons, where digits are skipped. */
    for (int resolution = 5; resolution <= 15; resolution++) {
        H3Index pentagons[12];
        assert_int_equal(getPentagons(resolution, pentagons), E_SUCCESS);
        for (int p = 0; p < 12; p++) {
            uint64_t disk[127];
            int64_t count = 0;
            assert_int_equal(ucid_cell_disk(pentagons[p], 6, disk, &count, NULL), UCID_OK);
            for (int64_t k = 0; k < count; k++) worst = fmax(worst, centre_error(disk[k]));
        }
    }
    printf("centres: at most %.3g radians from libh3's (weighed less near the poles)\n", worst);
    assert_true(worst < 2e-15);
}

static void a_centre_lies_in_its_cell(void **state)
{
    (void)state;
    for (int k = 0; k < 100000; k++) {
        uint64_t cell = ucid_cell_at(asin(between(-1, 1)) * 57.29577951308232, between(-180, 180), k % 16),
                 bad = (uint64_t)k;
        double lat[2], lon[2];
        uint64_t cells[2] = {cell, bad};
        ucid_cells_centres(2, cells, lat, lon);
        assert_int_equal(ucid_cell_at(lat[0], lon[0], k % 16), cell);
        assert_true(isnan(lat[1]) && isnan(lon[1]));
    }
}

/* -------------------------------------------------------------------------------------------------------- grids -- */

typedef struct set {
    uint64_t *cell;
    double *lat, *lon;
    int64_t count, capacity;
} set;

static void add(set *s, uint64_t cell)
{
    if (s->count == s->capacity) {
        s->capacity = s->capacity * 2 + 1000;
        s->cell = realloc(s->cell, sizeof(uint64_t) * (size_t)s->capacity);
        assert_non_null(s->cell);
    }
    s->cell[s->count++] = cell;
}

static int compare_cells(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Candidates: all cells of the globe, or a disk. */
static void candidates(set *s, int resolution, double lat, double lon, double radius_m)
{
    s->count = 0;
    if (resolution <= 3) {
        H3Index base[122], children[343];
        assert_int_equal(getRes0Cells(base), E_SUCCESS);
        for (int b = 0; b < 122; b++) {
            assert_int_equal(cellToChildren(base[b], resolution, children), E_SUCCESS);
            for (int64_t k = 0; k < ucid_cell_children_count(base[b], resolution); k++) add(s, children[k]);
        }
    } else {
        int k = (int)(radius_m / ucid_cell_edge_m(resolution)) +
                6; /* cells are sqrt(3) edges apart, less two thirds where small */
        int64_t count = 0;
        uint64_t *disk = malloc(sizeof(uint64_t) * (size_t)(3 * k * (k + 1) + 1));
        assert_non_null(disk);
        assert_int_equal(ucid_cell_disk(ucid_cell_at(lat, lon, resolution), k, disk, &count, NULL), UCID_OK);
        for (int64_t i = 0; i < count; i++) add(s, disk[i]);
        free(disk);
    }
    qsort(s->cell, (size_t)s->count, sizeof *s->cell, compare_cells);
}

static void their_centre(uint64_t cell, double *lat, double *lon)
{
    LatLng centre;
    assert_int_equal(cellToLatLng(cell, &centre), E_SUCCESS);
    *lat = radsToDegs(centre.lat), *lon = radsToDegs(centre.lng);
    if (*lon >= 180) *lon -= 360;
}

/* Read a grid in batches of odd sizes, compare with the expected cells, close it. */
static void expect(ucid_grid *grid, const set *expected)
{
    static const int64_t sizes[] = {1, 7, 1000, 64, 3};
    uint64_t cells[1000];
    double lat[1000], lon[1000];
    int64_t seen = 0, count;
    for (int k = 0; (count = ucid_grid_next(grid, sizes[k % 5], cells, k % 2 ? lat : NULL, k % 2 ? lon : NULL)) > 0;
         k++) {
        assert_true(seen + count <= expected->count);
        for (int64_t i = 0; i < count; i++) {
            assert_int_equal(cells[i], expected->cell[seen + i]);
            double our_lat, our_lon;
            ucid_cell_centre(cells[i], &our_lat, &our_lon, NULL);
            if (k % 2) assert_true(lat[i] == our_lat && lon[i] == our_lon);
        }
        seen += count;
    }
    assert_int_equal(seen, expected->count);
    assert_int_equal(ucid_grid_next(grid, 1, cells, NULL, NULL), 0);
    ucid_grid_close(grid);
}

static int64_t compare_box(set *s, double south, double west, double north, double east, int resolution)
{
    double middle_lat = (south + north) / 2, wide = east >= west ? east - west : east - west + 360;
    double middle_lon = west + wide / 2 > 180 ? west + wide / 2 - 360 : west + wide / 2;
    double widest = south * north <= 0 ? 1 : cos(fmin(fabs(south), fabs(north)) * 0.017453292519943295);
    candidates(s, resolution, middle_lat, middle_lon, hypot((north - south) / 2, wide / 2 * widest) * 111320);
    int64_t kept = 0;
    for (int64_t k = 0; k < s->count; k++) {
        double lat, lon;
        their_centre(s->cell[k], &lat, &lon);
        int in = lat >= south && (lat < north || north == 90);
        in = in && (west <= east ? lon >= west && lon < east : lon >= west || lon < east);
        if (in) s->cell[kept++] = s->cell[k];
    }
    s->count = kept;
    ucid_grid *grid = NULL;
    assert_int_equal(ucid_grid_open_box(south, west, north, east, resolution, NULL, &grid, NULL), UCID_OK);
    expect(grid, s);
    return kept;
}

static void cells_of_boxes(void **state)
{
    (void)state;
    set s = {0};
    int64_t cells = 0;
    assert_int_equal(compare_box(&s, -90, -180, 90, 180, 0), 122);
    assert_int_equal(compare_box(&s, -90, -180, 90, 180, 2), 5882);
    for (int k = 0; k < 120; k++) { /* large, all over the globe */
        double south = between(-90, 90), north = between(south, 90), west = between(-180, 180),
               east = between(-180, 180);
        if (k % 7 == 0) north = 90;
        if (k % 11 == 0) south = -90;
        cells += compare_box(&s, south, west, north, east, k % 4);
    }
    for (int k = 0; k < 600;
         k++) { /* small: anywhere, at pentagons, poles, the antimeridian, on edges that hold centres */
        int resolution = 4 + k % 12;
        double lat = asin(between(-1, 1)) * 57.29577951308232, lon = between(-180, 180);
        H3Index pentagons[12];
        assert_int_equal(getPentagons(resolution, pentagons), E_SUCCESS);
        if (k % 5 == 1) their_centre(pentagons[k % 12], &lat, &lon);
        if (k % 5 == 2) lon = k % 2 ? 180 : -180;
        if (k % 5 == 3) lat = k % 2 ? 90 : -90;
        double size = ucid_cell_edge_m(resolution) / 111320 * between(1, 30);
        double high = size * between(0.2, 1),
               wide = size * between(0.2, 1) / fmax(0.01, cos(lat * 0.017453292519943295));
        double south = fmax(lat - high, -90), north = fmin(lat + high, 90), west = lon - wide, east = lon + wide;
        if (k % 5 == 3) west = -180, east = 180;
        if (k % 5 == 4) { /* edges through centres */
            uint64_t cell = ucid_cell_at(lat, lon, resolution), near[7];
            int64_t count = 0;
            assert_int_equal(ucid_cell_disk(cell, 1, near, &count, NULL), UCID_OK);
            their_centre(cell, &south, &west);
            their_centre(near[k % count], &north, &east);
            if (north < south) lat = south, south = north, north = lat;
            if (fabs(east - west) > 100) continue;
            if (east < west) lon = west, west = east, east = lon;
        }
        if (west < -180) west += 360;
        if (east > 180) east -= 360;
        cells += compare_box(&s, south, west, north, east, resolution);
    }
    printf("boxes: %lld cells compared\n", (long long)cells);
    free(s.cell);
}

/* A star of corners about a place, in degrees from it. */
static int star(double *x, double *y, double radius)
{
    int corners = 3 + (int)(random_unit() * 30);
    for (int k = 0; k < corners; k++) {
        double angle = 6.283185307179586 * (k + 0.8 * random_unit()) / corners, r = radius * between(0.2, 1);
        x[k] = r * cos(angle), y[k] = r * sin(angle);
    }
    return corners;
}

static int odd_crossings(int corners, const double *x, const double *y, double px, double py)
{
    int odd = 0;
    for (int k = 0, j = corners - 1; k < corners; j = k++) {
        odd ^= (y[k] > py) != (y[j] > py) && px < x[k] + (py - y[k]) * (x[j] - x[k]) / (y[j] - y[k]);
    }
    return odd;
}

static void cells_of_polygons(void **state)
{
    (void)state;
    set s = {0};
    int64_t cells = 0;
    for (int k = 0; k < 200; k++) {
        int resolution = 3 + k % 13;
        double lat = between(-70, 70), lon = k % 3 == 0 ? (k % 2 ? 179.9999 : -179.9999) : between(-180, 180);
        double radius = ucid_cell_edge_m(resolution) / 111320 * between(2, 30), x[2][40], y[2][40];
        int corners[2] = {star(x[0], y[0], radius),
                          star(x[1], y[1], radius / 3)}; /* the second is a hole, or an island */
        double ring_lat[80], ring_lon[80];
        int64_t ring_corners[2] = {corners[0], corners[1]};
        for (int ring = 0, at = 0; ring < 2; ring++) {
            for (int c = 0; c < corners[ring]; c++, at++) {
                ring_lat[at] = lat + y[ring][c], ring_lon[at] = lon + x[ring][c];
                if (ring_lon[at] > 180) ring_lon[at] -= 360;
                if (ring_lon[at] < -180) ring_lon[at] += 360;
            }
        }
        candidates(&s, resolution, lat, lon, radius * 111320);
        int64_t kept = 0;
        for (int64_t i = 0; i < s.count; i++) {
            double their_lat, their_lon;
            their_centre(s.cell[i], &their_lat, &their_lon);
            double px = their_lon - lon, py = their_lat - lat;
            px += px > 180 ? -360 : px < -180 ? 360 : 0;
            int odd = odd_crossings(corners[0], x[0], y[0], px, py) ^ odd_crossings(corners[1], x[1], y[1], px, py);
            if (odd) s.cell[kept++] = s.cell[i];
        }
        s.count = kept, cells += kept;
        ucid_grid *grid = NULL;
        assert_int_equal(ucid_grid_open_polygon(2, ring_corners, ring_lat, ring_lon, resolution, NULL, &grid, NULL),
                         UCID_OK);
        expect(grid, &s);
    }
    for (int k = 0; k < 40;
         k++) { /* caps around a pole: inside is what lies beyond the ring's latitude at its longitude */
        int resolution = k % 4, corners = 5 + k % 20, south = k & 1;
        double ring_lat[30], ring_lon[30], first = between(-180, 180);
        int64_t ring_corners = corners;
        for (int c = 0; c < corners; c++) {
            ring_lat[c] = (south ? -1 : 1) * between(20, 80);
            ring_lon[c] =
                first + 360.0 * c / corners > 180 ? first + 360.0 * c / corners - 360 : first + 360.0 * c / corners;
        }
        candidates(&s, resolution, 0, 0, 0);
        int64_t kept = 0;
        for (int64_t i = 0; i < s.count; i++) {
            double lat, lon;
            their_centre(s.cell[i], &lat, &lon);
            double along = fmod(lon - first + 720, 360) / 360 * corners;
            int c = (int)along % corners, next = (c + 1) % corners;
            double edge = ring_lat[c] + (along - floor(along)) * (ring_lat[next] - ring_lat[c]);
            if (south ? lat < edge : lat > edge) s.cell[kept++] = s.cell[i];
        }
        s.count = kept, cells += kept;
        ucid_grid *grid = NULL;
        assert_int_equal(ucid_grid_open_polygon(1, &ring_corners, ring_lat, ring_lon, resolution, NULL, &grid, NULL),
                         UCID_OK);
        expect(grid, &s);
    }
    printf("polygons: %lld cells compared\n", (long long)cells);
    free(s.cell);
}

/* Edges along parallels are crossed by no parallel, but divide what lies on them. */
static void a_rectangle_is_its_box(void **state)
{
    (void)state;
    enum { ROOM = 20000 };
    static const double boxes[][4] = {{43.72, 7.40, 43.76, 7.45}, {-33.95, 151.1, -33.85, 151.3}, {-1, -1, 1, 1}};
    static uint64_t cells[2][ROOM];
    for (size_t b = 0; b < sizeof boxes / sizeof boxes[0]; b++) {
        double south = boxes[b][0], west = boxes[b][1], north = boxes[b][2], east = boxes[b][3];
        const double lat[] = {south, south, north, north}, lon[] = {west, east, east, west};
        const int64_t corners[] = {4};
        for (int resolution = 4; resolution <= (b == 2 ? 7 : 10); resolution++) {
            ucid_grid *box, *polygon;
            assert_int_equal(ucid_grid_open_box(south, west, north, east, resolution, NULL, &box, NULL), UCID_OK);
            assert_int_equal(ucid_grid_open_polygon(1, corners, lat, lon, resolution, NULL, &polygon, NULL), UCID_OK);
            int64_t n = ucid_grid_next(box, ROOM, cells[0], NULL, NULL);
            assert_int_equal(ucid_grid_next(polygon, ROOM, cells[1], NULL, NULL), n);
            assert_memory_equal(cells[0], cells[1], (size_t)n * sizeof cells[0][0]);
            ucid_grid_close(box);
            ucid_grid_close(polygon);
        }
    }
}

static void what_is_no_area(void **state)
{
    (void)state;
    ucid_grid *grid = (ucid_grid *)1;
    ucid_error error;
    assert_int_equal(ucid_grid_open_box(1, 1, 0, 2, 9, NULL, &grid, &error), UCID_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "smallest latitude 1"));
    assert_int_equal(ucid_grid_open_box(0, 0, NAN, 2, 9, NULL, &grid, &error), UCID_INVALID_ARGUMENT);
    assert_int_equal(ucid_grid_open_box(0, 0, 1, 181, 9, NULL, &grid, &error), UCID_INVALID_ARGUMENT);
    assert_int_equal(ucid_grid_open_box(0, 0, 1, 1, 16, NULL, &grid, &error), UCID_INVALID_ARGUMENT);
    const double lat[4] = {0, 0, 1, NAN}, lon[4] = {0, 1, 1, 0};
    const int64_t corners[2] = {2, 4};
    assert_int_equal(ucid_grid_open_polygon(1, corners, lat, lon, 9, NULL, &grid, &error), UCID_INVALID_ARGUMENT);
    assert_int_equal(ucid_grid_open_polygon(1, corners + 1, lat, lon, 9, NULL, &grid, &error), UCID_INVALID_ARGUMENT);
    assert_ptr_equal(grid, (ucid_grid *)1);
    set none = {0};
    assert_int_equal(ucid_grid_open_polygon(0, NULL, NULL, NULL, 9, NULL, &grid, &error), UCID_OK);
    expect(grid, &none);
    assert_int_equal(ucid_grid_open_box(5, 5, 5, 6, 9, NULL, &grid, &error), UCID_OK);
    expect(grid, &none);
    ucid_grid_close(NULL);
}

/* An allocator that fails at the n-th call. */
static int calls_left;
static int64_t bytes_held;
static void *failing(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    if (new_size > 0 && calls_left-- == 0) return NULL;
    bytes_held += (int64_t)new_size - (int64_t)old_size;
    return ucid_default_allocator.fn(ctx, ptr, old_size, new_size);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    const ucid_allocator allocator = {failing, NULL};
    double lat[100], lon[100];
    int64_t corners = 100;
    for (int k = 0; k < 100; k++) lat[k] = sin(k * 0.0628), lon[k] = cos(k * 0.0628);
    ucid_status status = UCID_NO_MEMORY;
    int n = 0;
    for (; status == UCID_NO_MEMORY; n++) {
        ucid_grid *grid = NULL;
        calls_left = n;
        status = ucid_grid_open_polygon(1, &corners, lat, lon, 5, &allocator, &grid, NULL);
        if (status == UCID_OK) ucid_grid_close(grid);
        assert_int_equal(bytes_held, 0);
    }
    assert_int_equal(status, UCID_OK);
    assert_true(n > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_centre_down_to_resolution_4),
        cmocka_unit_test(a_centre_lies_in_its_cell),
        cmocka_unit_test(cells_of_boxes),
        cmocka_unit_test(cells_of_polygons),
        cmocka_unit_test(a_rectangle_is_its_box),
        cmocka_unit_test(what_is_no_area),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
