"""Columns: identifiers and scores of whole tables, at the speed of the C core.

Whatever speaks Arrow goes in (pyarrow, polars, pandas, DuckDB, nanoarrow, another :class:`ArrowStream`), or arrays with a
buffer (numpy). Foreign columns pass through uncopied; new ones follow. The same kind comes out: a pyarrow table gives a
pyarrow table, a polars frame a polars frame, a pandas frame a pandas frame; anything else gives an
:class:`ArrowStream`, computed while it is read, in bounded memory.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal

from ucid import _ext
from ucid._ext import ArrowStream, Index
from ucid.errors import UCIDConfigError, UCIDDataError

if TYPE_CHECKING:
    from ucid.contexts import PluginContext

__all__ = ["ArrowStream", "aggregate", "canonicalize_column", "create", "grid", "parse", "score"]

_LENIENT, _STRICT, _SNAP = 0, 1, 2

_coded: ContextVar[bool] = ContextVar("coded", default=False)


@contextmanager
def coded_words() -> Generator[None, None, None]:
    """Streams that are begun meanwhile have their grades and statuses behind a dictionary: whoever writes files wants them so."""
    token = _coded.set(True)
    try:
        yield
    finally:
        _coded.reset(token)


def _source(table: Any, arrays: dict[str, Any]) -> Any:
    """Whatever has ``__arrow_c_stream__`` or ``__arrow_c_array__``: the table itself, or one made of arrays."""
    if table is not None and arrays:
        raise UCIDConfigError("either a table or arrays, not both")
    if table is None:
        return _table_of_arrays(arrays)
    if _home(table) in ("pandas", "geopandas"):  # those with columns are frames
        raise TypeError(f"a frame is wanted, not a {type(table).__name__}; its to_frame() makes one")
    if hasattr(table, "__arrow_c_stream__") or hasattr(table, "__arrow_c_array__"):
        return table
    if isinstance(table, dict):
        return _table_of_arrays(table)
    raise TypeError(f"a table that speaks Arrow is wanted (__arrow_c_stream__, __arrow_c_array__), not {type(table).__name__}")


def _table_of_arrays(arrays: dict[str, Any]) -> ArrowStream:
    """Arrays with a buffer, or what gives numpy arrays (columns of frames), as a table: uncopied where they lie in one
    piece."""
    pairs = []
    for name, array in arrays.items():
        try:
            view = memoryview(array.__array__() if hasattr(array, "__array__") else array)
        except TypeError as error:
            raise TypeError(f"{name}: an array with a buffer (numpy, array.array) is wanted, not {type(array).__name__}") from error
        pairs.append((name, view if view.c_contiguous else memoryview(view.tobytes()).cast(view.format)))  # type: ignore[call-overload]
    return _ext.table_of_buffers(pairs)


def _home(table: Any) -> str:
    """Package that a table's type comes from."""
    return type(table).__module__.partition(".")[0]


def _is_frame(table: Any) -> bool:
    return _home(table) in ("pandas", "geopandas") and hasattr(table, "columns")


def _frames() -> Any:
    """What knows pandas, loaded when a frame is there."""
    from ucid import frames

    return frames


def _is_table(table: Any) -> bool:
    """Whether a table can be read more than once."""
    return (_home(table), type(table).__name__) in (("pyarrow", "Table"), ("pyarrow", "RecordBatch"), ("polars", "DataFrame"))


def _processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


def _sink(stream: ArrowStream, like: Any) -> Any:
    """The stream as what the caller gave."""
    if _home(like) == "pyarrow" and type(like).__name__ == "Table":
        import pyarrow

        return pyarrow.RecordBatchReader.from_stream(stream).read_all()  # table() would load pandas
    if _home(like) == "polars" and type(like).__name__ == "DataFrame":
        import polars

        return polars.DataFrame(stream)
    return stream


