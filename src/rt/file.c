/* file.c: POSIX. A reader of the final name sees the old file or the new one, never a part: the data are synced before
 * the rename, and the directory after it. The disk begins while a file is being written, so that syncing has less to
 * wait for. Where the file system can, a file has no name until it is whole, so that a killed process leaves nothing.
 */
#define _GNU_SOURCE /* sync_file_range, O_TMPFILE */
#include "rt/file.h"

#include "rt/digest.h"
#include "rt/error.h"
#include "rt/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static ucid_status map_descriptor(int fd, const char *path, ucid_file_map *map, ucid_error *error)
{
    struct stat st;
    void *bytes = NULL;
    if (fstat(fd, &st) != 0) return ucid_fail(error, UCID_IO_ERROR, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode)) return ucid_fail(error, UCID_FILE_NOT_FOUND, "%s: not a regular file", path);
    if (st.st_size > 0) {
        bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (bytes == MAP_FAILED) return ucid_fail(error, UCID_IO_ERROR, "%s: cannot map: %s", path, strerror(errno));
    }
    map->bytes = bytes;
    map->length = (size_t)st.st_size;
    return UCID_OK;
}

ucid_status ucid_file_map_open(const char *path, ucid_file_map *map, ucid_error *error)
{
    *map = (ucid_file_map){NULL, 0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return ucid_fail(error, UCID_FILE_NOT_FOUND, "%s: %s", path, strerror(errno));
    ucid_status status = map_descriptor(fd, path, map, error);
    close(fd);
    return status;
}

void ucid_file_map_close(ucid_file_map *map)
{
    if (map->bytes != NULL) munmap((void *)(uintptr_t)map->bytes, map->length);
    map->bytes = NULL;
    map->length = 0;
}

enum { TRIES = 1000 }; /* names of files that a killed process left behind */
static atomic_uint opened_count;

/* Opens the folder that a path is in; path is as it was afterwards. */
static int open_folder(char *path, int flags)
{
    char *slash = strrchr(path, '/');
    if (slash == NULL) return open(".", flags | O_CLOEXEC, 0666);
    char kept = slash[1];
    slash[1] = '\0';
    int fd = open(path, flags | O_CLOEXEC, 0666);
    slash[1] = kept;
    return fd;
}

static void name_descriptor(int fd, char name[32]) { snprintf(name, 32, "/proc/self/fd/%d", fd); }

/* A file without a name, which /proc will be asked to give it; -1 where there is no such thing. */
static int open_nameless(char *path)
{
    int fd = -1;
#ifdef O_TMPFILE
    fd = open_folder(path, O_TMPFILE | O_RDWR);
    char name[32];
    name_descriptor(fd, name);
    if (fd >= 0 && access(name, F_OK) != 0) {
        close(fd);
        fd = -1;
    }
#endif
    return fd;
}

/* Gives the file a name of its own beside the final one: other writers of the same name, here or on another machine
 * that shares the folder, have another. A file that is open gets it, else one is created. Returns the descriptor, or
 * -1. */
static int take_name(ucid_file_writer *writer)
{
    size_t size = strlen(writer->path) + 32;
    int taken = -1;
    for (int tries = 0; taken < 0 && (tries == 0 || errno == EEXIST) && tries < TRIES; tries++) {
        snprintf(writer->temporary, size, "%s.%d-%u.part", writer->path, (int)getpid(),
                 atomic_fetch_add(&opened_count, 1));
        if (writer->fd < 0) {
            taken = open(writer->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        } else {
            char name[32];
            name_descriptor(writer->fd, name);
            if (linkat(AT_FDCWD, name, AT_FDCWD, writer->temporary, AT_SYMLINK_FOLLOW) == 0) taken = writer->fd;
        }
    }
    writer->is_named = taken >= 0;
    return taken;
}

ucid_status ucid_file_writer_open(const char *path, const ucid_allocator *allocator, ucid_file_writer *writer,
                                  ucid_error *error)
{
    ucid_file_writer opened = {.fd = -1, .allocator = ucid_allocator_or_default(allocator)};
    size_t length = strlen(path);
    size_t temporary_length = length + 32;
    opened.path = ucid_allocate(&opened.allocator, length + 1, 1);
    opened.temporary = ucid_allocate(&opened.allocator, temporary_length, 1);
    if (opened.path == NULL || opened.temporary == NULL) {
        ucid_release(&opened.allocator, opened.path, length + 1, 1);
        ucid_release(&opened.allocator, opened.temporary, temporary_length, 1);
        return ucid_fail_memory(error, "a file name", temporary_length);
    }
    memcpy(opened.path, path, length + 1);
    struct stat found;
    if (stat(path, &found) == 0 && !S_ISREG(found.st_mode)) { /* a rename would put a file in a device's place */
        ucid_release(&opened.allocator, opened.path, length + 1, 1);
        ucid_release(&opened.allocator, opened.temporary, temporary_length, 1);
        return ucid_fail(error, UCID_IO_ERROR, "%s: cannot create: it is there, and is no regular file", path);
    }
    opened.fd = open_nameless(opened.path);
    if (opened.fd < 0) opened.fd = take_name(&opened);
    if (opened.fd < 0) {
        ucid_status status = ucid_fail(error, UCID_IO_ERROR, "%s: cannot create: %s", path, strerror(errno));
        ucid_release(&opened.allocator, opened.path, length + 1, 1);
        ucid_release(&opened.allocator, opened.temporary, temporary_length, 1);
        return status;
    }
    *writer = opened;
    return UCID_OK;
}

ucid_status ucid_file_writer_write_at(ucid_file_writer *writer, uint64_t position, const void *bytes, size_t length,
                                      ucid_error *error)
{
    const uint8_t *from = bytes;
    while (length > 0) {
        ssize_t written = pwrite(writer->fd, from, length, (off_t)position);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) {
            return ucid_fail(error, UCID_IO_ERROR, "%s: cannot write: %s", writer->path,
                             written < 0 ? strerror(errno) : "no progress");
        }
        from += written;
        position += (uint64_t)written;
        length -= (size_t)written;
    }
    return UCID_OK;
}

ucid_status ucid_file_writer_map(const ucid_file_writer *writer, ucid_file_map *map, ucid_error *error)
{
    return map_descriptor(writer->fd, writer->path, map, error);
}

enum { WRITE_BACK = 16 << 20 };

static void begin_write_back(ucid_file_writer *writer)
{
#ifdef SYNC_FILE_RANGE_WRITE
    if (writer->position - writer->begun < WRITE_BACK) return;
    (void)sync_file_range(writer->fd, (off_t)writer->begun, (off_t)(writer->position - writer->begun),
                          SYNC_FILE_RANGE_WRITE);
#endif
    writer->begun = writer->position;
}

ucid_status ucid_file_writer_write(ucid_file_writer *writer, const void *bytes, size_t length, ucid_error *error)
{
    ucid_status status = ucid_file_writer_write_at(writer, writer->position, bytes, length, error);
    if (status != UCID_OK) return status;
    writer->position += length;
    begin_write_back(writer);
    return UCID_OK;
}

/* The rename itself must survive a power cut too. */
static void sync_directory(char *path)
{
    int fd = open_folder(path, O_RDONLY | O_DIRECTORY);
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
}

ucid_status ucid_file_writer_commit(ucid_file_writer *writer, ucid_error *error)
{
    int failed = fsync(writer->fd) != 0 || (!writer->is_named && take_name(writer) < 0);
    int reason = errno;
    if (close(writer->fd) != 0 && !failed) {
        failed = 1;
        reason = errno;
    }
    writer->fd = -1;
    if (!failed && rename(writer->temporary, writer->path) != 0) {
        failed = 1;
        reason = errno;
    }
    if (failed) {
        if (writer->is_named) unlink(writer->temporary);
        return ucid_fail(error, UCID_IO_ERROR, "%s: cannot write: %s", writer->path, strerror(reason));
    }
    sync_directory(writer->path);
    return UCID_OK;
}

void ucid_file_writer_close(ucid_file_writer *writer)
{
    if (writer->fd >= 0) {
        close(writer->fd);
        if (writer->is_named) unlink(writer->temporary);
        writer->fd = -1;
    }
    if (writer->path != NULL) {
        size_t length = strlen(writer->path);
        ucid_release(&writer->allocator, writer->path, length + 1, 1);
        ucid_release(&writer->allocator, writer->temporary, length + 32, 1);
        writer->path = NULL;
        writer->temporary = NULL;
    }
}

static const char *scratch_folder(void)
{
    const char *folder = getenv("TMPDIR");
    return folder != NULL && folder[0] != '\0' ? folder : "/tmp";
}

ucid_status ucid_file_scratch_append(ucid_file_scratch *scratch, const void *bytes, size_t length, ucid_error *error)
{
    if (scratch->fd < 0) {
        char name[4096];
        int written = snprintf(name, sizeof name, "%s/ucid-XXXXXX", scratch_folder());
        scratch->fd = written > 0 && (size_t)written < sizeof name ? mkstemp(name) : -1;
        if (scratch->fd < 0) {
            return ucid_fail(error, UCID_IO_ERROR, "%s: cannot create: %s", scratch_folder(), strerror(errno));
        }
        unlink(name);
        (void)fcntl(scratch->fd, F_SETFD, FD_CLOEXEC);
    }
    const uint8_t *from = bytes;
    while (length > 0) {
        ssize_t written = pwrite(scratch->fd, from, length, (off_t)scratch->length);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) {
            return ucid_fail(error, UCID_IO_ERROR, "%s: cannot write: %s", scratch_folder(),
                             written < 0 ? strerror(errno) : "no progress");
        }
        from += written;
        scratch->length += (uint64_t)written;
        length -= (size_t)written;
    }
    return UCID_OK;
}

