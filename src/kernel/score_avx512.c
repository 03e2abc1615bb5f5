/* score_avx512.c: eight candidates at a time. A short last group is masked. Earned by bench_score: a place has some
 * 8 candidates, mostly one step, and trying them is the largest part of its time. */
#include "kernel/score.h"

#include <immintrin.h>

enum { NUMBER = 0x7FFFFFFF }; /* of a candidate: the segment */

/* The steps of ucidx_near_segment, so each lane has the same bits. None where the index is damaged. */
static snap_nearest nearest_main(const ucid_index *index, const place *p, double x_m_per_e7, place_range range)
{
    const __m512d x_scale = _mm512_set1_pd(x_m_per_e7), y_scale = _mm512_set1_pd(UCIDX_Y_M_PER_E7);
    const __m512d x = _mm512_set1_pd((double)p->x_e7), y = _mm512_set1_pd((double)p->y_e7);
    const __m512d zero = _mm512_setzero_pd(), one = _mm512_set1_pd(1.0);
    const __m256i limit = _mm256_set1_epi32((int32_t)(index->segment_count - 1)), whole = _mm256_set1_epi32(NUMBER);
    __m512d best = _mm512_set1_pd(INFINITY), best_t = zero;
    __m256i nearest = _mm256_set1_epi32(-1);
    for (uint32_t i = range.first; i < range.end; i += 8) {
        uint32_t left = range.end - i;
        __mmask8 lanes = (__mmask8)(left < 8 ? (1u << left) - 1 : 255);
        const uint32_t *list = &index->candidates[i];
        __m256i candidates = _mm256_and_si256(_mm256_loadu_si256((const __m256i *)list), whole);
        if (_mm256_cmpgt_epu32_mask(candidates, limit)) return (snap_nearest){{INFINITY, 0.0}, UCIDX_NONE};
        __m256i pair[4];
        for (int k = 0; k < 4; k++) {
            __m128i low = _mm_loadu_si128((const __m128i *)&index->segments[list[k] & NUMBER]);
            __m128i high = _mm_loadu_si128((const __m128i *)&index->segments[list[k + 4] & NUMBER]);
            pair[k] = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
        }
        __m256i a01 = _mm256_unpacklo_epi32(pair[0], pair[1]), a23 = _mm256_unpacklo_epi32(pair[2], pair[3]);
        __m256i b01 = _mm256_unpackhi_epi32(pair[0], pair[1]), b23 = _mm256_unpackhi_epi32(pair[2], pair[3]);
        __m512d ax = _mm512_cvtepi32_pd(_mm256_unpacklo_epi64(a01, a23));
        __m512d ay = _mm512_cvtepi32_pd(_mm256_unpackhi_epi64(a01, a23));
        __m512d bx = _mm512_cvtepi32_pd(_mm256_unpacklo_epi64(b01, b23));
        __m512d by = _mm512_cvtepi32_pd(_mm256_unpackhi_epi64(b01, b23));
        __m512d dx = _mm512_mul_pd(_mm512_sub_pd(bx, ax), x_scale), dy = _mm512_mul_pd(_mm512_sub_pd(by, ay), y_scale);
        __m512d px = _mm512_mul_pd(_mm512_sub_pd(x, ax), x_scale), py = _mm512_mul_pd(_mm512_sub_pd(y, ay), y_scale);
        __m512d length2 = _mm512_add_pd(_mm512_mul_pd(dx, dx), _mm512_mul_pd(dy, dy));
        __m512d dot = _mm512_add_pd(_mm512_mul_pd(px, dx), _mm512_mul_pd(py, dy));
        __m512d t = _mm512_maskz_div_pd(_mm512_cmp_pd_mask(length2, zero, _CMP_GT_OQ), dot, length2);
        t = _mm512_min_pd(_mm512_max_pd(t, zero), one); /* NaN becomes 0: the second operand */
        __m512d ex = _mm512_sub_pd(px, _mm512_mul_pd(t, dx)), ey = _mm512_sub_pd(py, _mm512_mul_pd(t, dy));
        __m512d square = _mm512_add_pd(_mm512_mul_pd(ex, ex), _mm512_mul_pd(ey, ey));
        __mmask8 nearer = _mm512_mask_cmp_pd_mask(lanes, square, best, _CMP_LT_OQ);
        best = _mm512_mask_mov_pd(best, nearer, square);
        best_t = _mm512_mask_mov_pd(best_t, nearer, t);
        nearest = _mm256_mask_mov_epi32(nearest, nearer, candidates);
    }
    /* Candidates ascend, so of equally near ones the lowest number counts. */
    double square = _mm512_reduce_min_pd(best);
    __mmask8 equal = _mm512_cmp_pd_mask(best, _mm512_set1_pd(square), _CMP_EQ_OQ);
    uint32_t segment = _mm512_mask_reduce_min_epu32(equal, _mm512_castsi256_si512(nearest));
    __mmask8 winner = equal & _mm256_cmpeq_epi32_mask(nearest, _mm256_set1_epi32((int32_t)segment));
    double t = _mm512_cvtsd_f64(_mm512_maskz_compress_pd(winner, best_t));
    return (snap_nearest){{square, t}, segment};
}

void snap_avx512(const ucid_index *index, const place *places, const place_range *ranges, int n, snap_foot *feet)
{
    for (int i = 0; i < n; i++) {
        place_range main = ranges[i];
        feet[i] = (snap_foot){.segment = UCIDX_NONE};
        if (main.first == main.end) continue;
        while (main.end > main.first && index->candidates[main.end - 1] >> 31) main.end--;
        if (main.end - main.first > 0 && main.end + 7 <= index->candidate_count && index->segment_count > 0) {
            double x_m_per_e7 = index->rows[place_grid_row(index, places[i].y_e7)].x_m_per_e7;
            snap_nearest nearest = nearest_main(index, &places[i], x_m_per_e7, main);
            if (snap_stand(index, &nearest, &feet[i]) || main.end == ranges[i].end) continue;
        }
        snap_place(index, &places[i], ranges[i], &feet[i]);
    }
}
