/* city_csv.c: a file of cities becomes a registry. The file is read twice: once to count rows and bytes of text, once
 * to fill what was allocated for them. A registry is one block of memory: struct, rows, two tables, texts. */
#include "id/city.h"

#include "id/decimal.h"
#include "rt/error.h"
#include "rt/memory.h"

#include <stdlib.h>
#include <string.h>

enum { CODE, NAME, COUNTRY, REGION, LAT, LON, BBOX, POPULATION, TZ, COLUMNS };
static const char *const column_names[COLUMNS] = {"code", "name", "country",    "region", "lat",
                                                  "lon",  "bbox", "population", "tz"};

#define FIELDS_MAX 64
#define FIELD_BYTES_MAX 400

typedef struct reader {
    const char *at, *end;
    int64_t line;
    int column_of[FIELDS_MAX]; /* column of each field, or -1 */
    int fields;
    char text[COLUMNS][FIELD_BYTES_MAX + 1];
    size_t length[COLUMNS];
    ucid_error *error;
} reader;

static ucid_status fail(const reader *r, const char *what)
{
    return ucid_fail(r->error, UCID_REGISTRY_ERROR, "line %lld: %s", (long long)r->line, what);
}

/* One field into out; *last: it ends the record. */
static ucid_status read_text(reader *r, char *out, size_t *length, int *last)
{
    size_t n = 0;
    int quoted = r->at < r->end && *r->at == '"';
    if (quoted) r->at++;
    for (;; r->at++) {
        if (r->at == r->end) {
            if (quoted) return fail(r, "a quote is not closed");
            *last = 1;
            break;
        }
        char c = *r->at;
        if (quoted && c == '"') {
            if (r->end - r->at > 1 && r->at[1] == '"') {
                r->at++;
            } else {
                quoted = 0;
                r->at++;
                if (r->at < r->end && *r->at != ',' && *r->at != '\n' && *r->at != '\r') {
                    return fail(r, "text after a closing quote");
                }
                r->at--;
                continue;
            }
        } else if (!quoted && c == ',') {
            r->at++;
            *last = 0;
            break;
        } else if (!quoted && (c == '\n' || c == '\r')) {
            if (c == '\r' && r->end - r->at > 1 && r->at[1] == '\n') r->at++;
            r->at++;
            *last = 1;
            break;
        }
        if ((unsigned char)c < ' ') return fail(r, "a control character");
        if (n == FIELD_BYTES_MAX) return fail(r, "a field of more than 400 bytes");
        out[n++] = c;
    }
    out[n] = '\0';
    *length = n;
    return UCID_OK;
}

static ucid_status read_header(reader *r)
{
    if (r->end - r->at >= 3 && memcmp(r->at, "\xEF\xBB\xBF", 3) == 0) r->at += 3;
    unsigned seen = 0;
    int last = r->at == r->end;
    r->line = 1;
    for (r->fields = 0; !last; r->fields++) {
        if (r->fields == FIELDS_MAX) return fail(r, "more than 64 columns");
        ucid_status status = read_text(r, r->text[0], &r->length[0], &last);
        if (status != UCID_OK) return status;
        r->column_of[r->fields] = -1;
        for (int column = 0; column < COLUMNS; column++) {
            if (strcmp(r->text[0], column_names[column]) != 0) continue;
            if (seen >> column & 1) return fail(r, "a column is named twice");
            seen |= 1u << column;
            r->column_of[r->fields] = column;
        }
    }
    if (seen == (1u << COLUMNS) - 1) return UCID_OK;
    return fail(r, "the header must name code,name,country,region,lat,lon,bbox,population,tz");
}

/* The next record that is not empty; *more 0 at the end. */
static ucid_status read_record(reader *r, int *more)
{
    char unused[FIELD_BYTES_MAX + 1];
    while (r->at < r->end && (*r->at == '\n' || *r->at == '\r')) {
        if (*r->at == '\n' || r->end - r->at == 1 || r->at[1] != '\n') r->line++;
        r->at++;
    }
    *more = r->at < r->end;
    if (!*more) return UCID_OK;
    r->line++;
    int last = 0;
    for (int field = 0; !last; field++) {
        if (field == r->fields) return fail(r, "more fields than the header has");
        int column = r->column_of[field];
        size_t unused_length;
        ucid_status status = read_text(r, column >= 0 ? r->text[column] : unused,
                                       column >= 0 ? &r->length[column] : &unused_length, &last);
        if (status != UCID_OK) return status;
        if (last && field + 1 < r->fields) return fail(r, "fewer fields than the header has");
    }
    return UCID_OK;
}

static int is_utf8(const char *text, size_t length)
{
    const unsigned char *p = (const unsigned char *)text, *end = p + length;
    while (p < end) {
        if (*p < 0x80) {
            p++;
            continue;
        }
        int more = *p >= 0xC2 && *p < 0xE0 ? 1 : *p >= 0xE0 && *p < 0xF0 ? 2 : *p >= 0xF0 && *p < 0xF5 ? 3 : 0;
        if (more == 0 || end - p <= more) return 0;
        for (int i = 1; i <= more; i++) {
            if ((p[i] & 0xC0) != 0x80) return 0;
        }
        if ((*p == 0xE0 && p[1] < 0xA0) || (*p == 0xED && p[1] > 0x9F) || (*p == 0xF0 && p[1] < 0x90) ||
            (*p == 0xF4 && p[1] > 0x8F)) {
            return 0;
        }
        p += more + 1;
    }
    return 1;
}

