/* cell_sort.c: by the uppermost bits that differ into buckets that fit into a cache, and each of these becomes groups.
 *
 *     heaps --slices--> buckets --dense----> a table of all groups that there could be--\
 *                              \-sparse--> sorted by radix -----------------------------+--> groups, where they belong
 *
 * Cells are not spread evenly: some rows are looked at first, and where many have the same uppermost bits, more bits
 * tell buckets apart. Rows are 8 bytes and nothing is looked up or merged. Slices and buckets are shared out among
 * threads. Cost: O(rows); 16 bytes a row while it runs, 64 to 128 a group. */
#include "kernel/cell_sort.h"

#include "rt/memory.h"
#include "rt/pool.h"

#include <string.h>

enum { BUCKET_ROWS = 16384, SLOT_BITS_MAX = 11, MORE_BITS_MAX = 12, DIGIT_BITS_MAX = 10, SHORT = 24 };
enum { SLICE_ROWS = 1 << 16, SAMPLE = 1 << 15, TABLE_BITS_MAX = 11, TABLE_ROWS = 4 };
static const uint64_t VALUE = ((uint64_t)1 << CELL_ROWS_VALUE_BITS) - 1;

typedef struct slice {
    const uint64_t *rows;
    size_t count;
} slice;

/* Rows that have the same uppermost bits, and by how many more they go to which buckets. */
typedef struct slot {
    uint32_t more : 8, first_bucket : 24;
} slot;

typedef struct bucket {
    size_t first, end; /* rows */
    size_t groups;     /* of its own, then those before it */
    cell_run run;      /* its groups, where a table made them */
    int shift;         /* of the bits that its rows share */
    int failed;
} bucket;

typedef struct sort_job {
    const ucid_allocator *allocator;
    const cell_rows_kernels *kernels;
    int resolution, threads;
    int shift, slot_bits; /* of a row's slot */
    slot *slots;
    slice *slices;
    size_t slice_count;
    uint32_t *places; /* [slices][buckets] rows, then where the next one goes */
    uint64_t *rows;   /* all, bucket by bucket */
    bucket *buckets;
    size_t bucket_count;
    ucid_cell_sum *groups;
} sort_job;

static inline size_t slot_of(uint64_t row, int shift, int slot_bits)
{
    return (size_t)(row >> shift) & (((size_t)1 << slot_bits) - 1);
}

static inline size_t bucket_of(uint64_t row, const slot *slots, int shift, int slot_bits)
{
    slot s = slots[slot_of(row, shift, slot_bits)];
    return s.first_bucket + (size_t)(row >> (shift - (int)s.more) & (((uint64_t)1 << s.more) - 1));
}

/* Slots and how many buckets each has, by a sample. Returns the number of buckets. */
static size_t choose_buckets(sort_job *job, cell_heap *const *heaps, size_t heap_count, size_t rows)
{
    size_t step = rows / SAMPLE + 1, count = 0;
    uint32_t sampled[1 << SLOT_BITS_MAX] = {0};
    for (size_t h = 0; h < heap_count; h++) {
        for (size_t i = 0; i < heaps[h]->count; i += step)
            sampled[slot_of(heaps[h]->rows[i], job->shift, job->slot_bits)]++;
    }
    for (size_t s = 0; s < (size_t)1 << job->slot_bits; s++) {
        size_t here = sampled[s] * step;
        uint32_t more = 0, most = (uint32_t)(job->shift - CELL_ROWS_VALUE_BITS);
        while (more < MORE_BITS_MAX && more < most && here >> more > BUCKET_ROWS) more++;
        job->slots[s] = (slot){more & 255, (uint32_t)count & 0xFFFFFF};
        count += (size_t)1 << more;
    }
    return count;
}

static void count_slice(void *ctx, int64_t number, int worker)
{
    (void)worker;
    const sort_job *job = ctx;
    const slice *s = &job->slices[number];
    uint32_t *places = job->places + (size_t)number * job->bucket_count;
    memset(places, 0, job->bucket_count * sizeof *places);
    const uint64_t *rows = s->rows;
    const slot *slots = job->slots;
    int shift = job->shift, slot_bits = job->slot_bits;
    for (size_t i = 0, count = s->count; i < count; i++) places[bucket_of(rows[i], slots, shift, slot_bits)]++;
}

