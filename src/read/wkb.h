/* wkb.h: read the rings of an area in well-known binary. */
#ifndef UCID_READ_WKB_H
#define UCID_READ_WKB_H

#include "ucid.h"

/* Rings of all polygons, outer and inner alike, as they come. */
typedef struct wkb_rings {
    double *x, *y;
    int64_t *corners; /* [ring_count] */
    size_t ring_count, corner_count, ring_capacity, x_capacity, y_capacity;
} wkb_rings;

/* Read a Polygon, a MultiPolygon or a GeometryCollection of such: OGC's well-known binary with ISO's or PostGIS's Z, M
 * and SRID, either byte order. length 0: no rings.
 * out   *rings: appended to; memory is the allocator's and to be given back with wkb_rings_reset
 * err   DATA_ERROR: truncated, an unknown kind, points or lines, bytes left over; NO_MEMORY */
ucid_status wkb_read(const void *bytes, size_t length, const ucid_allocator *allocator, wkb_rings *rings,
                     ucid_error *error);
void wkb_rings_reset(wkb_rings *rings, const ucid_allocator *allocator);

#endif
