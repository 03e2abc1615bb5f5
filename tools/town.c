/* town.c: a plane of lattice points, 100 m apart before they are bent, cut into square tiles.
 *
 * Everything about a point, an edge or a block is a pure function of the seed and its coordinates, so a tile can be
 * made again at any time, knows what its neighbours hold, and nothing is kept: the file wants all nodes before all
 * ways, so each tile is made once to count, once for its nodes, once for its ways, and once for its relations, if it
 * has any.
 *
 *     N(X,Y)          tile: SIDE x SIDE points, each with its edges to the east and north
 *      |              nodes of a tile: points of column 0, of row 0, the others, then all that lies between;
 *   (X,Y)--E(X,Y)     so a tile can number the points of its eastern and northern neighbours
 *
 * Tiles are taken ring by ring around the first town until the nodes suffice. */
#include "town.h"

#include "pbf_write.h"
#include "rt/error.h"
#include "rt/memory.h"
#include "rt/trig.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    SIDE_MAX = 16,
    SPACING_M = 100,
    TOWN_CELL = 96,
    TOWN_SHIFT = 48,
    MAIN = 8,
    TRUNK = 32,
    PARK = 6,
    MAX_SHAPES = 3
};
enum { TEXT_BYTES = 1 << 20 };

enum street {
    NO_STREET,
    PRIMARY,
    SECONDARY,
    TERTIARY,
    RESIDENTIAL,
    LIVING,
    PEDESTRIAN,
    FOOTWAY,
    STEPS,
    SERVICE,
    TRACK,
    PARK_PATH
};
enum { BRIDGE = 16, TUNNEL = 32, PRIVATE = 64, STREET = 15 }; /* an edge: enum street and these flags */

static const char *const highway[] = {"",           "primary", "secondary", "tertiary", "residential", "living_street",
                                      "pedestrian", "footway", "steps",     "service",  "track",       "path"};

/* What is salted with these numbers is independent of what is salted with others. */
enum salt {
    SALT_EDGE = 1,
    SALT_LINE,
    SALT_WARP_X,
    SALT_WARP_Y,
    SALT_SHIFT,
    SALT_TOWN,
    SALT_RIVER,
    SALT_PARK,
    SALT_SHAPE,
    SALT_BLOCK,
    SALT_PLACE,
    SALT_NAME,
    SALT_STOP,
    SALT_DENSITY,
    SALT_TIME
};

typedef struct point {
    double x, y; /* metres east and north of the first town */
} point;

typedef struct centre {
    int32_t x, y, radius; /* of a town, in points */
} centre;

typedef struct tile_sum {
    uint64_t nodes; /* before the tile, once they are counted */
    uint32_t node_count, way_count, relation_count;
} tile_sum;

typedef struct world {
    town_options options;
    int32_t side;
    uint64_t tile_count; /* tiles that exist; UINT64_MAX while they are counted */
    tile_sum *tiles;
    size_t tile_capacity;
    double x_e7_per_m, y_e7_per_m;
} world;

typedef struct spot { /* a node of a plan */
    int32_t lat_e7, lon_e7;
    uint32_t tags; /* first tag, or 0 */
    uint8_t ends;  /* street ends that meet here */
} spot;

typedef struct line { /* a way of a plan */
    uint32_t first, count, tags;
} line;

typedef struct list {
    void *items;
    size_t count, capacity;
} list;

/* Where a reference of a way points: this tile, the eastern, the northern one. */
enum { EAST = 1 << 28, NORTH = 2 << 28, LOCAL = EAST - 1 };

typedef struct plan {
    const world *world;
    int32_t x0, y0, tx, ty;
    centre towns[9];
    uint8_t east[SIDE_MAX + 2][SIDE_MAX + 2], north[SIDE_MAX + 2][SIDE_MAX + 2]; /* of point (x0 + i - 1, y0 + j - 1) */
    int32_t number[SIDE_MAX][SIDE_MAX];                                          /* of own points, -1: unused */
    int32_t east_shape[SIDE_MAX][SIDE_MAX], north_shape[SIDE_MAX][SIDE_MAX];     /* first node along the edge */
    /* of points (x0 + i - 1, y0 + j - 1) too: remembered, because they are asked for again and again */
    uint8_t dense[SIDE_MAX + 2][SIDE_MAX + 2];
    point points[SIDE_MAX + 2][SIDE_MAX + 2];
    int32_t river[SIDE_MAX + 3];
    list spots, lines, relations, refs, members, tags;
    char *text;
    size_t text_length;
    int out_of_memory;
} plan;

/* ----------------------------------------------------------------------------------------------------- chance -- */

static uint64_t mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94D049BB133111EB);
    return value ^ (value >> 31);
}

static uint32_t roll(const world *self, int32_t x, int32_t y, uint32_t salt)
{
    uint64_t place = (uint64_t)(uint32_t)x << 32 | (uint32_t)y;
    return (uint32_t)(mix(mix(place + self->options.seed * UINT64_C(0x9E3779B97F4A7C15)) + salt) >> 32);
}

/* 0..999 from one of three parts of a roll. */
static uint32_t permille(uint32_t rolled, int part) { return (rolled >> (10 * part) & 1023) * 1000 / 1024; }

static double unit(uint32_t rolled) { return (double)rolled / 2147483648.0 - 1.0; } /* -1..1 */

static int32_t floor_div(int32_t a, int32_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }
static int32_t floor_mod(int32_t a, int32_t b) { return a - floor_div(a, b) * b; }

/* Smooth noise in -1..1: values at every scale-th point, blended. */
static double noise(const world *self, int32_t x, int32_t y, int32_t scale, uint32_t salt)
{
    int32_t i = floor_div(x, scale), j = floor_div(y, scale);
    double u = (double)(x - i * scale) / scale, v = (double)(y - j * scale) / scale;
    u = u * u * (3 - 2 * u);
    v = v * v * (3 - 2 * v);
    double a = unit(roll(self, i, j, salt)), b = unit(roll(self, i + 1, j, salt));
    double c = unit(roll(self, i, j + 1, salt)), d = unit(roll(self, i + 1, j + 1, salt));
    double south = a + (b - a) * u, north = c + (d - c) * u;
    return south + (north - south) * v;
}

/* ------------------------------------------------------------------------------------------------------- tiles -- */

