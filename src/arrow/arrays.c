/* arrays.c: conversions happen once a batch, into scratch that is kept; a float64 column is never copied. Types are
 * told apart by nanoarrow's views. */
#include "arrow/arrays.h"

#include "rt/bits.h"
#include "rt/error.h"
#include "rt/memory.h"

#include "nanoarrow.h"

#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------------- Scratch -- */

ucid_status arrow_scratch_reserve(arrow_scratch *scratch, const ucid_allocator *allocator, size_t bytes,
                                  ucid_error *error)
{
    if (ucid_grow(allocator, &scratch->bytes, &scratch->capacity, bytes, 1)) return UCID_OK;
    return ucid_fail_memory(error, "a batch", bytes);
}

void arrow_scratch_reset(arrow_scratch *scratch, const ucid_allocator *allocator)
{
    ucid_release(allocator, scratch->bytes, scratch->capacity, 1);
    *scratch = (arrow_scratch){NULL, 0};
}

void arrow_numbers_reset(arrow_numbers *numbers, const ucid_allocator *allocator)
{
    arrow_scratch_reset(&numbers->value_scratch, allocator);
    arrow_scratch_reset(&numbers->validity_scratch, allocator);
}

void arrow_wholes_reset(arrow_wholes *wholes, const ucid_allocator *allocator)
{
    arrow_scratch_reset(&wholes->value_scratch, allocator);
    arrow_scratch_reset(&wholes->validity_scratch, allocator);
}

void arrow_texts_reset(arrow_texts *texts, const ucid_allocator *allocator)
{
    arrow_scratch_reset(&texts->data_scratch, allocator);
    arrow_scratch_reset(&texts->offset_scratch, allocator);
    arrow_scratch_reset(&texts->validity_scratch, allocator);
}

void arrow_cells_reset(arrow_cells *cells, const ucid_allocator *allocator)
{
    arrow_scratch_reset(&cells->value_scratch, allocator);
    arrow_wholes_reset(&cells->wholes, allocator);
    arrow_texts_reset(&cells->texts, allocator);
}

/* --------------------------------------------------------------------------------------------------------- Types -- */

/* What rows of a type can be read as. */
enum { TEXTS = 1, NUMBERS = 2, WHOLES = 4, CELLS = 8 };

static int kinds_of(enum ArrowType type)
{
    switch (type) {
    case NANOARROW_TYPE_STRING:
    case NANOARROW_TYPE_LARGE_STRING:
    case NANOARROW_TYPE_STRING_VIEW:
    case NANOARROW_TYPE_BINARY:
    case NANOARROW_TYPE_LARGE_BINARY:
    case NANOARROW_TYPE_BINARY_VIEW:
    case NANOARROW_TYPE_FIXED_SIZE_BINARY: return TEXTS | CELLS;
    case NANOARROW_TYPE_UINT64:
    case NANOARROW_TYPE_INT64: return NUMBERS | WHOLES | CELLS;
    case NANOARROW_TYPE_UINT8:
    case NANOARROW_TYPE_INT8:
    case NANOARROW_TYPE_UINT16:
    case NANOARROW_TYPE_INT16:
    case NANOARROW_TYPE_UINT32:
    case NANOARROW_TYPE_INT32: return NUMBERS | WHOLES;
    case NANOARROW_TYPE_BOOL: return WHOLES;
    case NANOARROW_TYPE_HALF_FLOAT:
    case NANOARROW_TYPE_FLOAT:
    case NANOARROW_TYPE_DOUBLE:
    case NANOARROW_TYPE_DECIMAL128: return NUMBERS;
    case NANOARROW_TYPE_NA: return TEXTS | NUMBERS | CELLS;
    default: return 0;
    }
}

int arrow_is_whole(int storage) { return (kinds_of((enum ArrowType)storage) & WHOLES) != 0; }

static const char *name_of(const struct ArrowSchema *schema) { return schema->name != NULL ? schema->name : ""; }

static ucid_status view_schema(const struct ArrowSchema *schema, const char *name, struct ArrowSchemaView *view,
                               ucid_error *error)
{
    struct ArrowError reason;
    if (ArrowSchemaViewInit(view, schema, &reason) == NANOARROW_OK) return UCID_OK;
    return ucid_fail(error, UCID_DATA_ERROR, "column '%s': %s", name, reason.message);
}

const struct ArrowSchema *arrow_row_schema(const struct ArrowSchema *schema)
{
    return schema->dictionary != NULL ? schema->dictionary : schema;
}

