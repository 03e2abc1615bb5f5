"""Contexts written in Python, for columns: what :func:`ucid.score` does where a context is none of the core's.

A plug-in is given the places that have good coordinates, batch by batch, and what it says becomes the columns that a
built-in context adds, in their order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ucid import _ext
from ucid.contexts import PluginContext, grade_of
from ucid.errors import UCIDConfigError, UCIDDataError

__all__ = ["score_stream"]

_LATS = ("lat", "latitude", "y")
_LONS = ("lon", "lng", "longitude", "long", "x")
_CELLS = ("h3", "h3_index", "h3_cell", "cell")
_ADDED = ("ucid", "score", "grade", "confidence", "status")


def _find(names: list[str], given: str | None, usual: tuple[str, ...]) -> str | None:
    """A column's name: the given one, which must be there, or a usual one that is."""
    if given is not None and given not in names:
        raise UCIDDataError(f"no column '{given}'; there are {', '.join(names)}")
    return given or next((name for name in usual if name in names), None)


class _Batches:
    """The batches of a stream with the columns of a score added."""

    def __init__(self, context: PluginContext, schema: pa.Schema, options: dict[str, Any]) -> None:
        self.context, self.options = context, options
        names = schema.names
        self.lat = _find(names, options.get("lat_column"), _LATS)
        self.lon = _find(names, options.get("lon_column"), _LONS)
        self.cell = _find(names, options.get("cell_column"), _CELLS)
        by_cell = options.get("cell_column") is not None and options.get("lat_column") is None and options.get("lon_column") is None
        if by_cell or self.lat is None or self.lon is None:
            self.lat = self.lon = None
            if self.cell is None:
                raise UCIDDataError(f"no places (lat and lon, or h3); there are {', '.join(names)}")
        self.times = None if options.get("time") is not None else _find(names, None, ("timestamp",))
        if self.times is None and options.get("time") is None:
            raise UCIDConfigError(f"context {context.context_id} has no week of its data: a timestamp is needed, for all rows or as a column")
        there = [name for name in _ADDED if name in names]
        if there and not options.get("replace"):
            raise UCIDDataError(f"the input has a column '{there[0]}' already; replace it, or rename it")
        self.kept = [name for name in names if name not in _ADDED]

    def _places(self, batch: pa.Table) -> tuple[Any, Any]:
        """Latitudes and longitudes, float64; of cells their centres."""
        if self.lat is not None:
            return tuple(batch.column(name).cast(pa.float64()).combine_chunks() for name in (self.lat, self.lon))
        centres = [(None, None) if cell is None else _centre(cell) for cell in batch.column(self.cell).to_pylist()]
        return tuple(pa.array([centre[side] for centre in centres], pa.float64()) for side in (0, 1))

    def score(self, batch: pa.Table) -> pa.Table:
        """A batch with the columns added."""
        lat, lon = self._places(batch)
        within = pc.and_(pc.less_equal(pc.abs(lat), 90.0), pc.less_equal(pc.abs(lon), 180.0))
        good = pc.indices_nonzero(pc.fill_null(within, False))
        keys = batch.column(self.times).cast(pa.string()).take(good).to_pylist() if self.times else [self.options["time"]] * len(good)
        scores: list[float | None] = [None] * batch.num_rows
        confidences: list[float | None] = [None] * batch.num_rows
        bad = "invalid_coordinates" if self.lat is not None else "invalid_h3"
        states = ["null_input" if one is None else bad for one in within.to_pylist()]
        rows = good.to_pylist()
        for key in dict.fromkeys(keys):  # a plug-in is asked for one hour at a time
            mine = [row for row, one in zip(rows, keys, strict=True) if one == key]
            at = pa.array(mine, pa.int64())
            north, east = (side.take(at).to_numpy(zero_copy_only=False) for side in (lat, lon))
            for row, score, confidence in zip(mine, *self.context.score_columns(north, east, key), strict=True):
                fine = not math.isnan(score)
                states[row] = "ok" if fine else "computation_failed"
                scores[row] = score if fine else None
                confidences[row] = None if not fine or math.isnan(confidence) else confidence
        grades = [None if score is None else grade_of(score) for score in scores]
        # Identifiers take no grade and confidence for granted: a row without a score has none.
        added = {"score": pa.array(scores, pa.float64()), "grade": pa.array(grades, pa.string()),
                 "confidence": pa.array(confidences, pa.float64())}  # fmt: skip
        plain = batch.select(self.kept)
        whole = plain
        for name, values in added.items():
            whole = whole.append_column(name, values)
        made = pa.table(_ext.add_columns("create", whole, {**self.options, "context": self.context.context_id, "replace": 1}))
        ok = pc.equal(pa.array(states), "ok")
        added["ucid"] = pc.if_else(ok, made.column("ucid"), pa.scalar(None, pa.string()))
        added["status"] = pc.if_else(ok, made.column("status"), pa.array(states))
        for name in _ADDED:
            plain = plain.append_column(pa.field(name, pa.float64() if name in ("score", "confidence") else pa.string(), name != "status"), added[name])
        return plain


def _centre(cell: Any) -> tuple[float | None, float | None]:
    try:
        return _ext.cell_to_latlng(cell if isinstance(cell, str) else f"{cell:x}")
    except ValueError:
        return math.nan, math.nan


def score_stream(context: PluginContext, source: Any, options: dict[str, Any]) -> _ext.ArrowStream:
    """A stream of scores of a context written in Python; options as ``ucid_stream_options``."""
    reader = pa.RecordBatchReader.from_stream(source if hasattr(source, "__arrow_c_stream__") else _ext.new_stream(source))
    batches = _Batches(context, reader.schema, {name: value for name, value in options.items() if name not in ("detail", "batch_rows", "large_texts", "coded_words")})
    schema = batches.score(reader.schema.empty_table()).schema
    told = {b"ucid.context": context.context_id.encode()}
    schema = schema.with_metadata({**(reader.schema.metadata or {}), **told})

    def made() -> Iterator[pa.RecordBatch]:
        for batch in reader:
            for one in batches.score(pa.Table.from_batches([batch])).to_batches():
                yield pa.RecordBatch.from_arrays(one.columns, schema=schema)

    return _ext.new_stream(pa.RecordBatchReader.from_batches(schema, made()))
