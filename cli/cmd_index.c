/* cmd_index.c: `ucid index build`, `info`, `check`. */
#include "cli.h"
#include "commands.h"
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    char *out, *boundary, *buffer, *cutoff, *snap_limit;
    int threads;
} build;

static const struct poptOption build_options[] = {
    {"output", 'o', POPT_ARG_STRING, &build.out, 0, "file to write", "CITY.ucidx"},
    {"boundary", '\0', POPT_ARG_STRING, &build.boundary, 0,
     "polygon whose inside is reported; the network reaches beyond", "FILE.geojson"},
    {"buffer", '\0', POPT_ARG_STRING, &build.buffer, 0, "network kept around the boundary; 1500m", "LENGTH"},
    {"cutoff", '\0', POPT_ARG_STRING, &build.cutoff, 0, "reach on the network; 1200m", "LENGTH"},
    {"snap-limit", '\0', POPT_ARG_STRING, &build.snap_limit, 0, "farthest street that a place may use; 300m", "LENGTH"},
    {"threads", '\0', POPT_ARG_INT, &build.threads, 0, "0: all processors", "N"},
    CLI_COMMON,
    POPT_TABLEEND};

static const cli_positional build_positionals[] = {
    {"IN.osm.pbf", "extract of OpenStreetMap", CLI_ONE},
    {NULL, NULL, CLI_ONE},
};

/* Where an extract ends is known by streets that go on to nodes it lacks, by its header's box, or by a boundary. */
static void tell_ends(const json_t *about)
{
    const json_t *inputs = json_object_get(about, "inputs");
    const char *box = json_string_value(json_object_get(json_object_get(inputs, "osm"), "header_box"));
    json_int_t ends = json_integer_value(json_object_get(json_object_get(about, "streets"), "ends_of_extract"));
    int known = ends > 0 || json_object_get(inputs, "boundary") != NULL || (box != NULL && strcmp(box, "trusted") == 0);
    if (!cli_json() && json_object_get(inputs, "network") != NULL) {
        printf("  ends          %lld nodes are marked as ends of the network\n", (long long)ends);
    } else if (!cli_json()) {
        printf("  ends          %lld streets go on beyond the extract; the box in its header is %s\n", (long long)ends,
               box != NULL ? box : "unknown");
    }
    if (!known) {
        cli_warn("nothing tells where the extract ends, so no place is near_boundary: at its edge scores are too low "
                 "without saying so; `ucid index build --boundary` reports what lies well inside");
    }
}

static void tell_people(const char *path, const ucid_index_info *info, const char *date, const char *licence)
{
    const ucid_context *context = ucid_context_get("15MIN");
    printf("%s\n", path);
    printf("  id            %s, format %u, %.2f MB\n", info->id, info->format, (double)info->byte_length / 1e6);
    printf("  data          week %.7s%s\n", date, licence != NULL ? ", (c) OpenStreetMap contributors" : "");
    printf("  box           %.5f %.5f to %.5f %.5f (lat lon), %.2f km2\n", info->min_lat_deg, info->min_lon_deg,
           info->max_lat_deg, info->max_lon_deg, info->area_km2);
    printf("  streets       %.1f km in %llu edges, %llu junctions; reach %.0f m, snap limit %.0f m\n",
           (double)info->street_m / 1000.0, (unsigned long long)info->edge_count, (unsigned long long)info->node_count,
           info->cutoff_m, info->snap_limit_m);
    printf("  components    %llu, the largest holds %.1f %%; %llu edges on islands\n",
           (unsigned long long)info->component_count, 100.0 * info->largest_component,
           (unsigned long long)info->island_edge_count);
    for (int p = 0; p < context->part_count; p++) {
        printf("  %-13s %llu%s\n", context->part_key[p], (unsigned long long)info->opportunity_count[p],
               info->parts_known >> p & 1 ? "" : ", too few to tell where none is: confidence is lower");
    }
}

