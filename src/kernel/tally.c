/* tally.c: a buffer, runs, and a heap over them.
 *
 *     values --count equal ones--> buffer --sort--> run --> memory, or the file --heap--> ascending
 *
 * Scores have few values: a table finds the entry of a value that the buffer has already, and the buffer never fills.
 * Where that does not help, as with distances, the table is left out and values are only appended. Cost: O(rows log
 * runs); 16 bytes for each different value of a group, as often as it is in different runs. */
#include "kernel/tally.h"

#include "kernel/run_heap.h"
#include "rt/error.h"
#include "rt/file.h"
#include "rt/memory.h"

#include <string.h>

enum { BUFFER = 1 << 19, SLOTS = 2 * BUFFER, READ_AHEAD = 1 << 12, DIGITS = 12 };

typedef struct run {
    ucid_tallied *values; /* [count]; or [READ_AHEAD], of the file */
    uint64_t position;    /* in the file, of its first value */
    size_t count, next, read;
    int filed;
} run;

struct ucid_tally {
    ucid_allocator allocator;
    uint64_t memory, held; /* bytes: allowed, and in runs */
    ucid_tallied *buffer, *spare;
    uint32_t *slots; /* number in the buffer + 1; NULL: values are appended */
    size_t count;
    uint64_t rows; /* that the buffer stands for */
    run *runs;
    size_t run_count, run_capacity;
    uint32_t *heap; /* numbers of runs, the least value first */
    size_t heap_count, heap_capacity;
    ucid_file_scratch file;
};

static size_t run_room(const run *r) { return r->filed ? READ_AHEAD : r->count; }

void ucid_tally_clear(ucid_tally *v)
{
    for (size_t i = 0; i < v->run_count; i++) {
        ucid_release(&v->allocator, v->runs[i].values, run_room(&v->runs[i]), sizeof(ucid_tallied));
    }
    v->run_count = v->heap_count = v->count = 0;
    v->rows = v->held = 0;
    ucid_file_scratch_close(&v->file);
    if (v->slots != NULL) memset(v->slots, 0, SLOTS * sizeof *v->slots);
}

void ucid_tally_free(ucid_tally *v)
{
    if (v == NULL) return;
    ucid_allocator allocator = v->allocator;
    ucid_tally_clear(v);
    ucid_release(&allocator, v->runs, v->run_capacity, sizeof *v->runs);
    ucid_release(&allocator, v->heap, v->heap_capacity, sizeof *v->heap);
    ucid_release(&allocator, v->buffer, BUFFER, sizeof *v->buffer);
    ucid_release(&allocator, v->spare, BUFFER, sizeof *v->spare);
    ucid_release(&allocator, v->slots, SLOTS, sizeof *v->slots);
    ucid_file_scratch_close(&v->file);
    ucid_release(&allocator, v, 1, sizeof *v);
}

ucid_status ucid_tally_new(const ucid_allocator *allocator, uint64_t memory, ucid_tally **values, ucid_error *error)
{
    ucid_allocator given = ucid_allocator_or_default(allocator);
    ucid_tally *v = ucid_allocate_zero(&given, 1, sizeof *v);
    if (v != NULL) {
        v->allocator = given;
        v->memory = memory;
        v->file = UCID_FILE_SCRATCH_INIT;
        v->buffer = ucid_allocate(&given, BUFFER, sizeof *v->buffer);
        v->spare = ucid_allocate(&given, BUFFER, sizeof *v->spare);
        v->slots = ucid_allocate_zero(&given, SLOTS, sizeof *v->slots);
    }
    if (v == NULL || v->buffer == NULL || v->spare == NULL || v->slots == NULL) {
        ucid_tally_free(v);
        return ucid_fail_memory(error, "values", 2 * BUFFER * sizeof(ucid_tallied));
    }
    *values = v;
    return UCID_OK;
}

