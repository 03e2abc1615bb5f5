/* context.h: what a context is to the kernels: its public description and the constants of its formula. */
#ifndef UCID_KERNEL_CONTEXT_H
#define UCID_KERNEL_CONTEXT_H

#include "kernel/place.h"
#include "kernel/snap.h"

struct score_job;

/* What a row has become: lengths in 1/32 m, numbers in hundredths, ROW_NONE and ROW_UNSURE where there is none. Rows
 * are written here in any order, and from here into columns of doubles one after another. */
typedef struct score_row {
    uint16_t score, gap;
    uint8_t confidence, grade, status, flags;
} score_row;
typedef struct score_parts {
    uint16_t part[UCID_PARTS_MAX], nearest[UCID_PARTS_MAX];
} score_parts;
enum { ROW_NONE = 0xFFFF, ROW_UNSURE = 0xFF };

/* One row of the context table. */
typedef struct context_row {
    const ucid_context *context;
    /* Bring near what scoring a group of places, 1..SNAP_GROUP, will read. */
    void (*fetch)(const ucid_index *index, const snap_foot *feet, int n);
    /* Score a group of places that stand on the streets named by feet; each fills the row that it names. parts: NULL
     * where nobody asks. */
    void (*score)(const struct score_job *job, const place *places, const snap_foot *feet, int n, score_row *rows,
                  score_parts *parts);
} context_row;

/* The row of a context, NULL where there is none. */
const context_row *context_find(const char *id);

#endif
