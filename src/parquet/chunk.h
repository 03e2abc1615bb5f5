/* chunk.h: a column of a row group as pages.
 *
 *     rows -> entries of a dictionary, until that is large, then values -> a page of some rows -> a chunk */
#ifndef UCID_PARQUET_CHUNK_H
#define UCID_PARQUET_CHUNK_H

#include "parquet/snappy.h"
#include "parquet/thrift.h"
#include "ucid.h"

enum {
    PAGE_ROWS = 1 << 16,
    PAGE_BYTES = 1 << 20,       /* of values, but for one that is longer */
    DICTIONARY_BYTES = 1 << 16, /* beyond, values are written as they are */
    DICTIONARY_MOST = DICTIONARY_BYTES / 4,
    DICTIONARY_SLOTS = 1 << 15
};

/* What chunks share: memory for one page at a time. */
typedef struct page_tools {
    ucid_allocator allocator;
    snappy_fn *pack;
    snappy_memory snappy;
    size_t start_words;
    uint8_t *packed;
    size_t packed_capacity;
} page_tools;

/* What may be wrong: no memory, a text of over a GiB, a null where there are none. */
typedef enum chunk_fault { CHUNK_FINE, CHUNK_NO_MEMORY, CHUNK_TOO_LONG, CHUNK_NULL } chunk_fault;

typedef struct chunk {
    page_tools *tools;
    int type;              /* PARQUET_DOUBLE, PARQUET_TEXT */
    int nullable, ordered; /* may have nulls; least and greatest value are told */
    /* The page that is being filled. */
    uint8_t *room; /* for levels, values */
    size_t room_capacity, length;
    uint32_t rows, values; /* values: rows that are not null */
    uint32_t *ends;        /* [PAGE_ROWS], of texts */
    uint16_t *entries;     /* [PAGE_ROWS + 8] */
    uint8_t *validity;     /* [PAGE_ROWS] bits */
    /* The dictionary. */
    int coded;
    uint8_t *dictionary;  /* [DICTIONARY_BYTES] and slack: as on its page */
    uint32_t *entry_ends; /* [DICTIONARY_MOST] */
    uint16_t *slots;      /* [DICTIONARY_SLOTS]: an entry, from 1 */
    uint32_t entry_count;
    size_t dictionary_length;
    /* The chunk. */
    thrift_out pages, head; /* those of values; that of the dictionary */
    int64_t row_count, null_count;
    int64_t bytes; /* before compression, with the headers of pages */
    int32_t coded_pages, plain_pages;
    thrift_out least, most; /* of values, as Parquet has them */
    int has_range;
    chunk_fault fault; /* rows and pages are not to be trusted */
} chunk;

int page_tools_open(page_tools *tools, const ucid_allocator *allocator);
void page_tools_reset(page_tools *tools);

/* An empty chunk; 0 without memory. */
int chunk_open(chunk *c, page_tools *tools, int type, int nullable, int ordered);
void chunk_reset(chunk *c);
/* Begin again. */
void chunk_clear(chunk *c);

/* validity: bits from bit 0, or NULL. What is wrong is told by c->fault. */
void chunk_put_doubles(chunk *c, const double *values, const uint8_t *validity, int64_t count);
void chunk_put_texts(chunk *c, const char *data, const int64_t *offsets, const uint8_t *validity, int64_t count);
/* Rows that are one of some texts each: entries [count], entry_count for a null; known [entry_count]: -1 before the
 * first rows of these texts, and then the chunk's own. */
void chunk_put_entries(chunk *c, const uint32_t *entries, int64_t count, const char *data, const int64_t *offsets,
                       const uint8_t *validity, uint32_t entry_count, int32_t *known);

/* All rows are there: c->head and c->pages are whole. */
void chunk_end(chunk *c);
/* What a file says of a chunk that begins at offset: a ColumnMetaData. */
void chunk_describe(const chunk *c, thrift_out *out, ucid_text name, uint64_t offset);

#endif
