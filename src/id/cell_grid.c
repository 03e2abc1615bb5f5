/* cell_grid.c: the cells of an area, in ascending order, without holding them.
 *
 * A cell's number is its base cell and then its digits, so a depth-first walk over base cells and digits meets the
 * cells of a resolution in ascending order. All centres below a cell lie within a radius of its centre (sum of the
 * steps from parent to child); a range of latitude and longitude around that circle tells whether the area holds all of
 * it, none, or has to be asked again further down. Only the path from the root is kept.
 *
 * The area of a polygon is what an odd number of its edges says: a place is inside if the parallel through it,
 * eastwards, crosses an odd number of edges. Going down, edges are sorted out that no place below can cross, or that
 * all do: those are counted once. So a leaf asks the few edges near it, with the same answer as if it asked all.
 *
 * At the leaf the centre itself decides. Where ours is so near to an edge of the area that libh3's could fall on the
 * other side, libh3's is taken. */
#include <math.h>

#include "id/cell_centre.h"
#include "id/cell_tables.h"
#include "rt/error.h"
#include "rt/memory.h"
#include "rt/trig.h"

typedef struct edge {
    double lat[2], lon[2];
} edge;

/* A range around all centres below a node. */
typedef struct span {
    double south, north, west, east;
} span;

/* A node of the path: its cell, and what is known of all below it. */
typedef struct node {
    uint64_t cell;
    int digit; /* at depth 0: base cell */
    int pentagon;
    int inside;                     /* all below is inside */
    int parity;                     /* of the edges that all places below cross */
    int64_t edge_start, edge_count; /* in lists: edges to ask */
} node;

struct ucid_grid {
    ucid_allocator allocator;
    int resolution, depth, is_box;
    span box; /* east >= west, at most 540 */
    edge *edges;
    int64_t edge_count, edge_capacity;
    int32_t *lists; /* the lists of all nodes of the path, one behind the other */
    int64_t list_capacity;
    double radius_rad[16]; /* around a node's centre, of the centres below it */
    node path[17];         /* path[0] is the root, path[depth + 1] the node */
};

enum { OUTSIDE, INSIDE, DIVIDED };

/* Degrees by which two ways to compute a centre may differ, with much to spare: libh3 takes the latitude as asin(z),
 * which loses digits towards the poles, where longitudes lose them too. */
static double doubt_deg(double lat)
{
    double room = 1 - fabs(lat) / 90;
    return 1e-12 / (room > 1e-9 ? room : 1e-9);
}

/* ------------------------------------------------------------------------------------------------------ the area -- */

static int in_box(const span *box, double lat, double lon)
{
    if (lon >= 180) lon -= 360;
    int lat_inside = lat >= box->south && (lat < box->north || box->north == 90);
    return lat_inside && ((lon >= box->west && lon < box->east) || lon + 360 < box->east);
}

static int near_box_edge(const span *box, double lat, double lon, double doubt)
{
    double west = fabs(lon - box->west), east = fabs(lon - box->east), half = fabs(lon) - 180;
    if (fabs(lat - box->south) < doubt || fabs(lat - box->north) < doubt || fabs(half) < doubt) return 1;
    return west < doubt || fabs(west - 360) < doubt || east < doubt || fabs(east - 360) < doubt;
}

static int judge_box(const span *box, const span *reach)
{
    if (reach->north < box->south || reach->south > box->north) return OUTSIDE;
    int lat_inside = reach->south >= box->south && (reach->north < box->north || box->north == 90), verdict = OUTSIDE;
    for (int turn = -360; turn <= 720; turn += 360) {
        double west = reach->west + turn, east = reach->east + turn;
        if (west >= box->west && east < box->east) verdict = lat_inside ? INSIDE : DIVIDED;
        if (verdict == OUTSIDE && east >= box->west && west <= box->east) verdict = DIVIDED;
    }
    return verdict;
}

/* Longitude where an edge meets a parallel that it crosses. */
static double crossing(const edge *e, double lat)
{
    return e->lon[0] + (lat - e->lat[0]) * (e->lon[1] - e->lon[0]) / (e->lat[1] - e->lat[0]);
}

static int crosses(const edge *e, double lat, double lon)
{
    return (e->lat[0] > lat) != (e->lat[1] > lat) && lon < crossing(e, lat);
}

static int in_polygon(const ucid_grid *grid, const node *leaf, double lat, double lon)
{
    if (lon >= 180) lon -= 360;
    int parity = leaf->parity;
    for (int64_t k = leaf->edge_start; k < leaf->edge_start + leaf->edge_count; k++) {
        parity ^= crosses(&grid->edges[grid->lists[k]], lat, lon);
    }
    return parity;
}

