"""Which engine runs a plan: that of the collection given; for files, by their bytes and by what is installed.

    bytes listed   < 1 GB      local
                   <= 100 GB   Dask
                   <= 1 TB     Dask, else Spark
                   beyond      Spark
    a Ray cluster that this process is connected to comes before Dask
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from ucid.distributed.storage import visible
from ucid.errors import UCIDConfigError, UCIDDataError
from ucid.indexes import _keep

__all__ = ["ENGINES", "adapter", "choose", "engine_of", "hold", "holds_files", "is_path", "listed", "measure"]

# Engine: module that must be there, and the extra that brings it.
ENGINES = {"local": "pyarrow", "dask": "dask.dataframe", "ray": "ray.data", "spark": "pyspark.sql", "modin": "modin.pandas"}
_HOMES = {"dask": "dask", "dask_expr": "dask", "dask_geopandas": "dask", "ray": "ray", "pyspark": "spark", "modin": "modin"}
_GB = 10**9


def is_path(data: Any) -> bool:
    """Whether data is a path, a URI, or a list of these."""
    if isinstance(data, (str, os.PathLike)):
        return True
    return isinstance(data, (list, tuple)) and bool(data) and all(isinstance(one, (str, os.PathLike)) for one in data)


def engine_of(data: Any) -> str:
    """Engine that a collection belongs to; ``local`` for what belongs to none."""
    return _HOMES.get(type(data).__module__.partition(".")[0], "local")


def installed(engine: str) -> bool:
    """Whether an engine can be imported, without importing it."""
    return importlib.util.find_spec(ENGINES[engine].partition(".")[0]) is not None


def adapter(engine: str) -> ModuleType:
    """Module of an engine.

    Raises
    ------
    UCIDConfigError
        There is no such engine, or it is not installed.
    """
    if engine not in ENGINES:
        raise UCIDConfigError(f"no engine '{engine}'; there are auto, {', '.join(ENGINES)}")
    try:
        return importlib.import_module(f"ucid.distributed.{engine}")
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("ucid"):
            raise
        message = f"engine '{engine}' needs {error.name}: pip install 'ucid[{engine}]'"
        raise UCIDConfigError(message, code="MISSING_DEPENDENCY") from error


def listed(path: str | os.PathLike[str]) -> tuple[Any, dict[str, int]]:
    """File system of a path, folder or pattern, and the bytes of each file below it, by name. Below a folder, what lies there under a
    name that starts with . or _ is left out, as all engines have it."""
    import fsspec

    files, _, found = fsspec.get_fs_token_paths(os.fspath(path), mode="rb")
    _keep(files)
    sizes = {name: one["size"] or 0 for start in found for name, one in files.find(start, detail=True).items() if visible(name, start)}
    if not sizes:
        raise UCIDDataError(f"{os.fspath(path)}: no such file", code="FILE_NOT_FOUND")
    return files, dict(sorted(sizes.items()))


def hold(paths: Sequence[str]) -> None:
    """Keep the file systems of HDFS that an engine will open in this process."""
    for path in paths:
        if path.startswith(("hdfs://", "viewfs://")):
            import fsspec

            _keep(fsspec.url_to_fs(path)[0])


def holds_files(folder: str) -> bool:
    """Whether there is anything below a folder."""
    import fsspec

    files, path = fsspec.url_to_fs(folder)
    _keep(files)
    files.invalidate_cache()
    return bool(files.find(path))


def measure(paths: Sequence[str | os.PathLike[str]]) -> int:
    """Bytes of the objects that paths, folders and patterns name; they are listed, not read."""
    return sum(size for path in paths for size in listed(path)[1].values())


def _ray_is_connected() -> bool:
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())


def choose(data: Any, engine: str = "auto") -> str:
    """Engine for data; ``auto`` says in one line on stderr what it chose and why, where there was a choice."""
    own = engine_of(data)
    if engine != "auto":
        if engine not in ENGINES:
            raise UCIDConfigError(f"no engine '{engine}'; there are auto, {', '.join(ENGINES)}")
        if own not in ("local", engine):
            raise UCIDConfigError(f"a collection of {own} stays with {own}; engine='{engine}' is for files and tables")
        return engine
    if not is_path(data):
        return own
    size = measure([os.fspath(data)] if isinstance(data, (str, os.PathLike)) else data)
    name, why = _by_size(size)
    print(f"ucid: engine {name}: {size / _GB:.3g} GB listed, {why}", file=sys.stderr)
    return name


def _by_size(size: int) -> tuple[str, str]:
    if size < _GB:
        return "local", "less than 1 GB"
    if _ray_is_connected():
        return "ray", "a Ray cluster is connected"
    wanted = ("dask", "spark") if size <= 1000 * _GB else ("spark", "dask")
    for name in wanted:
        if installed(name):
            range_ = "1 to 100 GB" if size <= 100 * _GB else "100 GB to 1 TB" if size <= 1000 * _GB else "over 1 TB"
            return name, range_ if name == wanted[0] else f"{range_}, {wanted[0]} is not installed"
    return "local", "no engine is installed: pip install 'ucid[dask]'"
