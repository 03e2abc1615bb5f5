/* table.h: tables that commands read and write, by way of the plugin of io.h. */
#ifndef UCID_CLI_TABLE_H
#define UCID_CLI_TABLE_H

#include "cli.h"
#include "io.h"

/* The plugin, opened at the first call; NULL and *error where that fails. */
const ucid_io *cli_io(ucid_error *error);
/* Once, when the command has ended: exit handlers are too late, those of the plugin's libraries come first. */
void cli_io_finish(void);

/* What every command with a table in and a table out has. */
typedef struct cli_tables {
    char *out, *format, *out_format, *compression, **texts;
    int threads;
    int of_groups; /* rows are groups: a column named status holds what they are of, not how they fared */
} cli_tables;
#define CLI_TABLE_OPTIONS(tables)                                                                                      \
    {"output", 'o', POPT_ARG_STRING, &(tables).out, 0, "table to write; - for standard output", "OUT"},                \
        {"format",                                                                                                     \
         '\0',                                                                                                         \
         POPT_ARG_STRING,                                                                                              \
         &(tables).format,                                                                                             \
         0,                                                                                                            \
         "of the input, where its name does not tell",                                                                 \
         "parquet|csv|arrow|arrows"},                                                                                  \
        {"text",          '\0', POPT_ARG_ARGV,                                                                         \
         &(tables).texts, 0,    "column of a CSV file to read as text; may be repeated; * for all",                    \
         "NAME"},                                                                                                      \
        {"output-format",           '\0', POPT_ARG_STRING, &(tables).out_format, 0, "of the output, likewise",         \
         "parquet|csv|arrow|arrows"},                                                                                  \
        {"compression",                                                                                                \
         '\0',                                                                                                         \
         POPT_ARG_STRING,                                                                                              \
         &(tables).compression,                                                                                        \
         0,                                                                                                            \
         "of the output; zstd for Parquet, else none",                                                                 \
         "zstd|snappy|lz4|gzip|none"},                                                                                 \
    {                                                                                                                  \
        "threads", '\0', POPT_ARG_INT, &(tables).threads, 0, "0: all processors", "N"                                  \
    }

/* What an input may be, in summaries of positional arguments. */
#define CLI_FILES "files, folders of files, - for standard input"

/* 1 when tables.out is given; else a usage error. It also takes standard output where that is named. */
int cli_tables_check(const cli_tables *tables);
/* 1 where the output will be CSV, so that input texts should stay as they are. */
int cli_tables_csv(const cli_tables *tables, const char *const *in);

/* Open the input, files and folders up to a NULL, as one table, with its batches read ahead by a thread. options may
 * hold anything but format, threads and more. */
ucid_status cli_table_open(const cli_tables *tables, const char *const *in, const ucid_io_read_options *options,
                           ucid_io_source *source, ucid_error *error);

/* Write a stream, with its batches made ahead by a thread, and count the texts of its column `status`, if it has one
 * and rows are not groups, into the report. Takes the stream. total: rows expected, -1 unknown. cause: where a function
 * that the stream calls fills it, a failure is told in its words; or NULL. Returns the exit code. */
int cli_table_write(const cli_tables *tables, const char *in_format, struct ArrowArrayStream *stream, int64_t total,
                    const ucid_error *cause);

/* A stream with columns added, as the stream functions of ucid.h make it. */
typedef ucid_status cli_make_fn(struct ArrowArrayStream *in, const ucid_stream_options *options,
                                struct ArrowArrayStream *out, ucid_error *error);

/* Read a table as cli_table_open does, add what make adds, write it; options may hold anything but threads. Returns the
 * exit code. */
int cli_table_pass(const cli_tables *tables, const char *const *in, const ucid_io_read_options *read,
                   const ucid_stream_options *options, cli_make_fn *make);

/* Usual names of columns of coordinates, as ucid_stream_options knows them; end with NULL. */
extern const char *const cli_lat_names[], *const cli_lon_names[];

/* Position of a column; -1 where there is none. */
int64_t cli_column_find(const struct ArrowSchema *schema, const char *name);

/* What a failed stream says, and its status; it names the file. */
ucid_status cli_stream_error(int failed, struct ArrowArrayStream *stream, ucid_error *error);
/* "ucid: score: ..." of it; returns the exit code. */
int cli_stream_failed(int failed, struct ArrowArrayStream *stream);

#endif
