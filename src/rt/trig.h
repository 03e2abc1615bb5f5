/* trig.h: sine, cosine, arc tangent and distance on the sphere, the same bit for bit on every machine: only + - * / and
 * sqrt in IEEE doubles. A libm's last bit differs between machines, so no result may come from one. */
#ifndef UCID_RT_TRIG_H
#define UCID_RT_TRIG_H

#include <stdint.h>

#define UCID_PI 0x1.921fb54442d18p+1
#define UCID_EARTH_RADIUS_M 6371000.0

/* Polynomials on +-pi/4 (Remez on the relative error: 4e-18 and 6e-20; rounding decides). */
static inline double ucid_sin_near_zero(double x)
{
    double s = x * x;
    double p = 0x1.5d93013bcc2ffp-33;
    p = p * s - 0x1.ae5e663b86afbp-26;
    p = p * s + 0x1.71de3577b8043p-19;
    p = p * s - 0x1.a01a019c119b4p-13;
    p = p * s + 0x1.111111110f87ap-7;
    p = p * s - 0x1.5555555555549p-3;
    return x + x * s * p;
}

static inline double ucid_cos_near_zero(double x)
{
    double s = x * x;
    double p = -0x1.8fa467f0b5cadp-37;
    p = p * s + 0x1.1ee9d756d40d2p-29;
    p = p * s - 0x1.27e4f7ea3e917p-22;
    p = p * s + 0x1.a01a019c839bfp-16;
    p = p * s - 0x1.6c16c16c14f8ap-10;
    p = p * s + 0x1.555555555554bp-5;
    double half = 0.5 * s, w = 1.0 - half;
    return w + ((1.0 - w) - half + s * s * p);
}

/* Within 1.5 units in the last place for |radians| <= 1e5; NaN beyond, and for NaN. */
double ucid_sin(double radians);
double ucid_cos(double radians);

/* Angle of the point (x, y) from the x axis, -pi..pi, within 2 units in the last place; finite arguments. (0, 0) and
 * signed zeros as C's atan2. */
double ucid_atan2(double y, double x);

/* Great-circle metres between two coordinates in degrees times 1e7; relative error below 1e-14. */
double ucid_distance_m(int32_t lat1_e7, int32_t lon1_e7, int32_t lat2_e7, int32_t lon2_e7);

#endif
