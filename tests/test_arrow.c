/* test_arrow.c: streams in, streams out: grids become identifiers become fields, in batches of any size, with every
 * allocation failing in turn; what was given out is released once, in any order. */
#include "ucid.h"

#include "nanoarrow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* An allocator that counts what it holds, and fails at the n-th call. */
typedef struct counting {
    int64_t held, calls, fail_at;
} counting;

static void *count_allocation(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    counting *self = ctx;
    if (new_size > 0 && ++self->calls == self->fail_at) return NULL;
    void *result = NULL;
    if (new_size == 0) {
        free(ptr);
    } else {
        result = realloc(ptr, new_size);
    }
    self->held += (int64_t)new_size - (int64_t)(ptr != NULL ? old_size : 0);
    return result;
}

static struct ArrowArrayStream grid_stream(int64_t batch_rows, const ucid_allocator *allocator, ucid_status *status)
{
    ucid_grid *grid = NULL;
    struct ArrowArrayStream stream = {0};
    *status = ucid_grid_open_box(41.0, 28.9, 41.1, 29.0, 8, allocator, &grid, NULL);
    if (*status != UCID_OK) return stream;
    *status = ucid_grid_stream(grid, batch_rows, allocator, &stream, NULL);
    if (*status != UCID_OK) ucid_grid_close(grid);
    return stream;
}

static int large_texts, coded_words; /* whether the pipelines below ask for them */

/* All texts but the grid's own, which come first, are as wide as was asked. */
static void check_widths(const struct ArrowSchema *schema)
{
    for (int64_t i = 1; i < schema->n_children; i++) {
        const char *format = schema->children[i]->format;
        assert_null(strchr(large_texts ? "uz" : "UZ", format[0]));
    }
}

/* grid -> create -> parse (its columns replaced) -> canonicalize, all rows' canonical texts joined by newlines. */
static ucid_status run_pipeline(int64_t grid_rows, int64_t batch_rows, const ucid_allocator *allocator, char *text,
                                size_t capacity, int64_t *rows)
{
    ucid_status status;
    struct ArrowArrayStream streams[4] = {{0}};
    ucid_stream_options options = UCID_STREAM_OPTIONS_INIT;
    options.allocator = allocator;
    options.batch_rows = batch_rows;
    options.replace = 1;
    options.large_texts = large_texts;
    options.coded_words = coded_words;
    streams[0] = grid_stream(grid_rows, allocator, &status);
    if (status != UCID_OK) return status;
    ucid_stream_options create = options;
    create.city = "IST";
    create.time = "2026W01T12";
    create.context = "15MIN";
    create.cell_column = "h3";
    status = ucid_create_stream(&streams[0], &create, &streams[1], NULL);
    if (status == UCID_OK) status = ucid_parse_stream(&streams[1], &options, &streams[2], NULL);
    if (status == UCID_OK) status = ucid_canonicalize_stream(&streams[2], &options, &streams[3], NULL);
    *rows = 0;
    size_t length = 0;
    text[0] = '\0';
    struct ArrowSchema schema = {0};
    if (status == UCID_OK && streams[3].get_schema(&streams[3], &schema) != 0) status = UCID_NO_MEMORY;
    if (status == UCID_OK) check_widths(&schema);
    while (status == UCID_OK) {
        struct ArrowArray batch = {0};
        if (streams[3].get_next(&streams[3], &batch) != 0) {
            assert_non_null(streams[3].get_last_error(&streams[3]));
            status = UCID_NO_MEMORY;
            break;
        }
        if (batch.release == NULL) break;
        assert_true(batch.length <= batch_rows);
        struct ArrowArrayView view;
        assert_int_equal(ArrowArrayViewInitFromSchema(&view, &schema, NULL), 0);
        assert_int_equal(ArrowArrayViewSetArray(&view, &batch, NULL), 0);
        assert_int_equal(ArrowArrayViewValidate(&view, NANOARROW_VALIDATION_LEVEL_FULL, NULL), 0);
        int64_t canonical = schema.n_children - 2;
        assert_string_equal(schema.children[canonical]->name, "canonical");
        const struct ArrowArrayView *statuses = view.children[canonical + 1], *words = statuses->dictionary;
        assert_true((words != NULL) == (coded_words != 0));
        for (int64_t row = 0; row < batch.length; row++) {
            int64_t at = words != NULL ? ArrowArrayViewGetIntUnsafe(statuses, row) : row;
            struct ArrowStringView said = ArrowArrayViewGetStringUnsafe(words != NULL ? words : statuses, at);
            assert_true(said.size_bytes == 2 && memcmp(said.data, "ok", 2) == 0);
            struct ArrowStringView value = ArrowArrayViewGetStringUnsafe(view.children[canonical], row);
            assert_true(length + (size_t)value.size_bytes + 2 < capacity);
            memcpy(text + length, value.data, (size_t)value.size_bytes);
            length += (size_t)value.size_bytes;
            text[length++] = '\n';
        }
        text[length] = '\0';
        *rows += batch.length;
        ArrowArrayViewReset(&view);
        /* Children may leave their batch, and live longer. */
        struct ArrowArray kept;
        ArrowArrayMove(batch.children[0], &kept);
        batch.release(&batch);
        kept.release(&kept);
    }
    if (schema.release != NULL) schema.release(&schema);
    for (int i = 3; i >= 0; i--) {
        if (streams[i].release != NULL) streams[i].release(&streams[i]);
    }
    return status;
}

