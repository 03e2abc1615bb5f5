/* Streets for the map: every edge of the index that meets the view, on a grid of 1e-5 degrees (a metre), without the
 * points that lie within a metre of the line (Douglas-Peucker), written as differences in as few bytes as they need:
 * about six bytes a street. */
#include "map.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct line {
    double *lat_deg, *lon_deg;
    int32_t *x, *y;
    uint8_t *keep;
    int64_t *stack; /* pairs of ends still to be looked between */
    int64_t capacity;
} line;

static int line_reserve(line *buffer, int64_t needed)
{
    if (needed <= buffer->capacity) return 1;
    size_t n = (size_t)needed * 2;
    void *lat = realloc(buffer->lat_deg, n * sizeof *buffer->lat_deg);
    if (lat != NULL) buffer->lat_deg = lat;
    void *lon = realloc(buffer->lon_deg, n * sizeof *buffer->lon_deg);
    if (lon != NULL) buffer->lon_deg = lon;
    void *x = realloc(buffer->x, n * sizeof *buffer->x);
    if (x != NULL) buffer->x = x;
    void *y = realloc(buffer->y, n * sizeof *buffer->y);
    if (y != NULL) buffer->y = y;
    void *keep = realloc(buffer->keep, n);
    if (keep != NULL) buffer->keep = keep;
    void *stack = realloc(buffer->stack, 2 * n * sizeof *buffer->stack);
    if (stack != NULL) buffer->stack = stack;
    if (lat == NULL || lon == NULL || x == NULL || y == NULL || keep == NULL || stack == NULL) return 0;
    buffer->capacity = (int64_t)n;
    return 1;
}

static void line_free(line *buffer)
{
    free(buffer->lat_deg);
    free(buffer->lon_deg);
    free(buffer->x);
    free(buffer->y);
    free(buffer->keep);
    free(buffer->stack);
}

/* Squared distance of point i from the straight line between points a and b, in grid units. */
static double distance2(const line *buffer, int64_t i, int64_t a, int64_t b)
{
    double dx = (double)buffer->x[b] - buffer->x[a];
    double dy = (double)buffer->y[b] - buffer->y[a];
    double px = (double)buffer->x[i] - buffer->x[a];
    double py = (double)buffer->y[i] - buffer->y[a];
    double length2 = dx * dx + dy * dy;
    double t = length2 > 0 ? (px * dx + py * dy) / length2 : 0;
    t = t < 0 ? 0 : t > 1 ? 1 : t;
    double ex = px - t * dx;
    double ey = py - t * dy;
    return ex * ex + ey * ey;
}

/* Mark the points to keep of n >= 2. */
static void simplify(line *buffer, int64_t n)
{
    memset(buffer->keep, 0, (size_t)n);
    buffer->keep[0] = buffer->keep[n - 1] = 1;
    buffer->stack[0] = 0;
    buffer->stack[1] = n - 1;
    for (int64_t depth = 1; depth > 0;) {
        depth--;
        int64_t a = buffer->stack[2 * depth];
        int64_t b = buffer->stack[2 * depth + 1];
        int64_t farthest = -1;
        double most = 1.0;
        for (int64_t i = a + 1; i < b; i++) {
            double d = distance2(buffer, i, a, b);
            if (d > most) {
                most = d;
                farthest = i;
            }
        }
        if (farthest < 0) continue;
        buffer->keep[farthest] = 1;
        const int64_t ends[] = {a, farthest, farthest, b};
        memcpy(&buffer->stack[2 * depth], ends, sizeof ends);
        depth += 2;
    }
}

static void number_put(map_streets *streets, int rank, uint64_t value)
{
    uint8_t *at = &streets->bytes[rank][streets->length[rank]];
    for (; value >= 128; value >>= 7) *at++ = (uint8_t)(value | 128);
    *at++ = (uint8_t)value;
    streets->length[rank] = (size_t)(at - streets->bytes[rank]);
}

static uint64_t zigzag(int64_t step) { return step >= 0 ? 2 * (uint64_t)step : 2 * (uint64_t)-step - 1; }

