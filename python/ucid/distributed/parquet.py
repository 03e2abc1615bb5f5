"""How tables of ours are written as Parquet, and how files are read of which most is written again.

Identifiers and coordinates hardly ever repeat, and they are most of a scored table. A writer that looks for repetition in them
hashes every value, keeps each in a dictionary up to a megabyte and stores an index beside it: twice the work for a larger file. So
dictionaries are given up early: those of cities, grades and statuses are small. Least and greatest values are kept of columns by
which rows are looked for in files, and those are in some order there; identifiers, grades and statuses only cost the comparisons.

Texts that repeat lie in a file as a dictionary and numbers. They are read so, and written so again: made into a text a row, each
would be looked up in the dictionary when it is read, copied, hashed and looked up again. Who reads what was written sees texts.

Where rows go from a Parquet file into another one, with columns added, the columns that they had are not read at all but for those
that they are looked up by: their chunks are copied, and what is written stands beside them (:class:`Kept`).

Texts and doubles are written by the library, by the same rules: it looks for what is alike in identifiers where their fields begin,
and needs half the time for them. Other columns are Arrow's business (:func:`written`).
"""

from __future__ import annotations

import base64
import io
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from itertools import accumulate, chain, groupby, repeat, takewhile
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ucid import _ext
from ucid.distributed.storage import Piece
from ucid.errors import UCIDDataError, UCIDError

__all__ = ["DICTIONARY_BYTES", "Kept", "Writer", "coded", "described", "footer_of", "plain", "plain_schema", "settings", "written"]

DICTIONARY_BYTES = 1 << 16  # of a column in a row group; beyond, its values are written as they are
UNORDERED = frozenset({"ucid", "grade", "status"})
_VALUES = 1 << 13  # that a writer takes at once


def settings(compression: str | None, schema: pa.Schema | None = None) -> dict[str, Any]:
    """Options of Arrow's writer, which Dask, Ray and pandas pass on to it; with the columns, where they are known."""
    chosen: dict[str, Any] = {"compression": compression or "snappy", "dictionary_pagesize_limit": DICTIONARY_BYTES}
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


def _said(schema: pa.Schema) -> dict[bytes, bytes]:
    """What a file says of its columns beside what Parquet does."""
    return {b"ARROW:schema": base64.b64encode(schema.serialize()), **(schema.metadata or {})}


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

    def __init__(self, out: Any, schema: pa.Schema, given: pa.Schema, compression: str | None) -> None:
        bare = given.remove_metadata()
        self._writer = pq.ParquetWriter(out, bare, store_schema=False, write_batch_size=_VALUES, **settings(compression, bare))
        self._writer.add_key_value_metadata(_said(schema))

    def write(self, rows: pa.Table) -> None:
        """Rows as a row group."""
        self._writer.write_table(rows.replace_schema_metadata(None), row_group_size=max(rows.num_rows, 1))

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()


# ------------------------------------------------------------------------------------------------- columns that are kept

_MAGIC = b"PAR1"
_CODECS = {"snappy": "SNAPPY", "zstd": "ZSTD", "lz4": "LZ4", "gzip": "GZIP", "none": "UNCOMPRESSED"}  # as Arrow calls them
_TAIL_BYTES = 1 << 16  # that are asked for at first: most footers are shorter
LEAST_ROWS = 1 << 15  # of a row group, on average; smaller ones are worth being put together, and so written anew


def footer_of(raw: Any, size: int) -> bytes:
    """Of a Parquet file, what lies before its last eight bytes."""

    def last(count: int) -> bytes:
        raw.seek(max(size - count, 0))
        return bytes(raw.read(min(count, size)))

    tail = last(_TAIL_BYTES)
    length = int.from_bytes(tail[-8:-4], "little")
    if size < 12 or tail[-4:] != _MAGIC or length > size - 8:
        raise pa.ArrowInvalid("no Parquet file: it has no footer")  # or a store broke off: not yet the verdict of a UCIDError
    if length + 8 > len(tail):
        tail = last(length + 8)
    return tail[-8 - length : -8]


