/* zone.c: offsets of a time zone, out of the IANA database that the system (or the tzdata package) keeps. The rules are
 * the database's; here is only a reader of its file format, RFC 8536: a list of moments and offsets (64-bit, version 2
 * or later; 32-bit in version 1), and after the last one a line of POSIX TZ that goes on for ever,
 * "EST5EDT,M3.2.0,M11.1.0". docs/adr says why libc is not asked: tzset is one zone a process. */
#include "id/weeks.h"

#include "rt/error.h"
#include "rt/file.h"
#include "rt/memory.h"
#include "ucid.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* When in a year the clock changes: Mm.w.d (kind 'M'), Jn ('J', 1..365, no leap day) or n ('0', 0..365). */
typedef struct change {
    char kind;
    int month, week, day;
    int32_t seconds; /* local time of day, may be negative or over 24 h */
} change;

struct ucid_zone {
    ucid_allocator allocator;
    int64_t count;          /* of moments */
    const int64_t *moments; /* [count], ascending */
    const int32_t *offsets; /* [count + 1]: before the first moment, and from each on */
    int has_footer, has_summer;
    int32_t standard, summer; /* of the footer: seconds ahead of UTC */
    change start, end;
};

/* -------------------------------------------------------------------------------------------------------- footer -- */

static int read_number(const char **p, const char *end, int most, int *value)
{
    const char *start = *p;
    *value = 0;
    while (*p < end && (unsigned char)(**p - '0') <= 9 && *value <= most) *value = *value * 10 + (*(*p)++ - '0');
    return *p > start && *value <= most;
}

/* [+-]hh[:mm[:ss]] */
static int read_clock(const char **p, const char *end, int most_hours, int32_t *seconds)
{
    int minus = *p < end && **p == '-', part, unit = 3600;
    if (minus || (*p < end && **p == '+')) (*p)++;
    *seconds = 0;
    for (int i = 0; i < 3; i++, unit /= 60) {
        if (i > 0) {
            if (*p == end || **p != ':') break;
            (*p)++;
        }
        if (!read_number(p, end, i == 0 ? most_hours : 59, &part)) return 0;
        *seconds += part * unit;
    }
    if (minus) *seconds = -*seconds;
    return 1;
}

/* EST or <+03> */
static int skip_name(const char **p, const char *end)
{
    const char *start = *p;
    if (*p < end && **p == '<') {
        while (*p < end && **p != '>') (*p)++;
        return *p < end ? ((*p)++, 1) : 0;
    }
    while (*p < end && (unsigned char)((**p | 32) - 'a') <= 25) (*p)++;
    return *p - start >= 3;
}

static int read_rule(const char **p, const char *end, change *rule)
{
    if (*p == end || *(*p)++ != ',' || *p == end) return 0;
    rule->kind = **p == 'M' || **p == 'J' ? *(*p)++ : '0';
    if (rule->kind == 'M') {
        if (!read_number(p, end, 12, &rule->month) || rule->month < 1 || *p == end || *(*p)++ != '.') return 0;
        if (!read_number(p, end, 5, &rule->week) || rule->week < 1 || *p == end || *(*p)++ != '.') return 0;
        if (!read_number(p, end, 6, &rule->day)) return 0;
    } else if (!read_number(p, end, 365, &rule->day) || (rule->kind == 'J' && rule->day < 1)) {
        return 0;
    }
    rule->seconds = 7200;
    if (*p < end && **p == '/') {
        (*p)++;
        return read_clock(p, end, 167, &rule->seconds);
    }
    return 1;
}

static int read_footer(ucid_zone *zone, const char *p, const char *end)
{
    if (p == end) return 1;
    if (!skip_name(&p, end) || !read_clock(&p, end, 24, &zone->standard)) return 0;
    zone->standard = -zone->standard; /* POSIX counts westward */
    zone->has_footer = 1;
    if (p == end) return 1;
    zone->has_summer = 1;
    zone->summer = zone->standard + 3600;
    if (!skip_name(&p, end)) return 0;
    if (p < end && *p != ',') {
        if (!read_clock(&p, end, 24, &zone->summer)) return 0;
        zone->summer = -zone->summer;
    }
    return read_rule(&p, end, &zone->start) && read_rule(&p, end, &zone->end) && p == end;
}

/* Local seconds of a rule in a year, counted as if the clock were UTC. */
static int64_t rule_seconds(const change *rule, int year)
{
    int leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    int64_t day;
    if (rule->kind == 'M') {
        int64_t first = ucid_day_of_date(year, rule->month, 1);
        int weekday = (int)(((first + 4) % 7 + 7) % 7); /* Sunday 0 */
        day = first + (rule->day - weekday + 7) % 7 + 7 * (rule->week - 1);
        int64_t next =
            rule->month == 12 ? ucid_day_of_date(year + 1, 1, 1) : ucid_day_of_date(year, rule->month + 1, 1);
        while (day >= next) day -= 7;
    } else {
        day = ucid_day_of_date(year, 1, 1) + rule->day - (rule->kind == 'J') +
              (rule->kind == 'J' && leap && rule->day > 59);
    }
    return day * 86400 + rule->seconds;
}

