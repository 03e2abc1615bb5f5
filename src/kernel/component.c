/* component.c: the formulas of components, apart from what a context must know to feed them. Nearly all are ramps:
 *
 *     100           ______          zero < full: more is better (trips in an hour, trees)
 *                 /                 zero > full: less is better (metres to a stop, smoke)
 *       0 ______/
 *             zero    full
 *
 * so a component is a row of a table. Sources: UCID documents D10 to D14; docs/contexts.md. */
#include "ucid.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static const ucid_component table[] = {
    {"TRANSIT", "accessibility", "stop_m", 0.25, 500, 300},
    {"TRANSIT", "frequency", "trips_per_hour", 0.30, 0, 12},
    {"TRANSIT", "coverage", "stops_per_km2", 0.20, 0, 50},
    {"TRANSIT", "temporal", "service_h", 0.15, 0, 24},
    {"TRANSIT", "modal", "modes", 0.10, 0, 5},
    {"WALK", "connectivity", "intersections_per_km2", 0.25, 0, 70},
    {"WALK", "block_size", "mean_perimeter_m", 0.15, 800, 400},
    {"CLIMATE", "green_coverage", "green_share", 0.30, 0, 0.3},
    {"CLIMATE", "tree_canopy", "ndvi", 0.25, 0.2, 0.6},
    {"CLIMATE", "air_quality", "pm25_ug_m3", 0.15, 35, 5},
    {"CLIMATE", "water_features", "water_m", 0.10, 400, 0},
    {"VITALITY", "poi_density", "pois_in_r9_cell", 0.25, 0, 50},
};
enum { COMPONENTS = sizeof table / sizeof table[0] };

const ucid_component *ucid_component_at(int position)
{
    return position >= 0 && position < COMPONENTS ? &table[position] : NULL;
}

const ucid_component *ucid_component_get(const char *context, const char *key)
{
    for (int i = 0; context != NULL && key != NULL && i < COMPONENTS; i++) {
        if (strcmp(table[i].context, context) == 0 && strcmp(table[i].key, key) == 0) return &table[i];
    }
    return NULL;
}

/* NaN stays NaN: both comparisons are false. */
static inline double ramp(double value, double zero, double full)
{
    double share = (value - zero) / (full - zero);
    return 100.0 * (share < 0 ? 0 : share > 1 ? 1 : share);
}

void ucid_component_scores(const ucid_component *component, int64_t n, const double *values, double *scores)
{
    for (int64_t i = 0; i < n; i++) scores[i] = ramp(values[i], component->zero, component->full);
}

double ucid_normalize(double value, double min, double max, int invert)
{
    if (isnan(value) || isnan(min) || isnan(max)) return (double)NAN;
    if (min == max) return 50.0;
    return invert ? ramp(value, max, min) : ramp(value, min, max);
}

double ucid_equality(int64_t n, const double *values)
{
    double sum = 0, apart = 0; /* of all pairs, each once: half of what the formula sums */
    for (int64_t i = 0; i < n; i++) {
        if (!(values[i] >= 0 && values[i] <= 1.7976931348623157e308)) return (double)NAN;
        sum += values[i];
        for (int64_t j = 0; j < i; j++) apart += fabs(values[i] - values[j]);
    }
    if (n < 1) return (double)NAN;
    return sum > 0 ? 100.0 * (1.0 - apart / ((double)n * sum)) : 100.0;
}
