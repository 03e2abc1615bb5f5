/* test_build.c: a town drawn by hand, whose index is known; boundaries; what is refused, and that files stay then. */
#include "built.h"
#include "lattice.h"
#include "pbf_write.h"
#include "rt/trig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64], extract[96], out[96], area[96];

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static pbf_writer *begin(void)
{
    pbf_writer *w = NULL;
    ucid_error error;
    pbf_options options = {.program = "test_build"};
    assert_int_equal(pbf_open(extract, &options, &w, &error), UCID_OK);
    pbf_time(w, 1767225600); /* 2026-01-01 00h */
    return w;
}

static ucid_index *finish(pbf_writer *w, double snap_limit_m)
{
    ucid_error error;
    ucid_build_options options = UCID_BUILD_OPTIONS_INIT;
    options.snap_limit_m = snap_limit_m;
    ucid_index *x = NULL;
    assert_int_equal(pbf_close(w, &error), UCID_OK);
    if (ucid_index_build(extract, out, &options, &error) != UCID_OK) fail_msg("%s", error.message);
    if (ucid_index_open(out, NULL, &x, &error) != UCID_OK) fail_msg("%s", error.message);
    if (ucid_index_check(x, &error) != UCID_OK) fail_msg("%s", error.message);
    return x;
}

/* A number of the index's provenance. */
static long long about(const ucid_index *x, const char *name)
{
    char key[64];
    snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = strstr(x->about, key);
    if (at == NULL) fail_msg("%s is not told", name);
    return atoll(at + strlen(key));
}

enum { LAT = 410000000, LON = 290000000, STEP = 10000 }; /* 111 m north, 84 m east */

static const char *const residential[] = {"highway", "residential", NULL};
static const char *const footway[] = {"highway", "footway", NULL};

/*          6
 *          |            7           20--21
 *    1--2--3--4--5     / \           |  |   (an island, without a junction)
 *                 \   /   \          23-22
 *                  ---8----9   (a loop at 5)
 */
static void streets_become_edges(void **state)
{
    (void)state;
    static const int at[][3] = {{1, 0, 0},   {2, 1, 0},   {3, 2, 0},   {4, 3, 0},  {5, 4, 0},
                                {6, 2, 1},   {7, 5, 1},   {8, 5, 0},   {9, 6, 0},  {20, 10, 1},
                                {21, 11, 1}, {22, 11, 0}, {23, 10, 0}, {30, 0, 1}, {31, 1, 1}};
    pbf_writer *w = begin();
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        pbf_node(w, at[i][0], LAT + at[i][2] * STEP, LON + at[i][1] * STEP, NULL);
    }
    pbf_way(w, 1, (int64_t[]){1, 2, 3}, 3, residential);
    pbf_way(w, 2, (int64_t[]){3, 4, 5}, 3, footway);
    pbf_way(w, 3, (int64_t[]){6, 3}, 2, residential);
    pbf_way(w, 4, (int64_t[]){4, 3, 2}, 3, footway);          /* again, the other way round */
    pbf_way(w, 5, (int64_t[]){5, 8, 9, 7, 8, 5}, 6, footway); /* 5-8 twice, 8-9-7-8 a loop */
    pbf_way(w, 6, (int64_t[]){20, 21, 22, 23, 20}, 5, footway);
    pbf_way(w, 7, (int64_t[]){6, 999, 30, 31}, 4, footway); /* 999 is not in the extract */
    pbf_way(w, 8, (int64_t[]){1, 30}, 2, (const char *const[]){"highway", "motorway", NULL});
    pbf_way(w, 9, (int64_t[]){1, 31}, 2, (const char *const[]){"highway", "primary", "foot", "no", NULL});
    pbf_way(w, 10, (int64_t[]){2, 31}, 2, (const char *const[]){"highway", "cycleway", NULL});
    pbf_way(w, 11, (int64_t[]){2, 30}, 2, (const char *const[]){"highway", "service", "access", "private", NULL});
    ucid_index *x = finish(w, 300.0);

    /* edges 1-3, 3-6, 3-8 (4 and 5 are joints), 8-8, 20-20, 30-31 */
    assert_int_equal(x->edge_count, 6);
    assert_int_equal(x->node_count, 7);
    assert_int_equal(about(x, "pieces"), 14);
    assert_int_equal(about(x, "pieces_mapped_twice"), 3);
    assert_int_equal(about(x, "way_points_missing"), 1);
    assert_int_equal(about(x, "ends_of_extract"), 2);
    assert_int_equal(about(x, "loops_without_junction"), 1);
    assert_int_equal(about(x, "islands"), 2);
    assert_int_equal(about(x, "ways_closed_to_feet"), 3);
    assert_int_equal(x->summary->component_count, 3);
    assert_int_equal(x->summary->island_edge_count, 2);
    assert_int_equal(x->summary->data_hour, (1767225600 + 3 * 86400) / 604800 * 168); /* 2026W01T00 */

    int loops = 0, ends = 0;
    for (uint32_t e = 0; e < x->edge_count; e++) loops += x->edges[e].a == x->edges[e].b;
    for (uint32_t n = 0; n < x->node_count; n++) ends += (int)x->nodes[n].flags;
    assert_int_equal(loops, 2);
    assert_int_equal(ends, 2);
    double east_m = ucid_distance_m(LAT, LON, LAT, LON + STEP);
    uint32_t longest = 0;
    for (uint32_t e = 0; e < x->edge_count; e++) {
        if (x->edges[e].flags >> 8 || x->edges[e].a == x->edges[e].b) continue;
        if (x->edges[e].length > longest) longest = x->edges[e].length;
    }
    assert_int_equal(longest, (uint32_t)(3 * east_m * 32 + 0.5)); /* 3-4-5-8: rounded once */
    ucid_index_close(x);
}

