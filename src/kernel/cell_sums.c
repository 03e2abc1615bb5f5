/* cell_sums.c: how rows find their groups depends on how they come.
 *
 *     cells, scores --block--> keys, values --runs, ascending----> tail: the next group, or one more
 *                                           \-few groups---------> near: a hash table that fits into a cache
 *                                           \-many, in no order--> heap: rows in buckets, to be sorted
 *
 *     tail, full near, full heap --> runs of groups, ascending --take--> order
 *
 * Whether groups are few is tried: the heap's first rows are added to near groups, and where these do not hold them, or
 * turn out to have few rows for each, rows stay in the heap. Two runs are merged where one is not half as long as the
 * other, so there are few and a group is moved few times. Threads have sums of their own; their heaps are sorted
 * together and their runs ordered together, so most groups are written once. Cost: O(rows); 64 bytes a group, twice
 * that for what is merged; 48 MB a thread for a heap, and its largest bucket twice while it is sorted. */
#include "kernel/cell_sums.h"

#include "kernel/cell_sort.h"
#include "rt/memory.h"
#include "rt/pool.h"

#include <string.h>

enum { NEAR_BITS = 14, NEAR_BITS_FINEST = 12, FINEST = 15 }; /* groups: a slot holds a key and a number */
enum { LINE = 64, SLOTS = 8, AHEAD = 128 };                /* slots for each group; rows that are looked for at once */
enum { NEAR_ROWS = 16 };                                   /* for each group are enough */
enum { TRIAL = 1 << 16, HEAP = 3 << 21, TAIL_MIN = 4096 }; /* rows; groups that are worth a run */
enum { RUNS = 64, RUNS_PLAIN = 16 };

struct ucid_cell_sums {
    ucid_allocator allocator;
    const cell_rows_kernels *kernels;
    int resolution;
    enum { UNTRIED, FEW, MANY } groups; /* what is known of rows in no order */
    cell_run tail, near;                /* near groups lie in near_block, each in one line of a cache */
    void *near_block;
    cell_slots slots; /* of near groups */
    size_t near_rows;
    cell_heap heap;
    cell_plan_board *board;
    cell_run runs[RUNS];
    int run_count;
    ucid_cell_sum lost;
};

ucid_cell_sums *ucid_cell_sums_new(const ucid_allocator *allocator, int resolution, cell_plan_board *board)
{
    ucid_cell_sums *s = ucid_allocate_zero(allocator, 1, sizeof *s);
    if (s == NULL) return NULL;
    s->allocator = *allocator;
    s->kernels = cell_rows_kernels_find(NULL);
    s->resolution = resolution;
    s->slots.number_bits = resolution < FINEST ? NEAR_BITS : NEAR_BITS_FINEST;
    s->board = board;
    return s;
}

static size_t near_max(const ucid_cell_sums *s) { return (size_t)1 << s->slots.number_bits; }

static size_t slot_count(const ucid_cell_sums *s) { return s->slots.of != NULL ? (size_t)1 << s->slots.bits : 0; }

/* The block has room for one more, so that groups can begin where a line does. */
static void free_near(ucid_cell_sums *s)
{
    ucid_release(&s->allocator, s->near_block, s->near.capacity + 1, sizeof *s->near.groups);
    s->near = (cell_run){0};
    s->near_block = NULL;
}

void ucid_cell_sums_clear(ucid_cell_sums *s)
{
    cell_run_reset(&s->tail, &s->allocator);
    while (s->run_count > 0) cell_run_reset(&s->runs[--s->run_count], &s->allocator);
    free_near(s);
    ucid_release(&s->allocator, s->slots.of, slot_count(s), sizeof *s->slots.of);
    s->slots.of = NULL;
    s->near_rows = 0;
    s->groups = UNTRIED;
    cell_heap_reset(&s->heap, &s->allocator);
    s->lost = (ucid_cell_sum){0};
}

