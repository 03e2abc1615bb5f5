/* grammar.h: the text of an identifier, taken apart and put together. */
#ifndef UCID_ID_GRAMMAR_H
#define UCID_ID_GRAMMAR_H

#include "id/words.h"
#include "ucid.h"

#define UCID_FLAGS_FIT (UCID_LENGTH_MAX - 84) /* flags of so many bytes fit beside the longest rest */

/* Fields of a text; context and flags point into it. */
typedef struct ucid_parts {
    double lat_deg, lon_deg, confidence;
    uint64_t cell;
    const char *context, *flags; /* flags as written: any order, empty and repeated ones among them */
    int16_t year;
    uint8_t week, hour;
    uint8_t resolution, grade;
    uint8_t context_length, flags_length;
    char city[3];
    uint8_t canonical; /* 1: the text is its own canonical form; 0: it may be */
    uint8_t rounded;   /* 1: the coordinates have three decimals; 0: they may have */
} ucid_parts;

/* Where a text breaks a rule. */
typedef struct ucid_place {
    ucid_status status;
    int32_t field;
    int32_t byte, bytes;
} ucid_place;

/* Grammar and ranges; repaired: weeks and hours may have one digit. On failure *place says where, parts are undefined.
 */
ucid_status ucid_parts_read(const char *text, size_t length, int repaired, ucid_parts *parts, ucid_place *place);
/* The same of a text that is known not to have the usual shape, which otherwise is tried first. */
ucid_status ucid_parts_read_odd(const char *text, size_t length, int repaired, ucid_parts *parts, ucid_place *place);
/* 1, and parts, where a text has the usual shape; 0 says nothing. text_usual.c */
int ucid_parts_read_usual(const char *text, size_t length, ucid_parts *parts);
/* What strict mode adds; bytes of place are -1: it does not know the text. */
ucid_status ucid_parts_check(const ucid_parts *parts, const ucid_registry *registry, ucid_place *place);
/* The same but for cell against coordinates, which a batch answers for many rows at once. */
ucid_status ucid_parts_check_alone(const ucid_parts *parts, const ucid_registry *registry, ucid_place *place);

/* The place of every broken rule of the grammar; where there is none, parts are filled. Returns how many. */
int ucid_parts_read_all(const char *text, size_t length, ucid_parts *parts, ucid_place *places, int capacity);
/* 1 where the canonical text has at most UCID_LENGTH_MAX bytes; flags need not be sorted. */
int ucid_parts_fit(const ucid_parts *parts);
/* Start and length of a field of a text that has 10 or 11 fields. */
void ucid_field_find(const char *text, size_t length, int field, int32_t *byte, int32_t *bytes);

/* The set of flags in canonical form; returns its length, <= length; *count: its members. */
size_t ucid_flags_sort(const char *flags, size_t length, char *out, uint8_t *count);

/* Canonical text of parts whose flags are canonical; returns its length. Nothing after it is touched. */
size_t ucid_parts_write(const ucid_parts *parts, char *text);
/* The middle of it, "2026W01T12:15MIN:", at most 28 bytes; returns its length. */
size_t ucid_middle_write(const ucid_parts *parts, char *text);

/* A text under repair. */
#define UCID_REPAIRED_MAX (UCID_LENGTH_MAX + 7)
typedef struct ucid_repair {
    ucid_parts parts;
    const char *text; /* as repaired; usual: it needed none, and parts are read */
    size_t length, shift;
    int32_t before; /* blanks */
    int usual;
    char repaired[UCID_REPAIRED_MAX];
} ucid_repair;

/* Canonical text of a text, without NUL; up to 20 bytes more than the text has. In two steps, so that a batch takes the
 * first of many rows before the second of one. */
void ucid_text_repair_begin(ucid_text text, ucid_repair *repair);
ucid_status ucid_text_repair_end(ucid_repair *repair, char *canonical, size_t *length, ucid_place *place);

/* Bytes before the NUL of a context. */
static inline size_t ucid_context_length(const char context[17])
{
    uint64_t ends = bytes_that_are(load8(context), '\0');
    if (__builtin_expect(ends != 0, 1)) return (size_t)__builtin_ctzll(ends) >> 3;
    ends = bytes_that_are(load8(context + 8), '\0');
    return ends != 0 ? 8 + ((size_t)__builtin_ctzll(ends) >> 3) : 16;
}

/* parts point into fields. */
static inline void ucid_parts_of_fields(const ucid_fields *fields, ucid_parts *parts)
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
    parts->context_length = (uint8_t)ucid_context_length(fields->context);
    parts->flags = fields->flags;
    parts->flags_length = fields->flags[0] != '\0' ? (uint8_t)strlen(fields->flags) : 0;
    parts->canonical = parts->rounded = 0;
}

static inline void ucid_fields_of_parts(const ucid_parts *parts, ucid_fields *fields)
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
    copy_short(fields->context, parts->context, parts->context_length);
    fields->context[parts->context_length] = '\0';
    fields->flag_count = 0;
    size_t n = 0;
    if (parts->flags_length > 0)
        n = ucid_flags_sort(parts->flags, parts->flags_length, fields->flags, &fields->flag_count);
    fields->flags[n] = '\0';
}

/* The binary form (section 2 of ucid.h); the caller has checked length and version. parts point into flags. */
ucid_status ucid_parts_pack(const ucid_parts *parts, uint8_t binary[UCID_BINARY_SIZE], ucid_place *place);
ucid_status ucid_parts_unpack(const uint8_t *binary, ucid_parts *parts, char flags[64], ucid_place *place);

/* The sentence for a broken rule. text may be NULL, where create was given values. */
ucid_status ucid_place_explain(const char *text, size_t length, const ucid_place *place, ucid_error *error);

#endif
