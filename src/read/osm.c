/* osm.c: the file around the blobs, and passes over them.
 *
 *     length | BlobHeader | Blob    length | BlobHeader | Blob    ...        first "OSMHeader", then "OSMData"
 *
 * A pass gives each blob to a thread, which unpacks it and decodes its first batch of objects (mostly all of them),
 * then waits until the blobs before it are delivered. So callbacks see file order, and what fails first in the file
 * fails the pass, with any number of threads.
 *
 * Blobs that hold nothing the visitor wants are left alone once it is known what they hold. A sorted file has nodes,
 * then ways, then relations: there two bisections find where the kinds meet, and a pass goes from one border blob to
 * the next, both included, so that the three passes together see every blob and would notice a file that is not sorted.
 */
#include "read/osm.h"

#include "read/osm_block.h"
#include "rt/error.h"
#include "rt/memory.h"
#include "rt/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KINDS_KNOWN = 8 };
enum { HEADER_BOX = 1, HEADER_REQUIRED = 4, HEADER_OPTIONAL = 5, HEADER_PROGRAM = 16, HEADER_REPLICATION = 32 };

typedef struct blob {
    uint64_t at; /* of the Blob message */
    uint32_t length;
    uint32_t kinds; /* OSM_NODES | ... | KINDS_KNOWN, or 0 before it was unpacked */
} blob;

/* What one thread needs. */
typedef struct scratch {
    uint8_t *packed;
    size_t packed_capacity;
    osm_unpacker unpacker;
    size_t unpacked; /* number of the blob in unpacker, plus one; 0 for none */
    osm_block block;
    char pad[64]; /* threads write their own cache lines */
} scratch;

struct osm_file {
    ucid_allocator allocator;
    char *name;
    size_t name_size;
    int fd; /* -1: memory */
    const uint8_t *memory;
    uint64_t length;
    osm_header header;
    blob *blobs;
    size_t blob_count, blob_capacity;
    scratch *scratches;
    size_t scratch_count;
    int64_t newest;
    unsigned timed;                   /* kinds whose timestamps are in newest */
    size_t first_way, first_relation; /* of a sorted file: first blob with a way or relation, with a relation */
    int has_borders;
};

/* -------------------------------------------------------------------------------------------------------- bytes -- */

