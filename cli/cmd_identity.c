/* cmd_identity.c: create, parse, validate, canon, pack, unpack: texts given as arguments, for people; with --output, a
 * table in and a table out. */
#include "commands.h"
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMN_OPTIONS(what)                                                                                           \
    {"column", '\0', POPT_ARG_STRING, &given.column, 0, what, "NAME"},                                                 \
    {                                                                                                                  \
        "replace", '\0', POPT_ARG_NONE, &given.replace, 0, "replace columns that have an output column's name", NULL   \
    }
#define UCID_COLUMN "of a table: column of identifiers; ucid, ucid_string"

static cli_tables tables;
static struct {
    char *city, *lat, *lon, *time, *context, *grade, *flags, *cell, *cities, *column;
    double confidence;
    int resolution, snap, strict, lenient, replace, hex;
} given = {.resolution = 9};

static ucid_registry *registry; /* of --cities; NULL: the built-in one */

static ucid_text text_of(const char *string)
{
    ucid_text text = {string, string != NULL ? strlen(string) : 0};
    return text;
}

/* 0, and *code, where --cities cannot be read. */
static int open_cities(int *code)
{
    ucid_error error;
    if (given.cities == NULL || ucid_registry_open(given.cities, NULL, &registry, &error) == UCID_OK) return 1;
    *code = cli_fail(&error);
    return 0;
}

/* A text with a caret under the byte that breaks a rule, and the rule. */
static void show_place(const char *text, int32_t byte, const char *message)
{
    enum { BEFORE = 60, AFTER = 15 };
    int start = byte > BEFORE ? byte - BEFORE : 0, length = (int)strlen(text), end = byte + AFTER, column = 0;
    while (start > 0 && ((unsigned char)text[start] & 0xC0) == 0x80) start--;
    if (end > length) end = length;
    fputs("    ", stderr);
    for (int i = start; i < end; i++) {
        unsigned char c = (unsigned char)text[i];
        fputc(c < ' ' || c == 127 ? '?' : c, stderr);
        column += i < byte && (c & 0xC0) != 0x80;
    }
    fprintf(stderr, "\n    %*s^ %s\n", column, "", message);
}

static json_t *json_of_fields(const ucid_fields *fields)
{
    char canonical[UCID_LENGTH_MAX + 1], cell[16], key[40];
    ucid_format(fields, canonical);
    ucid_cell_format(fields->cell, cell);
    snprintf(key, sizeof key, "%04dW%02uT%02u", fields->year, fields->week, fields->hour);
    json_t *flags = json_array();
    for (const char *flag = fields->flags; *flag != '\0';) {
        size_t length = strcspn(flag, ";");
        json_array_append_new(flags, json_stringn(flag, length));
        flag += length + (flag[length] == ';');
    }
    return json_pack("{s:s, s:s, s:f, s:f, s:i, s:s, s:s, s:s, s:s, s:f, s:o}", "ucid", canonical, "city", fields->city,
                     "lat", fields->lat_deg, "lon", fields->lon_deg, "h3_resolution", fields->resolution, "h3_index",
                     cell, "timestamp", key, "context", fields->context, "grade", ucid_grade_text(fields->grade),
                     "confidence", fields->confidence, "flags", flags);
}

/* Runs one over each argument and collects its results; one says what is wrong with a text by itself. */
typedef struct one_result {
    ucid_status status;
    json_t *json;
} one_result;

static int each_text(const char **argv, one_result (*one)(const char *text))
{
    int code = CLI_DONE, count = 0, bad = 0;
    if (!open_cities(&code)) return code;
    json_t *results = json_array();
    for (; *argv != NULL; argv++, count++) {
        one_result result = one(*argv);
        json_array_append_new(results, result.json);
        if (result.status == UCID_OK) continue;
        bad++;
        code = ucid_status_exit_code(result.status);
    }
    json_object_set_new(cli_report(), "results", results);
    ucid_registry_close(registry);
    return bad == 0 ? CLI_DONE : count == 1 ? code : CLI_ROWS_INVALID;
}

