/* cell_runs.c: the order of all groups is cut where runs begin and end.
 *
 *     run    |-----------------|
 *     run              |-----------------|
 *     cuts   ^         ^       ^         ^
 *     pieces | as is   | merged| as is   |
 *
 * Where only one run has groups they stay where they are; elsewhere they are merged, and there are more cuts, so that
 * all threads have pieces to merge. Cost: 64 bytes a merged group. */
#include "kernel/cell_runs.h"

#include "rt/memory.h"
#include "rt/pool.h"

#include <stdlib.h>
#include <string.h>

enum { PIECES_A_THREAD = 4, GROUPS_A_PIECE = 4096 };

void cell_run_reset(cell_run *run, const ucid_allocator *allocator)
{
    ucid_release(allocator, run->groups, run->capacity, sizeof *run->groups);
    *run = (cell_run){0};
}

/* Into room for all; returns how many groups there are. */
static size_t merge(const ucid_cell_sum *a, size_t a_count, const ucid_cell_sum *b, size_t b_count, ucid_cell_sum *out)
{
    const ucid_cell_sum *a_end = a + a_count, *b_end = b + b_count;
    ucid_cell_sum *to = out;
    while (a < a_end && b < b_end) {
        int is_same = a->cell == b->cell;
        *to = a->cell <= b->cell ? *a++ : *b++;
        if (is_same) cell_sum_merge(to, b++);
        to++;
    }
    if (a < a_end) memcpy(to, a, (size_t)(a_end - a) * sizeof *to);
    to += a_end - a;
    if (b < b_end) memcpy(to, b, (size_t)(b_end - b) * sizeof *to);
    to += b_end - b;
    return (size_t)(to - out);
}

static int merge_new(const cell_run *a, const cell_run *b, const ucid_allocator *allocator, cell_run *out)
{
    size_t capacity = a->count + b->count;
    ucid_cell_sum *groups = ucid_allocate(allocator, capacity, sizeof *groups);
    if (groups == NULL) return 0;
    *out = (cell_run){groups, merge(a->groups, a->count, b->groups, b->count, groups), capacity};
    return 1;
}

int cell_run_merge(cell_run *into, cell_run *from, const ucid_allocator *allocator)
{
    cell_run merged;
    if (into->count == 0 || from->count == 0) { /* which is as it is */
        cell_run *empty = into->count == 0 ? into : from, *other = empty == into ? from : into;
        cell_run_reset(empty, allocator);
        merged = *other;
        *from = (cell_run){0};
        *into = merged;
        return 1;
    }
    if (!merge_new(into, from, allocator, &merged)) return 0;
    cell_run_reset(into, allocator);
    cell_run_reset(from, allocator);
    *into = merged;
    return 1;
}

/* ---------------------------------------------------------------------------------------------------------- Order --
 */

/* Number of the first group whose cell is not below. */
static size_t lower_bound(const cell_run *run, uint64_t cell)
{
    size_t low = 0, high = run->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (run->groups[middle].cell < cell) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static int compare_cells(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

/* Where runs begin and end, and some places of the longest between; returns how many, ascending. */
static size_t find_cuts(const cell_run *runs, size_t run_count, size_t parts, uint64_t *cuts)
{
    const cell_run *longest = &runs[0];
    size_t count = 0, unique = 0;
    for (size_t r = 0; r < run_count; r++) {
        cuts[count++] = runs[r].groups[0].cell;
        cuts[count++] = runs[r].groups[runs[r].count - 1].cell + 1;
        if (runs[r].count > longest->count) longest = &runs[r];
    }
    for (size_t p = 1; p < parts; p++) cuts[count++] = longest->groups[longest->count / parts * p].cell;
    qsort(cuts, count, sizeof *cuts, compare_cells);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || cuts[i] != cuts[i - 1]) cuts[unique++] = cuts[i];
    }
    return unique;
}

typedef struct merge_job {
    const ucid_allocator *allocator;
    const cell_run *runs;
    size_t run_count;
    const uint64_t *cuts;
    cell_piece *pieces; /* one for each cut but the last */
    int *failed;        /* [pieces] */
} merge_job;

static void part_reset(cell_run *part, const ucid_allocator *allocator)
{
    if (part->capacity > 0) cell_run_reset(part, allocator); /* others are parts of runs */
}