static ucid_status check(const struct ArrowSchema *schema, const char *name, int kind, const char *wanted,
                         ucid_error *error)
{
    struct ArrowSchemaView view;
    ucid_status status = view_schema(arrow_row_schema(schema), name, &view, error);
    if (status != UCID_OK || (kinds_of(view.type) & kind) != 0) return status;
    char type[64];
    (void)ArrowSchemaToString(schema, type, sizeof type, 0);
    return ucid_fail(error, UCID_DATA_ERROR, "column '%s' is %s, not %s", name, type, wanted);
}

ucid_status arrow_check_numbers(const struct ArrowSchema *schema, const char *name, ucid_error *error)
{
    return check(schema, name, NUMBERS, "numbers", error);
}

ucid_status arrow_check_texts(const struct ArrowSchema *schema, const char *name, ucid_error *error)
{
    return check(schema, name, TEXTS, "texts", error);
}

ucid_status arrow_check_cells(const struct ArrowSchema *schema, const char *name, ucid_error *error)
{
    return check(schema, name, CELLS, "H3 cells (texts or 64-bit integers)", error);
}

/* A checked view of an array, of which rows [first, first + count) are wanted. */
static ucid_status view_array(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t first,
                              int64_t count, struct ArrowArrayView *view, ucid_error *error)
{
    struct ArrowError reason;
    if (ArrowArrayViewInitFromSchema(view, schema, &reason) != NANOARROW_OK) {
        return ucid_fail(error, UCID_DATA_ERROR, "column '%s': %s", name_of(schema), reason.message);
    }
    if (ArrowArrayViewSetArray(view, array, &reason) != NANOARROW_OK) {
        ArrowArrayViewReset(view);
        return ucid_fail(error, UCID_DATA_ERROR, "column '%s': %s", name_of(schema), reason.message);
    }
    if (first < 0 || count < 0 || first > view->length - count) {
        ArrowArrayViewReset(view);
        return ucid_fail(error, UCID_DATA_ERROR, "column '%s' is shorter than its batch", name_of(schema));
    }
    return UCID_OK;
}

/* Validity of rows as bits from bit 0: NULL where none is null. */
static ucid_status read_validity(const struct ArrowArrayView *view, int64_t first, int64_t count,
                                 const ucid_allocator *allocator, arrow_scratch *scratch, const uint8_t **validity,
                                 ucid_error *error)
{
    *validity = NULL;
    int all_null = view->storage_type == NANOARROW_TYPE_NA;
    const uint8_t *bits = all_null ? NULL : view->buffer_views[0].data.as_uint8;
    if (count == 0 || (!all_null && (view->null_count == 0 || bits == NULL))) return UCID_OK;
    int64_t start = view->offset + first;
    if (!all_null && (start & 7) == 0) {
        *validity = bits + start / 8;
        return UCID_OK;
    }
    size_t bytes = (size_t)(count + 7) / 8;
    ucid_status status = arrow_scratch_reserve(scratch, allocator, bytes, error);
    if (status != UCID_OK) return status;
    uint8_t *out = scratch->bytes;
    memset(out, 0, bytes);
    for (int64_t row = 0; row < count && !all_null; row++) {
        if (ArrowBitGet(bits, start + row)) out[row >> 3] |= (uint8_t)(1u << (row & 7));
    }
    *validity = out;
    return UCID_OK;
}

ucid_status arrow_validity_join(const uint8_t *const *validities, int bitmaps, int64_t count,
                                const ucid_allocator *allocator, arrow_scratch *scratch, const uint8_t **validity,
                                ucid_error *error)
{
    const uint8_t *found = NULL;
    size_t bytes = (size_t)(count + 7) / 8;
    for (int i = 0; i < bitmaps; i++) {
        if (validities[i] == NULL) continue;
        if (found == NULL) {
            found = validities[i];
            continue;
        }
        ucid_status status = arrow_scratch_reserve(scratch, allocator, bytes + 1, error);
        if (status != UCID_OK) return status;
        uint8_t *both = scratch->bytes;
        for (size_t b = 0; b < bytes; b++) both[b] = found[b] & validities[i][b];
        found = both;
    }
    *validity = found;
    return UCID_OK;
}

/* Rows of the dictionary that rows point to, and which have a value there: a row may be null, and so may its value.
 * Values are then fetched row by row, since a dictionary may be longer than the rows that are wanted. */
