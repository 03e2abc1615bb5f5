/* cmd_join.c: `ucid join POINTS ZONES -o OUT`: places of a table get the columns of the zones that they are in, cells
 * those of all zones that share their area. */
#include "commands.h"
#include "table.h"
#include "zone_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cli_tables tables;
static struct {
    char *predicate, *distance, *zone_columns, *layer, *geometry, *lat, *lon, *cell;
    int all, replace, batch_rows;
} given = {.batch_rows = UCID_IO_BATCH_ROWS};

static const struct poptOption options[] = {
    {"predicate", '\0', POPT_ARG_STRING, &given.predicate, 0,
     "the zone that a place is in, the nearest, or all that share a cell's area; within", "within|nearest|area"},
    {"distance", '\0', POPT_ARG_STRING, &given.distance, 0, "how far the nearest zone may be: 500, 500m, 2km",
     "LENGTH"},
    {"all", '\0', POPT_ARG_NONE, &given.all, 0, "all zones of a place, joined by ';', not the first", NULL},
    {"zone-columns", '\0', POPT_ARG_STRING, &given.zone_columns, 0,
     "columns of the zones to add; all texts and numbers", "NAMES"},
    {"layer", '\0', POPT_ARG_STRING, &given.layer, 0, "layer of the zones, where their file has several", "NAME"},
    {"geometry", '\0', POPT_ARG_STRING, &given.geometry, 0, "column of the zones' geometries; geometry, geom, wkb",
     "NAME"},
    {"lat", '\0', POPT_ARG_STRING, &given.lat, 0, "column of latitudes; lat, latitude, y", "NAME"},
    {"lon", '\0', POPT_ARG_STRING, &given.lon, 0, "column of longitudes; lon, lng, longitude, long, x", "NAME"},
    {"h3", '\0', POPT_ARG_STRING, &given.cell, 0, "column of cells, instead; h3, h3_index, h3_cell, cell", "NAME"},
    {"replace", '\0', POPT_ARG_NONE, &given.replace, 0, "replace columns that have an output column's name", NULL},
    {"batch-rows", '\0', POPT_ARG_INT | POPT_ARGFLAG_DOC_HIDDEN, &given.batch_rows, 0, "rows of a batch", "N"},
    CLI_TABLE_OPTIONS(tables),
    CLI_COMMON,
    POPT_TABLEEND};
static const cli_positional positionals[] = {
    {"POINTS", "table of places, or of cells: " CLI_FILES, CLI_MANY},
    {"ZONES", "GeoParquet, GeoPackage, Shapefile, GeoJSON, ...; any coordinate system", CLI_ONE},
    {NULL, NULL, CLI_ONE},
};

enum { COLUMNS_MAX = 32 };

/* "name,code" becomes names with NULL behind, within text. 0: too many. */
static int split_names(char *text, const char *names[COLUMNS_MAX + 1])
{
    int count = 0;
    for (char *name = text; name != NULL; count++) {
        if (count == COLUMNS_MAX) return 0;
        char *comma = strchr(name, ',');
        if (comma != NULL) *comma++ = '\0';
        names[count] = name;
        name = comma;
    }
    names[count] = NULL;
    return 1;
}

/* What --predicate and --distance say; *area: cells, by area. */
static int read_predicate(ucid_join_options *join, int *area)
{
    const char *predicate = given.predicate != NULL ? given.predicate : given.distance != NULL ? "nearest" : "within";
    int nearest = strcmp(predicate, "nearest") == 0;
    *area = strcmp(predicate, "area") == 0;
    if (!nearest && !*area && strcmp(predicate, "within") != 0) {
        cli_usage("--predicate: '%s' is neither within, nearest nor area", predicate);
        return 0;
    }
    if (nearest != (given.distance != NULL)) {
        cli_usage(nearest ? "--predicate nearest needs --distance" : "--distance is for --predicate nearest");
        return 0;
    }
    if (*area && (given.all || given.lat != NULL || given.lon != NULL)) {
        cli_usage("--predicate area is for cells, and gives all their zones: no --all, --lat, --lon");
        return 0;
    }
    if (nearest && given.all) {
        cli_usage("--all is for --predicate within");
        return 0;
    }
    join->all = given.all;
    if (!nearest) return 1;
    if (!cli_parse_length("--distance", given.distance, &join->limit_m)) return 0;
    if (join->limit_m >= 0 && join->limit_m <= 1e6) return 1;
    cli_usage("--distance: %g m is not within 0 and 1000 km", join->limit_m);
    return 0;
}

