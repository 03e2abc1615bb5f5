/* binary.c: the 31-byte form, put and taken in little-endian words. */
#include "id/binary_rows.h"
#include "id/cell.h"
#include "id/cell_at.h"
#include "id/decimal.h"
#include "id/grammar.h"
#include "id/weeks.h"
#include "id/words.h"
#include "rt/error.h"

#include <math.h>
#include <string.h>

const char ucid_context_names[8][16] = {"NONE", "15MIN", "TRANSIT", "CLIMATE", "VITALITY", "EQUITY", "WALK", "SAFETY"};
static const char flag_names[7][10] = {"VERIFIED", "OFFICIAL", "ESTIMATED", "OUTDATED", "ANOMALY", "APPROX", "CACHED"};
static const uint8_t flag_order[7] = {4, 5, 6, 2, 1, 3, 0}; /* by name */

typedef float float2 __attribute__((vector_size(8)));

/* Latitude and longitude as printed. */
static inline ucid_pair printed_degrees(double lat_deg, double lon_deg)
{
    words2 minus, thousandths = ucid_decimal_round_both(lat_deg, lon_deg, &minus);
    ucid_pair whole = (ucid_pair)(thousandths | (words2)(ucid_pair){0x1p52, 0x1p52}) - 0x1p52;
    return (ucid_pair)((words2)(whole / 1000.0) | minus << 63);
}

static ucid_status no_number(ucid_place *place, ucid_status status, int field)
{
    place->field = field;
    place->byte = place->bytes = -1;
    return place->status = status;
}

/* Of a context that ends with a NUL; 0 where it has more than eight bytes. */
static inline uint64_t context_word(const char context[17])
{
    uint64_t word = load8(context), ends = bytes_that_are(word, '\0');
    if (ends == 0) return context[8] == '\0' ? word : 0;
    return word & (((ends & -ends) >> 7) - 1);
}

static int flag_bits(ucid_text flags, uint32_t *bits)
{
    for (size_t at = 0; at < flags.length;) {
        const char *flag = flags.data + at, *stop = memchr(flag, ';', flags.length - at);
        size_t length = stop != NULL ? (size_t)(stop - flag) : flags.length - at;
        int bit = 0;
        while (bit < 7 && (strlen(flag_names[bit]) != length || memcmp(flag_names[bit], flag, length) != 0)) bit++;
        if (bit == 7 && length > 0) return 0;
        if (length > 0) *bits |= 1u << bit;
        at += length + 1;
    }
    return 1;
}

/* Of fields but for their context, given as context_word has it, and their flags. */
static inline ucid_status pack(const ucid_fields *f, uint64_t context, ucid_text flags,
                               uint8_t binary[UCID_BINARY_SIZE], ucid_place *place)
{
    if (!ucid_cell_bits_valid(f->cell)) return no_number(place, UCID_INVALID_H3, UCID_FIELD_CELL);
    if ((f->cell >> 52 & 15) != f->resolution) return no_number(place, UCID_H3_MISMATCH, UCID_FIELD_RESOLUTION);
    if (f->year < 1970 || (f->week > 52 && f->week > ucid_year_weeks(f->year))) {
        return no_number(place, UCID_UNENCODABLE, UCID_FIELD_TIME);
    }
    int number = ucid_context_number(context);
    if (number < 0) return no_number(place, UCID_UNENCODABLE, UCID_FIELD_CONTEXT);
    uint32_t bits = 0;
    if (flags.length > 0 && !flag_bits(flags, &bits)) return no_number(place, UCID_UNENCODABLE, UCID_FIELD_FLAGS);
    uint32_t hour = (uint32_t)((ucid_weeks_before(f->year) + f->week - 1) * 168 + f->hour);
    uint32_t confidence = ucid_decimal_round(f->confidence, 100) * 100;
    float2 deg = __builtin_convertvector(printed_degrees(f->lat_deg, f->lon_deg), float2);
    uint64_t words;
    char *to = (char *)binary;
    store4(to, 1 | load4(f->city) << 8);
    memcpy(&words, &deg, sizeof words);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    words = words >> 32 | words << 32;
#endif
    store8(to + 4, words);
    store8(to + 12, f->cell);
    store8(to + 20, hour | (uint64_t)(unsigned)number << 32 | (uint64_t)f->grade << 48);
    store4(to + 27, confidence | bits << 16);
    return UCID_OK;
}

static ucid_status bad_bytes(ucid_place *place, int field, int byte, int bytes)
{
    place->field = field;
    place->byte = byte;
    place->bytes = bytes;
    return place->status = UCID_FIELD_FORMAT;
}

/* What a binary form holds. */
typedef struct unpacked {
    ucid_pair deg;
    double confidence;
    uint64_t cell;
    uint32_t city; /* three letters, then a NUL */
    int year, week, hour;
    unsigned context, grade, flags;
} unpacked;