enum { TEXT_MAX = 1 << 16 };

static void batches_of_any_size_give_the_same_rows(void **state)
{
    (void)state;
    static char expected[TEXT_MAX], text[TEXT_MAX];
    int64_t expected_rows, rows;
    assert_int_equal(run_pipeline(1000, 1 << 18, NULL, expected, sizeof expected, &expected_rows), UCID_OK);
    assert_true(expected_rows > 100);
    assert_non_null(strstr(expected, ":8:881ec9"));
    const int64_t sizes[][2] = {{1, 1}, {7, 3}, {1000, 1}, {1000, 13}, {64, 64}, {1000, 8}};
    for (int form = 0; form < 4; form++) {
        large_texts = form & 1, coded_words = form >> 1;
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            assert_int_equal(run_pipeline(sizes[i][0], sizes[i][1], NULL, text, sizeof text, &rows), UCID_OK);
            assert_int_equal(rows, expected_rows);
            assert_string_equal(text, expected);
        }
    }
    large_texts = coded_words = 0;
}

/* Cells of a grid described, their parents, identifiers made of them, packed, unpacked, checked, and their keys a week
 * later and counted back: all rows must be OK, and 168 hours apart. *rows: how many. */
static ucid_status run_rows(int64_t batch_rows, const ucid_allocator *allocator, int64_t *rows)
{
    enum { STREAMS = 10 };
    ucid_status status;
    struct ArrowArrayStream streams[STREAMS] = {{0}};
    ucid_stream_options options = UCID_STREAM_OPTIONS_INIT;
    options.allocator = allocator;
    options.batch_rows = batch_rows;
    options.replace = 1;
    options.large_texts = large_texts;
    options.coded_words = coded_words;
    options.resolution = 8;
    options.city = "IST";
    options.time = "2026W53T12";
    options.context = "15MIN";
    streams[0] = grid_stream(100, allocator, &status);
    if (status == UCID_OK) status = ucid_cell_info_stream(&streams[0], &options, &streams[1], NULL);
    if (status == UCID_OK) status = ucid_cell_stream(&streams[1], &options, &streams[2], NULL);
    if (status == UCID_OK) status = ucid_cell_parent_stream(&streams[2], &options, &streams[3], NULL);
    if (status == UCID_OK) status = ucid_create_stream(&streams[3], &options, &streams[4], NULL);
    if (status == UCID_OK) status = ucid_pack_stream(&streams[4], &options, &streams[5], NULL);
    if (status == UCID_OK) status = ucid_unpack_stream(&streams[5], &options, &streams[6], NULL);
    if (status == UCID_OK) status = ucid_parse_stream(&streams[6], &options, &streams[7], NULL);
    if (status == UCID_OK) status = ucid_time_add_stream(&streams[7], 168, &options, &streams[8], NULL);
    options.time_column = "later";
    if (status == UCID_OK) status = ucid_time_diff_stream(&streams[8], "timestamp", &options, &streams[9], NULL);
    struct ArrowSchema schema = {0};
    if (status == UCID_OK && streams[9].get_schema(&streams[9], &schema) != 0) status = UCID_NO_MEMORY;
    if (status == UCID_OK) check_widths(&schema);
    *rows = 0;
    while (status == UCID_OK) {
        struct ArrowArray batch = {0};
        if (streams[9].get_next(&streams[9], &batch) != 0) {
            assert_non_null(streams[9].get_last_error(&streams[9]));
            status = UCID_NO_MEMORY;
            break;
        }
        if (batch.release == NULL) break;
        struct ArrowArrayView view;
        assert_int_equal(ArrowArrayViewInitFromSchema(&view, &schema, NULL), 0);
        assert_int_equal(ArrowArrayViewSetArray(&view, &batch, NULL), 0);
        assert_int_equal(ArrowArrayViewValidate(&view, NANOARROW_VALIDATION_LEVEL_FULL, NULL), 0);
        assert_string_equal(schema.children[schema.n_children - 2]->name, "hours");
        for (int64_t row = 0; row < batch.length; row++) {
            assert_int_equal(ArrowArrayViewGetIntUnsafe(view.children[schema.n_children - 2], row), 168);
            struct ArrowStringView text = ArrowArrayViewGetStringUnsafe(view.children[schema.n_children - 1], row);
            assert_true(text.size_bytes == 2 && memcmp(text.data, "ok", 2) == 0);
        }
        *rows += batch.length;
        ArrowArrayViewReset(&view);
        batch.release(&batch);
    }
    if (schema.release != NULL) schema.release(&schema);
    for (int i = STREAMS - 1; i >= 0; i--) {
        if (streams[i].release != NULL) streams[i].release(&streams[i]);
    }
    return status;
}

