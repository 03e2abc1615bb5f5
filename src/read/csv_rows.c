/* csv_rows.c: where rows of CSV end, and the fields of some of their columns, without looking at what is in the others.
 *
 *     64 bytes -> bits of commas, line ends and quotes -> those outside quotes -> ends of fields
 *
 * A byte is inside quotes where the number of quotes before it is odd, which is a prefix XOR of bits. That holds where
 * a quote opens only at the start of a field, as RFC 4180 has it; bytes with a quote elsewhere are read one by one, and
 * there quotes inside a field that did not begin with one are text, as Arrow's reader takes them. Cost: some bytes a
 * cycle for what is skipped. */
#include "rt/error.h"
#include "ucid.h"

#include <stddef.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* ----------------------------------------------------------------------------------------------------------- Bits --
 */

typedef struct masks {
    uint64_t commas, ends, quotes;
} masks;

/* Of fewer than 64 bytes. */
static masks masks_of_some(const char *bytes, size_t count)
{
    masks found = {0, 0, 0};
    for (size_t i = 0; i < count; i++) {
        found.commas |= (uint64_t)(bytes[i] == ',') << i;
        found.ends |= (uint64_t)(bytes[i] == '\n') << i;
        found.quotes |= (uint64_t)(bytes[i] == '"') << i;
    }
    return found;
}

#ifdef __SSE2__
static uint64_t bits_equal(const __m128i *vectors, char wanted)
{
    uint64_t bits = 0;
    for (int i = 0; i < 4; i++) {
        int some = _mm_movemask_epi8(_mm_cmpeq_epi8(vectors[i], _mm_set1_epi8(wanted)));
        bits |= (uint64_t)(uint32_t)some << 16 * i;
    }
    return bits;
}
#endif

/* Of the next bytes, 64 of them or fewer; quotes are not looked for where there are none. */
static inline masks masks_at(const char *bytes, size_t count, int quotes)
{
#ifdef __SSE2__
    if (count == 64) {
        __m128i vectors[4];
        for (int i = 0; i < 4; i++) vectors[i] = _mm_loadu_si128((const __m128i *)(const void *)bytes + i);
        return (masks){bits_equal(vectors, ','), bits_equal(vectors, '\n'), quotes ? bits_equal(vectors, '"') : 0};
    }
#endif
    (void)quotes;
    return masks_of_some(bytes, count);
}

static uint64_t prefix_xor(uint64_t bits)
{
    for (int shift = 1; shift < 64; shift *= 2) bits ^= bits << shift;
    return bits;
}

/* Follows quotes through rows. */
typedef struct quote_walk {
    uint64_t inside; /* all ones: the last byte was inside quotes */
    uint64_t before; /* bit 0: a quote may open at the next byte */
    int irregular;
} quote_walk;
#define QUOTE_WALK_INIT                                                                                                \
    {                                                                                                                  \
        0, 1, 0                                                                                                        \
    }

/* Bits inside quotes of the next bytes. */
static uint64_t walk_quotes(quote_walk *walk, const masks *m)
{
    if (m->quotes == 0) {
        walk->before = (m->commas | m->ends) >> 63;
        return walk->inside;
    }
    uint64_t in = prefix_xor(m->quotes) ^ walk->inside, opens = m->quotes & in, closes = m->quotes & ~in;
    uint64_t may = m->commas | m->ends | closes;
    walk->irregular |= (opens & ~(may << 1 | walk->before)) != 0;
    walk->before = may >> 63;
    walk->inside = in >> 63 != 0 ? UINT64_MAX : 0;
    return in;
}

/* ----------------------------------------------------------------------------------------------------------- Rows --
 */

size_t ucid_csv_row(const char *bytes, size_t length)
{
    const char *at = bytes, *end = bytes + length;
    for (int start = 1; at < end; at++) {
        if (start && *at == '"') {
            for (at++; at < end; at++) {
                if (*at != '"') continue;
                if (at + 1 == end) return 0; /* one more may follow */
                if (at[1] != '"') break;
                at++;
            }
            if (at == end) return 0;
            start = 0;
        } else if (*at == '\n') {
            return (size_t)(at - bytes) + 1;
        } else {
            start = *at == ',';
        }
    }
    return 0;
}

