/* cmd_fetch.c: `ucid fetch`: an extract from a mirror of OpenStreetMap extracts, whole and with the right sum, or not
 * at all. Geofabrik's server lists its regions in index-v1-nogeom.json; a region is asked for by its id there. */
#include "cli.h"
#include "commands.h"
#include "fetch.h"
#include "progress.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    char *out, *mirror;
} fetch;

#define MIRROR "https://download.geofabrik.de"
#define LISTING "index-v1-nogeom.json"
enum { URL_MAX = 2048, PATH_SIZE = 4096, HINTS_MAX = 6 };

static const struct poptOption fetch_options[] = {
    {"output", 'o', POPT_ARG_STRING, &fetch.out, 0, "file to write; REGION.osm.pbf", "FILE"},
    {"mirror", '\0', POPT_ARG_STRING, &fetch.mirror, 0, "server that is laid out like " MIRROR, "URL"},
    CLI_COMMON,
    POPT_TABLEEND};

static const cli_positional fetch_positionals[] = {
    {"REGION", "monaco, andorra, europe/germany/berlin, ...", CLI_ONE},
    {NULL, NULL, CLI_ONE},
};

typedef struct downloader {
    fetch_fn get;
    fetch_md5_fn md5;
} downloader;

static int open_downloader(downloader *found)
{
    char *path = cli_plugin_path("libucid_fetch.so");
    void *library = path != NULL ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (library != NULL) {
        *(void **)&found->get = dlsym(library, "ucid_fetch");
        *(void **)&found->md5 = dlsym(library, "ucid_fetch_md5");
    }
    int missing = library == NULL || found->get == NULL || found->md5 == NULL;
    const char *reason = path == NULL ? "it was built without libcurl" : dlerror();
    if (missing) (void)cli_failf(UCID_UNSUPPORTED_FORMAT, "this program cannot download: %s", reason);
    free(path);
    return !missing;
}

static ucid_status download(const downloader *with, const char *url, const char *path, ucid_error *error)
{
    static char unit[] = "B";
    fetch_request request = {url, path, "ucid/" UCID_VERSION, cli_progress_stage, unit};
    ucid_status status = with->get(&request, error);
    cli_progress_end();
    return status;
}

/* Regions that a wrong name may have meant. */
static void hint_regions(const json_t *features, const char *region)
{
    char list[256] = "";
    int hints = 0;
    size_t i, length = 0;
    json_t *feature;
    const char *last = strrchr(region, '/');
    const char *wanted = last != NULL ? last + 1 : region;
    json_array_foreach(features, i, feature)
    {
        const char *id = json_string_value(json_object_get(json_object_get(feature, "properties"), "id"));
        const char *name = json_string_value(json_object_get(json_object_get(feature, "properties"), "name"));
        if (id == NULL || hints == HINTS_MAX) continue;
        int near = strstr(id, wanted) != NULL || strncasecmp(id, wanted, 4) == 0 ||
                   (name != NULL && strcasestr(name, wanted) != NULL);
        if (!near) continue;
        int written = snprintf(list + length, sizeof list - length, "%s%s", hints > 0 ? ", " : "", id);
        if (written < 0 || (size_t)written >= sizeof list - length) break;
        length += (size_t)written;
        hints++;
    }
    (void)cli_failf(UCID_FILE_NOT_FOUND, "no region '%s'%s%s", region, hints > 0 ? "; is it one of " : "", list);
}

/* URL of a region's extract in the server's listing; prints what is wrong and returns its exit code. */
static int find_region(const downloader *with, const char *mirror, const char *region, char url[URL_MAX])
{
    char path[] = "/tmp/ucid-fetch-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0) return cli_failf(UCID_IO_ERROR, "/tmp: %s", strerror(errno));
    close(fd);
    ucid_error error;
    json_error_t reason;
    snprintf(url, URL_MAX, "%s/%s", mirror, LISTING);
    ucid_status status = download(with, url, path, &error);
    json_t *listing = status == UCID_OK ? json_load_file(path, 0, &reason) : NULL;
    unlink(path);
    if (status != UCID_OK) return cli_fail(&error);
    if (listing == NULL) return cli_failf(UCID_DATA_ERROR, "%s: not a list of regions: %s", url, reason.text);
    const char *last = strrchr(region, '/');
    const char *id = last != NULL ? last + 1 : region;
    const json_t *features = json_object_get(listing, "features");
    const char *found = NULL;
    size_t i;
    json_t *feature;
    json_array_foreach(features, i, feature)
    {
        const json_t *properties = json_object_get(feature, "properties");
        const char *candidate = json_string_value(json_object_get(properties, "id"));
        if (candidate == NULL || (strcmp(candidate, id) != 0 && strcmp(candidate, region) != 0)) continue;
        found = json_string_value(json_object_get(json_object_get(properties, "urls"), "pbf"));
    }
    int code = CLI_DONE;
    if (found == NULL) {
        hint_regions(features, region);
        code = ucid_status_exit_code(UCID_FILE_NOT_FOUND);
    } else {
        /* a mirror serves the same paths from another host */
        const char *at = strncmp(found, MIRROR, sizeof MIRROR - 1) == 0 ? found + sizeof MIRROR - 1 : NULL;
        snprintf(url, URL_MAX, "%s%s", at != NULL ? mirror : "", at != NULL ? at : found);
    }
    json_decref(listing);
    return code;
}