static void rows_come_through_every_door(void **state)
{
    (void)state;
    int64_t expected, rows;
    assert_int_equal(run_rows(1 << 18, NULL, &expected), UCID_OK);
    assert_true(expected > 100);
    for (large_texts = 1; large_texts >= 0; large_texts--) {
        assert_int_equal(run_rows(7, NULL, &rows), UCID_OK);
        assert_int_equal(rows, expected);
    }
    large_texts = 0;
    ucid_status status = UCID_NO_MEMORY;
    for (int64_t n = 1; status != UCID_OK; n++) {
        counting counts = {0, 0, n};
        ucid_allocator allocator = {count_allocation, &counts};
        status = run_rows(50, &allocator, &rows);
        assert_true(status == UCID_OK || status == UCID_NO_MEMORY);
        assert_int_equal(counts.held, 0);
    }
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    static char text[TEXT_MAX];
    int64_t rows;
    ucid_status status;
    for (coded_words = 1; coded_words >= 0; coded_words--) {
        int64_t tries = 0;
        status = UCID_NO_MEMORY;
        for (int64_t n = 1; status != UCID_OK; n++) {
            counting counts = {0, 0, n};
            ucid_allocator allocator = {count_allocation, &counts};
            status = run_pipeline(50, 20, &allocator, text, sizeof text, &rows);
            assert_true(status == UCID_OK || status == UCID_NO_MEMORY);
            assert_int_equal(counts.held, 0);
            tries = n;
        }
        assert_true(tries > 40);
    }
    coded_words = 0;
}

/* The latitudes of a grid as scores, rolled up by one way of several. The key and the bits of weight, mean and spread
 * of each group of resolution 5 go into text. */
enum { AT_ONCE, BY_STATES, LISTED, LISTED_BY_STATES, BY_BYTES, LISTED_BY_BYTES, WAYS };
static const char *const ways[WAYS][3] = {
    {"r5"},
    {"r7", "r6", "r5"},
    {"r6,r5,r7"},
    {"r7,r5,", "r7,r5,", "r7,r5,"},
    {"r7", "r6", "r5"},
    {"r7,r5,", "r7,r5,", "r7,r5,"},
};