static ucid_status look_up(const struct ArrowSchema *schema, const struct ArrowArrayView *view, int64_t first,
                           int64_t count, const ucid_allocator *allocator, arrow_scratch *positions,
                           arrow_scratch *bits, const uint8_t **validity, ucid_error *error)
{
    size_t bytes = (size_t)(count + 7) / 8 + 1;
    ucid_status status = arrow_scratch_reserve(positions, allocator, (size_t)(count + 1) * sizeof(int64_t), error);
    if (status == UCID_OK) status = arrow_scratch_reserve(bits, allocator, bytes, error);
    if (status != UCID_OK) return status;
    int64_t *at = positions->bytes;
    uint8_t *valid = bits->bytes;
    int64_t nulls = 0;
    memset(valid, 0, bytes);
    for (int64_t row = 0; row < count; row++) {
        at[row] = 0;
        int null = ArrowArrayViewIsNull(view, first + row);
        if (!null) {
            at[row] = ArrowArrayViewGetIntUnsafe(view, first + row);
            if (at[row] < 0 || at[row] >= view->dictionary->length) {
                return ucid_fail(error, UCID_DATA_ERROR, "column '%s': a row is entry %lld of a dictionary of %lld",
                                 name_of(schema), (long long)at[row], (long long)view->dictionary->length);
            }
            null = ArrowArrayViewIsNull(view->dictionary, at[row]);
        }
        nulls += null;
        if (!null) valid[row >> 3] |= (uint8_t)(1u << (row & 7));
    }
    *validity = nulls > 0 ? valid : NULL;
    return UCID_OK;
}

/* ------------------------------------------------------------------------------------------------------- Numbers -- */

#define CONVERT(member)                                                                                                \
    for (int64_t row = 0; row < count; row++) out[row] = (double)view->buffer_views[1].data.member[start + row]

/* A decimal is an integer over a power of ten: one division, exact for the 15 digits that a coordinate can use. */
static double decimal_value(const uint8_t *bytes, double divisor)
{
    uint64_t low;
    int64_t high;
    memcpy(&low, bytes, 8);
    memcpy(&high, bytes + 8, 8);
    int fits = (high == 0 && low <= INT64_MAX) || (high == -1 && low > INT64_MAX);
    return fits ? (double)(int64_t)low / divisor : NAN;
}

static void convert_numbers(const struct ArrowArrayView *view, int scale, int64_t start, int64_t count, double *out)
{
    switch (view->storage_type) {
    case NANOARROW_TYPE_UINT8: CONVERT(as_uint8); break;
    case NANOARROW_TYPE_INT8: CONVERT(as_int8); break;
    case NANOARROW_TYPE_UINT16: CONVERT(as_uint16); break;
    case NANOARROW_TYPE_INT16: CONVERT(as_int16); break;
    case NANOARROW_TYPE_UINT32: CONVERT(as_uint32); break;
    case NANOARROW_TYPE_INT32: CONVERT(as_int32); break;
    case NANOARROW_TYPE_UINT64: CONVERT(as_uint64); break;
    case NANOARROW_TYPE_INT64: CONVERT(as_int64); break;
    case NANOARROW_TYPE_FLOAT: CONVERT(as_float); break;
    case NANOARROW_TYPE_DOUBLE: CONVERT(as_double); break;
    case NANOARROW_TYPE_HALF_FLOAT:
        for (int64_t row = 0; row < count; row++) {
            out[row] = (double)ArrowHalfFloatToFloat(view->buffer_views[1].data.as_uint16[start + row]);
        }
        break;
    case NANOARROW_TYPE_DECIMAL128: {
        double divisor = 1.0;
        for (int i = 0; i < scale; i++) divisor *= 10.0;
        for (int64_t row = 0; row < count; row++) {
            out[row] = decimal_value(view->buffer_views[1].data.as_uint8 + 16 * (start + row), divisor);
        }
        break;
    }
    default: memset(out, 0, (size_t)count * sizeof *out); break; /* the null type */
    }
}

