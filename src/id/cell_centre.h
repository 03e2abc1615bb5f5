/* cell_centre.h: centres of cells that are known to be valid. */
#ifndef UCID_ID_CELL_CENTRE_H
#define UCID_ID_CELL_CENTRE_H

#include "ucid.h"

/* The centre of a cell on a face where it lies: in the lattice of the next resolution that is a multiple of four, size
 * to a base cell's unit. */
typedef struct ucid_cell_point {
    int32_t face, a, b, size;
} ucid_cell_point;

/* 0 where the tables do not know (never met by the tests). */
int ucid_cell_point_of(uint64_t cell, ucid_cell_point *point);

/* A vector towards the centre, of length 1 to 1.27; 0 where the tables do not know (never met by the tests). */
int ucid_cell_direction(uint64_t cell, double v[3]);

void ucid_cell_centre_of_valid(uint64_t cell, double *lat_deg, double *lon_deg);

/* What libh3 says. */
void ucid_cell_centre_libh3(uint64_t cell, double *lat_deg, double *lon_deg);

#endif
