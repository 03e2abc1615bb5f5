/* test_conformance.c: the cases of conformance.jsonl: identifiers, time keys, cells, grids, grades, the formula of
 * 15MIN, of components of contexts, and roll-ups. One object a line: op, in, out or error (and field). Every line is
 * run. */
#include "kernel/ctx_15min.h"
#include "nanoarrow.h"
#include "rt/digest.h"
#include "ucid.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <jansson.h>

static int failures, ran;

static ucid_text text_of(const json_t *string)
{
    ucid_text text = {json_string_value(string), json_string_length(string)};
    return text;
}

static ucid_text text_at(const json_t *object, const char *key)
{
    ucid_text none = {NULL, 0};
    const json_t *value = json_object_get(object, key);
    return value != NULL ? text_of(value) : none;
}

static double number_of(const json_t *value)
{
    if (!json_is_string(value)) return json_number_value(value);
    if (strcmp(json_string_value(value), "NaN") == 0) return NAN;
    return json_string_value(value)[0] == '-' ? -INFINITY : INFINITY;
}

static void complain(const json_t *test, const char *got)
{
    char *line = json_dumps(test, JSON_COMPACT);
    fprintf(stderr, "%s\n    got %s\n", line, got);
    free(line);
    failures++;
}

static void expect_text(const json_t *test, const char *got)
{
    const json_t *out = json_object_get(test, "out");
    if (!json_is_string(out) || strcmp(json_string_value(out), got) != 0) complain(test, got);
}

static void expect_integer(const json_t *test, int64_t got)
{
    const json_t *out = json_object_get(test, "out");
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)got);
    if (!json_is_integer(out) || json_integer_value(out) != got) complain(test, text);
}

/* 1 where the call failed; then the case must ask for this error, and for its field if it names one. */
static int expect_error(const json_t *test, ucid_status status, const ucid_error *error)
{
    const json_t *want = json_object_get(test, "error"), *field = json_object_get(test, "field");
    if (status == UCID_OK) {
        if (want != NULL) complain(test, "no error");
        return want != NULL;
    }
    if (want == NULL || strcmp(json_string_value(want), ucid_status_code(status)) != 0 ||
        (field != NULL && strcmp(json_string_value(field), ucid_field_name(error->field)) != 0)) {
        char got[400];
        snprintf(got, sizeof got, "%s (%s): %s", ucid_status_code(status), ucid_field_name(error->field),
                 error->message);
        complain(test, got);
    }
    return 1;
}

static void case_create(const json_t *test, const json_t *in)
{
    ucid_values values = UCID_VALUES_INIT;
    ucid_text flags[64];
    ucid_error error;
    values.city = text_at(in, "city");
    values.time = text_at(in, "timestamp");
    values.context = text_at(in, "context");
    values.lat_deg = number_of(json_object_get(in, "lat"));
    values.lon_deg = number_of(json_object_get(in, "lon"));
    const json_t *given;
    if ((given = json_object_get(in, "confidence")) != NULL) values.confidence = number_of(given);
    if ((given = json_object_get(in, "h3_res")) != NULL) values.resolution = (int)json_integer_value(given);
    if ((given = json_object_get(in, "grade")) != NULL) values.grade = (uint8_t)ucid_grade_parse(text_of(given));
    uint64_t cell = 0;
    if ((given = json_object_get(in, "h3_index")) != NULL) {
        if (!ucid_cell_read(text_of(given), &cell)) cell = UINT64_MAX;
        values.cell = &cell;
    }
    if ((given = json_object_get(in, "flags")) != NULL) {
        values.flags = flags;
        values.flag_count = json_array_size(given);
        for (size_t i = 0; i < values.flag_count; i++) flags[i] = text_of(json_array_get(given, i));
    }
    unsigned mode = (json_is_true(json_object_get(in, "snap")) ? UCID_SNAP : 0) |
                    (json_is_true(json_object_get(in, "strict")) ? UCID_STRICT : 0);
    ucid_fields fields;
    char text[UCID_LENGTH_MAX + 1];
    if (expect_error(test, ucid_create(&values, mode, NULL, &fields, &error), &error)) return;
    ucid_format(&fields, text);
    expect_text(test, text);
}

