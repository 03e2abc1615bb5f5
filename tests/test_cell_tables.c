/* test_cell_tables.c: learns the tables of src/id/cell_tables.c from libh3's public functions. As a test it compares
 * them with what is compiled in; with --print it writes src/id/cell_tables.c.
 *
 * The corners of the icosahedron are the centres of the twelve pentagons; a perfect icosahedron is fitted to them in
 * long double, because the centres come with the rounding of libm. Faces and their first axes are numbered as they
 * come: what libh3 calls them does not matter, because the orientation of each base cell on each face is learnt too,
 * from the cells that libh3 gives for points all over the face and close to its edges. */
#include "id/cell_h3.h"
#include "id/cell_tables.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef long double real;
static ucid_cell_tables learnt;
static real axis_c[UCID_CELL_FACES][3], axis_x[UCID_CELL_FACES][3], axis_y[UCID_CELL_FACES][3];

static const int digit_vector[7][2] = {{0, 0}, {-1, -1}, {0, 1}, {-1, 0}, {1, 0}, {0, -1}, {1, 1}};
static const int digit_turned[8] = {0, 5, 3, 1, 6, 4, 2, 7}; /* by 60 degrees, counter-clockwise */

static real dot(const real u[3], const real v[3]) { return u[0] * v[0] + u[1] * v[1] + u[2] * v[2]; }

static void cross(const real u[3], const real v[3], real out[3])
{
    out[0] = u[1] * v[2] - u[2] * v[1], out[1] = u[2] * v[0] - u[0] * v[2], out[2] = u[0] * v[1] - u[1] * v[0];
}

static void combine(real s, const real u[3], real t, const real v[3], real out[3])
{
    for (int k = 0; k < 3; k++) out[k] = s * u[k] + t * v[k];
}

static void normalise(real v[3])
{
    real length = sqrtl(dot(v, v));
    for (int k = 0; k < 3; k++) v[k] /= length;
}

/* Rotation nearest to m, by Newton's iteration m <- (m + m^-T) / 2. */
static void orthogonalise(real m[3][3])
{
    for (int round = 0; round < 30; round++) {
        real adjoint[3][3];
        for (int k = 0; k < 3; k++) cross(m[(k + 1) % 3], m[(k + 2) % 3], adjoint[k]);
        real determinant = dot(m[0], adjoint[0]);
        for (int k = 0; k < 3; k++) combine(0.5L, m[k], 0.5L / determinant, adjoint[k], m[k]);
    }
}

/* The corners of the icosahedron, fitted. */
static void fit_corners(real corner[12][3])
{
    H3Index pentagons[12];
    real measured[12][3], perfect[12][3];
    if (getPentagons(0, pentagons) != E_SUCCESS) abort();
    for (int p = 0; p < 12; p++) {
        LatLng centre;
        if (cellToLatLng(pentagons[p], &centre) != E_SUCCESS) abort();
        real lat = centre.lat, lon = centre.lng;
        measured[p][0] = cosl(lat) * cosl(lon), measured[p][1] = cosl(lat) * sinl(lon), measured[p][2] = sinl(lat);
        real golden = (1 + sqrtl(5)) / 2;
        for (int k = 0; k < 3; k++) perfect[p][k] = 0;
        perfect[p][(p / 4 + 1) % 3] = p & 1 ? 1 : -1;
        perfect[p][(p / 4 + 2) % 3] = p & 2 ? golden : -golden;
        normalise(perfect[p]);
    }
    /* A rotation that takes one edge to another gives the correspondence. */
    real from[3][3], to[3][3], turn[3][3] = {{0}};
    for (int side = 0; side < 2; side++) {
        real(*points)[3] = side ? measured : perfect;
        real(*frame)[3] = side ? to : from;
        int q = 1;
        while (dot(points[0], points[q]) < 0.4L) q++;
        memcpy(frame[0], points[0], sizeof frame[0]);
        combine(1, points[q], -dot(points[0], points[q]), points[0], frame[1]);
        normalise(frame[1]);
        cross(frame[0], frame[1], frame[2]);
    }
    for (int r = 0; r < 3; r++) {
        for (int c = 0; c < 3; c++) {
            for (int k = 0; k < 3; k++) turn[r][c] += to[k][r] * from[k][c];
        }
    }
    int partner[12];
    for (int p = 0; p < 12; p++) {
        real best = -2;
        for (int m = 0; m < 12; m++) {
            real turned[3] = {dot(turn[0], perfect[m]), dot(turn[1], perfect[m]), dot(turn[2], perfect[m])};
            if (dot(turned, measured[p]) > best) best = dot(turned, measured[p]), partner[p] = m;
        }
    }
    memset(turn, 0, sizeof turn);
    for (int p = 0; p < 12; p++) {
        for (int r = 0; r < 3; r++) {
            for (int c = 0; c < 3; c++) turn[r][c] += measured[p][r] * perfect[partner[p]][c] / 4;
        }
    }
    orthogonalise(turn);
    for (int p = 0; p < 12; p++) {
        for (int k = 0; k < 3; k++) corner[p][k] = dot(turn[k], perfect[partner[p]]);
    }
}

