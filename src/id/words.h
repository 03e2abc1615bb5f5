/* words.h: eight or sixteen bytes of text at a time, in ordinary registers and in vectors that every processor has. In
 * a word the first byte of the text is the lowest. */
#ifndef UCID_ID_WORDS_H
#define UCID_ID_WORDS_H

#include <stdint.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define ONES 0x0101010101010101ull
#define HIGHS 0x8080808080808080ull

typedef uint8_t bytes16 __attribute__((vector_size(16)));
typedef uint64_t words2 __attribute__((vector_size(16)));

static inline uint64_t load8(const char *p)
{
    uint64_t word;
    memcpy(&word, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static inline void store8(char *p, uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    memcpy(p, &word, 8);
}

static inline uint32_t load4(const char *p)
{
    uint32_t word;
    memcpy(&word, p, 4);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap32(word);
#endif
    return word;
}

static inline void store4(char *p, uint32_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap32(word);
#endif
    memcpy(p, &word, 4);
}

/* The number whose first byte in memory is the highest, and back. */
static inline uint64_t from_highest(uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return word;
#else
    return __builtin_bswap64(word);
#endif
}

static inline int is_upper(char c) { return (unsigned char)(c - 'A') <= 25; }
static inline int is_digit(char c) { return (unsigned char)(c - '0') <= 9; }

/* n <= 32 bytes without a call: two pieces that may overlap. */
static inline void copy_short(char *to, const char *from, size_t n)
{
    if (n >= 16) {
        memcpy(to, from, 16);
        memcpy(to + n - 16, from + n - 16, 16);
    } else if (n >= 8) {
        memcpy(to, from, 8);
        memcpy(to + n - 8, from + n - 8, 8);
    } else if (n >= 4) {
        memcpy(to, from, 4);
        memcpy(to + n - 4, from + n - 4, 4);
    } else {
        for (size_t i = 0; i < n; i++) to[i] = from[i];
    }
}

/* n <= 8 bytes as a word, without a look at those after them. */
static inline uint64_t load_short(const char *text, size_t n)
{
    if (n >= 4) return load4(text) | (uint64_t)load4(text + n - 4) << 8 * (n - 4);
    uint64_t word = 0;
    for (size_t i = 0; i < n; i++) word |= (uint64_t)(unsigned char)text[i] << 8 * i;
    return word;
}

/* High bit of each byte below 128 that is at least `least`; bytes from 128 on are unspecified. */
static inline uint64_t at_least(uint64_t word, unsigned least) { return word + ONES * (128 - least); }

/* High bit of each byte that is an upper letter or a digit. */
static inline uint64_t letters_or_digits(uint64_t word)
{
    uint64_t low = word & ~HIGHS;
    uint64_t digit = at_least(low, '0') & ~at_least(low, '9' + 1),
             letter = at_least(low, 'A') & ~at_least(low, 'Z' + 1);
    return (digit | letter) & ~word & HIGHS;
}

/* High bit of each byte that is one of 26 letters from `first`. */
static inline uint64_t letters_from(uint64_t word, char first)
{
    uint64_t low = word & ~HIGHS;
    return at_least(low, (unsigned)first) & ~at_least(low, (unsigned)first + 26) & ~word & HIGHS;
}

/* n <= 8 bytes in upper case, as a word; 0 where they are not all letters or, where digits is 1, digits. */
static inline uint64_t upper_short(const char *text, size_t n, int digits)
{
    uint64_t word = load_short(text, n), past = n < 8 ? ~UINT64_C(0) << 8 * n : 0;
    word -= letters_from(word, 'a') >> 2; /* 32 of each */
    uint64_t good = digits ? letters_or_digits(word) : letters_from(word, 'A');
    return ((good | past) & HIGHS) == HIGHS ? word : 0;
}

/* least <= n <= most <= 16 bytes in upper case, likewise; 0 where there is another number of them. out has 16 bytes,
 * and those after the n-th may be written. */
static inline int upper_word(const char *text, size_t n, size_t least, size_t most, int digits, char *out)
{
    if (n < least || n > most) return 0;
    uint64_t last = upper_short(n > 8 ? text + n - 8 : text, n > 8 ? 8 : n, digits);
    store8(n > 8 ? out + n - 8 : out, last);
    if (n <= 8) return last != 0;
    uint64_t first = upper_short(text, 8, digits);
    store8(out, first);
    return first != 0 && last != 0;
}

/* High bit of each byte that is c. */
static inline uint64_t bytes_that_are(uint64_t word, char c)
{
    word ^= ONES * (unsigned char)c;
    return ~(((word & ~HIGHS) + ~HIGHS) | word) & HIGHS;
}

/* 1 where all bits of a word are set, of two that have all or none. */
static inline int is_any(words2 either)
{
#if defined(__SSE2__)
    return _mm_movemask_pd((__m128d)either) != 0;
#else
    return (either[0] | either[1]) != 0;
#endif
}

/* Bit k: the k-th of sixteen bytes is c. */
static inline uint32_t bytes16_that_are(const char *text, char c)
{
#if defined(__SSE2__)
    return (uint32_t)_mm_movemask_epi8(
        _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)text), _mm_set1_epi8(c)));
