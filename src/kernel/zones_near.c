/* zones_near.c: the nearest zone of a place that is in none.
 *
 * Its border is the nearest border. A window around the place, as wide as a distance can be, is searched for edges; the
 * first window is small, and grows until something is found in it or the limit is reached. Each edge that is nearer
 * than all before narrows the window.
 *
 * The nearest point of an edge, straight in latitude and longitude, is found on a plane around the place whose
 * meridians have the distance of the latitude halfway to that point, in three rounds; then its distance is taken on the
 * sphere. Of equally near zones the first is taken, so neither the order of edges nor the windows matter. */
#include "kernel/zones.h"

#include "rt/error.h"
#include "rt/memory.h"
#include "rt/pool.h"
#include "rt/trig.h"

#include <math.h>

enum { CHUNK = 1 << 10, ROUNDS = 3 };

static const double RADIAN = UCID_PI / 1.8e9; /* of a unit of the plane */

typedef struct search {
    const ucid_zones *zones;
    int64_t x, y;                     /* of the place; x is moved by turns */
    double lat;                       /* radians */
    double reach;                     /* metres: nothing farther is of interest */
    double narrow;                    /* at least this is the cosine of any latitude in reach */
    int64_t west, east, south, north; /* the window */
    int32_t zone;
    double dist_m;
} search;

/* Make the window as small as the reach allows. */
static void set_window(search *s)
{
    double angle = s->reach / UCID_EARTH_RADIUS_M * 1.001 + 1e-8, far = fabs(s->lat) + angle;
    int64_t tall = (int64_t)(angle / RADIAN) + 1, wide = ZONES_WIDTH;
    s->narrow = 0;
    if (far < 1.57) {
        s->narrow = ucid_cos(far);
        /* sin(width) = sin(angle) / cos(latitude), and an angle is at most pi / 2 times its sine */
        double sine = angle / s->narrow;
        if (sine < 1) wide = (int64_t)(sine * (1 + 0.6 * sine * sine) / RADIAN) + 1;
    }
    s->south = s->y - tall, s->north = s->y + tall, s->west = s->x - wide, s->east = s->x + wide;
}

/* Metres on the sphere from the place to a point given by differences in units of the plane. */
static double distance_m(const search *s, double dx, double dy)
{
    double to = s->lat + dy * RADIAN, lat_sine = ucid_sin(dy * RADIAN / 2), lon_sine = ucid_sin(dx * RADIAN / 2);
    double square = lat_sine * lat_sine + ucid_cos(s->lat) * ucid_cos(to) * lon_sine * lon_sine;
    if (square > 1) square = 1;
    return 2 * UCID_EARTH_RADIUS_M * ucid_atan2(sqrt(square), sqrt(1 - square));
}

/* Share of the edge from (ax, ay) along (dx, dy) at which it is nearest, where a unit to the east is `scale` to the
 * north. */
static double nearest_share(double ax, double ay, double dx, double dy, double scale)
{
    double along = -(ax * dx * scale * scale + ay * dy), length = dx * dx * scale * scale + dy * dy;
    if (!(length > 0) || along <= 0) return 0;
    return along >= length ? 1 : along / length;
}

/* An edge relative to the place. */
static void try_edge(search *s, double ax, double ay, double bx, double by, int32_t zone)
{
    double dx = bx - ax, dy = by - ay, share = nearest_share(ax, ay, dx, dy, s->narrow);
    double x = (ax + share * dx) * s->narrow, y = ay + share * dy;
    if (sqrt(x * x + y * y) * RADIAN * UCID_EARTH_RADIUS_M * 0.98 > s->reach) return;
    share = nearest_share(ax, ay, dx, dy, ucid_cos(s->lat));
    for (int round = 0; round < ROUNDS; round++) {
        share = nearest_share(ax, ay, dx, dy, ucid_cos(s->lat + (ay + share * dy) * RADIAN / 2));
    }
    double dist = distance_m(s, ax + share * dx, ay + share * dy);
    if (dist > s->reach || (s->zone >= 0 && (dist > s->dist_m || (dist == s->dist_m && zone >= s->zone)))) return;
    s->zone = zone, s->dist_m = dist, s->reach = dist;
    set_window(s);
}

static void try_edges(search *s, const zones_edge *edges, uint32_t count, int64_t x, int64_t y, int32_t zone)
{
    for (uint32_t k = 0; k < count; k++) {
        const zones_edge *e = &edges[k];
        if (e->by == ZONES_WALL) continue;
        double from_x = (double)(x + e->ax - s->x), from_y = (double)(y + e->ay - s->y);
        try_edge(s, from_x, from_y, (double)(x + e->bx - s->x), (double)(y + e->by - s->y), zone);
    }
}

/* The first of the zones that are in one of two answers. */
static int32_t first_changed(const zones_band *band, uint32_t left, uint32_t right)
{
    int32_t one, other;
    const int32_t *a, *b;
    int64_t m = zones_answer(band, left, &one, &a), n = zones_answer(band, right, &other, &b), i = 0;
    while (i < m && i < n && a[i] == b[i]) i++;
    if (i == m) return i < n ? b[i] : -1;
    return i == n || a[i] < b[i] ? a[i] : b[i];
}

