"""How tables of ours are written as Parquet, and how files are read of which most is written again.

Identifiers and coordinates hardly ever repeat, and they are most of a scored table. A writer that looks for repetition in them
hashes every value, keeps each in a dictionary up to a megabyte and stores an index beside it: twice the work for a larger file. So
dictionaries are given up early: those of cities, grades and statuses are small. Least and greatest values are kept of columns by
which rows are looked for in files, and those are in some order there; identifiers, grades and statuses only cost the comparisons.

Texts that repeat lie in a file as a dictionary and numbers. They are read so, and written so again: made into a text a row, each
would be looked up in the dictionary when it is read, copied, hashed and looked up again. Who reads what was written sees texts.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["DICTIONARY_BYTES", "Writer", "coded", "plain", "plain_schema", "settings"]

DICTIONARY_BYTES = 1 << 16  # of a column in a row group; beyond, its values are written as they are
UNORDERED = frozenset({"ucid", "grade", "status"})
_VALUES = 1 << 13  # that a writer takes at once


def settings(compression: str, schema: pa.Schema | None = None) -> dict[str, Any]:
    """Options of Arrow's writer, which Dask, Ray and pandas pass on to it; with the columns, where they are known."""
    chosen: dict[str, Any] = {"compression": compression, "dictionary_pagesize_limit": DICTIONARY_BYTES}
    if compression == "zstd":
        chosen["compression_level"] = 1
    flat = schema is not None and not any(pa.types.is_nested(field.type) for field in schema)
    if schema is not None and flat:  # columns in columns have names of their own
        chosen["write_statistics"] = [name for name in schema.names if name not in UNORDERED]
    return chosen


def coded(metadata: pq.FileMetaData, schema: pa.Schema, row_groups: Sequence[int] | None = None) -> list[str]:
    """Texts that a file has behind a dictionary in all of some row groups: a text by itself takes its length alone four bytes."""
    leaf = {metadata.schema.column(at).path: at for at in range(metadata.num_columns)}
    groups = [metadata.row_group(at) for at in (range(metadata.num_row_groups) if row_groups is None else row_groups)]

    def few(at: int) -> bool:
        return all(one.column(at).total_uncompressed_size < 3 * one.num_rows for one in groups)

    texts = [field.name for field in schema if field.type in (pa.string(), pa.large_string()) and field.name in leaf]
    return [name for name in texts if few(leaf[name])]


def plain_schema(given: pa.Schema, before: pa.Schema, added: Sequence[str] = ()) -> pa.Schema:
    """The columns given, of which some had other types before they were read behind a dictionary, and some were added so."""

    def plain_field(one: pa.Field) -> pa.Field:
        if not pa.types.is_dictionary(one.type):
            return one
        if one.name in added:
            return one.with_type(one.type.value_type)
        return before.field(one.name) if one.name in before.names else one

    return pa.schema([plain_field(one) for one in given], given.metadata)


def plain(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Batches with the types of a schema."""
    for batch in batches:
        yield batch.cast(schema)


class Writer:
    """A file of these columns, whose texts may come behind dictionaries.

    Parameters
    ----------
    out : path or file
    schema : pa.Schema
        What the file says of its columns.
    given : pa.Schema
        What is written.
    """

    def __init__(self, out: Any, schema: pa.Schema, given: pa.Schema, compression: str) -> None:
        bare = given.remove_metadata()
        self._writer = pq.ParquetWriter(out, bare, store_schema=False, write_batch_size=_VALUES, **settings(compression, bare))
        said = {b"ARROW:schema": base64.b64encode(schema.serialize()), **(schema.metadata or {})}
        self._writer.add_key_value_metadata(said)

    def write(self, rows: pa.Table) -> None:
        """Rows as a row group."""
        self._writer.write_table(rows.replace_schema_metadata(None), row_group_size=max(rows.num_rows, 1))

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()
