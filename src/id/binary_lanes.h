/* binary_lanes.h: LANES rows of the 31-byte form at once; included by one file for each instruction set, after
 * text_rows_lanes.h. Rules and rounding are those of binary.c; a row with a value close to the middle between two
 * printed ones is left to it. */
#include "id/binary_rows.h"

typedef float vf __attribute__((vector_size(4 * LANES)));
typedef uint32_t vh __attribute__((vector_size(4 * LANES)));
typedef int32_t vs __attribute__((vector_size(4 * LANES)));

/* Degrees as printed, where they are below `past`. */
static inline vd lanes_printed(vd deg, double past, mask *good)
{
    *good = both(*good, greater(all(past), absolute(deg)));
    return (vd)((vu)(number_of(rounded(deg, 1000.0, good)) / 1000.0) | ((vu)deg >> 63 << 63));
}

/* Bits of degrees in single precision, and back. */
static inline vu lanes_single(vd deg) { return __builtin_convertvector((vh) __builtin_convertvector(deg, vf), vu); }

static inline vd lanes_double(vu single)
{
    return __builtin_convertvector((vf) __builtin_convertvector(single, vh), vd);
}

/* Not 0 where a number is not that of a time key from 1970 on. */
static inline vu lanes_no_key(vu hour)
{
    vu week = multiply_32(hour >> 3, all_u(UINT64_C(818089009))) >> 34; /* 2^34 / 21 rounded up: exact below 2^31 */
    return (hour | (UCID_HOUR_MAX - hour) | (23 - (hour - ((week << 7) + (week << 5) + (week << 3))))) >> 63;
}

/* Not 0 where three bytes are not letters. */
static inline vu lanes_no_letters(vu city)
{
    vu off = city ^ 0x404040;
    return ((off + 0x656565) | off | (off - 0x010101)) & 0x808080;
}

/* Numbers of contexts; above 7 where a context is none or ends beyond `stop`. */
static inline vu lanes_contexts(const ucid_texts_out *texts, int64_t row, int64_t stop)
{
    vu from, to;
    if (texts->offsets != NULL) {
        vs starts, ends;
        memcpy(&starts, texts->offsets + row, sizeof starts);
        memcpy(&ends, texts->offsets + row + 1, sizeof ends);
        from = (vu) __builtin_convertvector(starts, vi);
        to = (vu) __builtin_convertvector(ends, vi);
    } else {
        memcpy(&from, texts->offsets64 + row, sizeof from);
        memcpy(&to, texts->offsets64 + row + 1, sizeof to);
    }
    vu length = to - from, odd = ((length - 1) | (8 - length) | ((uint64_t)stop - to)) >> 63;
    vu word = gather_text((uint64_t)(uintptr_t)texts->data + keep(equal(odd, all_u(0)), from));
    vu cut = (64 - (length << 3)) & 56;
    word = word << cut >> cut;
    vu number = all_u(UCID_CONTEXT_BY_THIRD) >> (word >> 14 & 60) & 7;
    vu name = gather_64(ucid_context_names, number << 1);
    return number | drop(equal(name, word), all_u(8)) | odd << 3;
}

static inline void put_bytes_of(vu x, uint8_t *bytes)
{
    typedef uint8_t narrow __attribute__((vector_size(LANES)));
    narrow low = __builtin_convertvector(x, narrow);
    memcpy(bytes, &low, sizeof low);
}

/* Statuses of lanes; 1 where one is left. */
static inline int put_good(mask good, uint8_t *status)
{
    put_bytes_of(drop(good, all_u(UCID_ROW_LEFT)), status);
    return !in_all(good);
}

