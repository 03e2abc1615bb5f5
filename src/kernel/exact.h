/* exact.h: sums of doubles and of their squares without rounding.
 *
 *     value = m * 2^e    square = m^2 * 2^2e    both integers in a number of 32-bit limbs, the least worth 2^-2176
 *
 * Limbs are kept in 64 bits with sign, so a value is added to three of them and nothing is carried for 2^30 values. The
 * few limbs about the first value are kept in place; a sum that needs others gets all 136, enough for every double.
 * Addition of integers does not ask for an order: whatever the rows' order, split and threads, the sum is the same, and
 * what is told of it is rounded once. */
#ifndef UCID_KERNEL_EXACT_H
#define UCID_KERNEL_EXACT_H

#include "ucid.h"

enum { EXACT_NEAR = 8, EXACT_ALL = 136, EXACT_ORIGIN = 2176, EXACT_CARRY = 1 << 30 };

typedef struct ucid_exact {
    int64_t near[EXACT_NEAR];
    int64_t *all;   /* [EXACT_ALL], or NULL: near has it */
    uint32_t added; /* values since limbs were carried */
    int32_t first;  /* number of near[0]; -1 before the first value */
} ucid_exact;
#define UCID_EXACT_INIT                                                                                                \
    (ucid_exact) { .first = -1 }

/* A sum as a number that can be reckoned with: (-1)^negative * sum of limb[i] * 2^(32 (first + i) - origin). */
enum { EXACT_BIG = 2 * (EXACT_ALL + 2) + 4 };
typedef struct ucid_big {
    int negative, first, count; /* no zeros at either end; count 0 is zero */
    uint32_t limb[EXACT_BIG];
} ucid_big;

/* 0: no memory. */
int ucid_exact_widen(ucid_exact *sum, const ucid_allocator *allocator);
int ucid_exact_carry(ucid_exact *sum, const ucid_allocator *allocator);
void ucid_exact_reset(ucid_exact *sum, const ucid_allocator *allocator);
void ucid_exact_get(const ucid_exact *sum, ucid_big *big);
/* 0: no memory. big is of a sum, that is within EXACT_ALL limbs. */
int ucid_exact_add_big(ucid_exact *sum, const ucid_big *big, const ucid_allocator *allocator);

/* Rounded to nearest: value * 2^exponent. */
double ucid_big_double(const ucid_big *big, int *exponent);
/* n * squares - sum^2, of a sum and a sum of squares of n values; not negative. */
void ucid_big_spread(const ucid_big *sum, const ucid_big *squares, uint64_t n, ucid_big *spread);

/* pieces[0..count) to the limbs from `at` on. */
static inline int ucid_exact_add(ucid_exact *sum, int at, const uint64_t *pieces, int count, int negative,
                                 const ucid_allocator *allocator)
{
    if (sum->first < 0) sum->first = at > 0 ? at - 1 : 0;
    if (sum->all == NULL && (at < sum->first || at + count > sum->first + EXACT_NEAR) &&
        !ucid_exact_widen(sum, allocator)) {
        return 0;
    }
    int64_t *limb = sum->all != NULL ? sum->all + at : sum->near + (at - sum->first), sign = -(int64_t)negative;
    for (int i = 0; i < count; i++) limb[i] += ((int64_t)pieces[i] ^ sign) - sign;
    return ++sum->added < EXACT_CARRY || ucid_exact_carry(sum, allocator);
}

/* Add a finite value, its square, an integer, or the square of one. 0: no memory. */
static inline int ucid_exact_add_parts(ucid_exact *sum, uint64_t m, int position, int negative,
                                       const ucid_allocator *allocator)
{
    unsigned __int128 wide = (unsigned __int128)m << (position & 31);
    uint64_t pieces[3] = {(uint32_t)wide, (uint32_t)(wide >> 32), (uint64_t)(wide >> 64)};
    return m == 0 || ucid_exact_add(sum, position >> 5, pieces, 3, negative, allocator);
}

static inline int ucid_exact_add_square(ucid_exact *sum, uint64_t m, int position, const ucid_allocator *allocator)
{
    unsigned __int128 square = (unsigned __int128)m * m;
    int shift = position & 31;
    uint64_t low = (uint64_t)square, high = (uint64_t)(square >> 64);
    unsigned __int128 left = (unsigned __int128)low << shift, right = ((unsigned __int128)high << shift) + (left >> 64);
    uint64_t pieces[5] = {(uint32_t)left, (uint32_t)(left >> 32), (uint32_t)right, (uint32_t)(right >> 32),
                          (uint64_t)(right >> 64)};
    return m == 0 || ucid_exact_add(sum, position >> 5, pieces, 5, 0, allocator);
}

#endif
