/* fold.h: a stream of one batch, or a few, which is made of the whole of another stream.
 *
 *     in --batches, cut into pieces--> add() ... add() --> make() --> a batch, and again while there is more */
#ifndef UCID_ARROW_FOLD_H
#define UCID_ARROW_FOLD_H

#include "ucid.h"

typedef struct arrow_fold arrow_fold;

/* What is done with the rows. Its fold is a struct of `size` bytes that begins with an arrow_fold, zeroed at first. */
typedef struct arrow_folder {
    size_t size;
    /* What the options say of the schema that the fold has. */
    ucid_status (*begin)(arrow_fold *fold, const void *options, ucid_error *error);
    /* Rows [first, first + count) of a batch, counted from its own start. */
    ucid_status (*add)(arrow_fold *fold, const struct ArrowArray *batch, int64_t first, int64_t count,
                       ucid_error *error);
    /* The columns of a batch, zeroed at first, and its rows. */
    ucid_status (*make)(arrow_fold *fold, struct ArrowArray *columns, int64_t *rows, ucid_error *error);
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
    uint64_t rows; /* that were added */
    int more;      /* set by make: another batch follows */
    int added, ended,
        failed; /* all of in was added; no batch follows; errno code of the failure that ended the stream */
    ucid_error error;
};

typedef struct arrow_fold_options {
    const ucid_allocator *allocator;
    ucid_progress_fn progress;
    void *progress_ctx;
    const void *of_folder;
} arrow_fold_options;

/* The stream, which takes over in when it succeeds. err   those of arrow_schema_read and begin; NO_MEMORY */
ucid_status arrow_fold_open(struct ArrowArrayStream *in, const arrow_folder *folder, const arrow_fold_options *options,
                            struct ArrowArrayStream *out, ucid_error *error);

/* A column of the schema that describe fills. */
int arrow_fold_column(struct ArrowSchema *column, const char *name, const char *format, int nullable);

#endif
