/* groups.c: a table a thread, from the bytes of a key to the number of its group.
 *
 *     keys -> runs of equal keys -> slot -> group -> counts, extremes, exact sums, values
 *
 * Sums are exact (exact.h) and values are counted (tally.h), so threads and order do not show. Values carry numbers of
 * groups, which are those of one table: where values are kept, one thread adds. Where the tables get too large each
 * becomes a sorted run in a file (group_runs.c) and begins anew; groups then come out of the runs, a window at a time.
 * Cost: O(rows); 64 bytes a group and its key, 88 more for its sum, 88 for that of squares, 32 for the order. */
#include "kernel/groups.h"

#include "kernel/entry_sums.h"
#include "kernel/group_runs.h"
#include "kernel/slots.h"
#include "kernel/tally.h"
#include "rt/bits.h"
#include "rt/error.h"
#include "rt/memory.h"
#include "rt/pool.h"

#include <string.h>

enum {
    BLOCK = 32,
    ROWS_AN_ENTRY = 4,
    ROWS_A_THREAD = 16384,
    THREADS_MAX = 64,
    WINDOW_GROUPS = 1 << 16,
    WINDOW_VALUES = 1 << 22
};
static const uint32_t NULL_KEY = UINT32_MAX;
static const uint64_t VALUES_MEMORY = (uint64_t)1 << 30;

/* A group in the order of keys: the eight bytes of its key that follow those which all have. */
typedef struct ranked {
    uint64_t head;
    uint32_t number;
} ranked;

typedef struct table {
    const ucid_allocator *allocator;
    ucid_allocator of_wide; /* sums that need more than their place */
    uint64_t wide;          /* bytes of these */
    ucid_group *groups;
    size_t count, capacity;
    ucid_exact *sums, *squares;
    size_t sum_capacity, square_capacity;
    char *keys;
    size_t key_bytes, key_capacity;
    slots slots;
    ranked *order; /* [2][count] */
    size_t order_capacity;
    uint32_t *of_entries; /* groups of the entries of a call, or SLOTS_NONE: not looked for yet */
    size_t entry_capacity;
    entry_sum *entry_sums;
    size_t entry_sum_capacity;
    int is_sorted;
} table;

struct ucid_groups {
    ucid_allocator allocator;
    int threads, what;
    uint64_t limit; /* bytes of groups */
    table *tables;  /* [threads] */
    ucid_tally *values;
    group_runs *runs; /* NULL: all groups are in the tables */
    int told;         /* groups of the tables have come out, or those in the first are a window of the runs */
};

typedef struct key {
    const char *bytes;
    uint32_t length, hash;
} key;

static uint64_t mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

static uint32_t hash_of(const char *bytes, uint32_t length)
{
    if (length == NULL_KEY) return 1;
    uint64_t h = length * 0xd6e8feb86659fd93u, word;
    size_t left = length;
    for (; left >= 8; left -= 8, bytes += 8) {
        memcpy(&word, bytes, 8);
        h = mix(h, word);
    }
    word = 0;
    if (left > 0) memcpy(&word, bytes, left);
    h = mix(h, word);
    return (uint32_t)((h * 0xd6e8feb86659fd93u) >> 32);
}

static int same_key(const table *t, const ucid_group *g, const key *k)
{
    return g->key_length == k->length &&
           (k->length == 0 || k->length == NULL_KEY || memcmp(t->keys + g->key, k->bytes, k->length) == 0);
}

static int grow(const ucid_allocator *allocator, void *array, size_t *capacity, size_t needed, size_t item)
{
    void *grown;
    memcpy(&grown, array, sizeof grown);
    if (!ucid_grow(allocator, &grown, capacity, needed, item)) return 0;
    memcpy(array, &grown, sizeof grown);
    return 1;
}

