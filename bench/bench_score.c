/* bench_score.c: places a second, beside a bounded Dijkstra from every place that must give the same scores.
 *
 *     bench_score CITY.osm.pbf|CITY.ucidx [places]
 *
 * One JSON object a line. "box": places anywhere in the box of the network, sea included; "streets": within 100 m of a
 * street. Times are minima of seven runs; cpu is the processor time of the whole process, which other work on the
 * machine disturbs less than wall. */
#include "kernel/score.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { RUNS = 7, RIVAL = 2000 };

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

static void *take(size_t count, size_t item)
{
    void *memory = calloc(count + 1, item);
    if (memory == NULL) abort();
    return memory;
}

static void make_places(const ucid_index *x, int near_streets, int64_t n, double *lat, double *lon)
{
    const ucidx_summary *s = x->summary;
    uint64_t seed = 1;
    for (int64_t i = 0; i < n; i++) {
        double px = s->min_lon_e7 + uniform(&seed) * ((double)s->max_lon_e7 - s->min_lon_e7);
        double py = s->min_lat_e7 + uniform(&seed) * ((double)s->max_lat_e7 - s->min_lat_e7);
        if (near_streets) {
            const ucidx_segment *at = &x->segments[(uint32_t)(uniform(&seed) * x->segment_count)];
            px = at->ax_e7 + 18000.0 * (uniform(&seed) - 0.5);
            py = at->ay_e7 + 18000.0 * (uniform(&seed) - 0.5);
        }
        px += s->lon_origin_e7;
        lon[i] = (px >= 1.8e9 ? px - 3.6e9 : px) * 1e-7;
        lat[i] = py * 1e-7;
    }
}

/* The rival: Dijkstra over arrays, reset by what it touched. Snapping is the kernel's and is not counted. */
typedef struct item {
    uint32_t distance, node;
} item;

typedef struct rival {
    const ucid_index *x;
    uint32_t *distance, *touched, *first; /* first opportunity of each node */
    item *heap;
    size_t touched_count, heap_count;
} rival;

static void rival_push(rival *r, uint32_t distance, uint32_t node)
{
    if (distance > r->x->summary->cutoff || distance >= r->distance[node]) return;
    if (r->distance[node] == UINT32_MAX) r->touched[r->touched_count++] = node;
    r->distance[node] = distance;
    size_t i = r->heap_count++;
    for (; i > 0 && r->heap[(i - 1) / 2].distance > distance; i = (i - 1) / 2) r->heap[i] = r->heap[(i - 1) / 2];
    r->heap[i] = (item){distance, node};
}

static item rival_pop(rival *r)
{
    item top = r->heap[0], last = r->heap[--r->heap_count];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < r->heap_count; i = child) {
        if (child + 1 < r->heap_count && r->heap[child + 1].distance < r->heap[child].distance) child++;
        if (r->heap[child].distance >= last.distance) break;
        r->heap[i] = r->heap[child];
    }
    r->heap[i] = last;
    return top;
}

static double rival_score(rival *r, const snap_foot *foot)
{
    static const uint32_t worth[6] = {250, 250, 250, 375, 125, 125};
    const ucid_index *x = r->x;
    const ucidx_edge *street = &x->edges[ucidx_edge_of(x, foot->segment)];
    uint32_t offset = x->segments[foot->segment].offset + foot->along;
    rival_push(r, foot->gap + offset, street->a);
    rival_push(r, foot->gap + street->length - offset, street->b);
    while (r->heap_count > 0) {
        item at = rival_pop(r);
        if (at.distance > r->distance[at.node]) continue;
        for (uint32_t i = x->nodes[at.node].first_arc; i < x->nodes[at.node + 1].first_arc; i++) {
            const ucidx_edge *e = &x->edges[x->arcs[i]];
            rival_push(r, at.distance + e->length, e->a == at.node ? e->b : e->a);
        }
    }
    uint32_t quality[6] = {0}, score = 0;
    for (size_t i = 0; i < r->touched_count; i++) {
        uint32_t node = r->touched[i];
        for (uint32_t o = r->first[node]; o < r->first[node + 1]; o++) {
            const ucidx_opportunity *at = &x->opportunities[o];
            if (r->distance[node] + at->gap <= x->summary->cutoff) quality[at->part] += at->quality;
        }
        r->distance[node] = UINT32_MAX;
    }
    r->touched_count = 0;
    for (int p = 0; p < 6; p++) score += worth[p] * (quality[p] < fifteen_full[p] ? quality[p] : fifteen_full[p]);
    return score / 100.0;
}

