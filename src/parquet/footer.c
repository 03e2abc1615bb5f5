/* footer.c: columns of several Parquet files side by side in one, by their footers alone.
 *
 *     footers -> where their schemas, row groups and chunks lie -> a new footer, and the bytes that go before it
 *
 * What a footer says of a column chunk stays as it is but for where the chunk begins. So values, encodings, compression
 * and statistics of columns go over untouched, whatever their types. Page indexes and Bloom filters lie outside the
 * chunks and are left behind. */
#include "parquet/format.h"
#include "parquet/thrift.h"
#include "rt/error.h"
#include "rt/memory.h"
#include "ucid.h"

#include <string.h>

/* -------------------------------------------------------------------------------------------------------- Format -- */

/* Types of the fields; 0: any. */
static const uint8_t file_kinds[] = {0, T_I32, T_LIST, T_I64, T_LIST, T_LIST, T_BINARY, T_LIST, 0};
static const uint8_t schema_kinds[] = {0, 0, 0, 0, T_BINARY, T_I32};
static const uint8_t group_kinds[] = {0, T_LIST, T_I64, T_I64, T_LIST, T_I64, T_I64, T_I16};
static const uint8_t chunk_kinds[] = {0, T_BINARY, T_I64, T_STRUCT, 0, 0, 0, 0, 0, 0};
static const uint8_t meta_kinds[] = {0, 0, 0, 0, 0, 0, T_I64, T_I64, 0, T_I64, T_I64, T_I64, 0, 0, 0, 0};

/* ------------------------------------------------------------------------------------------------------- Columns -- */

/* A column at the top of a schema. */
typedef struct top_column {
    thrift_value elements; /* its own and those below it */
    uint32_t leaf, leaf_count;
    int kept;
} top_column;

/* A part, as far as its footer has been read. */
typedef struct part_read {
    const ucid_parquet_part *part;
    thrift_value fields[F_COUNT + 1];
    thrift_value root;
    top_column *columns;
    size_t column_count;
    uint64_t leaf_count, kept_leaves;
    thrift_reader groups; /* before the row group that is next */
} part_read;

static int is_named(const ucid_parquet_part *part, ucid_text name)
{
    for (int32_t i = 0; i < part->column_count; i++) {
        if (strlen(part->columns[i]) == name.length && memcmp(part->columns[i], name.data, name.length) == 0) return 1;
    }
    return part->columns == NULL;
}

/* One element of a schema: its name, and how many are right below it. */
static int read_element(thrift_reader *r, ucid_text *name, uint64_t *children)
{
    thrift_value fields[S_COUNT + 1];
    if (!thrift_read_struct(thrift_read_value(r, T_STRUCT, 1), schema_kinds, S_COUNT, fields) || r->bad) return 0;
    thrift_reader text = {fields[S_NAME].start, fields[S_NAME].end, fields[S_NAME].type == 0};
    name->length = thrift_read_varint(&text);
    name->data = (const char *)text.at;
    int64_t below = thrift_integer_of(fields[S_CHILDREN]);
    *children = below > 0 ? (uint64_t)below : 0;
    return !text.bad;
}

/* Which columns a schema has, of them those that are kept. */
static int read_columns(part_read *p, const ucid_allocator *allocator, int *no_memory)
{
    thrift_reader r;
    uint64_t elements = thrift_items_of(p->fields[F_SCHEMA], &r), columns;
    ucid_text name;
    const uint8_t *start = r.at;
    if (elements == 0 || !read_element(&r, &name, &columns) || columns >= elements) return 0;
    p->root = (thrift_value){start, r.at, T_STRUCT};
    p->columns = ucid_allocate(allocator, columns, sizeof *p->columns);
    *no_memory = p->columns == NULL;
    if (*no_memory) return 0;
    p->column_count = columns;
    elements--;
    for (size_t c = 0; c < columns; c++) {
        top_column *column = &p->columns[c];
        *column = (top_column){{r.at, r.at, T_STRUCT}, (uint32_t)p->leaf_count, 0, 0};
        for (uint64_t open = 1, below = 0, first = 1; open > 0; open += below - 1, first = 0, elements--) {
            ucid_text one;
            if (elements == 0 || !read_element(&r, &one, &below) || below > elements) return 0;
            if (first) column->kept = is_named(p->part, one);
            if (below == 0) column->leaf_count++;
        }
        column->elements.end = r.at;
        p->leaf_count += column->leaf_count;
        if (column->kept) p->kept_leaves += column->leaf_count;
    }
    return elements == 0;
}

