/* osm_blob.h: from a Blob message to the plain bytes in it. */
#ifndef UCID_READ_OSM_BLOB_H
#define UCID_READ_OSM_BLOB_H

#include "ucid.h"

#define OSM_BLOB_HEADER_MAX 65536u /* of the format's specification */
#define OSM_BLOB_MAX 33554432u     /* packed and unpacked */
#define OSM_CAUSE_BYTES 160

/* Memory to unpack blobs into, used again and again by one thread. All zero at first. */
typedef struct osm_unpacker {
    uint8_t *bytes; /* the plain bytes, followed by PB_PADDING zeros */
    size_t length;
    size_t capacity;
    void *inflater;
    char cause[OSM_CAUSE_BYTES]; /* what is wrong, where a call fails */
} osm_unpacker;

/* Unpack a Blob message; packed is followed by PB_PADDING readable bytes.
 * err   DATA_ERROR, UNSUPPORTED_FORMAT, NO_MEMORY */
ucid_status osm_unpack(osm_unpacker *unpacker, const ucid_allocator *allocator, const uint8_t *packed, size_t length);
void osm_unpacker_reset(osm_unpacker *unpacker, const ucid_allocator *allocator);

#endif
