/* index_cache.h: indexes of object stores, kept on this host. */
#ifndef UCID_CLI_INDEX_CACHE_H
#define UCID_CLI_INDEX_CACHE_H

#include "ucid.h"

enum { CLI_CACHE_PATH = 4200 };

/* Path of an index in the cache, fetched by one process of this host where it is not there yet.
 * err   IO_ERROR, FILE_NOT_FOUND: it cannot be read or kept; INDEX_CORRUPT: its sha256 is another, it was not taken */
ucid_status cli_index_cached(const char *uri, const char sha256[65], char path[CLI_CACHE_PATH], ucid_error *error);

#endif
