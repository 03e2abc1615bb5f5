/* groups.h: any numbers by any keys: counts, exact sums, extremes and order statistics of each group. */
#ifndef UCID_KERNEL_GROUPS_H
#define UCID_KERNEL_GROUPS_H

#include "kernel/exact.h"
#include "ucid.h"

/* What is kept besides counts. */
enum { UCID_GROUPS_SUM = 1, UCID_GROUPS_SQUARES = 2, UCID_GROUPS_RANGE = 4, UCID_GROUPS_VALUES = 8 };

typedef struct ucid_groups ucid_groups;

typedef struct ucid_group {
    size_t key;          /* where its bytes are */
    uint32_t key_length; /* UINT32_MAX: the key is null */
    uint32_t hash;
    int64_t rows, values; /* all rows; those with a number */
    uint64_t least, most; /* in the order of ucid_number_order */
    uint8_t up, down;     /* whether +infinity and -infinity are among the values; sums are of the others */
} ucid_group;

/* Numbers in their order: doubles without NaN, -0 as 0; and int64. */
static inline uint64_t ucid_order_of_double(double value)
{
    union {
        double value;
        uint64_t bits;
    } x = {.value = value + 0.0};
    return x.bits >> 63 != 0 ? ~x.bits : x.bits | (uint64_t)1 << 63;
}

static inline double ucid_double_of_order(uint64_t order)
{
    union {
        uint64_t bits;
        double value;
    } x = {.bits = order >> 63 != 0 ? order & ~((uint64_t)1 << 63) : ~order};
    return x.value;
}

static inline uint64_t ucid_order_of_whole(int64_t value) { return (uint64_t)value ^ (uint64_t)1 << 63; }
static inline int64_t ucid_whole_of_order(uint64_t order) { return (int64_t)(order ^ (uint64_t)1 << 63); }

/* Rows of one call: keys as byte strings, and the numbers of one column. Where rows have entries, keys are those of the
 * entries, of which each is looked for once. */
typedef struct ucid_group_rows {
    const char *keys;
    const int64_t *offsets;      /* [n + 1], or [entry_count + 1] */
    const uint8_t *key_validity; /* bits, or NULL; a row without a key is in the group of the null key */
    const uint32_t *entries;     /* [n] or NULL; entry_count: no key */
    int64_t entry_count;
    const double *numbers;   /* [n], NaN: none; or */
    const int64_t *wholes;   /* [n]; or neither: rows are counted */
    const uint8_t *validity; /* bits of numbers, or NULL */
} ucid_group_rows;

/* memory: bytes of groups, and of values (tally.h), that may be held; what is beyond goes into files. 0: a quarter of
 * what this process may have, and 1 GiB. err NO_MEMORY */
ucid_status ucid_groups_new(const ucid_allocator *allocator, int threads, int what, uint64_t memory,
                            ucid_groups **groups, ucid_error *error);
void ucid_groups_free(ucid_groups *groups); /* NULL is fine */
/* err   NO_MEMORY: says how many groups there are and their bytes; IO_ERROR. Some rows may have been added */
ucid_status ucid_groups_add(ucid_groups *groups, int64_t n, const ucid_group_rows *rows, ucid_error *error);

/* The group of a key (NULL: the null key), to which a state is then added. Values take its number, until it settles.
 * err NO_MEMORY */
ucid_status ucid_groups_find(ucid_groups *groups, const char *key, size_t length, uint32_t *number, ucid_error *error);
/* Counts, range and infinities of *part; sums may be NULL. err NO_MEMORY */
ucid_status ucid_groups_add_part(ucid_groups *groups, uint32_t number, const ucid_group *part, const ucid_big *sum,
                                 const ucid_big *squares, ucid_error *error);

/* After some states: groups that are too many go into a file. err NO_MEMORY, IO_ERROR */
ucid_status ucid_groups_settle(ucid_groups *groups, ucid_error *error);

/* Groups in their order: by key, byte by byte, the null key first. begin may be called again. err NO_MEMORY, IO_ERROR
 */
ucid_status ucid_groups_begin(ucid_groups *groups, ucid_error *error);
/* The next of them, all of those that never were in a file; 0: there are no more. err NO_MEMORY, IO_ERROR */
ucid_status ucid_groups_next(ucid_groups *groups, int64_t *count, ucid_error *error);
int ucid_groups_more(const ucid_groups *groups); /* whether the next are any */
/* Of these: number of the group at a place of the order, and what is known of a group. */
uint32_t ucid_groups_at(const ucid_groups *groups, int64_t place);
const ucid_group *ucid_groups_get(const ucid_groups *groups, uint32_t number);
const char *ucid_groups_key(const ucid_groups *groups, uint32_t number);
const ucid_exact *ucid_groups_sum(const ucid_groups *groups, uint32_t number);
const ucid_exact *ucid_groups_squares(const ucid_groups *groups, uint32_t number);
struct ucid_tally *ucid_groups_values(ucid_groups *groups); /* NULL: they are not kept */

#endif
