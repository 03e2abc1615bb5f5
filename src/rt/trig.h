/* trig.h: sine, cosine, arc tangent and distance on the sphere, the same bit for bit on every machine: only + - * / and
 * sqrt in IEEE doubles. A libm's last bit differs between machines, so no result may come from one. */
#ifndef UCID_RT_TRIG_H
#define UCID_RT_TRIG_H

#include <stdint.h>

#define UCID_PI 0x1.921fb54442d18p+1
#define UCID_EARTH_RADIUS_M 6371000.0

/* Terms of polynomials in x^2 on +-pi/4, highest first: sin x = x + x^3 p, cos x = 1 - x^2 / 2 + x^4 q (Remez on the
 * relative error: 4e-18 and 6e-20; rounding decides). Each one twice, for those who ask two angles at once: GCC would
 * load a constant and double it, step by step. */
enum { UCID_TRIG_TERMS = 6 };
extern const double ucid_sine_terms[UCID_TRIG_TERMS][2], ucid_cosine_terms[UCID_TRIG_TERMS][2]; /* aligned by 16 */

static inline double ucid_sin_near_zero(double x)
{
    double s = x * x, p = ucid_sine_terms[0][0];
    for (int i = 1; i < UCID_TRIG_TERMS; i++) p = p * s + ucid_sine_terms[i][0];
    return x + x * s * p;
}

static inline double ucid_cos_near_zero(double x)
{
    double s = x * x, q = ucid_cosine_terms[0][0];
    for (int i = 1; i < UCID_TRIG_TERMS; i++) q = q * s + ucid_cosine_terms[i][0];
    double half = 0.5 * s, w = 1.0 - half;
    return w + ((1.0 - w) - half + s * s * q);
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
