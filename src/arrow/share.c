/* share.c: an array's tree of structs is cloned, its buffers are not. Each clone holds a reference to the source, so a
 * consumer may release, or move, any part of any clone in any order and on any thread. */
#include "arrow/share.h"

#include "rt/bits.h"
#include "rt/error.h"
#include "rt/memory.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct arrow_source {
    struct ArrowArray array;
    ucid_allocator allocator;
    _Atomic int64_t references;
};

/* What a clone owns: the structs of its children and of its dictionary, and a reference. */
typedef struct clone_block {
    arrow_source *source;
    int64_t count; /* children, then the dictionary where there is one */
    size_t bytes;
    struct ArrowArray **pointers;
    void *taken; /* buffers of its own, or NULL */
    size_t taken_bytes;
} clone_block;

void arrow_source_release(arrow_source *source)
{
    if (source == NULL || atomic_fetch_sub_explicit(&source->references, 1, memory_order_acq_rel) != 1) return;
    if (source->array.release != NULL) source->array.release(&source->array);
    ucid_allocator allocator = source->allocator;
    ucid_release(&allocator, source, 1, sizeof *source);
}

const struct ArrowArray *arrow_source_get(const arrow_source *source) { return &source->array; }

ucid_status arrow_source_new(struct ArrowArray *array, const ucid_allocator *allocator, arrow_source **source,
                             ucid_error *error)
{
    arrow_source *made = ucid_allocate(allocator, 1, sizeof *made);
    if (made == NULL) return ucid_fail_memory(error, "a batch", sizeof *made);
    made->array = *array;
    made->allocator = *allocator;
    atomic_init(&made->references, 1);
    array->release = NULL;
    *source = made;
    return UCID_OK;
}

static void release_clone(struct ArrowArray *array)
{
    clone_block *block = array->private_data;
    for (int64_t i = 0; i < block->count; i++) {
        struct ArrowArray *part = block->pointers[i];
        if (part->release != NULL) part->release(part);
    }
    arrow_source *source = block->source;
    ucid_allocator allocator = source->allocator;
    ucid_release(&allocator, block->taken, block->taken_bytes, 1);
    ucid_release(&allocator, block, block->bytes, 1);
    arrow_source_release(source);
    array->release = NULL;
}

static ucid_status clone_array(arrow_source *source, const struct ArrowArray *from, struct ArrowArray *to,
                               ucid_error *error)
{
    int64_t count = from->n_children + (from->dictionary != NULL);
    size_t bytes = sizeof(clone_block) + (size_t)count * (sizeof(struct ArrowArray *) + sizeof(struct ArrowArray));
    clone_block *block = ucid_allocate(&source->allocator, bytes, 1);
    if (block == NULL) return ucid_fail_memory(error, "a batch", bytes);
    struct ArrowArray **pointers = (struct ArrowArray **)(void *)(block + 1);
    struct ArrowArray *structs = (struct ArrowArray *)(void *)(pointers + count);
    *block = (clone_block){source, count, bytes, pointers, NULL, 0};
    for (int64_t i = 0; i < count; i++) {
        structs[i] = (struct ArrowArray){0};
        pointers[i] = &structs[i];
    }
    *to = *from;
    to->children = from->n_children > 0 ? pointers : NULL;
    to->dictionary = from->dictionary != NULL ? pointers[from->n_children] : NULL;
    to->private_data = block;
    to->release = release_clone;
    atomic_fetch_add_explicit(&source->references, 1, memory_order_relaxed);
    for (int64_t i = 0; i < count; i++) {
        const struct ArrowArray *part = i < from->n_children ? from->children[i] : from->dictionary;
        ucid_status status = clone_array(source, part, &structs[i], error);
        if (status != UCID_OK) {
            release_clone(to);
            return status;
        }
    }
    return UCID_OK;
}

ucid_status arrow_share_rows(arrow_source *source, int64_t child, int64_t first, int64_t count, struct ArrowArray *rows,
                             ucid_error *error)
{
    const struct ArrowArray *batch = &source->array;
    ucid_status status = clone_array(source, batch->children[child], rows, error);
    if (status != UCID_OK) return status;
    if (first != 0 || batch->offset != 0 || count != rows->length) {
        rows->offset += batch->offset + first;
        rows->length = count;
        if (rows->null_count != 0) rows->null_count = -1;
    }
    return UCID_OK;
}

/* -------------------------------------------------------------------------------------------------- Taking rows -- */

arrow_rows arrow_rows_of(const struct ArrowSchema *schema, size_t *width)
{
    static const struct {
        const char *formats;
        arrow_rows rows;
        size_t width;
    } kinds[] = {{"n ", ARROW_ROWS_NULL, 0},
                 {"b ", ARROW_ROWS_BITS, 0},
                 {"c C ", ARROW_ROWS_FIXED, 1},
                 {"s S e ", ARROW_ROWS_FIXED, 2},
                 {"i I f tdD tts ttm tiM ", ARROW_ROWS_FIXED, 4},
                 {"l L g tdm ttu ttn tDs tDm tDu tDn tiD ", ARROW_ROWS_FIXED, 8},
                 {"vu vz tin ", ARROW_ROWS_FIXED, 16},
                 {"u z ", ARROW_ROWS_TEXT, 4},
                 {"U Z ", ARROW_ROWS_TEXT, 8}};
    const char *format = schema->format;
    size_t length = strlen(format);
    if (length > 2 && memcmp(format, "w:", 2) == 0) {
        *width = (size_t)strtoul(format + 2, NULL, 10);
        return ARROW_ROWS_FIXED;
    }
    if (length > 2 && memcmp(format, "d:", 2) == 0) { /* d:precision,scale[,bits] */
        const char *comma = strchr(format, ','), *bits = comma != NULL ? strchr(comma + 1, ',') : NULL;
        *width = bits != NULL ? (size_t)strtoul(bits + 1, NULL, 10) / 8 : 16;
        return ARROW_ROWS_FIXED;
    }
    if (length > 4 && memcmp(format, "ts", 2) == 0 && format[3] == ':') { /* with a time zone */
        *width = 8;
        return ARROW_ROWS_FIXED;
    }
    if (length == 4 && memcmp(format, "ts", 2) == 0) {
        *width = 8;
        return ARROW_ROWS_FIXED;
    }
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        const char *found = strstr(kinds[k].formats, format);
        if (found == NULL || found[length] != ' ' || (found > kinds[k].formats && found[-1] != ' ')) continue;
        *width = kinds[k].width;
        return kinds[k].rows;
    }
    return ARROW_ROWS_NONE;
}

