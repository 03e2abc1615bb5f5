"""Spark: partitions stream through as Arrow batches (mapInArrow); SQL gets columnar functions (Arrow UDFs)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql.functions import ArrowUDFType, arrow_udf
from pyspark.sql.types import DoubleType, LongType, ShortType, StringType, StructField, StructType

from ucid.distributed import cells
from ucid.distributed.plan import IndexAt, Plan, indexes_at
from ucid.errors import UCIDConfigError, UCIDDataError

__all__ = ["apply", "from_table", "names", "read", "register", "repartition", "select", "shrink"]

_TYPES = {pa.string(): StringType(), pa.float64(): DoubleType(), pa.int64(): LongType(), pa.uint8(): ShortType()}
# Spark 4.2.0 waits for ever for a Python function over a columnar source unless this is false (SPARK-58241).
_COLUMNAR_INPUT = "spark.sql.execution.arrow.pythonUDF.columnarInput.enabled"


def _session(session: Any = None) -> Any:
    session = session or SparkSession.getActiveSession() or SparkSession.builder.getOrCreate()
    if session.conf.get(_COLUMNAR_INPUT, "false") != "false":
        session.conf.set(_COLUMNAR_INPUT, "false")
    return session


def read(paths: Sequence[str]) -> Any:
    """Parquet files as a DataFrame; s3:// is what Hadoop calls s3a://."""
    said = [f"s3a://{path[5:]}" if path.startswith("s3://") else path for path in map(str, paths)]
    return _session().read.parquet(*said)


class _Batches:
    """What mapInArrow calls: a plan, with numbers as Spark has them, all signed."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def __call__(self, given: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in self.plan.batches(given):
            if pa.uint8() in batch.schema.types:
                short = [pa.field(one.name, pa.int16() if one.type == pa.uint8() else one.type) for one in batch.schema]
                batch = batch.cast(pa.schema(short))
            yield batch


def apply(data: Any, plan: Plan) -> Any:
    """Run a plan on each partition."""
    _session(data.sparkSession)
    given = data.limit(0).toArrow().schema
    own = {field.name: field for field in data.schema.fields}
    fields = [
        own[made.name] if made.name in own and given.field(made.name).type == made.type
        else StructField(made.name, _TYPES[made.type])
        for made in plan.schema(given)
    ]  # fmt: skip
    return data.mapInArrow(_Batches(plan.on_threads(1)), StructType(fields))


def from_table(table: pa.Table, parts: int) -> Any:
    """A table of this process as the engine's collection."""
    return _session().createDataFrame(table).repartition(parts)


def names(data: Any) -> list[str]:
    """Names of the columns."""
    return list(data.columns)


def select(data: Any, columns: list[str]) -> Any:
    """Some columns."""
    return data.select(*columns)


def shrink(data: Any, parts: int) -> Any:
    """So many partitions; states of groups move, rows do not."""
    return data.repartition(parts)


def repartition(data: Any, key: str, parts: int | None) -> Any:
    """Rows of one key in one partition."""
    return data.repartition(key) if parts is None else data.repartition(parts, key)


# ----------------------------------------------------------------------------------------------------------------- SQL

_PARSED = ("city string, lat double, lon double, h3_resolution smallint, h3_index string, timestamp string, context string, "
           "grade string, confidence double, flags string, status string")  # fmt: skip
_SCORED = "ucid string, score double, grade string, confidence double, status string"


def _struct(table: pa.Table, declared: str) -> pa.Array:
    wanted = [piece.split(" ")[0] for piece in declared.split(", ")]
    arrays = [table.column(name).combine_chunks() for name in wanted]
    return pa.StructArray.from_arrays([one.cast(pa.int16()) if one.type == pa.uint8() else one for one in arrays], wanted)


def _one(values: pa.Array, what: str) -> Any:
    """The value that all rows have."""
    found = values.unique().to_pylist()
    if len(found) != 1:
        raise UCIDConfigError(f"{what} must be one value, not {found}")
    return found[0]


def _create(city: pa.Array, lat: pa.Array, lon: pa.Array, timestamp: pa.Array, context: pa.Array) -> pa.Array:
    places = {"city": city, "lat": lat, "lon": lon, "timestamp": timestamp, "context": context}
    return Plan.create(threads=1).table(pa.table(places)).column("ucid").combine_chunks()


def _parse(ucid: pa.Array) -> pa.Array:
    return _struct(Plan.parse(threads=1, column="text").table(pa.table({"text": ucid})), _PARSED)


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


def register(session: Any, *, index: Any = None) -> dict[str, Any]:
    """Register ``ucid_create``, ``ucid_parse``, ``ucid_cell``, ``ucid_parent`` and ``ucid_score`` for SQL, all columnar.

    Parameters
    ----------
    session : SparkSession
    index : Index, path or URI, optional
        What ``ucid_score`` scores on; default: the choice of this process, where there is one.

    Returns
    -------
    dict
        The functions by name, for DataFrames: ``ucid_create(city, lat, lon, timestamp, context)`` text;
        ``ucid_parse(ucid)`` struct of fields; ``ucid_cell(lat, lon, resolution)``, ``ucid_parent(cell, resolution)`` text;
        ``ucid_score(lat, lon, context[, timestamp])`` struct of ucid, score, grade, confidence, status. Resolution and
        context are one value a call.
    """
    try:
        at = indexes_at(index)
    except UCIDDataError:
        if index is not None:
            raise
        at = ()
    functions = {"ucid_create": (_create, "string"), "ucid_parse": (_parse, _PARSED), "ucid_cell": (_cell, "string"),
                 "ucid_parent": (_parent, "string"), "ucid_score": (_Score(at), _SCORED)}  # fmt: skip
    session = _session(session)
    made = {name: arrow_udf(function, kind, ArrowUDFType.SCALAR) for name, (function, kind) in functions.items()}
    for name, function in made.items():
        session.udf.register(name, function)
    return made
