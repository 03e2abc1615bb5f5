/* text_rows_lanes.h: the reader of text_usual.c for LANES rows at once; included by one file for each instruction set,
 * after text_lanes.h. Words are fetched from where each row has its field; what is wrong gathers in bits, as there. */
#include "id/text_rows.h"

typedef uint8_t vb __attribute__((vector_size(8 * LANES)));

typedef struct lane_faults {
    vu bytes, numbers; /* any bit; the sign */
} lane_faults;

static inline void lanes_within(lane_faults *bad, uint64_t least, vu x, uint64_t most)
{
    bad->numbers |= (x - least) | (most - x);
}
static inline vu lanes_not_digits(vu word, uint64_t room) { return ((word + room) | word) & HIGHS; }
static inline vu times_ten(vu word) { return (vu)((vw)word * 10); }

/* [+-]ddd.ddd: as degrees. *next has its first byte lowest; then what follows the colon, four bytes at least, and *at
 * its place. */
static inline vd lanes_coordinate(vu *at, vu *next, uint64_t limit, lane_faults *bad)
{
    vu first = *next & 0xFF, ahead = gather_text(*at + 5), colons = ahead ^ ONES * ':';
    vu marks = ((colons - ONES) & ~colons & HIGHS) | 0x80000000;
    vu lowest = marks & -marks, shift = exponent_of(number_of(lowest)) - 7; /* 8 times the bytes before it */
    vu end = *at + 5 + (shift >> 3), minus = one_where(equal(first, all_u('-'))),
       sign = minus | one_where(equal(first, all_u('+'))), digits = (shift >> 3) + 5 - sign, mute = 64 - (digits << 3);
    vu word = (gather_text(end - 8) ^ 0x3030302E30303030) >> mute << mute;
    bad->bytes |= lanes_not_digits(word, 0x7676767F76767676) | (colons >> shift & 0xFF);
    word = (times_ten(word) + (word >> 8)) & 0x00FF00FF00FF00FF;
    word = (vu)((vw)word * 100) + (word >> 16);
    vu thousandths = multiply_32(word & 0xFFFF, all_u(1000)) + (word >> 32 & 0xFFFF);
    lanes_within(bad, 5, digits, 7);
    bad->numbers |= limit - thousandths;
    *at = end + 1;
    *next = ahead >> 8 >> shift;
    return (vd)((vu)(number_of(thousandths) / 1000.0) | minus << 63);
}

/* Eight hexadecimal digits, the first one in the lowest byte. */
static inline vu lanes_hex(vu word, uint64_t of, vu *bad)
{
    vb digit = (vb)word - '0', letter = (vb)word - 'a';
    vb is_digits = (vb)(digit < 10), is_letters = (vb)(letter < 6);
    *bad |= ~(vu)(is_digits | is_letters) & of;
    vu nibbles = (vu)((digit & is_digits) | ((letter + 10) & is_letters)) & of;
    nibbles = (nibbles << 4 | nibbles >> 8) & 0x00FF00FF00FF00FF;
    nibbles = (nibbles << 8 | nibbles >> 16) & 0x0000FFFF0000FFFF;
    return (nibbles << 16 | nibbles >> 32) & 0xFFFFFFFF;
}

/* Hours from 1970W01T00, which weeks.h does by the row. */
static inline vu lanes_hours(vu year, vu week, vu hour)
{
    vu y = year - 1, century = multiply_32(y, all_u(5243)) >> 19; /* exact below 10^4 */
    vu days = multiply_32(y, all_u(365)) + (y >> 2) - century + (century >> 2) + 3;
    vu weeks = multiply_32(days, all_u(613566757)) >> 32; /* 2^32 / 7 rounded up: exact below 2^30 */
    weeks += week - (102737 + 1);
    return (weeks << 7) + (weeks << 5) + (weeks << 3) + hour;
}

/* 1 where a cell is valid, as ucid_cell_bits_valid, and of its resolution. */
static inline vu lanes_sound(vu cell, vu resolution)
{
    vu base = cell >> 45 & 127, lift = 45 - (resolution + (resolution << 1)), unused = all_u(1) << lift;
    unused -= 1;
    vu digits = cell & UINT64_C(0x1FFFFFFFFFFF), used = digits & ~unused;
    vu wrong = (cell >> 52 ^ (resolution | 0x80)) | (~digits & unused);
    wrong |= used & used >> 1 & used >> 2 & UINT64_C(01111111111111111);
    mask high = equal(base >> 6, all_u(1));
    vu pentagons = (vu)pick(high, (vd)all_u(UINT64_C(0x0020080200080100)), (vd)all_u(UINT64_C(0x8402004001004010)));
    pentagons = pentagons >> (base & 63) & 1;
    wrong |= (121 - base) >> 63;
    if (in_any(equal(pentagons, all_u(1)))) { /* without a child 1: their first digit that is not 0 */
        vu top = exponent_of(number_of(used)), third = multiply_32(top & 63, all_u(43)) >> 7; /* a third of it */
        wrong |= pentagons & one_where(equal(top, third + third + third)) & (1 - one_where(equal(used, all_u(0))));
    }
    return one_where(equal(wrong, all_u(0)));
}

