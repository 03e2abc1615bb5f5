/* build_feet.c: places meet streets, and everything gets its final order.
 *
 * A place is snapped as a query is: to the nearest piece of the main network within the limit, else to the nearest
 * piece of an island. Its foot splits the edge, unless it falls on an end; feet at one offset share a node. Lengths are
 * split as integers, so they add up to what they were. Nodes and edges are then numbered along a Hilbert curve. */
#include "index/build.h"
#include "index/tags.h"
#include "rt/error.h"
#include "rt/pool.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 256 };

static ucid_status make_segments(build *b)
{
    b->segment_count = b->edge_point_count - b->edge_count;
    b->segments = build_take(b, b->segment_count, sizeof *b->segments, "segments");
    if (b->segments == NULL) return UCID_NO_MEMORY;
    size_t s = 0;
    for (uint32_t e = 0; e < b->edge_count; e++) {
        for (uint32_t p = b->edges[e].first_point; p + 1 < b->edges[e + 1].first_point; p++) {
            const build_point *from = &b->edge_points[p], *to = from + 1;
            b->segments[s++] = (build_segment){.ax_e7 = from->x_e7,
                                               .ay_e7 = from->y_e7,
                                               .bx_e7 = to->x_e7,
                                               .by_e7 = to->y_e7,
                                               .edge = e,
                                               .offset = from->at,
                                               .length = to->at - from->at};
        }
    }
    return UCID_OK;
}

typedef struct snapping {
    build *b;
    build_raster raster;
    build_foot *feet; /* one for each place; edge UCIDX_NONE: off network */
    uint8_t *on_island;
} snapping;

static void snap_place(const snapping *s, uint32_t place)
{
    const build *b = s->b;
    const build_place *p = &b->places[place];
    build_foot *foot = &s->feet[place];
    *foot = (build_foot){.place = place, .edge = UCIDX_NONE};
    if (p->fate != PLACE_KEPT) return;
    int64_t row = (int64_t)p->y_e7 - b->lat_origin_e7;
    if (row < 0 || (row /= UCIDX_ROW_E7) >= (int64_t)b->row_count) return;
    double scale = s->raster.x_m_per_e7[row], limit_m = (b->snap_limit + 1.0) / UCIDX_UNITS_PER_M;
    ucidx_near nearest[2] = {{HUGE_VAL, 0.0}, {HUGE_VAL, 0.0}}; /* main network, islands */
    uint32_t segment[2] = {UCIDX_NONE, UCIDX_NONE};
    for (int w = 0;; w++) {
        const double windows_m[] = {UCIDX_CELL_M / 4, UCIDX_CELL_M, limit_m};
        double window_m = windows_m[w] < limit_m ? windows_m[w] : limit_m;
        int64_t half = (int64_t)ceil(window_m / scale), tall = (int64_t)(window_m / UCIDX_Y_M_PER_E7) + 1;
        int64_t first = ((int64_t)p->y_e7 - b->lat_origin_e7 - tall) / UCIDX_ROW_E7; /* -0 is row 0, too */
        int64_t last = ((int64_t)p->y_e7 - b->lat_origin_e7 + tall) / UCIDX_ROW_E7;
        if (first < 0) first = 0;
        if (last >= (int64_t)b->row_count) last = (int64_t)b->row_count - 1;
        for (int64_t r = first; r <= last; r++) {
            int64_t west = p->x_e7 - half - s->raster.west_e7, east = p->x_e7 + half - s->raster.west_e7;
            if (east < 0) continue;
            int64_t last_column = east / s->raster.cell_e7[r];
            size_t i = build_raster_find(&s->raster, (size_t)r, west < 0 ? 0 : west / s->raster.cell_e7[r]);
            for (; i < s->raster.first[r + 1] && (int64_t)(s->raster.entries[i] >> 32) <= last_column; i++) {
                uint32_t at = (uint32_t)s->raster.entries[i];
                const build_segment *g = &b->segments[at];
                ucidx_near near = ucidx_near_segment(g->ax_e7, g->ay_e7, g->bx_e7, g->by_e7, p->x_e7, p->y_e7, scale);
                int island = (b->edges[g->edge].flags & UCIDX_EDGE_ISLAND) != 0;
                if (near.square_m2 > nearest[island].square_m2 ||
                    (near.square_m2 == nearest[island].square_m2 && at >= segment[island])) {
                    continue;
                }
                nearest[island] = near;
                segment[island] = at;
            }
        }
        if (window_m >= limit_m || nearest[0].square_m2 <= window_m * window_m) break;
    }
    for (int island = 0; island < 2; island++) {
        uint32_t gap = ucidx_gap(nearest[island].square_m2);
        if (segment[island] == UCIDX_NONE || gap > b->snap_limit) continue;
        const build_segment *g = &b->segments[segment[island]];
        foot->edge = g->edge;
        foot->gap = gap;
        foot->at = ucidx_foot(g->offset, g->length, nearest[island].t);
        s->on_island[place] = (uint8_t)island;
        return;
    }
}

