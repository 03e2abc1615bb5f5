/* test_memory.c: every allocation of the library fails in turn. The first run of a call lets the first allocation
 * fail, the second the second, ... until a run needs no more. Each run must end with NO_MEMORY, give back all that it
 * took, in the sizes that it took, and leave outputs and files as they were. */
#include "ucid.h"

#include "kernel/groups.h"
#include "lattice.h"
#include "pbf_write.h"
#include "read/osm.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ----------------------------------------------------------------------------------------- an allocator that fails --
 */

typedef struct meter {
    atomic_llong left;    /* allocations until the one that fails; below 0: none fails any more */
    atomic_llong refused; /* allocations that failed */
    atomic_llong blocks;  /* allocated and not freed */
    atomic_llong wrong;   /* frees and resizes that named another size than the block has */
} meter;

enum { PREFIX = 16 }; /* holds the size, keeps the alignment of malloc */

static void *metered(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    meter *m = ctx;
    uint8_t *block = ptr == NULL ? NULL : (uint8_t *)ptr - PREFIX;
    size_t had = 0;
    if (block != NULL) memcpy(&had, block, sizeof had);
    if (had != old_size) atomic_fetch_add(&m->wrong, 1);
    if (new_size == 0) {
        if (block != NULL) atomic_fetch_sub(&m->blocks, 1);
        free(block);
        return NULL;
    }
    if (atomic_fetch_sub(&m->left, 1) == 1) {
        atomic_fetch_add(&m->refused, 1);
        return NULL;
    }
    uint8_t *now = malloc(new_size + PREFIX);
    assert_non_null(now);
    memcpy(now, &new_size, sizeof new_size);
    if (block != NULL) {
        memcpy(now + PREFIX, block + PREFIX, had < new_size ? had : new_size);
        free(block);
    } else {
        atomic_fetch_add(&m->blocks, 1);
    }
    return now + PREFIX;
}

/* A call that opens, uses and closes; returns the first status that is not OK. */
typedef ucid_status (*call_fn)(const ucid_allocator *allocator, ucid_error *error);
/* What must hold after a run that failed; may be NULL. */
typedef void (*after_fn)(void);

static void fail_in_turn(const char *name, call_fn call, after_fn after)
{
    long long n = 1;
    for (;; n++) {
        meter m;
        atomic_init(&m.left, n);
        atomic_init(&m.refused, 0);
        atomic_init(&m.blocks, 0);
        atomic_init(&m.wrong, 0);
        ucid_allocator allocator = {metered, &m};
        ucid_error error = {.status = UCID_OK};
        ucid_status status = call(&allocator, &error);
        if (atomic_load(&m.blocks) != 0) {
            fail_msg("%s: %lld blocks are lost when allocation %lld fails", name, atomic_load(&m.blocks), n);
        }
        if (atomic_load(&m.wrong) != 0)
            fail_msg("%s: allocation %lld: a block is freed as if of another size", name, n);
        if (atomic_load(&m.refused) == 0) {
            if (status != UCID_OK) fail_msg("%s: %s", name, error.message);
            break;
        }
        if (status != UCID_NO_MEMORY) {
            fail_msg("%s: allocation %lld fails, but the status is %s", name, n, ucid_status_code(status));
        }
        assert_int_equal(error.status, UCID_NO_MEMORY);
        assert_true(error.message[0] != '\0');
        if (after != NULL) after();
    }
    assert_true(n > 1); /* the call does allocate */
    print_message("%s: %lld allocations\n", name, n - 1);
}

/* ---------------------------------------------------------------------------------------------------- small inputs --
 */

static char folder[64];
static char extract_path[96], boundary_path[96], index_path[96], cities_path[96];
static const char old_text[] = "what was there before";

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

enum { SIDE = 8, STEP_E7 = 10000 }; /* streets every 111 m */

