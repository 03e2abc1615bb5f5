"""A plan: one of the package's doors with its options and indexes, as a value that travels to workers.

    plan = Plan.score("15MIN", index="s3://bucket/catalog")
    engine's partition -> record batches -> plan.stream -> record batches -> engine's partition

An engine hands over batches of columns, whatever their size, and gets batches back; which engine it is changes nothing in
them. An index never travels: its address and its id do, and a worker opens it once a process, fetched once a host, verified
against both.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

import ucid
from ucid import columns, indexes
from ucid._ext import Index
from ucid.contexts import PluginContext, get_context
from ucid.distributed import rollup
from ucid.distributed.cells import cells_of
from ucid.errors import UCIDConfigError, UCIDDataError

__all__ = ["IndexAt", "Plan", "indexes_at"]


# ------------------------------------------------------------------------------------------------------------ indexes


@dataclass(frozen=True)
class IndexAt:
    """An index by its address: a path that every worker sees, or a URI with the sha256 of the file."""

    uri: str
    id: str
    sha256: str | None = None

    def open(self) -> Index:
        """The index, opened and verified when this process first asks for it.

        Raises
        ------
        UCIDDataError
            ``FILE_NOT_FOUND``, or ``INDEX_CORRUPT``: the file is damaged, or another one than the plan was made for.
        """
        return _open(self)


@cache
def _open(at: IndexAt) -> Index:
    if at.sha256 is None:
        if not os.path.exists(at.uri):
            message = f"{at.uri}: no such file on {socket.gethostname()}; a catalog on an object store reaches every worker"
            raise UCIDDataError(message, code="FILE_NOT_FOUND")
        return _verified(Path(at.uri), at)
    path = indexes.fetch(at.uri, at.sha256)
    try:
        return _verified(path, at)
    except UCIDDataError:  # a damaged copy on this host: what the store holds is fetched again, once
        path.unlink(missing_ok=True)
        return _verified(indexes.fetch(at.uri, at.sha256), at)


def _verified(path: Path, at: IndexAt) -> Index:
    try:
        index = Index(path)
        index.check()
    except UCIDDataError as error:
        raise UCIDDataError(f"{path} on {socket.gethostname()}: {error.message}", code=error.error_code) from error
    if index.id != at.id:
        message = f"{path} on {socket.gethostname()}: its id is {index.id}, the plan was made for {at.id}"
        raise UCIDDataError(message, code="INDEX_CORRUPT")
    return index


@dataclass(frozen=True)
class ZonesAt:
    """A file of zones by its address and sha256, and the columns that places get."""

    uri: str
    sha256: str
    columns: tuple[str, ...] | None = None
    bare: bool = False

    def open(self) -> Any:
        """The zones, compiled when this process first asks for them; where bare, none of them, with their columns.

        Raises
        ------
        UCIDDataError
            ``FILE_NOT_FOUND``, or another file than the plan was made for.
        """
        with _compiling:  # threads of a worker that ask at a time wait for one
            return _compiled(self)


_compiling = threading.Lock()


@cache
def _compiled(at: ZonesAt) -> Any:
    from ucid.joins import Zones

    if at.bare:
        path = indexes.fetch(at.uri, at.sha256, Path(at.uri).suffix) if "://" in at.uri else at.uri
        return Zones._none_of(os.fspath(path), at.columns)
    if "://" in at.uri:
        return Zones(indexes.fetch(at.uri, at.sha256, Path(at.uri).suffix), columns=at.columns, threads=1)
    if (found := _file_sha256(at.uri)) != at.sha256:
        message = f"{at.uri} on {socket.gethostname()}: its sha256 is {found}, the plan was made for {at.sha256}"
        raise UCIDDataError(message, code="INDEX_CORRUPT")
    return Zones(at.uri, columns=at.columns, threads=1)


def _file_sha256(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        message = f"{path} on {socket.gethostname()}: {error.strerror}; a file on an object store reaches every worker"
        raise UCIDDataError(message, code="FILE_NOT_FOUND") from error


def indexes_at(index: Any = None) -> tuple[IndexAt, ...]:
    """Addresses of what ``index`` says: an Index, a path or URI of one or of a catalog, a sequence of these, or None for
    the choice of this process."""
    if index is None:
        chosen = indexes.current()
        return indexes_at(chosen) if isinstance(chosen, Index) else _of_catalog(chosen)
    if isinstance(index, Index):
        return (IndexAt(os.path.abspath(index.path), index.id),)
    if isinstance(index, (str, os.PathLike)):
        uri = os.fspath(index)
        if not uri.endswith(".ucidx"):
            return _of_catalog(indexes.Catalog(uri))
        if "://" not in uri:
            return indexes_at(Index(uri))
        sha256 = indexes.remote_sha256(uri)
        return (IndexAt(uri, Index(indexes.fetch(uri, sha256)).id, sha256),)
    return tuple(at for one in index for at in indexes_at(one))


def _of_catalog(catalog: indexes.Catalog) -> tuple[IndexAt, ...]:
    return tuple(
        IndexAt(entry.uri, entry.id, entry.sha256) if "://" in entry.uri else IndexAt(os.path.abspath(entry.uri), entry.id)
        for entry in catalog.entries
    )


# --------------------------------------------------------------------------------------------------------------- plan


def _plugin(context: str) -> PluginContext | None:
    """A context that is written in Python."""
    found = get_context(context)
    return found if isinstance(found, PluginContext) else None


# Columns of a table of areas, in the order of a box.
_SIDES = ("min_lat", "min_lon", "max_lat", "max_lon")

@dataclass(frozen=True)
class Plan:
    """A door (``create``, ``parse``, ``score``, ``grid``) with the options of the function :mod:`ucid` has for it.

    Plans pickle small and compare equal when they do the same. ``threads`` is among the options: an adapter sets it to 1,
    since an engine gives each task its core.
    """

    door: str
    options: dict[str, Any] = field(default_factory=dict)
    indexes: tuple[IndexAt, ...] = ()
    plugin: PluginContext | None = None  # the context, where that is none of the core's; it travels by pickle

    @classmethod
    def create(cls, **options: Any) -> Plan:
        """Identifiers of rows; options of :func:`ucid.create`."""
        return cls("create", options)

    @classmethod
    def parse(cls, **options: Any) -> Plan:
        """Fields of identifiers; options of :func:`ucid.parse`."""
        return cls("parse", options)

    @classmethod
    def score(cls, context: str = "15MIN", *, index: Any = None, **options: Any) -> Plan:
        """Scores of rows; options of :func:`ucid.score`."""
        plugin = _plugin(context)
        return cls("score", {"context": context, **options}, () if plugin is not None else indexes_at(index), plugin)

    @classmethod
    def grid(cls, context: str | None = None, *, index: Any = None, **options: Any) -> Plan:
        """Cells of areas, rows of min_lat, min_lon, max_lat, max_lon and maybe city; options of :func:`ucid.grid`."""
        plugin = None if context is None else _plugin(context)
        at = indexes_at(index) if context is not None and plugin is None else ()
        return cls("grid", {"context": context, **options}, at, plugin)

    @property
    def keeps_rows(self) -> bool:
        """Whether a row goes in for a row that comes out."""
        return self.door in ("create", "parse", "score", "join", "parent") and self.options.get("predicate") != "area"

    @property
    def packs(self) -> bool:
        """Whether bytes come out that only the next stage reads (:mod:`ucid.distributed.rollup`)."""
        return self.door == "aggregate" and self.options["stage"] in ("part", "merge")

    @classmethod
    def join(cls, zones: str | os.PathLike[str], *, columns: Sequence[str] | None = None, **options: Any) -> Plan:
        """Zones of rows, of a file that workers open; options of :func:`ucid.join`."""
        uri = os.fspath(zones)
        local = "://" not in uri
        uri = os.path.abspath(uri) if local else uri
        sha256 = _file_sha256(uri) if local else indexes.remote_sha256(uri)
        return cls("join", {**options, "zones": ZonesAt(uri, sha256, None if columns is None else tuple(columns))})

    @classmethod
    def aggregate(cls, to: Any = "r7", stage: str = "part", **options: Any) -> Plan:
        """A stage of a roll-up (see :mod:`ucid.distributed.rollup`); options of :func:`ucid.aggregate`."""
        rollup.levels_of(to)
        return cls("aggregate", {"to": to if isinstance(to, (str, int)) else tuple(to), "stage": stage, **options})

    @classmethod
    def groups(cls, stage: str = "part", **options: Any) -> Plan:
        """A stage of groups by any columns: ``part``, ``merge`` or ``finish``; options of :func:`ucid.aggregate` with
        ``by``."""
        by, agg = options["by"], options.get("agg", "mean")
        named = {"by": (by,) if isinstance(by, str) else tuple(by), "agg": agg if isinstance(agg, str) else tuple(agg)}
        return cls("groups", {**options, **named, "stage": stage})

    @classmethod
    def parent(cls, resolution: int) -> Plan:
        """Parents of rows' cells, as a column h3_parent."""
        return cls("parent", {"resolution": resolution})

    def on_threads(self, threads: int) -> Plan:
        """The same plan with a number of threads a batch."""
        return replace(self, options={**self.options, "threads": threads})

    def bare(self) -> Plan:
        """The same plan for who only asks which columns it makes: zones are not compiled for that."""
        if self.door != "join":
            return self
        return replace(self, options={**self.options, "zones": replace(self.options["zones"], bare=True)})

    def digest(self) -> str:
        """sha256 of what decides the result: version, door, options but for threads, ids of indexes."""
        options = {name: value for name, value in self.options.items() if name != "threads" and value is not None}
        if "zones" in options:
            options["zones"] = [options["zones"].sha256, options["zones"].columns]
        if self.plugin is not None:
            options["plugin"] = f"{type(self.plugin.plugin).__module__}.{type(self.plugin.plugin).__qualname__}"
        said = [ucid.__version__, self.door, options, [at.id for at in self.indexes]]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    def _run(self, table: Any, at: Sequence[IndexAt]) -> Any:
        if self.door == "create":
            return columns.create(table, **self.options)
        if self.door == "parse":
            return columns.parse(table, **self.options)
        if self.door == "score" and self.plugin is not None:
            options: dict[str, Any] = {**self.options, "context": self.plugin}
            return columns.score(table, **options)
        if self.door == "score":
            return columns.score(table, index=[one.open() for one in at], **self.options)
        if self.door == "join":
            from ucid.joins import join

            return join(table, **{**self.options, "zones": self.options["zones"].open()})
        if self.door == "parent":
            whole = pa.table(table)
            return whole.append_column("h3_parent", cells_of(whole, self.options["resolution"]))
        if self.door == "aggregate":
            named = {name: value for name, value in self.options.items() if name not in ("to", "stage")}
            return rollup.run(pa.RecordBatchReader.from_stream(table), self.options["to"], self.options["stage"], named)
        if self.door == "groups":
            named = {name: value for name, value in self.options.items() if name != "stage"}
            return columns.aggregate(table, states=self.options["stage"] != "finish", **named)
        raise UCIDConfigError(f"no door '{self.door}'")

    def asked(self, given: Sequence[str]) -> list[str]:
        """Of the names given, the columns that rows are looked up by: of a door that adds columns to rows."""
        values = {("time" if name == "timestamp" else name): value for name, value in self.options.items() if value is not None}
        asked = {*columns.asked(self.door, values), *(value for value in values.values() if isinstance(value, str))}
        return [name for name in given if name in asked]

    def added(self, made: Sequence[str]) -> list[str]:
        """Of the names that come out, those that a door adds behind the others; none where it is another kind of door."""
        first = columns.FIRST.get(self.door)
        return [] if first is None else list(made[made.index(first) :])

    def kept(self, given: pa.Schema) -> tuple[list[str], list[str]]:
        """Of the columns given, those that rows are looked up by, and those that come out as they went in; none and none where the
        plan does not only add columns to rows."""
        asked = self.asked(given.names) if self.keeps_rows and self.plugin is None and self.door != "parent" else []
        if not asked or len(set(given.names)) < len(given.names):
            return [], []
        made = self.schema(pa.schema([given.field(name) for name in asked])).names
        if made[: len(asked)] != asked:  # it replaces one of them
            return [], []
        return asked, [name for name in given.names if name not in made[len(asked) :]]

    def needed(self, given: Sequence[str]) -> list[str]:
        """Of the names given, the columns that groups are made of."""
        if self.door == "groups":
            asked = {*self.options["by"], self.options.get("of") or "score"}
            return [name for name in given if name in asked]
        return rollup.needed(given, self.options["to"], self.options)

    def repeating(self, given: pa.Schema) -> list[str]:
        """Of the columns given, texts of which rows have few, where the plan reads them through a dictionary."""
        return rollup.repeating(given, self.options) if self.door == "aggregate" else []

    def schema(self, given: pa.Schema) -> pa.Schema:
        """Columns out for columns in; one index at most is opened."""
        if self.door == "grid":
            return _grid_schema(self, given)
        empty = pa.RecordBatchReader.from_batches(given, iter(()))
        made = pa.RecordBatchReader.from_stream(self.bare()._run(empty, self.indexes[:1])).schema
        return made.remove_metadata()

    def to_file(self, batches: pa.RecordBatchReader) -> pa.RecordBatchReader:
        """As :meth:`stream`, for a file: grades and statuses that are added lie behind dictionaries where the core adds them."""
        with columns.coded_words():
            return self.stream(batches)

    def stream(self, batches: pa.RecordBatchReader) -> pa.RecordBatchReader:
        """Batches in, batches out, computed while they are read, in bounded memory."""
        if self.door == "grid":
            schema = self.schema(batches.schema)
            return pa.RecordBatchReader.from_batches(schema, _grid_batches(self, batches, schema))
        return pa.RecordBatchReader.from_stream(self._run(batches, self.indexes))

    def batches(self, given: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The same for an iterator; nothing for nothing."""
        first = next(given, None)
        if first is None:
            return
        def again() -> Iterator[pa.RecordBatch]:
            yield first
            yield from given
        yield from self.stream(pa.RecordBatchReader.from_batches(first.schema, again()))

    def table(self, given: pa.Table) -> pa.Table:
        """A table in, a table out: the batch function of engines that hold Arrow."""
        return self.stream(given.to_reader()).read_all().replace_schema_metadata(given.schema.metadata)

    def frame(self, given: Any) -> Any:
        """A pandas frame in, one out, with its index: the batch function of engines that hold pandas."""
        from ucid import frames

        if self.door == "parent":
            parents = cells_of(pa.Table.from_pandas(given, preserve_index=False), self.options["resolution"])
            return frames.with_columns(given, pa.table({"h3_parent": parents}), False)
        if not self.keeps_rows:
            import pandas

            made = self.table(pa.Table.from_pandas(given, preserve_index=False))
            return made.to_pandas(types_mapper={pa.string(): pandas.StringDtype("pyarrow")}.get)
        with frames.shared_columns():
            made = self._run(given, self.indexes)
        # an integer that may be null is a double in pandas, in a part without nulls as in one with them
        new = [name for name in made.columns if name not in given.columns] if self.door in ("parse", "join") else []
        whole = {name: "float64" for name in new if made[name].dtype.kind in "iu"}
        return made.astype(whole) if whole else made  # which copies every column


def _grid_schema(plan: Plan, given: pa.Schema) -> pa.Schema:
    missing = [side for side in _SIDES if side not in given.names]
    if missing:
        raise UCIDDataError(f"no column '{missing[0]}'; areas have {', '.join(_SIDES)}, and maybe city")
    cells = pa.schema([("h3", pa.string()), ("lat", pa.float64()), ("lon", pa.float64())])
    if "city" in given.names:
        cells = cells.insert(0, pa.field("city", pa.string()))
    if plan.options["context"] is None:
        return cells
    return _scores_of(plan).schema(cells)


def _scores_of(plan: Plan) -> Plan:
    """What a grid does with its cells."""
    options = {name: value for name, value in plan.options.items() if name != "resolution"}
    return Plan("score", {**options, "h3": "h3"}, plan.indexes, plan.plugin)


def _grid_batches(plan: Plan, areas: pa.RecordBatchReader, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    named = "city" in schema.names
    for batch in areas:
        for area in batch.to_pylist():
            box = [area[side] for side in _SIDES]
            cells = pa.RecordBatchReader.from_stream(columns.grid(box, resolution=plan.options.get("resolution", 9)))
            if named:
                cells = _with_city(cells, area["city"])
            if plan.options["context"] is not None:
                cells = _scores_of(plan).stream(cells)
            for made in cells:
                yield pa.RecordBatch.from_arrays(made.columns, schema=schema)


def _with_city(cells: pa.RecordBatchReader, city: str | None) -> pa.RecordBatchReader:
    schema = cells.schema.insert(0, pa.field("city", pa.string()))

    def named() -> Iterator[pa.RecordBatch]:
        for batch in cells:
            yield pa.record_batch([pa.repeat(pa.scalar(city, pa.string()), batch.num_rows), *batch.columns], schema=schema)

    return pa.RecordBatchReader.from_batches(schema, named())
