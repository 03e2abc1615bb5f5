"""CSV files as inputs of jobs: parts are ranges of bytes, and rows do not depend on where they were cut.

    file --driver--> header, types of its first megabytes --> ranges
    range --task--> the rows that begin in it: their first and next byte, batches
    driver: each range begins where the one before ended, else it is read again from there

A range begins anywhere, maybe inside quotes. A task looks at what follows: the rows that come out if it does, and if it does
not; the one of them that has the header's columns is taken. That is a guess, so a task tells where its first row began and
where the row behind its last one does. The rows of a range are right if it began where those before it ended, and so on back to
the header; one that did not is read again, from where it must. What rows are is what the program's reader says (cli/csv.cpp):
types are those of the first 4 MB, what a door looks rows up by is text or numbers, whatever it looks like.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv

from ucid import _ext
from ucid.distributed import storage
from ucid.distributed.plan import Plan
from ucid.errors import UCIDDataError

__all__ = ["Shape", "begins", "cut", "header", "is_csv", "misread", "read", "shape_of"]

FIRST_BYTES = 4 << 20  # that say which types columns have
BLOCK_BYTES = 4 << 20  # that are read at once; of a store in one request
STORE_BLOCK_BYTES = 16 << 20
WINDOW_BYTES = 1 << 18  # behind the begin of a range, to see whether it is inside quotes
ROW_BYTES = 1 << 30  # of a row at most

_LATITUDES = ("lat", "latitude", "y")
_LONGITUDES = ("lon", "lng", "longitude", "long", "x")
_CELLS = ("h3", "h3_index", "h3_cell", "cell")
_CITIES = ("city", "city_code")
# Columns that hold text, whatever it looks like.
_TEXTS = {
    "create": (*_CELLS, *_CITIES, "timestamp", "context", "grade", "flags"),
    "score": (*_CELLS, *_CITIES),
    "join": _CELLS,
    "parse": ("ucid", "ucid_string"),
    "aggregate": (*_CELLS, *_CITIES, "ucid", "ucid_string", "region", "country", "level", "key"),
}  # fmt: skip
# Numbers of doubles that are missing, as Arrow has it.
_NULLS = ("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "N/A", "NA", "NULL", "NaN",
          "n/a", "nan", "null")  # fmt: skip


def is_csv(uri: str) -> bool:
    """Whether a file is CSV, by its name."""
    return uri.endswith(".csv")


# --------------------------------------------------------------------------------------------------------------- shape


@dataclass(frozen=True)
class Shape:
    """Columns of files, and how their texts become values."""

    schema: pa.Schema
    loose: tuple[str, ...] = ()  # coordinates: what is no number is NaN, a bad row and not a bad file
    plain: tuple[str, ...] = ()  # texts and numbers that are all that is read: empty ones are null

    def said(self) -> list[list[str]]:
        """What decides the rows, for a digest."""
        return [[field.name, str(field.type), str(field.name in self.loose)] for field in self.schema]

    def batch(self, block: memoryview, at: int, chosen: Sequence[str]) -> pa.RecordBatch:
        """Some columns of a block of whole rows that begins at a byte of its file.

        Raises
        ------
        UCIDDataError
            A row has another number of columns, or a value is not of its column's type; the byte where the row begins is told.
        """
        fields = [self.schema.field(name) for name in chosen]
        if chosen and set(chosen) <= set(self.plain):
            arrays = self._plain(block, at, fields)
        else:
            arrays = self._typed(block, at, fields)
        return pa.record_batch([_mended(one) for one in arrays], schema=pa.schema(fields))

    def _plain(self, block: memoryview, at: int, fields: Sequence[pa.Field]) -> list[pa.Array]:
        asked = [(self.schema.names.index(field.name), field.type == pa.float64()) for field in fields]
        order = sorted(range(len(asked)), key=asked.__getitem__)
        try:
            rows, made = _ext.csv_columns(block, len(self.schema), [asked[i] for i in order])
        except UCIDDataError as error:
            raise _row_error(block, at, error.details["row"], f" {error.message}") from None
        arrays: list[pa.Array] = [pa.nulls(0)] * len(fields)
        for i, column in zip(order, made, strict=True):
            arrays[i] = _numbers(rows, column, fields[i].name, block, at) if asked[i][1] else _texts(rows, column)
        return arrays

    def _typed(self, block: memoryview, at: int, fields: Sequence[pa.Field]) -> list[pa.Array]:
        types = {field.name: pa.string() if field.name in self.loose else field.type for field in self.schema}
        # of no column rows are counted
        asked = [field.name for field in fields] or self.schema.names[:1]
        convert = csv.ConvertOptions(column_types=types, include_columns=asked, check_utf8=False)
        try:
            table = _parsed(block, csv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=self.schema.names), convert)
        except pa.ArrowInvalid as error:
            raise self._told(error, block, at) from error
        arrays = [table.column(field.name).combine_chunks() for field in fields]
        return [_coordinates(array) if field.name in self.loose else array for array, field in zip(arrays, fields, strict=True)]

    def _told(self, error: pa.ArrowInvalid, block: memoryview, at: int) -> UCIDDataError:
        """Arrow's error with the column's name, and the byte where the row begins."""
        text = str(error)
        row, column, value = (re.search(one, text) for one in (r"Row #(\d+)", r"In CSV column #(\d+)", r"invalid value '(.*)'"))
        if row is None:
            return UCIDDataError(text)
        number = int(row[1]) - 1
        if column is None or value is None:
            return _row_error(block, at, number, text[row.end() :])
        field = self.schema.field(int(column[1]))
        what = f", column '{field.name}': '{value[1]}' is not {field.type}, as the first megabytes are"
        return _row_error(block, at, number, what)


def _parsed(block: memoryview | bytes, read: csv.ReadOptions, convert: csv.ConvertOptions) -> pa.Table:
    parse = csv.ParseOptions(newlines_in_values=True)
    return csv.read_csv(pa.BufferReader(pa.py_buffer(block)), read, parse, convert)


def _row_error(block: memoryview, at: int, row: int, what: str) -> UCIDDataError:
    """An error of a row of a block, which begins at a byte of its file; empty lines are no rows."""
    begin = 0
    while True:
        length = _ext.csv_row(block[begin:])
        if bytes(block[begin : begin + length]) not in (b"\n", b"\r\n"):
            if row == 0 or length == 0:
                break
            row -= 1
        begin += length
    return UCIDDataError(f"the row at byte {at + begin}{what}")


def _mended(array: pa.Array) -> pa.Array:
    """Texts that are UTF-8, as a Parquet file promises."""
    if array.type != pa.string():
        return array
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        raw = array.cast(pa.binary()).to_pylist()
        return pa.array([None if one is None else one.decode("utf-8", "replace") for one in raw], pa.string())
    return array


_NUMBER = r"^-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$|(?i)^-?(inf|infinity|nan)$"


def _doubles(texts: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Numbers of texts without blanks, and which of these are some."""
    bare = pc.if_else(pc.starts_with(texts, "+"), pc.binary_replace_slice(texts, 0, 1, ""), texts)
    good = pc.match_substring_regex(bare, _NUMBER)
    return pc.cast(pc.if_else(good, bare, pa.scalar(None, pa.string())), pa.float64()), good