static int line_put(const line *buffer, int64_t n, int rank, int32_t last[2], map_streets *streets)
{
    size_t needed = streets->length[rank] + 10 * (2 * (size_t)n + 1);
    if (needed > streets->capacity[rank]) {
        uint8_t *bytes = realloc(streets->bytes[rank], 2 * needed);
        if (bytes == NULL) return 0;
        streets->bytes[rank] = bytes;
        streets->capacity[rank] = 2 * needed;
    }
    int64_t kept = 0;
    for (int64_t i = 0; i < n; i++) kept += buffer->keep[i];
    number_put(streets, rank, (uint64_t)kept);
    for (int64_t i = 0; i < n; i++) {
        if (!buffer->keep[i]) continue;
        number_put(streets, rank, zigzag((int64_t)buffer->x[i] - last[0]));
        number_put(streets, rank, zigzag((int64_t)buffer->y[i] - last[1]));
        last[0] = buffer->x[i];
        last[1] = buffer->y[i];
    }
    return 1;
}

/* Read street `number` into the buffer; the number of its points, 0 where it misses the box, -1 where memory is out. */
static int64_t street_read(const ucid_index *index, uint64_t number, const double box[4], line *buffer, int *rank)
{
    int64_t n = ucid_index_street_get(index, number, buffer->capacity, buffer->lat_deg, buffer->lon_deg, rank);
    if (n > buffer->capacity) {
        if (!line_reserve(buffer, n)) return -1;
        n = ucid_index_street_get(index, number, buffer->capacity, buffer->lat_deg, buffer->lon_deg, rank);
    }
    double south = INFINITY, west = INFINITY, north = -INFINITY, east = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        south = fmin(south, buffer->lat_deg[i]);
        north = fmax(north, buffer->lat_deg[i]);
        west = fmin(west, buffer->lon_deg[i]);
        east = fmax(east, buffer->lon_deg[i]);
    }
    /* The rows and the index may count longitudes on different sides of the antimeridian. */
    double turn = west - box[3] > 180 ? -360 : box[1] - east > 180 ? 360 : 0;
    for (int64_t i = 0; i < n; i++) buffer->lon_deg[i] += turn;
    int meets = n > 1 && north >= box[0] && south <= box[2] && east + turn >= box[1] && west + turn <= box[3];
    return meets ? n : 0;
}

int map_streets_pack(const ucid_index *index, const double box[4], map_streets *streets)
{
    memset(streets, 0, sizeof *streets);
    streets->lat_deg = box[0];
    streets->lon_deg = box[1];
    ucid_index_info info;
    ucid_index_info_get(index, &info);
    line buffer = {0};
    int32_t last[UCID_STREET_RANKS][2] = {{0}};
    int done = line_reserve(&buffer, 256);
    for (uint64_t number = 0; done && number < info.edge_count; number++) {
        int rank = 0;
        int64_t n = street_read(index, number, box, &buffer, &rank);
        if (n < 0) done = 0;
        if (n <= 0) continue;
        for (int64_t i = 0; i < n; i++) {
            buffer.x[i] = (int32_t)lround((buffer.lon_deg[i] - box[1]) / MAP_STREET_UNIT);
            buffer.y[i] = (int32_t)lround((buffer.lat_deg[i] - box[0]) / MAP_STREET_UNIT);
        }
        simplify(&buffer, n);
        done = line_put(&buffer, n, rank, last[rank], streets);
    }
    line_free(&buffer);
    if (!done) map_streets_free(streets);
    return done;
}

int map_streets_fit(map_streets *streets, size_t bytes)
{
    size_t total = 0;
    for (int rank = 0; rank < UCID_STREET_RANKS; rank++) total += streets->length[rank];
    int left_out = 0;
    for (; total > bytes && left_out < UCID_STREET_RANKS; left_out++) {
        total -= streets->length[left_out];
        streets->length[left_out] = 0;
    }
    return left_out;
}

void map_streets_free(map_streets *streets)
{
    for (int rank = 0; rank < UCID_STREET_RANKS; rank++) free(streets->bytes[rank]);
    memset(streets, 0, sizeof *streets);
}
