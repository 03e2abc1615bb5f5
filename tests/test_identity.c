/* test_identity.c: properties of identifiers that hold for all inputs, over random, adversarial and damaged ones;
 * columns against single calls. What the standard says case by case is in test_conformance.c. */
#include "id/cell.h"
#include "id/cell_at.h"
#include "id/city.h"
#include "id/decimal.h"
#include "id/grammar.h"
#include "id/text_pieces.h"
#include "id/weeks.h"
#include "ucid.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

static uint64_t seed = 1;

static uint64_t draw(void)
{
    uint64_t z = seed += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}

static double draw_unit(void) { return (double)(draw() >> 11) * 0x1p-53; }

/* Places over the whole sphere, around the poles, the antimeridian and the null island, and halves of thousandths. */
static void draw_place(double *lat_deg, double *lon_deg)
{
    *lat_deg = asin(2 * draw_unit() - 1) * 57.29577951308232;
    *lon_deg = 360 * draw_unit() - 180;
    switch (draw() % 8) {
    case 0: *lat_deg = copysign(90 - draw_unit() * 0.002, *lat_deg); break;
    case 1: *lon_deg = copysign(180 - draw_unit() * 0.002, *lon_deg); break;
    case 2: *lat_deg = (draw_unit() - 0.5) * 0.002, *lon_deg = (draw_unit() - 0.5) * 0.002; break;
    case 3: *lat_deg = floor(*lat_deg * 1000) / 1000 + 0.0005; break;
    case 4: *lat_deg = copysign(90, *lat_deg); break;
    case 5: *lon_deg = copysign(180, *lon_deg); break;
    default: break;
    }
    *lat_deg = fmax(-90, fmin(90, *lat_deg));
}

static ucid_text text_of(const char *string)
{
    ucid_text text = {string, strlen(string)};
    return text;
}

static ucid_values draw_values(void)
{
    static const char *const contexts[] = {"15MIN", "TRANSIT", "A", "CONTEXTOF16CHARS", "walk"};
    static const char *const times[] = {"2026W01T12", "2026W53T23", "0001W01T00", "9999W52T23", "1969W52T05"};
    static const ucid_text flags[] = {UCID_TEXT("VERIFIED"), UCID_TEXT("OFFICIAL"), UCID_TEXT("RUSH"),
                                      UCID_TEXT("VERIFIED")};
    ucid_values values = UCID_VALUES_INIT;
    values.city = text_of(draw() % 2 ? "TST" : "ist");
    values.context = text_of(contexts[draw() % 5]);
    values.time = text_of(times[draw() % 5]);
    draw_place(&values.lat_deg, &values.lon_deg);
    values.resolution = (int)(draw() % 16);
    values.grade = (uint8_t)(draw() % 6);
    values.confidence = draw() % 4 ? draw_unit() : (double)(draw() % 201) / 200;
    values.flags = flags;
    values.flag_count = draw() % 5;
    return values;
}

/* ------------------------------------------------------------------------------------------------------- numbers -- */

static void numbers_are_written_as_printf_writes_them(void **state)
{
    (void)state;
    for (int i = 0; i < 2000000; i++) {
        double x = draw_unit() * 180;
        switch (draw() % 4) {
        case 0: x = (double)(draw() % 360001) / 2000; break; /* ties, as near as doubles come */
        case 1: x = nextafter((double)(draw() % 360001) / 2000, draw() % 2 ? 200 : 0); break;
        case 2: x = ldexp(draw_unit(), -(int)(draw() % 70)); break;
        default: break;
        }
        char text[32];
        snprintf(text, sizeof text, "%.3f", x);
        uint32_t got = ucid_decimal_round(x, 1000),
                 want = (uint32_t)atoi(text) * 1000 + (uint32_t)atoi(strchr(text, '.') + 1);
        if (got != want) fail_msg("%a: %u, printf %s", x, got, text);
        x = x / 180;
        snprintf(text, sizeof text, "%.2f", x);
        got = ucid_decimal_round(x, 100);
        want = (uint32_t)atoi(text) * 100 + (uint32_t)atoi(strchr(text, '.') + 1);
        if (got != want) fail_msg("%a: %u, printf %s", x, got, text);
    }
    assert_int_equal(ucid_decimal_round(0.125, 100), 12);
    assert_int_equal(ucid_decimal_round(5e-324, 1000), 0);
}

static void numbers_are_read_as_strtod_reads_them(void **state)
{
    (void)state;
    for (int i = 0; i < 2000000; i++) {
        char text[32];
        int places = (int)(draw() % 16),
            n = snprintf(text, sizeof text, "%u", (unsigned)(draw() % (draw() % 2 ? 1000 : 10)));
        if (places > 0) {
            text[n++] = '.';
            for (int j = 0; j < places; j++) text[n++] = (char)('0' + draw() % 10);
            if (draw() % 4 == 0) memset(text + n - places / 2, '0', (size_t)(places / 2));
        }
        text[n] = '\0';
        double value;
        const char *bad;
        assert_int_equal(ucid_decimal_parse(text, text + n, &value, &bad), 1);
        if (value != strtod(text, NULL)) fail_msg("%s: %a, strtod %a", text, value, strtod(text, NULL));
    }
}

/* --------------------------------------------------------------------------------------------- create and parse -- */

static void what_create_makes_strict_reads(void **state)
{
    (void)state;
    for (int i = 0; i < 60000; i++) {
        ucid_values values = draw_values();
        unsigned snap = draw() % 4 == 0 ? UCID_SNAP : 0;
        ucid_fields made, read;
        ucid_error error;
        char text[UCID_LENGTH_MAX + 1], again[UCID_LENGTH_MAX + 1];
        if (ucid_create(&values, snap, NULL, &made, &error) != UCID_OK) fail_msg("%s", error.message);
        ucid_text whole = {text, ucid_format(&made, text)};
        if (ucid_parse(whole, UCID_STRICT, NULL, &read, &error) != UCID_OK) fail_msg("%s: %s", text, error.message);
        assert_int_equal(strlen(text), whole.length);
        ucid_format(&read, again);
        assert_string_equal(text, again);
        assert_true(fabs(read.lat_deg - made.lat_deg) <= 0.00050001 && fabs(read.lon_deg - made.lon_deg) <= 0.00050001);
        assert_true(read.cell == made.cell && read.grade == made.grade && read.year == made.year &&
                    read.week == made.week && read.hour == made.hour && read.flag_count == made.flag_count);
        assert_string_equal(read.context, made.context);
        assert_string_equal(read.flags, made.flags);
        ucid_defect defects[UCID_DEFECTS_MAX];
        assert_int_equal(ucid_validate(whole, NULL, defects), 0);
        size_t length;
        assert_int_equal(ucid_canonicalize(whole, again, &length, &error), UCID_OK);
        assert_string_equal(text, again);
        assert_int_equal(length, whole.length);
    }
}

/* Rings around the cell, the one beyond the box's diagonal (157 m) by a full cell's width: two cells away up to
 * resolution 9. */
