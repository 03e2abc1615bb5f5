/* test_city.c: the built-in registry, files over it, names, nearest; time keys and zones against counting and libc. */
#include "id/city.h"
#include "id/weeks.h"
#include "rt/trig.h"
#include "ucid.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static uint64_t seed = 7;

static uint64_t draw(void)
{
    uint64_t z = seed += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}

static double draw_unit(void) { return (double)(draw() >> 11) * 0x1p-53; }

static ucid_text text_of(const char *string)
{
    ucid_text text = {string, strlen(string)};
    return text;
}

/* -------------------------------------------------------------------------------------------------------- cities -- */

static void the_built_in_cities_are_the_published_ones(void **state)
{
    (void)state;
    assert_int_equal(ucid_registry_count(NULL), 6431);
    ucid_city city, last;
    int without_region = 0;
    for (int64_t i = 0; i < 6431; i++) {
        assert_int_equal(ucid_city_at(NULL, i, &city), 1);
        if (i > 0) assert_true(strcmp(last.code, city.code) < 0);
        assert_true(city.min_lat_deg <= city.lat_deg && city.lat_deg <= city.max_lat_deg);
        assert_true(city.timezone[0] != '\0' && city.name[0] != '\0' && city.population >= 0);
        size_t region = strlen(city.region); /* of ISO 3166-2: one to three of 0-9A-Z */
        assert_true(region <= 3 && strspn(city.region, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == region);
        without_region += region == 0;
        ucid_city same;
        assert_int_equal(ucid_city_get(NULL, text_of(city.code), &same, NULL), UCID_OK);
        assert_true(same.name == city.name && same.lat_deg == city.lat_deg);
        last = city;
    }
    assert_int_equal(without_region, 284); /* docs/cities.md */
    static const char *const regions[][2] = {{"NYC", "NY"}, {"STL", "MO"},  {"LPA", "CN"},  {"LON", "ENG"},
                                             {"IST", "34"}, {"PAR", "IDF"}, {"MOW", "MOW"}, {"THR", "23"},
                                             {"WAW", "14"}, {"HKG", ""}};
    for (size_t i = 0; i < sizeof regions / sizeof regions[0]; i++) {
        assert_int_equal(ucid_city_get(NULL, text_of(regions[i][0]), &city, NULL), UCID_OK);
        assert_string_equal(city.region, regions[i][1]);
    }
    assert_int_equal(ucid_city_at(NULL, 6431, &city), 0);
    assert_int_equal(ucid_city_at(NULL, -1, &city), 0);
    assert_int_equal(ucid_city_get(NULL, text_of("ist"), &city, NULL), UCID_OK);
    assert_string_equal(city.name, "Istanbul");
    assert_string_equal(city.timezone, "Europe/Istanbul");
    assert_true(!city.box_estimated && city.min_lat_deg == 40.80 && city.max_lon_deg == 29.50);
    assert_int_equal(ucid_city_get(NULL, text_of("TMP"), &city, NULL), UCID_OK);
    assert_string_equal(city.name, "Tampere");
    assert_int_equal(ucid_city_get(NULL, text_of("TST"), &city, NULL), UCID_OK);
    assert_string_equal(city.country, "XX");
    /* An estimate: a square of sqrt(8,336,817 / 3000) = 52.7 km. */
    assert_int_equal(ucid_city_get(NULL, text_of("NWY"), &city, NULL), UCID_OK);
    assert_int_equal(city.box_estimated, 1);
    double height_km = (city.max_lat_deg - city.min_lat_deg) * UCID_PI / 180 * 6371;
    double width_km = (city.max_lon_deg - city.min_lon_deg) * UCID_PI / 180 * 6371 * cos(40.7128 * UCID_PI / 180);
    assert_true(fabs(height_km - 52.7156) < 1e-3 && fabs(width_km - 52.7156) < 1e-3);
    ucid_error error;
    static const char *const none[] = {"QQQ", "", "IS", "ISTX", "I1T", "\xC4\xB0ST"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_int_equal(ucid_city_get(NULL, text_of(none[i]), &city, &error), UCID_CITY_NOT_FOUND);
    }
}

static const char header[] = "code,name,country,region,lat,lon,bbox,population,tz\n";

static ucid_status open_text(const char *rows, ucid_registry **registry, ucid_error *error)
{
    char text[4096];
    int n = snprintf(text, sizeof text, "%s%s", header, rows);
    return ucid_registry_open_memory(text, (size_t)n, NULL, registry, error);
}

static void a_file_adds_and_replaces(void **state)
{
    (void)state;
    ucid_registry *registry;
    ucid_city city;
    ucid_error error;
    assert_int_equal(open_text("QQQ,\"Town, \"\"new\"\"\",DE,Bayern,48.5,11.25,48 11 49 12,1000,Europe/Berlin\r\n\n"
                               "IST,Mine,TR,,41,29,,,Asia/Tokyo\n",
                               &registry, &error),
                     UCID_OK);
    assert_int_equal(ucid_registry_count(registry), 6432);
    assert_int_equal(ucid_city_get(registry, text_of("QQQ"), &city, NULL), UCID_OK);
    assert_string_equal(city.name, "Town, \"new\"");
    assert_string_equal(city.region, "Bayern");
    assert_true(city.lat_deg == 48.5 && city.max_lat_deg == 49 && !city.box_estimated && city.population == 1000);
    assert_int_equal(ucid_city_get(registry, text_of("IST"), &city, NULL), UCID_OK);
    assert_string_equal(city.name, "Mine");
    assert_string_equal(city.timezone, "Asia/Tokyo");
    assert_int_equal(city.box_estimated, 1);
    assert_int_equal(ucid_city_get(registry, text_of("LON"), &city, NULL), UCID_OK);
    assert_string_equal(city.timezone, "Europe/London");
    double dist_m;
    assert_int_equal(ucid_city_nearest(registry, 48.5, 11.25, &city, &dist_m, NULL), UCID_OK);
    assert_string_equal(city.code, "QQQ");
    ucid_fields fields;
    ucid_text text = UCID_TEXT("UCID-V1:QQQ:+41.015:+28.979:9:891ec90243bffff:2026W01T12:15MIN:A:0.95:");
    assert_int_equal(ucid_parse(text, UCID_STRICT, NULL, &fields, NULL), UCID_INVALID_CITY);
    assert_int_equal(ucid_parse(text, UCID_STRICT, registry, &fields, NULL), UCID_OK);
    ucid_registry_close(registry);
    ucid_registry_close(NULL);

    static const char *const bad[] = {"QQ,A,DE,,1,1,,,UTC\n",       "QQQ,,DE,,1,1,,,UTC\n",
                                      "QQQ,A,D,,1,1,,,UTC\n",       "QQQ,A,DE,,91,1,,,UTC\n",
                                      "QQQ,A,DE,,1,181,,,UTC\n",    "QQQ,A,DE,,1,x,,,UTC\n",
                                      "QQQ,A,DE,,1,1,1 2 3,,UTC\n", "QQQ,A,DE,,1,1,2 1 1 1,,UTC\n",
                                      "QQQ,A,DE,,1,1,,-5,UTC\n",    "QQQ,A,DE,,1,1,,,\n",
                                      "QQQ,A,DE,,1,1,,\n",          "QQQ,A,DE,,1,1,,,UTC,9\n",
                                      "QQQ,\"A,DE,,1,1,,,UTC\n",    "QQQ,\"A\"x,DE,,1,1,,,UTC\n",
                                      "QQQ,\xC3,DE,,1,1,,,UTC\n",   "QQQ,A,DE,,1,1,,,UTC\nQQQ,A,DE,,1,1,,,UTC\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (open_text(bad[i], &registry, &error) != UCID_REGISTRY_ERROR) fail_msg("taken: %s", bad[i]);
        assert_int_equal(strncmp(error.message, "line ", 5), 0);
    }
    assert_int_equal(ucid_registry_open_memory("", 0, NULL, &registry, &error), UCID_REGISTRY_ERROR);
    assert_int_equal(ucid_registry_open_memory("code\n", 5, NULL, &registry, &error), UCID_REGISTRY_ERROR);
    assert_int_equal(ucid_registry_open(SOURCE_DIR "/no such file", NULL, &registry, &error), UCID_FILE_NOT_FOUND);
    assert_int_equal(ucid_registry_open(SOURCE_DIR "/data/cities.csv", NULL, &registry, &error), UCID_OK);
    assert_int_equal(ucid_registry_count(registry), 6431);
    ucid_registry_close(registry);
}

/* Fails the n-th allocation. */
static void *limited(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    (void)old_size;
    int *left = ctx;
    if (new_size == 0) {
        free(ptr);
        return NULL;
    }
    return (*left)-- > 0 ? realloc(ptr, new_size) : NULL;
}

static void no_allocation_is_trusted(void **state)
{
    (void)state;
    static const char file[] = "code,name,country,region,lat,lon,bbox,population,tz\nQQQ,A,DE,,1,1,,,UTC\n";
    for (int allowed = 0;; allowed++) {
        int left = allowed;
        ucid_allocator allocator = {limited, &left};
        ucid_registry *registry = NULL;
        ucid_zone *zone = NULL;
        int64_t rows[2];
        ucid_texts texts = {"b", NULL, NULL, 1, NULL};
        ucid_status status = ucid_registry_open_memory(file, sizeof file - 1, &allocator, &registry, NULL);
        if (status == UCID_OK) status = ucid_zone_open("Europe/Istanbul", NULL, &allocator, &zone, NULL);
        if (status == UCID_OK) status = ucid_texts_sort(2, &texts, &allocator, rows, NULL);
        ucid_registry_close(registry);
        ucid_zone_close(zone);
        if (status == UCID_OK) {
            assert_true(allowed >= 9);
            break;
        }
        assert_int_equal(status, UCID_NO_MEMORY);
    }
}

static void names_are_found_as_people_write_them(void **state)
{
    (void)state;
    int64_t found[20];
    ucid_city city;
    ucid_text all = {NULL, 0};
    static const struct {
        const char *text, *country, *code;
    } searches[] = {{"istan", "", "IST"},    {"IST", "", "IST"},        {"zurich", "", "ZRI"}, {"ZÜRICH", "", "ZRI"},
                    {"goteborg", "", "GTE"}, {"portland", "US", "PDX"}, {"sao pa", "", "SAO"}, {"new york", "", "NWY"}};
    for (size_t i = 0; i < sizeof searches / sizeof searches[0]; i++) {
        int64_t n = ucid_city_search(NULL, text_of(searches[i].text), text_of(searches[i].country), found, 20);
        assert_true(n > 0);
        ucid_city_at(NULL, found[0], &city);
        if (strcmp(city.code, searches[i].code) != 0) fail_msg("%s: %s %s", searches[i].text, city.code, city.name);
    }
    assert_int_equal(ucid_city_search(NULL, all, all, NULL, 0), 6431);
    int64_t turkish = ucid_city_search(NULL, all, text_of("tr"), found, 20);
    assert_true(turkish > 60 && turkish < 400);
    for (int i = 0; i < 20; i++) {
        ucid_city_at(NULL, found[i], &city);
        assert_string_equal(city.country, "TR");
    }
    assert_int_equal(ucid_city_search(NULL, text_of("no such name"), all, found, 20), 0);
    assert_int_equal(ucid_city_search(NULL, text_of("istan"), text_of("TUR"), found, 20), 0);
    /* Fewer places than hits: the best of them. */
    int64_t first[3], many[2000];
    int64_t hits = ucid_city_search(NULL, text_of("san"), all, many, 2000);
    assert_int_equal(ucid_city_search(NULL, text_of("san"), all, first, 3), hits);
    assert_true(hits > 3 && hits < 2000);
    assert_memory_equal(first, many, sizeof first);
}

static void the_nearest_city_is_the_nearest(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++) {
        double lat = asin(2 * draw_unit() - 1) * 180 / UCID_PI, lon = 360 * draw_unit() - 180, dist_m, best = 1e9;
        if (i == 0) lat = 90;
        if (i == 1) lat = -90;
        ucid_city city, other;
        assert_int_equal(ucid_city_nearest(NULL, lat, lon, &city, &dist_m, NULL), UCID_OK);
        for (int64_t j = 0; ucid_city_at(NULL, j, &other); j++) {
            if (strcmp(other.country, "XX") == 0) continue;
            double x = sin((other.lat_deg - lat) * UCID_PI / 360), y = sin((other.lon_deg - lon) * UCID_PI / 360);
            double h = x * x + cos(lat * UCID_PI / 180) * cos(other.lat_deg * UCID_PI / 180) * y * y;
            best = fmin(best, 2 * 6371000 * asin(sqrt(fmin(h, 1))));
        }
        assert_true(fabs(dist_m - best) < 1e-3 * (1 + best / 1e4));
    }
    assert_int_equal(ucid_city_nearest(NULL, (double)NAN, 0, NULL, NULL, NULL), UCID_INVALID_COORDINATES);
    assert_int_equal(ucid_city_nearest(NULL, 0, 180.1, NULL, NULL, NULL), UCID_INVALID_COORDINATES);
}

