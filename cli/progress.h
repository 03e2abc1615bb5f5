/* progress.h: one line on a terminal's stderr: what, how far, how fast, how long still. Silent elsewhere. */
#ifndef UCID_CLI_PROGRESS_H
#define UCID_CLI_PROGRESS_H

#include <stdint.h>

/* unit: "rows", "B" (bytes, shown with k, M, G). total 0: not known. */
void cli_progress_begin(const char *label, const char *unit, uint64_t total);
void cli_progress_update(uint64_t done);
void cli_progress_end(void); /* wipes the line; harmless when nothing was begun */

/* A ucid_progress_fn: begins a new line for each stage; asks to stop when the user interrupts. ctx is the unit. */
int cli_progress_stage(void *ctx, const char *stage, uint64_t done, uint64_t total);

/* Seconds of a steady clock. */
double cli_clock_s(void);

#endif
