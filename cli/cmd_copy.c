/* cmd_copy.c: `ucid copy`: what every other table command does, without a kernel. */
#include "commands.h"
#include "table.h"

static cli_tables tables;

static const struct poptOption options[] = {CLI_TABLE_OPTIONS(tables), CLI_COMMON, POPT_TABLEEND};
static const cli_positional positionals[] = {
    {"IN", "table to read: " CLI_FILES, CLI_MANY},
    {NULL, NULL, CLI_ONE},
};

static int run(int argc, const char **argv)
{
    (void)argc;
    if (!cli_tables_check(&tables)) return CLI_USAGE;
    ucid_io_read_options read = {.text = cli_tables_csv(&tables, argv)};
    ucid_io_source source;
    ucid_error error;
    if (cli_table_open(&tables, argv, &read, &source, &error) != UCID_OK) return cli_fail(&error);
    return cli_table_write(&tables, source.format, &source.stream, source.row_count, NULL);
}

const cli_command cli_copy = {
    "copy",
    "Copy a table, also from one format into another; several become one",
    "  ucid copy places.csv -o places.parquet\n",
    options,
    positionals,
    run,
};
