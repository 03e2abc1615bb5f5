/* geojson.h: read an area from a GeoJSON file (RFC 7946). */
#ifndef UCID_READ_GEOJSON_H
#define UCID_READ_GEOJSON_H

#include "ucid.h"

typedef struct geojson_point {
    int32_t lon_e7, lat_e7;
} geojson_point;

/* Rings of all polygons of the file, outer and inner alike: a place is inside where an odd number of them is around it.
 * Polygons that overlap cancel each other there. */
typedef struct geojson_area {
    geojson_point *points;
    uint32_t *rings; /* ring r is points[rings[r]] to points[rings[r + 1] - 1]; its last point equals its first */
    uint32_t ring_count, point_count;
    int32_t min_lon_e7, min_lat_e7, max_lon_e7, max_lat_e7;
    size_t point_capacity, ring_capacity;
    ucid_allocator allocator;
} geojson_area;

/* Read Polygon, MultiPolygon, GeometryCollection, Feature or FeatureCollection. Rings that are not closed are closed.
 * out   *area: to be reset with geojson_area_reset
 * err   FILE_NOT_FOUND, IO_ERROR; DATA_ERROR: not JSON, not GeoJSON, a line or a point, no polygon, a coordinate out of
 *       range, a ring of fewer than three places; UNSUPPORTED_FORMAT: a coordinate system other than WGS 84; NO_MEMORY.
 *       Messages start with the path */
ucid_status geojson_read(const char *path, const ucid_allocator *allocator, geojson_area *area, ucid_error *error);
/* The same from memory; name stands for the path in messages. */
ucid_status geojson_read_memory(const char *name, const void *bytes, size_t length, const ucid_allocator *allocator,
                                geojson_area *area, ucid_error *error);
void geojson_area_reset(geojson_area *area);

#endif
