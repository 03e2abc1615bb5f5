/* cell_sort.h: rows in no order become a run of groups. */
#ifndef UCID_KERNEL_CELL_SORT_H
#define UCID_KERNEL_CELL_SORT_H

#include "kernel/cell_heap.h"

/* The groups of all rows of some heaps, whose rows and whose order in the list may be moved. 0: no memory. */
int cell_sort(cell_heap **heaps, size_t heap_count, const cell_rows_kernels *kernels, int resolution, int threads,
              const ucid_allocator *allocator, cell_run *out);

#endif
