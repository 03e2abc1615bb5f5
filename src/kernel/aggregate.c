/* aggregate.c: groups in an array, found through a hash table of their numbers.
 *
 *     rows -> keys -> runs of equal keys -> group -> sums
 *
 * A run costs one look-up, so rows that come sorted cost their sums alone; the look-ups of a block of 64 are fetched
 * ahead. Each thread fills a table of its own. Cells without weights, which most roll-ups are of, go into compact sums
 * (cell_sums.c); these stay as they are and are looked at as groups, unless there are other groups beside them.
 * Everything that is kept is a sum, a minimum or a maximum of integers: no order, split or merge can change it. Means
 * and deviations are divided out at the very end. Cost: O(rows); 200 bytes a group. */
#include "kernel/aggregate.h"

#include "id/cell.h"
#include "kernel/cell_rows.h"
#include "kernel/cell_sums.h"
#include "kernel/slots.h"
#include "rt/error.h"
#include "rt/memory.h"
#include "rt/pool.h"

#include <assert.h>
#include <math.h>
#include <string.h>

typedef unsigned __int128 u128;

enum {
    BLOCK = 64,
    ROWS_A_THREAD = 16384,
    GROUPS_A_THREAD = 8192,
    THREADS_MAX = 256,
    WEIGHT_BITS = 10,
    HUNDRED = 10000,
    NO_MINIMUM = HUNDRED + 1
};
static const int64_t SUM_ROWS_MAX = (int64_t)1 << 31; /* compact sums count in 32 bits */

static const double WEIGHT_MAX = 1073741824.0; /* 2^30 */

/* A cell is low alone; a text is both, its bytes from the highest down, so that numbers sort as texts do. */
typedef struct group_key {
    uint64_t high, low;
} group_key;

typedef struct group {
    group_key key;
    int64_t rows, nulls;
    int32_t min, max; /* hundredths */
    int64_t grades[6];
    u128 weight, score, square, confidence;
} group;

typedef struct table {
    group *groups;
    size_t count, capacity;
    slots slots;
} table;

struct ucid_aggregate {
    ucid_allocator allocator;
    int threads, resolution;
    table *tables;         /* [threads] */
    ucid_cell_sums **sums; /* [threads], each NULL until it is needed: rows that are not in tables yet, */
    int64_t sum_rows;      /* at most this many */
    cell_plan_board board; /* of all sums */
    cell_order compact;    /* of all sums, where nothing was added since */
    uint32_t *order;       /* groups of tables[0], ascending by key */
    size_t order_count, order_capacity;
    int sorted; /* all groups are in tables[0] and order is theirs, or all are in sums and compact is theirs */
};

static const char *const column_names[] = {
#define COLUMN_NAME(name, text, meaning) text,
    UCID_AGGREGATE_COLUMN_LIST(COLUMN_NAME)
#undef COLUMN_NAME
};

const char *ucid_aggregate_column_name(int column)
{
    return column >= 0 && column < UCID_AGGREGATE_COLUMNS ? column_names[column] : NULL;
}

static int same_key(group_key a, group_key b) { return ((a.high ^ b.high) | (a.low ^ b.low)) == 0; }

static uint32_t hash_of(group_key key)
{
    uint64_t x = (key.low ^ key.high * 0x9e3779b97f4a7c15u) * 0xd6e8feb86659fd93u;
    return (uint32_t)((x ^ x >> 32) * 0xd6e8feb86659fd93u >> 32);
}

/* The group of a key, made where there is none; NULL where memory is out. */
static group *find(const ucid_allocator *allocator, table *t, group_key key)
{
    if (!slots_reserve(&t->slots, allocator)) return NULL;
    uint32_t hash = hash_of(key);
    size_t at = hash;
    for (uint32_t number; (number = slots_next(&t->slots, hash, &at)) != SLOTS_NONE;) {
        if (same_key(t->groups[number].key, key)) return &t->groups[number];
    }
    void *groups = t->groups;
    if (t->count >= SLOTS_NONE - 1) return NULL;
    if (!ucid_grow(allocator, &groups, &t->capacity, t->count + 1, sizeof *t->groups)) return NULL;
    t->groups = groups;
    t->groups[t->count] = (group){.key = key, .min = NO_MINIMUM, .max = -1};
    slots_put(&t->slots, hash, at, (uint32_t)t->count);
    return &t->groups[t->count++];
}

static void merge_group(group *into, const group *from)
{
    into->rows += from->rows;
    into->nulls += from->nulls;
    for (int g = 0; g < 6; g++) into->grades[g] += from->grades[g];
    if (from->min < into->min) into->min = from->min;
    if (from->max > into->max) into->max = from->max;
    into->weight += from->weight;
    into->score += from->score;
    into->square += from->square;
    into->confidence += from->confidence;
}

static int grade_of(uint32_t score)
{
    return (score >= 4000) + (score >= 5500) + (score >= 7000) + (score >= 8500) + (score >= 9500);
}

/* Sums of rows [first, end) into a group. Values are whole before they are added; within a run of BLOCK rows the sums
 * without weights fit into 64 bits. */
static void accumulate(group *g, const ucid_aggregate_rows *rows, int64_t first, int64_t end)
{
    uint64_t score = 0, square = 0, confidence = 0, weight = 0;
    for (int64_t i = first; i < end; i++) {
        double s = rows->score[i], c = rows->confidence != NULL ? rows->confidence[i] : 0.0;
        double w = rows->weight != NULL ? rows->weight[i] : 1.0;
        int valid = rows->validity == NULL || (rows->validity[i >> 3] >> (i & 7) & 1);
        if (!valid || !(s >= 0.0 && s <= 100.0) || !(c >= 0.0 && c <= 1.0) || !(w >= 0.0 && w <= WEIGHT_MAX)) {
            g->nulls++;
            continue;
        }
        uint32_t whole = (uint32_t)(s * 100.0 + 0.5), part = (uint32_t)(c * 100.0 + 0.5);
        int grade = rows->grade != NULL && rows->grade[i] < 6 ? rows->grade[i] : grade_of(whole);
        g->rows++;
        g->grades[grade]++;
        if ((int32_t)whole < g->min) g->min = (int32_t)whole;
        if ((int32_t)whole > g->max) g->max = (int32_t)whole;
        if (rows->weight == NULL) {
            weight++;
            score += whole;
            square += (uint64_t)whole * whole;
            confidence += part;
        } else {
            u128 scaled = (uint64_t)(w * (1 << WEIGHT_BITS) + 0.5);
            g->weight += scaled;
            g->score += scaled * whole;
            g->square += scaled * ((uint64_t)whole * whole);
            g->confidence += scaled * part;
        }
    }
    g->weight += (u128)weight << WEIGHT_BITS;
    g->score += (u128)score << WEIGHT_BITS;
    g->square += (u128)square << WEIGHT_BITS;
    g->confidence += (u128)confidence << WEIGHT_BITS;
}

