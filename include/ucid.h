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
    char message[240]; /* one line, UTF-8, ends with NUL */
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
/* ------------------------------------------------------------------------------------------------- 3. Time keys -- */
/* ---------------------------------------------------------------------------------------------------- 4. Cities -- */
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
    const char *id;          /* "15MIN" */
    int validity_weeks;      /* how long data stays fresh */
    int part_count;          /* components of the score */
    const char *part_key[UCID_PARTS_MAX];  /* "grocery", ... */
    const char *part_title[UCID_PARTS_MAX]; /* "Groceries", for people */
    double part_weight[UCID_PARTS_MAX];    /* sum 1 */
} ucid_context;

/* Context by id; NULL where there is none.                                                               since 0.1 */
UCID_API const ucid_context *ucid_context_get(const char *id);
/* Contexts in table order; NULL past the end.                                                            since 0.1 */
UCID_API const ucid_context *ucid_context_at(int position);

/* ----------------------------------------------------------------------------------------------------- 7. Index -- */

typedef struct ucid_index ucid_index;

typedef struct ucid_build_options {
    size_t size;
    const ucid_allocator *allocator;
    int threads;              /* >= 1 */
    double cutoff_m;          /* reach on the network, 100..2000; 1200 */
    double snap_limit_m;      /* farthest street a place may be snapped to, 10..1000; 300 */
    double buffer_m;          /* network kept around the boundary, metres; 1500 */
    const char *boundary_path; /* GeoJSON polygon whose inside is reported, or NULL: the whole extract */
    ucid_progress_fn progress; /* or NULL */
    void *progress_ctx;
} ucid_build_options;
#define UCID_BUILD_OPTIONS_INIT {sizeof(ucid_build_options), NULL, 1, 1200.0, 300.0, 1500.0, NULL, NULL, NULL}

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
    char id[65];               /* sha256 of the content, lower hex: names this index in outputs and catalogs */
    uint32_t format;           /* version of the file format */
    uint64_t byte_length;
    uint32_t data_hour;        /* hour (section 3) of the newest object of the extract */
    double min_lat_deg, min_lon_deg, max_lat_deg, max_lon_deg; /* of the network; min_lon > max_lon crosses 180 */
    double cutoff_m, snap_limit_m;
    uint64_t node_count, edge_count, segment_count, street_m; /* street_m: metres of walkable network */
    uint64_t component_count, island_edge_count;
    double largest_component;  /* share of the network's length, 0..1 */
    uint64_t opportunity_count[UCID_PARTS_MAX]; /* of each part of 15MIN */
    double area_km2;           /* of the boundary where there is one, else of the snap grid's covered cells */
    const char *json;          /* all of this and more: inputs with sha256, options, versions, rules applied */
} ucid_index_info;
UCID_API void ucid_index_info_get(const ucid_index *index, ucid_index_info *info);

/* How wide a street is drawn: foot paths, steps and tracks; service and pedestrian streets; streets of quarters; tertiary
 * and secondary roads; primary roads and wider. */
enum {
    UCID_STREET_PATH = 0,
    UCID_STREET_LANE,
    UCID_STREET_LOCAL,
    UCID_STREET_ROAD,
    UCID_STREET_MAIN,
    UCID_STREET_RANKS
};

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
#define UCID_SCORE_OPTIONS_INIT {sizeof(ucid_score_options), NULL, 1, "15MIN", UINT32_MAX}

/* Output arrays of ucid_score, [n] each; any may be NULL. Rows whose status is an error (NULL_INPUT,
 * INVALID_COORDINATES, OUTSIDE_INDEX) get NaN in every double, UCID_GRADE_F, and no flags; OFF_NETWORK gets score 0,
 * confidence 0.10, parts 0. */
typedef struct ucid_scores {
    double *score;       /* 0..100, multiples of 0.01 */
    uint8_t *grade;      /* UCID_GRADE_* of the score */
    double *confidence;  /* 0..1, multiples of 0.01 */
    uint8_t *status;     /* ucid_status of the row */
    uint8_t *flags;      /* UCID_FLAG_* */
    double *snap_m;      /* metres from the place to its street */
    double *part[UCID_PARTS_MAX];      /* 0..100, each component by itself */
    double *nearest_m[UCID_PARTS_MAX]; /* metres walked to the nearest of the component; NaN: none in reach */
} ucid_scores;

