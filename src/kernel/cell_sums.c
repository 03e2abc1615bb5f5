/* cell_sums.c: groups are found by their cell's number; rows in no order are put aside by parts of the parents first.
 *
 *     cells, scores --block--> keys, values --few runs, few groups-------------> group, one look-up a run
 *                                           \-no order--> 64 parts, aside ---> groups of a part, which fit into a cache
 *
 * A key is base cell and digits of a parent; all but its last two digits are a tract, and a tract lists its at most 49
 * groups by these. A part has the tracts whose hashes begin alike. A row that is aside is 8 bytes, key and value; a
 * group is a cache line. Threads have sums of their own, which are united part by part, and only tracts are sorted, not
 * groups. Cost: O(rows); 64 to 128 bytes a group and 4 to 8 for each that its tract could have; 8 MB for what is aside.
 */
#include "kernel/cell_sums.h"

#include "kernel/cell_rows.h"
#include "rt/memory.h"
#include "rt/pool.h"

#include <string.h>

enum { PART_BITS = 6, PARTS = 1 << PART_BITS, ASIDE = 16384, AHEAD = 64 };
enum { TRACT_BITS = 6, TRACT = 1 << TRACT_BITS };
enum { RUN = 8, SMALL = 1 << 16 }; /* rows that are worth a call; that are not worth memory to be put aside */
static const uint32_t VALUE = (1u << CELL_ROWS_VALUE_BITS) - 1;
enum { FINEST_ASIDE = (64 - CELL_ROWS_VALUE_BITS - 7) / 3 };

typedef struct tract_slot {
    uint64_t number; /* of the tract + 1; 0: free */
    uint32_t tract;
} tract_slot;

typedef struct part {
    tract_slot *slots;
    size_t slot_count; /* a power of two, at least four times tract_count */
    uint32_t *tracts;  /* [tract_count][TRACT] number of a group + 1; 0: none */
    size_t tract_count, tract_capacity;
    ucid_cell_sum *sums;
    size_t count, capacity;
} part;

struct ucid_cell_sums {
    ucid_allocator allocator;
    const cell_rows_kernels *kernels;
    int resolution;
    int64_t rows;
    part parts[PARTS];
    uint32_t aside_rows[PARTS];
    uint64_t *aside; /* [PARTS][ASIDE], made when it is needed */
    ucid_cell_sum lost;
};

ucid_cell_sums *ucid_cell_sums_new(const ucid_allocator *allocator, int resolution)
{
    ucid_cell_sums *s = ucid_allocate_zero(allocator, 1, sizeof *s);
    if (s == NULL) return NULL;
    s->allocator = *allocator;
    s->kernels = cell_rows_kernels_find(NULL);
    s->resolution = resolution;
    s->lost.min = UINT16_MAX;
    return s;
}

static void part_close(const ucid_allocator *allocator, part *p)
{
    ucid_release(allocator, p->slots, p->slot_count, sizeof *p->slots);
    ucid_release(allocator, p->tracts, p->tract_capacity, TRACT * sizeof *p->tracts);
    ucid_release(allocator, p->sums, p->capacity, sizeof *p->sums);
    *p = (part){0};
}

void ucid_cell_sums_clear(ucid_cell_sums *s)
{
    for (int p = 0; p < PARTS; p++) {
        part_close(&s->allocator, &s->parts[p]);
        s->aside_rows[p] = 0;
    }
    s->lost.nulls = 0;
    s->rows = 0;
}

void ucid_cell_sums_free(ucid_cell_sums *s)
{
    if (s == NULL) return;
    ucid_allocator allocator = s->allocator;
    ucid_cell_sums_clear(s);
    ucid_release(&allocator, s->aside, (size_t)PARTS * ASIDE, sizeof *s->aside);
    ucid_release(&allocator, s, 1, sizeof *s);
}

/* --------------------------------------------------------------------------------------------------------- Groups --
 */

/* The upper bits choose the part, those below them the place in it. */
static uint64_t hash_of(uint64_t key) { return (key >> TRACT_BITS) * 0x9e3779b97f4a7c15u; }
static size_t part_of(uint64_t hash) { return (size_t)(hash >> (64 - PART_BITS)); }
static size_t slot_of(uint64_t hash, size_t slot_count) { return (size_t)(hash << PART_BITS >> 32) & (slot_count - 1); }

