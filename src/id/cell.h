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

/* The same of many valid cells of one resolution and coordinates in range, faster. */
void ucid_cells_meet_boxes(int64_t n, const uint64_t *cells, const double *lat_deg, const double *lon_deg,
                           int resolution, double half_deg, uint8_t *meet);

/* ucid_cell_is_valid, for loops over millions: the layout of an H3 cell is 4 bits of mode (1), 3 reserved, 4 of
 * resolution, 7 of base cell, 15 digits of 3 bits, digits beyond the resolution are 7. A pentagon has no child 1. */
static inline int ucid_cell_bits_valid(uint64_t cell)
{
    static const uint64_t pentagons[2] = {0x8402004001004010u, 0x0020080200080100u};
    unsigned resolution = (unsigned)(cell >> 52) & 15u, base = (unsigned)(cell >> 45) & 127u;
    uint64_t unused = (1ull << (45u - 3u * resolution)) - 1, digits = cell & 0x1FFFFFFFFFFFull;
    uint64_t used = digits & ~unused;
    if (cell >> 56 != 8 || base >= 122 || (digits & unused) != unused) return 0;
    if ((used & used >> 1 & used >> 2 & 01111111111111111ull) != 0) return 0;
    return !(pentagons[base >> 6] >> (base & 63u) & 1u) || used == 0 || (63 - __builtin_clzll(used)) % 3 != 0;
}

/* ucid_cell_parent, likewise. */
static inline uint64_t ucid_cell_parent_bits(uint64_t cell, int resolution)
{
    if (!ucid_cell_bits_valid(cell) || (int)(cell >> 52 & 15) < resolution) return 0;
    return (cell & ~(15ull << 52)) | (uint64_t)resolution << 52 | ((1ull << (45 - 3 * resolution)) - 1);
}

#endif
