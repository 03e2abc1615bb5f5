/* test_network.c: indexes of plain arrays. The streets of a real extract, handed over as arrays, give the sections of
 * the index of the extract, byte for byte; lengths and places of a made-up network are compared with a plain Dijkstra
 * over the arrays themselves. */
#include "brute.h"
#include "built.h"
#include "index/build.h"
#include "lattice.h"
#include "rt/memory.h"
#include "rt/trig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void *take(size_t count, size_t item)
{
    void *memory = calloc(count + 1, item);
    assert_non_null(memory);
    return memory;
}

static ucid_index *indexed(const ucid_network *network, int threads)
{
    char out[] = "/tmp/ucid-network-XXXXXX";
    ucid_build_options options = UCID_BUILD_OPTIONS_INIT;
    options.threads = threads;
    int fd = mkstemp(out);
    assert_true(fd >= 0);
    close(fd);
    ucid_error error = {0};
    ucid_index *index = NULL;
    ucid_status status = ucid_index_build_network(network, out, &options, &error);
    if (status == UCID_OK) status = ucid_index_open(out, NULL, &index, &error);
    if (status == UCID_OK) status = ucid_index_check(index, &error);
    unlink(out);
    if (status != UCID_OK) fail_msg("%s: %s", ucid_status_code(status), error.message);
    return index;
}

/* ---------------------------------------------------------------------------------------------- a real extract ---- */

/* A network and its arrays. */
typedef struct arrays {
    ucid_network n;
    double *node_lat, *node_lon, *place_lat, *place_lon;
    int64_t *from, *to, *id;
    uint8_t *end;
    char *tags, *names, *types;
    int32_t *tag_offsets, *name_offsets;
} arrays;

static void arrays_free(arrays *a)
{
    void *all[] = {a->node_lat, a->node_lon, a->place_lat, a->place_lon, a->from,        a->to,          a->id,
                   a->end,      a->tags,     a->names,     a->types,     a->tag_offsets, a->name_offsets};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) free(all[i]);
}

static double degrees(int64_t e7) { return (double)(e7 >= 1800000000 ? e7 - 3600000000 : e7) / 1e7; }

