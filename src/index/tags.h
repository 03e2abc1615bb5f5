/* tags.h: which ways are walked, and which objects are opportunities of 15MIN. docs/contexts.md is the reading of the
 * standard behind it. */
#ifndef UCID_INDEX_TAGS_H
#define UCID_INDEX_TAGS_H

#include "index/index.h"
#include "read/osm.h"

/* Class of a way that people may walk along, in either direction; -1: not a street; -2: a street closed to them. */
int tags_street(const osm_tag *tags, uint32_t count);

typedef struct tags_kind {
    uint8_t part, quality; /* quarters */
    const char *key, *value;
} tags_kind;

enum { TAGS_PARTS = 6, TAGS_KINDS = 30 };
extern const tags_kind tags_kinds[TAGS_KINDS];

/* The kinds that an object counts as, at most one a part: the tag of highest quality, the first that it carries among
 * equals. Access is not looked at. */
int tags_places(const osm_tag *tags, uint32_t count, uint8_t kinds[TAGS_PARTS]);

/* Nobody but a few may enter: access=private or access=no. */
int tags_private(const osm_tag *tags, uint32_t count);

/* Value of a key; length 0 and text NULL where it is absent. */
osm_string tags_get(const osm_tag *tags, uint32_t count, const char *key);
int tags_is(osm_string value, const char *text);

/* How many of the nearest opportunities of a part can matter: threshold / lowest quality, rounded up. */
extern const uint8_t tags_nearest[TAGS_PARTS];

#endif
