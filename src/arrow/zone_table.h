/* zone_table.h: zones and the columns of their table. */
#ifndef UCID_ARROW_ZONE_TABLE_H
#define UCID_ARROW_ZONE_TABLE_H

#include "arrow/arrays.h"
#include "arrow/stream.h"

enum { ZONE_COLUMNS_MAX = ARROW_ADDED_MAX - 4 };

/* A column of all zones: texts where offsets are, else int64_t or double, 8 bytes each. */
typedef struct zone_column {
    char name[ARROW_NAME_MAX];
    char format;    /* 'u', 'l' or 'g' */
    int64_t source; /* column of the table */
    arrow_scratch bytes, offsets, valid;
    size_t length; /* of bytes, where they are texts */
} zone_column;

struct ucid_zone_table {
    ucid_allocator allocator;
    ucid_zones *zones;
    int64_t zone_count;
    int column_count;
    zone_column columns[ZONE_COLUMNS_MAX];
};

static inline int zone_column_is_valid(const zone_column *column, int64_t zone)
{
    return ((const uint8_t *)column->valid.bytes)[zone];
}

#endif