static void learn_faces(void)
{
    real corner[12][3];
    fit_corners(corner);
    int count = 0;
    for (int p = 0; p < 12; p++) {
        for (int q = p + 1; q < 12; q++) {
            for (int r = q + 1; r < 12; r++) {
                if (dot(corner[p], corner[q]) < 0.4L || dot(corner[q], corner[r]) < 0.4L ||
                    dot(corner[p], corner[r]) < 0.4L) {
                    continue;
                }
                real c[3], x[3];
                for (int k = 0; k < 3; k++) c[k] = corner[p][k] + corner[q][k] + corner[r][k];
                normalise(c);
                combine(1, corner[p], -dot(corner[p], c), c, x);
                normalise(x);
                int opposite = 0;
                for (int f = 0; f < count; f++) opposite |= dot(axis_c[f], c) < -0.99L;
                if (opposite) continue;
                memcpy(axis_c[count], c, sizeof c), memcpy(axis_x[count], x, sizeof x);
                for (int k = 0; k < 3; k++) axis_c[count + 10][k] = -c[k], axis_x[count + 10][k] = -x[k];
                count++;
            }
        }
    }
    if (count != 10) abort();
    const real sine = sqrtl(3.0L / 28), cosine = sqrtl(25.0L / 28), root = sqrtl(3);
    for (int f = 0; f < UCID_CELL_FACES; f++) {
        ucid_cell_face *face = &learnt.face[f];
        cross(axis_c[f], axis_x[f], axis_y[f]);
        real j[3];
        combine(-0.5L, axis_x[f], root / 2, axis_y[f], j);
        int neighbours = 0;
        for (int g = 0; g < UCID_CELL_FACES; g++) {
            real near = dot(axis_c[f], axis_c[g]);
            if (g == f || near < 0.7L) continue;
            for (int k = 0; k < 3; k++) face->lead[neighbours][k] = (double)(axis_c[f][k] - axis_c[g][k]);
            neighbours++;
        }
        if (neighbours != 3) abort();
        for (int k = 0; k < 3; k++) {
            face->c[k] = (double)axis_c[f][k], face->i[k] = (double)axis_x[f][k], face->j[k] = (double)j[k];
        }
        for (int odd = 0; odd < 2; odd++) {
            real x[3], y[3];
            combine(odd ? cosine : 1, axis_x[f], odd ? sine : 0, axis_y[f], x);
            cross(axis_c[f], x, y);
            for (int k = 0; k < 3; k++) {
                face->to_a[odd][k] = (double)(x[k] + y[k] / root), face->to_b[odd][k] = (double)(2 * y[k] / root);
            }
        }
    }
}

static int modulo(int64_t value, int divisor) { return (int)((value % divisor + divisor) % divisor); }

/* One step from a lattice to the one above it, which is odd or even; returns the digit. */
static int step_up(int64_t *a, int64_t *b, int to_odd)
{
    for (int digit = 0; digit < 7; digit++) {
        int64_t x = *a - digit_vector[digit][0], y = *b - digit_vector[digit][1];
        int64_t p = to_odd ? 2 * x + y : 3 * x - y, q = to_odd ? 3 * y - x : x + 2 * y;
        if (modulo(p, 7) != 0 || modulo(q, 7) != 0) continue;
        *a = p / 7, *b = q / 7;
        return digit;
    }
    abort();
}

