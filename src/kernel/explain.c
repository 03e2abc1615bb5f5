/* explain.c: one place, walked out. Dijkstra from both ends of the place's street, bounded by the cutoff; the nodes
 * that were reached are kept in a hash table, so the cost is that of the streets in reach and not of the network.
 * Nothing of the precomputed lists is read: that both ways give one score is a test of either. */
#include "kernel/score.h"
#include "rt/error.h"
#include "rt/memory.h"

#include <stdlib.h>
#include <string.h>

struct ucid_explanation {
    ucid_allocator allocator;
    ucid_reason *reasons;
    size_t count, capacity;
    double score, confidence, snap_m, part[FIFTEEN_PARTS], nearest_m[FIFTEEN_PARTS];
    uint8_t grade, status, flags;
};

typedef struct reached_node {
    uint32_t node, distance; /* 1/32 m */
} reached_node;

typedef struct walk {
    const ucid_index *index;
    ucid_allocator allocator;
    uint32_t cutoff;
    reached_node *nodes;
    size_t count, capacity;
    uint32_t *slots; /* position in nodes + 1; 0: free */
    size_t slot_count;
    reached_node *heap; /* least distance first */
    size_t heap_count, heap_capacity;
} walk;

static size_t slot_of(const walk *w, uint32_t node)
{
    size_t at = (node * 0x9E3779B1u >> 7) & (w->slot_count - 1);
    while (w->slots[at] != 0 && w->nodes[w->slots[at] - 1].node != node) at = (at + 1) & (w->slot_count - 1);
    return at;
}

static int grow_slots(walk *w)
{
    size_t count = w->slot_count != 0 ? 2 * w->slot_count : 1024;
    uint32_t *slots = ucid_allocate_zero(&w->allocator, count, sizeof *slots);
    if (slots == NULL) return 0;
    ucid_release(&w->allocator, w->slots, w->slot_count, sizeof *slots);
    w->slots = slots;
    w->slot_count = count;
    for (size_t i = 0; i < w->count; i++) slots[slot_of(w, w->nodes[i].node)] = (uint32_t)i + 1;
    return 1;
}

#define ROOM(w, array, capacity, needed)                                                                               \
    ucid_grow(&(w)->allocator, (void **)(void *)&(array), &(capacity), (needed), sizeof *(array))

/* Reach a node; 0 where memory is out. */
static int reach(walk *w, uint32_t node, uint64_t distance)
{
    if (distance > w->cutoff || node >= w->index->node_count) return 1;
    if (2 * (w->count + 1) > w->slot_count && !grow_slots(w)) return 0;
    size_t at = slot_of(w, node);
    if (w->slots[at] == 0) {
        if (!ROOM(w, w->nodes, w->capacity, w->count + 1)) return 0;
        w->nodes[w->count++] = (reached_node){node, (uint32_t)distance};
        w->slots[at] = (uint32_t)w->count;
    } else if (distance < w->nodes[w->slots[at] - 1].distance) {
        w->nodes[w->slots[at] - 1].distance = (uint32_t)distance;
    } else {
        return 1;
    }
    if (!ROOM(w, w->heap, w->heap_capacity, w->heap_count + 1)) return 0;
    size_t i = w->heap_count++;
    for (; i > 0 && w->heap[(i - 1) / 2].distance > distance; i = (i - 1) / 2) w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = (reached_node){node, (uint32_t)distance};
    return 1;
}

static reached_node nearest(walk *w)
{
    reached_node top = w->heap[0], last = w->heap[--w->heap_count];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < w->heap_count; i = child) {
        if (child + 1 < w->heap_count && w->heap[child + 1].distance < w->heap[child].distance) child++;
        if (w->heap[child].distance >= last.distance) break;
        w->heap[i] = w->heap[child];
    }
    w->heap[i] = last;
    return top;
}

static int walk_out(walk *w, const snap_foot *foot)
{
    const ucid_index *index = w->index;
    if (foot->segment >= index->segment_count || index->edge_count == 0) return 1;
    const ucidx_edge *street = &index->edges[ucidx_edge_of(index, foot->segment)];
    uint64_t offset = (uint64_t)index->segments[foot->segment].offset + foot->along;
    uint64_t rest = street->length > offset ? street->length - offset : 0;
    if (!reach(w, street->a, foot->gap + offset)) return 0;
    if (!reach(w, street->b, foot->gap + rest)) return 0;
    while (w->heap_count > 0) {
        reached_node at = nearest(w);
        if (at.distance > w->nodes[w->slots[slot_of(w, at.node)] - 1].distance) continue; /* reached better since */
        uint32_t end = index->nodes[at.node + 1].first_arc;
        for (uint32_t i = index->nodes[at.node].first_arc; i < end && i < index->arc_count; i++) {
            if (index->arcs[i] >= index->edge_count) continue;
            const ucidx_edge *edge = &index->edges[index->arcs[i]];
            uint32_t other = edge->a == at.node ? edge->b : edge->a;
            if (!reach(w, other, (uint64_t)at.distance + edge->length)) return 0;
        }
    }
    return 1;
}

