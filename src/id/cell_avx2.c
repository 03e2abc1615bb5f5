/* cell_avx2.c: cells of four coordinates at once (x86-64 with AVX2). */
#include "id/lanes_avx2.h"

#include "id/cell_lanes.h"

#include "id/cell_box_lanes.h"

void ucid_cells_at_avx2(int64_t n, const double *lat_deg, const double *lon_deg, int resolution, uint64_t *cells)
{
    cells_at(n, lat_deg, lon_deg, resolution, cells);
}

void ucid_cells_meet_avx2(int64_t n, const uint64_t *cells, const double *lat_deg, const double *lon_deg,
                          int resolution, double half_deg, uint8_t *answers)
{
    cells_meet(n, cells, lat_deg, lon_deg, resolution, half_deg, answers);
}