def _texts(rows: int, column: tuple[bytes | None, bytes, bytes]) -> pa.Array:
    validity, offsets, data = (pa.py_buffer(one) if one is not None else None for one in column)
    return pa.StringArray.from_buffers(rows, offsets, data, validity)


def _numbers(rows: int, column: Any, name: str, block: memoryview, at: int) -> pa.Array:
    """Numbers of a column, null where Arrow's reader has null."""
    values, mask, count, others = column
    made = pa.Array.from_buffers(pa.float64(), rows, [None, pa.py_buffer(values)])
    if count == 0:
        return made
    texts = _texts(count, others)
    mask = pa.Array.from_buffers(pa.bool_(), rows, [None, pa.py_buffer(mask)])
    try:
        rest = pc.cast(texts, pa.float64())
    except pa.ArrowInvalid:
        bare = pc.ascii_trim(texts, " \t")
        bare = pc.if_else(pc.is_in(bare, pa.array(_NULLS)), pa.scalar(None, pa.string()), bare)
        rest, good = _doubles(bare)
        wrong = pc.index(good, False).as_py()
        if wrong >= 0:
            value = texts[wrong].cast(pa.binary()).as_py().decode("utf-8", "replace")
            what = f", column '{name}': '{value[:40]}' is not a number"
            raise _row_error(block, at, pc.indices_nonzero(mask)[wrong].as_py(), what) from None
    rest = pc.if_else(pc.is_nan(rest), pa.scalar(None, pa.float64()), rest)
    return pc.replace_with_mask(made, mask, rest)


