/* place.h: from degrees to the cell of the snap grid. */
#ifndef UCID_KERNEL_PLACE_H
#define UCID_KERNEL_PLACE_H

#include "index/index.h"

#include <math.h>

/* A place on the grid of an index. */
typedef struct place {
    int32_t x_e7, y_e7; /* relative longitude, latitude */
    uint32_t cell;      /* of CELLS, or UCIDX_NONE: no street in reach */
    uint32_t row : 28;  /* which of the chunk it is */
    uint32_t piece : 4; /* of the cell: quarters north << 2 | quarters east */
} place;

/* Degrees to integers, halves up. |degrees| <= 180. */
static inline int32_t place_e7(double degrees)
{
    double scaled = degrees * 1e7 + 0.5;
    int32_t whole = (int32_t)scaled;
    return whole - (scaled < (double)whole);
}

/* Longitude relative to the index, the shorter way round. */
static inline int32_t place_relative(int32_t lon_e7, int32_t origin_e7)
{
    int64_t relative = (int64_t)lon_e7 - origin_e7;
    if (relative >= 1800000000) relative -= 3600000000;
    if (relative < -1800000000) relative += 3600000000;
    return (int32_t)relative;
}

/* The grid row of a latitude inside the grid. */
static inline uint32_t place_grid_row(const ucid_index *index, int32_t y_e7)
{
    return ((uint32_t)y_e7 - (uint32_t)index->summary->lat_origin_e7) / UCIDX_ROW_E7;
}

/* Find the cell of a place: all of *out but its row.
 * err   INVALID_COORDINATES; OUTSIDE_INDEX: beyond the network's box and the reach of its streets. Boundaries are not
 *       looked at. */
static inline ucid_status place_locate(const ucid_index *index, double lat_deg, double lon_deg, place *out)
{
    if (!(fabs(lat_deg) <= 90.0) || !(fabs(lon_deg) <= 180.0)) return UCID_INVALID_COORDINATES;
    const ucidx_summary *summary = index->summary;
    out->y_e7 = place_e7(lat_deg);
    out->x_e7 = place_relative(place_e7(lon_deg), summary->lon_origin_e7);
    int64_t north = (int64_t)out->y_e7 - summary->lat_origin_e7;
    if (north < 0 || north >= (int64_t)summary->row_count * UCIDX_ROW_E7) return UCID_OUTSIDE_INDEX;
    uint32_t up = (uint32_t)north / (UCIDX_ROW_E7 / UCIDX_PIECES);
    const ucidx_row *row = &index->rows[up / UCIDX_PIECES];
    /* A row is as long as streets are in reach; what lies in the box beyond its ends is off the network. */
    int in_box = out->x_e7 >= summary->min_lon_e7 && out->x_e7 <= summary->max_lon_e7;
    out->cell = UCIDX_NONE;
    out->piece = 0;
    int64_t east = (int64_t)out->x_e7 - row->lon_e7;
    if (east < 0 || row->cell_e7 < UCIDX_PIECES) return in_box ? UCID_OK : UCID_OUTSIDE_INDEX;
    uint32_t along = (uint32_t)east / (row->cell_e7 / UCIDX_PIECES); /* east < 1.8e9 + 2^31 */
    uint32_t column = along / UCIDX_PIECES, block = column / UCIDX_BLOCK_CELLS;
    if (block >= row->block_count) return in_box ? UCID_OK : UCID_OUTSIDE_INDEX;
    uint64_t number = (uint64_t)row->first_block + block;
    uint32_t first = number < index->block_count ? index->blocks[number] : UCIDX_NONE;
    uint64_t cell = (uint64_t)first + column % UCIDX_BLOCK_CELLS;
    out->cell = first != UCIDX_NONE && cell < index->cell_count ? (uint32_t)cell : UCIDX_NONE;
    out->piece = (up % UCIDX_PIECES * UCIDX_PIECES + along % UCIDX_PIECES) & 15;
    return UCID_OK;
}

/* The leaf of a place; UCIDX_NONE: no street in reach. */
static inline uint32_t place_leaf(const ucid_index *index, const place *p)
{
    if (p->cell >= index->cell_count) return UCIDX_NONE;
    uint32_t cell = index->cells[p->cell], depth = cell & 3;
    uint32_t coarser = depth < UCIDX_DEPTH_MAX ? UCIDX_DEPTH_MAX - depth : 0;
    uint32_t north = (uint32_t)p->piece / UCIDX_PIECES >> coarser, east = p->piece % UCIDX_PIECES >> coarser;
    return (cell >> 2) + (north << depth) + east; /* below 2^30 + 32 */
}

/* Candidates of a leaf, empty where there is none or the index is damaged. */
typedef struct place_range {
    uint32_t first, end;
} place_range;

static inline place_range place_candidates(const ucid_index *index, uint32_t leaf)
{
    if (leaf >= index->leaf_count) return (place_range){0, 0};
    uint64_t first = index->leaves[leaf].first, end = first + index->leaves[leaf].count;
    if (end > index->candidate_count) return (place_range){0, 0};
    return (place_range){(uint32_t)first, (uint32_t)end};
}

#endif
