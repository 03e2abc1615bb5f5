/* cell_box.c: whether a cell meets the box that a printed coordinate stands for. Nearly all do, or are far away, and
 * one sine and cosine answers; what is close to a border is decided by the cells of the box's corners, by the corners
 * of the cell, and by their edges. */
#include "id/cell.h"

#include <math.h>

#include "id/cell_centre.h"
#include "id/cell_plane.h"

/* A point in the plane that touches the sphere at the box's centre; lines there are great circles, and near the centre
 * the box's parallels are straight to within half_deg squared. */
typedef struct plane_point {
    double x, y;
} plane_point;

/* Rows: towards the coordinate, east and north of it. */
static void frame_of(double lat_deg, double lon_deg, double frame[3][3])
{
    ucid_pair sine, cosine;
    ucid_sine_cosine_deg((ucid_pair){lat_deg, lon_deg}, &sine, &cosine);
    double lat_sine = sine[0], lat_cosine = cosine[0], lon_sine = sine[1], lon_cosine = cosine[1];
    frame[0][0] = lat_cosine * lon_cosine, frame[0][1] = lat_cosine * lon_sine, frame[0][2] = lat_sine;
    frame[1][0] = -lon_sine, frame[1][1] = lon_cosine, frame[1][2] = 0;
    frame[2][0] = -lat_sine * lon_cosine, frame[2][1] = -lat_sine * lon_sine, frame[2][2] = lat_cosine;
}

