/* score_stream.c: scores of places, with their identifiers.
 *
 * Which city and which key a row's identifier has: a value for all rows, a column, or what its index says. The last is
 * one value too where there is one index, the common case; else it is looked up row by row. */
#include "arrow/arrays.h"
#include "arrow/place_columns.h"
#include "arrow/stream.h"
#include "kernel/catalog.h"
#include "rt/bits.h"
#include "rt/error.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAMED_INDEXES = 4, CITY_LETTERS = 3, FLAGS_LENGTH = 18, TRIED_MAX = 1 << 16 }; /* "ESTIMATED;OUTDATED" */

typedef struct score_adder {
    arrow_adder base;
    const ucid_catalog *catalog;
    const ucid_context *context;
    place_columns places;
    place_text city, time;
    int city_by_index, time_by_index; /* they depend on the row's index, of which there are several */
    uint32_t hour;                    /* of all rows; UINT32_MAX: of each index's data */
    arrow_scratch hours, grades, statuses, created, flags, flag_texts, flag_offsets, city_texts, city_offsets, validity;
    int64_t rows, outside; /* seen; without an index, though not null */
    int64_t tried, inside; /* of those outside, and of these inside with latitude and longitude exchanged */
    char ids[NAMED_INDEXES * 66], dates[NAMED_INDEXES * (UCID_TIME_LENGTH + 2)];
} score_adder;

static void reset_score(arrow_adder *adder)
{
    score_adder *self = (score_adder *)adder;
    const ucid_allocator *allocator = &adder->allocator;
    arrow_scratch *scratches[] = {&self->hours,        &self->grades,     &self->statuses,     &self->created,
                                  &self->flags,        &self->flag_texts, &self->flag_offsets, &self->city_texts,
                                  &self->city_offsets, &self->validity};
    place_columns_reset(&self->places, allocator);
    arrow_texts_reset(&self->city.texts, allocator);
    arrow_texts_reset(&self->time.texts, allocator);
    for (size_t i = 0; i < sizeof scratches / sizeof scratches[0]; i++) arrow_scratch_reset(scratches[i], allocator);
}

/* ---------------------------------------------------------------------------------------------------------- Open -- */

/* Code of the registry's city that is nearest to the middle of an index. */
static void city_of_index(const catalog_member *index, char code[CITY_LETTERS + 1])
{
    ucid_city city;
    double east = index->max_lon_deg + (index->max_lon_deg < index->min_lon_deg ? 360.0 : 0.0);
    double lon = (index->min_lon_deg + east) / 2;
    if (lon > 180.0) lon -= 360.0;
    code[0] = '\0';
    if (ucid_city_nearest(NULL, (index->min_lat_deg + index->max_lat_deg) / 2, lon, &city, NULL, NULL) == UCID_OK) {
        memcpy(code, city.code, CITY_LETTERS + 1);
    }
}

/* Time key of an index's data; INT32_MIN, which is none, where its extract had no dates. */
static int32_t hour_of_index(const catalog_member *index)
{
    return index->data_hour != 0 ? (int32_t)index->data_hour : INT32_MIN;
}

/* What the schema says about where scores come from. */
static void describe(score_adder *self)
{
    const catalog_member *index;
    size_t id_length = 0, date_length = 0;
    for (int64_t i = 0; (index = catalog_member_get(self->catalog, i)) != NULL && i < NAMED_INDEXES; i++) {
        char key[UCID_TIME_LENGTH + 1] = "";
        ucid_time_format((int32_t)index->data_hour, key);
        id_length +=
            (size_t)snprintf(self->ids + id_length, sizeof self->ids - id_length, "%s%s", i > 0 ? "," : "", index->id);
        date_length += (size_t)snprintf(self->dates + date_length, sizeof self->dates - date_length, "%s%s",
                                        i > 0 ? "," : "", key);
    }
    const arrow_pair pairs[] = {{"ucid.version", UCID_VERSION},
                                {"ucid.context", self->context->id},
                                {"ucid.index", self->ids},
                                {"ucid.data", self->dates},
                                {"ucid.attribution", "(c) OpenStreetMap contributors"}};
    memcpy(self->base.metadata, pairs, sizeof pairs);
}

