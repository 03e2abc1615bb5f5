/* boundary.h: which places an index reports. */
#ifndef UCID_KERNEL_BOUNDARY_H
#define UCID_KERNEL_BOUNDARY_H

#include "index/index.h"

typedef struct boundary_edge {
    int32_t ax_e7, ay_e7, bx_e7, by_e7;
} boundary_edge;

/* Longitudes west_e7..east_e7 of a grid row in which some edge runs; west of them, up to the next span, a place is
 * inside or not whatever its latitude. */
typedef struct boundary_span {
    int32_t west_e7, east_e7;
    int inside; /* west of the span */
} boundary_span;

typedef struct boundary {
    const ucid_index *index;
    ucid_allocator allocator;
    boundary_edge *edges;
    uint32_t edge_count; /* of edges; 0: no rows, scan the rings */
    uint32_t row_count;
    size_t reference_count;
    uint32_t *first;      /* [row_count + 1] of references and of spans */
    uint32_t *references; /* edges of each grid row, by longitude */
    boundary_span *spans; /* at first[row] */
    uint32_t *span_count; /* [row_count] */
} boundary;

/* Prepare the rings of an index for about n questions. boundary_close always. */
ucid_status boundary_open(const ucid_index *index, int64_t n, const ucid_allocator *allocator, boundary *out,
                          ucid_error *error);
void boundary_close(boundary *b);

/* Is the place inside (even-odd over all rings)? Exact. A place on an edge belongs to one side: the ray runs east, a
 * vertex counts for the edge that goes up from it. */
int boundary_inside(const boundary *b, uint32_t grid_row, int32_t x_e7, int32_t y_e7);

#endif
