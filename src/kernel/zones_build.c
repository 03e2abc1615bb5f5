/* zones_build.c: compiling zones.
 *
 * A place is in a zone if a ray from it to the east crosses the zone's edges an odd number of times. All is in
 * integers; a place counts as moved by (e, e^2), e smaller than anything, so no ray ever meets a corner and no place
 * lies on an edge: of zones that share a border each place is in exactly one.
 *
 * Within a cell the ray is bent. It runs east to the cell's last column and from there south to the cell's last place,
 * its foot, whose zones are known:
 *
 *      +---------------+
 *      | place -----+  |
 *      |            |  |
 *      |            |  |
 *      +-------- foot -+
 *
 * An edge that the ray meets within the cell is met all the same. One that goes out through the wall, the way south, is
 * met by the straight ray for lo <= y < hi and by the bent one for y above where it crosses the wall and, left of it,
 * below. These two differ exactly for the places above the edge's eastern end. So the test of a straight ray, with one
 * more edge that rises from that height beyond the wall, answers for the bent one.
 *
 * Hence a cell needs only the edges that enter it, none beyond. Its foot's zones are those of the next foot to the
 * east, changed by the edges that cross the line between; east of the whole grid there are none.
 *
 * Edges that lie on one another are one edge that changes several zones; edges that change the same zones are a group.
 *
 * Cost: two passes over the edges sort them into the grid, then each cell is divided until few edges are left in its
 * parts; together some 100 ns an edge. Memory: 8 bytes a corner, at most 4 an edge for the sorting, 16 a border edge.
 */
#include "kernel/zones_build.h"

#include "rt/error.h"
#include "rt/memory.h"
#include "rt/pool.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    LEAF_EDGES = 24, /* a cell of more is divided */
    GRID_BITS = 7,   /* into at most 2^7 * 2^7 */
    EDGE_GROWTH = 8, /* but not where that copies edges more often than this */
    CELLS_LEAST = 4096,
    CELLS_MOST = 1 << 21,
    ROWS_MOST = 1 << 13,
    PARTS_MOST = 8, /* of the edges, when they are sorted into the grid */
};

/* --------------------------------------------------------------------------------------------- edges and the grid --
 */

/* An edge on the plane, or relative to a cell, from its lower end a to b; of one along a parallel a is the western. */
typedef struct span {
    int64_t ax, ay, bx, by;
} span;

static span upward(int64_t ax, int64_t ay, int64_t bx, int64_t by)
{
    if (ay < by || (ay == by && ax <= bx)) return (span){ax, ay, bx, by};
    return (span){bx, by, ax, ay};
}

static int64_t floor_div(int64_t a, int64_t b) /* b > 0 */
{
    int64_t q = a / b;
    return q - (a % b < 0);
}
static int64_t ceil_div(int64_t a, int64_t b) { return -floor_div(-a, b); }

/* First cell to the west of which a line at height y, ay <= y < by, has the edge to its east: column of ceil(x). */
static int64_t column_at(const span *e, int64_t y, int shift)
{
    return (e->ax + ceil_div((y - e->ay) * (e->bx - e->ax), e->by - e->ay)) >> shift;
}

/* Where an edge crosses the way south along column x: the least y from which the way meets it; -1 where it does not. */
static int64_t wall_at(const span *e, int64_t x, int64_t none)
{
    int64_t dx = e->bx - e->ax, dy = e->by - e->ay;
    if (dx >= 0 ? e->ax > x || e->bx <= x : e->bx > x || e->ax <= x) return none;
    if (dy == 0) return e->ay;
    return dx > 0 ? e->ay + floor_div((x - e->ax) * dy, dx) + 1 : e->ay + ceil_div((e->ax - x) * dy, -dx);
}

/* Cells of a grid that an edge may enter, row by row; a few too many. */
typedef struct walk {
    span e;
    int shift;
    int64_t row, last_row, cols;
    int64_t west, east; /* columns of the row */
} walk;

static int64_t clamp(int64_t v, int64_t low, int64_t high) { return v < low ? low : v > high ? high : v; }

static walk walk_start(span e, int shift, int64_t cols, int64_t rows)
{
    walk w = {.e = e, .shift = shift, .cols = cols};
    int64_t low = e.ay >> shift, high = e.by >> shift;
    w.row = low < 0 ? -1 : low - 1;
    w.last_row = high < rows ? high : rows - 1;
    return w;
}

static int walk_next(walk *w)
{
    const span *e = &w->e;
    while (++w->row <= w->last_row) {
        int64_t bottom = w->row << w->shift, top = bottom + ((int64_t)1 << w->shift) - 1;
        int64_t from = e->ax, to = e->bx, dx = e->bx - e->ax, dy = e->by - e->ay;
        if (e->ay < bottom) from = e->ax + floor_div((bottom - e->ay) * dx, dy) + (dx < 0);
        if (e->by > top) to = e->ax + floor_div((top - e->ay) * dx, dy) + (dx > 0);
        int64_t west = (from < to ? from : to) >> w->shift, east = (from < to ? to : from) >> w->shift;
        if (east < 0 || west >= w->cols) continue;
        w->west = west < 0 ? 0 : west, w->east = east < w->cols ? east : w->cols - 1;
        return 1;
    }
    return 0;
}

/* A change of the zones of feet west of a column. */
typedef struct event {
    uint32_t col;
    int32_t zone;
} event;

/* One part of the edges: whole rings, and in the last part the turned edges. */
typedef struct part {
    size_t first_ring, end_ring;
    int with_turned;
    uint32_t *cells; /* [cells] first counts of words, then where the part's next one of a cell goes */
    uint32_t *rows;  /* [rows] the same for events */
} part;

typedef struct band_words {
    uint32_t *words;
    size_t count, capacity;
} band_words;

typedef struct grouping grouping;

typedef struct build {
    const ucid_zones_builder *from;
    const ucid_allocator *allocator;
    int shift, fill;
    int64_t x0, y0; /* of the grid's first cell */
    uint32_t cols, rows;
    part parts[PARTS_MOST];
    int part_count;
    uint64_t *cell_first; /* [cells + 1] of edges */
    uint64_t *row_first;  /* [rows + 1] of events */
    uint32_t *edges;      /* numbers, ascending in a cell; of a stretch of them the last, then the first */
    event *events;
    uint32_t *codes;
    zones_band *bands; /* [rows] */
    grouping *workers;
    _Atomic int out_of_memory;
} build;

