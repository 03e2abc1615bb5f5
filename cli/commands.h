/* commands.h: every command, in the order that help shows them. A command of two words also needs a topic: the first
 * word, once. */
#ifndef UCID_CLI_COMMANDS_H
#define UCID_CLI_COMMANDS_H

#include "cli.h"

/* {"index", "compile a map extract; show and verify the result"}, ... */
#define CLI_TOPICS

/* &cli_index_build, &cli_index_info, ... */
#define CLI_COMMANDS

#endif