static int make_group(const ucid_allocator *allocator, int what, table *t, const key *k)
{
    size_t length = k->length != NULL_KEY ? k->length : 0;
    if (t->count >= UINT32_MAX - 1 || !grow(allocator, &t->groups, &t->capacity, t->count + 1, sizeof *t->groups) ||
        !grow(allocator, &t->keys, &t->key_capacity, t->key_bytes + length + 1, 1) ||
        ((what & UCID_GROUPS_SUM) != 0 &&
         !grow(allocator, &t->sums, &t->sum_capacity, t->count + 1, sizeof *t->sums)) ||
        ((what & UCID_GROUPS_SQUARES) != 0 &&
         !grow(allocator, &t->squares, &t->square_capacity, t->count + 1, sizeof *t->squares))) {
        return 0;
    }
    if (length > 0) memcpy(t->keys + t->key_bytes, k->bytes, length);
    t->groups[t->count] =
        (ucid_group){.key = t->key_bytes, .key_length = k->length, .hash = k->hash, .least = UINT64_MAX};
    if ((what & UCID_GROUPS_SUM) != 0) t->sums[t->count] = UCID_EXACT_INIT;
    if ((what & UCID_GROUPS_SQUARES) != 0) t->squares[t->count] = UCID_EXACT_INIT;
    t->key_bytes += length;
    t->count++;
    return 1;
}

/* Number of a key's group, made where there is none; SLOTS_NONE where memory is out. */
static uint32_t find(const ucid_allocator *allocator, int what, table *t, const key *k)
{
    if (!slots_reserve(&t->slots, allocator)) return SLOTS_NONE;
    size_t at = k->hash;
    for (uint32_t number; (number = slots_next(&t->slots, k->hash, &at)) != SLOTS_NONE;) {
        if (same_key(t, &t->groups[number], k)) return number;
    }
    if (!make_group(allocator, what, t, k)) return SLOTS_NONE;
    slots_put(&t->slots, k->hash, at, (uint32_t)t->count - 1);
    return (uint32_t)t->count - 1;
}

static void *allocate_wide(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    table *t = ctx;
    void *block = t->allocator->fn(t->allocator->ctx, ptr, old_size, new_size);
    if (block != NULL || new_size == 0) t->wide += new_size - old_size;
    return block;
}

static void reset_sums(table *t)
{
    for (size_t i = 0; t->wide > 0 && i < t->count; i++) {
        if (t->sums != NULL) ucid_exact_reset(&t->sums[i], &t->of_wide);
        if (t->squares != NULL) ucid_exact_reset(&t->squares[i], &t->of_wide);
    }
}

static void table_clear(table *t)
{
    reset_sums(t);
    slots_clear(&t->slots);
    t->count = t->key_bytes = 0;
}

static void table_close(table *t)
{
    const ucid_allocator *allocator = t->allocator;
    reset_sums(t);
    ucid_release(allocator, t->groups, t->capacity, sizeof *t->groups);
    ucid_release(allocator, t->sums, t->sum_capacity, sizeof *t->sums);
    ucid_release(allocator, t->squares, t->square_capacity, sizeof *t->squares);
    ucid_release(allocator, t->keys, t->key_capacity, 1);
    ucid_release(allocator, t->order, t->order_capacity, sizeof *t->order);
    ucid_release(allocator, t->of_entries, t->entry_capacity, sizeof *t->of_entries);
    ucid_release(allocator, t->entry_sums, t->entry_sum_capacity, sizeof *t->entry_sums);
    slots_reset(&t->slots, allocator);
    *t = (table){.allocator = allocator, .of_wide = {allocate_wide, t}};
}

ucid_status ucid_groups_new(const ucid_allocator *allocator, int threads, int what, uint64_t memory,
                            ucid_groups **groups, ucid_error *error)
{
    ucid_allocator given = ucid_allocator_or_default(allocator);
    threads = (what & UCID_GROUPS_VALUES) != 0 || threads < 1 ? 1 : threads < THREADS_MAX ? threads : THREADS_MAX;
    ucid_groups *g = ucid_allocate_zero(&given, 1, sizeof *g);
    if (g == NULL) return ucid_fail_memory(error, "groups", sizeof *g);
    g->allocator = given;
    g->threads = threads;
    g->what = what;
    g->limit = memory != 0 ? memory : ucid_memory_size() / 4;
    g->tables = ucid_allocate_zero(&given, (size_t)threads, sizeof *g->tables);
    for (int i = 0; g->tables != NULL && i < threads; i++) {
        g->tables[i].allocator = &g->allocator;
        g->tables[i].of_wide = (ucid_allocator){allocate_wide, &g->tables[i]};
    }
    ucid_status status = g->tables != NULL ? UCID_OK : ucid_fail_memory(error, "groups", sizeof *g->tables);
    if (status == UCID_OK && (what & UCID_GROUPS_VALUES) != 0) {
        status = ucid_tally_new(&given, memory != 0 ? memory : VALUES_MEMORY, &g->values, error);
    }
    if (status != UCID_OK) {
        ucid_groups_free(g);
        return status;
    }
    *groups = g;
    return UCID_OK;
}