static void strict_refuses_cells_beyond_the_box(void **state)
{
    (void)state;
    static uint64_t near_cells[30000], far_cells[30000];
    for (int i = 0; i < 800; i++) {
        ucid_values values = draw_values();
        values.resolution %= 15;
        int k = 2 + (int)(160 / (ucid_cell_edge_m(values.resolution) * 1.2));
        ucid_fields fields;
        char text[UCID_LENGTH_MAX + 1];
        assert_int_equal(ucid_create(&values, 0, NULL, &fields, NULL), UCID_OK);
        int64_t near_count, far_count;
        assert_int_equal(ucid_cell_disk(fields.cell, k - 1, near_cells, &near_count, NULL), UCID_OK);
        assert_int_equal(ucid_cell_disk(fields.cell, k, far_cells, &far_count, NULL), UCID_OK);
        for (int tries = 0; tries < 4; tries++) {
            uint64_t cell = far_cells[draw() % (uint64_t)far_count];
            int is_near = 0;
            for (int64_t j = 0; j < near_count && !is_near; j++) is_near = near_cells[j] == cell;
            if (is_near) continue;
            fields.cell = cell;
            ucid_text whole = {text, ucid_format(&fields, text)};
            ucid_fields read;
            assert_int_equal(ucid_parse(whole, UCID_LENIENT, NULL, &read, NULL), UCID_OK);
            if (ucid_parse(whole, UCID_STRICT, NULL, &read, NULL) != UCID_H3_MISMATCH) fail_msg("%s is read", text);
        }
    }
}

/* A text, or one damaged in a few places. */
static size_t draw_text(char *text, size_t room)
{
    ucid_values values = draw_values();
    ucid_fields fields;
    assert_int_equal(ucid_create(&values, 0, NULL, &fields, NULL), UCID_OK);
    char whole[UCID_LENGTH_MAX + 1];
    size_t n = ucid_format(&fields, whole);
    static const char pieces[] = "0123456789:.+-;ABCFUVWTabcdefgUCID \n\t\xC3\xA9\x00WT";
    for (uint64_t times = draw() % 4 * (draw() % 2); times > 0; times--) {
        size_t at = draw() % n;
        char piece = pieces[draw() % (sizeof pieces - 1)];
        switch (draw() % 3) {
        case 0: whole[at] = piece; break;
        case 1: memmove(whole + at, whole + at + 1, --n - at); break;
        default:
            if (n == UCID_LENGTH_MAX) break;
            memmove(whole + at + 1, whole + at, n++ - at);
            whole[at] = piece;
            break;
        }
    }
    assert_true(n <= room);
    memcpy(text, whole, n);
    return n;
}

static void damaged_texts_are_refused_the_same_everywhere(void **state)
{
    (void)state;
    int good = 0, repaired = 0;
    for (int i = 0; i < 200000; i++) {
        char bytes[300], canonical[UCID_LENGTH_MAX + 1], again[UCID_LENGTH_MAX + 1];
        /* A block of exactly the text's size: a sanitizer sees a step beyond it. */
        size_t n = draw_text(bytes, sizeof bytes);
        char *exact = malloc(n > 0 ? n : 1);
        memcpy(exact, bytes, n);
        ucid_text text = {exact, n};
        ucid_fields fields;
        ucid_error error;
        ucid_defect defects[UCID_DEFECTS_MAX];
        ucid_status lenient = ucid_parse(text, UCID_LENIENT, NULL, &fields, NULL);
        ucid_status strict = ucid_parse(text, UCID_STRICT, NULL, &fields, &error);
        int count = ucid_validate(text, NULL, defects);
        assert_true(lenient == UCID_OK || strict == lenient);
        assert_int_equal(count == 0, strict == UCID_OK);
        if (strict != UCID_OK) {
            assert_true(error.byte >= 0 && (size_t)error.byte <= n);
            int found = 0;
            for (int d = 0; d < count; d++) {
                found |= defects[d].status == strict && defects[d].byte == error.byte;
                assert_true(defects[d].byte >= 0 && defects[d].bytes >= 0);
                assert_true((size_t)defects[d].byte + (size_t)defects[d].bytes <= n);
            }
            assert_true(found);
        }
        ucid_status canon = ucid_canonicalize(text, canonical, NULL, &error);
        assert_true(lenient != UCID_OK || canon == UCID_OK);
        if (canon == UCID_OK) {
            ucid_text made = text_of(canonical);
            assert_int_equal(ucid_canonicalize(made, again, NULL, NULL), UCID_OK);
            assert_string_equal(canonical, again);
            assert_int_equal(ucid_parse(made, UCID_LENIENT, NULL, &fields, NULL), UCID_OK);
            ucid_format(&fields, again);
            assert_string_equal(canonical, again);
        }
        good += lenient == UCID_OK;
        repaired += lenient != UCID_OK && canon == UCID_OK;
        free(exact);
    }
    assert_true(good > 100000 && good < 190000 && repaired > 1000);
}

static void assert_equal_parts(const ucid_parts *a, const ucid_parts *b)
{
    assert_memory_equal(a->city, b->city, 3);
    assert_memory_equal(&a->lat_deg, &b->lat_deg, 8); /* bits: a zero keeps its sign */
    assert_memory_equal(&a->lon_deg, &b->lon_deg, 8);
    assert_memory_equal(&a->confidence, &b->confidence, 8);
    assert_true(a->cell == b->cell && a->resolution == b->resolution && a->grade == b->grade);
    assert_true(a->year == b->year && a->week == b->week && a->hour == b->hour);
    assert_true(a->context == b->context && a->context_length == b->context_length);
    assert_true(a->flags_length == b->flags_length && (a->flags == b->flags || a->flags_length == 0));
}

/* The text in memory of its own, so that a byte read beyond it is seen. Returns 1 where the usual reader took it. */
static int read_both_ways(const char *bytes, size_t length)
{
    char *text = malloc(length + 1), written[2 * UCID_LENGTH_MAX];
    ucid_parts usual, all;
    ucid_place places[UCID_DEFECTS_MAX];
    assert_non_null(text);
    memcpy(text + 1, bytes, length);
    int taken = ucid_parts_read_usual(text + 1, length, &usual);
    int defects = ucid_parts_read_all(text + 1, length, &all, places, UCID_DEFECTS_MAX);
    if (taken) {
        assert_int_equal(defects, 0);
        assert_equal_parts(&usual, &all);
        assert_true(usual.rounded);
        if (usual.canonical) {
            assert_int_equal(ucid_parts_write(&all, written), length);
            assert_memory_equal(written, bytes, length);
        }
    }
    free(text);
    return taken;
}

/* The reader of usual texts against the one of all, which looks at each field by itself: each byte of a text turned
 * into each other, put in, left out, the text cut anywhere, and random damage. */
static void usual_texts_are_read_as_all_are(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "UCID-V1:IST:+41.015:+28.979:9:891ec90243bffff:2026W01T12:15MIN:A:0.95:",
        "UCID-V1:TST:-0.000:-179.999:10:8a1ec90243bffff:0001W53T00:A:F:1.00:",
        "UCID-V1:NYC:+90.000:+180.000:15:8f1ec90243bffff:9999W52T23:CONTEXTOF16CHARS:A+:0.00:VERIFIED",
        "UCID-V1:HEL:1.234:2.345:0:801ffffffffffff:2026W10T09:B:D:0.10:",
        "UCID-V1:HEL:012.345:002.345:00:801ffffffffffff:2026W10T09:ABCDEFGH:C:0.01:A;B;;A",
        "UCID-V1:LON:+51.508:-0.128:9:89195da49abffff:2026W01T12:ABCDEFGHI:B:0.50:RUSH",
    };
    int taken = 0;
    for (size_t t = 0; t < sizeof texts / sizeof texts[0]; t++) {
        char text[320];
        size_t length = strlen(texts[t]);
        assert_true(read_both_ways(texts[t], length));
        for (size_t at = 0; at < length; at++) {
            for (int byte = 0; byte < 256; byte++) {
                memcpy(text, texts[t], length);
                text[at] = (char)byte;
                taken += read_both_ways(text, length);
                memcpy(text + at + 1, texts[t] + at, length - at);
                taken += read_both_ways(text, length + 1);
            }
            memcpy(text, texts[t], at);
            taken += read_both_ways(text, at);
            memcpy(text + at, texts[t] + at + 1, length - at - 1);
            taken += read_both_ways(text, length - 1);
        }
    }
    static const char likely[] = "+-.:;0123456789ABCDEFWTUIVabcdef/@[`g \0\x80\xba\xff";
    for (int k = 0; k < 200000; k++) {
        char text[400];
        size_t length = draw_text(text, sizeof text - 8);
        for (uint64_t n = draw() % 4; n > 0; n--) text[draw() % length] = likely[draw() % (sizeof likely - 1)];
        taken += read_both_ways(text, length);
    }
    assert_true(taken > 50000);
}

