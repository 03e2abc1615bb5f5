/* build_near.c: the nearest opportunities of every node, then of every edge.
 *
 * A node keeps, of each part, the k nearest opportunities by (distance, opportunity). What a node does not keep, no
 * node behind it can need, since its k nearer ones lie on the same way: so a search that runs from some opportunities
 * at once ends where enough nearer ones are known. One search runs from the opportunities of a stretch of nodes; nodes
 * lie in Hilbert order, so a stretch is a patch of the map, and what a search touches fits the cache however large the
 * map is:
 *
 *     stretch of nodes --its opportunities--> labels by distance --> lists of the nodes around --> next stretch
 *
 * Lengths are integers up to the cutoff, so the queue is an array of lists, one for each distance. The order of
 * searches decides nothing: a list ends as the k least of all that reach its node. */
#include "index/build.h"
#include "index/tags.h"
#include "rt/error.h"
#include "rt/memory.h"
#include "rt/pool.h"

#include <stdatomic.h>
#include <string.h>

enum { PARTS = TAGS_PARTS + 1, NEAREST_MAX = 3, STRETCH = 8192, CHUNK = 4096 };
#define NO_LABEL UINT32_MAX

/* k slots a node, ascending: distance << 32 | opportunity; NOTHING: empty, and so are those behind it. */
typedef struct part_lists {
    uint32_t k;
    uint64_t *slots; /* [nodes * k] */
} part_lists;
#define NOTHING UINT64_MAX

static uint32_t distance_of(uint64_t slot) { return (uint32_t)(slot >> 32); }

typedef struct near_arc {
    uint32_t node, length;
} near_arc;

typedef struct label {
    uint32_t node, opportunity, next;
} label;

typedef struct search {
    const build *b;
    const near_arc *arcs; /* as build.arcs, from build.first_arc */
    part_lists *lists;
    label *labels;
    size_t label_count, label_capacity;
    uint32_t free;    /* list of labels that may be used again */
    uint32_t waiting; /* labels in buckets */
    uint32_t *bucket; /* [cutoff + 1]: list of labels */
} search;

typedef struct searching {
    build *b;
    const near_arc *arcs;
    part_lists *lists; /* [PARTS] */
    atomic_int failed;
} searching;

/* Where an opportunity belongs in a node's list; k: nowhere, or it is there already, and then as near. */
static uint32_t place_in(const part_lists *l, const uint64_t *slots, uint64_t slot)
{
    uint32_t at = 0;
    for (; at < l->k && slots[at] < slot; at++) {
        if ((uint32_t)slots[at] == (uint32_t)slot) return l->k;
    }
    return at < l->k && slots[at] == slot ? l->k : at;
}

static int push(search *s, uint64_t distance, uint32_t node, uint32_t opportunity)
{
    if (distance > s->b->cutoff) return 1;
    const part_lists *l = s->lists;
    if (place_in(l, &l->slots[(size_t)node * l->k], distance << 32 | opportunity) == l->k) return 1;
    uint32_t at = s->free;
    if (at != NO_LABEL) {
        s->free = s->labels[at].next;
    } else {
        void *grown = s->labels;
        if (s->label_count == NO_LABEL ||
            !ucid_grow(&s->b->allocator, &grown, &s->label_capacity, s->label_count + 1, sizeof *s->labels)) {
            return 0;
        }
        s->labels = grown;
        at = (uint32_t)s->label_count++;
    }
    s->labels[at] = (label){node, opportunity, s->bucket[distance]};
    s->bucket[distance] = at;
    s->waiting++;
    return 1;
}

static int settle(search *s, uint32_t distance, uint32_t node, uint32_t opportunity)
{
    const part_lists *l = s->lists;
    uint64_t *slots = &l->slots[(size_t)node * l->k], slot = (uint64_t)distance << 32 | opportunity;
    uint32_t at = place_in(l, slots, slot);
    if (at == l->k) return 1;
    for (uint32_t i = l->k - 1; i > at; i--) slots[i] = slots[i - 1];
    slots[at] = slot;
    for (uint32_t i = s->b->first_arc[node]; i < s->b->first_arc[node + 1]; i++) {
        if (!push(s, (uint64_t)distance + s->arcs[i].length, s->arcs[i].node, opportunity)) return 0;
    }
    return 1;
}

static int drain(search *s)
{
    for (uint32_t distance = 0; s->waiting > 0; distance++) {
        /* edges are at least one unit long, so nothing joins a list whose turn it is */
        for (uint32_t at = s->bucket[distance]; at != NO_LABEL;) {
            label settled = s->labels[at];
            s->labels[at].next = s->free;
            s->free = at;
            s->waiting--;
            at = settled.next;
            if (!settle(s, distance, settled.node, settled.opportunity)) return 0;
        }
        s->bucket[distance] = NO_LABEL;
    }
    return 1;
}

