/* snap.c: candidates are tried one by one. */
#include "kernel/snap.h"

enum { ISLAND_BIT = 31 };

void snap_place(const ucid_index *index, const place *p, place_range range, snap_foot *foot)
{
    double x_m_per_e7 = index->rows[place_grid_row(index, p->y_e7)].x_m_per_e7;
    snap_nearest best[2] = {{{INFINITY, 0.0}, UCIDX_NONE}, {{INFINITY, 0.0}, UCIDX_NONE}}; /* main network, islands */
    for (uint32_t i = range.first; i < range.end; i++) {
        uint32_t segment = index->candidates[i] & (UCIDX_NONE >> 1);
        snap_nearest *kind = &best[index->candidates[i] >> ISLAND_BIT];
        if (segment >= index->segment_count) continue;
        const ucidx_segment *s = &index->segments[segment];
        ucidx_near near = ucidx_near_segment(s->ax_e7, s->ay_e7, s->bx_e7, s->by_e7, p->x_e7, p->y_e7, x_m_per_e7);
        if (near.square_m2 < kind->near.square_m2) *kind = (snap_nearest){near, segment};
    }
    *foot = (snap_foot){.segment = UCIDX_NONE};
    if (!snap_stand(index, &best[0], foot)) foot->island = (uint32_t)snap_stand(index, &best[1], foot);
}

void snap_scalar(const ucid_index *index, const place *places, const place_range *ranges, int n, snap_foot *feet)
{
    for (int i = 0; i < n; i++) snap_place(index, &places[i], ranges[i], &feet[i]);
}
