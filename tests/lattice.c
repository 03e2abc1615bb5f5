/* lattice.c: everything by exhaustion: every place walks to every node, every segment is tried for every cell. */
#include "lattice.h"

#include "index/near.h"
#include "rt/trig.h"

#include <stdlib.h>
#include <string.h>

enum { LIMIT_M = 300, CUTOFF_M = 1200, SEGMENTS_A_STREET = 3, ISLANDS = 6 };

uint64_t lattice_random(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

double lattice_uniform(uint64_t *state) { return (double)(lattice_random(state) >> 11) * 0x1p-53; }

typedef struct maker {
    lattice_options o;
    uint64_t seed;
    double lon_e7_per_m;
    ucid_index *x;
    ucidx_summary *summary;
    ucidx_node *nodes;
    ucidx_edge *edges;
    ucidx_segment *segments;
    uint32_t *component;
} maker;

static void *take(size_t count, size_t item)
{
    void *memory = calloc(count + 8, item);
    if (memory == NULL) abort();
    return memory;
}

static uint32_t add_node(maker *m, double east_m, double north_m)
{
    ucidx_node *node = &m->nodes[m->x->node_count];
    int64_t lon_e7 = (int64_t)((m->o.lon_deg * 1e7) + east_m * m->lon_e7_per_m) - m->summary->lon_origin_e7;
    if (lon_e7 < -1800000000) lon_e7 += 3600000000;
    if (lon_e7 >= 1800000000) lon_e7 -= 3600000000;
    node->x_e7 = (int32_t)lon_e7;
    node->y_e7 = (int32_t)(m->o.lat_deg * 1e7 + north_m / UCIDX_Y_M_PER_E7);
    return m->x->node_count++;
}

/* A street of a few crooked pieces. */
static void add_edge(maker *m, uint32_t a, uint32_t b)
{
    ucidx_edge *edge = &m->edges[m->x->edge_count];
    *edge = (ucidx_edge){.a = a, .b = b, .first_segment = m->x->segment_count};
    uint32_t pieces = 1 + (uint32_t)(lattice_random(&m->seed) % SEGMENTS_A_STREET);
    int32_t x = m->nodes[a].x_e7, y = m->nodes[a].y_e7;
    for (uint32_t i = 1; i <= pieces; i++) {
        double along = (double)i / pieces, bend = i < pieces ? 900.0 * (lattice_uniform(&m->seed) - 0.5) : 0.0;
        int32_t next_x = i == pieces
                             ? m->nodes[b].x_e7
                             : (int32_t)(m->nodes[a].x_e7 + along * (m->nodes[b].x_e7 - m->nodes[a].x_e7) + bend);
        int32_t next_y = i == pieces
                             ? m->nodes[b].y_e7
                             : (int32_t)(m->nodes[a].y_e7 + along * (m->nodes[b].y_e7 - m->nodes[a].y_e7) - bend);
        uint32_t length = (uint32_t)(ucid_distance_m(y, x, next_y, next_x) * UCIDX_UNITS_PER_M + 0.5);
        m->segments[m->x->segment_count++] =
            (ucidx_segment){x, y, next_x, next_y, 0, edge->length, length, 0, 0, 0}; /* the rest by join_edges */
        edge->length += length;
        x = next_x;
        y = next_y;
    }
    m->x->edge_count++;
}

static void make_streets(maker *m)
{
    int columns = m->o.columns, rows = m->o.rows;
    double s = m->o.spacing_m;
    size_t most = (size_t)columns * (size_t)rows + 3 * ISLANDS;
    m->nodes = take(most + 1, sizeof *m->nodes);
    m->edges = take(2 * most + 1, sizeof *m->edges);
    m->segments = take(2 * most * SEGMENTS_A_STREET, sizeof *m->segments);
    for (int j = 0; j < rows; j++) {
        for (int i = 0; i < columns; i++) {
            double east = i * s + 0.4 * s * lattice_uniform(&m->seed),
                   north = j * s + 0.4 * s * lattice_uniform(&m->seed);
            uint32_t node = add_node(m, east, north);
            if (i == 0) m->nodes[node].flags = 1;
            if (i > 0 && lattice_random(&m->seed) % 5) add_edge(m, node - 1, node);
            if (j > 0 && lattice_random(&m->seed) % 5) add_edge(m, node, node - (uint32_t)columns);
        }
    }
    add_edge(m, 0, 0); /* a loop and a twin of no length: the ugly cases of real networks */
    add_edge(m, 1, 2);
    for (int i = 0; i < ISLANDS; i++) { /* in the east, beyond and within the limit of the lattice */
        double east = (columns - 1) * s + 150.0 + 120.0 * i, north = i * rows * s / ISLANDS;
        uint32_t a = add_node(m, east, north), b = add_node(m, east + 60.0, north + 25.0);
        add_edge(m, a, b);
        add_edge(m, b, add_node(m, east + 80.0, north - 40.0));
    }
    for (uint32_t e = 0; e < m->x->edge_count; e++) m->edges[e].first_entry = 0;
    m->edges[m->x->edge_count].first_segment = m->x->segment_count;
}

/* Components by spreading the lowest number until nothing changes; all but the largest are islands. */
static void mark_islands(maker *m)
{
    uint32_t n = m->x->node_count;
    m->component = take(n, sizeof *m->component);
    uint64_t *length = take(n, sizeof *length);
    for (uint32_t i = 0; i < n; i++) m->component[i] = i;
    for (int changed = 1; changed;) {
        changed = 0;
        for (uint32_t e = 0; e < m->x->edge_count; e++) {
            uint32_t *a = &m->component[m->edges[e].a], *b = &m->component[m->edges[e].b];
            if (*a != *b) {
                *a = *b = *a < *b ? *a : *b;
                changed = 1;
            }
        }
    }
    uint32_t main = 0;
    for (uint32_t e = 0; e < m->x->edge_count; e++) length[m->component[m->edges[e].a]] += m->edges[e].length;
    for (uint32_t i = 0; i < n; i++) main = length[i] > length[main] ? i : main;
    for (uint32_t e = 0; e < m->x->edge_count; e++) {
        m->summary->street_length += m->edges[e].length;
        if (m->component[m->edges[e].a] == main) continue;
        m->edges[e].flags |= UCIDX_EDGE_ISLAND;
        m->summary->island_edge_count++;
    }
    m->summary->main_length = length[main];
    free(length);
}

static void make_arcs(maker *m)
{
    uint32_t *arcs = take(2 * (size_t)m->x->edge_count, sizeof *arcs), count = 0;
    for (uint32_t node = 0; node < m->x->node_count; node++) {
        m->nodes[node].first_arc = count;
        for (uint32_t e = 0; e < m->x->edge_count; e++) {
            if (m->edges[e].a == node) arcs[count++] = e;
            if (m->edges[e].b == node) arcs[count++] = e;
        }
    }
    m->nodes[m->x->node_count].first_arc = count;
    m->x->arcs = arcs;
    m->x->arc_count = count;
}

static int by_node(const void *left, const void *right)
{
    const ucidx_opportunity *l = left, *r = right;
    if (l->node != r->node) return l->node < r->node ? -1 : 1;
    if (l->part != r->part) return l->part < r->part ? -1 : 1;
    if (l->osm_type != r->osm_type) return l->osm_type < r->osm_type ? -1 : 1;
    return (l->osm_id > r->osm_id) - (l->osm_id < r->osm_id);
}

static void make_places(maker *m)
{
    static const uint8_t quality[6][3] = {{6, 3, 4}, {8, 4, 3}, {4, 4, 4}, {4, 4, 4}, {4, 4, 4}, {4, 4, 4}};
    static const char names[] = "\0Corner\0shop=bakery";
    uint32_t count = m->x->node_count / 6 + 8;
    ucidx_opportunity *places = take(count, sizeof *places);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t node = (uint32_t)(lattice_random(&m->seed) % m->x->node_count);
        uint8_t part = (uint8_t)(lattice_random(&m->seed) % 6);
        places[i] = (ucidx_opportunity){.osm_id = (int64_t)i,
                                        .x_e7 = m->nodes[node].x_e7,
                                        .y_e7 = m->nodes[node].y_e7,
                                        .node = node,
                                        .gap = (uint32_t)(lattice_random(&m->seed) % 1500),
                                        .name = lattice_random(&m->seed) % 3 ? 1 : 0,
                                        .tag = 8,
                                        .osm_type = (uint8_t) "nwr"[lattice_random(&m->seed) % 3],
                                        .part = part,
                                        .quality = quality[part][lattice_random(&m->seed) % 3]};
        m->summary->opportunity_count[part]++;
    }
    qsort(places, count, sizeof *places, by_node);
    m->x->opportunities = places;
    m->x->opportunity_count = count;
    char *text = take(sizeof names, 1);
    memcpy(text, names, sizeof names);
    m->x->names = text;
    m->x->name_bytes = sizeof names;
}