/* Opportunities are in the order of their nodes. */
static int search_stretches(search *s, uint32_t part)
{
    const build *b = s->b;
    size_t o = 0;
    for (size_t start = 0; start < b->node_count; start += STRETCH) {
        size_t end = b->node_count - start < STRETCH ? b->node_count : start + STRETCH;
        if (part == UCIDX_PART_END) {
            /* all ends are one: only the distance to the nearest matters */
            for (size_t n = start; n < end; n++) {
                if ((b->nodes[n].flags & 1) && !push(s, 0, (uint32_t)n, 0)) return 0;
            }
        }
        for (; part != UCIDX_PART_END && o < b->opportunity_count && b->opportunities[o].node < end; o++) {
            const ucidx_opportunity *of = &b->opportunities[o];
            if (of->part == part && !push(s, of->gap, of->node, (uint32_t)o)) return 0;
        }
        if (!drain(s)) return 0;
    }
    return 1;
}

static void search_part(void *ctx, int64_t task, int worker)
{
    searching *all = ctx;
    const build *b = all->b;
    search s = {.b = b, .arcs = all->arcs, .lists = &all->lists[task], .free = NO_LABEL};
    (void)worker;
    memset(s.lists->slots, 0xFF, b->node_count * s.lists->k * sizeof *s.lists->slots);
    s.bucket = ucid_allocate(&b->allocator, b->cutoff + 1, sizeof *s.bucket);
    if (s.bucket != NULL) memset(s.bucket, 0xFF, (b->cutoff + 1) * sizeof *s.bucket);
    if (s.bucket == NULL || !search_stretches(&s, (uint32_t)task)) atomic_store(&all->failed, 1);
    ucid_release(&b->allocator, s.bucket, b->cutoff + 1, sizeof *s.bucket);
    ucid_release(&b->allocator, s.labels, s.label_capacity, sizeof *s.labels);
}

typedef struct edge_entry {
    uint32_t opportunity;
    uint16_t a, b;
    uint8_t what;
} edge_entry;

static int goes_before(const edge_entry *left, const edge_entry *right)
{
    uint32_t l = left->a < left->b ? left->a : left->b, r = right->a < right->b ? right->a : right->b;
    if (l != r) return l < r;
    if ((left->what ^ right->what) & UCIDX_NAMED) return (left->what & UCIDX_NAMED) != 0;
    return left->opportunity < right->opportunity;
}

/* Entries of one part of an edge, nearest first. */
static uint32_t merge_ends(const build *b, const part_lists *lists, uint8_t part, const build_edge *edge,
                           edge_entry out[2 * NEAREST_MAX])
{
    uint32_t count = 0;
    for (int end = 0; end < 2; end++) {
        size_t slot = (size_t)(end ? edge->b : edge->a) * lists->k;
        for (uint32_t i = 0; i < lists->k && lists->slots[slot + i] != NOTHING; i++) {
            uint32_t opportunity = (uint32_t)lists->slots[slot + i], at = 0;
            uint16_t distance = (uint16_t)distance_of(lists->slots[slot + i]);
            while (at < count && out[at].opportunity != opportunity) at++;
            if (at == count) {
                uint8_t what = 0;
                if (part != UCIDX_PART_END) {
                    const ucidx_opportunity *o = &b->opportunities[opportunity];
                    what = (uint8_t)((o->name != 0 ? UCIDX_NAMED : 0) | o->quality << UCIDX_QUALITY_SHIFT);
                }
                out[count++] = (edge_entry){opportunity, UCIDX_FAR, UCIDX_FAR, what};
            }
            if (end) {
                out[at].b = distance;
            } else {
                out[at].a = distance;
            }
        }
    }
    for (uint32_t i = 1; i < count; i++) {
        edge_entry moved = out[i];
        uint32_t at = i;
        for (; at > 0 && goes_before(&moved, &out[at - 1]); at--) out[at] = out[at - 1];
        out[at] = moved;
    }
    return count;
}

/* How many merge_ends would give. */
static uint32_t count_ends(const part_lists *lists, const build_edge *edge)
{
    const uint64_t *a = &lists->slots[(size_t)edge->a * lists->k], *z = &lists->slots[(size_t)edge->b * lists->k];
    uint32_t of_a = 0, of_z = 0, of_both = 0;
    while (of_a < lists->k && a[of_a] != NOTHING) of_a++;
    while (of_z < lists->k && z[of_z] != NOTHING) of_z++;
    for (uint32_t i = 0; i < of_a; i++) {
        for (uint32_t k = 0; k < of_z; k++) of_both += (uint32_t)a[i] == (uint32_t)z[k];
    }
    return of_a + of_z - of_both;
}

typedef struct making {
    build *b;
    const part_lists *lists; /* [PARTS] */
} making;

