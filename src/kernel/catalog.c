/* catalog.c: several indexes as one.
 *
 * Coverage cells of all indexes lie in one sorted table, the winner of each cell decided when the catalog is made. A
 * batch whose rows all go to one index with one time key, the common case, is scored where it lies; otherwise rows are
 * gathered group by group (a group is an index and a key), scored, and scattered back.
 *
 * Which index answers for a cell that one covers is known without opening any. For other places those whose box is near
 * are opened, since only they can have a street in reach; so a lazy catalog gives what one of opened indexes would. */
#include "kernel/catalog.h"

#include "index/index.h"
#include "kernel/place.h"
#include "rt/error.h"
#include "rt/memory.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { COVERAGE_RESOLUTION = 7 };

/* Some 4.5 km: no row of the snap grid and no snap limit reaches farther beyond a box. */
#define NEAR_DEG 0.04

typedef struct covered {
    uint64_t cell;
    uint32_t rank; /* position in the order of preference */
} covered;

/* How indexes that are not there yet are opened. */
typedef struct opener {
    pthread_mutex_t lock;
    ucid_catalog_open_fn open;
    void *ctx;
} opener;

struct ucid_catalog {
    ucid_allocator allocator;
    int64_t count;
    size_t covered_count, covered_capacity;
    catalog_member *members; /* by rank: newest data first, then least id */
    opener *opener;          /* NULL: all are open */
    covered *covered;        /* ascending by cell, one entry a cell */
};

static int by_preference(const void *a, const void *b)
{
    const catalog_member *x = a, *y = b;
    if (x->data_hour != y->data_hour) return x->data_hour > y->data_hour ? -1 : 1;
    int order = strcmp(x->id, y->id);
    return order != 0 ? order : x->position < y->position ? -1 : 1;
}

