/* place_columns.h: the columns that say where, when and for what: coordinates or cells, city, time key, context. */
#ifndef UCID_ARROW_PLACE_COLUMNS_H
#define UCID_ARROW_PLACE_COLUMNS_H

#include "arrow/arrays.h"
#include "arrow/stream.h"

/* A text for all rows, or a column of them. */
typedef struct place_text {
    int64_t column; /* -1: constant */
    char constant[UCID_LENGTH_MAX + 1];
    arrow_texts texts;
} place_text;

typedef struct place_columns {
    int64_t lat_column, lon_column, cell_column; /* -1: not there */
    arrow_numbers lat, lon;
    arrow_cells cells;
    arrow_scratch centres, validity;
    /* of the rows that were read last, [n] */
    const double *lat_deg, *lon_deg;
    const uint64_t *cell;        /* NULL where coordinates were given */
    const uint8_t *row_validity; /* bits, or NULL */
} place_columns;

/* Find the columns. err DATA_ERROR: none there, or of a wrong type */
ucid_status place_columns_init(place_columns *places, const struct ArrowSchema *schema,
                               const ucid_stream_options *options, ucid_error *error);
/* Read rows of them. err as arrow_read_numbers */
ucid_status place_columns_read(place_columns *places, const struct ArrowSchema *schema, const struct ArrowArray *batch,
                               int64_t first, int64_t count, const ucid_allocator *allocator, ucid_error *error);
void place_columns_reset(place_columns *places, const ucid_allocator *allocator);

/* value, else the named column, else the first of the usual names that is there; column -1 and "" where there is none.
 * err   DATA_ERROR: a named column is missing or no text; INVALID_ARGUMENT: value is too long */
ucid_status place_text_init(place_text *text, const struct ArrowSchema *schema, const char *value, const char *column,
                            const char *const *usual, ucid_error *error);
/* The same, of what cannot be missing; what names it in the message. err DATA_ERROR */
ucid_status place_text_need(place_text *text, const struct ArrowSchema *schema, const char *value, const char *column,
                            const char *const *usual, const char *what, ucid_error *error);
ucid_status place_text_read(place_text *text, const struct ArrowSchema *schema, const struct ArrowArray *batch,
                            int64_t first, int64_t count, const ucid_allocator *allocator, ucid_error *error);
/* The same, for place_text_get alone: a text that all rows have is read once. */
ucid_status place_text_read_or_one(place_text *text, const struct ArrowSchema *schema, const struct ArrowArray *batch,
                                   int64_t first, int64_t count, const ucid_allocator *allocator, ucid_error *error);
/* The rows read last, as the columnar functions take them. */
ucid_texts place_text_get(const place_text *text);

#endif
