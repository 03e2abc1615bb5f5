/* osm.h: read an OpenStreetMap extract (.osm.pbf), pushing objects into callbacks.
 *
 * Blobs are decoded one at a time, in several threads where asked, and delivered in the order that the caller chose;
 * memory is a few blobs, whatever the size of the file. */
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
 * through ctx). A NULL callback skips that type, without decoding it where the file allows. */
typedef struct osm_visitor {
    void *ctx;
    ucid_status (*node)(void *ctx, const osm_node *node);
    ucid_status (*way)(void *ctx, const osm_way *way);
    ucid_status (*relation)(void *ctx, const osm_relation *relation);
} osm_visitor;

typedef struct osm_file osm_file;

/* Open an extract and read its header and the positions of its blobs.
 * err   FILE_NOT_FOUND; DATA_ERROR: not a PBF (gzip, XML, empty: named), truncated; UNSUPPORTED_FORMAT: a required
 *       feature or a compression that was not built in; messages start with the path */
ucid_status osm_open(const char *path, const ucid_allocator *allocator, osm_file **file, ucid_error *error);
void osm_close(osm_file *file);
const osm_header *osm_header_get(const osm_file *file);
uint64_t osm_byte_length(const osm_file *file);

/* Newest object timestamp seen by finished passes, seconds since 1970; 0 where objects carry none. */
int64_t osm_newest_timestamp(const osm_file *file);

/* One pass over the objects that the visitor names, in file order.
 * progress may be NULL; done and total are bytes of the file. */
ucid_status osm_read(osm_file *file, const osm_visitor *visitor, int threads, ucid_progress_fn progress,
                     void *progress_ctx, ucid_error *error);

#endif
