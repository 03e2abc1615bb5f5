/* index.h: the layout of a .ucidx file, and the opened index that kernels read.
 *
 *     header | section table | section | section | ...        sections aligned to 64 bytes, little-endian, fixed width
 *
 * Coordinates are integers: degrees times 1e7, longitudes relative to summary.lon_origin_e7 so that a region may cross
 * the antimeridian: the origin is 0, or 1800000000 where that makes the region narrower, and a relative longitude is
 * wrapped into -1800000000..1799999999. Lengths on the network are integers in 1/32 m. docs/index-format.md is
 * this file in prose; a test compares the numbers.
 *
 * How a place finds its street. The area is cut into rows of UCIDX_ROW_E7 (100 m) of latitude. A row has its own metres
 * per degree of longitude, so that inside a row all geometry is plain: x = (lon - lon') * row.x_m_per_e7,
 * y = (lat - lat') * UCIDX_Y_M_PER_E7. A row is cut into cells of row.cell_e7 longitude (100 m), 8 cells to a block; a
 * block without streets in reach has no cells. A cell is cut into 1, 4 or 16 leaves, the finer the more streets
 * there are, row by row from the south-west. A leaf lists every segment that can be the nearest of any point in it,
 * ascending: those of the main network, then islands (bit 31), and among equally near ones the first counts. What
 * "near" means is src/index/near.h, for the builder and for every reader.
 *
 *     row -> blocks[] -> cells[] -> leaves[] -> candidates[] -> segments[] -> entries[]
 *
 * How a street knows its places. Edge e has entry blocks [edges[e].first_entry, edges[e+1].first_entry): the nearest
 * opportunities of each part as distances from both ends. Opportunities are nodes, so none lies inside an edge, and a
 * point at offset o from end a, with gap g, walks min(a + o, b + length - o) + g. A segment repeats what of its edge a
 * place on it needs, so that the edge is not read on the way; ucidx_edge_of finds it. */
#ifndef UCID_INDEX_H
#define UCID_INDEX_H

#include "ucid.h"

#define UCIDX_MAGIC "UCIDX\r\n\032" /* 8 bytes, no NUL */
#define UCIDX_FORMAT 3u
#define UCIDX_ALIGN 64u
#define UCIDX_UNITS_PER_M 32
#define UCIDX_EARTH_RADIUS_M 6371000.0
#define UCIDX_Y_M_PER_E7 0.011119492664455874 /* pi / 180 * radius * 1e-7 */
#define UCIDX_ROW_E7 8992                     /* 100.0 m; a multiple of UCIDX_PIECES, as the width of a cell is */
#define UCIDX_CELL_M 100.0
#define UCIDX_BLOCK_CELLS 8u
#define UCIDX_DEPTH_MAX 2
#define UCIDX_PIECES (1 << UCIDX_DEPTH_MAX) /* of a side of a cell: the finest leaves */
#define UCIDX_NONE UINT32_MAX
#define UCIDX_FAR 0xFFFFu /* distance of an entry: not reached from this end */

enum ucidx_kind {
    UCIDX_SUMMARY = 1,   /* ucidx_summary [1] */
    UCIDX_ABOUT,         /* UTF-8 JSON, ends with NUL: provenance, options, rules, counts */
    UCIDX_ROWS,          /* ucidx_row [summary.row_count] */
    UCIDX_BLOCKS,        /* u32: first of UCIDX_BLOCK_CELLS cells in CELLS, or UCIDX_NONE */
    UCIDX_CELLS,         /* u32 [UCIDX_BLOCK_CELLS * blocks with cells]: first leaf << 2 | depth; 4^depth leaves */
    UCIDX_LEAVES,        /* ucidx_leaf, of a cell row by row; leaves of one cell may share a list */
    UCIDX_CANDIDATES,    /* u32: segment, bit 31 = on an island: counts only where no other is within the limit */
    UCIDX_SEGMENTS,      /* ucidx_segment, Hilbert order of their edges, consecutive along an edge */
    UCIDX_EDGES,         /* ucidx_edge [edges + 1]; the last one only ends the others */
    UCIDX_ENTRIES,       /* ucidx_entries: blocks of seven lanes */
    UCIDX_NODES,         /* ucidx_node [nodes + 1]; the last one only ends the others */
    UCIDX_ARCS,          /* u32: edge ids around each node, from node.first_arc; a loop appears twice */
    UCIDX_OPPORTUNITIES, /* ucidx_opportunity, by node, then part, OSM type and id */
    UCIDX_NAMES,         /* UTF-8 texts, each ends with NUL; offset 0 is "" */
    UCIDX_BOUNDARY,      /* ucidx_ring_point: rings of the reported area, or empty: everything is reported */
    UCIDX_COVERAGE, /* u64: H3 cells of resolution 7 that hold a reported place with a street in reach, ascending */
    UCIDX_KIND_END
};