/* A town of SIDE x SIDE junctions with a shop, a park, a lake with an island and an islet of streets. */
static void write_extract(void)
{
    pbf_writer *writer;
    ucid_error error;
    pbf_options options = {.program = "test_memory", .block_objects = 50, .replication_timestamp = 1700000000};
    assert_int_equal(pbf_open(extract_path, &options, &writer, &error), UCID_OK);
    pbf_time(writer, 1700000000);
    static const char *const shop[] = {"shop", "supermarket", "name", "Corner", NULL};
    static const char *const stop[] = {"highway", "bus_stop", NULL};
    for (int64_t i = 0; i < SIDE * SIDE; i++) {
        pbf_node(writer, i + 1, (int32_t)(i / SIDE) * STEP_E7, (int32_t)(i % SIDE) * STEP_E7,
                 i % 11 == 5 ? stop : NULL);
    }
    pbf_node(writer, 1000, STEP_E7 / 2, STEP_E7 / 3, shop);
    for (int k = 0; k < 4; k++) {
        static const int32_t corner[4][2] = {{0, 0}, {0, 1}, {1, 1}, {1, 0}};
        pbf_node(writer, 1001 + k, 3 * STEP_E7 + 2000 + corner[k][0] * 5000, 3 * STEP_E7 + 2000 + corner[k][1] * 5000,
                 NULL);
        pbf_node(writer, 1011 + k, 5 * STEP_E7 + 1000 + corner[k][0] * 8000, 3 * STEP_E7 + 1000 + corner[k][1] * 8000,
                 NULL);
        pbf_node(writer, 1021 + k, 5 * STEP_E7 + 4000 + corner[k][0] * 2000, 3 * STEP_E7 + 4000 + corner[k][1] * 2000,
                 NULL);
    }
    static const char *const street[] = {"highway", "residential", NULL};
    static const char *const park[] = {"leisure", "park", "name", "Green", NULL};
    for (int64_t line = 0; line < 2 * SIDE; line++) {
        int64_t refs[SIDE];
        for (int64_t i = 0; i < SIDE; i++) refs[i] = 1 + (line < SIDE ? line * SIDE + i : i * SIDE + line - SIDE);
        pbf_way(writer, 1 + line, refs, SIDE, street);
    }
    pbf_way(writer, 101, (const int64_t[]){1001, 1002, 1003, 1004, 1001}, 5, park);
    pbf_way(writer, 102, (const int64_t[]){1011, 1012, 1013, 1014, 1011}, 5, NULL);
    pbf_way(writer, 103, (const int64_t[]){1021, 1022, 1023, 1024, 1021}, 5, NULL);
    static const char *const garden[] = {"type", "multipolygon", "leisure", "garden", NULL};
    pbf_relation(writer, 1, (const pbf_member[]){{102, 'w', "outer"}, {103, 'w', "inner"}}, 2, garden);
    assert_int_equal(pbf_close(writer, &error), UCID_OK);
}

static int make_inputs(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/ucid-memory-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(extract_path, sizeof extract_path, "%s/town.osm.pbf", folder);
    snprintf(boundary_path, sizeof boundary_path, "%s/town.geojson", folder);
    snprintf(cities_path, sizeof cities_path, "%s/cities.csv", folder);
    snprintf(index_path, sizeof index_path, "%s/town.ucidx", folder);
    write_extract();
    write_text(boundary_path,
               "{\"type\":\"Polygon\",\"coordinates\":[[[0,0],[0.006,0],[0.006,0.006],[0,0.006],[0,0]]]}");
    write_text(cities_path, "code,name,country,region,lat,lon,bbox,population,tz\n"
                            "MMT,Memory Town,XX,Here,0.001,0.001,,1000,UTC\n");
    write_text(index_path, old_text);
    return 0;
}

static int remove_inputs(void **state)
{
    (void)state;
    unlink(extract_path);
    unlink(boundary_path);
    unlink(cities_path);
    unlink(index_path);
    return rmdir(folder); /* fails where a file was left behind */
}

