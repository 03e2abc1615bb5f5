/* aggregate.h: rows of an aggregate of texts whose texts are told once: what a dictionary, or long runs, allow; and
 * states as bytes, for whoever does not look at them. */
#ifndef UCID_KERNEL_AGGREGATE_H
#define UCID_KERNEL_AGGREGATE_H

#include "ucid.h"

/* As ucid_aggregate_add_keys, the key of row i being that of numbers[i], below keys. Several may be the same text.
 * cost  O(n) and a look-up for each key and thread
 * err   as ucid_aggregate_add_keys */
ucid_status ucid_aggregate_add_numbered(ucid_aggregate *aggregate, int64_t n, const uint32_t *numbers, uint32_t keys,
                                        const char *text, const int32_t *offsets, const ucid_aggregate_rows *rows,
                                        ucid_error *error);

/* Groups [first, first + count), ascending by key, of an aggregate that is sorted, as bytes for the function below;
 * returns how many. NULL: only that. cost  40 bytes a group of less than 2^16 rows of weight 1, 160 any other. */
size_t ucid_aggregate_pack(const ucid_aggregate *aggregate, int64_t first, int64_t count, uint8_t *bytes);

/* Add states of groups, of equal or finer cells, or of texts, as bytes.
 * err   DATA_ERROR: these are none, or not of this kind of key; NO_MEMORY. Some may have been added */
ucid_status ucid_aggregate_add_packed(ucid_aggregate *aggregate, const uint8_t *bytes, size_t length,
                                      ucid_error *error);

#endif
