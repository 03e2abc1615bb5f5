/* ucid.h: the Urban Context Identifier in C. This header is the manual.
 *
 * A UCID names a place (an H3 cell), an hour (an ISO week key) and a context, with the grade and the confidence of that
 * place in that context:
 *
 *     UCID-V1:IST:+41.015:+28.979:9:891ec90243bffff:2026W01T12:15MIN:A:0.95:
 *
 * Data flows one way. Street networks are compiled once into an immutable index; kernels turn arrays of places into
 * arrays of identifiers, scores and aggregates:
 *
 *     extract.osm.pbf --ucid_index_build--> city.ucidx --ucid_index_open--> ucid_score, ucid_explain, ucid_aggregate
 *
 * Conventions, which every function below keeps:
 *
 *   units     in names: _deg degrees (WGS 84), _m metres, _e7 degrees times 1e7 as an integer, _hour hours since Monday
 *             1969-12-29 00h (168 * week + hour).
 *   errors    A fallible function returns a ucid_status and fills the caller's ucid_error, its last argument, which may
 *             be NULL. On failure no output is touched.
 *   rows      A bad row is not a failed call: it gives a null and a status for that row (uint8_t, one of ucid_status).
 *             Calls fail for whole batches, files and memory.
 *   arrays    Contiguous, [n] elements. A validity bitmap has one bit a row, least significant first, 1 = valid; NULL
 *             means that all rows are valid.
 *   memory    Callers own what they pass. Names tell: _open/_close, _new/_free, _get (borrowed).
 *   threads   No thread starts unasked: options say how many. An opened index is immutable and may be shared by any
 *             number of threads. Results do not depend on the number of threads, on batch sizes or on the processor.
 *   options   Structs start with their own size; initialise them with their _INIT macro.
 */
#ifndef UCID_H
#define UCID_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define UCID_VERSION_MAJOR 0
#define UCID_VERSION_MINOR 1
#define UCID_VERSION_PATCH 0
#define UCID_VERSION "0.1.0"

#if defined(UCID_STATIC) || !defined(__GNUC__)
#define UCID_API
#else
#define UCID_API __attribute__((visibility("default")))
#endif

/* ---------------------------------------------------------------------------------------------------- 1. Status -- */

/* Every status, of calls and of rows: X(name, number, exit code of the command line, Python class, meaning).
 * The code of a status is its name ("INVALID_H3"); a status column shows it in lower case ("invalid_h3"). */
#define UCID_STATUS_LIST(X)                                                                                            \
    X(OK, 0, 0, None, "done")                                                                                          \
    X(INTERNAL_ERROR, 1, 5, UCIDError, "a defect of this library")                                                     \
    X(NO_MEMORY, 2, 5, MemoryError, "memory could not be allocated")                                                   \
    X(INVALID_ARGUMENT, 3, 2, UCIDConfigError, "an argument of the call is out of its range")                          \
    X(CANCELLED, 4, 5, UCIDError, "the caller's progress function asked to stop")                                      \
    X(PARSE_ERROR, 10, 3, UCIDParseError, "the text is not an identifier")                                             \
    X(INVALID_PREFIX, 11, 3, UCIDParseError, "the text does not start with UCID-V")                                    \
    X(UNSUPPORTED_VERSION, 12, 3, UCIDParseError, "the version is not V1")                                             \
    X(MALFORMED_STRING, 13, 3, UCIDParseError, "the text has not 11 fields, or is over 255 bytes")                     \
    X(FIELD_FORMAT, 14, 3, UCIDParseError, "a field does not match its grammar or range")                              \
    X(INVALID_CITY, 20, 3, UCIDValidationError, "the city code is not in the registry")                                \
    X(INVALID_H3, 21, 3, UCIDValidationError, "the cell is not a valid H3 cell")                                       \
    X(H3_MISMATCH, 22, 3, UCIDValidationError, "cell, resolution and coordinates do not agree")                        \
    X(INVALID_TIME, 23, 3, UCIDValidationError, "the week does not exist, or the key is out of range")                 \
    X(INVALID_FIELD, 24, 3, UCIDValidationError, "a value given to create is out of its range")                        \
    X(INVALID_STEP, 25, 3, UCIDValidationError, "a time range needs a positive step")                                  \
    X(UNENCODABLE, 26, 3, UCIDValidationError, "the identifier has no binary form")                                    \
    X(CITY_NOT_FOUND, 30, 3, UCIDRegistryError, "the registry has no such city")                                       \
    X(REGISTRY_ERROR, 31, 3, UCIDRegistryError, "a city file is not valid")                                            \
    X(CONTEXT_NOT_FOUND, 32, 2, UCIDContextError, "there is no such context")                                          \
    X(COMPUTATION_FAILED, 33, 5, UCIDContextError, "a context could not be computed")                                  \
    X(DATA_ERROR, 40, 3, UCIDDataError, "an input file is damaged or not of the expected kind")                        \
    X(FILE_NOT_FOUND, 41, 3, UCIDDataError, "a file does not exist or may not be read")                                \
    X(IO_ERROR, 42, 5, UCIDDataError, "reading or writing failed")                                                     \
    X(UNSUPPORTED_FORMAT, 43, 3, UCIDDataError, "the file uses a feature that this build cannot read")                 \
    X(INDEX_NOT_FOUND, 50, 4, UCIDDataError, "no index covers the place; `ucid index build` makes one")                \
    X(INDEX_FORMAT, 51, 4, UCIDDataError, "the file is not an index, or of another format version")                    \
    X(INDEX_CORRUPT, 52, 4, UCIDDataError, "the index is truncated or damaged")                                        \
    X(NULL_INPUT, 60, 1, None, "row: a needed value is null")                                                          \
    X(INVALID_COORDINATES, 61, 1, None, "row: a coordinate is not finite or out of range")                             \
    X(OUTSIDE_INDEX, 62, 1, None, "row: the place is outside what the index reports")                                  \
    X(OFF_NETWORK, 63, 1, None, "row: no walkable street within the snap limit")                                       \
    X(ISLAND, 64, 0, None, "row: only a small unconnected piece of network is within the snap limit")                  \
    X(NEAR_BOUNDARY, 65, 0, None, "row: the reach touches the end of the extract")

typedef enum ucid_status {
#define UCID_STATUS_ENUM(name, number, exit_code, python_class, meaning) UCID_##name = (number),
    UCID_STATUS_LIST(UCID_STATUS_ENUM)
#undef UCID_STATUS_ENUM
} ucid_status;

/* What went wrong, and where. Owned by the caller; no part of it points elsewhere. */
typedef struct ucid_error {
    ucid_status status;
    int32_t byte;      /* offset in the text of the offending byte, or -1 */
    int64_t row;       /* row of the batch, or -1 */
    int32_t field;     /* field of the identifier, UCID_FIELD_*, or 0 */
    char message[236]; /* one line, UTF-8, ends with NUL */
} ucid_error;

/* Code of a status: "INVALID_H3"; never NULL, "INTERNAL_ERROR" for numbers outside the list.             since 0.1 */
UCID_API const char *ucid_status_code(ucid_status status);
/* Code in lower case, as a status column shows it: "invalid_h3".                                         since 0.1 */
UCID_API const char *ucid_status_name(ucid_status status);
/* One sentence about a status.                                                                           since 0.1 */
UCID_API const char *ucid_status_meaning(ucid_status status);
/* Exit code of the command line for a status: 0 done, 1 rows invalid, 2 usage, 3 input, 4 index, 5 resources. */
UCID_API int ucid_status_exit_code(ucid_status status);

/* "0.1.0", of the library that runs (UCID_VERSION is of the header).                                     since 0.1 */
UCID_API const char *ucid_version(void);

/* One function for all memory: fn(ctx, ptr, old_size, new_size) works as realloc; new_size 0 frees and returns NULL.
 * It must be safe to call from several threads. NULL in an option struct means malloc and free. */
typedef struct ucid_allocator {
    void *(*fn)(void *ctx, void *ptr, size_t old_size, size_t new_size);
    void *ctx;
} ucid_allocator;

/* Progress of long work: done of total units; stage is a short word ("read", "snap grid"). Return non-zero to cancel.
 * Called from the thread that made the call, at most some ten times a second. */
typedef int (*ucid_progress_fn)(void *ctx, const char *stage, uint64_t done, uint64_t total);

/* ----------------------------------------------------------------------------------------------- 2. Identifiers -- */

/* A text of any bytes, NUL among them; length in bytes. data may be NULL where length is 0. */
typedef struct ucid_text {
    const char *data;
    size_t length;
} ucid_text;
/* ucid_text of a string literal. */
#define UCID_TEXT(literal)                                                                                             \
    {                                                                                                                  \
        (literal), sizeof(literal) - 1                                                                                 \
    }

#define UCID_LENGTH_MAX 255 /* bytes of the longest identifier */
#define UCID_BINARY_SIZE 31 /* bytes of the binary form */

/* Fields of an identifier, in their order; ucid_error.field holds one of them, or UCID_FIELD_NONE. */
enum {
    UCID_FIELD_NONE = 0,
    UCID_FIELD_VERSION,
    UCID_FIELD_CITY,
    UCID_FIELD_LAT,
    UCID_FIELD_LON,
    UCID_FIELD_RESOLUTION,
    UCID_FIELD_CELL,
    UCID_FIELD_TIME,
    UCID_FIELD_CONTEXT,
    UCID_FIELD_GRADE,
    UCID_FIELD_CONFIDENCE,
    UCID_FIELD_FLAGS
};
/* "version", "city", "lat", "lon", "h3_res", "h3_index", "timestamp", "context", "grade", "confidence", "flags"; ""
 * for UCID_FIELD_NONE.                                                                                   since 0.1 */
UCID_API const char *ucid_field_name(int field);

/* Bits of a mode argument. */
enum {
    UCID_LENIENT = 0,
    UCID_STRICT = 1, /* the city is in the registry, the cell exists, has the stated resolution and meets the box that
                        the printed coordinates stand for, the week exists: checked in this order */
    UCID_SNAP = 2    /* create: the cell of the rounded coordinates, for readers that recompute it from the text */
};

/* What an identifier says. Texts end with NUL. */
typedef struct ucid_fields {
    double lat_deg, lon_deg; /* as given or read, not rounded */
    double confidence;       /* 0..1, not rounded */
    uint64_t cell;
    int16_t year; /* ISO week year 1..9999, week 1..53, hour 0..23 */
    uint8_t week, hour;
    uint8_t resolution; /* 0..15, as stated */
    uint8_t grade;      /* UCID_GRADE_* (section 6) */
    uint8_t flag_count;
    char city[4];     /* "IST" */
    char context[17]; /* "15MIN" */
    char flags[212];  /* a set in byte order, joined by ';' */
} ucid_fields;

/* A city registry (section 4); NULL stands for the one that is built in. */
typedef struct ucid_registry ucid_registry;

/* What create needs. */
typedef struct ucid_values {
    ucid_text city;          /* upper-cased; need not be registered, unless strict */
    ucid_text time;          /* "2026W01T12" */
    ucid_text context;       /* upper-cased; need not be known */
    double lat_deg, lon_deg; /* within 90 and 180 degrees */
    double confidence;       /* 0..1 */
    int resolution;          /* 0..15 */
    uint8_t grade;           /* UCID_GRADE_* */
    const uint64_t *cell;    /* a cell to state, below 2^60; NULL: that of the coordinates */
    const ucid_text *flags;  /* [flag_count], each [A-Z0-9]+, in any order */
    size_t flag_count;
} ucid_values;
#define UCID_VALUES_INIT                                                                                               \
    {                                                                                                                  \
        {NULL, 0}, {NULL, 0}, {NULL, 0}, 0.0, 0.0, 0.0, 9, 0, NULL, NULL, 0                                            \
    }

/* Make an identifier of values. What it makes, the strict parser accepts where the city is registered and the week
 * exists.
 * in    mode: UCID_STRICT, UCID_SNAP; registry is asked in strict mode only
 * out   *fields
 * err   INVALID_FIELD, naming the first bad field in field order; strict: INVALID_CITY, INVALID_H3, H3_MISMATCH,
 *       INVALID_TIME
 * safe  any number of threads
 * ref   docs/identifier.md          since 0.1 */
