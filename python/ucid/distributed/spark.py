"""Spark: partitions stream through as Arrow batches (mapInArrow); SQL gets columnar functions (Arrow UDFs)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql.types import BinaryType, DoubleType, IntegerType, LongType, ShortType, StringType, StructField, StructType

from ucid.distributed.parquet import DICTIONARY_BYTES
from ucid.distributed.plan import Plan
from ucid.distributed.sql import sql_functions

__all__ = ["apply", "from_table", "names", "read", "register", "repartition", "select", "shrink", "write"]

_TYPES = {pa.string(): StringType(), pa.float64(): DoubleType(), pa.int64(): LongType(), pa.int32(): IntegerType(),
          pa.uint8(): ShortType(), pa.binary(): BinaryType()}  # fmt: skip
# Spark 4.2.0 waits for ever for a Python function over a columnar source unless this is false (SPARK-58241).
_COLUMNAR_INPUT = "spark.sql.execution.arrow.pythonUDF.columnarInput.enabled"


def _session(session: Any = None) -> Any:
    session = session or SparkSession.getActiveSession() or SparkSession.builder.getOrCreate()
    session.conf.set(_COLUMNAR_INPUT, "false")
    return session


def read(paths: Sequence[str]) -> Any:
    """Parquet files as a DataFrame."""
    return _session().read.parquet(*map(_hadoop, paths))


def _hadoop(path: str) -> str:
    """s3:// is what Hadoop calls s3a://."""
    return f"s3a://{path[5:]}" if path.startswith("s3://") else path


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


def write(data: Any, folder: str, compression: str) -> None:
    """A file of each partition, by Spark's own writer."""
    chosen = {"compression": compression, "parquet.dictionary.page.size": DICTIONARY_BYTES}
    data.write.options(**chosen).parquet(_hadoop(folder))


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
    functions = sql_functions(index)
    session = _session(session)
    for name, function in functions.items():
        session.udf.register(name, function)
    return functions
