/* snap.h: the nearest point of the nearest street. */
#ifndef UCID_KERNEL_SNAP_H
#define UCID_KERNEL_SNAP_H

#include "index/near.h"
#include "kernel/place.h"

enum { SNAP_GROUP = 32 }; /* places that are worked on together */

/* Where a place stands on the network. Lengths in 1/32 m. */
typedef struct snap_foot {
    uint32_t segment; /* UCIDX_NONE: no street within the limit */
    uint32_t along;   /* the segment from its end a */
    uint32_t gap;     /* from the place to the street */
    uint32_t island;
} snap_foot;

/* The nearest of some candidates; segment UCIDX_NONE: there is none. */
typedef struct snap_nearest {
    ucidx_near near;
    uint32_t segment;
} snap_nearest;

/* Make the foot of a place on its nearest segment; 0 where that is none or beyond the limit. */
static inline int snap_stand(const ucid_index *index, const snap_nearest *nearest, snap_foot *foot)
{
    uint32_t gap = ucidx_gap(nearest->near.square_m2);
    if (gap > index->summary->snap_limit || nearest->segment >= index->segment_count) return 0;
    const ucidx_segment *s = &index->segments[nearest->segment];
    foot->segment = nearest->segment;
    foot->gap = gap;
    foot->along = ucidx_foot(0, s->length, nearest->near.t);
    return 1;
}

/* Snap n places, 1..SNAP_GROUP, to the nearest of their candidates: the main network first, islands where nothing else
 * is within the limit; of equally near ones the lowest segment. */
typedef void (*snap_fn)(const ucid_index *index, const place *places, const place_range *ranges, int n,
                        snap_foot *feet);
void snap_scalar(const ucid_index *index, const place *places, const place_range *ranges, int n, snap_foot *feet);
/* One place; the scalar kernel's body, and what the others do where vectors do not fit. */
void snap_place(const ucid_index *index, const place *p, place_range range, snap_foot *foot);

#endif