/* Distances from a node to all nodes, by relaxing edges until nothing changes. */
static void walk(const maker *m, uint32_t from, uint32_t gap, uint32_t *distance)
{
    for (uint32_t i = 0; i < m->x->node_count; i++) distance[i] = UINT32_MAX / 2;
    distance[from] = gap;
    for (int changed = 1; changed;) {
        changed = 0;
        for (uint32_t e = 0; e < m->x->edge_count; e++) {
            uint32_t *a = &distance[m->edges[e].a], *b = &distance[m->edges[e].b], length = m->edges[e].length;
            if (*a + length < *b) *b = *a + length, changed = 1;
            if (*b + length < *a) *a = *b + length, changed = 1;
        }
    }
}

typedef struct entry {
    uint32_t edge;
    uint16_t a, b;
    uint8_t lane, what;
} entry;

static int by_lane(const void *left, const void *right)
{
    const entry *l = left, *r = right;
    if (l->edge != r->edge) return l->edge < r->edge ? -1 : 1;
    if (l->lane != r->lane) return l->lane < r->lane ? -1 : 1;
    uint16_t near_l = l->a < l->b ? l->a : l->b, near_r = r->a < r->b ? r->a : r->b;
    if (near_l != near_r) return near_l < near_r ? -1 : 1;
    return (int)(r->what & UCIDX_NAMED) - (int)(l->what & UCIDX_NAMED);
}

