/* output.c: written as PATH.PID.part, then renamed. stdio forgets why a write failed, so writes go through here. */
#include "output.h"

#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static ssize_t write_through(void *cookie, const char *bytes, size_t length)
{
    cli_output *file = cookie;
    size_t done = 0;
    while (done < length) {
        ssize_t written = write(file->fd, bytes + done, length - done);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) {
            if (file->reason == 0) file->reason = written < 0 ? errno : EIO;
            return 0; /* stdio's sign of an error */
        }
        done += (size_t)written;
    }
    return (ssize_t)length;
}

static void forget(cli_output *file)
{
    if (file->stream != NULL) fclose(file->stream);
    if (file->fd >= 0) close(file->fd);
    free(file->path);
    free(file->beside);
    *file = (cli_output){.fd = -1};
}

ucid_status cli_output_create(const char *path, cli_output *file, ucid_error *error)
{
    struct stat found;
    int exists = stat(path, &found) == 0;
    int direct = exists && !S_ISREG(found.st_mode);
    *file = (cli_output){.fd = -1};
    char *real = exists ? realpath(path, NULL) : NULL; /* a link stays a link */
    const char *name = real != NULL ? real : path;
    size_t size = strlen(name) + 32;
    file->path = strdup(name);
    file->beside = direct ? NULL : malloc(size);
    free(real);
    if (file->path == NULL || (!direct && file->beside == NULL)) {
        forget(file);
        return cli_error(error, UCID_NO_MEMORY, "%s: no memory for a file name", path);
    }
    if (!direct) snprintf(file->beside, size, "%s.%ld.part", file->path, (long)getpid());
    file->fd = direct ? open(file->path, O_WRONLY | O_CLOEXEC)
                      : open(file->beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file->fd < 0) {
        int reason = errno;
        forget(file);
        return cli_error(error, UCID_IO_ERROR, "%s: cannot create: %s", path, strerror(reason));
    }
    file->stream = fopencookie(file, "w", (cookie_io_functions_t){.write = write_through});
    if (file->stream == NULL) {
        cli_output_abort(file);
        return cli_error(error, UCID_NO_MEMORY, "%s: no memory for a buffer", path);
    }
    return UCID_OK;
}

ucid_status cli_output_commit(cli_output *file, ucid_error *error)
{
    int good = fclose(file->stream) == 0 && file->reason == 0;
    file->stream = NULL;
    if (file->beside != NULL) {
        good = good && fsync(file->fd) == 0;
        good = good && rename(file->beside, file->path) == 0;
    }
    if (!good) {
        ucid_status status = cli_error(error, UCID_IO_ERROR, "%s: cannot write: %s", file->path,
                                       strerror(file->reason != 0 ? file->reason : errno));
        cli_output_abort(file);
        return status;
    }
    forget(file);
    return UCID_OK;
}

void cli_output_abort(cli_output *file)
{
    if (file->beside != NULL) unlink(file->beside);
    forget(file);
}