/* Older writers counted the bytes of chunks wrongly: PARQUET-816. */
static int counts_wrongly(thrift_value created_by)
{
    static const char *const wrong[] = {"parquet-mr version 1.0.", "parquet-mr version 1.1.",
                                        "parquet-mr version 1.2."};
    thrift_reader r = {created_by.start, created_by.end, created_by.type == 0};
    uint64_t length = thrift_read_varint(&r);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0] && !r.bad; i++) {
        if (length >= strlen(wrong[i]) && memcmp(r.at, wrong[i], strlen(wrong[i])) == 0) return 1;
    }
    return 0;
}

static ucid_status read_part(part_read *p, const ucid_allocator *allocator, ucid_error *error)
{
    const ucid_parquet_part *part = p->part;
    thrift_reader r = {part->footer, part->footer + part->footer_length, 0};
    int no_memory = 0;
    thrift_value whole = thrift_read_value(&r, T_STRUCT, 1);
    if (r.bad || !thrift_read_struct(whole, file_kinds, F_COUNT, p->fields) ||
        !read_columns(p, allocator, &no_memory)) {
        if (no_memory) return ucid_fail_memory(error, "columns of a footer", 0);
        return ucid_fail(error, UCID_DATA_ERROR, "the footer of a Parquet file is damaged");
    }
    if (p->fields[F_ENCRYPTION].type != 0) return ucid_fail(error, UCID_DATA_ERROR, "the Parquet file is encrypted");
    if (counts_wrongly(p->fields[F_CREATED_BY])) {
        return ucid_fail(error, UCID_DATA_ERROR, "the writer of the Parquet file is too old: it counts bytes wrongly");
    }
    int64_t groups = (int64_t)thrift_items_of(p->fields[F_ROW_GROUPS], &p->groups);
    if (part->row_group < 0 || part->row_group_count < 0 || part->row_group > groups - part->row_group_count) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "row groups %d to %lld of %lld", part->row_group,
                         (long long)part->row_group + part->row_group_count, (long long)groups);
    }
    for (int32_t g = 0; g < part->row_group; g++) (void)thrift_read_value(&p->groups, T_STRUCT, 1);
    return UCID_OK;
}

/* -------------------------------------------------------------------------------------------------------- Chunks -- */

typedef struct beside {
    const ucid_allocator *allocator;
    part_read *parts;
    int32_t count;
    thrift_out footer;
    ucid_parquet_span *spans;
    size_t span_count, span_capacity;
    uint64_t length; /* of the file so far */
} beside;

static int add_span(beside *b, int32_t part, uint64_t offset, uint64_t length)
{
    ucid_parquet_span *last = b->span_count > 0 ? &b->spans[b->span_count - 1] : NULL;
    b->length += length;
    if (last != NULL && last->part == part && last->offset + last->length == offset) {
        last->length += length;
        return 1;
    }
    void *grown = b->spans;
    if (!ucid_grow(b->allocator, &grown, &b->span_capacity, b->span_count + 1, sizeof *b->spans)) return 0;
    b->spans = grown;
    b->spans[b->span_count++] = (ucid_parquet_span){part, offset, length};
    return 1;
}

