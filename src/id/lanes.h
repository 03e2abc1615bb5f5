/* lanes.h: what the code for LANES 64-bit lanes at once shares; included after lanes_avx2.h or lanes_avx512.h. */
#ifndef UCID_ID_LANES_H
#define UCID_ID_LANES_H

#include <stdint.h>

static inline vd all(double x) { return x - (vd){0}; }
static inline vu all_u(uint64_t x) { return x + (vu){0}; }
static inline vd absolute(vd x) { return (vd)((vu)x & UINT64_C(0x7FFFFFFFFFFFFFFF)); }
static inline vu one_where(mask m) { return keep(m, all_u(1)); }
static inline mask is_one(vu x) { return equal(x, all_u(1)); }
/* A whole number below 2^52. */
static inline vd number_of(vu x) { return (vd)(x | UINT64_C(0x4330000000000000)) - 0x1p52; }
/* The exponent of a number of at least 1. */
static inline vu exponent_of(vd x) { return ((vu)x >> 52) - 1023; }

#endif
