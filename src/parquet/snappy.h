/* snappy.h: rows as a stream of snappy, by likenesses that are looked for at a few places alone.
 *
 *     [75]000UCID-V1:IST:+40.009:-39.967:9:891ac9cd803ffff:2026W01T12:15MIN:A+:0.94:
 *                        ^       ^         ^                                ^ */
#ifndef UCID_PARQUET_SNAPPY_H
#define UCID_PARQUET_SNAPPY_H

#include <stddef.h>
#include <stdint.h>

enum {
    SNAPPY_SLACK = 64,      /* bytes before and behind those given that may be read, and behind those made, written */
    SNAPPY_PLACES = 1 << 12 /* of a table */
};

/* Rows that lie one behind the other, and what stands before them as it is. */
typedef struct snappy_rows {
    const uint8_t *lead, *bytes;
    size_t lead_length;
    const uint32_t *ends; /* [count], of bytes */
    uint32_t count;
} snappy_rows;

/* Memory, of any content. */
typedef struct snappy_memory {
    uint32_t places[SNAPPY_PLACES];
    uint64_t *starts; /* [snappy_words of the bytes] */
} snappy_memory;

/* Returns the bytes made. out [snappy_bound of all bytes + SNAPPY_SLACK]. The same from every processor. */
typedef size_t snappy_fn(const snappy_rows *rows, const snappy_memory *memory, uint8_t *out);
snappy_fn snappy_pack_usual, snappy_pack_avx2, snappy_pack_avx512;

/* The fastest one here, or one by name ("avx512", "avx2", "usual"): NULL where it does not run. */
snappy_fn *snappy_pack_named(const char *name);

static inline size_t snappy_words(size_t length) { return length / 64 + 4; }
static inline size_t snappy_bound(size_t length) { return length + length / 64 + 32; }

/* Bytes as they are, as a stream. */
size_t snappy_store(const uint8_t *bytes, size_t length, uint8_t *out);

#endif
