/* indexes.h: the indexes that a command asks, named one by one or by a catalog.
 *
 * A catalog is a JSON file, or a folder or prefix that holds one as catalog.json:
 *
 *     {"format": 1, "indexes": [{"path": "lpa.ucidx", "id": "322c...", "sha256": "9f1b...", "bytes": 13639488,
 *       "data": "2023W08T12", "bounds": [28.0, -15.5, 28.2, -15.4], "coverage": ["8734...", ...]}]}
 *
 * Paths are relative to the catalog. An index of a catalog is opened when a place first needs it, and fetched where it
 * lies in an object store (index_cache.h). */
#ifndef UCID_CLI_INDEXES_H
#define UCID_CLI_INDEXES_H

#include "cli.h"

typedef struct cli_index cli_index;

typedef struct cli_indexes {
    cli_index *index;
    ucid_catalog_entry *entry; /* what is known of each index without opening it */
    int64_t count;
    ucid_catalog *catalog;
    ucid_error failed; /* why an index could not be opened; status OK: none was tried, or all could */
} cli_indexes;

#define CLI_INDEX_OPTIONS(paths, named_catalog)                                                                        \
    {"index", '\0', POPT_ARG_ARGV, &(paths), 0, "index of a region; may be repeated", "CITY.ucidx"},                   \
    {                                                                                                                  \
        "catalog", '\0', POPT_ARG_STRING, &(named_catalog), 0, "catalog of indexes; $UCID_CATALOG", "catalog.json"     \
    }

/* paths ends with NULL, or is NULL; catalog may be NULL: then UCID_CATALOG is asked. Returns 0, or the exit code. The
 * catalog of *indexes keeps a pointer to it. */
int cli_indexes_open(char **paths, const char *catalog, cli_indexes *indexes);
/* 1 where every index tells the week of its data, so that no time key need be named; else a usage error. */
int cli_indexes_dated(const cli_indexes *indexes);
/* The index that answers for a place, opened; NULL where there is none, or where it could not be (then failed says
 * why). Borrowed. */
const ucid_index *cli_indexes_find(cli_indexes *indexes, double lat_deg, double lon_deg);
void cli_indexes_close(cli_indexes *indexes);

#endif
