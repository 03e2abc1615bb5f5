/* Boundaries: a real municipality has the area that others found; what is no area is refused by name. */
#include "read/geojson.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Area on a sphere: sum over edges of dlon * (sin lat' + sin lat'') / 2, near enough for edges of some hundred metres.
 * Rings have signs, so holes count less where they turn the other way. */
static double area_km2(const geojson_area *area)
{
    const double radian = 3.14159265358979323846 / 180e7;
    double sum = 0;
    for (uint32_t r = 0; r < area->ring_count; r++) {
        for (uint32_t i = area->rings[r]; i + 1 < area->rings[r + 1]; i++) {
            geojson_point a = area->points[i], b = area->points[i + 1];
            sum += ((double)b.lon_e7 - a.lon_e7) * radian * (sin(a.lat_e7 * radian) + sin(b.lat_e7 * radian)) / 2;
        }
    }
    return fabs(sum) * 6371.0 * 6371.0;
}

/* GHSCI printed 103.315941 km2 for this municipality (UTM); sphere and projection differ by 0.25 %. */
static void las_palmas_has_its_area(void **state)
{
    (void)state;
    const char *folder = getenv("UCID_DATA");
    char path[1024];
    snprintf(path, sizeof path, "%s/las-palmas/boundary.geojson",
             folder != NULL ? folder : SOURCE_DIR "/../shared/data");
    geojson_area area;
    ucid_error error;
    ucid_status status = geojson_read(path, NULL, &area, &error);
    if (status == UCID_FILE_NOT_FOUND) {
        print_message("skipped: %s\n", error.message);
        skip();
    }
    assert_int_equal(status, UCID_OK);
    double found = area_km2(&area);
    print_message("%u rings, %u points, %.4f km2\n", area.ring_count, area.point_count, found);
    assert_true(fabs(found / 103.315941 - 1) < 0.005);
    assert_true(area.min_lon_e7 > -156000000 && area.max_lon_e7 < -153000000);
    assert_true(area.min_lat_e7 > 279000000 && area.max_lat_e7 < 282000000);
    for (uint32_t r = 0; r < area.ring_count; r++) {
        assert_memory_equal(&area.points[area.rings[r]], &area.points[area.rings[r + 1] - 1], sizeof *area.points);
    }
    geojson_area_reset(&area);
}

#define SQUARE "[[0,0],[1,0],[1,1],[0,1],[0,0]]"
#define POLYGON "{\"type\":\"Polygon\",\"coordinates\":[" SQUARE "]}"

static void all_forms_give_the_same_ring(void **state)
{
    (void)state;
    static const char *const forms[] = {
        POLYGON,
        "{\"type\":\"Polygon\",\"coordinates\":[[[0,0],[1,0],[1,0],[1,1],[0,1]]]}", /* repeated, not closed */
        "{\"type\":\"Polygon\",\"coordinates\":[[[0,0,7],[1,0,7],[1,1,7],[0,1,7],[0,0,7]]]}",
        "{\"type\":\"MultiPolygon\",\"coordinates\":[[" SQUARE "]]}",
        "{\"type\":\"GeometryCollection\",\"geometries\":[" POLYGON "]}",
        "{\"type\":\"Feature\",\"properties\":{},\"geometry\":" POLYGON "}",
        "{\"type\":\"FeatureCollection\",\"crs\":{\"type\":\"name\",\"properties\":{\"name\":\"EPSG:4326\"}},"
        "\"features\":["
        "{\"type\":\"Feature\",\"geometry\":null},{\"type\":\"Feature\",\"geometry\":" POLYGON "}]}",
    };
    static const geojson_point square[] = {{0, 0}, {10000000, 0}, {10000000, 10000000}, {0, 10000000}, {0, 0}};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        geojson_area area;
        ucid_error error;
        if (geojson_read_memory("form", forms[i], strlen(forms[i]), NULL, &area, &error) != UCID_OK) {
            fail_msg("%zu: %s", i, error.message);
        }
        assert_int_equal(area.ring_count, 1);
        assert_int_equal(area.rings[0], 0);
        assert_int_equal(area.rings[1], 5);
        assert_memory_equal(area.points, square, sizeof square);
        assert_int_equal(area.max_lat_e7, 10000000);
        geojson_area_reset(&area);
    }
}