static void snap_chunk(void *ctx, int64_t task, int worker)
{
    const snapping *s = ctx;
    (void)worker;
    size_t end = (size_t)(task + 1) * CHUNK;
    if (end > s->b->place_count) end = s->b->place_count;
    for (size_t i = (size_t)task * CHUNK; i < end; i++) snap_place(s, (uint32_t)i);
}

/* Feet by edge and offset. */
static ucid_status snap_places(build *b)
{
    snapping s = {.b = b};
    s.feet = build_take(b, b->place_count, sizeof *s.feet, "feet");
    s.on_island = build_take_zero(b, b->place_count, 1, "feet");
    uint64_t *keys = build_take(b, b->place_count, sizeof *keys, "feet");
    uint32_t *order = build_take(b, b->place_count, sizeof *order, "feet");
    if (s.feet == NULL || s.on_island == NULL || keys == NULL || order == NULL) return UCID_NO_MEMORY;
    ucid_status status = build_raster_make(b, b->segments, b->segment_count, &s.raster);
    if (status != UCID_OK) return status;
    ucid_parallel(b->threads, (int64_t)((b->place_count + CHUNK - 1) / CHUNK), snap_chunk, &s);
    size_t count = 0;
    for (size_t i = 0; i < b->place_count; i++) {
        if (b->places[i].fate != PLACE_KEPT) continue;
        if (s.feet[i].edge == UCIDX_NONE) {
            b->places[i].fate = PLACE_OFF_NETWORK;
            b->counts.off_network++;
            continue;
        }
        b->counts.on_islands += s.on_island[i];
        s.feet[count] = s.feet[i];
        keys[count] = (uint64_t)s.feet[i].edge << 32 | s.feet[i].at;
        count++;
    }
    status = build_sort_order(b, keys, order, count);
    b->feet = build_take(b, count, sizeof *b->feet, "feet");
    if (status != UCID_OK || b->feet == NULL) return UCID_NO_MEMORY;
    for (size_t i = 0; i < count; i++) b->feet[i] = s.feet[order[i]];
    b->foot_count = count;
    build_drop(b, s.feet);
    build_drop(b, s.on_island);
    build_drop(b, keys);
    build_drop(b, order);
    build_raster_drop(b, &s.raster);
    build_drop(b, b->segments);
    b->segments = NULL;
    return UCID_OK;
}

/* Cut edges at the feet that lie inside them. Feet become nodes: foot->edge turns into a node number. */
static ucid_status split_edges(build *b)
{
    size_t most = b->foot_count;
    build_edge *edges = build_take(b, b->edge_count + most + 1, sizeof *edges, "streets");
    build_point *points = build_take(b, b->edge_point_count + 3 * most, sizeof *points, "street geometry");
    build_node *nodes = build_take(b, b->node_count + most, sizeof *nodes, "junctions");
    if (edges == NULL || points == NULL || nodes == NULL) return UCID_NO_MEMORY;
    memcpy(nodes, b->nodes, b->node_count * sizeof *nodes);
    size_t node_count = b->node_count, edge_count = 0, point_count = 0, f = 0;
    for (uint32_t e = 0; e < b->edge_count; e++) {
        const build_edge *whole = &b->edges[e];
        const build_point *p = b->edge_points + whole->first_point;
        const build_point *last = b->edge_points + b->edges[e + 1].first_point - 1;
        build_edge part = *whole;
        uint32_t start = 0; /* offset of the part's end a in the whole */
        part.first_point = (uint32_t)point_count;
        points[point_count++] = *p++;
        for (; f < b->foot_count && b->feet[f].edge == e; f++) {
            build_foot *foot = &b->feet[f];
            if (foot->at == 0 || foot->at >= whole->length) {
                foot->edge = foot->at == 0 ? whole->a : whole->b;
                continue;
            }
            if (foot->at == start) {
                foot->edge = part.a;
                continue;
            }
            while (p->at < foot->at) {
                points[point_count] = *p++;
                points[point_count++].at -= start;
            }
            build_point cut = *p;
            if (p->at > foot->at) {
                double t = (double)(foot->at - p[-1].at) / (double)(p->at - p[-1].at);
                cut.x_e7 = (int32_t)floor(p[-1].x_e7 + t * ((double)p->x_e7 - p[-1].x_e7) + 0.5);
                cut.y_e7 = (int32_t)floor(p[-1].y_e7 + t * ((double)p->y_e7 - p[-1].y_e7) + 0.5);
            } else {
                p++;
            }
            nodes[node_count] = (build_node){.x_e7 = cut.x_e7, .y_e7 = cut.y_e7};
            cut.at = foot->at - start;
            points[point_count++] = cut;
            part.b = (uint32_t)node_count;
            part.length = cut.at;
            edges[edge_count++] = part;
            start = foot->at;
            part.a = (uint32_t)node_count++;
            part.first_point = (uint32_t)point_count;
            cut.at = 0;
            points[point_count++] = cut;
            foot->edge = part.a;
        }
        while (p <= last) {
            points[point_count] = *p++;
            points[point_count++].at -= start;
        }
        part.b = whole->b;
        part.length = whole->length - start;
        edges[edge_count++] = part;
    }
    edges[edge_count] = (build_edge){.first_point = (uint32_t)point_count};
    build_drop(b, b->nodes);
    build_drop(b, b->edges);
    build_drop(b, b->edge_points);
    b->nodes = nodes;
    b->edges = edges;
    b->edge_points = points;
    b->node_count = node_count;
    b->edge_count = edge_count;
    b->edge_point_count = point_count;
    return UCID_OK;
}

