/* build_grid.c: for every leaf, each segment that can be the nearest of some place in it.
 *
 * Let far(s) be the largest distance from a place of a box to segment s (distance to a segment is convex, so a corner
 * has it), near(s) the smallest. No place of the box is farther than U = min far(s) from its nearest street, so s can
 * be nearest only if near(s) <= U. That leaves thrice as many as are nearest somewhere: a street behind another one is
 * ruled out by neither bound, but by the two together. Distance being convex, d(s) lies above the plane that touches it
 * in the middle of the box; that plane less d(s') is concave, so where it is positive at the four corners s' is nearer
 * than s in all of the box.
 *
 *          corner +-----------+ corner
 *                 |     . s'  |  -----  s: behind s' from every corner
 *          corner +-----------+ corner
 *
 * What cannot be nearest in a box cannot be in a part of it either, so lists are narrowed on the way down: block
 * -> cell -> quarters, until a list is short or the box as small as a leaf may be. It all stays in the cache.
 *
 * Distances are floats, in metres from the middle of the block, and near(s) is bounded from below; a list may hold a
 * segment too many by that and by the slack, none too few. The segments around a block are taken from a window that
 * grows where it does not hold everything with d <= min d + 2h (d: distance from the cell's centre, h: half its
 * diagonal). Islands count where U exceeds the snap limit.
 *
 * Rows are independent: some are done at a time in parallel, while those before are handed on in order. */
#include "index/build.h"
#include "index/build_lists.h"
#include "rt/error.h"
#include "rt/memory.h"
#include "rt/pool.h"
#include "rt/trig.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

enum { ROWS_AT_ONCE = 32, COVERAGE_RESOLUTION = 7 };
enum { LIST_SHORT = 8 }; /* a longer list is worth the room of four: the lanes that are tried at once */
#define SLACK_M 0.05f    /* floats err by millimetres within 100 km */

/* What a row has become. Leaves and candidates are numbered from the row's first. */
typedef struct row_work {
    uint32_t *cells; /* UCIDX_BLOCK_CELLS for each of the blocks listed */
    size_t cell_count, cell_capacity;
    ucidx_leaf *leaves;
    size_t leaf_count, leaf_capacity;
    uint32_t *blocks; /* numbers of blocks with cells, ascending */
    size_t block_count, block_capacity;
    uint32_t *candidates;
    size_t candidate_count, candidate_capacity;
    uint64_t *coverage;
    size_t coverage_count, coverage_capacity;
    double *crossings; /* of the boundary along the row's middle, relative longitudes ascending */
    size_t crossing_capacity;
    uint64_t covered_cells;
} row_work;

typedef struct worker_scratch {
    uint32_t *seen; /* [segments] stamp of the window that met the segment */
    uint32_t stamp;
    uint64_t *wanted; /* bit for each block of the row */
    size_t wanted_capacity;
    uint32_t *kept; /* segments around a block */
    size_t kept_capacity;
    surroundings around[2 * UCIDX_DEPTH_MAX + 3]; /* of the block, the cell, what is in reach, a quarter, ... */
    float *planes;                                /* of all of them */
    uint32_t *segments;
    size_t plane_capacity, segment_capacity;
    ucidx_leaf pieces[UCIDX_PIECES * UCIDX_PIECES]; /* of a cell: the list of each of the finest leaves */
} worker_scratch;

typedef struct gridding {
    build *b;
    build_raster raster;
    row_work *rows, *made; /* [ROWS_AT_ONCE] each: in the making, and those before, which are handed on meanwhile */
    size_t first_row, first_made, made_count;
    worker_scratch *scratch;
    const lists_kernels *lists;
    double limit_m; /* a little over the limit: what is listed must not be too little */
    atomic_int failed;
    /* what is handed on */
    build_sink sink;
    void *sink_ctx;
    uint64_t candidates;
    size_t capacities[4];
    double area; /* m2 */
    ucid_status status;
} gridding;

typedef struct block_box {
    int64_t west, east, south, north; /* relative, 1e-7 degrees */
    double scale;                     /* metres */
    double x, y;                      /* middle, relative */
} block_box;

