/* group_stream.c: rows of any table go into groups before the first of them comes out.
 *
 *     rows --pieces--> keys as bytes (group_keys.c), numbers --> ucid_groups --> batches: results, or states
 *
 * What the columns hold says what they are: a table with the columns of a state is one of states. */
#include "arrow/arrays.h"
#include "arrow/fold.h"
#include "arrow/group_keys.h"
#include "arrow/stream.h"
#include "kernel/groups.h"
#include "kernel/tally.h"
#include "rt/bits.h"
#include "rt/error.h"
#include "rt/memory.h"

#include "nanoarrow.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FUNCTIONS_MAX = 64, FLAG_UP = 1, FLAG_DOWN = 2 };

typedef enum function { F_COUNT, F_ROWS, F_NULLS, F_SUM, F_MEAN, F_STD, F_VAR, F_MIN, F_MAX, F_PERCENTILE } function;
static const struct {
    const char *name;
    int what;
} functions[F_PERCENTILE] = {{"count", 0},
                             {"rows", 0},
                             {"nulls", 0},
                             {"sum", UCID_GROUPS_SUM},
                             {"mean", UCID_GROUPS_SUM},
                             {"std", UCID_GROUPS_SUM | UCID_GROUPS_SQUARES},
                             {"var", UCID_GROUPS_SUM | UCID_GROUPS_SQUARES},
                             {"min", UCID_GROUPS_RANGE},
                             {"max", UCID_GROUPS_RANGE}};

typedef struct asked {
    function function;
    char name[24];
    double part; /* of a percentile: 0..1 */
} asked;

/* Columns of a state, after the key. Least and most are numbers of the kind that was read, so that the schema of states
 * says which, before there is a row. */
enum { S_ROWS, S_COUNT, S_LEAST, S_MOST, S_FLAGS, S_SUM, S_SQUARES, S_VALUES, STATES };
static const char *const state_names[STATES] = {"state_rows",  "state_count", "state_least",   "state_most",
                                                "state_flags", "state_sum",   "state_squares", "state_values"};

typedef struct group_source {
    arrow_fold fold;
    ucid_groups *groups;
    int asked_count, what, states, of_states, whole, begun;
    group_keys by;
    asked asked[FUNCTIONS_MAX];
    int64_t of; /* column of numbers, -1: none */
    int64_t state[STATES];
    arrow_numbers numbers;
    arrow_wholes wholes;
    arrow_texts state_texts[STATES];
    arrow_wholes state_wholes[STATES];
    arrow_numbers state_numbers[STATES]; /* least and most, of doubles */
    double *percentiles[FUNCTIONS_MAX];  /* [groups], by number of the group */
    size_t percentile_count;
} group_source;

static void percentiles_reset(group_source *self)
{
    for (int f = 0; f < FUNCTIONS_MAX; f++) {
        ucid_release(&self->fold.allocator, self->percentiles[f], self->percentile_count, sizeof(double));
        self->percentiles[f] = NULL;
    }
}

static void reset(arrow_fold *fold)
{
    group_source *self = (group_source *)fold;
    ucid_allocator allocator = fold->allocator;
    for (int s = 0; s < STATES; s++) {
        arrow_texts_reset(&self->state_texts[s], &allocator);
        arrow_wholes_reset(&self->state_wholes[s], &allocator);
        arrow_numbers_reset(&self->state_numbers[s], &allocator);
    }
    percentiles_reset(self);
    arrow_numbers_reset(&self->numbers, &allocator);
    arrow_wholes_reset(&self->wholes, &allocator);
    group_keys_reset(&self->by, &allocator);
    ucid_groups_free(self->groups);
}

/* --------------------------------------------------------------------------------------------------------- Asking --
 */

