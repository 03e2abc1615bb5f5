/* zones_area.c: how much of a cell lies in which zones.
 *
 * The cell's outline becomes lines on the plane of the zones (outline.h), and goes down their grid with them: a box
 * without a border gives what the cell has of it to its zones; in one with a border the outline and the few edges there
 * are swept together, from strip to strip between the heights at which lines begin, end or cross:
 *
 *      +---\------/----+
 *      |    \    /     |      within a strip lines lie beside each other: pieces between two of them are in
 *      |-----\--/------|      the cell or not, and in the same zones. From the east, each line that is passed
 *      |      \/       |      changes that; lines beyond the box's eastern side change it for all the box.
 *      |------/\-------|
 *      |     /  \      |
 *      +----/----\-----+
 *
 * A piece's area on the sphere, between two lines straight in longitude and latitude, is
 * a closed form: the integral of its width times the cosine of the latitude.
 *
 * So the zones of a place that a box gives and those that zones_join.c finds are the same, save within 1e-7 degrees of
 * a border, and zones that share their borders share out all of a cell.
 *
 * Cost: an outline's lines, some 1 us, and the boxes that it meets, some 1 us each that has a border. */
#include "kernel/outline.h"
#include "kernel/zones.h"

#include "id/cell.h"
#include "rt/error.h"
#include "rt/memory.h"
#include "rt/pool.h"
#include "rt/trig.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    CELLS_A_TASK = 1024,
    WORKERS_MOST = 256,
    LINES_MOST = 48, /* of a box that is swept at once; one of more is cut into four */
    DEPTH_MOST = 34, /* of such cuts: the box is far below a unit wide then */
};

#define CELL_BIT 16u /* a line's bit: 1 << group of edges, or this */

static const double RADIAN = UCID_PI / 1.8e9; /* of a unit of the plane */
static const double SQUARE_M = UCID_EARTH_RADIUS_M * UCID_EARTH_RADIUS_M;

/* From a up to b; relative to the box at hand but for y, which is also wanted on the globe. */
typedef struct line {
    double ax, ay, bx, by, slope;
    unsigned bit;
} line;

typedef struct tallied {
    int32_t zone;
    uint32_t slot;
} tallied;

/* Areas by zone: a hash table that starts empty for each cell. */
typedef struct tally {
    int32_t *zones; /* [capacity] -1: free */
    double *areas;
    tallied *used; /* [count] */
    size_t count, capacity;
} tally;

typedef struct area_worker {
    const ucid_allocator *allocator;
    outline shape;
    line *lines;     /* a stack: those of the boxes on the way */
    double *heights; /* of strips */
    tally sum;
    size_t line_count, line_capacity, height_capacity;
    int failed;
} area_worker;

/* --------------------------------------------------------------------------------------------------------- tallies --
 */

/* The slot of a zone that is there, or the free one that it takes. */
static size_t tally_slot(const tally *sum, int32_t zone)
{
    size_t at = (uint32_t)zone * 0x9E3779B1u & (sum->capacity - 1);
    while (sum->zones[at] >= 0 && sum->zones[at] != zone) at = (at + 1) & (sum->capacity - 1);
    return at;
}

static int tally_grow(area_worker *w)
{
    tally *old = &w->sum, made = {.capacity = old->capacity > 0 ? 2 * old->capacity : 64};
    made.zones = ucid_allocate(w->allocator, made.capacity, sizeof *made.zones);
    made.areas = ucid_allocate(w->allocator, made.capacity, sizeof *made.areas);
    made.used = ucid_allocate(w->allocator, made.capacity, sizeof *made.used);
    if (made.zones == NULL || made.areas == NULL || made.used == NULL) {
        ucid_release(w->allocator, made.zones, made.capacity, sizeof *made.zones);
        ucid_release(w->allocator, made.areas, made.capacity, sizeof *made.areas);
        ucid_release(w->allocator, made.used, made.capacity, sizeof *made.used);
        w->failed = 1;
        return 0;
    }
    memset(made.zones, 0xFF, made.capacity * sizeof *made.zones);
    for (; made.count < old->count; made.count++) {
        tallied t = old->used[made.count];
        size_t at = tally_slot(&made, t.zone);
        made.zones[at] = t.zone, made.areas[at] = old->areas[t.slot];
        made.used[made.count] = (tallied){t.zone, (uint32_t)at};
    }
    ucid_release(w->allocator, old->zones, old->capacity, sizeof *old->zones);
    ucid_release(w->allocator, old->areas, old->capacity, sizeof *old->areas);
    ucid_release(w->allocator, old->used, old->capacity, sizeof *old->used);
    *old = made;
    return 1;
}