static ucid_status order_nodes(build *b)
{
    uint64_t *keys = build_take(b, b->node_count, sizeof *keys, "junctions");
    uint32_t *order = build_take(b, b->node_count, sizeof *order, "junctions");
    uint32_t *number = build_take(b, b->node_count, sizeof *number, "junctions");
    build_node *sorted = build_take(b, b->node_count, sizeof *sorted, "junctions");
    if (keys == NULL || order == NULL || number == NULL || sorted == NULL) return UCID_NO_MEMORY;
    for (size_t i = 0; i < b->node_count; i++) keys[i] = build_hilbert(b->nodes[i].x_e7, b->nodes[i].y_e7);
    ucid_status status = build_sort_order(b, keys, order, b->node_count);
    if (status != UCID_OK) return status;
    for (uint32_t i = 0; i < b->node_count; i++) {
        number[order[i]] = i;
        sorted[i] = b->nodes[order[i]];
    }
    for (size_t e = 0; e < b->edge_count; e++) {
        b->edges[e].a = number[b->edges[e].a];
        b->edges[e].b = number[b->edges[e].b];
    }
    for (size_t f = 0; f < b->foot_count; f++) b->feet[f].edge = number[b->feet[f].edge];
    build_drop(b, b->nodes);
    build_drop(b, keys);
    build_drop(b, order);
    build_drop(b, number);
    b->nodes = sorted;
    return UCID_OK;
}

/* Edges by the middle of their ends' box, segments along them. */
static ucid_status order_edges(build *b)
{
    uint64_t *keys = build_take(b, b->edge_count, sizeof *keys, "streets");
    uint32_t *order = build_take(b, b->edge_count, sizeof *order, "streets");
    if (keys == NULL || order == NULL) return UCID_NO_MEMORY;
    for (size_t e = 0; e < b->edge_count; e++) {
        const build_point *p = b->edge_points + (b->edges[e].first_point + b->edges[e + 1].first_point) / 2;
        keys[e] = build_hilbert(p->x_e7, p->y_e7);
    }
    ucid_status status = build_sort_order(b, keys, order, b->edge_count);
    if (status != UCID_OK) return status;
    build_drop(b, keys);
    build_edge *edges = build_take(b, b->edge_count + 1, sizeof *edges, "streets");
    build_point *points = build_take(b, b->edge_point_count, sizeof *points, "street geometry");
    if (edges == NULL || points == NULL) return UCID_NO_MEMORY;
    size_t at = 0;
    for (size_t i = 0; i < b->edge_count; i++) {
        const build_edge *from = &b->edges[order[i]];
        size_t count = from[1].first_point - from->first_point;
        edges[i] = *from;
        edges[i].first_point = (uint32_t)at;
        memcpy(points + at, b->edge_points + from->first_point, count * sizeof *points);
        at += count;
    }
    edges[b->edge_count] = (build_edge){.first_point = (uint32_t)at};
    build_drop(b, order);
    build_drop(b, b->edges);
    build_drop(b, b->edge_points);
    b->edges = edges;
    b->edge_points = points;
    return UCID_OK;
}

static ucid_status make_arcs(build *b)
{
    b->first_arc = build_take_zero(b, b->node_count + 2, sizeof *b->first_arc, "arcs");
    b->arcs = build_take(b, 2 * b->edge_count, sizeof *b->arcs, "arcs");
    if (b->first_arc == NULL || b->arcs == NULL) return UCID_NO_MEMORY;
    uint32_t *next = b->first_arc + 1;
    for (size_t e = 0; e < b->edge_count; e++) {
        next[b->edges[e].a + 1]++;
        next[b->edges[e].b + 1]++;
    }
    for (size_t n = 0; n < b->node_count; n++) next[n + 1] += next[n];
    for (uint32_t e = 0; e < b->edge_count; e++) {
        b->arcs[next[b->edges[e].a]++] = e;
        b->arcs[next[b->edges[e].b]++] = e;
    }
    return UCID_OK;
}

