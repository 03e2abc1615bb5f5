/* row_groups.c: chunks go out as row groups end; what the footer says of them is kept. */
#include "parquet/row_groups.h"

#include "parquet/format.h"
#include "rt/error.h"
#include "rt/memory.h"

static const char created_by[] = "ucid version " UCID_VERSION;

ucid_status parquet_table_open(parquet_table *t, int32_t count, const ucid_allocator *allocator, ucid_write_fn write,
                               void *ctx, ucid_error *error)
{
    *t = (parquet_table){.allocator = *allocator, .write = write, .ctx = ctx};
    t->groups.allocator = t->footer.allocator = &t->allocator;
    t->columns = ucid_allocate_zero(allocator, (size_t)count, sizeof *t->columns);
    if (t->columns != NULL) t->count = count;
    if (!page_tools_open(&t->tools, allocator) || t->columns == NULL)
        return ucid_fail_memory(error, "pages", PAGE_BYTES);
    return UCID_OK;
}

ucid_status parquet_table_column(parquet_table *t, ucid_text name, int type, int nullable, int ordered,
                                 ucid_error *error)
{
    table_column *column = &t->columns[t->opened++];
    column->name = name;
    int good = chunk_open(&column->chunk, &t->tools, type, nullable, ordered);
    return good ? UCID_OK : ucid_fail_memory(error, "pages", PAGE_BYTES);
}

void parquet_table_reset(parquet_table *t)
{
    for (int32_t i = 0; i < t->opened; i++) chunk_reset(&t->columns[i].chunk);
    ucid_release(&t->allocator, t->columns, (size_t)t->count, sizeof *t->columns);
    ucid_release(&t->allocator, t->groups.bytes, t->groups.capacity, 1);
    ucid_release(&t->allocator, t->footer.bytes, t->footer.capacity, 1);
    page_tools_reset(&t->tools);
}

ucid_status parquet_table_check(const parquet_table *t, ucid_error *error)
{
    for (int32_t i = 0; i < t->count; i++) {
        const table_column *column = &t->columns[i];
        int shown = column->name.length < 60 ? (int)column->name.length : 60;
        if (column->chunk.fault == CHUNK_NO_MEMORY) return ucid_fail_memory(error, "pages", PAGE_BYTES);
        if (column->chunk.fault == CHUNK_FINE) continue;
        return ucid_fail(error, UCID_DATA_ERROR, "column '%.*s' has %s", shown, column->name.data,
                         column->chunk.fault == CHUNK_NULL ? "nulls, against its schema" : "a text of over 1 GiB");
    }
    return UCID_OK;
}

static ucid_status put(parquet_table *t, const void *bytes, size_t length, ucid_error *error)
{
    t->offset += length;
    if (length == 0 || t->write(t->ctx, bytes, length) == 0) return UCID_OK;
    return ucid_fail(error, UCID_CANCELLED, "writing was cancelled");
}

static ucid_status put_magic(parquet_table *t, ucid_error *error)
{
    return t->offset > 0 ? UCID_OK : put(t, "PAR1", PARQUET_MAGIC, error);
}

ucid_status parquet_table_end_group(parquet_table *t, int64_t rows, ucid_error *error)
{
    thrift_out *out = &t->groups;
    int before = 0;
    int64_t bytes = 0;
    for (int32_t i = 0; i < t->count; i++) chunk_end(&t->columns[i].chunk);
    ucid_status status = parquet_table_check(t, error);
    if (status == UCID_OK) status = put_magic(t, error);
    uint64_t start = t->offset;
    thrift_put_field(out, &before, G_CHUNKS, T_LIST);
    thrift_put_list(out, (uint64_t)t->count, T_STRUCT);
    for (int32_t i = 0; i < t->count && status == UCID_OK; i++) {
        chunk *c = &t->columns[i].chunk;
        int inner = 0;
        thrift_put_integer_field(out, &inner, C_OFFSET, T_I64, 0);
        thrift_put_field(out, &inner, C_META, T_STRUCT);
        chunk_describe(c, out, t->columns[i].name, t->offset);
        thrift_put_byte(out, 0);
        status = put(t, c->head.bytes, c->head.length, error);
        if (status == UCID_OK) status = put(t, c->pages.bytes, c->pages.length, error);
        bytes += c->bytes;
        chunk_clear(c);
    }
    thrift_put_integer_field(out, &before, G_BYTES, T_I64, bytes);
    thrift_put_integer_field(out, &before, G_ROWS, T_I64, rows);
    thrift_put_integer_field(out, &before, G_OFFSET, T_I64, (int64_t)start);
    thrift_put_integer_field(out, &before, G_PACKED, T_I64, (int64_t)(t->offset - start));
    if (t->group_count <= INT16_MAX) thrift_put_integer_field(out, &before, G_ORDINAL, T_I16, t->group_count);
    thrift_put_byte(out, 0);
    t->group_count++;
    t->rows += rows;
    return status != UCID_OK || !out->failed ? status : ucid_fail_memory(error, "a footer", out->length);
}