UCID_API ucid_status ucid_create(const ucid_values *values, unsigned mode, const ucid_registry *registry,
                                 ucid_fields *fields, ucid_error *error);

/* Write the canonical text and a NUL; returns its length. Texts inside fields must be those of create, parse or unpack.
 * cost  some 15 ns          since 0.1 */
UCID_API size_t ucid_format(const ucid_fields *fields, char text[UCID_LENGTH_MAX + 1]);

/* Read an identifier.
 * in    text: any bytes; mode: UCID_LENIENT, UCID_STRICT
 * out   *fields
 * err   in the order of the checks: INVALID_PREFIX, UNSUPPORTED_VERSION (and FIELD_FORMAT, version), MALFORMED_STRING
 *       (number of fields, length, or a canonical form over 255 bytes), FIELD_FORMAT, and in strict mode INVALID_CITY,
 *       INVALID_H3, H3_MISMATCH, INVALID_TIME; error->byte and error->field say where
 * cost  some 100 ns; no allocation
 * safe  any number of threads
 * ref   docs/identifier.md          since 0.1 */
UCID_API ucid_status ucid_parse(ucid_text text, unsigned mode, const ucid_registry *registry, ucid_fields *fields,
                                ucid_error *error);

/* One thing that is wrong with a text. */
typedef struct ucid_defect {
    ucid_status status;
    int32_t field;       /* UCID_FIELD_* */
    int32_t byte, bytes; /* the offending piece of the text */
} ucid_defect;
#define UCID_DEFECTS_MAX 16

/* Everything that is wrong with a text: each malformed field, and what strict mode would refuse in the fields that can
 * be read. A text without defects is what ucid_parse accepts in strict mode.
 * out   defects, in field order of the checks; returns their number, <= UCID_DEFECTS_MAX          since 0.1 */
UCID_API int ucid_validate(ucid_text text, const ucid_registry *registry, ucid_defect defects[UCID_DEFECTS_MAX]);
/* One line about a defect, as ucid_error.message has it; returns its status.                             since 0.1 */
UCID_API ucid_status ucid_defect_explain(ucid_text text, const ucid_defect *defect, ucid_error *error);

/* Canonical text of a text that lenient mode reads after repair: blanks around it trimmed; letters in the right case;
 * "UCID:" taken for "UCID-V1:"; one-digit weeks and hours. Idempotent.
 * out   canonical, ends with NUL; *length may be NULL
 * err   as ucid_parse in lenient mode          since 0.1 */
UCID_API ucid_status ucid_canonicalize(ucid_text text, char canonical[UCID_LENGTH_MAX + 1], size_t *length,
                                       ucid_error *error);

/* Order of two identifiers: that of their canonical texts, byte by byte ('+' before '-', so not numeric). Negative, 0
 * or positive.                                                                                              since 0.1
 */
UCID_API int ucid_compare(const ucid_fields *a, const ucid_fields *b);
/* XXH3-64 of the canonical text: equal identifiers have equal hashes, on every machine.                  since 0.1 */
UCID_API uint64_t ucid_hash(const ucid_fields *fields);

/* The binary form: 31 bytes, little-endian, no padding.
 *
 *      0 u8 version 1    1 city    4 f32 lat    8 f32 lon    12 u64 cell    20 u32 hour    24 u16 context
 *     26 u8 grade       27 u16 confidence * 10000           29 u16 flags
 *
 * Coordinates hold the printed value, the resolution is the cell's. unpack(pack(x)) has the canonical text of x.
 * err   INVALID_H3; H3_MISMATCH: the cell is not of the stated resolution; UNENCODABLE: a time before 1970W01 or in a
 *       week that does not exist, a context or a flag without a number          since 0.1 */
UCID_API ucid_status ucid_pack(const ucid_fields *fields, uint8_t binary[UCID_BINARY_SIZE], ucid_error *error);
/* err   MALFORMED_STRING: not 31 bytes; UNSUPPORTED_VERSION; FIELD_FORMAT; INVALID_H3                       since 0.1
 */
UCID_API ucid_status ucid_unpack(const void *binary, size_t length, ucid_fields *fields, ucid_error *error);

/* Number of 15 lower hexadecimal digits, of a cell or not: 1 and *cell, or 0.                              since 0.1 */
UCID_API int ucid_cell_read(ucid_text text, uint64_t *cell);
/* UCID_GRADE_* of "A+", "A", "B", "C", "D", "F"; -1 of other texts.                                       since 0.1 */
UCID_API int ucid_grade_parse(ucid_text text);

/* The same for columns. Rows are told apart by status; a row that is not OK is null in every output. Texts come from
 * and go to plain arrays, as Arrow lays them out. No call allocates, but for ucid_texts_sort. */

/* A column of texts, [n] of any bytes. */
typedef struct ucid_texts {
    const char *data;
    const int32_t *offsets;   /* [n + 1]: row i is data[offsets[i] .. offsets[i + 1]) */
    const int64_t *offsets64; /* [n + 1], asked where offsets is NULL */
    size_t length;            /* where both are NULL, every row is data[0 .. length) */
    const uint8_t *validity;  /* [n] bits, or NULL */
} ucid_texts;

/* Room for a column of texts: offsets from 0 on, and their bytes. A bound says how many bytes are enough. */
typedef struct ucid_texts_out {
    char *data;
    size_t capacity;
    int32_t *offsets;   /* [n + 1] */
    int64_t *offsets64; /* [n + 1], filled where offsets is NULL */
} ucid_texts_out;

/* What ucid_texts_create needs, [n] each. A text column is constant where it has no offsets. */
typedef struct ucid_create_columns {
    const double *lat_deg, *lon_deg;
    const uint8_t *validity; /* [n] bits of the rows, or NULL; nulls of the text columns count besides */
    ucid_texts city, context;
    ucid_texts time;          /* or, where time.data is NULL: */
    const int32_t *hour;      /* time keys */
    const uint8_t *grade;     /* UCID_GRADE_*; NULL: F */
    const double *confidence; /* NULL: 0 */
    const uint64_t *cell;     /* NULL: the cells of the coordinates */
    ucid_texts flags;         /* joined by ';'; flags.data NULL: none */
    int resolution;           /* 0..15; with cells also UCID_CELL_RESOLUTION: each row's cell has its own */
} ucid_create_columns;
enum { UCID_CELL_RESOLUTION = -1 };

/* Bytes that are enough for the texts of ucid_texts_create.                                              since 0.1 */
UCID_API size_t ucid_texts_create_bound(int64_t n, const ucid_create_columns *columns);
/* ucid_create and ucid_format.
 * out   texts; cells [n], validity [n] bits, status [n]: may be NULL
 * cost  O(n), some 40 ns a row where city, time and context are constant
 * err   INVALID_ARGUMENT: resolution, too little room, over 2^31 - 1 bytes for 32-bit offsets; rows: NULL_INPUT, and
 *       those of ucid_create
 * safe  any number of threads
 * ref   docs/identifier.md          since 0.1 */
UCID_API ucid_status ucid_texts_create(int64_t n, const ucid_create_columns *columns, unsigned mode,
                                       const ucid_registry *registry, const ucid_texts_out *texts, uint64_t *cells,
                                       uint8_t *validity, uint8_t *status, ucid_error *error);

/* Fields of identifiers, [n] each; those that are NULL are not wanted. A bad row holds NaN, 0, and texts of no bytes.
 */
typedef struct ucid_field_columns {
    char *city; /* [3 n] letters, 3 a row */
    double *lat_deg, *lon_deg;
    uint8_t *resolution;
    uint64_t *cell;
    int32_t *hour;          /* a week 53 that the year lacks counts as the week after the 52nd */
    ucid_texts_out context; /* needs 16 n + 16 bytes */
    uint8_t *grade;
    double *confidence;
    ucid_texts_out flags; /* needs as many bytes as the texts */
    uint8_t *validity;    /* [n] bits */
    uint8_t *status;
    int32_t *byte; /* where the text breaks a rule; -1 */
} ucid_field_columns;

/* ucid_parse.
 * out   fields; all NULL but status is a check of the texts
 * cost  O(n), some 30 ns a row, in strict mode 70
 * err   INVALID_ARGUMENT: too little room; rows: NULL_INPUT, and those of ucid_parse
 * safe  any number of threads
 * ref   docs/identifier.md          since 0.1 */
UCID_API ucid_status ucid_texts_parse(int64_t n, const ucid_texts *texts, unsigned mode, const ucid_registry *registry,
                                      const ucid_field_columns *fields, ucid_error *error);

/* Bytes that are enough for the texts of ucid_texts_canonicalize.                                        since 0.1 */
UCID_API size_t ucid_texts_canonicalize_bound(int64_t n, const ucid_texts *texts);
/* ucid_canonicalize. validity and status may be NULL. err as above                                        since 0.1 */
UCID_API ucid_status ucid_texts_canonicalize(int64_t n, const ucid_texts *texts, const ucid_texts_out *canonical,
                                             uint8_t *validity, uint8_t *status, ucid_error *error);

/* ucid_pack of what lenient mode reads.
 * out   binary [31 n], 0 for a bad row                                                                    since 0.1 */
UCID_API ucid_status ucid_texts_pack(int64_t n, const ucid_texts *texts, uint8_t *binary, uint8_t *validity,
                                     uint8_t *status, ucid_error *error);
/* ucid_unpack and ucid_format. in: binary [31 n], binary_validity [n] bits or NULL
 * out   texts: 140 n bytes are enough                                                                     since 0.1 */
UCID_API ucid_status ucid_texts_unpack(int64_t n, const uint8_t *binary, const uint8_t *binary_validity,
                                       const ucid_texts_out *texts, uint8_t *validity, uint8_t *status,
                                       ucid_error *error);

/* ucid_pack of fields as ucid_texts_parse and ucid_columns_unpack give them; values of whatever origin are checked.
 * in    fields: all but resolution and flags are needed; validity [n] bits or NULL; status and byte are not asked
 * out   binary [31 n], 0 for a bad row; validity, status: may be NULL
 * cost  O(n), some 10 ns a row
 * err   INVALID_ARGUMENT: a column is missing; rows: NULL_INPUT, INVALID_COORDINATES, FIELD_FORMAT: the city;
 *       INVALID_FIELD: grade or confidence; INVALID_TIME, and those of ucid_pack
 * safe  any number of threads
 * ref   docs/identifier.md          since 0.1 */
UCID_API ucid_status ucid_columns_pack(int64_t n, const ucid_field_columns *fields, uint8_t *binary, uint8_t *validity,
                                       uint8_t *status, ucid_error *error);
/* ucid_unpack. in: binary [31 n], binary_validity [n] bits or NULL
 * out   fields; flags need 64 n bytes; byte is -1
 * cost  O(n), some 10 ns a row
 * err   INVALID_ARGUMENT: too little room; rows: NULL_INPUT, and those of ucid_unpack          since 0.1 */
UCID_API ucid_status ucid_columns_unpack(int64_t n, const uint8_t *binary, const uint8_t *binary_validity,
                                         const ucid_field_columns *fields, ucid_error *error);

/* ucid_hash of each text; 0 for a text that lenient mode refuses.                                         since 0.1 */
UCID_API ucid_status ucid_texts_hash(int64_t n, const ucid_texts *texts, uint64_t *hashes, uint8_t *status,
                                     ucid_error *error);
/* Rows in the order of their bytes, which is that of identifiers where the texts are canonical; equal ones in the order
 * of rows, nulls last.
 * out   rows [n]
 * cost  O(n log n), 32 n bytes allocated
 * err   NO_MEMORY          since 0.1 */
UCID_API ucid_status ucid_texts_sort(int64_t n, const ucid_texts *texts, const ucid_allocator *allocator, int64_t *rows,
                                     ucid_error *error);

/* ------------------------------------------------------------------------------------------------- 3. Time keys -- */

