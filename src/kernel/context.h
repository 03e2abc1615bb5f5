/* context.h: what a context is to the kernels: its public description and the constants of its formula. */
#ifndef UCID_KERNEL_CONTEXT_H
#define UCID_KERNEL_CONTEXT_H

#include "kernel/place.h"
#include "kernel/snap.h"

struct score_job;

/* One row of the context table. */
typedef struct context_row {
    const ucid_context *context;
    /* Score a group of places, 1..SNAP_GROUP, that stand on the streets named by feet, and write their rows. */
    void (*score)(const struct score_job *job, int64_t first_row, const place *places, const snap_foot *feet, int n);
    /* Write the row of a place without a street in reach. */
    void (*off_network)(const struct score_job *job, int64_t row);
} context_row;

/* The row of a context, NULL where there is none. */
const context_row *context_find(const char *id);

#endif
