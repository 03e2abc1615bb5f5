"""Time keys: ISO week and hour of the day in the city's local time, ``2026W01T12``, without a weekday.

A key counts as its Monday: ``168 * week + hour`` hours since Monday 1969-12-29 00h. Results drop the weekday.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import NamedTuple

from ucid import _ext

__all__ = [
    "TemporalKey",
    "add_hours",
    "add_weeks",
    "calculate_freshness",
    "compare_temporal",
    "diff_hours",
    "from_datetime",
    "from_utc",
    "generate_time_range",
    "is_in_range",
    "parse_temporal_key",
    "to_datetime",
    "to_utc",
]


class TemporalKey(NamedTuple):
    """Year, week and hour of a key."""

    year: int
    week: int
    hour: int


def parse_temporal_key(timestamp: str) -> TemporalKey:
    """Read a key.

    Parameters
    ----------
    timestamp : str
        ``YYYYWwwThh``.

    Returns
    -------
    TemporalKey

    Raises
    ------
    UCIDParseError
        Not of the form ``YYYYWwwThh``.
    UCIDValidationError
        The year has no week 53.

    Examples
    --------
    >>> parse_temporal_key("2026W53T12")
    TemporalKey(year=2026, week=53, hour=12)
    """
    _ext.time_hour(timestamp)
    return TemporalKey(int(timestamp[:4]), int(timestamp[5:7]), int(timestamp[8:]))


def add_hours(timestamp: str, hours: int) -> str:
    """Key some hours later, or earlier.

    Parameters
    ----------
    timestamp : str
        A key.
    hours : int
        Negative: earlier.

    Returns
    -------
    str
        Its weekday is dropped, so 12 hours after ``2026W01T18`` is ``2026W01T06``.

    Raises
    ------
    UCIDValidationError
        ``INVALID_TIME``: outside the years 1..9999.

    Examples
    --------
    >>> add_hours("2026W01T12", 6)
    '2026W01T18'
    """
    return _ext.add_hours(timestamp, hours)


def add_weeks(timestamp: str, weeks: int) -> str:
    """Key some weeks later, or earlier.

    Parameters
    ----------
    timestamp : str
        A key.
    weeks : int
        Negative: earlier.

    Returns
    -------
    str

    Raises
    ------
    UCIDValidationError
        ``INVALID_TIME``: outside the years 1..9999.

    Examples
    --------
    >>> add_weeks("2026W53T12", 1)
    '2027W01T12'
    """
    return _ext.add_weeks(timestamp, weeks)


def diff_hours(a: str, b: str) -> int:
    """Hours from ``b`` to ``a``, each key taken as its Monday.

    Parameters
    ----------
    a, b : str
        Keys.

    Returns
    -------
    int

    Examples
    --------
    >>> diff_hours("2026W02T12", "2026W01T12")
    168
    """
    return _ext.time_hour(a) - _ext.time_hour(b)


def compare_temporal(a: str, b: str) -> int:
    """Order of two keys.

    Parameters
    ----------
    a, b : str
        Keys.

    Returns
    -------
    int
        -1, 0 or 1: ``a`` is before, equal to or after ``b``.

    Examples
    --------
    >>> compare_temporal("2026W01T12", "2026W01T13")
    -1
    """
    difference = diff_hours(a, b)
    return (difference > 0) - (difference < 0)


def is_in_range(timestamp: str, start: str, end: str) -> bool:
    """Whether a key lies in a range; both ends belong to it.

    Parameters
    ----------
    timestamp, start, end : str
        Keys.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_in_range("2026W02T00", "2026W01T12", "2026W02T00")
    True
    """
    return _ext.time_hour(start) <= _ext.time_hour(timestamp) <= _ext.time_hour(end)


def generate_time_range(start: str, end: str, step_hours: int = 1) -> list[str]:
    """Distinct keys of ``start``, ``start + step`` and so on up to ``end``, ascending.

    Parameters
    ----------
    start, end : str
        Keys.
    step_hours : int
        At least 1.

    Returns
    -------
    list of str

    Raises
    ------
    UCIDValidationError
        ``INVALID_STEP``: the step is not positive.

    Examples
    --------
    >>> generate_time_range("2026W01T00", "2026W01T12", 6)
    ['2026W01T00', '2026W01T06', '2026W01T12']
    """
    return _ext.time_range(start, end, step_hours)


def _zone(city: str) -> str:
    return city if "/" in city or city == "UTC" else _ext.city_get(city)[3]


def to_utc(timestamp: str, city: str) -> str:
    """Key in UTC of a city's local key.

    The hour is shifted inside its week by the zone's offset on Thursday noon, in whole hours.

    Parameters
    ----------
    timestamp : str
        A key.
    city : str
        Code of a city, or an IANA zone.

    Returns
    -------
    str

    Raises
    ------
    UCIDRegistryError
        ``CITY_NOT_FOUND``.
    UCIDDataError
        ``FILE_NOT_FOUND``: no such zone on this machine.

    Examples
    --------
    >>> to_utc("2026W01T12", "IST")
    '2026W01T09'
    """
    return _ext.time_to_utc(timestamp, _zone(city))


def from_utc(timestamp: str, city: str) -> str:
    """Local key of a key in UTC; takes :func:`to_utc` back.

    Parameters
    ----------
    timestamp : str
        A key.
    city : str
        Code of a city, or an IANA zone.

    Returns
    -------
    str

    Raises
    ------
    UCIDRegistryError, UCIDDataError
        As :func:`to_utc`.

    Examples
    --------
    >>> from_utc("2026W01T09", "IST")
    '2026W01T12'
    """
    return _ext.time_from_utc(timestamp, _zone(city))


def from_datetime(moment: datetime) -> str:
    """Key of a date and time, of whatever clock it shows.

    Examples
    --------
    >>> from_datetime(datetime(2026, 12, 31, 12))
    '2026W53T12'
    """
    return _ext.time_from_seconds(int(moment.replace(tzinfo=timezone.utc).timestamp() // 1))


def to_datetime(timestamp: str) -> datetime:
    """Monday of a key's week, at its hour, without a zone.

    Examples
    --------
    >>> to_datetime("2026W01T12")
    datetime.datetime(2025, 12, 29, 12, 0)
    """
    return datetime.fromtimestamp(_ext.time_to_seconds(timestamp), timezone.utc).replace(tzinfo=None)


def calculate_freshness(timestamp: str, now: str, context: str = "15MIN") -> float:
    """How fresh a score is: 1 of now, falling to 0 at the end of the context's validity.

    Parameters
    ----------
    timestamp, now : str
        Keys.
    context : str
        Its validity in weeks is that of the standard; docs/contexts.md.

    Returns
    -------
    float
        ``1 - |timestamp - now| / validity``, at least 0.

    Raises
    ------
    ValueError
        No validity is published for the context.

    Examples
    --------
    >>> calculate_freshness("2026W01T12", "2026W03T12", "15MIN")
    0.5
    """
    weeks = _ext.time_validity(context)
    if weeks < 1:
        raise ValueError(f"no validity is published for the context '{context}'")
    return _ext.time_freshness(timestamp, now, weeks)
