/* Cells: for any coordinate every variant of the kernel gives libh3's cell, and for any number the operations on cells
 * keep their promises; the cells of any box or triangle ascend, and their centres lie in it.
 *
 * Input: latitude, longitude (8 bytes each), a number that may be a cell (8), resolution (1), then three corners. */
#include "id/cell.h"
#include "id/cell_at.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An assertion in release builds too. */
static void require(int holds)
{
    if (!holds) abort();
}

static void check_place(double lat, double lon, int resolution)
{
    uint64_t expected = ucid_cell_by_libh3(lat, lon, resolution), cells[9];
    double lats[9], lons[9];
    require(ucid_cell_at(lat, lon, resolution) == expected);
    require((expected == 0) == !(fabs(lat) <= 90 && fabs(lon) <= 180));
    if (expected != 0) {
        require(ucid_cell_resolution(expected) == resolution);
        require(ucid_cell_meets_box(expected, lat, lon, UCID_CELL_PRINTED_HALF_DEG));
    }
    ucid_cells_variant variant;
    for (int k = 0; ucid_cells_variant_get(k, &variant); k++) {
        if (!variant.works_here) continue;
        for (int i = 0; i < 9; i++) lats[i] = lat, lons[i] = lon;
        lats[3] = lon, lons[3] = lat, lats[6] = -lat; /* lanes that differ */
        variant.run(9, lats, lons, resolution, cells);
        for (int i = 0; i < 9; i++) require(cells[i] == ucid_cell_by_libh3(lats[i], lons[i], resolution));
        if (variant.meet == NULL || expected == 0) continue;
        uint8_t answers[9];
        for (int i = 0; i < 9; i++) cells[i] = expected, lats[i] = lat * (1 - i * 1e-5), lons[i] = lon;
        variant.meet(9, cells, lats, lons, resolution, UCID_CELL_PRINTED_HALF_DEG, answers);
        for (int i = 0; i < 9; i++) {
            require(answers[i] == UCID_BOX_UNSURE ||
                    answers[i] == ucid_cell_meets_box(cells[i], lats[i], lons[i], UCID_CELL_PRINTED_HALF_DEG));
        }
    }
}

static void check_number(uint64_t number, int resolution)
{
    int own = ucid_cell_resolution(number), count = 0;
    double lat[UCID_CELL_CORNERS_MAX] = {0}, lon[UCID_CELL_CORNERS_MAX] = {0};
    uint64_t parent = ucid_cell_parent(number, resolution), disk[19];
    int64_t neighbours = 0;
    require(ucid_cell_is_valid(number) == (own >= 0));
    require((ucid_cell_centre(number, lat, lon, NULL) == UCID_OK) == (own >= 0));
    if (own < 0) {
        require(parent == 0 && ucid_cell_children_count(number, resolution) == 0);
        require(ucid_cell_boundary(number, lat, lon, &count, NULL) == UCID_INVALID_H3);
        require(ucid_cell_disk(number, 2, disk, &neighbours, NULL) == UCID_INVALID_H3);
        require(!ucid_cell_meets_box(number, 1, 1, 1));
        return;
    }
    char text[16];
    ucid_cell_format(number, text);
    require(ucid_cell_parse(text, 15) == number);
    require(ucid_cell_at(lat[0], lon[0], own) == number);
    require((parent != 0) == (resolution <= own));
    if (parent != 0) require(ucid_cell_at(lat[0], lon[0], resolution) == parent || own > resolution);
    require(ucid_cell_boundary(number, lat, lon, &count, NULL) == UCID_OK && count >= 5 &&
            count <= UCID_CELL_CORNERS_MAX);
    require(ucid_cell_disk(number, 2, disk, &neighbours, NULL) == UCID_OK && neighbours >= 16 && neighbours <= 19);
    for (int64_t i = 1; i < neighbours; i++) require(disk[i - 1] < disk[i]);
}

/* The first cells of a grid. */
static void check_grid(ucid_grid *grid, const double *box)
{
    uint64_t cells[2][64], last = 0;
    double lat[64], lon[64];
    for (int batch = 0; batch < 8; batch++) {
        int64_t count = ucid_grid_next(grid, 64, cells[0], lat, lon);
        for (int64_t i = 0; i < count; i++) {
            require(cells[0][i] > last && ucid_cell_is_valid(cells[0][i]));
            last = cells[0][i];
            if (box == NULL) continue;
            double at = lon[i] >= 180 ? lon[i] - 360 : lon[i], slack = 1e-6;
            require(lat[i] >= box[0] - slack && lat[i] <= box[2] + slack);
            int in = at >= box[1] - slack && at <= box[3] + slack,
                across = at >= box[1] - slack || at <= box[3] + slack;
            require(box[1] <= box[3] ? in : across);
        }
        if (count == 0) break;
    }
    ucid_grid_close(grid);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    double values[8] = {0};
    uint64_t number = 0;
    if (size < 25) return 0;
    memcpy(values, data, 16);
    memcpy(&number, data + 16, 8);
    int resolution = data[24] & 15;
    check_place(values[0], values[1], resolution);
    check_number(number, resolution);
    /* Rounded to a cell's number, so that more numbers are cells. */
    check_number((number & UINT64_C(0x00FFFFFFFFFFFFFF)) | UINT64_C(0x0800000000000000), resolution);

    if (size < 25 + 48) return 0;
    memcpy(values + 2, data + 25, 48);
    resolution %= 4; /* a thin area meets many cells, and holds the centre of none: keep executions short */
    ucid_grid *grid = NULL;
    if (ucid_grid_open_box(values[2], values[3], values[4], values[5], resolution, NULL, &grid, NULL) == UCID_OK) {
        check_grid(grid, values + 2);
    }
    const int64_t corners = 3;
    const double lat[3] = {values[2], values[4], values[6]}, lon[3] = {values[3], values[5], values[7]};
    if (ucid_grid_open_polygon(1, &corners, lat, lon, resolution, NULL, &grid, NULL) == UCID_OK) check_grid(grid, NULL);
    return 0;
}