/* One place mapped twice is one; private places are none; a place beyond reach is told. */
static void places_are_counted_once(void **state)
{
    (void)state;
    pbf_writer *w = begin();
    int64_t street[30];
    for (int i = 0; i < 30; i++) pbf_node(w, street[i] = i + 1, LAT, LON + i * 5000, NULL);
    static const struct {
        int x, y;
        const char *tags[7];
    } nodes[] = {
        {10000, 500, {"shop", "supermarket", "name", "A", NULL}},        /* 100: inside area 1, same name */
        {10200, 500, {"shop", "supermarket", "name", "B", NULL}},        /* 101: inside too, another name */
        {10300, 500, {"shop", "bakery", NULL}},                          /* 102: inside, another tag */
        {40000, 300, {"highway", "bus_stop", "name", "Square", NULL}},   /* 103: both sides of a stop */
        {40500, -300, {"highway", "bus_stop", "name", "Square", NULL}},  /* 104 */
        {70000, 300, {"highway", "bus_stop", "name", "Square", NULL}},   /* 105: the next of this name, 250 m on */
        {41000, 300, {"highway", "bus_stop", NULL}},                     /* 106: without a name */
        {50000, 300, {"amenity", "school", "access", "private", NULL}},  /* 107 */
        {50000, 80000, {"amenity", "school", NULL}},                     /* 108: 890 m from any street */
        {60000, 300, {"tourism", "museum", "amenity", "library", NULL}}, /* 109: two parts */
        {65000, 300, {"public_transport", "stop_position", "bus", "yes", NULL}}, /* 110 */
        {66000, 300, {"railway", "subway_entrance", NULL}},                      /* 111 */
    };
    for (size_t i = 0; i < sizeof nodes / sizeof nodes[0]; i++) {
        pbf_node(w, 100 + (int64_t)i, LAT + nodes[i].y, LON + nodes[i].x, nodes[i].tags);
    }
    static const int corners[][2] = {{9500, 100},   {11500, 100},  {11500, 1500}, {9500, 1500}, /* area 1, around 100 */
                                     {80000, 500},  {90000, 500},  {90000, 9500}, {80000, 9500}, /* park with a lake */
                                     {81000, 1500}, {89000, 1500}, {89000, 8500}, {81000, 8500}};
    for (int i = 0; i < 12; i++) pbf_node(w, 200 + i, LAT + corners[i][1], LON + corners[i][0], NULL);
    pbf_way(w, 1, street, 30, residential);
    pbf_way(w, 2, (int64_t[]){200, 201, 202, 203, 200}, 5,
            (const char *const[]){"shop", "supermarket", "name", "A", "building", "yes", NULL});
    pbf_way(w, 3, (int64_t[]){204, 205, 206}, 3, NULL);
    pbf_way(w, 4, (int64_t[]){204, 207, 206}, 3, NULL);
    pbf_way(w, 5, (int64_t[]){208, 209, 210, 211, 208}, 5, NULL);
    pbf_way(w, 6, (int64_t[]){200, 201, 202}, 3, (const char *const[]){"leisure", "park", NULL}); /* no area */
    pbf_member ring[] = {{3, 'w', "outer"}, {4, 'w', "outer"}, {5, 'w', "inner"}};
    pbf_relation(w, 1, ring, 3, (const char *const[]){"type", "multipolygon", "leisure", "park", NULL});
    pbf_relation(w, 2, ring, 1, (const char *const[]){"type", "multipolygon", "leisure", "garden", NULL}); /* open */
    pbf_relation(w, 3, ring, 1, (const char *const[]){"type", "site", "amenity", "school", NULL});
    ucid_index *x = finish(w, 300.0);

    static const struct {
        char type;
        int64_t id;
        uint8_t part, quality;
        const char *name;
    } kept[] = {{'n', 100, 0, 6, "A"},      {'n', 101, 0, 6, "B"},      {'n', 102, 0, 4, ""},
                {'n', 103, 4, 4, "Square"}, {'n', 105, 4, 4, "Square"}, {'n', 106, 4, 4, ""},
                {'n', 109, 2, 4, ""},       {'n', 109, 5, 4, ""},       {'r', 1, 3, 4, ""}};
    assert_int_equal(x->opportunity_count, sizeof kept / sizeof kept[0]);
    for (size_t k = 0; k < sizeof kept / sizeof kept[0]; k++) {
        uint32_t i = 0;
        while (i < x->opportunity_count &&
               (x->opportunities[i].osm_id != kept[k].id || x->opportunities[i].osm_type != kept[k].type ||
                x->opportunities[i].part != kept[k].part)) {
            i++;
        }
        if (i == x->opportunity_count) fail_msg("%c%lld is missing", kept[k].type, (long long)kept[k].id);
        const ucidx_opportunity *o = &x->opportunities[i];
        assert_int_equal(o->quality, kept[k].quality);
        assert_string_equal(x->names + o->name, kept[k].name);
        /* the street runs along LAT: the foot is straight below or above, to 1/32 m */
        assert_true(abs(x->nodes[o->node].x_e7 - o->x_e7) <= 3 && x->nodes[o->node].y_e7 == LAT);
        assert_int_equal(o->gap, (uint32_t)(fabs((double)o->y_e7 - LAT) * UCIDX_Y_M_PER_E7 * 32 + 0.5));
        /* the park's middle is its lake, so its place is in the meadow around, at the lake's latitude */
        if (o->osm_type == 'r') assert_true(o->y_e7 == LAT + 5000 && (o->x_e7 < LON + 81000 || o->x_e7 > LON + 89000));
    }
    assert_int_equal(about(x, "mapped_twice"), 2);
    assert_int_equal(about(x, "private"), 1);
    assert_int_equal(about(x, "no_street_in_reach"), 1);
    assert_int_equal(about(x, "lines_not_areas"), 1);
    assert_int_equal(about(x, "areas_that_do_not_close"), 1);
    assert_int_equal(about(x, "relations_of_other_types"), 1);
    ucid_index_close(x);
}