static one_result refused(const char *text, const ucid_error *error)
{
    one_result result = {error->status, json_pack("{s:s, s:s, s:i, s:s, s:s}", "text", text, "code",
                                                  ucid_status_code(error->status), "byte", error->byte, "field",
                                                  ucid_field_name(error->field), "message", error->message)};
    if (!cli_json()) {
        fprintf(stderr, "ucid: %s\n", ucid_status_code(error->status));
        if (error->byte >= 0) {
            show_place(text, error->byte, error->message);
        } else {
            fprintf(stderr, "    %s\n", error->message);
        }
    }
    return result;
}

/* -------------------------------------------------------------------------------------------------------- tables -- */

static const char *const ucid_names[] = {"ucid", "ucid_string", NULL};

static int text_table(const char **argv, unsigned mode, const char *const *usual, cli_make_fn *make)
{
    int code;
    if (!open_cities(&code)) return code;
    const char *const named[] = {given.column, NULL};
    int csv = cli_tables_csv(&tables, argv);
    ucid_io_read_options read = {.texts = given.column != NULL ? named : usual, .text = csv};
    ucid_stream_options options = UCID_STREAM_OPTIONS_INIT;
    options.ucid_column = given.column;
    options.mode = mode;
    options.replace = given.replace;
    options.registry = registry;
    options.hexadecimal = csv || given.hex;
    code = cli_table_pass(&tables, argv, &read, &options, make);
    ucid_registry_close(registry);
    return code;
}

/* -------------------------------------------------------------------------------------------------------- create -- */

static const struct poptOption create_options[] = {
    {"city", '\0', POPT_ARG_STRING, &given.city, 0, "IST; of a table without column city: of all rows", "CODE"},
    {"lat", '\0', POPT_ARG_STRING, &given.lat, 0, "degrees; of a table: column of latitudes", "LAT"},
    {"lon", '\0', POPT_ARG_STRING, &given.lon, 0, "degrees; of a table: column of longitudes", "LON"},
    {"timestamp", 't', POPT_ARG_STRING, &given.time, 0, "2026W01T12; of a table without that column: of all rows",
     "KEY"},
    {"context", '\0', POPT_ARG_STRING, &given.context, 0, "15MIN; of a table likewise", "CONTEXT"},
    {"grade", '\0', POPT_ARG_STRING, &given.grade, 0, "A+, A, B, C, D, F; F", "GRADE"},
    {"confidence", '\0', POPT_ARG_DOUBLE, &given.confidence, 0, "0..1; 0", "X"},
    {"res", 'r', POPT_ARG_INT, &given.resolution, 0, "resolution of the cell; 9", "0..15"},
    {"flags", '\0', POPT_ARG_STRING, &given.flags, 0, "joined by ; or ,", "FLAGS"},
    {"h3", '\0', POPT_ARG_STRING, &given.cell, 0, "cell to state; that of the place. Of a table: column of cells",
     "CELL"},
    {"snap", '\0', POPT_ARG_NONE, &given.snap, 0, "cell of the rounded coordinates", NULL},
    {"strict", '\0', POPT_ARG_NONE, &given.strict, 0, "registered city, existing week, agreeing cell", NULL},
    {"replace", '\0', POPT_ARG_NONE, &given.replace, 0, "replace columns that have an output column's name", NULL},
    {"cities", '\0', POPT_ARG_STRING, &given.cities, 0, "more cities", "FILE.csv"},
    CLI_TABLE_OPTIONS(tables),
    CLI_COMMON,
    POPT_TABLEEND};
static const cli_positional create_positionals[] = {
    {"IN|LAT", "degrees; with --output tables of places: " CLI_FILES, CLI_ANY},
    {"LON", "degrees", CLI_OPTIONAL},
    {NULL, NULL, CLI_ONE},
};

static int create_table(const char *const *in)
{
    static const char *const texts[] = {"h3",        "h3_index", "h3_cell", "cell",  "city", "city_code",
                                        "timestamp", "context",  "grade",   "flags", NULL};
    const char *const lat[] = {given.lat, NULL}, *const lon[] = {given.lon, NULL};
    ucid_io_read_options read = {.latitudes = given.lat != NULL ? lat : cli_lat_names,
                                 .longitudes = given.lon != NULL ? lon : cli_lon_names,
                                 .texts = texts};
    ucid_stream_options options = UCID_STREAM_OPTIONS_INIT;
    options.lat_column = given.lat;
    options.lon_column = given.lon;
    options.cell_column = given.cell;
    options.city = given.city;
    options.time = given.time;
    options.context = given.context;
    options.resolution = given.resolution;
    options.replace = given.replace;
    options.mode = (given.strict ? UCID_STRICT : 0u) | (given.snap ? UCID_SNAP : 0u);
    if (given.grade != NULL || given.flags != NULL) {
        return cli_usage("--grade and --flags are for one place; a table has columns grade and flags");
    }
    int code;
    if (!open_cities(&code)) return code;
    options.registry = registry;
    code = cli_table_pass(&tables, in, &read, &options, ucid_create_stream);
    ucid_registry_close(registry);
    return code;
}

