/* snap.h: how far a place is from a piece of street. One definition for the builder, which must list every piece that
 * can be the nearest of a cell, and for the kernels, which choose among them: + - * / and sqrt only, no fused steps, so
 * that every compiler and every vector width gives the same bits.
 *
 * The plane is that of the place's row (index.h): metres east and north of the segment's end a. */
#ifndef UCID_INDEX_NEAR_H
#define UCID_INDEX_NEAR_H

#include "index/index.h"

#include <math.h>

typedef struct ucidx_near {
    double square_m2; /* squared distance of the place from the segment */
    double t;         /* where along the segment, 0 at a, 1 at b */
} ucidx_near;

static inline ucidx_near ucidx_near_segment(int32_t ax_e7, int32_t ay_e7, int32_t bx_e7, int32_t by_e7, int32_t x_e7,
                                            int32_t y_e7, double x_m_per_e7)
{
    double dx = ((double)bx_e7 - (double)ax_e7) * x_m_per_e7, dy = ((double)by_e7 - (double)ay_e7) * UCIDX_Y_M_PER_E7;
    double px = ((double)x_e7 - (double)ax_e7) * x_m_per_e7, py = ((double)y_e7 - (double)ay_e7) * UCIDX_Y_M_PER_E7;
    double square = dx * dx + dy * dy;
    double t = square > 0.0 ? (px * dx + py * dy) / square : 0.0;
    t = t > 0.0 ? t : 0.0;
    t = t < 1.0 ? t : 1.0;
    double ex = px - t * dx, ey = py - t * dy;
    return (ucidx_near){ex * ex + ey * ey, t};
}

/* A gap in 1/32 m from a squared distance; a place is in reach of a street where this is <= summary.snap_limit. */
static inline uint32_t ucidx_gap(double square_m2)
{
    double gap = sqrt(square_m2) * UCIDX_UNITS_PER_M + 0.5;
    return gap < 4294967295.0 ? (uint32_t)gap : UINT32_MAX; /* a forged scale may give NaN */
}

/* Where the place's foot lies on the edge, in 1/32 m from its end a. */
static inline uint32_t ucidx_foot(uint32_t segment_offset, uint32_t segment_length, double t)
{
    return segment_offset + (uint32_t)(t * (double)segment_length + 0.5);
}

/* Width of a row's cells: a little over UCIDX_CELL_M, in whole pieces. */
static inline uint32_t ucidx_cell_e7(double x_m_per_e7)
{
    return UCIDX_PIECES * (uint32_t)ceil(UCIDX_CELL_M / UCIDX_PIECES / x_m_per_e7);
}

/* Row of a relative position; -1 outside. */
static inline int64_t ucidx_row_of(const ucidx_summary *summary, int32_t y_e7)
{
    int64_t up = (int64_t)y_e7 - summary->lat_origin_e7;
    if (up < 0) return -1;
    int64_t row = up / UCIDX_ROW_E7;
    return row < (int64_t)summary->row_count ? row : -1;
}

#endif
