"""What notebooks show of the objects of this package: a small HTML table each. Every text in it is escaped."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ucid._ext import ArrowStream, ContextResult, Index
    from ucid.contexts import PluginResult
    from ucid.indexes import Catalog, Reasons
    from ucid.joins import Zones

_CATALOG_ROWS = 20  # of a catalog that are shown


def table(caption: str, head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """An HTML table; None is an empty cell."""
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{'' if one is None else escape(str(one))}</td>" for one in row) + "</tr>" for row in rows)
    return f"<table><caption>{escape(caption)}</caption>{f'<tr>{names}</tr>' if names else ''}{body}</table>"


def of_result(result: ContextResult | PluginResult) -> str:
    """The parts of a score; also asked by the core, for its own kind of result."""
    from ucid import _ext, contexts

    if math.isnan(result.score):
        return table(f"{result.context}: no score ({result.status})", (), ())
    caption = f"{result.context}: {result.score:.2f}, grade {result.grade}, confidence {result.confidence:.2f} ({result.status})"
    context = contexts.get_context(result.context) if result.context in _ext.context_ids() else None
    weights: dict[str, float] = getattr(context, "weights", {})
    nearest: dict[str, float | None] = getattr(result, "nearest_m", {})
    parts = ((part, _number(weights.get(part), 2), _number(score, 2), _number(nearest.get(part), 0)) for part, score in result.breakdown.items())
    return table(caption, ("part", "weight", "score", "nearest, m") if result.breakdown else (), parts)


def _number(value: float | None, digits: int) -> str | None:
    return None if value is None else f"{value:.{digits}f}"


def of_index(index: Index) -> str:
    """Where an index comes from and what it holds; asked by the core."""
    told: dict[str, Any] = json.loads(index.json)
    inputs, streets, places, options = (told.get(name, {}) for name in ("inputs", "streets", "places", "options"))
    south, west, north, east = index.bounds
    rows = [
        ("id", index.id),
        ("extracts", ", ".join(str(one.get("name")) for one in inputs.values())),
        ("week of the data", index.timestamp),
        ("box", f"{south:.4f}, {west:.4f} to {north:.4f}, {east:.4f}"),
        ("streets", f"{streets.get('length_m', 0) / 1000:,.1f} km, {streets.get('junctions', 0):,} junctions"),
        ("places", f"{places.get('kept', 0):,}"),
        ("reach", f"{options.get('cutoff_m', 0):g} m, snap limit {options.get('snap_limit_m', 0):g} m"),
        ("licence", told.get("licence")),
    ]
    return table(index.path, (), rows)


def of_catalog(catalog: Catalog) -> str:
    """The first indexes of a catalog, as it lists them: none is opened or fetched."""
    rows = [(one.uri.rsplit("/", 1)[-1], one.data, *(f"{side:.3f}" for side in one.bounds)) for one in catalog.entries[:_CATALOG_ROWS]]
    more = len(catalog.entries) - len(rows)
    caption = f"{catalog.uri}: {len(catalog.entries)} indexes" + (f", the first {len(rows)}" if more else "")
    return table(caption, ("index", "week", "south", "west", "north", "east"), rows)


def of_reasons(reasons: Reasons) -> str:
    """The places that a score comes from."""
    rows = ((one.part, one.name, one.tag, f"{one.distance_m:.0f}", "yes" if one.counted else "") for one in reasons)
    return table(f"{len(reasons)} places", ("part", "place", "tag", "walked, m", "counted"), rows)


def of_stream(stream: ArrowStream) -> str:
    """The columns of a stream that nobody has read yet; it stays unread. Asked by the core."""
    try:
        names = stream.column_names
    except ValueError:
        return table("ArrowStream, read already", (), ())
    try:
        import pyarrow
    except ImportError:
        return table("ArrowStream, not read yet", ("column",), ((name,) for name in names))
    fields = pyarrow.schema(stream)
    return table("ArrowStream, not read yet", ("column", "type"), ((field.name, field.type) for field in fields))


def of_zones(zones: Zones) -> str:
    """How many zones there are, and the columns that places get."""
    return table(f"{len(zones)} zone{'' if len(zones) == 1 else 's'}", ("column",), ((name,) for name in zones.columns))
