/* row_stream.c: what is asked of one text or cell a row: defects and binary forms of identifiers, time keys reckoned
 * with, cells described. Each kind is a function of a row; its values are gathered and become columns together. */
#include "arrow/arrays.h"
#include "arrow/place_columns.h"
#include "arrow/stream.h"
#include "rt/bits.h"
#include "rt/error.h"
#include "rt/memory.h"

#include <stdio.h>
#include <string.h>

enum { COLUMNS_MAX = 5, ROOM = 1024 }; /* columns of a kind; bytes of all texts of a row */

typedef struct row_value {
    const char *text;
    size_t length;
    double number;
} row_value;

typedef struct row_adder row_adder;

typedef struct row_kind {
    const char *what;                        /* of the input, for messages */
    const char *const *usual;                /* names of its column */
    int by_cell;                             /* the input is cells, not texts */
    int bad_too;                             /* bad rows have values besides their status */
    const char *columns[COLUMNS_MAX + 1][2]; /* name and Arrow format: "u", "z", "g", "i"; ends with NULL */
    /* Values of a row; what is not in the adder is in room. */
    ucid_status (*row)(const row_adder *self, ucid_text text, uint64_t cell, int64_t row, row_value *values,
                       char room[ROOM]);
} row_kind;

typedef struct row_given {
    const row_kind *kind;
    const char *earlier_column;
    int64_t hours;
    const ucid_zone *zone;
    int to_utc;
} row_given;

/* A column as it grows. */
typedef struct row_column {
    arrow_scratch values, offsets;
    size_t bytes;
} row_column;

struct row_adder {
    arrow_adder base;
    row_given given;
    place_text text, earlier;
    int64_t cell_column;
    arrow_cells cells;
    arrow_scratch statuses, validity;
    row_column columns[COLUMNS_MAX];
};

static void reset_rows(arrow_adder *adder)
{
    row_adder *self = (row_adder *)adder;
    arrow_texts_reset(&self->text.texts, &adder->allocator);
    arrow_texts_reset(&self->earlier.texts, &adder->allocator);
    arrow_cells_reset(&self->cells, &adder->allocator);
    arrow_scratch_reset(&self->statuses, &adder->allocator);
    arrow_scratch_reset(&self->validity, &adder->allocator);
    for (int i = 0; i < COLUMNS_MAX; i++) {
        arrow_scratch_reset(&self->columns[i].values, &adder->allocator);
        arrow_scratch_reset(&self->columns[i].offsets, &adder->allocator);
    }
}

static ucid_status open_rows(arrow_adder *adder, const struct ArrowSchema *schema, ucid_error *error)
{
    row_adder *self = (row_adder *)adder;
    const row_kind *kind = self->given.kind;
    const ucid_stream_options *options = &adder->options;
    for (int i = 0; kind->columns[i][0] != NULL; i++) {
        const char *format = kind->columns[i][1];
        arrow_add(adder, kind->columns[i][0], strcmp(format, "z") == 0 && options->hexadecimal ? "u" : format, 1);
    }
    arrow_add_words(adder, "status", 0);
    self->earlier.column = -1;
    if (kind->by_cell) {
        self->cell_column = arrow_find(schema, options->cell_column, kind->usual);
        if (self->cell_column < 0) return arrow_missing(schema, options->cell_column, kind->what, error);
        return arrow_check_cells(schema->children[self->cell_column], schema->children[self->cell_column]->name, error);
    }
    const char *column = kind->usual == arrow_time_names ? options->time_column : options->ucid_column;
    ucid_status status = place_text_need(&self->text, schema, NULL, column, kind->usual, kind->what, error);
    if (status == UCID_OK && self->given.earlier_column != NULL) {
        status = place_text_need(&self->earlier, schema, NULL, self->given.earlier_column, NULL, "", error);
    }
    return status;
}