static void tally_add(area_worker *w, int32_t zone, double area)
{
    tally *sum = &w->sum;
    if (w->failed || (2 * (sum->count + 1) > sum->capacity && !tally_grow(w))) return;
    size_t at = tally_slot(sum, zone);
    if (sum->zones[at] < 0) {
        sum->zones[at] = zone, sum->areas[at] = 0;
        sum->used[sum->count++] = (tallied){zone, (uint32_t)at};
    }
    sum->areas[at] += area;
}

static int by_number(const void *left, const void *right)
{
    const tallied *l = left, *r = right;
    return (l->zone > r->zone) - (l->zone < r->zone);
}

static void tally_sort(tally *sum)
{
    if (sum->count > 1) qsort(sum->used, sum->count, sizeof *sum->used, by_number);
}

static void tally_clear(tally *sum)
{
    for (size_t k = 0; k < sum->count; k++) sum->zones[sum->used[k].slot] = -1;
    sum->count = 0;
}

/* What zones an answer gives. */
static void give(area_worker *w, const zones_band *band, uint32_t code, double area)
{
    int32_t one;
    const int32_t *zones;
    if (!(area > 0)) return;
    for (int64_t k = 0, n = zones_answer(band, code, &one, &zones); k < n; k++) tally_add(w, zones[k], area);
}

/* ---------------------------------------------------------------------------------------------------------- strips --
 */

/* A strip of the globe from one height to another. */
typedef struct strip {
    double low, high;  /* units of the plane, relative to the box */
    double even, lean; /* area per width in the middle; and per growth of the width */
} strip;

static double cosine_at(double y) /* of the latitude */
{
    double from_pole = y < ZONES_HEIGHT / 2 ? y : ZONES_HEIGHT - y;
    return ucid_sin(from_pole * RADIAN);
}

/* With k half the strip's height: the integrals of cos and of u/k sin over -k..k. */
static strip strip_make(double y, double low, double high)
{
    double middle = y + (low + high) / 2, k = (high - low) / 2 * RADIAN, s = k * k, sine, bend;
    if (k < 0.25) {
        sine = k * (1 - s / 6 * (1 - s / 20 * (1 - s / 42 * (1 - s / 72))));
        bend = s / 3 * (1 - s / 10 * (1 - s / 28 * (1 - s / 54)));
    } else {
        sine = ucid_sin(k), bend = sine / k - ucid_cos(k);
    }
    double latitude = (middle - ZONES_HEIGHT / 2) * RADIAN;
    return (strip){low, high, 2 * sine * cosine_at(middle) * RADIAN, -2 * bend * ucid_sin(latitude) * RADIAN};
}

/* Area between two lines: their distance below and above. */
static double piece(const strip *s, double below, double above)
{
    return s->even * ((below + above) / 2) + s->lean * ((above - below) / 2);
}

static double box_area(double y, double width, double height)
{
    strip s = strip_make(y, 0, height);
    return piece(&s, width, width);
}

/* ------------------------------------------------------------------------------------------------ a box and its lines
 */

static int push_line(area_worker *w, line l)
{
    void *lines = w->lines;
    if (w->failed || !ucid_grow(w->allocator, &lines, &w->line_capacity, w->line_count + 1, sizeof l)) {
        w->failed = 1;
        return 0;
    }
    w->lines = lines;
    w->lines[w->line_count++] = l;
    return 1;
}

static double x_at(const line *l, double y)
{
    return y <= l->ay ? l->ax : y >= l->by ? l->bx : l->ax + (y - l->ay) * l->slope;
}

/* A line beyond the eastern side, relative to the box: of such lines only the heights matter, so a chain of them
 * becomes one. since: lines from here on are the box's. */
