/* group_runs.c: a file of sorted runs, a window of each in memory, and a heap over them.
 *
 *     run     | group | key | sum | squares | value count | value count | 0 0 | group | ...
 *     window          [=====================]
 *
 * Cost: 120 bytes and the key a group and 16 a value, written once and read once, in order. */
#include "kernel/group_runs.h"

#include "kernel/run_heap.h"
#include "rt/error.h"
#include "rt/file.h"
#include "rt/memory.h"

#include <string.h>

enum { WRITE_AHEAD = 1 << 20, WINDOW_LEAST = 1 << 12, WINDOW_MOST = 1 << 20 };
static const uint32_t NULL_KEY = UINT32_MAX;

typedef struct value {
    uint64_t value, count;
} value;

/* What has the same length in every record; keys and limbs of the sums follow. */
typedef struct big_head {
    int32_t negative, first, count;
} big_head;
typedef struct head {
    ucid_group group;
    big_head sum, squares;
} head;

typedef struct run {
    uint64_t position, end; /* in the file: of what the window does not have yet */
    char *window;
    size_t capacity, at, filled;
    group_record top;
} run;

struct group_runs {
    ucid_allocator allocator;
    ucid_file_scratch file;
    char *ahead; /* [WRITE_AHEAD] that is not in the file yet */
    size_t ahead_filled;
    uint64_t *starts; /* of runs */
    size_t run_count, start_capacity;
    run *runs; /* [run_count], once they are read */
    size_t opened;
    uint32_t *heap; /* numbers of runs, the least key first */
    size_t heap_count;
};

int group_key_is_after(const char *a, uint32_t a_length, const char *b, uint32_t b_length)
{
    if (a_length == NULL_KEY || b_length == NULL_KEY) return b_length == NULL_KEY && a_length != NULL_KEY;
    uint32_t shared = a_length < b_length ? a_length : b_length;
    int order = shared > 0 ? memcmp(a, b, shared) : 0;
    return order != 0 ? order > 0 : a_length > b_length;
}

static void close_runs(group_runs *r)
{
    for (size_t i = 0; i < r->opened; i++) ucid_release(&r->allocator, r->runs[i].window, r->runs[i].capacity, 1);
    ucid_release(&r->allocator, r->runs, r->opened, sizeof *r->runs);
    ucid_release(&r->allocator, r->heap, r->opened, sizeof *r->heap);
    r->runs = NULL;
    r->heap = NULL;
    r->opened = r->heap_count = 0;
}

void group_runs_free(group_runs *r)
{
    if (r == NULL) return;
    ucid_allocator allocator = r->allocator;
    close_runs(r);
    ucid_release(&allocator, r->starts, r->start_capacity, sizeof *r->starts);
    ucid_release(&allocator, r->ahead, WRITE_AHEAD, 1);
    ucid_file_scratch_close(&r->file);
    ucid_release(&allocator, r, 1, sizeof *r);
}

ucid_status group_runs_new(const ucid_allocator *allocator, group_runs **runs, ucid_error *error)
{
    group_runs *r = ucid_allocate_zero(allocator, 1, sizeof *r);
    if (r == NULL) return ucid_fail_memory(error, "runs of groups", sizeof *r);
    r->allocator = *allocator;
    r->file = UCID_FILE_SCRATCH_INIT;
    r->ahead = ucid_allocate(allocator, WRITE_AHEAD, 1);
    if (r->ahead == NULL) {
        group_runs_free(r);
        return ucid_fail_memory(error, "runs of groups", WRITE_AHEAD);
    }
    *runs = r;
    return UCID_OK;
}

/* -------------------------------------------------------------------------------------------------------- Writing --
 */

static ucid_status flush(group_runs *r, ucid_error *error)
{
    ucid_status status = ucid_file_scratch_append(&r->file, r->ahead, r->ahead_filled, error);
    r->ahead_filled = 0;
    return status;
}

