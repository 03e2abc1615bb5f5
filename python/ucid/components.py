"""Formulas of the standard for components of scores, for contexts written in Python.

>>> component_scores("TRANSIT", "accessibility", [120.0, 400.0, 900.0]).tolist()
[100.0, 50.0, 0.0]
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass

from ucid import _ext
from ucid.errors import UCIDContextError

__all__ = ["Component", "component_scores", "equality", "list_components", "normalize_score"]


@dataclass(frozen=True)
class Component:
    """A component that is a function of one number: 0 up to ``zero``, 100 from ``full`` on, straight between them.

    Attributes
    ----------
    context, key : str
        ``TRANSIT``, ``accessibility``.
    input : str
        What the number is, and its unit: ``stop_m``.
    weight : float
        In the context's score.
    zero, full : float
        ``zero`` is above ``full`` where less is better.
    """

    context: str
    key: str
    input: str
    weight: float
    zero: float
    full: float


def list_components(context: str | None = None) -> list[Component]:
    """Components that are functions of one number.

    Parameters
    ----------
    context : str or None
        Of one context, or all.

    Returns
    -------
    list of Component

    Examples
    --------
    >>> [(one.key, one.input, one.weight) for one in list_components("WALK")]
    [('connectivity', 'intersections_per_km2', 0.25), ('block_size', 'mean_perimeter_m', 0.15)]
    """
    return [one for one in (Component(*row) for row in _ext.components()) if context in (None, one.context)]


def component_scores(context: str, component: str, values: Iterable[float]) -> array[float]:
    """Scores of a component of a column of numbers.

    Parameters
    ----------
    context, component : str
        As :func:`list_components` lists them.
    values : iterable of float
        In the unit of the component's input; NaN gives NaN.

    Returns
    -------
    array of float
        0..100, not rounded.

    Raises
    ------
    UCIDContextError
        ``CONTEXT_NOT_FOUND``: there is no such component.

    Examples
    --------
    >>> component_scores("WALK", "block_size", [300, 600, 900]).tolist()
    [100.0, 50.0, 0.0]
    """
    scores = array("d", values)
    if not _ext.component_scores(context, component, scores):
        raise UCIDContextError(f"no component '{component}' of '{context}'", code="CONTEXT_NOT_FOUND")
    return scores


def normalize_score(value: float, min: float, max: float, invert: bool = False) -> float:
    """A number between two limits as a score.

    Parameters
    ----------
    value : float
    min, max : float
        What is 0, and what is 100; beyond them it stays so.
    invert : bool
        100 at ``min``, 0 at ``max``.

    Returns
    -------
    float
        0..100; 50 where ``min`` is ``max``; NaN where one of them is NaN.

    Examples
    --------
    >>> normalize_score(25, 0, 50), normalize_score(10, 0, 50, invert=True), normalize_score(5, 5, 5)
    (50.0, 80.0, 50.0)
    """
    return _ext.normalize(value, min, max, invert)


def equality(values: Iterable[float]) -> float:
    """How equal values are: 100 (1 - G), with the Gini coefficient G.

    Parameters
    ----------
    values : iterable of float
        None negative; such as mean access to services of terciles of income, EQUITY's ``income_equity``.

    Returns
    -------
    float
        100 where all are equal; NaN where there is no value, or one that is negative or not finite.

    Examples
    --------
    >>> round(equality([20, 50, 80]), 2)
    73.33
    """
    return _ext.equality(array("d", values))