/* ---------------------------------------------------------------------------------------------------------- calls --
 */

static ucid_status count_way(void *ctx, const osm_way *way)
{
    *(uint64_t *)ctx += way->ref_count;
    return UCID_OK;
}

static ucid_status read_extract(const ucid_allocator *allocator, ucid_error *error)
{
    osm_file *file;
    ucid_status status = osm_open(extract_path, allocator, &file, error);
    if (status != UCID_OK) return status;
    uint64_t refs = 0;
    osm_visitor visitor = {.ctx = &refs, .way = count_way};
    status = osm_read(file, &visitor, 1, NULL, NULL, error);
    osm_close(file);
    if (status == UCID_OK) assert_int_equal(refs, 2 * SIDE * SIDE + 15);
    return status;
}

static ucid_status open_zone(const ucid_allocator *allocator, ucid_error *error)
{
    ucid_zone *zone;
    ucid_status status = ucid_zone_open("Europe/Istanbul", NULL, allocator, &zone, error);
    if (status != UCID_OK) return status;
    assert_int_equal(ucid_zone_offset(zone, 1700000000), 3 * 3600);
    ucid_zone_close(zone);
    return UCID_OK;
}

static ucid_status open_cities(const ucid_allocator *allocator, ucid_error *error)
{
    ucid_registry *registry;
    ucid_status status = ucid_registry_open(cities_path, allocator, &registry, error);
    if (status != UCID_OK) return status;
    assert_int_equal(ucid_registry_count(registry), ucid_registry_count(NULL) + 1);
    ucid_registry_close(registry);
    return UCID_OK;
}

static ucid_status build(const ucid_allocator *allocator, ucid_error *error, int threads, const char *boundary)
{
    ucid_build_options options = UCID_BUILD_OPTIONS_INIT;
    options.allocator = allocator;
    options.threads = threads;
    options.boundary_path = boundary;
    return ucid_index_build(extract_path, index_path, &options, error);
}

static ucid_status build_on_one(const ucid_allocator *allocator, ucid_error *error)
{
    return build(allocator, error, 1, boundary_path);
}

static ucid_status build_on_two(const ucid_allocator *allocator, ucid_error *error)
{
    return build(allocator, error, 2, NULL);
}

/* A crossing with a shop that has a name, and lengths, on two threads. */
static ucid_status build_network(const ucid_allocator *allocator, ucid_error *error)
{
    static const double lat[] = {28.0, 28.001, 28.0, 27.999, 28.0}, lon[] = {-15.0, -15.0, -14.999, -15.0, -15.001};
    static const int64_t from[] = {0, 0, 0, 0}, to[] = {1, 2, 3, 4};
    static const double metres[] = {120.0, 130.0, 140.0, 150.0};
    ucid_network network = UCID_NETWORK_INIT;
    network.node_count = 5;
    network.node_lat_deg = lat;
    network.node_lon_deg = lon;
    network.edge_count = 4;
    network.edge_from = from;
    network.edge_to = to;
    network.edge_m = metres;
    network.place_count = 1;
    network.place_lat_deg = lat;
    network.place_lon_deg = lon;
    network.place_tag = (ucid_texts){.data = "shop=bakery", .length = 11};
    network.place_name = (ucid_texts){.data = "Crust", .length = 5};
    ucid_build_options options = UCID_BUILD_OPTIONS_INIT;
    options.allocator = allocator;
    options.threads = 2;
    return ucid_index_build_network(&network, index_path, &options, error);
}

/* The file is the old one, and nothing lies beside it. */
static void old_file_is_there(void)
{
    char text[sizeof old_text + 1] = "";
    FILE *file = fopen(index_path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(text, 1, sizeof text, file), sizeof old_text - 1);
    fclose(file);
    assert_string_equal(text, old_text);
    DIR *listing = opendir(folder);
    assert_non_null(listing);
    int files = 0;
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;) files += entry->d_name[0] != '.';
    closedir(listing);
    assert_int_equal(files, 4);
}

