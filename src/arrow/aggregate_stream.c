/* aggregate_stream.c: a whole stream goes into aggregates before the first group comes out; memory holds the groups
 * and one piece of a batch.
 *
 *     rows, or states of groups --pieces--> cells, values --> finest cells --> coarser ones --\
 *                                    \----> texts, values --> finest texts --> coarser ones ---+--> batches
 *
 * What the columns hold says what they are: a table with all columns of a state is one of states, one with the column
 * `states` alone has them as bytes, some thousand groups of a level a row, its name before them. Of a list of levels
 * rows are read once, into the finest cells and the finest texts of the list; all others are made of these. */
#include "arrow/arrays.h"
#include "arrow/fold.h"
#include "arrow/stream.h"
#include "kernel/aggregate.h"
#include "rt/bits.h"
#include "rt/error.h"
#include "rt/memory.h"
#include "rt/recycler.h"

#include "nanoarrow.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { KEY_MAX = UCID_AGGREGATE_TEXT_MAX, CITY_LETTERS = 3, CELL_DIGITS = 15, GRADES = 6 };
enum { RESULT_GROUPS = 1 << 18, GROUPS_MAX = INT32_MAX / KEY_MAX }; /* of a batch; texts have 32-bit offsets */
enum { LEVELS_MAX = 19, CELL_LEVELS = 16, ROWS_A_KEY = 8 };
enum { LEVEL_NAME_MAX = 8, PACKED_GROUPS = 1 << 16 }; /* of a row: some megabytes at most */
static const char packed_column[] = "states";

/* What a text key is, from fine to coarse. */
enum { BY_CITY, BY_REGION, BY_COUNTRY, BY_COUNT };
static const char *const text_keys[BY_COUNT] = {"city", "region", "country"};

/* Cells of a resolution, or texts. */
typedef struct level {
    int resolution, by; /* of them one is -1 */
} level;

/* Groups of a level, from one of them on, that stand from one place of the batch on. */
typedef struct made_level {
    level of;
    ucid_aggregate *groups;
    int64_t from, first, count;
} made_level;

typedef struct made_levels {
    made_level levels[LEVELS_MAX];
    int count;
    int64_t groups;
    uint64_t *cells;       /* [groups] for levels of cells, */
    char (*text)[KEY_MAX]; /* and of texts */
    uint8_t *grades;       /* [groups] */
} made_levels;

typedef struct aggregate_source {
    arrow_fold fold;
    level levels[LEVELS_MAX];
    int level_count, is_list;
    int resolution, to;                                       /* of the finest cells; BY_* of the finest texts; or -1 */
    ucid_aggregate *by_cell[CELL_LEVELS], *by_text[BY_COUNT]; /* the finest first; others when all rows are there */
    int threads, states;                                      /* states: what comes out, a UCID_STATES_* */
    made_levels made;                                         /* when all rows are there; of them: */
    int next_level;                                           /* the level that comes out next, */
    int64_t next_group;                                       /* and its first group that is not out */
    ucid_recycler *recycler;                                  /* columns of a batch are as large as those before */
    ucid_allocator columns;
    int64_t packed;                                          /* column of states in bytes, -1: none */
    int64_t level_name;                                      /* column of levels of states, -1: none */
    int of_states;                                           /* what goes in */
    int64_t cell, ucid, lat, lon, score, confidence, weight; /* columns, -1: none */
    int64_t text;                                            /* column of text keys, */
    int text_by;                                             /* and what they are */
    int64_t state[UCID_AGGREGATE_COLUMNS];
    arrow_numbers scores, confidences, weights, lats, lons;
    arrow_cells cells;
    arrow_texts texts, level_names;
    arrow_scratch validity, cell_of_row, city_of_row, statuses, key_bytes, key_offsets, numbers;
    const uint64_t *given_cells; /* of a piece: of the batch, or cell_of_row */
    int64_t key_count;           /* numbers of rows are below */
} aggregate_source;

static void reset(arrow_fold *fold)
{
    aggregate_source *self = (aggregate_source *)fold;
    ucid_allocator allocator = fold->allocator;
    arrow_numbers *numbers[] = {&self->scores, &self->confidences, &self->weights, &self->lats, &self->lons};
    arrow_scratch *scratches[] = {&self->validity,  &self->cell_of_row, &self->city_of_row, &self->statuses,
                                  &self->key_bytes, &self->key_offsets, &self->numbers};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) arrow_numbers_reset(numbers[i], &allocator);
    for (size_t i = 0; i < sizeof scratches / sizeof scratches[0]; i++) arrow_scratch_reset(scratches[i], &allocator);
    arrow_cells_reset(&self->cells, &allocator);
    arrow_texts_reset(&self->texts, &allocator);
    arrow_texts_reset(&self->level_names, &allocator);
    for (int r = 0; r < CELL_LEVELS; r++) ucid_aggregate_free(self->by_cell[r]);
    for (int by = 0; by < BY_COUNT; by++) ucid_aggregate_free(self->by_text[by]);
    ucid_recycler_leave(self->recycler);
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

