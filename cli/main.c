/* main.c: the table of commands, and the frame that each of them runs in.
 *
 * A command's name is one or two words; two words that share the first are shown as one line of `ucid --help`. Help
 * texts, the man page and the shell completions all come from the same tables (`ucid help --json`). */
#include "cli.h"
#include "commands.h"
#include "progress.h"
#include "table.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HELP_WIDTH = 79, POSITIONALS_MAX = 1 << 20 };

/* One line of `ucid --help`: a command, or the first word of several. */
typedef struct cli_topic {
    const char *word;
    const char *summary;
} cli_topic;

static const cli_topic topics[] = {CLI_TOPICS{NULL, NULL}};
static const cli_command *const commands[] = {CLI_COMMANDS NULL};
enum { TOPIC_COUNT = sizeof topics / sizeof topics[0] - 1, COMMAND_COUNT = sizeof commands / sizeof commands[0] - 1 };

static struct {
    const cli_command *command;
    json_t *report;
    int json, quiet, help, stdout_taken;
} call;

struct poptOption cli_common_options[] = {
    {"json", '\0', POPT_ARG_NONE, &call.json, 0, "print one report object at the end", NULL},
    {"quiet", 'q', POPT_ARG_NONE, &call.quiet, 0, "no progress, no warnings", NULL},
    {"help", 'h', POPT_ARG_NONE, &call.help, 0, "print this text", NULL},
    POPT_TABLEEND};

/* jansson drops a member that it has no memory for; this tells that it did. */
static int json_starved;

static void *json_allocate(size_t size)
{
    void *ptr = malloc(size);
    json_starved |= ptr == NULL;
    return ptr;
}

json_t *cli_report(void) { return call.report; }
int cli_json(void) { return call.json; }
int cli_json_starved(void) { return json_starved; }
int cli_quiet(void) { return call.quiet; }
void cli_stdout_taken(void) { call.stdout_taken = 1; }

/* ------------------------------------------------------------------------------------------------------ Messages -- */

static void say(const char *kind, const char *text)
{
    cli_progress_end();
    if (call.command != NULL) {
        fprintf(stderr, "ucid: %s: %s%s\n", call.command->name, kind, text);
    } else {
        fprintf(stderr, "ucid: %s%s\n", kind, text);
    }
}

static void report_failure(const char *code, int exit_code, const char *text)
{
    if (call.report == NULL || json_object_get(call.report, "error") != NULL) return;
    json_object_set_new(call.report, "error",
                        json_pack("{s:s, s:i, s:s}", "code", code, "exit_code", exit_code, "message", text));
}

int cli_fail(const ucid_error *error)
{
    int code = ucid_status_exit_code(error->status);
    say("", error->message);
    report_failure(ucid_status_code(error->status), code, error->message);
    return code;
}

ucid_status cli_error(ucid_error *error, ucid_status status, const char *format, ...)
{
    if (error == NULL) return status;
    *error = (ucid_error){.status = status, .byte = -1, .row = -1};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    return status;
}

int cli_failf(ucid_status status, const char *format, ...)
{
    ucid_error error = {.status = status, .byte = -1, .row = -1};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error.message, sizeof error.message, format, arguments);
    va_end(arguments);
    return cli_fail(&error);
}

int cli_usage(const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    say("", text);
    fprintf(stderr, "Try `ucid %s%s--help`.\n", call.command != NULL ? call.command->name : "",
            call.command != NULL ? " " : "");
    report_failure("USAGE", CLI_USAGE, text);
    return CLI_USAGE;
}

void cli_warn(const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (!call.quiet) say("warning: ", text);
    json_t *warnings = json_object_get(call.report, "warnings");
    if (warnings == NULL) {
        warnings = json_array();
        json_object_set_new(call.report, "warnings", warnings);
    }
    json_array_append_new(warnings, json_string(text));
}

/* ------------------------------------------------------------------------------------------------- Option values -- */

int cli_parse_number(const char *option, const char *text, double *number)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value)) {
        cli_usage("%s: '%s' is not a number", option, text);
        return 0;
    }
    *number = value;
    return 1;
}