/* One more value of a column. */
static ucid_status append(row_adder *self, int column, int64_t row, const row_value *value, ucid_error *error)
{
    row_column *c = &self->columns[column];
    const char *format = self->base.added[column].format;
    size_t bytes = *format == 'g' ? 8 : *format == 'i' ? 4 : value->length;
    ucid_status status = UCID_OK;
    if (c->bytes + bytes > c->values.capacity) {
        status = arrow_scratch_reserve(&c->values, &self->base.allocator, 2 * (c->bytes + bytes), error);
    }
    if (status != UCID_OK) return status;
    char *to = (char *)c->values.bytes + c->bytes;
    int32_t whole = (int32_t)value->number;
    if (*format == 'g') {
        memcpy(to, &value->number, 8);
    } else if (*format == 'i') {
        memcpy(to, &whole, 4);
    } else {
        if (bytes > 0) memcpy(to, value->text, bytes);
        if (c->bytes + bytes > INT32_MAX) {
            return ucid_fail(error, UCID_INVALID_ARGUMENT, "over 2^31 bytes in a batch: make batch_rows smaller");
        }
        ((int32_t *)c->offsets.bytes)[row + 1] = (int32_t)(c->bytes + bytes);
    }
    c->bytes += bytes;
    return UCID_OK;
}

static ucid_status make_column(row_adder *self, int column, int64_t count, struct ArrowArray *out, ucid_error *error)
{
    row_column *c = &self->columns[column];
    const char *format = self->base.added[column].format;
    arrow_leaf leaf;
    int is_text = *format != 'g' && *format != 'i';
    ucid_status status =
        is_text ? arrow_leaf_text(out, count, c->bytes, 1, self->base.options.large_texts, &self->base.columns, &leaf,
                                  error)
                : arrow_leaf_fixed(out, count, *format == 'g' ? 8 : 4, 1, &self->base.columns, &leaf, error);
    if (status != UCID_OK) return status;
    if (c->bytes > 0) memcpy(leaf.values, c->values.bytes, c->bytes);
    const int32_t *offsets = c->offsets.bytes;
    for (int64_t row = 0; is_text && row < count; row++) arrow_leaf_end(&leaf, row, offsets[row + 1]);
    if (count > 0) memcpy(leaf.validity, self->validity.bytes, (size_t)(count + 7) / 8);
    arrow_leaf_finish(&leaf, count);
    return UCID_OK;
}

static ucid_status read_rows(row_adder *self, const struct ArrowSchema *schema, const struct ArrowArray *batch,
                             int64_t first, int64_t count, ucid_error *error)
{
    const ucid_allocator *allocator = &self->base.allocator;
    int64_t cell = self->cell_column;
    ucid_status status = self->given.kind->by_cell
                             ? arrow_read_cells(schema->children[cell], batch->children[cell], batch->offset + first,
                                                count, allocator, &self->cells, error)
                             : place_text_read(&self->text, schema, batch, first, count, allocator, error);
    if (status == UCID_OK) status = place_text_read(&self->earlier, schema, batch, first, count, allocator, error);
    if (status == UCID_OK) status = arrow_scratch_reserve(&self->statuses, allocator, (size_t)count + 1, error);
    if (status == UCID_OK) status = arrow_scratch_reserve(&self->validity, allocator, (size_t)count / 8 + 1, error);
    for (int i = 0; i < COLUMNS_MAX && status == UCID_OK; i++) {
        self->columns[i].bytes = 0;
        status = arrow_scratch_reserve(&self->columns[i].offsets, allocator, (size_t)(count + 1) * 4, error);
        if (status == UCID_OK) ((int32_t *)self->columns[i].offsets.bytes)[0] = 0;
    }
    return status;
}

