/* cmd_aggregate.c: `ucid aggregate IN -o OUT --to r7`: scored rows rolled up to coarser cells, cities, regions or
 * countries. One pass; memory holds the groups, not the rows. */
#include "commands.h"
#include "table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cli_tables tables;
static struct {
    char *to, *weight, *score, *cell, *city;
} given;

static const struct poptOption options[] = {
    {"to", '\0', POPT_ARG_STRING, &given.to, 0, "groups; r7 is cells of resolution 7", "r0..r15|city|region|country"},
    {"weight", '\0', POPT_ARG_STRING, &given.weight, 0, "column of weights, say of population; else each row weighs 1",
     "NAME"},
    {"score", '\0', POPT_ARG_STRING, &given.score, 0, "column of scores; score", "NAME"},
    {"h3", '\0', POPT_ARG_STRING, &given.cell, 0,
     "column of cells; h3, h3_index, h3_cell, cell, else of ucid, lat and lon", "NAME"},
    {"city-column", '\0', POPT_ARG_STRING, &given.city, 0, "column of city codes; city, city_code, else of ucid",
     "NAME"},
    CLI_TABLE_OPTIONS(tables),
    CLI_COMMON,
    POPT_TABLEEND};
static const cli_positional positionals[] = {
    {"IN", "table of scores: a file, a folder of files, - for standard input", CLI_ONE},
    {NULL, NULL, CLI_ONE},
};

enum { TO_CITY = -1, TO_REGION = -2, TO_COUNTRY = -3, KEY_MAX = UCID_AGGREGATE_TEXT_MAX };

static const char *const cell_names[] = {"h3", "h3_index", "h3_cell", "cell", NULL};
static const char *const city_names[] = {"city", "city_code", NULL};
static const char *const ucid_names[] = {"ucid", "ucid_string", NULL};
static const char *const lat_names[] = {"lat", "latitude", "y", NULL};
static const char *const lon_names[] = {"lon", "lng", "longitude", "long", "x", NULL};

/* ------------------------------------------------------------------------------------------------------- Reading -- */

typedef struct columns {
    int64_t cell, city, ucid, lat, lon, score, confidence, weight; /* positions, -1: none */
} columns;

static int64_t find(const struct ArrowSchema *schema, const char *name, const char *const *usual)
{
    if (name != NULL) return cli_column_find(schema, name);
    for (; usual != NULL && *usual != NULL; usual++) {
        int64_t found = cli_column_find(schema, *usual);
        if (found >= 0) return found;
    }
    return -1;
}

static int is_valid(const struct ArrowArray *column, int64_t row)
{
    const uint8_t *bits = column->buffers[0];
    int64_t at = row + column->offset;
    return bits == NULL || (bits[at >> 3] >> (at & 7) & 1) != 0;
}

/* Numbers of a plain column; null is NaN. */
static void read_numbers(const struct ArrowSchema *schema, const struct ArrowArray *column, double *out)
{
    for (int64_t i = 0; i < column->length; i++) {
        int64_t at = i + column->offset;
        const void *values = column->buffers[1];
        out[i] = !is_valid(column, i)       ? (double)NAN
                 : schema->format[0] == 'g' ? ((const double *)values)[at]
                 : schema->format[0] == 'l' ? (double)((const int64_t *)values)[at]
                                            : (double)((const uint64_t *)values)[at];
    }
}

static ucid_text read_text(const struct ArrowArray *column, int64_t row)
{
    if (!is_valid(column, row)) return (ucid_text){NULL, 0};
    const int32_t *ends = (const int32_t *)column->buffers[1] + column->offset + row;
    return (ucid_text){(const char *)column->buffers[2] + ends[0], (size_t)(ends[1] - ends[0])};
}

static uint64_t read_cell(const struct ArrowSchema *schema, const struct ArrowArray *column, int64_t row)
{
    if (!is_valid(column, row)) return 0;
    if (schema->format[0] != 'u') return ((const uint64_t *)column->buffers[1])[row + column->offset];
    ucid_text text = read_text(column, row);
    return ucid_cell_parse(text.data, text.length);
}

