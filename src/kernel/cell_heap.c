/* cell_heap.c: a row is written once, where it will be read.
 *
 *     rows --uppermost bits--> stage of a bucket, two lines of a cache --full--> its newest chunk
 *
 * Which bits: cells are not spread evenly, so first rows are kept as they come, and their uppermost bits that differ
 * choose a slot; slots of many rows have more buckets, by more bits, until what is left of a key is few enough for a
 * table of all its groups. Slots without any first row have no bucket: their rows, and those of another head, are
 * strays, sorted by themselves. A full stage goes past the caches: chunks are not read before the heap is sorted.
 * Cost: O(rows); 8 bytes a row and 4 KB a bucket. */
#include "kernel/cell_heap.h"

#include "rt/memory.h"

#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum { LINE = 64, CHUNKS_FIRST = 64, SAMPLE = 1 << 17, SHARE = 512, LEFT_BITS = 10, MORE_BITS_MAX = 12 };
enum { AHEAD = 8 };  /* lines of a chunk that are fetched before it is read */
enum { STRAYS = 8 }; /* one of so many rows may be one, or another plan is made */

static int grow_chunks(cell_heap *h, const ucid_allocator *allocator)
{
    int block = 0;
    while (h->blocks[block] != NULL) block++;
    size_t count = h->chunks > 0 ? h->chunks : CHUNKS_FIRST;
    h->blocks[block] = ucid_allocate(allocator, count * sizeof(cell_chunk) + LINE, 1);
    if (h->blocks[block] == NULL) return 0;
    h->chunks += count;
    return 1;
}

/* Chunks of a block; *first: the number of its first one. */
static size_t block_chunks(int block, size_t *first)
{
    *first = block > 0 ? (size_t)CHUNKS_FIRST << (block - 1) : 0;
    return block > 0 ? *first : CHUNKS_FIRST;
}

static cell_chunk *chunk_at(const cell_heap *h, size_t number)
{
    int block = 0;
    size_t first;
    while (block_chunks(block, &first) + first <= number) block++;
    uintptr_t at = ((uintptr_t)h->blocks[block] + LINE - 1) / LINE * LINE;
    return (cell_chunk *)at + (number - first);
}

/* Past the caches where there is a way. */
static inline void copy_stage(uint64_t *to, const uint64_t *from)
{
#if defined(__SSE2__)
    for (int i = 0; i < CELL_HEAP_STAGE; i += 2) {
        _mm_stream_si128((__m128i *)(to + i), _mm_load_si128((const __m128i *)(from + i)));
    }
#else
    memcpy(to, from, CELL_HEAP_STAGE * sizeof *to);
#endif
}

/* What was written so is seen by others. */
static inline void end_copies(void)
{
#if defined(__SSE2__)
    _mm_sfence();
#endif
}

/* The stage of a bucket is full. 0: no memory. */
static int flush(cell_heap *h, uint32_t bucket, const ucid_allocator *allocator)
{
    cell_bucket *b = &h->buckets[bucket];
    if (b->newest == NULL || b->fill == CELL_HEAP_CHUNK) {
        if (h->chunk_count == h->chunks && !grow_chunks(h, allocator)) return 0;
        cell_chunk *chunk = chunk_at(h, h->chunk_count++);
        chunk->older = b->newest;
        b->newest = chunk;
        b->fill = 0;
    }
    copy_stage(b->newest->rows + b->fill, h->stage + (size_t)bucket * CELL_HEAP_STAGE);
    b->fill += CELL_HEAP_STAGE;
    b->rows += CELL_HEAP_STAGE;
    h->ends[bucket] -= CELL_HEAP_STAGE;
    return 1;
}

static int scatter(cell_heap *h, const cell_rows_kernels *kernels, const uint64_t *rows, int count,
                   const ucid_allocator *allocator)
{
    uint16_t buckets[CELL_ROWS_BLOCK];
    uint64_t *stage = h->stage;
    uint32_t *ends = h->ends;
    kernels->buckets(&h->plan, rows, count, buckets);
    for (int i = 0; i < count; i++) {
        uint32_t end = ends[buckets[i]];
        stage[end] = rows[i];
        ends[buckets[i]] = ++end;
        if (end % CELL_HEAP_STAGE == 0 && !flush(h, buckets[i], allocator)) {
            h->ends[buckets[i]]--; /* the row is not there */
            return 0;
        }
    }
    end_copies();
    return 1;
}

