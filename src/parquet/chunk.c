/* chunk.c: pages of Parquet's first kind: how many bits of validity, and the values, together as one stream of snappy.
 *
 *     header | length of levels, levels | values, or entries: their bits, runs of one entry or of eight each
 *
 * A page ends after PAGE_ROWS rows, or before its values were more than PAGE_BYTES; so pages do not depend on how rows
 * come. Texts are packed row by row; numbers and entries are stored, for snappy finds nothing in them.
 * https://parquet.apache.org/docs/file-format/data-pages/encodings/ */
#include "parquet/chunk.h"

#include "parquet/format.h"
#include "rt/bits.h"
#include "rt/memory.h"

#include <string.h>

enum {
    FRONT = SNAPPY_SLACK + 16 + PAGE_ROWS / 8 + 48, /* levels end where values begin */
    RANGE_MOST = 4096,                              /* of a least or greatest text that is told */
    TEXT_MOST = 1 << 30
};

/* -------------------------------------------------------------------------------------------------------- Memory -- */

int page_tools_open(page_tools *tools, const ucid_allocator *allocator)
{
    memset(tools, 0, sizeof *tools);
    tools->allocator = *allocator;
    tools->pack = snappy_pack_named(NULL);
    tools->packed_capacity = snappy_bound(FRONT + PAGE_BYTES) + SNAPPY_SLACK;
    tools->packed = ucid_allocate(allocator, tools->packed_capacity, 1);
    tools->start_words = snappy_words(PAGE_BYTES);
    tools->snappy.starts = ucid_allocate(allocator, tools->start_words, sizeof *tools->snappy.starts);
    return tools->packed != NULL && tools->snappy.starts != NULL;
}

void page_tools_reset(page_tools *tools)
{
    ucid_release(&tools->allocator, tools->packed, tools->packed_capacity, 1);
    ucid_release(&tools->allocator, tools->snappy.starts, tools->start_words, sizeof *tools->snappy.starts);
    tools->packed = NULL;
    tools->snappy.starts = NULL;
}

int chunk_open(chunk *c, page_tools *tools, int type, int nullable, int ordered)
{
    const ucid_allocator *allocator = &tools->allocator;
    memset(c, 0, sizeof *c);
    c->tools = tools;
    c->type = type;
    c->nullable = nullable;
    c->ordered = ordered;
    c->pages.allocator = c->head.allocator = c->least.allocator = c->most.allocator = allocator;
    c->room_capacity = FRONT + PAGE_BYTES + SNAPPY_SLACK;
    c->room = ucid_allocate_zero(allocator, c->room_capacity, 1);
    c->ends = ucid_allocate(allocator, PAGE_ROWS, sizeof *c->ends);
    c->entries = ucid_allocate(allocator, PAGE_ROWS + 8, sizeof *c->entries);
    c->validity = ucid_allocate_zero(allocator, PAGE_ROWS / 8, 1);
    c->dictionary = ucid_allocate_zero(allocator, SNAPPY_SLACK + DICTIONARY_BYTES + SNAPPY_SLACK, 1);
    c->entry_ends = ucid_allocate(allocator, DICTIONARY_MOST, sizeof *c->entry_ends);
    c->slots = ucid_allocate(allocator, DICTIONARY_SLOTS, sizeof *c->slots);
    if (c->room == NULL || c->ends == NULL || c->entries == NULL || c->validity == NULL || c->dictionary == NULL ||
        c->entry_ends == NULL || c->slots == NULL) {
        return 0;
    }
    chunk_clear(c);
    return 1;
}

static void out_reset(thrift_out *out)
{
    ucid_release(out->allocator, out->bytes, out->capacity, 1);
    *out = (thrift_out){.allocator = out->allocator};
}