/* "p90", "p99.9": its part of one. 0 where it is none. */
static int read_percentile(const char *name, double *part)
{
    int digits = 0, decimals = -1;
    double whole = 0.0, scale = 1.0;
    if (name[0] != 'p') return 0;
    for (const char *c = name + 1; *c != '\0'; c++) {
        if (*c == '.' && decimals < 0 && digits > 0) {
            decimals = 0;
        } else if (*c >= '0' && *c <= '9' && digits < 9) {
            whole = 10.0 * whole + (*c - '0');
            digits++;
            if (decimals >= 0) {
                decimals++;
                scale *= 10.0;
            }
        } else {
            return 0;
        }
    }
    *part = whole / (100.0 * scale);
    return digits > 0 && decimals != 0 && *part <= 1.0;
}

static ucid_status read_functions(group_source *self, const char *const *names, ucid_error *error)
{
    static const char *const standard[] = {"mean", NULL};
    if (names == NULL || names[0] == NULL) names = standard;
    for (; *names != NULL; names++) {
        if (self->asked_count == FUNCTIONS_MAX) {
            return ucid_fail(error, UCID_INVALID_ARGUMENT, "more than %d functions", FUNCTIONS_MAX);
        }
        asked a = {.function = F_COUNT};
        while (a.function < F_PERCENTILE && strcmp(functions[a.function].name, *names) != 0) a.function++;
        if (strcmp(*names, "median") == 0) {
            a.part = 0.5;
        } else if (a.function == F_PERCENTILE && !read_percentile(*names, &a.part)) {
            return ucid_fail(
                error, UCID_INVALID_ARGUMENT,
                "no function '%.40s'; there are count, rows, nulls, sum, mean, std, var, min, max, median, "
                "p0 to p100",
                *names);
        }
        snprintf(a.name, sizeof a.name, "%s", *names);
        for (int i = 0; i < self->asked_count; i++) {
            if (strcmp(self->asked[i].name, a.name) == 0) {
                return ucid_fail(error, UCID_INVALID_ARGUMENT, "function '%s' is asked for twice", a.name);
            }
        }
        self->what |= a.function < F_PERCENTILE ? functions[a.function].what : UCID_GROUPS_VALUES;
        self->asked[self->asked_count++] = a;
    }
    return UCID_OK;
}

static ucid_status read_of(group_source *self, const char *of, ucid_error *error)
{
    int needed = 0;
    for (int i = 0; i < self->asked_count; i++) needed |= self->asked[i].function != F_ROWS;
    self->of = -1;
    if (self->of_states) {
        return of == NULL ? UCID_OK
                          : ucid_fail(error, UCID_INVALID_ARGUMENT, "states are merged as they are: no column");
    }
    if (of == NULL && !needed) return UCID_OK;
    self->of = arrow_find(&self->fold.schema, of != NULL ? of : "score", NULL);
    if (self->of < 0) return arrow_missing(&self->fold.schema, of != NULL ? of : "score", "", error);
    const struct ArrowSchema *column = self->fold.schema.children[self->of];
    struct ArrowSchemaView view;
    ucid_status status = arrow_check_numbers(column, column->name, error);
    if (status == UCID_OK && ArrowSchemaViewInit(&view, arrow_row_schema(column), NULL) == NANOARROW_OK) {
        self->whole = arrow_is_whole((int)view.type) && view.type != NANOARROW_TYPE_UINT64;
    }
    return status;
}

static int is_extreme(int s) { return s == S_LEAST || s == S_MOST; }

/* A table of states has all columns that do not depend on what was asked for. */
static ucid_status find_states(group_source *self, ucid_error *error)
{
    static const int needs[STATES] = {
        [S_SUM] = UCID_GROUPS_SUM, [S_SQUARES] = UCID_GROUPS_SQUARES, [S_VALUES] = UCID_GROUPS_VALUES};
    int doubles = 0;
    self->of_states = 1;
    for (int s = 0; s < STATES; s++) {
        self->state[s] = arrow_find(&self->fold.schema, state_names[s], NULL);
        if (needs[s] == 0 && self->state[s] < 0) self->of_states = 0;
    }
    for (int s = 0; self->of_states && s < STATES; s++) {
        if (self->state[s] < 0 && (needs[s] & self->what) != 0) {
            return ucid_fail(error, UCID_DATA_ERROR, "these states were not made for what is asked: no column '%s'",
                             state_names[s]);
        }
        if (self->state[s] < 0) continue;
        const struct ArrowSchema *column = self->fold.schema.children[self->state[s]];
        if (needs[s] != 0) {
            ucid_status status = arrow_check_texts(column, column->name, error);
            if (status != UCID_OK) return status;
        } else if (is_extreme(s) && strcmp(column->format, "g") == 0) {
            doubles++;
        } else if (strcmp(column->format, "l") != 0) {
            return ucid_fail(error, UCID_DATA_ERROR, "column '%s' of a state does not hold int64", column->name);
        }
    }
    if (doubles == 1) return ucid_fail(error, UCID_DATA_ERROR, "least and most of a state are of two types");
    self->whole = self->of_states && doubles == 0;
    return UCID_OK;
}

