/* tally.h: which values the rows of each group have, and how often: what order statistics are made of. */
#ifndef UCID_KERNEL_TALLY_H
#define UCID_KERNEL_TALLY_H

#include "ucid.h"

typedef struct ucid_tallied {
    uint64_t value; /* numbers in the order of the values */
    uint32_t group, count;
} ucid_tallied;

typedef struct ucid_tally ucid_tally;

/* memory: bytes that may be held; what is beyond goes into a file. err NO_MEMORY */
ucid_status ucid_tally_new(const ucid_allocator *allocator, uint64_t memory, ucid_tally **values, ucid_error *error);
void ucid_tally_free(ucid_tally *values); /* NULL is fine */

/* err   NO_MEMORY, IO_ERROR: no room for the file */
ucid_status ucid_tally_add(ucid_tally *values, uint32_t group, uint64_t value, uint64_t count, ucid_error *error);

/* All of them, ascending by group and value; one value of a group may come several times. begin may be called again,
 * also after more were added. err NO_MEMORY, IO_ERROR */
ucid_status ucid_tally_begin(ucid_tally *values, ucid_error *error);
/* 0 in *there: that was the last. */
ucid_status ucid_tally_next(ucid_tally *values, ucid_tallied *value, int *there, ucid_error *error);

void ucid_tally_clear(ucid_tally *values);
/* Group g becomes to[g]. err NO_MEMORY, IO_ERROR: some have their old numbers */
ucid_status ucid_tally_renumber(ucid_tally *values, const uint32_t *to, ucid_error *error);

#endif