static span edge_get(const build *b, uint32_t i)
{
    const ucid_zones_builder *from = b->from;
    if (i < from->corner_count) {
        const corner *p = &from->corners[i], *q = p + 1;
        return upward(p->x - b->x0, p->y - b->y0, q->x - b->x0, q->y - b->y0);
    }
    const turned_edge *e = &from->turned[i - from->corner_count];
    return upward(e->ax - b->x0, e->ay - b->y0, e->bx - b->x0, e->by - b->y0);
}

/* Edges that follow each other in one cell. */
typedef struct stretch {
    uint32_t *slot; /* of the cell; NULL: no edges */
    uint32_t first, last;
} stretch;

/* Count a stretch in its cell, or put it there. */
static void end_stretch(const build *b, stretch *r)
{
    if (r->slot == NULL) return;
    if (b->fill) b->edges[*r->slot] = r->last;
    if (b->fill && r->first < r->last) b->edges[*r->slot + 1] = r->first;
    *r->slot += r->first < r->last ? 2 : 1;
    r->slot = NULL;
}

/* The same for an edge of several cells, and for its events. */
static void sort_edge(build *b, part *p, uint32_t i, int32_t zone)
{
    span e = edge_get(b, i);
    int shift = b->shift;
    walk w = walk_start(e, shift, b->cols, b->rows);
    while (walk_next(&w)) {
        for (int64_t col = w.west; col <= w.east; col++) {
            stretch alone = {&p->cells[w.row * b->cols + col], i, i};
            end_stretch(b, &alone);
        }
    }
    if (e.ay == e.by) return;
    int64_t first = (e.ay + ((int64_t)1 << shift) - 1) >> shift, last = (e.by - 1) >> shift;
    if (first < 0) first = 0;
    if (last >= b->rows) last = b->rows - 1;
    for (int64_t row = first; row <= last; row++) {
        int64_t col = column_at(&e, row << shift, shift);
        if (col <= 0) continue;
        if (b->fill) b->events[p->rows[row]] = (event){(uint32_t)clamp(col, 0, b->cols), zone};
        p->rows[row]++;
    }
}

/* Most edges stay in a cell, as the one before did, and meet no line between rows. */
static void sort_ring(build *b, part *p, size_t first, size_t end, int32_t zone)
{
    const corner *corners = b->from->corners;
    uint32_t x0 = (uint32_t)b->x0, y0 = (uint32_t)b->y0, line = ((uint32_t)1 << b->shift) - 1;
    stretch open = {0};
    for (size_t i = first; i + 1 < end; i++) {
        uint32_t ax = corners[i].x - x0, ay = corners[i].y - y0, bx = corners[i + 1].x - x0, by = corners[i + 1].y - y0;
        if (((ax ^ bx) | (ay ^ by)) >> b->shift != 0 || (ay & line) == 0 || (by & line) == 0) {
            end_stretch(b, &open);
            sort_edge(b, p, (uint32_t)i, zone);
            continue;
        }
        uint32_t *slot = &p->cells[(size_t)(ay >> b->shift) * b->cols + (ax >> b->shift)];
        if (slot != open.slot) {
            end_stretch(b, &open);
            open = (stretch){slot, (uint32_t)i, (uint32_t)i};
        }
        open.last = (uint32_t)i;
    }
    end_stretch(b, &open);
}

static void sort_part(void *ctx, int64_t task, int worker)
{
    (void)worker;
    build *b = ctx;
    part *p = &b->parts[task];
    const ucid_zones_builder *from = b->from;
    for (size_t r = p->first_ring; r < p->end_ring; r++) {
        size_t end = r + 1 < from->ring_count ? from->rings[r + 1].first : from->corner_count;
        sort_ring(b, p, from->rings[r].first, end, from->rings[r].zone);
    }
    for (size_t i = 0; p->with_turned && i < from->turned_count; i++) {
        sort_edge(b, p, (uint32_t)(from->corner_count + i), from->turned[i].zone);
    }
}

/* ------------------------------------------------------------------------------------------------ one cell's parts --
 */

/* Zones, ascending. */
typedef struct zone_set {
    int32_t *zones;
    size_t count, capacity;
} zone_set;

/* An edge of the cell at hand: relative to the grid's cell; what lies on it is one with it. */
typedef struct local_edge {
    zones_edge e;
    int32_t group;
    int32_t zone; /* first zone that it changes; more in a chain */
    uint32_t more;
} local_edge;

typedef struct chained_zone {
    int32_t zone;
    uint32_t next;
} chained_zone;

typedef struct group {
    size_t first, count; /* of group_zones */
    uint32_t hash;
} group;

/* An edge of a leaf. */
typedef struct leaf_edge {
    zones_edge e;
    int32_t group;
} leaf_edge;

/* A change within a divided cell: at the line of a row, of the feet west of a column; or, col = WALL, of the row's
 * eastern foot and those of the rows above. */
typedef struct grid_event {
    uint16_t row, col;
    int32_t group;
} grid_event;
enum { WALL = UINT16_MAX };
#define MANY UINT32_MAX /* parts of a cell */

/* What a worker needs; grows, and is used again for each cell. */
struct grouping {
    const ucid_allocator *allocator;
    band_words out; /* of the band at hand */
    int failed;
    local_edge *edges;
    chained_zone *chain;
    group *groups;
    int32_t *group_zones;
    uint32_t *edge_slots, *group_slots, *set_slots; /* hash tables of positions + 1; sizes are powers of two */
    leaf_edge *leaf;
    uint32_t *stack; /* lists of edges of the cells that are being divided, and their counts and codes */
    grid_event *events;
    zone_set sets[64]; /* two for each level */
    zone_set answer;
    size_t edge_count, chain_count, group_count, group_zone_count, leaf_count, stack_count, event_count, set_count;
    size_t edge_slot_count, group_slot_count, set_slot_count; /* in use: as few as are enough */
    size_t edge_capacity, chain_capacity, group_capacity, group_zone_capacity, leaf_capacity, stack_capacity,
        event_capacity, edge_slot_capacity, group_slot_capacity, set_slot_capacity;
};

static int reserve(grouping *g, void *pointer, size_t *capacity, size_t needed, size_t item)
{
    void *ptr;
    memcpy(&ptr, pointer, sizeof ptr);
    if (g->failed || !ucid_grow(g->allocator, &ptr, capacity, needed, item)) {
        g->failed = 1;
        return 0;
    }
    memcpy(pointer, &ptr, sizeof ptr);
    return 1;
}

static int set_assign(grouping *g, zone_set *to, const zone_set *from)
{
    if (!reserve(g, &to->zones, &to->capacity, from->count, sizeof(int32_t))) return 0;
    if (from->count > 0) memcpy(to->zones, from->zones, from->count * sizeof(int32_t));
    to->count = from->count;
    return 1;
}

