/* group_runs.h: groups that do not fit into memory, in a file of runs that are merged when they are read. */
#ifndef UCID_KERNEL_GROUP_RUNS_H
#define UCID_KERNEL_GROUP_RUNS_H

#include "kernel/groups.h"

/* A group as it is in a run. */
typedef struct group_record {
    ucid_group group; /* its key is not that, but the following */
    const char *key;  /* [group.key_length]; NULL: the null key. Read: good until values are, or the next one is */
    ucid_big sum, squares;
} group_record;

typedef struct group_runs group_runs;

/* err NO_MEMORY */
ucid_status group_runs_new(const ucid_allocator *allocator, group_runs **runs, ucid_error *error);
void group_runs_free(group_runs *runs); /* NULL is fine */

/* A run: begin, then each group, ascending by key, and its values and their end where they are kept, then the end. err
 * NO_MEMORY, IO_ERROR */
ucid_status group_runs_begin(group_runs *runs, ucid_error *error);
ucid_status group_runs_put(group_runs *runs, const group_record *record, ucid_error *error);
ucid_status group_runs_put_value(group_runs *runs, uint64_t value, uint32_t count, ucid_error *error); /* count > 0 */
ucid_status group_runs_put_end(group_runs *runs, ucid_error *error); /* of the values of a group */
ucid_status group_runs_end(group_runs *runs, ucid_error *error);

/* All runs from their start, in at most so much memory, or a little for each run. err NO_MEMORY, IO_ERROR */
ucid_status group_runs_open(group_runs *runs, uint64_t memory, ucid_error *error);
/* The least group that is left; NULL: there is none. Groups of one key follow each other. */
const group_record *group_runs_top(const group_runs *runs);
/* The next value of it; *count 0: it was the last. err NO_MEMORY, IO_ERROR */
ucid_status group_runs_value(group_runs *runs, uint64_t *value, uint32_t *count, ucid_error *error);
/* Go on to the next; values, where they are kept, have been read to their end. err NO_MEMORY, IO_ERROR */
ucid_status group_runs_pop(group_runs *runs, ucid_error *error);

/* Whether a key comes after another: byte by byte, the shorter first, the null key before all. */
int group_key_is_after(const char *a, uint32_t a_length, const char *b, uint32_t b_length);

#endif
