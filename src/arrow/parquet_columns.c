/* parquet_columns.c: a stream of tables into a Parquet file: each column is read as plain arrays, and cut where row
 * groups end. */
#include "arrow/arrays.h"
#include "arrow/stream.h"
#include "parquet/format.h"
#include "parquet/row_groups.h"
#include "rt/error.h"
#include "rt/memory.h"

#include <string.h>

typedef struct columns_writer {
    const ucid_parquet_options *options;
    ucid_allocator allocator;
    parquet_table table;
    struct ArrowSchema schema;
    int32_t group; /* which one is being filled: the last one stands for all that follow */
    int64_t rows;  /* in it */
    arrow_numbers numbers;
    arrow_texts texts;
    arrow_scratch entries, known;
} columns_writer;

static int is_ordered(const ucid_parquet_options *options, const char *name)
{
    for (int32_t i = 0; i < options->unordered_count; i++) {
        if (strcmp(options->unordered[i], name) == 0) return 0;
    }
    return 1;
}

static int is_text(const struct ArrowSchema *schema)
{
    const char *rows = arrow_row_schema(schema)->format;
    return strcmp(rows, "u") == 0 || strcmp(rows, "U") == 0;
}

static ucid_status open_columns(columns_writer *w, ucid_error *error)
{
    ucid_status status = UCID_OK;
    for (int64_t i = 0; i < w->schema.n_children && status == UCID_OK; i++) {
        const struct ArrowSchema *column = w->schema.children[i];
        const char *name = column->name != NULL ? column->name : "";
        int text = is_text(column);
        if (!text && (column->dictionary != NULL || strcmp(column->format, "g") != 0)) {
            return ucid_fail(error, UCID_DATA_ERROR, "column '%.60s' is neither of texts nor of doubles (%.60s)", name,
                             column->format);
        }
        status = parquet_table_column(&w->table, (ucid_text){name, strlen(name)}, text ? PARQUET_TEXT : PARQUET_DOUBLE,
                                      (column->flags & ARROW_FLAG_NULLABLE) != 0, is_ordered(w->options, name), error);
    }
    return status;
}

static ucid_status put_entries(columns_writer *w, const struct ArrowSchema *schema, const struct ArrowArray *array,
                               int64_t first, int64_t count, chunk *c, ucid_error *error)
{
    const struct ArrowArray *dictionary = array->dictionary;
    const ucid_allocator *allocator = &w->allocator;
    size_t known = dictionary != NULL && dictionary->length > 0 ? (size_t)dictionary->length : 0;
    ucid_status status = arrow_scratch_reserve(&w->entries, allocator, (size_t)count * sizeof(uint32_t), error);
    if (status == UCID_OK) status = arrow_read_entries(schema, array, first, count, w->entries.bytes, error);
    if (status == UCID_OK) {
        status = arrow_read_texts(schema->dictionary, dictionary, 0, dictionary->length, allocator, &w->texts, error);
    }
    if (status == UCID_OK) status = arrow_scratch_reserve(&w->known, allocator, (known + 1) * sizeof(int32_t), error);
    if (status != UCID_OK) return status;
    memset(w->known.bytes, 0xFF, known * sizeof(int32_t));
    chunk_put_entries(c, w->entries.bytes, count, w->texts.data, w->texts.offsets, w->texts.validity, (uint32_t)known,
                      w->known.bytes);
    return UCID_OK;
}

