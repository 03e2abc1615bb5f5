/* column.c: identifiers by the column. Rows go through in blocks that stay in the first-level cache: a block is taken
 * apart row by row, its cells are worked out together (the cell kernel takes many coordinates at once), and then its
 * outputs are written. The rules are those of grammar.c; a test compares every row with the scalar functions. */
#include "id/column.h"

#include "id/cell.h"
#include "id/grammar.h"
#include "id/text_pieces.h"
#include "id/weeks.h"
#include "rt/digest.h"
#include "rt/error.h"
#include "rt/memory.h"

#include <math.h>
#include <string.h>

#define BLOCK UCID_PIECES_BLOCK

/* -------------------------------------------------------------------------------------------------------- create -- */

size_t ucid_texts_create_bound(int64_t n, const ucid_create_columns *columns)
{
    size_t flags = columns->flags.data != NULL ? total_bytes(n, &columns->flags) : 0;
    return (size_t)n * 84 + flags;
}

/* What a row's text has around its pieces. */
typedef struct row_frame {
    char head[16];       /* "UCID-V1:IST:" */
    char middle[32];     /* "2026W01T12:15MIN:" */
    uint32_t resolution; /* ":9:" */
    uint32_t resolution_length, middle_length;
} row_frame;

/* A row of pieces that are made; returns its end. Bytes beyond it may be written, not beyond the longest row's. */
static inline char *write_row(const row_frame *frame, const ucid_pieces *pieces, int i, char *text)
{
    uint64_t lengths = pieces->lengths[i], end = pieces->end[i];
    memcpy(text, frame->head, 16);
    store8(text + 12, pieces->lat[i]);
    text += 12 + (lengths & 255);
    store8(text, pieces->lon[i]);
    text += lengths >> 8 & 255;
    store4(text, frame->resolution);
    text += frame->resolution_length;
    memcpy(text, pieces->cell[i], 16);
    memcpy(text + 16, frame->middle, 32);
    text += 16 + frame->middle_length;
    size_t length = lengths >> 16;
    store4(text, (uint32_t)end);
    store4(text + length - 4, (uint32_t)(end >> 8 * (length - 4)));
    return text + length;
}

static void frame_resolution(row_frame *frame, int resolution)
{
    char text[4] = {':', (char)('0' + resolution % 10), ':', ':'};
    if (resolution > 9) text[1] = '1', text[2] = (char)('0' + resolution - 10);
    frame->resolution = load4(text);
    frame->resolution_length = resolution > 9 ? 4 : 3;
}

/* Rows of a block that differ in their pieces alone, from i up to the first that has none, which is returned. */
static int write_rows(const row_frame *frame, const ucid_pieces *pieces, int i, int count, const ucid_texts_out *out,
                      int64_t first, uint8_t *status, size_t *end)
{
    const row_frame shared = *frame;
    char *const data = out->data, *text = data + *end;
    int32_t *ends = out->offsets != NULL ? out->offsets + first + 1 : NULL;
    int64_t *ends64 = out->offsets64 != NULL ? out->offsets64 + first + 1 : NULL;
    for (; i < count && pieces->lengths[i] != 0; i++) {
        status[i] = UCID_OK;
        __builtin_prefetch(text + 2048, 1);
        text = write_row(&shared, pieces, i, text);
        if (ends != NULL) {
            ends[i] = (int32_t)(text - data);
        } else {
            ends64[i] = text - data;
        }
    }
    *end = (size_t)(text - data);
    return i;
}

/* City, time and context of a row, as far as they are not constant. */
typedef struct create_state {
    char city[16], context[16]; /* three letters; letters and digits */
    uint8_t context_length;
    int good_city, good_time, good_context, good_flags;
    int16_t year;
    uint8_t week, hour;
    const char *flags;
    uint8_t flags_length;
    int32_t last_hour;
    row_frame frame; /* middle_length 0: its middle is not made yet */
} create_state;

static void take_city(create_state *s, ucid_text text)
{
    s->good_city = upper_word(text.data, text.length, 3, 3, 0, s->city);
    memcpy(s->frame.head + 8, s->city, 3);
}

static void take_context(create_state *s, ucid_text text)
{
    s->frame.middle_length = 0;
    s->good_context = upper_word(text.data, text.length, 1, 16, 1, s->context);
    s->context_length = (uint8_t)text.length;
}

static void take_time(create_state *s, ucid_text text)
{
    int year, week, hour;
    s->frame.middle_length = 0;
    s->good_time = ucid_time_split(text, &year, &week, &hour);
    if (!s->good_time) return;
    s->year = (int16_t)year;
    s->week = (uint8_t)week;
    s->hour = (uint8_t)hour;
}

