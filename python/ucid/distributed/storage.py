"""Files of a job on whatever holds them: a disk, S3, GCS, HDFS, by fsspec.

A file is put whole or not at all: on object stores by one request or one completed upload, elsewhere by a rename. What fails
for a while (a store that restarts, answers 503 or breaks off) is tried again for :data:`PATIENCE_S` seconds.

A disk takes some 2 ms for a megabyte, and who waits for it leaves a processor idle. So what is put may be left to the system,
which begins to write it at once; whoever must know that it lasts calls :func:`settle` when all is put.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from ucid.errors import UCIDConfigError, UCIDDataError
from ucid.indexes import _keep

__all__ = ["Found", "Missing", "Piece", "below", "find", "get", "info", "is_transient", "list_names", "open_file", "put", "remove", "remove_parts", "settle", "visible"]

PATIENCE_S = float(os.environ.get("UCID_STORAGE_PATIENCE_S", "90"))

_Result = TypeVar("_Result")
Piece = bytes | memoryview  # of a file


class Missing(UCIDDataError):
    """There is no such file."""


class Found(NamedTuple):
    """A file as a listing tells of it. The tag changes when the content does: ETag, generation, or time of the last write."""

    uri: str
    size: int
    tag: str


def _file_system(uri: str) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError as error:
        raise UCIDConfigError(f"{uri}: needs fsspec: pip install 'ucid[catalog]'", code="MISSING_DEPENDENCY") from error
    try:
        files, path = fsspec.url_to_fs(uri)
    except (ImportError, ValueError) as error:
        raise UCIDConfigError(f"{uri}: {error}", code="MISSING_DEPENDENCY") from error
    _keep(files)
    return files, path


_STORES = frozenset({"s3", "s3a", "gs", "gcs"})  # an object appears when its upload is complete: no rename is needed
_LOCAL = frozenset({"file", "local"})


def _is(files: Any, kind: frozenset[str]) -> bool:
    return not kind.isdisjoint([files.protocol] if isinstance(files.protocol, str) else files.protocol)


def _answer_of(error: BaseException | None) -> int | None:
    """Status of an HTTP answer, where the error comes from one."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return found if isinstance(found, int) else None
    code = getattr(error, "code", None) or getattr(error, "status", None)
    return int(code) if isinstance(code, int) or (isinstance(code, str) and code.isdigit()) else None


_CLIENTS = ("aiohttp", "botocore", "aiobotocore", "urllib3", "requests", "hdfs_native")
_LASTING = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError)


def is_transient(error: BaseException) -> bool:
    """Whether the same call may succeed later: the network, the store, this host's memory or disk; not what a file holds."""
    if isinstance(error, _LASTING):
        return False
    answer = _answer_of(error)
    if answer is not None:
        return answer >= 500 or answer in (408, 429)
    if isinstance(error, (OSError, TimeoutError, MemoryError, EOFError)):
        # Arrow tells of bad bytes by an OSError without a number
        return type(error) is not OSError or error.errno is not None
    return type(error).__module__.partition(".")[0] in _CLIENTS


def retry(call: Callable[[], _Result], what: str) -> _Result:
    """The result of a call, tried again while it fails for a while."""
    end = time.monotonic() + PATIENCE_S
    pause = 0.2
    while True:
        try:
            return call()
        except FileNotFoundError as error:
            raise Missing(f"{what}: no such file", code="FILE_NOT_FOUND") from error
        except _LASTING:
            raise
        except Exception as error:
            if not is_transient(error) or time.monotonic() + pause > end:
                raise
            time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
            pause = min(2 * pause, 8.0)


_TAGS = ("ETag", "etag", "generation", "mtime", "modification_time")


def _found(files: Any, name: str, entry: dict[str, Any]) -> Found:
    tag = next((entry[name] for name in _TAGS if entry.get(name)), None)
    return Found(files.unstrip_protocol(name), int(entry["size"] or 0), str(tag))


def visible(name: str, folder: str) -> bool:
    """Whether nothing of a name below a folder starts with . or _, as what others note beside files does (``_SUCCESS``, ``_ucid``)."""
    return not any(one.startswith((".", "_")) for one in name.removeprefix(folder).split("/"))


def _behind(files: Any, name: str, entry: dict[str, Any]) -> dict[str, Any]:
    """What is listed, or for a symbolic link what it leads to."""
    try:
        return files.info(name) if entry.get("islink") else entry
    except FileNotFoundError as error:
        raise UCIDDataError(f"{name}: a link to no file", code="FILE_NOT_FOUND") from error


def find(patterns: Sequence[str], endings: Sequence[str] = (".parquet", ".csv")) -> list[Found]:
    """Files that paths, URIs, folders and patterns name, by name; each once. Names that start with . or _ are left out, and what
    lies in folders that do. Of a folder those of the first ending that any has.

    Raises
    ------
    UCIDDataError
        ``FILE_NOT_FOUND``: nothing was found for one of them.
    """
    made: dict[str, Found] = {}
    for pattern in patterns:
        files, path = _file_system(os.fspath(pattern))

        def listing(files: Any = files, path: str = path) -> list[Found]:
            def wanted(name: str) -> bool:
                return visible(name, path if name.startswith(f"{path}/") else name.rpartition("/")[0])

            files.invalidate_cache()
            if any(one in path for one in "*?["):
                names = files.glob(path, detail=True)
            else:
                names = files.find(path, detail=True)
                if path not in names:
                    ending = next((one for one in endings if any(name.endswith(one) for name in names if wanted(name))), endings[0])
                    names = {name: entry for name, entry in names.items() if name.endswith(ending)}
            seen = {name: _behind(files, name, entry) for name, entry in names.items() if wanted(name)}
            return [_found(files, name, entry) for name, entry in seen.items() if entry["type"] == "file"]

        found = retry(listing, os.fspath(pattern))
        if not found:
            raise UCIDDataError(f"{pattern}: no file", code="FILE_NOT_FOUND")
        made.update((one.uri, one) for one in found)
    return [made[uri] for uri in sorted(made)]