/* States of several levels have their names and keys. */
static ucid_status find_levels(aggregate_source *self, ucid_error *error)
{
    const struct ArrowSchema *schema = &self->fold.schema;
    self->level_name = arrow_find(schema, "level", NULL);
    self->cell = self->text = arrow_find(schema, "key", NULL);
    if (self->level_name < 0) return arrow_missing(schema, "level", "", error);
    if (self->text < 0) return arrow_missing(schema, "key", "", error);
    self->text_by = self->to;
    ucid_status status = arrow_check_texts(schema->children[self->level_name], "level", error);
    return status == UCID_OK ? arrow_check_texts(schema->children[self->text], "key", error) : status;
}

static ucid_status find_columns(aggregate_source *self, const ucid_aggregate_stream_options *options, ucid_error *error)
{
    const struct ArrowSchema *schema = &self->fold.schema;
    self->cell = self->ucid = self->lat = self->lon = self->text = -1;
    self->score = self->confidence = self->weight = self->level_name = -1;
    self->packed = schema->n_children == 1 ? arrow_find(schema, packed_column, NULL) : -1;
    self->of_states = has_all_states(schema, self->state);
    if ((self->of_states || self->packed >= 0) && (options->score_column != NULL || options->weight_column != NULL)) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "states are merged as they are: no column of scores or weights");
    }
    if (self->packed >= 0) return arrow_check_texts(schema->children[self->packed], packed_column, error);
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
    if (status == UCID_OK && self->of_states && self->is_list) return find_levels(self, error);
    if (status == UCID_OK && self->resolution >= 0) status = find_cells(self, options, error);
    return status == UCID_OK && self->to >= 0 ? find_texts(self, options, error) : status;
}

/* "r7" or "city". */
static int read_level(const char *name, size_t length, level *out)
{
    *out = (level){-1, -1};
    for (int by = 0; by < BY_COUNT; by++) {
        if (length == strlen(text_keys[by]) && memcmp(name, text_keys[by], length) == 0) out->by = by;
    }
    int resolution = length > 1 && length <= 3 && name[0] == 'r' ? 0 : -1;
    for (size_t i = 1; i < length && resolution >= 0; i++) {
        resolution = name[i] >= '0' && name[i] <= '9' ? 10 * resolution + (name[i] - '0') : -1;
    }
    if (resolution <= 15) out->resolution = resolution;
    return out->resolution >= 0 || out->by >= 0;
}

/* One level, or a list of them, each but the last with a comma behind; the last may have one. */
static ucid_status read_to(aggregate_source *self, const char *to, ucid_error *error)
{
    self->resolution = self->to = -1;
    const char *name = to != NULL ? to : "";
    for (size_t length; !self->is_list || name[0] != '\0'; name += length + 1) {
        level one;
        length = strcspn(name, ",");
        if (!read_level(name, length, &one)) {
            return ucid_fail(error, UCID_INVALID_ARGUMENT, "groups are r0..r15, city, region or country, not '%.*s'",
                             (int)(length < 40 ? length : 40), name);
        }
        for (int i = 0; i < self->level_count; i++) { /* so there are no more than LEVELS_MAX */
            if (self->levels[i].resolution == one.resolution && self->levels[i].by == one.by) {
                return ucid_fail(error, UCID_INVALID_ARGUMENT, "groups '%.*s' are asked for twice", (int)length, name);
            }
        }
        self->levels[self->level_count++] = one;
        if (one.resolution > self->resolution) self->resolution = one.resolution;
        if (one.by >= 0 && (self->to < 0 || one.by < self->to)) self->to = one.by;
        if (name[length] == '\0') break;
        self->is_list = 1;
    }
    return UCID_OK;
}

/* ------------------------------------------------------------------------------------------------------- Reading -- */

