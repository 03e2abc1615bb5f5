/* wkb.c: a geometry is its byte order, its kind and what the kind says; counts are believed only as far as bytes
 * follow. Kinds: 3 polygon, 6 multipolygon, 7 collection; Z, M: kind + 1000, 2000, 3000 (ISO) or the top bits
 * (PostGIS), of which one announces an SRID. */
#include "read/wkb.h"

#include "rt/error.h"
#include "rt/memory.h"

#include <string.h>

enum { POLYGON = 3, MULTIPOLYGON = 6, COLLECTION = 7, DEPTH_MOST = 16 };

typedef struct reader {
    const uint8_t *at;
    size_t left;
    int swap; /* of the geometry at hand */
    const ucid_allocator *allocator;
    wkb_rings *rings;
    ucid_error *error;
} reader;

static ucid_status cut_short(reader *self) { return ucid_fail(self->error, UCID_DATA_ERROR, "WKB ends too early"); }

static uint32_t take_u32(reader *self)
{
    uint32_t value;
    memcpy(&value, self->at, 4);
    self->at += 4, self->left -= 4;
    return self->swap ? __builtin_bswap32(value) : value;
}

static double take_double(reader *self)
{
    uint64_t bits;
    double value;
    memcpy(&bits, self->at, 8);
    self->at += 8, self->left -= 8;
    if (self->swap) bits = __builtin_bswap64(bits);
    memcpy(&value, &bits, 8);
    return value;
}

static int grow(reader *self, void *pointer, size_t *capacity, size_t needed, size_t item)
{
    void *ptr;
    memcpy(&ptr, pointer, sizeof ptr);
    int done = ucid_grow(self->allocator, &ptr, capacity, needed, item);
    memcpy(pointer, &ptr, sizeof ptr);
    return done;
}

static ucid_status read_polygon(reader *self, size_t dimensions)
{
    wkb_rings *rings = self->rings;
    if (self->left < 4) return cut_short(self);
    uint32_t count = take_u32(self);
    for (uint32_t r = 0; r < count; r++) {
        if (self->left < 4) return cut_short(self);
        uint32_t n = take_u32(self);
        if (self->left / (8 * dimensions) < n) return cut_short(self);
        if (!grow(self, &rings->x, &rings->x_capacity, rings->corner_count + n, sizeof(double)) ||
            !grow(self, &rings->y, &rings->y_capacity, rings->corner_count + n, sizeof(double)) ||
            !grow(self, &rings->corners, &rings->ring_capacity, rings->ring_count + 1, sizeof(int64_t))) {
            return ucid_fail_memory(self->error, "a geometry", n * 16u);
        }
        for (uint32_t i = 0; i < n; i++) {
            rings->x[rings->corner_count] = take_double(self);
            rings->y[rings->corner_count++] = take_double(self);
            self->at += 8 * (dimensions - 2), self->left -= 8 * (dimensions - 2);
        }
        rings->corners[rings->ring_count++] = n;
    }
    return UCID_OK;
}

static ucid_status read_geometry(reader *self, int depth)
{
    if (self->left < 5) return cut_short(self);
    uint8_t order = self->at[0];
    if (order > 1) return ucid_fail(self->error, UCID_DATA_ERROR, "WKB has the byte order %d; 0 and 1 are", order);
    self->at++, self->left--;
    self->swap = order == 0;
    uint32_t kind = take_u32(self), flags = kind >> 29;
    if (flags & 1u) {
        if (self->left < 4) return cut_short(self);
        take_u32(self);
    }
    kind &= 0x1FFFFFFFu;
    uint32_t iso = kind / 1000;
    if (iso > 3) return ucid_fail(self->error, UCID_DATA_ERROR, "WKB of an unknown kind, %u", kind);
    size_t dimensions = 2 + (iso == 3 ? 2u : iso != 0 ? 1u : (flags >> 2 & 1u) + (flags >> 1 & 1u));
    kind %= 1000;
    if (kind == POLYGON) return read_polygon(self, dimensions);
    if (kind != MULTIPOLYGON && kind != COLLECTION) {
        return ucid_fail(self->error, UCID_DATA_ERROR, "WKB of kind %u is not an area; polygons are", kind);
    }
    if (self->left < 4) return cut_short(self);
    if (depth == DEPTH_MOST) return ucid_fail(self->error, UCID_DATA_ERROR, "WKB nests over %d deep", DEPTH_MOST);
    uint32_t count = take_u32(self);
    ucid_status status = UCID_OK;
    for (uint32_t i = 0; status == UCID_OK && i < count; i++) status = read_geometry(self, depth + 1);
    return status;
}

ucid_status wkb_read(const void *bytes, size_t length, const ucid_allocator *allocator, wkb_rings *rings,
                     ucid_error *error)
{
    if (length == 0) return UCID_OK;
    reader self = {bytes, length, 0, allocator, rings, error};
    ucid_status status = read_geometry(&self, 0);
    if (status == UCID_OK && self.left > 0) {
        return ucid_fail(error, UCID_DATA_ERROR, "WKB has %zu bytes left over", self.left);
    }
    return status;
}

void wkb_rings_reset(wkb_rings *rings, const ucid_allocator *allocator)
{
    ucid_release(allocator, rings->x, rings->x_capacity, sizeof(double));
    ucid_release(allocator, rings->y, rings->y_capacity, sizeof(double));
    ucid_release(allocator, rings->corners, rings->ring_capacity, sizeof(int64_t));
    *rings = (wkb_rings){0};
}