typedef struct add_job {
    ucid_aggregate *aggregate;
    int64_t n;
    int ranges;
    const uint64_t *cells; /* or */
    const char *text;
    const int32_t *offsets;
    const ucid_aggregate_rows *rows;
    int *failed; /* [ranges] */
} add_job;

static group_key text_key(const char *text, size_t length)
{
    uint8_t bytes[UCID_AGGREGATE_TEXT_MAX] = {0};
    group_key key = {0, 0};
    if (length > 0) memcpy(bytes, text, length);
    for (int i = 0; i < 8; i++) {
        key.high = key.high << 8 | bytes[i];
        key.low = key.low << 8 | bytes[8 + i];
    }
    return key;
}

static void text_of(group_key key, char text[UCID_AGGREGATE_TEXT_MAX])
{
    for (int i = 0; i < 8; i++) {
        text[i] = (char)(uint8_t)(key.high >> (56 - 8 * i));
        text[8 + i] = (char)(uint8_t)(key.low >> (56 - 8 * i));
    }
}

static group_key row_key(const add_job *job, int64_t row)
{
    if (job->cells != NULL) return (group_key){0, ucid_cell_parent_bits(job->cells[row], job->aggregate->resolution)};
    return text_key(job->text + job->offsets[row], (size_t)(job->offsets[row + 1] - job->offsets[row]));
}

/* Rows of weight 1: to compact sums first. 0: no memory. */
static int add_cells(const add_job *job, int64_t range, int64_t first, int64_t end)
{
    ucid_aggregate *a = job->aggregate;
    if (a->sums[range] == NULL) a->sums[range] = ucid_cell_sums_new(&a->allocator, a->resolution, &a->board);
    if (a->sums[range] == NULL) return 0;
    ucid_aggregate_rows rows = {.score = job->rows->score + first,
                                .confidence = job->rows->confidence != NULL ? job->rows->confidence + first : NULL,
                                .grade = job->rows->grade != NULL ? job->rows->grade + first : NULL,
                                .validity = job->rows->validity};
    if (rows.validity != NULL) rows.validity += first >> 3;
    return ucid_cell_sums_add(a->sums[range], end - first, job->cells + first, &rows);
}

/* Blocks of rows: keys, then where to look, then the groups, each step fetching ahead for the next. */
static void add_range(void *ctx, int64_t range, int worker)
{
    (void)worker;
    const add_job *job = ctx;
    table *t = &job->aggregate->tables[range];
    int64_t length = (job->n / job->ranges) & ~(int64_t)7; /* ranges begin with a byte of validity */
    int64_t first = length * range, end = range + 1 == job->ranges ? job->n : first + length;
    if (job->cells != NULL && job->rows->weight == NULL) {
        job->failed[range] = !add_cells(job, range, first, end);
        return;
    }
    group_key keys[BLOCK];
    int starts[BLOCK + 1];
    for (; first < end; first += BLOCK) {
        int n = (int)(end - first < BLOCK ? end - first : BLOCK), runs = 0;
        for (int i = 0; i < n; i++) {
            keys[i] = row_key(job, first + i);
            if (i > 0 && same_key(keys[i], keys[i - 1])) continue;
            starts[runs++] = i;
            slots_fetch(&t->slots, hash_of(keys[i]));
        }
        starts[runs] = n;
        for (int r = 0; t->count != 0 && r < runs; r++) {
            const char *g = (const char *)&t->groups[slots_guess(&t->slots, hash_of(keys[starts[r]]))];
            __builtin_prefetch(g);
            __builtin_prefetch(g + 64);
            __builtin_prefetch(g + 128);
        }
        for (int r = 0; r < runs; r++) {
            group *g = find(&job->aggregate->allocator, t, keys[starts[r]]);
            if (g == NULL) {
                job->failed[range] = 1;
                return;
            }
            if (job->cells != NULL && g->key.low == 0) {
                g->nulls += starts[r + 1] - starts[r];
            } else {
                accumulate(g, job->rows, first + starts[r], first + starts[r + 1]);
            }
        }
    }
}

/* A compact sum as a group. */
static inline group group_of(const ucid_cell_sum *sum)
{
    group g = {.key = {0, sum->cell}, .nulls = sum->nulls, .min = NO_MINIMUM, .max = -1};
    for (int grade = 0; grade < 6; grade++) {
        g.grades[grade] = sum->grades[grade];
        g.rows += sum->grades[grade];
    }
    if (g.rows > 0) {
        g.min = UINT16_MAX - sum->lack;
        g.max = sum->max;
    }
    g.weight = (u128)(uint64_t)g.rows << WEIGHT_BITS;
    g.score = (u128)sum->score << WEIGHT_BITS;
    g.square = (u128)sum->square << WEIGHT_BITS;
    g.confidence = (u128)sum->confidence << WEIGHT_BITS;
    return g;
}

static int add_group(ucid_aggregate *a, const group *g)
{
    table *t = &a->tables[0];
    if (t->count > 0 && same_key(t->groups[t->count - 1].key, g->key)) {
        merge_group(&t->groups[t->count - 1], g);
        return 1;
    }
    group *into = find(&a->allocator, t, g->key);
    if (into != NULL) merge_group(into, g);
    return into != NULL;
}

/* Compact sums in order, if there are any. */
static int take(ucid_aggregate *a)
{
    ucid_cell_sums *list[THREADS_MAX];
    int count = 0;
    for (int i = 0; i < a->threads; i++) {
        if (a->sums[i] != NULL) list[count++] = a->sums[i];
    }
    if (a->sum_rows == 0 || a->compact.pieces != NULL) return 1;
    return ucid_cell_sums_take(list, count, a->threads, &a->compact);
}

