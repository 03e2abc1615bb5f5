/* ucid-town: writes a town that does not exist as an OpenStreetMap extract. */
#include "town.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] = "usage: ucid-town [options] OUT.osm.pbf\n"
                            "Write a town, or a group of towns, that does not exist, as a real OpenStreetMap extract.\n"
                            "\n"
                            "  -n, --nodes N         about so many nodes, 500 to 1000000000 (100000); a fifth of them\n"
                            "                        are junctions or dead ends of the street network\n"
                            "  -s, --seed N          another seed, another town (1); the same seed, the same bytes\n"
                            "  -c, --centre LAT,LON  where the first town is, degrees (40,-40, in the Atlantic)\n"
                            "  -f, --first-id N      first id of nodes, ways and relations (1)\n"
                            "  -z, --compression C   zlib, lz4, zstd or raw (zlib)\n"
                            "  -h, --help            this\n";

static int parse_number(const char *text, uint64_t max, uint64_t *value)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || number > max) return 0;
    *value = number;
    return 1;
}

static int parse_centre(const char *text, town_options *options)
{
    char *end;
    options->lat_deg = strtod(text, &end);
    if (end == text || *end != ',') return 0;
    text = end + 1;
    options->lon_deg = strtod(text, &end);
    return end != text && *end == '\0';
}

static int parse_compression(const char *text, town_options *options)
{
    static const char *const names[] = {[PBF_ZLIB] = "zlib", [PBF_RAW] = "raw", [PBF_LZ4] = "lz4", [PBF_ZSTD] = "zstd"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        options->compression = (enum pbf_compression)i;
        if (strcmp(text, names[i]) == 0) return 1;
    }
    return 0;
}

static int fail_usage(const char *what)
{
    fprintf(stderr, "ucid-town: %s; see --help\n", what);
    return 2;
}

int main(int argc, char **argv)
{
    static const struct option names[] = {{"nodes", required_argument, NULL, 'n'},
                                          {"seed", required_argument, NULL, 's'},
                                          {"centre", required_argument, NULL, 'c'},
                                          {"first-id", required_argument, NULL, 'f'},
                                          {"compression", required_argument, NULL, 'z'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    town_options options = TOWN_OPTIONS_INIT;
    town_counts counts;
    ucid_error error;
    uint64_t number;
    for (int option; (option = getopt_long(argc, argv, "n:s:c:f:z:h", names, NULL)) != -1;) {
        switch (option) {
        case 'n':
            if (!parse_number(optarg, 1000000000, &options.nodes)) return fail_usage("--nodes takes 500 to 1000000000");
            break;
        case 's':
            if (!parse_number(optarg, UINT64_MAX, &options.seed)) return fail_usage("--seed takes a number");
            break;
        case 'c':
            if (!parse_centre(optarg, &options)) return fail_usage("--centre takes LAT,LON");
            break;
        case 'f':
            if (!parse_number(optarg, INT64_MAX / 4, &number)) return fail_usage("--first-id takes a number");
            options.first_id = (int64_t)number;
            break;
        case 'z':
            if (!parse_compression(optarg, &options)) return fail_usage("--compression takes zlib, lz4, zstd or raw");
            break;
        case 'h': fputs(usage, stdout); return 0;
        default: return 2;
        }
    }
    if (optind + 1 != argc) return fail_usage("one output file is needed");
    if (town_write(&options, argv[optind], &counts, &error) != UCID_OK) {
        fprintf(stderr, "ucid-town: %s\n", error.message);
        return ucid_status_exit_code(error.status);
    }
    fprintf(stderr,
            "%" PRIu64 " towns: %" PRIu64 " nodes (%" PRIu64 " junctions and dead ends), %" PRIu64 " ways, %" PRIu64
            " relations\n",
            counts.towns, counts.nodes, counts.junctions, counts.ways, counts.relations);
    return 0;
}
