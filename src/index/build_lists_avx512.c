/* build_lists_avx512.c: sixteen segments at once (x86-64 with AVX-512F). */
#include <immintrin.h>
#include <stdint.h>

#define LANES 16
typedef __m512 vf;
typedef __m512i vu;
typedef __mmask16 mask, packing;

static inline vf all(float x) { return _mm512_set1_ps(x); }
static inline vf load(const float *from) { return _mm512_loadu_ps(from); }
static inline vu load_u(const uint32_t *from) { return _mm512_loadu_si512(from); }
static inline void store(float *to, vf x) { _mm512_storeu_ps(to, x); }
static inline void store_u(uint32_t *to, vu x) { _mm512_storeu_si512(to, x); }
static inline vf larger(vf x, vf y) { return _mm512_max_ps(x, y); }
static inline vf smaller(vf x, vf y) { return _mm512_min_ps(x, y); }
static inline vf absolute(vf x) { return _mm512_abs_ps(x); }
static inline vf root(vf x) { return _mm512_sqrt_ps(x); }
static inline mask at_most(vf x, vf most) { return _mm512_cmp_ps_mask(x, most, _CMP_LE_OQ); }
static inline packing packing_of(mask kept) { return kept; }
static inline vf pack(packing how, vf x) { return _mm512_maskz_compress_ps(how, x); }
static inline vu pack_u(packing how, vu x) { return _mm512_maskz_compress_epi32(how, x); }
static inline float least_lane(vf x) { return _mm512_reduce_min_ps(x); }

#include "index/build_lists_lanes.h"

const lists_kernels lists_avx512 = {"avx512", measure_point, measure_box, measure_behind, narrow, list};