static void a_boundary_cuts_what_is_reported_only(void **state)
{
    (void)state;
    write_text(area,
               "{\"type\":\"Polygon\",\"coordinates\":[[[14.49,35.89],[14.51,35.885],[14.515,35.905],[14.49,35.89]]]}");
    ucid_index *whole = built_index("malta/malta-2016.osm.pbf", 2, NULL);
    ucid_index *part = built_index("malta/malta-2016.osm.pbf", 2, area);
    ucid_error error;
    if (ucid_index_check(part, &error) != UCID_OK) fail_msg("%s", error.message);
    assert_true(part->node_count < whole->node_count / 3);
    assert_true(part->coverage_count < whole->coverage_count / 3);
    enum { N = 4000 };
    static double lat[N], lon[N], score[2][N], snap_m[2][N];
    static uint8_t status[2][N];
    uint64_t seed = 5;
    for (int i = 0; i < N; i++) {
        lat[i] = 35.88 + lattice_uniform(&seed) * 0.03;
        lon[i] = 14.485 + lattice_uniform(&seed) * 0.035;
    }
    for (int k = 0; k < 2; k++) {
        ucid_scores scores = {.score = score[k], .snap_m = snap_m[k], .status = status[k]};
        assert_int_equal(ucid_score(k ? part : whole, N, lat, lon, NULL, NULL, &scores, &error), UCID_OK);
    }
    int inside = 0;
    for (int i = 0; i < N; i++) {
        double x = lon[i], y = lat[i];
        int in = (x - 14.49) * (35.885 - 35.89) < (y - 35.89) * 0.02 && (x - 14.51) * 0.02 < (y - 35.885) * 0.005 &&
                 (x - 14.515) * (35.89 - 35.905) < (y - 35.905) * -0.025;
        assert_int_equal(status[1][i] != UCID_OUTSIDE_INDEX, in);
        if (!in) continue;
        inside++;
        assert_int_equal(status[1][i], status[0][i]);
        if (status[1][i] == UCID_OFF_NETWORK) continue;
        assert_true(score[0][i] == score[1][i] && snap_m[0][i] == snap_m[1][i]);
    }
    assert_true(inside > N / 10);
    ucid_index_close(whole);
    ucid_index_close(part);
}

