/* ctx_15min.h: the 15-minute city. docs/contexts.md has the formula. */
#ifndef UCID_KERNEL_CTX_15MIN_H
#define UCID_KERNEL_CTX_15MIN_H

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

/* Write row `row` of the outputs: a scored place, and a place without a street. */
void fifteen_write(const fifteen_setup *setup, const fifteen_reached *reached, uint32_t gap, int island,
                   const ucid_scores *out, int64_t row);
void fifteen_write_off_network(const ucid_scores *out, int64_t row);
/* Quarters at which a part is full. */
uint32_t fifteen_full(int part);

struct score_job;
void fifteen_score(const struct score_job *job, int64_t first_row, const place *places, const snap_foot *feet, int n);

#endif
