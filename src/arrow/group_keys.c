/* group_keys.c: what rows are grouped by becomes bytes.
 *
 * The key of a row is the text of its one column as it is, else the values of all columns, written so that bytes have
 * the order of the values:
 *
 *     null 00    text 01, its bytes with 00 as 00 FF, then 00 00    number 01, eight bytes, the highest first */
#include "arrow/group_keys.h"

#include "arrow/fold.h"
#include "arrow/stream.h"
#include "rt/bits.h"
#include "rt/error.h"

#include <math.h>
#include <string.h>

void group_keys_reset(group_keys *keys, const ucid_allocator *allocator)
{
    for (int k = 0; k < keys->count; k++) {
        arrow_texts_reset(&keys->by[k].texts, allocator);
        arrow_wholes_reset(&keys->by[k].wholes, allocator);
        arrow_numbers_reset(&keys->by[k].numbers, allocator);
    }
    arrow_scratch_reset(&keys->bytes, allocator);
    arrow_scratch_reset(&keys->offsets, allocator);
    arrow_scratch_reset(&keys->entries, allocator);
}

static int is_text(enum ArrowType type)
{
    return type == NANOARROW_TYPE_STRING || type == NANOARROW_TYPE_LARGE_STRING || type == NANOARROW_TYPE_STRING_VIEW;
}

ucid_status group_keys_find(group_keys *keys, const struct ArrowSchema *schema, const char *const *names,
                            ucid_error *error)
{
    for (; names != NULL && *names != NULL; names++) {
        if (keys->count == GROUP_KEYS_MAX) {
            return ucid_fail(error, UCID_INVALID_ARGUMENT, "groups by more than %d columns", GROUP_KEYS_MAX);
        }
        group_key_column *k = &keys->by[keys->count];
        k->column = arrow_find(schema, *names, NULL);
        if (k->column < 0) return arrow_missing(schema, *names, "", error);
        for (int i = 0; i < keys->count; i++) {
            if (keys->by[i].column == k->column) {
                return ucid_fail(error, UCID_INVALID_ARGUMENT, "groups twice by column '%s'", *names);
            }
        }
        const struct ArrowSchema *column = schema->children[k->column];
        struct ArrowSchemaView view;
        struct ArrowError reason;
        if (ArrowSchemaViewInit(&view, arrow_row_schema(column), &reason) != NANOARROW_OK) {
            return ucid_fail(error, UCID_DATA_ERROR, "column '%s': %s", *names, reason.message);
        }
        k->type = view.storage_type;
        if (is_text(view.type) || view.type == NANOARROW_TYPE_NA) {
            k->kind = KEY_TEXT;
        } else if (arrow_is_whole((int)view.storage_type) && view.type != NANOARROW_TYPE_DECIMAL32 &&
                   view.type != NANOARROW_TYPE_DECIMAL64) {
            k->kind = KEY_WHOLE;
        } else if (view.type == NANOARROW_TYPE_FLOAT || view.type == NANOARROW_TYPE_DOUBLE) {
            k->kind = KEY_REAL;
        } else {
            char type[64];
            (void)ArrowSchemaToString(column, type, sizeof type, 0);
            return ucid_fail(error, UCID_DATA_ERROR,
                             "column '%s' is %s; groups are by texts, numbers, dates, times and truths", *names, type);
        }
        keys->count++;
    }
    if (keys->count == 0) return ucid_fail(error, UCID_INVALID_ARGUMENT, "no column to group by");
    return UCID_OK;
}

/* -------------------------------------------------------------------------------------------------------- Reading --
 */

static ucid_status read_key(group_key_column *k, const struct ArrowSchema *table, const struct ArrowArray *batch,
                            int64_t first, int64_t count, const ucid_allocator *allocator, ucid_error *error)
{
    const struct ArrowSchema *schema = table->children[k->column];
    const struct ArrowArray *array = batch->children[k->column];
    first += batch->offset;
    if (k->kind == KEY_TEXT) return arrow_read_texts(schema, array, first, count, allocator, &k->texts, error);
    if (k->kind == KEY_WHOLE) return arrow_read_wholes(schema, array, first, count, allocator, &k->wholes, error);
    return arrow_read_numbers(schema, array, first, count, allocator, &k->numbers, error);
}

static char *put_word(char *at, uint64_t word)
{
    *at++ = 1;
    for (int shift = 56; shift >= 0; shift -= 8) *at++ = (char)(uint8_t)(word >> shift);
    return at;
}