/* Score places in a context.
 * in    lat_deg, lon_deg [n] degrees; validity [n] bits or NULL. Any value is allowed, NaN and infinities too.
 * out   scores: the arrays that it names, each [n]
 * cost  O(n); one scratch allocation a call and thread, none a row
 * err   CONTEXT_NOT_FOUND, INVALID_ARGUMENT, NO_MEMORY; rows: NULL_INPUT, INVALID_COORDINATES, OUTSIDE_INDEX,
 *       OFF_NETWORK, ISLAND, NEAR_BOUNDARY
 * safe  any number of calls on one index at once
 * ref   docs/contexts.md          since 0.1 */
UCID_API ucid_status ucid_score(const ucid_index *index, int64_t n, const double *lat_deg, const double *lon_deg,
                                const uint8_t *validity, const ucid_score_options *options, const ucid_scores *scores,
                                ucid_error *error);

/* One place that counts for a score. Texts are borrowed from the index. */
typedef struct ucid_reason {
    int part;            /* component of the context */
    int counted;         /* 1: among the nearest that fill the component; 0: in reach, but the component is full */
    char osm_type;       /* 'n', 'w', 'r' */
    int64_t osm_id;
    const char *name;    /* "" where it has none */
    const char *tag;     /* "shop=bakery" */
    double quality;      /* 0.75, ... */
    double distance_m;   /* metres walked, both gaps included */
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
#define UCID_AGGREGATE_OPTIONS_INIT {sizeof(ucid_aggregate_options), NULL, 1, 7}

/* Rows to be added. A row without a value (validity bit 0, score NaN or outside 0..100, confidence NaN or outside 0..1,
 * weight NaN, negative or above 2^30) only counts as a null of its group. */
typedef struct ucid_aggregate_rows {
    const double *score;      /* [n] 0..100, taken to hundredths */
    const double *confidence; /* [n] 0..1, taken to hundredths; or NULL: 0 */
    const uint8_t *grade;     /* [n] UCID_GRADE_*; or NULL: of the score */
    const double *weight;     /* [n] taken to 1/1024; or NULL: 1 */
    const uint8_t *validity;  /* [n] bits; or NULL */
} ucid_aggregate_rows;
#define UCID_AGGREGATE_ROWS_INIT {NULL, NULL, NULL, NULL, NULL}

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
                                               const int64_t *const columns[UCID_AGGREGATE_COLUMNS],
                                               ucid_error *error);
/* Add all groups of another aggregate: of the same kind, of equal or finer resolution (so a roll-up is a merge into a
 * coarser aggregate). `from` keeps its groups.          since 0.1 */
UCID_API ucid_status ucid_aggregate_merge(ucid_aggregate *aggregate, ucid_aggregate *from, ucid_error *error);

/* Put the groups in order and tell their number; needed before the two functions below.                  since 0.1 */
UCID_API ucid_status ucid_aggregate_sort(ucid_aggregate *aggregate, int64_t *groups, ucid_error *error);
/* States of all groups, ascending by key: [groups] each, any may be NULL.                                since 0.1 */
UCID_API void ucid_aggregate_states_get(const ucid_aggregate *aggregate, uint64_t *cells,
                                        char (*text)[UCID_AGGREGATE_TEXT_MAX],
                                        int64_t *const columns[UCID_AGGREGATE_COLUMNS]);

/* One row a group, [groups] each, any may be NULL. A group without weight has NaN in mean, std and confidence, one
 * without rows also in min and max. */
typedef struct ucid_aggregates {
    uint64_t *cell; /* 0: rows without a cell */
    char (*text)[UCID_AGGREGATE_TEXT_MAX]; /* padded with NULs */
    int64_t *rows, *nulls;
    double *weight;
    double *mean, *std, *min, *max; /* of the score; std over all rows, not of a sample */
    double *confidence;             /* mean, of the same weights */
    uint8_t *grade;                 /* of the mean, taken to hundredths */
    int64_t *grade_rows[6];         /* by UCID_GRADE_* */
} ucid_aggregates;

/* Results of all groups, ascending by key.                                                               since 0.1 */
UCID_API void ucid_aggregate_finish(const ucid_aggregate *aggregate, const ucid_aggregates *out);

#ifdef __cplusplus
}
#endif
#endif