/* Bytes of all rows' texts, or -1 where the offsets are none. */
static int64_t text_bytes(const struct ArrowArray *from, size_t width, const int64_t *rows, int64_t count)
{
    const int32_t *narrow = from->buffers[1];
    const int64_t *wide = from->buffers[1];
    int64_t sum = 0;
    for (int64_t i = 0; i < count; i++) {
        int64_t at = from->offset + rows[i];
        int64_t length = width == 4 ? (int64_t)narrow[at + 1] - narrow[at] : wide[at + 1] - wide[at];
        if (length < 0 || length > INT64_MAX - sum) return -1;
        sum += length;
    }
    return sum;
}

static void take_text(const struct ArrowArray *from, size_t width, const int64_t *rows, int64_t count, void *offsets,
                      char *to)
{
    const int32_t *narrow = from->buffers[1];
    const int64_t *wide = from->buffers[1];
    const char *bytes = from->buffers[2];
    int64_t sum = 0;
    for (int64_t i = 0; i <= count; i++) {
        if (width == 4) ((int32_t *)offsets)[i] = (int32_t)sum;
        if (width == 8) ((int64_t *)offsets)[i] = sum;
        if (i == count) return;
        int64_t at = from->offset + rows[i], first = width == 4 ? narrow[at] : wide[at];
        int64_t length = (width == 4 ? narrow[at + 1] : wide[at + 1]) - first;
        if (length > 0) memcpy(to + sum, bytes + first, (size_t)length);
        sum += length;
    }
}

static size_t rounded(size_t bytes) { return (bytes + 63) & ~(size_t)63; }

ucid_status arrow_take_rows(arrow_source *source, const struct ArrowSchema *schema, int64_t child, const int64_t *rows,
                            int64_t count, struct ArrowArray *taken, ucid_error *error)
{
    const struct ArrowArray *from = source->array.children[child];
    size_t width = 0, n = (size_t)count;
    arrow_rows kind = arrow_rows_of(schema, &width);
    ucid_status status = clone_array(source, from, taken, error);
    if (status != UCID_OK) return status;
    taken->length = count;
    if (kind == ARROW_ROWS_NULL) {
        taken->offset = 0, taken->null_count = count;
        return UCID_OK;
    }
    const uint8_t *validity = from->null_count != 0 ? from->buffers[0] : NULL;
    int64_t texts = kind == ARROW_ROWS_TEXT ? text_bytes(from, width, rows, count) : 0;
    if (texts < 0 || (width == 4 && kind == ARROW_ROWS_TEXT && texts > INT32_MAX)) {
        taken->release(taken);
        return ucid_fail(error, UCID_DATA_ERROR, "column '%s': %s", schema->name != NULL ? schema->name : "",
                         texts < 0 ? "offsets go down" : "a batch has over 2^31 bytes of it");
    }
    size_t pointers = rounded((size_t)from->n_buffers * sizeof(void *)), bits = rounded((n + 7) / 8);
    size_t values = kind == ARROW_ROWS_BITS ? bits : rounded((n + 1) * width);
    clone_block *block = taken->private_data;
    block->taken_bytes = pointers + bits + values + rounded((size_t)texts);
    block->taken = ucid_allocate_zero(&source->allocator, block->taken_bytes, 1);
    if (block->taken == NULL) {
        taken->release(taken);
        return ucid_fail_memory(error, "a batch", pointers + bits + values + (size_t)texts);
    }
    const void **buffers = block->taken;
    char *at = (char *)block->taken + pointers;
    memcpy(buffers, from->buffers, (size_t)from->n_buffers * sizeof *buffers);
    taken->buffers = buffers, taken->offset = 0, taken->null_count = 0;
    buffers[0] = NULL;
    if (validity != NULL) {
        for (int64_t i = 0; i < count; i++) {
            int valid = bit_is_set(validity, from->offset + rows[i]);
            at[i >> 3] = (char)(at[i >> 3] | valid << (i & 7));
            taken->null_count += !valid;
        }
        buffers[0] = at;
    }
    char *to = at + bits;
    buffers[1] = to;
    if (kind == ARROW_ROWS_TEXT) {
        buffers[2] = to + values;
        take_text(from, width, rows, count, to, to + values);
    } else if (kind == ARROW_ROWS_BITS) {
        for (int64_t i = 0; i < count; i++) {
            to[i >> 3] = (char)(to[i >> 3] | bit_is_set(from->buffers[1], from->offset + rows[i]) << (i & 7));
        }
    } else {
        const char *old = from->buffers[1];
        for (int64_t i = 0; i < count; i++) {
            memcpy(to + (size_t)i * width, old + (size_t)(from->offset + rows[i]) * width, width);
        }
    }
    return UCID_OK;
}
