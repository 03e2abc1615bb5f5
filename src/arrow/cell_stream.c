/* cell_stream.c: cells of coordinates. */
#include "arrow/arrays.h"
#include "arrow/place_columns.h"
#include "arrow/stream.h"

#include <string.h>

enum { CELL_DIGITS = 15 };

typedef struct cell_adder {
    arrow_adder base;
    place_columns places;
    arrow_scratch cells, statuses;
} cell_adder;

static void reset_cell(arrow_adder *adder)
{
    cell_adder *self = (cell_adder *)adder;
    place_columns_reset(&self->places, &adder->allocator);
    arrow_scratch_reset(&self->cells, &adder->allocator);
    arrow_scratch_reset(&self->statuses, &adder->allocator);
}

static ucid_status open_cell(arrow_adder *adder, const struct ArrowSchema *schema, ucid_error *error)
{
    arrow_add(adder, "h3", "u", 1);
    arrow_add_words(adder, "status", 0);
    return place_columns_init(&((cell_adder *)adder)->places, schema, &adder->options, error);
}

static ucid_status fill_cell(arrow_adder *adder, const struct ArrowSchema *schema, const struct ArrowArray *batch,
                             int64_t first, int64_t count, struct ArrowArray *columns, ucid_error *error)
{
    cell_adder *self = (cell_adder *)adder;
    const ucid_allocator *allocator = &adder->allocator;
    arrow_leaf leaf;
    size_t n = (size_t)count;
    int large = adder->options.large_texts;
    ucid_status status = place_columns_read(&self->places, schema, batch, first, count, allocator, error);
    if (status == UCID_OK) status = arrow_scratch_reserve(&self->cells, allocator, 8 * n + 8, error);
    if (status == UCID_OK) status = arrow_scratch_reserve(&self->statuses, allocator, n + 1, error);
    if (status == UCID_OK) {
        status = arrow_leaf_text(&columns[0], count, n * CELL_DIGITS + 1, 1, large, &adder->columns, &leaf, error);
    }
    if (status != UCID_OK) return status;
    uint64_t *cells = self->cells.bytes;
    uint8_t *statuses = self->statuses.bytes;
    status = ucid_cells_at(count, self->places.lat_deg, self->places.lon_deg, self->places.row_validity,
                           adder->options.resolution, cells, statuses, error);
    int64_t at = 0;
    for (int64_t row = 0; row < count && status == UCID_OK; row++) {
        if (cells[row] == 0) {
            arrow_leaf_null(&leaf, row);
        } else {
            ucid_cell_format(cells[row], (char *)leaf.values + at); /* its NUL falls on the next row */
            at += CELL_DIGITS;
        }
        arrow_leaf_end(&leaf, row, at);
    }
    if (status == UCID_OK) {
        arrow_leaf_finish(&leaf, count);
        status = arrow_words_fill(adder, &columns[1], count, statuses, &arrow_statuses, NULL, error);
    }
    if (status != UCID_OK) columns[0].release(&columns[0]);
    return status;
}

ucid_status ucid_cell_stream(struct ArrowArrayStream *in, const ucid_stream_options *options,
                             struct ArrowArrayStream *out, ucid_error *error)
{
    static const arrow_door door = {sizeof(cell_adder), open_cell, fill_cell, reset_cell, NULL};
    return arrow_open(in, options, &door, NULL, NULL, out, error);
}