/* A time key, "2026W01T12", is an ISO 8601 week and an hour of the day, in the city's local time, without a weekday. As
 * a number it is its Monday's: 168 * week + hour, counted from Monday 1969-12-29 00h, with hour 0..23, so that equal
 * keys are equal numbers; 1970W01T00 is 0. Years are 1..9999. */

#define UCID_TIME_LENGTH 10
#define UCID_HOUR_MIN (-17259816) /* 0001W01T00 */
#define UCID_HOUR_MAX 70389503    /* 9999W52T23 */

/* 53 or 52; 0 for a year outside 1..9999.                                                                since 0.1 */
UCID_API int ucid_year_weeks(int year);

/* Key of a text. err FIELD_FORMAT; INVALID_TIME: the year has no week 53                                  since 0.1 */
UCID_API ucid_status ucid_time_parse(ucid_text text, int32_t *hour, ucid_error *error);
/* Text of a key; 0, and nothing written, where the number is no key.                                      since 0.1 */
UCID_API int ucid_time_format(int32_t hour, char text[UCID_TIME_LENGTH + 1]);

/* Key some hours later or earlier; the weekday is dropped, so 2026W01T18 + 12 h is 2026W01T06. err INVALID_TIME:
 * outside the years 1..9999, or hour is no key                                                                    since
 * 0.1 */
UCID_API ucid_status ucid_time_add_hours(int32_t hour, int64_t hours, int32_t *later, ucid_error *error);
UCID_API ucid_status ucid_time_add_weeks(int32_t hour, int64_t weeks, int32_t *later, ucid_error *error);

/* The distinct keys of first, first + step, ... up to last, ascending.
 * out   hours [capacity], those that fit; *count: how many there are
 * err   INVALID_STEP, INVALID_TIME: first or last is no key          since 0.1 */
UCID_API ucid_status ucid_time_range(int32_t first, int32_t last, int64_t step_hours, int32_t *hours, int64_t capacity,
                                     int64_t *count, ucid_error *error);

/* Key of a moment: seconds since 1970-01-01 00h, of whatever clock the key shall show. err INVALID_TIME    since 0.1 */
UCID_API ucid_status ucid_time_from_seconds(int64_t seconds, int32_t *hour, ucid_error *error);
/* Seconds since 1970-01-01 00h of the key's hour on its Monday.                                           since 0.1 */
UCID_API int64_t ucid_time_to_seconds(int32_t hour);

/* 1 - |hour - now| / validity, not below 0.
 * in    validity_weeks >= 1          since 0.1 */
UCID_API double ucid_time_freshness(int32_t hour, int32_t now, int validity_weeks);
/* Weeks for which a score of a context stays valid, as the standard publishes it; 0 where it says nothing.  since 0.1
 */
UCID_API int ucid_time_validity_weeks(ucid_text context);

/* A time zone of the IANA database. */
typedef struct ucid_zone ucid_zone;

/* Open a zone by name ("Europe/Istanbul").
 * in    folder: the database's folder; NULL: TZDIR, else /usr/share/zoneinfo and its usual other places
 * err   FILE_NOT_FOUND: no such zone; DATA_ERROR: not a TZif file; NO_MEMORY
 * safe  an opened zone may be shared by threads          since 0.1 */
UCID_API ucid_status ucid_zone_open(const char *name, const char *folder, const ucid_allocator *allocator,
                                    ucid_zone **zone, ucid_error *error);
UCID_API void ucid_zone_close(ucid_zone *zone); /* NULL is fine */
/* Seconds that the zone is ahead of UTC at a moment of UTC.                                               since 0.1 */
UCID_API int32_t ucid_zone_offset(const ucid_zone *zone, int64_t seconds);
/* Key in UTC of a local key: the hour is shifted inside its week, modulo 24, by the zone's offset on Thursday noon in
 * whole hours, halves away from zero; ucid_time_from_utc takes it back.
 * err   INVALID_TIME: hour is no key          since 0.1 */
UCID_API ucid_status ucid_time_to_utc(int32_t hour, const ucid_zone *zone, int32_t *utc, ucid_error *error);
UCID_API ucid_status ucid_time_from_utc(int32_t utc, const ucid_zone *zone, int32_t *hour, ucid_error *error);

/* ---------------------------------------------------------------------------------------------------- 4. Cities -- */

/* A city. Texts are borrowed from the registry. */
typedef struct ucid_city {
    char code[4];         /* "IST" */
    char country[3];      /* ISO 3166 alpha-2; "XX" for none */
    const char *name;     /* UTF-8 */
    const char *region;   /* ISO 3166-2, first level, without the country: "NY"; "" where unknown */
    const char *timezone; /* IANA name */
    int64_t population;
    double lat_deg, lon_deg;
    double min_lat_deg, min_lon_deg, max_lat_deg, max_lon_deg; /* min_lon > max_lon crosses the antimeridian */
    int box_estimated; /* 1: a square about the centre, sqrt(population / 3000) km wide, within 10..100 km */
} ucid_city;

/* Read a file of cities over the built-in ones: its rows add or replace. CSV with the header
 * code,name,country,region,lat,lon,bbox,population,tz; region, bbox ("min_lat min_lon max_lat max_lon") and population
 * may be empty.
 * err   FILE_NOT_FOUND, REGISTRY_ERROR (naming the line), NO_MEMORY
 * safe  an opened registry may be shared by threads
 * ref   docs/cities.md          since 0.1 */
UCID_API ucid_status ucid_registry_open(const char *path, const ucid_allocator *allocator, ucid_registry **registry,
                                        ucid_error *error);
/* The same of bytes in memory, which may go afterwards.                                                   since 0.1 */
UCID_API ucid_status ucid_registry_open_memory(const void *bytes, size_t length, const ucid_allocator *allocator,
                                               ucid_registry **registry, ucid_error *error);
UCID_API void ucid_registry_close(ucid_registry *registry); /* NULL is fine */

/* Number of cities. NULL here and below: the built-in registry.                                           since 0.1 */
UCID_API int64_t ucid_registry_count(const ucid_registry *registry);
/* City at a position, 0..count-1, ascending by code. 0, and nothing written, past the end.                since 0.1 */
UCID_API int ucid_city_at(const ucid_registry *registry, int64_t position, ucid_city *city);
/* City of a code in any case; city may be NULL. err CITY_NOT_FOUND                                        since 0.1 */
UCID_API ucid_status ucid_city_get(const ucid_registry *registry, ucid_text code, ucid_city *city, ucid_error *error);

/* Cities that a text fits: the code itself, then names that start with it, then names that hold it, each by falling
 * population. Case and accents of Latin letters do not count. Empty: all cities, by code.
 * in    country: only of this one; empty: of all
 * out   positions [capacity], those that fit; returns how many there are          since 0.1 */
UCID_API int64_t ucid_city_search(const ucid_registry *registry, ucid_text text, ucid_text country, int64_t *positions,
                                  int64_t capacity);

/* City whose centre is nearest to a coordinate, and how far it is. Codes of country XX are no places.
 * out   city, dist_m: may be NULL
 * err   INVALID_COORDINATES          since 0.1 */
UCID_API ucid_status ucid_city_nearest(const ucid_registry *registry, double lat_deg, double lon_deg, ucid_city *city,
                                       double *dist_m, ucid_error *error);

/* ----------------------------------------------------------------------------------------------------- 5. Cells -- */

/* Cells are those of H3 4 (https://h3geo.org): a 64-bit number for one of 2 + 120 * 7^r areas of resolution r, 0..15.
 * The number 0 is no cell and stands for "none". The same coordinate gives the same cell on every machine. */

/* Cell that holds a coordinate; 0 where it is not finite or out of +-90, +-180, or resolution is not 0..15.
 * cost  some 50 ns; no allocation
 * safe  any number of threads
 * ref   docs/cells.md          since 0.1 */
UCID_API uint64_t ucid_cell_at(double lat_deg, double lon_deg, int resolution);

/* The same for columns.
 * in    lat_deg, lon_deg [n] degrees, any value; validity [n] bits or NULL; resolution 0..15
 * out   cells [n], 0 for a bad row; status [n]: OK, NULL_INPUT or INVALID_COORDINATES; may be NULL
 * cost  O(n), some 20 ns a row; no allocation
 * err   INVALID_ARGUMENT: resolution
 * safe  any number of threads
 * ref   docs/cells.md          since 0.1 */
UCID_API ucid_status ucid_cells_at(int64_t n, const double *lat_deg, const double *lon_deg, const uint8_t *validity,
                                   int resolution, uint64_t *cells, uint8_t *status, ucid_error *error);

/* 1 for a cell, 0 for any other number (edges and vertices of H3 too).                                    since 0.1 */
UCID_API int ucid_cell_is_valid(uint64_t cell);
/* Resolution of a cell, 0..15; of another number, -1.                                                     since 0.1 */
UCID_API int ucid_cell_resolution(uint64_t cell);

/* 15 lower hexadecimal digits and a NUL.                                                                  since 0.1 */
UCID_API void ucid_cell_format(uint64_t cell, char text[16]);
/* Cell of its 15 hexadecimal digits, in either case; 0 where the text is not that of a cell.              since 0.1 */
UCID_API uint64_t ucid_cell_parse(const char *text, size_t length);

/* Centre of a cell, in degrees. err INVALID_H3                                                            since 0.1 */
UCID_API ucid_status ucid_cell_centre(uint64_t cell, double *lat_deg, double *lon_deg, ucid_error *error);
/* The same for columns; NaN for what is no cell.                                                          since 0.1 */
UCID_API void ucid_cells_centres(int64_t n, const uint64_t *cells, double *lat_deg, double *lon_deg);

#define UCID_CELL_CORNERS_MAX 10

/* Corners of a cell, counter-clockwise, not closed; 5 to 10 of them (more than 6 where a cell lies across an edge of
 * the icosahedron). err INVALID_H3                                                                        since 0.1 */
UCID_API ucid_status ucid_cell_boundary(uint64_t cell, double lat_deg[UCID_CELL_CORNERS_MAX],
                                        double lon_deg[UCID_CELL_CORNERS_MAX], int *count, ucid_error *error);

/* Cell of a coarser or the same resolution that a cell belongs to; 0 where there is none.                 since 0.1 */
UCID_API uint64_t ucid_cell_parent(uint64_t cell, int resolution);
/* The same for columns.
 * in    cells [n]; validity [n] bits or NULL
 * out   parents [n], 0 for a bad row; status [n]: OK, NULL_INPUT or INVALID_H3 (no cell, or coarser); may be NULL
 * err   INVALID_ARGUMENT: resolution          since 0.1 */
UCID_API ucid_status ucid_cells_parents(int64_t n, const uint64_t *cells, const uint8_t *validity, int resolution,
                                        uint64_t *parents, uint8_t *status, ucid_error *error);

/* Number of cells of a finer or the same resolution inside a cell; 0 where there are none.                since 0.1 */
UCID_API int64_t ucid_cell_children_count(uint64_t cell, int resolution);
/* These cells, ascending.
 * out   children [ucid_cell_children_count(cell, resolution)]
 * err   INVALID_H3, INVALID_ARGUMENT: resolution          since 0.1 */
UCID_API ucid_status ucid_cell_children(uint64_t cell, int resolution, uint64_t *children, ucid_error *error);

/* Cells within k steps of a cell, itself among them, ascending: 3k(k+1) + 1 of them, fewer around a pentagon.
 * in    k 0..1000
 * out   cells [3k(k+1) + 1], *count
 * cost  O(k^2); allocates where a pentagon is near
 * err   INVALID_H3, INVALID_ARGUMENT: k, NO_MEMORY          since 0.1 */
UCID_API ucid_status ucid_cell_disk(uint64_t cell, int k, uint64_t *cells, int64_t *count, ucid_error *error);

/* Area of a cell on a sphere of 6,371,007 m, square metres; NaN for what is no cell. The last digits may differ
 * between machines.                                                                                       since 0.1 */