static int grow(const build *b, void *array, size_t *capacity, size_t needed, size_t item)
{
    void *ptr;
    memcpy(&ptr, array, sizeof ptr);
    int grown = ucid_grow(&b->allocator, &ptr, capacity, needed, item);
    memcpy(array, &ptr, sizeof ptr);
    return grown;
}

/* Room for some segments around a block, and for what is narrowed from them. */
static int make_room(const build *b, worker_scratch *w, size_t count)
{
    enum { LEVELS = sizeof w->around / sizeof w->around[0] };
    size_t room = lists_room(count);
    if (!grow(b, &w->planes, &w->plane_capacity, LEVELS * LISTS_PLANES * room, sizeof *w->planes) ||
        !grow(b, &w->segments, &w->segment_capacity, LEVELS * room, sizeof *w->segments)) {
        return 0;
    }
    for (size_t k = 0; k < LEVELS; k++) {
        w->around[k] = (surroundings){
            .segments = w->segments + k * room, .planes = w->planes + k * LISTS_PLANES * room, .capacity = room};
    }
    return 1;
}

/* Collect every segment within `cells` cells of a block, once each. */
static int look_around(gridding *g, worker_scratch *w, int64_t row, const block_box *block, int64_t cells)
{
    const build *b = g->b;
    surroundings *around = &w->around[0];
    if (++w->stamp == 0) {
        memset(w->seen, 0, b->segment_count * sizeof *w->seen);
        w->stamp = 1;
    }
    int64_t margin = cells * g->raster.cell_e7[row];
    int64_t west = block->west - margin - g->raster.west_e7, east = block->east + margin - g->raster.west_e7;
    int64_t first = row > cells ? row - cells : 0, last = row + cells;
    if (last >= (int64_t)b->row_count) last = (int64_t)b->row_count - 1;
    size_t main_count = 0, count = 0;
    for (int64_t r = first; r <= last; r++) {
        int64_t last_column = east / g->raster.cell_e7[r];
        size_t i = build_raster_find(&g->raster, (size_t)r, west < 0 ? 0 : west / g->raster.cell_e7[r]);
        for (; i < g->raster.first[r + 1] && (int64_t)(g->raster.entries[i] >> 32) <= last_column; i++) {
            uint32_t at = (uint32_t)g->raster.entries[i];
            if (w->seen[at] == w->stamp) continue;
            w->seen[at] = w->stamp;
            if (!grow(b, &w->kept, &w->kept_capacity, count + 1, sizeof *w->kept)) return 0;
            uint32_t island = b->edges[b->segments[at].edge].flags & UCIDX_EDGE_ISLAND ? 1u << 31 : 0;
            w->kept[count++] = at | island;
            main_count += island == 0;
        }
    }
    if (!make_room(b, w, count)) return 0;
    float *ax = lists_plane(around, LISTS_AX), *ay = lists_plane(around, LISTS_AY), *dx = lists_plane(around, LISTS_DX);
    float *dy = lists_plane(around, LISTS_DY), *inverse = lists_plane(around, LISTS_INVERSE);
    around->first_island = lists_fill(around, main_count);
    around->count = lists_fill(around, around->first_island + count - main_count);
    size_t next[2] = {0, around->first_island};
    for (size_t i = 0; i < count; i++) {
        const build_segment *s = &b->segments[w->kept[i] & INT32_MAX];
        size_t at = next[w->kept[i] >> 31]++;
        double x = ((double)s->bx_e7 - s->ax_e7) * block->scale, y = ((double)s->by_e7 - s->ay_e7) * UCIDX_Y_M_PER_E7;
        double square = x * x + y * y;
        around->segments[at] = w->kept[i];
        ax[at] = (float)((s->ax_e7 - block->x) * block->scale);
        ay[at] = (float)((s->ay_e7 - block->y) * UCIDX_Y_M_PER_E7);
        dx[at] = (float)x;
        dy[at] = (float)y;
        inverse[at] = square > 0.0 ? (float)(1.0 / square) : 0.0f;
    }
    return 1;
}

/* A list ascends; it is short, so this is the fastest way. */
static void sort_list(uint32_t *list, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        uint32_t moved = list[i];
        size_t at = i;
        for (; at > 0 && list[at - 1] > moved; at--) list[at] = list[at - 1];
        list[at] = moved;
    }
}