/* Groups so far, each as often as it is in several threads, and what they take. */
static ucid_status fail_groups(const ucid_aggregate *a, ucid_error *error)
{
    size_t groups = a->compact.groups, bytes = 0;
    for (int i = 0; i < a->threads; i++) {
        const table *t = &a->tables[i];
        size_t sums = a->sums[i] != NULL ? ucid_cell_sums_count(a->sums[i]) : 0;
        groups += t->count + (a->compact.pieces == NULL ? sums : 0);
        bytes += t->count * sizeof *t->groups + t->slots.count * sizeof *t->slots.slots + sums * sizeof(ucid_cell_sum);
    }
    return ucid_fail(error, UCID_NO_MEMORY, "no memory for more groups: %zu take %zu bytes", groups, bytes);
}

/* Something is about to be added. */
static void forget_order(ucid_aggregate *a)
{
    cell_order_reset(&a->compact, &a->allocator);
    a->sorted = 0;
}

/* Compact sums become groups of the table. */
static int collect(ucid_aggregate *a)
{
    int complete = take(a);
    for (size_t p = 0; complete && p < a->compact.count; p++) {
        const cell_piece *piece = &a->compact.pieces[p];
        for (size_t i = 0; complete && i < piece->count; i++) {
            group g = group_of(&piece->groups[i]);
            complete = add_group(a, &g);
        }
    }
    forget_order(a);
    for (int i = 0; i < a->threads; i++) {
        if (a->sums[i] != NULL) ucid_cell_sums_clear(a->sums[i]);
    }
    a->sum_rows = 0;
    return complete;
}

/* Rows of weight 1 are summed in pieces that compact sums can count. */
static ucid_status add_rows(add_job *job, ucid_error *error);

static ucid_status add_pieces(const add_job *job, ucid_error *error)
{
    ucid_status status = UCID_OK;
    for (int64_t first = 0, count; first < job->n && status == UCID_OK; first += count) {
        count = job->n - first < SUM_ROWS_MAX / 2 ? job->n - first : SUM_ROWS_MAX / 2;
        ucid_aggregate_rows rows = *job->rows;
        rows.score += first;
        if (rows.confidence != NULL) rows.confidence += first;
        if (rows.grade != NULL) rows.grade += first;
        if (rows.validity != NULL) rows.validity += first / 8;
        add_job piece = {.aggregate = job->aggregate, .n = count, .cells = job->cells + first, .rows = &rows};
        status = add_rows(&piece, error);
    }
    return status;
}

static ucid_status add_rows(add_job *job, ucid_error *error)
{
    ucid_aggregate *a = job->aggregate;
    if (job->cells != NULL && job->rows->weight == NULL) {
        if (job->n > SUM_ROWS_MAX / 2) return add_pieces(job, error);
        if (a->sum_rows + job->n > SUM_ROWS_MAX && !collect(a)) return fail_groups(a, error);
        a->sum_rows += job->n;
    }
    int failed[THREADS_MAX] = {0}, any = 0;
    job->failed = failed;
    job->ranges = job->n / ROWS_A_THREAD + 1 < a->threads ? (int)(job->n / ROWS_A_THREAD + 1) : a->threads;
    forget_order(a);
    ucid_parallel(job->ranges, job->ranges, add_range, job);
    for (int i = 0; i < job->ranges; i++) any |= failed[i];
    return any ? fail_groups(a, error) : UCID_OK;
}

static ucid_status check_rows(const ucid_aggregate *a, int text, int64_t n, const void *keys,
                              const ucid_aggregate_rows *rows, ucid_error *error)
{
    if (n < 0 || (n > 0 && (keys == NULL || rows == NULL || rows->score == NULL))) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "rows to aggregate need keys and scores");
    }
    if ((a->resolution == UCID_AGGREGATE_TEXT) != text) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "this aggregate's groups are %s", text ? "cells" : "texts");
    }
    return UCID_OK;
}

static ucid_status check_keys(int64_t n, const char *text, const int32_t *offsets, ucid_error *error)
{
    for (int64_t i = 0; i < n; i++) {
        int32_t length = offsets[i + 1] - offsets[i];
        if (offsets[i] < 0 || length < 0 || length > UCID_AGGREGATE_TEXT_MAX ||
            (length > 0 && memchr(text + offsets[i], '\0', (size_t)length) != NULL)) {
            return ucid_fail_at(error, UCID_INVALID_ARGUMENT, i, -1, "row %lld: a key has at most %d bytes and no NUL",
                                (long long)i, UCID_AGGREGATE_TEXT_MAX);
        }
    }
    return UCID_OK;
}

ucid_status ucid_aggregate_new(const ucid_aggregate_options *options, ucid_aggregate **aggregate, ucid_error *error)
{
    static const ucid_aggregate_options standard = UCID_AGGREGATE_OPTIONS_INIT;
    if (options == NULL) options = &standard;
    if (options->size != sizeof *options || options->threads < 1 || options->resolution < UCID_AGGREGATE_TEXT ||
        options->resolution > 15) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "aggregate options: threads %d (>= 1), resolution %d (-1..15)",
                         options->threads, options->resolution);
    }
    ucid_allocator allocator = ucid_allocator_or_default(options->allocator);
    ucid_aggregate *a = ucid_allocate_zero(&allocator, 1, sizeof *a);
    int threads = options->threads < THREADS_MAX ? options->threads : THREADS_MAX;
    table *tables = ucid_allocate_zero(&allocator, (size_t)threads, sizeof *tables);
    ucid_cell_sums **sums = ucid_allocate_zero(&allocator, (size_t)threads, sizeof *sums);
    if (a == NULL || tables == NULL || sums == NULL) {
        ucid_release(&allocator, a, 1, sizeof *a);
        ucid_release(&allocator, sums, (size_t)threads, sizeof *sums);
        ucid_release(&allocator, tables, (size_t)threads, sizeof *tables);
        return ucid_fail_memory(error, "an aggregate", sizeof *a);
    }
    *a = (ucid_aggregate){
        .allocator = allocator, .threads = threads, .resolution = options->resolution, .tables = tables, .sums = sums};
    pthread_mutex_init(&a->board.lock, NULL);
    *aggregate = a;
    return UCID_OK;
}

static void table_close(const ucid_allocator *allocator, table *t)
{
    ucid_release(allocator, t->groups, t->capacity, sizeof *t->groups);
    slots_reset(&t->slots, allocator);
    *t = (table){0};
}