/* A chunk that lies at b->length now. Returns 0 where it is damaged, encrypted or in another file. */
static int put_chunk(beside *b, int32_t part, thrift_value chunk, uint64_t *bytes, uint64_t *packed)
{
    thrift_value fields[C_COUNT + 1], meta[M_COUNT + 1];
    if (!thrift_read_struct(chunk, chunk_kinds, C_COUNT, fields) || fields[C_META].type == 0) return 0;
    if (fields[C_PATH].type != 0 || fields[C_CRYPTO].type != 0 || fields[C_ENCRYPTED].type != 0) return 0;
    if (!thrift_read_struct(fields[C_META], meta_kinds, M_COUNT, meta)) return 0;
    int64_t start = thrift_integer_of(meta[M_DATA]), dictionary = thrift_integer_of(meta[M_DICTIONARY]),
            length = thrift_integer_of(meta[M_PACKED]);
    if (dictionary > 0 && dictionary < start) start = dictionary;
    uint64_t whole = b->parts[part].part->file_length;
    if (start < PARQUET_MAGIC || length < 0 || (uint64_t)start > whole || (uint64_t)length > whole - (uint64_t)start)
        return 0;
    uint64_t shift = b->length - (uint64_t)start;
    thrift_out *out = &b->footer;
    int before = 0, inner = 0;
    thrift_put_integer_field(out, &before, C_OFFSET, T_I64, 0);
    thrift_put_field(out, &before, C_META, T_STRUCT);
    thrift_reader r = {fields[C_META].start, fields[C_META].end, 0};
    int64_t id = 0;
    for (int type; (type = thrift_read_field(&r, &id)) != 0;) { /* a second time, and so not damaged */
        thrift_value value = thrift_read_value(&r, type, 0);
        int64_t offset = id == M_DATA || id == M_INDEX || id == M_DICTIONARY ? thrift_integer_of(value) : 0;
        if (id == M_BLOOM || id == M_BLOOM_LENGTH) continue;
        if (offset > 0) {
            thrift_put_integer_field(out, &inner, (int)id, T_I64, (int64_t)((uint64_t)offset + shift));
        } else {
            thrift_put_value_field(out, &inner, (int)id, value);
        }
    }
    thrift_put_byte(out, 0);
    thrift_put_byte(out, 0);
    *bytes += (uint64_t)thrift_integer_of(meta[M_BYTES]);
    *packed += (uint64_t)length;
    return add_span(b, part, (uint64_t)start, (uint64_t)length) || (out->failed = 1, 0);
}

/* Chunks of the kept columns of a part's row group. */
static int put_chunks(beside *b, int32_t part, thrift_value chunks, uint64_t *bytes, uint64_t *packed)
{
    part_read *p = &b->parts[part];
    thrift_reader r;
    if (thrift_items_of(chunks, &r) != p->leaf_count) return 0;
    for (size_t c = 0; c < p->column_count; c++) {
        for (uint32_t leaf = 0; leaf < p->columns[c].leaf_count; leaf++) {
            thrift_value chunk = thrift_read_value(&r, T_STRUCT, 1);
            if (r.bad || (p->columns[c].kept && !put_chunk(b, part, chunk, bytes, packed))) return 0;
        }
    }
    return 1;
}

/* The next row group of all parts as one. */
static ucid_status put_row_group(beside *b, int32_t number, ucid_error *error)
{
    thrift_out *out = &b->footer;
    int before = 0;
    int64_t rows = 0;
    uint64_t leaves = 0, bytes = 0, packed = 0, start = b->length;
    thrift_value sorting = {NULL, NULL, 0};
    for (int32_t part = 0; part < b->count; part++) leaves += b->parts[part].kept_leaves;
    thrift_put_field(out, &before, G_CHUNKS, T_LIST);
    thrift_put_list(out, leaves, T_STRUCT);
    for (int32_t part = 0; part < b->count; part++) {
        part_read *p = &b->parts[part];
        thrift_value fields[G_COUNT + 1];
        if (!thrift_read_struct(thrift_read_value(&p->groups, T_STRUCT, 1), group_kinds, G_COUNT, fields) ||
            !put_chunks(b, part, fields[G_CHUNKS], &bytes, &packed)) {
            if (out->failed) return ucid_fail_memory(error, "a footer", out->length);
            return ucid_fail(error, UCID_DATA_ERROR,
                             "row group %d of a Parquet file is damaged, encrypted or elsewhere",
                             p->part->row_group + number);
        }
        if (part > 0 && thrift_integer_of(fields[G_ROWS]) != rows) {
            return ucid_fail(error, UCID_DATA_ERROR, "row groups %d have %lld and %lld rows", number, (long long)rows,
                             (long long)thrift_integer_of(fields[G_ROWS]));
        }
        rows = thrift_integer_of(fields[G_ROWS]);
        if (part == 0 && p->kept_leaves == p->leaf_count) sorting = fields[G_SORTING]; /* by the columns' numbers */
    }
    thrift_put_integer_field(out, &before, G_BYTES, T_I64, (int64_t)bytes);
    thrift_put_integer_field(out, &before, G_ROWS, T_I64, rows);
    thrift_put_value_field(out, &before, G_SORTING, sorting);
    thrift_put_integer_field(out, &before, G_OFFSET, T_I64, (int64_t)start);
    thrift_put_integer_field(out, &before, G_PACKED, T_I64, (int64_t)packed);
    if (number <= INT16_MAX) thrift_put_integer_field(out, &before, G_ORDINAL, T_I16, number);
    thrift_put_byte(out, 0);
    return UCID_OK;
}