def _coordinates(texts: pa.Array) -> pa.Array:
    """Numbers of coordinates: what is empty is null, what is no number NaN."""
    bare = pc.ascii_trim(texts, " \t")
    bare = pc.if_else(pc.equal(pc.binary_length(bare), 0), pa.scalar(None, pa.string()), bare)
    try:
        return pc.cast(bare, pa.float64())
    except pa.ArrowInvalid:
        made, good = _doubles(bare)
        return pc.if_else(pc.invert(good), pa.scalar(float("nan")), made)


# ------------------------------------------------------------------------------------------------------ what is planned


def header(start: bytes, whole: bool) -> tuple[list[str], int] | str | None:
    """Names of the columns of a file by its start, and where its rows begin; or what is wrong; None where more is needed.

    Parameters
    ----------
    whole : bool
        The start is all of it.
    """
    begin = 3 if start.startswith(b"\xef\xbb\xbf") else 0
    while True:
        length = _ext.csv_row(start[begin:])
        if start[begin : begin + length] not in (b"\n", b"\r\n"):
            break
        begin += length
    if length == 0:
        if not whole:
            return None
        length = len(start) - begin
    row = start[begin : begin + length]
    if b"\r" in row.rstrip(b"\r\n"):
        return "its lines end with CR alone"
    try:
        names = _parsed(row, csv.ReadOptions(use_threads=False, block_size=max(len(row), 1) + 1), csv.ConvertOptions()).schema.names
    except pa.ArrowInvalid as error:
        return str(error)
    twice = next((name for name in names if names.count(name) > 1), None)
    return f"there are two columns '{twice}'" if twice is not None else (names, begin + length)


def shape_of(plan: Plan, start: bytes, names: Sequence[str], begin: int, whole: bool, texts: Sequence[str] = ()) -> Shape:
    """Columns of a file for a plan, by its start.

    Parameters
    ----------
    names, begin
        Of :func:`header`: the columns, and where the rows begin.
    whole : bool
        The start is all of it.
    texts : sequence of str
        Columns to be read as text; ``*``: all.

    Raises
    ------
    UCIDDataError
        The start is no CSV.
    """
    options = plan.options
    named = [value for name in ("h3", "city", "column") if isinstance(value := options.get(name), str)]
    numbers: set[str] = set()
    loose: list[str] = []
    if plan.door == "groups":
        numbers = {options.get("of") or "score"}
        named = list(options["by"])
    elif plan.door in ("create", "score", "join"):
        for usual, given in ((_LATITUDES, options.get("lat")), (_LONGITUDES, options.get("lon"))):
            asked = (given,) if isinstance(given, str) else usual
            loose += [name for name in asked if name in names][:1]
    text = {*_TEXTS.get(plan.door, ()), *named, *texts} - set(loose)
    as_text = {*text, *numbers, *loose, *(names if "*" in texts else ())}
    rows = start if whole else start[: begin + _ext.csv_rows(start[begin:])]
    convert = csv.ConvertOptions(column_types={name: pa.string() for name in as_text}, check_utf8=False)
    try:
        found = _parsed(rows, csv.ReadOptions(use_threads=False, block_size=len(rows) + 1), convert).schema
    except pa.ArrowInvalid as error:
        raise UCIDDataError(str(error)) from error
    doubles = {*numbers, *loose}
    schema = pa.schema([pa.field(field.name, pa.float64()) if field.name in doubles else field for field in found])
    plain = [name for name in schema.names if plan.door == "groups" and (name in text or name in numbers)]
    return Shape(schema, tuple(loose), tuple(plain))


