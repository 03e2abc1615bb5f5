/* text_avx2.c: four rows of texts at once, made and read, and their binary form (x86-64 with AVX2). */
#include "id/lanes_avx2.h"

#include "id/text_lanes.h"
#include "id/text_rows_lanes.h"

#include "id/binary_lanes.h"

void ucid_pieces_avx2(int n, const double *lat_deg, const double *lon_deg, const uint64_t *cells, const uint8_t *grade,
                      const double *confidence, ucid_pieces *out)
{
    pieces(n, lat_deg, lon_deg, cells, grade, confidence, out);
}

void ucid_rows_avx2(int n, const char *const *at, const char *const *stop, ucid_rows *rows)
{
    rows_of_block(n, at, stop, rows);
}

int ucid_rows_pack_avx2(int n, const ucid_field_columns *in, int64_t first, int64_t context_stop, uint8_t *binary,
                        uint8_t *status)
{
    return pack_rows(n, in, first, context_stop, binary, status);
}

int ucid_rows_unpack_avx2(int n, const uint8_t *binary, const ucid_field_columns *out, int64_t first, uint8_t *contexts,
                          uint8_t *flags, uint8_t *status)
{
    return unpack_rows(n, binary, out, first, contexts, flags, status);
}
