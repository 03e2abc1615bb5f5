/* index_check.c: everything that a reader could rely on, section by section: checksums first, then that every number
 * points where it may, that what is sorted is sorted, and that lengths add up. Linear, no allocation. */
#include "index/index.h"
#include "index/near.h"
#include "index/tags.h"
#include "rt/digest.h"
#include "rt/error.h"
#include "rt/trig.h"

#include <math.h>
#include <string.h>

#define CORRUPT(...) return ucid_fail(error, UCID_INDEX_CORRUPT, __VA_ARGS__)

static ucid_status check_checksums(const ucid_index *x, ucid_error *error)
{
    uint64_t end = sizeof(ucidx_header) + (UCIDX_KIND_END - 1) * sizeof(ucidx_section), total = end;
    for (uint32_t kind = 1; kind < UCIDX_KIND_END; kind++) {
        const ucidx_section *s = &x->sections[kind - 1];
        if (s->offset < end) CORRUPT("section %u lies in the front of the file", kind);
        if (ucid_xxh3(x->bytes + s->offset, s->byte_length) != s->checksum) {
            CORRUPT("section %u: its bytes do not match its checksum", kind);
        }
        for (uint32_t other = 1; other < kind; other++) {
            const ucidx_section *o = &x->sections[other - 1];
            if (s->offset < o->offset + o->byte_length && o->offset < s->offset + s->byte_length) {
                CORRUPT("sections %u and %u overlap", other, kind);
            }
        }
        total += s->byte_length;
    }
    if (total > x->length || x->length - total > (UCIDX_KIND_END + 1) * UCIDX_ALIGN)
        CORRUPT("bytes between the sections");
    ucid_sha256 digest;
    uint8_t id[32];
    ucid_sha256_init(&digest);
    ucid_sha256_update(&digest, x->sections, (UCIDX_KIND_END - 1) * sizeof(ucidx_section));
    ucid_sha256_finish(&digest, id);
    if (memcmp(id, x->header->id, sizeof id) != 0) CORRUPT("the id is not that of the table of sections");
    return UCID_OK;
}

static ucid_status check_list(const ucid_index *x, const ucidx_leaf *leaf, ucid_error *error)
{
    for (uint32_t i = leaf->first; i < leaf->first + leaf->count; i++) {
        uint32_t candidate = x->candidates[i], segment = candidate & INT32_MAX;
        if (segment >= x->segment_count || (i > leaf->first && x->candidates[i - 1] >= candidate)) {
            CORRUPT("candidates: %u is out of range or order", i);
        }
        if (x->segments[segment].island != candidate >> 31) CORRUPT("candidates: %u is on the wrong network", i);
    }
    return UCID_OK;
}

static ucid_status check_grid(const ucid_index *x, ucid_error *error)
{
    uint64_t next_block = 0, cells = 0;
    for (uint32_t r = 0; r < x->summary->row_count; r++) {
        const ucidx_row *row = &x->rows[r];
        double middle_e7 = (double)x->summary->lat_origin_e7 + ((double)r + 0.5) * UCIDX_ROW_E7;
        double scale = UCIDX_Y_M_PER_E7 * ucid_cos(middle_e7 * (UCID_PI / 180e7));
        if (row->x_m_per_e7 != scale || !(scale > 0.0) || row->cell_e7 != ucidx_cell_e7(scale)) {
            CORRUPT("rows: the scale of row %u is not that of its latitude", r);
        }
        if (row->first_block != next_block) CORRUPT("rows: blocks of row %u do not follow those before", r);
        next_block += row->block_count;
    }
    if (next_block != x->block_count)
        CORRUPT("rows: %llu blocks, not %u", (unsigned long long)next_block, x->block_count);
    for (uint32_t k = 0; k < x->block_count; k++) {
        if (x->blocks[k] == UCIDX_NONE) continue;
        if (x->blocks[k] != cells) CORRUPT("blocks: cells of block %u do not follow those before", k);
        cells += UCIDX_BLOCK_CELLS;
    }
    if (cells != x->cell_count) CORRUPT("blocks: %llu cells, not %u", (unsigned long long)cells, x->cell_count);
    uint64_t leaves = 0, listed = 0;
    for (uint32_t c = 0; c < x->cell_count; c++) {
        uint64_t first = x->cells[c] >> 2, end = first + (UINT64_C(1) << 2 * (x->cells[c] & 3)), next = listed;
        if (first != leaves || end > x->leaf_count || (x->cells[c] & 3) > UCIDX_DEPTH_MAX)
            CORRUPT("cells: leaves of cell %u do not follow those before", c);
        for (; leaves < end; leaves++) {
            const ucidx_leaf *leaf = &x->leaves[leaves];
            uint64_t last = (uint64_t)leaf->first + leaf->count;
            if (leaf->first < listed || last > x->candidate_count) {
                CORRUPT("leaves: candidates of leaf %llu are false", (unsigned long long)leaves);
            }
            ucid_status status = check_list(x, leaf, error);
            if (status != UCID_OK) return status;
            if (last > next) next = last;
        }
        listed = next;
    }
    if (leaves != x->leaf_count) CORRUPT("cells: %llu leaves, not %u", (unsigned long long)leaves, x->leaf_count);
    if (listed != x->candidate_count) CORRUPT("leaves: not all candidates are listed");
    return UCID_OK;
}

