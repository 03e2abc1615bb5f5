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

static inline __m512i addend(uint32_t value)
{
    const __m512i places = _mm512_set_epi64(0x0100010080808080, -1, -1, -1, (int64_t)0x8080808080808002u,
                                            (int64_t)0x8080808080800100u, (int64_t)0x8080808080800100u, -1);
    __m512i parts = _mm512_shuffle_epi8(_mm512_set1_epi32((int)value), places);
    parts = _mm512_xor_si512(parts, _mm512_load_si512(of_grade[cell_rows_grade(value)]));
    return _mm512_mask_mul_epu32(parts, SQUARE, parts, parts);
}

static void add_run(ucid_cell_sum *g, const uint32_t *values, int n)
{
    __m512i sum = _mm512_setzero_si512(), most = sum, group = _mm512_loadu_si512(g);
    for (int i = 0; i < n; i++) {
        __m512i value = addend(values[i]);
        sum = _mm512_add_epi64(sum, value);
        most = _mm512_max_epu16(most, value);
    }
    sum = _mm512_add_epi64(sum, group);
    _mm512_storeu_si512(g, _mm512_mask_max_epu16(sum, EXTREMES, most, group));
}

static void add_each(ucid_cell_sum *groups, const uint32_t *numbers, const uint32_t *values, int n)
{
    for (int i = 0; i < n; i++) {
        __m512i value = addend(values[i]), group = _mm512_loadu_si512(&groups[numbers[i]]);
        __m512i sum = _mm512_add_epi64(group, value);
        _mm512_storeu_si512(&groups[numbers[i]], _mm512_mask_max_epu16(sum, EXTREMES, group, value));
    }
}

const cell_rows_kernels cell_rows_avx512 = {"avx512", read_rows, find_values, add_run, add_each};
