/* fold.h: a stream of one batch, which is made of the whole of another stream.
 *
 *     in --batches, cut into pieces--> add() ... add() --> make() --> one batch */
#ifndef UCID_ARROW_FOLD_H
#define UCID_ARROW_FOLD_H

#include "ucid.h"

typedef struct arrow_fold arrow_fold;

/* What is done with the rows. Its fold is a struct of `size` bytes that begins with an arrow_fold, zeroed at first. */
typedef struct arrow_folder {
    size_t size;
    /* Rows [first, first + count) of a batch, counted from its own start. */
    ucid_status (*add)(arrow_fold *fold, const struct ArrowArray *batch, int64_t first, int64_t count,
                       ucid_error *error);
    ucid_status (*make)(arrow_fold *fold, struct ArrowArray *out, ucid_error *error);
    int (*columns)(arrow_fold *fold); /* of the batch */
    /* Type, name and flags of each column, and whatever else; 0, or an errno code. */
    int (*describe)(arrow_fold *fold, struct ArrowSchema *out);
    void (*reset)(arrow_fold *fold); /* give back what all these hold */
} arrow_folder;

struct arrow_fold {
    const arrow_folder *folder;
    ucid_allocator allocator;
    struct ArrowArrayStream in; /* once the stream is made */
    struct ArrowSchema schema;  /* of in */
    ucid_progress_fn progress;
    void *progress_ctx;
    uint64_t rows;     /* that were added */
    int ended, failed; /* failed: errno code of the failure that ended the stream */
    ucid_error error;
};

/* A fold that knows the schema of a stream. err   those of arrow_schema_read; NO_MEMORY */
ucid_status arrow_fold_new(struct ArrowArrayStream *in, const arrow_folder *folder, const ucid_allocator *allocator,
                           ucid_progress_fn progress, void *progress_ctx, arrow_fold **fold, ucid_error *error);
void arrow_fold_free(arrow_fold *fold);
/* The stream itself, which takes over the fold and in. */
void arrow_fold_open(arrow_fold *fold, struct ArrowArrayStream *in, struct ArrowArrayStream *out);

#endif
