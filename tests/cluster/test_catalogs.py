"""Catalogs on object stores, as the package reads them with fsspec and the program with Arrow: what is fetched, once, by
whom, and what is refused."""

import hashlib
import os
import subprocess
import sys
import uuid

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import BUILD, run, ucid

sys.path.insert(0, str(BUILD / "python"))
import ucid as package  # noqa: E402
from ucid import contexts, indexes  # noqa: E402


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder with the indexes of two towns far apart, and their catalog."""
    folder = tmp_path_factory.mktemp("towns")
    for name, corner in (("near", "40,-40"), ("far", "10,20")):
        run(BUILD / "ucid-town", "-n", 2000, "-c", corner, folder / f"{name}.osm.pbf")
        package.build_index(folder / f"{name}.osm.pbf", folder / f"{name}.ucidx")
    ucid("catalog", "add", folder, folder / "near.ucidx", folder / "far.ucidx")
    return folder


def places(index, rows=300):
    south, west, north, east = index.bounds
    random = np.random.default_rng(rows)
    return pa.table({"lat": random.uniform(south, north, rows), "lon": random.uniform(west, east, rows)})


def put(here, uri, *names):
    for name in names:
        with fsspec.open(f"{uri}/{name}", "wb") as out:
            out.write((here / name).read_bytes())


@pytest.fixture
def catalog(store, here, tmp_path, monkeypatch):
    """Address of the catalog on a store; the cache is empty and nothing is chosen."""
    uri = f"{store.uri}/{uuid.uuid4().hex}"
    put(here, uri, "catalog.json", "near.ucidx", "far.ucidx")
    monkeypatch.setenv("UCID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(indexes, "_chosen", None)
    contexts.forget_indexes()
    yield uri
    contexts.forget_indexes()


def kept(tmp_path):
    return {path.stem for path in (tmp_path / "cache" / "indexes").glob("*.ucidx")}


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_what_places_need_is_fetched(catalog, here, tmp_path):
    near, far = package.open_index(here / "near.ucidx"), package.open_index(here / "far.ucidx")
    chosen = package.use_catalog(catalog)
    assert [entry.id for entry in chosen.entries] == sorted([near.id, far.id]) and kept(tmp_path) == set()
    table = places(near)
    for given in (table, table.to_reader(max_chunksize=50)):
        got = pa.table(package.score(given)).column("ucid").combine_chunks()
        assert got.equals(package.score(table, index=near).column("ucid").combine_chunks())
        assert kept(tmp_path) == {sha256(here / "near.ucidx")}
    south, west, north, east = far.bounds
    lat, lon = (south + north) / 2, (west + east) / 2
    assert package.get_context("15MIN").compute(lat, lon).data_sources[0]["index"] == far.id
    assert package.explain(lat, lon) == package.explain(lat, lon, index=far)
    assert kept(tmp_path) == {sha256(here / "near.ucidx"), sha256(here / "far.ucidx")}


def test_the_variable_names_a_catalog(catalog, here, tmp_path):
    south, west, north, east = package.open_index(here / "near.ucidx").bounds
    code = "import sys, ucid; print(ucid.get_context('15MIN').compute(float(sys.argv[1]), float(sys.argv[2])).score)"
    place = (south + north) / 2, (west + east) / 2
    environment = {**os.environ, "PYTHONPATH": str(BUILD / "python"), "UCID_CATALOG": f"{catalog}/catalog.json"}
    said = run(sys.executable, "-c", code, *place, env=environment)
    package.use_index(here / "near.ucidx")
    assert float(said.stdout) == package.get_context("15MIN").compute(*place).score
    assert kept(tmp_path) == {sha256(here / "near.ucidx")}


def test_program_and_package_race_and_fetch_once(catalog, here, tmp_path):
    near = package.open_index(here / "near.ucidx")
    pq.write_table(places(near), tmp_path / "in.parquet")
    code = ("import sys, pyarrow.parquet as pq, ucid; ucid.use_catalog(sys.argv[1]);"
            "pq.write_table(ucid.score(pq.read_table(sys.argv[2])), sys.argv[3])")  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(BUILD / "python")}
    outs = [tmp_path / f"{i}.parquet" for i in range(4)]
    running = []
    for i, out in enumerate(outs):
        of_program = [BUILD / "ucid", "score", tmp_path / "in.parquet", "-o", out, "--catalog", catalog, "-q"]
        command = of_program if i % 2 else [sys.executable, "-c", code, catalog, tmp_path / "in.parquet", out]
        running.append(subprocess.Popen([str(word) for word in command], env=environment, stderr=subprocess.PIPE, text=True))
    seen = set()
    while any(process.poll() is None for process in running):
        seen |= {(path.name, path.stat().st_ino) for path in (tmp_path / "cache" / "indexes").glob("*.ucidx")}
    said = [process.communicate()[1] for process in running]
    assert all(process.returncode in (0, 1) for process in running), said
    assert len(seen) == 1
    columns = ["ucid", "score", "grade", "confidence", "status"]
    assert all(pq.read_table(out).select(columns).equals(pq.read_table(outs[0]).select(columns)) for out in outs[1:])
    assert not [path for path in (tmp_path / "cache" / "indexes").iterdir() if path.suffix == ".part"]


def test_another_file_is_refused_by_both(catalog, here, tmp_path):
    damaged = bytearray((here / "near.ucidx").read_bytes())
    damaged[-100] ^= 255
    with fsspec.open(f"{catalog}/near.ucidx", "wb") as out:
        out.write(bytes(damaged))
    near = package.open_index(here / "near.ucidx")
    package.use_catalog(catalog)
    with pytest.raises(package.UCIDDataError, match="near.ucidx: its sha256 is .* it was not taken") as caught:
        package.score(places(near))
    assert caught.value.error_code == "INDEX_CORRUPT" and kept(tmp_path) == set()
    with pytest.raises(Exception, match="its sha256 is"):
        pa.table(package.score(places(near).to_reader()))
    pq.write_table(places(near), tmp_path / "in.parquet")
    refused = ucid("score", tmp_path / "in.parquet", "-o", tmp_path / "out.parquet", "--catalog", catalog, check=False)
    assert refused.returncode == 4 and "its sha256 is" in refused.stderr and refused.stderr.count("\n") == 1
    assert not (tmp_path / "out.parquet").exists() and kept(tmp_path) == set()


def test_a_catalog_that_is_not_there(store, tmp_path):
    with pytest.raises(package.UCIDDataError, match="none"):
        package.use_catalog(f"{store.uri}/none")
