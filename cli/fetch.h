/* fetch.h: the plugin that downloads, the only part of the program that can speak to the Internet, and the only one
 * that links libcurl. */
#ifndef UCID_CLI_FETCH_H
#define UCID_CLI_FETCH_H

#include "ucid.h"

typedef struct fetch_request {
    const char *url;
    const char *path;  /* appended to from its end on: what is there is the beginning of the same file */
    const char *agent; /* User-Agent */
    ucid_progress_fn progress;
    void *progress_ctx;
} fetch_request;

/* Download a file, or the rest of it.
 * err   FILE_NOT_FOUND: the server has no such file; IO_ERROR: no connection, broken off (what came stays in path, for
 *       another try), or path cannot be written; CANCELLED */
typedef ucid_status (*fetch_fn)(const fetch_request *request, ucid_error *error);
ucid_status ucid_fetch(const fetch_request *request, ucid_error *error);

/* MD5 of a file, lower hexadecimal: the only sum that the servers of extracts publish. err FILE_NOT_FOUND */
typedef ucid_status (*fetch_md5_fn)(const char *path, char hex[33], ucid_error *error);
ucid_status ucid_fetch_md5(const char *path, char hex[33], ucid_error *error);

#endif