static ucid_status check_edge(const ucid_index *x, uint32_t e, ucid_error *error)
{
    const ucidx_edge *edge = &x->edges[e];
    uint32_t first = edge->first_segment, end = edge[1].first_segment;
    if (edge->a >= x->node_count || edge->b >= x->node_count || edge->length == 0 ||
        (edge->flags & UCIDX_EDGE_CLASS_MASK) >= UCIDX_CLASS_COUNT || edge->flags >= 2 * UCIDX_EDGE_ISLAND) {
        CORRUPT("edges: nodes, length or class of %u are false", e);
    }
    if (first >= end || end > x->segment_count) CORRUPT("edges: segments of %u are false", e);
    uint64_t offset = 0;
    int32_t at_x = x->nodes[edge->a].x_e7, at_y = x->nodes[edge->a].y_e7;
    for (uint32_t i = first; i < end; i++) {
        const ucidx_segment *s = &x->segments[i];
        if (s->offset != offset || s->ax_e7 != at_x || s->ay_e7 != at_y) {
            CORRUPT("segments: %u does not continue its edge", i);
        }
        offset += s->length;
        uint64_t rest = edge->length >= offset ? edge->length - offset : 0;
        if (s->rest != (rest < UCIDX_FAR ? rest : UCIDX_FAR) || s->first_entry != edge->first_entry ||
            s->block_count != edge[1].first_entry - edge->first_entry ||
            s->island != ((edge->flags & UCIDX_EDGE_ISLAND) != 0)) {
            CORRUPT("segments: %u differs from its edge", i);
        }
        at_x = s->bx_e7;
        at_y = s->by_e7;
        const ucidx_summary *box = x->summary;
        if (at_x < box->min_lon_e7 || at_x > box->max_lon_e7 || at_y < box->min_lat_e7 || at_y > box->max_lat_e7) {
            CORRUPT("segments: %u leaves the box of the streets", i);
        }
    }
    if (offset != edge->length || at_x != x->nodes[edge->b].x_e7 || at_y != x->nodes[edge->b].y_e7) {
        CORRUPT("segments: those of edge %u do not add up to it", e);
    }
    return UCID_OK;
}

static ucid_status check_entries(const ucid_index *x, uint32_t e, ucid_error *error)
{
    uint32_t first = x->edges[e].first_entry, end = x->edges[e + 1].first_entry, length = x->edges[e].length;
    if (first > end || end > x->entry_count) CORRUPT("edges: entries of %u are false", e);
    for (uint32_t lane = 0; lane <= UCIDX_PART_END; lane++) {
        uint32_t before = 0;
        int ended = 0;
        for (uint32_t i = first; i < end; i++) {
            uint32_t a = x->entries[i].a[lane], b = x->entries[i].b[lane], least = a < b ? a : b;
            uint32_t what = ucidx_what(&x->entries[i], lane);
            if (a == UCIDX_FAR && b == UCIDX_FAR) {
                if (what != 0) CORRUPT("entries: an empty lane of edge %u is not empty", e);
                ended = 1;
                continue;
            }
            uint32_t apart = a < b ? b - a : a - b;
            if (ended || least < before || (a != UCIDX_FAR && a > x->summary->cutoff) ||
                (b != UCIDX_FAR && b > x->summary->cutoff) ||
                (lane == UCIDX_PART_END ? what != 0 : what >> UCIDX_QUALITY_SHIFT == 0) ||
                (a != UCIDX_FAR && b != UCIDX_FAR && apart > length)) {
                CORRUPT("entries: part %u of edge %u is false", lane, e);
            }
            before = least;
        }
    }
    return UCID_OK;
}

