/* test_aggregate.c: groups against a naive computation; any split, merge, order and number of threads, same bytes. */
#include "id/cell.h"
#include "kernel/aggregate.h"
#include "kernel/cell_heap.h"
#include "kernel/groups.h"
#include "lattice.h"
#include "rt/memory.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 60000 };

static uint64_t cells[ROWS];
static double score[ROWS], confidence[ROWS], weight[ROWS];
static uint8_t grade[ROWS], validity[ROWS / 8 + 1];
static const ucid_aggregate_rows all_rows = {score, confidence, grade, weight, validity};

static int make_rows(void **state)
{
    (void)state;
    uint64_t seed = 3;
    for (int i = 0; i < ROWS; i++) {
        double lat = 40.0 + lattice_uniform(&seed), lon = 28.0 + lattice_uniform(&seed);
        cells[i] = ucid_cell_at(lat, lon, 9 + (int)(lattice_random(&seed) % 3));
        uint32_t hundredths = (uint32_t)(lattice_random(&seed) % 10001);
        score[i] = hundredths / 100.0;
        confidence[i] = (double)(lattice_random(&seed) % 101) / 100.0;
        weight[i] = (double)(lattice_random(&seed) % 5000000) / 1024.0;
        grade[i] = (uint8_t)(lattice_random(&seed) % 6);
        switch (lattice_random(&seed) % 300) {
        case 0: cells[i] = 0; break;
        case 1: cells[i] = ucid_cell_at(lat, lon, 4); break;
        case 2: score[i] = (double)NAN; break;
        case 3: score[i] = 100.01; break;
        case 4: confidence[i] = -0.01; break;
        case 5: weight[i] = -1.0; break;
        case 6: weight[i] = 1073741824.0; break;
        case 7: weight[i] = 1073741825.0; break;
        case 8: weight[i] = 0.0; break;
        }
    }
    for (size_t i = 0; i < sizeof validity; i++) {
        validity[i] = (uint8_t)(lattice_random(&seed) | lattice_random(&seed) | lattice_random(&seed));
    }
    return 0;
}

static ucid_aggregate *aggregate_of(int threads, int resolution)
{
    ucid_aggregate_options options = UCID_AGGREGATE_OPTIONS_INIT;
    options.threads = threads;
    options.resolution = resolution;
    ucid_aggregate *a = NULL;
    assert_int_equal(ucid_aggregate_new(&options, &a, NULL), UCID_OK);
    return a;
}

typedef struct states {
    int64_t n;
    uint64_t *cells;
    char (*text)[UCID_AGGREGATE_TEXT_MAX];
    int64_t *columns[UCID_AGGREGATE_COLUMNS];
} states;

static states states_of(ucid_aggregate *a)
{
    states s;
    assert_int_equal(ucid_aggregate_sort(a, &s.n, NULL), UCID_OK);
    s.cells = calloc((size_t)s.n + 1, sizeof *s.cells);
    s.text = calloc((size_t)s.n + 1, sizeof *s.text);
    for (int c = 0; c < UCID_AGGREGATE_COLUMNS; c++) s.columns[c] = calloc((size_t)s.n + 1, sizeof(int64_t));
    ucid_aggregate_states_get(a, s.cells, s.text, s.columns);
    return s;
}

static void states_free(states *s)
{
    free(s->cells);
    free(s->text);
    for (int c = 0; c < UCID_AGGREGATE_COLUMNS; c++) free(s->columns[c]);
}

static void assert_same_states(ucid_aggregate *a, const states *expected)
{
    states s = states_of(a);
    assert_int_equal(s.n, expected->n);
    assert_memory_equal(s.cells, expected->cells, (size_t)s.n * sizeof *s.cells);
    assert_memory_equal(s.text, expected->text, (size_t)s.n * sizeof *s.text);
    for (int c = 0; c < UCID_AGGREGATE_COLUMNS; c++) {
        assert_memory_equal(s.columns[c], expected->columns[c], (size_t)s.n * sizeof(int64_t));
    }
    states_free(&s);
}

static void parents_by_bits_are_parents(void **state)
{
    (void)state;
    uint64_t seed = 17;
    int64_t found = 0;
    for (int i = 0; i < 2000000; i++) {
        uint64_t r = lattice_random(&seed);
        int resolution = (int)(r % 16), own = (int)(r >> 8 & 15);
        uint64_t cell =
            ucid_cell_at(asin(2 * lattice_uniform(&seed) - 1) * 57.29, 360 * lattice_uniform(&seed) - 180, own);
        if (r >> 16 & 1) cell ^= 1ull << (r >> 20 & 63);
        if (r >> 17 & 1) cell ^= 1ull << (r >> 28 & 63);
        if (r >> 18 & 1 && i % 2) cell = (cell & ~(127ull << 45)) | 14ull << 45; /* a pentagon */
        if (r >> 19 & 1) cell &= ~(07777ull << (r >> 40 & 31));
        uint64_t parent = ucid_cell_parent(cell, resolution);
        assert_int_equal(ucid_cell_parent_bits(cell, resolution), parent);
        found += parent != 0;
    }
    assert_true(found > 100000);
}

typedef struct naive {
    uint64_t cell;
    int64_t rows, nulls, grades[6];
    __int128 weight, score, square, confidence;
    double min, max, sum, sum_weight, sum_confidence;
} naive;

