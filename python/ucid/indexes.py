"""Indexes: a region's street network and places, built once from an OpenStreetMap extract, and catalogs of them.

A catalog is a ``catalog.json`` in a folder or below an object store's prefix, as ``ucid catalog add`` writes it; it lists
indexes with the cells they cover and their sha256. What is not on this host is fetched once into a cache, checked and mapped.
No web service is ever asked.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import os
import sys
import tempfile
from array import array
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints, overload

from ucid import _ext
from ucid._ext import Index
from ucid.errors import UCIDConfigError, UCIDDataError, UCIDError

__all__ = [
    "Network",
    "Reason",
    "Reasons",
    "build_index",
    "explain",
    "find_index",
    "open_index",
    "use_catalog",
    "use_index",
]

CATALOG_NAME = "catalog.json"
CATALOG_FORMAT = 1


# -------------------------------------------------------------------------------------------------------------- cache


def cache_folder() -> Path:
    """Folder of fetched indexes: ``UCID_CACHE``, else ``ucid`` in the user's cache folder."""
    base = os.environ.get("UCID_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "ucid"
    )
    return Path(base) / "indexes"


@contextmanager
def _locked(path: Path) -> Generator[None]:
    with open(path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read_remote(uri: str) -> Any:
    try:
        import fsspec
    except ImportError as error:
        message = f"{uri}: reading it needs fsspec: pip install 'ucid[catalog]'"
        raise UCIDConfigError(message, code="MISSING_DEPENDENCY") from error
    try:
        found = fsspec.open(uri, "rb")
        _keep(found.fs)
        return found.open()
    except (OSError, ValueError, ImportError) as error:
        raise UCIDDataError(f"{uri}: {error}", code="FILE_NOT_FOUND") from error


_kept: dict[int, Any] = {}


def _keep(files: Any) -> None:
    """Hold a file system of HDFS until this process ends, and from then on, before each fork, all those that others have opened.

    fsspec drops its file systems in a process that was forked, as starting Ray or Spark does, and the client of HDFS, dropped
    there, waits for ever for threads that a fork does not copy. What is held here is not dropped.
    """
    if "hdfs" in (files.protocol, *files.protocol):
        if not _kept:
            os.register_at_fork(before=_keep_all)
        _kept[id(files)] = files


def _keep_all() -> None:
    for kind in {type(one) for one in _kept.values()}:
        _kept.update((id(one), one) for one in list(kind._cache.values()))


def fetch(uri: str, sha256: str, suffix: str = ".ucidx") -> Path:
    """The file of a URI in the host's cache, fetched by one process where it is not there yet."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{sha256}{suffix}"
    if path.exists():
        return path
    with _locked(folder / f"{sha256}.lock"):
        if path.exists():
            return path
        descriptor, part = tempfile.mkstemp(dir=folder, suffix=".part")
        try:
            digest = hashlib.sha256()
            with os.fdopen(descriptor, "wb") as out, _read_remote(uri) as source:
                while chunk := source.read(1 << 20):
                    digest.update(chunk)
                    out.write(chunk)
            if digest.hexdigest() != sha256:
                message = f"{uri}: its sha256 is {digest.hexdigest()}, the catalog says {sha256}; it was not taken"
                raise UCIDDataError(message, code="INDEX_CORRUPT")
            os.replace(part, path)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise
    return path


def remote_sha256(uri: str) -> str:
    """sha256 of a file that lies elsewhere."""
    digest = hashlib.sha256()
    with _read_remote(uri) as source:
        while chunk := source.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


# ----------------------------------------------------------------------------------------------------------- catalogs


# Some 4.5 km: no cell of resolution 7 and no snap limit reaches farther.
_NEAR_DEG = 0.04

_Box = tuple[float, float, float, float]  # min_lat, min_lon, max_lat, max_lon


class _Entry(NamedTuple):
    uri: str
    id: str
    sha256: str
    data: str
    coverage: frozenset[str]
    bounds: _Box

    def is_near(self, lat: float, lon: float) -> bool:
        """Whether a place of a cell of resolution 7 about a coordinate may have one of its streets near."""
        south, west, north, east = self.bounds
        wide = _NEAR_DEG / max(0.01, math.cos(math.radians(min(89.0, abs(lat)))))
        return south - _NEAR_DEG <= lat <= north + _NEAR_DEG and (lon - west + wide) % 360 <= (east - west) % 360 + 2 * wide


def _digest(text: str) -> str:
    """A sha256: it names a file of the cache, so nothing else may pass."""
    if len(text) != 64 or not set(text) <= set("0123456789abcdef"):
        raise ValueError(f"'{text}' is no sha256")
    return text


def _box(sides: list[float]) -> _Box:
    south, west, north, east = (float(side) for side in sides)
    return south, west, north, east


class Catalog:
    """Indexes by the cells that they cover; opened when they are first needed.

    Parameters
    ----------
    uri : str
        ``catalog.json`` or the folder that holds it: a path, or a URI that fsspec reads (``s3://``, ``gs://``,
        ``hdfs://``, ...).
    """

    def __init__(self, uri: str | os.PathLike[str]) -> None:
        self.uri = os.fspath(uri)
        if not self.uri.endswith(".json"):
            self.uri = f"{self.uri.rstrip('/')}/{CATALOG_NAME}"
        remote = "://" in self.uri
        self.uri = self.uri if remote else os.path.abspath(self.uri)
        try:
            raw = _read_remote(self.uri).read() if remote else Path(self.uri).read_bytes()
        except OSError as error:
            raise UCIDDataError(f"{self.uri}: {error.strerror or error}", code="FILE_NOT_FOUND") from error
        try:
            listed = json.loads(raw)
            if listed["format"] != CATALOG_FORMAT:
                raise UCIDDataError(f"{self.uri}: catalog format {listed['format']}, not {CATALOG_FORMAT}")
            entries = [
                _Entry(self._place(row["path"]), _digest(row["id"]), _digest(row["sha256"]), row["data"], frozenset(row["coverage"]),
                       _box(row["bounds"]))
                for row in listed["indexes"]
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise UCIDDataError(f"{self.uri}: not a catalog of indexes: {error!r}") from error
        # The order of preference where several cover a place: newest data, then least id, as the C catalog has it.
        self.entries = sorted(entries, key=lambda entry: entry.id)
        self.entries.sort(key=lambda entry: entry.data, reverse=True)
        if not self.entries:
            raise UCIDDataError(f"{self.uri}: the catalog is empty; `ucid catalog add` adds indexes", code="INDEX_NOT_FOUND")
        self._opened: dict[str, Index] = {}
        self._listing: list[tuple[str, int, _Box, array[int]]] | None = None

    def _place(self, path: str) -> str:
        return path if "://" in path or path.startswith("/") else f"{self.uri.rsplit('/', 1)[0]}/{path}"

    def open(self, entry: _Entry) -> Index:
        """Open an index of the catalog; fetch and check it where it is not on this host."""
        index = self._opened.get(entry.id)
        if index is None:
            path = fetch(entry.uri, entry.sha256) if "://" in entry.uri else Path(entry.uri)
            index = Index(path)
            if index.id != entry.id:
                message = f"{path}: its id is {index.id}, the catalog says {entry.id}"
                raise UCIDDataError(message, code="INDEX_CORRUPT")
            if "://" in entry.uri:
                _origins[entry.id] = (entry.uri, entry.sha256)
            self._opened[entry.id] = index
        return index

    def listing(self) -> list[tuple[str, int, _Box, array[int]]]:
        """What the C core must know of each index before it is opened: id, hour of its data, bounds, cells."""
        if self._listing is None:
            self._listing = [
                (entry.id, _ext.time_hour(entry.data) if entry.data else 0, entry.bounds,
                 array("Q", sorted(int(cell, 16) for cell in entry.coverage)))
                for entry in self.entries
            ]  # fmt: skip
        return self._listing

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen_catalog, (self.uri, self.entries)

    def find(self, cell: str) -> Index | tuple[Index, ...]:
        """Index that answers for a cell of resolution 7; where none covers it, all whose streets may reach into it."""
        for entry in self.entries:
            if cell in entry.coverage:
                return self.open(entry)
        lat, lon = _ext.cell_to_latlng(cell)
        near = tuple(self.open(entry) for entry in self.entries if entry.is_near(lat, lon))
        if near:
            return near[0] if len(near) == 1 else near
        message = (
            f"no index of {self.uri} covers {lat:.3f}, {lon:.3f}: build one with `ucid index build` and add it with "
            "`ucid catalog add`"
        )
        raise UCIDDataError(message, {"cell": cell}, "INDEX_NOT_FOUND")

    def all(self) -> list[Index]:
        """Every index of the catalog, opened."""
        return [self.open(entry) for entry in self.entries]

    def _repr_html_(self) -> str:
        from ucid import notebook

        return notebook.of_catalog(self)


# -------------------------------------------------------------------------------------------------------------- travel

# Where fetched indexes came from, by id: URI and sha256. They travel with an index, so that other hosts fetch it too.
_origins: dict[str, tuple[str, str]] = {}


def reduce_index(index: Index) -> tuple[Any, ...]:
    """For the core: what pickle keeps of an index: its path, its id, and where it came from."""
    return _reopen, (os.path.abspath(index.path), index.id, *_origins.get(index.id, (None, None)))


@lru_cache(maxsize=256)
def _reopen(path: str, index_id: str, uri: str | None, sha256: str | None) -> Index:
    """The index that was pickled, once a process."""
    if uri is not None and sha256 is not None:
        if not os.path.exists(path):
            path = str(fetch(uri, sha256))
        _origins[index_id] = (uri, sha256)
    index = Index(path)
    if index.id != index_id:
        raise UCIDDataError(f"{path}: its id is {index.id}, not {index_id} as where it comes from", code="INDEX_CORRUPT")
    return index


def _reopen_catalog(uri: str, entries: list[_Entry]) -> Catalog:
    """The catalog that was pickled: its list as it was read there."""
    catalog = object.__new__(Catalog)
    catalog.uri, catalog.entries, catalog._opened, catalog._listing = uri, entries, {}, None
    return catalog


# -------------------------------------------------------------------------------------------------------------- choice

_chosen: Index | Catalog | None = None


def _forget() -> None:
    if "ucid.contexts" in sys.modules:
        sys.modules["ucid.contexts"].forget_indexes()


def open_index(path: str | os.PathLike[str]) -> Index:
    """Map an index file.

    Parameters
    ----------
    path : path
        A ``.ucidx`` file, as :func:`build_index` and ``ucid index build`` write it.

    Returns
    -------
    Index

    Raises
    ------
    UCIDDataError
        ``FILE_NOT_FOUND``, ``INDEX_FORMAT``, ``INDEX_CORRUPT``.

    Examples
    --------
    >>> open_index("town.ucidx").timestamp
    '2026W01T00'
    """
    return Index(path)


def use_index(index: Index | str | os.PathLike[str]) -> Index:
    """Score everything in this process on one index, until another is chosen.

    Parameters
    ----------
    index : Index or path

    Returns
    -------
    Index

    Raises
    ------
    UCIDDataError
        As :func:`open_index`.

    Examples
    --------
    >>> use_index("town.ucidx").path
    'town.ucidx'
    """
    global _chosen
    _chosen = index if isinstance(index, Index) else Index(index)
    _forget()
    return _chosen


def use_catalog(uri: str | os.PathLike[str]) -> Catalog:
    """Score everything in this process on the indexes of a catalog, until another is chosen.

    The environment variable ``UCID_CATALOG`` does the same for processes that do not call this. Indexes that lie elsewhere
    are fetched into ``$UCID_CACHE/indexes`` when a place asks for them, once a host.

    Parameters
    ----------
    uri : path or URI
        ``catalog.json``, as ``ucid catalog add`` writes it, or its folder or prefix; URIs are read with fsspec.

    Returns
    -------
    Catalog

    Raises
    ------
    UCIDDataError
        It does not exist, or is no catalog.
    UCIDConfigError
        ``MISSING_DEPENDENCY``: a URI, and no fsspec.

    Examples
    --------
    >>> use_catalog("nowhere")
    Traceback (most recent call last):
        ...
    ucid.errors.UCIDDataError: ...catalog.json: No such file or directory
    """
    global _chosen
    _chosen = Catalog(uri)
    _forget()
    return _chosen


def current() -> Index | Catalog:
    """What this process scores on: an index or a catalog that was chosen, or ``UCID_CATALOG``."""
    global _chosen
    if _chosen is None:
        uri = os.environ.get("UCID_CATALOG")
        if not uri:
            raise UCIDDataError(
                "no index is chosen: build one with ucid.build_index(extract, path), then ucid.use_index(path); or name "
                "a catalog with ucid.use_catalog(uri) or UCID_CATALOG",
                code="INDEX_NOT_FOUND",
            )
        _chosen = Index(uri) if uri.endswith(".ucidx") else Catalog(uri)
    return _chosen


def find_index(cell: str) -> Index | tuple[Index, ...]:
    """Index that answers for a cell of resolution 7: the chosen one, or what the chosen catalog finds."""
    chosen = current()
    return chosen if isinstance(chosen, Index) else chosen.find(cell)


# -------------------------------------------------------------------------------------------------------------- build


def _print_progress(stage: str, done: int, total: int) -> None:
    share = 100 * done // total if total else 0
    print(f"\r{stage:<24}{share:>4} %", end="", file=sys.stderr, flush=True)


class Network(NamedTuple):
    """Streets and places that are tables already: what :func:`build_index` takes in place of an extract.

    Parameters
    ----------
    nodes : table
        Columns ``lat``, ``lon``; ``id``, whole numbers by which edges name nodes (without it their row numbers do);
        ``end``, true where streets go on but the data do not.
    edges : table
        ``from``, ``to`` (or ``u``, ``v``; ``source``, ``target``), straight lines that are walked both ways; ``metres`` (or
        ``length``), without it as long as they are drawn; ``rank`` 0..4, path to main road, for maps alone.
    places : table
        ``lat``, ``lon``, ``tag`` such as "shop=bakery" (docs/contexts.md lists those that count); ``name``, ``osm_id``,
        ``osm_type``. Each row counts, so a place that is mapped twice must be there once.
    date : datetime, optional
        Of the data; a naive one is UTC.

    Notes
    -----
    A table is whatever speaks Arrow, or a dict of arrays with a buffer. Other columns are not looked at.
    """

    nodes: Any
    edges: Any
    places: Any
    date: datetime | None = None


def _tables_of(network: Network) -> tuple[Any, Any, Any, int]:
    """A network as the core takes it."""
    from ucid.columns import _is_frame, _source

    date = network.date
    seconds = 0 if date is None else int((date if date.tzinfo else date.replace(tzinfo=timezone.utc)).timestamp())
    nodes, edges, places = (table if _is_frame(table) else _source(table, {}) for table in network[:3])
    return nodes, edges, places, seconds


def build_index(
    extract: str | os.PathLike[str] | Network,
    path: str | os.PathLike[str],
    *,
    boundary: str | os.PathLike[str] | None = None,
    cutoff_m: float = 1200.0,
    snap_limit_m: float = 300.0,
    buffer_m: float = 1500.0,
    threads: int | None = None,
    progress: bool | Callable[[str, int, int], None] = False,
) -> Index:
    """Compile an OpenStreetMap extract, or streets and places in tables, into an index, and open it.

    Parameters
    ----------
    extract : path or Network
        ``.osm.pbf`` to read, or tables of nodes, edges and places.
    path : path
        The file to be written: whole, or not at all.
    boundary : path, optional
        GeoJSON polygon whose inside is reported; streets outside still count.
    cutoff_m, snap_limit_m, buffer_m : float
        Reach on the network (100..2000), farthest street of a place (10..1000), network kept around the boundary, metres.
    threads : int, optional
        Default: the processors that this process may use. The file does not depend on it.
    progress : bool or callable
        True prints to stderr; a callable gets stage, done, total.

    Returns
    -------
    Index

    Raises
    ------
    UCIDDataError
        The extract is missing, damaged, or holds no walkable street; a row of a network cannot be; or writing failed.

    Notes
    -----
    What is read from an extract, and how, is in docs/index-format.md and docs/contexts.md.

    Examples
    --------
    >>> build_index("town.osm.pbf", "again.ucidx").id == open_index("town.ucidx").id
    True
    >>> import pyarrow as pa
    >>> crossing = Network(
    ...     nodes=pa.table({"lat": [40.0, 40.002, 40.0], "lon": [9.0, 9.0, 9.003]}),
    ...     edges=pa.table({"from": [0, 0], "to": [1, 2], "metres": [230.0, 260.0]}),
    ...     places=pa.table({"lat": [40.002], "lon": [9.0], "tag": ["shop=supermarket"]}),
    ... )
    >>> index = build_index(crossing, "crossing.ucidx")
    >>> [reason.distance_m for reason in explain(40.0, 9.003, index=index)]
    [490.0]
    """
    report = _print_progress if progress is True else progress or None
    threads = threads or len(os.sched_getaffinity(0))
    source = _tables_of(extract) if isinstance(extract, Network) else extract
    _ext.build_index(source, path, threads, report, boundary, cutoff_m, snap_limit_m, buffer_m)
    if progress is True:
        print(file=sys.stderr)
    return Index(path)


# ------------------------------------------------------------------------------------------------------------ explain


class Reason(NamedTuple):
    """One place that counts for a score."""

    part: str
    counted: bool
    osm_type: str
    osm_id: int
    name: str
    tag: str
    quality: float
    distance_m: float
    lat: float
    lon: float


class Reasons(Sequence[Reason]):
    """Reasons of a score, by part and distance: a table that Arrow's libraries, pandas and :mod:`ucid` take, with the fields
    of :class:`Reason` as its columns."""

    def __init__(self, rows: Iterable[Reason]) -> None:
        self._rows = tuple(rows)

    @overload
    def __getitem__(self, at: int) -> Reason: ...
    @overload
    def __getitem__(self, at: slice) -> Reasons: ...
    def __getitem__(self, at: int | slice) -> Reason | Reasons:
        return Reasons(self._rows[at]) if isinstance(at, slice) else self._rows[at]

    def __len__(self) -> int:
        return len(self._rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reasons) and self._rows == other._rows

    def __hash__(self) -> int:
        return hash(self._rows)

    def __repr__(self) -> str:
        return f"Reasons({list(self._rows)!r})"

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        import pyarrow

        kinds = {str: pyarrow.string(), bool: pyarrow.bool_(), int: pyarrow.int64(), float: pyarrow.float64()}
        schema = pyarrow.schema([(name, kinds[kind]) for name, kind in get_type_hints(Reason).items()])
        columns = list(zip(*self._rows, strict=True)) if self._rows else [()] * len(schema)
        arrays = [pyarrow.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
        return pyarrow.Table.from_arrays(arrays, schema=schema).__arrow_c_stream__(requested_schema)

    def _repr_html_(self) -> str:
        from ucid import notebook

        return notebook.of_reasons(self)


def explain(lat: float, lon: float, context: str = "15MIN", index: Index | None = None) -> Reasons:
    """List the places that a score comes from, with the metres walked to each: by a search over the street graph.

    Parameters
    ----------
    lat, lon : float
        Degrees, WGS 84.
    context : str
        ``"15MIN"``, or a plug-in that can explain.
    index : Index, optional
        Default: the one that is chosen for the place.

    Returns
    -------
    Reasons
        A sequence of :class:`Reason`, by part and distance, and a table of them: ``pyarrow.table(reasons)``,
        ``pandas.DataFrame(reasons)``. Notebooks show it.

    Raises
    ------
    UCIDError
        The place has no score: the coordinates are bad, or no index or no street is near.
    UCIDContextError
        ``CONTEXT_NOT_FOUND``, or a plug-in that explains nothing.

    Examples
    --------
    >>> reasons = explain(40.0, -40.0, index=open_index("town.ucidx"))
    >>> all(reason.distance_m <= 1200 for reason in reasons)
    True
    >>> import pyarrow as pa
    >>> pa.table(reasons).column_names[:5]
    ['part', 'counted', 'osm_type', 'osm_id', 'name']
    """
    from ucid.contexts import PluginContext, get_context

    chosen = get_context(context)
    if isinstance(chosen, PluginContext):
        return Reasons(Reason(*row) for row in chosen.explain(lat, lon))
    context = chosen.context_id
    found = find_index(_ext.latlng_to_cell(lat, lon, 7)) if index is None else index
    asked = found if isinstance(found, tuple) else (found,)
    for at, one in enumerate(asked, 1):
        try:
            return Reasons(Reason(*row) for row in one.explain_rows(lat, lon, context))
        except UCIDError as error:
            if error.error_code != "OUTSIDE_INDEX" or at == len(asked):
                raise
    raise AssertionError("a catalog finds at least one index, or raises")