size_t ucid_cell_sums_count(const ucid_cell_sums *s)
{
    size_t count = s->tail.count + s->near.count;
    for (int r = 0; r < s->run_count; r++) count += s->runs[r].count;
    return count;
}

void ucid_cell_sums_free(ucid_cell_sums *s)
{
    if (s == NULL) return;
    ucid_allocator allocator = s->allocator;
    ucid_cell_sums_clear(s);
    ucid_release(&allocator, s, 1, sizeof *s);
}

/* ----------------------------------------------------------------------------------------------------------- Runs --
 */

/* The run is taken over. */
static int push(ucid_cell_sums *s, cell_run *run)
{
    if (run->count == 0) return 1;
    s->runs[s->run_count++] = *run;
    *run = (cell_run){0};
    while (s->run_count > 1 && s->runs[s->run_count - 2].count < 2 * s->runs[s->run_count - 1].count) {
        cell_run *last = &s->runs[s->run_count - 1];
        if (!cell_run_merge(last - 1, last, &s->allocator)) return 0;
        s->run_count--;
    }
    return 1;
}

static void empty_near(ucid_cell_sums *s)
{
    s->near.count = s->near_rows = 0;
    if (s->slots.of != NULL) memset(s->slots.of, 0xFF, slot_count(s) * sizeof *s->slots.of);
}

/* Numbers of groups by cell, a byte a pass, bytes that all share left out. */
static const uint16_t *sort_numbers(const cell_run *run, uint16_t *numbers, uint16_t *spare)
{
    uint64_t any = 0, all = UINT64_MAX;
    for (size_t i = 0; i < run->count; i++) {
        numbers[i] = (uint16_t)i;
        any |= run->groups[i].cell;
        all &= run->groups[i].cell;
    }
    for (int shift = 0; shift < 64; shift += 8) {
        if (((any ^ all) >> shift & 255) == 0) continue;
        uint16_t first[257] = {0};
        for (size_t i = 0; i < run->count; i++) first[(run->groups[i].cell >> shift & 255) + 1]++;
        for (int b = 0; b < 256; b++) first[b + 1] = (uint16_t)(first[b + 1] + first[b]);
        for (size_t i = 0; i < run->count; i++) {
            spare[first[run->groups[numbers[i]].cell >> shift & 255]++] = numbers[i];
        }
        uint16_t *swap = numbers;
        numbers = spare;
        spare = swap;
    }
    return numbers;
}

/* The near groups become a run. */
static int leave_near(ucid_cell_sums *s)
{
    size_t count = s->near.count;
    if (count == 0) return 1;
    cell_run run = {ucid_allocate(&s->allocator, count, sizeof *run.groups), count, count};
    uint16_t *numbers = ucid_allocate(&s->allocator, 2 * count, sizeof *numbers);
    if (run.groups == NULL || numbers == NULL) {
        cell_run_reset(&run, &s->allocator);
        ucid_release(&s->allocator, numbers, 2 * count, sizeof *numbers);
        return 0;
    }
    const uint16_t *order = sort_numbers(&s->near, numbers, numbers + count);
    for (size_t i = 0; i < count; i++) run.groups[i] = s->near.groups[order[i]];
    ucid_release(&s->allocator, numbers, 2 * count, sizeof *numbers);
    if (s->near_rows < NEAR_ROWS * count) s->groups = MANY;
    empty_near(s);
    return push(s, &run);
}

/* So do the rows of the heap. */
static int leave_heap(ucid_cell_sums *s)
{
    cell_heap *heap = &s->heap;
    cell_run run;
    if (heap->count == 0) return 1;
    if (!cell_sort(&heap, 1, s->kernels, s->resolution, 1, &s->allocator, &run)) return 0;
    if (run.count <= near_max(s) / 2) s->groups = FEW;
    cell_heap_empty(&s->heap, &s->allocator);
    return push(s, &run);
}

/* --------------------------------------------------------------------------------------------------------- Groups --
 */

