/* aggregate_stream.c: a whole stream goes into an aggregate before the first group comes out; memory holds the groups
 * and one piece of a batch.
 *
 *     rows, or states of groups --pieces--> keys and values --> ucid_aggregate --> one batch: results, or states
 *
 * What the columns hold says what they are: a table with all columns of a state is one of states. */
#include "arrow/arrays.h"
#include "arrow/fold.h"
#include "arrow/stream.h"
#include "rt/bits.h"
#include "rt/error.h"
#include "rt/memory.h"

#include "nanoarrow.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { KEY_MAX = UCID_AGGREGATE_TEXT_MAX, CITY_LETTERS = 3, CELL_DIGITS = 15, GRADES = 6 };
enum { GROUPS_MAX = INT32_MAX / KEY_MAX }; /* texts have 32-bit offsets */

/* What a text key is, from fine to coarse. */
enum { BY_CITY, BY_REGION, BY_COUNTRY, BY_COUNT };
static const char *const text_keys[BY_COUNT] = {"city", "region", "country"};

typedef struct aggregate_source {
    arrow_fold fold;
    ucid_aggregate *aggregate;
    int resolution, to;                                      /* of the groups; -1 and BY_* for texts */
    int states;                                              /* what comes out */
    int of_states;                                           /* what goes in */
    int64_t cell, ucid, lat, lon, score, confidence, weight; /* columns, -1: none */
    int64_t text;                                            /* column of text keys, */
    int text_by;                                             /* and what they are */
    int64_t state[UCID_AGGREGATE_COLUMNS];
    arrow_numbers scores, confidences, weights, lats, lons;
    arrow_cells cells;
    arrow_texts texts;
    arrow_scratch validity, cell_of_row, city_of_row, statuses, key_bytes, key_offsets;
} aggregate_source;

static void reset(arrow_fold *fold)
{
    aggregate_source *self = (aggregate_source *)fold;
    ucid_allocator allocator = fold->allocator;
    arrow_numbers *numbers[] = {&self->scores, &self->confidences, &self->weights, &self->lats, &self->lons};
    arrow_scratch *scratches[] = {&self->validity, &self->cell_of_row, &self->city_of_row,
                                  &self->statuses, &self->key_bytes,   &self->key_offsets};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) arrow_numbers_reset(numbers[i], &allocator);
    for (size_t i = 0; i < sizeof scratches / sizeof scratches[0]; i++) arrow_scratch_reset(scratches[i], &allocator);
    arrow_cells_reset(&self->cells, &allocator);
    arrow_texts_reset(&self->texts, &allocator);
    ucid_aggregate_free(self->aggregate);
}

/* ------------------------------------------------------------------------------------------------------- Columns -- */

/* Position of a column of numbers; -1 where it is not there and need not be. */
static ucid_status find_numbers(const struct ArrowSchema *schema, const char *given, const char *usual, int needed,
                                int64_t *at, ucid_error *error)
{
    *at = given != NULL || usual != NULL ? arrow_find(schema, given != NULL ? given : usual, NULL) : -1;
    if (*at < 0)
        return given != NULL || needed ? arrow_missing(schema, given != NULL ? given : usual, "", error) : UCID_OK;
    return arrow_check_numbers(schema->children[*at], schema->children[*at]->name, error);
}

static int has_all_states(const struct ArrowSchema *schema, int64_t state[UCID_AGGREGATE_COLUMNS])
{
    for (int c = 0; c < UCID_AGGREGATE_COLUMNS; c++) {
        state[c] = arrow_find(schema, ucid_aggregate_column_name(c), NULL);
        if (state[c] < 0) return 0;
    }
    return 1;
}

