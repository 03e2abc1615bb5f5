/* overlap_stream.c: cells come out once for each zone that shares some of their area, those of none once. */
#include "arrow/arrays.h"
#include "arrow/stream.h"
#include "arrow/zone_table.h"
#include "rt/error.h"

#include <string.h>

enum { AREA, CELL_SHARE, ZONE_SHARE, NUMBERS };

typedef struct overlap_adder {
    arrow_adder base;
    const ucid_zone_table *table;
    const double *zone_areas; /* of the table */
    int64_t cell_column;
    int numbered; /* the zone's number is added: no column of the table is called so */
    arrow_cells cells;
    arrow_scratch offsets, zones, areas, cell_areas, statuses, rows, row_zones, row_statuses;
} overlap_adder;

static void reset_overlap(arrow_adder *adder)
{
    overlap_adder *self = (overlap_adder *)adder;
    arrow_scratch *scratches[] = {&self->offsets,  &self->zones, &self->areas,     &self->cell_areas,
                                  &self->statuses, &self->rows,  &self->row_zones, &self->row_statuses};
    arrow_cells_reset(&self->cells, &adder->allocator);
    for (size_t i = 0; i < sizeof scratches / sizeof scratches[0]; i++) {
        arrow_scratch_reset(scratches[i], &adder->allocator);
    }
}

static ucid_status open_overlap(arrow_adder *adder, const struct ArrowSchema *schema, ucid_error *error)
{
    overlap_adder *self = (overlap_adder *)adder;
    const char *name = adder->options.cell_column;
    adder->repeats = 1;
    self->numbered = 1;
    for (int c = 0; c < self->table->column_count; c++) {
        const zone_column *column = &self->table->columns[c];
        if (strcmp(column->name, "zone") == 0) self->numbered = 0;
        arrow_add(adder, column->name, zone_column_format(column), 1);
    }
    if (self->numbered) arrow_add(adder, "zone", "i", 1);
    arrow_add(adder, "area_m2", "g", 1);
    arrow_add(adder, "cell_share", "g", 1);
    arrow_add(adder, "zone_share", "g", 1);
    arrow_add_words(adder, "status", 0);
    self->cell_column = arrow_find(schema, name, arrow_cell_names);
    if (self->cell_column < 0) return arrow_missing(schema, name, "cells", error);
    const struct ArrowSchema *column = schema->children[self->cell_column];
    ucid_status status = arrow_check_cells(column, column->name, error);
    if (status != UCID_OK) return status;
    return zone_table_areas(self->table, adder->options.threads, &self->zone_areas, error);
}

static ucid_status reserve(overlap_adder *self, arrow_scratch *scratch, int64_t n, size_t width, ucid_error *error)
{
    return arrow_scratch_reserve(scratch, &self->base.allocator, ((size_t)n + 1) * width, error);
}

/* Zones of the cells at hand, which are count. */
static ucid_status find_zones(overlap_adder *self, int64_t count, ucid_error *error)
{
    ucid_status status = reserve(self, &self->offsets, count, sizeof(int64_t), error);
    if (status == UCID_OK) status = reserve(self, &self->cell_areas, count, sizeof(double), error);
    if (status == UCID_OK) status = reserve(self, &self->statuses, count, 1, error);
    for (int64_t room = 2 * count + 64; status == UCID_OK;) {
        int64_t *offsets = self->offsets.bytes;
        status = reserve(self, &self->zones, room, sizeof(int32_t), error);
        if (status == UCID_OK) status = reserve(self, &self->areas, room, sizeof(double), error);
        if (status == UCID_OK) {
            status = ucid_zones_overlaps(self->table->zones, count, self->cells.values, self->cells.validity,
                                         self->base.options.threads, offsets, self->zones.bytes, self->areas.bytes,
                                         room, self->cell_areas.bytes, self->statuses.bytes, error);
        }
        if (status == UCID_OK && offsets[count] <= room) break;
        room = status == UCID_OK ? offsets[count] : room;
    }
    return status;
}