static uint64_t table_bytes(const table *t)
{
    size_t sums = (t->sums != NULL) + (size_t)(t->squares != NULL);
    return t->count * (sizeof *t->groups + sums * sizeof *t->sums + 2 * sizeof *t->order) + t->key_bytes + t->wide +
           t->slots.used * 2 * sizeof *t->slots.slots;
}

/* Where there is no memory for more groups. */
static ucid_status fail_groups(const ucid_groups *groups, ucid_error *error)
{
    uint64_t count = 0, bytes = 0;
    for (int i = 0; i < groups->threads; i++) {
        count += groups->tables[i].count;
        bytes += table_bytes(&groups->tables[i]);
    }
    return ucid_fail(error, UCID_NO_MEMORY,
                     "no memory for more groups: %llu%s take %llu bytes, with their keys and sums; with less memory "
                     "given to them, more go into a file",
                     (unsigned long long)count, groups->threads > 1 ? ", some in several threads," : "",
                     (unsigned long long)bytes);
}

void ucid_groups_free(ucid_groups *g)
{
    if (g == NULL) return;
    ucid_allocator allocator = g->allocator;
    for (int i = 0; g->tables != NULL && i < g->threads; i++) table_close(&g->tables[i]);
    ucid_release(&allocator, g->tables, (size_t)g->threads, sizeof *g->tables);
    ucid_tally_free(g->values);
    group_runs_free(g->runs);
    ucid_release(&allocator, g, 1, sizeof *g);
}

/* --------------------------------------------------------------------------------------------------------- Adding --
 */

/* A number as m * 2^(position - EXACT_ORIGIN). */
typedef struct parts {
    uint64_t m;
    int position, negative;
} parts;

static parts parts_of_double(double value)
{
    union {
        double value;
        uint64_t bits;
    } x = {.value = value};
    int exponent = (int)(x.bits >> 52 & 2047);
    uint64_t m = x.bits & (((uint64_t)1 << 52) - 1);
    if (exponent != 0) m |= (uint64_t)1 << 52;
    return (parts){m, (exponent != 0 ? exponent : 1) - 1075, x.bits >> 63 != 0};
}

static inline int add_number(int what, table *t, uint32_t number, parts p)
{
    return ((what & UCID_GROUPS_SUM) == 0 ||
            ucid_exact_add_parts(&t->sums[number], p.m, p.position + EXACT_ORIGIN, p.negative, &t->of_wide)) &&
           ((what & UCID_GROUPS_SQUARES) == 0 ||
            ucid_exact_add_square(&t->squares[number], p.m, 2 * p.position + EXACT_ORIGIN, &t->of_wide));
}

static inline ucid_status add_double(ucid_groups *groups, table *t, uint32_t number, double value, int what,
                                     ucid_error *error)
{
    ucid_group *g = &t->groups[number];
    if (value != value) return UCID_OK;
    g->values++;
    if ((what & UCID_GROUPS_RANGE) != 0) {
        uint64_t order = ucid_order_of_double(value);
        g->least = order < g->least ? order : g->least;
        g->most = order > g->most ? order : g->most;
    }
    if (value - value != 0.0) { /* infinite */
        g->up |= value > 0;
        g->down |= value < 0;
    } else if (!add_number(what, t, number, parts_of_double(value))) {
        return ucid_fail_memory(error, "sums", EXACT_ALL * sizeof(int64_t));
    }
    return groups->values != NULL ? ucid_tally_add(groups->values, number, ucid_order_of_double(value), 1, error)
                                  : UCID_OK;
}

