/* text_lanes.h: pieces of LANES rows at once; included by one file for each instruction set, after lanes_*.h. Digits
 * are made in 16-bit lanes, whole part and thousandths side by side; the rounding is that of decimal.h. */
#include <string.h>

#include "id/lanes.h"
#include "id/text_pieces.h"

typedef uint16_t vw __attribute__((vector_size(8 * LANES)));

/* |x| * scale to the nearest integer, where that is not close to the middle between two. */
static inline vu rounded(vd x, double scale, mask *good)
{
    vd product = absolute(x) * scale, shifted = product + 0x1p52, off = product - (shifted - 0x1p52);
    *good = both(*good, greater(all(0.499), absolute(off)));
    return (vu)shifted & UINT64_C(0xFFFFFFFF);
}

/* A number of thousandths as "041.015:"; whole: its whole part. */
static inline vu digits_of(vu thousandths, vu *whole)
{
    *whole = multiply_32(thousandths, all_u(UINT64_C(274877907))) >> 38; /* 2^38 / 1000: exact below 2^20 */
    vw x = (vw)(*whole | (thousandths - multiply_32(*whole, all_u(1000))) << 32);
    vw hundreds = x * 41 >> 12, two = x - hundreds * 100, tens = two * 205 >> 11, ones = two - tens * 10;
    return ((vu)(hundreds | tens << 8) | (vu)ones << 16) + UINT64_C(0x3A3030302E303030);
}

/* The degrees' text left-justified, after a sign; *digits: of the whole part. */
static inline vu degrees_of(vd deg, mask *good, vu *digits)
{
    vu whole, text = digits_of(rounded(deg, 1000.0, good), &whole);
    mask two = greater(number_of(whole), all(9)), three = greater(number_of(whole), all(99));
    *digits = 1 + keep(two, all_u(1)) + keep(three, all_u(1));
    text = (vu)pick(three, (vd)text, (vd)pick(two, (vd)(text >> 8), (vd)(text >> 16)));
    return text << 8 | ('+' + ((vu)deg >> 63) * 2);
}

static inline void pieces_of(const vd lat, const vd lon, const vu cell, const vu grade, const vd confidence,
                             ucid_pieces *out, int at)
{
    mask good =
        both(greater(all(0x1.6800000000001p+6), absolute(lat)), greater(all(0x1.6800000000001p+7), absolute(lon)));
    good = both(good, both(greater(all(0x1.0000000000001p0), confidence), greater(confidence, all(-0x1p-1074))));
    good = both(good, equal(cell >> 60, all_u(0)));
    good = both(good, greater(all(6), number_of(grade & 255)));
    vu lat_digits, lon_digits, lat_text = degrees_of(lat, &good, &lat_digits),
                               lon_text = degrees_of(lon, &good, &lon_digits);
    vu percent = rounded(confidence, 100.0, &good), one = multiply_32(percent, all_u(41)) >> 12,
       two = percent - multiply_32(one, all_u(100)), tens = multiply_32(two, all_u(205)) >> 11,
       ones = two - multiply_32(tens, all_u(10));
    vu number = (one | tens << 16 | ones << 24) + UINT64_C(0x3A30302E30);
    mask plus = equal(grade, all_u(UCID_GRADE_A_PLUS));
    vu end = grade_texts(grade) | (vu)pick(plus, (vd)(number << 24), (vd)(number << 16));
    vu lengths = (lat_digits + 6) | (lon_digits + 5) << 8 | (7 + keep(plus, all_u(1))) << 16;
    lengths = keep(good, lengths);
    memcpy(out->lat + at, &lat_text, sizeof lat_text);
    memcpy(out->lon + at, &lon_text, sizeof lon_text);
    memcpy(out->end + at, &end, sizeof end);
    memcpy(out->lengths + at, &lengths, sizeof lengths);
    cell_texts(cell << 4, out->cell + at);
}

static inline void pieces(int n, const double *lat_deg, const double *lon_deg, const uint64_t *cells,
                          const uint8_t *grade, const double *confidence, ucid_pieces *out)
{
    for (int i = 0; i < n; i += LANES) {
        int count = n - i < LANES ? n - i : LANES;
        uint8_t grades[LANES] = {0};
        vd lat, lon, sure = {0};
        vu cell;
        if (count == LANES) {
            memcpy(&lat, lat_deg + i, sizeof lat);
            memcpy(&lon, lon_deg + i, sizeof lon);
            memcpy(&cell, cells + i, sizeof cell);
            if (confidence != NULL) memcpy(&sure, confidence + i, sizeof sure);
            if (grade != NULL) memcpy(grades, grade + i, LANES);
        } else {
            lat = lon = (vd){0}, cell = (vu){0};
            memcpy(&lat, lat_deg + i, (size_t)count * 8);
            memcpy(&lon, lon_deg + i, (size_t)count * 8);
            memcpy(&cell, cells + i, (size_t)count * 8);
            if (confidence != NULL) memcpy(&sure, confidence + i, (size_t)count * 8);
            if (grade != NULL) memcpy(grades, grade + i, (size_t)count);
        }
        pieces_of(lat, lon, cell, widen_bytes(grades), sure, out, i);
    }
}