static int by_key(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* Streets as the reader finds them: points that are missing are left out, and so are the pieces to them. */
static void streets_of(const char *extract, arrays *a)
{
    ucid_error error = {0};
    build b = {.allocator = ucid_allocator_or_default(NULL), .threads = 1, .error = &error, .path = extract};
    if (build_read(&b) != UCID_OK) fail_msg("%s", error.message);
    a->node_lat = take(b.point_count, sizeof(double));
    a->node_lon = take(b.point_count, sizeof(double));
    a->end = take(b.point_count, 1);
    size_t most = 0, count = 0;
    for (size_t w = 0; w < b.way_count; w++) most += b.ways[w].count;
    uint64_t *keys = take(most, sizeof *keys);
    uint8_t *is_outside = take(b.point_count, 1);
    uint32_t *degree = take(b.point_count, sizeof *degree);
    for (size_t p = 0; p < b.point_count; p++) {
        if (b.point_y[p] == BUILD_MISSING) continue; /* 0, 0, and no edge */
        a->node_lat[p] = degrees(b.point_y[p]);
        a->node_lon[p] = degrees(b.point_x[p]);
        is_outside[p] = b.header_box == BOX_TRUSTED && (b.point_y[p] < b.box_e7[0] || b.point_x[p] < b.box_e7[1] ||
                                                        b.point_y[p] > b.box_e7[2] || b.point_x[p] > b.box_e7[3]);
    }
    for (size_t w = 0; w < b.way_count; w++) {
        const uint32_t *p = b.points + b.ways[w].first;
        for (uint32_t i = 1; i < b.ways[w].count; i++) {
            int gone = b.point_y[p[i]] == BUILD_MISSING, before = b.point_y[p[i - 1]] == BUILD_MISSING;
            if (gone && !before) a->end[p[i - 1]] = 1;
            if (before && !gone) a->end[p[i]] = 1;
            if (gone || before || p[i] == p[i - 1]) continue;
            if (is_outside[p[i]] != is_outside[p[i - 1]]) a->end[is_outside[p[i]] ? p[i] : p[i - 1]] = 1;
            uint64_t low = p[i] < p[i - 1] ? p[i] : p[i - 1], high = p[i] < p[i - 1] ? p[i - 1] : p[i];
            keys[count++] = low << 32 | high;
        }
    }
    qsort(keys, count, sizeof *keys, by_key);
    a->from = take(count, sizeof(int64_t));
    a->to = take(count, sizeof(int64_t));
    for (size_t i = 0; i < count; i++) { /* every other one is drawn the other way round */
        a->from[i] = (int64_t)(i % 2 ? keys[i] >> 32 : keys[i] & UINT32_MAX);
        a->to[i] = (int64_t)(i % 2 ? keys[i] & UINT32_MAX : keys[i] >> 32);
        if (i > 0 && keys[i] == keys[i - 1]) continue;
        degree[keys[i] >> 32]++;
        degree[keys[i] & UINT32_MAX]++;
    }
    for (size_t p = 0; p < b.point_count; p++) a->end[p] |= is_outside[p] && degree[p] > 0 && degree[p] != 2;
    a->n = (ucid_network)UCID_NETWORK_INIT;
    a->n.node_count = (int64_t)b.point_count;
    a->n.node_lat_deg = a->node_lat;
    a->n.node_lon_deg = a->node_lon;
    a->n.node_end = a->end;
    a->n.edge_count = (int64_t)count;
    a->n.edge_from = a->from;
    a->n.edge_to = a->to;
    a->n.data_time = b.newest_timestamp > 0 ? b.newest_timestamp : b.replication_timestamp;
    free(keys);
    free(is_outside);
    free(degree);
    for (size_t i = 0; i < b.block_count; i++) {
        ucid_release(&b.allocator, b.blocks[i].ptr, b.blocks[i].count, b.blocks[i].item);
    }
    ucid_release(&b.allocator, b.blocks, b.block_capacity, sizeof *b.blocks);
}

/* Places of an index, last first: their order must not matter. */
static void places_of(const ucid_index *x, arrays *a)
{
    size_t count = x->opportunity_count, bytes[2] = {0, 0};
    for (size_t i = 0; i < count; i++) {
        bytes[0] += strlen(x->names + x->opportunities[i].tag);
        bytes[1] += strlen(x->names + x->opportunities[i].name);
    }
    a->place_lat = take(count, sizeof(double));
    a->place_lon = take(count, sizeof(double));
    a->id = take(count, sizeof(int64_t));
    a->types = take(count, 1);
    a->tags = take(bytes[0], 1);
    a->names = take(bytes[1], 1);
    a->tag_offsets = take(count + 1, sizeof(int32_t));
    a->name_offsets = take(count + 1, sizeof(int32_t));
    for (size_t i = 0; i < count; i++) {
        const ucidx_opportunity *o = &x->opportunities[count - 1 - i];
        a->place_lat[i] = degrees(o->y_e7);
        a->place_lon[i] = degrees((int64_t)o->x_e7 + x->summary->lon_origin_e7);
        a->id[i] = o->osm_id;
        a->types[i] = (char)o->osm_type;
        size_t tag = strlen(x->names + o->tag), name = strlen(x->names + o->name);
        memcpy(a->tags + a->tag_offsets[i], x->names + o->tag, tag);
        memcpy(a->names + a->name_offsets[i], x->names + o->name, name);
        a->tag_offsets[i + 1] = a->tag_offsets[i] + (int32_t)tag;
        a->name_offsets[i + 1] = a->name_offsets[i] + (int32_t)name;
    }
    a->n.place_count = (int64_t)count;
    a->n.place_lat_deg = a->place_lat;
    a->n.place_lon_deg = a->place_lon;
    a->n.place_tag = (ucid_texts){.data = a->tags, .offsets = a->tag_offsets};
    a->n.place_name = (ucid_texts){.data = a->names, .offsets = a->name_offsets};
    a->n.place_osm_id = a->id;
    a->n.place_osm_type = a->types;
}

static void all_scores(const ucid_index *x, int64_t n, const double *lat, const double *lon, double *values,
                       uint8_t *status)
{
    ucid_scores out = {.score = values, .confidence = values + n, .snap_m = values + 2 * n, .status = status};
    for (int p = 0; p < 6; p++) {
        out.part[p] = values + (3 + p) * n;
        out.nearest_m[p] = values + (9 + p) * n;
    }
    ucid_error error;
    assert_int_equal(ucid_score(x, n, lat, lon, NULL, NULL, &out, &error), UCID_OK);
}

static void arrays_of_an_extract_give_its_index(void **state)
{
    (void)state;
    static const char *const extracts[] = {"las-palmas/las-palmas.osm.pbf", "centres-2020/london.osm.pbf",
                                           "monaco/monaco-2012.osm.pbf"};
    for (size_t e = 0; e < sizeof extracts / sizeof extracts[0]; e++) {
        ucid_index *whole = built_index(extracts[e], 2, NULL);
        char path[512];
        snprintf(path, sizeof path, "%s", built_data(extracts[e]));
        arrays a = {0};
        streets_of(path, &a);
        places_of(whole, &a);
        ucid_index *x = indexed(&a.n, 2);
        for (uint32_t kind = UCIDX_SUMMARY; kind < UCIDX_KIND_END; kind++) {
            const ucidx_section *s = &x->sections[kind - 1], *w = &whole->sections[kind - 1];
            if (kind == UCIDX_ABOUT || kind == UCIDX_EDGES) continue; /* edges have no classes here */
            if (s->byte_length != w->byte_length || s->checksum != w->checksum) {
                fail_msg("%s: section %u differs: %llu and %llu bytes", extracts[e], kind,
                         (unsigned long long)s->byte_length, (unsigned long long)w->byte_length);
            }
        }
        assert_int_equal(x->edge_count, whole->edge_count);
        for (uint32_t i = 0; i <= x->edge_count; i++) {
            ucidx_edge mine = x->edges[i], theirs = whole->edges[i];
            mine.flags &= UCIDX_EDGE_ISLAND;
            theirs.flags &= UCIDX_EDGE_ISLAND;
            assert_memory_equal(&mine, &theirs, sizeof mine);
        }
        enum { N = 20000, OUTPUTS = 15 };
        double *lat = take(N, sizeof *lat), *lon = take(N, sizeof *lon);
        double *values[2] = {take(N * OUTPUTS, sizeof(double)), take(N * OUTPUTS, sizeof(double))};
        uint8_t *status[2] = {take(N, 1), take(N, 1)};
        uint64_t seed = e;
        for (int i = 0; i < N; i++) {
            const ucidx_segment *g = &whole->segments[lattice_random(&seed) % whole->segment_count];
            lat[i] = g->ay_e7 / 1e7 + (lattice_uniform(&seed) - 0.5) * 0.004;
            lon[i] = g->ax_e7 / 1e7 + (lattice_uniform(&seed) - 0.5) * 0.004;
        }
        all_scores(whole, N, lat, lon, values[0], status[0]);
        all_scores(x, N, lat, lon, values[1], status[1]);
        assert_memory_equal(values[0], values[1], N * OUTPUTS * sizeof(double));
        assert_memory_equal(status[0], status[1], N);
        for (int k = 0; k < 2; k++) free(values[k]), free(status[k]);
        free(lat);
        free(lon);
        arrays_free(&a);
        ucid_index_close(x);
        ucid_index_close(whole);
    }
}

/* -------------------------------------------------------------------------------------------- a made-up network ----
 */

enum { SIDE = 24, NODES = SIDE * SIDE, EDGES_MOST = 3 * NODES, PLACES = 60 };

typedef struct town {
    ucid_network n;
    double lat[NODES], lon[NODES], metres[EDGES_MOST], place_lat[PLACES], place_lon[PLACES];
    int64_t from[EDGES_MOST], to[EDGES_MOST];
    uint8_t rank[EDGES_MOST], end[NODES];
    char tags[PLACES * 32];
    int32_t tag_ends[PLACES + 1];
    int64_t place_node[PLACES];
} town;

static const char *const tags[] = {"shop=supermarket", "amenity=pharmacy", "amenity=school",
                                   "leisure=park",     "highway=bus_stop", "tourism=museum"};

/* A lattice whose streets are up to half longer than they are drawn, some of them twice, and with edges of no use. */
static void make_town(town *t, double lat, double lon, uint64_t seed)
{
    memset(t, 0, sizeof *t);
    t->n = (ucid_network)UCID_NETWORK_INIT;
    int64_t edges = 0;
    for (int i = 0; i < NODES; i++) {
        t->lat[i] = lat + 0.0011 * (i / SIDE) + 0.0003 * lattice_uniform(&seed);
        t->lon[i] = lon + 0.0011 * (i % SIDE) + 0.0003 * lattice_uniform(&seed);
        if (t->lon[i] > 180.0) t->lon[i] -= 360.0;
    }
    for (int i = 0; i < NODES; i++) {
        const int next[2] = {i % SIDE + 1 < SIDE ? i + 1 : -1, i + SIDE < NODES ? i + SIDE : -1};
        for (int k = 0; k < 2; k++) {
            if (next[k] < 0 || (k == 0 && i >= SIDE && lattice_uniform(&seed) < 0.2)) continue; /* still one piece */
            double x = fabs(t->lon[i] - t->lon[next[k]]);
            if (x > 180.0) x = 360.0 - x;
            double straight = hypot(t->lat[i] - t->lat[next[k]], x * cos(lat * UCID_PI / 180)) * 111194.9;
            for (int again = 0; again < 1 + (lattice_uniform(&seed) < 0.05); again++) {
                t->from[edges] = again ? next[k] : i;
                t->to[edges] = again ? i : next[k];
                t->rank[edges] = (uint8_t)(edges % UCID_STREET_RANKS);
                t->metres[edges++] = straight * (1.0 + 0.5 * lattice_uniform(&seed));
            }
        }
        if (i % 97 == 0) t->from[edges] = t->to[edges] = i, t->metres[edges++] = 30.0;
    }
    for (int i = 0; i < PLACES; i++) {
        t->place_node[i] = (int64_t)(lattice_random(&seed) % NODES);
        t->place_lat[i] = t->lat[t->place_node[i]];
        t->place_lon[i] = t->lon[t->place_node[i]];
        const char *tag = tags[lattice_random(&seed) % 6];
        memcpy(t->tags + t->tag_ends[i], tag, strlen(tag));
        t->tag_ends[i + 1] = t->tag_ends[i] + (int32_t)strlen(tag);
    }
    t->n.node_count = NODES;
    t->n.node_lat_deg = t->lat;
    t->n.node_lon_deg = t->lon;
    t->n.edge_count = edges;
    t->n.edge_from = t->from;
    t->n.edge_to = t->to;
    t->n.edge_m = t->metres;
    t->n.edge_rank = t->rank;
    t->n.place_count = PLACES;
    t->n.place_lat_deg = t->place_lat;
    t->n.place_lon_deg = t->place_lon;
    t->n.place_tag = (ucid_texts){.data = t->tags, .offsets = t->tag_ends};
}

/* Metres from a node to all others: edges are relaxed until nothing changes. */
static void walk(const town *t, int64_t start, double distance[NODES])
{
    for (int i = 0; i < NODES; i++) distance[i] = HUGE_VAL;
    distance[start] = 0.0;
    for (int changed = 1; changed;) {
        changed = 0;
        for (int64_t e = 0; e < t->n.edge_count; e++) {
            const int64_t ends[2] = {t->from[e], t->to[e]};
            for (int k = 0; k < 2; k++) {
                double through = distance[ends[k]] + t->metres[e];
                if (through >= distance[ends[1 - k]]) continue;
                distance[ends[1 - k]] = through;
                changed = 1;
            }
        }
    }
}

static int part_of_place(const town *t, int place)
{
    int part = 0;
    while (strncmp(t->tags + t->tag_ends[place], tags[part], strlen(tags[part])) != 0) part++;
    return part;
}

static void walks_are_as_long_as_the_edges_say(void **state)
{
    (void)state;
    static town t;
    make_town(&t, 47.0, 8.5, 3);
    ucid_index *x = indexed(&t.n, 1);
    static double values[15 * NODES];
    static uint8_t status[NODES];
    all_scores(x, NODES, t.lat, t.lon, values, status);
    int compared = 0;
    for (int i = 0; i < NODES; i++) {
        double distance[NODES], nearest[6];
        walk(&t, i, distance);
        for (int p = 0; p < 6; p++) nearest[p] = HUGE_VAL;
        for (int o = 0; o < PLACES; o++) {
            int part = part_of_place(&t, o);
            nearest[part] = fmin(nearest[part], distance[t.place_node[o]]);
        }
        assert_int_equal(status[i], UCID_OK);
        for (int p = 0; p < 6; p++) {
            double found = values[(9 + p) * NODES + i];
            if (fabs(nearest[p] - 1200.0) < 1.0) continue;
            if (nearest[p] > 1200.0) {
                assert_true(isnan(found));
            } else if (!(fabs(found - nearest[p]) < 0.5)) { /* a thirty-second of a metre for each street */
                fail_msg("node %d, part %d: %.3f m, not %.3f m", i, p, found, nearest[p]);
            }
            compared++;
        }
    }
    assert_true(compared > 4 * NODES);
    brute *b = brute_new(x);
    uint64_t seed = 5;
    for (int i = 0; i < 2000; i++) {
        double lat = 47.0 + 0.028 * lattice_uniform(&seed), lon = 8.5 + 0.028 * lattice_uniform(&seed), score;
        uint8_t row;
        ucid_scores out = {.score = &score, .status = &row};
        assert_int_equal(ucid_score(x, 1, &lat, &lon, NULL, NULL, &out, NULL), UCID_OK);
        brute_result r = brute_score(b, lat, lon, UINT32_MAX);
        assert_int_equal(row, r.status);
        assert_true(score == r.score || (isnan(score) && isnan(r.score)));
    }
    brute_free(b);
    int ranks[UCID_STREET_RANKS] = {0};
    for (uint64_t s = 0; s < x->edge_count; s++) {
        double at[2];
        int rank = -1;
        assert_true(ucid_index_street_get(x, s, 1, &at[0], &at[1], &rank) > 1);
        ranks[rank]++;
    }
    for (int r = 0; r < UCID_STREET_RANKS; r++) assert_true(ranks[r] > 0);
    ucid_index_info info;
    ucid_index_info_get(x, &info);
    assert_non_null(strstr(info.json, "\"inputs\":{\"network\":{\"data_date\":null,\"data_date_from\":\"none\""));
    assert_non_null(strstr(info.json, "\"edges_to_themselves\":6"));
    assert_null(strstr(info.json, "OpenStreetMap"));
    ucid_index_close(x);
}

static void threads_do_not_change_a_byte(void **state)
{
    (void)state;
    static town t;
    make_town(&t, -33.0, 179.99, 8); /* across the antimeridian */
    ucid_index *one = indexed(&t.n, 1);
    ucid_index_info info;
    ucid_index_info_get(one, &info);
    assert_true(info.min_lon_deg > 179.0 && info.max_lon_deg < -179.0);
    for (int threads = 2; threads < 8; threads += 5) {
        ucid_index *many = indexed(&t.n, threads);
        assert_int_equal(one->length, many->length);
        assert_memory_equal(one->bytes, many->bytes, one->length);
        ucid_index_close(many);
    }
    ucid_index_close(one);
}

static void ends_and_dates_are_the_callers(void **state)
{
    (void)state;
    static town t;
    make_town(&t, 10.0, 10.0, 9);
    t.n.node_end = t.end;
    t.end[0] = 1;
    t.n.data_time = 1767600000; /* 2026-01-05 */
    ucid_index *x = indexed(&t.n, 1);
    double score, confidence[2];
    uint8_t status[2];
    for (int i = 0; i < 2; i++) {
        ucid_scores out = {.score = &score, .confidence = &confidence[i], .status = &status[i]};
        int at = i ? NODES - 1 - SIDE : 0;
        assert_int_equal(ucid_score(x, 1, &t.lat[at], &t.lon[at], NULL, NULL, &out, NULL), UCID_OK);
    }
    assert_int_equal(status[0], UCID_NEAR_BOUNDARY);
    assert_int_equal(status[1], UCID_OK);
    ucid_index_info info;
    ucid_index_info_get(x, &info);
    char text[UCID_TIME_LENGTH + 1];
    assert_true(ucid_time_format((int32_t)info.data_hour, text));
    assert_memory_equal(text, "2026W0", 6);
    assert_non_null(strstr(info.json, "\"data_date\":\"2026-01-05T08:00:00Z\",\"data_date_from\":\"caller\""));
    ucid_index_close(x);
}

/* ---------------------------------------------------------------------------------------------------- refusals ---- */

static const char old_text[] = "an index that stays";

static void refuse(const ucid_network *network, ucid_status expected, int64_t row, const char *words)
{
    char out[] = "/tmp/ucid-network-XXXXXX", text[64] = {0};
    int fd = mkstemp(out);
    assert_true(fd >= 0 && write(fd, old_text, sizeof old_text) == sizeof old_text);
    ucid_error error = {0};
    assert_int_equal(ucid_index_build_network(network, out, NULL, &error), expected);
    if (strstr(error.message, words) == NULL) fail_msg("\"%s\" does not say \"%s\"", error.message, words);
    assert_int_equal(error.row, row);
    assert_int_equal(pread(fd, text, sizeof text, 0), sizeof old_text);
    assert_string_equal(text, old_text);
    close(fd);
    unlink(out);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    static town t;
    make_town(&t, 47.0, 8.5, 3);
    const ucid_network good = t.n;
    refuse(NULL, UCID_INVALID_ARGUMENT, -1, "no network");
    t.n.node_count = -1;
    refuse(&t.n, UCID_INVALID_ARGUMENT, -1, "-1 nodes");
    t.n.node_count = INT64_C(1) << 28;
    refuse(&t.n, UCID_INVALID_ARGUMENT, -1, "268435456 nodes are not 0..268435455");
    t.n = good;
    t.n.edge_to = NULL;
    refuse(&t.n, UCID_INVALID_ARGUMENT, -1, "an array of the edges is missing");
    t.n = good;
    t.n.place_tag.data = NULL;
    refuse(&t.n, UCID_INVALID_ARGUMENT, -1, "an array of the places is missing");
    t.n = good;
    t.n.data_time = -5;
    refuse(&t.n, UCID_INVALID_ARGUMENT, -1, "second -5");
    t.n = good;
    t.n.edge_count = 0;
    refuse(&t.n, UCID_DATA_ERROR, -1, "no edge between two nodes");
    t.n.edge_from = t.n.edge_to;
    t.n.edge_count = 3;
    refuse(&t.n, UCID_DATA_ERROR, -1, "no edge between two nodes (3 edges");
    t.n = (ucid_network)UCID_NETWORK_INIT;
    refuse(&t.n, UCID_DATA_ERROR, -1, "no edge between two nodes (0 edges, 0 nodes)");
    t.n = good;

    const struct {
        double *at, value;
        int64_t row;
        const char *words;
    } numbers[] = {
        {&t.lat[7], NAN, 7, "node 7: latitudes are -89..89, not nan"},
        {&t.lat[0], 89.5, 0, "latitudes are -89..89, not 89.5"},
        {&t.lon[5], -180.25, 5, "longitudes are -180..180, not -180.25"},
        {&t.lon[5], INFINITY, 5, "not inf"},
        {&t.metres[9], -1.0, 9, "edge 9: metres are 0..50000, not -1"},
        {&t.metres[9], NAN, 9, "edge 9: metres are 0..50000, not nan"},
        {&t.metres[9], 50001.0, 9, "not 50001"},
        {&t.place_lat[2], -INFINITY, 2, "place 2: latitudes"},
        {&t.place_lon[2], NAN, 2, "place 2: longitudes"},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        double kept = *numbers[i].at;
        *numbers[i].at = numbers[i].value;
        refuse(&t.n, UCID_DATA_ERROR, numbers[i].row, numbers[i].words);
        *numbers[i].at = kept;
    }
    int64_t kept = t.from[4];
    t.from[4] = NODES;
    refuse(&t.n, UCID_DATA_ERROR, 4, "edge 4: there is no node 576 of 576");
    t.from[4] = -1;
    refuse(&t.n, UCID_DATA_ERROR, 4, "edge 4: there is no node -1 of 576");
    t.from[4] = kept;
    t.rank[3] = UCID_STREET_RANKS;
    refuse(&t.n, UCID_DATA_ERROR, 3, "edge 3: ranks are UCID_STREET_*, not 5");
    t.rank[3] = 0;

    for (int i = 0; i < EDGES_MOST; i++) t.metres[i] /= 1000.0;
    refuse(&t.n, UCID_DATA_ERROR, -1, "edges are not in metres: they are 0.0012");
    for (int i = 0; i < EDGES_MOST; i++) t.metres[i] *= 150000.0;
    refuse(&t.n, UCID_DATA_ERROR, -1, "edges are not in metres: they are 18");
    t.n.edge_m = NULL; /* then they are as long as they are drawn */
    ucid_index_close(indexed(&t.n, 1));

    static const int64_t ids[PLACES] = {[3] = INT64_MIN};
    static char types[PLACES];
    memset(types, 'w', sizeof types);
    types[8] = 'a';
    t.n.place_osm_id = ids;
    refuse(&t.n, UCID_DATA_ERROR, 3, "place 3: ids are below 2^60");
    t.n.place_osm_id = NULL;
    t.n.place_osm_type = types;
    refuse(&t.n, UCID_DATA_ERROR, 8, "place 8: OSM types are n, w and r, not 97");
    t.n.place_osm_type = NULL;
    t.n.place_tag = (ucid_texts){.data = "shop=boutique", .length = 13};
    refuse(&t.n, UCID_DATA_ERROR, 0, "place 0: tag 'shop=boutique' counts for no part");
    t.n.place_tag = (ucid_texts){.data = "", .length = 0};
    refuse(&t.n, UCID_DATA_ERROR, 0, "place 0: tag '' counts");
    uint8_t validity[PLACES / 8 + 1];
    memset(validity, 0xFF, sizeof validity);
    validity[1] = 0xFE;
    t.n.place_tag = (ucid_texts){.data = "shop=bakery", .length = 11, .validity = validity};
    refuse(&t.n, UCID_DATA_ERROR, 8, "place 8: tag '' counts");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_of_an_extract_give_its_index), cmocka_unit_test(walks_are_as_long_as_the_edges_say),
        cmocka_unit_test(threads_do_not_change_a_byte),        cmocka_unit_test(ends_and_dates_are_the_callers),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
