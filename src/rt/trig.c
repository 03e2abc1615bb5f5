/* trig.c: arguments are brought near zero exactly enough that the polynomials' rounding decides.
 *
 * Sine and cosine: x - k pi/2, with pi/2 in three parts of 33, 33 and 53 bits, so that k times the first two is exact
 * while k has at most 20 bits. Arc tangent: with c the nearest of 0, 1/16, .. 1 to t = y/x, atan t = atan c + atan u,
 * u = (y - c x) / (x + c y), |u| <= 1/32, where five terms of the series do. Distance: haversines of exact integer
 * differences; beyond a quarter of the globe those to the antipode, because the haversine near 1 has lost its digits.
 */
#include "rt/trig.h"

#include <math.h>

#define TWICE(x)                                                                                                       \
    {                                                                                                                  \
        (x), (x)                                                                                                       \
    }
_Alignas(16) const double ucid_sine_terms[UCID_TRIG_TERMS][2] = {
    TWICE(0x1.5d93013bcc2ffp-33),  TWICE(-0x1.ae5e663b86afbp-26), TWICE(0x1.71de3577b8043p-19),
    TWICE(-0x1.a01a019c119b4p-13), TWICE(0x1.111111110f87ap-7),   TWICE(-0x1.5555555555549p-3),
};
_Alignas(16) const double ucid_cosine_terms[UCID_TRIG_TERMS][2] = {
    TWICE(-0x1.8fa467f0b5cadp-37), TWICE(0x1.1ee9d756d40d2p-29),  TWICE(-0x1.27e4f7ea3e917p-22),
    TWICE(0x1.a01a019c839bfp-16),  TWICE(-0x1.6c16c16c14f8ap-10), TWICE(0x1.555555555554bp-5),
};

/* x - k pi/2 for the nearest integer k; *quadrant = k modulo 4. */
static double reduce(double x, int *quadrant)
{
    const double round = 0x1.8p52; /* adding and subtracting it rounds to an integer */
    double k = (x * 0x1.45f306dc9c883p-1 + round) - round;
    *quadrant = (int)((int64_t)k & 3);
    double a = x - k * 0x1.921fb544p+0, b = k * 0x1.0b4611a6p-34, r = a - b;
    return r + (((a - r) - b) - k * 0x1.3198a2e037073p-69);
}

static double sine_from(double radians, int turn)
{
    if (!(fabs(radians) <= 1e5)) return NAN;
    int quadrant;
    double x = reduce(radians, &quadrant);
    quadrant += turn;
    double value = quadrant & 1 ? ucid_cos_near_zero(x) : ucid_sin_near_zero(x);
    return quadrant & 2 ? -value : value;
}

double ucid_sin(double radians) { return sine_from(radians, 0); }

double ucid_cos(double radians) { return sine_from(radians, 1); }

double ucid_atan2(double y, double x)
{
    static const double atan_sixteenth[17] = {
        0,
        0x1.ff55bb72cfdeap-5,
        0x1.fd5ba9aac2f6ep-4,
        0x1.7b97b4bce5b02p-3,
        0x1.f5b75f92c80ddp-3,
        0x1.362773707ebccp-2,
        0x1.6f61941e4def1p-2,
        0x1.a64eec3cc23fdp-2,
        0x1.dac670561bb4fp-2,
        0x1.0657e94db30d0p-1,
        0x1.1e00babdefeb4p-1,
        0x1.345f01cce37bbp-1,
        0x1.4978fa3269ee1p-1,
        0x1.5d58987169b18p-1,
        0x1.700a7c5784634p-1,
        0x1.819d0b7158a4dp-1,
        0x1.921fb54442d18p-1,
    };
    double long_side = fabs(x), short_side = fabs(y);
    int steep = short_side > long_side;
    if (steep) {
        double swap = long_side;
        long_side = short_side;
        short_side = swap;
    }
    double angle = 0;
    if (short_side > 0) {
        int k = (int)(short_side / long_side * 16.0 + 0.5);
        double c = k * 0.0625;
        double u = (short_side - c * long_side) / (long_side + c * short_side), s = u * u;
        double series = s * (-1.0 / 3 + s * (1.0 / 5 + s * (-1.0 / 7 + s * (1.0 / 9))));
        angle = atan_sixteenth[k] + (u + u * series);
    }
    if (steep) angle = UCID_PI / 2 - angle;
    if (signbit(x)) angle = UCID_PI - angle;
    return copysign(angle, y);
}

/* Cosine of a latitude, from the pole's side, because near the pole the degrees are exact and the radians are not. */
static double parallel_radius(int32_t lat_e7)
{
    int64_t from_pole = 900000000 - (lat_e7 < 0 ? -(int64_t)lat_e7 : lat_e7);
    return ucid_sin((double)from_pole * (UCID_PI / 1.8e9));
}

double ucid_distance_m(int32_t lat1_e7, int32_t lon1_e7, int32_t lat2_e7, int32_t lon2_e7)
{
    const double half_radians = UCID_PI / 3.6e9;
    int64_t lat_sum = (int64_t)lat1_e7 + lat2_e7, lat_step = (int64_t)lat2_e7 - lat1_e7;
    int64_t lon_step = (int64_t)lon2_e7 - lon1_e7;
    if (lon_step > 1800000000) lon_step -= 3600000000;
    if (lon_step < -1800000000) lon_step += 3600000000;

    double parallels = parallel_radius(lat1_e7) * parallel_radius(lat2_e7);
    double lat_sine = ucid_sin((double)lat_step * half_radians), lon_sine = ucid_sin((double)lon_step * half_radians);
    double near = lat_sine * lat_sine + parallels * (lon_sine * lon_sine);
    if (near <= 0.5) return 2 * UCID_EARTH_RADIUS_M * ucid_atan2(sqrt(near), sqrt(1 - near));

    double sum_sine = ucid_sin((double)lat_sum * half_radians), lon_cosine = ucid_cos((double)lon_step * half_radians);
    double far = sum_sine * sum_sine + parallels * (lon_cosine * lon_cosine);
    return UCID_EARTH_RADIUS_M * (UCID_PI - 2 * ucid_atan2(sqrt(far), sqrt(1 - far)));
}
