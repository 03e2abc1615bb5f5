/* zone_table.c: a table of zones is read once: geometries go into the builder, the wanted columns are put together. */
#include "arrow/zone_table.h"

#include "rt/bits.h"
#include "rt/error.h"
#include "rt/memory.h"

#include <stdio.h>
#include <string.h>

static const char *const geometry_names[] = {"geometry", "geom", "wkb_geometry", "wkb", "the_geom", "shape", NULL};

typedef struct reading {
    ucid_zone_table *table;
    ucid_zones_builder *builder;
    struct ArrowSchema schema;
    int64_t geometry;
    arrow_texts texts;
    arrow_numbers numbers;
    arrow_wholes wholes;
} reading;

/* ------------------------------------------------------------------------------------------------------- Columns -- */

/* What a column of this type becomes; 0 where it cannot be joined. */
static char joined_format(const struct ArrowSchema *schema)
{
    const char *rows = arrow_row_schema(schema)->format;
    if (strcmp(rows, "u") == 0 || strcmp(rows, "U") == 0 || strcmp(rows, "vu") == 0) return 'u';
    if (rows[0] != '\0' && rows[1] == '\0' && strchr("cCsSiIlL", rows[0]) != NULL) return 'l';
    return strcmp(rows, "g") == 0 || strcmp(rows, "f") == 0 || strcmp(rows, "e") == 0 ? 'g' : 0;
}

static ucid_status take_column(reading *r, int64_t source, ucid_error *error)
{
    ucid_zone_table *table = r->table;
    const struct ArrowSchema *schema = r->schema.children[source];
    if (table->column_count == ZONE_COLUMNS_MAX || strlen(schema->name) >= ARROW_NAME_MAX) {
        return ucid_fail(error, UCID_DATA_ERROR,
                         "zones have more than %d columns, or names over %d bytes: name those that are wanted",
                         ZONE_COLUMNS_MAX, ARROW_NAME_MAX - 1);
    }
    zone_column *column = &table->columns[table->column_count++];
    snprintf(column->name, sizeof column->name, "%s", schema->name);
    column->format = joined_format(schema);
    column->source = source;
    return UCID_OK;
}

static ucid_status find_columns(reading *r, const ucid_zone_options *options, ucid_error *error)
{
    r->geometry = arrow_find(&r->schema, options->geometry_column, geometry_names);
    if (r->geometry < 0) return arrow_missing(&r->schema, options->geometry_column, "geometries of zones", error);
    ucid_status status =
        arrow_check_texts(r->schema.children[r->geometry], r->schema.children[r->geometry]->name, error);
    if (options->columns == NULL) {
        for (int64_t i = 0; status == UCID_OK && i < r->schema.n_children; i++) {
            const struct ArrowSchema *column = r->schema.children[i];
            if (i == r->geometry || column->name == NULL || joined_format(column) == 0) continue;
            status = take_column(r, i, error);
        }
        return status;
    }
    for (const char *const *name = options->columns; status == UCID_OK && *name != NULL; name++) {
        int64_t i = arrow_find(&r->schema, *name, NULL);
        if (i < 0) return arrow_missing(&r->schema, *name, "", error);
        if (joined_format(r->schema.children[i]) == 0) {
            return ucid_fail(error, UCID_DATA_ERROR, "column '%.60s' of the zones holds no texts or numbers (%s)",
                             *name, r->schema.children[i]->format);
        }
        status = take_column(r, i, error);
    }
    return status;
}

/* ---------------------------------------------------------------------------------------------------------- Rows -- */