/* GHSCI's figures for the municipality: its area, and its intersections, which are the clusters of junctions of three
 * or more streets with no gap over 24 m (buffers of 12 m). */
static void las_palmas_has_its_area_and_intersections(void **state)
{
    (void)state;
    char boundary[512];
    snprintf(boundary, sizeof boundary, "%s", built_data("las-palmas/boundary.geojson"));
    ucid_index *x = built_index("las-palmas/las-palmas.osm.pbf", 2, boundary);
    ucid_index_info info;
    ucid_index_info_get(x, &info);
    uint32_t *cluster = malloc(x->node_count * sizeof *cluster), *found = malloc(x->node_count * sizeof *found);
    assert_true(cluster != NULL && found != NULL);
    size_t count = 0, clusters;
    for (uint32_t n = 0; n < x->node_count; n++) {
        if (x->nodes[n + 1].first_arc - x->nodes[n].first_arc < 3) continue;
        int inside = 0;
        for (uint32_t i = 0; i + 1 < x->boundary_count; i++) {
            const ucidx_ring_point *p = &x->boundary[i], *q = p + 1;
            if (p->ring != q->ring || (p->y_e7 > x->nodes[n].y_e7) == (q->y_e7 > x->nodes[n].y_e7)) continue;
            inside ^= x->nodes[n].x_e7 < p->x_e7 + ((double)x->nodes[n].y_e7 - p->y_e7) * ((double)q->x_e7 - p->x_e7) /
                                                       ((double)q->y_e7 - p->y_e7);
        }
        if (inside) found[count++] = n;
    }
    clusters = count;
    for (size_t i = 0; i < count; i++) cluster[i] = (uint32_t)i;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            const ucidx_node *p = &x->nodes[found[i]], *q = &x->nodes[found[j]];
            if (abs(p->y_e7 - q->y_e7) > 2200 || abs(p->x_e7 - q->x_e7) > 2500) continue;
            if (ucid_distance_m(p->y_e7, p->x_e7, q->y_e7, q->x_e7) > 24.0) continue;
            uint32_t a = (uint32_t)i, b = (uint32_t)j;
            while (cluster[a] != a) a = cluster[a];
            while (cluster[b] != b) b = cluster[b];
            clusters -= a != b;
            cluster[a > b ? a : b] = a > b ? b : a;
        }
    }
    print_message("area %.6f km2 (GHSCI 103.315941); %zu intersections (6629)\n", info.area_km2, clusters);
    assert_true(fabs(info.area_km2 - 103.315941) < 0.001);
    assert_true(fabs((double)clusters - 6629) < 0.01 * 6629);
    free(cluster);
    free(found);
    ucid_index_close(x);
}

