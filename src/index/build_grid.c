/* build_grid.c: for every cell, each segment that can be the nearest of some place in it.
 *
 * Let far(s) be the largest distance from a place of the cell to segment s (distance to a segment is convex, so a
 * corner has it), near(s) the smallest. No place of the cell is farther than U = min far(s) from its nearest street, so
 * s can be nearest only if near(s) <= U. With d(s) the distance of s from the cell's centre, h half the cell's diagonal
 * and w half its width,
 *
 *     d + w <= far(s) <= d + h        d - h <= near(s) <= d - w  (or 0)
 *
 * so d, in floats, decides most, and exact tests only what lies between; a list may hold a segment too many by the
 * slack, none too few. Distances are measured for the 16 cells of a block together, from the segments around the block,
 * within a window that grows where it does not hold everything with d <= min d + 2h. Islands count where U exceeds the
 * snap limit.
 *
 * Rows are independent; some are done at a time in parallel, and handed on in order. */
#include "index/build.h"
#include "rt/error.h"
#include "rt/memory.h"
#include "rt/pool.h"
#include "rt/trig.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

enum { ROWS_AT_ONCE = 64, COVERAGE_RESOLUTION = 7 };
#define SLACK_M 0.25   /* floats err by millimetres within 100 km */
#define FAR_AWAY 1e15f /* metres; its square is a float */

