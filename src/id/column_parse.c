/* column_parse.c: texts taken apart by the column. Rows go through in blocks that stay in the first-level cache:
 * vectors take many rows of the usual shape apart at once, what they leave is read row by row, cells are checked
 * together, and then the outputs are written. The rules are those of grammar.c; a test compares every row with the
 * scalar functions. */
#include "id/cell.h"
#include "id/city.h"
#include "id/column.h"
#include "id/grammar.h"
#include "id/text_pieces.h"
#include "id/weeks.h"

enum { BLOCK = UCID_ROWS_BLOCK };

/* A block of rows, and what columns say of it beyond ucid_rows. */
typedef struct block {
    ucid_rows rows;
    const char *at[BLOCK], *stop[BLOCK]; /* of the texts that may be usual; elsewhere of one that is */
    const char *flags[BLOCK];
    ucid_place places[BLOCK];
    uint8_t flags_length[BLOCK], status[BLOCK], exact[BLOCK]; /* exact: the coordinates may have more than 3 decimals */
    uint8_t usual[BLOCK];
    int exact_count, good_count; /* rows that are OK or whose week alone is wrong */
} block;

static const char usual_text[] = "UCID-V1:IST:+41.015:+28.979:9:891ec90243bffff:2026W01T12:15MIN:A:0.95:";

/* Which texts of a block may be usual, and where their flags begin. */
static void find_usual(const ucid_texts *texts, int64_t first, int count, block *b)
{
    const uint64_t prefix = load8(usual_text);
    for (int i = 0; i < count; i++) {
        ucid_text text = row_text(texts, first + i);
        b->at[i] = usual_text;
        b->stop[i] = usual_text + sizeof usual_text - 1;
        b->usual[i] = 0;
        if (!bit_is_set(texts->validity, first + i)) continue;
        __builtin_prefetch(text.data + 2048);
        if (text.length < UCID_USUAL_SHORTEST || text.length > UCID_LENGTH_MAX || load8(text.data) != prefix) continue;
        uint64_t bad = 0;
        const char *stop = ucid_usual_stop(text.data, text.length, &bad);
        if (bad != 0) continue;
        b->at[i] = text.data;
        b->stop[i] = b->flags[i] = stop;
        b->flags_length[i] = (uint8_t)(text.data + text.length - stop);
        b->usual[i] = 1;
    }
    for (int i = count; (i & 7) != 0; i++) {
        b->at[i] = usual_text;
        b->stop[i] = usual_text + sizeof usual_text - 1;
    }
}

static void put_parts(const ucid_parts *p, block *b, int i)
{
    ucid_rows *rows = &b->rows;
    rows->lat_deg[i] = p->lat_deg;
    rows->lon_deg[i] = p->lon_deg;
    rows->confidence[i] = p->confidence;
    rows->cell[i] = p->cell;
    rows->hour[i] = (uint64_t)(int64_t)((ucid_weeks_before(p->year) + p->week - 1) * 168 + p->hour);
    rows->context[i] = p->context;
    rows->rest[i] =
        (uint64_t)(load_short(p->city, 3) | (uint64_t)p->resolution << UCID_ROW_RESOLUTION |
                   (uint64_t)p->context_length << UCID_ROW_CONTEXT_LENGTH | (uint64_t)p->grade << UCID_ROW_GRADE);
    b->flags[i] = p->flags;
    b->flags_length[i] = p->flags_length;
    b->exact[i] = !p->rounded;
    b->exact_count += !p->rounded;
}

/* Nothing that a cell or an output could stumble over. */
static void put_nothing(block *b, int i)
{
    b->rows.lat_deg[i] = b->rows.lon_deg[i] = b->rows.confidence[i] = (double)NAN;
    b->rows.cell[i] = b->rows.hour[i] = b->rows.rest[i] = 0;
    b->rows.context[i] = usual_text;
    b->flags_length[i] = 0;
}