static ucid_status find_cells(aggregate_source *self, const ucid_aggregate_stream_options *options, ucid_error *error)
{
    const struct ArrowSchema *schema = &self->fold.schema;
    self->cell = arrow_find(schema, options->cell_column, arrow_cell_names);
    if (self->cell < 0 && options->cell_column != NULL) return arrow_missing(schema, options->cell_column, "", error);
    if (self->cell >= 0) {
        return arrow_check_cells(schema->children[self->cell], schema->children[self->cell]->name, error);
    }
    if (self->of_states) return arrow_missing(schema, NULL, "cells (h3)", error);
    self->ucid = arrow_find(schema, NULL, arrow_ucid_names);
    if (self->ucid >= 0) {
        return arrow_check_texts(schema->children[self->ucid], schema->children[self->ucid]->name, error);
    }
    self->lat = arrow_find(schema, NULL, arrow_lat_names);
    self->lon = arrow_find(schema, NULL, arrow_lon_names);
    if (self->lat < 0 || self->lon < 0) {
        return arrow_missing(schema, NULL, "places (h3, ucid, or lat and lon)", error);
    }
    ucid_status status = arrow_check_numbers(schema->children[self->lat], schema->children[self->lat]->name, error);
    if (status != UCID_OK) return status;
    return arrow_check_numbers(schema->children[self->lon], schema->children[self->lon]->name, error);
}

/* A column of cities, or identifiers, which tell theirs; or of regions or countries that are fine enough. */
static ucid_status find_texts(aggregate_source *self, const ucid_aggregate_stream_options *options, ucid_error *error)
{
    const struct ArrowSchema *schema = &self->fold.schema;
    self->text = arrow_find(schema, options->city_column, arrow_city_names);
    self->text_by = BY_CITY;
    if (self->text < 0 && options->city_column != NULL) return arrow_missing(schema, options->city_column, "", error);
    if (self->text < 0 && !self->of_states) {
        self->ucid = arrow_find(schema, NULL, arrow_ucid_names);
        self->text = self->ucid;
    }
    for (int by = BY_REGION; by <= self->to && self->text < 0; by++) {
        self->text = arrow_find(schema, text_keys[by], NULL);
        self->text_by = by;
    }
    if (self->text < 0) return arrow_missing(schema, NULL, "cities (city, or ucid)", error);
    return arrow_check_texts(schema->children[self->text], schema->children[self->text]->name, error);
}

static ucid_status find_columns(aggregate_source *self, const ucid_aggregate_stream_options *options, ucid_error *error)
{
    const struct ArrowSchema *schema = &self->fold.schema;
    self->cell = self->ucid = self->lat = self->lon = self->text = -1;
    self->score = self->confidence = self->weight = -1;
    self->of_states = has_all_states(schema, self->state);
    if (self->of_states && (options->score_column != NULL || options->weight_column != NULL)) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "states are merged as they are: no column of scores or weights");
    }
    ucid_status status = UCID_OK;
    for (int c = 0; self->of_states && c < UCID_AGGREGATE_COLUMNS; c++) {
        const struct ArrowSchema *column = schema->children[self->state[c]];
        if (strcmp(column->format, "l") != 0) {
            return ucid_fail(error, UCID_DATA_ERROR, "column '%s' of a state does not hold int64", column->name);
        }
    }
    if (!self->of_states) {
        status = find_numbers(schema, options->score_column, "score", 1, &self->score, error);
        if (status == UCID_OK) status = find_numbers(schema, NULL, "confidence", 0, &self->confidence, error);
        if (status == UCID_OK) {
            status = find_numbers(schema, options->weight_column, NULL, 0, &self->weight, error);
        }
    }
    if (status != UCID_OK) return status;
    return self->resolution >= 0 ? find_cells(self, options, error) : find_texts(self, options, error);
}

/* "r7" or "city". */
static ucid_status read_to(aggregate_source *self, const char *to, ucid_error *error)
{
    self->resolution = -1;
    for (self->to = 0; to != NULL && self->to < BY_COUNT; self->to++) {
        if (strcmp(to, text_keys[self->to]) == 0) return UCID_OK;
    }
    int digits = to != NULL && to[0] == 'r' ? (int)strspn(to + 1, "0123456789") : 0;
    if (digits >= 1 && digits <= 2 && to[1 + digits] == '\0') {
        self->resolution = digits == 1 ? to[1] - '0' : 10 * (to[1] - '0') + (to[2] - '0');
    }
    if (self->resolution >= 0 && self->resolution <= 15) return UCID_OK;
    return ucid_fail(error, UCID_INVALID_ARGUMENT, "groups are r0..r15, city, region or country, not '%.40s'",
                     to != NULL ? to : "");
}