def below(name: str) -> list[Found]:
    """All files of a path, a URI or a pattern, by name; of folders whatever lies below, whatever it is called. Is not tried again."""
    files, path = _file_system(name)
    files.invalidate_cache()
    starts = files.glob(path, detail=True) if any(one in path for one in "*?[") else {path: {"type": "directory"}}
    made: dict[str, dict[str, Any]] = {}
    for start, entry in starts.items():
        made.update(files.find(start, detail=True) if entry["type"] == "directory" else {start: entry})
    return [_found(files, one, _behind(files, one, made[one])) for one in sorted(made)]


def info(uri: str) -> Found:
    """A file as it is now. Raises Missing."""
    files, path = _file_system(uri)

    def ask() -> Found:
        files.invalidate_cache()
        return _found(files, path, files.info(path))

    return retry(ask, uri)


def open_file(uri: str) -> Any:
    """A file for reading at random, each read one request."""
    files, path = _file_system(uri)
    return files.open(path, "rb", cache_type="none")


def get(uri: str) -> bytes:
    """The bytes of a small file. Raises Missing."""
    files, path = _file_system(uri)
    return retry(lambda: bytes(files.cat_file(path)), uri)


def list_names(folder: str) -> dict[str, int]:
    """Names of files right in a folder, with their bytes; empty where there is no folder."""
    files, path = _file_system(folder)

    def ask() -> dict[str, int]:
        files.invalidate_cache()
        try:
            entries = files.ls(path, detail=True)
        except FileNotFoundError:
            return {}
        return {one["name"].rsplit("/", 1)[-1]: int(one["size"] or 0) for one in entries if one["type"] == "file"}

    return retry(ask, folder)


def put(uri: str, pieces: Sequence[Piece], *, new: bool = False, settled: bool = True) -> bool:
    """Write a file of these pieces, whole or not at all. With ``new`` only where there is none: False tells that there was. What is not
    ``settled`` may be cut off after this host has lost its power, until :func:`settle` has seen it."""
    files, path = _file_system(uri)
    if _is(files, _STORES):
        return retry(lambda: _send(files, path, pieces, new), uri)
    return retry(lambda: _rename(files, path, pieces, new, settled), uri)


def settle(uris: Iterable[str]) -> None:
    """Wait until disks that this host sees hold files that were put; object stores and HDFS have theirs when they say so.

    Raises
    ------
    Missing
        Whoever put a file did so on another host, where this one does not see it.
    """
    for uri in uris:
        files, path = _file_system(uri)
        if not _is(files, _LOCAL):
            continue
        try:
            file = os.open(path, os.O_RDONLY)
        except FileNotFoundError as error:
            message = f"{path}: written, but not seen by {socket.gethostname()}; a folder on a disk must be the same one on all hosts"
            raise Missing(message, code="FILE_NOT_FOUND") from error
        try:
            os.fsync(file)
        finally:
            os.close(file)


def _send(files: Any, path: str, pieces: Sequence[Piece], new: bool) -> bool:
    try:
        files.pipe_file(path, b"".join(pieces), mode="create" if new else "overwrite")
    except FileExistsError:
        return False
    except Exception as error:
        # s3fs knows the words of some stores for it and makes errors of its own, and of other words an OSError
        if new and {409, 412} & {_answer_of(error), _answer_of(error.__cause__)}:
            return False
        raise
    return True


def _rename(files: Any, path: str, pieces: Sequence[Piece], new: bool, settled: bool) -> bool:
    local = _is(files, _LOCAL)
    folder, _, name = path.rpartition("/")
    files.makedirs(folder, exist_ok=True)
    part = f"{folder}/.{name}.{uuid.uuid4().hex}.part"
    try:
        if local:
            with open(part, "wb") as out:
                out.writelines(pieces)
                out.flush()
                if settled:
                    os.fsync(out.fileno())
                elif hasattr(os, "posix_fadvise"):
                    os.posix_fadvise(out.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # begins to write, and does not wait
            if new:
                os.link(part, path)
            else:
                os.replace(part, path)
        else:
            with files.open(part, "wb") as out:
                for piece in pieces:
                    out.write(piece)
            if new and files.exists(path):
                return False
            files.mv(part, path, overwrite=not new)
    except FileExistsError:
        return False
    finally:
        with contextlib.suppress(OSError):
            if files.exists(part):
                files.rm_file(part)
    return True


def remove(uri: str) -> None:
    """Remove a file, if it is there."""
    files, path = _file_system(uri)

    def ask() -> None:
        with contextlib.suppress(FileNotFoundError):
            files.rm_file(path)

    retry(ask, uri)


def remove_parts(folder: str) -> None:
    """Remove what killed writers left beside their names in a folder."""
    for name in list_names(folder):
        if name.startswith(".") and name.endswith(".part"):
            remove(f"{folder}/{name}")