static int32_t footer_offset(const ucid_zone *zone, int64_t seconds)
{
    if (!zone->has_summer) return zone->standard;
    int64_t local_day = (seconds + zone->standard) / 86400 - ((seconds + zone->standard) % 86400 < 0);
    int64_t estimate = 1970 + local_day * 400 / 146097;
    if (estimate < -100000 || estimate > 100000) return zone->standard;
    int year = (int)estimate;
    while (ucid_day_of_date(year + 1, 1, 1) <= local_day) year++;
    while (ucid_day_of_date(year, 1, 1) > local_day) year--;
    int64_t start = rule_seconds(&zone->start, year) - zone->standard,
            end = rule_seconds(&zone->end, year) - zone->summer;
    int summer = start < end ? seconds >= start && seconds < end : seconds >= start || seconds < end;
    return summer ? zone->summer : zone->standard;
}

/* ---------------------------------------------------------------------------------------------------------- file -- */

static int64_t big_endian(const uint8_t *at, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) value = value << 8 | at[i];
    return bytes == 8 ? (int64_t)value : (int64_t)(int32_t)(uint32_t)value;
}

typedef struct header {
    size_t utc_flags, standard_flags, leaps, moments, types, letters; /* counts */
} header;

static size_t body_size(const header *h, int width)
{
    size_t w = (size_t)width;
    return h->moments * (w + 1) + h->types * 6 + h->letters + h->leaps * (w + 4) + h->standard_flags + h->utc_flags;
}

static int read_header(const uint8_t *bytes, size_t length, header *h)
{
    if (length < 44 || memcmp(bytes, "TZif", 4) != 0) return 0;
    size_t *counts[6] = {&h->utc_flags, &h->standard_flags, &h->leaps, &h->moments, &h->types, &h->letters};
    for (int i = 0; i < 6; i++) {
        int64_t count = big_endian(bytes + 20 + 4 * i, 4);
        if (count < 0 || count > 1 << 20) return 0;
        *counts[i] = (size_t)count;
    }
    return h->types >= 1 && h->types <= 256;
}

static size_t zone_size(size_t moments) { return sizeof(ucid_zone) + moments * 8 + (moments + 1) * 4; }

ucid_status ucid_zone_read(const char *name, const void *file, size_t length, const ucid_allocator *allocator,
                           ucid_zone **out, ucid_error *error)
{
    const uint8_t *bytes = file;
    ucid_allocator memory = ucid_allocator_or_default(allocator);
    header h;
    const uint8_t *end = length > 0 ? bytes + length : bytes, *body = NULL;
    int width = 4;
    if (!read_header(bytes, length, &h)) goto damaged;
    body = bytes + 44;
    if (bytes[4] >= '2') {
        size_t skip = 44 + body_size(&h, 4);
        if (skip > length || !read_header(bytes + skip, length - skip, &h)) goto damaged;
        body = bytes + skip + 44;
        width = 8;
    }
    if ((size_t)(end - body) < body_size(&h, width)) goto damaged;
    ucid_zone *zone = ucid_allocate_zero(&memory, zone_size(h.moments), 1);
    if (zone == NULL) return ucid_fail_memory(error, "a time zone", zone_size(h.moments));
    int64_t *moments = (int64_t *)(void *)(zone + 1);
    int32_t *offsets = (int32_t *)(void *)(moments + h.moments);
    zone->allocator = memory;
    zone->count = (int64_t)h.moments;
    zone->moments = moments;
    zone->offsets = offsets;
    const uint8_t *kinds = body + h.moments * (size_t)width, *types = kinds + h.moments;
    offsets[0] = (int32_t)big_endian(types, 4); /* RFC 8536: type 0 before the first moment */
    int good = 1;
    for (size_t i = 0; i < h.moments && good; i++) {
        moments[i] = big_endian(body + i * (size_t)width, width);
        good = kinds[i] < h.types && (i == 0 || moments[i] > moments[i - 1]);
        if (good) offsets[i + 1] = (int32_t)big_endian(types + 6 * (size_t)kinds[i], 4);
    }
    for (size_t i = 0; i <= h.moments && good; i++) good = offsets[i] > -93600 && offsets[i] < 93600;
    if (good && width == 8) {
        const uint8_t *footer = body + body_size(&h, width);
        const uint8_t *stop =
            footer < end && *footer == '\n' ? memchr(footer + 1, '\n', (size_t)(end - footer - 1)) : NULL;
        good = stop != NULL && read_footer(zone, (const char *)footer + 1, (const char *)stop);
    }
    if (good) {
        *out = zone;
        return UCID_OK;
    }
    ucid_zone_close(zone);
damaged:
    return ucid_fail(error, UCID_DATA_ERROR, "time zone %s: not a TZif file", name);
}