static int near_polygon_edge(const ucid_grid *grid, const node *leaf, double lat, double lon, double doubt)
{
    if (fabs(fabs(lon) - 180) < doubt) return 1;
    for (int64_t k = leaf->edge_start; k < leaf->edge_start + leaf->edge_count; k++) {
        const edge *e = &grid->edges[grid->lists[k]];
        if (fabs(lat - e->lat[0]) < doubt || fabs(lat - e->lat[1]) < doubt) return 1;
        if ((e->lat[0] > lat) == (e->lat[1] > lat)) continue;
        double slope = (e->lon[1] - e->lon[0]) / (e->lat[1] - e->lat[0]);
        if (fabs(lon - crossing(e, lat)) < doubt * (1 + fabs(slope))) return 1;
    }
    return 0;
}

/* Sort the parent's edges for a node with a centre. Where no edge comes into its span, all below is on the centre's
 * side. */
static int judge_polygon(ucid_grid *grid, const node *parent, node *child, const span *reach, double lat, double lon)
{
    int64_t near = 0;
    child->edge_start = parent->edge_start + parent->edge_count, child->edge_count = 0;
    for (int64_t k = parent->edge_start; k < parent->edge_start + parent->edge_count; k++) {
        const edge *e = &grid->edges[grid->lists[k]];
        double low = fmin(e->lat[0], e->lat[1]), high = fmax(e->lat[0], e->lat[1]);
        if (low > reach->north || high < reach->south) continue;
        if (fmax(e->lon[0], e->lon[1]) < reach->west) continue;
        int east = fmin(e->lon[0], e->lon[1]) > reach->east;
        if (east && low <= reach->south && high > reach->north) {
            child->parity ^= 1;
            continue;
        }
        near += !east;
        grid->lists[child->edge_start + child->edge_count++] = grid->lists[k];
    }
    if (near > 0) return DIVIDED;
    return in_polygon(grid, child, lat, lon) ? INSIDE : OUTSIDE;
}

/* ------------------------------------------------------------------------------------------------------ the walk -- */

/* Whether all centres below a node are inside. */
static int judge(ucid_grid *grid, const node *parent, node *child, int depth)
{
    child->inside = parent->inside, child->parity = parent->parity;
    child->edge_start = parent->edge_start, child->edge_count = parent->edge_count;
    if (child->inside) return INSIDE;
    double v[3], radius = grid->radius_rad[depth], degree = 180 / UCID_PI;
    if (!ucid_cell_direction(child->cell, v)) return DIVIDED;
    double flat = sqrt(v[0] * v[0] + v[1] * v[1]), cosine = flat / sqrt(flat * flat + v[2] * v[2]);
    double lat = ucid_atan2(v[2], flat) * degree, lon = ucid_atan2(v[1], v[0]) * degree, spare = 1000 * doubt_deg(lat);
    /* The circle's meridians: sin(width) = sin(radius) / cos(lat). The radius is more than its sine, the tangent than
     * the width; where the circle holds a pole, all meridians. */
    double tall = radius * degree + spare, room = cosine * cosine - radius * radius;
    double width = room > 0 ? radius / sqrt(room) * degree + spare : 180;
    span reach = {lat - tall, lat + tall, -180, 180};
    if (width < 180) reach.west = lon - width, reach.east = lon + width;
    if (grid->is_box) return judge_box(&grid->box, &reach);
    if (reach.west < -180 || reach.east > 180)
        reach.west = -180, reach.east = 180; /* across: no meridian is sorted out */
    return judge_polygon(grid, parent, child, &reach, lat, lon);
}

static int in_area(const ucid_grid *grid, const node *leaf, double lat, double lon)
{
    if (leaf->inside) return 1;
    double doubt = doubt_deg(lat);
    if (grid->is_box) {
        if (near_box_edge(&grid->box, lat, lon, doubt)) ucid_cell_centre_libh3(leaf->cell, &lat, &lon);
        return in_box(&grid->box, lat, lon);
    }
    if (near_polygon_edge(grid, leaf, lat, lon, doubt)) ucid_cell_centre_libh3(leaf->cell, &lat, &lon);
    return in_polygon(grid, leaf, lat, lon);
}

/* Make path[depth + 1] the child of path[depth] with a digit. */
static void enter(ucid_grid *grid, int depth, int digit)
{
    const node *parent = &grid->path[depth];
    node *child = &grid->path[depth + 1];
    grid->depth = depth;
    child->digit = digit;
    if (depth == 0) {
        child->cell = UCID_CELL_BASE(digit);
        child->pentagon = ucid_cell_table.home[digit][0].pentagon;
        return;
    }
    int shift = 3 * (15 - depth);
    child->cell = ((parent->cell + (UINT64_C(1) << 52)) & ~(UINT64_C(7) << shift)) | (uint64_t)digit << shift;
    child->pentagon = parent->pentagon && digit == 0;
}