/* What a row has become. */
typedef struct row_work {
    uint32_t *counts; /* candidates of each cell, 16 cells for each of the blocks listed */
    size_t count_capacity;
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

/* The segments around a block, in metres from its middle: the main network, then from first_island on islands, both
 * filled up with segments far away to a multiple of LANES. */
typedef struct surroundings {
    uint32_t *segments;
    size_t segment_capacity;
    float *planes; /* ax, ay, dx, dy, 1 / length squared, squared distance; [plane] each */
    size_t plane_capacity, plane;
    uint32_t *close; /* [count] places in the planes of what a cell's list may hold */
    size_t close_capacity;
    size_t first_island, count;
} surroundings;

enum { LANES = 8, PLANES = 6 };

typedef struct worker_scratch {
    uint32_t *seen; /* [segments] stamp of the window that met the segment */
    uint32_t stamp;
    uint64_t *wanted; /* bit for each block of the row */
    size_t wanted_capacity;
    surroundings around;
} worker_scratch;

typedef struct gridding {
    build *b;
    build_raster raster;
    size_t first_row;
    row_work *rows; /* [ROWS_AT_ONCE] */
    worker_scratch *scratch;
    double limit_m; /* a little over the limit: what is listed must not be too little */
    atomic_int failed;
} gridding;

typedef struct cell_box {
    int64_t west, east, south, north;       /* relative, 1e-7 degrees */
    double scale, half_x, half_y, diagonal; /* metres */
    double x, y;                            /* centre */
} cell_box;

static double square_to(const ucidx_segment *s, double x, double y, double scale)
{
    double dx = ((double)s->bx_e7 - s->ax_e7) * scale, dy = ((double)s->by_e7 - s->ay_e7) * UCIDX_Y_M_PER_E7;
    double px = (x - s->ax_e7) * scale, py = (y - s->ay_e7) * UCIDX_Y_M_PER_E7;
    double square = dx * dx + dy * dy;
    double t = square > 0.0 ? (px * dx + py * dy) / square : 0.0;
    t = t > 0.0 ? t : 0.0;
    t = t < 1.0 ? t : 1.0;
    double ex = px - t * dx, ey = py - t * dy;
    return ex * ex + ey * ey;
}

static double far_square(const ucidx_segment *s, const cell_box *box)
{
    double most = 0.0;
    for (int corner = 0; corner < 4; corner++) {
        double square = square_to(s, (double)(corner & 1 ? box->east : box->west),
                                  (double)(corner & 2 ? box->north : box->south), box->scale);
        if (square > most) most = square;
    }
    return most;
}

static double near_square(const ucidx_segment *s, const cell_box *box)
{
    /* centre at the origin, in metres; clip the segment to the box */
    double ax = (s->ax_e7 - box->x) * box->scale, ay = (s->ay_e7 - box->y) * UCIDX_Y_M_PER_E7;
    double bx = (s->bx_e7 - box->x) * box->scale, by = (s->by_e7 - box->y) * UCIDX_Y_M_PER_E7;
    double from = 0.0, to = 1.0, at[2] = {ax, ay}, step[2] = {bx - ax, by - ay}, half[2] = {box->half_x, box->half_y};
    int meets = 1;
    for (int k = 0; k < 2; k++) {
        if (step[k] == 0.0) {
            if (fabs(at[k]) > half[k]) meets = 0;
            continue;
        }
        double enter = (-half[k] - at[k]) / step[k], leave = (half[k] - at[k]) / step[k];
        if (enter > leave) {
            double swap = enter;
            enter = leave;
            leave = swap;
        }
        if (enter > from) from = enter;
        if (leave < to) to = leave;
    }
    if (meets && from <= to) return 0.0;
    double least = HUGE_VAL;
    for (int end = 0; end < 2; end++) {
        double x = fabs(end ? bx : ax) - box->half_x, y = fabs(end ? by : ay) - box->half_y;
        x = x > 0.0 ? x : 0.0;
        y = y > 0.0 ? y : 0.0;
        if (x * x + y * y < least) least = x * x + y * y;
    }
    for (int corner = 0; corner < 4; corner++) {
        double square = square_to(s, (double)(corner & 1 ? box->east : box->west),
                                  (double)(corner & 2 ? box->north : box->south), box->scale);
        if (square < least) least = square;
    }
    return least;
}

static int grow(const build *b, void *array, size_t *capacity, size_t needed, size_t item)
{
    void *ptr;
    memcpy(&ptr, array, sizeof ptr);
    int grown = ucid_grow(&b->allocator, &ptr, capacity, needed, item);
    memcpy(array, &ptr, sizeof ptr);
    return grown;
}

/* Collect every segment within `cells` cells of a block, once each. */
static int look_around(gridding *g, worker_scratch *w, int64_t row, const cell_box *block, int64_t cells)
{
    const build *b = g->b;
    surroundings *around = &w->around;
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
            if (!grow(b, &around->segments, &around->segment_capacity, count + 1, sizeof *around->segments)) return 0;
            uint32_t island = b->edges[b->segments[at].edge].flags & UCIDX_EDGE_ISLAND ? 1u << 31 : 0;
            around->segments[count++] = at | island;
            main_count += island == 0;
        }
    }
    around->first_island = (main_count + LANES - 1) / LANES * LANES;
    around->count = around->first_island + (count - main_count + LANES - 1) / LANES * LANES;
    if (!grow(b, &around->planes, &around->plane_capacity, PLANES * around->count + 1, sizeof *around->planes) ||
        !grow(b, &around->segments, &around->segment_capacity, count + around->count + 1, sizeof *around->segments) ||
        !grow(b, &around->close, &around->close_capacity, around->count + 1, sizeof *around->close)) {
        return 0;
    }
    around->plane = around->count;
    float *ax = around->planes, *ay = ax + around->plane, *dx = ay + around->plane, *dy = dx + around->plane;
    float *inverse = dy + around->plane;
    for (size_t i = 0; i < around->count; i++) {
        ax[i] = ay[i] = FAR_AWAY;
        dx[i] = dy[i] = inverse[i] = 0.0f;
    }
    uint32_t *ordered = around->segments + count;
    memset(ordered, 0, around->count * sizeof *ordered);
    size_t next[2] = {0, around->first_island};
    for (size_t i = 0; i < count; i++) {
        uint32_t segment = around->segments[i];
        const ucidx_segment *s = &b->segments[segment & INT32_MAX];
        size_t at = next[segment >> 31]++;
        double x = ((double)s->bx_e7 - s->ax_e7) * block->scale, y = ((double)s->by_e7 - s->ay_e7) * UCIDX_Y_M_PER_E7;
        double square = x * x + y * y;
        ordered[at] = segment;
        ax[at] = (float)((s->ax_e7 - block->x) * block->scale);
        ay[at] = (float)((s->ay_e7 - block->y) * UCIDX_Y_M_PER_E7);
        dx[at] = (float)x;
        dy[at] = (float)y;
        inverse[at] = square > 0.0 ? (float)(1.0 / square) : 0.0f;
    }
    memmove(around->segments, ordered, around->count * sizeof *ordered);
    return 1;
}

