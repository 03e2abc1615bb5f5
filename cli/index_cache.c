/* index_cache.c: files named by their sha256, as the Python package keeps them too:
 *
 *     $UCID_CACHE/indexes/9f1b....ucidx   complete and checked, or not there
 *                         9f1b....lock    locked (flock) by the process that fetches it
 *                         .........part   being fetched
 *
 * UCID_CACHE is ~/.cache/ucid where it is not set. A file is never changed, so nobody locks to read it. */
#include "index_cache.h"

#include "cli.h"
#include "table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *set(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

/* The folder, made where it is missing; 0 with errno set where it cannot be. */
static int cache_folder(char *folder, size_t size)
{
    const char *cache = set("UCID_CACHE"), *xdg = set("XDG_CACHE_HOME"), *home = set("HOME");
    int length = cache != NULL  ? snprintf(folder, size, "%s/indexes", cache)
                 : xdg != NULL  ? snprintf(folder, size, "%s/ucid/indexes", xdg)
                 : home != NULL ? snprintf(folder, size, "%s/.cache/ucid/indexes", home)
                                : snprintf(folder, size, "/tmp/ucid-%ld/indexes", (long)getuid());
    if (length < 0 || (size_t)length >= size) {
        errno = ENAMETOOLONG;
        return 0;
    }
    for (char *at = folder + 1; *at != '\0'; at++) {
        if (*at != '/') continue;
        *at = '\0';
        (void)mkdir(folder, 0777);
        *at = '/';
    }
    return mkdir(folder, 0777) == 0 || errno == EEXIST;
}

static int append(void *ctx, const void *bytes, size_t count)
{
    const char *at = bytes;
    while (count > 0) {
        ssize_t written = write(*(int *)ctx, at, count);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return errno;
        at += written;
        count -= (size_t)written;
    }
    return 0;
}

/* Fetch into a file beside, check it, name it. */
static ucid_status fetch(const char *uri, const char *sha256, const char *path, ucid_error *error)
{
    char part[CLI_CACHE_PATH + 16], found[65];
    const ucid_io *io = cli_io(error);
    if (io == NULL) return error->status;
    snprintf(part, sizeof part, "%s.XXXXXX.part", path);
    int file = mkstemps(part, 5);
    if (file < 0) return cli_error(error, UCID_IO_ERROR, "%.180s: cannot write: %s", part, strerror(errno));
    int reason = 0;
    ucid_status status = io->read_pieces(uri, append, &file, &reason, error);
    if (close(file) != 0 && reason == 0) reason = errno;
    if (reason != 0) {
        status = cli_error(error, UCID_IO_ERROR, "%.180s: cannot write: %s", part, strerror(reason));
    }
    if (status == UCID_OK) status = ucid_file_sha256(part, found, error);
    if (status == UCID_OK && strcmp(found, sha256) != 0) {
        status = cli_error(error, UCID_INDEX_CORRUPT,
                           "%.100s: its sha256 is %.12s..., the catalog says %.12s...; it was "
                           "not taken",
                           uri, found, sha256);
    }
    if (status == UCID_OK && rename(part, path) != 0) {
        status = cli_error(error, UCID_IO_ERROR, "%.180s: cannot write: %s", path, strerror(errno));
    }
    if (status != UCID_OK) (void)unlink(part);
    return status;
}

ucid_status cli_index_cached(const char *uri, const char sha256[65], char path[CLI_CACHE_PATH], ucid_error *error)
{
    char folder[CLI_CACHE_PATH - 128], name[CLI_CACHE_PATH];
    if (!cache_folder(folder, sizeof folder)) {
        return cli_error(error, UCID_IO_ERROR, "%.180s: no folder to keep it in: %s", uri, strerror(errno));
    }
    snprintf(path, CLI_CACHE_PATH, "%s/%s.ucidx", folder, sha256);
    if (access(path, R_OK) == 0) return UCID_OK;
    snprintf(name, sizeof name, "%s/%s.lock", folder, sha256);
    int lock = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    int failed = lock < 0;
    while (!failed && flock(lock, LOCK_EX) != 0) failed = errno != EINTR;
    ucid_status status = UCID_OK;
    if (failed) {
        status = cli_error(error, UCID_IO_ERROR, "%.180s: cannot lock: %s", name, strerror(errno));
    } else if (access(path, R_OK) != 0) { /* nobody has fetched it meanwhile */
        status = fetch(uri, sha256, path, error);
    }
    if (lock >= 0) (void)close(lock);
    return status;
}
