"""Zones of places: ``ucid join`` for tables of any kind.

Zones are compiled once (:class:`Zones`) and may then be asked by any number of threads and tables.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from typing import Any

from ucid import _ext
from ucid.columns import _FINE, _check_errors, _frames, _is_frame, _processors, _raise_bad_rows, _sink, _source
from ucid.errors import UCIDConfigError, UCIDDataError

__all__ = ["Zones", "join"]

_WKB = ("geometry", "geom", "wkb_geometry", "wkb", "the_geom", "shape")
_BATCH_BYTES = 16 << 20  # of zones that are read
_PARQUET = (".parquet", ".geoparquet", ".pq")
_DEGREES = (("EPSG", 4326), ("OGC", "CRS84"))


class Zones:
    """Zones, compiled, with the columns of their table.

    Parameters
    ----------
    source : path, GeoDataFrame, GeoSeries, or anything that speaks Arrow
        Files: GeoParquet, or what geopandas reads (GeoPackage, Shapefile, GeoJSON, ...). Tables have a column of
        well-known binary, or GeoArrow geometries; GeoParquet's and GeoArrow's coordinate systems are honoured, without
        one longitudes and latitudes of WGS 84 are taken.
    columns : iterable of str, optional
        Columns that places shall get; default: all texts and numbers.
    geometry : str, optional
        Name of the geometry column.
    threads : int, optional
        Default: the processors that this process may use.

    Raises
    ------
    UCIDDataError
        No geometries, damaged ones, or points and lines.

    Examples
    --------
    >>> import pyarrow as pa
    >>> square = bytes.fromhex("010300000001000000050000000000000000001c4000000000000000000000000000002040000000000000000000000000"
    ...                        "00002040000000000000f03f0000000000001c40000000000000f03f0000000000001c400000000000000000")
    >>> zones = Zones(pa.table({"name": ["square"], "geometry": [square]}))
    >>> zones
    <ucid.Zones of 1 zone>
    >>> join(pa.table({"lat": [0.5, 2.0], "lon": [7.5, 7.5]}), zones).column("name").to_pylist()
    ['square', None]
    """

    _count = 0  # of one that is not compiled
    columns: list[str] = []

    def __init__(
        self, source: Any, *, columns: Iterable[str] | None = None, geometry: str | None = None, threads: int | None = None
    ) -> None:
        wanted = None if columns is None else tuple(columns)
        table, geometry = _table(source, geometry)
        self._compiled, self._count, self.columns = _ext.compile_zones(table, geometry, wanted, threads or _processors())

    @classmethod
    def _none_of(cls, path: str, columns: Iterable[str] | None) -> Zones:
        """None of a file's zones, with their columns: for who only asks what a join adds."""
        if not path.endswith(_PARQUET):
            return cls(path, columns=columns)
        import pyarrow.dataset

        return cls(pyarrow.dataset.dataset(path, format="parquet").schema.empty_table(), columns=columns)

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"<ucid.Zones of {self._count} zone{'' if self._count == 1 else 's'}>"

    def _repr_html_(self) -> str:
        from ucid import notebook

        return notebook.of_zones(self)


def _table(source: Any, geometry: str | None) -> tuple[Any, str | None]:
    """A table with a column of well-known binary in degrees, and that column's name."""
    if isinstance(source, (str, os.PathLike)):
        source = _read(os.fspath(source))
    if type(source).__module__.partition(".")[0] == "geopandas":
        return _of_frame(source, geometry)
    if not hasattr(source, "__arrow_c_stream__") and not hasattr(source, "__arrow_c_array__"):
        raise TypeError(f"zones are a path, a GeoDataFrame or a table that speaks Arrow, not {type(source).__name__}")
    of_pyarrow = type(source).__module__.partition(".")[0] == "pyarrow"
    if not of_pyarrow and not hasattr(source, "__arrow_c_schema__"):
        return source, geometry  # its schema comes with its rows, and has no coordinate system
    import pyarrow

    schema = source.schema if of_pyarrow else pyarrow.schema(source)
    name, crs, plain = _geometry(schema, geometry)
    if plain and crs is None:
        return source, name
    import geopandas

    table = pyarrow.table(source)
    if not plain:
        return _of_frame(geopandas.GeoDataFrame.from_arrow(table, geometry=name), name)
    shapes = geopandas.GeoSeries.from_wkb(table.column(name).to_pandas(), crs=json.dumps(crs)).to_crs("EPSG:4326")
    return table.set_column(table.column_names.index(name), name, pyarrow.array(shapes.to_wkb(), pyarrow.binary())), name


