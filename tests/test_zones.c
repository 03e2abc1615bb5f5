/* Zones by brute force: every place against every edge of every zone, in integers, without any grid. */
#include "ucid.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CORNERS_MAX = 4096, ZONES = 512 };

/* Zones as the tests make them: each a list of rings of corners in 1e-7 degrees. */
typedef struct town {
    int zone_count, ring_count, corner_count;
    int ring_zone[2048], ring_first[2049];
    int32_t *x, *y;
} town;

static uint64_t random_state = 1;

static uint64_t random_bits(void)
{
    uint64_t x = random_state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}
static int32_t random_below(int64_t n) { return (int32_t)(random_bits() % (uint64_t)n); }

static town *town_new(void)
{
    town *t = calloc(1, sizeof *t);
    t->x = malloc(sizeof(int32_t) * (1 << 20)), t->y = malloc(sizeof(int32_t) * (1 << 20));
    return t;
}

static void town_free(town *t) { free(t->x), free(t->y), free(t); }

static void begin_ring(town *t) /* of zone zone_count */
{
    t->ring_zone[t->ring_count] = t->zone_count;
    t->ring_first[t->ring_count++] = t->corner_count;
    t->ring_first[t->ring_count] = t->corner_count;
}

static void put(town *t, int64_t x, int64_t y)
{
    t->x[t->corner_count] = (int32_t)x, t->y[t->corner_count] = (int32_t)y;
    t->ring_first[t->ring_count] = ++t->corner_count;
}

static ucid_zones *compile(const town *t, int threads)
{
    ucid_zones_builder *builder = NULL;
    assert_int_equal(ucid_zones_builder_new(NULL, &builder, NULL), UCID_OK);
    double *lat = malloc(sizeof *lat * (size_t)(t->corner_count + 1)),
           *lon = malloc(sizeof *lon * (size_t)(t->corner_count + 1));
    for (int i = 0; i < t->corner_count; i++) lat[i] = t->y[i] / 1e7, lon[i] = t->x[i] / 1e7;
    int ring = 0;
    for (int zone = 0; zone < t->zone_count; zone++) {
        int64_t corners[2048], count = 0;
        int first = t->ring_first[ring];
        for (; ring < t->ring_count && t->ring_zone[ring] == zone; ring++) {
            corners[count++] = t->ring_first[ring + 1] - t->ring_first[ring];
        }
        assert_int_equal(ucid_zones_builder_add(builder, count, corners, lat + first, lon + first, NULL), UCID_OK);
    }
    ucid_zones *zones = NULL;
    assert_int_equal(ucid_zones_build(builder, threads, &zones, NULL), UCID_OK);
    assert_int_equal(ucid_zones_count(zones), t->zone_count);
    ucid_zones_builder_free(builder);
    free(lat), free(lon);
    return zones;
}

/* Does the ray east from the place, moved by (e, e^2), cross the edge? */
static int crosses(int64_t ax, int64_t ay, int64_t bx, int64_t by, int64_t x, int64_t y)
{
    if ((ay <= y) == (by <= y)) return 0;
    __int128 side = (__int128)(bx - ax) * (y - ay) - (__int128)(by - ay) * (x - ax);
    return by > ay ? side > 0 : side < 0;
}

/* Is the place in the zone? Rings lie as they are, and a turn to either side. */
static int is_inside(const town *t, int zone, int64_t x, int64_t y)
{
    int inside = 0;
    if (x == 1800000000) x = -1800000000;
    if (y == 900000000) y--;
    for (int r = 0; r < t->ring_count; r++) {
        if (t->ring_zone[r] != zone) continue;
        int first = t->ring_first[r], end = t->ring_first[r + 1];
        for (int64_t turn = -7200000000; turn <= 7200000000; turn += 3600000000) {
            int64_t at = t->x[first] + turn, sum = 0;
            for (int i = first; i < end; i++) {
                int next = i + 1 < end ? i + 1 : first;
                int64_t step = (int64_t)t->x[next] - t->x[i];
                int around = t->y[i] == t->y[next] && (step == 3600000000 || step == -3600000000);
                if (step > 1800000000 && !around) step -= 3600000000;
                if (step < -1800000000 && !around) step += 3600000000;
                inside ^= crosses(at, t->y[i], at + step, t->y[next], x, y);
                at += step, sum += t->y[i];
            }
            int64_t pole = sum < 0 ? -900000000 : 900000000;
            if (at == t->x[first] + turn) continue;
            inside ^= crosses(at, t->y[first], at, pole, x, y);
            inside ^= crosses(t->x[first] + turn, t->y[first], t->x[first] + turn, pole, x, y);
        }
    }
    return inside;
}

