"""Maps of scored tables: a picture by matplotlib, and the interactive page of ``ucid map``.

The page is one HTML file that holds all it needs and asks no server. The package writes it with the sources that the
program has, so both write the same bytes.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Sequence
from html import escape
from math import cos, radians
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ucid import _ext
from ucid._ext import Index
from ucid.columns import _is_frame, _source
from ucid.contexts import GRADES
from ucid.errors import UCIDConfigError, UCIDDataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["MapPage", "map", "plot"]

ATTRIBUTION = "© OpenStreetMap contributors"
_CELLS = ("h3", "h3_index", "h3_cell", "cell")
_LATS = ("lat", "latitude", "y")
_LONS = ("lon", "lng", "longitude", "long", "x")
_UCIDS = ("ucid", "ucid_string")
_NOWHERE = frozenset({"off_network", "outside_index"})
_EMPTY = "#e4e3df"


def _stream(table: Any) -> Any:
    """Whatever has ``__arrow_c_stream__`` and holds all columns of the table."""
    if _is_frame(table):
        from ucid import frames

        return frames.plain_columns(table)
    return _source(table, {})


# --------------------------------------------------------------------------------------------------------------- page


class MapPage:
    """A written page: one HTML file. Notebooks show it in a frame.

    Attributes
    ----------
    path : pathlib.Path
    rows, left_out : int
        Rows on the map, and rows that have no place.
    """

    def __init__(self, path: Path, rows: int, left_out: int) -> None:
        self.path, self.rows, self.left_out = path, rows, left_out

    def __fspath__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        return f"MapPage({str(self.path)!r}, {self.rows} rows)"

    def _repr_html_(self) -> str:
        page = escape(self.path.read_text(encoding="utf-8"), quote=True)
        return f'<iframe srcdoc="{page}" style="width:100%;height:600px;border:0" sandbox="allow-scripts"></iframe>'


def map(
    table: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    index: Index | str | os.PathLike[str] | None = None,
    title: str | None = None,
    show: str = "score",
    points: bool = False,
) -> MapPage:
    """Write the interactive page of a scored table: the one of ``ucid map``.

    Parameters
    ----------
    table : anything that speaks Arrow
        With a ``score``, and cells (``h3``), identifiers or coordinates; what :func:`ucid.score`, :func:`ucid.grid` and
        :func:`ucid.aggregate` give. Grade, confidence, status, parts and metres to the nearest are shown where they are.
        At most 2,000,000 rows.
    path : path, optional
        HTML file to write, whole or not at all. Default: a new file in the folder for temporary files.
    index : Index or path, optional
        Draw its streets below.
    title : str, optional
        Default: the city of the identifiers.
    show : str
        What is coloured at first: ``"score"``, ``"confidence"`` or the key of a part.
    points : bool
        Draw points, although the rows have cells.

    Returns
    -------
    MapPage

    Raises
    ------
    UCIDDataError
        No score or no place in the table, a score outside 0..100, or a cell twice; the page is not part of this build.
    UCIDConfigError
        ``show`` is nothing that the table has.

    Examples
    --------
    >>> cells = ucid.grid(ucid.open_index("town.ucidx").bounds, "15MIN", index="town.ucidx")
    >>> ucid.map(cells, "town.html", index="town.ucidx").left_out
    0
    """
    page = Path(__file__).with_name("map.html")
    if not hasattr(_ext, "write_map") or not page.exists():
        message = "the page is not part of this build of ucid: it was built without npm, or without jansson"
        raise UCIDDataError(message, code="UNSUPPORTED_FORMAT")
    streets = index if index is None or isinstance(index, Index) else Index(index)
    folder = Path(path).parent if path is not None else None
    try:
        descriptor, part = tempfile.mkstemp(".html", "ucid-map-", folder)
    except OSError as error:
        raise UCIDDataError(f"{path}: {error.strerror}", code="IO_ERROR") from error
    os.close(descriptor)
    try:
        rows, left_out, ranks = _ext.write_map(_stream(table), page, part, streets, title, show, points)
        if path is not None:
            os.chmod(part, 0o666 & ~_umask())
            os.replace(part, path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
    if left_out:
        warnings.warn(f"{left_out} of {rows + left_out} rows have no place and are left out", UserWarning, stacklevel=2)
    if ranks:
        warnings.warn(f"so many streets that the {ranks} smallest kinds are left out", UserWarning, stacklevel=2)
    return MapPage(Path(path) if path is not None else Path(part), rows, left_out)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


# ------------------------------------------------------------------------------------------------------------ picture


def _ramp(value: float) -> str:
    """Colour of 0..1 on the ramp of the page and of the program's pictures."""
    stops = _ext.map_ramp()
    return stops[round(value * (len(stops) - 1))]