def _raise_bad_rows(stream: ArrowStream, fine: frozenset[str]) -> Any:
    """Read a stream whole; the first row whose status is not fine raises."""
    import pyarrow
    import pyarrow.compute

    table = pyarrow.table(stream)
    status = table.column("status")
    row = pyarrow.compute.index(pyarrow.compute.is_in(status, pyarrow.array(sorted(fine), status.type)), False).as_py()
    if row >= 0:
        name = status[row].as_py()
        raise UCIDDataError(f"row {row}: {name}", {"row": row}, name.upper())
    return table


def _raise_bad_groups(stream: ArrowStream) -> Any:
    """Read groups whole; rows without a score or a group raise."""
    import pyarrow
    import pyarrow.compute

    groups = pyarrow.table(stream)
    kinds = [groups]
    if groups.column_names[0] == "level":
        levels = groups.column("level").unique().to_pylist()
        kinds = [groups.filter(pyarrow.compute.equal(groups.column("level"), level)).drop_columns("level") for level in levels]
    for groups_of_one in kinds:
        nulls = pyarrow.compute.sum(groups_of_one.column("nulls")).as_py() or 0
        lost = groups_of_one.filter(pyarrow.compute.is_null(groups_of_one.column(0))).column("rows")
        homeless = pyarrow.compute.sum(lost).as_py() or 0
        if nulls or homeless:
            key = groups_of_one.column_names[0]
            raise UCIDDataError(f"{nulls} rows have no score, {homeless} no {key}", {"nulls": nulls, "rows": homeless})
    return groups


def _check_errors(errors: str) -> None:
    if errors not in ("null", "raise"):
        raise UCIDConfigError(f"errors is '{errors}', not 'null' or 'raise'")


_FINE = frozenset({"ok", "island", "near_boundary", "off_network"})


def _run(
    door: str,
    table: Any,
    errors: str,
    *,
    lat: str | Any = None,
    lon: str | Any = None,
    index: Any = None,
    plugin: PluginContext | None = None,
    replace: bool = False,
    **options: Any,
) -> Any:
    """What every door does: the options of ``ucid_stream_options``, a stream in, a stream out, as what was given."""
    _check_errors(errors)
    arrays, names = _arrays_or_names(table, lat, lon) if door in ("create", "score") else ({}, {})
    given: dict[str, object] = {name: value for name, value in {**options, **names}.items() if value is not None}
    given.setdefault("threads", _processors())
    framed = _is_frame(table)
    if framed:
        source = _frames().needed_columns(table, door, (value for name, value in given.items() if name.endswith("_column")), given)
    else:
        source = _source(table, arrays)
    given["replace"] = int(replace or framed)
    given["large_texts"] = int(framed)
    given["coded_words"] = int(_coded.get())
    if framed or _is_table(table):  # what is kept whole anyway is made in large pieces
        given["batch_rows"] = 1 << 20
    told: list[str] = []
    asked = _Asked(index) if door == "score" and plugin is None else None
    # Whoever reads a stream later is told then; of what is read here the caller is.
    tell = told.append if framed or errors == "raise" or _is_table(table) else _warn_reader

    def make(columns: Any) -> ArrowStream:
        if plugin is not None:
            from ucid.plugins import score_stream

            return score_stream(plugin, columns, given)
        return _ext.add_columns(door, columns, given) if asked is None else asked.stream(columns, given, tell)

    try:
        stream = make(source)
    except UCIDDataError:
        if framed:  # only what is needed was looked at; what is missing is told beside all that is there
            make(_frames().plain_columns(table[:0]))
        raise
    try:
        if errors == "raise":
            stream = _raise_bad_rows(stream, _FINE)
        if framed:
            import pyarrow

            added = pyarrow.table(stream)
            made = _frames().with_columns(table, added.select(added.column_names[added.column_names.index(FIRST[door]) :]), replace)
        else:
            made = _sink(stream, table)
    except Exception:
        if asked is not None and asked.failure is not None:
            raise asked.failure from None
        raise
    for message in told:
        warnings.warn(message, UserWarning, stacklevel=3)
    return made


