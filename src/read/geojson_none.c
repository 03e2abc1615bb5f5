/* geojson_none.c: what builds without jansson have instead of geojson.c: an area is refused, nothing else is missing.
 */
#include "read/geojson.h"

#include "rt/error.h"

static ucid_status refuse(const char *name, ucid_error *error)
{
    return ucid_fail(error, UCID_UNSUPPORTED_FORMAT, "%s: this build reads no GeoJSON; `ucid index build` does", name);
}

ucid_status geojson_read(const char *path, const ucid_allocator *allocator, geojson_area *area, ucid_error *error)
{
    (void)allocator;
    (void)area;
    return refuse(path, error);
}

ucid_status geojson_read_memory(const char *name, const void *bytes, size_t length, const ucid_allocator *allocator,
                                geojson_area *area, ucid_error *error)
{
    (void)bytes;
    (void)length;
    (void)allocator;
    (void)area;
    return refuse(name, error);
}

void geojson_area_reset(geojson_area *area) { (void)area; }
