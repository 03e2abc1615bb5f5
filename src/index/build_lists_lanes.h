/* build_lists_lanes.h: the steps of build_lists.c for LANES segments at once; included by one file for each instruction
 * set, which defines LANES, the vectors vf of floats and vu of segment numbers, the mask of lanes, and what compares,
 * picks and packs. Each step of arithmetic is the one in build_lists.c, so each lane has the same bits. */
#include "index/build_lists.h"

static inline vf clamp(vf t) { return smaller(larger(t, all(0.0f)), all(1.0f)); }

/* Squared distance from a segment, by the way from its end a to the place and that way along the segment. */
static inline vf square_of(vf px, vf py, vf along, vf dx, vf dy, vf inverse)
{
    vf t = clamp(along * inverse);
    vf ex = px - t * dx, ey = py - t * dy;
    return ex * ex + ey * ey;
}

static lists_pair measure_point(surroundings *around, float x, float y)
{
    const float *ax = lists_plane(around, LISTS_AX), *ay = lists_plane(around, LISTS_AY);
    const float *dx = lists_plane(around, LISTS_DX), *dy = lists_plane(around, LISTS_DY);
    const float *inverse = lists_plane(around, LISTS_INVERSE);
    float *square = lists_plane(around, LISTS_MEASURED);
    vf least[2] = {all(LISTS_FAR_AWAY * LISTS_FAR_AWAY), all(LISTS_FAR_AWAY * LISTS_FAR_AWAY)};
    size_t i = 0, end = around->first_island;
    for (int island = 0; island < 2; island++, end = around->count) {
        for (; i < end; i += LANES) {
            vf sx = load(dx + i), sy = load(dy + i), px = all(x) - load(ax + i), py = all(y) - load(ay + i);
            vf d = square_of(px, py, px * sx + py * sy, sx, sy, load(inverse + i));
            store(square + i, d);
            least[island] = smaller(least[island], d);
        }
    }
    return (lists_pair){least_lane(least[0]), least_lane(least[1])};
}

static lists_pair measure_box(surroundings *around, const lists_box *at)
{
    const float *ax = lists_plane(around, LISTS_AX), *ay = lists_plane(around, LISTS_AY);
    const float *dx = lists_plane(around, LISTS_DX), *dy = lists_plane(around, LISTS_DY);
    const float *inverse = lists_plane(around, LISTS_INVERSE);
    float *square = lists_plane(around, LISTS_MEASURED);
    const vf x = all(at->x), y = all(at->y), half_x = all(at->half_x), half_y = all(at->half_y), none = all(0.0f);
    const vf west = x - half_x, east = x + half_x, south = y - half_y, north = y + half_y;
    vf least[2] = {all(LISTS_FAR_AWAY * LISTS_FAR_AWAY), all(LISTS_FAR_AWAY * LISTS_FAR_AWAY)};
    size_t i = 0, end = around->first_island;
    for (int island = 0; island < 2; island++, end = around->count) {
        for (; i < end; i += LANES) {
            vf a_x = load(ax + i), a_y = load(ay + i), sx = load(dx + i), sy = load(dy + i), over = load(inverse + i);
            vf px[2] = {west - a_x, east - a_x}, py[2] = {south - a_y, north - a_y};
            vf along_x[2] = {px[0] * sx, px[1] * sx}, along_y[2] = {py[0] * sy, py[1] * sy};
            vf far = none;
            for (int corner = 0; corner < 4; corner++) {
                int e = corner & 1, n = corner >> 1;
                far = larger(far, square_of(px[e], py[n], along_x[e] + along_y[n], sx, sy, over));
            }
            least[island] = smaller(least[island], far);

            vf ox = a_x - x, oy = a_y - y, qx = ox + sx, qy = oy + sy;
            vf gap_x = larger(larger(smaller(ox, qx), -larger(ox, qx)) - half_x, none);
            vf gap_y = larger(larger(smaller(oy, qy), -larger(oy, qy)) - half_y, none);
            vf cross = absolute(ox * sy - oy * sx) - (half_x * absolute(sy) + half_y * absolute(sx));
            cross = larger(cross, none);
            store(square + i, larger(gap_x * gap_x + gap_y * gap_y, cross * cross * over));
        }
    }
    return (lists_pair){least_lane(least[0]), least_lane(least[1])};
}

/* Of the way from a segment to a place. */
typedef struct apart {
    vf distance, east, north;
} apart;

static inline apart apart_of(vf px, vf py, vf along, vf dx, vf dy, vf inverse)
{
    vf t = clamp(along * inverse);
    vf ex = px - t * dx, ey = py - t * dy;
    return (apart){root(ex * ex + ey * ey), ex, ey};
}

