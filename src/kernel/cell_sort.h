/* cell_sort.h: rows in no order become a run of groups. */
#ifndef UCID_KERNEL_CELL_SORT_H
#define UCID_KERNEL_CELL_SORT_H

#include "kernel/cell_rows.h"

/* A row: key of the parent above, value below; parents up to this resolution. */
enum { CELL_SORT_FINEST = (64 - CELL_ROWS_VALUE_BITS - 7) / 3 };

typedef struct cell_heap {
    uint64_t *rows;
    size_t count, capacity;
    uint64_t any, all; /* of all rows: or, and */
} cell_heap;

/* The groups of all rows of some heaps. 0: no memory. */
int cell_sort(cell_heap *const *heaps, size_t heap_count, const cell_rows_kernels *kernels, int resolution, int threads,
              const ucid_allocator *allocator, cell_run *out);

#endif
