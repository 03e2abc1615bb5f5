/* check_cells_long.c: every variant of the cell kernel against libh3, on random places and on those where it is
 * hardest.
 *
 *     check_cells_long [places [hard places]]
 *
 * By default some millions, or with UCID_LONG=1 in the environment a thousand million and forty million (half an hour).
 * Random places: half anywhere, half in cities; all resolutions in turn. Hard places: 1e-16 to 1e-6 radians off the
 * borders and corners of random cells, off the edges, centres and corners of the icosahedron's faces, off the poles and
 * the antimeridian, and exact centres of cells. */
#include "id/cell_at.h"
#include "id/cell_h3.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCK = 4096, VARIANTS_MAX = 8 };

static uint64_t random_state[2] = {0x9E3779B97F4A7C15u, 0xD1B54A32D192ED03u};

static uint64_t random_bits(void) /* xorshift128+ */
{
    uint64_t x = random_state[0], y = random_state[1];
    random_state[0] = y;
    x ^= x << 23;
    random_state[1] = x ^ y ^ (x >> 17) ^ (y >> 26);
    return random_state[1] + y;
}

static double random_unit(void) { return (double)(random_bits() >> 11) * 0x1p-53; }
static int random_below(int n) { return (int)(random_bits() % (uint64_t)n); }

static const double city[][2] = {
    {41.01, 28.98}, {40.71, -74.0}, {51.5, -0.12},  {60.17, 24.94},  {-33.87, 151.2}, {35.68, 139.7}, {39.9, 116.4},
    {31.23, 121.5}, {37.57, 127.0}, {59.33, 18.07}, {-23.55, -46.6}, {28.1, -15.42},  {19.43, -99.1}, {1.35, 103.8},
    {-1.29, 36.82}, {55.75, 37.62}, {64.15, -21.9}, {-54.8, -68.3},  {-18.14, 178.4}, {38.91, 121.6},
};
static H3Index pentagons[12];

typedef struct vector {
    double x, y, z;
} vector;

static vector from_place(const LatLng *place)
{
    vector v = {cos(place->lat) * cos(place->lng), cos(place->lat) * sin(place->lng), sin(place->lat)};
    return v;
}

static vector mix(vector u, double s, vector v, double t)
{
    vector w = {u.x * s + v.x * t, u.y * s + v.y * t, u.z * s + v.z * t};
    double length = sqrt(w.x * w.x + w.y * w.y + w.z * w.z);
    w.x /= length, w.y /= length, w.z /= length;
    return w;
}

static vector random_direction(void)
{
    double z = 2 * random_unit() - 1, lon = 6.283185307179586 * random_unit(), r = sqrt(1 - z * z);
    vector v = {r * cos(lon), r * sin(lon), z};
    return v;
}

static void to_degrees(vector v, double *lat, double *lon)
{
    *lat = radsToDegs(atan2(v.z, sqrt(v.x * v.x + v.y * v.y)));
    *lon = radsToDegs(atan2(v.y, v.x));
}

/* 0, or 1e-16 to 1e-6 of either sign. */
static double random_step(void)
{
    int power = random_below(22) - 11;
    return power == 0 ? 0 : (power < 0 ? -1 : 1) * pow(10, -abs(power) - 5) * (1 + random_unit());
}

static void random_place(double *lat, double *lon)
{
    if (random_bits() & 1) {
        to_degrees(random_direction(), lat, lon);
    } else {
        const double *c = city[random_below((int)(sizeof city / sizeof city[0]))];
        *lat = c[0] + 0.3 * (random_unit() - 0.5), *lon = c[1] + 0.3 * (random_unit() - 0.5);
    }
}

static vector pentagon_centre(int p)
{
    LatLng centre = {0, 0};
    if (cellToLatLng(pentagons[p], &centre) != E_SUCCESS) abort();
    return from_place(&centre);
}