/* ------------------------------------------------------------------------------------------------------- Reading -- */

/* Key of a text that is a city, "US-CA" or "US", of what the groups are; empty where it is not known. */
static size_t key_of(const aggregate_source *self, ucid_text text, char key[KEY_MAX])
{
    ucid_city city;
    if (self->text_by == BY_CITY && self->to != BY_CITY) {
        if (text.length == 0 || ucid_city_get(NULL, text, &city, NULL) != UCID_OK) return 0;
        if (self->to == BY_REGION && city.region[0] == '\0') return 0;
        char made[64];
        int length = snprintf(made, sizeof made, self->to == BY_REGION ? "%s-%s" : "%s", city.country, city.region);
        if (length <= 0 || length > KEY_MAX) return 0;
        memcpy(key, made, (size_t)length);
        return (size_t)length;
    }
    size_t most = self->text_by == BY_CITY ? CITY_LETTERS : KEY_MAX, length = text.length;
    if (self->text_by == BY_REGION && self->to == BY_COUNTRY) {
        length = 0;
        while (length < text.length && text.data[length] != '-') length++;
    }
    if (length > most || (length > 0 && memchr(text.data, '\0', length) != NULL)) return 0;
    if (length > 0) memcpy(key, text.data, length);
    return length;
}

/* Text keys of a piece. Neighbours have often the same text, which is looked up once. */
static ucid_status read_keys(aggregate_source *self, const struct ArrowArray *batch, int64_t first, int64_t count,
                             ucid_error *error)
{
    size_t n = (size_t)count;
    ucid_status status = arrow_read_texts(self->fold.schema.children[self->text], batch->children[self->text],
                                          batch->offset + first, count, &self->fold.allocator, &self->texts, error);
    if (status == UCID_OK) {
        status = arrow_scratch_reserve(&self->key_bytes, &self->fold.allocator, (n + 1) * KEY_MAX, error);
    }
    if (status == UCID_OK) {
        status = arrow_scratch_reserve(&self->key_offsets, &self->fold.allocator, (n + 1) * sizeof(int32_t), error);
    }
    int by_ucid = self->text == self->ucid;
    if (status == UCID_OK && by_ucid) {
        status = arrow_scratch_reserve(&self->city_of_row, &self->fold.allocator, CITY_LETTERS * (n + 1), error);
        if (status == UCID_OK) status = arrow_scratch_reserve(&self->statuses, &self->fold.allocator, n + 1, error);
        ucid_texts texts = {self->texts.data, NULL, self->texts.offsets, 0, self->texts.validity};
        ucid_field_columns fields = {.city = self->city_of_row.bytes, .status = self->statuses.bytes};
        if (status == UCID_OK) status = ucid_texts_parse(count, &texts, UCID_LENIENT, NULL, &fields, error);
    }
    if (status != UCID_OK) return status;
    const char *cities = self->city_of_row.bytes;
    const uint8_t *bad = self->statuses.bytes;
    char *bytes = self->key_bytes.bytes;
    int32_t *offsets = self->key_offsets.bytes, at = 0;
    ucid_text last = {NULL, 0};
    size_t last_length = 0;
    offsets[0] = 0;
    for (int64_t row = 0; row < count; row++) {
        ucid_text text = {NULL, 0};
        if (by_ucid && bad[row] == UCID_OK) {
            text = (ucid_text){cities + CITY_LETTERS * row, CITY_LETTERS};
        } else if (!by_ucid && bit_is_set(self->texts.validity, row)) {
            int64_t from = self->texts.offsets[row];
            text = (ucid_text){self->texts.data + from, (size_t)(self->texts.offsets[row + 1] - from)};
        }
        if (row > 0 && text.length == last.length &&
            (text.length == 0 || memcmp(text.data, last.data, text.length) == 0)) {
            memmove(bytes + at, bytes + at - last_length, last_length);
        } else {
            last_length = key_of(self, text, bytes + at);
            last = text;
        }
        at += (int32_t)last_length;
        offsets[row + 1] = at;
    }
    return UCID_OK;
}