/* Square of what is within a distance and the limit. */
static float within(float distance, float limit)
{
    float most = (distance < limit ? distance : limit) + SLACK_M;
    return most * most;
}

/* List a box by what is around it, or its quarters. What is in reach is around[1]; what a quarter needs, around[2]. */
static int list_box(gridding *g, worker_scratch *w, row_work *work, surroundings *around, const lists_box *at)
{
    const lists_kernels *lists = g->lists;
    float limit = (float)g->limit_m;
    lists_pair far = lists->measure_box(around, at);
    float reach = sqrtf(far.main);
    /* an island counts where some place here may need it */
    int lonely = reach > limit - 2.0f / UCIDX_UNITS_PER_M;
    lists_pair most = {within(reach, limit), lonely ? within(sqrtf(far.island), limit) : -1.0f};
    size_t count = lists->narrow(around, most, around + 1);
    if (count > 2) {
        lists->measure_behind(++around, at, SLACK_M);
        most = (lists_pair){SLACK_M, SLACK_M};
    }
    if (!grow(g->b, &work->candidates, &work->candidate_capacity, work->candidate_count + count + LISTS_LANES,
              sizeof *work->candidates)) {
        return 0;
    }
    uint32_t *list = work->candidates + work->candidate_count;
    count = lists->list(around, most, list);
    if (count > LIST_SHORT && at->pieces > 1) {
        lists->narrow(around, most, around + 1);
        uint32_t pieces = at->pieces / 2;
        lists_box quarter = {.half_x = at->half_x / 2, .half_y = at->half_y / 2, .pieces = pieces};
        for (uint32_t q = 0; q < 4; q++) {
            quarter.x = q & 1 ? at->x + quarter.half_x : at->x - quarter.half_x;
            quarter.y = q & 2 ? at->y + quarter.half_y : at->y - quarter.half_y;
            quarter.first_piece = at->first_piece + (q >> 1) * pieces * UCIDX_PIECES + (q & 1) * pieces;
            if (!list_box(g, w, work, around + 1, &quarter)) return 0;
        }
        return 1;
    }
    sort_list(list, count);
    ucidx_leaf leaf = {count > 0 ? (uint32_t)work->candidate_count : 0, (uint32_t)count};
    for (uint32_t north = 0; north < at->pieces; north++) {
        for (uint32_t east = 0; east < at->pieces; east++) {
            w->pieces[at->first_piece + north * UCIDX_PIECES + east] = leaf;
        }
    }
    work->candidate_count += count;
    return 1;
}

/* The leaves of a cell whose distances have been measured. */
static int list_cell(gridding *g, worker_scratch *w, row_work *work, const lists_box *cell, lists_pair nearest,
                     uint32_t *word)
{
    const build *b = g->b;
    surroundings *around = w->around;
    float half = sqrtf(cell->half_x * cell->half_x + cell->half_y * cell->half_y), limit = (float)g->limit_m;
    size_t before = work->candidate_count;
    float main_far = sqrtf(nearest.main) + half + SLACK_M, island_far = sqrtf(nearest.island) + half + SLACK_M;
    int lonely = main_far > limit - 2.0f / UCIDX_UNITS_PER_M;
    lists_pair most = {within((main_far < limit ? main_far : limit) + half, HUGE_VALF),
                       lonely ? within((island_far < limit ? island_far : limit) + half, HUGE_VALF) : -1.0f};
    memset(w->pieces, 0, sizeof w->pieces);
    g->lists->narrow(around, most, around + 1);
    if (around[1].count > 0 && !list_box(g, w, work, around + 1, cell)) return 0;
    uint32_t side = 1;
    for (uint32_t i = 0; i < UCIDX_PIECES * UCIDX_PIECES;
         i++) { /* the finest difference says how fine the leaves are */
        while (side < UCIDX_PIECES) {
            uint32_t wide = UCIDX_PIECES / side, north = i / UCIDX_PIECES / wide, east = i % UCIDX_PIECES / wide;
            const ucidx_leaf *first = &w->pieces[(north * UCIDX_PIECES + east) * wide];
            if (first->first == w->pieces[i].first && first->count == w->pieces[i].count) break;
            side *= 2;
        }
    }
    if (!grow(b, &work->leaves, &work->leaf_capacity, work->leaf_count + side * side, sizeof *work->leaves)) return 0;
    *word = (uint32_t)work->leaf_count << 2 | (uint32_t)__builtin_ctz(side);
    for (uint32_t i = 0; i < side * side; i++) {
        ucidx_leaf leaf = w->pieces[(i / side * UCIDX_PIECES + i % side) * (UCIDX_PIECES / side)];
        if (leaf.count == 0) leaf.first = (uint32_t)before;
        work->leaves[work->leaf_count++] = leaf;
    }
    return 1;
}