/* Squared distances of a place, metres east of the block's middle, from all around; the least of the main network and
 * of islands. */
static void measure(surroundings *around, float x, float least[2])
{
    const float *restrict ax = around->planes, *restrict ay = ax + around->plane, *restrict dx = ay + around->plane;
    const float *restrict dy = dx + around->plane, *restrict inverse = dy + around->plane;
    float *restrict square = around->planes + 5 * around->plane;
    for (size_t i = 0; i < around->count; i++) {
        float px = x - ax[i], py = -ay[i];
        float t = (px * dx[i] + py * dy[i]) * inverse[i];
        t = t > 0.0f ? t : 0.0f;
        t = t < 1.0f ? t : 1.0f;
        float ex = px - t * dx[i], ey = py - t * dy[i];
        square[i] = ex * ex + ey * ey;
    }
    size_t start = 0, end = around->first_island;
    for (int k = 0; k < 2; k++) {
        int32_t bits = INT32_MAX; /* floats that are not negative are ordered as their bits are */
        for (size_t i = start; i < end; i++) {
            int32_t other;
            memcpy(&other, &square[i], sizeof other);
            bits = other < bits ? other : bits;
        }
        memcpy(&least[k], &bits, sizeof bits);
        if (start == end) least[k] = FAR_AWAY * FAR_AWAY;
        start = end;
        end = around->count;
    }
}

/* What of one network lies within some metres of the cell's centre. */
static size_t pick(surroundings *around, size_t start, size_t end, double metres)
{
    const float *square = around->planes + 5 * around->plane;
    float most = (float)(metres * metres);
    size_t count = 0;
    for (size_t i = start; i < end; i++) {
        around->close[count] = (uint32_t)i;
        count += square[i] <= most;
    }
    return count;
}

/* U of one network. */
static double reach_of(const build *b, const surroundings *around, const cell_box *box, size_t count, double nearest)
{
    const float *square = around->planes + 5 * around->plane;
    double bound = nearest + box->diagonal + SLACK_M;
    float worth = (float)((bound - UCIDX_CELL_M / 2 + SLACK_M) * (bound - UCIDX_CELL_M / 2 + SLACK_M));
    for (size_t i = 0; i < count; i++) {
        if (square[around->close[i]] >= worth) continue; /* far(s) >= d + w */
        double far = sqrt(far_square(&b->segments[around->segments[around->close[i]] & INT32_MAX], box));
        if (far >= bound) continue;
        bound = far;
        double left = bound - UCIDX_CELL_M / 2 + SLACK_M;
        worth = left > 0.0 ? (float)(left * left) : 0.0f;
    }
    return bound;
}