ucid_status arrow_read_numbers(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t first,
                               int64_t count, const ucid_allocator *allocator, arrow_numbers *out, ucid_error *error)
{
    struct ArrowArrayView view;
    struct ArrowSchemaView type;
    ucid_status status = view_schema(arrow_row_schema(schema), name_of(schema), &type, error);
    if (status == UCID_OK) status = view_array(schema, array, first, count, &view, error);
    if (status != UCID_OK) return status;
    int64_t start = view.offset + first;
    if (view.dictionary != NULL) {
        status = look_up(schema, &view, first, count, allocator, &out->value_scratch, &out->validity_scratch,
                         &out->validity, error);
        const int64_t *positions = out->value_scratch.bytes;
        double *values = out->value_scratch.bytes; /* each takes the place of its position */
        for (int64_t row = 0; status == UCID_OK && row < count; row++) {
            double value = 0;
            int64_t at = view.dictionary->offset + positions[row];
            if (bit_is_set(out->validity, row)) convert_numbers(view.dictionary, type.decimal_scale, at, 1, &value);
            values[row] = value;
        }
        out->values = values;
        ArrowArrayViewReset(&view);
        return status;
    }
    if (view.storage_type == NANOARROW_TYPE_DOUBLE && count > 0) {
        out->values = view.buffer_views[1].data.as_double + start;
    } else {
        status = arrow_scratch_reserve(&out->value_scratch, allocator, (size_t)(count + 1) * sizeof(double), error);
        if (status == UCID_OK) {
            out->values = out->value_scratch.bytes;
            convert_numbers(&view, type.decimal_scale, start, count, out->value_scratch.bytes);
        }
    }
    if (status == UCID_OK) {
        status = read_validity(&view, first, count, allocator, &out->validity_scratch, &out->validity, error);
    }
    ArrowArrayViewReset(&view);
    return status;
}

ucid_status arrow_read_wholes(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t first,
                              int64_t count, const ucid_allocator *allocator, arrow_wholes *out, ucid_error *error)
{
    struct ArrowArrayView view;
    ucid_status status = view_array(schema, array, first, count, &view, error);
    if (status != UCID_OK) return status;
    int64_t start = view.offset + first;
    if (view.dictionary != NULL) {
        status = look_up(schema, &view, first, count, allocator, &out->value_scratch, &out->validity_scratch,
                         &out->validity, error);
        int64_t *values = out->value_scratch.bytes;
        for (int64_t row = 0; status == UCID_OK && row < count; row++) {
            if (bit_is_set(out->validity, row)) values[row] = ArrowArrayViewGetIntUnsafe(view.dictionary, values[row]);
        }
        out->values = values;
        ArrowArrayViewReset(&view);
        return status;
    }
    if ((view.storage_type == NANOARROW_TYPE_INT64 || view.storage_type == NANOARROW_TYPE_UINT64) && count > 0) {
        out->values = view.buffer_views[1].data.as_int64 + start;
    } else {
        status = arrow_scratch_reserve(&out->value_scratch, allocator, (size_t)(count + 1) * sizeof(int64_t), error);
        int64_t *values = out->value_scratch.bytes;
        for (int64_t row = 0; status == UCID_OK && row < count; row++) {
            values[row] = ArrowArrayViewGetIntUnsafe(&view, first + row);
        }
        out->values = values;
    }
    if (status == UCID_OK) {
        status = read_validity(&view, first, count, allocator, &out->validity_scratch, &out->validity, error);
    }
    ArrowArrayViewReset(&view);
    return status;
}

/* --------------------------------------------------------------------------------------------------------- Texts -- */

/* Text of a row: through the dictionary where there is one. 0 where it is null. */
static int text_of(const struct ArrowArrayView *view, int64_t row, struct ArrowStringView *text)
{
    *text = (struct ArrowStringView){NULL, 0};
    if (view->storage_type == NANOARROW_TYPE_NA || ArrowArrayViewIsNull(view, row)) return 0;
    if (view->dictionary != NULL) {
        row = ArrowArrayViewGetIntUnsafe(view, row);
        view = view->dictionary;
        if (row < 0 || row >= view->length || ArrowArrayViewIsNull(view, row)) return 0;
    }
    *text = ArrowArrayViewGetStringUnsafe(view, row);
    return 1;
}

