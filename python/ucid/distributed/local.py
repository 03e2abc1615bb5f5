"""The engine that is none: this process, all its cores, bounded memory."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.dataset as datasets
import pyarrow.parquet as pq

from ucid.distributed.choose import listed
from ucid.distributed.parquet import settings
from ucid.distributed.plan import Plan
from ucid.indexes import _keep

__all__ = ["Files", "apply", "from_table", "names", "read", "repartition", "select", "shrink", "write", "write_file"]


class Files:
    """Parquet files that are read when they are asked for: of them some columns, in the order of their names."""

    def __init__(self, paths: Sequence[str], columns: list[str] | None = None) -> None:
        self._paths = paths
        self._columns = columns
        given = self._dataset(()).schema
        self.schema = given if columns is None else pa.schema([given.field(name) for name in columns], given.metadata)

    def _dataset(self, repeating: Sequence[str]) -> Any:
        parts = []
        form = datasets.ParquetFileFormat(dictionary_columns=list(repeating))
        for path in self._paths:
            files, sizes = listed(path)
            parts.append(datasets.dataset(list(sizes), filesystem=files, format=form))
        return parts[0] if len(parts) == 1 else datasets.dataset(parts)

    def select(self, columns: list[str]) -> Files:
        """The same files, of which less is read."""
        return Files(self._paths, columns)

    def reader(self, repeating: Sequence[str] = ()) -> pa.RecordBatchReader:
        """A stream of all rows; columns that repeat themselves come behind a dictionary."""
        scanner = self._dataset(repeating).scanner(columns=self._columns, batch_readahead=4, fragment_readahead=1)
        return scanner.to_reader()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return iter(self.reader())

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.reader().__arrow_c_stream__(requested_schema)


def read(paths: Sequence[str]) -> Files:
    """Parquet files, in the order of their names."""
    return Files(paths)


def _is_frame(data: Any) -> bool:
    return type(data).__module__.partition(".")[0] in ("pandas", "geopandas")


def _arrow(data: Any) -> Any:
    """A table as it is, anything else that speaks Arrow as a stream."""
    if isinstance(data, pa.Table):
        return data
    if hasattr(data, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(data)
    return pa.table(data)


def apply(data: Any, plan: Plan) -> Any:
    """Run a plan; a table for a table, a pandas frame for one, a stream for everything else."""
    plan = plan.on_threads(len(os.sched_getaffinity(0)))
    if isinstance(data, Files):
        return plan.stream(data.reader(plan.repeating(data.schema)))
    if _is_frame(data):
        return plan.frame(data)
    given = _arrow(data)
    return plan.table(given) if isinstance(given, pa.Table) else plan.stream(given)


def from_table(table: pa.Table, parts: int) -> pa.Table:
    """A table of this process as the engine's collection."""
    return table


_GROUP_ROWS = 1 << 17  # of a row group


def write(data: Any, folder: str, compression: str) -> None:
    """Rows as one file of a folder."""
    write_file(data, f"{folder.rstrip('/')}/part-0.parquet", compression)


def write_file(data: Any, uri: str, compression: str) -> None:
    """Rows as a file; a batch is written while the next one is made."""
    import fsspec

    given = _arrow(pa.Table.from_pandas(data, preserve_index=False) if _is_frame(data) else data)
    files, path = fsspec.url_to_fs(uri)
    _keep(files)
    files.makedirs(path.rpartition("/")[0], exist_ok=True)
    try:
        with files.open(path, "wb") as out, pq.ParquetWriter(out, given.schema, **settings(compression)) as writer:
            with ThreadPoolExecutor(1) as pool:
                behind: list[Any] = []
                for batch in given.to_batches(_GROUP_ROWS) if isinstance(given, pa.Table) else given:
                    while behind:
                        behind.pop().result()
                    behind.append(pool.submit(writer.write_batch, batch))
                while behind:
                    behind.pop().result()
    except BaseException:
        with contextlib.suppress(OSError):
            files.rm(path)
        raise


def names(data: Any) -> list[str]:
    """Names of the columns."""
    return [str(name) for name in data.columns] if _is_frame(data) else list(data.schema.names)


def select(data: Any, columns: list[str]) -> Any:
    """Some columns."""
    if _is_frame(data):
        return data[columns]
    if isinstance(data, (pa.Table, Files)):
        return data.select(columns)

    def picked() -> Iterator[pa.RecordBatch]:
        for batch in data:
            yield batch.select(columns)

    return pa.RecordBatchReader.from_batches(pa.schema([data.schema.field(name) for name in columns]), picked())


def shrink(data: Any, parts: int) -> Any:
    """One process has one partition."""
    return data


def repartition(data: Any, key: str, parts: int | None) -> Any:
    """Rows of one key next to each other."""
    return data.sort_values(key, kind="stable", ignore_index=True) if _is_frame(data) else data.sort_by(key)
