/* indexes.c: a catalog of thousands is read in milliseconds, and of its indexes those are opened that places need. */
#include "indexes.h"

#include "index_cache.h"
#include "table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct cli_index {
    ucid_index *opened;     /* NULL: not yet */
    char *path, sha256[65]; /* of a catalog's member */
    char id[65];
    uint64_t *coverage; /* of the entry; NULL where it is borrowed from the opened index */
};

static int is_remote(const char *path) { return strstr(path, "://") != NULL; }

/* Room for one more, zeroed; NULL without memory. */
static cli_index *grow(cli_indexes *indexes)
{
    size_t wanted = (size_t)indexes->count + 1;
    if ((wanted & (wanted - 1)) == 0 || indexes->count == 0) { /* at 1, 2, 4, 8, ... */
        cli_index *index = realloc(indexes->index, 2 * wanted * sizeof *index);
        if (index != NULL) indexes->index = index;
        ucid_catalog_entry *entry = realloc(indexes->entry, 2 * wanted * sizeof *entry);
        if (entry != NULL) indexes->entry = entry;
        if (index == NULL || entry == NULL) {
            cli_failf(UCID_NO_MEMORY, "no memory for %zu indexes", wanted);
            return NULL;
        }
    }
    cli_index *grown = &indexes->index[indexes->count];
    *grown = (cli_index){0};
    indexes->entry[indexes->count] = (ucid_catalog_entry){.id = grown->id};
    indexes->count++;
    return grown;
}