/* -------------------------------------------------------------------------------------------------------- Reading --
 */

static uint64_t get_word(const char *bytes, int count)
{
    uint64_t word = 0;
    for (int i = count - 1; i >= 0; i--) word = word << 8 | (uint8_t)bytes[i];
    return word;
}

/* Sums are told as: number of the first limb, sign, limbs. 0 where it cannot be one. */
static int read_big(const char *bytes, int64_t length, ucid_big *big)
{
    *big = (ucid_big){0};
    if (length == 0) return 1;
    if (length < 8 || length % 4 != 0 || length > 4 + 4 * EXACT_ALL) return 0;
    big->first = (int)get_word(bytes, 2);
    big->negative = (int)get_word(bytes + 2, 2);
    big->count = (int)(length / 4) - 1;
    for (int i = 0; i < big->count; i++) big->limb[i] = (uint32_t)get_word(bytes + 4 + 4 * i, 4);
    return big->first + big->count <= EXACT_ALL && big->negative <= 1 && big->limb[0] != 0 &&
           big->limb[big->count - 1] != 0;
}

static ucid_status add_state(group_source *self, const char *key, size_t key_length, int64_t row, ucid_error *error)
{
    int64_t fields[S_FLAGS + 1];
    uint64_t order[S_FLAGS + 1];
    for (int s = 0; s <= S_FLAGS; s++) {
        int real = is_extreme(s) && !self->whole;
        fields[s] = real ? 0 : self->state_wholes[s].values[row];
        order[s] = real ? ucid_order_of_double(self->state_numbers[s].values[row]) : ucid_order_of_whole(fields[s]);
    }
    int flags = (int)fields[S_FLAGS];
    ucid_group part = {.rows = fields[S_ROWS],
                       .values = fields[S_COUNT],
                       .least = fields[S_COUNT] > 0 ? order[S_LEAST] : UINT64_MAX,
                       .most = fields[S_COUNT] > 0 ? order[S_MOST] : 0,
                       .up = (flags & FLAG_UP) != 0,
                       .down = (flags & FLAG_DOWN) != 0};
    int fits = part.values >= 0 && part.rows >= part.values && fields[S_FLAGS] >= 0 && fields[S_FLAGS] < 4;
    ucid_big big[2];
    const char *texts[STATES] = {NULL};
    int64_t lengths[STATES] = {0};
    for (int s = S_SUM; s < STATES; s++) {
        if (self->state[s] < 0 || !bit_is_set(self->state_texts[s].validity, row)) continue;
        texts[s] = self->state_texts[s].data + self->state_texts[s].offsets[row];
        lengths[s] = self->state_texts[s].offsets[row + 1] - self->state_texts[s].offsets[row];
    }
    for (int s = S_SUM; s <= S_SQUARES; s++) fits &= read_big(texts[s], lengths[s], &big[s - S_SUM]);
    fits &= big[1].negative == 0 && lengths[S_VALUES] % 16 == 0;
    if (!fits) {
        return ucid_fail_at(error, UCID_DATA_ERROR, row, -1, "row %lld is not a state of groups", (long long)row);
    }
    uint32_t number;
    ucid_status status = ucid_groups_find(self->groups, key, key_length, &number, error);
    if (status == UCID_OK) {
        status = ucid_groups_add_part(self->groups, number, &part, (self->what & UCID_GROUPS_SUM) != 0 ? &big[0] : NULL,
                                      (self->what & UCID_GROUPS_SQUARES) != 0 ? &big[1] : NULL, error);
    }
    ucid_tally *values = ucid_groups_values(self->groups);
    int64_t counted = 0;
    for (int64_t at = 0; values != NULL && at < lengths[S_VALUES] && status == UCID_OK; at += 16) {
        uint64_t count = get_word(texts[S_VALUES] + at + 8, 8);
        if (count > (uint64_t)(part.values - counted)) break;
        counted += (int64_t)count;
        status = ucid_tally_add(values, number, get_word(texts[S_VALUES] + at, 8), count, error);
    }
    if (status == UCID_OK && values != NULL && counted != part.values) {
        return ucid_fail_at(error, UCID_DATA_ERROR, row, -1, "row %lld is not a state of groups", (long long)row);
    }
    return status;
}