static ucid_status open_index(const ucid_allocator *allocator, ucid_error *error)
{
    ucid_index *index;
    ucid_status status = ucid_index_open(index_path, allocator, &index, error);
    if (status != UCID_OK) return status;
    status = ucid_index_check(index, error);
    ucid_index_close(index);
    return status;
}

static ucid_status walk_grid(const ucid_allocator *allocator, ucid_error *error)
{
    static const double lat[] = {28.0, 28.0, 28.1, 28.1}, lon[] = {-15.1, -15.0, -15.0, -15.1};
    uint64_t cells[64];
    ucid_grid *box, *ring;
    ucid_status status = ucid_grid_open_box(28.0, -15.1, 28.1, -15.0, 9, allocator, &box, error);
    if (status != UCID_OK) return status;
    status = ucid_grid_open_polygon(1, (const int64_t[]){4}, lat, lon, 9, allocator, &ring, error);
    if (status == UCID_OK) {
        int64_t in_box = 0, in_ring = 0;
        for (int64_t n; (n = ucid_grid_next(box, 64, cells, NULL, NULL)) > 0;) in_box += n;
        for (int64_t n; (n = ucid_grid_next(ring, 64, cells, NULL, NULL)) > 0;) in_ring += n;
        assert_true(in_box > 500 && in_box == in_ring);
        ucid_grid_close(ring);
    }
    ucid_grid_close(box);
    return status;
}

static ucid_index *lattice;

static ucid_status score_places(const ucid_allocator *allocator, ucid_error *error, int threads)
{
    enum { N = 5000 };
    static double lat[N], lon[N], score[N];
    static uint8_t row[N];
    for (int i = 0; i < N; i++) {
        lat[i] = 28.0 + i * 1e-6;
        lon[i] = -15.0 + i * 1e-6;
        score[i] = -1.0;
    }
    ucid_score_options options = UCID_SCORE_OPTIONS_INIT;
    options.allocator = allocator;
    options.threads = threads;
    ucid_status status =
        ucid_score(lattice, N, lat, lon, NULL, &options, &(ucid_scores){.score = score, .status = row}, error);
    for (int i = 0; i < N; i++) assert_true(status == UCID_OK ? !(score[i] < 0.0) : score[i] == -1.0);
    return status;
}

static ucid_status score_on_one(const ucid_allocator *allocator, ucid_error *error)
{
    return score_places(allocator, error, 1);
}

static ucid_status score_on_three(const ucid_allocator *allocator, ucid_error *error)
{
    return score_places(allocator, error, 3);
}

static ucid_status explain_place(const ucid_allocator *allocator, ucid_error *error)
{
    ucid_explanation *explanation;
    ucid_score_options options = UCID_SCORE_OPTIONS_INIT;
    options.allocator = allocator;
    ucid_status status = ucid_explain(lattice, 28.003, -14.997, &options, &explanation, error);
    if (status != UCID_OK) return status;
    const ucid_reason *reasons;
    assert_true(ucid_explanation_reasons_get(explanation, &reasons) > 0);
    ucid_explanation_free(explanation);
    return UCID_OK;
}

static ucid_status add_groups(const ucid_allocator *allocator, int resolution, int salt, ucid_aggregate **aggregate,
                              ucid_error *error)
{
    enum { N = 3000 };
    static uint64_t cells[N];
    static double scores[N];
    for (int i = 0; i < N; i++) {
        cells[i] = ucid_cell_at(28.0 + (i + salt) * 0.002, -15.0, 9);
        scores[i] = i % 101;
    }
    ucid_aggregate_options options = UCID_AGGREGATE_OPTIONS_INIT;
    options.allocator = allocator;
    options.resolution = resolution;
    ucid_status status = ucid_aggregate_new(&options, aggregate, error);
    if (status != UCID_OK) return status;
    ucid_aggregate_rows rows = UCID_AGGREGATE_ROWS_INIT;
    rows.score = scores;
    status = ucid_aggregate_add_cells(*aggregate, N, cells, &rows, error);
    if (status != UCID_OK) ucid_aggregate_free(*aggregate);
    return status;
}

