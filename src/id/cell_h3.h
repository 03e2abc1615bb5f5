/* cell_h3.h: libh3's header, for cell*.c alone. It lies in h3/ where the library is installed, and bare where it is
 * built in this tree. */
#ifndef UCID_ID_CELL_H3_H
#define UCID_ID_CELL_H3_H

#if __has_include(<h3api.h>)
#include <h3api.h>
#else
#include <h3/h3api.h>
#endif

#endif
