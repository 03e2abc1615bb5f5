/* create_stream.c: identifiers of places. */
#include "arrow/arrays.h"
#include "arrow/place_columns.h"
#include "arrow/stream.h"

typedef struct create_adder {
    arrow_adder base;
    place_columns places;
    place_text city, time, context, grade, flags;
    int64_t confidence_column;
    arrow_numbers confidence;
    arrow_scratch grades, confidences, statuses;
} create_adder;

static void reset_create(arrow_adder *adder)
{
    create_adder *self = (create_adder *)adder;
    const ucid_allocator *allocator = &adder->allocator;
    place_text *texts[] = {&self->city, &self->time, &self->context, &self->grade, &self->flags};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) arrow_texts_reset(&texts[i]->texts, allocator);
    place_columns_reset(&self->places, allocator);
    arrow_numbers_reset(&self->confidence, allocator);
    arrow_scratch_reset(&self->grades, allocator);
    arrow_scratch_reset(&self->confidences, allocator);
    arrow_scratch_reset(&self->statuses, allocator);
}

enum { NO_GRADE = 0xFF };

/* Grades of texts; NO_GRADE for what is none, and for nulls. */
static ucid_status read_grades(create_adder *self, const struct ArrowSchema *schema, const struct ArrowArray *batch,
                               int64_t first, int64_t count, uint8_t **grades, ucid_error *error)
{
    const ucid_allocator *allocator = &self->base.allocator;
    ucid_status status = place_text_read(&self->grade, schema, batch, first, count, allocator, error);
    if (status == UCID_OK) status = arrow_scratch_reserve(&self->grades, allocator, (size_t)count + 1, error);
    if (status != UCID_OK) return status;
    *grades = self->grades.bytes;
    const arrow_texts *texts = &self->grade.texts;
    for (int64_t row = 0; row < count; row++) {
        ucid_text text = {texts->data + texts->offsets[row], (size_t)(texts->offsets[row + 1] - texts->offsets[row])};
        int grade = ucid_grade_parse(text);
        (*grades)[row] = grade < 0 ? NO_GRADE : (uint8_t)grade;
    }
    return UCID_OK;
}

/* A null confidence counts as 0: the row says nothing about it. */
static ucid_status read_confidences(create_adder *self, const struct ArrowSchema *schema,
                                    const struct ArrowArray *batch, int64_t first, int64_t count,
                                    const double **confidences, ucid_error *error)
{
    int64_t column = self->confidence_column;
    const ucid_allocator *allocator = &self->base.allocator;
    ucid_status status = arrow_read_numbers(schema->children[column], batch->children[column], batch->offset + first,
                                            count, allocator, &self->confidence, error);
    if (status != UCID_OK) return status;
    *confidences = self->confidence.values;
    const uint8_t *validity = self->confidence.validity;
    if (validity == NULL) return UCID_OK;
    status = arrow_scratch_reserve(&self->confidences, allocator, (size_t)(count + 1) * sizeof(double), error);
    if (status != UCID_OK) return status;
    double *filled = self->confidences.bytes;
    for (int64_t row = 0; row < count; row++) {
        filled[row] = validity[row >> 3] >> (row & 7) & 1 ? self->confidence.values[row] : 0.0;
    }
    *confidences = filled;
    return UCID_OK;
}