static void put_schema(parquet_table *t, int *before)
{
    thrift_out *out = &t->footer;
    int inner = 0;
    thrift_put_field(out, before, F_SCHEMA, T_LIST);
    thrift_put_list(out, (uint64_t)t->count + 1, T_STRUCT);
    thrift_put_field(out, &inner, S_NAME, T_BINARY);
    thrift_put_text(out, (ucid_text){"schema", 6});
    thrift_put_integer_field(out, &inner, S_CHILDREN, T_I32, t->count);
    thrift_put_byte(out, 0);
    for (int32_t i = 0; i < t->count; i++) {
        const chunk *c = &t->columns[i].chunk;
        inner = 0;
        thrift_put_integer_field(out, &inner, S_TYPE, T_I32, c->type);
        thrift_put_integer_field(out, &inner, S_REPETITION, T_I32, c->nullable); /* OPTIONAL, REQUIRED */
        thrift_put_field(out, &inner, S_NAME, T_BINARY);
        thrift_put_text(out, t->columns[i].name);
        if (c->type == PARQUET_TEXT) {
            thrift_put_integer_field(out, &inner, S_CONVERTED, T_I32, 0); /* UTF8, and the same in new words: STRING */
            thrift_put_field(out, &inner, S_LOGICAL, T_STRUCT);
            thrift_put_bytes(out, "\x1c\0\0", 3);
        }
        thrift_put_byte(out, 0);
    }
}

ucid_status parquet_table_end(parquet_table *t, ucid_error *error)
{
    thrift_out *out = &t->footer;
    int before = 0;
    ucid_status status = put_magic(t, error);
    thrift_put_integer_field(out, &before, F_VERSION, T_I32, 2);
    put_schema(t, &before);
    thrift_put_integer_field(out, &before, F_ROWS, T_I64, t->rows);
    thrift_put_field(out, &before, F_ROW_GROUPS, T_LIST);
    thrift_put_list(out, (uint64_t)t->group_count, T_STRUCT);
    thrift_put_bytes(out, t->groups.bytes, t->groups.length);
    thrift_put_field(out, &before, F_CREATED_BY, T_BINARY);
    thrift_put_text(out, (ucid_text){created_by, sizeof created_by - 1});
    thrift_put_field(out, &before, F_ORDERS, T_LIST);
    thrift_put_list(out, (uint64_t)t->count, T_STRUCT);
    for (int32_t i = 0; i < t->count; i++) thrift_put_bytes(out, "\x1c\0\0", 3); /* TYPE_ORDER */
    thrift_put_byte(out, 0);
    uint64_t length = out->length;
    const uint8_t tail[8] = {
        (uint8_t)length, (uint8_t)(length >> 8), (uint8_t)(length >> 16), (uint8_t)(length >> 24), 'P', 'A', 'R', '1'};
    thrift_put_bytes(out, tail, sizeof tail);
    if (status != UCID_OK) return status;
    if (out->failed) return ucid_fail_memory(error, "a footer", out->length);
    if (length > INT32_MAX) return ucid_fail(error, UCID_DATA_ERROR, "a footer of more than 2 GiB");
    return put(t, out->bytes, out->length, error);
}
