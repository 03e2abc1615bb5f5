/* zones_file.c: zones as a file, which is what lies in memory behind a header.
 *
 *     header | bands [rows] of (offset, words) | codes [rows * cols] | words of the bands, each at a multiple of 64
 *
 * Opening reads all of it once: the checksum, and every code, so that no forged file can lead a query astray. A grid
 * lies behind its parts in a band's words and its side shrinks, so following codes ends; as no part belongs to two
 * grids, a band that names more codes than it has words is forged. */
#include "kernel/zones.h"

#include "rt/digest.h"
#include "rt/error.h"
#include "rt/memory.h"

#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "zones are mapped as they are: little-endian machines only"
#endif

enum { FORMAT = 1, ALIGN = 64 };

static uint64_t aligned(uint64_t bytes) { return (bytes + ALIGN - 1) & ~(uint64_t)(ALIGN - 1); }

/* ---------------------------------------------------------------------------------------------------------- writing --
 */

static ucid_status write_padded(ucid_file_writer *file, const void *bytes, size_t length, ucid_error *error)
{
    static const uint8_t zeros[ALIGN];
    ucid_status status = length > 0 ? ucid_file_writer_write(file, bytes, length, error) : UCID_OK;
    size_t pad = (size_t)(aligned(file->position) - file->position);
    if (status == UCID_OK && pad > 0) status = ucid_file_writer_write(file, zeros, pad, error);
    return status;
}

static ucid_status write_body(const ucid_zones *zones, const zones_band_place *places, ucid_file_writer *file,
                              ucid_error *error)
{
    size_t codes = (size_t)zones->cols * zones->rows;
    ucid_status status = write_padded(file, places, zones->rows * sizeof *places, error);
    if (status == UCID_OK) status = write_padded(file, zones->codes, codes * sizeof *zones->codes, error);
    for (uint32_t row = 0; status == UCID_OK && row < zones->rows; row++) {
        status = write_padded(file, zones->bands[row].words, zones->bands[row].count * 4, error);
    }
    return status;
}

/* The checksum is of the bytes as they lie in the file, so it is taken from there. */
static ucid_status seal(ucid_file_writer *file, zones_header *head, ucid_error *error)
{
    ucid_file_map map;
    ucid_status status = ucid_file_writer_map(file, &map, error);
    if (status != UCID_OK) return status;
    head->byte_length = map.length;
    head->checksum = ucid_xxh3(map.bytes + sizeof *head, map.length - sizeof *head);
    ucid_file_map_close(&map);
    return ucid_file_writer_write_at(file, 0, head, sizeof *head, error);
}

ucid_status ucid_zones_write(const ucid_zones *zones, const char *path, ucid_error *error)
{
    if (zones == NULL || path == NULL) return ucid_fail(error, UCID_INVALID_ARGUMENT, "no zones, or no path");
    zones_header head = {.magic = ZONES_MAGIC,
                         .format = FORMAT,
                         .shift = (uint32_t)zones->shift,
                         .first_col = zones->first_col,
                         .first_row = zones->first_row,
                         .cols = zones->cols,
                         .rows = zones->rows,
                         .zone_count = zones->zone_count,
                         .vertex_count = zones->vertex_count};
    zones_band_place *places = ucid_allocate(&zones->allocator, zones->rows, sizeof *places);
    if (places == NULL) return ucid_fail_memory(error, "a table of bands", zones->rows * sizeof *places);
    uint64_t offset = aligned(sizeof head + zones->rows * sizeof *places);
    offset = aligned(offset + (uint64_t)zones->cols * zones->rows * 4);
    for (uint32_t row = 0; row < zones->rows; row++) {
        places[row] = (zones_band_place){offset, zones->bands[row].count};
        offset = aligned(offset + zones->bands[row].count * 4);
    }
    ucid_file_writer file;
    ucid_status status = ucid_file_writer_open(path, &zones->allocator, &file, error);
    if (status == UCID_OK) {
        status = ucid_file_writer_write(&file, &head, sizeof head, error);
        if (status == UCID_OK) status = write_body(zones, places, &file, error);
        if (status == UCID_OK) status = seal(&file, &head, error);
        if (status == UCID_OK) status = ucid_file_writer_commit(&file, error);
        ucid_file_writer_close(&file);
    }
    ucid_release(&zones->allocator, places, zones->rows, sizeof *places);
    return status;
}

/* --------------------------------------------------------------------------------------------------------- checking --
 */

typedef struct check {
    const zones_band *band;
    int64_t zone_count;
    size_t codes_left; /* more than these cannot be there */
    uint8_t *sets;     /* one bit for each 16 bytes of the band: a set that is sound */
} check;

