/* cell_centre.h: centres of cells that are known to be valid. */
#ifndef UCID_ID_CELL_CENTRE_H
#define UCID_ID_CELL_CENTRE_H

#include "ucid.h"

/* A vector towards the centre, of length 1 to 1.27; 0 where the tables do not know (never met by the tests). */
int ucid_cell_direction(uint64_t cell, double v[3]);

void ucid_cell_centre_of_valid(uint64_t cell, double *lat_deg, double *lon_deg);

/* What libh3 says. */
void ucid_cell_centre_libh3(uint64_t cell, double *lat_deg, double *lon_deg);

#endif
