/* zones.h: how a set of zones lies in memory and on disk.
 *
 * The plane is that of integers: X = (longitude + 180) * 1e7, Y = (latitude + 90) * 1e7. A grid of cells whose sides
 * are a power of two covers what the zones cover; a cell through which many edges run is divided again, into 2^k * 2^k
 * cells, and so on. A code of 32 bits says what a cell is:
 *
 *     0                 in no zone
 *     ZONE   number     all of the cell is in one zone
 *     SET    offset     all of it is in the same zones:   count, zones ascending
 *     GRID   k, offset  4^k codes, row by row from the south west
 *     TABLE  offset     edges in up to four groups; the parities of crossed edges choose one of the answers
 *     LIST   offset     zones, each with its own edges
 *
 * Offsets count 16 bytes in the words of the cell's row of the grid, its band: bands are built by different threads and
 * need not know of each other.
 *
 * Words of a TABLE:
 *     edge count << 3 | groups
 *     where groups but the last end
 *     2^groups codes (0, ZONE, SET), of parities whose bit g is group g
 *     up to the next 16 bytes; edges
 *
 * Words of a LIST:
 *     count
 *     per zone: number, inside << 31 | where its edges end
 *     up to the next 16 bytes; edges
 *
 * An edge is (ax, ay, bx, by) relative to its cell's south west corner, a below b. A place (x, y) of the cell crosses
 * it if ay <= y < by and the place is left of it: so a place on an edge counts as east of it, one at the height of an
 * end as above it. The edges of a cell, and what is inside while none is crossed, are such (zones_build.c) that this
 * parity answers for all places of the cell. An edge whose by is ZONES_WALL is no border but such a correction. */
#ifndef UCID_KERNEL_ZONES_H
#define UCID_KERNEL_ZONES_H

#include "rt/file.h"
#include "ucid.h"

enum { ZONES_ZONE = 0, ZONES_SET = 1, ZONES_GRID = 2, ZONES_TABLE = 3, ZONES_LIST = 4 };
enum { ZONES_GROUPS_MAX = 4, ZONES_SHIFT_MAX = 28, ZONES_WALL = INT32_MAX, ZONES_MAX = 1 << 28 };

#define ZONES_WIDTH 3600000000u  /* X of longitude 180 */
#define ZONES_HEIGHT 1800000000u /* Y of latitude 90 */

typedef struct zones_edge {
    int32_t ax, ay, bx, by;
} zones_edge;

typedef struct zones_band {
    const uint32_t *words; /* aligned to 16 bytes */
    size_t count;          /* of words; a multiple of 4 */
} zones_band;

struct ucid_zones {
    ucid_allocator allocator;
    int64_t zone_count, vertex_count;
    int shift;                     /* side of a cell of the grid: 2^shift */
    uint32_t first_col, first_row; /* X >> shift and Y >> shift of the first cell */
    uint32_t cols, rows;
    const uint32_t *codes;   /* [rows * cols] */
    const zones_band *bands; /* [rows] */
    ucid_file_map map;       /* where codes and words lie, or nothing: they are the allocator's */
};

static inline uint32_t zones_tag(uint32_t code) { return code & 7u; }
/* Of a ZONE: number of the zone, -1 for none. */
static inline int32_t zones_zone(uint32_t code) { return (int32_t)(code >> 3) - 1; }
static inline uint32_t zones_zone_code(int32_t zone) { return ((uint32_t)zone + 1) << 3; }
static inline const uint32_t *zones_words(const zones_band *band, uint32_t code)
{
    return band->words + 4 * (size_t)(zones_tag(code) == ZONES_GRID ? code >> 6 : code >> 3);
}
/* Of a GRID: it has 2^this columns and rows, 1..7. */
static inline int zones_grid_bits(uint32_t code) { return (int)(code >> 3 & 7); }

/* Zones of a code that has an answer (0, ZONE, SET), ascending. *one is room for one of them. */
static inline int64_t zones_answer(const zones_band *band, uint32_t code, int32_t *one, const int32_t **zones)
{
    if (zones_tag(code) == ZONES_SET) {
        const uint32_t *set = zones_words(band, code);
        *zones = (const int32_t *)(set + 1);
        return set[0];
    }
    *one = zones_zone(code);
    *zones = one;
    return code != 0;
}

static inline unsigned zones_crosses(const zones_edge *e, int32_t x, int32_t y)
{
    int64_t left = (int64_t)(e->bx - e->ax) * (y - e->ay) - (int64_t)(e->by - e->ay) * (x - e->ax);
    return (unsigned)(e->ay <= y) & (unsigned)(y < e->by) & (unsigned)(left > 0);
}

/* A TABLE, read. */
typedef struct zones_table {
    uint32_t groups, end[ZONES_GROUPS_MAX];
    const uint32_t *answers;
    const zones_edge *edges;
} zones_table;

static inline zones_table zones_table_get(const uint32_t *words)
{
    zones_table t = {.groups = words[0] & 7u};
    for (uint32_t g = 0; g + 1 < t.groups; g++) t.end[g] = words[1 + g];
    t.end[t.groups - 1] = words[0] >> 3;
    t.answers = words + t.groups;
    t.edges = (const zones_edge *)(words + ((t.groups + (1u << t.groups) + 3) & ~3u));
    return t;
}

/* A LIST, read: pairs of words and edges. */
static inline const zones_edge *zones_list_edges(const uint32_t *words)
{
    return (const zones_edge *)(words + ((1 + 2 * (size_t)words[0] + 3) & ~(size_t)3));
}

/* The front of a file. */
#define ZONES_MAGIC "UCIDZNS\n"
typedef struct zones_header {
    char magic[8];
    uint32_t format, shift, first_col, first_row, cols, rows;
    int64_t zone_count, vertex_count;
    uint64_t byte_length, checksum; /* of all that follows the header */
    uint64_t zero;
} zones_header;

/* After it, one a row. */
typedef struct zones_band_place {
    uint64_t offset, count; /* bytes from the file's start; words */
} zones_band_place;

/* Degrees times 1e7, rounded; |degrees| <= 540. Both terms are made positive, so that truncation rounds down. */
static inline int64_t zones_e7(double degrees) { return (int64_t)(degrees * 1e7 + 6000000000.5) - 6000000000; }

/* A place on the plane; 0 where its coordinates are none. Longitude 180 is -180; latitude 90 is just below. */
static inline int zones_place(double lat_deg, double lon_deg, uint32_t *x, uint32_t *y)
{
    if (!(lat_deg >= -90.0 && lat_deg <= 90.0 && lon_deg >= -180.0 && lon_deg <= 180.0)) return 0;
    *x = (uint32_t)(zones_e7(lon_deg) + ZONES_WIDTH / 2);
    *y = (uint32_t)(zones_e7(lat_deg) + ZONES_HEIGHT / 2);
    if (*x >= ZONES_WIDTH) *x = 0;
    if (*y >= ZONES_HEIGHT) *y = ZONES_HEIGHT - 1;
    return 1;
}

#endif
