/* network_tables.c: tables of nodes, edges and places become arrays, and those an index. Tables are read whole; a null
 * becomes what the builder refuses with its row: NaN, no node, an empty tag. */
#include "arrow/arrays.h"
#include "arrow/stream.h"
#include "rt/bits.h"
#include "rt/error.h"
#include "rt/memory.h"

#include "nanoarrow.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS_MAX = 6, NUMBERS = 0, WHOLES, TEXTS };

/* A column of a table, all rows of it. */
typedef struct table_column {
    const char *const *names; /* the first one is what messages say */
    int kind, needed;
    int64_t at;            /* -1: not there */
    arrow_scratch values;  /* double or int64_t, or the bytes of texts */
    arrow_scratch offsets; /* int64_t [rows + 1] of texts */
} table_column;

typedef struct table {
    const char *what;
    struct ArrowArrayStream *in;
    int64_t rows;
    table_column columns[COLUMNS_MAX];
} table;

static const char *const node_ids[] = {"id", "node", "osmid", "osm_id", NULL};
static const char *const node_ends[] = {"end", NULL};
static const char *const edge_starts[] = {"from", "u", "a", "source", NULL};
static const char *const edge_goals[] = {"to", "v", "b", "target", NULL};
static const char *const edge_lengths[] = {"metres", "meters", "length", "m", NULL};
static const char *const edge_ranks[] = {"rank", NULL};
static const char *const place_tags[] = {"tag", NULL};
static const char *const place_names[] = {"name", NULL};
static const char *const place_ids[] = {"osm_id", "osmid", "id", NULL};
static const char *const place_types[] = {"osm_type", NULL};

enum { NODE_LAT, NODE_LON, NODE_ID, NODE_END };
enum { EDGE_FROM, EDGE_TO, EDGE_M, EDGE_RANK };
enum { PLACE_LAT, PLACE_LON, PLACE_TAG, PLACE_NAME, PLACE_ID, PLACE_TYPE };

static ucid_status check_column(const struct ArrowSchema *schema, const table_column *column, ucid_error *error)
{
    if (column->kind == NUMBERS) return arrow_check_numbers(schema, schema->name, error);
    if (column->kind == TEXTS) return arrow_check_texts(schema, schema->name, error);
    struct ArrowSchemaView view;
    if (ArrowSchemaViewInit(&view, arrow_row_schema(schema), NULL) == NANOARROW_OK && arrow_is_whole((int)view.type)) {
        return UCID_OK;
    }
    return ucid_fail(error, UCID_DATA_ERROR, "column '%s' holds no whole numbers", schema->name);
}

static ucid_status find_columns(table *t, const struct ArrowSchema *schema, ucid_error *error)
{
    ucid_status status = UCID_OK;
    for (int c = 0; c < COLUMNS_MAX && t->columns[c].names != NULL && status == UCID_OK; c++) {
        table_column *column = &t->columns[c];
        column->at = arrow_find(schema, NULL, column->names);
        if (column->at >= 0) {
            status = check_column(schema->children[column->at], column, error);
        } else if (column->needed) {
            status = arrow_missing(schema, NULL, column->names[0], error);
        }
    }
    return status;
}

static ucid_status append_numbers(table_column *column, int64_t before, const arrow_numbers *numbers, int64_t n,
                                  const ucid_allocator *allocator, ucid_error *error)
{
    ucid_status status = arrow_scratch_reserve(&column->values, allocator, (size_t)(before + n + 1) * 8, error);
    for (int64_t i = 0; i < n && status == UCID_OK; i++) {
        ((double *)column->values.bytes)[before + i] = bit_is_set(numbers->validity, i) ? numbers->values[i] : NAN;
    }
    return status;
}

static ucid_status append_wholes(table_column *column, int64_t before, const arrow_wholes *wholes, int64_t n,
                                 const ucid_allocator *allocator, ucid_error *error)
{
    ucid_status status = arrow_scratch_reserve(&column->values, allocator, (size_t)(before + n + 1) * 8, error);
    for (int64_t i = 0; i < n && status == UCID_OK; i++) {
        ((int64_t *)column->values.bytes)[before + i] = bit_is_set(wholes->validity, i) ? wholes->values[i] : INT64_MIN;
    }
    return status;
}

static ucid_status append_texts(table_column *column, int64_t before, const arrow_texts *texts, int64_t n,
                                const ucid_allocator *allocator, ucid_error *error)
{
    ucid_status status = arrow_scratch_reserve(&column->offsets, allocator, (size_t)(before + n + 1) * 8, error);
    if (status != UCID_OK) return status;
    int64_t *offsets = column->offsets.bytes;
    if (before == 0) offsets[0] = 0;
    int64_t end = offsets[before];
    status = arrow_scratch_reserve(&column->values, allocator,
                                   (size_t)(end + texts->offsets[n] - texts->offsets[0] + 1), error);
    for (int64_t i = 0; i < n && status == UCID_OK; i++) {
        int64_t length = bit_is_set(texts->validity, i) ? texts->offsets[i + 1] - texts->offsets[i] : 0;
        if (length > 0) {
            memcpy((char *)column->values.bytes + end, texts->data + texts->offsets[i], (size_t)length);
        }
        offsets[before + i + 1] = end += length;
    }
    return status;
}

