/* group_keys.h: columns of any types as one key of bytes, and back. */
#ifndef UCID_ARROW_GROUP_KEYS_H
#define UCID_ARROW_GROUP_KEYS_H

#include "arrow/arrays.h"
#include "kernel/groups.h"

#include "nanoarrow.h"

enum { GROUP_KEYS_MAX = 16 };

typedef enum group_key_kind { KEY_TEXT, KEY_WHOLE, KEY_REAL } group_key_kind;

typedef struct group_key_column {
    int64_t column;
    group_key_kind kind;
    enum ArrowType type; /* of what is stored */
    arrow_texts texts;
    arrow_wholes wholes;
    arrow_numbers numbers;
} group_key_column;

typedef struct group_keys {
    int count;
    group_key_column by[GROUP_KEYS_MAX];
    arrow_scratch bytes, offsets, entries;
} group_keys;

void group_keys_reset(group_keys *keys, const ucid_allocator *allocator);
/* The columns of a table by their names, of which NULL ends the list. */
ucid_status group_keys_find(group_keys *keys, const struct ArrowSchema *schema, const char *const *names,
                            ucid_error *error);
/* Keys of rows of a batch, which stay until the next are read. entries: texts behind a dictionary may be given as such.
 */
ucid_status group_keys_read(group_keys *keys, const struct ArrowSchema *schema, const struct ArrowArray *batch,
                            int64_t first, int64_t count, int entries, const ucid_allocator *allocator,
                            ucid_group_rows *rows, ucid_error *error);
/* Columns of the keys of all groups, in their order; and what they are called. */
ucid_status group_keys_make(const group_keys *keys, const ucid_groups *groups, int64_t count,
                            struct ArrowArray *columns, const ucid_allocator *allocator, ucid_error *error);
ArrowErrorCode group_keys_describe(const group_keys *keys, const struct ArrowSchema *schema, struct ArrowSchema *out);

#endif