int cli_parse_length(const char *option, const char *text, double *metres)
{
    char *end;
    double value = strtod(text, &end);
    double scale = strcmp(end, "km") == 0 ? 1000.0 : strcmp(end, "m") == 0 || *end == '\0' ? 1.0 : NAN;
    if (end == text || !(value * scale >= 0.0) || !isfinite(value)) {
        cli_usage("%s: '%s' is not a length such as 1500m or 1.5km", option, text);
        return 0;
    }
    *metres = value * scale;
    return 1;
}

int cli_parse_box(const char *option, const char *text, double box[4])
{
    const char *at = text;
    for (int i = 0; i < 4; i++) {
        char *end;
        box[i] = strtod(at, &end);
        if (end == at || *end != (i < 3 ? ',' : '\0') || !isfinite(box[i]) ||
            fabs(box[i]) > (i % 2 == 0 ? 90.0 : 180.0)) {
            cli_usage("%s: '%s' is not min_lat,min_lon,max_lat,max_lon in degrees", option, text);
            return 0;
        }
        at = end + 1;
    }
    if (box[0] >= box[2]) {
        cli_usage("%s: min_lat %g is not below max_lat %g (the order is min_lat,min_lon,max_lat,max_lon)", option,
                  box[0], box[2]);
        return 0;
    }
    return 1;
}

int cli_parse_hour(const char *option, const char *text, uint32_t *hour)
{
    ucid_error error;
    int32_t parsed;
    if (ucid_time_parse((ucid_text){text, strlen(text)}, &parsed, &error) != UCID_OK) {
        cli_usage("%s: %s", option, error.message);
        return 0;
    }
    if (parsed < 0) {
        cli_usage("%s: '%s' is before 1970", option, text);
        return 0;
    }
    *hour = (uint32_t)parsed;
    return 1;
}

int cli_threads(int given)
{
    if (given > 0) return given;
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}

/* -------------------------------------------------------------------------------------------------------- Places -- */

/* directory of the executable + middle + name, if such a file can be read */
static char *beside_executable(const char *middle, const char *name)
{
    char self[4096];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0) return NULL;
    self[length] = '\0';
    char *slash = strrchr(self, '/');
    if (slash == NULL) return NULL;
    *slash = '\0';
    size_t size = strlen(self) + strlen(middle) + strlen(name) + 1;
    char *path = malloc(size);
    if (path == NULL) return NULL;
    snprintf(path, size, "%s%s%s", self, middle, name);
    if (access(path, R_OK) == 0) return path;
    free(path);
    return NULL;
}

char *cli_plugin_path(const char *name)
{
    char *path = beside_executable("/", name);
    return path != NULL ? path : beside_executable("/../lib/ucid/", name);
}

char *cli_share_path(const char *name)
{
    char *path = beside_executable("/share/ucid/", name);
    return path != NULL ? path : beside_executable("/../share/ucid/", name);
}

/* ---------------------------------------------------------------------------------------------------------- Help -- */

static int first_word_is(const char *name, const char *word)
{
    size_t length = strlen(word);
    return strncmp(name, word, length) == 0 && (name[length] == ' ' || name[length] == '\0');
}

/* Print text from column `at` on, broken at blanks before HELP_WIDTH; later lines start at `indent`. */
static void wrapped(FILE *out, const char *text, int at, int indent)
{
    for (int first = 1; *text != '\0'; first = 0) {
        int word = (int)strcspn(text, " ");
        if (!first && at + 1 + word > HELP_WIDTH) {
            fprintf(out, "\n%*s", indent, "");
            at = indent;
        } else if (!first) {
            fputc(' ', out);
            at++;
        }
        fprintf(out, "%.*s", word, text);
        at += word;
        text += word;
        if (*text == ' ') text++;
    }
    fputc('\n', out);
}

