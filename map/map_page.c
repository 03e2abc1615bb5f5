/* The page: the file that the build made (web/), with two places filled in, the title and one JSON object. Columns go
 * into it as base64 of little-endian arrays, so a cell of a table with all details costs about 50 bytes. */
#include "map.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "columns are written as they lie in memory, which must be little-endian"
#endif

/* ------------------------------------------------------------------------------------------------------- Columns -- */

static void base64_put(FILE *out, const void *data, size_t length)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *bytes = data;
    char text[4096];
    size_t used = 0;
    putc('"', out);
    for (size_t i = 0; i < length; i += 3) {
        uint32_t group = (uint32_t)bytes[i] << 16;
        if (i + 1 < length) group |= (uint32_t)bytes[i + 1] << 8;
        if (i + 2 < length) group |= bytes[i + 2];
        text[used++] = digits[group >> 18];
        text[used++] = digits[group >> 12 & 63];
        text[used++] = i + 1 < length ? digits[group >> 6 & 63] : '=';
        text[used++] = i + 2 < length ? digits[group & 63] : '=';
        if (used == sizeof text) {
            fwrite(text, 1, used, out);
            used = 0;
        }
    }
    fwrite(text, 1, used, out);
    putc('"', out);
}

/* "name":"base64" or "name":null; first: no comma before it. */
static void column_put(FILE *out, int first, const char *name, int has, const void *data, int64_t count, size_t item)
{
    fprintf(out, "%s\"%s\":", first ? "" : ",", name);
    if (has) {
        base64_put(out, data, (size_t)count * item);
    } else {
        fputs("null", out);
    }
}

static void columns_put(FILE *out, const map_rows *rows)
{
    int64_t n = rows->count;
    fputs("\"columns\":{", out);
    column_put(out, 1, "score", 1, rows->score, n, 2);
    column_put(out, 0, "grade", 1, rows->grade, n, 1);
    column_put(out, 0, "cell", rows->cells || rows->has_ucid, rows->cell, n, 8);
    column_put(out, 0, "lat", !rows->cells, rows->lat_e7, n, 4);
    column_put(out, 0, "lon", !rows->cells, rows->lon_e7, n, 4);
    column_put(out, 0, "confidence", rows->has_confidence, rows->confidence, n, 1);
    column_put(out, 0, "status", rows->has_status, rows->status, n, 1);
    column_put(out, 0, "snap", rows->has_snap, rows->snap, n, 2);
    for (int nearest = 0; nearest < 2; nearest++) {
        fprintf(out, ",\"%s\":[", nearest ? "nearest" : "part");
        for (int p = 0; p < rows->context->part_count; p++) {
            if (p > 0) putc(',', out);
            int has = nearest ? rows->has_nearest[p] : rows->has_part[p];
            if (has) {
                base64_put(out, nearest ? rows->nearest[p] : rows->part[p], (size_t)n * 2);
            } else {
                fputs("null", out);
            }
        }
        putc(']', out);
    }
    putc('}', out);
}

static void streets_put(FILE *out, const map_streets *streets)
{
    if (streets == NULL) {
        fputs(",\"streets\":null", out);
        return;
    }
    fprintf(out, ",\"streets\":{\"unit\":%.17g,\"lat\":%.17g,\"lon\":%.17g,\"ranks\":[", MAP_STREET_UNIT,
            streets->lat_deg, streets->lon_deg);
    for (int rank = 0; rank < UCID_STREET_RANKS; rank++) {
        if (rank > 0) putc(',', out);
        base64_put(out, streets->bytes[rank], streets->length[rank]);
    }
    fputs("]}", out);
}

/* Text that stands in HTML or in a script: no '<' but its escape. */
static void safe_put(FILE *out, const char *text, const char *less)
{
    for (; *text != '\0'; text++) {
        if (*text == '<') {
            fputs(less, out);
        } else {
            putc(*text, out);
        }
    }
}

static void title_put(FILE *out, const char *title)
{
    for (; *title != '\0'; title++) {
        if (*title == '<') {
            fputs("&lt;", out);
        } else if (*title == '&') {
            fputs("&amp;", out);
        } else {
            putc(*title, out);
        }
    }
}

/* ---------------------------------------------------------------------------------------------------------- Head -- */

static const char *measure_key(const map_rows *rows, int measure)
{
    return measure == MAP_SCORE ? "score" : measure == MAP_CONFIDENCE ? "confidence" : rows->context->part_key[measure];
}