#else
    uint32_t low = (uint32_t)((bytes_that_are(load8(text), c) >> 7) * 0x0102040810204080 >> 56),
             high = (uint32_t)((bytes_that_are(load8(text + 8), c) >> 7) * 0x0102040810204080 >> 56);
    return low | high << 8;
#endif
}

/* Not 0 where a byte of word is above 9; where `room` has 0x7F instead of 0x76, above 0. */
static inline uint64_t not_digits(uint64_t word, uint64_t room) { return ((word + room) | word) & HIGHS; }

/* Eight bytes below 16, the first one highest. */
static inline uint64_t eight_nibbles(uint64_t word)
{
    word = from_highest(word);
    word = (word | word >> 4) & 0x00FF00FF00FF00FF;
    word = (word | word >> 8) & 0x0000FFFF0000FFFF;
    return (word | word >> 16) & 0xFFFFFFFF;
}

/* ddd.ddd before end, `digits` of them and the dot, 4 to 8, in thousandths. Reads eight bytes; *bad is no longer 0
 * where one that counts is wrong. */
static inline uint64_t read_thousandths(const char *end, unsigned digits, uint64_t *bad)
{
    uint64_t word = (load8(end - 8) ^ 0x3030302E30303030) & ~UINT64_C(0) << (64 - 8 * digits);
    *bad |= not_digits(word, 0x7676767F76767676);
    word = (word * 10 + (word >> 8)) & 0x00FF00FF00FF00FF;
    word = word * 100 + (word >> 16);
    return (word & 0xFFFF) * 1000 + (word >> 32 & 0xFFFF);
}

/* Fifteen lower hexadecimal digits, of which two words have eight and seven; *bad is no longer 0 where one is none. */
static inline uint64_t read_hex15(words2 text, uint64_t *bad)
{
    bytes16 c = (bytes16)text, digit = c - '0', letter = c - 'a';
    bytes16 is_digit16 = (bytes16)(digit < 10), is_letter16 = (bytes16)(letter < 6);
    const bytes16 first15 = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0};
    words2 wrong = (words2)(~(is_digit16 | is_letter16) & first15);
    *bad |= wrong[0] | wrong[1];
    bytes16 value = ((digit & is_digit16) | ((letter + 10) & is_letter16)) & first15;
    words2 halves = (words2)value;
    return eight_nibbles(halves[0]) << 28 | eight_nibbles(halves[1]) >> 4;
}

/* first, and the fifteen digits of a number below 2^60: sixteen bytes. */
static inline void write_hex15(char *text, char first, uint64_t value)
{
    bytes16 pairs = (bytes16)(words2){from_highest(value), 0}, high = pairs >> 4, low = pairs & 15;
    bytes16 digits = __builtin_shufflevector(high, low, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    digits += '0' + ((bytes16)(digits > 9) & ('a' - '0' - 10));
    digits += (bytes16){(uint8_t)(first - '0')};
    memcpy(text, &digits, 16);
}

#endif