static void groups_equal_naive_sums(void **state)
{
    (void)state;
    for (int variant = 0; variant < 4; variant++) {
        ucid_aggregate_rows rows = all_rows;
        if (variant & 1) rows.weight = NULL;
        if (variant & 2) rows.validity = NULL, rows.grade = NULL, rows.confidence = NULL;
        static naive list[ROWS];
        int count = 0;
        for (int i = 0; i < ROWS; i++) {
            uint64_t cell = ucid_cell_parent(cells[i], 7);
            int at = 0;
            for (int low = 0, high = count; low < high;) {
                int middle = (low + high) / 2;
                if (list[middle].cell < cell)
                    low = middle + 1;
                else
                    high = middle;
                at = low;
            }
            if (at == count || list[at].cell != cell) {
                memmove(&list[at + 1], &list[at], (size_t)(count - at) * sizeof *list);
                list[at] = (naive){.cell = cell, .min = INFINITY, .max = -INFINITY};
                count++;
            }
            naive *g = &list[at];
            double w = rows.weight != NULL ? weight[i] : 1.0, c = rows.confidence != NULL ? confidence[i] : 0.0;
            if (cell == 0 || (rows.validity != NULL && !(validity[i / 8] >> i % 8 & 1)) || isnan(score[i]) ||
                score[i] > 100 || c < 0 || w < 0 || w > 1073741824.0) {
                g->nulls++;
                continue;
            }
            int whole = (int)floor(score[i] * 100 + 0.5);
            __int128 scaled = (int64_t)floor(w * 1024 + 0.5);
            int level = rows.grade != NULL
                            ? grade[i]
                            : (whole >= 4000) + (whole >= 5500) + (whole >= 7000) + (whole >= 8500) + (whole >= 9500);
            g->rows++;
            g->grades[level]++;
            g->weight += scaled;
            g->score += scaled * whole;
            g->square += scaled * whole * whole;
            g->confidence += scaled * (int)floor(c * 100 + 0.5);
            g->min = fmin(g->min, score[i]);
            g->max = fmax(g->max, score[i]);
            g->sum_weight += w;
            g->sum += w * score[i];
            g->sum_confidence += w * c;
        }
        ucid_aggregate *a = aggregate_of(1, 7);
        assert_int_equal(ucid_aggregate_add_cells(a, ROWS, cells, &rows, NULL), UCID_OK);
        states s = states_of(a);
        assert_int_equal(s.n, count);
        ucid_aggregates out = {0};
        double values[7][2000];
        uint8_t grades[2000];
        assert_true(count < 2000);
        out.weight = values[0], out.mean = values[1], out.std = values[2], out.min = values[3], out.max = values[4];
        out.confidence = values[5], out.grade = grades;
        ucid_aggregate_finish(a, 0, count, &out);
        for (int i = 0; i < count; i++) {
            const naive *g = &list[i];
            assert_int_equal(s.cells[i], g->cell);
            assert_int_equal(s.columns[UCID_AGGREGATE_ROWS][i], g->rows);
            assert_int_equal(s.columns[UCID_AGGREGATE_NULLS][i], g->nulls);
            for (int k = 0; k < 6; k++) assert_int_equal(s.columns[UCID_AGGREGATE_GRADE_F + k][i], g->grades[k]);
            const __int128 sums[] = {g->weight, g->score, g->square, g->confidence};
            for (int k = 0; k < 4; k++) {
                assert_true(s.columns[UCID_AGGREGATE_WEIGHT + 2 * k][i] == (int64_t)(uint64_t)sums[k]);
                assert_true(s.columns[UCID_AGGREGATE_WEIGHT + 2 * k + 1][i] == (int64_t)(sums[k] >> 64));
            }
            if (g->rows == 0) {
                assert_true(isnan(out.mean[i]) && isnan(out.std[i]) && isnan(out.min[i]) && isnan(out.confidence[i]));
                assert_int_equal(out.grade[i], UCID_GRADE_F);
                continue;
            }
            double mean = g->sum / g->sum_weight, spread = 0;
            for (int r = 0; r < ROWS && i % 50 == 1; r++) { /* two passes, which cancel nothing */
                double w = rows.weight != NULL ? weight[r] : 1.0, c = rows.confidence != NULL ? confidence[r] : 0.0;
                int counts = (rows.validity == NULL || validity[r / 8] >> r % 8 & 1) && score[r] <= 100 && c >= 0 &&
                             w >= 0 && w <= 1073741824.0;
                if (counts && ucid_cell_parent(cells[r], 7) == g->cell)
                    spread += w * (score[r] - mean) * (score[r] - mean);
            }
            if (i % 50 == 1) assert_true(fabs(out.std[i] - sqrt(spread / g->sum_weight)) < 1e-6);
            assert_true(fabs(out.weight[i] - g->sum_weight) <= 1e-9 * g->sum_weight);
            assert_true(fabs(out.mean[i] - mean) < 1e-9);
            assert_true(fabs(out.confidence[i] - g->sum_confidence / g->sum_weight) < 1e-9);
            assert_true(out.min[i] == g->min && out.max[i] == g->max);
            double rounded = floor(mean * 100 + 0.5) / 100;
            assert_int_equal(out.grade[i],
                             (rounded >= 40) + (rounded >= 55) + (rounded >= 70) + (rounded >= 85) + (rounded >= 95));
        }
        states_free(&s);
        ucid_aggregate_free(a);
    }
}

static void every_split_gives_the_same_bytes(void **state)
{
    (void)state;
    ucid_aggregate_rows rows = all_rows;
    rows.validity = NULL;
    ucid_aggregate *whole = aggregate_of(1, 7), *coarse = aggregate_of(1, 5);
    assert_int_equal(ucid_aggregate_add_cells(whole, ROWS, cells, &rows, NULL), UCID_OK);
    assert_int_equal(ucid_aggregate_add_cells(coarse, ROWS, cells, &rows, NULL), UCID_OK);
    states expected = states_of(whole), expected_coarse = states_of(coarse);
    int threads[] = {2, 7};
    for (int t = 0; t < 2; t++) {
        ucid_aggregate *a = aggregate_of(threads[t], 7);
        assert_int_equal(ucid_aggregate_add_cells(a, ROWS, cells, &rows, NULL), UCID_OK);
        assert_same_states(a, &expected);
        ucid_aggregate_free(a);
    }
    uint64_t seed = 23;
    for (int round = 0; round < 5; round++) { /* slices into random aggregates, merged in random order */
        ucid_aggregate *parts[5], *total = aggregate_of(1, 7);
        for (int i = 0; i < 5; i++) parts[i] = aggregate_of(1 + i % 2, 7);
        for (int64_t first = 0, n; first < ROWS; first += n) {
            n = 1 + (int64_t)(lattice_random(&seed) % 9000);
            if (n > ROWS - first) n = ROWS - first;
            ucid_aggregate_rows slice = {score + first, confidence + first, grade + first, weight + first, NULL};
            assert_int_equal(ucid_aggregate_add_cells(parts[lattice_random(&seed) % 5], n, cells + first, &slice, NULL),
                             UCID_OK);
        }
        for (int i = 0; i < 5; i++) {
            ucid_aggregate *part = parts[(i * 3 + round) % 5];
            if (i % 2) { /* over the wire */
                states s = states_of(part);
                const int64_t *columns[UCID_AGGREGATE_COLUMNS];
                for (int c = 0; c < UCID_AGGREGATE_COLUMNS; c++) columns[c] = s.columns[c];
                assert_int_equal(ucid_aggregate_add_states(total, s.n, s.cells, NULL, columns, NULL), UCID_OK);
                states_free(&s);
            } else {
                assert_int_equal(ucid_aggregate_merge(total, part, NULL), UCID_OK);
            }
        }
        assert_same_states(total, &expected);
        ucid_aggregate *up = aggregate_of(1, 5);
        assert_int_equal(ucid_aggregate_merge(up, total, NULL), UCID_OK);
        /* A cell of resolution 4 is none for both; rows and nulls of group 0 agree as well. */
        assert_same_states(up, &expected_coarse);
        ucid_aggregate_free(up);
        ucid_aggregate_free(total);
        for (int i = 0; i < 5; i++) ucid_aggregate_free(parts[i]);
    }
    states_free(&expected);
    states_free(&expected_coarse);
    ucid_aggregate_free(whole);
    ucid_aggregate_free(coarse);
}

