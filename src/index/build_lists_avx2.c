/* build_lists_avx2.c: eight segments at once (x86-64 with AVX2). */
#include <immintrin.h>
#include <stdint.h>

#define LANES 8
typedef __m256 vf;
typedef __m256i vu;
typedef unsigned mask;
typedef __m256i packing; /* lane by lane, where it comes from */

/* The kept lanes of each mask, a byte each, ascending: lane 7 first, others in front of it. */
#define WITH(m, lane, behind) ((behind) * (1 + 255 * ((m) >> (lane)&1)) + (lane) * ((m) >> (lane)&1))
#define KEPT(m)                                                                                                        \
    WITH(m, 0, WITH(m, 1, WITH(m, 2, WITH(m, 3, WITH(m, 4, WITH(m, 5, WITH(m, 6, WITH(m, 7, UINT64_C(0)))))))))
#define FOUR(m) KEPT(m), KEPT(m + 1), KEPT(m + 2), KEPT(m + 3)
#define SIXTEEN(m) FOUR(m), FOUR(m + 4), FOUR(m + 8), FOUR(m + 12)
#define SIXTY_FOUR(m) SIXTEEN(m), SIXTEEN(m + 16), SIXTEEN(m + 32), SIXTEEN(m + 48)
static const uint64_t kept_lanes[256] = {SIXTY_FOUR(0), SIXTY_FOUR(64), SIXTY_FOUR(128), SIXTY_FOUR(192)};

static inline vf all(float x) { return _mm256_set1_ps(x); }
static inline vf load(const float *from) { return _mm256_loadu_ps(from); }
static inline vu load_u(const uint32_t *from) { return _mm256_loadu_si256((const __m256i *)from); }
static inline void store(float *to, vf x) { _mm256_storeu_ps(to, x); }
static inline void store_u(uint32_t *to, vu x) { _mm256_storeu_si256((__m256i *)to, x); }
static inline vf larger(vf x, vf y) { return _mm256_max_ps(x, y); }
static inline vf smaller(vf x, vf y) { return _mm256_min_ps(x, y); }
static inline vf absolute(vf x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x); }
static inline vf root(vf x) { return _mm256_sqrt_ps(x); }
static inline mask at_most(vf x, vf most) { return (mask)_mm256_movemask_ps(_mm256_cmp_ps(x, most, _CMP_LE_OQ)); }
static inline packing packing_of(mask kept)
{
    return _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((int64_t)kept_lanes[kept]));
}
static inline vf pack(packing how, vf x) { return _mm256_permutevar8x32_ps(x, how); }
static inline vu pack_u(packing how, vu x) { return _mm256_permutevar8x32_epi32(x, how); }
static inline float least_lane(vf x)
{
    __m128 four = _mm_min_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    four = _mm_min_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_min_ss(four, _mm_shuffle_ps(four, four, 1)));
}

#include "index/build_lists_lanes.h"

const lists_kernels lists_avx2 = {"avx2", measure_point, measure_box, measure_behind, narrow, list};
