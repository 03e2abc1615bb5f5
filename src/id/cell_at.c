/* cell_at.c: the cell of a coordinate, without libm and four times as fast as libh3, which decides where this is not
 * sure.
 *
 *     lat, lon --polynomials--> unit vector v
 *       v --largest dot product--> face; a = S (v.to_a) / (v.c), b likewise: lattice coordinates in the face's plane
 *       three families of lines cut the plane into triangles, six to a cell: three floors give the cell
 *       its lattice point --remainders by 49, a table--> four digits at once, up to the base cell, with its turn
 *
 * No angle is computed. libh3 goes from the vector to distance and azimuth and back (acos, atan2, tan, sin, cos), and
 * its answer is the standard; so where a point is so close to a border of cells that the two could differ, libh3 is
 * asked. The margin, in units of the lattice, is scale * 1e-14 (the rounding of both ways, each below 4e-15 of the
 * distance from the face's centre) plus scale^2 * 4e-15 / distance (libh3 takes the acos of nearly 1 near a face's
 * centre, and loses digits there). At resolution 9 that is three places in 10^10, within a tenth of a micrometre of a
 * border, or within micrometres to millimetres in the last kilometres around the centre of a face;
 * there alone the cell can depend on the machine's libm, as it does for every user of libh3. */
#include "id/cell_at.h"

#include <math.h>

#include "id/cell_h3.h"
#include "id/cell_plane.h"
#include "id/cell_tables.h"
#include "rt/error.h"

#define PLAN(r, s, p0, p1, p2, p3, n, b)                                                                               \
    {                                                                                                                  \
        (s), (s)*1e-14, (s) * (s)*4e-15, {(p0), (p1), (p2), (p3)}, (r)&1, (n), 3 * (b), 3 * (4 * (n) - (r)),           \
            3 * (15 - (r)), UINT64_C(1) << 59 | (uint64_t)(r) << 52 | ((UINT64_C(1) << 3 * (15 - (r))) - 1)            \
    }

const ucid_cell_plan ucid_cell_plans[16] = {
    PLAN(0, 0x1.4f1bbcdcbfa54p+1, 1, 0, 0, 1, 0, 1),         PLAN(1, 0x1.bb4e828281bc6p+2, 21, -7, 7, 14, 1, 49),
    PLAN(2, 0x1.2538454127b09p+4, 7, 0, 0, 7, 1, 49),        PLAN(3, 0x1.83e4b2323184dp+5, 3, -1, 1, 2, 1, 49),
    PLAN(4, 0x1.00913c9902ba8p+7, 1, 0, 0, 1, 1, 49),        PLAN(5, 0x1.53681bebeb543p+8, 21, -7, 7, 14, 2, 2401),
    PLAN(6, 0x1.c0fe2a0bc4c66p+9, 7, 0, 0, 7, 2, 2401),      PLAN(7, 0x1.28fb186e6de9bp+11, 3, -1, 1, 2, 2, 2401),
    PLAN(8, 0x1.88de64ca4c2dap+12, 1, 0, 0, 1, 2, 2401),     PLAN(9, 0x1.03dbb560a02c8p+14, 21, -7, 7, 14, 3, 117649),
    PLAN(10, 0x1.57c2983102a7ep+15, 7, 0, 0, 7, 3, 117649),  PLAN(11, 0x1.c6c07d69184ddp+16, 3, -1, 1, 2, 3, 117649),
    PLAN(12, 0x1.2cca452ae252fp+18, 1, 0, 0, 1, 3, 117649),  PLAN(13, 0x1.8de86dbbf5442p+19, 21, -7, 7, 14, 4, 5764801),
    PLAN(14, 0x1.0730fc8586089p+21, 7, 0, 0, 7, 4, 5764801), PLAN(15, 0x1.5c2b6004769b9p+22, 3, -1, 1, 2, 4, 5764801),
};

/* To the nearest integer; below for what is no integer's neighbour by rounding, which borders decide anyway. */
static double nearest(double x) { return (x + 0x1.8p52) - 0x1.8p52; }
static double below(double x) { return nearest(x - 0.5); }