/* Text key of a city code: the code itself, "US-CA" or "US"; empty where the registry does not know. */
static size_t key_of(ucid_text code, int to, char key[KEY_MAX])
{
    ucid_city city;
    if (to == TO_CITY) {
        size_t length = code.length > 3 ? 0 : code.length;
        if (length > 0) memcpy(key, code.data, length);
        return length;
    }
    if (code.length == 0 || ucid_city_get(NULL, code, &city, NULL) != UCID_OK) return 0;
    if (to == TO_REGION && city.region[0] == '\0') return 0;
    char text[64];
    int length = snprintf(text, sizeof text, to == TO_REGION ? "%s-%s" : "%s", city.country, city.region);
    if (length <= 0 || length > KEY_MAX) return 0;
    memcpy(key, text, (size_t)length);
    return (size_t)length;
}

typedef struct buffers {
    int64_t capacity;
    double *score, *confidence, *weight, *lat, *lon;
    uint64_t *cell;
    char *text;
    int32_t *offsets;
} buffers;

static void release_buffers(buffers *b)
{
    free(b->score);
    free(b->confidence);
    free(b->weight);
    free(b->lat);
    free(b->lon);
    free(b->cell);
    free(b->text);
    free(b->offsets);
    *b = (buffers){0};
}

static int reserve(buffers *b, int64_t rows)
{
    if (rows <= b->capacity) return 1;
    release_buffers(b);
    size_t n = (size_t)rows;
    b->score = malloc(n * sizeof *b->score);
    b->confidence = malloc(n * sizeof *b->confidence);
    b->weight = malloc(n * sizeof *b->weight);
    b->lat = malloc(n * sizeof *b->lat);
    b->lon = malloc(n * sizeof *b->lon);
    b->cell = malloc(n * sizeof *b->cell);
    b->text = malloc(n * KEY_MAX);
    b->offsets = malloc((n + 1) * sizeof *b->offsets);
    if (b->score == NULL || b->confidence == NULL || b->weight == NULL || b->lat == NULL || b->lon == NULL ||
        b->cell == NULL || b->text == NULL || b->offsets == NULL) {
        release_buffers(b);
        return 0;
    }
    b->capacity = rows;
    return 1;
}

static ucid_status add_batch(ucid_aggregate *aggregate, int to, const struct ArrowSchema *schema, const columns *at,
                             const struct ArrowArray *batch, buffers *b, ucid_error *error)
{
    int64_t n = batch->length;
    ucid_aggregate_rows rows = UCID_AGGREGATE_ROWS_INIT;
    read_numbers(schema->children[at->score], batch->children[at->score], b->score);
    rows.score = b->score;
    if (at->confidence >= 0) {
        read_numbers(schema->children[at->confidence], batch->children[at->confidence], b->confidence);
        rows.confidence = b->confidence;
    }
    if (at->weight >= 0) {
        read_numbers(schema->children[at->weight], batch->children[at->weight], b->weight);
        rows.weight = b->weight;
    }
    if (to >= 0) {
        if (at->cell >= 0) {
            for (int64_t i = 0; i < n; i++)
                b->cell[i] = read_cell(schema->children[at->cell], batch->children[at->cell], i);
        } else if (at->ucid >= 0) {
            for (int64_t i = 0; i < n; i++) {
                ucid_fields fields;
                ucid_text text = read_text(batch->children[at->ucid], i);
                b->cell[i] = ucid_parse(text, UCID_LENIENT, NULL, &fields, NULL) == UCID_OK ? fields.cell : 0;
            }
        } else {
            read_numbers(schema->children[at->lat], batch->children[at->lat], b->lat);
            read_numbers(schema->children[at->lon], batch->children[at->lon], b->lon);
            ucid_status status = ucid_cells_at(n, b->lat, b->lon, NULL, to, b->cell, NULL, error);
            if (status != UCID_OK) return status;
        }
        return ucid_aggregate_add_cells(aggregate, n, b->cell, &rows, error);
    }
    int32_t end = 0;
    b->offsets[0] = 0;
    for (int64_t i = 0; i < n; i++) {
        ucid_fields fields;
        ucid_text code = {NULL, 0};
        if (at->city >= 0) {
            code = read_text(batch->children[at->city], i);
        } else if (ucid_parse(read_text(batch->children[at->ucid], i), UCID_LENIENT, NULL, &fields, NULL) == UCID_OK) {
            code = (ucid_text){fields.city, 3};
        }
        end += (int32_t)key_of(code, to, b->text + end);
        b->offsets[i + 1] = end;
    }
    return ucid_aggregate_add_keys(aggregate, n, b->text, b->offsets, &rows, error);
}

