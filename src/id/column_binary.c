/* column_binary.c: columns of fields and the 31-byte form. Rows go through in blocks that stay in the first-level
 * cache: vectors make and read many records at once, and what they leave goes row by row through binary.c, whose rules
 * theirs are. */
#include "id/cell.h"
#include "id/column.h"
#include "id/grammar.h"
#include "id/text_pieces.h"
#include "id/weeks.h"

enum { BLOCK = 128 };

/* Empty where there is no such column. */
static inline ucid_text text_at(const ucid_texts_out *column, int64_t row)
{
    if (column->data == NULL) return (ucid_text){"", 0};
    return row_text(&(ucid_texts){column->data, column->offsets, column->offsets64, 0, NULL}, row);
}

/* Ranges, which binary.c takes for granted: there they are the parser's. */
static ucid_status check_row(const ucid_field_columns *in, int64_t row)
{
    const char *city = in->city + 3 * row;
    if (!(fabs(in->lat_deg[row]) <= 90) || !(fabs(in->lon_deg[row]) <= 180)) return UCID_INVALID_COORDINATES;
    if (!is_upper(city[0]) || !is_upper(city[1]) || !is_upper(city[2])) return UCID_FIELD_FORMAT;
    if (in->grade[row] > UCID_GRADE_A_PLUS) return UCID_INVALID_FIELD;
    if (!(in->confidence[row] >= 0 && in->confidence[row] <= 1)) return UCID_INVALID_FIELD;
    if (!ucid_hour_is_key(in->hour[row])) return UCID_INVALID_TIME;
    return UCID_OK;
}

/* A row that vectors have left. */
static ucid_status pack_row(const ucid_field_columns *in, int64_t row, uint8_t *binary)
{
    ucid_status status = check_row(in, row);
    ucid_text context = text_at(&in->context, row), flags = text_at(&in->flags, row);
    if (status != UCID_OK) return status;
    if (in->hour[row] < 0 || context.length > 16 || flags.length > UCID_LENGTH_MAX) return UCID_UNENCODABLE;
    ucid_parts parts = {.lat_deg = in->lat_deg[row],
                        .lon_deg = in->lon_deg[row],
                        .confidence = in->confidence[row],
                        .cell = in->cell[row],
                        .context = context.data,
                        .flags = flags.data,
                        .hour = (uint8_t)(in->hour[row] % 168),
                        .resolution = in->resolution != NULL ? in->resolution[row] : in->cell[row] >> 52 & 15,
                        .grade = in->grade[row],
                        .context_length = (uint8_t)context.length,
                        .flags_length = (uint8_t)flags.length};
    int year, week;
    ucid_week_split(in->hour[row] / 168, &year, &week);
    parts.year = (int16_t)year;
    parts.week = (uint8_t)week;
    memcpy(parts.city, in->city + 3 * row, 3);
    ucid_place place;
    return ucid_parts_pack(&parts, binary, &place);
}

/* Where contexts of a column end from whose starts eight bytes cannot be read; those that end there or before can. */
static int64_t context_stop(const ucid_texts_out *texts, int64_t n)
{
    return (texts->offsets != NULL ? texts->offsets[n] : texts->offsets64[n]) - 7;
}

ucid_status ucid_columns_pack(int64_t n, const ucid_field_columns *fields, uint8_t *binary, uint8_t *validity,
                              uint8_t *status, ucid_error *error)
{
    if (n > 0 &&
        (fields->city == NULL || fields->lat_deg == NULL || fields->lon_deg == NULL || fields->cell == NULL ||
         fields->hour == NULL || fields->context.data == NULL || fields->grade == NULL || fields->confidence == NULL)) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT,
                         "the binary form needs all fields but flags and resolution, which may be NULL");
    }
    ucid_rows_pack_fn *pack = ucid_text_variant_best().pack;
    int64_t stop = n > 0 ? context_stop(&fields->context, n) : 0;
    for (int64_t first = 0; first < n; first += BLOCK) {
        int count = n - first < BLOCK ? (int)(n - first) : BLOCK, whole = 0, left = 1;
        uint8_t rows[BLOCK], *records = binary + first * UCID_BINARY_SIZE;
        if (pack != NULL && stop > 0) {
            whole = count & ~7;
            if (first + whole > n - 2 && whole > 0) whole -= 8; /* cities are read by eight bytes */
            left = pack(whole, fields, first, stop, records, rows) | (whole < count) | (fields->validity != NULL) |
                   (fields->flags.data != NULL);
        }
        for (int i = 0; left && i < count; i++) {
            int64_t row = first + i;
            if (i < whole && rows[i] == UCID_OK && bit_is_set(fields->validity, row) &&
                text_at(&fields->flags, row).length == 0) {
                continue;
            }
            uint8_t *to = records + i * UCID_BINARY_SIZE;
            ucid_status one = UCID_NULL_INPUT;
            if (bit_is_set(fields->validity, row)) one = pack_row(fields, row, to);
            if (one != UCID_OK) memset(to, 0, UCID_BINARY_SIZE);
            rows[i] = (uint8_t)one;
        }
        put_statuses(first, count, rows, validity, status);
    }
    return UCID_OK;
}