static int by_cell(const void *a, const void *b)
{
    const covered *x = a, *y = b;
    if (x->cell != y->cell) return x->cell < y->cell ? -1 : 1;
    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

void ucid_catalog_free(ucid_catalog *catalog)
{
    if (catalog == NULL) return;
    ucid_allocator allocator = catalog->allocator;
    if (catalog->opener != NULL) pthread_mutex_destroy(&catalog->opener->lock);
    ucid_release(&allocator, catalog->opener, 1, sizeof *catalog->opener);
    ucid_release(&allocator, catalog->covered, catalog->covered_capacity, sizeof *catalog->covered);
    ucid_release(&allocator, catalog->members, (size_t)catalog->count, sizeof *catalog->members);
    ucid_release(&allocator, catalog, 1, sizeof *catalog);
}

/* A catalog with room for its members, and for so many cells; NULL without memory. */
static ucid_catalog *catalog_allocate(int64_t count, size_t cells, const ucid_allocator *allocator)
{
    ucid_allocator memory = ucid_allocator_or_default(allocator);
    ucid_catalog *made = ucid_allocate_zero(&memory, 1, sizeof *made);
    if (made == NULL) return NULL;
    made->allocator = memory;
    made->count = count;
    made->covered_capacity = cells;
    made->members = ucid_allocate_zero(&memory, (size_t)count, sizeof *made->members);
    made->covered = ucid_allocate(&memory, cells, sizeof *made->covered);
    if (made->members != NULL && made->covered != NULL) return made;
    ucid_catalog_free(made);
    return NULL;
}

/* Entry i of what is given: of an index, or as it was described. */
static ucid_catalog_entry entry_at(const ucid_index *const *indexes, const ucid_catalog_entry *entries, int64_t i)
{
    if (indexes == NULL) return entries[i];
    const ucid_index *index = indexes[i];
    ucid_index_info info;
    ucid_index_info_get(index, &info);
    return (ucid_catalog_entry){.data_hour = info.data_hour,
                                .min_lat_deg = info.min_lat_deg,
                                .min_lon_deg = info.min_lon_deg,
                                .max_lat_deg = info.max_lat_deg,
                                .max_lon_deg = info.max_lon_deg,
                                .coverage = index->coverage,
                                .coverage_count = (int64_t)index->coverage_count};
}

/* indexes, or entries where those are NULL */
static ucid_status make_catalog(int64_t count, const ucid_index *const *indexes, const ucid_catalog_entry *entries,
                                const ucid_allocator *allocator, ucid_catalog **catalog, ucid_error *error)
{
    if (count < 1 || count >= UINT32_MAX) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "a catalog of %lld indexes", (long long)count);
    }
    size_t cells = 0;
    for (int64_t i = 0; i < count; i++) cells += (size_t)entry_at(indexes, entries, i).coverage_count;
    ucid_catalog *made = catalog_allocate(count, cells, allocator);
    if (made == NULL) return ucid_fail_memory(error, "a catalog", cells * sizeof *made->covered);
    for (int64_t i = 0; i < count; i++) {
        ucid_catalog_entry entry = entry_at(indexes, entries, i);
        catalog_member *member = &made->members[i];
        if (indexes != NULL) {
            ucid_index_info info;
            ucid_index_info_get(indexes[i], &info);
            memcpy(member->id, info.id, sizeof member->id);
            atomic_init(&member->index, indexes[i]);
        } else {
            atomic_init(&member->index, NULL);
            memcpy(member->id, entry.id, sizeof member->id - 1);
        }
        member->position = i;
        member->data_hour = entry.data_hour;
        member->min_lat_deg = entry.min_lat_deg;
        member->min_lon_deg = entry.min_lon_deg;
        member->max_lat_deg = entry.max_lat_deg;
        member->max_lon_deg = entry.max_lon_deg;
    }
    qsort(made->members, (size_t)count, sizeof *made->members, by_preference);
    for (int64_t rank = 0; rank < count; rank++) {
        ucid_catalog_entry entry = entry_at(indexes, entries, made->members[rank].position);
        for (int64_t c = 0; c < entry.coverage_count; c++) {
            made->covered[made->covered_count++] = (covered){entry.coverage[c], (uint32_t)rank};
        }
    }
    qsort(made->covered, made->covered_count, sizeof *made->covered, by_cell);
    size_t kept = 0;
    for (size_t i = 0; i < made->covered_count; i++) {
        if (kept == 0 || made->covered[kept - 1].cell != made->covered[i].cell)
            made->covered[kept++] = made->covered[i];
    }
    made->covered_count = kept;
    *catalog = made;
    return UCID_OK;
}

ucid_status ucid_catalog_new(int64_t count, const ucid_index *const *indexes, const ucid_allocator *allocator,
                             ucid_catalog **catalog, ucid_error *error)
{
    return make_catalog(count, indexes, NULL, allocator, catalog, error);
}

ucid_status ucid_catalog_new_lazy(int64_t count, const ucid_catalog_entry *entries, ucid_catalog_open_fn open,
                                  void *ctx, const ucid_allocator *allocator, ucid_catalog **catalog, ucid_error *error)
{
    for (int64_t i = 0; i < count; i++) {
        if (strlen(entries[i].id) == 64 && strspn(entries[i].id, "0123456789abcdef") == 64) continue;
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "the id of entry %lld is not 64 hexadecimal digits",
                         (long long)i);
    }
    ucid_catalog *made;
    ucid_status status = make_catalog(count, NULL, entries, allocator, &made, error);
    if (status != UCID_OK) return status;
    made->opener = ucid_allocate_zero(&made->allocator, 1, sizeof *made->opener);
    if (made->opener == NULL) {
        ucid_catalog_free(made);
        return ucid_fail_memory(error, "a catalog", sizeof(opener));
    }
    pthread_mutex_init(&made->opener->lock, NULL);
    made->opener->open = open;
    made->opener->ctx = ctx;
    *catalog = made;
    return UCID_OK;
}

/* -------------------------------------------------------------------------------------------------------- Places -- */

static const ucid_index *opened_index(const ucid_catalog *catalog, int64_t rank)
{
    return atomic_load_explicit(&catalog->members[rank].index, memory_order_acquire);
}

