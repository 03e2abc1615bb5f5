/* build.h: what the stages of a build hand to each other. Stages run in this order, each in its own file:
 *
 *     build_read     extract -> ways, node positions, places           (three passes: relations, ways, nodes)
 *     build_network  or: arrays -> the same
 *     build_streets  ways -> graph of junctions and edges with geometry
 *     build_places   areas -> one point each; one place mapped twice -> one
 *     build_feet     places -> foot points on edges; edges are split there; everything put in Hilbert order
 *     build_grid     segments -> lists of what can be nearest to a place
 *     build_near     nearest opportunities of every node -> entries of every edge
 *     build          sections -> file
 *
 * Memory of the stages belongs to the build and is freed with it, or earlier where a stage is done with it. */
#ifndef UCID_INDEX_BUILD_H
#define UCID_INDEX_BUILD_H

#include "index/index.h"
#include "index/near.h"

enum { BUILD_MISSING = INT32_MIN };    /* latitude of a node that the extract does not hold */
enum { BUILD_LAT_MAX_E7 = 890000000 }; /* a metre of longitude means nothing nearer to the poles */

/* A way, or a member way of a relation: refs[first .. first + count). */
typedef struct build_way {
    int64_t id;
    uint32_t first, count;
    uint8_t class;
} build_way;

/* A place that may become an opportunity. */
typedef struct build_place {
    int64_t id;
    int32_t x_e7, y_e7;     /* of areas: from build_places on */
    uint32_t name;          /* offset in texts */
    uint32_t first, count;  /* way: refs; relation: members; in build_places: rings */
    uint8_t osm_type, kind; /* kind: row of the table of tags */
    uint8_t fate;           /* enum build_fate */
} build_place;

enum build_fate { PLACE_KEPT = 0, PLACE_BROKEN, PLACE_DUPLICATE, PLACE_OUTSIDE, PLACE_OFF_NETWORK };

/* A way of a relation's rings. */
typedef struct build_member {
    int64_t way;
    uint32_t first, count; /* refs; count 0: the extract does not hold it */
} build_member;

/* A junction, a dead end, or the foot of a place. */
typedef struct build_node {
    int32_t x_e7, y_e7;
    uint32_t flags;
} build_node;

/* A point of an edge's geometry; `at` is its distance from the edge's end a, 1/32 m. An edge owns the points from
 * first_point to the next edge's; both ends are among them. */
typedef struct build_point {
    int32_t x_e7, y_e7;
    uint32_t at;
} build_point;

typedef struct build_edge {
    uint32_t a, b, length, first_point, flags;
} build_edge;

/* A straight piece of an edge, in the order of the file. */
typedef struct build_segment {
    int32_t ax_e7, ay_e7, bx_e7, by_e7;
    uint32_t edge, offset, length;
} build_segment;

/* Where a place meets its street. */
typedef struct build_foot {
    uint32_t place, edge, at, gap;
    int32_t x_e7, y_e7;
} build_foot;

typedef struct build_counts {
    uint64_t nodes_read, ways_read, relations_read;
    uint64_t street_ways, ways_forbidden, pieces, pieces_repeated, pieces_misplaced, nodes_missing, nodes_polar, ends;
    uint64_t junctions, loops, components, islands, island_edges, pieces_outside_buffer;
    uint64_t places, private_places, open_ways, broken_areas, other_relations, duplicates, outside_buffer, off_network;
    uint64_t on_islands;
    uint64_t edges_to_themselves; /* of a network */
} build_counts;

typedef struct build_block {
    void *ptr;
    size_t count, item;
} build_block;