static int run_create(int argc, const char **argv)
{
    if (tables.out != NULL) return argc > 0 ? create_table(argv) : cli_usage("--output needs a table: IN");
    const char *lat = argc == 2 ? argv[0] : given.lat, *lon = argc == 2 ? argv[1] : given.lon;
    if ((argc != 0 && argc != 2) || lat == NULL || lon == NULL)
        return cli_usage("needs LAT and LON, or IN and --output OUT");
    if (given.city == NULL || given.time == NULL || given.context == NULL) {
        return cli_usage("--city, --timestamp and --context are needed");
    }
    ucid_values values = UCID_VALUES_INIT;
    if (!cli_parse_number("LAT", lat, &values.lat_deg) || !cli_parse_number("LON", lon, &values.lon_deg))
        return CLI_USAGE;
    values.city = text_of(given.city);
    values.time = text_of(given.time);
    values.context = text_of(given.context);
    values.resolution = given.resolution;
    values.confidence = given.confidence;
    if (given.grade != NULL) values.grade = (uint8_t)ucid_grade_parse(text_of(given.grade));
    uint64_t cell = UINT64_MAX;
    if (given.cell != NULL) {
        ucid_cell_read(text_of(given.cell), &cell);
        values.cell = &cell;
    }
    ucid_text flags[128];
    values.flags = flags;
    for (const char *flag = given.flags; flag != NULL && *flag != '\0' && values.flag_count < 128;) {
        size_t length = strcspn(flag, ";,");
        flags[values.flag_count++] = (ucid_text){flag, length};
        flag += length + (flag[length] != '\0');
    }
    int code;
    if (!open_cities(&code)) return code;
    unsigned mode = (given.strict ? UCID_STRICT : 0u) | (given.snap ? UCID_SNAP : 0u);
    ucid_fields fields;
    ucid_error error;
    ucid_status status = ucid_create(&values, mode, registry, &fields, &error);
    ucid_registry_close(registry);
    if (status != UCID_OK) return cli_fail(&error);
    char text[UCID_LENGTH_MAX + 1];
    ucid_format(&fields, text);
    if (!cli_json()) puts(text);
    json_object_set_new(cli_report(), "ucid", json_string(text));
    return CLI_DONE;
}

const cli_command cli_create = {
    "create",
    "Make identifiers of places",
    "  ucid create 41.015 28.979 --city IST -t 2026W01T12 --context 15MIN\n"
    "  ucid create places.csv -o named.parquet -t 2026W01T12 --context 15MIN\n",
    create_options,
    create_positionals,
    run_create,
};

/* --------------------------------------------------------------------------------------------------------- parse -- */

static const struct poptOption parse_options[] = {
    {"no-strict", '\0', POPT_ARG_NONE, &given.lenient, 0, "grammar and ranges only", NULL},
    COLUMN_OPTIONS(UCID_COLUMN),
    {"cities", '\0', POPT_ARG_STRING, &given.cities, 0, "more cities", "FILE.csv"},
    CLI_TABLE_OPTIONS(tables),
    CLI_COMMON,
    POPT_TABLEEND};
static const cli_positional text_positionals[] = {
    {"IN|UCID", "identifiers; with --output tables: " CLI_FILES, CLI_MANY},
    {NULL, NULL, CLI_ONE},
};

static one_result parse_one(const char *text)
{
    ucid_fields fields;
    ucid_error error;
    unsigned mode = given.lenient ? UCID_LENIENT : UCID_STRICT;
    if (ucid_parse(text_of(text), mode, registry, &fields, &error) != UCID_OK) return refused(text, &error);
    one_result result = {UCID_OK, json_of_fields(&fields)};
    if (!cli_json()) {
        const char *key;
        json_t *value;
        json_object_foreach(result.json, key, value)
        {
            char *shown = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
            if (json_is_string(value)) {
                printf("%-14s %s\n", key, json_string_value(value));
            } else {
                printf("%-14s %s\n", key, json_is_array(value) ? fields.flags : shown != NULL ? shown : "");
            }
            free(shown);
        }
        puts("");
    }
    return result;
}

