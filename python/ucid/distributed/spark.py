"""Spark: rows get columns from an Arrow function of those that they are looked up by; what makes other rows streams through as
Arrow batches (mapInArrow). SQL gets columnar functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql.types import BinaryType, DoubleType, IntegerType, LongType, ShortType, StringType, StructField, StructType
from pyspark.sql.utils import is_remote

from ucid.distributed.parquet import DICTIONARY_BYTES
from ucid.distributed.plan import Plan
from ucid.distributed.sql import arrow_function, as_bytes, as_text, declare

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


def _signed(given: pa.DataType) -> pa.DataType:
    """Spark's numbers all have a sign."""
    return pa.int16() if given == pa.uint8() else given


class _Batches:
    """What mapInArrow calls; some columns are texts that come as bytes."""

    def __init__(self, plan: Plan, texts: list[str]) -> None:
        self.plan, self.texts = plan, texts

    def _with_texts(self, given: pa.RecordBatch) -> pa.RecordBatch:
        columns = zip(given.schema.names, given.columns, strict=True)
        return pa.record_batch({name: as_text(values) if name in self.texts else values for name, values in columns})

    def __call__(self, given: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in self.plan.batches(map(self._with_texts, given)):
            yield batch.cast(pa.schema([field.with_type(_signed(field.type)) for field in batch.schema]))


class _Columns:
    """An Arrow function: what a plan adds to rows, as a struct."""

    def __init__(self, plan: Plan, texts: dict[str, bool], added: list[str]) -> None:
        self.plan, self.texts, self.added = plan, texts, added

    def __call__(self, *given: pa.Array) -> pa.Array:
        pairs = zip(self.texts.items(), given, strict=True)
        table = pa.table({name: as_text(values) if text else values for (name, text), values in pairs})
        made = self.plan.table(table).select(self.added).combine_chunks()
        columns = [column.chunk(0) if column.num_chunks else pa.array([], column.type) for column in made.columns]
        return pa.StructArray.from_arrays([column.cast(_signed(column.type)) for column in columns], self.added)


def apply(data: Any, plan: Plan) -> Any:
    """Run a plan on each partition. Rows that only get columns stay in the JVM but for what they are looked up by: any other
    column would be written and read twice on its way through Python."""
    _session(data.sparkSession)
    given = data.limit(0).toArrow().schema
    made, plan = plan.schema(given), plan.on_threads(1)
    own = {field.name: field for field in data.schema.fields}
    fields = {
        one.name: own[one.name] if one.name in own and given.field(one.name).type == one.type
        else StructField(one.name, _TYPES[one.type])
        for one in made
    }  # fmt: skip
    added = plan.added(made.names)
    if not added:
        texts = [one.name for one in given if one.type == pa.string()]
        columns = [data[_quoted(name)] for name in given.names]
        handed = [as_bytes(one).alias(name) if name in texts else one for name, one in zip(given.names, columns, strict=True)]
        return data.select(*handed).mapInArrow(_Batches(plan, texts), StructType(list(fields.values())))
    asked = {name: given.field(name).type == pa.string() for name in plan.asked(given.names)}
    kind = StructType([StructField(name, fields[name].dataType) for name in added])
    # not to be computed again for a filter of what it gives
    function = arrow_function(_Columns(plan, asked, added), kind).asNondeterministic()
    values = [as_bytes(data[_quoted(name)]) if text else data[_quoted(name)] for name, text in asked.items()]
    kept = [data[_quoted(name)] for name in made.names if name not in added]
    whole = data.select(*kept, function(*values).alias(_ADDED))
    return whole.select(*(whole[_quoted(one.name)] for one in data.schema.fields if one.name not in added), f"`{_ADDED}`.*")


_ADDED = "ucid added"


def _quoted(name: str) -> str:
    """The name of a column, whatever is in it."""
    return "`" + name.replace("`", "``") + "`"


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
    """So many partitions, but no more than run at once, since each costs a call of Python; states of groups move, rows do not."""
    return data.repartition(parts if parts == 1 or is_remote() else min(parts, data.sparkSession.sparkContext.defaultParallelism))


def repartition(data: Any, key: str, parts: int | None) -> Any:
    """Rows of one key in one partition."""
    return data.repartition(key) if parts is None else data.repartition(parts, key)


def register(session: Any, *, index: Any = None, jvm: bool | None = None) -> dict[str, Any]:
    """Register ``ucid_create``, ``ucid_parse``, ``ucid_cell``, ``ucid_parent`` and ``ucid_score`` for SQL.

    Parameters
    ----------
    session : SparkSession
    index : Index, path or URI, optional
        What ``ucid_score`` scores on; default: the choice of this process, where there is one.
    jvm : bool, optional
        Whether ``ucid_create``, ``ucid_cell`` and ``ucid_parent`` run in the JVM, from a jar that workers get from the driver;
        default: where this package has the jar, and the session is not of Spark Connect. Workers of another kind of processor
        than the driver's need False. What is not in the JVM is columnar in Python. Both give the same.

    Returns
    -------
    dict
        The functions by name, for DataFrames: ``ucid_create(city, lat, lon, timestamp, context)`` text;
        ``ucid_parse(ucid)`` struct of fields; ``ucid_cell(lat, lon, resolution)``, ``ucid_parent(cell, resolution)`` text;
        ``ucid_score(lat, lon, context[, timestamp])`` struct of ucid, score, grade, confidence, status. A context is one value
        a call of ``ucid_score``.

    Raises
    ------
    UCIDConfigError
        ``jvm`` is True and this package has no jar.
    """
    return declare(_session(session), index, jvm)