/* The index of a rank, opened where it is not. */
static ucid_status open_index(const ucid_catalog *catalog, int64_t rank, const ucid_index **index, ucid_error *error)
{
    *index = opened_index(catalog, rank);
    if (*index != NULL) return UCID_OK;
    opener *by = catalog->opener;
    pthread_mutex_lock(&by->lock);
    ucid_status status = UCID_OK;
    *index = opened_index(catalog, rank);
    if (*index == NULL) status = by->open(by->ctx, catalog->members[rank].position, index, error);
    if (status == UCID_OK) atomic_store_explicit(&catalog->members[rank].index, *index, memory_order_release);
    pthread_mutex_unlock(&by->lock);
    return status;
}

/* Whether a place lies within some degrees of a member's box; a margin of longitudes is wider far from the equator. */
static int is_near(const catalog_member *member, double lat_deg, double lon_deg, double margin_deg)
{
    if (!(lat_deg >= member->min_lat_deg - margin_deg && lat_deg <= member->max_lat_deg + margin_deg)) return 0;
    double narrow = (90.0 - fabs(lat_deg)) / 90.0; /* below the cosine */
    double wide = margin_deg == 0.0 ? 0.0 : narrow > 0.01 ? margin_deg / narrow : 360.0;
    double span = member->max_lon_deg - member->min_lon_deg, east = lon_deg - (member->min_lon_deg - wide);
    if (span < 0.0) span += 360.0;
    if (east < 0.0) east += 360.0;
    if (east >= 360.0) east -= 360.0;
    return east <= span + 2.0 * wide;
}

int catalog_in_a_box(const ucid_catalog *catalog, double lat_deg, double lon_deg)
{
    for (int64_t i = 0; i < catalog->count; i++) {
        if (is_near(&catalog->members[i], lat_deg, lon_deg, 0.0)) return 1;
    }
    return 0;
}

/* First index in order that has a word on a place: by its network's box or its streets' reach, as the kernel has it. */
static ucid_status rank_by_box(const ucid_catalog *catalog, double lat_deg, double lon_deg, int64_t *rank,
                               ucid_error *error)
{
    *rank = -1;
    for (int64_t i = 0; i < catalog->count; i++) {
        const ucid_index *index = opened_index(catalog, i);
        if (index == NULL && !is_near(&catalog->members[i], lat_deg, lon_deg, NEAR_DEG)) continue;
        ucid_status status = open_index(catalog, i, &index, error);
        if (status != UCID_OK) return status;
        place p;
        if (place_locate(index, lat_deg, lon_deg, &p) != UCID_OK) continue;
        *rank = i;
        break;
    }
    return UCID_OK;
}

static ucid_status rank_of(const ucid_catalog *catalog, uint64_t cell, double lat_deg, double lon_deg, int64_t *rank,
                           ucid_error *error)
{
    size_t low = 0, high = catalog->covered_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (catalog->covered[middle].cell < cell) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == catalog->covered_count || catalog->covered[low].cell != cell) {
        return rank_by_box(catalog, lat_deg, lon_deg, rank, error);
    }
    *rank = catalog->covered[low].rank;
    return UCID_OK;
}

const catalog_member *catalog_member_get(const ucid_catalog *catalog, int64_t position)
{
    for (int64_t i = 0; i < catalog->count; i++) {
        if (catalog->members[i].position == position) return &catalog->members[i];
    }
    return NULL;
}

const ucid_index *ucid_catalog_index(const ucid_catalog *catalog, int64_t position)
{
    const catalog_member *member = catalog_member_get(catalog, position);
    return member != NULL ? opened_index(catalog, member - catalog->members) : NULL;
}

ucid_status catalog_find(const ucid_catalog *catalog, double lat_deg, double lon_deg, int64_t *position,
                         ucid_error *error)
{
    uint64_t cell = ucid_cell_at(lat_deg, lon_deg, COVERAGE_RESOLUTION);
    int64_t rank = -1;
    ucid_status status = cell == 0 ? UCID_OK : rank_of(catalog, cell, lat_deg, lon_deg, &rank, error);
    if (status == UCID_OK) *position = rank < 0 ? -1 : catalog->members[rank].position;
    return status;
}