/* Append the candidates of a cell; its distances have been measured. Only segments with d <= enough can be any. */
static int list_cell(gridding *g, worker_scratch *w, row_work *work, const cell_box *box, const double nearest[2],
                     uint32_t *listed)
{
    const build *b = g->b;
    surroundings *around = &w->around;
    const float *square = around->planes + 5 * around->plane;
    *listed = 0;
    if (!grow(b, &work->candidates, &work->candidate_capacity, work->candidate_count + around->count + 1,
              sizeof *work->candidates)) {
        return 0;
    }
    uint32_t *list = work->candidates + work->candidate_count, length = 0;
    double main_reach = HUGE_VAL;
    for (int k = 0; k < 2; k++) {
        if (k == 1 && main_reach <= g->limit_m - 2.0 / UCIDX_UNITS_PER_M) break; /* no place here needs an island */
        if (nearest[k] > g->limit_m + box->diagonal + SLACK_M) continue;
        size_t start = k ? around->first_island : 0, end = k ? around->count : around->first_island;
        size_t count = pick(around, start, end, nearest[k] + 2.0 * (box->diagonal + SLACK_M));
        double reach = reach_of(b, around, box, count, nearest[k]);
        if (k == 0) main_reach = reach;
        if (reach > g->limit_m) reach = g->limit_m;
        double sure = reach + UCIDX_CELL_M / 2, most = reach + box->diagonal + SLACK_M;
        for (size_t i = 0; i < count; i++) {
            double d2 = (double)square[around->close[i]];
            if (d2 > most * most) continue;
            uint32_t segment = around->segments[around->close[i]];
            if (d2 > sure * sure &&
                near_square(&b->segments[segment & INT32_MAX], box) > (reach + 1e-6) * (reach + 1e-6)) {
                continue;
            }
            uint32_t at = length++;
            for (; at > 0 && list[at - 1] > segment; at--) list[at] = list[at - 1];
            list[at] = segment;
        }
    }
    work->candidate_count += length;
    *listed = length;
    return 1;
}

