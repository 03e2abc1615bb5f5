/* Identifiers: any bytes as a text, and the same bytes as values for create. What create makes, strict mode reads, and
 * prints again as it was; strict accepts less than lenient; validate finds nothing exactly where strict accepts; a
 * column of one row says what the single call says; every variant of the vectors makes the same pieces and takes the
 * same texts apart. */
#include "id/text_pieces.h"
#include "ucid.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An assertion in release builds too. */
static void require(int holds)
{
    if (!holds) abort();
}

/* Some lanes of a block: every variant takes what the reader of one text takes. */
static void read_rows(ucid_text text)
{
    ucid_rows rows;
    ucid_parts parts;
    ucid_text_variant variant;
    uint64_t bad = 0;
    const char *stop = ucid_usual_stop(text.data, text.length, &bad), *at[16], *stops[16];
    if (bad != 0 || memcmp(text.data, "UCID-V1:", 8) != 0) return;
    for (int i = 0; i < 16; i++) at[i] = text.data, stops[i] = stop;
    int usual = ucid_parts_read_usual(text.data, text.length, &parts);
    for (int k = 0; ucid_text_variant_get(k, &variant); k++) {
        if (variant.read == NULL || !variant.works_here) continue;
        variant.read(9, at, stops, &rows);
        for (int i = 0; i < 9; i += 4) {
            require((rows.rest[i] != 0) == usual);
            if (!usual) continue;
            require(rows.cell[i] == parts.cell && memcmp(&rows.lat_deg[i], &parts.lat_deg, 8) == 0);
            require(memcmp(&rows.lon_deg[i], &parts.lon_deg, 8) == 0);
            require(rows.context[i] == parts.context);
            require((rows.rest[i] >> UCID_ROW_CONTEXT_LENGTH & 31) == parts.context_length);
            require((rows.rest[i] >> UCID_ROW_GRADE & 7) == parts.grade);
        }
    }
}

static void read_text(ucid_text text)
{
    ucid_fields lenient, strict, again;
    ucid_error error;
    ucid_defect defects[UCID_DEFECTS_MAX];
    char written[UCID_LENGTH_MAX + 1];
    ucid_status loose = ucid_parse(text, UCID_LENIENT, NULL, &lenient, NULL);
    ucid_status firm = ucid_parse(text, UCID_STRICT, NULL, &strict, &error);
    int count = ucid_validate(text, NULL, defects);
    require(loose == UCID_OK || firm == loose);
    require((count == 0) == (firm == UCID_OK));
    if (firm != UCID_OK) require(error.byte >= 0 && (size_t)error.byte <= text.length);
    for (int i = 0; i < count; i++) {
        require(defects[i].byte >= 0 && defects[i].bytes >= 0);
        require((size_t)defects[i].byte + (size_t)defects[i].bytes <= text.length);
        require(ucid_defect_explain(text, &defects[i], &error) == defects[i].status);
    }

    if (text.length >= UCID_USUAL_SHORTEST && text.length <= UCID_LENGTH_MAX) read_rows(text);
    double lat_deg;
    uint8_t status, validity;
    int32_t offsets[2] = {0, (int32_t)text.length}, byte, context_at[2], flags_at[2];
    char context[32], flags[256];
    ucid_texts texts = {text.data, offsets, NULL, 0, NULL};
    ucid_field_columns columns = {.lat_deg = &lat_deg,
                                  .context = {context, sizeof context, context_at, NULL},
                                  .validity = &validity,
                                  .status = &status,
                                  .byte = &byte};
    if (text.length <= UCID_LENGTH_MAX) columns.flags = (ucid_texts_out){flags, sizeof flags, flags_at, NULL};
    require(ucid_texts_parse(1, &texts, UCID_STRICT, NULL, &columns, NULL) == UCID_OK);
    require(status == firm && validity == (firm == UCID_OK));
    if (firm == UCID_OK) require(memcmp(&lat_deg, &strict.lat_deg, 8) == 0 && byte == -1);

    if (loose != UCID_OK) return;
    ucid_text canonical = {written, ucid_format(&lenient, written)};
    require(canonical.length <= UCID_LENGTH_MAX && canonical.length == strlen(written));
    require(ucid_parse(canonical, UCID_LENIENT, NULL, &again, NULL) == UCID_OK);
    require(ucid_compare(&lenient, &again) == 0 && ucid_hash(&lenient) == ucid_hash(&again));
    require((ucid_parse(canonical, UCID_STRICT, NULL, &again, NULL) == UCID_OK) == (firm == UCID_OK));
}