static inline int pack_rows(int n, const ucid_field_columns *in, int64_t first, int64_t context_stop, uint8_t *binary,
                            uint8_t *status)
{
    int left = 0;
    vu step;
    for (int k = 0; k < LANES; k++) step[k] = 3 * (uint64_t)k;
    for (int i = 0; i < n; i += LANES) {
        int64_t row = first + i;
        vd lat, lon, confidence;
        vu cell;
        vs hours;
        memcpy(&lat, in->lat_deg + row, sizeof lat);
        memcpy(&lon, in->lon_deg + row, sizeof lon);
        memcpy(&confidence, in->confidence + row, sizeof confidence);
        memcpy(&cell, in->cell + row, sizeof cell);
        memcpy(&hours, in->hour + row, sizeof hours);
        vu hour = (vu) __builtin_convertvector(hours, vi), grade = widen_bytes(in->grade + row);
        vu resolution = in->resolution != NULL ? widen_bytes(in->resolution + row) : cell >> 52 & 15;
        vu city = gather_text(step + (uint64_t)(uintptr_t)(in->city + 3 * row)) & 0xFFFFFF;
        vu number = lanes_contexts(&in->context, row, context_stop);
        vu wrong = lanes_no_letters(city) | lanes_no_key(hour) | number >> 3 | (5 - grade) >> 63 | resolution >> 4;
        mask good = both(equal(wrong, all_u(0)), is_one(lanes_sound(cell, resolution & 15)));
        good = both(good, both(greater(all(0x1.0000000000001p0), confidence), greater(confidence, all(-0x1p-1074))));
        vu percent = rounded(confidence, 100.0, &good);
        vu north = lanes_single(lanes_printed(lat, 0x1.6800000000001p+6, &good)),
           east = lanes_single(lanes_printed(lon, 0x1.6800000000001p+7, &good));
        uint64_t words[4][LANES];
        vu word[4] = {1 | city << 8 | north << 32, east | cell << 32, cell >> 32 | hour << 32,
                      hour >> 24 | number << 8 | grade << 24 | multiply_32(percent, all_u(100)) << 32};
        memcpy(words, word, sizeof words);
        for (int k = 0; k < LANES; k++) {
            char *to = (char *)binary + (ptrdiff_t)(i + k) * UCID_BINARY_SIZE;
            memcpy(to, &words[0][k], 8);
            memcpy(to + 8, &words[1][k], 8);
            memcpy(to + 16, &words[2][k], 8);
            memcpy(to + 23, &words[3][k], 8);
        }
        left |= put_good(good, status + i);
    }
    return left;
}

static inline int unpack_rows(int n, const uint8_t *binary, const ucid_field_columns *out, int64_t first,
                              uint8_t *contexts, uint8_t *flags, uint8_t *status)
{
    int left = 0;
    vu step;
    for (int k = 0; k < LANES; k++) step[k] = UCID_BINARY_SIZE * (uint64_t)k;
    for (int i = 0; i < n; i += LANES) {
        int64_t row = first + i;
        vu at = step + (uint64_t)(uintptr_t)(binary + (ptrdiff_t)i * UCID_BINARY_SIZE);
        vu head = gather_text(at), second = gather_text(at + 8), third = gather_text(at + 16),
           tail = gather_text(at + 23) >> 8;
        vu city = head >> 8 & 0xFFFFFF, cell = second >> 32 | third << 32, hour = third >> 32;
        vu number = tail & 0xFFFF, grade = tail >> 16 & 0xFF, parts = tail >> 24 & 0xFFFF, bits = tail >> 40;
        vu resolution = cell >> 52 & 15;
        vu wrong = ((head & 0xFF) ^ 1) | lanes_no_letters(city) | lanes_no_key(hour);
        wrong |= ((7 - number) | (5 - grade) | (10000 - parts) | (127 - bits)) >> 63;
        mask good = both(equal(wrong, all_u(0)), is_one(lanes_sound(cell, resolution)));
        vd lat = lanes_printed(lanes_double(head >> 32), 0x1.6800000000001p+6, &good),
           lon = lanes_printed(lanes_double(second & 0xFFFFFFFF), 0x1.6800000000001p+7, &good);
        vd confidence = number_of(parts) / 10000.0;
        vs hours = __builtin_convertvector((vi)hour, vs);
        if (out->lat_deg != NULL) memcpy(out->lat_deg + row, &lat, sizeof lat);
        if (out->lon_deg != NULL) memcpy(out->lon_deg + row, &lon, sizeof lon);
        if (out->confidence != NULL) memcpy(out->confidence + row, &confidence, sizeof confidence);
        if (out->cell != NULL) memcpy(out->cell + row, &cell, sizeof cell);
        if (out->hour != NULL) memcpy(out->hour + row, &hours, sizeof hours);
        if (out->grade != NULL) put_bytes_of(grade, out->grade + row);
        if (out->resolution != NULL) put_bytes_of(resolution, out->resolution + row);
        put_bytes_of(number, contexts + i);
        put_bytes_of(bits, flags + i);
        for (int k = 0; out->city != NULL && k < LANES; k += 4) {
            char *to = out->city + 3 * (row + k);
            uint64_t two = city[k] | city[k + 1] << 24 | city[k + 2] << 48;
            uint32_t rest = (uint32_t)(city[k + 2] >> 16 | city[k + 3] << 8);
            memcpy(to, &two, 8);
            memcpy(to + 8, &rest, 4);
        }
        left |= put_good(good, status + i);
    }
    return left;
}
