/* Streets of an index as lines to draw. An edge's segments lie one after another, each beginning where the one before
 * ended, so its line is the first segment's a and every segment's b. Counts are checked here, since drawing is the only
 * one to walk the edges in file order. */
#include "index/index.h"

static int rank_of(uint32_t flags)
{
    switch (flags & UCIDX_EDGE_CLASS_MASK) {
    case UCIDX_CLASS_TRUNK:
    case UCIDX_CLASS_PRIMARY: return UCID_STREET_MAIN;
    case UCIDX_CLASS_SECONDARY:
    case UCIDX_CLASS_TERTIARY: return UCID_STREET_ROAD;
    case UCIDX_CLASS_ROAD:
    case UCIDX_CLASS_RESIDENTIAL:
    case UCIDX_CLASS_UNCLASSIFIED: return UCID_STREET_LOCAL;
    case UCIDX_CLASS_PEDESTRIAN:
    case UCIDX_CLASS_LIVING_STREET:
    case UCIDX_CLASS_SERVICE: return UCID_STREET_LANE;
    default: return UCID_STREET_PATH;
    }
}

static void point_set(const ucid_index *index, int32_t x_e7, int32_t y_e7, double *lat_deg, double *lon_deg)
{
    *lat_deg = (double)y_e7 / 1e7;
    *lon_deg = (double)((int64_t)index->summary->lon_origin_e7 + x_e7) / 1e7;
}

int64_t ucid_index_street_get(const ucid_index *index, uint64_t street, int64_t capacity, double *lat_deg,
                              double *lon_deg, int *rank)
{
    if (street >= index->edge_count) return 0;
    const ucidx_edge *edge = &index->edges[street];
    uint32_t first = edge->first_segment;
    uint32_t end = edge[1].first_segment;
    if (first >= end || end > index->segment_count) return 0;
    *rank = rank_of(edge->flags);
    int64_t count = (int64_t)(end - first) + 1;
    const ucidx_segment *segments = &index->segments[first];
    if (capacity > 0) point_set(index, segments[0].ax_e7, segments[0].ay_e7, &lat_deg[0], &lon_deg[0]);
    for (int64_t i = 1; i < count && i < capacity; i++)
        point_set(index, segments[i - 1].bx_e7, segments[i - 1].by_e7, &lat_deg[i], &lon_deg[i]);
    return count;
}
