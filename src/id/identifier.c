/* identifier.c: one identifier at a time; grammar.c knows the text, cell.h the cells, city.c the codes. */
#include "id/cell.h"
#include "id/decimal.h"
#include "id/grammar.h"
#include "id/weeks.h"
#include "id/words.h"
#include "rt/digest.h"
#include "rt/error.h"

#include <math.h>
#include <string.h>

static ucid_status invalid(ucid_place *place, int field)
{
    place->field = field;
    place->byte = place->bytes = -1;
    return place->status = UCID_INVALID_FIELD;
}

/* Flags of values joined by ';', as parts have them. */
static int read_flags(const ucid_values *values, char joined[UCID_LENGTH_MAX], ucid_parts *parts)
{
    size_t length = 0;
    parts->flags = joined;
    for (size_t i = 0; i < values->flag_count; i++) {
        ucid_text flag = values->flags[i];
        if (flag.length == 0 || length + flag.length + 1 >= sizeof((ucid_fields *)NULL)->flags) return 0;
        if (length > 0) joined[length++] = ';';
        for (size_t j = 0; j < flag.length; j++) {
            char c = flag.data[j];
            if ((unsigned char)(c - 'A') > 25 && (unsigned char)(c - '0') > 9) return 0;
            joined[length++] = c;
        }
    }
    parts->flags_length = (uint8_t)length;
    return 1;
}

static double rounded(double deg) { return copysign(ucid_decimal_round(deg, 1000) / 1000.0, deg); }

/* context and flags: what parts point to. */
static ucid_status create(const ucid_values *values, unsigned mode, const ucid_registry *registry, ucid_parts *parts,
                          char context[16], char flags[UCID_LENGTH_MAX], ucid_place *place)
{
    uint64_t city = values->city.length == 3 ? upper_short(values->city.data, 3, 0) : 0;
    if (city == 0) return invalid(place, UCID_FIELD_CITY);
    if (!(fabs(values->lat_deg) <= 90.0)) return invalid(place, UCID_FIELD_LAT);
    if (!(fabs(values->lon_deg) <= 180.0)) return invalid(place, UCID_FIELD_LON);
    if (values->resolution < 0 || values->resolution > 15) return invalid(place, UCID_FIELD_RESOLUTION);
    if (values->cell != NULL && *values->cell >> 60 != 0) return invalid(place, UCID_FIELD_CELL);
    int year, week, hour;
    if (!ucid_time_split(values->time, &year, &week, &hour)) return invalid(place, UCID_FIELD_TIME);
    if (!upper_word(values->context.data, values->context.length, 1, 16, 1, context))
        return invalid(place, UCID_FIELD_CONTEXT);
    if (values->grade > UCID_GRADE_A_PLUS) return invalid(place, UCID_FIELD_GRADE);
    if (!(values->confidence >= 0.0 && values->confidence <= 1.0)) return invalid(place, UCID_FIELD_CONFIDENCE);
    if (!read_flags(values, flags, parts)) return invalid(place, UCID_FIELD_FLAGS);
    char letters[4];
    store4(letters, (uint32_t)city);
    memcpy(parts->city, letters, 3);
    parts->year = (int16_t)year;
    parts->week = (uint8_t)week;
    parts->hour = (uint8_t)hour;
    parts->lat_deg = values->lat_deg;
    parts->lon_deg = values->lon_deg;
    parts->confidence = values->confidence;
    parts->resolution = (uint8_t)values->resolution;
    parts->grade = values->grade;
    parts->context = context;
    parts->context_length = (uint8_t)values->context.length;
    parts->canonical = parts->rounded = 0;
    if (values->cell != NULL) {
        parts->cell = *values->cell;
    } else if (mode & UCID_SNAP) {
        parts->cell = ucid_cell_at(rounded(values->lat_deg), rounded(values->lon_deg), values->resolution);
    } else {
        parts->cell = ucid_cell_at(values->lat_deg, values->lon_deg, values->resolution);
    }
    if (!ucid_parts_fit(parts)) return invalid(place, UCID_FIELD_FLAGS);
    return mode & UCID_STRICT ? ucid_parts_check(parts, registry, place) : UCID_OK;
}

ucid_status ucid_create(const ucid_values *values, unsigned mode, const ucid_registry *registry, ucid_fields *fields,
                        ucid_error *error)
{
    ucid_parts parts;
    ucid_place place;
    char context[16], flags[UCID_LENGTH_MAX];
    if (create(values, mode, registry, &parts, context, flags, &place) != UCID_OK) {
        return ucid_place_explain(NULL, 0, &place, error);
    }
    ucid_fields_of_parts(&parts, fields);
    return UCID_OK;
}

