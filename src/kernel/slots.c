/* slots.c: growing doubles the table; hashes are in it, so nothing else is looked at. */
#include "kernel/slots.h"

#include "rt/memory.h"

#include <string.h>

enum { LEAST = 256 };

void slots_reset(slots *s, const ucid_allocator *allocator)
{
    ucid_release(allocator, s->slots, s->count, sizeof *s->slots);
    *s = (slots){0};
}

void slots_clear(slots *s)
{
    if (s->count > 0) memset(s->slots, 0, s->count * sizeof *s->slots);
    s->used = 0;
}

int slots_reserve(slots *s, const ucid_allocator *allocator)
{
    if (2 * (s->used + 1) <= s->count) return 1;
    size_t count = s->count != 0 ? 2 * s->count : LEAST;
    slot *grown = ucid_allocate_zero(allocator, count, sizeof *grown);
    if (grown == NULL) return 0;
    for (size_t i = 0; i < s->count; i++) {
        if (s->slots[i].number == 0) continue;
        size_t at = s->slots[i].hash & (count - 1);
        while (grown[at].number != 0) at = (at + 1) & (count - 1);
        grown[at] = s->slots[i];
    }
    ucid_release(allocator, s->slots, s->count, sizeof *s->slots);
    s->slots = grown;
    s->count = count;
    return 1;
}
