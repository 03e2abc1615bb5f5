/* Extracts that our writer makes, with everything that the wild ones have not: read back, they are what was written.
 * `test_pbf FOLDER` writes them there instead: the seeds of fuzz/corpus/osm. */
#include "pbf_write.h"

#include "read/osm.h"
#include "rt/error.h"
#include "rt/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct made {
    uint8_t *bytes;
    size_t length, capacity;
} made;

static const char *const cafe_tags[] = {"amenity", "cafe", "name", "\xC3\x89toile", NULL};
static const char *const street_tags[] = {"highway", "residential", "name", "", NULL};
static const char *const park_tags[] = {"type", "multipolygon", "leisure", "park", NULL};
static const int64_t street_refs[] = {INT64_C(1), INT64_C(8589934593), INT64_C(-7), INT64_C(8589934593)};
static const pbf_member park_members[] = {{INT64_C(8589934600), 'w', "outer"}, {-3, 'n', ""}, {12, 'r', "inner"}};

enum { NODES = 5 };
static const int64_t node_ids[NODES] = {-7, 1, INT64_C(8589934593), INT64_C(8589934594), INT64_C(1) << 60};
static const int32_t node_lats[NODES] = {-900000000, 0, 450000000, 450000100, 900000000};
static const int32_t node_lons[NODES] = {-1800000000, 0, -300000000, -300000200, 1800000000};

/* Five nodes, two ways, one relation. Nothing where this build does not write the compression. */
static made make(const pbf_options *options)
{
    pbf_writer *writer;
    made file = {0};
    ucid_error error;
    ucid_status status = pbf_open(NULL, options, &writer, &error);
    if (status != UCID_OK) fail_msg("%s", error.message);
    for (int i = 0; i < NODES; i++) {
        pbf_time(writer, 1700000000 - i);
        pbf_node(writer, node_ids[i], node_lats[i], node_lons[i], i == 2 ? cafe_tags : NULL);
    }
    pbf_way(writer, INT64_C(8589934600), street_refs, 4, street_tags);
    pbf_way(writer, INT64_C(8589934601), NULL, 0, NULL);
    pbf_relation(writer, 9, park_members, 3, park_tags);
    status = pbf_close_memory(writer, &file.bytes, &file.length, &file.capacity, &error);
    if (status != UCID_OK && status != UCID_UNSUPPORTED_FORMAT) fail_msg("%s", error.message);
    return file;
}

static void drop(made file) { ucid_release(&ucid_default_allocator, file.bytes, file.capacity, 1); }

static void assert_text(osm_string string, const char *text)
{
    assert_int_equal(string.length, strlen(text));
    if (string.length > 0) assert_memory_equal(string.text, text, string.length);
}

static void assert_tags(const osm_tag *tags, uint32_t count, const char *const *expected)
{
    for (uint32_t i = 0; i < count; i++) {
        assert_text(tags[i].key, expected[2 * i]);
        assert_text(tags[i].value, expected[2 * i + 1]);
    }
    assert_null(expected[2 * count]);
}

static const char *const no_tags[] = {NULL};
typedef struct seen {
    int nodes, ways, relations;
} seen;

static ucid_status see_node(void *ctx, const osm_node *node)
{
    int i = ((seen *)ctx)->nodes++;
    assert_true(i < NODES);
    assert_int_equal(node->id, node_ids[i]);
    assert_int_equal(node->lat_e7, node_lats[i]);
    assert_int_equal(node->lon_e7, node_lons[i]);
    assert_tags(node->tags, node->tag_count, i == 2 ? cafe_tags : no_tags);
    return UCID_OK;
}

static ucid_status see_way(void *ctx, const osm_way *way)
{
    int i = ((seen *)ctx)->ways++;
    assert_int_equal(way->id, INT64_C(8589934600) + i);
    assert_int_equal(way->ref_count, i == 0 ? 4 : 0);
    if (i == 0) assert_memory_equal(way->refs, street_refs, sizeof street_refs);
    assert_tags(way->tags, way->tag_count, i == 0 ? street_tags : no_tags);
    return UCID_OK;
}

static ucid_status see_relation(void *ctx, const osm_relation *relation)
{
    ((seen *)ctx)->relations++;
    assert_int_equal(relation->id, 9);
    assert_int_equal(relation->member_count, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(relation->members[i].ref, park_members[i].ref);
        assert_int_equal(relation->members[i].type, park_members[i].type);
        assert_text(relation->members[i].role, park_members[i].role);
    }
    assert_tags(relation->tags, relation->tag_count, park_tags);
    return UCID_OK;
}

static const pbf_options variants[] = {
    {.program = "test"},
    {.compression = PBF_RAW, .has_box = 1, .min_lat_e7 = -5, .max_lat_e7 = 6, .min_lon_e7 = -7, .max_lon_e7 = 8},
    {.compression = PBF_RAW, .is_plain = 1},
    {.compression = PBF_RAW, .is_unsorted = 1, .block_objects = 2},
    {.compression = PBF_RAW, .block_objects = 1},
    {.compression = PBF_RAW, .granularity = 10000, .lat_offset_nano = INT64_C(1000000000), .lon_offset_nano = -500000},
    {.compression = PBF_RAW, .granularity = 1, .is_plain = 1, .lat_offset_nano = 77},
    {.compression = PBF_LZ4},
    {.compression = PBF_ZSTD, .block_objects = 3},
};
enum { VARIANTS = sizeof variants / sizeof variants[0] };

