"""Collections that are still what this package made of files: which files, and by which plan.

    made = score("s3://bucket/*.parquet")     stays a collection of its engine, lazy; its origin is kept beside it, weakly
    write(made, "s3://bucket/out")            nobody changed it: tasks of a job read the files and write the parts

Rows that an engine has in its hands pass through pandas, the JVM or an object store; tasks copy the columns that nobody looks at.
Where it is not certain that both ways give the same rows, there is no origin, and the engine's writer has them: a folder in which
other files lie or whose names hold values, columns that files do not have, a file that a job would leave out, options that raise
errors of rows, a context in Python, a collection that was changed in its place, has begun to be read, or is cached.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from typing import Any, NamedTuple

from ucid.distributed import jobs, local, storage, tasks
from ucid.distributed.choose import engine_of
from ucid.distributed.plan import Plan

__all__ = ["remember", "write"]


class _Origin(NamedTuple):
    itself: weakref.ref[Any]
    files: list[storage.Found]  # as they were listed when it was made
    names: list[str]  # of their columns
    plan: Plan
    state: Any


_COMPRESSIONS = frozenset({"snappy", "zstd", "lz4", "gzip"})
_ORIGINS: dict[int, _Origin] = {}  # by identity: what == says of two collections of Dask is a collection


def _state(made: Any) -> Any:
    """What is another object once a collection was changed in its place; True where it holds rows, or has given some."""
    engine = engine_of(made)
    if engine == "local":
        return local.begun(made)
    return made.expr if engine == "dask" else getattr(made, "is_cached", False) if engine == "spark" else None


def _is_here(made: Any, paths: Sequence[str]) -> bool:
    """Whether a path names the same for this process as for Spark, whose may be of HDFS without saying so."""
    if engine_of(made) != "spark":
        return True
    from pyspark.sql.utils import is_remote

    if is_remote():  # and sees nothing of Spark's session but its tables
        return False
    files = made.sparkSession.sparkContext._jsc.hadoopConfiguration().get("fs.defaultFS")
    return files.startswith("file:") or all("://" in path for path in paths)


def _listed(path: str) -> list[storage.Found] | None:
    """Files of a path that every engine reads there, and no other reads more; None where that is not certain."""
    if "{" in path or "**" in path:
        return None
    given = path if "://" in path else os.path.abspath(path)
    found = [one for one in storage.below(path) if one.uri.rpartition("/")[2][0] not in "._"]

    def certain(uri: str) -> bool:
        folders = set(uri.split("/")[:-1]).difference(given.split("/"))
        return uri.endswith(".parquet") and "=" not in uri and not any(one.startswith((".", "_")) for one in folders)

    return found if all(certain(one.uri) for one in found) else None


def remember(made: Any, paths: Sequence[str], names: Sequence[str], plan: Plan) -> None:
    """Keep what a collection was made of, where writing it by tasks is certain to give the same rows.

    Parameters
    ----------
    names : sequence of str
        Of the columns that the engine sees in the files; none where it does not say.
    """
    if engine_of(made) == "modin" or plan.plugin is not None or "errors" in plan.options or not _is_here(made, paths):
        return
    try:
        listed = [_listed(path) for path in paths]
    except Exception:  # what this process cannot list, an engine with readers of its own may
        return
    files = [one for some in listed for one in some or ()]
    if None in listed or not files or len({one.uri for one in files}) < len(files):
        return
    if engine_of(made) == "dask":
        from dask.utils import natural_sort_key

        files.sort(key=lambda one: natural_sort_key(one.uri))
    key, state = id(made), _state(made)
    if state is not True:
        _ORIGINS[key] = _Origin(weakref.ref(made, lambda _: _ORIGINS.pop(key, None)), files, list(names), plan, state)


def write(made: Any, folder: str, compression: str) -> bool:
    """Rows of a collection as files of a folder, by tasks on what runs of its engine; False where that is its own writer's business."""
    origin = _ORIGINS.get(id(made)) if compression in _COMPRESSIONS else None
    if origin is None or origin.itself() is not made or origin.state is not _state(made) or not _is_here(made, [folder]):
        return False
    job = jobs.writing(origin.plan, origin.files, origin.names, folder, compression)
    pool = None if job is None else tasks.there(engine_of(made), made)
    if job is None or pool is None:
        return False
    job.write(pool)
    return True
