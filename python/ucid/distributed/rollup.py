"""Roll-ups in three stages, so that a tree of any shape gives the same groups.

    rows  --part-->   states     of the finest cells and the finest texts that are asked for, once over the rows
          --merge-->  states     of several parts; again and again, in whatever order
          --finish--> results    of every level: coarser ones are made of the finest

States are rows of level, key and the int64 columns of :func:`ucid.aggregate`: sums of integers, so neither the parts nor their
order show in the result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ucid import columns
from ucid.errors import UCIDConfigError

__all__ = ["STAGES", "levels_of", "needed", "run"]

STAGES = ("part", "merge", "finish")
_TEXTS = ("city", "region", "country")
_CHUNK_BYTES = 128 << 20  # of rows that are read for two kinds of groups


def levels_of(to: str | int | Sequence[str | int]) -> tuple[str, ...]:
    """Levels by name.

    Raises
    ------
    UCIDConfigError
        One of them is none.
    """
    asked = [to] if isinstance(to, (str, int)) else list(to)
    levels = tuple(f"r{level}" if isinstance(level, int) else level for level in asked)
    for level in levels:
        if level not in _TEXTS and not (level[:1] == "r" and level[1:].isdigit() and int(level[1:]) <= 15):
            raise UCIDConfigError(f"no groups '{level}'; there are r0 to r15, {', '.join(_TEXTS)}")
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


def _finest(levels: Sequence[str]) -> dict[str, list[str]]:
    """The finest cells and the finest texts, each with the levels that are made of it."""
    texts = [level for level in levels if level in _TEXTS]
    cells = [level for level in levels if level not in _TEXTS]
    found = {}
    if cells:
        found[max(cells, key=lambda level: int(level[1:]))] = cells
    if texts:
        found[min(texts, key=_TEXTS.index)] = texts
    return found


def _named(groups: pa.Table, level: str) -> pa.Table:
    names = ["key", *groups.column_names[1:]]
    level_column = pa.repeat(pa.scalar(level), groups.num_rows)
    return groups.rename_columns(names).replace_schema_metadata(None).add_column(0, "level", level_column)


def _of_level(states: pa.Table, level: str) -> pa.Table:
    chosen = states.filter(pc.equal(states.column("level"), level)).drop_columns(["level"])
    return chosen.rename_columns([level if level in _TEXTS else "h3", *chosen.column_names[1:]])


def _chunks(batches: pa.RecordBatchReader) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        held.append(batch)
        size += batch.nbytes
        if size >= _CHUNK_BYTES:
            yield pa.Table.from_batches(held)
            held, size = [], 0
    yield pa.Table.from_batches(held, batches.schema)


def _part(batches: pa.RecordBatchReader, levels: Sequence[str], options: dict[str, Any]) -> pa.Table:
    finest = _finest(levels)
    if len(finest) == 1:
        (level,) = finest
        return _named(pa.table(columns.aggregate(batches, level, states=True, **options)), level)
    parts = [_named(columns.aggregate(chunk, level, states=True, **options), level)
             for chunk in _chunks(batches) for level in finest]  # fmt: skip
    return _merge(pa.concat_tables(parts), levels, options.get("threads"))


def _merge(states: pa.Table, levels: Sequence[str], threads: int | None) -> pa.Table:
    return pa.concat_tables(_named(columns.aggregate(_of_level(states, level), level, states=True, threads=threads), level)
                            for level in _finest(levels))  # fmt: skip


def _finish(states: pa.Table, levels: Sequence[str], threads: int | None) -> pa.Table:
    finest = {level: low for low, coarser in _finest(levels).items() for level in coarser}
    return pa.concat_tables(_named(columns.aggregate(_of_level(states, finest[level]), level, threads=threads), level)
                            for level in levels)  # fmt: skip


def run(batches: pa.RecordBatchReader, to: Any, stage: str, options: dict[str, Any]) -> pa.Table:
    """One stage over batches. Results of one level are as :func:`ucid.aggregate` gives them, those of a sequence have the
    level and the key in front."""
    levels = levels_of(to)
    if stage == "part":
        return _part(batches, levels, options)
    states = batches.read_all()
    if stage == "merge":
        return _merge(states, levels, options.get("threads"))
    if stage == "finish":
        made = _finish(states, levels, options.get("threads"))
        return _of_level(made, levels[0]) if isinstance(to, (str, int)) else made
    raise UCIDConfigError(f"no stage '{stage}'; there are {', '.join(STAGES)}")