/* Of a text without flags, in some lanes of a block. */
static void make_pieces(const ucid_fields *made, const char *text, size_t length)
{
    double lat_deg[9], lon_deg[9], confidence[9];
    uint64_t cells[9];
    uint8_t grade[9];
    ucid_pieces pieces;
    ucid_text_variant variant;
    for (int i = 0; i < 9; i++) {
        lat_deg[i] = i % 4 == 3 ? made->lon_deg : made->lat_deg;
        lon_deg[i] = made->lon_deg;
        confidence[i] = made->confidence;
        cells[i] = made->cell;
        grade[i] = made->grade;
    }
    for (int k = 0; ucid_text_variant_get(k, &variant); k++) {
        if (variant.run == NULL || !variant.works_here) continue;
        variant.run(9, lat_deg, lon_deg, cells, grade, confidence, &pieces);
        for (int i = 0; i < 9; i++) {
            uint64_t lengths = pieces.lengths[i];
            if (i % 4 == 3 || lengths == 0) continue;
            size_t lat = lengths & 255, lon = lengths >> 8 & 255, end = lengths >> 16, two = made->resolution > 9;
            require(memcmp(text + 12, &pieces.lat[i], lat) == 0);
            require(memcmp(text + 12 + lat, &pieces.lon[i], lon) == 0);
            require(memcmp(text + 15 + two + lat + lon, pieces.cell[i], 16) == 0);
            require(memcmp(text + length - end, &pieces.end[i], end) == 0);
        }
    }
}

static void make_text(const uint8_t *data, size_t size)
{
    struct {
        double lat_deg, lon_deg, confidence;
        uint8_t resolution, grade, mode, context_length, flag_length, week, hour, year[2];
    } raw;
    if (size < sizeof raw) return;
    memcpy(&raw, data, sizeof raw);
    const char *rest = (const char *)data + sizeof raw;
    size_t left = size - sizeof raw;
    char time[11] = "2026W01T12";
    time[5] = (char)('0' + raw.week / 10 % 6);
    time[6] = (char)('0' + raw.week % 10);
    time[8] = (char)('0' + raw.hour / 10 % 3);
    time[9] = (char)('0' + raw.hour % 10);
    time[2] = (char)('0' + raw.year[0] % 10);
    time[3] = (char)('0' + raw.year[1] % 10);
    ucid_values values = UCID_VALUES_INIT;
    size_t context_length = raw.context_length % 20 < left ? raw.context_length % 20 : left;
    ucid_text flags[2] = {{rest + context_length, left - context_length}, {"A", 1}};
    if (raw.flag_length < flags[0].length) flags[0].length = raw.flag_length;
    values.city = (ucid_text)UCID_TEXT("tst");
    values.time = (ucid_text){time, 10};
    values.context = (ucid_text){rest, context_length};
    values.lat_deg = raw.lat_deg;
    values.lon_deg = raw.lon_deg;
    values.confidence = raw.confidence;
    values.resolution = raw.resolution % 17;
    values.grade = raw.grade % 7;
    values.flags = flags;
    values.flag_count = flags[0].length > 0 ? 2 : 0;
    ucid_fields made, read;
    char written[UCID_LENGTH_MAX + 1], again[UCID_LENGTH_MAX + 1];
    if (ucid_create(&values, raw.mode & UCID_SNAP, NULL, &made, NULL) != UCID_OK) return;
    ucid_text text = {written, ucid_format(&made, written)};
    if (made.flag_count == 0) make_pieces(&made, written, text.length);
    ucid_status status = ucid_parse(text, UCID_STRICT, NULL, &read, NULL);
    int week = (time[5] - '0') * 10 + time[6] - '0', year = 2000 + (time[2] - '0') * 10 + time[3] - '0';
    require(status == (week <= ucid_year_weeks(year) ? UCID_OK : UCID_INVALID_TIME));
    if (status != UCID_OK) return;
    ucid_format(&read, again);
    require(strcmp(written, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ucid_text text = {(const char *)data, size};
    read_text(text);
    make_text(data, size);
    return 0;
}
