/* cell_plane.h: directions, and the plane of a face of the icosahedron with its lattice of cells; for cell*.c. */
#ifndef UCID_ID_CELL_PLANE_H
#define UCID_ID_CELL_PLANE_H

#include "id/cell_at.h"
#include "id/cell_tables.h"

static inline double dot(const double u[3], const double v[3]) { return u[0] * v[0] + u[1] * v[1] + u[2] * v[2]; }
static inline double larger(double x, double y) { return x > y ? x : y; }

/* v is nearer to the face than to the three faces next to it, beyond doubt. */
static inline int leads(const ucid_cell_face *face, const double v[3])
{
    return dot(v, face->lead[0]) > 1e-13 && dot(v, face->lead[1]) > 1e-13 && dot(v, face->lead[2]) > 1e-13;
}

/* Lattice coordinates of a direction, which need not be of length 1. */
static inline void project(const ucid_cell_face *face, const ucid_cell_plan *plan, const double v[3], double *a,
                           double *b)
{
    double stretch = plan->scale / dot(v, face->c);
    *a = dot(v, face->to_a[plan->odd]) * stretch, *b = dot(v, face->to_b[plan->odd]) * stretch;
}

/* The point (a, b) lies in the cell around (cell_a, cell_b), beyond the margin and `more` of the way to its border. */
static inline int is_inside(double a, double b, double cell_a, double cell_b, const ucid_cell_plan *plan, double more)
{
    double da = a - cell_a, db = b - cell_b;
    double inside = 1 - more - /* 1 at the centre, 0 on a border */
                    larger(larger(__builtin_fabs(da + da - db), __builtin_fabs(da + db)), __builtin_fabs(db + db - da));
    double distance = larger(__builtin_fabs(a), __builtin_fabs(b)); /* from the face's centre, within 2/sqrt(3) */
    return inside * distance > plan->far_margin * distance + plan->near_margin;
}

#endif
