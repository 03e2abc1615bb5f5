/* From a table to the rows of a map. Columns are found by name and read as they come, whatever their type; a row
 * without a place is counted and left out. */
#include "map_rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES_MAX = 512, ROWS_MAX = 2000000 };

/* ------------------------------------------------------------------------------------------------------- Columns -- */

/* One column of one batch. */
typedef struct column {
    const struct ArrowArray *array;
    const struct ArrowArray *dictionary; /* or NULL: values lie in array itself */
    char type;       /* Arrow's format letter of the values: g, u, ... ; 'v' for string views; 0: no such column */
    char index_type; /* of the dictionary's indices, where there is one */
    int64_t offset;  /* of the batch's first row */
} column;

static int is_valid(const struct ArrowArray *array, int64_t at)
{
    const uint8_t *bits = array->n_buffers > 0 ? array->buffers[0] : NULL;
    return bits == NULL || array->null_count == 0 || (bits[at / 8] >> (at % 8) & 1) != 0;
}

static char type_letter(const char *format)
{
    if (strcmp(format, "vu") == 0) return 'v';
    return strlen(format) == 1 ? format[0] : '?';
}

/* The first column of one of these names; batch may be NULL: only its type. */
static column column_find(const struct ArrowSchema *schema, const struct ArrowArray *batch, const char *const *names)
{
    column found = {0};
    for (; *names != NULL && found.type == 0; names++) {
        for (int64_t i = 0; i < schema->n_children; i++) {
            const struct ArrowSchema *child = schema->children[i];
            if (child->name == NULL || strcmp(child->name, *names) != 0) continue;
            found.index_type = type_letter(child->format);
            found.type = child->dictionary != NULL ? type_letter(child->dictionary->format) : found.index_type;
            if (batch == NULL) break;
            found.array = batch->children[i];
            found.dictionary = found.array->dictionary;
            found.offset = batch->offset + found.array->offset;
            break;
        }
    }
    return found;
}

/* Number `at` of an array whose offset is already in `at`; NaN for other types. */
static double number_at(const struct ArrowArray *array, char type, int64_t at)
{
    const void *values = array->n_buffers > 1 ? array->buffers[1] : NULL;
    switch (type) {
    case 'g': return ((const double *)values)[at];
    case 'f': return (double)((const float *)values)[at];
    case 'c': return ((const int8_t *)values)[at];
    case 'C': return ((const uint8_t *)values)[at];
    case 's': return ((const int16_t *)values)[at];
    case 'S': return ((const uint16_t *)values)[at];
    case 'i': return ((const int32_t *)values)[at];
    case 'I': return ((const uint32_t *)values)[at];
    case 'l': return (double)((const int64_t *)values)[at];
    case 'L': return (double)((const uint64_t *)values)[at];
    default: return NAN;
    }
}

static int is_text(const column *c) { return c->type == 'u' || c->type == 'U' || c->type == 'v'; }

/* Where the value of a row lies: its array, and the position there; NULL for a null. */
static const struct ArrowArray *value_locate(const column *c, int64_t row, int64_t *at)
{
    *at = row + c->offset;
    if (c->type == 0 || !is_valid(c->array, *at)) return NULL;
    if (c->dictionary == NULL) return c->array;
    *at = (int64_t)number_at(c->array, c->index_type, *at) + c->dictionary->offset;
    return is_valid(c->dictionary, *at) ? c->dictionary : NULL;
}

static double column_number(const column *c, int64_t row)
{
    int64_t at;
    const struct ArrowArray *array = value_locate(c, row, &at);
    return array != NULL ? number_at(array, c->type, at) : NAN;
}

