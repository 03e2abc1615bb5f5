/* cell_sort.c: each bucket of rows fits into a cache, and becomes groups there.
 *
 *     bucket --dense----> a table of all groups that there could be--\
 *            \-sparse--> sorted by radix ----------------------------+--> groups, where they belong
 *
 * Nothing is looked up or merged, but strays, which no bucket was foreseen for. Buckets are shared out among threads.
 * Cost: O(rows); a bucket's rows twice for each thread, 64 to 128 bytes a group. */
#include "kernel/cell_sort.h"

#include "rt/memory.h"
#include "rt/pool.h"

#include <string.h>

enum { LINE = 64, DIGIT_BITS_MAX = 10, SHORT = 24 };
enum { TABLE_BITS_MAX = 11, TABLE_ROWS = 4 }; /* rows for each group of a table are enough */
static const uint64_t VALUE = ((uint64_t)1 << CELL_ROWS_VALUE_BITS) - 1;

typedef struct bucket {
    size_t groups; /* of its own, then those before it */
    cell_run run;  /* its groups, where a table made them */
    int shift;     /* of the bits that its rows share */
    int failed;
} bucket;

/* What a thread works in. */
typedef struct desk {
    void *table_block;
    ucid_cell_sum *table; /* [1 << TABLE_BITS_MAX] */
    uint64_t *rows;       /* [2 * capacity] */
    size_t capacity;
} desk;

typedef struct sort_job {
    const ucid_allocator *allocator;
    const cell_rows_kernels *kernels;
    int resolution;
    cell_heap *const *heaps;
    size_t heap_count;
    desk *desks; /* [threads] */
    bucket *buckets;
    ucid_cell_sum *groups;
} sort_job;

/* Rows have fewer different keys than there are of them: each key has its group in a table. */
static int sum_table(const sort_job *job, bucket *b, uint32_t number, desk *d)
{
    size_t size = (size_t)1 << (b->shift - CELL_ROWS_VALUE_BITS), groups = 0;
    uint32_t numbers[CELL_HEAP_CHUNK], values[CELL_HEAP_CHUNK];
    uint16_t there[1 << TABLE_BITS_MAX];
    uint64_t *rows, head = 0;
    if (d->table == NULL) {
        d->table_block = ucid_allocate(job->allocator, ((size_t)1 << TABLE_BITS_MAX) + 1, sizeof *d->table);
        if (d->table_block == NULL) return 0;
        d->table = (ucid_cell_sum *)(((uintptr_t)d->table_block + LINE - 1) / LINE * LINE);
    }
    ucid_cell_sum *table = d->table;
    memset(table, 0, size * sizeof *table);
    cell_heap_pieces pieces = cell_heap_pieces_of(job->heaps, job->heap_count, number);
    for (int n; (n = cell_heap_next(&pieces, &rows)) > 0;) {
        head = rows[0] >> b->shift << (b->shift - CELL_ROWS_VALUE_BITS);
        for (int i = 0; i < n; i++) {
            numbers[i] = (uint32_t)(cell_heap_key(rows[i]) & (size - 1));
            values[i] = cell_heap_value(rows[i]);
        }
        job->kernels->add_each(table, numbers, values, n);
    }
    for (size_t i = 0; i < size; i++) {
        const ucid_cell_sum *group = &table[i];
        uint32_t rows_there = group->nulls;
        for (int g = 0; g < 6; g++) rows_there |= group->grades[g];
        there[groups] = (uint16_t)i;
        groups += rows_there != 0;
    }
    ucid_cell_sum *run = ucid_allocate(job->allocator, groups, sizeof *run);
    if (run == NULL) return 0;
    for (size_t i = 0; i < groups; i++) {
        run[i] = table[there[i]];
        run[i].cell = cell_rows_cell(head | there[i], job->resolution);
    }
    b->run = (cell_run){run, groups, groups};
    b->groups = groups;
    return 1;
}

static void insertion_sort(uint64_t *rows, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        uint64_t row = rows[i];
        size_t at = i;
        for (; at > 0 && rows[at - 1] > row; at--) rows[at] = rows[at - 1];
        rows[at] = row;
    }
}

/* By the bits of the key below those that all share. */
static void radix_sort(uint64_t *rows, uint64_t *spare, size_t count, int end)
{
    int left = end - CELL_ROWS_VALUE_BITS, passes = (left + DIGIT_BITS_MAX - 1) / DIGIT_BITS_MAX;
    int bits = passes > 0 ? (left + passes - 1) / passes : 0;
    uint32_t first[1 << DIGIT_BITS_MAX];
    uint64_t *from = rows, *to = spare, mask = ((uint64_t)1 << bits) - 1;
    for (int shift = CELL_ROWS_VALUE_BITS; shift < end; shift += bits) {
        memset(first, 0, sizeof *first << bits);
        for (size_t i = 0; i < count; i++) first[from[i] >> shift & mask]++;
        uint32_t sum = 0;
        for (size_t digit = 0; digit <= mask; digit++) {
            uint32_t here = first[digit];
            first[digit] = sum;
            sum += here;
        }
        for (size_t i = 0; i < count; i++) to[first[from[i] >> shift & mask]++] = from[i];
        uint64_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != rows) memcpy(rows, from, count * sizeof *rows);
}

