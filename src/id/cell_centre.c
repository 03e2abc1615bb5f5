/* cell_centre.c: the centre of a cell, the way of cell_at.c backwards: digits to a point of the lattice by a table,
 * turned into each face where the cell's base cell lies until the point falls on that face, and from its plane to the
 * sphere. Only + - * / and sqrt, so the same bits on every machine; within 1e-15 radians of libh3's. */
#include "id/cell_centre.h"

#include <math.h>

#include "id/cell_h3.h"
#include "id/cell_tables.h"
#include "rt/error.h"
#include "rt/trig.h"

int ucid_cell_point_of(uint64_t cell, ucid_cell_point *point)
{
    static const int32_t sizes[5] = {1, 49, 2401, 117649, 5764801}; /* of a base cell's unit, in lattice steps */
    static const int32_t turned[6][4] = {/* steps of 60 degrees counter-clockwise: rows of the new a and b */
                                         {1, 0, 0, 1},   {1, -1, 1, 0},  {0, -1, 1, -1},
                                         {-1, 0, 0, -1}, {-1, 1, -1, 0}, {0, 1, -1, 1}};
    int resolution = (int)(cell >> 52 & 15), groups = (resolution + 3) / 4;
    uint64_t digits = (cell & ((UINT64_C(1) << 45) - 1)) >> 3 * (15 - resolution) << 3 * (4 * groups - resolution);
    int32_t a = 0, b = 0;
    for (int k = groups - 1; k >= 0; k--) {
        const int8_t *step = ucid_cell_table.down[digits >> 12 * k & 4095];
        a = 49 * a + step[0], b = 49 * b + step[1];
    }
    const ucid_cell_home *home = ucid_cell_table.home[cell >> 45 & 127], *end = home + UCID_CELL_HOMES;
    int leading = digits == 0 ? 0 : (int)(digits >> (63 - __builtin_clzll(digits)) / 3 * 3 & 7);
    int32_t size = sizes[groups];
    for (; home < end && home->face != 255; home++) {
        int32_t p, q, turns = home->turns >> 3 * leading & 7;
        if (turns == 7) continue;
        p = turned[turns][0] * a + turned[turns][1] * b + home->a * size;
        q = turned[turns][2] * a + turned[turns][3] * b + home->b * size;
        if (2 * p - q < -2 * size || 2 * q - p < -2 * size || p + q > 2 * size)
            continue; /* beyond an edge of the face */
        *point = (ucid_cell_point){home->face, p, q, size};
        return 1;
    }
    return 0;
}

int ucid_cell_direction(uint64_t cell, double v[3])
{
    ucid_cell_point point;
    if (!ucid_cell_point_of(cell, &point)) return 0;
    const ucid_cell_face *face = &ucid_cell_table.face[point.face];
    double unit = 1 / (UCID_CELL_SCALE_0 * point.size), x = point.a * unit, y = point.b * unit;
    for (int k = 0; k < 3; k++) v[k] = face->c[k] + (x * face->i[k] + y * face->j[k]);
    return 1;
}

void ucid_cell_centre_libh3(uint64_t cell, double *lat_deg, double *lon_deg)
{
    LatLng centre = {NAN, NAN};
    if (cellToLatLng(cell, &centre) != E_SUCCESS) centre.lat = centre.lng = NAN;
    *lat_deg = radsToDegs(centre.lat), *lon_deg = radsToDegs(centre.lng);
}

void ucid_cell_centre_of_valid(uint64_t cell, double *lat_deg, double *lon_deg)
{
    double v[3];
    if (!ucid_cell_direction(cell, v)) {
        ucid_cell_centre_libh3(cell, lat_deg, lon_deg);
        return;
    }
    *lat_deg = ucid_atan2(v[2], sqrt(v[0] * v[0] + v[1] * v[1])) * (180 / UCID_PI);
    *lon_deg = ucid_atan2(v[1], v[0]) * (180 / UCID_PI);
}

ucid_status ucid_cell_centre(uint64_t cell, double *lat_deg, double *lon_deg, ucid_error *error)
{
    if (!isValidCell(cell)) {
        return ucid_fail(error, UCID_INVALID_H3, "%llx is not an H3 cell", (unsigned long long)cell);
    }
    ucid_cell_centre_of_valid(cell, lat_deg, lon_deg);
    return UCID_OK;
}

void ucid_cells_centres(int64_t n, const uint64_t *cells, double *lat_deg, double *lon_deg)
{
    for (int64_t i = 0; i < n; i++) {
        lat_deg[i] = lon_deg[i] = NAN;
        if (isValidCell(cells[i])) ucid_cell_centre_of_valid(cells[i], &lat_deg[i], &lon_deg[i]);
    }
}