static inline void direction_of(double lat_deg, double lon_deg, double v[3])
{
    ucid_pair sine, cosine;
    ucid_sine_cosine_deg((ucid_pair){lat_deg, lon_deg}, &sine, &cosine);
    v[0] = cosine[0] * cosine[1], v[1] = cosine[0] * sine[1], v[2] = sine[0];
}

/* Nearest face, or -1 where two are equally near. */
static int nearest_face(const double v[3])
{
    double best = -1, second = -1;
    int found = 0;
    for (int f = 0; f < UCID_CELL_FACES / 2; f++) {
        double d = dot(v, ucid_cell_table.face[f].c), near = fabs(d);
        second = near > best ? best : near > second ? near : second;
        found = near > best ? (d > 0 ? f : f + 10) : found;
        best = near > best ? near : best;
    }
    return best - second > 1e-13 ? found : -1;
}

/* The face of v: the one before, that of the middle of the coordinate's square, or searched; -1 as above. */
static int face_of(const double v[3], double lat_deg, double lon_deg, int before)
{
    if (before >= 0 && leads(&ucid_cell_table.face[before], v)) return before;
    int row = (int)((lat_deg + 90) * (1.0 / UCID_CELL_SQUARE_DEG)),
        column = (int)((lon_deg + 180) * (1.0 / UCID_CELL_SQUARE_DEG));
    row -= row == UCID_CELL_ROWS, column -= column == 2 * UCID_CELL_ROWS;
    int usual = ucid_cell_table.near[row][column];
    return leads(&ucid_cell_table.face[usual], v) ? usual : nearest_face(v);
}

/* Digits turned counter-clockwise by steps of 60 degrees: 1 5 4 6 2 3 is one turn. Three steps flip the bits of the
 * digits that are not zero, two and four rotate their three bits. */
static uint64_t turned(uint64_t digits, unsigned steps)
{
    const uint64_t ones = UINT64_C(0x1249249249249249);
    uint64_t odd = 0 - (uint64_t)(steps & 1), some = (digits | digits >> 1 | digits >> 2) & ones;
    digits ^= ((some << 3) - some) & odd;
    steps = 0x240240u >> 4 * steps & 15; /* what is left to turn: none, 4, 2, none, 4, 2 */
    uint64_t right = (digits >> 1 & ones * 3) | (digits & ones) << 2,
             left = (digits << 1 & ones * 6) | (digits >> 2 & ones);
    uint64_t to_right = 0 - (uint64_t)(steps >> 1 & 1), to_left = 0 - (uint64_t)(steps >> 2); /* nothing to guess */
    return (digits & ~(to_right | to_left)) | (right & to_right) | (left & to_left);
}

uint64_t ucid_cell_certain(double lat_deg, double lon_deg, const ucid_cell_plan *plan, int *face)
{
    if (!(fabs(lat_deg) <= 90 && fabs(lon_deg) <= 180)) return 0;
    double v[3];
    direction_of(lat_deg, lon_deg, v);
    *face = face_of(v, lat_deg, lon_deg, *face);
    if (*face < 0) return 0;
    const ucid_cell_face *plane = &ucid_cell_table.face[*face];
    double a, b;
    project(plane, plan, v, &a, &b);

    /* Lines of the three families, those through the centres of cells and the borders between: a cell is six triangles.
     */
    double p = a + a - b, q = a + b, r = q - p;
    double p_floor = below(p), q_floor = below(q), r_floor = below(r);
    double cell_a = nearest((p_floor + q_floor + 1) * (1.0 / 3)), cell_b = nearest((q_floor + r_floor + 1) * (1.0 / 3));

    if (!is_inside(a, b, cell_a, cell_b, plan, 0)) return 0;

    uint32_t x = (uint32_t)(int32_t)(plan->pad[0] * cell_a + plan->pad[1] * cell_b) + plan->bias;
    uint32_t y = (uint32_t)(int32_t)(plan->pad[2] * cell_a + plan->pad[3] * cell_b) + plan->bias;
    uint64_t digits = 0;
    for (int k = 0; k < plan->lookups; k++) {
        uint32_t x_up = x / 49, y_up = y / 49, step = ucid_cell_table.up[(x - 49 * x_up) * 49 + (y - 49 * y_up)];
        digits |= (uint64_t)(step & 4095) << (12 * k);
        x = x_up + (step >> 12 & 3) - 1, y = y_up + (step >> 14) - 1;
    }
    uint32_t top = ucid_cell_table.top[*face][x * UCID_CELL_TOP + y];
    int leading = digits == 0 ? 0 : (int)(digits >> (63 - __builtin_clzll(digits)) / 3 * 3 & 7);
    unsigned turns = top >> (8 + 3 * leading) & 7;
    if (turns == 7) return 0;
    return plan->head | (uint64_t)(top & 127) << 45 | turned(digits, turns) >> plan->drop << plan->lift;
}

