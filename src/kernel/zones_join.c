/* zones_join.c: which zones places are in.
 *
 * A place is at most a few codes away from its answer; where it ends in a cell with a border, the cell's few edges are
 * asked. What costs is waiting for memory, so places go down together, a group at a time: each step asks for the memory
 * that the group's next step needs. Cost: some 20 ns a place, whatever the number of zones and corners; no allocation.
 */
#include "kernel/zones.h"

#include "rt/error.h"
#include "rt/pool.h"

#include <string.h>

enum { GROUP = 64, CHUNK = 1 << 14 };

/* A place on its way down. */
typedef struct visit {
    uint32_t x, y; /* first on the plane, at the end relative to the cell */
    uint32_t code; /* 0 or a code with an answer or edges, at the end */
    uint32_t band;
    int shift;
} visit;

/* Where the visits of a group end: their codes are 0, ZONE, SET, TABLE or LIST. */
static void descend(const ucid_zones *zones, visit *visits, int n)
{
    uint8_t open[GROUP], still[GROUP];
    int count = 0;
    const uint32_t *roots[GROUP];
    for (int i = 0; i < n; i++) {
        visit *v = &visits[i];
        uint32_t col = (v->x >> zones->shift) - zones->first_col, row = (v->y >> zones->shift) - zones->first_row;
        v->code = 0, v->shift = zones->shift, v->band = row;
        if (col >= zones->cols || row >= zones->rows) continue;
        roots[count] = &zones->codes[(size_t)row * zones->cols + col];
        __builtin_prefetch(roots[count]);
        open[count++] = (uint8_t)i;
    }
    for (int k = 0; k < count; k++) visits[open[k]].code = *roots[k];
    while (count > 0) {
        int left = 0;
        for (int k = 0; k < count; k++) {
            visit *v = &visits[open[k]];
            uint32_t tag = zones_tag(v->code);
            if (tag <= ZONES_SET) continue;
            const uint32_t *words = zones_words(&zones->bands[v->band], v->code);
            v->x &= (1u << v->shift) - 1, v->y &= (1u << v->shift) - 1;
            if (tag != ZONES_GRID) {
                __builtin_prefetch(words);
                __builtin_prefetch(words + 16);
                continue;
            }
            int bits = zones_grid_bits(v->code);
            v->shift -= bits;
            roots[left] = &words[(v->y >> v->shift) << bits | v->x >> v->shift];
            __builtin_prefetch(roots[left]);
            still[left++] = open[k];
        }
        for (int k = 0; k < left; k++) {
            visits[still[k]].code = *roots[k];
            open[k] = still[k];
        }
        count = left;
    }
}

/* Code of the answer in a TABLE. */
static uint32_t ask_table(const uint32_t *words, const visit *v)
{
    zones_table table = zones_table_get(words);
    int32_t x = (int32_t)v->x, y = (int32_t)v->y;
    unsigned mask = 0;
    for (uint32_t g = 0, k = 0; g < table.groups; g++) {
        unsigned parity = 0;
        for (; k < table.end[g]; k++) parity ^= zones_crosses(&table.edges[k], x, y);
        mask |= parity << g;
    }
    return table.answers[mask];
}

/* Zones of a LIST that hold the place, ascending: the first `capacity` of them into zones, where that is not NULL. */
static int64_t ask_list(const uint32_t *words, const visit *v, int32_t *zones, int64_t capacity)
{
    const zones_edge *edges = zones_list_edges(words);
    int32_t x = (int32_t)v->x, y = (int32_t)v->y;
    int64_t found = 0;
    uint32_t k = 0;
    for (uint32_t z = 0; z < words[0]; z++) {
        uint32_t end = words[2 + 2 * z] & INT32_MAX, inside = words[2 + 2 * z] >> 31;
        for (; k < end; k++) inside ^= zones_crosses(&edges[k], x, y);
        if (!inside) continue;
        if (zones != NULL) zones[found] = (int32_t)words[1 + 2 * z];
        if (++found == capacity) return found;
    }
    return found;
}

/* Zones of an ended visit, as ask_list has them. */
static int64_t answer(const ucid_zones *zones, const visit *v, int32_t *out, int64_t capacity)
{
    const zones_band *band = &zones->bands[v->band];
    uint32_t code = v->code;
    if (zones_tag(code) == ZONES_LIST) return ask_list(zones_words(band, code), v, out, capacity);
    if (zones_tag(code) == ZONES_TABLE) code = ask_table(zones_words(band, code), v);
    int32_t one;
    const int32_t *found;
    int64_t count = zones_answer(band, code, &one, &found);
    if (count > capacity) count = capacity;
    if (out != NULL && count > 0) memcpy(out, found, (size_t)count * sizeof *out);
    return count;
}