static void push_eastern(area_worker *w, size_t since, line l, double width)
{
    line *last = w->line_count > since ? &w->lines[w->line_count - 1] : NULL;
    l.ax = l.bx = width, l.slope = 0;
    if (last == NULL || last->bit != l.bit || last->ax != width || last->bx != width) {
        push_line(w, l);
    } else if (last->by == l.ay || last->ay == l.by) {
        last->ay = fmin(last->ay, l.ay), last->by = fmax(last->by, l.by);
    } else if (last->ay == l.ay || last->by == l.by) { /* both undo each other where they run side by side */
        double low = last->ay == l.ay ? fmin(last->by, l.by) : fmin(last->ay, l.ay);
        double high = last->ay == l.ay ? fmax(last->by, l.by) : fmax(last->ay, l.ay);
        last->ay = low, last->by = high;
        if (low == high) w->line_count--;
    } else {
        push_line(w, l);
    }
}

/* Push those of n lines that matter in a box, moved so that its corner is the origin: none that only lie west of it;
 * one that passes all of it in the east changes *mask. */
static void keep_lines(area_worker *w, size_t first, size_t n, double x, double y, double width, double height,
                       unsigned *mask)
{
    size_t since = w->line_count;
    for (size_t k = first; k < first + n && !w->failed; k++) {
        line l = w->lines[k];
        if (l.by <= y || l.ay >= y + height) continue;
        double low = x_at(&l, y), high = x_at(&l, y + height);
        if (low <= x && high <= x) continue;
        int eastern = low >= x + width && high >= x + width;
        if (eastern && l.ay <= y && l.by >= y + height) {
            *mask ^= l.bit;
            continue;
        }
        l.ax -= x, l.bx -= x, l.ay -= y, l.by -= y;
        if (eastern) {
            push_eastern(w, since, l, width);
        } else {
            push_line(w, l);
        }
    }
}