# First of the columns that each door adds.
FIRST = {"create": "ucid", "score": "ucid", "parse": "city", "canonicalize": "canonical"}

_STATES = ("rows", "nulls", "min", "max", "grade_f", "grade_d", "grade_c", "grade_b", "grade_a", "grade_a_plus",
           *(f"{name}_{half}" for name in ("weight", "score", "square", "confidence") for half in ("low", "high")))  # fmt: skip
_GROUP_STATES = ("state_rows", "state_count", "state_least", "state_most", "state_flags", "state_sum", "state_squares",
                 "state_values")  # fmt: skip
_WHERE = ("lat", "latitude", "y", "lon", "lng", "longitude", "long", "x", "h3", "h3_index", "h3_cell", "cell")
_PLACES = (*_WHERE, "city", "city_code", "timestamp")
# What a door may ask for, under the names that it knows.
ASKED = {
    "create": (*_PLACES, "context", "grade", "confidence", "flags"),
    "score": _PLACES,
    "join": _WHERE,
    "aggregate": (*_PLACES, "ucid", "ucid_string", "score", "confidence", "region", "country", *_STATES),
    "groups": ("score", *_GROUP_STATES),
    "parse": ("ucid", "ucid_string"),
    "canonicalize": ("ucid", "ucid_string"),
}
# Of these none, where a value for all rows is given.
_INSTEAD = {"city": ("city", "city_code"), "time": ("timestamp",), "context": ("context",)}


def asked(door: str, given: Iterable[str] = ()) -> set[str]:
    """Names that a door may ask for, beside values for all rows that are given by the names of their options."""
    return set(ASKED[door]).difference(*(_INSTEAD.get(name, ()) for name in given))


def _warn_reader(message: str) -> None:
    """Warn whoever reads a stream; the stream's own call has no frame."""
    warnings.warn(message, UserWarning, stacklevel=3)


class _Asked:
    """The indexes that a stream of scores asks: those given, or of the process's choice those that its places need."""

    def __init__(self, index: Any) -> None:
        from ucid.indexes import Catalog, current

        chosen: Any = current() if index is None else index
        self.failure: Exception | None = None  # of an index that could not be opened
        self.catalog = chosen if isinstance(chosen, Catalog) else None
        if isinstance(chosen, (str, os.PathLike)):
            chosen = Index(chosen)
        self.indexes: Any = chosen.listing() if isinstance(chosen, Catalog) else (chosen,) if isinstance(chosen, Index) else tuple(chosen)

    def _open(self, position: int) -> Index:
        assert self.catalog is not None
        try:
            return self.catalog.open(self.catalog.entries[position])
        except Exception as error:
            self.failure = error
            raise

    def stream(self, source: Any, options: dict[str, Any], tell: Callable[[str], None]) -> ArrowStream:
        def exchanged(outside: int, rows: int) -> None:
            tell(f"{outside} of {rows} places are outside the index, but inside with latitude and longitude exchanged")

        return _ext.score_stream(source, options, self.indexes, self._open if self.catalog is not None else None, exchanged)


