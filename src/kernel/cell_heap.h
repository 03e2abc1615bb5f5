/* cell_heap.h: rows in no order, put aside by the uppermost bits of their parents. */
#ifndef UCID_KERNEL_CELL_HEAP_H
#define UCID_KERNEL_CELL_HEAP_H

#include "kernel/cell_rows.h"

#include <pthread.h>

/* A row: key of the parent above, value below; parents up to this resolution. */
enum { CELL_HEAP_FINEST = (64 - CELL_ROWS_VALUE_BITS - 7) / 3 };
enum { CELL_HEAP_STAGE = 16, CELL_HEAP_CHUNK = 31 * CELL_HEAP_STAGE, CELL_HEAP_BLOCKS = 32 };

static inline uint64_t cell_heap_row(uint64_t key, uint32_t value) { return key << CELL_ROWS_VALUE_BITS | value; }
static inline uint64_t cell_heap_key(uint64_t row) { return row >> CELL_ROWS_VALUE_BITS; }
static inline uint32_t cell_heap_value(uint64_t row)
{
    return (uint32_t)(row & (((uint64_t)1 << CELL_ROWS_VALUE_BITS) - 1));
}

typedef struct cell_chunk {
    struct cell_chunk *older;
    uint64_t unused[15];
    uint64_t rows[CELL_HEAP_CHUNK];
} cell_chunk;

typedef struct cell_bucket {
    cell_chunk *newest; /* others are full */
    uint32_t fill;      /* rows of the newest */
    size_t rows;        /* of all chunks */
} cell_bucket;

typedef struct cell_heap {
    int planned;
    size_t count;    /* rows */
    uint64_t *first; /* they, before there is a plan, */
    size_t capacity;
    cell_plan plan; /* and then, by bucket: */
    cell_bucket *buckets;
    uint32_t *ends;  /* of rows of a bucket in the stage, where there are less than CELL_HEAP_STAGE, */
    uint64_t *stage; /* and what is there goes into its newest chunk */
    void *stage_block;
    void *blocks[CELL_HEAP_BLOCKS]; /* of chunks, each as large as all before it */
    size_t chunks, chunk_count;     /* that are there, that have rows */
} cell_heap;

/* One plan for the heaps of all threads, so that they can be sorted together: that of whoever is first. */
typedef struct cell_plan_board {
    pthread_mutex_t lock;
    int is_made;
    cell_plan plan;
} cell_plan_board;

/* Rows at most of a block. 0: no memory, and some may have been added. */
int cell_heap_add(cell_heap *heap, const cell_rows_kernels *kernels, const uint64_t *rows, int count,
                  const ucid_allocator *allocator);
/* Rows so far, and all later ones, go into buckets: by a plan, or NULL: one that is made of these rows. 0: no memory.
 */
int cell_heap_plan(cell_heap *heap, const cell_plan *plan, const cell_rows_kernels *kernels,
                   const ucid_allocator *allocator);
/* By the plan of the board, where it is one for these rows; made there by whoever is first. 0: no memory. */
int cell_heap_plan_alike(cell_heap *heap, cell_plan_board *board, const cell_rows_kernels *kernels,
                         const ucid_allocator *allocator);
/* Rows of a bucket; the last one has those that the plan did not foresee. */
size_t cell_heap_rows(const cell_heap *heap, uint32_t bucket);
/* Rows are forgotten, and the plan where it did not foresee them; memory is kept. */
void cell_heap_empty(cell_heap *heap, const ucid_allocator *allocator);
void cell_heap_reset(cell_heap *heap, const ucid_allocator *allocator);

/* Rows of a bucket in several heaps of one plan, piece by piece, none longer than a chunk. */
typedef struct cell_heap_pieces {
    cell_heap *const *heaps;
    size_t heap_count;
    uint32_t bucket;
    size_t heap;
    cell_chunk *chunk; /* of the heap, that comes next; NULL: what is in the stage */
} cell_heap_pieces;

cell_heap_pieces cell_heap_pieces_of(cell_heap *const *heaps, size_t heap_count, uint32_t bucket);
/* Rows of the next piece, 0 after the last. */
int cell_heap_next(cell_heap_pieces *pieces, uint64_t **rows);

#endif
