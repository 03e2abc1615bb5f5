/* zones_build.h: zones as they were given, before they are compiled. */
#ifndef UCID_KERNEL_ZONES_BUILD_H
#define UCID_KERNEL_ZONES_BUILD_H

#include "kernel/zones.h"
#include "read/wkb.h"

typedef struct corner {
    uint32_t x, y;
} corner;

typedef struct ring {
    size_t first; /* corner; the last corner of a ring equals its first */
    int32_t zone;
} ring;

/* An edge of a ring that crosses longitude 180, or its copy a turn away. */
typedef struct turned_edge {
    int64_t ax, ay, bx, by;
    int32_t zone;
} turned_edge;

struct ucid_zones_builder {
    ucid_allocator allocator;
    corner *corners;
    ring *rings;
    turned_edge *turned;
    size_t corner_count, corner_capacity, ring_count, ring_capacity, turned_count, turned_capacity;
    int64_t zone_count, vertex_count;
    wkb_rings wkb; /* the last one */
};

#endif
