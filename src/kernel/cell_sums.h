/* cell_sums.h: scores of cells, each of weight 1, summed by parent: what most roll-ups are. */
#ifndef UCID_KERNEL_CELL_SUMS_H
#define UCID_KERNEL_CELL_SUMS_H

#include "kernel/cell_heap.h"

typedef struct ucid_cell_sums ucid_cell_sums;

/* The board is that of all sums that will be taken together. NULL: no memory. */
ucid_cell_sums *ucid_cell_sums_new(const ucid_allocator *allocator, int resolution, cell_plan_board *board);
void ucid_cell_sums_free(ucid_cell_sums *sums); /* NULL is fine */

/* Add rows without weights. 0: no memory, and some rows may have been added. Counters of groups have 32 bits: all sums
 * that will be taken together may have 2^32 - 1 rows. */
int ucid_cell_sums_add(ucid_cell_sums *sums, int64_t n, const uint64_t *cells, const ucid_aggregate_rows *rows);

/* Add one group of a finer or the same resolution; cell 0: rows without a parent. Fast where cells ascend. 0: no
 * memory. */
int ucid_cell_sums_add_group(ucid_cell_sums *sums, const ucid_cell_sum *group);

/* All groups of several sums of one resolution, in order. Rows without a parent are nulls of a group of cell 0. The
 * order is as long there as these sums are not touched. 0: no memory; what was added is still there. */
int ucid_cell_sums_take(ucid_cell_sums *const *list, int count, int threads, cell_order *out);
/* Add groups of a finer or the same resolution, to each of several sums a part of them. 0: no memory, and some may have
 * been added. */
int ucid_cell_sums_add_groups(ucid_cell_sums *const *list, int count, const cell_order *finer);
void ucid_cell_sums_clear(ucid_cell_sums *sums);
/* Groups, each as often as it is in different runs. */
size_t ucid_cell_sums_count(const ucid_cell_sums *sums);

#endif