/* Tiles in rings around (0, 0): 0; 1..8; 9..24; ... Ring m starts at (2m-1)^2 and has four sides of 2m. */
static uint64_t tile_number(int32_t tx, int32_t ty)
{
    int64_t x = tx, y = ty, ax = x < 0 ? -x : x, ay = y < 0 ? -y : y, m = ax > ay ? ax : ay;
    if (m == 0) return 0;
    int64_t first = (2 * m - 1) * (2 * m - 1);
    if (x == m && y > -m) return (uint64_t)(first + y + m - 1);
    if (y == m) return (uint64_t)(first + 2 * m + m - 1 - x);
    if (x == -m) return (uint64_t)(first + 4 * m + m - 1 - y);
    return (uint64_t)(first + 6 * m + x + m - 1);
}

static void tile_place(uint64_t number, int32_t *tx, int32_t *ty)
{
    int64_t m = 0, n = (int64_t)number;
    *tx = *ty = 0;
    if (n == 0) return;
    m = (int64_t)((sqrt((double)n) + 1) / 2);
    while ((2 * m + 1) * (2 * m + 1) <= n) m++;
    while ((2 * m - 1) * (2 * m - 1) > n) m--;
    int64_t k = n - (2 * m - 1) * (2 * m - 1), side = k / (2 * m), step = k % (2 * m) + 1;
    *tx = (int32_t)(side == 0 ? m : side == 1 ? m - step : side == 2 ? -m : -m + step);
    *ty = (int32_t)(side == 0 ? -m + step : side == 1 ? m : side == 2 ? m - step : -m);
}

static int exists(const world *self, int32_t x, int32_t y)
{
    return self->tile_count == UINT64_MAX ||
           tile_number(floor_div(x, self->side), floor_div(y, self->side)) < self->tile_count;
}

/* ------------------------------------------------------------------------------------------- towns and rivers -- */

static centre town_of_cell(const world *self, int32_t i, int32_t j)
{
    centre found = {i * TOWN_CELL + 8, j * TOWN_CELL + 8, 46};
    if (i != 0 || j != 0) {
        uint32_t rolled = roll(self, i, j, SALT_TOWN);
        found.x += (int32_t)(rolled % 29) - 14;
        found.y += (int32_t)(rolled / 32 % 29) - 14;
        found.radius = 18 + (int32_t)(rolled / 1024 % 31);
    }
    return found;
}

static int32_t town_cell(int32_t x) { return floor_div(x + TOWN_SHIFT, TOWN_CELL); }

/* 255 in the middle of a town, 0 in the country. No town reaches farther than into the cells around its own. */
static int32_t find_density(const plan *self, int32_t x, int32_t y)
{
    double best = 0;
    for (int i = 0; i < 9; i++) {
        double dx = x - self->towns[i].x, dy = y - self->towns[i].y, radius = self->towns[i].radius;
        double squared = dx * dx + dy * dy;
        if (squared >= radius * radius) continue;
        double near = 1 - sqrt(squared) / radius;
        if (near > best) best = near;
    }
    if (best <= 0) return 0;
    best += 0.12 * noise(self->world, x, y, 5, SALT_DENSITY);
    return best <= 0.03 ? 0 : best >= 1 ? 255 : (int32_t)(best * 255);
}

static int is_near(const plan *self, int32_t x, int32_t y)
{
    int32_t i = x - self->x0, j = y - self->y0;
    return i >= -1 && j >= -1 && i <= self->world->side && j <= self->world->side;
}

static int32_t density(const plan *self, int32_t x, int32_t y)
{
    if (is_near(self, x, y)) return self->dense[x - self->x0 + 1][y - self->y0 + 1];
    return find_density(self, x, y);
}

/* The river of a column of towns runs between the points (c, y) and (c + 1, y). It stays in the middle of its column,
 * so a tile need not know the rivers of other columns. */
static int32_t find_river(const world *self, int32_t x, int32_t y)
{
    int32_t cell = town_cell(x);
    return cell * TOWN_CELL + 2 + (int32_t)floor(9 * noise(self, cell * 1000, y, 12, SALT_RIVER));
}

static int32_t river_column(const plan *self, int32_t y)
{
    int32_t j = y - self->y0;
    if (j >= -1 && j <= self->world->side + 1) return self->river[j + 1];
    return find_river(self->world, self->x0, y);
}

/* Does the river pass the block north-east of (x, y)? */
static int river_in_block(const plan *self, int32_t x, int32_t y)
{
    int32_t a = river_column(self, y), b = river_column(self, y + 1);
    return x >= (a < b ? a : b) && x <= (a < b ? b : a);
}

/* Is (x, y) inside a large park, on its rim, or neither? A park spans points 1 to 4 of its group of PARK. */
static int in_park(const plan *self, int32_t x, int32_t y, int32_t *gx, int32_t *gy)
{
    *gx = floor_div(x, PARK) * PARK;
    *gy = floor_div(y, PARK) * PARK;
    if (permille(roll(self->world, *gx, *gy, SALT_PARK), 0) >= 60) return 0;
    return x > *gx && x < *gx + 5 && y > *gy && y < *gy + 5 && density(self, *gx + 2, *gy + 2) > 50;
}

/* The edge from (x, y) to the east or north. */
static uint8_t edge_at(const plan *self, int32_t x, int32_t y, int is_north)
{
    const world *town = self->world;
    int32_t along = is_north ? y : x, across = is_north ? x : y;
    int is_main = floor_mod(across, MAIN) == 0, is_trunk = floor_mod(across, TRUNK) == 0;
    if (!exists(town, x, y) || !exists(town, x + !is_north, y + is_north)) return NO_STREET;
    int32_t dense = density(self, x, y), gx, gy;
    uint32_t rolled = roll(town, 2 * x + is_north, y, SALT_EDGE);
    int over_river;
    if (is_north) {
        int32_t a = river_column(self, y), b = river_column(self, y + 1);
        over_river = x > (a < b ? a : b) && x <= (a < b ? b : a);
    } else {
        over_river = x == river_column(self, y);
    }
    uint8_t kind = NO_STREET;
    if (is_trunk) {
        kind = PRIMARY;
    } else if (dense == 0) {
        return !over_river && permille(rolled, 0) < 25 ? TRACK : NO_STREET;
    } else if (is_main) {
        kind = SECONDARY;
    } else if (over_river) {
        return permille(rolled, 0) < 80 ? FOOTWAY | BRIDGE : NO_STREET;
    } else if (in_park(self, x, y, &gx, &gy) && in_park(self, x + !is_north, y + is_north, &gx, &gy) &&
               across > (is_north ? gx : gy) + 1 && across < (is_north ? gx : gy) + 4) {
        kind = PARK_PATH;
    } else if (permille(rolled, 0) < 580 + (uint32_t)dense * 400 / 255) {
        uint32_t type = permille(roll(town, 2 * across + is_north, floor_div(along, 20), SALT_LINE), 0);
        if (floor_mod(across, 4) == 0) {
            kind = TERTIARY;
        } else if (permille(rolled, 1) < 12) {
            kind = STEPS;
        } else if (dense > 190 && type < 220) {
            kind = PEDESTRIAN;
        } else if (type < 300) {
            kind = LIVING;
        } else if (type < 330) {
            kind = FOOTWAY;
        } else if (type < 350) {
            kind = SERVICE;
            if (permille(rolled, 2) < 500) kind |= PRIVATE;
        } else {
            kind = RESIDENTIAL;
        }
    }
    if (is_main && over_river) kind |= BRIDGE;
    if (is_main && !over_river && dense > 70 && permille(rolled, 1) < 12) kind |= TUNNEL;
    return kind;
}

