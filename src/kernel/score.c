/* score.c: a batch is cut into chunks, the chunks are shared among threads, and in a chunk places are put in an order
 * in which neighbours meet the same streets:
 *
 *     locate each row -> counting sort by tile -> groups: cells | leaves | candidates | segments | edges | entries
 *
 * The steps of a group run over all its places before the next begins, and each fetches ahead what the next will read,
 * so that a place waits for memory once at most. The order decides nothing but time: each row is computed by itself. */
#include "kernel/score.h"

#include "rt/error.h"
#include "rt/memory.h"
#include "rt/pool.h"

#include <string.h>

enum {
    CHUNK = 65536,       /* rows */
    TILES = 4096,        /* at most */
    SORT_FROM = 256,     /* rows; fewer are not worth it */
    TILE_SHIFT_MIN = 13, /* tiles of at least 2^13 e-7 degrees, some 90 m */
};

const score_kernels *score_kernels_find(const char *name)
{
    static const score_kernels kernels[] = {
#if UCID_X86
        {"avx512", snap_avx512, fifteen_reach_avx2},
        {"avx2", snap_avx2, fifteen_reach_avx2},
#endif
        {"scalar", snap_scalar, fifteen_reach_scalar},
    };
#if UCID_X86
    const int runs[] = {__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl"),
                        __builtin_cpu_supports("avx2"), 1};
#else
    const int runs[] = {1};
#endif
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
        if (runs[i] && (name == NULL || strcmp(kernels[i].name, name) == 0)) return &kernels[i];
    }
    return NULL;
}

typedef struct score_scratch {
    place *found, *sorted; /* [chunk] */
    uint16_t *tile;        /* [chunk] of each place found */
    uint32_t *count;       /* [TILES + 1] */
} score_scratch;

/* Squares of 2^shift e-7 degrees over the index's box. */
typedef struct tiling {
    int32_t west_e7, south_e7;
    uint32_t shift, across, up;
} tiling;

static tiling tiling_make(const ucidx_summary *summary)
{
    tiling t = {summary->min_lon_e7, summary->min_lat_e7, TILE_SHIFT_MIN, 0, 0};
    uint32_t width = (uint32_t)summary->max_lon_e7 - (uint32_t)summary->min_lon_e7;
    uint32_t height = (uint32_t)summary->max_lat_e7 - (uint32_t)summary->min_lat_e7;
    while ((uint64_t)((width >> t.shift) + 1) * ((height >> t.shift) + 1) > TILES) t.shift++;
    t.across = (width >> t.shift) + 1;
    t.up = (height >> t.shift) + 1;
    return t;
}

static uint32_t clamped(int32_t value, int32_t from, uint32_t shift, uint32_t count)
{
    uint32_t tile = value < from ? 0 : ((uint32_t)value - (uint32_t)from) >> shift;
    return tile < count ? tile : count - 1;
}

static uint32_t tile_of(const tiling *t, const place *p)
{
    return clamped(p->y_e7, t->south_e7, t->shift, t->up) * t->across +
           clamped(p->x_e7, t->west_e7, t->shift, t->across);
}

static void write_error(const ucid_scores *out, int64_t row, ucid_status status)
{
    if (out->score != NULL) out->score[row] = (double)NAN;
    if (out->grade != NULL) out->grade[row] = UCID_GRADE_F;
    if (out->confidence != NULL) out->confidence[row] = (double)NAN;
    if (out->status != NULL) out->status[row] = (uint8_t)status;
    if (out->flags != NULL) out->flags[row] = 0;
    if (out->snap_m != NULL) out->snap_m[row] = (double)NAN;
    for (int p = 0; p < UCID_PARTS_MAX; p++) {
        if (out->part[p] != NULL) out->part[p][row] = (double)NAN;
        if (out->nearest_m[p] != NULL) out->nearest_m[p][row] = (double)NAN;
    }
}

/* Places of rows [first, first + n) that may have a street in reach; the others are written at once. Returns their
 * number. */
