/* text_write.c: the canonical text. Pieces are stored in whole words that may go some bytes too far: what follows
 * overwrites them, and what comes last is as long as its words. Numbers come from tables of their digits. */
#include "id/decimal.h"
#include "id/grammar.h"
#include "id/weeks.h"
#include "id/words.h"

#include <math.h>

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

/* Four bytes each: "0." to "180.", "000:" to "999:"; eight bytes each: "0.00:" to "1.00:". */
static const char wholes[] =
    TENS("", ".\0\0") TENS("1", ".\0") TENS("2", ".\0") TENS("3", ".\0") TENS("4", ".\0") TENS("5", ".\0")
    TENS("6", ".\0") TENS("7", ".\0") TENS("8", ".\0") TENS("9", ".\0") TENS("10", ".") TENS("11", ".") TENS("12", ".")
    TENS("13", ".") TENS("14", ".") TENS("15", ".") TENS("16", ".") TENS("17", ".") "180.";
static const char thousandths_texts[] =
    HUNDREDS("0", ":") HUNDREDS("1", ":") HUNDREDS("2", ":") HUNDREDS("3", ":") HUNDREDS("4", ":")
    HUNDREDS("5", ":") HUNDREDS("6", ":") HUNDREDS("7", ":") HUNDREDS("8", ":") HUNDREDS("9", ":");
static const char percents[] = HUNDREDS("0.", ":\0\0\0") "1.00:\0\0";
/* clang-format on */

static inline char *write_coordinate(char *text, double deg)
{
    uint32_t thousandths = ucid_decimal_round(deg, 1000);
    uint32_t whole = thousandths / 1000, rest = thousandths - whole * 1000;
    unsigned bytes = 2 + ((whole + 246) >> 8) + ((whole + 156) >> 8); /* one more from 10, and from 100 */
    *text = (char)('+' + 2 * (signbit(deg) != 0));                    /* '-' is the next but one */
    store8(text + 1, load4(wholes + 4 * whole) | (uint64_t)load4(thousandths_texts + 4 * rest) << 8 * bytes);
    return text + bytes + 5;
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

/* Up to the cell and its colon. */
static inline char *write_head(const ucid_parts *parts, char *text)
{
    store8(text, load8("UCID-V1:"));
    memcpy(text + 8, parts->city, 3);
    text[11] = ':';
    char *p = write_coordinate(text + 12, parts->lat_deg);
    p = write_coordinate(p, parts->lon_deg);
    unsigned two = parts->resolution > 9;
    *p = '1';
    p += two;
    *p = (char)('0' + parts->resolution - 10 * two);
    write_hex15(p + 1, ':', parts->cell);
    p[17] = ':';
    return p + 18;
}

static inline size_t write_end(const ucid_parts *parts, char *text, char *p)
{
    static const char grades[6][4] = {"F:", "D:", "C:", "B:", "A:", "A+:"};
    unsigned plus = parts->grade == UCID_GRADE_A_PLUS, bytes = 7 + plus;
    uint64_t word = load4(grades[parts->grade]) | load8(percents + 8 * ucid_decimal_round(parts->confidence, 100))
                                                      << 8 * (2 + plus);
    store4(p, (uint32_t)word);
    store4(p + bytes - 4, (uint32_t)(word >> 8 * (bytes - 4)));
    p += bytes;
    if (parts->flags_length > 0) memcpy(p, parts->flags, parts->flags_length);
    return (size_t)(p - text) + parts->flags_length;
}

size_t ucid_parts_write(const ucid_parts *parts, char *text)
{
    return write_end(parts, text, write_middle(parts, write_head(parts, text)));
}

size_t ucid_format(const ucid_fields *fields, char text[UCID_LENGTH_MAX + 1])
{
    ucid_parts parts;
    ucid_parts_of_fields(fields, &parts);
    char *p = write_head(&parts, text);
    size_t length = write_end(&parts, text, write_middle(&parts, p));
    text[length] = '\0';
    return length;
}