def create(
    table: Any = None,
    *,
    city: str | None = None,
    timestamp: str | None = None,
    context: str | None = None,
    resolution: int = 9,
    strict: bool = False,
    snap: bool = False,
    replace: bool = False,
    errors: str = "null",
    threads: int | None = None,
    lat: str | Any = None,
    lon: str | Any = None,
    h3: str | None = None,
) -> Any:
    """Identifiers of places: adds ``ucid`` and ``status``.

    Parameters
    ----------
    table : anything that speaks Arrow, or a dict of arrays
        With coordinates (``lat``, ``lon``) or cells (``h3``); ``city``, ``timestamp``, ``context`` where they are not
        given as values; ``grade``, ``confidence``, ``flags`` where they are.
    city, timestamp, context : str, optional
        Values for all rows.
    resolution : int
        H3 resolution of identifiers of coordinates, 0..15.
    strict, snap : bool
        Check every rule of the standard; take the cell of the rounded coordinates.
    replace : bool
        Replace columns ``ucid`` and ``status`` that are there already; otherwise they are an error.
    errors : {"null", "raise"}
        A bad row is null and says why in ``status``, or raises UCIDDataError with its number and status.
    threads : int, optional
        Default: the processors that this process may use. The result does not depend on it.
    lat, lon, h3 : str or array, optional
        Names of the columns; or, without a table, arrays of numbers, degrees, ``[n]`` each.

    Returns
    -------
    The kind of ``table``; an ArrowStream for everything without a kind of its own
        Its rows in their order, its columns, then the new ones: texts.

    Raises
    ------
    UCIDDataError
        A column is missing, of a wrong type, or there already.
    UCIDConfigError
        An option is out of its range.

    Examples
    --------
    >>> import pyarrow as pa
    >>> places = pa.table({"lat": [41.015], "lon": [28.979]})
    >>> create(places, city="IST", timestamp="2026W01T12", context="15MIN").column("ucid")[0].as_py()
    'UCID-V1:IST:+41.015:+28.979:9:891ec90243bffff:2026W01T12:15MIN:F:0.00:'
    """
    mode = (_STRICT if strict else _LENIENT) | (_SNAP if snap else 0)
    return _run("create", table, errors, lat=lat, lon=lon, cell_column=h3, city=city, time=timestamp, context=context,
                resolution=resolution, mode=mode, replace=replace, threads=threads)  # fmt: skip


def _arrays_or_names(table: Any, lat: Any, lon: Any) -> tuple[dict[str, Any], dict[str, str | None]]:
    if table is None:
        if lat is None or lon is None or isinstance(lat, str) or isinstance(lon, str):
            raise TypeError("a table is wanted, or arrays lat and lon")
        return {"lat": lat, "lon": lon}, {}
    return {}, {"lat_column": lat, "lon_column": lon}


def parse(
    table: Any, *, column: str | None = None, strict: bool = True, replace: bool = False, errors: str = "null",
    threads: int | None = None,
) -> Any:  # fmt: skip
    """Fields of identifiers: adds city, lat, lon, h3_resolution, h3_index, timestamp, context, grade, confidence, flags
    and status.

    Parameters
    ----------
    table : anything that speaks Arrow
        With a column ``ucid`` (or ``ucid_string``, or the one that ``column`` names).
    column : str, optional
    strict : bool
        Check cities, cells and weeks too, as :func:`ucid.parse_ucid` does.
    replace : bool
        Replace columns that are there already; otherwise they are an error.
    errors : {"null", "raise"}
        A bad row is null and says why in ``status``, or raises UCIDDataError with its number and status.
    threads : int, optional
        Default: the processors that this process may use.

    Returns
    -------
    The kind of ``table``; an ArrowStream for everything without a kind of its own
        lat, lon (degrees) and confidence are float64, h3_resolution is uint8, all others are texts; flags are joined by
        semicolons.

    Raises
    ------
    UCIDDataError
        A column is missing, of a wrong type, or there already.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"ucid": ["UCID-V1:IST:+41.015:+28.979:9:891ec90243bffff:2026W01T12:15MIN:A:0.95:", "no"]})
    >>> parse(table).select(["city", "grade", "status"]).to_pylist()
    [{'city': 'IST', 'grade': 'A', 'status': 'ok'}, {'city': None, 'grade': None, 'status': 'invalid_prefix'}]
    """
    mode = _STRICT if strict else _LENIENT
    return _run("parse", table, errors, ucid_column=column, mode=mode, replace=replace, threads=threads)