/* The leaves of a block's cells. */
static int list_block(gridding *g, worker_scratch *w, row_work *work, int64_t row, const block_box *block,
                      uint32_t words[UCIDX_BLOCK_CELLS], int listed[UCIDX_BLOCK_CELLS])
{
    size_t candidates = work->candidate_count, leaves = work->leaf_count;
    double width = g->raster.cell_e7[row] * block->scale;
    lists_box cell = {
        .half_x = (float)(width / 2), .half_y = (float)(UCIDX_ROW_E7 * UCIDX_Y_M_PER_E7 / 2), .pieces = UCIDX_PIECES};
    double half = sqrt((double)cell.half_x * cell.half_x + (double)cell.half_y * cell.half_y) + (double)SLACK_M;
    double farthest = g->limit_m + half;
    int64_t most = (int64_t)ceil(farthest / UCIDX_CELL_M - 0.5), needed = most < 2 ? most : 2, cells;
    do {
        cells = needed;
        work->candidate_count = candidates;
        work->leaf_count = leaves;
        if (!look_around(g, w, row, block, cells)) return 0;
        for (uint32_t c = 0; c < UCIDX_BLOCK_CELLS; c++) {
            cell.x = (float)(((double)c + 0.5 - UCIDX_BLOCK_CELLS / 2.0) * width);
            lists_pair nearest = g->lists->measure_point(&w->around[0], cell.x, cell.y);
            double enough = (double)sqrtf(nearest.main) + 2.0 * half;
            int64_t wanted = enough < farthest ? (int64_t)ceil(enough / UCIDX_CELL_M - 0.5) : most;
            if (wanted > needed) needed = wanted;
            size_t before = work->candidate_count;
            if (needed == cells && !list_cell(g, w, work, &cell, nearest, &words[c])) return 0;
            listed[c] = work->candidate_count > before;
        }
    } while (needed > cells);
    return 1;
}

/* Blocks of a row that a street may be in reach of. */
static int want_blocks(gridding *g, worker_scratch *w, int64_t row, size_t *block_count)
{
    const build *b = g->b;
    int64_t reach = (int64_t)(g->limit_m / UCIDX_CELL_M) + 2;
    int64_t block_e7 = (int64_t)g->raster.cell_e7[row] * UCIDX_BLOCK_CELLS;
    int64_t margin = (int64_t)ceil(g->limit_m / g->raster.x_m_per_e7[row]) + 2;
    int64_t first = row > reach ? row - reach : 0, last = row + reach;
    if (last >= (int64_t)b->row_count) last = (int64_t)b->row_count - 1;
    *block_count = 0;
    for (int64_t r = first; r <= last; r++) {
        if (g->raster.first[r + 1] == g->raster.first[r]) continue;
        int64_t column = (int64_t)(g->raster.entries[g->raster.first[r + 1] - 1] >> 32) + 1;
        size_t blocks = (size_t)((column * g->raster.cell_e7[r] + margin) / block_e7) + 1;
        if (blocks > *block_count) *block_count = blocks;
    }
    size_t words = *block_count / 64 + 1;
    if (!grow(b, &w->wanted, &w->wanted_capacity, words, sizeof *w->wanted)) return 0;
    memset(w->wanted, 0, words * sizeof *w->wanted);
    for (int64_t r = first; r <= last; r++) {
        int64_t before = -1;
        for (size_t i = g->raster.first[r]; i < g->raster.first[r + 1]; i++) {
            int64_t column = (int64_t)(g->raster.entries[i] >> 32);
            if (column == before) continue;
            before = column;
            int64_t west = column * g->raster.cell_e7[r] - margin, east = (column + 1) * g->raster.cell_e7[r] + margin;
            for (int64_t k = west < 0 ? 0 : west / block_e7; k <= east / block_e7; k++) {
                w->wanted[k / 64] |= UINT64_C(1) << k % 64;
            }
        }
    }
    return 1;
}