/* ---------------------------------------------------------------------------------------------------------- time -- */

/* Every week of 9,999 years, counted one by one from Monday 0001-01-01. */
static void weeks_are_those_of_counting(void **state)
{
    (void)state;
    int32_t hour = UCID_HOUR_MIN, long_years = 0;
    char text[UCID_TIME_LENGTH + 1], want[32];
    for (int year = 1; year <= 9999; year++) {
        assert_int_equal(ucid_weeks_before(year) * 168, hour);
        /* A year has 53 weeks where January 1st or December 31st is a Thursday. */
        int64_t first = ucid_day_of_date(year, 1, 1), last = ucid_day_of_date(year, 12, 31);
        int weeks = first % 7 == 0 || last % 7 == 0 ? 53 : 52; /* day 0 is a Thursday */
        assert_int_equal(ucid_year_weeks(year), weeks);
        long_years += weeks == 53;
        for (int week = 1; week <= weeks; week++, hour += 168) {
            int32_t key = hour + week % 24, back;
            assert_int_equal(ucid_time_format(key, text), 1);
            snprintf(want, sizeof want, "%04dW%02dT%02d", year, week, week % 24);
            assert_string_equal(text, want);
            assert_int_equal(ucid_time_parse(text_of(text), &back, NULL), UCID_OK);
            assert_int_equal(back, key);
            assert_int_equal(
                ucid_time_from_seconds(ucid_time_to_seconds(hour) + 6 * 86400 + (week % 24) * 3600, &back, NULL),
                UCID_OK);
            assert_int_equal(back, key);
        }
        snprintf(want, sizeof want, "%04dW53T00", year);
        int32_t unused;
        assert_int_equal(ucid_time_parse(text_of(want), &unused, NULL), weeks == 53 ? UCID_OK : UCID_INVALID_TIME);
    }
    assert_int_equal(hour - 168 + 23, UCID_HOUR_MAX);
    assert_true(long_years > 1760 && long_years < 1790); /* 71 in 400 years */
    assert_int_equal(ucid_time_format(UCID_HOUR_MAX + 1, text), 0);
    assert_int_equal(ucid_time_format(24, text), 0);
    assert_int_equal(ucid_year_weeks(0) + ucid_year_weeks(10000), 0);
}

