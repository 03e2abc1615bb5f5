/* io.h: tables in files, pipes and object stores, as streams of Arrow batches.
 *
 * The C boundary of a plugin, libucid_io.so, which holds Arrow C++ and is opened only when a command names a file.
 * Formats are "parquet", "csv", "arrow" (IPC file) and "arrows" (IPC stream); NULL: by the ending of the name, and for
 * "-" (standard input or output) by the first bytes, or "arrows". A folder is read as all its files of one format, in
 * the order of their names. Several files are one table: they have the same columns. Names are local paths, file://,
 * s3://, gs://, hdfs://. */
#ifndef UCID_CLI_IO_H
#define UCID_CLI_IO_H

#include "ucid.h"
#ifdef __cplusplus
extern "C" {
#endif

#define UCID_IO_ABI 7u
#define UCID_IO_BATCH_ROWS 131072

/* Ends the name of a column that is read for the kernels but never written. */
#define UCID_IO_HIDDEN '\1'

typedef struct ucid_io_read_options {
    const char *format;         /* or NULL */
    const char *const *more;    /* names of files and folders to be read after the first; ends with NULL; NULL: none */
    const char *const *columns; /* names, ends with NULL: only these that exist; NULL: all */
    int64_t batch_rows;         /* at most; fewer where rows are wide */
    int threads;
    /* CSV only. With `text` every column is given as it is written, so that a CSV file written from it holds the same
     * texts; otherwise types are inferred from the first megabytes. The first of `latitudes` that is there, and
     * likewise of `longitudes`, is read as numbers, where what is no number is NaN and what is empty null: a bad row,
     * not a bad file. They become doubles, or with `text` are followed, at the end of the table, by doubles of the same
     * name and UCID_IO_HIDDEN. Columns of the lists are never inferred. Lists end with NULL; NULL: none. */
    int text;
    const char *const *latitudes, *const *longitudes, *const *texts;
    const char *const *more_texts; /* likewise; "*" is every column */
    /* CSV only: columns that are read as doubles, where what is no number is an error; NULL: none. Where all columns
     * that are wanted and there are texts or numbers, nothing else of the file is looked at. */
    const char *const *numbers;
    /* Parquet only: columns of texts that come behind a dictionary where they lie so in the file; NULL: none. */
    const char *const *keys;
} ucid_io_read_options;

typedef struct ucid_io_source {
    struct ArrowArrayStream stream;
    int64_t row_count;  /* -1: not known */
    const char *format; /* static */
} ucid_io_source;

typedef struct ucid_io_write_options {
    const char *format;      /* or NULL */
    const char *compression; /* "zstd", "snappy", "lz4", "gzip", "none"; NULL: zstd for parquet, none elsewhere */
    int threads;
} ucid_io_write_options;

typedef struct ucid_io_writer ucid_io_writer;

/* All fail as functions of ucid.h do. */
typedef struct ucid_io {
    uint32_t abi;
    ucid_status (*open)(const char *uri, const ucid_io_read_options *options, ucid_io_source *source,
                        ucid_error *error);
    /* The schema is copied. A local file is written without a name, or beside, until commit. */
    ucid_status (*create)(const char *uri, const ucid_io_write_options *options, struct ArrowSchema *schema,
                          ucid_io_writer **writer, ucid_error *error);
    ucid_status (*write)(ucid_io_writer *writer, struct ArrowArray *batch, ucid_error *error); /* takes the batch */
    /* Both free the writer. After a failed commit, and after abort, an older file is as it was. */
    ucid_status (*commit)(ucid_io_writer *writer, ucid_error *error);
    void (*abort)(ucid_io_writer *writer);
    /* Bytes of a small file of any scheme, with a NUL behind; to be given to release_bytes. */
    ucid_status (*read_bytes)(const char *uri, char **bytes, size_t *length, ucid_error *error);
    void (*release_bytes)(char *bytes);
    /* Bytes of a file of any scheme and size, piece by piece. What take returns, where it is not 0, ends the reading
     * and is in *stopped. */
    ucid_status (*read_pieces)(const char *uri, int (*take)(void *ctx, const void *bytes, size_t count), void *ctx,
                               int *stopped, ucid_error *error);
    /* Once, before the program ends. */
    void (*finish)(void);
} ucid_io;

/* The only symbol that the plugin exports. */
UCID_API const ucid_io *ucid_io_get(void);

#ifdef __cplusplus
}
#endif
#endif
