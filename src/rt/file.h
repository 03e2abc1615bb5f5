/* file.h: files that are read whole, files that appear whole or not at all, and files that nobody sees. */
#ifndef UCID_RT_FILE_H
#define UCID_RT_FILE_H

#include "ucid.h"

/* A file mapped read-only. */
typedef struct ucid_file_map {
    const uint8_t *bytes; /* NULL for an empty file */
    size_t length;
} ucid_file_map;

/* err   FILE_NOT_FOUND (missing, unreadable, a directory), IO_ERROR */
ucid_status ucid_file_map_open(const char *path, ucid_file_map *map, ucid_error *error);
void ucid_file_map_close(ucid_file_map *map);

/* A file written beside its final name; commit syncs and renames it, close without commit removes it. */
typedef struct ucid_file_writer {
    int fd;
    uint64_t position, begun; /* written; on its way to the disk */
    char *temporary;          /* path being written, once it has one */
    int is_named;
    char *path;
    ucid_allocator allocator;
} ucid_file_writer;

ucid_status ucid_file_writer_open(const char *path, const ucid_allocator *allocator, ucid_file_writer *writer,
                                  ucid_error *error);
/* Appends; err IO_ERROR, with the system's reason (disk full, ...). */
ucid_status ucid_file_writer_write(ucid_file_writer *writer, const void *bytes, size_t length, ucid_error *error);
/* Overwrites bytes written before (headers, tables). */
ucid_status ucid_file_writer_write_at(ucid_file_writer *writer, uint64_t position, const void *bytes, size_t length,
                                      ucid_error *error);
/* What has been written so far. */
ucid_status ucid_file_writer_map(const ucid_file_writer *writer, ucid_file_map *map, ucid_error *error);
ucid_status ucid_file_writer_commit(ucid_file_writer *writer, ucid_error *error);
void ucid_file_writer_close(ucid_file_writer *writer); /* always; harmless after commit */

/* A file without a name, in TMPDIR or /tmp, that goes with the process: for what does not fit into memory. */
typedef struct ucid_file_scratch {
    int fd;
    uint64_t length;
} ucid_file_scratch;
#define UCID_FILE_SCRATCH_INIT                                                                                         \
    (ucid_file_scratch) { .fd = -1 }

/* Append; the file is made at the first call. err IO_ERROR, with the folder and the system's reason */
ucid_status ucid_file_scratch_append(ucid_file_scratch *scratch, const void *bytes, size_t length, ucid_error *error);
ucid_status ucid_file_scratch_read(const ucid_file_scratch *scratch, uint64_t position, void *bytes, size_t length,
                                   ucid_error *error);
void ucid_file_scratch_close(ucid_file_scratch *scratch);

#endif