/* Rows that do not lie side by side (views, dictionaries) are copied together. */
static ucid_status gather_texts(const struct ArrowArrayView *view, int64_t count, const ucid_allocator *allocator,
                                arrow_texts *out, ucid_error *error)
{
    struct ArrowStringView text;
    size_t length = 0, bitmap = (size_t)(count + 7) / 8;
    for (int64_t row = 0; row < count; row++) {
        if (text_of(view, row, &text)) length += (size_t)text.size_bytes;
    }
    ucid_status status = arrow_scratch_reserve(&out->data_scratch, allocator, length + 1, error);
    if (status == UCID_OK) status = arrow_scratch_reserve(&out->validity_scratch, allocator, bitmap + 1, error);
    if (status != UCID_OK) return status;
    char *data = out->data_scratch.bytes;
    uint8_t *validity = out->validity_scratch.bytes;
    int64_t *offsets = out->offset_scratch.bytes;
    int64_t at = 0;
    memset(validity, 0, bitmap + 1);
    for (int64_t row = 0; row < count; row++) {
        offsets[row] = at;
        if (!text_of(view, row, &text)) continue;
        validity[row >> 3] |= (uint8_t)(1u << (row & 7));
        if (text.size_bytes > 0) memcpy(data + at, text.data, (size_t)text.size_bytes);
        at += text.size_bytes;
    }
    offsets[count] = at;
    out->data = data;
    out->validity = validity;
    return UCID_OK;
}

/* Whether all of `count` values of some bytes each are the first one. */
static int all_alike(const void *values, size_t width, int64_t count)
{
    const char *bytes = values;
    return memcmp(bytes, bytes + width, width * (size_t)(count - 1)) == 0;
}

static int bounds_of_text(const struct ArrowArrayView *view, int64_t row, int64_t bounds[2])
{
    int large = view->storage_type == NANOARROW_TYPE_LARGE_STRING || view->storage_type == NANOARROW_TYPE_LARGE_BINARY;
    const union ArrowBufferViewData offsets = view->buffer_views[1].data;
    for (int end = 0; end < 2; end++) {
        int64_t at = view->offset + row + end;
        bounds[end] = large ? offsets.as_int64[at] : offsets.as_int32[at];
    }
    return large || view->storage_type == NANOARROW_TYPE_STRING || view->storage_type == NANOARROW_TYPE_BINARY;
}

/* Whether all of some rows, one at least, have one text, none of them null. Costs what it takes to find two that
 * differ. */
static int is_one_text(const struct ArrowArrayView *view, int64_t count, struct ArrowStringView *text)
{
    if (view->storage_type == NANOARROW_TYPE_NA || !text_of(view, 0, text)) return 0;
    if (ArrowArrayViewComputeNullCount(view) > 0) return 0;
    if (view->dictionary != NULL) {
        int64_t bits = view->layout.element_size_bits[1];
        return all_alike(view->buffer_views[1].data.as_char + view->offset * (bits / 8), (size_t)bits / 8, count);
    }
    int64_t bounds[2];
    if (!bounds_of_text(view, 0, bounds)) return 0;
    for (int64_t row = 1, length = text->size_bytes; row < count; row++) {
        if (!bounds_of_text(view, row, bounds) || bounds[1] - bounds[0] != length) return 0;
        if (row == 1 && memcmp(view->buffer_views[2].data.as_char + bounds[0], text->data, (size_t)length) != 0) {
            return 0;
        }
    }
    return all_alike(text->data, (size_t)text->size_bytes, count);
}

static ucid_status read_texts(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t first,
                              int64_t count, int may_be_one, const ucid_allocator *allocator, arrow_texts *out,
                              ucid_error *error)
{
    struct ArrowArrayView view;
    struct ArrowError reason;
    ucid_status status = view_array(schema, array, first, count, &view, error);
    if (status != UCID_OK) return status;
    view.offset += first; /* no other rows: an array is read in many pieces */
    view.length = count;
    if (ArrowArrayViewValidate(&view, NANOARROW_VALIDATION_LEVEL_FULL, &reason) != NANOARROW_OK) {
        status = ucid_fail(error, UCID_DATA_ERROR, "column '%s': %s", name_of(schema), reason.message);
    }
    struct ArrowStringView one;
    if (status == UCID_OK && may_be_one && count > 0 && is_one_text(&view, count, &one)) {
        out->data = one.size_bytes > 0 ? one.data : "";
        out->length = (size_t)one.size_bytes;
        out->offsets = NULL;
        out->validity = NULL;
        ArrowArrayViewReset(&view);
        return UCID_OK;
    }
    if (status == UCID_OK) {
        status = arrow_scratch_reserve(&out->offset_scratch, allocator, (size_t)(count + 1) * sizeof(int64_t), error);
    }
    if (status != UCID_OK) {
        ArrowArrayViewReset(&view);
        return status;
    }
    int64_t *offsets = out->offset_scratch.bytes;
    out->offsets = offsets;
    out->length = 0;
    if (count == 0) {
        offsets[0] = 0;
        out->data = NULL;
        out->validity = NULL;
    } else if (view.storage_type == NANOARROW_TYPE_STRING || view.storage_type == NANOARROW_TYPE_BINARY) {
        for (int64_t row = 0; row <= count; row++) offsets[row] = view.buffer_views[1].data.as_int32[view.offset + row];
        out->data = view.buffer_views[2].data.as_char;
        status = read_validity(&view, 0, count, allocator, &out->validity_scratch, &out->validity, error);
    } else if (view.storage_type == NANOARROW_TYPE_LARGE_STRING || view.storage_type == NANOARROW_TYPE_LARGE_BINARY) {
        memcpy(offsets, view.buffer_views[1].data.as_int64 + view.offset, (size_t)(count + 1) * sizeof *offsets);
        out->data = view.buffer_views[2].data.as_char;
        status = read_validity(&view, 0, count, allocator, &out->validity_scratch, &out->validity, error);
    } else {
        status = gather_texts(&view, count, allocator, out, error);
    }
    ArrowArrayViewReset(&view);
    return status;
}

