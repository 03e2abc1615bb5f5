/* aggregate.h: rows of an aggregate of texts whose texts are told once: what a dictionary, or long runs, allow. */
#ifndef UCID_KERNEL_AGGREGATE_H
#define UCID_KERNEL_AGGREGATE_H

#include "ucid.h"

/* As ucid_aggregate_add_keys, the key of row i being that of numbers[i], below keys. Several may be the same text.
 * cost  O(n) and a look-up for each key and thread
 * err   as ucid_aggregate_add_keys */
ucid_status ucid_aggregate_add_numbered(ucid_aggregate *aggregate, int64_t n, const uint32_t *numbers, uint32_t keys,
                                        const char *text, const int32_t *offsets, const ucid_aggregate_rows *rows,
                                        ucid_error *error);

#endif