static inline ucid_status unpack(const uint8_t *b, unpacked *u, ucid_place *place)
{
    const char *from = (const char *)b;
    uint32_t letters = load4(from) >> 8, off = letters ^ 0x404040; /* letters are 1 to 26 beside bit 6 */
    if ((((off + 0x656565) | off | (off - 0x010101)) & 0x808080) != 0) return bad_bytes(place, UCID_FIELD_CITY, 1, 3);
    float2 deg;
    uint64_t words = load8(from + 4);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    words = words >> 32 | words << 32;
#endif
    memcpy(&deg, &words, sizeof deg);
    if (!(fabsf(deg[0]) <= 90)) return bad_bytes(place, UCID_FIELD_LAT, 4, 4);
    if (!(fabsf(deg[1]) <= 180)) return bad_bytes(place, UCID_FIELD_LON, 8, 4);
    uint32_t key = load4(from + 20), week = key / 168, hour = key - week * 168, tail = load4(from + 27);
    if (key > UCID_HOUR_MAX || hour > 23) return bad_bytes(place, UCID_FIELD_TIME, 20, 4);
    unsigned context = b[24] | (unsigned)b[25] << 8, confidence = tail & 0xFFFF;
    if (context > 7) return bad_bytes(place, UCID_FIELD_CONTEXT, 24, 2);
    if (b[26] > UCID_GRADE_A_PLUS) return bad_bytes(place, UCID_FIELD_GRADE, 26, 1);
    if (confidence > 10000) return bad_bytes(place, UCID_FIELD_CONFIDENCE, 27, 2);
    if (tail >> 23 != 0) return bad_bytes(place, UCID_FIELD_FLAGS, 29, 2);
    u->cell = load8(from + 12);
    if (!ucid_cell_bits_valid(u->cell)) {
        bad_bytes(place, UCID_FIELD_CELL, 12, 8);
        return place->status = UCID_INVALID_H3;
    }
    ucid_week_split((int32_t)week, &u->year, &u->week);
    u->hour = (int)hour;
    u->deg = printed_degrees((double)deg[0], (double)deg[1]);
    u->confidence = confidence / 10000.0;
    u->city = letters;
    u->context = context;
    u->grade = b[26];
    u->flags = tail >> 16;
    return UCID_OK;
}

size_t ucid_flag_bits_write(unsigned bits, char *flags, uint8_t *count)
{
    size_t n = 0;
    *count = 0;
    for (int i = 0; i < 7; i++) {
        int bit = flag_order[i];
        if (!(bits >> bit & 1)) continue;
        if (n > 0) flags[n++] = ';';
        size_t length = strlen(flag_names[bit]);
        memcpy(flags + n, flag_names[bit], length);
        n += length;
        ++*count;
    }
    return n;
}

ucid_status ucid_parts_pack(const ucid_parts *parts, uint8_t binary[UCID_BINARY_SIZE], ucid_place *place)
{
    uint64_t context = parts->context_length > 8 ? 0 : load_short(parts->context, parts->context_length);
    ucid_fields fields;
    fields.lat_deg = parts->lat_deg;
    fields.lon_deg = parts->lon_deg;
    fields.confidence = parts->confidence;
    fields.cell = parts->cell;
    fields.year = parts->year;
    fields.week = parts->week;
    fields.hour = parts->hour;
    fields.resolution = parts->resolution;
    fields.grade = parts->grade;
    memcpy(fields.city, parts->city, 3);
    fields.city[3] = '\0';
    return pack(&fields, context, (ucid_text){parts->flags, parts->flags_length}, binary, place);
}

ucid_status ucid_parts_unpack(const uint8_t *binary, ucid_parts *parts, char flags[64], ucid_place *place)
{
    unpacked u;
    uint8_t count;
    ucid_status status = unpack(binary, &u, place);
    if (status != UCID_OK) return status;
    parts->lat_deg = u.deg[0];
    parts->lon_deg = u.deg[1];
    parts->confidence = u.confidence;
    parts->cell = u.cell;
    parts->year = (int16_t)u.year;
    parts->week = (uint8_t)u.week;
    parts->hour = (uint8_t)u.hour;
    parts->resolution = u.cell >> 52 & 15;
    parts->grade = (uint8_t)u.grade;
    memcpy(parts->city, binary + 1, 3);
    parts->context = ucid_context_names[u.context];
    parts->context_length = UCID_CONTEXT_LENGTHS >> 4 * u.context & 15;
    parts->flags = flags;
    parts->flags_length = u.flags != 0 ? (uint8_t)ucid_flag_bits_write(u.flags, flags, &count) : 0;
    parts->canonical = parts->rounded = 0;
    return UCID_OK;
}

ucid_status ucid_pack(const ucid_fields *fields, uint8_t binary[UCID_BINARY_SIZE], ucid_error *error)
{
    ucid_place place;
    ucid_text flags = {fields->flags, fields->flags[0] != '\0' ? strlen(fields->flags) : 0};
    ucid_status status = pack(fields, context_word(fields->context), flags, binary, &place);
    return status == UCID_OK ? UCID_OK : ucid_place_explain(NULL, 0, &place, error);
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
    unpacked u;
    ucid_place place;
    if (unpack(bytes, &u, &place) != UCID_OK) return ucid_place_explain(NULL, 0, &place, error);
    fields->lat_deg = u.deg[0];
    fields->lon_deg = u.deg[1];
    fields->confidence = u.confidence;
    fields->cell = u.cell;
    fields->year = (int16_t)u.year;
    fields->week = (uint8_t)u.week;
    fields->hour = (uint8_t)u.hour;
    fields->resolution = u.cell >> 52 & 15;
    fields->grade = (uint8_t)u.grade;
    fields->flag_count = 0;
    store4(fields->city, u.city);
    memcpy(fields->context, ucid_context_names[u.context], sizeof ucid_context_names[0]);
    fields->context[16] = '\0';
    size_t n = u.flags != 0 ? ucid_flag_bits_write(u.flags, fields->flags, &fields->flag_count) : 0;
    fields->flags[n] = '\0';
    return UCID_OK;
}
