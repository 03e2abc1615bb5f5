/* bench_aggregate.c: the roll-up R9 -> R7 -> R5 of ten million cells, ascending, shuffled, ten thousand in no order
 * again and again, and over the whole globe, with one and two threads.
 *
 *     bench_aggregate [cells] [order]
 *
 * One JSON object a line; minima of five runs. */
#include "ucid.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RUNS = 5 };

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint64_t random_bits(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static ucid_aggregate *aggregate_of(int resolution, int threads)
{
    ucid_aggregate_options options = UCID_AGGREGATE_OPTIONS_INIT;
    options.resolution = resolution;
    options.threads = threads;
    ucid_aggregate *a = NULL;
    if (ucid_aggregate_new(&options, &a, NULL) != UCID_OK) abort();
    return a;
}

static const char *only;

static void bench(const char *order, int64_t n, const uint64_t *cells, const ucid_aggregate_rows *rows, int threads)
{
    double wall = 1e9, cpu = 1e9;
    int64_t fine = 0, coarse = 0;
    if (only != NULL && strcmp(only, order) != 0) return;
    for (int run = 0; run < RUNS; run++) {
        double wall0 = seconds(CLOCK_MONOTONIC), cpu0 = seconds(CLOCK_PROCESS_CPUTIME_ID);
        ucid_aggregate *r7 = aggregate_of(7, threads), *r5 = aggregate_of(5, 1);
        if (ucid_aggregate_add_cells(r7, n, cells, rows, NULL) != UCID_OK) abort();
        if (ucid_aggregate_sort(r7, &fine, NULL) != UCID_OK) abort();
        double *mean = malloc((size_t)fine * sizeof *mean);
        ucid_aggregates out = {.mean = mean};
        ucid_aggregate_finish(r7, 0, fine, &out);
        if (ucid_aggregate_merge(r5, r7, NULL) != UCID_OK || ucid_aggregate_sort(r5, &coarse, NULL) != UCID_OK) abort();
        ucid_aggregate_finish(r5, 0, coarse, &out);
        free(mean);
        ucid_aggregate_free(r7);
        ucid_aggregate_free(r5);
        double wall1 = seconds(CLOCK_MONOTONIC) - wall0, cpu1 = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu0;
        wall = wall1 < wall ? wall1 : wall;
        cpu = cpu1 < cpu ? cpu1 : cpu;
    }
    printf(
        "{\"bench\": \"aggregate\", \"order\": \"%s\", \"cells\": %lld, \"r7\": %lld, \"r5\": %lld, \"weights\": %d, "
        "\"threads\": %d, \"wall_s\": %.3f, \"cpu_s\": %.3f, \"ns_row_cpu\": %.1f}\n",
        order, (long long)n, (long long)fine, (long long)coarse, rows->weight != NULL, threads, wall, cpu,
        1e9 * cpu / (double)n);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    int64_t n = argc > 1 ? atoll(argv[1]) : 10000000, count = 0;
    size_t size = (size_t)n;
    uint64_t *cells = malloc(size * sizeof *cells), seed = 1;
    double *score = malloc(size * sizeof *score), *confidence = malloc(size * sizeof *confidence);
    double *weight = malloc(size * sizeof *weight);
    uint8_t *grade = malloc(size);
    ucid_grid *grid = NULL;
    only = argc > 2 ? argv[2] : NULL;
    if (cells == NULL || score == NULL || confidence == NULL || weight == NULL || grade == NULL) return 5;
    if (ucid_grid_open_box(36.0, -8.0, 50.0, 15.0, 9, NULL, &grid, NULL) != UCID_OK) return 5;
    for (int64_t got; count < n && (got = ucid_grid_next(grid, n - count, cells + count, NULL, NULL)) > 0;)
        count += got;
    ucid_grid_close(grid);
    for (int64_t i = 0; i < count; i++) {
        score[i] = (double)(random_bits(&seed) % 81) * 1.25;
        confidence[i] = (double)(random_bits(&seed) % 101) / 100.0;
        weight[i] = (double)(random_bits(&seed) % 5000);
        grade[i] = (uint8_t)(random_bits(&seed) % 6);
    }
    ucid_aggregate_rows rows = {score, confidence, grade, NULL, NULL};
    bench("ascending", count, cells, &rows, 1);
    bench("ascending", count, cells, &rows, 2);
    rows.weight = weight;
    bench("ascending", count, cells, &rows, 1);
    rows.weight = NULL;
    for (int64_t i = count - 1; i > 0; i--) {
        int64_t j = (int64_t)(random_bits(&seed) % (uint64_t)(i + 1));
        uint64_t swap = cells[i];
        cells[i] = cells[j];
        cells[j] = swap;
    }
    bench("shuffled", count, cells, &rows, 1);
    bench("shuffled", count, cells, &rows, 2);
    for (int64_t i = 0; i < count; i++) cells[i] = cells[(i * 7919) % (count < 10000 ? count : 10000)];
    bench("few", count, cells, &rows, 1);
    bench("few", count, cells, &rows, 2);
    for (int64_t i = 0; i < count; i++) {
        double z = (double)(random_bits(&seed) >> 11) * 0x1p-53, x = (double)(random_bits(&seed) >> 11) * 0x1p-53;
        cells[i] = ucid_cell_at(asin(2 * z - 1) * 57.29577951308232, 360 * x - 180, 9);
    }
    bench("globe", count, cells, &rows, 1);
    bench("globe", count, cells, &rows, 2);
    free(cells);
    free(score);
    free(confidence);
    free(weight);
    free(grade);
    return 0;
}
