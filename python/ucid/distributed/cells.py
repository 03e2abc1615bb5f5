"""Cells of columns, for functions that SQL wants one by one: Arrow arrays in, Arrow arrays out."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ucid import _ext, columns
from ucid.errors import UCIDDataError

__all__ = ["cells_of", "parents", "place_cells"]

_CELLS = ("h3", "h3_index", "h3_cell", "cell")
_NAMES = ("ucid", "ucid_string")


def place_cells(lat: pa.Array, lon: pa.Array, resolution: int = 9) -> pa.Array:
    """Cells of coordinates, degrees; null where a coordinate is null or out of range."""
    places = pa.table({"lat": lat, "lon": lon})
    made = columns.create(places, city="AAA", timestamp="2026W01T00", context="X", resolution=resolution, threads=1)
    return _cells_of_identifiers(made.column("ucid"))


def _cells_of_identifiers(identifiers: Any) -> pa.Array:
    parsed = columns.parse(pa.table({"ucid": identifiers}), strict=False, threads=1).column("h3_index")
    return parsed.combine_chunks() if isinstance(parsed, pa.ChunkedArray) else parsed


def _parent(cell: bytes | None, resolution: int) -> str | None:
    try:
        return None if cell is None else _ext.cell_to_parent(cell.decode(), resolution)
    except ValueError:
        return None


def parents(cells: pa.Array, resolution: int) -> pa.Array:
    """Parents of cells, texts or their bytes; null where there is none. Each different cell is looked at once."""
    if isinstance(cells, pa.ChunkedArray):
        cells = cells.combine_chunks()
    told = pc.dictionary_encode(cells)
    made = pa.array([_parent(cell, resolution) for cell in told.dictionary.cast(pa.binary()).to_pylist()], pa.string())
    return pc.take(made, told.indices)


def cells_of(table: pa.Table, resolution: int) -> pa.Array:
    """Cells of a table's rows at a resolution: of its cells, its identifiers, or its coordinates."""
    for name in _CELLS:
        if name in table.column_names:
            return parents(table.column(name).cast(pa.string()), resolution)
    for name in _NAMES:
        if name in table.column_names:
            return parents(_cells_of_identifiers(table.column(name).cast(pa.string())), resolution)
    if "lat" in table.column_names and "lon" in table.column_names:
        return place_cells(table.column("lat").combine_chunks(), table.column("lon").combine_chunks(), resolution)
    raise UCIDDataError(f"no cells: a column {', '.join(_CELLS + _NAMES)} is wanted, or lat and lon")
