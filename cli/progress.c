/* progress.c: redrawn at most ten times a second, from whichever thread reports; the rate is the mean since the start.
 */
#include "progress.h"

#include "cli.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
    char label[32], unit[8];
    uint64_t total;
    double begun_s, drawn_s;
    int shown, active;
} line;

double cli_clock_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void scaled(char *out, size_t size, double value)
{
    static const char prefix[] = {' ', 'k', 'M', 'G', 'T'};
    size_t step = 0;
    while (value >= 999.5 && step + 1 < sizeof prefix) {
        value /= 1000.0;
        step++;
    }
    snprintf(out, size, step == 0 ? "%.0f%c" : "%.1f %c", value, prefix[step]);
}

void cli_progress_begin(const char *label, const char *unit, uint64_t total)
{
    cli_progress_end();
    snprintf(line.label, sizeof line.label, "%s", label);
    snprintf(line.unit, sizeof line.unit, "%s", unit);
    line.total = total;
    line.begun_s = cli_clock_s();
    line.drawn_s = line.begun_s;
    line.active = !cli_quiet() && isatty(STDERR_FILENO);
}

void cli_progress_update(uint64_t done)
{
    if (!line.active) return;
    double now_s = cli_clock_s();
    if (now_s - line.drawn_s < 0.1) return;
    line.drawn_s = now_s;
    line.shown = 1;
    double rate = (double)done / (now_s - line.begun_s);
    char amount[16], speed[16];
    scaled(amount, sizeof amount, (double)done);
    scaled(speed, sizeof speed, rate);
    if (line.total > 0 && done <= line.total) {
        enum { WIDTH = 20 };
        char bar[WIDTH + 1];
        int filled = (int)((double)done / (double)line.total * WIDTH);
        memset(bar, '.', WIDTH);
        memset(bar, '=', (size_t)filled);
        bar[WIDTH] = '\0';
        int left_s = rate > 0.0 ? (int)((double)(line.total - done) / rate + 0.5) : 0;
        fprintf(stderr, "\r\033[K%s [%s] %s%s  %s%s/s  %d:%02d left", line.label, bar, amount, line.unit, speed,
                line.unit, left_s / 60, left_s % 60);
    } else {
        fprintf(stderr, "\r\033[K%s  %s%s  %s%s/s", line.label, amount, line.unit, speed, line.unit);
    }
    fflush(stderr);
}

void cli_progress_end(void)
{
    if (line.shown) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
    line.shown = line.active = 0;
}

int cli_progress_stage(void *ctx, const char *stage, uint64_t done, uint64_t total)
{
    if (strncmp(stage, line.label, sizeof line.label - 1) != 0) cli_progress_begin(stage, ctx, total);
    cli_progress_update(done);
    return cli_interrupted();
}
