/* batch.c: see batch.h. */
#include "batch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

batch batch_new(int64_t n)
{
    batch b = {.n = n, .bytes = (size_t)n * (8 * (3 + 2 * PARTS) + 3)};
    b.memory = calloc(b.bytes + 1, 1);
    assert_non_null(b.memory);
    double *doubles = (double *)(void *)b.memory;
    b.out.score = doubles;
    b.out.confidence = doubles + n;
    b.out.snap_m = doubles + 2 * n;
    for (int p = 0; p < PARTS; p++) {
        b.out.part[p] = doubles + (3 + p) * n;
        b.out.nearest_m[p] = doubles + (3 + PARTS + p) * n;
    }
    b.out.grade = b.memory + (size_t)n * 8 * (3 + 2 * PARTS);
    b.out.status = b.out.grade + n;
    b.out.flags = b.out.status + n;
    return b;
}

ucid_scores batch_from_row(const ucid_scores *out, int64_t row)
{
    ucid_scores s = *out;
    s.score += row;
    s.confidence += row;
    s.snap_m += row;
    s.grade += row;
    s.status += row;
    s.flags += row;
    for (int p = 0; p < PARTS; p++) s.part[p] += row, s.nearest_m[p] += row;
    return s;
}

int batch_same(double a, double b) { return a == b || (isnan(a) && isnan(b)); }

void batch_assert_brute(const ucid_scores *s, int64_t i, const brute_result *b, double lat, double lon)
{
    int equal = s->status[i] == b->status && s->grade[i] == b->grade && s->flags[i] == b->flags &&
                batch_same(s->score[i], b->score) && batch_same(s->confidence[i], b->confidence) &&
                batch_same(s->snap_m[i], b->snap_m);
    for (int p = 0; p < PARTS; p++) {
        equal = equal && batch_same(s->part[p][i], b->part[p]) && batch_same(s->nearest_m[p][i], b->nearest_m[p]);
    }
    if (equal) return;
    print_message("%.7f %.7f: kernel %s score %.2f confidence %.2f snap %g flags %d, brute %s %.2f %.2f %g %d\n", lat,
                  lon, ucid_status_name((ucid_status)s->status[i]), s->score[i], s->confidence[i], s->snap_m[i],
                  s->flags[i], ucid_status_name((ucid_status)b->status), b->score, b->confidence, b->snap_m, b->flags);
    for (int p = 0; p < PARTS; p++) {
        print_message("  part %d: kernel %.2f at %g, brute %.2f at %g\n", p, s->part[p][i], s->nearest_m[p][i],
                      b->part[p], b->nearest_m[p]);
    }
    fail();
}
