/* test_trig.c: our sine, cosine, arc tangent and distance against libm in long double. */
#include "rt/trig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t random_state = 88172645463325252u;
static double random_unit(void)
{
    random_state ^= random_state << 13, random_state ^= random_state >> 7, random_state ^= random_state << 17;
    return (double)(random_state >> 11) * 0x1p-53;
}

/* Units in the last place between value and the true one. */
static double ulps(double value, long double truth)
{
    double unit = nextafter(fabs((double)truth), INFINITY) - fabs((double)truth);
    return (double)(fabsl((long double)value - truth) / unit);
}

static void sine_and_cosine(void **state)
{
    (void)state;
    double worst = 0;
    for (int i = 0; i < 2000000; i++) {
        double x = (random_unit() - 0.5) * (i % 4 == 0 ? 2e5 : i % 4 == 1 ? 1e-3 : 8);
        worst = fmax(worst, ulps(ucid_sin(x), sinl(x)));
        worst = fmax(worst, ulps(ucid_cos(x), cosl(x)));
    }
    printf("sine, cosine: worst %.3f units in the last place\n", worst);
    assert_true(worst < 1.5);
    assert_true(ucid_sin(0) == 0 && ucid_cos(0) == 1 && ucid_sin(UCID_PI / 2) == 1);
    assert_true(isnan(ucid_sin(1.1e5)) && isnan(ucid_cos(NAN)) && isnan(ucid_cos(-INFINITY)));
}

static void arc_tangent(void **state)
{
    (void)state;
    double worst = 0;
    for (int i = 0; i < 2000000; i++) {
        double y = random_unit() - 0.5, x = random_unit() - 0.5;
        if (i % 3 == 0) y *= 1e-8;
        if (i % 3 == 1) x *= 1e-8;
        worst = fmax(worst, ulps(ucid_atan2(y, x), atan2l(y, x)));
    }
    printf("arc tangent: worst %.3f units in the last place\n", worst);
    assert_true(worst < 2.0);
    const double sides[] = {0.0, -0.0, 1, -1, 5e-324, -1e300, 1e300};
    for (int i = 0; i < 7; i++) {
        for (int j = 0; j < 7; j++) {
            double ours = ucid_atan2(sides[i], sides[j]), theirs = atan2(sides[i], sides[j]);
            assert_true(fabs(ours - theirs) <= 4e-16 && signbit(ours) == signbit(theirs));
        }
    }
}

static void distances(void **state)
{
    (void)state;
    const long double degree = acosl(-1.0L) / 180;
    double worst = 0;
    for (int i = 0; i < 1000000; i++) {
        int32_t lat1 = (int32_t)((random_unit() - 0.5) * 1.8e9), lon1 = (int32_t)((random_unit() - 0.5) * 3.6e9);
        int32_t lat2 = (int32_t)((random_unit() - 0.5) * 1.8e9), lon2 = (int32_t)((random_unit() - 0.5) * 3.6e9);
        if (i % 3 == 0) { /* near: metres to kilometres */
            lat2 = lat1 + (int32_t)((random_unit() - 0.5) * 2e5), lon2 = lon1 + (int32_t)((random_unit() - 0.5) * 2e5);
            lat2 = lat2 > 900000000 ? 900000000 : lat2 < -900000000 ? -900000000 : lat2;
            lon2 = lon2 > 1800000000 ? 1800000000 : lon2 < -1800000000 ? -1800000000 : lon2;
        }
        if (i % 12 == 3) { /* about the pole */
            lat1 = 900000000 - i % 1000, lat2 = 900000000 - i % 777;
        }
        if (i % 3 == 1) { /* nearly opposite */
            lat2 = -lat1 + (i % 5), lon2 = lon1 > 0 ? lon1 - 1800000000 : lon1 + 1800000000 - i % 7;
        }
        /* Differences first, as integers: they are exact. */
        const long double unit = degree / 1e7L, half = unit / 2;
        long double r1 = sinl((900000000 - labs(lat1)) * unit), r2 = sinl((900000000 - labs(lat2)) * unit);
        long double dp = sinl(((int64_t)lat2 - lat1) * half), dl = ((int64_t)lon2 - lon1) * half;
        long double sp = sinl(((int64_t)lat2 + lat1) * half),
                    facing = sinl((900000000 - llabs((int64_t)lon2 - lon1) / 2.0L) * unit);
        long double a = dp * dp + r1 * r2 * sinl(dl) * sinl(dl), b = sp * sp + r1 * r2 * facing * facing;
        long double truth = 2 * 6371000.0L * atan2l(sqrtl(a), sqrtl(b));
        double ours = ucid_distance_m(lat1, lon1, lat2, lon2);
        if (truth > 0) worst = fmax(worst, (double)(fabsl(ours - truth) / truth));
        if (truth == 0) assert_true(ours == 0);
        assert_true(ours == ucid_distance_m(lat2, lon2, lat1, lon1));
    }
    printf("distance: worst relative error %.3g\n", worst);
    assert_true(worst < 1e-14);
    assert_true(fabs(ucid_distance_m(0, 1800000000, 0, -1800000000)) < 1e-9);
    assert_true(fabs(ucid_distance_m(900000000, 0, -900000000, 0) - UCID_PI * 6371000.0) < 1e-8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sine_and_cosine),
        cmocka_unit_test(arc_tangent),
        cmocka_unit_test(distances),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