void chunk_reset(chunk *c)
{
    if (c->tools == NULL) return;
    const ucid_allocator *allocator = &c->tools->allocator;
    ucid_release(allocator, c->room, c->room_capacity, 1);
    ucid_release(allocator, c->ends, PAGE_ROWS, sizeof *c->ends);
    ucid_release(allocator, c->entries, PAGE_ROWS + 8, sizeof *c->entries);
    ucid_release(allocator, c->validity, PAGE_ROWS / 8, 1);
    ucid_release(allocator, c->dictionary, SNAPPY_SLACK + DICTIONARY_BYTES + SNAPPY_SLACK, 1);
    ucid_release(allocator, c->entry_ends, DICTIONARY_MOST, sizeof *c->entry_ends);
    ucid_release(allocator, c->slots, DICTIONARY_SLOTS, sizeof *c->slots);
    out_reset(&c->pages);
    out_reset(&c->head);
    out_reset(&c->least);
    out_reset(&c->most);
}

void chunk_clear(chunk *c)
{
    memset(c->slots, 0, DICTIONARY_SLOTS * sizeof *c->slots);
    c->coded = 1;
    c->entry_count = 0;
    c->dictionary_length = 0;
    c->pages.length = c->head.length = c->least.length = c->most.length = 0;
    c->row_count = c->null_count = c->bytes = 0;
    c->coded_pages = c->plain_pages = 0;
    c->has_range = 0;
}

/* --------------------------------------------------------------------------------------------------------- Range -- */

static int text_before(ucid_text a, ucid_text b)
{
    size_t both = a.length < b.length ? a.length : b.length;
    int order = both > 0 ? memcmp(a.data, b.data, both) : 0;
    return order != 0 ? order < 0 : a.length < b.length;
}

static void keep(thrift_out *out, const void *bytes, size_t length)
{
    out->length = 0;
    thrift_put_bytes(out, bytes, length);
}

static void range_text(chunk *c, ucid_text text)
{
    ucid_text least = {(const char *)c->least.bytes, c->least.length},
              most = {(const char *)c->most.bytes, c->most.length};
    if (!c->has_range || text_before(text, least)) keep(&c->least, text.data, text.length);
    if (!c->has_range || text_before(most, text)) keep(&c->most, text.data, text.length);
    c->has_range = 1;
}

static void range_doubles(chunk *c, const uint8_t *bytes, size_t count)
{
    double least = 0, most = 0, value;
    if (c->has_range) {
        memcpy(&least, c->least.bytes, sizeof least);
        memcpy(&most, c->most.bytes, sizeof most);
    }
    for (size_t i = 0; i < count; i++) {
        memcpy(&value, bytes + i * sizeof value, sizeof value);
        if (value != value) continue;
        if (!c->has_range || value < least) least = value;
        if (!c->has_range || value > most) most = value;
        c->has_range = 1;
    }
    if (!c->has_range) return;
    if (least == 0) least = -0.0; /* so that readers who know no difference find both zeros */
    if (most == 0) most = 0.0;
    keep(&c->least, &least, sizeof least);
    keep(&c->most, &most, sizeof most);
}

/* Values as they stand on a page. */
static void range_values(chunk *c, const uint8_t *values, size_t length, const uint32_t *ends, uint32_t count)
{
    if (!c->ordered || c->least.failed || c->most.failed) return;
    if (c->type == PARQUET_DOUBLE) {
        range_doubles(c, values, length / sizeof(double));
        return;
    }
    for (uint32_t i = 0, at = 0; i < count; at = ends[i++]) {
        range_text(c, (ucid_text){(const char *)values + at + 4, ends[i] - at - 4});
    }
}

/* --------------------------------------------------------------------------------------------------------- Pages -- */

/* Which rows are valid, in front of the values; returns the bytes. */
static size_t put_levels(chunk *c, uint8_t *values)
{
    uint8_t head[8];
    size_t n = 4, bits = 0;
    if (!c->nullable) return 0;
    uint64_t count = c->values == c->rows ? (uint64_t)c->rows << 1 : (uint64_t)(c->rows + 7) / 8 << 1 | 1;
    n = (size_t)(put_varint(head + n, count) - head);
    if (c->values == c->rows) {
        head[n++] = 1; /* a run of ones */
    } else {
        bits = (c->rows + 7) / 8;
        memcpy(values - bits, c->validity, bits);
    }
    uint32_t length = (uint32_t)(n - 4 + bits);
    for (int i = 0; i < 4; i++) head[i] = (uint8_t)(length >> i * 8);
    memcpy(values - bits - n, head, n);
    return n + bits;
}

