/* pbf_write.c: objects are encoded into the arrays of one block; a full block, or one of another kind, is packed and
 * written. Strings are numbered per block through a small open hash table. */
#include "pbf_write.h"

#include "rt/error.h"
#include "rt/file.h"
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

enum { STRING_SLOTS = 1 << 16, STRINGS_MAX = STRING_SLOTS / 2, BLOCK_BYTES = 4 << 20, DEFLATE_LEVEL = 5 };

typedef struct bytes {
    uint8_t *at;
    size_t length, capacity;
} bytes;

struct pbf_writer {
    pbf_options options;
    ucid_file_writer file;
    int has_file;
    ucid_status status; /* the first failure */
    ucid_error error;
    char kind; /* of the block: 'n', 'w', 'r', or 0 while it is empty */
    uint32_t count;
    int64_t id, lat, lon, time, block_time; /* what the next deltas start from */
    int64_t timestamp;
    bytes ids, lats, lons, tags, times, versions; /* dense nodes */
    bytes group;                                  /* other objects */
    bytes strings;                                /* the encoded table */
    uint32_t string_count;
    uint32_t *slots;         /* string + 1, or 0 */
    uint32_t *string_starts; /* in strings, of the text */
    uint32_t *string_lengths;
    bytes numbers, scratch, scratch2, block, packed, out;
    void *deflater;
};

/* ---------------------------------------------------------------------------------------------------- wire format --
 */

static void keep_failure(pbf_writer *writer, ucid_status status)
{
    if (writer->status == UCID_OK) writer->status = status;
}

static int reserve(pbf_writer *writer, bytes *to, size_t more)
{
    if (to->capacity - to->length >= more) return 1;
    void *at = to->at;
    if (!ucid_grow(&ucid_default_allocator, &at, &to->capacity, to->length + more, 1)) {
        if (writer->status == UCID_OK) ucid_fail_memory(&writer->error, "a block", to->length + more);
        keep_failure(writer, UCID_NO_MEMORY);
        return 0;
    }
    to->at = at;
    return 1;
}