static void take_hour(create_state *s, int32_t hour)
{
    if (hour == s->last_hour) return;
    s->last_hour = hour;
    s->frame.middle_length = 0;
    s->good_time = ucid_hour_is_key(hour);
    if (!s->good_time) return;
    int year, week, clock = (hour - UCID_HOUR_MIN) % 168;
    ucid_week_split((hour - clock) / 168, &year, &week);
    s->year = (int16_t)year;
    s->week = (uint8_t)week;
    s->hour = (uint8_t)clock;
}

static void take_flags(create_state *s, ucid_text text)
{
    s->flags = text.data;
    s->flags_length = (uint8_t)text.length;
    s->good_flags = text.length <= 204; /* what the longest text leaves them */
    for (size_t i = 0; i < text.length && s->good_flags; i++) {
        char c = text.data[i];
        s->good_flags = (unsigned char)(c - 'A') <= 25 || (unsigned char)(c - '0') <= 9 || c == ';';
    }
}

/* 1 where all that a row does not share with its column is in pieces. */
static inline int is_plain(create_state *s)
{
    if (!(s->good_city & s->good_time & s->good_context & s->good_flags) || s->flags_length > 0) return 0;
    if (s->frame.middle_length == 0) {
        const ucid_parts parts = {.year = s->year,
                                  .week = s->week,
                                  .hour = s->hour,
                                  .context = s->context,
                                  .context_length = s->context_length};
        s->frame.middle_length = (uint32_t)ucid_middle_write(&parts, s->frame.middle);
    }
    return 1;
}

/* One row written at text; returns its length, or 0 and its status. */
static size_t create_row(const ucid_create_columns *c, int64_t i, create_state *s, uint64_t cell, unsigned mode,
                         const ucid_registry *registry, char *text, uint8_t *status)
{
    ucid_parts parts;
    parts.grade = c->grade != NULL ? c->grade[i] : UCID_GRADE_F;
    parts.confidence = c->confidence != NULL ? c->confidence[i] : 0.0;
    parts.lat_deg = c->lat_deg[i];
    parts.lon_deg = c->lon_deg[i];
    *status = c->resolution == UCID_CELL_RESOLUTION && !ucid_cell_is_valid(cell) ? UCID_INVALID_H3 : UCID_INVALID_FIELD;
    if (!(fabs(parts.lat_deg) <= 90.0) || !(fabs(parts.lon_deg) <= 180.0)) return 0;
    if (!(s->good_city & s->good_time & s->good_context & s->good_flags) || cell >> 60 != 0 ||
        parts.grade > UCID_GRADE_A_PLUS || !(parts.confidence >= 0.0 && parts.confidence <= 1.0)) {
        return 0;
    }
    memcpy(parts.city, s->city, 3);
    parts.cell = cell;
    parts.resolution = (uint8_t)c->resolution;
    if (c->resolution == UCID_CELL_RESOLUTION) {
        if (*status == UCID_INVALID_H3) return 0;
        parts.resolution = (uint8_t)ucid_cell_resolution(cell);
    }
    parts.year = s->year;
    parts.week = s->week;
    parts.hour = s->hour;
    parts.context = s->context;
    parts.context_length = s->context_length;
    char flags[UCID_LENGTH_MAX];
    parts.flags = flags;
    parts.flags_length = 0;
    if (s->flags_length > 0) {
        uint8_t members;
        parts.flags_length = (uint8_t)ucid_flags_sort(s->flags, s->flags_length, flags, &members);
    }
    if (mode & UCID_STRICT) {
        ucid_place place;
        ucid_status checked = c->cell != NULL ? ucid_parts_check(&parts, registry, &place)
                                              : ucid_parts_check_alone(&parts, registry, &place);
        if (checked != UCID_OK) {
            *status = (uint8_t)checked;
            return 0;
        }
    }
    size_t length = ucid_parts_write(&parts, text);
    if (length > UCID_LENGTH_MAX) return 0;
    *status = UCID_OK;
    return length;
}