/* Groups of eight entries, `width` bits each. */
static uint8_t *put_groups(uint8_t *out, uint16_t *entries, uint32_t count, int width)
{
    uint64_t groups = (count + 7) / 8;
    out = put_varint(out, groups << 1 | 1);
    for (uint32_t i = count; i < groups * 8; i++)
        entries[i] = 0; /* at the end of a page alone, of rows eight by eight */
    for (uint64_t g = 0; g < groups; g++, entries += 8) {
        uint64_t low = 0, high = 0;
        for (int k = 0; k < 4; k++) low |= (uint64_t)entries[k] << k * width;
        for (int k = 0; k < 4; k++) high |= (uint64_t)entries[k + 4] << k * width;
        if (width <= 8) {
            low |= high << 4 * width;
            for (int k = 0; k < width; k++) out[k] = (uint8_t)(low >> k * 8);
            out += width;
            continue;
        }
        int bits = 4 * width, rest = 0; /* of a half, which may end within a byte */
        for (; bits >= 8; bits -= 8, low >>= 8) *out++ = (uint8_t)low;
        rest = bits > 0 ? 4 : 0;
        if (rest) *out++ = (uint8_t)(low | (high & 15) << 4), high >>= 4;
        for (bits = 4 * width - rest; bits > 0; bits -= 8, high >>= 8) *out++ = (uint8_t)high;
    }
    return out;
}

/* How many entries from one on are equal to it, if they are sixteen; else 0. */
static uint32_t run_of(const uint16_t *entries, uint32_t count)
{
    uint32_t run = 1;
    while (run < count && entries[run] == entries[0]) run++;
    return run >= 16 ? run : 0;
}

/* Entries as a page has them: their width, then runs. */
static size_t put_entries(chunk *c, uint8_t *values)
{
    int width = 1;
    while (c->entry_count > UINT32_C(1) << width) width++;
    uint8_t *out = values;
    uint32_t from = 0, at = 0;
    *out++ = (uint8_t)width;
    while (at < c->values) {
        uint32_t run = run_of(c->entries + at, c->values - at);
        if (run == 0) {
            at += 8;
            continue;
        }
        if (at > from) out = put_groups(out, c->entries + from, at - from, width);
        out = put_varint(out, (uint64_t)run << 1);
        *out++ = (uint8_t)c->entries[at];
        if (width > 8) *out++ = (uint8_t)(c->entries[at] >> 8);
        from = at += run;
    }
    if (c->values > from) out = put_groups(out, c->entries + from, c->values - from, width);
    return (size_t)(out - values);
}

/* A page, packed: the header, and what tools->packed holds. */
static void put_page(chunk *c, thrift_out *out, int type, int encoding, uint32_t count, size_t bytes, size_t packed)
{
    size_t start = out->length;
    int before = 0, inner = 0;
    thrift_put_integer_field(out, &before, P_TYPE, T_I32, type);
    thrift_put_integer_field(out, &before, P_BYTES, T_I32, (int64_t)bytes);
    thrift_put_integer_field(out, &before, P_PACKED, T_I32, (int64_t)packed);
    thrift_put_field(out, &before, type == PARQUET_DATA_PAGE ? P_DATA : P_DICTIONARY, T_STRUCT);
    thrift_put_integer_field(out, &inner, D_VALUES, T_I32, count);
    thrift_put_integer_field(out, &inner, D_ENCODING, T_I32, encoding);
    if (type == PARQUET_DATA_PAGE) {
        thrift_put_integer_field(out, &inner, D_DEFINITIONS, T_I32, PARQUET_RLE);
        thrift_put_integer_field(out, &inner, D_REPETITIONS, T_I32, PARQUET_RLE);
    }
    thrift_put_byte(out, 0);
    thrift_put_byte(out, 0);
    c->bytes += (int64_t)(out->length - start + bytes);
    thrift_put_bytes(out, c->tools->packed, packed);
}