static ucid_status add_states(group_source *self, const struct ArrowArray *batch, int64_t first, int64_t count,
                              const ucid_group_rows *rows, ucid_error *error)
{
    ucid_status status = UCID_OK;
    for (int s = 0; s < STATES && status == UCID_OK; s++) {
        if (self->state[s] < 0) continue;
        const struct ArrowSchema *schema = self->fold.schema.children[self->state[s]];
        const struct ArrowArray *array = batch->children[self->state[s]];
        int64_t start = batch->offset + first;
        if (s >= S_SUM) {
            status = arrow_read_texts(schema, array, start, count, &self->fold.allocator, &self->state_texts[s], error);
            continue;
        }
        int real = is_extreme(s) && !self->whole;
        status =
            real
                ? arrow_read_numbers(schema, array, start, count, &self->fold.allocator, &self->state_numbers[s], error)
                : arrow_read_wholes(schema, array, start, count, &self->fold.allocator, &self->state_wholes[s], error);
        const uint8_t *validity = real ? self->state_numbers[s].validity : self->state_wholes[s].validity;
        for (int64_t row = 0; status == UCID_OK && row < count; row++) {
            if (bit_is_set(validity, row)) continue;
            status = ucid_fail(error, UCID_DATA_ERROR, "column '%s' of a state has nulls", state_names[s]);
        }
    }
    for (int64_t row = 0; row < count && status == UCID_OK; row++) {
        const char *key = bit_is_set(rows->key_validity, row) ? rows->keys + rows->offsets[row] : NULL;
        status = add_state(self, key, (size_t)(rows->offsets[row + 1] - rows->offsets[row]), row, error);
    }
    return status == UCID_OK ? ucid_groups_settle(self->groups, error) : status;
}

static ucid_status add_rows(arrow_fold *fold, const struct ArrowArray *batch, int64_t first, int64_t count,
                            ucid_error *error)
{
    group_source *self = (group_source *)fold;
    ucid_group_rows rows = {0};
    ucid_status status = group_keys_read(&self->by, &fold->schema, batch, first, count, !self->of_states,
                                         &fold->allocator, &rows, error);
    if (status == UCID_OK && self->of_states) return add_states(self, batch, first, count, &rows, error);
    if (status == UCID_OK && self->of >= 0) {
        const struct ArrowSchema *schema = self->fold.schema.children[self->of];
        const struct ArrowArray *array = batch->children[self->of];
        first += batch->offset;
        if (self->whole) {
            status = arrow_read_wholes(schema, array, first, count, &self->fold.allocator, &self->wholes, error);
            rows.wholes = self->wholes.values;
            rows.validity = self->wholes.validity;
        } else {
            status = arrow_read_numbers(schema, array, first, count, &self->fold.allocator, &self->numbers, error);
            rows.numbers = self->numbers.values;
            rows.validity = self->numbers.validity;
        }
    }
    return status == UCID_OK ? ucid_groups_add(self->groups, count, &rows, error) : status;
}

/* -------------------------------------------------------------------------------------------------------- Results --
 */

