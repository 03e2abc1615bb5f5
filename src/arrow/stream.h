/* stream.h: a stream that passes the columns of another through and adds some.
 *
 *     in --get_next--> batch --cut into at most batch_rows--> fill() --> the same columns, then the added ones
 *
 * A door says which columns there will be, and fills them for a range of rows. One that repeats rows says which. */
#ifndef UCID_ARROW_STREAM_H
#define UCID_ARROW_STREAM_H

#include "rt/recycler.h"
#include "ucid.h"

enum { ARROW_ADDED_MAX = 256, ARROW_NAME_MAX = 64, ARROW_PAIRS_MAX = 8, ARROW_BATCH_ROWS_MAX = 1 << 23 };

/* A column to be added. */
typedef struct arrow_added {
    char name[ARROW_NAME_MAX];
    const char *format; /* Arrow format string: "u", "g", "C" */
    int nullable;
    int coded; /* texts behind a dictionary; format is that of the codes */
} arrow_added;

typedef struct arrow_pair {
    const char *key, *value;
} arrow_pair;

typedef struct arrow_adder arrow_adder;

/* What a door does. Its adder is a struct of `size` bytes that begins with an arrow_adder, zeroed at first. */
typedef struct arrow_door {
    size_t size;
    /* Find the columns that are needed and say what will be added. err as the door's */
    ucid_status (*open)(arrow_adder *adder, const struct ArrowSchema *schema, ucid_error *error);
    /* Fill the added columns, in order, of rows [first, first + count) of a batch; columns are [count]. On failure none
     * of them is left unreleased. */
    ucid_status (*fill)(arrow_adder *adder, const struct ArrowSchema *schema, const struct ArrowArray *batch,
                        int64_t first, int64_t count, struct ArrowArray *columns, ucid_error *error);
    void (*reset)(arrow_adder *adder); /* give back what open and fill hold */
    /* All rows were filled: once, before the stream says that it has ended. NULL: nothing to do. */
    ucid_status (*end)(arrow_adder *adder, ucid_error *error);
} arrow_door;

struct arrow_adder {
    const arrow_door *door;
    ucid_allocator allocator;
    ucid_allocator columns; /* of which batches are made: what they give back is used again */
    ucid_recycler *recycler;
    ucid_stream_options options;
    int repeats;         /* set by open: a row may come out several times, as fill says in */
    const int64_t *rows; /* [row_count]: input rows of the columns that fill made, from 0 */
    int64_t row_count;
    int added_count;
    arrow_added added[ARROW_ADDED_MAX];
    arrow_pair metadata[ARROW_PAIRS_MAX]; /* texts that live as long as the adder; a NULL key ends them */
};

/* A column whose texts are few and known: grades, statuses. */
typedef struct arrow_words {
    const char *(*text)(uint8_t code);
    const uint8_t *codes; /* [count]: those with a text */
    int count;
} arrow_words;
extern const arrow_words arrow_grades, arrow_statuses;

/* Say that a column of words will be added, and fill it: row i is the text of codes[i], null where its validity bit is
 * 0. They lie behind a dictionary of all words, the same for each batch, where the options say so. err NO_MEMORY */
void arrow_add_words(arrow_adder *adder, const char *name, int nullable);
ucid_status arrow_words_fill(const arrow_adder *adder, struct ArrowArray *array, int64_t n, const uint8_t *codes,
                             const arrow_words *words, const uint8_t *validity, ucid_error *error);
/* Say that a column will be added; texts are large where the options say so. */
void arrow_add(arrow_adder *adder, const char *name, const char *format, int nullable);

/* Make *out of *in, which is taken over. prepare, where not NULL, sees the zeroed adder before open does.
 * err   INVALID_ARGUMENT: an option; DATA_ERROR: no tables, or a column is there already; those of open; NO_MEMORY */
ucid_status arrow_open(struct ArrowArrayStream *in, const ucid_stream_options *options, const arrow_door *door,
                       const void *given, void (*prepare)(arrow_adder *adder, const void *given),
                       struct ArrowArrayStream *out, ucid_error *error);

/* Schema of a stream of tables; to be released. err INVALID_ARGUMENT: released; DATA_ERROR: no tables; NO_MEMORY */
ucid_status arrow_schema_read(struct ArrowArrayStream *in, struct ArrowSchema *schema, ucid_error *error);
/* The next batch of a stream, found to fit its schema; released at the end of the stream, and on failure. err
 * DATA_ERROR, NO_MEMORY */
ucid_status arrow_pull(struct ArrowArrayStream *in, const struct ArrowSchema *schema, struct ArrowArray *batch,
                       ucid_error *error);

/* Position of a column: of the given name, or, where that is NULL, of the first of the usual names (NULL at the end)
 * that is there. usual may be NULL. -1 where there is none. */
int64_t arrow_find(const struct ArrowSchema *schema, const char *name, const char *const *usual);
/* DATA_ERROR that names what is missing and lists the columns that are there. */
ucid_status arrow_missing(const struct ArrowSchema *schema, const char *name, const char *what, ucid_error *error);

/* errno code of a failed stream call. */
int arrow_errno(ucid_status status);

extern const char *const arrow_lat_names[],
    *const arrow_lon_names[], *const arrow_cell_names[], *const arrow_ucid_names[],
                                                             *const arrow_city_names[],
                                                                 *const arrow_time_names[],
                                                                     *const arrow_context_names[],
                                                                         *const arrow_grade_names[],
                                                                             *const arrow_confidence_names[],
                                                                                 *const arrow_flags_names[];

#endif
