/* brute.c: a linear scan, then Dijkstra with a heap of (distance, node), then sums in doubles. */
#include "brute.h"

#include "index/near.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct item {
    uint32_t distance, node;
} item;

struct brute {
    const ucid_index *index;
    uint32_t *distance; /* of each node; UINT32_MAX: not reached */
    uint32_t *touched;
    uint32_t touched_count;
    item *heap;
    size_t heap_count, heap_capacity;
};

brute *brute_new(const ucid_index *index)
{
    brute *b = calloc(1, sizeof *b);
    if (b == NULL) abort();
    b->index = index;
    b->distance = malloc((index->node_count + 1) * sizeof *b->distance);
    b->touched = malloc((index->node_count + 1) * sizeof *b->touched);
    if (b->distance == NULL || b->touched == NULL) abort();
    for (uint32_t i = 0; i < index->node_count; i++) b->distance[i] = UINT32_MAX;
    return b;
}

void brute_free(brute *b)
{
    free(b->distance);
    free(b->touched);
    free(b->heap);
    free(b);
}

static void push(brute *b, uint32_t distance, uint32_t node)
{
    if (distance > b->index->summary->cutoff || distance >= b->distance[node]) return;
    if (b->distance[node] == UINT32_MAX) b->touched[b->touched_count++] = node;
    b->distance[node] = distance;
    if (b->heap_count == b->heap_capacity) {
        b->heap_capacity = b->heap_capacity * 2 + 64;
        if ((b->heap = realloc(b->heap, b->heap_capacity * sizeof *b->heap)) == NULL) abort();
    }
    size_t i = b->heap_count++;
    for (; i > 0 && b->heap[(i - 1) / 2].distance > distance; i = (i - 1) / 2) b->heap[i] = b->heap[(i - 1) / 2];
    b->heap[i] = (item){distance, node};
}

static item pop(brute *b)
{
    item top = b->heap[0], last = b->heap[--b->heap_count];
    size_t i = 0, child;
    while ((child = 2 * i + 1) < b->heap_count) {
        if (child + 1 < b->heap_count && b->heap[child + 1].distance < b->heap[child].distance) child++;
        if (b->heap[child].distance >= last.distance) break;
        b->heap[i] = b->heap[child];
        i = child;
    }
    b->heap[i] = last;
    return top;
}

static void search(brute *b)
{
    const ucid_index *x = b->index;
    while (b->heap_count > 0) {
        item at = pop(b);
        if (at.distance > b->distance[at.node]) continue;
        for (uint32_t i = x->nodes[at.node].first_arc; i < x->nodes[at.node + 1].first_arc; i++) {
            const ucidx_edge *e = &x->edges[x->arcs[i]];
            push(b, at.distance + e->length, e->a == at.node ? e->b : e->a);
        }
    }
}

static int in_rings(const ucid_index *x, int32_t px, int32_t py)
{
    int inside = x->boundary_count == 0;
    for (uint32_t first = 0; first < x->boundary_count;) {
        uint32_t end = first;
        while (end < x->boundary_count && x->boundary[end].ring == x->boundary[first].ring) end++;
        for (uint32_t i = first, j = end - 1; i < end; j = i++) {
            long double xi = x->boundary[i].x_e7, yi = x->boundary[i].y_e7, xj = x->boundary[j].x_e7,
                        yj = x->boundary[j].y_e7;
            if ((yi > py) != (yj > py) && (xj - xi) * (py - yi) / (yj - yi) + xi > px) inside = !inside;
        }
        first = end;
    }
    return inside;
}

/* Is the place on the grid at all? */
static int on_grid(const ucid_index *x, int32_t px, int32_t py)
{
    int64_t row = ucidx_row_of(x->summary, py);
    if (row < 0) return 0;
    const ucidx_row *r = &x->rows[row];
    if (px >= x->summary->min_lon_e7 && px <= x->summary->max_lon_e7) return 1;
    return px >= r->lon_e7 && px < r->lon_e7 + (int64_t)r->block_count * UCIDX_BLOCK_CELLS * r->cell_e7;
}

static double hundredths(double value) { return floor(value * 100.0 + 0.5 + 1e-7) / 100.0; }

static brute_result nothing(int status, double score, double confidence, double part)
{
    brute_result r = {.status = status, .score = score, .confidence = confidence, .snap_m = (double)NAN};
    for (int p = 0; p < 6; p++) r.part[p] = part, r.nearest_m[p] = (double)NAN;
    return r;
}

