/* cmd_catalog.c: `ucid catalog add CATALOG INDEX...`: the list of indexes that workers and commands ask. */
#include "cli.h"
#include "commands.h"
#include "output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct poptOption options[] = {CLI_COMMON, POPT_TABLEEND};
static const cli_positional positionals[] = {
    {"CATALOG", "catalog.json, made where it is missing, or the folder of it", CLI_ONE},
    {"CITY.ucidx", "indexes to add, or to replace under their path", CLI_MANY},
    {NULL, NULL, CLI_ONE},
};

/* Path of an index as the catalog names it: relative where it lies in or under the catalog's folder. */
static char *relative_to(const char *catalog, const char *index)
{
    char folder[4096];
    const char *slash = strrchr(catalog, '/');
    snprintf(folder, sizeof folder, "%.*s", slash != NULL ? (int)(slash - catalog) : 1, slash != NULL ? catalog : ".");
    char *base = realpath(folder[0] != '\0' ? folder : "/", NULL), *full = realpath(index, NULL), *name = NULL;
    if (base != NULL && full != NULL) {
        size_t length = strlen(base);
        int inside = strncmp(full, base, length) == 0 && full[length] == '/';
        name = strdup(inside ? full + length + 1 : full);
    }
    free(base);
    free(full);
    return name;
}

static json_t *describe(const char *name, const char *sha256, const ucid_index *index)
{
    ucid_index_info info;
    ucid_index_info_get(index, &info);
    char key[UCID_TIME_LENGTH + 1] = "";
    ucid_time_format((int32_t)info.data_hour, key);
    const uint64_t *cells;
    int64_t count = ucid_index_coverage_get(index, &cells);
    json_t *coverage = json_array();
    for (int64_t i = 0; i < count; i++) {
        char text[16];
        ucid_cell_format(cells[i], text);
        json_array_append_new(coverage, json_string(text));
    }
    return json_pack("{s:s, s:s, s:s, s:I, s:s, s:[f,f,f,f], s:o}", "path", name, "id", info.id, "sha256", sha256,
                     "bytes", (json_int_t)info.byte_length, "data", key, "bounds", info.min_lat_deg, info.min_lon_deg,
                     info.max_lat_deg, info.max_lon_deg, "coverage", coverage);
}

static int write_catalog(const char *path, const json_t *catalog)
{
    ucid_error error;
    cli_output file;
    if (cli_output_create(path, &file, &error) != UCID_OK) return cli_fail(&error);
    if (json_dumpf(catalog, file.stream, JSON_INDENT(1) | JSON_REAL_PRECISION(12)) != 0 && !ferror(file.stream)) {
        cli_output_abort(&file);
        return cli_failf(UCID_NO_MEMORY, "%s: no memory for the catalog", path);
    }
    return cli_output_commit(&file, &error) == UCID_OK ? CLI_DONE : cli_fail(&error);
}

static int run(int argc, const char **argv)
{
    char path[4096];
    struct stat found;
    int folder = stat(argv[0], &found) == 0 && S_ISDIR(found.st_mode);
    int written = snprintf(path, sizeof path, folder ? "%s/catalog.json" : "%s", argv[0]);
    if (written < 0 || (size_t)written >= sizeof path) return cli_usage("CATALOG: the name is too long");

    json_error_t problem;
    json_t *catalog =
        access(path, F_OK) == 0 ? json_load_file(path, 0, &problem) : json_pack("{s:i, s:[]}", "format", 1, "indexes");
    if (catalog == NULL) return cli_failf(UCID_DATA_ERROR, "%s: %s", path, problem.text);
    json_t *list = json_object_get(catalog, "indexes");
    int code = CLI_DONE;
    if (!json_is_array(list)) code = cli_failf(UCID_DATA_ERROR, "%s: not a catalog: it has no list \"indexes\"", path);
    for (int i = 1; i < argc && code == CLI_DONE; i++) {
        ucid_error error;
        ucid_index *index;
        char sha256[65];
        if (ucid_file_sha256(argv[i], sha256, &error) != UCID_OK ||
            ucid_index_open(argv[i], NULL, &index, &error) != UCID_OK) {
            code = cli_fail(&error);
            break;
        }
        char *name = relative_to(path, argv[i]);
        json_t *entry = name != NULL ? describe(name, sha256, index) : NULL;
        ucid_index_close(index);
        if (entry == NULL) {
            code = cli_failf(UCID_FILE_NOT_FOUND, "%s: %s", path, strerror(errno));
            free(name);
            break;
        }
        size_t at, known = json_array_size(list);
        for (at = 0; at < known; at++) {
            const char *other = json_string_value(json_object_get(json_array_get(list, at), "path"));
            if (other != NULL && strcmp(other, name) == 0) break;
        }
        if (at < known) {
            json_array_set_new(list, at, entry);
        } else {
            json_array_append_new(list, entry);
        }
        free(name);
    }
    if (code == CLI_DONE) code = write_catalog(path, catalog);
    if (code == CLI_DONE) {
        json_object_set_new(cli_report(), "catalog", json_string(path));
        json_object_set_new(cli_report(), "indexes", json_integer((json_int_t)json_array_size(list)));
        if (!cli_json()) printf("%s: %zu indexes\n", path, json_array_size(list));
    }
    json_decref(catalog);
    return code;
}

const cli_command cli_catalog_add = {
    "catalog add",
    "Add indexes to a catalog",
    "Commands and workers ask a catalog for the index that covers a place. Its paths\n"
    "are relative, so a folder with a catalog may be moved whole, to an object store\n"
    "too: an index there is fetched when a place first needs it, once a host, into\n"
    "$UCID_CACHE/indexes (~/.cache/ucid/indexes), and refused if its sha256 is another.\n\n"
    "  ucid catalog add indexes/ indexes/*.ucidx\n"
    "  ucid score places.parquet -o scores.parquet --catalog indexes/\n",
    options,
    positionals,
    run,
};