/* An index that is named: opened at once. */
static int add(cli_indexes *indexes, const char *path)
{
    ucid_error error;
    cli_index *added = grow(indexes);
    if (added == NULL) return ucid_status_exit_code(UCID_NO_MEMORY);
    if (ucid_index_open(path, NULL, &added->opened, &error) != UCID_OK) return cli_fail(&error);
    ucid_index_info info;
    ucid_index_info_get(added->opened, &info);
    memcpy(added->id, info.id, sizeof added->id);
    ucid_catalog_entry *entry = &indexes->entry[indexes->count - 1];
    *entry = (ucid_catalog_entry){.data_hour = info.data_hour,
                                  .min_lat_deg = info.min_lat_deg,
                                  .min_lon_deg = info.min_lon_deg,
                                  .max_lat_deg = info.max_lat_deg,
                                  .max_lon_deg = info.max_lon_deg};
    entry->coverage_count = ucid_index_coverage_get(added->opened, &entry->coverage);
    return CLI_DONE;
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

/* What the catalog says of an index; 0 where that is not all, -1 without memory. */
static int read_entry(const json_t *said, cli_index *index, ucid_catalog_entry *entry)
{
    const char *id = json_string_value(json_object_get(said, "id"));
    const char *sha256 = json_string_value(json_object_get(said, "sha256"));
    const char *data = json_string_value(json_object_get(said, "data"));
    const json_t *box = json_object_get(said, "bounds"), *cells = json_object_get(said, "coverage");
    if (!is_hex64(id) || !is_hex64(sha256) || data == NULL || json_array_size(box) != 4 || !json_is_array(cells))
        return 0;
    memcpy(index->id, id, sizeof index->id);
    memcpy(index->sha256, sha256, sizeof index->sha256);
    int32_t hour = 0;
    if (data[0] != '\0' && ucid_time_parse((ucid_text){data, strlen(data)}, &hour, NULL) != UCID_OK) return 0;
    entry->data_hour = hour > 0 ? (uint32_t)hour : 0;
    double *sides[] = {&entry->min_lat_deg, &entry->min_lon_deg, &entry->max_lat_deg, &entry->max_lon_deg};
    for (size_t i = 0; i < 4; i++) {
        const json_t *side = json_array_get(box, i);
        if (!json_is_number(side)) return 0;
        *sides[i] = json_number_value(side);
    }
    size_t count = json_array_size(cells);
    index->coverage = malloc((count + 1) * sizeof *index->coverage);
    if (index->coverage == NULL) return -1;
    for (size_t i = 0; i < count; i++) {
        const char *text = json_string_value(json_array_get(cells, i));
        index->coverage[i] = text != NULL ? ucid_cell_parse(text, strlen(text)) : 0;
        if (index->coverage[i] == 0) return 0;
    }
    entry->coverage = index->coverage;
    entry->coverage_count = (int64_t)count;
    return 1;
}

static int add_catalog(cli_indexes *indexes, const char *named)
{
    ucid_error error;
    struct stat found;
    char path[4096];
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
    json_t *said;
    json_array_foreach(json_object_get(catalog, "indexes"), i, said)
    {
        const char *name = json_string_value(json_object_get(said, "path"));
        cli_index *index = grow(indexes);
        int whole = index == NULL ? -1 : read_entry(said, index, &indexes->entry[indexes->count - 1]);
        if (whole > 0 && name != NULL) {
            size_t size = (size_t)base + strlen(name) + 1;
            int absolute = name[0] == '/' || is_remote(name);
            index->path = malloc(size);
            if (index->path != NULL) snprintf(index->path, size, "%.*s%s", absolute ? 0 : base, path, name);
        }
        if (whole == 0 || name == NULL) {
            code =
                cli_failf(UCID_DATA_ERROR, "%s: index %zu has no path, id, sha256, data, bounds or coverage", path, i);
        } else if (whole < 0 || index->path == NULL) {
            code = cli_failf(UCID_NO_MEMORY, "%s: no memory for its indexes", path);
        }
        if (code != CLI_DONE) break;
    }
    json_decref(catalog);
    return code;
}

/* Open an index of a catalog, which must be the one that the catalog means. */
static ucid_status open_member(void *ctx, int64_t position, const ucid_index **out, ucid_error *error)
{
    cli_indexes *indexes = ctx;
    cli_index *index = &indexes->index[position];
    char kept[CLI_CACHE_PATH];
    const char *path = index->path;
    ucid_status status = UCID_OK;
    ucid_error reason = {0}; /* error may be NULL */
    if (index->opened == NULL) {
        if (is_remote(path)) {
            status = cli_index_cached(path, index->sha256, kept, &reason);
            path = kept;
        }
        if (status == UCID_OK) status = ucid_index_open(path, NULL, &index->opened, &reason);
        ucid_index_info info = {.id = ""};
        if (status == UCID_OK) ucid_index_info_get(index->opened, &info);
        if (status == UCID_OK && strcmp(info.id, index->id) != 0) {
            ucid_index_close(index->opened);
            index->opened = NULL;
            status = cli_error(&reason, UCID_INDEX_CORRUPT,
                               "%.100s: its id is %.12s..., not that of the catalog; `ucid catalog add` it again",
                               index->path, info.id);
        }
    }
    *out = index->opened;
    if (status != UCID_OK) {
        indexes->failed = reason;
        if (error != NULL) *error = reason;
    }
    return status;
}

int cli_indexes_open(char **paths, const char *catalog, cli_indexes *indexes)
{
    ucid_error error;
    *indexes = (cli_indexes){0};
    int code = CLI_DONE;
    for (; paths != NULL && *paths != NULL && code == CLI_DONE; paths++) code = add(indexes, *paths);
    if (catalog == NULL && indexes->count == 0) catalog = getenv("UCID_CATALOG");
    if (code == CLI_DONE && catalog != NULL) code = add_catalog(indexes, catalog);
    if (code == CLI_DONE && indexes->count == 0) {
        code =
            catalog != NULL
                ? cli_failf(UCID_INDEX_NOT_FOUND, "%s: the catalog is empty; `ucid catalog add` adds indexes", catalog)
                : cli_usage(
                      "--index CITY.ucidx or --catalog catalog.json is missing; `ucid index build` makes an index");
    }
    for (int64_t i = 0; i < indexes->count; i++) indexes->entry[i].id = indexes->index[i].id; /* they have moved */
    if (code == CLI_DONE && ucid_catalog_new_lazy(indexes->count, indexes->entry, open_member, indexes, NULL,
                                                  &indexes->catalog, &error) != UCID_OK) {
        code = cli_fail(&error);
    }
    if (code != CLI_DONE) cli_indexes_close(indexes);
    return code;
}

int cli_indexes_dated(const cli_indexes *indexes)
{
    for (int64_t i = 0; i < indexes->count; i++) {
        if (indexes->entry[i].data_hour != 0) continue;
        cli_usage("the extract of index %.12s... has no date: a time key such as --time 2026W01T12 is needed",
                  indexes->entry[i].id);
        return 0;
    }
    return 1;
}

const ucid_index *cli_indexes_find(cli_indexes *indexes, double lat_deg, double lon_deg)
{
    int64_t position = ucid_catalog_find(indexes->catalog, lat_deg, lon_deg);
    const ucid_index *index = NULL;
    if (position >= 0) (void)open_member(indexes, position, &index, NULL);
    return index;
}

void cli_indexes_close(cli_indexes *indexes)
{
    ucid_catalog_free(indexes->catalog);
    for (int64_t i = 0; i < indexes->count; i++) {
        ucid_index_close(indexes->index[i].opened);
        free(indexes->index[i].path);
        free(indexes->index[i].coverage);
    }
    free(indexes->index);
    free(indexes->entry);
    *indexes = (cli_indexes){0};
}
