/* test_csv.c: rows and fields of CSV beside a reader that goes byte by byte; what is refused. fuzz_csv compares values.
 */
#include "ucid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { COLUMNS = 3, BYTES_MOST = 700 };

/* Where each field of the first row ends, and the bytes of the row; 0: it does not end. */
static size_t row_plainly(const char *bytes, size_t length, size_t *ends, int *count)
{
    int quoted = 0, begins = 1;
    *count = 0;
    for (size_t at = 0; at < length; at++) {
        char c = bytes[at];
        if (quoted && c == '"' && at + 1 == length) return 0; /* one more may follow */
        if (quoted && c == '"' && bytes[at + 1] == '"') {
            at++;
        } else if (quoted) {
            quoted = c != '"';
        } else if (begins && c == '"') {
            quoted = 1;
        } else if (c == ',' || c == '\n') {
            if (*count < COLUMNS + 9) ends[(*count)++] = at;
            if (c == '\n') return at + 1;
            begins = 1;
            continue;
        }
        begins = 0;
    }
    return 0;
}

static uint32_t next_random(uint32_t *seed) { return *seed = *seed * 1664525u + 1013904223u; }

static size_t make_rows(char *bytes, uint32_t *seed, int odd)
{
    static const char *const fields[] = {"",          "7",      "text that is long enough to fill some words",
                                         "\"a,b\"",   "\"\n\"", "\"\"\"\"",
                                         "\"\r\n,\"", "\"q\"t", "5\" pipe",
                                         "a\""};
    size_t length = 0;
    while (length < BYTES_MOST - 200) {
        for (int c = 0; c < COLUMNS; c++) {
            const char *field = fields[next_random(seed) % 16 * 10 / 16 % (odd ? 10 : 7)];
            length += (size_t)sprintf(bytes + length, "%s%s", c > 0 ? "," : "", field);
        }
        length += (size_t)sprintf(bytes + length, "%s", next_random(seed) % 8 < 5 ? "\n" : "\r\n");
    }
    return length;
}

static void rows_and_fields_are_those_of_a_plain_reader(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (int round = 0; round < 2000; round++) {
        char bytes[BYTES_MOST];
        size_t length = make_rows(bytes, &seed, round % 2), whole = 0, ends[COLUMNS + 9];
        length -= next_random(&seed) % 9; /* the last row may not be whole */
        int32_t columns[] = {0, 2};
        ucid_csv_field fields[2 * (BYTES_MOST / COLUMNS + 1)];
        int64_t rows = 0, found = -1;
        int count;
        ucid_error error;
        size_t expected = 0;
        for (size_t next; (next = row_plainly(bytes + expected, length - expected, ends, &count)) != 0;
             expected += next) {
            assert_int_equal(ucid_csv_row(bytes + expected, length - expected), next);
        }
        whole = ucid_csv_rows(bytes, length);
        assert_int_equal(whole, expected);
        assert_int_equal(ucid_csv_row(bytes + whole, length - whole), 0);
        int64_t capacity = (int64_t)(whole / COLUMNS) + 1;
        assert_int_equal(ucid_csv_fields(bytes, whole, COLUMNS, columns, 2, capacity, fields, &found, &error), UCID_OK);
        for (size_t at = 0, next; (next = row_plainly(bytes + at, whole - at, ends, &count)) != 0; at += next, rows++) {
            assert_int_equal(count, COLUMNS);
            size_t last = ends[2] > ends[1] + 1 && bytes[at + ends[2] - 1] == '\r' ? ends[2] - 1 : ends[2];
            assert_int_equal(fields[2 * rows].start, at);
            assert_int_equal(fields[2 * rows].length, ends[0]);
            assert_int_equal(fields[2 * rows + 1].start, at + ends[1] + 1);
            assert_int_equal(fields[2 * rows + 1].length, last - ends[1] - 1);
        }
        assert_int_equal(found, rows);
        assert_int_equal(ucid_csv_fields(bytes, whole, COLUMNS, NULL, 0, capacity, NULL, &found, &error), UCID_OK);
        assert_int_equal(found, rows);
    }
}

