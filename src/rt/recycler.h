/* recycler.h: an allocator that keeps large blocks which were given back, and gives them out again. */
#ifndef UCID_RT_RECYCLER_H
#define UCID_RT_RECYCLER_H

#include "ucid.h"

/* What a stream makes its columns of. They may live longer than the stream, and be given back by any thread. */
typedef struct ucid_recycler ucid_recycler;

/* NULL when memory is out. */
ucid_recycler *ucid_recycler_new(const ucid_allocator *below);
/* Its allocator; to be asked for memory until ucid_recycler_leave, to be given it back at any time. */
ucid_allocator ucid_recycler_allocator(ucid_recycler *recycler);
/* Nothing is asked for any more: what is kept is freed, and with the last block that comes back the rest. NULL is fine.
 */
void ucid_recycler_leave(ucid_recycler *recycler);

#endif