static int sound_set(check *c, uint32_t code)
{
    size_t at = 4 * (size_t)(code >> 3);
    if (at >= c->band->count) return 0;
    if (c->sets[at >> 5] >> (at >> 2 & 7) & 1) return 1;
    const uint32_t *set = c->band->words + at;
    if (set[0] < 2 || set[0] > c->band->count - at - 1) return 0;
    for (uint32_t k = 1; k <= set[0]; k++) {
        if (set[k] >= (uint64_t)c->zone_count || (k > 1 && set[k] <= set[k - 1])) return 0;
    }
    c->sets[at >> 5] |= (uint8_t)(1 << (at >> 2 & 7));
    return 1;
}

static int sound_answer(check *c, uint32_t code)
{
    if (zones_tag(code) == ZONES_SET) return sound_set(c, code);
    return zones_tag(code) == ZONES_ZONE && zones_zone(code) < c->zone_count;
}

/* Differences of an edge and of a place of its cell stay within 32 bits. */
static int sound_edges(const zones_edge *edges, size_t count, int shift)
{
    int32_t reach = (int32_t)(ZONES_WIDTH / 2), side = (int32_t)1 << shift;
    for (size_t k = 0; k < count; k++) {
        const zones_edge *e = &edges[k];
        if (e->by == ZONES_WALL) {
            if (e->ax != side || e->bx != side || e->ay < 0 || e->ay >= side) return 0;
            continue;
        }
        int64_t dx = (int64_t)e->bx - e->ax, dy = (int64_t)e->by - e->ay;
        if (e->ax < -reach || e->ax > reach + side || e->ay < -reach || e->ay > reach + side) return 0;
        if (dx < -reach || dx > reach || dy < 0 || dy > reach) return 0;
    }
    return 1;
}

static int sound_table(check *c, size_t at, int shift)
{
    const uint32_t *words = c->band->words + at;
    uint32_t groups = words[0] & 7u, edges = words[0] >> 3;
    if (groups < 1 || groups > ZONES_GROUPS_MAX) return 0;
    size_t head = ((size_t)groups + (1u << groups) + 3) & ~(size_t)3;
    if (head + 4 * (size_t)edges > c->band->count - at) return 0;
    for (uint32_t g = 0; g + 1 < groups; g++) {
        if (words[1 + g] > edges || (g > 0 && words[1 + g] < words[g])) return 0;
    }
    for (uint32_t mask = 0; mask < 1u << groups; mask++) {
        if (!sound_answer(c, words[groups + mask])) return 0;
    }
    return sound_edges((const zones_edge *)(words + head), edges, shift);
}

static int sound_list(check *c, size_t at, int shift)
{
    const uint32_t *words = c->band->words + at;
    size_t head = (1 + 2 * (size_t)words[0] + 3) & ~(size_t)3;
    if (words[0] == 0 || head > c->band->count - at) return 0;
    uint32_t last = 0;
    for (uint32_t z = 0; z < words[0]; z++) {
        uint32_t end = words[2 + 2 * (size_t)z] & INT32_MAX, zone = words[1 + 2 * (size_t)z];
        if (end < last || zone >= (uint64_t)c->zone_count || (z > 0 && zone <= words[2 * (size_t)z - 1])) return 0;
        last = end;
    }
    if (head + 4 * (size_t)last > c->band->count - at) return 0;
    return sound_edges((const zones_edge *)(words + head), last, shift);
}

/* before: words of the grid that this code is in; its parts lie before them. */
static int sound_code(check *c, uint32_t code, int shift, size_t before)
{
    uint32_t tag = zones_tag(code);
    if (tag <= ZONES_SET) return sound_answer(c, code);
    size_t at = 4 * (size_t)(tag == ZONES_GRID ? code >> 6 : code >> 3);
    if (at >= before) return 0;
    if (tag == ZONES_TABLE) return sound_table(c, at, shift);
    if (tag == ZONES_LIST) return sound_list(c, at, shift);
    int bits = zones_grid_bits(code);
    size_t cells = (size_t)1 << 2 * bits;
    if (tag != ZONES_GRID || bits < 1 || bits > shift || cells > before - at || cells > c->codes_left) return 0;
    c->codes_left -= cells;
    for (size_t k = 0; k < cells; k++) {
        if (!sound_code(c, c->band->words[at + k], shift - bits, at)) return 0;
    }
    return 1;
}

static int sound_band(const ucid_zones *zones, uint32_t row, uint8_t *sets)
{
    const zones_band *band = &zones->bands[row];
    check c = {band, zones->zone_count, band->count, sets};
    memset(sets, 0, band->count / 32 + 1);
    for (uint32_t col = 0; col < zones->cols; col++) {
        if (!sound_code(&c, zones->codes[(size_t)row * zones->cols + col], zones->shift, band->count)) return 0;
    }
    return 1;
}

/* ---------------------------------------------------------------------------------------------------------- opening --
 */

