/* cell_rows_avx512.c: blocks of rows by vectors of AVX-512 (x86-64). A group is one vector, and so is what a value adds
 * to it: its bytes are put where their sums are, and what its grade adds comes from a table.
 *
 *     lanes    cell | score | square | confidence | grades | grades | grades | nulls, lack, max
 *
 * Earned by bench_aggregate: a roll-up takes two thirds to four fifths of the time of AVX2. */
#include "kernel/cell_rows_lanes.h"

#include <immintrin.h>

enum { SQUARE = 1 << 2 };                             /* lanes of 64 bits */
static const __mmask32 EXTREMES = (__mmask32)3 << 30; /* lanes of 16 bits */

/* By grade. Lack is a score with all bits turned. */
#define GRADE(...)                                                                                                     \
    {                                                                                                                  \
        0, 0, 0, 0, 0, 0, 0, 0, __VA_ARGS__                                                                            \
    }
static _Alignas(64) const uint32_t of_grade[CELL_ROWS_NO_GRADE + 1][16] = {
    GRADE(1, 0, 0, 0, 0, 0, 0, UINT16_MAX), GRADE(0, 1, 0, 0, 0, 0, 0, UINT16_MAX),
    GRADE(0, 0, 1, 0, 0, 0, 0, UINT16_MAX), GRADE(0, 0, 0, 1, 0, 0, 0, UINT16_MAX),
    GRADE(0, 0, 0, 0, 1, 0, 0, UINT16_MAX), GRADE(0, 0, 0, 0, 0, 1, 0, UINT16_MAX),
    GRADE(0, 0, 0, 0, 0, 0, 1, 0)};
#undef GRADE

/* find_keys and find_starts in one pass, where all cells are plain and the block is one of whole vectors. 0: they are
 * not, and what was written is nothing. Masks are counted in vectors: as numbers, GCC 12 may read more bytes of one
 * than it wrote. */
static int read_plain(const uint64_t *cells, int resolution, cell_rows *out)
{
    enum { OR_DIFFERS = 0xF6, OR_NOT = 0xF3, AND_ALL = 0x80 }; /* a | (b ^ c), a | ~b, a & b & c */
    uint64_t one = cells[0], unused = ((uint64_t)1 << (45 - 3 * (one >> 52 & 15))) - 1;
    const __m512i first = _mm512_set1_epi64((int64_t)one), places = _mm512_set1_epi64(((int64_t)1 << 52) - 1);
    const __m512i used = _mm512_set1_epi64((int64_t)(0x1FFFFFFFFFFFu & ~unused)), upper_half = _mm512_set1_epi64(64);
    const __m512i low = _mm512_set1_epi64((int64_t)not_plain[0]), high = _mm512_set1_epi64((int64_t)not_plain[1]);
    const __m128i shift = _mm_cvtsi32_si128(45 - 3 * resolution);
    __m512i differs = _mm512_setzero_si512(), lacks = differs, sevens = differs, bases = differs;
    __m512i last = _mm512_set1_epi64(-1);
    __m512i runs = differs, falls = differs, one_each = _mm512_set1_epi64(1);
    if (out->count % 8 != 0) return 0;
    for (int i = 0; i < out->count; i += 8) {
        __m512i cell = _mm512_loadu_si512(cells + i), base = _mm512_srli_epi64(cell, 45);
        __m512i digits = _mm512_and_si512(cell, used);
        __m512i half = _mm512_mask_mov_epi64(low, _mm512_test_epi64_mask(base, upper_half), high);
        differs = _mm512_ternarylogic_epi64(differs, cell, first, OR_DIFFERS);
        lacks = _mm512_ternarylogic_epi64(lacks, cell, cell, OR_NOT);
        sevens = _mm512_or_si512(sevens, _mm512_ternarylogic_epi64(digits, _mm512_srli_epi64(digits, 1),
                                                                   _mm512_srli_epi64(digits, 2), AND_ALL));
        bases = _mm512_or_si512(bases, _mm512_rorv_epi64(half, base)); /* by 6 bits of it */
        __m512i key = _mm512_srl_epi64(_mm512_and_si512(cell, places), shift);
        __m512i before = _mm512_alignr_epi64(key, last, 7);
        __mmask8 starts = _mm512_cmpneq_epu64_mask(key, before);
        _mm512_storeu_si512(out->keys + i, key);
        _mm_storel_epi64((__m128i *)(out->starts + i), _mm_maskz_set1_epi8(starts, 1));
        runs = _mm512_mask_add_epi64(runs, starts, runs, one_each);
        falls = _mm512_mask_add_epi64(falls, _mm512_cmplt_epu64_mask(key, before), falls, one_each);
        last = key;
    }
    memset(out->starts + out->count, 0, (size_t)(CELL_ROWS_BLOCK - out->count));
    out->runs = (int)_mm512_reduce_add_epi64(runs);
    out->falls = (int)_mm512_reduce_add_epi64(falls) - 1; /* the first key is below the last of none */
    out->nowhere = 0;
    uint64_t wrong =
        (uint64_t)_mm512_reduce_or_epi64(differs) >> 52 | ((uint64_t)_mm512_reduce_or_epi64(lacks) & unused) |
        ((uint64_t)_mm512_reduce_or_epi64(sevens) & digit_ends) | ((uint64_t)_mm512_reduce_or_epi64(bases) & 1);
    return wrong == 0 && one >> 56 == 8 && (int)(one >> 52 & 15) >= resolution;
}