static void ranges_hold_each_key_once(void **state)
{
    (void)state;
    for (int round = 0; round < 200; round++) {
        int32_t first = (int32_t)(draw() % 50) * 168 + (int32_t)(draw() % 24);
        int32_t last = first / 168 * 168 + (int32_t)(draw() % 5) * 168 + (int32_t)(draw() % 24);
        int64_t step = 1 + (int64_t)(draw() % 200), count, again;
        int32_t keys[400], few[3];
        assert_int_equal(ucid_time_range(first, last, step, keys, 400, &count, NULL), UCID_OK);
        assert_true(count <= 400);
        uint8_t want[60 * 168] = {0};
        int64_t distinct = 0;
        for (int64_t at = first; at <= last; at += step) want[at / 168 * 168 + at % 168 % 24] = 1;
        for (size_t i = 0; i < sizeof want; i++) distinct += want[i];
        assert_int_equal(count, distinct);
        for (int64_t i = 0; i < count; i++) {
            assert_int_equal(want[keys[i]], 1);
            if (i > 0) assert_true(keys[i] > keys[i - 1]);
        }
        assert_int_equal(ucid_time_range(first, last, step, few, 3, &again, NULL), UCID_OK);
        assert_int_equal(again, count);
    }
    int32_t keys[1];
    int64_t count;
    ucid_error error;
    assert_int_equal(ucid_time_range(0, 0, 0, keys, 1, &count, &error), UCID_INVALID_STEP);
    assert_int_equal(ucid_time_range(24, 0, 1, keys, 1, &count, &error), UCID_INVALID_TIME);
    assert_int_equal(ucid_time_add_hours(0, INT64_MAX, keys, &error), UCID_INVALID_TIME);
    assert_int_equal(ucid_time_add_weeks(0, INT64_MIN, keys, &error), UCID_INVALID_TIME);
    assert_int_equal(ucid_time_from_seconds(INT64_MIN, keys, &error), UCID_INVALID_TIME);
    assert_int_equal(ucid_time_from_seconds(INT64_MAX, keys, &error), UCID_INVALID_TIME);
}