static void what_is_written_is_read(void **state)
{
    (void)state;
    for (int i = 0; i < VARIANTS; i++) {
        made file = make(&variants[i]);
        if (file.bytes == NULL) {
            print_message("skipped: variant %d, not built in\n", i);
            continue;
        }
        for (int threads = 1; threads <= 3; threads++) {
            osm_file *opened;
            ucid_error error;
            ucid_status status = osm_open_memory("made", file.bytes, file.length, NULL, &opened, &error);
            if (status != UCID_OK) fail_msg("variant %d: %s", i, error.message);
            const osm_header *header = osm_header_get(opened);
            assert_int_equal(header->has_box, variants[i].has_box);
            assert_int_equal(header->sorted, !variants[i].is_unsorted);
            assert_int_equal(header->min_lat_e7, variants[i].min_lat_e7);
            assert_int_equal(header->max_lon_e7, variants[i].max_lon_e7);
            seen found = {0};
            osm_visitor relations = {&found, NULL, NULL, see_relation}, ways = {&found, NULL, see_way, NULL};
            osm_visitor nodes = {&found, see_node, NULL, NULL}, all = {&found, see_node, see_way, see_relation};
            const osm_visitor *passes[] = {&relations, &ways, &nodes, &all};
            for (int p = 0; p < 4; p++) {
                if (p == 3) found = (seen){0};
                status = osm_read(opened, passes[p], threads, NULL, NULL, &error);
                if (status != UCID_OK) fail_msg("variant %d: %s", i, error.message);
            }
            assert_int_equal(found.nodes, NODES);
            assert_int_equal(found.ways, 2);
            assert_int_equal(found.relations, 1);
            assert_int_equal(osm_newest_timestamp(opened), 1700000000);
            osm_close(opened);
        }
        drop(file);
    }
}

/* Open and read all; the status, and its message in *error. */
static ucid_status read_status(const uint8_t *bytes, size_t length, ucid_error *error)
{
    osm_file *file;
    seen found = {0};
    osm_visitor all = {&found, see_node, see_way, see_relation};
    ucid_status status = osm_open_memory("made", bytes, length, NULL, &file, error);
    if (status != UCID_OK) return status;
    status = osm_read(file, &all, 2, NULL, NULL, error);
    osm_close(file);
    return status;
}

static void unknown_features_are_named(void **state)
{
    (void)state;
    ucid_error error;
    made file = make(&(pbf_options){.feature = "HistoricalInformation"});
    assert_int_equal(read_status(file.bytes, file.length, &error), UCID_UNSUPPORTED_FORMAT);
    assert_string_equal(error.message, "made: needs the feature HistoricalInformation, which is not supported");
    drop(file);
}

static size_t find(made file, const char *text)
{
    for (size_t i = 0; i + strlen(text) <= file.length; i++) {
        if (memcmp(file.bytes + i, text, strlen(text)) == 0) return i;
    }
    fail_msg("no %s", text);
    return 0;
}

static void damage_is_found(void **state)
{
    (void)state;
    ucid_error error;
    made file = make(&(pbf_options){.compression = PBF_ZLIB});
    file.bytes[file.length - 6] ^= 1; /* checksum or data of the last blob */
    assert_int_equal(read_status(file.bytes, file.length, &error), UCID_DATA_ERROR);
    assert_non_null(strstr(error.message, "damaged (its zlib data do not unpack to the "));
    drop(file);
    file = make(&(pbf_options){.compression = PBF_RAW});
    file.bytes[find(file, "OSMData") + 9] = 0xFF; /* the size of a blob */
    file.bytes[find(file, "OSMData") + 8] = 0xFF;
    assert_int_equal(read_status(file.bytes, file.length, &error), UCID_DATA_ERROR);
    drop(file);
    file = make(&(pbf_options){.compression = PBF_RAW});
    file.bytes[find(file, "OSMData") - 3] = 2; /* the length of a blob header: 512 and more */
    assert_int_equal(read_status(file.bytes, file.length, &error), UCID_DATA_ERROR);
    drop(file);
}

static void places_outside_the_earth_are_refused(void **state)
{
    (void)state;
    static const int32_t places[][2] = {{900000001, 0}, {-900000001, 0}, {0, 1800000001}, {0, -1800000001}};
    for (int i = 0; i < 8; i++) {
        pbf_writer *writer;
        made file;
        ucid_error error;
        pbf_options options = {.is_plain = i >= 4, .lat_offset_nano = i == 7 ? 100 : 0};
        assert_int_equal(pbf_open(NULL, &options, &writer, &error), UCID_OK);
        pbf_node(writer, 42, places[i % 4][0], places[i % 4][1], NULL);
        assert_int_equal(pbf_close_memory(writer, &file.bytes, &file.length, &file.capacity, &error), UCID_OK);
        assert_int_equal(read_status(file.bytes, file.length, &error), UCID_DATA_ERROR);
        assert_non_null(strstr(error.message, ": node 42 has coordinates that are out of range"));
        drop(file);
    }
}