static ucid_status open_score(arrow_adder *adder, const struct ArrowSchema *schema, ucid_error *error)
{
    score_adder *self = (score_adder *)adder;
    const ucid_stream_options *options = &adder->options;
    const char *id = options->context != NULL ? options->context : "15MIN";
    self->context = ucid_context_get(id);
    if (self->context == NULL) return ucid_fail(error, UCID_CONTEXT_NOT_FOUND, "no context '%.40s'", id);
    arrow_add(adder, "ucid", "u", 1);
    arrow_add(adder, "score", "g", 1);
    arrow_add_words(adder, "grade", 1);
    arrow_add(adder, "confidence", "g", 1);
    if (options->detail) {
        for (int p = 0; p < self->context->part_count; p++) arrow_add(adder, self->context->part_key[p], "g", 1);
        for (int p = 0; p < self->context->part_count; p++) {
            char name[ARROW_NAME_MAX];
            snprintf(name, sizeof name, "nearest_%s_m", self->context->part_key[p]);
            arrow_add(adder, name, "g", 1);
        }
        arrow_add(adder, "snap_m", "g", 1);
    }
    arrow_add_words(adder, "status", 0);
    describe(self);

    ucid_status status = place_columns_init(&self->places, schema, options, error);
    if (status == UCID_OK) {
        status = place_text_init(&self->city, schema, options->city, options->city_column, arrow_city_names, error);
    }
    if (status == UCID_OK) {
        status = place_text_init(&self->time, schema, options->time, options->time_column, arrow_time_names, error);
    }
    if (status != UCID_OK) return status;
    int single = catalog_member_get(self->catalog, 1) == NULL;
    const catalog_member *index = catalog_member_get(self->catalog, 0);
    self->city_by_index = options->city == NULL && self->city.column < 0;
    self->time_by_index = options->time == NULL && self->time.column < 0;
    self->hour = UINT32_MAX;
    if (options->time != NULL) {
        ucid_text key = {options->time, strlen(options->time)};
        int32_t hour;
        status = ucid_time_parse(key, &hour, error);
        if (status != UCID_OK) return status;
        if (hour < 0)
            return ucid_fail(error, UCID_INVALID_TIME, "scores begin at 1970W01T00, not at %s", options->time);
        self->hour = (uint32_t)hour;
    }
    if (single && self->city_by_index) {
        city_of_index(index, self->city.constant);
        self->city_by_index = 0;
    }
    if (single && self->time_by_index) {
        if (!ucid_time_format(hour_of_index(index), self->time.constant)) {
            return ucid_fail(error, UCID_INVALID_ARGUMENT, "the index has no date: a time key is needed");
        }
        self->time_by_index = 0;
    }
    return UCID_OK;
}

/* ---------------------------------------------------------------------------------------------------------- Fill -- */

/* Time keys of the time column: INT32_MIN for what is none. Where all rows have one for which there are scores, that is
 * returned alone; else -1. */
static int32_t read_hours(const arrow_texts *texts, int64_t count, int32_t *hours)
{
    if (texts->offsets == NULL) {
        int32_t hour = INT32_MIN;
        (void)ucid_time_parse((ucid_text){texts->data, texts->length}, &hour, NULL);
        if (hour >= 0) return hour;
        for (int64_t row = 0; row < count; row++) hours[row] = hour;
        return -1;
    }
    for (int64_t row = 0; row < count; row++) {
        ucid_text key = {texts->data + texts->offsets[row], (size_t)(texts->offsets[row + 1] - texts->offsets[row])};
        hours[row] = INT32_MIN;
        if (bit_is_set(texts->validity, row)) (void)ucid_time_parse(key, &hours[row], NULL);
    }
    return -1;
}

