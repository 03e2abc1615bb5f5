/* ctx_15min.h: the 15-minute city. docs/contexts.md has the formula. */
#ifndef UCID_KERNEL_CTX_15MIN_H
#define UCID_KERNEL_CTX_15MIN_H

#include "kernel/context.h"
#include "kernel/snap.h"

enum { FIFTEEN_PARTS = 6 };

extern const ucid_context fifteen_context;

/* What is the same for all places of a call. */
typedef struct fifteen_setup {
    uint32_t coverage; /* 0..100: weight of the parts that the data know about */
    uint32_t recency;  /* 0..10000 */
} fifteen_setup;
fifteen_setup fifteen_prepare(const ucid_index *index, uint32_t hour);

/* A place on its edge: metres to walk to both ends, gap included, and the edge's entry blocks. */
typedef struct fifteen_stand {
    uint16_t to_a, to_b; /* 1/32 m; 0xFFFF: that or more */
    uint32_t first, end; /* of ENTRIES */
} fifteen_stand;

/* What a place reaches, by lane: a part, or UCIDX_PART_END. */
typedef struct fifteen_reached {
    uint16_t quality[8]; /* quarters, not yet capped */
    uint16_t nearest[8]; /* 1/32 m; 0xFFFF: none in reach */
    uint16_t score;      /* hundredths */
    uint8_t in_reach;    /* bits */
    uint8_t named;       /* bits: a nearest one has a name */
} fifteen_reached;

typedef void (*fifteen_reach_fn)(const ucid_index *index, const fifteen_stand *stands, int n, fifteen_reached *reached);
void fifteen_reach_scalar(const ucid_index *index, const fifteen_stand *stands, int n, fifteen_reached *reached);

/* Largest distance that counts, for comparisons in 16 bits. */
static inline uint16_t fifteen_cutoff(const ucid_index *index)
{
    return (uint16_t)(index->summary->cutoff < UCIDX_FAR ? index->summary->cutoff : UCIDX_FAR - 1u);
}

/* The row of a place that stands on a street. */
score_row fifteen_row(const fifteen_setup *setup, const fifteen_reached *reached, uint32_t gap, int island);
void fifteen_parts(const fifteen_reached *reached, score_parts *parts);
/* Quarters at which a lane is full, and what one is worth in hundredths: 10000 * weight / full, which is whole. */
extern const uint16_t fifteen_full[8], fifteen_worth[8];

static inline uint16_t fifteen_sum(const uint16_t quality[8])
{
    uint32_t sum = 0;
    for (int p = 0; p < FIFTEEN_PARTS; p++) {
        sum += fifteen_worth[p] * (quality[p] < fifteen_full[p] ? (uint32_t)quality[p] : fifteen_full[p]);
    }
    return (uint16_t)sum;
}

struct score_job;
void fifteen_fetch(const ucid_index *index, const snap_foot *feet, int n);
void fifteen_score(const struct score_job *job, const place *places, const snap_foot *feet, int n, score_row *rows,
                   score_parts *parts);

#endif