ucid_status arrow_read_texts(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t first,
                             int64_t count, const ucid_allocator *allocator, arrow_texts *out, ucid_error *error)
{
    return read_texts(schema, array, first, count, 0, allocator, out, error);
}

ucid_status arrow_read_texts_or_one(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t first,
                                    int64_t count, const ucid_allocator *allocator, arrow_texts *out, ucid_error *error)
{
    return read_texts(schema, array, first, count, 1, allocator, out, error);
}

ucid_status arrow_read_entries(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t first,
                               int64_t count, uint32_t *entries, ucid_error *error)
{
    struct ArrowArrayView view;
    ucid_status status = view_array(schema, array, first, count, &view, error);
    if (status != UCID_OK) return status;
    int64_t length = view.dictionary->length, wrong = -1;
    if (length >= UINT32_MAX) {
        ArrowArrayViewReset(&view);
        return ucid_fail(error, UCID_DATA_ERROR, "column '%s': a dictionary of %lld entries", name_of(schema),
                         (long long)length);
    }
    int plain = view.storage_type == NANOARROW_TYPE_INT32 &&
                (array->null_count == 0 || view.buffer_views[0].data.as_uint8 == NULL);
    const int32_t *at = plain ? view.buffer_views[1].data.as_int32 + view.offset + first : NULL;
    for (int64_t row = 0; row < count && plain; row++) {
        if (at[row] < 0 || at[row] >= length) wrong = row;
        entries[row] = (uint32_t)at[row];
    }
    for (int64_t row = 0; row < count && !plain; row++) {
        int64_t entry = length;
        if (!ArrowArrayViewIsNull(&view, first + row)) {
            entry = ArrowArrayViewGetIntUnsafe(&view, first + row);
            if (entry < 0 || entry >= length) wrong = row;
        }
        entries[row] = (uint32_t)entry;
    }
    if (wrong >= 0) {
        status = ucid_fail(error, UCID_DATA_ERROR, "column '%s': a row is no entry of its dictionary of %lld",
                           name_of(schema), (long long)length);
    }
    ArrowArrayViewReset(&view);
    return status;
}

/* --------------------------------------------------------------------------------------------------------- Cells -- */

ucid_status arrow_read_cells(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t first,
                             int64_t count, const ucid_allocator *allocator, arrow_cells *out, ucid_error *error)
{
    struct ArrowSchemaView type;
    ucid_status status = view_schema(arrow_row_schema(schema), name_of(schema), &type, error);
    if (status != UCID_OK) return status;
    if ((kinds_of(type.type) & WHOLES) != 0) {
        status = arrow_read_wholes(schema, array, first, count, allocator, &out->wholes, error);
        out->values = (const uint64_t *)out->wholes.values; /* cells are positive in either type */
        out->validity = out->wholes.validity;
        return status;
    }
    status = arrow_read_texts(schema, array, first, count, allocator, &out->texts, error);
    if (status == UCID_OK) {
        status = arrow_scratch_reserve(&out->value_scratch, allocator, (size_t)(count + 1) * sizeof(uint64_t), error);
    }
    if (status != UCID_OK) return status;
    uint64_t *cells = out->value_scratch.bytes;
    for (int64_t row = 0; row < count; row++) {
        int64_t at = out->texts.offsets[row];
        cells[row] = ucid_cell_parse(out->texts.data + at, (size_t)(out->texts.offsets[row + 1] - at));
    }
    out->values = cells;
    out->validity = out->texts.validity;
    return UCID_OK;
}

