/* cell_parts.h: the outline of a cell. */
#ifndef UCID_ID_CELL_PARTS_H
#define UCID_ID_CELL_PARTS_H

#include <stdint.h>

enum { UCID_CELL_PARTS_MAX = 5, UCID_CELL_PART_CORNERS_MAX = 9 };

/* What of a cell lies on one face of the icosahedron: convex, its corners counter-clockwise as seen from outside, as
 * vectors of length 1. Its sides are great circles. */
typedef struct ucid_cell_part {
    int count;
    double corner[UCID_CELL_PART_CORNERS_MAX][3];
} ucid_cell_part;

/* Parts of a valid cell, which together are the cell: mostly one, two where it lies across an edge of the icosahedron,
 * five of a pentagon. Returns their number. The same bits on every machine. */
int ucid_cell_parts(uint64_t cell, ucid_cell_part parts[UCID_CELL_PARTS_MAX]);

#endif
