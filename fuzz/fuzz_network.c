/* fuzz_network.c: bytes as a network in arrays. What is refused says why; what is built passes its check, holds every
 * number within its bounds and gives each place a score or a status. */
#include "ucid.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NODES = 48, EDGES = 96, PLACES = 24, QUERIES = 16 };

typedef struct bytes {
    const uint8_t *data;
    size_t left;
} bytes;

static void require(int holds)
{
    if (!holds) abort();
}

/* The next bytes; zeros behind the last. */
static void next(bytes *from, void *to, size_t count)
{
    size_t some = count < from->left ? count : from->left;
    memset(to, 0, count);
    if (some > 0) memcpy(to, from->data, some);
    from->data += some;
    from->left -= some;
}

/* Degrees around 60 N, 180 E within seven kilometres, or, rarely, any double. */
static double degrees(bytes *from, int any, double around)
{
    int16_t near;
    double value;
    next(from, any ? (void *)&value : (void *)&near, any ? sizeof value : sizeof near);
    if (any) return value;
    value = around + near * 2e-6;
    return value > 180.0 ? value - 360.0 : value;
}

static void use(const char *path, double *lat, double *lon)
{
    double score[QUERIES], nearest_m[QUERIES];
    uint8_t status[QUERIES];
    ucid_scores out = {.score = score, .status = status};
    out.nearest_m[0] = nearest_m;
    ucid_index *index = NULL;
    ucid_error error;
    require(ucid_index_open(path, NULL, &index, &error) == UCID_OK && ucid_index_check(index, &error) == UCID_OK);
    require(ucid_score(index, QUERIES, lat, lon, NULL, NULL, &out, &error) == UCID_OK);
    for (int i = 0; i < QUERIES; i++) {
        if (status[i] == UCID_OK || status[i] == UCID_ISLAND || status[i] == UCID_NEAR_BOUNDARY) {
            require(score[i] >= 0 && score[i] <= 100);
            require(!(nearest_m[i] < 0) && !(nearest_m[i] > 1200));
        }
    }
    ucid_index_close(index);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char path[] = "/tmp/fuzz_network.XXXXXX";
    static int file = -1;
    static const char *const tags[] = {"shop=bakery",      "shop=supermarket", "amenity=school", "leisure=park",
                                       "highway=bus_stop", "tourism=museum",   "shop=boutique",  ""};
    if (file < 0) {
        file = mkstemp(path);
        require(file >= 0);
    }
    bytes from = {data, size};
    uint8_t head[5];
    next(&from, head, sizeof head);
    double node_lat[NODES], node_lon[NODES], metres[EDGES], place_lat[PLACES], place_lon[PLACES];
    int64_t ends[2][EDGES];
    uint8_t rank[EDGES], end[NODES];
    char text[PLACES * 32];
    int32_t offsets[PLACES + 1] = {0};
    ucid_network n = UCID_NETWORK_INIT;
    n.node_count = head[0] % (NODES + 1);
    n.edge_count = head[1] % (EDGES + 1);
    n.place_count = head[2] % (PLACES + 1);
    int any = head[3] > 250;
    for (int i = 0; i < n.node_count; i++) {
        node_lat[i] = degrees(&from, any, 60.0);
        node_lon[i] = degrees(&from, any, 180.0);
        end[i] = (uint8_t)(head[4] >> 4 == 1 + i % 16);
    }
    for (int i = 0; i < n.edge_count; i++) {
        int8_t pair[2];
        uint16_t length;
        next(&from, pair, sizeof pair);
        next(&from, &length, sizeof length);
        ends[0][i] = pair[0];
        ends[1][i] = pair[1];
        metres[i] = length / 7.0;
        rank[i] = (uint8_t)(length % UCID_STREET_RANKS);
    }
    for (int i = 0; i < n.place_count; i++) {
        uint8_t tag;
        place_lat[i] = degrees(&from, any, 60.0);
        place_lon[i] = degrees(&from, any, 180.0);
        next(&from, &tag, 1);
        const char *of = tags[tag < 250 ? tag % 6 : tag % 8];
        memcpy(text + offsets[i], of, strlen(of));
        offsets[i + 1] = offsets[i] + (int32_t)strlen(of);
    }
    n.node_lat_deg = node_lat;
    n.node_lon_deg = node_lon;
    n.edge_from = ends[0];
    n.edge_to = ends[1];
    n.place_lat_deg = place_lat;
    n.place_lon_deg = place_lon;
    n.place_tag = (ucid_texts){.data = text, .offsets = offsets};
    if (head[3] & 1) n.edge_m = metres;
    if (head[3] & 2) n.edge_rank = rank;
    if (head[3] & 4) n.node_end = end;
    if (head[3] & 8) n.place_name = n.place_tag;
    ucid_build_options options = UCID_BUILD_OPTIONS_INIT;
    options.threads = 1 + (head[4] & 1);
    ucid_error error = {.status = UCID_OK};
    ucid_status status = ucid_index_build_network(&n, path, &options, &error);
    if (status != UCID_OK) {
        require(error.status == status && error.message[0] != '\0');
        return 0;
    }
    double lat[QUERIES], lon[QUERIES];
    for (int i = 0; i < QUERIES; i++) {
        lat[i] = node_lat[i % n.node_count] + 1e-4 * (i / 4);
        lon[i] = node_lon[(i + i / 3) % n.node_count];
    }
    use(path, lat, lon);
    return 0;
}