static void learn_steps(void)
{
    for (int a = 0; a < 49; a++) {
        for (int b = 0; b < 49; b++) {
            int64_t p = a, q = b;
            unsigned digits = 0;
            for (int step = 0; step < 4; step++) digits |= (unsigned)step_up(&p, &q, step % 2 == 0) << (3 * step);
            if (p < -1 || p > 2 || q < -1 || q > 2) abort();
            learnt.up[a * 49 + b] = (uint16_t)(digits | (unsigned)(p + 1) << 12 | (unsigned)(q + 1) << 14);
        }
    }
    for (int digits = 0; digits < 4096; digits++) {
        int a = 0, b = 0;
        for (int step = 0; step < 4; step++) {
            int digit = digits >> (9 - 3 * step) & 7, p = step % 2 == 0 ? 2 * a + b : 3 * a - b;
            if (digit == 7) {
                a = b = 0;
                break;
            }
            b = step % 2 == 0 ? 3 * b - a : a + 2 * b, a = p;
            a += digit_vector[digit][0], b += digit_vector[digit][1];
        }
        learnt.down[digits][0] = (int8_t)a, learnt.down[digits][1] = (int8_t)b;
    }
}

/* Compare the digits that the lattice of a face gives for a point of it with those of libh3's cell. */
static void learn_point(int f, real x, real y, int resolution)
{
    real v[3];
    for (int k = 0; k < 3; k++) v[k] = axis_c[f][k] + x * axis_x[f][k] + y * axis_y[f][k];
    normalise(v);
    LatLng point = {(double)asinl(v[2]), (double)atan2l(v[1], v[0])};
    H3Index cell = 0;
    if (latLngToCell(&point, resolution, &cell) != E_SUCCESS) abort();

    const ucid_cell_face *face = &learnt.face[f];
    real scale = UCID_CELL_SCALE_0 * powl(7, resolution / 2.0L), a = 0, b = 0, c = 0;
    for (int k = 0; k < 3; k++) {
        a += v[k] * (real)face->to_a[resolution & 1][k], b += v[k] * (real)face->to_b[resolution & 1][k];
        c += v[k] * axis_c[f][k];
    }
    a *= scale / c, b *= scale / c;
    /* Nearest lattice point; a point close to a border of cells teaches nothing. */
    int64_t p = 0, q = 0;
    real best = 9, second = 9;
    for (int da = -1; da <= 2; da++) {
        for (int db = -1; db <= 2; db++) {
            real u = a - (floorl(a) + da), w = b - (floorl(b) + db), square = u * u + w * w - u * w;
            if (square < best) {
                second = best, best = square, p = (int64_t)floorl(a) + da, q = (int64_t)floorl(b) + db;
            } else if (square < second) {
                second = square;
            }
        }
    }
    if (second - best < 1e-6L) return;
    int digits[15], leading = 0;
    for (int r = resolution; r > 0; r--) digits[r - 1] = step_up(&p, &q, r % 2 == 0);
    if (p < -3 || p > 3 || q < -3 || q > 3) abort();
    for (int r = resolution - 1; r >= 0; r--) leading = digits[r] != 0 ? digits[r] : leading;
    if (leading == 0) return;

    int turns = 0, first = 0;
    for (; turns < 6; turns++) {
        int same = 1;
        for (int r = 0; r < resolution; r++) same &= digits[r] == (int)(cell >> (42 - 3 * r) & 7);
        if (same) break;
        for (int r = 0; r < resolution; r++) digits[r] = digit_turned[digits[r]];
    }
    if (turns == 6) abort();
    for (int r = resolution - 1; r >= 0; r--) first = digits[r] != 0 ? digits[r] : first;

    uint32_t *top = &learnt.top[f][(p + 3) * UCID_CELL_TOP + q + 3];
    uint32_t base = (uint32_t)getBaseCellNumber(cell);
    H3Index root = (cell & ~(UINT64_C(15) << 52)) | UINT64_C(0x1FFFFFFFFFFF); /* resolution 0, no digits */
    uint32_t pentagon = (uint32_t)isPentagon(root);
    if (*top == UINT32_MAX) *top = base | pentagon << 7 | UINT32_C(0xFFFFFF00);
    if ((*top & 255) != (base | pentagon << 7)) abort();
    uint32_t known = *top >> (8 + 3 * leading) & 7;
    if (known != 7 && known != (uint32_t)turns) abort();
    *top = (*top & ~(UINT32_C(7) << (8 + 3 * leading))) | (uint32_t)turns << (8 + 3 * leading);

    ucid_cell_home *home = learnt.home[base];
    while (home->face != 255 && home->face != f) home++;
    if (home == learnt.home[base] + UCID_CELL_HOMES) abort();
    home->face = (uint8_t)f, home->a = (int8_t)p, home->b = (int8_t)q, home->pentagon = (uint8_t)pentagon;
    uint32_t back = (uint32_t)(6 - turns) % 6, before = home->turns >> (3 * first) & 7;
    if (before != 7 && before != back) abort();
    home->turns = (home->turns & ~(UINT32_C(7) << (3 * first))) | back << (3 * first);
}

