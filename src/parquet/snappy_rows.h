/* snappy_rows.h: the packer of snappy.h, included by one file for each instruction set, after alike_in(): the bits of
 * 64 bytes that are alike in two places, from the first byte on.
 *
 * Snappy looks at every byte for what has been there before. Rows whose fields end with colons are alike from the
 * beginning of a field on, and which fields differ from row to row is known after some rows. So eight bytes at the
 * beginnings of those are looked up, of other texts those at the beginning of a row; a likeness goes as far back and on
 * as it does. One of them waits until the next one is known, which may go back over it. What is looked up does not
 * depend on what was found, so that a processor does several at a time.
 * https://github.com/google/snappy/blob/main/format_description.txt */
#include "parquet/snappy_write.h"

enum { BLOCK = 64, FAR = 65535, FIELDS = 32, SAMPLE = 64, SELDOM = 16 };

static inline void mark_fields(const uint8_t *bytes, size_t length, uint64_t *starts)
{
    uint8_t colons[BLOCK];
    uint64_t before = 0;
    memset(colons, ':', sizeof colons);
    size_t blocks = (length + BLOCK - 1) / BLOCK;
    for (size_t block = 0; block < blocks; block++) {
        uint64_t found = alike_in(bytes + block * BLOCK, colons);
        starts[block] = found << 1 | before;
        before = found >> 63;
    }
    memset(starts + blocks, 0, (snappy_words(length) - blocks) * sizeof *starts);
}

/* How many bytes are alike from two places on. */
static inline size_t alike(const uint8_t *a, const uint8_t *b, size_t most)
{
    for (size_t n = 0; n < most; n += BLOCK) {
        uint64_t differ = ~alike_in(a + n, b + n);
        if (differ != 0) return smaller(n + (size_t)__builtin_ctzll(differ), most);
    }
    return most;
}

/* The same before two places, which have as many before them. */
static inline size_t alike_before(const uint8_t *a, const uint8_t *b, size_t most)
{
    for (size_t n = 0; n < most; n += BLOCK) {
        uint64_t differ = ~alike_in(a - n - BLOCK, b - n - BLOCK);
        if (differ != 0) return smaller(n + (size_t)__builtin_clzll(differ), most);
    }
    return most;
}

/* 64 bits of a bitmap from a bit on. */
static inline uint64_t bits_from(const uint64_t *map, size_t at)
{
    return map[at >> 6] >> (at & 63) | map[(at >> 6) + 1] << 1 << (63 - (at & 63));
}

/* Where the fields of a row begin that do so in its first 128 bytes, the row itself first. */
static int find_fields(const uint64_t *starts, size_t at, size_t end, size_t *fields)
{
    int count = 1;
    fields[0] = at;
    for (size_t base = at; base <= at + 64; base += 64) {
        uint64_t bits = bits_from(starts, base) & (base == at ? ~UINT64_C(1) : ~UINT64_C(0));
        for (; bits != 0 && count < FIELDS; bits &= bits - 1) {
            size_t field = base + (size_t)__builtin_ctzll(bits);
            if (field >= end) return count;
            fields[count++] = field;
        }
    }
    return count;
}

/* Bits of the fields that are looked up: their first eight bytes differ from row to row at the beginning of the rows,
 * and are not among those of one that is looked up. */
