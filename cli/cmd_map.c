/* cmd_map.c: `ucid map`. */
#include "cli.h"
#include "commands.h"
#include "map_read.h"
#include "output.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

enum { SIDE_MIN = 64, SIDE_MAX = 16384 };

static int ends_with(const char *text, const char *end)
{
    size_t length = strlen(text);
    size_t tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static ucid_status picture_write(const map_picture *picture, FILE *out, ucid_error *error)
{
    char *plugin = cli_plugin_path("libucid_draw.so");
    if (plugin == NULL)
        return cli_error(error, UCID_UNSUPPORTED_FORMAT, "pictures are not part of this build (no cairo)");
    void *library = dlopen(plugin, RTLD_NOW | RTLD_LOCAL);
    free(plugin);
    if (library == NULL) return cli_error(error, UCID_UNSUPPORTED_FORMAT, "pictures cannot be drawn: %s", dlerror());
    map_draw_fn draw;
    *(void **)&draw = dlsym(library, "ucid_map_draw");
    if (draw == NULL) return cli_error(error, UCID_UNSUPPORTED_FORMAT, "pictures cannot be drawn: %s", dlerror());
    return draw(picture, out, error);
}

static ucid_status page_write(const map_picture *picture, FILE *out, ucid_error *error)
{
    char *page = cli_share_path("map.html");
    if (page == NULL)
        return cli_error(error, UCID_UNSUPPORTED_FORMAT,
                         "the page is not part of this build (no npm); --png draws a picture");
    ucid_status status =
        map_page_write(picture->rows, picture->streets, picture->texts, picture->measure, page, out, error);
    free(page);
    return status;
}

static ucid_status map_write(const map_picture *picture, int png, ucid_error *error)
{
    cli_output file;
    ucid_status status = cli_output_create(map.out, &file, error);
    if (status != UCID_OK) return status;
    status = png ? picture_write(picture, file.stream, error) : page_write(picture, file.stream, error);
    if (status == UCID_OK) return cli_output_commit(&file, error);
    cli_output_abort(&file);
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
    map_scene scene;
    ucid_error error;
    ucid_status status = map_scene_init(&scene, rows, index, map.title, map.show, &error);
    if (status == UCID_INVALID_ARGUMENT) return cli_usage("--%s", error.message);
    if (status != UCID_OK) return cli_fail(&error);
    if (scene.ranks_left_out > 0) {
        cli_warn("so many streets that the %d smallest of %d kinds are left out", scene.ranks_left_out,
                 UCID_STREET_RANKS);
    }
    int png = map.png || ends_with(map.out, ".png");
    map_picture picture = {
        rows, scene.has_streets ? &scene.streets : NULL, &scene.texts, scene.measure, map.width, map.height, map.dark};
    status = map_write(&picture, png, &error);
    int code = status == UCID_OK ? report(rows, picture.streets) : cli_fail(&error);
    map_scene_free(&scene);
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
