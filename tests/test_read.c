/* OpenStreetMap extracts: counts as osmium-tool gives them, passes and threads that agree, and files that are not what
 * they should be. */
#include "read/osm.h"

#include "rt/digest.h"
#include "rt/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *data_path(const char *name)
{
    static char path[1024];
    const char *folder = getenv("UCID_DATA");
    snprintf(path, sizeof path, "%s/%s", folder != NULL ? folder : SOURCE_DIR "/../shared/data", name);
    return path;
}

/* The data file, opened; skips the test where it is missing. */
static osm_file *open_data(const char *name)
{
    osm_file *file;
    ucid_error error;
    ucid_status status = osm_open(data_path(name), NULL, &file, &error);
    if (status == UCID_FILE_NOT_FOUND) {
        print_message("skipped: %s\n", error.message);
        skip();
    }
    if (status != UCID_OK) fail_msg("%s", error.message);
    return file;
}

/* Counts and a running digest: equal for equal objects in equal order. */
typedef struct tally {
    uint64_t nodes, ways, relations, tags, refs, members, digest;
    uint64_t stop_after; /* objects; 0: never */
} tally;

static void mix(tally *sum, const void *bytes, size_t length)
{
    sum->digest = (sum->digest ^ ucid_xxh3(bytes, length)) * UINT64_C(0x9E3779B97F4A7C15);
}

static void mix_tags(tally *sum, const osm_tag *tags, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        mix(sum, tags[i].key.text, tags[i].key.length);
        mix(sum, tags[i].value.text, tags[i].value.length);
    }
    sum->tags += count;
}

static ucid_status stop_maybe(const tally *sum)
{
    return sum->stop_after != 0 && sum->nodes + sum->ways + sum->relations >= sum->stop_after ? UCID_CANCELLED
                                                                                              : UCID_OK;
}

static ucid_status take_node(void *ctx, const osm_node *node)
{
    tally *sum = ctx;
    sum->nodes++;
    int64_t fields[3] = {node->id, node->lat_e7, node->lon_e7};
    mix(sum, fields, sizeof fields);
    mix_tags(sum, node->tags, node->tag_count);
    return stop_maybe(sum);
}

static ucid_status take_way(void *ctx, const osm_way *way)
{
    tally *sum = ctx;
    sum->ways++;
    sum->refs += way->ref_count;
    mix(sum, &way->id, sizeof way->id);
    mix(sum, way->refs, way->ref_count * sizeof *way->refs);
    mix_tags(sum, way->tags, way->tag_count);
    return stop_maybe(sum);
}

static ucid_status take_relation(void *ctx, const osm_relation *relation)
{
    tally *sum = ctx;
    sum->relations++;
    mix(sum, &relation->id, sizeof relation->id);
    for (uint32_t i = 0; i < relation->member_count; i++) {
        const osm_member *member = &relation->members[i];
        mix(sum, &member->ref, sizeof member->ref);
        mix(sum, &member->type, 1);
        mix(sum, member->role.text, member->role.length);
    }
    sum->members += relation->member_count;
    mix_tags(sum, relation->tags, relation->tag_count);
    return stop_maybe(sum);
}

static tally read_all(osm_file *file, int threads)
{
    tally sum = {0};
    osm_visitor visitor = {&sum, take_node, take_way, take_relation};
    ucid_error error;
    if (osm_read(file, &visitor, threads, NULL, NULL, &error) != UCID_OK) fail_msg("%s", error.message);
    return sum;
}

/* Files and counts as shared/data/README.md and `osmium fileinfo -e` give them. */
static const struct {
    const char *name;
    uint64_t nodes, ways, relations;
} extracts[] = {
    {"las-palmas/las-palmas.osm.pbf", 383161, 53760, 3005},
    {"liechtenstein/liechtenstein-2013.osm.pbf", 65733, 7121, 113},
    {"monaco/monaco-2012.osm.pbf", 13739, 1944, 77},
    {"porto-alegre/porto-alegre.osm.pbf", 43264, 16032, 23},
    {"sao-paulo/sao-paulo.osm.pbf", 24648, 6223, 0},
    {"heidelberg/heidelberg.osm.pbf", 221009, 31619, 1700},
};

static void counts_equal_osmium_tool(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof extracts / sizeof extracts[0]; i++) {
        osm_file *file = open_data(extracts[i].name);
        tally sum = read_all(file, 1);
        assert_int_equal(sum.nodes, extracts[i].nodes);
        assert_int_equal(sum.ways, extracts[i].ways);
        assert_int_equal(sum.relations, extracts[i].relations);
        osm_close(file);
    }
}

