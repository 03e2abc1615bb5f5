/* lattice.h: a small index made by hand, without files: a crooked lattice of streets anywhere on Earth, with gaps,
 * islands, places, an end of the extract in the west, and all lists made the slow and plain way. */
#ifndef LATTICE_H
#define LATTICE_H

#include "index/index.h"

typedef struct lattice_options {
    double lat_deg, lon_deg; /* south-west corner */
    int columns, rows;       /* junctions */
    double spacing_m;
    int bounded; /* with rings: a square with a hole in it */
    uint32_t flags, data_hour;
    uint64_t seed;
} lattice_options;

/* To be freed with lattice_free. */
ucid_index *lattice_new(const lattice_options *options);
void lattice_free(ucid_index *index);

/* Deterministic pseudo-random numbers: splitmix64, and 0 <= x < 1. */
uint64_t lattice_random(uint64_t *state);
double lattice_uniform(uint64_t *state);

#endif