static ucid_status fill_rows(arrow_adder *adder, const struct ArrowSchema *schema, const struct ArrowArray *batch,
                             int64_t first, int64_t count, struct ArrowArray *columns, ucid_error *error)
{
    row_adder *self = (row_adder *)adder;
    const row_kind *kind = self->given.kind;
    int column_count = adder->added_count - 1;
    ucid_status status = read_rows(self, schema, batch, first, count, error);
    if (status != UCID_OK) return status;
    uint8_t *statuses = self->statuses.bytes, *validity = self->validity.bytes;
    const arrow_texts *texts = &self->text.texts;
    const uint8_t *given = kind->by_cell ? self->cells.validity : texts->validity;
    memset(validity, 0, (size_t)count / 8 + 1);
    for (int64_t row = 0; row < count && status == UCID_OK; row++) {
        row_value values[COLUMNS_MAX] = {{NULL, 0, 0}};
        static const row_value none = {NULL, 0, 0};
        char room[ROOM];
        ucid_status one = UCID_NULL_INPUT;
        if (bit_is_set(given, row)) {
            ucid_text text = {NULL, 0};
            if (!kind->by_cell) {
                text.data = texts->data + texts->offsets[row];
                text.length = (size_t)(texts->offsets[row + 1] - texts->offsets[row]);
            }
            one = kind->row(self, text, kind->by_cell ? self->cells.values[row] : 0, row, values, room);
        }
        int valid = one == UCID_OK || (kind->bad_too && one != UCID_NULL_INPUT);
        statuses[row] = (uint8_t)one;
        if (valid) validity[row >> 3] |= (uint8_t)(1u << (row & 7));
        for (int i = 0; i < column_count && status == UCID_OK; i++) {
            status = append(self, i, row, valid ? &values[i] : &none, error);
        }
    }
    for (int i = 0; i < column_count && status == UCID_OK; i++) {
        status = make_column(self, i, count, &columns[i], error);
    }
    if (status == UCID_OK) {
        status = arrow_words_fill(adder, &columns[column_count], count, statuses, &arrow_statuses, NULL, error);
    }
    for (int i = 0; i < column_count && status != UCID_OK; i++) {
        if (columns[i].release != NULL) columns[i].release(&columns[i]);
    }
    return status;
}

static void prepare(arrow_adder *adder, const void *given) { ((row_adder *)adder)->given = *(const row_given *)given; }

static ucid_status open_kind(struct ArrowArrayStream *in, const ucid_stream_options *options, const row_given *given,
                             struct ArrowArrayStream *out, ucid_error *error)
{
    static const arrow_door door = {sizeof(row_adder), open_rows, fill_rows, reset_rows, NULL};
    return arrow_open(in, options, &door, given, prepare, out, error);
}

/* --------------------------------------------------------------------------------------------------- identifiers -- */

static row_value text_value(const char *text, size_t length) { return (row_value){text, length, 0}; }
static row_value number_value(double number) { return (row_value){NULL, 0, number}; }

static ucid_status validate_row(const row_adder *self, ucid_text text, uint64_t cell, int64_t row, row_value *values,
                                char room[ROOM])
{
    (void)cell, (void)row;
    ucid_defect defects[UCID_DEFECTS_MAX];
    int count = ucid_validate(text, self->base.options.registry, defects), length = 0;
    for (int i = 0; i < count; i++) {
        length += snprintf(room + length, (size_t)(ROOM - length), "%s%s:%s:%d", i > 0 ? ";" : "",
                           ucid_status_name(defects[i].status), ucid_field_name(defects[i].field), defects[i].byte);
    }
    values[0] = text_value(room, (size_t)length);
    return count > 0 ? defects[0].status : UCID_OK;
}

static ucid_status pack_row(const row_adder *self, ucid_text text, uint64_t cell, int64_t row, row_value *values,
                            char room[ROOM])
{
    (void)cell, (void)row;
    ucid_fields fields;
    uint8_t binary[UCID_BINARY_SIZE];
    ucid_status status = ucid_parse(text, UCID_LENIENT, NULL, &fields, NULL);
    if (status == UCID_OK) status = ucid_pack(&fields, binary, NULL);
    if (status != UCID_OK) return status;
    memcpy(room, binary, sizeof binary);
    values[0] = text_value(room, sizeof binary);
    if (!self->base.options.hexadecimal) return UCID_OK;
    for (int i = 0; i < UCID_BINARY_SIZE; i++) {
        room[2 * i] = "0123456789abcdef"[binary[i] >> 4];
        room[2 * i + 1] = "0123456789abcdef"[binary[i] & 15];
    }
    values[0].length = 2 * sizeof binary;
    return UCID_OK;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)(c | 32);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 31 bytes, or their 62 hexadecimal digits. */
