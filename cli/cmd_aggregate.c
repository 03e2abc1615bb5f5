/* cmd_aggregate.c: `ucid aggregate IN -o OUT --to r7`: scored rows rolled up to coarser cells, cities, regions or
 * countries; `--by city --agg mean,std`: numbers of any table by any of its columns. One pass; memory holds the groups,
 * not the rows. */
#include "commands.h"
#include "table.h"

#include <stdlib.h>
#include <string.h>

static cli_tables tables;
static struct {
    char *to, *weight, *score, *cell, *city, *by, *functions, *of;
    int states, memory_mb;
} given;

static const struct poptOption options[] = {
    {"to", '\0', POPT_ARG_STRING, &given.to, 0, "r7: cells of resolution 7; or some: r9,r7,city",
     "r0..r15|city|region|country"},
    {"weight", '\0', POPT_ARG_STRING, &given.weight, 0, "column of weights, say of population; else each row weighs 1",
     "NAME"},
    {"score", '\0', POPT_ARG_STRING, &given.score, 0, "column of scores; score", "NAME"},
    {"h3", '\0', POPT_ARG_STRING, &given.cell, 0,
     "column of cells; h3, h3_index, h3_cell, cell, else of ucid, lat and lon", "NAME"},
    {"city-column", '\0', POPT_ARG_STRING, &given.city, 0, "column of city codes; city, city_code, else of ucid",
     "NAME"},
    {"by", '\0', POPT_ARG_STRING, &given.by, 0, "instead of --to: columns whose values make the groups", "NAME,..."},
    {"agg", '\0', POPT_ARG_STRING, &given.functions, 0,
     "with --by: count, rows, nulls, sum, mean, std, var, min, max, median, p0 to p100; mean", "NAME,..."},
    {"of", '\0', POPT_ARG_STRING, &given.of, 0, "with --by: column of numbers; score", "NAME"},
    {"memory", '\0', POPT_ARG_INT, &given.memory_mb, 0,
     "with --by: for groups, and for values of percentiles; more go to TMPDIR", "MB"},
    {"states", '\0', POPT_ARG_NONE, &given.states, 0, "write sums that can be rolled up further, and merged", NULL},
    CLI_TABLE_OPTIONS(tables),
    CLI_COMMON,
    POPT_TABLEEND};
static const cli_positional positionals[] = {
    {"IN", "table of scores, or of states: " CLI_FILES, CLI_MANY},
    {NULL, NULL, CLI_ONE},
};

/* What may be asked for; other columns are not read. */
static const char *const usual_names[] = {"score", "confidence", "lat",  "latitude", "y", "lon",
                                          "lng",   "longitude",  "long", "x",        NULL};
/* Of these what a CSV file holds is text, whatever it looks like. */
static const char *const text_names[] = {"h3",        "h3_index", "h3_cell", "cell",  "ucid", "ucid_string", "city",
                                         "city_code", "region",   "country", "level", "key",  NULL};
enum { NAMES_MAX = 64 };

static size_t append(const char **names, size_t count, const char *const *more)
{
    for (; *more != NULL; more++) {
        if (*more[0] != '\0') names[count++] = *more;
    }
    return count;
}

/* Rows that were read; asked before each batch whether to go on. */
static int count_rows(void *ctx, const char *stage, uint64_t done, uint64_t total)
{
    (void)stage;
    (void)total;
    *(uint64_t *)ctx = done;
    return cli_interrupted();
}

typedef ucid_status start_fn(struct ArrowArrayStream *in, const void *how, struct ArrowArrayStream *out,
                             ucid_error *error);

static ucid_status start_cells(struct ArrowArrayStream *in, const void *how, struct ArrowArrayStream *out,
                               ucid_error *error)
{
    return ucid_aggregate_stream(in, how, out, error);
}

static ucid_status start_groups(struct ArrowArrayStream *in, const void *how, struct ArrowArrayStream *out,
                                ucid_error *error)
{
    return ucid_group_stream(in, how, out, error);
}

/* What is wrong with columns is told of all that the files have, not of those that were asked for. */
static void tell_columns(const char *const *in, ucid_io_read_options read, start_fn *start, const void *how,
                         ucid_error *error)
{
    ucid_io_source source;
    struct ArrowArrayStream groups;
    ucid_error told;
    for (const char *const *name = in; *name != NULL; name++) {
        if (strcmp(*name, "-") == 0) return; /* which was read */
    }
    read.columns = NULL;
    if (cli_table_open(&tables, in, &read, &source, &told) != UCID_OK) return;
    if (start(&source.stream, how, &groups, &told) == UCID_OK) {
        groups.release(&groups);
        return;
    }
    source.stream.release(&source.stream);
    *error = told;
}

/* Read, write the groups, or tell why there are none. rows are counted while they are read. */
static int run_groups(const char *const *in, const ucid_io_read_options *read, start_fn *start, const void *how,
                      const uint64_t *rows)
{
    ucid_error error;
    ucid_io_source source;
    struct ArrowArrayStream groups;
    if (cli_table_open(&tables, in, read, &source, &error) != UCID_OK) return cli_fail(&error);
    ucid_status status = start(&source.stream, how, &groups, &error);
    if (status != UCID_OK) {
        source.stream.release(&source.stream);
        if (status == UCID_INVALID_ARGUMENT) return cli_usage("%s", error.message);
        if (status == UCID_DATA_ERROR) tell_columns(in, *read, start, how, &error);
        return cli_fail(&error);
    }
    tables.of_groups = 1;
    int code = cli_table_write(&tables, source.format, &groups, -1, NULL);
    json_object_set_new(cli_report(), "rows_read", json_integer((json_int_t)*rows));
    return code;
}

