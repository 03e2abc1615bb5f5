/* What the page and the picture have in common: colours, grades, words, errors, and what counts as a place. */
#include "map.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Evenly spaced in OKLab (0.023 apart, lightness falling from 0.955 to 0.29), from the yellow of paper to ink. */
const uint32_t map_ramp[MAP_RAMP_STOPS] = {
    0xf7f1d0, 0xf4ecbc, 0xefe7aa, 0xe6e29b, 0xdbdd8f, 0xcdd987, 0xbdd583, 0xacd183, 0x9bcd84, 0x8ac987, 0x79c48b,
    0x68bf90, 0x58b994, 0x48b398, 0x39ac9c, 0x2aa59f, 0x1e9ea1, 0x1397a3, 0x0c8fa3, 0x0b87a3, 0x0f7fa3, 0x1576a1,
    0x1a6e9f, 0x1f659d, 0x235d9a, 0x265496, 0x294b92, 0x2a438d, 0x2b3a86, 0x2b327f, 0x2a2a76, 0x28236c, 0x261e61};
const double map_grade_breaks[MAP_GRADES] = {95, 85, 70, 55, 40, 0};
const char map_attribution[] = "© OpenStreetMap contributors";

const char *const map_status_codes[] = {
#define CODE(name, number, exit_code, python_class, meaning) #name,
    UCID_STATUS_LIST(CODE)
#undef CODE
};
const int map_status_count = sizeof map_status_codes / sizeof map_status_codes[0];

int map_is_place(const map_rows *rows, int64_t row)
{
    if (rows->score[row] == MAP_NULL16) return 0;
    if (rows->status[row] == MAP_NULL8) return 1;
    const char *code = map_status_codes[rows->status[row]];
    return strcmp(code, "OFF_NETWORK") != 0 && strcmp(code, "OUTSIDE_INDEX") != 0;
}

ucid_status map_fail(ucid_error *error, ucid_status status, const char *format, ...)
{
    if (error != NULL) {
        *error = (ucid_error){.status = status, .byte = -1, .row = -1};
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(error->message, sizeof error->message, format, arguments);
        va_end(arguments);
    }
    return status;
}
