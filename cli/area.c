/* area.c: rings are gathered whatever holds them, FeatureCollection, Feature, GeometryCollection or a bare geometry:
 * inside is what an odd number of rings holds, so holes need no care. */
#include "area.h"

#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int add_ring(cli_area *area, const json_t *ring)
{
    size_t n = json_array_size(ring), i;
    json_t *corner;
    double *lat = realloc(area->lat_deg, ((size_t)area->corner_count + n) * sizeof *lat);
    if (lat != NULL) area->lat_deg = lat;
    double *lon = realloc(area->lon_deg, ((size_t)area->corner_count + n) * sizeof *lon);
    if (lon != NULL) area->lon_deg = lon;
    int64_t *rings = realloc(area->ring_corners, (size_t)(area->ring_count + 1) * sizeof *rings);
    if (rings != NULL) area->ring_corners = rings;
    if (lat == NULL || lon == NULL || rings == NULL) return 0;
    json_array_foreach(ring, i, corner)
    {
        const json_t *x = json_array_get(corner, 0), *y = json_array_get(corner, 1);
        lon[area->corner_count] = json_is_number(x) ? json_number_value(x) : NAN;
        lat[area->corner_count++] = json_is_number(y) ? json_number_value(y) : NAN;
    }
    rings[area->ring_count++] = (int64_t)n;
    return 1;
}

static int gather(cli_area *area, const json_t *node, int depth)
{
    static const char *const lists[] = {"features", "geometries"};
    enum { DEPTH_MAX = 16 };
    if (depth > DEPTH_MAX) return 1;
    size_t i, k;
    json_t *item, *ring;
    const char *type = json_string_value(json_object_get(node, "type"));
    const json_t *coordinates = json_object_get(node, "coordinates");
    if (type != NULL && strcmp(type, "Polygon") == 0) {
        json_array_foreach(coordinates, i, ring) if (!add_ring(area, ring)) return 0;
    } else if (type != NULL && strcmp(type, "MultiPolygon") == 0) {
        json_array_foreach(coordinates, i, item) json_array_foreach(item, k, ring) if (!add_ring(area, ring)) return 0;
    }
    if (!gather(area, json_object_get(node, "geometry"), depth + 1)) return 0;
    for (size_t l = 0; l < 2; l++) {
        json_array_foreach(json_object_get(node, lists[l]), i, item) if (!gather(area, item, depth + 1)) return 0;
    }
    return 1;
}

int cli_area_read(const char *path, cli_area *area)
{
    *area = (cli_area){0, 0, NULL, NULL, NULL};
    json_error_t problem;
    json_t *root = json_load_file(path, 0, &problem);
    if (root == NULL) {
        ucid_status status =
            json_error_code(&problem) == json_error_cannot_open_file ? UCID_FILE_NOT_FOUND : UCID_DATA_ERROR;
        return cli_failf(status, "%s: %s", path, problem.text);
    }
    int code = CLI_DONE;
    if (!gather(area, root, 0)) {
        code = cli_failf(UCID_NO_MEMORY, "%s: no memory for its corners", path);
    } else if (area->ring_count == 0) {
        code = cli_failf(UCID_DATA_ERROR, "%s: no Polygon and no MultiPolygon", path);
    }
    json_decref(root);
    if (code != CLI_DONE) cli_area_free(area);
    return code;
}

void cli_area_free(cli_area *area)
{
    free(area->ring_corners);
    free(area->lat_deg);
    free(area->lon_deg);
    *area = (cli_area){0, 0, NULL, NULL, NULL};
}
