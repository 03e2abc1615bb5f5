/* map.h: what a map shows, and the two ways to show it. Used by the program and by the Python package.
 *
 *     map_style.c   colours, words and errors of both
 *     map_rows.c    table -> map_rows: one row a place, in the small integers that the page holds
 *     map_streets.c index -> polylines within the view, simplified and packed
 *     map_scene.c   rows, index -> what stands around the rows: texts, streets, what is coloured
 *     map_page.c    both  -> one HTML file, by filling the page that the build made
 *     map_draw.c    both  -> one PNG, by cairo, in a plugin of its own (libucid_draw.so)
 *
 * Null is the largest value of a type, everywhere. */
#ifndef UCID_MAP_MAP_H
#define UCID_MAP_MAP_H

#include "ucid.h"

#include <stdio.h>

enum { MAP_NULL8 = 0xFF, MAP_NULL16 = 0xFFFF, MAP_GRADES = 6, MAP_RAMP_STOPS = 33 };
enum { MAP_SCORE = -1, MAP_CONFIDENCE = -2 }; /* measures that are no part */

typedef struct map_rows {
    const ucid_context *context;
    int64_t count, capacity;
    int cells;      /* rows are H3 cells; else points */
    uint64_t *cell; /* [count]; 0: none */
    int32_t *lat_e7, *lon_e7;
    uint16_t *score;                   /* hundredths */
    uint8_t *grade;                    /* UCID_GRADE_* */
    uint8_t *confidence;               /* hundredths */
    uint8_t *status;                   /* position in the list of statuses */
    uint16_t *part[UCID_PARTS_MAX];    /* hundredths */
    uint16_t *nearest[UCID_PARTS_MAX]; /* decimetres */
    uint16_t *snap;                    /* decimetres */
    /* Identifiers, in the pieces that the other columns do not hold. */
    int32_t *ucid_lat, *ucid_lon; /* thousandths of degrees */
    uint16_t *ucid_frame;         /* city, resolution, time, context and flags: one of frames */
    char (*frames)[160];          /* "LPA:9:2023W08T12:15MIN:ESTIMATED" */
    int64_t frame_count;
    /* Which columns the table has. */
    int has_cell, has_point, has_confidence, has_status, has_snap, has_ucid;
    int has_part[UCID_PARTS_MAX], has_nearest[UCID_PARTS_MAX];
    int64_t seen;                                              /* rows of the table */
    int64_t left_out;                                          /* rows without a place: no cell, no coordinates */
    double min_lat_deg, max_lat_deg, min_lon_deg, max_lon_deg; /* of the rows; longitudes may run beyond 180 */
} map_rows;

/* What stands beside the map. */
typedef struct map_texts {
    const char *title;
    char time[16];     /* time key of all rows, or "" where they differ */
    char date[16];     /* of the map data, "2023-02-20", or "" */
    char index_id[65]; /* or "" */
} map_texts;

extern const uint32_t map_ramp[MAP_RAMP_STOPS];   /* 0xRRGGBB, from low to high */
extern const double map_grade_breaks[MAP_GRADES]; /* of the grades from the best to F */
extern const char map_attribution[];
extern const char *const map_status_codes[]; /* "OFF_NETWORK": map_rows.status is a position in this list */
extern const int map_status_count;

/* Say what went wrong; returns the status. error may be NULL. */
ucid_status map_fail(ucid_error *error, ucid_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Whether a row is a place to be counted: it has a score, and a street is near. */
int map_is_place(const map_rows *rows, int64_t row);

/* Lines of streets by rank, as the page reads them: LEB128 numbers, a count of points and then zigzag steps of
 * longitude and latitude in units of MAP_STREET_UNIT degrees, from (lat_deg, lon_deg). */
#define MAP_STREET_UNIT 1e-5
typedef struct map_streets {
    double lat_deg, lon_deg;
    uint8_t *bytes[UCID_STREET_RANKS];
    size_t length[UCID_STREET_RANKS], capacity[UCID_STREET_RANKS];
} map_streets;

/* Streets of an index that meet a box. Returns 0 where memory is out. */
int map_streets_pack(const ucid_index *index, const double box[4], map_streets *streets);
/* Leave out ranks from the smallest on until all fit into so many bytes; returns how many ranks were left out. */
int map_streets_fit(map_streets *streets, size_t bytes);
void map_streets_free(map_streets *streets);

/* All that is shown besides the rows. */
typedef struct map_scene {
    map_texts texts;
    char title[256];
    map_streets streets;
    int has_streets, ranks_left_out; /* kinds of streets that were too many to be shown */
    int measure;                     /* coloured at first: a part, MAP_SCORE or MAP_CONFIDENCE */
} map_scene;

/* The scene of rows. index: the streets below, or NULL; title NULL: the city of the identifiers; show: "score",
 * "confidence" or the key of a part, NULL: the score. scene may not be moved. err INVALID_ARGUMENT: show; NO_MEMORY */
ucid_status map_scene_init(map_scene *scene, const map_rows *rows, const ucid_index *index, const char *title,
                           const char *show, ucid_error *error);
void map_scene_free(map_scene *scene);

/* The page at template_path with two places filled. streets may be NULL. Whether all was written is for the stream to
 * tell. err FILE_NOT_FOUND, DATA_ERROR: template_path is not the page; INVALID_ARGUMENT: the title is not UTF-8;
 * NO_MEMORY */
ucid_status map_page_write(const map_rows *rows, const map_streets *streets, const map_texts *texts, int measure,
                           const char *template_path, FILE *out, ucid_error *error);

/* A picture. The plugin exports one function of this type, "ucid_map_draw", which leaves failed writes to the stream.
 */
typedef struct map_picture {
    const map_rows *rows;
    const map_streets *streets;
    const map_texts *texts;
    int measure, width, height, dark;
} map_picture;
typedef ucid_status (*map_draw_fn)(const map_picture *picture, FILE *out, ucid_error *error);

#endif