/* Cells of a piece into cell_of_row, 0 for rows without. */
static ucid_status read_cells(aggregate_source *self, const struct ArrowArray *batch, int64_t first, int64_t count,
                              ucid_error *error)
{
    const struct ArrowSchema *schema = &self->fold.schema;
    int64_t start = batch->offset + first;
    size_t n = (size_t)count;
    ucid_status status =
        arrow_scratch_reserve(&self->cell_of_row, &self->fold.allocator, (n + 1) * sizeof(uint64_t), error);
    if (status != UCID_OK) return status;
    uint64_t *cells = self->cell_of_row.bytes;
    if (self->cell >= 0) {
        status = arrow_read_cells(schema->children[self->cell], batch->children[self->cell], start, count,
                                  &self->fold.allocator, &self->cells, error);
        if (status != UCID_OK) return status;
        for (int64_t row = 0; row < count; row++) {
            cells[row] = bit_is_set(self->cells.validity, row) ? self->cells.values[row] : 0;
        }
        return UCID_OK;
    }
    if (self->ucid >= 0) {
        status = arrow_read_texts(schema->children[self->ucid], batch->children[self->ucid], start, count,
                                  &self->fold.allocator, &self->texts, error);
        if (status != UCID_OK) return status;
        ucid_texts texts = {self->texts.data, NULL, self->texts.offsets, 0, self->texts.validity};
        ucid_field_columns fields = {.cell = cells};
        return ucid_texts_parse(count, &texts, UCID_LENIENT, NULL, &fields, error);
    }
    status = arrow_read_numbers(schema->children[self->lat], batch->children[self->lat], start, count,
                                &self->fold.allocator, &self->lats, error);
    if (status == UCID_OK) {
        status = arrow_read_numbers(schema->children[self->lon], batch->children[self->lon], start, count,
                                    &self->fold.allocator, &self->lons, error);
    }
    const uint8_t *validities[] = {self->lats.validity, self->lons.validity}, *validity;
    if (status == UCID_OK) {
        status = arrow_validity_join(validities, 2, count, &self->fold.allocator, &self->validity, &validity, error);
    }
    if (status != UCID_OK) return status;
    return ucid_cells_at(count, self->lats.values, self->lons.values, validity, self->resolution, cells, NULL, error);
}

static ucid_status read_rows(aggregate_source *self, const struct ArrowArray *batch, int64_t first, int64_t count,
                             ucid_aggregate_rows *rows, ucid_error *error)
{
    struct {
        int64_t column;
        arrow_numbers *numbers;
        const double **values;
    } const wanted[] = {{self->score, &self->scores, &rows->score},
                        {self->confidence, &self->confidences, &rows->confidence},
                        {self->weight, &self->weights, &rows->weight}};
    const uint8_t *validities[3];
    int count_there = 0;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (wanted[i].column < 0) continue;
        ucid_status status =
            arrow_read_numbers(self->fold.schema.children[wanted[i].column], batch->children[wanted[i].column],
                               batch->offset + first, count, &self->fold.allocator, wanted[i].numbers, error);
        if (status != UCID_OK) return status;
        *wanted[i].values = wanted[i].numbers->values;
        validities[count_there++] = wanted[i].numbers->validity;
    }
    return arrow_validity_join(validities, count_there, count, &self->fold.allocator, &self->validity, &rows->validity,
                               error);
}

static ucid_status state_columns(const aggregate_source *self, const struct ArrowArray *batch, int64_t first,
                                 int64_t count, const int64_t *columns[UCID_AGGREGATE_COLUMNS], ucid_error *error)
{
    for (int c = 0; c < UCID_AGGREGATE_COLUMNS; c++) {
        const struct ArrowArray *column = batch->children[self->state[c]];
        const char *name = ucid_aggregate_column_name(c);
        if (column->n_buffers != 2 || (count > 0 && column->buffers[1] == NULL)) {
            return ucid_fail(error, UCID_DATA_ERROR, "column '%s': the array does not fit its schema", name);
        }
        int64_t start = column->offset + batch->offset + first;
        const uint8_t *bits = column->buffers[0];
        if (column->null_count != 0 && bits != NULL && ArrowBitCountSet(bits, start, count) != count) {
            return ucid_fail(error, UCID_DATA_ERROR, "column '%s' of a state has nulls", name);
        }
        columns[c] = count > 0 ? (const int64_t *)column->buffers[1] + start : NULL;
    }
    return UCID_OK;
}

