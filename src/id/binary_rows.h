/* binary_rows.h: the 31-byte form of many rows at once, and what binary.c knows of it. The variants never decide that a
 * row is bad; what they leave, binary.c packs and unpacks. */
#ifndef UCID_ID_BINARY_ROWS_H
#define UCID_ID_BINARY_ROWS_H

#include "id/words.h"
#include "ucid.h"

/* Names of the contexts by their numbers, padded with NULs, and bytes of each, four bits a number. */
extern const char ucid_context_names[8][16];
#define UCID_CONTEXT_LENGTHS UINT64_C(0x64687754)
/* The number that a context can have, four bits for each value of the low bits of its third letter. */
#define UCID_CONTEXT_BY_THIRD UINT64_C(0x0016003007540020)

/* Of a context as a word of its eight bytes or fewer; -1 for another. */
static inline int ucid_context_number(uint64_t word)
{
    int number = (int)(UCID_CONTEXT_BY_THIRD >> (word >> 14 & 60) & 7);
    return load8(ucid_context_names[number]) == word ? number : -1;
}

/* The flags of bits, in order, at most 64 bytes; returns their length. */
size_t ucid_flag_bits_write(unsigned bits, char *flags, uint8_t *count);

enum { UCID_ROW_LEFT = 255 }; /* beside UCID_OK: a row that is not done */

/* Rows first, first + 1, ... of columns, from which eight bytes may be read at each city and, below context_stop, at
 * each context. n is a multiple of 8. Those with flags are not for it.
 * out   binary [31 n]; status [n]; 1 where one is left */
typedef int ucid_rows_pack_fn(int n, const ucid_field_columns *in, int64_t first, int64_t context_stop, uint8_t *binary,
                              uint8_t *status);
/* Columns of n records, a multiple of 8, but for texts.
 * out   context, flags [n]: number and bits, of rows that are OK; status [n]; 1 where one is left */
typedef int ucid_rows_unpack_fn(int n, const uint8_t *binary, const ucid_field_columns *out, int64_t first,
                                uint8_t *context, uint8_t *flags, uint8_t *status);

ucid_rows_pack_fn ucid_rows_pack_avx2, ucid_rows_pack_avx512;
ucid_rows_unpack_fn ucid_rows_unpack_avx2, ucid_rows_unpack_avx512;

#endif
