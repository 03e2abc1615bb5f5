/* grammar.c: one text, UCID-V1:CITY:LAT:LON:RES:H3:TIME:CONTEXT:GRADE:CONF:FLAGS, read and written.
 *
 * Two readers share the rules of a field. read_usual takes the shape that nearly all texts have (three decimals, two
 * of the confidence, a short context, eight bytes at a time in 64-bit words) and gives up on anything else. read_any
 * finds the fields first and then reads each by itself: it takes all that the grammar allows, and it alone says what is
 * wrong and where. So the usual reader never decides that a text is bad. */
#include "id/grammar.h"

#include "id/cell.h"
#include "id/decimal.h"
#include "id/weeks.h"
#include "rt/error.h"

#include <math.h>
#include <string.h>

#define ONES 0x0101010101010101ull
#define HIGHS 0x8080808080808080ull

static inline uint64_t load8(const char *p)
{
    uint64_t word;
    memcpy(&word, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word; /* the first byte is the lowest */
}

static inline void store8(char *p, uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    memcpy(p, &word, 8);
}

static inline void store4(char *p, uint32_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap32(word);
#endif
    memcpy(p, &word, 4);
}

/* High bit of each byte below 128 that is at least `least`; bytes from 128 on are unspecified. */
static inline uint64_t at_least(uint64_t word, unsigned least) { return word + ONES * (128 - least); }

/* High bit of each byte that is an upper letter or a digit. */
static inline uint64_t letters_or_digits(uint64_t word)
{
    uint64_t low = word & ~HIGHS;
    uint64_t digit = at_least(low, '0') & ~at_least(low, '9' + 1),
             letter = at_least(low, 'A') & ~at_least(low, 'Z' + 1);
    return (digit | letter) & ~word & HIGHS;
}

static inline int is_upper(char c) { return (unsigned char)(c - 'A') <= 25; }
static inline int is_digit(char c) { return (unsigned char)(c - '0') <= 9; }

/* Eight lower hexadecimal digits; 1 and *value. */
static inline int hex8(uint64_t word, uint64_t *value)
{
    uint64_t low = word & ~HIGHS;
    uint64_t digit = at_least(low, '0') & ~at_least(low, '9' + 1),
             letter = at_least(low, 'a') & ~at_least(low, 'f' + 1);
    if (((digit | letter) & ~word & HIGHS) != HIGHS) return 0;
    uint64_t nibbles = (word & ONES * 15) + (word >> 6 & ONES) * 9;
    nibbles = __builtin_bswap64(nibbles);
    nibbles = (nibbles | nibbles >> 4) & 0x00FF00FF00FF00FF;
    nibbles = (nibbles | nibbles >> 8) & 0x0000FFFF0000FFFF;
    *value = (nibbles | nibbles >> 16) & 0xFFFFFFFF;
    return 1;
}

static inline int read_cell(const char *text, uint64_t *cell)
{
    uint64_t high, low;
    if (!hex8(load8(text), &high) || !hex8(load8(text + 7), &low)) return 0;
    *cell = high << 28 | (low & 0xFFFFFFF);
    return 1;
}

int ucid_cell_read(ucid_text text, uint64_t *cell) { return text.length == 15 && read_cell(text.data, cell); }

/* YYYYWwwThh. */
static inline int read_time(const char *text, ucid_parts *parts)
{
    uint64_t word = load8(text);
    if ((word & 0xFF0000FF00000000) != ((uint64_t)'T' << 56 | (uint64_t)'W' << 32)) return 0;
    word ^= (uint64_t)('T' ^ '0') << 56 | (uint64_t)('W' ^ '0') << 32;
    if ((word & ONES * 0xF0) != ONES * 0x30 || ((word + ONES * 6) & ONES * 0xF0) != ONES * 0x30) return 0;
    if (!is_digit(text[8]) || !is_digit(text[9])) return 0;
    word &= ONES * 15;
    uint64_t pairs = word * 10 + (word >> 8); /* bytes 0 and 2: the year's halves; 5: the week */
    unsigned year = (unsigned)(pairs & 0xFF) * 100 + (unsigned)(pairs >> 16 & 0xFF),
             week = (unsigned)(pairs >> 40 & 0xFF);
    unsigned hour = (unsigned)(text[8] - '0') * 10 + (unsigned)(text[9] - '0');
    if (year == 0 || week == 0 || week > 53 || hour > 23) return 0;
    parts->year = (int16_t)year;
    parts->week = (uint8_t)week;
    parts->hour = (uint8_t)hour;
    return 1;
}

/* Length of [A-Z0-9]* at the start, at most 17. */
static inline size_t word_length(const char *text, const char *end)
{
    size_t n = 0;
    while (n < 17 && text + n < end && (is_upper(text[n]) || is_digit(text[n]))) n++;
    return n;
}

static inline int grade_of(char letter, int plus)
{
    if (plus) return letter == 'A' ? UCID_GRADE_A_PLUS : -1;
    switch (letter) {
    case 'A': return UCID_GRADE_A;
    case 'B': return UCID_GRADE_B;
    case 'C': return UCID_GRADE_C;
    case 'D': return UCID_GRADE_D;
    case 'F': return UCID_GRADE_F;
    default: return -1;
    }
}

/* [+-]ddd.ddd: with an unsigned number of thousandths, and whether it is written in canonical form. */
static inline const char *read_usual_coordinate(const char *p, uint32_t limit, double *deg, unsigned *canonical)
{
    unsigned minus = *p == '-', sign = minus | (*p == '+');
    p += sign;
    uint64_t word = load8(p), dots = word ^ ONES * '.';
    dots = (dots - ONES) & ~dots & HIGHS; /* the lowest set byte is the first dot */
    if ((dots & 0x80808000) == 0 || (word & 0xFF) == '.') return NULL;
    unsigned whole = (unsigned)__builtin_ctzll(dots) >> 3; /* 1..3 */
    uint64_t pads = 0x303030ull >> (8 * whole);
    uint64_t digits = (word << (8 * (3 - whole)) & 0xFFFFFF) | pads | (word >> (8 * (whole + 1)) & 0xFFFFFF) << 24;
    const uint64_t all = 0x010101010101ull;
    if ((digits & all * 0xF0) != all * 0x30 || ((digits + all * 6) & all * 0xF0) != all * 0x30) return NULL;
    digits &= all * 15;
    uint64_t pairs = digits * 10 + (digits >> 8);
    uint32_t thousandths =
        (uint32_t)(pairs & 0xFF) * 10000 + (uint32_t)(pairs >> 16 & 0xFF) * 100 + (uint32_t)(pairs >> 32 & 0xFF);
    if (thousandths > limit || p[whole + 4] != ':') return NULL;
    *canonical &= sign & ((whole == 1) | ((word & 0xFF) != '0'));
    double value = (double)thousandths / 1000.0;
    *deg = minus ? -value : value;
    return p + whole + 5;
}

/* 1 where the text has the usual shape, and then parts are filled. */
static int read_usual(const char *text, size_t length, ucid_parts *parts)
{
    if (length < 58 || length > UCID_LENGTH_MAX) return 0; /* the shortest usual text, so that words stay inside */
    const char *end = text + length, *p;
    if (load8(text) != load8("UCID-V1:")) return 0;
    if (!is_upper(text[8]) || !is_upper(text[9]) || !is_upper(text[10]) || text[11] != ':') return 0;
    memcpy(parts->city, text + 8, 3);
    unsigned canonical = 1;
    if ((p = read_usual_coordinate(text + 12, 90000, &parts->lat_deg, &canonical)) == NULL) return 0;
    if ((p = read_usual_coordinate(p, 180000, &parts->lon_deg, &canonical)) == NULL) return 0;

    unsigned resolution = (unsigned char)p[0] - '0';
    if (resolution > 9) return 0;
    p++;
    if (*p != ':') {
        if (!is_digit(*p)) return 0;
        canonical &= resolution != 0;
        resolution = resolution * 10 + (unsigned)(*p++ - '0');
        if (resolution > 15 || *p != ':') return 0;
    }
    p++;
    parts->resolution = (uint8_t)resolution;
    if (end - p < 16 + 11 + 2 + 2 + 5) return 0;
    if (!read_cell(p, &parts->cell) || p[15] != ':') return 0;
    p += 16;
    if (!read_time(p, parts) || p[10] != ':') return 0;
    p += 11;

    uint64_t word = load8(p), stops = ~letters_or_digits(word) & HIGHS;
    size_t n = stops != 0 ? (size_t)__builtin_ctzll(stops) >> 3 : word_length(p, end);
    if (n == 0 || n > 16 || end - p < (ptrdiff_t)n + 8 || p[n] != ':') return 0;
    parts->context = p;
    parts->context_length = (uint8_t)n;
    p += n + 1;

    int plus = p[1] == '+', grade = grade_of(p[0], plus);
    if (grade < 0 || p[1 + plus] != ':') return 0;
    parts->grade = (uint8_t)grade;
    p += 2 + plus;

    if (end - p < 5 || p[1] != '.' || !is_digit(p[2]) || !is_digit(p[3]) || p[4] != ':') return 0;
    unsigned percent = (unsigned)(p[2] - '0') * 10 + (unsigned)(p[3] - '0');
    if (p[0] == '1') {
        if (percent != 0) return 0;
        percent = 100;
    } else if (p[0] != '0') {
        return 0;
    }
    parts->confidence = (double)percent / 100.0;
    p += 5;
    if (p != end) return 0; /* flags: read_any */
    parts->flags = p;
    parts->flags_length = 0;
    parts->canonical = (uint8_t)canonical;
    parts->rounded = 1;
    return 1;
}

/* ------------------------------------------------------------------------------------------------ field by field -- */

typedef struct span {
    const char *at, *end;
} span;

/* Each reader of a field returns NULL, or where the field breaks its rule. */

static const char *field_city(span s, ucid_parts *parts)
{
    for (int i = 0; i < 3; i++) {
        if (s.at + i == s.end || !is_upper(s.at[i])) return s.at + i;
        parts->city[i] = s.at[i];
    }
    return s.end - s.at == 3 ? NULL : s.at + 3;
}

static const char *field_degrees(span s, double limit, double *deg)
{
    int minus = s.at < s.end && *s.at == '-', sign = minus || (s.at < s.end && *s.at == '+');
    const char *bad;
    double value;
    if (!ucid_decimal_parse(s.at + sign, s.end, &value, &bad)) return bad;
    if (value > limit) return s.at;
    *deg = minus ? -value : value;
    return NULL;
}

static const char *field_resolution(span s, ucid_parts *parts)
{
    int value = 0;
    const char *p = s.at;
    for (; p < s.end && p - s.at < 2 && is_digit(*p); p++) value = value * 10 + (*p - '0');
    if (p == s.at || p < s.end) return p;
    parts->resolution = (uint8_t)value;
    return value <= 15 ? NULL : s.at;
}

static const char *field_cell(span s, ucid_parts *parts)
{
    if (s.end - s.at == 15 && read_cell(s.at, &parts->cell)) return NULL;
    const char *p = s.at;
    while (p < s.end && p - s.at < 15 && (is_digit(*p) || (unsigned char)(*p - 'a') <= 5)) p++;
    return p;
}

static const char *field_time(span s, int repaired, ucid_parts *parts)
{
    char padded[10];
    span t = s;
    if (repaired) {
        /* YYYY W d{1,2} T d{1,2}, to be padded. */
        const char *p = s.at;
        int n = 0;
        while (n < 5 && p < s.end) padded[n++] = *p++;
        int two = s.end - p > 1 && p[1] != 'T';
        padded[n++] = two ? *p++ : '0';
        if (p < s.end) padded[n++] = *p++;
        if (p < s.end) padded[n++] = *p++;
        two = s.end - p > 1;
        padded[n++] = two ? *p++ : '0';
        if (n == 9 && s.end - p == 1) {
            padded[n++] = *p++;
            t.at = padded;
            t.end = padded + 10;
        }
    }
    if (t.end - t.at == 10 && read_time(t.at, parts)) return NULL;
    /* The first byte that does not fit the shape; or, where all do, the number that is out of range. */
    static const char shape[] = "0000W00T00";
    for (int i = 0; i < 10; i++) {
        const char *p = s.at + i;
        if (p >= s.end) return s.end;
        if (shape[i] == '0' ? !is_digit(*p) : *p != shape[i]) return p;
    }
    if (s.end - s.at > 10) return s.at + 10;
    if (memcmp(s.at, "0000", 4) == 0) return s.at;
    unsigned week = (unsigned)(s.at[5] - '0') * 10 + (unsigned)(s.at[6] - '0');
    return s.at + (week == 0 || week > 53 ? 5 : 8);
}

static const char *field_context(span s, ucid_parts *parts)
{
    size_t n = word_length(s.at, s.end);
    if (n == 0) return s.at;
    if (n > 16) return s.at + 16;
    parts->context = s.at;
    parts->context_length = (uint8_t)n;
    return s.at + n == s.end ? NULL : s.at + n;
}

static const char *field_grade(span s, ucid_parts *parts)
{
    ptrdiff_t n = s.end - s.at;
    if (n == 0) return s.at;
    int plus = n > 1 && s.at[1] == '+', grade = grade_of(s.at[0], 0);
    if (grade < 0) return s.at;
    if (n > 1 + plus) return s.at + 1 + plus;
    grade = grade_of(s.at[0], plus);
    if (grade < 0) return s.at + 1;
    parts->grade = (uint8_t)grade;
    return NULL;
}

static const char *field_confidence(span s, ucid_parts *parts)
{
    if (s.at == s.end || (*s.at != '0' && *s.at != '1')) return s.at;
    if (s.end - s.at > 1 && s.at[1] != '.') return s.at + 1;
    const char *bad;
    if (!ucid_decimal_parse(s.at, s.end, &parts->confidence, &bad)) return bad;
    if (*s.at == '1') {
        for (ptrdiff_t i = 2; i < s.end - s.at; i++) {
            if (s.at[i] != '0') return s.at + i;
        }
    }
    return NULL;
}

static const char *field_flags(span s, ucid_parts *parts)
{
    for (const char *p = s.at; p < s.end; p++) {
        if (!is_upper(*p) && !is_digit(*p) && *p != ';') return p;
    }
    parts->flags = s.at;
    parts->flags_length = (uint8_t)(s.end - s.at);
    return NULL;
}

/* Prefix, version, length, number of fields: spans [11] of the fields from the version on, the flags maybe missing. */
static ucid_status find_fields(const char *text, size_t length, span spans[11], ucid_place *place)
{
    static const char prefix[] = "UCID-V";
    const char *end = text + length, *p = text;
    place->field = UCID_FIELD_NONE;
    place->bytes = (int32_t)(length < INT32_MAX ? length : INT32_MAX);
    for (size_t i = 0; i < 6; i++) {
        if (i == length || text[i] != prefix[i]) {
            place->byte = (int32_t)i;
            place->bytes -= (int32_t)i;
            return place->status = UCID_INVALID_PREFIX;
        }
    }
    p += 6;
    while (p < end && is_digit(*p)) p++;
    if (p == text + 6 || text[6] == '0' || (p < end && *p != ':')) {
        size_t at = p == text + 6 || text[6] == '0' ? 6 : (size_t)(p - text);
        place->field = UCID_FIELD_VERSION;
        place->byte = (int32_t)(at < INT32_MAX ? at : INT32_MAX);
        place->bytes = at < length && at < INT32_MAX;
        return place->status = UCID_FIELD_FORMAT;
    }
    if (p != text + 7 || text[6] != '1') {
        place->field = UCID_FIELD_VERSION;
        place->byte = 6;
        place->bytes = (int32_t)(p - text - 6 < INT32_MAX ? p - text - 6 : INT32_MAX);
        return place->status = UCID_UNSUPPORTED_VERSION;
    }
    place->byte = 0;
    if (length > UCID_LENGTH_MAX) {
        place->byte = UCID_LENGTH_MAX;
        place->bytes -= UCID_LENGTH_MAX;
        return place->status = UCID_MALFORMED_STRING;
    }
    int n = 0;
    spans[0].at = text;
    for (p = text; p < end; p++) {
        if (*p != ':') continue;
        spans[n].end = p;
        if (++n == 11) {
            place->byte = (int32_t)(p - text);
            place->bytes = (int32_t)(end - p);
            return place->status = UCID_MALFORMED_STRING;
        }
        spans[n].at = p + 1;
    }
    spans[n++].end = end;
    if (n < 10) {
        place->byte = (int32_t)length;
        place->bytes = 0;
        return place->status = UCID_MALFORMED_STRING;
    }
    if (n == 10) spans[10].at = spans[10].end = end;
    return UCID_OK;
}

static const char *read_field(int field, span s, int repaired, ucid_parts *parts)
{
    switch (field) {
    case UCID_FIELD_CITY: return field_city(s, parts);
    case UCID_FIELD_LAT: return field_degrees(s, 90.0, &parts->lat_deg);
    case UCID_FIELD_LON: return field_degrees(s, 180.0, &parts->lon_deg);
    case UCID_FIELD_RESOLUTION: return field_resolution(s, parts);
    case UCID_FIELD_CELL: return field_cell(s, parts);
    case UCID_FIELD_TIME: return field_time(s, repaired, parts);
    case UCID_FIELD_CONTEXT: return field_context(s, parts);
    case UCID_FIELD_GRADE: return field_grade(s, parts);
    case UCID_FIELD_CONFIDENCE: return field_confidence(s, parts);
    default: return field_flags(s, parts);
    }
}

/* Length of the canonical form, where it may pass the limit. */
static int canonical_fits(const ucid_parts *parts)
{
    if (parts->flags_length <= UCID_LENGTH_MAX - 84) return 1;
    char text[512], flags[UCID_LENGTH_MAX];
    ucid_parts sorted = *parts;
    uint8_t count;
    sorted.flags = flags;
    sorted.flags_length = (uint8_t)ucid_flags_sort(parts->flags, parts->flags_length, flags, &count);
    return ucid_parts_write(&sorted, text) <= UCID_LENGTH_MAX;
}

static int read_any(const char *text, size_t length, int repaired, ucid_parts *parts, ucid_place *places, int capacity)
{
    span spans[11];
    int n = 0;
    if (find_fields(text, length, spans, &places[0]) != UCID_OK) return 1;
    parts->canonical = parts->rounded = 0;
    for (int field = UCID_FIELD_CITY; field <= UCID_FIELD_FLAGS && n < capacity; field++) {
        span s = spans[field - 1];
        const char *bad = read_field(field, s, repaired, parts);
        if (bad == NULL) continue;
        places[n].status = UCID_FIELD_FORMAT;
        places[n].field = field;
        places[n].byte = (int32_t)(bad - text);
        places[n++].bytes = bad < s.end ? (int32_t)(s.end - bad) : 0;
    }
    if (n == 0 && !canonical_fits(parts)) {
        places[0].status = UCID_MALFORMED_STRING;
        places[0].field = UCID_FIELD_FLAGS;
        places[0].byte = (int32_t)(spans[10].at - text);
        places[0].bytes = (int32_t)(spans[10].end - spans[10].at);
        n = 1;
    }
    return n;
}

ucid_status ucid_parts_read(const char *text, size_t length, int repaired, ucid_parts *parts, ucid_place *place)
{
    if (read_usual(text, length, parts)) return UCID_OK;
    return read_any(text, length, repaired, parts, place, 1) == 0 ? UCID_OK : place->status;
}

int ucid_parts_read_all(const char *text, size_t length, ucid_parts *parts, ucid_place *places, int capacity)
{
    return read_any(text, length, 0, parts, places, capacity);
}

void ucid_field_find(const char *text, size_t length, int field, int32_t *byte, int32_t *bytes)
{
    span spans[11];
    ucid_place place;
    *byte = 0;
    *bytes = (int32_t)(length < INT32_MAX ? length : INT32_MAX);
    if (field == UCID_FIELD_NONE || find_fields(text, length, spans, &place) != UCID_OK) return;
    *byte = (int32_t)(spans[field - 1].at - text);
    *bytes = (int32_t)(spans[field - 1].end - spans[field - 1].at);
}

/* -------------------------------------------------------------------------------------------------- strict rules -- */

static ucid_status broken(ucid_place *place, ucid_status status, int field)
{
    place->status = status;
    place->field = field;
    place->byte = place->bytes = -1;
    return status;
}

ucid_status ucid_parts_check_alone(const ucid_parts *parts, const ucid_registry *registry, ucid_place *place)
{
    ucid_text code = {parts->city, 3};
    if (ucid_city_get(registry, code, NULL, NULL) != UCID_OK) return broken(place, UCID_INVALID_CITY, UCID_FIELD_CITY);
    if (!ucid_cell_is_valid(parts->cell)) return broken(place, UCID_INVALID_H3, UCID_FIELD_CELL);
    if ((parts->cell >> 52 & 15) != parts->resolution) {
        return broken(place, UCID_H3_MISMATCH, UCID_FIELD_RESOLUTION);
    }
    if (parts->week == 53 && ucid_year_weeks(parts->year) == 52) {
        return broken(place, UCID_INVALID_TIME, UCID_FIELD_TIME);
    }
    return UCID_OK;
}

static double rounded(double deg) { return copysign(ucid_decimal_round(deg, 1000) / 1000.0, deg); }

ucid_status ucid_parts_check(const ucid_parts *parts, const ucid_registry *registry, ucid_place *place)
{
    ucid_status status = ucid_parts_check_alone(parts, registry, place);
    if (status != UCID_OK && status != UCID_INVALID_TIME) return status;
    if (!ucid_cell_meets_box(parts->cell, rounded(parts->lat_deg), rounded(parts->lon_deg),
                             UCID_CELL_PRINTED_HALF_DEG)) {
        return broken(place, UCID_H3_MISMATCH, UCID_FIELD_CELL);
    }
    return status;
}

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

/* Pieces are stored in words that may go some bytes too far: what follows overwrites them, and the confidence, which
 * comes last, is as long as its words. */

static const char digits_3[] = UCID_DIGITS_3;
static const char digits_2[] = UCID_DIGITS_2("");

/* Three digits as text, first digit lowest; the highest byte is anything. */
static inline uint32_t digits3(uint32_t value)
{
    uint32_t word;
    memcpy(&word, digits_3 + 3 * value, 4);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap32(word);
#endif
    return word;
}

static inline char *write_coordinate(char *text, double deg)
{
    uint32_t thousandths = ucid_decimal_round(deg, 1000);
    uint32_t whole = thousandths / 1000, rest = thousandths - whole * 1000;
    unsigned width = 1u + (whole >= 10) + (whole >= 100);
    *text = (char)('+' + 2 * (signbit(deg) != 0)); /* '-' is the next but one */
    store4(text + 1, digits3(whole) >> (8 * (3 - width)));
    text += 1 + width;
    store4(text, digits3(rest) << 8 | (uint32_t)'.');
    text[4] = ':';
    return text + 5;
}

static inline uint64_t hex_text8(uint64_t value)
{
    value = (value | value << 16) & 0x0000FFFF0000FFFF;
    value = (value | value << 8) & 0x00FF00FF00FF00FF;
    value = (value | value << 4) & ONES * 15;
    uint64_t letters = (value + ONES * 6) >> 4 & ONES;
    return __builtin_bswap64(value + ONES * '0' + letters * ('a' - '0' - 10));
}

static inline char *write_cell(char *text, uint64_t cell)
{
    store8(text, hex_text8(cell >> 28 & 0xFFFFFFFF));
    store8(text + 7, hex_text8(cell & 0xFFFFFFFF));
    return text + 15;
}

static inline char *write_confidence(char *text, double confidence)
{
    uint32_t percent = ucid_decimal_round(confidence, 100), whole = percent == 100;
    text[0] = (char)('0' + whole);
    text[1] = '.';
    memcpy(text + 2, digits_2 + 2 * (percent - 100 * whole), 2);
    text[4] = ':';
    return text + 5;
}

static inline char *write_grade(char *text, uint8_t grade)
{
    static const char texts[6][4] = {"F:", "D:", "C:", "B:", "A:", "A+:"};
    memcpy(text, texts[grade], 4);
    return text + 2 + (grade == UCID_GRADE_A_PLUS);
}

/* n <= 32 bytes without a call: two pieces that may overlap. */
static inline void copy_short(char *to, const char *from, size_t n)
{
    if (n >= 16) {
        memcpy(to, from, 16);
        memcpy(to + n - 16, from + n - 16, 16);
    } else if (n >= 8) {
        memcpy(to, from, 8);
        memcpy(to + n - 8, from + n - 8, 8);
    } else if (n >= 4) {
        memcpy(to, from, 4);
        memcpy(to + n - 4, from + n - 4, 4);
    } else {
        for (size_t i = 0; i < n; i++) to[i] = from[i];
    }
}

size_t ucid_middle_write(const ucid_parts *parts, char *text)
{
    text[0] = ':';
    ucid_time_write(parts->year, parts->week, parts->hour, text + 1);
    text[11] = ':';
    copy_short(text + 12, parts->context, parts->context_length);
    text[12 + parts->context_length] = ':';
    return 13 + (size_t)parts->context_length;
}

/* Up to the cell. */
static inline char *write_head(const ucid_parts *parts, char *text)
{
    store8(text, load8("UCID-V1:"));
    text[8] = parts->city[0];
    text[9] = parts->city[1];
    text[10] = parts->city[2];
    text[11] = ':';
    char *p = write_coordinate(text + 12, parts->lat_deg);
    p = write_coordinate(p, parts->lon_deg);
    unsigned two = parts->resolution > 9;
    *p = '1';
    p += two;
    p[0] = (char)('0' + parts->resolution - 10 * two);
    p[1] = ':';
    return write_cell(p + 2, parts->cell);
}

static inline size_t write_end(const ucid_parts *parts, char *text, char *p)
{
    p = write_grade(p, parts->grade);
    p = write_confidence(p, parts->confidence);
    if (parts->flags_length > 0) memcpy(p, parts->flags, parts->flags_length);
    return (size_t)(p - text) + parts->flags_length;
}

size_t ucid_parts_write(const ucid_parts *parts, char *text)
{
    char *p = write_head(parts, text);
    return write_end(parts, text, p + ucid_middle_write(parts, p));
}

size_t ucid_parts_write_around(const ucid_parts *parts, const char *middle, size_t length, char *text)
{
    char *p = write_head(parts, text);
    copy_short(p, middle, length);
    return write_end(parts, text, p + length);
}

void ucid_parts_of_fields(const ucid_fields *fields, ucid_parts *parts)
{
    parts->lat_deg = fields->lat_deg;
    parts->lon_deg = fields->lon_deg;
    parts->confidence = fields->confidence;
    parts->cell = fields->cell;
    parts->year = fields->year;
    parts->week = fields->week;
    parts->hour = fields->hour;
    parts->resolution = fields->resolution;
    parts->grade = fields->grade;
    memcpy(parts->city, fields->city, 3);
    parts->context = fields->context;
    parts->context_length = (uint8_t)strlen(fields->context);
    parts->flags = fields->flags;
    parts->flags_length = fields->flags[0] != '\0' ? (uint8_t)strlen(fields->flags) : 0;
    parts->canonical = parts->rounded = 0;
}

void ucid_fields_of_parts(const ucid_parts *parts, ucid_fields *fields)
{
    fields->lat_deg = parts->lat_deg;
    fields->lon_deg = parts->lon_deg;
    fields->confidence = parts->confidence;
    fields->cell = parts->cell;
    fields->year = parts->year;
    fields->week = parts->week;
    fields->hour = parts->hour;
    fields->resolution = parts->resolution;
    fields->grade = parts->grade;
    memcpy(fields->city, parts->city, 3);
    fields->city[3] = '\0';
    memcpy(fields->context, parts->context, parts->context_length);
    fields->context[parts->context_length] = '\0';
    fields->flag_count = 0;
    size_t n = 0;
    if (parts->flags_length > 0)
        n = ucid_flags_sort(parts->flags, parts->flags_length, fields->flags, &fields->flag_count);
    fields->flags[n] = '\0';
}

/* ------------------------------------------------------------------------------------------------------ messages -- */

const char *ucid_field_name(int field)
{
    static const char *const names[] = {"",         "version",   "city",    "lat",   "lon",        "h3_res",
                                        "h3_index", "timestamp", "context", "grade", "confidence", "flags"};
    return field >= 0 && field <= UCID_FIELD_FLAGS ? names[field] : "";
}

static const char *field_rule(int field)
{
    static const char *const rules[] = {"",
                                        "a number without leading zero, after UCID-V",
                                        "three letters A-Z",
                                        "degrees from -90 to 90 with at most 15 decimals, as +41.015",
                                        "degrees from -180 to 180 with at most 15 decimals, as +28.979",
                                        "a resolution from 0 to 15",
                                        "15 digits of 0-9 a-f",
                                        "YYYYWwwThh with a week 01-53 and an hour 00-23, as 2026W01T12",
                                        "1 to 16 characters A-Z 0-9",
                                        "A+, A, B, C, D or F",
                                        "a number from 0 to 1 with at most 15 decimals, as 0.95",
                                        "words of A-Z 0-9 joined by ;, and the whole at most 255 bytes"};
    return rules[field];
}

ucid_status ucid_place_explain(const char *text, size_t length, const ucid_place *place, ucid_error *error)
{
    if (error == NULL) return place->status;
    const char *name = ucid_field_name(place->field);
    switch (place->status) {
    case UCID_INVALID_PREFIX: ucid_fail(error, UCID_INVALID_PREFIX, "an identifier starts with UCID-V1:"); break;
    case UCID_UNSUPPORTED_VERSION: ucid_fail(error, UCID_UNSUPPORTED_VERSION, "version: only V1 is known"); break;
    case UCID_MALFORMED_STRING:
        if (length > UCID_LENGTH_MAX) {
            ucid_fail(error, UCID_MALFORMED_STRING, "%zu bytes: an identifier has at most 255", length);
        } else if (place->field == UCID_FIELD_FLAGS) {
            ucid_fail(error, UCID_MALFORMED_STRING, "the canonical form would have more than 255 bytes");
        } else {
            ucid_fail(error, UCID_MALFORMED_STRING, "an identifier has 11 fields, joined by :");
        }
        break;
    case UCID_FIELD_FORMAT:
    case UCID_INVALID_FIELD: ucid_fail(error, place->status, "%s: needs %s", name, field_rule(place->field)); break;
    case UCID_INVALID_CITY: ucid_fail(error, UCID_INVALID_CITY, "city: the code is not in the registry"); break;
    case UCID_INVALID_H3: ucid_fail(error, UCID_INVALID_H3, "h3_index: not a valid H3 cell"); break;
    case UCID_H3_MISMATCH:
        if (place->field == UCID_FIELD_RESOLUTION) {
            ucid_fail(error, UCID_H3_MISMATCH, "h3_res: the cell is of another resolution");
        } else {
            ucid_fail(error, UCID_H3_MISMATCH, "h3_index: no place that prints as these coordinates is in the cell");
        }
        break;
    default: ucid_fail(error, place->status, "%s: %s", name, ucid_status_meaning(place->status)); break;
    }
    error->field = place->field;
    error->byte = place->byte;
    int32_t bytes;
    if (place->byte < 0 && text != NULL) ucid_field_find(text, length, place->field, &error->byte, &bytes);
    return place->status;
}
