/* group_stream.c: rows of any table go into groups before the first of them comes out.
 *
 *     rows --pieces--> keys as bytes, numbers --> ucid_groups --> one batch: results, or states
 *
 * The key of a row is the text of its one column as it is, else the values of all columns, written so that bytes have
 * the order of the values:
 *
 *     null 00    text 01, its bytes with 00 as 00 FF, then 00 00    number 01, eight bytes, the highest first
 *
 * What the columns hold says what they are: a table with the columns of a state is one of states. */
#include "arrow/arrays.h"
#include "arrow/fold.h"
#include "arrow/stream.h"
#include "kernel/groups.h"
#include "kernel/tally.h"
#include "rt/error.h"
#include "rt/memory.h"

#include "nanoarrow.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BY_MAX = 16, FUNCTIONS_MAX = 64, FLAG_UP = 1, FLAG_DOWN = 2 };
static const uint64_t MEMORY = (uint64_t)1 << 30;

typedef enum key_kind { KEY_TEXT, KEY_WHOLE, KEY_REAL } key_kind;

typedef struct key_column {
    int64_t column;
    key_kind kind;
    enum ArrowType type; /* of what is stored */
    arrow_texts texts;
    arrow_wholes wholes;
    arrow_numbers numbers;
} key_column;

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
    int by_count, asked_count, what, states, of_states, whole;
    key_column by[BY_MAX];
    asked asked[FUNCTIONS_MAX];
    int64_t of; /* column of numbers, -1: none */
    int64_t state[STATES];
    arrow_numbers numbers;
    arrow_wholes wholes;
    arrow_texts state_texts[STATES];
    arrow_wholes state_wholes[STATES];
    arrow_numbers state_numbers[STATES]; /* least and most, of doubles */
    arrow_scratch keys, offsets;
    double *percentiles[FUNCTIONS_MAX]; /* [groups], by number of the group */
    size_t percentile_count;
} group_source;

