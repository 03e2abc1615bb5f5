/* cmd_identity_time.c: time keys, cities and cells given as arguments, for people; with --output, a table in and a
 * table out. */
#include "commands.h"
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cli_tables tables;
static struct {
    char *zone, *city, *country, *near, *cities, *column, *earlier, *lat, *lon;
    int weeks, limit, resolution, replace;
} given = {.limit = 20, .resolution = 9};

static const struct poptOption plain_options[] = {CLI_COMMON, POPT_TABLEEND};
#define COLUMN_OPTIONS(what)                                                                                            \
    {"column", '\0', POPT_ARG_STRING, &given.column, 0, what, "NAME"},                                                  \
        {"replace", '\0', POPT_ARG_NONE, &given.replace, 0, "replace columns that have an output column's name", NULL}, \
        CLI_TABLE_OPTIONS(tables), CLI_COMMON, POPT_TABLEEND
#define KEYS "2026W01T12; with --output tables: " CLI_FILES
#define TIME_COLUMN "of a table: column of time keys; timestamp"
#define CELL_COLUMN "of a table: column of cells; h3, h3_index, h3_cell, cell"

static const char *const time_names[] = {"timestamp", NULL};
static const char *const cell_names[] = {"h3", "h3_index", "h3_cell", "cell", NULL};

static ucid_text text_of(const char *string)
{
    ucid_text text = {string, string != NULL ? strlen(string) : 0};
    return text;
}

static int take_key(const char *text, int32_t *hour, int *code)
{
    ucid_error error;
    if (ucid_time_parse(text_of(text), hour, &error) == UCID_OK) return 1;
    *code = cli_fail(&error);
    return 0;
}

static int take_integer(const char *what, const char *text, int64_t *value)
{
    double number;
    if (!cli_parse_number(what, text, &number)) return 0;
    *value = (int64_t)number;
    if ((double)*value == number) return 1;
    cli_usage("%s: '%s' is not a whole number", what, text);
    return 0;
}

static int show_key(ucid_status status, int32_t hour, const ucid_error *error)
{
    if (status != UCID_OK) return cli_fail(error);
    char text[UCID_TIME_LENGTH + 1];
    ucid_time_format(hour, text);
    if (!cli_json()) puts(text);
    json_object_set_new(cli_report(), "timestamp", json_string(text));
    return CLI_DONE;
}

/* Tables, of which the columns named `texts` are texts. */
static int pass(const char *const *in, const char *const *texts, cli_make_fn *make)
{
    const char *const named[] = {given.column != NULL ? given.column : "timestamp", given.earlier, NULL};
    const char *const lat[] = {given.lat, NULL}, *const lon[] = {given.lon, NULL};
    ucid_io_read_options read = {.texts = given.column != NULL || given.earlier != NULL ? named : texts};
    ucid_stream_options options = UCID_STREAM_OPTIONS_INIT;
    if (texts == NULL) {
        read.latitudes = given.lat != NULL ? lat : cli_lat_names;
        read.longitudes = given.lon != NULL ? lon : cli_lon_names;
    }
    read.text = texts != NULL && cli_tables_csv(&tables, in);
    options.time_column = options.cell_column = given.column;
    options.lat_column = given.lat;
    options.lon_column = given.lon;
    options.replace = given.replace;
    options.resolution = given.resolution;
    return cli_table_pass(&tables, in, &read, &options, make);
}

/* 1 where there is one key, or cell, to be told of; else a usage error. */
static int is_one(int argc)
{
    if (argc == 1) return 1;
    cli_usage("%d arguments given: one, or tables and --output OUT", argc);
    return 0;
}

/* ---------------------------------------------------------------------------------------------------------- time -- */

static int64_t hours_later;
static ucid_zone *zone;

/* What a command makes of a key, and of a column of keys. */
typedef struct key_change {
    ucid_status (*one)(int32_t hour, int32_t *changed, ucid_error *error);
    cli_make_fn *column;
} key_change;

static int change_keys(int argc, const char **argv, const key_change *change)
{
    int32_t hour, changed = 0;
    int code;
    ucid_error error;
    if (tables.out != NULL) return pass(argv, time_names, change->column);
    if (!is_one(argc)) return CLI_USAGE;
    if (!take_key(argv[0], &hour, &code)) return code;
    ucid_status status = change->one(hour, &changed, &error);
    return show_key(status, changed, &error);
}

