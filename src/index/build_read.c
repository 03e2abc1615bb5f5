/* build_read.c: three passes over the extract, each for what the next must look for. Relations name the ways of areas;
 * ways name the nodes that streets and areas need; nodes give positions. So memory is what is kept, not what is read.
 *
 * The ids of needed nodes are sorted once; a file in id order (all but few are) then finds each by walking, any other
 * file by a directory of their high bits. */
#include "index/build.h"
#include "index/tags.h"
#include "read/osm.h"
#include "rt/error.h"
#include "rt/memory.h"

#include <stdlib.h>
#include <string.h>

typedef struct directory {
    const int64_t *ids;
    size_t count;
    uint32_t *first; /* [buckets + 1]: first id whose (id - lowest) >> shift is the bucket or more */
    int shift;
    size_t buckets;
} directory;

typedef struct reading {
    build *b;
    directory ways, nodes;
    size_t *member_of_way; /* sorted positions of members, by way id */
    size_t cursor;
    int64_t seen_box[4]; /* south, west, north, east of all nodes */
    uint64_t nodes_in_box;
    const osm_header *header;
} reading;

static ucid_status directory_make(build *b, const int64_t *ids, size_t count, directory *made)
{
    *made = (directory){.ids = ids, .count = count};
    if (count == 0) return UCID_OK;
    uint64_t span = (uint64_t)ids[count - 1] - (uint64_t)ids[0];
    while ((span >> made->shift) / 2 > count) made->shift++;
    made->buckets = (size_t)(span >> made->shift) + 1;
    made->first = build_take(b, made->buckets + 1, sizeof *made->first, "node ids");
    if (made->first == NULL) return UCID_NO_MEMORY;
    size_t bucket = 0;
    for (size_t i = 0; i < count; i++) {
        size_t of = (size_t)(((uint64_t)ids[i] - (uint64_t)ids[0]) >> made->shift);
        while (bucket <= of) made->first[bucket++] = (uint32_t)i;
    }
    while (bucket <= made->buckets) made->first[bucket++] = (uint32_t)count;
    return UCID_OK;
}

