/* build.c: the stages one after another, then the file. Sections are written in the order of their kinds, but for the
 * candidates: they come last, because they are written while the grid is being made. Nothing in the file depends on the
 * time, the place or the number of threads of the build: the same extract and options give the same bytes. */
#include "index/build.h"
#include "index/tags.h"
#include "read/geojson.h"
#include "rt/digest.h"
#include "rt/error.h"
#include "rt/file.h"
#include "rt/memory.h"
#include "rt/trig.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* ---- memory, progress, order ---- */

static int keep_block(build *b, void *ptr, size_t count, size_t item)
{
    void *blocks = b->blocks;
    if (!ucid_grow(&b->allocator, &blocks, &b->block_capacity, b->block_count + 1, sizeof *b->blocks)) return 0;
    b->blocks = blocks;
    b->blocks[b->block_count++] = (build_block){ptr, count, item};
    return 1;
}

static void *take(build *b, void *ptr, size_t count, size_t item, const char *what)
{
    if (ptr != NULL && keep_block(b, ptr, count, item)) return ptr;
    ucid_release(&b->allocator, ptr, count, item);
    ucid_fail_memory(b->error, what, count * item);
    return NULL;
}

void *build_take(build *b, size_t count, size_t item, const char *what)
{
    return take(b, ucid_allocate(&b->allocator, count, item), count, item, what);
}

void *build_take_zero(build *b, size_t count, size_t item, const char *what)
{
    return take(b, ucid_allocate_zero(&b->allocator, count, item), count, item, what);
}

static build_block *find_block(build *b, const void *ptr)
{
    for (size_t i = b->block_count; i-- > 0;) {
        if (b->blocks[i].ptr == ptr) return &b->blocks[i];
    }
    return NULL;
}

void build_drop(build *b, void *ptr)
{
    build_block *block = ptr != NULL ? find_block(b, ptr) : NULL;
    if (block == NULL) return;
    ucid_release(&b->allocator, block->ptr, block->count, block->item);
    *block = b->blocks[--b->block_count];
}

int build_room(build *b, void **ptr, size_t *capacity, size_t needed, size_t item, const char *what)
{
    if (needed <= *capacity && *ptr != NULL) return 1;
    build_block *block = *ptr != NULL ? find_block(b, *ptr) : NULL;
    if (block == NULL && (!keep_block(b, NULL, 0, item) || (block = &b->blocks[b->block_count - 1]) == NULL)) {
        ucid_fail_memory(b->error, what, needed * item);
        return 0;
    }
    if (*ptr == NULL) *capacity = 0;
    if (!ucid_grow(&b->allocator, ptr, capacity, needed > 0 ? needed : 1, item)) {
        ucid_fail_memory(b->error, what, needed * item);
        if (block->ptr == NULL) b->block_count--;
        return 0;
    }
    *block = (build_block){*ptr, *capacity, item};
    return 1;
}

ucid_status build_progress(build *b, const char *stage, uint64_t done, uint64_t total)
{
    if (b->progress == NULL || b->progress(b->progress_ctx, stage, done, total) == 0) return UCID_OK;
    return ucid_fail(b->error, UCID_CANCELLED, "%s: build cancelled", b->path);
}

enum { DIGIT_BITS = 11, DIGITS = 6, DIGIT_VALUES = 1 << DIGIT_BITS };

static uint32_t digit_of(uint64_t key, int digit) { return (uint32_t)(key >> digit * DIGIT_BITS) & (DIGIT_VALUES - 1); }

/* Where each value of a digit starts; 0 if all keys have the same one. */
static int digit_starts(const size_t counts[DIGIT_VALUES], size_t total, size_t starts[DIGIT_VALUES])
{
    size_t sum = 0;
    for (int v = 0; v < DIGIT_VALUES; v++) {
        if (counts[v] == total) return 0;
        starts[v] = sum;
        sum += counts[v];
    }
    return 1;
}

/* By one digit: keys themselves, or positions by their keys. */
static void move_keys(const uint64_t *from, uint64_t *to, size_t starts[DIGIT_VALUES], size_t count, int digit)
{
    for (size_t i = 0; i < count; i++) to[starts[digit_of(from[i], digit)]++] = from[i];
}

static void move_order(const uint64_t *keys, const uint32_t *from, uint32_t *to, size_t starts[DIGIT_VALUES],
                       size_t count, int digit)
{
    for (size_t i = 0; i < count; i++) to[starts[digit_of(keys[from[i]], digit)]++] = from[i];
}