static void threads_and_passes_agree(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof extracts / sizeof extracts[0]; i++) {
        osm_file *file = open_data(extracts[i].name);
        tally one = read_all(file, 1);
        for (int threads = 2; threads <= 7; threads += 5) {
            tally many = read_all(file, threads);
            assert_memory_equal(&one, &many, sizeof one);
        }
        osm_close(file);
        /* nodes, then ways, then relations, in passes of their own: the files are sorted, so the digest is the same */
        file = open_data(extracts[i].name);
        tally sum = {0};
        osm_visitor nodes = {&sum, take_node, NULL, NULL};
        osm_visitor ways = {&sum, NULL, take_way, NULL}, relations = {&sum, NULL, NULL, take_relation};
        ucid_error error;
        assert_int_equal(osm_read(file, &nodes, 1, NULL, NULL, &error), UCID_OK);
        assert_int_equal(osm_read(file, &ways, 2, NULL, NULL, &error), UCID_OK);
        assert_int_equal(osm_read(file, &relations, 1, NULL, NULL, &error), UCID_OK);
        assert_memory_equal(&one, &sum, sizeof one);
        osm_close(file);
    }
}

static void lz4_blobs_are_read_or_refused_by_name(void **state)
{
    (void)state;
    osm_file *file = NULL;
    ucid_error error;
    ucid_status status = osm_open(data_path("monaco/monaco-2021-lz4.osm.pbf"), NULL, &file, &error);
    if (status == UCID_FILE_NOT_FOUND) {
        print_message("skipped: %s\n", error.message);
        skip();
    }
    if (status == UCID_OK) {
        tally packed = read_all(file, 2);
        osm_close(file);
        file = open_data("monaco/monaco-2021.osm.pbf");
        tally plain = read_all(file, 1);
        osm_close(file);
        assert_memory_equal(&packed, &plain, sizeof packed);
        assert_int_equal(packed.nodes, 25423);
    } else {
        assert_int_equal(status, UCID_UNSUPPORTED_FORMAT);
        assert_non_null(strstr(error.message, "compressed with lz4, which this build does not read"));
    }
}

static void headers_are_reported_as_they_are(void **state)
{
    (void)state;
    osm_file *file = open_data("las-palmas/las-palmas.osm.pbf");
    const osm_header *header = osm_header_get(file);
    assert_true(header->has_box && header->sorted);
    assert_int_equal(header->min_lon_e7, -155432594);
    assert_int_equal(header->min_lat_e7, 280097513);
    assert_int_equal(header->max_lon_e7, -153788715);
    assert_int_equal(header->max_lat_e7, 281962132);
    assert_int_equal(header->replication_timestamp, 1676950274);
    assert_string_equal(header->writing_program, "osmconvert 0.8.10");
    assert_int_equal(osm_newest_timestamp(file), 0);
    read_all(file, 2);
    assert_in_range(osm_newest_timestamp(file), 1676851200, 1676950274); /* 2023-02-20, before the file was made */
    osm_close(file);
    file = open_data("heidelberg/heidelberg.osm.pbf"); /* a false box, no metadata */
    header = osm_header_get(file);
    assert_true(header->has_box);
    assert_int_equal(header->max_lon_e7, 1800000000);
    read_all(file, 1);
    assert_int_equal(osm_newest_timestamp(file), 0);
    osm_close(file);
    file = open_data("monaco/monaco-2012.osm.pbf");
    assert_false(osm_header_get(file)->has_box);
    osm_close(file);
}

static void a_callback_ends_the_pass(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 3; threads++) {
        osm_file *file = open_data("liechtenstein/liechtenstein-2013.osm.pbf");
        tally sum = {.stop_after = 20000};
        osm_visitor visitor = {&sum, take_node, take_way, take_relation};
        assert_int_equal(osm_read(file, &visitor, threads, NULL, NULL, NULL), UCID_CANCELLED);
        assert_int_equal(sum.nodes, 20000);
        osm_close(file);
    }
}

static int cancel_later(void *ctx, const char *stage, uint64_t done, uint64_t total)
{
    assert_string_equal(stage, "read");
    assert_true(done <= total);
    return ++*(int *)ctx == 2;
}

static void progress_may_cancel(void **state)
{
    (void)state;
    osm_file *file = open_data("liechtenstein/liechtenstein-2013.osm.pbf");
    tally sum = {0};
    osm_visitor visitor = {&sum, take_node, take_way, take_relation};
    int calls = 0;
    ucid_error error;
    assert_int_equal(osm_read(file, &visitor, 1, cancel_later, &calls, &error), UCID_CANCELLED);
    assert_int_equal(calls, 2);
    assert_non_null(strstr(error.message, "cancelled"));
    osm_close(file);
}

