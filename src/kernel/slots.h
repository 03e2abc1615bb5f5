/* slots.h: numbers of groups by hashes of their keys, which stay with the groups: a table that is at most half full. */
#ifndef UCID_KERNEL_SLOTS_H
#define UCID_KERNEL_SLOTS_H

#include "ucid.h"

typedef struct slot {
    uint32_t hash, number; /* of the group + 1; 0: free */
} slot;

typedef struct slots {
    slot *slots;
    size_t count, used; /* count: a power of two, or 0 */
} slots;

#define SLOTS_NONE UINT32_MAX

void slots_reset(slots *s, const ucid_allocator *allocator);
void slots_clear(slots *s);
/* Room for one more, before it is looked for. 0: no memory. */
int slots_reserve(slots *s, const ucid_allocator *allocator);

/* The next number of this hash, *at being the hash at first; SLOTS_NONE: there is no more, and one may be put there. */
static inline uint32_t slots_next(const slots *s, uint32_t hash, size_t *at)
{
    for (*at &= s->count - 1;; *at = (*at + 1) & (s->count - 1)) {
        slot here = s->slots[*at];
        if (here.number == 0) return SLOTS_NONE;
        if (here.hash != hash) continue;
        ++*at;
        return here.number - 1;
    }
}

static inline void slots_put(slots *s, uint32_t hash, size_t at, uint32_t number)
{
    s->slots[at] = (slot){hash, number + 1};
    s->used++;
}

/* The first slot of a hash is fetched; its number, which most often is the one, or 0. */
static inline void slots_fetch(const slots *s, uint32_t hash)
{
    if (s->count != 0) __builtin_prefetch(&s->slots[hash & (s->count - 1)]);
}
static inline uint32_t slots_guess(const slots *s, uint32_t hash)
{
    uint32_t number = s->count != 0 ? s->slots[hash & (s->count - 1)].number : 0;
    return number != 0 ? number - 1 : 0;
}

#endif
