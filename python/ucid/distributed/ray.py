"""Ray Data: blocks are Arrow tables, which the kernels read where they lie; datasets stay lazy."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import ray  # pyright takes this file for it, hence the comments below
import ray.data
from pyarrow.fs import FSSpecHandler, PyFileSystem
from ray.util import ActorPool

from ucid.contexts import get_context
from ucid.distributed.parquet import settings
from ucid.distributed.plan import IndexAt, Plan
from ucid.indexes import use_index

__all__ = ["UCIDScorer", "apply", "from_table", "names", "read", "repartition", "scorer_pool", "select", "shrink", "write"]

_OF_HADOOP = ("hdfs://", "viewfs://", "webhdfs://")


def read(paths: Sequence[str]) -> Any:
    """Parquet files as a Dataset, by Arrow; by fsspec where Arrow wants a library of Hadoop's that it does not bring, or where
    STORAGE_EMULATOR_HOST names another server than Google's, which Arrow does not follow."""
    names, options = _located(list(paths))
    return ray.data.read_parquet(names, **options)


def _located(paths: list[str]) -> tuple[list[str], dict[str, Any]]:
    """Paths as Ray takes them, and the file system where it would not find it."""
    by_fsspec = _OF_HADOOP + (("gs://", "gcs://") if os.environ.get("STORAGE_EMULATOR_HOST") else ())
    if not any(path.startswith(by_fsspec) for path in paths):
        return paths, {}
    import fsspec

    files, _, names = fsspec.get_fs_token_paths(paths, mode="rb")
    return names, {"filesystem": PyFileSystem(FSSpecHandler(files))}


def apply(data: Any, plan: Plan) -> Any:
    """Run a plan on each block."""
    return data.map_batches(plan.on_threads(1).table, batch_format="pyarrow", batch_size=None, zero_copy_batch=True)


def from_table(table: pa.Table, parts: int) -> Any:
    """A table of this process as the engine's collection."""
    step = -(-table.num_rows // parts)
    return ray.data.from_arrow([table.slice(start, step) for start in range(0, table.num_rows, step)])


def write(data: Any, folder: str, compression: str) -> None:
    """A file of each block."""
    (name,), options = _located([folder])
    data.write_parquet(name, **options, **settings(compression))


def names(data: Any) -> list[str]:
    """Names of the columns, where they are known without running anything."""
    schema = data.schema(fetch_if_missing=False)
    return [] if schema is None else list(schema.names)


def select(data: Any, columns: list[str]) -> Any:
    """Some columns; all, where none are known."""
    return data.select_columns(columns) if columns else data


def shrink(data: Any, parts: int) -> Any:
    """Neighbouring blocks joined until there are so many."""
    return data.repartition(parts)


def repartition(data: Any, key: str, parts: int | None) -> Any:
    """Rows of one key in one block."""
    parts = parts or int(ray.cluster_resources().get("CPU", 1))  # pyright: ignore[reportAttributeAccessIssue]
    return data.repartition(parts, keys=[key])


class UCIDScorer:
    """A worker that scores one place at a time and remembers; or batches, in an actor pool of Ray Data.

    ``UCIDScorer.remote("15MIN")`` is an actor; ``ds.map_batches(UCIDScorer, fn_constructor_args=("15MIN",),
    batch_format="pyarrow", concurrency=4)`` runs four.

    Parameters
    ----------
    context : str
        Id of a context.
    index : Index, path, URI or IndexAt, optional
        Default: ``UCID_CATALOG`` of the worker.
    cache_size : int
        Places remembered; the one asked for longest ago is forgotten first.
    timestamp : str
        Week key of scores.
    """

    def __init__(
        self, context: str = "15MIN", index: Any = None, cache_size: int = 100_000, timestamp: str = "2026W01T12"
    ) -> None:
        if index is not None:
            use_index(index.open() if isinstance(index, IndexAt) else index)
        self.context = get_context(context)
        self.timestamp = timestamp
        self.cache_size = cache_size
        self.cache: OrderedDict[tuple[float, float], float] = OrderedDict()
        self.hits = self.misses = 0
        self._plan = Plan.score(context, timestamp=timestamp, threads=1)

    @classmethod
    def remote(cls, *args: Any, **options: Any) -> Any:
        """Start one as an actor of Ray."""
        return ray.remote(cls).remote(*args, **options)  # pyright: ignore[reportAttributeAccessIssue]

    def score(self, lat: float, lon: float) -> float:
        """Score of a place, degrees; NaN where it has none."""
        place = (lat, lon)
        score = self.cache.get(place)
        if score is not None:
            self.hits += 1
            self.cache.move_to_end(place)
            return score
        self.misses += 1
        score = self.cache[place] = self.context.compute(lat, lon, self.timestamp).score
        if len(self.cache) > self.cache_size:
            self.cache.popitem(last=False)
        return score

    def get_cache_stats(self) -> dict[str, int]:
        """Places remembered, how many are at most, and how often one was asked for again or first."""
        return {"size": len(self.cache), "limit": self.cache_size, "hits": self.hits, "misses": self.misses}

    def __call__(self, batch: pa.Table) -> pa.Table:
        return self._plan.table(batch)


def scorer_pool(context: str = "15MIN", size: int = 4, **options: Any) -> ActorPool:
    """Scorers as a ``ray.util.ActorPool``."""
    return ActorPool([UCIDScorer.remote(context, **options) for _ in range(size)])