/* The next node that is not below the present one; 0 at the end. */
static int leave(ucid_grid *grid)
{
    for (int depth = grid->depth; depth >= 0; depth--) {
        int digit = grid->path[depth + 1].digit + 1;
        if (depth > 0 && digit == 1 && grid->path[depth].pentagon) digit = 2; /* pentagons have no child 1 */
        if (digit < (depth == 0 ? UCID_CELL_BASES : 7)) {
            enter(grid, depth, digit);
            return 1;
        }
    }
    grid->depth = -1;
    return 0;
}

int64_t ucid_grid_next(ucid_grid *grid, int64_t capacity, uint64_t *cells, double *lat_deg, double *lon_deg)
{
    int64_t count = 0;
    int place_wanted = lat_deg != NULL || lon_deg != NULL;
    while (count < capacity && grid->depth >= 0) {
        int depth = grid->depth;
        const node *parent = &grid->path[depth];
        node *here = &grid->path[depth + 1];
        if (depth < grid->resolution) {
            int verdict = judge(grid, parent, here, depth); /* sets what is known below */
            here->inside = verdict == INSIDE;
            if (verdict == OUTSIDE) {
                leave(grid);
            } else {
                enter(grid, depth + 1, 0);
            }
            continue;
        }
        here->inside = parent->inside, here->parity = parent->parity;
        here->edge_start = parent->edge_start, here->edge_count = parent->edge_count;
        double lat = 0, lon = 0;
        if (place_wanted || !here->inside) ucid_cell_centre_of_valid(here->cell, &lat, &lon);
        if (in_area(grid, here, lat, lon)) {
            cells[count] = here->cell;
            if (lat_deg != NULL) lat_deg[count] = lat;
            if (lon_deg != NULL) lon_deg[count] = lon;
            count++;
        }
        leave(grid);
    }
    return count;
}

/* -------------------------------------------------------------------------------------------------- open and close --
 */

static ucid_status open_empty(int resolution, const ucid_allocator *allocator, ucid_grid **grid, ucid_error *error)
{
    if (resolution < 0 || resolution > 15) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "resolution %d is not in 0..15", resolution);
    }
    ucid_allocator memory = ucid_allocator_or_default(allocator);
    ucid_grid *made = ucid_allocate_zero(&memory, 1, sizeof **grid);
    if (made == NULL) return ucid_fail_memory(error, "a grid", sizeof **grid);
    made->allocator = memory;
    made->resolution = resolution;
    /* A step from a parent at resolution r to a child is 1 / sqrt 7 of r's unit, which is 1 / S radians or less. */
    double step[16], unit = 1 / UCID_CELL_SCALE_0;
    for (int r = 0; r < 16; r++) {
        unit *= 0x1.83091e6a7f7e7p-2; /* 1 / sqrt 7 */
        step[r] = unit;
    }
    for (int r = 15; r >= 0; r--) {
        made->radius_rad[r] = r >= resolution ? 0 : step[r] + (r < 15 ? made->radius_rad[r + 1] : 0);
    }
    enter(made, 0, 0);
    *grid = made;
    return UCID_OK;
}

static int in_range(double lat, double lon) { return fabs(lat) <= 90 && fabs(lon) <= 180; }

ucid_status ucid_grid_open_box(double min_lat_deg, double min_lon_deg, double max_lat_deg, double max_lon_deg,
                               int resolution, const ucid_allocator *allocator, ucid_grid **grid, ucid_error *error)
{
    if (!in_range(min_lat_deg, min_lon_deg) || !in_range(max_lat_deg, max_lon_deg)) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT,
                         "box %g %g %g %g is not within latitudes of 90 and longitudes of 180", min_lat_deg,
                         min_lon_deg, max_lat_deg, max_lon_deg);
    }
    if (min_lat_deg > max_lat_deg) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "box: smallest latitude %g is above the largest, %g",
                         min_lat_deg, max_lat_deg);
    }
    ucid_status status = open_empty(resolution, allocator, grid, error);
    if (status != UCID_OK) return status;
    (*grid)->is_box = 1;
    span box = {min_lat_deg, max_lat_deg, min_lon_deg, max_lon_deg + (min_lon_deg > max_lon_deg ? 360 : 0)};
    (*grid)->box = box;
    return UCID_OK;
}