/* -------------------------------------------------------------------------------------------------------- Footer -- */

static void put_schema(beside *b)
{
    thrift_out *out = &b->footer;
    uint64_t elements = 1, columns = 0;
    for (int32_t part = 0; part < b->count; part++) {
        for (size_t c = 0; c < b->parts[part].column_count; c++) {
            if (!b->parts[part].columns[c].kept) continue;
            ucid_text name;
            thrift_reader r = {b->parts[part].columns[c].elements.start, b->parts[part].columns[c].elements.end, 0};
            columns++;
            for (uint64_t below; r.at < r.end && read_element(&r, &name, &below);) elements++;
        }
    }
    thrift_put_list(out, elements, T_STRUCT);
    thrift_reader r = {b->parts[0].root.start, b->parts[0].root.end, 0};
    int64_t id = 0;
    int before = 0;
    for (int type; (type = thrift_read_field(&r, &id)) != 0;) {
        thrift_value value = thrift_read_value(&r, type, 0);
        if (id != S_CHILDREN) {
            thrift_put_value_field(out, &before, (int)id, value);
        } else {
            thrift_put_integer_field(out, &before, S_CHILDREN, T_I32, (int64_t)columns);
        }
    }
    thrift_put_byte(out, 0);
    for (int32_t part = 0; part < b->count; part++) {
        for (size_t c = 0; c < b->parts[part].column_count; c++) {
            const top_column *column = &b->parts[part].columns[c];
            if (column->kept)
                thrift_put_bytes(out, column->elements.start, (size_t)(column->elements.end - column->elements.start));
        }
    }
}

/* In which order values of columns are, for their statistics; left out where a part does not say it. */
static void put_orders(beside *b, int *before)
{
    thrift_out *out = &b->footer;
    uint64_t leaves = 0;
    for (int32_t part = 0; part < b->count; part++) {
        thrift_reader r;
        const part_read *p = &b->parts[part];
        if (p->fields[F_ORDERS].type == 0 || thrift_items_of(p->fields[F_ORDERS], &r) != p->leaf_count) return;
        leaves += b->parts[part].kept_leaves;
    }
    thrift_put_field(out, before, F_ORDERS, T_LIST);
    thrift_put_list(out, leaves, T_STRUCT);
    for (int32_t part = 0; part < b->count; part++) {
        const part_read *p = &b->parts[part];
        thrift_reader r;
        (void)thrift_items_of(p->fields[F_ORDERS], &r);
        for (size_t c = 0; c < p->column_count; c++) {
            for (uint32_t leaf = 0; leaf < p->columns[c].leaf_count; leaf++) {
                thrift_value order = thrift_read_value(&r, T_STRUCT, 1);
                if (p->columns[c].kept) thrift_put_bytes(out, order.start, (size_t)(order.end - order.start));
            }
        }
    }
}

