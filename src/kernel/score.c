/* score.c: a batch is cut into chunks, the chunks are shared among threads, and in a chunk places are put in an order
 * in which neighbours meet the same streets:
 *
 *     locate each row -> counting sort by tile -> groups: cells | leaves | lists | segments | entries -> rows ->
 * columns
 *
 * A group of places goes through the steps one after another, each of which fetches ahead what the next will read, and
 * while memory answers the groups behind it and before it are at the other steps. What a row becomes is kept in few
 * bytes, so that columns are written from front to back. The order decides nothing but time: each row is computed by
 * itself. */
#include "kernel/score.h"

#include "rt/error.h"
#include "rt/memory.h"
#include "rt/pool.h"

#include <string.h>

enum {
    CHUNK_MIN = 1 << 16,   /* rows; their scratch stays in the cache */
    CHUNK_MAX = 1 << 19,   /* the more there are, the nearer to each other are places that follow */
    BYTES_A_ROW = 128,     /* of the index: from so many on, what is shared with neighbours outweighs the scratch */
    TILES = 4096,          /* at most */
    SORT_FROM = 256,       /* rows; fewer are not worth it */
    ROWS_A_THREAD = 16384, /* at least */
    FEW = 64,              /* rows; they take no memory and no threads */
    TILE_SHIFT_MIN = 13,   /* tiles of at least 2^13 e-7 degrees, some 90 m */
};

static uint32_t locate_scalar(const ucid_index *index, const double *lat_deg, const double *lon_deg, uint32_t n,
                              place *found, score_row *rows)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; i++) {
        place *p = &found[count];
        ucid_status status = place_locate(index, lat_deg[i], lon_deg[i], p);
        p->row = i & ((1u << 28) - 1);
        rows[i] = score_refuse(status == UCID_OK ? UCID_OFF_NETWORK : status);
        count += status == UCID_OK && p->cell != UCIDX_NONE;
    }
    return count;
}

const score_kernels *score_kernels_find(const char *name)
{
    static const score_kernels kernels[] = {
#if UCID_X86
        {"avx512", locate_avx512, snap_avx512, fifteen_reach_avx2},
        {"avx2", locate_scalar, snap_avx2, fifteen_reach_avx2},
#endif
        {"scalar", locate_scalar, snap_scalar, fifteen_reach_scalar},
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
    place *found, *sorted; /* [chunk + LOCATE_SPARE] */
    score_row *rows;       /* [chunk + LOCATE_SPARE] */
    score_parts *parts;    /* [chunk]; NULL: nobody asks */
    uint32_t *count;       /* [TILES + 1] */
} score_scratch;

/* Rows without coordinates are no places. */
static uint32_t drop_nulls(const uint8_t *validity, int64_t first, uint32_t n, place *found, uint32_t count,
                           score_row *rows)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        int64_t row = first + i;
        if (!(validity[row >> 3] >> (row & 7) & 1)) rows[i] = score_refuse(UCID_NULL_INPUT);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (rows[found[i].row].status != UCID_NULL_INPUT) found[kept++] = found[i];
    }
    return kept;
}

/* Places beyond the boundary are refused, whether a street is in reach of them or not. */
static uint32_t drop_outside(const score_job *job, int64_t first, uint32_t n, place *found, uint32_t count,
                             score_row *rows)
{
    const ucid_index *index = job->index;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        const place *p = &found[i];
        int inside = boundary_inside(&job->inside, place_grid_row(index, p->y_e7), p->x_e7, p->y_e7);
        rows[p->row].status = (uint8_t)(inside ? UCID_OK : UCID_OUTSIDE_INDEX);
        if (inside) found[kept++] = *p;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (rows[i].status == UCID_OFF_NETWORK) {
            place p = {0};
            place_locate(index, job->lat_deg[first + i], job->lon_deg[first + i], &p);
            int inside = boundary_inside(&job->inside, place_grid_row(index, p.y_e7), p.x_e7, p.y_e7);
            if (!inside) rows[i].status = UCID_OUTSIDE_INDEX;
        }
        if (rows[i].status == UCID_OUTSIDE_INDEX) rows[i] = score_refuse(UCID_OUTSIDE_INDEX);
        if (rows[i].status == UCID_OK) rows[i].status = UCID_OFF_NETWORK;
    }
    return kept;
}