def _first(names: Sequence[str], wanted: Sequence[str]) -> str | None:
    return next((name for name in wanted if name in names), None)


def _shapes(table: Any) -> tuple[str, list[Any]]:
    """("cells", rings of (lon, lat)) or ("points", (lon, lat)) of the rows; None for a row without a place."""
    import pyarrow

    names = table.column_names
    cell, ucid = _first(names, _CELLS), _first(names, _UCIDS)
    lat, lon = _first(names, _LATS), _first(names, _LONS)
    if cell is not None:
        cells = table.column(cell).to_pylist()
    elif ucid is not None:
        read = pyarrow.table(_ext.add_columns("parse", table.select([ucid]), {"ucid_column": ucid, "replace": 1}))
        cells = read.column("h3_index").to_pylist()
    elif lat is not None and lon is not None:
        pairs = zip(table.column(lon).to_pylist(), table.column(lat).to_pylist(), strict=True)
        return "points", [(x, y) if x is not None and y is not None else None for x, y in pairs]
    else:
        raise UCIDDataError(f"no column for places (h3, ucid, or lat and lon); there are {', '.join(names)}")
    return "cells", [_ring(text) if text is not None else None for text in cells]


def _ring(cell: str | int) -> list[tuple[float, float]]:
    """Corners as (lon, lat); those of a cell across the antimeridian run on beyond 180."""
    corners = _ext.cell_to_boundary(cell)
    east = corners[0][1]
    return [(lon + 360 if lon < east - 180 else lon - 360 if lon > east + 180 else lon, lat) for lat, lon in corners]


def plot(
    table: Any,
    column: str = "grade",
    *,
    ax: Axes | None = None,
    title: str | None = None,
    legend: bool = True,
) -> Axes:
    """Draw a scored table with matplotlib: cells (or points) by grade, with a legend, or by any column of numbers.

    Parameters
    ----------
    table : anything that speaks Arrow
        With cells (``h3``), identifiers or coordinates, and the column to be drawn. Rows without a value, and those whose
        ``status`` says that no street is near, are grey.
    column : str
        ``"grade"``: the six grades, each in the colour of its scores; or a column of numbers, on a scale of 0..100 where
        they are scores, 0..1 where they are confidences, else of their own.
    ax : matplotlib.axes.Axes, optional
        Default: a new figure.
    title : str, optional
    legend : bool
        A legend of grades with the number of rows of each, or a colour bar.

    Returns
    -------
    matplotlib.axes.Axes
        Longitude and latitude in degrees, as wide as they are at the middle of the map.

    Raises
    ------
    UCIDConfigError
        ``MISSING_DEPENDENCY``: matplotlib is not there.
    UCIDDataError
        No such column, or no place in the table.

    Examples
    --------
    >>> import pyarrow as pa
    >>> cells = pa.table({"h3": ["891ec90243bffff", "891ec902407ffff"], "grade": ["A", "B"]})
    >>> axes = plot(cells)
    >>> [text.get_text() for text in axes.get_legend().get_texts()]
    ['A+ (0)', 'A (1)', 'B (1)', 'C (0)', 'D (0)', 'F (0)']
    """
    try:
        import matplotlib.pyplot as plt
        import pyarrow
    except ImportError as error:
        message = f"ucid.plot needs {error.name}: pip install 'ucid[plot]'"
        raise UCIDConfigError(message, code="MISSING_DEPENDENCY") from error
    whole = pyarrow.table(_stream(table))
    if column not in whole.column_names:
        raise UCIDDataError(f"no column '{column}'; there are {', '.join(whole.column_names)}")
    kind, shapes = _shapes(whole)
    values = whole.column(column).to_pylist()
    if "status" in whole.column_names:  # no street is near, so there is nothing to show, as on the page
        statuses = whole.column("status").to_pylist()
        values = [None if status in _NOWHERE else value for value, status in zip(values, statuses, strict=True)]
    axes: Axes = ax if ax is not None else plt.subplots(figsize=(9, 7), layout="compressed")[1]
    if column == "grade":
        _draw_grades(axes, kind, shapes, values, legend)
    else:
        _draw_numbers(axes, kind, shapes, values, column, legend)
    axes.autoscale_view()
    south, north = axes.get_ylim()
    axes.set_aspect(1 / max(0.01, cos(radians((south + north) / 2))))
    axes.set_xlabel("longitude, °")
    axes.set_ylabel("latitude, °")
    if title is not None:
        axes.set_title(title)
    axes.text(0.995, 0.005, ATTRIBUTION, transform=axes.transAxes, ha="right", va="bottom", fontsize="x-small", color="0.35")
    return axes