static ucid_status unpack_row(const row_adder *self, ucid_text text, uint64_t cell, int64_t row, row_value *values,
                              char room[ROOM])
{
    (void)self, (void)cell, (void)row;
    char binary[UCID_BINARY_SIZE];
    ucid_fields fields;
    if (text.length == 2 * sizeof binary) {
        for (size_t i = 0; i < sizeof binary; i++) {
            int high = hex_digit(text.data[2 * i]), low = hex_digit(text.data[2 * i + 1]);
            if (high < 0 || low < 0) return UCID_MALFORMED_STRING;
            binary[i] = (char)(high << 4 | low);
        }
        text = (ucid_text){binary, sizeof binary};
    }
    ucid_status status = ucid_unpack(text.data, text.length, &fields, NULL);
    if (status == UCID_OK) values[0] = text_value(room, ucid_format(&fields, room));
    return status;
}

ucid_status ucid_validate_stream(struct ArrowArrayStream *in, const ucid_stream_options *options,
                                 struct ArrowArrayStream *out, ucid_error *error)
{
    static const row_kind kind = {"identifiers (ucid)", arrow_ucid_names, 0, 1, {{"defects", "u"}, {NULL, NULL}},
                                  validate_row};
    return open_kind(in, options, &(row_given){.kind = &kind}, out, error);
}

ucid_status ucid_pack_stream(struct ArrowArrayStream *in, const ucid_stream_options *options,
                             struct ArrowArrayStream *out, ucid_error *error)
{
    static const row_kind kind = {
        "identifiers (ucid)", arrow_ucid_names, 0, 0, {{"binary", "z"}, {NULL, NULL}}, pack_row};
    return open_kind(in, options, &(row_given){.kind = &kind}, out, error);
}

ucid_status ucid_unpack_stream(struct ArrowArrayStream *in, const ucid_stream_options *options,
                               struct ArrowArrayStream *out, ucid_error *error)
{
    static const char *const names[] = {"binary", NULL};
    static const row_kind kind = {"binary forms (binary)", names, 0, 0, {{"ucid", "u"}, {NULL, NULL}}, unpack_row};
    return open_kind(in, options, &(row_given){.kind = &kind}, out, error);
}

/* ----------------------------------------------------------------------------------------------------- time keys -- */

static ucid_status key_value(ucid_status status, int32_t hour, row_value *value, char room[ROOM])
{
    if (status != UCID_OK) return status;
    ucid_time_format(hour, room);
    *value = text_value(room, UCID_TIME_LENGTH);
    return UCID_OK;
}

static ucid_status add_row(const row_adder *self, ucid_text text, uint64_t cell, int64_t row, row_value *values,
                           char room[ROOM])
{
    (void)cell, (void)row;
    int32_t hour;
    ucid_status status = ucid_time_parse(text, &hour, NULL);
    if (status == UCID_OK) status = ucid_time_add_hours(hour, self->given.hours, &hour, NULL);
    return key_value(status, hour, &values[0], room);
}

static ucid_status zone_row(const row_adder *self, ucid_text text, uint64_t cell, int64_t row, row_value *values,
                            char room[ROOM])
{
    (void)cell, (void)row;
    int32_t hour;
    ucid_status status = ucid_time_parse(text, &hour, NULL);
    if (status == UCID_OK) {
        status = self->given.to_utc ? ucid_time_to_utc(hour, self->given.zone, &hour, NULL)
                                    : ucid_time_from_utc(hour, self->given.zone, &hour, NULL);
    }
    return key_value(status, hour, &values[0], room);
}

static ucid_status diff_row(const row_adder *self, ucid_text text, uint64_t cell, int64_t row, row_value *values,
                            char room[ROOM])
{
    (void)cell, (void)room;
    const arrow_texts *texts = &self->earlier.texts;
    ucid_text other = {texts->data + texts->offsets[row], (size_t)(texts->offsets[row + 1] - texts->offsets[row])};
    int32_t hour, earlier;
    if (!bit_is_set(texts->validity, row)) return UCID_NULL_INPUT;
    ucid_status status = ucid_time_parse(text, &hour, NULL);
    if (status == UCID_OK) status = ucid_time_parse(other, &earlier, NULL);
    if (status == UCID_OK) values[0] = number_value(hour - earlier);
    return status;
}

ucid_status ucid_time_add_stream(struct ArrowArrayStream *in, int64_t hours, const ucid_stream_options *options,
                                 struct ArrowArrayStream *out, ucid_error *error)
{
    static const row_kind kind = {"time keys (timestamp)",        arrow_time_names, 0, 0,
                                  {{"later", "u"}, {NULL, NULL}}, add_row};
    return open_kind(in, options, &(row_given){.kind = &kind, .hours = hours}, out, error);
}

