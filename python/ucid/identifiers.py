"""Validation of identifiers: one call that raises, or tells everything that is wrong."""

from __future__ import annotations

from typing import Any, NamedTuple

from ucid import _ext
from ucid._ext import UCID

__all__ = ["Defect", "canonicalize", "canonicalize_ucid", "defects", "validate_ucid"]


class Defect(NamedTuple):
    """One thing that is wrong with a text.

    Attributes
    ----------
    code : str
        Status, such as ``"H3_MISMATCH"``.
    field : str
        Name of the field, such as ``"h3_index"``; empty where no field is meant.
    byte, bytes : int
        Offset and length of the offending piece in the UTF-8 text.
    message : str
        One line.
    """

    code: str
    field: str
    byte: int
    bytes: int
    message: str


def defects(ucid_string: str) -> list[Defect]:
    """List everything that is wrong with a text; empty for what strict parsing accepts.

    Examples
    --------
    >>> for defect in defects("UCID-V1:IST:+41.015:+28.979:8:891ec90243bffff:2025W53T12:15MIN:A:0.95:"):
    ...     print(defect.code, defect.field)
    H3_MISMATCH h3_res
    INVALID_TIME timestamp
    """
    return [Defect(*row) for row in _ext.defects(ucid_string)]


def validate_ucid(ucid: UCID | str, strict: bool = True) -> list[str]:
    """Validate an identifier against every rule of the standard.

    Parameters
    ----------
    ucid : UCID or str
    strict : bool
        Raise at the first defect; otherwise return the codes of all defects.

    Returns
    -------
    list of str
        Codes; empty when all is well.

    Raises
    ------
    UCIDParseError, UCIDValidationError
        Strict only.

    Examples
    --------
    >>> validate_ucid("UCID-V1:XXX:+41.015:+28.979:9:891ec90243bffff:2026W01T12:15MIN:A:0.95:", strict=False)
    ['INVALID_CITY']
    """
    text = str(ucid)
    if strict:
        _ext.parse_ucid(text, True)
        return []
    return [row[0] for row in _ext.defects(text)]


def canonicalize(ucid: Any, *, column: str | None = None, replace: bool = False, errors: str = "null") -> Any:
    """Canonical text of an identifier that lenient parsing reads after repair: case, blanks, padding. Idempotent.

    Parameters
    ----------
    ucid : str, UCID, or anything that speaks Arrow
        A table is given columns ``canonical`` and ``status``, as :mod:`ucid.columns` says.
    column : str, optional
        Of a table: the column of identifiers; default ``ucid``, or ``ucid_string``.
    replace : bool
        Of a table: replace columns that are there already; otherwise they are an error.
    errors : {"null", "raise"}
        Of a table: a bad row is null and says why in ``status``, or raises UCIDDataError with its number and status.

    Returns
    -------
    str, or the kind of the table

    Raises
    ------
    UCIDParseError
        Of a text that cannot be repaired; in a table it is a null row.

    Examples
    --------
    >>> canonicalize(" ucid-v1:ist:41.015:28.979:9:891EC90243BFFFF:2026w1t12:15min:a:0.95")
    'UCID-V1:IST:+41.015:+28.979:9:891ec90243bffff:2026W01T12:15MIN:A:0.95:'
    """
    if isinstance(ucid, str):
        return _ext.canonicalize(ucid)
    if isinstance(ucid, UCID):
        return str(ucid)
    from ucid.columns import canonicalize_column

    return canonicalize_column(ucid, column=column, replace=replace, errors=errors)


canonicalize_ucid = canonicalize
