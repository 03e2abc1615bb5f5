/* build_streets.c: from ways to a graph.
 *
 * A piece is the straight line between two neighbouring points of a way. Overlapping ways share pieces, so pieces are
 * sorted and each is kept once; from here on ways are forgotten. Junctions are the points where not exactly two pieces
 * meet, and the points where the extract ends; a chain of pieces between two junctions is an edge. What is left are
 * closed loops without a junction: their lowest point becomes one. Points ascend by OSM id, so all of this is in an
 * order that depends on the data alone. */
#include "index/build.h"
#include "rt/error.h"
#include "rt/trig.h"

#include <stdlib.h>
#include <string.h>

enum { MARK_END = 1, MARK_OUTSIDE = 2, POINT_BITS = 28, JUNCTIONS_OF_MAIN = 40 };
#define PIECE_MAX_M 50e3 /* no street runs straight for longer: a point is misplaced */
#define EDGE_MAX_M 1e8

typedef struct piece_set {
    uint64_t *keys; /* lower point << 36 | higher point << 8 | class */
    double *metres; /* of each piece; NULL: as it is drawn */
    size_t count;
    uint32_t *first, *around; /* pieces around each point: around[first[p] .. first[p + 1]) */
    uint8_t *marks;
} piece_set;

static uint32_t low_point(uint64_t key) { return (uint32_t)(key >> 36); }
static uint32_t high_point(uint64_t key) { return (uint32_t)(key >> 8) & ((1u << POINT_BITS) - 1); }
static uint32_t other_end(uint64_t key, uint32_t point)
{
    return low_point(key) == point ? high_point(key) : low_point(key);
}

static int in_keep(const build *b, size_t point)
{
    return !b->has_keep || (b->point_y[point] >= b->keep_e7[0] && b->point_x[point] >= b->keep_e7[1] &&
                            b->point_y[point] <= b->keep_e7[2] && b->point_x[point] <= b->keep_e7[3]);
}

static int is_misplaced(const build *b, uint32_t p, uint32_t q)
{
    int64_t across = llabs((int64_t)b->point_x[p] - b->point_x[q]),
            along = llabs((int64_t)b->point_y[p] - b->point_y[q]);
    return across + along > 3000000 && /* 33 km */
           ucid_distance_m(b->point_y[p], b->point_x[p], b->point_y[q], b->point_x[q]) > PIECE_MAX_M;
}

static ucid_status sort_with_metres(build *b, piece_set *set, size_t count)
{
    uint32_t *order = build_take(b, count, sizeof *order, "street pieces");
    uint64_t *keys = build_take(b, count, sizeof *keys, "street pieces");
    double *metres = build_take(b, count, sizeof *metres, "street pieces");
    if (order == NULL || keys == NULL || metres == NULL) return UCID_NO_MEMORY;
    ucid_status status = build_sort_order(b, set->keys, order, count);
    if (status != UCID_OK) return status;
    for (size_t i = 0; i < count; i++) {
        keys[i] = set->keys[order[i]];
        metres[i] = set->metres[order[i]];
    }
    build_drop(b, order);
    build_drop(b, set->keys);
    build_drop(b, set->metres);
    set->keys = keys;
    set->metres = metres;
    return UCID_OK;
}

