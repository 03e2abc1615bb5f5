/* build_raster.c: which cells a segment touches, exactly enough: a cell may be listed that the segment only nears by a
 * few 1e-7 degrees, none that it touches is left out. Rows have columns of their own width, so that cells are 100 m
 * everywhere; all start at the same longitude. */
#include "index/build.h"
#include "rt/pool.h"
#include "rt/trig.h"

#include <math.h>
#include <string.h>

/* Longitudes between which a segment is inside a row, widened. */
static void clip(const build_segment *s, int64_t south, int64_t north, int64_t *west, int64_t *east)
{
    int64_t low = s->ax_e7 < s->bx_e7 ? s->ax_e7 : s->bx_e7, high = s->ax_e7 < s->bx_e7 ? s->bx_e7 : s->ax_e7;
    *west = low - 1;
    *east = high + 1;
    if (s->ay_e7 == s->by_e7) return;
    double slope = ((double)s->bx_e7 - s->ax_e7) / ((double)s->by_e7 - s->ay_e7);
    double at_south = s->ax_e7 + ((double)south - s->ay_e7) * slope;
    double at_north = s->ax_e7 + ((double)north - s->ay_e7) * slope;
    double least = at_south < at_north ? at_south : at_north, most = at_south < at_north ? at_north : at_south;
    if (least > (double)low) *west = (int64_t)floor(least) - 1;
    if (most < (double)high) *east = (int64_t)ceil(most) + 1;
}

static void rows_of(const build *b, const build_segment *s, int64_t *first, int64_t *last)
{
    int64_t low = s->ay_e7 < s->by_e7 ? s->ay_e7 : s->by_e7, high = s->ay_e7 < s->by_e7 ? s->by_e7 : s->ay_e7;
    *first = (low - 1 - b->lat_origin_e7) / UCIDX_ROW_E7; /* rows start well south of every segment */
    *last = (high + 1 - b->lat_origin_e7) / UCIDX_ROW_E7;
}

typedef struct sorting {
    build_raster *raster;
    uint64_t *scratch; /* [threads][longest row] */
    size_t longest;
} sorting;

/* Columns of a row ascend; segments came in ascending. Two passes of ten bits. */
static void sort_row(void *ctx, int64_t task, int worker)
{
    const sorting *s = ctx;
    size_t count = s->raster->first[task + 1] - s->raster->first[task];
    uint64_t *from = s->raster->entries + s->raster->first[task], *to = s->scratch + (size_t)worker * s->longest;
    if (count < 2) return;
    for (int pass = 0; pass < 2; pass++) {
        uint32_t at[1024] = {0};
        int shift = 32 + 10 * pass;
        for (size_t i = 0; i < count; i++) at[from[i] >> shift & 1023]++;
        uint32_t sum = 0;
        for (int v = 0; v < 1024; v++) {
            uint32_t here = at[v];
            at[v] = sum;
            sum += here;
        }
        for (size_t i = 0; i < count; i++) to[at[from[i] >> shift & 1023]++] = from[i];
        uint64_t *swap = from;
        from = to;
        to = swap;
    }
}

ucid_status build_raster_make(build *b, const build_segment *segments, size_t count, build_raster *raster)
{
    *raster = (build_raster){.row_count = b->row_count};
    raster->x_m_per_e7 = build_take(b, b->row_count, sizeof *raster->x_m_per_e7, "rows");
    raster->cell_e7 = build_take(b, b->row_count, sizeof *raster->cell_e7, "rows");
    raster->first = build_take_zero(b, b->row_count + 2, sizeof *raster->first, "rows");
    if (raster->x_m_per_e7 == NULL || raster->cell_e7 == NULL || raster->first == NULL) return UCID_NO_MEMORY;
    double narrowest = 1.0;
    for (size_t r = 0; r < b->row_count; r++) {
        double middle_e7 = (double)b->lat_origin_e7 + ((double)r + 0.5) * UCIDX_ROW_E7;
        raster->x_m_per_e7[r] = UCIDX_Y_M_PER_E7 * ucid_cos(middle_e7 * (UCID_PI / 180e7));
        raster->cell_e7[r] = ucidx_cell_e7(raster->x_m_per_e7[r]);
        if (raster->x_m_per_e7[r] < narrowest) narrowest = raster->x_m_per_e7[r];
    }
    double margin_m = (double)b->snap_limit / UCIDX_UNITS_PER_M + 2 * UCIDX_CELL_M;
    raster->west_e7 = b->min_x_e7 - (int64_t)ceil(margin_m / narrowest);
    size_t *next = raster->first + 1; /* counts one row further on, places while filling, row ends afterwards */
    size_t total = 0;
    for (int filling = 0; filling < 2; filling++) {
        for (size_t i = 0; i < count; i++) {
            int64_t first_row, last_row;
            rows_of(b, &segments[i], &first_row, &last_row);
            for (int64_t r = first_row; r <= last_row; r++) {
                int64_t west, east, south = b->lat_origin_e7 + r * UCIDX_ROW_E7;
                clip(&segments[i], south - 1, south + UCIDX_ROW_E7 + 1, &west, &east);
                uint64_t from = (uint64_t)(west - raster->west_e7) / raster->cell_e7[r];
                uint64_t to = (uint64_t)(east - raster->west_e7) / raster->cell_e7[r];
                if (!filling) {
                    next[r + 1] += (size_t)(to - from + 1);
                    continue;
                }
                for (uint64_t c = from; c <= to; c++) raster->entries[next[r]++] = c << 32 | i;
            }
        }
        if (filling) break;
        for (size_t r = 0; r < b->row_count; r++) next[r + 1] += next[r];
        total = next[b->row_count];
        raster->entries = build_take(b, total, sizeof *raster->entries, "street cells");
        if (raster->entries == NULL) return UCID_NO_MEMORY;
    }
    sorting s = {.raster = raster};
    for (size_t r = 0; r < b->row_count; r++) {
        size_t length = raster->first[r + 1] - raster->first[r];
        if (length > s.longest) s.longest = length;
    }
    s.scratch = build_take(b, s.longest * (size_t)b->threads, sizeof *s.scratch, "street cells");
    if (s.scratch == NULL) return UCID_NO_MEMORY;
    ucid_parallel(b->threads, (int64_t)b->row_count, sort_row, &s);
    build_drop(b, s.scratch);
    return UCID_OK;
}

void build_raster_drop(build *b, build_raster *raster)
{
    build_drop(b, raster->x_m_per_e7);
    build_drop(b, raster->cell_e7);
    build_drop(b, raster->first);
    build_drop(b, raster->entries);
}

size_t build_raster_find(const build_raster *raster, size_t row, int64_t column)
{
    if (column <= 0) return raster->first[row];
    size_t low = raster->first[row], high = raster->first[row + 1];
    while (low < high) {
        size_t middle = (low + high) / 2;
        if ((int64_t)(raster->entries[middle] >> 32) < column) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}