static int is_used(const plan *self, int32_t x, int32_t y)
{
    return edge_at(self, x, y, 0) || edge_at(self, x, y, 1) || edge_at(self, x - 1, y, 0) || edge_at(self, x, y - 1, 1);
}

static point find_point(const world *self, int32_t x, int32_t y)
{
    uint32_t rolled = roll(self, x, y, SALT_SHIFT);
    double dx = unit(rolled << 16), dy = unit(rolled & 0xFFFF0000u);
    double calm_x = floor_mod(x, MAIN) == 0 ? 4 : 15, calm_y = floor_mod(y, MAIN) == 0 ? 4 : 15;
    return (point){x * (double)SPACING_M + 130 * noise(self, x, y, 14, SALT_WARP_X) + calm_x * dx,
                   y * (double)SPACING_M + 130 * noise(self, x, y, 14, SALT_WARP_Y) + calm_y * dy};
}

static point point_at(const plan *self, int32_t x, int32_t y)
{
    if (is_near(self, x, y)) return self->points[x - self->x0 + 1][y - self->y0 + 1];
    return find_point(self->world, x, y);
}

/* -------------------------------------------------------------------------------------------------- collecting -- */

static void *push(plan *self, list *to, size_t count, size_t item)
{
    if (!ucid_grow(&ucid_default_allocator, &to->items, &to->capacity, to->count + count, item)) {
        self->out_of_memory = 1;
        return NULL;
    }
    void *added = (char *)to->items + to->count * item;
    to->count += count;
    return added;
}

static void tag(plan *self, const char *key, const char *value)
{
    const char **added = push(self, &self->tags, 2, sizeof *added);
    if (added == NULL) return;
    added[0] = key;
    added[1] = value;
}

/* Tags are pushed between these two; 0 stands for none. */
static uint32_t begin_tags(const plan *self) { return (uint32_t)self->tags.count; }
static void end_tags(plan *self)
{
    const char **added = push(self, &self->tags, 1, sizeof *added);
    if (added != NULL) *added = NULL;
}

static int32_t add_node(plan *self, point at, uint32_t tags)
{
    const world *town = self->world;
    spot *added = push(self, &self->spots, 1, sizeof *added);
    if (added == NULL) return 0;
    double lat = floor(town->options.lat_deg * 1e7 + at.y * town->y_e7_per_m + 0.5);
    double lon = floor(town->options.lon_deg * 1e7 + at.x * town->x_e7_per_m + 0.5);
    *added = (spot){(int32_t)lat, (int32_t)lon, tags, 0};
    return (int32_t)self->spots.count - 1;
}

static void add_ref(plan *self, int32_t node)
{
    int32_t *added = push(self, &self->refs, 1, sizeof *added);
    if (added != NULL) *added = node;
}

/* A way of the references from `first` on. */
static int32_t add_way(plan *self, size_t first, uint32_t tags, int is_street)
{
    line *added = push(self, &self->lines, 1, sizeof *added);
    if (added == NULL) return 0;
    *added = (line){(uint32_t)first, (uint32_t)(self->refs.count - first), tags};
    if (self->out_of_memory) return 0;
    const int32_t *refs = self->refs.items;
    spot *spots = self->spots.items;
    for (size_t i = first; is_street && i < self->refs.count; i++) {
        if (refs[i] > LOCAL) continue; /* points count their edges themselves */
        spots[refs[i]].ends = (uint8_t)(spots[refs[i]].ends + (i > first) + (i + 1 < self->refs.count));
    }
    return (int32_t)self->lines.count - 1;
}

/* A closed way around corner points. */
static int32_t add_ring(plan *self, const point *corners, int count, uint32_t tags)
{
    size_t first = self->refs.count;
    int32_t start = add_node(self, corners[0], 0);
    add_ref(self, start);
    for (int i = 1; i < count; i++) add_ref(self, add_node(self, corners[i], 0));
    add_ref(self, start);
    return add_way(self, first, tags, 0);
}

static const char *text(plan *self, const char *a, const char *b, const char *c)
{
    size_t na = strlen(a), nb = strlen(b), nc = strlen(c);
    char *at = self->text + self->text_length;
    if (na + nb + nc >= TEXT_BYTES - self->text_length) return b;
    memcpy(at, a, na);
    memcpy(at + na, b, nb);
    memcpy(at + na + nb, c, nc + 1);
    self->text_length += na + nb + nc + 1;
    return at;
}

static point blend(point a, point b, double share)
{
    return (point){a.x + (b.x - a.x) * share, a.y + (b.y - a.y) * share};
}

/* ------------------------------------------------------------------------------------------------------- names -- */

static const char *const surnames[] = {
    "Aalto", "Barros", "Celik", "Dahl",    "Eriksen", "Ferrari", "Garcia", "Haas",  "Ito",     "Jansen", "Kaya",
    "Lopez", "Moreau", "Novak", "Okafor",  "Petrov",  "Quinn",   "Rossi",  "Silva", "Tanaka",  "Ueda",   "Varga",
    "Weber", "Yilmaz", "Zhang", "Andrade", "Bianchi", "Costa",   "Duarte", "Engel", "Fischer", "Gruber"};
static const char *const street_firsts[] = {
    "Mill",    "Harbour", "Church", "Station", "Orchard", "Castle", "Linden", "Market", "Garden", "Bridge", "North",
    "South",   "Chapel",  "Forge",  "Meadow",  "Poplar",  "Canal",  "Temple", "Quarry", "Rose",   "Falcon", "Cedar",
    "Saddler", "Weaver",  "King",   "Abbey",   "Tanner",  "Olive",  "Spring", "Tower",  "Maple",  "Bishop"};
static const char *const street_seconds[] = {" Street", " Road", " Lane", " Row", " Walk", " Hill", " Way", " Gate"};
static const char *const town_ends[] = {"ford", "ham", "bury", "wick", "ton", "field", "mouth", "stead"};

