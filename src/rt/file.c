/* file.c: POSIX. A reader of the final name sees the old file or the new one, never a part: the data are synced before
 * the rename, and the directory after it. The disk begins while a file is being written, so that syncing has less to
 * wait for. */
#define _GNU_SOURCE /* sync_file_range */
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

ucid_status ucid_file_map_open(const char *path, ucid_file_map *map, ucid_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return ucid_fail(error, UCID_FILE_NOT_FOUND, "%s: %s", path, strerror(errno));
    struct stat st;
    ucid_status status = UCID_OK;
    void *bytes = NULL;
    if (fstat(fd, &st) != 0) {
        status = ucid_fail(error, UCID_IO_ERROR, "%s: %s", path, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        status = ucid_fail(error, UCID_FILE_NOT_FOUND, "%s: not a regular file", path);
    } else if (st.st_size > 0) {
        bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (bytes == MAP_FAILED) status = ucid_fail(error, UCID_IO_ERROR, "%s: cannot map: %s", path, strerror(errno));
    }
    close(fd);
    if (status != UCID_OK) return status;
    map->bytes = bytes;
    map->length = (size_t)st.st_size;
    return UCID_OK;
}

void ucid_file_map_close(ucid_file_map *map)
{
    if (map->bytes != NULL) munmap((void *)(uintptr_t)map->bytes, map->length);
    map->bytes = NULL;
    map->length = 0;
}

enum { TRIES = 1000 }; /* names of files that a killed process left behind */
static atomic_uint opened_count;

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
    /* Other writers of the same name, here or on another machine that shares the folder, have a file of their own. */
    for (int tries = 0; opened.fd < 0 && (tries == 0 || errno == EEXIST) && tries < TRIES; tries++) {
        snprintf(opened.temporary, temporary_length, "%s.%d-%u.part", path, (int)getpid(),
                 atomic_fetch_add(&opened_count, 1));
        opened.fd = open(opened.temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    }
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
    char *slash = strrchr(path, '/');
    int fd;
    if (slash == NULL) {
        fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    } else {
        char kept = slash[1];
        slash[1] = '\0';
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        slash[1] = kept;
    }
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
}

ucid_status ucid_file_writer_commit(ucid_file_writer *writer, ucid_error *error)
{
    int failed = fsync(writer->fd) != 0;
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
        unlink(writer->temporary);
        return ucid_fail(error, UCID_IO_ERROR, "%s: cannot write: %s", writer->path, strerror(reason));
    }
    sync_directory(writer->path);
    return UCID_OK;
}

void ucid_file_writer_close(ucid_file_writer *writer)
{
    if (writer->fd >= 0) {
        close(writer->fd);
        unlink(writer->temporary);
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
