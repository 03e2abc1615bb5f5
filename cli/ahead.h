/* ahead.h: a stream whose batches are made by a thread of its own, a few ahead of its reader. Two in a row make a
 * pipeline of three stages, and keep the order: read -> ahead -> score -> ahead -> write. */
#ifndef UCID_CLI_AHEAD_H
#define UCID_CLI_AHEAD_H

#include "io.h"

/* Takes *inner; on failure inner is released. At most `depth` batches wait. */
ucid_status cli_ahead(struct ArrowArrayStream *inner, int depth, struct ArrowArrayStream *out, ucid_error *error);

#endif
