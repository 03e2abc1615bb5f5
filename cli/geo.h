/* geo.h: the plugin that reads maps of any format and coordinate system, the only one that links GDAL. */
#ifndef UCID_CLI_GEO_H
#define UCID_CLI_GEO_H

#include "ucid.h"

/* A layer of a vector file that GDAL knows (GeoPackage, Shapefile, GeoJSON, ...), as a stream of tables: its fields as
 * texts, 64-bit integers and doubles, and `geometry`, well-known binary in longitudes and latitudes of WGS 84, null
 * where a feature has none. Corners are reprojected, edges between them are straight again. in    layer: NULL where the
 * file has one err   FILE_NOT_FOUND; DATA_ERROR: not such a file, no such layer, several of them and none named,
 * features without a known coordinate system that are not in degrees; IO_ERROR; NO_MEMORY */
typedef ucid_status (*geo_open_fn)(const char *path, const char *layer, struct ArrowArrayStream *out,
                                   ucid_error *error);
ucid_status ucid_geo_open(const char *path, const char *layer, struct ArrowArrayStream *out, ucid_error *error);

/* A stream whose column of well-known binary (binary or large binary) is reprojected to WGS 84.
 * in    *in is taken over when it succeeds; crs: anything that GDAL understands, PROJJSON too
 * err   DATA_ERROR: no such column or coordinate system */
typedef ucid_status (*geo_reproject_fn)(struct ArrowArrayStream *in, const char *column, const char *crs,
                                        struct ArrowArrayStream *out, ucid_error *error);
ucid_status ucid_geo_reproject(struct ArrowArrayStream *in, const char *column, const char *crs,
                               struct ArrowArrayStream *out, ucid_error *error);

#endif
