#include "arrow/place_columns.h"

#include "rt/error.h"

#include <stdio.h>
#include <string.h>

ucid_status place_columns_init(place_columns *places, const struct ArrowSchema *schema,
                               const ucid_stream_options *options, ucid_error *error)
{
    int64_t lat = arrow_find(schema, options->lat_column, arrow_lat_names);
    int64_t lon = arrow_find(schema, options->lon_column, arrow_lon_names);
    int64_t cell = arrow_find(schema, options->cell_column, arrow_cell_names);
    if (options->lat_column != NULL && lat < 0) return arrow_missing(schema, options->lat_column, "", error);
    if (options->lon_column != NULL && lon < 0) return arrow_missing(schema, options->lon_column, "", error);
    if (options->cell_column != NULL && cell < 0) return arrow_missing(schema, options->cell_column, "", error);
    int by_cell = options->cell_column != NULL && options->lat_column == NULL && options->lon_column == NULL;
    ucid_status status = UCID_OK;
    if (!by_cell && lat >= 0 && lon >= 0) {
        cell = -1;
        status = arrow_check_numbers(schema->children[lat], schema->children[lat]->name, error);
        if (status == UCID_OK) {
            status = arrow_check_numbers(schema->children[lon], schema->children[lon]->name, error);
        }
    } else if (cell >= 0) {
        lat = lon = -1;
        status = arrow_check_cells(schema->children[cell], schema->children[cell]->name, error);
    } else {
        const char *what = lat >= 0 ? "the longitude" : lon >= 0 ? "the latitude" : "places (lat and lon, or h3)";
        status = arrow_missing(schema, NULL, what, error);
    }
    if (status != UCID_OK) return status;
    places->lat_column = lat;
    places->lon_column = lon;
    places->cell_column = cell;
    return UCID_OK;
}

ucid_status place_columns_read(place_columns *places, const struct ArrowSchema *schema, const struct ArrowArray *batch,
                               int64_t first, int64_t count, const ucid_allocator *allocator, ucid_error *error)
{
    int64_t start = batch->offset + first;
    ucid_status status;
    if (places->cell_column < 0) {
        int64_t lat = places->lat_column, lon = places->lon_column;
        status = arrow_read_numbers(schema->children[lat], batch->children[lat], start, count, allocator, &places->lat,
                                    error);
        if (status == UCID_OK) {
            status = arrow_read_numbers(schema->children[lon], batch->children[lon], start, count, allocator,
                                        &places->lon, error);
        }
        const uint8_t *both[] = {places->lat.validity, places->lon.validity};
        if (status == UCID_OK) {
            status = arrow_validity_join(both, 2, count, allocator, &places->validity, &places->row_validity, error);
        }
        if (status != UCID_OK) return status;
        places->lat_deg = places->lat.values;
        places->lon_deg = places->lon.values;
        places->cell = NULL;
        return UCID_OK;
    }
    int64_t cell = places->cell_column;
    status =
        arrow_read_cells(schema->children[cell], batch->children[cell], start, count, allocator, &places->cells, error);
    if (status == UCID_OK) {
        status = arrow_scratch_reserve(&places->centres, allocator, (size_t)(2 * count + 1) * sizeof(double), error);
    }
    if (status != UCID_OK) return status;
    double *centres = places->centres.bytes;
    ucid_cells_centres(count, places->cells.values, centres, centres + count);
    places->lat_deg = centres;
    places->lon_deg = centres + count;
    places->cell = places->cells.values;
    places->row_validity = places->cells.validity;
    return UCID_OK;
}

void place_columns_reset(place_columns *places, const ucid_allocator *allocator)
{
    arrow_numbers_reset(&places->lat, allocator);
    arrow_numbers_reset(&places->lon, allocator);
    arrow_cells_reset(&places->cells, allocator);
    arrow_scratch_reset(&places->centres, allocator);
    arrow_scratch_reset(&places->validity, allocator);
}

ucid_status place_text_init(place_text *text, const struct ArrowSchema *schema, const char *value, const char *column,
                            const char *const *usual, ucid_error *error)
{
    text->column = -1;
    text->constant[0] = '\0';
    if (value != NULL) {
        if (strlen(value) >= sizeof text->constant) {
            return ucid_fail(error, UCID_INVALID_ARGUMENT, "a value of %zu bytes is longer than an identifier",
                             strlen(value));
        }
        snprintf(text->constant, sizeof text->constant, "%s", value);
        return UCID_OK;
    }
    int64_t found = arrow_find(schema, column, usual);
    if (found < 0) return column != NULL ? arrow_missing(schema, column, "", error) : UCID_OK;
    ucid_status status = arrow_check_texts(schema->children[found], schema->children[found]->name, error);
    if (status == UCID_OK) text->column = found;
    /* A usual name of another type, say a timestamp that is a number, means something else. */
    return column != NULL ? status : UCID_OK;
}

ucid_status place_text_need(place_text *text, const struct ArrowSchema *schema, const char *value, const char *column,
                            const char *const *usual, const char *what, ucid_error *error)
{
    ucid_status status = place_text_init(text, schema, value, column, usual, error);
    if (status != UCID_OK || value != NULL || text->column >= 0) return status;
    return arrow_missing(schema, NULL, what, error);
}

ucid_status place_text_read(place_text *text, const struct ArrowSchema *schema, const struct ArrowArray *batch,
                            int64_t first, int64_t count, const ucid_allocator *allocator, ucid_error *error)
{
    if (text->column < 0) return UCID_OK;
    return arrow_read_texts(schema->children[text->column], batch->children[text->column], batch->offset + first, count,
                            allocator, &text->texts, error);
}

ucid_status place_text_read_or_one(place_text *text, const struct ArrowSchema *schema, const struct ArrowArray *batch,
                                   int64_t first, int64_t count, const ucid_allocator *allocator, ucid_error *error)
{
    if (text->column < 0) return UCID_OK;
    return arrow_read_texts_or_one(schema->children[text->column], batch->children[text->column], batch->offset + first,
                                   count, allocator, &text->texts, error);
}

ucid_texts place_text_get(const place_text *text)
{
    if (text->column < 0) return (ucid_texts){text->constant, NULL, NULL, strlen(text->constant), NULL};
    return (ucid_texts){text->texts.data, NULL, text->texts.offsets, text->texts.length, text->texts.validity};
}