static ucid_status add_whole(ucid_groups *groups, table *t, uint32_t number, int64_t value, ucid_error *error)
{
    ucid_group *g = &t->groups[number];
    uint64_t order = ucid_order_of_whole(value);
    g->values++;
    g->least = order < g->least ? order : g->least;
    g->most = order > g->most ? order : g->most;
    parts p = {value < 0 ? -(uint64_t)value : (uint64_t)value, 0, value < 0};
    if (!add_number(groups->what, t, number, p)) {
        return ucid_fail_memory(error, "sums", EXACT_ALL * sizeof(int64_t));
    }
    return groups->values != NULL ? ucid_tally_add(groups->values, number, order, 1, error) : UCID_OK;
}

typedef struct add_job {
    ucid_groups *groups;
    int64_t n;
    int ranges;
    const ucid_group_rows *rows;
    ucid_status *statuses; /* [ranges] */
    ucid_error *errors;    /* [ranges] */
} add_job;

static key row_key(const ucid_group_rows *rows, int64_t row)
{
    if (!bit_is_set(rows->key_validity, row)) return (key){NULL, NULL_KEY, 1};
    return (key){rows->keys + rows->offsets[row], (uint32_t)(rows->offsets[row + 1] - rows->offsets[row]), 0};
}

/* Numbers of the groups of some rows. 0: no memory. */
static int find_rows(ucid_groups *groups, table *t, const ucid_group_rows *rows, int64_t first, int n,
                     uint32_t *numbers)
{
    key keys[BLOCK];
    for (int i = 0; i < n; i++) {
        keys[i] = row_key(rows, first + i);
        keys[i].hash = hash_of(keys[i].bytes, keys[i].length);
        slots_fetch(&t->slots, keys[i].hash);
    }
    for (int i = 0; i < n; i++) {
        numbers[i] = find(&groups->allocator, groups->what, t, &keys[i]);
        if (numbers[i] == SLOTS_NONE) return 0;
    }
    return 1;
}

/* The same of an entry, and of rows that are entries. */
static inline uint32_t find_entry(ucid_groups *groups, table *t, const ucid_group_rows *rows, uint32_t entry)
{
    uint32_t *number = &t->of_entries[entry];
    if (*number == SLOTS_NONE) {
        key k = entry < rows->entry_count ? row_key(rows, entry) : (key){NULL, NULL_KEY, 1};
        k.hash = hash_of(k.bytes, k.length);
        *number = find(&groups->allocator, groups->what, t, &k);
    }
    return *number;
}

static int find_entries(ucid_groups *groups, table *t, const ucid_group_rows *rows, int64_t first, int n,
                        uint32_t *numbers)
{
    for (int i = 0; i < n; i++) {
        numbers[i] = find_entry(groups, t, rows, rows->entries[first + i]);
        if (numbers[i] == SLOTS_NONE) return 0;
    }
    return 1;
}

/* Means and sums of doubles are most of what is asked for: all that they need of a row, with nothing to decide. */
static ucid_status add_sums(ucid_groups *groups, table *t, const uint32_t *numbers, const double *values, int n,
                            ucid_error *error)
{
    ucid_status status = UCID_OK;
    for (int i = 0; i < n && status == UCID_OK; i++) {
        t->groups[numbers[i]].rows++;
        status = add_double(groups, t, numbers[i], values[i], UCID_GROUPS_SUM, error);
    }
    return status;
}

static ucid_status add_any(ucid_groups *groups, table *t, const uint32_t *numbers, const ucid_group_rows *rows,
                           int64_t first, int n, ucid_error *error)
{
    ucid_status status = UCID_OK;
    for (int i = 0; i < n && status == UCID_OK; i++) {
        t->groups[numbers[i]].rows++;
        if (!bit_is_set(rows->validity, first + i)) continue;
        if (rows->numbers != NULL) {
            status = add_double(groups, t, numbers[i], rows->numbers[first + i], groups->what, error);
        } else if (rows->wholes != NULL) {
            status = add_whole(groups, t, numbers[i], rows->wholes[first + i], error);
        }
    }
    return status;
}

static int add_shifted(table *t, uint32_t number, int64_t value, int shift)
{
    uint64_t m = value < 0 ? -(uint64_t)value : (uint64_t)value;
    int zeros = m != 0 ? __builtin_ctzll(m) : 0;
    return ucid_exact_add_parts(&t->sums[number], m >> zeros, EXACT_ORIGIN - shift + zeros, value < 0, &t->of_wide);
}