def _read(path: str) -> Any:
    if path.endswith(_PARQUET):
        return _batches(path)
    try:
        import geopandas
    except ImportError:
        raise UCIDConfigError(f"{path}: geopandas reads such files (pip install geopandas), or `ucid join` does") from None
    if not os.path.exists(path) and "://" not in path:
        raise UCIDDataError(f"{path}: no such file")
    return geopandas.read_file(path)


def _batches(path: str) -> Any:
    """A Parquet file's batches, a few zones at a time: geometries are long, and each is looked at once."""
    import pyarrow
    import pyarrow.dataset

    zones = pyarrow.dataset.dataset(path, format="parquet")
    group = next((group for file in zones.get_fragments() for group in file.row_groups if group.num_rows), None)
    rows = min(max(_BATCH_BYTES * group.num_rows // max(group.total_byte_size, 1), 1), 1 << 16) if group else 1
    reading = pyarrow.dataset.ParquetFragmentScanOptions(use_buffered_stream=True, buffer_size=1 << 20, pre_buffer=False)
    scanner = zones.scanner(batch_size=rows, batch_readahead=1, fragment_readahead=1, fragment_scan_options=reading)

    def batches() -> Iterator[Any]:
        yield from scanner.to_batches()
        pyarrow.default_memory_pool().release_unused()  # before they are compiled

    return pyarrow.RecordBatchReader.from_batches(scanner.projected_schema, batches())


def _of_frame(frame: Any, geometry: str | None) -> tuple[Any, str]:
    """A GeoDataFrame or GeoSeries in degrees, with its geometries in binary."""
    import pyarrow

    shapes = frame if not hasattr(frame, "columns") else frame[geometry] if geometry else frame.geometry
    if shapes.crs is None:
        raise UCIDDataError("the zones have no CRS: set_crs('EPSG:4326') says that they are in degrees")
    shapes = shapes.to_crs("EPSG:4326")
    name = str(shapes.name or "geometry")
    columns: dict[str, Any] = {}
    for column in frame.columns if hasattr(frame, "columns") else ():
        if frame[column].dtype != "geometry":
            columns[str(column)] = pyarrow.array(frame[column], from_pandas=True)
    columns[name] = pyarrow.array(shapes.to_wkb(), pyarrow.binary())
    return pyarrow.table(columns), name


def _geometry(schema: Any, geometry: str | None) -> tuple[str | None, Any, bool]:
    """Column of geometries, its coordinate system where that is not WGS 84, and whether it is well-known binary."""
    metadata = schema.metadata or {}
    geo = json.loads(metadata.get(b"geo", b"{}"))
    found = geometry or geo.get("primary_column")
    crs = geo.get("columns", {}).get(found, {}).get("crs")
    plain = True
    for field in schema:
        kind = (field.metadata or {}).get(b"ARROW:extension:name", b"").decode() or getattr(field.type, "extension_name", "")
        if not kind.startswith("geoarrow.") or (found is not None and field.name != found):
            continue
        found, plain = field.name, kind == "geoarrow.wkb" and b"ARROW:extension:name" in (field.metadata or {})
        said = json.loads((field.metadata or {}).get(b"ARROW:extension:metadata", b"{}") or b"{}").get("crs")
        crs = said if isinstance(said, dict) else crs
        plain = plain and (said is None or isinstance(said, dict))
        break
    found = found or next((name for name in _WKB if name in schema.names), None)
    known = isinstance(crs, dict) and (crs.get("id", {}).get("authority"), crs.get("id", {}).get("code")) in _DEGREES
    return found, None if known or not isinstance(crs, dict) else crs, plain


def join(
    table: Any,
    zones: Any,
    *,
    predicate: str = "within",
    distance: float | None = None,
    all: bool = False,
    columns: Iterable[str] | None = None,
    replace: bool = False,
    lat: str | None = None,
    lon: str | None = None,
    h3: str | None = None,
    errors: str = "null",
    threads: int | None = None,
) -> Any:
    """Add to each place the columns of the zone that it is in, or that is nearest; or to cells those of all their zones.

    Parameters
    ----------
    table : anything that speaks Arrow
        With coordinates (``lat``, ``lon``) or cells (``h3``, whose centres count); a GeoDataFrame of points.
    zones : Zones, or what makes them
        Of overlapping zones the first in their table counts. A place on a border of two is in exactly one.
    predicate : {"within", "nearest", "area"}
        By area, a cell comes out once for each zone that shares some of it, and once with nulls where none does.
    distance : float
        Metres that the nearest zone may be away, at most 1,000,000.
    all : bool
        All zones of a place instead: their values are texts, joined by ``;``.
    columns : iterable of str, optional
        Columns of the zones to add, where ``zones`` are not compiled yet; default: all texts and numbers.
    replace : bool
        Replace columns that have the name of an added one.
    lat, lon, h3 : str, optional
        Names of columns.
    errors : {"null", "raise"}
        A place that is null or has bad coordinates has nulls and says why in ``status``, or raises UCIDDataError with its row
        and status. To be in no zone is no error.
    threads : int, optional
        Default: the processors that this process may use.

    Returns
    -------
    The kind of ``table``; an ArrowStream for everything without a kind of its own
        Its columns, then those of the zones, ``zone`` (the zone's row in its table), ``distance_m`` (of the nearest; 0
        inside) or ``area_m2``, ``cell_share`` and ``zone_share`` (what a cell and a zone share, of the cell and of the
        zone), and ``status``. A place in no zone has nulls there.

    Raises
    ------
    UCIDDataError
        A column is missing or there already; a geometry is damaged.
    UCIDConfigError
        The predicate or the distance is none.

    Examples
    --------
    See :class:`Zones`.
    """
    if predicate not in ("within", "nearest", "area"):
        raise UCIDConfigError(f"predicate is '{predicate}', not 'within', 'nearest' or 'area'")
    if (predicate == "nearest") != (distance is not None):
        raise UCIDConfigError("the nearest zone needs a distance, and only it")
    if distance is not None and not 0 <= distance <= 1e6:
        raise UCIDConfigError(f"a distance of {distance} m is not within 0 and 1000000")
    if all and distance is not None:
        raise UCIDConfigError("all zones of a place are those that it is in")
    by_area = predicate == "area"
    if by_area and (all or lat is not None or lon is not None):
        raise UCIDConfigError("by area all zones of cells are given: no all, lat, lon")
    if not isinstance(zones, Zones):
        zones = Zones(zones, columns=columns, threads=threads)
    elif columns is not None:
        raise UCIDConfigError("columns are chosen when zones are compiled")
    framed = _is_frame(table)
    if framed:
        source = _frames().needed_columns(table, "score", (lat, lon, h3), ("city", "time"))
        if by_area:
            source = _numbered(source)
    else:
        source = _source(table, {})
    given: dict[str, object] = {"threads": threads or _processors(), "replace": int(replace or framed), "large_texts": int(framed)}
    given |= {key: name for key, name in (("lat_column", lat), ("lon_column", lon), ("cell_column", h3)) if name is not None}
    _check_errors(errors)
    stream: Any
    if by_area:
        stream = _ext.overlap_stream(source, zones._compiled, given)
    else:
        stream = _ext.join_stream(source, zones._compiled, -1.0 if distance is None else float(distance), all, given)
    if errors == "raise":
        stream = _raise_bad_rows(stream, _FINE | {"outside_index"})
    if not framed:
        return _sink(stream, table)
    import pyarrow

    names = [*zones.columns, *(["zone"] if "zone" not in zones.columns else []), "status"]
    names[-1:-1] = ["area_m2", "cell_share", "zone_share"] if by_area else [] if distance is None else ["distance_m"]
    made = pyarrow.table(stream)
    if by_area:
        table = table.iloc[made.column(_ROW).to_numpy()].reset_index(drop=True)
    return _frames().with_columns(table, made.select(names), replace)


_ROW = "row of the frame"


def _numbered(table: Any) -> Any:
    """A table with the number of each row, and the rest of its columns."""
    import pyarrow

    return table.append_column(_ROW, pyarrow.array(range(len(table)), pyarrow.int64()))