/* Where the number of a group goes: the first free slot of those that its key may be in. */
static void put_slot(cell_slots *slots, uint64_t key, size_t number)
{
    size_t at = cell_slots_first(slots, key);
    while (slots->of[at] != CELL_SLOTS_FREE) at = cell_slots_next(slots, at);
    slots->of[at] = key << slots->number_bits | number;
}

static int grow_slots(ucid_cell_sums *s, size_t groups)
{
    cell_slots slots = {.bits = 8, .number_bits = s->slots.number_bits};
    while ((size_t)1 << slots.bits < SLOTS * groups) slots.bits++;
    slots.of = ucid_allocate(&s->allocator, (size_t)1 << slots.bits, sizeof *slots.of);
    if (slots.of == NULL) return 0;
    memset(slots.of, 0xFF, sizeof *slots.of << slots.bits);
    ucid_release(&s->allocator, s->slots.of, slot_count(s), sizeof *s->slots.of);
    s->slots = slots;
    for (size_t i = 0; i < s->near.count; i++) {
        put_slot(&s->slots, cell_rows_key(s->near.groups[i].cell, s->resolution), i);
    }
    return 1;
}

static int grow_near(ucid_cell_sums *s, size_t capacity)
{
    cell_run near = {.count = s->near.count, .capacity = capacity};
    void *block = ucid_allocate(&s->allocator, capacity + 1, sizeof *near.groups);
    if (block == NULL) return 0;
    near.groups = (ucid_cell_sum *)(((uintptr_t)block + LINE - 1) / LINE * LINE);
    if (near.count > 0) memcpy(near.groups, s->near.groups, near.count * sizeof *near.groups);
    free_near(s);
    s->near = near;
    s->near_block = block;
    return 1;
}

/* Room for so many more near groups; what is there may have left. */
static int make_room(ucid_cell_sums *s, size_t more)
{
    if (s->near.count + more > near_max(s) && !leave_near(s)) return 0;
    size_t groups = s->near.count + more;
    if (groups > s->near.capacity && !grow_near(s, 4 * groups < near_max(s) ? 4 * groups : near_max(s))) return 0;
    return slot_count(s) >= SLOTS * groups || grow_slots(s, groups);
}

/* Number of the near group of a key, made where there is none and room. */
static uint32_t near_group(ucid_cell_sums *s, uint64_t key)
{
    const cell_slots *slots = &s->slots;
    uint64_t slot;
    for (size_t at = cell_slots_first(slots, key); (slot = slots->of[at]) != CELL_SLOTS_FREE;) {
        if (slot >> slots->number_bits == key) return (uint32_t)(slot & (near_max(s) - 1));
        at = cell_slots_next(slots, at);
    }
    put_slot(&s->slots, key, s->near.count);
    s->near.groups[s->near.count] = (ucid_cell_sum){.cell = cell_rows_cell(key, s->resolution)};
    return (uint32_t)s->near.count++;
}

/* The tail's last group, one more behind it, or a near one. NULL: no memory. */
static ucid_cell_sum *group_of(ucid_cell_sums *s, uint64_t cell, size_t rows)
{
    cell_run *tail = &s->tail;
    uint64_t last = tail->count > 0 ? tail->groups[tail->count - 1].cell : 0;
    if (cell == last) return &tail->groups[tail->count - 1];
    if (cell > last) {
        void *grown = tail->groups;
        if (!ucid_grow(&s->allocator, &grown, &tail->capacity, tail->count + 1, sizeof *tail->groups)) return NULL;
        tail->groups = grown;
        tail->groups[tail->count] = (ucid_cell_sum){.cell = cell};
        return &tail->groups[tail->count++];
    }
    if (!make_room(s, 1)) return NULL;
    s->near_rows += rows;
    return &s->near.groups[near_group(s, cell_rows_key(cell, s->resolution))];
}

