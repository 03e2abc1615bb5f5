"""Areas of a grid, cut into parts of about equal work: rows of city, min_lat, min_lon, max_lat, max_lon."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa

from ucid import _ext
from ucid.cities import get_city_bbox
from ucid.errors import UCIDConfigError

__all__ = ["area_table", "parts_of"]

PART_CELLS = 50_000
_R = 6371.007


def _box(area: Any) -> tuple[str | None, tuple[float, float, float, float]]:
    if isinstance(area, str):
        south, west, north, east = get_city_bbox(area)
        return area, (south, west, north, east)
    south, west, north, east = (float(side) for side in area)
    return None, (south, west, north, east)


def parts_of(box: tuple[float, float, float, float], resolution: int) -> list[tuple[float, float, float, float]]:
    """A box as bands of latitude that hold some 50,000 cells each; a cell's centre is in one band and no other."""
    south, west, north, east = box
    if not south <= north:
        raise UCIDConfigError(f"a box is min_lat, min_lon, max_lat, max_lon; {south} is above {north}")
    width = east - west if east >= west else east - west + 360
    sines = math.sin(math.radians(north)) - math.sin(math.radians(south))
    km2 = _R * _R * math.radians(width) * sines
    cells = km2 / (_ext.cell_area(_ext.latlng_to_cell((south + north) / 2, west, resolution)))
    bands = max(1, math.ceil(cells / PART_CELLS))
    edges = [south + (north - south) * band / bands for band in range(bands)] + [north]
    # a band ends at the last double before the next one begins
    return [
        (edges[band], west, edges[band + 1] if band == bands - 1 else math.nextafter(edges[band + 1], -math.inf), east)
        for band in range(bands)
    ]


def area_table(areas: Any, resolution: int) -> pa.Table:
    """The table of a city code, a box, or a sequence of these.

    Examples
    --------
    >>> area_table((41.0, 28.9, 41.1, 29.0), 7).num_rows
    1
    """
    single = isinstance(areas, str) or (len(areas) == 4 and not any(isinstance(one, (str, list, tuple)) for one in areas))
    boxes = [_box(area) for area in ([areas] if single else areas)]
    rows = [(city, *part) for city, box in boxes for part in parts_of(box, resolution)]
    names = ["city", "min_lat", "min_lon", "max_lat", "max_lon"]
    types = [pa.string(), *[pa.float64()] * 4]
    table = pa.table({name: pa.array(values, kind) for name, kind, values in zip(names, types, zip(*rows), strict=True)})
    return table if any(city for city, _ in boxes) else table.drop_columns(["city"])