void ucid_aggregate_free(ucid_aggregate *a)
{
    if (a == NULL) return;
    ucid_allocator allocator = a->allocator;
    forget_order(a);
    for (int i = 0; i < a->threads; i++) {
        table_close(&allocator, &a->tables[i]);
        ucid_cell_sums_free(a->sums[i]);
    }
    pthread_mutex_destroy(&a->board.lock);
    ucid_release(&allocator, a->sums, (size_t)a->threads, sizeof *a->sums);
    ucid_release(&allocator, a->tables, (size_t)a->threads, sizeof *a->tables);
    ucid_release(&allocator, a->order, a->order_capacity, sizeof *a->order);
    ucid_release(&allocator, a, 1, sizeof *a);
}

ucid_status ucid_aggregate_add_cells(ucid_aggregate *aggregate, int64_t n, const uint64_t *cells,
                                     const ucid_aggregate_rows *rows, ucid_error *error)
{
    ucid_status status = check_rows(aggregate, 0, n, cells, rows, error);
    if (status != UCID_OK || n == 0) return status;
    add_job job = {.aggregate = aggregate, .n = n, .cells = cells, .rows = rows};
    return add_rows(&job, error);
}

ucid_status ucid_aggregate_add_keys(ucid_aggregate *aggregate, int64_t n, const char *text, const int32_t *offsets,
                                    const ucid_aggregate_rows *rows, ucid_error *error)
{
    ucid_status status = check_rows(aggregate, 1, n, offsets, rows, error);
    if (status == UCID_OK) status = check_keys(n, text, offsets, error);
    if (status != UCID_OK || n == 0) return status;
    add_job job = {.aggregate = aggregate, .n = n, .text = text, .offsets = offsets, .rows = rows};
    return add_rows(&job, error);
}

/* ------------------------------------------------------------------------------------------------- Numbered keys -- */

typedef struct numbered_job {
    ucid_aggregate *aggregate;
    int64_t n;
    int ranges;
    const uint32_t *numbers;
    uint32_t keys;
    const char *text;
    const int32_t *offsets;
    const ucid_aggregate_rows *rows;
    int *failed; /* [ranges] */
} numbered_job;

static group *find_numbered(const numbered_job *job, table *t, uint32_t number)
{
    const int32_t *offsets = job->offsets + number;
    return find(&job->aggregate->allocator, t, text_key(job->text + offsets[0], (size_t)(offsets[1] - offsets[0])));
}

/* Rows of weight 1: each key has a compact sum, which then goes into its group. */
static int sum_numbered(const numbered_job *job, table *t, int64_t first, int64_t end)
{
    const ucid_allocator *allocator = &job->aggregate->allocator;
    const cell_rows_kernels *kernels = cell_rows_kernels_find(NULL);
    ucid_cell_sum *sums = ucid_allocate_zero(allocator, job->keys, sizeof *sums);
    uint32_t values[CELL_ROWS_BLOCK];
    int complete = sums != NULL;
    for (; complete && first < end; first += CELL_ROWS_BLOCK) {
        int n = end - first < CELL_ROWS_BLOCK ? (int)(end - first) : CELL_ROWS_BLOCK;
        const uint32_t *numbers = job->numbers + first;
        uint32_t differ = 0;
        kernels->values(job->rows, first, n, values);
        for (int i = 0; i < n; i++) differ |= numbers[i] ^ numbers[0];
        if (differ == 0) {
            kernels->add_run(&sums[numbers[0]], values, n);
        } else {
            kernels->add_each(sums, numbers, values, n);
        }
    }
    for (uint32_t k = 0; complete && k < job->keys; k++) {
        group sum = group_of(&sums[k]);
        if (sum.rows + sum.nulls == 0) continue;
        group *g = find_numbered(job, t, k);
        if (g != NULL) merge_group(g, &sum);
        complete = g != NULL;
    }
    ucid_release(allocator, sums, job->keys, sizeof *sums);
    return complete;
}

/* Rows with weights: a look-up for each run. */
static int weigh_numbered(const numbered_job *job, table *t, int64_t first, int64_t end)
{
    for (int64_t next; first < end; first = next) {
        for (next = first + 1; next < end && job->numbers[next] == job->numbers[first];) next++;
        group *g = find_numbered(job, t, job->numbers[first]);
        if (g == NULL) return 0;
        accumulate(g, job->rows, first, next);
    }
    return 1;
}

static void add_numbered_range(void *ctx, int64_t range, int worker)
{
    (void)worker;
    const numbered_job *job = ctx;
    table *t = &job->aggregate->tables[range];
    int64_t length = job->n / job->ranges, first = length * range,
            end = range + 1 == job->ranges ? job->n : first + length;
    job->failed[range] =
        job->rows->weight == NULL ? !sum_numbered(job, t, first, end) : !weigh_numbered(job, t, first, end);
}

ucid_status ucid_aggregate_add_numbered(ucid_aggregate *aggregate, int64_t n, const uint32_t *numbers, uint32_t keys,
                                        const char *text, const int32_t *offsets, const ucid_aggregate_rows *rows,
                                        ucid_error *error)
{
    int failed[THREADS_MAX] = {0}, any = 0;
    ucid_status status = check_rows(aggregate, 1, n, offsets, rows, error);
    if (status == UCID_OK) status = check_keys(keys, text, offsets, error);
    if (status != UCID_OK || n == 0) return status;
    numbered_job job = {aggregate, n, 0, numbers, keys, text, offsets, rows, failed};
    job.ranges = n / ROWS_A_THREAD + 1 < aggregate->threads ? (int)(n / ROWS_A_THREAD + 1) : aggregate->threads;
    forget_order(aggregate);
    ucid_parallel(job.ranges, job.ranges, add_numbered_range, &job);
    for (int i = 0; i < job.ranges; i++) any |= failed[i];
    return any ? fail_groups(aggregate, error) : UCID_OK;
}

/* --------------------------------------------------------------------------------------------------------- States --
 */

static int64_t half(u128 value, int high) { return (int64_t)(uint64_t)(high ? value >> 64 : value); }
static u128 whole(int64_t low, int64_t high) { return (u128)(uint64_t)high << 64 | (uint64_t)low; }

