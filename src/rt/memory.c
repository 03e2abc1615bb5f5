/* memory.c: sizes are checked for overflow here and nowhere else. */
#include "rt/memory.h"

#include <stdlib.h>
#include <string.h>

static void *default_allocator(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    (void)ctx;
    (void)old_size;
    if (new_size == 0) {
        free(ptr);
        return NULL;
    }
    return realloc(ptr, new_size);
}

const ucid_allocator ucid_default_allocator = {default_allocator, NULL};

static size_t byte_size(size_t count, size_t item)
{
    if (item != 0 && count > (SIZE_MAX / 2) / item) return 0; /* too large */
    size_t bytes = count * item;
    return bytes != 0 ? bytes : 1;
}

void *ucid_allocate(const ucid_allocator *allocator, size_t count, size_t item)
{
    size_t bytes = byte_size(count, item);
    return bytes != 0 ? allocator->fn(allocator->ctx, NULL, 0, bytes) : NULL;
}

void *ucid_allocate_zero(const ucid_allocator *allocator, size_t count, size_t item)
{
    void *ptr = ucid_allocate(allocator, count, item);
    if (ptr != NULL) memset(ptr, 0, byte_size(count, item));
    return ptr;
}

void ucid_release(const ucid_allocator *allocator, void *ptr, size_t count, size_t item)
{
    if (ptr != NULL) allocator->fn(allocator->ctx, ptr, byte_size(count, item), 0);
}

int ucid_grow(const ucid_allocator *allocator, void **ptr, size_t *capacity, size_t needed, size_t item)
{
    if (needed <= *capacity) return 1;
    size_t target = *capacity < 8 ? 16 : *capacity * 2;
    if (target < needed) target = needed;
    size_t bytes = byte_size(target, item);
    if (bytes == 0) return 0;
    void *grown = allocator->fn(allocator->ctx, *ptr, *ptr != NULL ? byte_size(*capacity, item) : 0, bytes);
    if (grown == NULL) return 0;
    *ptr = grown;
    *capacity = target;
    return 1;
}
