/* zone_table.h: zones and the columns of their table. */
#ifndef UCID_ARROW_ZONE_TABLE_H
#define UCID_ARROW_ZONE_TABLE_H

#include "arrow/arrays.h"
#include "arrow/stream.h"

#include <stdatomic.h>

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
    _Atomic(double *) areas; /* [zone_count] or NULL: see zone_table_areas */
};

static inline int zone_column_is_valid(const zone_column *column, int64_t zone)
{
    return ((const uint8_t *)column->valid.bytes)[zone];
}

/* Arrow's format of a column of places. */
const char *zone_column_format(const zone_column *column);
/* A column of the values of rows' zones; null where a row has none (-1). column NULL: the numbers themselves. large:
 * texts have 64-bit offsets. err   DATA_ERROR: over 2^31 bytes, where texts are not large; NO_MEMORY */
ucid_status zone_column_take(const zone_column *column, int64_t n, const int32_t *zones, int large,
                             const ucid_allocator *allocator, struct ArrowArray *array, ucid_error *error);
/* Square metres of each zone, borrowed. err NO_MEMORY
 * safe  any number of threads */
ucid_status zone_table_areas(const ucid_zone_table *table, int threads, const double **areas, ucid_error *error);

#endif