/* Put an index's facts into the report, and a summary for people on stdout. Returns the exit code. */
static int tell(const char *path, const ucid_index *index)
{
    ucid_index_info info;
    ucid_index_info_get(index, &info);
    char date[UCID_TIME_LENGTH + 1] = "unknown";
    if (info.data_hour != 0) ucid_time_format((int32_t)info.data_hour, date);
    const ucid_context *context = ucid_context_get("15MIN");
    json_t *places = json_object(), *too_few = json_array();
    for (int p = 0; p < context->part_count; p++) {
        json_object_set_new(places, context->part_key[p], json_integer((json_int_t)info.opportunity_count[p]));
        if (!(info.parts_known >> p & 1)) json_array_append_new(too_few, json_string(context->part_key[p]));
    }
    json_t *report = cli_report();
    json_object_set_new(report, "path", json_string(path));
    json_object_set_new(report, "id", json_string(info.id));
    json_object_set_new(report, "format", json_integer(info.format));
    json_object_set_new(report, "bytes", json_integer((json_int_t)info.byte_length));
    json_object_set_new(report, "data_week", json_string(date));
    json_object_set_new(report, "min_lat_deg", json_real(info.min_lat_deg));
    json_object_set_new(report, "min_lon_deg", json_real(info.min_lon_deg));
    json_object_set_new(report, "max_lat_deg", json_real(info.max_lat_deg));
    json_object_set_new(report, "max_lon_deg", json_real(info.max_lon_deg));
    json_object_set_new(report, "area_km2", json_real(info.area_km2));
    json_object_set_new(report, "cutoff_m", json_real(info.cutoff_m));
    json_object_set_new(report, "snap_limit_m", json_real(info.snap_limit_m));
    json_object_set_new(report, "nodes", json_integer((json_int_t)info.node_count));
    json_object_set_new(report, "edges", json_integer((json_int_t)info.edge_count));
    json_object_set_new(report, "segments", json_integer((json_int_t)info.segment_count));
    json_object_set_new(report, "street_m", json_integer((json_int_t)info.street_m));
    json_object_set_new(report, "components", json_integer((json_int_t)info.component_count));
    json_object_set_new(report, "island_edges", json_integer((json_int_t)info.island_edge_count));
    json_object_set_new(report, "largest_component", json_real(info.largest_component));
    json_object_set_new(report, "places", places);
    json_object_set_new(report, "too_few", too_few);
    json_error_t problem;
    json_t *about = json_loads(info.json, 0, &problem);
    if (about == NULL && cli_json_starved()) return cli_failf(UCID_NO_MEMORY, "no memory for what %s tells", path);
    if (about == NULL) return cli_failf(UCID_INDEX_CORRUPT, "%s: what it tells is no JSON: %s", path, problem.text);
    json_object_set(report, "about", about);
    if (!cli_json()) tell_people(path, &info, date, json_string_value(json_object_get(about, "licence")));
    tell_ends(about);
    json_decref(about);
    return CLI_DONE;
}

static int run_build(int argc, const char **argv)
{
    (void)argc;
    static char unit[] = "";
    ucid_build_options options = UCID_BUILD_OPTIONS_INIT;
    if (build.out == NULL) return cli_usage("-o CITY.ucidx is missing");
    if (build.buffer != NULL && !cli_parse_length("--buffer", build.buffer, &options.buffer_m)) return CLI_USAGE;
    if (build.cutoff != NULL && !cli_parse_length("--cutoff", build.cutoff, &options.cutoff_m)) return CLI_USAGE;
    if (build.snap_limit != NULL && !cli_parse_length("--snap-limit", build.snap_limit, &options.snap_limit_m)) {
        return CLI_USAGE;
    }
    options.threads = cli_threads(build.threads);
    options.boundary_path = build.boundary;
    options.progress = cli_progress_stage;
    options.progress_ctx = unit;
    double begun_s = cli_clock_s();
    ucid_error error;
    ucid_index *index;
    if (ucid_index_build(argv[0], build.out, &options, &error) != UCID_OK ||
        ucid_index_open(build.out, NULL, &index, &error) != UCID_OK) {
        return cli_fail(&error);
    }
    cli_progress_end();
    double seconds = cli_clock_s() - begun_s;
    json_object_set_new(cli_report(), "seconds", json_real(seconds));
    int code = tell(build.out, index);
    if (code == CLI_DONE && !cli_json()) printf("  built in      %.2f s\n", seconds);
    ucid_index_close(index);
    return code;
}

const cli_command cli_index_build = {
    "index build",
    "Compile an OpenStreetMap extract into an index",
    "The file is written beside and renamed when complete. Lengths take m or km.\n\n"
    "  ucid index build las-palmas.osm.pbf -o las-palmas.ucidx\n",
    build_options,
    build_positionals,
    run_build,
};

static const struct poptOption plain_options[] = {CLI_COMMON, POPT_TABLEEND};
static const cli_positional index_positionals[] = {
    {"CITY.ucidx", "an index", CLI_ONE},
    {NULL, NULL, CLI_ONE},
};

static int run_info(int argc, const char **argv)
{
    (void)argc;
    ucid_error error;
    ucid_index *index;
    if (ucid_index_open(argv[0], NULL, &index, &error) != UCID_OK) return cli_fail(&error);
    int code = tell(argv[0], index);
    ucid_index_close(index);
    return code;
}

const cli_command cli_index_info = {
    "index info", "Show what an index holds", NULL, plain_options, index_positionals, run_info,
};

static int run_check(int argc, const char **argv)
{
    (void)argc;
    ucid_error error;
    ucid_index *index;
    if (ucid_index_open(argv[0], NULL, &index, &error) != UCID_OK) return cli_fail(&error);
    int code = CLI_DONE;
    if (ucid_index_check(index, &error) != UCID_OK) {
        code = cli_fail(&error);
    } else {
        ucid_index_info info;
        ucid_index_info_get(index, &info);
        json_object_set_new(cli_report(), "path", json_string(argv[0]));
        json_object_set_new(cli_report(), "id", json_string(info.id));
        if (!cli_json()) printf("%s: good, %s\n", argv[0], info.id);
    }
    ucid_index_close(index);
    return code;
}

const cli_command cli_index_check = {
    "index check", "Verify every checksum and every rule of an index", NULL, plain_options, index_positionals,
    run_check,
};