def _draw(ax: Axes, kind: str, shapes: list[Any], **look: Any) -> Any:
    """Shapes as one collection, added to the axes."""
    from matplotlib.collections import PolyCollection

    if kind == "cells":
        # Edges in the colour of their cells close the hair cracks between them.
        return ax.add_collection(PolyCollection(shapes, linewidths=0.2, edgecolors="face", **look))
    colour = look.pop("facecolors", None)
    look = {"c": look.pop("array"), **look} if colour is None else {"color": colour, **look}
    return ax.scatter([x for x, _ in shapes], [y for _, y in shapes], s=6, linewidths=0, **look)


def _draw_nothing(ax: Axes, kind: str, shapes: list[Any], values: list[Any]) -> int:
    """Draw the places that have no value; returns their number."""
    nothing = [shape for shape, value in zip(shapes, values, strict=True) if shape is not None and value is None]
    if nothing:
        _draw(ax, kind, nothing, facecolors=_EMPTY, zorder=1)
    return len(nothing)


def _draw_grades(ax: Axes, kind: str, shapes: list[Any], values: list[Any], legend: bool) -> None:
    from matplotlib.patches import Patch

    top, handles = 100.0, []
    nothing = _draw_nothing(ax, kind, shapes, values)
    for least, grade in GRADES:
        colour = _ramp((least + top) / 200)
        rows = [shape for shape, value in zip(shapes, values, strict=True) if shape is not None and value == grade]
        if rows:
            _draw(ax, kind, rows, facecolors=colour, zorder=2)
        handles.append(Patch(color=colour, label=f"{grade} ({len(rows)})"))
        top = least
    if nothing:
        handles.append(Patch(color=_EMPTY, label=f"no score ({nothing})"))
    if legend:
        ax.legend(handles=handles, title="grade", loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)


def _draw_numbers(ax: Axes, kind: str, shapes: list[Any], values: list[Any], column: str, legend: bool) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    rows = [(shape, value) for shape, value in zip(shapes, values, strict=True) if shape is not None and value is not None]
    if not all(isinstance(value, (int, float)) for _, value in rows):
        raise UCIDDataError(f"column '{column}' holds no numbers")
    ramp = _ext.map_ramp()
    far = column == "snap_m" or column.startswith("nearest_")  # dark is good: near, that is
    colours = LinearSegmentedColormap.from_list("ucid", ramp[::-1] if far else ramp)
    scales = {"confidence": (0.0, 1.0), "score": (0.0, 100.0)}
    low, high = scales.get(column, (None, None))
    _draw_nothing(ax, kind, shapes, values)
    drawn = _draw(ax, kind, [shape for shape, _ in rows], array=[value for _, value in rows], cmap=colours)
    drawn.set_clim(low, high)
    if legend:
        ax.figure.colorbar(drawn, ax=ax, label=column, shrink=0.8)
