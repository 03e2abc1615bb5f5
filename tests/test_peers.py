"""The published reference's own tests of its core, run against this package. They are fetched from PyPI, never copied."""

import os
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from conftest import BUILD, SOURCE, run

RELEASE = "1.0.3"
FILES = ["test_core_parser.py", "test_errors.py", "test_models.py"]  # its test_constants.py looks at constants alone

# Tests of the reference that must fail here, and why. One that passes is an error too.
SAMPLE = "strict parsing of 891f2ed6df7ffff, which is no H3 cell"
DIFFERENT = {
    "test_parse_valid_ucid": SAMPLE,
    "test_parse_ucid_with_flags": SAMPLE,
    "test_parse_ucid_with_negative_coords": SAMPLE,
    "test_parse_different_grades": SAMPLE,
    "test_create_ucid_with_flags": "flags are a set, in the order of bytes; the reference keeps the order given",
}


@pytest.fixture(scope="module")
def reference():
    cache = Path(os.environ.get("UCID_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "ucid"))
    sdist = cache / f"ucid-{RELEASE}.tar.gz"
    if not sdist.exists():
        cache.mkdir(parents=True, exist_ok=True)
        fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "ucid", f"ucid=={RELEASE}"]
        done = subprocess.run([*fetch, "--dest", cache], capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"PyPI does not give ucid {RELEASE}: {done.stderr.strip().splitlines()[-1:]}")
    return sdist


def test_the_reference_accepts_us(reference, tmp_path):
    with tarfile.open(reference) as archive:
        for member in archive.getmembers():
            if Path(member.name).name in FILES and "/unit/" in member.name:
                (tmp_path / Path(member.name).name).write_bytes(archive.extractfile(member).read())
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(BUILD / "python"), str(SOURCE / "tests" / "peers")])}
    run(sys.executable, "-B", "-m", "pytest", "-q", "-p", "shim", "-p", "no:cacheprovider", "--rootdir", tmp_path,
        "--junitxml", tmp_path / "said.xml", tmp_path, env=environment, check=False)
    cases = ElementTree.parse(tmp_path / "said.xml").iter("testcase")
    said = {case.get("name"): case.find("failure") is None and case.find("error") is None for case in cases}
    failed = {name for name, passed in said.items() if not passed}
    assert len(said) > 60
    assert failed == set(DIFFERENT), f"not as listed: {sorted(failed ^ set(DIFFERENT))}"