/* Rows of a batch that are of one row group. */
static ucid_status put_rows(columns_writer *w, const struct ArrowArray *batch, int64_t first, int64_t count,
                            ucid_error *error)
{
    ucid_status status = UCID_OK;
    for (int64_t i = 0; i < w->schema.n_children && status == UCID_OK; i++) {
        const struct ArrowSchema *schema = w->schema.children[i];
        const struct ArrowArray *array = batch->children[i];
        chunk *c = &w->table.columns[i].chunk;
        int64_t from = batch->offset + first;
        if (schema->dictionary != NULL) {
            status = put_entries(w, schema, array, from, count, c, error);
        } else if (c->type == PARQUET_TEXT) {
            status = arrow_read_texts(schema, array, from, count, &w->allocator, &w->texts, error);
            if (status == UCID_OK) chunk_put_texts(c, w->texts.data, w->texts.offsets, w->texts.validity, count);
        } else {
            status = arrow_read_numbers(schema, array, from, count, &w->allocator, &w->numbers, error);
            if (status == UCID_OK) chunk_put_doubles(c, w->numbers.values, w->numbers.validity, count);
        }
    }
    return status == UCID_OK ? parquet_table_check(&w->table, error) : status;
}

static ucid_status end_group(columns_writer *w, ucid_error *error)
{
    ucid_status status = parquet_table_end_group(&w->table, w->rows, error);
    w->rows = 0;
    if (w->group < w->options->group_count - 1) w->group++;
    return status;
}

static ucid_status put_batch(columns_writer *w, const struct ArrowArray *batch, ucid_error *error)
{
    ucid_status status = UCID_OK;
    for (int64_t first = 0, count; first < batch->length && status == UCID_OK; first += count) {
        int64_t room = w->options->group_rows[w->group] - w->rows;
        count = batch->length - first < room ? batch->length - first : room;
        status = put_rows(w, batch, first, count, error);
        w->rows += count;
        if (status == UCID_OK && count == room) status = end_group(w, error);
    }
    return status;
}

static ucid_status put_stream(columns_writer *w, struct ArrowArrayStream *in, ucid_error *error)
{
    for (;;) {
        struct ArrowArray batch = {0};
        ucid_status status = arrow_pull(in, &w->schema, &batch, error);
        if (status == UCID_OK && batch.release == NULL) break;
        if (status == UCID_OK) status = put_batch(w, &batch, error);
        if (batch.release != NULL) batch.release(&batch);
        if (status != UCID_OK) return status;
    }
    ucid_status status = w->rows > 0 ? end_group(w, error) : UCID_OK;
    return status == UCID_OK ? parquet_table_end(&w->table, error) : status;
}

ucid_status ucid_parquet_write(struct ArrowArrayStream *in, const ucid_parquet_options *options, ucid_write_fn write,
                               void *ctx, ucid_error *error)
{
    static const int64_t usual_rows[] = {1 << 18};
    ucid_parquet_options chosen = UCID_PARQUET_OPTIONS_INIT;
    if (options != NULL) chosen = *options;
    if (chosen.size != sizeof chosen) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "Parquet options: start from UCID_PARQUET_OPTIONS_INIT");
    }
    if (chosen.group_count == 0) {
        chosen.group_rows = usual_rows;
        chosen.group_count = 1;
    }
    for (int32_t i = 0; i < chosen.group_count; i++) {
        if (chosen.group_rows[i] > 0) continue;
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "a row group of %lld rows", (long long)chosen.group_rows[i]);
    }
    columns_writer w = {.options = &chosen, .allocator = ucid_allocator_or_default(chosen.allocator)};
    ucid_status status = arrow_schema_read(in, &w.schema, error);
    if (status != UCID_OK) return status;
    status = parquet_table_open(&w.table, (int32_t)w.schema.n_children, &w.allocator, write, ctx, error);
    if (status == UCID_OK) status = open_columns(&w, error);
    if (status == UCID_OK) status = put_stream(&w, in, error);
    parquet_table_reset(&w.table);
    arrow_numbers_reset(&w.numbers, &w.allocator);
    arrow_texts_reset(&w.texts, &w.allocator);
    arrow_scratch_reset(&w.entries, &w.allocator);
    arrow_scratch_reset(&w.known, &w.allocator);
    w.schema.release(&w.schema);
    if (status == UCID_OK) in->release(in);
    return status;
}