/* Hexagons turn the same way whatever their leading digit; a cell without one (the base cell's centre) is not turned.
 */
static uint32_t complete(uint32_t turns, int pentagon)
{
    uint32_t common = 7;
    for (int digit = 1; digit < 7; digit++)
        common = (turns >> (3 * digit) & 7) != 7 ? turns >> (3 * digit) & 7 : common;
    for (int digit = 1; digit < 7 && !pentagon; digit++) {
        uint32_t known = turns >> (3 * digit) & 7;
        if (known != 7 && known != common) abort();
        turns = (turns & ~(UINT32_C(7) << (3 * digit))) | common << (3 * digit);
    }
    return turns & ~UINT32_C(7);
}

static void learn_squares(void)
{
    const real degree = acosl(-1.0L) / 180;
    for (int row = 0; row < UCID_CELL_ROWS; row++) {
        for (int column = 0; column < 2 * UCID_CELL_ROWS; column++) {
            real lat = ((row + 0.5L) * UCID_CELL_SQUARE_DEG - 90) * degree,
                 lon = ((column + 0.5L) * UCID_CELL_SQUARE_DEG - 180) * degree, best = -1;
            const real v[3] = {cosl(lat) * cosl(lon), cosl(lat) * sinl(lon), sinl(lat)};
            for (int f = 0; f < UCID_CELL_FACES; f++) {
                const double *c = learnt.face[f].c;
                real near = v[0] * c[0] + v[1] * c[1] + v[2] * c[2];
                if (near > best) best = near, learnt.near[row][column] = (uint8_t)f;
            }
        }
    }
}

static void learn(void)
{
    memset(&learnt, 0, sizeof learnt);
    memset(learnt.top, 255, sizeof learnt.top);
    for (int base = 0; base < UCID_CELL_BASES; base++) {
        for (int h = 0; h < UCID_CELL_HOMES; h++) {
            learnt.home[base][h].face = 255, learnt.home[base][h].turns = 0xFFFFFF;
        }
    }
    learn_faces();
    learn_squares();
    learn_steps();
    const real unit = 1 / (real)UCID_CELL_SCALE_0, root = sqrtl(3);
    for (int f = 0; f < UCID_CELL_FACES; f++) {
        /* The face is the triangle with corners at 2 units along its axes, so at 1 unit from the centre to each edge.
         */
        for (int u = -60; u <= 60; u++) {
            for (int w = -60; w <= 60; w++) {
                real x = (real)u / 30 + 0.0013L, y = (real)w / 30 + 0.0007L;
                if (x < -0.999L || -x / 2 + root / 2 * y < -0.999L || -x / 2 - root / 2 * y < -0.999L) continue;
                learn_point(f, x * unit, y * unit, 4), learn_point(f, x * unit, y * unit, 5);
            }
        }
        for (int edge = 0; edge < 3; edge++) {
            for (int step = -1700; step <= 1700; step++) {
                for (int close = 0; close < 3; close++) {
                    real along = (real)step / 1000 + 0.00037L, inward = 1 - (close == 0   ? 1e-3L
                                                                             : close == 1 ? 1e-5L
                                                                                          : 1e-7L);
                    real angle = (real)(2 * edge + 1) * acosl(-1.0L) / 3;
                    real x = inward * cosl(angle) - along * sinl(angle), y = inward * sinl(angle) + along * cosl(angle);
                    learn_point(f, x * unit, y * unit, 7 + step % 4);
                }
            }
        }
    }
    for (int f = 0; f < UCID_CELL_FACES; f++) {
        for (int p = 0; p < UCID_CELL_TOP * UCID_CELL_TOP; p++) {
            uint32_t *top = &learnt.top[f][p];
            if (*top != UINT32_MAX) *top = (*top & 255) | complete(*top >> 8, *top >> 7 & 1) << 8;
        }
    }
    for (int base = 0; base < UCID_CELL_BASES; base++) {
        for (int h = 0; h < UCID_CELL_HOMES && learnt.home[base][h].face != 255; h++) {
            ucid_cell_home *home = &learnt.home[base][h];
            home->turns = complete(home->turns, home->pentagon);
        }
    }
}