/* An edge and its copies one turn to either side, where the ring with these longitudes has copies within +-180. */
static int add_edge(ucid_grid *grid, const edge *e, double west, double east)
{
    for (int turn = -360; turn <= 360; turn += 360) {
        if (west + turn > 180 || east + turn < -180) continue;
        void *edges = grid->edges;
        size_t capacity = (size_t)grid->edge_capacity;
        if (!ucid_grow(&grid->allocator, &edges, &capacity, (size_t)grid->edge_count + 1, sizeof *grid->edges))
            return 0;
        grid->edges = edges, grid->edge_capacity = (int64_t)capacity;
        edge copy = {{e->lat[0], e->lat[1]}, {e->lon[0] + turn, e->lon[1] + turn}};
        grid->edges[grid->edge_count++] = copy; /* one along a parallel is never crossed, but divides what lies on it */
    }
    return 1;
}

/* The edges of a ring, its longitudes unrolled; a ring that goes round the globe is closed over a pole. */
static int add_ring(ucid_grid *grid, int64_t corners, const double *lat, const double *lon)
{
    double west = lon[0], east = lon[0], sum = 0;
    int turn = 0;
    for (int pass = 0; pass < 2; pass++) { /* first the ring's extent, then its edges */
        turn = 0, sum = 0;
        for (int64_t k = 0; k < corners; k++) {
            int64_t next = k + 1 < corners ? k + 1 : 0;
            double step = lon[next] - lon[k], from = lon[k] + turn;
            turn += step > 180 ? -360 : step < -180 ? 360 : 0;
            edge e = {{lat[k], lat[next]}, {from, lon[next] + turn}};
            west = fmin(west, e.lon[1]), east = fmax(east, e.lon[1]), sum += lat[k];
            if (pass == 1 && !add_edge(grid, &e, west, east)) return 0;
        }
    }
    if (turn == 0) return 1;
    double pole = sum < 0 ? -90 : 90;
    edge up = {{lat[0], pole}, {lon[0] + turn, lon[0] + turn}}, down = {{pole, lat[0]}, {lon[0], lon[0]}};
    return add_edge(grid, &up, west, east) && add_edge(grid, &down, west, east);
}

ucid_status ucid_grid_open_polygon(int64_t ring_count, const int64_t *ring_corners, const double *lat_deg,
                                   const double *lon_deg, int resolution, const ucid_allocator *allocator,
                                   ucid_grid **grid, ucid_error *error)
{
    int64_t corner = 0;
    for (int64_t ring = 0; ring < ring_count; ring++) {
        if (ring_corners[ring] < 3) {
            return ucid_fail(error, UCID_INVALID_ARGUMENT, "ring %lld has %lld corners, fewer than 3", (long long)ring,
                             (long long)ring_corners[ring]);
        }
        for (int64_t end = corner + ring_corners[ring]; corner < end; corner++) {
            if (in_range(lat_deg[corner], lon_deg[corner])) continue;
            return ucid_fail(error, UCID_INVALID_ARGUMENT, "ring %lld: corner %g %g is not within 90 and 180 degrees",
                             (long long)ring, lat_deg[corner], lon_deg[corner]);
        }
    }
    ucid_grid *made = NULL;
    ucid_status status = open_empty(resolution, allocator, &made, error);
    if (status != UCID_OK) return status;
    corner = 0;
    int enough = 1;
    for (int64_t ring = 0; ring < ring_count && enough; ring++) {
        enough = add_ring(made, ring_corners[ring], lat_deg + corner, lon_deg + corner);
        corner += ring_corners[ring];
    }
    made->list_capacity = made->edge_count * (resolution + 1) + 1;
    if (enough && made->edge_count < INT32_MAX) {
        made->lists = ucid_allocate(&made->allocator, (size_t)made->list_capacity, sizeof *made->lists);
    }
    if (made->lists == NULL) {
        ucid_grid_close(made);
        return ucid_fail_memory(error, "the edges of a polygon", (size_t)corner * sizeof(edge));
    }
    for (int64_t k = 0; k < made->edge_count; k++) made->lists[k] = (int32_t)k;
    made->path[0].edge_count = made->edge_count;
    *grid = made;
    return UCID_OK;
}

void ucid_grid_close(ucid_grid *grid)
{
    if (grid == NULL) return;
    ucid_allocator memory = grid->allocator;
    ucid_release(&memory, grid->edges, (size_t)grid->edge_capacity, sizeof *grid->edges);
    ucid_release(&memory, grid->lists, (size_t)grid->list_capacity, sizeof *grid->lists);
    ucid_release(&memory, grid, 1, sizeof *grid);
}
