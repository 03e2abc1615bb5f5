"""``frame.ucid`` of Dask and Modin: the functions of :mod:`ucid.distributed` on a frame."""

from __future__ import annotations

from typing import Any

from ucid import distributed

__all__ = ["Accessor"]


class Accessor:
    """Gives frames of the kind that it has."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame

    def create(self, **options: Any) -> Any:
        """Identifiers; see :func:`ucid.create`."""
        return distributed.create(self._frame, **options)

    def score(self, context: str = "15MIN", **options: Any) -> Any:
        """Scores; see :func:`ucid.score`."""
        return distributed.score(self._frame, context, **options)

    def parse(self, **options: Any) -> Any:
        """Fields of identifiers; see :func:`ucid.parse`."""
        return distributed.parse(self._frame, **options)

    def aggregate(self, to: Any = None, **options: Any) -> Any:
        """Roll-up; see :func:`ucid.distributed.aggregate`."""
        return distributed.aggregate(self._frame, to, **options)

    def repartition(self, by: str, **options: Any) -> Any:
        """Rows of one city, cell or hour together; see :func:`ucid.distributed.repartition`."""
        return distributed.repartition(self._frame, by, **options)