int cell_heap_add(cell_heap *h, const cell_rows_kernels *kernels, const uint64_t *rows, int count,
                  const ucid_allocator *allocator)
{
    void *grown = h->first;
    h->count += (size_t)count;
    if (h->planned) return scatter(h, kernels, rows, count, allocator);
    if (!ucid_grow(allocator, &grown, &h->capacity, h->count, sizeof *h->first)) {
        h->count -= (size_t)count;
        return 0;
    }
    h->first = grown;
    memcpy(h->first + h->count - count, rows, (size_t)count * sizeof *rows);
    return 1;
}

/* ----------------------------------------------------------------------------------------------------------- Plan --
 */

static void make_plan(const uint64_t *rows, size_t count, cell_plan *plan)
{
    static const uint64_t value = ((uint64_t)1 << CELL_ROWS_VALUE_BITS) - 1;
    uint32_t sampled[1 << CELL_PLAN_SLOT_BITS] = {0}, mask;
    uint64_t any = 0, all = UINT64_MAX;
    size_t step = count / SAMPLE + 1, seen = count / step;
    for (size_t i = 0; i < count; i++) {
        any |= rows[i];
        all &= rows[i];
    }
    int left = 64 - __builtin_clzll((any ^ all) | value) - CELL_ROWS_VALUE_BITS;
    memset(plan, 0, sizeof *plan);
    while (plan->slot_bits < CELL_PLAN_SLOT_BITS && left - plan->slot_bits > LEFT_BITS) plan->slot_bits++;
    plan->shift = CELL_ROWS_VALUE_BITS + left - plan->slot_bits;
    plan->head = rows[0] >> plan->shift >> plan->slot_bits;
    mask = (1u << plan->slot_bits) - 1;
    for (size_t i = 0; i < count; i += step) sampled[rows[i] >> plan->shift & mask]++;
    for (uint32_t s = 0; s <= mask; s++) {
        uint32_t more = 0, most = (uint32_t)(plan->shift - CELL_ROWS_VALUE_BITS);
        while (more < MORE_BITS_MAX && more + LEFT_BITS < most && sampled[s] >> more > seen / SHARE) more++;
        plan->slots[s] = sampled[s] > 0 ? plan->buckets << CELL_PLAN_MORE_BITS | more : CELL_PLAN_NO_BUCKET;
        plan->buckets += sampled[s] > 0 ? 1u << more : 0;
    }
}

static int make_buckets(cell_heap *h, const ucid_allocator *allocator)
{
    size_t buckets = (size_t)h->plan.buckets + 1;
    h->buckets = ucid_allocate_zero(allocator, buckets, sizeof *h->buckets);
    h->ends = ucid_allocate(allocator, buckets, sizeof *h->ends);
    h->stage_block = ucid_allocate(allocator, (buckets + 1) * CELL_HEAP_STAGE, sizeof *h->stage);
    if (h->buckets == NULL || h->ends == NULL || h->stage_block == NULL) return 0;
    h->stage = (uint64_t *)(((uintptr_t)h->stage_block + LINE - 1) / LINE * LINE);
    for (uint32_t b = 0; b < buckets; b++) h->ends[b] = b * CELL_HEAP_STAGE;
    return 1;
}

static void free_buckets(cell_heap *h, const ucid_allocator *allocator)
{
    size_t buckets = (size_t)h->plan.buckets + 1;
    ucid_release(allocator, h->buckets, buckets, sizeof *h->buckets);
    ucid_release(allocator, h->ends, buckets, sizeof *h->ends);
    ucid_release(allocator, h->stage_block, (buckets + 1) * CELL_HEAP_STAGE, sizeof *h->stage);
    h->buckets = NULL;
    h->ends = NULL;
    h->stage_block = NULL;
    h->planned = 0;
}

