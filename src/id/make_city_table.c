/* make_city_table.c: a program of the build. Reads data/cities.csv as the library reads a user's file, and prints the
 * built-in registry as C, so that it costs no memory and no time at run time.
 *
 *     make_city_table data/cities.csv > cities_table.c */
#include "id/city.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_text(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') putchar('\\');
        if ((unsigned char)*text < 128) {
            putchar(*text);
        } else {
            printf("\\%03o", (unsigned)(unsigned char)*text);
        }
    }
    puts("\\0\"");
}

static void print_table(const char *name, const uint16_t *values, size_t count)
{
    printf("static const uint16_t %s[%zu] = {\n", name, count);
    for (size_t i = 0; i < count; i++) printf("%u,%s", (unsigned)values[i], i % 20 == 19 ? "\n" : "");
    puts("};");
}

int main(int argc, char **argv)
{
    if (argc != 2) return 2;
    FILE *file = fopen(argv[1], "rb");
    static char bytes[4 << 20];
    if (file == NULL) {
        perror(argv[1]);
        return 3;
    }
    size_t length = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    ucid_registry *cities;
    ucid_error error;
    if (length == sizeof bytes || ucid_cities_read(bytes, length, NULL, NULL, &cities, &error) != UCID_OK) {
        fprintf(stderr, "%s: %s\n", argv[1], length == sizeof bytes ? "too long" : error.message);
        return 3;
    }
    puts("/* Made from data/cities.csv by make_city_table. */\n#include \"id/city.h\"\n");
    puts("static const ucid_city_row rows[] = {");
    for (uint32_t i = 0; i < cities->count; i++) {
        const ucid_city_row *row = &cities->rows[i];
        printf("{\"%s\", \"%s\", %d, %u, %u, %u, %lld, %a, %a, {%a, %a, %a, %a}},\n", row->code, row->country,
               row->box_given, row->name, row->region, row->timezone, (long long)row->population, row->lat_deg,
               row->lon_deg, row->box_deg[0], row->box_deg[1], row->box_deg[2], row->box_deg[3]);
    }
    puts("};");
    print_table("row_of", cities->row_of, UCID_CODES);
    print_table("by_lat", cities->by_lat, cities->count);
    puts("static const char texts[] =");
    for (uint32_t at = 0; at < cities->texts_length; at += (uint32_t)strlen(cities->texts + at) + 1) {
        print_text(cities->texts + at);
    }
    printf(";\nconst ucid_registry ucid_registry_builtin = {rows, row_of, by_lat, texts, %u, %u, {NULL, NULL}};\n",
           cities->count, cities->texts_length);
    ucid_registry_close(cities);
    return fflush(stdout) == 0 ? 0 : 5;
}