static void case_parse(const json_t *test, const json_t *in)
{
    ucid_fields fields;
    ucid_error error;
    unsigned mode = json_is_false(json_object_get(in, "strict")) ? UCID_LENIENT : UCID_STRICT;
    if (expect_error(test, ucid_parse(text_at(in, "text"), mode, NULL, &fields, &error), &error)) return;
    char canonical[UCID_LENGTH_MAX + 1], cell[16], key[11];
    ucid_format(&fields, canonical);
    ucid_cell_format(fields.cell, cell);
    snprintf(key, sizeof key, "%04uW%02uT%02u", (unsigned)fields.year % 10000, fields.week % 100u, fields.hour % 100u);
    static const char *const grades[] = {"F", "D", "C", "B", "A", "A+"};
    json_t *flags = json_array();
    char copy[sizeof fields.flags];
    memcpy(copy, fields.flags, sizeof copy);
    for (char *flag = strtok(copy, ";"); flag != NULL; flag = strtok(NULL, ";")) {
        json_array_append_new(flags, json_string(flag));
    }
    assert_int_equal(json_array_size(flags), fields.flag_count);
    json_t *got = json_pack("{s:s, s:f, s:f, s:i, s:s, s:s, s:s, s:s, s:f, s:o, s:s}", "city", fields.city, "lat",
                            fields.lat_deg, "lon", fields.lon_deg, "h3_res", fields.resolution, "h3_index", cell,
                            "timestamp", key, "context", fields.context, "grade", grades[fields.grade], "confidence",
                            fields.confidence, "flags", flags, "canonical", canonical);
    const json_t *out = json_object_get(test, "out");
    if (!json_equal(got, out)) {
        char *line = json_dumps(got, JSON_COMPACT);
        complain(test, line);
        free(line);
    }
    json_decref(got);
}

static void case_canonicalize(const json_t *test, const json_t *in)
{
    char text[UCID_LENGTH_MAX + 1], again[UCID_LENGTH_MAX + 1];
    ucid_error error;
    ucid_text given = text_at(in, "text"), made = {text, 0};
    if (expect_error(test, ucid_canonicalize(given, text, &made.length, &error), &error)) return;
    expect_text(test, text);
    assert_int_equal(ucid_canonicalize(made, again, NULL, &error), UCID_OK);
    assert_string_equal(again, text);
}

static void case_validate(const json_t *test, const json_t *in)
{
    ucid_defect defects[UCID_DEFECTS_MAX];
    int n = ucid_validate(text_at(in, "text"), NULL, defects);
    json_t *codes = json_array();
    for (int i = 0; i < n; i++) json_array_append_new(codes, json_string(ucid_status_code(defects[i].status)));
    if (!json_equal(codes, json_object_get(test, "out"))) complain(test, n > 0 ? "other defects" : "no defect");
    json_decref(codes);
}

static int32_t key(const json_t *test, ucid_text text, int *failed)
{
    int32_t hour = 0;
    ucid_error error;
    ucid_status status = ucid_time_parse(text, &hour, &error);
    *failed = status != UCID_OK;
    if (*failed) expect_error(test, status, &error);
    return hour;
}

static void expect_key(const json_t *test, ucid_status status, int32_t hour, const ucid_error *error)
{
    char text[UCID_TIME_LENGTH + 1];
    if (expect_error(test, status, error)) return;
    assert_int_equal(ucid_time_format(hour, text), 1);
    expect_text(test, text);
}

