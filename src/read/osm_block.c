/* osm_block.c: a PrimitiveBlock is a table of strings and groups of objects of one kind.
 *
 * The block is decoded in batches of up to BATCH objects, which stay in the processor's cache and bound the memory even
 * where a writer put a whole city into one blob. Nothing in a block is believed: numbers of strings are compared with
 * the table, arrays that belong together must end together, and coordinates must be on the Earth. */
#include "read/osm_block.h"

#include "rt/memory.h"

#include <stdio.h>
#include <string.h>

enum { BATCH = 8192, BATCH_PARTS = 1 << 18 /* refs, members or tags after which a batch ends early */ };
enum { BLOCK_STRINGS = 1, BLOCK_GROUP = 2, BLOCK_GRANULARITY = 17, BLOCK_DATE_GRANULARITY = 18 };
enum { BLOCK_LAT_OFFSET = 19, BLOCK_LON_OFFSET = 20 };
enum { GROUP_NODE = 1, GROUP_DENSE = 2, GROUP_WAY = 3, GROUP_RELATION = 4, GROUP_CHANGESET = 5 };
enum { LAT_MAX_E7 = 900000000, LON_MAX_E7 = 1800000000 };

static ucid_status fail(osm_block *block, ucid_status status, const char *cause)
{
    snprintf(block->cause, sizeof block->cause, "%s", cause);
    return status;
}

static ucid_status damaged(osm_block *block, const char *what, int64_t id)
{
    snprintf(block->cause, sizeof block->cause, "damaged (%s %lld)", what, (long long)id);
    return UCID_DATA_ERROR;
}

static ucid_status out_of_memory(osm_block *block) { return fail(block, UCID_NO_MEMORY, "no memory to decode it"); }

/* Room for needed items; array is the address of a pointer to items of any type. */
static int grow(const ucid_allocator *allocator, void *array, size_t *capacity, size_t needed, size_t item)
{
    void *items;
    memcpy(&items, array, sizeof items);
    int done = ucid_grow(allocator, &items, capacity, needed, item);
    memcpy(array, &items, sizeof items);
    return done;
}

/* ---------------------------------------------------------------------------------------------------- the block -- */

static unsigned kind_of(uint32_t group_field)
{
    switch (group_field) {
    case GROUP_NODE:
    case GROUP_DENSE: return OSM_NODES;
    case GROUP_WAY: return OSM_WAYS;
    case GROUP_RELATION: return OSM_RELATIONS;
    default: return 0;
    }
}

/* A group holds one kind of objects, says the format: its first field tells which. Decoding makes sure. */
static int group_kind(pb_range group, unsigned *kind)
{
    pb_field field;
    *kind = 0;
    int more = pb_next(&group, &field);
    if (more == 1) *kind = kind_of(field.number);
    return more >= 0;
}

static ucid_status read_strings(osm_block *block, const ucid_allocator *allocator, pb_range table)
{
    pb_field field;
    int more;
    while ((more = pb_next(&table, &field)) == 1) {
        if (field.number != 1 || field.wire != PB_BYTES) continue;
        if (block->string_count == block->string_capacity && !grow(allocator, &block->strings, &block->string_capacity,
                                                                   block->string_count + 1, sizeof *block->strings)) {
            return out_of_memory(block);
        }
        block->strings[block->string_count++] =
            (osm_string){(const char *)field.bytes.at, (uint32_t)(field.bytes.end - field.bytes.at)};
    }
    return more < 0 ? fail(block, UCID_DATA_ERROR, "damaged (its table of strings)") : UCID_OK;
}