UCID_API double ucid_cell_area_m2(uint64_t cell);
/* Mean length of a cell's edges at a resolution, metres; NaN where it is not 0..15.                       since 0.1 */
UCID_API double ucid_cell_edge_m(int resolution);

/* Cells whose centres lie in an area, in ascending order. */
typedef struct ucid_grid ucid_grid;

/* The area is a box: min_lat <= lat < max_lat and min_lon <= lon < max_lon; min_lon > max_lon crosses the antimeridian.
 * A centre at longitude 180 counts as -180; max_lat 90 includes the pole.
 * out   *grid: to be closed with ucid_grid_close
 * cost  memory does not depend on the number of cells; time linear in it
 * err   INVALID_ARGUMENT (a coordinate out of range, min_lat > max_lat, resolution), NO_MEMORY
 * safe  one thread at a time for one grid          since 0.1 */
UCID_API ucid_status ucid_grid_open_box(double min_lat_deg, double min_lon_deg, double max_lat_deg, double max_lon_deg,
                                        int resolution, const ucid_allocator *allocator, ucid_grid **grid,
                                        ucid_error *error);

/* The area is a polygon: what an odd number of its rings holds. Edges are straight in latitude and longitude, and go
 * the shorter way around in longitude. A ring around a pole holds the pole that is nearer to its mean latitude.
 * in    ring_corners [ring_count]: corners of each ring, >= 3, not closed or closed; lat_deg, lon_deg [sum] corners
 * err   INVALID_ARGUMENT (a ring of fewer than 3 corners, a coordinate out of range, resolution), NO_MEMORY
 * cost, safe  as for a box; O(log) of the corners a cell          since 0.1 */
UCID_API ucid_status ucid_grid_open_polygon(int64_t ring_count, const int64_t *ring_corners, const double *lat_deg,
                                            const double *lon_deg, int resolution, const ucid_allocator *allocator,
                                            ucid_grid **grid, ucid_error *error);

/* The next cells.
 * out   cells, and where not NULL lat_deg, lon_deg of their centres, [capacity]
 * ret   how many; 0 at the end          since 0.1 */
UCID_API int64_t ucid_grid_next(ucid_grid *grid, int64_t capacity, uint64_t *cells, double *lat_deg, double *lon_deg);
UCID_API void ucid_grid_close(ucid_grid *grid); /* NULL is fine */

/* -------------------------------------------------------------------------------------------------- 6. Contexts -- */

/* Grades of a score of 0..100: A+ from 95, A 85, B 70, C 55, D 40, else F. */
enum { UCID_GRADE_F = 0, UCID_GRADE_D, UCID_GRADE_C, UCID_GRADE_B, UCID_GRADE_A, UCID_GRADE_A_PLUS };

/* "F", "D", "C", "B", "A", "A+".                                                                         since 0.1 */
UCID_API const char *ucid_grade_text(uint8_t grade);

#define UCID_PARTS_MAX 8

/* A context: what is scored, and how. Borrowed, static. */
typedef struct ucid_context {
    const char *id;                         /* "15MIN" */
    int validity_weeks;                     /* how long data stays fresh */
    int part_count;                         /* components of the score */
    const char *part_key[UCID_PARTS_MAX];   /* "grocery", ... */
    const char *part_title[UCID_PARTS_MAX]; /* "Groceries", for people */
    double part_weight[UCID_PARTS_MAX];     /* sum 1 */
} ucid_context;

/* Context by id; NULL where there is none.                                                               since 0.1 */
UCID_API const ucid_context *ucid_context_get(const char *id);
/* Contexts in table order; NULL past the end.                                                            since 0.1 */
UCID_API const ucid_context *ucid_context_at(int position);

/* A component of a score that is a function of one number: 0 up to `zero`, 100 from `full` on, straight between them;
 * zero is above full where less is better. These are formulas of the standard for contexts that the library does not
 * compute by itself; who has the numbers, a plug-in for example, gets the standard's scores. Borrowed, static. */
typedef struct ucid_component {
    const char *context; /* "TRANSIT" */
    const char *key;     /* "accessibility" */
    const char *input;   /* what the number is, and its unit: "stop_m" */
    double weight;       /* in the context's score */
    double zero, full;   /* 500, 300 */
} ucid_component;

/* Component of a context by key; NULL where there is none.                                               since 0.1 */
UCID_API const ucid_component *ucid_component_get(const char *context, const char *key);
/* Components in table order; NULL past the end.                                                          since 0.1 */
UCID_API const ucid_component *ucid_component_at(int position);
/* Scores of a column of numbers.
 * in    values [n], in the unit of the component's input; NaN gives NaN
 * out   scores [n], 0..100, not rounded; may be values
 * ref   docs/contexts.md          since 0.1 */
UCID_API void ucid_component_scores(const ucid_component *component, int64_t n, const double *values, double *scores);
/* The same of a number with limits of one's own: 0 at min, 100 at max, or the other way round; 50 where min is max; NaN
 * where one of them is.                                                                                   since 0.1 */
UCID_API double ucid_normalize(double value, double min, double max, int invert);
/* 100 (1 - G) of n >= 1 values, none negative; G is the Gini coefficient, the sum of |x_i - x_j| over all i and j
 * divided by 2 n^2 times the mean: 100 where all are equal. Of access to services by terciles of income it is EQUITY's
 * income_equity. NaN where a value is negative, infinite or NaN, or n < 1. cost O(n^2)                     since 0.1 */
UCID_API double ucid_equality(int64_t n, const double *values);

/* ----------------------------------------------------------------------------------------------------- 7. Index -- */

typedef struct ucid_index ucid_index;

typedef struct ucid_build_options {
    size_t size;
    const ucid_allocator *allocator;
    int threads;               /* >= 1 */
    double cutoff_m;           /* reach on the network, 100..2000; 1200 */
    double snap_limit_m;       /* farthest street a place may be snapped to, 10..1000; 300 */
    double buffer_m;           /* network kept around the boundary, metres; 1500 */
    const char *boundary_path; /* GeoJSON polygon whose inside is reported, or NULL: the whole extract */
    ucid_progress_fn progress; /* or NULL */
    void *progress_ctx;
} ucid_build_options;
#define UCID_BUILD_OPTIONS_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(ucid_build_options), NULL, 1, 1200.0, 300.0, 1500.0, NULL, NULL, NULL                                   \
    }

/* Compile an OpenStreetMap extract into an index file.
 * in    pbf_path: .osm.pbf; options may be NULL
 * out   out_path: written beside, synced, then renamed; on failure an older file stays as it was
 * cost  linear in the extract; memory linear in the walkable network, not in the extract
 * err   FILE_NOT_FOUND, DATA_ERROR (not a PBF, truncated, no street), UNSUPPORTED_FORMAT (compression not built in),
 *       IO_ERROR, NO_MEMORY, CANCELLED
 * safe  any number of builds at once
 * ref   docs/index-format.md, docs/contexts.md          since 0.1 */
UCID_API ucid_status ucid_index_build(const char *pbf_path, const char *out_path, const ucid_build_options *options,
                                      ucid_error *error);

/* How wide a street is drawn: foot paths, steps and tracks; service and pedestrian streets; streets of quarters;
 * tertiary and secondary roads; primary roads and wider. */
enum {
    UCID_STREET_PATH = 0,
    UCID_STREET_LANE,
    UCID_STREET_LOCAL,
    UCID_STREET_ROAD,
    UCID_STREET_MAIN,
    UCID_STREET_RANKS
};

/* A street network as data frames hold it. Streets are walked both ways. */
typedef struct ucid_network {
    size_t size;
    /* Points where edges end: junctions, and bends where edges are straight pieces. */
    int64_t node_count;
    const double *node_lat_deg, *node_lon_deg; /* [node_count] -89..89, -180..180 */
    const uint8_t *node_end; /* [node_count] not 0 where streets go on but the data do not, or NULL: nowhere */
    /* Straight lines between two nodes. One from a node to itself is left out; of several between the same two the
     * shortest counts. */
    int64_t edge_count;
    const int64_t *edge_from, *edge_to; /* [edge_count] rows of nodes */
    const double *edge_m;               /* [edge_count] metres walked, 0..50000, or NULL: as long as they are drawn */
    const uint8_t *edge_rank;           /* [edge_count] UCID_STREET_*, for maps alone, or NULL: LOCAL */
    /* What can be reached: each counts, so one that is mapped twice must be there once. */
    int64_t place_count;
    const double *place_lat_deg, *place_lon_deg; /* [place_count] */
    ucid_texts place_tag;                        /* [place_count] "shop=bakery": docs/contexts.md */
    ucid_texts place_name;                       /* [place_count], or data NULL: none has a name */
    const int64_t *place_osm_id;                 /* [place_count] what explanations show, or NULL: row numbers */
    const char *place_osm_type;                  /* [place_count] 'n', 'w' or 'r', or NULL: 'n' */
    int64_t data_time;                           /* seconds since 1970 of the data; 0: unknown */
} ucid_network;
#define UCID_NETWORK_INIT                                                                                              \
    {                                                                                                                  \
        sizeof(ucid_network), 0, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, 0, NULL, NULL,                           \
            {NULL, NULL, NULL, 0, NULL}, {NULL, NULL, NULL, 0, NULL}, NULL, NULL, 0                                    \
    }

/* Compile a network in memory into an index file: what ucid_index_build does once an extract is read.
 * in    network: arrays are borrowed for the call; options may be NULL
 * out   out_path: as ucid_index_build; same arrays and options, same bytes
 * cost  linear in the network
 * err   DATA_ERROR with the row: a number that is NaN or out of range, a node that is not there, a tag that counts for
 *       nothing; DATA_ERROR: no edge, or lengths that are not metres; INVALID_ARGUMENT: an array is missing, a count is
 *       negative or too large; IO_ERROR, NO_MEMORY, CANCELLED
 * safe  any number of builds at once
 * ref   docs/index-format.md, docs/contexts.md          since 0.1 */
UCID_API ucid_status ucid_index_build_network(const ucid_network *network, const char *out_path,
                                              const ucid_build_options *options, ucid_error *error);

/* Map an index read-only and check its header and every bound that the kernels rely on.
 * in    allocator may be NULL
 * out   *index: to be closed with ucid_index_close
 * cost  <= 1 ms whatever the size; pages are read when they are first used
 * err   FILE_NOT_FOUND, INDEX_FORMAT, INDEX_CORRUPT, NO_MEMORY
 * safe  the opened index may be shared by threads and across fork          since 0.1 */
UCID_API ucid_status ucid_index_open(const char *path, const ucid_allocator *allocator, ucid_index **index,
                                     ucid_error *error);
/* The same over bytes that the caller keeps alive and unchanged, aligned to 64.                          since 0.1 */
UCID_API ucid_status ucid_index_open_memory(const void *bytes, size_t length, const ucid_allocator *allocator,
                                            ucid_index **index, ucid_error *error);
UCID_API void ucid_index_close(ucid_index *index); /* NULL is fine */

/* Verify everything: all checksums and all invariants of docs/index-format.md. Reads the whole file.
 * err   INDEX_CORRUPT, naming the section          since 0.1 */
UCID_API ucid_status ucid_index_check(const ucid_index *index, ucid_error *error);

/* What an index holds. Texts are borrowed from the index. */
typedef struct ucid_index_info {
    char id[65];     /* sha256 of the content, lower hex: names this index in outputs and catalogs */
    uint32_t format; /* version of the file format */
    uint64_t byte_length;
    uint32_t data_hour; /* time key (section 3) of the extract; 0: it has no date */
    double min_lat_deg, min_lon_deg, max_lat_deg, max_lon_deg; /* of the network; min_lon > max_lon crosses 180 */
    double cutoff_m, snap_limit_m;
    uint64_t node_count, edge_count, segment_count, street_m; /* street_m: metres of walkable network */
    uint64_t component_count, island_edge_count;
    double largest_component;                   /* share of the network's length, 0..1 */
    uint64_t opportunity_count[UCID_PARTS_MAX]; /* of each part of 15MIN */
    double area_km2;      /* of the boundary where there is one, else of the snap grid's covered cells */
    const char *json;     /* all of this and more: inputs with sha256, options, versions, rules applied */
    uint32_t parts_known; /* bit p: enough places of part p of 15MIN were mapped, so that where none is near none is */
} ucid_index_info;
UCID_API void ucid_index_info_get(const ucid_index *index, ucid_index_info *info);
/* Cells of resolution 7 that hold network, ascending; borrowed. Returns their number.                    since 0.1 */
UCID_API int64_t ucid_index_coverage_get(const ucid_index *index, const uint64_t **cells);
/* sha256 of a file in lower hex, as catalogs name it. err FILE_NOT_FOUND, IO_ERROR                        since 0.1 */
UCID_API ucid_status ucid_file_sha256(const char *path, char hex[65], ucid_error *error);

