/* exact.c: what sums do rarely: widen, carry, and be told. */
#include "kernel/exact.h"

#include "rt/memory.h"

#include <assert.h>
#include <string.h>

static const uint64_t LOW = 0xffffffffu;

int ucid_exact_widen(ucid_exact *sum, const ucid_allocator *allocator)
{
    int64_t *all = ucid_allocate_zero(allocator, EXACT_ALL, sizeof *all);
    if (all == NULL) return 0;
    for (int i = 0; i < EXACT_NEAR && sum->first + i < EXACT_ALL; i++) all[sum->first + i] = sum->near[i];
    sum->all = all;
    return 1;
}

static int64_t carry_limbs(int64_t *limb, int count)
{
    int64_t carry = 0;
    for (int i = 0; i < count; i++) {
        int64_t value = limb[i] + carry;
        carry = (value - (int64_t)((uint64_t)value & LOW)) / ((int64_t)1 << 32);
        limb[i] = (int64_t)((uint64_t)value & LOW);
    }
    return carry;
}

/* The upper limb keeps what is carried out of it; once that grows, all limbs are taken. */
int ucid_exact_carry(ucid_exact *sum, const ucid_allocator *allocator)
{
    sum->added = 0;
    if (sum->all == NULL) {
        sum->near[EXACT_NEAR - 1] += carry_limbs(sum->near, EXACT_NEAR - 1);
        int64_t top = sum->near[EXACT_NEAR - 1];
        if (top > -((int64_t)1 << 61) && top < (int64_t)1 << 61) return 1;
        if (!ucid_exact_widen(sum, allocator)) return 0;
    }
    sum->all[EXACT_ALL - 1] += carry_limbs(sum->all, EXACT_ALL - 1);
    return 1;
}

void ucid_exact_reset(ucid_exact *sum, const ucid_allocator *allocator)
{
    if (sum->all != NULL) ucid_release(allocator, sum->all, EXACT_ALL, sizeof *sum->all);
    *sum = UCID_EXACT_INIT;
}

static void trim(ucid_big *big)
{
    int zeros = 0;
    while (big->count > 0 && big->limb[big->count - 1] == 0) big->count--;
    while (zeros < big->count && big->limb[zeros] == 0) zeros++;
    if (zeros > 0) memmove(big->limb, big->limb + zeros, (size_t)(big->count - zeros) * sizeof big->limb[0]);
    big->first += zeros;
    big->count -= zeros;
    if (big->count == 0) *big = (ucid_big){0};
}

void ucid_exact_get(const ucid_exact *sum, ucid_big *big)
{
    int64_t limb[EXACT_ALL + 2] = {0};
    int count = sum->all != NULL ? EXACT_ALL : EXACT_NEAR;
    big->first = sum->all != NULL || sum->first < 0 ? 0 : sum->first;
    memcpy(limb, sum->all != NULL ? sum->all : sum->near, (size_t)count * sizeof limb[0]);
    int64_t carry = carry_limbs(limb, count);
    big->negative = carry < 0;
    if (carry < 0) { /* the limbs hold 2^(32 count) more than there is: take it all the other way round */
        memcpy(limb, sum->all != NULL ? sum->all : sum->near, (size_t)count * sizeof limb[0]);
        for (int i = 0; i < count; i++) limb[i] = -limb[i];
        carry = carry_limbs(limb, count);
    }
    limb[count] = (int64_t)((uint64_t)carry & LOW);
    limb[count + 1] = carry >> 32;
    big->count = count + 2;
    for (int i = 0; i < big->count; i++) big->limb[i] = (uint32_t)limb[i];
    trim(big);
}

int ucid_exact_add_big(ucid_exact *sum, const ucid_big *big, const ucid_allocator *allocator)
{
    for (int i = 0; i < big->count; i++) {
        uint64_t piece = big->limb[i];
        if (piece != 0 && !ucid_exact_add(sum, big->first + i, &piece, 1, big->negative, allocator)) return 0;
    }
    return 1;
}

double ucid_big_double(const ucid_big *big, int *exponent)
{
    if (big->count == 0) {
        *exponent = 0;
        return 0.0;
    }
    /* The upper 64 bits; whether there is more below them is told by the last. */
    int top = big->count - 1, shift = __builtin_clz(big->limb[top]);
    unsigned __int128 bits = (unsigned __int128)big->limb[top] << 64;
    if (top > 0) bits |= (unsigned __int128)big->limb[top - 1] << 32;
    if (top > 1) bits |= big->limb[top - 2];
    bits <<= shift; /* its 96th bit is 1 */
    uint64_t upper = (uint64_t)(bits >> 32);
    int more = ((uint64_t)bits & LOW) != 0;
    for (int i = 0; i + 2 < top; i++) more |= big->limb[i] != 0;
    upper |= (uint64_t)more;
    *exponent = 32 * (big->first + top - 1) - shift;
    return big->negative ? -(double)upper : (double)upper;
}

static void multiply(const ucid_big *a, const ucid_big *b, ucid_big *product)
{
    assert(a->count + b->count <= EXACT_BIG);
    product->negative = a->negative != b->negative;
    product->first = a->first + b->first;
    product->count = a->count + b->count;
    memset(product->limb, 0, (size_t)product->count * sizeof product->limb[0]);
    for (int i = 0; i < a->count; i++) {
        uint64_t carry = 0;
        for (int j = 0; j < b->count; j++) {
            carry += (uint64_t)a->limb[i] * b->limb[j] + product->limb[i + j];
            product->limb[i + j] = (uint32_t)carry;
            carry >>= 32;
        }
        product->limb[i + b->count] = (uint32_t)carry;
    }
    trim(product);
}

void ucid_big_spread(const ucid_big *sum, const ucid_big *squares, uint64_t n, ucid_big *spread)
{
    ucid_big factor = {.count = 2, .limb = {(uint32_t)n, (uint32_t)(n >> 32)}}, upper, lower;
    trim(&factor);
    multiply(squares, &factor, &upper);
    multiply(sum, sum, &lower);
    upper.first += EXACT_ORIGIN / 32; /* both as parts of 2^-4352 */
    int first = lower.count > 0 && (upper.count == 0 || lower.first < upper.first) ? lower.first : upper.first;
    int upper_end = upper.first + upper.count, lower_end = lower.first + lower.count;
    int end = upper_end > lower_end || lower.count == 0 ? upper_end : lower_end;
    *spread = (ucid_big){.first = first, .count = end - first};
    assert(spread->count <= EXACT_BIG);
    int64_t borrow = 0;
    for (int i = 0; i < spread->count; i++) {
        int u = first + i - upper.first, l = first + i - lower.first;
        int64_t difference = borrow + (u >= 0 && u < upper.count ? (int64_t)upper.limb[u] : 0) -
                             (l >= 0 && l < lower.count ? (int64_t)lower.limb[l] : 0);
        borrow = difference < 0 ? -1 : 0;
        spread->limb[i] = (uint32_t)difference;
    }
    trim(spread);
}
