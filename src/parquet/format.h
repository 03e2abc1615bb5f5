/* format.h: numbers of fields in what a Parquet file says of itself, and of what stands there.
 * https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift */
#ifndef UCID_PARQUET_FORMAT_H
#define UCID_PARQUET_FORMAT_H

enum { PARQUET_MAGIC = 4 };

/* FileMetaData */
enum {
    F_VERSION = 1,
    F_SCHEMA,
    F_ROWS,
    F_ROW_GROUPS,
    F_KEYS,
    F_CREATED_BY,
    F_ORDERS,
    F_ENCRYPTION,
    F_COUNT = F_ENCRYPTION
};
/* SchemaElement */
enum { S_TYPE = 1, S_REPETITION = 3, S_NAME, S_CHILDREN, S_CONVERTED, S_LOGICAL = 10, S_COUNT = S_CHILDREN };
/* RowGroup */
enum { G_CHUNKS = 1, G_BYTES, G_ROWS, G_SORTING, G_OFFSET, G_PACKED, G_ORDINAL, G_COUNT = G_ORDINAL };
/* ColumnChunk */
enum { C_PATH = 1, C_OFFSET, C_META, C_CRYPTO = 8, C_ENCRYPTED, C_COUNT = C_ENCRYPTED };
/* ColumnMetaData */
enum {
    M_TYPE = 1,
    M_ENCODINGS,
    M_PATH,
    M_CODEC,
    M_VALUES,
    M_BYTES,
    M_PACKED,
    M_DATA = 9,
    M_INDEX,
    M_DICTIONARY,
    M_STATISTICS,
    M_PAGES,
    M_BLOOM,
    M_BLOOM_LENGTH,
    M_COUNT = M_BLOOM_LENGTH
};
/* Statistics */
enum { V_NULLS = 3, V_MOST = 5, V_LEAST };
/* PageHeader, DataPageHeader and DictionaryPageHeader, PageEncodingStats */
enum { P_TYPE = 1, P_BYTES, P_PACKED, P_DATA = 5, P_DICTIONARY = 7 };
enum { D_VALUES = 1, D_ENCODING, D_DEFINITIONS, D_REPETITIONS };
enum { E_PAGE = 1, E_ENCODING, E_COUNT };

enum { PARQUET_DOUBLE = 5, PARQUET_TEXT = 6 };                    /* Type: BYTE_ARRAY */
enum { PARQUET_PLAIN = 0, PARQUET_RLE = 3, PARQUET_ENTRIES = 8 }; /* Encoding: RLE_DICTIONARY */
enum { PARQUET_DATA_PAGE = 0, PARQUET_DICTIONARY_PAGE = 2 };      /* PageType */
enum { PARQUET_SNAPPY = 1 };                                      /* CompressionCodec */

#endif
