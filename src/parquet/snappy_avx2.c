/* snappy_avx2.c: the packer with 32 bytes to an instruction (x86-64 with AVX2 and BMI). */
#include "parquet/snappy_write.h"

#include <immintrin.h>

static inline uint64_t alike_in(const uint8_t *a, const uint8_t *b)
{
    const __m256i *x = (const __m256i *)a, *y = (const __m256i *)b;
    __m256i low = _mm256_cmpeq_epi8(_mm256_loadu_si256(x), _mm256_loadu_si256(y));
    __m256i high = _mm256_cmpeq_epi8(_mm256_loadu_si256(x + 1), _mm256_loadu_si256(y + 1));
    return (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32 | (uint32_t)_mm256_movemask_epi8(low);
}

#include "parquet/snappy_rows.h"

size_t snappy_pack_avx2(const snappy_rows *rows, const snappy_memory *memory, uint8_t *out)
{
    return pack_rows(rows, memory, out);
}
