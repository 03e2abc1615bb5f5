"""The same rows from every store through every engine's own reader: one hash, whoever reads them, on one worker or several."""

import contextlib
import os
import uuid

import duckdb
import fsspec
import pyarrow as pa
import pytest

import ucid
import ucid.distributed as distributed
from ucid.errors import UCIDConfigError
from ucid.grids import cell_to_parent

from .clusters import DASK_OPTIONS, LEVELS, levels_of, same, spark_session, start_ray, table
from .servers import KEY, REGION, SECRET, connectors

WORKERS = (1, 4) if os.environ.get("UCID_LONG") else (2,)


@pytest.fixture(scope="module")
def everywhere(stores, files):
    """URI of the places on each store, and the environment that finds them all."""
    found, environment = {}, {}
    for scheme in ("s3", "gs", "hdfs"):
        store = stores(scheme)
        environment |= store.environment
        with pytest.MonkeyPatch.context() as patch:
            store.set(patch)
            for file in files.iterdir():
                with fsspec.open(f"{store.uri}/everywhere/{file.name}", "wb") as out:
                    out.write(file.read_bytes())
        found[scheme] = f"{store.uri}/everywhere"
    return found, environment, stores


@contextlib.contextmanager
def _local(workers, stores):
    yield lambda made: made if isinstance(made, pa.Table) else made.read_all()


@contextlib.contextmanager
def _dask(workers, stores, memory_limit="1GB"):
    from distributed import Client

    with Client(**{**DASK_OPTIONS, "n_workers": workers, "memory_limit": memory_limit}) as client:
        yield lambda made: made.compute()
        client.cluster.close()


@contextlib.contextmanager
def _ray(workers, stores):
    import ray

    start_ray(num_cpus=workers)
    try:
        yield lambda made: pa.concat_tables(ray.get(made.to_arrow_refs()))
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _spark(workers, stores):
    """Spark's readers are Hadoop's, and do not know the variables of the others; docs/distributed.md says what they want."""
    told = {"fs.s3a.endpoint": stores("s3").url, "fs.s3a.endpoint.region": REGION, "fs.s3a.access.key": KEY, "fs.s3a.secret.key": SECRET,
            "fs.s3a.path.style.access": "true", "fs.gs.impl": "com.google.cloud.hadoop.fs.gcs.GoogleHadoopFileSystem",
            "fs.gs.storage.root.url": stores("gs").url, "fs.gs.project.id": "ucid",
            "google.cloud.auth.service.account.enable": "false", "google.cloud.auth.null.enable": "true",
            # Hadoop's own defaults of these have a unit, which Google's connector does not read
            "fs.gs.block.size": 1 << 26, "fs.gs.rewrite.max.chunk.size": 1 << 29, "fs.gs.outputstream.buffer.size": 1 << 23,
            "fs.gs.inputstream.inplace.seek.limit": 1 << 23, "fs.gs.inputstream.min.range.request.size": 1 << 21}  # fmt: skip
    conf = {f"spark.hadoop.{name}": str(value) for name, value in told.items()}
    with spark_session(f"local[{workers}]", **conf, **{"spark.jars": ",".join(map(str, connectors()))}):
        yield lambda made: made.toArrow()


@contextlib.contextmanager
def _modin(workers, stores):
    os.environ["MODIN_ENGINE"] = "dask"
    with _dask(workers, stores, "4GB"):  # a copy of the frame for each operation stays with the workers
        yield lambda made: made._to_pandas()


ENGINES = {"local": _local, "dask": _dask, "ray": _ray, "spark": _spark, "modin": _modin}


@pytest.fixture(scope="module", params=[(engine, n) for engine in ENGINES for n in (WORKERS if engine != "local" else (1,))], ids=str)
def engine(request, everywhere):
    """An engine that is up, and how a collection of it becomes a table."""
    name, workers = request.param
    uris, environment, stores = everywhere
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in environment.items():
            patch.setenv(variable, value)
        with ENGINES[name](workers, stores) as whole:
            yield name, whole


@pytest.mark.parametrize("scheme", ["s3", "gs", "hdfs"])
def test_every_engine_reads_and_writes_every_store(engine, scheme, everywhere, town, zones, expected):
    """And writes to it, and reads that."""
    name, whole = engine
    uri = everywhere[0][scheme]
    scores = f"{uri}-{uuid.uuid4().hex}"
    distributed.write(distributed.score(uri, index=town, engine=name), scores)
    assert same(table(scores)) == expected["score"]
    with pytest.raises(UCIDConfigError, match="holds files"):
        distributed.write(distributed.score(uri, index=town, engine=name), scores)
    assert same(whole(distributed.aggregate(scores, LEVELS, engine=name)), "key") == expected["levels"]
    assert same(whole(distributed.join(uri, zones, engine=name))) == expected["join"]


def test_roll_ups_are_what_duckdb_says(places, town):
    """Those that `expected` holds of all engines."""
    scored = ucid.score(places, index=town)
    fine = ucid.parse(scored.select(["ucid"]), strict=False).column("h3_index").to_pylist()
    keys = {"r7": [cell and cell_to_parent(cell, 7) for cell in fine], "city": scored.column("city").to_pylist()}
    groups = {(row["level"], row["key"]): row for row in levels_of(scored).to_pylist()}
    for level, key in keys.items():
        rows = pa.table({"key": pa.array(key, pa.string()), "score": scored.column("score")})  # noqa: F841
        said = duckdb.sql("SELECT key, count(score), count(*), avg(score), min(score), max(score) FROM rows GROUP BY key").fetchall()
        assert len(said) == sum(one == level for one, _ in groups) > 1
        for name, count, every, mean, least, most in said:
            row = groups[level, name]
            assert (row["rows"], row["rows"] + row["nulls"], row["min"], row["max"]) == (count, every, least, most)
            assert count == 0 or row["score"] == pytest.approx(mean)