/* Something begins below the tail's end: is it worth a tail of its own? */
static int begin(ucid_cell_sums *s, uint64_t cell)
{
    const cell_run *tail = &s->tail;
    int below = tail->count >= TAIL_MIN && cell < tail->groups[tail->count - 1].cell;
    return !below || push(s, &s->tail);
}

/* ----------------------------------------------------------------------------------------------------------- Rows --
 */

static int add_runs(ucid_cell_sums *s, const cell_rows *rows)
{
    int starts[CELL_ROWS_BLOCK + 1], runs = 0;
    for (int i = 0; i < rows->count; i += 8) {
        uint64_t eight;
        memcpy(&eight, rows->starts + i, sizeof eight);
        for (; eight != 0; eight &= eight - 1) starts[runs++] = i + __builtin_ctzll(eight) / 8;
    }
    starts[runs] = rows->count;
    if (!begin(s, cell_rows_cell(rows->keys[0], s->resolution))) return 0;
    for (int r = 0; r < runs; r++) {
        int first = starts[r], count = starts[r + 1] - first;
        ucid_cell_sum *g = group_of(s, cell_rows_cell(rows->keys[first], s->resolution), (size_t)count);
        if (g == NULL) return 0;
        s->kernels->add_run(g, rows->values + first, count);
    }
    return 1;
}

/* At most AHEAD rows: their groups are looked up, then values are added. There is room. */
static void add_ahead(ucid_cell_sums *s, const uint64_t *keys, const uint32_t *values, int n)
{
    uint32_t numbers[AHEAD];
    uint16_t others[AHEAD];
    int other_count = s->kernels->find(&s->slots, keys, n, numbers, others);
    s->near_rows += (size_t)n;
    for (int i = 0; i < other_count; i++) numbers[others[i]] = near_group(s, keys[others[i]]);
    s->kernels->add_each(s->near.groups, numbers, values, n);
}

static int add_near(ucid_cell_sums *s, const cell_rows *rows)
{
    for (int first = 0; first < rows->count; first += AHEAD) {
        int n = rows->count - first < AHEAD ? rows->count - first : AHEAD;
        if (!make_room(s, (size_t)n)) return 0;
        add_ahead(s, rows->keys + first, rows->values + first, n);
    }
    return 1;
}

/* Do near groups hold the rows of the heap? Where they do, that is where these are now. */
static int try_near(ucid_cell_sums *s)
{
    uint64_t keys[AHEAD];
    uint32_t values[AHEAD];
    s->groups = MANY;
    if (!leave_near(s)) return 0;
    for (size_t first = 0; first < s->heap.count; first += AHEAD) {
        size_t n = s->heap.count - first < AHEAD ? s->heap.count - first : AHEAD;
        if (s->near.count + n > near_max(s)) {
            empty_near(s);
            return 1;
        }
        if (!make_room(s, n)) {
            empty_near(s);
            return 0;
        }
        for (size_t i = 0; i < n; i++) {
            keys[i] = cell_heap_key(s->heap.first[first + i]);
            values[i] = cell_heap_value(s->heap.first[first + i]);
        }
        add_ahead(s, keys, values, (int)n);
    }
    s->groups = FEW;
    cell_heap_reset(&s->heap, &s->allocator);
    return 1;
}

static int add_heap(ucid_cell_sums *s, const cell_rows *block)
{
    cell_heap *heap = &s->heap;
    uint64_t rows[CELL_ROWS_BLOCK];
    if (heap->count + CELL_ROWS_BLOCK > HEAP && !leave_heap(s)) return 0;
    for (int i = 0; i < block->count; i++) rows[i] = cell_heap_row(block->keys[i], block->values[i]);
    if (!cell_heap_add(heap, s->kernels, rows, block->count, &s->allocator)) return 0;
    if (heap->planned || heap->count < TRIAL) return 1;
    if (s->groups == UNTRIED && !try_near(s)) return 0;
    return s->groups == FEW || cell_heap_plan_alike(heap, s->board, s->kernels, &s->allocator);
}

