/* cell_runs.h: groups of cells, ascending: runs of them, merged, and cut into one order. */
#ifndef UCID_KERNEL_CELL_RUNS_H
#define UCID_KERNEL_CELL_RUNS_H

#include "ucid.h"

/* One cache line: sums of hundredths. All zero but for the cell: nothing was added yet. */
typedef struct ucid_cell_sum {
    uint64_t cell;
    uint64_t score, square, confidence;
    uint32_t grades[6]; /* rows of each */
    uint32_t nulls;
    uint16_t lack, max; /* lack: UINT16_MAX - the least score, so that both extremes are the greatest of something */
} ucid_cell_sum;

static inline void cell_sum_merge(ucid_cell_sum *into, const ucid_cell_sum *from)
{
    into->score += from->score;
    into->square += from->square;
    into->confidence += from->confidence;
    for (int g = 0; g < 6; g++) into->grades[g] += from->grades[g];
    into->nulls += from->nulls;
    into->lack = from->lack > into->lack ? from->lack : into->lack;
    into->max = from->max > into->max ? from->max : into->max;
}

/* Ascending by cell, each once. */
typedef struct cell_run {
    ucid_cell_sum *groups;
    size_t count, capacity;
} cell_run;

void cell_run_reset(cell_run *run, const ucid_allocator *allocator);
/* Two become one. 0: no memory, and both are as they were. */
int cell_run_merge(cell_run *into, cell_run *from, const ucid_allocator *allocator);

/* All groups of some runs, piece by piece. */
typedef struct cell_piece {
    const ucid_cell_sum *groups; /* of a run that has no other's neighbours here, or merged */
    size_t count, place;         /* of its first group */
    cell_run merged;
} cell_piece;

typedef struct cell_order {
    cell_piece *pieces; /* NULL: there is none */
    size_t count, capacity;
    size_t groups; /* in all */
} cell_order;

/* lost: a group that goes first, where it is not empty; the order is as long there as it and the runs are. 0: no
 * memory. */
int cell_order_make(const ucid_cell_sum *lost, const cell_run *runs, size_t run_count, int threads,
                    const ucid_allocator *allocator, cell_order *out);
void cell_order_reset(cell_order *order, const ucid_allocator *allocator);
/* Number of the piece of a place. */
size_t cell_order_find(const cell_order *order, size_t place);

#endif