static ucid_status aggregate_rows(const ucid_allocator *allocator, ucid_error *error)
{
    ucid_aggregate *fine, *coarse;
    ucid_status status = add_groups(allocator, 7, 0, &fine, error);
    if (status != UCID_OK) return status;
    status = add_groups(allocator, 5, 1000, &coarse, error);
    if (status == UCID_OK) {
        int64_t groups = 0;
        status = ucid_aggregate_merge(coarse, fine, error);
        if (status == UCID_OK) status = ucid_aggregate_sort(coarse, &groups, error);
        if (status == UCID_OK) assert_true(groups > 1);
        ucid_aggregate_free(coarse);
    }
    ucid_aggregate_free(fine);
    return status;
}

static ucid_status aggregate_keys(const ucid_allocator *allocator, ucid_error *error)
{
    enum { N = 2000 };
    static char text[N * 4];
    static int32_t offsets[N + 1];
    static double scores[N];
    for (int i = 0; i < N; i++) {
        offsets[i] = i * 4;
        for (int k = 0, rest = i; k < 4; k++, rest /= 10) text[i * 4 + 3 - k] = (char)('0' + rest % 10);
        scores[i] = 50.0;
    }
    offsets[N] = N * 4;
    ucid_aggregate *aggregate;
    ucid_aggregate_options options = UCID_AGGREGATE_OPTIONS_INIT;
    options.allocator = allocator;
    options.resolution = UCID_AGGREGATE_TEXT;
    ucid_status status = ucid_aggregate_new(&options, &aggregate, error);
    if (status != UCID_OK) return status;
    ucid_aggregate_rows rows = UCID_AGGREGATE_ROWS_INIT;
    rows.score = scores;
    status = ucid_aggregate_add_keys(aggregate, N, text, offsets, &rows, error);
    int64_t groups = 0;
    if (status == UCID_OK) status = ucid_aggregate_sort(aggregate, &groups, error);
    ucid_aggregate_free(aggregate);
    return status;
}

/* Groups of texts, some null: sums that grow limbs, squares, values that outgrow their memory; those of one are put
 * into another, as states are. */
static ucid_status group_numbers(const ucid_allocator *allocator, int threads, int what, uint64_t memory,
                                 ucid_error *error)
{
    enum { N = 17000, GROUPS = 300 };
    static char keys[N * 3];
    static int64_t offsets[N + 1];
    static double numbers[N];
    static uint8_t validity[N / 8];
    for (int i = 0; i < N; i++) {
        int group = i * 7 % GROUPS;
        offsets[i] = i * 3;
        for (int k = 0, rest = group; k < 3; k++, rest /= 10) keys[i * 3 + 2 - k] = (char)('0' + rest % 10);
        numbers[i] = i % 97 == 0 ? (double)INFINITY : (group % 30 == 0 && i % 2 ? 1e-150 : 1e150) * (i % 9973 - 500);
        validity[i / 8] = (uint8_t)(i % 31 == 0 ? 0xFE : 0xFF);
    }
    offsets[N] = N * 3;
    ucid_groups *groups = NULL, *merged = NULL;
    int64_t count = 0;
    ucid_group_rows rows = {
        .keys = keys, .offsets = offsets, .key_validity = validity, .numbers = numbers, .validity = validity};
    ucid_status status = ucid_groups_new(allocator, threads, what, memory, &groups, error);
    if (status == UCID_OK) status = ucid_groups_add(groups, N, &rows, error);
    if (status == UCID_OK) status = ucid_groups_begin(groups, error);
    if (status == UCID_OK) status = ucid_groups_next(groups, &count, error);
    if (status == UCID_OK) assert_true(count == GROUPS + 1);
    if (status == UCID_OK && (what & UCID_GROUPS_VALUES) == 0) {
        status = ucid_groups_new(allocator, 1, what, 0, &merged, error);
        for (int64_t i = 0; i < count && status == UCID_OK; i++) {
            uint32_t number = ucid_groups_at(groups, i), into;
            const ucid_group *group = ucid_groups_get(groups, number);
            ucid_big sum, squares;
            ucid_exact_get(ucid_groups_sum(groups, number), &sum);
            ucid_exact_get(ucid_groups_squares(groups, number), &squares);
            status = ucid_groups_find(merged, ucid_groups_key(groups, number), group->key_length, &into, error);
            if (status == UCID_OK) status = ucid_groups_add_part(merged, into, group, &sum, &squares, error);
        }
        if (status == UCID_OK) status = ucid_groups_begin(merged, error);
        if (status == UCID_OK) status = ucid_groups_next(merged, &count, error);
    }
    ucid_groups_free(merged);
    ucid_groups_free(groups);
    return status;
}

