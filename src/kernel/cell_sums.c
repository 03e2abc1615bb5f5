/* cell_sums.c: blocks of rows become parents and values; runs of one parent are summed at once, and rows in no order
 * are put aside by parts of the parents first.
 *
 *     cells, scores --block--> parents, values --ascending runs----------> group behind the last one
 *                                              \-other runs-------------> group, one look-up a run
 *                                               \-no order--> 256 parts --> groups of a part, which fit into a cache
 *
 * A row that is aside is 8 bytes: base cell and digits of its parent, and its value. Groups are a cache line each, in
 * pieces where they come in order, else in a table a part; one cell may be in several places until all are taken. Cost:
 * O(rows); 64 to 170 bytes a group, and 8 MB for what is aside. */
#include "kernel/cell_sums.h"

#include "id/cell.h"
#include "rt/memory.h"

#include <string.h>

enum { PIECE = 4096 };
enum { BLOCK = 512, PART_BITS = 8, PARTS = 1 << PART_BITS, ASIDE = 4096, AHEAD = 8 };
enum { SCORE_BITS = 14, CONFIDENCE_BITS = 7, GRADE_BITS = 3, NULL_BIT = SCORE_BITS + CONFIDENCE_BITS + GRADE_BITS };
enum { MISSING = (1 << SCORE_BITS) - 1 };
enum { VALUE_BITS = NULL_BIT + 1, FINEST_ASIDE = (64 - VALUE_BITS - 7) / 3 };

typedef struct part {
    ucid_cell_sum *sums;
    size_t count, capacity; /* 2^bits */
    int bits;
    uint32_t aside; /* rows */
} part;

/* Groups in the order of their cells; those of the next piece are behind them. */
typedef struct piece {
    ucid_cell_sum *sums; /* [PIECE] */
    size_t count;
} piece;

struct ucid_cell_sums {
    ucid_allocator allocator;
    int resolution, unused; /* bits of a parent below its digits */
    part parts[PARTS];
    piece *pieces;
    size_t piece_count, piece_capacity;
    uint64_t *aside; /* [PARTS][ASIDE], made when it is needed */
    int64_t nowhere;
};

ucid_cell_sums *ucid_cell_sums_new(const ucid_allocator *allocator, int resolution)
{
    ucid_cell_sums *s = ucid_allocate_zero(allocator, 1, sizeof *s);
    if (s == NULL) return NULL;
    s->allocator = *allocator;
    s->resolution = resolution;
    s->unused = 45 - 3 * resolution;
    return s;
}

void ucid_cell_sums_clear(ucid_cell_sums *s)
{
    for (int p = 0; p < PARTS; p++) {
        ucid_release(&s->allocator, s->parts[p].sums, s->parts[p].capacity, sizeof(ucid_cell_sum));
        s->parts[p] = (part){0};
    }
    for (size_t i = 0; i < s->piece_count; i++) {
        ucid_release(&s->allocator, s->pieces[i].sums, PIECE, sizeof(ucid_cell_sum));
    }
    s->piece_count = 0;
    s->nowhere = 0;
}

void ucid_cell_sums_free(ucid_cell_sums *s)
{
    if (s == NULL) return;
    ucid_allocator allocator = s->allocator;
    ucid_cell_sums_clear(s);
    ucid_release(&allocator, s->pieces, s->piece_capacity, sizeof *s->pieces);
    ucid_release(&allocator, s->aside, (size_t)PARTS * ASIDE, sizeof *s->aside);
    ucid_release(&allocator, s, 1, sizeof *s);
}

/* --------------------------------------------------------------------------------------------------------- Groups --
 */

/* Base cell and digits alone are hashed: bits that all cells share would make low bits of the product equal. The upper
 * bits choose the part, those below them the place in it. */
