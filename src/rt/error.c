/* error.c: the list of statuses in ucid.h makes every table here. */
#include "rt/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *ucid_status_code(ucid_status status)
{
    switch (status) {
#define STATUS_CASE(name, number, exit_code, python_class, meaning)                                                    \
    case UCID_##name: return #name;
        UCID_STATUS_LIST(STATUS_CASE)
#undef STATUS_CASE
    }
    return "INTERNAL_ERROR";
}

const char *ucid_status_meaning(ucid_status status)
{
    switch (status) {
#define STATUS_CASE(name, number, exit_code, python_class, meaning)                                                    \
    case UCID_##name: return meaning;
        UCID_STATUS_LIST(STATUS_CASE)
#undef STATUS_CASE
    }
    return "a number that is no status";
}

int ucid_status_exit_code(ucid_status status)
{
    switch (status) {
#define STATUS_CASE(name, number, exit_code, python_class, meaning)                                                    \
    case UCID_##name: return exit_code;
        UCID_STATUS_LIST(STATUS_CASE)
#undef STATUS_CASE
    }
    return 5;
}

/* The lower-case names are a second spelling of the codes; a test compares the two. */
const char *ucid_status_name(ucid_status status)
{
    switch (status) {
    case UCID_OK: return "ok";
    case UCID_INTERNAL_ERROR: return "internal_error";
    case UCID_NO_MEMORY: return "no_memory";
    case UCID_INVALID_ARGUMENT: return "invalid_argument";
    case UCID_CANCELLED: return "cancelled";
    case UCID_PARSE_ERROR: return "parse_error";
    case UCID_INVALID_PREFIX: return "invalid_prefix";
    case UCID_UNSUPPORTED_VERSION: return "unsupported_version";
    case UCID_MALFORMED_STRING: return "malformed_string";
    case UCID_FIELD_FORMAT: return "field_format";
    case UCID_INVALID_CITY: return "invalid_city";
    case UCID_INVALID_H3: return "invalid_h3";
    case UCID_H3_MISMATCH: return "h3_mismatch";
    case UCID_INVALID_TIME: return "invalid_time";
    case UCID_INVALID_FIELD: return "invalid_field";
    case UCID_INVALID_STEP: return "invalid_step";
    case UCID_UNENCODABLE: return "unencodable";
    case UCID_CITY_NOT_FOUND: return "city_not_found";
    case UCID_REGISTRY_ERROR: return "registry_error";
    case UCID_CONTEXT_NOT_FOUND: return "context_not_found";
    case UCID_COMPUTATION_FAILED: return "computation_failed";
    case UCID_DATA_ERROR: return "data_error";
    case UCID_FILE_NOT_FOUND: return "file_not_found";
    case UCID_IO_ERROR: return "io_error";
    case UCID_UNSUPPORTED_FORMAT: return "unsupported_format";
    case UCID_INDEX_NOT_FOUND: return "index_not_found";
    case UCID_INDEX_FORMAT: return "index_format";
    case UCID_INDEX_CORRUPT: return "index_corrupt";
    case UCID_NULL_INPUT: return "null_input";
    case UCID_INVALID_COORDINATES: return "invalid_coordinates";
    case UCID_OUTSIDE_INDEX: return "outside_index";
    case UCID_OFF_NETWORK: return "off_network";
    case UCID_ISLAND: return "island";
    case UCID_NEAR_BOUNDARY: return "near_boundary";
    }
    return "internal_error";
}

const char *ucid_version(void) { return UCID_VERSION; }

ucid_status ucid_fail_at(ucid_error *error, ucid_status status, int64_t row, int32_t byte, const char *format, ...)
{
    if (error == NULL) return status;
    error->status = status;
    error->row = row;
    error->byte = byte;
    error->field = 0;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    if (length >= (int)sizeof error->message) { /* cut: drop a character that was cut in the middle */
        size_t end = sizeof error->message - 1;
        size_t start = end;
        while (start > 0 && (error->message[start - 1] & 0xC0) == 0x80) start--;
        if (start > 0 && (error->message[start - 1] & 0x80)) error->message[start - 1] = '\0';
    }
    for (char *c = error->message; *c; c++) {
        if (*c == '\n' || *c == '\r') *c = ' ';
    }
    return status;
}

ucid_status ucid_fail_memory(ucid_error *error, const char *what, size_t bytes)
{
    return ucid_fail(error, UCID_NO_MEMORY, "no memory for %s (%zu bytes)", what, bytes);
}