static ucid_status group_entries(const ucid_allocator *allocator, ucid_error *error)
{
    enum { N = 100 };
    static uint32_t entries[N];
    static double numbers[N];
    const int64_t offsets[] = {0, 1, 2};
    for (int i = 0; i < N; i++) entries[i] = (uint32_t)i % 3, numbers[i] = i % 5 == 0 ? 1e-300 : i;
    ucid_group_rows rows = {.keys = "ab", .offsets = offsets, .entries = entries, .entry_count = 2, .numbers = numbers};
    ucid_groups *groups = NULL;
    ucid_status status = ucid_groups_new(allocator, 1, UCID_GROUPS_SUM, 0, &groups, error);
    if (status == UCID_OK) status = ucid_groups_add(groups, N, &rows, error);
    ucid_groups_free(groups);
    return status;
}

static ucid_status group_sums(const ucid_allocator *allocator, ucid_error *error)
{
    return group_numbers(allocator, 2, UCID_GROUPS_SUM | UCID_GROUPS_SQUARES | UCID_GROUPS_RANGE, 0, error);
}

static ucid_status group_files(const ucid_allocator *allocator, ucid_error *error)
{
    return group_numbers(allocator, 2, UCID_GROUPS_SUM | UCID_GROUPS_SQUARES | UCID_GROUPS_RANGE, 1 << 14, error);
}

static ucid_status group_values(const ucid_allocator *allocator, ucid_error *error)
{
    return group_numbers(allocator, 1, UCID_GROUPS_VALUES, 1 << 18, error);
}

static ucid_status group_value_files(const ucid_allocator *allocator, ucid_error *error)
{
    return group_numbers(allocator, 1, UCID_GROUPS_VALUES, 1 << 14, error);
}

/* Two zones that share a border, the second with a hole, and cells on all sides of both. */
static ucid_status measure_zones(const ucid_allocator *allocator, ucid_error *error)
{
    enum { CELLS = 200, MOST = 1000 };
    static const int64_t one[] = {4}, two[] = {4, 4};
    static const double lat[] = {10, 10, 10.3, 10.3, 10.1, 10.1, 10.2, 10.2}, west[] = {20, 20.2, 20.2, 20};
    static const double east[] = {20.2, 20.5, 20.5, 20.2, 20.3, 20.4, 20.4, 20.3};
    static uint64_t cells[CELLS];
    static int64_t offsets[CELLS + 1];
    static int32_t zone[MOST];
    static double area_m2[MOST];
    for (int i = 0; i < CELLS; i++) cells[i] = ucid_cell_at(9.95 + i % 20 * 0.02, 19.95 + i / 20 * 0.06, 6 + i % 3);
    ucid_zones_builder *builder = NULL;
    ucid_zones *zones = NULL;
    ucid_status status = ucid_zones_builder_new(allocator, &builder, error);
    if (status == UCID_OK) status = ucid_zones_builder_add(builder, 1, one, lat, west, error);
    if (status == UCID_OK) status = ucid_zones_builder_add(builder, 2, two, lat, east, error);
    if (status == UCID_OK) status = ucid_zones_build(builder, 2, &zones, error);
    if (status == UCID_OK) {
        status = ucid_zones_overlaps(zones, CELLS, cells, NULL, 2, offsets, zone, area_m2, MOST, NULL, NULL, error);
    }
    if (status == UCID_OK) assert_true(offsets[CELLS] > CELLS / 2 && offsets[CELLS] < MOST);
    if (status == UCID_OK) status = ucid_zones_areas(zones, 2, area_m2, error);
    if (status == UCID_OK) assert_true(area_m2[0] > 7e8 && area_m2[1] > 9e8);
    ucid_zones_close(zones);
    ucid_zones_builder_free(builder);
    return status;
}