/* Texts that opportunities use, each once; found again by hash. */
typedef struct names {
    build *b;
    uint32_t *table;
    size_t size; /* a power of two over twice the texts */
} names;

static int keep_name(names *n, const char *text, uint32_t *offset)
{
    build *b = n->b;
    *offset = 0;
    if (*text == '\0') return 1;
    uint64_t hash = UINT64_C(14695981039346656037);
    for (const char *c = text; *c; c++) hash = (hash ^ (uint8_t)*c) * UINT64_C(1099511628211);
    size_t slot = (size_t)(hash >> 20) & (n->size - 1);
    for (; n->table[slot] != 0; slot = (slot + 1) & (n->size - 1)) {
        if (strcmp(b->names + n->table[slot], text) == 0) {
            *offset = n->table[slot];
            return 1;
        }
    }
    size_t length = strlen(text) + 1;
    if (b->name_bytes + length > UINT32_MAX ||
        !BUILD_ROOM(b, b->names, b->name_capacity, b->name_bytes + length, "names")) {
        return 0;
    }
    memcpy(b->names + b->name_bytes, text, length);
    *offset = n->table[slot] = (uint32_t)b->name_bytes;
    b->name_bytes += length;
    return 1;
}

/* By node, then part, OSM type and id. */
static ucid_status make_opportunities(build *b)
{
    size_t count = b->foot_count;
    uint64_t *keys = build_take(b, count, sizeof *keys, "opportunities");
    uint32_t *order = build_take(b, count, sizeof *order, "opportunities");
    build_foot *by_place = build_take(b, count, sizeof *by_place, "opportunities");
    b->opportunities = build_take_zero(b, count, sizeof *b->opportunities, "opportunities");
    if (keys == NULL || order == NULL || by_place == NULL || b->opportunities == NULL) return UCID_NO_MEMORY;
    for (size_t i = 0; i < count; i++) keys[i] = b->feet[i].place; /* places ascend by type and id */
    ucid_status status = build_sort_order(b, keys, order, count);
    if (status != UCID_OK) return status;
    for (size_t i = 0; i < count; i++) by_place[i] = b->feet[order[i]];
    for (size_t i = 0; i < count; i++) {
        keys[i] = (uint64_t)by_place[i].edge << 8 | tags_kinds[b->places[by_place[i].place].kind].part;
    }
    status = build_sort_order(b, keys, order, count);
    if (status != UCID_OK) return status;
    names n = {.b = b, .size = 64};
    while (n.size < 4 * count) n.size *= 2;
    n.table = build_take_zero(b, n.size, sizeof *n.table, "names");
    if (n.table == NULL || !BUILD_ROOM(b, b->names, b->name_capacity, 1, "names")) return UCID_NO_MEMORY;
    b->names[0] = '\0';
    b->name_bytes = 1;
    for (size_t i = 0; i < count; i++) {
        const build_foot *foot = &by_place[order[i]];
        const build_place *place = &b->places[foot->place];
        const tags_kind *kind = &tags_kinds[place->kind];
        char tag[64];
        size_t key = strlen(kind->key), value = strlen(kind->value);
        memcpy(tag, kind->key, key);
        tag[key] = '=';
        memcpy(tag + key + 1, kind->value, value + 1);
        ucidx_opportunity *o = &b->opportunities[i];
        o->osm_id = place->id;
        o->x_e7 = place->x_e7;
        o->y_e7 = place->y_e7;
        o->node = foot->edge;
        o->gap = foot->gap;
        o->osm_type = place->osm_type;
        o->part = kind->part;
        o->quality = kind->quality;
        if (!keep_name(&n, b->texts + place->name, &o->name) || !keep_name(&n, tag, &o->tag)) return UCID_NO_MEMORY;
    }
    b->opportunity_count = count;
    build_drop(b, keys);
    build_drop(b, order);
    build_drop(b, by_place);
    build_drop(b, n.table);
    build_drop(b, b->feet);
    build_drop(b, b->texts);
    build_drop(b, b->places);
    b->feet = NULL;
    b->texts = NULL;
    b->places = NULL;
    return UCID_OK;
}

ucid_status build_feet(build *b)
{
    ucid_status status = make_segments(b);
    if (status == UCID_OK) status = snap_places(b);
    if (status == UCID_OK) status = split_edges(b);
    if (status == UCID_OK) status = order_nodes(b);
    if (status == UCID_OK) status = order_edges(b);
    if (status == UCID_OK) status = make_segments(b);
    if (status == UCID_OK) status = make_arcs(b);
    if (status == UCID_OK) status = make_opportunities(b);
    return status;
}