/* The lists of a block's cells. */
static int list_block(gridding *g, worker_scratch *w, row_work *work, int64_t row, const cell_box *block,
                      uint32_t counts[UCIDX_BLOCK_CELLS])
{
    size_t before = work->candidate_count;
    int64_t width = g->raster.cell_e7[row];
    cell_box box = *block;
    box.half_x = (double)width * box.scale / 2;
    box.half_y = UCIDX_ROW_E7 * UCIDX_Y_M_PER_E7 / 2;
    box.diagonal = sqrt(box.half_x * box.half_x + box.half_y * box.half_y);
    double farthest = g->limit_m + box.diagonal + SLACK_M;
    int64_t most = (int64_t)ceil(farthest / UCIDX_CELL_M - 0.5), needed = most < 2 ? most : 2, cells;
    do {
        cells = needed;
        work->candidate_count = before;
        if (!look_around(g, w, row, block, cells)) return 0;
        for (uint32_t c = 0; c < UCIDX_BLOCK_CELLS; c++) {
            box.west = block->west + c * width;
            box.east = box.west + width;
            box.x = (double)box.west + (double)width / 2;
            float square[2];
            measure(&w->around, (float)((box.x - block->x) * box.scale), square);
            double nearest[2] = {sqrt((double)square[0]), sqrt((double)square[1])};
            double enough = nearest[0] + 2.0 * box.diagonal + 2.0 * SLACK_M;
            int64_t wanted = enough < farthest ? (int64_t)ceil(enough / UCIDX_CELL_M - 0.5) : most;
            if (wanted > needed) needed = wanted;
            if (needed == cells && !list_cell(g, w, work, &box, nearest, &counts[c])) return 0;
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
    work->block_count = work->candidate_count = work->coverage_count = 0;
    work->covered_cells = 0;
    if (!want_blocks(g, w, row, &block_count)) return 0;
    int64_t cell_e7 = g->raster.cell_e7[row], south = b->lat_origin_e7 + row * UCIDX_ROW_E7;
    cell_box box = {.south = south,
                    .north = south + UCIDX_ROW_E7,
                    .scale = g->raster.x_m_per_e7[row],
                    .y = (double)south + UCIDX_ROW_E7 / 2.0};
    int64_t crossings = cross_boundary(b, work, box.y);
    if (crossings < 0) return 0;
    int64_t crossed = 0;
    for (size_t k = 0; k < block_count; k++) {
        if (!(w->wanted[k / 64] >> k % 64 & 1)) continue;
        size_t needed = (work->block_count + 1) * UCIDX_BLOCK_CELLS, before = work->candidate_count;
        if (!grow(b, &work->counts, &work->count_capacity, needed, sizeof *work->counts) ||
            !grow(b, &work->blocks, &work->block_capacity, work->block_count + 1, sizeof *work->blocks)) {
            return 0;
        }
        uint32_t *counts = work->counts + work->block_count * UCIDX_BLOCK_CELLS;
        box.west = g->raster.west_e7 + (int64_t)k * UCIDX_BLOCK_CELLS * cell_e7;
        box.east = box.west + UCIDX_BLOCK_CELLS * cell_e7;
        box.x = (double)box.west + UCIDX_BLOCK_CELLS * (double)cell_e7 / 2;
        if (!list_block(g, w, work, row, &box, counts)) return 0;
        for (uint32_t c = 0; c < UCIDX_BLOCK_CELLS; c++) {
            if (counts[c] == 0) continue;
            double x = (double)box.west + (c + 0.5) * (double)cell_e7;
            while (crossed < crossings && work->crossings[crossed] < x) crossed++;
            if (b->boundary_count > 0 && crossed % 2 == 0) continue;
            work->covered_cells++;
            if (!cover(g, work, x, box.y)) return 0;
        }
        if (work->candidate_count > before) work->blocks[work->block_count++] = (uint32_t)k;
    }
    return 1;
}

static void row_task(void *ctx, int64_t task, int worker)
{
    gridding *g = ctx;
    if (atomic_load_explicit(&g->failed, memory_order_relaxed)) return;
    if (!do_row(g, &g->scratch[worker], &g->rows[task], (int64_t)g->first_row + task)) atomic_store(&g->failed, 1);
}

/* Appends what rows have become to the sections. */
static ucid_status take_rows(gridding *g, size_t count, build_sink sink, void *sink_ctx, uint64_t *candidates,
                             size_t capacities[3], double *area)
{
    build *b = g->b;
    for (size_t i = 0; i < count; i++) {
        const row_work *work = &g->rows[i];
        size_t row = g->first_row + i;
        uint32_t first = work->block_count > 0 ? work->blocks[0] : 0;
        uint32_t span = work->block_count > 0 ? work->blocks[work->block_count - 1] - first + 1 : 0;
        int64_t block_e7 = (int64_t)g->raster.cell_e7[row] * UCIDX_BLOCK_CELLS;
        b->rows[row] = (ucidx_row){.x_m_per_e7 = g->raster.x_m_per_e7[row],
                                   .lon_e7 = (int32_t)(g->raster.west_e7 + first * block_e7),
                                   .cell_e7 = g->raster.cell_e7[row],
                                   .block_count = span,
                                   .first_block = (uint32_t)b->grid_block_count};
        size_t new_cells = work->block_count * UCIDX_BLOCK_CELLS;
        if (*candidates + work->candidate_count > UINT32_MAX || b->grid_block_count + span > UINT32_MAX / 16) {
            return ucid_fail(b->error, UCID_UNSUPPORTED_FORMAT, "%s: too large for one index; split it by region",
                             b->path);
        }
        if (!BUILD_ROOM(b, b->grid_blocks, capacities[0], b->grid_block_count + span, "grid") ||
            !BUILD_ROOM(b, b->cells, capacities[1], b->cell_count + new_cells + 1, "grid") ||
            !BUILD_ROOM(b, b->coverage, capacities[2], b->coverage_count + work->coverage_count, "coverage")) {
            return UCID_NO_MEMORY;
        }
        for (uint32_t k = 0; k < span; k++) b->grid_blocks[b->grid_block_count + k] = UCIDX_NONE;
        for (size_t k = 0; k < work->block_count; k++) {
            b->grid_blocks[b->grid_block_count + work->blocks[k] - first] = (uint32_t)b->cell_count;
            for (size_t c = 0; c < UCIDX_BLOCK_CELLS; c++) {
                b->cells[b->cell_count++] = (uint32_t)*candidates;
                *candidates += work->counts[k * UCIDX_BLOCK_CELLS + c];
            }
        }
        b->grid_block_count += span;
        b->cells[b->cell_count] = (uint32_t)*candidates;
        if (work->coverage_count > 0) {
            memcpy(b->coverage + b->coverage_count, work->coverage, work->coverage_count * sizeof *b->coverage);
        }
        b->coverage_count += work->coverage_count;
        *area += (double)work->covered_cells * g->raster.cell_e7[row] * g->raster.x_m_per_e7[row] * UCIDX_ROW_E7 *
                 UCIDX_Y_M_PER_E7;
        ucid_status status = sink(sink_ctx, work->candidates, work->candidate_count);
        if (status != UCID_OK) return status;
    }
    return UCID_OK;
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
    gridding g = {.b = b, .limit_m = (b->snap_limit + 1.0) / UCIDX_UNITS_PER_M};
    size_t threads = (size_t)b->threads;
    ucid_status status = build_raster_make(b, b->segments, b->segment_count, &g.raster);
    g.rows = build_take_zero(b, ROWS_AT_ONCE, sizeof *g.rows, "grid");
    g.scratch = build_take_zero(b, threads, sizeof *g.scratch, "grid");
    b->rows = build_take(b, b->row_count, sizeof *b->rows, "grid");
    if (g.rows == NULL || g.scratch == NULL || b->rows == NULL) status = UCID_NO_MEMORY;
    for (size_t i = 0; i < threads && status == UCID_OK; i++) {
        g.scratch[i].seen = build_take_zero(b, b->segment_count, sizeof *g.scratch[i].seen, "grid");
        if (g.scratch[i].seen == NULL) status = UCID_NO_MEMORY;
    }
    uint64_t candidates = 0;
    size_t capacities[3] = {0};
    double area = 0.0;
    for (g.first_row = 0; g.first_row < b->row_count && status == UCID_OK; g.first_row += ROWS_AT_ONCE) {
        size_t count = b->row_count - g.first_row < ROWS_AT_ONCE ? b->row_count - g.first_row : ROWS_AT_ONCE;
        ucid_parallel(b->threads, (int64_t)count, row_task, &g);
        if (atomic_load(&g.failed)) {
            status = ucid_fail_memory(b->error, "grid", 0);
        } else {
            status = take_rows(&g, count, sink, sink_ctx, &candidates, capacities, &area);
        }
        if (status == UCID_OK) status = build_progress(b, "snap grid", g.first_row + count, b->row_count);
    }
    if (b->boundary_count == 0) b->area_m2 = (uint64_t)(area + 0.5);
    for (size_t i = 0; i < ROWS_AT_ONCE && g.rows != NULL; i++) {
        row_work *w = &g.rows[i];
        ucid_release(&b->allocator, w->counts, w->count_capacity, sizeof *w->counts);
        ucid_release(&b->allocator, w->blocks, w->block_capacity, sizeof *w->blocks);
        ucid_release(&b->allocator, w->candidates, w->candidate_capacity, sizeof *w->candidates);
        ucid_release(&b->allocator, w->coverage, w->coverage_capacity, sizeof *w->coverage);
        ucid_release(&b->allocator, w->crossings, w->crossing_capacity, sizeof *w->crossings);
    }
    for (size_t i = 0; i < threads && g.scratch != NULL; i++) {
        worker_scratch *w = &g.scratch[i];
        ucid_release(&b->allocator, w->wanted, w->wanted_capacity, sizeof *w->wanted);
        ucid_release(&b->allocator, w->around.segments, w->around.segment_capacity, sizeof *w->around.segments);
        ucid_release(&b->allocator, w->around.close, w->around.close_capacity, sizeof *w->around.close);
        ucid_release(&b->allocator, w->around.planes, w->around.plane_capacity, sizeof *w->around.planes);
        build_drop(b, w->seen);
    }
    build_drop(b, g.rows);
    build_drop(b, g.scratch);
    build_raster_drop(b, &g.raster);
    return status == UCID_OK ? sort_coverage(b) : status;
}
