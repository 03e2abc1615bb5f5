/* cell_lanes.h: the kernel of cell_at.c for LANES coordinates at once; included by one file for each instruction set,
 * which defines LANES, the vectors vd of doubles and vu of integers, and what compares, picks and gathers. What a lane
 * is not certain of, and what is no coordinate, is left to the scalar kernel. The steps and their reasons are those of
 * cell_at.c.
 *
 * Tiles of 128 places go step by step: directions, faces, lattice points, cells. One place's steps wait for one
 * another, some 400 cycles long; in the loop of one step many places are under way at once. */
#include <string.h>

#include "id/cell_at.h"
#include "id/cell_tables.h"
#include "id/lanes.h"
#include "rt/trig.h"

static inline vd nearest(vd x) { return (x + 0x1.8p52) - 0x1.8p52; }
static inline vd below(vd x) { return nearest(x - 0.5); }

static inline void sine_cosine_deg(vd deg, vd *sine, vd *cosine)
{
    vd shifted = deg * (1.0 / 90) + 0x1.8p52;
    vu quadrant = (vu)shifted;
    vd x = (deg - (shifted - 0x1.8p52) * 90.0) * (UCID_PI / 180), s = x * x;
    vd p = s * 0x1.5d93013bcc2ffp-33 - 0x1.ae5e663b86afbp-26;
    p = p * s + 0x1.71de3577b8043p-19;
    p = p * s - 0x1.a01a019c119b4p-13;
    p = p * s + 0x1.111111110f87ap-7;
    p = p * s - 0x1.5555555555549p-3;
    p = x + x * s * p;
    vd q = s * -0x1.8fa467f0b5cadp-37 + 0x1.1ee9d756d40d2p-29;
    q = q * s - 0x1.27e4f7ea3e917p-22;
    q = q * s + 0x1.a01a019c839bfp-16;
    q = q * s - 0x1.6c16c16c14f8ap-10;
    q = q * s + 0x1.555555555554bp-5;
    q = 1.0 - s * (0.5 - s * q);
    mask swap = bit_set(quadrant, 0);
    *sine = (vd)((vu)pick(swap, q, p) ^ (quadrant & 2) << 62);
    *cosine = (vd)((vu)pick(swap, p, q) ^ ((quadrant + 1) & 2) << 62);
}

/* The plane of a face, for each lane: c, to_a, to_b of the resolution's class. */
typedef struct face_plane {
    vd c[3], to_a[3], to_b[3];
} face_plane;

static inline vd dot(const vd u[3], const vd v[3]) { return u[0] * v[0] + u[1] * v[1] + u[2] * v[2]; }

static inline void planes_of_faces(vu face, int odd, face_plane *out)
{
    const double *base = ucid_cell_table.face[0].c;
    const uint64_t a = 3 + 3 * (uint64_t)odd, b = 9 + 3 * (uint64_t)odd; /* of to_a and to_b in ucid_cell_face */
    vu at = multiply_32(face, all_u(sizeof(ucid_cell_face) / sizeof(double)));
    for (uint64_t k = 0; k < 3; k++) {
        out->c[k] = gather_double(base, at + k);
        out->to_a[k] = gather_double(base, at + a + k), out->to_b[k] = gather_double(base, at + b + k);
    }
}

/* The nearest face of each lane; certain: no other is as near. */
static inline mask search_faces(const vd v[3], vu *number)
{
    vd best = all(-1), second = all(-1), side = all(0), face = all(0);
    for (int f = 0; f < UCID_CELL_FACES / 2; f++) {
        const double *c = ucid_cell_table.face[f].c;
        vd d = v[0] * c[0] + v[1] * c[1] + v[2] * c[2], near = absolute(d);
        mask wins = greater(near, best);
        second = larger(second, pick(wins, best, near));
        best = larger(near, best), side = pick(wins, d, side), face = pick(wins, all(f), face);
    }
    *number = ((vu)(face + 0x1p52) & 31) + ((vu)side >> 63) * 10;
    return greater(best - second, all(1e-13));
}

