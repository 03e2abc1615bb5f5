/* column.h: what column*.c share: rows of columns of texts, room for them, statuses of a block of rows. */
#ifndef UCID_ID_COLUMN_H
#define UCID_ID_COLUMN_H

#include "id/decimal.h"
#include "id/texts.h"
#include "rt/error.h"
#include "ucid.h"

#include <math.h>
#include <string.h>

static inline int is_constant(const ucid_texts *texts) { return texts->offsets == NULL && texts->offsets64 == NULL; }

static inline size_t total_bytes(int64_t n, const ucid_texts *texts)
{
    if (n == 0) return 0;
    if (texts->offsets != NULL) return (size_t)(texts->offsets[n] - texts->offsets[0]);
    if (texts->offsets64 != NULL) return (size_t)(texts->offsets64[n] - texts->offsets64[0]);
    return (size_t)n * texts->length;
}

static inline void end_row(const ucid_texts_out *out, int64_t i, size_t end)
{
    if (out->offsets != NULL) {
        out->offsets[i + 1] = (int32_t)end;
    } else {
        out->offsets64[i + 1] = (int64_t)end;
    }
}

static inline ucid_status check_room(const ucid_texts_out *out, size_t needed, ucid_error *error)
{
    if (out->capacity < needed) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "room for %zu bytes of text, but %zu may be needed",
                         out->capacity, needed);
    }
    if (out->offsets == NULL && out->offsets64 == NULL) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "a column of texts without offsets");
    }
    if (out->offsets != NULL && needed > INT32_MAX) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "%zu bytes of text are too many for 32-bit offsets", needed);
    }
    end_row(out, -1, 0);
    return UCID_OK;
}

/* Statuses of a block into the caller's arrays. Blocks start at multiples of 8, so at whole bytes. */
static inline void put_statuses(int64_t first, int count, const uint8_t *block, uint8_t *validity, uint8_t *status)
{
    if (status != NULL) memcpy(status + first, block, (size_t)count);
    if (validity == NULL) return;
    for (int i = 0; i < count; i += 8) {
        unsigned bits = 0;
        for (int j = 0; j < 8 && i + j < count; j++) bits |= (unsigned)(block[i + j] == UCID_OK) << j;
        validity[(first + i) >> 3] = (uint8_t)bits;
    }
}

static inline double rounded_deg(double deg) { return copysign(ucid_decimal_round(deg, 1000) / 1000.0, deg); }

#endif