/* Parts of several runs, two and two, until there is one. */
static int merge_parts(cell_run *parts, size_t count, const ucid_allocator *allocator)
{
    int complete = 1;
    while (count > 1) {
        size_t made = 0;
        for (size_t i = 0; i < count; i += 2) {
            cell_run merged = parts[i];
            if (i + 1 < count) {
                merged = (cell_run){0};
                complete = complete && merge_new(&parts[i], &parts[i + 1], allocator, &merged);
                part_reset(&parts[i], allocator);
                part_reset(&parts[i + 1], allocator);
            }
            parts[made++] = merged;
        }
        count = made;
    }
    if (!complete) part_reset(&parts[0], allocator);
    return complete;
}

static void merge_piece(void *ctx, int64_t number, int worker)
{
    (void)worker;
    const merge_job *job = ctx;
    cell_piece *piece = &job->pieces[number];
    cell_run *parts = ucid_allocate(job->allocator, job->run_count, sizeof *parts);
    size_t count = 0;
    job->failed[number] = parts == NULL;
    if (parts == NULL) return;
    for (size_t r = 0; r < job->run_count; r++) {
        size_t first = lower_bound(&job->runs[r], job->cuts[number]),
               end = lower_bound(&job->runs[r], job->cuts[number + 1]);
        if (first < end) parts[count++] = (cell_run){job->runs[r].groups + first, end - first, 0};
    }
    if (count > 0 && merge_parts(parts, count, job->allocator)) {
        piece->groups = parts[0].groups;
        piece->count = parts[0].count;
        if (count > 1) piece->merged = parts[0];
    }
    job->failed[number] = count > 0 && piece->groups == NULL;
    ucid_release(job->allocator, parts, job->run_count, sizeof *parts);
}

/* Pieces that have groups, those that lie one behind the other as one. */
static void close_up(cell_order *order)
{
    size_t count = 0, place = 0;
    for (size_t i = 0; i < order->count; i++) {
        cell_piece piece = order->pieces[i], *last = count > 0 ? &order->pieces[count - 1] : NULL;
        if (piece.count == 0) continue;
        piece.place = place;
        place += piece.count;
        if (last != NULL && last->merged.groups == NULL && piece.merged.groups == NULL &&
            last->groups + last->count == piece.groups) {
            last->count += piece.count;
        } else {
            order->pieces[count++] = piece;
        }
    }
    order->count = count;
    order->groups = place;
}

int cell_order_make(const ucid_cell_sum *lost, const cell_run *runs, size_t run_count, int threads,
                    const ucid_allocator *allocator, cell_order *out)
{
    size_t groups = 0, parts = (size_t)threads * PIECES_A_THREAD;
    for (size_t r = 0; r < run_count; r++) groups += runs[r].count;
    if (threads == 1 || run_count < 2 || groups / GROUPS_A_PIECE < parts) parts = 1;
    size_t cuts_max = 2 * run_count + parts;
    uint64_t *cuts = ucid_allocate(allocator, cuts_max, sizeof *cuts);
    int *failed = ucid_allocate_zero(allocator, cuts_max, sizeof *failed), complete = 1;
    cell_order order = {ucid_allocate_zero(allocator, 1 + cuts_max, sizeof *order.pieces), 0, 1 + cuts_max, 0};
    if (cuts == NULL || failed == NULL || order.pieces == NULL) {
        complete = 0;
    } else {
        if (lost->nulls > 0) order.pieces[order.count++] = (cell_piece){lost, 1, 0, {0}};
        size_t count = run_count > 0 ? find_cuts(runs, run_count, parts, cuts) : 1;
        merge_job job = {allocator, runs, run_count, cuts, order.pieces + order.count, failed};
        ucid_parallel(threads, (int64_t)count - 1, merge_piece, &job);
        order.count += count - 1;
        for (size_t i = 0; i + 1 < count; i++) complete = complete && !failed[i];
    }
    ucid_release(allocator, cuts, cuts_max, sizeof *cuts);
    ucid_release(allocator, failed, cuts_max, sizeof *failed);
    if (!complete) {
        cell_order_reset(&order, allocator);
        return 0;
    }
    close_up(&order);
    *out = order;
    return 1;
}

void cell_order_reset(cell_order *order, const ucid_allocator *allocator)
{
    for (size_t i = 0; i < order->count; i++) cell_run_reset(&order->pieces[i].merged, allocator);
    ucid_release(allocator, order->pieces, order->capacity, sizeof *order->pieces);
    *order = (cell_order){0};
}

size_t cell_order_find(const cell_order *order, size_t place)
{
    size_t low = 0, high = order->count;
    while (low + 1 < high) {
        size_t middle = low + (high - low) / 2;
        if (order->pieces[middle].place <= place) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}