static int is_zone_name(const char *name)
{
    size_t length = strlen(name);
    if (length == 0 || length > 64 || name[0] == '/' || strstr(name, "..") != NULL) return 0;
    for (const char *p = name; *p != '\0'; p++) {
        int plain =
            (unsigned char)((*p | 32) - 'a') <= 25 || (unsigned char)(*p - '0') <= 9 || strchr("_+-/.", *p) != NULL;
        if (!plain) return 0;
    }
    return 1;
}

ucid_status ucid_zone_open(const char *name, const char *folder, const ucid_allocator *allocator, ucid_zone **zone,
                           ucid_error *error)
{
    if (!is_zone_name(name))
        return ucid_fail(error, UCID_FILE_NOT_FOUND, "\"%.64s\" is not the name of a time zone", name);
    const char *folders[] = {folder, NULL, NULL, NULL, NULL};
    if (folder == NULL) {
        folders[0] = getenv("TZDIR");
        if (folders[0] == NULL || folders[0][0] != '/') folders[0] = "/usr/share/zoneinfo";
        folders[1] = "/usr/share/zoneinfo";
        folders[2] = "/usr/lib/zoneinfo";
        folders[3] = "/usr/share/lib/zoneinfo";
        folders[4] = "/etc/zoneinfo";
    }
    for (int i = 0; i < 5 && folders[i] != NULL; i++) {
        char path[4096];
        ucid_file_map map;
        int n = snprintf(path, sizeof path, "%s/%s", folders[i], name);
        if (n < 0 || (size_t)n >= sizeof path || ucid_file_map_open(path, &map, NULL) != UCID_OK) continue;
        ucid_status status = ucid_zone_read(name, map.bytes, map.length, allocator, zone, error);
        ucid_file_map_close(&map);
        return status;
    }
    return ucid_fail(error, UCID_FILE_NOT_FOUND, "time zone %s is not in %s (package tzdata)", name, folders[0]);
}

void ucid_zone_close(ucid_zone *zone)
{
    if (zone == NULL) return;
    ucid_allocator memory = zone->allocator;
    ucid_release(&memory, zone, zone_size((size_t)zone->count), 1);
}

int32_t ucid_zone_offset(const ucid_zone *zone, int64_t seconds)
{
    int64_t low = 0, high = zone->count; /* moments before or at the given one */
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (zone->moments[middle] <= seconds) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == zone->count && zone->has_footer && seconds > -(1ll << 50) && seconds < 1ll << 50) {
        return footer_offset(zone, seconds);
    }
    return zone->offsets[low];
}

/* ------------------------------------------------------------------------------------------------- keys and zones --
 */

/* Whole hours that the zone is ahead of UTC on the Thursday of a key's week, at noon of its own clock. A local time
 * that comes twice is taken the first time; one that is skipped, by the clock before the skip. */
static int32_t thursday_hours(int32_t hour, const ucid_zone *zone)
{
    int32_t clock = (hour - UCID_HOUR_MIN) % 168;
    int64_t noon = ucid_time_to_seconds(hour - clock + 3 * 24 + 12);
    int32_t before = ucid_zone_offset(zone, noon - 86400), after = ucid_zone_offset(zone, noon + 86400),
            offset = before;
    if (ucid_zone_offset(zone, noon - before) != before && ucid_zone_offset(zone, noon - after) == after)
        offset = after;
    return offset >= 0 ? (offset + 1800) / 3600 : -((-offset + 1800) / 3600);
}

static ucid_status shift(int32_t hour, const ucid_zone *zone, int sign, int32_t *shifted, ucid_error *error)
{
    if (hour < UCID_HOUR_MIN || hour > UCID_HOUR_MAX || (hour - UCID_HOUR_MIN) % 168 > 23) {
        return ucid_fail(error, UCID_INVALID_TIME, "%d is not the number of a time key", (int)hour);
    }
    int32_t clock = (hour - UCID_HOUR_MIN) % 168;
    *shifted = hour - clock + (clock + sign * thursday_hours(hour, zone) + 48) % 24;
    return UCID_OK;
}

ucid_status ucid_time_to_utc(int32_t hour, const ucid_zone *zone, int32_t *utc, ucid_error *error)
{
    return shift(hour, zone, -1, utc, error);
}

ucid_status ucid_time_from_utc(int32_t utc, const ucid_zone *zone, int32_t *hour, ucid_error *error)
{
    return shift(utc, zone, 1, hour, error);
}
