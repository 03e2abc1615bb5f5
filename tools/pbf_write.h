/* pbf_write.h: write an OpenStreetMap PBF file, to a file or to memory. Objects must come in the order Type_then_ID. */
#ifndef UCID_TOOLS_PBF_WRITE_H
#define UCID_TOOLS_PBF_WRITE_H

#include "ucid.h"

enum pbf_compression { PBF_ZLIB, PBF_RAW, PBF_LZ4, PBF_ZSTD };

typedef struct pbf_options {
    const char *program;
    const char *feature; /* a further required feature, or NULL */
    enum pbf_compression compression;
    int is_unsorted; /* leaves Sort.Type_then_ID out of the header */
    int is_plain;    /* nodes one by one, not dense */
    int has_box;
    int32_t min_lat_e7, min_lon_e7, max_lat_e7, max_lon_e7;
    int64_t replication_timestamp;
    uint32_t block_objects; /* at most so many a blob; 0: 8000 */
    uint32_t granularity;   /* nanodegrees; 0: 100 */
    int64_t lat_offset_nano, lon_offset_nano;
} pbf_options;

typedef struct pbf_member {
    int64_t ref;
    char type; /* 'n', 'w', 'r' */
    const char *role;
} pbf_member;

typedef struct pbf_writer pbf_writer;

/* path NULL: the bytes are kept in memory, for pbf_close_memory.
 * err   IO_ERROR, NO_MEMORY, UNSUPPORTED_FORMAT: a compression that was not built in */
ucid_status pbf_open(const char *path, const pbf_options *options, pbf_writer **writer, ucid_error *error);
/* Time of the objects that follow, seconds since 1970; 0: no metadata (before the first object of a blob). */
void pbf_time(pbf_writer *writer, int64_t timestamp);
/* tags: key, value, key, value, ..., NULL; or NULL for none. What fails is kept and told at the end. */
void pbf_node(pbf_writer *writer, int64_t id, int32_t lat_e7, int32_t lon_e7, const char *const *tags);
void pbf_way(pbf_writer *writer, int64_t id, const int64_t *refs, size_t count, const char *const *tags);
void pbf_relation(pbf_writer *writer, int64_t id, const pbf_member *members, size_t count, const char *const *tags);
/* Begin a new blob here. */
void pbf_flush(pbf_writer *writer);
/* Finish: the file appears whole, or not at all. Frees the writer. */
ucid_status pbf_close(pbf_writer *writer, ucid_error *error);
/* Finish in memory: *bytes is to be released as ucid_release(&ucid_default_allocator, *bytes, *capacity, 1). */
ucid_status pbf_close_memory(pbf_writer *writer, uint8_t **bytes, size_t *length, size_t *capacity, ucid_error *error);
/* Give up: no file appears. Frees the writer. */
void pbf_abandon(pbf_writer *writer);

#endif
