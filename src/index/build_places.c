/* build_places.c: an area becomes a point; a place that is mapped twice becomes one.
 *
 * The point of an area is the centroid of its largest ring where that lies inside, else the middle of the widest
 * stretch inside along a line of latitude through it. Inside is even-odd over all rings, so that the roles of members
 * do not matter. Duplicates are dropped in the order nodes, ways, relations, then by id: a place is dropped if one that
 * was kept before it is the same place. Places of a network are points, and each counts: who made its table knows. */
#include "index/build.h"
#include "index/tags.h"
#include "rt/error.h"
#include "rt/memory.h"
#include "rt/trig.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SAME_NAME_M 100.0
enum { CELL_E7 = 9000 }; /* 100.08 m of latitude */

typedef struct ring_point {
    int32_t x, y;
} ring_point;

typedef struct ring {
    uint32_t first, count; /* the first point is repeated as the last */
} ring;

typedef struct gathering {
    build *b;
    ring_point *points;
    size_t point_count, point_capacity;
    ring *rings;
    size_t ring_count, ring_capacity;
    uint64_t *ends; /* scratch of assembling: point << 32 | member */
    size_t end_capacity;
    uint8_t *used;
    size_t used_capacity;
    double *crossings;
    size_t crossing_capacity;
} gathering;

static int add_point(gathering *g, uint32_t point)
{
    const build *b = g->b;
    if (b->point_y[point] == BUILD_MISSING) return 1;
    if (!BUILD_ROOM(g->b, g->points, g->point_capacity, g->point_count + 1, "areas")) return 0;
    g->points[g->point_count++] = (ring_point){b->point_x[point], b->point_y[point]};
    return 1;
}

/* Ends the ring whose points start at `first`; rings of fewer than three points vanish. */
static int close_ring(gathering *g, size_t first)
{
    size_t count = g->point_count - first;
    if (count >= 2 && g->points[first].x == g->points[g->point_count - 1].x &&
        g->points[first].y == g->points[g->point_count - 1].y) {
        count--; /* repeated below */
        g->point_count--;
    }
    if (count < 3) {
        g->point_count = first;
        return 1;
    }
    if (!BUILD_ROOM(g->b, g->points, g->point_capacity, g->point_count + 1, "areas") ||
        !BUILD_ROOM(g->b, g->rings, g->ring_capacity, g->ring_count + 1, "areas")) {
        return 0;
    }
    g->points[g->point_count] = g->points[first];
    g->point_count++;
    g->rings[g->ring_count++] = (ring){(uint32_t)first, (uint32_t)(count + 1)};
    return 1;
}

