/* Boundaries: any bytes give an error with a name, or closed rings on the Earth. */
#include "read/geojson.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    geojson_area area;
    ucid_error error;
    ucid_status status = geojson_read_memory("fuzz", data, size, NULL, &area, &error);
    if (status != UCID_OK) {
        require(error.status == status && strncmp(error.message, "fuzz: ", 6) == 0);
        return 0;
    }
    require(area.ring_count > 0 && area.rings[0] == 0 && area.rings[area.ring_count] == area.point_count);
    for (uint32_t r = 0; r < area.ring_count; r++) {
        const geojson_point *first = &area.points[area.rings[r]], *last = &area.points[area.rings[r + 1] - 1];
        require(last - first >= 3 && memcmp(first, last, sizeof *first) == 0);
    }
    require(area.min_lon_e7 >= -1800000000 && area.max_lon_e7 <= 1800000000);
    require(area.min_lat_e7 >= -900000000 && area.max_lat_e7 <= 900000000);
    geojson_area_reset(&area);
    return 0;
}
