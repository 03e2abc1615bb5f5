/* osm_blob.c: a blob is unpacked whole, at once: its size is stated beside it and bounded by the format, and libdeflate
 * is twice as fast as zlib because it need not stop in the middle. What the blob states is believed only as an upper
 * bound: unpacking must give exactly that many bytes. */
#include "read/osm_blob.h"

#include "read/protobuf.h"
#include "rt/memory.h"

#include <stdio.h>
#include <string.h>

#ifdef UCID_HAVE_DEFLATE
#include <libdeflate.h>
#else
#include <zlib.h>
#endif
#ifdef UCID_HAVE_LZ4
#include <lz4.h>
#endif
#ifdef UCID_HAVE_ZSTD
#include <zstd.h>
#endif

enum { BLOB_RAW = 1, BLOB_RAW_SIZE = 2, BLOB_ZLIB = 3, BLOB_LZMA = 4, BLOB_BZIP2 = 5, BLOB_LZ4 = 6, BLOB_ZSTD = 7 };

static ucid_status fail(osm_unpacker *unpacker, ucid_status status, const char *cause)
{
    snprintf(unpacker->cause, sizeof unpacker->cause, "%s", cause);
    return status;
}

/* Room for length bytes and the padding; what was there is lost. */
static int reserve(osm_unpacker *unpacker, const ucid_allocator *allocator, size_t length)
{
    size_t needed = length + PB_PADDING;
    if (needed > unpacker->capacity) {
        size_t capacity = 65536;
        while (capacity < needed) capacity += capacity / 2;
        ucid_release(allocator, unpacker->bytes, unpacker->capacity, 1);
        unpacker->capacity = 0;
        unpacker->bytes = ucid_allocate(allocator, capacity, 1);
        if (unpacker->bytes == NULL) return 0;
        unpacker->capacity = capacity;
    }
    memset(unpacker->bytes + length, 0, PB_PADDING);
    unpacker->length = length;
    return 1;
}

/* 1 where packed holds exactly unpacker->length bytes when inflated; 0 where not; -1 without memory. */
static int inflate_zlib(osm_unpacker *unpacker, pb_range packed)
{
    size_t packed_length = (size_t)(packed.end - packed.at);
#ifdef UCID_HAVE_DEFLATE
    if (unpacker->inflater == NULL) unpacker->inflater = libdeflate_alloc_decompressor();
    if (unpacker->inflater == NULL) return -1;
    return libdeflate_zlib_decompress(unpacker->inflater, packed.at, packed_length, unpacker->bytes, unpacker->length,
                                      NULL) == LIBDEFLATE_SUCCESS;
#else
    uLongf length = unpacker->length;
    int result = uncompress(unpacker->bytes, &length, packed.at, packed_length);
    return result == Z_MEM_ERROR ? -1 : result == Z_OK && length == unpacker->length;
#endif
}

static int inflate_lz4(osm_unpacker *unpacker, pb_range packed)
{
#ifdef UCID_HAVE_LZ4
    int length = LZ4_decompress_safe((const char *)packed.at, (char *)unpacker->bytes, (int)(packed.end - packed.at),
                                     (int)unpacker->length);
    return length >= 0 && (size_t)length == unpacker->length;
#else
    (void)unpacker;
    (void)packed;
    return -2;
#endif
}

static int inflate_zstd(osm_unpacker *unpacker, pb_range packed)
{
#ifdef UCID_HAVE_ZSTD
    return ZSTD_decompress(unpacker->bytes, unpacker->length, packed.at, (size_t)(packed.end - packed.at)) ==
           unpacker->length;
#else
    (void)unpacker;
    (void)packed;
    return -2;
#endif
}

ucid_status osm_unpack(osm_unpacker *unpacker, const ucid_allocator *allocator, const uint8_t *packed, size_t length)
{
    pb_range message = {packed, packed + length};
    pb_field field;
    pb_range data = {NULL, NULL};
    uint32_t compression = 0;
    uint64_t raw_size = 0;
    int more;
    while ((more = pb_next(&message, &field)) == 1) {
        if (field.number == BLOB_RAW_SIZE && field.wire == PB_VARINT) {
            raw_size = field.value;
        } else if (field.number >= BLOB_RAW && field.number <= BLOB_ZSTD && field.wire == PB_BYTES) {
            compression = field.number;
            data = field.bytes;
        }
    }
    if (more < 0) return fail(unpacker, UCID_DATA_ERROR, "damaged (its envelope is not a Protocol Buffer)");
    if (compression == 0) return fail(unpacker, UCID_DATA_ERROR, "damaged (it holds no data)");
    if (compression == BLOB_RAW) raw_size = (uint64_t)(data.end - data.at);
    if (raw_size > OSM_BLOB_MAX) {
        snprintf(unpacker->cause, sizeof unpacker->cause, "unpacks to %llu bytes, the format's limit is %u",
                 (unsigned long long)raw_size, OSM_BLOB_MAX);
        return UCID_DATA_ERROR;
    }
    if (!reserve(unpacker, allocator, (size_t)raw_size))
        return fail(unpacker, UCID_NO_MEMORY, "no memory to unpack it");
    const char *name = "raw";
    int done = 1;
    switch (compression) {
    case BLOB_RAW:
        if (raw_size > 0) memcpy(unpacker->bytes, data.at, (size_t)raw_size);
        break;
    case BLOB_ZLIB:
        name = "zlib";
        done = inflate_zlib(unpacker, data);
        break;
    case BLOB_LZ4:
        name = "lz4";
        done = inflate_lz4(unpacker, data);
        break;
    case BLOB_ZSTD:
        name = "zstd";
        done = inflate_zstd(unpacker, data);
        break;
    case BLOB_LZMA:
        name = "lzma";
        done = -2;
        break;
    default:
        name = "bzip2";
        done = -2;
        break;
    }
    if (done == 1) return UCID_OK;
    if (done == -1) return fail(unpacker, UCID_NO_MEMORY, "no memory to unpack it");
    if (done == -2) {
        snprintf(unpacker->cause, sizeof unpacker->cause, "compressed with %s, which this build does not read", name);
        return UCID_UNSUPPORTED_FORMAT;
    }
    snprintf(unpacker->cause, sizeof unpacker->cause, "damaged (its %s data do not unpack to the %llu bytes it states)",
             name, (unsigned long long)raw_size);
    return UCID_DATA_ERROR;
}

void osm_unpacker_reset(osm_unpacker *unpacker, const ucid_allocator *allocator)
{
    ucid_release(allocator, unpacker->bytes, unpacker->capacity, 1);
#ifdef UCID_HAVE_DEFLATE
    if (unpacker->inflater != NULL) libdeflate_free_decompressor(unpacker->inflater);
#endif
    *unpacker = (osm_unpacker){0};
}
