/* built.c: an index is built into a file that is gone again once it is mapped. */
#include "built.h"

#include "index/near.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

const char *built_data(const char *name)
{
    static char path[512];
    const char *data = getenv("UCID_DATA");
    snprintf(path, sizeof path, "%s/%s", data != NULL ? data : SOURCE_DIR "/../shared/data", name);
    return path;
}

ucid_index *built_index(const char *extract, int threads, const char *boundary)
{
    char out[] = "/tmp/ucid-built-XXXXXX";
    ucid_error error = {0};
    ucid_build_options options = UCID_BUILD_OPTIONS_INIT;
    options.threads = threads;
    options.boundary_path = boundary;
    if (access(built_data(extract), R_OK) != 0) {
        print_message("skipped: %s is missing\n", built_data(extract));
        skip();
    }
    int fd = mkstemp(out);
    assert_true(fd >= 0);
    close(fd);
    ucid_status status = ucid_index_build(built_data(extract), out, &options, &error);
    ucid_index *index = NULL;
    if (status == UCID_OK) status = ucid_index_open(out, NULL, &index, &error);
    unlink(out);
    if (status != UCID_OK) fail_msg("%s: %s", ucid_status_code(status), error.message);
    return index;
}

built_foot built_nearest(const ucid_index *x, int32_t x_e7, int32_t y_e7)
{
    built_foot found[2] = {{.segment = UCIDX_NONE}, {.segment = UCIDX_NONE}};
    double best[2] = {HUGE_VAL, HUGE_VAL};
    int64_t row = ucidx_row_of(x->summary, y_e7);
    for (uint32_t s = 0; s < x->segment_count && row >= 0; s++) {
        const ucidx_segment *g = &x->segments[s];
        uint32_t edge = ucidx_edge_of(x, s);
        int island = (x->edges[edge].flags & UCIDX_EDGE_ISLAND) != 0;
        ucidx_near near =
            ucidx_near_segment(g->ax_e7, g->ay_e7, g->bx_e7, g->by_e7, x_e7, y_e7, x->rows[row].x_m_per_e7);
        if (near.square_m2 >= best[island]) continue;
        best[island] = near.square_m2;
        found[island] = (built_foot){s, ucidx_gap(near.square_m2), edge, ucidx_foot(g->offset, g->length, near.t)};
    }
    for (int k = 0; k < 2; k++) {
        if (found[k].segment != UCIDX_NONE && found[k].gap <= x->summary->snap_limit) return found[k];
    }
    return (built_foot){.segment = UCIDX_NONE};
}
