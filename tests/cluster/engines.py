"""Engines on one host, each in a process of its own: what one leaves behind in its process (Modin a function on its first cluster,
Spark a JVM, all of them variables and caches of file systems) reaches no other.

    with Engine("modin", 4, told) as engine:
        engine(function, *given)             function("modin", whole, *given) there; `whole` makes a table of a collection
"""

import contextlib
import multiprocessing
import os
from concurrent import futures

import psutil
import pyarrow as pa
import pytest

from .clusters import DASK_OPTIONS, spark_session, start_ray
from .servers import KEY, REGION, SECRET, connectors


@contextlib.contextmanager
def _local(workers, told):
    yield lambda made: made if isinstance(made, pa.Table) else made.read_all()


@contextlib.contextmanager
def _dask(workers, told, memory_limit="1GB"):
    from distributed import Client

    with Client(**{**DASK_OPTIONS, "n_workers": workers, "memory_limit": memory_limit}) as client:
        yield lambda made: made.compute()
        client.cluster.close()


@contextlib.contextmanager
def _ray(workers, told):
    import ray

    start_ray(num_cpus=workers)
    try:
        yield lambda made: pa.concat_tables(ray.get(made.to_arrow_refs()))
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _spark(workers, told):
    with spark_session(f"local[{workers}]", **told):
        yield lambda made: made.toArrow()


@contextlib.contextmanager
def _modin(workers, told):
    os.environ["MODIN_ENGINE"] = "dask"
    with _dask(workers, told, "4GB"):  # a copy of the frame for each operation stays with the workers
        yield lambda made: made._to_pandas()


@contextlib.contextmanager
def _modin_on_ray(workers, told):
    os.environ["MODIN_ENGINE"] = "ray"
    with _ray(workers, told):
        yield lambda made: made._to_pandas()


ENGINES = {"local": _local, "dask": _dask, "ray": _ray, "spark": _spark, "modin": _modin}


def spark_conf(stores):
    """Spark's readers are Hadoop's, and do not know the variables of the others; docs/distributed.md says what they want."""
    told = {"fs.s3a.endpoint": stores("s3").url, "fs.s3a.endpoint.region": REGION, "fs.s3a.access.key": KEY, "fs.s3a.secret.key": SECRET,
            "fs.s3a.path.style.access": "true", "fs.gs.impl": "com.google.cloud.hadoop.fs.gcs.GoogleHadoopFileSystem",
            "fs.gs.storage.root.url": stores("gs").url, "fs.gs.project.id": "ucid",
            "google.cloud.auth.service.account.enable": "false", "google.cloud.auth.null.enable": "true",
            # Hadoop's own defaults of these have a unit, which Google's connector does not read
            "fs.gs.block.size": 1 << 26, "fs.gs.rewrite.max.chunk.size": 1 << 29, "fs.gs.outputstream.buffer.size": 1 << 23,
            "fs.gs.inputstream.inplace.seek.limit": 1 << 23, "fs.gs.inputstream.min.range.request.size": 1 << 21}  # fmt: skip
    conf = {f"spark.hadoop.{name}": str(value) for name, value in told.items()}
    return {**conf, "spark.jars": ",".join(map(str, connectors()))}


class Engine:
    """An engine that is up, with so many workers, for as long as the block lasts."""

    def __init__(self, name, workers, told):
        self.name, self.workers = name, workers
        self._told = told
        self._pool = futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))

    def __enter__(self):
        self._process = psutil.Process(self._there(os.getpid))
        try:
            self._there(_up, self.name, self.workers, self._told)
        except BaseException:
            self._pool.shutdown()
            raise
        return self

    def __exit__(self, *_):
        try:
            self._there(_down)
        finally:
            self._pool.shutdown()

    def __call__(self, function, *given):
        return self._there(_call, function, given)

    def _there(self, function, *given):
        answer = self._pool.submit(function, *given)
        if not futures.wait([answer], timeout=540).done:
            for one in [*self._process.children(recursive=True), self._process]:
                one.kill()
            pytest.fail(f"{self.name} did not answer in 540 s")
        return answer.result()


# In the other process.
_held = contextlib.ExitStack()
_running = []


def _up(name, workers, told):
    _running[:] = name, _held.enter_context({**ENGINES, "modin on ray": _modin_on_ray}[name](workers, told))


def _call(function, given):
    return function(*_running, *given)


def _down():
    _held.close()