static ucid_status make_pieces(build *b, piece_set *set)
{
    if (b->point_count >= (UINT64_C(1) << POINT_BITS)) {
        return ucid_fail(b->error, UCID_UNSUPPORTED_FORMAT, "%s: more than %u points in streets; split it by region",
                         b->path, 1u << POINT_BITS);
    }
    size_t most = 0;
    for (size_t w = 0; w < b->way_count; w++) most += b->ways[w].count - 1;
    set->keys = build_take(b, most, sizeof *set->keys, "street pieces");
    set->marks = build_take_zero(b, b->point_count, 1, "street points");
    if (b->way_m != NULL) set->metres = build_take(b, most, sizeof *set->metres, "street pieces");
    if (set->keys == NULL || set->marks == NULL || (b->way_m != NULL && set->metres == NULL)) return UCID_NO_MEMORY;
    for (size_t p = 0; p < b->point_count && b->point_end != NULL; p++) {
        if (b->point_end[p]) set->marks[p] = MARK_END;
    }
    if (b->header_box == BOX_TRUSTED) {
        for (size_t p = 0; p < b->point_count; p++) {
            if (b->point_y[p] < b->box_e7[0] || b->point_x[p] < b->box_e7[1] || b->point_y[p] > b->box_e7[2] ||
                b->point_x[p] > b->box_e7[3]) {
                set->marks[p] = MARK_OUTSIDE;
            }
        }
    }
    size_t count = 0;
    for (size_t w = 0; w < b->way_count; w++) {
        const uint32_t *points = b->points + b->ways[w].first;
        for (uint32_t i = 0; i < b->ways[w].count; i++) {
            uint32_t p = points[i];
            if (b->point_y[p] == BUILD_MISSING) {
                b->counts.nodes_missing++;
                if (i > 0) set->marks[points[i - 1]] |= MARK_END;
                if (i + 1 < b->ways[w].count) set->marks[points[i + 1]] |= MARK_END;
                continue;
            }
            if (i == 0 || points[i - 1] == p || b->point_y[points[i - 1]] == BUILD_MISSING) continue;
            uint32_t q = points[i - 1];
            int p_kept = in_keep(b, p), q_kept = in_keep(b, q);
            if (!p_kept && !q_kept) {
                b->counts.pieces_outside_buffer++;
                continue;
            }
            if (is_misplaced(b, p, q)) {
                b->counts.pieces_misplaced++;
                set->marks[p] |= MARK_END;
                set->marks[q] |= MARK_END;
                continue;
            }
            if (!p_kept) set->marks[p] |= MARK_END;
            if (!q_kept) set->marks[q] |= MARK_END;
            if ((set->marks[p] ^ set->marks[q]) & MARK_OUTSIDE) {
                set->marks[set->marks[p] & MARK_OUTSIDE ? p : q] |= MARK_END;
            }
            uint64_t low = p < q ? p : q, high = p < q ? q : p;
            if (b->way_m != NULL) set->metres[count] = b->way_m[w];
            set->keys[count++] = low << 36 | high << 8 | b->ways[w].class;
        }
    }
    ucid_status status = set->metres == NULL ? build_sort(b, set->keys, count) : sort_with_metres(b, set, count);
    if (status != UCID_OK) return status;
    for (size_t i = 0; i < count; i++) {
        if (set->count == 0 || set->keys[i] >> 8 != set->keys[set->count - 1] >> 8) {
            if (set->metres != NULL) set->metres[set->count] = set->metres[i];
            set->keys[set->count++] = set->keys[i];
        } else if (set->metres != NULL && set->metres[i] < set->metres[set->count - 1]) {
            set->metres[set->count - 1] = set->metres[i]; /* of several ways between two points the shortest */
        }
    }
    b->counts.pieces = set->count;
    b->counts.pieces_repeated = count - set->count;
    return set->count <= INT32_MAX
               ? UCID_OK
               : ucid_fail(b->error, UCID_UNSUPPORTED_FORMAT, "%s: more than %d street pieces; split it by region",
                           b->path, INT32_MAX);
}

static ucid_status index_pieces(build *b, piece_set *set)
{
    set->first = build_take_zero(b, b->point_count + 2, sizeof *set->first, "street points");
    set->around = build_take(b, 2 * set->count, sizeof *set->around, "street points");
    if (set->first == NULL || set->around == NULL) return UCID_NO_MEMORY;
    uint32_t *next = set->first + 1; /* shifted by one while filling, right afterwards */
    for (size_t i = 0; i < set->count; i++) {
        next[low_point(set->keys[i]) + 1]++;
        next[high_point(set->keys[i]) + 1]++;
    }
    for (size_t p = 0; p < b->point_count; p++) next[p + 1] += next[p];
    for (size_t i = 0; i < set->count; i++) {
        set->around[next[low_point(set->keys[i])]++] = (uint32_t)i;
        set->around[next[high_point(set->keys[i])]++] = (uint32_t)i;
    }
    return UCID_OK;
}

static uint32_t degree(const piece_set *set, uint32_t point) { return set->first[point + 1] - set->first[point]; }

static int is_junction(const piece_set *set, uint32_t point)
{
    return degree(set, point) != 2 || (set->marks[point] & MARK_END);
}

typedef struct contraction {
    build *b;
    piece_set *set;
    uint32_t *node_of; /* by point, or UCIDX_NONE */
    uint8_t *used;     /* bit per piece */
    size_t node_capacity, edge_capacity, point_capacity;
} contraction;

static ucid_status add_node(contraction *c, uint32_t point)
{
    build *b = c->b;
    if (!BUILD_ROOM(b, b->nodes, c->node_capacity, b->node_count + 1, "junctions")) return UCID_NO_MEMORY;
    int end = (c->set->marks[point] & (MARK_END | MARK_OUTSIDE)) != 0;
    b->counts.ends += (uint64_t)end;
    c->node_of[point] = (uint32_t)b->node_count;
    b->nodes[b->node_count++] =
        (build_node){.x_e7 = b->point_x[point], .y_e7 = b->point_y[point], .flags = (uint32_t)end};
    return UCID_OK;
}

