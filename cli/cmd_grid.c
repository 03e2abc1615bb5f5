/* cmd_grid.c: `ucid grid`: the cells of an area, scored at their centres, or by themselves. */
#include "area.h"
#include "commands.h"
#include "indexes.h"
#include "table.h"

#include <string.h>

static cli_tables tables;
static struct {
    char **index;
    char *catalog, *context, *time, *city, *box, *boundary;
    int resolution, detail, cells, batch_rows;
} given = {.resolution = 9, .batch_rows = UCID_IO_BATCH_ROWS};

static const struct poptOption options[] = {
    {"bbox", '\0', POPT_ARG_STRING, &given.box, 0, "min_lat,min_lon,max_lat,max_lon", "BOX"},
    {"city", '\0', POPT_ARG_STRING, &given.city, 0, "box of a city of the registry; also the identifiers' city",
     "CODE"},
    {"boundary", '\0', POPT_ARG_STRING, &given.boundary, 0, "polygons", "FILE.geojson"},
    {"res", '\0', POPT_ARG_INT, &given.resolution, 0, "resolution of the cells; 9", "0..15"},
    CLI_INDEX_OPTIONS(given.index, given.catalog),
    {"context", '\0', POPT_ARG_STRING, &given.context, 0, "15MIN", "CONTEXT"},
    {"time", '\0', POPT_ARG_STRING, &given.time, 0, "2026W01T12; else the week of the index's data", "KEY"},
    {"detail", '\0', POPT_ARG_NONE, &given.detail, 0, "add the parts, the metres to the nearest of each, snap_m", NULL},
    {"cells", '\0', POPT_ARG_NONE, &given.cells, 0, "the cells alone, ascending: no index, no scores", NULL},
    {"batch-rows", '\0', POPT_ARG_INT | POPT_ARGFLAG_DOC_HIDDEN, &given.batch_rows, 0, "rows of a batch", "N"},
    {"output", 'o', POPT_ARG_STRING, &tables.out, 0, "table to write; - for standard output", "OUT"},
    {"output-format", '\0', POPT_ARG_STRING, &tables.out_format, 0, "where its name does not tell",
     "parquet|csv|arrow|arrows"},
    {"compression", '\0', POPT_ARG_STRING, &tables.compression, 0, "zstd for Parquet, else none",
     "zstd|snappy|lz4|gzip|none"},
    {"threads", '\0', POPT_ARG_INT, &tables.threads, 0, "0: all processors", "N"},
    CLI_COMMON,
    POPT_TABLEEND};

/* The area's cells; 0, or the exit code. indexes may be NULL. */
static int open_grid(const cli_indexes *indexes, ucid_grid **grid)
{
    ucid_error error;
    double box[4];
    if (given.boundary != NULL) {
        cli_area area;
        int code = cli_area_read(given.boundary, &area);
        if (code != CLI_DONE) return code;
        ucid_status status = ucid_grid_open_polygon(area.ring_count, area.ring_corners, area.lat_deg, area.lon_deg,
                                                    given.resolution, NULL, grid, &error);
        cli_area_free(&area);
        return status == UCID_OK ? CLI_DONE : cli_fail(&error);
    }
    if (given.box != NULL) {
        if (!cli_parse_box("--bbox", given.box, box)) return CLI_USAGE;
    } else if (given.city != NULL) {
        ucid_city city;
        if (ucid_city_get(NULL, (ucid_text){given.city, strlen(given.city)}, &city, &error) != UCID_OK) {
            return cli_fail(&error);
        }
        if (city.box_estimated) cli_warn("the box of %s is an estimate; --bbox or --boundary name another", city.code);
        box[0] = city.min_lat_deg;
        box[1] = city.min_lon_deg;
        box[2] = city.max_lat_deg;
        box[3] = city.max_lon_deg;
    } else if (indexes != NULL && indexes->count == 1) {
        const ucid_catalog_entry *only = &indexes->entry[0];
        box[0] = only->min_lat_deg;
        box[1] = only->min_lon_deg;
        box[2] = only->max_lat_deg;
        box[3] = only->max_lon_deg;
    } else {
        return cli_usage("%s one of --bbox, --city, --boundary is needed",
                         indexes != NULL ? "with several indexes" : "with --cells");
    }
    ucid_status status = ucid_grid_open_box(box[0], box[1], box[2], box[3], given.resolution, NULL, grid, &error);
    return status == UCID_OK ? CLI_DONE : cli_fail(&error);
}

static int write_cells(void)
{
    ucid_grid *grid;
    ucid_error error;
    struct ArrowArrayStream cells;
    if (given.index != NULL || given.catalog != NULL || given.context != NULL || given.time != NULL || given.detail) {
        return cli_usage("--cells are not scored: no --index, --catalog, --context, --time, --detail");
    }
    int code = open_grid(NULL, &grid);
    if (code != CLI_DONE) return code;
    if (ucid_grid_stream(grid, given.batch_rows, NULL, &cells, &error) != UCID_OK) {
        ucid_grid_close(grid);
        return cli_fail(&error);
    }
    return cli_table_write(&tables, NULL, &cells, -1, NULL);
}

static int run(int argc, const char **argv)
{
    (void)argc;
    (void)argv;
    uint32_t hour;
    ucid_error error;
    if (!cli_tables_check(&tables)) return CLI_USAGE;
    if ((given.box != NULL) + (given.boundary != NULL) > 1)
        return cli_usage("--bbox and --boundary exclude each other");
    if (given.cells) return write_cells();
    if (given.time != NULL && !cli_parse_hour("--time", given.time, &hour)) return CLI_USAGE;
    cli_indexes indexes;
    int code = cli_indexes_open(given.index, given.catalog, &indexes);
    if (code != CLI_DONE) return code;
    ucid_grid *grid;
    if (given.time == NULL && !cli_indexes_dated(&indexes)) {
        cli_indexes_close(&indexes);
        return CLI_USAGE;
    }
    code = open_grid(&indexes, &grid);
    if (code != CLI_DONE) {
        cli_indexes_close(&indexes);
        return code;
    }
    ucid_stream_options stream_options = UCID_STREAM_OPTIONS_INIT;
    stream_options.threads = cli_threads(tables.threads);
    stream_options.city = given.city;
    stream_options.time = given.time;
    stream_options.context = given.context != NULL ? given.context : "15MIN";
    stream_options.resolution = given.resolution;
    stream_options.detail = given.detail;
    struct ArrowArrayStream cells, scored;
    if (ucid_grid_stream(grid, given.batch_rows, NULL, &cells, &error) != UCID_OK) {
        ucid_grid_close(grid);
        code = cli_fail(&error);
    } else if (ucid_score_stream(&cells, indexes.catalog, &stream_options, &scored, &error) != UCID_OK) {
        cells.release(&cells);
        code = cli_fail(&error);
    } else {
        code = cli_table_write(&tables, NULL, &scored, -1, &indexes.failed);
        /* Cells in the sea are no fault of the input. */
        if (code == CLI_ROWS_INVALID) code = CLI_DONE;
    }
    cli_indexes_close(&indexes);
    return code;
}

const cli_command cli_grid = {
    "grid",
    "Score all H3 cells of an area",
    "A cell belongs to the area when its centre does. Where no area is named it is the\n"
    "index's box. Cells without a street near have the status off_network.\n\n"
    "  ucid grid --res 9 --index lpa.ucidx --context 15MIN -o grid.parquet\n"
    "  ucid grid --cells --res 11 --bbox 47,5.8,47.9,10.6 -o cells.parquet\n",
    options,
    NULL,
    run,
};