static void put_varint(pbf_writer *writer, bytes *to, uint64_t value)
{
    if (!reserve(writer, to, 10)) return;
    while (value >= 0x80) {
        to->at[to->length++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    to->at[to->length++] = (uint8_t)value;
}

static uint64_t zigzag(int64_t value) { return ((uint64_t)value << 1) ^ (0 - (uint64_t)(value < 0)); }

static void put_bytes(pbf_writer *writer, bytes *to, uint32_t field, const void *from, size_t length)
{
    put_varint(writer, to, (uint64_t)field << 3 | 2);
    put_varint(writer, to, length);
    if (length == 0 || !reserve(writer, to, length)) return;
    memcpy(to->at + to->length, from, length);
    to->length += length;
}

static void put_part(pbf_writer *writer, bytes *to, uint32_t field, const bytes *part)
{
    put_bytes(writer, to, field, part->at, part->length);
}

static void put_number(pbf_writer *writer, bytes *to, uint32_t field, uint64_t value)
{
    put_varint(writer, to, (uint64_t)field << 3);
    put_varint(writer, to, value);
}

static void put_text(pbf_writer *writer, bytes *to, uint32_t field, const char *text)
{
    put_bytes(writer, to, field, text, strlen(text));
}

/* --------------------------------------------------------------------------------------------------------- blobs -- */

static ucid_status pack(pbf_writer *writer, const bytes *plain, uint32_t *field)
{
    bytes *packed = &writer->packed;
    packed->length = 0;
    size_t bound = plain->length + plain->length / 8 + 1024; /* enough for each of them */
    if (!reserve(writer, packed, bound)) return UCID_NO_MEMORY;
    size_t length = 0;
    switch (writer->options.compression) {
    case PBF_RAW:
        *field = 1;
        memcpy(packed->at, plain->at, plain->length);
        length = plain->length;
        break;
    case PBF_ZLIB: *field = 3;
#ifdef UCID_HAVE_DEFLATE
        if (writer->deflater == NULL) writer->deflater = libdeflate_alloc_compressor(DEFLATE_LEVEL);
        if (writer->deflater == NULL) return ucid_fail_memory(&writer->error, "packing", bound);
        length = libdeflate_zlib_compress(writer->deflater, plain->at, plain->length, packed->at, packed->capacity);
#else
        uLongf room = packed->capacity;
        if (compress2(packed->at, &room, plain->at, plain->length, DEFLATE_LEVEL) == Z_OK) length = room;
#endif
        break;
    case PBF_LZ4: *field = 6;
#ifdef UCID_HAVE_LZ4
        length = (size_t)LZ4_compress_default((const char *)plain->at, (char *)packed->at, (int)plain->length,
                                              (int)packed->capacity);
#endif
        break;
    case PBF_ZSTD: *field = 7;
#ifdef UCID_HAVE_ZSTD
        length = ZSTD_compress(packed->at, packed->capacity, plain->at, plain->length, 3);
        if (ZSTD_isError(length)) length = 0;
#endif
        break;
    }
    if (length == 0) {
        return ucid_fail(&writer->error, UCID_UNSUPPORTED_FORMAT, "this build does not write that compression");
    }
    packed->length = length;
    return UCID_OK;
}

static void write_bytes(pbf_writer *writer, const void *from, size_t length)
{
    if (writer->status != UCID_OK) return;
    if (writer->has_file) {
        keep_failure(writer, ucid_file_writer_write(&writer->file, from, length, &writer->error));
    } else if (reserve(writer, &writer->out, length)) {
        memcpy(writer->out.at + writer->out.length, from, length);
        writer->out.length += length;
    }
}

/* length of BlobHeader | BlobHeader | Blob */
static void write_blob(pbf_writer *writer, const char *type, const bytes *plain)
{
    uint32_t field = 0;
    if (writer->status != UCID_OK) return;
    keep_failure(writer, pack(writer, plain, &field));
    if (writer->status != UCID_OK) return;
    bytes *blob = &writer->scratch, *header = &writer->scratch2;
    blob->length = header->length = 0;
    if (field != 1) put_number(writer, blob, 2, plain->length);
    put_part(writer, blob, field, &writer->packed);
    put_text(writer, header, 1, type);
    put_number(writer, header, 3, blob->length);
    uint8_t length[4] = {0, 0, (uint8_t)(header->length >> 8), (uint8_t)header->length};
    write_bytes(writer, length, 4);
    write_bytes(writer, header->at, header->length);
    write_bytes(writer, blob->at, blob->length);
}

static void write_header(pbf_writer *writer)
{
    const pbf_options *options = &writer->options;
    bytes *block = &writer->block, *box = &writer->scratch;
    block->length = box->length = 0;
    if (options->has_box) {
        put_number(writer, box, 1, zigzag((int64_t)options->min_lon_e7 * 100));
        put_number(writer, box, 2, zigzag((int64_t)options->max_lon_e7 * 100));
        put_number(writer, box, 3, zigzag((int64_t)options->max_lat_e7 * 100));
        put_number(writer, box, 4, zigzag((int64_t)options->min_lat_e7 * 100));
        put_part(writer, block, 1, box);
    }
    put_text(writer, block, 4, "OsmSchema-V0.6");
    if (!options->is_plain) put_text(writer, block, 4, "DenseNodes");
    if (options->feature != NULL) put_text(writer, block, 4, options->feature);
    if (!options->is_unsorted) put_text(writer, block, 5, "Sort.Type_then_ID");
    if (options->program != NULL) put_text(writer, block, 16, options->program);
    if (options->replication_timestamp != 0) put_number(writer, block, 32, (uint64_t)options->replication_timestamp);
    write_blob(writer, "OSMHeader", block);
}

static void begin_block(pbf_writer *writer)
{
    writer->kind = 0;
    writer->count = 0;
    writer->id = writer->lat = writer->lon = writer->time = 0;
    writer->ids.length = writer->lats.length = writer->lons.length = writer->tags.length = 0;
    writer->times.length = writer->versions.length = writer->group.length = writer->strings.length = 0;
    memset(writer->slots, 0, STRING_SLOTS * sizeof *writer->slots);
    writer->string_count = 1; /* number 0 is the empty string: it ends a node's tags */
    put_text(writer, &writer->strings, 1, "");
}

void pbf_flush(pbf_writer *writer)
{
    if (writer->count == 0) return;
    bytes *block = &writer->block, *dense = &writer->scratch, *info = &writer->scratch2;
    if (writer->ids.length > 0) {
        dense->length = info->length = 0;
        put_part(writer, dense, 1, &writer->ids);
        if (writer->block_time != 0) {
            put_part(writer, info, 1, &writer->versions);
            put_part(writer, info, 2, &writer->times);
            put_part(writer, dense, 5, info);
        }
        put_part(writer, dense, 8, &writer->lats);
        put_part(writer, dense, 9, &writer->lons);
        put_part(writer, dense, 10, &writer->tags);
        put_part(writer, &writer->group, 2, dense);
    }
    block->length = 0;
    put_part(writer, block, 1, &writer->strings);
    put_part(writer, block, 2, &writer->group);
    if (writer->options.granularity != 100) put_number(writer, block, 17, writer->options.granularity);
    if (writer->options.lat_offset_nano != 0) put_number(writer, block, 19, (uint64_t)writer->options.lat_offset_nano);
    if (writer->options.lon_offset_nano != 0) put_number(writer, block, 20, (uint64_t)writer->options.lon_offset_nano);
    write_blob(writer, "OSMData", block);
    begin_block(writer);
}

/* ------------------------------------------------------------------------------------------------------- objects -- */

static uint32_t string_number(pbf_writer *writer, const char *text)
{
    size_t length = strlen(text);
    if (length == 0) return 0;
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    for (size_t i = 0; i < length; i++) hash = (hash ^ (uint8_t)text[i]) * UINT64_C(0x100000001B3);
    uint32_t slot = (uint32_t)(hash >> 32) & (STRING_SLOTS - 1);
    for (; writer->slots[slot] != 0; slot = (slot + 1) & (STRING_SLOTS - 1)) {
        uint32_t number = writer->slots[slot];
        if (writer->string_lengths[number] == length &&
            memcmp(writer->strings.at + writer->string_starts[number], text, length) == 0) {
            return number;
        }
    }
    uint32_t number = writer->string_count++;
    put_bytes(writer, &writer->strings, 1, text, length);
    writer->string_lengths[number] = (uint32_t)length;
    writer->string_starts[number] = (uint32_t)(writer->strings.length - length);
    writer->slots[slot] = number;
    return number;
}

static size_t count_tags(const char *const *tags)
{
    size_t count = 0;
    if (tags != NULL) {
        while (tags[2 * count] != NULL) count++;
    }
    return count;
}

/* Make room for an object of a kind with so many strings of its own; 0 after a failure. */
static int begin_object(pbf_writer *writer, char kind, size_t strings)
{
    size_t length =
        writer->ids.length + writer->lats.length + writer->lons.length + writer->group.length + writer->strings.length;
    if (writer->kind != kind || writer->count >= writer->options.block_objects || length > BLOCK_BYTES ||
        writer->string_count + strings > STRINGS_MAX) {
        pbf_flush(writer);
    }
    if (writer->status == UCID_OK && strings >= STRINGS_MAX) {
        keep_failure(writer, ucid_fail(&writer->error, UCID_INVALID_ARGUMENT, "an object with %zu strings", strings));
    }
    if (writer->count == 0) writer->block_time = writer->timestamp;
    writer->kind = kind;
    writer->count++;
    return writer->status == UCID_OK;
}

static void put_tags(pbf_writer *writer, bytes *to, const char *const *tags)
{
    size_t count = count_tags(tags);
    if (count == 0) return;
    for (uint32_t part = 0; part < 2; part++) {
        writer->numbers.length = 0;
        for (size_t i = 0; i < count; i++) {
            put_varint(writer, &writer->numbers, string_number(writer, tags[2 * i + part]));
        }
        put_part(writer, to, 2 + part, &writer->numbers);
    }
}

static void put_info(pbf_writer *writer, bytes *to)
{
    if (writer->block_time == 0) return;
    bytes *info = &writer->scratch2;
    info->length = 0;
    put_number(writer, info, 1, 1);
    put_number(writer, info, 2, (uint64_t)writer->timestamp);
    put_part(writer, to, 4, info);
}

void pbf_time(pbf_writer *writer, int64_t timestamp) { writer->timestamp = timestamp; }

static int64_t scaled(const pbf_writer *writer, int32_t e7, int64_t offset_nano)
{
    return ((int64_t)e7 * 100 - offset_nano) / writer->options.granularity;
}

void pbf_node(pbf_writer *writer, int64_t id, int32_t lat_e7, int32_t lon_e7, const char *const *tags)
{
    size_t tag_count = count_tags(tags);
    if (!begin_object(writer, 'n', 2 * tag_count)) return;
    int64_t lat = scaled(writer, lat_e7, writer->options.lat_offset_nano);
    int64_t lon = scaled(writer, lon_e7, writer->options.lon_offset_nano);
    if (writer->options.is_plain) {
        bytes *node = &writer->scratch;
        node->length = 0;
        put_number(writer, node, 1, zigzag(id));
        put_tags(writer, node, tags);
        put_info(writer, node);
        put_number(writer, node, 8, zigzag(lat));
        put_number(writer, node, 9, zigzag(lon));
        put_part(writer, &writer->group, 1, node);
        return;
    }
    put_varint(writer, &writer->ids, zigzag(id - writer->id));
    put_varint(writer, &writer->lats, zigzag(lat - writer->lat));
    put_varint(writer, &writer->lons, zigzag(lon - writer->lon));
    if (writer->block_time != 0) {
        put_varint(writer, &writer->versions, 1);
        put_varint(writer, &writer->times, zigzag(writer->timestamp - writer->time));
        writer->time = writer->timestamp;
    }
    for (size_t i = 0; i < 2 * tag_count; i++) put_varint(writer, &writer->tags, string_number(writer, tags[i]));
    put_varint(writer, &writer->tags, 0);
    writer->id = id;
    writer->lat = lat;
    writer->lon = lon;
}

void pbf_way(pbf_writer *writer, int64_t id, const int64_t *refs, size_t count, const char *const *tags)
{
    if (!begin_object(writer, 'w', 2 * count_tags(tags))) return;
    bytes *way = &writer->scratch, *deltas = &writer->scratch2;
    way->length = 0;
    put_number(writer, way, 1, (uint64_t)id);
    put_tags(writer, way, tags);
    put_info(writer, way);
    deltas->length = 0;
    for (size_t i = 0; i < count; i++) put_varint(writer, deltas, zigzag(refs[i] - (i > 0 ? refs[i - 1] : 0)));
    put_part(writer, way, 8, deltas);
    put_part(writer, &writer->group, 3, way);
}

void pbf_relation(pbf_writer *writer, int64_t id, const pbf_member *members, size_t count, const char *const *tags)
{
    if (!begin_object(writer, 'r', 2 * count_tags(tags) + count)) return;
    bytes *relation = &writer->scratch, *part = &writer->scratch2;
    relation->length = 0;
    put_number(writer, relation, 1, (uint64_t)id);
    put_tags(writer, relation, tags);
    put_info(writer, relation);
    part->length = 0;
    for (size_t i = 0; i < count; i++) put_varint(writer, part, string_number(writer, members[i].role));
    put_part(writer, relation, 8, part);
    part->length = 0;
    for (size_t i = 0; i < count; i++) {
        put_varint(writer, part, zigzag(members[i].ref - (i > 0 ? members[i - 1].ref : 0)));
    }
    put_part(writer, relation, 9, part);
    part->length = 0;
    for (size_t i = 0; i < count; i++) {
        put_varint(writer, part, members[i].type == 'n' ? 0 : members[i].type == 'w' ? 1 : 2);
    }
    put_part(writer, relation, 10, part);
    put_part(writer, &writer->group, 4, relation);
}

/* -------------------------------------------------------------------------------------------------- open and close --
 */

ucid_status pbf_open(const char *path, const pbf_options *options, pbf_writer **writer, ucid_error *error)
{
    const ucid_allocator *memory = &ucid_default_allocator;
    pbf_writer *made = ucid_allocate_zero(memory, 1, sizeof *made);
    if (made == NULL) return ucid_fail_memory(error, "a writer", sizeof *made);
    made->options = *options;
    if (made->options.block_objects == 0) made->options.block_objects = 8000;
    if (made->options.granularity == 0) made->options.granularity = 100;
    made->slots = ucid_allocate(memory, STRING_SLOTS, sizeof *made->slots);
    made->string_starts = ucid_allocate(memory, STRINGS_MAX, sizeof *made->string_starts);
    made->string_lengths = ucid_allocate(memory, STRINGS_MAX, sizeof *made->string_lengths);
    if (made->slots == NULL || made->string_starts == NULL || made->string_lengths == NULL) {
        keep_failure(made, ucid_fail_memory(&made->error, "a writer", STRING_SLOTS * sizeof *made->slots));
    } else if (path != NULL) {
        keep_failure(made, ucid_file_writer_open(path, NULL, &made->file, &made->error));
        made->has_file = made->status == UCID_OK;
    }
    if (made->status != UCID_OK) return pbf_close(made, error);
    write_header(made);
    begin_block(made);
    *writer = made;
    return UCID_OK;
}

static ucid_status finish(pbf_writer *writer, bytes *out, ucid_error *error)
{
    const ucid_allocator *memory = &ucid_default_allocator;
    if (writer->status == UCID_OK) pbf_flush(writer);
    if (writer->status == UCID_OK && writer->has_file) {
        keep_failure(writer, ucid_file_writer_commit(&writer->file, &writer->error));
    }
    if (writer->has_file) ucid_file_writer_close(&writer->file);
    ucid_status status = writer->status;
    if (status != UCID_OK && error != NULL) *error = writer->error;
    if (status == UCID_OK && out != NULL) {
        *out = writer->out;
        writer->out = (bytes){0};
    }
    bytes *all[] = {&writer->ids,      &writer->lats,   &writer->lons,    &writer->tags,    &writer->times,
                    &writer->versions, &writer->group,  &writer->strings, &writer->scratch, &writer->scratch2,
                    &writer->block,    &writer->packed, &writer->out,     &writer->numbers};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) ucid_release(memory, all[i]->at, all[i]->capacity, 1);
    ucid_release(memory, writer->slots, STRING_SLOTS, sizeof *writer->slots);
    ucid_release(memory, writer->string_starts, STRINGS_MAX, sizeof *writer->string_starts);
    ucid_release(memory, writer->string_lengths, STRINGS_MAX, sizeof *writer->string_lengths);
#ifdef UCID_HAVE_DEFLATE
    if (writer->deflater != NULL) libdeflate_free_compressor(writer->deflater);
#endif
    ucid_release(memory, writer, 1, sizeof *writer);
    return status;
}

ucid_status pbf_close(pbf_writer *writer, ucid_error *error) { return finish(writer, NULL, error); }

void pbf_abandon(pbf_writer *writer)
{
    keep_failure(writer, UCID_CANCELLED);
    finish(writer, NULL, NULL);
}

ucid_status pbf_close_memory(pbf_writer *writer, uint8_t **at, size_t *length, size_t *capacity, ucid_error *error)
{
    bytes out = {0};
    ucid_status status = finish(writer, &out, error);
    if (status != UCID_OK) return status;
    *at = out.at;
    *length = out.length;
    *capacity = out.capacity;
    return UCID_OK;
}
