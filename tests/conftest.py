"""What every pytest file shares: where the tree, the build and the data are, and how a program is run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("UCID_BUILD", SOURCE / "build")).resolve()
DATA = Path(os.environ.get("UCID_DATA", SOURCE.parent / "shared" / "data")).resolve()
# A build of the program with sanitizers, and the library of a build without, which this process can load.
SANITIZED = "UCID_SANITIZED" in os.environ
LIBRARY = Path(os.environ.get("UCID_LIBRARY", BUILD / "libucid.so"))


def run(*command, check=True, **options):
    """Run a command with its output caught as text; a failure shows the command and all it said. What a sanitizer has to
    say is always a failure."""
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    if re.search(r"Sanitizer|runtime error:", result.stderr):
        pytest.fail(f"{command}\n{result.stderr}", pytrace=False)
    if check and result.returncode != 0:
        pytest.fail(f"{command} ended with {result.returncode}\n{result.stdout}\n{result.stderr}", pytrace=False)
    return result


def ucid(*arguments, **options):
    """Run build/ucid. Its `distributed` finds the package where the tests do, or that of the release."""
    package = next((path for path in (BUILD / "python", SOURCE / "build" / "python") if path.exists()), BUILD / "python")
    python = {"UCID_PYTHON": sys.executable, "PYTHONPATH": str(package)}
    return run(BUILD / "ucid", *arguments, **{**options, "env": {**python, **options.get("env", os.environ)}})


def data(path):
    """A file of the data folder; the test is skipped where it is missing."""
    file = DATA / path
    if not file.exists():
        pytest.skip(f"{file} is missing")
    return file