static void texts_are_keys(void **state)
{
    (void)state;
    static const char text[] = "ISTLPAIST"
                               "\xC3\xA9"
                               "1234567890123456";
    static const int32_t offsets[] = {0, 3, 6, 9, 9, 11, 27};
    static const double scores[] = {80, 20, 60, 10, 30, 40};
    ucid_aggregate_rows rows = UCID_AGGREGATE_ROWS_INIT;
    rows.score = scores;
    ucid_aggregate *a = aggregate_of(2, UCID_AGGREGATE_TEXT);
    assert_int_equal(ucid_aggregate_add_keys(a, 6, text, offsets, &rows, NULL), UCID_OK);
    states s = states_of(a);
    assert_int_equal(s.n, 5);
    static const char *const order[] = {"", "1234567890123456", "IST", "LPA", "\xC3\xA9"};
    for (int i = 0; i < 5; i++) assert_int_equal(strncmp(s.text[i], order[i], 16), 0);
    double mean[5], std[5];
    ucid_aggregates out = {.mean = mean, .std = std};
    ucid_aggregate_finish(a, 0, 5, &out);
    assert_true(mean[2] == 70.0 && std[2] == 10.0 && std[3] == 0.0);

    ucid_aggregate *b = aggregate_of(1, UCID_AGGREGATE_TEXT);
    const int64_t *columns[UCID_AGGREGATE_COLUMNS];
    for (int c = 0; c < UCID_AGGREGATE_COLUMNS; c++) columns[c] = s.columns[c];
    assert_int_equal(
        ucid_aggregate_add_states(b, s.n, NULL, (const char(*)[UCID_AGGREGATE_TEXT_MAX])s.text, columns, NULL),
        UCID_OK);
    assert_same_states(b, &s);

    ucid_error error;
    static const int32_t too_long[] = {0, 3, 20};
    assert_int_equal(ucid_aggregate_add_keys(a, 2, text, too_long, &rows, &error), UCID_INVALID_ARGUMENT);
    assert_int_equal(error.row, 1);
    static const int32_t nul[] = {26, 28};
    assert_int_equal(ucid_aggregate_add_keys(a, 1, text, nul, &rows, &error), UCID_INVALID_ARGUMENT);
    assert_int_equal(ucid_aggregate_add_cells(a, ROWS, cells, &all_rows, &error), UCID_INVALID_ARGUMENT);
    assert_same_states(a, &s);
    ucid_aggregate *c7 = aggregate_of(1, 7), *c5 = aggregate_of(1, 5);
    assert_int_equal(ucid_aggregate_merge(a, c7, &error), UCID_INVALID_ARGUMENT);
    assert_int_equal(ucid_aggregate_merge(c7, c5, &error), UCID_INVALID_ARGUMENT);
    assert_int_equal(ucid_aggregate_add_keys(c7, 1, text, offsets, &rows, &error), UCID_INVALID_ARGUMENT);
    s.columns[UCID_AGGREGATE_ROWS][3] = -1;
    assert_int_equal(
        ucid_aggregate_add_states(b, s.n, NULL, (const char(*)[UCID_AGGREGATE_TEXT_MAX])s.text, columns, &error),
        UCID_INVALID_ARGUMENT);
    assert_int_equal(error.row, 3);
    ucid_aggregate_options options = UCID_AGGREGATE_OPTIONS_INIT;
    options.resolution = 16;
    assert_int_equal(ucid_aggregate_new(&options, &b, &error), UCID_INVALID_ARGUMENT);
    assert_string_equal(ucid_aggregate_column_name(UCID_AGGREGATE_SQUARE_HIGH), "square_high");
    assert_null(ucid_aggregate_column_name(UCID_AGGREGATE_COLUMNS));
    states_free(&s);
    ucid_aggregate_free(a);
    ucid_aggregate_free(b);
    ucid_aggregate_free(c5);
    ucid_aggregate_free(c7);
    ucid_aggregate_free(NULL);
}

/* Keys by their numbers, few or many, in runs or in no order, some of them the same text. */
static void numbered_keys_are_texts(void **state)
{
    (void)state;
    static uint32_t numbers[ROWS];
    static int32_t offsets[ROWS + 1], row_offsets[ROWS + 1];
    static char text[3 * ROWS], row_text[3 * ROWS];
    const ucid_aggregate_rows plain = {score, confidence, grade, NULL, validity}, *kinds[] = {&all_rows, &plain};
    const uint32_t counts[] = {1, 37, ROWS};
    uint64_t seed = 8;
    for (int kind = 0; kind < 2; kind++) {
        for (int k = 0; k < 6; k++) {
            uint32_t keys = counts[k / 2];
            for (uint32_t i = 0; i < keys; i++) {
                int length = (int)(i % 4);
                for (int c = 0; c < length; c++) text[offsets[i] + c] = (char)('A' + lattice_random(&seed) % 3);
                offsets[i + 1] = offsets[i] + length;
            }
            for (int i = 0; i < ROWS; i++) {
                int same = k % 2 == 0 && i > 0 && lattice_random(&seed) % 100 != 0;
                numbers[i] = same ? numbers[i - 1] : (uint32_t)(lattice_random(&seed) % keys);
                int32_t from = offsets[numbers[i]], length = offsets[numbers[i] + 1] - from;
                memcpy(row_text + row_offsets[i], text + from, (size_t)length);
                row_offsets[i + 1] = row_offsets[i] + length;
            }
            ucid_aggregate *a = aggregate_of(1, UCID_AGGREGATE_TEXT), *b = aggregate_of(3, UCID_AGGREGATE_TEXT);
            assert_int_equal(ucid_aggregate_add_keys(a, ROWS, row_text, row_offsets, kinds[kind], NULL), UCID_OK);
            assert_int_equal(ucid_aggregate_add_numbered(b, ROWS, numbers, keys, text, offsets, kinds[kind], NULL),
                             UCID_OK);
            states s = states_of(a);
            assert_true(s.n > (k < 2 ? 0 : 5));
            assert_same_states(b, &s);
            states_free(&s);
            ucid_aggregate_free(a);
            ucid_aggregate_free(b);
        }
    }
    static const int32_t too_long[] = {0, 20};
    ucid_aggregate *a = aggregate_of(1, UCID_AGGREGATE_TEXT);
    assert_int_equal(ucid_aggregate_add_numbered(a, 1, numbers, 1, text, too_long, &plain, NULL),
                     UCID_INVALID_ARGUMENT);
    ucid_aggregate_free(a);
}