static void other_formats_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t length;
        const char *message;
    } files[] = {
        {"", 0, "x.osm.pbf: the file is empty"},
        {"\x1F\x8B\x08\0\0\0\0\0", 8, "x.osm.pbf: is gzip, not an OpenStreetMap PBF file"},
        {"BZh91AY&SY", 10, "x.osm.pbf: is bzip2, not an OpenStreetMap PBF file"},
        {"<?xml version='1.0'?><osm/>", 27, "x.osm.pbf: is XML, not an OpenStreetMap PBF file"},
        {"\0\0\0\x0D\x0A", 5, "x.osm.pbf: truncated: the blob at byte 0 needs 17 bytes, 5 are left"},
        {"\0\0\0\x0D\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 17,
         "x.osm.pbf: not an OpenStreetMap PBF file (no blob header at byte 0)"},
        {"random bytes are no map", 23,
         "x.osm.pbf: not an OpenStreetMap PBF file (a blob header of 1918987876 bytes at byte 0, the limit is 65536)"},
        {"\0\0\0\x10\x0A\x09OSMHeader\x18\x81\x80\x80\x10", 20,
         "x.osm.pbf: the blob at byte 0 has 33554433 bytes, the format's limit is 33554432"},
        {"\0\0\0\x0D\x0A\x09OSMHeader\x18\x08\x10\x81\x80\x80\x10\x1A\x01\0", 25,
         "x.osm.pbf: blob at byte 17: unpacks to 33554433 bytes, the format's limit is 33554432"},
        {"\0\0\0\x0B\x0A\x07OSMData\x18\0", 15, "x.osm.pbf: not an OpenStreetMap PBF file (it has no header)"},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        osm_file *file = NULL;
        ucid_error error;
        ucid_status status = osm_open_memory("x.osm.pbf", files[i].bytes, files[i].length, NULL, &file, &error);
        assert_int_equal(status, UCID_DATA_ERROR);
        assert_null(file);
        assert_string_equal(error.message, files[i].message);
    }
    osm_file *file = NULL;
    ucid_error error;
    assert_int_equal(osm_open("/nonexistent.osm.pbf", NULL, &file, &error), UCID_FILE_NOT_FOUND);
    assert_string_equal(error.message, "/nonexistent.osm.pbf: No such file or directory");
    assert_int_equal(osm_open("/tmp", NULL, &file, &error), UCID_FILE_NOT_FOUND);
    assert_string_equal(error.message, "/tmp: not a regular file");
}

/* The bytes of a file; free them. */
static uint8_t *slurp(const char *name, size_t *length)
{
    FILE *from = fopen(data_path(name), "rb");
    if (from == NULL) {
        print_message("skipped: no %s\n", data_path(name));
        skip();
    }
    uint8_t *bytes = malloc(4 << 20);
    assert_non_null(bytes);
    *length = fread(bytes, 1, 4 << 20, from);
    fclose(from);
    return bytes;
}

/* Cut anywhere, a file is either an error or holds fewer blobs; it is never read as if it were whole. */
static void truncated_files_are_refused(void **state)
{
    (void)state;
    size_t length;
    uint8_t *bytes = slurp("monaco/monaco-2012.osm.pbf", &length);
    osm_file *file;
    ucid_error error;
    assert_int_equal(osm_open_memory("whole", bytes, length, NULL, &file, &error), UCID_OK);
    tally whole = read_all(file, 1);
    osm_close(file);
    size_t errors = 0;
    for (size_t cut = 1; cut < length; cut += 97) {
        ucid_status status = osm_open_memory("cut", bytes, length - cut, NULL, &file, &error);
        if (status != UCID_OK) {
            assert_int_equal(status, UCID_DATA_ERROR);
            assert_non_null(strstr(error.message, "cut: truncated: "));
            errors++;
            continue;
        }
        assert_true(read_all(file, 1).nodes < whole.nodes);
        osm_close(file);
    }
    assert_true(errors > length / 97 - 10);
    free(bytes);
}

static int allocations_left;
static int allocations_live;
static void *scarce(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    (void)ctx;
    (void)old_size;
    if (new_size == 0) {
        allocations_live -= ptr != NULL;
        free(ptr);
        return NULL;
    }
    if (allocations_left-- <= 0) return NULL;
    allocations_live += ptr == NULL;
    return realloc(ptr, new_size);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    size_t length;
    uint8_t *bytes = slurp("monaco/monaco-2012.osm.pbf", &length);
    ucid_allocator allocator = {scarce, NULL};
    ucid_status status = UCID_NO_MEMORY;
    int n = 0;
    for (; status != UCID_OK; n++) {
        assert_true(n < 1000);
        allocations_left = n;
        allocations_live = 0;
        osm_file *file = NULL;
        ucid_error error;
        tally sum = {0};
        osm_visitor visitor = {&sum, take_node, take_way, take_relation};
        status = osm_open_memory("scarce", bytes, length, &allocator, &file, &error);
        if (status == UCID_OK) status = osm_read(file, &visitor, 1, NULL, NULL, &error);
        osm_close(file);
        assert_int_equal(allocations_live, 0);
        if (status != UCID_OK) {
            assert_int_equal(status, UCID_NO_MEMORY);
            assert_non_null(strstr(error.message, "no memory"));
        }
    }
    assert_true(n > 10);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_equal_osmium_tool),
        cmocka_unit_test(threads_and_passes_agree),
        cmocka_unit_test(lz4_blobs_are_read_or_refused_by_name),
        cmocka_unit_test(headers_are_reported_as_they_are),
        cmocka_unit_test(a_callback_ends_the_pass),
        cmocka_unit_test(progress_may_cancel),
        cmocka_unit_test(other_formats_are_named),
        cmocka_unit_test(truncated_files_are_refused),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
