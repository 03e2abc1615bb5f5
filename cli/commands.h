/* commands.h: every command. Each also needs a topic: its first word, once. */
#ifndef UCID_CLI_COMMANDS_H
#define UCID_CLI_COMMANDS_H

#include "cli.h"

extern const cli_command cli_fetch;
extern const cli_command cli_index_build, cli_index_info, cli_index_check;
extern const cli_command cli_catalog_add;
extern const cli_command cli_score, cli_grid, cli_aggregate, cli_join, cli_explain;
extern const cli_command cli_map;
extern const cli_command cli_copy;
extern const cli_command cli_distributed;
extern const cli_command cli_create, cli_parse, cli_validate, cli_canon, cli_pack, cli_unpack;
extern const cli_command cli_time_add, cli_time_diff, cli_time_range, cli_time_to_utc, cli_time_from_utc, cli_cities;
extern const cli_command cli_cell_at, cli_cell_info, cli_cell_family, cli_cell_disk;

/* One line a command, so that two changes seldom meet. */
/* clang-format off */

/* {word, summary}, in the order of the commands */
#define CLI_TOPICS \
    {"fetch", "get a region's map extract from the Internet"}, \
    {"index", "compile a map extract; show and verify the result"}, \
    {"catalog", "list indexes, so that each place finds its own"}, \
    {"score", "score the places of a table"}, \
    {"grid", "score all H3 cells of an area"}, \
    {"aggregate", "roll scores up to coarser cells, cities, countries"}, \
    {"join", "find the zones of a table's places"}, \
    {"explain", "tell why a place has its score"}, \
    {"map", "draw a table on a page or a picture"}, \
    {"copy", "copy a table, also into another format"}, \
    {"distributed", "jobs over many files, on a cluster"}, \
    {"create", "make identifiers of places"}, \
    {"parse", "take identifiers apart"}, \
    {"validate", "tell everything that is wrong with identifiers"}, \
    {"canon", "repair identifiers"}, \
    {"pack", "binary form of identifiers"}, \
    {"unpack", "identifiers of their binary form"}, \
    {"time", "reckon with time keys"}, \
    {"cities", "find cities by code, name or place"}, \
    {"cell", "cells of places, and their families"},

/* in the order that help shows them */
#define CLI_COMMANDS \
    &cli_fetch, \
    &cli_index_build, &cli_index_info, &cli_index_check, \
    &cli_catalog_add, \
    &cli_score, \
    &cli_grid, \
    &cli_aggregate, \
    &cli_join, \
    &cli_explain, \
    &cli_map, \
    &cli_copy, \
    &cli_distributed, \
    &cli_create, &cli_parse, &cli_validate, &cli_canon, &cli_pack, &cli_unpack, \
    &cli_time_add, &cli_time_diff, &cli_time_range, &cli_time_to_utc, &cli_time_from_utc, \
    &cli_cities, \
    &cli_cell_at, &cli_cell_info, &cli_cell_family, &cli_cell_disk,

/* clang-format on */

#endif