static int by_height(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double clip(double v, double high) { return v < 0 ? 0 : v > high ? high : v; }

static void push_height(area_worker *w, size_t *count, double y, double height)
{
    if (y > 0 && y < height) w->heights[(*count)++] = y;
}

/* Heights at which the order of lines may change, ascending. */
static size_t find_heights(area_worker *w, size_t first, size_t n, double width, double height, int crossings)
{
    void *heights = w->heights;
    size_t room = 2 + 4 * n + (crossings ? n * n / 2 : 0), count = 0;
    if (!ucid_grow(w->allocator, &heights, &w->height_capacity, room, sizeof(double))) {
        w->failed = 1;
        return 0;
    }
    w->heights = heights;
    w->heights[count++] = 0, w->heights[count++] = height;
    for (size_t i = 0; i < n; i++) {
        const line *p = &w->lines[first + i];
        push_height(w, &count, p->ay, height);
        push_height(w, &count, p->by, height);
        if (p->ax != p->bx) {
            double west = p->ay - p->ax / p->slope, east = p->ay + (width - p->ax) / p->slope;
            if (west > p->ay && west < p->by) push_height(w, &count, west, height);
            if (east > p->ay && east < p->by) push_height(w, &count, east, height);
        }
        for (size_t j = 0; crossings && j < i; j++) {
            const line *q = &w->lines[first + j];
            double low = fmax(p->ay, q->ay), high = fmin(p->by, q->by);
            if (!(low < high)) continue;
            double below = x_at(p, low) - x_at(q, low), above = x_at(p, high) - x_at(q, high);
            if ((below < 0 && above > 0) || (below > 0 && above < 0)) {
                push_height(w, &count, low + (high - low) * (below / (below - above)), height);
            }
        }
    }
    qsort(w->heights, count, sizeof(double), by_height);
    return count;
}

typedef struct passing {
    double below, above;
    unsigned bit;
} passing;

/* Sweep a box whose lines are the last n; y is its southern side on the plane. areas [16] by mask, without CELL_BIT. */
static void sweep(area_worker *w, size_t first, size_t n, double y, double width, double height, unsigned mask,
                  int crossings, double areas[16])
{
    size_t heights = find_heights(w, first, n, width, height, crossings);
    for (size_t k = 0; k + 1 < heights; k++) {
        double low = w->heights[k], high = w->heights[k + 1], middle = (low + high) / 2;
        if (!(low < high)) continue;
        passing row[LINES_MOST];
        int count = 0;
        for (size_t i = first; i < first + n; i++) {
            const line *l = &w->lines[i];
            if (!(l->ay < middle && middle < l->by)) continue;
            passing next = {clip(x_at(l, low), width), clip(x_at(l, high), width), l->bit};
            int at = count++;
            for (; at > 0 && row[at - 1].below + row[at - 1].above < next.below + next.above; at--)
                row[at] = row[at - 1];
            row[at] = next;
        }
        strip s = strip_make(y, low, high);
        passing east = {width, width, 0};
        unsigned here = mask;
        for (int i = 0; i <= count; i++) {
            passing west = i < count ? row[i] : (passing){0, 0, 0};
            if (here & CELL_BIT) areas[here & 15] += piece(&s, east.below - west.below, east.above - west.above);
            here ^= west.bit;
            east = west;
        }
    }
}

/* The lines are the last n, relative to the box at (x, y) on the plane; they are popped. */
static void fill(area_worker *w, size_t n, double y, double width, double height, unsigned mask, int depth,
                 double areas[16])
{
    size_t first = w->line_count - n;
    if (w->failed) return;
    if (n == 0) {
        if (mask & CELL_BIT) areas[mask & 15] += box_area(y, width, height);
    } else if (n <= LINES_MOST) {
        sweep(w, first, n, y, width, height, mask, depth < DEPTH_MOST, areas);
    } else if (depth < DEPTH_MOST) {
        for (int k = 0; k < 4; k++) {
            double west = k & 1 ? width / 2 : 0, south = k & 2 ? height / 2 : 0;
            unsigned part_mask = mask;
            keep_lines(w, first, n, west, south, width / 2, height / 2, &part_mask);
            fill(w, w->line_count - first - n, y + south, width / 2, height / 2, part_mask, depth + 1, areas);
        }
    } /* else more lines than LINES_MOST meet in a hundredth of a square millimetre */
    w->line_count = first;
}

/* ------------------------------------------------------------------------------------------------------- the descent
 */

static int push_edges(area_worker *w, const zones_edge *edges, uint32_t count, unsigned bit)
{
    for (uint32_t k = 0; k < count; k++) {
        const zones_edge *e = &edges[k];
        double slope = (double)((int64_t)e->bx - e->ax) / (double)((int64_t)e->by - e->ay);
        if (!push_line(w, (line){e->ax, e->ay, e->bx, e->by, slope, bit})) return 0;
    }
    return 1;
}

/* A box that has edges; the outline's lines in it are the last n. */
static void fill_borders(area_worker *w, const zones_band *band, uint32_t code, size_t n, double y, double width,
                         double height, unsigned mask)
{
    const uint32_t *words = zones_words(band, code);
    size_t first = w->line_count - n;
    if (zones_tag(code) == ZONES_TABLE) {
        zones_table table = zones_table_get(words);
        double areas[16] = {0};
        size_t at = w->line_count;
        for (size_t k = first; k < first + n; k++) push_line(w, w->lines[k]);
        for (uint32_t g = 0, k = 0; g < table.groups; k = table.end[g++]) {
            push_edges(w, table.edges + k, table.end[g] - k, 1u << g);
        }
        size_t pushed = w->line_count;
        keep_lines(w, at, pushed - at, 0, 0, width, height, &mask);
        fill(w, w->line_count - pushed, y, width, height, mask, 0, areas);
        for (uint32_t k = 0; k < 1u << table.groups; k++) give(w, band, table.answers[k], areas[k]);
    } else {
        const zones_edge *edges = zones_list_edges(words);
        for (uint32_t z = 0, k = 0; z < words[0] && !w->failed; z++) {
            uint32_t end = words[2 + 2 * (size_t)z] & INT32_MAX, inside = words[2 + 2 * (size_t)z] >> 31;
            double areas[16] = {0};
            unsigned here = mask ^ inside;
            size_t at = w->line_count;
            for (size_t i = first; i < first + n; i++) push_line(w, w->lines[i]);
            push_edges(w, edges + k, end - k, 1u);
            size_t pushed = w->line_count;
            keep_lines(w, at, pushed - at, 0, 0, width, height, &here);
            fill(w, w->line_count - pushed, y, width, height, here, 0, areas);
            w->line_count = first + n;
            if (areas[1] > 0) tally_add(w, (int32_t)words[1 + 2 * (size_t)z], areas[1]);
            k = end;
        }
    }
    w->line_count = first + n;
}

/* A box of the grid with its corner at (x, y) on the plane; the lines before it, `n` from `first` on, are relative to
 * a box at (from_x, from_y). */
static void visit(area_worker *w, const zones_band *band, uint32_t code, int shift, int64_t x, int64_t y, size_t first,
                  size_t n, int64_t from_x, int64_t from_y, unsigned mask)
{
    if (code == 0 || x >= ZONES_WIDTH || y >= ZONES_HEIGHT || w->failed) return;
    int64_t side = (int64_t)1 << shift;
    size_t top = w->line_count;
    int64_t wide = x + side > ZONES_WIDTH ? ZONES_WIDTH - x : side;
    int64_t tall = y + side > ZONES_HEIGHT ? ZONES_HEIGHT - y : side;
    double width = (double)wide, height = (double)tall;
    keep_lines(w, first, n, (double)(x - from_x), (double)(y - from_y), width, height, &mask);
    size_t kept = w->line_count - top;
    if (kept == 0 && !(mask & CELL_BIT)) return;
    uint32_t tag = zones_tag(code);
    if (tag <= ZONES_SET) {
        double areas[16] = {0};
        fill(w, kept, (double)y, width, height, mask, 0, areas);
        give(w, band, code, areas[0]);
    } else if (tag == ZONES_GRID) {
        const uint32_t *codes = zones_words(band, code);
        int bits = zones_grid_bits(code), part = shift - bits;
        int64_t dim = (int64_t)1 << bits, step = (int64_t)1 << part;
        for (int64_t row = 0; row < dim && row * step < tall; row++) {
            size_t begin = w->line_count;
            unsigned row_mask = mask;
            keep_lines(w, top, kept, 0, (double)(row * step), width, (double)step, &row_mask);
            size_t in_row = w->line_count - begin;
            for (int64_t col = 0; col < dim && (in_row > 0 || row_mask & CELL_BIT); col++) {
                visit(w, band, codes[row << bits | col], part, x + col * step, y + row * step, begin, in_row, x,
                      y + row * step, row_mask);
            }
            w->line_count = begin;
        }
    } else {
        fill_borders(w, band, code, kept, (double)y, width, height, mask);
    }
    w->line_count = top;
}

/* The outline in the worker, moved `turn` to the east. */
static void visit_outline(area_worker *w, const ucid_zones *zones, double turn)
{
    const outline *shape = &w->shape;
    int64_t side = (int64_t)1 << zones->shift;
    int64_t x0 = (int64_t)zones->first_col << zones->shift, y0 = (int64_t)zones->first_row << zones->shift;
    double west = shape->west + turn, east = shape->east + turn;
    if (east <= (double)x0 || west >= (double)(x0 + zones->cols * side)) return;
    int64_t row = shape->south <= (double)y0 ? 0 : ((int64_t)shape->south - y0) >> zones->shift;
    int64_t first_col = west <= (double)x0 ? 0 : ((int64_t)west - x0) >> zones->shift;
    for (; row < zones->rows && (double)(y0 + row * side) < shape->north; row++) {
        int64_t y = y0 + row * side;
        unsigned mask = 0;
        w->line_count = 0;
        for (size_t k = 0; k < shape->count; k++) {
            const outline_side *s = &shape->sides[k];
            if (s->by <= (double)y || s->ay >= (double)(y + side)) continue;
            line l = {s->ax + turn - (double)x0,
                      s->ay - (double)y,
                      s->bx + turn - (double)x0,
                      s->by - (double)y,
                      0,
                      CELL_BIT};
            l.slope = (l.bx - l.ax) / (l.by - l.ay);
            if (!push_line(w, l)) return;
        }
        size_t n = w->line_count;
        for (int64_t col = first_col; col < zones->cols && (double)(x0 + col * side) < east; col++) {
            visit(w, &zones->bands[row], zones->codes[(size_t)row * zones->cols + (size_t)col], zones->shift,
                  x0 + col * side, y, 0, n, x0, y, mask);
        }
    }
}

/* ---------------------------------------------------------------------------------------------------------- workers --
 */

static void close_worker(area_worker *w)
{
    outline_reset(&w->shape, w->allocator);
    ucid_release(w->allocator, w->lines, w->line_capacity, sizeof *w->lines);
    ucid_release(w->allocator, w->heights, w->height_capacity, sizeof *w->heights);
    ucid_release(w->allocator, w->sum.zones, w->sum.capacity, sizeof *w->sum.zones);
    ucid_release(w->allocator, w->sum.areas, w->sum.capacity, sizeof *w->sum.areas);
    ucid_release(w->allocator, w->sum.used, w->sum.capacity, sizeof *w->sum.used);
}

/* Pairs of a task, as they come. */
typedef struct pair_list {
    int32_t *zones;
    double *areas;
    size_t count, zone_capacity, area_capacity;
} pair_list;

static int push_pair(const ucid_allocator *allocator, pair_list *list, int32_t zone, double area)
{
    void *zones = list->zones, *areas = list->areas;
    int done = ucid_grow(allocator, &zones, &list->zone_capacity, list->count + 1, sizeof zone);
    list->zones = zones;
    done = done && ucid_grow(allocator, &areas, &list->area_capacity, list->count + 1, sizeof area);
    list->areas = areas;
    if (!done) return 0;
    list->zones[list->count] = zone, list->areas[list->count++] = area;
    return 1;
}

typedef struct area_job {
    const ucid_zones *zones;
    int64_t n, tasks, cells_a_task;
    const uint64_t *cells;
    const uint8_t *validity;
    int64_t *offsets;
    double *cell_area_m2;
    uint8_t *status;
    pair_list *lists; /* [tasks] */
    area_worker *workers;
    int worker_count;
    _Atomic int failed;
} area_job;

static ucid_status open_job(area_job *job, int threads, int64_t tasks, ucid_error *error)
{
    const ucid_allocator *allocator = &job->zones->allocator;
    job->worker_count = threads < WORKERS_MOST ? threads : WORKERS_MOST;
    job->tasks = tasks;
    job->workers = ucid_allocate_zero(allocator, (size_t)job->worker_count, sizeof *job->workers);
    job->lists = ucid_allocate_zero(allocator, (size_t)tasks + 1, sizeof *job->lists);
    for (int k = 0; job->workers != NULL && k < job->worker_count; k++) job->workers[k].allocator = allocator;
    if (job->workers != NULL && job->lists != NULL) return UCID_OK;
    return ucid_fail_memory(error, "areas of zones", (size_t)tasks * sizeof *job->lists);
}

static void close_job(area_job *job)
{
    const ucid_allocator *allocator = &job->zones->allocator;
    for (int k = 0; job->workers != NULL && k < job->worker_count; k++) close_worker(&job->workers[k]);
    for (int64_t k = 0; job->lists != NULL && k < job->tasks; k++) {
        ucid_release(allocator, job->lists[k].zones, job->lists[k].zone_capacity, sizeof(int32_t));
        ucid_release(allocator, job->lists[k].areas, job->lists[k].area_capacity, sizeof(double));
    }
    ucid_release(allocator, job->workers, (size_t)job->worker_count, sizeof *job->workers);
    ucid_release(allocator, job->lists, (size_t)job->tasks + 1, sizeof *job->lists);
}

/* ------------------------------------------------------------------------------------------------------------- cells
 * --
 */

/* Zones of a cell into the worker's tally; returns its area. */
static double visit_cell(area_worker *w, const ucid_zones *zones, uint64_t cell)
{
    ucid_cell_part parts[UCID_CELL_PARTS_MAX];
    int count = ucid_cell_parts(cell, parts);
    double whole = 0;
    for (int k = 0; k < count; k++) {
        if (!outline_make(&w->shape, &parts[k], w->allocator)) w->failed = 1;
        if (w->failed) return 0;
        whole += w->shape.area;
        for (int turn = -1; turn <= 1; turn++) visit_outline(w, zones, turn * (double)ZONES_WIDTH);
    }
    return whole;
}

static void overlap_chunk(void *ctx, int64_t task, int worker)
{
    area_job *job = ctx;
    area_worker *w = &job->workers[worker];
    int64_t first = task * job->cells_a_task, end = first + job->cells_a_task;
    if (end > job->n) end = job->n;
    for (int64_t i = first; i < end && !w->failed; i++) {
        int valid = job->validity == NULL || (job->validity[i >> 3] >> (i & 7) & 1);
        int is_cell = valid && ucid_cell_bits_valid(job->cells[i]);
        double whole = is_cell ? visit_cell(w, job->zones, job->cells[i]) : 0;
        tally *sum = &w->sum;
        int64_t found = 0;
        tally_sort(sum);
        for (size_t k = 0; k < sum->count && !w->failed; k++) {
            double area = sum->areas[sum->used[k].slot];
            if (!(area > 1e-12 * whole)) continue; /* what rounding leaves of a border that is touched */
            if (area > (1 - 1e-11) * whole) area = whole;
            w->failed |= !push_pair(w->allocator, &job->lists[task], sum->used[k].zone, area * SQUARE_M);
            found++;
        }
        tally_clear(sum);
        job->offsets[i + 1] = found;
        if (job->cell_area_m2 != NULL) job->cell_area_m2[i] = is_cell ? whole * SQUARE_M : NAN;
        if (job->status != NULL) job->status[i] = !valid ? UCID_NULL_INPUT : is_cell ? UCID_OK : UCID_INVALID_H3;
    }
    if (w->failed) atomic_store_explicit(&job->failed, 1, memory_order_relaxed);
}

ucid_status ucid_zones_overlaps(const ucid_zones *zones, int64_t n, const uint64_t *cells, const uint8_t *validity,
                                int threads, int64_t *offsets, int32_t *zone, double *area_m2, int64_t capacity,
                                double *cell_area_m2, uint8_t *status, ucid_error *error)
{
    if (zones == NULL || n < 0 || threads < 1 || offsets == NULL || (n > 0 && cells == NULL)) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT,
                         "overlaps need zones, an array of cells, offsets and at least one thread");
    }
    area_job job = {.zones = zones, .n = n, .cells = cells, .validity = validity, .offsets = offsets};
    job.cell_area_m2 = cell_area_m2, job.status = status;
    job.cells_a_task = n / (8 * (int64_t)threads) + 1;
    if (job.cells_a_task > CELLS_A_TASK) job.cells_a_task = CELLS_A_TASK;
    ucid_status done = open_job(&job, threads, (n + job.cells_a_task - 1) / job.cells_a_task, error);
    if (done == UCID_OK) {
        ucid_parallel(job.worker_count, job.tasks, overlap_chunk, &job);
        if (job.failed) done = ucid_fail_memory(error, "areas of zones", (size_t)n * sizeof(int64_t));
    }
    if (done == UCID_OK) {
        offsets[0] = 0;
        for (int64_t i = 0; i < n; i++) offsets[i + 1] += offsets[i];
        int64_t at = 0;
        for (int64_t k = 0; zone != NULL && area_m2 != NULL && capacity >= offsets[n] && k < job.tasks; k++) {
            size_t count = job.lists[k].count;
            if (count == 0) continue;
            memcpy(zone + at, job.lists[k].zones, count * sizeof *zone);
            memcpy(area_m2 + at, job.lists[k].areas, count * sizeof *area_m2);
            at += (int64_t)count;
        }
    }
    close_job(&job);
    return done;
}