/* Byte by byte. */
static size_t rows_slowly(const char *bytes, size_t length)
{
    size_t whole = 0, next;
    while ((next = ucid_csv_row(bytes + whole, length - whole)) != 0) whole += next;
    return whole;
}

size_t ucid_csv_rows(const char *bytes, size_t length)
{
    if (length == 0) return 0;
    if (memchr(bytes, '"', length) == NULL) {
        size_t whole = length;
        while (whole > 0 && bytes[whole - 1] != '\n') whole--;
        return whole;
    }
    quote_walk walk = QUOTE_WALK_INIT;
    size_t whole = 0;
    for (size_t at = 0; at < length; at += 64) {
        masks m = masks_at(bytes + at, length - at < 64 ? length - at : 64, 1);
        uint64_t ends = m.ends & ~walk_quotes(&walk, &m);
        if (ends != 0) whole = at + 64 - (size_t)__builtin_clzll(ends);
        if (walk.irregular) return rows_slowly(bytes, length);
    }
    return whole;
}

/* --------------------------------------------------------------------------------------------------------- Fields --
 */

typedef struct field_walk {
    const char *bytes;
    const int32_t *columns; /* that are wanted */
    int32_t count, next;    /* of these the next in this row */
    int64_t column_count, column, rows;
    size_t start; /* of the field */
    ucid_csv_field *fields;
    int failed;
} field_walk;

/* The field from start to end, the last of its row or not. */
static inline void end_field(field_walk *w, size_t end, int last)
{
    size_t stop = last && end > w->start && w->bytes[end - 1] == '\r' ? end - 1 : end;
    if (last && w->column == 0 && stop == w->start) { /* an empty line */
        w->start = end + 1;
        return;
    }
    if (w->next < w->count && w->columns[w->next] == w->column) {
        w->fields[w->rows * w->count + w->next++] = (ucid_csv_field){(uint32_t)w->start, (uint32_t)(stop - w->start)};
    }
    w->column++;
    w->start = end + 1;
    if (!last) return;
    if (w->column != w->column_count) {
        w->failed = 1;
        return;
    }
    w->column = 0;
    w->next = 0;
    w->rows++;
}

static inline void find_fields(field_walk *w, size_t length, int quotes)
{
    quote_walk walk = QUOTE_WALK_INIT;
    for (size_t at = 0; at < length && !w->failed; at += 64) {
        masks m = masks_at(w->bytes + at, length - at < 64 ? length - at : 64, quotes);
        uint64_t outside = quotes ? ~walk_quotes(&walk, &m) : UINT64_MAX, ends = m.ends & outside;
        for (uint64_t bits = (m.commas & outside) | ends; bits != 0 && !w->failed;) {
            uint64_t row_end = bits & ends & -(bits & ends), left = bits & (row_end - 1);
            int64_t skipped = w->next < w->count ? w->columns[w->next] - w->column : INT64_MAX;
            if (skipped > 0 && left != 0) {
                bits ^= left;
                for (; skipped > 0 && left != 0; skipped--, w->column++) {
                    w->start = at + (size_t)__builtin_ctzll(left) + 1;
                    left &= left - 1;
                }
                bits |= left;
                continue;
            }
            int bit = __builtin_ctzll(bits);
            end_field(w, at + (size_t)bit, (ends >> bit & 1) != 0);
            bits &= bits - 1;
        }
    }
}

static void find_fields_plain(field_walk *w, size_t length) { find_fields(w, length, 0); }
static void find_fields_quoted(field_walk *w, size_t length) { find_fields(w, length, 1); }