/* City codes and keys of the rows' indexes, where they differ. */
static ucid_status read_by_index(score_adder *self, int64_t count, ucid_texts *cities, int32_t *hours,
                                 ucid_error *error)
{
    const ucid_allocator *allocator = &self->base.allocator;
    size_t n = (size_t)count;
    ucid_status status = arrow_scratch_reserve(&self->city_texts, allocator, n * CITY_LETTERS + 1, error);
    if (status == UCID_OK) {
        status = arrow_scratch_reserve(&self->city_offsets, allocator, (n + 1) * sizeof(int64_t), error);
    }
    if (status != UCID_OK) return status;
    char *text = self->city_texts.bytes;
    int64_t *offsets = self->city_offsets.bytes;
    int64_t known = -2, at = 0;
    int32_t hour = INT32_MIN;
    char code[CITY_LETTERS + 1] = "";
    for (int64_t row = 0; row < count; row++) {
        int64_t position = -1;
        if (bit_is_set(self->places.row_validity, row)) {
            status =
                catalog_find(self->catalog, self->places.lat_deg[row], self->places.lon_deg[row], &position, error);
        }
        if (status != UCID_OK) return status;
        if (position != known) {
            const catalog_member *index = position >= 0 ? catalog_member_get(self->catalog, position) : NULL;
            code[0] = '\0';
            if (index != NULL) city_of_index(index, code);
            hour = index != NULL ? hour_of_index(index) : INT32_MIN;
            known = position;
        }
        offsets[row] = at;
        size_t length = strlen(code);
        memcpy(text + at, code, length);
        at += (int64_t)length;
        if (self->time_by_index) hours[row] = hour;
    }
    offsets[count] = at;
    if (self->city_by_index) *cities = (ucid_texts){text, NULL, offsets, 0, NULL};
    return UCID_OK;
}

/* Flags of identifiers: one text for all rows where they agree, as they nearly always do. */
static ucid_status read_flags(score_adder *self, int64_t count, const uint8_t *valid, ucid_texts *texts,
                              ucid_error *error)
{
    static const struct {
        const char *text;
        size_t length;
    } names[4] = {{"", 0}, {"ESTIMATED", 9}, {"OUTDATED", 8}, {"ESTIMATED;OUTDATED", FLAGS_LENGTH}};
    const uint8_t *flags = self->flags.bytes;
    int first = -1, uniform = 1;
    for (int64_t row = 0; row < count; row++) {
        if (!bit_is_set(valid, row)) continue;
        if (first < 0) first = flags[row] & 3;
        uniform &= (flags[row] & 3) == first;
    }
    if (uniform) {
        int set = first < 0 ? 0 : first;
        *texts = (ucid_texts){names[set].text, NULL, NULL, names[set].length, NULL};
        return UCID_OK;
    }
    const ucid_allocator *allocator = &self->base.allocator;
    ucid_status status = arrow_scratch_reserve(&self->flag_texts, allocator, (size_t)count * FLAGS_LENGTH + 1, error);
    if (status == UCID_OK) {
        status = arrow_scratch_reserve(&self->flag_offsets, allocator, (size_t)(count + 1) * sizeof(int64_t), error);
    }
    if (status != UCID_OK) return status;
    char *text = self->flag_texts.bytes;
    int64_t *offsets = self->flag_offsets.bytes;
    offsets[0] = 0;
    for (int64_t row = 0; row < count; row++) {
        memcpy(text + offsets[row], names[flags[row] & 3].text, names[flags[row] & 3].length);
        offsets[row + 1] = offsets[row] + (int64_t)names[flags[row] & 3].length;
    }
    *texts = (ucid_texts){text, NULL, offsets, 0, NULL};
    return UCID_OK;
}

/* NaN means null. */
static void null_nans(arrow_leaf *leaf, int64_t count)
{
    const double *values = leaf->values;
    for (int64_t row = 0; row < count; row++) {
        if (isnan(values[row])) arrow_leaf_null(leaf, row);
    }
    arrow_leaf_finish(leaf, count);
}

