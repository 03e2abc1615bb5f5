/* osm.h: read an OpenStreetMap extract (.osm.pbf), pushing objects into callbacks.
 *
 * A pass decodes the blobs that hold what its visitor names, in several threads where asked, and delivers their objects
 * in file order. Memory is a few blobs for each thread, whatever the size of the file. Three passes (relations, ways,
 * nodes) cost little more than one: which blob holds which kind is remembered, and found by bisection in a sorted file.
 */
#ifndef UCID_READ_OSM_H
#define UCID_READ_OSM_H

#include "ucid.h"

typedef struct osm_string {
    const char *text; /* not terminated; valid until the callback returns */
    uint32_t length;
} osm_string;

typedef struct osm_tag {
    osm_string key, value;
} osm_tag;

typedef struct osm_node {
    int64_t id;
    int32_t lat_e7, lon_e7;
    uint32_t tag_count;
    const osm_tag *tags;
} osm_node;

typedef struct osm_way {
    int64_t id;
    uint32_t ref_count, tag_count;
    const int64_t *refs; /* node ids */
    const osm_tag *tags;
} osm_way;

typedef struct osm_member {
    int64_t ref;
    char type; /* 'n', 'w', 'r' */
    osm_string role;
} osm_member;

typedef struct osm_relation {
    int64_t id;
    uint32_t member_count, tag_count;
    const osm_member *members;
    const osm_tag *tags;
} osm_relation;

typedef struct osm_header {
    int has_box, sorted; /* sorted: Sort.Type_then_ID */
    int32_t min_lat_e7, min_lon_e7, max_lat_e7, max_lon_e7;
    int64_t replication_timestamp; /* seconds since 1970, 0 where absent */
    char writing_program[64];
} osm_header;

/* Callbacks return UCID_OK to go on; anything else ends the pass with that status (they fill the error themselves
 * through ctx). A NULL callback skips that type, without decoding it. With several threads a callback may be called
 * from any of them, but never from two at a time, and always in file order. */
typedef struct osm_visitor {
    void *ctx;
    ucid_status (*node)(void *ctx, const osm_node *node);
    ucid_status (*way)(void *ctx, const osm_way *way);
    ucid_status (*relation)(void *ctx, const osm_relation *relation);
} osm_visitor;

typedef struct osm_file osm_file;

/* Open an extract and read its header and the positions of its blobs.
 * err   FILE_NOT_FOUND; DATA_ERROR: not a PBF (gzip, bzip2, XML, empty, ...: named), truncated, damaged;
 *       UNSUPPORTED_FORMAT: a required feature or a compression that this build does not read; IO_ERROR; NO_MEMORY.
 *       Messages start with the path */
ucid_status osm_open(const char *path, const ucid_allocator *allocator, osm_file **file, ucid_error *error);
/* The same over bytes that the caller keeps alive and unchanged; name stands for the path in messages. */
ucid_status osm_open_memory(const char *name, const void *bytes, size_t length, const ucid_allocator *allocator,
                            osm_file **file, ucid_error *error);
void osm_close(osm_file *file); /* NULL is fine */
const osm_header *osm_header_get(const osm_file *file);
uint64_t osm_byte_length(const osm_file *file);

/* Newest object timestamp seen by finished passes, seconds since 1970; 0 where objects carry none. */
int64_t osm_newest_timestamp(const osm_file *file);

/* One pass over the objects that the visitor names, in file order.
 * progress may be NULL; done and total are bytes of the file.
 * err   DATA_ERROR: damaged, an object outside the Earth, not sorted though its header says so; UNSUPPORTED_FORMAT;
 *       IO_ERROR; NO_MEMORY; CANCELLED by progress; what a callback returned. The first in file order, whatever the
 *       number of threads */
ucid_status osm_read(osm_file *file, const osm_visitor *visitor, int threads, ucid_progress_fn progress,
                     void *progress_ctx, ucid_error *error);

#endif