static double number_of(const group_source *self, uint64_t order)
{
    return self->whole ? (double)ucid_whole_of_order(order) : ucid_double_of_order(order);
}

/* Values between the two that lie about a part of the way from the first to the last, as pandas and DuckDB have it. */
static ucid_status find_percentiles(group_source *self, int64_t groups, ucid_error *error)
{
    percentiles_reset(self);
    self->percentile_count = (size_t)groups;
    for (int f = 0; f < self->asked_count; f++) {
        if (self->asked[f].function != F_PERCENTILE) continue;
        self->percentiles[f] = ucid_allocate(&self->fold.allocator, (size_t)groups, sizeof(double));
        if (self->percentiles[f] == NULL) return ucid_fail_memory(error, "results", (size_t)groups * sizeof(double));
    }
    ucid_tally *values = ucid_groups_values(self->groups);
    ucid_status status = ucid_tally_begin(values, error);
    ucid_tallied v;
    int there = 0;
    uint32_t group = UINT32_MAX;
    int64_t before = 0, next = 0; /* values of the group before v; the least rank that is still looked for */
    double lower[FUNCTIONS_MAX];
    while (status == UCID_OK) {
        status = ucid_tally_next(values, &v, &there, error);
        if (status != UCID_OK || !there) break;
        if (v.group != group) {
            group = v.group;
            before = next = 0;
        }
        int64_t end = before + v.count, least = INT64_MAX;
        for (int f = 0; f < self->asked_count && end > next; f++) {
            if (self->asked[f].function != F_PERCENTILE) continue;
            int64_t last = ucid_groups_get(self->groups, group)->values - 1;
            double place = self->asked[f].part * (double)last, whole = floor(place);
            int64_t low = (int64_t)whole < last ? (int64_t)whole : last, high = low < last ? low + 1 : last;
            double value = number_of(self, v.value);
            if (low >= before && low < end) lower[f] = value;
            if (high >= before && high < end) {
                double part = place - whole;
                self->percentiles[f][group] =
                    part > 0.0 && lower[f] < value ? lower[f] + (value - lower[f]) * part : lower[f];
            }
            if (low >= end && low < least) least = low;
            if (low < end && high >= end && high < least) least = high;
        }
        if (end > next) next = least;
        before = end;
    }
    return status;
}

static ucid_status whole_sum(const ucid_big *sum, int64_t *out, ucid_error *error)
{
    uint64_t value = 0;
    int at = sum->first - EXACT_ORIGIN / 32;
    int fits = sum->count == 0 || at + sum->count <= 2;
    for (int i = 0; fits && i < sum->count; i++) value |= (uint64_t)sum->limb[i] << 32 * (at + i);
    if (!fits || value > (uint64_t)INT64_MAX + (uint64_t)sum->negative) {
        return ucid_fail(error, UCID_DATA_ERROR, "a sum does not fit into 64 bits; a column of doubles has room");
    }
    *out = (int64_t)(sum->negative ? -value : value);
    return UCID_OK;
}

/* NaN: there is none. */
static double real_of(const group_source *self, const asked *a, int f, uint32_t number)
{
    const ucid_group *g = ucid_groups_get(self->groups, number);
    ucid_big sum, squares, spread;
    int exponent;
    if (g->values == 0) return (double)NAN;
    switch (a->function) {
    case F_MIN: return number_of(self, g->least);
    case F_MAX: return number_of(self, g->most);
    case F_PERCENTILE: return self->percentiles[f][number];
    default: break;
    }
    if (g->up || g->down) {
        if (a->function == F_STD || a->function == F_VAR || (g->up && g->down)) return (double)NAN;
        return g->up ? (double)INFINITY : -(double)INFINITY;
    }
    ucid_exact_get(ucid_groups_sum(self->groups, number), &sum);
    if (a->function == F_SUM || a->function == F_MEAN) {
        double value = ucid_big_double(&sum, &exponent);
        if (a->function == F_MEAN) value /= (double)g->values;
        return ldexp(value, exponent - EXACT_ORIGIN);
    }
    if (g->values == 1) return (double)NAN;
    ucid_exact_get(ucid_groups_squares(self->groups, number), &squares);
    ucid_big_spread(&sum, &squares, (uint64_t)g->values, &spread);
    double value = ucid_big_double(&spread, &exponent);
    value /= (double)g->values * (double)(g->values - 1);
    exponent -= 2 * EXACT_ORIGIN;
    if (a->function == F_VAR) return ldexp(value, exponent);
    if ((exponent & 1) != 0) {
        value *= 2.0;
        exponent--;
    }
    return ldexp(sqrt(value), exponent / 2);
}