static const char *street_name(plan *self, int32_t across, int32_t along, int is_north)
{
    uint32_t rolled = roll(self->world, 2 * across + is_north, floor_div(along, 40), SALT_NAME);
    return text(self, street_firsts[rolled % 32], street_seconds[rolled / 32 % 8], "");
}

/* ------------------------------------------------------------------------------------------------------ places -- */

static const struct place_kind {
    const char *key, *value, *noun;
    uint32_t weight; /* of 1000 */
    int is_large;    /* an area more often than a node */
} place_kinds[] = {
    {"shop", "supermarket", " Market", 45, 1},
    {"shop", "convenience", " Corner", 85, 0},
    {"shop", "grocery", " Grocery", 8, 0},
    {"shop", "greengrocer", " Greens", 20, 0},
    {"shop", "bakery", " Bakery", 60, 0},
    {"shop", "butcher", " Butchers", 25, 0},
    {"amenity", "hospital", " Hospital", 4, 1},
    {"amenity", "clinic", " Clinic", 15, 1},
    {"amenity", "pharmacy", " Pharmacy", 50, 0},
    {"amenity", "doctors", " Practice", 35, 0},
    {"amenity", "dentist", " Dental", 35, 0},
    {"amenity", "school", " School", 26, 1},
    {"amenity", "kindergarten", " Nursery", 28, 1},
    {"amenity", "library", " Library", 9, 1},
    {"amenity", "university", " University", 2, 1},
    {"amenity", "college", " College", 4, 1},
    {"leisure", "park", " Park", 5, 1},
    {"leisure", "garden", " Garden", 14, 1},
    {"leisure", "playground", " Playground", 35, 0},
    {"place", "square", " Square", 8, 1},
    {"railway", "tram_stop", " Tram", 14, 0},
    {"railway", "station", " Station", 3, 0},
    {"railway", "halt", " Halt", 2, 0},
    {"amenity", "bus_station", " Bus Station", 3, 1},
    {"amenity", "ferry_terminal", " Ferry", 1, 0},
    {"amenity", "cinema", " Cinema", 5, 1},
    {"amenity", "theatre", " Theatre", 5, 1},
    {"tourism", "museum", " Museum", 7, 1},
    {"amenity", "museum", " Collection", 1, 0},
    {"railway", "subway_entrance", " Entrance", 4, 0},
    {"amenity", "restaurant", " Kitchen", 130, 0},
    {"amenity", "cafe", " Cafe", 90, 0},
    {"shop", "hairdresser", " Hair", 70, 0},
    {"shop", "clothes", " Wear", 70, 0},
    {"amenity", "bank", " Bank", 35, 0},
    {"amenity", "bench", "", 47, 0},
};

static const struct place_kind *choose_kind(uint32_t rolled)
{
    uint32_t at = permille(rolled, 0);
    size_t last = sizeof place_kinds / sizeof place_kinds[0] - 1, i = 0;
    for (; i < last && at >= place_kinds[i].weight; i++) at -= place_kinds[i].weight;
    return &place_kinds[i];
}

static uint32_t place_tags(plan *self, const struct place_kind *kind, uint32_t rolled, int is_building)
{
    uint32_t tags = begin_tags(self);
    tag(self, kind->key, kind->value);
    if (permille(rolled, 0) < 870) tag(self, "name", text(self, surnames[rolled % 32], kind->noun, ""));
    if (permille(rolled, 1) < 15) tag(self, "access", "private");
    if (is_building) tag(self, "building", "yes");
    end_tags(self);
    return tags;
}

/* A shop, school, ... beside a street: a node, an area, or now and then both for one place. */
static void add_place(plan *self, point at, uint32_t rolled)
{
    const struct place_kind *kind = choose_kind(rolled);
    uint32_t other = (uint32_t)(mix(rolled) >> 32);
    int is_area = permille(other, 0) < (kind->is_large ? 750u : 60u), is_twice = permille(other, 1) < 35;
    if (!is_area || is_twice) add_node(self, at, place_tags(self, kind, other, 0));
    if (!is_area && !is_twice) return;
    double w = 6 + other % 9, h = 5 + other / 16 % 7;
    if (kind->is_large) {
        w *= 1.6;
        h *= 1.6;
    }
    const point corners[] = {{at.x - w, at.y - h}, {at.x + w, at.y - h}, {at.x + w, at.y + h}, {at.x - w, at.y + h}};
    add_ring(self, corners, 4, place_tags(self, kind, other, strcmp(kind->key, "leisure") != 0));
}

static void add_stop(plan *self, point at, const char *name)
{
    uint32_t tags = begin_tags(self);
    tag(self, "highway", "bus_stop");
    tag(self, "public_transport", "platform");
    tag(self, "name", name);
    end_tags(self);
    add_node(self, at, tags);
}

/* Shops along an edge from a to b, and a pair of stops. */
static void furnish(plan *self, int32_t x, int32_t y, int is_north, uint8_t edge, point a, point b)
{
    int32_t dense = density(self, x, y);
    uint32_t rolled = roll(self->world, 2 * x + is_north, y, SALT_PLACE);
    int kind = edge & STREET;
    double dx = b.x - a.x, dy = b.y - a.y, length = sqrt(dx * dx + dy * dy);
    if (length < 20 || (edge & (TUNNEL | BRIDGE))) return;
    point side = {-dy / length, dx / length};
    int32_t rate = kind <= SECONDARY ? 1700 : kind == PEDESTRIAN ? 2800 : kind == TERTIARY ? 900 : 300;
    if (kind >= FOOTWAY) rate = 0;
    rate = rate * dense / 255;
    for (int i = 0; rate > 0 && i < 4; i++, rate -= 1000) {
        rolled = (uint32_t)(mix(rolled + 1u) >> 32);
        if ((int32_t)permille(rolled, 0) >= rate) continue;
        double share = 0.15 + 0.7 * (rolled >> 22) / 1024, off = (rolled & 1 ? 1 : -1) * (11.0 + rolled / 2 % 9);
        point at = blend(a, b, share);
        add_place(self, (point){at.x + side.x * off, at.y + side.y * off}, (uint32_t)mix(rolled));
    }
    int is_busy = kind == PRIMARY || kind == SECONDARY || (kind == TERTIARY && (x + y) % 2 == 0);
    if (!is_busy || dense == 0 || floor_mod(is_north ? y : x, 4) != 1) return;
    const char *name = street_name(self, is_north ? y : x, is_north ? x : y, !is_north);
    point one = blend(a, b, 0.42), two = blend(a, b, 0.6);
    add_stop(self, (point){one.x + side.x * 6, one.y + side.y * 6}, name);
    add_stop(self, (point){two.x - side.x * 6, two.y - side.y * 6}, name);
    if (permille(roll(self->world, x, y, SALT_STOP), 0) < 300) {
        uint32_t tags = begin_tags(self);
        tag(self, "public_transport", "stop_position");
        tag(self, "bus", "yes");
        tag(self, "name", name);
        end_tags(self);
        add_node(self, one, tags);
    }
}

