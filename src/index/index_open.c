/* index_open.c: an index is opened by checking its front: magic, format, lengths, the table of sections and its
 * checksum, the summary. That costs the same for every size. What lies in the sections is checked where it is followed,
 * or by ucid_index_check. */
#include "index/index.h"
#include "rt/digest.h"
#include "rt/error.h"
#include "rt/file.h"
#include "rt/memory.h"

#include <stddef.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "an index is mapped as it is: little-endian machines only"
#endif

/* Sections: size of an item, whether one item only ends the others, and where pointer and count go. */
static const struct {
    const char *name;
    uint32_t item_size;
    int ended; /* 1: the last item belongs to no object */
    size_t pointer, count;
} sections[UCIDX_KIND_END] = {
#define NO_COUNT SIZE_MAX
#define SECTION(kind, type, ended, pointer, count)                                                                     \
    [kind] = {#pointer, sizeof(type), ended, offsetof(ucid_index, pointer), count}
    SECTION(UCIDX_SUMMARY, ucidx_summary, 0, summary, NO_COUNT),
    SECTION(UCIDX_ABOUT, char, 0, about, NO_COUNT),
    SECTION(UCIDX_ROWS, ucidx_row, 0, rows, NO_COUNT),
    SECTION(UCIDX_BLOCKS, uint32_t, 0, blocks, offsetof(ucid_index, block_count)),
    SECTION(UCIDX_CELLS, uint32_t, 0, cells, offsetof(ucid_index, cell_count)),
    SECTION(UCIDX_LEAVES, ucidx_leaf, 0, leaves, offsetof(ucid_index, leaf_count)),
    SECTION(UCIDX_CANDIDATES, uint32_t, 0, candidates, offsetof(ucid_index, candidate_count)),
    SECTION(UCIDX_SEGMENTS, ucidx_segment, 0, segments, offsetof(ucid_index, segment_count)),
    SECTION(UCIDX_EDGES, ucidx_edge, 1, edges, offsetof(ucid_index, edge_count)),
    SECTION(UCIDX_ENTRIES, ucidx_entries, 0, entries, offsetof(ucid_index, entry_count)),
    SECTION(UCIDX_NODES, ucidx_node, 1, nodes, offsetof(ucid_index, node_count)),
    SECTION(UCIDX_ARCS, uint32_t, 0, arcs, offsetof(ucid_index, arc_count)),
    SECTION(UCIDX_OPPORTUNITIES, ucidx_opportunity, 0, opportunities, offsetof(ucid_index, opportunity_count)),
    SECTION(UCIDX_NAMES, char, 0, names, offsetof(ucid_index, name_bytes)),
    SECTION(UCIDX_BOUNDARY, ucidx_ring_point, 0, boundary, offsetof(ucid_index, boundary_count)),
    SECTION(UCIDX_COVERAGE, uint64_t, 0, coverage, offsetof(ucid_index, coverage_count)),
};

static ucid_status take_section(ucid_index *x, uint32_t kind, const char *path, ucid_error *error)
{
    const ucidx_section *s = &x->sections[kind - 1];
    uint64_t count = s->byte_length / sections[kind].item_size;
    if (s->kind != kind || s->item_size != sections[kind].item_size || s->offset % UCIDX_ALIGN != 0 ||
        s->offset > x->length || s->byte_length > x->length - s->offset ||
        count * sections[kind].item_size != s->byte_length || count > UINT32_MAX) {
        return ucid_fail(error, UCID_INDEX_CORRUPT, "%s: section %s has a false place or size", path,
                         sections[kind].name);
    }
    if (sections[kind].ended && count-- == 0) {
        return ucid_fail(error, UCID_INDEX_CORRUPT, "%s: section %s is empty", path, sections[kind].name);
    }
    const void *bytes = x->bytes + s->offset;
    memcpy((uint8_t *)x + sections[kind].pointer, &bytes, sizeof bytes);
    uint32_t items = (uint32_t)count;
    if (sections[kind].count != NO_COUNT) memcpy((uint8_t *)x + sections[kind].count, &items, sizeof items);
    return UCID_OK;
}

static int box_is_sound(const ucidx_summary *s)
{
    return s->min_lat_e7 >= -900000000 && s->min_lat_e7 <= s->max_lat_e7 && s->max_lat_e7 <= 900000000 &&
           s->min_lon_e7 >= -1800000000 && s->min_lon_e7 <= s->max_lon_e7 && s->max_lon_e7 < 1800000000 &&
           s->lon_origin_e7 >= -1800000000 && s->lon_origin_e7 <= 1800000000 && s->lat_origin_e7 >= -950000000 &&
           s->lat_origin_e7 <= s->min_lat_e7 && s->row_count > 0 &&
           s->row_count <= (uint32_t)(1900000000 / UCIDX_ROW_E7) + 1;
}

static ucid_status check_summary(const ucid_index *x, const char *path, ucid_error *error)
{
    const ucidx_summary *s = x->summary;
    const ucidx_section *table = x->sections;
    if (table[UCIDX_SUMMARY - 1].byte_length != sizeof *s) {
        return ucid_fail(error, UCID_INDEX_CORRUPT, "%s: the summary is not one", path);
    }
    if (!box_is_sound(s) || table[UCIDX_ROWS - 1].byte_length != (uint64_t)s->row_count * sizeof(ucidx_row)) {
        return ucid_fail(error, UCID_INDEX_CORRUPT, "%s: the summary's box or rows are false", path);
    }
    if (s->cutoff < 100 * UCIDX_UNITS_PER_M || s->cutoff > 2000 * UCIDX_UNITS_PER_M ||
        s->snap_limit < 10 * UCIDX_UNITS_PER_M || s->snap_limit > 1000 * UCIDX_UNITS_PER_M) {
        return ucid_fail(error, UCID_INDEX_CORRUPT, "%s: cutoff or snap limit out of range", path);
    }
    uint64_t opportunities = 0;
    for (int part = 0; part < 8; part++) {
        if (s->opportunity_count[part] > x->opportunity_count) opportunities = UINT64_MAX / 16;
        opportunities += s->opportunity_count[part];
    }
    if (opportunities != x->opportunity_count || s->main_length > s->street_length ||
        s->island_edge_count > x->edge_count || s->component_count > x->node_count || x->segment_count > INT32_MAX ||
        x->segment_count == 0 || x->arc_count != 2 * (uint64_t)x->edge_count ||
        x->cell_count % UCIDX_BLOCK_CELLS != 0) {
        return ucid_fail(error, UCID_INDEX_CORRUPT, "%s: counts contradict each other", path);
    }
    uint64_t about = table[UCIDX_ABOUT - 1].byte_length;
    if (about == 0 || x->about[about - 1] != '\0' || x->name_bytes == 0 || x->names[0] != '\0' ||
        x->names[x->name_bytes - 1] != '\0') {
        return ucid_fail(error, UCID_INDEX_CORRUPT, "%s: texts do not end", path);
    }
    return UCID_OK;
}

static ucid_status check_front(ucid_index *x, const char *path, ucid_error *error)
{
    if (x->length < sizeof(ucidx_header) || memcmp(x->bytes, UCIDX_MAGIC, sizeof x->header->magic) != 0) {
        return ucid_fail(error, UCID_INDEX_FORMAT, "%s: not an index", path);
    }
    x->header = (const ucidx_header *)x->bytes;
    x->sections = (const ucidx_section *)(x->header + 1);
    if (x->header->format != UCIDX_FORMAT) {
        return ucid_fail(error, UCID_INDEX_FORMAT, "%s: index format %u, this library reads %u; build it again", path,
                         x->header->format, UCIDX_FORMAT);
    }
    if (x->header->byte_length != x->length) {
        return ucid_fail(error, UCID_INDEX_CORRUPT, "%s: %llu bytes, but its header says %llu", path,
                         (unsigned long long)x->length, (unsigned long long)x->header->byte_length);
    }
    size_t table = (UCIDX_KIND_END - 1) * sizeof(ucidx_section);
    if (x->header->section_count != UCIDX_KIND_END - 1 || x->length < sizeof(ucidx_header) + table ||
        ucid_xxh3(x->sections, table) != x->header->table_checksum) {
        return ucid_fail(error, UCID_INDEX_CORRUPT, "%s: the table of sections is damaged", path);
    }
    for (uint32_t kind = 1; kind < UCIDX_KIND_END; kind++) {
        ucid_status status = take_section(x, kind, path, error);
        if (status != UCID_OK) return status;
    }
    return check_summary(x, path, error);
}

static ucid_status open_bytes(const char *path, const void *bytes, size_t length, int mapped,
                              const ucid_allocator *allocator, ucid_index **index, ucid_error *error)
{
    ucid_allocator chosen = ucid_allocator_or_default(allocator);
    ucid_index opened = {.bytes = bytes, .length = length, .mapped = mapped, .allocator = chosen};
    ucid_status status = check_front(&opened, path, error);
    if (status != UCID_OK) return status;
    ucid_index *x = ucid_allocate(&chosen, 1, sizeof *x);
    if (x == NULL) return ucid_fail_memory(error, "an index", sizeof *x);
    *x = opened;
    *index = x;
    return UCID_OK;
}

ucid_status ucid_index_open(const char *path, const ucid_allocator *allocator, ucid_index **index, ucid_error *error)
{
    ucid_file_map map = {0};
    ucid_status status = ucid_file_map_open(path, &map, error);
    if (status != UCID_OK) return status;
    status = open_bytes(path, map.bytes, map.length, 1, allocator, index, error);
    if (status != UCID_OK) ucid_file_map_close(&map);
    return status;
}

ucid_status ucid_index_open_memory(const void *bytes, size_t length, const ucid_allocator *allocator,
                                   ucid_index **index, ucid_error *error)
{
    if (bytes == NULL || (uintptr_t)bytes % UCIDX_ALIGN != 0) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "the bytes of an index must be aligned to %u", UCIDX_ALIGN);
    }
    return open_bytes("index in memory", bytes, length, 0, allocator, index, error);
}

