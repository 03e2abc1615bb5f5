/* fold.c: rows go in before the batch comes out; memory holds what a folder keeps, and one batch. */
#include "arrow/fold.h"

#include "arrow/stream.h"
#include "rt/error.h"
#include "rt/memory.h"

#include "nanoarrow.h"

#include <errno.h>

enum { PIECE_ROWS = 1 << 17 };

void arrow_fold_free(arrow_fold *fold)
{
    ucid_allocator allocator = fold->allocator;
    fold->folder->reset(fold);
    if (fold->schema.release != NULL) fold->schema.release(&fold->schema);
    if (fold->in.release != NULL) fold->in.release(&fold->in);
    ucid_release(&allocator, fold, 1, fold->folder->size);
}

ucid_status arrow_fold_new(struct ArrowArrayStream *in, const arrow_folder *folder, const ucid_allocator *allocator,
                           ucid_progress_fn progress, void *progress_ctx, arrow_fold **fold, ucid_error *error)
{
    ucid_allocator given = ucid_allocator_or_default(allocator);
    arrow_fold *made = ucid_allocate_zero(&given, 1, folder->size);
    if (made == NULL) return ucid_fail_memory(error, "a stream", folder->size);
    made->folder = folder;
    made->allocator = given;
    made->progress = progress;
    made->progress_ctx = progress_ctx;
    ucid_status status = arrow_schema_read(in, &made->schema, error);
    if (status != UCID_OK) {
        arrow_fold_free(made);
        return status;
    }
    *fold = made;
    return UCID_OK;
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

static int get_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    arrow_fold *fold = stream->private_data;
    if (fold->failed != 0) return fold->failed;
    if (fold->ended) {
        *out = (struct ArrowArray){0};
        return 0;
    }
    ucid_status status = add_all(fold, &fold->error);
    if (status == UCID_OK) status = fold->folder->make(fold, out, &fold->error);
    if (status != UCID_OK) fold->failed = arrow_errno(status);
    fold->ended = 1;
    return fold->failed;
}

static const char *get_last_error(struct ArrowArrayStream *stream)
{
    arrow_fold *fold = stream->private_data;
    return fold->error.message[0] != '\0' ? fold->error.message : NULL;
}

static void release(struct ArrowArrayStream *stream)
{
    arrow_fold_free(stream->private_data);
    stream->release = NULL;
}

void arrow_fold_open(arrow_fold *fold, struct ArrowArrayStream *in, struct ArrowArrayStream *out)
{
    fold->in = *in;
    in->release = NULL;
    *out = (struct ArrowArrayStream){get_schema, get_next, get_last_error, release, fold};
}