static void case_time(const json_t *test, const char *op, const json_t *in)
{
    ucid_error error;
    int32_t hour = 0;
    int failed = 0;
    if (strcmp(op, "weeks_in_year") == 0) {
        expect_integer(test, ucid_year_weeks((int)json_integer_value(in)));
        return;
    }
    if (strcmp(op, "key_from_datetime") == 0) {
        int year, month, day, clock;
        assert_int_equal(sscanf(json_string_value(in), "%d-%d-%dT%d", &year, &month, &day, &clock), 4);
        /* Day number by counting, apart from the library's. */
        int64_t days = 0;
        static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        for (int y = 1970; y < year; y++) days += 365 + (y % 4 == 0 && (y % 100 != 0 || y % 400 == 0));
        for (int m = 1; m < month; m++) days += lengths[m - 1] + (m == 2 && year % 4 == 0);
        ucid_status status = ucid_time_from_seconds(((days + day - 1) * 24 + clock) * 3600 + 3599, &hour, &error);
        expect_key(test, status, hour, &error);
        return;
    }
    if (json_is_string(in)) {
        hour = key(test, text_of(in), &failed);
        if (failed) return;
        if (strcmp(op, "key_ordinal") == 0) expect_integer(test, hour);
        if (strcmp(op, "key_monday") == 0) {
            int64_t seconds = ucid_time_to_seconds(hour);
            time_t day = (time_t)seconds;
            char text[11];
            strftime(text, sizeof text, "%Y-%m-%d", gmtime(&day));
            expect_text(test, text);
        }
        if (strcmp(op, "parse_temporal_key") == 0) expect_key(test, UCID_OK, hour, &error);
        return;
    }
    if (strcmp(op, "time_range") == 0) {
        int32_t first = key(test, text_at(in, "start"), &failed), last;
        if (failed) return;
        last = key(test, text_at(in, "end"), &failed);
        if (failed) return;
        int32_t hours[1000];
        int64_t count = 0;
        ucid_status status = ucid_time_range(first, last, json_integer_value(json_object_get(in, "step_hours")), hours,
                                             1000, &count, &error);
        if (expect_error(test, status, &error)) return;
        json_t *got = json_array();
        for (int64_t i = 0; i < count; i++) {
            char text[11];
            ucid_time_format(hours[i], text);
            json_array_append_new(got, json_string(text));
        }
        if (!json_equal(got, json_object_get(test, "out"))) complain(test, "another range");
        json_decref(got);
        return;
    }
    if (strcmp(op, "diff_hours") == 0 || strcmp(op, "compare_temporal") == 0) {
        int32_t a = key(test, text_at(in, "a"), &failed), b;
        if (failed) return;
        b = key(test, text_at(in, "b"), &failed);
        if (failed) return;
        expect_integer(test, strcmp(op, "diff_hours") == 0 ? a - b : (a > b) - (a < b));
        return;
    }
    if (strcmp(op, "freshness") == 0) {
        int32_t score = key(test, text_at(in, "score"), &failed), now = key(test, text_at(in, "now"), &failed);
        double got = ucid_time_freshness(score, now, ucid_time_validity_weeks(text_at(in, "context")));
        if (fabs(got - json_number_value(json_object_get(test, "out"))) > 5e-7) complain(test, "another freshness");
        return;
    }
    hour = key(test, text_at(in, "key"), &failed);
    if (failed) return;
    if (strcmp(op, "in_range") == 0) {
        int32_t first = key(test, text_at(in, "start"), &failed), last = key(test, text_at(in, "end"), &failed);
        if ((hour >= first && hour <= last) != json_is_true(json_object_get(test, "out"))) complain(test, "the other");
        return;
    }
    int32_t got = 0;
    ucid_status status;
    if (strcmp(op, "add_hours") == 0) {
        status = ucid_time_add_hours(hour, json_integer_value(json_object_get(in, "hours")), &got, &error);
    } else if (strcmp(op, "add_weeks") == 0) {
        status = ucid_time_add_weeks(hour, json_integer_value(json_object_get(in, "weeks")), &got, &error);
    } else {
        ucid_zone *zone = NULL;
        assert_int_equal(ucid_zone_open(json_string_value(json_object_get(in, "tz")), NULL, NULL, &zone, &error),
                         UCID_OK);
        status = strcmp(op, "to_utc") == 0 ? ucid_time_to_utc(hour, zone, &got, &error)
                                           : ucid_time_from_utc(hour, zone, &got, &error);
        ucid_zone_close(zone);
    }
    expect_key(test, status, got, &error);
}

static void case_compare(const json_t *test, const json_t *in)
{
    ucid_fields a, b;
    assert_int_equal(ucid_parse(text_at(in, "a"), UCID_LENIENT, NULL, &a, NULL), UCID_OK);
    assert_int_equal(ucid_parse(text_at(in, "b"), UCID_LENIENT, NULL, &b, NULL), UCID_OK);
    int order = ucid_compare(&a, &b);
    expect_integer(test, (order > 0) - (order < 0));
    assert_int_equal(order == 0, ucid_hash(&a) == ucid_hash(&b));
}

static size_t bytes_of_hex(const char *hex, uint8_t *out)
{
    size_t n = strlen(hex) / 2;
    for (size_t i = 0; i < n; i++) {
        unsigned byte;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        out[i] = (uint8_t)byte;
    }
    return n;
}

