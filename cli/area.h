/* area.h: polygons of a GeoJSON file. */
#ifndef UCID_CLI_AREA_H
#define UCID_CLI_AREA_H

#include "ucid.h"

typedef struct cli_area {
    int64_t ring_count, corner_count;
    int64_t *ring_corners;     /* [ring_count] */
    double *lat_deg, *lon_deg; /* [corner_count] */
} cli_area;

/* All rings of all Polygons and MultiPolygons. Returns 0, or the exit code. */
int cli_area_read(const char *path, cli_area *area);
void cli_area_free(cli_area *area);

#endif