/* Where the boundary crosses the middle of a row; -1 where memory is out. */
static int64_t cross_boundary(const build *b, row_work *work, double y)
{
    int64_t count = 0;
    for (size_t i = 0; i + 1 < b->boundary_count; i++) {
        const ucidx_ring_point *p = &b->boundary[i], *q = p + 1;
        if (p->ring != q->ring || (p->y_e7 > y) == (q->y_e7 > y)) continue;
        if (!grow(b, &work->crossings, &work->crossing_capacity, (size_t)count + 1, sizeof *work->crossings)) return -1;
        double x = p->x_e7 + (y - p->y_e7) * ((double)q->x_e7 - p->x_e7) / ((double)q->y_e7 - p->y_e7);
        int64_t at = count++;
        for (; at > 0 && work->crossings[at - 1] > x; at--) work->crossings[at] = work->crossings[at - 1];
        work->crossings[at] = x;
    }
    return count;
}

static int cover(gridding *g, row_work *work, double x_e7, double y_e7)
{
    double lon = (x_e7 + g->b->lon_origin_e7) * 1e-7;
    if (lon >= 180.0) lon -= 360.0;
    if (lon < -180.0) lon += 360.0;
    uint64_t cell = ucid_cell_at(y_e7 * 1e-7, lon, COVERAGE_RESOLUTION);
    if (work->coverage_count > 0 && work->coverage[work->coverage_count - 1] == cell) return 1;
    if (!grow(g->b, &work->coverage, &work->coverage_capacity, work->coverage_count + 1, sizeof *work->coverage))
        return 0;
    work->coverage[work->coverage_count++] = cell;
    return 1;
}

static int do_row(gridding *g, worker_scratch *w, row_work *work, int64_t row)
{
    const build *b = g->b;
    size_t block_count;
    work->cell_count = work->leaf_count = work->block_count = work->candidate_count = work->coverage_count = 0;
    work->covered_cells = 0;
    if (!want_blocks(g, w, row, &block_count)) return 0;
    int64_t cell_e7 = g->raster.cell_e7[row], south = b->lat_origin_e7 + row * UCIDX_ROW_E7;
    block_box block = {.south = south,
                       .north = south + UCIDX_ROW_E7,
                       .scale = g->raster.x_m_per_e7[row],
                       .y = (double)south + UCIDX_ROW_E7 / 2.0};
    int64_t crossings = cross_boundary(b, work, block.y);
    if (crossings < 0) return 0;
    int64_t crossed = 0;
    for (size_t k = 0; k < block_count; k++) {
        if (!(w->wanted[k / 64] >> k % 64 & 1)) continue;
        size_t candidates = work->candidate_count, leaves = work->leaf_count;
        if (!grow(b, &work->cells, &work->cell_capacity, work->cell_count + UCIDX_BLOCK_CELLS, sizeof *work->cells) ||
            !grow(b, &work->blocks, &work->block_capacity, work->block_count + 1, sizeof *work->blocks)) {
            return 0;
        }
        int listed[UCIDX_BLOCK_CELLS];
        block.west = g->raster.west_e7 + (int64_t)k * UCIDX_BLOCK_CELLS * cell_e7;
        block.east = block.west + UCIDX_BLOCK_CELLS * cell_e7;
        block.x = (double)block.west + UCIDX_BLOCK_CELLS * (double)cell_e7 / 2;
        if (!list_block(g, w, work, row, &block, work->cells + work->cell_count, listed)) return 0;
        for (uint32_t c = 0; c < UCIDX_BLOCK_CELLS; c++) {
            if (!listed[c]) continue;
            double x = (double)block.west + (c + 0.5) * (double)cell_e7;
            while (crossed < crossings && work->crossings[crossed] < x) crossed++;
            if (b->boundary_count > 0 && crossed % 2 == 0) continue;
            work->covered_cells++;
            if (!cover(g, work, x, block.y)) return 0;
        }
        if (work->candidate_count == candidates) {
            work->leaf_count = leaves;
            continue;
        }
        work->cell_count += UCIDX_BLOCK_CELLS;
        work->blocks[work->block_count++] = (uint32_t)k;
    }
    return 1;
}