/* ------------------------------------------------------------------------------------------------------ blocks -- */

static uint32_t simple_tags(plan *self, const char *key, const char *value, const char *name)
{
    uint32_t tags = begin_tags(self);
    tag(self, key, value);
    if (name != NULL) tag(self, "name", name);
    end_tags(self);
    return tags;
}

static void inset(const point corners[4], double share, point out[4])
{
    point middle = blend(blend(corners[0], corners[2], 0.5), blend(corners[1], corners[3], 0.5), 0.5);
    for (int i = 0; i < 4; i++) out[i] = blend(corners[i], middle, share);
}

static void add_member(plan *self, int32_t way, const char *role)
{
    pbf_member *added = push(self, &self->members, 1, sizeof *added);
    if (added != NULL) *added = (pbf_member){way, 'w', role};
}

/* A park of two outer ways, with a pond. */
static void add_pond_park(plan *self, const point *rim, int count, const point pond[4], const char *name)
{
    size_t first_member = self->members.count, first = self->refs.count;
    int32_t start = add_node(self, rim[0], 0), half = 0;
    add_ref(self, start);
    for (int i = 1; i <= count / 2; i++) {
        half = add_node(self, rim[i], 0);
        add_ref(self, half);
    }
    add_member(self, add_way(self, first, 0, 0), "outer");
    first = self->refs.count;
    add_ref(self, half);
    for (int i = count / 2 + 1; i < count; i++) add_ref(self, add_node(self, rim[i], 0));
    add_ref(self, start);
    add_member(self, add_way(self, first, 0, 0), "outer");
    add_member(self, add_ring(self, pond, 4, simple_tags(self, "natural", "water", NULL)), "inner");
    uint32_t tags = begin_tags(self);
    tag(self, "type", "multipolygon");
    tag(self, "leisure", "park");
    tag(self, "name", name);
    end_tags(self);
    line *added = push(self, &self->relations, 1, sizeof *added);
    if (added != NULL) *added = (line){(uint32_t)first_member, (uint32_t)(self->members.count - first_member), tags};
}

static void add_path(plan *self, int32_t from, const point *through, int count, int32_t to, const char *kind,
                     int is_private)
{
    size_t first = self->refs.count;
    if (from >= 0) add_ref(self, from);
    int32_t start = -1;
    for (int i = 0; i < count; i++) {
        int32_t node = add_node(self, through[i], 0);
        if (i == 0) start = node;
        add_ref(self, node);
    }
    if (to >= 0) add_ref(self, to);
    if (from < 0) add_ref(self, start); /* a loop of its own */
    uint32_t tags = begin_tags(self);
    tag(self, "highway", kind);
    if (is_private) tag(self, "access", "private");
    end_tags(self);
    add_way(self, first, tags, 1);
}

/* What lies inside the block north-east of own point (i, j). */
static void fill_block(plan *self, int32_t i, int32_t j)
{
    const world *town = self->world;
    int32_t x = self->x0 + i, y = self->y0 + j, gx, gy, dense = density(self, x, y);
    uint32_t rolled = roll(town, x, y, SALT_BLOCK), kind = permille(rolled, 0), other = permille(rolled, 1);
    if (dense == 0 || river_in_block(self, x, y) || in_park(self, x, y, &gx, &gy)) return;
    const point corners[4] = {point_at(self, x, y), point_at(self, x + 1, y), point_at(self, x + 1, y + 1),
                              point_at(self, x, y + 1)};
    point inner[4], pond[4];
    inset(corners, 0.32, inner);
    int32_t south = self->east_shape[i][j], north = j + 1 < town->side ? self->east_shape[i][j + 1] : -1;
    const char *name = text(self, street_firsts[rolled % 32], kind < 25 ? " Garden" : " Park", "");
    if (kind < 25) {
        add_ring(self, inner, 4, simple_tags(self, "leisure", "garden", name));
    } else if (kind < 55) {
        add_ring(self, inner, 4, simple_tags(self, "leisure", "park", name));
    } else if (kind < 67) {
        inset(corners, 0.7, pond);
        add_pond_park(self, inner, 4, pond, name);
    } else if (kind < 80) {
        add_ring(self, inner, 4, simple_tags(self, "leisure", "playground", NULL));
    } else if (kind < 86) {
        add_path(self, -1, inner, 4, -1, "residential", other < 300);
    } else if (kind < 260 && south >= 0 && north >= 0) {
        const point through[1] = {blend(inner[0], inner[2], 0.3 + 0.4 * other / 1000)};
        add_path(self, south, through, 1, north, other < 100 ? "steps" : other < 600 ? "footway" : "path", 0);
    } else if (kind < 480 && south >= 0) {
        point a = blend(corners[0], corners[1], 0.5), b = blend(corners[3], corners[2], 0.5);
        const point through[2] = {blend(a, b, 0.2), blend(a, b, 0.35 + 0.2 * other / 1000)};
        add_path(self, south, through, 2, -1, kind < 370 ? "service" : "residential", kind < 310);
    }
}

/* Large parks, seen by the tile that holds their first corner. */
static void fill_park(plan *self, int32_t x, int32_t y)
{
    int32_t gx, gy;
    if (floor_mod(x, PARK) != 1 || floor_mod(y, PARK) != 1 || !in_park(self, x, y, &gx, &gy)) return;
    static const int8_t rim[12][2] = {{0, 0}, {1, 0}, {2, 0}, {3, 0}, {3, 1}, {3, 2},
                                      {3, 3}, {2, 3}, {1, 3}, {0, 3}, {0, 2}, {0, 1}};
    const world *town = self->world;
    point corners[12], pond[4];
    const point inner[4] = {point_at(self, x + 1, y + 1), point_at(self, x + 2, y + 1), point_at(self, x + 2, y + 2),
                            point_at(self, x + 1, y + 2)};
    point middle = blend(inner[0], inner[2], 0.5);
    for (int i = 0; i < 12; i++) corners[i] = blend(point_at(self, x + rim[i][0], y + rim[i][1]), middle, 0.06);
    uint32_t rolled = roll(town, x, y, SALT_PARK);
    const char *name = text(self, street_firsts[rolled % 32], " Park", "");
    if (permille(rolled, 1) < 400) {
        inset(inner, 0.4, pond);
        add_pond_park(self, corners, 12, pond, name);
    } else {
        add_ring(self, corners, 12, simple_tags(self, "leisure", "park", name));
    }
}