static void odd_texts_are_refused(void **state)
{
    (void)state;
    ucid_fields fields;
    ucid_error error;
    char canonical[UCID_LENGTH_MAX + 1];
    static char big[1 << 20];
    ucid_text text = {NULL, 0};
    assert_int_equal(ucid_parse(text, UCID_STRICT, NULL, &fields, &error), UCID_INVALID_PREFIX);
    assert_int_equal(ucid_canonicalize(text, canonical, NULL, &error), UCID_INVALID_PREFIX);
    text.data = big;
    text.length = sizeof big;
    assert_int_equal(ucid_parse(text, UCID_STRICT, NULL, &fields, &error), UCID_INVALID_PREFIX);
    memset(big, ' ', sizeof big);
    assert_int_equal(ucid_canonicalize(text, canonical, NULL, &error), UCID_INVALID_PREFIX);
    static const char good[] = "UCID-V1:IST:+41.015:+28.979:9:891ec90243bffff:2026W01T12:15MIN:A:0.95:";
    memcpy(big + 500000, good, sizeof good - 1); /* blanks around it do not count */
    assert_int_equal(ucid_canonicalize(text, canonical, NULL, &error), UCID_OK);
    assert_string_equal(canonical, good);
    memset(big, ':', sizeof big);
    memcpy(big, good, sizeof good - 1);
    assert_int_equal(ucid_parse(text, UCID_STRICT, NULL, &fields, &error), UCID_MALFORMED_STRING);
    assert_int_equal(ucid_canonicalize(text, canonical, NULL, &error), UCID_MALFORMED_STRING);
    memset(big, '7', sizeof big);
    memcpy(big, good, 6);
    assert_int_equal(ucid_parse(text, UCID_STRICT, NULL, &fields, &error), UCID_UNSUPPORTED_VERSION);
    memcpy(big, good, sizeof good);
    text.length = sizeof good; /* a NUL after the text is part of it */
    assert_int_equal(ucid_parse(text, UCID_LENIENT, NULL, &fields, &error), UCID_FIELD_FORMAT);
    assert_int_equal(error.field, UCID_FIELD_FLAGS);
    assert_int_equal(error.byte, (int)sizeof good - 1);
    assert_int_equal(ucid_defect_explain(text, &(ucid_defect){UCID_INVALID_TIME, UCID_FIELD_TIME, 3, 1}, &error),
                     UCID_INVALID_TIME);
}

/* What is read must also be printable: a canonical form of over 255 bytes is refused by everyone. */
static void the_longest_text_is_255_bytes(void **state)
{
    (void)state;
    char text[400], canonical[UCID_LENGTH_MAX + 1];
    for (int filled = 100; filled < 204; filled++) {
        for (int shorter = 0; shorter < 2; shorter++) {
            int n = snprintf(text, sizeof text,
                             "UCID-V1:TST:%s:%s:0:8075fffffffffff:2026W01T12:A:F:0:", shorter ? "0" : "+0.000",
                             shorter ? "0" : "+0.000");
            memset(text + n, 'X', (size_t)filled);
            ucid_text whole = {text, (size_t)(n + filled)};
            ucid_fields fields;
            int fits = filled + 64 <= UCID_LENGTH_MAX; /* 64: the canonical form of what is before the flags */
            ucid_status want = fits ? UCID_OK : UCID_MALFORMED_STRING;
            assert_int_equal(ucid_parse(whole, UCID_LENIENT, NULL, &fields, NULL), want);
            assert_int_equal(ucid_canonicalize(whole, canonical, NULL, NULL), want);
        }
    }
}

/* -------------------------------------------------------------------------------------------------- binary form -- */

static void binary_keeps_the_canonical_text(void **state)
{
    (void)state;
    int packed = 0;
    for (int i = 0; i < 50000; i++) {
        ucid_values values = draw_values();
        if (values.flag_count > 2) values.flag_count = 2;
        ucid_fields fields, back;
        uint8_t binary[UCID_BINARY_SIZE];
        char text[UCID_LENGTH_MAX + 1], again[UCID_LENGTH_MAX + 1];
        assert_int_equal(ucid_create(&values, 0, NULL, &fields, NULL), UCID_OK);
        ucid_status status = ucid_pack(&fields, binary, NULL);
        int known = strcmp(fields.context, "15MIN") == 0 || strcmp(fields.context, "TRANSIT") == 0 ||
                    strcmp(fields.context, "WALK") == 0;
        assert_int_equal(status, known && fields.year >= 1970 ? UCID_OK : UCID_UNENCODABLE);
        if (status != UCID_OK) continue;
        packed++;
        assert_int_equal(ucid_unpack(binary, sizeof binary, &back, NULL), UCID_OK);
        ucid_format(&fields, text);
        ucid_format(&back, again);
        assert_string_equal(text, again);
        assert_int_equal(ucid_compare(&fields, &back), 0);
    }
    assert_true(packed > 10000);
}

/* ------------------------------------------------------------------------------------------------------- columns -- */

enum { ROWS = 1003 };

/* A column of texts with its validity; offsets start beyond 0, as those of a slice do. */
typedef struct column {
    char *data;
    int32_t offsets[ROWS + 1];
    int64_t offsets64[ROWS + 1];
    uint8_t validity[(ROWS + 7) / 8];
    ucid_texts texts;
} column;

static void fill(column *c, int wide, int bad)
{
    c->data = malloc(260 * ROWS + 100);
    size_t at = 37;
    for (int i = 0; i < ROWS; i++) {
        c->offsets[i] = (int32_t)at;
        c->offsets64[i] = (int64_t)at;
        at += draw_text(c->data + at, 260);
        if (bad) c->data[c->offsets[i] + (int)(draw() % 6)] = '?';
    }
    c->offsets[ROWS] = (int32_t)at;
    c->offsets64[ROWS] = (int64_t)at;
    for (size_t i = 0; i < sizeof c->validity; i++) c->validity[i] = (uint8_t)(draw() | draw());
    c->texts =
        (ucid_texts){c->data, wide ? NULL : c->offsets, wide ? c->offsets64 : NULL, 0, wide ? c->validity : NULL};
}

static int is_valid(const ucid_texts *texts, int i)
{
    return texts->validity == NULL || (texts->validity[i / 8] >> (i % 8) & 1);
}