/* In becomes out, out becomes in. */
static int set_toggle(grouping *g, zone_set *set, int32_t zone)
{
    size_t low = 0, high = set->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (set->zones[middle] < zone) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low < set->count && set->zones[low] == zone) {
        set->count--;
        memmove(set->zones + low, set->zones + low + 1, (set->count - low) * sizeof zone);
        return 1;
    }
    if (!reserve(g, &set->zones, &set->capacity, set->count + 1, sizeof zone)) return 0;
    memmove(set->zones + low + 1, set->zones + low, (set->count - low) * sizeof zone);
    set->zones[low] = zone;
    set->count++;
    return 1;
}

static void set_toggle_group(grouping *g, zone_set *set, int32_t which)
{
    const group *all = &g->groups[which];
    for (size_t k = 0; k < all->count; k++) set_toggle(g, set, g->group_zones[all->first + k]);
}

/* Room for words, at the next 16 bytes; their place is *offset. */
static uint32_t *emit(grouping *g, size_t count, uint32_t *offset)
{
    size_t padded = (count + 3) & ~(size_t)3, at = g->out.count;
    if (!reserve(g, &g->out.words, &g->out.capacity, at + padded, sizeof(uint32_t))) return NULL;
    if ((at + padded) / 4 >= 1u << 26) { /* what a code of a grid can tell */
        g->failed = 1;
        return NULL;
    }
    g->out.count += padded;
    for (size_t k = count; k < padded; k++) g->out.words[at + k] = 0;
    *offset = (uint32_t)(at / 4);
    return g->out.words + at;
}

static uint32_t hash_zones(const int32_t *zones, size_t count)
{
    uint64_t hash = 0x9E3779B97F4A7C15u;
    for (size_t k = 0; k < count; k++) hash = (hash ^ (uint32_t)zones[k]) * 0xD6E8FEB86659FD93u;
    return (uint32_t)(hash >> 32);
}

/* Empty a hash table of at least twice the entries: how many slots it has, 0 where there is no memory. */
static size_t slots_clear(grouping *g, uint32_t **slots, size_t *capacity, size_t entries)
{
    size_t needed = 16;
    while (needed < 2 * entries) needed *= 2;
    if (needed > *capacity) {
        uint32_t *made = ucid_allocate(g->allocator, needed, sizeof **slots);
        if (made == NULL) {
            g->failed = 1;
            return 0;
        }
        ucid_release(g->allocator, *slots, *capacity, sizeof **slots);
        *slots = made, *capacity = needed;
    }
    memset(*slots, 0, needed * sizeof **slots);
    return needed;
}

/* Code of a set of zones; a set of several is stored once a band. */
static uint32_t set_code(grouping *g, const zone_set *set)
{
    if (set->count == 0) return 0;
    if (set->count == 1) return zones_zone_code(set->zones[0]);
    if (2 * (g->set_count + 1) > g->set_slot_count) { /* grow: put all in again */
        uint32_t *old = g->set_slots;
        size_t old_capacity = g->set_slot_capacity, old_count = g->set_slot_count, wanted = 4 * (g->set_count + 1);
        g->set_slots = NULL, g->set_slot_capacity = 0;
        g->set_slot_count = slots_clear(g, &g->set_slots, &g->set_slot_capacity, wanted);
        if (g->set_slot_count > 0) {
            for (size_t k = 0; k < old_count; k++) {
                if (old[k] == 0) continue;
                const uint32_t *words = g->out.words + 4 * (size_t)(old[k] - 1);
                size_t at = hash_zones((const int32_t *)(words + 1), words[0]) & (g->set_slot_count - 1);
                while (g->set_slots[at] != 0) at = (at + 1) & (g->set_slot_count - 1);
                g->set_slots[at] = old[k];
            }
        }
        ucid_release(g->allocator, old, old_capacity, sizeof *old);
        if (g->failed) return 0;
    }
    size_t at = hash_zones(set->zones, set->count) & (g->set_slot_count - 1);
    for (; g->set_slots[at] != 0; at = (at + 1) & (g->set_slot_count - 1)) {
        const uint32_t *words = g->out.words + 4 * (size_t)(g->set_slots[at] - 1);
        if (words[0] == set->count && memcmp(words + 1, set->zones, set->count * sizeof(int32_t)) == 0) {
            return (g->set_slots[at] - 1) << 3 | ZONES_SET;
        }
    }
    uint32_t offset, *words = emit(g, 1 + set->count, &offset);
    if (words == NULL) return 0;
    words[0] = (uint32_t)set->count;
    memcpy(words + 1, set->zones, set->count * sizeof(int32_t));
    g->set_slots[at] = offset + 1;
    g->set_count++;
    return offset << 3 | ZONES_SET;
}

/* ---------------------------------------------------------------------------------------------------------- leaves --
 */

static span relative(const zones_edge *e, int64_t x, int64_t y)
{
    return (span){e->ax - x, e->ay - y, e->bx - x, e->by - y};
}

static int push_leaf(grouping *g, zones_edge e, int32_t which)
{
    if (!reserve(g, &g->leaf, &g->leaf_capacity, g->leaf_count + 1, sizeof(leaf_edge))) return 0;
    g->leaf[g->leaf_count++] = (leaf_edge){e, which};
    return 1;
}

/* What an edge does in a cell of places 0..last, as the drawing above has it: it is listed, or not; and where it goes
 * out through the wall, it gets its companion, or changes the zones of the foot where that reaches all places. */
static void clip_edge(grouping *g, const span *e, int64_t last, int32_t which, zone_set *state)
{
    int64_t dx = e->bx - e->ax, dy = e->by - e->ay, low = e->ay < 0 ? 0 : e->ay,
            high = e->by <= last ? e->by - 1 : last;
    int64_t wall = wall_at(e, last, -1);
    int listed = dy > 0 && low <= high;
    if (wall > 0 && wall <= last) {
        int64_t end = dx > 0 ? e->by : e->ay;
        if (end <= 0) {
            set_toggle_group(g, state, which);
        } else if (end <= last) {
            push_leaf(g, (zones_edge){(int32_t)last + 1, (int32_t)end, (int32_t)last + 1, ZONES_WALL}, which);
        }
    } else if (listed) {
        int64_t reach = dx > 0 ? high : low;
        listed = (low - e->ay) * dx <= (last - e->ax) * dy && (reach - e->ay) * dx > -e->ax * dy;
    }
    if (listed) {
        push_leaf(g, (zones_edge){(int32_t)e->ax, (int32_t)e->ay, (int32_t)e->bx, (int32_t)e->by}, which);
    }
}