/* Sort an order by its keys, or, where order is NULL, the keys, which are then at both. */
static ucid_status sort_by_digits(build *b, const uint64_t *keys, uint64_t *sorted, uint32_t *order, size_t count)
{
    if (count < 2) return UCID_OK;
    size_t item = order != NULL ? sizeof *order : sizeof *sorted, starts[DIGIT_VALUES];
    void *first = order != NULL ? (void *)order : (void *)sorted, *from = first;
    void *to = build_take(b, count, item, "sorting"), *other = to;
    size_t *counts = build_take_zero(b, DIGITS * DIGIT_VALUES, sizeof *counts, "sorting");
    if (to == NULL || counts == NULL) return UCID_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        for (int d = 0; d < DIGITS; d++) counts[d * DIGIT_VALUES + (int)digit_of(keys[i], d)]++;
    }
    for (int d = 0; d < DIGITS; d++) {
        if (!digit_starts(counts + d * DIGIT_VALUES, count, starts)) continue;
        if (order != NULL) {
            move_order(keys, from, to, starts, count, d);
        } else {
            move_keys(from, to, starts, count, d);
        }
        void *swap = from;
        from = to;
        to = swap;
    }
    if (from != first) memcpy(first, from, count * item);
    build_drop(b, other);
    build_drop(b, counts);
    return UCID_OK;
}

ucid_status build_sort(build *b, uint64_t *keys, size_t count) { return sort_by_digits(b, keys, keys, NULL, count); }

ucid_status build_sort_order(build *b, const uint64_t *keys, uint32_t *order, size_t count)
{
    for (size_t i = 0; i < count; i++) order[i] = (uint32_t)i;
    return sort_by_digits(b, keys, NULL, order, count);
}

/* Of each square the quarter that the curve is in; in the two lower ones its axes change places, and in the right one
 * of them both run backwards. */
uint64_t build_hilbert(int32_t x, int32_t y)
{
    uint32_t u = (uint32_t)x ^ (1u << 31), v = (uint32_t)y ^ (1u << 31), backwards = 0, changed = 0;
    uint64_t along = 0;
    for (int bit = 31; bit >= 0; bit--) {
        uint32_t a = u >> bit & 1, b = v >> bit & 1, other = ((a ^ b) & changed) ^ backwards;
        uint32_t right = a ^ other, up = b ^ other;
        along = along << 2 | ((3 * right) ^ up);
        backwards ^= right & (up ^ 1);
        changed ^= up ^ 1;
    }
    return along;
}

/* ---- origin, boundary ---- */

static int32_t wrapped(int64_t lon_e7)
{
    if (lon_e7 >= 1800000000) lon_e7 -= 3600000000;
    if (lon_e7 < -1800000000) lon_e7 += 3600000000;
    return (int32_t)lon_e7;
}

/* Longitudes relative to 180 degrees where the streets are narrower seen from there. */
static void choose_origin(build *b)
{
    int64_t low[2] = {INT64_MAX, INT64_MAX}, high[2] = {INT64_MIN, INT64_MIN};
    static const int64_t origins[2] = {0, 1800000000};
    for (int o = 0; o < 2; o++) {
        for (size_t i = 0; i < b->point_count; i++) {
            if (b->point_y[i] == BUILD_MISSING) continue;
            int64_t x = wrapped(b->point_x[i] - origins[o]);
            if (x < low[o]) low[o] = x;
            if (x > high[o]) high[o] = x;
        }
    }
    int chosen = low[0] <= high[0] && high[1] - low[1] < high[0] - low[0];
    b->lon_origin_e7 = (int32_t)origins[chosen];
    for (size_t i = 0; i < b->point_count; i++) b->point_x[i] = wrapped(b->point_x[i] - origins[chosen]);
    for (size_t i = 0; i < b->place_count; i++) b->places[i].x_e7 = wrapped(b->places[i].x_e7 - origins[chosen]);
    if (chosen) {
        b->box_e7[1] = wrapped(b->box_e7[1] - origins[chosen]);
        b->box_e7[3] = wrapped(b->box_e7[3] - origins[chosen]);
        if (b->box_e7[1] > b->box_e7[3]) b->header_box = BOX_IMPLAUSIBLE;
    }
}

/* Area of a ring on the WGS 84 ellipsoid, m2, signed: exact for its edges being straight in (longitude, authalic
 * latitude), which for streets' lengths is below 1e-9 of great circles. */