static ucid_status add_one(int32_t hour, int32_t *later, ucid_error *error)
{
    return ucid_time_add_hours(hour, hours_later, later, error);
}

static ucid_status add_column(struct ArrowArrayStream *in, const ucid_stream_options *options,
                              struct ArrowArrayStream *out, ucid_error *error)
{
    return ucid_time_add_stream(in, hours_later, options, out, error);
}

static int run_add(int argc, const char **argv)
{
    static const key_change add = {add_one, add_column};
    if (!take_integer("N", argv[--argc], &hours_later)) return CLI_USAGE;
    argv[argc] = NULL;
    if (given.weeks)
        hours_later = hours_later > INT64_MAX / 168 || hours_later < INT64_MIN / 168 ? hours_later : hours_later * 168;
    return change_keys(argc, argv, &add);
}

static const struct poptOption add_options[] = {
    {"weeks", 'w', POPT_ARG_NONE, &given.weeks, 0, "N counts weeks, not hours", NULL}, COLUMN_OPTIONS(TIME_COLUMN)};
static const cli_positional add_positionals[] = {
    {"IN|KEY", KEYS, CLI_MANY},
    {"N", "hours, may be negative", CLI_ONE},
    {NULL, NULL, CLI_ONE},
};
const cli_command cli_time_add = {"time add",
                                  "Print the key some hours later or earlier",
                                  "  ucid time add 2026W53T12 1 --weeks\n"
                                  "  ucid time add named.csv 6 -o later.csv\n",
                                  add_options,
                                  add_positionals,
                                  run_add};

static ucid_status diff_column(struct ArrowArrayStream *in, const ucid_stream_options *options,
                               struct ArrowArrayStream *out, ucid_error *error)
{
    return ucid_time_diff_stream(in, given.earlier, options, out, error);
}

static int run_diff(int argc, const char **argv)
{
    int32_t a, b;
    int code;
    if (tables.out != NULL) {
        if (given.earlier == NULL) return cli_usage("--output needs --earlier COLUMN");
        return pass(argv, time_names, diff_column);
    }
    if (argc != 2) return cli_usage("needs KEY and EARLIER, or IN, --earlier COLUMN and --output OUT");
    if (!take_key(argv[0], &a, &code) || !take_key(argv[1], &b, &code)) return code;
    if (!cli_json()) printf("%d\n", (int)(a - b));
    json_object_set_new(cli_report(), "hours", json_integer(a - b));
    return CLI_DONE;
}

static const struct poptOption diff_options[] = {
    {"earlier", '\0', POPT_ARG_STRING, &given.earlier, 0, "of a table: column of the keys to count from", "COLUMN"},
    COLUMN_OPTIONS(TIME_COLUMN)};
static const cli_positional diff_positionals[] = {
    {"IN|KEY", KEYS, CLI_MANY},
    {"EARLIER", "2026W01T12", CLI_OPTIONAL},
    {NULL, NULL, CLI_ONE},
};
const cli_command cli_time_diff = {"time diff",
                                   "Print the hours from one key to another",
                                   "  ucid time diff 2026W02T12 2026W01T12\n"
                                   "  ucid time diff visits.csv --earlier first -o waits.csv\n",
                                   diff_options,
                                   diff_positionals,
                                   run_diff};

static int run_range(int argc, const char **argv)
{
    (void)argc;
    int32_t first, last;
    int64_t step, count;
    int code;
    ucid_error error;
    if (!take_integer("STEP", argv[2], &step)) return CLI_USAGE;
    if (!take_key(argv[0], &first, &code) || !take_key(argv[1], &last, &code)) return code;
    if (ucid_time_range(first, last, step, NULL, 0, &count, &error) != UCID_OK) return cli_fail(&error);
    int32_t *hours = malloc((size_t)(count > 0 ? count : 1) * sizeof *hours);
    if (hours == NULL) return cli_failf(UCID_NO_MEMORY, "no memory for %lld keys", (long long)count);
    ucid_time_range(first, last, step, hours, count, &count, &error);
    json_t *keys = json_array();
    for (int64_t i = 0; i < count; i++) {
        char text[UCID_TIME_LENGTH + 1];
        ucid_time_format(hours[i], text);
        if (cli_json()) {
            json_array_append_new(keys, json_string(text));
        } else {
            puts(text);
        }
    }
    free(hours);
    json_object_set_new(cli_report(), "timestamps", keys);
    return CLI_DONE;
}

