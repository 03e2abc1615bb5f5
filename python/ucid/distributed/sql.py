"""Functions for Spark SQL, columnar: Arrow arrays in, Arrow arrays out, a batch of rows a call."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from pyspark.sql.functions import ArrowUDFType, arrow_udf, col

from ucid.distributed import cells
from ucid.distributed.plan import IndexAt, Plan, indexes_at
from ucid.errors import UCIDConfigError, UCIDDataError

__all__ = ["arrow_function", "as_bytes", "as_text", "for_frames", "sql_functions"]

_PARSED = ("city string, lat double, lon double, h3_resolution smallint, h3_index string, timestamp string, context string, "
           "grade string, confidence double, flags string, status string")  # fmt: skip
_SCORED = "ucid string, score double, grade string, confidence double, status string"


def _struct(table: pa.Table, declared: str) -> pa.Array:
    wanted = [piece.split(" ")[0] for piece in declared.split(", ")]
    arrays = [table.column(name).combine_chunks() for name in wanted]
    return pa.StructArray.from_arrays([one.cast(pa.int16()) if one.type == pa.uint8() else one for one in arrays], wanted)


def as_bytes(column: Any) -> Any:
    """A column of texts as Spark hands it over cheapest: of a text that goes to Python it makes two copies, of bytes one."""
    return column.cast("binary")


def as_text(values: pa.Array) -> pa.Array:
    """Bytes of :func:`as_bytes` as the texts that they are; texts as they are."""
    return values.view(pa.string()) if values.type == pa.binary() else values


def arrow_function(function: Any, kind: Any) -> Any:
    """An Arrow UDF: arrays in, an array out."""
    with warnings.catch_warnings():  # it prefers to guess the kind from hints, which a callable object has none of
        warnings.simplefilter("ignore", UserWarning)
        return arrow_udf(function, kind, ArrowUDFType.SCALAR)


def _one(values: pa.Array, what: str) -> Any:
    """The value that all rows have."""
    found = values.unique().to_pylist()
    if len(found) != 1:
        raise UCIDConfigError(f"{what} must be one value, not {found}")
    return found[0]


def _create(city: pa.Array, lat: pa.Array, lon: pa.Array, timestamp: pa.Array, context: pa.Array) -> pa.Array:
    places = {"city": as_text(city), "lat": lat, "lon": lon, "timestamp": as_text(timestamp), "context": as_text(context)}
    return Plan.create(threads=1).table(pa.table(places)).column("ucid").combine_chunks()


def _parse(ucid: pa.Array) -> pa.Array:
    return _struct(Plan.parse(threads=1, column="text").table(pa.table({"text": as_text(ucid)})), _PARSED)


def _cell(lat: pa.Array, lon: pa.Array, resolution: pa.Array) -> pa.Array:
    return cells.place_cells(lat, lon, _one(resolution, "resolution")) if len(lat) else pa.array([], pa.string())


def _parent(cell: pa.Array, resolution: pa.Array) -> pa.Array:
    return cells.parents(cell, _one(resolution, "resolution")) if len(cell) else pa.array([], pa.string())


class _Score:
    """``ucid_score``: the plan of each context, on the same indexes."""

    def __init__(self, indexes: tuple[IndexAt, ...]) -> None:
        self.indexes = indexes

    def __call__(self, lat: pa.Array, lon: pa.Array, context: pa.Array, *timestamp: pa.Array) -> pa.Array:
        if not self.indexes:
            raise UCIDConfigError("ucid_score has no index: register(spark, index=...)", code="INDEX_NOT_FOUND")
        places = {"lat": lat, "lon": lon, **({"timestamp": timestamp[0]} if timestamp else {})}
        plan = Plan("score", {"context": _one(context, "context") if len(lat) else "15MIN", "threads": 1}, self.indexes)
        return _struct(plan.table(pa.table(places)), _SCORED)


# Which arguments are texts that a frame's column gives as bytes; SQL gives them as they are.
_TEXTS = {"ucid_create": (0, 3, 4), "ucid_parse": (0,)}


def for_frames(functions: dict[str, Any]) -> dict[str, Any]:
    """The functions as DataFrames call them, with columns or their names."""
    return {name: _with_bytes(function, _TEXTS[name]) if name in _TEXTS else function for name, function in functions.items()}


def _with_bytes(function: Any, texts: Sequence[int]) -> Any:
    def called(*arguments: Any) -> Any:
        columns = [col(one) if isinstance(one, str) else one for one in arguments]
        return function(*(as_bytes(one) if i in texts else one for i, one in enumerate(columns)))

    return called


def sql_functions(index: Any) -> dict[str, Any]:
    """The functions of :func:`ucid.distributed.spark.register`, by name."""
    try:
        at = indexes_at(index)
    except UCIDDataError:
        if index is not None:
            raise
        at = ()
    functions = {"ucid_create": (_create, "string"), "ucid_parse": (_parse, _PARSED), "ucid_cell": (_cell, "string"),
                 "ucid_parent": (_parent, "string"), "ucid_score": (_Score(at), _SCORED)}  # fmt: skip
    return {name: arrow_function(function, kind) for name, (function, kind) in functions.items()}
