/* cell_avx512.c: cells of eight coordinates at once (x86-64 with AVX-512 F, DQ and VL). */
#include "id/lanes_avx512.h"

#include "id/cell_lanes.h"

#include "id/cell_box_lanes.h"

void ucid_cells_at_avx512(int64_t n, const double *lat_deg, const double *lon_deg, int resolution, uint64_t *cells)
{
    cells_at(n, lat_deg, lon_deg, resolution, cells);
}

void ucid_cells_meet_avx512(int64_t n, const uint64_t *cells, const double *lat_deg, const double *lon_deg,
                            int resolution, double half_deg, uint8_t *answers)
{
    cells_meet(n, cells, lat_deg, lon_deg, resolution, half_deg, answers);
}