/* Text of a row, not ended by NUL; length 0 for a null. */
static const char *column_text(const column *c, int64_t row, size_t *length)
{
    *length = 0;
    int64_t at;
    const struct ArrowArray *array = value_locate(c, row, &at);
    if (array == NULL || !is_text(c)) return "";
    if (c->type == 'v') {
        const uint8_t *view = (const uint8_t *)array->buffers[1] + 16 * at;
        int32_t head[4];
        memcpy(head, view, sizeof head);
        *length = (size_t)head[0];
        return head[0] <= 12 ? (const char *)view + 4 : (const char *)array->buffers[2 + head[2]] + head[3];
    }
    const char *bytes = array->buffers[2];
    if (c->type == 'u') {
        const int32_t *ends = (const int32_t *)array->buffers[1] + at;
        *length = (size_t)(ends[1] - ends[0]);
        return bytes + ends[0];
    }
    const int64_t *ends = (const int64_t *)array->buffers[1] + at;
    *length = (size_t)(ends[1] - ends[0]);
    return bytes + ends[0];
}

static uint64_t column_cell(const column *c, int64_t row)
{
    int64_t at;
    const struct ArrowArray *array = value_locate(c, row, &at);
    if (array == NULL) return 0;
    uint64_t cell = 0;
    if (is_text(c)) {
        size_t length;
        const char *text = column_text(c, row, &length);
        cell = ucid_cell_parse(text, length);
    } else if (c->type == 'L' || c->type == 'l') {
        cell = ((const uint64_t *)array->buffers[1])[at];
    }
    return ucid_cell_is_valid(cell) ? cell : 0;
}

/* A value in steps of 1/scale; null where it is missing, negative or too large for the type. */
static uint16_t column_steps(const column *c, int64_t row, double scale)
{
    double value = column_number(c, row) * scale;
    return value >= 0 && value < MAP_NULL16 - 0.5 ? (uint16_t)floor(value + 0.5) : MAP_NULL16;
}

/* --------------------------------------------------------------------------------------------------- Identifiers -- */

/* "+28.124" in thousandths; 0 where it is not of that form. */
static int thousandths(const char *text, size_t length, int32_t *value)
{
    if (length < 6 || length > 8 || (text[0] != '+' && text[0] != '-') || text[length - 4] != '.') return 0;
    int32_t sum = 0;
    for (size_t i = 1; i < length; i++) {
        if (i == length - 4) continue;
        if (text[i] < '0' || text[i] > '9') return 0;
        sum = 10 * sum + (text[i] - '0');
    }
    *value = text[0] == '-' ? -sum : sum;
    return 1;
}

/* Take an identifier apart. It is kept only if the pieces and the row's grade and confidence give the same text again.
 * Sets the row's cell where it has none yet. */
static void ucid_take(map_rows *rows, int64_t row, const char *text, size_t length)
{
    rows->ucid_frame[row] = MAP_NULL16;
    const char *field[11];
    size_t size[11];
    int count = 0;
    for (size_t start = 0, end = 0; end <= length; end++) {
        if (end < length && text[end] != ':') continue;
        if (count == 11) return;
        field[count] = text + start;
        size[count++] = end - start;
        start = end + 1;
    }
    if (count != 11 || size[0] != 7 || memcmp(field[0], "UCID-V1", 7) != 0) return;
    uint64_t cell = ucid_cell_parse(field[5], size[5]);
    if (!ucid_cell_is_valid(cell)) return;
    if (rows->cell[row] == 0) rows->cell[row] = cell;
    char frame[sizeof *rows->frames];
    int used = snprintf(frame, sizeof frame, "%.*s:%.*s:%.*s:%.*s:%.*s", (int)size[1], field[1], (int)size[4], field[4],
                        (int)size[6], field[6], (int)size[7], field[7], (int)size[10], field[10]);
    int32_t lat, lon;
    if (used >= (int)sizeof frame || !thousandths(field[2], size[2], &lat) || !thousandths(field[3], size[3], &lon))
        return;
    if (rows->grade[row] == MAP_NULL8 || rows->confidence[row] == MAP_NULL8) return;
    char again[256], cell_text[16];
    ucid_cell_format(cell, cell_text);
    used =
        snprintf(again, sizeof again, "UCID-V1:%.*s:%+.3f:%+.3f:%.*s:%s:%.*s:%.*s:%s:%.2f:%.*s", (int)size[1], field[1],
                 lat / 1e3, lon / 1e3, (int)size[4], field[4], cell_text, (int)size[6], field[6], (int)size[7],
                 field[7], ucid_grade_text(rows->grade[row]), rows->confidence[row] / 100.0, (int)size[10], field[10]);
    if (cell != rows->cell[row] || used != (int)length || memcmp(again, text, length) != 0) return;

    int64_t i = rows->frame_count - 1;
    while (i >= 0 && strcmp(rows->frames[i], frame) != 0) i--;
    if (i < 0) {
        if (rows->frame_count == FRAMES_MAX) return;
        i = rows->frame_count++;
        memcpy(rows->frames[i], frame, sizeof frame);
    }
    rows->ucid_frame[row] = (uint16_t)i;
    rows->ucid_lat[row] = lat;
    rows->ucid_lon[row] = lon;
}