static ucid_status corrupt(const char *path, const char *what, ucid_error *error)
{
    return ucid_fail(error, UCID_INDEX_CORRUPT, "%s: %s", path, what);
}

static ucid_status check_header(const ucid_file_map *map, const char *path, zones_header *head, ucid_error *error)
{
    if (map->length < sizeof *head || memcmp(map->bytes, ZONES_MAGIC, sizeof head->magic) != 0) {
        return ucid_fail(error, UCID_INDEX_FORMAT, "%s: not a file of compiled zones", path);
    }
    memcpy(head, map->bytes, sizeof *head);
    if (head->format != FORMAT) {
        return ucid_fail(error, UCID_INDEX_FORMAT, "%s: zones of format %u, this library reads %d; compile them again",
                         path, head->format, FORMAT);
    }
    if (head->byte_length != map->length) return corrupt(path, "the file is cut off, or too long", error);
    uint64_t codes = (uint64_t)head->cols * head->rows * 4;
    uint64_t front = aligned(aligned(sizeof *head + (uint64_t)head->rows * sizeof(zones_band_place)) + codes);
    if (head->shift < 1 || head->shift > ZONES_SHIFT_MAX || head->cols == 0 || head->rows == 0 ||
        head->rows > ZONES_HEIGHT || head->cols > ZONES_WIDTH || codes / 4 / head->rows != head->cols ||
        front > map->length || head->zone_count < 0 || head->zone_count > ZONES_MAX) {
        return corrupt(path, "the header contradicts itself", error);
    }
    if (ucid_xxh3(map->bytes + sizeof *head, map->length - sizeof *head) != head->checksum) {
        return corrupt(path, "the checksum is wrong", error);
    }
    return UCID_OK;
}

static ucid_status take_bands(ucid_zones *zones, zones_band *bands, const char *path, ucid_error *error)
{
    const zones_band_place *places = (const zones_band_place *)(zones->map.bytes + sizeof(zones_header));
    size_t most = 0;
    for (uint32_t row = 0; row < zones->rows; row++) {
        uint64_t offset = places[row].offset, count = places[row].count;
        if (offset % ALIGN != 0 || count % 4 != 0 || offset > zones->map.length ||
            count > (zones->map.length - offset) / 4) {
            return corrupt(path, "a band has a false place", error);
        }
        bands[row] = (zones_band){(const uint32_t *)(zones->map.bytes + offset), (size_t)count};
        most = bands[row].count > most ? bands[row].count : most;
    }
    uint8_t *sets = ucid_allocate(&zones->allocator, most / 32 + 1, 1);
    if (sets == NULL) return ucid_fail_memory(error, "checking zones", most / 32);
    ucid_status status = UCID_OK;
    for (uint32_t row = 0; status == UCID_OK && row < zones->rows; row++) {
        if (!sound_band(zones, row, sets)) status = corrupt(path, "a cell is false", error);
    }
    ucid_release(&zones->allocator, sets, most / 32 + 1, 1);
    return status;
}

ucid_status ucid_zones_open(const char *path, const ucid_allocator *allocator, ucid_zones **zones, ucid_error *error)
{
    ucid_file_map map;
    zones_header head;
    if (path == NULL || zones == NULL) return ucid_fail(error, UCID_INVALID_ARGUMENT, "no path");
    ucid_status status = ucid_file_map_open(path, &map, error);
    if (status != UCID_OK) return status;
    status = check_header(&map, path, &head, error);
    if (status != UCID_OK) {
        ucid_file_map_close(&map);
        return status;
    }
    ucid_allocator memory = ucid_allocator_or_default(allocator);
    ucid_zones *made = ucid_allocate_zero(&memory, 1, sizeof *made);
    zones_band *bands = ucid_allocate_zero(&memory, head.rows, sizeof *bands);
    if (made == NULL || bands == NULL) {
        ucid_release(&memory, made, 1, sizeof *made);
        ucid_release(&memory, bands, head.rows, sizeof *bands);
        ucid_file_map_close(&map);
        return ucid_fail_memory(error, "zones", head.rows * sizeof *bands);
    }
    size_t codes = (size_t)aligned(sizeof head + head.rows * sizeof(zones_band_place));
    *made = (ucid_zones){.allocator = memory,
                         .zone_count = head.zone_count,
                         .vertex_count = head.vertex_count,
                         .shift = (int)head.shift,
                         .first_col = head.first_col,
                         .first_row = head.first_row,
                         .cols = head.cols,
                         .rows = head.rows,
                         .codes = (const uint32_t *)(map.bytes + codes),
                         .bands = bands,
                         .map = map};
    status = take_bands(made, bands, path, error);
    if (status != UCID_OK) {
        ucid_zones_close(made);
        return status;
    }
    *zones = made;
    return UCID_OK;
}
