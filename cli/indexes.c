/* indexes.c: opening maps files, so that a catalog of hundreds costs milliseconds. */
#include "indexes.h"

#include "table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int is_remote(const char *path) { return strstr(path, "://") != NULL; }

static int add(cli_indexes *indexes, const char *path, ucid_error *error)
{
    ucid_index **grown = realloc(indexes->index, (size_t)(indexes->count + 1) * sizeof *grown);
    if (grown == NULL) return cli_failf(UCID_NO_MEMORY, "no memory for %lld indexes", (long long)indexes->count + 1);
    indexes->index = grown;
    if (ucid_index_open(path, NULL, &grown[indexes->count], error) != UCID_OK) return cli_fail(error);
    indexes->count++;
    return CLI_DONE;
}

/* ~/.cache/ucid/indexes, made where it is missing */
static int cache_folder(char *folder, size_t size)
{
    const char *cache = getenv("UCID_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int length = cache != NULL  ? snprintf(folder, size, "%s/indexes", cache)
                 : xdg != NULL  ? snprintf(folder, size, "%s/ucid/indexes", xdg)
                 : home != NULL ? snprintf(folder, size, "%s/.cache/ucid/indexes", home)
                                : snprintf(folder, size, "/tmp/ucid-%ld/indexes", (long)getuid());
    if (length < 0 || (size_t)length >= size) return 0;
    for (char *at = folder + 1; *at != '\0'; at++) {
        if (*at != '/') continue;
        *at = '\0';
        (void)mkdir(folder, 0777);
        *at = '/';
    }
    return mkdir(folder, 0777) == 0 || errno == EEXIST;
}

/* An index of an object store: fetched once, checked, and kept under its sha256. */
static int add_remote(cli_indexes *indexes, const char *uri, const char *sha256, ucid_error *error)
{
    char folder[3072], path[4096], part[4160], found[65];
    if (!cache_folder(folder, sizeof folder)) {
        return cli_failf(UCID_IO_ERROR, "%s: no folder to keep it in: %s", uri, strerror(errno));
    }
    snprintf(path, sizeof path, "%s/%s.ucidx", folder, sha256);
    if (access(path, R_OK) == 0) return add(indexes, path, error);
    const ucid_io *io = cli_io(error);
    char *bytes;
    size_t length;
    if (io == NULL || io->read_bytes(uri, &bytes, &length, error) != UCID_OK) return cli_fail(error);
    snprintf(part, sizeof part, "%s.%ld.part", path, (long)getpid());
    FILE *file = fopen(part, "wb");
    int good = file != NULL && fwrite(bytes, 1, length, file) == length;
    if (file != NULL) good = fclose(file) == 0 && good;
    int reason = errno;
    io->release_bytes(bytes);
    int code = CLI_DONE;
    if (!good) {
        code = cli_failf(UCID_IO_ERROR, "%s: cannot write: %s", path, strerror(reason));
    } else if (ucid_file_sha256(part, found, error) != UCID_OK) {
        code = cli_fail(error);
    } else if (strcmp(found, sha256) != 0) {
        code = cli_failf(UCID_INDEX_CORRUPT, "%s: its sha256 is %s, not that of the catalog", uri, found);
    } else if (rename(part, path) != 0) {
        code = cli_failf(UCID_IO_ERROR, "%s: cannot write: %s", path, strerror(errno));
    }
    if (code == CLI_DONE) return add(indexes, path, error);
    unlink(part);
    return code;
}

static int is_hex64(const char *text)
{
    return text != NULL && strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

static json_t *load_catalog(const char *path, ucid_error *error)
{
    json_error_t problem;
    json_t *catalog = NULL;
    if (!is_remote(path)) {
        catalog = json_load_file(path, 0, &problem);
    } else {
        const ucid_io *io = cli_io(error);
        char *bytes;
        size_t length;
        if (io == NULL || io->read_bytes(path, &bytes, &length, error) != UCID_OK) {
            cli_fail(error);
            return NULL;
        }
        catalog = json_loadb(bytes, length, 0, &problem);
        io->release_bytes(bytes);
    }
    if (catalog == NULL) {
        ucid_status status =
            json_error_code(&problem) == json_error_cannot_open_file ? UCID_FILE_NOT_FOUND : UCID_DATA_ERROR;
        cli_failf(status, "%s: %s", path, problem.text);
    } else if (json_integer_value(json_object_get(catalog, "format")) != 1 ||
               !json_is_array(json_object_get(catalog, "indexes"))) {
        cli_failf(UCID_DATA_ERROR, "%s: not a catalog of format 1", path);
        json_decref(catalog);
        catalog = NULL;
    }
    return catalog;
}

static int add_catalog(cli_indexes *indexes, const char *named)
{
    ucid_error error;
    struct stat found;
    char path[4096], member[8192];
    size_t length = strlen(named);
    int folder = is_remote(named) ? length < 5 || strcmp(named + length - 5, ".json") != 0
                                  : stat(named, &found) == 0 && S_ISDIR(found.st_mode);
    int written = snprintf(path, sizeof path, folder ? "%s/catalog.json" : "%s", named);
    if (written < 0 || (size_t)written >= sizeof path) return cli_usage("--catalog: the name is too long");
    json_t *catalog = load_catalog(path, &error);
    if (catalog == NULL) return ucid_status_exit_code(UCID_DATA_ERROR);
    const char *slash = strrchr(path, '/');
    int base = slash != NULL ? (int)(slash - path) + 1 : 0;
    int code = CLI_DONE;
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(catalog, "indexes"), i, entry)
    {
        const char *name = json_string_value(json_object_get(entry, "path"));
        const char *id = json_string_value(json_object_get(entry, "id"));
        const char *sha256 = json_string_value(json_object_get(entry, "sha256"));
        if (name == NULL || !is_hex64(id) || !is_hex64(sha256)) {
            code = cli_failf(UCID_DATA_ERROR, "%s: index %zu has no path, id or sha256", path, i);
            break;
        }
        int absolute = name[0] == '/' || is_remote(name);
        snprintf(member, sizeof member, "%.*s%s", absolute ? 0 : base, path, name);
        code = is_remote(member) ? add_remote(indexes, member, sha256, &error) : add(indexes, member, &error);
        if (code == CLI_DONE) {
            ucid_index_info info;
            ucid_index_info_get(indexes->index[indexes->count - 1], &info);
            if (strcmp(info.id, id) != 0) {
                code = cli_failf(UCID_INDEX_CORRUPT,
                                 "%s: its id is %s, not that of the catalog; `ucid catalog add` it again", member,
                                 info.id);
            }
        }
        if (code != CLI_DONE) break;
    }
    json_decref(catalog);
    return code;
}

int cli_indexes_open(char **paths, const char *catalog, cli_indexes *indexes)
{
    ucid_error error;
    *indexes = (cli_indexes){NULL, 0, NULL};
    int code = CLI_DONE;
    for (; paths != NULL && *paths != NULL && code == CLI_DONE; paths++) code = add(indexes, *paths, &error);
    if (catalog == NULL && indexes->count == 0) catalog = getenv("UCID_CATALOG");
    if (code == CLI_DONE && catalog != NULL) code = add_catalog(indexes, catalog);
    if (code == CLI_DONE && indexes->count == 0) {
        code = cli_usage("--index CITY.ucidx or --catalog catalog.json is missing; `ucid index build` makes an index");
    }
    if (code == CLI_DONE && ucid_catalog_new(indexes->count, (const ucid_index *const *)indexes->index, NULL,
                                             &indexes->catalog, &error) != UCID_OK) {
        code = cli_fail(&error);
    }
    if (code != CLI_DONE) cli_indexes_close(indexes);
    return code;
}

int cli_indexes_dated(const cli_indexes *indexes)
{
    for (int64_t i = 0; i < indexes->count; i++) {
        ucid_index_info info;
        ucid_index_info_get(indexes->index[i], &info);
        if (info.data_hour != 0) continue;
        cli_usage("the extract of index %.12s... has no date: a time key such as --time 2026W01T12 is needed", info.id);
        return 0;
    }
    return 1;
}

void cli_indexes_close(cli_indexes *indexes)
{
    ucid_catalog_free(indexes->catalog);
    for (int64_t i = 0; i < indexes->count; i++) ucid_index_close(indexes->index[i]);
    free(indexes->index);
    *indexes = (cli_indexes){NULL, 0, NULL};
}
