/* cell_avx2.c: cells of four coordinates at once (x86-64 with AVX2). */
#include <immintrin.h>
#include <stdint.h>

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
static inline vu multiply_32(vu x, vu y) { return (vu)_mm256_mul_epu32((__m256i)x, (__m256i)y); }

static inline vd gather_double(const double *base, vu at) { return (vd)_mm256_i64gather_pd(base, (__m256i)at, 8); }

static inline vu gather_32(const void *base, vu at)
{
    return (vu)_mm256_cvtepu32_epi64(_mm256_i64gather_epi32((const int *)base, (__m256i)at, 4));
}

/* Reads two bytes beyond the number, so not for the last ones of an allocation. */
static inline vu gather_16(const void *base, vu at)
{
    return (vu)_mm256_cvtepu32_epi64(_mm256_i64gather_epi32((const int *)base, (__m256i)at, 2)) & 0xFFFF;
}

#include "id/cell_lanes.h"

void ucid_cells_at_avx2(int64_t n, const double *lat_deg, const double *lon_deg, int resolution, uint64_t *cells)
{
    cells_at(n, lat_deg, lon_deg, resolution, cells);
}
