/* City files: a file that opens has rows in order, each found by its code, in its box, and nearest to its own centre.
 */
#include "id/city.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An assertion in release builds too. */
static void require(int holds)
{
    if (!holds) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ucid_registry *registry;
    ucid_error error;
    ucid_status status = ucid_cities_read((const char *)data, size, NULL, NULL, &registry, &error);
    require(status == UCID_OK || status == UCID_REGISTRY_ERROR);
    if (status != UCID_OK) return 0;
    ucid_city city, other, last = {.code = ""};
    int64_t n = ucid_registry_count(registry);
    for (int64_t i = 0; i < n; i++) {
        require(ucid_city_at(registry, i, &city) == 1);
        require(strcmp(last.code, city.code) < 0);
        last = city;
        ucid_text code = {city.code, 3}, name = {city.name, strlen(city.name)}, country = {city.country, 2};
        require(ucid_city_get(registry, code, &other, NULL) == UCID_OK && other.name == city.name);
        int64_t found[1];
        require(ucid_city_search(registry, name, country, found, 1) >= 1);
        require(ucid_city_search(registry, code, country, found, 1) >= 1 && found[0] == i);
        if (city.box_estimated) require(city.min_lat_deg <= city.lat_deg && city.lat_deg <= city.max_lat_deg);
        double dist_m;
        if (strcmp(city.country, "XX") == 0) continue;
        require(ucid_city_nearest(registry, city.lat_deg, city.lon_deg, &other, &dist_m, NULL) == UCID_OK);
        require(dist_m < 0.1);
    }
    require(ucid_city_at(registry, n, &city) == 0);
    ucid_registry_close(registry);
    return 0;
}