static ucid_status add_point(contraction *c, uint32_t point, double metres)
{
    build *b = c->b;
    if (metres > EDGE_MAX_M) {
        return ucid_fail(b->error, UCID_DATA_ERROR, "%s: a street of %.0f km without a junction", b->path,
                         metres / 1e3);
    }
    if (!BUILD_ROOM(b, b->edge_points, c->point_capacity, b->edge_point_count + 1, "street geometry")) {
        return UCID_NO_MEMORY;
    }
    b->edge_points[b->edge_point_count++] =
        (build_point){b->point_x[point], b->point_y[point], (uint32_t)(metres * UCIDX_UNITS_PER_M + 0.5)};
    return UCID_OK;
}

/* The edge that leaves a junction by a piece, to the next junction. */
static ucid_status add_edge(contraction *c, uint32_t start, uint32_t piece)
{
    build *b = c->b;
    const piece_set *set = c->set;
    if (!BUILD_ROOM(b, b->edges, c->edge_capacity, b->edge_count + 2, "streets")) return UCID_NO_MEMORY;
    build_edge edge = {.a = c->node_of[start], .first_point = (uint32_t)b->edge_point_count};
    double metres = 0.0, of_class[UCIDX_CLASS_COUNT] = {0};
    ucid_status status = add_point(c, start, 0.0);
    uint32_t point = start;
    while (status == UCID_OK) {
        c->used[piece / 8] |= (uint8_t)(1u << piece % 8);
        uint32_t next = other_end(set->keys[piece], point);
        double length = set->metres != NULL
                            ? set->metres[piece]
                            : ucid_distance_m(b->point_y[point], b->point_x[point], b->point_y[next], b->point_x[next]);
        of_class[set->keys[piece] & 0xFF] += length;
        metres += length;
        point = next;
        status = add_point(c, point, metres);
        if (c->node_of[point] != UCIDX_NONE) break;
        const uint32_t *two = set->around + set->first[point];
        piece = two[0] == piece ? two[1] : two[0];
    }
    if (status != UCID_OK) return status;
    build_point *last = &b->edge_points[b->edge_point_count - 1];
    if (last->at == 0) last->at = 1;
    edge.length = last->at;
    edge.b = c->node_of[point];
    for (uint32_t k = 1; k < UCIDX_CLASS_COUNT; k++) {
        if (of_class[k] > of_class[edge.flags]) edge.flags = k;
    }
    b->edges[b->edge_count++] = edge;
    return UCID_OK;
}

static ucid_status contract(build *b, piece_set *set)
{
    contraction c = {.b = b, .set = set};
    c.node_of = build_take(b, b->point_count, sizeof *c.node_of, "junctions");
    c.used = build_take_zero(b, set->count / 8 + 1, 1, "street pieces");
    if (c.node_of == NULL || c.used == NULL) return UCID_NO_MEMORY;
    memset(c.node_of, 0xFF, b->point_count * sizeof *c.node_of);
    ucid_status status = UCID_OK;
    uint32_t points = (uint32_t)b->point_count;
    for (uint32_t p = 0; p < points && status == UCID_OK; p++) {
        if (degree(set, p) > 0 && is_junction(set, p)) status = add_node(&c, p);
    }
    b->counts.junctions = b->node_count;
    for (int loops = 0; loops < 2; loops++) {
        for (uint32_t p = 0; p < points && status == UCID_OK; p++) {
            if (degree(set, p) == 0 || (c.node_of[p] == UCIDX_NONE) != loops) continue;
            for (uint32_t i = set->first[p]; i < set->first[p + 1] && status == UCID_OK; i++) {
                uint32_t piece = set->around[i];
                if (c.used[piece / 8] >> piece % 8 & 1) continue;
                if (loops && c.node_of[p] == UCIDX_NONE) {
                    status = add_node(&c, p);
                    b->counts.loops++;
                }
                if (status == UCID_OK) status = add_edge(&c, p, piece);
            }
        }
    }
    build_drop(b, c.node_of);
    build_drop(b, c.used);
    if (status == UCID_OK && b->edge_point_count > UINT32_MAX) {
        status =
            ucid_fail(b->error, UCID_UNSUPPORTED_FORMAT, "%s: too many street points; split it by region", b->path);
    }
    if (status == UCID_OK && b->edge_count > 0) {
        b->edges[b->edge_count] = (build_edge){.first_point = (uint32_t)b->edge_point_count};
    }
    return status;
}

static uint32_t root_of(uint32_t *parent, uint32_t node)
{
    while (parent[node] != node) {
        parent[node] = parent[parent[node]];
        node = parent[node];
    }
    return node;
}

