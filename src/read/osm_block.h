/* osm_block.h: from the plain bytes of a blob to objects, some thousands at a time. */
#ifndef UCID_READ_OSM_BLOCK_H
#define UCID_READ_OSM_BLOCK_H

#include "read/osm.h"
#include "read/osm_blob.h"
#include "read/protobuf.h"

enum { OSM_NODES = 1, OSM_WAYS = 2, OSM_RELATIONS = 4, OSM_ALL = 7 };

/* Objects of one kind, decoded. Tags, refs and members of all of them lie one after the other; osm_block_visit hands
 * them out, so that no object needs a pointer while the arrays still grow. */
typedef struct osm_batch {
    unsigned kind;
    size_t count;
    osm_node *nodes;
    osm_way *ways;
    osm_relation *relations;
    osm_tag *tags;
    int64_t *refs;
    osm_member *members;
    size_t tag_count, ref_count, member_count;
    size_t node_capacity, way_capacity, relation_capacity, tag_capacity, ref_capacity, member_capacity;
} osm_batch;

/* A PrimitiveBlock being decoded by one thread. All zero at first; the memory is used again for the next block. */
typedef struct osm_block {
    unsigned kinds;  /* what the block holds */
    unsigned wanted; /* what is decoded */
    unsigned timed;  /* whose timestamps are read */
    pb_range groups; /* what is left of the block, */
    pb_range group;  /* of its current group, */
    unsigned kind;   /* which is of this kind, */
    struct {
        pb_range ids, lats, lons, tags;
        int64_t id, lat, lon;
        int has_tags;
    } dense;                                     /* and of its dense nodes */
    int64_t granularity, lat_offset, lon_offset; /* nanodegrees */
    int64_t date_granularity;                    /* milliseconds */
    int64_t newest;                              /* in date_granularity */
    osm_string *strings;
    size_t string_count, string_capacity;
    osm_batch batch;
    char cause[OSM_CAUSE_BYTES];
} osm_block;

/* Begin a block: bytes are followed by PB_PADDING zeros and stay where they are until the block is done.
 * err   DATA_ERROR, NO_MEMORY; both with a cause */
ucid_status osm_block_open(osm_block *block, const ucid_allocator *allocator, const uint8_t *bytes, size_t length,
                           unsigned wanted, unsigned timed);
/* Decode the next objects into block->batch; its count is 0 at the end of the block. */
ucid_status osm_block_decode(osm_block *block, const ucid_allocator *allocator);
/* Hand the batch to the visitor; its status is returned. */
ucid_status osm_block_visit(osm_block *block, const osm_visitor *visitor);
/* Newest timestamp decoded in this block, seconds since 1970; 0 for none. */
int64_t osm_block_newest(const osm_block *block);
void osm_block_reset(osm_block *block, const ucid_allocator *allocator);

#endif