int ucid_text_variant_get(int position, ucid_text_variant *variant)
{
    const ucid_text_variant variants[] = {
        {"scalar", NULL, NULL, NULL, NULL, 1},
#if UCID_X86
        {"avx2", ucid_pieces_avx2, ucid_rows_avx2, ucid_rows_pack_avx2, ucid_rows_unpack_avx2,
         __builtin_cpu_supports("avx2") != 0},
        {"avx512", ucid_pieces_avx512, ucid_rows_avx512, ucid_rows_pack_avx512, ucid_rows_unpack_avx512,
         __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw")},
#endif
    };
    if (position < 0 || position >= (int)(sizeof variants / sizeof variants[0])) return 0;
    *variant = variants[position];
    return 1;
}

ucid_text_variant ucid_text_variant_best(void)
{
    ucid_text_variant variant, best = {"scalar", NULL, NULL, NULL, NULL, 1};
    for (int position = 1; ucid_text_variant_get(position, &variant); position++) {
        if (variant.works_here) best = variant;
    }
    return best;
}

ucid_status ucid_texts_create(int64_t n, const ucid_create_columns *columns, unsigned mode,
                              const ucid_registry *registry, const ucid_texts_out *texts, uint64_t *cells,
                              uint8_t *validity, uint8_t *status, ucid_error *error)
{
    int own = columns->cell != NULL && columns->resolution == UCID_CELL_RESOLUTION;
    if (!own && (columns->resolution < 0 || columns->resolution > 15)) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "resolution %d is not in 0..15", columns->resolution);
    }
    ucid_status failed = check_room(texts, ucid_texts_create_bound(n, columns), error);
    if (failed != UCID_OK) return failed;
    const ucid_texts *city = &columns->city, *context = &columns->context, *time = &columns->time,
                     *flags = &columns->flags;
    create_state state = {.good_flags = 1, .last_hour = INT32_MIN, .frame.head = "UCID-V1:IST:"};
    if (is_constant(city)) take_city(&state, row_text(city, 0));
    if (is_constant(context)) take_context(&state, row_text(context, 0));
    if (time->data != NULL && is_constant(time)) take_time(&state, row_text(time, 0));
    if (flags->data != NULL && is_constant(flags)) take_flags(&state, row_text(flags, 0));
    int alike = is_constant(city) && is_constant(context) && time->data != NULL && is_constant(time) &&
                (flags->data == NULL || is_constant(flags)) && columns->validity == NULL && is_plain(&state);

    ucid_text_variant best = ucid_text_variant_best();
    if (columns->resolution == UCID_CELL_RESOLUTION || (mode & UCID_STRICT)) best.run = NULL;
    frame_resolution(&state.frame, columns->resolution);

    size_t end = 0;
    ucid_pieces pieces;
    uint64_t block_cells[BLOCK];
    uint8_t block_status[BLOCK];
    double lat_deg[BLOCK], lon_deg[BLOCK];
    for (int64_t first = 0; first < n; first += BLOCK) {
        int count = n - first < BLOCK ? (int)(n - first) : BLOCK;
        const double *lat = columns->lat_deg + first, *lon = columns->lon_deg + first;
        if (columns->cell != NULL) {
            memcpy(block_cells, columns->cell + first, (size_t)count * 8);
        } else {
            if (mode & UCID_SNAP) {
                for (int i = 0; i < count; i++) { /* what is out of range stays so */
                    lat_deg[i] = fabs(lat[i]) <= 90.0 ? rounded_deg(lat[i]) : (double)NAN;
                    lon_deg[i] = fabs(lon[i]) <= 180.0 ? rounded_deg(lon[i]) : (double)NAN;
                }
                lat = lat_deg;
                lon = lon_deg;
            }
            ucid_cells_at(count, lat, lon, NULL, columns->resolution, block_cells, NULL, NULL);
        }
        if (best.run != NULL) {
            best.run(count, columns->lat_deg + first, columns->lon_deg + first, block_cells,
                     columns->grade != NULL ? columns->grade + first : NULL,
                     columns->confidence != NULL ? columns->confidence + first : NULL, &pieces);
        }
        for (int i = 0; i < count; i++) {
            if (alike && best.run != NULL) {
                i = write_rows(&state.frame, &pieces, i, count, texts, first, block_status, &end);
                if (i == count) break;
            }
            int64_t row = first + i;
            block_status[i] = UCID_NULL_INPUT;
            size_t length = 0;
            if (bit_is_set(columns->validity, row) && bit_is_set(city->validity, row) &&
                bit_is_set(context->validity, row) && (time->data == NULL || bit_is_set(time->validity, row))) {
                if (!is_constant(city)) take_city(&state, row_text(city, row));
                if (!is_constant(context)) take_context(&state, row_text(context, row));
                if (time->data == NULL) {
                    take_hour(&state, columns->hour[row]);
                } else if (!is_constant(time)) {
                    take_time(&state, row_text(time, row));
                }
                if (flags->data != NULL && !is_constant(flags)) {
                    ucid_text none = {"", 0};
                    take_flags(&state, bit_is_set(flags->validity, row) ? row_text(flags, row) : none);
                }
                if (best.run != NULL && pieces.lengths[i] != 0 && is_plain(&state)) {
                    length = (size_t)(write_row(&state.frame, &pieces, i, texts->data + end) - (texts->data + end));
                    block_status[i] = UCID_OK;
                } else {
                    length = create_row(columns, row, &state, block_cells[i], mode, registry, texts->data + end,
                                        &block_status[i]);
                }
            }
            end_row(texts, row, end += length);
        }
        for (int i = 0; cells != NULL && i < count; i++) {
            cells[first + i] = block_status[i] == UCID_OK ? block_cells[i] : 0;
        }
        put_statuses(first, count, block_status, validity, status);
    }
    return UCID_OK;
}