ucid_status osm_block_open(osm_block *block, const ucid_allocator *allocator, const uint8_t *bytes, size_t length,
                           unsigned wanted, unsigned timed)
{
    pb_range message = {bytes, bytes + length};
    pb_range scan = message, table = {NULL, NULL};
    block->groups = message;
    block->group = (pb_range){message.end, message.end};
    block->dense.ids = block->group;
    block->kinds = 0;
    block->wanted = wanted;
    block->timed = timed;
    block->granularity = 100;
    block->date_granularity = 1000;
    block->lat_offset = block->lon_offset = 0;
    block->newest = 0;
    block->string_count = 0;
    block->batch.count = 0;
    block->batch.kind = 0;
    pb_field field;
    int more;
    while ((more = pb_next(&scan, &field)) == 1) {
        if (field.wire == PB_BYTES) {
            unsigned kind;
            if (field.number == BLOCK_STRINGS) table = field.bytes;
            if (field.number != BLOCK_GROUP) continue;
            if (!group_kind(field.bytes, &kind)) return fail(block, UCID_DATA_ERROR, "damaged (a group of objects)");
            block->kinds |= kind;
        } else if (field.wire == PB_VARINT) {
            switch (field.number) {
            case BLOCK_GRANULARITY: block->granularity = (int64_t)field.value; break;
            case BLOCK_DATE_GRANULARITY: block->date_granularity = (int64_t)field.value; break;
            case BLOCK_LAT_OFFSET: block->lat_offset = (int64_t)field.value; break;
            case BLOCK_LON_OFFSET: block->lon_offset = (int64_t)field.value; break;
            default: break;
            }
        }
    }
    if (more < 0) return fail(block, UCID_DATA_ERROR, "damaged (it is not a block of OpenStreetMap objects)");
    if (block->granularity <= 0 || block->date_granularity <= 0) {
        return fail(block, UCID_DATA_ERROR, "damaged (its granularity is not positive)");
    }
    return (block->kinds & wanted) != 0 && table.at != NULL ? read_strings(block, allocator, table) : UCID_OK;
}

int64_t osm_block_newest(const osm_block *block)
{
    int64_t milliseconds;
    if (__builtin_mul_overflow(block->newest, block->date_granularity, &milliseconds)) return 0;
    return milliseconds / 1000;
}

/* -------------------------------------------------------------------------------------------------------- parts -- */

/* Nanodegrees offset + granularity * value to 1e-7 degrees, to nearest; 0 where it leaves [-max, max]. */
static int to_e7(int64_t granularity, int64_t offset, int64_t value, int32_t max_e7, int32_t *e7)
{
    int64_t scaled, nano;
    if (granularity == 100 && offset == 0) {
        if (value < -max_e7 || value > max_e7) return 0;
        *e7 = (int32_t)value;
        return 1;
    }
    if (__builtin_mul_overflow(granularity, value, &scaled) || __builtin_add_overflow(scaled, offset, &nano)) return 0;
    if (nano < -(int64_t)max_e7 * 100 || nano > (int64_t)max_e7 * 100) return 0;
    *e7 = (int32_t)((nano + (nano < 0 ? -50 : 50)) / 100);
    return 1;
}

static ucid_status place_node(osm_block *block, osm_node *node, int64_t lat, int64_t lon)
{
    if (to_e7(block->granularity, block->lat_offset, lat, LAT_MAX_E7, &node->lat_e7) &&
        to_e7(block->granularity, block->lon_offset, lon, LON_MAX_E7, &node->lon_e7)) {
        return UCID_OK;
    }
    snprintf(block->cause, sizeof block->cause, "node %lld has coordinates that are out of range", (long long)node->id);
    return UCID_DATA_ERROR;
}

static ucid_status push_tag(osm_block *block, const ucid_allocator *allocator, uint64_t key, uint64_t value, int64_t id)
{
    osm_batch *batch = &block->batch;
    if (key >= block->string_count || value >= block->string_count) {
        return damaged(block, "a tag outside the table of strings, at object", id);
    }
    if (batch->tag_count == batch->tag_capacity &&
        !grow(allocator, &batch->tags, &batch->tag_capacity, batch->tag_count + 1, sizeof *batch->tags)) {
        return out_of_memory(block);
    }
    batch->tags[batch->tag_count++] = (osm_tag){block->strings[key], block->strings[value]};
    return UCID_OK;
}