static ucid_status put(group_runs *r, const void *bytes, size_t length, ucid_error *error)
{
    if (length > WRITE_AHEAD - r->ahead_filled) {
        ucid_status status = flush(r, error);
        if (status == UCID_OK && length > WRITE_AHEAD) return ucid_file_scratch_append(&r->file, bytes, length, error);
        if (status != UCID_OK) return status;
    }
    if (length > 0) memcpy(r->ahead + r->ahead_filled, bytes, length);
    r->ahead_filled += length;
    return UCID_OK;
}

ucid_status group_runs_begin(group_runs *r, ucid_error *error)
{
    void *starts = r->starts;
    if (!ucid_grow(&r->allocator, &starts, &r->start_capacity, r->run_count + 1, sizeof *r->starts)) {
        return ucid_fail_memory(error, "runs of groups", sizeof *r->starts);
    }
    r->starts = starts;
    r->starts[r->run_count++] = r->file.length;
    return UCID_OK;
}

static size_t limb_bytes(const big_head *h) { return (size_t)h->count * sizeof(uint32_t); }
static big_head head_of(const ucid_big *big) { return (big_head){big->negative, big->first, big->count}; }

static void get_big(const big_head *h, const char *limbs, ucid_big *big)
{
    big->negative = h->negative;
    big->first = h->first;
    big->count = h->count;
    memcpy(big->limb, limbs, limb_bytes(h));
}

ucid_status group_runs_put(group_runs *r, const group_record *record, ucid_error *error)
{
    head h;
    memset(&h, 0, sizeof h); /* padding goes into the file too */
    h.group.key_length = record->group.key_length;
    h.group.rows = record->group.rows;
    h.group.values = record->group.values;
    h.group.least = record->group.least;
    h.group.most = record->group.most;
    h.group.up = record->group.up;
    h.group.down = record->group.down;
    h.sum = head_of(&record->sum);
    h.squares = head_of(&record->squares);
    ucid_status status = put(r, &h, sizeof h, error);
    if (status == UCID_OK && record->key != NULL) status = put(r, record->key, h.group.key_length, error);
    if (status == UCID_OK) status = put(r, record->sum.limb, limb_bytes(&h.sum), error);
    if (status == UCID_OK) status = put(r, record->squares.limb, limb_bytes(&h.squares), error);
    return status;
}

ucid_status group_runs_put_value(group_runs *r, uint64_t number, uint32_t count, ucid_error *error)
{
    value v = {number, count};
    return put(r, &v, sizeof v, error);
}

ucid_status group_runs_put_end(group_runs *r, ucid_error *error) { return group_runs_put_value(r, 0, 0, error); }

ucid_status group_runs_end(group_runs *r, ucid_error *error) { return flush(r, error); }

/* -------------------------------------------------------------------------------------------------------- Reading --
 */

/* The next bytes of a run, which stay where they are until more are wanted; NULL with an error. */
static const char *get(group_runs *r, run *from, size_t length, ucid_error *error)
{
    if (length > from->filled - from->at) {
        memmove(from->window, from->window + from->at, from->filled - from->at);
        from->filled -= from->at;
        from->at = 0;
        void *window = from->window;
        if (!ucid_grow(&r->allocator, &window, &from->capacity, length, 1)) {
            ucid_fail_memory(error, "a window of groups", length);
            return NULL;
        }
        from->window = window;
        uint64_t left = from->end - from->position;
        size_t room = from->capacity - from->filled, count = left < room ? (size_t)left : room;
        if (ucid_file_scratch_read(&r->file, from->position, from->window + from->filled, count, error) != UCID_OK) {
            return NULL;
        }
        from->position += count;
        from->filled += count;
    }
    const char *at = from->window + from->at;
    from->at += length;
    return at;
}

