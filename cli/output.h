/* output.h: a file that has its name when it is complete. */
#ifndef UCID_CLI_OUTPUT_H
#define UCID_CLI_OUTPUT_H

#include "ucid.h"

#include <stdio.h>

typedef struct cli_output {
    FILE *stream; /* write to it; its errors are told by cli_output_commit */
    char *path, *beside;
    int fd, reason; /* errno of the first write that failed */
} cli_output;

/* Start a file beside `path`; what is there already stays as it is. A path that is no regular file (a pipe, /dev/full)
 * is written to itself.
 * err   IO_ERROR, NO_MEMORY; nothing to be released then */
ucid_status cli_output_create(const char *path, cli_output *file, ucid_error *error);
/* Everything to the disk, and the file under its name. It is released in any case.
 * err   IO_ERROR: what was at `path` is as it was */
ucid_status cli_output_commit(cli_output *file, ucid_error *error);
/* Drop what was written. */
void cli_output_abort(cli_output *file);

#endif
