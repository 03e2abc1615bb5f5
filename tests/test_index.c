/* test_index.c: indexes of real extracts against brute force: candidate lists, scores, lengths; the same bytes for any
 * number of threads. */
#include "brute.h"
#include "built.h"
#include "index/index.h"
#include "index/near.h"
#include "lattice.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { POINTS = 2000 };

static const char *const extracts[] = {"monaco/monaco-2012.osm.pbf", "centres-2020/sydney.osm.pbf",
                                       "andorra/andorra-2013.osm.pbf", "las-palmas/las-palmas.osm.pbf"};
enum { EXTRACTS = sizeof extracts / sizeof extracts[0] };

static built_foot nearest_of_list(const ucid_index *x, int32_t x_e7, int32_t y_e7)
{
    built_foot none = {.segment = UCIDX_NONE};
    int64_t row_number = ucidx_row_of(x->summary, y_e7);
    if (row_number < 0) return none;
    const ucidx_row *row = &x->rows[row_number];
    int64_t east = (int64_t)x_e7 - row->lon_e7;
    if (east < 0) return none;
    uint64_t column = (uint64_t)east / row->cell_e7, rest_east = (uint64_t)east % row->cell_e7;
    uint64_t rest_north = (uint64_t)((int64_t)y_e7 - x->summary->lat_origin_e7) % UCIDX_ROW_E7;
    if (column / UCIDX_BLOCK_CELLS >= row->block_count) return none;
    uint32_t block = x->blocks[row->first_block + column / UCIDX_BLOCK_CELLS];
    if (block == UCIDX_NONE) return none;
    uint32_t cell = x->cells[block + column % UCIDX_BLOCK_CELLS], side = 1u << (cell & 3);
    const ucidx_leaf *leaf =
        &x->leaves[(cell >> 2) + rest_north * side / UCIDX_ROW_E7 * side + rest_east * side / row->cell_e7];
    built_foot found[2] = {none, none};
    double best[2] = {HUGE_VAL, HUGE_VAL};
    for (uint32_t i = leaf->first; i < leaf->first + leaf->count; i++) {
        uint32_t island = x->candidates[i] >> 31, s = x->candidates[i] & INT32_MAX;
        const ucidx_segment *g = &x->segments[s];
        double square =
            ucidx_near_segment(g->ax_e7, g->ay_e7, g->bx_e7, g->by_e7, x_e7, y_e7, row->x_m_per_e7).square_m2;
        if (square >= best[island]) continue;
        best[island] = square;
        found[island] = (built_foot){.segment = s, .gap = ucidx_gap(square)};
    }
    for (int k = 0; k < 2; k++) {
        if (found[k].segment != UCIDX_NONE && found[k].gap <= x->summary->snap_limit) return found[k];
    }
    return none;
}

static void lists_hold_the_nearest_segment(void **state)
{
    (void)state;
    for (int e = 0; e < EXTRACTS; e++) {
        ucid_index *x = built_index(extracts[e], 2, NULL);
        ucid_error error;
        if (ucid_index_check(x, &error) != UCID_OK) fail_msg("%s: %s", extracts[e], error.message);
        const ucidx_summary *s = x->summary;
        uint64_t seed = (uint64_t)e + 1, on = 0, islands = 0;
        for (int i = 0; i < POINTS; i++) {
            int32_t y, px;
            if (i % 2) { /* anywhere in the box, a little beyond */
                y = (int32_t)(s->min_lat_e7 - 30000 +
                              lattice_uniform(&seed) * ((double)s->max_lat_e7 - s->min_lat_e7 + 60000));
                px = (int32_t)(s->min_lon_e7 - 40000 +
                               lattice_uniform(&seed) * ((double)s->max_lon_e7 - s->min_lon_e7 + 80000));
            } else { /* near a street, up to some 400 m */
                const ucidx_segment *g = &x->segments[lattice_random(&seed) % x->segment_count];
                y = g->ay_e7 + (int32_t)((lattice_uniform(&seed) - 0.5) * 72000);
                px = g->ax_e7 + (int32_t)((lattice_uniform(&seed) - 0.5) * 72000);
            }
            built_foot listed = nearest_of_list(x, px, y), all = built_nearest(x, px, y);
            if (listed.segment != all.segment) {
                fail_msg("%s: at %d %d: segment %u, gap %u of all; %u, %u of the list", extracts[e], y, px, all.segment,
                         all.gap, listed.segment, listed.gap);
            }
            on += listed.segment != UCIDX_NONE;
            islands += listed.segment != UCIDX_NONE && x->segments[listed.segment].island;
        }
        assert_true(on > POINTS / 4 && islands < on);
        ucid_index_close(x);
    }
}

