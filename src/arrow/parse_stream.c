/* parse_stream.c: fields of identifiers. */
#include "arrow/arrays.h"

#include "arrow/place_columns.h"
#include "arrow/stream.h"
#include "rt/bits.h"

#include <string.h>

enum {
    F_CITY,
    F_LAT,
    F_LON,
    F_RESOLUTION,
    F_CELL,
    F_TIME,
    F_CONTEXT,
    F_GRADE,
    F_CONFIDENCE,
    F_FLAGS,
    F_STATUS,
    F_COUNT
};
enum { CITY_LETTERS = 3, CELL_DIGITS = 15, CONTEXT_MAX = 16 };

typedef struct parse_adder {
    arrow_adder base;
    place_text ucid;
    arrow_scratch cities, cells, hours, grades, statuses, validity;
} parse_adder;

static void reset_parse(arrow_adder *adder)
{
    parse_adder *self = (parse_adder *)adder;
    arrow_scratch *scratches[] = {&self->cities, &self->cells,    &self->hours,
                                  &self->grades, &self->statuses, &self->validity};
    arrow_texts_reset(&self->ucid.texts, &adder->allocator);
    for (size_t i = 0; i < sizeof scratches / sizeof scratches[0]; i++) {
        arrow_scratch_reset(scratches[i], &adder->allocator);
    }
}

static ucid_status open_parse(arrow_adder *adder, const struct ArrowSchema *schema, ucid_error *error)
{
    static const struct {
        const char *name, *format; /* NULL: words */
    } fields[F_COUNT] = {{"city", "u"},       {"lat", "g"},       {"lon", "g"},     {"h3_resolution", "C"},
                         {"h3_index", "u"},   {"timestamp", "u"}, {"context", "u"}, {"grade", NULL},
                         {"confidence", "g"}, {"flags", "u"},     {"status", NULL}};
    for (int f = 0; f < F_COUNT; f++) {
        if (fields[f].format == NULL) {
            arrow_add_words(adder, fields[f].name, f != F_STATUS);
        } else {
            arrow_add(adder, fields[f].name, fields[f].format, 1);
        }
    }
    return place_text_need(&((parse_adder *)adder)->ucid, schema, NULL, adder->options.ucid_column, arrow_ucid_names,
                           "identifiers (ucid)", error);
}

/* Texts of one width, made row by row; bad rows are null and empty. */
static ucid_status fixed_texts(struct ArrowArray *column, int64_t count, int32_t width, const uint8_t *validity,
                               void (*put)(const void *from, int64_t row, char *text), const void *from,
                               const arrow_adder *adder, ucid_error *error)
{
    arrow_leaf leaf;
    ucid_status status = arrow_leaf_text(column, count, (size_t)count * (size_t)width + 1, 1,
                                         adder->options.large_texts, &adder->columns, &leaf, error);
    if (status != UCID_OK) return status;
    int64_t at = 0;
    for (int64_t row = 0; row < count; row++) {
        if (bit_is_set(validity, row)) {
            put(from, row, (char *)leaf.values + at);
            at += width;
        }
        arrow_leaf_end(&leaf, row, at);
    }
    if (count > 0) memcpy(leaf.validity, validity, (size_t)(count + 7) / 8);
    arrow_leaf_finish(&leaf, count);
    return UCID_OK;
}

static void put_city(const void *from, int64_t row, char *text)
{
    memcpy(text, (const char *)from + row * CITY_LETTERS, CITY_LETTERS);
}

static void put_cell(const void *from, int64_t row, char *text)
{
    ucid_cell_format(((const uint64_t *)from)[row], text); /* its NUL falls on the next row */
}

static void put_time(const void *from, int64_t row, char *text)
{
    char key[UCID_TIME_LENGTH + 1];
    ucid_time_format(((const int32_t *)from)[row], key);
    memcpy(text, key, UCID_TIME_LENGTH);
}

