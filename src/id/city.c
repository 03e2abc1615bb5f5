/* city.c: asking a registry. A code of three letters is a number below 17,576, so a table of that many 16-bit entries
 * is a perfect hash: one load answers. Names are searched by a scan (6,431 names, some 100 us). The nearest city is
 * found in rows ordered by latitude, outward from the coordinate's, until the latitudes alone are farther than the
 * best. */
#include "id/city.h"

#include "rt/error.h"
#include "rt/file.h"
#include "rt/memory.h"
#include "rt/trig.h"

#include <math.h>
#include <string.h>

#define RADIANS(deg) ((deg) * (UCID_PI / 180))
#define DEGREE_KM (UCID_EARTH_RADIUS_M * UCID_PI / 180 / 1000)

static const ucid_registry *registry_or_builtin(const ucid_registry *registry)
{
    return registry != NULL ? registry : &ucid_registry_builtin;
}

ucid_status ucid_registry_open_memory(const void *bytes, size_t length, const ucid_allocator *allocator,
                                      ucid_registry **registry, ucid_error *error)
{
    return ucid_cities_read(bytes, length, &ucid_registry_builtin, allocator, registry, error);
}

ucid_status ucid_registry_open(const char *path, const ucid_allocator *allocator, ucid_registry **registry,
                               ucid_error *error)
{
    ucid_file_map map;
    ucid_status status = ucid_file_map_open(path, &map, error);
    if (status != UCID_OK) return status;
    status = ucid_registry_open_memory(map.bytes, map.length, allocator, registry, error);
    ucid_file_map_close(&map);
    return status;
}

int64_t ucid_registry_count(const ucid_registry *registry) { return registry_or_builtin(registry)->count; }

static void estimate_box(const ucid_city_row *row, ucid_city *city)
{
    double side_km = sqrt((double)row->population / 3000.0);
    side_km = side_km < 10 ? 10 : side_km > 100 ? 100 : side_km;
    double half_lat = side_km / 2 / DEGREE_KM;
    city->min_lat_deg = fmax(row->lat_deg - half_lat, -90.0);
    city->max_lat_deg = fmin(row->lat_deg + half_lat, 90.0);
    double half_lon = half_lat / ucid_cos(RADIANS(row->lat_deg));
    if (!(half_lon < 180.0) || city->min_lat_deg == -90.0 || city->max_lat_deg == 90.0) {
        city->min_lon_deg = -180.0;
        city->max_lon_deg = 180.0;
        return;
    }
    city->min_lon_deg = row->lon_deg - half_lon;
    city->max_lon_deg = row->lon_deg + half_lon;
    if (city->min_lon_deg < -180.0) city->min_lon_deg += 360.0;
    if (city->max_lon_deg > 180.0) city->max_lon_deg -= 360.0;
}

int ucid_city_at(const ucid_registry *registry, int64_t position, ucid_city *city)
{
    registry = registry_or_builtin(registry);
    if (position < 0 || position >= registry->count) return 0;
    const ucid_city_row *row = &registry->rows[position];
    memcpy(city->code, row->code, sizeof city->code);
    memcpy(city->country, row->country, sizeof city->country);
    city->name = registry->texts + row->name;
    city->region = registry->texts + row->region;
    city->timezone = registry->texts + row->timezone;
    city->population = row->population;
    city->lat_deg = row->lat_deg;
    city->lon_deg = row->lon_deg;
    city->box_estimated = !row->box_given;
    if (row->box_given) {
        city->min_lat_deg = row->box_deg[0];
        city->min_lon_deg = row->box_deg[1];
        city->max_lat_deg = row->box_deg[2];
        city->max_lon_deg = row->box_deg[3];
    } else {
        estimate_box(row, city);
    }
    return 1;
}

static inline char upper(char c) { return (unsigned char)(c - 'a') <= 25 ? (char)(c - 32) : c; }