static ucid_status roll_up(int way, int64_t grid_rows, const ucid_allocator *allocator, char *text, size_t capacity)
{
    ucid_status status;
    struct ArrowArrayStream streams[4] = {{0}};
    ucid_aggregate_stream_options options = UCID_AGGREGATE_STREAM_OPTIONS_INIT;
    options.allocator = allocator;
    options.score_column = "lat";
    options.cell_column = "h3";
    streams[0] = grid_stream(grid_rows, allocator, &status);
    int last = 0, listed = way == LISTED || way == LISTED_BY_STATES || way == LISTED_BY_BYTES;
    int states = way >= BY_BYTES ? UCID_STATES_BYTES : UCID_STATES;
    for (; last < 3 && ways[way][last] != NULL && status == UCID_OK; last++) {
        options.to = ways[way][last];
        options.states = last < 2 && ways[way][last + 1] != NULL ? states : UCID_RESULTS;
        status = ucid_aggregate_stream(&streams[last], &options, &streams[last + 1], NULL);
        options.score_column = NULL;
    }
    struct ArrowSchema schema = {0};
    struct ArrowArray batch = {0};
    text[0] = '\0';
    if (status == UCID_OK && (streams[last].get_schema(&streams[last], &schema) != 0 ||
                              streams[last].get_next(&streams[last], &batch) != 0)) {
        assert_non_null(streams[last].get_last_error(&streams[last]));
        status = UCID_NO_MEMORY;
    }
    if (status == UCID_OK) {
        struct ArrowArrayView view;
        size_t length = 0;
        assert_int_equal(ArrowArrayViewInitFromSchema(&view, &schema, NULL), 0);
        assert_int_equal(ArrowArrayViewSetArray(&view, &batch, NULL), 0);
        assert_int_equal(ArrowArrayViewValidate(&view, NANOARROW_VALIDATION_LEVEL_FULL, NULL), 0);
        for (int64_t row = 0; row < batch.length; row++) {
            struct ArrowStringView level = ArrowArrayViewGetStringUnsafe(view.children[0], row);
            if (listed && memcmp(level.data, "r5", 2) != 0) continue;
            struct ArrowStringView cell = ArrowArrayViewGetStringUnsafe(view.children[listed], row);
            length += (size_t)snprintf(text + length, capacity - length, "%.*s", (int)cell.size_bytes, cell.data);
            const int columns[] = {1, 3, 4, 7};
            for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
                double value = ArrowArrayViewGetDoubleUnsafe(view.children[columns[i] + listed], row);
                length += (size_t)snprintf(text + length, capacity - length, " %a", value);
            }
            length += (size_t)snprintf(text + length, capacity - length, "\n");
        }
        ArrowArrayViewReset(&view);
    }
    if (batch.release != NULL) batch.release(&batch);
    if (schema.release != NULL) schema.release(&schema);
    for (int i = 3; i >= 0; i--) {
        if (streams[i].release != NULL) streams[i].release(&streams[i]);
    }
    return status;
}

static void roll_ups_by_states_are_those_of_the_rows(void **state)
{
    (void)state;
    static char expected[TEXT_MAX], text[TEXT_MAX];
    assert_int_equal(roll_up(0, 1000, NULL, expected, sizeof expected), UCID_OK);
    assert_non_null(strstr(expected, "851ec903fffffff "));
    for (int way = 1; way < WAYS; way++) {
        assert_int_equal(roll_up(way, 1000, NULL, text, sizeof text), UCID_OK);
        assert_string_equal(text, expected);
        assert_int_equal(roll_up(way, 7, NULL, text, sizeof text), UCID_OK);
        assert_string_equal(text, expected);
        ucid_status status = UCID_NO_MEMORY;
        for (int64_t n = 1; status != UCID_OK; n++) {
            counting counts = {0, 0, n};
            ucid_allocator allocator = {count_allocation, &counts};
            status = roll_up(way, 1000, &allocator, text, sizeof text);
            assert_true(status == UCID_OK || status == UCID_NO_MEMORY);
            assert_int_equal(counts.held, 0);
            assert_true(n < 1000);
        }
        assert_string_equal(text, expected);
    }
}

/* One column of doubles called x, and a name of the caller's choice. */
static struct ArrowArrayStream one_column(const char *name, const char *format)
{
    struct ArrowSchema schema;
    struct ArrowArray array;
    struct ArrowArrayStream stream;
    ArrowSchemaInit(&schema);
    assert_int_equal(ArrowSchemaSetTypeStruct(&schema, 1), 0);
    assert_int_equal(ArrowSchemaSetFormat(schema.children[0], format), 0);
    assert_int_equal(ArrowSchemaSetName(schema.children[0], name), 0);
    assert_int_equal(ArrowArrayInitFromSchema(&array, &schema, NULL), 0);
    assert_int_equal(ArrowArrayStartAppending(&array), 0);
    assert_int_equal(ArrowArrayFinishBuildingDefault(&array, NULL), 0);
    assert_int_equal(ArrowBasicArrayStreamInit(&stream, &schema, 1), 0);
    ArrowBasicArrayStreamSetArray(&stream, 0, &array);
    return stream;
}

