/* build_lists.c: the steps of build_lists.h in plain C, and the choice among their variants.
 *
 * far(s), the largest distance of a segment from a box, is that of a corner, since the distance to a segment is convex.
 * near(s), the least, is bounded from below by the gaps along the axes and along the segment's normal. What lies behind
 * another segment is told by planes, as build_grid.c says; a segment that is behind another one rules out nothing that
 * the other one does not. */
#include "index/build_lists.h"

#include <math.h>
#include <string.h>

/* Squared distances of a place, or, where they are larger, those that stand there. */
static inline void measure(surroundings *around, float x, float y, int keep_larger)
{
    const float *restrict ax = lists_plane(around, LISTS_AX), *restrict ay = lists_plane(around, LISTS_AY);
    const float *restrict dx = lists_plane(around, LISTS_DX), *restrict dy = lists_plane(around, LISTS_DY);
    const float *restrict inverse = lists_plane(around, LISTS_INVERSE);
    float *restrict square = lists_plane(around, LISTS_MEASURED);
    for (size_t i = 0; i < around->count; i++) {
        float px = x - ax[i], py = y - ay[i];
        float t = (px * dx[i] + py * dy[i]) * inverse[i];
        t = t > 0.0f ? t : 0.0f;
        t = t < 1.0f ? t : 1.0f;
        float ex = px - t * dx[i], ey = py - t * dy[i];
        float d = ex * ex + ey * ey, before = keep_larger ? square[i] : 0.0f;
        square[i] = d > before ? d : before;
    }
}

static float least_of(const float *square, size_t start, size_t end)
{
    float least = LISTS_FAR_AWAY * LISTS_FAR_AWAY;
    int32_t bits; /* floats that are not negative are ordered as their bits are */
    memcpy(&bits, &least, sizeof bits);
    for (size_t i = start; i < end; i++) {
        int32_t other;
        memcpy(&other, &square[i], sizeof other);
        bits = other < bits ? other : bits;
    }
    memcpy(&least, &bits, sizeof least);
    return least;
}

static lists_pair least(const surroundings *around)
{
    const float *square = lists_plane(around, LISTS_MEASURED);
    return (lists_pair){least_of(square, 0, around->first_island),
                        least_of(square, around->first_island, around->count)};
}

static lists_pair measure_point(surroundings *around, float x, float y)
{
    measure(around, x, y, 0);
    return least(around);
}

static lists_pair measure_box(surroundings *around, const lists_box *at)
{
    for (int corner = 0; corner < 4; corner++) {
        measure(around, corner & 1 ? at->x + at->half_x : at->x - at->half_x,
                corner & 2 ? at->y + at->half_y : at->y - at->half_y, corner > 0);
    }
    lists_pair far = least(around);
    const float *restrict ax = lists_plane(around, LISTS_AX), *restrict ay = lists_plane(around, LISTS_AY);
    const float *restrict dx = lists_plane(around, LISTS_DX), *restrict dy = lists_plane(around, LISTS_DY);
    const float *restrict inverse = lists_plane(around, LISTS_INVERSE);
    float *restrict square = lists_plane(around, LISTS_MEASURED);
    const float x = at->x, y = at->y, half_x = at->half_x, half_y = at->half_y;
    for (size_t i = 0; i < around->count; i++) {
        float px = ax[i] - x, py = ay[i] - y, qx = px + dx[i], qy = py + dy[i];
        float low_x = px < qx ? px : qx, high_x = px < qx ? qx : px;
        float low_y = py < qy ? py : qy, high_y = py < qy ? qy : py;
        float gap_x = low_x > -high_x ? low_x : -high_x, gap_y = low_y > -high_y ? low_y : -high_y;
        gap_x -= half_x;
        gap_y -= half_y;
        gap_x = gap_x > 0.0f ? gap_x : 0.0f;
        gap_y = gap_y > 0.0f ? gap_y : 0.0f;
        float cross = fabsf(px * dy[i] - py * dx[i]) - (half_x * fabsf(dy[i]) + half_y * fabsf(dx[i]));
        cross = cross > 0.0f ? cross : 0.0f;
        float by_axes = gap_x * gap_x + gap_y * gap_y, by_normal = cross * cross * inverse[i];
        square[i] = by_axes > by_normal ? by_axes : by_normal;
    }
    return far;
}