/* ------------------------------------------------------------------------------------------------------- Writing -- */

enum { BUFFER_ALIGN = 64 };

/* One allocation a column: this, then its buffers, each aligned to 64 bytes as Arrow asks. */
typedef struct leaf_block {
    ucid_allocator allocator;
    size_t bytes;
    const void *buffers[3];
} leaf_block;

static size_t align_up(size_t bytes) { return (bytes + BUFFER_ALIGN - 1) / BUFFER_ALIGN * BUFFER_ALIGN; }

static void release_leaf(struct ArrowArray *array)
{
    leaf_block *block = array->private_data;
    ucid_allocator allocator = block->allocator;
    ucid_release(&allocator, block, block->bytes, 1);
    array->release = NULL;
}

/* sizes of the buffers; one of size 0 is left out. */
static ucid_status make_leaf(struct ArrowArray *array, int64_t n, const size_t *sizes, int buffers,
                             const ucid_allocator *allocator, void **places, ucid_error *error)
{
    size_t bytes = align_up(sizeof(leaf_block)) + BUFFER_ALIGN;
    for (int i = 0; i < buffers; i++) bytes += align_up(sizes[i]);
    leaf_block *block = ucid_allocate(allocator, bytes, 1);
    if (block == NULL) return ucid_fail_memory(error, "a column", bytes);
    block->allocator = *allocator;
    block->bytes = bytes;
    uintptr_t at = (uintptr_t)block;
    at = (at + sizeof *block + BUFFER_ALIGN - 1) / BUFFER_ALIGN * BUFFER_ALIGN;
    for (int i = 0; i < buffers; i++) {
        places[i] = sizes[i] > 0 ? (void *)at : NULL;
        block->buffers[i] = places[i];
        at += align_up(sizes[i]);
    }
    *array = (struct ArrowArray){
        .length = n, .n_buffers = buffers, .buffers = block->buffers, .release = release_leaf, .private_data = block};
    return UCID_OK;
}

static size_t bitmap_bytes(int64_t n, int nullable) { return nullable ? (size_t)(n + 7) / 8 + 1 : 0; }

ucid_status arrow_leaf_fixed(struct ArrowArray *array, int64_t n, size_t width, int nullable,
                             const ucid_allocator *allocator, arrow_leaf *leaf, ucid_error *error)
{
    void *places[2] = {NULL, NULL};
    size_t sizes[2] = {bitmap_bytes(n, nullable), (size_t)n * width + 1};
    ucid_status status = make_leaf(array, n, sizes, 2, allocator, places, error);
    if (status != UCID_OK) return status;
    if (nullable) memset(places[0], 0xFF, sizes[0]);
    *leaf = (arrow_leaf){array, places[1], NULL, NULL, places[0]};
    return UCID_OK;
}

ucid_status arrow_leaf_text(struct ArrowArray *array, int64_t n, size_t bytes, int nullable, int large,
                            const ucid_allocator *allocator, arrow_leaf *leaf, ucid_error *error)
{
    void *places[3] = {NULL, NULL, NULL};
    size_t width = large ? sizeof(int64_t) : sizeof(int32_t);
    size_t sizes[3] = {bitmap_bytes(n, nullable), (size_t)(n + 1) * width, bytes + 1};
    ucid_status status = make_leaf(array, n, sizes, 3, allocator, places, error);
    if (status != UCID_OK) return status;
    if (nullable) memset(places[0], 0xFF, sizes[0]);
    *leaf = (arrow_leaf){array, places[2], large ? NULL : places[1], large ? places[1] : NULL, places[0]};
    memset(places[1], 0, width); /* the first text begins at 0 */
    return UCID_OK;
}

void arrow_leaf_finish(arrow_leaf *leaf, int64_t n)
{
    leaf->array->null_count = leaf->validity != NULL ? n - ArrowBitCountSet(leaf->validity, 0, n) : 0;
}

