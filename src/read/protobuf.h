/* protobuf.h: reading the wire format of Protocol Buffers, as far as OpenStreetMap files use it.
 *
 * Every buffer read here is followed by PB_PADDING readable bytes. So a varint that begins before its end may be read
 * without looking for the end at each byte (it takes ten bytes at most); the caller looks afterwards, and a position
 * past the end means damage. */
#ifndef UCID_READ_PROTOBUF_H
#define UCID_READ_PROTOBUF_H

#include <stddef.h>
#include <stdint.h>

enum { PB_PADDING = 16 };
enum { PB_VARINT = 0, PB_FIXED64 = 1, PB_BYTES = 2, PB_FIXED32 = 5 };

/* Bytes of a buffer: [at, end). */
typedef struct pb_range {
    const uint8_t *at, *end;
} pb_range;

typedef struct pb_field {
    uint64_t value;  /* of a varint */
    pb_range bytes;  /* of a PB_BYTES field */
    uint32_t number; /* at most 2^29 - 1 */
    uint32_t wire;
} pb_field;

/* The varint at `at`, which is before `end`; returns the position after it, or end + 1 where it is longer than ten
 * bytes. */
static inline const uint8_t *pb_varint(const uint8_t *at, const uint8_t *end, uint64_t *value)
{
    uint64_t result = *at++;
    if (result >= 0x80) {
        result &= 0x7F;
        unsigned shift = 7;
        for (;;) {
            uint64_t byte = *at++;
            result |= (byte & 0x7F) << shift;
            if (byte < 0x80) break;
            shift += 7;
            if (shift > 63) {
                *value = 0;
                return end + 1;
            }
        }
    }
    *value = result;
    return at;
}

static inline int64_t pb_zigzag(uint64_t value) { return (int64_t)((value >> 1) ^ (0 - (value & 1))); }

/* Sum of deltas: wraps, as damaged files may make it do. */
static inline int64_t pb_add(int64_t sum, uint64_t zigzag)
{
    return (int64_t)((uint64_t)sum + (uint64_t)pb_zigzag(zigzag));
}

/* The next field of a message: 1, or 0 at its end, or -1 where it is damaged. */
static inline int pb_next(pb_range *message, pb_field *field)
{
    if (message->at == message->end) return 0;
    uint64_t key, value;
    const uint8_t *end = message->end;
    field->value = 0;
    field->bytes = (pb_range){end, end};
    const uint8_t *at = pb_varint(message->at, end, &key);
    if (at > end || key > UINT32_MAX) return -1;
    field->number = (uint32_t)(key >> 3);
    field->wire = (uint32_t)(key & 7);
    switch (field->wire) {
    case PB_VARINT:
        if (at == end) return -1;
        at = pb_varint(at, end, &field->value);
        if (at > end) return -1;
        break;
    case PB_BYTES:
        if (at == end) return -1;
        at = pb_varint(at, end, &value);
        if (at > end || value > (uint64_t)(end - at)) return -1;
        field->bytes.at = at;
        at += value;
        field->bytes.end = at;
        break;
    case PB_FIXED64:
        if (end - at < 8) return -1;
        at += 8;
        break;
    case PB_FIXED32:
        if (end - at < 4) return -1;
        at += 4;
        break;
    default: return -1;
    }
    message->at = at;
    return 1;
}

#endif
