/* binary.c: the 31-byte form, put and taken in little-endian words. */
#include "id/cell.h"
#include "id/decimal.h"
#include "id/grammar.h"
#include "id/weeks.h"
#include "id/words.h"
#include "rt/error.h"

#include <math.h>
#include <string.h>

/* Padded with NULs; VITALITY has none. */
static const char contexts[8][8] = {{'N', 'O', 'N', 'E'},
                                    {'1', '5', 'M', 'I', 'N'},
                                    {'T', 'R', 'A', 'N', 'S', 'I', 'T'},
                                    {'C', 'L', 'I', 'M', 'A', 'T', 'E'},
                                    {'V', 'I', 'T', 'A', 'L', 'I', 'T', 'Y'},
                                    {'E', 'Q', 'U', 'I', 'T', 'Y'},
                                    {'W', 'A', 'L', 'K'},
                                    {'S', 'A', 'F', 'E', 'T', 'Y'}};
static const uint8_t context_lengths[8] = {4, 5, 7, 7, 8, 6, 4, 6};
static const char flag_names[7][10] = {"VERIFIED", "OFFICIAL", "ESTIMATED", "OUTDATED", "ANOMALY", "APPROX", "CACHED"};
static const uint8_t flag_order[7] = {4, 5, 6, 2, 1, 3, 0}; /* by name */