static const cli_positional range_positionals[] = {
    {"FIRST", "2026W01T00", CLI_ONE},
    {"LAST", "2026W01T23", CLI_ONE},
    {"STEP", "hours", CLI_ONE},
    {NULL, NULL, CLI_ONE},
};
const cli_command cli_time_range = {"time range",
                                    "Print the keys from one to another",
                                    "  ucid time range 2026W52T12 2027W02T12 168\n",
                                    plain_options,
                                    range_positionals,
                                    run_range};

/* Opens --zone, else the zone of --city. */
static int open_zone(int *code)
{
    ucid_registry *registry = NULL;
    ucid_error error;
    ucid_city city;
    ucid_status status = UCID_OK;
    if (given.zone == NULL && given.city == NULL) {
        *code = cli_usage("--city or --zone is needed");
        return 0;
    }
    if (given.cities != NULL) status = ucid_registry_open(given.cities, NULL, &registry, &error);
    if (status == UCID_OK && given.zone == NULL) status = ucid_city_get(registry, text_of(given.city), &city, &error);
    if (status == UCID_OK) {
        status = ucid_zone_open(given.zone != NULL ? given.zone : city.timezone, NULL, NULL, &zone, &error);
    }
    ucid_registry_close(registry);
    if (status != UCID_OK) *code = cli_fail(&error);
    return status == UCID_OK;
}

static int shift(int argc, const char **argv, const key_change *change)
{
    int code;
    if (!open_zone(&code)) return code;
    code = change_keys(argc, argv, change);
    ucid_zone_close(zone);
    return code;
}

static ucid_status to_utc_one(int32_t hour, int32_t *utc, ucid_error *error)
{
    return ucid_time_to_utc(hour, zone, utc, error);
}

static ucid_status to_utc_column(struct ArrowArrayStream *in, const ucid_stream_options *options,
                                 struct ArrowArrayStream *out, ucid_error *error)
{
    return ucid_time_zone_stream(in, zone, 1, options, out, error);
}

static ucid_status from_utc_one(int32_t utc, int32_t *hour, ucid_error *error)
{
    return ucid_time_from_utc(utc, zone, hour, error);
}

static ucid_status from_utc_column(struct ArrowArrayStream *in, const ucid_stream_options *options,
                                   struct ArrowArrayStream *out, ucid_error *error)
{
    return ucid_time_zone_stream(in, zone, 0, options, out, error);
}

static int run_to_utc(int argc, const char **argv)
{
    static const key_change change = {to_utc_one, to_utc_column};
    return shift(argc, argv, &change);
}

static int run_from_utc(int argc, const char **argv)
{
    static const key_change change = {from_utc_one, from_utc_column};
    return shift(argc, argv, &change);
}

static const struct poptOption zone_options[] = {
    {"city", '\0', POPT_ARG_STRING, &given.city, 0, "the zone of a city", "CODE"},
    {"zone", 'z', POPT_ARG_STRING, &given.zone, 0, "Europe/Istanbul", "ZONE"},
    {"cities", '\0', POPT_ARG_STRING, &given.cities, 0, "more cities", "FILE.csv"},
    COLUMN_OPTIONS(TIME_COLUMN)};
static const cli_positional key_positionals[] = {
    {"IN|KEY", KEYS, CLI_MANY},
    {NULL, NULL, CLI_ONE},
};
const cli_command cli_time_to_utc = {"time to-utc",
                                     "Print the key in UTC of a city's key",
                                     "  ucid time to-utc 2026W01T12 --city IST\n"
                                     "  ucid time to-utc named.csv --city IST -o utc.csv\n",
                                     zone_options,
                                     key_positionals,
                                     run_to_utc};
