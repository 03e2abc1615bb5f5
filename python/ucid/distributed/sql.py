"""Functions for Spark SQL: in its JVM, a row a call, where the package has their jar (java/ of its sources); else columnar in Python,
Arrow arrays in, Arrow arrays out, a batch of rows a call. Both give the same."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql.functions import ArrowUDFType, arrow_udf, call_function
from pyspark.sql.types import BinaryType
from pyspark.sql.utils import is_remote

import ucid
from ucid.distributed import cells
from ucid.distributed.plan import IndexAt, Plan, indexes_at
from ucid.errors import UCIDConfigError, UCIDDataError

__all__ = ["arrow_function", "as_bytes", "as_text", "declare"]

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


def _of_each(values: pa.Array, made: Callable[[Any, pa.Array], pa.Array]) -> pa.Array:
    """Texts made(value, rows that have it), in the order of rows; null where there is no value."""
    texts = pa.nulls(len(values), pa.string())
    for value in values.unique().drop_null():
        rows = pc.equal(values, value).fill_null(False)
        texts = pc.replace_with_mask(texts, rows, made(value.as_py(), rows))
    return texts


def _create(city: pa.Array, lat: pa.Array, lon: pa.Array, timestamp: pa.Array, context: pa.Array) -> pa.Array:
    places = {"city": as_text(city), "lat": lat, "lon": lon, "timestamp": as_text(timestamp), "context": as_text(context)}
    return Plan.create(threads=1).table(pa.table(places)).column("ucid").combine_chunks()


def _parse(identifiers: pa.Array) -> pa.Array:
    return _struct(Plan.parse(threads=1, column="text").table(pa.table({"text": as_text(identifiers)})), _PARSED)


def _cell(lat: pa.Array, lon: pa.Array, resolution: pa.Array) -> pa.Array:
    return _of_each(resolution, lambda one, rows: cells.place_cells(lat.filter(rows), lon.filter(rows), one))


def _parent(cell: pa.Array, resolution: pa.Array) -> pa.Array:
    return _of_each(resolution, lambda one, rows: cells.parents(cell.filter(rows), one))


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


# Functions with what they take and give. A text is taken as the bytes that it is (see as_bytes), a resolution as one of each row.
_DECLARED = {
    "ucid_create": (_create, "city BINARY, lat DOUBLE, lon DOUBLE, timestamp BINARY, context BINARY", "string"),
    "ucid_parse": (_parse, "ucid BINARY", f"struct<{_PARSED}>"),
    "ucid_cell": (_cell, "lat DOUBLE, lon DOUBLE, resolution INT", "string"),
    "ucid_parent": (_parent, "cell BINARY, resolution INT", "string"),
}
# Those that the jar has, as functions of bytes that give bytes.
_CLASSES = {"ucid_create": "ucid.Create", "ucid_cell": "ucid.Cell", "ucid_parent": "ucid.Parent"}
_JAR = Path(ucid.__file__).with_name("spark.jar")


def declare(session: Any, index: Any, jvm: bool | None) -> dict[str, Any]:
    """The functions of :func:`ucid.distributed.spark.register`, by name. SQL has them as functions of its own around those that
    compute, in Java or in Python, whose names begin with an underscore: so both take and refuse the same."""
    if jvm is None:
        jvm = _JAR.exists() and not is_remote()
    if jvm:
        if not _JAR.exists():
            raise UCIDConfigError(f"no {_JAR}: this package was built without a JDK")
        session.sql(f"ADD JAR '{_JAR}'")
    functions: dict[str, Any] = {}
    for name, (function, parameters, kind) in _DECLARED.items():
        if jvm and name in _CLASSES:
            session.udf.registerJavaFunction(f"_{name}", _CLASSES[name], BinaryType())
        else:
            session.udf.register(f"_{name}", arrow_function(function, kind))
        names = ", ".join(one.split(" ")[0] for one in parameters.split(", "))
        session.sql(f"CREATE OR REPLACE TEMPORARY FUNCTION {name}({parameters}) RETURNS {kind} "
                    f"RETURN CAST(_{name}({names}) AS {kind})")  # fmt: skip
        functions[name] = partial(call_function, name)
    functions["ucid_score"] = session.udf.register("ucid_score", arrow_function(_Score(_indexes(index)), _SCORED))
    return functions


def _indexes(index: Any) -> tuple[IndexAt, ...]:
    try:
        return indexes_at(index)
    except UCIDDataError:
        if index is not None:
            raise
        return ()