ucid_status arrow_leaf_names(struct ArrowArray *array, int64_t n, const uint8_t *codes, const char *(*table)(uint8_t),
                             const uint8_t *validity, int large, const ucid_allocator *allocator, ucid_error *error)
{
    const char *names[256] = {NULL};
    int32_t lengths[256] = {0};
    size_t bytes = 0;
    for (int64_t row = 0; row < n; row++) {
        uint8_t code = codes[row];
        if (names[code] == NULL) {
            names[code] = table(code);
            lengths[code] = (int32_t)strlen(names[code]);
        }
        bytes += (size_t)lengths[code];
    }
    arrow_leaf leaf;
    ucid_status status = arrow_leaf_text(array, n, bytes, validity != NULL, large, allocator, &leaf, error);
    if (status != UCID_OK) return status;
    char *out = leaf.values;
    int64_t at = 0;
    for (int64_t row = 0; row < n; row++) {
        uint8_t code = codes[row];
        if (validity != NULL && !(validity[row >> 3] >> (row & 7) & 1)) {
            arrow_leaf_null(&leaf, row);
        } else {
            for (int32_t i = 0; i < lengths[code]; i++) out[at + i] = names[code][i];
            at += lengths[code];
        }
        arrow_leaf_end(&leaf, row, at);
    }
    arrow_leaf_finish(&leaf, n);
    return UCID_OK;
}

/* The block of a column with a dictionary ends with the dictionary's struct. */
static void release_codes(struct ArrowArray *array)
{
    if (array->dictionary->release != NULL) array->dictionary->release(array->dictionary);
    release_leaf(array);
}

ucid_status arrow_leaf_codes(struct ArrowArray *array, int64_t n, const uint8_t *codes, const char *(*table)(uint8_t),
                             const uint8_t *all, int count, const uint8_t *validity, int large,
                             const ucid_allocator *allocator, ucid_error *error)
{
    struct ArrowArray dictionary, made;
    ucid_status status = arrow_leaf_names(&dictionary, count, all, table, NULL, large, allocator, error);
    if (status != UCID_OK) return status;
    void *places[3] = {NULL, NULL, NULL};
    size_t sizes[3] = {bitmap_bytes(n, validity != NULL), (size_t)n + 1, sizeof dictionary};
    status = make_leaf(&made, n, sizes, 3, allocator, places, error);
    if (status != UCID_OK) {
        dictionary.release(&dictionary);
        return status;
    }
    uint8_t entry[256] = {0};
    for (int i = 0; i < count; i++) entry[all[i]] = (uint8_t)i;
    uint8_t *out = places[1];
    for (int64_t row = 0; row < n; row++) out[row] = entry[codes[row]];
    arrow_leaf leaf = {array, out, NULL, NULL, places[0]};
    if (validity != NULL && n > 0) memcpy(leaf.validity, validity, (size_t)(n + 7) / 8);
    made.n_buffers = 2;
    made.dictionary = places[2];
    *made.dictionary = dictionary;
    made.release = release_codes;
    *array = made;
    arrow_leaf_finish(&leaf, n);
    return UCID_OK;
}

/* What a struct array owns. */
typedef struct struct_block {
    ucid_allocator allocator;
    size_t bytes;
    const void *validity;
    struct ArrowArray **pointers;
} struct_block;

static void release_struct(struct ArrowArray *array)
{
    struct_block *block = array->private_data;
    for (int64_t i = 0; i < array->n_children; i++) {
        struct ArrowArray *child = block->pointers[i];
        if (child->release != NULL) child->release(child);
    }
    ucid_allocator allocator = block->allocator;
    ucid_release(&allocator, block, block->bytes, 1);
    array->release = NULL;
}

ucid_status arrow_struct(struct ArrowArray *array, int64_t n, struct ArrowArray *children, int64_t count,
                         const ucid_allocator *allocator, ucid_error *error)
{
    size_t bytes = sizeof(struct_block) + (size_t)count * (sizeof(struct ArrowArray *) + sizeof(struct ArrowArray));
    struct_block *block = ucid_allocate(allocator, bytes, 1);
    if (block == NULL) return ucid_fail_memory(error, "a batch", bytes);
    struct ArrowArray **pointers = (struct ArrowArray **)(void *)(block + 1);
    struct ArrowArray *structs = (struct ArrowArray *)(void *)(pointers + count);
    *block = (struct_block){*allocator, bytes, NULL, pointers};
    for (int64_t i = 0; i < count; i++) {
        structs[i] = children[i];
        children[i].release = NULL;
        pointers[i] = &structs[i];
    }
    *array = (struct ArrowArray){.length = n,
                                 .n_buffers = 1,
                                 .n_children = count,
                                 .buffers = &block->validity,
                                 .children = count > 0 ? pointers : NULL,
                                 .release = release_struct,
                                 .private_data = block};
    return UCID_OK;
}