static void refusals_leave_the_input_alone(void **state)
{
    (void)state;
    const struct {
        const char *name, *format, *message;
    } cases[] = {{"altitude", "g", "no column for places (lat and lon, or h3); there are altitude"},
                 {"lat", "g", "no column for the longitude; there are lat"},
                 {"h3", "g", "column 'h3' is double, not H3 cells (texts or 64-bit integers)"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ArrowArrayStream in = one_column(cases[i].name, cases[i].format), out = {0};
        ucid_stream_options options = UCID_STREAM_OPTIONS_INIT;
        ucid_error error;
        options.city = "IST";
        options.time = "2026W01T12";
        options.context = "15MIN";
        assert_int_equal(ucid_create_stream(&in, &options, &out, &error), UCID_DATA_ERROR);
        assert_string_equal(error.message, cases[i].message);
        assert_non_null(in.release);
        assert_null(out.release);
        in.release(&in);
    }
    const struct {
        const char *name, *format, *to, *message;
        ucid_status status;
    } groups[] = {
        {"score", "g", "r16", "groups are r0..r15, city, region or country, not 'r16'", UCID_INVALID_ARGUMENT},
        {"score", "g", NULL, "groups are r0..r15, city, region or country, not ''", UCID_INVALID_ARGUMENT},
        {"score", "g", "r7,r16", "groups are r0..r15, city, region or country, not 'r16'", UCID_INVALID_ARGUMENT},
        {"score", "g", "r7,,", "groups are r0..r15, city, region or country, not ''", UCID_INVALID_ARGUMENT},
        {"score", "u", "r7", "column 'score' is string, not numbers", UCID_DATA_ERROR},
        {"h3", "u", "r7", "no column 'score'; there are h3", UCID_DATA_ERROR},
        {"score", "g", "r7", "no column for places (h3, ucid, or lat and lon); there are score", UCID_DATA_ERROR},
        {"score", "g", "city", "no column for cities (city, or ucid); there are score", UCID_DATA_ERROR}};
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        struct ArrowArrayStream in = one_column(groups[i].name, groups[i].format), out = {0};
        ucid_aggregate_stream_options options = UCID_AGGREGATE_STREAM_OPTIONS_INIT;
        ucid_error error;
        options.to = groups[i].to;
        assert_int_equal(ucid_aggregate_stream(&in, &options, &out, &error), groups[i].status);
        assert_string_equal(error.message, groups[i].message);
        assert_non_null(in.release);
        in.release(&in);
    }
    struct ArrowArrayStream in = one_column("ucid", "u"), out = {0};
    ucid_stream_options options = UCID_STREAM_OPTIONS_INIT;
    ucid_error error;
    options.batch_rows = 0;
    assert_int_equal(ucid_parse_stream(&in, &options, &out, &error), UCID_INVALID_ARGUMENT);
    options.batch_rows = 10;
    assert_int_equal(ucid_parse_stream(&in, &options, &out, &error), UCID_OK);
    struct ArrowArray batch;
    assert_int_equal(out.get_next(&out, &batch), 0);
    assert_int_equal(batch.length, 0);
    batch.release(&batch);
    assert_int_equal(out.get_next(&out, &batch), 0);
    assert_null(batch.release);
    out.release(&out);
}

/* ---- tables of a network ---- */

/* A stream of one table: columns of numbers are 'g' or 'l', of texts 'u'. */
typedef struct given_column {
    const char *name;
    char format;
    double numbers[4];
    const char *texts[4];
} given_column;

