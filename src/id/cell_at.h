/* cell_at.h: the kernel that finds the cell of a coordinate, and its variants. */
#ifndef UCID_ID_CELL_AT_H
#define UCID_ID_CELL_AT_H

#include "rt/trig.h"
#include "ucid.h"

/* Latitude and longitude side by side, in a vector that every processor has. */
typedef double ucid_pair __attribute__((vector_size(16)));

/* Sine and cosine of two angles of at most 180 degrees, without a branch; within 2e-16. */
static inline void ucid_sine_cosine_deg(ucid_pair deg, ucid_pair *sine, ucid_pair *cosine)
{
    typedef uint64_t bits2 __attribute__((vector_size(16)));
    ucid_pair shifted = deg * (1.0 / 90) + 0x1.8p52; /* the quarter turn, in the low bits */
    bits2 quadrant = (bits2)shifted;
    ucid_pair x = (deg - (shifted - 0x1.8p52) * 90.0) * (UCID_PI / 180), s = x * x; /* the difference is exact */
    const ucid_pair *sines = (const ucid_pair *)(const void *)ucid_sine_terms,
                    *cosines = (const ucid_pair *)(const void *)ucid_cosine_terms;
    ucid_pair p = sines[0], q = cosines[0];
    for (int i = 1; i < UCID_TRIG_TERMS; i++) p = p * s + sines[i], q = q * s + cosines[i];
    p = x + x * s * p;
    q = 1.0 - s * (0.5 - s * q);
    bits2 swap = ((bits2)p ^ (bits2)q) & (0 - (quadrant & 1));
    *sine = (ucid_pair)((bits2)p ^ swap ^ (quadrant & 2) << 62);
    *cosine = (ucid_pair)((bits2)q ^ swap ^ ((quadrant + 1) & 2) << 62);
}

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

/* Whether cells meet boxes, as ucid_cell_meets_box of cell.h, where that is plain; all cells valid and of one
 * resolution, all coordinates in range. */
enum { UCID_BOX_NO, UCID_BOX_YES, UCID_BOX_UNSURE };
typedef void ucid_cells_meet_fn(int64_t n, const uint64_t *cells, const double *lat_deg, const double *lon_deg,
                                int resolution, double half_deg, uint8_t *answers);

typedef struct ucid_cells_variant {
    const char *name;
    ucid_cells_fn *run;
    ucid_cells_meet_fn *meet; /* NULL: ask one by one */
    int works_here;           /* the processor has what it needs */
} ucid_cells_variant;

/* Variants from the slowest ("scalar", works everywhere) to the fastest. 0 past the end. */
int ucid_cells_variant_get(int position, ucid_cells_variant *variant);
/* The fastest that works here. */
ucid_cells_variant ucid_cells_variant_best(void);

ucid_cells_fn ucid_cells_at_scalar, ucid_cells_at_avx2, ucid_cells_at_avx512;
ucid_cells_meet_fn ucid_cells_meet_avx2, ucid_cells_meet_avx512;

#endif
