/* build_network.c: a network in plain arrays, where there is no extract to read. Nodes become points, edges ways of two
 * points, places places; all stages after this one are the same. What an extract's tags would say has been decided by
 * who made the arrays: what is walked, how long it is, what counts. So nothing is guessed or repaired here: what cannot
 * be right is an error that names its row. */
#include "id/texts.h"
#include "index/build.h"
#include "index/tags.h"
#include "rt/error.h"
#include "rt/trig.h"

#include <math.h>
#include <string.h>

enum { NODES_MAX = (1 << 28) - 1, EDGES_MAX = INT32_MAX, PLACES_MAX = INT32_MAX, LENGTHS_TRIED = 4096 };
#define LAT_MAX_DEG (BUILD_LAT_MAX_E7 / 1e7)
#define EDGE_MAX_M 50e3
#define ID_MAX (INT64_C(1) << 60)
#define TIME_MAX INT64_C(253402300799) /* the end of 9999 */

static ucid_status false_row(build *b, const char *what, int64_t row, const char *why, double value)
{
    return ucid_fail_at(b->error, UCID_DATA_ERROR, row, -1, "network: %s %lld: %s, not %.10g", what, (long long)row,
                        why, value);
}

static ucid_status check_shape(build *b, const ucid_network *n)
{
    const struct {
        const char *what;
        int64_t count, most;
        int is_there;
    } tables[] = {
        {"nodes", n->node_count, NODES_MAX, n->node_lat_deg != NULL && n->node_lon_deg != NULL},
        {"edges", n->edge_count, EDGES_MAX, n->edge_from != NULL && n->edge_to != NULL},
        {"places", n->place_count, PLACES_MAX,
         n->place_lat_deg != NULL && n->place_lon_deg != NULL && n->place_tag.data != NULL},
    };
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        if (tables[i].count < 0 || tables[i].count > tables[i].most) {
            return ucid_fail(b->error, UCID_INVALID_ARGUMENT, "network: %lld %s are not 0..%lld",
                             (long long)tables[i].count, tables[i].what, (long long)tables[i].most);
        }
        if (tables[i].count > 0 && !tables[i].is_there) {
            return ucid_fail(b->error, UCID_INVALID_ARGUMENT, "network: an array of the %s is missing", tables[i].what);
        }
    }
    if (n->data_time < 0 || n->data_time > TIME_MAX) {
        return ucid_fail(b->error, UCID_INVALID_ARGUMENT, "network: data of second %lld are not of 1970..9999",
                         (long long)n->data_time);
    }
    return UCID_OK;
}

/* Degrees times 1e7; longitudes of 180 are wrapped later. */
static ucid_status take_position(build *b, const char *what, int64_t row, double lat_deg, double lon_deg, int32_t *x_e7,
                                 int32_t *y_e7)
{
    if (!(fabs(lat_deg) <= LAT_MAX_DEG)) return false_row(b, what, row, "latitudes are -89..89", lat_deg);
    if (!(fabs(lon_deg) <= 180.0)) return false_row(b, what, row, "longitudes are -180..180", lon_deg);
    *x_e7 = (int32_t)floor(lon_deg * 1e7 + 0.5);
    *y_e7 = (int32_t)floor(lat_deg * 1e7 + 0.5);
    return UCID_OK;
}

static ucid_status take_nodes(build *b, const ucid_network *n)
{
    size_t count = (size_t)n->node_count;
    b->point_x = build_take(b, count, sizeof *b->point_x, "node positions");
    b->point_y = build_take(b, count, sizeof *b->point_y, "node positions");
    if (b->point_x == NULL || b->point_y == NULL) return UCID_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        ucid_status status = take_position(b, "node", (int64_t)i, n->node_lat_deg[i], n->node_lon_deg[i],
                                           &b->point_x[i], &b->point_y[i]);
        if (status != UCID_OK) return status;
    }
    b->point_count = count;
    b->point_end = n->node_end;
    b->counts.nodes_read = count;
    return UCID_OK;
}

/* Class of a street whose rank is known alone: ucid_index_street_get gives the rank back. */
static uint8_t class_of(int rank)
{
    static const uint8_t classes[UCID_STREET_RANKS] = {
        [UCID_STREET_PATH] = UCIDX_CLASS_PATH,         [UCID_STREET_LANE] = UCIDX_CLASS_SERVICE,
        [UCID_STREET_LOCAL] = UCIDX_CLASS_RESIDENTIAL, [UCID_STREET_ROAD] = UCIDX_CLASS_TERTIARY,
        [UCID_STREET_MAIN] = UCIDX_CLASS_PRIMARY,
    };
    return classes[rank];
}

