/* cmd_map.c: `ucid map`. */
#include "cli.h"
#include "commands.h"
#include "map.h"
#include "map_rows.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct {
    char *out, *index, *title, *show;
    int png, width, height, dark, points;
} map = {.width = 1600, .height = 1000};

static const struct poptOption map_options[] = {
    {"output", 'o', POPT_ARG_STRING, &map.out, 0, "file to write: .html, or .png for a picture", "FILE"},
    {"index", '\0', POPT_ARG_STRING, &map.index, 0, "draw the streets of this index below", "CITY.ucidx"},
    {"title", '\0', POPT_ARG_STRING, &map.title, 0, "title; the city of the identifiers", "TEXT"},
    {"show", '\0', POPT_ARG_STRING, &map.show, 0, "what is coloured at first: score, confidence, or a part", "NAME"},
    {"points", '\0', POPT_ARG_NONE, &map.points, 0, "draw points, although the rows have cells", NULL},
    {"png", '\0', POPT_ARG_NONE, &map.png, 0, "write a picture, whatever the file is called", NULL},
    {"width", '\0', POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &map.width, 0, "of the picture, pixels", "N"},
    {"height", '\0', POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &map.height, 0, "of the picture, pixels", "N"},
    {"dark", '\0', POPT_ARG_NONE, &map.dark, 0, "a dark picture (the page follows the reader's screen)", NULL},
    CLI_COMMON,
    POPT_TABLEEND};

static const cli_positional map_positionals[] = {
    {"OUT.parquet", "table that `ucid grid`, `score` or `aggregate` wrote", CLI_ONE},
    {NULL, NULL, CLI_ONE},
};

enum { SIDE_MIN = 64, SIDE_MAX = 16384, STREET_BYTES_MAX = 12000000 };