static ucid_status fill_identifiers(score_adder *self, int64_t count, const ucid_texts *cities, const int32_t *hours,
                                    const double *confidences, const uint8_t *valid, struct ArrowArray *column,
                                    ucid_error *error)
{
    ucid_create_columns values = {.lat_deg = self->places.lat_deg,
                                  .lon_deg = self->places.lon_deg,
                                  .validity = valid,
                                  .city = *cities,
                                  .context = {self->context->id, NULL, NULL, strlen(self->context->id), NULL},
                                  .grade = self->grades.bytes,
                                  .confidence = confidences,
                                  .cell = self->places.cell,
                                  .resolution =
                                      self->places.cell != NULL ? UCID_CELL_RESOLUTION : self->base.options.resolution};
    if (hours != NULL) {
        values.hour = hours;
    } else {
        values.time = (ucid_texts){self->time.constant, NULL, NULL, strlen(self->time.constant), NULL};
    }
    arrow_leaf leaf;
    int large = self->base.options.large_texts;
    ucid_status status = read_flags(self, count, valid, &values.flags, error);
    size_t bound = ucid_texts_create_bound(count, &values);
    if (status == UCID_OK) status = arrow_leaf_text(column, count, bound, 1, large, &self->base.columns, &leaf, error);
    if (status != UCID_OK) return status;
    uint8_t *created = self->created.bytes;
    ucid_texts_out out = {leaf.values, bound, leaf.offsets, leaf.offsets64};
    status =
        ucid_texts_create(count, &values, self->base.options.mode, NULL, &out, NULL, leaf.validity, created, error);
    if (status != UCID_OK) return status;
    arrow_leaf_finish(&leaf, count);
    uint8_t *statuses = self->statuses.bytes;
    for (int64_t row = 0; row < count; row++) {
        if (bit_is_set(valid, row) && created[row] != UCID_OK) statuses[row] = created[row];
    }
    return UCID_OK;
}

/* Count the rows that have no index, and try some of them with latitude and longitude exchanged. */
static void try_exchanged(score_adder *self, int64_t count)
{
    const uint8_t *statuses = self->statuses.bytes;
    self->rows += count;
    for (int64_t row = 0; row < count; row++) {
        if (statuses[row] != UCID_OUTSIDE_INDEX && statuses[row] != UCID_INVALID_COORDINATES) continue;
        self->outside++;
        if (self->tried == TRIED_MAX) continue;
        self->tried++;
        self->inside += catalog_in_a_box(self->catalog, self->places.lon_deg[row], self->places.lat_deg[row]);
    }
}

static ucid_status end_score(arrow_adder *adder, ucid_error *error)
{
    score_adder *self = (score_adder *)adder;
    int exchanged = self->outside > self->rows / 2 && self->inside > self->tried / 2;
    if (adder->options.exchanged == NULL || !exchanged) return UCID_OK;
    int stopped = adder->options.exchanged(adder->options.exchanged_ctx, self->outside, self->rows);
    return stopped ? ucid_fail(error, UCID_CANCELLED, "latitude and longitude are exchanged") : UCID_OK;
}