typedef struct build {
    ucid_allocator allocator;
    int threads;
    uint32_t cutoff, snap_limit; /* 1/32 m */
    double buffer_m;
    ucid_progress_fn progress;
    void *progress_ctx;
    ucid_error *error;
    const char *path;            /* of the extract; of a network what messages call it */
    const ucid_network *network; /* NULL: an extract is read */
    build_block *blocks;
    size_t block_count, block_capacity;

    /* build_read */
    int32_t lon_origin_e7;
    int header_box;    /* enum build_box */
    int32_t box_e7[4]; /* south, west, north, east as in the file */
    int64_t *refs;
    size_t ref_count, ref_capacity;
    build_way *ways;
    size_t way_count, way_capacity;
    const double *way_m; /* [way_count] metres of ways of two points, borrowed; NULL: as long as they are drawn */
    build_member *members;
    size_t member_count, member_capacity;
    build_place *places;
    size_t place_count, place_capacity;
    char *texts;
    size_t text_count, text_capacity;
    uint32_t *points;           /* refs as positions in point_x, point_y, ascending OSM id */
    int32_t *point_x, *point_y; /* point_y BUILD_MISSING: not in the extract */
    const uint8_t *point_end;   /* [point_count] not 0: the data end there, borrowed; NULL: the header's box tells */
    size_t point_count;
    int32_t min_x_e7, min_y_e7, max_x_e7, max_y_e7; /* of the streets; by build_streets */
    int64_t newest_timestamp, replication_timestamp;
    uint64_t input_bytes;

    /* boundary */
    ucidx_ring_point *boundary;
    size_t boundary_count;
    uint64_t area_m2;
    int has_keep;
    int32_t keep_e7[4]; /* south, west, north, east that the network is cut to; relative */

    /* build_streets, replaced by build_feet */
    build_node *nodes;
    build_edge *edges; /* [edge_count + 1] */
    build_point *edge_points;
    size_t node_count, edge_count, edge_point_count;
    uint64_t street_length, main_length;

    /* build_feet: the file's order from here on */
    build_foot *feet;
    size_t foot_count;
    build_segment *segments;
    size_t segment_count;
    uint32_t *arcs, *first_arc; /* first_arc [node_count + 1] */
    ucidx_opportunity *opportunities;
    size_t opportunity_count;
    char *names;
    size_t name_bytes, name_capacity;

    /* build_grid; its first two by build_streets */
    int32_t lat_origin_e7;
    size_t row_count;
    ucidx_row *rows;
    uint32_t *grid_blocks, *cells;
    ucidx_leaf *leaves;
    size_t grid_block_count, cell_count, leaf_count;
    uint64_t *coverage;
    size_t coverage_count;
    uint64_t covered_cells;

    /* build_near */
    ucidx_entries *entries;
    uint32_t *first_entry; /* [edge_count + 1] */
    size_t entry_count;

    build_counts counts;
} build;

enum build_box { BOX_ABSENT = 0, BOX_IMPLAUSIBLE, BOX_TRUSTED };

/* Memory that is freed with the build; NULL and an error where it is out. Not for several threads. */
void *build_take(build *b, size_t count, size_t item, const char *what);
void *build_take_zero(build *b, size_t count, size_t item, const char *what);
void build_drop(build *b, void *ptr); /* earlier than the build; NULL is fine */
/* Room for needed items in an array that grows; *ptr may be NULL at first. */
int build_room(build *b, void **ptr, size_t *capacity, size_t needed, size_t item, const char *what);
#define BUILD_ROOM(b, array, capacity, needed, what)                                                                   \
    build_room((b), (void **)(void *)&(array), &(capacity), (needed), sizeof *(array), (what))
/* CANCELLED where the caller asked for it. */
ucid_status build_progress(build *b, const char *stage, uint64_t done, uint64_t total);

/* Ascending; the sorts are stable, and linear: by 11 bits a pass, passes without work left out. */
ucid_status build_sort(build *b, uint64_t *keys, size_t count);
/* order[] = 0..count-1 sorted by keys[order]. */
ucid_status build_sort_order(build *b, const uint64_t *keys, uint32_t *order, size_t count);
/* Position on a Hilbert curve over the whole int32 plane. */
uint64_t build_hilbert(int32_t x, int32_t y);

/* Which cells of 100 m a segment touches: entries of a row ascend by column, then segment. Columns start at west_e7 and
 * are cell_e7[row] wide. */
typedef struct build_raster {
    int64_t west_e7;
    size_t row_count;
    double *x_m_per_e7; /* [row_count] */
    uint32_t *cell_e7;  /* [row_count] */
    size_t *first;      /* [row_count + 1] */
    uint64_t *entries;  /* column << 32 | segment */
} build_raster;

/* Rows are those of the index: build_streets has set lat_origin_e7 and row_count. */
ucid_status build_raster_make(build *b, const build_segment *segments, size_t count, build_raster *raster);
void build_raster_drop(build *b, build_raster *raster);
/* First entry of a row whose column is this or more. */
size_t build_raster_find(const build_raster *raster, size_t row, int64_t column);

ucid_status build_read(build *b);
ucid_status build_network(build *b);
/* Offset of a copy of the text in b->texts; 0 is the empty text, and what is given where memory is out (*failed is
 * set). */
uint32_t build_text(build *b, const char *text, size_t length, int *failed);
ucid_status build_streets(build *b);
ucid_status build_places(build *b);
ucid_status build_feet(build *b);
ucid_status build_near(build *b);

/* The grid hands its candidates over piece by piece, in file order. */
typedef ucid_status (*build_sink)(void *ctx, const uint32_t *candidates, size_t count);
ucid_status build_grid(build *b, build_sink sink, void *sink_ctx);

#endif
