/* text_avx2.c: four rows of texts at once, made and read (x86-64 with AVX2). */
#include "id/lanes_avx2.h"

#include "id/text_lanes.h"
#include "id/text_rows_lanes.h"

void ucid_pieces_avx2(int n, const double *lat_deg, const double *lon_deg, const uint64_t *cells, const uint8_t *grade,
                      const double *confidence, ucid_pieces *out)
{
    pieces(n, lat_deg, lon_deg, cells, grade, confidence, out);
}

void ucid_rows_avx2(int n, const char *const *at, const char *const *stop, ucid_rows *rows)
{
    rows_of_block(n, at, stop, rows);
}