static void print_doubles(const double *values, int count)
{
    for (int k = 0; k < count; k++) printf("%s%a", k ? ", " : "{", values[k]);
    printf("}");
}

static void print_tables(void)
{
    printf("/* cell_tables.c: printed by tests/test_cell_tables --print, which says how. Do not edit. */\n"
           "#include \"id/cell_tables.h\"\n\n/* clang-format off */\nconst ucid_cell_tables ucid_cell_table = {\n{\n");
    for (int f = 0; f < UCID_CELL_FACES; f++) {
        const ucid_cell_face *face = &learnt.face[f];
        printf("{");
        print_doubles(face->c, 3);
        printf(",\n{"), print_doubles(face->to_a[0], 3), printf(",\n"), print_doubles(face->to_a[1], 3);
        printf("},\n{"), print_doubles(face->to_b[0], 3), printf(",\n"), print_doubles(face->to_b[1], 3);
        printf("},\n"), print_doubles(face->i, 3), printf(",\n"), print_doubles(face->j, 3);
        printf(",\n{");
        for (int k = 0; k < 3; k++) print_doubles(face->lead[k], 3), printf(k < 2 ? ",\n" : "}},\n");
    }
    printf("},\n{\n");
    for (int f = 0; f < UCID_CELL_FACES; f++) {
        printf("{");
        for (int p = 0; p < UCID_CELL_TOP * UCID_CELL_TOP; p++)
            printf("0x%08xu,%s", learnt.top[f][p], p % 7 == 6 ? "\n" : "");
        printf("},\n");
    }
    printf("},\n{\n");
    for (int base = 0; base < UCID_CELL_BASES; base++) {
        printf("{");
        for (int h = 0; h < UCID_CELL_HOMES; h++) {
            const ucid_cell_home *home = &learnt.home[base][h];
            printf("{%d,%d,%d,%d,0x%06xu},", home->face, home->a, home->b, home->pentagon, home->turns);
        }
        printf("},\n");
    }
    printf("},\n{\n");
    for (int p = 0; p < 49 * 49; p++) printf("%u,%s", learnt.up[p], p % 16 == 15 ? "\n" : "");
    printf("},\n{\n");
    for (int p = 0; p < 4096; p++) printf("{%d,%d},%s", learnt.down[p][0], learnt.down[p][1], p % 12 == 11 ? "\n" : "");
    printf("},\n{\n");
    for (int row = 0; row < UCID_CELL_ROWS; row++) {
        printf("{");
        for (int k = 0; k < 2 * UCID_CELL_ROWS; k++) printf("%d,%s", learnt.near[row][k], k % 36 == 35 ? "\n" : "");
        printf("},\n");
    }
    printf("}};\n");
}

static void compiled_tables_are_those_of_libh3(void **state)
{
    (void)state;
    learn();
    const double *ours = (const double *)ucid_cell_table.face, *theirs = (const double *)learnt.face;
    double worst = 0;
    for (size_t k = 0; k < sizeof learnt.face / (sizeof(double)); k++) worst = fmax(worst, fabs(ours[k] - theirs[k]));
    printf("icosahedron: worst difference %.3g\n", worst);
    assert_true(worst < 1e-15); /* libm may differ in the last bits of the pentagons' centres */
    assert_memory_equal(ucid_cell_table.top, learnt.top, sizeof learnt.top);
    assert_memory_equal(ucid_cell_table.home, learnt.home, sizeof learnt.home);
    assert_memory_equal(ucid_cell_table.up, learnt.up, sizeof learnt.up);
    assert_memory_equal(ucid_cell_table.down, learnt.down, sizeof learnt.down);
    assert_memory_equal(ucid_cell_table.near, learnt.near, sizeof learnt.near);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--print") == 0) {
        learn();
        print_tables();
        return 0;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(compiled_tables_are_those_of_libh3)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
