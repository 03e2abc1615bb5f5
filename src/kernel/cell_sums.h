/* cell_sums.h: scores of cells, each of weight 1, summed by parent: what most roll-ups are. */
#ifndef UCID_KERNEL_CELL_SUMS_H
#define UCID_KERNEL_CELL_SUMS_H

#include "ucid.h"

/* One cache line: sums of hundredths. */
typedef struct ucid_cell_sum {
    uint64_t cell; /* 0: free */
    uint64_t score, square, confidence;
    uint32_t grades[6]; /* rows of each */
    uint32_t nulls;
    uint16_t min, max;
} ucid_cell_sum;

typedef struct ucid_cell_sums ucid_cell_sums;

/* NULL: no memory. */
ucid_cell_sums *ucid_cell_sums_new(const ucid_allocator *allocator, int resolution);
void ucid_cell_sums_free(ucid_cell_sums *sums); /* NULL is fine */

/* Add rows without weights. 0: no memory, and some rows may have been added. Counters of groups have 32 bits: all sums
 * that will be taken together may have 2^32 - 1 rows. */
int ucid_cell_sums_add(ucid_cell_sums *sums, int64_t n, const uint64_t *cells, const ucid_aggregate_rows *rows);

typedef struct ucid_cell_place {
    uint64_t cell;
    ucid_cell_sum *sum;
} ucid_cell_place;

typedef struct ucid_cell_places {
    ucid_cell_place *places;
    size_t count, capacity; /* capacity: as it was allocated */
    int64_t nowhere;        /* rows without a parent */
} ucid_cell_places;

/* All groups of several sums of one resolution, ascending by cell, each once; they are as long there as the sums are
 * not touched. places are to be given back by the caller. 0: no memory. */
int ucid_cell_sums_take(ucid_cell_sums *const *list, int count, ucid_cell_places *out);
void ucid_cell_sums_clear(ucid_cell_sums *sums);

#endif