static int grow_slots(const ucid_allocator *allocator, part *p)
{
    size_t count = p->slot_count != 0 ? 2 * p->slot_count : 16;
    tract_slot *slots = ucid_allocate_zero(allocator, count, sizeof *slots);
    if (slots == NULL) return 0;
    for (size_t i = 0; i < p->slot_count; i++) {
        if (p->slots[i].number == 0) continue;
        size_t at = slot_of(hash_of((p->slots[i].number - 1) << TRACT_BITS), count);
        while (slots[at].number != 0) at = (at + 1) & (count - 1);
        slots[at] = p->slots[i];
    }
    ucid_release(allocator, p->slots, p->slot_count, sizeof *slots);
    p->slots = slots;
    p->slot_count = count;
    return 1;
}

/* The tract of a key that has none. */
static uint32_t *make_tract(const ucid_allocator *allocator, part *p, uint64_t key)
{
    void *tracts = p->tracts;
    if (4 * (p->tract_count + 1) > p->slot_count && !grow_slots(allocator, p)) return NULL;
    if (!ucid_grow(allocator, &tracts, &p->tract_capacity, p->tract_count + 1, TRACT * sizeof *p->tracts)) return NULL;
    p->tracts = tracts;
    size_t at = slot_of(hash_of(key), p->slot_count);
    while (p->slots[at].number != 0) at = (at + 1) & (p->slot_count - 1);
    p->slots[at] = (tract_slot){(key >> TRACT_BITS) + 1, (uint32_t)p->tract_count};
    return memset(&p->tracts[TRACT * p->tract_count++], 0, TRACT * sizeof *p->tracts);
}

static uint32_t make_group(ucid_cell_sums *s, part *p, uint64_t key, uint32_t *tract)
{
    void *sums = p->sums;
    if (tract == NULL) tract = make_tract(&s->allocator, p, key);
    if (tract == NULL || !ucid_grow(&s->allocator, &sums, &p->capacity, p->count + 1, sizeof *p->sums)) return 0;
    p->sums = sums;
    p->sums[p->count] = (ucid_cell_sum){.cell = cell_rows_cell(key, s->resolution), .min = UINT16_MAX};
    tract[key & (TRACT - 1)] = (uint32_t)++p->count;
    return tract[key & (TRACT - 1)];
}

static inline uint32_t *tract_of(const part *p, uint64_t key, uint64_t hash)
{
    if (p->slot_count == 0) return NULL;
    for (size_t at = slot_of(hash, p->slot_count);; at = (at + 1) & (p->slot_count - 1)) {
        if (p->slots[at].number == (key >> TRACT_BITS) + 1) return &p->tracts[TRACT * (size_t)p->slots[at].tract];
        if (p->slots[at].number == 0) return NULL;
    }
}

/* The number of a key's group + 1, made where there is none; 0 where memory is out. */
static inline uint32_t find(ucid_cell_sums *s, part *p, uint64_t key, uint64_t hash)
{
    uint32_t *tract = tract_of(p, key, hash), number = tract != NULL ? tract[key & (TRACT - 1)] : 0;
    return number != 0 ? number : make_group(s, p, key, tract);
}

static ucid_cell_sum *group_of(ucid_cell_sums *s, part *p, uint64_t key, uint64_t hash)
{
    uint32_t number = find(s, p, key, hash);
    return number != 0 ? &p->sums[number - 1] : NULL;
}

static void merge(ucid_cell_sum *into, const ucid_cell_sum *from)
{
    into->score += from->score;
    into->square += from->square;
    into->confidence += from->confidence;
    for (int g = 0; g < 6; g++) into->grades[g] += from->grades[g];
    into->nulls += from->nulls;
    into->min = from->min < into->min ? from->min : into->min;
    into->max = from->max > into->max ? from->max : into->max;
}

/* ----------------------------------------------------------------------------------------------------------- Rows --
 */

static inline void add_value(ucid_cell_sum *g, uint32_t value)
{
    uint32_t score = cell_rows_score(value);
    if (value >> CELL_ROWS_NULL_BIT != 0) {
        g->nulls++;
        return;
    }
    g->score += score;
    g->square += (uint64_t)score * score;
    g->confidence += cell_rows_confidence(value);
    g->grades[cell_rows_grade(value)]++;
    g->min = score < g->min ? (uint16_t)score : g->min;
    g->max = score > g->max ? (uint16_t)score : g->max;
}