static void case_pack(const json_t *test, const json_t *in)
{
    ucid_fields fields;
    ucid_error error;
    uint8_t binary[UCID_BINARY_SIZE];
    char hex[2 * UCID_BINARY_SIZE + 1];
    ucid_status status = ucid_parse(text_at(in, "text"), UCID_LENIENT, NULL, &fields, &error);
    if (status == UCID_OK) status = ucid_pack(&fields, binary, &error);
    if (expect_error(test, status, &error)) return;
    for (int i = 0; i < UCID_BINARY_SIZE; i++) snprintf(hex + 2 * i, 3, "%02x", binary[i]);
    expect_text(test, hex);
}

static void case_unpack(const json_t *test, const json_t *in)
{
    uint8_t binary[64];
    ucid_fields fields;
    ucid_error error;
    size_t length = bytes_of_hex(json_string_value(json_object_get(in, "hex")), binary);
    char text[UCID_LENGTH_MAX + 1];
    if (expect_error(test, ucid_unpack(binary, length, &fields, &error), &error)) return;
    ucid_format(&fields, text);
    expect_text(test, text);
}

/* sha256 is that of the cells joined by newlines; first and last are null where there is no cell. */
static void case_grid(const json_t *test, const json_t *in)
{
    const json_t *box = json_object_get(in, "bbox"), *out = json_object_get(test, "out");
    double side[4];
    for (size_t i = 0; i < 4; i++) side[i] = json_number_value(json_array_get(box, i));
    ucid_grid *grid = NULL;
    assert_int_equal(ucid_grid_open_box(side[0], side[1], side[2], side[3],
                                        (int)json_integer_value(json_object_get(in, "resolution")), NULL, &grid, NULL),
                     UCID_OK);
    uint64_t cells[100];
    char text[16], first[16] = "", last[16] = "";
    int64_t count = 0, n;
    ucid_sha256 digest;
    uint8_t sum[32];
    char hex[65];
    ucid_sha256_init(&digest);
    while ((n = ucid_grid_next(grid, 100, cells, NULL, NULL)) > 0) {
        for (int64_t i = 0; i < n; i++) {
            ucid_cell_format(cells[i], text);
            if (count++ == 0) memcpy(first, text, 16);
            memcpy(last, text, 16);
            ucid_sha256_update(&digest, "\n", count > 1);
            ucid_sha256_update(&digest, text, 15);
        }
    }
    ucid_grid_close(grid);
    ucid_sha256_finish(&digest, sum);
    ucid_sha256_hex(sum, hex);
    if (json_integer_value(json_object_get(out, "count")) != count) complain(test, "another count");
    const json_t *want = json_object_get(out, "first");
    if (strcmp(json_is_string(want) ? json_string_value(want) : "", first) != 0) complain(test, first);
    want = json_object_get(out, "last");
    if (strcmp(json_is_string(want) ? json_string_value(want) : "", last) != 0) complain(test, last);
    want = json_object_get(out, "sha256");
    if (strcmp(json_string_value(want), hex) != 0) complain(test, hex);
}

static void expect_number(const json_t *test, const json_t *want, double got)
{
    char text[32];
    snprintf(text, sizeof text, "%.17g", got);
    if (json_is_null(want) ? !isnan(got) : !json_is_number(want) || fabs(json_number_value(want) - got) > 1e-9) {
        complain(test, text);
    }
}

enum { SCORES_MAX = 16 };

/* Scores with weights, or NULL, as one group; which of its values is asked. Rows without a score make no group. */
static double roll_up(size_t n, const double *scores, const double *weights, const char *method, uint8_t *grade)
{
    ucid_aggregate *aggregate = NULL;
    ucid_aggregate_options options = UCID_AGGREGATE_OPTIONS_INIT;
    ucid_aggregate_rows rows = UCID_AGGREGATE_ROWS_INIT;
    int32_t offsets[SCORES_MAX + 1] = {0}; /* n keys of no bytes */
    int64_t groups;
    double mean = NAN, min = NAN, max = NAN;
    options.resolution = UCID_AGGREGATE_TEXT;
    rows.score = scores;
    rows.weight = weights;
    assert_int_equal(ucid_aggregate_new(&options, &aggregate, NULL), UCID_OK);
    assert_int_equal(ucid_aggregate_add_keys(aggregate, (int64_t)n, "", offsets, &rows, NULL), UCID_OK);
    assert_int_equal(ucid_aggregate_sort(aggregate, &groups, NULL), UCID_OK);
    assert_int_equal(groups, n > 0);
    ucid_aggregates out = {.mean = &mean, .min = &min, .max = &max, .grade = grade};
    if (groups > 0) ucid_aggregate_finish(aggregate, 0, groups, &out);
    ucid_aggregate_free(aggregate);
    return strcmp(method, "min") == 0 ? min : strcmp(method, "max") == 0 ? max : mean;
}

