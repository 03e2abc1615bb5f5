/* tags.c: two tables. A key's length is compared first, so that the many tags that matter to nobody cost little. */
#include "index/tags.h"

#include <string.h>

int tags_is(osm_string value, const char *text)
{
    return strlen(text) == value.length && memcmp(value.text, text, value.length) == 0;
}

osm_string tags_get(const osm_tag *tags, uint32_t count, const char *key)
{
    for (uint32_t i = 0; i < count; i++) {
        if (tags_is(tags[i].key, key)) return tags[i].value;
    }
    return (osm_string){NULL, 0};
}

static const struct {
    const char *value;
    int8_t class;
    int8_t needs_foot; /* walked only where foot=yes, designated or permissive */
} streets[] = {
    {"footway", UCIDX_CLASS_FOOTWAY, 0},
    {"residential", UCIDX_CLASS_RESIDENTIAL, 0},
    {"service", UCIDX_CLASS_SERVICE, 0},
    {"path", UCIDX_CLASS_PATH, 0},
    {"track", UCIDX_CLASS_TRACK, 0},
    {"unclassified", UCIDX_CLASS_UNCLASSIFIED, 0},
    {"tertiary", UCIDX_CLASS_TERTIARY, 0},
    {"tertiary_link", UCIDX_CLASS_TERTIARY, 0},
    {"secondary", UCIDX_CLASS_SECONDARY, 0},
    {"secondary_link", UCIDX_CLASS_SECONDARY, 0},
    {"primary", UCIDX_CLASS_PRIMARY, 0},
    {"primary_link", UCIDX_CLASS_PRIMARY, 0},
    {"steps", UCIDX_CLASS_STEPS, 0},
    {"pedestrian", UCIDX_CLASS_PEDESTRIAN, 0},
    {"living_street", UCIDX_CLASS_LIVING_STREET, 0},
    {"trunk", UCIDX_CLASS_TRUNK, 0},
    {"trunk_link", UCIDX_CLASS_TRUNK, 0},
    {"bridleway", UCIDX_CLASS_PATH, 0},
    {"road", UCIDX_CLASS_ROAD, 0},
    {"cycleway", UCIDX_CLASS_PATH, 1},
};

static int allows(osm_string value)
{
    return tags_is(value, "yes") || tags_is(value, "designated") || tags_is(value, "permissive");
}

static int forbids(osm_string value) { return tags_is(value, "no") || tags_is(value, "private"); }

/* A square (highway=pedestrian) drawn as an area is walked along its outline: without it, the streets around would not
 * meet. Other areas repeat a street that is there as a line. */
int tags_street(const osm_tag *tags, uint32_t count)
{
    osm_string highway = tags_get(tags, count, "highway");
    if (highway.text == NULL) return -1;
    size_t i = 0;
    while (i < sizeof streets / sizeof streets[0] && !tags_is(highway, streets[i].value)) i++;
    if (i == sizeof streets / sizeof streets[0]) return -1;
    if (streets[i].class != UCIDX_CLASS_PEDESTRIAN && tags_is(tags_get(tags, count, "area"), "yes")) return -1;
    osm_string foot = tags_get(tags, count, "foot");
    if (allows(foot)) return streets[i].class;
    if (forbids(foot) || streets[i].needs_foot || forbids(tags_get(tags, count, "access")) ||
        tags_is(tags_get(tags, count, "motorroad"), "yes")) {
        return -2;
    }
    return streets[i].class;
}

enum { GROCERY, HEALTHCARE, EDUCATION, PUBLIC_SPACE, TRANSIT, CULTURAL };

const tags_kind tags_kinds[TAGS_KINDS] = {
    {GROCERY, 6, "shop", "supermarket"},
    {GROCERY, 4, "shop", "grocery"},
    {GROCERY, 4, "shop", "greengrocer"},
    {GROCERY, 4, "shop", "bakery"},
    {GROCERY, 4, "shop", "butcher"},
    {GROCERY, 3, "shop", "convenience"},
    {HEALTHCARE, 8, "amenity", "hospital"},
    {HEALTHCARE, 4, "amenity", "clinic"},
    {HEALTHCARE, 4, "amenity", "doctors"},
    {HEALTHCARE, 4, "amenity", "dentist"},
    {HEALTHCARE, 3, "amenity", "pharmacy"},
    {EDUCATION, 4, "amenity", "school"},
    {EDUCATION, 4, "amenity", "kindergarten"},
    {EDUCATION, 4, "amenity", "library"},
    {EDUCATION, 4, "amenity", "university"},
    {EDUCATION, 4, "amenity", "college"},
    {PUBLIC_SPACE, 4, "leisure", "park"},
    {PUBLIC_SPACE, 4, "leisure", "garden"},
    {PUBLIC_SPACE, 4, "leisure", "playground"},
    {PUBLIC_SPACE, 4, "place", "square"},
    {TRANSIT, 4, "highway", "bus_stop"},
    {TRANSIT, 4, "railway", "tram_stop"},
    {TRANSIT, 4, "railway", "station"},
    {TRANSIT, 4, "railway", "halt"},
    {TRANSIT, 4, "amenity", "bus_station"},
    {TRANSIT, 4, "amenity", "ferry_terminal"},
    {CULTURAL, 4, "amenity", "cinema"},
    {CULTURAL, 4, "amenity", "theatre"},
    {CULTURAL, 4, "tourism", "museum"},
    {CULTURAL, 4, "amenity", "museum"},
};

const uint8_t tags_nearest[TAGS_PARTS] = {3, 3, 2, 1, 3, 2};

int tags_places(const osm_tag *tags, uint32_t count, uint8_t kinds[TAGS_PARTS])
{
    static const char *const keys[] = {"shop", "amenity", "leisure", "highway", "railway", "tourism", "place"};
    int found = 0;
    for (uint32_t t = 0; t < count; t++) {
        int known = 0;
        for (size_t k = 0; k < sizeof keys / sizeof keys[0] && !known; k++) known = tags_is(tags[t].key, keys[k]);
        if (!known) continue;
        for (uint8_t i = 0; i < TAGS_KINDS; i++) {
            if (!tags_is(tags[t].key, tags_kinds[i].key) || !tags_is(tags[t].value, tags_kinds[i].value)) continue;
            int slot = 0;
            while (slot < found && tags_kinds[kinds[slot]].part != tags_kinds[i].part) slot++;
            if (slot == found) {
                kinds[found++] = i;
            } else if (tags_kinds[kinds[slot]].quality < tags_kinds[i].quality) {
                kinds[slot] = i;
            }
        }
    }
    return found;
}

int tags_private(const osm_tag *tags, uint32_t count) { return forbids(tags_get(tags, count, "access")); }
