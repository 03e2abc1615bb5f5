/* cmd_explain.c: `ucid explain LAT LON`: why a place has its score, for people as a table a component. */
#include "cli.h"
#include "commands.h"
#include "indexes.h"

#include <math.h>
#include <stdio.h>

static struct {
    char **index, *catalog, *context, *time;
} given;

static const struct poptOption options[] = {
    CLI_INDEX_OPTIONS(given.index, given.catalog),
    {"context", '\0', POPT_ARG_STRING, &given.context, 0, "15MIN", "CONTEXT"},
    {"time", '\0', POPT_ARG_STRING, &given.time, 0, "2026W01T12; the week of the index's data", "KEY"},
    CLI_COMMON,
    POPT_TABLEEND};
static const cli_positional positionals[] = {
    {"LAT", "degrees", CLI_ONE},
    {"LON", "degrees", CLI_ONE},
    {NULL, NULL, CLI_ONE},
};

static json_t *number_or_null(double value) { return isnan(value) ? json_null() : json_real(value); }

static void report(const ucid_context *context, const ucid_scores *scores, const ucid_reason *reasons, int64_t count)
{
    json_t *parts = json_array();
    for (int p = 0; p < context->part_count; p++) {
        json_t *places = json_array();
        for (int64_t i = 0; i < count; i++) {
            const ucid_reason *r = &reasons[i];
            if (r->part != p) continue;
            char type[2] = {r->osm_type, '\0'};
            json_array_append_new(places, json_pack("{s:b, s:s, s:I, s:s, s:s, s:f, s:f, s:f, s:f}", "counted",
                                                    r->counted, "osm_type", type, "osm_id", (json_int_t)r->osm_id,
                                                    "name", r->name, "tag", r->tag, "quality", r->quality, "distance_m",
                                                    r->distance_m, "lat", r->lat_deg, "lon", r->lon_deg));
        }
        json_array_append_new(parts, json_pack("{s:s, s:s, s:f, s:o, s:o, s:o}", "key", context->part_key[p], "title",
                                               context->part_title[p], "weight", context->part_weight[p], "score",
                                               number_or_null(scores->part[p][0]), "nearest_m",
                                               number_or_null(scores->nearest_m[p][0]), "places", places));
    }
    json_t *all = cli_report();
    json_object_set_new(all, "context", json_string(context->id));
    json_object_set_new(all, "score", number_or_null(scores->score[0]));
    json_object_set_new(all, "grade", json_string(ucid_grade_text(scores->grade[0])));
    json_object_set_new(all, "confidence", number_or_null(scores->confidence[0]));
    json_object_set_new(all, "snap_m", number_or_null(scores->snap_m[0]));
    json_object_set_new(all, "status", json_string(ucid_status_name((ucid_status)scores->status[0])));
    json_object_set_new(all, "parts", parts);
}

static void print(const ucid_context *context, const ucid_scores *scores, const ucid_reason *reasons, int64_t count)
{
    printf("%s  score %.2f  grade %s  confidence %.2f  street %.0f m away", context->id, scores->score[0],
           ucid_grade_text(scores->grade[0]), scores->confidence[0], scores->snap_m[0]);
    if (scores->status[0] != UCID_OK) printf("  (%s)", ucid_status_name((ucid_status)scores->status[0]));
    printf("\n");
    for (int p = 0; p < context->part_count; p++) {
        printf("\n%s: %.2f of 100, weight %.2f\n", context->part_title[p], scores->part[p][0], context->part_weight[p]);
        int64_t beyond = 0, shown = 0;
        for (int64_t i = 0; i < count; i++) {
            const ucid_reason *r = &reasons[i];
            if (r->part != p) continue;
            shown++;
            if (!r->counted) {
                beyond++;
                continue;
            }
            printf("  %7.0f m  x%-5g %c%-12lld %-28s %s\n", r->distance_m, r->quality, r->osm_type,
                   (long long)r->osm_id, r->tag, r->name);
        }
        if (shown == 0) printf("  none in reach\n");
        if (beyond > 0) printf("  %lld more in reach, not needed\n", (long long)beyond);
    }
    printf("\n(c) OpenStreetMap contributors\n");
}

/* The index that answers for a place: the only one that is named, though it may not hold it, else the one that does.
 * Returns 0, or the exit code. */
static int open_index(double lat_deg, double lon_deg, cli_indexes *indexes, ucid_index **alone,
                      const ucid_index **index)
{
    ucid_error error;
    if (given.index != NULL && given.index[1] == NULL && given.catalog == NULL) {
        if (ucid_index_open(given.index[0], NULL, alone, &error) != UCID_OK) return cli_fail(&error);
        *index = *alone;
        return CLI_DONE;
    }
    int code = cli_indexes_open(given.index, given.catalog, indexes);
    if (code != CLI_DONE) return code;
    *index = cli_indexes_find(indexes, lat_deg, lon_deg);
    if (*index != NULL) return CLI_DONE;
    if (indexes->failed.status != UCID_OK) return cli_fail(&indexes->failed);
    return cli_failf(UCID_OUTSIDE_INDEX, "%g %g: none of the %lld indexes holds the place", lat_deg, lon_deg,
                     (long long)indexes->count);
}

static int run(int argc, const char **argv)
{
    (void)argc;
    double lat_deg, lon_deg;
    if (!cli_parse_number("LAT", argv[0], &lat_deg) || !cli_parse_number("LON", argv[1], &lon_deg)) return CLI_USAGE;
    ucid_score_options score = UCID_SCORE_OPTIONS_INIT;
    if (given.context != NULL) score.context = given.context;
    if (given.time != NULL && !cli_parse_hour("--time", given.time, &score.hour)) return CLI_USAGE;
    ucid_error error;
    cli_indexes indexes = {0};
    ucid_index *alone = NULL;
    const ucid_index *index;
    ucid_explanation *explanation;
    int code = open_index(lat_deg, lon_deg, &indexes, &alone, &index);
    if (code == CLI_DONE && ucid_explain(index, lat_deg, lon_deg, &score, &explanation, &error) != UCID_OK) {
        code = cli_fail(&error);
    }
    if (code != CLI_DONE) {
        cli_indexes_close(&indexes);
        ucid_index_close(alone);
        return code;
    }
    ucid_scores scores;
    const ucid_reason *reasons;
    ucid_explanation_scores_get(explanation, &scores);
    int64_t count = ucid_explanation_reasons_get(explanation, &reasons);
    const ucid_context *context = ucid_context_get(score.context);
    code = ucid_status_exit_code((ucid_status)scores.status[0]);
    report(context, &scores, reasons, count);
    if (!cli_json()) print(context, &scores, reasons, count);
    ucid_explanation_free(explanation);
    cli_indexes_close(&indexes);
    ucid_index_close(alone);
    return code;
}

const cli_command cli_explain = {
    "explain",
    "Tell why a place has its score: the places that count, and how far they are on foot",
    "  ucid explain 28.1235 -15.4363 --index las-palmas.ucidx\n\n"
    "Each line: metres walked, quality, OpenStreetMap type and id, tag, name.\n",
    options,
    positionals,
    run,
};