static ucid_status append_texts(reading *r, zone_column *column, int64_t n, ucid_error *error)
{
    const ucid_allocator *allocator = &r->table->allocator;
    size_t more = (size_t)(r->texts.offsets[n] - r->texts.offsets[0]), zones = (size_t)(r->table->zone_count + n);
    ucid_status status = arrow_scratch_reserve(&column->bytes, allocator, column->length + more + 1, error);
    if (status == UCID_OK) status = arrow_scratch_reserve(&column->offsets, allocator, (zones + 1) * 8, error);
    if (status != UCID_OK) return status;
    char *bytes = column->bytes.bytes;
    int64_t *offsets = column->offsets.bytes;
    if (r->table->zone_count == 0) offsets[0] = 0;
    if (more > 0) memcpy(bytes + column->length, r->texts.data + r->texts.offsets[0], more);
    for (int64_t i = 0; i < n; i++) {
        offsets[r->table->zone_count + i + 1] = (int64_t)column->length + r->texts.offsets[i + 1] - r->texts.offsets[0];
    }
    column->length += more;
    return UCID_OK;
}

static ucid_status append_column(reading *r, zone_column *column, const struct ArrowArray *batch, ucid_error *error)
{
    const ucid_allocator *allocator = &r->table->allocator;
    const struct ArrowSchema *schema = r->schema.children[column->source];
    const struct ArrowArray *array = batch->children[column->source];
    int64_t n = batch->length, first = r->table->zone_count;
    const uint8_t *validity = NULL;
    ucid_status status = arrow_scratch_reserve(&column->valid, allocator, (size_t)(first + n) + 1, error);
    if (status == UCID_OK && column->format == 'u') {
        status = arrow_read_texts(schema, array, batch->offset, n, allocator, &r->texts, error);
        if (status == UCID_OK) status = append_texts(r, column, n, error);
        validity = r->texts.validity;
    } else if (status == UCID_OK) {
        const void *values = NULL;
        if (column->format == 'l') {
            status = arrow_read_wholes(schema, array, batch->offset, n, allocator, &r->wholes, error);
            values = r->wholes.values, validity = r->wholes.validity;
        } else {
            status = arrow_read_numbers(schema, array, batch->offset, n, allocator, &r->numbers, error);
            values = r->numbers.values, validity = r->numbers.validity;
        }
        if (status == UCID_OK)
            status = arrow_scratch_reserve(&column->bytes, allocator, (size_t)(first + n + 1) * 8, error);
        if (status == UCID_OK && n > 0) memcpy((char *)column->bytes.bytes + (size_t)first * 8, values, (size_t)n * 8);
    }
    if (status != UCID_OK) return status;
    uint8_t *valid = column->valid.bytes;
    for (int64_t i = 0; i < n; i++) valid[first + i] = (uint8_t)bit_is_set(validity, i);
    return UCID_OK;
}

static ucid_status append_batch(reading *r, const struct ArrowArray *batch, ucid_error *error)
{
    const ucid_allocator *allocator = &r->table->allocator;
    int64_t n = batch->length;
    ucid_status status = UCID_OK;
    for (int c = 0; status == UCID_OK && c < r->table->column_count; c++) {
        status = append_column(r, &r->table->columns[c], batch, error);
    }
    if (status != UCID_OK) return status;
    status = arrow_read_texts(r->schema.children[r->geometry], batch->children[r->geometry], batch->offset, n,
                              allocator, &r->texts, error);
    for (int64_t i = 0; status == UCID_OK && i < n; i++) {
        int64_t from = r->texts.offsets[i], to = bit_is_set(r->texts.validity, i) ? r->texts.offsets[i + 1] : from;
        ucid_error reason;
        status = ucid_zones_builder_add_wkb(r->builder, r->texts.data + from, (size_t)(to - from), &reason);
        if (status != UCID_OK) {
            (void)ucid_fail_at(error, status, r->table->zone_count + i, -1, "zone %lld: %.200s",
                               (long long)(r->table->zone_count + i), reason.message);
        }
    }
    r->table->zone_count += n;
    return status;
}

