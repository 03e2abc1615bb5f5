/* commands.h: every command. Each also needs a topic: its first word, once. */
#ifndef UCID_CLI_COMMANDS_H
#define UCID_CLI_COMMANDS_H

#include "cli.h"

extern const cli_command cli_index_build, cli_index_info, cli_index_check;
extern const cli_command cli_catalog_add;
extern const cli_command cli_score, cli_grid, cli_explain;
extern const cli_command cli_map;
extern const cli_command cli_copy;

/* One line a command, so that two changes seldom meet. */
/* clang-format off */

/* {word, summary}, in the order of the commands */
#define CLI_TOPICS \
    {"index", "compile a map extract; show and verify the result"}, \
    {"catalog", "list indexes, so that each place finds its own"}, \
    {"score", "score the places of a table"}, \
    {"grid", "score all H3 cells of an area"}, \
    {"explain", "tell why a place has its score"}, \
    {"map", "draw a table on a page or a picture"}, \
    {"copy", "copy a table, also into another format"},

/* in the order that help shows them */
#define CLI_COMMANDS \
    &cli_index_build, &cli_index_info, &cli_index_check, \
    &cli_catalog_add, \
    &cli_score, \
    &cli_grid, \
    &cli_explain, \
    &cli_map, \
    &cli_copy,

/* clang-format on */

#endif