static void table_stream(struct ArrowArrayStream *stream, const given_column *columns, int64_t count, int64_t rows)
{
    struct ArrowSchema schema;
    struct ArrowArray array;
    ArrowSchemaInit(&schema);
    assert_int_equal(ArrowSchemaSetTypeStruct(&schema, count), 0);
    for (int64_t c = 0; c < count; c++) {
        enum ArrowType type = columns[c].format == 'g'   ? NANOARROW_TYPE_DOUBLE
                              : columns[c].format == 'l' ? NANOARROW_TYPE_INT64
                                                         : NANOARROW_TYPE_STRING;
        assert_int_equal(ArrowSchemaSetType(schema.children[c], type), 0);
        assert_int_equal(ArrowSchemaSetName(schema.children[c], columns[c].name), 0);
    }
    assert_int_equal(ArrowArrayInitFromSchema(&array, &schema, NULL), 0);
    assert_int_equal(ArrowArrayStartAppending(&array), 0);
    for (int64_t row = 0; row < rows; row++) {
        for (int64_t c = 0; c < count; c++) {
            struct ArrowArray *to = array.children[c];
            int code = columns[c].format == 'g'   ? ArrowArrayAppendDouble(to, columns[c].numbers[row])
                       : columns[c].format == 'l' ? ArrowArrayAppendInt(to, (int64_t)columns[c].numbers[row])
                                                  : ArrowArrayAppendString(to, ArrowCharView(columns[c].texts[row]));
            assert_int_equal(code, 0);
        }
        assert_int_equal(ArrowArrayFinishElement(&array), 0);
    }
    assert_int_equal(ArrowArrayFinishBuildingDefault(&array, NULL), 0);
    assert_int_equal(ArrowBasicArrayStreamInit(stream, &schema, 1), 0);
    ArrowBasicArrayStreamSetArray(stream, 0, &array);
}

static void tables_of_a_network_run_out_of_memory(void **state)
{
    (void)state;
    static const given_column nodes[] = {{"lat", 'g', {28.0, 28.001, 28.0}, {0}},
                                         {"lon", 'g', {-15.0, -15.0, -14.999}, {0}},
                                         {"id", 'l', {30, 20, 10}, {0}},
                                         {"end", 'l', {0, 1, 0}, {0}}};
    static const given_column edges[] = {{"from", 'l', {30, 10}, {0}},
                                         {"to", 'l', {20, 30}, {0}},
                                         {"metres", 'g', {120, 130}, {0}},
                                         {"rank", 'l', {1, 4}, {0}}};
    static const given_column places[] = {{"lat", 'g', {28.001, 28.0}, {0}},
                                          {"lon", 'g', {-15.0, -14.999}, {0}},
                                          {"tag", 'u', {0}, {"shop=bakery", "leisure=park"}},
                                          {"name", 'u', {0}, {"Crust", ""}},
                                          {"osm_id", 'l', {7, 8}, {0}},
                                          {"osm_type", 'u', {0}, {"way", "relation"}}};
    char path[] = "/tmp/ucid-tables-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    ucid_status status = UCID_NO_MEMORY;
    int64_t n = 1;
    for (; status != UCID_OK; n++) {
        counting count = {.fail_at = n};
        const ucid_allocator allocator = {count_allocation, &count};
        ucid_build_options options = UCID_BUILD_OPTIONS_INIT;
        options.allocator = &allocator;
        struct ArrowArrayStream streams[3];
        table_stream(&streams[0], nodes, 4, 3);
        table_stream(&streams[1], edges, 4, 2);
        table_stream(&streams[2], places, 6, 2);
        ucid_error error = {.status = UCID_OK};
        status = ucid_index_build_tables(&streams[0], &streams[1], &streams[2], 0, path, &options, &error);
        assert_int_equal(count.held, 0);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(streams[i].release == NULL, status == UCID_OK);
            if (streams[i].release != NULL) streams[i].release(&streams[i]);
        }
        if (status != UCID_OK && status != UCID_NO_MEMORY) fail_msg("%s", error.message);
    }
    assert_true(n > 20);
    ucid_index *index;
    ucid_explanation *explanation;
    ucid_error error;
    assert_int_equal(ucid_index_open(path, NULL, &index, &error), UCID_OK);
    assert_int_equal(ucid_explain(index, 28.0, -14.999, NULL, &explanation, &error), UCID_OK);
    const ucid_reason *reasons;
    assert_int_equal(ucid_explanation_reasons_get(explanation, &reasons), 2);
    assert_string_equal(reasons[0].name, "Crust");
    assert_true(reasons[0].osm_type == 'w' && reasons[0].osm_id == 7 && reasons[0].distance_m == 250.0);
    assert_true(reasons[1].osm_type == 'r' && reasons[1].osm_id == 8 && reasons[1].distance_m == 0.0);
    ucid_explanation_free(explanation);
    ucid_index_close(index);
    close(file);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_of_any_size_give_the_same_rows),
        cmocka_unit_test(rows_come_through_every_door),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(roll_ups_by_states_are_those_of_the_rows),
        cmocka_unit_test(refusals_leave_the_input_alone),
        cmocka_unit_test(tables_of_a_network_run_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