static void columns_are_read_as_single_texts_are(void **state)
{
    (void)state;
    static const int sizes[] = {0, 1, 2, 7, 8, 127, 128, 129, 257, ROWS};
    for (int round = 0; round < 40; round++) {
        column c;
        fill(&c, round & 1, round % 10 == 9);
        unsigned mode = round & 2 ? UCID_STRICT : UCID_LENIENT;
        int n = sizes[round % 10];
        static char city[3 * ROWS], contexts[16 * ROWS + 16], flags[260 * ROWS];
        static double lat[ROWS], lon[ROWS], confidence[ROWS];
        static uint8_t resolution[ROWS], grade[ROWS], status[ROWS], validity[(ROWS + 7) / 8];
        static uint64_t cell[ROWS], hashes[ROWS];
        static int32_t hour[ROWS], byte[ROWS], context_at[ROWS + 1];
        static int64_t flags_at[ROWS + 1];
        ucid_field_columns out = {city,
                                  lat,
                                  lon,
                                  resolution,
                                  cell,
                                  hour,
                                  {contexts, sizeof contexts, context_at, NULL},
                                  grade,
                                  confidence,
                                  {flags, sizeof flags, NULL, flags_at},
                                  validity,
                                  status,
                                  byte};
        ucid_error error;
        if (ucid_texts_parse(n, &c.texts, mode, NULL, &out, &error) != UCID_OK) fail_msg("%s", error.message);
        assert_int_equal(ucid_texts_hash(n, &c.texts, hashes, NULL, NULL), UCID_OK);
        for (int i = 0; i < n; i++) {
            ucid_fields want;
            ucid_text text = {c.data + c.offsets[i], (size_t)(c.offsets[i + 1] - c.offsets[i])};
            ucid_status one = UCID_NULL_INPUT;
            error.byte = -1;
            if (is_valid(&c.texts, i)) one = ucid_parse(text, mode, NULL, &want, &error);
            assert_int_equal(status[i], one);
            assert_int_equal(validity[i / 8] >> (i % 8) & 1, one == UCID_OK);
            assert_int_equal(byte[i], one == UCID_OK ? -1 : error.byte);
            size_t context_length = (size_t)(context_at[i + 1] - context_at[i]);
            size_t flags_length = (size_t)(flags_at[i + 1] - flags_at[i]);
            if (one != UCID_OK) {
                assert_true(isnan(lat[i]) && isnan(lon[i]) && isnan(confidence[i]) && cell[i] == 0);
                assert_true(context_length == 0 && flags_length == 0);
                continue;
            }
            assert_memory_equal(city + 3 * i, want.city, 3);
            assert_memory_equal(&lat[i], &want.lat_deg, 8);
            assert_memory_equal(&lon[i], &want.lon_deg, 8);
            assert_memory_equal(&confidence[i], &want.confidence, 8);
            assert_true(resolution[i] == want.resolution && cell[i] == want.cell && grade[i] == want.grade);
            assert_true(context_length == strlen(want.context) && flags_length == strlen(want.flags));
            assert_memory_equal(contexts + context_at[i], want.context, context_length);
            if (flags_length > 0) assert_memory_equal(flags + flags_at[i], want.flags, flags_length);
            assert_true(hashes[i] == ucid_hash(&want));
        }

        size_t bound = ucid_texts_canonicalize_bound(n, &c.texts);
        char *canonical = malloc(bound > 0 ? bound : 1);
        static int32_t at[ROWS + 1];
        ucid_texts_out made = {canonical, bound, at, NULL};
        assert_int_equal(ucid_texts_canonicalize(n, &c.texts, &made, validity, status, &error), UCID_OK);
        for (int i = 0; i < n; i++) {
            char want[UCID_LENGTH_MAX + 1] = "";
            ucid_text text = {c.data + c.offsets[i], (size_t)(c.offsets[i + 1] - c.offsets[i])};
            ucid_status one = is_valid(&c.texts, i) ? ucid_canonicalize(text, want, NULL, NULL) : UCID_NULL_INPUT;
            assert_int_equal(status[i], one);
            assert_int_equal(at[i + 1] - at[i], strlen(want));
            if (one == UCID_OK) assert_memory_equal(canonical + at[i], want, strlen(want));
        }
        free(canonical);

        static uint8_t binary[UCID_BINARY_SIZE * ROWS];
        static char unpacked[140 * ROWS];
        assert_int_equal(ucid_texts_pack(n, &c.texts, binary, validity, status, NULL), UCID_OK);
        ucid_texts_out texts = {unpacked, sizeof unpacked, at, NULL};
        static uint8_t unpacked_status[ROWS];
        assert_int_equal(ucid_texts_unpack(n, binary, validity, &texts, NULL, unpacked_status, NULL), UCID_OK);
        for (int i = 0; i < n; i++) {
            ucid_text text = {c.data + c.offsets[i], (size_t)(c.offsets[i + 1] - c.offsets[i])};
            ucid_fields want;
            uint8_t one_binary[UCID_BINARY_SIZE] = {0};
            ucid_status one =
                is_valid(&c.texts, i) ? ucid_parse(text, UCID_LENIENT, NULL, &want, NULL) : UCID_NULL_INPUT;
            if (one == UCID_OK) one = ucid_pack(&want, one_binary, NULL);
            assert_int_equal(status[i], one);
            assert_memory_equal(binary + UCID_BINARY_SIZE * i, one_binary, UCID_BINARY_SIZE);
            assert_int_equal(unpacked_status[i], one == UCID_OK ? UCID_OK : UCID_NULL_INPUT);
            char written[UCID_LENGTH_MAX + 1] = "";
            if (one == UCID_OK) ucid_format(&want, written);
            assert_int_equal(at[i + 1] - at[i], strlen(written));
            assert_memory_equal(unpacked + at[i], written, strlen(written));
        }
        free(c.data);
    }
}

