/* zone_files.c: what a GeoParquet file says about its geometries lies in the metadata of its schema, as JSON. */
#include "zone_files.h"

#include "ahead.h"
#include "geo.h"
#include "table.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int ends_with(const char *text, const char *ending)
{
    size_t length = strlen(text), tail = strlen(ending);
    return length >= tail && strcmp(text + length - tail, ending) == 0;
}

static int is_table(const char *path)
{
    static const char *const endings[] = {".parquet", ".geoparquet", ".pq", ".arrow", ".feather", ".arrows"};
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        if (ends_with(path, endings[i])) return 1;
    }
    return strstr(path, "://") != NULL || strcmp(path, "-") == 0;
}

/* A function of the plugin; NULL, and said so, where it is not there. */
static void *geo_function(const char *name)
{
    static void *library;
    char *path = library == NULL ? cli_plugin_path("libucid_geo.so") : NULL;
    if (path != NULL) library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    void *found = library != NULL ? dlsym(library, name) : NULL;
    if (found == NULL) {
        const char *reason = path == NULL ? "it was built without GDAL" : dlerror();
        (void)cli_failf(UCID_UNSUPPORTED_FORMAT, "this program reads zones of Parquet and Arrow files only: %s",
                        reason);
    }
    free(path);
    return found;
}

/* Value of a key in Arrow's metadata: int32 count, then lengths and bytes in turn. */
static const char *metadata_get(const char *metadata, const char *key, size_t *length)
{
    int32_t count = 0, size;
    if (metadata == NULL) return NULL;
    memcpy(&count, metadata, sizeof count);
    metadata += sizeof count;
    for (int32_t i = 0; i < count; i++) {
        memcpy(&size, metadata, sizeof size);
        int same = (size_t)size == strlen(key) && memcmp(metadata + sizeof size, key, (size_t)size) == 0;
        metadata += sizeof size + (size_t)size;
        memcpy(&size, metadata, sizeof size);
        metadata += sizeof size;
        if (same) {
            *length = (size_t)size;
            return metadata;
        }
        metadata += size;
    }
    return NULL;
}

static int is_wgs84(const json_t *crs)
{
    const json_t *id = json_object_get(crs, "id");
    const char *authority = json_string_value(json_object_get(id, "authority"));
    const json_t *code = json_object_get(id, "code");
    if (authority == NULL) return 0;
    if (strcmp(authority, "OGC") == 0) return json_is_string(code) && strcmp(json_string_value(code), "CRS84") == 0;
    return strcmp(authority, "EPSG") == 0 && json_integer_value(code) == 4326;
}

/* What GeoParquet says: the column of geometries, and its coordinate system where that is not WGS 84. */
static void read_geo(const char *metadata, const char *given, char column[256], char **crs)
{
    size_t length = 0;
    const char *text = metadata_get(metadata, "geo", &length);
    json_t *geo = text != NULL ? json_loadb(text, length, 0, NULL) : NULL;
    const char *primary = given != NULL ? given : json_string_value(json_object_get(geo, "primary_column"));
    snprintf(column, 256, "%s", primary != NULL ? primary : "");
    const json_t *entry = json_object_get(json_object_get(geo, "columns"), column);
    const json_t *system = json_object_get(entry, "crs");
    *crs = json_is_object(system) && !is_wgs84(system) ? json_dumps(system, JSON_COMPACT) : NULL;
    json_decref(geo);
}

/* Zones of a file that the plugin of tables reads. */
static int open_table(const char *path, const cli_zone_files *options, char column[256], struct ArrowArrayStream *out)
{
    ucid_error error;
    const ucid_io *io = cli_io(&error);
    if (io == NULL) return cli_fail(&error);
    ucid_io_read_options read = {.batch_rows = 1024, .threads = options->threads};
    ucid_io_source source;
    if (io->open(path, &read, &source, &error) != UCID_OK) return cli_fail(&error);
    struct ArrowArrayStream file = source.stream;
    if (cli_ahead(&file, 1, &source.stream, &error) != UCID_OK) return cli_fail(&error);
    struct ArrowSchema schema;
    int failed = source.stream.get_schema(&source.stream, &schema);
    if (failed != 0) {
        int code = cli_stream_failed(failed, &source.stream);
        source.stream.release(&source.stream);
        return code;
    }
    char *crs;
    read_geo(schema.metadata, options->geometry, column, &crs);
    schema.release(&schema);
    if (crs == NULL) {
        *out = source.stream;
        return CLI_DONE;
    }
    geo_reproject_fn reproject;
    *(void **)&reproject = geo_function("ucid_geo_reproject");
    int code = reproject == NULL ? ucid_status_exit_code(UCID_UNSUPPORTED_FORMAT) : CLI_DONE;
    if (reproject != NULL && reproject(&source.stream, column, crs, out, &error) != UCID_OK) code = cli_fail(&error);
    if (code != CLI_DONE) source.stream.release(&source.stream);
    free(crs);
    return code;
}

static int open_map(const char *path, const cli_zone_files *options, char column[256], struct ArrowArrayStream *out)
{
    ucid_error error;
    geo_open_fn open;
    *(void **)&open = geo_function("ucid_geo_open");
    if (open == NULL) return ucid_status_exit_code(UCID_UNSUPPORTED_FORMAT);
    snprintf(column, 256, "geometry");
    return open(path, options->layer, out, &error) == UCID_OK ? CLI_DONE : cli_fail(&error);
}

int cli_zones_read(const char *path, const cli_zone_files *options, ucid_zone_table **table)
{
    char column[256];
    struct ArrowArrayStream stream;
    int code = is_table(path) ? open_table(path, options, column, &stream) : open_map(path, options, column, &stream);
    if (code != CLI_DONE) return code;
    ucid_zone_options zones = UCID_ZONE_OPTIONS_INIT;
    zones.threads = options->threads;
    zones.geometry_column = column[0] != '\0' ? column : NULL;
    zones.columns = options->columns;
    ucid_error error;
    if (ucid_zone_table_read(&stream, &zones, table, &error) == UCID_OK) return CLI_DONE;
    stream.release(&stream);
    return cli_failf(error.status, "%s: %s", path, error.message);
}