static void reset(arrow_fold *fold)
{
    group_source *self = (group_source *)fold;
    ucid_allocator allocator = fold->allocator;
    for (int k = 0; k < self->by_count; k++) {
        arrow_texts_reset(&self->by[k].texts, &allocator);
        arrow_wholes_reset(&self->by[k].wholes, &allocator);
        arrow_numbers_reset(&self->by[k].numbers, &allocator);
    }
    for (int s = 0; s < STATES; s++) {
        arrow_texts_reset(&self->state_texts[s], &allocator);
        arrow_wholes_reset(&self->state_wholes[s], &allocator);
        arrow_numbers_reset(&self->state_numbers[s], &allocator);
    }
    for (int f = 0; f < FUNCTIONS_MAX; f++) {
        ucid_release(&allocator, self->percentiles[f], self->percentile_count, sizeof(double));
    }
    arrow_numbers_reset(&self->numbers, &allocator);
    arrow_wholes_reset(&self->wholes, &allocator);
    arrow_scratch_reset(&self->keys, &allocator);
    arrow_scratch_reset(&self->offsets, &allocator);
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

static int is_text(enum ArrowType type)
{
    return type == NANOARROW_TYPE_STRING || type == NANOARROW_TYPE_LARGE_STRING || type == NANOARROW_TYPE_STRING_VIEW;
}

static ucid_status read_by(group_source *self, const char *const *names, ucid_error *error)
{
    for (; names != NULL && *names != NULL; names++) {
        if (self->by_count == BY_MAX) {
            return ucid_fail(error, UCID_INVALID_ARGUMENT, "groups by more than %d columns", BY_MAX);
        }
        key_column *k = &self->by[self->by_count];
        k->column = arrow_find(&self->fold.schema, *names, NULL);
        if (k->column < 0) return arrow_missing(&self->fold.schema, *names, "", error);
        for (int i = 0; i < self->by_count; i++) {
            if (self->by[i].column == k->column) {
                return ucid_fail(error, UCID_INVALID_ARGUMENT, "groups twice by column '%s'", *names);
            }
        }
        const struct ArrowSchema *column = self->fold.schema.children[k->column];
        struct ArrowSchemaView view;
        struct ArrowError reason;
        if (ArrowSchemaViewInit(&view, arrow_row_schema(column), &reason) != NANOARROW_OK) {
            return ucid_fail(error, UCID_DATA_ERROR, "column '%s': %s", *names, reason.message);
        }
        k->type = view.storage_type;
        if (is_text(view.type) || view.type == NANOARROW_TYPE_NA) {
            k->kind = KEY_TEXT;
        } else if (arrow_is_whole((int)view.storage_type) && view.type != NANOARROW_TYPE_DECIMAL32 &&
                   view.type != NANOARROW_TYPE_DECIMAL64) {
            k->kind = KEY_WHOLE;
        } else if (view.type == NANOARROW_TYPE_FLOAT || view.type == NANOARROW_TYPE_DOUBLE) {
            k->kind = KEY_REAL;
        } else {
            char type[64];
            (void)ArrowSchemaToString(column, type, sizeof type, 0);
            return ucid_fail(error, UCID_DATA_ERROR,
                             "column '%s' is %s; groups are by texts, numbers, dates, times and truths", *names, type);
        }
        self->by_count++;
    }
    if (self->by_count == 0) return ucid_fail(error, UCID_INVALID_ARGUMENT, "no column to group by");
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

static int is_set(const uint8_t *bits, int64_t row) { return bits == NULL || (bits[row >> 3] >> (row & 7) & 1) != 0; }

static ucid_status read_key(group_source *self, key_column *k, const struct ArrowArray *batch, int64_t first,
                            int64_t count, ucid_error *error)
{
    const struct ArrowSchema *schema = self->fold.schema.children[k->column];
    const struct ArrowArray *array = batch->children[k->column];
    first += batch->offset;
    if (k->kind == KEY_TEXT)
        return arrow_read_texts(schema, array, first, count, &self->fold.allocator, &k->texts, error);
    if (k->kind == KEY_WHOLE)
        return arrow_read_wholes(schema, array, first, count, &self->fold.allocator, &k->wholes, error);
    return arrow_read_numbers(schema, array, first, count, &self->fold.allocator, &k->numbers, error);
}

static char *put_word(char *at, uint64_t word)
{
    *at++ = 1;
    for (int shift = 56; shift >= 0; shift -= 8) *at++ = (char)(uint8_t)(word >> shift);
    return at;
}

/* At most 2 bytes a byte of text and 9 a column. */
static char *put_key(const key_column *k, int64_t row, char *at)
{
    const uint8_t *validity = k->kind == KEY_TEXT    ? k->texts.validity
                              : k->kind == KEY_WHOLE ? k->wholes.validity
                                                     : k->numbers.validity;
    if (!is_set(validity, row)) {
        *at++ = 0;
        return at;
    }
    if (k->kind == KEY_WHOLE) {
        uint64_t word = (uint64_t)k->wholes.values[row];
        return put_word(at, k->type == NANOARROW_TYPE_UINT64 ? word : ucid_order_of_whole((int64_t)word));
    }
    if (k->kind == KEY_REAL) {
        double value = k->numbers.values[row];
        return put_word(at, value == value ? ucid_order_of_double(value) : UINT64_MAX);
    }
    *at++ = 1;
    for (int64_t i = k->texts.offsets[row]; i < k->texts.offsets[row + 1]; i++) {
        *at++ = k->texts.data[i];
        if (k->texts.data[i] == '\0') *at++ = (char)(uint8_t)255;
    }
    *at++ = 0;
    *at++ = 0;
    return at;
}

static ucid_status read_keys(group_source *self, const struct ArrowArray *batch, int64_t first, int64_t count,
                             ucid_group_rows *rows, ucid_error *error)
{
    ucid_status status = UCID_OK;
    size_t bytes = 1;
    for (int k = 0; k < self->by_count && status == UCID_OK; k++) {
        status = read_key(self, &self->by[k], batch, first, count, error);
        bytes += 9 * (size_t)count;
        if (status == UCID_OK && self->by[k].kind == KEY_TEXT) {
            bytes += 2 * (size_t)(self->by[k].texts.offsets[count] - self->by[k].texts.offsets[0]);
        }
    }
    if (status == UCID_OK && self->by_count == 1 && self->by[0].kind == KEY_TEXT) {
        const arrow_texts *texts = &self->by[0].texts;
        rows->keys = texts->data;
        rows->offsets = texts->offsets;
        rows->key_validity = texts->validity;
        return UCID_OK;
    }
    if (status == UCID_OK) status = arrow_scratch_reserve(&self->keys, &self->fold.allocator, bytes, error);
    if (status == UCID_OK) {
        status =
            arrow_scratch_reserve(&self->offsets, &self->fold.allocator, ((size_t)count + 1) * sizeof(int64_t), error);
    }
    if (status != UCID_OK) return status;
    char *start = self->keys.bytes, *at = start;
    int64_t *offsets = self->offsets.bytes;
    for (int64_t row = 0; row < count; row++) {
        offsets[row] = at - start;
        for (int k = 0; k < self->by_count; k++) at = put_key(&self->by[k], row, at);
    }
    offsets[count] = at - start;
    rows->keys = start;
    rows->offsets = offsets;
    rows->key_validity = NULL;
    return UCID_OK;
}

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
        if (self->state[s] < 0 || !is_set(self->state_texts[s].validity, row)) continue;
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
            if (is_set(validity, row)) continue;
            status = ucid_fail(error, UCID_DATA_ERROR, "column '%s' of a state has nulls", state_names[s]);
        }
    }
    for (int64_t row = 0; row < count && status == UCID_OK; row++) {
        const char *key = is_set(rows->key_validity, row) ? rows->keys + rows->offsets[row] : NULL;
        status = add_state(self, key, (size_t)(rows->offsets[row + 1] - rows->offsets[row]), row, error);
    }
    return status;
}