/* One group of states; 0 where a number cannot be. */
static int read_state(const int64_t *const *columns, int64_t i, group *g)
{
#define COLUMN(name) columns[UCID_AGGREGATE_##name][i]
    *g = (group){.rows = COLUMN(ROWS), .nulls = COLUMN(NULLS)};
    int64_t sum = 0;
    for (int grade = 0; grade < 6; grade++) {
        g->grades[grade] = columns[UCID_AGGREGATE_GRADE_F + grade][i];
        if (g->grades[grade] < 0 || g->grades[grade] > g->rows - sum) return 0;
        sum += g->grades[grade];
    }
    if (g->rows < 0 || g->nulls < 0 || sum != g->rows) return 0;
    if (COLUMN(MIN) < 0 || COLUMN(MIN) > NO_MINIMUM || COLUMN(MAX) < -1 || COLUMN(MAX) > HUNDRED) return 0;
    g->min = (int32_t)COLUMN(MIN);
    g->max = (int32_t)COLUMN(MAX);
    g->weight = whole(COLUMN(WEIGHT), COLUMN(WEIGHT_HIGH));
    g->score = whole(COLUMN(SCORE), COLUMN(SCORE_HIGH));
    g->square = whole(COLUMN(SQUARE), COLUMN(SQUARE_HIGH));
    g->confidence = whole(COLUMN(CONFIDENCE), COLUMN(CONFIDENCE_HIGH));
#undef COLUMN
    return 1;
}

/* A state of rows of weight 1 as a compact sum; 0 where it is none, or too large for one. */
static int compact_of(const group *g, uint64_t cell, ucid_cell_sum *sum)
{
    const u128 one = (u128)1 << WEIGHT_BITS;
    u128 rows = (uint64_t)g->rows;
    if (g->rows > SUM_ROWS_MAX || g->nulls > SUM_ROWS_MAX || g->rows + g->nulls > SUM_ROWS_MAX ||
        g->rows + g->nulls == 0 || (cell == 0 && g->rows > 0) || g->weight != rows * one ||
        ((uint64_t)(g->score | g->square | g->confidence) & (uint64_t)(one - 1)) != 0 ||
        g->score > rows * HUNDRED * one || g->square > rows * HUNDRED * HUNDRED * one ||
        g->confidence > rows * 100 * one) {
        return 0;
    }
    if (g->rows > 0 ? g->min > HUNDRED || g->max < 0 : g->min != NO_MINIMUM || g->max != -1) return 0;
    *sum = (ucid_cell_sum){.cell = cell,
                           .score = (uint64_t)(g->score >> WEIGHT_BITS),
                           .square = (uint64_t)(g->square >> WEIGHT_BITS),
                           .confidence = (uint64_t)(g->confidence >> WEIGHT_BITS),
                           .nulls = (uint32_t)g->nulls};
    for (int grade = 0; grade < 6; grade++) sum->grades[grade] = (uint32_t)g->grades[grade];
    if (g->rows > 0) {
        sum->lack = (uint16_t)(UINT16_MAX - g->min);
        sum->max = (uint16_t)g->max;
    }
    return 1;
}

/* 0: no memory. */
static int add_cell_state(ucid_aggregate *a, uint64_t cell, const group *g)
{
    ucid_cell_sum sum;
    if (compact_of(g, cell, &sum)) {
        if (a->sum_rows + g->rows + g->nulls > SUM_ROWS_MAX && !collect(a)) return 0;
        if (a->sums[0] == NULL) a->sums[0] = ucid_cell_sums_new(&a->allocator, a->resolution, &a->board);
        if (a->sums[0] == NULL) return 0;
        a->sum_rows += g->rows + g->nulls;
        return ucid_cell_sums_add_group(a->sums[0], &sum);
    }
    group *into = find(&a->allocator, &a->tables[0], (group_key){0, ucid_cell_parent_bits(cell, a->resolution)});
    if (into != NULL) merge_group(into, g);
    return into != NULL;
}

ucid_status ucid_aggregate_add_states(ucid_aggregate *a, int64_t n, const uint64_t *cells,
                                      const char (*text)[UCID_AGGREGATE_TEXT_MAX],
                                      const int64_t *const columns[UCID_AGGREGATE_COLUMNS], ucid_error *error)
{
    int by_text = a->resolution == UCID_AGGREGATE_TEXT;
    if (n < 0 || (n > 0 && (columns == NULL || (by_text ? (const void *)text : (const void *)cells) == NULL))) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "states need keys, of the aggregate's kind, and all columns");
    }
    group g;
    for (int64_t i = 0; i < n; i++) {
        int fits = read_state(columns, i, &g);
        if (fits && !by_text && cells[i] != 0) fits = ucid_cell_parent_bits(cells[i], a->resolution) != 0;
        if (!fits) {
            return ucid_fail_at(error, UCID_INVALID_ARGUMENT, i, -1, "row %lld is not a state of this aggregate",
                                (long long)i);
        }
    }
    forget_order(a);
    for (int64_t i = 0; i < n; i++) {
        read_state(columns, i, &g);
        if (!by_text) {
            if (!add_cell_state(a, cells[i], &g)) return fail_groups(a, error);
            continue;
        }
        group *into = find(&a->allocator, &a->tables[0], text_key(text[i], UCID_AGGREGATE_TEXT_MAX));
        if (into == NULL) return fail_groups(a, error);
        merge_group(into, &g);
    }
    return UCID_OK;
}

static int merge_table(ucid_aggregate *a, const table *from)
{
    group *into = NULL; /* neighbours often have the same */
    for (size_t i = 0; i < from->count; i++) {
        const group *g = &from->groups[i];
        group_key key = g->key;
        if (a->resolution != UCID_AGGREGATE_TEXT) key.low = ucid_cell_parent_bits(key.low, a->resolution);
        if (into == NULL || !same_key(into->key, key)) into = find(&a->allocator, &a->tables[0], key);
        if (into == NULL) return 0;
        merge_group(into, g);
    }
    return 1;
}

static int merge_sums(ucid_aggregate *a, const ucid_aggregate *from)
{
    if (a->sum_rows + from->sum_rows > SUM_ROWS_MAX && !collect(a)) return 0;
    size_t parts = from->compact.groups / GROUPS_A_THREAD + 1;
    int count = parts < (size_t)a->threads ? (int)parts : a->threads;
    a->sum_rows += from->sum_rows;
    for (int i = 0; i < count; i++) {
        if (a->sums[i] == NULL) a->sums[i] = ucid_cell_sums_new(&a->allocator, a->resolution, &a->board);
        if (a->sums[i] == NULL) return 0;
    }
    return ucid_cell_sums_add_groups(a->sums, count, &from->compact);
}

