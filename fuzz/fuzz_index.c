/* fuzz_index.c: bytes that claim to be an index. Checksums and lengths are mended first, so that the bytes get past the
 * front of the file; then every door that takes an index is tried. What it answers does not matter, only that it stays
 * inside the bytes; what passes the full check must also score without surprise. */
#include "index/index.h"
#include "rt/digest.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PLACES = 24 };

static void mend(uint8_t *bytes, size_t size)
{
    size_t table = (UCIDX_KIND_END - 1) * sizeof(ucidx_section);
    if (size < sizeof(ucidx_header) + table) return;
    ucidx_header header;
    memcpy(&header, bytes, sizeof header);
    memcpy(header.magic, UCIDX_MAGIC, sizeof header.magic);
    header.format = UCIDX_FORMAT;
    header.section_count = UCIDX_KIND_END - 1;
    header.byte_length = size;
    for (uint32_t i = 0; i < header.section_count; i++) {
        ucidx_section section;
        uint8_t *at = bytes + sizeof header + i * sizeof section;
        memcpy(&section, at, sizeof section);
        if (section.offset > size || section.byte_length > size - section.offset) continue;
        section.checksum = ucid_xxh3(bytes + section.offset, section.byte_length);
        memcpy(at, &section, sizeof section);
    }
    header.table_checksum = ucid_xxh3(bytes + sizeof header, table);
    ucid_sha256 digest;
    ucid_sha256_init(&digest);
    ucid_sha256_update(&digest, bytes + sizeof header, table);
    ucid_sha256_finish(&digest, header.id);
    memcpy(bytes, &header, sizeof header);
}

static void use(const ucid_index *index)
{
    ucid_index_info info;
    ucid_index_info_get(index, &info);
    double lat[PLACES], lon[PLACES], score[PLACES], confidence[PLACES], snap_m[PLACES];
    uint8_t status[PLACES], grade[PLACES];
    for (int i = 0; i < PLACES; i++) {
        double t = (i + 0.5) / PLACES;
        lat[i] = info.min_lat_deg - 0.001 + t * (info.max_lat_deg - info.min_lat_deg + 0.002);
        double u = (double)(i * 7 % PLACES) / PLACES;
        lon[i] = info.min_lon_deg - 0.001 + u * (info.max_lon_deg - info.min_lon_deg + 0.002);
    }
    ucid_scores out = {.score = score, .confidence = confidence, .grade = grade, .status = status, .snap_m = snap_m};
    ucid_error error;
    ucid_score(index, PLACES, lat, lon, NULL, NULL, &out, &error);
    for (int i = 0; i < PLACES; i += 5) {
        ucid_explanation *explanation = NULL;
        if (ucid_explain(index, lat[i], lon[i], NULL, &explanation, &error) == UCID_OK) {
            const ucid_reason *reasons;
            size_t length = 0;
            for (int64_t r = 0, n = ucid_explanation_reasons_get(explanation, &reasons); r < n; r++) {
                length += strlen(reasons[r].name) + strlen(reasons[r].tag);
            }
            if (length > index->length * (size_t)1024 * 1024) abort();
            ucid_explanation_free(explanation);
        }
    }
    double line_lat[8], line_lon[8];
    int rank;
    for (uint64_t e = 0; e < 16; e++) ucid_index_street_get(index, e, 8, line_lat, line_lon, &rank);
    if (strlen(info.json) >= index->length) abort();
    if (ucid_index_check(index, &error) != UCID_OK) return;
    for (int i = 0; i < PLACES; i++) {
        if (status[i] == UCID_OK && !(score[i] >= 0.0 && score[i] <= 100.0)) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < sizeof(ucidx_header) || size > (1u << 20)) return 0;
    /* the bytes end where the memory ends, so that a sanitizer sees one read too many */
    void *aligned = NULL;
    if (posix_memalign(&aligned, UCIDX_ALIGN, size) != 0) return 0;
    uint8_t *bytes = aligned;
    memcpy(bytes, data, size);
    mend(bytes, size);
    ucid_index *index = NULL;
    ucid_error error;
    if (ucid_index_open_memory(bytes, size, NULL, &index, &error) == UCID_OK) use(index);
    ucid_index_close(index);
    free(bytes);
    return 0;
}
