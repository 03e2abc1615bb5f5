/* The binary form: bytes that unpack give an identifier that packs again, to bytes that give the same one. The bytes as
 * a text: what packs, unpacks to its canonical text. The bytes as a column: as each row by itself. */
#include "ucid.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An assertion in release builds too. */
static void require(int holds)
{
    if (!holds) abort();
}

static void round_trip(const ucid_fields *fields)
{
    uint8_t binary[UCID_BINARY_SIZE], again[UCID_BINARY_SIZE];
    ucid_fields back;
    if (ucid_pack(fields, binary, NULL) != UCID_OK) return;
    require(ucid_unpack(binary, sizeof binary, &back, NULL) == UCID_OK);
    require(ucid_compare(fields, &back) == 0);
    require(ucid_pack(&back, again, NULL) == UCID_OK && memcmp(binary, again, sizeof binary) == 0);
}

enum { ROWS = 40 };

static void column(const uint8_t *data, int n)
{
    static char city[3 * ROWS], context[16 * ROWS + 16], flags[64 * ROWS];
    static double lat[ROWS], lon[ROWS], confidence[ROWS];
    static uint64_t cell[ROWS];
    static int32_t hour[ROWS], context_at[ROWS + 1], flags_at[ROWS + 1];
    static uint8_t resolution[ROWS], grade[ROWS], validity[ROWS / 8], status[ROWS], again[ROWS],
        binary[ROWS * UCID_BINARY_SIZE];
    ucid_field_columns fields = {.city = city,
                                 .lat_deg = lat,
                                 .lon_deg = lon,
                                 .resolution = resolution,
                                 .cell = cell,
                                 .hour = hour,
                                 .context = {context, sizeof context, context_at, NULL},
                                 .grade = grade,
                                 .confidence = confidence,
                                 .flags = {flags, sizeof flags, flags_at, NULL},
                                 .validity = validity,
                                 .status = status};
    require(ucid_columns_unpack(n, data, NULL, &fields, NULL) == UCID_OK);
    require(ucid_columns_pack(n, &fields, binary, NULL, again, NULL) == UCID_OK);
    for (int i = 0; i < n; i++) {
        ucid_fields one;
        uint8_t packed[UCID_BINARY_SIZE];
        ucid_status alone = ucid_unpack(data + i * UCID_BINARY_SIZE, UCID_BINARY_SIZE, &one, NULL);
        require(status[i] == alone && again[i] == (alone == UCID_OK ? UCID_OK : UCID_NULL_INPUT));
        if (alone != UCID_OK) continue;
        require(ucid_pack(&one, packed, NULL) == UCID_OK);
        require(memcmp(packed, binary + i * UCID_BINARY_SIZE, sizeof packed) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ucid_fields fields, read;
    column(data, (int)(size / UCID_BINARY_SIZE < ROWS ? size / UCID_BINARY_SIZE : ROWS));
    char text[UCID_LENGTH_MAX + 1];
    if (ucid_unpack(data, size, &fields, NULL) == UCID_OK) {
        ucid_text written = {text, ucid_format(&fields, text)};
        require(ucid_parse(written, UCID_LENIENT, NULL, &read, NULL) == UCID_OK);
        require(ucid_compare(&fields, &read) == 0);
        uint8_t binary[UCID_BINARY_SIZE];
        require(ucid_pack(&fields, binary, NULL) == UCID_OK);
        round_trip(&fields);
    }
    ucid_text given = {(const char *)data, size};
    if (ucid_parse(given, UCID_LENIENT, NULL, &fields, NULL) == UCID_OK) round_trip(&fields);
    return 0;
}