static int cancel(void *ctx, const char *stage, uint64_t done, uint64_t total)
{
    (void)done;
    (void)total;
    return strcmp(stage, ctx) == 0;
}

static void refuse(const char *path, const ucid_build_options *options, ucid_status expected, const char *words)
{
    static const char old[] = "an index that stays";
    write_text(out, old);
    ucid_error error = {0};
    assert_int_equal(ucid_index_build(path, out, options, &error), expected);
    if (strstr(error.message, words) == NULL) fail_msg("\"%s\" does not say \"%s\"", error.message, words);
    char text[64] = {0};
    FILE *file = fopen(out, "rb");
    assert_non_null(file);
    assert_int_equal(fread(text, 1, sizeof text, file), strlen(old));
    fclose(file);
    assert_string_equal(text, old);
}

static void failures_leave_files_as_they_were(void **state)
{
    (void)state;
    ucid_error error;
    refuse("/nonexistent/a.osm.pbf", NULL, UCID_FILE_NOT_FOUND, "/nonexistent/a.osm.pbf");
    write_text(extract, "this is no extract, though it is long enough to look at");
    refuse(extract, NULL, UCID_DATA_ERROR, extract);

    pbf_writer *w = begin();
    for (int i = 0; i < 20; i++) pbf_node(w, i + 1, LAT + i * 100, LON, (const char *const[]){"shop", "bakery", NULL});
    assert_int_equal(pbf_close(w, &error), UCID_OK);
    refuse(extract, NULL, UCID_DATA_ERROR, "no walkable street");

    w = begin();
    pbf_way(w, 1, (int64_t[]){1, 2, 3}, 3, residential);
    assert_int_equal(pbf_close(w, &error), UCID_OK);
    refuse(extract, NULL, UCID_DATA_ERROR, "their nodes are missing");

    w = begin();
    for (int i = 0; i < 9; i++) pbf_node(w, i + 1, LAT + i * 1000, LON, NULL);
    pbf_way(w, 1, (int64_t[]){1, 2, 3, 4, 5, 6, 7, 8, 9}, 9, residential);
    assert_int_equal(pbf_close(w, &error), UCID_OK);
    ucid_build_options options = UCID_BUILD_OPTIONS_INIT;
    options.boundary_path = area;
    write_text(area, "{\"type\":\"Polygon\",\"coordinates\":[[[0,0],[1,0],[1,1],[0,0]]]}");
    refuse(extract, &options, UCID_DATA_ERROR, "not near the boundary");
    write_text(area, "{\"type\":\"Point\",\"coordinates\":[0,0]}");
    refuse(extract, &options, UCID_DATA_ERROR, area);
    options.boundary_path = "/nonexistent/b.geojson";
    refuse(extract, &options, UCID_FILE_NOT_FOUND, "/nonexistent/b.geojson");
    options.boundary_path = NULL;
    static const char *const stages[] = {"read", "streets", "places", "feet", "nearest", "snap grid"};
    options.progress = cancel;
    for (size_t i = 0; i < sizeof stages / sizeof stages[0]; i++) {
        options.progress_ctx = (void *)(uintptr_t)stages[i];
        refuse(extract, &options, UCID_CANCELLED, "cancelled");
    }
    options = (ucid_build_options)UCID_BUILD_OPTIONS_INIT;
    options.cutoff_m = 2001;
    refuse(extract, &options, UCID_INVALID_ARGUMENT, "2001");
    options.cutoff_m = NAN;
    refuse(extract, &options, UCID_INVALID_ARGUMENT, "cutoff");
    options.cutoff_m = 1200;
    options.snap_limit_m = 5;
    refuse(extract, &options, UCID_INVALID_ARGUMENT, "snap limit 5");
    options.snap_limit_m = 300;
    options.threads = 0;
    refuse(extract, &options, UCID_INVALID_ARGUMENT, "0 threads");
    assert_int_equal(ucid_index_build(extract, "/nonexistent/x.ucidx", NULL, &error), UCID_IO_ERROR);
}

