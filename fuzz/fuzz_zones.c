/* fuzz_zones.c: bytes that claim to be compiled zones. Magic, length and checksum are mended first, so that they get
 * past the front of the file; what opens must answer within its own numbers, and the same twice. */
#include "kernel/zones.h"
#include "rt/digest.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PLACES = 48, MOST = 1 << 16 };

static void require(int holds)
{
    if (!holds) abort();
}

static void mend(uint8_t *bytes, size_t size)
{
    zones_header head;
    if (size < sizeof head) return;
    memcpy(&head, bytes, sizeof head);
    memcpy(head.magic, ZONES_MAGIC, sizeof head.magic);
    head.format = 1;
    head.byte_length = size;
    head.checksum = ucid_xxh3(bytes + sizeof head, size - sizeof head);
    memcpy(bytes, &head, sizeof head);
}

/* Cells at some of the places: zones ascending, areas that are numbers; one thread and two say the
 * same, of whole zones too. */
static void measure(const ucid_zones *zones, const double *lat, const double *lon)
{
    enum { CELLS = 6, ROOM = 256 };
    static double area_m2[2][ROOM], whole_m2[2][ROOM];
    static int32_t zone[2][ROOM];
    uint64_t cells[CELLS];
    int64_t offsets[2][CELLS + 1], count = ucid_zones_count(zones);
    double cell_m2[CELLS];
    ucid_error error;
    for (int i = 0; i < CELLS; i++)
        cells[i] = ucid_cell_at(lat[7 * i + 3], lon[7 * i + 3], i % 3 == 2 ? 15 : 6 + 3 * (i % 3));
    for (int k = 0; k < 2; k++) {
        require(ucid_zones_overlaps(zones, CELLS, cells, NULL, k + 1, offsets[k], zone[k], area_m2[k], ROOM, cell_m2,
                                    NULL, &error) == UCID_OK);
        if (count <= ROOM) require(ucid_zones_areas(zones, k + 1, whole_m2[k], &error) == UCID_OK);
    }
    require(memcmp(offsets[0], offsets[1], sizeof offsets[0]) == 0);
    for (int i = 0; i < CELLS && offsets[0][CELLS] <= ROOM; i++) {
        for (int64_t at = offsets[0][i]; at < offsets[0][i + 1]; at++) {
            require(zone[0][at] >= 0 && zone[0][at] < count && (at == offsets[0][i] || zone[0][at - 1] < zone[0][at]));
            require(zone[0][at] == zone[1][at] && memcmp(&area_m2[0][at], &area_m2[1][at], sizeof(double)) == 0);
            require(area_m2[0][at] - area_m2[0][at] == 0.0 && cell_m2[i] > 0);
        }
    }
    if (count <= ROOM) require(memcmp(whole_m2[0], whole_m2[1], (size_t)count * sizeof(double)) == 0);
}

/* Places all over the grid, and one step beyond each side. */
static void use(const ucid_zones *zones)
{
    double lat[PLACES], lon[PLACES], dist_m[PLACES];
    double width = (double)zones->cols, height = (double)zones->rows;
    for (int i = 0; i < PLACES; i++) {
        double u = (i * 29 % PLACES) / (PLACES - 4.0), v = (double)i / (PLACES - 4.0);
        double x = (zones->first_col - 0.5 + u * (width + 1)) * (double)(1u << zones->shift);
        double y = (zones->first_row - 0.5 + v * (height + 1)) * (double)(1u << zones->shift);
        lon[i] = x / 1e7 - 180;
        lat[i] = y / 1e7 - 90;
    }
    int32_t first[PLACES], nearest[PLACES], some[64];
    int64_t offsets[PLACES + 1];
    uint8_t status[PLACES];
    ucid_error error;
    int64_t count = ucid_zones_count(zones);
    require(ucid_zones_within(zones, PLACES, lat, lon, NULL, 1, first, status, &error) == UCID_OK);
    require(ucid_zones_within_all(zones, PLACES, lat, lon, NULL, 1, offsets, some, 64, status, &error) == UCID_OK);
    for (int i = 0; i < PLACES; i++) {
        require(first[i] >= -1 && first[i] < count);
        require((first[i] < 0) == (offsets[i] == offsets[i + 1]));
        if (first[i] >= 0 && offsets[PLACES] <= 64) require(some[offsets[i]] == first[i]);
    }
    require(ucid_zones_nearest(zones, 4, lat, lon, NULL, 1000.0, 1, nearest, dist_m, status, &error) == UCID_OK);
    for (int i = 0; i < 4; i++) require(nearest[i] >= -1 && nearest[i] < count);
    measure(zones, lat, lon);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char path[] = "/tmp/fuzz_zones.XXXXXX";
    static int file = -1;
    static uint8_t bytes[MOST];
    if (file < 0) {
        file = mkstemp(path);
        require(file >= 0);
    }
    if (size > MOST) return 0;
    memcpy(bytes, data, size);
    mend(bytes, size);
    require(ftruncate(file, 0) == 0 && pwrite(file, bytes, size, 0) == (ssize_t)size);
    ucid_zones *zones = NULL;
    ucid_error error;
    if (ucid_zones_open(path, NULL, &zones, &error) == UCID_OK) use(zones);
    ucid_zones_close(zones);
    return 0;
}
