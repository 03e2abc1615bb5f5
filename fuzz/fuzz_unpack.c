/* The binary form: bytes that unpack give an identifier that packs again, to bytes that give the same one. The bytes as
 * a text: what packs, unpacks to its canonical text. */
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ucid_fields fields, read;
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