static int by_key(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* Position of the first end at this point whose member is unused, or end_count. */
static size_t find_end(const gathering *g, size_t end_count, uint32_t point)
{
    size_t low = 0, high = end_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (g->ends[middle] >> 32 < point) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    while (low < end_count && g->ends[low] >> 32 == point && g->used[(uint32_t)g->ends[low]]) low++;
    return low < end_count && g->ends[low] >> 32 == point ? low : end_count;
}

/* Closed members are rings; open ones are joined end to end until they close. What does not close is left out. */
static int assemble(gathering *g, const build_member *members, uint32_t count)
{
    const build *b = g->b;
    if (!BUILD_ROOM(g->b, g->used, g->used_capacity, (size_t)count + 1, "areas") ||
        !BUILD_ROOM(g->b, g->ends, g->end_capacity, 2 * (size_t)count + 1, "areas")) {
        return 0;
    }
    size_t end_count = 0;
    for (uint32_t m = 0; m < count; m++) {
        const uint32_t *points = b->points + members[m].first;
        uint32_t length = members[m].count;
        g->used[m] = length < 2;
        if (g->used[m]) continue;
        if (points[0] == points[length - 1]) {
            size_t first = g->point_count;
            for (uint32_t i = 0; i < length; i++) {
                if (!add_point(g, points[i])) return 0;
            }
            if (!close_ring(g, first)) return 0;
            g->used[m] = 1;
            continue;
        }
        g->ends[end_count++] = (uint64_t)points[0] << 32 | m;
        g->ends[end_count++] = (uint64_t)points[length - 1] << 32 | m;
    }
    qsort(g->ends, end_count, sizeof *g->ends, by_key);
    for (uint32_t m = 0; m < count; m++) {
        if (g->used[m]) continue;
        size_t first = g->point_count;
        uint32_t start = b->points[members[m].first], at = start, next = m;
        for (;;) {
            const uint32_t *points = b->points + members[next].first;
            uint32_t length = members[next].count;
            int forward = points[0] == at;
            g->used[next] = 1;
            for (uint32_t i = 0; i < length; i++) {
                if (!add_point(g, points[forward ? i : length - 1 - i])) return 0;
            }
            at = points[forward ? length - 1 : 0];
            if (at == start) break;
            size_t end = find_end(g, end_count, at);
            if (end == end_count) break;
            next = (uint32_t)g->ends[end];
        }
        if (at != start) {
            g->point_count = first;
        } else if (!close_ring(g, first)) {
            return 0;
        }
    }
    return 1;
}

/* Twice the signed area of a ring, and its centroid, in the ring's own degrees times 1e7. */
static double ring_area(const gathering *g, ring of, double *x, double *y)
{
    const ring_point *p = g->points + of.first;
    double twice = 0.0, sum_x = 0.0, sum_y = 0.0;
    for (uint32_t i = 0; i + 1 < of.count; i++) {
        double x0 = (double)p[i].x - p[0].x, y0 = (double)p[i].y - p[0].y;
        double x1 = (double)p[i + 1].x - p[0].x, y1 = (double)p[i + 1].y - p[0].y;
        double cross = x0 * y1 - x1 * y0;
        twice += cross;
        sum_x += (x0 + x1) * cross;
        sum_y += (y0 + y1) * cross;
    }
    *x = twice != 0.0 ? p[0].x + sum_x / (3.0 * twice) : p[0].x;
    *y = twice != 0.0 ? p[0].y + sum_y / (3.0 * twice) : p[0].y;
    return twice;
}

/* Longitude where an edge crosses a latitude that no point has. */
static double crossing_at(ring_point a, ring_point b, double y)
{
    return a.x + (y - a.y) * ((double)b.x - a.x) / ((double)b.y - a.y);
}

static int contains(const gathering *g, uint32_t first_ring, uint32_t ring_count, double x, double y)
{
    int inside = 0;
    for (uint32_t r = first_ring; r < first_ring + ring_count; r++) {
        const ring_point *p = g->points + g->rings[r].first;
        for (uint32_t i = 0; i + 1 < g->rings[r].count; i++) {
            if ((p[i].y > y) != (p[i + 1].y > y) && x < crossing_at(p[i], p[i + 1], y)) inside = !inside;
        }
    }
    return inside;
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Middle of the widest stretch inside along the latitude y, which no point has; 0 where memory is out, and *x is left
 * as it is where the line misses the area. */
static int widest(gathering *g, uint32_t first_ring, uint32_t ring_count, double y, double *x)
{
    size_t count = 0;
    for (uint32_t r = first_ring; r < first_ring + ring_count; r++) {
        const ring_point *p = g->points + g->rings[r].first;
        for (uint32_t i = 0; i + 1 < g->rings[r].count; i++) {
            if ((p[i].y > y) == (p[i + 1].y > y)) continue;
            if (!BUILD_ROOM(g->b, g->crossings, g->crossing_capacity, count + 1, "areas")) return 0;
            g->crossings[count++] = crossing_at(p[i], p[i + 1], y);
        }
    }
    qsort(g->crossings, count, sizeof *g->crossings, by_value);
    double width = -1.0;
    for (size_t i = 0; i + 1 < count; i += 2) {
        double w = g->crossings[i + 1] - g->crossings[i];
        if (w <= width) continue;
        width = w;
        *x = (g->crossings[i] + g->crossings[i + 1]) / 2;
    }
    return 1;
}

static int place_area(gathering *g, build_place *place)
{
    double x = 0.0, y = 0.0, largest = -1.0;
    for (uint32_t r = place->first; r < place->first + place->count; r++) {
        double ring_x, ring_y, area = fabs(ring_area(g, g->rings[r], &ring_x, &ring_y));
        if (area <= largest) continue;
        largest = area;
        x = ring_x;
        y = ring_y;
    }
    if (!contains(g, place->first, place->count, x, y)) {
        y = floor(y) + 0.5;
        if (!widest(g, place->first, place->count, y, &x)) return 0;
        y = floor(y);
    }
    place->x_e7 = (int32_t)floor(x + 0.5);
    place->y_e7 = (int32_t)floor(y + 0.5);
    return 1;
}

static ucid_status gather_areas(gathering *g)
{
    build *b = g->b;
    for (size_t i = 0; i < b->place_count; i++) {
        build_place *place = &b->places[i];
        if (place->osm_type == 'n') continue;
        if (i > 0 && place[-1].osm_type == place->osm_type && place[-1].id == place->id) { /* of another part */
            place->first = place[-1].first;
            place->count = place[-1].count;
            place->x_e7 = place[-1].x_e7;
            place->y_e7 = place[-1].y_e7;
            place->fate = place[-1].fate;
            b->counts.broken_areas += place->fate == PLACE_BROKEN;
            continue;
        }
        size_t first_ring = g->ring_count;
        if (place->osm_type == 'w') {
            size_t first = g->point_count;
            for (uint32_t k = 0; k < place->count; k++) {
                if (!add_point(g, b->points[place->first + k])) return UCID_NO_MEMORY;
            }
            if (!close_ring(g, first)) return UCID_NO_MEMORY;
        } else if (!assemble(g, b->members + place->first, place->count)) {
            return UCID_NO_MEMORY;
        }
        place->first = (uint32_t)first_ring;
        place->count = (uint32_t)(g->ring_count - first_ring);
        if (place->count == 0) {
            place->fate = PLACE_BROKEN;
            b->counts.broken_areas++;
        } else if (!place_area(g, place)) {
            return UCID_NO_MEMORY;
        }
    }
    return UCID_OK;
}

/* ---- one place mapped twice ---- */

typedef struct finder {
    build *b;
    const gathering *g;
    uint64_t *keys;  /* kind, row and column of 100 m cells; ascending */
    uint32_t *order; /* place of each key */
    size_t count;
    int64_t column_e7;
    uint64_t *pairs; /* later place << 32 | earlier place */
    size_t pair_count, pair_capacity;
} finder;

static uint64_t cell_key(uint8_t kind, int64_t row, int64_t column)
{
    return (uint64_t)kind << 56 | (uint64_t)(row + (1 << 20)) << 28 | (uint64_t)(column + (1 << 20));
}

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

static size_t find_key(const finder *f, uint64_t key)
{
    size_t low = 0, high = f->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (f->keys[f->order[middle]] < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static int add_pair(finder *f, uint32_t one, uint32_t two)
{
    if (!BUILD_ROOM(f->b, f->pairs, f->pair_capacity, f->pair_count + 1, "duplicates")) return 0;
    uint64_t late = one > two ? one : two, early = one > two ? two : one;
    f->pairs[f->pair_count++] = late << 32 | early;
    return 1;
}

static int names_allow(const build *b, uint32_t one, uint32_t two)
{
    const char *a = b->texts + b->places[one].name, *c = b->texts + b->places[two].name;
    return *a == '\0' || *c == '\0' || strcmp(a, c) == 0;
}

/* Same tag, same name, within 100 m. */
static int pair_by_name(finder *f, uint32_t place)
{
    const build *b = f->b;
    const build_place *p = &b->places[place];
    const char *name = b->texts + p->name;
    if (*name == '\0') return 1;
    int64_t row = floor_div(p->y_e7, CELL_E7), column = floor_div(p->x_e7, f->column_e7);
    for (int64_t r = row - 1; r <= row + 1; r++) {
        uint64_t last = cell_key(p->kind, r, column + 1);
        for (size_t i = find_key(f, cell_key(p->kind, r, column - 1)); i < f->count && f->keys[f->order[i]] <= last;
             i++) {
            const build_place *q = &b->places[f->order[i]];
            if (f->order[i] >= place || strcmp(b->texts + q->name, name) != 0) continue;
            if (ucid_distance_m(p->y_e7, p->x_e7, q->y_e7, q->x_e7) > SAME_NAME_M) continue;
            if (!add_pair(f, place, f->order[i])) return 0;
        }
    }
    return 1;
}

/* Same tag, inside the area of another, and no two different names. */
static int pair_by_area(finder *f, uint32_t area)
{
    const build *b = f->b;
    const gathering *g = f->g;
    const build_place *a = &b->places[area];
    if (a->osm_type == 'n') return 1;
    int32_t west = INT32_MAX, south = INT32_MAX, east = INT32_MIN, north = INT32_MIN;
    for (uint32_t r = a->first; r < a->first + a->count; r++) {
        const ring_point *p = g->points + g->rings[r].first;
        for (uint32_t i = 0; i < g->rings[r].count; i++) {
            if (p[i].x < west) west = p[i].x;
            if (p[i].x > east) east = p[i].x;
            if (p[i].y < south) south = p[i].y;
            if (p[i].y > north) north = p[i].y;
        }
    }
    for (int64_t r = floor_div(south, CELL_E7); r <= floor_div(north, CELL_E7); r++) {
        uint64_t last = cell_key(a->kind, r, floor_div(east, f->column_e7));
        size_t i = find_key(f, cell_key(a->kind, r, floor_div(west, f->column_e7)));
        for (; i < f->count && f->keys[f->order[i]] <= last; i++) {
            uint32_t other = f->order[i];
            const build_place *p = &b->places[other];
            if (other == area || !names_allow(b, area, other)) continue;
            if (!contains(g, a->first, a->count, p->x_e7, p->y_e7)) continue;
            if (!add_pair(f, area, other)) return 0;
        }
    }
    return 1;
}

static ucid_status drop_duplicates(build *b, gathering *g)
{
    finder f = {.b = b, .g = g};
    f.keys = build_take(b, b->place_count, sizeof *f.keys, "duplicates");
    f.order = build_take(b, b->place_count, sizeof *f.order, "duplicates");
    if (f.keys == NULL || f.order == NULL) return UCID_NO_MEMORY;
    int32_t farthest = 0;
    for (size_t i = 0; i < b->place_count; i++) {
        int32_t lat = abs(b->places[i].y_e7);
        if (b->places[i].fate == PLACE_KEPT && lat > farthest) farthest = lat;
    }
    f.column_e7 = (int64_t)(CELL_E7 / ucid_cos(farthest * (UCID_PI / 180e7))) + 1;
    for (size_t i = 0; i < b->place_count; i++) {
        const build_place *p = &b->places[i];
        f.keys[i] = p->fate == PLACE_KEPT
                        ? cell_key(p->kind, floor_div(p->y_e7, CELL_E7), floor_div(p->x_e7, f.column_e7))
                        : UINT64_MAX;
    }
    ucid_status status = build_sort_order(b, f.keys, f.order, b->place_count);
    if (status != UCID_OK) return status;
    f.count = b->place_count;
    f.count = find_key(&f, UINT64_MAX);
    for (uint32_t i = 0; i < b->place_count; i++) {
        if (b->places[i].fate != PLACE_KEPT) continue;
        if (!pair_by_name(&f, i) || !pair_by_area(&f, i)) return UCID_NO_MEMORY;
    }
    status = build_sort(b, f.pairs, f.pair_count);
    if (status != UCID_OK) return status;
    for (size_t i = 0; i < f.pair_count; i++) {
        build_place *late = &b->places[f.pairs[i] >> 32], *early = &b->places[(uint32_t)f.pairs[i]];
        if (late->fate != PLACE_KEPT || early->fate != PLACE_KEPT) continue;
        late->fate = PLACE_DUPLICATE;
        b->counts.duplicates++;
        if (early->name == 0) early->name = late->name;
    }
    build_drop(b, f.keys);
    build_drop(b, f.order);
    build_drop(b, f.pairs);
    return UCID_OK;
}

/* Nodes, ways, relations, each by id; parts of one object keep their order. */
static ucid_status order_places(build *b)
{
    uint64_t *keys = build_take(b, b->place_count, sizeof *keys, "places");
    uint32_t *order = build_take(b, b->place_count, sizeof *order, "places");
    build_place *sorted = build_take(b, b->place_count, sizeof *sorted, "places");
    if (keys == NULL || order == NULL || sorted == NULL) return UCID_NO_MEMORY;
    for (size_t i = 0; i < b->place_count; i++) {
        uint64_t rank = b->places[i].osm_type == 'n' ? 0 : b->places[i].osm_type == 'w' ? 1 : 2;
        keys[i] = rank << 62 | (((uint64_t)b->places[i].id + (UINT64_C(1) << 61)) & ((UINT64_C(1) << 62) - 1));
    }
    ucid_status status = build_sort_order(b, keys, order, b->place_count);
    if (status != UCID_OK) return status;
    for (size_t i = 0; i < b->place_count; i++) sorted[i] = b->places[order[i]];
    build_drop(b, keys);
    build_drop(b, order);
    build_drop(b, b->places);
    b->places = sorted;
    b->place_capacity = b->place_count;
    return UCID_OK;
}

ucid_status build_places(build *b)
{
    gathering g = {.b = b};
    ucid_status status = order_places(b);
    if (status == UCID_OK && b->network == NULL) status = gather_areas(&g);
    if (status == UCID_OK) {
        for (size_t i = 0; i < b->place_count && b->has_keep; i++) {
            build_place *p = &b->places[i];
            if (p->fate != PLACE_KEPT || (p->y_e7 >= b->keep_e7[0] && p->x_e7 >= b->keep_e7[1] &&
                                          p->y_e7 <= b->keep_e7[2] && p->x_e7 <= b->keep_e7[3])) {
                continue;
            }
            p->fate = PLACE_OUTSIDE;
            b->counts.outside_buffer++;
        }
        if (b->network == NULL) status = drop_duplicates(b, &g);
    }
    build_drop(b, g.points);
    build_drop(b, g.rings);
    build_drop(b, g.ends);
    build_drop(b, g.used);
    build_drop(b, g.crossings);
    build_drop(b, b->points);
    build_drop(b, b->point_x);
    build_drop(b, b->point_y);
    build_drop(b, b->ways);
    build_drop(b, b->members);
    b->points = NULL;
    b->point_x = b->point_y = NULL;
    b->ways = NULL;
    b->members = NULL;
    return status;
}
