/* cell.c: the parts of section 5 of ucid.h that need no geometry of our own: libh3 asked, its errors and radians turned
 * into ours, and the text of a cell. */
#include "id/cell.h"

#include <math.h>
#include <stdlib.h>

#include "id/cell_at.h"
#include "id/cell_centre.h"
#include "id/cell_h3.h"
#include "rt/error.h"
#include "rt/trig.h"

int ucid_cell_is_valid(uint64_t cell) { return isValidCell(cell); }

int ucid_cell_resolution(uint64_t cell) { return isValidCell(cell) ? getResolution(cell) : -1; }

void ucid_cell_format(uint64_t cell, char text[16])
{
    for (int i = 14; i >= 0; i--) {
        text[i] = "0123456789abcdef"[cell & 15];
        cell >>= 4;
    }
    text[15] = '\0';
}

uint64_t ucid_cell_parse(const char *text, size_t length)
{
    if (length != 15) return 0;
    uint64_t cell = 0;
    for (int i = 0; i < 15; i++) {
        unsigned digit = (unsigned)(unsigned char)text[i] - '0';
        unsigned letter = ((unsigned)(unsigned char)text[i] | 32u) - 'a';
        if (digit > 9) {
            if (letter > 5) return 0;
            digit = letter + 10;
        }
        cell = cell << 4 | digit;
    }
    return isValidCell(cell) ? cell : 0;
}

static ucid_status fail_cell(ucid_error *error, uint64_t cell)
{
    return ucid_fail(error, UCID_INVALID_H3, "%llx is not an H3 cell", (unsigned long long)cell);
}

static ucid_status check_resolution(int resolution, ucid_error *error)
{
    if (resolution >= 0 && resolution <= 15) return UCID_OK;
    return ucid_fail(error, UCID_INVALID_ARGUMENT, "resolution %d is not in 0..15", resolution);
}

/* lat and lon of libh3 in degrees. */
static void to_degrees(const LatLng *point, double *lat_deg, double *lon_deg)
{
    *lat_deg = radsToDegs(point->lat);
    *lon_deg = radsToDegs(point->lng);
}

ucid_status ucid_cell_boundary(uint64_t cell, double lat_deg[UCID_CELL_CORNERS_MAX],
                               double lon_deg[UCID_CELL_CORNERS_MAX], int *count, ucid_error *error)
{
    CellBoundary boundary;
    if (!isValidCell(cell) || cellToBoundary(cell, &boundary) != E_SUCCESS) return fail_cell(error, cell);
    for (int i = 0; i < boundary.numVerts; i++) to_degrees(&boundary.verts[i], &lat_deg[i], &lon_deg[i]);
    *count = boundary.numVerts;
    return UCID_OK;
}

uint64_t ucid_cell_parent(uint64_t cell, int resolution)
{
    H3Index parent = 0;
    return isValidCell(cell) && cellToParent(cell, resolution, &parent) == E_SUCCESS ? parent : 0;
}

ucid_status ucid_cells_parents(int64_t n, const uint64_t *cells, const uint8_t *validity, int resolution,
                               uint64_t *parents, uint8_t *status, ucid_error *error)
{
    ucid_status bad = check_resolution(resolution, error);
    if (bad != UCID_OK) return bad;
    for (int64_t i = 0; i < n; i++) {
        int valid = validity == NULL || (validity[i >> 3] >> (i & 7) & 1);
        parents[i] = valid ? ucid_cell_parent(cells[i], resolution) : 0;
        if (status != NULL)
            status[i] = (uint8_t)(!valid ? UCID_NULL_INPUT : parents[i] != 0 ? UCID_OK : UCID_INVALID_H3);
    }
    return UCID_OK;
}

int64_t ucid_cell_children_count(uint64_t cell, int resolution)
{
    int64_t count = 0;
    return isValidCell(cell) && cellToChildrenSize(cell, resolution, &count) == E_SUCCESS ? count : 0;
}

ucid_status ucid_cell_children(uint64_t cell, int resolution, uint64_t *children, ucid_error *error)
{
    if (!isValidCell(cell)) return fail_cell(error, cell);
    if (ucid_cell_children_count(cell, resolution) == 0) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "resolution %d is not in %d..15", resolution,
                         getResolution(cell));
    }
    return cellToChildren(cell, resolution, children) == E_SUCCESS ? UCID_OK : fail_cell(error, cell);
}