static unsigned digit_of(const ucid_tallied *value, int digit)
{
    return (unsigned)((digit < 8 ? value->value >> 8 * digit : (uint64_t)value->group >> (8 * digit - 64)) & 255);
}

/* Sort the buffer, a digit a pass, digits that all share left out; then put equal ones together. */
static void sort_buffer(ucid_tally *v)
{
    static const size_t none[DIGITS][257];
    size_t first[DIGITS][257];
    memcpy(first, none, sizeof first);
    for (size_t i = 0; i < v->count; i++) {
        for (int d = 0; d < DIGITS; d++) first[d][digit_of(&v->buffer[i], d) + 1]++;
    }
    for (int d = 0; d < DIGITS; d++) {
        if (first[d][digit_of(&v->buffer[0], d) + 1] == v->count) continue;
        for (int b = 0; b < 256; b++) first[d][b + 1] += first[d][b];
        for (size_t i = 0; i < v->count; i++) v->spare[first[d][digit_of(&v->buffer[i], d)]++] = v->buffer[i];
        ucid_tallied *swap = v->buffer;
        v->buffer = v->spare;
        v->spare = swap;
    }
    size_t kept = 0;
    for (size_t i = 1; i < v->count; i++) {
        ucid_tallied *last = &v->buffer[kept], value = v->buffer[i];
        if (last->value == value.value && last->group == value.group && last->count <= UINT32_MAX - value.count) {
            last->count += value.count;
        } else {
            v->buffer[++kept] = value;
        }
    }
    v->count = kept + 1;
}

static ucid_status flush(ucid_tally *v, ucid_error *error)
{
    if (v->count == 0) return UCID_OK;
    if (v->slots != NULL && v->count == BUFFER && v->rows < 2 * (uint64_t)BUFFER) {
        ucid_release(&v->allocator, v->slots, SLOTS, sizeof *v->slots);
        v->slots = NULL;
    }
    sort_buffer(v);
    void *runs = v->runs;
    if (!ucid_grow(&v->allocator, &runs, &v->run_capacity, v->run_count + 1, sizeof *v->runs)) {
        return ucid_fail_memory(error, "values", sizeof(run));
    }
    v->runs = runs;
    size_t bytes = v->count * sizeof *v->buffer;
    run made = {.count = v->count, .filed = v->held + bytes > v->memory, .position = v->file.length};
    made.values = ucid_allocate(&v->allocator, run_room(&made), sizeof *made.values);
    if (made.values == NULL) return ucid_fail_memory(error, "values", bytes);
    if (made.filed) {
        ucid_status status = ucid_file_scratch_append(&v->file, v->buffer, bytes, error);
        if (status != UCID_OK) {
            ucid_release(&v->allocator, made.values, run_room(&made), sizeof *made.values);
            return status;
        }
    } else {
        memcpy(made.values, v->buffer, bytes);
    }
    v->held += run_room(&made) * sizeof *made.values;
    v->runs[v->run_count++] = made;
    v->count = 0;
    v->rows = 0;
    if (v->slots != NULL) memset(v->slots, 0, SLOTS * sizeof *v->slots);
    return UCID_OK;
}

ucid_status ucid_tally_add(ucid_tally *v, uint32_t group, uint64_t value, uint64_t count, ucid_error *error)
{
    for (; count > UINT32_MAX; count -= UINT32_MAX) {
        ucid_status status = ucid_tally_add(v, group, value, UINT32_MAX, error);
        if (status != UCID_OK) return status;
    }
    if (v->count == BUFFER) {
        ucid_status status = flush(v, error);
        if (status != UCID_OK) return status;
    }
    v->rows += count;
    if (v->slots != NULL) {
        uint64_t hash = (value ^ (uint64_t)group * 0x9e3779b97f4a7c15u) * 0xd6e8feb86659fd93u;
        hash = (hash ^ hash >> 32) * 0xd6e8feb86659fd93u >> 20;
        for (; v->slots[hash & (SLOTS - 1)] != 0; hash++) {
            ucid_tallied *known = &v->buffer[v->slots[hash & (SLOTS - 1)] - 1];
            if (known->value == value && known->group == group && count <= UINT32_MAX - known->count) {
                known->count += (uint32_t)count;
                return UCID_OK;
            }
        }
        v->slots[hash & (SLOTS - 1)] = (uint32_t)v->count + 1;
    }
    v->buffer[v->count++] = (ucid_tallied){value, group, (uint32_t)count};
    return UCID_OK;
}