/* ---------------------------------------------------------------------------------------------------------- Rows -- */

static int array_grow(void **array, int64_t capacity, size_t item)
{
    void *grown = realloc(*array, (size_t)capacity * item);
    if (grown != NULL) *array = grown;
    return grown != NULL;
}
#define GROW(array) array_grow((void **)&(array), capacity, sizeof *(array))

static int rows_reserve(map_rows *rows, int64_t needed)
{
    if (rows->frames == NULL && (rows->frames = calloc(FRAMES_MAX, sizeof *rows->frames)) == NULL) return 0;
    if (needed <= rows->capacity) return 1;
    int64_t capacity = 2 * needed;
    int done = GROW(rows->cell) && GROW(rows->lat_e7) && GROW(rows->lon_e7) && GROW(rows->score) && GROW(rows->grade) &&
               GROW(rows->confidence) && GROW(rows->status) && GROW(rows->snap) && GROW(rows->ucid_lat) &&
               GROW(rows->ucid_lon) && GROW(rows->ucid_frame);
    for (int p = 0; done && p < rows->context->part_count; p++) done = GROW(rows->part[p]) && GROW(rows->nearest[p]);
    if (done) rows->capacity = capacity;
    return done;
}

void map_rows_init(map_rows *rows, const ucid_context *context, int as_points)
{
    *rows = (map_rows){.context = context, .cells = !as_points};
}

void map_rows_free(map_rows *rows)
{
    void *const arrays[] = {rows->cell,     rows->lat_e7,     rows->lon_e7,     rows->score,
                            rows->grade,    rows->confidence, rows->status,     rows->snap,
                            rows->ucid_lat, rows->ucid_lon,   rows->ucid_frame, rows->frames};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) free(arrays[i]);
    for (int p = 0; p < UCID_PARTS_MAX; p++) {
        free(rows->part[p]);
        free(rows->nearest[p]);
    }
    memset(rows, 0, sizeof *rows);
}

static uint8_t grade_of(double score)
{
    int i = 0;
    while (score < map_grade_breaks[i]) i++;
    return (uint8_t)(MAP_GRADES - 1 - i);
}

static uint8_t grade_parse(const char *text, size_t length)
{
    for (uint8_t grade = 0; grade < MAP_GRADES; grade++) {
        const char *name = ucid_grade_text(grade);
        if (strlen(name) == length && memcmp(name, text, length) == 0) return grade;
    }
    return MAP_NULL8;
}

/* Position of "off_network" in the list of statuses. */
static uint8_t status_parse(const char *text, size_t length)
{
    for (uint8_t i = 0; i < map_status_count; i++) {
        const char *code = map_status_codes[i];
        if (strlen(code) != length) continue;
        size_t same = 0;
        while (same < length && (text[same] == code[same] || text[same] == code[same] + ('a' - 'A'))) same++;
        if (same == length) return i;
    }
    return MAP_NULL8;
}

typedef struct batch_columns {
    column cell, lat, lon, score, grade, confidence, status, snap, ucid;
    column part[UCID_PARTS_MAX], nearest[UCID_PARTS_MAX];
} batch_columns;

#define NAMES(...)                                                                                                     \
    (const char *const[]) { __VA_ARGS__, NULL }

