"""What the tests of the Python package share: a town with its index, places in it, and an interpreter of its own."""

import os
import sys
import textwrap

import pytest

from conftest import BUILD, run

sys.path.insert(0, str(BUILD / "python"))

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402

os.environ["MPLBACKEND"] = "agg"
import ucid  # noqa: E402
from ucid import contexts, indexes  # noqa: E402

GOOD = "UCID-V1:IST:+41.015:+28.979:9:891ec90243bffff:2026W01T12:15MIN:A:0.95:"
FIXED = {"city": "IST", "timestamp": "2026W01T12", "context": "15MIN"}
ADDED = ["ucid", "score", "grade", "confidence", "status"]


@pytest.fixture(scope="session")
def extract(tmp_path_factory):
    path = tmp_path_factory.mktemp("town") / "town.osm.pbf"
    run(BUILD / "ucid-town", "-n", 20000, "-s", 5, path)
    return path


@pytest.fixture(scope="session")
def town(extract):
    stages = []
    index = ucid.build_index(extract, extract.with_name("town.ucidx"), progress=lambda *stage: stages.append(stage))
    assert {stage for stage, _, _ in stages} >= {"read", "snap grid"}
    assert index.timestamp == "2026W01T00"
    return index


@pytest.fixture(scope="module")
def small_town(tmp_path_factory):
    """The path of an index."""
    folder = tmp_path_factory.mktemp("town")
    run(BUILD / "ucid-town", "-n", 5000, "-s", 5, folder / "town.osm.pbf")
    ucid.build_index(folder / "town.osm.pbf", folder / "town.ucidx")
    return folder / "town.ucidx"


@pytest.fixture
def chosen(town, monkeypatch):
    monkeypatch.setattr(indexes, "_chosen", town)
    contexts.forget_indexes()
    yield town
    contexts.forget_indexes()


def places(index, rows=3000, seed=1):
    """Places within the bounds of an index, and a few that are nowhere."""
    south, west, north, east = index.bounds
    random = np.random.default_rng(seed)
    lat, lon = random.uniform(south, north, rows), random.uniform(west, east, rows)
    lat[::97], lon[::89] = 91.0, np.nan
    lat[::83] = -60.0
    return pa.table({"id": np.arange(rows), "lat": lat, "lon": lon})


def middle_of(index):
    """The place in the middle of an index's bounds."""
    south, west, north, east = index.bounds
    return (south + north) / 2, (west + east) / 2


def same(a, b):
    """Whether two tables have the same bytes of the same columns, however they are cut; NaN equals itself."""
    def flat(table):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema.remove_metadata()) as writer:
            writer.write_table(table.replace_schema_metadata(None).combine_chunks())
        return sink.getvalue()

    return flat(a).equals(flat(b))


def python(code, *arguments, check=True, **environment):
    """A fresh interpreter with the package on its path."""
    return run(sys.executable, "-c", textwrap.dedent(code), *arguments, check=check,
               env={**os.environ, "PYTHONPATH": str(BUILD / "python"), **environment})


class Half:
    """A context in Python: half the latitude's fraction."""

    context_id = "HALF"

    def score(self, lat, lon, timestamp):
        return np.asarray(lat) % 1 * 50, np.full(len(lat), 0.5)


@pytest.fixture
def half():
    ucid.register_context(Half)
    yield ucid.get_context("half")
    contexts._registered.pop("HALF")


@pytest.fixture
def catalog(town, tmp_path):
    """A folder with the index and its catalog, as the program makes it."""
    folder = tmp_path / "catalog"
    folder.mkdir()
    path = folder / "town.ucidx"
    path.write_bytes(open(town.path, "rb").read())
    run(BUILD / "ucid", "catalog", "add", folder, path)
    return folder