static ucid_status append_batch(table *t, const struct ArrowSchema *schema, const struct ArrowArray *batch,
                                const ucid_allocator *allocator, ucid_error *error)
{
    int64_t first = batch->offset, n = batch->length;
    ucid_status status = UCID_OK;
    for (int c = 0; c < COLUMNS_MAX && t->columns[c].names != NULL && status == UCID_OK; c++) {
        table_column *column = &t->columns[c];
        if (column->at < 0) continue;
        const struct ArrowSchema *type = schema->children[column->at];
        const struct ArrowArray *rows = batch->children[column->at];
        if (column->kind == NUMBERS) {
            arrow_numbers numbers = {0};
            status = arrow_read_numbers(type, rows, first, n, allocator, &numbers, error);
            if (status == UCID_OK) status = append_numbers(column, t->rows, &numbers, n, allocator, error);
            arrow_numbers_reset(&numbers, allocator);
        } else if (column->kind == WHOLES) {
            arrow_wholes wholes = {0};
            status = arrow_read_wholes(type, rows, first, n, allocator, &wholes, error);
            if (status == UCID_OK) status = append_wholes(column, t->rows, &wholes, n, allocator, error);
            arrow_wholes_reset(&wholes, allocator);
        } else {
            arrow_texts texts = {0};
            status = arrow_read_texts(type, rows, first, n, allocator, &texts, error);
            if (status == UCID_OK) status = append_texts(column, t->rows, &texts, n, allocator, error);
            arrow_texts_reset(&texts, allocator);
        }
    }
    t->rows += n;
    return status;
}

static ucid_status read_table(table *t, const ucid_allocator *allocator, ucid_error *error)
{
    struct ArrowSchema schema;
    ucid_error reason = {.status = UCID_OK, .row = -1, .byte = -1};
    ucid_status status = arrow_schema_read(t->in, &schema, &reason);
    if (status == UCID_OK) {
        status = find_columns(t, &schema, &reason);
        while (status == UCID_OK) {
            struct ArrowArray batch;
            status = arrow_pull(t->in, &schema, &batch, &reason);
            if (status != UCID_OK || batch.release == NULL) break;
            status = append_batch(t, &schema, &batch, allocator, &reason);
            batch.release(&batch);
        }
        schema.release(&schema);
    }
    return status == UCID_OK ? status
                             : ucid_fail_at(error, status, reason.row, -1, "%s: %.*s", t->what, 200, reason.message);
}

static void table_reset(table *t, const ucid_allocator *allocator)
{
    for (int c = 0; c < COLUMNS_MAX; c++) {
        arrow_scratch_reset(&t->columns[c].values, allocator);
        arrow_scratch_reset(&t->columns[c].offsets, allocator);
    }
}

/* ---- ids ---- */

typedef struct node_id {
    int64_t id, row;
} node_id;

static int by_id(const void *left, const void *right)
{
    const node_id *a = left, *b = right;
    return a->id != b->id ? (a->id > b->id) - (a->id < b->id) : (a->row > b->row) - (a->row < b->row);
}