/* Keys of texts, padded with NULs, over the bytes that they are made of: from the last to the first. */
static ucid_status pad_keys(aggregate_source *self, int64_t count, char (**padded)[KEY_MAX], ucid_error *error)
{
    ucid_status status =
        arrow_scratch_reserve(&self->city_of_row, &self->fold.allocator, ((size_t)count + 1) * KEY_MAX, error);
    if (status != UCID_OK) return status;
    const int32_t *offsets = self->key_offsets.bytes;
    const char *bytes = self->key_bytes.bytes;
    *padded = self->city_of_row.bytes;
    memset(*padded, 0, (size_t)count * KEY_MAX);
    for (int64_t row = 0; row < count; row++) {
        memcpy((*padded)[row], bytes + offsets[row], (size_t)(offsets[row + 1] - offsets[row]));
    }
    return UCID_OK;
}

static ucid_status add_rows(arrow_fold *fold, const struct ArrowArray *batch, int64_t first, int64_t count,
                            ucid_error *error)
{
    aggregate_source *self = (aggregate_source *)fold;
    int by_cell = self->resolution >= 0;
    ucid_status status =
        by_cell ? read_cells(self, batch, first, count, error) : read_keys(self, batch, first, count, error);
    if (status != UCID_OK) return status;
    const uint64_t *cells = self->cell_of_row.bytes;
    if (self->of_states) {
        const int64_t *columns[UCID_AGGREGATE_COLUMNS];
        char(*text)[KEY_MAX] = NULL;
        status = state_columns(self, batch, first, count, columns, error);
        if (status == UCID_OK && !by_cell) status = pad_keys(self, count, &text, error);
        if (status != UCID_OK) return status;
        return ucid_aggregate_add_states(self->aggregate, count, by_cell ? cells : NULL, text, columns, error);
    }
    ucid_aggregate_rows rows = UCID_AGGREGATE_ROWS_INIT;
    status = read_rows(self, batch, first, count, &rows, error);
    if (status != UCID_OK) return status;
    if (by_cell) return ucid_aggregate_add_cells(self->aggregate, count, cells, &rows, error);
    return ucid_aggregate_add_keys(self->aggregate, count, self->key_bytes.bytes, self->key_offsets.bytes, &rows,
                                   error);
}

/* ------------------------------------------------------------------------------------------------------- Writing -- */

/* Columns of results, in their order. */
enum {
    R_KEY,
    R_ROWS,
    R_NULLS,
    R_WEIGHT,
    R_SCORE,
    R_GRADE,
    R_CONFIDENCE,
    R_STD,
    R_MIN,
    R_MAX,
    R_GRADES,
    R_COUNT = R_GRADES + GRADES
};
static const struct {
    const char *name, *format;
    int nullable;
} result_columns[R_COUNT] = {
    {"", "u", 1},        {"rows", "l", 0},    {"nulls", "l", 0},      {"weight", "g", 0},
    {"score", "g", 1},   {"grade", "u", 1},   {"confidence", "g", 1}, {"std", "g", 1},
    {"min", "g", 1},     {"max", "g", 1},     {"grade_f", "l", 0},    {"grade_d", "l", 0},
    {"grade_c", "l", 0}, {"grade_b", "l", 0}, {"grade_a", "l", 0},    {"grade_a_plus", "l", 0}};
enum { COLUMNS_MAX = 1 + UCID_AGGREGATE_COLUMNS };

static const char *key_name(const aggregate_source *self) { return self->resolution >= 0 ? "h3" : text_keys[self->to]; }

static int column_count(arrow_fold *fold)
{
    const aggregate_source *self = (const aggregate_source *)fold;
    return self->states ? COLUMNS_MAX : (int)R_COUNT;
}