/* ---------------------------------------------------------------------------------------------------------- tests --
 */

static void reading_an_extract(void **state)
{
    (void)state;
    fail_in_turn("osm_read", read_extract, NULL);
}

static void zones_and_cities(void **state)
{
    (void)state;
    fail_in_turn("ucid_zone_open", open_zone, NULL);
    fail_in_turn("ucid_registry_open", open_cities, NULL);
}

static void indexing(void **state)
{
    (void)state;
    fail_in_turn("ucid_index_build, one thread", build_on_one, old_file_is_there);
    write_text(index_path, old_text);
    fail_in_turn("ucid_index_build, two threads", build_on_two, old_file_is_there);
    write_text(index_path, old_text);
    fail_in_turn("ucid_index_build_network", build_network, old_file_is_there);
    fail_in_turn("ucid_index_open", open_index, NULL);
}

/* A footer of one column x with one row group of one row. */
static const uint8_t footer[] =
    "\x15\x02\x19\x2c\x48\x01r\x15\x02\x00\x15\x04\x25\x00\x18\x01x\x00\x16\x02\x19\x1c\x19\x1c\x26\x00\x1c"
    "\x15\x04\x19\x15\x00\x19\x18\x01x\x15\x00\x16\x02\x16\x10\x16\x10\x26\x08\x00\x00\x16\x10\x16\x02\x00";

static ucid_status put_beside(const ucid_allocator *allocator, ucid_error *error)
{
    const ucid_parquet_part part = {footer, sizeof footer, 12, 0, 1, NULL, 0}, parts[2] = {part, part};
    const ucid_text key = {"key", 3};
    ucid_parquet_file file;
    ucid_status status = ucid_parquet_beside(parts, 2, &key, &key, 1, allocator, &file, error);
    if (status != UCID_OK) return status;
    assert_int_equal(file.span_count, 2);
    ucid_parquet_file_reset(&file);
    return UCID_OK;
}

/* A stream of one batch of nothing but borrowed memory: texts, and doubles with a null. */
static void release_nothing_schema(struct ArrowSchema *schema) { schema->release = NULL; }
static void release_nothing(struct ArrowArray *array) { array->release = NULL; }
static void release_stream(struct ArrowArrayStream *stream) { stream->release = NULL; }

enum { TABLE_ROWS = 5 };

static int table_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    static struct ArrowSchema columns[2], *children[] = {&columns[0], &columns[1]};
    columns[0] = (struct ArrowSchema){.format = "u", .name = "t", .release = release_nothing_schema};
    columns[1] = (struct ArrowSchema){
        .format = "g", .name = "d", .flags = ARROW_FLAG_NULLABLE, .release = release_nothing_schema};
    *out = (struct ArrowSchema){
        .format = "+s", .name = "", .n_children = 2, .children = children, .release = release_nothing_schema};
    (void)stream;
    return 0;
}

