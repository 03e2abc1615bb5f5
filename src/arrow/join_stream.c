/* join_stream.c: places get the columns of their zones. With all zones of a place wanted, a column is a text of its
 * zones' values, joined by ';' as flags are, so that there is still one row out for each row in. */
#include "arrow/arrays.h"
#include "arrow/place_columns.h"
#include "arrow/stream.h"
#include "arrow/zone_table.h"
#include "rt/error.h"
#include "rt/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NUMBER_LENGTH = 32 };

typedef struct join_adder {
    arrow_adder base;
    const ucid_zone_table *table;
    ucid_join_options join;
    int numbered; /* the zone's number is added: no column of the table is called so */
    place_columns places;
    arrow_scratch zones, offsets, statuses, dists, texts;
} join_adder;

static void reset_join(arrow_adder *adder)
{
    join_adder *self = (join_adder *)adder;
    arrow_scratch *scratches[] = {&self->zones, &self->offsets, &self->statuses, &self->dists, &self->texts};
    place_columns_reset(&self->places, &adder->allocator);
    for (size_t i = 0; i < sizeof scratches / sizeof scratches[0]; i++) {
        arrow_scratch_reset(scratches[i], &adder->allocator);
    }
}

static ucid_status open_join(arrow_adder *adder, const struct ArrowSchema *schema, ucid_error *error)
{
    join_adder *self = (join_adder *)adder;
    self->numbered = 1;
    for (int c = 0; c < self->table->column_count; c++) {
        const zone_column *column = &self->table->columns[c];
        if (strcmp(column->name, "zone") == 0) self->numbered = 0;
        arrow_add(adder, column->name, self->join.all ? "u" : zone_column_format(column), 1);
    }
    if (self->numbered) arrow_add(adder, "zone", self->join.all ? "u" : "i", 1);
    if (self->join.limit_m >= 0) arrow_add(adder, "distance_m", "g", 1);
    arrow_add_words(adder, "status", 0);
    return place_columns_init(&self->places, schema, &adder->options, error);
}

/* ----------------------------------------------------------------------------------------- All zones of each place --
 */

/* The text of a zone's value, at most NUMBER_LENGTH bytes of which are put into room; column NULL: the zone's number.
 */
static ucid_text value_text(const zone_column *column, int32_t zone, char room[NUMBER_LENGTH])
{
    if (column == NULL) return (ucid_text){room, (size_t)snprintf(room, NUMBER_LENGTH, "%d", zone)};
    if (!zone_column_is_valid(column, zone)) return (ucid_text){"", 0};
    if (column->format == 'u') {
        const int64_t *offsets = column->offsets.bytes;
        return (ucid_text){(const char *)column->bytes.bytes + offsets[zone],
                           (size_t)(offsets[zone + 1] - offsets[zone])};
    }
    if (column->format == 'l') {
        long long value = ((const int64_t *)column->bytes.bytes)[zone];
        return (ucid_text){room, (size_t)snprintf(room, NUMBER_LENGTH, "%lld", value)};
    }
    return (ucid_text){room,
                       (size_t)snprintf(room, NUMBER_LENGTH, "%.17g", ((const double *)column->bytes.bytes)[zone])};
}

static ucid_status join_texts(join_adder *self, const zone_column *column, int64_t n, struct ArrowArray *array,
                              ucid_error *error)
{
    const int64_t *first = self->offsets.bytes;
    const int32_t *zones = self->zones.bytes;
    char room[NUMBER_LENGTH];
    size_t length = 0;
    for (int64_t k = 0; k < first[n]; k++) length += value_text(column, zones[k], room).length + 1;
    int large = self->base.options.large_texts;
    if (length > INT32_MAX && !large)
        return ucid_fail(error, UCID_DATA_ERROR, "a batch has over 2^31 bytes of zones' values");
    arrow_leaf leaf;
    ucid_status status = arrow_leaf_text(array, n, length, 1, large, &self->base.columns, &leaf, error);
    if (status != UCID_OK) return status;
    char *to = leaf.values;
    int64_t at = 0;
    for (int64_t i = 0; i < n; i++) {
        if (first[i] == first[i + 1]) arrow_leaf_null(&leaf, i);
        for (int64_t k = first[i]; k < first[i + 1]; k++) {
            ucid_text value = value_text(column, zones[k], room);
            if (k > first[i]) to[at++] = ';';
            memcpy(to + at, value.data, value.length);
            at += (int64_t)value.length;
        }
        arrow_leaf_end(&leaf, i, at);
    }
    arrow_leaf_finish(&leaf, n);
    return UCID_OK;
}

/* ---------------------------------------------------------------------------------------------------------- Fill -- */

