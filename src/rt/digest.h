/* digest.h: sha256 for provenance; XXH3-64 (third_party/xxhash) for the checksums inside an index. */
#ifndef UCID_RT_DIGEST_H
#define UCID_RT_DIGEST_H

#include <stddef.h>
#include <stdint.h>

typedef struct ucid_sha256 {
    uint32_t state[8];
    uint64_t length;
    uint8_t block[64];
} ucid_sha256;

/* FIPS 180-4. */
void ucid_sha256_init(ucid_sha256 *digest);
void ucid_sha256_update(ucid_sha256 *digest, const void *bytes, size_t length);
void ucid_sha256_finish(ucid_sha256 *digest, uint8_t out[32]);
void ucid_sha256_hex(const uint8_t digest[32], char out[65]);

uint64_t ucid_xxh3(const void *bytes, size_t length);

#endif
