/* The table of a map, read through the plugin of io.h, and only the columns that a map can show. */
#include "map_read.h"

#include "table.h"

#include <stdio.h>
#include <string.h>

ucid_status map_rows_read(map_rows *rows, const char *path, ucid_error *error)
{
    const ucid_io *io = cli_io(error);
    if (io == NULL) return error->status;
    static const char *const texts[] = {"h3",          "h3_index", "h3_cell", "cell", "ucid",
                                        "ucid_string", "grade",    "status",  NULL};
    const ucid_io_read_options options = {.batch_rows = UCID_IO_BATCH_ROWS, .threads = cli_threads(0), .texts = texts};
    ucid_io_source source;
    ucid_status status = io->open(path, &options, &source, error);
    if (status != UCID_OK) return status;
    struct ArrowSchema schema;
    int failed = source.stream.get_schema(&source.stream, &schema);
    if (failed != 0) {
        status = cli_stream_error(failed, &source.stream, error);
        source.stream.release(&source.stream);
        return status;
    }
    status = map_rows_begin(rows, &schema, error);
    while (status == UCID_OK) {
        struct ArrowArray batch;
        failed = source.stream.get_next(&source.stream, &batch);
        if (failed != 0) {
            status = cli_stream_error(failed, &source.stream, error);
            break;
        }
        if (batch.release == NULL) break;
        status = map_rows_add(rows, &schema, &batch, error);
        batch.release(&batch);
        if (status == UCID_OK && cli_interrupted()) {
            *error = (ucid_error){.status = UCID_CANCELLED, .byte = -1, .row = -1, .message = "interrupted"};
            status = error->status;
        }
    }
    schema.release(&schema);
    source.stream.release(&source.stream);
    return status;
}
