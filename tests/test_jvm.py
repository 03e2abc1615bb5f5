"""The functions of spark.jar, in a JVM without Spark, also where the library in it has sanitizers: what they make of each row is
what the package makes of it here. (tests/cluster/test_spark.py asks Spark the same.)"""

import json
import os
import random
import shutil
import subprocess
import sys
import zipfile

import pyarrow as pa
import pytest

from conftest import BUILD, SOURCE, run

sys.path.insert(0, str(SOURCE / "build" / "python"))

import ucid  # noqa: E402

PLACE = ("city", "lat", "lon", "timestamp", "context")
JAR = BUILD / "python" / "ucid" / "spark.jar"
TEXTS = [None, "", " ", "IS", "ISTA", "IST", "I\u0130T", "\U0001f30d", "IST\0", "x" * 255, "x" * 256, "x" * 70_000]
NUMBERS = [None, float("nan"), float("inf"), 90.0, 90.00000000000001, -180.0, 180.00000000000003, -0.0, 1e308, 5e-324]

pytestmark = pytest.mark.skipif(shutil.which("javac") is None, reason="no JDK")


def word(value):
    return "null" if value is None else "x" + value.encode().hex() if isinstance(value, str) else repr(value).replace("nan", "NaN").replace("inf", "Infinity")


def said(*lines):
    """What the functions make of rows."""
    environment = dict(os.environ)
    if "UCID_SANITIZED" in os.environ:  # their libraries before the JVM, whose own signals and memory they leave alone
        preloaded = [subprocess.check_output(["gcc", f"-print-file-name=lib{name}.so"], text=True).strip() for name in ("asan", "ubsan")]
        environment |= {"LD_PRELOAD": " ".join(preloaded), "ASAN_OPTIONS": "exitcode=99:detect_leaks=0:handle_segv=0", "UBSAN_OPTIONS": "exitcode=99:print_stacktrace=1"}
    classes = os.pathsep.join(map(str, (JAR, BUILD / "java" / "declared")))
    rows = "".join(" ".join((line[0], *map(word, line[1:]))) + "\n" for line in lines)
    return run("java", "-cp", classes, SOURCE / "tests" / "JvmRows.java", input=rows, env=environment).stdout.splitlines()


def parent(cell, resolution):
    try:
        return ucid.grids.cell_to_parent(cell, resolution)
    except (TypeError, ValueError):
        return None


def test_rows_become_what_they_become_here():
    dice = random.Random(3)
    good = ("IST", 41.015, 28.979, "2026W01T12", "15MIN")
    rows = [(*good[:at], value, *good[at + 1 :]) for at in range(5) for value in (NUMBERS if at in (1, 2) else [*TEXTS, "2026W54T00", "2026w01t12"])]
    rows += [(dice.choice(("IST", "hel", "0")), dice.uniform(-91, 91), dice.uniform(-182, 182), f"{dice.randrange(10000):04}W{dice.randrange(55):02}T{dice.randrange(25):02}", "walk")
             for _ in range(5000)]  # fmt: skip
    made = ucid.create(pa.table(dict(zip(PLACE, zip(*rows, strict=True), strict=True))))
    assert said(*(("create", *row) for row in rows)) == [one.as_py() or "null" for one in made.column("ucid")]
    places = [(row[1], row[2], dice.randrange(16)) for row in rows]
    cells = [ucid.latlng_to_cell(*one) if None not in one[:2] and abs(one[0]) <= 90 and abs(one[1]) <= 180 else None for one in places]
    assert said(*(("cell", *one) for one in places)) == [cell or "null" for cell in cells]
    asked = [(cell, dice.randrange(-1, 17)) for cell in [*cells, *TEXTS, "0" * 15, "f" * 15, "891EC90243BFFFF", "891ec90243bfff"]]
    assert said(*(("parent", *one) for one in asked)) == [parent(*one) or "null" for one in asked]
    assert said(("cell", 41.0, 29.0, 16), ("cell", None, 29.0, -1), ("cell", 41.0, 29.0, None)) == ["resolution is 16, not 0..15", "resolution is -1, not 0..15", "null"]


def test_rows_of_the_conformance_file():
    rows = [json.loads(line) for line in (SOURCE / "tests" / "conformance.jsonl").read_text().splitlines()]
    rows = [row for row in rows if row["op"] == "create" and set(row["in"]) == set(PLACE) and str(row.get("out")).startswith("UCID-V1:")]
    assert len(rows) > 10
    assert said(*(("create", *(float(value) if isinstance(value, int) else value for value in (row["in"][name] for name in PLACE))) for row in rows)) == [row["out"] for row in rows]


def test_the_jar_holds_all_that_a_worker_needs(tmp_path):
    with zipfile.ZipFile(JAR) as jar:
        names = [name for name in jar.namelist() if not name.endswith("/") and not name.startswith("META-INF")]
        library = jar.extract(next(name for name in names if name.endswith(".so")), tmp_path)
    assert sorted(name for name in names if name.startswith("ucid/")) == [f"ucid/{name}.class" for name in ("Cell", "Create", "Native", "Parent")]
    exported = run("nm", "-D", "--defined-only", library).stdout.split()[2::3]
    assert exported == [f"Java_ucid_Native_{name}" for name in ("address", "cell", "create", "parent")] or "UCID_SANITIZED" in os.environ
    if "UCID_SANITIZED" not in os.environ:
        needed = {line.split("[")[1].split(".so")[0] for line in run("readelf", "-d", library).stdout.splitlines() if "NEEDED" in line}
        assert needed <= {"libc", "libm", "libpthread", "ld-linux-x86-64"}
