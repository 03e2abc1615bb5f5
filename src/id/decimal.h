/* decimal.h: the decimal numbers of an identifier, exact both ways and the same on every machine and in every locale.
 *
 * Writing: a double is m * 2^-s with an integer m below 2^53, so x * 1000 rounded to nearest, ties to even, is the
 * integer m * 1000 shifted right by s bits: no rounding happens before the last one. That is what "%.3f" gives.
 *
 * Reading: up to 18 digits make an integer d and a power of ten; where d is below 2^53 one division is exact (both
 * operands are), else the quotient is taken to 56 bits or more with 128-bit integers, what is left over is or-ed into
 * the last bit, and the conversion to double rounds once. */
#ifndef UCID_ID_DECIMAL_H
#define UCID_ID_DECIMAL_H

#include "id/words.h"

#include <stdint.h>
#include <string.h>

/* "000001002...999" and "000102...99": three, and two, digits of a number at three, and two, times it. */
/* clang-format off */
#define UCID_DIGITS_1(head) \
    head "0" head "1" head "2" head "3" head "4" head "5" head "6" head "7" head "8" head "9"
#define UCID_DIGITS_2(head) \
    UCID_DIGITS_1(head "0") UCID_DIGITS_1(head "1") UCID_DIGITS_1(head "2") UCID_DIGITS_1(head "3") \
    UCID_DIGITS_1(head "4") UCID_DIGITS_1(head "5") UCID_DIGITS_1(head "6") UCID_DIGITS_1(head "7") \
    UCID_DIGITS_1(head "8") UCID_DIGITS_1(head "9")
#define UCID_DIGITS_3 \
    UCID_DIGITS_2("0") UCID_DIGITS_2("1") UCID_DIGITS_2("2") UCID_DIGITS_2("3") UCID_DIGITS_2("4") \
    UCID_DIGITS_2("5") UCID_DIGITS_2("6") UCID_DIGITS_2("7") UCID_DIGITS_2("8") UCID_DIGITS_2("9")
/* clang-format on */

/* The same in integers, for what follows. */
__attribute__((noinline, cold, unused)) static uint32_t ucid_decimal_round_middle(double x, uint32_t scale)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    unsigned exponent = bits >> 52 & 0x7FF;
    if (exponent < 1075 - 63) return 0; /* below 2^-11 / 2: nothing is left of it */
    uint64_t product = ((bits & 0xFFFFFFFFFFFFF) | 1ull << 52) * scale;
    unsigned shift = 1075 - exponent;
    uint64_t below_half = (1ull << (shift - 1)) - 1, odd = product >> shift & 1;
    return (uint32_t)((product + below_half + odd) >> shift);
}

/* |x| * scale rounded to nearest, ties to even; |x| * scale < 2^32, scale < 2^11. The product in doubles is off by less
 * than 2^-20; so where it is farther than that from the middle between two integers, it rounds to the right one: 2^52
 * leaves that in the low bits. */
static inline uint32_t ucid_decimal_round(double x, uint32_t scale)
{
    double product = __builtin_fabs(x) * (double)scale, shifted = product + 0x1p52, off = product - (shifted - 0x1p52);
    uint64_t bits;
    if (!(__builtin_fabs(off) < 0.499)) return ucid_decimal_round_middle(x, scale);
    memcpy(&bits, &shifted, sizeof bits);
    return (uint32_t)bits;
}

/* |x| * 1000 and |y| * 1000, likewise, below 2^32; *minus: 1 where the sign is. */
static inline words2 ucid_decimal_round_both(double x, double y, words2 *minus)
{
    typedef double doubles2 __attribute__((vector_size(16)));
    const words2 low = {~UINT64_C(0) >> 1, ~UINT64_C(0) >> 1};
    doubles2 both = {x, y}, product = (doubles2)((words2)both & low) * 1000.0, shifted = product + 0x1p52;
    doubles2 off = (doubles2)((words2)(product - (shifted - 0x1p52)) & low);
    *minus = (words2)both >> 63;
    if (__builtin_expect(is_any((words2)(off >= 0.499)), 0)) {
        return (words2){ucid_decimal_round(x, 1000), ucid_decimal_round(y, 1000)};
    }
    return (words2)shifted & UINT32_MAX;
}

/* digits / 10^places, correctly rounded; digits < 10^18, places <= 15. */
static inline double ucid_decimal_scale(uint64_t digits, unsigned places)
{
    static const uint64_t ten[16] = {1,
                                     10,
                                     100,
                                     1000,
                                     10000,
                                     100000,
                                     1000000,
                                     10000000,
                                     100000000,
                                     1000000000,
                                     10000000000,
                                     100000000000,
                                     1000000000000,
                                     10000000000000,
                                     100000000000000,
                                     1000000000000000};
    if (digits < 1ull << 53) return (double)digits / (double)ten[places];
    __extension__ typedef unsigned __int128 wide;
    wide shifted = (wide)digits << 53;
    uint64_t quotient = (uint64_t)(shifted / ten[places]); /* digits < 1000 * 10^places: below 2^63 */
    if (shifted % ten[places] != 0) quotient |= 1;
    return (double)quotient * 0x1p-53;
}

/* [0-9]{1,3}(\.[0-9]{1,15})? from text to end: 1 and *value, or 0 and *bad, where the text breaks the grammar. */
static inline int ucid_decimal_parse(const char *text, const char *end, double *value, const char **bad)
{
    const char *p = text;
    uint64_t digits = 0;
    unsigned places = 0;
    for (; p < end && (unsigned char)(*p - '0') <= 9; p++) {
        if (p - text == 3) goto no;
        digits = digits * 10 + (uint64_t)(*p - '0');
    }
    if (p == text) goto no;
    if (p < end) {
        if (*p++ != '.') {
            p--;
            goto no;
        }
        for (; p < end && (unsigned char)(*p - '0') <= 9 && places < 15; p++, places++) {
            digits = digits * 10 + (uint64_t)(*p - '0');
        }
        if (places == 0 || p < end) goto no;
    }
    *value = ucid_decimal_scale(digits, places);
    return 1;
no:
    *bad = p;
    return 0;
}

#endif