static int ends_with(const char *text, const char *end)
{
    size_t length = strlen(text);
    size_t tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* Number of the measure that --show names; prints a usage error and returns 0 where the table has none such. */
static int measure_find(const map_rows *rows, int *measure)
{
    *measure = MAP_SCORE;
    if (map.show == NULL || strcmp(map.show, "score") == 0) return 1;
    if (strcmp(map.show, "confidence") == 0) {
        *measure = MAP_CONFIDENCE;
        if (!rows->has_confidence) cli_usage("--show confidence: the table has no such column");
        return rows->has_confidence;
    }
    for (int p = 0; p < rows->context->part_count; p++) {
        if (strcmp(map.show, rows->context->part_key[p]) != 0) continue;
        *measure = p;
        if (!rows->has_part[p])
            cli_usage("--show %s: the table has no such column; `ucid grid --detail` writes it", map.show);
        return rows->has_part[p];
    }
    cli_usage("--show %s: not score, confidence or a part of %s", map.show, rows->context->id);
    return 0;
}

/* Field `number` of all frames of the identifiers, where they agree; else "". */
static void frames_agree(const map_rows *rows, int number, char *text, size_t size)
{
    text[0] = '\0';
    for (int64_t i = 0; i < rows->frame_count; i++) {
        const char *field = rows->frames[i];
        for (int skip = 0; skip < number; skip++) field += strcspn(field, ":") + 1;
        size_t length = strcspn(field, ":");
        if (length >= size || (i > 0 && (strncmp(text, field, length) != 0 || text[length] != '\0'))) {
            text[0] = '\0';
            return;
        }
        memcpy(text, field, length);
        text[length] = '\0';
    }
}

static void texts_set(const map_rows *rows, const ucid_index *index, map_texts *texts, char title[256])
{
    char code[8];
    ucid_city city;
    frames_agree(rows, 0, code, sizeof code);
    snprintf(title, 256, "%s score of %lld %s", rows->context->id, (long long)rows->count,
             rows->cells ? "cells" : "places");
    if (code[0] != '\0' && ucid_city_get(NULL, (ucid_text){code, strlen(code)}, &city, NULL) == UCID_OK)
        snprintf(title, 256, "%s", city.name);
    *texts = (map_texts){.title = map.title != NULL ? map.title : title};
    frames_agree(rows, 2, texts->time, sizeof texts->time);
    if (index == NULL) return;
    ucid_index_info info;
    ucid_index_info_get(index, &info);
    memcpy(texts->index_id, info.id, sizeof texts->index_id);
    time_t moment = (time_t)ucid_time_to_seconds((int32_t)info.data_hour);
    struct tm day;
    if (gmtime_r(&moment, &day) != NULL) strftime(texts->date, sizeof texts->date, "%Y-%m-%d", &day);
}

static ucid_status fail(ucid_error *error, ucid_status status, const char *text, const char *reason)
{
    *error = (ucid_error){.status = status, .byte = -1, .row = -1};
    snprintf(error->message, sizeof error->message, "%s%s", text, reason);
    return status;
}

static ucid_status picture_write(const map_picture *picture, const char *path, ucid_error *error)
{
    char *plugin = cli_plugin_path("libucid_draw.so");
    if (plugin == NULL)
        return fail(error, UCID_UNSUPPORTED_FORMAT, "pictures are not part of this build (no cairo)", "");
    void *library = dlopen(plugin, RTLD_NOW | RTLD_LOCAL);
    free(plugin);
    if (library == NULL) return fail(error, UCID_UNSUPPORTED_FORMAT, "pictures cannot be drawn: ", dlerror());
    map_draw_fn draw;
    *(void **)&draw = dlsym(library, "ucid_map_draw");
    if (draw == NULL) return fail(error, UCID_UNSUPPORTED_FORMAT, "pictures cannot be drawn: ", dlerror());
    return draw(picture, path, error);
}

static ucid_status page_write(const map_picture *picture, const char *path, ucid_error *error)
{
    char *page = cli_share_path("map.html");
    if (page == NULL)
        return fail(error, UCID_UNSUPPORTED_FORMAT,
                    "the page is not part of this build (no npm); --png draws a picture", "");
    ucid_status status =
        map_page_write(picture->rows, picture->streets, picture->texts, picture->measure, page, path, error);
    free(page);
    return status;
}

/* Write beside the final name, then rename. */
static ucid_status map_write(const map_picture *picture, int png, ucid_error *error)
{
    size_t size = strlen(map.out) + 32;
    char *beside = malloc(size);
    if (beside == NULL) return fail(error, UCID_NO_MEMORY, "no memory for a file name", "");
    snprintf(beside, size, "%s.part-%d", map.out, (int)getpid());
    ucid_status status = png ? picture_write(picture, beside, error) : page_write(picture, beside, error);
    if (status == UCID_OK && rename(beside, map.out) != 0) {
        status = fail(error, UCID_IO_ERROR, "", strerror(errno));
    }
    if (status != UCID_OK) unlink(beside);
    free(beside);
    return status;
}

static int report(const map_rows *rows, const map_streets *streets)
{
    struct stat written;
    int64_t bytes = stat(map.out, &written) == 0 ? (int64_t)written.st_size : 0;
    size_t street_bytes = 0;
    for (int rank = 0; rank < UCID_STREET_RANKS; rank++) street_bytes += streets != NULL ? streets->length[rank] : 0;
    json_t *object = cli_report();
    json_object_set_new(object, "path", json_string(map.out));
    json_object_set_new(object, "bytes", json_integer((json_int_t)bytes));
    json_object_set_new(object, "kind", json_string(rows->cells ? "cells" : "points"));
    json_object_set_new(object, "rows", json_integer((json_int_t)rows->count));
    json_object_set_new(object, "rows_left_out", json_integer((json_int_t)rows->left_out));
    json_object_set_new(object, "street_bytes", json_integer((json_int_t)street_bytes));
    if (!cli_json() && !cli_quiet())
        printf("%s: %lld %s, %.2f MB\n", map.out, (long long)rows->count, rows->cells ? "cells" : "points",
               (double)bytes / 1e6);
    return CLI_DONE;
}

/* Draw rows, with streets where an index is given. */
static int rows_draw(const map_rows *rows, const ucid_index *index)
{
    int measure;
    if (!measure_find(rows, &measure)) return CLI_USAGE;
    map_streets streets = {0};
    if (index != NULL && rows->count > 0) {
        double margin_lat = 0.02 + 0.25 * (rows->max_lat_deg - rows->min_lat_deg);
        double margin_lon = 0.02 + 0.5 * (rows->max_lon_deg - rows->min_lon_deg);
        const double box[4] = {rows->min_lat_deg - margin_lat, rows->min_lon_deg - margin_lon,
                               rows->max_lat_deg + margin_lat, rows->max_lon_deg + margin_lon};
        if (!map_streets_pack(index, box, &streets)) return cli_failf(UCID_NO_MEMORY, "no memory for the streets");
        int left_out = map_streets_fit(&streets, STREET_BYTES_MAX);
        if (left_out > 0)
            cli_warn("so many streets that the %d smallest of %d kinds are left out", left_out, UCID_STREET_RANKS);
    }
    char title[256];
    map_texts texts;
    texts_set(rows, index, &texts, title);
    int png = map.png || ends_with(map.out, ".png");
    map_picture picture = {rows, index != NULL ? &streets : NULL, &texts, measure, map.width, map.height, map.dark};
    ucid_error error;
    ucid_status status = map_write(&picture, png, &error);
    int code = status == UCID_OK ? report(rows, picture.streets) : cli_fail(&error);
    map_streets_free(&streets);
    return code;
}

static int map_run(int argc, const char **argv)
{
    (void)argc;
    if (map.out == NULL) return cli_usage("-o FILE is missing");
    if (map.width < SIDE_MIN || map.width > SIDE_MAX || map.height < SIDE_MIN || map.height > SIDE_MAX)
        return cli_usage("--width and --height: %d..%d", SIDE_MIN, SIDE_MAX);
    ucid_error error;
    map_rows rows;
    map_rows_init(&rows, ucid_context_get("15MIN"), map.points);
    ucid_index *index = NULL;
    ucid_status status = map_rows_read(&rows, argv[0], &error);
    if (status == UCID_OK) status = map_rows_finish(&rows, &error);
    if (status == UCID_OK && map.index != NULL) status = ucid_index_open(map.index, NULL, &index, &error);
    if (status == UCID_OK && rows.left_out > 0)
        cli_warn("%lld of %lld rows have no place and are left out", (long long)rows.left_out, (long long)rows.seen);
    int code = status == UCID_OK ? rows_draw(&rows, index) : cli_fail(&error);
    ucid_index_close(index);
    map_rows_free(&rows);
    return code;
}

const cli_command cli_map = {
    .name = "map",
    .summary = "draw scored cells or points: a page for the browser, or a picture",
    .details = "The page is one file that needs no server and no connection. It shows cells\n"
               "(column h3) or points (lat, lon) by score, and whatever else the table has:\n"
               "grade, confidence, status, the parts and the metres to the nearest.\n\n"
               "  ucid grid --city LPA --res 9 --detail --index lpa.ucidx -o grid.parquet\n"
               "  ucid map grid.parquet --index lpa.ucidx -o map.html\n"
               "  ucid map grid.parquet --index lpa.ucidx -o map.png --width 2400",
    .options = map_options,
    .positionals = map_positionals,
    .run = map_run,
};
