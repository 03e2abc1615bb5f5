"""How tables of ours are written as Parquet.

Identifiers and coordinates hardly ever repeat, and they are most of a scored table. A writer that looks for repetition in them
hashes every value, keeps each in a dictionary up to a megabyte and stores an index beside it: twice the work for a larger file. So
dictionaries are given up early: those of cities, grades and statuses are small.
"""

from __future__ import annotations

__all__ = ["DICTIONARY_BYTES", "settings"]

DICTIONARY_BYTES = 1 << 16  # of a column in a row group; beyond, its values are written as they are


def settings(compression: str, level: int | None = None) -> dict[str, object]:
    """Options of Arrow's writer, which Dask, Ray and pandas pass on to it."""
    chosen: dict[str, object] = {"compression": compression, "dictionary_pagesize_limit": DICTIONARY_BYTES}
    return chosen if level is None else {**chosen, "compression_level": level}