int64_t ucid_catalog_find(const ucid_catalog *catalog, double lat_deg, double lon_deg)
{
    int64_t position;
    return catalog_find(catalog, lat_deg, lon_deg, &position, NULL) == UCID_OK ? position : -1;
}

/* ------------------------------------------------------------------------------------------------------- Batches -- */

/* Which index and which key some rows of a batch need. */
typedef struct row_group {
    int32_t rank;       /* -1: no index; then hour is the status of the rows */
    int32_t hour;       /* -1: options->hour */
    int64_t count, end; /* of its rows, which lie side by side once they are sorted */
} row_group;

/* Groups of the rows of a batch, numbered as they appear, found by hash. */
typedef struct row_groups {
    row_group *groups; /* [n] */
    int64_t group_count;
    uint32_t *slots; /* [mask + 1], of each a group and 1 */
    uint32_t *group; /* [n]: of each row */
    int64_t *rows;   /* [n]: by group, ascending in each */
    size_t n, mask;
} row_groups;

static void row_groups_close(row_groups *by, const ucid_allocator *allocator)
{
    ucid_release(allocator, by->groups, by->n, sizeof *by->groups);
    ucid_release(allocator, by->slots, by->mask + 1, sizeof *by->slots);
    ucid_release(allocator, by->group, by->n, sizeof *by->group);
    ucid_release(allocator, by->rows, by->n, sizeof *by->rows);
}

static ucid_status row_groups_open(row_groups *by, int64_t n, const ucid_allocator *allocator, ucid_error *error)
{
    if (n >= UINT32_MAX) return ucid_fail(error, UCID_INVALID_ARGUMENT, "a batch of %lld rows", (long long)n);
    by->n = (size_t)n;
    by->mask = 1;
    while (by->mask + 1 < 2 * by->n) by->mask = 2 * by->mask + 1;
    by->groups = ucid_allocate(allocator, by->n, sizeof *by->groups);
    by->slots = ucid_allocate_zero(allocator, by->mask + 1, sizeof *by->slots);
    by->group = ucid_allocate(allocator, by->n, sizeof *by->group);
    by->rows = ucid_allocate(allocator, by->n, sizeof *by->rows);
    if (by->groups != NULL && by->slots != NULL && by->group != NULL && by->rows != NULL) return UCID_OK;
    row_groups_close(by, allocator);
    return ucid_fail_memory(error, "groups of a batch", by->n * (sizeof *by->groups + sizeof *by->rows));
}

static void row_groups_add(row_groups *by, int64_t row, int32_t rank, int32_t hour)
{
    uint64_t key = (uint64_t)(uint32_t)rank << 32 | (uint32_t)hour;
    size_t slot = (size_t)(key * UINT64_C(0x9E3779B97F4A7C15) >> 32) & by->mask;
    for (;; slot = (slot + 1) & by->mask) {
        if (by->slots[slot] == 0) {
            by->groups[by->group_count++] = (row_group){rank, hour, 0, 0};
            by->slots[slot] = (uint32_t)by->group_count;
        }
        row_group *group = &by->groups[by->slots[slot] - 1];
        if (group->rank != rank || group->hour != hour) continue;
        group->count++;
        by->group[row] = by->slots[slot] - 1;
        return;
    }
}

static void row_groups_sort(row_groups *by)
{
    int64_t before = 0;
    for (int64_t g = 0; g < by->group_count; g++) {
        by->groups[g].end = before;
        before += by->groups[g].count;
    }
    for (size_t row = 0; row < by->n; row++) by->rows[by->groups[by->group[row]].end++] = (int64_t)row;
}

/* One row that no kernel sees. */
static void refuse_row(const ucid_scores *scores, int64_t row, ucid_status status)
{
    double *const numbers[] = {scores->score, scores->confidence, scores->snap_m};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (numbers[i] != NULL) numbers[i][row] = NAN;
    }
    for (int p = 0; p < UCID_PARTS_MAX; p++) {
        if (scores->part[p] != NULL) scores->part[p][row] = NAN;
        if (scores->nearest_m[p] != NULL) scores->nearest_m[p][row] = NAN;
    }
    if (scores->grade != NULL) scores->grade[row] = UCID_GRADE_F;
    if (scores->flags != NULL) scores->flags[row] = 0;
    if (scores->status != NULL) scores->status[row] = (uint8_t)status;
}

