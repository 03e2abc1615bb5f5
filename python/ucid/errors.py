"""Errors of the package: one class a family of statuses, the status itself in ``error_code``.

The C library has one list of statuses (``UCID_STATUS_LIST`` in ``ucid.h``); it names the Python class of each, and a
test walks the list.
"""

from __future__ import annotations

TYPE_CHECKING = False  # without a wait for typing
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "UCIDConfigError",
    "UCIDContextError",
    "UCIDDataError",
    "UCIDError",
    "UCIDParseError",
    "UCIDRegistryError",
    "UCIDValidationError",
]


class UCIDError(Exception):
    """Base of all errors of this package.

    Parameters
    ----------
    message : str
        One line, value and limit.
    details : dict, optional
        What else is known: ``byte`` (offset in the text), ``row``, ``field``.
    code : str, optional
        Status, such as ``"INVALID_H3"``; the class has a default.

    Attributes
    ----------
    error_code : str
    message : str
    details : dict
    """

    error_code: str = "INTERNAL_ERROR"

    def __init__(self, message: str, details: dict[str, Any] | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = dict(details) if details else {}
        if code:
            self.error_code = code

    @property
    def code(self) -> str:
        """The status, under the name that the constructor gives it."""
        return self.error_code

    def __repr__(self) -> str:
        return f"{type(self).__name__}(code={self.error_code!r}, message={self.message!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.details, self.error_code)


class UCIDParseError(UCIDError, ValueError):
    """A text is not an identifier."""

    error_code = "PARSE_ERROR"


class UCIDValidationError(UCIDError, ValueError):
    """An identifier, or a value for one, breaks a rule of the standard."""

    error_code = "VALIDATION_ERROR"


class UCIDContextError(UCIDError):
    """A context does not exist or could not be computed."""

    error_code = "CONTEXT_ERROR"


class UCIDDataError(UCIDError):
    """An input file or an index is missing, damaged or of the wrong kind."""

    error_code = "DATA_ERROR"


class UCIDConfigError(UCIDError, ValueError):
    """An argument or a setting is out of its range."""

    error_code = "CONFIG_ERROR"


class UCIDRegistryError(UCIDError, LookupError):
    """A city is not in the registry, or a city file is not valid."""

    error_code = "REGISTRY_ERROR"
