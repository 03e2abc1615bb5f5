/* Time: the bytes as a key, as numbers for arithmetic, and as a zone file. A key that is read prints as it was; sums
 * and ranges give keys; shifting to UTC is undone by shifting back. */
#include "id/weeks.h"
#include "ucid.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An assertion in release builds too. */
static void require(int holds)
{
    if (!holds) abort();
}

static void require_key(int32_t hour)
{
    char text[UCID_TIME_LENGTH + 1];
    int32_t back;
    require(ucid_hour_is_key(hour) && ucid_time_format(hour, text) == 1);
    ucid_text written = {text, UCID_TIME_LENGTH};
    require(ucid_time_parse(written, &back, NULL) == UCID_OK && back == hour);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ucid_text text = {(const char *)data, size};
    int32_t hour, later, back;
    if (ucid_time_parse(text, &hour, NULL) == UCID_OK) {
        char written[UCID_TIME_LENGTH + 1];
        require(size == UCID_TIME_LENGTH && ucid_time_format(hour, written) == 1 && memcmp(written, data, size) == 0);
        require(ucid_time_from_seconds(ucid_time_to_seconds(hour), &back, NULL) == UCID_OK && back == hour);
    }
    struct {
        int64_t hours;
        int32_t first, last;
    } raw;
    if (size >= sizeof raw) {
        memcpy(&raw, data, sizeof raw);
        if (ucid_time_from_seconds(raw.hours, &hour, NULL) == UCID_OK) require_key(hour);
        if (ucid_time_add_hours(raw.first, raw.hours, &later, NULL) == UCID_OK) require_key(later);
        if (ucid_time_add_weeks(raw.first, raw.hours, &later, NULL) == UCID_OK) {
            require_key(later);
            require(ucid_time_add_weeks(later, -raw.hours, &back, NULL) == UCID_OK && back == raw.first);
        }
        int32_t few[16];
        int64_t count;
        int32_t first = raw.first % 100000 * 168 + (raw.first & 15), last = first + (raw.last & 0xFFF) * 24;
        if (ucid_time_range(first, last, raw.hours, few, 16, &count, NULL) == UCID_OK) {
            require(count >= (last >= first));
            for (int64_t i = 0; i < count && i < 16; i++) {
                require_key(few[i]);
                require(few[i] <= last + 167 && (i == 0 || few[i] > few[i - 1]));
            }
        }
    }
    ucid_zone *zone;
    if (ucid_zone_read("fuzz", data, size, NULL, &zone, NULL) == UCID_OK) {
        for (int64_t seconds = -4000000000; seconds < 8000000000; seconds += 999999937) {
            int32_t offset = ucid_zone_offset(zone, seconds);
            require(offset > -700000 && offset < 700000);
        }
        for (hour = -168 * 1000; hour < 168 * 5000; hour += 168 * 777) {
            require(ucid_time_to_utc(hour, zone, &later, NULL) == UCID_OK);
            require(ucid_time_from_utc(later, zone, &back, NULL) == UCID_OK && back == hour);
        }
        ucid_zone_close(zone);
    }
    return 0;
}