/* In the places where the rows are. */
static int sort_rows(const sort_job *job, bucket *b, uint32_t number, size_t count, desk *d)
{
    uint64_t *piece;
    if (count > d->capacity) {
        ucid_release(job->allocator, d->rows, 2 * d->capacity, sizeof *d->rows);
        d->capacity = 0;
        d->rows = ucid_allocate(job->allocator, 2 * count, sizeof *d->rows);
        if (d->rows == NULL) return 0;
        d->capacity = count;
    }
    uint64_t *rows = d->rows, *to = rows;
    cell_heap_pieces pieces = cell_heap_pieces_of(job->heaps, job->heap_count, number);
    for (int n; (n = cell_heap_next(&pieces, &piece)) > 0; to += n) memcpy(to, piece, (size_t)n * sizeof *piece);
    if (count <= SHORT) {
        insertion_sort(rows, count);
    } else {
        radix_sort(rows, rows + count, count, b->shift);
    }
    b->groups = 1;
    for (size_t i = 1; i < count; i++) b->groups += (rows[i] ^ rows[i - 1]) > VALUE;
    pieces = cell_heap_pieces_of(job->heaps, job->heap_count, number);
    for (int n; (n = cell_heap_next(&pieces, &piece)) > 0; rows += n) memcpy(piece, rows, (size_t)n * sizeof *piece);
    return 1;
}

static void sort_bucket(void *ctx, int64_t number, int worker)
{
    const sort_job *job = ctx;
    bucket *b = &job->buckets[number];
    size_t count = 0;
    int left = b->shift - CELL_ROWS_VALUE_BITS;
    for (size_t h = 0; h < job->heap_count; h++) count += cell_heap_rows(job->heaps[h], (uint32_t)number);
    if (count == 0) return;
    int dense = left <= TABLE_BITS_MAX && count >> left >= TABLE_ROWS;
    b->failed = dense ? !sum_table(job, b, (uint32_t)number, &job->desks[worker])
                      : !sort_rows(job, b, (uint32_t)number, count, &job->desks[worker]);
}

static void put_groups(void *ctx, int64_t number, int worker)
{
    (void)worker;
    const sort_job *job = ctx;
    bucket *b = &job->buckets[number];
    ucid_cell_sum *group = job->groups + b->groups;
    if (b->run.groups != NULL) {
        memcpy(group, b->run.groups, b->run.count * sizeof *group);
        cell_run_reset(&b->run, job->allocator);
        return;
    }
    uint32_t values[CELL_HEAP_CHUNK];
    uint64_t last = UINT64_MAX, *rows;
    cell_heap_pieces pieces = cell_heap_pieces_of(job->heaps, job->heap_count, (uint32_t)number);
    for (int count; (count = cell_heap_next(&pieces, &rows)) > 0;) {
        for (int i = 0; i < count;) {
            uint64_t key = cell_heap_key(rows[i]);
            int n = 0;
            while (i < count && cell_heap_key(rows[i]) == key) values[n++] = cell_heap_value(rows[i++]);
            if (key != last) *group++ = (ucid_cell_sum){.cell = cell_rows_cell(key, job->resolution)};
            job->kernels->add_run(group - 1, values, n);
            last = key;
        }
    }
}

/* ----------------------------------------------------------------------------------------------------------- Whole --
 */

static int put_all(sort_job *job, int threads, size_t bucket_count, cell_run *out)
{
    size_t groups = 0;
    int complete = 1;
    for (size_t b = 0; b < bucket_count; b++) {
        size_t own = job->buckets[b].groups;
        complete = complete && !job->buckets[b].failed;
        job->buckets[b].groups = groups;
        groups += own;
    }
    if (complete && groups > 0) job->groups = ucid_allocate(job->allocator, groups, sizeof *job->groups);
    if (job->groups == NULL) {
        for (size_t b = 0; b < bucket_count; b++) cell_run_reset(&job->buckets[b].run, job->allocator);
        return complete && groups == 0;
    }
    ucid_parallel(threads, (int64_t)bucket_count, put_groups, job);
    *out = (cell_run){job->groups, groups, groups};
    return 1;
}

