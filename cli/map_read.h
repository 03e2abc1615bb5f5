/* map_read.h: rows of a map from a file. */
#ifndef UCID_CLI_MAP_READ_H
#define UCID_CLI_MAP_READ_H

#include "map_rows.h"

/* All rows of a table. err as map_rows_add, and those of reading */
ucid_status map_rows_read(map_rows *rows, const char *path, ucid_error *error);

#endif