/* Every place and every end of the extract, for every edge from which it can be reached. */
static void make_entries(maker *m)
{
    const ucidx_opportunity *places = m->x->opportunities;
    size_t count = 0, capacity = 1024;
    entry *list = take(capacity, sizeof *list);
    uint32_t *distance = take(m->x->node_count, sizeof *distance), cutoff = m->summary->cutoff;
    for (uint32_t i = 0; i < m->x->opportunity_count + m->x->node_count; i++) {
        uint32_t node = i < m->x->opportunity_count ? places[i].node : i - m->x->opportunity_count, gap = 0;
        entry made = {.lane = UCIDX_PART_END};
        if (i < m->x->opportunity_count) {
            gap = places[i].gap;
            made.lane = places[i].part;
            made.what = (uint8_t)(places[i].quality << UCIDX_QUALITY_SHIFT | (places[i].name ? UCIDX_NAMED : 0));
        } else if (!(m->nodes[node].flags & 1)) {
            continue;
        }
        walk(m, node, gap, distance);
        for (uint32_t e = 0; e < m->x->edge_count; e++) {
            uint32_t a = distance[m->edges[e].a], b = distance[m->edges[e].b];
            if (a > cutoff && b > cutoff) continue;
            made.edge = e;
            made.a = (uint16_t)(a <= cutoff ? a : UCIDX_FAR);
            made.b = (uint16_t)(b <= cutoff ? b : UCIDX_FAR);
            if (count == capacity && (list = realloc(list, 2 * (capacity *= 2) * sizeof *list)) == NULL) abort();
            list[count++] = made;
        }
    }
    qsort(list, count, sizeof *list, by_lane);
    ucidx_entries *blocks = take(count, sizeof *blocks);
    uint32_t block_count = 0;
    size_t next = 0;
    for (uint32_t e = 0; e < m->x->edge_count; e++) {
        uint32_t longest = 0, depth[UCIDX_PART_END + 1] = {0};
        m->edges[e].first_entry = block_count;
        for (; next < count && list[next].edge == e; next++) {
            uint32_t lane = list[next].lane, block = block_count + depth[lane]++;
            if (depth[lane] > longest) {
                longest = depth[lane];
                memset(blocks[block].a, 0xFF, sizeof blocks[block].a + sizeof blocks[block].b);
            }
            blocks[block].a[lane] = list[next].a;
            blocks[block].b[lane] = list[next].b;
            blocks[block].what |= (uint32_t)list[next].what << UCIDX_WHAT_BITS * lane;
        }
        block_count += longest;
    }
    m->edges[m->x->edge_count].first_entry = block_count;
    m->x->entries = blocks;
    m->x->entry_count = block_count;
    free(list);
    free(distance);
}

