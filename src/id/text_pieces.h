/* text_pieces.h: the pieces of texts that differ from row to row in a column, a block of rows at a time, and the
 * variants that make them. A row's text is
 *
 *     UCID-V1:IST: +41.015: +28.979 :9: 891ec90243bffff: 2026W01T12:15MIN: A:0.95:
 *                  lat      lon         cell                               end
 *
 * Each piece is a word with its first byte lowest, stored whole, where the next piece overwrites what is too much. */
#ifndef UCID_ID_TEXT_PIECES_H
#define UCID_ID_TEXT_PIECES_H

#include "id/binary_rows.h"
#include "id/text_rows.h"
#include "ucid.h"

#define UCID_PIECES_BLOCK 128

typedef struct ucid_pieces {
    uint64_t lat[UCID_PIECES_BLOCK], lon[UCID_PIECES_BLOCK], end[UCID_PIECES_BLOCK];
    uint64_t lengths[UCID_PIECES_BLOCK]; /* bytes of lat, of lon << 8, of end << 16; 0: not made, ask grammar.h */
    char cell[UCID_PIECES_BLOCK][16];
} ucid_pieces;

/* Pieces of n <= UCID_PIECES_BLOCK rows. grade and confidence may be NULL: F and 0. Rows are not made where a value is
 * out of range, and, by vectors, where a value is close to the middle between two printed ones. */
typedef void ucid_pieces_fn(int n, const double *lat_deg, const double *lon_deg, const uint64_t *cells,
                            const uint8_t *grade, const double *confidence, ucid_pieces *pieces);

typedef struct ucid_text_variant {
    const char *name;
    ucid_pieces_fn *run;     /* NULL: row by row, without pieces */
    ucid_rows_fn *read;      /* text_rows.h; NULL: row by row */
    ucid_rows_pack_fn *pack; /* binary_rows.h; NULL: row by row */
    ucid_rows_unpack_fn *unpack;
    int works_here; /* the processor has what it needs */
} ucid_text_variant;

/* Variants from "scalar", which works everywhere, to the fastest. 0 past the end. */
int ucid_text_variant_get(int position, ucid_text_variant *variant);
/* The fastest that works here. */
ucid_text_variant ucid_text_variant_best(void);

ucid_pieces_fn ucid_pieces_avx2, ucid_pieces_avx512;

#endif
