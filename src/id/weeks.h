/* weeks.h: ISO week years, and time zones. */
#ifndef UCID_ID_WEEKS_H
#define UCID_ID_WEEKS_H

#include "id/decimal.h"
#include "ucid.h"

/* Weeks from 1970W01 to W01 of a year 1..10000. The day number of January 1st is linear in a sum that is also, modulo
 * 7, the weekday on which the year before ends; so the Monday on or around it follows without a calendar. */
static inline int32_t ucid_weeks_before(int year)
{
    uint32_t y = (uint32_t)year - 1, century = y / 100;
    uint32_t days = 365 * y + y / 4 - century + century / 4; /* from 0001-01-01, a Monday, to January 1st */
    return (int32_t)((days + 3) / 7) - 102737;               /* its week if by Thursday, else the next */
}

/* Year and week of a week counted from 1970W01, which must be of the years 1..9999. */
static inline void ucid_week_split(int32_t week, int *year, int *week_of_year)
{
    /* 400 years are 20871 weeks: the guess is at most one year off, and mostly right. */
    int guess = 1 + (int)((uint32_t)(week + 102737) * UINT64_C(400) / 20871);
    if (guess > 9999) guess = 9999;
    int32_t first = ucid_weeks_before(guess);
    if (week < first || week - first >= 52) {
        if (week < first) {
            guess--;
        } else if (guess < 9999 && ucid_weeks_before(guess + 1) <= week) {
            guess++;
        }
        first = ucid_weeks_before(guess);
    }
    *year = guess;
    *week_of_year = week - first + 1;
}
/* Day number since 1970-01-01 of a civil date. */
int64_t ucid_day_of_date(int year, int month, int day);
/* 1 where a number is a key. */
int ucid_hour_is_key(int32_t hour);
/* 1, and the parts, of a text YYYYWwwThh in range; a week 53 passes in every year. */
int ucid_time_split(ucid_text text, int *year, int *week, int *hour);
/* YYYYWwwThh of parts that are in range. */
static inline void ucid_time_write(int year, int week, int hour, char text[10])
{
    static const char digits[] = UCID_DIGITS_2("");
    unsigned y = (unsigned)year, century = y / 100;
    memcpy(text, digits + 2 * century, 2);
    memcpy(text + 2, digits + 2 * (y - 100 * century), 2);
    text[4] = 'W';
    memcpy(text + 5, digits + 2 * (unsigned)week, 2);
    text[7] = 'T';
    memcpy(text + 8, digits + 2 * (unsigned)hour, 2);
}

/* Zone of the bytes of a TZif file; name is for messages. */
ucid_status ucid_zone_read(const char *name, const void *file, size_t length, const ucid_allocator *allocator,
                           ucid_zone **zone, ucid_error *error);

#endif
