/* row_groups.h: columns as a Parquet file, a row group at a time. */
#ifndef UCID_PARQUET_ROW_GROUPS_H
#define UCID_PARQUET_ROW_GROUPS_H

#include "parquet/chunk.h"

typedef struct table_column {
    ucid_text name; /* borrowed */
    chunk chunk;
} table_column;

/* To be zeroed first. */
typedef struct parquet_table {
    ucid_allocator allocator;
    page_tools tools;
    table_column *columns;
    int32_t count, opened;
    ucid_write_fn write;
    void *ctx;
    uint64_t offset; /* bytes that were written */
    thrift_out groups, footer;
    int64_t rows, group_count;
} parquet_table;

/* Of so many columns, of which each is to be said. err NO_MEMORY */
ucid_status parquet_table_open(parquet_table *t, int32_t count, const ucid_allocator *allocator, ucid_write_fn write,
                               void *ctx, ucid_error *error);
ucid_status parquet_table_column(parquet_table *t, ucid_text name, int type, int nullable, int ordered,
                                 ucid_error *error);
void parquet_table_reset(parquet_table *t);

/* What is wrong with a column, if anything is. err NO_MEMORY, DATA_ERROR */
ucid_status parquet_table_check(const parquet_table *t, ucid_error *error);
/* All rows of a row group are in the chunks. err those; CANCELLED */
ucid_status parquet_table_end_group(parquet_table *t, int64_t rows, ucid_error *error);
/* All row groups are written: the footer. */
ucid_status parquet_table_end(parquet_table *t, ucid_error *error);

#endif
