/* cmd_score.c: `ucid score IN -o OUT`: a table of places gets their identifiers and scores. */
#include "commands.h"
#include "indexes.h"
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cli_tables tables;
static struct {
    char **index;
    char *catalog, *context, *time, *city, *lat, *lon, *cell, *city_column, *time_column;
    int resolution, detail, replace, batch_rows;
} given = {.resolution = 9, .batch_rows = UCID_IO_BATCH_ROWS};

static const struct poptOption options[] = {
    CLI_INDEX_OPTIONS(given.index, given.catalog),
    {"context", '\0', POPT_ARG_STRING, &given.context, 0, "15MIN", "CONTEXT"},
    {"time", '\0', POPT_ARG_STRING, &given.time, 0, "2026W01T12 for all rows; else the week of the index's data",
     "KEY"},
    {"city", '\0', POPT_ARG_STRING, &given.city, 0, "IST for all rows; else column city, else the index's nearest",
     "CODE"},
    {"detail", '\0', POPT_ARG_NONE, &given.detail, 0, "add the parts, the metres to the nearest of each, snap_m", NULL},
    {"lat", '\0', POPT_ARG_STRING, &given.lat, 0, "column of latitudes; lat, latitude, y", "NAME"},
    {"lon", '\0', POPT_ARG_STRING, &given.lon, 0, "column of longitudes; lon, lng, longitude, long, x", "NAME"},
    {"h3", '\0', POPT_ARG_STRING, &given.cell, 0, "column of cells, instead; h3, h3_index, h3_cell, cell", "NAME"},
    {"city-column", '\0', POPT_ARG_STRING, &given.city_column, 0, "column of city codes; city, city_code", "NAME"},
    {"time-column", '\0', POPT_ARG_STRING, &given.time_column, 0, "column of time keys; timestamp", "NAME"},
    {"res", '\0', POPT_ARG_INT, &given.resolution, 0, "resolution of the identifiers' cells; 9", "0..15"},
    {"replace", '\0', POPT_ARG_NONE, &given.replace, 0, "replace columns that have an output column's name", NULL},
    {"batch-rows", '\0', POPT_ARG_INT | POPT_ARGFLAG_DOC_HIDDEN, &given.batch_rows, 0, "rows of a batch", "N"},
    CLI_TABLE_OPTIONS(tables),
    CLI_COMMON,
    POPT_TABLEEND};
static const cli_positional positionals[] = {
    {"IN", "table of places: " CLI_FILES, CLI_MANY},
    {NULL, NULL, CLI_ONE},
};

static const char *const lat_names[] = {"lat", "latitude", "y", NULL};
static const char *const lon_names[] = {"lon", "lng", "longitude", "long", "x", NULL};
static const char *const text_names[] = {"h3", "h3_index", "h3_cell", "cell", "city", "city_code", NULL};

/* The first of names that the schema has, with the mark of a hidden column behind; NULL where there is none. */
static char *hidden_name(const struct ArrowSchema *schema, const char *const *names)
{
    for (; *names != NULL; names++) {
        size_t size = strlen(*names) + 2;
        char *hidden = malloc(size);
        if (hidden == NULL) return NULL;
        snprintf(hidden, size, "%s%c", *names, UCID_IO_HIDDEN);
        if (cli_column_find(schema, hidden) >= 0) return hidden;
        free(hidden);
    }
    return NULL;
}

/* Columns whose values are exchanged, most likely. */
typedef struct exchanged {
    int64_t outside, rows; /* 0: they are not */
} exchanged;

static int tell_exchanged(void *ctx, int64_t outside, int64_t rows)
{
    *(exchanged *)ctx = (exchanged){outside, rows};
    return 0;
}