/* Names between commas, which are cut there; NULL ends them. */
static void cut_names(char *text, const char **names)
{
    size_t count = 0;
    for (char *at = text; at != NULL && count < NAMES_MAX - 1;) {
        names[count++] = at;
        at = strchr(at, ',');
        if (at != NULL) *at++ = '\0';
    }
    names[count] = NULL;
}

/* Groups of states need the columns of states too. */
static const char *const state_names[] = {"state_rows", "state_count",   "state_least",  "state_most", "state_flags",
                                          "state_sum",  "state_squares", "state_values", NULL};

static int run_by(const char *const *in)
{
    const char *by[NAMES_MAX], *functions[NAMES_MAX], *names[3 * NAMES_MAX] = {NULL}, *numbers[2] = {NULL};
    cut_names(given.by, by);
    cut_names(given.functions, functions);
    numbers[0] = given.of != NULL ? given.of : "score";
    append(names, append(names, append(names, 0, by), numbers), state_names);
    ucid_io_read_options read = {.columns = names, .texts = by, .numbers = numbers, .keys = by};
    uint64_t rows = 0;
    ucid_group_stream_options stream_options = UCID_GROUP_STREAM_OPTIONS_INIT;
    stream_options.threads = cli_threads(tables.threads);
    stream_options.states = given.states;
    stream_options.by = by;
    stream_options.of = given.of;
    stream_options.functions = functions;
    stream_options.memory_bytes = (uint64_t)given.memory_mb << 20;
    stream_options.progress = count_rows;
    stream_options.progress_ctx = &rows;
    return run_groups(in, &read, start_groups, &stream_options, &rows);
}

static int run(int argc, const char **argv)
{
    (void)argc;
    if (!cli_tables_check(&tables)) return CLI_USAGE;
    if (given.by != NULL) {
        if (given.to != NULL || given.weight != NULL || given.score != NULL || given.cell != NULL ||
            given.city != NULL) {
            return cli_usage("--by stands alone, with --agg and --of: no --to and none of its columns");
        }
        if (given.memory_mb < 0) return cli_usage("--memory is a number of megabytes");
        return run_by(argv);
    }
    if (given.functions != NULL || given.of != NULL || given.memory_mb != 0) {
        return cli_usage("--agg, --of and --memory go with --by NAME");
    }
    if (given.to == NULL) return cli_usage("--to r7, city, region or country, or --by NAME, is missing");
    const char *names[NAMES_MAX] = {NULL}, *texts[NAMES_MAX] = {NULL};
    const char *asked[] = {given.score != NULL ? given.score : "", given.weight != NULL ? given.weight : "", NULL};
    const char *asked_texts[] = {given.cell != NULL ? given.cell : "", given.city != NULL ? given.city : "", NULL};
    size_t text_count = append(texts, append(texts, 0, asked_texts), text_names);
    size_t count = append(names, append(names, append(names, 0, asked), usual_names), texts);
    for (int c = 0; c < UCID_AGGREGATE_COLUMNS; c++) names[count++] = ucid_aggregate_column_name(c);
    texts[text_count] = names[count] = NULL;
    ucid_io_read_options read = {.columns = names, .texts = texts};
    uint64_t rows = 0;
    ucid_aggregate_stream_options stream_options = UCID_AGGREGATE_STREAM_OPTIONS_INIT;
    stream_options.threads = cli_threads(tables.threads);
    stream_options.states = given.states;
    stream_options.to = given.to;
    stream_options.score_column = given.score;
    stream_options.weight_column = given.weight;
    stream_options.cell_column = given.cell;
    stream_options.city_column = given.city;
    stream_options.progress = count_rows;
    stream_options.progress_ctx = &rows;
    return run_groups(argv, &read, start_cells, &stream_options, &rows);
}

const cli_command cli_aggregate = {
    "aggregate",
    "Roll scores up to cells, cities, regions or countries, or any numbers by any columns",
    "Each group has the weighted mean of its scores, its grade, the mean confidence,\n"
    "the spread, and the rows of each grade. Sums are of integers, so the result is the\n"
    "same bit for bit in whatever order the rows come. States (--states) are the sums\n"
    "themselves: those of parts of a table, rolled up once more, are those of the whole.\n"
    "Several files are read as one table.\n\n"
    "With --by the groups are the different values of columns, and each function of --agg\n"
    "is a column. Null and NaN are left out; std and var are of a sample; percentiles lie\n"
    "between the two nearest values. Of a CSV file, columns of --by are texts.\n\n"
    "  ucid aggregate scores.parquet -o r7.parquet --to r7 --weight population\n"
    "  ucid aggregate scores.csv -o - --by city --agg count,mean,std,median,p90 --of score\n",
    options,
    positionals,
    run,
};
