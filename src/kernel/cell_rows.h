/* cell_rows.h: blocks of rows as numbers of their parents and values of 32 bits. Each step is a pass over columns in
 * plain C, so there is a variant for each width of vectors that a compiler can be told of; all give the same bits. */
#ifndef UCID_KERNEL_CELL_ROWS_H
#define UCID_KERNEL_CELL_ROWS_H

#include "kernel/cell_runs.h"

enum { CELL_ROWS_BLOCK = 512 };

/* A value: hundredths of score in the lowest two bytes and of confidence in the third, and the grade, or that the row
 * has none of them. */
enum { CELL_ROWS_CONFIDENCE_SHIFT = 16, CELL_ROWS_GRADE_SHIFT = 24, CELL_ROWS_VALUE_BITS = 27 };
enum { CELL_ROWS_NO_GRADE = 6, CELL_ROWS_NULL = CELL_ROWS_NO_GRADE << CELL_ROWS_GRADE_SHIFT };

static inline uint32_t cell_rows_score(uint32_t value) { return value & 0xFFFFu; }
static inline uint32_t cell_rows_confidence(uint32_t value) { return value >> CELL_ROWS_CONFIDENCE_SHIFT & 0xFFu; }
static inline uint32_t cell_rows_grade(uint32_t value) { return value >> CELL_ROWS_GRADE_SHIFT; }

/* Base cell and digits of a cell of some resolution, as a number; they are in the order of the cells. */
static inline uint64_t cell_rows_key(uint64_t cell, int resolution)
{
    return (cell & (((uint64_t)1 << 52) - 1)) >> (45 - 3 * resolution);
}
static inline uint64_t cell_rows_cell(uint64_t key, int resolution)
{
    uint64_t head = (uint64_t)8 << 56 | (uint64_t)resolution << 52, unused = 45 - 3 * (uint64_t)resolution;
    return head | key << unused | (((uint64_t)1 << unused) - 1);
}
static const uint64_t CELL_ROWS_NOWHERE = UINT64_MAX; /* the key of a row without a parent */

typedef struct cell_rows {
    uint64_t keys[CELL_ROWS_BLOCK];
    uint32_t values[CELL_ROWS_BLOCK];
    uint8_t starts[CELL_ROWS_BLOCK]; /* 1 where the key is not that of the row before; 0 from count on */
    int count, runs, falls, nowhere; /* rows; starts; keys below the one before; rows without a parent */
} cell_rows;

/* Numbers of groups by key: key << number_bits | number, in the first free one of the slots of that key. Bits of a key
 * that all share turn neighbours into neighbours, so what a region's groups need of a cache is little. */
typedef struct cell_slots {
    uint64_t *of; /* [1 << bits] */
    int bits, number_bits;
} cell_slots;
static const uint64_t CELL_SLOTS_FREE = UINT64_MAX;

static inline size_t cell_slots_first(const cell_slots *slots, uint64_t key)
{
    return (size_t)(key ^ key >> slots->bits) & (((size_t)1 << slots->bits) - 1);
}
static inline size_t cell_slots_next(const cell_slots *slots, size_t at)
{
    return (at + 0x9E3779B1) & (((size_t)1 << slots->bits) - 1);
}

/* Buckets of rows of 64 bits by their uppermost bits that differ: head | slot | bits that tell more buckets apart. */
enum { CELL_PLAN_SLOT_BITS = 11, CELL_PLAN_MORE_BITS = 8 };
typedef struct cell_plan {
    uint32_t slots[1 << CELL_PLAN_SLOT_BITS]; /* first bucket << MORE_BITS | how many more bits */
    uint64_t head;                            /* that rows of a bucket have */
    int shift, slot_bits;                     /* of a slot */
    uint32_t buckets;                         /* and one more, for rows of another head or a slot without buckets */
} cell_plan;
static const uint32_t CELL_PLAN_NO_BUCKET = UINT32_MAX;

typedef struct cell_rows_kernels {
    const char *name; /* "avx512", "avx2", "scalar" */
    /* Rows first to first + count, at most a block; count is set before. */
    void (*read)(const uint64_t *cells, const ucid_aggregate_rows *rows, int64_t first, int resolution, cell_rows *out);
    /* Values alone of rows first to first + count, at most a block. */
    void (*values)(const ucid_aggregate_rows *rows, int64_t first, int count, uint32_t *values);
    /* Numbers of groups that are in the first slots of their keys; which keys' are not; returns how many these are. At
     * most a block. */
    int (*find)(const cell_slots *slots, const uint64_t *keys, int count, uint32_t *numbers, uint16_t *others);
    void (*buckets)(const cell_plan *plan, const uint64_t *rows, int count, uint16_t *buckets);
    /* Values of one group, at most a block. */
    void (*add_run)(ucid_cell_sum *group, const uint32_t *values, int count);
    /* Values of groups by their numbers. */
    void (*add_each)(ucid_cell_sum *groups, const uint32_t *numbers, const uint32_t *values, int count);
} cell_rows_kernels;

/* Kernels by name, NULL where this processor has none such; the fastest for NULL. */
const cell_rows_kernels *cell_rows_kernels_find(const char *name);
extern const cell_rows_kernels cell_rows_avx2, cell_rows_avx512;

#endif