/* A component with fewer than JUNCTIONS_OF_MAIN junctions is an island, unless it is the longest of all. */
static ucid_status find_islands(build *b)
{
    uint32_t *parent = build_take(b, b->node_count, sizeof *parent, "components");
    uint32_t *meets = build_take_zero(b, b->node_count, sizeof *meets, "components");
    uint32_t *junctions = build_take_zero(b, b->node_count, sizeof *junctions, "components");
    uint64_t *length = build_take_zero(b, b->node_count, sizeof *length, "components");
    if (parent == NULL || meets == NULL || junctions == NULL || length == NULL) return UCID_NO_MEMORY;
    for (uint32_t n = 0; n < b->node_count; n++) parent[n] = n;
    for (size_t e = 0; e < b->edge_count; e++) {
        uint32_t a = root_of(parent, b->edges[e].a), z = root_of(parent, b->edges[e].b);
        if (a != z) parent[a < z ? z : a] = a < z ? a : z;
        meets[b->edges[e].a]++;
        meets[b->edges[e].b]++;
    }
    for (uint32_t n = 0; n < b->node_count; n++) {
        uint32_t root = root_of(parent, n);
        junctions[root] += meets[n] != 2;
        b->counts.components += root == n;
    }
    uint32_t longest = 0;
    for (size_t e = 0; e < b->edge_count; e++) {
        uint32_t root = root_of(parent, b->edges[e].a);
        length[root] += b->edges[e].length;
        b->street_length += b->edges[e].length;
    }
    for (uint32_t n = 0; n < b->node_count; n++) {
        if (length[n] > length[longest]) longest = n;
    }
    b->main_length = length[longest];
    for (uint32_t n = 0; n < b->node_count; n++) {
        b->counts.islands += parent[n] == n && n != longest && junctions[n] < JUNCTIONS_OF_MAIN;
    }
    for (size_t e = 0; e < b->edge_count; e++) {
        uint32_t root = root_of(parent, b->edges[e].a);
        if (root == longest || junctions[root] >= JUNCTIONS_OF_MAIN) continue;
        b->edges[e].flags |= UCIDX_EDGE_ISLAND;
        b->counts.island_edges++;
    }
    build_drop(b, parent);
    build_drop(b, meets);
    build_drop(b, junctions);
    build_drop(b, length);
    return UCID_OK;
}

/* Rows of the index: from a row and the snap limit south of the streets to as far north of them. They start at
 * multiples of their height, so that a place has the same row, and with it the same metres, in every index that holds
 * it. */
static void lay_rows(build *b)
{
    b->min_x_e7 = b->min_y_e7 = INT32_MAX;
    b->max_x_e7 = b->max_y_e7 = INT32_MIN;
    for (size_t i = 0; i < b->edge_point_count; i++) {
        const build_point *p = &b->edge_points[i];
        if (p->x_e7 < b->min_x_e7) b->min_x_e7 = p->x_e7;
        if (p->x_e7 > b->max_x_e7) b->max_x_e7 = p->x_e7;
        if (p->y_e7 < b->min_y_e7) b->min_y_e7 = p->y_e7;
        if (p->y_e7 > b->max_y_e7) b->max_y_e7 = p->y_e7;
    }
    int32_t margin = (int32_t)((double)b->snap_limit / UCIDX_UNITS_PER_M / UCIDX_Y_M_PER_E7) + UCIDX_ROW_E7;
    b->lat_origin_e7 = b->min_y_e7 - margin;
    b->lat_origin_e7 -= ((b->lat_origin_e7 % UCIDX_ROW_E7) + UCIDX_ROW_E7) % UCIDX_ROW_E7;
    b->row_count = (size_t)((b->max_y_e7 + margin - b->lat_origin_e7) / UCIDX_ROW_E7) + 1;
}

ucid_status build_streets(build *b)
{
    if (b->way_count == 0) {
        return ucid_fail(b->error, UCID_DATA_ERROR,
                         "%s: no walkable street (%llu ways, %llu nodes, %llu relations read)", b->path,
                         (unsigned long long)b->counts.ways_read, (unsigned long long)b->counts.nodes_read,
                         (unsigned long long)b->counts.relations_read);
    }
    piece_set set = {0};
    ucid_status status = make_pieces(b, &set);
    if (status == UCID_OK) status = index_pieces(b, &set);
    if (status == UCID_OK) status = contract(b, &set);
    build_drop(b, set.keys);
    build_drop(b, set.metres);
    build_drop(b, set.first);
    build_drop(b, set.around);
    build_drop(b, set.marks);
    if (status == UCID_OK && b->edge_count == 0) {
        status = ucid_fail(b->error, UCID_DATA_ERROR, "%s: no walkable street: %llu ways, but their nodes are %s",
                           b->path, (unsigned long long)b->way_count,
                           b->counts.pieces_outside_buffer > 0 ? "not near the boundary" : "missing");
    }
    if (status == UCID_OK) status = find_islands(b);
    if (status == UCID_OK) lay_rows(b);
    return status;
}
