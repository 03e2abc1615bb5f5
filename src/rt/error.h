/* error.h: filling a caller's ucid_error. */
#ifndef UCID_RT_ERROR_H
#define UCID_RT_ERROR_H

#include "ucid.h"

/* Set status, row, byte and message (printf format, one line) of *error, where error is not NULL; return status.
 * row and byte are -1 where they do not apply. A message longer than the field is cut at a UTF-8 boundary. */
ucid_status ucid_fail_at(ucid_error *error, ucid_status status, int64_t row, int32_t byte, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
#define ucid_fail(error, status, ...) ucid_fail_at((error), (status), -1, -1, __VA_ARGS__)

/* NO_MEMORY, naming what the memory was for. */
ucid_status ucid_fail_memory(ucid_error *error, const char *what, size_t bytes);

#endif
