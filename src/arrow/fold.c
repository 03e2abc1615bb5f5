/* fold.c: rows go in before the first batch comes out; memory holds what a folder keeps, and one batch. */
#include "arrow/fold.h"

#include "arrow/arrays.h"
#include "arrow/stream.h"
#include "rt/error.h"
#include "rt/memory.h"

#include "nanoarrow.h"

#include <errno.h>

enum { PIECE_ROWS = 1 << 17 };

static void fold_free(arrow_fold *fold)
{
    ucid_allocator allocator = fold->allocator;
    fold->folder->reset(fold);
    if (fold->schema.release != NULL) fold->schema.release(&fold->schema);
    if (fold->in.release != NULL) fold->in.release(&fold->in);
    ucid_release(&allocator, fold, 1, fold->folder->size);
}

static ucid_status add_all(arrow_fold *fold, ucid_error *error)
{
    for (;;) {
        if (fold->progress != NULL && fold->progress(fold->progress_ctx, "aggregate", fold->rows, 0) != 0) {
            return ucid_fail(error, UCID_CANCELLED, "cancelled");
        }
        struct ArrowArray batch = {0};
        ucid_status status = arrow_pull(&fold->in, &fold->schema, &batch, error);
        if (status != UCID_OK || batch.release == NULL) return status;
        for (int64_t first = 0; first < batch.length && status == UCID_OK; first += PIECE_ROWS) {
            int64_t count = batch.length - first < PIECE_ROWS ? batch.length - first : PIECE_ROWS;
            status = fold->folder->add(fold, &batch, first, count, error);
            fold->rows += (uint64_t)count;
        }
        batch.release(&batch);
        if (status != UCID_OK) return status;
    }
}

int arrow_fold_column(struct ArrowSchema *column, const char *name, const char *format, int nullable)
{
    ArrowErrorCode code = ArrowSchemaSetFormat(column, format);
    if (code == NANOARROW_OK) code = ArrowSchemaSetName(column, name);
    column->flags = nullable ? ARROW_FLAG_NULLABLE : 0;
    return code;
}

static int get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    arrow_fold *fold = stream->private_data;
    ArrowSchemaInit(out);
    ArrowErrorCode code = ArrowSchemaSetTypeStruct(out, fold->folder->columns(fold));
    out->flags = 0;
    if (code == NANOARROW_OK) code = fold->folder->describe(fold, out);
    if (code == NANOARROW_OK) return 0;
    if (out->release != NULL) out->release(out);
    (void)ucid_fail_memory(&fold->error, "a schema", sizeof *out);
    return ENOMEM;
}

static ucid_status make_batch(arrow_fold *fold, struct ArrowArray *out, ucid_error *error)
{
    int count = fold->folder->columns(fold);
    size_t n = (size_t)count;
    struct ArrowArray *columns = ucid_allocate_zero(&fold->allocator, n, sizeof *columns);
    if (columns == NULL) return ucid_fail_memory(error, "columns", n * sizeof *columns);
    int64_t rows;
    ucid_status status = fold->folder->make(fold, columns, &rows, error);
    if (status == UCID_OK) status = arrow_struct(out, rows, columns, count, &fold->allocator, error);
    for (int i = 0; i < count; i++) {
        if (columns[i].release != NULL) columns[i].release(&columns[i]);
    }
    ucid_release(&fold->allocator, columns, n, sizeof *columns);
    return status;
}

static int get_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    arrow_fold *fold = stream->private_data;
    if (fold->failed != 0) return fold->failed;
    if (fold->ended) {
        *out = (struct ArrowArray){0};
        return 0;
    }
    ucid_status status = fold->added ? UCID_OK : add_all(fold, &fold->error);
    fold->added = 1;
    fold->more = 0;
    if (status == UCID_OK) status = make_batch(fold, out, &fold->error);
    if (status != UCID_OK) fold->failed = arrow_errno(status);
    fold->ended = !fold->more;
    return fold->failed;
}

static const char *get_last_error(struct ArrowArrayStream *stream)
{
    arrow_fold *fold = stream->private_data;
    return fold->error.message[0] != '\0' ? fold->error.message : NULL;
}

static void release(struct ArrowArrayStream *stream)
{
    fold_free(stream->private_data);
    stream->release = NULL;
}

ucid_status arrow_fold_open(struct ArrowArrayStream *in, const arrow_folder *folder, const arrow_fold_options *options,
                            struct ArrowArrayStream *out, ucid_error *error)
{
    ucid_allocator allocator = ucid_allocator_or_default(options->allocator);
    arrow_fold *fold = ucid_allocate_zero(&allocator, 1, folder->size);
    if (fold == NULL) return ucid_fail_memory(error, "a stream", folder->size);
    fold->folder = folder;
    fold->allocator = allocator;
    fold->progress = options->progress;
    fold->progress_ctx = options->progress_ctx;
    ucid_status status = arrow_schema_read(in, &fold->schema, error);
    if (status == UCID_OK) status = folder->begin(fold, options->of_folder, error);
    if (status != UCID_OK) {
        fold_free(fold);
        return status;
    }
    fold->in = *in;
    in->release = NULL;
    *out = (struct ArrowArrayStream){get_schema, get_next, get_last_error, release, fold};
    return UCID_OK;
}