/* The river from each row of this tile where it is in the tile to the next row: its line, and its water between banks.
 */
static void fill_river(plan *self)
{
    const world *town = self->world;
    point middle[SIDE_MAX + 1], banks[2 * (SIDE_MAX + 1)];
    int count = 0;
    for (int32_t j = 0; j <= town->side; j++) {
        int32_t y = self->y0 + j, c = river_column(self, y);
        int is_inside = j < town->side && c >= self->x0 && c < self->x0 + town->side;
        if (is_inside || count > 0) middle[count++] = blend(point_at(self, c, y), point_at(self, c + 1, y), 0.5);
        if (is_inside || count == 0) continue;
        size_t first = self->refs.count;
        for (int i = 0; i < count; i++) {
            add_ref(self, add_node(self, middle[i], 0));
            banks[i] = (point){middle[i].x - 16, middle[i].y};
            banks[2 * count - 1 - i] = (point){middle[i].x + 16, middle[i].y};
        }
        const char *name = text(self, "River ", surnames[roll(town, town_cell(self->x0), 0, SALT_RIVER) % 32], "");
        add_way(self, first, simple_tags(self, "waterway", "river", name), 0);
        add_ring(self, banks, 2 * count, simple_tags(self, "natural", "water", name));
        count = 0;
    }
}

/* ----------------------------------------------------------------------------------------------------- streets -- */

static uint8_t own_edge(const plan *self, int32_t i, int32_t j, int is_north)
{
    return is_north ? self->north[i + 1][j + 1] : self->east[i + 1][j + 1];
}

static int own_used(const plan *self, int32_t i, int32_t j)
{
    return self->east[i + 1][j + 1] || self->north[i + 1][j + 1] || self->east[i][j + 1] || self->north[i + 1][j];
}

/* The number of the point (side, j) in the eastern tile: column 0 comes first there. */
static int32_t east_number(const plan *self, int32_t j)
{
    int32_t number = 0;
    for (int32_t k = 0; k < j; k++) number += own_used(self, self->world->side, k);
    return number | EAST;
}

/* The number of the point (i, side) in the northern tile: column 0, then row 0. */
static int32_t north_number(const plan *self, int32_t i, int32_t column_count)
{
    int32_t side = self->world->side, number = i == 0 ? 0 : column_count;
    for (int32_t k = 1; k < i; k++) number += own_used(self, k, side);
    return number | NORTH;
}

static void add_point(plan *self, int32_t i, int32_t j)
{
    self->number[i][j] = -1;
    if (!own_used(self, i, j)) return;
    int32_t number = add_node(self, point_at(self, self->x0 + i, self->y0 + j), 0);
    self->number[i][j] = number;
    if (self->out_of_memory) return;
    spot *added = (spot *)self->spots.items + number;
    added->ends = (uint8_t)((self->east[i + 1][j + 1] != 0) + (self->north[i + 1][j + 1] != 0) +
                            (self->east[i][j + 1] != 0) + (self->north[i + 1][j] != 0));
}

static int shape_count(const plan *self, int32_t x, int32_t y, int is_north, uint8_t edge)
{
    if ((edge & STREET) <= SECONDARY) return 2;
    if ((edge & STREET) == STEPS) return 1;
    return 1 + (int)(roll(self->world, 2 * x + is_north, y, SALT_SHAPE) % MAX_SHAPES);
}

/* Nodes along an edge, and what stands beside it. */
static void add_shapes(plan *self, int32_t i, int32_t j, int is_north)
{
    int32_t x = self->x0 + i, y = self->y0 + j, *first = is_north ? &self->north_shape[i][j] : &self->east_shape[i][j];
    uint8_t edge = own_edge(self, i, j, is_north);
    *first = -1;
    if (edge == NO_STREET) return;
    point a = point_at(self, x, y), b = point_at(self, x + !is_north, y + is_north);
    int count = shape_count(self, x, y, is_north, edge);
    *first = (int32_t)self->spots.count;
    for (int k = 0; k < count; k++) {
        point at = blend(a, b, (double)(k + 1) / (count + 1));
        double off = 4 * unit(roll(self->world, 2 * x + is_north, y, SALT_SHAPE + 100u + (uint32_t)k));
        uint32_t tags = 0;
        if (k == 0 && (edge & STREET) <= SECONDARY && floor_mod(x + y, 3) == 0) {
            tags = simple_tags(self, "highway", "crossing", NULL);
        }
        int32_t node = add_node(self, is_north ? (point){at.x + off, at.y} : (point){at.x, at.y + off}, tags);
        if (!self->out_of_memory) ((spot *)self->spots.items)[node].ends = 2;
    }
    furnish(self, x, y, is_north, edge, a, b);
}

static uint32_t street_tags(plan *self, uint8_t edge, int32_t across, int32_t along, int is_north)
{
    int kind = edge & STREET;
    uint32_t tags = begin_tags(self), rolled = roll(self->world, 2 * across + is_north, along, SALT_LINE + 100);
    tag(self, "highway", highway[kind]);
    if (kind <= PEDESTRIAN) tag(self, "name", street_name(self, across, along, is_north));
    if (kind == RESIDENTIAL && permille(rolled, 0) < 180) tag(self, "oneway", "yes");
    if (kind <= RESIDENTIAL && permille(rolled, 1) < 300) tag(self, "surface", "asphalt");
    if (kind <= SECONDARY) tag(self, "lit", "yes");
    if (edge & PRIVATE) tag(self, "access", "private");
    if (edge & BRIDGE) {
        tag(self, "bridge", "yes");
        tag(self, "layer", "1");
    }
    if (edge & TUNNEL) {
        tag(self, "tunnel", "yes");
        tag(self, "layer", "-1");
    }
    end_tags(self);
    return tags;
}

/* Ways along row or column k: edges of one kind that follow each other are one way. */
static void add_streets(plan *self, int32_t k, int is_north, int32_t column_count)
{
    int32_t side = self->world->side;
    for (int32_t s = 0; s < side;) {
        int32_t i = is_north ? k : s, j = is_north ? s : k;
        uint8_t edge = own_edge(self, i, j, is_north);
        if (edge == NO_STREET) {
            s++;
            continue;
        }
        size_t first = self->refs.count;
        int32_t begin = s;
        add_ref(self, self->number[i][j]);
        while (s < side && own_edge(self, i, j, is_north) == edge) {
            int32_t shape = is_north ? self->north_shape[i][j] : self->east_shape[i][j];
            int count = shape_count(self, self->x0 + i, self->y0 + j, is_north, edge);
            for (int c = 0; c < count; c++) add_ref(self, shape + c);
            s++;
            *(is_north ? &j : &i) = s;
            if (s < side) {
                add_ref(self, self->number[i][j]);
            } else {
                add_ref(self, is_north ? north_number(self, k, column_count) : east_number(self, k));
            }
        }
        int32_t across = is_north ? self->x0 + k : self->y0 + k, along = (is_north ? self->y0 : self->x0) + begin;
        uint32_t tags = street_tags(self, edge, across, along, is_north);
        add_way(self, first, tags, 0);
    }
}