const cli_command cli_time_from_utc = {"time from-utc",
                                       "Print a city's key of a key in UTC",
                                       "  ucid time from-utc 2026W01T09 --city IST\n"
                                       "  ucid time from-utc utc.csv --city IST -o local.csv\n",
                                       zone_options,
                                       key_positionals,
                                       run_from_utc};

/* -------------------------------------------------------------------------------------------------------- cities -- */

static void show_city(const ucid_city *city, double dist_m, json_t *list)
{
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:s, s:f, s:f, s:[f,f,f,f], s:b, s:I, s:s}", "code", city->code, "name", city->name,
                  "country", city->country, "region", city->region, "lat", city->lat_deg, "lon", city->lon_deg, "bbox",
                  city->min_lat_deg, city->min_lon_deg, city->max_lat_deg, city->max_lon_deg, "bbox_estimated",
                  city->box_estimated, "population", (json_int_t)city->population, "timezone", city->timezone);
    if (dist_m >= 0) json_object_set_new(json, "distance_m", json_real(dist_m));
    json_array_append_new(list, json);
    if (cli_json()) return;
    printf("%s  %s  %9.4f %10.4f  %9lld  %-24s %s", city->code, city->country, city->lat_deg, city->lon_deg,
           (long long)city->population, city->timezone, city->name);
    if (dist_m >= 0) printf("  %.1f km away", dist_m / 1000);
    puts("");
}

static int run_cities(int argc, const char **argv)
{
    ucid_registry *registry = NULL;
    ucid_error error;
    ucid_city city;
    json_t *list = json_array();
    json_object_set_new(cli_report(), "cities", list);
    if (given.cities != NULL && ucid_registry_open(given.cities, NULL, &registry, &error) != UCID_OK) {
        return cli_fail(&error);
    }
    int code = CLI_DONE;
    if (given.near != NULL) {
        double place[2], dist_m;
        char *comma = strchr(given.near, ',');
        if (comma != NULL) *comma = '\0';
        if (comma == NULL || !cli_parse_number("--near", given.near, &place[0]) ||
            !cli_parse_number("--near", comma + 1, &place[1])) {
            code = comma == NULL ? cli_usage("--near: needs LAT,LON") : CLI_USAGE;
        } else if (ucid_city_nearest(registry, place[0], place[1], &city, &dist_m, &error) != UCID_OK) {
            code = cli_fail(&error);
        } else {
            show_city(&city, dist_m, list);
        }
    } else {
        int64_t limit = given.limit > 0 && given.limit < 20000 ? given.limit : 20000;
        int64_t *positions = malloc((size_t)limit * sizeof *positions);
        if (positions == NULL) return cli_failf(UCID_NO_MEMORY, "no memory for %lld cities", (long long)limit);
        int64_t found =
            ucid_city_search(registry, text_of(argc > 0 ? argv[0] : NULL), text_of(given.country), positions, limit);
        for (int64_t i = 0; i < found && i < limit; i++) {
            ucid_city_at(registry, positions[i], &city);
            show_city(&city, -1, list);
        }
        free(positions);
        json_object_set_new(cli_report(), "found", json_integer(found));
        if (!cli_json() && found > limit)
            fprintf(stderr, "%lld more; --limit 0 shows all\n", (long long)(found - limit));
        if (found == 0) code = cli_failf(UCID_CITY_NOT_FOUND, "no city has such a code or name");
    }
    ucid_registry_close(registry);
    return code;
}

static const struct poptOption cities_options[] = {
    {"country", '\0', POPT_ARG_STRING, &given.country, 0, "only of one country: TR", "CC"},
    {"near", '\0', POPT_ARG_STRING, &given.near, 0, "the nearest city of a place", "LAT,LON"},
    {"limit", 'n', POPT_ARG_INT, &given.limit, 0, "at most; 20, 0: all", "N"},
    {"cities", '\0', POPT_ARG_STRING, &given.cities, 0, "more cities", "FILE.csv"},
    CLI_COMMON,
    POPT_TABLEEND};
static const cli_positional cities_positionals[] = {
    {"SEARCH", "code or part of a name, accents do not count", CLI_OPTIONAL},
    {NULL, NULL, CLI_ONE},
};
const cli_command cli_cities = {
    "cities",
    "Find cities by code, name or place",
    "  ucid cities istan\n  ucid cities --near 41.01,28.98\n\nData: OpenTravelData, GeoNames (CC BY 4.0).\n",
    cities_options,
    cities_positionals,
    run_cities,
};

