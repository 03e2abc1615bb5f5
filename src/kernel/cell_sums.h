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

/* Groups ascending by cell, each once. */
typedef struct ucid_cell_order {
    const ucid_cell_sum **groups; /* to be released by the caller; NULL: there is none */
    size_t count, capacity;
} ucid_cell_order;

/* All groups of several sums of one resolution are put into the first ones, in parallel, and ordered. Rows without a
 * parent are nulls of a group of cell 0. The order is as long there as the first sums are not touched. 0: no memory. */
int ucid_cell_sums_take(ucid_cell_sums *const *list, int count, int threads, ucid_cell_order *out);
/* Add groups of a finer or the same resolution. 0: no memory, and some may have been added. */
int ucid_cell_sums_add_groups(ucid_cell_sums *sums, const ucid_cell_order *finer);
void ucid_cell_sums_clear(ucid_cell_sums *sums);

#endif