ucid_status ucid_parse(ucid_text text, unsigned mode, const ucid_registry *registry, ucid_fields *fields,
                       ucid_error *error)
{
    ucid_parts parts;
    ucid_place place;
    ucid_status status = ucid_parts_read(text.data, text.length, 0, &parts, &place);
    if (status == UCID_OK && (mode & UCID_STRICT)) status = ucid_parts_check(&parts, registry, &place);
    if (status != UCID_OK) return ucid_place_explain(text.data, text.length, &place, error);
    ucid_fields_of_parts(&parts, fields);
    return UCID_OK;
}

/* Defects of the strict rules, one by one; a field that could not be read raises none. */
static int check_all(const ucid_parts *parts, const ucid_registry *registry, unsigned unread, ucid_place *places)
{
    int n = 0;
    ucid_text code = {parts->city, 3};
    unsigned cell_known = !(unread >> UCID_FIELD_CELL & 1);
    if (!(unread >> UCID_FIELD_CITY & 1) && ucid_city_get(registry, code, NULL, NULL) != UCID_OK) {
        places[n++] = (ucid_place){UCID_INVALID_CITY, UCID_FIELD_CITY, -1, -1};
    }
    if (cell_known && !ucid_cell_is_valid(parts->cell)) {
        places[n++] = (ucid_place){UCID_INVALID_H3, UCID_FIELD_CELL, -1, -1};
        cell_known = 0;
    }
    unsigned placed = !(unread >> UCID_FIELD_LAT & 1) && !(unread >> UCID_FIELD_LON & 1);
    if (cell_known && !(unread >> UCID_FIELD_RESOLUTION & 1) && (parts->cell >> 52 & 15) != parts->resolution) {
        places[n++] = (ucid_place){UCID_H3_MISMATCH, UCID_FIELD_RESOLUTION, -1, -1};
    } else if (cell_known && placed &&
               !ucid_cell_meets_box(parts->cell, rounded(parts->lat_deg), rounded(parts->lon_deg),
                                    UCID_CELL_PRINTED_HALF_DEG)) {
        places[n++] = (ucid_place){UCID_H3_MISMATCH, UCID_FIELD_CELL, -1, -1};
    }
    if (!(unread >> UCID_FIELD_TIME & 1) && parts->week == 53 && ucid_year_weeks(parts->year) == 52) {
        places[n++] = (ucid_place){UCID_INVALID_TIME, UCID_FIELD_TIME, -1, -1};
    }
    return n;
}

int ucid_validate(ucid_text text, const ucid_registry *registry, ucid_defect defects[UCID_DEFECTS_MAX])
{
    ucid_parts parts;
    ucid_place places[UCID_DEFECTS_MAX];
    int n = ucid_parts_read_all(text.data, text.length, &parts, places, UCID_DEFECTS_MAX);
    unsigned unread = 0;
    int readable = 1;
    for (int i = 0; i < n; i++) {
        unread |= 1u << places[i].field;
        readable &= places[i].status == UCID_FIELD_FORMAT && places[i].field > UCID_FIELD_VERSION;
    }
    if (readable) n += check_all(&parts, registry, unread, places + n);
    for (int i = 0; i < n; i++) {
        defects[i].status = places[i].status;
        defects[i].field = places[i].field;
        defects[i].byte = places[i].byte;
        defects[i].bytes = places[i].bytes;
        if (places[i].byte < 0) {
            ucid_field_find(text.data, text.length, places[i].field, &defects[i].byte, &defects[i].bytes);
        }
    }
    return n;
}

ucid_status ucid_defect_explain(ucid_text text, const ucid_defect *defect, ucid_error *error)
{
    ucid_place place = {defect->status, defect->field, defect->byte, defect->bytes};
    return ucid_place_explain(text.data, text.length, &place, error);
}

/* -------------------------------------------------------------------------------------------------- canonicalize -- */

static int is_ucid(const char *text)
{
    return (text[0] | 32) == 'u' && (text[1] | 32) == 'c' && (text[2] | 32) == 'i' && (text[3] | 32) == 'd';
}

static int is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* The n-th colon from p on, or end. */
static const char *find_colon(const char *p, const char *end, int n)
{
    for (; end - p >= 8; p += 8) {
        for (uint64_t colons = bytes_that_are(load8(p), ':'); colons != 0; colons &= colons - 1) {
            if (--n == 0) return p + (__builtin_ctzll(colons) >> 3);
        }
    }
    for (; p < end; p++) {
        if (*p == ':' && --n == 0) return p;
    }
    return end;
}

