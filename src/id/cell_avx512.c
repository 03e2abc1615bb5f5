/* cell_avx512.c: cells of eight coordinates at once (x86-64 with AVX-512 F, DQ and VL). */
#include <immintrin.h>
#include <stdint.h>

#define LANES 8
typedef double vd __attribute__((vector_size(64)));
typedef uint64_t vu __attribute__((vector_size(64)));
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
static inline vu multiply_32(vu x, vu y) { return (vu)_mm512_mul_epu32((__m512i)x, (__m512i)y); }

static inline vd gather_double(const double *base, vu at) { return (vd)_mm512_i64gather_pd((__m512i)at, base, 8); }

static inline vu gather_32(const void *base, vu at)
{
    return (vu)_mm512_cvtepu32_epi64(_mm512_i64gather_epi32((__m512i)at, base, 4));
}

/* Reads two bytes beyond the number, so not for the last ones of an allocation. */
static inline vu gather_16(const void *base, vu at)
{
    return (vu)_mm512_cvtepu32_epi64(_mm512_i64gather_epi32((__m512i)at, base, 2)) & 0xFFFF;
}

#include "id/cell_lanes.h"

void ucid_cells_at_avx512(int64_t n, const double *lat_deg, const double *lon_deg, int resolution, uint64_t *cells)
{
    cells_at(n, lat_deg, lon_deg, resolution, cells);
}