/* One street between two junctions, as a line to draw.
 * in    street: 0 .. edge_count - 1
 * out   lat_deg, lon_deg [capacity]: as many points as fit; longitudes run on beyond 180 where the region does; rank:
 *       UCID_STREET_*
 * cost  O(points), allocates nothing
 * err   the number of the street's points, which may be more than fit; 0 and nothing set where there is no such street
 * safe  any number of calls on one index at once          since 0.1 */
UCID_API int64_t ucid_index_street_get(const ucid_index *index, uint64_t street, int64_t capacity, double *lat_deg,
                                       double *lon_deg, int *rank);

/* ----------------------------------------------------------------------------------------------------- 8. Score -- */

enum { UCID_FLAG_ESTIMATED = 1, UCID_FLAG_OUTDATED = 2 }; /* bits of ucid_scores.flags */

typedef struct ucid_score_options {
    size_t size;
    const ucid_allocator *allocator;
    int threads;         /* >= 1 */
    const char *context; /* "15MIN" */
    uint32_t hour;       /* time key of all rows; UINT32_MAX: the index's own week, so that its data are fresh */
} ucid_score_options;
#define UCID_SCORE_OPTIONS_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(ucid_score_options), NULL, 1, "15MIN", UINT32_MAX                                                       \
    }

/* Output arrays of ucid_score, [n] each; any may be NULL. Rows whose status is an error (NULL_INPUT,
 * INVALID_COORDINATES, OUTSIDE_INDEX) get NaN in every double, UCID_GRADE_F, and no flags; OFF_NETWORK gets score 0,
 * confidence 0.10, parts 0. */
typedef struct ucid_scores {
    double *score;                     /* 0..100, multiples of 0.01 */
    uint8_t *grade;                    /* UCID_GRADE_* of the score */
    double *confidence;                /* 0..1, multiples of 0.01 */
    uint8_t *status;                   /* ucid_status of the row */
    uint8_t *flags;                    /* UCID_FLAG_* */
    double *snap_m;                    /* metres from the place to its street */
    double *part[UCID_PARTS_MAX];      /* 0..100, each component by itself */
    double *nearest_m[UCID_PARTS_MAX]; /* metres walked to the nearest of the component; NaN: none in reach */
} ucid_scores;

/* Score places in a context.
 * in    lat_deg, lon_deg [n] degrees; validity [n] bits or NULL. Any value is allowed, NaN and infinities too.
 * out   scores: the arrays that it names, each [n]
 * cost  O(n); one scratch allocation a call and thread, none a row, none for up to 64 rows
 * err   CONTEXT_NOT_FOUND, INVALID_ARGUMENT, NO_MEMORY; rows: NULL_INPUT, INVALID_COORDINATES, OUTSIDE_INDEX,
 *       OFF_NETWORK, ISLAND, NEAR_BOUNDARY
 * safe  any number of calls on one index at once
 * ref   docs/contexts.md          since 0.1 */
UCID_API ucid_status ucid_score(const ucid_index *index, int64_t n, const double *lat_deg, const double *lon_deg,
                                const uint8_t *validity, const ucid_score_options *options, const ucid_scores *scores,
                                ucid_error *error);

/* One place that counts for a score. Texts are borrowed from the index. */
typedef struct ucid_reason {
    int part;      /* component of the context */
    int counted;   /* 1: among the nearest that fill the component; 0: in reach, but the component is full */
    char osm_type; /* 'n', 'w', 'r' */
    int64_t osm_id;
    const char *name;  /* "" where it has none */
    const char *tag;   /* "shop=bakery" */
    double quality;    /* 0.75, ... */
    double distance_m; /* metres walked, both gaps included */
    double lat_deg, lon_deg;
} ucid_reason;

typedef struct ucid_explanation ucid_explanation;

/* Why a place has its score: a walk from the place over the street graph, not the precomputed lists.
 * out   *explanation: to be freed with ucid_explanation_free; reasons sorted by part, distance, OSM type and id
 * cost  O(streets in reach)
 * err   as ucid_score; a bad place is an error here
 * safe  any number of calls on one index at once; the explanation borrows from the index          since 0.1 */
UCID_API ucid_status ucid_explain(const ucid_index *index, double lat_deg, double lon_deg,
                                  const ucid_score_options *options, ucid_explanation **explanation, ucid_error *error);
UCID_API void ucid_explanation_free(ucid_explanation *explanation);
UCID_API int64_t ucid_explanation_reasons_get(const ucid_explanation *explanation, const ucid_reason **reasons);
/* The score itself, as ucid_score gives it; pointers in *scores are borrowed arrays of one element. */
UCID_API void ucid_explanation_scores_get(const ucid_explanation *explanation, ucid_scores *scores);

/* Several indexes as one: each place goes to the index that answers for it. That is, of the indexes whose coverage
 * holds the place's cell of resolution 7, the one with the newest data, then the least id; where there is none, the
 * first in that order whose network's box holds the place, or has a street near it. So the answer does not depend on
 * the order in which they are given. */
typedef struct ucid_catalog ucid_catalog;

/* in    indexes [count], count >= 1, which must outlive the catalog
 * err   INVALID_ARGUMENT: no index; NO_MEMORY
 * safe  a catalog may be shared by threads          since 0.1 */
UCID_API ucid_status ucid_catalog_new(int64_t count, const ucid_index *const *indexes, const ucid_allocator *allocator,
                                      ucid_catalog **catalog, ucid_error *error);

/* What a catalog must know of an index that is not there yet: as ucid_index_info and ucid_index_coverage_get tell. */
typedef struct ucid_catalog_entry {
    const char *id; /* 64 hexadecimal digits */
    uint32_t data_hour;
    double min_lat_deg, min_lon_deg, max_lat_deg, max_lon_deg;
    const uint64_t *coverage; /* [coverage_count] cells of resolution 7 */
    int64_t coverage_count;
} ucid_catalog_entry;

/* Give the index of an entry: fetched, checked and opened. It must outlive the catalog. Called when a place first needs
 * it, by whatever thread asks, one at a time; not again once it has succeeded. */
typedef ucid_status (*ucid_catalog_open_fn)(void *ctx, int64_t position, const ucid_index **index, ucid_error *error);

/* The same of indexes that are opened only when a place needs them.
 * in    entries [count], copied
 * err   INVALID_ARGUMENT: no entry, or an id that is none; NO_MEMORY
 * safe  a catalog may be shared by threads          since 0.1 */
UCID_API ucid_status ucid_catalog_new_lazy(int64_t count, const ucid_catalog_entry *entries, ucid_catalog_open_fn open,
                                           void *ctx, const ucid_allocator *allocator, ucid_catalog **catalog,
                                           ucid_error *error);
UCID_API void ucid_catalog_free(ucid_catalog *catalog); /* NULL is fine */
/* Index at a position, as given; NULL past the end, and for one that no place has needed yet.            since 0.1 */
UCID_API const ucid_index *ucid_catalog_index(const ucid_catalog *catalog, int64_t position);
/* Position of the index that answers for a place; -1 where there is none, or where one that must be asked cannot be
 * opened.          since 0.1 */
UCID_API int64_t ucid_catalog_find(const ucid_catalog *catalog, double lat_deg, double lon_deg);

/* ucid_score over a catalog, and with a time key a row where wanted.
 * in    hour [n] time keys, or NULL: options->hour for all rows. A row whose key is before 1970 or no key gets
 *       INVALID_TIME.
 * out   scores as in ucid_score; a place that no index answers for gets OUTSIDE_INDEX
 * cost  as ucid_score; rows of one batch that need several indexes or keys are gathered once
 * err   as ucid_score, and what opening an index gives          since 0.1 */
UCID_API ucid_status ucid_catalog_score(const ucid_catalog *catalog, int64_t n, const double *lat_deg,
                                        const double *lon_deg, const uint8_t *validity, const int32_t *hour,
                                        const ucid_score_options *options, const ucid_scores *scores,
                                        ucid_error *error);

/* ------------------------------------------------------------------------------------------------- 9. Aggregate -- */

/* Groups of scored rows, by parent cell or by a text key (a city, a region, a country), as partial states that merge:
 * sums of integers (scores and confidences in hundredths, weights in 1/1024). Whatever the split, the order and the
 * number of threads, the same rows give the same bytes.
 *
 *     rows --add_cells, add_keys--> aggregate --finish--> one row a group
 *                                    |     ^
 *                            states_get   add_states        the same groups as int64 columns, to be stored or sent
 */
typedef struct ucid_aggregate ucid_aggregate;

enum { UCID_AGGREGATE_TEXT = -1, UCID_AGGREGATE_TEXT_MAX = 16 }; /* bytes of a text key */

typedef struct ucid_aggregate_options {
    size_t size;
    const ucid_allocator *allocator;
    int threads;    /* >= 1 */
    int resolution; /* 0..15: groups are cells of it; UCID_AGGREGATE_TEXT: groups are text keys */
} ucid_aggregate_options;
#define UCID_AGGREGATE_OPTIONS_INIT                                                                                    \
    {                                                                                                                  \
        sizeof(ucid_aggregate_options), NULL, 1, 7                                                                     \
    }

/* Rows to be added. A row without a value (validity bit 0, score NaN or outside 0..100, confidence NaN or outside 0..1,
 * weight NaN, negative or above 2^30) only counts as a null of its group. */
typedef struct ucid_aggregate_rows {
    const double *score;      /* [n] 0..100, taken to hundredths */
    const double *confidence; /* [n] 0..1, taken to hundredths; or NULL: 0 */
    const uint8_t *grade;     /* [n] UCID_GRADE_*; or NULL: of the score */
    const double *weight;     /* [n] taken to 1/1024; or NULL: 1 */
    const uint8_t *validity;  /* [n] bits; or NULL */
} ucid_aggregate_rows;
#define UCID_AGGREGATE_ROWS_INIT                                                                                       \
    {                                                                                                                  \
        NULL, NULL, NULL, NULL, NULL                                                                                   \
    }

/* Columns of the state of a group: X(name, meaning). 128-bit sums are two columns, low half first. */
#define UCID_AGGREGATE_COLUMN_LIST(X)                                                                                  \
    X(ROWS, "rows", "rows with a value")                                                                               \
    X(NULLS, "nulls", "rows without")                                                                                  \
    X(MIN, "min", "least score, hundredths; 10001 where there is none")                                                \
    X(MAX, "max", "greatest score, hundredths; -1 where there is none")                                                \
    X(GRADE_F, "grade_f", "rows of grade F")                                                                           \
    X(GRADE_D, "grade_d", "rows of grade D")                                                                           \
    X(GRADE_C, "grade_c", "rows of grade C")                                                                           \
    X(GRADE_B, "grade_b", "rows of grade B")                                                                           \
    X(GRADE_A, "grade_a", "rows of grade A")                                                                           \
    X(GRADE_A_PLUS, "grade_a_plus", "rows of grade A+")                                                                \
    X(WEIGHT, "weight_low", "sum of weights, 1/1024")                                                                  \
    X(WEIGHT_HIGH, "weight_high", "its upper 64 bits")                                                                 \
    X(SCORE, "score_low", "sum of weight times score")                                                                 \
    X(SCORE_HIGH, "score_high", "its upper 64 bits")                                                                   \
    X(SQUARE, "square_low", "sum of weight times score squared")                                                       \
    X(SQUARE_HIGH, "square_high", "its upper 64 bits")                                                                 \
    X(CONFIDENCE, "confidence_low", "sum of weight times confidence")                                                  \
    X(CONFIDENCE_HIGH, "confidence_high", "its upper 64 bits")