ucid_status ucid_aggregate_merge(ucid_aggregate *a, ucid_aggregate *from, ucid_error *error)
{
    if (a == from || (a->resolution == UCID_AGGREGATE_TEXT) != (from->resolution == UCID_AGGREGATE_TEXT) ||
        from->resolution < a->resolution) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "groups of resolution %d cannot be merged into resolution %d",
                         from->resolution, a->resolution);
    }
    forget_order(a);
    if (!take(from)) return fail_groups(a, error);
    if (from->compact.pieces != NULL && !merge_sums(a, from)) return fail_groups(a, error);
    for (int i = 0; i < from->threads; i++) {
        if (!merge_table(a, &from->tables[i])) {
            return fail_groups(a, error);
        }
    }
    return UCID_OK;
}

/* Order of keys by radix, a byte a pass, bytes that all keys share left out. */
static void sort_groups(const group *groups, size_t count, uint32_t *order, uint32_t *spare)
{
    uint32_t *from = order, *to = spare;
    for (int byte = 0; byte < 16; byte++) {
        size_t first[257] = {0};
        for (size_t i = 0; i < count; i++) {
            uint64_t part = byte < 8 ? groups[from[i]].key.low : groups[from[i]].key.high;
            first[(part >> 8 * (byte & 7) & 255) + 1]++;
        }
        int shared = 0;
        for (int b = 0; b < 256; b++) shared |= first[b + 1] == count;
        if (shared) continue;
        for (int b = 0; b < 256; b++) first[b + 1] += first[b];
        for (size_t i = 0; i < count; i++) {
            uint64_t part = byte < 8 ? groups[from[i]].key.low : groups[from[i]].key.high;
            to[first[part >> 8 * (byte & 7) & 255]++] = from[i];
        }
        uint32_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != order) memcpy(order, from, count * sizeof *order);
}

static int is_before(group_key a, group_key b) { return a.high != b.high ? a.high < b.high : a.low < b.low; }

ucid_status ucid_aggregate_sort(ucid_aggregate *a, int64_t *groups, ucid_error *error)
{
    table *all = &a->tables[0];
    size_t in_tables = 0;
    for (int i = 0; i < a->threads; i++) in_tables += a->tables[i].count;
    if (in_tables == 0 && a->sum_rows > 0) {
        if (!take(a)) return fail_groups(a, error);
        a->sorted = 1;
        *groups = (int64_t)a->compact.groups;
        return UCID_OK;
    }
    if (a->sum_rows > 0 && !collect(a)) return fail_groups(a, error);
    for (int i = 1; !a->sorted && i < a->threads; i++) {
        if (!merge_table(a, &a->tables[i])) return fail_groups(a, error);
        table_close(&a->allocator, &a->tables[i]);
    }
    if (!a->sorted) {
        ucid_release(&a->allocator, a->order, a->order_capacity, sizeof *a->order);
        a->order_capacity = 0;
        a->order = ucid_allocate(&a->allocator, 2 * all->count, sizeof *a->order);
        if (a->order == NULL) return ucid_fail_memory(error, "the order of groups", 2 * all->count * sizeof *a->order);
        a->order_capacity = 2 * all->count;
        a->order_count = all->count;
        int ascending = 1;
        for (size_t i = 0; i < all->count; i++) {
            a->order[i] = (uint32_t)i;
            if (i > 0 && is_before(all->groups[i].key, all->groups[i - 1].key)) ascending = 0;
        }
        if (!ascending) sort_groups(all->groups, all->count, a->order, a->order + all->count);
        a->sorted = 1;
    }
    *groups = (int64_t)a->order_count;
    return UCID_OK;
}

static void key_get(group_key key, size_t i, uint64_t *cells, char (*text)[UCID_AGGREGATE_TEXT_MAX])
{
    if (cells != NULL) cells[i] = key.low;
    if (text != NULL) text_of(key, text[i]);
}

static void state_get(group g, size_t i, uint64_t *cells, char (*text)[UCID_AGGREGATE_TEXT_MAX],
                      int64_t *const columns[UCID_AGGREGATE_COLUMNS])
{
    int64_t values[UCID_AGGREGATE_COLUMNS];
    key_get(g.key, i, cells, text);
    values[UCID_AGGREGATE_ROWS] = g.rows;
    values[UCID_AGGREGATE_NULLS] = g.nulls;
    values[UCID_AGGREGATE_MIN] = g.min;
    values[UCID_AGGREGATE_MAX] = g.max;
    for (int grade = 0; grade < 6; grade++) values[UCID_AGGREGATE_GRADE_F + grade] = g.grades[grade];
    u128 sums[] = {g.weight, g.score, g.square, g.confidence};
    for (int s = 0; s < 8; s++) values[UCID_AGGREGATE_WEIGHT + s] = half(sums[s / 2], s % 2);
    for (int c = 0; c < UCID_AGGREGATE_COLUMNS; c++) {
        if (columns[c] != NULL) columns[c][i] = values[c];
    }
}

void ucid_aggregate_states_get(const ucid_aggregate *a, uint64_t *cells, char (*text)[UCID_AGGREGATE_TEXT_MAX],
                               int64_t *const columns[UCID_AGGREGATE_COLUMNS])
{
    assert(a->sorted);
    for (size_t p = 0; p < a->compact.count; p++) {
        const cell_piece *piece = &a->compact.pieces[p];
        for (size_t i = 0; i < piece->count; i++) {
            state_get(group_of(&piece->groups[i]), piece->place + i, cells, text, columns);
        }
    }
    for (size_t i = 0; a->compact.pieces == NULL && i < a->order_count; i++) {
        state_get(a->tables[0].groups[a->order[i]], i, cells, text, columns);
    }
}

/* --------------------------------------------------------------------------------------------------------- Packed --
 *
 *     head | sums, ascending by cell | other groups, ascending by key
 *
 * Most states are of few rows of weight 1, and merging them costs little more than to read them. Numbers are
 * little-endian. */
static const char packed_magic[8] = {'U', 'C', 'I', 'D', 'S', 'U', 'M', '1'};

typedef struct packed_head {
    char magic[sizeof packed_magic];
    uint32_t sums, others;
} packed_head;

/* A compact sum of less than 2^16 rows. */
typedef struct packed_sum {
    uint64_t cell;
    uint32_t square_low, score, confidence;
    uint16_t square_high, lack, max, nulls, grades[6];
} packed_sum;

typedef struct packed_group {
    char key[UCID_AGGREGATE_TEXT_MAX]; /* a text, or a cell and NULs */
    int64_t columns[UCID_AGGREGATE_COLUMNS];
} packed_group;

_Static_assert(sizeof(packed_head) == 16 && sizeof(packed_sum) == 40 && sizeof(packed_group) == 160, "no padding");