static void read_block(const ucid_texts *texts, int64_t first, int count, ucid_rows_fn *read, unsigned mode,
                       const ucid_registry *registry, block *b)
{
    const uint16_t *row_of = (registry != NULL ? registry : &ucid_registry_builtin)->row_of;
    int strict = (mode & UCID_STRICT) != 0;
    b->exact_count = b->good_count = 0;
    if (read != NULL) {
        find_usual(texts, first, count, b);
        read(count, b->at, b->stop, &b->rows);
    }
    for (int i = 0; i < count; i++) {
        uint64_t rest = read != NULL && b->usual[i] ? b->rows.rest[i] : 0;
        b->exact[i] = 0;
        if (strict ? (rest >> UCID_ROW_SOUND & 1) && row_of[rest >> UCID_ROW_CODE] != 0 : rest != 0) {
            b->status[i] = UCID_OK;
            b->good_count++;
            continue;
        }
        b->status[i] = UCID_NULL_INPUT;
        if (bit_is_set(texts->validity, first + i)) {
            ucid_text text = row_text(texts, first + i);
            ucid_parts parts;
            ucid_status row = read != NULL && rest == 0
                                  ? ucid_parts_read_odd(text.data, text.length, 0, &parts, &b->places[i])
                                  : ucid_parts_read(text.data, text.length, 0, &parts, &b->places[i]);
            if (row == UCID_OK && strict) row = ucid_parts_check_alone(&parts, registry, &b->places[i]);
            b->status[i] = (uint8_t)row;
            if (row == UCID_OK || row == UCID_INVALID_TIME) {
                put_parts(&parts, b, i);
                b->good_count++;
                continue;
            }
        }
        put_nothing(b, i);
    }
}

static inline int resolution_of(const block *b, int i) { return (int)(b->rows.rest[i] >> UCID_ROW_RESOLUTION & 15); }

/* Cells against printed coordinates, for the rows of a block that are still OK or whose week alone is wrong. */
static void check_cells(block *b, int count)
{
    double lat_deg[BLOCK], lon_deg[BLOCK];
    uint64_t cells[BLOCK];
    uint8_t meet[BLOCK];
    int row[BLOCK];
    unsigned present = 0;
    if (b->good_count == 0) return;
    for (int i = 0; i < count; i++) {
        if (b->status[i] == UCID_OK || b->status[i] == UCID_INVALID_TIME) present |= 1u << resolution_of(b, i);
    }
    while (present != 0) {
        int resolution = __builtin_ctz(present), n = 0;
        present &= present - 1;
        for (int i = 0; i < count; i++) {
            row[n] = i;
            lat_deg[n] = b->rows.lat_deg[i];
            lon_deg[n] = b->rows.lon_deg[i];
            n += resolution_of(b, i) == resolution && (b->status[i] == UCID_OK || b->status[i] == UCID_INVALID_TIME);
        }
        for (int i = 0; b->exact_count > 0 && i < n; i++) {
            if (!b->exact[row[i]]) continue;
            lat_deg[i] = rounded_deg(lat_deg[i]);
            lon_deg[i] = rounded_deg(lon_deg[i]);
        }
        ucid_cells_at(n, lat_deg, lon_deg, NULL, resolution, cells, NULL, NULL);
        int doubtful = 0;
        for (int i = 0; i < n; i++) {
            uint64_t cell = b->rows.cell[row[i]];
            int differs = cells[i] != cell;
            cells[doubtful] = cell;
            row[doubtful] = row[i];
            lat_deg[doubtful] = lat_deg[i];
            lon_deg[doubtful] = lon_deg[i];
            doubtful += differs;
        }
        ucid_cells_meet_boxes(doubtful, cells, lat_deg, lon_deg, resolution, UCID_CELL_PRINTED_HALF_DEG, meet);
        for (int i = 0; i < doubtful; i++) {
            if (meet[i]) continue;
            b->status[row[i]] = UCID_H3_MISMATCH;
            b->places[row[i]] = (ucid_place){UCID_H3_MISMATCH, UCID_FIELD_CELL, -1, -1};
        }
    }
}