static void columns_are_made_as_single_identifiers_are(void **state)
{
    (void)state;
    static const ucid_text words[] = {UCID_TEXT("IST"),        UCID_TEXT("tst"),       UCID_TEXT("XXX"),
                                      UCID_TEXT("IS"),         UCID_TEXT("15min"),     UCID_TEXT("A"),
                                      UCID_TEXT(""),           UCID_TEXT("NO_WORD"),   UCID_TEXT("2026W01T12"),
                                      UCID_TEXT("2025W53T12"), UCID_TEXT("2026W54T12")};
    for (int round = 0; round < 64; round++) {
        int n = round % 8 == 0 ? round / 8 : 100 + (int)(draw() % 200);
        int constant = round & 1, hours = round & 2, given_cells = round & 4;
        unsigned mode = (round & 8 ? UCID_STRICT : 0) | (round & 16 ? UCID_SNAP : 0);
        enum { MANY = 300 };
        static double lat[MANY], lon[MANY], confidence[MANY];
        static uint8_t grade[MANY], status[MANY], validity[MANY / 8 + 1], nulls[MANY / 8 + 1];
        static uint64_t given[MANY], cells[MANY];
        static int32_t hour[MANY], city_at[MANY + 1], context_at[MANY + 1], time_at[MANY + 1], text_at[MANY + 1];
        static char city[16 * MANY], context[16 * MANY], time[16 * MANY], text[300 * MANY];
        ucid_text a_city[MANY], a_context[MANY], a_time[MANY];
        for (int i = 0; i < n; i++) {
            draw_place(&lat[i], &lon[i]);
            if (draw() % 20 == 0) lat[i] = draw() % 2 ? (double)NAN : 91;
            if (draw() % 20 == 0) lon[i] = draw() % 2 ? (double)INFINITY : -181;
            confidence[i] = draw() % 20 == 0 ? 1.01 : draw_unit();
            grade[i] = (uint8_t)(draw() % 20 == 0 ? 9 : draw() % 6);
            a_city[i] = words[constant ? 0 : draw() % 4];
            a_context[i] = words[constant ? 4 : 4 + draw() % 4];
            a_time[i] = words[constant ? 8 : 8 + draw() % 3];
            hour[i] =
                draw() % 20 == 0 ? -1 : (int32_t)(499800 + 168 * (int64_t)(draw() % 100) + (int64_t)(draw() % 24));
            given[i] = draw() % 4 == 0 ? draw() >> (draw() % 8) : ucid_cell_at(lat[i], lon[i], 9);
            memcpy(city + (city_at[i + 1] = city_at[i] + (int32_t)a_city[i].length) - a_city[i].length, a_city[i].data,
                   a_city[i].length);
            memcpy(context + (context_at[i + 1] = context_at[i] + (int32_t)a_context[i].length) - a_context[i].length,
                   a_context[i].data, a_context[i].length);
            memcpy(time + (time_at[i + 1] = time_at[i] + (int32_t)a_time[i].length) - a_time[i].length, a_time[i].data,
                   a_time[i].length);
        }
        for (size_t i = 0; i < sizeof nulls; i++) nulls[i] = (uint8_t)(draw() | draw() | draw());
        ucid_create_columns in = {0};
        in.lat_deg = lat;
        in.lon_deg = lon;
        in.validity = nulls;
        in.city = constant ? (ucid_texts){"IST", NULL, NULL, 3, NULL} : (ucid_texts){city, city_at, NULL, 0, NULL};
        in.context =
            constant ? (ucid_texts){"15min", NULL, NULL, 5, NULL} : (ucid_texts){context, context_at, NULL, 0, NULL};
        in.time = hours      ? (ucid_texts){NULL, NULL, NULL, 0, NULL}
                  : constant ? (ucid_texts){"2026W01T12", NULL, NULL, 10, NULL}
                             : (ucid_texts){time, time_at, NULL, 0, NULL};
        in.hour = hour;
        in.grade = grade;
        in.confidence = confidence;
        in.cell = given_cells ? given : NULL;
        in.flags = (ucid_texts){"OFFICIAL;ANOMALY", NULL, NULL, 16, NULL};
        in.resolution = 9;
        size_t bound = ucid_texts_create_bound(n, &in);
        assert_true(bound <= sizeof text);
        ucid_texts_out out = {text, bound, text_at, NULL};
        ucid_error error;
        if (ucid_texts_create(n, &in, mode, NULL, &out, cells, validity, status, &error) != UCID_OK)
            fail_msg("%s", error.message);
        for (int i = 0; i < n; i++) {
            static const ucid_text flags[] = {UCID_TEXT("ANOMALY"), UCID_TEXT("OFFICIAL")};
            ucid_values values = {a_city[i], a_time[i], a_context[i],
                                  lat[i],    lon[i],    confidence[i],
                                  9,         grade[i],  given_cells ? &given[i] : NULL,
                                  flags,     2};
            char key[UCID_TIME_LENGTH + 1] = "";
            if (hours) {
                ucid_time_format(hour[i], key);
                values.time = text_of(key);
            }
            ucid_fields fields;
            ucid_status one = UCID_NULL_INPUT;
            if (nulls[i / 8] >> (i % 8) & 1) one = ucid_create(&values, mode, NULL, &fields, NULL);
            if (status[i] != one)
                fail_msg("row %d: %s, alone %s", i, ucid_status_code(status[i]), ucid_status_code(one));
            char want[UCID_LENGTH_MAX + 1] = "";
            if (one == UCID_OK) ucid_format(&fields, want);
            assert_int_equal(text_at[i + 1] - text_at[i], strlen(want));
            assert_memory_equal(text + text_at[i], want, strlen(want));
            assert_true(cells[i] == (one == UCID_OK ? fields.cell : 0));
            assert_int_equal(validity[i / 8] >> (i % 8) & 1, one == UCID_OK);
        }
    }
    ucid_create_columns none = {0};
    ucid_texts_out out = {NULL, 0, NULL, NULL};
    assert_int_equal(ucid_texts_create(0, &none, 0, NULL, &out, NULL, NULL, NULL, NULL), UCID_INVALID_ARGUMENT);
    none.resolution = 16;
    assert_int_equal(ucid_texts_create(0, &none, 0, NULL, &out, NULL, NULL, NULL, NULL), UCID_INVALID_ARGUMENT);
}

static int compare_rows(const void *a, const void *b, const column *c)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    size_t n = (size_t)(c->offsets[x + 1] - c->offsets[x]), m = (size_t)(c->offsets[y + 1] - c->offsets[y]);
    int order = memcmp(c->data + c->offsets[x], c->data + c->offsets[y], n < m ? n : m);
    return order != 0 ? order : n != m ? (n > m) - (n < m) : (x > y) - (x < y);
}

static void rows_are_sorted_by_their_bytes(void **state)
{
    (void)state;
    for (int round = 0; round < 6; round++) {
        column c;
        fill(&c, round & 1, round == 5);
        int64_t rows[ROWS];
        int n = round < 2 ? round : ROWS;
        assert_int_equal(ucid_texts_sort(n, &c.texts, NULL, rows, NULL), UCID_OK);
        uint8_t seen[ROWS] = {0};
        for (int i = 0; i < n; i++) {
            assert_int_equal(seen[rows[i]]++, 0);
            if (i == 0) continue;
            int valid = is_valid(&c.texts, (int)rows[i]), last_valid = is_valid(&c.texts, (int)rows[i - 1]);
            assert_true(last_valid >= valid);
            int32_t last = (int32_t)rows[i - 1], this = (int32_t)rows[i];
            if (valid) assert_true(compare_rows(&last, &this, &c) < 0);
            if (!last_valid) assert_true(last < this);
        }
        free(c.data);
    }
}

/* 1 where |x| * scale lies so near the middle between two integers that vectors leave it. */
static int is_middle(double x, double scale)
{
    double product = fabs(x) * scale;
    return fabs(product - floor(product) - 0.5) < 0.002;
}