static ucid_status fill_parse(arrow_adder *adder, const struct ArrowSchema *schema, const struct ArrowArray *batch,
                              int64_t first, int64_t count, struct ArrowArray *columns, ucid_error *error)
{
    parse_adder *self = (parse_adder *)adder;
    const ucid_allocator *allocator = &adder->allocator;
    size_t n = (size_t)count;
    int large = adder->options.large_texts;
    const struct {
        arrow_scratch *scratch;
        size_t bytes;
    } needs[] = {{&self->cities, 3 * n + 3}, {&self->cells, 8 * n + 8}, {&self->hours, 4 * n + 4},
                 {&self->grades, n + 1},     {&self->statuses, n + 1},  {&self->validity, n / 8 + 2}};
    ucid_status status = place_text_read(&self->ucid, schema, batch, first, count, allocator, error);
    for (size_t i = 0; i < sizeof needs / sizeof needs[0] && status == UCID_OK; i++) {
        status = arrow_scratch_reserve(needs[i].scratch, allocator, needs[i].bytes, error);
    }
    if (status != UCID_OK) return status;
    ucid_texts texts = place_text_get(&self->ucid);
    uint8_t *validity = self->validity.bytes;
    size_t text_bytes = count > 0 ? (size_t)(texts.offsets64[count] - texts.offsets64[0]) : 0;
    const int numbers[] = {F_LAT, F_LON, F_CONFIDENCE, F_RESOLUTION};
    arrow_leaf number[4], context, flags;
    for (int i = 0; i < 4 && status == UCID_OK; i++) {
        size_t width = numbers[i] == F_RESOLUTION ? 1 : sizeof(double);
        status = arrow_leaf_fixed(&columns[numbers[i]], count, width, 1, &adder->columns, &number[i], error);
    }
    size_t context_bytes = n * CONTEXT_MAX + CONTEXT_MAX;
    if (status == UCID_OK) {
        status = arrow_leaf_text(&columns[F_CONTEXT], count, context_bytes, 1, large, &adder->columns, &context, error);
    }
    if (status == UCID_OK) {
        status = arrow_leaf_text(&columns[F_FLAGS], count, text_bytes, 1, large, &adder->columns, &flags, error);
    }
    if (status == UCID_OK) {
        ucid_field_columns fields = {.city = self->cities.bytes,
                                     .lat_deg = number[0].values,
                                     .lon_deg = number[1].values,
                                     .resolution = number[3].values,
                                     .cell = self->cells.bytes,
                                     .hour = self->hours.bytes,
                                     .context = {context.values, context_bytes, context.offsets, context.offsets64},
                                     .grade = self->grades.bytes,
                                     .confidence = number[2].values,
                                     .flags = {flags.values, text_bytes, flags.offsets, flags.offsets64},
                                     .validity = validity,
                                     .status = self->statuses.bytes};
        status = ucid_texts_parse(count, &texts, adder->options.mode, adder->options.registry, &fields, error);
    }
    if (status == UCID_OK && count > 0) {
        arrow_leaf *leaves[] = {&number[0], &number[1], &number[2], &number[3], &context, &flags};
        for (size_t i = 0; i < sizeof leaves / sizeof leaves[0]; i++) {
            memcpy(leaves[i]->validity, validity, (n + 7) / 8);
            arrow_leaf_finish(leaves[i], count);
        }
    }
    if (status == UCID_OK) {
        status =
            fixed_texts(&columns[F_CITY], count, CITY_LETTERS, validity, put_city, self->cities.bytes, adder, error);
    }
    if (status == UCID_OK) {
        status = fixed_texts(&columns[F_CELL], count, CELL_DIGITS, validity, put_cell, self->cells.bytes, adder, error);
    }
    if (status == UCID_OK) {
        status =
            fixed_texts(&columns[F_TIME], count, UCID_TIME_LENGTH, validity, put_time, self->hours.bytes, adder, error);
    }
    if (status == UCID_OK) {
        status = arrow_words_fill(adder, &columns[F_GRADE], count, self->grades.bytes, &arrow_grades, validity, error);
    }
    if (status == UCID_OK) {
        status = arrow_words_fill(adder, &columns[F_STATUS], count, self->statuses.bytes, &arrow_statuses, NULL, error);
    }
    for (int f = 0; f < F_COUNT && status != UCID_OK; f++) {
        if (columns[f].release != NULL) columns[f].release(&columns[f]);
    }
    return status;
}

ucid_status ucid_parse_stream(struct ArrowArrayStream *in, const ucid_stream_options *options,
                              struct ArrowArrayStream *out, ucid_error *error)
{
    static const arrow_door door = {sizeof(parse_adder), open_parse, fill_parse, reset_parse, NULL};
    return arrow_open(in, options, &door, NULL, NULL, out, error);
}
