/* run_heap.h: numbers of sorted runs, the one whose next entry is least at the top; 2i+1 and 2i+2 lie below i. */
#ifndef UCID_KERNEL_RUN_HEAP_H
#define UCID_KERNEL_RUN_HEAP_H

#include <stddef.h>
#include <stdint.h>

/* The run at `at` goes down to where it belongs; all below it are in order. */
static inline void run_heap_sink(uint32_t *heap, size_t count, size_t at,
                                 int (*is_before)(const void *of, uint32_t a, uint32_t b), const void *of)
{
    uint32_t moved = heap[at];
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && is_before(of, heap[child + 1], heap[child])) child++;
        if (!is_before(of, heap[child], moved)) break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

#endif