static uint64_t hash_of(uint64_t cell, int unused) { return (cell >> unused) * 0x9e3779b97f4a7c15u; }
static size_t part_of(uint64_t hash) { return (size_t)(hash >> (64 - PART_BITS)); }
static size_t place_of(uint64_t hash, int bits) { return (size_t)(hash << PART_BITS >> (64 - bits)); }

static int grow_part(const ucid_allocator *allocator, part *p, int unused)
{
    int bits = p->capacity != 0 ? p->bits + 1 : 6;
    size_t capacity = (size_t)1 << bits;
    ucid_cell_sum *sums = ucid_allocate_zero(allocator, capacity, sizeof *sums);
    if (sums == NULL) return 0;
    for (size_t i = 0; i < p->capacity; i++) {
        if (p->sums[i].cell == 0) continue;
        size_t at = place_of(hash_of(p->sums[i].cell, unused), bits);
        while (sums[at].cell != 0) at = (at + 1) & (capacity - 1);
        sums[at] = p->sums[i];
    }
    ucid_release(allocator, p->sums, p->capacity, sizeof *sums);
    p->sums = sums;
    p->capacity = capacity;
    p->bits = bits;
    return 1;
}

/* Place for one group more, so that find need not ask. */
static int reserve(ucid_cell_sums *s, part *p)
{
    return 4 * (p->count + 1) <= 3 * p->capacity || grow_part(&s->allocator, p, s->unused);
}

static ucid_cell_sum *find(part *p, uint64_t cell, uint64_t hash)
{
    size_t at = place_of(hash, p->bits);
    for (; p->sums[at].cell != cell; at = (at + 1) & (p->capacity - 1)) {
        if (p->sums[at].cell != 0) continue;
        p->count++;
        p->sums[at].cell = cell;
        p->sums[at].min = UINT16_MAX;
        break;
    }
    return &p->sums[at];
}

/* The group of a run: the last one, one behind it, or, where the cell is a lower one, one of a part. NULL: no memory.
 */