/* A row that vectors have left: its columns but for texts, NaN and 0 where it is bad. */
static ucid_status unpack_row(const uint8_t *record, int is_valid, const ucid_field_columns *out, int64_t row)
{
    static const ucid_parts nothing = {.lat_deg = (double)NAN, .lon_deg = (double)NAN, .confidence = (double)NAN};
    ucid_parts parts;
    ucid_place place;
    char flags[64];
    ucid_status status = UCID_NULL_INPUT;
    if (is_valid) status = record[0] == 1 ? ucid_parts_unpack(record, &parts, flags, &place) : UCID_UNSUPPORTED_VERSION;
    int32_t hour = 0;
    if (status == UCID_OK) {
        hour = (int32_t)load4((const char *)record + 20);
    } else {
        parts = nothing;
    }
    if (out->lat_deg != NULL) out->lat_deg[row] = parts.lat_deg;
    if (out->lon_deg != NULL) out->lon_deg[row] = parts.lon_deg;
    if (out->confidence != NULL) out->confidence[row] = parts.confidence;
    if (out->cell != NULL) out->cell[row] = parts.cell;
    if (out->hour != NULL) out->hour[row] = hour;
    if (out->grade != NULL) out->grade[row] = parts.grade;
    if (out->resolution != NULL) out->resolution[row] = parts.resolution;
    if (out->city != NULL) memcpy(out->city + 3 * row, parts.city, 3);
    return status;
}

/* Texts of a block's rows, of which those that are OK have some. */
static void put_texts(const ucid_field_columns *out, int64_t first, int count, const uint8_t *context,
                      const uint8_t *flags, const uint8_t *status, size_t *context_end, size_t *flags_end)
{
    size_t end = *context_end;
    for (int i = 0; out->context.data != NULL && i < count; i++) {
        unsigned number = context[i] & 7u;
        memcpy(out->context.data + end, ucid_context_names[number], 8);
        end += status[i] == UCID_OK ? UCID_CONTEXT_LENGTHS >> 4 * number & 15 : 0;
        end_row(&out->context, first + i, end);
    }
    *context_end = end;
    for (int i = 0; out->flags.data != NULL && i < count; i++) {
        uint8_t members;
        if (status[i] == UCID_OK && flags[i] != 0) {
            *flags_end += ucid_flag_bits_write(flags[i], out->flags.data + *flags_end, &members);
        }
        end_row(&out->flags, first + i, *flags_end);
    }
}

ucid_status ucid_columns_unpack(int64_t n, const uint8_t *binary, const uint8_t *binary_validity,
                                const ucid_field_columns *fields, ucid_error *error)
{
    ucid_status failed = UCID_OK;
    if (fields->context.data != NULL) failed = check_room(&fields->context, 16 * (size_t)n + 16, error);
    if (failed == UCID_OK && fields->flags.data != NULL) failed = check_room(&fields->flags, 64 * (size_t)n, error);
    if (failed != UCID_OK) return failed;
    ucid_rows_unpack_fn *unpack = ucid_text_variant_best().unpack;
    size_t context_end = 0, flags_end = 0;
    for (int64_t first = 0; first < n; first += BLOCK) {
        int count = n - first < BLOCK ? (int)(n - first) : BLOCK, whole = 0, left = 1;
        uint8_t context[BLOCK], flags[BLOCK], status[BLOCK];
        const uint8_t *records = binary + first * UCID_BINARY_SIZE;
        if (unpack != NULL) {
            whole = count & ~7;
            left = unpack(whole, records, fields, first, context, flags, status) | (whole < count) |
                   (binary_validity != NULL);
        }
        for (int i = 0; left && i < count; i++) {
            int is_valid = bit_is_set(binary_validity, first + i);
            if (i < whole && status[i] == UCID_OK && is_valid) continue;
            const uint8_t *record = records + i * UCID_BINARY_SIZE;
            status[i] = (uint8_t)unpack_row(record, is_valid, fields, first + i);
            context[i] = record[24];
            flags[i] = record[29];
        }
        put_texts(fields, first, count, context, flags, status, &context_end, &flags_end);
        for (int i = 0; fields->byte != NULL && i < count; i++) fields->byte[first + i] = -1;
        put_statuses(first, count, status, fields->validity, fields->status);
    }
    return UCID_OK;
}