static ucid_status add_rows(arrow_fold *fold, const struct ArrowArray *batch, int64_t first, int64_t count,
                            ucid_error *error)
{
    group_source *self = (group_source *)fold;
    ucid_group_rows rows = {0};
    ucid_status status = read_keys(self, batch, first, count, &rows, error);
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

/* ----------------------------------------------------------------------------------------------------------- Keys --
 */

/* Length of what put_key wrote. */
static size_t key_length(const key_column *k, const char *at)
{
    if (at[0] == 0) return 1;
    if (k->kind != KEY_TEXT) return 9;
    size_t length = 1;
    while (at[length] != 0 || at[length + 1] != 0) length += at[length] == 0 ? 2 : 1;
    return length + 2;
}

/* Where the key's part for column `which` is, with its length; NULL: null. */
static const char *key_part(const group_source *self, int64_t row, int which, size_t *length)
{
    uint32_t number = ucid_groups_at(self->groups, row);
    const char *at = ucid_groups_key(self->groups, number);
    if (self->by_count == 1 && self->by[0].kind == KEY_TEXT) {
        *length = at != NULL ? ucid_groups_get(self->groups, number)->key_length : 0;
        return at;
    }
    for (int k = 0; k < which; k++) at += key_length(&self->by[k], at);
    *length = key_length(&self->by[which], at);
    return at[0] != 0 ? at : NULL;
}

static ucid_status make_text_key(const group_source *self, int64_t groups, int which, struct ArrowArray *column,
                                 ucid_error *error)
{
    int plain = self->by_count == 1;
    size_t bytes = 0, length;
    for (int64_t row = 0; row < groups; row++) {
        if (key_part(self, row, which, &length) != NULL) bytes += length;
    }
    if (bytes > INT32_MAX) return ucid_fail(error, UCID_INVALID_ARGUMENT, "keys of more than 2 GB");
    arrow_leaf leaf;
    ucid_status status = arrow_leaf_text(column, groups, bytes + 1, 1, 0, &self->fold.allocator, &leaf, error);
    if (status != UCID_OK) return status;
    char *start = leaf.values, *at = start;
    for (int64_t row = 0; row < groups; row++) {
        const char *part = key_part(self, row, which, &length);
        if (part == NULL) {
            arrow_leaf_null(&leaf, row);
        } else if (plain) {
            if (length > 0) memcpy(at, part, length);
            at += length;
        } else {
            for (size_t i = 1; i < length - 2; i++) {
                *at++ = part[i];
                if (part[i] == 0) i++;
            }
        }
        leaf.offsets[row + 1] = (int32_t)(at - start);
    }
    arrow_leaf_finish(&leaf, groups);
    return UCID_OK;
}

static size_t width_of(enum ArrowType type)
{
    switch (type) {
    case NANOARROW_TYPE_BOOL:
    case NANOARROW_TYPE_INT8:
    case NANOARROW_TYPE_UINT8: return 1;
    case NANOARROW_TYPE_INT16:
    case NANOARROW_TYPE_UINT16: return 2;
    case NANOARROW_TYPE_INT32:
    case NANOARROW_TYPE_UINT32: return 4;
    default: return 8;
    }
}

static ucid_status make_number_key(const group_source *self, int64_t groups, int which, struct ArrowArray *column,
                                   ucid_error *error)
{
    const key_column *k = &self->by[which];
    size_t width = k->kind == KEY_REAL ? 8 : width_of(k->type), length;
    arrow_leaf leaf;
    ucid_status status = arrow_leaf_fixed(column, groups, width, 1, &self->fold.allocator, &leaf, error);
    if (status != UCID_OK) return status;
    char *at = leaf.values;
    if (groups > 0) memset(at, 0, (size_t)groups * width);
    for (int64_t row = 0; row < groups; row++) {
        const char *part = key_part(self, row, which, &length);
        if (part == NULL) {
            arrow_leaf_null(&leaf, row);
            continue;
        }
        uint64_t word = 0;
        for (int i = 1; i <= 8; i++) word = word << 8 | (uint8_t)part[i];
        if (k->kind == KEY_REAL) {
            double value = word != UINT64_MAX ? ucid_double_of_order(word) : (double)NAN;
            memcpy(at + row * 8, &value, 8);
            continue;
        }
        if (k->type != NANOARROW_TYPE_UINT64) word = (uint64_t)ucid_whole_of_order(word);
        if (k->type == NANOARROW_TYPE_BOOL) {
            at[row >> 3] = (char)(at[row >> 3] | (char)(word << (row & 7)));
        } else {
            put_bytes(at + (size_t)row * width, word, (int)width);
        }
    }
    arrow_leaf_finish(&leaf, groups);
    return UCID_OK;
}

/* --------------------------------------------------------------------------------------------------------- Stream --
 */

static int column_count(arrow_fold *fold)
{
    const group_source *self = (const group_source *)fold;
    int count = self->by_count;
    if (!self->states) return count + self->asked_count;
    for (int s = 0; s < STATES; s++) count += has_state(self, s);
    return count;
}

static ArrowErrorCode name_column(struct ArrowSchema *column, const char *name, const char *format, int nullable)
{
    ArrowErrorCode code = ArrowSchemaSetFormat(column, format);
    if (code == NANOARROW_OK) code = ArrowSchemaSetName(column, name);
    column->flags = nullable ? ARROW_FLAG_NULLABLE : 0;
    return code;
}

static int describe(arrow_fold *fold, struct ArrowSchema *out)
{
    const group_source *self = (const group_source *)fold;
    ArrowErrorCode code = NANOARROW_OK;
    int c = 0;
    for (int k = 0; k < self->by_count && code == NANOARROW_OK; k++, c++) {
        const struct ArrowSchema *given = self->fold.schema.children[self->by[k].column];
        const char *whole = arrow_row_schema(given)->format;
        const char *format = self->by[k].kind == KEY_TEXT ? "u" : self->by[k].kind == KEY_REAL ? "g" : whole;
        code = name_column(out->children[c], given->name, format, 1);
    }
    for (int f = 0; f < self->asked_count && !self->states && code == NANOARROW_OK; f++, c++) {
        function of = self->asked[f].function;
        int always = of == F_COUNT || of == F_ROWS || of == F_NULLS;
        code = name_column(out->children[c], self->asked[f].name, gives_wholes(self, of) ? "l" : "g", !always);
    }
    for (int s = 0; s < STATES && self->states && code == NANOARROW_OK; s++) {
        const char *format = s > S_FLAGS ? "z" : is_extreme(s) && !self->whole ? "g" : "l";
        if (has_state(self, s)) code = name_column(out->children[c++], state_names[s], format, 0);
    }
    return code;
}

static ucid_status make_columns(arrow_fold *fold, struct ArrowArray *columns, int64_t *rows, ucid_error *error)
{
    group_source *self = (group_source *)fold;
    ucid_status status = ucid_groups_sort(self->groups, rows, error);
    for (int k = 0; k < self->by_count && status == UCID_OK; k++) {
        status = self->by[k].kind == KEY_TEXT ? make_text_key(self, *rows, k, &columns[k], error)
                                              : make_number_key(self, *rows, k, &columns[k], error);
    }
    if (status != UCID_OK) return status;
    return (self->states ? make_states : make_results)(self, *rows, columns + self->by_count, error);
}

static ucid_status begin(arrow_fold *fold, const void *given, ucid_error *error)
{
    group_source *self = (group_source *)fold;
    const ucid_group_stream_options *options = given;
    self->states = options->states;
    ucid_status status = read_functions(self, options->functions, error);
    if (status == UCID_OK) status = read_by(self, options->by, error);
    if (status == UCID_OK) status = find_states(self, error);
    if (status == UCID_OK) status = read_of(self, options->of, error);
    if (status != UCID_OK) return status;
    return ucid_groups_new(options->allocator, options->threads, self->what,
                           options->memory_bytes != 0 ? options->memory_bytes : MEMORY, &self->groups, error);
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