/* Places of rows [first, first + n) that may have a street in reach; all rows are filled for the case that they have
 * none. Returns their number. */
static uint32_t locate(const score_job *job, int64_t first, uint32_t n, place *found, score_row *rows,
                       score_parts *parts)
{
    uint32_t count = job->kernels->locate(job->index, job->lat_deg + first, job->lon_deg + first, n, found, rows);
    if (job->validity != NULL) count = drop_nulls(job->validity, first, n, found, count, rows);
    if (job->index->boundary_count > 0) count = drop_outside(job, first, n, found, count, rows);
    for (uint32_t i = 0; parts != NULL && i < n; i++) {
        uint16_t part = rows[i].status == UCID_OFF_NETWORK ? 0 : ROW_NONE;
        for (int p = 0; p < UCID_PARTS_MAX; p++) {
            parts[i].part[p] = p < job->context->context->part_count ? part : ROW_NONE;
            parts[i].nearest[p] = ROW_NONE;
        }
    }
    return count;
}

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

static const place *sort_by_tile(const ucid_index *index, uint32_t n, score_scratch *s)
{
    if (n < SORT_FROM) return s->found;
    tiling t = tiling_make(index->summary);
    memset(s->count, 0, (TILES + 1) * sizeof *s->count);
    for (uint32_t i = 0; i < n; i++) s->count[tile_of(&t, &s->found[i]) + 1]++;
    for (uint32_t i = 0; i < TILES; i++) s->count[i + 1] += s->count[i];
    for (uint32_t i = 0; i < n; i++) s->sorted[s->count[tile_of(&t, &s->found[i])]++] = s->found[i];
    return s->sorted;
}

/* A group on its way. */
typedef struct score_group {
    const place *places;
    int n;
    uint32_t leaves[SNAP_GROUP];
    place_range ranges[SNAP_GROUP];
    snap_foot feet[SNAP_GROUP];
} score_group;

static void find_leaves(const ucid_index *index, score_group *g)
{
    for (int i = 0; i < g->n; i++) {
        g->leaves[i] = place_leaf(index, &g->places[i]);
        __builtin_prefetch(&index->leaves[g->leaves[i] < index->leaf_count ? g->leaves[i] : 0]);
    }
}

static void find_lists(const ucid_index *index, score_group *g)
{
    for (int i = 0; i < g->n; i++) {
        g->ranges[i] = place_candidates(index, g->leaves[i]);
        place_range r = g->ranges[i];
        if (r.first == r.end) continue;
        __builtin_prefetch(&index->candidates[r.first]); /* mostly one line */
        __builtin_prefetch(&index->candidates[r.end - 1]);
    }
}

static void fetch_segments(const ucid_index *index, const score_group *g)
{
    enum { USUAL = 8 };
    for (int i = 0; i < g->n; i++) {
        place_range r = g->ranges[i];
        if (r.first == r.end) continue;
        for (uint32_t k = 0; k < USUAL; k++) { /* the last one again and again is cheaper than a loop that ends */
            uint32_t at = r.first + k < r.end ? r.first + k : r.end - 1;
            __builtin_prefetch(&index->segments[index->candidates[at] & (UCIDX_NONE >> 1)]);
        }
        for (uint32_t at = r.first + USUAL; at < r.end; at++) {
            __builtin_prefetch(&index->segments[index->candidates[at] & (UCIDX_NONE >> 1)]);
        }
    }
}

