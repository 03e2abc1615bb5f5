/* cell_tables.h: the icosahedron and the numbering of H3, as tables. cell_tables.c is printed by tests/test_cell_tables
 * --print, which learns it from libh3's public functions, and which as a test learns it anew and compares; why it is
 * kept in the tree: docs/adr/0006-cell-tables-in-the-tree.md.
 *
 * A face of the icosahedron has a plane that touches the sphere at the face's centre c. In it lies a lattice of cells
 * for each resolution; its points are a * i + b * j, where the unit vectors i and j are 120 degrees apart. On even
 * resolutions i points to a corner of the face, on odd ones it is turned counter-clockwise by asin(sqrt(3/28)). With
 * the scale S of a resolution, 2.618.. * sqrt(7)^r, the coordinates of a direction v are a = S (v.to_a) / (v.c), b = S
 * (v.to_b) / (v.c).
 *
 * The seven children of a cell lie at digit vectors from its centre, in the children's lattice:
 *
 *     digit   0       1        2       3        4       5        6
 *     (a, b)  (0, 0)  (-1,-1)  (0, 1)  (-1, 0)  (1, 0)  (0, -1)  (1, 1)
 *
 * and the centre's coordinates in that lattice are (2a + b, 3b - a) towards an odd resolution and (3a - b, a + 2b)
 * towards an even one: two steps are times 7, four steps times 49. */
#ifndef UCID_ID_CELL_TABLES_H
#define UCID_ID_CELL_TABLES_H

#include <stdint.h>

#define UCID_CELL_SCALE_0 0x1.4f1bbcdcbfa54p+1 /* S at resolution 0: ((1 + sqrt 5) / 2)^2 */

typedef struct ucid_cell_face {
    double c[3];
    double to_a[2][3], to_b[2][3]; /* [resolution odd] */
    double i[3], j[3];             /* on even resolutions */
    double lead[3][3];             /* v.lead > 0 for the three neighbours: v is nearer to this face than to them */
} ucid_cell_face;

enum { UCID_CELL_FACES = 20, UCID_CELL_TOP = 7, UCID_CELL_BASES = 122, UCID_CELL_HOMES = 5, UCID_CELL_ROWS = 36 };

#define UCID_CELL_SQUARE_DEG (180 / UCID_CELL_ROWS)

/* Where a base cell lies in the lattice of resolution 0 of a face. */
typedef struct ucid_cell_home {
    uint8_t face; /* 255: no more */
    int8_t a, b;
    uint8_t pentagon;
    uint32_t
        turns; /* 3 bits for each leading digit of a cell: steps of 60 degrees from the cell to the face; 7: none */
} ucid_cell_home;

typedef struct ucid_cell_tables {
    ucid_cell_face face[UCID_CELL_FACES]; /* face f + 10 lies opposite to face f */
    /* [face][a + 3][b + 3] at resolution 0: bits 0..6 base cell, 7 pentagon, from 8 on three bits for each leading
     * digit: counter-clockwise steps of 60 degrees that turn the digits from the face into the base cell; 7: not on
     * this face. */
    uint32_t top[UCID_CELL_FACES][UCID_CELL_TOP * UCID_CELL_TOP];
    ucid_cell_home home[UCID_CELL_BASES][UCID_CELL_HOMES];
    /* [a modulo 49][b modulo 49]: bits 0..11 the last four digits, coarsest first; 12..13 and 14..15 what is to be
     * added, plus 1, to the quotients by 49 to get the cell four resolutions up. */
    uint16_t up[49 * 49];
    int8_t down[4096][2];                             /* [four digits]: (a, b) of the descendant, from the centre */
    uint8_t near[UCID_CELL_ROWS][2 * UCID_CELL_ROWS]; /* face of the middle of each square, from -90 and -180 degrees */
} ucid_cell_tables;

/* The number of a base cell. */
#define UCID_CELL_BASE(base) (UINT64_C(0x08001FFFFFFFFFFF) | (uint64_t)(base) << 45)

extern const ucid_cell_tables ucid_cell_table;

#endif