/* Everything but the columns. */
static json_t *head_new(const map_rows *rows, const map_texts *texts, int measure)
{
    json_t *parts = json_array();
    for (int p = 0; p < rows->context->part_count; p++) {
        json_array_append_new(parts, json_pack("{s:s, s:s, s:f}", "key", rows->context->part_key[p], "title",
                                               rows->context->part_title[p], "weight", rows->context->part_weight[p]));
    }
    json_t *grades = json_array();
    json_t *breaks = json_array();
    for (int grade = 0; grade < MAP_GRADES; grade++) {
        json_array_append_new(grades, json_string(ucid_grade_text((uint8_t)grade)));
        json_array_append_new(breaks, json_real(map_grade_breaks[grade]));
    }
    json_t *statuses = json_array();
    for (int i = 0; i < map_status_count; i++) {
        const char *code = map_status_codes[i];
        char name[32] = "";
        for (size_t j = 0; j + 1 < sizeof name && code[j] != '\0'; j++) {
            name[j] = (char)(code[j] >= 'A' && code[j] <= 'Z' ? code[j] + ('a' - 'A') : code[j]);
        }
        json_array_append_new(statuses, json_string(name));
    }
    json_t *ramp = json_array();
    for (int stop = 0; stop < MAP_RAMP_STOPS; stop++)
        json_array_append_new(ramp, json_sprintf("#%06x", (unsigned)map_ramp[stop]));
    return json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "version", 1,
                     "title", texts->title, "context", rows->context->id, "time", texts->time, "date", texts->date,
                     "index", texts->index_id, "attribution", map_attribution, "show", measure_key(rows, measure),
                     "kind", rows->cells ? "cells" : "points", "count", (json_int_t)rows->count, "left_out",
                     (json_int_t)rows->left_out, "parts", parts, "grades", grades, "breaks", breaks, "statuses",
                     statuses, "ramp", ramp);
}

static void ucid_put(FILE *out, const map_rows *rows)
{
    if (!rows->has_ucid) {
        fputs(",\"ucid\":null", out);
        return;
    }
    json_t *frames = json_array();
    for (int64_t i = 0; i < rows->frame_count; i++) json_array_append_new(frames, json_string(rows->frames[i]));
    char *text = json_dumps(frames, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(frames);
    fputs(",\"ucid\":{\"frames\":", out);
    safe_put(out, text != NULL ? text : "[]", "\\u003c");
    free(text);
    column_put(out, 0, "frame", 1, rows->ucid_frame, rows->count, 2);
    column_put(out, 0, "lat", 1, rows->ucid_lat, rows->count, 4);
    column_put(out, 0, "lon", 1, rows->ucid_lon, rows->count, 4);
    putc('}', out);
}

static int data_put(FILE *out, const map_rows *rows, const map_streets *streets, const map_texts *texts, int measure)
{
    json_t *head = head_new(rows, texts, measure);
    char *text = head != NULL ? json_dumps(head, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    json_decref(head);
    if (text == NULL) return 0;
    text[strlen(text) - 1] = ','; /* the object goes on */
    safe_put(out, text, "\\u003c");
    free(text);
    columns_put(out, rows);
    ucid_put(out, rows);
    streets_put(out, streets);
    putc('}', out);
    return 1;
}

/* ---------------------------------------------------------------------------------------------------------- Page -- */

static char *file_read(const char *path, ucid_error *error)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        map_fail(error, UCID_FILE_NOT_FOUND, "%s: %s", path, strerror(errno));
        return NULL;
    }
    struct stat about;
    char *text = fstat(fileno(file), &about) == 0 ? malloc((size_t)about.st_size + 1) : NULL;
    if (text != NULL) text[fread(text, 1, (size_t)about.st_size, file)] = '\0';
    fclose(file);
    if (text == NULL) map_fail(error, UCID_NO_MEMORY, "no memory for the page");
    return text;
}

ucid_status map_page_write(const map_rows *rows, const map_streets *streets, const map_texts *texts, int measure,
                           const char *template_path, FILE *out, ucid_error *error)
{
    static const char title_mark[] = "@UCID_TITLE@";
    static const char data_mark[] = "@UCID_DATA@";
    char *page = file_read(template_path, error);
    if (page == NULL) return error != NULL ? error->status : UCID_FILE_NOT_FOUND;
    char *title = strstr(page, title_mark);
    char *data = title != NULL ? strstr(title, data_mark) : NULL;
    if (data == NULL) {
        free(page);
        return map_fail(error, UCID_DATA_ERROR, "%s is not the page of this program", template_path);
    }
    fwrite(page, 1, (size_t)(title - page), out);
    title_put(out, texts->title);
    title += sizeof title_mark - 1;
    fwrite(title, 1, (size_t)(data - title), out);
    int complete = data_put(out, rows, streets, texts, measure);
    fputs(data + sizeof data_mark - 1, out);
    free(page);
    return complete ? UCID_OK : map_fail(error, UCID_INVALID_ARGUMENT, "the title is not UTF-8");
}
