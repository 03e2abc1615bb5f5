/* recycler.c: columns of a batch are some megabytes, and allocators give those back to the system, which clears each
 * page anew for the next batch: a fifth of the time of scoring. Batches of a stream are alike, so are their blocks,
 * and who writes them gives them back in turn. Blocks that are kept lie in a list, the last one first, since it may
 * still be in a cache; one serves where it is large enough and at most half of it is spared. Who keeps every batch
 * gives nothing back, and nothing is kept.
 *
 *     large block: [ next, bytes; 64 in all ][ what was asked for ]
 */
#include "rt/recycler.h"

#include "rt/memory.h"

#include <pthread.h>
#include <string.h>

enum { HEADER = 64, LARGE = 1 << 17, KEPT_MAX = 64 << 20 }; /* bytes; what is smaller is not kept */

typedef struct kept_block {
    struct kept_block *next;
    size_t bytes; /* with the header */
} kept_block;

struct ucid_recycler {
    ucid_allocator below;
    pthread_mutex_t lock;
    kept_block *kept;
    size_t kept_bytes;
    int64_t out; /* blocks that somebody has, small ones too: they call this one when they go */
    int left;
};

static void free_block(const ucid_recycler *self, kept_block *block)
{
    (void)self->below.fn(self->below.ctx, block, block->bytes, 0);
}

static void free_recycler(ucid_recycler *self)
{
    ucid_allocator below = self->below;
    pthread_mutex_destroy(&self->lock);
    ucid_release(&below, self, 1, sizeof *self);
}

/* A large block that is kept and fits; NULL where there is none. */
static kept_block *find_kept(ucid_recycler *self, size_t whole)
{
    for (kept_block **at = &self->kept; *at != NULL; at = &(*at)->next) {
        kept_block *block = *at;
        if (block->bytes < whole || block->bytes / 2 > whole) continue;
        *at = block->next;
        self->kept_bytes -= block->bytes;
        return block;
    }
    return NULL;
}

static void *take(ucid_recycler *self, size_t bytes)
{
    int large = bytes >= LARGE;
    size_t whole = large ? bytes + HEADER : bytes;
    pthread_mutex_lock(&self->lock);
    kept_block *block = large ? find_kept(self, whole) : NULL;
    self->out++;
    pthread_mutex_unlock(&self->lock);
    if (block == NULL) {
        block = self->below.fn(self->below.ctx, NULL, 0, whole);
        if (block != NULL && large) block->bytes = whole;
    }
    if (block != NULL) return (char *)block + (large ? HEADER : 0);
    pthread_mutex_lock(&self->lock);
    self->out--; /* the stream has not left: it is asking */
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

static void give_back(ucid_recycler *self, void *ptr, size_t bytes)
{
    int large = bytes >= LARGE;
    kept_block *block = large ? (kept_block *)(void *)((char *)ptr - HEADER) : NULL;
    pthread_mutex_lock(&self->lock);
    int keep = large && !self->left && self->kept_bytes + block->bytes <= KEPT_MAX;
    if (keep) {
        block->next = self->kept;
        self->kept = block;
        self->kept_bytes += block->bytes;
    }
    int last = --self->out == 0 && self->left;
    pthread_mutex_unlock(&self->lock);
    if (large && !keep) free_block(self, block);
    if (!large) (void)self->below.fn(self->below.ctx, ptr, bytes, 0);
    if (last) free_recycler(self);
}

static void *recycle(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    ucid_recycler *self = ctx;
    void *made = new_size > 0 ? take(self, new_size) : NULL;
    if (ptr == NULL || (new_size > 0 && made == NULL)) return made;
    if (made != NULL) memcpy(made, ptr, old_size < new_size ? old_size : new_size);
    give_back(self, ptr, old_size);
    return made;
}

ucid_recycler *ucid_recycler_new(const ucid_allocator *below)
{
    ucid_recycler *self = ucid_allocate_zero(below, 1, sizeof *self);
    if (self == NULL) return NULL;
    self->below = *below;
    if (pthread_mutex_init(&self->lock, NULL) != 0) {
        ucid_release(below, self, 1, sizeof *self);
        return NULL;
    }
    return self;
}

ucid_allocator ucid_recycler_allocator(ucid_recycler *recycler) { return (ucid_allocator){recycle, recycler}; }

void ucid_recycler_leave(ucid_recycler *recycler)
{
    if (recycler == NULL) return;
    pthread_mutex_lock(&recycler->lock);
    recycler->left = 1;
    kept_block *kept = recycler->kept;
    recycler->kept = NULL;
    int last = recycler->out == 0;
    pthread_mutex_unlock(&recycler->lock);
    while (kept != NULL) {
        kept_block *next = kept->next;
        free_block(recycler, kept);
        kept = next;
    }
    if (last) free_recycler(recycler);
}