/* Tags of a node, way or relation: two arrays, of keys and of values. */
static ucid_status push_tags(osm_block *block, const ucid_allocator *allocator, pb_range keys, pb_range values,
                             int64_t id, uint32_t *count)
{
    uint64_t key, value;
    *count = 0;
    while (keys.at < keys.end && values.at < values.end) {
        keys.at = pb_varint(keys.at, keys.end, &key);
        values.at = pb_varint(values.at, values.end, &value);
        ucid_status status = push_tag(block, allocator, key, value, id);
        if (status != UCID_OK) return status;
        ++*count;
    }
    return keys.at == keys.end && values.at == values.end ? UCID_OK : damaged(block, "tags of object", id);
}

static ucid_status read_time(osm_block *block, pb_range info, int64_t id)
{
    pb_field field;
    int more;
    while ((more = pb_next(&info, &field)) == 1) {
        if (field.number == 2 && field.wire == PB_VARINT && (int64_t)field.value > block->newest) {
            block->newest = (int64_t)field.value;
        }
    }
    return more < 0 ? damaged(block, "metadata of object", id) : UCID_OK;
}

/* ------------------------------------------------------------------------------------------------------ objects -- */

/* The fields that nodes, ways and relations share; the caller looks at those from 8 on. */
typedef struct object {
    uint64_t id;
    int has_id;
    pb_range keys, values, info;
} object;

static void read_common(object *common, const pb_field *field)
{
    if (field->number == 1 && field->wire == PB_VARINT) {
        common->id = field->value;
        common->has_id = 1;
    }
    if (field->wire != PB_BYTES) return;
    if (field->number == 2) common->keys = field->bytes;
    if (field->number == 3) common->values = field->bytes;
    if (field->number == 4) common->info = field->bytes;
}

static ucid_status finish_common(osm_block *block, const ucid_allocator *allocator, const object *common, int more,
                                 unsigned kind, int64_t id, uint32_t *tag_count)
{
    if (more < 0 || !common->has_id) return damaged(block, "an object after", id);
    if ((block->timed & kind) && common->info.at != NULL) {
        ucid_status status = read_time(block, common->info, id);
        if (status != UCID_OK) return status;
    }
    return push_tags(block, allocator, common->keys, common->values, id, tag_count);
}

static ucid_status decode_node(osm_block *block, const ucid_allocator *allocator, pb_range message)
{
    osm_node *node = &block->batch.nodes[block->batch.count];
    object common = {0};
    uint64_t lat = 0, lon = 0;
    pb_field field;
    int more;
    while ((more = pb_next(&message, &field)) == 1) {
        read_common(&common, &field);
        if (field.wire != PB_VARINT) continue;
        if (field.number == 8) lat = field.value;
        if (field.number == 9) lon = field.value;
    }
    node->id = pb_zigzag(common.id);
    ucid_status status = finish_common(block, allocator, &common, more, OSM_NODES, node->id, &node->tag_count);
    if (status == UCID_OK) status = place_node(block, node, pb_zigzag(lat), pb_zigzag(lon));
    return status;
}

static ucid_status decode_way(osm_block *block, const ucid_allocator *allocator, pb_range message)
{
    osm_batch *batch = &block->batch;
    osm_way *way = &batch->ways[batch->count];
    object common = {0};
    pb_range refs = {NULL, NULL};
    pb_field field;
    int more;
    while ((more = pb_next(&message, &field)) == 1) {
        read_common(&common, &field);
        if (field.number == 8 && field.wire == PB_BYTES) refs = field.bytes;
    }
    way->id = (int64_t)common.id;
    ucid_status status = finish_common(block, allocator, &common, more, OSM_WAYS, way->id, &way->tag_count);
    if (status != UCID_OK) return status;
    size_t most = (size_t)(refs.end - refs.at); /* a byte at least for each */
    if (batch->ref_capacity - batch->ref_count < most &&
        !grow(allocator, &batch->refs, &batch->ref_capacity, batch->ref_count + most, sizeof *batch->refs)) {
        return out_of_memory(block);
    }
    int64_t *ref = batch->refs + batch->ref_count, *first = ref;
    int64_t sum = 0;
    while (refs.at < refs.end) {
        uint64_t delta;
        refs.at = pb_varint(refs.at, refs.end, &delta);
        sum = pb_add(sum, delta);
        *ref++ = sum;
    }
    if (refs.at != refs.end) return damaged(block, "nodes of way", way->id);
    way->ref_count = (uint32_t)(ref - first);
    batch->ref_count += way->ref_count;
    return UCID_OK;
}