int cell_heap_plan(cell_heap *h, const cell_plan *plan, const cell_rows_kernels *kernels,
                   const ucid_allocator *allocator)
{
    if (plan != NULL) {
        h->plan = *plan;
    } else {
        make_plan(h->first, h->count, &h->plan);
    }
    int complete = make_buckets(h, allocator);
    for (size_t i = 0; complete && i < h->count; i += CELL_ROWS_BLOCK) {
        int count = h->count - i < CELL_ROWS_BLOCK ? (int)(h->count - i) : CELL_ROWS_BLOCK;
        complete = scatter(h, kernels, h->first + i, count, allocator);
    }
    h->planned = complete;
    if (!complete) {
        free_buckets(h, allocator);
        h->chunk_count = 0;
        return 0;
    }
    ucid_release(allocator, h->first, h->capacity, sizeof *h->first);
    h->first = NULL;
    h->capacity = 0;
    return 1;
}

int cell_heap_plan_alike(cell_heap *h, cell_plan_board *board, const cell_rows_kernels *kernels,
                         const ucid_allocator *allocator)
{
    uint16_t buckets[CELL_ROWS_BLOCK];
    cell_plan plan;
    size_t strays = 0;
    pthread_mutex_lock(&board->lock);
    if (!board->is_made) make_plan(h->first, h->count, &board->plan);
    board->is_made = 1;
    plan = board->plan;
    pthread_mutex_unlock(&board->lock);
    for (size_t i = 0; i < h->count; i += CELL_ROWS_BLOCK) {
        int count = h->count - i < CELL_ROWS_BLOCK ? (int)(h->count - i) : CELL_ROWS_BLOCK;
        kernels->buckets(&plan, h->first + i, count, buckets);
        for (int k = 0; k < count; k++) strays += buckets[k] == plan.buckets;
    }
    return cell_heap_plan(h, strays < h->count / STRAYS ? &plan : NULL, kernels, allocator);
}

/* ----------------------------------------------------------------------------------------------------------- Rows --
 */

size_t cell_heap_rows(const cell_heap *h, uint32_t bucket)
{
    return h->buckets[bucket].rows + h->ends[bucket] - bucket * CELL_HEAP_STAGE;
}

void cell_heap_empty(cell_heap *h, const ucid_allocator *allocator)
{
    int keeps_plan = h->planned && cell_heap_rows(h, h->plan.buckets) < h->count / STRAYS;
    h->count = h->chunk_count = 0;
    if (!h->planned) return;
    if (!keeps_plan) {
        free_buckets(h, allocator);
        return;
    }
    for (uint32_t b = 0; b <= h->plan.buckets; b++) {
        h->buckets[b] = (cell_bucket){0};
        h->ends[b] = b * CELL_HEAP_STAGE;
    }
}

void cell_heap_reset(cell_heap *h, const ucid_allocator *allocator)
{
    size_t first;
    if (h->planned) free_buckets(h, allocator);
    ucid_release(allocator, h->first, h->capacity, sizeof *h->first);
    for (int block = 0; h->blocks[block] != NULL; block++) {
        ucid_release(allocator, h->blocks[block], block_chunks(block, &first) * sizeof(cell_chunk) + LINE, 1);
        h->blocks[block] = NULL;
    }
    h->first = NULL;
    h->capacity = h->count = h->chunks = h->chunk_count = 0;
}

static void begin_heap(cell_heap_pieces *p)
{
    if (p->heap < p->heap_count) p->chunk = p->heaps[p->heap]->buckets[p->bucket].newest;
}

cell_heap_pieces cell_heap_pieces_of(cell_heap *const *heaps, size_t heap_count, uint32_t bucket)
{
    cell_heap_pieces p = {.heaps = heaps, .heap_count = heap_count, .bucket = bucket};
    begin_heap(&p);
    return p;
}

int cell_heap_next(cell_heap_pieces *p, uint64_t **rows)
{
    while (p->heap < p->heap_count) {
        const cell_heap *h = p->heaps[p->heap];
        const cell_bucket *b = &h->buckets[p->bucket];
        if (p->chunk != NULL) {
            cell_chunk *chunk = p->chunk;
            p->chunk = chunk->older;
            for (int line = 0; p->chunk != NULL && line < AHEAD; line++) {
                __builtin_prefetch((const char *)p->chunk + line * LINE);
            }
            *rows = chunk->rows;
            return chunk == b->newest ? (int)b->fill : CELL_HEAP_CHUNK;
        }
        int staged = (int)(h->ends[p->bucket] - p->bucket * CELL_HEAP_STAGE);
        *rows = h->stage + (size_t)p->bucket * CELL_HEAP_STAGE;
        p->heap++;
        begin_heap(p);
        if (staged > 0) return staged;
    }
    return 0;
}
