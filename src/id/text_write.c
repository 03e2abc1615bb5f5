/* text_write.c: the canonical text. Pieces are stored in whole words that may go some bytes too far: what follows
 * overwrites them, and what comes last is as long as its words. Numbers come from tables of their digits. */
#include "id/decimal.h"
#include "id/grammar.h"
#include "id/weeks.h"
#include "id/words.h"

/* --------------------------------------------------------------------------------------------------------- flags -- */

size_t ucid_flags_sort(const char *flags, size_t length, char *out, uint8_t *count)
{
    struct {
        uint8_t at, bytes;
    } member[UCID_LENGTH_MAX / 2 + 1];
    size_t n = 0;
    for (size_t at = 0; at < length;) {
        const char *stop = memchr(flags + at, ';', length - at);
        size_t bytes = stop != NULL ? (size_t)(stop - flags) - at : length - at;
        size_t to = n;
        int order = 1;
        while (to > 0) { /* insertion: texts hold a few flags, mostly in order */
            size_t other = member[to - 1].bytes, shared = bytes < other ? bytes : other;
            order = memcmp(flags + at, flags + member[to - 1].at, shared);
            if (order == 0) order = (bytes > other) - (bytes < other);
            if (order >= 0) break;
            to--;
        }
        if (bytes > 0 && (to == 0 || order != 0)) {
            memmove(member + to + 1, member + to, (n - to) * sizeof *member);
            member[to].at = (uint8_t)at;
            member[to].bytes = (uint8_t)bytes;
            n++;
        }
        at += bytes + 1;
    }
    char *p = out;
    for (size_t i = 0; i < n; i++) {
        if (i > 0) *p++ = ';';
        memcpy(p, flags + member[i].at, member[i].bytes);
        p += member[i].bytes;
    }
    *count = (uint8_t)n;
    return (size_t)(p - out);
}

/* ------------------------------------------------------------------------------------------------------- writing -- */

/* clang-format off */
#define TENS(head, tail) \
    head "0" tail head "1" tail head "2" tail head "3" tail head "4" tail head "5" tail head "6" tail head "7" tail \
    head "8" tail head "9" tail
#define HUNDREDS(head, tail) \
    TENS(head "0", tail) TENS(head "1", tail) TENS(head "2", tail) TENS(head "3", tail) TENS(head "4", tail) \
    TENS(head "5", tail) TENS(head "6", tail) TENS(head "7", tail) TENS(head "8", tail) TENS(head "9", tail)

/* Eight bytes each: "0." to "180." and, in the last one, how many bits that takes; "0.00:" to "1.00:". Four bytes each:
 * "000:" to "999:". */
static const char wholes[] =
    TENS("", ".\0\0\0\0\0\20") TENS("1", ".\0\0\0\0\30") TENS("2", ".\0\0\0\0\30") TENS("3", ".\0\0\0\0\30")
    TENS("4", ".\0\0\0\0\30") TENS("5", ".\0\0\0\0\30") TENS("6", ".\0\0\0\0\30") TENS("7", ".\0\0\0\0\30")
    TENS("8", ".\0\0\0\0\30") TENS("9", ".\0\0\0\0\30") TENS("10", ".\0\0\0\40") TENS("11", ".\0\0\0\40")
    TENS("12", ".\0\0\0\40") TENS("13", ".\0\0\0\40") TENS("14", ".\0\0\0\40") TENS("15", ".\0\0\0\40")
    TENS("16", ".\0\0\0\40") TENS("17", ".\0\0\0\40") "180.\0\0\0\40";
static const char thousandths_texts[] =
    HUNDREDS("0", ":") HUNDREDS("1", ":") HUNDREDS("2", ":") HUNDREDS("3", ":") HUNDREDS("4", ":")
    HUNDREDS("5", ":") HUNDREDS("6", ":") HUNDREDS("7", ":") HUNDREDS("8", ":") HUNDREDS("9", ":");
static const char percents[] = HUNDREDS("0.", ":\0\0\0") "1.00:\0\0";
/* clang-format on */

static inline char *write_coordinate(char *text, uint32_t thousandths, uint64_t minus)
{
    uint32_t whole = thousandths / 1000, rest = thousandths - whole * 1000;
    uint64_t word = load8(wholes + 8 * whole), bits = word >> 56;
    *text = (char)('+' + 2 * minus); /* '-' is the next but one */
    store8(text + 1, (uint32_t)word | (uint64_t)load4(thousandths_texts + 4 * rest) << bits);
    return text + 5 + (bits >> 3);
}