/* First position whose id is this or more. */
static size_t directory_lower(const directory *in, int64_t id)
{
    if (in->count == 0 || id <= in->ids[0]) return 0;
    if (id > in->ids[in->count - 1]) return in->count;
    size_t bucket = (size_t)(((uint64_t)id - (uint64_t)in->ids[0]) >> in->shift);
    size_t low = in->first[bucket], high = in->first[bucket + 1];
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (in->ids[middle] < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

uint32_t build_text(build *b, const char *text, size_t length, int *failed)
{
    if (length == 0) return 0;
    if (b->text_count + length + 1 > UINT32_MAX ||
        !BUILD_ROOM(b, b->texts, b->text_capacity, b->text_count + length + 1, "names")) {
        *failed = 1;
        return 0;
    }
    uint32_t at = (uint32_t)b->text_count;
    for (size_t i = 0; i < length; i++) b->texts[at + i] = text[i] != '\0' ? text[i] : ' ';
    b->texts[at + length] = '\0';
    b->text_count += length + 1;
    return at;
}

/* Adds one place for each kind. */
static ucid_status keep_places(build *b, build_place place, const osm_tag *tags, uint32_t tag_count,
                               const uint8_t *kinds, int kind_count)
{
    int failed = 0;
    osm_string name = tags_get(tags, tag_count, "name");
    place.name = build_text(b, name.text, name.length, &failed);
    for (int i = 0; i < kind_count && !failed; i++) {
        place.kind = kinds[i];
        if (!BUILD_ROOM(b, b->places, b->place_capacity, b->place_count + 1, "places")) return UCID_NO_MEMORY;
        b->places[b->place_count++] = place;
    }
    b->counts.places += (uint64_t)kind_count;
    return failed ? UCID_NO_MEMORY : UCID_OK;
}

/* Kinds of an object that anyone may enter; 0 where there are none. */
static int open_kinds(build *b, const osm_tag *tags, uint32_t tag_count, uint8_t kinds[TAGS_PARTS])
{
    int count = tag_count > 0 ? tags_places(tags, tag_count, kinds) : 0;
    if (count > 0 && tags_private(tags, tag_count)) {
        b->counts.private_places++;
        return 0;
    }
    return count;
}

static ucid_status on_relation(void *ctx, const osm_relation *relation)
{
    reading *r = ctx;
    build *b = r->b;
    b->counts.relations_read++;
    uint8_t kinds[TAGS_PARTS];
    int kind_count = open_kinds(b, relation->tags, relation->tag_count, kinds);
    if (kind_count == 0) return UCID_OK;
    if (!tags_is(tags_get(relation->tags, relation->tag_count, "type"), "multipolygon")) {
        b->counts.other_relations++;
        return UCID_OK;
    }
    size_t first = b->member_count;
    if (!BUILD_ROOM(b, b->members, b->member_capacity, first + relation->member_count, "relation members")) {
        return UCID_NO_MEMORY;
    }
    for (uint32_t i = 0; i < relation->member_count; i++) {
        if (relation->members[i].type != 'w') continue;
        b->members[b->member_count++] = (build_member){.way = relation->members[i].ref};
    }
    build_place place = {
        .id = relation->id, .osm_type = 'r', .first = (uint32_t)first, .count = (uint32_t)(b->member_count - first)};
    return keep_places(b, place, relation->tags, relation->tag_count, kinds, kind_count);
}

static int keep_refs(build *b, const osm_way *way, uint32_t *first)
{
    if (b->ref_count + way->ref_count > UINT32_MAX) {
        ucid_fail(b->error, UCID_UNSUPPORTED_FORMAT, "%s: more than %u way points; split the extract by region",
                  b->path, UINT32_MAX);
        return 0;
    }
    if (!BUILD_ROOM(b, b->refs, b->ref_capacity, b->ref_count + way->ref_count, "way points")) return 0;
    *first = (uint32_t)b->ref_count;
    memcpy(b->refs + b->ref_count, way->refs, way->ref_count * sizeof *b->refs);
    b->ref_count += way->ref_count;
    return 1;
}

static ucid_status on_way(void *ctx, const osm_way *way)
{
    reading *r = ctx;
    build *b = r->b;
    b->counts.ways_read++;
    uint32_t first = UINT32_MAX;
    size_t member = directory_lower(&r->ways, way->id);
    if (member < r->ways.count && r->ways.ids[member] == way->id && way->ref_count > 0) {
        if (!keep_refs(b, way, &first)) return UCID_NO_MEMORY;
        for (; member < r->ways.count && r->ways.ids[member] == way->id; member++) {
            build_member *of = &b->members[r->member_of_way[member]];
            of->first = first;
            of->count = way->ref_count;
        }
    }
    if (way->tag_count == 0) return UCID_OK;
    int class = tags_street(way->tags, way->tag_count);
    if (class == -2) b->counts.ways_forbidden++;
    if (class >= 0 && way->ref_count > 0) {
        if (first == UINT32_MAX && !keep_refs(b, way, &first)) return UCID_NO_MEMORY;
        if (!BUILD_ROOM(b, b->ways, b->way_capacity, b->way_count + 1, "ways")) return UCID_NO_MEMORY;
        b->ways[b->way_count++] =
            (build_way){.id = way->id, .first = first, .count = way->ref_count, .class = (uint8_t) class};
        b->counts.street_ways++;
    }
    uint8_t kinds[TAGS_PARTS];
    int kind_count = open_kinds(b, way->tags, way->tag_count, kinds);
    if (kind_count == 0) return UCID_OK;
    if (way->ref_count < 4 || way->refs[0] != way->refs[way->ref_count - 1]) {
        b->counts.open_ways++;
        return UCID_OK;
    }
    if (first == UINT32_MAX && !keep_refs(b, way, &first)) return UCID_NO_MEMORY;
    build_place place = {.id = way->id, .osm_type = 'w', .first = first, .count = way->ref_count};
    return keep_places(b, place, way->tags, way->tag_count, kinds, kind_count);
}

static ucid_status on_node(void *ctx, const osm_node *node)
{
    reading *r = ctx;
    build *b = r->b;
    b->counts.nodes_read++;
    if (node->lat_e7 < r->seen_box[0]) r->seen_box[0] = node->lat_e7;
    if (node->lon_e7 < r->seen_box[1]) r->seen_box[1] = node->lon_e7;
    if (node->lat_e7 > r->seen_box[2]) r->seen_box[2] = node->lat_e7;
    if (node->lon_e7 > r->seen_box[3]) r->seen_box[3] = node->lon_e7;
    r->nodes_in_box += node->lat_e7 >= r->header->min_lat_e7 && node->lat_e7 <= r->header->max_lat_e7 &&
                       node->lon_e7 >= r->header->min_lon_e7 && node->lon_e7 <= r->header->max_lon_e7;
    int polar = node->lat_e7 > BUILD_LAT_MAX_E7 || node->lat_e7 < -BUILD_LAT_MAX_E7;
    size_t at = r->cursor;
    const int64_t *ids = r->nodes.ids;
    if (at > 0 && ids[at - 1] >= node->id) {
        at = directory_lower(&r->nodes, node->id); /* not in id order */
    } else {
        int steps = 0;
        while (at < b->point_count && ids[at] < node->id && steps < 16) at++, steps++;
        if (at < b->point_count && ids[at] < node->id) at = directory_lower(&r->nodes, node->id);
    }
    r->cursor = at;
    if (at < b->point_count && ids[at] == node->id) {
        if (polar) {
            b->counts.nodes_polar++;
        } else {
            b->point_x[at] = node->lon_e7;
            b->point_y[at] = node->lat_e7;
        }
    }
    uint8_t kinds[TAGS_PARTS];
    int kind_count = polar ? 0 : open_kinds(b, node->tags, node->tag_count, kinds);
    if (kind_count == 0) return UCID_OK;
    build_place place = {.id = node->id, .osm_type = 'n', .x_e7 = node->lon_e7, .y_e7 = node->lat_e7};
    return keep_places(b, place, node->tags, node->tag_count, kinds, kind_count);
}

/* ids of members, sorted, so that a way finds the relations that it belongs to. */
static ucid_status index_members(reading *r)
{
    build *b = r->b;
    size_t count = b->member_count;
    uint64_t *keys = build_take(b, count, sizeof *keys, "relation members");
    uint32_t *order = build_take(b, count, sizeof *order, "relation members");
    int64_t *ids = build_take(b, count, sizeof *ids, "relation members");
    r->member_of_way = build_take(b, count, sizeof *r->member_of_way, "relation members");
    if (keys == NULL || order == NULL || ids == NULL || r->member_of_way == NULL) return UCID_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        keys[i] = (uint64_t)b->members[i].way ^ (UINT64_C(1) << 63);
    }
    ucid_status status = build_sort_order(b, keys, order, count);
    if (status != UCID_OK) return status;
    for (size_t i = 0; i < count; i++) {
        r->member_of_way[i] = order[i];
        ids[i] = b->members[order[i]].way;
    }
    build_drop(b, keys);
    build_drop(b, order);
    return directory_make(b, ids, count, &r->ways);
}

/* Node ids become positions in a table of the distinct ones, ascending. */
static ucid_status index_nodes(reading *r)
{
    build *b = r->b;
    uint64_t *keys = build_take(b, b->ref_count, sizeof *keys, "node ids");
    if (keys == NULL) return UCID_NO_MEMORY;
    for (size_t i = 0; i < b->ref_count; i++) keys[i] = (uint64_t)b->refs[i] ^ (UINT64_C(1) << 63);
    ucid_status status = build_sort(b, keys, b->ref_count);
    if (status != UCID_OK) return status;
    size_t count = 0;
    for (size_t i = 0; i < b->ref_count; i++) {
        if (i == 0 || keys[i] != keys[count - 1]) keys[count++] = keys[i];
    }
    int64_t *ids = build_take(b, count, sizeof *ids, "node ids");
    if (ids == NULL) return UCID_NO_MEMORY;
    for (size_t i = 0; i < count; i++) ids[i] = (int64_t)(keys[i] ^ (UINT64_C(1) << 63));
    build_drop(b, keys);
    status = directory_make(b, ids, count, &r->nodes);
    if (status != UCID_OK) return status;
    b->points = build_take(b, b->ref_count, sizeof *b->points, "way points");
    b->point_x = build_take(b, count, sizeof *b->point_x, "node positions");
    b->point_y = build_take(b, count, sizeof *b->point_y, "node positions");
    if (b->points == NULL || b->point_x == NULL || b->point_y == NULL) return UCID_NO_MEMORY;
    for (size_t i = 0; i < b->ref_count; i++) b->points[i] = (uint32_t)directory_lower(&r->nodes, b->refs[i]);
    for (size_t i = 0; i < count; i++) {
        b->point_x[i] = 0;
        b->point_y[i] = BUILD_MISSING;
    }
    b->point_count = count;
    build_drop(b, b->refs);
    b->refs = NULL;
    return UCID_OK;
}

/* A header's box can be trusted where the data fill it: over half of its width and height used, and a tenth of the
 * nodes inside (ways and relations that are kept whole reach far out of a small one). One that is larger than its data,
 * such as a quarter of the Earth, says nothing about where they end. */
static void judge_box(reading *r)
{
    build *b = r->b;
    const osm_header *h = r->header;
    b->box_e7[0] = h->min_lat_e7;
    b->box_e7[1] = h->min_lon_e7;
    b->box_e7[2] = h->max_lat_e7;
    b->box_e7[3] = h->max_lon_e7;
    if (!h->has_box) {
        b->header_box = BOX_ABSENT;
        return;
    }
    int64_t south = r->seen_box[0] > h->min_lat_e7 ? r->seen_box[0] : h->min_lat_e7;
    int64_t west = r->seen_box[1] > h->min_lon_e7 ? r->seen_box[1] : h->min_lon_e7;
    int64_t north = r->seen_box[2] < h->max_lat_e7 ? r->seen_box[2] : h->max_lat_e7;
    int64_t east = r->seen_box[3] < h->max_lon_e7 ? r->seen_box[3] : h->max_lon_e7;
    int64_t height = (int64_t)h->max_lat_e7 - h->min_lat_e7, width = (int64_t)h->max_lon_e7 - h->min_lon_e7;
    int plausible = height > 0 && width > 0 && r->nodes_in_box >= b->counts.nodes_read / 10 &&
                    2 * (north - south) >= height && 2 * (east - west) >= width;
    b->header_box = plausible ? BOX_TRUSTED : BOX_IMPLAUSIBLE;
}

static int forward_progress(void *ctx, const char *stage, uint64_t done, uint64_t total)
{
    build *b = ctx;
    (void)stage;
    return b->progress(b->progress_ctx, "read", done, total);
}

ucid_status build_read(build *b)
{
    osm_file *file = NULL;
    ucid_status status = osm_open(b->path, &b->allocator, &file, b->error);
    if (status != UCID_OK) return status;
    reading r = {.b = b, .header = osm_header_get(file), .seen_box = {INT32_MAX, INT32_MAX, INT32_MIN, INT32_MIN}};
    b->input_bytes = osm_byte_length(file);
    b->replication_timestamp = r.header->replication_timestamp;
    ucid_progress_fn progress = b->progress != NULL ? forward_progress : NULL;
    osm_visitor relations = {.ctx = &r, .relation = on_relation};
    status = osm_read(file, &relations, b->threads, progress, b, b->error);
    if (status == UCID_OK) status = index_members(&r);
    if (status == UCID_OK) {
        osm_visitor visitor = {.ctx = &r, .way = on_way};
        status = osm_read(file, &visitor, b->threads, progress, b, b->error);
    }
    if (status == UCID_OK) status = index_nodes(&r);
    if (status == UCID_OK) {
        osm_visitor visitor = {.ctx = &r, .node = on_node};
        status = osm_read(file, &visitor, b->threads, progress, b, b->error);
    }
    if (status == UCID_OK) {
        b->newest_timestamp = osm_newest_timestamp(file);
        judge_box(&r);
    }
    build_drop(b, r.ways.first);
    build_drop(b, (void *)(uintptr_t)r.ways.ids);
    build_drop(b, r.member_of_way);
    build_drop(b, r.nodes.first);
    build_drop(b, (void *)(uintptr_t)r.nodes.ids);
    osm_close(file);
    return status;
}