/* Rows without a parent are counted and leave the block. */
static void drop_nowhere(ucid_cell_sums *s, cell_rows *rows)
{
    int count = 0;
    rows->runs = rows->falls = 0;
    for (int i = 0; i < rows->count; i++) {
        uint64_t key = rows->keys[i];
        if (key == CELL_ROWS_NOWHERE) continue;
        rows->starts[count] = count == 0 || key != rows->keys[count - 1];
        rows->runs += rows->starts[count];
        rows->falls += count > 0 && key < rows->keys[count - 1];
        rows->keys[count] = key;
        rows->values[count++] = rows->values[i];
    }
    memset(rows->starts + count, 0, (size_t)(CELL_ROWS_BLOCK - count));
    s->lost.nulls += (uint32_t)(rows->count - count);
    rows->count = count;
}

int ucid_cell_sums_add(ucid_cell_sums *s, int64_t n, const uint64_t *cells, const ucid_aggregate_rows *rows)
{
    cell_rows block;
    int complete = 1;
    for (int64_t first = 0; first < n && complete; first += CELL_ROWS_BLOCK) {
        block.count = n - first < CELL_ROWS_BLOCK ? (int)(n - first) : CELL_ROWS_BLOCK;
        s->kernels->read(cells, rows, first, s->resolution, &block);
        if (block.nowhere > 0) drop_nowhere(s, &block);
        if (block.count == 0) continue;
        if (4 * block.runs <= block.count || block.falls == 0) {
            complete = add_runs(s, &block);
        } else {
            int near = s->groups == FEW || s->resolution > CELL_HEAP_FINEST;
            complete = near ? add_near(s, &block) : add_heap(s, &block);
        }
    }
    return complete;
}

/* --------------------------------------------------------------------------------------------------------- Taking --
 */

typedef struct take_job {
    ucid_cell_sums *const *list;
    int *failed; /* [list] */
} take_job;

static void settle(void *ctx, int64_t number, int worker)
{
    (void)worker;
    const take_job *job = ctx;
    ucid_cell_sums *s = job->list[number];
    job->failed[number] = !leave_near(s) || !push(s, &s->tail);
}

/* Heaps of all become a run of the first. */
static int settle_heaps(ucid_cell_sums *const *list, int count, int threads, cell_heap **heaps)
{
    ucid_cell_sums *s = list[0];
    size_t rows = 0;
    cell_run run;
    for (int i = 0; i < count; i++) {
        heaps[i] = &list[i]->heap;
        rows += heaps[i]->count;
    }
    if (rows == 0) return 1;
    if (!cell_sort(heaps, (size_t)count, s->kernels, s->resolution, threads, &s->allocator, &run)) return 0;
    for (int i = 0; i < count; i++) cell_heap_reset(&list[i]->heap, &list[i]->allocator);
    s->board->is_made = 0; /* later rows may lie elsewhere */
    if (s->run_count >= RUNS_PLAIN) return push(s, &run);
    s->runs[s->run_count++] = run;
    return 1;
}

int ucid_cell_sums_take(ucid_cell_sums *const *list, int count, int threads, cell_order *out)
{
    ucid_allocator *allocator = &list[0]->allocator;
    size_t n = (size_t)count, runs_max = n * RUNS, run_count = 0;
    int *failed = ucid_allocate_zero(allocator, n, sizeof *failed), complete = 1;
    cell_heap **heaps = ucid_allocate(allocator, n, sizeof *heaps);
    cell_run *runs = ucid_allocate(allocator, runs_max, sizeof *runs);
    if (failed == NULL || heaps == NULL || runs == NULL) {
        complete = 0;
    } else {
        take_job job = {list, failed};
        ucid_parallel(threads, count, settle, &job);
        for (int i = 0; i < count; i++) complete = complete && !failed[i];
        complete = complete && settle_heaps(list, count, threads, heaps);
        for (int i = 0; i < count; i++) {
            for (int r = 0; r < list[i]->run_count; r++) runs[run_count++] = list[i]->runs[r];
            if (i > 0) cell_sum_merge(&list[0]->lost, &list[i]->lost);
            if (i > 0) list[i]->lost = (ucid_cell_sum){0};
        }
        complete = complete && cell_order_make(&list[0]->lost, runs, run_count, threads, allocator, out);
    }
    ucid_release(allocator, failed, n, sizeof *failed);
    ucid_release(allocator, heaps, n, sizeof *heaps);
    ucid_release(allocator, runs, runs_max, sizeof *runs);
    return complete;
}

