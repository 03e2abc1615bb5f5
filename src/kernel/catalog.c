/* catalog.c: several indexes as one.
 *
 * Coverage cells of all indexes lie in one sorted table, the winner of each cell decided when the catalog is made. A
 * batch whose rows all go to one index with one time key, the common case, is scored where it lies; otherwise rows are
 * gathered group by group (a group is an index and a key), scored, and scattered back. */
#include "index/index.h"
#include "kernel/place.h"
#include "rt/error.h"
#include "rt/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COVERAGE_RESOLUTION = 7 };

typedef struct covered {
    uint64_t cell;
    uint32_t rank; /* position in the order of preference */
} covered;

struct ucid_catalog {
    ucid_allocator allocator;
    int64_t count;
    size_t covered_count, covered_capacity;
    const ucid_index **indexes; /* by rank: newest data first, then least id */
    int64_t *position;          /* of a rank, in the caller's order */
    covered *covered;           /* ascending by cell, one entry a cell */
};

static int prefer(const ucid_index *a, const ucid_index *b)
{
    if (a->summary->data_hour != b->summary->data_hour) return a->summary->data_hour > b->summary->data_hour ? -1 : 1;
    return memcmp(a->header->id, b->header->id, sizeof a->header->id);
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
    ucid_release(&allocator, catalog->covered, catalog->covered_capacity, sizeof *catalog->covered);
    ucid_release(&allocator, catalog->indexes, (size_t)catalog->count, sizeof *catalog->indexes);
    ucid_release(&allocator, catalog->position, (size_t)catalog->count, sizeof *catalog->position);
    ucid_release(&allocator, catalog, 1, sizeof *catalog);
}

