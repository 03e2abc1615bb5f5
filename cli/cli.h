/* cli.h: what every command of `ucid` shares.
 *
 *     main.c finds the command, lets popt fill its option variables, checks the number of its positional arguments,
 *     calls run(), prints the report, frees option strings and exits with what run() returned.
 *
 * A command is one cmd_*.c with one or more `const cli_command`, listed in main.c. Its option variables are static: a
 * process runs one command, once. It writes data to stdout and everything else to stderr. */
#ifndef UCID_CLI_CLI_H
#define UCID_CLI_CLI_H

#include "ucid.h"

#include <jansson.h>
#include <popt.h>

typedef struct cli_positional {
    const char *name; /* "IN.osm.pbf"; its ending says what a shell completes */
    const char *summary;
    enum { CLI_ONE, CLI_OPTIONAL, CLI_MANY, CLI_ANY } count; /* CLI_MANY: one or more; CLI_ANY: also none */
} cli_positional;

typedef struct cli_command {
    const char *name;                        /* "score", "index build" */
    const char *summary;                     /* one line, no full stop */
    const char *details;                     /* paragraphs and examples for --help, lines <= 79; or NULL */
    const struct poptOption *options;        /* ends with CLI_COMMON, POPT_TABLEEND; NULL: run gets all arguments as
                                                they are, for another program */
    const cli_positional *positionals;       /* ends with {NULL}; NULL: none */
    int (*run)(int argc, const char **argv); /* positionals; argv[argc] is NULL; returns the exit code */
} cli_command;

/* --json, --quiet and --help, the last row of every option table. */
extern struct poptOption cli_common_options[];
#define CLI_COMMON                                                                                                     \
    {                                                                                                                  \
        NULL, '\0', POPT_ARG_INCLUDE_TABLE, cli_common_options, 0, NULL, NULL                                          \
    }

/* Exit codes that no status gives. */
enum { CLI_DONE = 0, CLI_ROWS_INVALID = 1, CLI_USAGE = 2, CLI_RESOURCES = 5 };

/* The report that --json prints when the command has ended: fill it in any case. */
json_t *cli_report(void);
int cli_json(void);         /* --json was given: print no text for people on stdout */
int cli_json_starved(void); /* jansson lacked memory: what it made or read is not whole */
int cli_quiet(void);        /* --quiet was given */
/* The command writes data to stdout, so the report goes to stderr. */
void cli_stdout_taken(void);

/* "ucid: score: MESSAGE" on stderr, and into the report; returns the exit code of the status. */
int cli_fail(const ucid_error *error);
int cli_failf(ucid_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Fill an error, which may be NULL; returns the status. */
ucid_status cli_error(ucid_error *error, ucid_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Like cli_failf for wrong options, with a hint at --help; returns CLI_USAGE. */
int cli_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "ucid: score: warning: MESSAGE", unless --quiet; also into the report. */
void cli_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Option values. On failure they print a usage error naming the option and return 0. */
int cli_parse_length(const char *option, const char *text, double *metres); /* "1500", "1500m", "1.5km" */
int cli_parse_number(const char *option, const char *text, double *number);
int cli_parse_box(const char *option, const char *text, double box[4]);   /* min_lat,min_lon,max_lat,max_lon */
int cli_parse_hour(const char *option, const char *text, uint32_t *hour); /* a time key from 1970 on */
/* --threads: 0 or less means all processors that this process may use. */
int cli_threads(int given);

/* Interrupt and terminate ask the command to stop; it removes what is half written. */
int cli_interrupted(void);

/* Files that belong to the program: beside the executable in a build tree, else in ../lib/ucid and ../share/ucid. The
 * path is to be freed; NULL where no such file exists. */
char *cli_plugin_path(const char *name);
char *cli_share_path(const char *name);

#endif