/* ------------------------------------------------------------------------------------------------- other columns -- */

size_t ucid_texts_canonicalize_bound(int64_t n, const ucid_texts *texts)
{
    return total_bytes(n, texts) + (size_t)n * 20;
}

ucid_status ucid_texts_canonicalize(int64_t n, const ucid_texts *texts, const ucid_texts_out *canonical,
                                    uint8_t *validity, uint8_t *status, ucid_error *error)
{
    ucid_status failed = check_room(canonical, ucid_texts_canonicalize_bound(n, texts), error);
    if (failed != UCID_OK) return failed;
    enum { ROWS = 32 };
    size_t end = 0;
    uint8_t block[ROWS];
    ucid_repair repairs[ROWS];
    for (int64_t first = 0; first < n; first += ROWS) {
        int count = n - first < ROWS ? (int)(n - first) : ROWS;
        for (int i = 0; i < count; i++) {
            if (!bit_is_set(texts->validity, first + i)) continue;
            ucid_text_repair_begin(row_text(texts, first + i), &repairs[i]);
        }
        for (int i = 0; i < count; i++) {
            block[i] = UCID_NULL_INPUT;
            if (bit_is_set(texts->validity, first + i)) {
                ucid_place place;
                size_t length = 0;
                block[i] = (uint8_t)ucid_text_repair_end(&repairs[i], canonical->data + end, &length, &place);
                end += length;
            }
            end_row(canonical, first + i, end);
        }
        put_statuses(first, count, block, validity, status);
    }
    return UCID_OK;
}

ucid_status ucid_texts_pack(int64_t n, const ucid_texts *texts, uint8_t *binary, uint8_t *validity, uint8_t *status,
                            ucid_error *error)
{
    (void)error;
    uint8_t block[BLOCK];
    for (int64_t first = 0; first < n; first += BLOCK) {
        int count = n - first < BLOCK ? (int)(n - first) : BLOCK;
        for (int i = 0; i < count; i++) {
            uint8_t *to = binary + UCID_BINARY_SIZE * (first + i);
            block[i] = UCID_NULL_INPUT;
            if (bit_is_set(texts->validity, first + i)) {
                ucid_parts parts;
                ucid_place place;
                ucid_text text = row_text(texts, first + i);
                ucid_status row = ucid_parts_read(text.data, text.length, 0, &parts, &place);
                if (row == UCID_OK) row = ucid_parts_pack(&parts, to, &place);
                block[i] = (uint8_t)row;
            }
            if (block[i] != UCID_OK) memset(to, 0, UCID_BINARY_SIZE);
        }
        put_statuses(first, count, block, validity, status);
    }
    return UCID_OK;
}

ucid_status ucid_texts_unpack(int64_t n, const uint8_t *binary, const uint8_t *binary_validity,
                              const ucid_texts_out *texts, uint8_t *validity, uint8_t *status, ucid_error *error)
{
    ucid_status failed = check_room(texts, (size_t)n * 140, error);
    if (failed != UCID_OK) return failed;
    size_t end = 0;
    uint8_t block[BLOCK];
    for (int64_t first = 0; first < n; first += BLOCK) {
        int count = n - first < BLOCK ? (int)(n - first) : BLOCK;
        for (int i = 0; i < count; i++) {
            block[i] = UCID_NULL_INPUT;
            if (bit_is_set(binary_validity, first + i)) {
                const uint8_t *from = binary + UCID_BINARY_SIZE * (first + i);
                ucid_parts parts;
                ucid_place place;
                char flags[64];
                ucid_status row = UCID_UNSUPPORTED_VERSION;
                if (from[0] == 1) row = ucid_parts_unpack(from, &parts, flags, &place);
                if (row == UCID_OK) end += ucid_parts_write(&parts, texts->data + end);
                block[i] = (uint8_t)row;
            }
            end_row(texts, first + i, end);
        }
        put_statuses(first, count, block, validity, status);
    }
    return UCID_OK;
}