/* Where the scores come from stays with them: what other programs keep in the schema does not. */
static ArrowErrorCode copy_metadata(const char *from, struct ArrowSchema *to)
{
    struct ArrowMetadataReader reader;
    struct ArrowStringView key, value;
    struct ArrowBuffer buffer;
    ArrowErrorCode code = ArrowMetadataReaderInit(&reader, from);
    if (code == NANOARROW_OK) code = ArrowMetadataBuilderInit(&buffer, NULL);
    if (code != NANOARROW_OK) return code;
    while (code == NANOARROW_OK && ArrowMetadataReaderRead(&reader, &key, &value) == NANOARROW_OK) {
        if (key.size_bytes > 5 && memcmp(key.data, "ucid.", 5) == 0) {
            code = ArrowMetadataBuilderAppend(&buffer, key, value);
        }
    }
    if (code == NANOARROW_OK && buffer.size_bytes > 0) code = ArrowSchemaSetMetadata(to, (const char *)buffer.data);
    ArrowBufferReset(&buffer);
    return code;
}

static int describe(arrow_fold *fold, struct ArrowSchema *out)
{
    const aggregate_source *self = (const aggregate_source *)fold;
    ArrowErrorCode code = NANOARROW_OK;
    for (int i = 0; i < out->n_children && code == NANOARROW_OK; i++) {
        int state = self->states && i > 0;
        const char *name = i == R_KEY ? key_name(self)
                           : state    ? ucid_aggregate_column_name(i - 1)
                                      : result_columns[i].name;
        code = arrow_fold_column(out->children[i], name, state ? "l" : result_columns[i].format,
                                 !state && result_columns[i].nullable);
    }
    return code == NANOARROW_OK ? copy_metadata(fold->schema.metadata, out) : code;
}

static ucid_status put_keys(const aggregate_source *self, int64_t groups, const uint64_t *cells,
                            const char (*text)[KEY_MAX], struct ArrowArray *column, ucid_error *error)
{
    arrow_leaf leaf;
    ucid_status status =
        arrow_leaf_text(column, groups, ((size_t)groups + 1) * KEY_MAX, 1, 0, &self->fold.allocator, &leaf, error);
    if (status != UCID_OK) return status;
    char *bytes = leaf.values;
    int32_t at = 0;
    for (int64_t i = 0; i < groups; i++) {
        int32_t length = 0;
        if (cells != NULL && cells[i] != 0) {
            ucid_cell_format(cells[i], bytes + at); /* its NUL falls on the next one */
            length = CELL_DIGITS;
        } else if (cells == NULL) {
            while (length < KEY_MAX && text[i][length] != '\0') length++;
            if (length > 0) memcpy(bytes + at, text[i], (size_t)length);
        }
        if (length == 0) arrow_leaf_null(&leaf, i);
        at += length;
        leaf.offsets[i + 1] = at;
    }
    arrow_leaf_finish(&leaf, groups);
    return UCID_OK;
}

static ucid_status make_states(const aggregate_source *self, int64_t groups, uint64_t *cells, char (*text)[KEY_MAX],
                               struct ArrowArray *columns, ucid_error *error)
{
    int64_t *values[UCID_AGGREGATE_COLUMNS];
    for (int c = 0; c < UCID_AGGREGATE_COLUMNS; c++) {
        arrow_leaf leaf;
        ucid_status status =
            arrow_leaf_fixed(&columns[1 + c], groups, sizeof(int64_t), 0, &self->fold.allocator, &leaf, error);
        if (status != UCID_OK) return status;
        values[c] = leaf.values;
    }
    ucid_aggregate_states_get(self->aggregate, cells, text, values);
    return put_keys(self, groups, cells, text, &columns[R_KEY], error);
}

static const char *grade_name(uint8_t grade) { return ucid_grade_text(grade); }