/* At most 2 bytes a byte of text and 9 a column. */
static char *put_key(const group_key_column *k, int64_t row, char *at)
{
    const uint8_t *validity = k->kind == KEY_TEXT    ? k->texts.validity
                              : k->kind == KEY_WHOLE ? k->wholes.validity
                                                     : k->numbers.validity;
    if (!bit_is_set(validity, row)) {
        *at++ = 0;
        return at;
    }
    if (k->kind == KEY_WHOLE) {
        uint64_t word = (uint64_t)k->wholes.values[row];
        return put_word(at, k->type == NANOARROW_TYPE_UINT64 ? word : ucid_order_of_whole((int64_t)word));
    }
    if (k->kind == KEY_REAL) {
        double value = k->numbers.values[row];
        return put_word(at, value == value ? ucid_order_of_double(value) : UINT64_MAX);
    }
    *at++ = 1;
    for (int64_t i = k->texts.offsets[row]; i < k->texts.offsets[row + 1]; i++) {
        *at++ = k->texts.data[i];
        if (k->texts.data[i] == '\0') *at++ = (char)(uint8_t)255;
    }
    *at++ = 0;
    *at++ = 0;
    return at;
}

/* Texts behind a dictionary: its texts, and the entry of each row. */
static ucid_status read_entries(group_keys *keys, const struct ArrowSchema *schema, const struct ArrowArray *array,
                                int64_t first, int64_t count, const ucid_allocator *allocator, ucid_group_rows *rows,
                                ucid_error *error)
{
    arrow_texts *texts = &keys->by[0].texts;
    int64_t length = array->dictionary->length;
    ucid_status status =
        arrow_scratch_reserve(&keys->entries, allocator, ((size_t)count + 1) * sizeof(uint32_t), error);
    if (status == UCID_OK) status = arrow_read_entries(schema, array, first, count, keys->entries.bytes, error);
    if (status == UCID_OK) {
        status = arrow_read_texts(schema->dictionary, array->dictionary, 0, length, allocator, texts, error);
    }
    rows->keys = texts->data;
    rows->offsets = texts->offsets;
    rows->key_validity = texts->validity;
    rows->entries = keys->entries.bytes;
    rows->entry_count = length;
    return status;
}

ucid_status group_keys_read(group_keys *keys, const struct ArrowSchema *schema, const struct ArrowArray *batch,
                            int64_t first, int64_t count, int entries, const ucid_allocator *allocator,
                            ucid_group_rows *rows, ucid_error *error)
{
    ucid_status status = UCID_OK;
    if (entries && keys->count == 1 && keys->by[0].kind == KEY_TEXT) {
        const struct ArrowArray *array = batch->children[keys->by[0].column];
        if (array->dictionary != NULL && array->dictionary->length <= count) {
            return read_entries(keys, schema->children[keys->by[0].column], array, batch->offset + first, count,
                                allocator, rows, error);
        }
    }
    size_t bytes = 1;
    for (int k = 0; k < keys->count && status == UCID_OK; k++) {
        status = read_key(&keys->by[k], schema, batch, first, count, allocator, error);
        bytes += 9 * (size_t)count;
        if (status == UCID_OK && keys->by[k].kind == KEY_TEXT) {
            bytes += 2 * (size_t)(keys->by[k].texts.offsets[count] - keys->by[k].texts.offsets[0]);
        }
    }
    if (status == UCID_OK && keys->count == 1 && keys->by[0].kind == KEY_TEXT) {
        const arrow_texts *texts = &keys->by[0].texts;
        rows->keys = texts->data;
        rows->offsets = texts->offsets;
        rows->key_validity = texts->validity;
        return UCID_OK;
    }
    if (status == UCID_OK) status = arrow_scratch_reserve(&keys->bytes, allocator, bytes, error);
    if (status == UCID_OK) {
        status = arrow_scratch_reserve(&keys->offsets, allocator, ((size_t)count + 1) * sizeof(int64_t), error);
    }
    if (status != UCID_OK) return status;
    char *start = keys->bytes.bytes, *at = start;
    int64_t *offsets = keys->offsets.bytes;
    for (int64_t row = 0; row < count; row++) {
        offsets[row] = at - start;
        for (int k = 0; k < keys->count; k++) at = put_key(&keys->by[k], row, at);
    }
    offsets[count] = at - start;
    rows->keys = start;
    rows->offsets = offsets;
    rows->key_validity = NULL;
    return UCID_OK;
}

/* -------------------------------------------------------------------------------------------------------- Writing --
 */

/* Length of what put_key wrote. */
static size_t key_length(const group_key_column *k, const char *at)
{
    if (at[0] == 0) return 1;
    if (k->kind != KEY_TEXT) return 9;
    size_t length = 1;
    while (at[length] != 0 || at[length + 1] != 0) length += at[length] == 0 ? 2 : 1;
    return length + 2;
}

/* Where the key's part for column `which` is, with its length; NULL: null. */
static const char *key_part(const group_keys *keys, const ucid_groups *groups, int64_t row, int which, size_t *length)
{
    uint32_t number = ucid_groups_at(groups, row);
    const char *at = ucid_groups_key(groups, number);
    if (keys->count == 1 && keys->by[0].kind == KEY_TEXT) {
        *length = at != NULL ? ucid_groups_get(groups, number)->key_length : 0;
        return at;
    }
    for (int k = 0; k < which; k++) at += key_length(&keys->by[k], at);
    *length = key_length(&keys->by[which], at);
    return at[0] != 0 ? at : NULL;
}

