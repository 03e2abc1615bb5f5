/* pool.c: threads live for one call. A batch is tens of thousands of rows, so starting one (some 20 us) costs nothing
 * that could be measured, and nothing stays behind: no state to fork, no pool to shut down. */
#include "rt/pool.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS_MAX = 256 };

typedef struct crew {
    ucid_task_fn fn;
    void *ctx;
    int64_t count;
    _Atomic int64_t next;
} crew;

typedef struct worker {
    crew *crew;
    int number;
    pthread_t thread;
} worker;

static void *run_worker(void *argument)
{
    worker *self = argument;
    crew *work = self->crew;
    for (;;) {
        int64_t task = atomic_fetch_add_explicit(&work->next, 1, memory_order_relaxed);
        if (task >= work->count) return NULL;
        work->fn(work->ctx, task, self->number);
    }
}

void ucid_parallel(int threads, int64_t count, ucid_task_fn fn, void *ctx)
{
    if (threads > count) threads = (int)count;
    if (threads > THREADS_MAX) threads = THREADS_MAX;
    if (threads < 1) threads = 1;
    crew work = {.fn = fn, .ctx = ctx, .count = count};
    worker workers[THREADS_MAX];
    int started = 1;
    for (int i = 0; i < threads; i++) workers[i] = (worker){.crew = &work, .number = i};
    while (started < threads && pthread_create(&workers[started].thread, NULL, run_worker, &workers[started]) == 0) {
        started++;
    }
    run_worker(&workers[0]);
    for (int i = 1; i < started; i++) pthread_join(workers[i].thread, NULL);
}
