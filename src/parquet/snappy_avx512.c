/* snappy_avx512.c: the packer with 64 bytes to an instruction (x86-64 with AVX-512 F and BW; BMI comes with it). */
#include "parquet/snappy_write.h"

#include <immintrin.h>

static inline uint64_t alike_in(const uint8_t *a, const uint8_t *b)
{
    return _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(a), _mm512_loadu_si512(b));
}

#include "parquet/snappy_rows.h"

size_t snappy_pack_avx512(const snappy_rows *rows, const snappy_memory *memory, uint8_t *out)
{
    return pack_rows(rows, memory, out);
}