/* Every place of the list: all zones, and the first, are those of brute force. */
static void check_places(const town *t, const ucid_zones *zones, int n, const int32_t *x, const int32_t *y)
{
    double *lat = malloc(sizeof *lat * (size_t)n), *lon = malloc(sizeof *lon * (size_t)n);
    int32_t *first = malloc(sizeof *first * (size_t)n);
    int64_t *offsets = malloc(sizeof *offsets * ((size_t)n + 1));
    for (int i = 0; i < n; i++) lat[i] = y[i] / 1e7, lon[i] = x[i] / 1e7;
    assert_int_equal(ucid_zones_within(zones, n, lat, lon, NULL, 1, first, NULL, NULL), UCID_OK);
    assert_int_equal(ucid_zones_within_all(zones, n, lat, lon, NULL, 2, offsets, NULL, 0, NULL, NULL), UCID_OK);
    int32_t *all = malloc(sizeof *all * (size_t)(offsets[n] + 1));
    assert_int_equal(ucid_zones_within_all(zones, n, lat, lon, NULL, 2, offsets, all, offsets[n], NULL, NULL), UCID_OK);
    for (int i = 0; i < n; i++) {
        int64_t at = offsets[i];
        int32_t expected = -1;
        for (int zone = 0; zone < t->zone_count; zone++) {
            if (!is_inside(t, zone, x[i], y[i])) continue;
            if (expected < 0) expected = zone;
            if (at >= offsets[i + 1] || all[at++] != zone)
                fail_msg("place %d %d: zone %d is missing", x[i], y[i], zone);
        }
        if (at != offsets[i + 1]) fail_msg("place %d %d: %d is one too many", x[i], y[i], all[at]);
        if (first[i] != expected) fail_msg("place %d %d: %d, not %d, is first", x[i], y[i], first[i], expected);
    }
    free(lat), free(lon), free(first), free(offsets), free(all);
}

/* Rings of a few corners on a lattice of a few points: most places are on an edge or level with a corner. */
static void test_crowded_lattices(void **state)
{
    (void)state;
    for (int round = 0; round < 400; round++) {
        town *t = town_new();
        int side = 3 + random_below(30), scale = 1 + (round % 3 == 0) * random_below(2000);
        int x0 = round % 2 ? -side / 2 : 289000000, y0 = round % 2 ? -side / 2 : 410000000;
        for (t->zone_count = 0; t->zone_count < 1 + round % 24; t->zone_count++) {
            for (int rings = random_below(4); rings > 0; rings--) {
                begin_ring(t);
                for (int k = 3 + random_below(round % 5 == 0 ? 60 : 6); k > 0; k--) {
                    put(t, x0 + random_below(side) * scale, y0 + random_below(side) * scale);
                }
            }
        }
        ucid_zones *zones = compile(t, 1 + round % 3);
        int n = 0, capacity = (side + 2) * (side + 2);
        int32_t *x = malloc(sizeof *x * (size_t)capacity), *y = malloc(sizeof *y * (size_t)capacity);
        for (int k = -1; k <= side; k++) {
            for (int i = -1; i <= side; i++) x[n] = x0 + i * scale, y[n++] = y0 + k * scale;
        }
        check_places(t, zones, n, x, y);
        for (int k = 0; scale > 1 && k < n; k++) x[k] += random_below(scale), y[k] += random_below(scale);
        check_places(t, zones, n, x, y);
        ucid_zones_close(zones);
        free(x), free(y);
        town_free(t);
    }
}

