/* groups.c: a table a thread, from the bytes of a key to the number of its group.
 *
 *     keys -> runs of equal keys -> slot -> group -> counts, extremes, exact sums, values
 *
 * Sums are exact (exact.h) and values are counted (tally.h), so threads and order do not show. Values carry numbers of
 * groups, which are those of one table: where values are kept, one thread adds. Cost: O(rows); 64 bytes a group and its
 * key, 88 more for its sum, 88 for that of squares. */
#include "kernel/groups.h"

#include "kernel/slots.h"
#include "kernel/tally.h"
#include "rt/error.h"
#include "rt/memory.h"
#include "rt/pool.h"

#include <string.h>

enum { BLOCK = 32, ROWS_A_THREAD = 16384, THREADS_MAX = 64 };
static const uint32_t NULL_KEY = UINT32_MAX;

typedef struct table {
    ucid_group *groups;
    size_t count, capacity;
    ucid_exact *sums, *squares;
    size_t sum_capacity, square_capacity;
    char *keys;
    size_t key_bytes, key_capacity;
    slots slots;
} table;

struct ucid_groups {
    ucid_allocator allocator;
    int threads, what;
    uint64_t limit; /* bytes */
    table *tables;  /* [threads] */
    ucid_tally *values;
    uint32_t *order;
    size_t order_capacity;
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

static void table_close(const ucid_allocator *allocator, table *t)
{
    for (size_t i = 0; t->sums != NULL && i < t->count; i++) ucid_exact_reset(&t->sums[i], allocator);
    for (size_t i = 0; t->squares != NULL && i < t->count; i++) ucid_exact_reset(&t->squares[i], allocator);
    ucid_release(allocator, t->groups, t->capacity, sizeof *t->groups);
    ucid_release(allocator, t->sums, t->sum_capacity, sizeof *t->sums);
    ucid_release(allocator, t->squares, t->square_capacity, sizeof *t->squares);
    ucid_release(allocator, t->keys, t->key_capacity, 1);
    slots_reset(&t->slots, allocator);
    *t = (table){0};
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
    ucid_groups_limit(g, 0);
    g->tables = ucid_allocate_zero(&given, (size_t)threads, sizeof *g->tables);
    ucid_status status = g->tables != NULL ? UCID_OK : ucid_fail_memory(error, "groups", sizeof *g->tables);
    if (status == UCID_OK && (what & UCID_GROUPS_VALUES) != 0) {
        status = ucid_tally_new(&given, memory, &g->values, error);
    }
    if (status != UCID_OK) {
        ucid_groups_free(g);
        return status;
    }
    *groups = g;
    return UCID_OK;
}

void ucid_groups_limit(ucid_groups *groups, uint64_t bytes)
{
    groups->limit = bytes != 0 ? bytes : ucid_memory_size() / 4 * 3;
}

static uint64_t table_bytes(const table *t)
{
    size_t sums = (t->sums != NULL) + (size_t)(t->squares != NULL);
    return t->count * (sizeof *t->groups + sums * sizeof *t->sums) + t->key_bytes +
           t->slots.count * sizeof *t->slots.slots;
}

/* Where there are too many groups, or no memory for more. */
static ucid_status fail_groups(const ucid_groups *groups, ucid_error *error)
{
    uint64_t count = 0, bytes = 0;
    for (int i = 0; i < groups->threads; i++) {
        count += groups->tables[i].count;
        bytes += table_bytes(&groups->tables[i]);
    }
    return ucid_fail(error, UCID_NO_MEMORY,
                     "no memory for more groups: %llu%s take %llu bytes, with their keys and sums; groups do not go "
                     "into a file, as values do",
                     (unsigned long long)count, groups->threads > 1 ? ", some in several threads," : "",
                     (unsigned long long)bytes);
}

static int fit(const ucid_groups *groups)
{
    uint64_t bytes = 0;
    for (int i = 0; i < groups->threads; i++) bytes += table_bytes(&groups->tables[i]);
    return bytes <= groups->limit;
}

void ucid_groups_free(ucid_groups *g)
{
    if (g == NULL) return;
    ucid_allocator allocator = g->allocator;
    for (int i = 0; g->tables != NULL && i < g->threads; i++) table_close(&allocator, &g->tables[i]);
    ucid_release(&allocator, g->tables, (size_t)g->threads, sizeof *g->tables);
    ucid_release(&allocator, g->order, g->order_capacity, sizeof *g->order);
    ucid_tally_free(g->values);
    ucid_release(&allocator, g, 1, sizeof *g);
}

/* --------------------------------------------------------------------------------------------------------- Adding --
 */

static int is_set(const uint8_t *bits, int64_t row) { return bits == NULL || (bits[row >> 3] >> (row & 7) & 1) != 0; }

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

static int add_number(const ucid_allocator *allocator, int what, table *t, uint32_t number, parts p)
{
    return ((what & UCID_GROUPS_SUM) == 0 ||
            ucid_exact_add_parts(&t->sums[number], p.m, p.position + EXACT_ORIGIN, p.negative, allocator)) &&
           ((what & UCID_GROUPS_SQUARES) == 0 ||
            ucid_exact_add_square(&t->squares[number], p.m, 2 * p.position + EXACT_ORIGIN, allocator));
}

static ucid_status add_double(ucid_groups *groups, table *t, uint32_t number, double value, ucid_error *error)
{
    ucid_group *g = &t->groups[number];
    if (value != value) return UCID_OK;
    uint64_t order = ucid_order_of_double(value);
    g->values++;
    g->least = order < g->least ? order : g->least;
    g->most = order > g->most ? order : g->most;
    if (value - value != 0.0) { /* infinite */
        g->up |= value > 0;
        g->down |= value < 0;
    } else if (!add_number(&groups->allocator, groups->what, t, number, parts_of_double(value))) {
        return ucid_fail_memory(error, "sums", EXACT_ALL * sizeof(int64_t));
    }
    return groups->values != NULL ? ucid_tally_add(groups->values, number, order, 1, error) : UCID_OK;
}

static ucid_status add_whole(ucid_groups *groups, table *t, uint32_t number, int64_t value, ucid_error *error)
{
    ucid_group *g = &t->groups[number];
    uint64_t order = ucid_order_of_whole(value);
    g->values++;
    g->least = order < g->least ? order : g->least;
    g->most = order > g->most ? order : g->most;
    parts p = {value < 0 ? -(uint64_t)value : (uint64_t)value, 0, value < 0};
    if (!add_number(&groups->allocator, groups->what, t, number, p)) {
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
    if (!is_set(rows->key_validity, row)) return (key){NULL, NULL_KEY, 1};
    return (key){rows->keys + rows->offsets[row], (uint32_t)(rows->offsets[row + 1] - rows->offsets[row]), 0};
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
    key keys[BLOCK];
    uint32_t numbers[BLOCK];
    ucid_status status = UCID_OK;
    for (; first < end && status == UCID_OK; first += BLOCK) {
        int n = (int)(end - first < BLOCK ? end - first : BLOCK);
        for (int i = 0; i < n; i++) {
            keys[i] = row_key(rows, first + i);
            keys[i].hash = hash_of(keys[i].bytes, keys[i].length);
            slots_fetch(&t->slots, keys[i].hash);
        }
        for (int i = 0; i < n; i++) {
            numbers[i] = find(&groups->allocator, groups->what, t, &keys[i]);
            if (numbers[i] == SLOTS_NONE) {
                job->statuses[range] = ucid_fail_memory(error, "groups", t->count * sizeof(ucid_group));
                return;
            }
            t->groups[numbers[i]].rows++;
        }
        for (int i = 0; i < n && status == UCID_OK; i++) {
            if (!is_set(rows->validity, first + i)) continue;
            if (rows->numbers != NULL) {
                status = add_double(groups, t, numbers[i], rows->numbers[first + i], error);
            } else if (rows->wholes != NULL) {
                status = add_whole(groups, t, numbers[i], rows->wholes[first + i], error);
            }
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
    return fit(groups) ? UCID_OK : fail_groups(groups, error);
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
    if ((sum != NULL && !ucid_exact_add_big(&t->sums[number], sum, &groups->allocator)) ||
        (squares != NULL && !ucid_exact_add_big(&t->squares[number], squares, &groups->allocator))) {
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

static int is_after(const table *t, uint32_t a, uint32_t b)
{
    const ucid_group *x = &t->groups[a], *y = &t->groups[b];
    if (x->key_length == NULL_KEY || y->key_length == NULL_KEY) return y->key_length == NULL_KEY && a != b;
    uint32_t shared = x->key_length < y->key_length ? x->key_length : y->key_length;
    int order = shared > 0 ? memcmp(t->keys + x->key, t->keys + y->key, shared) : 0;
    return order != 0 ? order > 0 : x->key_length > y->key_length;
}

/* Sort by merging runs of doubling length. */
static void sort_order(const table *t, uint32_t *order, uint32_t *spare)
{
    size_t count = t->count;
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t at = 0; at < count; at += 2 * width) {
            size_t left = at, middle = at + width < count ? at + width : count, right = middle,
                   end = at + 2 * width < count ? at + 2 * width : count;
            for (size_t to = at; to < end; to++) {
                int take_right = right < end && (left == middle || is_after(t, order[left], order[right]));
                spare[to] = take_right ? order[right++] : order[left++];
            }
        }
        memcpy(order, spare, count * sizeof *order);
    }
}

ucid_status ucid_groups_sort(ucid_groups *groups, int64_t *count, ucid_error *error)
{
    table *all = &groups->tables[0];
    for (int i = 1; i < groups->threads; i++) {
        ucid_status status = merge_table(groups, &groups->tables[i], error);
        if (status != UCID_OK) return status;
        table_close(&groups->allocator, &groups->tables[i]);
    }
    if (!grow(&groups->allocator, &groups->order, &groups->order_capacity, 2 * all->count + 1, sizeof(uint32_t))) {
        return ucid_fail_memory(error, "the order of groups", 2 * all->count * sizeof(uint32_t));
    }
    for (size_t i = 0; i < all->count; i++) groups->order[i] = (uint32_t)i;
    sort_order(all, groups->order, groups->order + all->count);
    *count = (int64_t)all->count;
    return UCID_OK;
}

uint32_t ucid_groups_at(const ucid_groups *groups, int64_t place) { return groups->order[place]; }
const ucid_group *ucid_groups_get(const ucid_groups *groups, uint32_t number)
{
    return &groups->tables[0].groups[number];
}
const char *ucid_groups_key(const ucid_groups *groups, uint32_t number)
{
    const ucid_group *g = &groups->tables[0].groups[number];
    return g->key_length != NULL_KEY ? groups->tables[0].keys + g->key : NULL;
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