static ucid_status take_edges(build *b, const ucid_network *n)
{
    size_t count = (size_t)n->edge_count;
    b->points = build_take(b, 2 * count, sizeof *b->points, "way points");
    b->ways = build_take(b, count, sizeof *b->ways, "ways");
    if (b->points == NULL || b->ways == NULL) return UCID_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const int64_t ends[2] = {n->edge_from[i], n->edge_to[i]};
        for (int end = 0; end < 2; end++) {
            if (ends[end] < 0 || ends[end] >= n->node_count) {
                return ucid_fail_at(b->error, UCID_DATA_ERROR, (int64_t)i, -1,
                                    "network: edge %zu: there is no node %lld of %lld", i, (long long)ends[end],
                                    (long long)n->node_count);
            }
            b->points[2 * i + (size_t)end] = (uint32_t)ends[end];
        }
        if (n->edge_m != NULL && !(n->edge_m[i] >= 0.0 && n->edge_m[i] <= EDGE_MAX_M)) {
            return false_row(b, "edge", (int64_t)i, "metres are 0..50000", n->edge_m[i]);
        }
        int rank = n->edge_rank != NULL ? n->edge_rank[i] : UCID_STREET_LOCAL;
        if (rank >= UCID_STREET_RANKS) return false_row(b, "edge", (int64_t)i, "ranks are UCID_STREET_*", rank);
        b->ways[i] = (build_way){.id = (int64_t)i, .first = (uint32_t)(2 * i), .count = 2, .class = class_of(rank)};
        b->counts.edges_to_themselves += ends[0] == ends[1];
    }
    b->way_count = count;
    b->way_m = n->edge_m;
    b->counts.ways_read = b->counts.street_ways = count;
    if (b->counts.edges_to_themselves == count) {
        return ucid_fail(b->error, UCID_DATA_ERROR, "network: no edge between two nodes (%zu edges, %zu nodes)", count,
                         b->point_count);
    }
    return UCID_OK;
}

/* Streets are seldom shorter than the straight lines between their ends, and never much, nor much longer: other figures
 * are kilometres, minutes, or of another network. */
static ucid_status check_lengths(build *b, const ucid_network *n)
{
    double given = 0.0, straight = 0.0;
    for (size_t i = 0; i < b->way_count && n->edge_m != NULL; i += 1 + b->way_count / LENGTHS_TRIED) {
        uint32_t p = b->points[2 * i], q = b->points[2 * i + 1];
        if (p == q) continue;
        given += n->edge_m[i];
        straight += ucid_distance_m(b->point_y[p], b->point_x[p], b->point_y[q], b->point_x[q]);
    }
    if (given >= 0.5 * straight && given <= 100.0 * straight + 1000.0) return UCID_OK;
    return ucid_fail(
        b->error, UCID_DATA_ERROR,
        "network: edges are not in metres: they are %.3g times as long as the straight lines between their "
        "ends",
        given / straight);
}

/* Row of the table of tags; TAGS_KINDS where it counts for nothing. */
static uint8_t kind_of(ucid_text tag)
{
    const char *equals = tag.length > 0 ? memchr(tag.data, '=', tag.length) : NULL;
    if (equals == NULL) return TAGS_KINDS;
    osm_string key = {tag.data, (uint32_t)(equals - tag.data)};
    osm_string value = {equals + 1, (uint32_t)(tag.length - (size_t)(equals - tag.data) - 1)};
    uint8_t kind = 0;
    while (kind < TAGS_KINDS && (!tags_is(key, tags_kinds[kind].key) || !tags_is(value, tags_kinds[kind].value)))
        kind++;
    return kind;
}

static ucid_status take_place(build *b, const ucid_network *n, int64_t i, build_place *place)
{
    ucid_text tag = bit_is_set(n->place_tag.validity, i) ? row_text(&n->place_tag, i) : (ucid_text){"", 0};
    *place = (build_place){.id = n->place_osm_id != NULL ? n->place_osm_id[i] : i,
                           .osm_type = n->place_osm_type != NULL ? (uint8_t)n->place_osm_type[i] : 'n',
                           .kind = tag.length < 64 ? kind_of(tag) : TAGS_KINDS};
    if (place->kind == TAGS_KINDS) {
        return ucid_fail_at(b->error, UCID_DATA_ERROR, i, -1,
                            "network: place %lld: tag '%.*s' counts for no part of 15MIN", (long long)i,
                            (int)(tag.length < 60 ? tag.length : 60), tag.data);
    }
    if (place->osm_type != 'n' && place->osm_type != 'w' && place->osm_type != 'r') {
        return false_row(b, "place", i, "OSM types are n, w and r", place->osm_type);
    }
    if (place->id < -ID_MAX || place->id > ID_MAX) {
        return false_row(b, "place", i, "ids are below 2^60", (double)place->id);
    }
    ucid_status status =
        take_position(b, "place", i, n->place_lat_deg[i], n->place_lon_deg[i], &place->x_e7, &place->y_e7);
    if (status != UCID_OK || n->place_name.data == NULL || !bit_is_set(n->place_name.validity, i)) return status;
    ucid_text name = row_text(&n->place_name, i);
    int failed = 0;
    place->name = build_text(b, name.data, name.length, &failed);
    return failed ? UCID_NO_MEMORY : UCID_OK;
}

static ucid_status take_places(build *b, const ucid_network *n)
{
    b->places = build_take(b, (size_t)n->place_count, sizeof *b->places, "places");
    if (b->places == NULL) return UCID_NO_MEMORY;
    for (int64_t i = 0; i < n->place_count; i++) {
        ucid_status status = take_place(b, n, i, &b->places[i]);
        if (status != UCID_OK) return status;
    }
    b->place_count = (size_t)n->place_count;
    b->counts.places = b->place_count;
    return UCID_OK;
}

ucid_status build_network(build *b)
{
    const ucid_network *n = b->network;
    b->newest_timestamp = n->data_time;
    ucid_status status = check_shape(b, n);
    if (status == UCID_OK) status = take_nodes(b, n);
    if (status == UCID_OK) status = take_edges(b, n);
    if (status == UCID_OK) status = check_lengths(b, n);
    if (status == UCID_OK) status = take_places(b, n);
    return status;
}