static ucid_cell_sum *group_of(ucid_cell_sums *s, uint64_t cell)
{
    piece *last = s->piece_count > 0 ? &s->pieces[s->piece_count - 1] : NULL;
    ucid_cell_sum *end = last != NULL ? &last->sums[last->count - 1] : NULL;
    if (end != NULL && end->cell == cell) return end;
    if (end != NULL && end->cell > cell) {
        uint64_t hash = hash_of(cell, s->unused);
        part *p = &s->parts[part_of(hash)];
        return reserve(s, p) ? find(p, cell, hash) : NULL;
    }
    if (last == NULL || last->count == PIECE) {
        void *pieces = s->pieces;
        ucid_cell_sum *sums = ucid_allocate(&s->allocator, PIECE, sizeof *sums);
        if (sums == NULL || !ucid_grow(&s->allocator, &pieces, &s->piece_capacity, s->piece_count + 1, sizeof *last)) {
            ucid_release(&s->allocator, sums, PIECE, sizeof *sums);
            return NULL;
        }
        s->pieces = pieces;
        last = &s->pieces[s->piece_count++];
        *last = (piece){sums, 0};
    }
    last->sums[last->count] = (ucid_cell_sum){.cell = cell, .min = UINT16_MAX};
    return &last->sums[last->count++];
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

/* --------------------------------------------------------------------------------------------------------- Blocks --
 */

/* Parents of n cells. Where all have the mode, resolution and base cell of the first, as cells of one region have, only
 * digits are looked at. */
static void find_parents(const uint64_t *cells, int n, int resolution, uint64_t *parents)
{
    static const uint64_t ones = 01111111111111111u;
    int fine = (int)(cells[0] >> 52 & 15);
    uint64_t first = cells[0], unused = ((uint64_t)1 << (45 - 3 * fine)) - 1, digits = 0x1FFFFFFFFFFFu & ~unused;
    uint64_t filled = ((uint64_t)1 << (45 - 3 * resolution)) - 1, keep = ~((uint64_t)15 << 52 | filled);
    uint64_t added = (uint64_t)resolution << 52 | filled, differs = 0, wrong = 0;
    for (int i = 0; i < n; i++) {
        uint64_t cell = cells[i], used = cell & digits;
        differs |= cell ^ first;
        wrong |= (~cell & unused) | (used & used >> 1 & used >> 2 & ones);
        parents[i] = (cell & keep) | added;
    }
    /* A pentagon has no child 1; what its cells may be is left to the other way. */
    uint64_t child = (first & (uint64_t)0xFF << 56) | (first & (uint64_t)127 << 45) | (uint64_t)1 << 52 |
                     (uint64_t)1 << 42 | (((uint64_t)1 << 42) - 1);
    if (differs >> 45 == 0 && wrong == 0 && fine >= resolution && ucid_cell_bits_valid(child)) return;
    for (int i = 0; i < n; i++) parents[i] = ucid_cell_parent_bits(cells[i], resolution);
}

/* Hundredths of values 0..most; MISSING for others. The check is of doubles alone and what follows of integers alone,
 * so that compilers make vectors of both. */
static void find_hundredths(const double *values, int n, double most, uint32_t *hundredths)
{
    for (int i = 0; i < n; i++) {
        double value = values[i], fits = ((value >= 0.0) & (value <= most)) ? value : MISSING / 100.0;
        hundredths[i] = (uint32_t)(int32_t)(fits * 100.0 + 0.5);
    }
}

/* Scores of rows in hundredths, and their confidences and grades above them. Returns whether any row has none. */
static int find_values(const ucid_aggregate_rows *rows, int64_t first, int n, uint32_t *values)
{
    enum { GRADE_SHIFT = SCORE_BITS + CONFIDENCE_BITS };
    uint32_t hundredths[BLOCK], missing = 0;
    find_hundredths(rows->score + first, n, 100.0, hundredths);
    for (int i = 0; i < n; i++) {
        int32_t score = (int32_t)hundredths[i];
        int32_t grade = (score >= 4000) + (score >= 5500) + (score >= 7000) + (score >= 8500) + (score >= 9500);
        uint32_t null = score > 10000;
        missing |= null;
        values[i] = (uint32_t)score | (uint32_t)grade << GRADE_SHIFT | null << NULL_BIT;
    }
    if (rows->confidence != NULL) {
        find_hundredths(rows->confidence + first, n, 1.0, hundredths);
        for (int i = 0; i < n; i++) {
            uint32_t null = (int32_t)hundredths[i] > 100;
            missing |= null;
            values[i] |= (hundredths[i] & 127u) << SCORE_BITS | null << NULL_BIT;
        }
    }
    for (int i = 0; rows->grade != NULL && i < n; i++) {
        uint32_t grade = rows->grade[first + i], given = values[i] & ~(7u << GRADE_SHIFT);
        values[i] = grade < 6 ? given | grade << GRADE_SHIFT : values[i];
    }
    for (int i = 0; rows->validity != NULL && i < n; i++) {
        int64_t row = first + i;
        uint32_t null = (uint32_t)(rows->validity[row >> 3] >> (row & 7) & 1) ^ 1u;
        missing |= null;
        values[i] |= null << NULL_BIT;
    }
    return missing != 0;
}

static uint32_t score_of(uint32_t value) { return value & ((1u << SCORE_BITS) - 1); }
static uint32_t confidence_of(uint32_t value) { return value >> SCORE_BITS & ((1u << CONFIDENCE_BITS) - 1); }
static uint32_t grade_in(uint32_t value) { return value >> (SCORE_BITS + CONFIDENCE_BITS) & 7u; }

static void add_value(ucid_cell_sum *g, uint32_t value)
{
    uint32_t score = score_of(value);
    if (value >> NULL_BIT != 0) {
        g->nulls++;
        return;
    }
    g->score += score;
    g->square += (uint64_t)score * score;
    g->confidence += confidence_of(value);
    g->grades[grade_in(value)]++;
    g->min = score < g->min ? (uint16_t)score : g->min;
    g->max = score > g->max ? (uint16_t)score : g->max;
}

/* Values of one group, none of them null; a block's rows of a grade fit into ten bits. */
static void add_run(ucid_cell_sum *g, const uint32_t *values, int n)
{
    static const uint64_t one_of[8] = {1, 1 << 10, 1 << 20, 1 << 30, (uint64_t)1 << 40, (uint64_t)1 << 50, 0, 0};
    uint64_t square = 0, grades = 0, sums = 0; /* of confidences in the upper half, of scores in the lower */
    uint32_t least = UINT16_MAX, most = 0;
    for (int i = 0; i < n; i++) {
        uint32_t value = values[i], score = score_of(value);
        sums += score | (uint64_t)confidence_of(value) << 32;
        square += (uint64_t)score * score;
        grades += one_of[grade_in(value)];
        least = score < least ? score : least;
        most = score > most ? score : most;
    }
    g->score += (uint32_t)sums;
    g->square += square;
    g->confidence += sums >> 32;
    for (int k = 0; k < 6; k++) g->grades[k] += (uint32_t)(grades >> 10 * k) & 1023u;
    g->min = least < g->min ? (uint16_t)least : g->min;
    g->max = most > g->max ? (uint16_t)most : g->max;
}

/* Rows of a block, run by run. */
static int add_runs(ucid_cell_sums *s, const uint64_t *parents, const uint32_t *values, const int *starts, int runs,
                    int missing)
{
    for (int r = 0; r < runs; r++) {
        int first = starts[r], end = starts[r + 1];
        if (parents[first] == 0) {
            s->nowhere += end - first;
            continue;
        }
        ucid_cell_sum *g = group_of(s, parents[first]);
        if (g == NULL) return 0;
        if (!missing) {
            add_run(g, values + first, end - first);
        } else {
            for (int i = first; i < end; i++) add_value(g, values[i]);
        }
    }
    return 1;
}

/* Rows that were put aside go to their groups. */
static int work_off(ucid_cell_sums *s, size_t number)
{
    part *p = &s->parts[number];
    const uint64_t *rows = &s->aside[number * ASIDE];
    uint64_t head = ((uint64_t)8 << 56 | (uint64_t)s->resolution << 52) >> s->unused;
    uint64_t filled = ((uint64_t)1 << s->unused) - 1;
    for (uint32_t i = 0; i < p->aside; i++) {
        if (!reserve(s, p)) return 0;
        if (i + AHEAD < p->aside) {
            uint64_t next = hash_of(head | rows[i + AHEAD] >> VALUE_BITS, 0);
            __builtin_prefetch(&p->sums[place_of(next, p->bits)], 1);
        }
        uint64_t digits = head | rows[i] >> VALUE_BITS;
        add_value(find(p, digits << s->unused | filled, hash_of(digits, 0)),
                  (uint32_t)rows[i] & ((1u << VALUE_BITS) - 1));
    }
    p->aside = 0;
    return 1;
}

static int put_aside(ucid_cell_sums *s, const uint64_t *parents, const uint32_t *values, int n)
{
    if (s->aside == NULL) {
        s->aside = ucid_allocate(&s->allocator, (size_t)PARTS * ASIDE, sizeof *s->aside);
        if (s->aside == NULL) return 0;
    }
    int shift = s->unused;
    for (int i = 0; i < n; i++) {
        if (parents[i] == 0) {
            s->nowhere++;
            continue;
        }
        size_t number = part_of(hash_of(parents[i], s->unused));
        part *p = &s->parts[number];
        uint64_t digits = (parents[i] & (((uint64_t)1 << 52) - 1)) >> shift;
        s->aside[number * ASIDE + p->aside++] = digits << VALUE_BITS | values[i];
        if (p->aside == ASIDE && !work_off(s, number)) return 0;
    }
    return 1;
}

int ucid_cell_sums_add(ucid_cell_sums *s, int64_t n, const uint64_t *cells, const ucid_aggregate_rows *rows)
{
    uint64_t parents[BLOCK];
    uint32_t values[BLOCK];
    int starts[BLOCK + 1];
    for (int64_t first = 0; first < n; first += BLOCK) {
        int count = n - first < BLOCK ? (int)(n - first) : BLOCK, runs = 0;
        find_parents(cells + first, count, s->resolution, parents);
        int missing = find_values(rows, first, count, values);
        uint64_t last = ~parents[0];
        for (int i = 0; i < count; i++) {
            starts[runs] = i;
            runs += parents[i] != last;
            last = parents[i];
        }
        starts[runs] = count;
        int in_order = 4 * runs <= count || s->resolution > FINEST_ASIDE;
        if (!(in_order ? add_runs(s, parents, values, starts, runs, missing) : put_aside(s, parents, values, count))) {
            return 0;
        }
    }
    return 1;
}

/* --------------------------------------------------------------------------------------------------------- Taking --
 */

/* By cell, a byte a pass, bytes that all share left out. */
static void sort_places(ucid_cell_place *places, ucid_cell_place *spare, size_t count)
{
    ucid_cell_place *from = places, *to = spare;
    int ascending = 1;
    for (size_t i = 1; i < count && ascending; i++) ascending = places[i - 1].cell <= places[i].cell;
    for (int shift = 0; shift < 64 && !ascending; shift += 8) {
        size_t first[257] = {0};
        for (size_t i = 0; i < count; i++) first[(from[i].cell >> shift & 255) + 1]++;
        if (first[(from[0].cell >> shift & 255) + 1] == count) continue;
        for (int b = 0; b < 256; b++) first[b + 1] += first[b];
        for (size_t i = 0; i < count; i++) to[first[from[i].cell >> shift & 255]++] = from[i];
        ucid_cell_place *swap = from;
        from = to;
        to = swap;
    }
    if (from != places) memcpy(places, from, count * sizeof *places);
}

int ucid_cell_sums_take(ucid_cell_sums *const *list, int count, ucid_cell_places *out)
{
    size_t total = 0, at = 0, kept = 0;
    int64_t nowhere = 0;
    for (int k = 0; k < count; k++) {
        ucid_cell_sums *s = list[k];
        for (size_t p = 0; p < PARTS; p++) {
            if (s->parts[p].aside > 0 && !work_off(s, p)) return 0;
            total += s->parts[p].count;
        }
        for (size_t i = 0; i < s->piece_count; i++) total += s->pieces[i].count;
        nowhere += s->nowhere;
    }
    ucid_cell_place *places = ucid_allocate(&list[0]->allocator, 2 * total + 1, sizeof *places);
    if (places == NULL) return 0;
    for (int k = 0; k < count; k++) {
        ucid_cell_sums *s = list[k];
        for (size_t i = 0; i < s->piece_count; i++) {
            ucid_cell_sum *sums = s->pieces[i].sums;
            for (size_t j = 0; j < s->pieces[i].count; j++) places[at++] = (ucid_cell_place){sums[j].cell, &sums[j]};
        }
        for (size_t p = 0; p < PARTS; p++) {
            ucid_cell_sum *sums = s->parts[p].sums;
            for (size_t j = 0; j < s->parts[p].capacity; j++) {
                if (sums[j].cell != 0) places[at++] = (ucid_cell_place){sums[j].cell, &sums[j]};
            }
        }
    }
    sort_places(places, places + total, total);
    for (size_t i = 0; i < total; i++) {
        if (kept > 0 && places[kept - 1].cell == places[i].cell) {
            merge(places[kept - 1].sum, places[i].sum);
        } else {
            places[kept++] = places[i];
        }
    }
    *out = (ucid_cell_places){places, kept, 2 * total + 1, nowhere};
    return 1;
}
