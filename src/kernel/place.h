/* place.h: from degrees to the cell of the snap grid. */
#ifndef UCID_KERNEL_PLACE_H
#define UCID_KERNEL_PLACE_H

#include "index/index.h"

#include <math.h>

/* A place on the grid of an index. */
typedef struct place {
    int32_t x_e7, y_e7; /* relative longitude, latitude */
    uint32_t cell;      /* of CELLS, or UCIDX_NONE: no street in reach */
    uint32_t row;       /* which of the batch it is */
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

/* Find the cell of a place: x_e7, y_e7 and cell of *out.
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
    const ucidx_row *row = &index->rows[(uint32_t)north / UCIDX_ROW_E7];
    /* A row is as long as streets are in reach; what lies in the box beyond its ends is off the network. */
    int in_box = out->x_e7 >= summary->min_lon_e7 && out->x_e7 <= summary->max_lon_e7;
    out->cell = UCIDX_NONE;
    int64_t east = (int64_t)out->x_e7 - row->lon_e7;
    if (east < 0 || row->cell_e7 == 0) return in_box ? UCID_OK : UCID_OUTSIDE_INDEX;
    uint32_t column = (uint32_t)east / row->cell_e7; /* east < 1.8e9 + 2^31 */
    uint32_t block = column / UCIDX_BLOCK_CELLS;
    if (block >= row->block_count) return in_box ? UCID_OK : UCID_OUTSIDE_INDEX;
    uint64_t number = (uint64_t)row->first_block + block;
    uint32_t first = number < index->block_count ? index->blocks[number] : UCIDX_NONE;
    uint64_t cell = (uint64_t)first + column % UCIDX_BLOCK_CELLS;
    out->cell = first != UCIDX_NONE && cell < index->cell_count ? (uint32_t)cell : UCIDX_NONE;
    return UCID_OK;
}

/* Candidates of a cell, empty where the index is damaged. */
typedef struct place_range {
    uint32_t first, end;
} place_range;

static inline place_range place_candidates(const ucid_index *index, uint32_t cell)
{
    if (cell >= index->cell_count) return (place_range){0, 0};
    place_range range = {index->cells[cell], index->cells[cell + 1]};
    if (range.end > index->candidate_count || range.first > range.end) range = (place_range){0, 0};
    return range;
}

#endif
