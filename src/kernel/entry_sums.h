/* entry_sums.h: exact sums of doubles for the entries of a dictionary, by two additions a row.
 *
 *     value * 2^shift = high + low * 2^-46    high, low integers below 2^46
 *
 * The shift follows from the largest value of a block, so all that is within 2^-39 of it fits, whatever its size; what
 * does not (far smaller values with all their bits, NaN, infinities) is left to the caller. Integers below 2^46 may be
 * added 2^17 times. */
#ifndef UCID_KERNEL_ENTRY_SUMS_H
#define UCID_KERNEL_ENTRY_SUMS_H

#include <stdint.h>

enum { ENTRY_SUM_BITS = 46, ENTRY_SUM_ROWS = 1 << 16 };

typedef struct entry_sum {
    int64_t high, low, rows;
} entry_sum;

/* The shift for a block of values; 0 where none of them, or no shift, would do. */
static inline int entry_sums_shift(const double *values, int64_t n)
{
    static const double LEAST = 0x1p-400, MOST = 0x1p46;
    double most = 0;
    for (int64_t i = 0; i < n; i++) {
        double size = values[i] < 0 ? -values[i] : values[i];
        most = size > most ? size : most; /* not NaN */
    }
    if (!(most >= LEAST && most < MOST)) return 0;
    union {
        double value;
        uint64_t bits;
    } x = {.value = most};
    return ENTRY_SUM_BITS + 1022 - (int)(x.bits >> 52 & 2047);
}

/* Add rows to the sums of their entries, up to one that does not fit: their number. At most ENTRY_SUM_ROWS before the
 * sums are taken. */
static inline int64_t entry_sums_add(entry_sum *sums, int shift, const uint32_t *entries, const double *values,
                                     int64_t n)
{
    union {
        uint64_t bits;
        double value;
    } scale = {.bits = (uint64_t)(1023 + shift) << 52};
    static const double FINE = 0x1p46;
    int64_t i = 0;
    for (; i < n; i++) {
        double scaled = values[i] * scale.value; /* exact: upwards */
        if (!(scaled < FINE && scaled > -FINE)) break;
        int64_t high = (int64_t)scaled;
        double rest = (scaled - (double)high) * FINE;
        int64_t low = (int64_t)rest;
        if ((double)low != rest) break;
        entry_sum *sum = &sums[entries[i]];
        sum->high += high;
        sum->low += low;
        sum->rows++;
    }
    return i;
}

#endif
