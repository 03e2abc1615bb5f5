/* pool.h: run numbered tasks on several threads. */
#ifndef UCID_RT_POOL_H
#define UCID_RT_POOL_H

#include "ucid.h"

/* One task: task is its number, worker the number of the thread that runs it (0..threads-1), for scratch memory. */
typedef void (*ucid_task_fn)(void *ctx, int64_t task, int worker);

/* Run fn for tasks 0..count-1 on `threads` threads, the caller's among them; return when all are done. Tasks are taken
 * in ascending order. With one thread, or where no thread can be started, the caller runs them all. */
void ucid_parallel(int threads, int64_t count, ucid_task_fn fn, void *ctx);

#endif