/* --------------------------------------------------------------------------------------------------------- cells -- */

static int take_cell(const char *text, uint64_t *cell, int *code)
{
    *cell = ucid_cell_parse(text, strlen(text));
    if (*cell != 0) return 1;
    *code = cli_failf(UCID_INVALID_H3, "%.40s is not a valid H3 cell", text);
    return 0;
}

static void show_cells(const uint64_t *cells, int64_t count)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < count; i++) {
        char text[16];
        ucid_cell_format(cells[i], text);
        if (cli_json()) {
            json_array_append_new(list, json_string(text));
        } else {
            puts(text);
        }
    }
    json_object_set_new(cli_report(), "cells", list);
}

static int run_cell_at(int argc, const char **argv)
{
    double lat_deg, lon_deg;
    if (tables.out != NULL) return pass(argv, NULL, ucid_cell_stream);
    if (argc != 2) return cli_usage("needs LAT and LON, or IN and --output OUT");
    if (!cli_parse_number("LAT", argv[0], &lat_deg) || !cli_parse_number("LON", argv[1], &lon_deg)) return CLI_USAGE;
    if (given.resolution < 0 || given.resolution > 15) return cli_usage("--res: %d is not in 0..15", given.resolution);
    uint64_t cell = ucid_cell_at(lat_deg, lon_deg, given.resolution);
    if (cell == 0) return cli_failf(UCID_INVALID_FIELD, "%g, %g is not within 90 and 180 degrees", lat_deg, lon_deg);
    show_cells(&cell, 1);
    return CLI_DONE;
}

static const struct poptOption cell_at_options[] = {
    {"res", 'r', POPT_ARG_INT, &given.resolution, 0, "resolution; 9", "0..15"},
    {"lat", '\0', POPT_ARG_STRING, &given.lat, 0, "of a table: column of latitudes; lat, latitude, y", "NAME"},
    {"lon", '\0', POPT_ARG_STRING, &given.lon, 0, "of a table: column of longitudes; lon, lng, longitude, x", "NAME"},
    {"replace", '\0', POPT_ARG_NONE, &given.replace, 0, "replace columns that have an output column's name", NULL},
    CLI_TABLE_OPTIONS(tables),
    CLI_COMMON,
    POPT_TABLEEND};
static const cli_positional place_positionals[] = {
    {"IN|LAT", "degrees; with --output tables of places: " CLI_FILES, CLI_MANY},
    {"LON", "degrees", CLI_OPTIONAL},
    {NULL, NULL, CLI_ONE},
};
const cli_command cli_cell_at = {"cell at",
                                 "Print the cell of a place",
                                 "  ucid cell at 41.015 28.979 --res 9\n"
                                 "  ucid cell at places.csv --res 9 -o cells.csv\n",
                                 cell_at_options,
                                 place_positionals,
                                 run_cell_at};

static int run_cell_info(int argc, const char **argv)
{
    uint64_t cell;
    int code, corners = 0;
    double lat_deg, lon_deg, corner_lat[UCID_CELL_CORNERS_MAX], corner_lon[UCID_CELL_CORNERS_MAX];
    if (tables.out != NULL) return pass(argv, cell_names, ucid_cell_info_stream);
    if (!is_one(argc)) return CLI_USAGE;
    if (!take_cell(argv[0], &cell, &code)) return code;
    ucid_cell_centre(cell, &lat_deg, &lon_deg, NULL);
    ucid_cell_boundary(cell, corner_lat, corner_lon, &corners, NULL);
    json_t *boundary = json_array(), *report = cli_report();
    for (int i = 0; i < corners; i++) json_array_append_new(boundary, json_pack("[f,f]", corner_lat[i], corner_lon[i]));
    json_object_set_new(report, "resolution", json_integer(ucid_cell_resolution(cell)));
    json_object_set_new(report, "centre", json_pack("[f,f]", lat_deg, lon_deg));
    json_object_set_new(report, "area_m2", json_real(ucid_cell_area_m2(cell)));
    json_object_set_new(report, "boundary", boundary);
    if (cli_json()) return CLI_DONE;
    printf("resolution  %d\ncentre      %.7f %.7f\narea        %.1f m2\n", ucid_cell_resolution(cell), lat_deg, lon_deg,
           ucid_cell_area_m2(cell));
    for (int i = 0; i < corners; i++) printf("corner      %.7f %.7f\n", corner_lat[i], corner_lon[i]);
    return CLI_DONE;
}