void ucid_index_close(ucid_index *index)
{
    if (index == NULL) return;
    ucid_file_map map = {index->bytes, index->length};
    if (index->mapped) ucid_file_map_close(&map);
    ucid_allocator allocator = index->allocator;
    ucid_release(&allocator, index, 1, sizeof *index);
}

static double to_degrees(int64_t lon_e7)
{
    if (lon_e7 >= 1800000000) lon_e7 -= 3600000000;
    if (lon_e7 < -1800000000) lon_e7 += 3600000000;
    return (double)lon_e7 / 1e7;
}

int64_t ucid_index_coverage_get(const ucid_index *index, const uint64_t **cells)
{
    *cells = index->coverage;
    return index->coverage_count;
}

void ucid_index_info_get(const ucid_index *index, ucid_index_info *info)
{
    const ucidx_summary *s = index->summary;
    *info = (ucid_index_info){.format = index->header->format,
                              .byte_length = index->length,
                              .data_hour = s->data_hour,
                              .min_lat_deg = s->min_lat_e7 / 1e7,
                              .max_lat_deg = s->max_lat_e7 / 1e7,
                              .min_lon_deg = to_degrees((int64_t)s->lon_origin_e7 + s->min_lon_e7),
                              .max_lon_deg = to_degrees((int64_t)s->lon_origin_e7 + s->max_lon_e7),
                              .cutoff_m = (double)s->cutoff / UCIDX_UNITS_PER_M,
                              .snap_limit_m = (double)s->snap_limit / UCIDX_UNITS_PER_M,
                              .node_count = index->node_count,
                              .edge_count = index->edge_count,
                              .segment_count = index->segment_count,
                              .street_m = s->street_length / UCIDX_UNITS_PER_M,
                              .component_count = s->component_count,
                              .island_edge_count = s->island_edge_count,
                              .area_km2 = (double)s->area_m2 / 1e6,
                              .json = index->about,
                              .parts_known = s->flags};
    if (s->street_length > 0) info->largest_component = (double)s->main_length / (double)s->street_length;
    for (int part = 0; part < UCID_PARTS_MAX; part++) info->opportunity_count[part] = s->opportunity_count[part];
    ucid_sha256_hex(index->header->id, info->id);
}