static ucid_status check_streets(const ucid_index *x, ucid_error *error)
{
    const ucidx_summary *s = x->summary;
    uint64_t length = 0, islands = 0;
    if (x->edges[0].first_segment != 0 || x->edges[x->edge_count].first_segment != x->segment_count ||
        x->edges[0].first_entry != 0 || x->edges[x->edge_count].first_entry != x->entry_count) {
        CORRUPT("edges: not all segments and entries belong to one");
    }
    for (uint32_t e = 0; e < x->edge_count; e++) {
        ucid_status status = check_edge(x, e, error);
        if (status == UCID_OK) status = check_entries(x, e, error);
        if (status != UCID_OK) return status;
        length += x->edges[e].length;
        islands += (x->edges[e].flags & UCIDX_EDGE_ISLAND) != 0;
    }
    if (length != s->street_length || islands != s->island_edge_count) CORRUPT("summary: lengths do not add up");
    if (x->nodes[0].first_arc != 0 || x->nodes[x->node_count].first_arc != x->arc_count) {
        CORRUPT("nodes: not all arcs belong to one");
    }
    for (uint32_t n = 0; n < x->node_count; n++) {
        uint32_t first = x->nodes[n].first_arc, end = x->nodes[n + 1].first_arc;
        if (first >= end || end > x->arc_count || x->nodes[n].flags > 1) CORRUPT("nodes: %u is false", n);
        for (uint32_t i = first; i < end; i++) {
            uint32_t e = x->arcs[i];
            if (e >= x->edge_count || (x->edges[e].a != n && x->edges[e].b != n) ||
                (i > first &&
                 (e < x->arcs[i - 1] || (e == x->arcs[i - 1] && (x->edges[e].a != x->edges[e].b ||
                                                                 (i > first + 1 && e == x->arcs[i - 2])))))) {
                CORRUPT("arcs: %u around node %u is false", i, n);
            }
        }
    }
    return UCID_OK;
}

static int rank_of_type(uint8_t type) { return type == 'n' ? 0 : type == 'w' ? 1 : type == 'r' ? 2 : 3; }

static int follows(const ucidx_opportunity *p, const ucidx_opportunity *q)
{
    if (p->node != q->node) return p->node < q->node;
    if (p->part != q->part) return p->part < q->part;
    if (p->osm_type != q->osm_type) return rank_of_type(p->osm_type) < rank_of_type(q->osm_type);
    return p->osm_id <= q->osm_id;
}

static ucid_status check_places(const ucid_index *x, ucid_error *error)
{
    uint64_t counts[8] = {0};
    for (uint32_t i = 0; i < x->opportunity_count; i++) {
        const ucidx_opportunity *o = &x->opportunities[i];
        if (o->node >= x->node_count || o->gap > x->summary->snap_limit || o->part >= TAGS_PARTS || o->quality == 0 ||
            o->quality > 15 || rank_of_type(o->osm_type) > 2 || (i > 0 && !follows(o - 1, o))) {
            CORRUPT("opportunities: %u is out of range or order", i);
        }
        if (o->name >= x->name_bytes || o->tag >= x->name_bytes || (o->name > 0 && x->names[o->name - 1] != '\0') ||
            (o->tag > 0 && x->names[o->tag - 1] != '\0')) {
            CORRUPT("opportunities: texts of %u are false", i);
        }
        counts[o->part]++;
    }
    for (int part = 0; part < 8; part++) {
        if (counts[part] != x->summary->opportunity_count[part]) CORRUPT("summary: opportunities of part %d", part);
    }
    uint32_t ring = 0, start = 0;
    for (uint32_t i = 0; i < x->boundary_count; i++) {
        const ucidx_ring_point *p = &x->boundary[i];
        if (p->ring == ring + 1 && i > start) {
            ring++;
            start = i;
        }
        int last = i + 1 == x->boundary_count || p[1].ring != ring;
        if (p->ring != ring ||
            (last && (i - start < 3 || p->x_e7 != x->boundary[start].x_e7 || p->y_e7 != x->boundary[start].y_e7))) {
            CORRUPT("boundary: ring %u does not close", ring);
        }
    }
    for (uint32_t i = 0; i < x->coverage_count; i++) {
        if ((i > 0 && x->coverage[i - 1] >= x->coverage[i]) || ucid_cell_resolution(x->coverage[i]) != 7) {
            CORRUPT("coverage: %u is no cell, or out of order", i);
        }
    }
    return UCID_OK;
}

ucid_status ucid_index_check(const ucid_index *index, ucid_error *error)
{
    ucid_status status = check_checksums(index, error);
    if (status == UCID_OK) status = check_streets(index, error);
    if (status == UCID_OK) status = check_grid(index, error);
    if (status == UCID_OK) status = check_places(index, error);
    return status;
}
