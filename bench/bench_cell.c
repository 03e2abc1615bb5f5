/* bench_cell.c: cells of coordinates, centres and grids, beside libh3 in the same run; each answer is compared first.
 * Processor time of this thread, the median of seven runs; ns for one place or cell. */
#include "id/cell_at.h"
#include "id/cell_h3.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PLACES = 200000, RUNS = 7 };

static double lat[PLACES], lon[PLACES], out_lat[PLACES], out_lon[PLACES];
static uint64_t cells[PLACES], theirs[PLACES];
static int resolution;

static uint64_t random_state = 88172645463325252u;
static double random_unit(void)
{
    random_state ^= random_state << 13, random_state ^= random_state >> 7, random_state ^= random_state << 17;
    return (double)(random_state >> 11) * 0x1p-53;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_ns(void (*run)(void), int64_t units)
{
    double times[RUNS];
    for (int k = 0; k < RUNS; k++) {
        double start = now();
        run();
        times[k] = now() - start;
    }
    qsort(times, RUNS, sizeof *times, compare_doubles);
    return times[RUNS / 2] * 1e9 / (double)units;
}

static void report(const char *name, const char *variant, double ns, double rival_ns)
{
    printf("{\"name\": \"%s%s%s\", \"unit\": \"ns\", \"value\": %.2f}\n", name, variant[0] ? "/" : "", variant, ns);
    if (rival_ns > 0) {
        printf("{\"name\": \"%s%s%s times libh3\", \"unit\": \"x\", \"value\": %.2f}\n", name, variant[0] ? "/" : "",
               variant, rival_ns / ns);
    }
    fflush(stdout);
}

static void require(int condition, const char *what)
{
    if (condition) return;
    fprintf(stderr, "bench_cell: %s differs from libh3\n", what);
    exit(1);
}

/* ---------------------------------------------------------------------------------------------- coordinate to cell --
 */

static ucid_cells_variant variant;

static void at_libh3(void)
{
    for (int i = 0; i < PLACES; i++) {
        LatLng place = {degsToRads(lat[i]), degsToRads(lon[i])};
        if (latLngToCell(&place, resolution, &theirs[i]) != E_SUCCESS) theirs[i] = 0;
    }
}

static void at_one(void)
{
    for (int i = 0; i < PLACES; i++) cells[i] = ucid_cell_at(lat[i], lon[i], resolution);
}

static void at_batch(void) { ucid_cells_at(PLACES, lat, lon, NULL, resolution, cells, NULL, NULL); }
static void at_variant(void) { variant.run(PLACES, lat, lon, resolution, cells); }

static void centres(void) { ucid_cells_centres(PLACES, cells, out_lat, out_lon); }

static void centres_libh3(void)
{
    for (int i = 0; i < PLACES; i++) {
        LatLng place = {0, 0};
        if (cellToLatLng(cells[i], &place) != E_SUCCESS) place.lat = NAN;
        out_lat[i] = radsToDegs(place.lat), out_lon[i] = radsToDegs(place.lng);
    }
}

static void bench_places(const char *where, int r)
{
    char name[64];
    resolution = r;
    snprintf(name, sizeof name, "cell at, %s, r%d", where, r);
    double rival = median_ns(at_libh3, PLACES);
    report(name, "libh3", rival, 0);
    double one = median_ns(at_one, PLACES);
    require(memcmp(cells, theirs, sizeof cells) == 0, name);
    report(name, "one at a time", one, rival);
    double batch = median_ns(at_batch, PLACES);
    require(memcmp(cells, theirs, sizeof cells) == 0, name);
    report(name, "batch", batch, rival);
    for (int k = 0; ucid_cells_variant_get(k, &variant); k++) {
        if (!variant.works_here) continue;
        double ns = median_ns(at_variant, PLACES);
        require(memcmp(cells, theirs, sizeof cells) == 0, variant.name);
        report(name, variant.name, ns, rival);
    }
    snprintf(name, sizeof name, "centre, %s, r%d", where, r);
    rival = median_ns(centres_libh3, PLACES);
    report(name, "libh3", rival, 0);
    report(name, "", median_ns(centres, PLACES), rival);
}

/* ------------------------------------------------------------------------------------------------------------ grids --
 */

static const double box[4] = {28.010, -15.543, 28.196, -15.379}; /* Las Palmas: south, west, north, east */
static int64_t grid_count, grid_count_libh3;

static uint64_t mix(uint64_t sum, uint64_t cell) { return sum + cell * UINT64_C(0x9E3779B97F4A7C15); }
static uint64_t grid_sum, grid_sum_libh3;

static void grid_of_box(void)
{
    ucid_grid *grid = NULL;
    grid_count = 0, grid_sum = 0;
    if (ucid_grid_open_box(box[0], box[1], box[2], box[3], resolution, NULL, &grid, NULL) != UCID_OK) abort();
    for (int64_t n; (n = ucid_grid_next(grid, 4096, cells, out_lat, out_lon)) > 0; grid_count += n) {
        for (int64_t i = 0; i < n; i++) grid_sum = mix(grid_sum, cells[i]);
    }
    ucid_grid_close(grid);
}

/* polygonToCells and the centres; as the box of ours is half open and its parallels are no great circles, cells whose
 * centre is not in the box are dropped, and none is missing. */
static void grid_libh3(void)
{
    LatLng corner[4] = {{degsToRads(box[0]), degsToRads(box[1])},
                        {degsToRads(box[0]), degsToRads(box[3])},
                        {degsToRads(box[2]), degsToRads(box[3])},
                        {degsToRads(box[2]), degsToRads(box[1])}};
    GeoPolygon polygon = {{4, corner}, 0, NULL};
    int64_t size = 0;
    if (maxPolygonToCellsSize(&polygon, resolution, 0, &size) != E_SUCCESS) abort();
    H3Index *found = calloc((size_t)size, sizeof *found);
    if (found == NULL || polygonToCells(&polygon, resolution, 0, found) != E_SUCCESS) abort();
    grid_count_libh3 = 0, grid_sum_libh3 = 0;
    for (int64_t i = 0; i < size; i++) {
        LatLng centre;
        if (found[i] == 0 || cellToLatLng(found[i], &centre) != E_SUCCESS) continue;
        double centre_lat = radsToDegs(centre.lat), centre_lon = radsToDegs(centre.lng);
        if (centre_lat < box[0] || centre_lat >= box[2] || centre_lon < box[1] || centre_lon >= box[3]) continue;
        grid_count_libh3++, grid_sum_libh3 = mix(grid_sum_libh3, found[i]);
    }
    free(found);
}

static void bench_grid(int r)
{
    char name[64];
    resolution = r;
    grid_of_box();
    double rival = median_ns(grid_libh3, grid_count), ours = median_ns(grid_of_box, grid_count);
    snprintf(name, sizeof name, "grid of Las Palmas with centres, r%d", r);
    require(grid_count == grid_count_libh3 && grid_sum == grid_sum_libh3, name);
    report(name, "libh3 polygonToCells", rival, 0);
    report(name, "", ours, rival);
    printf("{\"name\": \"%s, all %" PRId64 " cells\", \"unit\": \"ms\", \"value\": %.3f}\n", name, grid_count,
           ours * (double)grid_count * 1e-6);
}

int main(void)
{
    for (int i = 0; i < PLACES; i++)
        lat[i] = 41.01 + 0.3 * (random_unit() - 0.5), lon[i] = 28.98 + 0.3 * (random_unit() - 0.5);
    for (int r = 7; r <= 11; r += 2) bench_places("Istanbul", r);
    bench_places("Istanbul", 15);
    for (int i = 0; i < PLACES; i++)
        lat[i] = 39.9 + 0.3 * (random_unit() - 0.5), lon[i] = 116.4 + 0.3 * (random_unit() - 0.5);
    bench_places("Beijing (pentagon)", 9);
    for (int i = 0; i < PLACES; i++)
        lat[i] = asin(2 * random_unit() - 1) * 57.29577951308232, lon[i] = 360 * random_unit() - 180;
    bench_places("whole sphere", 9);
    for (int r = 9; r <= 12; r++) bench_grid(r);
    return 0;
}