static void help_topics(FILE *out)
{
    fputs("usage: ucid COMMAND ...   places, hours and contexts, scored from open data\n\n", out);
    for (int i = 0; i < TOPIC_COUNT; i++) {
        char words[80] = "";
        size_t length = (size_t)snprintf(words, sizeof words, "%s", topics[i].word);
        const char *separator = " ";
        for (int k = 0; k < COMMAND_COUNT; k++) {
            const char *rest = commands[k]->name + strlen(topics[i].word);
            if (!first_word_is(commands[k]->name, topics[i].word) || *rest != ' ' || length >= sizeof words) continue;
            length += (size_t)snprintf(words + length, sizeof words - length, "%s%s", separator, rest + 1);
            separator = "|";
        }
        int at = fprintf(out, "  %-24s ", words);
        if (at + (int)strlen(topics[i].summary) > HELP_WIDTH) at = fprintf(out, "\n%*s", 27, "") - 1;
        wrapped(out, topics[i].summary, at, 27);
    }
    fputs("\n`ucid COMMAND --help` explains a command; `ucid --version` names this one.\n", out);
}

static void help_words(FILE *out, const char *word)
{
    fprintf(out, "usage: ucid %s COMMAND ...\n\n", word);
    for (int k = 0; k < COMMAND_COUNT; k++) {
        if (first_word_is(commands[k]->name, word))
            fprintf(out, "  %-24s %s\n", commands[k]->name, commands[k]->summary);
    }
}

static void help_options(FILE *out, const struct poptOption *option)
{
    if (option == NULL) return;
    for (; option->longName != NULL || option->shortName != '\0' || option->arg != NULL; option++) {
        if ((option->argInfo & POPT_ARG_MASK) == POPT_ARG_INCLUDE_TABLE) {
            help_options(out, option->arg);
            continue;
        }
        if ((option->argInfo & POPT_ARGFLAG_DOC_HIDDEN) != 0) continue;
        char name[64];
        char letter[5] = "";
        if (option->shortName != '\0') snprintf(letter, sizeof letter, "-%c, ", option->shortName);
        snprintf(name, sizeof name, "%s--%s%s%s", letter, option->longName, option->argDescrip != NULL ? " " : "",
                 option->argDescrip != NULL ? option->argDescrip : "");
        int at = fprintf(out, "  %-24s ", name);
        if (at > 27) at = fprintf(out, "\n%*s", 27, "") - 1;
        wrapped(out, option->descrip != NULL ? option->descrip : "", at, 27);
    }
}

static void help_command(FILE *out, const cli_command *command)
{
    fprintf(out, "usage: ucid %s", command->name);
    for (const cli_positional *p = command->positionals; p != NULL && p->name != NULL; p++) {
        static const char *const shape[] = {" %s", " [%s]", " %s...", " [%s...]"};
        fprintf(out, shape[p->count], p->name);
    }
    fputs(" [options]\n\n", out);
    char sentence[256];
    snprintf(sentence, sizeof sentence, "%s.", command->summary);
    wrapped(out, sentence, 0, 0);
    fputc('\n', out);
    for (const cli_positional *p = command->positionals; p != NULL && p->name != NULL; p++) {
        int at = fprintf(out, "  %-24s ", p->name);
        wrapped(out, p->summary, at, 27);
    }
    help_options(out, command->options);
    if (command->details != NULL) fprintf(out, "\n%s", command->details);
}

static void describe_options(json_t *list, const struct poptOption *option)
{
    if (option == NULL) return;
    for (; option->longName != NULL || option->shortName != '\0' || option->arg != NULL; option++) {
        if ((option->argInfo & POPT_ARG_MASK) == POPT_ARG_INCLUDE_TABLE) {
            describe_options(list, option->arg);
            continue;
        }
        if ((option->argInfo & POPT_ARGFLAG_DOC_HIDDEN) != 0) continue;
        char letter[2] = {option->shortName, '\0'};
        json_t *entry = json_pack("{s:s, s:s}", "name", option->longName, "summary",
                                  option->descrip != NULL ? option->descrip : "");
        if (option->shortName != '\0') json_object_set_new(entry, "letter", json_string(letter));
        if (option->argDescrip != NULL) json_object_set_new(entry, "value", json_string(option->argDescrip));
        json_array_append_new(list, entry);
    }
}

