/* cell_at.h: the kernel that finds the cell of a coordinate, and its variants. */
#ifndef UCID_ID_CELL_AT_H
#define UCID_ID_CELL_AT_H

#include "ucid.h"

/* What the kernel needs to know of a resolution. It works on the lattice of the next resolution that is a multiple of
 * four, where digits come four at a time. */
typedef struct ucid_cell_plan {
    double scale;       /* S of cell_tables.h */
    double far_margin;  /* distances below this to a border are not certain, */
    double near_margin; /* nor below this divided by the distance to the face's centre */
    double pad[4];      /* lattice point (a, b) at the padded resolution: pad[0] a + pad[1] b, pad[2] a + pad[3] b */
    int odd, lookups;   /* odd resolution; padded resolution / 4 */
    uint32_t bias;      /* 3 * 49^lookups, makes coordinates positive */
    int drop, lift;     /* bits of digits beyond the resolution; bits below the last digit of the cell's number */
    uint64_t head;      /* mode, resolution, and the ones below the last digit */
} ucid_cell_plan;

extern const ucid_cell_plan ucid_cell_plans[16];

/* Cell of a coordinate where the kernel is certain of it; 0 where libh3 must decide, and for a bad coordinate.
 * *face: the face to try first, or -1; the face found. */
uint64_t ucid_cell_certain(double lat_deg, double lon_deg, const ucid_cell_plan *plan, int *face);

/* What libh3 says; 0 for a bad coordinate. */
uint64_t ucid_cell_by_libh3(double lat_deg, double lon_deg, int resolution);

/* Cells of n coordinates; 0 for a bad one. Every variant gives the same cells. */
typedef void ucid_cells_fn(int64_t n, const double *lat_deg, const double *lon_deg, int resolution, uint64_t *cells);

typedef struct ucid_cells_variant {
    const char *name;
    ucid_cells_fn *run;
    int works_here; /* the processor has what it needs */
} ucid_cells_variant;

/* Variants from the slowest ("scalar", works everywhere) to the fastest. 0 past the end. */
int ucid_cells_variant_get(int position, ucid_cells_variant *variant);

ucid_cells_fn ucid_cells_at_scalar, ucid_cells_at_avx2, ucid_cells_at_avx512;

#endif