static void read(const uint64_t *cells, const ucid_aggregate_rows *rows, int64_t first, int resolution, cell_rows *out)
{
    if (read_plain(cells + first, resolution, out)) {
        find_values(rows, first, out->count, out->values);
    } else {
        read_rows(cells, rows, first, resolution, out);
    }
}

static inline __m512i addend(const uint32_t *value)
{
    const __m512i places = _mm512_set_epi64(0x0100010080808080, -1, -1, -1, (int64_t)0x8080808080808002u,
                                            (int64_t)0x8080808080800100u, (int64_t)0x8080808080800100u, -1);
    __m512i parts = _mm512_shuffle_epi8(_mm512_set1_epi32((int)*value), places);
    parts = _mm512_xor_si512(parts, _mm512_load_si512(of_grade[((const uint8_t *)value)[CELL_ROWS_GRADE_SHIFT / 8]]));
    return _mm512_mask_mul_epu32(parts, SQUARE, parts, parts);
}

static void add_run(ucid_cell_sum *g, const uint32_t *values, int n)
{
    __m512i sum = _mm512_setzero_si512(), most = sum, group = _mm512_loadu_si512(g);
    for (int i = 0; i < n; i++) {
        __m512i value = addend(&values[i]);
        sum = _mm512_add_epi64(sum, value);
        most = _mm512_max_epu16(most, value);
    }
    sum = _mm512_add_epi64(sum, group);
    _mm512_storeu_si512(g, _mm512_mask_max_epu16(sum, EXTREMES, most, group));
}

static void add_each(ucid_cell_sum *groups, const uint32_t *numbers, const uint32_t *values, int n)
{
    for (int i = 0; i < n; i++) {
        __m512i value = addend(&values[i]), group = _mm512_loadu_si512(&groups[numbers[i]]);
        __m512i sum = _mm512_add_epi64(group, value);
        _mm512_storeu_si512(&groups[numbers[i]], _mm512_mask_max_epu16(sum, EXTREMES, group, value));
    }
}

static int find(const cell_slots *slots, const uint64_t *keys, int n, uint32_t *numbers, uint16_t *others)
{
    const __m512i mask = _mm512_set1_epi64((1LL << slots->bits) - 1);
    const __m256i number = _mm256_set1_epi32((1 << slots->number_bits) - 1);
    const __m128i bits = _mm_cvtsi32_si128(slots->bits), number_bits = _mm_cvtsi32_si128(slots->number_bits);
    int other_count = 0, eights = n & ~7;
    for (int i = 0; i < eights; i += 8) {
        __m512i key = _mm512_loadu_si512(keys + i);
        __m512i at = _mm512_and_si512(_mm512_xor_si512(key, _mm512_srl_epi64(key, bits)), mask);
        __m512i slot = _mm512_i64gather_epi64(at, slots->of, 8);
        __mmask8 other = _mm512_cmpneq_epi64_mask(_mm512_srl_epi64(slot, number_bits), key);
        _mm256_storeu_si256((__m256i *)(numbers + i), _mm256_and_si256(_mm512_cvtepi64_epi32(slot), number));
        __m512i rows = _mm512_add_epi64(_mm512_set1_epi64(i), _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0));
        __m128i found = _mm512_cvtepi64_epi16(_mm512_maskz_compress_epi64(other, rows));
        _mm_storeu_si128((__m128i *)(others + other_count), found); /* no more than there are keys until here */
        other_count += __builtin_popcount(_cvtmask8_u32(other) & 255);
    }
    return other_count + find_numbers(slots, keys, eights, n, numbers, others + other_count);
}

static void buckets(const cell_plan *plan, const uint64_t *rows, int n, uint16_t *out)
{
    const __m512i one = _mm512_set1_epi64(1), shifts = _mm512_set1_epi64(plan->shift);
    const __m512i mask = _mm512_set1_epi64((1LL << plan->slot_bits) - 1);
    const __m512i head = _mm512_set1_epi64((int64_t)plan->head), last = _mm512_set1_epi64(plan->buckets);
    const __m512i none = _mm512_set1_epi64(CELL_PLAN_NO_BUCKET);
    const __m512i more_mask = _mm512_set1_epi64((1 << CELL_PLAN_MORE_BITS) - 1);
    const __m128i shift = _mm_cvtsi32_si128(plan->shift), slot_bits = _mm_cvtsi32_si128(plan->slot_bits);
    int eights = n & ~7;
    for (int i = 0; i < eights; i += 8) {
        __m512i row = _mm512_loadu_si512(rows + i), upper = _mm512_srl_epi64(row, shift);
        __m512i slot =
            _mm512_cvtepu32_epi64(_mm512_i64gather_epi32(_mm512_and_si512(upper, mask), plan->slots, sizeof(uint32_t)));
        __m512i more = _mm512_and_si512(slot, more_mask);
        __m512i in_slot = _mm512_and_si512(_mm512_srlv_epi64(row, _mm512_sub_epi64(shifts, more)),
                                           _mm512_sub_epi64(_mm512_sllv_epi64(one, more), one));
        __m512i bucket = _mm512_add_epi64(_mm512_srli_epi64(slot, CELL_PLAN_MORE_BITS), in_slot);
        __mmask8 stray =
            _mm512_cmpneq_epi64_mask(_mm512_srl_epi64(upper, slot_bits), head) | _mm512_cmpeq_epi64_mask(slot, none);
        bucket = _mm512_mask_mov_epi64(bucket, stray, last);
        _mm_storeu_si128((__m128i *)(out + i), _mm512_cvtepi64_epi16(bucket));
    }
    find_buckets(plan, rows, eights, n, out);
}

const cell_rows_kernels cell_rows_avx512 = {"avx512", read, find_values, find, buckets, add_run, add_each};