/* Bytes [at, at + length) of the file, which lie inside it. */
static ucid_status read_bytes(const osm_file *file, uint64_t at, size_t length, uint8_t *bytes, ucid_error *error)
{
    if (file->fd < 0) {
        memcpy(bytes, file->memory + at, length);
        return UCID_OK;
    }
    while (length > 0) {
        ssize_t got = pread(file->fd, bytes, length, (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return ucid_fail(error, UCID_IO_ERROR, "%s: cannot read: %s", file->name, strerror(errno));
        if (got == 0) return ucid_fail(error, UCID_DATA_ERROR, "%s: became shorter while it was read", file->name);
        bytes += got;
        at += (uint64_t)got;
        length -= (size_t)got;
    }
    return UCID_OK;
}

static ucid_status fail_blob(const osm_file *file, const blob *from, ucid_status status, const char *cause,
                             ucid_error *error)
{
    return ucid_fail(error, status, "%s: blob at byte %llu: %s", file->name, (unsigned long long)from->at, cause);
}

/* Unpack a blob into scratch->unpacker. */
static ucid_status unpack(const osm_file *file, const blob *from, scratch *own, ucid_error *error)
{
    size_t needed = (size_t)from->length + PB_PADDING;
    own->unpacked = 0;
    if (needed > own->packed_capacity) {
        size_t capacity = 65536;
        while (capacity < needed) capacity *= 2;
        ucid_release(&file->allocator, own->packed, own->packed_capacity, 1);
        own->packed_capacity = 0;
        own->packed = ucid_allocate(&file->allocator, capacity, 1);
        if (own->packed == NULL) return ucid_fail_memory(error, "a blob", capacity);
        own->packed_capacity = capacity;
    }
    ucid_status status = read_bytes(file, from->at, from->length, own->packed, error);
    if (status != UCID_OK) return status;
    memset(own->packed + from->length, 0, PB_PADDING);
    status = osm_unpack(&own->unpacker, &file->allocator, own->packed, from->length);
    return status == UCID_OK ? UCID_OK : fail_blob(file, from, status, own->unpacker.cause, error);
}

/* Begin to decode data blob number `position`; learns its kinds. */
static ucid_status open_block(osm_file *file, size_t position, scratch *own, unsigned wanted, unsigned timed,
                              ucid_error *error)
{
    blob *from = &file->blobs[position];
    if (own->unpacked != position + 1) {
        ucid_status status = unpack(file, from, own, error);
        if (status != UCID_OK) return status;
        own->unpacked = position + 1;
    }
    ucid_status status =
        osm_block_open(&own->block, &file->allocator, own->unpacker.bytes, own->unpacker.length, wanted, timed);
    if (status != UCID_OK) return fail_blob(file, from, status, own->block.cause, error);
    from->kinds = own->block.kinds | KINDS_KNOWN;
    return UCID_OK;
}

/* ------------------------------------------------------------------------------------------------------ opening -- */

/* What a file that is no PBF is, by its first bytes; NULL where they tell nothing. */
static const char *other_format(const uint8_t *bytes, size_t length)
{
    static const struct {
        const char *magic, *name;
    } formats[] = {
        {"\x1F\x8B", "gzip"},
        {"BZh", "bzip2"},
        {"\xFD"
         "7zXZ",
         "xz"},
        {"PK\003\004", "a zip archive"},
        {"<", "XML"},
        {"\xEF\xBB\xBF<", "XML"},
        {"\xFF\xE0", "o5m"},
        {"\x28\xB5\x2F\xFD", "zstd"},
        {"{", "JSON"},
        {"UCIDX\r\n", "a ucid index"},
    };
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        size_t magic_length = strlen(formats[i].magic);
        if (length >= magic_length && memcmp(bytes, formats[i].magic, magic_length) == 0) return formats[i].name;
    }
    return NULL;
}

static ucid_status fail_truncated(const osm_file *file, uint64_t at, uint64_t needed, ucid_error *error)
{
    return ucid_fail(error, UCID_DATA_ERROR, "%s: truncated: the blob at byte %llu needs %llu bytes, %llu are left",
                     file->name, (unsigned long long)at, (unsigned long long)needed,
                     (unsigned long long)(file->length - at));
}

/* Read the BlobHeader at *at, and move *at behind its blob. */
static ucid_status read_blob_header(const osm_file *file, uint64_t *at, blob *found, int *is_header, int *is_data,
                                    ucid_error *error)
{
    uint8_t bytes[OSM_BLOB_HEADER_MAX + PB_PADDING];
    uint64_t left = file->length - *at;
    if (left < 4) return fail_truncated(file, *at, 4, error);
    size_t ahead = left < 64 ? (size_t)left : 64; /* mostly the whole header */
    ucid_status status = read_bytes(file, *at, ahead, bytes, error);
    if (status != UCID_OK) return status;
    uint32_t length = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
    if (length > OSM_BLOB_HEADER_MAX) {
        const char *format = *at == 0 ? other_format(bytes, ahead) : NULL;
        if (format != NULL) {
            return ucid_fail(error, UCID_DATA_ERROR, "%s: is %s, not an OpenStreetMap PBF file", file->name, format);
        }
        return ucid_fail(error, UCID_DATA_ERROR,
                         "%s: not an OpenStreetMap PBF file (a blob header of %u bytes at byte %llu, the limit is %u)",
                         file->name, length, (unsigned long long)*at, OSM_BLOB_HEADER_MAX);
    }
    if (length > left - 4) return fail_truncated(file, *at, 4 + (uint64_t)length, error);
    if (length <= ahead - 4) {
        memmove(bytes, bytes + 4, length);
    } else {
        status = read_bytes(file, *at + 4, length, bytes, error);
        if (status != UCID_OK) return status;
    }
    memset(bytes + length, 0, PB_PADDING);
    pb_range message = {bytes, bytes + length};
    pb_field field;
    uint64_t data_size = 0;
    int more, has_type = 0, has_size = 0;
    *is_header = *is_data = 0;
    while ((more = pb_next(&message, &field)) == 1) {
        if (field.number == 1 && field.wire == PB_BYTES) {
            size_t type_length = (size_t)(field.bytes.end - field.bytes.at);
            *is_header = type_length == 9 && memcmp(field.bytes.at, "OSMHeader", 9) == 0;
            *is_data = type_length == 7 && memcmp(field.bytes.at, "OSMData", 7) == 0;
            has_type = 1;
        }
        if (field.number == 3 && field.wire == PB_VARINT) {
            data_size = field.value;
            has_size = 1;
        }
    }
    if (more < 0 || !has_type || !has_size) {
        return ucid_fail(error, UCID_DATA_ERROR, "%s: %s (no blob header at byte %llu)", file->name,
                         *at == 0 ? "not an OpenStreetMap PBF file" : "damaged", (unsigned long long)*at);
    }
    if (data_size > OSM_BLOB_MAX) {
        return ucid_fail(error, UCID_DATA_ERROR, "%s: the blob at byte %llu has %llu bytes, the format's limit is %u",
                         file->name, (unsigned long long)*at, (unsigned long long)data_size, OSM_BLOB_MAX);
    }
    if (data_size > left - 4 - length) return fail_truncated(file, *at, 4 + length + data_size, error);
    *found = (blob){.at = *at + 4 + length, .length = (uint32_t)data_size};
    *at = found->at + data_size;
    return UCID_OK;
}

static int32_t nano_to_e7(uint64_t zigzag)
{
    int64_t nano = pb_zigzag(zigzag) / 100;
    return nano < INT32_MIN ? INT32_MIN : nano > INT32_MAX ? INT32_MAX : (int32_t)nano;
}

static int read_box(osm_header *header, pb_range message)
{
    pb_field field;
    int more;
    header->has_box = 1;
    while ((more = pb_next(&message, &field)) == 1) {
        if (field.wire != PB_VARINT) continue;
        if (field.number == 1) header->min_lon_e7 = nano_to_e7(field.value);
        if (field.number == 2) header->max_lon_e7 = nano_to_e7(field.value);
        if (field.number == 3) header->max_lat_e7 = nano_to_e7(field.value);
        if (field.number == 4) header->min_lat_e7 = nano_to_e7(field.value);
    }
    return more == 0;
}

static int is_text(pb_range bytes, const char *text)
{
    size_t length = strlen(text);
    return (size_t)(bytes.end - bytes.at) == length && memcmp(bytes.at, text, length) == 0;
}

/* Text of a file for a message or a report: its printable ASCII and UTF-8, cut to size. */
static void copy_text(pb_range bytes, char *text, size_t size)
{
    size_t length = 0;
    for (; bytes.at < bytes.end && length + 1 < size; bytes.at++) {
        if (*bytes.at >= 0x20 && *bytes.at != 0x7F) text[length++] = (char)*bytes.at;
    }
    text[length] = '\0';
}

static ucid_status read_header(osm_file *file, const blob *from, scratch *own, ucid_error *error)
{
    ucid_status status = unpack(file, from, own, error);
    if (status != UCID_OK) return status;
    pb_range message = {own->unpacker.bytes, own->unpacker.bytes + own->unpacker.length};
    pb_field field;
    int more, whole = 1;
    while ((more = pb_next(&message, &field)) == 1) {
        if (field.wire == PB_VARINT && field.number == HEADER_REPLICATION) {
            file->header.replication_timestamp = (int64_t)field.value;
        }
        if (field.wire != PB_BYTES) continue;
        switch (field.number) {
        case HEADER_BOX: whole &= read_box(&file->header, field.bytes); break;
        case HEADER_REQUIRED:
            if (!is_text(field.bytes, "OsmSchema-V0.6") && !is_text(field.bytes, "DenseNodes")) {
                char feature[64];
                copy_text(field.bytes, feature, sizeof feature);
                return ucid_fail(error, UCID_UNSUPPORTED_FORMAT, "%s: needs the feature %s, which is not supported",
                                 file->name, feature);
            }
            break;
        case HEADER_OPTIONAL:
            if (is_text(field.bytes, "Sort.Type_then_ID")) file->header.sorted = 1;
            break;
        case HEADER_PROGRAM:
            copy_text(field.bytes, file->header.writing_program, sizeof file->header.writing_program);
            break;
        default: break;
        }
    }
    return more < 0 || !whole ? fail_blob(file, from, UCID_DATA_ERROR, "damaged (the file's header)", error) : UCID_OK;
}

static ucid_status reserve_scratches(osm_file *file, size_t count, ucid_error *error)
{
    if (count <= file->scratch_count) return UCID_OK;
    scratch *grown = ucid_allocate_zero(&file->allocator, count, sizeof *grown);
    if (grown == NULL) return ucid_fail_memory(error, "threads", count * sizeof *grown);
    if (file->scratch_count > 0) memcpy(grown, file->scratches, file->scratch_count * sizeof *grown);
    ucid_release(&file->allocator, file->scratches, file->scratch_count, sizeof *grown);
    file->scratches = grown;
    file->scratch_count = count;
    return UCID_OK;
}

static ucid_status read_positions(osm_file *file, ucid_error *error)
{
    if (file->length == 0) return ucid_fail(error, UCID_DATA_ERROR, "%s: the file is empty", file->name);
    ucid_status status = reserve_scratches(file, 1, error);
    int has_header = 0;
    for (uint64_t at = 0; status == UCID_OK && at < file->length;) {
        blob found;
        int is_header, is_data;
        status = read_blob_header(file, &at, &found, &is_header, &is_data, error);
        if (status != UCID_OK) break;
        if (is_header) {
            if (!has_header) status = read_header(file, &found, &file->scratches[0], error);
            has_header = 1;
        } else if (!has_header) {
            status =
                ucid_fail(error, UCID_DATA_ERROR, "%s: not an OpenStreetMap PBF file (it has no header)", file->name);
        } else if (is_data) { /* other blobs are for others, says the format */
            void *blobs = file->blobs;
            if (!ucid_grow(&file->allocator, &blobs, &file->blob_capacity, file->blob_count + 1, sizeof(blob))) {
                return ucid_fail_memory(error, "the positions of blobs", (file->blob_count + 1) * sizeof(blob));
            }
            file->blobs = blobs;
            file->blobs[file->blob_count++] = found;
        }
    }
    return status;
}

/* A file without content yet; NULL without memory. */
static osm_file *new_file(const char *name, const ucid_allocator *allocator, ucid_error *error)
{
    ucid_allocator memory = ucid_allocator_or_default(allocator);
    size_t name_size = strlen(name) + 1;
    osm_file *made = ucid_allocate_zero(&memory, 1, sizeof *made);
    char *copy = ucid_allocate(&memory, name_size, 1);
    if (made == NULL || copy == NULL) {
        ucid_release(&memory, made, 1, sizeof *made);
        ucid_release(&memory, copy, name_size, 1);
        ucid_fail_memory(error, "an extract", sizeof *made + name_size);
        return NULL;
    }
    memcpy(copy, name, name_size);
    made->allocator = memory;
    made->name = copy;
    made->name_size = name_size;
    made->fd = -1;
    return made;
}

static ucid_status finish_open(osm_file *opened, ucid_status status, osm_file **file, ucid_error *error)
{
    if (status == UCID_OK) status = read_positions(opened, error);
    if (status == UCID_OK) {
        *file = opened;
    } else {
        osm_close(opened);
    }
    return status;
}

ucid_status osm_open(const char *path, const ucid_allocator *allocator, osm_file **file, ucid_error *error)
{
    struct stat st;
    ucid_status status = UCID_OK;
    osm_file *opened = new_file(path, allocator, error);
    if (opened == NULL) return UCID_NO_MEMORY;
    opened->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not make it wait */
    if (opened->fd < 0) {
        status = ucid_fail(error, UCID_FILE_NOT_FOUND, "%s: %s", path, strerror(errno));
    } else if (fstat(opened->fd, &st) != 0) {
        status = ucid_fail(error, UCID_IO_ERROR, "%s: %s", path, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        status = ucid_fail(error, UCID_FILE_NOT_FOUND, "%s: not a regular file", path);
    } else {
        opened->length = (uint64_t)st.st_size;
    }
    return finish_open(opened, status, file, error);
}

ucid_status osm_open_memory(const char *name, const void *bytes, size_t length, const ucid_allocator *allocator,
                            osm_file **file, ucid_error *error)
{
    osm_file *opened = new_file(name, allocator, error);
    if (opened == NULL) return UCID_NO_MEMORY;
    opened->memory = bytes;
    opened->length = length;
    return finish_open(opened, UCID_OK, file, error);
}

void osm_close(osm_file *file)
{
    if (file == NULL) return;
    ucid_allocator memory = file->allocator;
    for (size_t i = 0; i < file->scratch_count; i++) {
        scratch *own = &file->scratches[i];
        ucid_release(&memory, own->packed, own->packed_capacity, 1);
        osm_unpacker_reset(&own->unpacker, &memory);
        osm_block_reset(&own->block, &memory);
    }
    ucid_release(&memory, file->scratches, file->scratch_count, sizeof *file->scratches);
    ucid_release(&memory, file->blobs, file->blob_capacity, sizeof *file->blobs);
    ucid_release(&memory, file->name, file->name_size, 1);
    if (file->fd >= 0) close(file->fd);
    ucid_release(&memory, file, 1, sizeof *file);
}

const osm_header *osm_header_get(const osm_file *file) { return &file->header; }
uint64_t osm_byte_length(const osm_file *file) { return file->length; }
int64_t osm_newest_timestamp(const osm_file *file) { return file->newest; }

/* ------------------------------------------------------------------------------------------------------- passes -- */

typedef struct pass {
    osm_file *file;
    const osm_visitor *visitor;
    ucid_progress_fn progress;
    void *progress_ctx;
    unsigned wanted, timed;
    size_t first;   /* blob of task 0 */
    uint64_t shown; /* progress at the last call */
    pthread_mutex_t lock;
    pthread_cond_t moved;
    int64_t turn; /* task that may deliver */
    int stopped;
    /* written by who has the turn */
    unsigned highest; /* kind of a sorted file that has begun */
    int64_t newest;
    ucid_status status;
    ucid_error error;
} pass;

/* Wait for the turn of a task; 0 where the pass has ended meanwhile. */
static int take_turn(pass *run, int64_t task)
{
    pthread_mutex_lock(&run->lock);
    while (run->turn != task && !run->stopped) pthread_cond_wait(&run->moved, &run->lock);
    int mine = !run->stopped;
    pthread_mutex_unlock(&run->lock);
    return mine;
}

static void end_turn(pass *run, ucid_status status)
{
    pthread_mutex_lock(&run->lock);
    if (status != UCID_OK) {
        run->status = status;
        run->stopped = 1;
    }
    run->turn++;
    pthread_cond_broadcast(&run->moved);
    pthread_mutex_unlock(&run->lock);
}

static int has_stopped(pass *run)
{
    pthread_mutex_lock(&run->lock);
    int stopped = run->stopped;
    pthread_mutex_unlock(&run->lock);
    return stopped;
}

static ucid_status check_order(pass *run, size_t position)
{
    unsigned kinds = run->file->blobs[position].kinds & OSM_ALL;
    if (kinds == 0) return UCID_OK;
    if ((kinds & (0 - kinds)) < run->highest) {
        return fail_blob(run->file, &run->file->blobs[position], UCID_DATA_ERROR,
                         "not sorted by type, though the file's header says so; `osmium sort` mends it", &run->error);
    }
    run->highest = kinds & OSM_RELATIONS ? OSM_RELATIONS : kinds & OSM_WAYS ? OSM_WAYS : OSM_NODES;
    return UCID_OK;
}

/* Deliver what is decoded, decode the next, until the blob is done. */
static ucid_status deliver(pass *run, size_t position, scratch *own)
{
    if (run->file->header.sorted) {
        ucid_status status = check_order(run, position);
        if (status != UCID_OK) return status;
    }
    while (own->block.batch.count > 0) {
        ucid_status status = osm_block_visit(&own->block, run->visitor);
        if (status != UCID_OK) return status;
        status = osm_block_decode(&own->block, &run->file->allocator);
        if (status != UCID_OK) {
            return fail_blob(run->file, &run->file->blobs[position], status, own->block.cause, &run->error);
        }
    }
    int64_t newest = osm_block_newest(&own->block);
    if (newest > run->newest) run->newest = newest;
    return UCID_OK;
}

static ucid_status show_progress(pass *run, size_t position)
{
    const osm_file *file = run->file;
    uint64_t done = file->blobs[position].at + file->blobs[position].length;
    if (run->progress == NULL || (done < file->length && done - run->shown < file->length / 64)) return UCID_OK;
    run->shown = done;
    if (run->progress(run->progress_ctx, "read", done, file->length) == 0) return UCID_OK;
    return ucid_fail(&run->error, UCID_CANCELLED, "%s: reading was cancelled", file->name);
}

static void read_blob(void *ctx, int64_t task, int worker)
{
    pass *run = ctx;
    osm_file *file = run->file;
    size_t position = run->first + (size_t)task;
    const blob *from = &file->blobs[position];
    if (has_stopped(run)) return;
    if ((from->kinds & KINDS_KNOWN) && !(from->kinds & run->wanted)) {
        if (take_turn(run, task)) end_turn(run, UCID_OK);
        return;
    }
    scratch *own = &file->scratches[worker];
    ucid_error error;
    ucid_status status = open_block(file, position, own, run->wanted, run->timed, &error);
    if (status == UCID_OK) {
        status = osm_block_decode(&own->block, &file->allocator);
        if (status != UCID_OK) fail_blob(file, from, status, own->block.cause, &error);
    }
    if (!take_turn(run, task)) return;
    if (status == UCID_OK) {
        status = deliver(run, position, own);
    } else {
        run->error = error;
    }
    if (status == UCID_OK && worker == 0) status = show_progress(run, position); /* worker 0 is the caller's thread */
    end_turn(run, status);
}

static ucid_status learn_kinds(osm_file *file, size_t position, ucid_error *error)
{
    if (file->blobs[position].kinds & KINDS_KNOWN) return UCID_OK;
    return open_block(file, position, &file->scratches[0], 0, 0, error);
}

/* First blob in [from, blob_count) that holds any of kinds, else blob_count; sorted files only. Blobs without objects
 * tell nothing: the next one is asked in their stead. */
static ucid_status bisect(osm_file *file, size_t from, unsigned kinds, size_t *found, ucid_error *error)
{
    size_t end = file->blob_count, first = end;
    while (from < end) {
        size_t middle = from + (end - from) / 2, asked = middle;
        for (; asked < end; asked++) {
            ucid_status status = learn_kinds(file, asked, error);
            if (status != UCID_OK) return status;
            if (file->blobs[asked].kinds & OSM_ALL) break;
        }
        if (asked == end) {
            end = middle;
        } else if (file->blobs[asked].kinds & kinds) {
            first = asked;
            end = middle;
        } else {
            from = asked + 1;
        }
    }
    *found = first;
    return UCID_OK;
}

/* Blobs [*first, *end) that a pass has to look at. */
static ucid_status find_range(osm_file *file, unsigned wanted, size_t *first, size_t *end, ucid_error *error)
{
    *first = 0;
    *end = file->blob_count;
    if (!file->header.sorted || wanted == OSM_ALL) return UCID_OK;
    if (!file->has_borders) {
        size_t way, relation;
        ucid_status status = bisect(file, 0, OSM_WAYS | OSM_RELATIONS, &way, error);
        if (status == UCID_OK) status = bisect(file, way, OSM_RELATIONS, &relation, error);
        if (status != UCID_OK) return status;
        file->first_way = way;
        file->first_relation = relation;
        file->has_borders = 1;
    }
    if (!(wanted & OSM_NODES)) *first = wanted & OSM_WAYS ? file->first_way : file->first_relation;
    if (!(wanted & OSM_RELATIONS)) *end = (wanted & OSM_WAYS ? file->first_relation : file->first_way) + 1;
    if (*end > file->blob_count) *end = file->blob_count;
    return UCID_OK;
}

ucid_status osm_read(osm_file *file, const osm_visitor *visitor, int threads, ucid_progress_fn progress,
                     void *progress_ctx, ucid_error *error)
{
    pass run = {.file = file, .visitor = visitor, .progress = progress, .progress_ctx = progress_ctx};
    run.wanted = (visitor->node != NULL ? (unsigned)OSM_NODES : 0u) | (visitor->way != NULL ? (unsigned)OSM_WAYS : 0u) |
                 (visitor->relation != NULL ? (unsigned)OSM_RELATIONS : 0u);
    run.timed = run.wanted & ~file->timed;
    size_t end;
    ucid_status status = find_range(file, run.wanted, &run.first, &end, error);
    if (status != UCID_OK) return status;
    size_t count = end > run.first ? end - run.first : 0;
    size_t crew = threads < 1 ? 1 : (size_t)threads;
    if (crew > count) crew = count > 0 ? count : 1;
    if (crew > 256) crew = 256;
    status = reserve_scratches(file, crew, error);
    if (status != UCID_OK) return status;
    pthread_mutex_init(&run.lock, NULL);
    pthread_cond_init(&run.moved, NULL);
    ucid_parallel((int)crew, (int64_t)count, read_blob, &run);
    pthread_cond_destroy(&run.moved);
    pthread_mutex_destroy(&run.lock);
    if (run.status != UCID_OK) {
        if (error != NULL && run.error.status == run.status) *error = run.error;
        return run.status;
    }
    if (run.newest > file->newest) file->newest = run.newest;
    file->timed |= run.wanted;
    return UCID_OK;
}