/* [+-]?ddd.ddd within the limit, up to end. */
static int degrees(const char *text, const char *end, double limit, double *value)
{
    const char *bad;
    int minus = text < end && *text == '-', sign = minus || (text < end && *text == '+');
    if (!ucid_decimal_parse(text + sign, end, value, &bad) || *value > limit) return 0;
    if (minus) *value = -*value;
    return 1;
}

static ucid_status read_row(const reader *r, ucid_city_row *row)
{
    memset(row, 0, sizeof *row);
    const char *code = r->text[CODE], *country = r->text[COUNTRY];
    if (r->length[CODE] != 3 || ucid_code_number(code) < 0) return fail(r, "code: needs three letters A-Z");
    if (r->length[COUNTRY] != 2 || (unsigned char)(country[0] - 'A') > 25 || (unsigned char)(country[1] - 'A') > 25) {
        return fail(r, "country: needs two letters A-Z");
    }
    if (r->length[NAME] == 0) return fail(r, "name: is empty");
    if (!is_utf8(r->text[NAME], r->length[NAME]) || !is_utf8(r->text[REGION], r->length[REGION])) {
        return fail(r, "name or region is not UTF-8");
    }
    if (r->length[TZ] == 0 || !is_utf8(r->text[TZ], r->length[TZ])) return fail(r, "tz: needs the name of a time zone");
    memcpy(row->code, code, 4);
    memcpy(row->country, country, 3);
    if (!degrees(r->text[LAT], r->text[LAT] + r->length[LAT], 90, &row->lat_deg)) {
        return fail(r, "lat: needs degrees from -90 to 90");
    }
    if (!degrees(r->text[LON], r->text[LON] + r->length[LON], 180, &row->lon_deg)) {
        return fail(r, "lon: needs degrees from -180 to 180");
    }
    if (r->length[POPULATION] > 12) return fail(r, "population: over 12 digits");
    for (const char *p = r->text[POPULATION]; *p != '\0'; p++) {
        if ((unsigned char)(*p - '0') > 9) return fail(r, "population: needs digits");
        row->population = row->population * 10 + (*p - '0');
    }
    if (r->length[BBOX] == 0) return UCID_OK;
    row->box_given = 1;
    const char *p = r->text[BBOX], *end = p + r->length[BBOX];
    for (int i = 0; i < 4; i++) {
        const char *stop = i < 3 ? memchr(p, ' ', (size_t)(end - p)) : end;
        if (stop == NULL || !degrees(p, stop, i % 2 == 0 ? 90 : 180, &row->box_deg[i])) {
            return fail(r, "bbox: needs min_lat min_lon max_lat max_lon");
        }
        p = stop + (i < 3);
    }
    if (row->box_deg[0] > row->box_deg[2]) return fail(r, "bbox: min_lat is over max_lat");
    return UCID_OK;
}

typedef struct lat_and_row {
    double lat_deg;
    uint16_t row;
} lat_and_row;

