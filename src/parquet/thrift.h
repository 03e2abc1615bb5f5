/* thrift.h: Thrift's compact protocol, as far as Parquet needs it: fields are numbers of a byte or some, texts with
 * their length, lists and structs in each other.
 * https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md */
#ifndef UCID_PARQUET_THRIFT_H
#define UCID_PARQUET_THRIFT_H

#include "ucid.h"

enum thrift_type {
    T_TRUE = 1,
    T_FALSE,
    T_BYTE,
    T_I16,
    T_I32,
    T_I64,
    T_DOUBLE,
    T_BINARY,
    T_LIST,
    T_SET,
    T_MAP,
    T_STRUCT
};

typedef struct thrift_reader {
    const uint8_t *at, *end;
    int bad;
} thrift_reader;

/* A value in a footer: its bytes, which may be read again or copied. */
typedef struct thrift_value {
    const uint8_t *start, *end;
    int type; /* 0: not there */
} thrift_value;

uint64_t thrift_read_varint(thrift_reader *r);
int64_t thrift_read_integer(thrift_reader *r);
/* The next field of a struct; 0 at its end. *id is the field before, and then this one. */
int thrift_read_field(thrift_reader *r, int64_t *id);
/* Items of a list and their type. An item takes a byte at least, so there are no more than bytes. */
uint64_t thrift_read_list(thrift_reader *r, int *type);
thrift_value thrift_read_value(thrift_reader *r, int type, int is_item);
/* Fields 1 .. count of a struct; others are passed over. 0: damaged, or a field is no value of its kind. */
int thrift_read_struct(thrift_value given, const uint8_t *kinds, int count, thrift_value *fields);
int64_t thrift_integer_of(thrift_value value);
/* Items of a list of structs. */
uint64_t thrift_items_of(thrift_value list, thrift_reader *r);

/* Bytes that grow; without memory they stop doing so, which is told at the end. */
typedef struct thrift_out {
    const ucid_allocator *allocator;
    uint8_t *bytes;
    size_t length, capacity;
    int failed;
} thrift_out;

void thrift_put_bytes(thrift_out *out, const void *bytes, size_t count);
void thrift_put_byte(thrift_out *out, int byte);
void thrift_put_varint(thrift_out *out, uint64_t value);
void thrift_put_integer(thrift_out *out, int64_t value);
/* Before a field's value: its number, with that of the field before, which is *before, and then this one. */
void thrift_put_field(thrift_out *out, int *before, int id, int type);
void thrift_put_integer_field(thrift_out *out, int *before, int id, int type, int64_t value);
void thrift_put_value_field(thrift_out *out, int *before, int id, thrift_value value);
void thrift_put_text(thrift_out *out, ucid_text text);
void thrift_put_list(thrift_out *out, uint64_t count, int type);

#endif
