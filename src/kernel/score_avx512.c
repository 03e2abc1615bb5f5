/* score_avx512.c: eight places are located at a time, and eight candidates tried at a time; lists are mostly no longer.
 * What does not fit is masked. Earned by bench_score: both together halve the time of a place. */
#include "kernel/score.h"

#include <immintrin.h>
#include <stddef.h>
#include <string.h>

enum { NUMBER = 0x7FFFFFFF }; /* of a candidate: the segment */

/* Degrees to integers, halves up: place_e7, still as doubles. */
static inline __m512d e7_of(__m512d degrees)
{
    __m512d scaled = _mm512_add_pd(_mm512_mul_pd(degrees, _mm512_set1_pd(1e7)), _mm512_set1_pd(0.5));
    return _mm512_roundscale_pd(scaled, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}

/* Whole numbers below 2^32 divided, rounded down: half a unit more than the dividend keeps the quotient so far from the
 * next whole number that its rounding does not matter. */
static inline __m512d quotient(__m512d whole, __m512d by)
{
    __m512d exact = _mm512_div_pd(_mm512_add_pd(whole, _mm512_set1_pd(0.5)), by);
    return _mm512_roundscale_pd(exact, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}

static inline int64_t bits_of(score_row row)
{
    int64_t bits;
    memcpy(&bits, &row, sizeof bits);
    return bits;
}

/* The steps of place_locate. */
uint32_t locate_avx512(const ucid_index *index, const double *lat_deg, const double *lon_deg, uint32_t n, place *found,
                       score_row *rows)
{
    const ucidx_summary *summary = index->summary;
    const __m512d zero = _mm512_setzero_pd(), turn = _mm512_set1_pd(3.6e9), half_turn = _mm512_set1_pd(1.8e9);
    const __m512d lon_origin = _mm512_set1_pd(summary->lon_origin_e7),
                  north_end = _mm512_set1_pd((double)summary->row_count * UCIDX_ROW_E7);
    const __m512d lat_origin = _mm512_set1_pd(summary->lat_origin_e7);
    const __m512d west = _mm512_set1_pd(summary->min_lon_e7), east_end = _mm512_set1_pd(summary->max_lon_e7);
    const __m512i low = _mm512_set1_epi64(UINT32_MAX), block_count = _mm512_set1_epi64(index->block_count);
    const __m512i cell_count = _mm512_set1_epi64(index->cell_count);
    const __m256i three = _mm256_set1_epi32(UCIDX_PIECES - 1), step = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m512i off_network = _mm512_set1_epi64(bits_of(score_refuse(UCID_OFF_NETWORK)));
    const __m512i outside = _mm512_set1_epi64(bits_of(score_refuse(UCID_OUTSIDE_INDEX)));
    const __m512i invalid = _mm512_set1_epi64(bits_of(score_refuse(UCID_INVALID_COORDINATES)));
    const char *first_row = (const char *)index->rows;
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; i += 8) {
        __mmask8 lanes = (__mmask8)(n - i < 8 ? (1u << (n - i)) - 1 : 255);
        __m512d lat = _mm512_maskz_loadu_pd(lanes, lat_deg + i), lon = _mm512_maskz_loadu_pd(lanes, lon_deg + i);
        __mmask8 valid = _mm512_mask_cmp_pd_mask(lanes, _mm512_abs_pd(lat), _mm512_set1_pd(90.0), _CMP_LE_OQ);
        valid = _mm512_mask_cmp_pd_mask(valid, _mm512_abs_pd(lon), _mm512_set1_pd(180.0), _CMP_LE_OQ);
        __m512d y = e7_of(lat), x = _mm512_sub_pd(e7_of(lon), lon_origin);
        x = _mm512_mask_sub_pd(x, _mm512_cmp_pd_mask(x, half_turn, _CMP_GE_OQ), x, turn);
        x = _mm512_mask_add_pd(x, _mm512_cmp_pd_mask(x, _mm512_sub_pd(zero, half_turn), _CMP_LT_OQ), x, turn);
        __m512d north = _mm512_sub_pd(y, lat_origin);
        __mmask8 on_rows = _mm512_mask_cmp_pd_mask(valid, north, zero, _CMP_GE_OQ);
        on_rows = _mm512_mask_cmp_pd_mask(on_rows, north, north_end, _CMP_LT_OQ);
        __m256i up = _mm512_cvttpd_epi32(quotient(north, _mm512_set1_pd(UCIDX_ROW_E7 / UCIDX_PIECES)));
        __m256i row = _mm256_mullo_epi32(_mm256_srli_epi32(up, UCIDX_DEPTH_MAX), _mm256_set1_epi32(sizeof(ucidx_row)));
        __m512i where = _mm512_mask_i32gather_epi64(_mm512_setzero_si512(), on_rows, row,
                                                    first_row + offsetof(ucidx_row, lon_e7), 1);
        __m512i blocks = _mm512_mask_i32gather_epi64(_mm512_setzero_si512(), on_rows, row,
                                                     first_row + offsetof(ucidx_row, block_count), 1);
        __m256i width = _mm512_cvtepi64_epi32(_mm512_srli_epi64(where, 32 + UCIDX_DEPTH_MAX));
        __m512d east = _mm512_sub_pd(x, _mm512_cvtepi32_pd(_mm512_cvtepi64_epi32(where)));
        __mmask8 on_row = _mm512_mask_cmp_pd_mask(on_rows, east, zero, _CMP_GE_OQ);
        on_row = _mm256_mask_cmpneq_epu32_mask(on_row, width, _mm256_setzero_si256());
        __m256i along = _mm512_maskz_cvttpd_epu32(on_row, quotient(east, _mm512_cvtepu32_pd(width)));
        __m512i column = _mm512_cvtepu32_epi64(_mm256_srli_epi32(along, UCIDX_DEPTH_MAX));
        __m512i block = _mm512_srli_epi64(column, 3);
        on_row = _mm512_mask_cmplt_epu64_mask(on_row, block, _mm512_and_si512(blocks, low));
        __m512i number = _mm512_add_epi64(block, _mm512_srli_epi64(blocks, 32));
        __mmask8 in_reach = _mm512_mask_cmplt_epu64_mask(on_row, number, block_count);
        __m256i cells = _mm512_mask_i64gather_epi32(_mm256_set1_epi32(-1), in_reach, number, index->blocks, 4);
        in_reach = _mm256_mask_cmpneq_epu32_mask(in_reach, cells, _mm256_set1_epi32(-1));
        __m512i cell = _mm512_add_epi64(_mm512_cvtepu32_epi64(cells),
                                        _mm512_and_si512(column, _mm512_set1_epi64(UCIDX_BLOCK_CELLS - 1)));
        in_reach = _mm512_mask_cmplt_epu64_mask(in_reach, cell, cell_count);

        __mmask8 in_box = _mm512_mask_cmp_pd_mask(on_rows, x, west, _CMP_GE_OQ);
        in_box = _mm512_mask_cmp_pd_mask(in_box, x, east_end, _CMP_LE_OQ);
        __m512i fate = _mm512_mask_mov_epi64(invalid, valid, outside);
        fate = _mm512_mask_mov_epi64(fate, in_box | on_row, off_network);
        _mm512_storeu_si512(rows + i, fate);

        __m256i piece = _mm256_add_epi32(_mm256_slli_epi32(_mm256_and_si256(up, three), UCIDX_DEPTH_MAX),
                                         _mm256_and_si256(along, three));
        __m256i last =
            _mm256_or_si256(_mm256_add_epi32(_mm256_set1_epi32((int32_t)i), step), _mm256_slli_epi32(piece, 28));
        __m256i v0 = _mm256_maskz_compress_epi32(in_reach, _mm512_cvttpd_epi32(x));
        __m256i v1 = _mm256_maskz_compress_epi32(in_reach, _mm512_cvttpd_epi32(y));
        __m256i v2 = _mm256_maskz_compress_epi32(in_reach, _mm512_cvtepi64_epi32(cell));
        __m256i v3 = _mm256_maskz_compress_epi32(in_reach, last);
        __m256i xy_low = _mm256_unpacklo_epi32(v0, v1), xy_high = _mm256_unpackhi_epi32(v0, v1);
        __m256i rest_low = _mm256_unpacklo_epi32(v2, v3), rest_high = _mm256_unpackhi_epi32(v2, v3);
        __m256i p04 = _mm256_unpacklo_epi64(xy_low, rest_low), p15 = _mm256_unpackhi_epi64(xy_low, rest_low);
        __m256i p26 = _mm256_unpacklo_epi64(xy_high, rest_high), p37 = _mm256_unpackhi_epi64(xy_high, rest_high);
        __m256i *to = (__m256i *)&found[count];
        _mm256_storeu_si256(to, _mm256_permute2x128_si256(p04, p15, 0x20));
        _mm256_storeu_si256(to + 1, _mm256_permute2x128_si256(p26, p37, 0x20));
        _mm256_storeu_si256(to + 2, _mm256_permute2x128_si256(p04, p15, 0x31));
        _mm256_storeu_si256(to + 3, _mm256_permute2x128_si256(p26, p37, 0x31));
        count += (uint32_t)__builtin_popcount(in_reach);
    }
    return count;
}

/* What nearest_main keeps of each lane. */
typedef struct tried {
    __m512d square, t;
} tried;

/* The steps of ucidx_near_segment, so each lane has the same bits. Lanes without a candidate are far. */
static inline tried try_eight(const ucid_index *index, __m512d x, __m512d y, __m512d x_scale, __m512d y_scale,
                              __mmask8 lanes, __m256i candidates)
{
    const __m512d zero = _mm512_setzero_pd(), one = _mm512_set1_pd(1.0), far = _mm512_set1_pd(INFINITY);
    uint32_t numbers[8];
    _mm256_storeu_si256((__m256i *)numbers, candidates);
    __m256i pair[4];
    for (int k = 0; k < 4; k++) {
        __m128i low = _mm_loadu_si128((const __m128i *)&index->segments[numbers[k]]);
        __m128i high = _mm_loadu_si128((const __m128i *)&index->segments[numbers[k + 4]]);
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
    return (tried){_mm512_mask_mov_pd(far, lanes, square), t};
}

/* The nearest of a list without islands. None where the index is damaged. */
static inline snap_nearest nearest_main(const ucid_index *index, const place *p, double x_m_per_e7, place_range range)
{
    const __m512d x_scale = _mm512_set1_pd(x_m_per_e7), y_scale = _mm512_set1_pd(UCIDX_Y_M_PER_E7);
    const __m512d x = _mm512_set1_pd((double)p->x_e7), y = _mm512_set1_pd((double)p->y_e7);
    const __m256i count = _mm256_set1_epi32((int32_t)index->segment_count);
    snap_nearest best = {{INFINITY, 0.0}, UCIDX_NONE};
    for (uint32_t i = range.first; i < range.end; i += 8) {
        uint32_t left = range.end - i;
        __mmask8 lanes = (__mmask8)(left < 8 ? (1u << left) - 1 : 255);
        __m256i candidates =
            _mm256_mask_loadu_epi32(_mm256_set1_epi32((int32_t)index->candidates[i]), lanes, &index->candidates[i]);
        if (_mm256_mask_cmpge_epu32_mask(lanes, candidates, count)) return (snap_nearest){{INFINITY, 0.0}, UCIDX_NONE};
        tried found = try_eight(index, x, y, x_scale, y_scale, lanes, candidates);
        double square = _mm512_reduce_min_pd(found.square);
        if (!(square < best.near.square_m2)) continue; /* candidates ascend: of equally near ones the first counts */
        uint32_t lane = (uint32_t)__builtin_ctz(_mm512_cmp_pd_mask(found.square, _mm512_set1_pd(square), _CMP_EQ_OQ));
        double t[8];
        _mm512_storeu_pd(t, found.t);
        best = (snap_nearest){{square, t[lane & 7]}, index->candidates[i + lane]};
    }
    return best;
}

void snap_avx512(const ucid_index *index, const place *places, const place_range *ranges, int n, snap_foot *feet)
{
    for (int i = 0; i < n; i++) {
        place_range main = ranges[i];
        feet[i] = (snap_foot){.segment = UCIDX_NONE};
        if (main.first == main.end) continue;
        while (main.end > main.first && index->candidates[main.end - 1] >> 31) main.end--;
        if (main.end > main.first) {
            double x_m_per_e7 = index->rows[place_grid_row(index, places[i].y_e7)].x_m_per_e7;
            snap_nearest nearest = nearest_main(index, &places[i], x_m_per_e7, main);
            if (snap_stand(index, &nearest, &feet[i]) || main.end == ranges[i].end) continue;
        }
        snap_place(index, &places[i], ranges[i], &feet[i]);
    }
}
