/* bench_index.c: time of each stage of a build, memory, size, and the time to open and to check the index.
 *     bench_index THREADS EXTRACT.osm.pbf...
 * Each extract is built in a process of its own, so that VmHWM is the build's. */
#include "ucid.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Seconds of all threads: what to compare on a busy machine. */
static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

typedef struct stages {
    const char *running;
    double since, cpu_since;
} stages;

/* The running stage ends, another begins. */
static void enter(stages *s, const char *stage)
{
    double now = now_s(), cpu = cpu_s();
    if (s->running != NULL) {
        printf(",\"%s_s\":%.4f,\"%s_cpu_s\":%.4f", s->running, now - s->since, s->running, cpu - s->cpu_since);
    }
    *s = (stages){stage, now, cpu};
}

static int on_progress(void *ctx, const char *stage, uint64_t done, uint64_t total)
{
    stages *s = ctx;
    (void)done;
    (void)total;
    if (s->running == NULL || strcmp(stage, s->running) != 0) enter(s, stage);
    return 0;
}

static long long peak_kb(void)
{
    char line[256];
    long long kb = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "VmHWM:", 6) == 0) kb = atoll(line + 6);
    }
    if (file != NULL) fclose(file);
    return kb;
}

static int measure(const char *extract, int threads)
{
    char out[] = "/tmp/ucid-bench-XXXXXX";
    int fd = mkstemp(out);
    if (fd < 0) return 1;
    close(fd);
    ucid_error error;
    stages s = {NULL, 0.0, 0.0};
    ucid_build_options options = UCID_BUILD_OPTIONS_INIT;
    options.threads = threads;
    options.progress = on_progress;
    options.progress_ctx = &s;
    printf("{\"bench\":\"index\",\"extract\":\"%s\",\"threads\":%d", extract, threads);
    double start = now_s();
    ucid_index *index = NULL;
    ucid_status status = ucid_index_build(extract, out, &options, &error);
    double built = now_s(), cpu = cpu_s();
    enter(&s, NULL);
    long long kb = peak_kb();
    if (status == UCID_OK) status = ucid_index_open(out, NULL, &index, &error);
    double opened = now_s();
    if (status == UCID_OK) status = ucid_index_check(index, &error);
    double checked = now_s();
    if (status == UCID_OK) {
        ucid_index_info info;
        ucid_index_info_get(index, &info);
        printf(",\"build_s\":%.4f,\"build_cpu_s\":%.4f,\"peak_mb\":%.1f,\"open_ms\":%.3f,\"check_s\":%."
               "4f,\"nodes\":%llu,"
               "\"segments\":%llu,\"bytes\":%llu",
               built - start, cpu, (double)kb / 1024, 1e3 * (opened - built), checked - opened,
               (unsigned long long)info.node_count, (unsigned long long)info.segment_count,
               (unsigned long long)info.byte_length);
    } else {
        printf(",\"error\":\"%s\"", ucid_status_code(status));
    }
    printf("}\n");
    ucid_index_close(index);
    unlink(out);
    return status != UCID_OK;
}

int main(int argc, char **argv)
{
    int failed = argc < 3;
    if (failed) fprintf(stderr, "usage: bench_index THREADS EXTRACT.osm.pbf...\n");
    for (int i = 2; i < argc; i++) {
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            int result = measure(argv[i], atoi(argv[1]));
            fflush(stdout);
            _exit(result);
        }
        int state = 1;
        waitpid(child, &state, 0);
        failed |= state != 0;
    }
    return failed;
}