def described(end: bytes) -> pq.ParquetFile:
    """What a file with this footer says of itself."""
    return pq.ParquetFile(pa.BufferReader(_MAGIC + end + len(end).to_bytes(4, "little") + _MAGIC))


class _Windows(io.RawIOBase):
    """A file of which some ranges are in memory."""

    def __init__(self, raw: Any, size: int, ranges: Sequence[tuple[int, bytes]]) -> None:
        self._raw, self._size, self._ranges = raw, size, ranges
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (0 if whence == io.SEEK_SET else self._at if whence == io.SEEK_CUR else self._size)
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, count: int = -1) -> bytes | memoryview:
        end = self._size if count < 0 else min(self._at + count, self._size)
        start, self._at = self._at, max(end, self._at)
        for begin, data in self._ranges:
            if begin <= start and end <= begin + len(data):
                return memoryview(data)[start - begin : end - begin]
        self._raw.seek(start)
        return bytes(self._raw.read(max(end - start, 0)))


_Part = tuple[bytes, int, int, int, Sequence[str] | None]
_Ranges = Sequence[tuple[int, Piece]]


class Kept:
    """Row groups of a file of which some columns are copied, chunk by chunk.

    Attributes
    ----------
    names : list of str
        Of the columns.
    rows : list of int
        Of each row group.
    """

    def __init__(self, part: _Part, rows: list[int], ranges: list[tuple[int, bytes]]) -> None:
        self.rows, self.part, self.ranges = rows, part, ranges
        self.names = list(part[4] or ())

    @classmethod
    def read(
        cls, raw: Any, size: int, end: bytes, metadata: pq.FileMetaData, row_groups: Sequence[int], names: list[str], compression: str | None,
    ) -> Kept | None:  # fmt: skip
        """Chunks of columns of a file with this footer; None where they had better be written anew, are wanted in another compression
        than they have, or cannot be copied."""
        first, count = row_groups[0], row_groups[1] - row_groups[0]
        groups = [metadata.row_group(first + at) for at in range(count)]
        rows = [one.num_rows for one in groups]
        if not names or min(rows, default=0) == 0 or sum(rows) < LEAST_ROWS * count:
            return None
        if compression is not None and not all(_CODECS[compression] == one.column(at).compression for one in groups for at in range(one.num_columns)):
            return None
        part = (end, size, first, count, names)
        try:
            spans, _ = _ext.parquet_beside([part], [])
        except UCIDDataError:  # encrypted, or of a writer that counted wrongly
            return None
        ranges = []
        for _, offset, length in spans:
            raw.seek(offset)
            data = bytes(raw.read(length))
            if len(data) < length:
                raise EOFError(f"the file ends before {offset + length}")
            ranges.append((offset, data))
        return cls(part, rows, ranges)

    def open(self, raw: Any, **options: Any) -> pq.ParquetFile:
        """The file, of which what was read is not read again."""
        return pq.ParquetFile(_Windows(raw, self.part[1], self.ranges), **options)


# ------------------------------------------------------------------------------------------------------- columns that are new


def _writes_pages(field: pa.Field, said: pa.Field) -> bool:
    """Whether the library writes a column: texts and doubles, of which identifiers and scores are made. Who keeps a dictionary may
    want its order."""
    type_ = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    known = type_ in (pa.string(), pa.large_string()) or field.type == pa.float64()
    return known and not pa.types.is_dictionary(said.type)


def _whole(pieces: Sequence[Piece], groups: int, names: Sequence[str]) -> tuple[_Part, _Ranges]:
    """Columns of a file of these pieces, the last of which holds its footer."""
    offsets = [0, *accumulate(map(len, pieces))]
    tail = memoryview(pieces[-1])
    length = int.from_bytes(tail[-8:-4], "little")
    return (bytes(tail[-8 - length : -8]), offsets[-1], 0, groups, names), list(zip(offsets, pieces, strict=False))


