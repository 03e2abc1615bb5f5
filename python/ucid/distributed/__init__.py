"""One plan, five engines: identifiers, scores and sums of tables that lie on a cluster.

``create``, ``parse``, ``score``, ``grid`` and ``aggregate`` take a Dask DataFrame, a Ray Dataset, a Spark DataFrame, a Modin
DataFrame, an Arrow table or paths, and give the same kind back, lazy where the engine is lazy, with the same bytes on all of
them. Engines are loaded when they are asked for.

>>> import pyarrow as pa
>>> places = pa.table({"lat": [41.015], "lon": [28.979]})
>>> create(places, city="IST", timestamp="2026W01T12", context="15MIN").column("ucid")[0].as_py()
'UCID-V1:IST:+41.015:+28.979:9:891ec90243bffff:2026W01T12:15MIN:F:0.00:'
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ucid import latecomers
from ucid.distributed import choose as _choose
from ucid.distributed import origins as _origins
from ucid.distributed.areas import area_table
from ucid.distributed.plan import IndexAt, Plan, indexes_at
from ucid.errors import UCIDConfigError

if TYPE_CHECKING:
    from ucid.distributed.dask import UCIDDaskClient
    from ucid.distributed.ray import UCIDScorer, scorer_pool

__all__ = [
    "IndexAt",
    "Plan",
    "UCIDDaskClient",
    "UCIDScorer",
    "aggregate",
    "create",
    "grid",
    "indexes_at",
    "join",
    "parse",
    "repartition",
    "score",
    "scorer_pool",
    "write",
]

_HOME_OF = {"UCIDDaskClient": "dask", "UCIDScorer": "ray", "scorer_pool": "ray"}


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(_choose.adapter(_HOME_OF[name]), name)
    raise AttributeError(f"module 'ucid.distributed' has no attribute '{name}'")


def _paths(data: Any) -> list[str]:
    """Paths that data is; none where it is none."""
    if not _choose.is_path(data):
        return []
    return [os.fspath(data)] if isinstance(data, (str, os.PathLike)) else [os.fspath(one) for one in data]


def _on(data: Any, engine: str) -> tuple[Any, Any]:
    """Adapter of an engine, and the data as its collection."""
    paths = _paths(data)
    if of_csv := next((path for path in paths if path.endswith(".csv")), None):
        message = f"{of_csv}: paths are read as Parquet; give what the engine reads of CSV, or run a job (ucid distributed), which reads both"
        raise UCIDConfigError(message)
    adapter = _choose.adapter(_choose.choose(data, engine))
    if paths:
        _choose.hold(paths)
        data = adapter.read(paths)
    elif isinstance(data, dict):
        data = pa.table(data)
    if _choose.engine_of(data) == "local" and adapter.__name__ != "ucid.distributed.local":
        data = adapter.from_table(pa.table(data), _PARTS)
    return adapter, data


_PARTS = 8  # of a table that one process holds, on a cluster


def _apply(data: Any, engine: str, plan_of: Callable[..., Plan], *given: Any, **options: Any) -> Any:
    """A plan on rows; of what is made of files the origin is kept."""
    adapter, rows = _on(data, engine)
    plan = plan_of(*given, **options)
    made = adapter.apply(rows, plan)
    if paths := _paths(data):
        _origins.remember(made, paths, adapter.names(rows), plan)
    return made


def create(data: Any, *, engine: str = "auto", **options: Any) -> Any:
    """Identifiers of places: adds ``ucid`` and ``status``; options of :func:`ucid.create`.

    Parameters
    ----------
    data : collection of an engine, table that speaks Arrow, path, URI, or list of paths
    engine : {"auto", "local", "dask", "ray", "spark", "modin"}
        ``auto``: that of the collection; for paths, by their bytes.
    """
    return _apply(data, engine, Plan.create, **options)


def parse(data: Any, *, engine: str = "auto", **options: Any) -> Any:
    """Fields of identifiers; options of :func:`ucid.parse`."""
    return _apply(data, engine, Plan.parse, **options)


def score(data: Any, context: str = "15MIN", *, index: Any = None, engine: str = "auto", **options: Any) -> Any:
    """Scores of places on the real street network; options of :func:`ucid.score`.

    Workers open the index, or those of the catalog, by address and id: a path must be the same on every worker, a URI is
    fetched once a host.
    """
    return _apply(data, engine, Plan.score, context, index=index, **options)


def join(data: Any, zones: str | os.PathLike[str], *, engine: str = "auto", **options: Any) -> Any:
    """The zone of each place; options of :func:`ucid.join`.

    Parameters
    ----------
    zones : path or URI
        A file of zones, small beside the places: each worker opens it once, fetched once a host, checked by its sha256.
    """
    return _apply(data, engine, Plan.join, zones, **options)


def grid(
    areas: Any, context: str | None = None, *, index: Any = None, resolution: int = 9, engine: str = "local", **options: Any
) -> Any:
    """Cells of areas, with a context also their scores: (city,) h3, lat, lon, ...

    Areas are split into parts of about equal numbers of cells, so a large city is the work of many workers.

    Parameters
    ----------
    areas : str, sequence of float, or sequence of these
        City codes of the registry, or boxes min_lat, min_lon, max_lat, max_lon in degrees.
    """
    adapter = _choose.adapter("local" if engine == "auto" else engine)
    table = area_table(areas, resolution)
    made = adapter.from_table(table, min(table.num_rows, 256))
    return adapter.apply(made, Plan.grid(context, index=index, resolution=resolution, **options))


def repartition(data: Any, by: str, *, resolution: int = 5, parts: int | None = None, engine: str = "auto") -> Any:
    """The rows of one city, parent cell or time key together, so that what follows needs no second shuffle.

    Parameters
    ----------
    by : {"city", "h3_parent", "timestamp"} or the name of a column
        ``h3_parent`` is added where it is missing: the parent at ``resolution`` of the row's cell, identifier or place.
    """
    adapter, data = _on(data, engine)
    if by not in adapter.names(data):
        if by != "h3_parent":
            raise UCIDConfigError(f"no column '{by}'; there are {', '.join(adapter.names(data))}")
        data = adapter.apply(data, Plan.parent(resolution))
    return adapter.repartition(data, by, parts)


def write(data: Any, folder: str | os.PathLike[str], *, compression: str = "snappy") -> None:
    """Rows of a collection as Parquet files of a folder; what is lazy is computed.

    The engine's own call writes the same rows. This one does not look for repetition where there is none, which halves the work on
    identifiers and coordinates. What :func:`create`, :func:`parse`, :func:`score` or :func:`join` made of paths, and nobody has
    changed since, is made and written by tasks on the engine that read the files themselves (:mod:`ucid.distributed.jobs`): columns
    are of the types that one process gives, and workers need fsspec's access to the store.

    Parameters
    ----------
    data : collection of an engine, table that speaks Arrow
    folder : path or URI
        There may be none yet, or an empty one.
    compression : {"snappy", "zstd", "lz4", "gzip"}

    Raises
    ------
    UCIDConfigError
        The folder holds files.
    UCIDDataError
        A file that tasks read is damaged, or has changed since the collection was made. Nothing is written then.
    """
    name = os.fspath(folder)
    if _choose.holds_files(name):
        raise UCIDConfigError(f"{name} holds files already", code="OUTPUT_EXISTS")
    if not _origins.write(data, name, compression):
        _choose.adapter(_choose.engine_of(data)).write(data, name, compression)


# A tree of states: of each partition, of so many partitions, of all.
_BRANCHES = 16


def aggregate(
    data: Any, to: str | int | Sequence[str | int] | None = None, *, engine: str = "auto", by: Any = None, **options: Any
) -> Any:
    """Scored rows rolled up to coarser cells, cities, regions or countries, or any numbers by any columns; options of
    :func:`ucid.aggregate`.

    Each partition becomes states of its groups, which are merged in a tree: rows are never shuffled, and exact sums are the
    same whatever the partitions. A single process needs no states.

    Parameters
    ----------
    to : str, int or sequence of these
        ``"r0"`` .. ``"r15"``, ``"city"``, ``"region"``, ``"country"``; ``"r7"`` by default. Of a sequence all levels come
        out of one pass over the rows, in one collection with ``level`` and ``key`` in front.
    by : str or sequence of str, optional
        Instead of ``to``: columns whose values make the groups, with ``agg`` and ``of``. States of percentiles hold the
        different values of each group: of scores few, of measured lengths nearly all.
    """
    adapter, data = _on(data, engine)
    if by is not None and to is not None:
        raise UCIDConfigError("by stands alone, with agg and of: no to")
    to = "r7" if to is None else to
    if adapter.__name__ == "ucid.distributed.local":
        plan = Plan.aggregate(to, "whole", **options) if by is None else Plan.groups("finish", by=by, **options)
        return adapter.apply(adapter.select(data, plan.needed(adapter.names(data))), plan)
    if by is None:
        stages = [Plan.aggregate(to, stage, **options if stage == "part" else {})
                  for stage in ("part", "merge", "finish")]  # fmt: skip
    else:
        merging = {name: value for name, value in options.items() if name != "of"}
        stages = [Plan.groups(stage, by=by, **options if stage == "part" else merging) for stage in ("part", "merge", "finish")]
    part, merge, finish = stages
    states = adapter.apply(adapter.select(data, part.needed(adapter.names(data))), part)
    fewer = adapter.shrink(states, _BRANCHES)
    merged = states if fewer is states else adapter.apply(fewer, merge)  # so few are put together at once
    return adapter.apply(adapter.shrink(merged, 1), finish)


for _engine in ("dask", "modin"):  # they have accessors
    latecomers.welcome(_choose.ENGINES[_engine], f"ucid.distributed.{_engine}")