/* A cell with its corner at x, y. */
static void search_code(search *s, const zones_band *band, uint32_t code, int shift, int64_t x, int64_t y)
{
    uint32_t tag = zones_tag(code);
    int64_t side = (int64_t)1 << shift;
    if (tag <= ZONES_SET || x > s->east || x + side < s->west || y > s->north || y + side < s->south) return;
    const uint32_t *words = zones_words(band, code);
    if (tag == ZONES_TABLE) {
        zones_table table = zones_table_get(words);
        for (uint32_t g = 0, first = 0; g < table.groups; first = table.end[g++]) {
            int32_t zone = first_changed(band, table.answers[0], table.answers[1u << g]);
            try_edges(s, table.edges + first, table.end[g] - first, x, y, zone);
        }
    } else if (tag == ZONES_LIST) {
        const zones_edge *edges = zones_list_edges(words);
        for (uint32_t z = 0, first = 0; z < words[0]; z++) {
            uint32_t end = words[2 + 2 * (size_t)z] & INT32_MAX;
            try_edges(s, edges + first, end - first, x, y, (int32_t)words[1 + 2 * (size_t)z]);
            first = end;
        }
    } else {
        int bits = zones_grid_bits(code), part = shift - bits;
        for (uint32_t k = 0; k < 1u << 2 * bits; k++) {
            search_code(s, band, words[k], part, x + ((int64_t)(k & ((1u << bits) - 1)) << part),
                        y + ((int64_t)(k >> bits) << part));
        }
    }
}

/* Cells of the grid in the window. The window narrows on the way; what it leaves out is skipped. */
static void search_window(search *s)
{
    const ucid_zones *zones = s->zones;
    int shift = zones->shift;
    int64_t x0 = (int64_t)zones->first_col << shift, y0 = (int64_t)zones->first_row << shift;
    int64_t row = s->south < y0 ? 0 : (s->south - y0) >> shift;
    for (; row < zones->rows && y0 + (row << shift) <= s->north; row++) {
        int64_t col = s->west < x0 ? 0 : (s->west - x0) >> shift;
        for (; col < zones->cols && x0 + (col << shift) <= s->east; col++) {
            uint32_t code = zones->codes[(size_t)row * zones->cols + (size_t)col];
            if (zones_tag(code) <= ZONES_SET) continue;
            search_code(s, &zones->bands[row], code, shift, x0 + (col << shift), y0 + (row << shift));
        }
    }
}

static void search_around(search *s, double limit_m)
{
    double first_m = (double)((int64_t)1 << s->zones->shift) * RADIAN * UCID_EARTH_RADIUS_M / 4;
    int64_t x = s->x;
    s->zone = -1;
    for (double reach = first_m; s->zone < 0; reach *= 4) {
        s->reach = reach < limit_m ? reach : limit_m;
        for (int turn = -1; turn <= 1; turn++) {
            s->x = x + turn * (int64_t)ZONES_WIDTH;
            set_window(s);
            search_window(s);
        }
        if (reach >= limit_m) break;
    }
    s->x = x;
}

typedef struct near_job {
    const ucid_zones *zones;
    int64_t n;
    const double *lat_deg, *lon_deg;
    const uint8_t *status;
    double limit_m;
    int32_t *zone;
    double *dist_m;
} near_job;

static void near_chunk(void *ctx, int64_t task, int worker)
{
    (void)worker;
    const near_job *job = ctx;
    int64_t first = task * CHUNK, end = first + CHUNK < job->n ? first + CHUNK : job->n;
    for (int64_t row = first; row < end; row++) {
        double dist = job->zone[row] >= 0 ? 0 : NAN;
        uint32_t x, y;
        if (job->zone[row] < 0 && job->status[row] == UCID_OK &&
            zones_place(job->lat_deg[row], job->lon_deg[row], &x, &y)) {
            search s = {.zones = job->zones, .x = x, .y = y};
            s.lat = (double)((int64_t)y - (int64_t)(ZONES_HEIGHT / 2)) * RADIAN;
            search_around(&s, job->limit_m);
            job->zone[row] = s.zone;
            if (s.zone >= 0) dist = s.dist_m;
        }
        if (job->dist_m != NULL) job->dist_m[row] = dist;
    }
}

ucid_status ucid_zones_nearest(const ucid_zones *zones, int64_t n, const double *lat_deg, const double *lon_deg,
                               const uint8_t *validity, double limit_m, int threads, int32_t *zone, double *dist_m,
                               uint8_t *status, ucid_error *error)
{
    if (!(limit_m >= 0 && limit_m <= 1e6)) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "a distance of %g m is not in 0..1000000", limit_m);
    }
    if (zones == NULL || n < 0) return ucid_fail(error, UCID_INVALID_ARGUMENT, "a join needs zones");
    const ucid_allocator *memory = &zones->allocator;
    uint8_t *own = status == NULL ? ucid_allocate(memory, (size_t)n, 1) : NULL;
    if (status == NULL && own == NULL) return ucid_fail_memory(error, "row statuses", (size_t)n);
    uint8_t *rows = status != NULL ? status : own;
    ucid_status done = ucid_zones_within(zones, n, lat_deg, lon_deg, validity, threads, zone, rows, error);
    if (done == UCID_OK) {
        near_job job = {zones, n, lat_deg, lon_deg, rows, limit_m, zone, dist_m};
        ucid_parallel(threads, n / CHUNK + (n % CHUNK != 0), near_chunk, &job);
    }
    ucid_release(memory, own, (size_t)n, 1);
    return done;
}