/* Buckets of a plan, but for strays. */
static int sort_buckets(sort_job *job, int threads, cell_run *out)
{
    const cell_plan *plan = &job->heaps[0]->plan;
    size_t count = plan->buckets, desks = (size_t)threads;
    job->buckets = ucid_allocate_zero(job->allocator, count, sizeof *job->buckets);
    job->desks = ucid_allocate_zero(job->allocator, desks, sizeof *job->desks);
    int complete = job->buckets != NULL && job->desks != NULL;
    for (int s = 0; complete && s < 1 << plan->slot_bits; s++) {
        uint32_t slot = plan->slots[s], more = slot & ((1u << CELL_PLAN_MORE_BITS) - 1);
        if (slot == CELL_PLAN_NO_BUCKET) continue;
        for (uint32_t b = 0; b < 1u << more; b++) {
            job->buckets[(slot >> CELL_PLAN_MORE_BITS) + b].shift = plan->shift - (int)more;
        }
    }
    if (complete) {
        ucid_parallel(threads, (int64_t)count, sort_bucket, job);
        complete = put_all(job, threads, count, out);
    }
    for (size_t d = 0; job->desks != NULL && d < desks; d++) {
        ucid_release(job->allocator, job->desks[d].table_block, ((size_t)1 << TABLE_BITS_MAX) + 1,
                     sizeof *job->desks->table);
        ucid_release(job->allocator, job->desks[d].rows, 2 * job->desks[d].capacity, sizeof *job->desks->rows);
    }
    ucid_release(job->allocator, job->desks, desks, sizeof *job->desks);
    ucid_release(job->allocator, job->buckets, count, sizeof *job->buckets);
    return complete;
}

/* Strays get a plan of their own. */
static int gather_strays(const sort_job *job, cell_heap *strays)
{
    uint64_t *rows;
    cell_heap_pieces pieces = cell_heap_pieces_of(job->heaps, job->heap_count, job->heaps[0]->plan.buckets);
    for (int n; (n = cell_heap_next(&pieces, &rows)) > 0;) {
        if (!cell_heap_add(strays, job->kernels, rows, n, job->allocator)) return 0;
    }
    return 1;
}

static int sort_alike(sort_job *job, int threads, cell_run *out)
{
    cell_heap strays = {0}, *list = &strays;
    cell_run run = {0};
    int complete = sort_buckets(job, threads, out) && gather_strays(job, &strays);
    if (complete && strays.count > 0) {
        complete = cell_sort(&list, 1, job->kernels, job->resolution, threads, job->allocator, &run) &&
                   cell_run_merge(out, &run, job->allocator);
    }
    cell_heap_reset(&strays, job->allocator);
    if (!complete) {
        cell_run_reset(out, job->allocator);
        cell_run_reset(&run, job->allocator);
    }
    return complete;
}

/* Heaps of the plan of the first one come before others; returns how many. */
static size_t order_heaps(cell_heap **heaps, size_t heap_count)
{
    size_t alike = 1;
    for (size_t h = 1; h < heap_count; h++) {
        if (memcmp(&heaps[h]->plan, &heaps[0]->plan, sizeof heaps[0]->plan) != 0) continue;
        cell_heap *swap = heaps[alike];
        heaps[alike++] = heaps[h];
        heaps[h] = swap;
    }
    return alike;
}

/* Heaps with rows come before others, and all have a plan; returns how many, -1: no memory. */
static int plan_heaps(cell_heap **heaps, size_t heap_count, const cell_rows_kernels *kernels,
                      const ucid_allocator *allocator)
{
    const cell_plan *plan = NULL;
    int count = 0;
    for (size_t h = 0; h < heap_count; h++) {
        cell_heap *heap = heaps[h];
        if (heap->planned) plan = &heap->plan;
        if (heap->count == 0) continue;
        heaps[h] = heaps[count];
        heaps[count++] = heap;
    }
    for (int h = 0; h < count; h++) {
        if (!heaps[h]->planned && !cell_heap_plan(heaps[h], plan, kernels, allocator)) return -1;
        plan = &heaps[h]->plan;
    }
    return count;
}

int cell_sort(cell_heap **heaps, size_t heap_count, const cell_rows_kernels *kernels, int resolution, int threads,
              const ucid_allocator *allocator, cell_run *out)
{
    cell_run all = {0};
    int planned = plan_heaps(heaps, heap_count, kernels, allocator), complete = planned >= 0;
    for (size_t first = 0, alike; complete && first < (size_t)planned; first += alike) {
        cell_run run = {0};
        alike = order_heaps(heaps + first, (size_t)planned - first);
        sort_job job = {.allocator = allocator,
                        .kernels = kernels,
                        .resolution = resolution,
                        .heaps = heaps + first,
                        .heap_count = alike};
        complete = sort_alike(&job, threads, &run) && cell_run_merge(&all, &run, allocator);
        if (!complete) cell_run_reset(&run, allocator);
    }
    if (!complete) cell_run_reset(&all, allocator);
    if (complete) *out = all;
    return complete;
}
