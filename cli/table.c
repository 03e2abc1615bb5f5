/* table.c: one pass over a table. Three threads at most are at work besides those of the kernels: one reads ahead, one
 * computes, this one writes; between them wait a few batches, so memory does not grow with rows. */
#include "table.h"

#include "ahead.h"
#include "progress.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AHEAD = 2, STATUS_MAX = 24 };

static const ucid_io *opened;

const ucid_io *cli_io(ucid_error *error)
{
    if (opened != NULL) return opened;
    char *path = cli_plugin_path("libucid_io.so");
    if (path == NULL) {
        cli_error(error, UCID_UNSUPPORTED_FORMAT, "libucid_io.so, which reads and writes tables, is not installed");
        return NULL;
    }
    /* RTLD_NODELETE: Arrow's threads outlive any dlclose. */
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    free(path);
    if (library == NULL) {
        cli_error(error, UCID_UNSUPPORTED_FORMAT, "%s", dlerror());
        return NULL;
    }
    const ucid_io *(*get)(void);
    *(void **)&get = dlsym(library, "ucid_io_get");
    const ucid_io *found = get != NULL ? get() : NULL;
    if (found == NULL || found->abi != UCID_IO_ABI) {
        cli_error(error, UCID_UNSUPPORTED_FORMAT, "libucid_io.so belongs to another version of ucid");
        return NULL;
    }
    opened = found;
    return opened;
}

void cli_io_finish(void)
{
    if (opened != NULL) opened->finish();
}

int cli_tables_check(const cli_tables *tables)
{
    if (tables->out == NULL) {
        cli_usage("-o OUT is missing");
        return 0;
    }
    if (strcmp(tables->out, "-") == 0) cli_stdout_taken();
    return 1;
}

static int ends_with(const char *text, const char *ending)
{
    size_t length = strlen(text), tail = strlen(ending);
    return length >= tail && strcmp(text + length - tail, ending) == 0;
}

int cli_tables_csv(const cli_tables *tables, const char *const *in)
{
    if (tables->out_format != NULL) return strcmp(tables->out_format, "csv") == 0;
    if (strcmp(tables->out, "-") != 0) return ends_with(tables->out, ".csv");
    /* Standard output gets what came in, CSV or Arrow. A pipe's format is not known yet; text does no harm there. */
    if (tables->format != NULL) return strcmp(tables->format, "csv") == 0;
    return strcmp(in[0], "-") == 0 || ends_with(in[0], ".csv");
}

ucid_status cli_table_open(const cli_tables *tables, const char *const *in, const ucid_io_read_options *options,
                           ucid_io_source *source, ucid_error *error)
{
    const ucid_io *io = cli_io(error);
    if (io == NULL) return error->status;
    ucid_io_read_options given = *options;
    given.more = in + 1;
    given.format = tables->format;
    given.threads = cli_threads(tables->threads);
    given.more_texts = (const char *const *)tables->texts;
    ucid_status status = io->open(in[0], &given, source, error);
    if (status != UCID_OK) return status;
    struct ArrowArrayStream stream = source->stream;
    return cli_ahead(&stream, AHEAD, &source->stream, error);
}

int64_t cli_column_find(const struct ArrowSchema *schema, const char *name)
{
    for (int64_t i = 0; i < schema->n_children; i++) {
        if (schema->children[i]->name != NULL && strcmp(schema->children[i]->name, name) == 0) return i;
    }
    return -1;
}

ucid_status cli_stream_error(int failed, struct ArrowArrayStream *stream, ucid_error *error)
{
    const char *text = stream->get_last_error(stream);
    ucid_status status = failed == ENOMEM      ? UCID_NO_MEMORY
                         : failed == ECANCELED ? UCID_CANCELLED
                         : failed == ENOSYS    ? UCID_UNSUPPORTED_FORMAT
                         : failed == EIO       ? UCID_IO_ERROR
                                               : UCID_DATA_ERROR;
    if (text == NULL) text = strerror(failed);
    static const char *const kinds[] = {"Invalid: ", "IOError: ", "NotImplemented: ", "Out of memory: ", "TypeError: "};
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) { /* Arrow's own; the status says it */
        if (strncmp(text, kinds[k], strlen(kinds[k])) == 0) {
            text += strlen(kinds[k]);
            break;
        }
    }
    return cli_error(error, status, "%.*s", (int)strcspn(text, "\n"), text);
}

int cli_stream_failed(int failed, struct ArrowArrayStream *stream)
{
    ucid_error error;
    (void)cli_stream_error(failed, stream, &error);
    return cli_fail(&error);
}

/* ------------------------------------------------------------------------------------------------- Row statuses -- */

typedef struct tally {
    int64_t column; /* of the texts; -1: none */
    int64_t rows;
    int count;
    struct {
        char name[32];
        size_t length;
        int64_t rows;
    } status[STATUS_MAX];
} tally;

/* Most rows have the status of the row before. */
static void tally_add(tally *self, const struct ArrowArray *batch)
{
    self->rows += batch->length;
    if (self->column < 0) return;
    const struct ArrowArray *column = batch->children[self->column];
    const int32_t *ends = (const int32_t *)column->buffers[1] + column->offset;
    const char *bytes = column->buffers[2];
    int last = 0;
    for (int64_t i = 0; i < batch->length; i++) {
        const char *text = bytes + ends[i];
        size_t length = (size_t)(ends[i + 1] - ends[i]);
        if (last >= self->count || self->status[last].length != length ||
            memcmp(self->status[last].name, text, length) != 0) {
            for (last = 0; last < self->count; last++) {
                if (self->status[last].length == length && memcmp(self->status[last].name, text, length) == 0) break;
            }
            if (last == self->count) {
                if (self->count == STATUS_MAX || length >= sizeof self->status[last].name) continue;
                memcpy(self->status[last].name, text, length);
                self->status[last].length = length;
                self->count++;
            }
        }
        self->status[last].rows++;
    }
}

