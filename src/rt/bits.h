/* bits.h: Arrow's bits of validity. */
#ifndef UCID_RT_BITS_H
#define UCID_RT_BITS_H

#include <stddef.h>
#include <stdint.h>

/* NULL: all are set. */
static inline int bit_is_set(const uint8_t *bits, int64_t i)
{
    return bits == NULL || (bits[i >> 3] >> (i & 7) & 1) != 0;
}

#endif