def canonicalize_column(table: Any, *, column: str | None = None, replace: bool = False, errors: str = "null") -> Any:
    """Canonical texts of identifiers: adds canonical and status; :func:`ucid.canonicalize` calls it for tables.

    Parameters
    ----------
    table : anything that speaks Arrow
        With a column ``ucid`` (or ``ucid_string``, or the one that ``column`` names).
    column : str, optional
    replace : bool
        Replace columns that are there already; otherwise they are an error.
    errors : {"null", "raise"}
        A bad row is null and says why in ``status``, or raises UCIDDataError with its number and status.

    Returns
    -------
    The kind of ``table``; an ArrowStream for everything without a kind of its own

    Examples
    --------
    >>> import pyarrow as pa
    >>> canonicalize_column(pa.table({"ucid": ["ucid:ist:1:2"]})).column("status").to_pylist()
    ['malformed_string']
    """
    return _run("canonicalize", table, errors, ucid_column=column, replace=replace)


def score(
    table: Any = None,
    context: str | PluginContext = "15MIN",
    *,
    index: Index | str | os.PathLike[str] | Sequence[Index] | None = None,
    timestamp: str | None = None,
    city: str | None = None,
    detail: bool = False,
    resolution: int = 9,
    replace: bool = False,
    errors: str = "null",
    threads: int | None = None,
    lat: str | Any = None,
    lon: str | Any = None,
    h3: str | None = None,
) -> Any:
    """Scores of places on the real street network: adds ucid, score, grade, confidence and status.

    Parameters
    ----------
    table : anything that speaks Arrow, or a dict of arrays
        With coordinates (``lat``, ``lon``) or cells (``h3``), which are scored at their centres.
    context : str or PluginContext
        Id of a context, built in or a plug-in. A plug-in is asked batch by batch, and needs a timestamp and cities.
    index : Index, path or sequence of Index, optional
        Default: the index or catalog that is chosen (:func:`ucid.use_index`, :func:`ucid.use_catalog`, ``UCID_CATALOG``).
    timestamp : str, optional
        Week key of all rows; default: a column ``timestamp``, else the week of the index's data.
    city : str, optional
        City code of all rows; default: a column ``city``, else the registry's nearest to the index.
    detail : bool
        Add the parts (0..100), the metres walked to the nearest place of each (null: none in reach), and ``snap_m``, the
        metres from the place to its street.
    resolution : int
        H3 resolution of identifiers of coordinates, 0..15.
    replace : bool
        Replace columns that are there already; otherwise they are an error.
    errors : {"null", "raise"}
        A bad row is null and says why in ``status``, or raises UCIDDataError with its number and status.
    threads : int, optional
        Default: the processors that this process may use. The result does not depend on it.
    lat, lon, h3 : str or array, optional
        Names of the columns; or, without a table, arrays of numbers, degrees, ``[n]`` each.

    Returns
    -------
    The kind of ``table``; an ArrowStream for everything without a kind of its own
        Its rows in their order, its columns, then the new ones: score 0..100 and confidence 0..1 are float64, multiples of
        0.01. The schema of Arrow tables tells index, context and attribution.

    Raises
    ------
    UCIDDataError
        No index; columns missing, of a wrong type, or there already.
    UCIDContextError
        ``CONTEXT_NOT_FOUND``.
    UCIDConfigError
        An option is out of its range; or the one index has no date, and no timestamp is given.

    Warns
    -----
    UserWarning
        Most places are outside the indexes, but inside with latitude and longitude exchanged.

    Notes
    -----
    The formula and its sources are in docs/contexts.md.

    Examples
    --------
    >>> import pyarrow as pa
    >>> places = pa.table({"lat": [40.0, 95.0], "lon": [-40.0, -40.0]})
    >>> score(places, index="town.ucidx").select(["status", "ucid"]).to_pylist()[1]
    {'status': 'invalid_coordinates', 'ucid': None}
    """
    from ucid.contexts import PluginContext, get_context

    chosen = context if isinstance(context, PluginContext) else get_context(context)
    plugin = chosen if isinstance(chosen, PluginContext) else None
    if plugin is not None and detail:
        raise UCIDConfigError(f"context {plugin.context_id} is a plug-in, which has no parts: detail=True shows nothing")
    return _run("score", table, errors, lat=lat, lon=lon, cell_column=h3, index=index, city=city, time=timestamp, plugin=plugin,
                context=chosen.context_id, resolution=resolution, detail=int(detail), replace=replace, threads=threads)  # fmt: skip


