/* text_usual.c: the reader of the shape that nearly all texts have: three decimals, two of the confidence. It never
 * decides that a text is bad; what it does not take, text_read.c reads.
 *
 *     UCID-V1:IST:+41.015:+28.979:9:891ec90243bffff:2026W01T12:15MIN:A+:0.95:VERIFIED
 *     fixed       5..8    5..8    1..2               fixed     1..16 1..2      flags
 *
 * Every field is read and every rule is asked before one branch at the end, but for those of prefix and city, so that a
 * processor has nothing to guess: what is wrong gathers in bits. Places are found from the front up to the context and,
 * behind the flags, from the back; what a wrong text makes of them still lies inside. */
#include "id/grammar.h"
#include "id/text_rows.h"
#include "id/words.h"

/* What is wrong so far: any bit of bytes, the sign of numbers. */
typedef struct faults {
    uint64_t bytes;
    int64_t numbers;
} faults;

/* least <= x <= most */
static inline void within(faults *bad, int64_t least, int64_t x, int64_t most)
{
    bad->numbers |= (x - least) | (most - x);
}

/* [+-]ddd.ddd: as degrees: the eight bytes before its colon, what precedes the digits masked away. Reads from at - 3 up
 * to at + 12. Returns the colon's place; where it is a fault, some place in at + 5 .. at + 8. */
static inline const char *read_coordinate(const char *at, int64_t limit, double *deg, unsigned *canonical, faults *bad)
{
    uint64_t colons = load8(at + 5) ^ ONES * ':';
    colons = ((colons - ONES) & ~colons & HIGHS) | 0x80000000; /* the lowest set byte is the first colon, or the 4th */
    const char *end = at + 5 + ((unsigned)__builtin_ctzll(colons) >> 3);
    unsigned minus = *at == '-', sign = minus | (*at == '+'), digits = (unsigned)(end - at) - sign; /* 4..8, the dot */
    int64_t thousandths = (int64_t)read_thousandths(end, digits, &bad->bytes);
    bad->bytes |= (unsigned char)*end ^ ':';
    within(bad, 5, digits, 7);
    bad->numbers |= limit - thousandths;
    *canonical &= sign & ((unsigned)(digits == 5) | (unsigned)(at[sign] != '0'));
    uint64_t bits;
    double value = (double)thousandths / 1000.0;
    memcpy(&bits, &value, 8);
    bits |= (uint64_t)minus << 63;
    memcpy(deg, &bits, 8);
    return end;
}

static inline void read_time(const char *text, ucid_parts *parts, faults *bad)
{
    uint64_t word = load8(text) ^ 0x5430305730303030, end = load8(text + 3) ^ 0x3A30305430305730; /* 6W01T12: */
    bad->bytes |= not_digits(word, 0x7F76767F76767676) | not_digits(end, 0x7F76767F76767F76);
    word = word * 10 + (word >> 8); /* bytes 0 and 2: the year's halves; 5: the week */
    int64_t year = (int64_t)((word & 0xFF) * 100 + (word >> 16 & 0xFF)), week = (int64_t)(word >> 40 & 0xFF),
            hour = (int64_t)((end >> 40 & 0xFF) * 10 + (end >> 48 & 0xFF));
    bad->numbers |= (year - 1) | (23 - hour);
    within(bad, 1, week, 53);
    parts->year = (int16_t)year;
    parts->week = (uint8_t)week;
    parts->hour = (uint8_t)hour;
}

int ucid_parts_read_usual(const char *text, size_t length, ucid_parts *parts)
{
    const char *end = text + length;
    faults bad = {0, 0};
    if (length < UCID_USUAL_SHORTEST || length > UCID_LENGTH_MAX) return 0;
    const char *stop = ucid_usual_stop(text, length, &bad.bytes);
    parts->flags = stop;
    parts->flags_length = (uint8_t)(end - stop);
    unsigned canonical = stop == end;

    /* The city: letters are 1 to 26 beside bit 6, and above 26 and 0 the high bit is set. */
    uint32_t city = load4(text + 8) ^ 0x3A404040;
    bad.bytes |= load8(text) ^ load8("UCID-V1:");
    bad.bytes |= ((city + 0x7F656565) | city | (city - 0x010101)) & 0x80808080;
    if (bad.bytes != 0) return 0; /* most texts that need a repair leave here */
    memcpy(parts->city, text + 8, 3);
    const char *p = read_coordinate(text + 12, 90000, &parts->lat_deg, &canonical, &bad) + 1;
    p = read_coordinate(p, 180000, &parts->lon_deg, &canonical, &bad) + 1;
    int resolution = (unsigned char)p[0] - '0';
    within(&bad, 0, resolution, 9);
    if (p[1] != ':') {
        int digit = (unsigned char)p[1] - '0';
        canonical &= resolution != 0;
        resolution = resolution * 10 + digit;
        within(&bad, 0, digit, 9);
        bad.numbers |= 15 - resolution;
        bad.bytes |= (unsigned char)p[2] ^ ':';
        p++;
    }
    parts->resolution = (uint8_t)resolution;

    const char *cell = p + 2, *time = cell + 16, *context = time + 11;
    unsigned plus = stop[-7] == '+';
    const char *colon = stop - 8 - plus; /* the context's */
    size_t n = (size_t)(colon - context);
    if (n - 1 > 15) return 0; /* where it is 1 to 16, all that is read below lies before stop */
    parts->cell = read_hex15((words2){load8(cell), load8(cell + 8)}, &bad.bytes);
    bad.bytes |= (unsigned char)cell[15] ^ ':';
    read_time(time, parts, &bad);
    parts->context = context;
    parts->context_length = (uint8_t)n;
    uint64_t word = ~letters_or_digits(load8(context));
    if (n < 8) {
        bad.bytes |= word & HIGHS >> (64 - 8 * n);
    } else {
        bad.bytes |= (word | ~letters_or_digits(load8(colon - 8))) & HIGHS;
    }

    /* The grade: A 4, B 3, C 2, D 1, no E, F 0; and A+ 5. */
    unsigned letter = (unsigned char)colon[1] - (unsigned)'A', grade = 0xFF0F1234u >> 4 * (letter & 7) & 15;
    bad.bytes |= (letter >> 3) | (grade & 8) | ((0u - plus) & letter);
    parts->grade = (uint8_t)(grade + plus);
    uint64_t tail = (load8(stop - 8) ^ 0x3A30302E303A0000) & 0xFFFFFFFFFFFF0000; /* :0.95: */
    bad.bytes |= not_digits(tail, 0x7F76767F767F0000) | ((unsigned char)*colon ^ ':');
    int64_t percent = (int64_t)((tail >> 24 & 0xFF) * 100 + (tail >> 40 & 0xFF) * 10 + (tail >> 48 & 0xFF));
    bad.numbers |= 100 - percent;
    parts->confidence = (double)percent / 100.0;
    parts->canonical = (uint8_t)canonical;
    parts->rounded = 1;
    return bad.bytes == 0 && bad.numbers >= 0;
}