/* ------------------------------------------------------------------------------------------------------- Writing -- */

enum { OUT_MAX = 16 };

typedef struct result {
    int64_t rows;
    int count, given;
    struct {
        const char *name, *format;
        void *values;  /* owned */
        int32_t *ends; /* of texts, owned */
        uint8_t *bits; /* owned, or NULL */
        int64_t nulls;
    } column[OUT_MAX];
} result;

static void free_result(result *self)
{
    for (int i = 0; i < self->count; i++) {
        free(self->column[i].values);
        free(self->column[i].ends);
        free(self->column[i].bits);
    }
    self->count = 0;
}

/* A column of eight-byte values; NULL when memory is out. */
static void *add_column(result *self, const char *name, const char *format)
{
    void *values = calloc((size_t)self->rows + 1, 8);
    if (values == NULL) return NULL;
    self->column[self->count].name = name;
    self->column[self->count].format = format;
    self->column[self->count++].values = values;
    return values;
}

static int add_texts(result *self, const char *name, int most)
{
    char *bytes = add_column(self, name, "u");
    if (bytes == NULL) return 0;
    free(bytes);
    self->column[self->count - 1].values = calloc((size_t)self->rows + 1, (size_t)most);
    self->column[self->count - 1].ends = calloc((size_t)self->rows + 1, sizeof(int32_t));
    return self->column[self->count - 1].values != NULL && self->column[self->count - 1].ends != NULL;
}

static int set_null(result *self, int column, int64_t row)
{
    if (self->column[column].bits == NULL) {
        size_t bytes = (size_t)self->rows / 8 + 1;
        self->column[column].bits = malloc(bytes);
        if (self->column[column].bits == NULL) return 0;
        memset(self->column[column].bits, 0xFF, bytes);
    }
    self->column[column].bits[row >> 3] &= (uint8_t) ~(1u << (row & 7));
    self->column[column].nulls++;
    return 1;
}

static void append_text(result *self, int column, int64_t row, const char *text, size_t length)
{
    int32_t *ends = self->column[column].ends;
    if (length > 0) memcpy((char *)self->column[column].values + ends[row], text, length);
    ends[row + 1] = ends[row] + (int32_t)length;
}

/* NaN becomes null. */
static int null_nans(result *self)
{
    for (int c = 0; c < self->count; c++) {
        if (strcmp(self->column[c].format, "g") != 0) continue;
        const double *values = self->column[c].values;
        for (int64_t i = 0; i < self->rows; i++) {
            if (isnan(values[i]) && !set_null(self, c, i)) return 0;
        }
    }
    return 1;
}

