/* Repair: what comes out is canonical, stays as it is, and is what the lenient reader prints; a text that needs no
 * repair is not changed by it but in form. */
#include "ucid.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An assertion in release builds too. */
static void require(int holds)
{
    if (!holds) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ucid_text text = {(const char *)data, size};
    char canonical[UCID_LENGTH_MAX + 1], again[UCID_LENGTH_MAX + 1];
    ucid_fields fields;
    ucid_error error;
    size_t length = 0;
    ucid_status status = ucid_canonicalize(text, canonical, &length, &error);
    ucid_status lenient = ucid_parse(text, UCID_LENIENT, NULL, &fields, NULL);
    require(status == UCID_OK || lenient != UCID_OK);
    if (lenient == UCID_OK) {
        ucid_format(&fields, again);
        require(strcmp(canonical, again) == 0);
    }

    int64_t offsets[2] = {0, (int64_t)size}, at[2];
    ucid_texts texts = {text.data, NULL, offsets, 0, NULL};
    size_t bound = ucid_texts_canonicalize_bound(1, &texts);
    char *room = malloc(bound);
    uint8_t row;
    ucid_texts_out out = {room, bound, NULL, at};
    require(ucid_texts_canonicalize(1, &texts, &out, NULL, &row, NULL) == UCID_OK && row == status);
    require(at[0] == 0 && at[1] == (int64_t)length && memcmp(room, canonical, length) == 0);
    free(room);

    if (status != UCID_OK) {
        require(error.byte >= 0 && (size_t)error.byte <= size);
        return 0;
    }
    ucid_text made = {canonical, length};
    require(strlen(canonical) == length && length <= UCID_LENGTH_MAX);
    require(ucid_canonicalize(made, again, NULL, NULL) == UCID_OK && strcmp(canonical, again) == 0);
    require(ucid_parse(made, UCID_LENIENT, NULL, &fields, NULL) == UCID_OK);
    ucid_format(&fields, again);
    require(strcmp(canonical, again) == 0);
    return 0;
}
