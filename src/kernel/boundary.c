/* boundary.c: point in polygon, in integers.
 *
 * A ray runs east from the place; an odd number of crossed edges is inside. Of a grid row only the edges that enter its
 * band of latitude matter. Their longitudes are merged into spans; between two spans no edge runs, so one test there
 * answers for all places, and only places within a span are tested one by one:
 *
 *     ----inside----[span]-------outside-------[span]---   one grid row
 *
 * Cost: O(edges + rows) once a call, then O(spans) a place, O(edges of the row) within a span. */
#include "kernel/boundary.h"

#include "rt/error.h"
#include "rt/memory.h"

#include <stdlib.h>
#include <string.h>

enum { PREPARE_FROM = 64 }; /* questions; for fewer, preparing costs more than it saves */

/* Does the ray east from the place cross the edge? Products of two differences of 32-bit integers need 66 bits. */
static int crosses(const boundary_edge *e, int32_t x, int32_t y)
{
    if ((e->ay_e7 <= y) == (e->by_e7 <= y)) return 0;
    int up = e->ay_e7 < e->by_e7;
    int64_t low_x = up ? e->ax_e7 : e->bx_e7, low_y = up ? e->ay_e7 : e->by_e7;
    int64_t high_x = up ? e->bx_e7 : e->ax_e7, high_y = up ? e->by_e7 : e->ay_e7;
    return (__int128)(high_x - low_x) * (y - low_y) > (__int128)(x - low_x) * (high_y - low_y);
}

static int by_longitude(const void *left, const void *right)
{
    const boundary_edge *l = left, *r = right;
    int32_t a = l->ax_e7 < l->bx_e7 ? l->ax_e7 : l->bx_e7, b = r->ax_e7 < r->bx_e7 ? r->ax_e7 : r->bx_e7;
    return (a > b) - (a < b);
}

/* Grid rows [*south, *north) that an edge enters. */
static void edge_rows(const boundary *b, const ucidx_summary *summary, const boundary_edge *e, int64_t *south,
                      int64_t *north)
{
    int64_t low = (e->ay_e7 < e->by_e7 ? e->ay_e7 : e->by_e7) - (int64_t)summary->lat_origin_e7;
    int64_t high = (e->ay_e7 < e->by_e7 ? e->by_e7 : e->ay_e7) - (int64_t)summary->lat_origin_e7;
    *south = low < 0 ? 0 : low / UCIDX_ROW_E7;
    *north = high < 0 ? 0 : high / UCIDX_ROW_E7 + 1;
    if (*north > b->row_count) *north = b->row_count;
    if (*south > *north) *south = *north;
}

static int inside_row(const boundary *b, uint32_t row, int32_t x, int32_t y)
{
    int inside = 0;
    for (uint32_t i = b->first[row]; i < b->first[row + 1]; i++) inside ^= crosses(&b->edges[b->references[i]], x, y);
    return inside;
}

