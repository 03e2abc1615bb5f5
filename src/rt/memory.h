/* memory.h: all memory of the library goes through a ucid_allocator. */
#ifndef UCID_RT_MEMORY_H
#define UCID_RT_MEMORY_H

#include "ucid.h"

/* malloc and free. */
extern const ucid_allocator ucid_default_allocator;

/* allocator, or the default where it is NULL. */
static inline ucid_allocator ucid_allocator_or_default(const ucid_allocator *allocator)
{
    return allocator != NULL ? *allocator : ucid_default_allocator;
}

/* count * item bytes; NULL on overflow or when memory is out. count 0 gives a pointer that may be freed. */
void *ucid_allocate(const ucid_allocator *allocator, size_t count, size_t item);
/* The same, zeroed. */
void *ucid_allocate_zero(const ucid_allocator *allocator, size_t count, size_t item);
/* Frees; NULL is fine. count and item as allocated. */
void ucid_release(const ucid_allocator *allocator, void *ptr, size_t count, size_t item);

/* Grow *ptr, which holds *capacity items, to hold at least needed: doubling. 1 on success; on 0 all is as it was. */
int ucid_grow(const ucid_allocator *allocator, void **ptr, size_t *capacity, size_t needed, size_t item);

/* Bytes that this process may have at most: what the machine has, or what it or its group of processes is allowed. */
uint64_t ucid_memory_size(void);

#endif