static void columns_find(const map_rows *rows, const struct ArrowSchema *schema, const struct ArrowArray *batch,
                         batch_columns *c)
{
    c->cell = column_find(schema, batch, NAMES("h3", "h3_index", "h3_cell", "cell"));
    c->lat = column_find(schema, batch, NAMES("lat", "latitude", "y"));
    c->lon = column_find(schema, batch, NAMES("lon", "lng", "longitude", "long", "x"));
    c->score = column_find(schema, batch, NAMES("score", "mean", "score_mean", "mean_score"));
    c->grade = column_find(schema, batch, NAMES("grade"));
    c->confidence = column_find(schema, batch, NAMES("confidence"));
    c->status = column_find(schema, batch, NAMES("status"));
    c->snap = column_find(schema, batch, NAMES("snap_m"));
    c->ucid = column_find(schema, batch, NAMES("ucid", "ucid_string"));
    for (int p = 0; p < rows->context->part_count; p++) {
        char name[64];
        snprintf(name, sizeof name, "nearest_%s_m", rows->context->part_key[p]);
        c->part[p] = column_find(schema, batch, NAMES(rows->context->part_key[p]));
        c->nearest[p] = column_find(schema, batch, NAMES(name));
    }
}

ucid_status map_rows_begin(map_rows *rows, const struct ArrowSchema *schema, ucid_error *error)
{
    batch_columns c;
    columns_find(rows, schema, NULL, &c);
    for (int p = 0; p < rows->context->part_count; p++) {
        rows->has_part[p] = c.part[p].type != 0;
        rows->has_nearest[p] = c.nearest[p].type != 0;
    }
    rows->has_confidence = c.confidence.type != 0;
    rows->has_status = c.status.type != 0;
    rows->has_snap = c.snap.type != 0;
    rows->has_ucid = c.ucid.type != 0;
    rows->has_cell = c.cell.type != 0;
    rows->has_point = c.lat.type != 0 && c.lon.type != 0;
    if (c.score.type == 0)
        return map_fail(error, UCID_DATA_ERROR, "there is no column score; `ucid score` and `ucid grid` write it");
    if (is_text(&c.score)) return map_fail(error, UCID_DATA_ERROR, "column score is text, not a number");
    if (!rows->cells && !rows->has_point) return map_fail(error, UCID_DATA_ERROR, "points need columns lat and lon");
    if (!rows->has_cell && !rows->has_point && !rows->has_ucid)
        return map_fail(error, UCID_DATA_ERROR, "rows have no place: no column h3, ucid, or lat and lon");
    rows->cells = rows->cells && (rows->has_cell || !rows->has_point);
    return UCID_OK;
}

/* Put a row of the batch at the end; 1: it has a place. */
static int row_take(map_rows *rows, const batch_columns *c, int64_t from)
{
    int64_t row = rows->count;
    size_t length;
    double score = column_number(&c->score, from);
    rows->score[row] = column_steps(&c->score, from, 100);
    rows->confidence[row] = MAP_NULL8;
    double confidence = column_number(&c->confidence, from);
    if (confidence >= 0 && confidence <= 1) rows->confidence[row] = (uint8_t)floor(confidence * 100 + 0.5);
    const char *text = column_text(&c->grade, from, &length);
    rows->grade[row] = grade_parse(text, length);
    if (rows->grade[row] == MAP_NULL8 && score >= 0) rows->grade[row] = grade_of(rows->score[row] / 100.0);
    text = column_text(&c->status, from, &length);
    rows->status[row] = status_parse(text, length);
    rows->snap[row] = column_steps(&c->snap, from, 10);
    for (int p = 0; p < rows->context->part_count; p++) {
        rows->part[p][row] = column_steps(&c->part[p], from, 100);
        rows->nearest[p][row] = column_steps(&c->nearest[p], from, 10);
    }
    rows->cell[row] = column_cell(&c->cell, from);
    text = column_text(&c->ucid, from, &length);
    ucid_take(rows, row, text, length);
    double lat = column_number(&c->lat, from);
    double lon = column_number(&c->lon, from);
    int point = lat >= -90 && lat <= 90 && lon >= -180 && lon <= 180;
    rows->lat_e7[row] = point ? (int32_t)floor(lat * 1e7 + 0.5) : INT32_MAX;
    rows->lon_e7[row] = point ? (int32_t)floor(lon * 1e7 + 0.5) : INT32_MAX;
    return rows->cells ? rows->cell[row] != 0 : point;
}

