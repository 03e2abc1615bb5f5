/* zones_rings.c: taking zones in, ring by ring.
 *
 *     coordinates, or well-known binary --> corners on the plane of integers, and edges across longitude 180 apart */
#include "kernel/zones_build.h"

#include "rt/error.h"
#include "rt/memory.h"

#define HALF_TURN ((int64_t)ZONES_WIDTH / 2)

ucid_status ucid_zones_builder_new(const ucid_allocator *allocator, ucid_zones_builder **builder, ucid_error *error)
{
    ucid_allocator memory = ucid_allocator_or_default(allocator);
    ucid_zones_builder *made = ucid_allocate_zero(&memory, 1, sizeof *made);
    if (made == NULL) return ucid_fail_memory(error, "zones", sizeof *made);
    made->allocator = memory;
    *builder = made;
    return UCID_OK;
}

void ucid_zones_builder_free(ucid_zones_builder *self)
{
    if (self == NULL) return;
    ucid_allocator memory = self->allocator;
    ucid_release(&memory, self->corners, self->corner_capacity, sizeof *self->corners);
    ucid_release(&memory, self->rings, self->ring_capacity, sizeof *self->rings);
    ucid_release(&memory, self->turned, self->turned_capacity, sizeof *self->turned);
    wkb_rings_reset(&self->wkb, &memory);
    ucid_release(&memory, self, 1, sizeof *self);
}

static int push_corner(ucid_zones_builder *self, int64_t x, int64_t y)
{
    if (self->corner_count == self->corner_capacity) {
        void *corners = self->corners;
        if (!ucid_grow(&self->allocator, &corners, &self->corner_capacity, self->corner_count + 1, sizeof(corner))) {
            return 0;
        }
        self->corners = corners;
    }
    self->corners[self->corner_count++] = (corner){(uint32_t)x, (uint32_t)y};
    return 1;
}

static int push_turned(ucid_zones_builder *self, turned_edge e)
{
    if (e.ax < 0 && e.bx < 0) return 1; /* no ray meets it */
    void *turned = self->turned;
    if (!ucid_grow(&self->allocator, &turned, &self->turned_capacity, self->turned_count + 1, sizeof e)) return 0;
    self->turned = turned;
    self->turned[self->turned_count++] = e;
    return 1;
}

static int64_t lon_at(const double *lon, int64_t i) { return zones_e7(lon[i]) + HALF_TURN; }
static int64_t lat_at(const double *lat, int64_t i)
{
    int64_t y = zones_e7(lat[i]) + ZONES_HEIGHT / 2;
    return y < 0 ? 0 : y > ZONES_HEIGHT ? ZONES_HEIGHT : y;
}

/* Along a parallel all around: what a map that is cut at longitude 180 has there. */
static int goes_around(int64_t dx, int64_t dy) { return dy == 0 && (dx == 2 * HALF_TURN || dx == -2 * HALF_TURN); }

/* A ring none of whose edges crosses longitude 180. */
static int add_plain(ucid_zones_builder *self, int64_t n, const double *lat, const double *lon)
{
    size_t first = self->corner_count;
    for (int64_t i = 0; i <= n; i++) {
        int64_t x = lon_at(lon, i < n ? i : 0), y = lat_at(lat, i < n ? i : 0);
        if (self->corner_count > first) {
            const corner *last = &self->corners[self->corner_count - 1];
            if (last->x == x && last->y == y) continue;
            if (goes_around(x - last->x, y - last->y) && !push_corner(self, HALF_TURN, y)) return 0;
        }
        if (!push_corner(self, x, y)) return 0;
    }
    if (self->corner_count - first < 4) { /* a point or a line: nothing is inside */
        self->corner_count = first;
        return 1;
    }
    void *rings = self->rings;
    if (!ucid_grow(&self->allocator, &rings, &self->ring_capacity, self->ring_count + 1, sizeof(ring))) return 0;
    self->rings = rings;
    self->rings[self->ring_count++] = (ring){first, (int32_t)self->zone_count};
    return 1;
}

/* The edge from a corner to the next of a ring whose longitudes are unrolled: x of its start is *x. */
static turned_edge unroll(const double *lat, const double *lon, int64_t n, int64_t i, int64_t *x)
{
    int64_t next = i + 1 < n ? i + 1 : 0, step = lon_at(lon, next) - lon_at(lon, i);
    while (step > HALF_TURN) step -= 2 * HALF_TURN;
    while (step < -HALF_TURN) step += 2 * HALF_TURN;
    turned_edge e = {*x, lat_at(lat, i), *x + step, lat_at(lat, next), 0};
    *x += step;
    return e;
}

/* A ring across longitude 180, unrolled, with copies wherever one of them reaches into the plane. One that goes around
 * a pole is closed over the pole that is nearer to its mean latitude. 0: no memory; -1: more than one turn. */