static void score_places(const score_job *job, const place *places, uint32_t n, score_row *rows, score_parts *parts)
{
    enum { STEPS = 5, RING = 8 };
    const ucid_index *index = job->index;
    score_group ring[RING];
    uint32_t groups = (n + SNAP_GROUP - 1) / SNAP_GROUP;
    for (uint32_t turn = 0; turn < groups + STEPS; turn++) {
        if (turn < groups) {
            score_group *g = &ring[turn % RING];
            g->places = &places[turn * SNAP_GROUP];
            g->n = (int)(n - turn * SNAP_GROUP < SNAP_GROUP ? n - turn * SNAP_GROUP : SNAP_GROUP);
            for (int i = 0; i < g->n; i++) __builtin_prefetch(&index->cells[g->places[i].cell]);
        }
        if (turn >= 1 && turn - 1 < groups) find_leaves(index, &ring[(turn - 1) % RING]);
        if (turn >= 2 && turn - 2 < groups) find_lists(index, &ring[(turn - 2) % RING]);
        if (turn >= 3 && turn - 3 < groups) fetch_segments(index, &ring[(turn - 3) % RING]);
        if (turn >= 4 && turn - 4 < groups) {
            score_group *g = &ring[(turn - 4) % RING];
            job->kernels->snap(index, g->places, g->ranges, g->n, g->feet);
            job->context->fetch(index, g->feet, g->n);
        }
        if (turn >= 5) {
            const score_group *g = &ring[(turn - 5) % RING];
            job->context->score(job, g->places, g->feet, g->n, rows, parts);
        }
    }
}

static void write_numbers(double *out, const score_row *rows, int64_t n)
{
    for (int64_t i = 0; i < n; i++) out[i] = rows[i].score != ROW_NONE ? (double)rows[i].score / 100.0 : (double)NAN;
}

void score_write(const ucid_scores *out, int64_t first, const score_row *rows, const score_parts *parts, int64_t n)
{
    if (out->score != NULL) write_numbers(out->score + first, rows, n);
    if (out->confidence != NULL) {
        double *to = out->confidence + first;
        for (int64_t i = 0; i < n; i++) {
            to[i] = rows[i].confidence != ROW_UNSURE ? (double)rows[i].confidence / 100.0 : (double)NAN;
        }
    }
    if (out->grade != NULL) {
        for (int64_t i = 0; i < n; i++) out->grade[first + i] = rows[i].grade;
    }
    if (out->status != NULL) {
        for (int64_t i = 0; i < n; i++) out->status[first + i] = rows[i].status;
    }
    if (out->flags != NULL) {
        for (int64_t i = 0; i < n; i++) out->flags[first + i] = rows[i].flags;
    }
    if (out->snap_m != NULL) {
        double *to = out->snap_m + first;
        for (int64_t i = 0; i < n; i++) {
            to[i] = rows[i].gap != ROW_NONE ? (double)rows[i].gap / UCIDX_UNITS_PER_M : (double)NAN;
        }
    }
    for (int p = 0; p < UCID_PARTS_MAX; p++) {
        double *part = out->part[p], *nearest_m = out->nearest_m[p];
        for (int64_t i = 0; part != NULL && i < n; i++) {
            part[first + i] = parts[i].part[p] != ROW_NONE ? (double)parts[i].part[p] / 100.0 : (double)NAN;
        }
        for (int64_t i = 0; nearest_m != NULL && i < n; i++) {
            uint16_t walked = parts[i].nearest[p];
            nearest_m[first + i] = walked != ROW_NONE ? (double)walked / UCIDX_UNITS_PER_M : (double)NAN;
        }
    }
}

static void score_chunk(void *ctx, int64_t task, int worker)
{
    const score_job *job = ctx;
    score_scratch *s = &job->scratch[worker];
    int64_t first = task * job->chunk;
    uint32_t rows = (uint32_t)(job->n - first < job->chunk ? job->n - first : job->chunk);
    uint32_t n = locate(job, first, rows, s->found, s->rows, s->parts);
    score_places(job, sort_by_tile(job->index, n, s), n, s->rows, s->parts);
    score_write(&job->out, first, s->rows, s->parts, rows);
}

static void scratch_close(const ucid_allocator *allocator, score_scratch *scratch, int threads, size_t chunk)
{
    for (int i = 0; scratch != NULL && i < threads; i++) {
        ucid_release(allocator, scratch[i].found, chunk + LOCATE_SPARE, sizeof(place));
        ucid_release(allocator, scratch[i].sorted, chunk, sizeof(place));
        ucid_release(allocator, scratch[i].rows, chunk + LOCATE_SPARE, sizeof(score_row));
        ucid_release(allocator, scratch[i].parts, chunk, sizeof(score_parts));
        ucid_release(allocator, scratch[i].count, TILES + 1, sizeof(uint32_t));
    }
    ucid_release(allocator, scratch, (size_t)threads, sizeof *scratch);
}

