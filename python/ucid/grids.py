"""H3 cells and grids of cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ucid import _ext
from ucid._ext import (
    UCID,
    cell_area,
    cell_to_boundary,
    cell_to_latlng,
    cell_to_parent,
    k_ring,
    latlng_to_cell,
)
from ucid._ext import cell_resolution as get_resolution

__all__ = [
    "cell_area",
    "cell_to_boundary",
    "cell_to_latlng",
    "cell_to_parent",
    "generate_grid_h3",
    "get_resolution",
    "k_ring",
    "latlng_to_cell",
    "scan_city_grid",
]


def generate_grid_h3(
    min_lat: float | Sequence[float],
    min_lon: float | None = None,
    max_lat: float | None = None,
    max_lon: float | None = None,
    resolution: int = 9,
) -> list[str]:
    """Cells whose centre lies in a box.

    Parameters
    ----------
    min_lat, min_lon, max_lat, max_lon : float
        Degrees; the upper sides do not belong to the box; ``min_lon > max_lon`` crosses the antimeridian.
        Or ``generate_grid_h3(bbox, resolution)`` with the four as one sequence.
    resolution : int
        H3 resolution, 0..15.

    Returns
    -------
    list of str
        Ascending, 15 lower hexadecimal digits each.

    Raises
    ------
    UCIDConfigError
        A coordinate or the resolution is out of range.

    Examples
    --------
    >>> len(generate_grid_h3((41.0, 28.9, 41.1, 29.0), resolution=7))
    16
    >>> generate_grid_h3(41.0, 28.97, 41.02, 28.98, 8)
    ['881ec9020dfffff', '881ec90241fffff', '881ec90247fffff']
    """
    if isinstance(min_lat, Sequence):
        box = tuple(float(side) for side in min_lat)
        if len(box) != 4:
            raise TypeError("a bbox is (min_lat, min_lon, max_lat, max_lon)")
        if max_lat is not None or max_lon is not None:
            raise TypeError("with a bbox only the resolution is given besides")
        return _ext.grid_box(*box, int(min_lon) if min_lon is not None else resolution)
    if min_lon is None or max_lat is None or max_lon is None:
        raise TypeError("generate_grid_h3() needs four sides, or a bbox")
    return _ext.grid_box(min_lat, min_lon, max_lat, max_lon, resolution)


def scan_city_grid(
    city_code: str,
    bbox: Sequence[float],
    resolution: int = 9,
    timestamp: str = "2026W01T12",
    context: str = "15MIN",
) -> Iterator[UCID]:
    """Identifiers at the centres of the cells of a box.

    Parameters
    ----------
    city_code : str
    bbox : sequence of float
        min_lat, min_lon, max_lat, max_lon, degrees.
    resolution : int
        H3 resolution, 0..15.
    timestamp, context : str
        Of all identifiers.

    Yields
    ------
    UCID
        Ascending by cell, without a score: grade F, confidence 0.

    Examples
    --------
    >>> print(next(scan_city_grid("IST", (41.0, 28.97, 41.02, 28.98), 8)))
    UCID-V1:IST:+41.001:+28.977:8:881ec9020dfffff:2026W01T12:15MIN:F:0.00:
    """
    for cell in generate_grid_h3(bbox, resolution):
        lat, lon = cell_to_latlng(cell)
        yield _ext.create_ucid(city_code, lat, lon, timestamp, context, h3_res=resolution)