static void case_grade(const json_t *test, const json_t *in)
{
    double score = json_number_value(in);
    uint8_t grade = 0;
    roll_up(1, &score, NULL, "mean", &grade);
    expect_text(test, ucid_grade_text(grade));
}

/* The median of scores, as the group of one key; NaN where there is none. */
static double median_of(size_t n, const double *scores)
{
    struct ArrowSchema schema;
    struct ArrowArray rows, group;
    struct ArrowArrayStream in, out;
    ArrowSchemaInit(&schema);
    assert_int_equal(ArrowSchemaSetTypeStruct(&schema, 2), 0);
    assert_int_equal(ArrowSchemaSetType(schema.children[0], NANOARROW_TYPE_INT64), 0);
    assert_int_equal(ArrowSchemaSetName(schema.children[0], "key"), 0);
    assert_int_equal(ArrowSchemaSetType(schema.children[1], NANOARROW_TYPE_DOUBLE), 0);
    assert_int_equal(ArrowSchemaSetName(schema.children[1], "score"), 0);
    assert_int_equal(ArrowArrayInitFromSchema(&rows, &schema, NULL), 0);
    assert_int_equal(ArrowArrayStartAppending(&rows), 0);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(ArrowArrayAppendInt(rows.children[0], 0), 0);
        assert_int_equal(ArrowArrayAppendDouble(rows.children[1], scores[i]), 0);
        assert_int_equal(ArrowArrayFinishElement(&rows), 0);
    }
    assert_int_equal(ArrowArrayFinishBuildingDefault(&rows, NULL), 0);
    assert_int_equal(ArrowBasicArrayStreamInit(&in, &schema, 1), 0);
    ArrowBasicArrayStreamSetArray(&in, 0, &rows);
    static const char *const by[] = {"key", NULL}, *const functions[] = {"median", NULL};
    ucid_group_stream_options options = UCID_GROUP_STREAM_OPTIONS_INIT;
    options.by = by;
    options.functions = functions;
    assert_int_equal(ucid_group_stream(&in, &options, &out, NULL), UCID_OK);
    assert_int_equal(out.get_next(&out, &group), 0);
    double median = (double)NAN;
    if (group.release != NULL) {
        assert_int_equal(group.length, n > 0);
        if (group.length > 0) median = ((const double *)group.children[1]->buffers[1])[0];
        group.release(&group);
    }
    out.release(&out);
    return median;
}

static void case_aggregate(const json_t *test, const json_t *in)
{
    const char *method = json_string_value(json_object_get(in, "method"));
    const json_t *scores = json_object_get(in, "scores"), *weights = json_object_get(in, "weights");
    double values[SCORES_MAX], heavy[SCORES_MAX];
    uint8_t grade;
    size_t n = json_array_size(scores);
    assert_true(n < SCORES_MAX);
    for (size_t i = 0; i < n; i++) {
        values[i] = json_number_value(json_array_get(scores, i));
        heavy[i] = json_number_value(json_array_get(weights, i));
    }
    double got = strcmp(method, "median") == 0 ? median_of(n, values)
                                               : roll_up(n, values, weights != NULL ? heavy : NULL, method, &grade);
    expect_number(test, json_object_get(test, "out"), got);
}

