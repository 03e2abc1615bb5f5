/* city.h: what a registry is made of; the built-in one is made at build time by make_city_table.c. */
#ifndef UCID_ID_CITY_H
#define UCID_ID_CITY_H

#include "ucid.h"

#define UCID_CODES (26 * 26 * 26)

typedef struct ucid_city_row {
    char code[4], country[3];
    uint8_t box_given;
    uint32_t name, region, timezone; /* offsets into texts */
    int64_t population;
    double lat_deg, lon_deg;
    double box_deg[4]; /* min_lat, min_lon, max_lat, max_lon, where given */
} ucid_city_row;

struct ucid_registry {
    const ucid_city_row *rows; /* [count], ascending by code */
    const uint16_t *row_of;    /* [UCID_CODES], row + 1 of a code, 0 for none: a perfect hash without a collision */
    const uint16_t *by_lat;    /* [count], rows ascending by latitude */
    const char *texts;         /* each ends with NUL; offset 0 is "" */
    uint32_t count, texts_length;
    ucid_allocator allocator;
};

extern const ucid_registry ucid_registry_builtin;

/* Number of a code of three letters A-Z, or -1. */
static inline int ucid_code_number(const char *code)
{
    unsigned a = (unsigned char)code[0] - 'A', b = (unsigned char)code[1] - 'A', c = (unsigned char)code[2] - 'A';
    return a <= 25 && b <= 25 && c <= 25 ? (int)((a * 26 + b) * 26 + c) : -1;
}

/* 1 where three letters A-Z are the code of a city; NULL: the built-in registry. */
static inline int ucid_code_known(const ucid_registry *registry, const char letters[3])
{
    return (registry != NULL ? registry : &ucid_registry_builtin)->row_of[ucid_code_number(letters)] != 0;
}

/* Registry of the rows of a CSV file over those of another, which may be NULL. */
ucid_status ucid_cities_read(const char *bytes, size_t length, const ucid_registry *under,
                             const ucid_allocator *allocator, ucid_registry **registry, ucid_error *error);

#endif