static int by_group(const void *left, const void *right)
{
    const leaf_edge *l = left, *r = right;
    if (l->group != r->group) return l->group < r->group ? -1 : 1;
    if (l->e.ay != r->e.ay) return l->e.ay < r->e.ay ? -1 : 1;
    if (l->e.by != r->e.by) return l->e.by < r->e.by ? -1 : 1;
    if (l->e.ax != r->e.ax) return l->e.ax < r->e.ax ? -1 : 1;
    return (l->e.bx > r->e.bx) - (l->e.bx < r->e.bx);
}

/* By group: there are few, and edges of one lie together mostly. */
static void sort_leaf(grouping *g)
{
    if (g->leaf_count > 4 * LEAF_EDGES) {
        qsort(g->leaf, g->leaf_count, sizeof *g->leaf, by_group);
        return;
    }
    for (size_t k = 1; k < g->leaf_count; k++) {
        leaf_edge edge = g->leaf[k];
        size_t at = k;
        for (; at > 0 && by_group(&edge, &g->leaf[at - 1]) < 0; at--) g->leaf[at] = g->leaf[at - 1];
        g->leaf[at] = edge;
    }
}

/* Two companions at one height undo each other. */
static void cancel_companions(grouping *g)
{
    size_t kept = 0;
    for (size_t k = 0; k < g->leaf_count; k++) {
        const leaf_edge *edge = &g->leaf[k], *last = kept > 0 ? &g->leaf[kept - 1] : NULL;
        if (last != NULL && edge->e.by == ZONES_WALL && last->e.by == ZONES_WALL && by_group(edge, last) == 0) {
            kept--;
        } else {
            g->leaf[kept++] = *edge;
        }
    }
    g->leaf_count = kept;
}

static uint32_t emit_table(grouping *g, uint32_t groups, const zone_set *state)
{
    uint32_t code[1 << ZONES_GROUPS_MAX], ends[ZONES_GROUPS_MAX], offset;
    int32_t number[ZONES_GROUPS_MAX];
    uint32_t found = 0;
    for (size_t k = 0; k < g->leaf_count; k++) {
        if (k == 0 || g->leaf[k].group != g->leaf[k - 1].group) number[found++] = g->leaf[k].group;
        ends[found - 1] = (uint32_t)k + 1;
    }
    for (uint32_t mask = 0; mask < 1u << groups; mask++) {
        if (!set_assign(g, &g->answer, state)) return 0;
        for (uint32_t k = 0; k < groups; k++) {
            if (mask >> k & 1u) set_toggle_group(g, &g->answer, number[k]);
        }
        code[mask] = set_code(g, &g->answer);
    }
    size_t head = ((size_t)groups + (1u << groups) + 3) & ~(size_t)3;
    uint32_t *words = emit(g, head + 4 * g->leaf_count, &offset);
    if (words == NULL) return 0;
    memset(words, 0, head * sizeof *words);
    words[0] = (uint32_t)g->leaf_count << 3 | groups;
    for (uint32_t k = 0; k + 1 < groups; k++) words[1 + k] = ends[k];
    memcpy(words + groups, code, (sizeof *code) << groups);
    for (size_t k = 0; k < g->leaf_count; k++) memcpy(words + head + 4 * k, &g->leaf[k].e, sizeof(zones_edge));
    return offset << 3 | ZONES_TABLE;
}

static int is_in(const int32_t *zones, size_t count, int32_t zone)
{
    for (size_t k = 0; k < count; k++) {
        if (zones[k] == zone) return 1;
    }
    return 0;
}

static uint32_t emit_list(grouping *g, const zone_set *state)
{
    zone_set *zones = &g->answer; /* all that are inside somewhere */
    if (!set_assign(g, zones, state)) return 0;
    size_t total = 0;
    for (size_t k = 0; k < g->leaf_count; k++) {
        const group *changed = &g->groups[g->leaf[k].group];
        total += changed->count;
        if (k > 0 && g->leaf[k].group == g->leaf[k - 1].group) continue;
        for (size_t z = 0; z < changed->count; z++) {
            int32_t zone = g->group_zones[changed->first + z];
            size_t low = 0;
            while (low < zones->count && zones->zones[low] < zone) low++;
            if (low == zones->count || zones->zones[low] != zone) set_toggle(g, zones, zone);
        }
    }
    size_t head = (1 + 2 * zones->count + 3) & ~(size_t)3, end = 0;
    uint32_t offset, *words = emit(g, head + 4 * total, &offset);
    if (words == NULL || total >= 1u << 31) {
        g->failed = 1;
        return 0;
    }
    memset(words, 0, head * sizeof *words);
    words[0] = (uint32_t)zones->count;
    for (size_t z = 0; z < zones->count; z++) {
        int32_t zone = zones->zones[z];
        for (size_t k = 0; k < g->leaf_count; k++) {
            const group *changed = &g->groups[g->leaf[k].group];
            if (!is_in(g->group_zones + changed->first, changed->count, zone)) continue;
            memcpy(words + head + 4 * end++, &g->leaf[k].e, sizeof(zones_edge));
        }
        words[1 + 2 * z] = (uint32_t)zone;
        words[2 + 2 * z] = (uint32_t)end | (uint32_t)is_in(state->zones, state->count, zone) << 31;
    }
    return offset << 3 | ZONES_LIST;
}

/* Code of a cell with its corner at x, y and the edges stack[first .. first + n); state: zones of its foot. */
static uint32_t make_leaf(grouping *g, size_t first, size_t n, int shift, int64_t x, int64_t y, zone_set *state)
{
    int64_t last = ((int64_t)1 << shift) - 1;
    g->leaf_count = 0;
    for (size_t k = 0; k < n; k++) {
        const local_edge *edge = &g->edges[g->stack[first + k]];
        span e = relative(&edge->e, x, y);
        clip_edge(g, &e, last, edge->group, state);
    }
    if (g->failed) return 0;
    if (g->leaf_count == 0) return set_code(g, state);
    sort_leaf(g);
    cancel_companions(g);
    uint32_t groups = 0;
    for (size_t k = 0; k < g->leaf_count; k++) groups += k == 0 || g->leaf[k].group != g->leaf[k - 1].group;
    if (groups == 0) return set_code(g, state);
    return groups <= ZONES_GROUPS_MAX && g->leaf_count < 1u << 28 ? emit_table(g, groups, state) : emit_list(g, state);
}

/* ------------------------------------------------------------------------------------------------------- dividing --
 */

static int push_event(grouping *g, int64_t row, int64_t col, int32_t which)
{
    if (!reserve(g, &g->events, &g->event_capacity, g->event_count + 1, sizeof *g->events)) return 0;
    g->events[g->event_count++] = (grid_event){(uint16_t)row, (uint16_t)col, which};
    return 1;
}