/* Appends what rows have become to the sections. */
static ucid_status take_rows(gridding *g)
{
    build *b = g->b;
    for (size_t i = 0; i < g->made_count; i++) {
        const row_work *work = &g->made[i];
        size_t row = g->first_made + i;
        uint32_t first = work->block_count > 0 ? work->blocks[0] : 0;
        uint32_t span = work->block_count > 0 ? work->blocks[work->block_count - 1] - first + 1 : 0;
        int64_t block_e7 = (int64_t)g->raster.cell_e7[row] * UCIDX_BLOCK_CELLS;
        b->rows[row] = (ucidx_row){.x_m_per_e7 = g->raster.x_m_per_e7[row],
                                   .lon_e7 = (int32_t)(g->raster.west_e7 + first * block_e7),
                                   .cell_e7 = g->raster.cell_e7[row],
                                   .block_count = span,
                                   .first_block = (uint32_t)b->grid_block_count};
        if (g->candidates + work->candidate_count > UINT32_MAX || b->leaf_count + work->leaf_count > UINT32_MAX >> 2 ||
            b->grid_block_count + span > UINT32_MAX / UCIDX_BLOCK_CELLS) {
            return ucid_fail(b->error, UCID_UNSUPPORTED_FORMAT, "%s: too large for one index; split it by region",
                             b->path);
        }
        if (!BUILD_ROOM(b, b->grid_blocks, g->capacities[0], b->grid_block_count + span, "grid") ||
            !BUILD_ROOM(b, b->cells, g->capacities[1], b->cell_count + work->cell_count, "grid") ||
            !BUILD_ROOM(b, b->leaves, g->capacities[2], b->leaf_count + work->leaf_count, "grid") ||
            !BUILD_ROOM(b, b->coverage, g->capacities[3], b->coverage_count + work->coverage_count, "coverage")) {
            return UCID_NO_MEMORY;
        }
        for (uint32_t k = 0; k < span; k++) b->grid_blocks[b->grid_block_count + k] = UCIDX_NONE;
        for (size_t k = 0; k < work->block_count; k++) {
            uint32_t cell = (uint32_t)(b->cell_count + k * UCIDX_BLOCK_CELLS);
            b->grid_blocks[b->grid_block_count + work->blocks[k] - first] = cell;
        }
        for (size_t k = 0; k < work->cell_count; k++) {
            b->cells[b->cell_count++] = work->cells[k] + ((uint32_t)b->leaf_count << 2);
        }
        for (size_t k = 0; k < work->leaf_count; k++) {
            ucidx_leaf leaf = work->leaves[k];
            b->leaves[b->leaf_count + k] = (ucidx_leaf){leaf.first + (uint32_t)g->candidates, leaf.count};
        }
        b->grid_block_count += span;
        b->leaf_count += work->leaf_count;
        g->candidates += work->candidate_count;
        if (work->coverage_count > 0) {
            memcpy(b->coverage + b->coverage_count, work->coverage, work->coverage_count * sizeof *b->coverage);
        }
        b->coverage_count += work->coverage_count;
        g->area += (double)work->covered_cells * g->raster.cell_e7[row] * g->raster.x_m_per_e7[row] * UCIDX_ROW_E7 *
                   UCIDX_Y_M_PER_E7;
        ucid_status status = g->sink(g->sink_ctx, work->candidates, work->candidate_count);
        if (status != UCID_OK) return status;
    }
    return UCID_OK;
}

/* Task 0 hands on the rows before, others make one each. */
static void row_task(void *ctx, int64_t task, int worker)
{
    gridding *g = ctx;
    if (task == 0) {
        g->status = take_rows(g);
    } else if (!atomic_load_explicit(&g->failed, memory_order_relaxed) &&
               !do_row(g, &g->scratch[worker], &g->rows[task - 1], (int64_t)g->first_row + task - 1)) {
        atomic_store(&g->failed, 1);
    }
}