def _cut(ranges: _Ranges, offset: int, length: int) -> Iterator[memoryview]:
    """Bytes that lie in one range, or in neighbours."""
    at = bisect_right(ranges, offset, key=lambda one: one[0]) - 1
    while length > 0:
        begin, data = ranges[at]
        piece = memoryview(data)[offset - begin : offset - begin + length]
        yield piece
        offset, length, at = offset + len(piece), length - len(piece), at + 1


class _Groups:
    """Row groups of Arrow's writer, of so many rows each, the last for all that follow."""

    def __init__(self, writer: Writer, schema: pa.Schema, lengths: Sequence[int]) -> None:
        self._writer, self._schema = writer, schema
        self._lengths = chain(lengths, repeat(lengths[-1]))
        self._length = next(self._lengths)
        self._held: list[pa.RecordBatch] = []
        self._rows = 0

    def add(self, batch: pa.RecordBatch) -> None:
        while self._rows + batch.num_rows >= self._length:
            head = self._length - self._rows
            self._held.append(batch.slice(0, head))
            self.end()
            batch, self._length = batch.slice(head), next(self._lengths)
        self._held.append(batch)
        self._rows += batch.num_rows

    def end(self) -> None:
        """Write what is held."""
        rows = pa.Table.from_batches(self._held, self._schema)
        if rows.num_rows > 0:
            self._writer.write(rows)
        self._held, self._rows = [], 0


def written(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, given: pa.Schema, lengths: Sequence[int], compression: str | None,
    kept: Kept | None = None,
) -> list[Piece]:  # fmt: skip
    """The pieces of a file of batches with the columns ``given``, beside those that are kept, where there are such. What the library
    writes of a batch is given back before the next one comes, so that its memory is used again.

    Parameters
    ----------
    schema : pa.Schema
        What the file says of all its columns.
    given : pa.Schema
        Of the batches.
    lengths : sequence of int
        Rows of each row group, the last for all that follow.
    """
    ours = [field.name for field in given if compression in (None, "snappy") and _writes_pages(field, schema.field(field.name))]
    others = [field.name for field in given if field.name not in ours]
    rest = io.BytesIO()
    rows = 0
    failed: list[Exception] = []

    def fields(names: list[str]) -> pa.Schema:
        return pa.schema([given.field(name) for name in names])

    if not ours and kept is None:
        with Writer(rest, schema, given, compression) as writer:
            groups = _Groups(writer, given, lengths)
            for batch in batches:
                groups.add(batch)
            groups.end()
        return [rest.getbuffer()]

    def fed(groups: _Groups | None) -> Iterator[pa.RecordBatch]:
        def chosen(batch: pa.RecordBatch) -> pa.RecordBatch:
            nonlocal rows
            rows += batch.num_rows
            if groups is not None:
                groups.add(batch.select(others))
            return batch.select(ours)

        try:
            yield from map(chosen, batches)  # which holds no batch while it waits for the next
            if groups is not None:
                groups.end()
        except Exception as error:  # who reads from C is told its text alone
            failed.append(error)
            raise

    with Writer(rest, fields(others), fields(others), compression) if others else nullcontext() as arrow:
        columns = fed(_Groups(arrow, fields(others), lengths) if arrow is not None else None)
        try:
            pieces = _ext.parquet_write(pa.RecordBatchReader.from_batches(fields(ours), columns), list(lengths), sorted(UNORDERED))
        except UCIDError as error:
            raise (failed[0] if failed else error) from None
    begins = accumulate(chain(lengths, repeat(lengths[-1])), initial=0)
    count = sum(1 for _ in takewhile(lambda begin: begin < rows, begins))
    parts: list[tuple[_Part, _Ranges]] = [] if kept is None else [(kept.part, kept.ranges)]
    for own, names in groupby(given.names, key=lambda name: name in ours):
        parts.append(_whole(pieces if own else [rest.getbuffer()], count, list(names)))
    spans, end = _ext.parquet_beside([part for part, _ in parts], list(_said(schema).items()))
    return [_MAGIC, *(piece for which, *span in spans for piece in _cut(parts[which][1], *span)), end]