/* Every variant's pieces are what single texts have; what is not made is out of range or near a middle. */
static void pieces_are_those_of_single_texts(void **state)
{
    (void)state;
    ucid_text_variant variant;
    ucid_pieces pieces;
    double lat[UCID_PIECES_BLOCK], lon[UCID_PIECES_BLOCK], confidence[UCID_PIECES_BLOCK];
    uint64_t cells[UCID_PIECES_BLOCK];
    uint8_t grade[UCID_PIECES_BLOCK];
    const double odd[] = {0,       -0.0, 1,        0.125, 0.375, 0.995, 0x1.fffffffffffffp-1, 0x1.0000000000001p0,
                          -1e-300, NAN,  INFINITY, 1e300};
    enum { ODD = sizeof odd / sizeof odd[0] };
    int run = 0;
    for (int k = 0; ucid_text_variant_get(k, &variant); k++) {
        if (variant.run == NULL || !variant.works_here) continue;
        seed = 77;
        int64_t made = 0, rows = 0;
        run++;
        for (int block = 0; block < 3000; block++) {
            int n = 1 + (int)(draw() % UCID_PIECES_BLOCK), bare = draw() % 8 == 0;
            for (int i = 0; i < n; i++) {
                draw_place(&lat[i], &lon[i]);
                confidence[i] = draw() % 4 == 0 ? odd[draw() % ODD] : draw_unit();
                if (draw() % 64 == 0) lat[i] = odd[draw() % ODD] * 91;
                if (draw() % 64 == 0) lon[i] = odd[draw() % ODD] * 181;
                cells[i] = draw() >> (draw() % 64 == 0 ? 0 : 4);
                grade[i] = (uint8_t)(draw() % 64 == 0 ? draw() : draw() % 6);
            }
            variant.run(n, lat, lon, cells, bare ? NULL : grade, bare ? NULL : confidence, &pieces);
            for (int i = 0; i < n; i++) {
                ucid_parts parts = {.lat_deg = lat[i],
                                    .lon_deg = lon[i],
                                    .confidence = bare ? 0 : confidence[i],
                                    .cell = cells[i],
                                    .year = 2026,
                                    .week = 1,
                                    .context = "15MIN",
                                    .context_length = 5,
                                    .grade = bare ? 0 : grade[i],
                                    .city = "IST"};
                int fine = fabs(parts.lat_deg) <= 90 && fabs(parts.lon_deg) <= 180 && parts.cell >> 60 == 0 &&
                           parts.grade <= UCID_GRADE_A_PLUS && parts.confidence >= 0 && parts.confidence <= 1;
                uint64_t lengths = pieces.lengths[i];
                rows++;
                if (lengths == 0) {
                    assert_true(!fine || is_middle(parts.lat_deg, 1000) || is_middle(parts.lon_deg, 1000) ||
                                is_middle(parts.confidence, 100));
                    continue;
                }
                assert_true(fine);
                made++;
                char text[512];
                size_t length = ucid_parts_write(&parts, text), lat_length = lengths & 255,
                       lon_length = lengths >> 8 & 255, end_length = lengths >> 16;
                char *lon_text = text + 12 + lat_length, *cell_text = lon_text + lon_length + 3;
                assert_memory_equal(text + 12, &pieces.lat[i], lat_length);
                assert_memory_equal(lon_text, &pieces.lon[i], lon_length);
                assert_memory_equal(cell_text - 3, ":0:", 3);
                assert_memory_equal(cell_text, pieces.cell[i], 16);
                assert_memory_equal(text + length - end_length, &pieces.end[i], end_length);
                assert_ptr_equal(cell_text + 16 + 17, text + length - end_length);
            }
        }
        assert_true(made > rows / 2);
    }
    print_message("%d variants\n", run);
}

/* A row of a block against the reader of one text. */
static void assert_row_is(const ucid_rows *rows, int i, const ucid_parts *p)
{
    uint64_t rest = rows->rest[i];
    int32_t hour = (ucid_weeks_before(p->year) + p->week - 1) * 168 + p->hour;
    assert_memory_equal(&rows->lat_deg[i], &p->lat_deg, 8); /* bits: a zero keeps its sign */
    assert_memory_equal(&rows->lon_deg[i], &p->lon_deg, 8);
    assert_memory_equal(&rows->confidence[i], &p->confidence, 8);
    assert_true(rows->cell[i] == p->cell && (int32_t)rows->hour[i] == hour && rows->context[i] == p->context);
    assert_int_equal(rest & 0xFFFFFF, load_short(p->city, 3));
    assert_int_equal(rest >> UCID_ROW_RESOLUTION & 15, p->resolution);
    assert_int_equal(rest >> UCID_ROW_CONTEXT_LENGTH & 31, p->context_length);
    assert_int_equal(rest >> UCID_ROW_GRADE & 7, p->grade);
    assert_int_equal(rest >> UCID_ROW_CODE, ucid_code_number(p->city));
    int sound = ucid_cell_bits_valid(p->cell) && (p->cell >> 52 & 15) == p->resolution && p->week < 53;
    assert_int_equal(rest >> UCID_ROW_SOUND & 1, sound);
}

/* Every variant takes the texts that the usual reader takes, no others, and has the same fields of them. Texts lie side
 * by side, the last one at the end of what may be read. */
static void rows_are_those_of_single_texts(void **state)
{
    (void)state;
    enum { PAGE = 4096, ROOM = 16 * PAGE };
    void *memory = NULL;
    assert_int_equal(posix_memalign(&memory, PAGE, ROOM + PAGE), 0);
    char *end = (char *)memory + ROOM;
    assert_int_equal(mprotect(end, PAGE, PROT_NONE), 0);
    static const char likely[] = "+-.:;0123456789ABCDEFWTUIVabcdef/@[`g \0\x80\xba\xff";
    ucid_text_variant variant;
    int run = 0;
    for (int k = 0; ucid_text_variant_get(k, &variant); k++) {
        if (variant.read == NULL || !variant.works_here) continue;
        run++;
        seed = 5;
        int64_t taken = 0, all = 0;
        for (int block = 0; block < 3000; block++) {
            static ucid_rows rows;
            const char *at[UCID_ROWS_BLOCK], *stop[UCID_ROWS_BLOCK];
            size_t length[UCID_ROWS_BLOCK];
            char *p = end;
            int n = 0, most = 1 + (int)(draw() % UCID_ROWS_BLOCK);
            while (n < most) {
                char text[400];
                size_t bytes = draw_text(text, sizeof text);
                for (uint64_t times = draw() % 3; times > 0; times--)
                    text[draw() % bytes] = likely[draw() % (sizeof likely - 1)];
                uint64_t bad = 0;
                if (bytes < UCID_USUAL_SHORTEST || bytes > UCID_LENGTH_MAX || memcmp(text, "UCID-V1:", 8) != 0)
                    continue;
                const char *flags = ucid_usual_stop(text, bytes, &bad);
                if (bad != 0) continue;
                p -= bytes;
                memcpy(p, text, bytes);
                at[n] = p;
                stop[n] = p + (flags - text);
                length[n++] = bytes;
            }
            for (int i = n; (i & 7) != 0; i++) at[i] = at[0], stop[i] = stop[0];
            variant.read(n, at, stop, &rows);
            for (int i = 0; i < n; i++) {
                ucid_parts parts;
                int usual = ucid_parts_read_usual(at[i], length[i], &parts);
                assert_int_equal(rows.rest[i] != 0, usual);
                taken += usual, all++;
                if (usual) assert_row_is(&rows, i, &parts);
            }
        }
        assert_true(taken > all / 4 && taken < all * 3 / 4);
    }
    print_message("%d variants\n", run);
    assert_int_equal(mprotect(end, PAGE, PROT_READ | PROT_WRITE), 0);
    free(memory);
}