/* States of rows of weight 1 are kept in less room, and weighted, empty or huge ones beside them. */
static void states_in_any_order_are_those_of_the_rows(void **state)
{
    (void)state;
    const ucid_aggregate_rows plain = {score, confidence, grade, NULL, validity};
    uint64_t seed = 4;
    ucid_aggregate *fine = aggregate_of(2, 9), *coarse = aggregate_of(2, 6), *merged = aggregate_of(2, 6);
    assert_int_equal(ucid_aggregate_add_cells(fine, ROWS, cells, &plain, NULL), UCID_OK);
    assert_int_equal(ucid_aggregate_add_cells(coarse, ROWS, cells, &plain, NULL), UCID_OK);
    states s = states_of(fine), expected = states_of(coarse);
    assert_true(s.n > 5000 && s.cells[0] == 0 && s.columns[UCID_AGGREGATE_NULLS][0] > 0);
    for (int64_t i = s.n - 1; i > 0; i--) {
        int64_t j = i % 3 != 0 ? i : (int64_t)(lattice_random(&seed) % (uint64_t)i), swap;
        uint64_t cell = s.cells[i];
        s.cells[i] = s.cells[j], s.cells[j] = cell;
        for (int c = 0; c < UCID_AGGREGATE_COLUMNS; c++) {
            swap = s.columns[c][i], s.columns[c][i] = s.columns[c][j], s.columns[c][j] = swap;
        }
    }
    const int64_t *columns[UCID_AGGREGATE_COLUMNS], *rest[UCID_AGGREGATE_COLUMNS];
    int64_t half = s.n / 2;
    for (int c = 0; c < UCID_AGGREGATE_COLUMNS; c++) columns[c] = s.columns[c], rest[c] = s.columns[c] + half;
    assert_int_equal(ucid_aggregate_add_states(merged, half, s.cells, NULL, columns, NULL), UCID_OK);
    assert_int_equal(ucid_aggregate_add_states(merged, s.n - half, s.cells + half, NULL, rest, NULL), UCID_OK);
    assert_same_states(merged, &expected);

    /* weighted rows beside them, in both orders */
    ucid_aggregate *weighed = aggregate_of(1, 9), *beside = aggregate_of(2, 6);
    assert_int_equal(ucid_aggregate_add_cells(weighed, ROWS, cells, &all_rows, NULL), UCID_OK);
    assert_int_equal(ucid_aggregate_add_cells(coarse, ROWS, cells, &all_rows, NULL), UCID_OK);
    states w = states_of(weighed), both = states_of(coarse);
    for (int c = 0; c < UCID_AGGREGATE_COLUMNS; c++) rest[c] = w.columns[c];
    assert_int_equal(ucid_aggregate_add_states(beside, w.n, w.cells, NULL, rest, NULL), UCID_OK);
    assert_int_equal(ucid_aggregate_add_states(beside, s.n, s.cells, NULL, columns, NULL), UCID_OK);
    assert_int_equal(ucid_aggregate_add_states(merged, w.n, w.cells, NULL, rest, NULL), UCID_OK);
    assert_same_states(beside, &both);
    assert_same_states(merged, &both);

    /* a group without rows, and one of more than can be counted in 32 bits, three times */
    int64_t values[UCID_AGGREGATE_COLUMNS] = {[UCID_AGGREGATE_MIN] = 10001, [UCID_AGGREGATE_MAX] = -1};
    const int64_t *one[UCID_AGGREGATE_COLUMNS];
    for (int c = 0; c < UCID_AGGREGATE_COLUMNS; c++) one[c] = &values[c];
    ucid_aggregate *counts = aggregate_of(2, 6);
    uint64_t cell = ucid_cell_at(41.0, 29.0, 6);
    assert_int_equal(ucid_aggregate_add_states(counts, 1, &cell, NULL, one, NULL), UCID_OK);
    states empty = states_of(counts);
    assert_int_equal(empty.n, 1);
    values[UCID_AGGREGATE_ROWS] = values[UCID_AGGREGATE_GRADE_F] = (int64_t)3 << 29;
    values[UCID_AGGREGATE_MIN] = values[UCID_AGGREGATE_MAX] = 200;
    values[UCID_AGGREGATE_WEIGHT] = values[UCID_AGGREGATE_ROWS] << 10;
    values[UCID_AGGREGATE_SCORE] = values[UCID_AGGREGATE_WEIGHT] * 200;
    values[UCID_AGGREGATE_SQUARE] = values[UCID_AGGREGATE_SCORE] * 200;
    for (int k = 0; k < 3; k++) assert_int_equal(ucid_aggregate_add_states(counts, 1, &cell, NULL, one, NULL), UCID_OK);
    states huge = states_of(counts);
    assert_true(huge.n == 1 && huge.columns[UCID_AGGREGATE_ROWS][0] == (int64_t)9 << 29);
    assert_true(huge.columns[UCID_AGGREGATE_WEIGHT][0] == (int64_t)9 << 39);
    states *all[] = {&s, &expected, &w, &both, &empty, &huge};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) states_free(all[i]);
    ucid_aggregate *used[] = {fine, coarse, merged, weighed, beside, counts};
    for (size_t i = 0; i < sizeof used / sizeof used[0]; i++) ucid_aggregate_free(used[i]);
}

/* Groups as bytes, some at a time, the last ones first, at addresses that are not aligned. */
static void carry_packed(ucid_aggregate *from, ucid_aggregate *into, int64_t some)
{
    int64_t groups;
    assert_int_equal(ucid_aggregate_sort(from, &groups, NULL), UCID_OK);
    for (int64_t first = (groups - 1) / some * some; first >= 0; first -= some) {
        int64_t count = groups - first < some ? groups - first : some;
        size_t length = ucid_aggregate_pack(from, first, count, NULL);
        uint8_t *bytes = malloc(length + 1);
        assert_int_equal(ucid_aggregate_pack(from, first, count, bytes + 1), length);
        assert_int_equal(ucid_aggregate_add_packed(into, bytes + 1, length, NULL), UCID_OK);
        free(bytes);
    }
}

static void packed_states_are_those_of_the_rows(void **state)
{
    (void)state;
    static const char text[] = "ISTLPA1234567890123456";
    static const int32_t offsets[] = {0, 3, 6, 6, 22};
    const ucid_aggregate_rows plain = {score, confidence, grade, NULL, validity};
    ucid_aggregate *fine = aggregate_of(2, 9), *weighed = aggregate_of(1, 9), *coarse = aggregate_of(2, 6);
    ucid_aggregate *by_text = aggregate_of(1, UCID_AGGREGATE_TEXT),
                   *carried_text = aggregate_of(1, UCID_AGGREGATE_TEXT);
    assert_int_equal(ucid_aggregate_add_cells(fine, ROWS, cells, &plain, NULL), UCID_OK);
    assert_int_equal(ucid_aggregate_add_cells(coarse, ROWS, cells, &plain, NULL), UCID_OK);
    assert_int_equal(ucid_aggregate_add_keys(by_text, 4, text, offsets, &plain, NULL), UCID_OK);
    states expected = states_of(coarse), texts = states_of(by_text);
    ucid_aggregate *once = aggregate_of(2, 6), *twice = aggregate_of(1, 6), *again = aggregate_of(1, 6);
    carry_packed(fine, once, 1 << 20);
    assert_same_states(once, &expected);
    carry_packed(fine, twice, 777);
    carry_packed(twice, again, 5);
    assert_same_states(again, &expected);
    carry_packed(by_text, carried_text, 2);
    assert_same_states(carried_text, &texts);

    /* weighted rows beside them, and groups of more rows than a sum counts */
    assert_int_equal(ucid_aggregate_add_cells(weighed, ROWS, cells, &all_rows, NULL), UCID_OK);
    assert_int_equal(ucid_aggregate_add_cells(coarse, ROWS, cells, &all_rows, NULL), UCID_OK);
    carry_packed(weighed, once, 1000);
    states both = states_of(coarse);
    assert_same_states(once, &both);
    ucid_aggregate *few = aggregate_of(2, 0), *few_carried = aggregate_of(1, 0);
    for (int64_t rows = 0; rows < 16 * UINT16_MAX; rows += ROWS) {
        assert_int_equal(ucid_aggregate_add_cells(few, ROWS, cells, &plain, NULL), UCID_OK);
    }
    states many = states_of(few);
    assert_true(many.n < 16);
    carry_packed(few, few_carried, 3);
    assert_same_states(few_carried, &many);

    /* bytes that are none */
    int64_t groups;
    assert_int_equal(ucid_aggregate_sort(weighed, &groups, NULL), UCID_OK);
    ucid_aggregate *sources[] = {fine, weighed, by_text};
    for (size_t k = 0; k < sizeof sources / sizeof sources[0]; k++) {
        int64_t count = k < 2 ? 5 : 4;
        size_t length = ucid_aggregate_pack(sources[k], 0, count, NULL);
        uint8_t *bytes = malloc(length);
        ucid_error error;
        for (int other = 0; other < 2; other++) { /* a byte off, or bytes that end early, wherever it is */
            for (size_t at = 0; at < length; at++) {
                ucid_aggregate *into = aggregate_of(1, k < 2 ? 9 : UCID_AGGREGATE_TEXT);
                uint8_t *copy = malloc(other ? at + 1 : length);
                (void)ucid_aggregate_pack(sources[k], 0, count, bytes);
                memcpy(copy, bytes, other ? at : length);
                if (!other) copy[at] ^= 0x80;
                ucid_status status = ucid_aggregate_add_packed(into, copy, other ? at : length, &error);
                assert_true(status == UCID_DATA_ERROR || (status == UCID_OK && !other && at >= 16));
                ucid_aggregate_free(into);
                free(copy);
            }
        }
        ucid_aggregate *wrong = aggregate_of(1, k < 2 ? UCID_AGGREGATE_TEXT : 9);
        (void)ucid_aggregate_pack(sources[k], 0, count, bytes);
        if (k != 1) assert_int_equal(ucid_aggregate_add_packed(wrong, bytes, length, &error), UCID_DATA_ERROR);
        ucid_aggregate_free(wrong);
        free(bytes);
    }
    ucid_aggregate *finer = aggregate_of(1, 12);
    size_t length = ucid_aggregate_pack(fine, 1, 1, NULL);
    uint8_t *bytes = malloc(length);
    (void)ucid_aggregate_pack(fine, 1, 1, bytes);
    assert_int_equal(ucid_aggregate_add_packed(finer, bytes, length, NULL), UCID_DATA_ERROR);
    free(bytes);

    states *all[] = {&expected, &texts, &both, &many};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) states_free(all[i]);
    ucid_aggregate *used[] = {fine,  weighed, coarse, by_text,     carried_text, once,
                              twice, again,   few,    few_carried, finer};
    for (size_t i = 0; i < sizeof used / sizeof used[0]; i++) ucid_aggregate_free(used[i]);
}

