/* geojson.c: the file is parsed by jansson (whose memory is malloc's), then walked once. Degrees become integers here,
 * so that all later geometry is exact. */
#include "read/geojson.h"

#include "rt/error.h"
#include "rt/file.h"
#include "rt/memory.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

typedef struct reader {
    const char *name;
    geojson_area *area;
    ucid_error *error;
} reader;

static ucid_status out_of_memory(reader *self)
{
    return ucid_fail(self->error, UCID_NO_MEMORY, "%s: no memory for its coordinates", self->name);
}

static ucid_status push_point(reader *self, geojson_point point)
{
    geojson_area *area = self->area;
    void *points = area->points;
    if (area->point_count == UINT32_MAX ||
        !ucid_grow(&area->allocator, &points, &area->point_capacity, (size_t)area->point_count + 1, sizeof point)) {
        return out_of_memory(self);
    }
    area->points = points;
    area->points[area->point_count++] = point;
    if (point.lon_e7 < area->min_lon_e7) area->min_lon_e7 = point.lon_e7;
    if (point.lon_e7 > area->max_lon_e7) area->max_lon_e7 = point.lon_e7;
    if (point.lat_e7 < area->min_lat_e7) area->min_lat_e7 = point.lat_e7;
    if (point.lat_e7 > area->max_lat_e7) area->max_lat_e7 = point.lat_e7;
    return UCID_OK;
}

/* rings[ring_count] = point_count: where the next ring begins. */
static ucid_status end_rings(reader *self)
{
    geojson_area *area = self->area;
    void *rings = area->rings;
    if (!ucid_grow(&area->allocator, &rings, &area->ring_capacity, (size_t)area->ring_count + 1, sizeof *area->rings)) {
        return out_of_memory(self);
    }
    area->rings = rings;
    area->rings[area->ring_count] = area->point_count;
    return UCID_OK;
}

static ucid_status read_position(reader *self, const json_t *position, geojson_point *point)
{
    const json_t *lon = json_array_get(position, 0), *lat = json_array_get(position, 1);
    if (!json_is_number(lon) || !json_is_number(lat)) {
        return ucid_fail(self->error, UCID_DATA_ERROR, "%s: a position is not two numbers", self->name);
    }
    double lon_deg = json_number_value(lon), lat_deg = json_number_value(lat);
    if (!(fabs(lon_deg) <= 180.0 && fabs(lat_deg) <= 90.0)) {
        return ucid_fail(self->error, UCID_DATA_ERROR,
                         "%s: the position %.9g, %.9g is outside longitude -180..180, latitude -90..90", self->name,
                         lon_deg, lat_deg);
    }
    point->lon_e7 = (int32_t)floor(lon_deg * 1e7 + 0.5);
    point->lat_e7 = (int32_t)floor(lat_deg * 1e7 + 0.5);
    return UCID_OK;
}

static int is_same(geojson_point a, geojson_point b) { return a.lon_e7 == b.lon_e7 && a.lat_e7 == b.lat_e7; }

/* Places that repeat the one before are dropped; the ring is closed. */
static ucid_status read_ring(reader *self, const json_t *ring)
{
    geojson_area *area = self->area;
    size_t position_count = json_array_size(ring);
    uint32_t first = area->point_count;
    for (size_t i = 0; i < position_count; i++) {
        geojson_point point;
        ucid_status status = read_position(self, json_array_get(ring, i), &point);
        if (status != UCID_OK) return status;
        if (area->point_count > first && is_same(area->points[area->point_count - 1], point)) continue;
        status = push_point(self, point);
        if (status != UCID_OK) return status;
    }
    uint32_t count = area->point_count - first;
    int closed = count > 1 && is_same(area->points[first], area->points[area->point_count - 1]);
    if (count - (closed ? 1u : 0u) < 3) {
        return ucid_fail(self->error, UCID_DATA_ERROR, "%s: a ring has %u places, three are needed", self->name,
                         count - (closed ? 1u : 0u));
    }
    ucid_status status = closed ? UCID_OK : push_point(self, area->points[first]);
    if (status != UCID_OK) return status;
    area->ring_count++;
    return end_rings(self);
}

static ucid_status read_polygon(reader *self, const json_t *rings)
{
    if (!json_is_array(rings)) {
        return ucid_fail(self->error, UCID_DATA_ERROR, "%s: a polygon has no coordinates", self->name);
    }
    ucid_status status = UCID_OK;
    for (size_t i = 0; status == UCID_OK && i < json_array_size(rings); i++) {
        status = read_ring(self, json_array_get(rings, i));
    }
    return status;
}