ucid_status ucid_file_scratch_read(const ucid_file_scratch *scratch, uint64_t position, void *bytes, size_t length,
                                   ucid_error *error)
{
    uint8_t *to = bytes;
    while (length > 0) {
        ssize_t got = pread(scratch->fd, to, length, (off_t)position);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            return ucid_fail(error, UCID_IO_ERROR, "%s: cannot read: %s", scratch_folder(),
                             got < 0 ? strerror(errno) : "the file is cut off");
        }
        to += got;
        position += (uint64_t)got;
        length -= (size_t)got;
    }
    return UCID_OK;
}

void ucid_file_scratch_close(ucid_file_scratch *scratch)
{
    if (scratch->fd >= 0) close(scratch->fd);
    *scratch = UCID_FILE_SCRATCH_INIT;
}

ucid_status ucid_file_sha256(const char *path, char hex[65], ucid_error *error)
{
    ucid_file_map map;
    ucid_status status = ucid_file_map_open(path, &map, error);
    if (status != UCID_OK) return status;
    ucid_sha256 digest;
    uint8_t sum[32];
    ucid_sha256_init(&digest);
    if (map.length > 0) ucid_sha256_update(&digest, map.bytes, map.length);
    ucid_sha256_finish(&digest, sum);
    ucid_sha256_hex(sum, hex);
    ucid_file_map_close(&map);
    return UCID_OK;
}
