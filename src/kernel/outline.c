/* outline.c: sides are halved until they are straight enough. The area is the sum, over the lines, of the strips
 * between them and a parallel: their integral of (sin latitude - sin of the parallel) along longitude has a closed
 * form. */
#include "kernel/outline.h"

#include "kernel/zones.h"
#include "rt/memory.h"
#include "rt/trig.h"

#include <math.h>

enum { HALVINGS_MOST = 48 };

static const double RADIAN = UCID_PI / 1.8e9; /* of a unit of the plane */
static const double UNIT = 1.8e9 / UCID_PI;
static const double TURN = ZONES_WIDTH;
static const double NEAR = 1e-3 / UCID_EARTH_RADIUS_M;

/* A direction and where it is on the plane. */
typedef struct spot {
    double v[3], flat, x, y; /* flat: cosine of the latitude */
} spot;

static spot spot_of(const double v[3])
{
    spot s = {{v[0], v[1], v[2]}, sqrt(v[0] * v[0] + v[1] * v[1]), 0, 0};
    s.x = ucid_atan2(v[1], v[0]) * UNIT + TURN / 2;
    s.y = ucid_atan2(v[2], s.flat) * UNIT + ZONES_HEIGHT / 2;
    return s;
}

static spot between(const spot *a, const spot *b)
{
    double v[3], square = 0;
    for (int i = 0; i < 3; i++) v[i] = a->v[i] + b->v[i], square += v[i] * v[i];
    double length = sqrt(square);
    for (int i = 0; i < 3; i++) v[i] /= length;
    return spot_of(v);
}

/* The way east from one x to another, the shorter way around. */
static double step(double from, double to)
{
    double d = to - from;
    return d > TURN / 2 ? d - TURN : d < -TURN / 2 ? d + TURN : d;
}

/* How far a spot is from the line between two others, in radians. */
static double off_line(const spot *a, const spot *b, const spot *p)
{
    double scale = p->flat, x = step(a->x, p->x) * scale, y = p->y - a->y;
    double along_x = step(a->x, b->x) * scale, along_y = b->y - a->y;
    double length = sqrt(along_x * along_x + along_y * along_y);
    if (!(length > 0)) return sqrt(x * x + y * y) * RADIAN;
    return fabs(x * along_y - y * along_x) / length * RADIAN;
}

/* A great circle leaves its line by length^2 / 8 times the tangent of the latitude, and in an S by the third power. */
static int is_surely_straight(const spot *a, const spot *b, double length, double allowed)
{
    double flat = fmin(a->flat, b->flat) - length;
    if (length < NEAR) return 1;
    return flat > 0.01 && length * length / (8 * flat) * (1 + length / flat) + length * length * length < allowed;
}

static int is_straight(const spot *a, const spot *b, const spot *middle, double allowed)
{
    spot early = between(a, middle), late = between(middle, b);
    return off_line(a, b, middle) < allowed && off_line(a, b, &early) < allowed && off_line(a, b, &late) < allowed;
}

static int push(outline *shape, const ucid_allocator *allocator, double ax, double ay, double bx, double by)
{
    void *sides = shape->sides;
    if (!ucid_grow(allocator, &sides, &shape->capacity, shape->count + 1, sizeof *shape->sides)) return 0;
    shape->sides = sides;
    shape->sides[shape->count++] = (outline_side){ax, ay, bx, by};
    return 1;
}

static double distance(const spot *a, const spot *b)
{
    double square = 0;
    for (int i = 0; i < 3; i++) square += (a->v[i] - b->v[i]) * (a->v[i] - b->v[i]);
    return sqrt(square);
}

/* Lines from a, whose x is *x, to b, off by what is allowed; *x becomes b's. */
static int bend(outline *shape, const ucid_allocator *allocator, const spot *a, const spot *b, double allowed,
                int depth, double *x)
{
    if (depth < HALVINGS_MOST && !is_surely_straight(a, b, distance(a, b), allowed)) {
        spot middle = between(a, b);
        if (!is_straight(a, b, &middle, allowed)) {
            return bend(shape, allocator, a, &middle, allowed, depth + 1, x) &&
                   bend(shape, allocator, &middle, b, allowed, depth + 1, x);
        }
    }
    double from = *x;
    *x += step(a->x, b->x);
    return push(shape, allocator, from, a->y, *x, b->y);
}

/* Sum over the lines, which still run the way around, from a parallel. */
static double area_from(const outline *shape, double y)
{
    double sum = 0, parallel = (y - ZONES_HEIGHT / 2) * RADIAN;
    for (size_t k = 0; k < shape->count; k++) {
        const outline_side *s = &shape->sides[k];
        double half = (s->by - s->ay) / 2 * RADIAN, square = half * half;
        double middle = ((s->ay + s->by) / 2 - ZONES_HEIGHT / 2) * RADIAN;
        double bent = -square / 6 * (1 - square / 20 * (1 - square / 42 * (1 - square / 72))); /* sin(half)/half - 1 */
        double above = 2 * ucid_cos((middle + parallel) / 2) * ucid_sin((middle - parallel) / 2);
        sum += (s->bx - s->ax) * RADIAN * (above + ucid_sin(middle) * bent);
    }
    return fabs(sum);
}

int outline_make(outline *shape, const ucid_cell_part *part, const ucid_allocator *allocator)
{
    spot corners[UCID_CELL_PART_CORNERS_MAX];
    for (int k = 0; k < part->count; k++) corners[k] = spot_of(part->corner[k]);
    shape->count = 0;
    double start = corners[0].x, x = start;
    for (int k = 0; k < part->count; k++) {
        const spot *next = &corners[k + 1 < part->count ? k + 1 : 0];
        double allowed = fmax(NEAR, 1e-6 * distance(&corners[k], next));
        if (!bend(shape, allocator, &corners[k], next, allowed, 0, &x)) return 0;
    }
    double around = x - start > TURN / 2 ? TURN : x - start < -TURN / 2 ? -TURN : 0;
    double pole = corners[0].y > ZONES_HEIGHT / 2 ? ZONES_HEIGHT : 0;
    shape->sides[shape->count - 1].bx = start + around; /* but for rounding, it was */
    shape->area = area_from(shape, around != 0 ? pole : corners[0].y);
    if (around != 0) {
        if (!push(shape, allocator, start + around, corners[0].y, start + around, pole)) return 0;
        if (!push(shape, allocator, start, pole, start, corners[0].y)) return 0;
    }
    shape->west = shape->east = start, shape->south = shape->north = corners[0].y;
    size_t kept = 0;
    for (size_t k = 0; k < shape->count; k++) {
        outline_side s = shape->sides[k];
        shape->west = fmin(shape->west, s.bx), shape->east = fmax(shape->east, s.bx);
        shape->south = fmin(shape->south, s.by), shape->north = fmax(shape->north, s.by);
        if (s.ay == s.by) continue;
        shape->sides[kept++] = s.ay < s.by ? s : (outline_side){s.bx, s.by, s.ax, s.ay};
    }
    shape->count = kept;
    return 1;
}

void outline_reset(outline *shape, const ucid_allocator *allocator)
{
    ucid_release(allocator, shape->sides, shape->capacity, sizeof *shape->sides);
    *shape = (outline){0};
}