static int gives_wholes(const group_source *self, function f)
{
    return f == F_COUNT || f == F_ROWS || f == F_NULLS || (self->whole && (f == F_SUM || f == F_MIN || f == F_MAX));
}

static ucid_status whole_of(const group_source *self, function f, uint32_t number, int64_t *out, ucid_error *error)
{
    const ucid_group *g = ucid_groups_get(self->groups, number);
    ucid_big sum;
    switch (f) {
    case F_COUNT: *out = g->values; return UCID_OK;
    case F_ROWS: *out = g->rows; return UCID_OK;
    case F_NULLS: *out = g->rows - g->values; return UCID_OK;
    case F_MIN: *out = ucid_whole_of_order(g->least); return UCID_OK;
    case F_MAX: *out = ucid_whole_of_order(g->most); return UCID_OK;
    default: break;
    }
    ucid_exact_get(ucid_groups_sum(self->groups, number), &sum);
    return whole_sum(&sum, out, error);
}

static ucid_status make_results(group_source *self, int64_t groups, struct ArrowArray *columns, ucid_error *error)
{
    ucid_status status = UCID_OK;
    if ((self->what & UCID_GROUPS_VALUES) != 0) status = find_percentiles(self, groups, error);
    for (int f = 0; f < self->asked_count && status == UCID_OK; f++) {
        const asked *a = &self->asked[f];
        arrow_leaf leaf;
        int always = a->function == F_COUNT || a->function == F_ROWS || a->function == F_NULLS;
        status = arrow_leaf_fixed(&columns[f], groups, 8, !always, &self->fold.allocator, &leaf, error);
        for (int64_t row = 0; row < groups && status == UCID_OK; row++) {
            uint32_t number = ucid_groups_at(self->groups, row);
            if (!gives_wholes(self, a->function)) {
                double value = real_of(self, a, f, number);
                ((double *)leaf.values)[row] = value;
                if (isnan(value)) arrow_leaf_null(&leaf, row);
            } else if (!always && ucid_groups_get(self->groups, number)->values == 0) {
                ((int64_t *)leaf.values)[row] = 0;
                arrow_leaf_null(&leaf, row);
            } else {
                status = whole_of(self, a->function, number, &((int64_t *)leaf.values)[row], error);
            }
        }
        if (status == UCID_OK) arrow_leaf_finish(&leaf, groups);
    }
    return status;
}

/* --------------------------------------------------------------------------------------------------------- States --
 */

static char *put_bytes(char *at, uint64_t word, int count)
{
    for (int i = 0; i < count; i++) *at++ = (char)(uint8_t)(word >> 8 * i);
    return at;
}

static ucid_status make_sums(group_source *self, int64_t groups, int squares, struct ArrowArray *column,
                             ucid_error *error)
{
    arrow_leaf leaf;
    ucid_big big;
    size_t bytes = 0;
    for (int64_t row = 0; row < groups; row++) {
        uint32_t number = ucid_groups_at(self->groups, row);
        ucid_exact_get((squares ? ucid_groups_squares : ucid_groups_sum)(self->groups, number), &big);
        bytes += 4 + 4 * (size_t)big.count;
    }
    ucid_status status = arrow_leaf_text(column, groups, bytes, 0, 0, &self->fold.allocator, &leaf, error);
    if (status != UCID_OK) return status;
    char *at = leaf.values;
    for (int64_t row = 0; row < groups; row++) {
        uint32_t number = ucid_groups_at(self->groups, row);
        ucid_exact_get((squares ? ucid_groups_squares : ucid_groups_sum)(self->groups, number), &big);
        if (big.count > 0) {
            at = put_bytes(put_bytes(at, (uint64_t)big.first, 2), (uint64_t)big.negative, 2);
            for (int i = 0; i < big.count; i++) at = put_bytes(at, big.limb[i], 4);
        }
        leaf.offsets[row + 1] = (int32_t)(at - (char *)leaf.values);
    }
    arrow_leaf_finish(&leaf, groups);
    return UCID_OK;
}