typedef enum ucid_aggregate_column {
#define UCID_AGGREGATE_COLUMN_ENUM(name, text, meaning) UCID_AGGREGATE_##name,
    UCID_AGGREGATE_COLUMN_LIST(UCID_AGGREGATE_COLUMN_ENUM)
#undef UCID_AGGREGATE_COLUMN_ENUM
        UCID_AGGREGATE_COLUMNS
} ucid_aggregate_column;

/* Name of a state column: "score_low"; NULL past the end.                                                since 0.1 */
UCID_API const char *ucid_aggregate_column_name(int column);

/* An empty aggregate. err INVALID_ARGUMENT, NO_MEMORY. safe one thread at a time on one aggregate.       since 0.1 */
UCID_API ucid_status ucid_aggregate_new(const ucid_aggregate_options *options, ucid_aggregate **aggregate,
                                        ucid_error *error);
UCID_API void ucid_aggregate_free(ucid_aggregate *aggregate); /* NULL is fine */

/* Add rows to the groups of their cells' parents.
 * in    cells [n]; one that is no cell, or is coarser than the groups, makes a null of group 0
 * cost  O(n); neighbouring rows of one group cost one look-up, so ascending cells are nearly free
 * err   INVALID_ARGUMENT (an aggregate by text), NO_MEMORY: some rows may have been added, free the aggregate
 * since 0.1 */
UCID_API ucid_status ucid_aggregate_add_cells(ucid_aggregate *aggregate, int64_t n, const uint64_t *cells,
                                              const ucid_aggregate_rows *rows, ucid_error *error);
/* Add rows to the groups of their texts: row i has text[offsets[i]..offsets[i + 1]), as Arrow has them.
 * err   INVALID_ARGUMENT: an aggregate by cells; a text of over 16 bytes or with a NUL (the row is named, nothing was
 *       added); NO_MEMORY as above          since 0.1 */
UCID_API ucid_status ucid_aggregate_add_keys(ucid_aggregate *aggregate, int64_t n, const char *text,
                                             const int32_t *offsets, const ucid_aggregate_rows *rows,
                                             ucid_error *error);
/* Add states of groups, of equal or finer cells, or of texts (padded with NULs): [n] of each column.
 * err   INVALID_ARGUMENT: wrong kind of key; a negative count (the row is named); NO_MEMORY          since 0.1 */
UCID_API ucid_status ucid_aggregate_add_states(ucid_aggregate *aggregate, int64_t n, const uint64_t *cells,
                                               const char (*text)[UCID_AGGREGATE_TEXT_MAX],
                                               const int64_t *const columns[UCID_AGGREGATE_COLUMNS], ucid_error *error);
/* Add all groups of another aggregate: of the same kind, of equal or finer resolution (so a roll-up is a merge into a
 * coarser aggregate). `from` keeps its groups.          since 0.1 */
UCID_API ucid_status ucid_aggregate_merge(ucid_aggregate *aggregate, ucid_aggregate *from, ucid_error *error);

/* Put the groups in order and tell their number; needed before the two functions below.                  since 0.1 */
UCID_API ucid_status ucid_aggregate_sort(ucid_aggregate *aggregate, int64_t *groups, ucid_error *error);
/* States of all groups, ascending by key: [groups] each, any may be NULL.                                since 0.1 */
UCID_API void ucid_aggregate_states_get(const ucid_aggregate *aggregate, uint64_t *cells,
                                        char (*text)[UCID_AGGREGATE_TEXT_MAX],
                                        int64_t *const columns[UCID_AGGREGATE_COLUMNS]);

/* One row a group, [count] each, any may be NULL. A group without weight has NaN in mean, std and confidence, one
 * without rows also in min and max. */
typedef struct ucid_aggregates {
    uint64_t *cell;                        /* 0: rows without a cell */
    char (*text)[UCID_AGGREGATE_TEXT_MAX]; /* padded with NULs */
    int64_t *rows, *nulls;
    double *weight;
    double *mean, *std, *min, *max; /* of the score; std over all rows, not of a sample */
    double *confidence;             /* mean, of the same weights */
    uint8_t *grade;                 /* of the mean, taken to hundredths */
    int64_t *grade_rows[6];         /* by UCID_GRADE_* */
} ucid_aggregates;

/* Results of groups [first, first + count), ascending by key.                                            since 0.1 */
UCID_API void ucid_aggregate_finish(const ucid_aggregate *aggregate, int64_t first, int64_t count,
                                    const ucid_aggregates *out);

/* -------------------------------------------------------------------------------------------------- 10. Zones -- */

/* Zones are areas with a number: districts, catchments, tracts. They are compiled once, in memory or into a file that
 * any number of processes map, and then asked where places are.
 *
 *     rings --builder_add, builder_add_wkb--> builder --build--> zones --within, nearest--> numbers of zones
 *                                                                | ^
 *                                                            write open
 *
 * A place is in a zone if an odd number of the zone's rings is around it: holes and further polygons are rings like the
 * others, and a ring that crosses itself is inside where it winds an odd number of times. Edges are straight in
 * latitude and longitude and go the shorter way around in longitude, but all around where they span exactly 360 degrees
 * of one parallel. A ring around a pole holds the pole that is nearer to its mean latitude. Corners and places are
 * taken to 1e-7 degrees, and all that follows is exact: a place on a border is in the zone just east of it; on a border
 * along a parallel, just north. So zones that share their borders corner by corner leave no place out and hold none
 * twice. Longitude 180 counts as -180, latitude 90 as 89.9999999. A zone's number is its position; where zones overlap,
 * the first is the one of the smallest number. */
typedef struct ucid_zones ucid_zones;
typedef struct ucid_zones_builder ucid_zones_builder;

/* An empty set of zones. allocator may be NULL; it serves the zones too.
 * err   NO_MEMORY
 * safe  one thread at a time          since 0.1 */
UCID_API ucid_status ucid_zones_builder_new(const ucid_allocator *allocator, ucid_zones_builder **builder,
                                            ucid_error *error);
UCID_API void ucid_zones_builder_free(ucid_zones_builder *builder); /* NULL is fine */

/* Add a zone: its number is how many were there before.
 * in    ring_corners [ring_count]: corners of each ring, not closed or closed; fewer than three hold nothing; no ring:
 *       a zone that holds nothing. lat_deg, lon_deg [sum] degrees within 90 and 360
 * err   INVALID_ARGUMENT: a corner out of range, a ring more than once around the globe, more than 2^28 zones or 2^32
 *       corners; NO_MEMORY. The builder is as it was          since 0.1 */
UCID_API ucid_status ucid_zones_builder_add(ucid_zones_builder *builder, int64_t ring_count,
                                            const int64_t *ring_corners, const double *lat_deg, const double *lon_deg,
                                            ucid_error *error);
/* Add a zone of a geometry in well-known binary: (multi)polygons, alone or in collections, of either byte order, with
 * or without Z, M and SRID; x is the longitude. length 0, and any empty geometry: a zone that holds nothing.
 * err   DATA_ERROR: damaged, or points or lines; as above          since 0.1 */
UCID_API ucid_status ucid_zones_builder_add_wkb(ucid_zones_builder *builder, const void *wkb, size_t length,
                                                ucid_error *error);

/* Compile the zones. The builder may go afterwards, or take more zones and be compiled again.
 * cost  linear in corners, some 100 ns each; memory some 20 bytes a corner, half of it for the call only. The same
 *       bytes for any number of threads
 * err   INVALID_ARGUMENT: threads < 1; NO_MEMORY
 * safe  zones may be shared by threads and across fork          since 0.1 */
UCID_API ucid_status ucid_zones_build(const ucid_zones_builder *builder, int threads, ucid_zones **zones,
                                      ucid_error *error);
UCID_API void ucid_zones_close(ucid_zones *zones); /* NULL is fine */
/* Number of zones.                                                                                        since 0.1 */
UCID_API int64_t ucid_zones_count(const ucid_zones *zones);

/* Write zones to a file, beside and renamed; map such a file, all of which is checked first.
 * err   IO_ERROR; FILE_NOT_FOUND, INDEX_FORMAT (not such a file), INDEX_CORRUPT, NO_MEMORY          since 0.1 */
UCID_API ucid_status ucid_zones_write(const ucid_zones *zones, const char *path, ucid_error *error);
UCID_API ucid_status ucid_zones_open(const char *path, const ucid_allocator *allocator, ucid_zones **zones,
                                     ucid_error *error);

/* The first zone of each place.
 * in    lat_deg, lon_deg [n] degrees, any value; validity [n] bits or NULL; threads >= 1
 * out   zone [n], -1 for none; status [n]: OK, NULL_INPUT or INVALID_COORDINATES; may be NULL
 * cost  O(n), some 30 ns a place whatever the zones; no allocation
 * err   INVALID_ARGUMENT
 * safe  any number of threads          since 0.1 */
UCID_API ucid_status ucid_zones_within(const ucid_zones *zones, int64_t n, const double *lat_deg, const double *lon_deg,
                                       const uint8_t *validity, int threads, int32_t *zone, uint8_t *status,
                                       ucid_error *error);
/* All zones of each place.
 * out   offsets [n + 1]: zones of row i are zone[offsets[i] .. offsets[i + 1]), ascending; zone [capacity]: filled only
 *       if all offsets[n] fit, so NULL and 0 ask for their number; status as above          since 0.1 */
UCID_API ucid_status ucid_zones_within_all(const ucid_zones *zones, int64_t n, const double *lat_deg,
                                           const double *lon_deg, const uint8_t *validity, int threads,
                                           int64_t *offsets, int32_t *zone, int64_t capacity, uint8_t *status,
                                           ucid_error *error);
/* The nearest zone of each place, within a distance.
 * in    limit_m 0..1000000
 * out   zone [n], -1 for none; of equally near ones the first. dist_m [n]: 0 within the zone, else great-circle metres
 *       to the nearest point of its border, NaN for none; may be NULL. status as above
 * cost  as within where the place is in a zone, else the cells of the grid within the distance
 * err   INVALID_ARGUMENT          since 0.1 */
UCID_API ucid_status ucid_zones_nearest(const ucid_zones *zones, int64_t n, const double *lat_deg,
                                        const double *lon_deg, const uint8_t *validity, double limit_m, int threads,
                                        int32_t *zone, double *dist_m, uint8_t *status, ucid_error *error);
/* The zones of each cell, and how much of the cell lies in them. The sides of cells are great circles, areas those on a
 * sphere of 6371000 m: where zones tile a cell, what they get of it adds up to it.
 * in    cells [n], of any resolutions; validity [n] bits or NULL; threads >= 1
 * out   offsets [n + 1]: zones of cell i are zone[offsets[i] .. offsets[i + 1]), ascending, those that share some of
 *       its area; area_m2: how much. zone, area_m2 [capacity]: filled only if all offsets[n] fit, so NULL and 0 ask for
 *       their number. cell_area_m2 [n]: the whole cell's, NaN for none; may be NULL. status [n]: OK, NULL_INPUT or
 *       INVALID_H3; may be NULL. The same bits for any number of threads
 *       Borders of zones are met within 1e-7 degrees, sides of cells within a millimetre or a millionth of the side
 * cost  some microseconds a cell, and as much for each cell of the grid with a border that it meets
 * err   INVALID_ARGUMENT, NO_MEMORY; outputs hold anything then
 * safe  any number of threads          since 0.1 */
UCID_API ucid_status ucid_zones_overlaps(const ucid_zones *zones, int64_t n, const uint64_t *cells,
                                         const uint8_t *validity, int threads, int64_t *offsets, int32_t *zone,
                                         double *area_m2, int64_t capacity, double *cell_area_m2, uint8_t *status,
                                         ucid_error *error);