ucid_status ucid_time_zone_stream(struct ArrowArrayStream *in, const ucid_zone *zone, int to_utc,
                                  const ucid_stream_options *options, struct ArrowArrayStream *out, ucid_error *error)
{
    static const row_kind kinds[2] = {
        {"time keys (timestamp)", arrow_time_names, 0, 0, {{"local", "u"}, {NULL, NULL}}, zone_row},
        {"time keys (timestamp)", arrow_time_names, 0, 0, {{"utc", "u"}, {NULL, NULL}}, zone_row}};
    return open_kind(in, options, &(row_given){.kind = &kinds[to_utc != 0], .zone = zone, .to_utc = to_utc}, out,
                     error);
}

ucid_status ucid_time_diff_stream(struct ArrowArrayStream *in, const char *earlier_column,
                                  const ucid_stream_options *options, struct ArrowArrayStream *out, ucid_error *error)
{
    static const row_kind kind = {"time keys (timestamp)",        arrow_time_names, 0, 0,
                                  {{"hours", "i"}, {NULL, NULL}}, diff_row};
    return open_kind(in, options, &(row_given){.kind = &kind, .earlier_column = earlier_column}, out, error);
}

/* --------------------------------------------------------------------------------------------------------- cells -- */

static ucid_status info_row(const row_adder *self, ucid_text text, uint64_t cell, int64_t row, row_value *values,
                            char room[ROOM])
{
    (void)self, (void)text, (void)row;
    double lat_deg, lon_deg, corner_lat[UCID_CELL_CORNERS_MAX], corner_lon[UCID_CELL_CORNERS_MAX];
    int corners = 0;
    ucid_status status = ucid_cell_centre(cell, &lat_deg, &lon_deg, NULL);
    if (status == UCID_OK) status = ucid_cell_boundary(cell, corner_lat, corner_lon, &corners, NULL);
    if (status != UCID_OK) return status;
    int length = snprintf(room, ROOM, "POLYGON ((");
    for (int i = 0; i <= corners; i++) {
        length += snprintf(room + length, (size_t)(ROOM - length), "%s%.9f %.9f", i > 0 ? ", " : "",
                           corner_lon[i % corners], corner_lat[i % corners]);
    }
    length += snprintf(room + length, (size_t)(ROOM - length), "))");
    values[0] = number_value(ucid_cell_resolution(cell));
    values[1] = number_value(lat_deg);
    values[2] = number_value(lon_deg);
    values[3] = number_value(ucid_cell_area_m2(cell));
    values[4] = text_value(room, (size_t)length);
    return UCID_OK;
}

static ucid_status parent_row(const row_adder *self, ucid_text text, uint64_t cell, int64_t row, row_value *values,
                              char room[ROOM])
{
    (void)text, (void)row;
    if (!ucid_cell_is_valid(cell)) return UCID_INVALID_H3;
    uint64_t parent = ucid_cell_parent(cell, self->base.options.resolution);
    if (parent == 0) return UCID_H3_MISMATCH;
    ucid_cell_format(parent, room);
    values[0] = text_value(room, 15);
    return UCID_OK;
}

ucid_status ucid_cell_info_stream(struct ArrowArrayStream *in, const ucid_stream_options *options,
                                  struct ArrowArrayStream *out, ucid_error *error)
{
    static const row_kind kind = {
        "cells (h3)",
        arrow_cell_names,
        1,
        0,
        {{"h3_resolution", "i"}, {"lat", "g"}, {"lon", "g"}, {"area_m2", "g"}, {"boundary", "u"}, {NULL, NULL}},
        info_row};
    return open_kind(in, options, &(row_given){.kind = &kind}, out, error);
}

ucid_status ucid_cell_parent_stream(struct ArrowArrayStream *in, const ucid_stream_options *options,
                                    struct ArrowArrayStream *out, ucid_error *error)
{
    static const row_kind kind = {"cells (h3)", arrow_cell_names, 1, 0, {{"parent", "u"}, {NULL, NULL}}, parent_row};
    return open_kind(in, options, &(row_given){.kind = &kind}, out, error);
}