/* What segments repeat of their edges. */
static void join_edges(maker *m)
{
    for (uint32_t e = 0; e < m->x->edge_count; e++) {
        const ucidx_edge *edge = &m->edges[e];
        for (uint32_t i = edge->first_segment; i < edge[1].first_segment; i++) {
            ucidx_segment *s = &m->segments[i];
            uint32_t rest = edge->length - s->offset - s->length, blocks = edge[1].first_entry - edge->first_entry;
            if (blocks > UCIDX_BLOCKS_MAX) abort();
            s->first_entry = edge->first_entry;
            s->block_count = (uint8_t)blocks;
            s->rest = (uint16_t)(rest < UCIDX_FAR ? rest : UCIDX_FAR);
            s->island = (edge->flags & UCIDX_EDGE_ISLAND) != 0;
        }
    }
}

static double distance_m(const ucidx_segment *s, int32_t x, int32_t y, double x_m_per_e7)
{
    return sqrt(ucidx_near_segment(s->ax_e7, s->ay_e7, s->bx_e7, s->by_e7, x, y, x_m_per_e7).square_m2);
}

/* Candidates of a leaf, from its centre: whatever may be the nearest of some place in it. */
static uint32_t list_leaf(const maker *m, int island, int32_t x, int32_t y, double x_m, double half_m, uint32_t *out)
{
    uint32_t count = 0;
    double nearest = INFINITY;
    for (uint32_t s = 0; s < m->x->segment_count; s++) {
        if (m->segments[s].island != island) continue;
        nearest = fmin(nearest, distance_m(&m->segments[s], x, y, x_m));
    }
    for (uint32_t s = 0; s < m->x->segment_count; s++) {
        if (m->segments[s].island != island) continue;
        double distance = distance_m(&m->segments[s], x, y, x_m);
        if (distance > nearest + 2 * half_m + 0.1 || distance > LIMIT_M + half_m + 1.0) continue;
        out[count++] = s | (island ? 1u << 31 : 0);
    }
    return count;
}

typedef struct grid_maker {
    uint32_t *blocks, *cells, *candidates;
    ucidx_leaf *leaves;
    uint32_t block_count, cell_count, leaf_count, candidate_count;
    size_t leaf_room, candidate_room;
} grid_maker;

