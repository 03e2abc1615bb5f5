"""What the documents say is true: their blocks run, print what they show, and name files and targets that exist.

    ```sh       runs under bash in a folder that the blocks of a document share, with build/ on PATH
    ```c        is compiled against build/libucid.so and runs there too
    ```python   runs under the interpreter of the tests
    ```python engines   needs Dask, Ray, Spark or Modin: tests/cluster runs the document
    ```output   is what the block before it prints; `...` stands for any text
    ```console  is shown only: what needs root, a network or a long time
"""

import os
import re
import sys

import pytest

from conftest import BUILD, SOURCE, run

DOCUMENTS = sorted(
    path.relative_to(SOURCE).as_posix() for path in [*SOURCE.glob("*.md"), SOURCE / "python" / "README.md", *(SOURCE / "docs").rglob("*.md")]
)
FENCE = re.compile(r"^```(\w+)? ?([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


def matches(expected, said):
    """Whether `said` is `expected`, in which `...` stands for any text."""
    strip = [line.rstrip() for line in expected.strip().splitlines()]
    pattern = ".*?".join(re.escape(part) for part in "\n".join(strip).split("..."))
    said = "\n".join(line.rstrip() for line in said.strip().splitlines())
    return re.fullmatch(pattern, said, re.DOTALL) is not None


def execute(language, text, folder):
    path = os.pathsep.join([str(BUILD), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "LD_LIBRARY_PATH": str(BUILD), "LC_ALL": "C.UTF-8",
                   "PYTHONPATH": str(BUILD / "python")}
    if language == "sh":
        command = ["bash", "-euo", "pipefail", "-c", text]
    elif language == "python":
        command = [sys.executable, "-c", text]
    else:
        (folder / "block.c").write_text(text)
        run("cc", "-std=c17", "-Wall", "-Wextra", "-Werror", "block.c", "-I", SOURCE / "include", "-L", BUILD, "-lucid",
            "-o", "block", cwd=folder)
        command = ["./block"]
    return run(*command, cwd=folder, env=environment).stdout


def test_wildcards_match_any_text():
    assert matches("a ... c\n", "a b c \n\n")
    assert matches("a\n...\nd", "a\nb\nc\nd")
    assert not matches("a ... c", "a b d")
    assert not matches("a.c", "abc")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_blocks_run_and_print_what_they_show(document, tmp_path):
    said = None
    for language, needs, text in FENCE.findall((SOURCE / document).read_text()):
        if needs == "engines":
            continue
        if language == "output":
            assert said is not None, f"{document}: an output without a block that runs before it"
            assert matches(text, said), f"{document} shows\n{text}\nbut the block prints\n{said}"
            said = None
        elif language in ("sh", "c", "python"):
            said = execute(language, text, tmp_path)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_to_files(document):
    text = FENCE.sub("", (SOURCE / document).read_text())
    here = (SOURCE / document).parent
    targets = [target for target in LINK.findall(text) if "://" not in target]
    assert [target for target in targets if not (here / target).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_named_make_targets_exist(document):
    known = set(re.findall(r"^([\w -]+):", (SOURCE / "Makefile").read_text(), re.MULTILINE))
    known = {word for names in known for word in names.split()}
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", (SOURCE / document).read_text(), re.MULTILINE))
    assert named <= known


def test_decisions_are_listed():
    folder = SOURCE / "docs" / "adr"
    listed = set(LINK.findall((folder / "README.md").read_text()))
    assert {path.name for path in folder.glob("*.md")} - {"README.md"} == listed