/* Key, of what the groups are, of a text that is a city, "US-CA" or "US"; empty where it is not known. */
static size_t key_of(int text_by, int to, ucid_text text, char key[KEY_MAX])
{
    ucid_city city;
    if (text_by == BY_CITY && to != BY_CITY) {
        if (text.length == 0 || ucid_city_get(NULL, text, &city, NULL) != UCID_OK) return 0;
        if (to == BY_REGION && city.region[0] == '\0') return 0;
        char made[64];
        int length = snprintf(made, sizeof made, to == BY_REGION ? "%s-%s" : "%s", city.country, city.region);
        if (length <= 0 || length > KEY_MAX) return 0;
        memcpy(key, made, (size_t)length);
        return (size_t)length;
    }
    size_t most = text_by == BY_CITY ? CITY_LETTERS : KEY_MAX, length = text.length;
    if (text_by == BY_REGION && to == BY_COUNTRY) {
        length = 0;
        while (length < text.length && text.data[length] != '-') length++;
    }
    if (length > most || (length > 0 && memchr(text.data, '\0', length) != NULL)) return 0;
    if (length > 0) memcpy(key, text.data, length);
    return length;
}

/* Room for so many keys and for the numbers of rows. */
static ucid_status reserve_keys(aggregate_source *self, int64_t keys, int64_t rows, ucid_error *error)
{
    const ucid_allocator *allocator = &self->fold.allocator;
    size_t n = (size_t)keys;
    ucid_status status = arrow_scratch_reserve(&self->key_bytes, allocator, (n + 1) * KEY_MAX, error);
    if (status == UCID_OK) {
        status = arrow_scratch_reserve(&self->key_offsets, allocator, (n + 1) * sizeof(int32_t), error);
    }
    if (status == UCID_OK) {
        status = arrow_scratch_reserve(&self->numbers, allocator, ((size_t)rows + 1) * sizeof(uint32_t), error);
    }
    self->key_count = 0;
    if (status == UCID_OK) *(int32_t *)self->key_offsets.bytes = 0;
    return status;
}

static void put_key(aggregate_source *self, ucid_text text)
{
    int32_t *offsets = (int32_t *)self->key_offsets.bytes + self->key_count++;
    size_t length = key_of(self->text_by, self->to, text, (char *)self->key_bytes.bytes + offsets[0]);
    offsets[1] = offsets[0] + (int32_t)length;
}

static ucid_text text_at(const arrow_texts *texts, int64_t row)
{
    int64_t from = texts->offsets[row];
    return bit_is_set(texts->validity, row) ? (ucid_text){texts->data + from, (size_t)(texts->offsets[row + 1] - from)}
                                            : (ucid_text){NULL, 0};
}

/* Text keys of a dictionary, then one for rows without. */
static ucid_status read_entries(aggregate_source *self, const struct ArrowArray *column, int64_t first, int64_t count,
                                ucid_error *error)
{
    const struct ArrowSchema *schema = self->fold.schema.children[self->text];
    int64_t length = column->dictionary->length;
    ucid_status status = reserve_keys(self, length + 1, count, error);
    if (status == UCID_OK) status = arrow_read_entries(schema, column, first, count, self->numbers.bytes, error);
    if (status == UCID_OK) {
        status = arrow_read_texts(schema->dictionary, column->dictionary, 0, length, &self->fold.allocator,
                                  &self->texts, error);
    }
    for (int64_t entry = 0; status == UCID_OK && entry < length; entry++) put_key(self, text_at(&self->texts, entry));
    if (status == UCID_OK) put_key(self, (ucid_text){NULL, 0});
    return status;
}

/* Text keys of a piece. Neighbours have often the same text, which is looked up once. */
static ucid_status read_keys(aggregate_source *self, const struct ArrowArray *batch, int64_t first, int64_t count,
                             ucid_error *error)
{
    size_t n = (size_t)count;
    const struct ArrowArray *column = batch->children[self->text];
    int by_ucid = self->text == self->ucid;
    if (!by_ucid && column->dictionary != NULL && column->dictionary->length <= count) {
        return read_entries(self, column, batch->offset + first, count, error);
    }
    ucid_status status = arrow_read_texts(self->fold.schema.children[self->text], column, batch->offset + first, count,
                                          &self->fold.allocator, &self->texts, error);
    if (status == UCID_OK) status = reserve_keys(self, count, count, error);
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
    uint32_t *numbers = self->numbers.bytes;
    ucid_text last = {NULL, 0};
    for (int64_t row = 0; row < count; row++) {
        ucid_text text = {NULL, 0};
        if (!by_ucid) {
            text = text_at(&self->texts, row);
        } else if (bad[row] == UCID_OK) {
            text = (ucid_text){cities + CITY_LETTERS * row, CITY_LETTERS};
        }
        if (row == 0 || text.length != last.length ||
            (text.length > 0 && memcmp(text.data, last.data, text.length) != 0)) {
            put_key(self, text);
            last = text;
        }
        numbers[row] = (uint32_t)(self->key_count - 1);
    }
    return UCID_OK;
}

