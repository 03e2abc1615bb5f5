/* bench_read [FILE.osm.pbf ...]: reads whole extracts, all objects with their tags, and prints megabytes of file a
 * second; without arguments a town of 2 M nodes and, where it is, Las Palmas. libosmium does the same work in the same
 * run. Rates are of processor time (cpu) and of the clock (wall), each the best of RUNS; readers take turns. */
#include "read/osm.h"
#include "read_sum.h"
#include "town.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { RUNS = 7 };

static ucid_status count_node(void *ctx, const osm_node *node)
{
    read_sum *sum = ctx;
    sum->nodes++;
    sum->coordinates += (uint64_t)((int64_t)node->lon_e7 + node->lat_e7);
    sum->tags += node->tag_count;
    return UCID_OK;
}

static ucid_status count_way(void *ctx, const osm_way *way)
{
    read_sum *sum = ctx;
    sum->ways++;
    sum->refs += way->ref_count;
    sum->tags += way->tag_count;
    return UCID_OK;
}

static ucid_status count_relation(void *ctx, const osm_relation *relation)
{
    read_sum *sum = ctx;
    sum->relations++;
    sum->members += relation->member_count;
    sum->tags += relation->tag_count;
    return UCID_OK;
}

/* passes 1: all kinds at once; 3: relations, ways, nodes, as an index is built. */
static int read_ours(const char *path, int threads, int passes, read_sum *sum)
{
    osm_file *file;
    ucid_error error;
    osm_visitor all = {sum, count_node, count_way, count_relation};
    const osm_visitor each[3] = {
        {sum, NULL, NULL, count_relation}, {sum, NULL, count_way, NULL}, {sum, count_node, NULL, NULL}};
    memset(sum, 0, sizeof *sum);
    ucid_status status = osm_open(path, NULL, &file, &error);
    for (int i = 0; status == UCID_OK && i < passes; i++) {
        status = osm_read(file, passes == 1 ? &all : &each[i], threads, NULL, NULL, &error);
        if (status != UCID_OK || i == passes - 1) osm_close(file);
    }
    if (status != UCID_OK) fprintf(stderr, "%s\n", error.message);
    return status == UCID_OK;
}

typedef struct contender {
    const char *name;
    int threads, passes; /* passes 0: libosmium */
    double cpu_s, wall_s;
} contender;

static double seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int run(contender *self, const char *path, read_sum *sum)
{
    double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);
    int done = 0;
    if (self->passes > 0) {
        done = read_ours(path, self->threads, self->passes, sum);
    } else {
#ifdef UCID_HAVE_OSMIUM
        done = read_with_osmium(path, self->threads, sum);
#endif
    }
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    wall = seconds(CLOCK_MONOTONIC) - wall;
    if (self->cpu_s == 0 || cpu < self->cpu_s) self->cpu_s = cpu;
    if (self->wall_s == 0 || wall < self->wall_s) self->wall_s = wall;
    return done;
}

static int compare(const char *path)
{
    contender contenders[] = {
        {"ucid", 1, 1, 0, 0},      {"ucid", 2, 1, 0, 0},      {"ucid three passes", 1, 3, 0, 0},
#ifdef UCID_HAVE_OSMIUM
        {"libosmium", 1, 0, 0, 0}, {"libosmium", 2, 0, 0, 0},
#endif
    };
    enum { COUNT = sizeof contenders / sizeof contenders[0] };
    read_sum first, sum;
    osm_file *file;
    ucid_error error;
    if (osm_open(path, NULL, &file, &error) != UCID_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 0;
    }
    double megabytes = (double)osm_byte_length(file) * 1e-6;
    osm_close(file);
    for (int r = 0; r < RUNS; r++) {
        for (int c = 0; c < COUNT; c++) {
            if (!run(&contenders[c], path, &sum)) return 0;
            if (r == 0 && c == 0) first = sum;
            if (memcmp(&first, &sum, sizeof sum) != 0) {
                fprintf(stderr, "%s: %s finds something else\n", path, contenders[c].name);
                return 0;
            }
        }
    }
    const char *slash = strrchr(path, '/');
    for (int c = 0; c < COUNT; c++) {
        printf("{\"bench\": \"read\", \"file\": \"%s\", \"megabytes\": %.2f, \"nodes\": %llu, \"reader\": \"%s\", "
               "\"threads\": %d, \"cpu_s\": %.4f, \"wall_s\": %.4f, \"cpu_mb_s\": %.1f, \"wall_mb_s\": %.1f}\n",
               slash != NULL ? slash + 1 : path, megabytes, (unsigned long long)first.nodes, contenders[c].name,
               contenders[c].threads, contenders[c].cpu_s, contenders[c].wall_s, megabytes / contenders[c].cpu_s,
               megabytes / contenders[c].wall_s);
    }
    fflush(stdout);
    return 1;
}

static int compare_town(void)
{
    char path[64];
    town_options options = TOWN_OPTIONS_INIT;
    town_counts counts;
    ucid_error error;
    options.nodes = 2000000;
    snprintf(path, sizeof path, "/tmp/bench-town-%ld.osm.pbf", (long)getpid());
    double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    if (town_write(&options, path, &counts, &error) != UCID_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 0;
    }
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("{\"bench\": \"town\", \"nodes\": %llu, \"junctions\": %llu, \"cpu_s\": %.2f, \"nodes_s\": %.0f}\n",
           (unsigned long long)counts.nodes, (unsigned long long)counts.junctions, cpu, (double)counts.nodes / cpu);
    int done = compare(path);
    unlink(path);
    return done;
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        for (int i = 1; i < argc; i++) {
            if (!compare(argv[i])) return 1;
        }
        return 0;
    }
    const char *folder = getenv("UCID_DATA");
    char path[1024];
    snprintf(path, sizeof path, "%s/las-palmas/las-palmas.osm.pbf",
             folder != NULL ? folder : SOURCE_DIR "/../shared/data");
    if (access(path, R_OK) == 0 && !compare(path)) return 1;
    return compare_town() ? 0 : 1;
}
