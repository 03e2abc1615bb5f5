/* lanes_avx512.h: eight 64-bit lanes (x86-64 with AVX-512 F, DQ and VL; what is marked BW needs that too). */
#ifndef UCID_ID_LANES_AVX512_H
#define UCID_ID_LANES_AVX512_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define LANES 8
typedef double vd __attribute__((vector_size(64)));
typedef uint64_t vu __attribute__((vector_size(64)));
typedef int64_t vi __attribute__((vector_size(64)));
typedef __mmask8 mask;

static inline mask greater(vd x, vd y) { return _mm512_cmp_pd_mask((__m512d)x, (__m512d)y, _CMP_GT_OQ); }
static inline mask equal(vu x, vu y) { return _mm512_cmpeq_epi64_mask((__m512i)x, (__m512i)y); }
static inline mask bit_set(vu x, int bit)
{
    return _mm512_test_epi64_mask((__m512i)x, _mm512_set1_epi64((int64_t)(UINT64_C(1) << bit)));
}
static inline mask both(mask x, mask y) { return x & y; }
static inline int in_all(mask x) { return x == 255; }
static inline int in_any(mask x) { return x != 0; }
static inline vd pick(mask m, vd yes, vd no) { return (vd)_mm512_mask_blend_pd(m, (__m512d)no, (__m512d)yes); }
static inline vu keep(mask m, vu x) { return (vu)_mm512_maskz_mov_epi64(m, (__m512i)x); }
static inline vu drop(mask m, vu x) { return (vu)_mm512_maskz_mov_epi64((mask)~m, (__m512i)x); }
static inline vd larger(vd x, vd y) { return (vd)_mm512_max_pd((__m512d)x, (__m512d)y); }
static inline vd smaller(vd x, vd y) { return (vd)_mm512_min_pd((__m512d)x, (__m512d)y); }
static inline vd root(vd x) { return (vd)_mm512_sqrt_pd((__m512d)x); }
static inline vu multiply_32(vu x, vu y) { return (vu)_mm512_mul_epu32((__m512i)x, (__m512i)y); }

static inline vd gather_double(const double *base, vu at) { return (vd)_mm512_i64gather_pd((__m512i)at, base, 8); }

static inline vu gather_64(const void *base, vu at) { return (vu)_mm512_i64gather_epi64((__m512i)at, base, 8); }

static inline vu gather_32(const void *base, vu at)
{
    return (vu)_mm512_cvtepu32_epi64(_mm512_i64gather_epi32((__m512i)at, base, 4));
}

/* Eight bytes from each address, the first lowest. */
static inline vu gather_text(vu at) { return (vu)_mm512_i64gather_epi64((__m512i)at, NULL, 1); }

/* Reads two bytes beyond the number, so not for the last ones of an allocation. */
static inline vu gather_16(const void *base, vu at)
{
    return (vu)_mm512_cvtepu32_epi64(_mm512_i64gather_epi32((__m512i)at, base, 2)) & 0xFFFF;
}

#ifdef __AVX512BW__
/* Grades 0..5 as "F:" .. "A+:". */
static inline vu grade_texts(vu grade)
{
    const __m512i texts = _mm512_setr_epi64(0x3A46, 0x3A44, 0x3A43, 0x3A42, 0x3A41, 0x3A2B41, 0, 0);
    return (vu)_mm512_permutexvar_epi64((__m512i)grade, texts);
}

static inline vu widen_bytes(const uint8_t bytes[LANES])
{
    return (vu)_mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *)(const void *)bytes));
}

/* The upper fifteen digits of each lane, and a colon. */
static inline void cell_texts(vu cells, char text[LANES][16])
{
    const __m512i turned = _mm512_broadcast_i32x4(_mm_setr_epi8(7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8)),
                  hex = _mm512_broadcast_i32x4(
                      _mm_setr_epi8('0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f')),
                  nibble = _mm512_set1_epi8(15);
    __m512i bytes = _mm512_shuffle_epi8((__m512i)cells, turned), low = _mm512_and_si512(bytes, nibble),
            high = _mm512_and_si512(_mm512_srli_epi16(bytes, 4), nibble);
    const __mmask64 last = UINT64_C(0x8000800080008000);
    __m512i even = _mm512_shuffle_epi8(hex, _mm512_unpacklo_epi8(high, low)),
            odd = _mm512_shuffle_epi8(hex, _mm512_unpackhi_epi8(high, low));
    even = _mm512_mask_blend_epi8(last, even, _mm512_set1_epi8(':'));
    odd = _mm512_mask_blend_epi8(last, odd, _mm512_set1_epi8(':'));
    __m128i *to = (__m128i *)(void *)text;
    _mm_storeu_si128(to + 0, _mm512_castsi512_si128(even)), _mm_storeu_si128(to + 1, _mm512_castsi512_si128(odd));
    _mm_storeu_si128(to + 2, _mm512_extracti64x2_epi64(even, 1)),
        _mm_storeu_si128(to + 3, _mm512_extracti64x2_epi64(odd, 1));
    _mm_storeu_si128(to + 4, _mm512_extracti64x2_epi64(even, 2)),
        _mm_storeu_si128(to + 5, _mm512_extracti64x2_epi64(odd, 2));
    _mm_storeu_si128(to + 6, _mm512_extracti64x2_epi64(even, 3)),
        _mm_storeu_si128(to + 7, _mm512_extracti64x2_epi64(odd, 3));
}
#endif

#endif
