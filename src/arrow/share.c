/* share.c: an array's tree of structs is cloned, its buffers are not. Each clone holds a reference to the source, so a
 * consumer may release, or move, any part of any clone in any order and on any thread. */
#include "arrow/share.h"

#include "rt/error.h"
#include "rt/memory.h"

#include <stdatomic.h>
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
    *block = (clone_block){source, count, bytes, pointers};
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