/* Blocks of the edges of a chunk, for now in place of the first ones. */
static void count_chunk(void *ctx, int64_t task, int worker)
{
    const making *m = ctx;
    build *b = m->b;
    (void)worker;
    for (size_t e = (size_t)task * CHUNK; e < b->edge_count && e < (size_t)(task + 1) * CHUNK; e++) {
        uint32_t blocks = 0;
        for (int part = 0; part < PARTS; part++) {
            uint32_t count = count_ends(&m->lists[part], &b->edges[e]);
            if (count > blocks) blocks = count;
        }
        b->first_entry[e] = blocks;
    }
}

static void make_chunk(void *ctx, int64_t task, int worker)
{
    const making *m = ctx;
    build *b = m->b;
    (void)worker;
    for (size_t e = (size_t)task * CHUNK; e < b->edge_count && e < (size_t)(task + 1) * CHUNK; e++) {
        ucidx_entries *blocks = b->entries + b->first_entry[e], *end = b->entries + b->first_entry[e + 1];
        for (ucidx_entries *block = blocks; block < end; block++) block->what = 0;
        for (uint8_t part = 0; part < PARTS; part++) {
            edge_entry all[2 * NEAREST_MAX];
            uint32_t count = merge_ends(b, &m->lists[part], part, &b->edges[e], all), i = 0;
            for (ucidx_entries *block = blocks; block < end; block++, i++) {
                int filled = i < count;
                block->a[part] = filled ? all[i].a : UCIDX_FAR;
                block->b[part] = filled ? all[i].b : UCIDX_FAR;
                if (filled) block->what |= (uint32_t)all[i].what << UCIDX_WHAT_BITS * part;
            }
        }
    }
}

static ucid_status make_entries(build *b, const part_lists *lists)
{
    making m = {b, lists};
    int64_t chunks = (int64_t)((b->edge_count + CHUNK - 1) / CHUNK);
    b->first_entry = build_take(b, b->edge_count + 1, sizeof *b->first_entry, "entries");
    if (b->first_entry == NULL) return UCID_NO_MEMORY;
    ucid_parallel(b->threads, chunks, count_chunk, &m);
    uint64_t first = 0;
    for (size_t e = 0; e < b->edge_count; e++) {
        uint32_t blocks = b->first_entry[e];
        b->first_entry[e] = (uint32_t)first;
        first += blocks;
    }
    if (first > UINT32_MAX) {
        return ucid_fail(b->error, UCID_UNSUPPORTED_FORMAT, "%s: too large for one index; split it by region", b->path);
    }
    b->first_entry[b->edge_count] = (uint32_t)first;
    b->entry_count = (size_t)first;
    b->entries = build_take(b, b->entry_count, sizeof *b->entries, "entries");
    if (b->entries == NULL) return UCID_NO_MEMORY;
    ucid_parallel(b->threads, chunks, make_chunk, &m);
    return UCID_OK;
}

typedef struct lining {
    const build *b;
    near_arc *arcs;
} lining;

static void line_arcs(void *ctx, int64_t task, int worker)
{
    const lining *l = ctx;
    const build *b = l->b;
    (void)worker;
    for (uint32_t n = (uint32_t)task * CHUNK; n < b->node_count && n < (uint32_t)(task + 1) * CHUNK; n++) {
        for (uint32_t i = b->first_arc[n]; i < b->first_arc[n + 1]; i++) {
            const build_edge *edge = &b->edges[b->arcs[i]];
            l->arcs[i] = (near_arc){edge->a == n ? edge->b : edge->a, edge->length};
        }
    }
}

ucid_status build_near(build *b)
{
    part_lists lists[PARTS];
    near_arc *arcs = build_take(b, 2 * b->edge_count, sizeof *arcs, "nearest opportunities");
    if (arcs == NULL) return UCID_NO_MEMORY;
    lining l = {b, arcs};
    ucid_parallel(b->threads, (int64_t)((b->node_count + CHUNK - 1) / CHUNK), line_arcs, &l);
    for (int part = 0; part < PARTS; part++) {
        part_lists *of = &lists[part];
        of->k = part == UCIDX_PART_END ? 1 : tags_nearest[part];
        of->slots = build_take(b, b->node_count * of->k, sizeof *of->slots, "nearest opportunities");
        if (of->slots == NULL) return UCID_NO_MEMORY;
    }
    searching all = {.b = b, .arcs = arcs, .lists = lists};
    ucid_parallel(b->threads, PARTS, search_part, &all);
    build_drop(b, arcs);
    if (atomic_load(&all.failed)) return ucid_fail_memory(b->error, "nearest opportunities", 0);
    ucid_status status = make_entries(b, lists);
    for (int part = 0; part < PARTS; part++) build_drop(b, lists[part].slots);
    return status;
}