static ucid_status decode_relation(osm_block *block, const ucid_allocator *allocator, pb_range message)
{
    osm_batch *batch = &block->batch;
    osm_relation *relation = &batch->relations[batch->count];
    object common = {0};
    pb_range roles = {NULL, NULL}, refs = {NULL, NULL}, types = {NULL, NULL};
    pb_field field;
    int more;
    while ((more = pb_next(&message, &field)) == 1) {
        read_common(&common, &field);
        if (field.wire != PB_BYTES) continue;
        if (field.number == 8) roles = field.bytes;
        if (field.number == 9) refs = field.bytes;
        if (field.number == 10) types = field.bytes;
    }
    relation->id = (int64_t)common.id;
    ucid_status status =
        finish_common(block, allocator, &common, more, OSM_RELATIONS, relation->id, &relation->tag_count);
    if (status != UCID_OK) return status;
    int64_t sum = 0;
    uint64_t role, delta, type;
    relation->member_count = 0;
    while (roles.at < roles.end && refs.at < refs.end && types.at < types.end) {
        roles.at = pb_varint(roles.at, roles.end, &role);
        refs.at = pb_varint(refs.at, refs.end, &delta);
        types.at = pb_varint(types.at, types.end, &type);
        sum = pb_add(sum, delta);
        if (role >= block->string_count || type > 2) return damaged(block, "members of relation", relation->id);
        if (batch->member_count == batch->member_capacity && !grow(allocator, &batch->members, &batch->member_capacity,
                                                                   batch->member_count + 1, sizeof *batch->members)) {
            return out_of_memory(block);
        }
        batch->members[batch->member_count++] = (osm_member){sum, "nwr"[type], block -> strings[role]};
        relation->member_count++;
    }
    if (roles.at != roles.end || refs.at != refs.end || types.at != types.end) {
        return damaged(block, "members of relation", relation->id);
    }
    return UCID_OK;
}

/* --------------------------------------------------------------------------------------------------- dense nodes -- */

static ucid_status read_dense_times(osm_block *block, pb_range info)
{
    pb_field field;
    int more;
    while ((more = pb_next(&info, &field)) == 1) {
        if (field.number != 2 || field.wire != PB_BYTES) continue;
        int64_t time = 0, newest = block->newest;
        pb_range times = field.bytes;
        while (times.at < times.end) {
            uint64_t delta;
            times.at = pb_varint(times.at, times.end, &delta);
            time = pb_add(time, delta);
            if (time > newest) newest = time;
        }
        if (times.at != times.end) more = -1;
        block->newest = newest;
        if (more < 0) break;
    }
    return more < 0 ? fail(block, UCID_DATA_ERROR, "damaged (metadata of nodes)") : UCID_OK;
}

static ucid_status open_dense(osm_block *block, pb_range message)
{
    pb_range none = {message.end, message.end}, info = none;
    block->dense.ids = block->dense.lats = block->dense.lons = block->dense.tags = none;
    block->dense.id = block->dense.lat = block->dense.lon = 0;
    pb_field field;
    int more;
    while ((more = pb_next(&message, &field)) == 1) {
        if (field.wire != PB_BYTES) continue;
        switch (field.number) {
        case 1: block->dense.ids = field.bytes; break;
        case 5: info = field.bytes; break;
        case 8: block->dense.lats = field.bytes; break;
        case 9: block->dense.lons = field.bytes; break;
        case 10: block->dense.tags = field.bytes; break;
        default: break;
        }
    }
    block->dense.has_tags = block->dense.tags.at < block->dense.tags.end;
    if (more < 0) return fail(block, UCID_DATA_ERROR, "damaged (a group of nodes)");
    return block->timed & OSM_NODES ? read_dense_times(block, info) : UCID_OK;
}

