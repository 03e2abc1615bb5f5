/* memory.c: sizes are checked for overflow here and nowhere else. */
#define _DEFAULT_SOURCE /* madvise, sysconf of physical pages */
#include "rt/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { HUGE_PAGE = 2 << 20 };

/* Columns of a batch are new memory where a table is kept, and half of the time of making identifiers was the kernel's,
 * page by page. Where the system gives large pages to those who ask, the whole ones of the new part of a block are
 * asked for. */
static void ask_for_large_pages(void *block, size_t old_bytes, size_t bytes)
{
#ifdef MADV_HUGEPAGE
    uintptr_t first = ((uintptr_t)block + old_bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    uintptr_t end = ((uintptr_t)block + bytes) / HUGE_PAGE * HUGE_PAGE;
    if (first < end) (void)madvise((void *)first, end - first, MADV_HUGEPAGE);
#else
    (void)block;
    (void)old_bytes;
    (void)bytes;
#endif
}

static void *default_allocator(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    (void)ctx;
    if (new_size == 0) {
        free(ptr);
        return NULL;
    }
    void *block = realloc(ptr, new_size);
    if (block != NULL && new_size >= HUGE_PAGE) ask_for_large_pages(block, ptr != NULL ? old_size : 0, new_size);
    return block;
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

static uint64_t read_limit(const char *path)
{
    unsigned long long limit = UINT64_MAX;
    FILE *file = fopen(path, "r");
    if (file == NULL) return UINT64_MAX;
    if (fscanf(file, "%20llu", &limit) != 1) limit = UINT64_MAX; /* "max" */
    fclose(file);
    return limit;
}

uint64_t ucid_memory_size(void)
{
    static const char *const limits[] = {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    uint64_t size = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : UINT64_MAX;
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        uint64_t limit = read_limit(limits[i]);
        if (limit < size) size = limit;
    }
    struct rlimit own;
    if (getrlimit(RLIMIT_AS, &own) == 0 && own.rlim_cur != RLIM_INFINITY && own.rlim_cur < size) size = own.rlim_cur;
    return size;
}