static int run_parse(int argc, const char **argv)
{
    (void)argc;
    if (tables.out != NULL)
        return text_table(argv, given.lenient ? UCID_LENIENT : UCID_STRICT, ucid_names, ucid_parse_stream);
    return each_text(argv, parse_one);
}

const cli_command cli_parse = {
    "parse",
    "Take identifiers apart",
    "  ucid parse UCID-V1:IST:+41.015:+28.979:9:891ec90243bffff:2026W01T12:15MIN:A:0.95:\n"
    "  ucid parse named.parquet -o fields.csv\n",
    parse_options,
    text_positionals,
    run_parse,
};

/* ------------------------------------------------------------------------------------------------------ validate -- */

static const struct poptOption validate_options[] = {
    COLUMN_OPTIONS(UCID_COLUMN),
    {"cities", '\0', POPT_ARG_STRING, &given.cities, 0, "more cities", "FILE.csv"},
    CLI_TABLE_OPTIONS(tables),
    CLI_COMMON,
    POPT_TABLEEND};

static one_result validate_one(const char *text)
{
    ucid_defect defects[UCID_DEFECTS_MAX];
    int count = ucid_validate(text_of(text), registry, defects);
    json_t *list = json_array();
    for (int i = 0; i < count; i++) {
        ucid_error error;
        ucid_defect_explain(text_of(text), &defects[i], &error);
        json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:i, s:s}", "code", ucid_status_code(defects[i].status),
                                              "field", ucid_field_name(defects[i].field), "byte", defects[i].byte,
                                              "bytes", defects[i].bytes, "message", error.message));
        if (cli_json()) continue;
        fprintf(stderr, "ucid: %s\n", ucid_status_code(defects[i].status));
        show_place(text, defects[i].byte, error.message);
    }
    if (!cli_json()) printf("%s %s\n", count == 0 ? "valid  " : "invalid", text);
    one_result result = {count == 0 ? UCID_OK : defects[0].status,
                         json_pack("{s:s, s:b, s:o}", "text", text, "valid", count == 0, "defects", list)};
    return result;
}

static int run_validate(int argc, const char **argv)
{
    (void)argc;
    if (tables.out != NULL) return text_table(argv, UCID_STRICT, ucid_names, ucid_validate_stream);
    int code = each_text(argv, validate_one);
    return code == CLI_DONE ? CLI_DONE : CLI_ROWS_INVALID;
}

const cli_command cli_validate = {
    "validate",
    "Tell everything that is wrong with identifiers",
    "  ucid validate UCID-V1:XXX:+41.015:+28.979:9:891f2ed6df7ffff:2025W53T12:15MIN:A:0.95:\n"
    "  ucid validate named.parquet -o checked.parquet\n\n"
    "Exits with 1 where one is not valid. A table gets defects (status:field:byte;...)\nand the status of the first.\n",
    validate_options,
    text_positionals,
    run_validate,
};

/* --------------------------------------------------------------------------------------------------------- canon -- */

static const struct poptOption canon_options[] = {COLUMN_OPTIONS(UCID_COLUMN), CLI_TABLE_OPTIONS(tables), CLI_COMMON,
                                                  POPT_TABLEEND};

static one_result canon_one(const char *text)
{
    char canonical[UCID_LENGTH_MAX + 1];
    ucid_error error;
    if (ucid_canonicalize(text_of(text), canonical, NULL, &error) != UCID_OK) return refused(text, &error);
    if (!cli_json()) puts(canonical);
    one_result result = {UCID_OK, json_string(canonical)};
    return result;
}

static int run_canon(int argc, const char **argv)
{
    (void)argc;
    if (tables.out != NULL) return text_table(argv, UCID_LENIENT, ucid_names, ucid_canonicalize_stream);
    return each_text(argv, canon_one);
}

const cli_command cli_canon = {
    "canon",
    "Repair identifiers and print their canonical texts",
    "  ucid canon ' ucid-v1:ist:41.015:28.979:9:891EC90243BFFFF:2026W1T9:15min:a:0.9:'\n"
    "  ucid canon raw.csv -o repaired.csv\n",
    canon_options,
    text_positionals,
    run_canon,
};