ucid_status map_rows_add(map_rows *rows, const struct ArrowSchema *schema, const struct ArrowArray *batch,
                         ucid_error *error)
{
    batch_columns c;
    columns_find(rows, schema, batch, &c);
    if (rows->count + batch->length > ROWS_MAX)
        return map_fail(error, UCID_DATA_ERROR, "a map shows at most %d rows; `ucid aggregate` makes fewer of them",
                        ROWS_MAX);
    if (!rows_reserve(rows, rows->count + batch->length + 1))
        return map_fail(error, UCID_NO_MEMORY, "no memory for the rows");
    for (int64_t row = 0; row < batch->length; row++) {
        double score = column_number(&c.score, row);
        if (score < 0 || score > 100.005)
            return map_fail(error, UCID_DATA_ERROR, "row %lld: score %g is not within 0..100",
                            (long long)(rows->seen + row), score);
        if (row_take(rows, &c, row)) {
            rows->count++;
        } else {
            rows->left_out++;
        }
    }
    rows->seen += batch->length;
    return UCID_OK;
}

static int compare_cells(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* A cell that two rows have, or 0; UINT64_MAX where memory is out. */
static uint64_t repeated_cell(const map_rows *rows)
{
    if (rows->count < 2) return 0;
    uint64_t *sorted = malloc((size_t)rows->count * sizeof *sorted);
    if (sorted == NULL) return UINT64_MAX;
    memcpy(sorted, rows->cell, (size_t)rows->count * sizeof *sorted);
    qsort(sorted, (size_t)rows->count, sizeof *sorted, compare_cells);
    uint64_t repeated = 0;
    for (int64_t i = 1; i < rows->count && repeated == 0; i++)
        if (sorted[i] == sorted[i - 1]) repeated = sorted[i];
    free(sorted);
    return repeated;
}

/* The box of the rows: of the places where there are any, since cells out at sea should not shrink the city. */
static void bounds_set(map_rows *rows)
{
    int64_t places = 0;
    for (int64_t row = 0; row < rows->count; row++) places += map_is_place(rows, row);
    double first_lon = NAN;
    rows->min_lat_deg = rows->min_lon_deg = INFINITY;
    rows->max_lat_deg = rows->max_lon_deg = -INFINITY;
    for (int64_t row = 0; row < rows->count; row++) {
        if (places > 0 && !map_is_place(rows, row)) continue;
        double lat = rows->lat_e7[row] / 1e7;
        double lon = rows->lon_e7[row] / 1e7;
        if (rows->cells) ucid_cell_centre(rows->cell[row], &lat, &lon, NULL);
        if (isnan(first_lon)) first_lon = lon;
        lon = lon - first_lon > 180 ? lon - 360 : lon - first_lon < -180 ? lon + 360 : lon;
        rows->min_lat_deg = fmin(rows->min_lat_deg, lat);
        rows->max_lat_deg = fmax(rows->max_lat_deg, lat);
        rows->min_lon_deg = fmin(rows->min_lon_deg, lon);
        rows->max_lon_deg = fmax(rows->max_lon_deg, lon);
    }
}

ucid_status map_rows_finish(map_rows *rows, ucid_error *error)
{
    if (!rows_reserve(rows, 1)) return map_fail(error, UCID_NO_MEMORY, "no memory for the rows");
    if (rows->cells) {
        uint64_t repeated = repeated_cell(rows);
        if (repeated == UINT64_MAX) return map_fail(error, UCID_NO_MEMORY, "no memory for the rows");
        if (repeated != 0) {
            char text[16];
            ucid_cell_format(repeated, text);
            return map_fail(error, UCID_DATA_ERROR,
                            "cell %s is there more than once; a map of cells needs one row a cell%s", text,
                            rows->has_point ? ", or --points" : "");
        }
    }
    bounds_set(rows);
    return UCID_OK;
}