static void what_is_no_area_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        ucid_status status;
        const char *message;
    } cases[] = {
        {"", UCID_DATA_ERROR, "b: the file is empty"},
        {"{\"type\":", UCID_DATA_ERROR, "b: not JSON: line 1: unexpected token near end of file"},
        {"[]", UCID_DATA_ERROR, "b: not GeoJSON (an object without a type)"},
        {"{\"type\":\"Point\",\"coordinates\":[0,0]}", UCID_DATA_ERROR,
         "b: a Point is not an area; Polygon and MultiPolygon are"},
        {"{\"type\":\"Feature\",\"geometry\":{\"type\":\"LineString\",\"coordinates\":[[0,0],[1,1]]}}", UCID_DATA_ERROR,
         "b: a LineString is not an area; Polygon and MultiPolygon are"},
        {"{\"type\":\"FeatureCollection\",\"features\":[]}", UCID_DATA_ERROR, "b: no polygon in it"},
        {"{\"type\":\"FeatureCollection\"}", UCID_DATA_ERROR, "b: a FeatureCollection without its members"},
        {"{\"type\":\"Polygon\",\"coordinates\":[[[0,0],[1,0],[0,0]]]}", UCID_DATA_ERROR,
         "b: a ring has 2 places, three are needed"},
        {"{\"type\":\"Polygon\",\"coordinates\":[[]]}", UCID_DATA_ERROR, "b: a ring has 0 places, three are needed"},
        {"{\"type\":\"Polygon\",\"coordinates\":[[[0,0],[1,0],[181,1]]]}", UCID_DATA_ERROR,
         "b: the position 181, 1 is outside longitude -180..180, latitude -90..90"},
        {"{\"type\":\"Polygon\",\"coordinates\":[[[443000,3100000],[1,0],[2,1]]]}", UCID_DATA_ERROR,
         "b: the position 443000, 3100000 is outside longitude -180..180, latitude -90..90"},
        {"{\"type\":\"Polygon\",\"coordinates\":[[[0,\"1\"],[1,0],[1,1]]]}", UCID_DATA_ERROR,
         "b: a position is not two numbers"},
        {"{\"type\":\"Polygon\"}", UCID_DATA_ERROR, "b: a polygon has no coordinates"},
        {"{\"type\":\"Polygon\",\"crs\":{\"type\":\"name\",\"properties\":{\"name\":\"urn:ogc:def:crs:EPSG::25828\"}},"
         "\"coordinates\":[" SQUARE "]}",
         UCID_UNSUPPORTED_FORMAT, "b: its coordinate system is urn:ogc:def:crs:EPSG::25828; EPSG:4326 is read"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        geojson_area area;
        ucid_error error;
        ucid_status status = geojson_read_memory("b", cases[i].text, strlen(cases[i].text), NULL, &area, &error);
        assert_int_equal(status, cases[i].status);
        assert_string_equal(error.message, cases[i].message);
    }
}

static int allocations_left, allocations_live;
static void *scarce(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    (void)ctx;
    (void)old_size;
    if (new_size == 0) {
        allocations_live -= ptr != NULL;
        free(ptr);
        return NULL;
    }
    if (allocations_left-- <= 0) return NULL;
    allocations_live += ptr == NULL;
    return realloc(ptr, new_size);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    ucid_allocator allocator = {scarce, NULL};
    ucid_status status = UCID_NO_MEMORY;
    for (int n = 0; status != UCID_OK; n++) {
        assert_true(n < 10);
        geojson_area area;
        ucid_error error;
        allocations_left = n;
        status = geojson_read_memory("b", POLYGON, strlen(POLYGON), &allocator, &area, &error);
        if (status == UCID_OK) {
            geojson_area_reset(&area);
        } else {
            assert_int_equal(status, UCID_NO_MEMORY);
        }
        assert_int_equal(allocations_live, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(las_palmas_has_its_area),
        cmocka_unit_test(all_forms_give_the_same_ring),
        cmocka_unit_test(what_is_no_area_is_refused),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