/* -------------------------------------------------------------------------------------------------- pack, unpack -- */

static const struct poptOption pack_options[] = {
    COLUMN_OPTIONS(UCID_COLUMN),
    {"hex", '\0', POPT_ARG_NONE, &given.hex, 0, "of a table: 62 digits instead of 31 bytes, as CSV has them", NULL},
    CLI_TABLE_OPTIONS(tables),
    CLI_COMMON,
    POPT_TABLEEND};
static const struct poptOption unpack_options[] = {
    COLUMN_OPTIONS("of a table: column of binary forms, bytes or digits; binary"), CLI_TABLE_OPTIONS(tables),
    CLI_COMMON, POPT_TABLEEND};

static one_result pack_one(const char *text)
{
    ucid_fields fields;
    ucid_error error;
    uint8_t binary[UCID_BINARY_SIZE];
    char hex[2 * UCID_BINARY_SIZE + 1];
    ucid_status status = ucid_parse(text_of(text), UCID_LENIENT, NULL, &fields, &error);
    if (status == UCID_OK) status = ucid_pack(&fields, binary, &error);
    if (status != UCID_OK) return refused(text, &error);
    for (int i = 0; i < UCID_BINARY_SIZE; i++) snprintf(hex + 2 * i, 3, "%02x", binary[i]);
    if (!cli_json()) puts(hex);
    one_result result = {UCID_OK, json_string(hex)};
    return result;
}

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef",
               *found = c != '\0' ? strchr(digits, c | ((c >= 'A' && c <= 'F') ? 32 : 0)) : NULL;
    return found != NULL ? (int)(found - digits) : -1;
}

static one_result unpack_one(const char *text)
{
    uint8_t binary[UCID_BINARY_SIZE + 1] = {0};
    ucid_fields fields;
    ucid_error error = {
        .status = UCID_MALFORMED_STRING, .byte = -1, .row = -1, .message = "needs 62 hexadecimal digits"};
    size_t n = strlen(text);
    for (size_t i = 0; i < n && i < 2 * sizeof binary; i++) {
        int digit = hex_digit(text[i]);
        if (digit < 0) {
            error.byte = (int32_t)i;
            return refused(text, &error);
        }
        binary[i / 2] = (uint8_t)(binary[i / 2] << 4 | digit);
    }
    if (n != 2 * UCID_BINARY_SIZE) return refused(text, &error);
    if (ucid_unpack(binary, UCID_BINARY_SIZE, &fields, &error) != UCID_OK) {
        if (error.byte >= 0) error.byte *= 2;
        return refused(text, &error);
    }
    char canonical[UCID_LENGTH_MAX + 1];
    ucid_format(&fields, canonical);
    if (!cli_json()) puts(canonical);
    one_result result = {UCID_OK, json_string(canonical)};
    return result;
}

static int run_pack(int argc, const char **argv)
{
    (void)argc;
    if (tables.out != NULL) return text_table(argv, UCID_LENIENT, ucid_names, ucid_pack_stream);
    return each_text(argv, pack_one);
}

static int run_unpack(int argc, const char **argv)
{
    (void)argc;
    static const char *const binary_names[] = {"binary", NULL};
    if (tables.out != NULL) return text_table(argv, UCID_LENIENT, binary_names, ucid_unpack_stream);
    return each_text(argv, unpack_one);
}

const cli_command cli_pack = {
    "pack",
    "Print the 31-byte binary form of identifiers in hexadecimal",
    "  ucid pack UCID-V1:IST:+41.015:+28.979:9:891ec90243bffff:2026W01T12:15MIN:A:0.95:\n"
    "  ucid pack named.parquet -o packed.parquet\n",
    pack_options,
    text_positionals,
    run_pack,
};

static const cli_positional hex_positionals[] = {
    {"IN|HEX", "62 digits; with --output tables: " CLI_FILES, CLI_MANY},
    {NULL, NULL, CLI_ONE},
};

const cli_command cli_unpack = {
    "unpack",
    "Print identifiers of their binary form",
    "  ucid unpack 014953545c0f2442fed4e741ffff3b2490ec91089c7d07000100041c250000\n"
    "  ucid unpack packed.parquet -o named.parquet\n",
    unpack_options,
    hex_positionals,
    run_unpack,
};