static ucid_status read_stream(reading *r, struct ArrowArrayStream *in, ucid_error *error)
{
    for (;;) {
        struct ArrowArray batch;
        int code = in->get_next(in, &batch);
        if (code != 0) {
            const char *reason = in->get_last_error(in);
            return ucid_fail(error, UCID_DATA_ERROR, "zones: %s", reason != NULL ? reason : strerror(code));
        }
        if (batch.release == NULL) return UCID_OK;
        ucid_status status = batch.n_children == r->schema.n_children
                                 ? append_batch(r, &batch, error)
                                 : ucid_fail(error, UCID_DATA_ERROR, "zones: a batch does not fit its schema");
        batch.release(&batch);
        if (status != UCID_OK) return status;
    }
}

/* -------------------------------------------------------------------------------------------------------- Taking -- */

static ucid_status take_fixed(const zone_column *column, int64_t n, const int32_t *zones,
                              const ucid_allocator *allocator, struct ArrowArray *array, ucid_error *error)
{
    arrow_leaf leaf;
    ucid_status status = arrow_leaf_fixed(array, n, 8, 1, allocator, &leaf, error);
    if (status != UCID_OK) return status;
    const uint64_t *from = column->bytes.bytes;
    uint64_t *to = leaf.values;
    for (int64_t i = 0; i < n; i++) {
        int valid = zones[i] >= 0 && zone_column_is_valid(column, zones[i]);
        to[i] = valid ? from[zones[i]] : 0;
        if (!valid) arrow_leaf_null(&leaf, i);
    }
    arrow_leaf_finish(&leaf, n);
    return UCID_OK;
}

static ucid_status take_texts(const zone_column *column, int64_t n, const int32_t *zones, int large,
                              const ucid_allocator *allocator, struct ArrowArray *array, ucid_error *error)
{
    const int64_t *offsets = column->offsets.bytes;
    const char *bytes = column->bytes.bytes;
    size_t length = 0;
    for (int64_t i = 0; i < n; i++) length += zones[i] >= 0 ? (size_t)(offsets[zones[i] + 1] - offsets[zones[i]]) : 0;
    if (length > INT32_MAX && !large)
        return ucid_fail(error, UCID_DATA_ERROR, "a batch has over 2^31 bytes of column '%s'", column->name);
    arrow_leaf leaf;
    ucid_status status = arrow_leaf_text(array, n, length, 1, large, allocator, &leaf, error);
    if (status != UCID_OK) return status;
    char *to = leaf.values;
    int64_t at = 0;
    for (int64_t i = 0; i < n; i++) {
        if (zones[i] < 0 || !zone_column_is_valid(column, zones[i])) {
            arrow_leaf_null(&leaf, i);
        } else {
            int64_t size = offsets[zones[i] + 1] - offsets[zones[i]];
            memcpy(to + at, bytes + offsets[zones[i]], (size_t)size);
            at += size;
        }
        arrow_leaf_end(&leaf, i, at);
    }
    arrow_leaf_finish(&leaf, n);
    return UCID_OK;
}

static ucid_status take_numbers(int64_t n, const int32_t *zones, const ucid_allocator *allocator,
                                struct ArrowArray *array, ucid_error *error)
{
    arrow_leaf leaf;
    ucid_status status = arrow_leaf_fixed(array, n, sizeof(int32_t), 1, allocator, &leaf, error);
    if (status != UCID_OK) return status;
    for (int64_t i = 0; i < n; i++) {
        ((int32_t *)leaf.values)[i] = zones[i];
        if (zones[i] < 0) arrow_leaf_null(&leaf, i);
    }
    arrow_leaf_finish(&leaf, n);
    return UCID_OK;
}

ucid_status zone_column_take(const zone_column *column, int64_t n, const int32_t *zones, int large,
                             const ucid_allocator *allocator, struct ArrowArray *array, ucid_error *error)
{
    if (column == NULL) return take_numbers(n, zones, allocator, array, error);
    if (column->format == 'u') return take_texts(column, n, zones, large, allocator, array, error);
    return take_fixed(column, n, zones, allocator, array, error);
}

