/* Footers of Parquet files: any bytes give an error, or spans inside their files and a footer that is one again, of the
 * same bytes. */
#include "ucid.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds) abort();
}

enum { LENGTH = 1 << 20 }; /* of the file that the footer is of */

static uint64_t check_spans(const ucid_parquet_file *file, uint64_t length)
{
    uint64_t total = 0;
    for (size_t i = 0; i < file->span_count; i++) {
        const ucid_parquet_span *span = &file->spans[i];
        require(span->offset >= 4 && span->offset <= length && span->length <= length - span->offset);
        total += span->length;
    }
    require(file->footer_length > 8 && memcmp(file->footer + file->footer_length - 4, "PAR1", 4) == 0);
    return total;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    static const char *const names[] = {"id", "text", "list"};
    int some = data[0] & 1, twice = data[0] >> 1 & 1, groups = data[1];
    ucid_parquet_part part = {data + 2, size - 2, LENGTH, 0, groups, some ? names : NULL, some ? 3 : 0};
    const ucid_parquet_part parts[2] = {part, part};
    ucid_parquet_file file, again;
    ucid_error error;
    ucid_status status = ucid_parquet_beside(parts, twice ? 2 : 1, NULL, NULL, 0, NULL, &file, &error);
    if (status != UCID_OK) {
        require(error.status == status && file.spans == NULL && file.footer == NULL);
        return 0;
    }
    uint64_t total = check_spans(&file, LENGTH);
    ucid_parquet_part made = {file.footer, file.footer_length - 8, 4 + total, 0, groups, NULL, 0};
    require(ucid_parquet_beside(&made, 1, NULL, NULL, 0, NULL, &again, &error) == UCID_OK);
    require(check_spans(&again, made.file_length) == total);
    require(again.footer_length == file.footer_length && memcmp(again.footer, file.footer, file.footer_length) == 0);
    ucid_parquet_file_reset(&again);
    ucid_parquet_file_reset(&file);
    return 0;
}