/* ---------------------------------------------------------------------------------------------------------- Finer --
 */

int ucid_cell_sums_add_group(ucid_cell_sums *s, const ucid_cell_sum *group)
{
    if (group->cell == 0) {
        cell_sum_merge(&s->lost, group);
        return 1;
    }
    uint64_t cell = cell_rows_cell(cell_rows_key(group->cell, s->resolution), s->resolution);
    ucid_cell_sum *g = begin(s, cell) ? group_of(s, cell, 1) : NULL;
    if (g != NULL) cell_sum_merge(g, group);
    return g != NULL;
}

typedef struct finer_job {
    ucid_cell_sums *const *list;
    const cell_order *finer;
    const size_t *starts; /* [list + 1] places */
    int *failed;          /* [list] */
} finer_job;

static int add_finer(ucid_cell_sums *s, const cell_order *finer, size_t first, size_t end)
{
    ucid_cell_sum *g = NULL;
    for (size_t number = cell_order_find(finer, first); first < end; number++) {
        const cell_piece *piece = &finer->pieces[number];
        size_t last = piece->place + piece->count < end ? piece->count : end - piece->place;
        for (size_t i = first - piece->place; i < last; i++) {
            const ucid_cell_sum *from = &piece->groups[i];
            if (from->cell == 0) {
                cell_sum_merge(&s->lost, from);
                continue;
            }
            uint64_t cell = cell_rows_cell(cell_rows_key(from->cell, s->resolution), s->resolution);
            if (g == NULL && !begin(s, cell)) return 0;
            if (g == NULL || g->cell != cell) g = group_of(s, cell, 1);
            if (g == NULL) return 0;
            cell_sum_merge(g, from);
        }
        first = piece->place + last;
    }
    return 1;
}

static void add_part(void *ctx, int64_t number, int worker)
{
    (void)worker;
    const finer_job *job = ctx;
    job->failed[number] = !add_finer(job->list[number], job->finer, job->starts[number], job->starts[number + 1]);
}

static uint64_t key_at(const cell_order *order, size_t place, int resolution)
{
    const cell_piece *piece = &order->pieces[cell_order_find(order, place)];
    return cell_rows_key(piece->groups[place - piece->place].cell, resolution);
}

int ucid_cell_sums_add_groups(ucid_cell_sums *const *list, int count, const cell_order *finer)
{
    ucid_allocator *allocator = &list[0]->allocator;
    size_t n = (size_t)count;
    size_t *starts = ucid_allocate_zero(allocator, n + 1, sizeof *starts);
    int *failed = ucid_allocate_zero(allocator, n, sizeof *failed), complete = starts != NULL && failed != NULL;
    if (complete) {
        for (size_t i = 1; i <= n; i++) { /* no parent is in two parts */
            size_t at = i < n ? finer->groups / n * i : finer->groups;
            if (at < starts[i - 1]) at = starts[i - 1];
            while (at > starts[i - 1] && at < finer->groups &&
                   key_at(finer, at, list[0]->resolution) == key_at(finer, at - 1, list[0]->resolution)) {
                at++;
            }
            starts[i] = at;
        }
        finer_job job = {list, finer, starts, failed};
        ucid_parallel(count, count, add_part, &job);
        for (int i = 0; i < count; i++) complete = complete && !failed[i];
    }
    ucid_release(allocator, starts, n + 1, sizeof *starts);
    ucid_release(allocator, failed, n, sizeof *failed);
    return complete;
}
