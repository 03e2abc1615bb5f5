/* weeks.c: section 3 of ucid.h but for zones. ISO 8601: weeks start on Monday and belong to the year that holds their
 * Thursday, so W01 is the week of January 4th. Weeks are counted from 1970W01, whose Monday is 1969-12-29. */
#include "id/weeks.h"

#include "id/decimal.h"
#include "rt/error.h"
#include "ucid.h"

#include <string.h>

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

/* Days from March 1st, so that the leap day is the year's last. */
int64_t ucid_day_of_date(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = floor_div(y, 400), year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

int ucid_year_weeks(int year)
{
    if (year < 1 || year > 9999) return 0;
    int y = year - 1;
    int this_ends = (year + year / 4 - year / 100 + year / 400) % 7, last_ended = (y + y / 4 - y / 100 + y / 400) % 7;
    return this_ends == 4 || last_ended == 3 ? 53 : 52;
}

int ucid_hour_is_key(int32_t hour)
{
    if (hour < UCID_HOUR_MIN || hour > UCID_HOUR_MAX) return 0;
    return (hour - UCID_HOUR_MIN) % 168 < 24;
}

int ucid_time_split(ucid_text text, int *year, int *week, int *hour)
{
    if (text.length != UCID_TIME_LENGTH) return 0;
    uint64_t word = load8(text.data) ^ 0x5430305730303030, end = load8(text.data + 2) ^ 0x3030543030573030;
    if ((not_digits(word, 0x7F76767F76767676) | not_digits(end, 0x76767F76767F7676)) != 0) return 0;
    word = word * 10 + (word >> 8); /* bytes 0 and 2: the year's halves; 5: the week */
    end = end * 10 + (end >> 8);    /* byte 6: the hour */
    *year = (int)((word & 0xFF) * 100 + (word >> 16 & 0xFF));
    *week = word >> 40 & 0xFF;
    *hour = end >> 48 & 0xFF;
    return *year >= 1 && *week >= 1 && *week <= 53 && *hour <= 23;
}

ucid_status ucid_time_parse(ucid_text text, int32_t *hour, ucid_error *error)
{
    int year, week, clock;
    if (!ucid_time_split(text, &year, &week, &clock)) {
        ucid_fail(error, UCID_FIELD_FORMAT, "a time key is YYYYWwwThh, 0001W01T00 to 9999W52T23, as 2026W01T12");
        if (error != NULL) error->field = UCID_FIELD_TIME;
        return UCID_FIELD_FORMAT;
    }
    if (week > ucid_year_weeks(year)) {
        return ucid_fail(error, UCID_INVALID_TIME, "%d has 52 weeks: there is no %.10s", year, text.data);
    }
    *hour = (ucid_weeks_before(year) + week - 1) * 168 + clock;
    return UCID_OK;
}

int ucid_time_format(int32_t hour, char text[UCID_TIME_LENGTH + 1])
{
    if (!ucid_hour_is_key(hour)) return 0;
    int year, week, clock = (hour - UCID_HOUR_MIN) % 168;
    ucid_week_split((hour - clock) / 168, &year, &week);
    ucid_time_write(year, week, clock, text);
    text[10] = '\0';
    return 1;
}

static ucid_status fail_no_key(ucid_error *error, int32_t hour)
{
    return ucid_fail(error, UCID_INVALID_TIME, "%d is not the number of a time key", (int)hour);
}

/* Drop the weekday of a number of hours. */
static ucid_status key_of_hours(int64_t hours, int32_t *key, ucid_error *error)
{
    if (hours < UCID_HOUR_MIN || hours >= (int64_t)UCID_HOUR_MAX + 168 - 23) {
        return ucid_fail(error, UCID_INVALID_TIME, "the result is outside the years 0001 to 9999");
    }
    int64_t week = floor_div(hours, 168);
    *key = (int32_t)(week * 168 + (hours - week * 168) % 24);
    return UCID_OK;
}

ucid_status ucid_time_add_hours(int32_t hour, int64_t hours, int32_t *later, ucid_error *error)
{
    if (!ucid_hour_is_key(hour)) return fail_no_key(error, hour);
    if (hours > 200000000 || hours < -200000000) hours = hours > 0 ? 200000000 : -200000000;
    return key_of_hours(hour + hours, later, error);
}

ucid_status ucid_time_add_weeks(int32_t hour, int64_t weeks, int32_t *later, ucid_error *error)
{
    if (weeks > 1000000 || weeks < -1000000) weeks = weeks > 0 ? 1000000 : -1000000;
    return ucid_time_add_hours(hour, weeks * 168, later, error);
}

ucid_status ucid_time_range(int32_t first, int32_t last, int64_t step_hours, int32_t *hours, int64_t capacity,
                            int64_t *count, ucid_error *error)
{
    if (!ucid_hour_is_key(first)) return fail_no_key(error, first);
    if (!ucid_hour_is_key(last)) return fail_no_key(error, last);
    if (step_hours <= 0) {
        return ucid_fail(error, UCID_INVALID_STEP, "a step of %lld hours is not positive", (long long)step_hours);
    }
    if (step_hours > 200000000) step_hours = 200000000;
    int64_t written = 0, at = first;
    while (at <= last) { /* one week at a time: the hours of the day that it meets are a set of 24 bits */
        int64_t week = floor_div(at, 168);
        uint32_t met = 0;
        for (; at <= last && at < (week + 1) * 168; at += step_hours) met |= 1u << ((at - week * 168) % 24);
        for (int clock = 0; clock < 24; clock++) {
            if (!(met >> clock & 1)) continue;
            if (written < capacity) hours[written] = (int32_t)(week * 168 + clock);
            written++;
        }
    }
    *count = written;
    return UCID_OK;
}

ucid_status ucid_time_from_seconds(int64_t seconds, int32_t *hour, ucid_error *error)
{
    return key_of_hours(floor_div(seconds, 3600) + 72, hour, error); /* 1970-01-01 is a Thursday */
}

int64_t ucid_time_to_seconds(int32_t hour) { return ((int64_t)hour - 72) * 3600; }

double ucid_time_freshness(int32_t hour, int32_t now, int validity_weeks)
{
    double apart = (double)((int64_t)hour > now ? (int64_t)hour - now : (int64_t)now - hour);
    double fresh = 1.0 - apart / (168.0 * validity_weeks);
    return fresh > 0.0 ? fresh : 0.0;
}

int ucid_time_validity_weeks(ucid_text context)
{
    static const struct {
        char id[10];
        int weeks;
    } published[] = {{"15MIN", 4}, {"TRANSIT", 1}, {"CLIMATE", 12}, {"VITALITY", 2}, {"EQUITY", 52}, {"WALK", 8}};
    for (size_t i = 0; i < sizeof published / sizeof published[0]; i++) {
        if (strlen(published[i].id) == context.length && memcmp(published[i].id, context.data, context.length) == 0) {
            return published[i].weeks;
        }
    }
    return 0;
}
