/* score_avx2.c: four candidates at a time, and all eight lanes of an entry block at a time. */
#include "kernel/score.h"

#include <immintrin.h>

/* Candidates of the main network four at a time; a short last group repeats its last one, which changes no minimum.
 * Each step is the one of ucidx_near_segment, so each lane has the same bits. */
static snap_nearest nearest_main(const ucid_index *index, const place *p, double x_m_per_e7, place_range range)
{
    const __m256d x_scale = _mm256_set1_pd(x_m_per_e7), y_scale = _mm256_set1_pd(UCIDX_Y_M_PER_E7);
    const __m256d zero = _mm256_setzero_pd(), one = _mm256_set1_pd(1.0);
    const __m256d x = _mm256_set1_pd((double)p->x_e7), y = _mm256_set1_pd((double)p->y_e7);
    const __m128i lanes = _mm_setr_epi32(0, 1, 2, 3);
    const __m128i last = _mm_set1_epi32((int32_t)index->candidates[range.end - 1]);
    const __m128i limit = _mm_set1_epi32((int32_t)(index->segment_count - 1));
    __m256d best = _mm256_set1_pd(INFINITY), best_t = zero;
    __m256d nearest = _mm256_castsi256_pd(_mm256_set1_epi64x(UCIDX_NONE));
    for (uint32_t i = range.first; i < range.end; i += 4) {
        __m128i candidates = _mm_loadu_si128((const __m128i *)&index->candidates[i]);
        candidates =
            _mm_blendv_epi8(last, candidates, _mm_cmpgt_epi32(_mm_set1_epi32((int32_t)(range.end - i)), lanes));
        candidates = _mm_min_epu32(candidates, limit);
        uint32_t numbers[4];
        _mm_storeu_si128((__m128i *)numbers, candidates);
        const ucidx_segment *s0 = &index->segments[numbers[0]], *s1 = &index->segments[numbers[1]];
        const ucidx_segment *s2 = &index->segments[numbers[2]], *s3 = &index->segments[numbers[3]];
        __m128i r0 = _mm_loadu_si128((const __m128i *)s0), r1 = _mm_loadu_si128((const __m128i *)s1);
        __m128i r2 = _mm_loadu_si128((const __m128i *)s2), r3 = _mm_loadu_si128((const __m128i *)s3);
        __m128i a01 = _mm_unpacklo_epi32(r0, r1), a23 = _mm_unpacklo_epi32(r2, r3);
        __m128i b01 = _mm_unpackhi_epi32(r0, r1), b23 = _mm_unpackhi_epi32(r2, r3);
        __m128i ax = _mm_unpacklo_epi64(a01, a23), ay = _mm_unpackhi_epi64(a01, a23);
        __m128i bx = _mm_unpacklo_epi64(b01, b23), by = _mm_unpackhi_epi64(b01, b23);
        __m256d ax_pd = _mm256_cvtepi32_pd(ax), ay_pd = _mm256_cvtepi32_pd(ay);
        __m256d dx = _mm256_mul_pd(_mm256_sub_pd(_mm256_cvtepi32_pd(bx), ax_pd), x_scale);
        __m256d dy = _mm256_mul_pd(_mm256_sub_pd(_mm256_cvtepi32_pd(by), ay_pd), y_scale);
        __m256d px = _mm256_mul_pd(_mm256_sub_pd(x, ax_pd), x_scale);
        __m256d py = _mm256_mul_pd(_mm256_sub_pd(y, ay_pd), y_scale);
        __m256d length2 = _mm256_add_pd(_mm256_mul_pd(dx, dx), _mm256_mul_pd(dy, dy));
        __m256d t = _mm256_div_pd(_mm256_add_pd(_mm256_mul_pd(px, dx), _mm256_mul_pd(py, dy)), length2);
        t = _mm256_and_pd(t, _mm256_cmp_pd(length2, zero, _CMP_GT_OQ));
        t = _mm256_min_pd(_mm256_max_pd(t, zero), one); /* NaN becomes 0: the second operand */
        __m256d ex = _mm256_sub_pd(px, _mm256_mul_pd(t, dx)), ey = _mm256_sub_pd(py, _mm256_mul_pd(t, dy));
        __m256d square = _mm256_add_pd(_mm256_mul_pd(ex, ex), _mm256_mul_pd(ey, ey));
        __m256d nearer = _mm256_cmp_pd(square, best, _CMP_LT_OQ);
        best = _mm256_blendv_pd(best, square, nearer);
        best_t = _mm256_blendv_pd(best_t, t, nearer);
        nearest = _mm256_blendv_pd(nearest, _mm256_castsi256_pd(_mm256_cvtepu32_epi64(candidates)), nearer);
    }
    double squares[4], along[4];
    uint64_t segments[4];
    _mm256_storeu_pd(squares, best);
    _mm256_storeu_pd(along, best_t);
    _mm256_storeu_si256((__m256i *)segments, _mm256_castpd_si256(nearest));
    int winner = 0;
    for (int i = 1; i < 4; i++) {
        int nearer =
            (squares[i] < squares[winner]) | ((squares[i] == squares[winner]) & (segments[i] < segments[winner]));
        winner = nearer ? i : winner;
    }
    return (snap_nearest){{squares[winner], along[winner]}, (uint32_t)segments[winner]};
}