static int compare_lat(const void *a, const void *b)
{
    const lat_and_row *x = a, *y = b;
    if (x->lat_deg != y->lat_deg) return x->lat_deg < y->lat_deg ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* Offsets of the parts of a registry's block. */
typedef struct layout {
    size_t rows, row_of, by_lat, texts, total;
} layout;

static layout lay_out(size_t count, size_t texts_length)
{
    layout at;
    at.rows = (sizeof(ucid_registry) + 15) / 16 * 16;
    at.row_of = at.rows + count * sizeof(ucid_city_row);
    at.by_lat = at.row_of + UCID_CODES * sizeof(uint16_t);
    at.texts = at.by_lat + count * sizeof(uint16_t);
    at.total = at.texts + texts_length;
    return at;
}

static uint32_t keep_text(char *texts, uint32_t *used, const char *text)
{
    size_t length = strlen(text);
    if (length == 0) return 0;
    uint32_t at = *used;
    memcpy(texts + at, text, length + 1);
    *used += (uint32_t)length + 1;
    return at;
}

/* Rows of a file as they come, and the table of their codes. */
typedef struct file_rows {
    ucid_city_row *rows;
    size_t capacity, count;
    uint16_t row_of[UCID_CODES]; /* row + 1, or 0 */
    char *texts;                 /* the empty one first */
    uint32_t texts_length;
} file_rows;

static ucid_status read_rows(reader *r, const ucid_allocator *memory, file_rows *to)
{
    ucid_status status = read_header(r);
    int more = 0;
    while (status == UCID_OK && (status = read_record(r, &more)) == UCID_OK && more) {
        ucid_city_row row;
        if ((status = read_row(r, &row)) != UCID_OK) break;
        int number = ucid_code_number(row.code);
        if (to->row_of[number] != 0) return fail(r, "the file has this code twice");
        void *rows = to->rows;
        int grown = ucid_grow(memory, &rows, &to->capacity, to->count + 1, sizeof row);
        to->rows = rows;
        if (!grown) return ucid_fail_memory(r->error, "cities", (to->count + 1) * sizeof row);
        row.name = keep_text(to->texts, &to->texts_length, r->text[NAME]);
        row.region = keep_text(to->texts, &to->texts_length, r->text[REGION]);
        row.timezone = keep_text(to->texts, &to->texts_length, r->text[TZ]);
        to->rows[to->count++] = row;
        to->row_of[number] = (uint16_t)to->count;
    }
    return status;
}

/* The file's rows, and those of `under` whose codes it does not have, into one block. */
static ucid_status merge(const file_rows *from, const ucid_registry *under, const ucid_allocator *memory,
                         ucid_registry **registry, ucid_error *error)
{
    size_t count = from->count, under_length = under != NULL ? under->texts_length : 0;
    for (uint32_t i = 0; under != NULL && i < under->count; i++) {
        count += from->row_of[ucid_code_number(under->rows[i].code)] == 0;
    }
    layout at = lay_out(count, from->texts_length + under_length);
    char *block = ucid_allocate_zero(memory, at.total, 1);
    lat_and_row *order = ucid_allocate(memory, count, sizeof *order);
    if (block == NULL || order == NULL) {
        ucid_release(memory, block, at.total, 1);
        ucid_release(memory, order, count, sizeof *order);
        return ucid_fail_memory(error, "cities", at.total);
    }
    ucid_registry *made = (ucid_registry *)(void *)block;
    ucid_city_row *row = (ucid_city_row *)(void *)(block + at.rows);
    uint16_t *row_of = (uint16_t *)(void *)(block + at.row_of), *by_lat = (uint16_t *)(void *)(block + at.by_lat);
    memcpy(block + at.texts, from->texts, from->texts_length);
    if (under_length > 0) memcpy(block + at.texts + from->texts_length, under->texts, under_length);
    size_t n = 0;
    for (int number = 0; number < UCID_CODES; number++) {
        if (from->row_of[number] != 0) {
            row[n] = from->rows[from->row_of[number] - 1];
        } else if (under != NULL && under->row_of[number] != 0) {
            row[n] = under->rows[under->row_of[number] - 1];
            row[n].name += from->texts_length;
            row[n].region += from->texts_length;
            row[n].timezone += from->texts_length;
        } else {
            continue;
        }
        order[n].lat_deg = row[n].lat_deg;
        order[n].row = (uint16_t)n;
        row_of[number] = (uint16_t)++n;
    }
    qsort(order, count, sizeof *order, compare_lat);
    for (size_t i = 0; i < count; i++) by_lat[i] = order[i].row;
    ucid_release(memory, order, count, sizeof *order);
    made->rows = row;
    made->row_of = row_of;
    made->by_lat = by_lat;
    made->texts = block + at.texts;
    made->count = (uint32_t)count;
    made->texts_length = (uint32_t)(from->texts_length + under_length);
    made->allocator = *memory;
    *registry = made;
    return UCID_OK;
}

ucid_status ucid_cities_read(const char *bytes, size_t length, const ucid_registry *under,
                             const ucid_allocator *allocator, ucid_registry **registry, ucid_error *error)
{
    if (length > 1u << 30) return ucid_fail(error, UCID_REGISTRY_ERROR, "%zu bytes: more than 1 GiB", length);
    ucid_allocator memory = ucid_allocator_or_default(allocator);
    size_t texts_max = length + 2; /* a text is no longer than its bytes in the file, its NUL stands for the comma */
    reader *r = ucid_allocate(&memory, 1, sizeof *r);
    file_rows *rows = ucid_allocate_zero(&memory, 1, sizeof *rows);
    char *texts = ucid_allocate(&memory, texts_max, 1);
    ucid_status status;
    if (r == NULL || rows == NULL || texts == NULL) {
        status = ucid_fail_memory(error, "cities", texts_max);
    } else {
        r->at = bytes;
        r->end = length > 0 ? bytes + length : bytes;
        r->error = error;
        rows->texts = texts;
        texts[0] = '\0';
        rows->texts_length = 1;
        status = read_rows(r, &memory, rows);
        if (status == UCID_OK) status = merge(rows, under, &memory, registry, error);
    }
    if (rows != NULL) ucid_release(&memory, rows->rows, rows->capacity, sizeof *rows->rows);
    ucid_release(&memory, rows, 1, sizeof *rows);
    ucid_release(&memory, texts, texts_max, 1);
    ucid_release(&memory, r, 1, sizeof *r);
    return status;
}

void ucid_registry_close(ucid_registry *registry)
{
    if (registry == NULL) return;
    ucid_allocator memory = registry->allocator;
    layout at = lay_out(registry->count, registry->texts_length);
    ucid_release(&memory, registry, at.total, 1);
}