typedef struct ucidx_header {
    char magic[8];
    uint32_t format;
    uint32_t section_count;
    uint64_t byte_length;
    uint64_t table_checksum; /* XXH3-64 of the section table */
    uint8_t id[32];          /* sha256 of the section table, which holds every section's checksum */
} ucidx_header;

typedef struct ucidx_section {
    uint32_t kind;
    uint32_t item_size;
    uint64_t offset;
    uint64_t byte_length; /* count * item_size, without padding */
    uint64_t checksum;    /* XXH3-64 of the section's bytes */
} ucidx_section;

typedef struct ucidx_summary {
    int32_t lat_origin_e7;                                  /* south edge of row 0, a multiple of UCIDX_ROW_E7 */
    int32_t lon_origin_e7;                                  /* longitudes in the file are relative to this */
    int32_t min_lat_e7, max_lat_e7, min_lon_e7, max_lon_e7; /* of the network; longitudes relative */
    uint32_t row_count;
    uint32_t data_hour;
    uint32_t cutoff, snap_limit;         /* 1/32 m */
    uint32_t component_count, flags;     /* flags: bit p: part p has enough objects to count as input */
    uint64_t street_length, main_length; /* 1/32 m: whole network, largest component */
    uint64_t island_edge_count;
    uint64_t opportunity_count[8];
    uint64_t area_m2;
    uint64_t reserved[4];
} ucidx_summary;

typedef struct ucidx_row {
    double x_m_per_e7; /* metres per 1e-7 degree of longitude in the middle of the row */
    int32_t lon_e7;    /* west edge of the row's first block, relative */
    uint32_t cell_e7;  /* width of a cell, a multiple of UCIDX_PIECES */
    uint32_t block_count;
    uint32_t first_block;
} ucidx_row;

typedef struct ucidx_leaf {
    uint32_t first, count; /* of CANDIDATES */
} ucidx_leaf;

typedef struct ucidx_segment {
    int32_t ax_e7, ay_e7, bx_e7, by_e7; /* relative longitude, latitude of both ends */
    uint32_t first_entry;               /* block of ENTRIES, of the edge */
    uint32_t offset;                    /* 1/32 m along the edge from its end a to this segment's a */
    uint32_t length;     /* 1/32 m; offsets and lengths of an edge's segments add up to the edge's length exactly */
    uint16_t rest;       /* 1/32 m along the edge from this segment's b to its end b; UCIDX_FAR: that or more */
    uint8_t block_count; /* of ENTRIES, of the edge */
    uint8_t island;      /* 1: the edge is on an island */
} ucidx_segment;

/* Street class of an edge: that of its longest part. */
enum ucidx_class {
    UCIDX_CLASS_ROAD = 0, /* highway=road, or none of the others */
    UCIDX_CLASS_FOOTWAY,
    UCIDX_CLASS_PEDESTRIAN,
    UCIDX_CLASS_PATH, /* also bridleway, and cycleway open to feet */
    UCIDX_CLASS_STEPS,
    UCIDX_CLASS_LIVING_STREET,
    UCIDX_CLASS_RESIDENTIAL,
    UCIDX_CLASS_UNCLASSIFIED,
    UCIDX_CLASS_SERVICE,
    UCIDX_CLASS_TRACK,
    UCIDX_CLASS_TERTIARY,
    UCIDX_CLASS_SECONDARY,
    UCIDX_CLASS_PRIMARY,
    UCIDX_CLASS_TRUNK,
    UCIDX_CLASS_COUNT
};