static const char *text_at(const ucid_index *index, uint32_t offset)
{
    int sound = offset < index->name_bytes && index->names[index->name_bytes - 1] == '\0';
    return sound ? index->names + offset : "";
}

static ucid_reason reason_of(const ucid_index *index, const ucidx_opportunity *o, uint32_t distance)
{
    int64_t lon_e7 = (int64_t)o->x_e7 + index->summary->lon_origin_e7;
    if (lon_e7 >= 1800000000) lon_e7 -= 3600000000;
    if (lon_e7 < -1800000000) lon_e7 += 3600000000;
    return (ucid_reason){
        .part = o->part,
        .osm_type = (char)o->osm_type,
        .osm_id = o->osm_id,
        .name = text_at(index, o->name),
        .tag = text_at(index, o->tag),
        .quality = o->quality / 4.0,
        .distance_m = (double)distance / UCIDX_UNITS_PER_M,
        .lat_deg = o->y_e7 / 1e7,
        .lon_deg = (double)lon_e7 / 1e7,
    };
}

/* First opportunity of a node. */
static uint32_t first_of(const ucid_index *index, uint32_t node)
{
    uint32_t low = 0, high = index->opportunity_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (index->opportunities[middle].node < node) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* What stands at the reached nodes: reasons, and the sums that the score is made of. */
static int collect(const walk *w, ucid_explanation *e, fifteen_reached *sums)
{
    const ucid_index *index = w->index;
    for (int p = 0; p < 8; p++) sums->nearest[p] = UCIDX_FAR;
    for (size_t i = 0; i < w->count; i++) {
        uint32_t node = w->nodes[i].node;
        if (index->nodes[node].flags & 1) sums->in_reach |= 1 << UCIDX_PART_END;
        for (uint32_t k = first_of(index, node); k < index->opportunity_count; k++) {
            const ucidx_opportunity *o = &index->opportunities[k];
            uint64_t walked = (uint64_t)w->nodes[i].distance + o->gap;
            if (o->node != node) break;
            if (walked > w->cutoff || o->part >= FIFTEEN_PARTS) continue;
            if (!ROOM(e, e->reasons, e->capacity, e->count + 1)) return 0;
            e->reasons[e->count++] = reason_of(index, o, (uint32_t)walked);
            uint32_t quality = sums->quality[o->part] + (uint32_t)o->quality, named = o->name != 0;
            sums->quality[o->part] = (uint16_t)(quality < UINT16_MAX ? quality : UINT16_MAX);
            if (walked < sums->nearest[o->part]) {
                sums->nearest[o->part] = (uint16_t)walked;
                sums->named = (uint8_t)(sums->named & ~(1u << o->part));
            }
            if (walked == sums->nearest[o->part]) sums->named = (uint8_t)(sums->named | named << o->part);
            sums->in_reach = (uint8_t)(sums->in_reach | 1u << o->part);
        }
    }
    return 1;
}

static int by_part_and_distance(const void *left, const void *right)
{
    const ucid_reason *l = left, *r = right;
    if (l->part != r->part) return l->part < r->part ? -1 : 1;
    if (l->distance_m != r->distance_m) return l->distance_m < r->distance_m ? -1 : 1;
    if (l->osm_type != r->osm_type) return l->osm_type < r->osm_type ? -1 : 1;
    return (l->osm_id > r->osm_id) - (l->osm_id < r->osm_id);
}

/* The nearest count until their part is full. */
static void mark_counted(ucid_explanation *e)
{
    double sum = 0.0;
    for (size_t i = 0; i < e->count; i++) {
        ucid_reason *r = &e->reasons[i];
        if (i == 0 || r->part != e->reasons[i - 1].part) sum = 0.0;
        r->counted = sum < fifteen_full[r->part] / 4.0;
        sum += r->quality;
    }
}

static ucid_status find_foot(const ucid_index *index, double lat_deg, double lon_deg, const ucid_allocator *allocator,
                             snap_foot *foot, ucid_error *error)
{
    place p;
    ucid_status status = place_locate(index, lat_deg, lon_deg, &p);
    if (status == UCID_INVALID_COORDINATES) {
        return ucid_fail(error, status, "latitude %g, longitude %g: not within 90 and 180 degrees", lat_deg, lon_deg);
    }
    if (status == UCID_OK) {
        boundary inside;
        status = boundary_open(index, 1, allocator, &inside, error);
        if (status == UCID_OK && !boundary_inside(&inside, 0, p.x_e7, p.y_e7)) status = UCID_OUTSIDE_INDEX;
        boundary_close(&inside);
        if (status == UCID_NO_MEMORY) return status;
    }
    if (status == UCID_OUTSIDE_INDEX) {
        return ucid_fail(error, status, "%.7f, %.7f is outside of what the index reports", lat_deg, lon_deg);
    }
    snap_place(index, &p, place_candidates(index, place_leaf(index, &p)), foot);
    if (foot->segment == UCIDX_NONE) {
        return ucid_fail(error, UCID_OFF_NETWORK, "%.7f, %.7f: no walkable street within %g m", lat_deg, lon_deg,
                         (double)index->summary->snap_limit / UCIDX_UNITS_PER_M);
    }
    return UCID_OK;
}

static ucid_status explain_foot(const ucid_index *index, const snap_foot *foot, uint32_t hour, ucid_explanation *e,
                                ucid_error *error)
{
    walk w = {.index = index, .allocator = e->allocator, .cutoff = fifteen_cutoff(index)};
    fifteen_reached sums = {.in_reach = 0};
    int complete = walk_out(&w, foot) && collect(&w, e, &sums);
    size_t bytes = w.capacity * sizeof *w.nodes;
    ucid_release(&w.allocator, w.nodes, w.capacity, sizeof *w.nodes);
    ucid_release(&w.allocator, w.slots, w.slot_count, sizeof *w.slots);
    ucid_release(&w.allocator, w.heap, w.heap_capacity, sizeof *w.heap);
    if (!complete) return ucid_fail_memory(error, "the streets in reach", bytes);
    if (e->count > 0) qsort(e->reasons, e->count, sizeof *e->reasons, by_part_and_distance);
    mark_counted(e);
    sums.score = fifteen_sum(sums.quality);
    ucid_scores out;
    ucid_explanation_scores_get(e, &out);
    fifteen_setup setup = fifteen_prepare(index, hour);
    score_row row = fifteen_row(&setup, &sums, foot->gap, foot->island != 0);
    score_parts parts;
    fifteen_parts(&sums, &parts);
    score_write(&out, 0, &row, &parts, 1);
    return UCID_OK;
}

ucid_status ucid_explain(const ucid_index *index, double lat_deg, double lon_deg, const ucid_score_options *options,
                         ucid_explanation **explanation, ucid_error *error)
{
    const context_row *context;
    ucid_status status = score_check_options(&options, &context, error);
    if (status != UCID_OK) return status;
    if (index == NULL || explanation == NULL) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "explain needs an index and a place for the explanation");
    }
    ucid_allocator allocator = ucid_allocator_or_default(options->allocator);
    snap_foot foot;
    status = find_foot(index, lat_deg, lon_deg, &allocator, &foot, error);
    if (status != UCID_OK) return status;
    ucid_explanation *e = ucid_allocate_zero(&allocator, 1, sizeof *e);
    if (e == NULL) return ucid_fail_memory(error, "an explanation", sizeof *e);
    e->allocator = allocator;
    status = explain_foot(index, &foot, options->hour, e, error);
    if (status != UCID_OK) {
        ucid_explanation_free(e);
        return status;
    }
    *explanation = e;
    return UCID_OK;
}

void ucid_explanation_free(ucid_explanation *e)
{
    if (e == NULL) return;
    ucid_allocator allocator = e->allocator;
    ucid_release(&allocator, e->reasons, e->capacity, sizeof *e->reasons);
    ucid_release(&allocator, e, 1, sizeof *e);
}

int64_t ucid_explanation_reasons_get(const ucid_explanation *e, const ucid_reason **reasons)
{
    *reasons = e->reasons;
    return (int64_t)e->count;
}

void ucid_explanation_scores_get(const ucid_explanation *explanation, ucid_scores *scores)
{
    ucid_explanation *e = (ucid_explanation *)(uintptr_t)explanation; /* the arrays of ucid_scores are writable */
    *scores = (ucid_scores){.score = &e->score,
                            .grade = &e->grade,
                            .confidence = &e->confidence,
                            .status = &e->status,
                            .flags = &e->flags,
                            .snap_m = &e->snap_m};
    for (int p = 0; p < FIFTEEN_PARTS; p++) {
        scores->part[p] = &e->part[p];
        scores->nearest_m[p] = &e->nearest_m[p];
    }
}