ucid_status ucid_catalog_new(int64_t count, const ucid_index *const *indexes, const ucid_allocator *allocator,
                             ucid_catalog **catalog, ucid_error *error)
{
    if (count < 1 || count >= UINT32_MAX) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "a catalog of %lld indexes", (long long)count);
    }
    ucid_allocator memory = ucid_allocator_or_default(allocator);
    ucid_catalog *made = ucid_allocate_zero(&memory, 1, sizeof *made);
    if (made == NULL) return ucid_fail_memory(error, "a catalog", sizeof *made);
    made->allocator = memory;
    made->count = count;
    for (int64_t i = 0; i < count; i++) made->covered_capacity += indexes[i]->coverage_count;
    made->indexes = ucid_allocate(&memory, (size_t)count, sizeof *made->indexes);
    made->position = ucid_allocate(&memory, (size_t)count, sizeof *made->position);
    made->covered = ucid_allocate(&memory, made->covered_capacity, sizeof *made->covered);
    if (made->indexes == NULL || made->position == NULL || made->covered == NULL) {
        ucid_catalog_free(made);
        return ucid_fail_memory(error, "a catalog", made->covered_capacity * sizeof *made->covered);
    }
    for (int64_t i = 0; i < count; i++) { /* insertion: catalogs are short, and mostly in order */
        int64_t at = i;
        while (at > 0 && prefer(indexes[i], made->indexes[at - 1]) < 0) {
            made->indexes[at] = made->indexes[at - 1];
            made->position[at] = made->position[at - 1];
            at--;
        }
        made->indexes[at] = indexes[i];
        made->position[at] = i;
    }
    for (int64_t i = 0; i < count; i++) {
        for (uint32_t c = 0; c < made->indexes[i]->coverage_count; c++) {
            made->covered[made->covered_count++] = (covered){made->indexes[i]->coverage[c], (uint32_t)i};
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

/* First index in order that has a word on a place: by its network's box or its streets' reach, as the kernel has it. */
static int64_t rank_by_box(const ucid_catalog *catalog, double lat_deg, double lon_deg)
{
    for (int64_t i = 0; i < catalog->count; i++) {
        place p;
        if (place_locate(catalog->indexes[i], lat_deg, lon_deg, &p) == UCID_OK) return i;
    }
    return -1;
}

static int64_t rank_of(const ucid_catalog *catalog, uint64_t cell, double lat_deg, double lon_deg)
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
    if (low < catalog->covered_count && catalog->covered[low].cell == cell) return catalog->covered[low].rank;
    return rank_by_box(catalog, lat_deg, lon_deg);
}

const ucid_index *ucid_catalog_index(const ucid_catalog *catalog, int64_t position)
{
    for (int64_t i = 0; i < catalog->count; i++) {
        if (catalog->position[i] == position) return catalog->indexes[i];
    }
    return NULL;
}

int64_t ucid_catalog_find(const ucid_catalog *catalog, double lat_deg, double lon_deg)
{
    uint64_t cell = ucid_cell_at(lat_deg, lon_deg, COVERAGE_RESOLUTION);
    int64_t rank = cell == 0 ? -1 : rank_of(catalog, cell, lat_deg, lon_deg);
    return rank < 0 ? -1 : catalog->position[rank];
}

/* ------------------------------------------------------------------------------------------------------- Batches -- */

/* Which index and which key a row needs. */
typedef struct row_group {
    int64_t row;
    int32_t rank; /* -1: no index */
    int32_t hour;
} row_group;

static int by_group(const void *a, const void *b)
{
    const row_group *x = a, *y = b;
    if (x->rank != y->rank) return x->rank < y->rank ? -1 : 1;
    if (x->hour != y->hour) return x->hour < y->hour ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
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

static ucid_status score_groups(const ucid_catalog *catalog, int64_t n, const double *lat_deg, const double *lon_deg,
                                const row_group *rows, const ucid_score_options *options, const ucid_scores *scores,
                                ucid_error *error)
{
    gathered batch;
    if (!gathered_init(&batch, n, scores, &catalog->allocator)) return ucid_fail_memory(error, "a batch", batch.size);
    ucid_status status = UCID_OK;
    for (int64_t first = 0, next; first < n && status == UCID_OK; first = next) {
        for (next = first; next < n && rows[next].rank == rows[first].rank && rows[next].hour == rows[first].hour;
             next++) {
            batch.lat_deg[next - first] = lat_deg[rows[next].row];
            batch.lon_deg[next - first] = lon_deg[rows[next].row];
        }
        if (rows[first].rank < 0) {
            for (int64_t i = first; i < next; i++) {
                refuse_row(scores, rows[i].row, (ucid_status)rows[i].hour);
            }
            continue;
        }
        ucid_score_options group = *options;
        if (rows[first].hour >= 0) group.hour = (uint32_t)rows[first].hour;
        status = ucid_score(catalog->indexes[rows[first].rank], next - first, batch.lat_deg, batch.lon_deg, NULL,
                            &group, &batch.scores, error);
        for (int64_t i = first; i < next && status == UCID_OK; i++)
            scatter(&batch.scores, i - first, scores, rows[i].row);
    }
    ucid_release(&catalog->allocator, batch.bytes, batch.size, 1);
    return status;
}

ucid_status ucid_catalog_score(const ucid_catalog *catalog, int64_t n, const double *lat_deg, const double *lon_deg,
                               const uint8_t *validity, const int32_t *hour, const ucid_score_options *options,
                               const ucid_scores *scores, ucid_error *error)
{
    ucid_score_options all = UCID_SCORE_OPTIONS_INIT;
    if (options != NULL) all = *options;
    if (n <= 0 || (catalog->count == 1 && hour == NULL)) {
        return ucid_score(catalog->indexes[0], n, lat_deg, lon_deg, validity, &all, scores, error);
    }
    if (all.context == NULL || ucid_context_get(all.context) == NULL) {
        return ucid_fail(error, UCID_CONTEXT_NOT_FOUND, "no context '%.40s'", all.context != NULL ? all.context : "");
    }
    size_t cells_size = (size_t)n * (sizeof(uint64_t) + 1);
    row_group *rows = ucid_allocate(&catalog->allocator, (size_t)n, sizeof *rows);
    uint64_t *cells = ucid_allocate(&catalog->allocator, cells_size, 1);
    ucid_status status = UCID_OK;
    if (rows == NULL || cells == NULL) {
        status = ucid_fail_memory(error, "a batch", (size_t)n * sizeof *rows + cells_size);
    } else {
        uint8_t *bad = (uint8_t *)(cells + n);
        (void)ucid_cells_at(n, lat_deg, lon_deg, validity, COVERAGE_RESOLUTION, cells, bad, NULL);
        for (int64_t row = 0; row < n; row++) {
            /* A refused row has rank -1, and its status where others have their key. */
            row_group group = {row, -1, UCID_OUTSIDE_INDEX};
            if (bad[row] != UCID_OK) {
                group.hour = bad[row];
            } else if (hour != NULL && (hour[row] < 0 || hour[row] > UCID_HOUR_MAX)) {
                group.hour = UCID_INVALID_TIME;
            } else {
                int64_t rank = catalog->count > 1 ? rank_of(catalog, cells[row], lat_deg[row], lon_deg[row]) : 0;
                group.rank = (int32_t)rank;
                if (rank >= 0) group.hour = hour != NULL ? hour[row] : -1;
            }
            rows[row] = group;
        }
        qsort(rows, (size_t)n, sizeof *rows, by_group);
        status = score_groups(catalog, n, lat_deg, lon_deg, rows, &all, scores, error);
    }
    ucid_release(&catalog->allocator, cells, cells_size, 1);
    ucid_release(&catalog->allocator, rows, (size_t)n, sizeof *rows);
    return status;
}