/* The sum that the server publishes beside a file; 0 where it publishes none. */
static int published_md5(const downloader *with, const char *url, char hex[33])
{
    char path[] = "/tmp/ucid-fetch-XXXXXX", sum_url[URL_MAX + 8];
    int fd = mkstemp(path), found = 0;
    if (fd < 0) return 0;
    close(fd);
    ucid_error error;
    snprintf(sum_url, sizeof sum_url, "%s.md5", url);
    if (download(with, sum_url, path, &error) == UCID_OK) {
        FILE *file = fopen(path, "r");
        found = file != NULL && fscanf(file, "%32[0-9a-f]", hex) == 1 && strlen(hex) == 32;
        if (file != NULL) fclose(file);
    }
    unlink(path);
    return found;
}

static int run_fetch(int argc, const char **argv)
{
    (void)argc;
    const char *region = argv[0];
    const char *mirror = fetch.mirror != NULL ? fetch.mirror : MIRROR;
    downloader with = {NULL, NULL};
    char url[URL_MAX], out[PATH_SIZE], part[PATH_SIZE + 8], want[33], have[33];
    ucid_error error;
    if (!open_downloader(&with)) return ucid_status_exit_code(UCID_UNSUPPORTED_FORMAT);
    int code = find_region(&with, mirror, region, url);
    if (code != CLI_DONE) return code;
    const char *last = strrchr(region, '/');
    int length = fetch.out != NULL ? snprintf(out, sizeof out, "%s", fetch.out)
                                   : snprintf(out, sizeof out, "%s.osm.pbf", last != NULL ? last + 1 : region);
    if (length < 0 || (size_t)length >= sizeof out) return cli_usage("--output: the name is too long");
    snprintf(part, sizeof part, "%s.part", out);
    int has_sum = published_md5(&with, url, want);
    if (!has_sum) cli_warn("%s: the server publishes no sum; the file is not verified", url);
    struct stat st;
    int resumed = stat(part, &st) == 0 && st.st_size > 0;
    if (resumed && !cli_quiet()) fprintf(stderr, "ucid: fetch: going on at %lld bytes\n", (long long)st.st_size);
    ucid_status status = download(&with, url, part, &error);
    if (status != UCID_OK) return cli_fail(&error);
    if (has_sum && with.md5(part, have, &error) != UCID_OK) return cli_fail(&error);
    if (has_sum && strcmp(want, have) != 0) {
        unlink(part);
        return cli_failf(UCID_DATA_ERROR, "%s: md5 %s, the server says %s; it was removed, please try again", part,
                         have, want);
    }
    if (rename(part, out) != 0) return cli_failf(UCID_IO_ERROR, "%s: %s", out, strerror(errno));
    if (stat(out, &st) != 0) return cli_failf(UCID_IO_ERROR, "%s: %s", out, strerror(errno));
    json_object_set_new(cli_report(), "path", json_string(out));
    json_object_set_new(cli_report(), "url", json_string(url));
    json_object_set_new(cli_report(), "bytes", json_integer((json_int_t)st.st_size));
    if (!cli_json())
        printf("%s\n  %.2f MB from %s\n  (c) OpenStreetMap contributors\n", out, 1e-6 * (double)st.st_size, url);
    return CLI_DONE;
}

const cli_command cli_fetch = {
    "fetch",
    "get a region's map extract from the Internet",
    "Extracts come from Geofabrik, or from a mirror. A broken transfer goes on where it\n"
    "stopped; the file appears when it is whole and its sum is right.\n"
    "\n"
    "  ucid fetch andorra\n"
    "  ucid fetch europe/germany/berlin -o berlin.osm.pbf",
    fetch_options,
    fetch_positionals,
    run_fetch,
};