/* Three arrays of deltas, and one of tags in which a 0 ends each node. A node without tags costs three varints and a
 * zero. */
static ucid_status decode_dense(osm_block *block, const ucid_allocator *allocator)
{
    osm_batch *batch = &block->batch;
    pb_range ids = block->dense.ids, lats = block->dense.lats, lons = block->dense.lons, tags = block->dense.tags;
    int64_t id = block->dense.id, lat = block->dense.lat, lon = block->dense.lon;
    ucid_status status = UCID_OK;
    while (ids.at < ids.end && batch->count < BATCH && batch->tag_count < BATCH_PARTS) {
        uint64_t id_delta, lat_delta, lon_delta, key = 0, value;
        ids.at = pb_varint(ids.at, ids.end, &id_delta);
        lats.at = pb_varint(lats.at, lats.end, &lat_delta);
        lons.at = pb_varint(lons.at, lons.end, &lon_delta);
        if (lats.at > lats.end || lons.at > lons.end || ids.at > ids.end) return damaged(block, "nodes after", id);
        id = pb_add(id, id_delta);
        lat = pb_add(lat, lat_delta);
        lon = pb_add(lon, lon_delta);
        osm_node *node = &batch->nodes[batch->count];
        node->id = id;
        status = place_node(block, node, lat, lon);
        if (status != UCID_OK) return status;
        size_t first = batch->tag_count;
        if (block->dense.has_tags) {
            for (;;) {
                if (tags.at >= tags.end) return damaged(block, "tags of node", id);
                tags.at = pb_varint(tags.at, tags.end, &key);
                if (key == 0) break;
                if (tags.at >= tags.end) return damaged(block, "tags of node", id);
                tags.at = pb_varint(tags.at, tags.end, &value);
                status = push_tag(block, allocator, key, value, id);
                if (status != UCID_OK) return status;
            }
        }
        node->tag_count = (uint32_t)(batch->tag_count - first);
        batch->count++;
    }
    if (ids.at == ids.end && (lats.at != lats.end || lons.at != lons.end || tags.at != tags.end)) {
        return damaged(block, "arrays of nodes that end apart, after", id);
    }
    block->dense.ids = ids;
    block->dense.lats = lats;
    block->dense.lons = lons;
    block->dense.tags = tags;
    block->dense.id = id;
    block->dense.lat = lat;
    block->dense.lon = lon;
    return UCID_OK;
}

/* ------------------------------------------------------------------------------------------------------- batches -- */

/* Find the next group that is wanted; 0 at the end of the block. Groups were seen to be whole when it was opened. */
static int next_group(osm_block *block)
{
    pb_field field;
    while (pb_next(&block->groups, &field) == 1) {
        if (field.number != BLOCK_GROUP || field.wire != PB_BYTES) continue;
        if (!group_kind(field.bytes, &block->kind) || !(block->kind & block->wanted)) continue;
        block->group = field.bytes;
        return 1;
    }
    return 0;
}

/* Tags, refs and members get room too: sums with a null pointer are not defined, even of nothing. */
static int reserve_objects(osm_batch *batch, const ucid_allocator *allocator, unsigned kind)
{
    if (!grow(allocator, &batch->tags, &batch->tag_capacity, 1, sizeof *batch->tags)) return 0;
    switch (kind) {
    case OSM_NODES: return grow(allocator, &batch->nodes, &batch->node_capacity, BATCH, sizeof *batch->nodes);
    case OSM_WAYS:
        return grow(allocator, &batch->refs, &batch->ref_capacity, 1, sizeof *batch->refs) &&
               grow(allocator, &batch->ways, &batch->way_capacity, BATCH, sizeof *batch->ways);
    default:
        return grow(allocator, &batch->members, &batch->member_capacity, 1, sizeof *batch->members) &&
               grow(allocator, &batch->relations, &batch->relation_capacity, BATCH, sizeof *batch->relations);
    }
}

