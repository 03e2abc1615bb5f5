/* share.h: pieces of a batch that somebody else made. Rows of one Arrow array may leave in several batches; the array
 * is released when the last of them is. */
#ifndef UCID_ARROW_SHARE_H
#define UCID_ARROW_SHARE_H

#include "ucid.h"

typedef struct arrow_source arrow_source;

/* Take over *array, which is left released. One reference is the caller's.
 * err   NO_MEMORY: *array is as it was */
ucid_status arrow_source_new(struct ArrowArray *array, const ucid_allocator *allocator, arrow_source **source,
                             ucid_error *error);
void arrow_source_release(arrow_source *source);
const struct ArrowArray *arrow_source_get(const arrow_source *source);

/* Rows [first, first + count) of a child of the source's struct array, as an array of its own: buffers are shared,
 * nothing is copied. err   NO_MEMORY */
ucid_status arrow_share_rows(arrow_source *source, int64_t child, int64_t first, int64_t count, struct ArrowArray *rows,
                             ucid_error *error);

/* What is the same a row of a type, for arrow_take_rows. */
typedef enum arrow_rows {
    ARROW_ROWS_NONE,
    ARROW_ROWS_NULL,
    ARROW_ROWS_BITS,
    ARROW_ROWS_FIXED,
    ARROW_ROWS_TEXT
} arrow_rows;

/* How the rows of a column lie: *width is bytes of a value, or of an offset. ARROW_ROWS_NONE: nested, cannot be taken.
 */
arrow_rows arrow_rows_of(const struct ArrowSchema *schema, size_t *width);

/* Rows of a child in another order, or several times: rows [count] are counted from the child's own start. Offsets,
 * validity and fixed values are new; dictionaries, and the bytes behind views, are shared.
 * err   DATA_ERROR: texts over 2^31 bytes, damaged offsets; NO_MEMORY */
ucid_status arrow_take_rows(arrow_source *source, const struct ArrowSchema *schema, int64_t child, const int64_t *rows,
                            int64_t count, struct ArrowArray *taken, ucid_error *error);

#endif
