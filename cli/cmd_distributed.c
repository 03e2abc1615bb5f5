/* cmd_distributed.c: `ucid distributed ...`: jobs belong to the Python package, where the engines are; this is the way
 * there. The interpreter is $UCID_PYTHON, else python3. */
#include "commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const cli_positional positionals[] = {
    {"JOB", "score, create, grid, join or aggregate, and its options", CLI_MANY},
    {NULL, NULL, CLI_ONE},
};

static const char program[] = "import sys\n"
                              "try:\n"
                              "    from ucid.distributed.__main__ import entry\n"
                              "except ModuleNotFoundError as error:\n"
                              "    sys.stderr.write(f\"ucid: distributed: {sys.executable} has no package "
                              "{error.name}: pip install 'ucid[dask]'\\n\")\n"
                              "    sys.exit(2)\n"
                              "entry()\n";

static int run(int argc, const char **argv)
{
    const char *python = getenv("UCID_PYTHON");
    if (python == NULL) python = "python3";
    char **words = calloc((size_t)argc + 4, sizeof *words);
    if (words == NULL) return cli_failf(UCID_NO_MEMORY, "no memory for the arguments");
    const char *const first[] = {python, "-c", program};
    memcpy(words, first, sizeof first);
    memcpy(words + 3, argv, (size_t)argc * sizeof *words);
    execvp(python, words);
    int reason = errno;
    free(words);
    return cli_failf(UCID_INVALID_ARGUMENT, "jobs need Python with the package ucid: %s: %s", python, strerror(reason));
}

const cli_command cli_distributed = {
    "distributed",
    "Run a job over many files, on a cluster or on this host",
    "Python's package ucid does it, with the engines of its extras; `ucid distributed\n"
    "score --help` shows the options. A job may end at any moment; --resume goes on.\n\n"
    "  ucid distributed score --engine dask --cluster tcp://head:8786 \\\n"
    "      --input 's3://bucket/places/*.parquet' --output s3://bucket/scores \\\n"
    "      --catalog s3://bucket/indexes --context 15MIN\n",
    NULL,
    positionals,
    run,
};