uint64_t ucid_cell_by_libh3(double lat_deg, double lon_deg, int resolution)
{
    if (!(fabs(lat_deg) <= 90 && fabs(lon_deg) <= 180)) return 0;
    LatLng point = {degsToRads(lat_deg), degsToRads(lon_deg)};
    H3Index cell = 0;
    return latLngToCell(&point, resolution, &cell) == E_SUCCESS ? cell : 0;
}

uint64_t ucid_cell_at(double lat_deg, double lon_deg, int resolution)
{
    if (resolution < 0 || resolution > 15) return 0;
    int face = -1;
    uint64_t cell = ucid_cell_certain(lat_deg, lon_deg, &ucid_cell_plans[resolution], &face);
    return cell != 0 ? cell : ucid_cell_by_libh3(lat_deg, lon_deg, resolution);
}

void ucid_cells_at_scalar(int64_t n, const double *lat_deg, const double *lon_deg, int resolution, uint64_t *cells)
{
    int face = -1;
    for (int64_t i = 0; i < n; i++) {
        cells[i] = ucid_cell_certain(lat_deg[i], lon_deg[i], &ucid_cell_plans[resolution], &face);
        if (cells[i] == 0) cells[i] = ucid_cell_by_libh3(lat_deg[i], lon_deg[i], resolution);
    }
}

int ucid_cells_variant_get(int position, ucid_cells_variant *variant)
{
    const ucid_cells_variant variants[] = {
        {"scalar", ucid_cells_at_scalar, NULL, 1},
#if UCID_X86
        {"avx2", ucid_cells_at_avx2, ucid_cells_meet_avx2, __builtin_cpu_supports("avx2") != 0},
        {"avx512", ucid_cells_at_avx512, ucid_cells_meet_avx512,
         __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")},
#endif
    };
    if (position < 0 || position >= (int)(sizeof variants / sizeof variants[0])) return 0;
    *variant = variants[position];
    return 1;
}

ucid_cells_variant ucid_cells_variant_best(void)
{
    ucid_cells_variant variant, best = {"scalar", ucid_cells_at_scalar, NULL, 1};
    for (int position = 1; ucid_cells_variant_get(position, &variant); position++) {
        if (variant.works_here) best = variant;
    }
    return best;
}

ucid_status ucid_cells_at(int64_t n, const double *lat_deg, const double *lon_deg, const uint8_t *validity,
                          int resolution, uint64_t *cells, uint8_t *status, ucid_error *error)
{
    if (resolution < 0 || resolution > 15) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "resolution %d is not in 0..15", resolution);
    }
    ucid_cells_variant best = ucid_cells_variant_best();
    enum { BLOCK = 1024 }; /* rows that stay in the cache while their nulls and status are written */
    for (int64_t start = 0; start < n; start += BLOCK) {
        int64_t end = n - start < BLOCK ? n : start + BLOCK;
        best.run(end - start, lat_deg + start, lon_deg + start, resolution, cells + start);
        for (int64_t i = start; i < end && validity != NULL; i++) {
            if (!(validity[i >> 3] >> (i & 7) & 1)) cells[i] = 0;
        }
        if (status == NULL) continue;
        for (int64_t i = start; i < end; i++) {
            int null = validity != NULL && !(validity[i >> 3] >> (i & 7) & 1);
            status[i] = (uint8_t)(cells[i] != 0 ? UCID_OK : null ? UCID_NULL_INPUT : UCID_INVALID_COORDINATES);
        }
    }
    return UCID_OK;
}
