"""pandas: ``df.ucid.create(...)``, ``df.ucid.score("15MIN")``, ``df.ucid.parse()``.

The accessor is there as soon as both pandas and ucid have been imported, whichever comes first. Columns that are not asked for
are not touched; new texts are Arrow strings, new numbers float64. A GeoDataFrame gives its points, in degrees whatever its
coordinate system.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy
import pandas

from ucid import columns
from ucid.errors import UCIDDataError

__all__ = ["Accessor", "needed_columns", "plain_columns", "shared_columns", "with_columns"]

_shared: ContextVar[bool] = ContextVar("shared", default=False)


@contextmanager
def shared_columns() -> Generator[None, None, None]:
    """Meanwhile a frame that is made of another shares its columns, as those of engines do: their partitions never change."""
    token = _shared.set(True)
    try:
        yield
    finally:
        _shared.reset(token)


def _is_geo(frame: Any) -> bool:
    """Whether a frame has geometries: a GeoDataFrame without an active one is any other frame."""
    return type(frame).__module__.partition(".")[0] == "geopandas" and frame.active_geometry_name is not None


def _points(frame: Any) -> dict[str, Any]:
    """lat and lon of a GeoDataFrame's points; its coordinate system is honoured."""
    if frame.crs is None:
        raise UCIDDataError("the GeoDataFrame has no CRS: set_crs('EPSG:4326') says that it is in degrees")
    if not (frame.geometry.geom_type.dropna() == "Point").all():
        raise UCIDDataError("the GeoDataFrame holds other geometries than points; take .representative_point()")
    points = frame.geometry.to_crs("EPSG:4326")
    return {"lat": points.y.to_numpy(), "lon": points.x.to_numpy()}


def plain_columns(frame: Any) -> Any:
    """The frame as an Arrow table; places for geometry."""
    import pyarrow

    if _is_geo(frame):
        frame = pandas.DataFrame(frame.drop(columns=frame.geometry.name)).assign(**_points(frame))
    return pyarrow.Table.from_pandas(frame, preserve_index=False)


def needed_columns(frame: Any, door: str, named: Iterable[str | None], given: Iterable[str] = ()) -> Any:
    """The columns that a door may ask for beside the values given, and those that are named, as an Arrow table."""
    import pyarrow

    asked = {*columns.asked(door, given), *named}
    taken = {name: frame[name] for name in frame.columns if isinstance(name, str) and name in asked}
    if _is_geo(frame) and door in ("create", "score"):
        taken |= _points(frame)
    if not taken:  # the door says what is missing, and what is there
        return pyarrow.Table.from_pandas(frame.head(0), preserve_index=False)
    return pyarrow.table({name: _arrow(values) for name, values in taken.items()})


def _arrow(values: Any) -> Any:
    """A column as an Arrow array: NaN is null. Plain numbers without one are not copied, nor looked through for nulls twice."""
    import pyarrow

    plain = numpy.asarray(values) if isinstance(values.dtype, numpy.dtype) and values.dtype.kind == "f" else None
    if plain is not None and len(plain) > 0 and not numpy.isnan(plain.min()):  # which is NaN where any is
        return pyarrow.array(plain)
    return pyarrow.array(values, from_pandas=True)


def with_columns(frame: Any, added: Any, replace: bool) -> Any:
    """A copy of the frame, as its assign() makes one, with the columns of an Arrow table behind its own."""
    there = [name for name in added.column_names if name in frame.columns]
    if there and not replace:
        raise UCIDDataError(f"there is a column '{there[0]}' already; replace=True replaces it")
    made = frame.drop(columns=there) if there else frame.copy(deep=False) if _shared.get() else frame.assign()
    for name, column in zip(added.column_names, added.columns, strict=True):
        made[name] = _series(column)
    return made


def new_frame(stream: Any) -> Any:
    """A frame of a stream's columns alone."""
    import pyarrow

    table = pyarrow.table(stream)
    columns = zip(table.column_names, table.columns, strict=True)
    return pandas.DataFrame({name: _series(column) for name, column in columns})


def _series(column: Any) -> Any:
    """Values of an Arrow column as pandas has them: texts stay Arrow's, null numbers are NaN."""
    import pyarrow

    if pyarrow.types.is_string(column.type) or pyarrow.types.is_large_string(column.type):
        return pandas.StringDtype("pyarrow").__from_arrow__(column)
    plain = pyarrow.types.is_integer(column.type) or pyarrow.types.is_floating(column.type)
    return column.to_numpy() if plain else column.to_pandas()


class Accessor:
    """``df.ucid``: the functions of :mod:`ucid.columns` on a frame."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame

    def create(self, **options: Any) -> Any:
        """Identifiers; see :func:`ucid.create`."""
        return columns.create(self._frame, **options)

    def score(self, context: str = "15MIN", **options: Any) -> Any:
        """Scores; see :func:`ucid.score`."""
        return columns.score(self._frame, context, **options)

    def parse(self, **options: Any) -> Any:
        """Fields of identifiers; see :func:`ucid.parse`."""
        return columns.parse(self._frame, **options)

    def canonicalize(self, **options: Any) -> Any:
        """Canonical texts; see :func:`ucid.canonicalize`."""
        return columns.canonicalize_column(self._frame, **options)

    def aggregate(self, to: str | int | None = None, **options: Any) -> Any:
        """Groups of scores; see :func:`ucid.aggregate`."""
        return columns.aggregate(self._frame, to, **options)


pandas.api.extensions.register_dataframe_accessor("ucid")(Accessor)