static int make_result(const ucid_aggregate *aggregate, int to, const char *key, int64_t groups, result *self)
{
    static const char *const grade_names[6] = {"grade_f", "grade_d", "grade_c", "grade_b", "grade_a", "grade_a_plus"};
    self->rows = groups;
    ucid_aggregates out = {0};
    uint64_t *cells = malloc(((size_t)groups + 1) * sizeof *cells);
    char(*text)[KEY_MAX] = malloc(((size_t)groups + 1) * sizeof *text);
    uint8_t *grades = malloc((size_t)groups + 1);
    int good = cells != NULL && text != NULL && grades != NULL && add_texts(self, key, KEY_MAX);
    good = good && (out.rows = add_column(self, "rows", "l")) != NULL;
    good = good && (out.nulls = add_column(self, "nulls", "l")) != NULL;
    good = good && (out.weight = add_column(self, "weight", "g")) != NULL;
    good = good && (out.mean = add_column(self, "score", "g")) != NULL;
    int grade = self->count;
    good = good && add_texts(self, "grade", 2);
    good = good && (out.confidence = add_column(self, "confidence", "g")) != NULL;
    good = good && (out.std = add_column(self, "std", "g")) != NULL;
    good = good && (out.min = add_column(self, "min", "g")) != NULL;
    good = good && (out.max = add_column(self, "max", "g")) != NULL;
    for (int g = 0; g < 6; g++) good = good && (out.grade_rows[g] = add_column(self, grade_names[g], "l")) != NULL;
    if (good) {
        out.grade = grades;
        out.cell = to >= 0 ? cells : NULL;
        out.text = to >= 0 ? NULL : text;
        ucid_aggregate_finish(aggregate, &out);
        for (int64_t i = 0; i < groups && good; i++) {
            char cell[16] = "";
            size_t length = 0;
            if (to >= 0 && cells[i] != 0) {
                ucid_cell_format(cells[i], cell);
                length = 15;
            } else if (to < 0) {
                while (length < KEY_MAX && text[i][length] != '\0') length++;
            }
            append_text(self, 0, i, to >= 0 ? cell : text[i], length);
            if (length == 0) good = set_null(self, 0, i);
            int none = isnan(out.mean[i]);
            const char *letter = none ? "" : ucid_grade_text(grades[i]);
            append_text(self, grade, i, letter, strlen(letter));
            if (none) good = good && set_null(self, grade, i);
        }
        good = good && null_nans(self);
    }
    free(cells);
    free(text);
    free(grades);
    return good;
}

/* The result as a stream of one batch. Everything in it is borrowed from the result, which outlives the stream. */

static void release_schema(struct ArrowSchema *schema)
{
    for (int64_t i = 0; i < schema->n_children; i++) free(schema->children[i]);
    free(schema->children);
    schema->release = NULL;
}

static void release_borrowed_schema(struct ArrowSchema *schema) { schema->release = NULL; }

static int get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    const result *self = stream->private_data;
    struct ArrowSchema **children = calloc(OUT_MAX, sizeof *children);
    if (children == NULL) return 12;
    *out = (struct ArrowSchema){.format = "+s", .name = "", .children = children, .release = release_schema};
    for (int i = 0; i < self->count; i++) {
        children[i] = malloc(sizeof **children);
        if (children[i] == NULL) {
            release_schema(out);
            return 12;
        }
        *children[i] = (struct ArrowSchema){.format = self->column[i].format,
                                            .name = self->column[i].name,
                                            .flags = ARROW_FLAG_NULLABLE,
                                            .release = release_borrowed_schema};
        out->n_children = i + 1;
    }
    return 0;
}

static void release_array(struct ArrowArray *array)
{
    for (int64_t i = 0; i < array->n_children; i++) {
        if (array->children[i]->release != NULL) array->children[i]->release(array->children[i]);
        free(array->children[i]);
    }
    free(array->children);
    free(array->buffers);
    array->release = NULL;
}

static int get_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    result *self = stream->private_data;
    *out = (struct ArrowArray){.release = NULL};
    if (self->given || self->rows == 0) return 0;
    self->given = 1;
    struct ArrowArray batch = {.length = self->rows, .n_buffers = 1, .release = release_array};
    batch.buffers = calloc(1, sizeof *batch.buffers);
    batch.children = calloc(OUT_MAX, sizeof *batch.children);
    int good = batch.buffers != NULL && batch.children != NULL;
    for (int i = 0; i < self->count && good; i++) {
        struct ArrowArray *child = malloc(sizeof *child);
        const void **child_buffers = calloc(3, sizeof *child_buffers);
        good = child != NULL && child_buffers != NULL;
        if (!good) {
            free(child);
            free(child_buffers);
            break;
        }
        child_buffers[0] = self->column[i].bits;
        child_buffers[1] = self->column[i].ends != NULL ? (const void *)self->column[i].ends : self->column[i].values;
        child_buffers[2] = self->column[i].values;
        *child = (struct ArrowArray){.length = self->rows,
                                     .null_count = self->column[i].nulls,
                                     .n_buffers = self->column[i].ends != NULL ? 3 : 2,
                                     .buffers = child_buffers,
                                     .release = release_array};
        batch.children[i] = child;
        batch.n_children = i + 1;
    }
    if (!good) {
        release_array(&batch);
        return 12;
    }
    *out = batch;
    return 0;
}