/* What add_sums does, of rows with few entries: entries are summed up first, at most ENTRY_SUM_ROWS rows at a time. */
static ucid_status add_entry_sums(ucid_groups *groups, table *t, const ucid_group_rows *rows, int64_t first, int64_t n,
                                  ucid_error *error)
{
    const uint32_t *entries = rows->entries + first;
    const double *values = rows->numbers + first;
    ucid_status status = UCID_OK;
    int shift = entry_sums_shift(values, n), has_memory = 1;
    memset(t->entry_sums, 0, ((size_t)rows->entry_count + 1) * sizeof *t->entry_sums);
    for (int64_t i = 0; i < n && status == UCID_OK && has_memory; i++) {
        if (shift != 0) i += entry_sums_add(t->entry_sums, shift, entries + i, values + i, n - i);
        if (i == n) break;
        uint32_t number = find_entry(groups, t, rows, entries[i]);
        has_memory = number != SLOTS_NONE;
        if (has_memory) status = add_sums(groups, t, &number, &values[i], 1, error);
    }
    for (int64_t entry = 0; entry <= rows->entry_count; entry++) {
        entry_sum sum = t->entry_sums[entry];
        if (sum.rows == 0 || !has_memory) continue;
        uint32_t number = find_entry(groups, t, rows, (uint32_t)entry);
        has_memory = number != SLOTS_NONE && add_shifted(t, number, sum.low, shift + ENTRY_SUM_BITS) &&
                     add_shifted(t, number, sum.high, shift);
        if (!has_memory) continue;
        t->groups[number].rows += sum.rows;
        t->groups[number].values += sum.rows;
    }
    return has_memory ? status : ucid_fail_memory(error, "groups", t->count * sizeof(ucid_group));
}

static void add_range(void *ctx, int64_t range, int worker)
{
    (void)worker;
    const add_job *job = ctx;
    ucid_groups *groups = job->groups;
    const ucid_group_rows *rows = job->rows;
    table *t = &groups->tables[range];
    ucid_error *error = &job->errors[range];
    int64_t first = job->n / job->ranges * range,
            end = range + 1 == job->ranges ? job->n : first + job->n / job->ranges;
    int plain = groups->what == UCID_GROUPS_SUM && rows->numbers != NULL && rows->validity == NULL;
    size_t entries = (size_t)rows->entry_count + 1;
    int64_t step = end - first < ENTRY_SUM_ROWS ? end - first : ENTRY_SUM_ROWS;
    int few = plain && rows->entries != NULL && step / ROWS_AN_ENTRY >= rows->entry_count;
    ucid_status status = UCID_OK;
    if ((rows->entries != NULL &&
         !grow(&groups->allocator, &t->of_entries, &t->entry_capacity, entries, sizeof *t->of_entries)) ||
        (few && !grow(&groups->allocator, &t->entry_sums, &t->entry_sum_capacity, entries, sizeof *t->entry_sums))) {
        job->statuses[range] = ucid_fail_memory(error, "groups", entries * sizeof *t->entry_sums);
        return;
    }
    for (size_t i = 0; rows->entries != NULL && i < entries; i++) t->of_entries[i] = SLOTS_NONE;
    for (; few && first < end && status == UCID_OK; first += step) {
        status = add_entry_sums(groups, t, rows, first, end - first < step ? end - first : step, error);
    }
    for (; first < end && status == UCID_OK; first += BLOCK) {
        uint32_t numbers[BLOCK];
        int n = (int)(end - first < BLOCK ? end - first : BLOCK);
        if (!(rows->entries != NULL ? find_entries : find_rows)(groups, t, rows, first, n, numbers)) {
            status = ucid_fail_memory(error, "groups", t->count * sizeof(ucid_group));
        } else if (plain) {
            status = add_sums(groups, t, numbers, rows->numbers + first, n, error);
        } else {
            status = add_any(groups, t, numbers, rows, first, n, error);
        }
    }
    job->statuses[range] = status;
}