static void make_tile(plan *self, const world *town, uint64_t number)
{
    int32_t side = town->side;
    self->world = town;
    tile_place(number, &self->tx, &self->ty);
    self->x0 = self->tx * side;
    self->y0 = self->ty * side;
    self->spots.count = self->lines.count = self->relations.count = 0;
    self->refs.count = self->members.count = self->tags.count = self->text_length = 0;
    end_tags(self); /* tag 0 ends at once: none */
    for (int c = 0; c < 9; c++) {
        self->towns[c] = town_of_cell(town, town_cell(self->x0) + c % 3 - 1, town_cell(self->y0) + c / 3 - 1);
    }
    for (int32_t j = 0; j < side + 3; j++) self->river[j] = find_river(town, self->x0, self->y0 + j - 1);
    for (int32_t i = 0; i < side + 2; i++) {
        for (int32_t j = 0; j < side + 2; j++) {
            self->dense[i][j] = (uint8_t)find_density(self, self->x0 + i - 1, self->y0 + j - 1);
            self->points[i][j] = find_point(town, self->x0 + i - 1, self->y0 + j - 1);
        }
    }
    for (int32_t i = 0; i < side + 2; i++) {
        for (int32_t j = 0; j < side + 2; j++) {
            self->east[i][j] = edge_at(self, self->x0 + i - 1, self->y0 + j - 1, 0);
            self->north[i][j] = edge_at(self, self->x0 + i - 1, self->y0 + j - 1, 1);
        }
    }
    for (int32_t j = 0; j < side; j++) add_point(self, 0, j);
    for (int32_t i = 1; i < side; i++) add_point(self, i, 0);
    for (int32_t i = 1; i < side; i++) {
        for (int32_t j = 1; j < side; j++) add_point(self, i, j);
    }
    for (int32_t i = 0; i < side; i++) {
        for (int32_t j = 0; j < side; j++) {
            add_shapes(self, i, j, 0);
            add_shapes(self, i, j, 1);
        }
    }
    int32_t column_count = 0; /* of the northern plan */
    for (int32_t j = 0; j < side; j++) column_count += is_used(self, self->x0, self->y0 + side + j);
    for (int32_t k = 0; k < side && !self->out_of_memory; k++) {
        add_streets(self, k, 0, column_count);
        add_streets(self, k, 1, column_count);
    }
    for (int32_t i = 0; i < side && !self->out_of_memory; i++) {
        for (int32_t j = 0; j < side; j++) {
            fill_block(self, i, j);
            fill_park(self, self->x0 + i, self->y0 + j);
        }
    }
    fill_river(self);
    centre own = self->towns[4];
    if (own.x >= self->x0 && own.x < self->x0 + side && own.y >= self->y0 && own.y < self->y0 + side) {
        uint32_t rolled = roll(town, own.x, own.y, SALT_NAME);
        uint32_t tags = begin_tags(self);
        tag(self, "place", "town");
        tag(self, "name", text(self, street_firsts[rolled % 32], town_ends[rolled / 32 % 8], ""));
        end_tags(self);
        add_node(self, point_at(self, own.x, own.y), tags);
    }
}

/* -------------------------------------------------------------------------------------------------------- file -- */

typedef struct maker {
    world town;
    plan tile;
    town_counts counts;
    pbf_options pbf;
    pbf_writer *writer;
} maker;

static ucid_status fail_memory(ucid_error *error) { return ucid_fail_memory(error, "a tile", TEXT_BYTES); }

/* Make tiles until there are nodes enough. Those at the rim will have lost a few edges when they are made again. */
static ucid_status count_tiles(maker *self, ucid_error *error)
{
    uint64_t nodes = 0, tiles = 0;
    self->town.tile_count = UINT64_MAX;
    self->pbf.min_lat_e7 = self->pbf.min_lon_e7 = INT32_MAX;
    self->pbf.max_lat_e7 = self->pbf.max_lon_e7 = INT32_MIN;
    for (; nodes < self->town.options.nodes; tiles++) {
        make_tile(&self->tile, &self->town, tiles);
        if (self->tile.out_of_memory) return fail_memory(error);
        nodes += self->tile.spots.count;
        const spot *spots = self->tile.spots.items;
        for (size_t i = 0; i < self->tile.spots.count; i++) {
            if (spots[i].lat_e7 < self->pbf.min_lat_e7) self->pbf.min_lat_e7 = spots[i].lat_e7;
            if (spots[i].lat_e7 > self->pbf.max_lat_e7) self->pbf.max_lat_e7 = spots[i].lat_e7;
            if (spots[i].lon_e7 < self->pbf.min_lon_e7) self->pbf.min_lon_e7 = spots[i].lon_e7;
            if (spots[i].lon_e7 > self->pbf.max_lon_e7) self->pbf.max_lon_e7 = spots[i].lon_e7;
        }
    }
    self->town.tile_count = tiles;
    self->town.tiles = ucid_allocate_zero(&ucid_default_allocator, tiles, sizeof *self->town.tiles);
    return self->town.tiles != NULL ? UCID_OK : fail_memory(error);
}

static const char *const *tags_of(const plan *self, uint32_t first)
{
    return (const char *const *)self->tags.items + first;
}

static void set_time(maker *self, uint64_t number)
{
    int64_t age = roll(&self->town, (int32_t)number, 0, SALT_TIME) % 94608000; /* three years */
    pbf_time(self->writer, self->town.options.timestamp - (number == 0 ? 0 : age));
}

static ucid_status write_nodes(maker *self, ucid_error *error)
{
    uint64_t nodes = 0;
    for (uint64_t t = 0; t < self->town.tile_count; t++) {
        plan *tile = &self->tile;
        make_tile(tile, &self->town, t);
        if (tile->out_of_memory) return fail_memory(error);
        self->town.tiles[t] = (tile_sum){nodes, (uint32_t)tile->spots.count, (uint32_t)tile->lines.count,
                                         (uint32_t)tile->relations.count};
        const spot *spots = tile->spots.items;
        set_time(self, t);
        for (size_t i = 0; i < tile->spots.count; i++) {
            pbf_node(self->writer, self->town.options.first_id + (int64_t)nodes++, spots[i].lat_e7, spots[i].lon_e7,
                     tags_of(tile, spots[i].tags));
            self->counts.junctions += spots[i].ends != 0 && spots[i].ends != 2;
        }
        centre own = tile->towns[4];
        self->counts.towns += own.x >= tile->x0 && own.x < tile->x0 + self->town.side && own.y >= tile->y0 &&
                              own.y < tile->y0 + self->town.side;
    }
    self->counts.nodes = nodes;
    return UCID_OK;
}

