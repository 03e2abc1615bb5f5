/* bench_identity.c: identifiers made, read, repaired and packed, on one thread: one at a time and by the column. Places
 * of 20 cities and of the whole sphere; bad rows of two kinds.
 *
 *     bench_identity [rows] [resolution] [what: the start of a name]
 *
 * One JSON object a line: name, unit, value: processor time, the best of RUNS, or of a tenth of a second's. */
#include "ucid.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RUNS = 7 };

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint64_t draw(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static double draw_unit(uint64_t *state) { return (double)(draw(state) >> 11) * 0x1p-53; }

typedef struct bench {
    int64_t n;
    int resolution;
    double *lat_deg, *lon_deg, *confidence;
    uint8_t *grade, *status, *binary, *validity;
    ucid_texts texts;
    char *text, *other, *context, *city;
    int32_t *offsets, *other_offsets, *context_offsets, *hour;
    size_t capacity;
    uint64_t *cell;
    ucid_fields *fields;
    uint64_t sum;
    const char *only;
} bench;

static void require(int holds)
{
    if (!holds) abort();
}

static ucid_create_columns columns_of(const bench *b)
{
    ucid_create_columns in = {0};
    in.lat_deg = b->lat_deg;
    in.lon_deg = b->lon_deg;
    in.city = (ucid_texts){"IST", NULL, NULL, 3, NULL};
    in.context = (ucid_texts){"15MIN", NULL, NULL, 5, NULL};
    in.time = (ucid_texts){"2026W01T12", NULL, NULL, 10, NULL};
    in.grade = b->grade;
    in.confidence = b->confidence;
    in.resolution = b->resolution;
    return in;
}

static void create_column(bench *b)
{
    ucid_create_columns in = columns_of(b);
    ucid_texts_out out = {b->other, b->capacity, b->other_offsets, NULL};
    require(ucid_texts_create(b->n, &in, 0, NULL, &out, NULL, NULL, b->status, NULL) == UCID_OK);
}

static void create_single(bench *b)
{
    ucid_values values = UCID_VALUES_INIT;
    values.city = (ucid_text)UCID_TEXT("IST");
    values.time = (ucid_text)UCID_TEXT("2026W01T12");
    values.context = (ucid_text)UCID_TEXT("15MIN");
    values.resolution = b->resolution;
    ucid_fields fields;
    char text[UCID_LENGTH_MAX + 1];
    for (int64_t i = 0; i < b->n; i++) {
        values.lat_deg = b->lat_deg[i];
        values.lon_deg = b->lon_deg[i];
        values.grade = b->grade[i];
        values.confidence = b->confidence[i];
        require(ucid_create(&values, 0, NULL, &fields, NULL) == UCID_OK);
        b->sum += ucid_format(&fields, text);
    }
}

static ucid_field_columns field_columns(const bench *b)
{
    ucid_field_columns out = {.city = b->city,
                              .lat_deg = b->lat_deg,
                              .lon_deg = b->lon_deg,
                              .cell = b->cell,
                              .hour = b->hour,
                              .context = {b->context, 16 * (size_t)b->n + 16, b->context_offsets, NULL},
                              .grade = b->grade,
                              .confidence = b->confidence,
                              .validity = b->validity,
                              .status = b->status};
    return out;
}

static void parse_column(bench *b, unsigned mode, int check)
{
    ucid_field_columns out = field_columns(b);
    if (check) out = (ucid_field_columns){.status = b->status};
    require(ucid_texts_parse(b->n, &b->texts, mode, NULL, &out, NULL) == UCID_OK);
}

static void parse_strict(bench *b) { parse_column(b, UCID_STRICT, 0); }
static void parse_lenient(bench *b) { parse_column(b, UCID_LENIENT, 0); }
static void check_strict(bench *b) { parse_column(b, UCID_STRICT, 1); }

static void parse_single(bench *b, unsigned mode)
{
    ucid_fields fields;
    for (int64_t i = 0; i < b->n; i++) {
        ucid_text text = {b->text + b->offsets[i], (size_t)(b->offsets[i + 1] - b->offsets[i])};
        b->sum += ucid_parse(text, mode, NULL, &fields, NULL) + fields.cell;
    }
}

static void single_strict(bench *b) { parse_single(b, UCID_STRICT); }
static void single_lenient(bench *b) { parse_single(b, UCID_LENIENT); }

static void format_all(bench *b)
{
    char text[UCID_LENGTH_MAX + 1];
    for (int64_t i = 0; i < b->n; i++) b->sum += ucid_format(&b->fields[i & 1023], text);
}

static void canonicalize(bench *b)
{
    ucid_texts_out out = {b->other, b->capacity, b->other_offsets, NULL};
    require(ucid_texts_canonicalize(b->n, &b->texts, &out, NULL, b->status, NULL) == UCID_OK);
}

static void pack_fields(bench *b)
{
    for (int64_t i = 0; i < b->n; i++) {
        uint8_t binary[UCID_BINARY_SIZE];
        ucid_fields back;
        require(ucid_pack(&b->fields[i & 1023], binary, NULL) == UCID_OK);
        require(ucid_unpack(binary, sizeof binary, &back, NULL) == UCID_OK);
        b->sum += back.cell;
    }
}

static void pack_columns(bench *b)
{
    ucid_field_columns fields = field_columns(b);
    fields.validity = NULL;
    require(ucid_columns_pack(b->n, &fields, b->binary, NULL, b->status, NULL) == UCID_OK);
}

static void unpack_columns(bench *b)
{
    ucid_field_columns fields = field_columns(b);
    require(ucid_columns_unpack(b->n, b->binary, NULL, &fields, NULL) == UCID_OK);
}

static void pack_unpack_columns(bench *b)
{
    pack_columns(b);
    unpack_columns(b);
}

static void pack_texts(bench *b)
{
    require(ucid_texts_pack(b->n, &b->texts, b->binary, NULL, b->status, NULL) == UCID_OK);
}

static void unpack_texts(bench *b)
{
    ucid_texts_out out = {b->other, b->capacity, b->other_offsets, NULL};
    require(ucid_texts_unpack(b->n, b->binary, NULL, &out, NULL, b->status, NULL) == UCID_OK);
}

static void measure(bench *b, const char *what, const char *where, void (*run)(bench *))
{
    double best = 1e9, all = 0;
    if (b->only != NULL && strncmp(what, b->only, strlen(b->only)) != 0) return;
    for (int i = 0; i < RUNS || all < 0.1; i++) {
        double start = seconds();
        run(b);
        double took = seconds() - start;
        best = took < best ? took : best;
        all += took;
    }
    printf("{\"name\": \"%s, %s, r%d\", \"unit\": \"M/s\", \"value\": %.2f, \"ns\": %.1f}\n", what, where,
           b->resolution, (double)b->n / best / 1e6, best / (double)b->n * 1e9);
    fflush(stdout);
}

static void take_texts(bench *b)
{
    create_column(b);
    memcpy(b->text, b->other, (size_t)b->other_offsets[b->n]);
    memcpy(b->offsets, b->other_offsets, ((size_t)b->n + 1) * sizeof *b->offsets);
    b->texts = (ucid_texts){b->text, b->offsets, NULL, 0, NULL};
}

static void draw_places(bench *b, int cities)
{
    uint64_t seed = 42;
    ucid_city city;
    static const char *const codes[] = {"IST", "NYC", "LON", "HEL", "SYD", "BJS", "SEL", "STO", "SAO", "JNB",
                                        "CAI", "DEL", "TYO", "MEX", "PAR", "BER", "MAD", "ROM", "LAX", "CHI"};
    for (int64_t i = 0; i < b->n; i++) {
        if (cities) {
            ucid_text code = {codes[draw(&seed) % 20], 3};
            require(ucid_city_get(NULL, code, &city, NULL) == UCID_OK);
            b->lat_deg[i] = city.lat_deg + (draw_unit(&seed) - 0.5) * 0.4;
            b->lon_deg[i] = city.lon_deg + (draw_unit(&seed) - 0.5) * 0.4;
        } else {
            b->lat_deg[i] = draw_unit(&seed) * 170 - 85;
            b->lon_deg[i] = draw_unit(&seed) * 360 - 180;
        }
        b->grade[i] = (uint8_t)(draw(&seed) % 6);
        b->confidence[i] = draw_unit(&seed);
    }
}

static void bench_places(bench *b, const char *where)
{
    measure(b, "create, column", where, create_column);
    measure(b, "create + format, single", where, create_single);
    take_texts(b);
    measure(b, "parse strict, column", where, parse_strict);
    measure(b, "check strict, column", where, check_strict);
    measure(b, "parse lenient, column", where, parse_lenient);
    measure(b, "parse strict, single", where, single_strict);
    measure(b, "parse lenient, single", where, single_lenient);
    measure(b, "canonicalize canonical, column", where, canonicalize);
}

int main(int argc, char **argv)
{
    bench b = {.n = argc > 1 ? atoll(argv[1]) : 1000000,
               .resolution = argc > 2 ? atoi(argv[2]) : 9,
               .only = argc > 3 ? argv[3] : NULL};
    size_t n = (size_t)b.n;
    b.capacity = 140 * n + 64;
    b.lat_deg = malloc(n * 8);
    b.lon_deg = malloc(n * 8);
    b.confidence = malloc(n * 8);
    b.cell = malloc(n * 8);
    b.grade = malloc(n);
    b.status = malloc(n);
    b.validity = malloc(n / 8 + 1);
    b.binary = malloc(n * UCID_BINARY_SIZE);
    b.text = malloc(b.capacity);
    b.other = malloc(b.capacity);
    b.city = malloc(3 * n);
    b.context = malloc(16 * n + 16);
    b.hour = malloc(n * 4);
    b.offsets = malloc((n + 1) * 4);
    b.other_offsets = malloc((n + 1) * 4);
    b.context_offsets = malloc((n + 1) * 4);
    b.fields = malloc(1024 * sizeof *b.fields);
    draw_places(&b, 0);
    bench_places(&b, "sphere");
    draw_places(&b, 1);
    bench_places(&b, "20 cities");

    for (int64_t i = 0; i < 1024; i++) {
        int64_t j = i % b.n; /* few rows are used again and again */
        ucid_text text = {b.text + b.offsets[j], (size_t)(b.offsets[j + 1] - b.offsets[j])};
        require(ucid_parse(text, UCID_LENIENT, NULL, &b.fields[i], NULL) == UCID_OK);
    }
    measure(&b, "format", "20 cities", format_all);
    measure(&b, "pack + unpack, single", "20 cities", pack_fields);
    parse_lenient(&b);
    measure(&b, "pack, column of fields", "20 cities", pack_columns);
    pack_columns(&b);
    measure(&b, "unpack, column of fields", "20 cities", unpack_columns);
    measure(&b, "pack + unpack, column of fields", "20 cities", pack_unpack_columns);
    measure(&b, "pack, column of texts", "20 cities", pack_texts);
    pack_texts(&b);
    measure(&b, "unpack, column of texts", "20 cities", unpack_texts);

    for (size_t i = 0; i < n; i++) b.text[b.offsets[i] + 8] |= 32; /* the city in lower case */
    measure(&b, "canonicalize lower case, column", "20 cities", canonicalize);
    measure(&b, "parse strict, column", "every city in lower case", parse_strict);
    for (size_t i = 0; i < n; i++) b.text[b.offsets[i] + 8] &= (char)~32;
    for (size_t i = 0; i < n; i++) b.text[b.offsets[i + 1] - 4] = 'x'; /* the confidence */
    measure(&b, "parse strict, column", "every confidence damaged", parse_strict);
    draw_places(&b, 1);
    take_texts(&b);
    for (size_t i = 0; i < n; i++) { /* the cell of the row before, mostly in another city */
        size_t j = i > 0 ? i - 1 : n - 1;
        const char *from = b.other + b.other_offsets[j], *colon = from;
        for (int fields = 0; fields < 5; fields++) colon = strchr(colon, ':') + 1;
        char *to = b.text + b.offsets[i];
        for (int fields = 0; fields < 5; fields++) to = strchr(to, ':') + 1;
        memcpy(to, colon, 15);
    }
    measure(&b, "parse strict, column", "every cell elsewhere", parse_strict);
    fprintf(stderr, "%llu\n", (unsigned long long)b.sum);
    return 0;
}
