/* ctx_15min.c: what is within fifteen minutes' walk.
 *
 * An edge knows the nearest places of each part as distances from both its ends, one lane a part, nearest first, so a
 * place on the edge reads a few lines of memory and merges nothing:
 *
 *     lane        0 grocery   1 healthcare   ...   6 end of the extract
 *     block 0     a b q       a b q                a b
 *     block 1     a b q       far                  far
 *
 *     walked = min(a + way to end a, b + way to end b);   counted where walked <= cutoff
 *
 * All of it is 16-bit integers with saturation: a distance of 0xFFFF is beyond every cutoff. Scores are sums of whole
 * hundredths; confidence is one fraction, rounded once. */
#include "kernel/ctx_15min.h"

#include "kernel/score.h"

#include <math.h>

const ucid_context fifteen_context = {
    .id = "15MIN",
    .validity_weeks = 4,
    .part_count = FIFTEEN_PARTS,
    .part_key = {"grocery", "healthcare", "education", "public_space", "transit", "cultural"},
    .part_title = {"Groceries", "Health care", "Education", "Public space", "Transit", "Culture"},
    .part_weight = {0.20, 0.20, 0.20, 0.15, 0.15, 0.10},
};

const uint16_t fifteen_full[8] = {8, 8, 8, 4, 12, 8};
const uint16_t fifteen_worth[8] = {250, 250, 250, 375, 125, 125};

enum { HOURS_A_WEEK = 168 };

/* Weight in percent of the parts whose bits are set. */
#define WEIGHT(m)                                                                                                      \
    (((m)&1) * 20 + ((m) >> 1 & 1) * 20 + ((m) >> 2 & 1) * 20 + ((m) >> 3 & 1) * 15 + ((m) >> 4 & 1) * 15 +            \
     ((m) >> 5) * 10)
#define WEIGHTS_4(m) WEIGHT(m), WEIGHT((m) + 1), WEIGHT((m) + 2), WEIGHT((m) + 3)
#define WEIGHTS_16(m) WEIGHTS_4(m), WEIGHTS_4((m) + 4), WEIGHTS_4((m) + 8), WEIGHTS_4((m) + 12)
static const uint8_t weights[1 << FIFTEEN_PARTS] = {WEIGHTS_16(0), WEIGHTS_16(16), WEIGHTS_16(32), WEIGHTS_16(48)};

static uint32_t weight_of(uint32_t parts) { return weights[parts & ((1 << FIFTEEN_PARTS) - 1)]; }

fifteen_setup fifteen_prepare(const ucid_index *index, uint32_t hour)
{
    uint32_t data = index->summary->data_hour;
    fifteen_setup setup = {.coverage = weight_of(index->summary->flags)};
    if (data != 0) {
        uint32_t apart = hour == UINT32_MAX ? 0 : hour > data ? hour - data : data - hour;
        uint32_t valid = (uint32_t)fifteen_context.validity_weeks * HOURS_A_WEEK;
        setup.recency = apart < valid ? ((valid - apart) * 20000 + valid) / (2 * valid) : 0;
    }
    return setup;
}

static inline uint16_t saturate(uint64_t length) { return (uint16_t)(length < UCIDX_FAR ? length : UCIDX_FAR); }

void fifteen_reach_scalar(const ucid_index *index, const fifteen_stand *stands, int n, fifteen_reached *reached)
{
    uint16_t cutoff = fifteen_cutoff(index);
    for (int i = 0; i < n; i++) {
        const fifteen_stand *s = &stands[i];
        fifteen_reached r = {.in_reach = 0};
        uint16_t named[8];
        for (int lane = 0; lane < 8; lane++) r.nearest[lane] = named[lane] = UCIDX_FAR;
        for (uint32_t block = s->first; block < s->end; block++) {
            const ucidx_entries *e = &index->entries[block];
            for (int lane = 0; lane <= UCIDX_PART_END; lane++) {
                uint16_t by_a = saturate((uint64_t)e->a[lane] + s->to_a),
                         by_b = saturate((uint64_t)e->b[lane] + s->to_b);
                uint16_t walked = by_a < by_b ? by_a : by_b;
                if (walked > cutoff) continue;
                uint32_t what = ucidx_what(e, (uint32_t)lane);
                r.quality[lane] = (uint16_t)(r.quality[lane] + (what >> UCIDX_QUALITY_SHIFT));
                if (walked < r.nearest[lane]) r.nearest[lane] = walked;
                if (walked < named[lane] && (what & UCIDX_NAMED)) named[lane] = walked;
            }
        }
        for (int lane = 0; lane < 8; lane++) {
            uint32_t in_reach = r.nearest[lane] != UCIDX_FAR;
            r.in_reach = (uint8_t)(r.in_reach | in_reach << lane);
            r.named = (uint8_t)(r.named | (in_reach & (named[lane] == r.nearest[lane])) << lane);
        }
        r.score = fifteen_sum(r.quality);
        reached[i] = r;
    }
}