/* Rows of a block, run by run. */
static int add_runs(ucid_cell_sums *s, const cell_rows *rows)
{
    int starts[CELL_ROWS_BLOCK + 1], runs = 0;
    for (int i = 0; i < rows->count; i += 8) {
        uint64_t eight;
        memcpy(&eight, rows->starts + i, sizeof eight);
        for (; eight != 0; eight &= eight - 1) starts[runs++] = i + __builtin_ctzll(eight) / 8;
    }
    starts[runs] = rows->count;
    for (int r = 0; r < runs; r++) {
        int first = starts[r], end = starts[r + 1];
        uint64_t key = rows->keys[first], hash = hash_of(key);
        if (key == CELL_ROWS_NOWHERE) {
            s->lost.nulls += (uint32_t)(end - first);
            continue;
        }
        part *p = &s->parts[part_of(hash)];
        ucid_cell_sum *g = group_of(s, p, key, hash);
        if (g == NULL) return 0;
        if (!rows->nulls && end - first >= RUN) {
            s->kernels->add_run(g, rows->values + first, end - first);
        } else {
            for (int i = first; i < end; i++) add_value(g, rows->values[i]);
        }
    }
    return 1;
}

/* Rows that were put aside go to their groups, which are fetched while those of the rows behind them are looked for. */
static int work_off(ucid_cell_sums *s, size_t number)
{
    part *p = &s->parts[number];
    const uint64_t *rows = &s->aside[number * ASIDE];
    uint32_t groups[AHEAD], count = s->aside_rows[number];
    for (uint32_t first = 0; first < count; first += AHEAD) {
        uint32_t n = count - first < AHEAD ? count - first : AHEAD;
        for (uint32_t i = 0; i < n; i++) {
            uint64_t key = rows[first + i] >> CELL_ROWS_VALUE_BITS;
            groups[i] = find(s, p, key, hash_of(key));
            if (groups[i] == 0) return 0;
            __builtin_prefetch(&p->sums[groups[i] - 1], 1);
        }
        for (uint32_t i = 0; i < n; i++) add_value(&p->sums[groups[i] - 1], (uint32_t)rows[first + i] & VALUE);
    }
    s->aside_rows[number] = 0;
    return 1;
}

static int put_aside(ucid_cell_sums *s, const cell_rows *rows)
{
    if (s->aside == NULL) {
        s->aside = ucid_allocate(&s->allocator, (size_t)PARTS * ASIDE, sizeof *s->aside);
        if (s->aside == NULL) return 0;
    }
    for (int i = 0; i < rows->count; i++) {
        uint64_t key = rows->keys[i];
        if (key == CELL_ROWS_NOWHERE) {
            s->lost.nulls++;
            continue;
        }
        size_t number = part_of(hash_of(key));
        s->aside[number * ASIDE + s->aside_rows[number]++] = key << CELL_ROWS_VALUE_BITS | rows->values[i];
        if (s->aside_rows[number] == ASIDE && !work_off(s, number)) return 0;
    }
    return 1;
}

int ucid_cell_sums_add(ucid_cell_sums *s, int64_t n, const uint64_t *cells, const ucid_aggregate_rows *rows)
{
    cell_rows block;
    for (int64_t first = 0; first < n; first += CELL_ROWS_BLOCK) {
        s->rows += CELL_ROWS_BLOCK;
        block.count = n - first < CELL_ROWS_BLOCK ? (int)(n - first) : CELL_ROWS_BLOCK;
        s->kernels->read(cells, rows, first, s->resolution, &block);
        int direct = 4 * block.runs <= block.count || s->rows < SMALL || s->resolution > FINEST_ASIDE;
        if (!(direct ? add_runs(s, &block) : put_aside(s, &block))) return 0;
    }
    return 1;
}

/* --------------------------------------------------------------------------------------------------------- Taking --
 */

typedef struct take_job {
    ucid_cell_sums *const *list;
    int count;
    int failed[PARTS];
} take_job;