/* Sums of few bits and of many take different ways to the spread. */
static void spreads_of_light_and_heavy_rows_are_the_same(void **state)
{
    (void)state;
    static double weights[2][ROWS], spreads[2][ROWS];
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < ROWS; i++) weights[k][i] = k == 0 ? 1.0 : 1073741824.0;
        const ucid_aggregate_rows rows = {score, confidence, grade, weights[k], validity};
        ucid_aggregate *a = aggregate_of(1, 6);
        int64_t groups;
        assert_int_equal(ucid_aggregate_add_cells(a, ROWS, cells, &rows, NULL), UCID_OK);
        assert_int_equal(ucid_aggregate_sort(a, &groups, NULL), UCID_OK);
        ucid_aggregates out = {.std = spreads[k]};
        ucid_aggregate_finish(a, 0, groups, &out);
        for (int64_t i = 0; k == 1 && i < groups; i++) {
            double light = spreads[0][i], heavy = spreads[1][i];
            assert_true((isnan(light) && isnan(heavy)) || fabs(light - heavy) <= 1e-15 * light);
        }
        ucid_aggregate_free(a);
    }
}

/* Many rows in no order are sorted into parts; the same rows in small pieces are not. Some have no cell or no value. */
static void shuffled_rows_give_the_bytes_of_pieces(void **state)
{
    (void)state;
    enum { MANY = 600000 };
    uint64_t *keys = malloc(MANY * sizeof *keys), random = 7;
    double *scores = malloc(MANY * sizeof *scores), *confidences = malloc(MANY * sizeof *confidences);
    uint8_t *grades = malloc(MANY), *valid = malloc(MANY / 8 + 1);
    for (int i = 0; i < MANY; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        double lat = (double)(random >> 40) / (1 << 24) * 4 + 40,
               lon = (double)(random >> 16 & 0xFFFFFF) / (1 << 24) * 4;
        keys[i] = i % 1000 == 0 ? random : ucid_cell_at(lat, lon, 9);
        scores[i] = i % 777 == 0 ? 101 : (double)(random >> 50) / 163.84;
        confidences[i] = (double)(random >> 30 & 127) / 127;
        grades[i] = (uint8_t)(random >> 5 & 7);
        valid[i >> 3] = (uint8_t)(random >> 20 | 0x11);
    }
    for (int graded = 0; graded < 2; graded++) {
        ucid_aggregate_rows rows = {scores, confidences, graded ? grades : NULL, NULL, graded ? valid : NULL};
        ucid_aggregate *pieces = aggregate_of(1, 6);
        for (int i = 0; i < MANY; i += 1000) {
            ucid_aggregate_rows piece = {scores + i, confidences + i, graded ? grades + i : NULL, NULL,
                                         graded ? valid + i / 8 : NULL};
            assert_int_equal(ucid_aggregate_add_cells(pieces, 1000, keys + i, &piece, NULL), UCID_OK);
        }
        states expected = states_of(pieces);
        for (int threads = 1; threads < 4; threads += 2) {
            ucid_aggregate *whole = aggregate_of(threads, 6);
            assert_int_equal(ucid_aggregate_add_cells(whole, MANY, keys, &rows, NULL), UCID_OK);
            assert_same_states(whole, &expected);
            ucid_aggregate_free(whole);
        }
        states_free(&expected);
        ucid_aggregate_free(pieces);
    }
    free(keys), free(scores), free(confidences), free(grades), free(valid);
}

/* A cell of some resolution: any digits in a base cell that is no pentagon. */
static uint64_t cell_of_digits(int base, uint64_t random, int resolution)
{
    uint64_t cell = 8ull << 56 | (uint64_t)resolution << 52 | (uint64_t)base << 45;
    for (int level = 1; level <= 15; level++, random /= 7) {
        cell |= (level <= resolution ? random % 7 : 7) << (45 - 3 * level);
    }
    return cell;
}

/* Cells of rows, in a way that sums of groups are found by. */
typedef struct shape {
    int rows, own, parent, threads;
    int base_count;    /* base cells */
    uint64_t distinct; /* numbers of digits, of which the highest count least */
    int ascending;     /* runs of so many rows: ascending within, in no order among themselves */
    int dense;         /* every so many rows one of those hundred cells */
    int first_part;    /* of so many parts the first one lies in one base cell */
} shape;