/* One row packed by itself, ranges asked as for a column. */
static ucid_status pack_alone(const ucid_field_columns *in, int i, uint8_t binary[UCID_BINARY_SIZE])
{
    ucid_fields f = {0};
    char time[UCID_TIME_LENGTH + 1] = "";
    int year, week, hour;
    memset(binary, 0, UCID_BINARY_SIZE);
    if (in->validity != NULL && !(in->validity[i / 8] >> (i % 8) & 1)) return UCID_NULL_INPUT;
    if (!(fabs(in->lat_deg[i]) <= 90 && fabs(in->lon_deg[i]) <= 180)) return UCID_INVALID_COORDINATES;
    memcpy(f.city, in->city + 3 * i, 3);
    for (int k = 0; k < 3; k++) {
        if (f.city[k] < 'A' || f.city[k] > 'Z') return UCID_FIELD_FORMAT;
    }
    if (in->grade[i] > 5 || !(in->confidence[i] >= 0 && in->confidence[i] <= 1)) return UCID_INVALID_FIELD;
    if (!ucid_time_format(in->hour[i], time)) return UCID_INVALID_TIME;
    assert_int_equal(sscanf(time, "%dW%dT%d", &year, &week, &hour), 3);
    size_t context = (size_t)(in->context.offsets[i + 1] - in->context.offsets[i]),
           flags = (size_t)(in->flags.offsets64[i + 1] - in->flags.offsets64[i]);
    if (context > 16) return UCID_UNENCODABLE;
    f.lat_deg = in->lat_deg[i], f.lon_deg = in->lon_deg[i], f.confidence = in->confidence[i];
    f.cell = in->cell[i], f.grade = in->grade[i];
    f.year = (int16_t)year, f.week = (uint8_t)week, f.hour = (uint8_t)hour;
    f.resolution = in->resolution != NULL ? in->resolution[i] : in->cell[i] >> 52 & 15;
    memcpy(f.context, in->context.data + in->context.offsets[i], context);
    memcpy(f.flags, in->flags.data + in->flags.offsets64[i], flags);
    if (in->hour[i] < 0) return UCID_UNENCODABLE;
    return ucid_pack(&f, binary, NULL);
}

/* Columns of fields and the binary form of many rows against single ones, and every variant against both. Cities and
 * contexts end where nothing may be read. */
static void binary_columns_are_as_single_ones(void **state)
{
    (void)state;
    enum { PAGE = 4096, ROOM = 4 * PAGE, MOST = 300 };
    static const char *const contexts[] = {"NONE",   "15MIN",     "TRANSIT",          "CLIMATE", "VITALITY",
                                           "EQUITY", "WALK",      "SAFETY",           "WALKS",   "",
                                           "A",      "VITALITYX", "WALKABILITYINDEXX"};
    static const char *const flag_texts[] = {"", "", "", "", "", "VERIFIED", "APPROX;CACHED", "ANOMALY", "RUSH", ";"};
    static const double odd[] = {0, -0.0, 0.0005, 0.995, 1.0005, 90, -90, 180, 1e-300, NAN, INFINITY, 0x1.8p-11};
    void *memory = NULL;
    assert_int_equal(posix_memalign(&memory, PAGE, 2 * (ROOM + PAGE)), 0);
    char *city_end = (char *)memory + ROOM, *context_end = city_end + PAGE + ROOM;
    assert_int_equal(mprotect(city_end, PAGE, PROT_NONE) | mprotect(context_end, PAGE, PROT_NONE), 0);
    int64_t packed = 0, rows = 0;
    seed = 31;
    for (int round = 0; round < 400; round++) {
        int n = round < 20 ? round : 1 + (int)(draw() % MOST), bits_a_row = (int)(draw() % 2);
        static double lat[MOST], lon[MOST], confidence[MOST], lat2[MOST], lon2[MOST], confidence2[MOST];
        static uint64_t cell[MOST], cell2[MOST];
        static int32_t hour[MOST], hour2[MOST], context_at[MOST + 1], context_at2[MOST + 1], byte2[MOST];
        static int64_t flags_at[MOST + 1], flags_at2[MOST + 1];
        static uint8_t grade[MOST], grade2[MOST], resolution[MOST], resolution2[MOST], validity[(MOST + 7) / 8],
            validity2[(MOST + 7) / 8], status[MOST], status2[MOST], binary[31 * MOST], alone[31];
        static char flags[16 * MOST], city2[3 * MOST], context2[16 * MOST + 16], flags2[64 * MOST];
        char *city = city_end - 3 * n, context[20 * MOST];
        int32_t at = 0;
        int64_t flag_at = 0;
        for (int i = 0; i < n; i++) {
            ucid_values values = draw_values();
            ucid_fields f;
            values.flag_count = 0;
            assert_int_equal(ucid_create(&values, 0, NULL, &f, NULL), UCID_OK);
            uint64_t harm = draw() % 48;
            lat[i] = harm == 0 ? odd[draw() % 12] : values.lat_deg;
            lon[i] = harm == 1 ? odd[draw() % 12] : values.lon_deg;
            confidence[i] = harm == 2 ? odd[draw() % 12] : values.confidence;
            cell[i] = harm == 3 ? f.cell ^ UINT64_C(1) << draw() % 64 : f.cell;
            hour[i] = (int32_t)(harm == 4 ? draw() : 168 * (draw() % 5000) + draw() % (harm == 5 ? 168 : 24));
            resolution[i] = (uint8_t)(harm == 6 ? draw() : f.resolution);
            grade[i] = (uint8_t)(harm == 7 ? draw() : draw() % 6);
            memcpy(city + 3 * i, "IST", 3);
            if (harm == 8) city[3 * i + (int)(draw() % 3)] = (char)draw();
            const char *word = contexts[draw() % (harm == 9 ? 13 : 8)],
                       *flag = flag_texts[bits_a_row ? draw() % 10 : 0];
            context_at[i] = at;
            flags_at[i] = flag_at;
            memcpy(context + at, word, strlen(word));
            memcpy(flags + flag_at, flag, strlen(flag));
            at += (int32_t)strlen(word);
            flag_at += (int64_t)strlen(flag);
        }
        context_at[n] = at;
        flags_at[n] = flag_at;
        memcpy(context_end - at, context, (size_t)at);
        for (size_t i = 0; i < sizeof validity; i++) validity[i] = (uint8_t)(draw() | draw());
        ucid_field_columns in = {
            .city = city,
            .lat_deg = lat,
            .lon_deg = lon,
            .resolution = draw() % 2 ? resolution : NULL,
            .cell = cell,
            .hour = hour,
            .context = {context_end - at, (size_t)at, context_at, NULL},
            .grade = grade,
            .confidence = confidence,
            .flags = {flags, sizeof flags, NULL, flags_at},
            .validity = draw() % 2 ? validity : NULL,
        };
        assert_int_equal(ucid_columns_pack(n, &in, binary, validity2, status, NULL), UCID_OK);
        for (int i = 0; i < n; i++) {
            ucid_status one = pack_alone(&in, i, alone);
            assert_int_equal(status[i], one);
            assert_memory_equal(binary + 31 * i, alone, 31);
            assert_int_equal(validity2[i / 8] >> (i % 8) & 1, one == UCID_OK);
            packed += one == UCID_OK, rows++;
        }

        for (int i = 0; i < n; i++) { /* forms of nobody, and the middle between two printed numbers */
            if (draw() % 8 == 0) binary[31 * i + (int)(draw() % 31)] ^= (uint8_t)(1u << draw() % 8);
            float deg = (float)(int)(draw() % 180) / 2 + 0.0625f * (float)(draw() % 16) / 2;
            if (draw() % 16 == 0 && status[i] == UCID_OK) memcpy(binary + 31 * i + 4, &deg, 4);
        }
        ucid_field_columns out = {city2,
                                  lat2,
                                  lon2,
                                  resolution2,
                                  cell2,
                                  hour2,
                                  {context2, sizeof context2, context_at2, NULL},
                                  grade2,
                                  confidence2,
                                  {flags2, sizeof flags2, NULL, flags_at2},
                                  validity2,
                                  status2,
                                  byte2};
        assert_int_equal(ucid_columns_unpack(n, binary, in.validity, &out, NULL), UCID_OK);
        for (int i = 0; i < n; i++) {
            ucid_fields want;
            ucid_status one = UCID_NULL_INPUT;
            if (in.validity == NULL || (validity[i / 8] >> (i % 8) & 1))
                one = ucid_unpack(binary + 31 * i, 31, &want, NULL);
            assert_int_equal(status2[i], one);
            assert_int_equal(byte2[i], -1);
            size_t context_length = (size_t)(context_at2[i + 1] - context_at2[i]);
            size_t flags_length = (size_t)(flags_at2[i + 1] - flags_at2[i]);
            if (one != UCID_OK) {
                assert_true(isnan(lat2[i]) && isnan(lon2[i]) && isnan(confidence2[i]) && cell2[i] == 0);
                assert_true(hour2[i] == 0 && grade2[i] == 0 && resolution2[i] == 0);
                assert_true(context_length == 0 && flags_length == 0);
                continue;
            }
            char time[UCID_TIME_LENGTH + 1], wanted[32];
            assert_true(ucid_time_format(hour2[i], time));
            snprintf(wanted, sizeof wanted, "%04dW%02dT%02d", want.year, want.week, want.hour);
            assert_string_equal(time, wanted);
            assert_memory_equal(city2 + 3 * i, want.city, 3);
            assert_memory_equal(&lat2[i], &want.lat_deg, 8);
            assert_memory_equal(&lon2[i], &want.lon_deg, 8);
            assert_memory_equal(&confidence2[i], &want.confidence, 8);
            assert_true(cell2[i] == want.cell && resolution2[i] == want.resolution && grade2[i] == want.grade);
            assert_true(context_length == strlen(want.context) && flags_length == strlen(want.flags));
            assert_memory_equal(context2 + context_at2[i], want.context, context_length);
            if (flags_length > 0) assert_memory_equal(flags2 + flags_at2[i], want.flags, flags_length);
        }

        ucid_text_variant variant;
        int whole = n > 1 ? (n - 2) / 8 * 8 : 0;
        if (whole > 128) whole = 128;
        for (int k = 0; ucid_text_variant_get(k, &variant); k++) {
            if (variant.pack == NULL || !variant.works_here) continue;
            static uint8_t made[31 * 128], left[128], number[128], bits[128];
            int any = 0, some = variant.pack(whole, &in, 0, at - 7, made, left);
            for (int i = 0; i < whole; i++) {
                ucid_field_columns row = in;
                row.validity = NULL;
                any |= left[i] != UCID_OK;
                if (left[i] != UCID_OK || flags_at[i + 1] > flags_at[i]) continue;
                assert_int_equal(pack_alone(&row, i, alone), UCID_OK);
                assert_memory_equal(made + 31 * i, alone, 31);
            }
            assert_int_equal(some, any);
            any = 0, some = variant.unpack(whole, binary, &out, 0, number, bits, left);
            for (int i = 0; i < whole; i++) {
                ucid_fields want;
                any |= left[i] != UCID_OK;
                if (left[i] != UCID_OK) continue;
                assert_int_equal(ucid_unpack(binary + 31 * i, 31, &want, NULL), UCID_OK);
                assert_memory_equal(&lat2[i], &want.lat_deg, 8);
                assert_memory_equal(&lon2[i], &want.lon_deg, 8);
                assert_memory_equal(&confidence2[i], &want.confidence, 8);
                assert_memory_equal(city2 + 3 * i, want.city, 3);
                assert_true(cell2[i] == want.cell && resolution2[i] == want.resolution && grade2[i] == want.grade);
                assert_true(number[i] == binary[31 * i + 24] && bits[i] == binary[31 * i + 29]);
            }
            assert_int_equal(some, any);
        }
    }
    assert_true(packed > rows / 3 && packed < rows);
    assert_int_equal(
        mprotect(city_end, PAGE, PROT_READ | PROT_WRITE) | mprotect(context_end, PAGE, PROT_READ | PROT_WRITE), 0);
    free(memory);
}