static inline vu turned(vu digits, vu steps)
{
    const uint64_t ones = UINT64_C(0x1249249249249249);
    vu odd = -(steps & 1), some = (digits | digits >> 1 | digits >> 2) & ones;
    digits ^= ((some << 3) - some) & odd;
    steps += odd & 3; /* 3 is now 6, none; 1 is 4; 5 is 8, two */
    vu right = (digits >> 1 & ones * 3) | (digits & ones) << 2, left = (digits << 1 & ones * 6) | (digits >> 2 & ones);
    vu none = keep(equal(steps, all_u(0)), digits) | keep(equal(steps, all_u(6)), digits);
    return none | keep(equal(steps, all_u(4)), left) | keep(equal(steps, all_u(2)), right) |
           keep(equal(steps, all_u(8)), right);
}

/* The first digit that is not 0; 0 where there is none. */
static inline vu leading_digit(vu digits)
{
    vu group =
        multiply_32(exponent_of(number_of(digits)) & 63, all_u(43)) >> 7; /* a third of the highest bit's place */
    return drop(equal(digits, all_u(0)), (digits >> group * 3) & 7);
}

/* What the steps of a tile leave for one another, LANES places in each element. */
enum { TILE = 128 / LANES };
typedef struct tile {
    vd v[TILE][3]; /* directions; of what is no coordinate, some direction */
    vu face[TILE]; /* of each lane */
    mask certain[TILE];
    vu x[TILE], y[TILE]; /* lattice point at the padded resolution */
} tile;

static inline vd load_lanes(const double *from, int64_t count)
{
    vd lanes = {0};
    if (count >= LANES) {
        memcpy(&lanes, from, sizeof lanes);
    } else {
        for (int64_t k = 0; k < count; k++) lanes[k] = from[k];
    }
    return lanes;
}

static inline void take_directions(tile *t, int64_t n, const double *lat_deg, const double *lon_deg)
{
    const vd lat_end = all(0x1.6800000000001p+6), lon_end = all(0x1.6800000000001p+7); /* next after 90 and 180 */
    for (int64_t i = 0, g = 0; i < n; i += LANES, g++) {
        vd lat = load_lanes(lat_deg + i, n - i), lon = load_lanes(lon_deg + i, n - i);
        mask good = both(greater(lat_end, absolute(lat)), greater(lon_end, absolute(lon)));
        lat = (vd)keep(good, (vu)lat), lon = (vd)keep(good, (vu)lon);
        vd lat_sine, lat_cosine, lon_sine, lon_cosine;
        sine_cosine_deg(lat, &lat_sine, &lat_cosine);
        sine_cosine_deg(lon, &lon_sine, &lon_cosine);
        t->v[g][0] = lat_cosine * lon_cosine, t->v[g][1] = lat_cosine * lon_sine, t->v[g][2] = lat_sine;
        t->certain[g] = good;
    }
}

/* The face of each lane. Places come in clusters: a face is tried first, near, which becomes that of the last place.
 * 1 where all lie on that face. */
static inline int take_faces(tile *t, int64_t n, int *near)
{
    const ucid_cell_face *f = &ucid_cell_table.face[*near];
    const vd doubt = all(1e-13);
    vd lead[3][3];
    int one = 1;
    for (int m = 0; m < 3; m++) {
        for (int k = 0; k < 3; k++) lead[m][k] = all(f->lead[m][k]);
    }
    for (int64_t i = 0, g = 0; i < n; i += LANES, g++) {
        const vd *v = t->v[g];
        vd least = smaller(dot(v, lead[0]), smaller(dot(v, lead[1]), dot(v, lead[2])));
        t->face[g] = all_u((uint64_t)*near);
        if (in_all(greater(least, doubt))) continue;
        one = 0;
        t->certain[g] = both(t->certain[g], search_faces(v, &t->face[g]));
    }
    *near = (int)t->face[(n - 1) / LANES][(n - 1) % LANES];
    return one;
}