/* The leaves of a cell, whose south-west corner is x, y. */
static void cut_cell(const maker *m, grid_maker *g, const ucidx_row *row, int32_t x, int32_t y, uint32_t depth)
{
    uint32_t side = 1u << depth;
    g->cells[g->cell_count++] = g->leaf_count << 2 | depth;
    for (uint32_t leaf = 0; leaf < side * side; leaf++) {
        while (g->candidate_count + 2 * m->x->segment_count > g->candidate_room) {
            g->candidates = realloc(g->candidates, (g->candidate_room *= 2) * sizeof *g->candidates);
            if (g->candidates == NULL) abort();
        }
        if (g->leaf_count == g->leaf_room) {
            if ((g->leaves = realloc(g->leaves, (g->leaf_room *= 2) * sizeof *g->leaves)) == NULL) abort();
        }
        int32_t middle_x = x + (int32_t)((2 * (leaf % side) + 1) * row->cell_e7 / (2 * side));
        int32_t middle_y = y + (int32_t)((2 * (leaf / side) + 1) * UCIDX_ROW_E7 / (2 * side));
        uint32_t first = g->candidate_count;
        for (int island = 0; island < 2; island++) {
            g->candidate_count += list_leaf(m, island, middle_x, middle_y, row->x_m_per_e7, 71.0 / side,
                                            g->candidates + g->candidate_count);
        }
        g->leaves[g->leaf_count++] = (ucidx_leaf){first, g->candidate_count - first};
    }
}

static void make_grid(maker *m)
{
    ucidx_summary *sum = m->summary;
    int32_t margin = (int32_t)(400.0 / UCIDX_Y_M_PER_E7), wide = (int32_t)(400.0 * m->lon_e7_per_m);
    sum->lat_origin_e7 = sum->min_lat_e7 - margin;
    sum->row_count = (uint32_t)((sum->max_lat_e7 - sum->min_lat_e7 + 2 * margin) / UCIDX_ROW_E7 + 1);
    ucidx_row *rows = take(sum->row_count, sizeof *rows);
    grid_maker g = {.leaf_room = 1 << 12, .candidate_room = 1 << 16};
    g.blocks = take((size_t)sum->row_count * 400, sizeof *g.blocks);
    g.cells = take((size_t)sum->row_count * 400 * UCIDX_BLOCK_CELLS, sizeof *g.cells);
    g.leaves = take(g.leaf_room, sizeof *g.leaves);
    g.candidates = take(g.candidate_room, sizeof *g.candidates);
    for (uint32_t r = 0; r < sum->row_count; r++) {
        int32_t y = sum->lat_origin_e7 + (int32_t)r * UCIDX_ROW_E7;
        ucidx_row *row = &rows[r];
        row->x_m_per_e7 = UCIDX_Y_M_PER_E7 * ucid_cos((y + UCIDX_ROW_E7 / 2) * 1e-7 * UCID_PI / 180.0);
        row->lon_e7 = sum->min_lon_e7 - wide;
        row->cell_e7 = ucidx_cell_e7(row->x_m_per_e7);
        row->first_block = g.block_count;
        row->block_count = (uint32_t)(sum->max_lon_e7 + wide - row->lon_e7) / (row->cell_e7 * UCIDX_BLOCK_CELLS) + 1;
        for (uint32_t b = 0; b < row->block_count; b++) {
            uint32_t before = g.candidate_count, cells = g.cell_count, leaves = g.leaf_count;
            for (uint32_t c = 0; c < UCIDX_BLOCK_CELLS; c++) {
                int32_t x = row->lon_e7 + (int32_t)((b * UCIDX_BLOCK_CELLS + c) * row->cell_e7);
                cut_cell(m, &g, row, x, y, (r + c) % (UCIDX_DEPTH_MAX + 1));
            }
            int any = g.candidate_count > before;
            g.blocks[g.block_count++] = any ? cells : UCIDX_NONE;
            if (!any) g.cell_count = cells, g.leaf_count = leaves;
        }
    }
    m->x->rows = rows;
    m->x->blocks = g.blocks;
    m->x->block_count = g.block_count;
    m->x->cells = g.cells;
    m->x->cell_count = g.cell_count;
    m->x->leaves = g.leaves;
    m->x->leaf_count = g.leaf_count;
    m->x->candidates = g.candidates;
    m->x->candidate_count = g.candidate_count;
}