/* Confidence in hundredths: .40 C + .30 Q + .20 R + .10, halves up. C = coverage / 200, Q = named / in_reach. */
static uint32_t confidence_of(uint32_t coverage, uint32_t named, uint32_t in_reach, uint32_t recency)
{
    if (in_reach == 0) return coverage == 200 ? 80 : (coverage * 100 + recency + 5000 + 250) / 500;
    uint32_t below = 500 * in_reach, above = in_reach * (coverage * 100 + recency + 5000) + 15000 * named;
    return (2 * above + below) / (2 * below);
}

static uint8_t grade_of(uint32_t score)
{
    return (uint8_t)((score >= 4000) + (score >= 5500) + (score >= 7000) + (score >= 8500) + (score >= 9500));
}

/* Hundredths of a part that is filled by so many quarters of full, halves up. */
#define PART(full, filled) (((filled) < (full) ? (filled)*20000 + (full) : 20001 * (full)) / (2 * (full)))
#define PARTS_4(full, from) PART(full, from), PART(full, (from) + 1), PART(full, (from) + 2), PART(full, (from) + 3)
#define PARTS_16(full)                                                                                                 \
    {                                                                                                                  \
        PARTS_4(full, 0), PARTS_4(full, 4), PARTS_4(full, 8), PARTS_4(full, 12)                                        \
    }
static const uint16_t part_of[FIFTEEN_PARTS][16] = {PARTS_16(8), PARTS_16(8),  PARTS_16(8),
                                                    PARTS_16(4), PARTS_16(12), PARTS_16(8)};

score_row fifteen_row(const fifteen_setup *setup, const fifteen_reached *r, uint32_t gap, int island)
{
    int near_boundary = r->in_reach >> UCIDX_PART_END & 1;
    uint32_t coverage = near_boundary ? setup->coverage : 2 * setup->coverage;
    return (score_row){
        .score = r->score,
        .gap = (uint16_t)gap,
        .confidence = (uint8_t)confidence_of(coverage, weight_of(r->named), weight_of(r->in_reach), setup->recency),
        .grade = grade_of(r->score),
        .status = (uint8_t)(island          ? UCID_ISLAND
                            : near_boundary ? UCID_NEAR_BOUNDARY
                                            : UCID_OK),
        .flags =
            (uint8_t)((coverage < 200 ? UCID_FLAG_ESTIMATED : 0) | (setup->recency == 0 ? UCID_FLAG_OUTDATED : 0))};
}

void fifteen_parts(const fifteen_reached *r, score_parts *parts)
{
    for (int p = 0; p < FIFTEEN_PARTS; p++) {
        parts->part[p] = part_of[p][r->quality[p] < 15 ? r->quality[p] : 15];
        parts->nearest[p] = r->nearest[p];
    }
    for (int p = FIFTEEN_PARTS; p < UCID_PARTS_MAX; p++) parts->part[p] = parts->nearest[p] = ROW_NONE;
}

void fifteen_fetch(const ucid_index *index, const snap_foot *feet, int n)
{
    for (int i = 0; i < n; i++) {
        if (feet[i].segment == UCIDX_NONE) continue;
        const ucidx_segment *s = &index->segments[feet[i].segment];
        uint64_t last = (uint64_t)s->first_entry + s->block_count;
        if (s->block_count == 0 || last-- > index->entry_count) continue;
        __builtin_prefetch(&index->entries[s->first_entry]); /* mostly two lines */
        __builtin_prefetch(&index->entries[(s->first_entry + last) / 2]);
        __builtin_prefetch(&index->entries[last]);
    }
}

void fifteen_score(const score_job *job, const place *places, const snap_foot *feet, int n, score_row *rows,
                   score_parts *parts)
{
    const ucid_index *index = job->index;
    fifteen_stand stands[SNAP_GROUP] = {{0, 0, 0, 0}};
    fifteen_reached reached[SNAP_GROUP];
    for (int i = 0; i < n; i++) {
        stands[i] = (fifteen_stand){UCIDX_FAR, UCIDX_FAR, 0, 0};
        if (feet[i].segment == UCIDX_NONE) continue;
        const ucidx_segment *s = &index->segments[feet[i].segment];
        uint64_t gap = feet[i].gap, along = feet[i].along, ahead = s->length - along; /* a foot is not beyond its end */
        stands[i] = (fifteen_stand){saturate(s->offset + along + gap), saturate(s->rest + ahead + gap), s->first_entry,
                                    s->first_entry + s->block_count};
        if (stands[i].end > index->entry_count || stands[i].first > stands[i].end) stands[i].end = stands[i].first;
    }
    job->kernels->reach(index, stands, n, reached);
    for (int i = 0; i < n; i++) {
        if (feet[i].segment == UCIDX_NONE) continue; /* the row says so already */
        rows[places[i].row] = fifteen_row(&job->setup, &reached[i], feet[i].gap, feet[i].island != 0);
        if (parts != NULL) fifteen_parts(&reached[i], &parts[places[i].row]);
    }
}