static ucid_status read_top(group_runs *r, run *from, ucid_error *error)
{
    head h;
    const char *at = get(r, from, sizeof h, error);
    if (at == NULL) return error->status;
    memcpy(&h, at, sizeof h);
    size_t key = h.group.key_length != NULL_KEY ? h.group.key_length : 0, sum = limb_bytes(&h.sum),
           squares = limb_bytes(&h.squares);
    at = get(r, from, key + sum + squares, error);
    if (at == NULL) return error->status;
    from->top.group = h.group;
    from->top.key = h.group.key_length != NULL_KEY ? at : NULL;
    get_big(&h.sum, at + key, &from->top.sum);
    get_big(&h.squares, at + key + sum, &from->top.squares);
    return UCID_OK;
}

static int is_before(const void *of, uint32_t a, uint32_t b)
{
    const group_runs *r = of;
    const group_record *x = &r->runs[a].top, *y = &r->runs[b].top;
    return group_key_is_after(y->key, y->group.key_length, x->key, x->group.key_length);
}

static void sink(group_runs *r, size_t at) { run_heap_sink(r->heap, r->heap_count, at, is_before, r); }

ucid_status group_runs_open(group_runs *r, uint64_t memory, ucid_error *error)
{
    ucid_error own;
    if (error == NULL) error = &own;
    close_runs(r);
    r->runs = ucid_allocate_zero(&r->allocator, r->run_count, sizeof *r->runs);
    r->heap = ucid_allocate(&r->allocator, r->run_count, sizeof *r->heap);
    r->opened = r->run_count;
    if (r->runs == NULL || r->heap == NULL) {
        ucid_release(&r->allocator, r->runs, r->opened, sizeof *r->runs);
        ucid_release(&r->allocator, r->heap, r->opened, sizeof *r->heap);
        r->runs = NULL;
        r->heap = NULL;
        r->opened = 0;
        return ucid_fail_memory(error, "runs of groups", r->run_count * sizeof *r->runs);
    }
    uint64_t window = r->run_count > 0 ? memory / r->run_count : 0;
    window = window < WINDOW_LEAST ? WINDOW_LEAST : window < WINDOW_MOST ? window : WINDOW_MOST;
    for (size_t i = 0; i < r->run_count; i++) {
        run *from = &r->runs[i];
        from->position = r->starts[i];
        from->end = i + 1 < r->run_count ? r->starts[i + 1] : r->file.length;
        from->window = ucid_allocate(&r->allocator, (size_t)window, 1);
        if (from->window == NULL) return ucid_fail_memory(error, "a window of groups", (size_t)window);
        from->capacity = (size_t)window;
        if (from->position == from->end) continue;
        ucid_status status = read_top(r, from, error);
        if (status != UCID_OK) return status;
        r->heap[r->heap_count++] = (uint32_t)i;
    }
    for (size_t i = r->heap_count / 2; i-- > 0;) sink(r, i);
    return UCID_OK;
}

const group_record *group_runs_top(const group_runs *r) { return r->heap_count > 0 ? &r->runs[r->heap[0]].top : NULL; }

ucid_status group_runs_value(group_runs *r, uint64_t *number, uint32_t *count, ucid_error *error)
{
    ucid_error own;
    value v;
    const char *at = get(r, &r->runs[r->heap[0]], sizeof v, error != NULL ? error : &own);
    if (at == NULL) return error != NULL ? error->status : own.status;
    memcpy(&v, at, sizeof v);
    *number = v.value;
    *count = (uint32_t)v.count;
    return UCID_OK;
}

ucid_status group_runs_pop(group_runs *r, ucid_error *error)
{
    ucid_error own;
    run *from = &r->runs[r->heap[0]];
    ucid_status status = UCID_OK;
    if (from->at == from->filled && from->position == from->end) {
        r->heap[0] = r->heap[--r->heap_count];
    } else {
        status = read_top(r, from, error != NULL ? error : &own);
    }
    if (r->heap_count > 1) sink(r, 0);
    return status;
}