static uint32_t printed_float(double deg)
{
    float value = (float)copysign(ucid_decimal_round(deg, 1000) / 1000.0, deg);
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static ucid_status no_number(ucid_place *place, ucid_status status, int field)
{
    place->field = field;
    place->byte = place->bytes = -1;
    return place->status = status;
}

static int context_number(const ucid_parts *parts)
{
    if (parts->context_length > 8) return -1;
    uint64_t word = load_short(parts->context, parts->context_length);
    for (int i = 0; i < 8; i++) {
        if (load8(contexts[i]) == word) return i;
    }
    return -1;
}

static int flag_bits(const ucid_parts *parts, uint32_t *bits)
{
    *bits = 0;
    for (size_t at = 0; at < parts->flags_length;) {
        const char *flag = parts->flags + at, *stop = memchr(flag, ';', parts->flags_length - at);
        size_t length = stop != NULL ? (size_t)(stop - flag) : parts->flags_length - at;
        int bit = 0;
        while (bit < 7 && (strlen(flag_names[bit]) != length || memcmp(flag_names[bit], flag, length) != 0)) bit++;
        if (bit == 7 && length > 0) return 0;
        if (length > 0) *bits |= 1u << bit;
        at += length + 1;
    }
    return 1;
}

static inline ucid_status pack(const ucid_parts *parts, uint8_t binary[UCID_BINARY_SIZE], ucid_place *place)
{
    if (!ucid_cell_bits_valid(parts->cell)) return no_number(place, UCID_INVALID_H3, UCID_FIELD_CELL);
    if ((parts->cell >> 52 & 15) != parts->resolution) {
        return no_number(place, UCID_H3_MISMATCH, UCID_FIELD_RESOLUTION);
    }
    if (parts->year < 1970 || (parts->week > 52 && parts->week > ucid_year_weeks(parts->year))) {
        return no_number(place, UCID_UNENCODABLE, UCID_FIELD_TIME);
    }
    int context = context_number(parts);
    if (context < 0) return no_number(place, UCID_UNENCODABLE, UCID_FIELD_CONTEXT);
    uint32_t bits = 0;
    if (parts->flags_length > 0 && !flag_bits(parts, &bits))
        return no_number(place, UCID_UNENCODABLE, UCID_FIELD_FLAGS);
    uint32_t hour = (uint32_t)((ucid_weeks_before(parts->year) + parts->week - 1) * 168 + parts->hour);
    uint32_t city = (uint32_t)(unsigned char)parts->city[0] | (uint32_t)(unsigned char)parts->city[1] << 8 |
                    (uint32_t)(unsigned char)parts->city[2] << 16;
    uint32_t confidence = ucid_decimal_round(parts->confidence, 100) * 100;
    char *to = (char *)binary;
    store4(to, 1 | city << 8);
    store4(to + 4, printed_float(parts->lat_deg));
    store4(to + 8, printed_float(parts->lon_deg));
    store8(to + 12, parts->cell);
    store8(to + 20, hour | (uint64_t)(unsigned)context << 32 | (uint64_t)parts->grade << 48);
    store4(to + 27, confidence | bits << 16);
    return UCID_OK;
}

static int take_degrees(const char *at, double limit, double *deg)
{
    uint32_t bits = load4(at);
    float value;
    memcpy(&value, &bits, sizeof value);
    if (!(fabsf(value) <= (float)limit)) return 0;
    *deg = copysign(ucid_decimal_round((double)value, 1000) / 1000.0, (double)value);
    return 1;
}

static ucid_status bad_bytes(ucid_place *place, int field, int byte, int bytes)
{
    place->field = field;
    place->byte = byte;
    place->bytes = bytes;
    return place->status = UCID_FIELD_FORMAT;
}

static inline ucid_status unpack(const uint8_t *b, ucid_parts *parts, char flags[64], ucid_place *place)
{
    const char *from = (const char *)b;
    for (int i = 1; i <= 3; i++) {
        if (!is_upper(from[i])) return bad_bytes(place, UCID_FIELD_CITY, 1, 3);
        parts->city[i - 1] = from[i];
    }
    if (!take_degrees(from + 4, 90, &parts->lat_deg)) return bad_bytes(place, UCID_FIELD_LAT, 4, 4);
    if (!take_degrees(from + 8, 180, &parts->lon_deg)) return bad_bytes(place, UCID_FIELD_LON, 8, 4);
    parts->cell = load8(from + 12);
    parts->resolution = parts->cell >> 52 & 15;
    uint32_t hour = load4(from + 20), tail = load4(from + 27);
    if (hour > UCID_HOUR_MAX || hour % 168 > 23) return bad_bytes(place, UCID_FIELD_TIME, 20, 4);
    int year, week;
    ucid_week_split((int32_t)(hour / 168), &year, &week);
    parts->year = (int16_t)year;
    parts->week = (uint8_t)week;
    parts->hour = (uint8_t)(hour % 168);
    unsigned context = b[24] | (unsigned)b[25] << 8, bits = tail >> 16;
    if (context > 7) return bad_bytes(place, UCID_FIELD_CONTEXT, 24, 2);
    parts->context = contexts[context];
    parts->context_length = context_lengths[context];
    parts->grade = b[26];
    if (b[26] > UCID_GRADE_A_PLUS) return bad_bytes(place, UCID_FIELD_GRADE, 26, 1);
    unsigned confidence = tail & 0xFFFF;
    if (confidence > 10000) return bad_bytes(place, UCID_FIELD_CONFIDENCE, 27, 2);
    parts->confidence = confidence / 10000.0;
    if (bits >> 7 != 0) return bad_bytes(place, UCID_FIELD_FLAGS, 29, 2);
    size_t n = 0;
    for (int i = 0; bits != 0 && i < 7; i++) {
        int bit = flag_order[i];
        if (!(bits >> bit & 1)) continue;
        if (n > 0) flags[n++] = ';';
        size_t length = strlen(flag_names[bit]);
        memcpy(flags + n, flag_names[bit], length);
        n += length;
    }
    parts->flags = flags;
    parts->flags_length = (uint8_t)n;
    parts->canonical = parts->rounded = 0;
    if (!ucid_cell_bits_valid(parts->cell)) {
        bad_bytes(place, UCID_FIELD_CELL, 12, 8);
        return place->status = UCID_INVALID_H3;
    }
    return UCID_OK;
}

ucid_status ucid_parts_pack(const ucid_parts *parts, uint8_t binary[UCID_BINARY_SIZE], ucid_place *place)
{
    return pack(parts, binary, place);
}

ucid_status ucid_parts_unpack(const uint8_t *binary, ucid_parts *parts, char flags[64], ucid_place *place)
{
    return unpack(binary, parts, flags, place);
}

ucid_status ucid_pack(const ucid_fields *fields, uint8_t binary[UCID_BINARY_SIZE], ucid_error *error)
{
    ucid_parts parts;
    ucid_place place;
    ucid_parts_of_fields(fields, &parts);
    if (pack(&parts, binary, &place) == UCID_OK) return UCID_OK;
    return ucid_place_explain(NULL, 0, &place, error);
}

ucid_status ucid_unpack(const void *binary, size_t length, ucid_fields *fields, ucid_error *error)
{
    const uint8_t *bytes = binary;
    if (length > 0 && bytes[0] != 1) {
        return ucid_fail_at(error, UCID_UNSUPPORTED_VERSION, -1, 0, "version %d: only 1 is known", bytes[0]);
    }
    if (length != UCID_BINARY_SIZE) {
        return ucid_fail(error, UCID_MALFORMED_STRING, "%zu bytes: the binary form has 31", length);
    }
    ucid_parts parts;
    ucid_place place;
    char flags[64];
    if (unpack(bytes, &parts, flags, &place) != UCID_OK) return ucid_place_explain(NULL, 0, &place, error);
    ucid_fields_of_parts(&parts, fields);
    return UCID_OK;
}