static ucid_status fill_score(arrow_adder *adder, const struct ArrowSchema *schema, const struct ArrowArray *batch,
                              int64_t first, int64_t count, struct ArrowArray *columns, ucid_error *error)
{
    score_adder *self = (score_adder *)adder;
    const ucid_allocator *allocator = &adder->allocator;
    size_t n = (size_t)count;
    int parts = adder->options.detail ? self->context->part_count : 0;
    int last = adder->added_count - 1;
    const struct {
        arrow_scratch *scratch;
        size_t bytes;
    } needs[] = {{&self->hours, 4 * n + 4}, {&self->grades, n + 1}, {&self->statuses, n + 1},
                 {&self->created, n + 1},   {&self->flags, n + 1},  {&self->validity, n / 8 + 2}};
    ucid_status status = place_columns_read(&self->places, schema, batch, first, count, allocator, error);
    if (status == UCID_OK) status = place_text_read_or_one(&self->city, schema, batch, first, count, allocator, error);
    if (status == UCID_OK) status = place_text_read_or_one(&self->time, schema, batch, first, count, allocator, error);
    for (size_t i = 0; i < sizeof needs / sizeof needs[0] && status == UCID_OK; i++) {
        status = arrow_scratch_reserve(needs[i].scratch, allocator, needs[i].bytes, error);
    }
    if (status != UCID_OK) return status;

    ucid_texts cities = place_text_get(&self->city);
    int32_t *row_hours = self->hours.bytes, *score_hours = NULL, *text_hours = NULL;
    uint32_t hour = self->hour;
    if (self->time.column >= 0) {
        int32_t shared = read_hours(&self->time.texts, count, row_hours);
        score_hours = text_hours = shared < 0 ? row_hours : NULL;
        if (shared >= 0) { /* as if it were given for all rows */
            hour = (uint32_t)shared;
            ucid_time_format(shared, self->time.constant);
        }
    }
    if (self->city_by_index || self->time_by_index) {
        status = read_by_index(self, count, &cities, row_hours, error);
        if (status != UCID_OK) return status;
        if (self->time_by_index) text_hours = row_hours;
    }

    arrow_leaf numbers[3 + 2 * UCID_PARTS_MAX];
    int made = 0;
    ucid_scores scores = {.grade = self->grades.bytes, .status = self->statuses.bytes, .flags = self->flags.bytes};
    struct {
        double **out;
        int column;
    } wanted[3 + 2 * UCID_PARTS_MAX] = {{&scores.score, 1}, {&scores.confidence, 3}};
    int wanted_count = 2;
    for (int p = 0; p < parts; p++) {
        wanted[wanted_count].out = &scores.part[p];
        wanted[wanted_count++].column = 4 + p;
        wanted[wanted_count].out = &scores.nearest_m[p];
        wanted[wanted_count++].column = 4 + parts + p;
    }
    if (adder->options.detail) {
        wanted[wanted_count].out = &scores.snap_m;
        wanted[wanted_count++].column = last - 1;
    }
    for (; made < wanted_count && status == UCID_OK; made++) {
        status = arrow_leaf_fixed(&columns[wanted[made].column], count, sizeof(double), 1, &adder->columns,
                                  &numbers[made], error);
        if (status == UCID_OK) *wanted[made].out = numbers[made].values;
    }
    if (status == UCID_OK) {
        ucid_score_options options = UCID_SCORE_OPTIONS_INIT;
        options.allocator = &adder->columns; /* scratch of a batch serves the next one */
        options.threads = adder->options.threads;
        options.context = self->context->id;
        options.hour = hour;
        status = ucid_catalog_score(self->catalog, count, self->places.lat_deg, self->places.lon_deg,
                                    self->places.row_validity, score_hours, &options, &scores, error);
    }
    if (status == UCID_OK && adder->options.exchanged != NULL && self->places.cell == NULL) try_exchanged(self, count);
    uint8_t *valid = self->validity.bytes;
    if (status == UCID_OK) {
        memset(valid, 0, n / 8 + 1);
        int64_t scored = 0;
        for (int64_t row = 0; row < count; row++) {
            int is_scored = !isnan(scores.score[row]);
            valid[row >> 3] |= (uint8_t)((unsigned)is_scored << (row & 7));
            scored += is_scored;
            if (self->places.cell != NULL && scores.status[row] == UCID_INVALID_COORDINATES) {
                scores.status[row] = UCID_INVALID_H3;
            }
        }
        if (scored == count) valid = NULL;
        status = fill_identifiers(self, count, &cities, text_hours, scores.confidence, valid, &columns[0], error);
    }
    for (int i = 0; i < wanted_count && status == UCID_OK; i++) null_nans(&numbers[i], count);
    if (status == UCID_OK) {
        status = arrow_words_fill(adder, &columns[2], count, scores.grade, &arrow_grades, valid, error);
    }
    if (status == UCID_OK) {
        status = arrow_words_fill(adder, &columns[last], count, scores.status, &arrow_statuses, NULL, error);
    }
    for (int c = 0; c <= last && status != UCID_OK; c++) {
        if (columns[c].release != NULL) columns[c].release(&columns[c]);
    }
    return status;
}

static void take_catalog(arrow_adder *adder, const void *catalog) { ((score_adder *)adder)->catalog = catalog; }

ucid_status ucid_score_stream(struct ArrowArrayStream *in, const ucid_catalog *catalog,
                              const ucid_stream_options *options, struct ArrowArrayStream *out, ucid_error *error)
{
    static const arrow_door door = {sizeof(score_adder), open_score, fill_score, reset_score, end_score};
    return arrow_open(in, options, &door, catalog, take_catalog, out, error);
}
