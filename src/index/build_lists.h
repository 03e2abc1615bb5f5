/* build_lists.h: which segments can be the nearest of some place of a box. Lists are narrowed on the way down from a
 * block of cells to the finest leaves (build_grid.c); each step is a pass over a few planes of floats, so there is a
 * variant for each width of vectors. All give the same bits: + - * and comparisons of floats, never fused. */
#ifndef UCID_INDEX_BUILD_LISTS_H
#define UCID_INDEX_BUILD_LISTS_H

#include "index/index.h"

enum { LISTS_LANES = 16 };   /* of the widest variant */
#define LISTS_FAR_AWAY 1e15f /* metres; its square is a float */
#define LISTS_LEVEL_M 1e-6f  /* nearer to a street than this, its distance is as good as level */

/* Planes of surroundings: end a, the way to end b, 1 / length squared; what was measured; distances from the corners of
 * a box, and what these are at least by the plane that touches in the middle. */
enum { LISTS_AX, LISTS_AY, LISTS_DX, LISTS_DY, LISTS_INVERSE, LISTS_MEASURED, LISTS_CORNER };
enum { LISTS_BELOW = LISTS_CORNER + 4, LISTS_PLANES = LISTS_BELOW + 4 };

/* Segments that matter to a box, in metres from the middle of their block: the main network, then from first_island on
 * islands, both filled up with segments far away to a multiple of LISTS_LANES. */
typedef struct surroundings {
    uint32_t *segments; /* [capacity] bit 31: on an island */
    float *planes;      /* [LISTS_PLANES][capacity] */
    size_t capacity;    /* for whatever is narrowed into it: lists_room(segments of its source) */
    size_t first_island, count;
} surroundings;

/* A cell or a part of it, in metres from the middle of its block. */
typedef struct lists_box {
    float x, y, half_x, half_y;
    uint32_t first_piece, pieces; /* south-western one; of a side */
} lists_box;

/* Of the main network and of islands; where it is what is wanted at most, none of a network below 0. */
typedef struct lists_pair {
    float main, island;
} lists_pair;

typedef struct lists_kernels {
    const char *name; /* "avx512", "avx2", "scalar" */
    /* Squared distances of a point, and the least of them. */
    lists_pair (*measure_point)(surroundings *around, float x, float y);
    /* Squares of what segments are at least away from a box; and the least of what they are at most away from it. */
    lists_pair (*measure_box)(surroundings *around, const lists_box *at);
    /* How far segments are behind another one of their network, metres, at the place of a box where that is least; more
     * than slack for those, and only those, that are more than slack behind some other one. */
    void (*measure_behind)(surroundings *around, const lists_box *at, float slack);
    /* Those that measure no more, in their order; how many there are. */
    size_t (*narrow)(const surroundings *from, lists_pair most, surroundings *to);
    /* Their numbers alone, into room for LISTS_LANES more than there are. */
    size_t (*list)(const surroundings *from, lists_pair most, uint32_t *segments);
} lists_kernels;

/* Kernels by name, NULL where this processor has none such; the fastest for NULL. */
const lists_kernels *lists_kernels_find(const char *name);
extern const lists_kernels lists_avx2, lists_avx512;

/* Capacity for some segments of both networks. */
static inline size_t lists_room(size_t segments) { return (segments / LISTS_LANES + 3) * LISTS_LANES; }

static inline float *lists_plane(const surroundings *of, int plane)
{
    return of->planes + (size_t)plane * of->capacity;
}

/* Segments far away from `end` to the next multiple of LISTS_LANES, which is returned. */
static inline size_t lists_fill(surroundings *to, size_t end)
{
    size_t full = (end + LISTS_LANES - 1) / LISTS_LANES * LISTS_LANES;
    for (size_t i = end; i < full; i++) {
        for (int plane = 0; plane < LISTS_MEASURED; plane++) {
            lists_plane(to, plane)[i] = plane <= LISTS_AY ? LISTS_FAR_AWAY : 0.0f;
        }
        to->segments[i] = UINT32_MAX;
    }
    return full;
}

#endif
