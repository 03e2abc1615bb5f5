"""States of a roll-up on their way from task to task: some thousand groups are one value, bytes of Arrow's stream format.

A state is twenty columns, which nobody looks at but the next task. As rows Spark would write each of them into Arrow and read it
back, value by value, and a file would look for repetition in all of them; a value of bytes is copied. Its numbers are as narrow
as they can be, a third of what they were: that takes less time than any compression, and less than to move the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["pack", "unpack"]

_PACKED = pa.schema([pa.field("states", pa.binary())])
_GROUPS = 1 << 16  # of a value: some megabytes at most
_NARROW = ((pa.int8(), 7), (pa.int16(), 15), (pa.int32(), 31))  # and their bits without the sign


def _narrow(column: pa.Array) -> pa.Array:
    if not pa.types.is_int64(column.type):
        return column
    least, most = pc.min_max(column).values()
    kind = next((kind for kind, bits in _NARROW if -1 << bits <= least.as_py() and most.as_py() < 1 << bits), column.type)
    return column.cast(kind)


def _value(groups: pa.RecordBatch) -> pa.RecordBatch:
    narrow = pa.record_batch([_narrow(column) for column in groups.columns], groups.schema.names)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, narrow.schema) as writer:
        writer.write_batch(narrow)
    packed = sink.getvalue()
    offsets = pa.py_buffer(np.array([0, packed.size], np.int32))
    return pa.record_batch([pa.Array.from_buffers(pa.binary(), 1, [None, offsets, packed])], schema=_PACKED)


def pack(states: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """States as bytes. Cells and texts, whose sums are larger, are values of their own."""

    def values() -> Iterator[pa.RecordBatch]:
        for batch in states:
            start = 0
            for end in pc.run_end_encode(batch.column("level")).run_ends.to_pylist():
                for at in range(start, end, _GROUPS):
                    yield _value(batch.slice(at, min(_GROUPS, end - at)))
                start = end

    return pa.RecordBatchReader.from_batches(_PACKED, values())


def unpack(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatchReader:
    """Bytes of :func:`pack` as the states that they are, which have these columns."""

    def states() -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for value in batch.column(0):
                with pa.ipc.open_stream(value.as_buffer()) as reader:
                    for groups in reader:
                        yield groups.cast(schema)

    return pa.RecordBatchReader.from_batches(schema, states())