static ucid_status put_footer(beside *b, int64_t rows, int32_t groups, const ucid_text *keys, const ucid_text *values,
                              int32_t key_count, ucid_error *error)
{
    thrift_out *out = &b->footer;
    int before = 0;
    int64_t version = 1;
    for (int32_t part = 0; part < b->count; part++) {
        int64_t own = thrift_integer_of(b->parts[part].fields[F_VERSION]);
        version = own > version ? own : version;
    }
    thrift_put_integer_field(out, &before, F_VERSION, T_I32, version);
    thrift_put_field(out, &before, F_SCHEMA, T_LIST);
    put_schema(b);
    thrift_put_integer_field(out, &before, F_ROWS, T_I64, rows);
    thrift_put_field(out, &before, F_ROW_GROUPS, T_LIST);
    thrift_put_list(out, (uint64_t)groups, T_STRUCT);
    for (int32_t g = 0; g < groups; g++) {
        ucid_status status = put_row_group(b, g, error);
        if (status != UCID_OK) return status;
    }
    if (key_count > 0) {
        thrift_put_field(out, &before, F_KEYS, T_LIST);
        thrift_put_list(out, (uint64_t)key_count, T_STRUCT);
    }
    for (int32_t i = 0; i < key_count; i++) {
        int inner = 0;
        thrift_put_field(out, &inner, 1, T_BINARY);
        thrift_put_text(out, keys[i]);
        thrift_put_field(out, &inner, 2, T_BINARY);
        thrift_put_text(out, values[i]);
        thrift_put_byte(out, 0);
    }
    thrift_put_value_field(out, &before, F_CREATED_BY, b->parts[0].fields[F_CREATED_BY]);
    put_orders(b, &before);
    thrift_put_byte(out, 0);
    uint64_t length = out->length;
    const uint8_t tail[8] = {
        (uint8_t)length, (uint8_t)(length >> 8), (uint8_t)(length >> 16), (uint8_t)(length >> 24), 'P', 'A', 'R', '1'};
    thrift_put_bytes(out, tail, sizeof tail);
    if (length > UINT32_MAX) return ucid_fail(error, UCID_DATA_ERROR, "a footer of more than 4 GiB");
    return out->failed ? ucid_fail_memory(error, "a footer", out->length) : UCID_OK;
}

/* Rows of the row groups chosen of the first part. */
static int64_t count_rows(const part_read *p)
{
    uint64_t rows = 0;
    thrift_reader r = p->groups;
    thrift_value fields[G_COUNT + 1];
    for (int32_t g = 0; g < p->part->row_group_count; g++) {
        if (thrift_read_struct(thrift_read_value(&r, T_STRUCT, 1), group_kinds, G_COUNT, fields)) {
            rows += (uint64_t)thrift_integer_of(fields[G_ROWS]);
        }
    }
    return (int64_t)rows;
}

ucid_status ucid_parquet_beside(const ucid_parquet_part *parts, int32_t count, const ucid_text *keys,
                                const ucid_text *values, int32_t key_count, const ucid_allocator *allocator,
                                ucid_parquet_file *file, ucid_error *error)
{
    ucid_allocator memory = ucid_allocator_or_default(allocator);
    *file = (ucid_parquet_file){.allocator = memory};
    for (int32_t i = 1; i < count; i++) {
        if (parts[i].row_group_count == parts[0].row_group_count) continue;
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "%d and %d row groups cannot be side by side",
                         parts[0].row_group_count, parts[i].row_group_count);
    }
    if (count < 1) return ucid_fail(error, UCID_INVALID_ARGUMENT, "no file");
    beside b = {.allocator = &memory, .count = count, .footer = {.allocator = &memory}, .length = PARQUET_MAGIC};
    b.parts = ucid_allocate_zero(&memory, (size_t)count, sizeof *b.parts);
    ucid_status status =
        b.parts != NULL ? UCID_OK : ucid_fail_memory(error, "footers", (size_t)count * sizeof *b.parts);
    for (int32_t i = 0; i < count && status == UCID_OK; i++) {
        b.parts[i].part = &parts[i];
        status = read_part(&b.parts[i], &memory, error);
    }
    if (status == UCID_OK) {
        status = put_footer(&b, count_rows(&b.parts[0]), parts[0].row_group_count, keys, values, key_count, error);
    }
    for (int32_t i = 0; b.parts != NULL && i < count; i++) {
        ucid_release(&memory, b.parts[i].columns, b.parts[i].column_count, sizeof *b.parts[i].columns);
    }
    ucid_release(&memory, b.parts, (size_t)count, sizeof *b.parts);
    file->spans = b.spans;
    file->span_count = b.span_count;
    file->span_capacity = b.span_capacity;
    file->footer = b.footer.bytes;
    file->footer_length = b.footer.length;
    file->footer_capacity = b.footer.capacity;
    if (status != UCID_OK) ucid_parquet_file_reset(file);
    return status;
}

void ucid_parquet_file_reset(ucid_parquet_file *file)
{
    ucid_release(&file->allocator, file->spans, file->span_capacity, sizeof *file->spans);
    ucid_release(&file->allocator, file->footer, file->footer_capacity, 1);
    *file = (ucid_parquet_file){.allocator = file->allocator};
}