ucid_status ucid_groups_add(ucid_groups *groups, int64_t n, const ucid_group_rows *rows, ucid_error *error)
{
    ucid_status statuses[THREADS_MAX];
    ucid_error errors[THREADS_MAX];
    add_job job = {.groups = groups, .n = n, .rows = rows, .statuses = statuses, .errors = errors};
    int64_t ranges = n / ROWS_A_THREAD + 1;
    job.ranges = ranges < groups->threads ? (int)ranges : groups->threads;
    ucid_parallel(job.ranges, job.ranges, add_range, &job);
    for (int i = 0; i < job.ranges; i++) {
        if (statuses[i] == UCID_OK) continue;
        if (statuses[i] == UCID_NO_MEMORY) return fail_groups(groups, error);
        if (error != NULL) *error = errors[i];
        return statuses[i];
    }
    return ucid_groups_settle(groups, error);
}

/* -------------------------------------------------------------------------------------------------------- Merging --
 */

ucid_status ucid_groups_find(ucid_groups *groups, const char *bytes, size_t length, uint32_t *number, ucid_error *error)
{
    key k = {bytes, bytes != NULL ? (uint32_t)length : NULL_KEY, 0};
    k.hash = hash_of(k.bytes, k.length);
    *number = find(&groups->allocator, groups->what, &groups->tables[0], &k);
    return *number != SLOTS_NONE ? UCID_OK : fail_groups(groups, error);
}

ucid_status ucid_groups_add_part(ucid_groups *groups, uint32_t number, const ucid_group *part, const ucid_big *sum,
                                 const ucid_big *squares, ucid_error *error)
{
    table *t = &groups->tables[0];
    ucid_group *g = &t->groups[number];
    g->rows += part->rows;
    g->values += part->values;
    g->up |= part->up;
    g->down |= part->down;
    if (part->values > 0) {
        g->least = part->least < g->least ? part->least : g->least;
        g->most = part->most > g->most ? part->most : g->most;
    }
    if ((sum != NULL && !ucid_exact_add_big(&t->sums[number], sum, &t->of_wide)) ||
        (squares != NULL && !ucid_exact_add_big(&t->squares[number], squares, &t->of_wide))) {
        return ucid_fail_memory(error, "sums", EXACT_ALL * sizeof(int64_t));
    }
    return UCID_OK;
}

static ucid_status merge_table(ucid_groups *groups, const table *from, ucid_error *error)
{
    ucid_big sum, squares;
    for (size_t i = 0; i < from->count; i++) {
        const ucid_group *g = &from->groups[i];
        uint32_t number;
        ucid_status status = ucid_groups_find(groups, g->key_length != NULL_KEY ? from->keys + g->key : NULL,
                                              g->key_length, &number, error);
        if (status != UCID_OK) return status;
        if (from->sums != NULL) ucid_exact_get(&from->sums[i], &sum);
        if (from->squares != NULL) ucid_exact_get(&from->squares[i], &squares);
        status = ucid_groups_add_part(groups, number, g, from->sums != NULL ? &sum : NULL,
                                      from->squares != NULL ? &squares : NULL, error);
        if (status != UCID_OK) return status;
    }
    return UCID_OK;
}

/* ---------------------------------------------------------------------------------------------------------- Order --
 */

static const char *key_of(const table *t, const ucid_group *g)
{
    return g->key_length != NULL_KEY ? t->keys + g->key : NULL;
}

static int is_after(const table *t, const ranked *a, const ranked *b)
{
    if (a->head != b->head) return a->head > b->head;
    const ucid_group *x = &t->groups[a->number], *y = &t->groups[b->number];
    return group_key_is_after(key_of(t, x), x->key_length, key_of(t, y), y->key_length);
}

/* Bytes at the start of keys that all have. */
static size_t find_shared(const table *t)
{
    const char *one = NULL;
    size_t shared = 0;
    for (size_t i = 0; i < t->count; i++) {
        const ucid_group *g = &t->groups[i];
        if (g->key_length == NULL_KEY) continue;
        const char *other = t->keys + g->key;
        if (one == NULL) {
            one = other;
            shared = g->key_length;
        }
        size_t same = 0;
        while (same < shared && same < g->key_length && other[same] == one[same]) same++;
        shared = same;
    }
    return shared;
}

static uint64_t head_of(const table *t, const ucid_group *g, size_t shared)
{
    uint64_t head = 0;
    if (g->key_length == NULL_KEY) return 0;
    for (size_t i = shared; i < shared + 8; i++) {
        head = head << 8 | (i < g->key_length ? (uint8_t)t->keys[g->key + i] : 0);
    }
    return head;
}