/* Coordinates all over the globe, of corners on a lattice of 15 degrees: poles, longitude 180, rings around a pole. */
static void test_the_globe(void **state)
{
    (void)state;
    for (int round = 0; round < 150; round++) {
        town *t = town_new();
        for (t->zone_count = 0; t->zone_count < 12; t->zone_count++) {
            begin_ring(t);
            int kind = random_below(4), n = 3 + random_below(6);
            int64_t x = -1800000000 + 150000000 * (int64_t)random_below(25);
            for (int k = 0; k < n; k++) {
                int64_t y = -900000000 + 150000000 * (int64_t)random_below(13);
                if (kind == 0) x = -1800000000 + 3600000000 / n * k; /* around a pole */
                put(t, x, y);
                x += 150000000 * (int64_t)(random_below(kind == 1 ? 9 : 5) - 2);
                if (x > 1800000000) x -= 3600000000;
                if (x < -1800000000) x += 3600000000;
            }
        }
        begin_ring(t); /* the whole world, as maps that end at longitude 180 have it */
        put(t, -1800000000, -900000000), put(t, 1800000000, -900000000);
        put(t, 1800000000, 900000000), put(t, -1800000000, 900000000);
        t->zone_count++;
        ucid_zones *zones = compile(t, 2);
        int32_t x[1500], y[1500];
        for (int k = 0; k < 1500; k++) {
            x[k] = (int32_t)(-1800000000 + 150000000 * (int64_t)random_below(25));
            y[k] = (int32_t)(-900000000 + 150000000 * (int64_t)random_below(13));
            if (k % 3 == 0) x[k] = (int32_t)(-1800000000 + (int64_t)(random_bits() % 3600000001));
            if (k % 3 == 1) y[k] = (int32_t)(-900000000 + (int64_t)(random_bits() % 1800000001));
        }
        check_places(t, zones, 1500, x, y);
        ucid_zones_close(zones);
        town_free(t);
    }
}

/* A tessellation: every place in exactly one zone, corners and borders too. */
static void test_every_place_is_in_one_zone(void **state)
{
    (void)state;
    enum { SIDE = 9, STEP = 40000 };
    int32_t node_x[SIDE + 1][SIDE + 1], node_y[SIDE + 1][SIDE + 1];
    for (int i = 0; i <= SIDE; i++) {
        for (int k = 0; k <= SIDE; k++) {
            int inner = i > 0 && k > 0 && i < SIDE && k < SIDE;
            node_x[i][k] = k * STEP + inner * random_below(STEP / 3),
            node_y[i][k] = i * STEP + inner * random_below(STEP / 3);
        }
    }
    town *t = town_new();
    for (t->zone_count = 0; t->zone_count < SIDE * SIDE; t->zone_count++) {
        int i = t->zone_count / SIDE, k = t->zone_count % SIDE;
        begin_ring(t);
        put(t, node_x[i][k], node_y[i][k]), put(t, node_x[i][k + 1], node_y[i][k + 1]);
        put(t, node_x[i + 1][k + 1], node_y[i + 1][k + 1]), put(t, node_x[i + 1][k], node_y[i + 1][k]);
    }
    ucid_zones *zones = compile(t, 2);
    enum { N = 4000 };
    double lat[N], lon[N];
    int64_t offsets[N + 1];
    for (int n = 0; n < N; n++) {
        int i = random_below(SIDE), k = random_below(SIDE);
        lat[n] = random_below((int64_t)SIDE * STEP) / 1e7, lon[n] = random_below((int64_t)SIDE * STEP) / 1e7;
        if (n % 4 == 0) lat[n] = node_y[i][k] / 1e7, lon[n] = node_x[i][k] / 1e7;
        if (n % 4 == 1) lat[n] = node_y[i][k] / 1e7;
        if (n % 4 == 2 && i > 0) { /* on a border, where a place of the lattice is */
            lat[n] = (node_y[i][k] + node_y[i][k + 1]) / 2e7, lon[n] = (node_x[i][k] + node_x[i][k + 1]) / 2e7;
        }
    }
    assert_int_equal(ucid_zones_within_all(zones, N, lat, lon, NULL, 1, offsets, NULL, 0, NULL, NULL), UCID_OK);
    for (int n = 0; n < N; n++) assert_int_equal(offsets[n + 1], n + 1);
    ucid_zones_close(zones);
    town_free(t);
}

static town *rough_town(int zone_count, int corners)
{
    town *t = town_new();
    for (t->zone_count = 0; t->zone_count < zone_count; t->zone_count++) {
        double x = 20e7 + random_below(20000000), y = 50e7 + random_below(10000000),
               radius = 3e5 + random_below(2000000);
        begin_ring(t);
        for (int k = 0; k < corners; k++) {
            double r = radius * (0.7 + 0.3 * random_below(1000) / 1000), angle = 6.283185307179586 * k / corners;
            put(t, (int64_t)(x + r * cos(angle)), (int64_t)(y + r * sin(angle)));
        }
    }
    return t;
}

