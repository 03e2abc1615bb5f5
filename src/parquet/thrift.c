/* thrift.c: a value is passed over without being understood, so that it may be copied as it stands. */
#include "parquet/thrift.h"

#include "rt/memory.h"

#include <string.h>

enum { DEPTH_MAX = 32 };

/* ------------------------------------------------------------------------------------------------------- Reading -- */

uint64_t thrift_read_varint(thrift_reader *r)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && r->at < r->end; shift += 7) {
        uint8_t byte = *r->at++;
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) return value;
    }
    r->bad = 1;
    return 0;
}

int64_t thrift_read_integer(thrift_reader *r)
{
    uint64_t value = thrift_read_varint(r);
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static void skip_bytes(thrift_reader *r, uint64_t count)
{
    if (count > (uint64_t)(r->end - r->at)) {
        r->bad = 1;
        return;
    }
    r->at += count;
}

/* The next field of a struct; 0 at its end. *id is the field before, and then this one. */
int thrift_read_field(thrift_reader *r, int64_t *id)
{
    if (r->bad || r->at == r->end) {
        r->bad = 1;
        return 0;
    }
    uint8_t byte = *r->at++;
    if (byte == 0) return 0;
    *id = byte >> 4 != 0 ? *id + (byte >> 4) : thrift_read_integer(r);
    if (*id < 1 || *id > 32767) r->bad = 1;
    return r->bad ? 0 : byte & 15;
}

/* Items of a list and their type. An item takes a byte at least, so there are no more than bytes. */
uint64_t thrift_read_list(thrift_reader *r, int *type)
{
    if (r->at == r->end) r->bad = 1;
    if (r->bad) return 0;
    uint8_t byte = *r->at++;
    uint64_t count = byte >> 4;
    *type = byte & 15;
    if (count == 15) count = thrift_read_varint(r);
    if (count > (uint64_t)(r->end - r->at)) r->bad = 1;
    return r->bad ? 0 : count;
}

static void skip_value(thrift_reader *r, int type, int is_item, int depth)
{
    int item, key;
    uint64_t count;
    int64_t id = 0;
    if (depth > DEPTH_MAX) r->bad = 1;
    if (r->bad) return;
    switch (type) {
    case T_TRUE:
    case T_FALSE: skip_bytes(r, is_item ? 1 : 0); return;
    case T_BYTE: skip_bytes(r, 1); return;
    case T_I16:
    case T_I32:
    case T_I64: (void)thrift_read_varint(r); return;
    case T_DOUBLE: skip_bytes(r, 8); return;
    case T_BINARY: skip_bytes(r, thrift_read_varint(r)); return;
    case T_LIST:
    case T_SET:
        for (count = thrift_read_list(r, &item); count > 0 && !r->bad; count--) skip_value(r, item, 1, depth + 1);
        return;
    case T_MAP:
        count = thrift_read_varint(r);
        if (count > (uint64_t)(r->end - r->at)) r->bad = 1;
        if (r->bad || count == 0) return;
        item = *r->at++;
        for (key = item >> 4, item &= 15; count > 0 && !r->bad; count--) {
            skip_value(r, key, 1, depth + 1);
            skip_value(r, item, 1, depth + 1);
        }
        return;
    case T_STRUCT:
        while ((item = thrift_read_field(r, &id)) != 0) skip_value(r, item, 0, depth + 1);
        return;
    default: r->bad = 1;
    }
}

thrift_value thrift_read_value(thrift_reader *r, int type, int is_item)
{
    thrift_value value = {r->at, r->at, type};
    skip_value(r, type, is_item, 0);
    value.end = r->at;
    return value;
}

/* Fields 1 .. count of a struct; others are passed over. 0: damaged, or a field is no value of its kind. */
int thrift_read_struct(thrift_value given, const uint8_t *kinds, int count, thrift_value *fields)
{
    thrift_reader r = {given.start, given.end, given.type != T_STRUCT};
    int64_t id = 0;
    memset(fields, 0, (size_t)(count + 1) * sizeof *fields);
    for (int type; !r.bad && (type = thrift_read_field(&r, &id)) != 0;) {
        thrift_value value = thrift_read_value(&r, type, 0);
        if (id > count) continue;
        if (kinds[id] != 0 && type != kinds[id]) return 0;
        fields[id] = value;
    }
    return !r.bad;
}

int64_t thrift_integer_of(thrift_value value)
{
    thrift_reader r = {value.start, value.end, 0};
    return value.type == 0 ? 0 : thrift_read_integer(&r);
}

/* Items of a list of structs. */
uint64_t thrift_items_of(thrift_value list, thrift_reader *r)
{
    int type = 0;
    *r = (thrift_reader){list.start, list.end, list.type != T_LIST};
    uint64_t count = thrift_read_list(r, &type);
    if (count > 0 && type != T_STRUCT) r->bad = 1;
    return r->bad ? 0 : count;
}

/* ------------------------------------------------------------------------------------------------------- Writing -- */

void thrift_put_bytes(thrift_out *out, const void *bytes, size_t count)
{
    void *grown = out->bytes;
    if (out->failed || !ucid_grow(out->allocator, &grown, &out->capacity, out->length + count, 1)) {
        out->failed = 1;
        return;
    }
    out->bytes = grown;
    if (count > 0) memcpy(out->bytes + out->length, bytes, count);
    out->length += count;
}

void thrift_put_byte(thrift_out *out, int byte) { thrift_put_bytes(out, &(uint8_t){(uint8_t)byte}, 1); }

void thrift_put_varint(thrift_out *out, uint64_t value)
{
    for (; value > 127; value >>= 7) thrift_put_byte(out, (int)(value & 127) | 128);
    thrift_put_byte(out, (int)value);
}

void thrift_put_integer(thrift_out *out, int64_t value)
{
    thrift_put_varint(out, (uint64_t)value << 1 ^ (uint64_t)(value >> 63));
}

void thrift_put_field(thrift_out *out, int *before, int id, int type)
{
    if (id - *before >= 1 && id - *before <= 15) {
        thrift_put_byte(out, (id - *before) << 4 | type);
    } else {
        thrift_put_byte(out, type);
        thrift_put_integer(out, id);
    }
    *before = id;
}

void thrift_put_integer_field(thrift_out *out, int *before, int id, int type, int64_t value)
{
    thrift_put_field(out, before, id, type);
    thrift_put_integer(out, value);
}

void thrift_put_value_field(thrift_out *out, int *before, int id, thrift_value value)
{
    if (value.type == 0) return;
    thrift_put_field(out, before, id, value.type);
    thrift_put_bytes(out, value.start, (size_t)(value.end - value.start));
}

void thrift_put_text(thrift_out *out, ucid_text text)
{
    thrift_put_varint(out, text.length);
    thrift_put_bytes(out, text.data, text.length);
}

void thrift_put_list(thrift_out *out, uint64_t count, int type)
{
    thrift_put_byte(out, (int)(count < 15 ? count << 4 : 15 << 4) | type);
    if (count >= 15) thrift_put_varint(out, count);
}