/* Sort by merging runs of doubling length. 0: no memory. */
static int sort_table(table *t)
{
    size_t count = t->count, shared = find_shared(t);
    if (!grow(t->allocator, &t->order, &t->order_capacity, 2 * count + 1, sizeof *t->order)) return 0;
    ranked *order = t->order, *spare = t->order + count;
    for (size_t i = 0; i < count; i++) order[i] = (ranked){head_of(t, &t->groups[i], shared), (uint32_t)i};
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t at = 0; at < count; at += 2 * width) {
            size_t left = at, middle = at + width < count ? at + width : count, right = middle,
                   end = at + 2 * width < count ? at + 2 * width : count;
            for (size_t to = at; to < end; to++) {
                int take_right = right < end && (left == middle || is_after(t, &order[left], &order[right]));
                spare[to] = take_right ? order[right++] : order[left++];
            }
        }
        ranked *swap = order;
        order = spare;
        spare = swap;
    }
    if (order != t->order) memcpy(t->order, order, count * sizeof *order);
    return 1;
}

/* ---------------------------------------------------------------------------------------------------------- A file --
 */

static void sort_each(void *ctx, int64_t number, int worker)
{
    (void)worker;
    ucid_groups *groups = ctx;
    groups->tables[number].is_sorted = sort_table(&groups->tables[number]);
}

/* Values get the places of their groups as numbers, and so come in the order of keys. */
static ucid_status order_values(ucid_groups *groups, const table *t, ucid_error *error)
{
    uint32_t *places = ucid_allocate(&groups->allocator, t->count, sizeof *places);
    if (places == NULL) return ucid_fail_memory(error, "the order of groups", t->count * sizeof *places);
    for (size_t i = 0; i < t->count; i++) places[t->order[i].number] = (uint32_t)i;
    ucid_status status = ucid_tally_renumber(groups->values, places, error);
    ucid_release(&groups->allocator, places, t->count, sizeof *places);
    return status == UCID_OK ? ucid_tally_begin(groups->values, error) : status;
}

static ucid_status put_run(ucid_groups *groups, table *t, ucid_error *error)
{
    group_record record;
    ucid_tallied value;
    int there = 0;
    record.sum = record.squares = (ucid_big){0}; /* where they are not kept */
    ucid_status status = group_runs_begin(groups->runs, error);
    if (status == UCID_OK && groups->values != NULL) status = order_values(groups, t, error);
    if (status == UCID_OK && groups->values != NULL) status = ucid_tally_next(groups->values, &value, &there, error);
    for (size_t i = 0; i < t->count && status == UCID_OK; i++) {
        uint32_t number = t->order[i].number;
        record.group = t->groups[number];
        record.key = key_of(t, &record.group);
        if (t->sums != NULL) ucid_exact_get(&t->sums[number], &record.sum);
        if (t->squares != NULL) ucid_exact_get(&t->squares[number], &record.squares);
        status = group_runs_put(groups->runs, &record, error);
        while (status == UCID_OK && there && value.group == i) {
            status = group_runs_put_value(groups->runs, value.value, value.count, error);
            if (status == UCID_OK) status = ucid_tally_next(groups->values, &value, &there, error);
        }
        if (status == UCID_OK && groups->values != NULL) status = group_runs_put_end(groups->runs, error);
    }
    return status == UCID_OK ? group_runs_end(groups->runs, error) : status;
}

static ucid_status put_tables(ucid_groups *groups, ucid_error *error)
{
    ucid_status status = UCID_OK;
    int sorted = 1;
    if (groups->runs == NULL) status = group_runs_new(&groups->allocator, &groups->runs, error);
    if (status != UCID_OK) return status;
    ucid_parallel(groups->threads, groups->threads, sort_each, groups);
    for (int i = 0; i < groups->threads; i++) sorted &= groups->tables[i].is_sorted;
    if (!sorted) return fail_groups(groups, error);
    for (int i = 0; i < groups->threads && status == UCID_OK; i++) {
        if (groups->tables[i].count == 0) continue;
        status = put_run(groups, &groups->tables[i], error);
        table_clear(&groups->tables[i]);
    }
    if (groups->values != NULL) ucid_tally_clear(groups->values);
    return status;
}