/* Values come by number of the group, states are in the order of keys. */
static ucid_status make_values(group_source *self, int64_t groups, struct ArrowArray *column, ucid_error *error)
{
    ucid_tally *values = ucid_groups_values(self->groups);
    size_t n = (size_t)groups + 1;
    uint64_t *bytes = ucid_allocate_zero(&self->fold.allocator, n, sizeof *bytes), total = 0;
    if (bytes == NULL) return ucid_fail_memory(error, "states", n * sizeof *bytes);
    ucid_status status = ucid_tally_begin(values, error);
    ucid_tallied v;
    for (int there = 1; status == UCID_OK && there;) {
        status = ucid_tally_next(values, &v, &there, error);
        if (status != UCID_OK || !there) break;
        bytes[v.group] += 16;
        total += 16;
    }
    if (status == UCID_OK && total > INT32_MAX) {
        status = ucid_fail(error, UCID_INVALID_ARGUMENT, "states of %llu different values are more than %d",
                           (unsigned long long)(total / 16), INT32_MAX / 16);
    }
    arrow_leaf leaf;
    if (status == UCID_OK) status = arrow_leaf_text(column, groups, total, 0, 0, &self->fold.allocator, &leaf, error);
    if (status == UCID_OK) {
        int32_t at = 0;
        for (int64_t row = 0; row < groups; row++) {
            uint32_t number = ucid_groups_at(self->groups, row);
            int32_t length = (int32_t)bytes[number];
            bytes[number] = (uint64_t)at;
            at += length;
            leaf.offsets[row + 1] = at;
        }
        status = ucid_tally_begin(values, error);
    }
    for (int there = 1; status == UCID_OK && there;) {
        status = ucid_tally_next(values, &v, &there, error);
        if (status != UCID_OK || !there) break;
        char *to = (char *)leaf.values + bytes[v.group];
        put_bytes(put_bytes(to, v.value, 8), v.count, 8);
        bytes[v.group] += 16;
    }
    if (status == UCID_OK) arrow_leaf_finish(&leaf, groups);
    ucid_release(&self->fold.allocator, bytes, n, sizeof *bytes);
    return status;
}

/* States that are there for what was asked. */
static int has_state(const group_source *self, int s)
{
    return s <= S_FLAGS || (s == S_SUM && (self->what & UCID_GROUPS_SUM) != 0) ||
           (s == S_SQUARES && (self->what & UCID_GROUPS_SQUARES) != 0) ||
           (s == S_VALUES && (self->what & UCID_GROUPS_VALUES) != 0);
}

static ucid_status make_states(group_source *self, int64_t groups, struct ArrowArray *columns, ucid_error *error)
{
    ucid_status status = UCID_OK;
    int c = 0;
    for (int s = 0; s <= S_FLAGS && status == UCID_OK; s++) {
        arrow_leaf leaf;
        status = arrow_leaf_fixed(&columns[c++], groups, sizeof(int64_t), 0, &self->fold.allocator, &leaf, error);
        for (int64_t row = 0; row < groups && status == UCID_OK; row++) {
            const ucid_group *g = ucid_groups_get(self->groups, ucid_groups_at(self->groups, row));
            int64_t flags = (g->up ? FLAG_UP : 0) | (g->down ? FLAG_DOWN : 0);
            uint64_t order = s == S_LEAST ? g->least : g->most;
            int64_t whole = g->values > 0 ? ucid_whole_of_order(order) : 0;
            double real = g->values > 0 ? ucid_double_of_order(order) : 0.0;
            const int64_t fields[] = {g->rows, g->values, whole, whole, flags};
            if (is_extreme(s) && !self->whole)
                ((double *)leaf.values)[row] = real;
            else
                ((int64_t *)leaf.values)[row] = fields[s];
        }
        if (status == UCID_OK) arrow_leaf_finish(&leaf, groups);
    }
    for (int s = S_SUM; s <= S_SQUARES && status == UCID_OK; s++) {
        if (has_state(self, s)) status = make_sums(self, groups, s == S_SQUARES, &columns[c++], error);
    }
    if (status == UCID_OK && has_state(self, S_VALUES)) status = make_values(self, groups, &columns[c], error);
    return status;
}

