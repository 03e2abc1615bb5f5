/* lanes_avx2.h: four 64-bit lanes (x86-64 with AVX2). */
#ifndef UCID_ID_LANES_AVX2_H
#define UCID_ID_LANES_AVX2_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define LANES 4
typedef double vd __attribute__((vector_size(32)));
typedef uint64_t vu __attribute__((vector_size(32)));
typedef int64_t vi __attribute__((vector_size(32)));
typedef vi mask; /* all bits of a lane, or none */

static inline mask greater(vd x, vd y) { return (mask)_mm256_cmp_pd((__m256d)x, (__m256d)y, _CMP_GT_OQ); }
static inline mask equal(vu x, vu y) { return (mask)_mm256_cmpeq_epi64((__m256i)x, (__m256i)y); }
static inline mask bit_set(vu x, int bit) { return (mask)(x << (63 - bit)); } /* for pick alone: it reads the top bit */
static inline mask both(mask x, mask y) { return x & y; }
static inline int in_all(mask x) { return _mm256_movemask_pd((__m256d)x) == 15; }
static inline int in_any(mask x) { return _mm256_movemask_pd((__m256d)x) != 0; }
static inline vd pick(mask m, vd yes, vd no) { return (vd)_mm256_blendv_pd((__m256d)no, (__m256d)yes, (__m256d)m); }
static inline vu keep(mask m, vu x) { return (vu)m & x; }
static inline vu drop(mask m, vu x) { return (vu)_mm256_andnot_si256((__m256i)m, (__m256i)x); }
static inline vd larger(vd x, vd y) { return (vd)_mm256_max_pd((__m256d)x, (__m256d)y); }
static inline vd smaller(vd x, vd y) { return (vd)_mm256_min_pd((__m256d)x, (__m256d)y); }
static inline vd root(vd x) { return (vd)_mm256_sqrt_pd((__m256d)x); }
static inline vu multiply_32(vu x, vu y) { return (vu)_mm256_mul_epu32((__m256i)x, (__m256i)y); }

static inline vd gather_double(const double *base, vu at) { return (vd)_mm256_i64gather_pd(base, (__m256i)at, 8); }

static inline vu gather_64(const void *base, vu at)
{
    return (vu)_mm256_i64gather_epi64((const long long *)base, (__m256i)at, 8);
}

static inline vu gather_32(const void *base, vu at)
{
    return (vu)_mm256_cvtepu32_epi64(_mm256_i64gather_epi32((const int *)base, (__m256i)at, 4));
}

/* Eight bytes from each address, the first lowest. */
static inline vu gather_text(vu at) { return (vu)_mm256_i64gather_epi64(NULL, (__m256i)at, 1); }

/* Reads two bytes beyond the number, so not for the last ones of an allocation. */
static inline vu gather_16(const void *base, vu at)
{
    return (vu)_mm256_cvtepu32_epi64(_mm256_i64gather_epi32((const int *)base, (__m256i)at, 2)) & 0xFFFF;
}

/* Grades 0..5 as "F:" .. "A+:"; others in bounds. */
static inline vu grade_texts(vu grade)
{
    static const uint64_t texts[8] = {0x3A46, 0x3A44, 0x3A43, 0x3A42, 0x3A41, 0x3A2B41, 0, 0};
    return (vu)_mm256_i64gather_epi64((const long long *)texts, (__m256i)(grade & 7), 8);
}

static inline vu widen_bytes(const uint8_t bytes[LANES])
{
    int32_t word;
    memcpy(&word, bytes, 4);
    return (vu)_mm256_cvtepu8_epi64(_mm_cvtsi32_si128(word));
}

/* The upper fifteen digits of each lane, and a colon. */
static inline void cell_texts(vu cells, char text[LANES][16])
{
    const __m256i turned =
                      _mm256_broadcastsi128_si256(_mm_setr_epi8(7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8)),
                  hex = _mm256_broadcastsi128_si256(
                      _mm_setr_epi8('0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f')),
                  nibble = _mm256_set1_epi8(15), colon = _mm256_set1_epi8(':'),
                  last = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1));
    __m256i bytes = _mm256_shuffle_epi8((__m256i)cells, turned), low = _mm256_and_si256(bytes, nibble),
            high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble);
    __m256i even = _mm256_blendv_epi8(_mm256_shuffle_epi8(hex, _mm256_unpacklo_epi8(high, low)), colon, last),
            odd = _mm256_blendv_epi8(_mm256_shuffle_epi8(hex, _mm256_unpackhi_epi8(high, low)), colon, last);
    __m128i *to = (__m128i *)(void *)text;
    _mm_storeu_si128(to + 0, _mm256_castsi256_si128(even)), _mm_storeu_si128(to + 1, _mm256_castsi256_si128(odd));
    _mm_storeu_si128(to + 2, _mm256_extracti128_si256(even, 1)),
        _mm_storeu_si128(to + 3, _mm256_extracti128_si256(odd, 1));
}

#endif