/* Ends of edges, named by ids, become rows. */
static ucid_status number_edges(const table *nodes, table *edges, const ucid_allocator *allocator, ucid_error *error)
{
    const int64_t *ids = nodes->columns[NODE_ID].values.bytes;
    size_t count = (size_t)nodes->rows;
    if (nodes->columns[NODE_ID].at < 0) return UCID_OK;
    node_id *sorted = ucid_allocate(allocator, count, sizeof *sorted);
    if (sorted == NULL) return ucid_fail_memory(error, "ids of nodes", count * sizeof *sorted);
    for (size_t i = 0; i < count; i++) sorted[i] = (node_id){ids[i], (int64_t)i};
    qsort(sorted, count, sizeof *sorted, by_id);
    ucid_status status = UCID_OK;
    for (size_t i = 1; i < count && status == UCID_OK; i++) {
        if (sorted[i].id != sorted[i - 1].id) continue;
        status = ucid_fail_at(error, UCID_DATA_ERROR, sorted[i].row, -1, "nodes: rows %lld and %lld have one id, %lld",
                              (long long)sorted[i - 1].row, (long long)sorted[i].row, (long long)sorted[i].id);
    }
    for (int end = EDGE_FROM; end <= EDGE_TO; end++) {
        int64_t *values = edges->columns[end].values.bytes;
        for (int64_t i = 0; i < edges->rows && status == UCID_OK; i++) {
            size_t low = 0, high = count;
            while (low < high) {
                size_t middle = (low + high) / 2;
                if (sorted[middle].id < values[i]) {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            if (low < count && sorted[low].id == values[i]) {
                values[i] = sorted[low].row;
            } else {
                status = ucid_fail_at(error, UCID_DATA_ERROR, i, -1, "edges: row %lld: no node has the id %lld",
                                      (long long)i, (long long)values[i]);
            }
        }
    }
    ucid_release(allocator, sorted, count, sizeof *sorted);
    return status;
}

/* ---- build ---- */

static const void *values_of(const table *t, int column)
{
    return t->columns[column].at >= 0 ? t->columns[column].values.bytes : NULL;
}

/* Whole numbers of a column as bytes, in place; those that are none become 255. */
static const uint8_t *bytes_of(table *t, int column, uint8_t null)
{
    if (t->columns[column].at < 0) return NULL;
    const int64_t *wholes = t->columns[column].values.bytes;
    uint8_t *bytes = t->columns[column].values.bytes;
    for (int64_t i = 0; i < t->rows; i++) {
        int64_t whole = wholes[i];
        bytes[i] = whole == INT64_MIN ? null : whole >= 0 && whole < 255 ? (uint8_t)whole : 255;
    }
    return bytes;
}

/* First letters of a column of texts, 'n' of "node", in place of the offsets: each lies before those that are read
 * later. */
static const char *letters_of(table *t, int column)
{
    if (t->columns[column].at < 0) return NULL;
    const int64_t *offsets = t->columns[column].offsets.bytes;
    const char *texts = t->columns[column].values.bytes;
    char *letters = t->columns[column].offsets.bytes;
    for (int64_t i = 0; i < t->rows; i++) letters[i] = offsets[i] < offsets[i + 1] ? texts[offsets[i]] : '\0';
    return letters;
}

static ucid_texts texts_of(const table *t, int column)
{
    return (ucid_texts){.data = t->columns[column].at >= 0 ? t->columns[column].values.bytes : NULL,
                        .offsets64 = t->columns[column].offsets.bytes};
}

ucid_status ucid_index_build_tables(struct ArrowArrayStream *nodes, struct ArrowArrayStream *edges,
                                    struct ArrowArrayStream *places, int64_t data_time, const char *out_path,
                                    const ucid_build_options *options, ucid_error *error)
{
    ucid_build_options chosen = UCID_BUILD_OPTIONS_INIT;
    if (options != NULL) memcpy(&chosen, options, options->size < sizeof chosen ? options->size : sizeof chosen);
    ucid_allocator allocator = ucid_allocator_or_default(chosen.allocator);
    table tables[] = {
        {"nodes",
         nodes,
         0,
         {{arrow_lat_names, NUMBERS, 1, -1, {0}, {0}},
          {arrow_lon_names, NUMBERS, 1, -1, {0}, {0}},
          {node_ids, WHOLES, 0, -1, {0}, {0}},
          {node_ends, WHOLES, 0, -1, {0}, {0}}}},
        {"edges",
         edges,
         0,
         {{edge_starts, WHOLES, 1, -1, {0}, {0}},
          {edge_goals, WHOLES, 1, -1, {0}, {0}},
          {edge_lengths, NUMBERS, 0, -1, {0}, {0}},
          {edge_ranks, WHOLES, 0, -1, {0}, {0}}}},
        {"places",
         places,
         0,
         {{arrow_lat_names, NUMBERS, 1, -1, {0}, {0}},
          {arrow_lon_names, NUMBERS, 1, -1, {0}, {0}},
          {place_tags, TEXTS, 1, -1, {0}, {0}},
          {place_names, TEXTS, 0, -1, {0}, {0}},
          {place_ids, WHOLES, 0, -1, {0}, {0}},
          {place_types, TEXTS, 0, -1, {0}, {0}}}},
    };
    table *n = &tables[0], *e = &tables[1], *p = &tables[2];
    ucid_status status = read_table(n, &allocator, error);
    if (status == UCID_OK) status = read_table(e, &allocator, error);
    if (status == UCID_OK) status = read_table(p, &allocator, error);
    if (status == UCID_OK) status = number_edges(n, e, &allocator, error);
    if (status == UCID_OK) {
        ucid_network network = UCID_NETWORK_INIT;
        network.node_count = n->rows;
        network.node_lat_deg = values_of(n, NODE_LAT);
        network.node_lon_deg = values_of(n, NODE_LON);
        network.node_end = bytes_of(n, NODE_END, 0);
        network.edge_count = e->rows;
        network.edge_from = values_of(e, EDGE_FROM);
        network.edge_to = values_of(e, EDGE_TO);
        network.edge_m = values_of(e, EDGE_M);
        network.edge_rank = bytes_of(e, EDGE_RANK, 255);
        network.place_count = p->rows;
        network.place_lat_deg = values_of(p, PLACE_LAT);
        network.place_lon_deg = values_of(p, PLACE_LON);
        network.place_tag = texts_of(p, PLACE_TAG);
        network.place_name = texts_of(p, PLACE_NAME);
        network.place_osm_id = values_of(p, PLACE_ID);
        network.place_osm_type = letters_of(p, PLACE_TYPE);
        network.data_time = data_time;
        status = ucid_index_build_network(&network, out_path, options, error);
    }
    for (int i = 0; i < 3; i++) {
        table_reset(&tables[i], &allocator);
        if (status == UCID_OK) tables[i].in->release(tables[i].in);
    }
    return status;
}
