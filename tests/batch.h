/* batch.h: outputs of a batch that can be compared, with each other byte by byte and with brute force. */
#ifndef BATCH_H
#define BATCH_H

#include "brute.h"

#include <stddef.h>

enum { PARTS = 6 };

/* Outputs of a batch, in one piece of memory. */
typedef struct batch {
    int64_t n;
    size_t bytes;
    uint8_t *memory; /* to be freed */
    ucid_scores out;
} batch;

batch batch_new(int64_t n);
ucid_scores batch_from_row(const ucid_scores *out, int64_t row);

/* Equal, or both NaN. */
int batch_same(double a, double b);
/* Fail, and say how they differ, unless row i is the result of brute force in every field. */
void batch_assert_brute(const ucid_scores *s, int64_t i, const brute_result *b, double lat_deg, double lon_deg);

#endif