/* The area of each zone, likewise.
 * out   area_m2 [ucid_zones_count]
 * cost  some microseconds for each cell of the grid with a border, some 10 corners
 * err   INVALID_ARGUMENT, NO_MEMORY          since 0.1 */
UCID_API ucid_status ucid_zones_areas(const ucid_zones *zones, int threads, double *area_m2, ucid_error *error);

/* -------------------------------------------------------------------------------------------------- 11. Arrow -- */

/* Doors for tables: an Arrow C stream goes in, an Arrow C stream comes out (https://arrow.apache.org/docs/format/). All
 * columns of the input pass through untouched and uncopied, in their order; new ones follow. One row out for each row
 * in, in order. Nothing is computed before a batch is asked for, and no more than a batch is held. */

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

struct ArrowSchema {
    const char *format, *name, *metadata;
    int64_t flags, n_children;
    struct ArrowSchema **children, *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length, null_count, offset, n_buffers, n_children;
    const void **buffers;
    struct ArrowArray **children, *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

#endif

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};

#endif

/* Columns are found by name: NULL means the first that is there of
 *     lat latitude y   |   lon lng longitude long x   |   h3 h3_index h3_cell cell   |   ucid ucid_string
 *     city city_code   |   timestamp   |   context   |   grade   |   confidence   |   flags
 * Coordinates may be of any numeric type; cells 64-bit integers or texts; texts utf8, large or views; each plain or
 * behind a dictionary. */
typedef struct ucid_stream_options {
    size_t size;
    const ucid_allocator *allocator; /* must outlive the stream and its batches */
    int threads;                     /* >= 1 */
    int replace;        /* 1: input columns that have an output column's name are dropped; 0: they are an error */
    int64_t batch_rows; /* most rows of an output batch, 1..2^23 */
    const char *lat_column, *lon_column; /* places, or: */
    const char *cell_column;             /* the centres of cells, asked where there are no coordinates */
    const char *ucid_column, *city_column, *time_column, *context_column;
    const char *grade_column, *confidence_column, *flags_column;
    const char *city, *time, *context; /* values for all rows, instead of a column */
    int resolution;                    /* of identifiers of coordinates, 0..15 */
    unsigned mode;                     /* UCID_STRICT, UCID_SNAP */
    int detail;                        /* 1: parts and distances of scores too */
    int hexadecimal;                   /* 1: binary forms are written as 62 digits */
    int large_texts; /* 1: texts and binary forms that are added have 64-bit offsets, as pandas keeps them */
    const ucid_registry *registry; /* cities of strict mode; must outlive the stream; NULL: those built in */
    /* Scores of coordinates: called at the end of the stream, at most once, where most rows are outside the indexes,
     * but inside with latitude and longitude exchanged. Not 0: the stream ends as CANCELLED. NULL: nobody is told. */
    int (*exchanged)(void *ctx, int64_t outside, int64_t rows);
    void *exchanged_ctx;
    int coded_words; /* 1: grades and statuses that are added lie behind a dictionary, the same in each batch */
} ucid_stream_options;
#define UCID_STREAM_OPTIONS_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(ucid_stream_options), NULL, 1, 0, 1 << 18, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,  \
            NULL, NULL, NULL, 9, UCID_LENIENT, 0, 0, 0, NULL, NULL, NULL, 0                                            \
    }

/* Add columns to a stream of tables. Each of the functions below
 *   in    takes *in over when it succeeds
 *   out   *out, to be released; its errors carry errno codes and one line
 *   err   DATA_ERROR: a column is missing (the message lists those that are there), of a wrong type, or has the name of
 *         an output column; INVALID_ARGUMENT; CONTEXT_NOT_FOUND; NO_MEMORY
 *   safe  one thread at a time for one stream          since 0.1 */

/* Identifiers of places: needs coordinates or cells, city, timestamp, context; takes grade, confidence and flags where
 * they are. Adds ucid (text, null for a bad row), status (text). */
UCID_API ucid_status ucid_create_stream(struct ArrowArrayStream *in, const ucid_stream_options *options,
                                        struct ArrowArrayStream *out, ucid_error *error);
/* Fields of identifiers: needs ucid. Adds city, lat, lon, h3_resolution, h3_index, timestamp, context, grade,
 * confidence, flags (joined by ';'), status. */
UCID_API ucid_status ucid_parse_stream(struct ArrowArrayStream *in, const ucid_stream_options *options,
                                       struct ArrowArrayStream *out, ucid_error *error);
/* Canonical texts: needs ucid. Adds canonical, status. */
UCID_API ucid_status ucid_canonicalize_stream(struct ArrowArrayStream *in, const ucid_stream_options *options,
                                              struct ArrowArrayStream *out, ucid_error *error);
/* What is wrong with identifiers, as ucid_validate tells: needs ucid. Adds defects, as status:field:byte joined by ';'
 * and empty where there is none, and status, that of the first. */
UCID_API ucid_status ucid_validate_stream(struct ArrowArrayStream *in, const ucid_stream_options *options,
                                          struct ArrowArrayStream *out, ucid_error *error);
/* Binary forms of identifiers: needs ucid. Adds binary (31 bytes, or hexadecimal), status. */
UCID_API ucid_status ucid_pack_stream(struct ArrowArrayStream *in, const ucid_stream_options *options,
                                      struct ArrowArrayStream *out, ucid_error *error);
/* Identifiers of binary forms, of either kind: needs binary, or the column ucid_column. Adds ucid, status. */
UCID_API ucid_status ucid_unpack_stream(struct ArrowArrayStream *in, const ucid_stream_options *options,
                                        struct ArrowArrayStream *out, ucid_error *error);
/* Time keys some hours later: needs timestamp. Adds later, status. */
UCID_API ucid_status ucid_time_add_stream(struct ArrowArrayStream *in, int64_t hours,
                                          const ucid_stream_options *options, struct ArrowArrayStream *out,
                                          ucid_error *error);
/* Time keys of a zone's clock in UTC, or back: needs timestamp. Adds utc, or local; status. zone must outlive the
 * stream. */
UCID_API ucid_status ucid_time_zone_stream(struct ArrowArrayStream *in, const ucid_zone *zone, int to_utc,
                                           const ucid_stream_options *options, struct ArrowArrayStream *out,
                                           ucid_error *error);
/* Hours from the keys of another column to those of timestamp. Adds hours (int32), status. */
UCID_API ucid_status ucid_time_diff_stream(struct ArrowArrayStream *in, const char *earlier_column,
                                           const ucid_stream_options *options, struct ArrowArrayStream *out,
                                           ucid_error *error);
/* Cells of coordinates at options->resolution. Adds h3, status. */
UCID_API ucid_status ucid_cell_stream(struct ArrowArrayStream *in, const ucid_stream_options *options,
                                      struct ArrowArrayStream *out, ucid_error *error);
/* Cells described: needs h3. Adds h3_resolution (int32), lat, lon, area_m2, boundary (WKT), status. */
UCID_API ucid_status ucid_cell_info_stream(struct ArrowArrayStream *in, const ucid_stream_options *options,
                                           struct ArrowArrayStream *out, ucid_error *error);
/* Parents of cells at options->resolution: needs h3. Adds parent, status (H3_MISMATCH: the cell is coarser). */
UCID_API ucid_status ucid_cell_parent_stream(struct ArrowArrayStream *in, const ucid_stream_options *options,
                                             struct ArrowArrayStream *out, ucid_error *error);

/* Scores of places in options->context: needs coordinates or cells. Adds ucid, score, grade, confidence, with detail
 * the parts by their keys, nearest_KEY_m of each, and snap_m; then status. The city is that of the column or value,
 * else the registry's nearest to the index; the time key likewise, else the week of the index's data. A row without a
 * score has nulls; one whose city or time is bad keeps its score, but has no ucid. The schema's metadata tell index,
 * context and attribution.
 *   in    catalog must outlive the stream
 *   err   besides, INVALID_ARGUMENT: the one index has no date, and no time key is given; batches: what opening an
 *         index gives */
UCID_API ucid_status ucid_score_stream(struct ArrowArrayStream *in, const ucid_catalog *catalog,
                                       const ucid_stream_options *options, struct ArrowArrayStream *out,
                                       ucid_error *error);

/* What comes out: results; states of groups, to be merged, as columns or, for who does not look at them, as bytes. */
enum { UCID_RESULTS = 0, UCID_STATES = 1, UCID_STATES_BYTES = 2 };

typedef struct ucid_aggregate_stream_options {
    size_t size;
    const ucid_allocator *allocator; /* must outlive the stream and its batches */
    int threads;                     /* >= 1 */
    int states;                      /* UCID_RESULTS, UCID_STATES, UCID_STATES_BYTES */
    const char *to; /* groups: cells "r0".."r15", or "city", "region", "country"; or a list, "r9,r7,city" or "r9," */
    const char *score_column, *weight_column; /* NULL: score; each row weighs 1 */
    const char *cell_column, *city_column;    /* NULL: the usual names */
    ucid_progress_fn progress;                /* rows done, before each batch of the input; or NULL */
    void *progress_ctx;
} ucid_aggregate_stream_options;
#define UCID_AGGREGATE_STREAM_OPTIONS_INIT                                                                             \
    {                                                                                                                  \
        sizeof(ucid_aggregate_stream_options), NULL, 1, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL                    \
    }

/* Scored rows rolled up to coarser cells, cities, regions ("US-CA") or countries: a row a group, ascending by key;
 * results in batches of at most 2^18. Rows need a score (and may have a confidence), and cells, identifiers or
 * coordinates; for texts a city, or identifiers. States that this function gave are merged: a table with all their
 * columns is one, and so is one of their bytes alone. Of a list all come out of one pass over the rows.
 *   in    takes in over when it succeeds; the whole of it is read when the first batch is asked for
 *   out   the key (h3, city, region or country; null: rows without), then
 *         results: rows, nulls, weight, score, grade, confidence, std, min, max, grade_f .. grade_a_plus
 *         states: the columns of UCID_AGGREGATE_COLUMN_LIST, int64
 *         states in bytes: no key, but a column "states" (binary), a row and a batch for each 65,536 groups of a level;
 *         40 bytes a group of less than 65,536 rows of weight 1, 160 any other
 *         Of a list level and key stand in front: results of each in the order of to; states of the finest
 *         cells and of the finest texts alone, to be merged with the same to.
 *         Metadata that tell where scores come from ("ucid.*") stay.
 *   cost  O(rows); memory of the groups
 *   err   INVALID_ARGUMENT: to, states; DATA_ERROR: a column is missing or of a wrong type, bytes are no states;
 *         CANCELLED; NO_MEMORY
 *   safe  one thread at a time for one stream          since 0.1 */
UCID_API ucid_status ucid_aggregate_stream(struct ArrowArrayStream *in, const ucid_aggregate_stream_options *options,
                                           struct ArrowArrayStream *out, ucid_error *error);

typedef struct ucid_group_stream_options {
    size_t size;
    const ucid_allocator *allocator; /* must outlive the stream and its batches */
    int threads;                     /* >= 1; percentiles take one */
    int states;                      /* 1: give states of groups, to be merged; 0: results */
    const char *const *by;           /* columns of the key: texts, integers, truths, dates, times, floats; NULL ends */
    const char *of;                  /* column of numbers; NULL: score */
    const char *const *functions;    /* NULL ends; NULL: mean */
    uint64_t memory_bytes; /* for groups, and for values of percentiles: more go into files in TMPDIR; 0: a quarter of
                              the memory that this process may have, and 1 GiB */
    ucid_progress_fn progress; /* rows done, before each batch of the input; or NULL */
    void *progress_ctx;
} ucid_group_stream_options;
#define UCID_GROUP_STREAM_OPTIONS_INIT                                                                                 \
    {                                                                                                                  \
        sizeof(ucid_group_stream_options), NULL, 1, 0, NULL, NULL, NULL, 0, NULL, NULL                                 \
    }