/* ------------------------------------------------------------------------------------------------------- whole zones
 * --
 */

static void area_band(void *ctx, int64_t row, int worker)
{
    area_job *job = ctx;
    area_worker *w = &job->workers[worker];
    const ucid_zones *zones = job->zones;
    for (int64_t col = 0; col < zones->cols && !w->failed; col++) {
        visit(w, &zones->bands[row], zones->codes[(size_t)row * zones->cols + (size_t)col], zones->shift,
              ((int64_t)zones->first_col + col) << zones->shift, ((int64_t)zones->first_row + row) << zones->shift, 0,
              0, 0, 0, CELL_BIT);
    }
    for (size_t k = 0; k < w->sum.count && !w->failed; k++) {
        tallied t = w->sum.used[k];
        w->failed |= !push_pair(w->allocator, &job->lists[row], t.zone, w->sum.areas[t.slot]);
    }
    tally_clear(&w->sum);
    if (w->failed) atomic_store_explicit(&job->failed, 1, memory_order_relaxed);
}

ucid_status ucid_zones_areas(const ucid_zones *zones, int threads, double *area_m2, ucid_error *error)
{
    if (zones == NULL || threads < 1 || area_m2 == NULL) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "areas need zones, an array and at least one thread");
    }
    area_job job = {.zones = zones};
    ucid_status done = open_job(&job, threads, zones->rows, error);
    if (done == UCID_OK) {
        ucid_parallel(job.worker_count, job.tasks, area_band, &job);
        if (job.failed) done = ucid_fail_memory(error, "areas of zones", (size_t)zones->zone_count * sizeof(double));
    }
    if (done == UCID_OK) { /* band by band, whoever took them: the same sums */
        memset(area_m2, 0, (size_t)zones->zone_count * sizeof *area_m2);
        for (int64_t row = 0; row < job.tasks; row++) {
            const pair_list *list = &job.lists[row];
            for (size_t k = 0; k < list->count; k++) area_m2[list->zones[k]] += list->areas[k];
        }
        for (int64_t k = 0; k < zones->zone_count; k++) area_m2[k] *= SQUARE_M;
    }
    close_job(&job);
    return done;
}
