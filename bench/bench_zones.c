/* bench_zones.c: places in zones: a tessellation with rough borders that neighbours share corner by corner.
 *
 *     bench_zones [places] [zones] [share of the corners] [threads]
 *
 * Zones have 500 to 50,000 corners where the share is 1. One JSON object a line; minima of five runs of each join. */
#include "ucid.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { RUNS = 5 };

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double uniform(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return (double)((x ^ x >> 31) >> 11) * 0x1p-53;
}

/* Zones as columns and rows of a map; a border's corners are found from its number alone, so nothing is kept. */
typedef struct map {
    int cols, rows;
    double share;
    double lat[1 << 17], lon[1 << 17]; /* corners of a ring */
    int64_t corners;
} map;

static void node(const map *m, int col, int row, double *lon, double *lat)
{
    uint64_t state = (uint64_t)row * 100003u + (uint64_t)col;
    int inner = col > 0 && row > 0 && col < m->cols && row < m->rows;
    *lon = (col + inner * 0.4 * (uniform(&state) - 0.5)) * 40.0 / m->cols;
    *lat = 30 + (row + inner * 0.4 * (uniform(&state) - 0.5)) * 20.0 / m->rows;
}

static int border_levels(const map *m, int col, int row)
{
    double u = (double)col / m->cols, v = (double)row / m->rows;
    double wave = (sin(9 * u + 3 * v) + sin(7 * v - 4 * u + 1) + sin(17 * u * v) + 3) / 6;
    int levels = (int)(log2(m->share * 125 * pow(100, wave * wave * 1.2)) + 0.5);
    return levels < 0 ? 0 : levels > 14 ? 14 : levels;
}

/* Corners of a line from a to b without b; `reversed` lines of neighbours go the other way. */
static void rough(map *m, double ax, double ay, double bx, double by, int level, double size, uint64_t *state)
{
    if (level == 0) {
        m->lon[m->corners] = nearbyint(ax * 1e7) / 1e7, m->lat[m->corners++] = nearbyint(ay * 1e7) / 1e7;
        return;
    }
    double off = size * 2 * (uniform(state) - 0.5), x = (ax + bx) / 2 - off * (by - ay),
           y = (ay + by) / 2 + off * (bx - ax);
    rough(m, ax, ay, x, y, level - 1, size * 0.93, state);
    rough(m, x, y, bx, by, level - 1, size * 0.93, state);
}

static void border(map *m, int col, int row, int up, int back)
{
    double ax, ay, bx, by;
    node(m, col, row, &ax, &ay), node(m, col + !up, row + up, &bx, &by);
    uint64_t state = 77 + (uint64_t)(2 * (row * (m->cols + 1) + col) + up);
    int64_t first = m->corners;
    rough(m, ax, ay, bx, by, border_levels(m, col, row), 0.16, &state);
    if (!back) return;
    m->lon[m->corners] = nearbyint(bx * 1e7) / 1e7, m->lat[m->corners] = nearbyint(by * 1e7) / 1e7;
    for (int64_t i = first, k = m->corners; i < k; i++, k--) { /* turn it round; its last corner is the next border's */
        double lon = m->lon[i], lat = m->lat[i];
        m->lon[i] = m->lon[k], m->lat[i] = m->lat[k], m->lon[k] = lon, m->lat[k] = lat;
    }
}

static double peak_mb(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

static ucid_zones *make_zones(map *m, int threads)
{
    ucid_zones_builder *builder = NULL;
    ucid_zones *zones = NULL;
    int64_t total = 0, most = 0;
    if (ucid_zones_builder_new(NULL, &builder, NULL) != UCID_OK) abort();
    for (int row = 0; row < m->rows; row++) {
        for (int col = 0; col < m->cols; col++) {
            m->corners = 0;
            border(m, col, row, 0, 0), border(m, col + 1, row, 1, 0);
            border(m, col, row + 1, 0, 1), border(m, col, row, 1, 1);
            if (ucid_zones_builder_add(builder, 1, &m->corners, m->lat, m->lon, NULL) != UCID_OK) abort();
            total += m->corners;
            most = m->corners > most ? m->corners : most;
        }
    }
    double taken_mb = peak_mb(), wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    if (ucid_zones_build(builder, threads, &zones, NULL) != UCID_OK) abort();
    wall = seconds(CLOCK_MONOTONIC) - wall, cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("{\"bench\": \"zones compile\", \"zones\": %d, \"corners\": %lld, \"most\": %lld, \"threads\": %d, "
           "\"wall_s\": %.3f, "
           "\"cpu_s\": %.3f, \"input_mb\": %.0f, \"peak_mb\": %.0f}\n",
           m->cols * m->rows, (long long)total, (long long)most, threads, wall, cpu, taken_mb, peak_mb());
    ucid_zones_builder_free(builder);
    return zones;
}

int main(int argc, char **argv)
{
    int64_t n = argc > 1 ? atoll(argv[1]) : 10000000, count = argc > 2 ? atoll(argv[2]) : 5000;
    double share = argc > 3 ? atof(argv[3]) : 1.0;
    int threads = argc > 4 ? atoi(argv[4]) : 2;
    map *m = calloc(1, sizeof *m);
    m->rows = (int)sqrt((double)count / 2), m->cols = (int)(count / m->rows), m->share = share;
    ucid_zones *zones = make_zones(m, threads);
    const char *dump = getenv("ZONES_FILE");
    if (dump != NULL && ucid_zones_write(zones, dump, NULL) != UCID_OK) abort();
    double *lat = malloc((size_t)n * sizeof *lat), *lon = malloc((size_t)n * sizeof *lon),
           *dist = malloc((size_t)n * sizeof *dist);
    int32_t *zone = malloc((size_t)n * sizeof *zone);
    uint64_t state = 5;
    for (int64_t i = 0; i < n; i++) lon[i] = 41 * uniform(&state) - 0.5, lat[i] = 29.5 + 21 * uniform(&state);
    double wall = 1e9, cpu = 1e9;
    for (int run = 0; run < RUNS; run++) {
        double wall0 = seconds(CLOCK_MONOTONIC), cpu0 = seconds(CLOCK_PROCESS_CPUTIME_ID);
        if (ucid_zones_within(zones, n, lat, lon, NULL, threads, zone, NULL, NULL) != UCID_OK) abort();
        double wall1 = seconds(CLOCK_MONOTONIC) - wall0, cpu1 = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu0;
        wall = wall1 < wall ? wall1 : wall, cpu = cpu1 < cpu ? cpu1 : cpu;
    }
    int64_t inside = 0, sum = 0;
    for (int64_t i = 0; i < n; i++) inside += zone[i] >= 0, sum += zone[i];
    printf("{\"bench\": \"zones within\", \"places\": %lld, \"threads\": %d, \"wall_s\": %.4f, \"cpu_ns_a_place\": "
           "%.1f, \"inside\": %lld, "
           "\"sum\": %lld}\n",
           (long long)n, threads, wall, 1e9 * cpu / (double)n, (long long)inside, (long long)sum);
    wall = seconds(CLOCK_MONOTONIC);
    if (ucid_zones_nearest(zones, n / 10, lat, lon, NULL, 10000, threads, zone, dist, NULL, NULL) != UCID_OK) abort();
    wall = seconds(CLOCK_MONOTONIC) - wall;
    printf("{\"bench\": \"zones nearest\", \"places\": %lld, \"limit_m\": 10000, \"wall_s\": %.4f}\n",
           (long long)(n / 10), wall);
    ucid_zones_close(zones);
    free(lat), free(lon), free(zone), free(dist), free(m);
    return 0;
}
