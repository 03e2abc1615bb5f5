/* score.h: one call of ucid_score, as the contexts see it. */
#ifndef UCID_KERNEL_SCORE_H
#define UCID_KERNEL_SCORE_H

#include "kernel/boundary.h"
#include "kernel/context.h"
#include "kernel/ctx_15min.h"
#include "kernel/snap.h"

/* Find the cells of n places: those that may have a street in reach are appended to found, which has room for
 * LOCATE_SPARE more than n; every row gets what it is without a street: OFF_NETWORK, OUTSIDE_INDEX or
 * INVALID_COORDINATES. Returns their number. */
typedef uint32_t (*locate_fn)(const ucid_index *index, const double *lat_deg, const double *lon_deg, uint32_t n,
                              place *found, score_row *rows);
enum { LOCATE_SPARE = 8 };

/* The row of a place without a street. */
static inline score_row score_refuse(ucid_status status)
{
    if (status == UCID_OFF_NETWORK) return (score_row){0, ROW_NONE, 10, UCID_GRADE_F, UCID_OFF_NETWORK, 0};
    return (score_row){ROW_NONE, ROW_NONE, ROW_UNSURE, UCID_GRADE_F, (uint8_t)status, 0};
}

/* The kernels that exist in several widths. All of them give the same bits. */
typedef struct score_kernels {
    const char *name; /* "avx512", "avx2", "scalar" */
    locate_fn locate;
    snap_fn snap;
    fifteen_reach_fn reach;
} score_kernels;

/* Kernels by name, NULL where this processor has none such; the fastest for NULL. */
const score_kernels *score_kernels_find(const char *name);

uint32_t locate_avx512(const ucid_index *index, const double *lat_deg, const double *lon_deg, uint32_t n, place *found,
                       score_row *rows);
void snap_avx2(const ucid_index *index, const place *places, const place_range *ranges, int n, snap_foot *feet);
void snap_avx512(const ucid_index *index, const place *places, const place_range *ranges, int n, snap_foot *feet);
void fifteen_reach_avx2(const ucid_index *index, const fifteen_stand *stands, int n, fifteen_reached *reached);

typedef struct score_job {
    const ucid_index *index;
    const context_row *context;
    const score_kernels *kernels;
    fifteen_setup setup;
    int64_t n, chunk; /* rows; of a chunk */
    const double *lat_deg, *lon_deg;
    const uint8_t *validity;
    ucid_scores out;
    boundary inside;
    struct score_scratch *scratch; /* [threads] */
} score_job;

/* Write rows first.. of the outputs. parts: [n], where an output needs them. */
void score_write(const ucid_scores *out, int64_t first, const score_row *rows, const score_parts *parts, int64_t n);

/* Standard options for NULL, and the context that they name. err INVALID_ARGUMENT, CONTEXT_NOT_FOUND */
ucid_status score_check_options(const ucid_score_options **options, const context_row **context, ucid_error *error);

/* ucid_score with the kernels of a name. */
ucid_status score_with(const score_kernels *kernels, const ucid_index *index, int64_t n, const double *lat_deg,
                       const double *lon_deg, const uint8_t *validity, const ucid_score_options *options,
                       const ucid_scores *scores, ucid_error *error);

#endif