static const char *get_last_error(struct ArrowArrayStream *stream)
{
    (void)stream;
    return "no memory for the groups";
}

static void release_stream(struct ArrowArrayStream *stream) { stream->release = NULL; }

/* ----------------------------------------------------------------------------------------------------------- Run -- */

static int parse_to(int *to)
{
    char *end;
    if (given.to == NULL) {
        cli_usage("--to r7, city, region or country is missing");
        return 0;
    }
    *to = strcmp(given.to, "city") == 0      ? TO_CITY
          : strcmp(given.to, "region") == 0  ? TO_REGION
          : strcmp(given.to, "country") == 0 ? TO_COUNTRY
                                             : -4;
    if (*to > -4) return 1;
    long resolution = given.to[0] == 'r' ? strtol(given.to + 1, &end, 10) : -1;
    if (resolution < 0 || resolution > 15 || end == given.to + 1 || *end != '\0') {
        cli_usage("--to: '%s' is not r0..r15, city, region or country", given.to);
        return 0;
    }
    *to = (int)resolution;
    return 1;
}

/* Positions of what is needed; 0 after a message. */
static int find_columns(const struct ArrowSchema *schema, int to, columns *at)
{
    *at =
        (columns){find(schema, given.cell, cell_names), find(schema, given.city, city_names),
                  find(schema, NULL, ucid_names),       find(schema, NULL, lat_names),
                  find(schema, NULL, lon_names),        find(schema, given.score != NULL ? given.score : "score", NULL),
                  find(schema, "confidence", NULL),     given.weight != NULL ? find(schema, given.weight, NULL) : -1};
    char list[160] = "";
    size_t length = 0;
    for (int64_t i = 0; i < schema->n_children && length < sizeof list; i++) {
        length +=
            (size_t)snprintf(list + length, sizeof list - length, "%s%s", i > 0 ? ", " : "", schema->children[i]->name);
    }
    const char *missing = at->score < 0                            ? (given.score != NULL ? given.score : "score")
                          : given.weight != NULL && at->weight < 0 ? given.weight
                          : given.cell != NULL && at->cell < 0     ? given.cell
                          : given.city != NULL && at->city < 0     ? given.city
                          : to >= 0 && at->cell < 0 && at->ucid < 0 && (at->lat < 0 || at->lon < 0) ? "h3"
                          : to < 0 && at->city < 0 && at->ucid < 0                                  ? "city"
                                                                                                    : NULL;
    if (missing != NULL) {
        cli_failf(UCID_DATA_ERROR, "no column '%s'; there are %s", missing, list);
        return 0;
    }
    const int64_t numbers[] = {at->score, at->confidence, at->weight}, texts[] = {at->city, at->ucid};
    for (size_t i = 0; i < 3; i++) {
        if (numbers[i] < 0 || strchr("glL", schema->children[numbers[i]]->format[0]) != NULL) continue;
        cli_failf(UCID_DATA_ERROR, "column '%s' does not hold numbers", schema->children[numbers[i]]->name);
        return 0;
    }
    for (size_t i = 0; i < 2; i++) {
        if (texts[i] < 0 || strcmp(schema->children[texts[i]]->format, "u") == 0) continue;
        cli_failf(UCID_DATA_ERROR, "column '%s' does not hold texts", schema->children[texts[i]]->name);
        return 0;
    }
    if (at->cell >= 0 && strchr("ulL", schema->children[at->cell]->format[0]) == NULL) {
        cli_failf(UCID_DATA_ERROR, "column '%s' does not hold cells", schema->children[at->cell]->name);
        return 0;
    }
    return 1;
}

