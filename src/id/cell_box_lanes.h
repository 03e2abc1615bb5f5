/* cell_box_lanes.h: meets_in_plane of cell_box.c for LANES cells of one resolution at once; included after
 * cell_lanes.h. The steps and their reasons are those there, and so are the bits. */
#include "id/cell.h"

typedef struct lattice_point {
    vd a, b;
    vu face, open; /* open: 1, no face was found */
} lattice_point;

/* As ucid_cell_point_of; whole numbers in doubles. */
static inline lattice_point points_of_cells(vu cell, const ucid_cell_plan *plan, double size)
{
    vu digits = (cell & ((UINT64_C(1) << 45) - 1)) >> plan->lift << plan->drop, open = all_u(1);
    vd a = all(0), b = all(0);
    for (int k = plan->lookups - 1; k >= 0; k--) {
        vu step = gather_16(ucid_cell_table.down, digits >> 12 * k & 4095) ^ 0x8080;
        a = a * 49.0 + (number_of(step & 0xFF) - 128.0), b = b * 49.0 + (number_of(step >> 8) - 128.0);
    }
    lattice_point point = {all(0), all(0), all_u(0), all_u(1)};
    vu base = multiply_32(cell >> 45 & 127, all_u(UCID_CELL_HOMES)), lift = leading_digit(digits) * 3;
    for (uint64_t k = 0; k < UCID_CELL_HOMES && !in_all(equal(open, all_u(0))); k++) {
        vu home = gather_64(ucid_cell_table.home, base + k), face = home & 0xFF, turns = home >> 32 >> lift & 7;
        mask half = greater(number_of(turns), all(2.5)); /* three steps change the signs */
        vu left = turns - keep(half, all_u(3)), sign = keep(half, all_u(UINT64_C(1) << 63));
        vd p = pick(is_one(left), a - b, pick(equal(left, all_u(2)), -b, a)),
           q = pick(is_one(left), a, pick(equal(left, all_u(2)), a - b, b));
        p = (vd)((vu)p ^ sign) + (number_of((home >> 8 & 0xFF) ^ 0x80) - 128.0) * size;
        q = (vd)((vu)q ^ sign) + (number_of((home >> 16 & 0xFF) ^ 0x80) - 128.0) * size;
        const vd edge = all(2 * size + 0.5); /* of the face */
        mask on = both(both(greater(p + p - q, -edge), greater(q + q - p, -edge)), greater(edge, p + q));
        vu takes = drop(equal(face, all_u(255)), drop(equal(turns, all_u(7)), keep(on, open)));
        mask take = is_one(takes);
        point.a = pick(take, p, point.a), point.b = pick(take, q, point.b);
        point.face = keep(take, face) | drop(take, point.face);
        open -= takes;
    }
    point.open = open;
    return point;
}

typedef struct lane_face {
    vd c[3], lead[3][3], to_a[3], to_b[3], i[3], j[3];
} lane_face;

static inline void faces_of(vu face, int odd, lane_face *out)
{
    const double *base = ucid_cell_table.face[0].c;
    const uint64_t a = 3 + 3 * (uint64_t)odd, b = 9 + 3 * (uint64_t)odd; /* places in ucid_cell_face */
    vu at = multiply_32(face, all_u(sizeof(ucid_cell_face) / sizeof(double)));
    for (uint64_t k = 0; k < 3; k++) {
        out->c[k] = gather_double(base, at + k);
        out->to_a[k] = gather_double(base, at + a + k), out->to_b[k] = gather_double(base, at + b + k);
        out->i[k] = gather_double(base, at + 15 + k), out->j[k] = gather_double(base, at + 18 + k);
        for (uint64_t m = 0; m < 3; m++) out->lead[m][k] = gather_double(base, at + 21 + 3 * m + k);
    }
}

static inline mask lanes_lead(const lane_face *face, const vd v[3])
{
    vd least = smaller(dot(v, face->lead[0]), smaller(dot(v, face->lead[1]), dot(v, face->lead[2])));
    return greater(least, all(1e-13));
}