/* Gathered rows and their scores: [n] of everything, in one allocation. */
typedef struct gathered {
    double *lat_deg, *lon_deg;
    ucid_scores scores;
    void *bytes;
    size_t size;
} gathered;

enum { GATHERED_DOUBLES = 2 + 3 + 2 * UCID_PARTS_MAX, GATHERED_BYTES = 3 };

static int gathered_init(gathered *rows, int64_t n, const ucid_scores *wanted, const ucid_allocator *allocator)
{
    rows->size = (size_t)n * (GATHERED_DOUBLES * sizeof(double) + GATHERED_BYTES);
    rows->bytes = ucid_allocate(allocator, rows->size, 1);
    if (rows->bytes == NULL) return 0;
    double *doubles = rows->bytes;
    rows->lat_deg = doubles;
    rows->lon_deg = doubles + n;
    rows->scores.score = doubles + 2 * n;
    rows->scores.confidence = doubles + 3 * n;
    rows->scores.snap_m = doubles + 4 * n;
    for (int p = 0; p < UCID_PARTS_MAX; p++) {
        rows->scores.part[p] = wanted->part[p] != NULL ? doubles + (5 + 2 * p) * n : NULL;
        rows->scores.nearest_m[p] = wanted->nearest_m[p] != NULL ? doubles + (6 + 2 * p) * n : NULL;
    }
    uint8_t *bytes = (uint8_t *)(doubles + GATHERED_DOUBLES * n);
    rows->scores.grade = bytes;
    rows->scores.status = bytes + n;
    rows->scores.flags = bytes + 2 * n;
    return 1;
}

#define SCATTER(member)                                                                                                \
    if (to->member != NULL) to->member[row] = from->member[i]

static void scatter(const ucid_scores *from, int64_t i, const ucid_scores *to, int64_t row)
{
    SCATTER(score);
    SCATTER(grade);
    SCATTER(confidence);
    SCATTER(status);
    SCATTER(flags);
    SCATTER(snap_m);
    for (int p = 0; p < UCID_PARTS_MAX; p++) {
        SCATTER(part[p]);
        SCATTER(nearest_m[p]);
    }
}

static ucid_status score_groups(const ucid_catalog *catalog, const double *lat_deg, const double *lon_deg,
                                const row_groups *by, const ucid_score_options *options, const ucid_scores *scores,
                                ucid_error *error)
{
    gathered batch;
    int64_t most = 0;
    const ucid_index *index;
    for (int64_t g = 0; g < by->group_count; g++) { /* what cannot be opened leaves outputs untouched */
        if (by->groups[g].rank < 0) continue;
        ucid_status opened = open_index(catalog, by->groups[g].rank, &index, error);
        if (opened != UCID_OK) return opened;
        most = by->groups[g].count > most ? by->groups[g].count : most;
    }
    if (!gathered_init(&batch, most, scores, &catalog->allocator)) {
        return ucid_fail_memory(error, "a batch", batch.size);
    }
    ucid_status status = UCID_OK;
    for (int64_t g = 0; g < by->group_count && status == UCID_OK; g++) {
        const row_group *group = &by->groups[g];
        const int64_t *rows = by->rows + group->end - group->count;
        if (group->rank < 0) {
            for (int64_t i = 0; i < group->count; i++) refuse_row(scores, rows[i], (ucid_status)group->hour);
            continue;
        }
        for (int64_t i = 0; i < group->count; i++) {
            batch.lat_deg[i] = lat_deg[rows[i]];
            batch.lon_deg[i] = lon_deg[rows[i]];
        }
        ucid_score_options asked = *options;
        if (group->hour >= 0) asked.hour = (uint32_t)group->hour;
        status = ucid_score(opened_index(catalog, group->rank), group->count, batch.lat_deg, batch.lon_deg, NULL,
                            &asked, &batch.scores, error);
        for (int64_t i = 0; i < group->count && status == UCID_OK; i++) scatter(&batch.scores, i, scores, rows[i]);
    }
    ucid_release(&catalog->allocator, batch.bytes, batch.size, 1);
    return status;
}

