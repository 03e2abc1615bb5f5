/* map_rows.h: filling map_rows from the batches of a table. */
#ifndef UCID_MAP_MAP_ROWS_H
#define UCID_MAP_MAP_ROWS_H

#include "map.h"

void map_rows_init(map_rows *rows, const ucid_context *context, int as_points);
/* Which columns there are. err DATA_ERROR (no score, no place) */
ucid_status map_rows_begin(map_rows *rows, const struct ArrowSchema *schema, ucid_error *error);
/* Append a batch (a struct array). err DATA_ERROR (score out of range, too many rows), NO_MEMORY */
ucid_status map_rows_add(map_rows *rows, const struct ArrowSchema *schema, const struct ArrowArray *batch,
                         ucid_error *error);
/* After the last batch: the box of the rows. err DATA_ERROR (a cell twice), NO_MEMORY */
ucid_status map_rows_finish(map_rows *rows, ucid_error *error);
void map_rows_free(map_rows *rows);

#endif
