/* catalog.h: what a catalog knows of its indexes before any of them is opened. */
#ifndef UCID_KERNEL_CATALOG_H
#define UCID_KERNEL_CATALOG_H

#include "ucid.h"

#include <stdatomic.h>

typedef struct catalog_member {
    _Atomic(const ucid_index *) index; /* NULL: not opened yet */
    int64_t position;                  /* in the caller's order */
    uint32_t data_hour;
    double min_lat_deg, min_lon_deg, max_lat_deg, max_lon_deg;
    char id[65];
} catalog_member;

/* Member at a position; NULL past the end. */
const catalog_member *catalog_member_get(const ucid_catalog *catalog, int64_t position);
/* ucid_catalog_find that tells why an index cannot be opened. */
ucid_status catalog_find(const ucid_catalog *catalog, double lat_deg, double lon_deg, int64_t *position,
                         ucid_error *error);
/* Whether a coordinate lies in the box of a member's network. */
int catalog_in_a_box(const ucid_catalog *catalog, double lat_deg, double lon_deg);

#endif
