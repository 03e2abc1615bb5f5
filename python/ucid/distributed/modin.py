"""Modin: row partitions are pandas frames that lie with Ray or Dask; a plan runs where each lies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import modin.pandas as mpd
import pandas
import pyarrow as pa
from modin.config import Engine
from modin.distributed.dataframe.pandas import from_partitions, unwrap_partitions
from modin.pandas.api.extensions import register_dataframe_accessor

from ucid.distributed.accessor import Accessor
from ucid.distributed.local import write_file
from ucid.distributed.plan import Plan
from ucid.errors import UCIDConfigError

__all__ = ["apply", "from_table", "names", "read", "repartition", "select", "shrink", "write"]


@cache
def _home() -> str:
    """Of the client that Modin first ran on here. It keeps a function of its own there, for good, that cutting frames needs: on
    another cluster, what is large enough to be cut ends as "cancelled for reason: lost dependencies"."""
    from distributed import default_client

    return str(default_client().id)


def _client() -> Any:
    from distributed import default_client

    client = default_client()
    if client.id != _home():
        message = "Modin stays with the first Dask client of a process; another cluster, or a new client, wants a new process"
        raise UCIDConfigError(message)
    return client


def _call(function: Callable[..., Any], *given: Any) -> Any:
    """What Ray runs: it takes a function, and no method of a plan."""
    return function(*given)


def _submit(function: Callable[..., Any], *given: Any) -> Any:
    """A call on the engine below Modin; what it gives stays there."""
    below = Engine.get()
    if below == "Ray":
        import ray

        return ray.remote(_call).remote(function, *given)  # pyright: ignore[reportAttributeAccessIssue]
    if below == "Dask":
        return _client().submit(function, *given, pure=False)
    raise UCIDConfigError(f"Modin runs on {below}; MODIN_ENGINE=ray or dask is wanted")


def _pass(frame: Any) -> Any:
    return frame


def _join(*frames: Any) -> Any:
    return pandas.concat(frames, ignore_index=True)


def read(paths: Sequence[str]) -> Any:
    """Parquet files as a Modin DataFrame."""
    frames = [mpd.read_parquet(path) for path in paths]
    return frames[0] if len(frames) == 1 else mpd.concat(frames, ignore_index=True)


def apply(data: Any, plan: Plan) -> Any:
    """Run a plan on each row partition."""
    function = plan.on_threads(1).frame
    made = from_partitions([_submit(function, part) for part in unwrap_partitions(data, axis=0)], axis=0)
    return made if plan.keeps_rows else made.reset_index(drop=True)


def from_table(table: pa.Table, parts: int) -> Any:
    """A table of this process as the engine's collection."""
    step = -(-table.num_rows // parts)
    pieces = [table.slice(start, step).to_pandas() for start in range(0, table.num_rows, step)]
    mpd.DataFrame({"start": [0]})  # starts the engine below where nothing has yet
    return from_partitions([_submit(_pass, piece) for piece in pieces], axis=0)


def write(data: Any, folder: str, compression: str) -> None:
    """A file of each partition, by fsspec: Modin's own writer knows neither HDFS nor another server than Google's."""
    parts = unwrap_partitions(data, axis=0)
    made = [_submit(write_file, part, f"{folder.rstrip('/')}/part-{i:04}.parquet", compression) for i, part in enumerate(parts)]
    if Engine.get() == "Ray":
        import ray

        ray.get(made)  # pyright: ignore[reportAttributeAccessIssue]
    else:
        for one in made:
            one.result()


def names(data: Any) -> list[str]:
    """Names of the columns."""
    return [str(name) for name in data.columns]


def select(data: Any, columns: list[str]) -> Any:
    """Some columns."""
    return data[columns]


def shrink(data: Any, parts: int) -> Any:
    """Neighbouring partitions joined until there are at most so many."""
    pieces = unwrap_partitions(data, axis=0)
    step = -(-len(pieces) // parts)
    if step == 1:
        return data
    return from_partitions([_submit(_join, *pieces[at : at + step]) for at in range(0, len(pieces), step)], axis=0)


def repartition(data: Any, key: str, parts: int | None) -> Any:
    """Rows of one key next to each other; Modin cuts its partitions itself."""
    return data.sort_values(key, kind="stable", ignore_index=True)


register_dataframe_accessor("ucid")(property(Accessor))