static ucid_status fill_create(arrow_adder *adder, const struct ArrowSchema *schema, const struct ArrowArray *batch,
                               int64_t first, int64_t count, struct ArrowArray *columns, ucid_error *error)
{
    create_adder *self = (create_adder *)adder;
    const ucid_allocator *allocator = &adder->allocator;
    ucid_status status = place_columns_read(&self->places, schema, batch, first, count, allocator, error);
    place_text *texts[] = {&self->city, &self->time, &self->context, &self->flags};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && status == UCID_OK; i++) {
        status = place_text_read_or_one(texts[i], schema, batch, first, count, allocator, error);
    }
    uint8_t *grades = NULL;
    const double *confidences = NULL;
    if (status == UCID_OK && self->grade.column >= 0) {
        status = read_grades(self, schema, batch, first, count, &grades, error);
    }
    if (status == UCID_OK && self->confidence_column >= 0) {
        status = read_confidences(self, schema, batch, first, count, &confidences, error);
    }
    if (status == UCID_OK) status = arrow_scratch_reserve(&self->statuses, allocator, (size_t)count + 1, error);
    if (status != UCID_OK) return status;
    ucid_create_columns values = {.lat_deg = self->places.lat_deg,
                                  .lon_deg = self->places.lon_deg,
                                  .validity = self->places.row_validity,
                                  .city = place_text_get(&self->city),
                                  .context = place_text_get(&self->context),
                                  .time = place_text_get(&self->time),
                                  .grade = grades,
                                  .confidence = confidences,
                                  .cell = self->places.cell,
                                  .resolution =
                                      self->places.cell != NULL ? UCID_CELL_RESOLUTION : adder->options.resolution};
    if (self->flags.column >= 0) values.flags = place_text_get(&self->flags);
    size_t bound = ucid_texts_create_bound(count, &values);
    int large = adder->options.large_texts;
    arrow_leaf leaf;
    status = arrow_leaf_text(&columns[0], count, bound, 1, large, &adder->columns, &leaf, error);
    if (status != UCID_OK) return status;
    uint8_t *statuses = self->statuses.bytes;
    ucid_texts_out out = {leaf.values, bound, leaf.offsets, leaf.offsets64};
    status = ucid_texts_create(count, &values, adder->options.mode, adder->options.registry, &out, NULL, leaf.validity,
                               statuses, error);
    if (status == UCID_OK) {
        arrow_leaf_finish(&leaf, count);
        status = arrow_words_fill(adder, &columns[1], count, statuses, &arrow_statuses, NULL, error);
    }
    if (status != UCID_OK) columns[0].release(&columns[0]);
    return status;
}

static ucid_status open_create(arrow_adder *adder, const struct ArrowSchema *schema, ucid_error *error)
{
    create_adder *self = (create_adder *)adder;
    const ucid_stream_options *options = &adder->options;
    arrow_add(adder, "ucid", "u", 1);
    arrow_add_words(adder, "status", 0);
    ucid_status status = place_columns_init(&self->places, schema, options, error);
    if (status == UCID_OK) {
        status = place_text_need(&self->city, schema, options->city, options->city_column, arrow_city_names, "the city",
                                 error);
    }
    if (status == UCID_OK) {
        status = place_text_need(&self->time, schema, options->time, options->time_column, arrow_time_names,
                                 "the time key (timestamp)", error);
    }
    if (status == UCID_OK) {
        status = place_text_need(&self->context, schema, options->context, options->context_column, arrow_context_names,
                                 "the context", error);
    }
    if (status == UCID_OK) {
        status = place_text_init(&self->grade, schema, NULL, options->grade_column, arrow_grade_names, error);
    }
    if (status == UCID_OK) {
        status = place_text_init(&self->flags, schema, NULL, options->flags_column, arrow_flags_names, error);
    }
    if (status != UCID_OK) return status;
    int64_t confidence = arrow_find(schema, options->confidence_column, arrow_confidence_names);
    self->confidence_column = confidence;
    if (confidence >= 0) return arrow_check_numbers(schema->children[confidence], "confidence", error);
    return options->confidence_column != NULL ? arrow_missing(schema, options->confidence_column, "", error) : UCID_OK;
}

ucid_status ucid_create_stream(struct ArrowArrayStream *in, const ucid_stream_options *options,
                               struct ArrowArrayStream *out, ucid_error *error)
{
    static const arrow_door door = {sizeof(create_adder), open_create, fill_create, reset_create, NULL};
    return arrow_open(in, options, &door, NULL, NULL, out, error);
}