/* Before RFC 7946 a file could name its coordinate system; WGS 84 has many names, which end alike. */
static ucid_status check_crs(reader *self, const json_t *object)
{
    const json_t *crs = json_object_get(object, "crs");
    if (crs == NULL || json_is_null(crs)) return UCID_OK;
    const char *name = json_string_value(json_object_get(json_object_get(crs, "properties"), "name"));
    if (name == NULL) {
        return ucid_fail(self->error, UCID_UNSUPPORTED_FORMAT,
                         "%s: its coordinate system has no name; EPSG:4326 is read", self->name);
    }
    static const char *const endings[] = {"CRS84", ":4326", "/4326"};
    size_t length = strlen(name);
    for (size_t i = 0; i < 3; i++) {
        if (length >= 5 && strcmp(name + length - 5, endings[i]) == 0) return UCID_OK;
    }
    return ucid_fail(self->error, UCID_UNSUPPORTED_FORMAT, "%s: its coordinate system is %s; EPSG:4326 is read",
                     self->name, name);
}

static ucid_status read_object(reader *self, const json_t *object);

static ucid_status read_members(reader *self, const json_t *members, const char *type)
{
    if (!json_is_array(members)) {
        return ucid_fail(self->error, UCID_DATA_ERROR, "%s: a %s without its members", self->name, type);
    }
    ucid_status status = UCID_OK;
    for (size_t i = 0; status == UCID_OK && i < json_array_size(members); i++) {
        status = read_object(self, json_array_get(members, i));
    }
    return status;
}

/* The parser bounds the depth, and so this recursion. */
static ucid_status read_object(reader *self, const json_t *object)
{
    const char *type = json_string_value(json_object_get(object, "type"));
    if (type == NULL) {
        return ucid_fail(self->error, UCID_DATA_ERROR, "%s: not GeoJSON (an object without a type)", self->name);
    }
    ucid_status status = check_crs(self, object);
    if (status != UCID_OK) return status;
    const json_t *coordinates = json_object_get(object, "coordinates");
    if (strcmp(type, "Polygon") == 0) return read_polygon(self, coordinates);
    if (strcmp(type, "MultiPolygon") == 0) {
        if (!json_is_array(coordinates)) return read_polygon(self, coordinates);
        for (size_t i = 0; status == UCID_OK && i < json_array_size(coordinates); i++) {
            status = read_polygon(self, json_array_get(coordinates, i));
        }
        return status;
    }
    if (strcmp(type, "Feature") == 0) {
        const json_t *geometry = json_object_get(object, "geometry");
        return geometry == NULL || json_is_null(geometry) ? UCID_OK : read_object(self, geometry);
    }
    if (strcmp(type, "FeatureCollection") == 0) return read_members(self, json_object_get(object, "features"), type);
    if (strcmp(type, "GeometryCollection") == 0) return read_members(self, json_object_get(object, "geometries"), type);
    return ucid_fail(self->error, UCID_DATA_ERROR, "%s: a %.40s is not an area; Polygon and MultiPolygon are",
                     self->name, type);
}

ucid_status geojson_read_memory(const char *name, const void *bytes, size_t length, const ucid_allocator *allocator,
                                geojson_area *area, ucid_error *error)
{
    json_error_t where;
    if (length == 0) return ucid_fail(error, UCID_DATA_ERROR, "%s: the file is empty", name);
    json_t *root = json_loadb(bytes, length, 0, &where);
    if (root == NULL) {
        if (json_error_code(&where) == json_error_out_of_memory) return ucid_fail_memory(error, name, length);
        return ucid_fail(error, UCID_DATA_ERROR, "%s: not JSON: line %d: %s", name, where.line, where.text);
    }
    geojson_area found = {.allocator = ucid_allocator_or_default(allocator),
                          .min_lon_e7 = INT32_MAX,
                          .min_lat_e7 = INT32_MAX,
                          .max_lon_e7 = INT32_MIN,
                          .max_lat_e7 = INT32_MIN};
    reader self = {name, &found, error};
    ucid_status status = end_rings(&self);
    if (status == UCID_OK) status = read_object(&self, root);
    if (status == UCID_OK && found.ring_count == 0) {
        status = ucid_fail(error, UCID_DATA_ERROR, "%s: no polygon in it", name);
    }
    json_decref(root);
    if (status == UCID_OK) {
        *area = found;
    } else {
        geojson_area_reset(&found);
    }
    return status;
}

ucid_status geojson_read(const char *path, const ucid_allocator *allocator, geojson_area *area, ucid_error *error)
{
    ucid_file_map map;
    ucid_status status = ucid_file_map_open(path, &map, error);
    if (status != UCID_OK) return status;
    status = geojson_read_memory(path, map.bytes, map.length, allocator, area, error);
    ucid_file_map_close(&map);
    return status;
}

void geojson_area_reset(geojson_area *area)
{
    ucid_release(&area->allocator, area->points, area->point_capacity, sizeof *area->points);
    ucid_release(&area->allocator, area->rings, area->ring_capacity, sizeof *area->rings);
    *area = (geojson_area){0};
}