/* Room in the tools for a page of so many bytes. */
static int reserve_tools(chunk *c, size_t bytes)
{
    page_tools *tools = c->tools;
    void *packed = tools->packed, *starts = tools->snappy.starts;
    int good =
        ucid_grow(&tools->allocator, &packed, &tools->packed_capacity, snappy_bound(bytes) + SNAPPY_SLACK, 1) &&
        ucid_grow(&tools->allocator, &starts, &tools->start_words, snappy_words(bytes), sizeof *tools->snappy.starts);
    tools->packed = packed;
    tools->snappy.starts = starts;
    if (!good) c->fault = CHUNK_NO_MEMORY;
    return good;
}

static void end_page(chunk *c)
{
    uint8_t *values = c->room + FRONT;
    int coded = c->coded && c->values > 0; /* of nothing but nulls there is no dictionary */
    size_t length = coded ? put_entries(c, values) : c->length, lead = put_levels(c, values), packed;
    if (c->rows == 0 || !reserve_tools(c, lead + length)) return;
    if (!coded) range_values(c, values, length, c->ends, c->values);
    if (c->type == PARQUET_TEXT && !coded) {
        const snappy_rows rows = {values - lead, values, lead, c->ends, c->values};
        packed = c->tools->pack(&rows, &c->tools->snappy, c->tools->packed);
    } else {
        packed = snappy_store(values - lead, lead + length, c->tools->packed);
    }
    put_page(c, &c->pages, PARQUET_DATA_PAGE, coded ? PARQUET_ENTRIES : PARQUET_PLAIN, c->rows, lead + length, packed);
    if (coded) {
        c->coded_pages++;
    } else {
        c->plain_pages++;
    }
    c->row_count += c->rows;
    c->null_count += c->rows - c->values;
    memset(c->validity, 0, (c->rows + 7) / 8);
    c->rows = c->values = 0;
    c->length = 0;
}

void chunk_end(chunk *c)
{
    end_page(c);
    if (c->pages.failed || c->least.failed || c->most.failed) c->fault = CHUNK_NO_MEMORY;
    if (c->entry_count == 0 || c->fault != CHUNK_FINE) return;
    uint8_t *values = c->dictionary + SNAPPY_SLACK;
    size_t packed;
    range_values(c, values, c->dictionary_length, c->entry_ends, c->entry_count);
    if (c->type == PARQUET_TEXT) {
        const snappy_rows rows = {values, values, 0, c->entry_ends, c->entry_count};
        packed = c->tools->pack(&rows, &c->tools->snappy, c->tools->packed);
    } else {
        packed = snappy_store(values, c->dictionary_length, c->tools->packed);
    }
    put_page(c, &c->head, PARQUET_DICTIONARY_PAGE, PARQUET_PLAIN, c->entry_count, c->dictionary_length, packed);
    if (c->pages.failed || c->head.failed || c->least.failed || c->most.failed) c->fault = CHUNK_NO_MEMORY;
}

/* ---------------------------------------------------------------------------------------------------- Dictionary -- */

static inline uint64_t mixed(uint64_t a) { return (a ^ a >> 32) * UINT64_C(0x9E3779B97F4A7C15); }

static uint64_t hash_of(const uint8_t *bytes, size_t length)
{
    uint64_t hash = length, word = 0;
    for (; length >= 8; bytes += 8, length -= 8) {
        memcpy(&word, bytes, 8);
        hash = mixed(hash ^ word);
    }
    word = 0;
    for (size_t i = 0; i < length; i++) word |= (uint64_t)bytes[i] << i * 8;
    return mixed(hash ^ word);
}

