/* build_near.c: the nearest opportunities of every node, then of every edge.
 *
 * One search a part, from all of its opportunities at once: labels (distance, node, opportunity) leave a queue by
 * distance, then opportunity; a node takes the first k of different opportunities and passes each on. What a node does
 * not take, no node behind it can need, since its k nearer ones lie on the same way. Lengths are integers up to the
 * cutoff, so the queue is an array of lists, one for each distance; edges are at least one unit long, so a list is
 * complete when its turn comes, and is sorted then. */
#include "index/build.h"
#include "index/tags.h"
#include "rt/error.h"
#include "rt/memory.h"
#include "rt/pool.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS = TAGS_PARTS + 1, NEAREST_MAX = 3 };
#define NO_LABEL UINT32_MAX

/* k slots a node; distance UCIDX_FAR: empty, and so are those behind it. */
typedef struct part_lists {
    uint32_t k;
    uint16_t *distance;    /* [nodes * k] */
    uint32_t *opportunity; /* [nodes * k] */
} part_lists;

typedef struct label {
    uint32_t node, opportunity, next;
} label;

typedef struct search {
    const build *b;
    part_lists *lists;
    label *labels;
    size_t label_count, label_capacity;
    uint32_t free;    /* list of labels that may be used again */
    uint32_t *bucket; /* [cutoff + 1]: list of labels */
    uint64_t *turn;   /* labels of the distance whose turn it is: opportunity << 32 | node */
    size_t turn_capacity;
} search;

typedef struct searching {
    build *b;
    part_lists *lists; /* [PARTS] */
    atomic_int failed;
} searching;

static int push(search *s, uint64_t distance, uint32_t node, uint32_t opportunity)
{
    if (distance > s->b->cutoff) return 1;
    const part_lists *l = s->lists;
    size_t slot = (size_t)node * l->k;
    for (uint32_t i = 0; i < l->k; i++) {
        if (l->distance[slot + i] == UCIDX_FAR) break;
        if (i + 1 == l->k || l->opportunity[slot + i] == opportunity) return 1;
    }
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
    return 1;
}