ucid_status ucid_city_get(const ucid_registry *registry, ucid_text code, ucid_city *city, ucid_error *error)
{
    registry = registry_or_builtin(registry);
    if (code.length == 3) {
        char letters[3] = {upper(code.data[0]), upper(code.data[1]), upper(code.data[2])};
        int number = ucid_code_number(letters);
        int row = number >= 0 ? registry->row_of[number] : 0;
        if (row > 0) {
            if (city != NULL) ucid_city_at(registry, row - 1, city);
            return UCID_OK;
        }
    }
    return ucid_fail(error, UCID_CITY_NOT_FOUND, "no city has the code \"%.*s\"",
                     code.length < 40 ? (int)code.length : 40, code.data != NULL ? code.data : "");
}

/* --------------------------------------------------------------------------------------------------------- names -- */

/* Base letters of U+00C0..U+024F and U+1E00..U+1EFF; '.' where there is none. */
static const char latin[] =
    "aaaaaaaceeeeiiiidnooooo.ouuuuytsaaaaaaaceeeeiiiidnooooo.ouuuuytyaaaaaaccccccccddddeeeeeeeeeegggg"
    "gggghhhhiiiiiiiiiiiijjkkkllllllllllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs"
    "...............e................oo.............uu...................dddlllnnnaaiioouuuuuuuuuu.aa"
    "aa....ggkkoooo..jdddgg..nnaa....aaaaeeeeiiiioooorrrruuuusstt..hh......aaeeooooooooyy............"
    "................";
static const char latin_more[] =
    "aabbbbbbccddddddddddeeeeeeeeeeffgghhhhhhhhhhiiiikkkkkkllllllllmmmmmmnnnnnnnnoooooooopppprrrrrrrr"
    "ssssssssssttttttttuuuuuuuuuuvvvvwwwwwwwwwwxxxxyyzzzzzzhtwyas....aaaaaaaaaaaaaaaaaaaaaaaaeeeeeeee"
    "eeeeeeeeiiiioooooooooooooooooooooooouuuuuuuuuuuuuuyyyyyyyy......";

/* The next character of a UTF-8 text, in lower case and without its accents; -1 at the end. */
static int32_t next_folded(const unsigned char **text, const unsigned char *end)
{
    while (*text < end) {
        const unsigned char *p = *text;
        int more = *p < 0xC2 ? 0 : *p < 0xE0 ? 1 : *p < 0xF0 ? 2 : *p < 0xF5 ? 3 : 0;
        if (end - p <= more) more = 0;
        int32_t c = more == 0 ? *p : *p & (0x3F >> more);
        for (int i = 1; i <= more; i++) c = c << 6 | (p[i] & 0x3F);
        *text = p + more + 1;
        if (c >= 'A' && c <= 'Z') return c + 32;
        if (c >= 0x300 && c < 0x370) continue; /* an accent by itself */
        if (c >= 0xC0 && c < 0x250 && latin[c - 0xC0] != '.') return latin[c - 0xC0];
        if (c >= 0x1E00 && c < 0x1F00 && latin_more[c - 0x1E00] != '.') return latin_more[c - 0x1E00];
        return c;
    }
    return -1;
}

/* 2: name starts with the text; 1: holds it; 0: does not. */
static int name_fits(const char *name, ucid_text text)
{
    const unsigned char *start = (const unsigned char *)name, *end = start + strlen(name);
    const unsigned char *wanted_end = (const unsigned char *)text.data + text.length;
    for (int fit = 2; start < end; fit = 1) {
        const unsigned char *p = start, *wanted = (const unsigned char *)text.data;
        int32_t a, b;
        do {
            b = next_folded(&wanted, wanted_end);
            a = next_folded(&p, end);
        } while (a == b && b >= 0);
        if (b < 0) return fit;
        if (a < 0) return 0;
        next_folded(&start, end);
    }
    return 0;
}