/* The entry of a value as it stands behind `lead` bytes of its length; -1 where there is no room for another one. */
static int32_t entry_of(chunk *c, const uint8_t *value, size_t length, size_t lead)
{
    uint8_t *entries = c->dictionary + SNAPPY_SLACK;
    uint64_t slot = hash_of(value, length) >> 49; /* DICTIONARY_SLOTS of them, half empty at least */
    for (; c->slots[slot] != 0; slot = (slot + 1) % DICTIONARY_SLOTS) {
        uint32_t entry = c->slots[slot] - UINT32_C(1), start = entry > 0 ? c->entry_ends[entry - 1] : 0;
        if (c->entry_ends[entry] - start != lead + length) continue;
        if (memcmp(entries + start + lead, value, length) == 0) return (int32_t)entry;
    }
    if (length > DICTIONARY_BYTES || c->dictionary_length + lead + length > DICTIONARY_BYTES) return -1;
    uint8_t *to = entries + c->dictionary_length;
    for (size_t i = 0; i < lead; i++) to[i] = (uint8_t)(length >> i * 8);
    if (length > 0) memcpy(to + lead, value, length);
    c->dictionary_length += lead + length;
    c->entry_ends[c->entry_count] = (uint32_t)c->dictionary_length;
    c->slots[slot] = (uint16_t)++c->entry_count;
    return (int32_t)c->entry_count - 1;
}

/* ---------------------------------------------------------------------------------------------------------- Rows -- */

static inline void put_null(chunk *c)
{
    if (c->rows == PAGE_ROWS) end_page(c);
    if (!c->nullable) c->fault = CHUNK_NULL;
    c->rows++;
}

static inline void put_valid(chunk *c)
{
    c->validity[c->rows >> 3] |= (uint8_t)(1u << (c->rows & 7));
    c->rows++;
    c->values++;
}

static inline void put_entry(chunk *c, int32_t entry)
{
    if (c->rows == PAGE_ROWS) end_page(c);
    c->entries[c->values] = (uint16_t)entry;
    put_valid(c);
}

/* The dictionary has no room for a value. */
static void give_up(chunk *c)
{
    end_page(c);
    c->coded = 0;
}

static inline void put_text(chunk *c, const char *text, size_t length)
{
    if (c->rows == PAGE_ROWS || (c->length + 4 + length > PAGE_BYTES && c->rows > 0)) end_page(c);
    size_t needed = FRONT + c->length + 4 + length + SNAPPY_SLACK;
    if (needed > c->room_capacity) {
        void *room = c->room;
        if (length > TEXT_MOST) {
            c->fault = CHUNK_TOO_LONG;
            return;
        }
        if (!ucid_grow(&c->tools->allocator, &room, &c->room_capacity, needed, 1)) {
            c->fault = CHUNK_NO_MEMORY;
            return;
        }
        c->room = room;
    }
    uint8_t *to = c->room + FRONT + c->length;
    for (int i = 0; i < 4; i++) to[i] = (uint8_t)(length >> i * 8);
    if (length > 0) memcpy(to + 4, text, length);
    c->length += 4 + length;
    c->ends[c->values] = (uint32_t)c->length;
    put_valid(c);
}

void chunk_put_texts(chunk *c, const char *data, const int64_t *offsets, const uint8_t *validity, int64_t count)
{
    for (int64_t i = 0; i < count && c->fault == CHUNK_FINE; i++) {
        const char *text = data + offsets[i];
        size_t length = (size_t)(offsets[i + 1] - offsets[i]);
        if (!bit_is_set(validity, i)) {
            put_null(c);
            continue;
        }
        if (c->coded) {
            int32_t entry = entry_of(c, (const uint8_t *)text, length, 4);
            if (entry >= 0) {
                put_entry(c, entry);
                continue;
            }
            give_up(c);
        }
        put_text(c, text, length);
    }
}

void chunk_put_entries(chunk *c, const uint32_t *entries, int64_t count, const char *data, const int64_t *offsets,
                       const uint8_t *validity, uint32_t entry_count, int32_t *known)
{
    for (int64_t i = 0; i < count && c->fault == CHUNK_FINE; i++) {
        uint32_t entry = entries[i];
        if (entry >= entry_count || !bit_is_set(validity, entry)) {
            put_null(c);
            continue;
        }
        if (c->coded && known[entry] >= 0) {
            put_entry(c, known[entry]);
            continue;
        }
        const char *text = data + offsets[entry];
        size_t length = (size_t)(offsets[entry + 1] - offsets[entry]);
        if (c->coded) {
            known[entry] = entry_of(c, (const uint8_t *)text, length, 4);
            if (known[entry] >= 0) {
                put_entry(c, known[entry]);
                continue;
            }
            give_up(c);
        }
        put_text(c, text, length);
    }
}

