/* cell.c: the parts of section 5 of ucid.h that need no geometry of our own: libh3 asked, its errors and radians turned
 * into ours, and the text of a cell. */
#include "id/cell.h"

#include <math.h>
#include <stdlib.h>

#include "id/cell_centre.h"
#include "id/cell_h3.h"
#include "rt/error.h"

int ucid_cell_is_valid(uint64_t cell) { return ucid_cell_bits_valid(cell); }

int ucid_cell_resolution(uint64_t cell) { return ucid_cell_bits_valid(cell) ? (int)(cell >> 52 & 15) : -1; }

void ucid_cell_format(uint64_t cell, char text[16])
{
    for (int i = 14; i >= 0; i--) {
        text[i] = "0123456789abcdef"[cell & 15];
        cell >>= 4;
    }
    text[15] = '\0';
}

uint64_t ucid_cell_parse(const char *text, size_t length)
{
    if (length != 15) return 0;
    uint64_t cell = 0;
    for (int i = 0; i < 15; i++) {
        unsigned digit = (unsigned)(unsigned char)text[i] - '0';
        unsigned letter = ((unsigned)(unsigned char)text[i] | 32u) - 'a';
        if (digit > 9) {
            if (letter > 5) return 0;
            digit = letter + 10;
        }
        cell = cell << 4 | digit;
    }
    return isValidCell(cell) ? cell : 0;
}

static ucid_status fail_cell(ucid_error *error, uint64_t cell)
{
    return ucid_fail(error, UCID_INVALID_H3, "%llx is not an H3 cell", (unsigned long long)cell);
}

static ucid_status check_resolution(int resolution, ucid_error *error)
{
    if (resolution >= 0 && resolution <= 15) return UCID_OK;
    return ucid_fail(error, UCID_INVALID_ARGUMENT, "resolution %d is not in 0..15", resolution);
}

/* lat and lon of libh3 in degrees. */
static void to_degrees(const LatLng *point, double *lat_deg, double *lon_deg)
{
    *lat_deg = radsToDegs(point->lat);
    *lon_deg = radsToDegs(point->lng);
}

ucid_status ucid_cell_boundary(uint64_t cell, double lat_deg[UCID_CELL_CORNERS_MAX],
                               double lon_deg[UCID_CELL_CORNERS_MAX], int *count, ucid_error *error)
{
    CellBoundary boundary;
    if (!isValidCell(cell) || cellToBoundary(cell, &boundary) != E_SUCCESS) return fail_cell(error, cell);
    for (int i = 0; i < boundary.numVerts; i++) to_degrees(&boundary.verts[i], &lat_deg[i], &lon_deg[i]);
    *count = boundary.numVerts;
    return UCID_OK;
}

uint64_t ucid_cell_parent(uint64_t cell, int resolution)
{
    H3Index parent = 0;
    return isValidCell(cell) && cellToParent(cell, resolution, &parent) == E_SUCCESS ? parent : 0;
}

ucid_status ucid_cells_parents(int64_t n, const uint64_t *cells, const uint8_t *validity, int resolution,
                               uint64_t *parents, uint8_t *status, ucid_error *error)
{
    ucid_status bad = check_resolution(resolution, error);
    if (bad != UCID_OK) return bad;
    for (int64_t i = 0; i < n; i++) {
        int valid = validity == NULL || (validity[i >> 3] >> (i & 7) & 1);
        parents[i] = valid ? ucid_cell_parent(cells[i], resolution) : 0;
        if (status != NULL)
            status[i] = (uint8_t)(!valid ? UCID_NULL_INPUT : parents[i] != 0 ? UCID_OK : UCID_INVALID_H3);
    }
    return UCID_OK;
}

int64_t ucid_cell_children_count(uint64_t cell, int resolution)
{
    int64_t count = 0;
    return isValidCell(cell) && cellToChildrenSize(cell, resolution, &count) == E_SUCCESS ? count : 0;
}

ucid_status ucid_cell_children(uint64_t cell, int resolution, uint64_t *children, ucid_error *error)
{
    if (!isValidCell(cell)) return fail_cell(error, cell);
    if (ucid_cell_children_count(cell, resolution) == 0) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "resolution %d is not in %d..15", resolution,
                         getResolution(cell));
    }
    return cellToChildren(cell, resolution, children) == E_SUCCESS ? UCID_OK : fail_cell(error, cell);
}

static int compare_cells(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

ucid_status ucid_cell_disk(uint64_t cell, int k, uint64_t *cells, int64_t *count, ucid_error *error)
{
    if (!isValidCell(cell)) return fail_cell(error, cell);
    if (k < 0 || k > 1000) return ucid_fail(error, UCID_INVALID_ARGUMENT, "k %d is not in 0..1000", k);
    int64_t size = 3 * (int64_t)k * (k + 1) + 1, used = 0;
    for (int64_t i = 0; i < size; i++) cells[i] = 0;
    if (gridDisk(cell, k, cells) != E_SUCCESS) return ucid_fail_memory(error, "a disk of cells", (size_t)size * 8);
    for (int64_t i = 0; i < size; i++) {
        if (cells[i] != 0) cells[used++] = cells[i];
    }
    qsort(cells, (size_t)used, sizeof *cells, compare_cells);
    *count = used;
    return UCID_OK;
}

double ucid_cell_area_m2(uint64_t cell)
{
    double area = 0;
    return isValidCell(cell) && cellAreaM2(cell, &area) == E_SUCCESS ? area : NAN;
}

double ucid_cell_edge_m(int resolution)
{
    double length = 0;
    return getHexagonEdgeLengthAvgM(resolution, &length) == E_SUCCESS ? length : NAN;
}