/* What each row of a batch needs. A refused row has rank -1, and its status where others have their key. */
static ucid_status find_groups(const ucid_catalog *catalog, const ucid_index *only, int64_t n, const double *lat_deg,
                               const double *lon_deg, const uint8_t *validity, const int32_t *hour, uint64_t *cells,
                               row_groups *by, ucid_error *error)
{
    /* Which of several indexes answers for a place is a matter of its cell. */
    if (only == NULL) (void)ucid_cells_at(n, lat_deg, lon_deg, NULL, COVERAGE_RESOLUTION, cells, NULL, NULL);
    for (int64_t row = 0; row < n; row++) {
        int64_t rank = 0;
        int32_t needs = hour != NULL ? hour[row] : -1;
        ucid_status refused = UCID_OK;
        if (validity != NULL && !(validity[row >> 3] >> (row & 7) & 1)) {
            refused = UCID_NULL_INPUT;
        } else if (!(fabs(lat_deg[row]) <= 90.0) || !(fabs(lon_deg[row]) <= 180.0)) {
            refused = UCID_INVALID_COORDINATES;
        } else if (hour != NULL && (needs < 0 || needs > UCID_HOUR_MAX)) {
            refused = UCID_INVALID_TIME;
        } else if (only == NULL) {
            ucid_status status = rank_of(catalog, cells[row], lat_deg[row], lon_deg[row], &rank, error);
            if (status != UCID_OK) return status;
            if (rank < 0) refused = UCID_OUTSIDE_INDEX;
        }
        row_groups_add(by, row, refused != UCID_OK ? -1 : (int32_t)rank, refused != UCID_OK ? (int32_t)refused : needs);
    }
    return UCID_OK;
}

ucid_status ucid_catalog_score(const ucid_catalog *catalog, int64_t n, const double *lat_deg, const double *lon_deg,
                               const uint8_t *validity, const int32_t *hour, const ucid_score_options *options,
                               const ucid_scores *scores, ucid_error *error)
{
    ucid_score_options all = UCID_SCORE_OPTIONS_INIT;
    if (options != NULL) all = *options;
    const ucid_index *only = catalog->count == 1 ? opened_index(catalog, 0) : NULL;
    if (only != NULL && (n <= 0 || hour == NULL)) {
        return ucid_score(only, n, lat_deg, lon_deg, validity, &all, scores, error);
    }
    if (all.context == NULL || ucid_context_get(all.context) == NULL) {
        return ucid_fail(error, UCID_CONTEXT_NOT_FOUND, "no context '%.40s'", all.context != NULL ? all.context : "");
    }
    if (n <= 0) return UCID_OK;
    row_groups by = {0};
    ucid_status status = row_groups_open(&by, n, &catalog->allocator, error);
    if (status != UCID_OK) return status;
    size_t cells = only == NULL ? (size_t)n : 0;
    uint64_t *cell = ucid_allocate(&catalog->allocator, cells, sizeof *cell);
    if (cell == NULL) {
        status = ucid_fail_memory(error, "cells of a batch", cells * sizeof *cell);
    } else {
        status = find_groups(catalog, only, n, lat_deg, lon_deg, validity, hour, cell, &by, error);
    }
    if (status == UCID_OK && by.group_count == 1 && by.groups[0].rank >= 0) { /* where they lie */
        const ucid_index *index;
        if (by.groups[0].hour >= 0) all.hour = (uint32_t)by.groups[0].hour;
        status = open_index(catalog, by.groups[0].rank, &index, error);
        if (status == UCID_OK) status = ucid_score(index, n, lat_deg, lon_deg, NULL, &all, scores, error);
    } else if (status == UCID_OK) {
        row_groups_sort(&by);
        status = score_groups(catalog, lat_deg, lon_deg, &by, &all, scores, error);
    }
    ucid_release(&catalog->allocator, cell, cells, sizeof *cell);
    row_groups_close(&by, &catalog->allocator);
    return status;
}