/* Seconds a place, and the number of places whose score differs. */
static double run_rival(const ucid_index *x, const double *lat, const double *lon, const double *score,
                        const uint8_t *status, int *scored, int *different)
{
    rival r = {.x = x};
    r.distance = take(x->node_count, sizeof *r.distance);
    r.touched = take(x->node_count, sizeof *r.touched);
    r.first = take((size_t)x->node_count + 1, sizeof *r.first);
    r.heap = take(2 * (size_t)x->edge_count + 16, sizeof *r.heap);
    memset(r.distance, 0xFF, x->node_count * sizeof *r.distance);
    for (uint32_t i = 0; i < x->opportunity_count; i++) r.first[x->opportunities[i].node + 1]++;
    for (uint32_t i = 0; i < x->node_count; i++) r.first[i + 1] += r.first[i];
    double total = 0;
    *scored = *different = 0;
    for (int i = 0; i < RIVAL; i++) {
        place p;
        snap_foot foot;
        if (status[i] != UCID_OK && status[i] != UCID_ISLAND && status[i] != UCID_NEAR_BOUNDARY) continue;
        if (place_locate(x, lat[i], lon[i], &p) != UCID_OK) continue;
        snap_place(x, &p, place_candidates(x, place_leaf(x, &p)), &foot);
        double start = seconds(CLOCK_PROCESS_CPUTIME_ID), found = rival_score(&r, &foot);
        total += seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
        *different += found < score[i] || found > score[i];
        ++*scored;
    }
    free(r.distance);
    free(r.touched);
    free(r.first);
    free(r.heap);
    return *scored > 0 ? total / *scored : 0;
}

static void bench(const char *name, const ucid_index *x, int near_streets, int64_t n)
{
    double *lat = take((size_t)n, sizeof *lat), *lon = take((size_t)n, sizeof *lon), kernel_cpu = 0;
    ucid_scores out = {.score = take((size_t)n, sizeof(double)), .confidence = take((size_t)n, sizeof(double))};
    out.status = take((size_t)n, 1);
    out.grade = take((size_t)n, 1);
    ucid_scores detail = out;
    detail.snap_m = take((size_t)n, sizeof(double));
    for (int p = 0; p < FIFTEEN_PARTS; p++) {
        detail.part[p] = take((size_t)n, sizeof(double));
        detail.nearest_m[p] = take((size_t)n, sizeof(double));
    }
    make_places(x, near_streets, n, lat, lon);
    static const struct {
        const char *kernels, *outputs;
        int threads;
    } ways[] = {{"avx512", "score", 1}, {"avx512", "score", 2}, {"avx512", "all", 1},  {"avx2", "score", 1},
                {"avx2", "score", 2},   {"avx2", "all", 1},     {"scalar", "score", 1}};
    for (size_t w = 0; w < sizeof ways / sizeof ways[0]; w++) {
        const score_kernels *kernels = score_kernels_find(ways[w].kernels);
        if (kernels == NULL) continue;
        ucid_score_options options = UCID_SCORE_OPTIONS_INIT;
        options.threads = ways[w].threads;
        double wall = 1e9, cpu = 1e9;
        for (int run = 0; run < RUNS; run++) {
            double wall0 = seconds(CLOCK_MONOTONIC), cpu0 = seconds(CLOCK_PROCESS_CPUTIME_ID);
            ucid_error error;
            if (score_with(kernels, x, n, lat, lon, NULL, &options, ways[w].outputs[0] == 'a' ? &detail : &out,
                           &error) != UCID_OK) {
                fprintf(stderr, "%s\n", error.message);
                exit(1);
            }
            double wall1 = seconds(CLOCK_MONOTONIC) - wall0, cpu1 = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu0;
            wall = wall1 < wall ? wall1 : wall;
            cpu = cpu1 < cpu ? cpu1 : cpu;
        }
        if (kernels == score_kernels_find(NULL) && ways[w].threads == 1 && ways[w].outputs[0] == 's') {
            kernel_cpu = cpu / (double)n; /* of the one that runs by itself */
        }
        printf("{\"bench\": \"score\", \"index\": \"%s\", \"places\": \"%s\", \"rows\": %lld, \"kernel\": \"%s\", "
               "\"outputs\": "
               "\"%s\", \"threads\": %d, \"wall_s\": %.4f, \"cpu_s\": %.4f, \"million_rows_s\": %.2f, \"ns_row_cpu\": "
               "%.1f}\n",
               name, near_streets ? "streets" : "box", (long long)n, ways[w].kernels, ways[w].outputs, ways[w].threads,
               wall, cpu, 1e-6 * (double)n / wall, 1e9 * cpu / (double)n);
        fflush(stdout);
    }
    int scored, different;
    double rival_cpu = run_rival(x, lat, lon, out.score, out.status, &scored, &different);
    printf("{\"bench\": \"dijkstra\", \"index\": \"%s\", \"places\": \"%s\", \"rows\": %d, \"different\": %d, "
           "\"us_row_cpu\": "
           "%.2f, \"kernel_faster\": %.0f}\n",
           name, near_streets ? "streets" : "box", scored, different, 1e6 * rival_cpu, rival_cpu / kernel_cpu);
    for (int p = 0; p < FIFTEEN_PARTS; p++) free(detail.part[p]), free(detail.nearest_m[p]);
    free(detail.snap_m);
    free(out.score);
    free(out.confidence);
    free(out.status);
    free(out.grade);
    free(lat);
    free(lon);
}