static void test_rough_zones_overlap(void **state)
{
    (void)state;
    town *t = rough_town(60, 700);
    ucid_zones *zones = compile(t, 2);
    enum { N = 3000 };
    int32_t x[N], y[N];
    for (int k = 0; k < N; k++) {
        x[k] = 197000000 + random_below(26000000), y[k] = 497000000 + random_below(16000000);
        if (k % 2) x[k] = t->x[random_below(t->corner_count)] + random_below(3) - 1;
        if (k % 4 > 1) y[k] = t->y[random_below(t->corner_count)];
    }
    check_places(t, zones, N, x, y);
    ucid_zones_close(zones);
    town_free(t);
}

static char *read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *length = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*length);
    assert_int_equal(fread(bytes, 1, *length, file), *length);
    fclose(file);
    return bytes;
}

static void test_files_are_the_same_for_any_number_of_threads(void **state)
{
    (void)state;
    town *t = rough_town(40, 900);
    size_t length[3];
    char *bytes[3];
    for (int k = 0; k < 3; k++) {
        ucid_zones *zones = compile(t, k == 0 ? 1 : k == 1 ? 2 : 7);
        assert_int_equal(ucid_zones_write(zones, "zones.tmp", NULL), UCID_OK);
        ucid_zones_close(zones);
        bytes[k] = read_file("zones.tmp", &length[k]);
        assert_int_equal(length[k], length[0]);
        assert_memory_equal(bytes[k], bytes[0], length[0]);
    }
    ucid_zones *zones = NULL;
    assert_int_equal(ucid_zones_open("zones.tmp", NULL, &zones, NULL), UCID_OK);
    int32_t x[500], y[500];
    for (int k = 0; k < 500; k++) x[k] = 197000000 + random_below(26000000), y[k] = 497000000 + random_below(16000000);
    check_places(t, zones, 500, x, y);
    ucid_zones_close(zones);

    for (int k = 0; k < 200; k++) { /* a changed byte is found; a cut file too */
        FILE *file = fopen("zones.tmp", "wb");
        size_t at = (size_t)(random_bits() % length[0]), size = k % 4 == 0 ? at : length[0];
        bytes[0][at] = (char)(bytes[0][at] ^ 16);
        fwrite(bytes[0], 1, size, file);
        fclose(file);
        ucid_error error;
        ucid_status status = ucid_zones_open("zones.tmp", NULL, &zones, &error);
        assert_true(status == UCID_INDEX_CORRUPT || status == UCID_INDEX_FORMAT || (size == 0 && status != UCID_OK));
        bytes[0][at] = (char)(bytes[0][at] ^ 16);
    }
    remove("zones.tmp");
    for (int k = 0; k < 3; k++) free(bytes[k]);
    town_free(t);
}

static double haversine_m(double lat1, double lon1, double lat2, double lon2)
{
    double radian = acos(-1) / 180, a = sin((lat2 - lat1) * radian / 2), b = sin((lon2 - lon1) * radian / 2);
    double square = a * a + cos(lat1 * radian) * cos(lat2 * radian) * b * b;
    return 2 * 6371000.0 * asin(sqrt(square < 1 ? square : 1));
}

/* Metres to an edge by trisection: the distance has one minimum on an edge of a few kilometres. */
static double to_edge_m(double lat, double lon, double ay, double ax, double by, double bx)
{
    double low = 0, high = 1;
    for (int k = 0; k < 100; k++) {
        double a = low + (high - low) / 3, b = high - (high - low) / 3;
        if (haversine_m(lat, lon, ay + a * (by - ay), ax + a * (bx - ax)) <
            haversine_m(lat, lon, ay + b * (by - ay), ax + b * (bx - ax))) {
            high = b;
        } else {
            low = a;
        }
    }
    return haversine_m(lat, lon, ay + low * (by - ay), ax + low * (bx - ax));
}