void chunk_put_doubles(chunk *c, const double *values, const uint8_t *validity, int64_t count)
{
    for (int64_t i = 0; i < count && c->fault == CHUNK_FINE; i++) {
        if (!bit_is_set(validity, i)) {
            put_null(c);
            continue;
        }
        if (c->coded) {
            int32_t entry = entry_of(c, (const uint8_t *)&values[i], sizeof values[i], 0);
            if (entry >= 0) {
                put_entry(c, entry);
                continue;
            }
            give_up(c);
        }
        if (c->rows == PAGE_ROWS) end_page(c);
        memcpy(c->room + FRONT + c->length, &values[i], sizeof values[i]);
        c->length += sizeof values[i];
        put_valid(c);
    }
}

/* ---------------------------------------------------------------------------------------------------- Its record -- */

static void put_range(thrift_out *out, int *before, int id, const thrift_out *value)
{
    thrift_put_field(out, before, id, T_BINARY);
    thrift_put_text(out, (ucid_text){(const char *)value->bytes, value->length});
}

static void put_pages(thrift_out *out, int page, int encoding, int32_t count)
{
    int inner = 0;
    thrift_put_integer_field(out, &inner, E_PAGE, T_I32, page);
    thrift_put_integer_field(out, &inner, E_ENCODING, T_I32, encoding);
    thrift_put_integer_field(out, &inner, E_COUNT, T_I32, count);
    thrift_put_byte(out, 0);
}

void chunk_describe(const chunk *c, thrift_out *out, ucid_text name, uint64_t offset)
{
    int before = 0, inner = 0, coded = c->entry_count > 0;
    size_t packed = c->head.length + c->pages.length;
    thrift_put_integer_field(out, &before, M_TYPE, T_I32, c->type);
    thrift_put_field(out, &before, M_ENCODINGS, T_LIST);
    thrift_put_list(out, coded ? 3 : 2, T_I32);
    thrift_put_integer(out, PARQUET_PLAIN);
    thrift_put_integer(out, PARQUET_RLE);
    if (coded) thrift_put_integer(out, PARQUET_ENTRIES);
    thrift_put_field(out, &before, M_PATH, T_LIST);
    thrift_put_list(out, 1, T_BINARY);
    thrift_put_text(out, name);
    thrift_put_integer_field(out, &before, M_CODEC, T_I32, PARQUET_SNAPPY);
    thrift_put_integer_field(out, &before, M_VALUES, T_I64, c->row_count);
    thrift_put_integer_field(out, &before, M_BYTES, T_I64, c->bytes);
    thrift_put_integer_field(out, &before, M_PACKED, T_I64, (int64_t)packed);
    thrift_put_integer_field(out, &before, M_DATA, T_I64, (int64_t)(offset + c->head.length));
    if (coded) thrift_put_integer_field(out, &before, M_DICTIONARY, T_I64, (int64_t)offset);
    if (c->ordered) {
        thrift_put_field(out, &before, M_STATISTICS, T_STRUCT);
        thrift_put_integer_field(out, &inner, V_NULLS, T_I64, c->null_count);
        if (c->has_range && c->least.length <= RANGE_MOST && c->most.length <= RANGE_MOST) {
            put_range(out, &inner, V_MOST, &c->most);
            put_range(out, &inner, V_LEAST, &c->least);
        }
        thrift_put_byte(out, 0);
    }
    thrift_put_field(out, &before, M_PAGES, T_LIST);
    thrift_put_list(out, (uint64_t)coded + (c->coded_pages > 0) + (c->plain_pages > 0), T_STRUCT);
    if (coded) put_pages(out, PARQUET_DICTIONARY_PAGE, PARQUET_PLAIN, 1);
    if (c->coded_pages > 0) put_pages(out, PARQUET_DATA_PAGE, PARQUET_ENTRIES, c->coded_pages);
    if (c->plain_pages > 0) put_pages(out, PARQUET_DATA_PAGE, PARQUET_PLAIN, c->plain_pages);
    thrift_put_byte(out, 0);
}
