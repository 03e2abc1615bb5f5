"""An installed tree is whole: others find it through pkg-config and CMake, and it exports the header's functions alone."""

import os
import re
import shutil

import pyarrow.parquet
import pytest

from conftest import BUILD, SOURCE, run

PROGRAM = """
#include <stdio.h>
#include <string.h>
#include <ucid.h>

int main(void)
{
    if (strcmp(ucid_version(), UCID_VERSION) != 0) return 1;
    puts(ucid_status_meaning(UCID_OFF_NETWORK));
    return 0;
}
"""
CMAKELISTS = """
cmake_minimum_required(VERSION 3.24)
project(user C)
find_package(ucid 0.1 REQUIRED)
add_executable(user user.c)
target_link_libraries(user PRIVATE ucid::ucid)
"""


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """An installation that was moved after it was made."""
    made = tmp_path_factory.mktemp("install") / "made"
    run("cmake", "--install", BUILD, "--prefix", made)
    return made.rename(made.parent / "moved")


@pytest.fixture
def user(tmp_path):
    (tmp_path / "user.c").write_text(PROGRAM)
    (tmp_path / "CMakeLists.txt").write_text(CMAKELISTS)
    return tmp_path


def one(prefix, name):
    found = list(prefix.rglob(name))
    assert len(found) == 1, f"{name}: {found}"
    return found[0]


def test_a_program_builds_through_pkg_config(prefix, user):
    environment = {**os.environ, "PKG_CONFIG_PATH": str(one(prefix, "ucid.pc").parent)}
    flags = run("pkg-config", "--cflags", "--libs", "ucid", env=environment).stdout.split()
    run("cc", "user.c", *flags, "-o", "user", cwd=user)
    said = run(user / "user", env={**os.environ, "LD_LIBRARY_PATH": str(one(prefix, "libucid.so").parent)})
    assert said.stdout == "row: no walkable street within the snap limit\n"


def test_a_program_builds_through_cmake(prefix, user):
    run("cmake", "-S", user, "-B", user / "build", f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", user / "build")
    assert run(user / "build" / "user").stdout == "row: no walkable street within the snap limit\n"


def test_the_library_exports_what_the_header_lists(prefix):
    header = (SOURCE / "include" / "ucid.h").read_text()
    header = re.sub(r"/\*.*?\*/|^\s*#.*?$", "", header, flags=re.DOTALL | re.MULTILINE)
    listed = set(re.findall(r"\bUCID_API\b[^;(]*?\b(ucid_\w+)\s*\(", header))
    assert {"ucid_version", "ucid_status_code"} <= listed
    library = one(prefix, "libucid.so")
    table = run("nm", "--dynamic", "--defined-only", library).stdout.splitlines()
    exported = {line.split()[-1].split("@")[0] for line in table if line.split()[1] != "A"}
    assert exported == listed
    assert "libucid.so.0" in run("objdump", "-p", library).stdout


def test_the_program_runs_where_it_was_moved(prefix):
    said = run(one(prefix / "bin", "ucid"), "--version", env={"PATH": os.environ["PATH"]})
    assert re.search(r"\b0\.1\.0\b", said.stdout)
    assert shutil.which("ucid", path=prefix / "bin")


def test_everything_that_belongs_to_the_program_is_there(prefix):
    names = ["ucid.1", "_ucid", "ucid.fish", "map.html", "libucid_io.so"]
    assert [one(prefix, name).is_file() for name in names] == [True] * len(names)
    assert (prefix / "share/bash-completion/completions/ucid").is_file()


def test_the_moved_program_reads_and_writes_tables(prefix, tmp_path):
    (tmp_path / "in.csv").write_text("id,lat\n1,2.5\n2,3.5\n")
    run(prefix / "bin" / "ucid", "copy", "in.csv", "-o", "out.parquet", cwd=tmp_path)
    assert pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pydict() == {"id": [1, 2], "lat": [2.5, 3.5]}