static double ring_area_m2(const ucidx_ring_point *p, size_t count)
{
    static const double a_m = 6378137.0, e2 = 0.0066943799901413165;
    double e = sqrt(e2), sum = 0.0;
    double before = 0.0;
    for (size_t i = 0; i < count; i++) {
        /* authalic sine times q at the pole: q(s) = (1 - e2) (s / (1 - e2 s2) + atanh(e s) / e), atanh by its series */
        double s = ucid_sin(p[i].y_e7 * (UCID_PI / 180e7)), z = e * s, z2 = z * z;
        double series = z * (1.0 + z2 * (1.0 / 3 + z2 * (1.0 / 5 + z2 * (1.0 / 7 + z2 * (1.0 / 9 + z2 / 11)))));
        double q = (1.0 - e2) * (s / (1.0 - e2 * s * s) + series / e);
        if (i > 0) sum += ((double)p[i].x_e7 - p[i - 1].x_e7) * (UCID_PI / 180e7) * (q + before);
        before = q;
    }
    return sum * a_m * a_m / 4;
}

static ucid_status take_boundary(build *b, const char *path)
{
    geojson_area area = {0};
    ucid_status status = geojson_read(path, &b->allocator, &area, b->error);
    if (status != UCID_OK) return status;
    b->boundary = build_take_zero(b, area.point_count, sizeof *b->boundary, "boundary");
    if (b->boundary == NULL) {
        geojson_area_reset(&area);
        return UCID_NO_MEMORY;
    }
    b->boundary_count = area.point_count;
    double sum = 0.0;
    for (uint32_t r = 0; r < area.ring_count; r++) {
        for (uint32_t i = area.rings[r]; i < area.rings[r + 1]; i++) {
            int64_t x = (int64_t)area.points[i].lon_e7 - b->lon_origin_e7;
            if (x < -1800000000) x += 3600000000;
            b->boundary[i] = (ucidx_ring_point){.x_e7 = (int32_t)x, .y_e7 = area.points[i].lat_e7, .ring = r};
        }
    }
    /* even-odd: a ring inside an odd number of others is a hole */
    for (uint32_t r = 0; r < area.ring_count; r++) {
        const ucidx_ring_point *first = &b->boundary[area.rings[r]];
        int inside = 0;
        for (size_t i = 0; i + 1 < b->boundary_count; i++) {
            const ucidx_ring_point *p = &b->boundary[i], *q = p + 1;
            double y = first->y_e7 + 0.25;
            if (p->ring == r || p->ring != q->ring || (p->y_e7 > y) == (q->y_e7 > y)) continue;
            inside ^= first->x_e7 < p->x_e7 + (y - p->y_e7) * ((double)q->x_e7 - p->x_e7) / ((double)q->y_e7 - p->y_e7);
        }
        double m2 = fabs(ring_area_m2(first, area.rings[r + 1] - area.rings[r]));
        sum += inside ? -m2 : m2;
    }
    b->area_m2 = sum > 0.0 ? (uint64_t)(sum + 0.5) : 0;
    int32_t west = INT32_MAX, east = INT32_MIN, south = INT32_MAX, north = INT32_MIN;
    for (size_t i = 0; i < b->boundary_count; i++) {
        const ucidx_ring_point *p = &b->boundary[i];
        if (p->x_e7 < west) west = p->x_e7;
        if (p->x_e7 > east) east = p->x_e7;
        if (p->y_e7 < south) south = p->y_e7;
        if (p->y_e7 > north) north = p->y_e7;
    }
    geojson_area_reset(&area);
    /* what is farther from the boundary's box than a walk and the buffer cannot matter inside */
    double keep_m = b->buffer_m + (double)b->cutoff / UCIDX_UNITS_PER_M;
    int64_t far_north = llabs((int64_t)north) > llabs((int64_t)south) ? llabs((int64_t)north) : llabs((int64_t)south);
    double across =
        UCIDX_Y_M_PER_E7 * ucid_cos((double)(far_north < 890000000 ? far_north : 890000000) * (UCID_PI / 180e7));
    int64_t margin_y = (int64_t)(keep_m / UCIDX_Y_M_PER_E7) + 1, margin_x = (int64_t)(keep_m / across) + 1;
    int64_t keep[4] = {south - margin_y, west - margin_x, north + margin_y, east + margin_x};
    for (int k = 0; k < 4; k++) {
        b->keep_e7[k] = (int32_t)(keep[k] < INT32_MIN ? INT32_MIN : keep[k] > INT32_MAX ? INT32_MAX : keep[k]);
    }
    b->has_keep = 1;
    return UCID_OK;
}

