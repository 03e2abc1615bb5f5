/* zone_files.h: tables of zones, from whatever holds them. */
#ifndef UCID_CLI_ZONE_FILES_H
#define UCID_CLI_ZONE_FILES_H

#include "cli.h"

typedef struct cli_zone_files {
    const char *layer;          /* of a file of several layers; or NULL */
    const char *geometry;       /* column; NULL: what a GeoParquet file says, else the usual names */
    const char *const *columns; /* wanted, NULL at the end; or NULL: all */
    int threads;
} cli_zone_files;

/* Read zones of a file: Parquet (GeoParquet too) and Arrow by the plugin of io.h, from anywhere; all else by that of
 * geo.h. Coordinates become those of WGS 84. Returns 0, or the exit code. */
int cli_zones_read(const char *path, const cli_zone_files *options, ucid_zone_table **table);

#endif
