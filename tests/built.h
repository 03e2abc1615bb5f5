/* built.h: indexes of the real extracts for tests, and the plainest way to find a place's street. */
#ifndef BUILT_H
#define BUILT_H

#include "index/index.h"

/* A file of the test data, which may be missing; the path lives until the next call. */
const char *built_data(const char *name);

/* An index of an extract, to be closed; the running test is skipped where the extract is missing, and fails where it
 * cannot be built. boundary: a file, or NULL. */
ucid_index *built_index(const char *extract, int threads, const char *boundary);

typedef struct built_foot {
    uint32_t segment; /* UCIDX_NONE: no street in reach */
    uint32_t gap, edge, offset;
} built_foot;

/* All segments are tried: the nearest of the main network within the limit, else of an island. */
built_foot built_nearest(const ucid_index *index, int32_t x_e7, int32_t y_e7);

#endif