static plane_point touch_point(const double frame[3][3], double lat_deg, double lon_deg)
{
    double point[3][3];
    frame_of(lat_deg, lon_deg, point);
    double height = dot(point[0], frame[0]);
    plane_point p = {dot(point[0], frame[1]) / height, dot(point[0], frame[2]) / height};
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
static int borders_cross(const double frame[3][3], int corners, const double *lat, const double *lon,
                         const double box_lat[4], const double box_lon[4])
{
    plane_point cell[UCID_CELL_CORNERS_MAX], box[4];
    for (int i = 0; i < corners; i++) cell[i] = touch_point(frame, lat[i], lon[i]);
    for (int j = 0; j < 4; j++) box[j] = touch_point(frame, box_lat[j], box_lon[j]);
    for (int i = 0; i < corners; i++) {
        for (int j = 0; j < 4; j++) {
            if (edges_cross(cell[i], cell[(i + 1) % corners], box[j], box[(j + 1) % 4])) return 1;
        }
    }
    return 0;
}

/* The answer in the plane of a face where the cell lies; cell_box_lanes.h does the same. */
static int meets_in_plane(uint64_t cell, double lat_deg, double lon_deg, double half_deg, const double frame[3][3],
                          double gap[2])
{
    const ucid_cell_plan *plan = &ucid_cell_plans[cell >> 52 & 15];
    ucid_cell_point point;
    if (!ucid_cell_point_of(cell, &point)) return UCID_BOX_UNSURE;
    const ucid_cell_face *face = &ucid_cell_table.face[point.face];

    /* The box's centre is in the cell: back from the padded lattice by the inverse of pad. */
    const double *pad = plan->pad;
    double whole = 1 / (pad[0] * pad[3] - pad[1] * pad[2]), a, b;
    double cell_a = (pad[3] * point.a - pad[1] * point.b) * whole,
           cell_b = (pad[0] * point.b - pad[2] * point.a) * whole;
    int own = leads(face, frame[0]);
    if (own) {
        project(face, plan, frame[0], &a, &b);
        if (is_inside(a, b, cell_a, cell_b, plan, 1e-9)) return UCID_BOX_YES;
    }
    /* The cell's centre is farther from the box's than the cell's corner from its centre (1/sqrt 3 of the lattice's
     * unit, less on the sphere) and the box's from its. */
    double centre[3], difference[3], unit = 1 / (UCID_CELL_SCALE_0 * point.size), x = point.a * unit,
                                     y = point.b * unit;
    for (int k = 0; k < 3; k++) centre[k] = face->c[k] + (x * face->i[k] + y * face->j[k]);
    double shrink = 1 / sqrt(dot(centre, centre)), reach = 0.58 / plan->scale + half_deg * 0.0247;
    for (int k = 0; k < 3; k++) difference[k] = centre[k] * shrink - frame[0][k];
    if (dot(difference, difference) > reach * reach) return UCID_BOX_NO;

    /* A plane for the box too: it errs by less than a thousandth of a small one, but at the poles and where longitudes
     * end. The cell's centre is in the box; or the box's corner towards it is in the cell. */
    double east = gap[0] = dot(difference, frame[1]), north = gap[1] = dot(difference, frame[2]);
    double high = half_deg * (UCID_PI / 180), wide = high * frame[2][2], corner[3];
    if (half_deg > 0.001 || fabs(lat_deg) > 80 || fabs(lon_deg) > 179.9) return UCID_BOX_UNSURE;
    if (fabs(north) <= 0.999 * high && fabs(east) <= 0.999 * wide) return UCID_BOX_YES;
    if (!own) return UCID_BOX_UNSURE;
    wide = copysign(0.999 * wide, east), high = copysign(0.999 * high, north);
    for (int k = 0; k < 3; k++) corner[k] = frame[0][k] + (wide * frame[1][k] + high * frame[2][k]);
    if (!leads(face, corner)) return UCID_BOX_UNSURE;
    project(face, plan, corner, &a, &b);
    return is_inside(a, b, cell_a, cell_b, plan, 1e-3) ? UCID_BOX_YES : UCID_BOX_UNSURE;
}

int ucid_cell_meets_box(uint64_t cell, double lat_deg, double lon_deg, double half_deg)
{
    double frame[3][3], gap[2] = {0, 0};
    if (!ucid_cell_bits_valid(cell) || !(fabs(lat_deg) <= 90 && fabs(lon_deg) <= 180)) return 0;
    frame_of(lat_deg, lon_deg, frame);
    int answer = meets_in_plane(cell, lat_deg, lon_deg, half_deg, (const double(*)[3])frame, gap);
    if (answer != UCID_BOX_UNSURE) return answer;

    int resolution = (int)(cell >> 52 & 15);
    if (ucid_cell_at(lat_deg, lon_deg, resolution) == cell) return 1;
    double south = fmax(lat_deg - half_deg, -90), top = fmin(lat_deg + half_deg, 90);
    double west = fmax(lon_deg - half_deg, -180), right = fmin(lon_deg + half_deg, 180);
    const double box_lat[4] = {south, south, top, top}, box_lon[4] = {west, right, right, west};
    int nearest = gap[1] > 0 ? (gap[0] > 0 ? 2 : 3) : (gap[0] > 0 ? 1 : 0); /* the corner towards the cell */
    for (int i = nearest; i < nearest + 4; i++) {
        if (ucid_cell_at(box_lat[i & 3], box_lon[i & 3], resolution) == cell) return 1;
    }
    double lat[UCID_CELL_CORNERS_MAX], lon[UCID_CELL_CORNERS_MAX];
    ucid_cell_centre_of_valid(cell, &lat[0], &lon[0]);
    if (lat[0] >= south && lat[0] <= top && lon[0] >= west && lon[0] <= right) return 1;
    int corners = 0;
    if (ucid_cell_boundary(cell, lat, lon, &corners, NULL) != UCID_OK) return 0;
    for (int i = 0; i < corners; i++) {
        if (lat[i] >= south && lat[i] <= top && lon[i] >= west && lon[i] <= right) return 1;
    }
    return resolution >= 6 && borders_cross((const double(*)[3])frame, corners, lat, lon, box_lat, box_lon);
}

void ucid_cells_meet_boxes(int64_t n, const uint64_t *cells, const double *lat_deg, const double *lon_deg,
                           int resolution, double half_deg, uint8_t *meet)
{
    ucid_cells_meet_fn *run = n > 1 ? ucid_cells_variant_best().meet : NULL;
    if (run != NULL) run(n, cells, lat_deg, lon_deg, resolution, half_deg, meet);
    for (int64_t i = 0; i < n; i++) {
        if (run != NULL && meet[i] != UCID_BOX_UNSURE) continue;
        meet[i] = (uint8_t)ucid_cell_meets_box(cells[i], lat_deg[i], lon_deg[i], half_deg);
    }
}