static void case_score_15min(const json_t *test, const json_t *in)
{
    fifteen_reached reached = {.in_reach = 0};
    const fifteen_setup setup = {.coverage = 100, .recency = 10000};
    const json_t *accessible = json_object_get(in, "accessible"), *out = json_object_get(test, "out");
    for (int part = 0; part < FIFTEEN_PARTS; part++) {
        const json_t *quality = json_object_get(accessible, fifteen_context.part_key[part]);
        reached.quality[part] = (uint16_t)(4 * json_number_value(quality));
    }
    reached.score = fifteen_sum(reached.quality);
    score_row row = fifteen_row(&setup, &reached, 0, 0);
    expect_number(test, json_object_get(out, "score"), row.score / 100.0);
    if (strcmp(json_string_value(json_object_get(out, "grade")), ucid_grade_text(row.grade)) != 0) {
        complain(test, ucid_grade_text(row.grade));
    }
}

static void expect_close(const json_t *test, double got)
{
    char text[32];
    snprintf(text, sizeof text, "%.17g", got);
    /* six decimals are printed */
    if (!(fabs(json_number_value(json_object_get(test, "out")) - got) <= 5e-7)) complain(test, text);
}

static void case_normalize(const json_t *test, const json_t *in)
{
    expect_close(test, ucid_normalize(json_number_value(json_object_get(in, "value")),
                                      json_number_value(json_object_get(in, "min")),
                                      json_number_value(json_object_get(in, "max")),
                                      json_is_true(json_object_get(in, "invert"))));
}

static void case_component(const json_t *test, const json_t *in)
{
    const char *key = json_string_value(json_object_get(in, "component"));
    double values[SCORES_MAX];
    if (strcmp(key, "income_equity") == 0) {
        const json_t *access = json_object_get(in, "low_mid_high");
        size_t n = json_array_size(access);
        assert_true(n < SCORES_MAX);
        for (size_t i = 0; i < n; i++) values[i] = json_number_value(json_array_get(access, i));
        expect_close(test, ucid_equality((int64_t)n, values));
        return;
    }
    const ucid_component *component = ucid_component_get(json_string_value(json_object_get(in, "context")), key);
    assert_non_null(component);
    const json_t *value = json_object_get(in, component->input);
    assert_non_null(value);
    values[0] = json_number_value(value);
    ucid_component_scores(component, 1, values, values);
    expect_close(test, values[0]);
}

static int is_one_of(const char *op, const char *const *ops)
{
    for (; *ops != NULL; ops++) {
        if (strcmp(op, *ops) == 0) return 1;
    }
    return 0;
}

static void every_case_holds(void **state)
{
    (void)state;
    static const char *const times[] = {
        "weeks_in_year", "key_from_datetime", "key_monday", "key_ordinal", "add_hours",          "add_weeks",
        "diff_hours",    "compare_temporal",  "time_range", "in_range",    "parse_temporal_key", "to_utc",
        "from_utc",      "freshness",         NULL};
    FILE *file = fopen(SOURCE_DIR "/tests/conformance.jsonl", "r");
    assert_non_null(file);
    static char line[65536];
    while (fgets(line, sizeof line, file) != NULL) {
        json_t *test = json_loads(line, JSON_ALLOW_NUL, NULL);
        assert_non_null(test);
        const char *op = json_string_value(json_object_get(test, "op"));
        const json_t *in = json_object_get(test, "in");
        ran++;
        if (strcmp(op, "create") == 0)
            case_create(test, in);
        else if (strcmp(op, "parse") == 0)
            case_parse(test, in);
        else if (strcmp(op, "canonicalize") == 0)
            case_canonicalize(test, in);
        else if (strcmp(op, "validate") == 0)
            case_validate(test, in);
        else if (strcmp(op, "compare") == 0)
            case_compare(test, in);
        else if (strcmp(op, "pack") == 0)
            case_pack(test, in);
        else if (strcmp(op, "unpack") == 0)
            case_unpack(test, in);
        else if (strcmp(op, "grid") == 0)
            case_grid(test, in);
        else if (is_one_of(op, times))
            case_time(test, op, in);
        else if (strcmp(op, "grade") == 0)
            case_grade(test, in);
        else if (strcmp(op, "score_15min") == 0)
            case_score_15min(test, in);
        else if (strcmp(op, "aggregate") == 0)
            case_aggregate(test, in);
        else if (strcmp(op, "normalize") == 0)
            case_normalize(test, in);
        else if (strcmp(op, "component") == 0)
            case_component(test, in);
        else
            complain(test, "an op that no test knows");
        json_decref(test);
    }
    fclose(file);
    print_message("%d cases\n", ran);
    assert_int_equal(ran, 605);
    assert_int_equal(failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_case_holds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