static int add_turned(ucid_zones_builder *self, int64_t n, const double *lat, const double *lon)
{
    int64_t start = lon_at(lon, 0), x = start, west = x, east = x, count_north = 0;
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        turned_edge e = unroll(lat, lon, n, i, &x);
        west = e.bx < west ? e.bx : west, east = e.bx > east ? e.bx : east;
        sum += (double)(e.ay - (int64_t)(ZONES_HEIGHT / 2));
        if (east - west > 4 * HALF_TURN) return -1;
    }
    count_north = sum < 0 ? 0 : ZONES_HEIGHT;
    int64_t end = x;
    for (int64_t turn = -4 * 2 * HALF_TURN; turn <= 4 * 2 * HALF_TURN; turn += 2 * HALF_TURN) {
        if (east + turn < 0 || west + turn > 2 * HALF_TURN) continue;
        x = start + turn;
        for (int64_t i = 0; i < n; i++) {
            turned_edge e = unroll(lat, lon, n, i, &x);
            e.zone = (int32_t)self->zone_count;
            if (!push_turned(self, e)) return 0;
        }
        if (end == start) continue;
        int64_t y = lat_at(lat, 0);
        turned_edge up = {end + turn, y, end + turn, count_north, (int32_t)self->zone_count};
        turned_edge down = {start + turn, count_north, start + turn, y, (int32_t)self->zone_count};
        if (!push_turned(self, up) || !push_turned(self, down)) return 0;
    }
    return 1;
}

static int is_plain(int64_t n, const double *lat, const double *lon)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t next = i + 1 < n ? i + 1 : 0, x = lon_at(lon, i), dx = lon_at(lon, next) - x;
        if (x < 0 || x > 2 * HALF_TURN) return 0;
        if ((dx > HALF_TURN || dx < -HALF_TURN) && !goes_around(dx, lat_at(lat, next) - lat_at(lat, i))) return 0;
    }
    return 1;
}

ucid_status ucid_zones_builder_add(ucid_zones_builder *self, int64_t ring_count, const int64_t *ring_corners,
                                   const double *lat_deg, const double *lon_deg, ucid_error *error)
{
    if (self == NULL || ring_count < 0 ||
        (ring_count > 0 && (ring_corners == NULL || lat_deg == NULL || lon_deg == NULL))) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "a zone needs rings with corners");
    }
    if (self->zone_count >= ZONES_MAX) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "more than %d zones", (int)ZONES_MAX);
    }
    int64_t corners = 0;
    for (int64_t r = 0; r < ring_count; r++) {
        if (ring_corners[r] < 0) {
            return ucid_fail(error, UCID_INVALID_ARGUMENT, "zone %lld: ring %lld has %lld corners",
                             (long long)self->zone_count, (long long)r, (long long)ring_corners[r]);
        }
        corners += ring_corners[r];
    }
    for (int64_t i = 0; i < corners; i++) {
        if (!(lat_deg[i] >= -90.000001 && lat_deg[i] <= 90.000001 && lon_deg[i] >= -360 && lon_deg[i] <= 360)) {
            return ucid_fail(error, UCID_INVALID_ARGUMENT,
                             "zone %lld: corner %lld at latitude %.9g, longitude %.9g is not within 90 and 360 degrees",
                             (long long)self->zone_count, (long long)i, lat_deg[i], lon_deg[i]);
        }
    }
    size_t corner_count = self->corner_count, rings = self->ring_count, turned = self->turned_count;
    int done = 1;
    for (int64_t r = 0, first = 0; r < ring_count && done > 0; first += ring_corners[r++]) {
        int64_t n = ring_corners[r];
        const double *lat = lat_deg + first, *lon = lon_deg + first;
        if (n < 3) continue;
        done = is_plain(n, lat, lon) ? add_plain(self, n, lat, lon) : add_turned(self, n, lat, lon);
    }
    if (done > 0 && (uint64_t)self->corner_count + self->turned_count < UINT32_MAX) {
        self->zone_count++;
        self->vertex_count += corners;
        return UCID_OK;
    }
    self->corner_count = corner_count, self->ring_count = rings, self->turned_count = turned;
    if (done > 0) return ucid_fail(error, UCID_INVALID_ARGUMENT, "zones have more than 2^32 corners");
    if (done < 0) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "zone %lld: a ring goes more than once around the globe",
                         (long long)self->zone_count);
    }
    return ucid_fail_memory(error, "corners of zones", self->corner_count * sizeof(corner));
}

ucid_status ucid_zones_builder_add_wkb(ucid_zones_builder *self, const void *wkb, size_t length, ucid_error *error)
{
    if (self == NULL || (wkb == NULL && length > 0)) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "a zone needs a geometry");
    }
    wkb_rings *rings = &self->wkb;
    rings->ring_count = rings->corner_count = 0;
    ucid_status status = wkb_read(wkb, length, &self->allocator, rings, error);
    if (status != UCID_OK) return status;
    return ucid_zones_builder_add(self, (int64_t)rings->ring_count, rings->corners, rings->y, rings->x, error);
}