static void put_slice(void *ctx, int64_t number, int worker)
{
    (void)worker;
    const sort_job *job = ctx;
    const slice *s = &job->slices[number];
    uint32_t *places = job->places + (size_t)number * job->bucket_count;
    const uint64_t *rows = s->rows;
    uint64_t *to = job->rows;
    const slot *slots = job->slots;
    int shift = job->shift, slot_bits = job->slot_bits;
    for (size_t i = 0, count = s->count; i < count; i++)
        to[places[bucket_of(rows[i], slots, shift, slot_bits)]++] = rows[i];
}

/* Where the rows of each slice go in each bucket. */
static void place_rows(sort_job *job)
{
    uint32_t sum = 0;
    for (size_t s = 0; s < (size_t)1 << job->slot_bits; s++) {
        uint32_t first = job->slots[s].first_bucket, more = job->slots[s].more;
        for (uint32_t b = first; b < first + (1u << more); b++) {
            job->buckets[b] = (bucket){.first = sum, .shift = job->shift - (int)more};
            for (size_t i = 0; i < job->slice_count; i++) {
                uint32_t *at = &job->places[i * job->bucket_count + b], rows = *at;
                *at = sum;
                sum += rows;
            }
            job->buckets[b].end = sum;
        }
    }
}

/* --------------------------------------------------------------------------------------------------------- Groups --
 */