/* 0: it has more rows. */
static int pack_sum(const ucid_cell_sum *sum, packed_sum *out)
{
    uint64_t rows = sum->nulls;
    for (int grade = 0; grade < 6; grade++) rows += sum->grades[grade];
    if (rows > UINT16_MAX) return 0;
    *out = (packed_sum){.cell = sum->cell,
                        .square_low = (uint32_t)sum->square,
                        .score = (uint32_t)sum->score,
                        .confidence = (uint32_t)sum->confidence,
                        .square_high = (uint16_t)(sum->square >> 32),
                        .lack = sum->lack,
                        .max = sum->max,
                        .nulls = (uint16_t)sum->nulls};
    for (int grade = 0; grade < 6; grade++) out->grades[grade] = (uint16_t)sum->grades[grade];
    return 1;
}

/* How many rows there are; 0 where a number cannot be. */
static uint32_t unpack_sum(const packed_sum *packed, ucid_cell_sum *out)
{
    uint32_t rows = 0;
    *out = (ucid_cell_sum){.cell = packed->cell,
                           .score = packed->score,
                           .square = (uint64_t)packed->square_high << 32 | packed->square_low,
                           .confidence = packed->confidence,
                           .nulls = packed->nulls,
                           .lack = packed->lack,
                           .max = packed->max};
    for (int grade = 0; grade < 6; grade++) rows += out->grades[grade] = packed->grades[grade];
    int extremes = rows > 0 ? packed->lack >= UINT16_MAX - HUNDRED && packed->max <= HUNDRED
                            : packed->lack == 0 && packed->max == 0;
    int fits = extremes && out->score <= (uint64_t)rows * HUNDRED && out->confidence <= (uint64_t)rows * 100 &&
               out->square <= (uint64_t)rows * HUNDRED * HUNDRED && (rows == 0 || out->cell != 0);
    return fits ? rows + out->nulls : 0;
}

/* A sorted group, and whether it goes as a sum. The piece is that of the group before, or of the first. */
static int packed_at(const ucid_aggregate *a, size_t i, size_t *number, group *g, packed_sum *packed)
{
    ucid_cell_sum sum;
    if (a->compact.pieces == NULL) {
        *g = a->tables[0].groups[a->order[i]];
        return a->resolution != UCID_AGGREGATE_TEXT && compact_of(g, g->key.low, &sum) && pack_sum(&sum, packed);
    }
    while (i >= a->compact.pieces[*number].place + a->compact.pieces[*number].count) ++*number;
    const cell_piece *piece = &a->compact.pieces[*number];
    if (pack_sum(&piece->groups[i - piece->place], packed)) return 1;
    *g = group_of(&piece->groups[i - piece->place]);
    return 0;
}

static void pack_group(const ucid_aggregate *a, group g, packed_group *out)
{
    uint64_t cell;
    char text[1][UCID_AGGREGATE_TEXT_MAX] = {{0}};
    int64_t *columns[UCID_AGGREGATE_COLUMNS];
    int by_text = a->resolution == UCID_AGGREGATE_TEXT;
    for (int c = 0; c < UCID_AGGREGATE_COLUMNS; c++) columns[c] = &out->columns[c];
    state_get(g, 0, &cell, by_text ? text : NULL, columns);
    if (!by_text) memcpy(text[0], &cell, sizeof cell);
    memcpy(out->key, text[0], sizeof out->key);
}

size_t ucid_aggregate_pack(const ucid_aggregate *a, int64_t first, int64_t count, uint8_t *bytes)
{
    assert(a->sorted);
    size_t from = (size_t)first, end = (size_t)(first + count), sums = 0;
    size_t start = a->compact.pieces != NULL && count > 0 ? cell_order_find(&a->compact, from) : 0, piece = start;
    group g;
    packed_sum packed;
    for (size_t i = from; i < end; i++) sums += (size_t)packed_at(a, i, &piece, &g, &packed);
    size_t others = end - from - sums, length = sizeof(packed_head) + sums * sizeof packed;
    if (bytes == NULL) return length + others * sizeof(packed_group);
    packed_head head = {.sums = (uint32_t)sums, .others = (uint32_t)others};
    memcpy(head.magic, packed_magic, sizeof packed_magic);
    memcpy(bytes, &head, sizeof head);
    uint8_t *to = bytes + sizeof head, *other = bytes + length;
    piece = start;
    for (size_t i = from; i < end; i++) {
        if (packed_at(a, i, &piece, &g, &packed)) {
            memcpy(to, &packed, sizeof packed);
            to += sizeof packed;
        } else {
            packed_group whole;
            pack_group(a, g, &whole);
            memcpy(other, &whole, sizeof whole);
            other += sizeof whole;
        }
    }
    return (size_t)(other - bytes);
}

static ucid_status fail_packed(ucid_error *error)
{
    return ucid_fail(error, UCID_DATA_ERROR, "states in bytes: these are none of this aggregate");
}

static ucid_status add_packed_group(ucid_aggregate *a, const uint8_t *bytes, ucid_error *error)
{
    packed_group whole;
    uint64_t cell;
    char text[1][UCID_AGGREGATE_TEXT_MAX];
    const int64_t *columns[UCID_AGGREGATE_COLUMNS];
    memcpy(&whole, bytes, sizeof whole);
    memcpy(&cell, whole.key, sizeof cell);
    memcpy(text[0], whole.key, sizeof whole.key);
    for (int c = 0; c < UCID_AGGREGATE_COLUMNS; c++) columns[c] = &whole.columns[c];
    int by_text = a->resolution == UCID_AGGREGATE_TEXT;
    ucid_status status = ucid_aggregate_add_states(
        a, 1, by_text ? NULL : &cell, by_text ? (const char(*)[UCID_AGGREGATE_TEXT_MAX])text : NULL, columns, error);
    return status == UCID_INVALID_ARGUMENT ? fail_packed(error) : status;
}