static ucid_status find_all(join_adder *self, int64_t n, ucid_error *error)
{
    const ucid_allocator *allocator = &self->base.allocator;
    const place_columns *p = &self->places;
    int threads = self->base.options.threads;
    ucid_status status = arrow_scratch_reserve(&self->offsets, allocator, ((size_t)n + 1) * sizeof(int64_t), error);
    if (status != UCID_OK) return status;
    int64_t *offsets = self->offsets.bytes;
    status = ucid_zones_within_all(self->table->zones, n, p->lat_deg, p->lon_deg, p->row_validity, threads, offsets,
                                   NULL, 0, self->statuses.bytes, error);
    if (status != UCID_OK) return status;
    status = arrow_scratch_reserve(&self->zones, allocator, ((size_t)offsets[n] + 1) * sizeof(int32_t), error);
    if (status != UCID_OK) return status;
    return ucid_zones_within_all(self->table->zones, n, p->lat_deg, p->lon_deg, p->row_validity, threads, offsets,
                                 self->zones.bytes, offsets[n], self->statuses.bytes, error);
}

static ucid_status find_one(join_adder *self, int64_t n, struct ArrowArray *dist_column, ucid_error *error)
{
    const ucid_allocator *allocator = &self->base.allocator;
    const place_columns *p = &self->places;
    int threads = self->base.options.threads;
    ucid_status status = arrow_scratch_reserve(&self->zones, allocator, ((size_t)n + 1) * sizeof(int32_t), error);
    if (status != UCID_OK) return status;
    if (self->join.limit_m < 0) {
        return ucid_zones_within(self->table->zones, n, p->lat_deg, p->lon_deg, p->row_validity, threads,
                                 self->zones.bytes, self->statuses.bytes, error);
    }
    arrow_leaf leaf;
    status = arrow_leaf_fixed(dist_column, n, sizeof(double), 1, &self->base.columns, &leaf, error);
    if (status != UCID_OK) return status;
    status = ucid_zones_nearest(self->table->zones, n, p->lat_deg, p->lon_deg, p->row_validity, self->join.limit_m,
                                threads, self->zones.bytes, leaf.values, self->statuses.bytes, error);
    for (int64_t i = 0; status == UCID_OK && i < n; i++) {
        if (isnan(((double *)leaf.values)[i])) arrow_leaf_null(&leaf, i);
    }
    arrow_leaf_finish(&leaf, n);
    return status;
}

static ucid_status fill_join(arrow_adder *adder, const struct ArrowSchema *schema, const struct ArrowArray *batch,
                             int64_t first, int64_t count, struct ArrowArray *columns, ucid_error *error)
{
    join_adder *self = (join_adder *)adder;
    const ucid_allocator *allocator = &adder->allocator;
    const ucid_zone_table *table = self->table;
    int last = adder->added_count - 1, large = adder->options.large_texts;
    ucid_status status = place_columns_read(&self->places, schema, batch, first, count, allocator, error);
    if (status == UCID_OK) status = arrow_scratch_reserve(&self->statuses, allocator, (size_t)count + 1, error);
    if (status == UCID_OK) {
        status = self->join.all ? find_all(self, count, error) : find_one(self, count, &columns[last - 1], error);
    }
    const int32_t *zones = self->zones.bytes;
    for (int c = 0; c < table->column_count + self->numbered && status == UCID_OK; c++) {
        const zone_column *column = c < table->column_count ? &table->columns[c] : NULL;
        status = self->join.all ? join_texts(self, column, count, &columns[c], error)
                                : zone_column_take(column, count, zones, large, &adder->columns, &columns[c], error);
    }
    uint8_t *statuses = self->statuses.bytes;
    for (int64_t row = 0; status == UCID_OK && self->places.cell != NULL && row < count; row++) {
        if (statuses[row] == UCID_INVALID_COORDINATES) statuses[row] = UCID_INVALID_H3;
    }
    if (status == UCID_OK) {
        status = arrow_words_fill(adder, &columns[last], count, statuses, &arrow_statuses, NULL, error);
    }
    for (int c = 0; c <= last && status != UCID_OK; c++) {
        if (columns[c].release != NULL) columns[c].release(&columns[c]);
    }
    return status;
}

typedef struct given {
    const ucid_zone_table *table;
    const ucid_join_options *join;
} given;

static void take_zones(arrow_adder *adder, const void *from)
{
    const given *g = from;
    ((join_adder *)adder)->table = g->table;
    ((join_adder *)adder)->join = *g->join;
}

ucid_status ucid_join_stream(struct ArrowArrayStream *in, const ucid_zone_table *table, const ucid_join_options *join,
                             const ucid_stream_options *options, struct ArrowArrayStream *out, ucid_error *error)
{
    static const arrow_door door = {sizeof(join_adder), open_join, fill_join, reset_join, NULL};
    static const ucid_join_options standard = UCID_JOIN_OPTIONS_INIT;
    if (join == NULL) join = &standard;
    if (table == NULL || join->size != sizeof *join || join->limit_m > 1e6 || isnan(join->limit_m) ||
        (join->all && join->limit_m >= 0)) {
        return ucid_fail(
            error, UCID_INVALID_ARGUMENT,
            "a join needs zones; a distance of at most 1000000 m; all zones of a place are those it is in");
    }
    given g = {table, join};
    return arrow_open(in, options, &door, &g, take_zones, out, error);
}