static void describe_program(void)
{
    json_t *list = json_array();
    for (int k = 0; k < COMMAND_COUNT; k++) {
        static const char *const counts[] = {"one", "optional", "many", "any"};
        json_t *positionals = json_array();
        json_t *options = json_array();
        for (const cli_positional *p = commands[k]->positionals; p != NULL && p->name != NULL; p++) {
            json_array_append_new(positionals, json_pack("{s:s, s:s, s:s}", "name", p->name, "summary", p->summary,
                                                         "count", counts[p->count]));
        }
        describe_options(options, commands[k]->options);
        json_t *entry = json_pack(
            "{s:s, s:s, s:s, s:o, s:o}", "name", commands[k]->name, "summary", commands[k]->summary, "details",
            commands[k]->details != NULL ? commands[k]->details : "", "positionals", positionals, "options", options);
        json_array_append_new(list, entry);
    }
    json_t *words = json_array();
    for (int i = 0; i < TOPIC_COUNT; i++) {
        json_array_append_new(words, json_pack("{s:s, s:s}", "word", topics[i].word, "summary", topics[i].summary));
    }
    json_t *program =
        json_pack("{s:s, s:s, s:o, s:o}", "name", "ucid", "version", ucid_version(), "topics", words, "commands", list);
    json_dumpf(program, stdout, JSON_INDENT(1));
    fputc('\n', stdout);
    json_decref(program);
}

/* --------------------------------------------------------------------------------------------------------- Frame -- */

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    if (interrupted) _exit(128 + number); /* asked twice */
    interrupted = 1;
}

int cli_interrupted(void) { return interrupted; }

/* Blanks shield negative numbers from popt, which would read -34.6 as options; strings lose them again below. */
static int looks_negative(const char *text)
{
    return text[0] == '-' &&
           ((text[1] >= '0' && text[1] <= '9') || (text[1] == '.' && text[2] >= '0' && text[2] <= '9'));
}

static const char *unshielded(const char *text) { return text[0] == ' ' && looks_negative(text + 1) ? text + 1 : text; }

/* Visit every string that popt has stored: unshield it, or free it at the end. */
static void each_string(const struct poptOption *option, int release)
{
    for (; option->longName != NULL || option->shortName != '\0' || option->arg != NULL; option++) {
        unsigned kind = option->argInfo & POPT_ARG_MASK;
        if (kind == POPT_ARG_INCLUDE_TABLE) {
            each_string(option->arg, release);
        } else if (kind == POPT_ARG_STRING && option->arg != NULL) {
            char **value = option->arg;
            if (*value == NULL) continue;
            if (release) {
                free(*value);
                *value = NULL;
            } else if (unshielded(*value) != *value) {
                memmove(*value, *value + 1, strlen(*value));
            }
        } else if (kind == POPT_ARG_ARGV && option->arg != NULL && release) {
            char ***list = option->arg;
            for (char **item = *list; item != NULL && *item != NULL; item++) free(*item);
            free(*list);
            *list = NULL;
        }
    }
}

static int count_fits(const cli_command *command, int given)
{
    int least = 0, most = 0;
    for (const cli_positional *p = command->positionals; p != NULL && p->name != NULL; p++) {
        int needed = p->count == CLI_ONE || p->count == CLI_MANY;
        least += needed;
        most += p->count == CLI_MANY || p->count == CLI_ANY ? POSITIONALS_MAX : 1;
        if (needed && given < least) {
            cli_usage("%s is missing", p->name);
            return 0;
        }
    }
    if (given > most) cli_usage("%d arguments given, at most %d expected", given, most);
    return given <= most;
}

/* Returns the exit code: a report that is not whole is not printed. */
static int print_report(int code)
{
    if (!call.json) return code;
    FILE *out = call.stdout_taken ? stderr : stdout;
    json_object_set_new(call.report, "command", json_string(call.command->name));
    json_object_set_new(call.report, "exit_code", json_integer(code));
    char *text = json_dumps(call.report, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_REAL_PRECISION(12));
    if (text == NULL || json_starved) {
        free(text);
        return cli_failf(UCID_NO_MEMORY, "no memory for the report");
    }
    fprintf(out, "%s\n", text);
    free(text);
    return code;
}

