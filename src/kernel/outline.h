/* outline.h: what of a cell lies on one face of the icosahedron, as lines on the plane of zones. */
#ifndef UCID_KERNEL_OUTLINE_H
#define UCID_KERNEL_OUTLINE_H

#include "id/cell_parts.h"
#include "ucid.h"

#include <stddef.h>

/* From a to b, a below b: X and Y of zones.h, but X goes on beyond longitude 180. */
typedef struct outline_side {
    double ax, ay, bx, by;
} outline_side;

typedef struct outline {
    outline_side *sides; /* none along a parallel: no line eastwards crosses one */
    size_t count, capacity;
    double west, east, south, north; /* all of it is between */
    double area;                     /* on the unit sphere */
} outline;

/* Sides are great circles; lines straight in longitude and latitude take their place, which are nowhere farther from
 * them than a millimetre, or a millionth of the side. An outline around a pole is closed over it. 0: no memory. */
int outline_make(outline *shape, const ucid_cell_part *part, const ucid_allocator *allocator);
void outline_reset(outline *shape, const ucid_allocator *allocator);

#endif
