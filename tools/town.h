/* town.h: towns that do not exist, as OpenStreetMap extracts of any size: street grids of irregular blocks around
 * centres, main roads between them, rivers with bridges, parks, shops by density, and what makes real data hard:
 * islands, dead ends, private ways, one shop mapped twice, stops in pairs.
 *
 * The same options give the same bytes. About a fifth of the nodes are junctions or dead ends of the street network:
 * --nodes 5000000 gives a network of 1 M nodes (town_counts tells). */
#ifndef UCID_TOOLS_TOWN_H
#define UCID_TOOLS_TOWN_H

#include "pbf_write.h"
#include "ucid.h"

typedef struct town_options {
    uint64_t seed;
    uint64_t nodes;          /* about so many, 500 .. 10^9 */
    int64_t first_id;        /* of nodes, of ways and of relations */
    double lat_deg, lon_deg; /* where the first town is, within 60 degrees of the equator */
    int64_t timestamp;       /* newest object, seconds since 1970 */
    enum pbf_compression compression;
} town_options;
#define TOWN_OPTIONS_INIT                                                                                              \
    {                                                                                                                  \
        1, 100000, 1, 40.0, -40.0, 1767225600 /* 2026-01-01 */, PBF_ZLIB                                               \
    }

typedef struct town_counts {
    uint64_t nodes, ways, relations;
    uint64_t junctions; /* ends and meetings of streets */
    uint64_t towns;     /* places with a name */
} town_counts;

/* Write a file; it appears whole or not at all.
 * cost  about a second for 1 M nodes; memory 24 bytes for some 1,000 nodes, and one blob
 * err   INVALID_ARGUMENT, IO_ERROR, NO_MEMORY, UNSUPPORTED_FORMAT: a compression that was not built in */
ucid_status town_write(const town_options *options, const char *path, town_counts *counts, ucid_error *error);
/* The same into memory, as pbf_close_memory gives it. */
ucid_status town_write_memory(const town_options *options, uint8_t **bytes, size_t *length, size_t *capacity,
                              town_counts *counts, ucid_error *error);

#endif