static int run_command(const cli_command *command, int argc, char **argv)
{
    call.command = command;
    call.report = json_object();
    const char **shielded = calloc((size_t)argc + 2, sizeof *shielded);
    char *blanks = NULL;
    size_t bytes = 1;
    for (int i = 0; i < argc; i++) bytes += strlen(argv[i]) + 2;
    blanks = malloc(bytes);
    if (call.report == NULL || shielded == NULL || blanks == NULL) {
        json_decref(call.report);
        free(shielded);
        free(blanks);
        return cli_failf(UCID_NO_MEMORY, "no memory for the arguments");
    }
    shielded[0] = "ucid";
    char *at = blanks;
    int literal = 0;
    for (int i = 0; i < argc; i++) {
        literal |= strcmp(argv[i], "--") == 0;
        shielded[i + 1] = argv[i];
        if (!literal && looks_negative(argv[i])) {
            shielded[i + 1] = at;
            at += sprintf(at, " %s", argv[i]) + 1;
        }
    }
    int code = CLI_USAGE;
    poptContext context = poptGetContext("ucid", argc + 1, shielded, command->options, 0);
    int rc = poptGetNextOpt(context);
    if (rc < -1) {
        cli_usage("%s: %s", poptBadOption(context, POPT_BADOPTION_NOALIAS), poptStrerror(rc));
    } else if (call.help) {
        help_command(stdout, command);
        code = CLI_DONE;
    } else {
        /* popt frees what it hands out, so it is not to be changed */
        const char **rest = poptGetArgs(context);
        const char **arguments = shielded;
        int count = 0;
        for (; rest != NULL && rest[count] != NULL; count++) arguments[count] = unshielded(rest[count]);
        arguments[count] = NULL;
        each_string(command->options, 0);
        if (count_fits(command, count)) code = command->run(count, arguments);
        cli_progress_end();
    }
    if (!call.help) code = print_report(code);
    if ((fflush(stdout) != 0 || ferror(stdout)) && code <= CLI_ROWS_INVALID) {
        code = cli_failf(UCID_IO_ERROR, "standard output: cannot write: %s", strerror(errno));
    }
    poptFreeContext(context);
    each_string(command->options, 1);
    cli_io_finish();
    free(shielded);
    free(blanks);
    json_decref(call.report);
    return code;
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    json_set_alloc_funcs(json_allocate, free);
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is a failed write, with its message */

    if (argc < 2) {
        help_topics(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("ucid %s\n", ucid_version());
        return CLI_DONE;
    }
    if (strcmp(argv[1], "help") == 0 && argc > 2 && strcmp(argv[2], "--json") == 0) {
        describe_program();
        return CLI_DONE;
    }
    int asked = strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0;
    if (asked && argc == 2) {
        help_topics(stdout);
        return CLI_DONE;
    }
    int first = asked ? 2 : 1;
    for (int words = 2; words >= 1; words--) {
        if (argc < first + words) continue;
        char name[64];
        snprintf(name, sizeof name, words == 2 ? "%s %s" : "%s", argv[first], words == 2 ? argv[first + 1] : "");
        for (int k = 0; k < COMMAND_COUNT; k++) {
            if (strcmp(commands[k]->name, name) != 0) continue;
            if (asked) {
                help_command(stdout, commands[k]);
                return CLI_DONE;
            }
            if (commands[k]->options == NULL) {
                call.command = commands[k];
                return commands[k]->run(argc - first - words, (const char **)argv + first + words);
            }
            return run_command(commands[k], argc - first - words, argv + first + words);
        }
    }
    for (int k = 0; k < COMMAND_COUNT; k++) {
        if (!first_word_is(commands[k]->name, argv[first])) continue;
        int help = asked || argc == 2 || strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0;
        if (help) {
            help_words(argc == 2 ? stderr : stdout, argv[first]);
            return argc == 2 ? CLI_USAGE : CLI_DONE;
        }
        return cli_usage("'%s %s': no such command", argv[1], argv[2]);
    }
    return cli_usage("'%s': no such command", argv[first]);
}
