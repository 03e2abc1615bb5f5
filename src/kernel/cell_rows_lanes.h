/* cell_rows_lanes.h: the passes of cell_rows.h; included by one file for each instruction set. */
#include "id/cell.h"
#include "kernel/cell_rows.h"

#include <string.h>

enum { MISSING = (1 << CELL_ROWS_SCORE_BITS) - 1 };

/* Keys of the parents. Where all cells have the mode and resolution of the first and no base cell is a pentagon, which
 * lacks children, only digits are looked at. */
static void find_keys(const uint64_t *cells, int n, int resolution, uint64_t *keys)
{
    static const uint64_t ones = 01111111111111111u;
    static const uint64_t not_plain[2] = {0x8402004001004010u, 0xFC20080200080100u}; /* pentagons; 122 and above */
    uint64_t first = cells[0], differs = first >> 56 ^ 8, wrong = 0;
    uint64_t unused = ((uint64_t)1 << (45 - 3 * (first >> 52 & 15))) - 1, used = 0x1FFFFFFFFFFFu & ~unused;
    int shift = 45 - 3 * resolution;
    for (int i = 0; i < n; i++) {
        uint64_t cell = cells[i], digits = cell & used, base = cell >> 45 & 127;
        uint64_t half = base > 63 ? not_plain[1] : not_plain[0];
        differs |= (cell ^ first) >> 52;
        wrong |= (~cell & unused) | (digits & digits >> 1 & digits >> 2 & ones) | (half >> (base & 63) & 1);
        keys[i] = (cell & (((uint64_t)1 << 52) - 1)) >> shift;
    }
    if (differs == 0 && wrong == 0 && (int)(first >> 52 & 15) >= resolution) return;
    for (int i = 0; i < n; i++) {
        uint64_t parent = ucid_cell_parent_bits(cells[i], resolution);
        keys[i] = parent != 0 ? cell_rows_key(parent, resolution) : CELL_ROWS_NOWHERE;
    }
}

/* Hundredths of values 0..most; MISSING for others. The check is of doubles alone and what follows of integers alone,
 * so that compilers make vectors of both. */
static void find_hundredths(const double *values, int n, double most, uint32_t *hundredths)
{
    for (int i = 0; i < n; i++) {
        double value = values[i], fits = ((value >= 0.0) & (value <= most)) ? value : MISSING / 100.0;
        hundredths[i] = (uint32_t)(int32_t)(fits * 100.0 + 0.5);
    }
}

/* Returns whether any row is null. */
static int find_values(const ucid_aggregate_rows *rows, int64_t first, int n, uint32_t *values)
{
    uint32_t hundredths[CELL_ROWS_BLOCK], missing = 0;
    find_hundredths(rows->score + first, n, 100.0, hundredths);
    for (int i = 0; i < n; i++) {
        int32_t score = (int32_t)hundredths[i];
        int32_t grade = (score >= 4000) + (score >= 5500) + (score >= 7000) + (score >= 8500) + (score >= 9500);
        uint32_t null = score > 10000;
        missing |= null;
        values[i] = (uint32_t)score | (uint32_t)grade << CELL_ROWS_GRADE_SHIFT | null << CELL_ROWS_NULL_BIT;
    }
    if (rows->confidence != NULL) {
        find_hundredths(rows->confidence + first, n, 1.0, hundredths);
        for (int i = 0; i < n; i++) {
            uint32_t null = (int32_t)hundredths[i] > 100;
            missing |= null;
            values[i] |= (hundredths[i] & 127u) << CELL_ROWS_SCORE_BITS | null << CELL_ROWS_NULL_BIT;
        }
    }
    for (int i = 0; rows->grade != NULL && i < n; i++) {
        uint32_t grade = rows->grade[first + i], given = values[i] & ~(7u << CELL_ROWS_GRADE_SHIFT);
        values[i] = grade < 6 ? given | grade << CELL_ROWS_GRADE_SHIFT : values[i];
    }
    for (int i = 0; rows->validity != NULL && i < n; i++) {
        int64_t row = first + i;
        uint32_t null = (uint32_t)(rows->validity[row >> 3] >> (row & 7) & 1) ^ 1u;
        missing |= null;
        values[i] |= null << CELL_ROWS_NULL_BIT;
    }
    return missing != 0;
}

/* Where runs of equal keys start; returns how many do. */
static int find_starts(const uint64_t *keys, int n, uint8_t *starts)
{
    uint64_t eight;
    int runs = 0;
    memset(starts + (n & ~7), 0, (size_t)(CELL_ROWS_BLOCK - (n & ~7)));
    starts[0] = 1;
    for (int i = 1; i < n; i++) starts[i] = keys[i] != keys[i - 1];
    for (int i = 0; i < n; i += 8) {
        memcpy(&eight, starts + i, sizeof eight);
        runs += __builtin_popcountll(eight);
    }
    return runs;
}

static void read_rows(const uint64_t *cells, const ucid_aggregate_rows *rows, int64_t first, int resolution,
                      cell_rows *out)
{
    find_keys(cells + first, out->count, resolution, out->keys);
    out->nulls = find_values(rows, first, out->count, out->values);
    out->runs = find_starts(out->keys, out->count, out->starts);
}

/* A block's rows of a grade fit into ten bits. */
static void add_run(ucid_cell_sum *g, const uint32_t *values, int n)
{
    uint64_t square = 0, grades = 0;
    uint32_t scores = 0, confidences = 0, least = UINT16_MAX, most = 0;
    for (int i = 0; i < n; i++) {
        uint32_t value = values[i], score = cell_rows_score(value);
        scores += score;
        confidences += cell_rows_confidence(value);
        square += (uint64_t)score * score;
        grades += (uint64_t)1 << 10 * cell_rows_grade(value);
        least = score < least ? score : least;
        most = score > most ? score : most;
    }
    g->score += scores;
    g->square += square;
    g->confidence += confidences;
    for (int k = 0; k < 6; k++) g->grades[k] += (uint32_t)(grades >> 10 * k) & 1023u;
    g->min = least < g->min ? (uint16_t)least : g->min;
    g->max = most > g->max ? (uint16_t)most : g->max;
}