enum { UCIDX_EDGE_ISLAND = 1u << 8, UCIDX_EDGE_CLASS_MASK = 0xFFu }; /* of ucidx_edge.flags */

typedef struct ucidx_edge {
    uint32_t a, b;   /* nodes */
    uint32_t length; /* 1/32 m */
    uint32_t first_segment;
    uint32_t first_entry; /* block of ENTRIES */
    uint32_t flags;       /* street class (enum ucidx_class), island */
} ucidx_edge;

/* Entries of an edge, one lane a part: lane 0..5 = part, UCIDX_PART_END = the end of the extract. Block i of an edge
 * holds the i-th entry of each part, ascending by min(a, b), named ones first among equals; a lane without an i-th
 * entry has a = b = UCIDX_FAR and nothing in what. An edge has as many blocks as its longest part has entries. Lanes
 * that do not depend on each other let a kernel work on a block in a dozen instructions, and two blocks fill a line of
 * the cache. what: five bits a part from the lowest on; the lowest of them the place has a name, the others quality in
 * quarters. */
typedef struct ucidx_entries {
    uint16_t a[7], b[7];
    uint32_t what;
} ucidx_entries;
enum { UCIDX_PART_END = 6, UCIDX_NAMED = 1, UCIDX_QUALITY_SHIFT = 1, UCIDX_WHAT_BITS = 5, UCIDX_BLOCKS_MAX = 255 };

/* Of a part; 0 for the end of the extract. */
static inline uint32_t ucidx_what(const ucidx_entries *block, uint32_t part)
{
    return block->what >> UCIDX_WHAT_BITS * part & ((1u << UCIDX_WHAT_BITS) - 1);
}

typedef struct ucidx_node {
    int32_t x_e7, y_e7; /* relative longitude, latitude */
    uint32_t first_arc;
    uint32_t flags; /* bit 0: the extract ends here */
} ucidx_node;

typedef struct ucidx_opportunity {
    int64_t osm_id;
    int32_t x_e7, y_e7; /* the place itself */
    uint32_t node;      /* its foot point */
    uint32_t gap;       /* 1/32 m from place to foot point */
    uint32_t name;      /* offset in NAMES */
    uint32_t tag;       /* offset in NAMES of "shop=bakery" */
    uint8_t osm_type;   /* 'n', 'w', 'r' */
    uint8_t part;
    uint8_t quality; /* quarters */
    uint8_t reserved[5];
} ucidx_opportunity;

typedef struct ucidx_ring_point {
    int32_t x_e7, y_e7;
    uint32_t ring; /* number of the ring; even-odd over all rings */
    uint32_t reserved;
} ucidx_ring_point;

/* An opened index: typed views into the mapped file. All counts were checked against the section sizes; every index
 * that a kernel follows (row to block to cell to leaf to candidate to segment to entries) is checked where it is
 * followed or proven at open, so a forged file cannot cause a bad access. */
struct ucid_index {
    const uint8_t *bytes;
    size_t length;
    int mapped;
    ucid_allocator allocator;
    const ucidx_header *header;
    const ucidx_section *sections;
    const ucidx_summary *summary;
    const char *about;
    const ucidx_row *rows;
    const uint32_t *blocks, *cells;
    const ucidx_leaf *leaves;
    const uint32_t *candidates;
    const ucidx_segment *segments;
    const ucidx_edge *edges;
    const ucidx_entries *entries;
    const ucidx_node *nodes;
    const uint32_t *arcs;
    const ucidx_opportunity *opportunities;
    const char *names;
    const ucidx_ring_point *boundary;
    const uint64_t *coverage;
    uint32_t block_count, cell_count, leaf_count, candidate_count, segment_count, edge_count, entry_count, node_count;
    uint32_t arc_count, opportunity_count, name_bytes, boundary_count, coverage_count;
};

/* The edge of a segment; the first one where the index is damaged. */
static inline uint32_t ucidx_edge_of(const ucid_index *index, uint32_t segment)
{
    uint32_t edge = 0, after = index->edge_count;
    while (after - edge > 1) {
        uint32_t middle = edge + (after - edge) / 2;
        if (index->edges[middle].first_segment <= segment) {
            edge = middle;
        } else {
            after = middle;
        }
    }
    return edge;
}

#endif
