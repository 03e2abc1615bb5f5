/* Lists of what can be nearest: every variant has the bits of the plain one, and its squares bound what is measured
 * place by place. */
#include "index/build_lists.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 400, ROOM = (MOST / LISTS_LANES + 3) * LISTS_LANES, ROUNDS = 2000 };

typedef struct memory {
    uint32_t segments[ROOM];
    float planes[LISTS_PLANES * ROOM];
} memory;

static uint64_t state = 20260105;

static double random_between(double low, double high)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return low + (double)(state >> 11) * 0x1p-53 * (high - low);
}

static surroundings in(memory *m)
{
    memset(m, 0xA5, sizeof *m);
    return (surroundings){.segments = m->segments, .planes = m->planes, .capacity = ROOM};
}

static void put(surroundings *to, size_t at, uint32_t segment)
{
    double x = random_between(-80, 80), y = random_between(-80, 80);
    if (segment % 7 == 0) x = y = 0.0; /* both ends at one place */
    if (segment % 7 == 1) y = 0.0;
    to->segments[at] = segment;
    lists_plane(to, LISTS_AX)[at] = (float)random_between(-700, 700);
    lists_plane(to, LISTS_AY)[at] = (float)random_between(-300, 300);
    lists_plane(to, LISTS_DX)[at] = (float)x;
    lists_plane(to, LISTS_DY)[at] = (float)y;
    lists_plane(to, LISTS_INVERSE)[at] = x != 0.0 || y != 0.0 ? (float)(1.0 / (x * x + y * y)) : 0.0f;
}

static surroundings make(memory *m, size_t main_count, size_t island_count)
{
    surroundings made = in(m);
    for (size_t i = 0; i < main_count; i++) put(&made, i, (uint32_t)random_between(0, 1e6));
    made.first_island = lists_fill(&made, main_count);
    for (size_t i = 0; i < island_count; i++) put(&made, made.first_island + i, (uint32_t)i | UINT32_C(1) << 31);
    made.count = lists_fill(&made, made.first_island + island_count);
    return made;
}

static void same_planes(const surroundings *one, const surroundings *other, int planes)
{
    assert_int_equal(one->first_island, other->first_island);
    assert_int_equal(one->count, other->count);
    assert_memory_equal(one->segments, other->segments, one->count * sizeof *one->segments);
    for (int plane = 0; plane < planes; plane++) {
        assert_memory_equal(lists_plane(one, plane), lists_plane(other, plane), one->count * sizeof(float));
    }
}

static void same_lists(const lists_kernels *plain, const lists_kernels *other, const surroundings *one,
                       const surroundings *two, lists_pair most)
{
    static memory narrow_one, narrow_two;
    uint32_t list_one[ROOM + LISTS_LANES], list_two[ROOM + LISTS_LANES];
    size_t count = plain->list(one, most, list_one);
    assert_int_equal(other->list(two, most, list_two), count);
    assert_memory_equal(list_one, list_two, count * sizeof *list_one);
    surroundings narrow = in(&narrow_one), like = in(&narrow_two);
    plain->narrow(one, most, &narrow);
    other->narrow(two, most, &like);
    same_planes(&narrow, &like, LISTS_MEASURED);
    size_t kept = 0;
    for (size_t i = 0; i < narrow.count; i++) {
        if (narrow.segments[i] != UINT32_MAX) assert_int_equal(narrow.segments[i], list_one[kept++]);
    }
    assert_int_equal(kept, count);
}

static void variants_have_the_same_bits(void **cmocka)
{
    static memory first, second;
    const char *const names[] = {"avx2", "avx512"};
    const lists_kernels *plain = lists_kernels_find("scalar");
    (void)cmocka;
    assert_non_null(plain);
    assert_null(lists_kernels_find("none such"));
    for (size_t v = 0; v < sizeof names / sizeof names[0]; v++) {
        const lists_kernels *other = lists_kernels_find(names[v]);
        if (other == NULL) {
            print_message("this processor has no %s\n", names[v]);
            continue;
        }
        assert_string_equal(other->name, names[v]);
        for (int round = 0; round < ROUNDS; round++) {
            double most = round % 2 ? MOST : 40;
            size_t main_count = (size_t)random_between(0, most / 2), islands = (size_t)random_between(0, most / 2);
            surroundings one = make(&first, round % 5 ? main_count : 0, round % 3 ? islands : 0);
            second = first;
            surroundings two = one;
            two.segments = second.segments;
            two.planes = second.planes;
            lists_box box = {.x = (float)random_between(-400, 400), .half_x = 25.0f, .half_y = 12.5f};
            lists_pair a = plain->measure_point(&one, box.x, box.y), b = other->measure_point(&two, box.x, box.y);
            assert_memory_equal(&a, &b, sizeof a);
            same_planes(&one, &two, LISTS_PLANES);
            same_lists(plain, other, &one, &two, (lists_pair){a.main * 4, -1.0f});
            a = plain->measure_box(&one, &box);
            b = other->measure_box(&two, &box);
            assert_memory_equal(&a, &b, sizeof a);
            same_planes(&one, &two, LISTS_PLANES);
            same_lists(plain, other, &one, &two, a);
            same_lists(plain, other, &one, &two, (lists_pair){1e9f, 1e4f});
            plain->measure_behind(&one, &box, 0.05f);
            other->measure_behind(&two, &box, 0.05f);
            same_planes(&one, &two, LISTS_PLANES);
            same_lists(plain, other, &one, &two, (lists_pair){0.05f, 0.05f});
        }
    }
}

static double distance_m(const surroundings *of, size_t i, double x, double y)
{
    double dx = lists_plane(of, LISTS_DX)[i], dy = lists_plane(of, LISTS_DY)[i], square = dx * dx + dy * dy;
    double px = x - lists_plane(of, LISTS_AX)[i], py = y - lists_plane(of, LISTS_AY)[i];
    double t = square > 0.0 ? (px * dx + py * dy) / square : 0.0;
    t = t < 0.0 ? 0.0 : t > 1.0 ? 1.0 : t;
    return sqrt((px - t * dx) * (px - t * dx) + (py - t * dy) * (py - t * dy));
}

/* Whatever is nearest to some place of a box is within the square that the box's far gives. */
static void nothing_nearest_is_left_out(void **cmocka)
{
    static memory m;
    (void)cmocka;
    for (int round = 0; round < ROUNDS; round++) {
        surroundings around = make(&m, 60, 0);
        lists_box box = {.x = (float)random_between(-400, 400), .half_x = 50.0f, .half_y = 50.0f};
        lists_pair far = lists_kernels_find(NULL)->measure_box(&around, &box);
        for (int k = 0; k < 20; k++) {
            double x = box.x + random_between(-50, 50), y = box.y + random_between(-50, 50), least = HUGE_VAL;
            size_t nearest = 0;
            for (size_t i = 0; i < 60; i++) {
                double d = distance_m(&around, i, x, y);
                assert_true(d * d > (double)lists_plane(&around, LISTS_MEASURED)[i] - 1.0);
                if (d < least) {
                    least = d;
                    nearest = i;
                }
            }
            assert_true(least < sqrt((double)far.main) + 0.01);
            assert_true(sqrt((double)lists_plane(&around, LISTS_MEASURED)[nearest]) < sqrt((double)far.main) + 0.01);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variants_have_the_same_bits),
        cmocka_unit_test(nothing_nearest_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