/* The rows that come out, and their three numbers; first is where the cells lie in their batch. */
static ucid_status make_rows(overlap_adder *self, int64_t first, int64_t count, struct ArrowArray *columns,
                             ucid_error *error)
{
    const int64_t *offsets = self->offsets.bytes;
    const int32_t *zones = self->zones.bytes;
    const double *areas = self->areas.bytes, *cell_areas = self->cell_areas.bytes;
    const uint8_t *statuses = self->statuses.bytes;
    int64_t total = offsets[count], at = 0;
    for (int64_t i = 0; i < count; i++) total += offsets[i] == offsets[i + 1];
    ucid_status status = reserve(self, &self->rows, total, sizeof(int64_t), error);
    if (status == UCID_OK) status = reserve(self, &self->row_zones, total, sizeof(int32_t), error);
    if (status == UCID_OK) status = reserve(self, &self->row_statuses, total, 1, error);
    arrow_leaf leaf[NUMBERS] = {{0}};
    for (int k = 0; status == UCID_OK && k < NUMBERS; k++) {
        status = arrow_leaf_fixed(&columns[k], total, sizeof(double), 1, &self->base.columns, &leaf[k], error);
    }
    if (status != UCID_OK) return status;
    int64_t *rows = self->rows.bytes;
    int32_t *row_zones = self->row_zones.bytes;
    uint8_t *row_statuses = self->row_statuses.bytes;
    for (int64_t i = 0; i < count; i++) {
        int64_t k = offsets[i];
        do { /* a cell of no zone once, too */
            int found = k < offsets[i + 1];
            double values[NUMBERS] = {0};
            if (found) {
                values[AREA] = areas[k], values[CELL_SHARE] = areas[k] / cell_areas[i];
                values[ZONE_SHARE] = areas[k] / self->zone_areas[zones[k]];
                if (values[ZONE_SHARE] > 1) values[ZONE_SHARE] = 1;
            }
            for (int v = 0; v < NUMBERS; v++) {
                ((double *)leaf[v].values)[at] = values[v];
                if (!found) arrow_leaf_null(&leaf[v], at);
            }
            rows[at] = first + i, row_zones[at] = found ? zones[k] : -1, row_statuses[at++] = statuses[i];
        } while (++k < offsets[i + 1]);
    }
    for (int k = 0; k < NUMBERS; k++) arrow_leaf_finish(&leaf[k], total);
    self->base.rows = rows, self->base.row_count = total;
    return UCID_OK;
}

static ucid_status fill_overlap(arrow_adder *adder, const struct ArrowSchema *schema, const struct ArrowArray *batch,
                                int64_t first, int64_t count, struct ArrowArray *columns, ucid_error *error)
{
    overlap_adder *self = (overlap_adder *)adder;
    const ucid_allocator *allocator = &adder->allocator;
    const ucid_zone_table *table = self->table;
    int named = table->column_count + self->numbered, last = adder->added_count - 1;
    int large = adder->options.large_texts;
    ucid_status status = arrow_read_cells(schema->children[self->cell_column], batch->children[self->cell_column],
                                          batch->offset + first, count, allocator, &self->cells, error);
    if (status == UCID_OK) status = find_zones(self, count, error);
    if (status == UCID_OK) status = make_rows(self, batch->offset + first, count, columns + named, error);
    for (int c = 0; c < named && status == UCID_OK; c++) {
        status = zone_column_take(c < table->column_count ? &table->columns[c] : NULL, adder->row_count,
                                  self->row_zones.bytes, large, allocator, &columns[c], error);
    }
    if (status == UCID_OK) {
        status = arrow_words_fill(adder, &columns[last], adder->row_count, self->row_statuses.bytes, &arrow_statuses,
                                  NULL, error);
    }
    for (int c = 0; c <= last && status != UCID_OK; c++) {
        if (columns[c].release != NULL) columns[c].release(&columns[c]);
    }
    return status;
}

static void take_table(arrow_adder *adder, const void *given) { ((overlap_adder *)adder)->table = given; }

ucid_status ucid_overlap_stream(struct ArrowArrayStream *in, const ucid_zone_table *table,
                                const ucid_stream_options *options, struct ArrowArrayStream *out, ucid_error *error)
{
    static const arrow_door door = {sizeof(overlap_adder), open_overlap, fill_overlap, reset_overlap, NULL};
    if (table == NULL) return ucid_fail(error, UCID_INVALID_ARGUMENT, "overlaps need zones");
    return arrow_open(in, options, &door, table, take_table, out, error);
}
