"""Dask: partitions are pandas frames; everything stays lazy until Dask is asked to compute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dask.dataframe as dd
import pandas
import pyarrow as pa
from dask.dataframe.extensions import register_dataframe_accessor
from distributed import Client

from ucid import distributed
from ucid.distributed.accessor import Accessor
from ucid.distributed.local import write_file
from ucid.distributed.plan import Plan

__all__ = ["DaskAccessor", "UCIDDaskClient", "apply", "from_table", "names", "read", "repartition", "select", "shrink", "write"]


def read(paths: Sequence[str]) -> Any:
    """Parquet files as a Dask DataFrame."""
    return dd.read_parquet(list(paths))


def apply(data: Any, plan: Plan) -> Any:
    """Run a plan on each partition."""
    plan = plan.on_threads(1)
    return data.map_partitions(plan.frame, meta=_meta(data._meta, plan), clear_divisions=not plan.keeps_rows)


def _meta(given: Any, plan: Plan) -> Any:
    """The empty frame that a plan makes of an empty frame; a column of objects says no type, so it is taken for texts."""
    unknown = [name for name, dtype in given.dtypes.items() if dtype == object]
    made = plan.bare().frame(given.astype(dict.fromkeys(unknown, pandas.StringDtype("pyarrow"))))
    return made.astype({name: object for name in unknown if name in made.columns and plan.keeps_rows})


def from_table(table: pa.Table, parts: int) -> Any:
    """A table of this process as the engine's collection."""
    return dd.from_pandas(table.to_pandas(), npartitions=parts, sort=False)


def write(data: Any, folder: str, compression: str) -> None:
    """A file of each partition, by the task that made it; Dask's own writer copies each partition once more to drop its index."""
    schema = pa.Schema.from_pandas(data._meta_nonempty, preserve_index=False)
    digits = len(str(data.npartitions))

    def put(part: Any, partition_info: Any = None) -> Any:
        rows = pa.Table.from_pandas(part, schema=schema, preserve_index=False)
        write_file(rows, f"{folder.rstrip('/')}/part-{partition_info['number']:0{digits}}.parquet", compression)
        return part.iloc[:0, :0]

    data.map_partitions(put, meta=data._meta.iloc[:0, :0], enforce_metadata=False).compute()


def names(data: Any) -> list[str]:
    """Names of the columns."""
    return [str(name) for name in data.columns]


def select(data: Any, columns: list[str]) -> Any:
    """Some columns."""
    return data[columns]


def shrink(data: Any, parts: int) -> Any:
    """Neighbouring partitions joined until there are at most so many."""
    return data if data.npartitions <= parts else data.repartition(npartitions=parts)


def repartition(data: Any, key: str, parts: int | None) -> Any:
    """Rows of one key in one partition."""
    return data.shuffle(key, npartitions=parts)


def _in_metres(shapes: Any, metres: float) -> Any:
    """Shapes with a margin, in their own coordinate system; measured in the UTM zone of each partition's middle."""
    if len(shapes) == 0:
        return shapes
    return shapes.to_crs(shapes.estimate_utm_crs()).buffer(metres).to_crs(shapes.crs)


@register_dataframe_accessor("ucid")  # pyright: ignore[reportUntypedClassDecorator]
class DaskAccessor(Accessor):
    """``ddf.ucid``."""

    def buffer(self, metres: float) -> Any:
        """Geometries of a Dask GeoDataFrame with a margin in metres, whatever its coordinate system."""
        shapes = self._frame.geometry
        return shapes.map_partitions(_in_metres, metres, meta=shapes._meta)


class UCIDDaskClient(Client):  # type: ignore[misc]
    """A ``distributed.Client`` that retries, and knows the functions of this package.

    Parameters
    ----------
    address : str or Cluster, optional
        Of a running cluster; without one a LocalCluster starts, which ``n_workers``, ``threads_per_worker``,
        ``memory_limit`` and its other options are for.
    retries : int
        How often a task that failed is tried again, unless a call says otherwise.
    """

    def __init__(self, address: Any = None, *, retries: int = 3, **options: Any) -> None:
        self.retries = retries
        super().__init__(address, **options)

    def submit(self, func: Any, *args: Any, **options: Any) -> Any:
        return super().submit(func, *args, **self._retrying(options))

    def map(self, func: Any, *iterables: Any, **options: Any) -> Any:
        return super().map(func, *iterables, **self._retrying(options))

    def compute(self, collections: Any, *args: Any, **options: Any) -> Any:
        return super().compute(collections, *args, **self._retrying(options))

    def persist(self, collections: Any, *args: Any, **options: Any) -> Any:
        return super().persist(collections, *args, **self._retrying(options))

    def get(self, dsk: Any, keys: Any, **options: Any) -> Any:
        return super().get(dsk, keys, **self._retrying(options))

    def _retrying(self, options: dict[str, Any]) -> dict[str, Any]:
        return {**options, "retries": self.retries if options.get("retries") is None else options["retries"]}

    def create(self, data: Any, **options: Any) -> Any:
        """Identifiers of a Dask DataFrame, table or files, as a Dask DataFrame; see :func:`ucid.distributed.create`."""
        return distributed.create(data, engine="dask", **options)

    def score(self, data: Any, context: str = "15MIN", **options: Any) -> Any:
        """Scores, likewise; see :func:`ucid.distributed.score`."""
        return distributed.score(data, context, engine="dask", **options)

    def aggregate(self, data: Any, to: Any = None, **options: Any) -> Any:
        """Roll-up, likewise; see :func:`ucid.distributed.aggregate`."""
        return distributed.aggregate(data, to, engine="dask", **options)

    def process_cities(self, cities: Any, context: str = "15MIN", **options: Any) -> Any:
        """Scored cells of cities as one pandas DataFrame; see :func:`ucid.distributed.grid`."""
        return self.compute(distributed.grid(cities, context, engine="dask", **options), sync=True)