/* Fields of rows that are OK; the others have put_nothing's. */
static void put_fields(const ucid_field_columns *out, int64_t first, int count, const block *b, size_t *context_end,
                       size_t *flags_end)
{
    const ucid_rows *rows = &b->rows;
    size_t n = (size_t)count;
    if (out->lat_deg != NULL) memcpy(out->lat_deg + first, rows->lat_deg, n * sizeof(double));
    if (out->lon_deg != NULL) memcpy(out->lon_deg + first, rows->lon_deg, n * sizeof(double));
    if (out->confidence != NULL) memcpy(out->confidence + first, rows->confidence, n * sizeof(double));
    if (out->cell != NULL) memcpy(out->cell + first, rows->cell, n * sizeof(uint64_t));
    for (int i = 0; out->hour != NULL && i < count; i++) out->hour[first + i] = (int32_t)rows->hour[i];
    for (int i = 0; out->grade != NULL && i < count; i++) {
        out->grade[first + i] = rows->rest[i] >> UCID_ROW_GRADE & 7;
    }
    for (int i = 0; out->resolution != NULL && i < count; i++) {
        out->resolution[first + i] = rows->rest[i] >> UCID_ROW_RESOLUTION & 15;
    }
    for (int i = 0; out->city != NULL && i < count; i++) {
        char letters[4], *to = out->city + 3 * (first + i);
        store4(letters, (uint32_t)rows->rest[i]);
        memcpy(to, letters, 3);
    }
    if (out->context.data != NULL) {
        char *to = out->context.data;
        size_t end = *context_end;
        for (int i = 0; i < count; i++) {
            size_t length = rows->rest[i] >> UCID_ROW_CONTEXT_LENGTH & 31;
            copy_short(to + end, rows->context[i], length);
            end_row(&out->context, first + i, end += length);
        }
        *context_end = end;
    }
    for (int i = 0; out->flags.data != NULL && i < count; i++) {
        uint8_t members;
        if (b->flags_length[i] > 0) {
            *flags_end += ucid_flags_sort(b->flags[i], b->flags_length[i], out->flags.data + *flags_end, &members);
        }
        end_row(&out->flags, first + i, *flags_end);
    }
}

static void put_bytes(const ucid_texts *texts, int64_t first, int count, const block *b, int32_t *to)
{
    for (int i = 0; i < count; i++) {
        int32_t byte = -1, bytes;
        if (b->status[i] != UCID_OK && b->status[i] != UCID_NULL_INPUT) {
            byte = b->places[i].byte;
            ucid_text text = row_text(texts, first + i);
            if (byte < 0) ucid_field_find(text.data, text.length, b->places[i].field, &byte, &bytes);
        }
        to[first + i] = byte;
    }
}

ucid_status ucid_texts_parse(int64_t n, const ucid_texts *texts, unsigned mode, const ucid_registry *registry,
                             const ucid_field_columns *fields, ucid_error *error)
{
    ucid_status failed = UCID_OK;
    if (fields->context.data != NULL) failed = check_room(&fields->context, 16 * (size_t)n + 16, error);
    if (failed == UCID_OK && fields->flags.data != NULL) {
        failed = check_room(&fields->flags, total_bytes(n, texts), error);
    }
    if (failed != UCID_OK) return failed;
    ucid_rows_fn *read = ucid_text_variant_best().read;
    size_t context_end = 0, flags_end = 0;
    block b;
    for (int64_t first = 0; first < n; first += BLOCK) {
        int count = n - first < BLOCK ? (int)(n - first) : BLOCK;
        read_block(texts, first, count, read, mode, registry, &b);
        if (mode & UCID_STRICT) {
            check_cells(&b, count);
            for (int i = 0; i < count; i++) {
                if (b.status[i] != UCID_OK) put_nothing(&b, i);
            }
        }
        put_fields(fields, first, count, &b, &context_end, &flags_end);
        if (fields->byte != NULL) put_bytes(texts, first, count, &b, fields->byte);
        put_statuses(first, count, b.status, fields->validity, fields->status);
    }
    return UCID_OK;
}
