/* snappy.c: the packer with what every processor has, and which one is taken. */
#include "parquet/snappy_write.h"

#if defined(__SSE2__)
#include <emmintrin.h>

static inline uint64_t alike_in(const uint8_t *a, const uint8_t *b)
{
    uint64_t bits = 0;
    for (int i = 0; i < 4; i++) {
        __m128i x = _mm_loadu_si128((const __m128i *)a + i), y = _mm_loadu_si128((const __m128i *)b + i);
        bits |= (uint64_t)(uint16_t)_mm_movemask_epi8(_mm_cmpeq_epi8(x, y)) << i * 16;
    }
    return bits;
}
#else
static inline uint64_t alike_in(const uint8_t *a, const uint8_t *b)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), low = ones * 127;
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++) {
        uint64_t word = word_at(a + i * 8) ^ word_at(b + i * 8);
        uint64_t same = ~(((word & low) + low) | word | low) >> 7; /* 1 in each byte that is */
        bits |= (same * UINT64_C(0x0102040810204080) >> 56) << i * 8;
    }
    return bits;
}
#endif

#include "parquet/snappy_rows.h"

size_t snappy_pack_usual(const snappy_rows *rows, const snappy_memory *memory, uint8_t *out)
{
    return pack_rows(rows, memory, out);
}

size_t snappy_store(const uint8_t *bytes, size_t length, uint8_t *out)
{
    uint8_t *to = put_varint(out, length);
    return (size_t)(put_literal(to, bytes, length) - out);
}

snappy_fn *snappy_pack_named(const char *name)
{
#if defined(__x86_64__)
    const int bits = __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    const int wide = bits && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
    if (wide && (name == NULL || strcmp(name, "avx512") == 0)) return snappy_pack_avx512;
    if (bits && __builtin_cpu_supports("avx2") && (name == NULL || strcmp(name, "avx2") == 0)) return snappy_pack_avx2;
#endif
    return name == NULL || strcmp(name, "usual") == 0 ? snappy_pack_usual : NULL;
}