def grid(
    bbox: Sequence[float],
    context: str | PluginContext | None = None,
    *,
    resolution: int = 9,
    index: Index | str | os.PathLike[str] | None = None,
    timestamp: str | None = None,
    city: str | None = None,
    detail: bool = False,
    errors: str = "null",
) -> ArrowStream:
    """Cells whose centre lies in a box, ascending: h3, lat, lon; with a context also their scores.

    Parameters
    ----------
    bbox : sequence of float
        min_lat, min_lon, max_lat, max_lon, degrees.
    context : str or PluginContext, optional
        Default: no scores.
    resolution : int
        H3 resolution of the cells, 0..15.
    index, timestamp, city, detail, errors
        As in :func:`score`.

    Returns
    -------
    ArrowStream
        Computed while it is read, in bounded memory, however many cells there are.

    Raises
    ------
    UCIDConfigError
        A side of the box, or the resolution, is out of its range.

    Examples
    --------
    >>> import pyarrow as pa
    >>> pa.table(grid((41.0, 28.9, 41.1, 29.0), resolution=7)).num_rows
    16
    """
    south, west, north, east = (float(side) for side in bbox)
    cells = _ext.grid_stream(south, west, north, east, resolution)
    if context is None:
        return cells
    return score(cells, context, index=index, timestamp=timestamp, city=city, detail=detail, errors=errors, h3="h3")  # type: ignore[no-any-return]


def _levels(to: str | int | Sequence[str | int]) -> str:
    """Groups as the core reads them: one, or a list, which ends with a comma."""
    if isinstance(to, str):
        return to
    return f"r{to}" if isinstance(to, int) else "".join(f"{_levels(one)}," for one in to)