static uint32_t locate(const score_job *job, int64_t first, uint32_t n, place *found)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; i++) {
        int64_t row = first + i;
        if (job->validity != NULL && !(job->validity[row >> 3] >> (row & 7) & 1)) {
            write_error(&job->out, row, UCID_NULL_INPUT);
            continue;
        }
        place *p = &found[count];
        ucid_status status = place_locate(job->index, job->lat_deg[row], job->lon_deg[row], p);
        if (status == UCID_OK && job->index->boundary_count > 0 &&
            !boundary_inside(&job->inside, place_grid_row(job->index, p->y_e7), p->x_e7, p->y_e7)) {
            status = UCID_OUTSIDE_INDEX;
        }
        p->row = i & (CHUNK - 1);
        if (status != UCID_OK) {
            write_error(&job->out, row, status);
        } else if (p->cell == UCIDX_NONE) {
            job->context->off_network(job, row);
        } else {
            count++;
        }
    }
    return count;
}

static const place *sort_by_tile(const ucid_index *index, uint32_t n, score_scratch *s)
{
    if (n < SORT_FROM) return s->found;
    tiling t = tiling_make(index->summary);
    memset(s->count, 0, (TILES + 1) * sizeof *s->count);
    for (uint32_t i = 0; i < n; i++) {
        s->tile[i] = (uint16_t)tile_of(&t, &s->found[i]);
        s->count[s->tile[i] + 1]++;
    }
    for (uint32_t i = 0; i < TILES; i++) s->count[i + 1] += s->count[i];
    for (uint32_t i = 0; i < n; i++) s->sorted[s->count[s->tile[i]]++] = s->found[i];
    return s->sorted;
}

static void score_group(const score_job *job, int64_t first, const place *places, int n)
{
    const ucid_index *index = job->index;
    place_range ranges[SNAP_GROUP] = {{0, 0}};
    snap_foot feet[SNAP_GROUP];
    uint32_t leaves[SNAP_GROUP];
    for (int i = 0; i < n; i++) {
        leaves[i] = place_leaf(index, &places[i]);
        if (leaves[i] < index->leaf_count) __builtin_prefetch(&index->leaves[leaves[i]]);
    }
    for (int i = 0; i < n; i++) {
        ranges[i] = place_candidates(index, leaves[i]);
        const char *list = (const char *)&index->candidates[ranges[i].first]; /* up to three lines of it */
        uint32_t bytes = (ranges[i].end - ranges[i].first) * (uint32_t)sizeof *index->candidates;
        __builtin_prefetch(list);
        __builtin_prefetch(list + (bytes < 64 ? bytes : 64));
        __builtin_prefetch(list + (bytes < 128 ? bytes : 128));
    }
    for (int i = 0; i < n; i++) {
        for (uint32_t c = ranges[i].first; c < ranges[i].end; c++) {
            __builtin_prefetch(&index->segments[index->candidates[c] & (UCIDX_NONE >> 1)]);
        }
    }
    job->kernels->snap(index, places, ranges, n, feet);
    job->context->score(job, first, places, feet, n);
}

static void score_chunk(void *ctx, int64_t task, int worker)
{
    const score_job *job = ctx;
    score_scratch *scratch = &job->scratch[worker];
    int64_t first = task * CHUNK;
    uint32_t rows = (uint32_t)(job->n - first < CHUNK ? job->n - first : CHUNK);
    uint32_t n = locate(job, first, rows, scratch->found);
    const place *places = sort_by_tile(job->index, n, scratch);
    for (uint32_t i = 0; i < n; i += SNAP_GROUP) {
        uint32_t ahead = i + SNAP_GROUP;
        for (uint32_t next = ahead; next < n && next < ahead + SNAP_GROUP; next++) {
            __builtin_prefetch(&job->index->cells[places[next].cell]);
        }
        score_group(job, first, &places[i], (int)(n - i < SNAP_GROUP ? n - i : SNAP_GROUP));
    }
}

static void scratch_close(const ucid_allocator *allocator, score_scratch *scratch, int threads, size_t chunk)
{
    for (int i = 0; scratch != NULL && i < threads; i++) {
        ucid_release(allocator, scratch[i].found, chunk, sizeof(place));
        ucid_release(allocator, scratch[i].sorted, chunk, sizeof(place));
        ucid_release(allocator, scratch[i].tile, chunk, sizeof(uint16_t));
        ucid_release(allocator, scratch[i].count, TILES + 1, sizeof(uint32_t));
    }
    ucid_release(allocator, scratch, (size_t)threads, sizeof *scratch);
}