static void test_nearest_by_trisection(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        town *t = rough_town(12, 60);
        ucid_zones *zones = compile(t, 1);
        enum { N = 150 };
        double lat[N], lon[N], dist[N], limit = round == 0 ? 300000 : round == 1 ? 20000 : 500;
        int32_t zone[N], inside[N];
        uint8_t status[N];
        for (int k = 0; k < N; k++)
            lat[k] = 49 + random_below(30000000) / 1e7, lon[k] = 19 + random_below(40000000) / 1e7;
        lat[7] = NAN;
        assert_int_equal(ucid_zones_within(zones, N, lat, lon, NULL, 1, inside, NULL, NULL), UCID_OK);
        assert_int_equal(ucid_zones_nearest(zones, N, lat, lon, NULL, limit, 2, zone, dist, status, NULL), UCID_OK);
        assert_int_equal(status[7], UCID_INVALID_COORDINATES);
        for (int k = 0; k < N; k++) {
            if (k == 7) continue;
            if (inside[k] >= 0) {
                assert_int_equal(zone[k], inside[k]);
                assert_true(dist[k] == 0);
                continue;
            }
            double best = INFINITY;
            for (int r = 0; r < t->ring_count; r++) {
                for (int i = t->ring_first[r]; i < t->ring_first[r + 1]; i++) {
                    int next = i + 1 < t->ring_first[r + 1] ? i + 1 : t->ring_first[r];
                    double d =
                        to_edge_m(lat[k], lon[k], t->y[i] / 1e7, t->x[i] / 1e7, t->y[next] / 1e7, t->x[next] / 1e7);
                    if (d < best) best = d;
                }
            }
            if (best > limit * 1.00001) {
                assert_int_equal(zone[k], -1);
                assert_true(isnan(dist[k]));
            } else if (best < limit * 0.99999) {
                assert_true(zone[k] >= 0);
                if (!(fabs(dist[k] - best) <= 1e-5 * best + 1e-3)) fail_msg("%f, not %f", dist[k], best);
            }
        }
        ucid_zones_close(zones);
        town_free(t);
    }
}

static void test_well_known_binary(void **state)
{
    (void)state;
    static const unsigned char square[] = {1, 3, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0};
    unsigned char wkb[13 + 48];
    double corners[6] = {0, 0, 8, 0, 0, 8};
    memcpy(wkb, square, 13);
    memcpy(wkb + 13, corners, 48);
    ucid_zones_builder *builder = NULL;
    ucid_error error;
    assert_int_equal(ucid_zones_builder_new(NULL, &builder, NULL), UCID_OK);
    assert_int_equal(ucid_zones_builder_add_wkb(builder, wkb, 0, NULL), UCID_OK); /* an empty one */
    assert_int_equal(ucid_zones_builder_add_wkb(builder, wkb, sizeof wkb, NULL), UCID_OK);
    unsigned char many[9 + 2 * sizeof wkb] = {0, 0, 0, 0, 6, 0, 0, 0, 2}; /* other byte order outside, twice the same */
    memcpy(many + 9, wkb, sizeof wkb), memcpy(many + 9 + sizeof wkb, wkb, sizeof wkb);
    assert_int_equal(ucid_zones_builder_add_wkb(builder, many, sizeof many, NULL), UCID_OK);
    for (size_t length = 1; length < sizeof many; length++) {
        char *copy = malloc(length); /* so that a sanitizer sees what lies beyond */
        memcpy(copy, many, length);
        assert_int_equal(ucid_zones_builder_add_wkb(builder, copy, length, &error), UCID_DATA_ERROR);
        free(copy);
    }
    wkb[1] = 2;
    assert_int_equal(ucid_zones_builder_add_wkb(builder, wkb, sizeof wkb, &error), UCID_DATA_ERROR);
    assert_non_null(strstr(error.message, "not an area"));
    ucid_zones *zones = NULL;
    assert_int_equal(ucid_zones_build(builder, 1, &zones, NULL), UCID_OK);
    ucid_zones_builder_free(builder);
    double lat[3] = {1, 5, 1}, lon[3] = {1, 5, 179};
    const uint8_t validity = 3;
    int32_t zone[3];
    uint8_t status[3];
    assert_int_equal(ucid_zones_within(zones, 3, lat, lon, &validity, 1, zone, status, NULL), UCID_OK);
    assert_int_equal(zone[0], 1); /* twice around, in zone 2, is outside */
    assert_int_equal(zone[1], -1);
    assert_int_equal(zone[2], -1);
    assert_int_equal(status[2], UCID_NULL_INPUT);
    ucid_zones_close(zones);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_crowded_lattices),
                                       cmocka_unit_test(test_the_globe),
                                       cmocka_unit_test(test_every_place_is_in_one_zone),
                                       cmocka_unit_test(test_rough_zones_overlap),
                                       cmocka_unit_test(test_files_are_the_same_for_any_number_of_threads),
                                       cmocka_unit_test(test_nearest_by_trisection),
                                       cmocka_unit_test(test_well_known_binary)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