def aggregate(
    table: Any,
    to: str | int | Sequence[str | int] | None = None,
    *,
    by: str | Sequence[str] | None = None,
    agg: str | Sequence[str] = "mean",
    of: str | None = None,
    score: str | None = None,
    weight: str | None = None,
    h3: str | None = None,
    city: str | None = None,
    states: bool | Literal["bytes"] = False,
    errors: str = "null",
    memory: int | None = None,
    threads: int | None = None,
) -> Any:
    """Roll scored rows up to coarser cells, cities, regions or countries; or, with ``by``, any numbers by any columns. One
    row a group, ascending by key.

    Sums are exact, so the result is the same bit for bit in whatever order, and in however many parts, the rows come;
    ``ucid aggregate`` gives the same.

    Parameters
    ----------
    table : anything that speaks Arrow
        With a score (0..100), and a confidence where there is one; and with cells (``h3``), identifiers or coordinates,
        or, for groups of texts, a ``city`` or identifiers. With ``by``, any table. Or states of groups, which are merged.
    to : {"r0" .. "r15", "city", "region", "country"}, or int, or sequence of these
        Groups: cells of a resolution, or cities, regions (``"US-CA"``) and countries of the registry. Default: ``"r7"``.
        Of a sequence all come out of one pass over the rows, one after the other, with ``level`` and ``key`` in front.
    by : str or sequence of str, optional
        Instead of ``to``: columns whose values make the groups, each text, number, date, time or truth.
    agg : str or sequence of str
        With ``by``, of the values that are neither null nor NaN: ``count``, ``sum``, ``mean``, ``std`` and ``var`` of a
        sample, ``min``, ``max``, ``median``, and ``p0`` to ``p100``, between the two nearest values as pandas and DuckDB
        (``quantile_cont``) have them; ``rows`` and ``nulls`` count all rows, and those without a value.
    of : str, optional
        With ``by``: the column of numbers. Default: ``score``.
    score, weight, h3, city : str, optional
        Names of columns, with ``to``. Without a weight each row weighs 1; weights (0..2^30, say inhabitants) count to
        1/1024.
    states : bool or "bytes"
        Give states of groups. Those of parts of a table, put one below the other, can be rolled up further, and give what
        the whole would. Of a sequence they are those of the finest cells and the finest texts, for the same sequence.
        ``"bytes"``, with ``to``: in a column of bytes, some thousand groups a row, which take a third of the room and are
        merged several times as fast.
    errors : {"null", "raise"}
        With ``to``: rows without a score are counted in ``nulls``, those without a group in the group null; or raise
        UCIDDataError.
    memory : int, optional
        With ``by``: bytes for groups, and for the values of percentiles; by default a quarter of what the process may have, and
        1 GiB. What is beyond goes into files in ``TMPDIR``.
    threads : int, optional
        Default: the processors that this process may use.

    Returns
    -------
    The kind of ``table``; an ArrowStream for everything without a kind of its own
        With ``by``, its columns and one a function. Else the key (``h3``, ``city``, ``region`` or ``country``; null for
        rows without), ``rows`` with and ``nulls`` without a score, ``weight``, the weighted means ``score`` and
        ``confidence``, the ``grade`` of the mean, ``std``, ``min`` and ``max`` of the scores, and the rows of each grade,
        ``grade_f`` to ``grade_a_plus``.

    Raises
    ------
    UCIDDataError
        A column is missing or of a wrong type.
    UCIDConfigError
        ``to`` is none of the groups, or ``agg`` none of the functions.

    Examples
    --------
    >>> import pyarrow as pa
    >>> cells = pa.table({"h3": ["891ec90243bffff", "891ec902407ffff", "891ec91a6b3ffff"], "score": [90.0, 70.0, 40.0]})
    >>> aggregate(cells, "r7").select(["h3", "rows", "score", "grade"]).to_pylist()
    [{'h3': '871ec9024ffffff', 'rows': 2, 'score': 80.0, 'grade': 'B'}, {'h3': '871ec91a6ffffff', 'rows': 1, 'score': 40.0, 'grade': 'D'}]
    >>> parts = [aggregate(cells.slice(at, 1), "r7", states=True) for at in range(3)]
    >>> aggregate(pa.concat_tables(parts), "r5") == aggregate(cells, "r5")
    True
    >>> walks = pa.table({"city": ["IST", "IST", "HEL"], "walk_m": [300, 500, 120]})
    >>> aggregate(walks, by="city", agg=["count", "mean", "p90"], of="walk_m").to_pylist()
    [{'city': 'HEL', 'count': 1, 'mean': 120.0, 'p90': 120.0}, {'city': 'IST', 'count': 2, 'mean': 400.0, 'p90': 480.0}]
    """
    keys = [by] if isinstance(by, str) else list(by or ())
    functions = agg.split(",") if isinstance(agg, str) else list(agg)
    if by is not None and (errors != "null" or any(one is not None for one in (to, score, weight, h3, city))):
        raise UCIDConfigError("by stands alone, with agg and of: no to and none of its columns")
    if states not in (False, True, "bytes") or (by is not None and states == "bytes"):
        raise UCIDConfigError(f"states are False, True or, of a roll-up, 'bytes'; not {states!r}")
    framed = _is_frame(table)
    if framed and by is not None:
        source = _frames().needed_columns(table, "groups", (*keys, of))
    elif framed:
        source = _frames().needed_columns(table, "aggregate", (score, weight, h3, city))
    else:
        source = _source(table, {})
    _check_errors(errors)
    threads = threads or _processors()
    if by is not None:
        stream = _ext.group_stream(source, keys, of, functions, bool(states), memory or 0, threads)
    else:
        kind = 2 if states == "bytes" else int(states)
        stream = _ext.aggregate_stream(source, _levels("r7" if to is None else to), score, weight, h3, city, kind, threads)
        if errors == "raise":
            stream = _raise_bad_groups(stream)
    return _frames().new_frame(stream) if framed else _sink(stream, table)