/* ---- what the file says about itself ---- */

typedef struct text {
    build *b;
    char *bytes;
    size_t length, capacity;
    int failed;
} text;

static void put(text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(text *t, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char line[512];
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (t->failed || length < 0 || (size_t)length >= sizeof line ||
        !BUILD_ROOM(t->b, t->bytes, t->capacity, t->length + (size_t)length + 1, "provenance")) {
        t->failed = 1;
        return;
    }
    memcpy(t->bytes + t->length, line, (size_t)length + 1);
    t->length += (size_t)length;
}

/* A name of a file, without its folder, as a JSON string. */
static void put_name(text *t, const char *path)
{
    const char *slash = strrchr(path, '/');
    put(t, "\"");
    for (const char *c = slash != NULL ? slash + 1 : path; *c; c++) {
        uint8_t byte = (uint8_t)*c;
        if (byte == '"' || byte == '\\') {
            put(t, "\\%c", *c);
        } else if (byte < 0x20) {
            put(t, "\\u%04x", byte);
        } else {
            put(t, "%c", *c);
        }
    }
    put(t, "\"");
}

static ucid_status put_input(text *t, const char *path)
{
    ucid_file_map map = {0};
    ucid_status status = ucid_file_map_open(path, &map, t->b->error);
    if (status != UCID_OK) return status;
    ucid_sha256 digest;
    uint8_t bytes[32];
    char hex[65];
    ucid_sha256_init(&digest);
    ucid_sha256_update(&digest, map.bytes, map.length);
    ucid_sha256_finish(&digest, bytes);
    ucid_sha256_hex(bytes, hex);
    put(t, "{\"name\":");
    put_name(t, path);
    put(t, ",\"bytes\":%llu,\"sha256\":\"%s\"", (unsigned long long)map.length, hex);
    ucid_file_map_close(&map);
    return UCID_OK;
}

/* What separates a member from what stands before it. */
static const char *comma(const text *t) { return t->length == 0 || t->bytes[t->length - 1] == '{' ? "" : ","; }

static void put_count(text *t, const char *name, uint64_t value)
{
    put(t, "%s\"%s\":%llu", comma(t), name, (unsigned long long)value);
}

/* A header whose box is false is not believed about its date either. */
static int64_t header_time(const build *b)
{
    return b->header_box != BOX_IMPLAUSIBLE && b->replication_timestamp > 0 ? b->replication_timestamp : 0;
}

/* Seconds since 1970 of the data: the newest object, else what the extract's header says, else 0. */
static int64_t data_time(const build *b) { return b->newest_timestamp > 0 ? b->newest_timestamp : header_time(b); }

/* The time key of the data. */
static uint32_t data_hour(const build *b)
{
    int64_t hour = (data_time(b) + 3 * 86400) / 3600; /* 1970-01-01 was the Thursday of week 0 */
    if (data_time(b) <= 0 || hour >= UINT32_MAX) return 0;
    return (uint32_t)(hour - hour % 168 + hour % 24); /* a time key: its day is Monday */
}

static void put_date(text *t, int64_t seconds)
{
    int64_t days = seconds / 86400, rest = seconds % 86400, z = days + 719468, era = z / 146097, doe = z % 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365, doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t m = (5 * doy + 2) / 153, day = doy - (153 * m + 2) / 5 + 1, month = m < 10 ? m + 3 : m - 9;
    put(t, "\"%04lld-%02lld-%02lldT%02lld:%02lld:%02lldZ\"", (long long)(yoe + era * 400 + (month <= 2)),
        (long long)month, (long long)day, (long long)(rest / 3600), (long long)(rest / 60 % 60),
        (long long)(rest % 60));
}

/* Metres, in 1/32 m, with as many decimals as are needed at most. */
static void put_metres(text *t, const char *name, uint64_t units)
{
    put(t, "%s\"%s\":%llu.%05llu", comma(t), name, (unsigned long long)(units / 32),
        (unsigned long long)(units % 32 * 3125));
}

static ucid_status write_about(build *b, text *t, const char *boundary_path)
{
    static const char *const boxes[] = {"absent", "implausible", "trusted"};
    const build_counts *c = &b->counts;
    put(t, "{\"software\":{\"library\":\"ucid %s\",\"format\":%u},\"inputs\":{\"%s\":", UCID_VERSION, UCIDX_FORMAT,
        b->network != NULL ? "network" : "osm");
    ucid_status status = UCID_OK;
    if (b->network == NULL) {
        status = put_input(t, b->path);
    } else {
        put(t, "{");
    }
    if (status != UCID_OK) return status;
    put(t, "%s\"data_date\":", comma(t));
    if (data_time(b) > 0) {
        put_date(t, data_time(b));
    } else {
        put(t, "null");
    }
    put(t, ",\"data_date_from\":\"%s\",\"header_box\":\"%s\"}",
        b->newest_timestamp > 0 ? b->network != NULL ? "caller" : "newest object"
        : header_time(b) > 0    ? "file header"
                                : "none",
        boxes[b->header_box]);
    if (boundary_path != NULL) {
        put(t, ",\"boundary\":");
        status = put_input(t, boundary_path);
        if (status != UCID_OK) return status;
        put(t, "}");
    }
    put(t, "},\"options\":{");
    put_metres(t, "cutoff_m", b->cutoff);
    put_metres(t, "snap_limit_m", b->snap_limit);
    if (boundary_path != NULL) put_metres(t, "buffer_m", (uint64_t)(b->buffer_m * UCIDX_UNITS_PER_M + 0.5));
    put(t, "},\"read\":{");
    put_count(t, "nodes", c->nodes_read);
    put_count(t, "ways", c->ways_read);
    put_count(t, "relations", c->relations_read);
    put(t, "},\"streets\":{");
    put_count(t, "ways", c->street_ways);
    put_count(t, "ways_closed_to_feet", c->ways_forbidden);
    put_count(t, "pieces", c->pieces);
    put_count(t, "pieces_mapped_twice", c->pieces_repeated);
    if (b->network != NULL) put_count(t, "edges_to_themselves", c->edges_to_themselves);
    put_count(t, "pieces_misplaced", c->pieces_misplaced);
    put_count(t, "pieces_far_from_boundary", c->pieces_outside_buffer);
    put_count(t, "way_points_missing", c->nodes_missing);
    put_count(t, "way_points_polar", c->nodes_polar);
    put_count(t, "ends_of_extract", c->ends);
    put_count(t, "junctions", c->junctions);
    put_count(t, "loops_without_junction", c->loops);
    put_count(t, "components", c->components);
    put_count(t, "islands", c->islands);
    put_count(t, "island_edges", c->island_edges);
    put_metres(t, "length_m", b->street_length);
    put_metres(t, "largest_component_m", b->main_length);
    put(t, "},\"places\":{");
    put_count(t, "found", c->places);
    put_count(t, "kept", b->opportunity_count);
    put_count(t, "private", c->private_places);
    put_count(t, "lines_not_areas", c->open_ways);
    put_count(t, "areas_that_do_not_close", c->broken_areas);
    put_count(t, "relations_of_other_types", c->other_relations);
    put_count(t, "mapped_twice", c->duplicates);
    put_count(t, "far_from_boundary", c->outside_buffer);
    put_count(t, "no_street_in_reach", c->off_network);
    put_count(t, "on_islands", c->on_islands);
    put(t, "}");
    if (b->network == NULL) put(t, ",\"licence\":\"(c) OpenStreetMap contributors, Open Database License 1.0\"");
    put(t, "}");
    return t->failed ? ucid_fail_memory(b->error, "provenance", t->length) : UCID_OK;
}

/* ---- the file ---- */

typedef struct output {
    build *b;
    ucid_file_writer writer;
    ucidx_section table[UCIDX_KIND_END - 1];
    uint64_t position;
    XXH3_state_t hash; /* of the candidates */
    uint64_t candidate_bytes;
} output;

static ucid_status pad(output *out)
{
    static const uint8_t zeros[UCIDX_ALIGN];
    size_t missing = (size_t)(-out->position & (UCIDX_ALIGN - 1));
    out->position += missing;
    return ucid_file_writer_write(&out->writer, zeros, missing, out->b->error);
}

static ucid_status write_section(output *out, uint32_t kind, const void *bytes, size_t count, size_t item)
{
    ucidx_section *s = &out->table[kind - 1];
    *s = (ucidx_section){.kind = kind,
                         .item_size = (uint32_t)item,
                         .offset = out->position,
                         .byte_length = (uint64_t)count * item,
                         .checksum = ucid_xxh3(bytes, count * item)};
    ucid_status status = ucid_file_writer_write(&out->writer, bytes, count * item, out->b->error);
    out->position += s->byte_length;
    return status == UCID_OK ? pad(out) : status;
}

static ucid_status sink_candidates(void *ctx, const uint32_t *candidates, size_t count)
{
    output *out = ctx;
    XXH3_64bits_update(&out->hash, candidates, count * sizeof *candidates);
    out->candidate_bytes += count * sizeof *candidates;
    return ucid_file_writer_write(&out->writer, candidates, count * sizeof *candidates, out->b->error);
}

/* Segments as readers want them, some at a time. */
static ucid_status write_segments(output *out)
{
    enum { AT_ONCE = 1024 };
    const build *b = out->b;
    ucidx_segment some[AT_ONCE];
    ucid_status status = UCID_OK;
    XXH3_state_t hash;
    XXH3_64bits_reset(&hash);
    uint64_t start = out->position;
    for (size_t first = 0; first < b->segment_count && status == UCID_OK; first += AT_ONCE) {
        size_t count = b->segment_count - first < AT_ONCE ? b->segment_count - first : AT_ONCE;
        for (size_t i = 0; i < count; i++) {
            const build_segment *s = &b->segments[first + i];
            const build_edge *edge = &b->edges[s->edge];
            uint32_t rest = edge->length - s->offset - s->length;
            some[i] = (ucidx_segment){.ax_e7 = s->ax_e7,
                                      .ay_e7 = s->ay_e7,
                                      .bx_e7 = s->bx_e7,
                                      .by_e7 = s->by_e7,
                                      .first_entry = b->first_entry[s->edge],
                                      .offset = s->offset,
                                      .length = s->length,
                                      .rest = (uint16_t)(rest < UCIDX_FAR ? rest : UCIDX_FAR),
                                      .block_count = (uint8_t)(b->first_entry[s->edge + 1] - b->first_entry[s->edge]),
                                      .island = (edge->flags & UCIDX_EDGE_ISLAND) != 0};
        }
        XXH3_64bits_update(&hash, some, count * sizeof *some);
        out->position += count * sizeof *some;
        status = ucid_file_writer_write(&out->writer, some, count * sizeof *some, b->error);
    }
    out->table[UCIDX_SEGMENTS - 1] = (ucidx_section){.kind = UCIDX_SEGMENTS,
                                                     .item_size = sizeof *some,
                                                     .offset = start,
                                                     .byte_length = out->position - start,
                                                     .checksum = XXH3_64bits_digest(&hash)};
    return status == UCID_OK ? pad(out) : status;
}

static ucid_status write_streets(output *out)
{
    build *b = out->b;
    ucidx_edge *edges = build_take_zero(b, b->edge_count + 1, sizeof *edges, "streets");
    ucidx_node *nodes = build_take_zero(b, b->node_count + 1, sizeof *nodes, "junctions");
    if (edges == NULL || nodes == NULL) return UCID_NO_MEMORY;
    for (size_t e = 0; e < b->edge_count; e++) {
        const build_edge *from = &b->edges[e];
        edges[e] = (ucidx_edge){.a = from->a,
                                .b = from->b,
                                .length = from->length,
                                .first_segment = from->first_point - (uint32_t)e,
                                .first_entry = b->first_entry[e],
                                .flags = from->flags};
    }
    edges[b->edge_count].first_segment = (uint32_t)b->segment_count;
    edges[b->edge_count].first_entry = (uint32_t)b->entry_count;
    for (size_t n = 0; n < b->node_count; n++) {
        nodes[n] = (ucidx_node){b->nodes[n].x_e7, b->nodes[n].y_e7, b->first_arc[n], b->nodes[n].flags};
    }
    nodes[b->node_count].first_arc = (uint32_t)(2 * b->edge_count);
    ucid_status status = write_segments(out);
    if (status == UCID_OK) status = write_section(out, UCIDX_EDGES, edges, b->edge_count + 1, sizeof *edges);
    if (status == UCID_OK) status = write_section(out, UCIDX_ENTRIES, b->entries, b->entry_count, sizeof *b->entries);
    if (status == UCID_OK) status = write_section(out, UCIDX_NODES, nodes, b->node_count + 1, sizeof *nodes);
    if (status == UCID_OK) status = write_section(out, UCIDX_ARCS, b->arcs, 2 * b->edge_count, sizeof *b->arcs);
    if (status == UCID_OK) {
        status =
            write_section(out, UCIDX_OPPORTUNITIES, b->opportunities, b->opportunity_count, sizeof *b->opportunities);
    }
    if (status == UCID_OK) status = write_section(out, UCIDX_NAMES, b->names, b->name_bytes, 1);
    if (status == UCID_OK) {
        status = write_section(out, UCIDX_BOUNDARY, b->boundary, b->boundary_count, sizeof *b->boundary);
    }
    build_drop(b, edges);
    build_drop(b, nodes);
    build_drop(b, b->entries);
    build_drop(b, b->first_entry);
    build_drop(b, b->arcs);
    build_drop(b, b->first_arc);
    build_drop(b, b->names);
    build_drop(b, b->edge_points);
    build_drop(b, b->nodes);
    return status;
}

static ucidx_summary summarise(const build *b)
{
    ucidx_summary s = {.lat_origin_e7 = b->lat_origin_e7,
                       .lon_origin_e7 = b->lon_origin_e7,
                       .min_lat_e7 = b->min_y_e7,
                       .max_lat_e7 = b->max_y_e7,
                       .min_lon_e7 = b->min_x_e7,
                       .max_lon_e7 = b->max_x_e7,
                       .row_count = (uint32_t)b->row_count,
                       .data_hour = data_hour(b),
                       .cutoff = b->cutoff,
                       .snap_limit = b->snap_limit,
                       .component_count = (uint32_t)b->counts.components,
                       .street_length = b->street_length,
                       .main_length = b->main_length,
                       .area_m2 = b->area_m2};
    for (size_t e = 0; e < b->edge_count; e++) s.island_edge_count += (b->edges[e].flags & UCIDX_EDGE_ISLAND) != 0;
    for (size_t o = 0; o < b->opportunity_count; o++) s.opportunity_count[b->opportunities[o].part]++;
    for (int part = 0; part < TAGS_PARTS; part++) {
        /* at least one for each 200 km of streets, or the extract was made without them */
        uint64_t needed = b->street_length / (UINT64_C(200000) * UCIDX_UNITS_PER_M);
        if (s.opportunity_count[part] > 0 && s.opportunity_count[part] >= needed) s.flags |= 1u << part;
    }
    return s;
}

static ucid_status write_file(build *b, output *out, const char *boundary_path)
{
    uint8_t front[sizeof(ucidx_header) + sizeof out->table];
    memset(front, 0, sizeof front);
    ucid_status status = ucid_file_writer_write(&out->writer, front, sizeof front, b->error);
    out->position = sizeof front;
    if (status == UCID_OK) status = pad(out);
    if (status == UCID_OK) status = write_streets(out);
    if (status != UCID_OK) return status;

    XXH3_64bits_reset(&out->hash);
    uint64_t start = out->position;
    status = build_grid(b, sink_candidates, out);
    out->table[UCIDX_CANDIDATES - 1] = (ucidx_section){.kind = UCIDX_CANDIDATES,
                                                       .item_size = 4,
                                                       .offset = start,
                                                       .byte_length = out->candidate_bytes,
                                                       .checksum = XXH3_64bits_digest(&out->hash)};
    out->position += out->candidate_bytes;
    if (status == UCID_OK) status = pad(out);
    if (status != UCID_OK) return status;

    text about = {.b = b};
    status = write_about(b, &about, boundary_path);
    if (status != UCID_OK) return status;
    ucidx_summary summary = summarise(b);
    status = write_section(out, UCIDX_SUMMARY, &summary, 1, sizeof summary);
    if (status == UCID_OK) status = write_section(out, UCIDX_ABOUT, about.bytes, about.length + 1, 1);
    if (status == UCID_OK) status = write_section(out, UCIDX_ROWS, b->rows, b->row_count, sizeof *b->rows);
    if (status == UCID_OK) status = write_section(out, UCIDX_BLOCKS, b->grid_blocks, b->grid_block_count, 4);
    if (status == UCID_OK) status = write_section(out, UCIDX_CELLS, b->cells, b->cell_count, 4);
    if (status == UCID_OK) status = write_section(out, UCIDX_LEAVES, b->leaves, b->leaf_count, sizeof *b->leaves);
    if (status == UCID_OK) status = write_section(out, UCIDX_COVERAGE, b->coverage, b->coverage_count, 8);
    if (status != UCID_OK) return status;

    ucidx_header header = {.format = UCIDX_FORMAT,
                           .section_count = UCIDX_KIND_END - 1,
                           .byte_length = out->position,
                           .table_checksum = ucid_xxh3(out->table, sizeof out->table)};
    memcpy(header.magic, UCIDX_MAGIC, sizeof header.magic);
    ucid_sha256 digest;
    ucid_sha256_init(&digest);
    ucid_sha256_update(&digest, out->table, sizeof out->table);
    ucid_sha256_finish(&digest, header.id);
    memcpy(front, &header, sizeof header);
    memcpy(front + sizeof header, out->table, sizeof out->table);
    status = ucid_file_writer_write_at(&out->writer, 0, front, sizeof front, b->error);
    return status == UCID_OK ? ucid_file_writer_commit(&out->writer, b->error) : status;
}

static ucid_status run(build *b, const char *out_path, const char *boundary_path)
{
    output out = {.b = b};
    ucid_status status = ucid_file_writer_open(out_path, &b->allocator, &out.writer, b->error);
    if (status != UCID_OK) return status;
    if (!BUILD_ROOM(b, b->texts, b->text_capacity, 1, "names")) {
        status = UCID_NO_MEMORY;
    } else {
        b->texts[0] = '\0';
        b->text_count = 1;
        status = b->network != NULL ? build_network(b) : build_read(b);
    }
    if (status == UCID_OK) choose_origin(b);
    if (status == UCID_OK && boundary_path != NULL) status = take_boundary(b, boundary_path);
    static const struct {
        const char *name;
        ucid_status (*run)(build *b);
    } stages[] = {{"streets", build_streets}, {"places", build_places}, {"feet", build_feet}, {"nearest", build_near}};
    for (size_t i = 0; i < sizeof stages / sizeof stages[0] && status == UCID_OK; i++) {
        status = build_progress(b, stages[i].name, 0, 1);
        if (status == UCID_OK) status = stages[i].run(b);
    }
    if (status == UCID_OK) status = build_progress(b, "snap grid", 0, b->row_count);
    if (status == UCID_OK) status = write_file(b, &out, boundary_path);
    ucid_file_writer_close(&out.writer);
    return status;
}

/* Of an extract, or of a network where path is only its name. */
static ucid_status build_index(const char *path, const ucid_network *network, const char *out_path,
                               const ucid_build_options *options, ucid_error *error)
{
    ucid_build_options chosen = UCID_BUILD_OPTIONS_INIT;
    if (options != NULL) memcpy(&chosen, options, options->size < sizeof chosen ? options->size : sizeof chosen);
    if (path == NULL || out_path == NULL) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "no path of the %s given", path == NULL ? "extract" : "index");
    }
    if (!(chosen.cutoff_m >= 100.0 && chosen.cutoff_m <= 2000.0)) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "cutoff %g m is not in 100..2000", chosen.cutoff_m);
    }
    if (!(chosen.snap_limit_m >= 10.0 && chosen.snap_limit_m <= 1000.0)) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "snap limit %g m is not in 10..1000", chosen.snap_limit_m);
    }
    if (!(chosen.buffer_m >= 0.0 && chosen.buffer_m <= 1e6)) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "buffer %g m is not in 0..1000000", chosen.buffer_m);
    }
    if (chosen.threads < 1 || chosen.threads > 256) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "%d threads are not in 1..256", chosen.threads);
    }
    build b = {.allocator = ucid_allocator_or_default(chosen.allocator),
               .threads = chosen.threads,
               .cutoff = (uint32_t)(chosen.cutoff_m * UCIDX_UNITS_PER_M + 0.5),
               .snap_limit = (uint32_t)(chosen.snap_limit_m * UCIDX_UNITS_PER_M + 0.5),
               .buffer_m = chosen.buffer_m,
               .progress = chosen.progress,
               .progress_ctx = chosen.progress_ctx,
               .error = error,
               .path = path,
               .network = network};
    ucid_status status = run(&b, out_path, chosen.boundary_path);
    for (size_t i = 0; i < b.block_count; i++) {
        ucid_release(&b.allocator, b.blocks[i].ptr, b.blocks[i].count, b.blocks[i].item);
    }
    ucid_release(&b.allocator, b.blocks, b.block_capacity, sizeof *b.blocks);
    return status;
}

ucid_status ucid_index_build(const char *pbf_path, const char *out_path, const ucid_build_options *options,
                             ucid_error *error)
{
    return build_index(pbf_path, NULL, out_path, options, error);
}

ucid_status ucid_index_build_network(const ucid_network *network, const char *out_path,
                                     const ucid_build_options *options, ucid_error *error)
{
    ucid_network whole = UCID_NETWORK_INIT;
    if (network == NULL) return ucid_fail(error, UCID_INVALID_ARGUMENT, "no network given");
    memcpy(&whole, network, network->size < sizeof whole ? network->size : sizeof whole);
    return build_index("network", &whole, out_path, options, error);
}
