/* text_read.c: UCID-V1:CITY:LAT:LON:RES:H3:TIME:CONTEXT:GRADE:CONF:FLAGS, found field by field and each read by itself:
 * all that the grammar allows, and what is wrong and where. Most texts never come here: text_usual.c takes them. */
#include "id/decimal.h"
#include "id/grammar.h"
#include "id/weeks.h"
#include "id/words.h"

typedef struct span {
    const char *at, *end;
} span;

/* Length of [A-Z0-9]* at the start, at most 17. */
static size_t word_length(const char *text, const char *end)
{
    size_t n = 0;
    while (n < 17 && text + n < end && (is_upper(text[n]) || is_digit(text[n]))) n++;
    return n;
}

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
    char first = s.at < s.end ? *s.at : '0'; /* signs are not guessed */
    int minus = first == '-', sign = minus | (first == '+');
    const char *bad;
    double value;
    size_t digits = (size_t)(s.end - s.at) - (size_t)sign;
    uint64_t wrong = 0, thousandths = digits - 5 < 3 ? read_thousandths(s.end, (unsigned)digits, &wrong) : 0;
    if (digits - 5 < 3 && wrong == 0) { /* three decimals */
        value = (double)thousandths / 1000.0;
    } else if (!ucid_decimal_parse(s.at + sign, s.end, &value, &bad))
        return bad;
    if (value > limit) return s.at;
    uint64_t bits;
    memcpy(&bits, &value, 8);
    bits |= (uint64_t)minus << 63;
    memcpy(deg, &bits, 8);
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

int ucid_cell_read(ucid_text text, uint64_t *cell)
{
    uint64_t bad = 0;
    if (text.length != 15) return 0;
    uint64_t read = read_hex15((words2){load8(text.data), load8(text.data + 7) >> 8}, &bad);
    if (bad != 0) return 0;
    *cell = read;
    return 1;
}

static const char *field_cell(span s, ucid_parts *parts)
{
    ucid_text text = {s.at, (size_t)(s.end - s.at)};
    if (ucid_cell_read(text, &parts->cell)) return NULL;
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
    int year, week, hour;
    if (ucid_time_split((ucid_text){t.at, (size_t)(t.end - t.at)}, &year, &week, &hour)) {
        parts->year = (int16_t)year;
        parts->week = (uint8_t)week;
        parts->hour = (uint8_t)hour;
        return NULL;
    }
    /* The first byte that does not fit the shape; or, where all do, the number that is out of range. */
    static const char shape[] = "0000W00T00";
    for (int i = 0; i < 10; i++) {
        const char *p = s.at + i;
        if (p >= s.end) return s.end;
        if (shape[i] == '0' ? !is_digit(*p) : *p != shape[i]) return p;
    }
    if (s.end - s.at > 10) return s.at + 10;
    if (memcmp(s.at, "0000", 4) == 0) return s.at;
    week = (s.at[5] - '0') * 10 + (s.at[6] - '0');
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
    static const char letters[] = "FDCBA";
    const char *letter = s.at[0] != '\0' ? strchr(letters, s.at[0]) : NULL;
    int plus = n > 1 && s.at[1] == '+';
    if (letter == NULL) return s.at;
    if (n > 1 + plus) return s.at + 1 + plus;
    if (plus && *letter != 'A') return s.at + 1;
    parts->grade = (uint8_t)(letter - letters + plus);
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

/* Bit k: byte at + k of a text is a colon; of 64 bytes or up to the end. The text has 16 bytes or more. */
static inline uint64_t find_colons(const char *text, size_t length, size_t at)
{
    uint64_t found = 0;
    if (at >= length) return 0;
    for (size_t k = at; k < at + 64 && k < length; k += 16) {
        size_t from = k + 16 <= length ? k : length - 16; /* the last ones shifted to their place */
        found |= (uint64_t)(bytes16_that_are(text + from, ':') >> (k - from)) << (k - at);
    }
    return found;
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
    char short_text[16] = {0};
    const char *from = text;
    if (length < 16) {
        memcpy(short_text, text, length);
        from = short_text;
    }
    for (size_t at = 0; at < length; at += 128) {
        size_t most = length < 16 ? 16 : length;
        uint64_t low = find_colons(from, most, at), high = find_colons(from, most, at + 64);
        while ((low | high) != 0) { /* without a guess of how many lie in which half */
            uint64_t none = low == 0, next = low | (high & (0 - none));
            p = text + at + 64 * none + (unsigned)__builtin_ctzll(next);
            high &= high - none;
            low &= low - 1;
            spans[n].end = p;
            if (++n == 11) {
                place->byte = (int32_t)(p - text);
                place->bytes = (int32_t)(end - p);
                return place->status = UCID_MALFORMED_STRING;
            }
            spans[n].at = p + 1;
        }
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

int ucid_parts_fit(const ucid_parts *parts)
{
    if (parts->flags_length <= UCID_FLAGS_FIT) return 1;
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
    if (n == 0 && !ucid_parts_fit(parts)) {
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
    if (ucid_parts_read_usual(text, length, parts)) return UCID_OK;
    return ucid_parts_read_odd(text, length, repaired, parts, place);
}

ucid_status ucid_parts_read_odd(const char *text, size_t length, int repaired, ucid_parts *parts, ucid_place *place)
{
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