static uint64_t nodes_before(const maker *self, int32_t tx, int32_t ty)
{
    uint64_t number = tile_number(tx, ty);
    return number < self->town.tile_count ? self->town.tiles[number].nodes : 0;
}

static ucid_status write_ways(maker *self, ucid_error *error)
{
    list refs = {0};
    ucid_status status = UCID_OK;
    plan *tile = &self->tile;
    for (uint64_t t = 0; status == UCID_OK && t < self->town.tile_count; t++) {
        if (self->town.tiles[t].way_count == 0) continue;
        make_tile(tile, &self->town, t);
        refs.count = 0;
        int64_t *to = push(tile, &refs, tile->refs.count, sizeof *to);
        if (tile->out_of_memory) {
            status = fail_memory(error);
            break;
        }
        uint64_t bases[3] = {self->town.tiles[t].nodes, nodes_before(self, tile->tx + 1, tile->ty),
                             nodes_before(self, tile->tx, tile->ty + 1)};
        const int32_t *from = tile->refs.items;
        for (size_t i = 0; i < tile->refs.count; i++) {
            to[i] = self->town.options.first_id + (int64_t)bases[from[i] / EAST] + (from[i] & LOCAL);
        }
        const line *lines = tile->lines.items;
        set_time(self, t);
        for (size_t i = 0; i < tile->lines.count; i++) {
            pbf_way(self->writer, self->town.options.first_id + (int64_t)self->counts.ways++, to + lines[i].first,
                    lines[i].count, tags_of(tile, lines[i].tags));
        }
    }
    ucid_release(&ucid_default_allocator, refs.items, refs.capacity, sizeof(int64_t));
    return status;
}

static ucid_status write_relations(maker *self, ucid_error *error)
{
    uint64_t ways = 0;
    plan *tile = &self->tile;
    for (uint64_t t = 0; t < self->town.tile_count; ways += self->town.tiles[t].way_count, t++) {
        if (self->town.tiles[t].relation_count == 0) continue;
        make_tile(tile, &self->town, t);
        if (tile->out_of_memory) return fail_memory(error);
        pbf_member *members = tile->members.items;
        const line *relations = tile->relations.items;
        for (size_t i = 0; i < tile->members.count; i++) members[i].ref += self->town.options.first_id + (int64_t)ways;
        set_time(self, t);
        for (size_t i = 0; i < tile->relations.count; i++) {
            pbf_relation(self->writer, self->town.options.first_id + (int64_t)self->counts.relations++,
                         members + relations[i].first, relations[i].count, tags_of(tile, relations[i].tags));
        }
    }
    return UCID_OK;
}

static void release_list(list *self, size_t item)
{
    ucid_release(&ucid_default_allocator, self->items, self->capacity, item);
}

static ucid_status make(maker *self, const char *path, ucid_error *error)
{
    const town_options *options = &self->town.options;
    if (options->nodes < 500 || options->nodes > 1000000000) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "nodes is %llu, must be 500 to 1000000000",
                         (unsigned long long)options->nodes);
    }
    if (!(fabs(options->lat_deg) <= 60 && fabs(options->lon_deg) <= 150)) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "the centre is %.3f %.3f, must be within 60 and 150 degrees",
                         options->lat_deg, options->lon_deg);
    }
    self->town.side = options->nodes < 5000 ? 4 : options->nodes < 50000 ? 8 : SIDE_MAX;
    self->town.y_e7_per_m = 1e7 * 180 / (UCID_PI * UCID_EARTH_RADIUS_M);
    self->town.x_e7_per_m = self->town.y_e7_per_m / ucid_cos(options->lat_deg * UCID_PI / 180);
    self->tile.text = ucid_allocate(&ucid_default_allocator, TEXT_BYTES, 1);
    if (self->tile.text == NULL) return fail_memory(error);
    ucid_status status = count_tiles(self, error);
    if (status != UCID_OK) return status;
    self->pbf.program = "ucid-town " UCID_VERSION;
    self->pbf.has_box = 1;
    self->pbf.compression = options->compression;
    self->pbf.replication_timestamp = options->timestamp;
    status = pbf_open(path, &self->pbf, &self->writer, error);
    if (status == UCID_OK) status = write_nodes(self, error);
    if (status == UCID_OK) status = write_ways(self, error);
    if (status == UCID_OK) status = write_relations(self, error);
    return status;
}

static void reset(maker *self)
{
    plan *tile = &self->tile;
    release_list(&tile->spots, sizeof(spot));
    release_list(&tile->lines, sizeof(line));
    release_list(&tile->relations, sizeof(line));
    release_list(&tile->refs, sizeof(int32_t));
    release_list(&tile->members, sizeof(pbf_member));
    release_list(&tile->tags, sizeof(const char *));
    ucid_release(&ucid_default_allocator, tile->text, TEXT_BYTES, 1);
    ucid_release(&ucid_default_allocator, self->town.tiles, self->town.tile_count, sizeof *self->town.tiles);
    ucid_release(&ucid_default_allocator, self, 1, sizeof *self);
}

/* bytes NULL: to the path. */
static ucid_status write_town(const town_options *options, const char *path, uint8_t **bytes, size_t *length,
                              size_t *capacity, town_counts *counts, ucid_error *error)
{
    maker *self = ucid_allocate_zero(&ucid_default_allocator, 1, sizeof *self);
    if (self == NULL) return ucid_fail_memory(error, "a town", sizeof *self);
    self->town.options = *options;
    ucid_status status = make(self, path, error);
    if (status != UCID_OK && self->writer != NULL) {
        pbf_abandon(self->writer);
    } else if (status == UCID_OK) {
        status = bytes == NULL ? pbf_close(self->writer, error)
                               : pbf_close_memory(self->writer, bytes, length, capacity, error);
    }
    if (status == UCID_OK) *counts = self->counts;
    reset(self);
    return status;
}

ucid_status town_write(const town_options *options, const char *path, town_counts *counts, ucid_error *error)
{
    return write_town(options, path, NULL, NULL, NULL, counts, error);
}

ucid_status town_write_memory(const town_options *options, uint8_t **bytes, size_t *length, size_t *capacity,
                              town_counts *counts, ucid_error *error)
{
    return write_town(options, NULL, bytes, length, capacity, counts, error);
}
