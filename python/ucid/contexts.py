"""Contexts: what a place is scored in.

Built-in contexts are computed by the C core on an index. Others can be added in Python, columnar: arrays in, arrays out;
by :func:`register_context`, or by an entry point of the group ``ucid.contexts`` whose name is the context's id.

>>> class Safety:
...     context_id = "SAFETY"
...     def score(self, lat, lon, timestamp):
...         return [50.0] * len(lat), [0.5] * len(lat)
>>> register_context(Safety())
>>> get_context("SAFETY").compute(41.0, 29.0, "2026W01T12").grade
'D'
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from ucid import _ext
from ucid._ext import Context, ContextResult, Index
from ucid.errors import UCIDContextError, UCIDError

if TYPE_CHECKING:
    from ucid.indexes import Catalog

__all__ = [
    "ContextPlugin",
    "ContextResult",
    "PluginContext",
    "PluginResult",
    "get_context",
    "grade_of",
    "list_contexts",
    "register_context",
]

ENTRY_POINT_GROUP = "ucid.contexts"


@runtime_checkable
class ContextPlugin(Protocol):
    """A context written in Python.

    Attributes
    ----------
    context_id : str
        ``[A-Z0-9]{1,16}``, as in identifiers.

    Methods
    -------
    score(lat, lon, timestamp)
        ``lat``, ``lon`` are buffers of float64 (``numpy.asarray`` takes them without a copy), degrees, of equal length;
        ``timestamp`` is a week key or None. Returns ``(score, confidence)``: sequences or buffers of that length, scores
        0..100, confidences 0..1; NaN for a place that has none.
    explain(lat, lon)
        Optional: the places that a score comes from, tuples as :class:`ucid.indexes.Reason` has them.
    """

    context_id: str

    def score(self, lat: Any, lon: Any, timestamp: str | None) -> tuple[Sequence[float], Sequence[float]]: ...


# Least score of each grade, from the best.
GRADES = ((95.0, "A+"), (85.0, "A"), (70.0, "B"), (55.0, "C"), (40.0, "D"), (0.0, "F"))


def grade_of(score: float) -> str:
    """Grade of a score of 0..100, taken to hundredths.

    Examples
    --------
    >>> [grade_of(score) for score in (95, 85, 70, 55, 40, 39.99)]
    ['A+', 'A', 'B', 'C', 'D', 'F']
    """
    return next((grade for least, grade in GRADES if round(score, 2) >= least), "F")


@dataclass(frozen=True)
class PluginResult:
    """Score of one place in a context written in Python; the fields of :class:`ContextResult`."""

    context: str
    score: float
    confidence: float
    grade: str
    status: str = "ok"
    breakdown: dict[str, float] = field(default_factory=dict)
    snap_m: float = math.nan

    @property
    def raw_score(self) -> float:
        """The score, under its published name."""
        return self.score

    def _repr_html_(self) -> str:
        from ucid import notebook

        return notebook.of_result(self)


class PluginContext:
    """A registered plug-in, with the doors of a built-in context."""

    def __init__(self, plugin: ContextPlugin) -> None:
        self.plugin = plugin
        self.context_id = plugin.context_id

    def score_columns(self, lat: Any, lon: Any, timestamp: str | None = None) -> tuple[array[float], array[float]]:
        """Scores, rounded to hundredths, and confidences of columns of places.

        Raises
        ------
        UCIDContextError
            ``COMPUTATION_FAILED``: the plug-in raised, or gave columns of another length or out of range.
        """
        try:
            scores, confidences = self.plugin.score(lat, lon, timestamp)
            columns = array("d", scores), array("d", confidences)
        except UCIDError:
            raise
        except Exception as error:
            message = f"context {self.context_id}: {type(error).__name__}: {error}"
            raise UCIDContextError(message, code="COMPUTATION_FAILED") from error
        for name, values, top in (("scores", columns[0], 100.0), ("confidences", columns[1], 1.0)):
            if len(values) != len(lat):
                message = f"context {self.context_id}: {len(values)} {name} for {len(lat)} places"
                raise UCIDContextError(message, code="COMPUTATION_FAILED")
            for row, value in enumerate(values):
                if not (0.0 <= value <= top or math.isnan(value)):
                    message = f"context {self.context_id}: {name[:-1]} {value} of row {row} is not within 0..{top:g}"
                    raise UCIDContextError(message, {"row": row}, "COMPUTATION_FAILED")
                values[row] = round(value, 2)
        return columns

    def compute(self, lat: float, lon: float, timestamp: str | None = None) -> PluginResult:
        """Score one place; see :meth:`score_columns`."""
        scores, confidences = self.score_columns(array("d", (lat,)), array("d", (lon,)), timestamp)
        status = "computation_failed" if math.isnan(scores[0]) else "ok"
        return PluginResult(self.context_id, scores[0], confidences[0], grade_of(scores[0]), status)

    def explain(self, lat: float, lon: float) -> list[tuple[Any, ...]]:
        """The places that a score comes from, as the plug-in tells them.

        Raises
        ------
        UCIDContextError
            It does not tell any.
        """
        told = getattr(self.plugin, "explain", None)
        if not callable(told):
            message = f"context {self.context_id} is a plug-in without explain(lat, lon), so it has no reasons to show"
            raise UCIDContextError(message, code="COMPUTATION_FAILED")
        return [tuple(row) for row in cast("Iterable[tuple[Any, ...]]", told(lat, lon))]

    def __repr__(self) -> str:
        return f"Context('{self.context_id}', plug-in {type(self.plugin).__qualname__})"


_registered: dict[str, PluginContext] = {}


def register_context(plugin: ContextPlugin | type[ContextPlugin]) -> None:
    """Add a context written in Python; it replaces one of the same id.

    Parameters
    ----------
    plugin : ContextPlugin, or a class of them
        See :class:`ContextPlugin`.

    Raises
    ------
    UCIDContextError
        It is no context, its id does not fit, or is that of a built-in context.

    Examples
    --------
    >>> class Noise:
    ...     context_id = "NOISE"
    ...     def score(self, lat, lon, timestamp):
    ...         return [70.0] * len(lat), [1.0] * len(lat)
    >>> register_context(Noise)
    >>> get_context("NOISE").compute(41.0, 29.0).grade
    'B'
    """
    instance = plugin() if isinstance(plugin, type) else plugin
    name = getattr(instance, "context_id", None)
    if not isinstance(name, str) or not callable(getattr(instance, "score", None)):
        raise UCIDContextError(f"{instance!r} is no context: it needs context_id and score(lat, lon, timestamp)")
    if not (1 <= len(name) <= 16 and name.isascii() and name.isalnum() and name == name.upper()):
        raise UCIDContextError(f"context id '{name}' is not 1 to 16 capital letters and digits")
    if name in _ext.context_ids():
        raise UCIDContextError(f"'{name}' is a built-in context")
    _registered[name] = PluginContext(instance)


@cache
def _entry_points() -> dict[str, EntryPoint]:
    return {point.name.upper(): point for point in entry_points(group=ENTRY_POINT_GROUP)}


def _load(name: str) -> PluginContext | None:
    """A registered context, or that of an entry point of its name; what fails to load fails when it is asked for."""
    point = _entry_points().get(name)
    if name not in _registered and point is not None:
        try:
            register_context(point.load())
        except Exception as error:
            message = f"context plug-in '{point.name}' ({point.value}) cannot be loaded: {error}"
            raise UCIDContextError(message) from error
    return _registered.get(name)


@cache
def _built_in(context_id: str) -> Context:
    from ucid.indexes import find_index

    return Context(context_id, find_index)


class _Fixed:
    """What a context asks that came from another process: the index or the catalog that it asked there."""

    def __init__(self, chosen: Index | Catalog) -> None:
        self.chosen = chosen

    def __call__(self, cell: str) -> Index | tuple[Index, ...]:
        return self.chosen if isinstance(self.chosen, Index) else self.chosen.find(cell)


def reduce_context(context: Context) -> tuple[Any, ...]:
    """For the core: what pickle keeps of a context: its id, and what this process scores on, where that is chosen."""
    from ucid import indexes

    if isinstance(context.resolver, _Fixed):
        return _reopen, (context.context_id, context.resolver.chosen)
    if context.resolver is not indexes.find_index:
        return Context, (context.context_id, context.resolver)
    try:
        return _reopen, (context.context_id, indexes.current())
    except UCIDError:
        return get_context, (context.context_id,)


def _reopen(context_id: str, chosen: Index | Catalog) -> Context:
    return Context(context_id, _Fixed(chosen))


def get_context(context_id: str) -> Context | PluginContext:
    """Context by id.

    Parameters
    ----------
    context_id : str
        In any case.

    Returns
    -------
    Context or PluginContext
        Both have ``context_id`` and ``compute(lat, lon, timestamp)``.

    Raises
    ------
    UCIDContextError
        ``CONTEXT_NOT_FOUND``.

    Examples
    --------
    >>> get_context("15min")
    Context('15MIN')
    """
    name = context_id.upper()
    if name in _ext.context_ids():
        return _built_in(name)
    found = _load(name)
    if found is None:
        known = ", ".join(list_contexts())
        raise UCIDContextError(f"no context '{context_id}'; there are {known}", code="CONTEXT_NOT_FOUND")
    return found


def list_contexts() -> list[str]:
    """Ids of all contexts, the built-in ones first; those of entry points are listed, but not loaded.

    Returns
    -------
    list of str

    Examples
    --------
    >>> list_contexts()[0]
    '15MIN'
    """
    return [*_ext.context_ids(), *sorted(_registered.keys() | _entry_points().keys())]


def forget_indexes() -> None:
    """Let every built-in context ask for its indexes again."""
    for context_id in _ext.context_ids():
        _built_in(context_id).forget_indexes()