static inline void take_lattice_points(tile *t, int64_t g, const face_plane *plane, const ucid_cell_plan *plan)
{
    const vd *v = t->v[g];
    vd stretch = plan->scale / dot(v, plane->c);
    vd a = dot(v, plane->to_a) * stretch, b = dot(v, plane->to_b) * stretch;
    vd p = a + a - b, q = a + b, r = q - p;
    vd q_floor = below(q) + 1.0;
    vd cell_a = nearest((below(p) + q_floor) * (1.0 / 3)), cell_b = nearest((below(r) + q_floor) * (1.0 / 3));
    vd da = a - cell_a, db = b - cell_b;
    vd inside = 1.0 - larger(larger(absolute(da + da - db), absolute(da + db)), absolute(db + db - da));
    vd distance = larger(absolute(a), absolute(b));
    t->certain[g] = both(t->certain[g], greater(inside * distance, distance * plan->far_margin + plan->near_margin));

    const double bias = (double)plan->bias + 0x1p52; /* leaves a whole number below 2^52 in the low bits */
    t->x[g] = (vu)(cell_a * plan->pad[0] + cell_b * plan->pad[1] + bias) & UINT64_C(0xFFFFFFFF);
    t->y[g] = (vu)(cell_a * plan->pad[2] + cell_b * plan->pad[3] + bias) & UINT64_C(0xFFFFFFFF);
}

/* Cells of lattice points, 0 where not certain. */
static inline vu cells_of_points(const tile *t, int64_t g, const ucid_cell_plan *plan)
{
    vu x = t->x[g], y = t->y[g], digits = {0};
    for (int k = 0; k < plan->lookups; k++) {
        const vu inverse = all_u(UINT64_C(2804876602)), by = all_u(49); /* 2^37 / 49 rounded up: exact below 2^32 */
        vu x_up = multiply_32(x, inverse) >> 37, y_up = multiply_32(y, inverse) >> 37;
        vu row = multiply_32(x - multiply_32(x_up, by), by),
           step = gather_16(ucid_cell_table.up, row + y - multiply_32(y_up, by));
        digits |= (step & 4095) << (12 * k);
        x = x_up + (step >> 12 & 3) - 1, y = y_up + (step >> 14) - 1;
    }
    vu faces = multiply_32(t->face[g], all_u(UCID_CELL_TOP * UCID_CELL_TOP)),
       top = gather_32(ucid_cell_table.top, faces + multiply_32(x, all_u(UCID_CELL_TOP)) + y);
    /* The leading digit that is not zero decides the turn on pentagons alone; elsewhere any digit's turn will do. */
    vu shift = all_u(8 + 3 * 1);
    if (in_any(equal(top & 128, all_u(128)))) {
        shift = leading_digit(digits) * 3 + 8;
    }
    vu turns = top >> shift & 7;
    if (!in_all(equal(turns, all_u(0)))) digits = turned(digits, turns);
    return drop(equal(turns, all_u(7)),
                keep(t->certain[g], plan->head | (top & 127) << 45 | digits >> plan->drop << plan->lift));
}

static inline void cells_of_tile(tile *t, int64_t n, const double *lat_deg, const double *lon_deg,
                                 const ucid_cell_plan *plan, int *near, uint64_t *cells)
{
    int64_t groups = (n + LANES - 1) / LANES;
    face_plane plane;
    int tried = *near;
    take_directions(t, n, lat_deg, lon_deg);
    if (take_faces(t, n, near)) {
        planes_of_faces(all_u((uint64_t)tried), plan->odd, &plane);
        for (int64_t g = 0; g < groups; g++) take_lattice_points(t, g, &plane, plan);
    } else {
        for (int64_t g = 0; g < groups; g++) {
            planes_of_faces(t->face[g], plan->odd, &plane);
            take_lattice_points(t, g, &plane, plan);
        }
    }
    for (int64_t i = 0, g = 0; i < n; i += LANES, g++) {
        vu found = cells_of_points(t, g, plan);
        if (n - i >= LANES) {
            memcpy(cells + i, &found, sizeof found);
        } else {
            for (int64_t k = 0; k < n - i; k++) cells[i + k] = found[k];
        }
    }
}

static inline void cells_at(int64_t n, const double *lat_deg, const double *lon_deg, int resolution, uint64_t *cells)
{
    const ucid_cell_plan *plan = &ucid_cell_plans[resolution];
    tile t;
    int near = 0;
    for (int64_t start = 0; start < n; start += TILE * LANES) {
        int64_t count = n - start < TILE * LANES ? n - start : TILE * LANES;
        cells_of_tile(&t, count, lat_deg + start, lon_deg + start, plan, &near, cells + start);
        for (int64_t i = start; i < start + count; i++) {
            if (cells[i] == 0) cells[i] = ucid_cell_at(lat_deg[i], lon_deg[i], resolution);
        }
    }
}