static int by_row(const void *left, const void *right)
{
    const grid_event *l = left, *r = right;
    if (l->row != r->row) return l->row < r->row ? -1 : 1;
    if (l->col != r->col) return l->col > r->col ? -1 : 1; /* the wall, then columns from the east */
    return (l->group > r->group) - (l->group < r->group);
}

/* How an edge changes the zones of the feet of a divided cell, e relative to it. */
static void push_events(grouping *g, const span *e, int shift, int64_t dim, int32_t which)
{
    int64_t wall = wall_at(e, (dim << shift) - 1, -1), row = (wall + ((int64_t)1 << shift) - 1) >> shift;
    if (wall > 0 && row < dim) push_event(g, row, WALL, which);
    if (e->ay == e->by) return;
    int64_t first = (e->ay + ((int64_t)1 << shift) - 1) >> shift, last = (e->by - 1) >> shift;
    if (first < 0) first = 0;
    if (last >= dim) last = dim - 1;
    for (row = first; row <= last; row++) {
        int64_t col = column_at(e, row << shift, shift);
        if (col > 0 && col < dim) push_event(g, row, col, which);
    }
}

static uint32_t divide(grouping *g, size_t first, size_t n, int shift, int64_t x, int64_t y, int level, size_t budget);

/* Codes of the children into stack[codes ..]; lists: where the children's lists end. */
static void make_children(grouping *g, size_t codes, size_t ends, size_t lists, size_t events, int shift, int bits,
                          int64_t x, int64_t y, int level, size_t budget, size_t total)
{
    uint32_t dim = 1u << bits;
    zone_set *east = &g->sets[2 * level], *here = &g->sets[2 * level + 1];
    size_t at = events, end = g->event_count;
    for (uint32_t row = 0; row < dim && !g->failed; row++) {
        for (; at < end && g->events[at].row == row && g->events[at].col == WALL; at++) {
            set_toggle_group(g, east, g->events[at].group);
        }
        set_assign(g, here, east);
        uint32_t code = 0;
        int known = 0;
        for (uint32_t col = dim; col-- > 0 && !g->failed;) {
            for (; at < end && g->events[at].row == row && g->events[at].col > col; at++, known = 0) {
                set_toggle_group(g, here, g->events[at].group);
            }
            size_t cell = (size_t)row << bits | col, list = cell > 0 ? g->stack[ends + cell - 1] : 0;
            size_t count = g->stack[ends + cell] - list;
            if (count == 0) {
                if (!known) code = set_code(g, here);
                known = 1;
                g->stack[codes + cell] = code;
                continue;
            }
            if (!set_assign(g, &g->sets[2 * level + 2], here)) return;
            uint32_t child = divide(g, lists + list, count, shift, x + ((int64_t)col << shift),
                                    y + ((int64_t)row << shift), level + 1, budget * count / total);
            g->stack[codes + cell] = child;
        }
    }
}

/* The part that all of an edge lies in, of a cell of 2^shift that is divided into such of 2^part_shift; MANY: of
 * several, or not in the cell. */
static uint32_t only_child(const zones_edge *e, int64_t x, int64_t y, int shift, int part_shift)
{
    uint32_t ax = (uint32_t)(e->ax - x), ay = (uint32_t)(e->ay - y), bx = (uint32_t)(e->bx - x),
             by = (uint32_t)(e->by - y);
    if ((ax | ay | bx | by) >> shift != 0 || ((ax ^ bx) | (ay ^ by)) >> part_shift != 0) return MANY;
    return (ay >> part_shift) << (shift - part_shift) | ax >> part_shift;
}

/* Code of the cell of 2^shift with its corner at x, y (relative to the grid's cell) and the edges stack[first .. first
 * + n); sets[2 * level] holds the zones of its foot, and may be changed. budget: most edges that its parts may list. */
static uint32_t divide(grouping *g, size_t first, size_t n, int shift, int64_t x, int64_t y, int level, size_t budget)
{
    if (n <= LEAF_EDGES || shift == 0 || level >= 30) return make_leaf(g, first, n, shift, x, y, &g->sets[2 * level]);
    int bits = 1;
    while (bits < GRID_BITS && bits < shift && (size_t)1 << (2 * bits + 2) <= n / 2) bits++;
    int part_shift = shift - bits;
    size_t cells = (size_t)1 << 2 * bits, ends = g->stack_count, codes = ends + cells;
    size_t places = codes + cells, lists = places + n;
    if (!reserve(g, &g->stack, &g->stack_capacity, lists, sizeof *g->stack)) return 0;
    memset(g->stack + ends, 0, cells * sizeof *g->stack);
    for (size_t k = 0; k < n; k++) { /* count the children's edges, */
        const zones_edge *near = &g->edges[g->stack[first + k]].e;
        uint32_t place = only_child(near, x, y, shift, part_shift);
        g->stack[places + k] = place;
        if (place != MANY) {
            g->stack[ends + place]++;
            continue;
        }
        span e = relative(near, x, y);
        walk w = walk_start(e, part_shift, 1 << bits, 1 << bits);
        while (walk_next(&w)) {
            for (int64_t col = w.west; col <= w.east; col++) g->stack[ends + ((size_t)w.row << bits | (size_t)col)]++;
        }
    }
    size_t total = 0;
    for (size_t k = 0; k < cells; k++) {
        size_t count = g->stack[ends + k];
        g->stack[ends + k] = (uint32_t)total;
        total += count;
    }
    if (total > budget || !reserve(g, &g->stack, &g->stack_capacity, lists + total, sizeof *g->stack)) {
        return make_leaf(g, first, n, shift, x, y, &g->sets[2 * level]);
    }
    g->stack_count = lists + total;
    size_t events = g->event_count;
    for (size_t k = 0; k < n; k++) { /* and put them there; then ends are ends */
        uint32_t number = g->stack[first + k], place = g->stack[places + k];
        span e = relative(&g->edges[number].e, x, y);
        if (place != MANY) {
            g->stack[lists + g->stack[ends + place]++] = number;
            int quiet = (e.ay & (((int64_t)1 << part_shift) - 1)) != 0 && ((place + 1) & ((1u << bits) - 1)) != 0;
            if (quiet) continue; /* no line between rows is met, nor the wall */
            push_events(g, &e, part_shift, 1 << bits, g->edges[number].group);
            continue;
        }
        walk w = walk_start(e, part_shift, 1 << bits, 1 << bits);
        while (walk_next(&w)) {
            for (int64_t col = w.west; col <= w.east; col++) {
                g->stack[lists + g->stack[ends + ((size_t)w.row << bits | (size_t)col)]++] = number;
            }
        }
        push_events(g, &e, part_shift, 1 << bits, g->edges[number].group);
    }
    if (g->event_count > events) qsort(g->events + events, g->event_count - events, sizeof *g->events, by_row);
    make_children(g, codes, ends, lists, events, part_shift, bits, x, y, level, budget, total);
    g->event_count = events;
    g->stack_count = ends;
    if (g->failed) return 0;
    int same = zones_tag(g->stack[codes]) <= ZONES_SET;
    for (size_t k = 1; k < cells && same; k++) same = g->stack[codes + k] == g->stack[codes];
    if (same) return g->stack[codes];
    uint32_t offset, *words = emit(g, cells, &offset);
    if (words == NULL) return 0;
    memcpy(words, g->stack + codes, cells * sizeof *words);
    return offset << 6 | (uint32_t)bits << 3 | ZONES_GRID;
}