/* A truncated index, and one of which any byte of the front or of a section is another. */
static void damage_is_found(void **state)
{
    (void)state;
    pbf_writer *w = begin();
    for (int i = 0; i < 9; i++) pbf_node(w, i + 1, LAT + i * 1000, LON, (const char *const[]){"shop", "bakery", NULL});
    pbf_way(w, 1, (int64_t[]){1, 2, 3, 4, 5, 6, 7, 8, 9}, 9, residential);
    ucid_index *x = finish(w, 20.0);
    size_t length = x->length;
    uint8_t *bytes = aligned_alloc(64, (length + 63) / 64 * 64);
    assert_non_null(bytes);
    memcpy(bytes, x->bytes, length);
    ucid_error error;
    for (size_t cut = 0; cut < length; cut += 37) {
        ucid_index *opened = NULL;
        assert_int_not_equal(ucid_index_open_memory(bytes, cut, NULL, &opened, &error), UCID_OK);
        assert_null(opened);
    }
    uint8_t *covered = calloc(length, 1);
    assert_non_null(covered);
    memset(covered, 1, sizeof(ucidx_header) + (UCIDX_KIND_END - 1) * sizeof(ucidx_section));
    for (uint32_t k = 0; k < UCIDX_KIND_END - 1; k++) {
        memset(covered + x->sections[k].offset, 1, x->sections[k].byte_length);
    }
    for (size_t i = 0; i < length; i++) {
        if (!covered[i]) continue; /* between sections */
        bytes[i] ^= 0x10;
        ucid_index *opened = NULL;
        ucid_status status = ucid_index_open_memory(bytes, length, NULL, &opened, &error);
        if (status == UCID_OK) status = ucid_index_check(opened, &error);
        if (status != UCID_INDEX_CORRUPT && status != UCID_INDEX_FORMAT) fail_msg("byte %zu may be anything", i);
        ucid_index_close(opened);
        bytes[i] ^= 0x10;
    }
    free(covered);
    free(bytes);
    ucid_index_close(x);
}

/* docs/index-format.md says what index.h says. */
static void the_format_is_documented(void **state)
{
    (void)state;
#define ROW(kind, name, type)                                                                                          \
    {                                                                                                                  \
        kind, name, sizeof(type)                                                                                       \
    }
    static const struct {
        int kind;
        const char *name;
        size_t size;
    } rows[] = {
        ROW(UCIDX_SUMMARY, "summary", ucidx_summary),
        ROW(UCIDX_ABOUT, "about", char),
        ROW(UCIDX_ROWS, "rows", ucidx_row),
        ROW(UCIDX_BLOCKS, "blocks", uint32_t),
        ROW(UCIDX_CELLS, "cells", uint32_t),
        ROW(UCIDX_LEAVES, "leaves", ucidx_leaf),
        ROW(UCIDX_CANDIDATES, "candidates", uint32_t),
        ROW(UCIDX_SEGMENTS, "segments", ucidx_segment),
        ROW(UCIDX_EDGES, "edges", ucidx_edge),
        ROW(UCIDX_ENTRIES, "entries", ucidx_entries),
        ROW(UCIDX_NODES, "nodes", ucidx_node),
        ROW(UCIDX_ARCS, "arcs", uint32_t),
        ROW(UCIDX_OPPORTUNITIES, "opportunities", ucidx_opportunity),
        ROW(UCIDX_NAMES, "names", char),
        ROW(UCIDX_BOUNDARY, "boundary", ucidx_ring_point),
        ROW(UCIDX_COVERAGE, "coverage", uint64_t),
    };
#undef ROW
    assert_int_equal(sizeof rows / sizeof rows[0], UCIDX_KIND_END - 1);
    assert_int_equal(sizeof(ucidx_header), 64);
    assert_int_equal(sizeof(ucidx_section), 32);
    assert_int_equal(UCIDX_FORMAT, 3);
    static char text[16384];
    FILE *file = fopen(SOURCE_DIR "/docs/index-format.md", "rb");
    assert_non_null(file);
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    assert_true(length > 0 && length < sizeof text - 1);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char line[64];
        snprintf(line, sizeof line, "\n| %d | %s | %zu |", rows[i].kind, rows[i].name, rows[i].size);
        if (strstr(text, line) == NULL) fail_msg("not documented: %s", line + 1);
    }
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/ucid-build-XXXXXX");
    if (mkdtemp(folder) == NULL) return -1;
    snprintf(extract, sizeof extract, "%s/a.osm.pbf", folder);
    snprintf(out, sizeof out, "%s/a.ucidx", folder);
    snprintf(area, sizeof area, "%s/a.geojson", folder);
    return 0;
}

