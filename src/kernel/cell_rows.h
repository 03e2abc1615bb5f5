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

typedef struct cell_rows_kernels {
    const char *name; /* "avx512", "avx2", "scalar" */
    /* Rows first to first + count, at most a block; count is set before. */
    void (*read)(const uint64_t *cells, const ucid_aggregate_rows *rows, int64_t first, int resolution, cell_rows *out);
    /* Values alone of rows first to first + count, at most a block. */
    void (*values)(const ucid_aggregate_rows *rows, int64_t first, int count, uint32_t *values);
    /* Values of one group, at most a block. */
    void (*add_run)(ucid_cell_sum *group, const uint32_t *values, int count);
    /* Values of groups by their numbers. */
    void (*add_each)(ucid_cell_sum *groups, const uint32_t *numbers, const uint32_t *values, int count);
} cell_rows_kernels;

/* Kernels by name, NULL where this processor has none such; the fastest for NULL. */
const cell_rows_kernels *cell_rows_kernels_find(const char *name);
extern const cell_rows_kernels cell_rows_avx2, cell_rows_avx512;

#endif