/* n bytes with the 26 letters from `first` in the other case; by sixteen, the last ones maybe twice. */
static void turn_case(const char *from, size_t n, char first, char *to)
{
    for (size_t at = 0; n >= 16 && at < n; at += 16) {
        bytes16 c;
        size_t start = at < n - 16 ? at : n - 16;
        memcpy(&c, from + start, 16);
        c ^= (bytes16)((c - (uint8_t)first) < 26) & 32;
        memcpy(to + start, &c, 16);
    }
    for (size_t i = 0; n < 16 && i < n; i++) {
        to[i] = (char)(from[i] ^ ((unsigned char)(from[i] - first) < 26 ? 32 : 0));
    }
}

/* text with its letters in the right case and its prefix complete, into out; returns its length. What is too long stays
 * too long, but is cut. *shift: how many bytes were put in before byte 5. Out is written, not read: a processor waits
 * for what it reads so soon after. */
static size_t repair(const char *text, size_t length, char out[UCID_REPAIRED_MAX], size_t *shift)
{
    if (length > UCID_LENGTH_MAX + 4) length = UCID_LENGTH_MAX + 4;
    size_t kept = 0;
    *shift = 0;
    if (length > 4 && text[4] == ':' && is_ucid(text)) {
        memcpy(out, "UCID-V1", 7);
        *shift = 3, kept = 4;
    }
    if (length == kept) return length + *shift;
    const char *end = text + length, *cell = find_colon(text + kept, end, 5), *stop = find_colon(cell, end, 2);
    turn_case(text + kept, length - kept, 'a', out + kept + *shift);
    turn_case(cell, (size_t)(stop - cell), 'A', out + *shift + (cell - text)); /* the cell alone is lower */
    return length + *shift;
}

void ucid_text_repair_begin(ucid_text text, ucid_repair *r)
{
    const char *start = text.data, *end = text.length > 0 ? start + text.length : start;
    while (start < end && is_blank(*start)) start++;
    while (start < end && is_blank(end[-1])) end--;
    r->text = start;
    r->length = (size_t)(end - start);
    r->before = (int32_t)(r->length > 0 ? start - text.data : 0);
    r->shift = 0;
    r->usual = ucid_parts_read_usual(start, r->length, &r->parts);
    if (r->usual) return; /* what can be read without a repair is its own repair */
    r->length = repair(start, r->length, r->repaired, &r->shift);
    r->text = r->repaired;
}

ucid_status ucid_text_repair_end(ucid_repair *r, char *canonical, size_t *length, ucid_place *place)
{
    ucid_parts *parts = &r->parts;
    if (!r->usual && ucid_parts_read(r->text, r->length, 1, parts, place) != UCID_OK) {
        int32_t shift = (int32_t)r->shift;
        if (place->byte >= 4) place->byte -= shift < place->byte - 4 ? shift : place->byte - 4;
        place->byte += r->before;
        return place->status;
    }
    if (parts->canonical) {
        memcpy(canonical, r->text, r->length);
        *length = r->length;
        return UCID_OK;
    }
    char flags[UCID_LENGTH_MAX];
    if (parts->flags_length > 0) {
        uint8_t count;
        parts->flags_length = (uint8_t)ucid_flags_sort(parts->flags, parts->flags_length, flags, &count);
        parts->flags = flags;
    }
    *length = ucid_parts_write(parts, canonical);
    return UCID_OK;
}

ucid_status ucid_canonicalize(ucid_text text, char canonical[UCID_LENGTH_MAX + 1], size_t *length, ucid_error *error)
{
    ucid_place place;
    ucid_repair row;
    size_t written = 0;
    ucid_text_repair_begin(text, &row);
    if (ucid_text_repair_end(&row, canonical, &written, &place) != UCID_OK) {
        return ucid_place_explain(text.data, text.length, &place, error);
    }
    canonical[written] = '\0';
    if (length != NULL) *length = written;
    return UCID_OK;
}

/* ----------------------------------------------------------------------------------------------- order and hash -- */

int ucid_compare(const ucid_fields *a, const ucid_fields *b)
{
    char one[UCID_LENGTH_MAX + 1], two[UCID_LENGTH_MAX + 1];
    ucid_format(a, one);
    ucid_format(b, two);
    return strcmp(one, two);
}

uint64_t ucid_hash(const ucid_fields *fields)
{
    char text[UCID_LENGTH_MAX + 1];
    size_t length = ucid_format(fields, text);
    return ucid_xxh3(text, length);
}

int ucid_grade_parse(ucid_text text)
{
    static const char *const grades[] = {"F", "D", "C", "B", "A", "A+"};
    for (int grade = 0; grade <= UCID_GRADE_A_PLUS; grade++) {
        if (strlen(grades[grade]) == text.length && memcmp(grades[grade], text.data, text.length) == 0) return grade;
    }
    return -1;
}