/* Merge the longitudes of a row's edges, which are sorted by their western end. */
static void make_spans(boundary *b, uint32_t row, int32_t south_e7)
{
    boundary_span *spans = &b->spans[b->first[row]];
    uint32_t count = 0;
    for (uint32_t i = b->first[row]; i < b->first[row + 1]; i++) {
        const boundary_edge *e = &b->edges[b->references[i]];
        int32_t west = e->ax_e7 < e->bx_e7 ? e->ax_e7 : e->bx_e7, east = e->ax_e7 < e->bx_e7 ? e->bx_e7 : e->ax_e7;
        if (count > 0 && west <= spans[count - 1].east_e7) {
            if (east > spans[count - 1].east_e7) spans[count - 1].east_e7 = east;
        } else {
            spans[count++] = (boundary_span){west, east, 0};
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        spans[i].inside = spans[i].west_e7 > INT32_MIN && inside_row(b, row, spans[i].west_e7 - 1, south_e7);
    }
    b->span_count[row] = count;
}

/* The edge from point i of the rings to the next of its ring; *first is the ring's first point, moved on at its end. */
static boundary_edge edge_at(const ucid_index *index, uint32_t i, uint32_t *first)
{
    const ucidx_ring_point *a = &index->boundary[i], *next = a + 1;
    if (i + 1 == index->boundary_count || next->ring != a->ring) {
        next = &index->boundary[*first];
        *first = i + 1;
    }
    return (boundary_edge){a->x_e7, a->y_e7, next->x_e7, next->y_e7};
}

ucid_status boundary_open(const ucid_index *index, int64_t n, const ucid_allocator *allocator, boundary *b,
                          ucid_error *error)
{
    *b = (boundary){.index = index, .allocator = *allocator};
    if (index->boundary_count == 0 || n < PREPARE_FROM) return UCID_OK;
    const ucidx_summary *summary = index->summary;
    b->edges = ucid_allocate(allocator, index->boundary_count, sizeof *b->edges);
    if (b->edges == NULL) return ucid_fail_memory(error, "the boundary", index->boundary_count * sizeof *b->edges);
    b->edge_count = index->boundary_count;
    for (uint32_t i = 0, first = 0; i < b->edge_count; i++) b->edges[i] = edge_at(index, i, &first);
    qsort(b->edges, b->edge_count, sizeof *b->edges, by_longitude);
    b->row_count = summary->row_count;
    uint64_t references = 0;
    for (uint32_t i = 0; i < b->edge_count; i++) {
        int64_t south, north;
        edge_rows(b, summary, &b->edges[i], &south, &north);
        references += (uint64_t)(north - south);
    }
    if (references > 256 * ((uint64_t)b->edge_count + b->row_count)) { /* no real boundary */
        b->row_count = 0;
        return UCID_OK;
    }
    b->reference_count = (size_t)references;
    b->first = ucid_allocate_zero(allocator, (size_t)b->row_count + 2, sizeof *b->first);
    b->references = ucid_allocate(allocator, b->reference_count, sizeof *b->references);
    b->spans = ucid_allocate(allocator, b->reference_count, sizeof *b->spans);
    b->span_count = ucid_allocate_zero(allocator, b->row_count, sizeof *b->span_count);
    if (b->first == NULL || b->references == NULL || b->spans == NULL || b->span_count == NULL) {
        return ucid_fail_memory(error, "the boundary", b->reference_count * 20);
    }
    for (uint32_t i = 0; i < b->edge_count; i++) { /* first[row + 2] counts, then first[row + 1] is where to write */
        int64_t south, north;
        edge_rows(b, summary, &b->edges[i], &south, &north);
        for (int64_t row = south; row < north; row++) b->first[row + 2]++;
    }
    for (uint32_t row = 0; row < b->row_count; row++) b->first[row + 2] += b->first[row + 1];
    for (uint32_t i = 0; i < b->edge_count; i++) {
        int64_t south, north;
        edge_rows(b, summary, &b->edges[i], &south, &north);
        for (int64_t row = south; row < north; row++) b->references[b->first[row + 1]++] = i;
    }
    for (uint32_t row = 0; row < b->row_count; row++) {
        make_spans(b, row, (int32_t)((uint32_t)summary->lat_origin_e7 + row * (uint32_t)UCIDX_ROW_E7));
    }
    return UCID_OK;
}

void boundary_close(boundary *b)
{
    ucid_release(&b->allocator, b->edges, b->edge_count, sizeof *b->edges);
    ucid_release(&b->allocator, b->first, (size_t)b->row_count + 2, sizeof *b->first);
    ucid_release(&b->allocator, b->references, b->reference_count, sizeof *b->references);
    ucid_release(&b->allocator, b->spans, b->reference_count, sizeof *b->spans);
    ucid_release(&b->allocator, b->span_count, b->row_count, sizeof *b->span_count);
}

int boundary_inside(const boundary *b, uint32_t grid_row, int32_t x_e7, int32_t y_e7)
{
    if (b->index->boundary_count == 0) return 1;
    if (b->row_count == 0) {
        int inside = 0;
        for (uint32_t i = 0, first = 0; i < b->index->boundary_count; i++) {
            boundary_edge edge = edge_at(b->index, i, &first);
            inside ^= crosses(&edge, x_e7, y_e7);
        }
        return inside;
    }
    const boundary_span *span = &b->spans[b->first[grid_row]];
    for (uint32_t left = b->span_count[grid_row]; left > 0; left--, span++) {
        if (x_e7 < span->west_e7) return span->inside;
        if (x_e7 <= span->east_e7) return inside_row(b, grid_row, x_e7, y_e7);
    }
    return 0;
}