static inline void rows_of(const vu text, const vu stop, ucid_rows *rows, int i)
{
    lane_faults bad = {(vu){0}, (vu){0}};
    vu word = gather_text(text + 8), letters = word & 0xFFFFFF, city = (word & 0xFFFFFFFF) ^ 0x3A404040;
    bad.bytes |= ((city + 0x7F656565) | city | (city - 0x010101)) & 0x80808080;
    vu code = multiply_32(multiply_32(city & 31, all_u(26)) + (city >> 8 & 31), all_u(26)) + (city >> 16 & 31) -
              (26 * 26 + 26 + 1);

    vu p = text + 12, next = word >> 32;
    vd lat = lanes_coordinate(&p, &next, 90000, &bad);
    vd lon = lanes_coordinate(&p, &next, 180000, &bad);
    vu resolution = (next & 0xFF) - '0';
    lanes_within(&bad, 0, resolution, 9);
    mask single = equal(next >> 8 & 0xFF, all_u(':'));
    vu digit = (next >> 8 & 0xFF) - '0', both_digits = (resolution << 3) + (resolution << 1) + digit;
    bad.bytes |= drop(single, (next >> 16 & 0xFF) ^ ':');
    bad.numbers |= drop(single, digit | (9 - digit) | (15 - both_digits));
    resolution = keep(single, resolution) | drop(single, both_digits);

    vu tail = gather_text(stop - 8), plus = one_where(equal(tail >> 8 & 0xFF, all_u('+'))), colon = stop - 8 - plus;
    vu cell_at = p + 3 - one_where(single), n = colon - (cell_at + 27), far = (n - 1) | (16 - n);
    bad.numbers |= far;
    cell_at = (vu)pick(equal(far >> 63, all_u(0)), (vd)cell_at, (vd)text); /* all that is read lies before stop */
    vu head = gather_text(cell_at), low = gather_text(cell_at + 8);
    vu cell = lanes_hex(head, ~UINT64_C(0), &bad.bytes) << 28 | lanes_hex(low, ~UINT64_C(0) >> 8, &bad.bytes) >> 4;
    bad.bytes |= low >> 56 ^ ':';

    vu date = gather_text(cell_at + 16) ^ 0x5430305730303030, clock = gather_text(cell_at + 19) ^ 0x3A30305430305730;
    bad.bytes |= lanes_not_digits(date, 0x7F76767F76767676) | lanes_not_digits(clock, 0x7F76767F76767F76);
    date = times_ten(date) + (date >> 8);
    vu year = multiply_32(date & 0xFF, all_u(100)) + (date >> 16 & 0xFF), week = date >> 40 & 0xFF;
    clock >>= 40;
    vu hour = ((clock & 0xFF) << 3) + ((clock & 0xFF) << 1) + (clock >> 8 & 0xFF);
    bad.numbers |= (year - 1) | (23 - hour);
    lanes_within(&bad, 1, week, 53);

    /* The context: letters and digits from its first byte, eight or up to the colon, and eight before the colon. */
    vu context = cell_at + 27, eight = 8 - n, cut = keep(equal(eight >> 63, all_u(0)), eight) << 3;
    word = gather_text(context);
    vb usual = (vb)((vb)word - '0' < 10) | (vb)((vb)word - 'A' < 26);
    bad.bytes |= ~(vu)usual << (cut & 56);
    word = gather_text(colon - 8);
    usual = (vb)((vb)word - '0' < 10) | (vb)((vb)word - 'A' < 26);
    bad.bytes |= keep(equal(cut, all_u(0)), ~(vu)usual);

    vu ends = gather_text(colon), letter = (ends >> 8 & 0xFF) - 'A',
       grade = all_u(0xFF0F1234) >> ((letter & 7) << 2) & 15;
    bad.bytes |= (letter >> 3) | (grade & 8) | (-plus & letter) | ((ends & 0xFF) ^ ':');
    grade += plus;
    tail = (tail ^ 0x3A30302E303A0000) & 0xFFFFFFFFFFFF0000;
    bad.bytes |= lanes_not_digits(tail, 0x7F76767F767F0000);
    vu percent =
        multiply_32(tail >> 24 & 0xFF, all_u(100)) + multiply_32(tail >> 40 & 0xFF, all_u(10)) + (tail >> 48 & 0xFF);
    bad.numbers |= 100 - percent;
    vd confidence = number_of(percent) / 100.0;

    vu hours = lanes_hours(year, week, hour),
       sound = lanes_sound(cell, resolution) & (1 - one_where(equal(week, all_u(53))));
    vu rest = letters | resolution << UCID_ROW_RESOLUTION | n << UCID_ROW_CONTEXT_LENGTH | grade << UCID_ROW_GRADE |
              all_u(UINT64_C(1) << UCID_ROW_READ) | sound << UCID_ROW_SOUND | code << UCID_ROW_CODE;
    rest = keep(both(equal(bad.bytes, all_u(0)), equal(bad.numbers >> 63, all_u(0))), rest);
    memcpy(rows->lat_deg + i, &lat, sizeof lat);
    memcpy(rows->lon_deg + i, &lon, sizeof lon);
    memcpy(rows->confidence + i, &confidence, sizeof confidence);
    memcpy(rows->cell + i, &cell, sizeof cell);
    memcpy(rows->hour + i, &hours, sizeof hours);
    memcpy(rows->context + i, &context, sizeof context);
    memcpy(rows->rest + i, &rest, sizeof rest);
}

static inline void rows_of_block(int n, const char *const *at, const char *const *stop, ucid_rows *rows)
{
    for (int i = 0; i < n; i += LANES) {
        vu texts, stops;
        memcpy(&texts, at + i, sizeof texts);
        memcpy(&stops, stop + i, sizeof stops);
        rows_of(texts, stops, rows, i);
    }
}