/* Any numbers by any columns: a row a group, ascending by key, null first; one batch, or several where groups went into
 * a file. Functions, of the values that are neither null nor NaN:
 *         count  values              rows, nulls  all rows, and those without a value
 *         sum, mean, min, max        median, p0 .. p100 (p99.9)  between the two values about that part of the way
 *         var, std  of a sample (divided by count - 1); null for fewer than two values
 * Sums are exact and rounded once: neither order, parts nor threads change a bit. Of integers, sum, min and max are
 * int64, else all but counts are doubles. A group without values has nulls. Infinite values make sums and means
 * infinite, of both signs null, and var and std null.
 *   in    takes in over when it succeeds; the whole of it is read when the first batch is asked for. A table with the
 *         columns of states is one of states, of the same functions and integers or doubles; they are merged
 *   out   the columns of the key, texts as utf8 and floats as doubles, then
 *         results: a column a function, of its name
 *         states: state_rows, state_count, state_flags, int64, state_least, state_most, of the numbers' kind, then,
 *         where they are needed, state_sum, state_squares, state_values, binary: the last holds all different values
 *   cost  O(rows); memory of the groups, some 200 to 280 bytes and the key each, up to memory_bytes
 *   err   INVALID_ARGUMENT: a function that is none; DATA_ERROR: a column is missing or of a wrong type, a sum of
 *         integers beyond 64 bits; IO_ERROR: no room in TMPDIR; CANCELLED; NO_MEMORY: of groups, their number and bytes
 *   safe  one thread at a time for one stream          since 0.1 */
UCID_API ucid_status ucid_group_stream(struct ArrowArrayStream *in, const ucid_group_stream_options *options,
                                       struct ArrowArrayStream *out, ucid_error *error);

/* Zones with the columns of their table. */
typedef struct ucid_zone_table ucid_zone_table;

typedef struct ucid_zone_options {
    size_t size;
    const ucid_allocator *allocator;
    int threads;                 /* >= 1 */
    const char *geometry_column; /* of well-known binary; NULL: geometry geom wkb_geometry wkb the_geom shape */
    const char *const
        *columns; /* names of those that places shall get, NULL at the end; or NULL: all texts and numbers */
} ucid_zone_options;
#define UCID_ZONE_OPTIONS_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(ucid_zone_options), NULL, 1, NULL, NULL                                                                 \
    }

/* Read tables of a network whole, and compile it: ucid_index_build_network.
 * in    nodes: lat, lon (latitude, y; lng, longitude, long, x); id (node, osmid, osm_id): whole numbers by which edges
 *       name nodes, without it their rows do; end: not 0 where the data end
 *       edges: from, to (u, v; a, b; source, target); metres (meters, length, m); rank: UCID_STREET_*
 *       places: lat, lon; tag: "shop=bakery"; name; osm_id (osmid, id); osm_type: n, w, r, or the word
 *       data_time: seconds since 1970 of the data, 0: unknown. The three streams are taken over when it succeeds
 * err   DATA_ERROR with table and row; those of ucid_index_build_network          since 0.1 */
UCID_API ucid_status ucid_index_build_tables(struct ArrowArrayStream *nodes, struct ArrowArrayStream *edges,
                                             struct ArrowArrayStream *places, int64_t data_time, const char *out_path,
                                             const ucid_build_options *options, ucid_error *error);

/* Read a table of zones whole, and compile them. A null or empty geometry is a zone that holds nothing.
 * in    takes *in over when it succeeds
 * err   DATA_ERROR: a column is missing or of a wrong type, a geometry is damaged or no area (the row is named);
 *       INVALID_ARGUMENT, NO_MEMORY
 * safe  a table may be shared by threads          since 0.1 */
UCID_API ucid_status ucid_zone_table_read(struct ArrowArrayStream *in, const ucid_zone_options *options,
                                          ucid_zone_table **table, ucid_error *error);
UCID_API void ucid_zone_table_close(ucid_zone_table *table); /* NULL is fine */
/* Its zones, borrowed.                                                                                    since 0.1 */
UCID_API const ucid_zones *ucid_zone_table_zones_get(const ucid_zone_table *table);
/* Name of a column that places get, from 0; NULL past the end.                                            since 0.1 */
UCID_API const char *ucid_zone_table_column_name(const ucid_zone_table *table, int column);

typedef struct ucid_join_options {
    size_t size;
    double limit_m; /* 0..1000000: the nearest zone within it; negative: the zone that holds the place */
    int all;        /* 1: all zones that hold the place; their values are texts, joined by ';' */
} ucid_join_options;
#define UCID_JOIN_OPTIONS_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(ucid_join_options), -1.0, 0                                                                             \
    }

/* Zones of places: needs coordinates or cells (their centres). Adds the table's columns; zone, the row number of the
 * zone in its table from 0, unless a column is called so; distance_m where there is a limit; status. A place in no zone
 * has nulls and the status ok.
 * in    table must outlive the stream; join may be NULL
 * err   besides those of all streams: INVALID_ARGUMENT: options */
UCID_API ucid_status ucid_join_stream(struct ArrowArrayStream *in, const ucid_zone_table *table,
                                      const ucid_join_options *join, const ucid_stream_options *options,
                                      struct ArrowArrayStream *out, ucid_error *error);

/* Zones of cells by area: needs cells. A row comes out for each zone that shares some of a cell's area, in the order of
 * cells and zones; a cell of none comes out once, with nulls. Adds the table's columns; zone as above; area_m2;
 * cell_share and zone_share, what it is of the cell and of the zone; status. So a mean by zone of what cells have is
 * weighted by area_m2, and a sum shares out by cell_share.
 * in    table must outlive the stream
 * err   besides those of all streams: DATA_ERROR: the input has nested columns, which cannot be repeated
 *                                                                                                        since 0.1 */
UCID_API ucid_status ucid_overlap_stream(struct ArrowArrayStream *in, const ucid_zone_table *table,
                                         const ucid_stream_options *options, struct ArrowArrayStream *out,
                                         ucid_error *error);

/* Cells of a grid as a stream: h3 (text), lat, lon of their centres.
 * in    takes grid over when it succeeds; batch_rows as in ucid_stream_options
 * err   INVALID_ARGUMENT, NO_MEMORY          since 0.1 */
UCID_API ucid_status ucid_grid_stream(ucid_grid *grid, int64_t batch_rows, const ucid_allocator *allocator,
                                      struct ArrowArrayStream *out, ucid_error *error);

/* ---------------------------------------------------------------------------------------------------- 12. CSV -- */

/* Rows of CSV as RFC 4180 has them, with LF or CR LF, in memory: where they end, and where fields of some columns lie;
 * nothing else is looked at. A quote opens only at the start of a field, elsewhere it is text. Bytes given start with a
 * row. No memory is taken; safe everywhere. */

/* Bytes of the first row with its line end; 0: it is not whole.                                           since 0.1 */
UCID_API size_t ucid_csv_row(const char *bytes, size_t length);
/* Bytes of the rows that are whole.                                                                       since 0.1 */
UCID_API size_t ucid_csv_rows(const char *bytes, size_t length);

/* A field as it stands, with its quotes. */
typedef struct ucid_csv_field {
    uint32_t start, length;
} ucid_csv_field;

/* Fields of some columns; a last row needs no line end, empty lines are none.
 * in    columns [count] from 0, ascending; count 0: rows are counted; capacity: at least
 *       length / column_count + 1 rows
 * out   fields [capacity * count]: of each row its columns; may be NULL where count is 0
 * cost  some bytes a cycle
 * err   DATA_ERROR: a row of another number of columns; the rows before it, whose number is error->row, are given;
 *       INVALID_ARGUMENT: columns, capacity, more than 4 GiB          since 0.1 */
UCID_API ucid_status ucid_csv_fields(const char *bytes, size_t length, int32_t column_count, const int32_t *columns,
                                     int32_t count, int64_t capacity, ucid_csv_field *fields, int64_t *row_count,
                                     ucid_error *error);

/* What a field says: what stands between its quotes, and behind them.
 * out   text [length], of which the bytes returned are written                                            since 0.1 */
UCID_API size_t ucid_csv_text(const char *field, size_t length, char *text);

/* A number of at most 19 digits, of which the last 22 at most stand behind a point, below 2^53 without it: rounded as
 * it should be. 0: none of these, whatever else it is; *value is untouched.                                  since 0.1
 */
UCID_API int ucid_csv_number(const char *field, size_t length, double *value);

/* ------------------------------------------------------------------------------------------------ 13. Parquet -- */

/* Columns of several Parquet files side by side in a new one, whose column chunks are those of the files, byte for
 * byte: no value is read, so that it costs what copying costs, whatever the types, encodings and compressions. */

/* Row groups and columns of a file. */
typedef struct ucid_parquet_part {
    const uint8_t *footer; /* what lies before the last 8 bytes, which are its length (little-endian) and "PAR1" */
    size_t footer_length;
    uint64_t file_length;
    int32_t row_group, row_group_count; /* the first, and how many */
    const char *const *columns;         /* names at the top of the schema; NULL: all */
    int32_t column_count;
} ucid_parquet_part;

/* Bytes of a part's file. */
typedef struct ucid_parquet_span {
    int32_t part;
    uint64_t offset, length;
} ucid_parquet_span;

/* The new file: "PAR1", the bytes of the spans in their order, the footer, which ends with its length and "PAR1". */
typedef struct ucid_parquet_file {
    ucid_parquet_span *spans;
    size_t span_count;
    uint8_t *footer;
    size_t footer_length;
    size_t span_capacity, footer_capacity; /* the library's own */
    ucid_allocator allocator;
} ucid_parquet_file;

/* The columns kept of each part, in the order of the parts. Page indexes and Bloom filters stay behind, statistics come
 * along; the writer that is named is the first part's.
 * in    parts [count], of as many row groups each, of as many rows; keys, values [key_count]: the file's key-value
 *       metadata, which is nobody else's
 * out   file, given back by ucid_parquet_file_reset; {0} after an error
 * err   DATA_ERROR: a footer is damaged, encrypted, of a writer that counted wrongly (parquet-mr before 1.3), or has
 *       columns in other files; row groups differ in their rows; INVALID_ARGUMENT: row groups that are not there;
 *       NO_MEMORY          since 0.1 */
UCID_API ucid_status ucid_parquet_beside(const ucid_parquet_part *parts, int32_t count, const ucid_text *keys,
                                         const ucid_text *values, int32_t key_count, const ucid_allocator *allocator,
                                         ucid_parquet_file *file, ucid_error *error);
UCID_API void ucid_parquet_file_reset(ucid_parquet_file *file); /* {0} is fine */

/* Takes the next bytes of a file, which are the caller's again when it returns. Not 0: no more are wanted. */
typedef int (*ucid_write_fn)(void *ctx, const void *bytes, size_t length);

typedef struct ucid_parquet_options {
    size_t size;
    const ucid_allocator *allocator;
    const int64_t *group_rows; /* [group_count] rows of the row groups, the last for all that follow; NULL: 2^18 */
    int32_t group_count;
    const char *const *unordered; /* [unordered_count] columns whose least and greatest values nobody asks for */
    int32_t unordered_count;
} ucid_parquet_options;
#define UCID_PARQUET_OPTIONS_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(ucid_parquet_options), NULL, NULL, 0, NULL, 0                                                           \
    }

/* Columns of texts, plain or behind dictionaries, and of doubles as a Parquet file, compressed by snappy. What makes
 * the pages are the values alone: batches may be of any length, the bytes are the same. Identifiers take some 16 bytes.
 * in    in, which is taken over when it succeeds
 * out   write is called with the bytes of the file, in their order
 * err   DATA_ERROR: a column of another type, nulls against the schema, a text of over 1 GiB; CANCELLED: by write;
 *       INVALID_ARGUMENT; NO_MEMORY
 * cost  2 MB a column, and a row group of what is written; a tenth of a second a million identifiers    since 0.1 */
UCID_API ucid_status ucid_parquet_write(struct ArrowArrayStream *in, const ucid_parquet_options *options,
                                        ucid_write_fn write, void *ctx, ucid_error *error);

#ifdef __cplusplus
}
#endif
#endif