static void measure_corners(surroundings *around, const lists_box *at)
{
    const float *ax = lists_plane(around, LISTS_AX), *ay = lists_plane(around, LISTS_AY);
    const float *dx = lists_plane(around, LISTS_DX), *dy = lists_plane(around, LISTS_DY);
    const float *inverse = lists_plane(around, LISTS_INVERSE);
    const vf x = all(at->x), y = all(at->y), half_x = all(at->half_x), half_y = all(at->half_y);
    for (size_t i = 0; i < around->count; i += LANES) {
        vf a_x = load(ax + i), a_y = load(ay + i), sx = load(dx + i), sy = load(dy + i), over = load(inverse + i);
        vf px[2] = {x - half_x - a_x, x + half_x - a_x}, py[2] = {y - half_y - a_y, y + half_y - a_y};
        vf along_x[2] = {px[0] * sx, px[1] * sx}, along_y[2] = {py[0] * sy, py[1] * sy};
        for (int corner = 0; corner < 4; corner++) {
            int e = corner & 1, n = corner >> 1;
            apart from = apart_of(px[e], py[n], along_x[e] + along_y[n], sx, sy, over);
            store(lists_plane(around, LISTS_CORNER + corner) + i, from.distance);
        }
        vf mx = x - a_x, my = y - a_y;
        apart middle = apart_of(mx, my, mx * sx + my * sy, sx, sy, over);
        vf steep = all(1.0f) / (middle.distance + all(LISTS_LEVEL_M));
        vf east = middle.east * steep * half_x, north = middle.north * steep * half_y;
        vf west_of = middle.distance - east, east_of = middle.distance + east;
        store(lists_plane(around, LISTS_BELOW) + i, west_of - north);
        store(lists_plane(around, LISTS_BELOW + 1) + i, east_of - north);
        store(lists_plane(around, LISTS_BELOW + 2) + i, west_of + north);
        store(lists_plane(around, LISTS_BELOW + 3) + i, east_of + north);
    }
}

static void measure_behind_one(surroundings *around, size_t start, size_t end, float slack)
{
    const size_t plane = around->capacity;
    const float *below = lists_plane(around, LISTS_BELOW), *corner = lists_plane(around, LISTS_CORNER);
    float *behind = lists_plane(around, LISTS_MEASURED);
    for (size_t i = start; i < end; i += LANES) store(behind + i, all(0.0f));
    for (size_t j = start; j < end; j++) {
        if (behind[j] > slack) continue;
        const vf c0 = all(corner[j]), c1 = all(corner[plane + j]);
        const vf c2 = all(corner[2 * plane + j]), c3 = all(corner[3 * plane + j]);
        for (size_t i = start; i < end; i += LANES) {
            vf south = smaller(load(below + i) - c0, load(below + plane + i) - c1);
            vf north = smaller(load(below + 2 * plane + i) - c2, load(below + 3 * plane + i) - c3);
            store(behind + i, larger(load(behind + i), smaller(south, north)));
        }
    }
}

static void measure_behind(surroundings *around, const lists_box *at, float slack)
{
    measure_corners(around, at);
    measure_behind_one(around, 0, around->first_island, slack);
    measure_behind_one(around, around->first_island, around->count, slack);
}

static size_t narrow_one(const surroundings *from, size_t i, size_t end, float most, surroundings *to, size_t out)
{
    const float *measured = lists_plane(from, LISTS_MEASURED);
    for (; i < end; i += LANES) {
        mask kept = at_most(load(measured + i), all(most));
        packing how = packing_of(kept);
        for (int plane = 0; plane < LISTS_MEASURED; plane++) {
            store(lists_plane(to, plane) + out, pack(how, load(lists_plane(from, plane) + i)));
        }
        store_u(to->segments + out, pack_u(how, load_u(from->segments + i)));
        out += (size_t)__builtin_popcount(kept);
    }
    return out;
}

static size_t narrow(const surroundings *from, lists_pair most, surroundings *to)
{
    size_t main_count = narrow_one(from, 0, from->first_island, most.main, to, 0);
    to->first_island = lists_fill(to, main_count);
    size_t end = narrow_one(from, from->first_island, from->count, most.island, to, to->first_island);
    to->count = lists_fill(to, end);
    return main_count + end - to->first_island;
}

static size_t list_one(const surroundings *from, size_t i, size_t end, float most, uint32_t *segments, size_t count)
{
    const float *measured = lists_plane(from, LISTS_MEASURED);
    for (; i < end; i += LANES) {
        mask kept = at_most(load(measured + i), all(most));
        store_u(segments + count, pack_u(packing_of(kept), load_u(from->segments + i)));
        count += (size_t)__builtin_popcount(kept);
    }
    return count;
}

static size_t list(const surroundings *from, lists_pair most, uint32_t *segments)
{
    size_t count = list_one(from, 0, from->first_island, most.main, segments, 0);
    return list_one(from, from->first_island, from->count, most.island, segments, count);
}
