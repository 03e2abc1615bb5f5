"""The engine that is none: this process, all its cores, bounded memory."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from weakref import WeakKeyDictionary

import pyarrow as pa
import pyarrow.dataset as datasets

from ucid.distributed.choose import listed
from ucid.distributed.parquet import Writer, coded, plain, plain_schema
from ucid.distributed.plan import Plan
from ucid.indexes import _keep

__all__ = ["Files", "apply", "begun", "from_table", "names", "read", "repartition", "select", "shrink", "write", "write_file"]


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

    def repeating(self) -> list[str]:
        """Texts that the first file has behind dictionaries."""
        first = next(self._dataset(()).get_fragments(), None)
        return [] if first is None else coded(first.metadata, self.schema)

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


class _Coded:
    """Batches of a plan over files, with texts behind dictionaries: whoever reads them gets texts, only a file takes them so."""

    def __init__(self, batches: pa.RecordBatchReader) -> None:
        self.batches = batches
        self.begun = False

    def plain(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        self.begun = True
        yield from plain(self.batches, schema)


_CODED: WeakKeyDictionary[pa.RecordBatchReader, _Coded] = WeakKeyDictionary()


def _over_files(files: Files, plan: Plan) -> pa.RecordBatchReader:
    """A plan over rows of files, as a stream."""
    if not plan.keeps_rows or plan.plugin is not None:
        return plan.stream(files.reader(plan.repeating(files.schema)))
    made = _Coded(plan.to_file(files.reader(files.repeating())))
    schema = plain_schema(made.batches.schema, files.schema, plan.added(made.batches.schema.names))
    reader = pa.RecordBatchReader.from_batches(schema, made.plain(schema))
    _CODED[reader] = made
    return reader


def begun(data: Any) -> bool:
    """Whether somebody has begun to read rows of files."""
    return data not in _CODED or _CODED[data].begun


def apply(data: Any, plan: Plan) -> Any:
    """Run a plan; a table for a table, a pandas frame for one, a stream for everything else."""
    plan = plan.on_threads(len(os.sched_getaffinity(0)))
    if isinstance(data, Files):
        return _over_files(data, plan)
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


def _groups(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Batches put together to row groups of about a length."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        if sum(one.num_rows for one in held) + batch.num_rows > _GROUP_ROWS and held:
            yield pa.Table.from_batches(held, schema)
            held = []
        held.append(batch)
    if held:
        yield pa.Table.from_batches(held, schema)


def write_file(data: Any, uri: str, compression: str) -> None:
    """Rows as a file; a row group is written while the next one is made."""
    import fsspec

    given = _arrow(pa.Table.from_pandas(data, preserve_index=False) if _is_frame(data) else data)
    made = _CODED.get(given) if isinstance(given, pa.RecordBatchReader) else None
    batches = made.batches if made is not None and not made.begun else given
    files, path = fsspec.url_to_fs(uri)
    _keep(files)
    files.makedirs(path.rpartition("/")[0], exist_ok=True)
    try:
        with files.open(path, "wb") as out, Writer(out, given.schema, batches.schema, compression) as writer:
            with ThreadPoolExecutor(1) as pool:
                behind: list[Any] = []
                for group in _groups(batches.to_batches(_GROUP_ROWS) if isinstance(batches, pa.Table) else batches, batches.schema):
                    while behind:
                        behind.pop().result()
                    behind.append(pool.submit(writer.write, group))
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