/* Cells of a piece, 0 for rows without. */
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
    self->given_cells = cells;
    if (self->cell >= 0) {
        status = arrow_read_cells(schema->children[self->cell], batch->children[self->cell], start, count,
                                  &self->fold.allocator, &self->cells, error);
        if (status != UCID_OK) return status;
        if (self->cells.validity == NULL) {
            self->given_cells = self->cells.values;
            return UCID_OK;
        }
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

/* Keys of rows, padded with NULs. */
static ucid_status pad_keys(aggregate_source *self, int64_t count, char (**padded)[KEY_MAX], ucid_error *error)
{
    ucid_status status =
        arrow_scratch_reserve(&self->city_of_row, &self->fold.allocator, ((size_t)count + 1) * KEY_MAX, error);
    if (status != UCID_OK) return status;
    const int32_t *offsets = self->key_offsets.bytes;
    const uint32_t *numbers = self->numbers.bytes;
    const char *bytes = self->key_bytes.bytes;
    *padded = self->city_of_row.bytes;
    memset(*padded, 0, (size_t)count * KEY_MAX);
    for (int64_t row = 0; row < count; row++) {
        const int32_t *at = offsets + numbers[row];
        memcpy((*padded)[row], bytes + at[0], (size_t)(at[1] - at[0]));
    }
    return UCID_OK;
}

static ucid_status add_states(aggregate_source *self, const struct ArrowArray *batch, int64_t first, int64_t count,
                              int by_cell, ucid_error *error)
{
    const int64_t *columns[UCID_AGGREGATE_COLUMNS];
    char(*text)[KEY_MAX] = NULL;
    ucid_status status =
        by_cell ? read_cells(self, batch, first, count, error) : read_keys(self, batch, first, count, error);
    if (status == UCID_OK) status = state_columns(self, batch, first, count, columns, error);
    if (status == UCID_OK && !by_cell) status = pad_keys(self, count, &text, error);
    if (status != UCID_OK) return status;
    if (by_cell) {
        return ucid_aggregate_add_states(self->by_cell[self->resolution], count, self->given_cells, NULL, columns,
                                         error);
    }
    return ucid_aggregate_add_states(self->by_text[self->to], count, NULL, text, columns, error);
}

/* States of several levels: rows of one level after another. */
static ucid_status add_levels(aggregate_source *self, const struct ArrowArray *batch, int64_t first, int64_t count,
                              ucid_error *error)
{
    ucid_status status =
        arrow_read_texts(self->fold.schema.children[self->level_name], batch->children[self->level_name],
                         batch->offset + first, count, &self->fold.allocator, &self->level_names, error);
    for (int64_t row = 0, next; row < count && status == UCID_OK; row = next) {
        ucid_text name = text_at(&self->level_names, row), other;
        level one;
        for (next = row + 1; next < count; next++) {
            other = text_at(&self->level_names, next);
            if (other.length != name.length || (name.length > 0 && memcmp(other.data, name.data, name.length) != 0))
                break;
        }
        if (name.length == 0 || !read_level(name.data, name.length, &one) ||
            (one.by >= 0 ? one.by != self->to : one.resolution != self->resolution)) {
            return ucid_fail_at(error, UCID_DATA_ERROR, first + row, -1,
                                "row %lld: level '%.*s' is not the finest of those asked for", (long long)(first + row),
                                (int)(name.length < 40 ? name.length : 40), name.length > 0 ? name.data : "");
        }
        status = add_states(self, batch, first + row, next - row, one.by < 0, error);
    }
    return status;
}

static ucid_status new_groups(const aggregate_source *self, int resolution, ucid_aggregate **out, ucid_error *error)
{
    ucid_aggregate_options options = UCID_AGGREGATE_OPTIONS_INIT;
    options.allocator = &self->fold.allocator;
    options.threads = self->threads;
    options.resolution = resolution;
    return ucid_aggregate_new(&options, out, error);
}

/* States in bytes. */
static ucid_status add_packed(aggregate_source *self, const struct ArrowArray *batch, int64_t first, int64_t count,
                              ucid_error *error)
{
    ucid_status status = arrow_read_texts(self->fold.schema.children[self->packed], batch->children[self->packed],
                                          batch->offset + first, count, &self->fold.allocator, &self->texts, error);
    for (int64_t row = 0; row < count && status == UCID_OK; row++) {
        ucid_text text = text_at(&self->texts, row);
        level one = {-1, -1};
        if (text.length >= LEVEL_NAME_MAX) {
            const char *end = memchr(text.data, '\0', LEVEL_NAME_MAX);
            (void)read_level(text.data, end != NULL ? (size_t)(end - text.data) : LEVEL_NAME_MAX, &one);
        }
        ucid_aggregate **into = NULL;
        if (self->resolution >= 0 && one.resolution >= self->resolution) into = &self->by_cell[self->resolution];
        if (one.by >= 0 && one.by <= self->to) into = &self->by_text[one.by];
        if (into == NULL) {
            return ucid_fail_at(error, UCID_DATA_ERROR, first + row, -1,
                                "row %lld: column '%s' holds no states of what is asked for", (long long)(first + row),
                                packed_column);
        }
        if (*into == NULL) status = new_groups(self, UCID_AGGREGATE_TEXT, into, error);
        if (status != UCID_OK) break;
        const uint8_t *bytes = (const uint8_t *)text.data + LEVEL_NAME_MAX;
        status = ucid_aggregate_add_packed(*into, bytes, text.length - LEVEL_NAME_MAX, error);
    }
    return status;
}

static ucid_status add_rows(arrow_fold *fold, const struct ArrowArray *batch, int64_t first, int64_t count,
                            ucid_error *error)
{
    aggregate_source *self = (aggregate_source *)fold;
    if (self->packed >= 0) return add_packed(self, batch, first, count, error);
    if (self->level_name >= 0) return add_levels(self, batch, first, count, error);
    if (self->of_states) return add_states(self, batch, first, count, self->resolution >= 0, error);
    ucid_aggregate_rows rows = UCID_AGGREGATE_ROWS_INIT;
    ucid_status status = UCID_OK;
    if (self->resolution >= 0) status = read_cells(self, batch, first, count, error);
    if (status == UCID_OK && self->to >= 0) status = read_keys(self, batch, first, count, error);
    if (status == UCID_OK) status = read_rows(self, batch, first, count, &rows, error);
    if (status == UCID_OK && self->resolution >= 0) {
        status = ucid_aggregate_add_cells(self->by_cell[self->resolution], count, self->given_cells, &rows, error);
    }
    if (status == UCID_OK && self->to >= 0) {
        status =
            ucid_aggregate_add_numbered(self->by_text[self->to], count, self->numbers.bytes, (uint32_t)self->key_count,
                                        self->key_bytes.bytes, self->key_offsets.bytes, &rows, error);
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------------- Writing -- */

/* Columns of results, in their order. */
enum {
    R_KEY, /* the last of its columns */
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

/* Columns before those of the groups: of a list the level, then the key. */
static int key_columns(const aggregate_source *self) { return self->is_list ? 2 : 1; }

static const char *key_name(const aggregate_source *self, int column)
{
    if (self->is_list) return column == 0 ? "level" : "key";
    return self->resolution >= 0 ? "h3" : text_keys[self->to];
}

static int column_count(arrow_fold *fold)
{
    const aggregate_source *self = (const aggregate_source *)fold;
    if (self->states == UCID_STATES_BYTES) return 1;
    return key_columns(self) - 1 + (self->states ? COLUMNS_MAX : (int)R_COUNT);
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
    if (self->states == UCID_STATES_BYTES) {
        code = arrow_fold_column(out->children[0], packed_column, "z", 1);
        return code == NANOARROW_OK ? copy_metadata(fold->schema.metadata, out) : code;
    }
    int keys = key_columns(self);
    for (int i = 0; i < out->n_children && code == NANOARROW_OK; i++) {
        int of_groups = i - keys; /* column of the groups */
        if (of_groups < 0) {
            code = arrow_fold_column(out->children[i], key_name(self, i), "u", i == keys - 1);
        } else if (self->states) {
            code = arrow_fold_column(out->children[i], ucid_aggregate_column_name(of_groups), "l", 0);
        } else {
            code = arrow_fold_column(out->children[i], result_columns[R_ROWS + of_groups].name,
                                     result_columns[R_ROWS + of_groups].format,
                                     result_columns[R_ROWS + of_groups].nullable);
        }
    }
    return code == NANOARROW_OK ? copy_metadata(fold->schema.metadata, out) : code;
}

/* Returns the length. */
static int write_level(level one, char name[LEVEL_NAME_MAX])
{
    return one.by >= 0 ? snprintf(name, LEVEL_NAME_MAX, "%s", text_keys[one.by])
                       : snprintf(name, LEVEL_NAME_MAX, "r%d", one.resolution);
}

static ucid_status put_levels(const aggregate_source *self, const made_levels *made, struct ArrowArray *column,
                              ucid_error *error)
{
    arrow_leaf leaf;
    ucid_status status = arrow_leaf_text(column, made->groups, (size_t)made->groups * LEVEL_NAME_MAX + LEVEL_NAME_MAX,
                                         0, 0, &self->columns, &leaf, error);
    if (status != UCID_OK) return status;
    char *bytes = leaf.values;
    int64_t at = 0;
    for (int l = 0; l < made->count; l++) {
        const made_level *one = &made->levels[l];
        char name[LEVEL_NAME_MAX];
        int length = write_level(one->of, name);
        for (int64_t i = one->first; i < one->first + one->count; i++) {
            memcpy(bytes + at, name, (size_t)length);
            at += length;
            arrow_leaf_end(&leaf, i, at);
        }
    }
    return UCID_OK;
}

static ucid_status put_keys(const aggregate_source *self, const made_levels *made, struct ArrowArray *column,
                            ucid_error *error)
{
    arrow_leaf leaf;
    ucid_status status =
        arrow_leaf_text(column, made->groups, ((size_t)made->groups + 1) * KEY_MAX, 1, 0, &self->columns, &leaf, error);
    if (status != UCID_OK) return status;
    char *bytes = leaf.values;
    int32_t at = 0;
    for (int l = 0; l < made->count; l++) {
        const made_level *one = &made->levels[l];
        for (int64_t i = one->first; i < one->first + one->count; i++) {
            int32_t length = 0;
            if (one->of.by >= 0) {
                while (length < KEY_MAX && made->text[i][length] != '\0') length++;
                if (length > 0) memcpy(bytes + at, made->text[i], (size_t)length);
            } else if (made->cells[i] != 0) {
                ucid_cell_format(made->cells[i], bytes + at); /* its NUL falls on the next one */
                length = CELL_DIGITS;
            }
            if (length == 0) arrow_leaf_null(&leaf, i);
            at += length;
            leaf.offsets[i + 1] = at;
        }
    }
    arrow_leaf_finish(&leaf, made->groups);
    return UCID_OK;
}

static ucid_status make_states(const aggregate_source *self, const made_levels *made, struct ArrowArray *columns,
                               ucid_error *error)
{
    int64_t *values[UCID_AGGREGATE_COLUMNS], *at[UCID_AGGREGATE_COLUMNS];
    for (int c = 0; c < UCID_AGGREGATE_COLUMNS; c++) {
        arrow_leaf leaf;
        ucid_status status =
            arrow_leaf_fixed(&columns[c], made->groups, sizeof(int64_t), 0, &self->columns, &leaf, error);
        if (status != UCID_OK) return status;
        values[c] = leaf.values;
    }
    for (int l = 0; l < made->count; l++) {
        const made_level *one = &made->levels[l];
        for (int c = 0; c < UCID_AGGREGATE_COLUMNS; c++) at[c] = values[c] + one->first;
        int by_cell = one->of.by < 0;
        ucid_aggregate_states_get(one->groups, by_cell ? made->cells + one->first : NULL,
                                  by_cell ? NULL : made->text + one->first, at);
    }
    return UCID_OK;
}

static const char *grade_name(uint8_t grade) { return ucid_grade_text(grade); }

static void finish_level(const made_levels *made, const made_level *one, const arrow_leaf *leaf)
{
    int64_t first = one->first;
    ucid_aggregates out = {.rows = (int64_t *)leaf[R_ROWS].values + first,
                           .nulls = (int64_t *)leaf[R_NULLS].values + first,
                           .weight = (double *)leaf[R_WEIGHT].values + first,
                           .mean = (double *)leaf[R_SCORE].values + first,
                           .confidence = (double *)leaf[R_CONFIDENCE].values + first,
                           .std = (double *)leaf[R_STD].values + first,
                           .min = (double *)leaf[R_MIN].values + first,
                           .max = (double *)leaf[R_MAX].values + first,
                           .grade = made->grades + first};
    if (one->of.by < 0) {
        out.cell = made->cells + first;
    } else {
        out.text = made->text + first;
    }
    for (int g = 0; g < GRADES; g++) out.grade_rows[g] = (int64_t *)leaf[R_GRADES + g].values + first;
    ucid_aggregate_finish(one->groups, one->from, one->count, &out);
}

/* columns: from that of the rows on. */
static ucid_status make_results(const aggregate_source *self, const made_levels *made, struct ArrowArray *columns,
                                ucid_error *error)
{
    arrow_leaf leaf[R_COUNT];
    for (int i = R_ROWS; i < R_COUNT; i++) {
        if (i == R_GRADE) continue;
        ucid_status status = arrow_leaf_fixed(&columns[i - R_ROWS], made->groups, sizeof(double),
                                              result_columns[i].nullable, &self->columns, &leaf[i], error);
        if (status != UCID_OK) return status;
    }
    for (int l = 0; l < made->count; l++) finish_level(made, &made->levels[l], leaf);
    for (int i = R_SCORE; i <= R_MAX; i++) {
        if (i == R_GRADE) continue;
        const double *values = leaf[i].values;
        for (int64_t row = 0; row < made->groups; row++) {
            if (isnan(values[row])) arrow_leaf_null(&leaf[i], row);
        }
        arrow_leaf_finish(&leaf[i], made->groups);
    }
    return arrow_leaf_names(&columns[R_GRADE - R_ROWS], made->groups, made->grades, grade_name, leaf[R_SCORE].validity,
                            0, &self->columns, error);
}

/* --------------------------------------------------------------------------------------------------------- Levels --
 */

/* Groups of finer texts go into those of regions or countries. */
static ucid_status coarsen_texts(aggregate_source *self, int finer, int by, ucid_error *error)
{
    const ucid_allocator *allocator = &self->fold.allocator;
    int64_t groups = 0, *columns[UCID_AGGREGATE_COLUMNS];
    ucid_status status = ucid_aggregate_sort(self->by_text[finer], &groups, error);
    size_t n = (size_t)groups + 1;
    if (status == UCID_OK) {
        status =
            arrow_scratch_reserve(&self->city_of_row, allocator, n * UCID_AGGREGATE_COLUMNS * sizeof(int64_t), error);
    }
    if (status == UCID_OK) status = arrow_scratch_reserve(&self->key_bytes, allocator, n * KEY_MAX, error);
    if (status == UCID_OK && self->by_text[by] == NULL) {
        status = new_groups(self, UCID_AGGREGATE_TEXT, &self->by_text[by], error);
    }
    if (status != UCID_OK) return status;
    char(*text)[KEY_MAX] = self->key_bytes.bytes;
    for (int c = 0; c < UCID_AGGREGATE_COLUMNS; c++) columns[c] = (int64_t *)self->city_of_row.bytes + n * (size_t)c;
    ucid_aggregate_states_get(self->by_text[finer], NULL, text, columns);
    for (int64_t i = 0; i < groups; i++) {
        char key[KEY_MAX] = {0};
        size_t length = 0;
        while (length < KEY_MAX && text[i][length] != '\0') length++;
        (void)key_of(finer, by, (ucid_text){text[i], length}, key);
        memcpy(text[i], key, sizeof key);
    }
    return ucid_aggregate_add_states(self->by_text[by], groups, NULL, (const char(*)[KEY_MAX])text,
                                     (const int64_t *const *)columns, error);
}

/* All levels that are asked for, each of the next finer one. */
static ucid_status coarsen(aggregate_source *self, ucid_error *error)
{
    int asked[CELL_LEVELS] = {0}, finer = self->resolution;
    ucid_status status = UCID_OK;
    for (int l = 0; l < self->level_count && status == UCID_OK; l++) {
        level one = self->levels[l];
        if (one.resolution >= 0) asked[one.resolution] = 1;
        if (one.by >= 0 && self->by_text[one.by] == NULL) status = coarsen_texts(self, self->to, one.by, error);
    }
    for (int r = self->resolution - 1; r >= 0 && status == UCID_OK; r--) {
        if (!asked[r]) continue;
        status = new_groups(self, r, &self->by_cell[r], error);
        if (status == UCID_OK) status = ucid_aggregate_merge(self->by_cell[r], self->by_cell[finer], error);
        finer = r;
    }
    return status;
}

/* Which levels are given: results of all in their order, states of the finest cells, then of the finest texts. */
static ucid_status find_made(aggregate_source *self, made_levels *made, ucid_error *error)
{
    const level finest[] = {{self->resolution, -1}, {-1, self->to}};
    ucid_status status = UCID_OK;
    for (int by = 0; by < self->to && status == UCID_OK; by++) { /* finer states came */
        if (self->by_text[by] != NULL) status = coarsen_texts(self, by, self->to, error);
    }
    if (!self->states && status == UCID_OK) status = coarsen(self, error);
    for (int l = 0; l < (self->states ? 2 : self->level_count) && status == UCID_OK; l++) {
        level of = self->states ? finest[l] : self->levels[l];
        if (of.resolution < 0 && of.by < 0) continue;
        made_level *one = &made->levels[made->count++];
        *one = (made_level){of, of.by >= 0 ? self->by_text[of.by] : self->by_cell[of.resolution], 0, made->groups, 0};
        status = ucid_aggregate_sort(one->groups, &one->count, error);
        made->groups += one->count;
    }
    return status;
}

/* The groups that come out next, at most so many, of one level or of any. */
static made_levels take_groups(aggregate_source *self, int64_t most, int levels)
{
    const made_levels *made = &self->made;
    made_levels batch = {.count = 0};
    for (; self->next_level < made->count; self->next_level++, self->next_group = 0) {
        const made_level *one = &made->levels[self->next_level];
        int64_t left = one->count - self->next_group, room = batch.count < levels ? most - batch.groups : 0;
        int64_t count = left < room ? left : room;
        if (count > 0) {
            batch.levels[batch.count++] = (made_level){one->of, one->groups, self->next_group, batch.groups, count};
            batch.groups += count;
            self->next_group += count;
        }
        if (count < left) break;
    }
    self->fold.more = self->next_level < made->count;
    return batch;
}

/* A row of some groups; there is none where there are no groups. */
static ucid_status make_packed(aggregate_source *self, struct ArrowArray *column, int64_t *rows, ucid_error *error)
{
    const made_levels batch = take_groups(self, PACKED_GROUPS, 1);
    const made_level *one = &batch.levels[0];
    *rows = batch.count;
    size_t bytes = *rows ? LEVEL_NAME_MAX + ucid_aggregate_pack(one->groups, one->from, one->count, NULL) : 0;
    arrow_leaf leaf;
    ucid_status status = arrow_leaf_text(column, *rows, bytes, 0, 0, &self->columns, &leaf, error);
    if (status != UCID_OK || *rows == 0) return status;
    char name[LEVEL_NAME_MAX] = {0}, *to = leaf.values;
    (void)write_level(one->of, name);
    memcpy(to, name, sizeof name);
    (void)ucid_aggregate_pack(one->groups, one->from, one->count, (uint8_t *)to + sizeof name);
    arrow_leaf_end(&leaf, 0, (int64_t)bytes);
    return UCID_OK;
}

static ucid_status make_columns(arrow_fold *fold, struct ArrowArray *columns, int64_t *rows, ucid_error *error)
{
    aggregate_source *self = (aggregate_source *)fold;
    ucid_status status = self->made.count == 0 ? find_made(self, &self->made, error) : UCID_OK;
    if (status != UCID_OK) return status;
    if (self->states == UCID_STATES_BYTES) return make_packed(self, &columns[0], rows, error);
    made_levels made = self->states ? self->made : take_groups(self, RESULT_GROUPS, LEVELS_MAX);
    if (made.groups > GROUPS_MAX) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "%lld groups are more than %d", (long long)made.groups,
                         GROUPS_MAX);
    }
    size_t n = (size_t)made.groups + 1;
    if (self->resolution >= 0) {
        status = arrow_scratch_reserve(&self->cell_of_row, &fold->allocator, n * sizeof(uint64_t), error);
    }
    if (status == UCID_OK && self->to >= 0) {
        status = arrow_scratch_reserve(&self->key_bytes, &fold->allocator, n * KEY_MAX, error);
    }
    if (status == UCID_OK) status = arrow_scratch_reserve(&self->statuses, &fold->allocator, n, error);
    if (status != UCID_OK) return status;
    made.cells = self->cell_of_row.bytes;
    made.text = self->key_bytes.bytes;
    made.grades = self->statuses.bytes;
    int keys = key_columns(self);
    status = self->states ? make_states(self, &made, columns + keys, error)
                          : make_results(self, &made, columns + keys, error);
    if (status == UCID_OK && self->is_list) status = put_levels(self, &made, &columns[0], error);
    if (status == UCID_OK) status = put_keys(self, &made, &columns[keys - 1], error);
    *rows = made.groups;
    return status;
}

static ucid_status begin(arrow_fold *fold, const void *given, ucid_error *error)
{
    aggregate_source *self = (aggregate_source *)fold;
    const ucid_aggregate_stream_options *options = given;
    self->states = options->states;
    self->threads = options->threads;
    self->recycler = ucid_recycler_new(&fold->allocator);
    if (self->recycler == NULL) return ucid_fail_memory(error, "a stream", sizeof *self);
    self->columns = ucid_recycler_allocator(self->recycler);
    if (options->states < UCID_RESULTS || options->states > UCID_STATES_BYTES) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "states %d: 0 to 2", options->states);
    }
    ucid_status status = read_to(self, options->to, error);
    if (status == UCID_OK) status = find_columns(self, options, error);
    if (status == UCID_OK && self->resolution >= 0) {
        status = new_groups(self, self->resolution, &self->by_cell[self->resolution], error);
    }
    if (status == UCID_OK && self->to >= 0) {
        status = new_groups(self, UCID_AGGREGATE_TEXT, &self->by_text[self->to], error);
    }
    return status;
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
