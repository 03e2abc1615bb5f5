/* cell_rows_plain.h: how values are added where there is nothing better than plain C. */
#include "kernel/cell_rows.h"

enum { SHORT = 8 };

static inline void add_value(ucid_cell_sum *g, uint32_t value)
{
    uint32_t score = cell_rows_score(value), grade = cell_rows_grade(value);
    if (grade == CELL_ROWS_NO_GRADE) {
        g->nulls++;
        return;
    }
    uint16_t lack = (uint16_t)(UINT16_MAX - score), most = (uint16_t)score;
    g->score += score;
    g->square += (uint64_t)score * score;
    g->confidence += cell_rows_confidence(value);
    g->grades[grade]++;
    g->lack = lack > g->lack ? lack : g->lack;
    g->max = most > g->max ? most : g->max;
}

/* A block's rows of a grade fit into ten bits; those of none fall out of the word. */
static void add_run(ucid_cell_sum *g, const uint32_t *values, int n)
{
    if (n < SHORT) {
        for (int i = 0; i < n; i++) add_value(g, values[i]);
        return;
    }
    uint64_t square = 0, grades = 0;
    uint32_t scores = 0, confidences = 0, nulls = 0, lack = 0, most = 0;
    for (int i = 0; i < n; i++) {
        uint32_t value = values[i], score = cell_rows_score(value), null = value == CELL_ROWS_NULL;
        uint32_t less = null ? 0 : UINT16_MAX - score;
        scores += score;
        confidences += cell_rows_confidence(value);
        square += (uint64_t)score * score;
        grades += (uint64_t)1 << 10 * cell_rows_grade(value);
        nulls += null;
        lack = less > lack ? less : lack;
        most = score > most ? score : most;
    }
    g->score += scores;
    g->square += square;
    g->confidence += confidences;
    for (int k = 0; k < 6; k++) g->grades[k] += (uint32_t)(grades >> 10 * k) & 1023u;
    g->nulls += nulls;
    g->lack = lack > g->lack ? (uint16_t)lack : g->lack;
    g->max = most > g->max ? (uint16_t)most : g->max;
}

static void add_each(ucid_cell_sum *groups, const uint32_t *numbers, const uint32_t *values, int n)
{
    for (int i = 0; i < n; i++) add_value(&groups[numbers[i]], values[i]);
}

static int find(const cell_slots *slots, const uint64_t *keys, int n, uint32_t *numbers, uint16_t *others)
{
    return find_numbers(slots, keys, 0, n, numbers, others);
}

static void buckets(const cell_plan *plan, const uint64_t *rows, int n, uint16_t *out)
{
    find_buckets(plan, rows, 0, n, out);
}