static ucid_status decode_field(osm_block *block, const ucid_allocator *allocator, const pb_field *field)
{
    if (kind_of(field->number) != block->kind || field->wire != PB_BYTES) {
        return fail(block, UCID_DATA_ERROR, "damaged (a group of objects of several kinds)");
    }
    ucid_status status;
    switch (field->number) {
    case GROUP_DENSE: return open_dense(block, field->bytes);
    case GROUP_NODE: status = decode_node(block, allocator, field->bytes); break;
    case GROUP_WAY: status = decode_way(block, allocator, field->bytes); break;
    default: status = decode_relation(block, allocator, field->bytes); break;
    }
    if (status == UCID_OK) block->batch.count++;
    return status;
}

ucid_status osm_block_decode(osm_block *block, const ucid_allocator *allocator)
{
    osm_batch *batch = &block->batch;
    batch->count = batch->tag_count = batch->ref_count = batch->member_count = 0;
    for (;;) {
        ucid_status status;
        pb_field field;
        if (block->dense.ids.at < block->dense.ids.end) {
            status = decode_dense(block, allocator);
            if (status != UCID_OK) return status;
        }
        if (batch->count == BATCH || batch->tag_count >= BATCH_PARTS || batch->ref_count >= BATCH_PARTS ||
            batch->member_count >= BATCH_PARTS) {
            return UCID_OK;
        }
        int more = pb_next(&block->group, &field);
        if (more < 0) return fail(block, UCID_DATA_ERROR, "damaged (a group of objects)");
        if (more == 0) {
            if (batch->count > 0 || !next_group(block)) return UCID_OK;
            batch->kind = block->kind;
            if (!reserve_objects(batch, allocator, block->kind)) return out_of_memory(block);
            continue;
        }
        status = decode_field(block, allocator, &field);
        if (status != UCID_OK) return status;
    }
}

ucid_status osm_block_visit(osm_block *block, const osm_visitor *visitor)
{
    osm_batch *batch = &block->batch;
    const osm_tag *tags = batch->tags;
    const int64_t *refs = batch->refs;
    const osm_member *members = batch->members;
    ucid_status status = UCID_OK;
    switch (batch->kind) {
    case OSM_NODES:
        for (size_t i = 0; i < batch->count && status == UCID_OK; i++) {
            batch->nodes[i].tags = tags;
            tags += batch->nodes[i].tag_count;
            status = visitor->node(visitor->ctx, &batch->nodes[i]);
        }
        break;
    case OSM_WAYS:
        for (size_t i = 0; i < batch->count && status == UCID_OK; i++) {
            osm_way *way = &batch->ways[i];
            way->tags = tags;
            way->refs = refs;
            tags += way->tag_count;
            refs += way->ref_count;
            status = visitor->way(visitor->ctx, way);
        }
        break;
    default:
        for (size_t i = 0; i < batch->count && status == UCID_OK; i++) {
            osm_relation *relation = &batch->relations[i];
            relation->tags = tags;
            relation->members = members;
            tags += relation->tag_count;
            members += relation->member_count;
            status = visitor->relation(visitor->ctx, relation);
        }
        break;
    }
    return status;
}

void osm_block_reset(osm_block *block, const ucid_allocator *allocator)
{
    osm_batch *batch = &block->batch;
    ucid_release(allocator, block->strings, block->string_capacity, sizeof *block->strings);
    ucid_release(allocator, batch->nodes, batch->node_capacity, sizeof *batch->nodes);
    ucid_release(allocator, batch->ways, batch->way_capacity, sizeof *batch->ways);
    ucid_release(allocator, batch->relations, batch->relation_capacity, sizeof *batch->relations);
    ucid_release(allocator, batch->tags, batch->tag_capacity, sizeof *batch->tags);
    ucid_release(allocator, batch->refs, batch->ref_capacity, sizeof *batch->refs);
    ucid_release(allocator, batch->members, batch->member_capacity, sizeof *batch->members);
    *block = (osm_block){0};
}