static void zones_are_those_of_libc(void **state)
{
    (void)state;
    static const char *const names[] = {"Europe/Istanbul",   "America/New_York",  "Europe/London",
                                        "Europe/Dublin",     "Asia/Kathmandu",    "Australia/Lord_Howe",
                                        "America/Sao_Paulo", "Africa/Casablanca", "Pacific/Apia",
                                        "America/St_Johns",  "Asia/Gaza",         "UTC",
                                        "Pacific/Chatham",   "Antarctica/Troll"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ucid_zone *zone;
        ucid_error error;
        if (ucid_zone_open(names[i], NULL, NULL, &zone, &error) != UCID_OK) fail_msg("%s", error.message);
        assert_int_equal(setenv("TZ", names[i], 1), 0);
        tzset();
        for (int j = 0; j < 20000; j++) {
            int64_t seconds = (int64_t)(draw() % 7000000000) - 1500000000; /* 1922 to 2144 */
            time_t moment = (time_t)seconds;
            struct tm local;
            assert_non_null(localtime_r(&moment, &local));
            int64_t clock = ucid_day_of_date(local.tm_year + 1900, local.tm_mon + 1, local.tm_mday) * 86400 +
                            local.tm_hour * 3600 + local.tm_min * 60 + local.tm_sec;
            if (ucid_zone_offset(zone, seconds) != clock - seconds) {
                fail_msg("%s at %lld: %d, libc %lld", names[i], (long long)seconds, ucid_zone_offset(zone, seconds),
                         (long long)(clock - seconds));
            }
        }
        for (int j = 0; j < 2000; j++) {
            int32_t key = (int32_t)(draw() % 8000) * 168 + (int32_t)(draw() % 24), utc, back;
            assert_int_equal(ucid_time_to_utc(key, zone, &utc, NULL), UCID_OK);
            assert_int_equal(ucid_time_from_utc(utc, zone, &back, NULL), UCID_OK);
            assert_int_equal(back, key);
        }
        ucid_zone_close(zone);
    }
    ucid_zone *zone;
    ucid_error error;
    static const char *const none[] = {"No/Where", "../passwd", "/etc/localtime", "", "Europe"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_int_equal(ucid_zone_open(none[i], NULL, NULL, &zone, &error), UCID_FILE_NOT_FOUND);
    }
    assert_int_equal(ucid_zone_open("Europe/Istanbul", "/nowhere", NULL, &zone, &error), UCID_FILE_NOT_FOUND);
    assert_int_equal(ucid_zone_open("cities.csv", SOURCE_DIR "/data", NULL, &zone, &error), UCID_DATA_ERROR);
    int32_t key;
    assert_int_equal(ucid_zone_open("UTC", NULL, NULL, &zone, &error), UCID_OK);
    assert_int_equal(ucid_time_to_utc(25, zone, &key, &error), UCID_INVALID_TIME);
    ucid_zone_close(zone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_built_in_cities_are_the_published_ones),
        cmocka_unit_test(a_file_adds_and_replaces),
        cmocka_unit_test(no_allocation_is_trusted),
        cmocka_unit_test(names_are_found_as_people_write_them),
        cmocka_unit_test(the_nearest_city_is_the_nearest),
        cmocka_unit_test(weeks_are_those_of_counting),
        cmocka_unit_test(ranges_hold_each_key_once),
        cmocka_unit_test(zones_are_those_of_libc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