/* Make and hand on all rows. */
static ucid_status do_rows(gridding *g)
{
    build *b = g->b;
    ucid_status status = UCID_OK;
    while (status == UCID_OK && (g->first_row < b->row_count || g->made_count > 0)) {
        size_t left = b->row_count - g->first_row, count = left < ROWS_AT_ONCE ? left : ROWS_AT_ONCE;
        ucid_parallel(b->threads, (int64_t)count + 1, row_task, g);
        status = g->status;
        if (status == UCID_OK && atomic_load(&g->failed)) status = ucid_fail_memory(b->error, "grid", 0);
        row_work *spare = g->made;
        g->made = g->rows;
        g->rows = spare;
        g->first_made = g->first_row;
        g->made_count = count;
        g->first_row += count;
        if (status == UCID_OK && count > 0) status = build_progress(b, "snap grid", g->first_row, b->row_count);
    }
    return status;
}

static ucid_status sort_coverage(build *b)
{
    ucid_status status = build_sort(b, b->coverage, b->coverage_count);
    if (status != UCID_OK) return status;
    size_t count = 0;
    for (size_t i = 0; i < b->coverage_count; i++) {
        if (b->coverage[i] == 0 || (count > 0 && b->coverage[count - 1] == b->coverage[i])) continue;
        b->coverage[count++] = b->coverage[i];
    }
    b->coverage_count = count;
    return UCID_OK;
}

ucid_status build_grid(build *b, build_sink sink, void *sink_ctx)
{
    gridding g = {.b = b,
                  .lists = lists_kernels_find(NULL),
                  .limit_m = (b->snap_limit + 1.0) / UCIDX_UNITS_PER_M,
                  .sink = sink,
                  .sink_ctx = sink_ctx};
    size_t threads = (size_t)b->threads;
    ucid_status status = build_raster_make(b, b->segments, b->segment_count, &g.raster);
    row_work *rows = build_take_zero(b, 2 * ROWS_AT_ONCE, sizeof *rows, "grid");
    g.scratch = build_take_zero(b, threads, sizeof *g.scratch, "grid");
    b->rows = build_take(b, b->row_count, sizeof *b->rows, "grid");
    if (rows == NULL || g.scratch == NULL || b->rows == NULL) status = UCID_NO_MEMORY;
    for (size_t i = 0; i < threads && status == UCID_OK; i++) {
        g.scratch[i].seen = build_take_zero(b, b->segment_count, sizeof *g.scratch[i].seen, "grid");
        if (g.scratch[i].seen == NULL) status = UCID_NO_MEMORY;
    }
    if (status == UCID_OK) {
        g.rows = rows;
        g.made = rows + ROWS_AT_ONCE;
        status = do_rows(&g);
    }
    if (b->boundary_count == 0) b->area_m2 = (uint64_t)(g.area + 0.5);
    for (size_t i = 0; i < 2 * ROWS_AT_ONCE && rows != NULL; i++) {
        row_work *w = &rows[i];
        ucid_release(&b->allocator, w->cells, w->cell_capacity, sizeof *w->cells);
        ucid_release(&b->allocator, w->leaves, w->leaf_capacity, sizeof *w->leaves);
        ucid_release(&b->allocator, w->blocks, w->block_capacity, sizeof *w->blocks);
        ucid_release(&b->allocator, w->candidates, w->candidate_capacity, sizeof *w->candidates);
        ucid_release(&b->allocator, w->coverage, w->coverage_capacity, sizeof *w->coverage);
        ucid_release(&b->allocator, w->crossings, w->crossing_capacity, sizeof *w->crossings);
    }
    for (size_t i = 0; i < threads && g.scratch != NULL; i++) {
        worker_scratch *w = &g.scratch[i];
        ucid_release(&b->allocator, w->wanted, w->wanted_capacity, sizeof *w->wanted);
        ucid_release(&b->allocator, w->kept, w->kept_capacity, sizeof *w->kept);
        ucid_release(&b->allocator, w->planes, w->plane_capacity, sizeof *w->planes);
        ucid_release(&b->allocator, w->segments, w->segment_capacity, sizeof *w->segments);
        build_drop(b, w->seen);
    }
    build_drop(b, rows);
    build_drop(b, g.scratch);
    build_raster_drop(b, &g.raster);
    return status == UCID_OK ? sort_coverage(b) : status;
}