/* One part of all sums becomes that of the first. */
static void unite(void *ctx, int64_t number, int worker)
{
    (void)worker;
    take_job *job = ctx;
    ucid_cell_sums *into = job->list[0];
    part *p = &into->parts[number];
    for (int k = 0; k < job->count && !job->failed[number]; k++) {
        ucid_cell_sums *s = job->list[k];
        part *from = &s->parts[number];
        job->failed[number] = s->aside_rows[number] > 0 && !work_off(s, (size_t)number);
        for (size_t i = 0; k > 0 && i < from->count && !job->failed[number]; i++) {
            uint64_t key = cell_rows_key(from->sums[i].cell, s->resolution);
            ucid_cell_sum *g = group_of(into, p, key, hash_of(key));
            if (g != NULL) merge(g, &from->sums[i]);
            job->failed[number] = g == NULL;
        }
        if (k > 0 && !job->failed[number]) part_close(&s->allocator, from);
    }
}

typedef struct tract_place {
    uint64_t number; /* of the tract + 1 */
    uint32_t part, tract;
} tract_place;

/* By number, a byte a pass, bytes that all share left out. */
static void sort_tracts(tract_place *tracts, tract_place *spare, size_t count)
{
    tract_place *from = tracts, *to = spare;
    for (int shift = 0; shift < 64; shift += 8) {
        size_t first[257] = {0};
        for (size_t i = 0; i < count; i++) first[(from[i].number >> shift & 255) + 1]++;
        if (count == 0 || first[(from[0].number >> shift & 255) + 1] == count) continue;
        for (int b = 0; b < 256; b++) first[b + 1] += first[b];
        for (size_t i = 0; i < count; i++) to[first[from[i].number >> shift & 255]++] = from[i];
        tract_place *swap = from;
        from = to;
        to = swap;
    }
    if (from != tracts) memcpy(tracts, from, count * sizeof *tracts);
}

int ucid_cell_sums_take(ucid_cell_sums *const *list, int count, int threads, ucid_cell_order *out)
{
    take_job job = {list, count, {0}};
    ucid_cell_sums *s = list[0];
    size_t groups = 0, tracts = 0, at = 0, failed = 0;
    ucid_parallel(threads, PARTS, unite, &job);
    for (size_t p = 0; p < PARTS; p++) {
        groups += s->parts[p].count;
        tracts += s->parts[p].tract_count;
        failed += job.failed[p] != 0;
    }
    if (failed > 0) return 0;
    for (int k = 1; k < count; k++) {
        merge(&s->lost, &list[k]->lost);
        ucid_cell_sums_clear(list[k]);
    }
    size_t capacity = groups + 1;
    const ucid_cell_sum **order = ucid_allocate(&s->allocator, capacity, sizeof *order);
    tract_place *places = ucid_allocate(&s->allocator, 2 * tracts, sizeof *places);
    if (order == NULL || places == NULL) {
        ucid_release(&s->allocator, order, capacity, sizeof *order);
        ucid_release(&s->allocator, places, 2 * tracts, sizeof *places);
        return 0;
    }
    for (uint32_t p = 0; p < PARTS; p++) {
        for (size_t i = 0; i < s->parts[p].slot_count; i++) {
            const tract_slot *slot = &s->parts[p].slots[i];
            if (slot->number != 0) places[at++] = (tract_place){slot->number, p, slot->tract};
        }
    }
    sort_tracts(places, places + tracts, tracts);
    at = 0;
    if (s->lost.nulls > 0) order[at++] = &s->lost;
    for (size_t i = 0; i < tracts; i++) {
        const part *p = &s->parts[places[i].part];
        const uint32_t *tract = &p->tracts[TRACT * (size_t)places[i].tract];
        for (int k = 0; k < TRACT; k++) {
            if (tract[k] != 0) order[at++] = &p->sums[tract[k] - 1];
        }
    }
    ucid_release(&s->allocator, places, 2 * tracts, sizeof *places);
    *out = (ucid_cell_order){order, at, capacity};
    return 1;
}

int ucid_cell_sums_add_groups(ucid_cell_sums *s, const ucid_cell_order *finer)
{
    ucid_cell_sum *g = NULL;
    uint64_t last = CELL_ROWS_NOWHERE;
    for (size_t i = 0; i < finer->count; i++) {
        const ucid_cell_sum *from = finer->groups[i];
        if (i + AHEAD < finer->count) __builtin_prefetch(finer->groups[i + AHEAD]);
        if (from->cell == 0) {
            merge(&s->lost, from);
            continue;
        }
        uint64_t key = cell_rows_key(from->cell, s->resolution), hash = hash_of(key);
        if (key != last) g = group_of(s, &s->parts[part_of(hash)], key, hash);
        if (g == NULL) return 0;
        merge(g, from);
        last = key;
    }
    return 1;
}
