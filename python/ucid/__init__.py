"""Urban Context Identifiers: places, hours and contexts, scored on the real street network.

>>> from ucid import create_ucid, parse_ucid
>>> print(create_ucid("IST", 41.015, 28.979, "2026W01T12", "15MIN", grade="A", confidence=0.95))
UCID-V1:IST:+41.015:+28.979:9:891ec90243bffff:2026W01T12:15MIN:A:0.95:

Scalars are for people and for rows; columns (``ucid.create``, ``ucid.parse``, ``ucid.score``, ...) take and give Arrow.
``import ucid`` loads neither pyarrow nor pandas nor any engine.
"""

# pyright: reportUnusedImport=false
# Checkers are told here of the names that __getattr__ loads.

from __future__ import annotations

import sys

from ucid import errors, latecomers
from ucid._ext import UCID, Index, __version__, create_ucid, is_valid_ucid, pack, parse_ucid, unpack
from ucid.errors import (
    UCIDConfigError,
    UCIDContextError,
    UCIDDataError,
    UCIDError,
    UCIDParseError,
    UCIDRegistryError,
    UCIDValidationError,
)

TYPE_CHECKING = False  # without a wait for typing
if TYPE_CHECKING:
    from typing import Any

    from ucid.cities import City, CityRegistry, get_city, get_city_bbox, list_cities, search_cities
    from ucid.columns import ArrowStream, aggregate, create, grid, parse, score
    from ucid.components import Component, component_scores, equality, list_components, normalize_score
    from ucid.contexts import get_context, list_contexts, register_context
    from ucid.grids import (
        cell_to_boundary,
        cell_to_latlng,
        generate_grid_h3,
        get_resolution,
        k_ring,
        latlng_to_cell,
        scan_city_grid,
    )
    from ucid.identifiers import canonicalize, canonicalize_ucid, validate_ucid
    from ucid.indexes import Network, build_index, explain, open_index, use_catalog, use_index
    from ucid.joins import Zones, join
    from ucid.maps import map, plot
    from ucid.temporal import (
        add_hours,
        add_weeks,
        compare_temporal,
        diff_hours,
        from_utc,
        generate_time_range,
        is_in_range,
        parse_temporal_key,
        to_utc,
    )

# Where a name that is not loaded with the package lives.
_HOMES = {
    "cities": "City CityRegistry get_cities_by_coordinates get_city get_city_bbox get_registry_info list_cities"
    " list_countries search_cities",
    "columns": "ArrowStream aggregate create grid parse score",
    "components": "Component component_scores equality list_components normalize_score",
    "contexts": "get_context list_contexts register_context",
    "grids": "cell_area cell_to_boundary cell_to_latlng cell_to_parent generate_grid_h3 get_resolution k_ring"
    " latlng_to_cell scan_city_grid",
    "identifiers": "canonicalize canonicalize_ucid validate_ucid",
    "indexes": "Network build_index explain open_index use_catalog use_index",
    "joins": "Zones join",
    "maps": "map plot",
    "temporal": "add_hours add_weeks calculate_freshness compare_temporal diff_hours from_utc generate_time_range"
    " is_in_range parse_temporal_key to_utc",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "UCID",
    "Index",
    "UCIDConfigError",
    "UCIDContextError",
    "UCIDDataError",
    "UCIDError",
    "UCIDParseError",
    "UCIDRegistryError",
    "UCIDValidationError",
    "__version__",
    "create_ucid",
    "errors",
    "is_valid_ucid",
    "pack",
    "parse_ucid",
    "unpack",
    *sorted(_HOME_OF.keys() - {"map"}),  # ucid.map, but not over Python's own by `import *`
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is not None:
        __import__(f"ucid.{home}")
        value = getattr(sys.modules[f"ucid.{home}"], name)
        setattr(sys.modules[__name__], name, value)
        return value
    raise AttributeError(f"module 'ucid' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*__all__, "map"])


latecomers.welcome("pandas", "ucid.frames")