static int compare_rows(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

/* Rows of weight 1 take another way where weights are written down, and these sums are those of a naive program. */
static void every_order_gives_the_sums_of_written_weights(void **state)
{
    (void)state;
    static const shape shapes[] = {
        {150000, 9, 7, 1, 3, 282475249, 0, 0, 0},        /* many groups, of few base cells */
        {150000, 9, 7, 3, 100, 282475249, 0, 2, 0},      /* of all, and most rows in one place: a table */
        {150000, 9, 5, 2, 1, 40353607, 0, 0, 0},         /* fewer groups than rows, dense */
        {150000, 9, 9, 2, 40, 282475249, 7000, 0, 0},    /* sorted pieces: tails */
        {150000, 12, 12, 2, 40, 4747561509943, 0, 3, 0}, /* too fine to be put aside */
        {150000, 10, 10, 2, 100, 282475249, 0, 0, 0},    /* the finest that is */
        {150000, 9, 7, 2, 2, 5000, 0, 0, 0},             /* few groups */
        {150000, 9, 7, 2, 2, 5000, 500, 0, 0},           /* few groups, sorted */
        {60000, 9, 7, 2, 40, 282475249, 0, 0, 0},        /* fewer rows than are tried */
        {600000, 9, 7, 2, 40, 282475249, 0, 0, 4},       /* threads that see different places: two plans */
        {400000, 9, 7, 1, 40, 282475249, 0, 2, 2},       /* places that no plan foresaw */
        {6600000, 8, 5, 1, 6, 5764801, 0, 0, 2},         /* more than a heap holds, and the rest is elsewhere */
    };
    for (size_t k = 0; k < sizeof shapes / sizeof shapes[0]; k++) {
        const shape *s = &shapes[k];
        size_t n = (size_t)s->rows;
        uint64_t *places = malloc(n * sizeof *places), seed = 77 + k;
        double *scores = malloc(n * sizeof *scores), *weights = malloc(n * sizeof *weights);
        for (size_t i = 0; i < n; i++) {
            uint64_t r = lattice_random(&seed), digits = (r >> 8) % s->distinct;
            int base = 20 + (int)(lattice_random(&seed) % (uint64_t)s->base_count);
            if (s->first_part > 0 && i < n / (size_t)s->first_part) base = 20;
            if (s->dense > 0 && i % (size_t)s->dense > 0) base = 20, digits = r % 100;
            places[i] = cell_of_digits(base == 24 ? 25 : base, digits, s->own);
            if (r % 1000 == 0) places[i] = r;
            scores[i] = r % 5000 == 1 ? -1.0 : (double)(lattice_random(&seed) % 10001) / 100.0;
            weights[i] = 1.0;
        }
        for (size_t i = 0; s->ascending > 0 && i < n; i += (size_t)s->ascending) {
            size_t count = n - i < (size_t)s->ascending ? n - i : (size_t)s->ascending;
            qsort(places + i, count, sizeof *places, compare_rows);
        }
        ucid_aggregate_rows rows = {scores, NULL, NULL, weights, NULL};
        ucid_aggregate *written = aggregate_of(1, s->parent), *coarse = aggregate_of(1, s->parent - 2);
        assert_int_equal(ucid_aggregate_add_cells(written, s->rows, places, &rows, NULL), UCID_OK);
        assert_int_equal(ucid_aggregate_merge(coarse, written, NULL), UCID_OK);
        states expected = states_of(written), expected_coarse = states_of(coarse);
        rows.weight = NULL;
        ucid_aggregate *a = aggregate_of(s->threads, s->parent), *up = aggregate_of(s->threads, s->parent - 2);
        int64_t half = s->rows / 2 & ~7, groups;
        ucid_aggregate_rows rest = {scores + half, NULL, NULL, NULL, NULL};
        assert_int_equal(ucid_aggregate_add_cells(a, half, places, &rows, NULL), UCID_OK);
        if (k % 2) assert_int_equal(ucid_aggregate_sort(a, &groups, NULL), UCID_OK); /* and more later */
        assert_int_equal(ucid_aggregate_add_cells(a, s->rows - half, places + half, &rest, NULL), UCID_OK);
        assert_same_states(a, &expected);
        assert_int_equal(ucid_aggregate_merge(up, a, NULL), UCID_OK);
        assert_same_states(up, &expected_coarse);
        ucid_aggregate_free(a);
        ucid_aggregate_free(up);
        ucid_aggregate_free(written);
        ucid_aggregate_free(coarse);
        states_free(&expected);
        states_free(&expected_coarse);
        free(places), free(scores), free(weights);
    }
}

/* Blocks of every length; pentagons, cells of other resolutions, of none, and rows without values among them. */
static void every_variant_reads_the_same(void **state)
{
    (void)state;
    static const char *const names[] = {"avx2", "avx512"};
    const cell_rows_kernels *scalar = cell_rows_kernels_find("scalar");
    static cell_rows expected, found;
    uint64_t seed = 5, keys[CELL_ROWS_BLOCK];
    assert_null(cell_rows_kernels_find("none"));
    for (int v = 0; v < 2; v++) {
        const cell_rows_kernels *kernels = cell_rows_kernels_find(names[v]);
        for (int round = 0; kernels != NULL && round < 2000; round++) {
            int count = 1 + (int)(lattice_random(&seed) % CELL_ROWS_BLOCK),
                resolution = (int)(lattice_random(&seed) % 9);
            int64_t first = (int64_t)(lattice_random(&seed) % (ROWS - CELL_ROWS_BLOCK)) & ~7;
            if (round % 2) count = (count + 7) & ~7; /* whole vectors */
            memcpy(keys, cells + first, sizeof keys);
            for (int i = 0; i < count && round % 4 > 0;
                 i++) { /* blocks that are looked at by digits alone, and nearly so */
                keys[i] = ucid_cell_at(50 * lattice_uniform(&seed), 90 * lattice_uniform(&seed), 9);
                if (round % 4 == 2 && lattice_random(&seed) % 300 == 0) keys[i] ^= 1ull << (lattice_random(&seed) & 63);
                if (round % 8 == 3 && i > 0 && lattice_random(&seed) % 4 > 0) keys[i] = keys[i - 1];
            }
            ucid_aggregate_rows rows = {score + first, round & 8 ? confidence + first : NULL,
                                        round & 16 ? grade + first : NULL, NULL,
                                        round & 32 ? validity + first / 8 : NULL};
            expected.count = found.count = count;
            scalar->read(keys, &rows, 0, resolution, &expected);
            kernels->read(keys, &rows, 0, resolution, &found);
            assert_int_equal(found.runs, expected.runs);
            assert_int_equal(found.falls, expected.falls);
            assert_int_equal(found.nowhere, expected.nowhere);
            assert_memory_equal(found.keys, expected.keys, (size_t)count * sizeof *found.keys);
            assert_memory_equal(found.values, expected.values, (size_t)count * sizeof *found.values);
            assert_memory_equal(found.starts, expected.starts, sizeof found.starts);
            for (int i = 0; i < count; i++) {
                uint64_t parent = ucid_cell_parent(keys[i], resolution);
                assert_true(found.keys[i] == (parent != 0 ? cell_rows_key(parent, resolution) : CELL_ROWS_NOWHERE));
                assert_true(parent == 0 || cell_rows_cell(found.keys[i], resolution) == parent);
            }
            ucid_cell_sum sum = {0}, same = {0}, sums[8] = {{0}}, all[8] = {{0}};
            uint32_t numbers[CELL_ROWS_BLOCK];
            int some = 1 + (int)(lattice_random(&seed) % (uint64_t)count);
            for (int i = 0; i < count; i++) numbers[i] = (uint32_t)(lattice_random(&seed) % 8);
            for (int twice = 0; twice < 2; twice++) {
                scalar->add_run(&sum, found.values, some);
                kernels->add_run(&same, found.values, some);
                scalar->add_each(sums, numbers, found.values, count);
                kernels->add_each(all, numbers, found.values, count);
            }
            assert_memory_equal(&sum, &same, sizeof sum);
            assert_memory_equal(sums, all, sizeof sums);
        }
    }
}

/* Groups by key and buckets by row, of blocks of every length. */
static void every_variant_finds_the_same(void **state)
{
    (void)state;
    enum { GROUPS = 3000, BITS = 12 };
    static const char *const names[] = {"avx2", "avx512"};
    static const ucid_allocator *const allocator = &ucid_default_allocator;
    const cell_rows_kernels *scalar = cell_rows_kernels_find("scalar");
    static uint64_t keys[GROUPS], slots_of[1 << BITS], rows[1 << 16];
    const cell_slots slots = {slots_of, BITS, 14};
    uint64_t seed = 9, some[CELL_ROWS_BLOCK];
    uint32_t expected_numbers[CELL_ROWS_BLOCK], numbers[CELL_ROWS_BLOCK];
    uint16_t expected_others[CELL_ROWS_BLOCK], others[CELL_ROWS_BLOCK];
    memset(slots_of, 0xFF, sizeof slots_of);
    for (int i = 0; i < GROUPS; i++) {
        keys[i] = lattice_random(&seed) >> (15 + lattice_random(&seed) % 30);
        size_t at = cell_slots_first(&slots, keys[i]);
        while (slots_of[at] != CELL_SLOTS_FREE) at = cell_slots_next(&slots, at);
        slots_of[at] = keys[i] << slots.number_bits | (uint64_t)i;
    }
    cell_heap heap = {0};
    for (int i = 0; i < 1 << 16; i++) { /* dense here and there */
        uint64_t key =
            lattice_random(&seed) % 7 > 0 ? 5000000 + lattice_random(&seed) % 9000 : lattice_random(&seed) >> 36;
        rows[i] = cell_heap_row(key, (uint32_t)(lattice_random(&seed) & 0xFFFFFF));
    }
    for (int i = 0; i < 1 << 16; i += CELL_ROWS_BLOCK) {
        assert_true(cell_heap_add(&heap, scalar, rows + i, CELL_ROWS_BLOCK, allocator));
    }
    assert_true(cell_heap_plan(&heap, NULL, scalar, allocator));
    assert_true(heap.plan.buckets > 100);
    for (int v = 0; v < 2; v++) {
        const cell_rows_kernels *kernels = cell_rows_kernels_find(names[v]);
        for (int round = 0; kernels != NULL && round < 2000; round++) {
            int count = 1 + (int)(lattice_random(&seed) % CELL_ROWS_BLOCK), found = 0;
            for (int i = 0; i < count; i++) {
                some[i] = keys[lattice_random(&seed) % GROUPS];
                if (lattice_random(&seed) % 20 == 0) some[i] ^= 1ull << (lattice_random(&seed) % 49);
            }
            int other_count = scalar->find(&slots, some, count, expected_numbers, expected_others);
            assert_int_equal(kernels->find(&slots, some, count, numbers, others), other_count);
            assert_memory_equal(others, expected_others, (size_t)other_count * sizeof *others);
            for (int i = 0, o = 0; i < count; i++) {
                if (o < other_count && others[o] == i) {
                    o++;
                    continue;
                }
                assert_int_equal(numbers[i], expected_numbers[i]);
                assert_int_equal(keys[numbers[i]], some[i]);
                found++;
            }
            assert_true(found > 0 || count < 10);
            for (int i = 0; i < count; i++) {
                some[i] = rows[lattice_random(&seed) & 0xFFFF];
                if (lattice_random(&seed) % 20 == 0) some[i] ^= 1ull << (lattice_random(&seed) & 63);
            }
            scalar->buckets(&heap.plan, some, count, expected_others);
            kernels->buckets(&heap.plan, some, count, others);
            assert_memory_equal(others, expected_others, (size_t)count * sizeof *others);
        }
    }
    /* each row is in one bucket, and those of a bucket are above those of the buckets before it */
    uint64_t sum = 0, expected_sum = 0, above = 0;
    size_t count = 0;
    cell_heap *list = &heap;
    for (uint32_t b = 0; b < heap.plan.buckets; b++) {
        uint64_t *piece, most = above;
        cell_heap_pieces pieces = cell_heap_pieces_of(&list, 1, b);
        for (int n; (n = cell_heap_next(&pieces, &piece)) > 0; count += (size_t)n) {
            for (int i = 0; i < n; i++) {
                assert_true(piece[i] >= above);
                most = piece[i] > most ? piece[i] : most;
                sum += piece[i];
            }
        }
        above = most;
    }
    for (int i = 0; i < 1 << 16; i++) expected_sum += rows[i];
    assert_int_equal(count, 1 << 16);
    assert_int_equal(sum, expected_sum);
    assert_int_equal(cell_heap_rows(&heap, heap.plan.buckets), 0);
    cell_heap_reset(&heap, allocator);
}

static _Atomic int allocations_left;
static void *failing_allocator(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    if (new_size != 0 && allocations_left-- <= 0) return NULL;
    return ucid_default_allocator.fn(ctx, ptr, old_size, new_size);
}

static void memory_that_runs_out_is_an_error(void **state)
{
    (void)state;
    ucid_allocator allocator = {failing_allocator, NULL};
    ucid_aggregate_options options = UCID_AGGREGATE_OPTIONS_INIT;
    options.allocator = &allocator;
    ucid_status status = UCID_NO_MEMORY;
    for (int allowed = 0; status != UCID_OK; allowed++) {
        assert_true(allowed < 60);
        allocations_left = allowed;
        ucid_aggregate *a = NULL;
        int64_t groups;
        status = ucid_aggregate_new(&options, &a, NULL);
        if (status == UCID_OK) status = ucid_aggregate_add_cells(a, ROWS, cells, &all_rows, NULL);
        if (status == UCID_OK) status = ucid_aggregate_sort(a, &groups, NULL);
        assert_true(status == UCID_OK || status == UCID_NO_MEMORY);
        ucid_aggregate_free(a);
    }
    ucid_aggregate_rows plain = {score, confidence, NULL, NULL, NULL};
    options.threads = 2, options.resolution = 5, status = UCID_NO_MEMORY;
    for (int allowed = 0; status != UCID_OK; allowed++) { /* without weights: compact, put aside, united, merged */
        assert_true(allowed < 3000);
        allocations_left = allowed;
        ucid_aggregate *a = NULL, *coarse = NULL;
        int64_t groups;
        status = ucid_aggregate_new(&options, &a, NULL);
        if (status == UCID_OK) status = ucid_aggregate_new(&options, &coarse, NULL);
        for (int k = 0; k < 4 && status == UCID_OK; k++)
            status = ucid_aggregate_add_cells(a, ROWS, cells, &plain, NULL);
        if (status == UCID_OK) status = ucid_aggregate_sort(a, &groups, NULL);
        if (status == UCID_OK) status = ucid_aggregate_merge(coarse, a, NULL);
        if (status == UCID_OK) status = ucid_aggregate_add_cells(coarse, 10, cells, &all_rows, NULL);
        if (status == UCID_OK) status = ucid_aggregate_sort(coarse, &groups, NULL);
        assert_true(status == UCID_OK || status == UCID_NO_MEMORY);
        ucid_aggregate_free(a);
        ucid_aggregate_free(coarse);
    }
    static const uint32_t numbers[ROWS];
    static const int32_t offsets[] = {0, 3};
    options.resolution = UCID_AGGREGATE_TEXT, status = UCID_NO_MEMORY;
    for (int allowed = 0; status != UCID_OK; allowed++) {
        assert_true(allowed < 60);
        allocations_left = allowed;
        ucid_aggregate *a = NULL;
        int64_t groups;
        status = ucid_aggregate_new(&options, &a, NULL);
        if (status == UCID_OK) status = ucid_aggregate_add_numbered(a, ROWS, numbers, 1, "IST", offsets, &plain, NULL);
        if (status == UCID_OK) status = ucid_aggregate_sort(a, &groups, NULL);
        assert_true(status == UCID_OK || status == UCID_NO_MEMORY);
        ucid_aggregate_free(a);
    }
}

/* Each key once or twice in either half of the rows; they come out in windows, ascending, with all of their rows. */
static void groups_beyond_memory_come_out_of_a_file(void **state)
{
    (void)state;
    enum { KEYS = 150000, LENGTH = 6, TIMES = 2 };
    static char keys[KEYS * LENGTH];
    static int64_t offsets[KEYS + 1];
    static double numbers[KEYS];
    for (int i = 0; i < KEYS; i++) {
        for (int digit = LENGTH, rest = i * 7 % KEYS; digit-- > 0; rest /= 10)
            keys[i * LENGTH + digit] = (char)('0' + rest % 10);
        offsets[i + 1] = (int64_t)(i + 1) * LENGTH;
        numbers[i] = i * 7 % KEYS * 0.5;
    }
    const ucid_group_rows rows = {.keys = keys, .offsets = offsets, .numbers = numbers};
    for (int threads = 1; threads <= 3; threads += 2) {
        ucid_groups *groups = NULL;
        int what = UCID_GROUPS_SUM | (threads == 1 ? UCID_GROUPS_VALUES : 0), windows = 0;
        assert_int_equal(ucid_groups_new(NULL, threads, what, 1 << 20, &groups, NULL), UCID_OK);
        for (int i = 0; i < TIMES; i++) assert_int_equal(ucid_groups_add(groups, KEYS, &rows, NULL), UCID_OK);
        for (int again = 0; again < 2; again++) {
            int64_t seen = 0, count = 0;
            assert_int_equal(ucid_groups_begin(groups, NULL), UCID_OK);
            for (; ucid_groups_more(groups); windows++) {
                assert_int_equal(ucid_groups_next(groups, &count, NULL), UCID_OK);
                for (int64_t i = 0; i < count; i++, seen++) {
                    uint32_t number = ucid_groups_at(groups, i);
                    const char *key = ucid_groups_key(groups, number);
                    char expected[16];
                    ucid_big sum;
                    int exponent;
                    snprintf(expected, sizeof expected, "%06d", (int)seen);
                    ucid_exact_get(ucid_groups_sum(groups, number), &sum);
                    double value = ucid_big_double(&sum, &exponent);
                    assert_memory_equal(key, expected, LENGTH);
                    assert_true(ldexp(value, exponent - EXACT_ORIGIN) == TIMES * (double)seen * 0.5);
                    assert_int_equal(ucid_groups_get(groups, number)->rows, TIMES);
                }
            }
            assert_int_equal(seen, KEYS);
            assert_int_equal(ucid_groups_next(groups, &count, NULL), UCID_OK);
            assert_int_equal(count, 0);
        }
        assert_int_equal(windows, 6);
        ucid_groups_free(groups);
    }
    assert_true(ucid_memory_size() > 1 << 24 && ucid_memory_size() < UINT64_MAX);
}

/* Values that fit into two integers about the largest of their block, some of each kind that does not, and blocks of
 * which none does. */
static double value_of_kind(int kind, uint64_t *seed)
{
    double part = (double)lattice_random(seed) / (double)UINT64_MAX;
    double value = ldexp(part - 0.5, (int)(lattice_random(seed) % 40));
    if (kind == 1 && lattice_random(seed) % 64 == 0) return ldexp(1.0 + part, -300);
    if (kind == 1 && lattice_random(seed) % 64 == 0) {
        return (double[]){NAN, -0.0, 5e-324, -INFINITY}[lattice_random(seed) % 4];
    }
    if (kind == 2) return 0.0;
    if (kind == 3) return ldexp(value, 900);
    if (kind == 4) return ldexp(value, -1060);
    return value;
}

static void entries_have_the_sums_of_their_rows(void **state)
{
    (void)state;
    enum { MANY = 150000, ENTRIES = 7, KINDS = 5 };
    static double numbers[MANY];
    static uint32_t entries[MANY];
    static char keys[MANY];
    static int64_t offsets[MANY + 1], entry_offsets[ENTRIES + 1];
    uint64_t seed = 11;
    for (int i = 0; i < MANY; i++) {
        entries[i] = (uint32_t)(lattice_random(&seed) % ENTRIES);
        keys[i] = (char)('a' + entries[i]);
        offsets[i + 1] = i + 1;
        numbers[i] = value_of_kind(i / (MANY / KINDS + 1), &seed);
    }
    for (int i = 0; i < ENTRIES; i++) entry_offsets[i + 1] = i + 1;
    const ucid_group_rows by_row = {.keys = keys, .offsets = offsets, .numbers = numbers},
                          by_entry = {.keys = "abcdefg",
                                      .offsets = entry_offsets,
                                      .entries = entries,
                                      .entry_count = ENTRIES,
                                      .numbers = numbers};
    for (int threads = 1; threads <= 5; threads += 2) {
        ucid_groups *groups[2];
        int64_t count[2];
        for (int i = 0; i < 2; i++) {
            assert_int_equal(ucid_groups_new(NULL, threads, UCID_GROUPS_SUM, 0, &groups[i], NULL), UCID_OK);
            assert_int_equal(ucid_groups_add(groups[i], MANY, i == 0 ? &by_row : &by_entry, NULL), UCID_OK);
            assert_int_equal(ucid_groups_begin(groups[i], NULL), UCID_OK);
            assert_int_equal(ucid_groups_next(groups[i], &count[i], NULL), UCID_OK);
            assert_int_equal(count[i], ENTRIES);
        }
        for (int64_t place = 0; place < ENTRIES; place++) {
            uint32_t of_row = ucid_groups_at(groups[0], place), of_entry = ucid_groups_at(groups[1], place);
            const ucid_group *g = ucid_groups_get(groups[0], of_row), *h = ucid_groups_get(groups[1], of_entry);
            ucid_big a, b;
            ucid_exact_get(ucid_groups_sum(groups[0], of_row), &a);
            ucid_exact_get(ucid_groups_sum(groups[1], of_entry), &b);
            assert_true(g->rows == h->rows && g->values == h->values && g->up == h->up && g->down == h->down);
            assert_true(a.count > 0 && a.count == b.count && a.first == b.first && a.negative == b.negative);
            assert_memory_equal(a.limb, b.limb, (size_t)a.count * sizeof a.limb[0]);
        }
        ucid_groups_free(groups[0]);
        ucid_groups_free(groups[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_have_the_sums_of_their_rows),
        cmocka_unit_test(parents_by_bits_are_parents),
        cmocka_unit_test(groups_equal_naive_sums),
        cmocka_unit_test(every_split_gives_the_same_bytes),
        cmocka_unit_test(texts_are_keys),
        cmocka_unit_test(numbered_keys_are_texts),
        cmocka_unit_test(states_in_any_order_are_those_of_the_rows),
        cmocka_unit_test(packed_states_are_those_of_the_rows),
        cmocka_unit_test(spreads_of_light_and_heavy_rows_are_the_same),
        cmocka_unit_test(shuffled_rows_give_the_bytes_of_pieces),
        cmocka_unit_test(every_order_gives_the_sums_of_written_weights),
        cmocka_unit_test(every_variant_reads_the_same),
        cmocka_unit_test(every_variant_finds_the_same),
        cmocka_unit_test(memory_that_runs_out_is_an_error),
        cmocka_unit_test(groups_beyond_memory_come_out_of_a_file),
    };
    return cmocka_run_group_tests(tests, make_rows, NULL);
}