const char *zone_column_format(const zone_column *column)
{
    return column->format == 'u' ? "u" : column->format == 'l' ? "l" : "g";
}

/* The areas are computed when they are first asked for; of several that do so at a time, one is kept. */
ucid_status zone_table_areas(const ucid_zone_table *table, int threads, const double **areas, ucid_error *error)
{
    _Atomic(double *) *kept = &((ucid_zone_table *)table)->areas;
    const ucid_allocator *allocator = &table->allocator;
    double *made = atomic_load_explicit(kept, memory_order_acquire), *there = NULL;
    if (made == NULL) {
        made = ucid_allocate(allocator, (size_t)table->zone_count + 1, sizeof *made);
        if (made == NULL) return ucid_fail_memory(error, "areas of zones", (size_t)table->zone_count * sizeof *made);
        ucid_status status = ucid_zones_areas(table->zones, threads, made, error);
        if (status != UCID_OK || !atomic_compare_exchange_strong(kept, &there, made)) {
            ucid_release(allocator, made, (size_t)table->zone_count + 1, sizeof *made);
            made = there;
        }
        if (status != UCID_OK) return status;
    }
    *areas = made;
    return UCID_OK;
}

/* -------------------------------------------------------------------------------------------------- Open, close -- */

ucid_status ucid_zone_table_read(struct ArrowArrayStream *in, const ucid_zone_options *options, ucid_zone_table **table,
                                 ucid_error *error)
{
    static const ucid_zone_options standard = UCID_ZONE_OPTIONS_INIT;
    if (options == NULL) options = &standard;
    if (options->size != sizeof *options || options->threads < 1) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT,
                         "zone options: threads is %d and must be at least 1; start from "
                         "UCID_ZONE_OPTIONS_INIT",
                         options->threads);
    }
    reading r = {0};
    ucid_status status = arrow_schema_read(in, &r.schema, error);
    if (status != UCID_OK) return status;
    ucid_allocator allocator = ucid_allocator_or_default(options->allocator);
    r.table = ucid_allocate_zero(&allocator, 1, sizeof *r.table);
    if (r.table == NULL) {
        r.schema.release(&r.schema);
        return ucid_fail_memory(error, "zones", sizeof *r.table);
    }
    r.table->allocator = allocator;
    status = ucid_zones_builder_new(&allocator, &r.builder, error);
    if (status == UCID_OK) status = find_columns(&r, options, error);
    if (status == UCID_OK) status = read_stream(&r, in, error);
    if (status == UCID_OK) status = ucid_zones_build(r.builder, options->threads, &r.table->zones, error);
    ucid_zones_builder_free(r.builder);
    arrow_texts_reset(&r.texts, &allocator);
    arrow_numbers_reset(&r.numbers, &allocator);
    arrow_wholes_reset(&r.wholes, &allocator);
    r.schema.release(&r.schema);
    if (status != UCID_OK) {
        ucid_zone_table_close(r.table);
        return status;
    }
    in->release(in);
    *table = r.table;
    return UCID_OK;
}

void ucid_zone_table_close(ucid_zone_table *table)
{
    if (table == NULL) return;
    ucid_allocator allocator = table->allocator;
    for (int c = 0; c < table->column_count; c++) {
        arrow_scratch_reset(&table->columns[c].bytes, &allocator);
        arrow_scratch_reset(&table->columns[c].offsets, &allocator);
        arrow_scratch_reset(&table->columns[c].valid, &allocator);
    }
    ucid_zones_close(table->zones);
    ucid_release(&allocator, table->areas, (size_t)table->zone_count + 1, sizeof(double));
    ucid_release(&allocator, table, 1, sizeof *table);
}

const ucid_zones *ucid_zone_table_zones_get(const ucid_zone_table *table) { return table->zones; }

const char *ucid_zone_table_column_name(const ucid_zone_table *table, int column)
{
    return column >= 0 && column < table->column_count ? table->columns[column].name : NULL;
}