typedef struct join_job {
    const ucid_zones *zones;
    int64_t n;
    const double *lat_deg, *lon_deg;
    const uint8_t *validity;
    int32_t *zone;    /* the first of each row; or */
    int64_t *offsets; /* counts of row i into offsets[i + 1], then */
    int32_t *matches; /* all, at offsets[i] */
    uint8_t *status;
} join_job;

/* Rows of a group that are places; the others get their status. */
static int take_places(const join_job *job, int64_t first, int rows, visit *visits, uint8_t *row_of)
{
    int n = 0;
    for (int i = 0; i < rows; i++) {
        int64_t row = first + i;
        int valid = job->validity == NULL || (job->validity[row >> 3] >> (row & 7) & 1);
        uint8_t status = UCID_OK;
        visit *v = &visits[n];
        if (!valid) {
            status = UCID_NULL_INPUT;
        } else if (!zones_place(job->lat_deg[row], job->lon_deg[row], &v->x, &v->y)) {
            status = UCID_INVALID_COORDINATES;
        } else {
            row_of[n++] = (uint8_t)i;
        }
        if (job->status != NULL) job->status[row] = status;
        if (job->zone != NULL) job->zone[row] = -1;
        if (job->offsets != NULL && job->matches == NULL) job->offsets[row + 1] = 0;
    }
    return n;
}

static void join_chunk(void *ctx, int64_t task, int worker)
{
    (void)worker;
    const join_job *job = ctx;
    int64_t first = task * CHUNK, end = first + CHUNK < job->n ? first + CHUNK : job->n;
    visit visits[GROUP];
    uint8_t row_of[GROUP];
    for (; first < end; first += GROUP) {
        int n = take_places(job, first, (int)(end - first < GROUP ? end - first : GROUP), visits, row_of);
        descend(job->zones, visits, n);
        for (int i = 0; i < n; i++) {
            int64_t row = first + row_of[i];
            if (job->zone != NULL) {
                int32_t found;
                if (answer(job->zones, &visits[i], &found, 1) > 0) job->zone[row] = found;
            } else if (job->matches != NULL) {
                answer(job->zones, &visits[i], job->matches + job->offsets[row],
                       job->offsets[row + 1] - job->offsets[row]);
            } else {
                job->offsets[row + 1] = answer(job->zones, &visits[i], NULL, INT64_MAX);
            }
        }
    }
}

static ucid_status run(join_job *job, int threads, ucid_error *error)
{
    if (job->zones == NULL || threads < 1 || job->n < 0 ||
        (job->n > 0 && (job->lat_deg == NULL || job->lon_deg == NULL))) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT,
                         "a join needs zones, arrays of coordinates, outputs and at least one thread");
    }
    ucid_parallel(threads, job->n / CHUNK + (job->n % CHUNK != 0), join_chunk, job);
    return UCID_OK;
}

ucid_status ucid_zones_within(const ucid_zones *zones, int64_t n, const double *lat_deg, const double *lon_deg,
                              const uint8_t *validity, int threads, int32_t *zone, uint8_t *status, ucid_error *error)
{
    join_job job = {zones, n, lat_deg, lon_deg, validity, zone, NULL, NULL, status};
    if (n > 0 && zone == NULL) job.zones = NULL;
    return run(&job, threads, error);
}

ucid_status ucid_zones_within_all(const ucid_zones *zones, int64_t n, const double *lat_deg, const double *lon_deg,
                                  const uint8_t *validity, int threads, int64_t *offsets, int32_t *zone,
                                  int64_t capacity, uint8_t *status, ucid_error *error)
{
    join_job job = {zones, n, lat_deg, lon_deg, validity, NULL, offsets, NULL, status};
    if (offsets == NULL) job.zones = NULL;
    ucid_status done = run(&job, threads, error);
    if (done != UCID_OK) return done;
    offsets[0] = 0;
    for (int64_t i = 0; i < n; i++) offsets[i + 1] += offsets[i];
    if (zone == NULL || capacity < offsets[n]) return UCID_OK;
    job.matches = zone;
    return run(&job, threads, error);
}