static int read_all(struct ArrowArrayStream *stream, const struct ArrowSchema *schema, int to, const columns *at,
                    ucid_aggregate *aggregate)
{
    buffers b = {0};
    int code = CLI_DONE;
    int64_t rows = 0;
    while (code == CLI_DONE) {
        ucid_error error;
        struct ArrowArray batch;
        if (cli_interrupted()) {
            code = cli_failf(UCID_CANCELLED, "interrupted");
            break;
        }
        int failed = stream->get_next(stream, &batch);
        if (failed != 0) {
            code = cli_stream_failed(failed, stream);
            break;
        }
        if (batch.release == NULL) break;
        if (!reserve(&b, batch.length)) {
            code = cli_failf(UCID_NO_MEMORY, "no memory for %lld rows", (long long)batch.length);
        } else if (add_batch(aggregate, to, schema, at, &batch, &b, &error) != UCID_OK) {
            code = cli_fail(&error);
        }
        rows += batch.length;
        batch.release(&batch);
    }
    release_buffers(&b);
    json_object_set_new(cli_report(), "rows_read", json_integer(rows));
    return code;
}

static int run(int argc, const char **argv)
{
    (void)argc;
    int to;
    ucid_error error;
    if (!cli_tables_check(&tables) || !parse_to(&to)) return CLI_USAGE;
    const char *names[24];
    size_t count = 0;
    const char *const *const lists[] = {cell_names, city_names, ucid_names, lat_names, lon_names};
    for (size_t l = 0; l < 5; l++) {
        for (const char *const *name = lists[l]; *name != NULL; name++) names[count++] = *name;
    }
    names[count++] = "confidence";
    names[count++] = given.score != NULL ? given.score : "score";
    if (given.weight != NULL) names[count++] = given.weight;
    if (given.cell != NULL) names[count++] = given.cell;
    if (given.city != NULL) names[count++] = given.city;
    names[count] = NULL;
    ucid_io_read_options read = {.columns = names, .plain = 1};
    ucid_io_source source;
    if (cli_table_open(&tables, argv[0], &read, &source, &error) != UCID_OK) return cli_fail(&error);
    struct ArrowSchema schema = {.release = NULL};
    int failed = source.stream.get_schema(&source.stream, &schema);
    int code = failed != 0 ? cli_stream_failed(failed, &source.stream) : CLI_DONE;
    columns at = {0};
    if (code == CLI_DONE && !find_columns(&schema, to, &at)) code = ucid_status_exit_code(UCID_DATA_ERROR);
    ucid_aggregate *aggregate = NULL;
    ucid_aggregate_options aggregate_options = UCID_AGGREGATE_OPTIONS_INIT;
    aggregate_options.threads = cli_threads(tables.threads);
    aggregate_options.resolution = to >= 0 ? to : UCID_AGGREGATE_TEXT;
    if (code == CLI_DONE && ucid_aggregate_new(&aggregate_options, &aggregate, &error) != UCID_OK)
        code = cli_fail(&error);
    if (code == CLI_DONE) code = read_all(&source.stream, &schema, to, &at, aggregate);
    if (schema.release != NULL) schema.release(&schema);
    source.stream.release(&source.stream);
    int64_t groups = 0;
    if (code == CLI_DONE && ucid_aggregate_sort(aggregate, &groups, &error) != UCID_OK) code = cli_fail(&error);
    if (code == CLI_DONE) {
        const char *key = to >= 0 ? "h3" : given.to;
        result made = {0};
        if (!make_result(aggregate, to, key, groups, &made)) {
            code = cli_failf(UCID_NO_MEMORY, "no memory for %lld groups", (long long)groups);
        } else {
            struct ArrowArrayStream stream = {get_schema, get_next, get_last_error, release_stream, &made};
            code = cli_table_write(&tables, source.format, &stream, groups, NULL, NULL);
        }
        free_result(&made);
    }
    ucid_aggregate_free(aggregate);
    return code;
}

const cli_command cli_aggregate = {
    "aggregate",
    "Roll scores up to coarser cells, cities, regions or countries",
    "Each group has the weighted mean of its scores, its grade, the mean confidence,\n"
    "the spread, and the rows of each grade. Sums are of integers, so the result is the\n"
    "same bit for bit in whatever order the rows come.\n\n"
    "  ucid aggregate scores.parquet -o r7.parquet --to r7 --weight population\n",
    options,
    positionals,
    run,
};
