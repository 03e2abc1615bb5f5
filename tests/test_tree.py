"""The tree keeps its shape: data and includes flow one way, names are unique, sources are formatted."""

import re
import shutil
import subprocess
from collections import Counter

from conftest import SOURCE, run

ROOMS = ["rt", "id", "read", "parquet", "index", "kernel", "arrow"]
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
BANNED = re.compile(r"^(utils?|common|helpers?|misc)(\.|$)")


def sources():
    """Our own C and C++ files, as git knows them or would."""
    listed = run("git", "-C", SOURCE, "ls-files", "--cached", "--others", "--exclude-standard", "*.[ch]", "*.cc", "*.cpp")
    files = [SOURCE / line for line in listed.stdout.splitlines() if not line.startswith("third_party/")]
    assert len(files) > 10
    return [file for file in files if file.exists()]


def wrong_includes(room, text):
    """Includes of `text`, a file of `room`, that do not point left (or to the same room)."""
    wrong = []
    for name in INCLUDE.findall(text):
        first = name.split("/")[0]
        if name == "ucid.h" or name in ("xxhash.h", "nanoarrow.h", "ucid_Native.h"):
            continue
        if room in ("cli", "map", "java", "python"):
            if first in ROOMS:
                wrong.append(name)
        elif "/" not in name or first not in ROOMS or ROOMS.index(first) > ROOMS.index(room):
            wrong.append(name)
    return wrong


def test_includes_point_left():
    assert wrong_includes("rt", '#include "index/index.h"\n') == ["index/index.h"]
    assert wrong_includes("kernel", '#include "index/index.h"\n#include "rt/file.h"\n') == []
    assert wrong_includes("cli", '#include "kernel/reach.h"\n') == ["kernel/reach.h"]
    assert wrong_includes("python", '#include "rt/file.h"\n') == ["rt/file.h"]
    found = {}
    for file in sources():
        parts = file.relative_to(SOURCE).parts
        room = parts[1] if parts[0] == "src" else parts[0]
        if parts[0] in ("src", "cli", "map", "java", "python") and (wrong := wrong_includes(room, file.read_text())):
            found["/".join(parts)] = wrong
    assert not found


def test_the_public_header_stands_alone():
    for language, compiler in (("c", "cc"), ("c++", "c++")):
        run(compiler, "-x", language, "-fsyntax-only", "-Wall", "-Wextra", "-pedantic", "-Werror",
            "-std=c17" if language == "c" else "-std=c++17", SOURCE / "include" / "ucid.h")


def test_names_are_unique_and_say_something():
    files = sources()
    count = Counter(file.name for file in files)
    assert [name for name, times in count.items() if times > 1] == []
    assert [file for file in files if any(BANNED.match(part) for part in file.relative_to(SOURCE).parts)] == []


def test_files_are_of_a_size_that_can_be_read():
    long = {file.name: lines for file in sources() if (lines := len(file.read_text().splitlines())) > 1600}
    assert not long


def test_sources_are_formatted():
    result = subprocess.run([SOURCE / "scripts" / "format"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[:4000] + "\nmake format mends this"


def test_shell_scripts_parse():
    scripts = [SOURCE / ".ci" / "run", *(SOURCE / "scripts").iterdir()]
    shell = [file for file in scripts if file.is_file() and file.read_bytes().startswith(b"#!/usr/bin/env bash")]
    assert len(shell) >= 5
    for script in shell:
        run(shutil.which("bash"), "-n", script)
