/* bits.h: Arrow's bits of validity, and numbers of as many bytes as they need. */
#ifndef UCID_RT_BITS_H
#define UCID_RT_BITS_H

#include <stddef.h>
#include <stdint.h>

/* NULL: all are set. */
static inline int bit_is_set(const uint8_t *bits, int64_t i)
{
    return bits == NULL || (bits[i >> 3] >> (i & 7) & 1) != 0;
}

/* Seven bits a byte, the lowest first, all but the last with the eighth bit: what LEB128 calls it. Returns where it
 * ends. */
static inline uint8_t *put_varint(uint8_t *out, uint64_t value)
{
    for (; value > 127; value >>= 7) *out++ = (uint8_t)(value | 128);
    *out++ = (uint8_t)value;
    return out;
}

#endif
