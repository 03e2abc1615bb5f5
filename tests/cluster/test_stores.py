"""The same rows from every store through every engine's own reader: one hash, whoever reads them, on one worker or several."""

import collections
import hashlib
import os
import time
import uuid

import duckdb
import fsspec
import pyarrow as pa
import pytest

import ucid
import ucid.distributed as distributed
from ucid.errors import UCIDConfigError
from ucid.grids import cell_to_parent

from .clusters import GROUPS, LEVELS, levels_of, same, table
from .engines import ENGINES, Engine, spark_conf

WORKERS = (1, 4) if os.environ.get("UCID_LONG") else (2,)
SCHEMES = ("s3", "gs", "hdfs")


@pytest.fixture(scope="module")
def everywhere(stores, files):
    """URI of the places on each store, the environment that finds them all, and what Spark is told instead."""
    found, environment = {}, {}
    for scheme in SCHEMES:
        store = stores(scheme)
        environment |= store.environment
        with pytest.MonkeyPatch.context() as patch:
            store.set(patch)
            for file in files.iterdir():
                with fsspec.open(f"{store.uri}/everywhere/{file.name}", "wb") as out:
                    out.write(file.read_bytes())
        found[scheme] = f"{store.uri}/everywhere"
    return found, environment, spark_conf(stores)


@pytest.fixture(scope="module", params=[(engine, n) for engine in ENGINES for n in WORKERS], ids=str)
def engine(request, everywhere):
    """An engine that is up; workers of `local` are threads."""
    _, environment, told = everywhere
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in environment.items():
            patch.setenv(variable, value)
        with Engine(*request.param, told) as started:
            yield started


def passed_through(engine, whole, uri, threads, town, zones):
    """Hashes of what an engine makes of the places on a store, and how often each status is there; scores go by the store."""
    scores = f"{uri}-{uuid.uuid4().hex}"
    threads = {"threads": threads} if engine == "local" else {}
    distributed.write(distributed.score(uri, index=town, engine=engine, **threads), scores)
    with pytest.raises(UCIDConfigError, match="holds files"):
        distributed.write(distributed.score(uri, index=town, engine=engine), scores)
    by_tasks = [name.rpartition("/")[2] for name in fsspec.url_to_fs(scores)[0].find(fsspec.url_to_fs(scores)[1])]
    assert by_tasks == [f"part-{at:06}.parquet" for at in range(len(by_tasks))] or engine == "modin"
    written = table(scores)
    hashes = {
        "score": same(written),
        "create": same(whole(distributed.create(uri, context="15MIN", engine=engine, **threads))),
        "levels": same(whole(distributed.aggregate(scores, LEVELS, engine=engine)), "key"),
        "groups": same(whole(distributed.aggregate(scores, engine=engine, **GROUPS)), "city"),
        "join": same(whole(distributed.join(uri, zones, engine=engine, **threads))),
    }
    return hashes, collections.Counter(written.column("status").to_pylist())


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_engine_makes_the_same_of_every_store(engine, scheme, everywhere, places, town, zones, expected, told):
    """And writes to it, and reads that."""
    start = time.monotonic()
    hashes, statuses = engine(passed_through, everywhere[0][scheme], engine.workers, town, zones)
    seconds = time.monotonic() - start
    assert hashes == {name: expected[name] for name in hashes}
    assert statuses == collections.Counter(ucid.score(places, index=town).column("status").to_pylist())
    assert len(statuses) > 3  # bad rows say why, and not all the same
    whole = hashlib.sha256("".join(hashes.values()).encode()).hexdigest()
    told("one hash", f"{scheme:5} {engine.name:6} {engine.workers} workers {len(places):9} rows {seconds:7.1f} s  {whole}")


def test_roll_ups_are_what_duckdb_says(places, town):
    """Those that `expected` holds of all engines."""
    scored = ucid.score(places, index=town)
    fine = ucid.parse(scored.select(["ucid"]), strict=False).column("h3_index").to_pylist()
    keys = {level: [cell and cell_to_parent(cell, int(level[1:])) for cell in fine] for level in ("r7", "r5")}
    keys |= {"r9": fine, "city": scored.column("city").to_pylist()}
    groups = {(row["level"], row["key"]): row for row in levels_of(scored).to_pylist()}
    for level, key in keys.items():
        rows = pa.table({"key": pa.array(key, pa.string()), "score": scored.column("score")})  # noqa: F841
        said = duckdb.sql("SELECT key, count(score), count(*), avg(score), min(score), max(score) FROM rows GROUP BY key").fetchall()
        assert len(said) == sum(one == level for one, _ in groups) > 1
        for name, count, every, mean, least, most in said:
            row = groups[level, name]
            assert (row["rows"], row["rows"] + row["nulls"], row["min"], row["max"]) == (count, every, least, most)
            assert count == 0 or row["score"] == pytest.approx(mean)
    by_city = {row.pop("city"): row for row in ucid.aggregate(scored, **GROUPS).to_pylist()}
    said = duckdb.sql("SELECT city, count(*), count(score), avg(score), stddev_samp(score), min(score), max(score), median(score),"
                      " quantile_cont(score, 0.9) FROM scored GROUP BY city").fetchall()  # fmt: skip
    assert {name: pytest.approx(dict(zip(GROUPS["agg"], row))) for name, *row in said} == by_city
