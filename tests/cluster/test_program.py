"""The program on object stores: tables and catalogs are read and written there as on a disk, and a write that does not
end leaves nothing under its name."""

import json
import signal
import subprocess
import sys
import time
import uuid

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import BUILD, run, ucid

sys.path.insert(0, str(BUILD / "python"))
from ucid import Index  # noqa: E402
from ucid.indexes import Catalog  # noqa: E402

from .servers import s3_environment

ROWS = 300_000


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder with a town's index, a catalog of it, places, and their scores."""
    folder = tmp_path_factory.mktemp("here")
    run(BUILD / "ucid-town", "-n", 5000, "-s", 5, folder / "town.osm.pbf")
    (folder / "catalog").mkdir()
    ucid("index", "build", folder / "town.osm.pbf", "-o", folder / "catalog" / "town.ucidx", "-q")
    ucid("catalog", "add", folder / "catalog", folder / "catalog" / "town.ucidx")
    south, west, north, east = Index(str(folder / "catalog" / "town.ucidx")).bounds
    random = np.random.default_rng(3)
    places = pa.table({"id": np.arange(ROWS), "lat": random.uniform(south, north, ROWS), "lon": random.uniform(west, east, ROWS),
                       "noise": random.integers(0, 1 << 62, ROWS)})  # fmt: skip
    pq.write_table(places, folder / "places.parquet", row_group_size=50_000)
    ucid("score", folder / "places.parquet", "-o", folder / "scores.parquet", "--catalog", folder / "catalog", check=False)
    ucid("aggregate", folder / "scores.parquet", "-o", folder / "r7.csv", "--to", "r7")
    return folder


def put(path, uri):
    with fsspec.open(uri, "wb") as out:
        out.write(path.read_bytes())


def fetch(uri):
    """Bytes of an object, by a library that is not the program's."""
    with fsspec.open(uri, "rb") as file:
        return file.read()


def names(store, prefix):
    """What lies below a prefix."""
    files, path = fsspec.url_to_fs(f"{store.uri}/{prefix}")
    files.invalidate_cache()
    return sorted(name.rsplit("/", 1)[-1] for name in files.find(path)) if files.exists(path) else []


def test_tables_and_catalogs_on_a_store_are_as_on_a_disk(store, here):
    prefix = f"{store.uri}/{uuid.uuid4().hex}"
    ucid("copy", here / "places.parquet", "-o", f"{prefix}/in/a.parquet")
    assert pq.read_table(pa.BufferReader(fetch(f"{prefix}/in/a.parquet"))).equals(pq.read_table(here / "places.parquet"))
    put(here / "catalog" / "town.ucidx", f"{prefix}/catalog/town.ucidx")
    put(here / "catalog" / "catalog.json", f"{prefix}/catalog/catalog.json")
    scores = f"{prefix}/out/scores.parquet"
    told = ucid("score", f"{prefix}/in", "-o", scores, "--catalog", f"{prefix}/catalog", "--json", check=False)
    assert json.loads(told.stdout)["rows"] == ROWS
    assert fetch(scores) == (here / "scores.parquet").read_bytes()
    ucid("aggregate", scores, "-o", f"{prefix}/r7.csv", "--to", "r7")
    assert fetch(f"{prefix}/r7.csv") == (here / "r7.csv").read_bytes()
    ucid("copy", f"{prefix}/r7.csv", "-o", f"{prefix}/r7.csv")  # over itself
    assert fetch(f"{prefix}/r7.csv") == (here / "r7.csv").read_bytes()
    index = fsspec_catalog(f"{prefix}/catalog")
    assert index.id == Index(str(here / "catalog" / "town.ucidx")).id


def fsspec_catalog(uri):
    """The catalog as the package reads it."""
    [index] = Catalog(uri).all()
    return index


def test_a_killed_or_interrupted_write_leaves_no_object(store, here):
    prefix = uuid.uuid4().hex
    out = f"{store.uri}/{prefix}/out.arrows"
    for number in (signal.SIGKILL, signal.SIGTERM):
        command = [BUILD / "ucid", "copy", "-", "-o", out, "--format", "csv", "-q"]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        line = b"%s,1\n" % (b"x" * 500)
        child.stdin.write(b"text,number\n" + line * 60_000)
        child.stdin.flush()
        time.sleep(1)
        assert child.poll() is None, child.stderr.read()
        child.send_signal(number)
        child.communicate()
        assert child.returncode != 0
        assert "out.arrows" not in names(store, prefix)
    assert [name for name in names(store, prefix) if not name.endswith(".part")] == []


def test_what_is_wrong_is_one_line(store, here):
    missing = ucid("copy", f"{store.uri}/none.parquet", "-o", "-", check=False)
    assert (missing.returncode, missing.stderr.count("\n")) == (3, 1) and "No such file" in missing.stderr
    folder = uuid.uuid4().hex
    put(here / "r7.csv", f"{store.uri}/{folder}/bad.parquet")
    bad = ucid("copy", f"{store.uri}/{folder}/bad.parquet", "-o", "-", check=False)
    assert (bad.returncode, bad.stderr.count("\n")) == (3, 1) and "bad.parquet" in bad.stderr


@pytest.mark.parametrize("server", ["s3", "minio"])
def test_a_wrong_key_is_refused(server, stores, here, monkeypatch):
    store = stores(server)
    for name, value in s3_environment(store.url, "another secret").items():
        monkeypatch.setenv(name, value)
    for command in (["copy", f"{store.uri}/x.parquet", "-o", "-"], ["copy", here / "r7.csv", "-o", f"{store.uri}/no.csv"]):
        refused = ucid(*command, check=False)
        assert refused.returncode in (3, 5) and refused.stderr.count("\n") == 1
        assert "ACCESS_DENIED" in refused.stderr or "SIGNATURE" in refused.stderr
    assert not (store.folder / "no.csv").exists()


def test_no_server_is_one_line(monkeypatch, here):
    environment = {**s3_environment("http://127.0.0.1:1"), "STORAGE_EMULATOR_HOST": "http://127.0.0.1:1"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for uri in ("s3://bucket/x.csv", "gs://bucket/x.csv?retry_limit_seconds=1", "webhdfs://127.0.0.1:1/x.csv"):
        gone = ucid("copy", uri, "-o", "-", check=False)
        assert (gone.returncode, gone.stderr.count("\n")) == (5, 1)