ucid_status ucid_texts_hash(int64_t n, const ucid_texts *texts, uint64_t *hashes, uint8_t *status, ucid_error *error)
{
    (void)error;
    for (int64_t i = 0; i < n; i++) {
        ucid_status row = UCID_NULL_INPUT;
        hashes[i] = 0;
        if (bit_is_set(texts->validity, i)) {
            ucid_parts parts;
            ucid_place place;
            ucid_text text = row_text(texts, i);
            row = ucid_parts_read(text.data, text.length, 0, &parts, &place);
            if (row == UCID_OK && parts.canonical) {
                hashes[i] = ucid_xxh3(text.data, text.length);
            } else if (row == UCID_OK) {
                char written[UCID_LENGTH_MAX], flags[UCID_LENGTH_MAX];
                uint8_t members;
                parts.flags_length = (uint8_t)ucid_flags_sort(parts.flags, parts.flags_length, flags, &members);
                parts.flags = flags;
                hashes[i] = ucid_xxh3(written, ucid_parts_write(&parts, written));
            }
        }
        if (status != NULL) status[i] = (uint8_t)row;
    }
    return UCID_OK;
}

/* Sorting: eight bytes decide most comparisons, those after "UCID-V1:" where all texts start with it; a merge sort
 * keeps equal rows in their order. */
typedef struct sort_key {
    uint64_t bytes;
    int64_t row;
} sort_key;

static uint64_t bytes_at(ucid_text text, size_t at)
{
    uint64_t key = 0;
    for (size_t i = at; i < at + 8; i++) key = key << 8 | (i < text.length ? (unsigned char)text.data[i] : 0);
    return key;
}

static int key_is_after(const ucid_texts *texts, const sort_key *a, const sort_key *b)
{
    if (a->bytes != b->bytes) return a->bytes > b->bytes;
    ucid_text x = row_text(texts, a->row), y = row_text(texts, b->row);
    size_t shared = x.length < y.length ? x.length : y.length;
    int order = shared > 0 ? memcmp(x.data, y.data, shared) : 0;
    return order > 0 || (order == 0 && x.length > y.length);
}

ucid_status ucid_texts_sort(int64_t n, const ucid_texts *texts, const ucid_allocator *allocator, int64_t *rows,
                            ucid_error *error)
{
    ucid_allocator memory = ucid_allocator_or_default(allocator);
    sort_key *keys = ucid_allocate(&memory, (size_t)n, sizeof *keys), *other = NULL;
    if (keys != NULL) other = ucid_allocate(&memory, (size_t)n, sizeof *other);
    if (other == NULL) {
        ucid_release(&memory, keys, (size_t)n, sizeof *keys);
        return ucid_fail_memory(error, "sorting", (size_t)n * 2 * sizeof *keys);
    }
    int64_t count = 0, nulls = 0;
    size_t shared = 8;
    for (int64_t i = 0; i < n; i++) {
        if (!bit_is_set(texts->validity, i)) {
            nulls++;
            continue;
        }
        ucid_text text = row_text(texts, i);
        if (shared == 8 && (text.length < 8 || memcmp(text.data, "UCID-V1:", 8) != 0)) shared = 0;
        keys[count++].row = i;
    }
    for (int64_t i = 0; i < count; i++) keys[i].bytes = bytes_at(row_text(texts, keys[i].row), shared);
    for (int64_t width = 1; width < count; width *= 2) {
        for (int64_t start = 0; start < count; start += 2 * width) {
            int64_t a = start, middle = start + width < count ? start + width : count, b = middle,
                    stop = start + 2 * width < count ? start + 2 * width : count;
            for (int64_t to = start; to < stop; to++) {
                int take_b = a == middle || (b < stop && key_is_after(texts, &keys[a], &keys[b]));
                other[to] = take_b ? keys[b++] : keys[a++];
            }
        }
        sort_key *swap = keys;
        keys = other;
        other = swap;
    }
    for (int64_t i = 0; i < count; i++) rows[i] = keys[i].row;
    if (nulls > 0) {
        for (int64_t i = 0; i < n; i++) {
            if (!bit_is_set(texts->validity, i)) rows[count++] = i;
        }
    }
    ucid_release(&memory, keys, (size_t)n, sizeof *keys);
    ucid_release(&memory, other, (size_t)n, sizeof *other);
    return UCID_OK;
}