static void hard_place(int resolution, double *lat, double *lon)
{
    int kind = random_below(10);
    if (kind < 5) { /* border, corner or centre of a cell */
        double place_lat, place_lon;
        random_place(&place_lat, &place_lon);
        LatLng place = {degsToRads(place_lat), degsToRads(place_lon)};
        H3Index cell = 0;
        if (kind == 4) {
            int64_t near = 0;
            if (cellToChildrenSize(pentagons[0], resolution, &near) != E_SUCCESS ||
                childPosToCell(random_below(near > 300 ? 300 : (int)near), pentagons[random_below(12)], resolution,
                               &cell) != E_SUCCESS) {
                abort();
            }
        } else if (latLngToCell(&place, resolution, &cell) != E_SUCCESS) {
            abort();
        }
        CellBoundary border;
        if (cellToBoundary(cell, &border) != E_SUCCESS || cellToLatLng(cell, &place) != E_SUCCESS) abort();
        int side = random_below(border.numVerts);
        vector u = from_place(&border.verts[side]), v = from_place(&border.verts[(side + 1) % border.numVerts]);
        double along = kind == 0 ? 0 : random_unit();
        vector on = mix(u, 1 - along, v, along);
        if (kind == 1 && random_below(8) == 0) on = from_place(&place);
        to_degrees(mix(on, 1, random_direction(), random_step()), lat, lon);
    } else if (kind < 8) { /* corner, edge or centre of a face */
        int p = random_below(12), q = random_below(12), r = random_below(12);
        vector a = pentagon_centre(p), b = pentagon_centre(q), c = pentagon_centre(r);
        double along = random_unit();
        vector on = kind == 5 ? a : mix(a, along, b, 1 - along);
        if (kind == 7)
            on =
                mix(mix(a, 0.5, b, 0.5), 2.0 / 3, c, 1.0 / 3 * sqrt(a.x * b.x + a.y * b.y + a.z * b.z + 1.0) / sqrt(2));
        double step = random_step();
        to_degrees(mix(on, 1, random_direction(), random_below(4) == 0 ? step * 1e5 : step), lat, lon);
    } else { /* poles, antimeridian, equator, meridian */
        const double lats[] = {90, -90, 0, 90 * random_unit(), -45, 45, 30},
                     lons[] = {180, -180, 0, 90, -90, 360 * random_unit() - 180};
        *lat = lats[random_below(7)] + random_step(), *lon = lons[random_below(6)] + random_step();
        *lat = fmin(fmax(*lat, -90), 90), *lon = fmin(fmax(*lon, -180), 180);
    }
}

static int64_t wrong, uncertain;

/* Compare all variants on a block; resolution by block. */
static void compare(int n, const double *lat, const double *lon, int resolution)
{
    static uint64_t expected[BLOCK], found[BLOCK];
    for (int i = 0; i < n; i++) {
        LatLng place = {degsToRads(lat[i]), degsToRads(lon[i])};
        if (latLngToCell(&place, resolution, &expected[i]) != E_SUCCESS) abort();
        int face = -1;
        uncertain += ucid_cell_certain(lat[i], lon[i], &ucid_cell_plans[resolution], &face) == 0;
    }
    ucid_cells_variant variant;
    for (int k = 0; ucid_cells_variant_get(k, &variant); k++) {
        if (!variant.works_here) continue;
        variant.run(n, lat, lon, resolution, found);
        for (int i = 0; i < n; i++) {
            if (found[i] == expected[i]) continue;
            if (wrong++ < 20) {
                printf("wrong: %s(%.17g, %.17g, %d) = %" PRIx64 ", libh3 %" PRIx64 "\n", variant.name, lat[i], lon[i],
                       resolution, found[i], expected[i]);
            }
        }
    }
}

static void check(const char *what, int64_t places, int hard)
{
    static double lat[BLOCK], lon[BLOCK];
    uncertain = 0;
    int64_t before = wrong, done = 0, told = 0;
    for (int resolution = 0; done < places; resolution = (resolution + 1) % 16) {
        int n = places - done < BLOCK ? (int)(places - done) : BLOCK - random_below(9);
        if (n > places - done) n = (int)(places - done);
        for (int i = 0; i < n; i++) {
            if (hard) {
                hard_place(resolution, &lat[i], &lon[i]);
            } else {
                random_place(&lat[i], &lon[i]);
            }
        }
        compare(n, lat, lon, resolution);
        done += n;
        if (done - told >= 50000000) {
            printf("%s: %" PRId64 " of %" PRId64 " places, %" PRId64 " wrong, %" PRId64 " left to libh3\n", what, done,
                   places, wrong - before, uncertain);
            fflush(stdout);
            told = done;
        }
    }
    printf("%s: %" PRId64 " places, %" PRId64 " wrong, %" PRId64 " left to libh3\n", what, done, wrong - before,
           uncertain);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    int is_long = getenv("UCID_LONG") != NULL;
    int64_t places = argc > 1 ? atoll(argv[1]) : is_long ? 1000000000 : 2000000;
    int64_t hard = argc > 2 ? atoll(argv[2]) : is_long ? 40000000 : 300000;
    if (getPentagons(0, pentagons) != E_SUCCESS) return 1;
    ucid_cells_variant variant;
    for (int k = 0; ucid_cells_variant_get(k, &variant); k++) {
        printf("%s: %s\n", variant.name, variant.works_here ? "compared" : "not on this processor");
    }
    check("hard", hard, 1);
    check("random", places, 0);
    return wrong != 0;
}