ucid_status ucid_groups_settle(ucid_groups *groups, ucid_error *error)
{
    uint64_t bytes = 0;
    for (int i = 0; i < groups->threads; i++) bytes += table_bytes(&groups->tables[i]);
    return bytes <= groups->limit ? UCID_OK : put_tables(groups, error);
}

/* -------------------------------------------------------------------------------------------------------- Results --
 */

static ucid_status order_tables(ucid_groups *groups, ucid_error *error)
{
    for (int i = 1; i < groups->threads; i++) {
        ucid_status status = merge_table(groups, &groups->tables[i], error);
        if (status != UCID_OK) return status;
        table_close(&groups->tables[i]);
    }
    return sort_table(&groups->tables[0]) ? UCID_OK : fail_groups(groups, error);
}

ucid_status ucid_groups_begin(ucid_groups *groups, ucid_error *error)
{
    if (groups->runs == NULL) {
        groups->told = 0;
        return order_tables(groups, error);
    }
    ucid_status status = groups->told ? UCID_OK : put_tables(groups, error);
    groups->told = 1;
    return status == UCID_OK ? group_runs_open(groups->runs, groups->limit / 2, error) : status;
}

/* A record of the runs goes into the window. */
static ucid_status add_record(ucid_groups *groups, const group_record *record, size_t *values, ucid_error *error)
{
    table *t = &groups->tables[0];
    key k = {record->key, record->group.key_length, 0};
    if ((t->count == 0 || !same_key(t, &t->groups[t->count - 1], &k)) &&
        !make_group(&groups->allocator, groups->what, t, &k)) {
        return fail_groups(groups, error);
    }
    uint32_t number = (uint32_t)t->count - 1, count;
    uint64_t value;
    ucid_status status = ucid_groups_add_part(groups, number, &record->group, t->sums != NULL ? &record->sum : NULL,
                                              t->squares != NULL ? &record->squares : NULL, error);
    while (status == UCID_OK && groups->values != NULL) {
        status = group_runs_value(groups->runs, &value, &count, error);
        if (status != UCID_OK || count == 0) break;
        status = ucid_tally_add(groups->values, number, value, count, error);
        ++*values;
    }
    return status;
}

ucid_status ucid_groups_next(ucid_groups *groups, int64_t *count, ucid_error *error)
{
    table *t = &groups->tables[0];
    if (groups->runs == NULL) {
        *count = groups->told ? 0 : (int64_t)t->count;
        groups->told = 1;
        return UCID_OK;
    }
    table_clear(t);
    if (groups->values != NULL) ucid_tally_clear(groups->values);
    size_t values = 0;
    ucid_status status = UCID_OK;
    for (const group_record *top; status == UCID_OK && (top = group_runs_top(groups->runs)) != NULL;) {
        key k = {top->key, top->group.key_length, 0};
        int full = t->count == WINDOW_GROUPS || values >= WINDOW_VALUES;
        if (full && !same_key(t, &t->groups[t->count - 1], &k)) break;
        status = add_record(groups, top, &values, error);
        if (status == UCID_OK) status = group_runs_pop(groups->runs, error);
    }
    *count = (int64_t)t->count;
    return status;
}

int ucid_groups_more(const ucid_groups *groups)
{
    return groups->runs != NULL ? group_runs_top(groups->runs) != NULL : !groups->told;
}

uint32_t ucid_groups_at(const ucid_groups *groups, int64_t place)
{
    return groups->runs != NULL ? (uint32_t)place : groups->tables[0].order[place].number;
}

const ucid_group *ucid_groups_get(const ucid_groups *groups, uint32_t number)
{
    return &groups->tables[0].groups[number];
}
const char *ucid_groups_key(const ucid_groups *groups, uint32_t number)
{
    return key_of(&groups->tables[0], &groups->tables[0].groups[number]);
}
const ucid_exact *ucid_groups_sum(const ucid_groups *groups, uint32_t number)
{
    return &groups->tables[0].sums[number];
}
const ucid_exact *ucid_groups_squares(const ucid_groups *groups, uint32_t number)
{
    return &groups->tables[0].squares[number];
}
ucid_tally *ucid_groups_values(ucid_groups *groups) { return groups->values; }