/* Fails where a build has left a file behind. */
static int remove_folder(void **state)
{
    (void)state;
    unlink(extract);
    unlink(out);
    unlink(area);
    return rmdir(folder);
}

/* Small indexes for fuzz/corpus/index: meshes of so many streets each way; rows apart are islands. */
static int write_corpus(const char *into)
{
    static const struct {
        const char *name;
        int across, step_e7, lon_e7;
        double snap_limit_m;
        int is_bounded;
    } towns[] = {{"one-street", 1, 4000, LON, 10.0, 0},
                 {"lattice", 3, 4000, LON, 20.0, 0},
                 {"dense", 6, 1200, LON, 12.0, 0}, /* cells are cut */
                 {"antimeridian", 3, 4000, 1799995000, 30.0, 0},
                 {"bounded", 3, 4000, LON, 15.0, 1}};
    make_folder(NULL);
    for (size_t t = 0; t < sizeof towns / sizeof towns[0]; t++) {
        int n = towns[t].across;
        pbf_writer *w = begin();
        for (int i = 0; i < (n + 1) * n; i++) {
            int64_t lon = towns[t].lon_e7 + (int64_t)(i % (n + 1)) * towns[t].step_e7;
            pbf_node(w, i + 1, LAT + i / (n + 1) * towns[t].step_e7,
                     (int32_t)(lon >= 1800000000 ? lon - 3600000000 : lon),
                     i % 3 == 0 ? (const char *const[]){"shop", "bakery", "name", (char[]){(char)('A' + i), 0}, NULL}
                                : NULL);
        }
        int64_t line[16], id = 1;
        for (int row = 0; row < n; row++) {
            for (int k = 0; k <= n; k++) line[k] = row * (n + 1) + k + 1;
            line[n + 1] = 999; /* not in the extract */
            pbf_way(w, id++, line, (size_t)n + 1 + (row == 0), residential);
        }
        for (int k = 0; k < n && t != 3; k++) {
            for (int row = 0; row < n; row++) line[row] = row * (n + 1) + k + 1;
            if (n > 1) pbf_way(w, id++, line, (size_t)n, footway);
        }
        ucid_build_options options = UCID_BUILD_OPTIONS_INIT;
        options.snap_limit_m = towns[t].snap_limit_m;
        options.cutoff_m = 400.0;
        options.boundary_path = towns[t].is_bounded ? area : NULL;
        write_text(area, "{\"type\":\"Polygon\",\"coordinates\":[[[29,41],[29.001,41],[29.0008,41.0008],[29,41]]]}");
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", into, towns[t].name);
        ucid_error error;
        if (pbf_close(w, &error) != UCID_OK || ucid_index_build(extract, path, &options, &error) != UCID_OK) {
            fprintf(stderr, "%s\n", error.message);
            return 1;
        }
    }
    return remove_folder(NULL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streets_become_edges),
        cmocka_unit_test(places_are_counted_once),
        cmocka_unit_test(a_boundary_cuts_what_is_reported_only),
        cmocka_unit_test(las_palmas_has_its_area_and_intersections),
        cmocka_unit_test(failures_leave_files_as_they_were),
        cmocka_unit_test(damage_is_found),
        cmocka_unit_test(the_format_is_documented),
    };
    if (argc == 2) return write_corpus(argv[1]);
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
