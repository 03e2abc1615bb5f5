/* ahead.c: a ring of batches between two threads. The end of the stream, and an error, travel through the ring as a
 * last entry, so they arrive in order. */
#include "ahead.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 8, MESSAGE_MAX = 512 };

typedef struct ahead {
    struct ArrowArrayStream inner;
    struct ArrowArray ring[DEPTH_MAX];
    int depth, first, count;
    int ended;   /* the inner stream has: no more batches will come */
    int failed;  /* its errno, once all batches before are taken */
    int stop;    /* the reader has gone */
    int started; /* the thread runs; before the first get_next the inner stream is the reader's alone */
    char message[MESSAGE_MAX];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
} ahead;

static void keep_error(ahead *self, int failed)
{
    const char *text = self->inner.get_last_error(&self->inner);
    snprintf(self->message, sizeof self->message, "%s", text != NULL ? text : strerror(failed));
}

static void *fill(void *argument)
{
    ahead *self = argument;
    for (;;) {
        pthread_mutex_lock(&self->lock);
        while (self->count == self->depth && !self->stop) pthread_cond_wait(&self->changed, &self->lock);
        int stop = self->stop;
        pthread_mutex_unlock(&self->lock);
        if (stop) return NULL;

        struct ArrowArray batch = {.release = NULL};
        int failed = self->inner.get_next(&self->inner, &batch);

        pthread_mutex_lock(&self->lock);
        if (failed != 0) {
            keep_error(self, failed);
            self->failed = failed;
        }
        if (failed != 0 || batch.release == NULL) {
            self->ended = 1;
        } else {
            self->ring[(self->first + self->count++) % self->depth] = batch;
        }
        int ended = self->ended;
        pthread_cond_broadcast(&self->changed);
        pthread_mutex_unlock(&self->lock);
        if (ended) return NULL;
    }
}

static int get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    ahead *self = stream->private_data;
    if (self->started) return EINVAL;
    int failed = self->inner.get_schema(&self->inner, out);
    if (failed != 0) keep_error(self, failed);
    return failed;
}

static int get_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    ahead *self = stream->private_data;
    if (!self->started) {
        int refused = pthread_create(&self->thread, NULL, fill, self);
        if (refused != 0) {
            snprintf(self->message, sizeof self->message, "no thread that reads ahead: %s", strerror(refused));
            return ENOMEM;
        }
        self->started = 1;
    }
    pthread_mutex_lock(&self->lock);
    while (self->count == 0 && !self->ended) pthread_cond_wait(&self->changed, &self->lock);
    int failed = 0;
    memset(out, 0, sizeof *out);
    if (self->count > 0) {
        *out = self->ring[self->first];
        self->first = (self->first + 1) % self->depth;
        self->count--;
        pthread_cond_broadcast(&self->changed);
    } else {
        failed = self->failed;
    }
    pthread_mutex_unlock(&self->lock);
    return failed;
}

static const char *get_last_error(struct ArrowArrayStream *stream)
{
    ahead *self = stream->private_data;
    return self->message[0] != '\0' ? self->message : NULL;
}

static void release(struct ArrowArrayStream *stream)
{
    ahead *self = stream->private_data;
    pthread_mutex_lock(&self->lock);
    self->stop = 1;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
    if (self->started) pthread_join(self->thread, NULL);
    for (; self->count > 0; self->count--) {
        struct ArrowArray *batch = &self->ring[self->first];
        batch->release(batch);
        self->first = (self->first + 1) % self->depth;
    }
    self->inner.release(&self->inner);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
    free(self);
    stream->release = NULL;
}

ucid_status cli_ahead(struct ArrowArrayStream *inner, int depth, struct ArrowArrayStream *out, ucid_error *error)
{
    ahead *self = calloc(1, sizeof *self);
    if (self == NULL) {
        inner->release(inner);
        if (error != NULL) {
            *error = (ucid_error){.status = UCID_NO_MEMORY, .byte = -1, .row = -1};
            snprintf(error->message, sizeof error->message, "no memory to read ahead");
        }
        return UCID_NO_MEMORY;
    }
    self->inner = *inner;
    inner->release = NULL;
    self->depth = depth < 1 ? 1 : depth > DEPTH_MAX ? DEPTH_MAX : depth;
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
    *out = (struct ArrowArrayStream){get_schema, get_next, get_last_error, release, self};
    return UCID_OK;
}