static ucid_status make_text_key(const group_keys *keys, const ucid_groups *groups, int64_t count, int which,
                                 struct ArrowArray *column, const ucid_allocator *allocator, ucid_error *error)
{
    int plain = keys->count == 1;
    size_t bytes = 0, length;
    for (int64_t row = 0; row < count; row++) {
        if (key_part(keys, groups, row, which, &length) != NULL) bytes += length;
    }
    if (bytes > INT32_MAX) return ucid_fail(error, UCID_INVALID_ARGUMENT, "keys of more than 2 GB");
    arrow_leaf leaf;
    ucid_status status = arrow_leaf_text(column, count, bytes + 1, 1, 0, allocator, &leaf, error);
    if (status != UCID_OK) return status;
    char *start = leaf.values, *at = start;
    for (int64_t row = 0; row < count; row++) {
        const char *part = key_part(keys, groups, row, which, &length);
        if (part == NULL) {
            arrow_leaf_null(&leaf, row);
        } else if (plain) {
            if (length > 0) memcpy(at, part, length);
            at += length;
        } else {
            for (size_t i = 1; i < length - 2; i++) {
                *at++ = part[i];
                if (part[i] == 0) i++;
            }
        }
        leaf.offsets[row + 1] = (int32_t)(at - start);
    }
    arrow_leaf_finish(&leaf, count);
    return UCID_OK;
}

static size_t width_of(enum ArrowType type)
{
    switch (type) {
    case NANOARROW_TYPE_BOOL:
    case NANOARROW_TYPE_INT8:
    case NANOARROW_TYPE_UINT8: return 1;
    case NANOARROW_TYPE_INT16:
    case NANOARROW_TYPE_UINT16: return 2;
    case NANOARROW_TYPE_INT32:
    case NANOARROW_TYPE_UINT32: return 4;
    default: return 8;
    }
}

static ucid_status make_number_key(const group_keys *keys, const ucid_groups *groups, int64_t count, int which,
                                   struct ArrowArray *column, const ucid_allocator *allocator, ucid_error *error)
{
    const group_key_column *k = &keys->by[which];
    size_t width = k->kind == KEY_REAL ? 8 : width_of(k->type), length;
    arrow_leaf leaf;
    ucid_status status = arrow_leaf_fixed(column, count, width, 1, allocator, &leaf, error);
    if (status != UCID_OK) return status;
    char *at = leaf.values;
    if (count > 0) memset(at, 0, (size_t)count * width);
    for (int64_t row = 0; row < count; row++) {
        const char *part = key_part(keys, groups, row, which, &length);
        if (part == NULL) {
            arrow_leaf_null(&leaf, row);
            continue;
        }
        uint64_t word = 0;
        for (int i = 1; i <= 8; i++) word = word << 8 | (uint8_t)part[i];
        if (k->kind == KEY_REAL) {
            double value = word != UINT64_MAX ? ucid_double_of_order(word) : (double)NAN;
            memcpy(at + row * 8, &value, 8);
            continue;
        }
        if (k->type != NANOARROW_TYPE_UINT64) word = (uint64_t)ucid_whole_of_order(word);
        if (k->type == NANOARROW_TYPE_BOOL) {
            at[row >> 3] = (char)(at[row >> 3] | (char)(word << (row & 7)));
        } else {
            memcpy(at + (size_t)row * width, &word, width);
        }
    }
    arrow_leaf_finish(&leaf, count);
    return UCID_OK;
}

ucid_status group_keys_make(const group_keys *keys, const ucid_groups *groups, int64_t count,
                            struct ArrowArray *columns, const ucid_allocator *allocator, ucid_error *error)
{
    ucid_status status = UCID_OK;
    for (int k = 0; k < keys->count && status == UCID_OK; k++) {
        status = (keys->by[k].kind == KEY_TEXT ? make_text_key : make_number_key)(keys, groups, count, k, &columns[k],
                                                                                  allocator, error);
    }
    return status;
}

ArrowErrorCode group_keys_describe(const group_keys *keys, const struct ArrowSchema *schema, struct ArrowSchema *out)
{
    ArrowErrorCode code = NANOARROW_OK;

    for (int k = 0; k < keys->count && code == NANOARROW_OK; k++) {
        const struct ArrowSchema *given = schema->children[keys->by[k].column];
        const char *whole = arrow_row_schema(given)->format;
        const char *format = keys->by[k].kind == KEY_TEXT ? "u" : keys->by[k].kind == KEY_REAL ? "g" : whole;
        code = arrow_fold_column(out->children[k], given->name, format, 1);
    }
    return code;
}