/* v, projected on the face, lies in the cell around (cell_a, cell_b): project and is_inside of cell_plane.h. */
static inline mask lanes_inside(const lane_face *face, const vd v[3], vd cell_a, vd cell_b, const ucid_cell_plan *plan,
                                double more)
{
    vd stretch = plan->scale / dot(v, face->c);
    vd a = dot(v, face->to_a) * stretch, b = dot(v, face->to_b) * stretch, da = a - cell_a, db = b - cell_b;
    vd inside = (1.0 - more) - larger(larger(absolute(da + da - db), absolute(da + db)), absolute(db + db - da));
    vd distance = larger(absolute(a), absolute(b));
    return greater(inside * distance, plan->far_margin * distance + plan->near_margin);
}

static inline vd with_sign(vd x, vd sign) { return (vd)((vu)x | ((vu)sign & UINT64_C(1) << 63)); }

/* Of each lane: UCID_BOX_NO 0, UCID_BOX_YES 1, UCID_BOX_UNSURE 2. */
static inline vu boxes_met(vu cell, vd lat_deg, vd lon_deg, const ucid_cell_plan *plan, double half_deg)
{
    vd lat_sine, lat_cosine, lon_sine, lon_cosine;
    sine_cosine_deg(lat_deg, &lat_sine, &lat_cosine);
    sine_cosine_deg(lon_deg, &lon_sine, &lon_cosine);
    vd frame[3][3] = {{lat_cosine * lon_cosine, lat_cosine * lon_sine, lat_sine},
                      {-lon_sine, lon_cosine, all(0)},
                      {-lat_sine * lon_cosine, -lat_sine * lon_sine, lat_cosine}};
    double size = (double)(plan->bias / 3);
    lattice_point point = points_of_cells(cell, plan, size);
    lane_face face;
    faces_of(point.face, plan->odd, &face);
    const double *pad = plan->pad, whole = 1 / (pad[0] * pad[3] - pad[1] * pad[2]);
    vd cell_a = (pad[3] * point.a - pad[1] * point.b) * whole, cell_b = (pad[0] * point.b - pad[2] * point.a) * whole;
    vu own = one_where(lanes_lead(&face, frame[0]));
    vu holds = own & one_where(lanes_inside(&face, frame[0], cell_a, cell_b, plan, 1e-9));

    double unit = 1 / (UCID_CELL_SCALE_0 * size), reach = 0.58 / plan->scale + half_deg * 0.0247;
    vd x = point.a * unit, y = point.b * unit, centre[3], difference[3], corner[3];
    for (int k = 0; k < 3; k++) centre[k] = face.c[k] + (x * face.i[k] + y * face.j[k]);
    vd shrink = 1.0 / root(dot(centre, centre));
    for (int k = 0; k < 3; k++) difference[k] = centre[k] * shrink - frame[0][k];
    vu far = one_where(greater(dot(difference, difference), all(reach * reach)));

    vd east = dot(difference, frame[1]), north = dot(difference, frame[2]), high = all(half_deg * (UCID_PI / 180)),
       wide = high * frame[2][2];
    vu plain = all_u(half_deg <= 0.001) & (1 - one_where(greater(absolute(lat_deg), all(80)))) &
               (1 - one_where(greater(absolute(lon_deg), all(179.9))));
    high = high * 0.999, wide = wide * 0.999;
    vu within = (1 - one_where(greater(absolute(north), high))) & (1 - one_where(greater(absolute(east), wide)));
    wide = with_sign(wide, east), high = with_sign(high, north);
    for (int k = 0; k < 3; k++) corner[k] = frame[0][k] + (wide * frame[1][k] + high * frame[2][k]);
    vu reaches =
        own & one_where(lanes_lead(&face, corner)) & one_where(lanes_inside(&face, corner, cell_a, cell_b, plan, 1e-3));
    vu yes = holds | (plain & (1 - far) & (within | reaches)), no = far & (1 - holds), sure = 1 - point.open;
    return (yes & sure) | (1 - ((yes | no) & sure)) << 1;
}

static inline void cells_meet(int64_t n, const uint64_t *cells, const double *lat_deg, const double *lon_deg,
                              int resolution, double half_deg, uint8_t *answers)
{
    for (int64_t i = 0; i < n; i += LANES) {
        vu cell = all_u(cells[i]);
        memcpy(&cell, cells + i, (size_t)(n - i < LANES ? n - i : LANES) * sizeof *cells);
        vu met = boxes_met(cell, load_lanes(lat_deg + i, n - i), load_lanes(lon_deg + i, n - i),
                           &ucid_cell_plans[resolution], half_deg);
        for (int64_t k = 0; k < LANES && i + k < n; k++) answers[i + k] = (uint8_t)met[k];
    }
}
