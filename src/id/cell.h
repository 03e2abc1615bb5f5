/* cell.h: what the rest of the library asks of cells beyond section 5 of ucid.h. cell*.c alone know H3. */
#ifndef UCID_ID_CELL_H
#define UCID_ID_CELL_H

#include "ucid.h"

/* Half the last printed decimal of an identifier's coordinates, widened for rounding. */
#define UCID_CELL_PRINTED_HALF_DEG 0.0005001

/* 1 where some point of the box lat_deg, lon_deg +- half_deg, clipped to +-90 and +-180, lies in the cell; 0 also for
 * what is no cell and for coordinates out of range. From resolution 6 on exact to some 1e-9 degrees; below it, a cell
 * that only an edge of the box touches is missed (cells there are a thousand times larger than any box). */
int ucid_cell_meets_box(uint64_t cell, double lat_deg, double lon_deg, double half_deg);

#endif