ucid_status ucid_aggregate_add_packed(ucid_aggregate *a, const uint8_t *bytes, size_t length, ucid_error *error)
{
    packed_head head;
    if (length < sizeof head) return fail_packed(error);
    memcpy(&head, bytes, sizeof head);
    size_t sums = (size_t)head.sums * sizeof(packed_sum);
    if (memcmp(head.magic, packed_magic, sizeof packed_magic) != 0 ||
        length != sizeof head + sums + (size_t)head.others * sizeof(packed_group) ||
        (sums > 0 && a->resolution == UCID_AGGREGATE_TEXT)) {
        return fail_packed(error);
    }
    forget_order(a);
    if (sums > 0 && a->sums[0] == NULL) a->sums[0] = ucid_cell_sums_new(&a->allocator, a->resolution, &a->board);
    if (sums > 0 && a->sums[0] == NULL) return fail_groups(a, error);
    const uint8_t *at = bytes + sizeof head, *end = at + sums;
    for (; at < end; at += sizeof(packed_sum)) {
        packed_sum packed;
        ucid_cell_sum sum;
        memcpy(&packed, at, sizeof packed);
        uint32_t rows = unpack_sum(&packed, &sum);
        if (rows == 0 || (sum.cell != 0 && ucid_cell_parent_bits(sum.cell, a->resolution) == 0)) {
            return fail_packed(error);
        }
        if (a->sum_rows + rows > SUM_ROWS_MAX && !collect(a)) return fail_groups(a, error);
        a->sum_rows += rows;
        if (!ucid_cell_sums_add_group(a->sums[0], &sum)) return fail_groups(a, error);
    }
    ucid_status status = UCID_OK;
    for (uint32_t i = 0; i < head.others && status == UCID_OK; i++, at += sizeof(packed_group)) {
        status = add_packed_group(a, at, error);
    }
    return status;
}

/* --------------------------------------------------------------------------------------------------------- Results --
 */

typedef struct u256 {
    uint64_t limb[4]; /* lowest first */
} u256;

static u256 product(u128 a, u128 b)
{
    uint64_t x[2] = {(uint64_t)a, (uint64_t)(a >> 64)}, y[2] = {(uint64_t)b, (uint64_t)(b >> 64)};
    u256 p = {{0, 0, 0, 0}};
    for (int i = 0; i < 2; i++) {
        u128 carry = 0;
        for (int j = 0; j < 2; j++) {
            carry += (u128)x[i] * y[j] + p.limb[i + j];
            p.limb[i + j] = (uint64_t)carry;
            carry >>= 64;
        }
        p.limb[i + 2] = (uint64_t)carry;
    }
    return p;
}

/* Standard deviation: sqrt(weight * square - score^2) / weight. The difference is exact before it becomes a double, so
 * nothing cancels; it is not negative for the sums of any rows. */
static double deviation(u128 weight, u128 score, u128 square)
{
    const double limb = 18446744073709551616.0;
    if (((weight | score | square) >> 64) == 0) { /* nearly always: the same, of fewer limbs */
        u128 value = weight * square - score * score;
        return sqrt((double)(uint64_t)(value >> 64) * limb + (double)(uint64_t)value) / (double)(uint64_t)weight /
               100.0;
    }
    u256 a = product(weight, square), b = product(score, score);
    u128 borrow = 0;
    for (int i = 0; i < 4; i++) {
        u128 difference = (u128)a.limb[i] - b.limb[i] - borrow;
        a.limb[i] = (uint64_t)difference;
        borrow = difference >> 64 != 0;
    }
    double value = 0.0;
    for (int i = 3; i >= 0; i--) value = value * limb + (double)a.limb[i];
    return sqrt(value) / (double)weight / 100.0;
}

/* Most sums have no more than 64 bits; the library's conversion of 128 is a long one. */
static double double_of(u128 x) { return x >> 64 == 0 ? (double)(uint64_t)x : (double)x; }

typedef struct finish_job {
    const ucid_aggregate *aggregate;
    const ucid_aggregates *out;
    size_t first, count;
    int ranges;
} finish_job;

static inline void finish_group(const ucid_aggregates *out, size_t i, group g)
{
    const double none = (double)NAN;
    double weight = double_of(g.weight);
    key_get(g.key, i, out->cell, out->text);
    if (out->rows != NULL) out->rows[i] = g.rows;
    if (out->nulls != NULL) out->nulls[i] = g.nulls;
    if (out->weight != NULL) out->weight[i] = weight / (1 << WEIGHT_BITS);
    if (out->mean != NULL) out->mean[i] = g.weight != 0 ? double_of(g.score) / weight / 100.0 : none;
    if (out->std != NULL) out->std[i] = g.weight != 0 ? deviation(g.weight, g.score, g.square) : none;
    if (out->min != NULL) out->min[i] = g.rows != 0 ? g.min / 100.0 : none;
    if (out->max != NULL) out->max[i] = g.rows != 0 ? g.max / 100.0 : none;
    if (out->confidence != NULL) out->confidence[i] = g.weight != 0 ? double_of(g.confidence) / weight / 100.0 : none;
    if (out->grade != NULL) {
        u128 mean = g.weight != 0 ? (2 * g.score + g.weight) / (2 * g.weight) : 0;
        out->grade[i] = (uint8_t)grade_of(mean < HUNDRED ? (uint32_t)mean : HUNDRED);
    }
    for (int grade = 0; grade < 6; grade++) {
        if (out->grade_rows[grade] != NULL) out->grade_rows[grade][i] = g.grades[grade];
    }
}

static void finish_range(void *ctx, int64_t range, int worker)
{
    (void)worker;
    const finish_job *job = ctx;
    const ucid_aggregate *a = job->aggregate;
    size_t each = job->count / (size_t)job->ranges, from = job->first, first = from + each * (size_t)range;
    size_t end = range + 1 == job->ranges ? from + job->count : first + each;
    if (a->compact.pieces == NULL) {
        for (size_t i = first; i < end; i++) finish_group(job->out, i - from, a->tables[0].groups[a->order[i]]);
        return;
    }
    for (size_t number = cell_order_find(&a->compact, first); first < end; number++) {
        const cell_piece *piece = &a->compact.pieces[number];
        size_t last = piece->place + piece->count < end ? piece->place + piece->count : end;
        for (; first < last; first++) {
            finish_group(job->out, first - from, group_of(&piece->groups[first - piece->place]));
        }
    }
}

void ucid_aggregate_finish(const ucid_aggregate *a, int64_t first, int64_t count, const ucid_aggregates *out)
{
    assert(a->sorted && first >= 0 && count >= 0);
    if (count == 0) return;
    finish_job job = {.aggregate = a, .out = out, .first = (size_t)first, .count = (size_t)count};
    size_t ranges = job.count / GROUPS_A_THREAD + 1;
    job.ranges = ranges < (size_t)a->threads ? (int)ranges : a->threads;
    ucid_parallel(job.ranges, job.ranges, finish_range, &job);
}