/* Columns of coordinates, which a CSV file's reader adds under a hidden name. */
static char *hidden_name(struct ArrowArrayStream *stream, const char *const *names)
{
    struct ArrowSchema schema;
    char *found = NULL;
    if (stream->get_schema(stream, &schema) != 0) return NULL;
    for (; *names != NULL && found == NULL; names++) {
        size_t size = strlen(*names) + 2;
        char *hidden = malloc(size);
        if (hidden == NULL) break;
        snprintf(hidden, size, "%s%c", *names, UCID_IO_HIDDEN);
        if (cli_column_find(&schema, hidden) >= 0) {
            found = hidden;
        } else {
            free(hidden);
        }
    }
    schema.release(&schema);
    return found;
}

/* join NULL: cells, by area. */
static int join_table(const char *const *in, const ucid_zone_table *zones, const ucid_join_options *join)
{
    static const char *const lat_names[] = {"lat", "latitude", "y", NULL};
    static const char *const lon_names[] = {"lon", "lng", "longitude", "long", "x", NULL};
    static const char *const cell_names[] = {"h3", "h3_index", "h3_cell", "cell", NULL};
    const char *lat_given[] = {given.lat, NULL}, *lon_given[] = {given.lon, NULL}, *cell_given[] = {given.cell, NULL};
    ucid_io_read_options read = {.text = cli_tables_csv(&tables, in),
                                 .latitudes = given.lat != NULL ? lat_given : lat_names,
                                 .longitudes = given.lon != NULL ? lon_given : lon_names,
                                 .texts = given.cell != NULL ? cell_given : cell_names,
                                 .batch_rows = given.batch_rows};
    ucid_io_source source;
    ucid_error error;
    if (cli_table_open(&tables, in, &read, &source, &error) != UCID_OK) return cli_fail(&error);
    char *hidden_lat = hidden_name(&source.stream, read.latitudes);
    char *hidden_lon = hidden_name(&source.stream, read.longitudes);
    ucid_stream_options stream_options = UCID_STREAM_OPTIONS_INIT;
    stream_options.threads = cli_threads(tables.threads);
    stream_options.lat_column = hidden_lat != NULL ? hidden_lat : given.lat;
    stream_options.lon_column = hidden_lon != NULL ? hidden_lon : given.lon;
    stream_options.cell_column = given.cell;
    stream_options.replace = given.replace;
    struct ArrowArrayStream joined;
    int code;
    ucid_status status = join != NULL ? ucid_join_stream(&source.stream, zones, join, &stream_options, &joined, &error)
                                      : ucid_overlap_stream(&source.stream, zones, &stream_options, &joined, &error);
    if (status != UCID_OK) {
        source.stream.release(&source.stream);
        code = cli_fail(&error);
    } else {
        code = cli_table_write(&tables, source.format, &joined, join != NULL ? source.row_count : -1, NULL);
    }
    free(hidden_lat);
    free(hidden_lon);
    return code;
}

static int run(int argc, const char **argv)
{
    const char *names[COLUMNS_MAX + 1];
    ucid_join_options join = UCID_JOIN_OPTIONS_INIT;
    int area = 0;
    if (!cli_tables_check(&tables) || !read_predicate(&join, &area)) return CLI_USAGE;
    if (given.zone_columns != NULL && !split_names(given.zone_columns, names)) {
        return cli_usage("--zone-columns: more than %d names", COLUMNS_MAX);
    }
    cli_zone_files files = {.layer = given.layer,
                            .geometry = given.geometry,
                            .columns = given.zone_columns != NULL ? names : NULL,
                            .threads = cli_threads(tables.threads)};
    ucid_zone_table *zones = NULL;
    const char *last = argv[argc - 1];
    argv[argc - 1] = NULL;
    int code = cli_zones_read(last, &files, &zones);
    if (code != CLI_DONE) return code;
    (void)json_object_set_new(cli_report(), "zones", json_integer(ucid_zones_count(ucid_zone_table_zones_get(zones))));
    code = join_table(argv, zones, area ? NULL : &join);
    ucid_zone_table_close(zones);
    return code;
}

const cli_command cli_join = {
    "join",
    "Find the zones of a table's places",
    "Each place gets the columns of the zone that it is in, or that is nearest, and\n"
    "the zone's row number; nulls where there is none. A place on a border of two\n"
    "zones is in exactly one. Distances are metres. By area, a cell comes out once for\n"
    "each zone that shares some of it, with area_m2, cell_share and zone_share.\n\n"
    "  ucid join places.parquet districts.gpkg -o out.parquet --zone-columns name\n"
    "  ucid join places.csv parks.geojson -o out.csv --predicate nearest --distance 2km\n"
    "  ucid join grid.parquet districts.gpkg -o shares.parquet --predicate area\n",
    options,
    positionals,
    run,
};