/* Distances from the corners of a box, and the planes below them. */
static void measure_corners(surroundings *around, const lists_box *at)
{
    const float *restrict ax = lists_plane(around, LISTS_AX), *restrict ay = lists_plane(around, LISTS_AY);
    const float *restrict dx = lists_plane(around, LISTS_DX), *restrict dy = lists_plane(around, LISTS_DY);
    const float *restrict inverse = lists_plane(around, LISTS_INVERSE);
    const float half_x = at->half_x, half_y = at->half_y;
    for (int k = 0; k < 5; k++) { /* the corners, then the middle */
        float x = k == 4 ? at->x : k & 1 ? at->x + half_x : at->x - half_x;
        float y = k == 4 ? at->y : k & 2 ? at->y + half_y : at->y - half_y;
        float *restrict distance = lists_plane(around, k < 4 ? LISTS_CORNER + k : LISTS_MEASURED);
        float *restrict east = lists_plane(around, LISTS_BELOW), *restrict north = lists_plane(around, LISTS_BELOW + 1);
        for (size_t i = 0; i < around->count; i++) {
            float px = x - ax[i], py = y - ay[i];
            float t = (px * dx[i] + py * dy[i]) * inverse[i];
            t = t > 0.0f ? t : 0.0f;
            t = t < 1.0f ? t : 1.0f;
            float ex = px - t * dx[i], ey = py - t * dy[i];
            distance[i] = sqrtf(ex * ex + ey * ey);
            east[i] = ex;
            north[i] = ey;
        }
    }
    const float *restrict middle = lists_plane(around, LISTS_MEASURED);
    float *restrict below[4];
    for (int k = 0; k < 4; k++) below[k] = lists_plane(around, LISTS_BELOW + k);
    for (size_t i = 0; i < around->count; i++) {
        float steep = 1.0f / (middle[i] + LISTS_LEVEL_M);
        float east = below[0][i] * steep * half_x, north = below[1][i] * steep * half_y;
        below[0][i] = middle[i] - east - north;
        below[1][i] = middle[i] + east - north;
        below[2][i] = middle[i] - east + north;
        below[3][i] = middle[i] + east + north;
    }
}

static void measure_behind_one(surroundings *around, size_t start, size_t end, float slack)
{
    const float *restrict b0 = lists_plane(around, LISTS_BELOW), *restrict b1 = lists_plane(around, LISTS_BELOW + 1);
    const float *restrict b2 = lists_plane(around, LISTS_BELOW + 2), *restrict b3 =
                                                                         lists_plane(around, LISTS_BELOW + 3);
    float *restrict behind = lists_plane(around, LISTS_MEASURED);
    for (size_t i = start; i < end; i++) behind[i] = 0.0f;
    for (size_t j = start; j < end; j++) {
        if (behind[j] > slack) continue;
        const float *corner = lists_plane(around, LISTS_CORNER) + j;
        const float c0 = corner[0], c1 = corner[around->capacity], c2 = corner[2 * around->capacity];
        const float c3 = corner[3 * around->capacity];
        for (size_t i = start; i < end; i++) {
            float m0 = b0[i] - c0, m1 = b1[i] - c1, m2 = b2[i] - c2, m3 = b3[i] - c3;
            float south = m0 < m1 ? m0 : m1, north = m2 < m3 ? m2 : m3, least = south < north ? south : north;
            behind[i] = behind[i] > least ? behind[i] : least;
        }
    }
}

static void measure_behind(surroundings *around, const lists_box *at, float slack)
{
    measure_corners(around, at);
    measure_behind_one(around, 0, around->first_island, slack);
    measure_behind_one(around, around->first_island, around->count, slack);
}

static size_t narrow_one(const surroundings *from, size_t start, size_t end, float most, surroundings *to, size_t at)
{
    const float *measured = lists_plane(from, LISTS_MEASURED);
    for (size_t i = start; i < end; i++) {
        for (int plane = 0; plane < LISTS_MEASURED; plane++) lists_plane(to, plane)[at] = lists_plane(from, plane)[i];
        to->segments[at] = from->segments[i];
        at += measured[i] <= most;
    }
    return at;
}

static size_t narrow(const surroundings *from, lists_pair most, surroundings *to)
{
    size_t main_count = narrow_one(from, 0, from->first_island, most.main, to, 0);
    to->first_island = lists_fill(to, main_count);
    size_t end = narrow_one(from, from->first_island, from->count, most.island, to, to->first_island);
    to->count = lists_fill(to, end);
    return main_count + end - to->first_island;
}

static size_t list_one(const surroundings *from, size_t start, size_t end, float most, uint32_t *segments, size_t count)
{
    const float *measured = lists_plane(from, LISTS_MEASURED);
    for (size_t i = start; i < end; i++) {
        segments[count] = from->segments[i];
        count += measured[i] <= most;
    }
    return count;
}

static size_t list(const surroundings *from, lists_pair most, uint32_t *segments)
{
    size_t count = list_one(from, 0, from->first_island, most.main, segments, 0);
    return list_one(from, from->first_island, from->count, most.island, segments, count);
}

const lists_kernels *lists_kernels_find(const char *name)
{
    static const lists_kernels scalar = {"scalar", measure_point, measure_box, measure_behind, narrow, list};
#if UCID_X86
    if ((name == NULL || strcmp(name, lists_avx512.name) == 0) && __builtin_cpu_supports("avx512f")) {
        return &lists_avx512;
    }
    if ((name == NULL || strcmp(name, lists_avx2.name) == 0) && __builtin_cpu_supports("avx2")) return &lists_avx2;
#endif
    return name == NULL || strcmp(name, scalar.name) == 0 ? &scalar : NULL;
}