static int run(int argc, const char **argv)
{
    (void)argc;
    ucid_error error;
    if (!cli_tables_check(&tables)) return CLI_USAGE;
    uint32_t hour;
    if (given.time != NULL && !cli_parse_hour("--time", given.time, &hour)) return CLI_USAGE;
    if (given.city != NULL &&
        ucid_city_get(NULL, (ucid_text){given.city, strlen(given.city)}, NULL, &error) != UCID_OK) {
        cli_warn("--city: %s", error.message);
    }
    cli_indexes indexes;
    int code = cli_indexes_open(given.index, given.catalog, &indexes);
    if (code != CLI_DONE) return code;

    const char *lat_given[] = {given.lat, NULL}, *lon_given[] = {given.lon, NULL};
    const char *texts[sizeof text_names / sizeof text_names[0] + 3] = {NULL};
    size_t count = 0;
    if (given.cell != NULL) texts[count++] = given.cell;
    if (given.city_column != NULL) texts[count++] = given.city_column;
    if (given.time_column != NULL) texts[count++] = given.time_column;
    memcpy(texts + count, text_names, sizeof text_names);
    ucid_io_read_options read = {
        .text = cli_tables_csv(&tables, argv),
        .latitudes = given.lat != NULL ? lat_given : lat_names,
        .longitudes = given.lon != NULL ? lon_given : lon_names,
        .texts = texts,
        .batch_rows = given.batch_rows,
    };
    ucid_io_source source;
    if (cli_table_open(&tables, argv, &read, &source, &error) != UCID_OK) {
        cli_indexes_close(&indexes);
        return cli_fail(&error);
    }
    struct ArrowSchema schema;
    int failed = source.stream.get_schema(&source.stream, &schema);
    if (failed != 0) {
        code = cli_stream_failed(failed, &source.stream);
        source.stream.release(&source.stream);
        cli_indexes_close(&indexes);
        return code;
    }
    char *hidden_lat = hidden_name(&schema, read.latitudes), *hidden_lon = hidden_name(&schema, read.longitudes);
    ucid_stream_options stream_options = UCID_STREAM_OPTIONS_INIT;
    stream_options.threads = cli_threads(tables.threads);
    stream_options.lat_column = hidden_lat != NULL ? hidden_lat : given.lat;
    stream_options.lon_column = hidden_lon != NULL ? hidden_lon : given.lon;
    stream_options.cell_column = given.cell;
    stream_options.city_column = given.city_column;
    stream_options.time_column = given.time_column;
    stream_options.city = given.city;
    stream_options.time = given.time;
    stream_options.context = given.context != NULL ? given.context : "15MIN";
    stream_options.resolution = given.resolution;
    stream_options.detail = given.detail;
    stream_options.replace = given.replace;
    exchanged swapped = {0, 0};
    stream_options.exchanged = tell_exchanged;
    stream_options.exchanged_ctx = &swapped;
    int64_t keys = cli_column_find(&schema, given.time_column != NULL ? given.time_column : "timestamp");
    int dated = given.time != NULL || keys >= 0 || cli_indexes_dated(&indexes);
    schema.release(&schema);

    struct ArrowArrayStream scored;
    if (!dated) {
        source.stream.release(&source.stream);
        code = CLI_USAGE;
    } else if (ucid_score_stream(&source.stream, indexes.catalog, &stream_options, &scored, &error) != UCID_OK) {
        source.stream.release(&source.stream);
        code = cli_fail(&error);
    } else {
        code = cli_table_write(&tables, source.format, &scored, source.row_count, &indexes.failed);
        if (code <= CLI_ROWS_INVALID && swapped.rows > 0) {
            cli_warn("%lld of %lld places are outside the index, but inside when latitude and longitude change places; "
                     "see --lat and --lon",
                     (long long)swapped.outside, (long long)swapped.rows);
        }
    }
    free(hidden_lat);
    free(hidden_lon);
    cli_indexes_close(&indexes);
    return code;
}

const cli_command cli_score = {
    "score",
    "Score the places of a table",
    "Parquet, CSV and Arrow, in files, folders, pipes and object stores (s3://, gs://,\n"
    "hdfs://).\n"
    "All columns pass through; ucid, score, grade, confidence and status are added.\n"
    "A row that cannot be scored has nulls and a status; exit code 1 says so.\n\n"
    "  ucid score places.parquet -o scores.parquet --index lpa.ucidx --context 15MIN\n",
    options,
    positionals,
    run,
};