void snap_avx2(const ucid_index *index, const place *places, const place_range *ranges, int n, snap_foot *feet)
{
    for (int i = 0; i < n; i++) {
        place_range main = ranges[i];
        feet[i] = (snap_foot){.segment = UCIDX_NONE};
        if (main.first == main.end) continue;
        while (main.end > main.first && index->candidates[main.end - 1] >> 31) main.end--;
        if (main.end - main.first > 0 && main.end + 3 <= index->candidate_count && index->segment_count > 0) {
            double x_m_per_e7 = index->rows[place_grid_row(index, places[i].y_e7)].x_m_per_e7;
            snap_nearest nearest = nearest_main(index, &places[i], x_m_per_e7, main);
            if (snap_stand(index, &nearest, &feet[i]) || main.end == ranges[i].end) continue;
        }
        snap_place(index, &places[i], ranges[i], &feet[i]);
    }
}

void fifteen_reach_avx2(const ucid_index *index, const fifteen_stand *stands, int n, fifteen_reached *reached)
{
    const __m128i far = _mm_set1_epi16(-1), cutoff = _mm_set1_epi16((int16_t)fifteen_cutoff(index));
    /* five bits a lane: the two bytes around them, moved up so that they end the lane */
    const __m128i around = _mm_setr_epi8(0, 1, 0, 1, 1, 2, 1, 2, 2, 3, 3, -1, -1, -1, -1, -1);
    const __m128i up = _mm_setr_epi16(1 << 11, 1 << 6, 1 << 9, 1 << 4, 1 << 7, 1 << 10, 0, 0);
    const __m128i seven = _mm_setr_epi16(0, 0, 0, 0, 0, 0, 0, -1);
    const __m128i full = _mm_loadu_si128((const __m128i *)fifteen_full);
    const __m128i worth = _mm_loadu_si128((const __m128i *)fifteen_worth);
    for (int i = 0; i < n; i++) {
        const __m128i to_a = _mm_or_si128(_mm_set1_epi16((int16_t)stands[i].to_a), seven); /* nobody's lane is far */
        const __m128i to_b = _mm_or_si128(_mm_set1_epi16((int16_t)stands[i].to_b), seven);
        __m128i quality = _mm_setzero_si128(), nearest = far, named = far;
        for (uint32_t block = stands[i].first; block < stands[i].end; block++) {
            const ucidx_entries *e = &index->entries[block];
            __m128i by_a = _mm_adds_epu16(_mm_loadu_si128((const __m128i *)e->a), to_a);
            __m128i by_b = _mm_adds_epu16(_mm_loadu_si128((const __m128i *)e->b), to_b);
            __m128i what = _mm_shuffle_epi8(_mm_cvtsi32_si128((int32_t)e->what), around);
            what = _mm_mullo_epi16(what, up);
            __m128i walked = _mm_min_epu16(by_a, by_b);
            __m128i counted = _mm_cmpeq_epi16(_mm_max_epu16(walked, cutoff), cutoff);
            walked = _mm_or_si128(walked, _mm_andnot_si128(counted, far));
            quality = _mm_add_epi16(quality, _mm_and_si128(counted, _mm_srli_epi16(what, 12)));
            nearest = _mm_min_epu16(nearest, walked);
            __m128i is_named = _mm_srai_epi16(_mm_slli_epi16(what, 4), 15);
            named = _mm_min_epu16(named, _mm_or_si128(walked, _mm_andnot_si128(is_named, far)));
        }
        _mm_storeu_si128((__m128i *)reached[i].quality, quality);
        _mm_storeu_si128((__m128i *)reached[i].nearest, nearest);
        __m128i score = _mm_madd_epi16(_mm_min_epu16(quality, full), worth); /* by pairs of lanes */
        score = _mm_add_epi32(score, _mm_unpackhi_epi64(score, score));
        reached[i].score = (uint16_t)(_mm_cvtsi128_si32(score) + _mm_extract_epi32(score, 1));
        __m128i none = _mm_cmpeq_epi16(nearest, far);
        __m128i same = _mm_andnot_si128(none, _mm_cmpeq_epi16(nearest, named));
        uint32_t bits = (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(none, same));
        reached[i].in_reach = (uint8_t)~bits;
        reached[i].named = (uint8_t)(bits >> 8);
    }
}