static ucid_status scratch_open(const ucid_allocator *allocator, int threads, size_t chunk, score_scratch **out,
                                ucid_error *error)
{
    score_scratch *scratch = ucid_allocate_zero(allocator, (size_t)threads, sizeof *scratch);
    int complete = scratch != NULL;
    for (int i = 0; complete && i < threads; i++) {
        scratch[i].found = ucid_allocate(allocator, chunk, sizeof(place));
        if (chunk >= SORT_FROM) {
            scratch[i].sorted = ucid_allocate(allocator, chunk, sizeof(place));
            scratch[i].tile = ucid_allocate(allocator, chunk, sizeof(uint16_t));
            scratch[i].count = ucid_allocate(allocator, TILES + 1, sizeof(uint32_t));
            complete = scratch[i].sorted != NULL && scratch[i].tile != NULL && scratch[i].count != NULL;
        }
        complete = complete && scratch[i].found != NULL;
    }
    if (!complete) {
        scratch_close(allocator, scratch, threads, chunk);
        return ucid_fail_memory(error, "scratch of the kernel", (size_t)threads * chunk * 2 * sizeof(place));
    }
    *out = scratch;
    return UCID_OK;
}

ucid_status score_check_options(const ucid_score_options **options, const context_row **context, ucid_error *error)
{
    static const ucid_score_options standard = UCID_SCORE_OPTIONS_INIT;
    if (*options == NULL) *options = &standard;
    if ((*options)->size != sizeof **options || (*options)->threads < 1) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT,
                         "score options: threads is %d and must be at least 1; start from UCID_SCORE_OPTIONS_INIT",
                         (*options)->threads);
    }
    *context = context_find((*options)->context);
    if (*context == NULL) {
        return ucid_fail(error, UCID_CONTEXT_NOT_FOUND, "there is no context '%.20s'",
                         (*options)->context != NULL ? (*options)->context : "");
    }
    return UCID_OK;
}

ucid_status score_with(const score_kernels *kernel, const ucid_index *index, int64_t n, const double *lat_deg,
                       const double *lon_deg, const uint8_t *validity, const ucid_score_options *options,
                       const ucid_scores *scores, ucid_error *error)
{
    const context_row *context;
    ucid_status checked = score_check_options(&options, &context, error);
    if (checked != UCID_OK) return checked;
    if (index == NULL || scores == NULL || n < 0 || (n > 0 && (lat_deg == NULL || lon_deg == NULL))) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "score needs an index, arrays of coordinates and outputs");
    }
    int64_t chunks = n / CHUNK + (n % CHUNK != 0);
    int threads = options->threads < chunks ? options->threads : chunks > 0 ? (int)chunks : 1;
    size_t chunk = (size_t)(n < CHUNK ? n : CHUNK);
    ucid_allocator allocator = ucid_allocator_or_default(options->allocator);
    score_job job = {.index = index,
                     .context = context,
                     .kernels = kernel,
                     .n = n,
                     .lat_deg = lat_deg,
                     .lon_deg = lon_deg,
                     .validity = validity,
                     .out = *scores,
                     .setup = fifteen_prepare(index, options->hour, scores)};
    ucid_status status = boundary_open(index, n, &allocator, &job.inside, error);
    if (status == UCID_OK && n <= SNAP_GROUP) { /* no memory, no threads */
        place found[SNAP_GROUP];
        uint32_t count = locate(&job, 0, (uint32_t)n, found);
        if (count > 0) score_group(&job, 0, found, (int)count);
        return UCID_OK;
    }
    if (status == UCID_OK) status = scratch_open(&allocator, threads, chunk, &job.scratch, error);
    if (status == UCID_OK) ucid_parallel(threads, chunks, score_chunk, &job);
    boundary_close(&job.inside);
    scratch_close(&allocator, job.scratch, threads, chunk);
    return status;
}

ucid_status ucid_score(const ucid_index *index, int64_t n, const double *lat_deg, const double *lon_deg,
                       const uint8_t *validity, const ucid_score_options *options, const ucid_scores *scores,
                       ucid_error *error)
{
    return score_with(score_kernels_find(NULL), index, n, lat_deg, lon_deg, validity, options, scores, error);
}
