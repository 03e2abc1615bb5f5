/* snappy_write.h: the elements of a stream of snappy. */
#ifndef UCID_PARQUET_SNAPPY_WRITE_H
#define UCID_PARQUET_SNAPPY_WRITE_H

#include "parquet/snappy.h"
#include "rt/bits.h"

#include <string.h>

enum { KEY = 8, LEAST = 4, LONGEST = 64, SHORT_LITERAL = 60 };

static inline uint64_t word_at(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static inline size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* Up to 64 bytes are read and written, where there are fewer. */
static inline uint8_t *put_literal(uint8_t *out, const uint8_t *from, size_t length)
{
    if (length == 0) return out;
    size_t n = length - 1;
    if (n < SHORT_LITERAL) {
        *out++ = (uint8_t)(n << 2);
        memcpy(out, from, 16);
        if (length > 16) memcpy(out + 16, from + 16, SHORT_LITERAL - 16);
        return out + length;
    }
    uint8_t *mark = out++;
    int bytes = 0;
    for (size_t rest = n; rest > 0; rest >>= 8, bytes++) *out++ = (uint8_t)rest;
    *mark = (uint8_t)((SHORT_LITERAL - 1 + bytes) << 2);
    memcpy(out, from, length);
    return out + length;
}

/* At least four bytes from at most FAR before. */
static inline uint8_t *put_copy(uint8_t *out, size_t distance, size_t length)
{
    if (length < 12 && distance < 2048) {
        *out++ = (uint8_t)(distance >> 8 << 5 | (length - LEAST) << 2 | 1);
        *out++ = (uint8_t)distance;
        return out;
    }
    while (length > 0) {
        size_t piece = smaller(length, LONGEST);
        *out++ = (uint8_t)((piece - 1) << 2 | 2);
        *out++ = (uint8_t)distance;
        *out++ = (uint8_t)(distance >> 8);
        length -= piece;
    }
    return out;
}

#endif
