"""The engine that is none: this process, all its cores, bounded memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.dataset

from ucid.distributed.plan import Plan

__all__ = ["apply", "areas", "read"]


def read(paths: Sequence[str]) -> pa.RecordBatchReader:
    """Parquet files as a stream, in the order of their names."""
    import fsspec

    found: list[str] = []
    for path in paths:
        files, _, names = fsspec.get_fs_token_paths(os.fspath(path), mode="rb")
        for name in names:
            found += sorted(files.find(name))
    return pa.dataset.dataset(found, filesystem=files, format="parquet").scanner(batch_readahead=4, fragment_readahead=1).to_reader()


def apply(data: Any, plan: Plan) -> Any:
    """The kind of ``data``; a stream for everything without a kind of its own."""
    plan = plan.on_threads(len(os.sched_getaffinity(0)))
    if isinstance(data, pa.Table):
        return plan.table(data)
    if type(data).__module__.partition(".")[0] in ("pandas", "geopandas"):
        return plan.frame(data)
    if hasattr(data, "__arrow_c_stream__"):
        return plan.stream(pa.RecordBatchReader.from_stream(data))
    return plan.table(pa.table(data))


def areas(table: pa.Table, parts: int) -> pa.Table:
    """Areas of a grid as this engine's collection."""
    return table
