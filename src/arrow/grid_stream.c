/* grid_stream.c: cells of a grid, where streams begin. */
#include "arrow/arrays.h"
#include "arrow/stream.h"
#include "rt/error.h"
#include "rt/memory.h"

#include "nanoarrow.h"

#include <errno.h>

enum { CELL_DIGITS = 15 };

typedef struct grid_source {
    ucid_grid *grid;
    ucid_allocator allocator;
    uint64_t *cells; /* [batch_rows] */
    int64_t batch_rows;
    ucid_error error;
} grid_source;

static int get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    static const struct {
        const char *name;
        enum ArrowType type;
    } columns[] = {{"h3", NANOARROW_TYPE_STRING}, {"lat", NANOARROW_TYPE_DOUBLE}, {"lon", NANOARROW_TYPE_DOUBLE}};
    grid_source *self = stream->private_data;
    ArrowSchemaInit(out);
    ArrowErrorCode code = ArrowSchemaSetTypeStruct(out, 3);
    for (int i = 0; i < 3 && code == NANOARROW_OK; i++) {
        code = ArrowSchemaSetType(out->children[i], columns[i].type);
        if (code == NANOARROW_OK) code = ArrowSchemaSetName(out->children[i], columns[i].name);
        out->children[i]->flags = 0;
    }
    out->flags = 0;
    if (code == NANOARROW_OK) return 0;
    if (out->release != NULL) out->release(out);
    (void)ucid_fail_memory(&self->error, "a schema", sizeof *out);
    return ENOMEM;
}

static ucid_status make_batch(grid_source *self, struct ArrowArray *out)
{
    struct ArrowArray columns[3] = {{0}, {0}, {0}};
    arrow_leaf lat, lon, text;
    int64_t rows = self->batch_rows, n = 0;
    ucid_status status = arrow_leaf_fixed(&columns[1], rows, sizeof(double), 0, &self->allocator, &lat, &self->error);
    if (status == UCID_OK) {
        status = arrow_leaf_fixed(&columns[2], rows, sizeof(double), 0, &self->allocator, &lon, &self->error);
    }
    if (status == UCID_OK) {
        n = ucid_grid_next(self->grid, rows, self->cells, lat.values, lon.values);
        status =
            arrow_leaf_text(&columns[0], n, (size_t)n * CELL_DIGITS + 1, 0, 0, &self->allocator, &text, &self->error);
    }
    if (status == UCID_OK && n > 0) {
        char *digits = text.values;
        for (int64_t i = 0; i < n; i++) { /* each NUL is written over by the next cell, the last one has room */
            ucid_cell_format(self->cells[i], digits + i * CELL_DIGITS);
            text.offsets[i + 1] = (int32_t)(i + 1) * CELL_DIGITS;
        }
        columns[1].length = columns[2].length = n;
        status = arrow_struct(out, n, columns, 3, &self->allocator, &self->error);
    } else if (status == UCID_OK) {
        *out = (struct ArrowArray){0};
    }
    for (int i = 0; i < 3; i++) {
        if (columns[i].release != NULL) columns[i].release(&columns[i]);
    }
    return status;
}

static int get_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    ucid_status status = make_batch(stream->private_data, out);
    return status == UCID_OK ? 0 : arrow_errno(status);
}

static const char *get_last_error(struct ArrowArrayStream *stream)
{
    grid_source *self = stream->private_data;
    return self->error.message[0] != '\0' ? self->error.message : NULL;
}

static void release(struct ArrowArrayStream *stream)
{
    grid_source *self = stream->private_data;
    ucid_allocator allocator = self->allocator;
    ucid_grid_close(self->grid);
    ucid_release(&allocator, self->cells, (size_t)self->batch_rows, sizeof *self->cells);
    ucid_release(&allocator, self, 1, sizeof *self);
    stream->release = NULL;
}

ucid_status ucid_grid_stream(ucid_grid *grid, int64_t batch_rows, const ucid_allocator *allocator,
                             struct ArrowArrayStream *out, ucid_error *error)
{
    if (batch_rows < 1 || batch_rows > ARROW_BATCH_ROWS_MAX) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "batch_rows is %lld, not 1..%d", (long long)batch_rows,
                         ARROW_BATCH_ROWS_MAX);
    }
    ucid_allocator memory = ucid_allocator_or_default(allocator);
    grid_source *self = ucid_allocate_zero(&memory, 1, sizeof *self);
    uint64_t *cells = ucid_allocate(&memory, (size_t)batch_rows, sizeof *cells);
    if (self == NULL || cells == NULL) {
        ucid_release(&memory, self, 1, sizeof *self);
        ucid_release(&memory, cells, (size_t)batch_rows, sizeof *cells);
        return ucid_fail_memory(error, "a stream", (size_t)batch_rows * sizeof *cells);
    }
    self->grid = grid;
    self->allocator = memory;
    self->cells = cells;
    self->batch_rows = batch_rows;
    *out = (struct ArrowArrayStream){get_schema, get_next, get_last_error, release, self};
    return UCID_OK;
}