static int is_before(const void *of, uint32_t a, uint32_t b)
{
    const ucid_tally *v = of;
    const ucid_tallied *x = &v->runs[a].values[v->runs[a].filed ? v->runs[a].next % READ_AHEAD : v->runs[a].next];
    const ucid_tallied *y = &v->runs[b].values[v->runs[b].filed ? v->runs[b].next % READ_AHEAD : v->runs[b].next];
    return x->group != y->group ? x->group < y->group : x->value < y->value;
}

static void sink(ucid_tally *v, size_t at) { run_heap_sink(v->heap, v->heap_count, at, is_before, v); }

/* The values from `next` on, where they are in the file. */
static ucid_status read_ahead(ucid_tally *v, run *r, ucid_error *error)
{
    if (!r->filed || r->next < r->read || r->next == r->count) return UCID_OK;
    size_t count = r->count - r->next < READ_AHEAD ? r->count - r->next : READ_AHEAD;
    r->read = r->next + count;
    return ucid_file_scratch_read(&v->file, r->position + r->next * sizeof(ucid_tallied), r->values,
                                  count * sizeof(ucid_tallied), error);
}

ucid_status ucid_tally_begin(ucid_tally *v, ucid_error *error)
{
    ucid_status status = flush(v, error);
    void *heap = v->heap;
    if (status == UCID_OK && !ucid_grow(&v->allocator, &heap, &v->heap_capacity, v->run_count + 1, sizeof *v->heap)) {
        return ucid_fail_memory(error, "values", v->run_count * sizeof *v->heap);
    }
    v->heap = heap;
    v->heap_count = 0;
    for (size_t i = 0; i < v->run_count && status == UCID_OK; i++) {
        v->runs[i].next = v->runs[i].read = 0;
        status = read_ahead(v, &v->runs[i], error);
        v->heap[v->heap_count++] = (uint32_t)i;
    }
    for (size_t i = v->heap_count / 2; status == UCID_OK && i-- > 0;) sink(v, i);
    return status;
}

ucid_status ucid_tally_next(ucid_tally *v, ucid_tallied *value, int *there, ucid_error *error)
{
    *there = v->heap_count > 0;
    if (v->heap_count == 0) return UCID_OK;
    run *r = &v->runs[v->heap[0]];
    *value = r->values[r->filed ? r->next % READ_AHEAD : r->next];
    r->next++;
    ucid_status status = read_ahead(v, r, error);
    if (r->next == r->count) v->heap[0] = v->heap[--v->heap_count];
    if (v->heap_count > 1) sink(v, 0);
    return status;
}

ucid_status ucid_tally_renumber(ucid_tally *v, const uint32_t *to, ucid_error *error)
{
    ucid_tally *other;
    ucid_tallied value;
    int there = 1;
    ucid_status status = ucid_tally_new(&v->allocator, v->memory, &other, error);
    if (status != UCID_OK) return status;
    status = ucid_tally_begin(v, error);
    while (status == UCID_OK && there) {
        status = ucid_tally_next(v, &value, &there, error);
        if (status == UCID_OK && there)
            status = ucid_tally_add(other, to[value.group], value.value, value.count, error);
    }
    if (status == UCID_OK) {
        ucid_tally swap = *v;
        *v = *other;
        *other = swap;
    }
    ucid_tally_free(other);
    return status;
}
