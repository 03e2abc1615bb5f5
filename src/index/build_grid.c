/* build_grid.c: for every cell, each segment that can be the nearest of some place in it.
 *
 * Let far(s) be the largest distance from a place of the cell to segment s (distance to a segment is convex, so a
 * corner has it), near(s) the smallest. No place of the cell is farther than U = min far(s) from its nearest street, so
 * s can be nearest only if near(s) <= U. And with h half the cell's diagonal and d(s) the distance of s from the cell's
 * centre, d - h <= near, far <= d + h: only segments with d <= min d + 2h need the exact test. They are found in the
 * cells around, in a window that grows until it holds all of them. Islands count where U exceeds the snap limit.
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
#define SLACK_M 1e-6

typedef struct candidate {
    double square_m2; /* from the cell's centre */
    uint32_t segment; /* bit 31: island */
} candidate;

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

typedef struct worker_scratch {
    uint32_t *seen; /* [segments] stamp of the window that met the segment */
    uint32_t stamp;
    uint64_t *wanted; /* bit for each block of the row */
    size_t wanted_capacity;
    candidate *found;
    size_t found_capacity;
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

/* Every segment within `cells` cells of the box, once each, with its distance from the centre. Returns their number, or
 * -1 where memory is out. */
static int64_t look_around(gridding *g, worker_scratch *w, int64_t row, const cell_box *box, int64_t cells)
{
    const build *b = g->b;
    if (++w->stamp == 0) {
        memset(w->seen, 0, b->segment_count * sizeof *w->seen);
        w->stamp = 1;
    }
    int64_t width = box->east - box->west, found = 0;
    int64_t west = box->west - cells * width - g->raster.west_e7, east = box->east + cells * width - g->raster.west_e7;
    int64_t first = row > cells ? row - cells : 0, last = row + cells;
    if (last >= (int64_t)b->row_count) last = (int64_t)b->row_count - 1;
    for (int64_t r = first; r <= last; r++) {
        int64_t last_column = east / g->raster.cell_e7[r];
        size_t i = build_raster_find(&g->raster, (size_t)r, west < 0 ? 0 : west / g->raster.cell_e7[r]);
        for (; i < g->raster.first[r + 1] && (int64_t)(g->raster.entries[i] >> 32) <= last_column; i++) {
            uint32_t at = (uint32_t)g->raster.entries[i];
            if (w->seen[at] == w->stamp) continue;
            w->seen[at] = w->stamp;
            if ((size_t)found == w->found_capacity) {
                void *grown = w->found;
                if (!ucid_grow(&b->allocator, &grown, &w->found_capacity, (size_t)found + 1, sizeof *w->found))
                    return -1;
                w->found = grown;
            }
            const ucidx_segment *s = &b->segments[at];
            uint32_t island = b->edges[s->edge].flags & UCIDX_EDGE_ISLAND ? 1u << 31 : 0;
            w->found[found++] = (candidate){square_to(s, box->x, box->y, box->scale), at | island};
        }
    }
    return found;
}

/* Largest distance that a place of the cell can be from the nearest of one network; HUGE_VAL where none was found. */
static double reach_of(const build *b, const cell_box *box, const candidate *found, int64_t count, uint32_t island)
{
    double bound = HUGE_VAL; /* squared */
    for (int64_t i = 0; i < count; i++) {
        if ((found[i].segment & 1u << 31) != island || found[i].square_m2 >= bound) continue;
        double square = far_square(&b->segments[found[i].segment & ~(1u << 31)], box);
        if (square < bound) bound = square;
    }
    return sqrt(bound);
}

static int list_cell(gridding *g, worker_scratch *w, row_work *work, int64_t row, const cell_box *box, uint32_t *listed)
{
    const build *b = g->b;
    *listed = 0;
    int64_t most = (int64_t)((g->limit_m + box->diagonal) / UCIDX_CELL_M) + 1, count;
    double enough; /* metres from the centre within which every candidate lies */
    for (int64_t cells = 2 < most ? 2 : most;;) {
        count = look_around(g, w, row, box, cells);
        if (count < 0) return 0;
        double nearest = HUGE_VAL;
        for (int64_t i = 0; i < count; i++) {
            if (!(w->found[i].segment >> 31) && w->found[i].square_m2 < nearest) nearest = w->found[i].square_m2;
        }
        enough = sqrt(nearest) + 2.0 * box->diagonal;
        if (enough > g->limit_m + box->diagonal) enough = g->limit_m + box->diagonal;
        if (cells == most || enough <= ((double)cells + 0.5) * UCIDX_CELL_M) break;
        int64_t needed = (int64_t)ceil(enough / UCIDX_CELL_M - 0.5);
        cells = nearest < HUGE_VAL ? needed : 2 * cells;
        if (cells > most) cells = most;
    }
    enough += SLACK_M;
    double bound[2] = {reach_of(b, box, w->found, count, 0), -1.0};
    if (bound[0] > g->limit_m - 2.0 / UCIDX_UNITS_PER_M) bound[1] = reach_of(b, box, w->found, count, 1u << 31);
    for (int k = 0; k < 2; k++) {
        if (bound[k] > g->limit_m) bound[k] = g->limit_m;
        bound[k] = bound[k] >= 0.0 ? (bound[k] + SLACK_M) * (bound[k] + SLACK_M) : -1.0;
    }
    if (work->candidate_capacity < work->candidate_count + (size_t)count) {
        void *grown = work->candidates;
        if (!ucid_grow(&b->allocator, &grown, &work->candidate_capacity, work->candidate_count + (size_t)count,
                       sizeof *work->candidates)) {
            return 0;
        }
        work->candidates = grown;
    }
    uint32_t *list = work->candidates + work->candidate_count, length = 0;
    for (int64_t i = 0; i < count; i++) {
        uint32_t segment = w->found[i].segment;
        if (w->found[i].square_m2 > enough * enough) continue;
        if (near_square(&b->segments[segment & ~(1u << 31)], box) > bound[segment >> 31]) continue;
        uint32_t at = length++;
        for (; at > 0 && list[at - 1] > segment; at--) list[at] = list[at - 1];
        list[at] = segment;
    }
    work->candidate_count += length;
    *listed = length;
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
    if (words > w->wanted_capacity) {
        void *grown = w->wanted;
        if (!ucid_grow(&b->allocator, &grown, &w->wanted_capacity, words, sizeof *w->wanted)) return 0;
        w->wanted = grown;
    }
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
        if ((size_t)count == work->crossing_capacity) {
            void *grown = work->crossings;
            if (!ucid_grow(&b->allocator, &grown, &work->crossing_capacity, (size_t)count + 1,
                           sizeof *work->crossings)) {
                return -1;
            }
            work->crossings = grown;
        }
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
    if (work->coverage_count == work->coverage_capacity) {
        void *grown = work->coverage;
        if (!ucid_grow(&g->b->allocator, &grown, &work->coverage_capacity, work->coverage_count + 1,
                       sizeof *work->coverage)) {
            return 0;
        }
        work->coverage = grown;
    }
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
    cell_box box = {.south = south, .north = south + UCIDX_ROW_E7, .scale = g->raster.x_m_per_e7[row]};
    box.half_x = (double)cell_e7 * box.scale / 2;
    box.half_y = UCIDX_ROW_E7 * UCIDX_Y_M_PER_E7 / 2;
    box.diagonal = sqrt(box.half_x * box.half_x + box.half_y * box.half_y);
    box.y = (double)south + UCIDX_ROW_E7 / 2.0;
    int64_t crossings = cross_boundary(b, work, box.y);
    if (crossings < 0) return 0;
    int64_t crossed = 0;
    for (size_t k = 0; k < block_count; k++) {
        if (!(w->wanted[k / 64] >> k % 64 & 1)) continue;
        size_t needed = (work->block_count + 1) * UCIDX_BLOCK_CELLS;
        void *counts = work->counts, *blocks = work->blocks;
        int grown = ucid_grow(&b->allocator, &counts, &work->count_capacity, needed, sizeof *work->counts);
        work->counts = counts;
        grown = grown &&
                ucid_grow(&b->allocator, &blocks, &work->block_capacity, work->block_count + 1, sizeof *work->blocks);
        work->blocks = blocks;
        if (!grown) return 0;
        uint32_t *cells = work->counts + work->block_count * UCIDX_BLOCK_CELLS;
        size_t before = work->candidate_count;
        for (uint32_t c = 0; c < UCIDX_BLOCK_CELLS; c++) {
            box.west = g->raster.west_e7 + ((int64_t)k * UCIDX_BLOCK_CELLS + c) * cell_e7;
            box.east = box.west + cell_e7;
            box.x = (double)box.west + (double)cell_e7 / 2.0;
            if (!list_cell(g, w, work, row, &box, &cells[c])) return 0;
            if (cells[c] == 0) continue;
            while (crossed < crossings && work->crossings[crossed] < box.x) crossed++;
            if (b->boundary_count > 0 && crossed % 2 == 0) continue;
            work->covered_cells++;
            if (!cover(g, work, box.x, box.y)) return 0;
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
        ucid_release(&b->allocator, w->found, w->found_capacity, sizeof *w->found);
        build_drop(b, w->seen);
    }
    build_drop(b, g.rows);
    build_drop(b, g.scratch);
    build_raster_drop(b, &g.raster);
    return status == UCID_OK ? sort_coverage(b) : status;
}