/* Cells against boxes, by vectors and one by one: near the box, at every resolution. */
static void boxes_are_met_as_single_ones_are(void **state)
{
    (void)state;
    enum { MANY = 61 };
    ucid_cells_variant variant;
    int run = 0;
    for (int k = 0; ucid_cells_variant_get(k, &variant); k++) {
        if (variant.meet == NULL || !variant.works_here) continue;
        run++;
        seed = 9;
        int64_t answers[3] = {0, 0, 0};
        for (int block = 0; block < 4000; block++) {
            double lat[MANY], lon[MANY], half = draw() % 4 ? UCID_CELL_PRINTED_HALF_DEG : draw_unit() * 0.002;
            uint64_t cells[MANY];
            uint8_t answer[MANY];
            int resolution = (int)(draw() % 16), n = 1 + (int)(draw() % MANY);
            double apart = ucid_cell_edge_m(resolution) / 111000 + 0.0005;
            for (int i = 0; i < n; i++) {
                draw_place(&lat[i], &lon[i]);
                double far = draw() % 8 == 0 ? 100 : 2, north = (draw_unit() * 2 - 1) * apart * far,
                       east = (draw_unit() * 2 - 1) * apart * far;
                cells[i] =
                    ucid_cell_at(fmax(-90, fmin(90, lat[i] + north)), fmax(-180, fmin(180, lon[i] + east)), resolution);
                assert_true(cells[i] != 0);
            }
            variant.meet(n, cells, lat, lon, resolution, half, answer);
            for (int i = 0; i < n; i++) {
                answers[answer[i]]++;
                if (answer[i] == UCID_BOX_UNSURE) continue;
                assert_int_equal(answer[i], ucid_cell_meets_box(cells[i], lat[i], lon[i], half));
            }
            uint8_t meet[MANY];
            ucid_cells_meet_boxes(n, cells, lat, lon, resolution, half, meet);
            for (int i = 0; i < n; i++) {
                assert_int_equal(meet[i], ucid_cell_meets_box(cells[i], lat[i], lon[i], half));
            }
        }
        print_message("%s: %lld no, %lld yes, %lld unsure\n", variant.name, (long long)answers[0],
                      (long long)answers[1], (long long)answers[2]);
        assert_true(answers[0] > 10000 && answers[1] > 10000 && answers[2] < answers[0] + answers[1]);
    }
    print_message("%d variants\n", run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_those_of_single_texts),
        cmocka_unit_test(rows_are_those_of_single_texts),
        cmocka_unit_test(binary_columns_are_as_single_ones),
        cmocka_unit_test(boxes_are_met_as_single_ones_are),
        cmocka_unit_test(numbers_are_written_as_printf_writes_them),
        cmocka_unit_test(numbers_are_read_as_strtod_reads_them),
        cmocka_unit_test(what_create_makes_strict_reads),
        cmocka_unit_test(strict_refuses_cells_beyond_the_box),
        cmocka_unit_test(damaged_texts_are_refused_the_same_everywhere),
        cmocka_unit_test(usual_texts_are_read_as_all_are),
        cmocka_unit_test(odd_texts_are_refused),
        cmocka_unit_test(the_longest_text_is_255_bytes),
        cmocka_unit_test(binary_keeps_the_canonical_text),
        cmocka_unit_test(columns_are_read_as_single_texts_are),
        cmocka_unit_test(columns_are_made_as_single_identifiers_are),
        cmocka_unit_test(rows_are_sorted_by_their_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