/* A raw blob made to look like another: its first byte is the number of its field. */
static void compressions_that_are_not_read_are_named(void **state)
{
    (void)state;
    static const struct {
        uint8_t field;
        const char *name;
    } others[] = {{4, "lzma"}, {5, "bzip2"}};
    for (size_t i = 0; i < 2; i++) {
        ucid_error error;
        char message[200];
        made file = make(&(pbf_options){.compression = PBF_RAW});
        size_t at = find(file, "OSMHeader") + 9 + 2; /* behind the size of one byte */
        assert_int_equal(file.bytes[at], 1 << 3 | 2);
        file.bytes[at] = (uint8_t)(others[i].field << 3 | 2);
        assert_int_equal(read_status(file.bytes, file.length, &error), UCID_UNSUPPORTED_FORMAT);
        snprintf(message, sizeof message, "made: blob at byte %zu: compressed with %s, which this build does not read",
                 at, others[i].name);
        assert_string_equal(error.message, message);
        drop(file);
    }
}

/* A header that promises an order which the file does not keep. */
static void false_order_is_noticed(void **state)
{
    (void)state;
    ucid_error error;
    pbf_writer *writer;
    made file;
    assert_int_equal(pbf_open(NULL, &(pbf_options){0}, &writer, &error), UCID_OK);
    pbf_way(writer, INT64_C(8589934600), street_refs, 4, street_tags);
    pbf_node(writer, 1, 0, 0, NULL);
    assert_int_equal(pbf_close_memory(writer, &file.bytes, &file.length, &file.capacity, &error), UCID_OK);
    assert_int_equal(read_status(file.bytes, file.length, &error), UCID_DATA_ERROR);
    assert_non_null(strstr(error.message, "not sorted by type, though the file's header says so"));
    drop(file);
}

static ucid_status count_object(void *ctx, const osm_node *node)
{
    *(uint64_t *)ctx += (uint64_t)node->id;
    return UCID_OK;
}

/* A blob of many batches, as osmconvert writes a whole city. */
static void huge_blobs_are_read_in_batches(void **state)
{
    (void)state;
    enum { COUNT = 300000 };
    ucid_error error;
    pbf_writer *writer;
    made file;
    osm_file *opened;
    assert_int_equal(pbf_open(NULL, &(pbf_options){.block_objects = COUNT}, &writer, &error), UCID_OK);
    for (int i = 1; i <= COUNT; i++) pbf_node(writer, i, i, -i, i % 100 == 0 ? cafe_tags : NULL);
    assert_int_equal(pbf_close_memory(writer, &file.bytes, &file.length, &file.capacity, &error), UCID_OK);
    assert_int_equal(osm_open_memory("made", file.bytes, file.length, NULL, &opened, &error), UCID_OK);
    uint64_t sum = 0;
    osm_visitor visitor = {&sum, count_object, NULL, NULL};
    assert_int_equal(osm_read(opened, &visitor, 2, NULL, NULL, &error), UCID_OK);
    assert_int_equal(sum, (uint64_t)COUNT * (COUNT + 1) / 2);
    osm_close(opened);
    drop(file);
}

/* The variants as files, and their blocks alone, behind a byte that is not 0. */
static int write_corpus(const char *folder)
{
    char path[1024];
    for (int i = 0; i < VARIANTS; i++) {
        made file = make(&variants[i]);
        if (file.bytes == NULL) return 1;
        snprintf(path, sizeof path, "%s/file-%d", folder, i);
        FILE *to = fopen(path, "wb");
        if (to == NULL || fwrite(file.bytes, 1, file.length, to) != file.length || fclose(to) != 0) return 1;
        for (size_t at = 0, part = 0; variants[i].compression == PBF_RAW && at < file.length; part++) {
            size_t header = file.bytes[at + 3], size_at = at + 4 + header - 1, size = file.bytes[size_at];
            if (file.bytes[size_at - 1] & 0x80) size = size << 7 | (file.bytes[size_at - 1] & 0x7Fu);
            size_t blob = at + 4 + header, skip_field = size > 129 ? 3 : 2;
            snprintf(path, sizeof path, "%s/block-%d-%zu", folder, i, part);
            to = fopen(path, "wb");
            if (to == NULL || fputc('b', to) == EOF) return 1;
            if (fwrite(file.bytes + blob + skip_field, 1, size - skip_field, to) == 0 || fclose(to) != 0) return 1;
            at = blob + size;
        }
        drop(file);
    }
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(unknown_features_are_named),
        cmocka_unit_test(damage_is_found),
        cmocka_unit_test(places_outside_the_earth_are_refused),
        cmocka_unit_test(compressions_that_are_not_read_are_named),
        cmocka_unit_test(false_order_is_noticed),
        cmocka_unit_test(huge_blobs_are_read_in_batches),
    };
    if (argc == 2) return write_corpus(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