static int compare_cells(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

ucid_status ucid_cell_disk(uint64_t cell, int k, uint64_t *cells, int64_t *count, ucid_error *error)
{
    if (!isValidCell(cell)) return fail_cell(error, cell);
    if (k < 0 || k > 1000) return ucid_fail(error, UCID_INVALID_ARGUMENT, "k %d is not in 0..1000", k);
    int64_t size = 3 * (int64_t)k * (k + 1) + 1, used = 0;
    for (int64_t i = 0; i < size; i++) cells[i] = 0;
    if (gridDisk(cell, k, cells) != E_SUCCESS) return ucid_fail_memory(error, "a disk of cells", (size_t)size * 8);
    for (int64_t i = 0; i < size; i++) {
        if (cells[i] != 0) cells[used++] = cells[i];
    }
    qsort(cells, (size_t)used, sizeof *cells, compare_cells);
    *count = used;
    return UCID_OK;
}

double ucid_cell_area_m2(uint64_t cell)
{
    double area = 0;
    return isValidCell(cell) && cellAreaM2(cell, &area) == E_SUCCESS ? area : NAN;
}

double ucid_cell_edge_m(int resolution)
{
    double length = 0;
    return getHexagonEdgeLengthAvgM(resolution, &length) == E_SUCCESS ? length : NAN;
}

/* ---------------------------------------------------------------------------------------------- a box and a cell -- */

static void direction_of(double lat_deg, double lon_deg, double v[3])
{
    double lat = lat_deg * (UCID_PI / 180), lon = lon_deg * (UCID_PI / 180), flat = ucid_cos(lat);
    v[0] = flat * ucid_cos(lon), v[1] = flat * ucid_sin(lon), v[2] = ucid_sin(lat);
}

static double dot(const double u[3], const double v[3]) { return u[0] * v[0] + u[1] * v[1] + u[2] * v[2]; }

/* A point in the plane that touches the sphere at the box's centre; lines there are great circles, and near the centre
 * the box's parallels are straight to within half_deg squared. */
typedef struct plane_point {
    double x, y;
} plane_point;

/* frame: towards the centre, east and north of it. */
static plane_point project(const double frame[3][3], double lat_deg, double lon_deg)
{
    double v[3];
    direction_of(lat_deg, lon_deg, v);
    double height = dot(v, frame[0]);
    plane_point p = {dot(v, frame[1]) / height, dot(v, frame[2]) / height};
    return p;
}

static double turn(plane_point a, plane_point b, plane_point c)
{
    return (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
}

static int edges_cross(plane_point a, plane_point b, plane_point c, plane_point d)
{
    return turn(a, b, c) * turn(a, b, d) <= 0 && turn(c, d, a) * turn(c, d, b) <= 0;
}

/* An edge of the cell crosses one of the box. */
static int borders_cross(const double centre[3], int corners, const double *lat, const double *lon,
                         const double box_lat[4], const double box_lon[4])
{
    double flat = sqrt(centre[0] * centre[0] + centre[1] * centre[1]);
    double east_x = flat > 0 ? -centre[1] / flat : 0, east_y = flat > 0 ? centre[0] / flat : 1;
    const double frame[3][3] = {{centre[0], centre[1], centre[2]},
                                {east_x, east_y, 0},
                                {-centre[2] * east_y, centre[2] * east_x, centre[0] * east_y - centre[1] * east_x}};
    plane_point cell[UCID_CELL_CORNERS_MAX], box[4];
    for (int i = 0; i < corners; i++) cell[i] = project(frame, lat[i], lon[i]);
    for (int j = 0; j < 4; j++) box[j] = project(frame, box_lat[j], box_lon[j]);
    for (int i = 0; i < corners; i++) {
        for (int j = 0; j < 4; j++) {
            if (edges_cross(cell[i], cell[(i + 1) % corners], box[j], box[(j + 1) % 4])) return 1;
        }
    }
    return 0;
}

int ucid_cell_meets_box(uint64_t cell, double lat_deg, double lon_deg, double half_deg)
{
    int resolution = ucid_cell_resolution(cell);
    if (resolution < 0 || !(fabs(lat_deg) <= 90 && fabs(lon_deg) <= 180)) return 0;
    /* Farther apart than the cell's corner from its centre (1/sqrt 3 of the lattice's unit, less on the sphere) and the
     * box's from its: no. This is where most cells that do not agree leave. */
    double v[3], u[3], gap = 0;
    if (!ucid_cell_direction(cell, v)) return 0;
    direction_of(lat_deg, lon_deg, u);
    double length = sqrt(dot(v, v)), reach = 0.58 / ucid_cell_plans[resolution].scale + half_deg * 0.0247;
    for (int k = 0; k < 3; k++) gap += (v[k] / length - u[k]) * (v[k] / length - u[k]);
    if (gap > reach * reach) return 0;

    double south = fmax(lat_deg - half_deg, -90), north = fmin(lat_deg + half_deg, 90);
    double west = fmax(lon_deg - half_deg, -180), east = fmin(lon_deg + half_deg, 180);
    double lat[UCID_CELL_CORNERS_MAX], lon[UCID_CELL_CORNERS_MAX];
    ucid_cell_centre_of_valid(cell, &lat[0], &lon[0]);
    if (lat[0] >= south && lat[0] <= north && lon[0] >= west && lon[0] <= east) return 1;
    const double box_lat[4] = {south, south, north, north}, box_lon[4] = {west, east, east, west};
    if (ucid_cell_at(lat_deg, lon_deg, resolution) == cell) return 1;
    for (int i = 0; i < 4; i++) {
        if (ucid_cell_at(box_lat[i], box_lon[i], resolution) == cell) return 1;
    }
    int corners = 0;
    if (ucid_cell_boundary(cell, lat, lon, &corners, NULL) != UCID_OK) return 0;
    for (int i = 0; i < corners; i++) {
        if (lat[i] >= south && lat[i] <= north && lon[i] >= west && lon[i] <= east) return 1;
    }
    return resolution >= 6 && borders_cross(u, corners, lat, lon, box_lat, box_lon);
}