brute_result brute_score(brute *b, double lat_deg, double lon_deg, uint32_t hour)
{
    static const double full[6] = {2, 2, 2, 1, 3, 2}, weight[6] = {0.20, 0.20, 0.20, 0.15, 0.15, 0.10};
    const ucid_index *x = b->index;
    const ucidx_summary *sum = x->summary;
    const double nan = (double)NAN;
    if (!isfinite(lat_deg) || !isfinite(lon_deg) || fabs(lat_deg) > 90 || fabs(lon_deg) > 180) {
        return nothing(UCID_INVALID_COORDINATES, nan, nan, nan);
    }
    double lon = floor(lon_deg * 1e7 + 0.5) - sum->lon_origin_e7;
    if (lon < -1.8e9) lon += 3.6e9;
    if (lon >= 1.8e9) lon -= 3.6e9;
    int32_t px = (int32_t)lon, py = (int32_t)floor(lat_deg * 1e7 + 0.5);
    if (!on_grid(x, px, py) || !in_rings(x, px, py)) return nothing(UCID_OUTSIDE_INDEX, nan, nan, nan);

    double x_m = x->rows[ucidx_row_of(sum, py)].x_m_per_e7, t[2] = {0, 0}, best[2] = {INFINITY, INFINITY};
    uint32_t nearest[2] = {0, 0};
    for (uint32_t i = 0; i < x->segment_count; i++) {
        const ucidx_segment *s = &x->segments[i];
        int island = s->island;
        ucidx_near n = ucidx_near_segment(s->ax_e7, s->ay_e7, s->bx_e7, s->by_e7, px, py, x_m);
        if (n.square_m2 < best[island]) best[island] = n.square_m2, t[island] = n.t, nearest[island] = i;
    }
    int island = !(floor(sqrt(best[0]) * 32 + 0.5) <= sum->snap_limit);
    uint32_t gap = best[island] < INFINITY ? (uint32_t)floor(sqrt(best[island]) * 32 + 0.5) : UINT32_MAX;
    if (gap > sum->snap_limit) return nothing(UCID_OFF_NETWORK, 0, 0.10, 0);
    const ucidx_segment *s = &x->segments[nearest[island]];
    const ucidx_edge *edge = &x->edges[ucidx_edge_of(x, nearest[island])];
    uint32_t offset = s->offset + (uint32_t)floor(t[island] * s->length + 0.5);
    push(b, gap + offset, edge->a);
    push(b, gap + edge->length - offset, edge->b);
    search(b);

    double quality[6] = {0}, least[6], named_weight = 0, reach_weight = 0, known = 0;
    int named[6] = {0}, near_end = 0;
    for (int p = 0; p < 6; p++) least[p] = INFINITY;
    for (uint32_t i = 0; i < b->touched_count; i++) {
        if (x->nodes[b->touched[i]].flags & 1) near_end = 1;
    }
    for (uint32_t i = 0; i < x->opportunity_count; i++) {
        const ucidx_opportunity *o = &x->opportunities[i];
        if (b->distance[o->node] == UINT32_MAX || b->distance[o->node] + o->gap > sum->cutoff) continue;
        double walked = (b->distance[o->node] + o->gap) / 32.0;
        quality[o->part] += o->quality / 4.0;
        if (walked < least[o->part]) least[o->part] = walked, named[o->part] = 0;
        if (walked == least[o->part] && x->names[o->name] != '\0') named[o->part] = 1;
    }
    brute_result r = {.snap_m = gap / 32.0};
    for (int p = 0; p < 6; p++) {
        double share = fmin(1.0, quality[p] / full[p]);
        r.score += 100.0 * weight[p] * share;
        r.part[p] = hundredths(100.0 * share);
        r.nearest_m[p] = least[p] < INFINITY ? least[p] : nan;
        if (least[p] < INFINITY) reach_weight += weight[p];
        if (named[p]) named_weight += weight[p];
        if (sum->flags >> p & 1) known += weight[p];
    }
    r.score = hundredths(r.score);
    static const double grades[] = {40, 55, 70, 85, 95};
    for (int g = 0; g < 5; g++) r.grade += r.score >= grades[g];
    if (near_end) known /= 2;
    double apart = hour == UINT32_MAX ? 0 : fabs((double)hour - sum->data_hour);
    double recency = sum->data_hour == 0 ? 0 : fmax(0.0, 1.0 - apart / (4 * 168));
    recency = floor(recency * 1e4 + 0.5 + 1e-7) / 1e4;
    double share_named = reach_weight > 0 ? named_weight / reach_weight : 0.0;
    r.confidence = hundredths(0.40 * known + 0.30 * share_named + 0.20 * recency + 0.10);
    if (reach_weight == 0 && known > 0.999) r.confidence = 0.80;
    r.status = island ? UCID_ISLAND : near_end ? UCID_NEAR_BOUNDARY : UCID_OK;
    r.flags = (known < 0.999 ? UCID_FLAG_ESTIMATED : 0) | (recency == 0 ? UCID_FLAG_OUTDATED : 0);

    for (uint32_t i = 0; i < b->touched_count; i++) b->distance[b->touched[i]] = UINT32_MAX;
    b->touched_count = 0;
    return r;
}