static ucid_status scratch_open(const ucid_allocator *allocator, int threads, size_t chunk, int has_parts,
                                score_scratch **out, ucid_error *error)
{
    score_scratch *scratch = ucid_allocate_zero(allocator, (size_t)threads, sizeof *scratch);
    int complete = scratch != NULL;
    for (int i = 0; complete && i < threads; i++) {
        score_scratch *s = &scratch[i];
        s->found = ucid_allocate(allocator, chunk + LOCATE_SPARE, sizeof(place));
        s->rows = ucid_allocate(allocator, chunk + LOCATE_SPARE, sizeof(score_row));
        complete = s->found != NULL && s->rows != NULL;
        if (complete && has_parts) complete = (s->parts = ucid_allocate(allocator, chunk, sizeof(score_parts))) != NULL;
        if (complete && chunk >= SORT_FROM) {
            s->sorted = ucid_allocate(allocator, chunk, sizeof(place));
            s->count = ucid_allocate(allocator, TILES + 1, sizeof(uint32_t));
            complete = s->sorted != NULL && s->count != NULL;
        }
    }
    if (!complete) {
        scratch_close(allocator, scratch, threads, chunk);
        return ucid_fail_memory(error, "scratch of the kernel", (size_t)threads * chunk * 2 * sizeof(place));
    }
    *out = scratch;
    return UCID_OK;
}

static int asks_for_parts(const ucid_scores *scores)
{
    for (int p = 0; p < UCID_PARTS_MAX; p++) {
        if (scores->part[p] != NULL || scores->nearest_m[p] != NULL) return 1;
    }
    return 0;
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
    if (n == 0) return UCID_OK;
    /* Chunks of one size, as many for each thread. */
    int64_t most = n / ROWS_A_THREAD > 0 ? n / ROWS_A_THREAD : 1;
    int threads = options->threads < most ? options->threads : (int)most;
    int64_t longest = (int64_t)(index->length / BYTES_A_ROW);
    longest = longest < CHUNK_MIN ? CHUNK_MIN : longest > CHUNK_MAX ? CHUNK_MAX : longest;
    int64_t turns = n / (threads * longest) + 1, chunk = n / (turns * threads) + 1, chunks = (n + chunk - 1) / chunk;
    int has_parts = asks_for_parts(scores);
    ucid_allocator allocator = ucid_allocator_or_default(options->allocator);
    score_job job = {.index = index,
                     .context = context,
                     .kernels = kernel,
                     .n = n,
                     .chunk = chunk,
                     .lat_deg = lat_deg,
                     .lon_deg = lon_deg,
                     .validity = validity,
                     .out = *scores,
                     .setup = fifteen_prepare(index, options->hour)};
    ucid_status status = boundary_open(index, n, &allocator, &job.inside, error);
    if (status == UCID_OK && n <= FEW) {
        place found[FEW + LOCATE_SPARE];
        score_row rows[FEW + LOCATE_SPARE];
        score_parts some[FEW], *parts = has_parts ? some : NULL;
        uint32_t count = locate(&job, 0, (uint32_t)n, found, rows, parts);
        score_places(&job, found, count, rows, parts);
        score_write(&job.out, 0, rows, parts, n);
        return UCID_OK;
    }
    if (status == UCID_OK) status = scratch_open(&allocator, threads, (size_t)chunk, has_parts, &job.scratch, error);
    if (status == UCID_OK) ucid_parallel(threads, chunks, score_chunk, &job);
    boundary_close(&job.inside);
    scratch_close(&allocator, job.scratch, threads, (size_t)chunk);
    return status;
}

ucid_status ucid_score(const ucid_index *index, int64_t n, const double *lat_deg, const double *lon_deg,
                       const uint8_t *validity, const ucid_score_options *options, const ucid_scores *scores,
                       ucid_error *error)
{
    return score_with(score_kernels_find(NULL), index, n, lat_deg, lon_deg, validity, options, scores, error);
}