static void find_fields_slowly(field_walk *w, size_t length)
{
    for (size_t at = 0; at < length && !w->failed;) {
        size_t next = ucid_csv_row(w->bytes + at, length - at), row_end = next != 0 ? at + next : length;
        for (int start = 1; at < row_end && !w->failed; at++) {
            const char *byte = w->bytes + at;
            if (start && *byte == '"') {
                for (at++; at < row_end; at++) {
                    if (w->bytes[at] != '"') continue;
                    if (at + 1 >= row_end || w->bytes[at + 1] != '"') break;
                    at++;
                }
                start = 0;
            } else if (*byte == ',' || *byte == '\n') {
                end_field(w, at, *byte == '\n');
                start = 1;
            } else {
                start = 0;
            }
        }
    }
}

static int is_regular(const char *bytes, size_t length)
{
    quote_walk walk = QUOTE_WALK_INIT;
    for (size_t at = 0; at < length && !walk.irregular; at += 64) {
        masks m = masks_at(bytes + at, length - at < 64 ? length - at : 64, 1);
        (void)walk_quotes(&walk, &m);
    }
    return !walk.irregular;
}

ucid_status ucid_csv_fields(const char *bytes, size_t length, int32_t column_count, const int32_t *columns,
                            int32_t count, int64_t capacity, ucid_csv_field *fields, int64_t *row_count,
                            ucid_error *error)
{
    if (column_count < 1 || count < 0) return ucid_fail(error, UCID_INVALID_ARGUMENT, "no columns");
    for (int32_t i = 0; i < count; i++) {
        if (columns[i] >= column_count || columns[i] < (i > 0 ? columns[i - 1] + 1 : 0)) {
            return ucid_fail(error, UCID_INVALID_ARGUMENT, "columns[%d] is %d: not ascending, or not below %d", i,
                             columns[i], column_count);
        }
    }
    if (length > UINT32_MAX) return ucid_fail(error, UCID_INVALID_ARGUMENT, "%zu bytes are more than 4 GiB", length);
    if (capacity < (int64_t)(length / (size_t)column_count) + 1) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "a capacity of %lld rows for %zu bytes of %d columns",
                         (long long)capacity, length, column_count);
    }
    field_walk walk = {.bytes = bytes, .columns = columns, .count = count, .column_count = column_count};
    walk.fields = fields;
    if (length == 0 || memchr(bytes, '"', length) == NULL) {
        find_fields_plain(&walk, length);
    } else if (is_regular(bytes, length)) {
        find_fields_quoted(&walk, length);
    } else {
        find_fields_slowly(&walk, length);
    }
    if (!walk.failed && (walk.start < length || walk.column > 0)) end_field(&walk, length, 1); /* without a line end */
    *row_count = walk.rows;
    if (!walk.failed) return UCID_OK;
    return ucid_fail_at(error, UCID_DATA_ERROR, walk.rows, -1, "has %lld columns, the header %d",
                        (long long)walk.column, column_count);
}

size_t ucid_csv_text(const char *field, size_t length, char *text)
{
    if (length == 0 || field[0] != '"') {
        if (length > 0) memcpy(text, field, length);
        return length;
    }
    size_t at = 1, written = 0;
    for (; at < length; at++) {
        if (field[at] == '"') {
            if (at + 1 >= length || field[at + 1] != '"') break;
            at++;
        }
        text[written++] = field[at];
    }
    if (at + 1 < length) {
        memcpy(text + written, field + at + 1, length - at - 1);
        written += length - at - 1;
    }
    return written;
}

/* Digits, a point, digits: an integer below 2^53 and a power of ten that are doubles, divided once. */
int ucid_csv_number(const char *field, size_t length, double *value)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,
                                    1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19};
    const char *at = field, *end = field + length;
    int negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+')) at++;
    const char *digits = at, *point = NULL;
    uint64_t whole = 0;
    for (; at < end; at++) {
        unsigned digit = (unsigned)(unsigned char)*at - '0';
        if (digit < 10) {
            whole = whole * 10 + digit;
        } else if (*at == '.' && point == NULL) {
            point = at;
        } else {
            return 0;
        }
    }
    ptrdiff_t count = at - digits - (point != NULL), decimals = point != NULL ? at - point - 1 : 0;
    if (count < 1 || count > 19 || whole > (uint64_t)1 << 53) return 0;
    double read = (double)whole / powers[decimals];
    *value = negative ? -read : read;
    return 1;
}
