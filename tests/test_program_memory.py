"""Every allocation of the program fails in turn, and all from that one on: it ends with an error, or with the whole
answer; it never crashes, and an older file stays as it was. Tables are left out: Arrow C++ ends the process itself
when it finds no memory."""

import os
import re

import pytest

from conftest import BUILD, run, ucid

FAILER = BUILD / "libfail_malloc.so"
LONG = "UCID_LONG" in os.environ


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("memory")
    run(BUILD / "ucid-town", "--nodes", "1500", path / "town.osm.pbf")
    ucid("index", "build", path / "town.osm.pbf", "-o", path / "town.ucidx", "--quiet")
    return path


def failing(folder, words, **environment):
    preload = {"LD_PRELOAD": str(FAILER)}
    return run(BUILD / "ucid", *words, check=False, cwd=folder,
               env={**os.environ, **preload, **environment})


def answer(result):
    """What was printed, without the time that it took."""
    return re.sub(r"\d+\.\d+ s\b", "", result.stdout)


@pytest.mark.parametrize("words, most_runs", [
    (["index", "info", "town.ucidx"], 60),
    (["index", "info", "--json", "town.ucidx"], 60),
    (["index", "check", "town.ucidx"], 40),
    (["explain", "40", "-40", "--index", "town.ucidx"], 60),
    (["index", "build", "town.osm.pbf", "-o", "new.ucidx", "--quiet", "--threads", "1"], 60),
    (["index", "build", "town.osm.pbf", "-o", "new.ucidx", "--quiet", "--threads", "2"], 25),
], ids=lambda value: " ".join(value[:3]) if isinstance(value, list) else "")
def test_failing_allocations_are_errors(folder, words, most_runs):
    new, count = folder / "new.ucidx", folder / "count"
    whole = failing(folder, words, UCID_FAIL_COUNT=str(count))
    assert whole.returncode == 0
    built = new.read_bytes() if new.exists() else None
    total = int(count.read_text())
    assert total > 10
    step = 1 if LONG else max(1, total // most_runs)
    failed = 0
    for n in range(1, total + 1, step):
        for on in ({}, {"UCID_FAIL_ON": "1"}):
            new.write_bytes(b"old")
            result = failing(folder, words, UCID_FAIL_AT=str(n), **on)
            told = f"allocation {n} {on}: {result.returncode} {result.stderr}"
            if result.returncode == 0:
                assert answer(result) == answer(whole), told
                assert new.read_bytes() == (built or b"old"), told
                continue
            failed += 1
            assert result.returncode in (1, 2, 5), told  # 1 is popt's own way to end, 2 an option that popt lost
            assert result.stderr.strip(), told
            # the old file; or the new one, whole, where memory lacked only for telling about it
            assert new.read_bytes() in (b"old", built or b"old"), told
            assert not [name for name in os.listdir(folder) if name.startswith("new.ucidx.")], told
    assert failed >= 2
