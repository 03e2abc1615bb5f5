/* cell_parts.c: a cell is a hexagon of its lattice, on every face that it reaches: laid on the plane of the face, it is
 * cut with the face's triangle.
 *
 *          /\               The corners are thirds of the steps between cells, which the rules of cell_tables.h carry
 * to /  \ __           the lattice of the next resolution that is a multiple of four: three times as fine all is in /
 * X  \          integers up to the cut. /    / \__/
 *      /______\             A pentagon's centre is a corner of five triangles, each of which cuts out a sixth. */
#include "id/cell_parts.h"

#include <math.h>
#include <string.h>

#include "id/cell_tables.h"
#include "ucid.h"

typedef struct point {
    double a, b;
} point;

/* By how much a point is inside one of a triangle's three sides, the lattice `size` to a base cell's unit. */
static double depth(const point *p, int side, double size)
{
    if (side == 0) return 2 * p->a - p->b + 2 * size;
    if (side == 1) return 2 * p->b - p->a + 2 * size;
    return 2 * size - p->a - p->b;
}

/* Cut a convex polygon with the triangle of a face; returns the number of corners that are left. */
static int cut(point polygon[UCID_CELL_PART_CORNERS_MAX], int count, double size)
{
    for (int side = 0; side < 3; side++) {
        point kept[UCID_CELL_PART_CORNERS_MAX + 1];
        int n = 0;
        for (int k = 0; k < count; k++) {
            const point *p = &polygon[k], *q = &polygon[k + 1 < count ? k + 1 : 0];
            double here = depth(p, side, size), there = depth(q, side, size);
            if (here >= 0) kept[n++] = *p;
            if ((here > 0 && there < 0) || (here < 0 && there > 0)) {
                double share = here / (here - there);
                kept[n++] = (point){p->a + share * (q->a - p->a), p->b + share * (q->b - p->b)};
            }
        }
        memcpy(polygon, kept, (size_t)n * sizeof *kept);
        count = n;
    }
    return count;
}

/* Twice the area of a polygon, a lattice's parallelogram being 1. */
static double double_area(const point *polygon, int count)
{
    double sum = 0;
    for (int k = 0; k < count; k++) {
        const point *p = &polygon[k], *q = &polygon[k + 1 < count ? k + 1 : 0], *o = &polygon[0];
        sum += (p->a - o->a) * (q->b - o->b) - (p->b - o->b) * (q->a - o->a);
    }
    return sum;
}

int ucid_cell_parts(uint64_t cell, ucid_cell_part parts[UCID_CELL_PARTS_MAX])
{
    static const int32_t sizes[5] = {1, 49, 2401, 117649, 5764801}; /* as in cell_centre.c */
    static const int32_t turned[6][4] = {{1, 0, 0, 1},   {1, -1, 1, 0},  {0, -1, 1, -1},
                                         {-1, 0, 0, -1}, {-1, 1, -1, 0}, {0, 1, -1, 1}};
    static const int32_t corners[6][2] = {{2, 1}, {1, 2}, {-1, 1}, {-2, -1}, {-1, -2}, {1, -1}}; /* in thirds */
    int resolution = (int)(cell >> 52 & 15), groups = (resolution + 3) / 4, found = 0;
    uint64_t digits = (cell & ((UINT64_C(1) << 45) - 1)) >> 3 * (15 - resolution) << 3 * (4 * groups - resolution);
    int64_t a = 0, b = 0;
    for (int k = groups - 1; k >= 0; k--) {
        const int8_t *step = ucid_cell_table.down[digits >> 12 * k & 4095];
        a = 49 * a + step[0], b = 49 * b + step[1];
    }
    int64_t corner[6][2];
    for (int k = 0; k < 6; k++) {
        int64_t x = corners[k][0], y = corners[k][1];
        for (int r = resolution + 1; r <= 4 * groups; r++) {
            int64_t fine = r & 1 ? 2 * x + y : 3 * x - y;
            y = r & 1 ? 3 * y - x : x + 2 * y;
            x = fine;
        }
        corner[k][0] = x, corner[k][1] = y;
    }
    const ucid_cell_home *home = ucid_cell_table.home[cell >> 45 & 127], *end = home + UCID_CELL_HOMES;
    int leading = digits == 0 ? 0 : (int)(digits >> (63 - __builtin_clzll(digits)) / 3 * 3 & 7);
    double size = 3.0 * sizes[groups], unit = 1 / (UCID_CELL_SCALE_0 * size);
    double whole = 6 * (double)(corner[0][0] * corner[1][1] - corner[0][1] * corner[1][0]);
    for (; home < end && home->face != 255; home++) {
        int turns = (int)(home->turns >> 3 * leading & 7);
        if (turns == 7) continue;
        int64_t p = turned[turns][0] * a + turned[turns][1] * b + (int64_t)home->a * sizes[groups];
        int64_t q = turned[turns][2] * a + turned[turns][3] * b + (int64_t)home->b * sizes[groups];
        point polygon[UCID_CELL_PART_CORNERS_MAX];
        for (int k = 0; k < 6; k++) {
            polygon[k] = (point){(double)(3 * p + corner[k][0]), (double)(3 * q + corner[k][1])};
        }
        int count = cut(polygon, 6, size);
        if (count < 3 || double_area(polygon, count) < 1e-12 * whole) continue;
        const ucid_cell_face *face = &ucid_cell_table.face[home->face];
        ucid_cell_part *part = &parts[found++];
        part->count = count;
        for (int k = 0; k < count; k++) {
            double x = polygon[k].a * unit, y = polygon[k].b * unit, v[3], square = 0;
            for (int i = 0; i < 3; i++) {
                v[i] = face->c[i] + (x * face->i[i] + y * face->j[i]);
                square += v[i] * v[i];
            }
            double length = sqrt(square);
            for (int i = 0; i < 3; i++) part->corner[k][i] = v[i] / length;
        }
    }
    return found;
}