static ucid_status make_results(const aggregate_source *self, int64_t groups, uint64_t *cells, char (*text)[KEY_MAX],
                                uint8_t *grades, struct ArrowArray *columns, ucid_error *error)
{
    ucid_aggregates out = {.cell = cells, .text = text, .grade = grades};
    arrow_leaf leaf[R_COUNT];
    for (int i = R_ROWS; i < R_COUNT; i++) {
        if (i == R_GRADE) continue;
        ucid_status status = arrow_leaf_fixed(&columns[i], groups, sizeof(double), result_columns[i].nullable,
                                              &self->fold.allocator, &leaf[i], error);
        if (status != UCID_OK) return status;
    }
    out.rows = leaf[R_ROWS].values;
    out.nulls = leaf[R_NULLS].values;
    out.weight = leaf[R_WEIGHT].values;
    out.mean = leaf[R_SCORE].values;
    out.confidence = leaf[R_CONFIDENCE].values;
    out.std = leaf[R_STD].values;
    out.min = leaf[R_MIN].values;
    out.max = leaf[R_MAX].values;
    for (int g = 0; g < GRADES; g++) out.grade_rows[g] = leaf[R_GRADES + g].values;
    ucid_aggregate_finish(self->aggregate, &out);
    for (int i = R_SCORE; i <= R_MAX; i++) {
        if (i == R_GRADE) continue;
        const double *values = leaf[i].values;
        for (int64_t row = 0; row < groups; row++) {
            if (isnan(values[row])) arrow_leaf_null(&leaf[i], row);
        }
        arrow_leaf_finish(&leaf[i], groups);
    }
    ucid_status status = arrow_leaf_names(&columns[R_GRADE], groups, grades, grade_name, leaf[R_SCORE].validity, 0,
                                          &self->fold.allocator, error);
    if (status == UCID_OK) status = put_keys(self, groups, cells, text, &columns[R_KEY], error);
    return status;
}

static ucid_status make_columns(arrow_fold *fold, struct ArrowArray *columns, int64_t *rows, ucid_error *error)
{
    aggregate_source *self = (aggregate_source *)fold;
    ucid_status status = ucid_aggregate_sort(self->aggregate, rows, error);
    if (status != UCID_OK) return status;
    int64_t groups = *rows;
    if (groups > GROUPS_MAX) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "%lld groups are more than %d", (long long)groups, GROUPS_MAX);
    }
    size_t n = (size_t)groups + 1;
    status = arrow_scratch_reserve(&self->key_bytes, &self->fold.allocator, n * KEY_MAX, error);
    if (status == UCID_OK) status = arrow_scratch_reserve(&self->statuses, &self->fold.allocator, n, error);
    if (status != UCID_OK) return status;
    int by_cell = self->resolution >= 0;
    uint64_t *cells = by_cell ? self->key_bytes.bytes : NULL;
    char(*text)[KEY_MAX] = by_cell ? NULL : self->key_bytes.bytes;
    return self->states ? make_states(self, groups, cells, text, columns, error)
                        : make_results(self, groups, cells, text, self->statuses.bytes, columns, error);
}

static ucid_status begin(arrow_fold *fold, const void *given, ucid_error *error)
{
    aggregate_source *self = (aggregate_source *)fold;
    const ucid_aggregate_stream_options *options = given;
    self->states = options->states;
    ucid_status status = read_to(self, options->to, error);
    if (status == UCID_OK) status = find_columns(self, options, error);
    if (status != UCID_OK) return status;
    ucid_aggregate_options groups = UCID_AGGREGATE_OPTIONS_INIT;
    groups.allocator = options->allocator;
    groups.threads = options->threads;
    groups.resolution = self->resolution >= 0 ? self->resolution : UCID_AGGREGATE_TEXT;
    return ucid_aggregate_new(&groups, &self->aggregate, error);
}

ucid_status ucid_aggregate_stream(struct ArrowArrayStream *in, const ucid_aggregate_stream_options *options,
                                  struct ArrowArrayStream *out, ucid_error *error)
{
    static const arrow_folder folder = {
        sizeof(aggregate_source), begin, add_rows, make_columns, column_count, describe, reset};
    if (options == NULL) return ucid_fail(error, UCID_INVALID_ARGUMENT, "options say what the groups are");
    arrow_fold_options of_fold = {options->allocator, options->progress, options->progress_ctx, options};
    return arrow_fold_open(in, &folder, &of_fold, out, error);
}