int64_t ucid_city_search(const ucid_registry *registry, ucid_text text, ucid_text country, int64_t *positions,
                         int64_t capacity)
{
    registry = registry_or_builtin(registry);
    char wanted[3] = "";
    if (country.length == 2) {
        wanted[0] = upper(country.data[0]);
        wanted[1] = upper(country.data[1]);
    } else if (country.length != 0) {
        return 0;
    }
    int code = -1;
    if (text.length == 3) {
        char letters[3] = {upper(text.data[0]), upper(text.data[1]), upper(text.data[2])};
        code = ucid_code_number(letters);
    }
    int64_t found = 0;
    for (uint32_t i = 0; i < registry->count; i++) {
        const ucid_city_row *row = &registry->rows[i];
        if (wanted[0] != '\0' && memcmp(row->country, wanted, 2) != 0) continue;
        int rank = text.length == 0                      ? 0
                   : ucid_code_number(row->code) == code ? 3
                                                         : name_fits(registry->texts + row->name, text);
        if (text.length > 0 && rank == 0) continue;
        /* Insert into those kept so far, which are in order; the rank of a kept one is worked out again. */
        int64_t to = found < capacity ? found : capacity;
        found++;
        if (text.length == 0) {
            if (to < capacity) positions[to] = i;
            continue;
        }
        while (to > 0) {
            const ucid_city_row *other = &registry->rows[positions[to - 1]];
            int other_rank = ucid_code_number(other->code) == code ? 3 : name_fits(registry->texts + other->name, text);
            if (other_rank > rank || (other_rank == rank && other->population >= row->population)) break;
            if (to < capacity) positions[to] = positions[to - 1];
            to--;
        }
        if (to < capacity) positions[to] = i;
    }
    return found;
}

/* ------------------------------------------------------------------------------------------------------- nearest -- */

ucid_status ucid_city_nearest(const ucid_registry *registry, double lat_deg, double lon_deg, ucid_city *city,
                              double *dist_m, ucid_error *error)
{
    registry = registry_or_builtin(registry);
    if (!(fabs(lat_deg) <= 90.0 && fabs(lon_deg) <= 180.0)) {
        return ucid_fail(error, UCID_INVALID_COORDINATES, "%g, %g is not within 90 and 180 degrees", lat_deg, lon_deg);
    }
    uint32_t low = 0, high = registry->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (registry->rows[registry->by_lat[middle]].lat_deg < lat_deg) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    /* Squares of half the chord; that of the latitudes alone is a lower bound. */
    double best = 2, cos_lat = ucid_cos(RADIANS(lat_deg));
    int64_t nearest = -1, down = (int64_t)low - 1, up = low;
    while (down >= 0 || up < registry->count) {
        double below = down >= 0 ? lat_deg - registry->rows[registry->by_lat[down]].lat_deg : 400;
        double above = up < registry->count ? registry->rows[registry->by_lat[up]].lat_deg - lat_deg : 400;
        int64_t row = below <= above ? registry->by_lat[down--] : registry->by_lat[up++];
        const ucid_city_row *candidate = &registry->rows[row];
        if (memcmp(candidate->country, "XX", 2) == 0) continue; /* a code for tests: no place */
        double lat_part = ucid_sin(RADIANS(below <= above ? below : above) / 2);
        double bound = lat_part * lat_part;
        if (bound > best) break;
        double lon_part = ucid_sin(RADIANS(candidate->lon_deg - lon_deg) / 2);
        double half_chord = bound + cos_lat * ucid_cos(RADIANS(candidate->lat_deg)) * lon_part * lon_part;
        if (half_chord < best || (half_chord == best && row < nearest)) {
            best = half_chord;
            nearest = row;
        }
    }
    if (city != NULL) ucid_city_at(registry, nearest, city);
    if (dist_m != NULL) *dist_m = 2 * UCID_EARTH_RADIUS_M * ucid_atan2(sqrt(best), sqrt(fmax(1 - best, 0)));
    return UCID_OK;
}