static void scores_equal_brute_force(void **state)
{
    (void)state;
    ucid_index *x = built_index("las-palmas/las-palmas.osm.pbf", 2, NULL);
    enum { N = 300 };
    double lat[N], lon[N], score[N], snap_m[N], part[6][N], near_m[6][N];
    uint8_t status[N];
    uint64_t seed = 11;
    for (int i = 0; i < N; i++) {
        const ucidx_segment *g = &x->segments[lattice_random(&seed) % x->segment_count];
        lat[i] = g->ay_e7 / 1e7 + (lattice_uniform(&seed) - 0.5) * 0.004;
        lon[i] = g->ax_e7 / 1e7 + (lattice_uniform(&seed) - 0.5) * 0.004;
    }
    ucid_scores out = {.score = score, .status = status, .snap_m = snap_m};
    for (int p = 0; p < 6; p++) {
        out.part[p] = part[p];
        out.nearest_m[p] = near_m[p];
    }
    ucid_error error = {0};
    assert_int_equal(ucid_score(x, N, lat, lon, NULL, NULL, &out, &error), UCID_OK);
    brute *b = brute_new(x);
    int scored = 0;
    for (int i = 0; i < N; i++) {
        brute_result r = brute_score(b, lat[i], lon[i], UINT32_MAX);
        assert_int_equal(status[i], r.status);
        if (r.status != UCID_OK && r.status != UCID_ISLAND && r.status != UCID_NEAR_BOUNDARY) continue;
        scored += r.score > 0;
        assert_true(score[i] == r.score);
        for (int p = 0; p < 6; p++) {
            assert_true(part[p][i] == r.part[p]);
            assert_true(near_m[p][i] == r.nearest_m[p] || (isnan(near_m[p][i]) && isnan(r.nearest_m[p])));
        }
    }
    assert_true(scored > N / 2);
    brute_free(b);
    ucid_index_close(x);
}

static void threads_do_not_change_a_byte(void **state)
{
    (void)state;
    ucid_index *one = built_index("monaco/monaco-2025.osm.pbf", 1, NULL);
    ucid_index *five = built_index("monaco/monaco-2025.osm.pbf", 5, NULL);
    assert_int_equal(one->length, five->length);
    assert_memory_equal(one->bytes, five->bytes, one->length);
    ucid_index_close(one);
    ucid_index_close(five);
}

/* Where an extract ends: at its header's box where that can be believed, though its ways and relations reach far out.
 */
static void header_boxes_are_judged(void **state)
{
    (void)state;
    const struct {
        const char *extract, *verdict;
        int has_ends;
    } cases[] = {{"centres-2020/london.osm.pbf", "\"header_box\":\"trusted\"", 1},
                 {"centres-2020/boston.osm.pbf", "\"header_box\":\"trusted\"", 1},
                 {"heidelberg/heidelberg.osm.pbf", "\"header_box\":\"implausible\"", 0},
                 {"monaco/monaco-2012.osm.pbf", "\"header_box\":\"absent\"", 0},
                 {"malta/malta-2016.osm.pbf", "\"header_box\":\"trusted\"", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ucid_index *index = built_index(cases[i].extract, 2, NULL);
        ucid_index_info info;
        ucid_index_info_get(index, &info);
        assert_non_null(strstr(info.json, cases[i].verdict));
        uint32_t ends = 0;
        for (uint32_t n = 0; n < index->node_count; n++) ends += index->nodes[n].flags & 1;
        assert_int_equal(ends > 0, cases[i].has_ends);
        ucid_index_close(index);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_hold_the_nearest_segment),
        cmocka_unit_test(scores_equal_brute_force),
        cmocka_unit_test(threads_do_not_change_a_byte),
        cmocka_unit_test(header_boxes_are_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