/* Rows have fewer different keys than there are of them, or nearly: each key has its group in a table. */
static int sum_table(const sort_job *job, bucket *b)
{
    size_t size = (size_t)1 << (b->shift - CELL_ROWS_VALUE_BITS), groups = 0;
    const uint64_t *rows = job->rows + b->first;
    uint64_t head = rows[0] >> b->shift << (b->shift - CELL_ROWS_VALUE_BITS);
    uint32_t numbers[CELL_ROWS_BLOCK], values[CELL_ROWS_BLOCK];
    ucid_cell_sum *table = ucid_allocate_zero(job->allocator, size, sizeof *table);
    if (table == NULL) return 0;
    for (size_t first = 0, count = b->end - b->first; first < count; first += CELL_ROWS_BLOCK) {
        int n = count - first < CELL_ROWS_BLOCK ? (int)(count - first) : CELL_ROWS_BLOCK;
        for (int i = 0; i < n; i++) {
            numbers[i] = (uint32_t)(rows[first + (size_t)i] >> CELL_ROWS_VALUE_BITS & (size - 1));
            values[i] = (uint32_t)(rows[first + (size_t)i] & VALUE);
        }
        job->kernels->add_each(table, numbers, values, n);
    }
    for (size_t i = 0; i < size; i++) {
        ucid_cell_sum group = table[i];
        uint32_t rows_there = group.nulls;
        for (int g = 0; g < 6; g++) rows_there |= group.grades[g];
        if (rows_there == 0) continue;
        group.cell = cell_rows_cell(head | i, job->resolution);
        table[groups++] = group;
    }
    b->run = (cell_run){table, groups, size};
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

static void sort_bucket(void *ctx, int64_t number, int worker)
{
    (void)worker;
    const sort_job *job = ctx;
    bucket *b = &job->buckets[number];
    uint64_t *rows = job->rows + b->first;
    size_t count = b->end - b->first;
    int left = b->shift - CELL_ROWS_VALUE_BITS;
    if (count == 0) return;
    if (left <= TABLE_BITS_MAX && count >> left >= TABLE_ROWS) {
        b->failed = !sum_table(job, b);
        b->groups = b->run.count;
        return;
    }
    if (count <= SHORT) {
        insertion_sort(rows, count);
    } else {
        uint64_t *spare = ucid_allocate(job->allocator, count, sizeof *spare);
        b->failed = spare == NULL;
        if (spare == NULL) return;
        radix_sort(rows, spare, count, b->shift);
        ucid_release(job->allocator, spare, count, sizeof *spare);
    }
    b->groups = 1;
    for (size_t i = 1; i < count; i++) b->groups += (rows[i] ^ rows[i - 1]) > VALUE;
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
    uint32_t values[CELL_ROWS_BLOCK];
    uint64_t last = UINT64_MAX;
    for (size_t i = b->first; i < b->end;) {
        uint64_t key = job->rows[i] >> CELL_ROWS_VALUE_BITS;
        int n = 0;
        while (i < b->end && job->rows[i] >> CELL_ROWS_VALUE_BITS == key && n < CELL_ROWS_BLOCK) {
            values[n++] = (uint32_t)(job->rows[i++] & VALUE);
        }
        if (key != last) *group++ = (ucid_cell_sum){.cell = cell_rows_cell(key, job->resolution)};
        job->kernels->add_run(group - 1, values, n);
        last = key;
    }
}

/* ----------------------------------------------------------------------------------------------------------- Whole --
 */

/* Slices of all heaps; returns how many. */
static size_t cut(cell_heap *const *heaps, size_t heap_count, size_t rows, slice *slices)
{
    size_t count = 0;
    for (size_t h = 0; h < heap_count; h++) {
        for (size_t first = 0; first < heaps[h]->count; first += rows) {
            size_t left = heaps[h]->count - first;
            slices[count++] = (slice){heaps[h]->rows + first, left < rows ? left : rows};
        }
    }
    return count;
}

static int sort_buckets(sort_job *job, cell_run *out)
{
    size_t groups = 0;
    int complete = 1;
    ucid_parallel(job->threads, (int64_t)job->slice_count, count_slice, job);
    place_rows(job);
    ucid_parallel(job->threads, (int64_t)job->slice_count, put_slice, job);
    ucid_parallel(job->threads, (int64_t)job->bucket_count, sort_bucket, job);
    for (size_t b = 0; b < job->bucket_count; b++) {
        size_t own = job->buckets[b].groups;
        complete = complete && !job->buckets[b].failed;
        job->buckets[b].groups = groups;
        groups += own;
    }
    if (complete) job->groups = ucid_allocate(job->allocator, groups, sizeof *job->groups);
    if (job->groups == NULL) {
        for (size_t b = 0; b < job->bucket_count; b++) cell_run_reset(&job->buckets[b].run, job->allocator);
        return 0;
    }
    ucid_parallel(job->threads, (int64_t)job->bucket_count, put_groups, job);
    *out = (cell_run){job->groups, groups, groups};
    return 1;
}

static int sort_slices(sort_job *job, cell_heap *const *heaps, size_t heap_count, size_t rows, cell_run *out)
{
    size_t slice_rows = rows / (4 * (size_t)job->threads) > SLICE_ROWS ? rows / (4 * (size_t)job->threads) : SLICE_ROWS;
    size_t slices_max = rows / slice_rows + heap_count;
    job->bucket_count = choose_buckets(job, heaps, heap_count, rows);
    job->slices = ucid_allocate(job->allocator, slices_max, sizeof *job->slices);
    job->places = ucid_allocate(job->allocator, slices_max * job->bucket_count, sizeof *job->places);
    job->rows = ucid_allocate(job->allocator, rows, sizeof *job->rows);
    job->buckets = ucid_allocate(job->allocator, job->bucket_count, sizeof *job->buckets);
    int complete = job->slices != NULL && job->places != NULL && job->rows != NULL && job->buckets != NULL;
    if (complete) {
        job->slice_count = cut(heaps, heap_count, slice_rows, job->slices);
        complete = sort_buckets(job, out);
    }
    ucid_release(job->allocator, job->slices, slices_max, sizeof *job->slices);
    ucid_release(job->allocator, job->places, slices_max * job->bucket_count, sizeof *job->places);
    ucid_release(job->allocator, job->rows, rows, sizeof *job->rows);
    ucid_release(job->allocator, job->buckets, job->bucket_count, sizeof *job->buckets);
    return complete;
}

int cell_sort(cell_heap *const *heaps, size_t heap_count, const cell_rows_kernels *kernels, int resolution, int threads,
              const ucid_allocator *allocator, cell_run *out)
{
    sort_job job = {.allocator = allocator, .kernels = kernels, .resolution = resolution, .threads = threads};
    size_t rows = 0;
    uint64_t any = 0, all = UINT64_MAX;
    for (size_t h = 0; h < heap_count; h++) {
        rows += heaps[h]->count;
        any |= heaps[h]->any;
        all &= heaps[h]->all;
    }
    uint64_t differ = (any ^ all) | VALUE;
    int bits = 64 - __builtin_clzll(differ);
    while (job.slot_bits < SLOT_BITS_MAX && 8 * rows >> job.slot_bits > BUCKET_ROWS &&
           bits - job.slot_bits > CELL_ROWS_VALUE_BITS) {
        job.slot_bits++;
    }
    job.shift = bits - job.slot_bits;
    job.slots = ucid_allocate_zero(allocator, (size_t)1 << job.slot_bits, sizeof *job.slots);
    int complete = job.slots != NULL && sort_slices(&job, heaps, heap_count, rows, out);
    ucid_release(allocator, job.slots, (size_t)1 << job.slot_bits, sizeof *job.slots);
    return complete;
}
