/* arrays.h: one column of a batch: read in whatever type it comes, written in plain buffers. */
#ifndef UCID_ARROW_ARRAYS_H
#define UCID_ARROW_ARRAYS_H

#include "ucid.h"

/* ------------------------------------------------------------------------------------------------------- Reading -- */

/* Memory that grows and is used again for each batch. */
typedef struct arrow_scratch {
    void *bytes;
    size_t capacity;
} arrow_scratch;

ucid_status arrow_scratch_reserve(arrow_scratch *scratch, const ucid_allocator *allocator, size_t bytes,
                                  ucid_error *error);
void arrow_scratch_reset(arrow_scratch *scratch, const ucid_allocator *allocator);

/* A column's rows as plain arrays: borrowed from the batch where its layout allows, else converted into scratch. */
typedef struct arrow_numbers {
    const double *values;    /* [n]; rows that are null hold anything */
    const uint8_t *validity; /* [n] bits from bit 0, or NULL: no nulls */
    arrow_scratch value_scratch, validity_scratch;
} arrow_numbers;

typedef struct arrow_wholes {
    const int64_t *values;   /* [n]; those of uint64 as they are in memory */
    const uint8_t *validity; /* as above */
    arrow_scratch value_scratch, validity_scratch;
} arrow_wholes;

typedef struct arrow_texts {
    const char *data;
    const int64_t *offsets;  /* [n + 1]; NULL: data is the text of every row, `length` bytes */
    const uint8_t *validity; /* as above */
    size_t length;
    arrow_scratch data_scratch, offset_scratch, validity_scratch;
} arrow_texts;

typedef struct arrow_cells {
    const uint64_t *values;  /* [n]; 0 for a text that is no cell */
    const uint8_t *validity; /* as above */
    arrow_scratch value_scratch;
    arrow_wholes wholes;
    arrow_texts texts;
} arrow_cells;

/* Whether a column of this type can be read as numbers (float, integer, decimal), texts (utf8, large, view, binary) or
 * cells (64-bit integers, texts), all of them plain or behind a dictionary. name is the column, for the message.
 * err   DATA_ERROR, naming the column, its type and what is wanted */
ucid_status arrow_check_numbers(const struct ArrowSchema *schema, const char *name, ucid_error *error);
ucid_status arrow_check_texts(const struct ArrowSchema *schema, const char *name, ucid_error *error);
ucid_status arrow_check_cells(const struct ArrowSchema *schema, const char *name, ucid_error *error);

/* Whether rows are stored as integers: integers themselves, truths, dates, times. */
int arrow_is_whole(int storage); /* an ArrowType */
/* Type of a column's rows: that of the values where they are behind a dictionary. */
const struct ArrowSchema *arrow_row_schema(const struct ArrowSchema *schema);

/* Read rows [first, first + count) of a column, counted from the array's own start.
 * err   DATA_ERROR: the array does not fit its schema; NO_MEMORY */
ucid_status arrow_read_numbers(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t first,
                               int64_t count, const ucid_allocator *allocator, arrow_numbers *out, ucid_error *error);
ucid_status arrow_read_wholes(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t first,
                              int64_t count, const ucid_allocator *allocator, arrow_wholes *out, ucid_error *error);
ucid_status arrow_read_texts(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t first,
                             int64_t count, const ucid_allocator *allocator, arrow_texts *out, ucid_error *error);
/* The same; of rows that all have one text only that. */
ucid_status arrow_read_texts_or_one(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t first,
                                    int64_t count, const ucid_allocator *allocator, arrow_texts *out,
                                    ucid_error *error);
ucid_status arrow_read_cells(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t first,
                             int64_t count, const ucid_allocator *allocator, arrow_cells *out, ucid_error *error);
/* Of a column with a dictionary: the entry of each row, dictionary->length for a row that is null. err DATA_ERROR */
ucid_status arrow_read_entries(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t first,
                               int64_t count, uint32_t *entries, ucid_error *error);
/* Rows that are valid in all of some bitmaps; borrowed where one says it, else made in scratch. err NO_MEMORY */
ucid_status arrow_validity_join(const uint8_t *const *validities, int bitmaps, int64_t count,
                                const ucid_allocator *allocator, arrow_scratch *scratch, const uint8_t **validity,
                                ucid_error *error);
void arrow_numbers_reset(arrow_numbers *numbers, const ucid_allocator *allocator);
void arrow_wholes_reset(arrow_wholes *wholes, const ucid_allocator *allocator);
void arrow_texts_reset(arrow_texts *texts, const ucid_allocator *allocator);
void arrow_cells_reset(arrow_cells *cells, const ucid_allocator *allocator);

/* ------------------------------------------------------------------------------------------------------- Writing -- */

/* A column being made: its buffers are allocated at once, filled by the caller, and go with the array. */
typedef struct arrow_leaf {
    struct ArrowArray *array;
    void *values;     /* fixed width, or the bytes of texts */
    int32_t *offsets; /* texts: [n + 1], or: */
    int64_t *offsets64;
    uint8_t *validity; /* [n] bits, all set at first; NULL for columns without nulls */
} arrow_leaf;

/* Fixed-width column of n rows. err NO_MEMORY */
ucid_status arrow_leaf_fixed(struct ArrowArray *array, int64_t n, size_t width, int nullable,
                             const ucid_allocator *allocator, arrow_leaf *leaf, ucid_error *error);
/* Text column of n rows with room for some bytes; large: with 64-bit offsets. err NO_MEMORY */
ucid_status arrow_leaf_text(struct ArrowArray *array, int64_t n, size_t bytes, int nullable, int large,
                            const ucid_allocator *allocator, arrow_leaf *leaf, ucid_error *error);
/* Say where the text of a row ends, and that of the next begins. */
static inline void arrow_leaf_end(arrow_leaf *leaf, int64_t row, int64_t end)
{
    if (leaf->offsets != NULL) {
        leaf->offsets[row + 1] = (int32_t)end;
    } else {
        leaf->offsets64[row + 1] = end;
    }
}
static inline void arrow_leaf_null(arrow_leaf *leaf, int64_t row)
{
    leaf->validity[row >> 3] &= (uint8_t) ~(1u << (row & 7));
}
/* Count the nulls; to be called when all rows are there. */
void arrow_leaf_finish(arrow_leaf *leaf, int64_t n);

/* Text column of numbers: row i is table(codes[i]), null where its validity bit is 0; such as the names of statuses.
 * err NO_MEMORY */
ucid_status arrow_leaf_names(struct ArrowArray *array, int64_t n, const uint8_t *codes, const char *(*table)(uint8_t),
                             const uint8_t *validity, int large, const ucid_allocator *allocator, ucid_error *error);

/* The same behind a dictionary of the texts of all codes that there are (count of them, below 128), one byte a row. */
ucid_status arrow_leaf_codes(struct ArrowArray *array, int64_t n, const uint8_t *codes, const char *(*table)(uint8_t),
                             const uint8_t *all, int count, const uint8_t *validity, int large,
                             const ucid_allocator *allocator, ucid_error *error);

/* A struct array of n rows over children that it takes over (they are left released).
 * err   NO_MEMORY: the children are as they were */
ucid_status arrow_struct(struct ArrowArray *array, int64_t n, struct ArrowArray *children, int64_t count,
                         const ucid_allocator *allocator, ucid_error *error);

#endif