/* A square that leaves out the rim, with a square hole in its middle, as two rings. */
static void make_boundary(maker *m)
{
    const ucidx_summary *sum = m->summary;
    int32_t w = (sum->max_lon_e7 - sum->min_lon_e7) / 8, h = (sum->max_lat_e7 - sum->min_lat_e7) / 8;
    int32_t x = sum->min_lon_e7, y = sum->min_lat_e7;
    ucidx_ring_point rings[] = {
        {x + w, y + h, 0, 0},         {x + 7 * w, y + h, 0, 0},     {x + 7 * w + w / 3, y + 7 * h, 0, 0},
        {x + w, y + 7 * h, 0, 0},     {x + 3 * w, y + 3 * h, 1, 0}, {x + 5 * w, y + 3 * h, 1, 0},
        {x + 4 * w, y + 5 * h, 1, 0},
    };
    ucidx_ring_point *copy = take(sizeof rings / sizeof rings[0], sizeof *copy);
    memcpy(copy, rings, sizeof rings);
    m->x->boundary = copy;
    m->x->boundary_count = sizeof rings / sizeof rings[0];
}

ucid_index *lattice_new(const lattice_options *options)
{
    maker m = {.o = *options, .seed = options->seed};
    m.x = take(1, sizeof *m.x);
    m.summary = take(1, sizeof *m.summary);
    m.x->summary = m.summary;
    m.lon_e7_per_m = 1.0 / (UCIDX_Y_M_PER_E7 * ucid_cos(options->lat_deg * UCID_PI / 180.0));
    m.summary->lon_origin_e7 = fabs(options->lon_deg) > 90.0 ? 1800000000 : 0;
    m.summary->cutoff = CUTOFF_M * UCIDX_UNITS_PER_M;
    m.summary->snap_limit = LIMIT_M * UCIDX_UNITS_PER_M;
    m.summary->flags = options->flags;
    m.summary->data_hour = options->data_hour;
    make_streets(&m);
    mark_islands(&m);
    m.summary->min_lat_e7 = m.summary->min_lon_e7 = INT32_MAX;
    m.summary->max_lat_e7 = m.summary->max_lon_e7 = INT32_MIN;
    for (uint32_t i = 0; i < m.x->segment_count; i++) {
        const ucidx_segment *s = &m.segments[i];
        if (s->ax_e7 < m.summary->min_lon_e7) m.summary->min_lon_e7 = s->ax_e7;
        if (s->ax_e7 > m.summary->max_lon_e7) m.summary->max_lon_e7 = s->ax_e7;
        if (s->ay_e7 < m.summary->min_lat_e7) m.summary->min_lat_e7 = s->ay_e7;
        if (s->ay_e7 > m.summary->max_lat_e7) m.summary->max_lat_e7 = s->ay_e7;
    }
    make_arcs(&m);
    make_places(&m);
    make_entries(&m);
    join_edges(&m);
    make_grid(&m);
    if (options->bounded) make_boundary(&m);
    m.x->nodes = m.nodes;
    m.x->edges = m.edges;
    m.x->segments = m.segments;
    free(m.component);
    return m.x;
}

void lattice_free(ucid_index *index)
{
    const void *parts[] = {index->summary,    index->rows,          index->blocks, index->cells,   index->leaves,
                           index->candidates, index->segments,      index->edges,  index->entries, index->nodes,
                           index->arcs,       index->opportunities, index->names,  index->boundary};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) free((void *)(uintptr_t)parts[i]);
    free(index);
}
