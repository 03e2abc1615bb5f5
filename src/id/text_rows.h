/* text_rows.h: texts of the usual shape taken apart for many rows at once, a block of a column at a time, and the
 * variants that do so. Like text_usual.c, whose shape and rules theirs are, they never decide that a text is bad. */
#ifndef UCID_ID_TEXT_ROWS_H
#define UCID_ID_TEXT_ROWS_H

#include "id/grammar.h"
#include "ucid.h"

enum {
    UCID_ROWS_BLOCK = 128,
    UCID_USUAL_SHORTEST = 58, /* bytes of a text of the usual shape; so many a reader may ask of any */
};

/* Fields of a block by the column. */
typedef struct ucid_rows {
    double lat_deg[UCID_ROWS_BLOCK], lon_deg[UCID_ROWS_BLOCK], confidence[UCID_ROWS_BLOCK];
    uint64_t cell[UCID_ROWS_BLOCK];
    uint64_t hour[UCID_ROWS_BLOCK]; /* number of the time key, as an int32_t */
    const char *context[UCID_ROWS_BLOCK];
    uint64_t rest[UCID_ROWS_BLOCK]; /* UCID_ROW_*; 0: not read, ask grammar.h */
} ucid_rows;

/* What lies where in rest. Bits 0 to 23 are the city's letters. */
enum {
    UCID_ROW_RESOLUTION = 24,     /* 4 bits */
    UCID_ROW_CONTEXT_LENGTH = 28, /* 5 bits */
    UCID_ROW_GRADE = 33,          /* 3 bits */
    UCID_ROW_READ = 36,           /* 1 bit: the text has the usual shape */
    UCID_ROW_SOUND = 37,          /* 1 bit: also, cell and resolution agree, and the week is in every year */
    UCID_ROW_CODE = 48,           /* the city's number */
};

/* Rows of n <= UCID_ROWS_BLOCK texts that start with UCID-V1: and, up to stop, where their flags begin, have at least
 * UCID_USUAL_SHORTEST bytes. at and stop have UCID_ROWS_BLOCK members; those up to the next multiple of 8 are used. */
typedef void ucid_rows_fn(int n, const char *const *at, const char *const *stop, ucid_rows *rows);

ucid_rows_fn ucid_rows_avx2, ucid_rows_avx512;

/* Where the flags of a text of at least UCID_USUAL_SHORTEST bytes begin, or some place at most UCID_FLAGS_FIT before
 * its end and not before its 58th byte; *bad is no longer 0 where one is no flag's. */
static inline const char *ucid_usual_stop(const char *text, size_t length, uint64_t *bad)
{
    const char *stop = text + length, *least = text + UCID_USUAL_SHORTEST;
    if (stop[-1] == ':') return stop;
    if (length > UCID_USUAL_SHORTEST + UCID_FLAGS_FIT) least = stop - UCID_FLAGS_FIT;
    for (; stop > least && stop[-1] != ':'; stop--) {
        *bad |= !is_upper(stop[-1]) && !is_digit(stop[-1]) && stop[-1] != ';';
    }
    return stop;
}

#endif