static int table_batch(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    static const int32_t offsets[TABLE_ROWS + 1] = {0, 1, 3, 3, 4, 6};
    static const double doubles[TABLE_ROWS] = {0.5, 0, -1, 0.5, 2};
    static const uint8_t valid[1] = {0x1D};
    static const void *texts[] = {NULL, offsets, "abcdef"}, *numbers[] = {valid, doubles}, *none[] = {NULL};
    static struct ArrowArray columns[2], *children[] = {&columns[0], &columns[1]};
    int *given = stream->private_data;
    *out = (struct ArrowArray){0};
    if ((*given)++ > 0) return 0;
    columns[0] =
        (struct ArrowArray){.length = TABLE_ROWS, .n_buffers = 3, .buffers = texts, .release = release_nothing};
    columns[1] = (struct ArrowArray){
        .length = TABLE_ROWS, .null_count = 1, .n_buffers = 2, .buffers = numbers, .release = release_nothing};
    *out = (struct ArrowArray){.length = TABLE_ROWS,
                               .n_buffers = 1,
                               .buffers = none,
                               .n_children = 2,
                               .children = children,
                               .release = release_nothing};
    return 0;
}

static const char *no_error(struct ArrowArrayStream *stream)
{
    (void)stream;
    return NULL;
}

static int count_bytes(void *ctx, const void *bytes, size_t length)
{
    (void)bytes;
    *(size_t *)ctx += length;
    return 0;
}

static ucid_status write_columns(const ucid_allocator *allocator, ucid_error *error)
{
    static const int64_t rows[] = {2, 1};
    int given = 0;
    size_t total = 0;
    struct ArrowArrayStream in = {table_schema, table_batch, no_error, release_stream, &given};
    ucid_parquet_options options = UCID_PARQUET_OPTIONS_INIT;
    options.allocator = allocator;
    options.group_rows = rows;
    options.group_count = 2;
    ucid_status status = ucid_parquet_write(&in, &options, count_bytes, &total, error);
    if (status != UCID_OK) return status;
    assert_true(total > 500 && in.release == NULL);
    return UCID_OK;
}

static void files(void **state)
{
    (void)state;
    fail_in_turn("ucid_parquet_beside", put_beside, NULL);
    fail_in_turn("ucid_parquet_write", write_columns, NULL);
}

static void grids(void **state)
{
    (void)state;
    fail_in_turn("ucid_grid", walk_grid, NULL);
}

static void scoring(void **state)
{
    (void)state;
    lattice =
        lattice_new(&(lattice_options){.lat_deg = 28.0, .lon_deg = -15.0, .columns = 9, .rows = 9, .spacing_m = 90});
    assert_non_null(lattice);
    fail_in_turn("ucid_score, one thread", score_on_one, NULL);
    fail_in_turn("ucid_score, three threads", score_on_three, NULL);
    fail_in_turn("ucid_explain", explain_place, NULL);
    lattice_free(lattice);
}

static void aggregating(void **state)
{
    (void)state;
    fail_in_turn("ucid_aggregate by cells", aggregate_rows, NULL);
    fail_in_turn("ucid_aggregate by texts", aggregate_keys, NULL);
    fail_in_turn("ucid_groups, sums", group_sums, NULL);
    fail_in_turn("ucid_groups, entries", group_entries, NULL);
    fail_in_turn("ucid_groups, values", group_values, NULL);
    fail_in_turn("ucid_groups, sums in a file", group_files, NULL);
    fail_in_turn("ucid_groups, values in a file", group_value_files, NULL);
}

static void measuring(void **state)
{
    (void)state;
    fail_in_turn("ucid_zones and their areas", measure_zones, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_an_extract),
        cmocka_unit_test(zones_and_cities),
        cmocka_unit_test(indexing),
        cmocka_unit_test(files),
        cmocka_unit_test(grids),
        cmocka_unit_test(scoring),
        cmocka_unit_test(aggregating),
        cmocka_unit_test(measuring),
    };
    return cmocka_run_group_tests(tests, make_inputs, remove_inputs);
}