/* Cells of the network's box, enumerated, centred and scored in blocks. */
static void bench_grid(const char *name, const ucid_index *x, int resolution)
{
    enum { BLOCK = 65536 };
    const ucidx_summary *s = x->summary;
    double west = (s->min_lon_e7 + (double)s->lon_origin_e7) * 1e-7,
           east = (s->max_lon_e7 + (double)s->lon_origin_e7) * 1e-7;
    uint64_t *cells = take(BLOCK, sizeof *cells);
    double *lat = take(BLOCK, sizeof *lat), *lon = take(BLOCK, sizeof *lon), wall = 1e9, cpu = 1e9, cells_cpu = 1e9;
    ucid_scores out = {.score = take(BLOCK, sizeof(double)), .confidence = take(BLOCK, sizeof(double))};
    out.status = take(BLOCK, 1);
    int64_t total = 0;
    for (int run = 0; run < 2 * RUNS; run++) { /* every other run without scores */
        double wall0 = seconds(CLOCK_MONOTONIC), cpu0 = seconds(CLOCK_PROCESS_CPUTIME_ID);
        ucid_grid *grid = NULL;
        if (ucid_grid_open_box(s->min_lat_e7 * 1e-7, west, s->max_lat_e7 * 1e-7, east >= 180.0 ? east - 360.0 : east,
                               resolution, NULL, &grid, NULL) != UCID_OK) {
            break;
        }
        total = 0;
        for (int64_t n; (n = ucid_grid_next(grid, BLOCK, cells, lat, lon)) > 0; total += n) {
            if (run % 2 == 0) ucid_score(x, n, lat, lon, NULL, NULL, &out, NULL);
        }
        ucid_grid_close(grid);
        double wall1 = seconds(CLOCK_MONOTONIC) - wall0, cpu1 = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu0;
        if (run % 2 == 0) {
            wall = wall1 < wall ? wall1 : wall;
            cpu = cpu1 < cpu ? cpu1 : cpu;
        } else {
            cells_cpu = cpu1 < cells_cpu ? cpu1 : cells_cpu;
        }
    }
    printf("{\"bench\": \"grid\", \"index\": \"%s\", \"resolution\": %d, \"cells\": %lld, \"wall_ms\": %.2f, "
           "\"cpu_ms\": %.2f, "
           "\"cells_alone_cpu_ms\": %.2f}\n",
           name, resolution, (long long)total, 1e3 * wall, 1e3 * cpu, 1e3 * cells_cpu);
    free(cells);
    free(lat);
    free(lon);
    free(out.score);
    free(out.confidence);
    free(out.status);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "bench_score CITY.osm.pbf|CITY.ucidx [places]\n");
        return 2;
    }
    const char *path = argv[1], *name = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
    int64_t n = argc > 2 ? atoll(argv[2]) : 1000000;
    char built[] = "/tmp/ucid-bench-XXXXXX";
    size_t length = strlen(path);
    int is_extract = length > 4 && strcmp(path + length - 4, ".pbf") == 0;
    ucid_index *index = NULL;
    ucid_error error;
    if (is_extract) {
        close(mkstemp(built));
        if (ucid_index_build(path, built, NULL, &error) != UCID_OK) {
            fprintf(stderr, "%s\n", error.message);
            return ucid_status_exit_code(error.status);
        }
        path = built;
    }
    if (ucid_index_open(path, NULL, &index, &error) != UCID_OK) {
        fprintf(stderr, "%s\n", error.message);
        return ucid_status_exit_code(error.status);
    }
    if (is_extract) unlink(built);
    bench(name, index, 0, n);
    bench(name, index, 1, n);
    bench_grid(name, index, 9);
    bench_grid(name, index, 11);
    ucid_index_close(index);
    return 0;
}
