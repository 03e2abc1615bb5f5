"""Roll-ups in three stages, so that a tree of any shape gives the same groups.

    rows  --part-->   states     of the finest cells and the finest texts that are asked for, once over the rows
          --merge-->  states     of several parts; again and again, in whatever order
          --finish--> results    of every level: coarser ones are made of the finest
    rows  --whole-->  results    where there is one part

States are rows of level, key and the int64 columns of :func:`ucid.aggregate`: sums of integers, so neither the parts nor their
order show in the result. Between stages they are bytes, which nobody looks at but the next stage: as columns an engine would
write each value and read it back, as rows Spark does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from ucid import columns
from ucid.errors import UCIDConfigError

__all__ = ["STAGES", "levels_of", "needed", "repeating", "run"]

STAGES = ("part", "merge", "finish", "whole")
_TEXTS = ("city", "region", "country")


def repeating(given: pa.Schema, options: dict[str, Any]) -> list[str]:
    """Of the columns given, texts of which a roll-up's rows have few: worth a dictionary."""
    names = {options.get("city"), "city", "city_code", "region", "country"}
    return [str(field.name) for field in given if field.name in names and pa.types.is_string(field.type)]


def levels_of(to: str | int | Sequence[str | int]) -> tuple[str, ...]:
    """Levels by name.

    Raises
    ------
    UCIDConfigError
        One of them is none, or is asked for twice.
    """
    asked = [to] if isinstance(to, (str, int)) else list(to)
    levels = tuple(f"r{level}" if isinstance(level, int) else level for level in asked)
    for level in levels:
        if level not in _TEXTS and not (level[:1] == "r" and level[1:].isdigit() and int(level[1:]) <= 15):
            raise UCIDConfigError(f"no groups '{level}'; there are r0 to r15, {', '.join(_TEXTS)}")
        if levels.count(level) > 1:
            raise UCIDConfigError(f"groups '{level}' are asked for twice")
    if not levels:
        raise UCIDConfigError("no groups are asked for")
    return levels


def needed(given: Sequence[str], to: Any, options: dict[str, Any]) -> list[str]:
    """Of the names given, the columns that :func:`ucid.aggregate` reads for some levels: it takes cells before identifiers,
    and these before coordinates; cities before identifiers. What it does not read need not be fetched."""

    def first(*names: str) -> set[str]:
        return {next((name for name in names if name in given), "")}

    levels = levels_of(to)
    ucid = first("ucid", "ucid_string")
    cell = {options["h3"]} if options.get("h3") else first("h3", "h3_index", "h3_cell", "cell")
    city = {options["city"]} if options.get("city") else first("city", "city_code")
    place = first("lat", "latitude", "y") | first("lon", "lng", "longitude", "long", "x")
    chosen = {options.get("score") or "score", options.get("weight"), "confidence"}
    if any(level not in _TEXTS for level in levels):
        chosen |= cell if any(cell) else ucid if any(ucid) else place
    if any(level in _TEXTS for level in levels):
        chosen |= city if any(city) else ucid if any(ucid) else {"region", "country"}
    return [name for name in given if name in chosen]


def run(batches: pa.RecordBatchReader, to: Any, stage: str, options: dict[str, Any]) -> Any:
    """One stage over batches, computed when it is read. Results of one level are as :func:`ucid.aggregate` gives them, those
    of a sequence have the level and the key in front, as all states have."""
    levels = levels_of(to)
    if stage == "whole":
        return columns.aggregate(batches, to, **options)
    if stage == "part":
        return columns.aggregate(batches, levels, states="bytes", **options)
    threads = options.get("threads")
    if stage == "merge":
        return columns.aggregate(batches, levels, states="bytes", threads=threads)
    if stage == "finish":
        made = columns.aggregate(batches, levels, threads=threads)
        return _of_level(pa.table(made), levels[0]) if isinstance(to, (str, int)) else made
    raise UCIDConfigError(f"no stage '{stage}'; there are {', '.join(STAGES)}")


def _of_level(groups: pa.Table, level: str) -> pa.Table:
    chosen = groups.drop_columns(["level"])
    return chosen.rename_columns([level if level in _TEXTS else "h3", *chosen.column_names[1:]])