/* --------------------------------------------------------------------------------------------------------- Stream --
 */

static int column_count(arrow_fold *fold)
{
    const group_source *self = (const group_source *)fold;
    int count = self->by.count;
    if (!self->states) return count + self->asked_count;
    for (int s = 0; s < STATES; s++) count += has_state(self, s);
    return count;
}

static int describe(arrow_fold *fold, struct ArrowSchema *out)
{
    const group_source *self = (const group_source *)fold;
    ArrowErrorCode code = group_keys_describe(&self->by, &fold->schema, out);
    int c = self->by.count;
    for (int f = 0; f < self->asked_count && !self->states && code == NANOARROW_OK; f++, c++) {
        function of = self->asked[f].function;
        int always = of == F_COUNT || of == F_ROWS || of == F_NULLS;
        code = arrow_fold_column(out->children[c], self->asked[f].name, gives_wholes(self, of) ? "l" : "g", !always);
    }
    for (int s = 0; s < STATES && self->states && code == NANOARROW_OK; s++) {
        const char *format = s > S_FLAGS ? "z" : is_extreme(s) && !self->whole ? "g" : "l";
        if (has_state(self, s)) code = arrow_fold_column(out->children[c++], state_names[s], format, 0);
    }
    return code;
}

static ucid_status make_columns(arrow_fold *fold, struct ArrowArray *columns, int64_t *rows, ucid_error *error)
{
    group_source *self = (group_source *)fold;
    ucid_status status = self->begun ? UCID_OK : ucid_groups_begin(self->groups, error);
    self->begun = 1;
    if (status == UCID_OK) status = ucid_groups_next(self->groups, rows, error);
    if (status == UCID_OK) status = group_keys_make(&self->by, self->groups, *rows, columns, &fold->allocator, error);
    if (status != UCID_OK) return status;
    fold->more = ucid_groups_more(self->groups);
    return (self->states ? make_states : make_results)(self, *rows, columns + self->by.count, error);
}

static ucid_status begin(arrow_fold *fold, const void *given, ucid_error *error)
{
    group_source *self = (group_source *)fold;
    const ucid_group_stream_options *options = given;
    self->states = options->states;
    ucid_status status = read_functions(self, options->functions, error);
    if (status == UCID_OK) status = group_keys_find(&self->by, &fold->schema, options->by, error);
    if (status == UCID_OK) status = find_states(self, error);
    if (status == UCID_OK) status = read_of(self, options->of, error);
    if (status != UCID_OK) return status;
    if (self->states) self->what |= UCID_GROUPS_RANGE;
    return ucid_groups_new(options->allocator, options->threads, self->what, options->memory_bytes, &self->groups,
                           error);
}

ucid_status ucid_group_stream(struct ArrowArrayStream *in, const ucid_group_stream_options *options,
                              struct ArrowArrayStream *out, ucid_error *error)
{
    static const arrow_folder folder = {sizeof(group_source), begin,    add_rows, make_columns,
                                        column_count,         describe, reset};
    if (options == NULL || options->size != sizeof *options) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "options say what the groups are");
    }
    arrow_fold_options of_fold = {options->allocator, options->progress, options->progress_ctx, options};
    return arrow_fold_open(in, &folder, &of_fold, out, error);
}