/* Rows without a result, or with a doubtful one. */
static int64_t tally_invalid(const tally *self)
{
    static const ucid_status statuses[] = {
#define ROW(name, number, exit_code, python_class, meaning) UCID_##name,
        UCID_STATUS_LIST(ROW)
#undef ROW
    };
    int64_t invalid = 0;
    for (int i = 0; i < self->count; i++) {
        for (size_t k = 0; k < sizeof statuses / sizeof statuses[0]; k++) {
            if (ucid_status_exit_code(statuses[k]) == 0) continue;
            if (strcmp(self->status[i].name, ucid_status_name(statuses[k])) == 0) invalid += self->status[i].rows;
        }
    }
    return invalid;
}

static void tally_report(const tally *self, const char *out, double seconds, int64_t invalid)
{
    json_t *report = cli_report();
    json_object_set_new(report, "output", json_string(out));
    json_object_set_new(report, "rows", json_integer(self->rows));
    json_object_set_new(report, "seconds", json_real(seconds));
    if (self->column < 0) return;
    json_t *statuses = json_object();
    for (int i = 0; i < self->count; i++) {
        json_object_set_new(statuses, self->status[i].name, json_integer(self->status[i].rows));
    }
    json_object_set_new(report, "status", statuses);
    json_object_set_new(report, "invalid_rows", json_integer(invalid));
}

/* ------------------------------------------------------------------------------------------------------- Writing -- */

/* Rows of a stream into a writer; 0, or the exit code of what failed. */
static int pump(const ucid_io *io, struct ArrowArrayStream *stream, ucid_io_writer *writer, tally *counted,
                const ucid_error *cause)
{
    ucid_error error;
    for (;;) {
        if (cli_interrupted()) return cli_failf(UCID_CANCELLED, "interrupted");
        struct ArrowArray batch;
        int failed = stream->get_next(stream, &batch);
        if (failed != 0 && cause != NULL && cause->status != UCID_OK) return cli_fail(cause);
        if (failed != 0) return cli_stream_failed(failed, stream);
        if (batch.release == NULL) return CLI_DONE;
        tally_add(counted, &batch);
        if (io->write(writer, &batch, &error) != UCID_OK) return cli_fail(&error);
        cli_progress_update((uint64_t)counted->rows);
    }
}

int cli_table_write(const cli_tables *tables, const char *in_format, struct ArrowArrayStream *stream, int64_t total,
                    const ucid_error *cause)
{
    ucid_error error;
    struct ArrowArrayStream ahead = {.release = NULL};
    struct ArrowSchema schema = {.release = NULL};
    ucid_io_writer *writer = NULL;
    double begun_s = cli_clock_s();
    int code;

    const ucid_io *io = cli_io(&error);
    if (io == NULL) {
        stream->release(stream);
        return cli_fail(&error);
    }
    if (cli_ahead(stream, AHEAD, &ahead, &error) != UCID_OK) return cli_fail(&error);
    int failed = ahead.get_schema(&ahead, &schema);
    if (failed != 0) {
        code = cli_stream_failed(failed, &ahead);
        ahead.release(&ahead);
        return code;
    }
    const char *format = tables->out_format;
    if (format == NULL && strcmp(tables->out, "-") == 0 && in_format != NULL && strcmp(in_format, "csv") == 0) {
        format = "csv";
    }
    ucid_io_write_options options = {format, tables->compression, cli_threads(tables->threads)};
    tally counted = {.column = tables->of_groups ? -1 : cli_column_find(&schema, "status")};
    if (counted.column >= 0 && strcmp(schema.children[counted.column]->format, "u") != 0) counted.column = -1;
    if (io->create(tables->out, &options, &schema, &writer, &error) != UCID_OK) {
        code = cli_fail(&error);
    } else {
        cli_progress_begin("rows", "", total > 0 ? (uint64_t)total : 0);
        code = pump(io, &ahead, writer, &counted, cause);
        if (code != CLI_DONE) {
            io->abort(writer);
        } else if (io->commit(writer, &error) != UCID_OK) {
            code = cli_fail(&error);
        }
        cli_progress_end();
    }
    if (code == CLI_DONE) {
        int64_t invalid = tally_invalid(&counted);
        tally_report(&counted, tables->out, cli_clock_s() - begun_s, invalid);
        if (invalid > 0) code = CLI_ROWS_INVALID;
    }
    schema.release(&schema);
    ahead.release(&ahead);
    return code;
}

const char *const cli_lat_names[] = {"lat", "latitude", "y", NULL};
const char *const cli_lon_names[] = {"lon", "lng", "longitude", "long", "x", NULL};

int cli_table_pass(const cli_tables *tables, const char *const *in, const ucid_io_read_options *read,
                   const ucid_stream_options *options, cli_make_fn *make)
{
    if (!cli_tables_check(tables)) return CLI_USAGE;
    ucid_io_source source;
    ucid_error error;
    if (cli_table_open(tables, in, read, &source, &error) != UCID_OK) return cli_fail(&error);
    ucid_stream_options given = *options;
    given.threads = cli_threads(tables->threads);
    struct ArrowArrayStream out;
    if (make(&source.stream, &given, &out, &error) != UCID_OK) {
        source.stream.release(&source.stream);
        return cli_fail(&error);
    }
    return cli_table_write(tables, source.format, &out, source.row_count, NULL);
}
