/* Streams of snappy: any rows are packed to the same bytes by every processor, within the bound, and a reader of the
 * format makes the rows of them again. */
#include "parquet/snappy.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds) abort();
}

/* As the description of the format has it, byte for byte. Returns the bytes read. */
static size_t unpack(const uint8_t *in, size_t length, uint8_t *out, size_t expected)
{
    size_t at = 0, made = 0, total = 0;
    for (int shift = 0;; shift += 7) {
        require(at < length && shift < 35);
        total |= (size_t)(in[at] & 127) << shift;
        if (in[at++] < 128) break;
    }
    require(total == expected);
    while (at < length) {
        uint8_t tag = in[at++];
        size_t count = (size_t)(tag >> 2) + 1, distance = 0;
        int bytes = (tag & 3) == 0 ? (tag >> 2 < 60 ? 0 : (tag >> 2) - 59) : (tag & 3) == 3 ? 4 : tag & 3;
        require(at + (size_t)bytes <= length);
        for (int i = 0; i < bytes; i++) distance |= (size_t)in[at++] << i * 8;
        if ((tag & 3) == 0) {
            if (bytes > 0) count = distance + 1;
            require(count <= length - at && count <= total - made);
            memcpy(out + made, in + at, count);
            at += count;
            made += count;
            continue;
        }
        if ((tag & 3) == 1) {
            count = (tag >> 2 & 7) + 4u;
            distance |= (size_t)(tag >> 5) << 8;
        }
        require(distance > 0 && distance <= made && count <= total - made);
        for (size_t i = 0; i < count; i++, made++) out[made] = out[made - distance];
    }
    require(made == total);
    return at;
}

/* The first byte says how rows are cut: 0: at line ends, else so many bytes each; the second how many of the bytes that
 * follow are the lead, and how often the rows are repeated. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    size_t width = data[0] & 127, lead = data[1] & 15, times = (data[1] >> 4) + 1u;
    data += 2;
    size -= 2;
    if (lead > size) lead = size;
    size_t once = size - lead, length = once * times, whole = lead + length;
    uint8_t *memory = calloc(whole + 2 * SNAPPY_SLACK, 1), *bytes = memory + SNAPPY_SLACK + lead;
    uint8_t *packed = malloc(snappy_bound(whole) + SNAPPY_SLACK), *again = malloc(snappy_bound(whole) + SNAPPY_SLACK);
    uint8_t *made = malloc(whole + 1);
    uint32_t *ends = malloc((length + 1) * sizeof *ends), count = 0;
    snappy_memory *tools = malloc(sizeof *tools);
    require(memory != NULL && packed != NULL && again != NULL && made != NULL && ends != NULL && tools != NULL);
    memset(tools, 0xA5, sizeof *tools);
    tools->starts = malloc(snappy_words(length) * sizeof *tools->starts);
    require(tools->starts != NULL);
    if (lead > 0) memcpy(bytes - lead, data, lead);
    for (size_t i = 0; i < times && once > 0; i++) memcpy(bytes + i * once, data + lead, once);
    for (size_t i = 0, row = 0; i < length; i++) {
        row++;
        if (i + 1 < length && (width == 0 ? bytes[i] != '\n' : row < width)) continue;
        ends[count++] = (uint32_t)i + 1;
        row = 0;
    }
    const snappy_rows rows = {bytes - lead, bytes, lead, ends, count};
    size_t n = snappy_pack_usual(&rows, tools, packed);
    require(n <= snappy_bound(whole) && unpack(packed, n, made, whole) == n);
    require(whole == 0 || memcmp(made, bytes - lead, whole) == 0);
    static const char *const names[] = {"avx2", "avx512"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snappy_fn *other = snappy_pack_named(names[i]);
        if (other != NULL) require(other(&rows, tools, again) == n && memcmp(packed, again, n) == 0);
    }
    n = snappy_store(bytes - lead, whole, packed);
    require(n <= snappy_bound(whole) && unpack(packed, n, made, whole) == n);
    require(whole == 0 || memcmp(made, bytes - lead, whole) == 0);
    free(tools->starts);
    free(tools);
    free(ends);
    free(made);
    free(again);
    free(packed);
    free(memory);
    return 0;
}
