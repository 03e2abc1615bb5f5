/* test_routes.c: walks over the streets of an index against walks that GraphHopper printed for the same extracts. The
 * index is used as a map only: nodes, arcs, edges. A route runs from snapped point to snapped point, gaps not counted.
 */
#include "built.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint32_t least_of(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* Bellman-Ford with a queue: no heap, no bound, nothing to share with the library. */
static double walk_m(const ucid_index *x, built_foot from, built_foot to)
{
    uint32_t *distance = malloc(x->node_count * sizeof *distance), *queue = malloc((x->node_count + 1) * sizeof *queue);
    uint8_t *waits = calloc(x->node_count, 1);
    assert_true(distance != NULL && queue != NULL && waits != NULL);
    memset(distance, 0xFF, x->node_count * sizeof *distance);
    const ucidx_edge *start = &x->edges[from.edge], *end = &x->edges[to.edge];
    size_t head = 0, count = 0, size = x->node_count + 1;
    distance[start->b] = start->length - from.offset;
    distance[start->a] = least_of(distance[start->a], from.offset);
    queue[count++] = start->a;
    waits[start->a] = 1;
    if (!waits[start->b]) queue[count++] = start->b;
    waits[start->b] = 1;
    while (count > 0) {
        uint32_t node = queue[head];
        head = (head + 1) % size;
        count--;
        waits[node] = 0;
        for (uint32_t i = x->nodes[node].first_arc; i < x->nodes[node + 1].first_arc; i++) {
            const ucidx_edge *edge = &x->edges[x->arcs[i]];
            uint32_t other = edge->a == node ? edge->b : edge->a;
            if (distance[node] + edge->length >= distance[other]) continue;
            distance[other] = distance[node] + edge->length;
            if (waits[other]) continue;
            waits[other] = 1;
            queue[(head + count++) % size] = other;
        }
    }
    assert_true(distance[end->a] != UINT32_MAX);
    uint32_t found = least_of(distance[end->a] + to.offset, distance[end->b] + end->length - to.offset);
    if (from.edge == to.edge) {
        found = least_of(found, from.offset > to.offset ? from.offset - to.offset : to.offset - from.offset);
    }
    free(distance);
    free(queue);
    free(waits);
    return (double)found / UCIDX_UNITS_PER_M;
}

static void walk_all(const char *extract, const char *reference, double least, double most)
{
    FILE *file = fopen(built_data(reference), "r");
    if (file == NULL) {
        print_message("skipped: %s is missing\n", built_data(reference));
        skip();
    }
    ucid_index *x = built_index(extract, 2, NULL);
    char line[256];
    int rows = 0;
    assert_non_null(fgets(line, sizeof line, file));
    while (fgets(line, sizeof line, file) != NULL) {
        double from_lat, from_lon, to_lat, to_lon, metres;
        assert_int_equal(sscanf(line, "%lf,%lf,%lf,%lf,%lf", &from_lat, &from_lon, &to_lat, &to_lon, &metres), 5);
        built_foot from = built_nearest(x, (int32_t)lround(from_lon * 1e7), (int32_t)lround(from_lat * 1e7));
        built_foot to = built_nearest(x, (int32_t)lround(to_lon * 1e7), (int32_t)lround(to_lat * 1e7));
        assert_true(from.segment != UCIDX_NONE && to.segment != UCIDX_NONE);
        double found = walk_m(x, from, to);
        print_message("%.1f m, printed %.0f: %+.3f %%\n", found, metres, 100 * (found / metres - 1));
        assert_true(found >= metres * least && found <= metres * most);
        rows++;
    }
    assert_true(rows >= 3);
    fclose(file);
    ucid_index_close(x);
}

/* Shortest walks: equal but for rounding. */
static void monaco_is_walked_as_printed(void **state)
{
    (void)state;
    walk_all("monaco/monaco-2012.osm.pbf", "monaco/reference/graphhopper-foot.csv", 0.9995, 1.0005);
}

/* Walks that prefer paths: the shortest is no longer, and hardly shorter. */
static void andorra_is_walked_within_the_printed(void **state)
{
    (void)state;
    walk_all("andorra/andorra-2013.osm.pbf", "andorra/reference/graphhopper-foot.csv", 0.95, 1.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(monaco_is_walked_as_printed),
        cmocka_unit_test(andorra_is_walked_within_the_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