static uint32_t choose_fields(const snappy_rows *rows, const uint64_t *starts)
{
    size_t fields[2][FIELDS + 1], at = 0, last = rows->ends[rows->count - 1];
    uint32_t differ[FIELDS] = {0}, seen[FIELDS] = {0}, length[FIELDS] = {0}, chosen = 0, since = KEY;
    int count = 0, before;
    for (uint32_t row = 0; row < rows->count && row < SAMPLE; row++) {
        size_t *now = fields[row & 1], *then = fields[~row & 1], end = rows->ends[row];
        before = count;
        count = find_fields(starts, at, end, now);
        now[count] = at = end;
        for (int k = 1; k < count && k < before && now[k] + KEY <= last; k++) {
            uint64_t other = word_at(rows->bytes + now[k]) ^ word_at(rows->bytes + then[k]);
            size_t own = smaller(now[k + 1] - now[k], KEY);
            seen[k]++;
            differ[k] += other << (KEY - own) * 8 != 0;
            length[k] += (uint32_t)smaller(now[k + 1] - now[k], UINT16_MAX);
        }
    }
    for (int k = 1; k < FIELDS && seen[k] > 0; k++) {
        uint32_t mean = (length[k] + seen[k] / 2) / seen[k];
        if (differ[k] * SELDOM >= seen[k] && since + mean > KEY) {
            chosen |= UINT32_C(1) << k;
            since = mean;
        } else {
            since += mean;
        }
    }
    return chosen != 0 ? chosen : 1;
}

typedef struct packer {
    const uint8_t *bytes;
    size_t length;
    uint32_t *places;
    uint8_t *to;
    size_t done;                 /* what has been written */
    size_t begin, end, distance; /* a likeness that waits, where end is behind begin */
} packer;

static inline void put_waiting(packer *p, size_t upto)
{
    p->to = put_literal(p->to, p->bytes + p->done, p->begin - p->done);
    p->to = put_copy(p->to, p->distance, upto - p->begin);
    p->done = upto;
}

static inline void look_up(packer *p, size_t at)
{
    uint64_t key = word_at(p->bytes + at);
    uint32_t *place = &p->places[key * UINT64_C(0x9E3779B97F4A7C15) >> 52];
    size_t before = *place, distance = at - before;
    *place = (uint32_t)at;
    if (distance - 1 >= FAR || word_at(p->bytes + before) != key) return;
    size_t stop = at + alike(p->bytes + at, p->bytes + before, p->length - at);
    if (stop < p->end + LEAST) return;
    size_t back = at > p->done ? smaller(before, at - p->done) : 0;
    size_t start = at - alike_before(p->bytes + at, p->bytes + before, back);
    if (start < p->done) start = p->done;
    if (start > p->begin && p->end > p->begin) { /* the one that waits is wanted, at least four bytes of it */
        if (start < p->end && start < p->begin + LEAST) start = p->end;
        put_waiting(p, smaller(start, p->end));
    }
    p->begin = start;
    p->end = stop;
    p->distance = distance;
}

static inline size_t pack_rows(const snappy_rows *rows, const snappy_memory *memory, uint8_t *out)
{
    packer p = {.bytes = rows->bytes, .length = rows->count > 0 ? rows->ends[rows->count - 1] : 0};
    p.to = put_varint(out, rows->lead_length + p.length);
    p.to = put_literal(p.to, rows->lead, rows->lead_length);
    p.places = (uint32_t *)memory->places;
    const uint64_t *starts = memory->starts;
    mark_fields(p.bytes, p.length, memory->starts);
    memset(p.places, 0, sizeof memory->places);
    uint32_t chosen = rows->count > 0 ? choose_fields(rows, starts) : 0;
    size_t at = 0;
    for (uint32_t row = 0; row < rows->count; at = rows->ends[row++]) {
        size_t end = rows->ends[row], base = at;
        uint64_t bits = bits_from(starts, at) & ~UINT64_C(1), more = bits_from(starts, at + 64);
        if ((chosen & 1) && at + KEY <= p.length) look_up(&p, at);
        for (uint32_t rest = chosen >> 1; rest != 0; rest >>= 1) {
            if (bits == 0) {
                if (more == 0) break;
                base += 64;
                bits = more;
                more = 0;
            }
            size_t field = base + (size_t)__builtin_ctzll(bits);
            if (field >= end || field + KEY > p.length) break;
            bits &= bits - 1;
            if (rest & 1) look_up(&p, field);
        }
    }
    if (p.end > p.begin) put_waiting(&p, p.end);
    p.to = put_literal(p.to, p.bytes + p.done, p.length - p.done);
    return (size_t)(p.to - out);
}