static void a_row_of_other_columns_ends_the_fields(void **state)
{
    (void)state;
    const char text[] = "a,b\n\nc,d\ne\nf,g\n";
    int32_t columns[] = {1};
    ucid_csv_field fields[9];
    int64_t rows = -1;
    ucid_error error;
    assert_int_equal(ucid_csv_fields(text, strlen(text), 2, columns, 1, 9, fields, &rows, &error), UCID_DATA_ERROR);
    assert_true(rows == 2 && error.row == 2 && fields[1].start == 7 && fields[1].length == 1);
    assert_string_equal(error.message, "has 1 columns, the header 2");
    assert_int_equal(ucid_csv_fields("a,b,c", 5, 2, columns, 1, 9, fields, &rows, &error), UCID_DATA_ERROR);
    assert_int_equal(ucid_csv_fields("a,b", 3, 2, columns, 1, 9, fields, &rows, &error), UCID_OK);
    assert_true(rows == 1 && fields[0].start == 2 && fields[0].length == 1);
    assert_int_equal(ucid_csv_fields("", 0, 2, columns, 1, 1, fields, &rows, &error), UCID_OK);
    assert_int_equal(rows, 0);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    const int32_t twice[] = {1, 1}, beyond[] = {2}, before[] = {-1};
    ucid_csv_field fields[9];
    int64_t rows;
    ucid_error error;
    assert_int_equal(ucid_csv_fields("a,b\n", 4, 2, twice, 2, 9, fields, &rows, &error), UCID_INVALID_ARGUMENT);
    assert_int_equal(ucid_csv_fields("a,b\n", 4, 2, beyond, 1, 9, fields, &rows, &error), UCID_INVALID_ARGUMENT);
    assert_int_equal(ucid_csv_fields("a,b\n", 4, 2, before, 1, 9, fields, &rows, &error), UCID_INVALID_ARGUMENT);
    assert_int_equal(ucid_csv_fields("a,b\n", 4, 2, twice, 1, 2, fields, &rows, &error), UCID_INVALID_ARGUMENT);
    assert_int_equal(ucid_csv_fields("a,b\n", 4, 0, twice, 1, 9, fields, &rows, &error), UCID_INVALID_ARGUMENT);
    assert_int_equal(ucid_csv_fields("", (size_t)UINT32_MAX + 1, 1, twice, 0, INT64_MAX, fields, &rows, &error),
                     UCID_INVALID_ARGUMENT);
}

static void a_field_says_what_stands_between_its_quotes(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"", ""},     {"a\"b", "a\"b"},   {"\"\"", ""},         {"\"a\"\"b\"", "a\"b"}, {"\"a\"b", "ab"},
        {"\"a", "a"}, {"\"\"\"\"", "\""}, {"\"a\n,\"", "a\n,"}, {"\"a\"\"", "a\""}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char text[16];
        size_t length = ucid_csv_text(pairs[i][0], strlen(pairs[i][0]), text);
        assert_int_equal(length, strlen(pairs[i][1]));
        assert_memory_equal(text, pairs[i][1], length);
    }
}

static void a_plain_number_is_what_strtod_says(void **state)
{
    (void)state;
    static const char *const numbers[] = {"0",
                                          "-0",
                                          "7",
                                          "+7",
                                          "1.",
                                          ".5",
                                          "-.5",
                                          "0.1",
                                          "40.026793",
                                          "123456789.25",
                                          "9007199254740992",
                                          "0.000000000000000001",
                                          "00012.50"};
    static const char *const others[] = {"",
                                         "-",
                                         "+",
                                         ".",
                                         "-.",
                                         "1e3",
                                         " 1",
                                         "1 ",
                                         "1.2.3",
                                         "--1",
                                         "inf",
                                         "nan",
                                         "0x1",
                                         "9007199254740993",
                                         "12345678901234567890",
                                         "\"1\"",
                                         "1_0"};
    double value = 0;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        double expected = strtod(numbers[i], NULL);
        assert_int_equal(ucid_csv_number(numbers[i], strlen(numbers[i]), &value), 1);
        assert_memory_equal(&value, &expected, sizeof value);
    }
    uint32_t seed = 7;
    for (int round = 0; round < 100000; round++) {
        char text[40];
        unsigned high = next_random(&seed), low = next_random(&seed);
        snprintf(text, sizeof text, "%s%u.%0*u", round % 2 ? "-" : "", high >> (next_random(&seed) >> 27),
                 (int)(low % 6) + 1, low % 10);
        double expected = strtod(text, NULL);
        assert_int_equal(ucid_csv_number(text, strlen(text), &value), 1);
        assert_memory_equal(&value, &expected, sizeof value);
    }
    value = 3;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_int_equal(ucid_csv_number(others[i], strlen(others[i]), &value), 0);
        assert_true(value >= 3 && value <= 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_and_fields_are_those_of_a_plain_reader),
        cmocka_unit_test(a_row_of_other_columns_ends_the_fields),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(a_field_says_what_stands_between_its_quotes),
        cmocka_unit_test(a_plain_number_is_what_strtod_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