/* -------------------------------------------------------------------------------------------------- a cell, a band --
 */

/* The ring of a corner, from the one of the corner before. */
static size_t ring_of(const ucid_zones_builder *from, size_t at, size_t ring_at)
{
    if (ring_at + 1 >= from->ring_count || at < from->rings[ring_at + 1].first) return ring_at;
    size_t low = ring_at + 1, high = from->ring_count;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (from->rings[middle].first <= at) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Add an edge to the cell's; one that is there already changes one zone more. */
static void add_edge(grouping *g, zones_edge e, int32_t zone)
{
    uint64_t hash = ((uint64_t)(uint32_t)e.ax << 32 | (uint32_t)e.ay) * 0x9E3779B97F4A7C15u;
    hash = (hash ^ hash >> 29 ^ ((uint64_t)(uint32_t)e.bx << 32 | (uint32_t)e.by)) * 0xD6E8FEB86659FD93u;
    size_t mask = g->edge_slot_count - 1, at = (size_t)(hash >> 40) & mask;
    for (; g->edge_slots[at] != 0; at = (at + 1) & mask) {
        local_edge *there = &g->edges[g->edge_slots[at] - 1];
        if (there->e.ax != e.ax || there->e.ay != e.ay || there->e.bx != e.bx || there->e.by != e.by) continue;
        if (!reserve(g, &g->chain, &g->chain_capacity, g->chain_count + 1, sizeof *g->chain)) return;
        g->chain[g->chain_count++] = (chained_zone){zone, there->more};
        there->more = (uint32_t)g->chain_count; /* position + 1 */
        return;
    }
    g->edges[g->edge_count] = (local_edge){e, -1, zone, 0};
    g->edge_slots[at] = (uint32_t)++g->edge_count;
}

static int32_t group_of(grouping *g, const zone_set *zones)
{
    uint32_t hash = hash_zones(zones->zones, zones->count);
    size_t mask = g->group_slot_count - 1, at = hash & mask;
    for (; g->group_slots[at] != 0; at = (at + 1) & mask) {
        const group *there = &g->groups[g->group_slots[at] - 1];
        if (there->hash == hash && there->count == zones->count &&
            memcmp(g->group_zones + there->first, zones->zones, zones->count * sizeof(int32_t)) == 0) {
            return (int32_t)g->group_slots[at] - 1;
        }
    }
    size_t needed = g->group_zone_count + zones->count;
    if (!reserve(g, &g->groups, &g->group_capacity, g->group_count + 1, sizeof(group)) ||
        !reserve(g, &g->group_zones, &g->group_zone_capacity, needed, sizeof(int32_t))) {
        return 0;
    }
    memcpy(g->group_zones + g->group_zone_count, zones->zones, zones->count * sizeof(int32_t));
    g->groups[g->group_count] = (group){g->group_zone_count, zones->count, hash};
    g->group_zone_count = needed;
    g->group_slots[at] = (uint32_t)++g->group_count;
    return (int32_t)g->group_count - 1;
}

/* The edge or the stretch of edges at *k, which goes behind it. */
static stretch stretch_at(const build *b, uint64_t *k, uint64_t end)
{
    uint32_t last = b->edges[(*k)++];
    if (*k == end || b->edges[*k] > last) return (stretch){NULL, last, last};
    return (stretch){NULL, b->edges[(*k)++], last};
}

/* The cell's edges as few as they are, and their groups; edges that change nothing go. */
static void load_cell(build *b, grouping *g, uint64_t first, uint64_t end, int64_t x, int64_t y)
{
    const ucid_zones_builder *from = b->from;
    size_t n = 0, kept = 0, ring_at = 0;
    for (uint64_t k = first; k < end;) {
        stretch r = stretch_at(b, &k, end);
        n += r.last - r.first + (size_t)1;
    }
    g->edge_count = g->chain_count = g->group_count = g->group_zone_count = 0;
    if (!reserve(g, &g->edges, &g->edge_capacity, n, sizeof *g->edges)) return;
    g->edge_slot_count = slots_clear(g, &g->edge_slots, &g->edge_slot_capacity, n);
    if (g->edge_slot_count == 0) return;
    for (uint64_t k = first; k < end;) {
        stretch r = stretch_at(b, &k, end);
        int turned = r.first >= from->corner_count; /* which are alone */
        if (!turned) ring_at = ring_of(from, r.first, ring_at);
        int32_t zone = turned ? from->turned[r.first - from->corner_count].zone : from->rings[ring_at].zone;
        for (uint64_t i = r.first; i <= r.last; i++) {
            span e = edge_get(b, (uint32_t)i);
            zones_edge near = {(int32_t)(e.ax - x), (int32_t)(e.ay - y), (int32_t)(e.bx - x), (int32_t)(e.by - y)};
            add_edge(g, near, zone);
        }
    }
    g->group_slot_count = slots_clear(g, &g->group_slots, &g->group_slot_capacity, g->edge_count);
    if (g->group_slot_count == 0) return;
    int32_t last_zone = -1, last_other = -1, last_group = -1;
    for (size_t k = 0; k < g->edge_count && !g->failed; k++) {
        local_edge *edge = &g->edges[k];
        const chained_zone *other = edge->more != 0 ? &g->chain[edge->more - 1] : NULL;
        int few = other == NULL || (other->next == 0 && other->zone != edge->zone); /* one zone, or two */
        int32_t other_zone = other != NULL ? other->zone : -1;
        if (few && edge->zone == last_zone && other_zone == last_other) { /* as most edges */
            edge->group = last_group;
            g->edges[kept++] = *edge;
            continue;
        }
        g->answer.count = 0;
        set_toggle(g, &g->answer, edge->zone);
        for (uint32_t more = edge->more; more != 0; more = g->chain[more - 1].next) {
            set_toggle(g, &g->answer, g->chain[more - 1].zone);
        }
        if (g->answer.count == 0) continue;
        edge->group = group_of(g, &g->answer);
        if (few) last_zone = edge->zone, last_other = other_zone, last_group = edge->group;
        g->edges[kept++] = *edge;
    }
    g->edge_count = kept;
}

static int by_column(const void *left, const void *right)
{
    const event *l = left, *r = right;
    if (l->col != r->col) return l->col > r->col ? -1 : 1;
    return (l->zone > r->zone) - (l->zone < r->zone);
}

static uint32_t make_cell(build *b, grouping *g, uint64_t first, uint64_t end, int64_t col, int64_t row,
                          const zone_set *state)
{
    load_cell(b, g, first, end, col << b->shift, row << b->shift);
    if (!set_assign(g, &g->sets[0], state)) return 0;
    if (!reserve(g, &g->stack, &g->stack_capacity, g->edge_count, sizeof *g->stack)) return 0;
    for (size_t k = 0; k < g->edge_count; k++) g->stack[k] = (uint32_t)k;
    g->stack_count = g->edge_count;
    return divide(g, 0, g->edge_count, b->shift, 0, 0, 0, EDGE_GROWTH * g->edge_count + 64);
}

static void make_band(void *ctx, int64_t row, int worker)
{
    build *b = ctx;
    grouping *g = &b->workers[worker];
    if (atomic_load_explicit(&b->out_of_memory, memory_order_relaxed)) return;
    g->out.count = 0;
    g->set_count = 0;
    zone_set state = {0};
    event *events = b->events + b->row_first[row];
    size_t count = (size_t)(b->row_first[row + 1] - b->row_first[row]), at = 0;
    if (count > 0) qsort(events, count, sizeof *events, by_column);
    g->set_slot_count = slots_clear(g, &g->set_slots, &g->set_slot_capacity, 8);
    uint32_t code = 0, *codes = b->codes + (size_t)row * b->cols;
    int known = 1;
    for (int64_t col = b->cols; col-- > 0 && !g->failed;) {
        for (; at < count && events[at].col > col; at++, known = 0) set_toggle(g, &state, events[at].zone);
        const uint64_t *edges = &b->cell_first[(size_t)row * b->cols + (size_t)col];
        if (edges[0] < edges[1]) {
            codes[col] = make_cell(b, g, edges[0], edges[1], col, row, &state);
        } else {
            if (!known) code = set_code(g, &state);
            known = 1;
            codes[col] = code;
        }
    }
    ucid_release(g->allocator, state.zones, state.capacity, sizeof *state.zones);
    if (!g->failed && g->out.count > 0) {
        uint32_t *words = ucid_allocate(g->allocator, g->out.count, sizeof *words);
        if (words != NULL) memcpy(words, g->out.words, g->out.count * sizeof *words);
        g->failed = words == NULL;
        b->bands[row] = (zones_band){words, words != NULL ? g->out.count : 0};
    }
    if (g->failed) atomic_store_explicit(&b->out_of_memory, 1, memory_order_relaxed);
}

/* ------------------------------------------------------------------------------------------------------- the build --
 */

/* Side and place of the grid: as many cells as an eighth of the edges, within limits. */
static void lay_grid(build *b)
{
    const ucid_zones_builder *from = b->from;
    int64_t west = ZONES_WIDTH, east = 0, south = ZONES_HEIGHT, north = 0;
    for (size_t i = 0; i < from->corner_count; i++) {
        int64_t x = from->corners[i].x, y = from->corners[i].y;
        west = x < west ? x : west, east = x > east ? x : east;
        south = y < south ? y : south, north = y > north ? y : north;
    }
    for (size_t i = 0; i < from->turned_count; i++) {
        const turned_edge *e = &from->turned[i];
        int64_t low = e->ax < e->bx ? e->ax : e->bx, high = e->ax < e->bx ? e->bx : e->ax;
        west = low < west ? low : west, east = high > east ? high : east;
        low = e->ay < e->by ? e->ay : e->by, high = e->ay < e->by ? e->by : e->ay;
        south = low < south ? low : south, north = high > north ? high : north;
    }
    if (west > east) west = east = south = north = 0;
    west = clamp(west, 0, ZONES_WIDTH), east = clamp(east, 0, ZONES_WIDTH);
    int64_t edges = (int64_t)(from->corner_count + from->turned_count);
    int64_t most = clamp(edges / 8, CELLS_LEAST, CELLS_MOST), cols, rows;
    for (b->shift = 8;; b->shift++) {
        cols = (east >> b->shift) - (west >> b->shift) + 1, rows = (north >> b->shift) - (south >> b->shift) + 1;
        if (rows <= ROWS_MOST && cols * rows <= most) break;
    }
    b->cols = (uint32_t)cols, b->rows = (uint32_t)rows;
    b->x0 = west >> b->shift << b->shift, b->y0 = south >> b->shift << b->shift;
}

/* Counts become places: cell by cell, and within a cell part by part, so that the edges of a cell are in their order
 * whatever the number of parts. */
static void number_edges(build *b, size_t cells)
{
    uint64_t next = 0;
    for (size_t cell = 0; cell <= cells; cell++) {
        b->cell_first[cell] = next;
        for (int p = 0; cell < cells && p < b->part_count; p++) {
            uint32_t count = b->parts[p].cells[cell];
            b->parts[p].cells[cell] = (uint32_t)next;
            next += count;
        }
    }
    next = 0;
    for (size_t row = 0; row <= b->rows; row++) {
        b->row_first[row] = next;
        for (int p = 0; row < b->rows && p < b->part_count; p++) {
            uint32_t count = b->parts[p].rows[row];
            b->parts[p].rows[row] = (uint32_t)next;
            next += count;
        }
    }
}

static int open_parts(build *b, int threads, size_t cells)
{
    const ucid_zones_builder *from = b->from;
    b->part_count = threads < PARTS_MOST ? threads : PARTS_MOST;
    size_t ring_at = 0;
    for (int k = 0; k < b->part_count; k++) {
        part *p = &b->parts[k];
        size_t goal = from->corner_count / (size_t)b->part_count * (size_t)(k + 1);
        p->first_ring = ring_at;
        while (ring_at < from->ring_count && (from->rings[ring_at].first < goal || k + 1 == b->part_count)) ring_at++;
        p->end_ring = ring_at;
        p->with_turned = k + 1 == b->part_count;
        p->cells = ucid_allocate_zero(b->allocator, cells, sizeof *p->cells);
        p->rows = ucid_allocate_zero(b->allocator, b->rows, sizeof *p->rows);
        if (p->cells == NULL || p->rows == NULL) return 0;
    }
    return 1;
}

static void close_parts(build *b, size_t cells)
{
    for (int k = 0; k < b->part_count; k++) {
        ucid_release(b->allocator, b->parts[k].cells, cells, sizeof *b->parts[k].cells);
        ucid_release(b->allocator, b->parts[k].rows, b->rows, sizeof *b->parts[k].rows);
    }
    b->part_count = 0;
}

static void close_worker(const ucid_allocator *memory, grouping *g)
{
    ucid_release(memory, g->edges, g->edge_capacity, sizeof *g->edges);
    ucid_release(memory, g->chain, g->chain_capacity, sizeof *g->chain);
    ucid_release(memory, g->groups, g->group_capacity, sizeof *g->groups);
    ucid_release(memory, g->group_zones, g->group_zone_capacity, sizeof *g->group_zones);
    ucid_release(memory, g->edge_slots, g->edge_slot_capacity, sizeof *g->edge_slots);
    ucid_release(memory, g->group_slots, g->group_slot_capacity, sizeof *g->group_slots);
    ucid_release(memory, g->set_slots, g->set_slot_capacity, sizeof *g->set_slots);
    ucid_release(memory, g->leaf, g->leaf_capacity, sizeof *g->leaf);
    ucid_release(memory, g->stack, g->stack_capacity, sizeof *g->stack);
    ucid_release(memory, g->events, g->event_capacity, sizeof *g->events);
    ucid_release(memory, g->out.words, g->out.capacity, sizeof *g->out.words);
    for (int k = 0; k < 64; k++) ucid_release(memory, g->sets[k].zones, g->sets[k].capacity, sizeof(int32_t));
    ucid_release(memory, g->answer.zones, g->answer.capacity, sizeof(int32_t));
}

/* All steps; what is left in b is freed by the caller. */
static int run(build *b, int threads)
{
    size_t cells = (size_t)b->cols * b->rows;
    b->codes = ucid_allocate_zero(b->allocator, cells, sizeof *b->codes);
    b->cell_first = ucid_allocate(b->allocator, cells + 1, sizeof *b->cell_first);
    b->row_first = ucid_allocate(b->allocator, (size_t)b->rows + 1, sizeof *b->row_first);
    b->bands = ucid_allocate_zero(b->allocator, b->rows, sizeof *b->bands);
    b->workers = ucid_allocate_zero(b->allocator, (size_t)threads, sizeof *b->workers);
    if (b->codes == NULL || b->cell_first == NULL || b->row_first == NULL || b->bands == NULL || b->workers == NULL) {
        return 0;
    }
    for (int k = 0; k < threads; k++) b->workers[k].allocator = b->allocator;
    if (!open_parts(b, threads, cells)) return 0;
    ucid_parallel(threads, b->part_count, sort_part, b);
    number_edges(b, cells);
    if (b->cell_first[cells] > UINT32_MAX || b->row_first[b->rows] > UINT32_MAX) return 0;
    b->edges = ucid_allocate(b->allocator, (size_t)b->cell_first[cells], sizeof *b->edges);
    b->events = ucid_allocate(b->allocator, (size_t)b->row_first[b->rows], sizeof *b->events);
    if (b->edges == NULL || b->events == NULL) return 0;
    b->fill = 1;
    ucid_parallel(threads, b->part_count, sort_part, b);
    close_parts(b, cells);
    ucid_parallel(threads, b->rows, make_band, b);
    return !b->out_of_memory;
}

/* What was made becomes the zones'. */
static ucid_zones *finish(build *b)
{
    const ucid_allocator *memory = b->allocator;
    ucid_zones *made = ucid_allocate_zero(memory, 1, sizeof *made);
    if (made == NULL) return NULL;
    *made = (ucid_zones){.allocator = *memory,
                         .zone_count = b->from->zone_count,
                         .vertex_count = b->from->vertex_count,
                         .shift = b->shift,
                         .first_col = (uint32_t)(b->x0 >> b->shift),
                         .first_row = (uint32_t)(b->y0 >> b->shift),
                         .cols = b->cols,
                         .rows = b->rows,
                         .codes = b->codes,
                         .bands = b->bands};
    b->codes = NULL;
    b->bands = NULL;
    return made;
}

ucid_status ucid_zones_build(const ucid_zones_builder *builder, int threads, ucid_zones **zones, ucid_error *error)
{
    if (builder == NULL || threads < 1) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "zones: threads is %d and must be at least 1", threads);
    }
    build b = {.from = builder, .allocator = &builder->allocator};
    lay_grid(&b);
    size_t cells = (size_t)b.cols * b.rows;
    ucid_zones *made = run(&b, threads) ? finish(&b) : NULL;
    close_parts(&b, cells);
    if (b.edges != NULL) ucid_release(b.allocator, b.edges, (size_t)b.cell_first[cells], sizeof *b.edges);
    if (b.events != NULL) ucid_release(b.allocator, b.events, (size_t)b.row_first[b.rows], sizeof *b.events);
    for (int k = 0; b.workers != NULL && k < threads; k++) close_worker(b.allocator, &b.workers[k]);
    for (uint32_t row = 0; b.bands != NULL && row < b.rows; row++) {
        ucid_release(b.allocator, (void *)b.bands[row].words, b.bands[row].count, sizeof(uint32_t));
    }
    ucid_release(b.allocator, b.codes, cells, sizeof *b.codes);
    ucid_release(b.allocator, b.cell_first, cells + 1, sizeof *b.cell_first);
    ucid_release(b.allocator, b.row_first, (size_t)b.rows + 1, sizeof *b.row_first);
    ucid_release(b.allocator, b.bands, b.rows, sizeof *b.bands);
    ucid_release(b.allocator, b.workers, (size_t)threads, sizeof *b.workers);
    if (made == NULL) {
        return ucid_fail_memory(error, "an index of zones", (builder->corner_count + builder->turned_count) * 16);
    }
    *zones = made;
    return UCID_OK;
}

void ucid_zones_close(ucid_zones *zones)
{
    if (zones == NULL) return;
    ucid_allocator memory = zones->allocator;
    if (zones->map.bytes == NULL) {
        ucid_release(&memory, (void *)zones->codes, (size_t)zones->cols * zones->rows, sizeof *zones->codes);
        for (uint32_t row = 0; row < zones->rows; row++) {
            ucid_release(&memory, (void *)zones->bands[row].words, zones->bands[row].count, sizeof(uint32_t));
        }
    } else {
        ucid_file_map_close(&zones->map);
    }
    ucid_release(&memory, (void *)zones->bands, zones->rows, sizeof *zones->bands);
    ucid_release(&memory, zones, 1, sizeof *zones);
}

int64_t ucid_zones_count(const ucid_zones *zones) { return zones->zone_count; }