static const struct poptOption info_options[] = {COLUMN_OPTIONS(CELL_COLUMN)};
static const cli_positional cell_positionals[] = {
    {"IN|CELL", "891ec90243bffff; with --output tables: " CLI_FILES, CLI_MANY},
    {NULL, NULL, CLI_ONE},
};
const cli_command cli_cell_info = {"cell info",
                                   "Print resolution, centre, area and corners of a cell",
                                   "  ucid cell info 891ec90243bffff\n"
                                   "  ucid cell info scores.parquet -o cells.csv\n",
                                   info_options,
                                   cell_positionals,
                                   run_cell_info};

/* Parent or children of a cell at --res; of a table the parents: a row in is a row out. */
static int run_cell_family(int argc, const char **argv)
{
    uint64_t cell;
    int code;
    if (tables.out != NULL) return pass(argv, cell_names, ucid_cell_parent_stream);
    if (!is_one(argc)) return CLI_USAGE;
    if (!take_cell(argv[0], &cell, &code)) return code;
    int own = ucid_cell_resolution(cell);
    if (given.resolution < 0 || given.resolution > 15) return cli_usage("--res: %d is not in 0..15", given.resolution);
    int64_t count = given.resolution <= own ? 1 : ucid_cell_children_count(cell, given.resolution);
    if (count > 10000000) return cli_usage("--res: %lld cells are too many to list", (long long)count);
    uint64_t *cells = malloc((size_t)count * sizeof *cells);
    if (cells == NULL) return cli_failf(UCID_NO_MEMORY, "no memory for %lld cells", (long long)count);
    if (given.resolution <= own) {
        cells[0] = ucid_cell_parent(cell, given.resolution);
    } else {
        ucid_cell_children(cell, given.resolution, cells, NULL);
    }
    show_cells(cells, count);
    free(cells);
    return CLI_DONE;
}

static const struct poptOption family_options[] = {
    {"res", 'r', POPT_ARG_INT, &given.resolution, 0, "resolution; 9", "0..15"}, COLUMN_OPTIONS(CELL_COLUMN)};
const cli_command cli_cell_family = {"cell family",
                                     "Print the cell's parent, or its children, at another resolution",
                                     "  ucid cell family 891ec90243bffff --res 7\n"
                                     "  ucid cell family cells.csv --res 7 -o parents.csv\n",
                                     family_options,
                                     cell_positionals,
                                     run_cell_family};

static int run_cell_disk(int argc, const char **argv)
{
    (void)argc;
    uint64_t cell;
    int64_t k, count = 0;
    int code;
    ucid_error error;
    if (!take_integer("K", argv[1], &k)) return CLI_USAGE;
    if (k < 0 || k > 1000) return cli_usage("K: %lld is not in 0..1000", (long long)k);
    if (!take_cell(argv[0], &cell, &code)) return code;
    uint64_t *cells = malloc((size_t)(3 * k * (k + 1) + 1) * sizeof *cells);
    if (cells == NULL) return cli_failf(UCID_NO_MEMORY, "no memory for the disk");
    ucid_status status = ucid_cell_disk(cell, (int)k, cells, &count, &error);
    if (status == UCID_OK) show_cells(cells, count);
    free(cells);
    return status == UCID_OK ? CLI_DONE : cli_fail(&error);
}

static const cli_positional disk_positionals[] = {
    {"CELL", "891ec90243bffff", CLI_ONE},
    {"K", "steps, 0..1000", CLI_ONE},
    {NULL, NULL, CLI_ONE},
};
const cli_command cli_cell_disk = {"cell disk",
                                   "Print the cells within some steps of a cell",
                                   "  ucid cell disk 891ec90243bffff 1\n",
                                   plain_options,
                                   disk_positionals,
                                   run_cell_disk};