static int by_key(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static int settle(search *s, uint32_t distance, uint32_t node, uint32_t opportunity)
{
    const build *b = s->b;
    part_lists *l = s->lists;
    size_t slot = (size_t)node * l->k;
    uint32_t taken = 0;
    for (; taken < l->k && l->distance[slot + taken] != UCIDX_FAR; taken++) {
        if (l->opportunity[slot + taken] == opportunity) return 1;
    }
    if (taken == l->k) return 1;
    l->distance[slot + taken] = (uint16_t)distance;
    l->opportunity[slot + taken] = opportunity;
    for (uint32_t i = b->first_arc[node]; i < b->first_arc[node + 1]; i++) {
        const build_edge *edge = &b->edges[b->arcs[i]];
        uint32_t other = edge->a == node ? edge->b : edge->a;
        if (!push(s, (uint64_t)distance + edge->length, other, opportunity)) return 0;
    }
    return 1;
}

static int drain(search *s)
{
    for (uint32_t distance = 0; distance <= s->b->cutoff; distance++) {
        size_t count = 0;
        for (uint32_t at = s->bucket[distance]; at != NO_LABEL;) {
            if (count == s->turn_capacity) {
                void *grown = s->turn;
                if (!ucid_grow(&s->b->allocator, &grown, &s->turn_capacity, count + 1, sizeof *s->turn)) return 0;
                s->turn = grown;
            }
            s->turn[count++] = (uint64_t)s->labels[at].opportunity << 32 | s->labels[at].node;
            uint32_t next = s->labels[at].next;
            s->labels[at].next = s->free;
            s->free = at;
            at = next;
        }
        if (count > 1) qsort(s->turn, count, sizeof *s->turn, by_key);
        for (size_t i = 0; i < count; i++) {
            if (!settle(s, distance, (uint32_t)s->turn[i], (uint32_t)(s->turn[i] >> 32))) return 0;
        }
    }
    return 1;
}

static void search_part(void *ctx, int64_t task, int worker)
{
    searching *all = ctx;
    const build *b = all->b;
    search s = {.b = b, .lists = &all->lists[task], .free = NO_LABEL};
    (void)worker;
    s.bucket = ucid_allocate(&b->allocator, b->cutoff + 1, sizeof *s.bucket);
    int done = s.bucket != NULL;
    for (uint32_t d = 0; done && d <= b->cutoff; d++) s.bucket[d] = NO_LABEL;
    if (task == UCIDX_PART_END) {
        /* all ends are one: only the distance to the nearest matters */
        for (uint32_t n = 0; n < b->node_count && done; n++) {
            if (b->nodes[n].flags & 1) done = push(&s, 0, n, 0);
        }
    } else {
        for (uint32_t o = 0; o < b->opportunity_count && done; o++) {
            const ucidx_opportunity *of = &b->opportunities[o];
            if (of->part == task) done = push(&s, of->gap, of->node, o);
        }
    }
    if (done) done = drain(&s);
    ucid_release(&b->allocator, s.bucket, b->cutoff + 1, sizeof *s.bucket);
    ucid_release(&b->allocator, s.labels, s.label_capacity, sizeof *s.labels);
    ucid_release(&b->allocator, s.turn, s.turn_capacity, sizeof *s.turn);
    if (!done) atomic_store(&all->failed, 1);
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
        for (uint32_t i = 0; i < lists->k && lists->distance[slot + i] != UCIDX_FAR; i++) {
            uint32_t opportunity = lists->opportunity[slot + i], at = 0;
            while (at < count && out[at].opportunity != opportunity) at++;
            if (at == count) {
                uint8_t what = 0;
                if (part != UCIDX_PART_END) {
                    const ucidx_opportunity *o = &b->opportunities[opportunity];
                    what = (uint8_t)((o->name != 0 ? UCIDX_NAMED : 0) | o->quality << 4);
                }
                out[count++] = (edge_entry){opportunity, UCIDX_FAR, UCIDX_FAR, what};
            }
            if (end) {
                out[at].b = lists->distance[slot + i];
            } else {
                out[at].a = lists->distance[slot + i];
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

static ucid_status make_entries(build *b, const part_lists *lists)
{
    size_t capacity = 0;
    b->first_entry = build_take(b, b->edge_count + 1, sizeof *b->first_entry, "entries");
    if (b->first_entry == NULL) return UCID_NO_MEMORY;
    for (size_t e = 0; e < b->edge_count; e++) {
        edge_entry all[PARTS][2 * NEAREST_MAX];
        uint32_t counts[PARTS], blocks = 0;
        for (uint8_t part = 0; part < PARTS; part++) {
            counts[part] = merge_ends(b, &lists[part], part, &b->edges[e], all[part]);
            if (counts[part] > blocks) blocks = counts[part];
        }
        b->first_entry[e] = (uint32_t)b->entry_count;
        if (!BUILD_ROOM(b, b->entries, capacity, b->entry_count + blocks, "entries")) return UCID_NO_MEMORY;
        for (uint32_t i = 0; i < blocks; i++) {
            ucidx_entries *block = &b->entries[b->entry_count++];
            *block = (ucidx_entries){.a = {[PARTS] = UCIDX_FAR}, .b = {[PARTS] = UCIDX_FAR}};
            for (uint8_t part = 0; part < PARTS; part++) {
                int filled = i < counts[part];
                block->a[part] = filled ? all[part][i].a : UCIDX_FAR;
                block->b[part] = filled ? all[part][i].b : UCIDX_FAR;
                block->what[part] = filled ? all[part][i].what : 0;
            }
        }
        if (b->entry_count > UINT32_MAX) {
            return ucid_fail(b->error, UCID_UNSUPPORTED_FORMAT, "%s: too large for one index; split it by region",
                             b->path);
        }
    }
    b->first_entry[b->edge_count] = (uint32_t)b->entry_count;
    return UCID_OK;
}

ucid_status build_near(build *b)
{
    part_lists lists[PARTS];
    for (int part = 0; part < PARTS; part++) {
        part_lists *l = &lists[part];
        l->k = part == UCIDX_PART_END ? 1 : tags_nearest[part];
        l->distance = build_take(b, b->node_count * l->k, sizeof *l->distance, "nearest opportunities");
        l->opportunity = build_take(b, b->node_count * l->k, sizeof *l->opportunity, "nearest opportunities");
        if (l->distance == NULL || l->opportunity == NULL) return UCID_NO_MEMORY;
        memset(l->distance, 0xFF, b->node_count * l->k * sizeof *l->distance);
    }
    searching all = {.b = b, .lists = lists};
    ucid_parallel(b->threads, PARTS, search_part, &all);
    if (atomic_load(&all.failed)) return ucid_fail_memory(b->error, "nearest opportunities", 0);
    ucid_status status = make_entries(b, lists);
    for (int part = 0; part < PARTS; part++) {
        build_drop(b, lists[part].distance);
        build_drop(b, lists[part].opportunity);
    }
    return status;
}