static inline char *write_coordinates(char *text, double lat_deg, double lon_deg)
{
    words2 minus, thousandths = ucid_decimal_round_both(lat_deg, lon_deg, &minus);
    text = write_coordinate(text, (uint32_t)thousandths[0], minus[0]);
    return write_coordinate(text, (uint32_t)thousandths[1], minus[1]);
}

/* "2026W01T12:15MIN:" */
static inline char *write_middle(const ucid_parts *parts, char *text)
{
    ucid_time_write(parts->year, parts->week, parts->hour, text);
    text[10] = ':';
    copy_short(text + 11, parts->context, parts->context_length);
    text[11 + parts->context_length] = ':';
    return text + 12 + parts->context_length;
}

size_t ucid_middle_write(const ucid_parts *parts, char *text) { return (size_t)(write_middle(parts, text) - text); }

/* Up to the coordinates; the letters of the city are the lowest bytes. */
static inline char *write_head(uint32_t city, char *text)
{
    store8(text, load8("UCID-V1:"));
    store4(text + 8, (city & 0xFFFFFF) | (uint32_t)':' << 24);
    return text + 12;
}

static inline char *write_cell(char *text, uint8_t resolution, uint64_t cell)
{
    if (resolution > 9) { /* guessed, since a table has one */
        *text++ = '1';
        resolution = (uint8_t)(resolution - 10);
    }
    *text = (char)('0' + resolution);
    write_hex15(text + 1, ':', cell);
    text[17] = ':';
    return text + 18;
}

/* "A+:0.95:", seven or eight bytes. */
static inline uint64_t end_text(uint8_t grade, uint32_t percent, unsigned *bytes)
{
    static const char grades[6][8] = {"F:\0\0\0\0\0\20", "D:\0\0\0\0\0\20", "C:\0\0\0\0\0\20",
                                      "B:\0\0\0\0\0\20", "A:\0\0\0\0\0\20", "A+:\0\0\0\0\30"};
    uint64_t word = load8(grades[grade]), bits = word >> 56;
    *bytes = 5 + (unsigned)(bits >> 3);
    return (uint32_t)word | load8(percents + 8 * percent) << bits;
}

size_t ucid_parts_write(const ucid_parts *parts, char *text)
{
    char *p = write_coordinates(write_head((uint32_t)load_short(parts->city, 3), text), parts->lat_deg, parts->lon_deg);
    p = write_middle(parts, write_cell(p, parts->resolution, parts->cell));
    unsigned bytes;
    uint64_t word = end_text(parts->grade, ucid_decimal_round(parts->confidence, 100), &bytes);
    store4(p, (uint32_t)word);
    store4(p + bytes - 4, (uint32_t)(word >> 8 * (bytes - 4)));
    p += bytes;
    if (parts->flags_length > 0) memcpy(p, parts->flags, parts->flags_length);
    return (size_t)(p - text) + parts->flags_length;
}

__attribute__((noinline, cold)) static size_t format_flags(const char *flags, char *text, size_t at)
{
    size_t length = strlen(flags);
    memcpy(text + at, flags, length + 1);
    return at + length;
}

/* The same; the room for the longest text lets whole words and fields be copied. */
size_t ucid_format(const ucid_fields *fields, char text[UCID_LENGTH_MAX + 1])
{
    uint32_t percent = ucid_decimal_round(fields->confidence, 100);
    char *p = write_coordinates(write_head(load4(fields->city), text), fields->lat_deg, fields->lon_deg);
    p = write_cell(p, fields->resolution, fields->cell);
    ucid_time_write(fields->year, fields->week, fields->hour, p);
    p[10] = ':';
    memcpy(p + 11, fields->context, 16);
    p += 11 + ucid_context_length(fields->context);
    *p = ':';
    unsigned bytes;
    store8(p + 1, end_text(fields->grade, percent, &bytes));
    p += 1 + bytes;
    *p = '\0';
    size_t length = (size_t)(p - text);
    return __builtin_expect(fields->flags[0] == '\0', 1) ? length : format_flags(fields->flags, text, length);
}
