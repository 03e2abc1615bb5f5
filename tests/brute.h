/* brute.h: the score of a place, computed plainly: all segments are tried, streets are searched from the place, and
 * formulas are those of the documents. Shares with the kernels only the definition of "near" (index/near.h). */
#ifndef BRUTE_H
#define BRUTE_H

#include "index/index.h"

typedef struct brute_result {
    int status, grade, flags;
    double score, confidence, snap_m, part[6], nearest_m[6];
} brute_result;

typedef struct brute brute;

brute *brute_new(const ucid_index *index);
void brute_free(brute *b);
brute_result brute_score(brute *b, double lat_deg, double lon_deg, uint32_t hour);

#endif
