/* snap.c: candidates are tried one by one. */
#include "kernel/snap.h"

enum { ISLAND_BIT = 31 };

static ucidx_near near_segment(const ucidx_segment *s, const place *p, double x_m_per_e7)
{
    return ucidx_near_segment(s->ax_e7, s->ay_e7, s->bx_e7, s->by_e7, p->x_e7, p->y_e7, x_m_per_e7);
}

int snap_stand(const ucid_index *index, uint32_t segment, const place *p, snap_foot *foot)
{
    if (segment >= index->segment_count) return 0;
    const ucidx_segment *s = &index->segments[segment];
    ucidx_near n = near_segment(s, p, index->rows[place_grid_row(index, p->y_e7)].x_m_per_e7);
    uint32_t gap = ucidx_gap(n.square_m2);
    if (gap > index->summary->snap_limit) return 0;
    foot->segment = segment;
    foot->edge = s->edge;
    foot->gap = gap;
    foot->offset = ucidx_foot(s->offset, s->length, n.t);
    return 1;
}

void snap_place(const ucid_index *index, const place *p, place_range range, snap_foot *foot)
{
    double x_m_per_e7 = index->rows[place_grid_row(index, p->y_e7)].x_m_per_e7;
    double best[2] = {INFINITY, INFINITY};
    uint32_t nearest[2] = {UCIDX_NONE, UCIDX_NONE};
    for (uint32_t i = range.first; i < range.end; i++) {
        uint32_t island = index->candidates[i] >> ISLAND_BIT, segment = index->candidates[i] & (UCIDX_NONE >> 1);
        if (segment >= index->segment_count) continue;
        double square = near_segment(&index->segments[segment], p, x_m_per_e7).square_m2;
        if (square < best[island]) {
            best[island] = square;
            nearest[island] = segment;
        }
    }
    *foot = (snap_foot){.segment = UCIDX_NONE, .edge = UCIDX_NONE};
    if (!snap_stand(index, nearest[0], p, foot)) foot->island = (uint32_t)snap_stand(index, nearest[1], p, foot);
}

void snap_scalar(const ucid_index *index, const place *places, const place_range *ranges, int n, snap_foot *feet)
{
    for (int i = 0; i < n; i++) snap_place(index, &places[i], ranges[i], &feet[i]);
}