def cut(begin: int, end: int, chunk_bytes: int) -> list[tuple[int, int]]:
    """Ranges of about so many bytes."""
    count = -(-(end - begin) // chunk_bytes)
    edges = [begin + (end - begin) * i // count for i in range(count)] + [end]
    return list(zip(edges[:-1], edges[1:], strict=True)) if count else []


# --------------------------------------------------------------------------------------------------------- what is read


def begins(raw: Any, begin: int, size: int, column_count: int) -> int:
    """Where the first row begins that begins at a byte of a file or behind it, as far as what follows tells."""
    length = WINDOW_BYTES
    while True:
        raw.seek(begin - 1)  # the byte before tells of a row that begins here
        window = raw.read(min(length, size - begin + 1))
        ended = begin - 1 + len(window) >= size
        found: list[int] = []
        for before in (b"x", b'"'):  # in a field, in quotes
            row = _ext.csv_row(before + window) - 1
            if row < 0:
                continue
            rest = memoryview(window)[row:]
            found.append(row)
            if _fits(rest[: len(rest) if ended else _ext.csv_rows(rest)], column_count):
                return begin - 1 + row
        if ended or length > 64 * WINDOW_BYTES:
            return begin - 1 + found[0] if found else size if ended else min(begin - 1 + length, size)
        length *= 4


def _fits(rows: memoryview, column_count: int) -> bool:
    try:
        return _ext.csv_columns(rows, column_count, ())[0] > 0
    except UCIDDataError:
        return False


class _Rows:
    """Rows of a file from one that begins at a byte, up to the first that begins at another or behind it, in blocks of whole rows
    with the bytes where these begin. Afterwards ``at`` is where the next row begins."""

    def __init__(self, raw: Any, start: int, end: int, size: int, local: bool) -> None:
        self.at = start
        self._raw, self._end, self._size, self._local = raw, end, size, local
        self._buffer = bytearray(BLOCK_BYTES if local else STORE_BLOCK_BYTES)

    def _fill(self, view: memoryview) -> int:
        if self._local:
            return int(self._raw.readinto(view))
        data = self._raw.read(len(view))
        view[: len(data)] = data
        return len(data)

    def __iter__(self) -> Iterator[tuple[memoryview, int]]:
        held = 0
        if self.at < self._end:
            self._raw.seek(self.at)
        while self.at < self._end:
            if held == len(self._buffer):  # a long row
                if held > ROW_BYTES:
                    raise UCIDDataError(f"the row at byte {self.at} has more than a gigabyte")
                self._buffer = self._buffer + bytes(held)
            wanted = min(len(self._buffer) - held, self._size - self.at - held)
            with memoryview(self._buffer) as view:
                got = self._fill(view[held : held + wanted]) if wanted else 0
                if wanted and not got:
                    raise EOFError(f"a file of {self._size} bytes ended at byte {self.at + held}")
                held += got
                block = view[:held]
                whole = self._whole(block)
                if whole:
                    yield block[:whole], self.at
                block.release()
                held -= whole
                self.at += whole
                if self.at < self._end:
                    view[:held] = bytes(view[whole : whole + held])

    def _whole(self, block: memoryview) -> int:
        """Bytes of those rows of a block that are whole, and begin before the end."""
        ended = self.at + len(block) == self._size
        if self.at + len(block) < self._end:
            return _ext.csv_rows(block)
        whole = _ext.csv_rows(block[: self._end - self.at])
        if self.at + whole < self._end:
            whole += _ext.csv_row(block[whole:]) or (len(block) - whole if ended else 0)
        return whole


def read(spec: dict[str, Any]) -> pa.Table:
    """Rows that begin in a range. ``spec["at"]`` becomes where the first of them and the one behind the last begin, also where
    they cannot be read: then ``error`` says why.

    Parameters
    ----------
    spec : dict
        ``csv``: the shape, ``range``: first byte and the one behind it, ``input``, ``size``, ``columns``: names, or None, and
        ``start``: where the first row begins, if that is known.
    """
    shape: Shape = spec["csv"]
    begin, end = spec["range"]
    chosen = spec["columns"] if spec["columns"] is not None else shape.schema.names
    batches: list[pa.RecordBatch] = []
    failure: UCIDDataError | None = None
    with storage.open_file(spec["input"]) as raw:
        start = spec.get("start")
        if start is None:
            start = begins(raw, begin, spec["size"], len(shape.schema))
        spec["at"] = [start, None]
        rows = _Rows(raw, start, end, spec["size"], spec["input"].startswith("file:"))
        for block, at in rows:
            try:
                if failure is None:
                    batches.append(shape.batch(block, at, chosen))
            except UCIDDataError as error:
                failure = error  # where its rows end is still to be told
        spec["at"] = [start, max(rows.at, start)]
    if failure is not None:
        raise failure
    return pa.Table.from_batches(batches, pa.schema([shape.schema.field(name) for name in chosen]))


def misread(parts: Sequence[dict[str, Any]], told: Mapping[str, dict[str, Any]]) -> dict[str, int]:
    """Of parts in their order, those that did not begin where the rows before them ended, with where they must: of a file the
    first of them alone, since what follows it depends on it."""
    wrong: dict[str, int] = {}
    source, expected = None, None
    for part in parts:
        if "range" not in part:
            continue
        if part["input"] != source:
            source, expected = part["input"], part["range"][0]
        at = told.get(part["name"], {}).get("at")
        if expected is None or at is None:  # nothing is known of what comes behind
            expected = None
        elif at[0] != expected:
            wrong[part["name"]] = expected
            expected = None
        else:
            expected = at[1]
    return wrong
