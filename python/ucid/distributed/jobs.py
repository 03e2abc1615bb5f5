"""Jobs: a plan over files of any number, on any engine, that ends with the same bytes whatever befalls it.

    files -> parts of some row groups each -> tasks -> one file a part, and its record -> report

Work is split by bytes, not by area or by file. A task reads its part, runs the plan and puts one file, whole, under a name that
follows from the manifest; what fails is given out again, what cannot be read is named and left out, and what is done is never
done twice: :mod:`ucid.distributed.manifest`. Sums are made as states of groups and merged in a tree; rows are never shuffled.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import ucid
from ucid.distributed import csv_files, storage, tasks
from ucid.distributed.areas import area_table
from ucid.distributed.manifest import Manifest, done_uri, record
from ucid.distributed.parquet import Kept, coded, described, footer_of, plain_schema, written
from ucid.distributed.plan import Plan
from ucid.errors import UCIDConfigError, UCIDDataError, UCIDError

__all__ = ["Job", "Progress", "aggregate", "grid", "over_files", "run_task", "writing"]

PART_BYTES = (16 << 20, 64 << 20, 256 << 20)  # before compression, of a part of a small, a middle and a large input
PARTS = (256, 2048)  # of a small and of a large input
BATCH_ROWS = 1 << 18  # that go through a plan at once: the more there are, the more places share what is fetched of an index
GROUP_ROWS = 1 << 18  # of a row group that is written
MERGE_BYTES, MERGE_FILES = 256 << 20, (4, 256)  # of states that one task puts together: so many bytes of so many files
READS = 3  # of a part whose bytes make no sense: a store may have broken off


class Progress(NamedTuple):
    """How far a job is."""

    parts_done: int
    parts: int
    rows: int
    rows_per_s: float
    left_s: float


# --------------------------------------------------------------------------------------------------- what a worker does


class _Rows(NamedTuple):
    """Rows of a part: texts may come behind dictionaries, and where columns are kept, those alone that the plan looks rows up by."""

    table: pa.Table
    schema: pa.Schema  # as its file has them
    kept: Kept | None = None


def _read(spec: dict[str, Any]) -> _Rows:
    if "areas" in spec:
        areas = pa.Table.from_pylist(spec["areas"])
        return _Rows(areas, areas.schema)
    if "sources" in spec:
        with ThreadPoolExecutor(16) as pool:
            files = pool.map(storage.get, spec["sources"])
            # pq.read_table would import pandas first
            states = pa.concat_tables([pq.ParquetFile(pa.BufferReader(file)).read(use_threads=False) for file in files])
        return _Rows(states, states.schema)
    now = storage.info(spec["input"])
    if (now.size, now.tag) != (spec["size"], spec["tag"]):
        raise UCIDDataError(f"{spec['input']} has changed since it was listed", code="INPUT_CHANGED")
    if "range" in spec:
        return _Rows(storage.retry(lambda: csv_files.read(spec), spec["input"]), spec["csv"].schema)
    plan: Plan = spec["plan"]

    def read() -> _Rows:
        with storage.open_file(spec["input"]) as raw:
            end = footer_of(raw, spec["size"])
            file = described(end)
            metadata, schema, groups = file.metadata, file.schema_arrow, list(range(*spec["row_groups"]))
            options = {"metadata": metadata, "read_dictionary": coded(metadata, schema, groups) if plan.plugin is None else None}
            asked, names = spec["kept"]
            kept = Kept.read(raw, spec["size"], end, metadata, spec["row_groups"], names, spec["compression"])
            if kept is not None:
                return _Rows(kept.open(raw, **options).read_row_groups(groups, columns=asked, use_threads=False), schema, kept)
            whole = pq.ParquetFile(raw, pre_buffer=True, **options)
            return _Rows(whole.read_row_groups(groups, columns=spec["columns"], use_threads=False), schema)

    return storage.retry(read, spec["input"])


def _recut(rows: pa.Table) -> pa.RecordBatchReader:
    """Rows in batches of a length, texts behind one dictionary: so that the bytes of a file do not depend on how it was read."""
    return rows.combine_chunks().to_reader(BATCH_ROWS)


def _parquet(batches: Iterable[pa.RecordBatch], schema: pa.Schema, given: pa.Schema, spec: dict[str, Any], kept: Kept | None = None) -> list[storage.Piece]:
    """The pieces of a file of batches with the columns ``given``, which says that its columns are those of ``schema``: beside those that are
    kept, where there are such."""
    said = schema.with_metadata({**(schema.metadata or {}), b"ucid:plan": spec["plan"].digest().encode()})
    return written(batches, said, given, [GROUP_ROWS] if kept is None else kept.rows, spec["compression"], kept)


_OF_INDEX = frozenset({"INDEX_NOT_FOUND", "INDEX_FORMAT", "INDEX_CORRUPT", "FILE_NOT_FOUND", "IO_ERROR"})


def run_task(spec: dict[str, Any]) -> dict[str, Any]:
    """Read a part, run its plan, put its files, and tell so.

    Raises what may pass: the engine's driver gives the task out again. What is wrong with the input itself is the result.
    """
    begun_s = time.monotonic()
    given = _Rows(pa.table({}), pa.schema([]))
    for attempt in range(1, READS + 1):
        try:
            given = _read(spec)
            break
        except Exception as error:
            if storage.is_transient(error) or "sources" in spec:
                raise
            if attempt == READS or isinstance(error, UCIDError):
                return {"name": spec["name"], "error": _one_line(error), "at": spec.get("at")}
            time.sleep(0.2 * attempt)
    plan: Plan = spec["plan"]
    rows_out = 0
    statuses: Counter[str] = Counter()

    def counted(batches: pa.RecordBatchReader, first: int = 0) -> Iterator[pa.RecordBatch]:
        """Batches, of them the columns from ``first`` on."""

        def count(batch: pa.RecordBatch) -> pa.RecordBatch:
            nonlocal rows_out
            rows_out += batch.num_rows
            if "status" in batch.schema.names:
                statuses.update({one["values"]: one["counts"] for one in batch.column("status").value_counts().to_pylist()})
            return batch.select(range(first, batch.num_columns)) if first else batch

        return map(count, batches)

    try:
        levels = spec.get("levels")
        one_core = plan.on_threads(1)
        stream = one_core.to_file(_recut(given.table)) if levels is None else one_core.stream(given.table.to_reader())
        made = stream.schema.remove_metadata()
        schema = plain_schema(made, given.schema, plan.added(made.names)).with_metadata(given.schema.metadata)
        if given.kept is not None:
            first = given.table.num_columns
            fields = [*(given.schema.field(name) for name in given.kept.names), *(schema.field(at) for at in range(first, len(schema)))]
            added = pa.schema([made.field(at) for at in range(first, len(made))])
            files = [_parquet(counted(stream, first), pa.schema(fields, schema.metadata), added, spec, given.kept)]
        elif levels is not None:
            files = []
            for level, rows in _by_level(counted(stream), levels):
                of_level = _level_schema(schema, level)
                files.append(_parquet((one.rename_columns(of_level.names) for one in rows), of_level, of_level, spec))
        else:
            files = [_parquet(counted(stream), schema, made, {**spec, "compression": "none"} if plan.packs else spec)]
    except UCIDError as error:
        if error.code in _OF_INDEX:
            raise
        return {"name": spec["name"], "error": _one_line(error), "at": spec.get("at")}
    if "range" in spec and _is_late(spec):
        return {"name": spec["name"], "error": "done by another that knew where to begin", "at": spec["at"]}
    put: dict[str, dict[str, Any]] = {}
    for uri, pieces in zip(spec["files"], files, strict=True):
        storage.put(uri, pieces, settled=False)
        digest = hashlib.sha256()
        for piece in pieces:
            digest.update(piece)
        put[uri] = {"sha256": digest.hexdigest(), "bytes": sum(map(len, pieces))}
    said = {"name": spec["name"], "files": put, "rows_in": given.table.num_rows, "rows": rows_out, "status": dict(statuses),
            "sources": spec.get("sources"), "at": spec.get("at")}  # fmt: skip
    if spec["checkpoint"]:
        record(spec["checkpoint"], spec["name"], said)
    return {**said, "seconds": time.monotonic() - begun_s, "host": socket.gethostname()}


def _is_late(spec: dict[str, Any]) -> bool:
    """Whether a part of CSV that began where it guessed has meanwhile been written from where it must begin."""
    if spec.get("start") is not None:
        return False
    try:
        said = json.loads(storage.get(done_uri(spec["checkpoint"], spec["name"])))
    except (ValueError, storage.Missing):
        return False
    return bool(said["at"] != spec["at"])


def _by_level(batches: Iterable[pa.RecordBatch], levels: Sequence[str]) -> Iterator[tuple[str, Iterator[pa.RecordBatch]]]:
    """Levels of a roll-up, each with its batches, which come one level after the other. None is held while the next one is made."""
    pieces = (piece for batch in batches for piece in _pieces(batch))
    held: list[tuple[str, pa.RecordBatch]] = list(islice(pieces, 1))

    def of(level: str) -> Iterator[pa.RecordBatch]:
        while held and held[0][0] == level:
            yield held.pop()[1]
            held.extend(islice(pieces, 1))

    return ((level, of(level)) for level in levels)


def _pieces(batch: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Rows of one level each."""
    runs = pc.run_end_encode(batch.column("level"))
    keyed = batch.drop_columns(["level"])
    begin = 0
    for level, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
        yield level, keyed.slice(begin, end - begin)
        begin = end


def _level_schema(given: pa.Schema, level: str) -> pa.Schema:
    """Of a level's file: its key has a name of its own."""
    return given.remove(0).set(0, given.field(1).with_name("h3" if level[1:].isdigit() else level))


def _one_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


# ------------------------------------------------------------------------------------------------- what is to be done


def _footer(found: storage.Found) -> tuple[pa.Schema, list[tuple[int, int, int]]] | str:
    """Schema, and rows, bytes and bytes compressed of each row group; or what is wrong."""

    def read() -> tuple[pa.Schema, list[tuple[int, int, int]]]:
        with storage.open_file(found.uri) as raw:
            file = pq.ParquetFile(raw)
            groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
            packed = [sum(one.column(c).total_compressed_size for c in range(one.num_columns)) for one in groups]
            sizes = [(one.num_rows, one.total_byte_size, size) for one, size in zip(groups, packed, strict=True)]
            return file.schema_arrow, sizes

    for attempt in range(1, READS + 1):
        try:
            return storage.retry(read, found.uri)
        except Exception as error:
            if storage.is_transient(error):
                raise
            if attempt == READS:
                return _one_line(error)
            time.sleep(0.2 * attempt)
    raise AssertionError


def _part_bytes(total: int) -> int:
    """Bytes of a part of an input of so many, before compression.

    A task takes some four times these bytes of memory, so that parts are small where workers may be, and a small input gives many
    workers several each. It also costs an engine 2 to 6 ms, most of it of its one scheduler, so that parts are large where there is
    work for hundreds of workers: from half a terabyte on eight each for 256, of some seconds, whose files are as large as readers
    want them. The cluster has no say in it: parts, and so the files, are the same on every one.
    """
    least, middle, most = PART_BYTES
    few, many = PARTS
    return max(min(max(total // few, least), middle), min(total // many, most))


def _cut(groups: Sequence[tuple[int, int, int]], chunk_bytes: int) -> list[tuple[int, int]]:
    """Runs of row groups of about so many bytes; a row group is never cut."""
    runs, begin, size = [], 0, 0
    for i, (_, bytes_, _) in enumerate(groups):
        if size and size + bytes_ > chunk_bytes:
            runs.append((begin, i))
            begin, size = i, 0
        size += bytes_
    return [*runs, (begin, len(groups))] if groups else []


def _merge_runs(sources: Sequence[tuple[str, int]]) -> list[list[str]]:
    """Neighbouring files of states, given with their bytes, that a task puts together."""
    least, most = MERGE_FILES
    runs: list[list[str]] = []
    held = 0
    for uri, size in sources:
        if not runs or len(runs[-1]) == most or (len(runs[-1]) >= least and held + size > MERGE_BYTES):
            runs.append([])
            held = 0
        runs[-1].append(uri)
        held += size
    return runs


def _absolute(uri: str | os.PathLike[str]) -> str:
    text = os.fspath(uri)
    return text.rstrip("/") if "://" in text else os.path.abspath(text)


class Sums(NamedTuple):
    """What becomes of the states of parts: the plans of a tree, and its files; a roll-up has one a level, groups have one."""

    merge: Plan
    finish: Plan
    files: list[str]
    levels: list[str] | None = None


@dataclass
class Job:
    """A job that is planned: parts, and where they go. :meth:`run` does it."""

    manifest: Manifest
    plan: Plan  # of each part
    sums: Sums | None = None  # where parts become states
    compression: str | None = None
    csv: csv_files.Shape | None = None  # of inputs that are CSV
    kept: tuple[list[str], list[str]] = ([], [])  # of inputs that are Parquet: what Plan.kept says of their columns

    def task(self, part: dict[str, Any]) -> dict[str, Any]:
        """What :func:`run_task` is given of a part and its plan."""
        return {**part, "checkpoint": self.manifest.checkpoint, "compression": self.compression, "csv": self.csv, "kept": self.kept}

    def run(
        self, engine: str = "local", cluster: str | None = None, *, pool: tasks.Pool | None = None, workers: int | None = None,
        resume: bool = False, overwrite: bool = False, deadline_s: float = 600.0, attempts: int = 6, patience_s: float = 120.0,
        progress: Callable[[Progress], None] | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Do what is not done yet, and give the report.

        Parameters
        ----------
        engine, cluster, workers
            As of :func:`ucid.distributed.tasks.open_pool`; or a ``pool`` of it.
        resume : bool
            Go on with a job that has ended before its end; one that has not begun begins.
        overwrite : bool
            Remove an earlier job of this checkpoint with its files, then begin.
        deadline_s, attempts, patience_s : float, int, float
            As of :func:`ucid.distributed.tasks.run`.

        Raises
        ------
        UCIDConfigError
            There is a job at the checkpoint, and neither ``resume`` nor ``overwrite``; or it is another job.
        NoResult
            A task failed too often, or there was no worker. What is done stays done; ``resume`` goes on.
        """
        begun_s = time.monotonic()
        manifest = self.manifest
        old = Manifest.read(manifest.checkpoint)
        if old is not None and overwrite:
            old.clear()
            old = None
        if old is not None and resume:
            old.must_equal(manifest)
        else:
            manifest.create()
        failed = {one["uri"]: one["error"] for one in manifest.inputs if "error" in one}
        done: dict[str, dict[str, Any]] = {}
        again: Counter[str] = Counter()
        resumed = 0
        own = pool is None
        opened = pool if pool is not None else tasks.open_pool(engine, cluster, workers)
        try:

            def round_of(parts: list[dict[str, Any]], shown: bool) -> dict[str, dict[str, Any]]:
                nonlocal resumed
                records = manifest.done(parts) if old is not None else {}
                have = {part["name"]: records[part["name"]] for part in parts
                        if part["name"] in records and records[part["name"]].get("sources") == part.get("sources")}  # fmt: skip
                resumed += len(have)
                todo = [self.task(part) for part in parts if part["name"] not in have]
                errors: dict[str, dict[str, Any]] = {}
                rows, since_s = 0, time.monotonic()

                def told(position: int, reason: str) -> None:
                    again[reason] += 1

                limits: dict[str, Any] = {"deadline_s": deadline_s, "attempts": attempts, "patience_s": patience_s}
                while True:
                    for n, one in enumerate(tasks.run(opened, run_task, todo, again=told, **limits), 1):
                        said = one.result
                        (errors if "error" in said else have)[said["name"]] = said
                        rows += said.get("rows_in", 0)
                        if progress is not None and shown:
                            spent_s = time.monotonic() - since_s
                            left_s = spent_s / n * (len(todo) - n)
                            progress(Progress(len(parts) - len(todo) + n, len(parts), rows, rows / spent_s, left_s))
                    wrong = csv_files.misread(parts, {**have, **errors})
                    if not wrong:
                        break
                    rows -= sum(have.pop(name, {}).get("rows_in", 0) for name in wrong)
                    todo = [{**self.task(part), "start": wrong[part["name"]]} for part in parts if part["name"] in wrong]
                    errors = {name: said for name, said in errors.items() if name not in wrong}
                inputs = {part["name"]: part.get("input", part["name"]) for part in parts}
                failed.update((inputs[name], said["error"]) for name, said in sorted(errors.items()))
                return have

            parts = [{**part, "plan": self.plan} for part in manifest.parts]
            done = round_of(parts, True)
            finished = self._merge(parts, done, round_of) if self.sums else done
        finally:
            if own:
                opened.close()
        report = self._report(done, finished, failed, again, resumed, time.monotonic() - begun_s)
        folders = {uri.rpartition("/")[0] for part in manifest.parts for uri in part["files"]}
        for folder in sorted({*folders, f"{manifest.checkpoint}/done"}):
            storage.remove_parts(folder)
        storage.settle(uri for said in finished.values() for uri in said["files"])
        if not failed:
            storage.put(f"{manifest.checkpoint}/report.json", [json.dumps(report, indent=2, sort_keys=True).encode()])
        return report

    def write(self, pool: tasks.Pool) -> None:
        """Put all files, with nothing beside them, or none; then close the pool. As other writers do, it leaves to the system when a
        disk has them.

        Raises
        ------
        UCIDDataError
            What :meth:`run` would name in its report: an input cannot be read, or has changed.
        NoResult
            A task failed too often, or there was no worker.
        """
        todo = [self.task({**part, "plan": self.plan}) for part in self.manifest.parts]
        try:
            with closing(pool):
                results = tasks.run(pool, run_task, todo, until=lambda said: "error" in said)
                wrong = [f"{todo[one.position]['input']}: {one.result['error']}" for one in results if "error" in one.result]
            if wrong:
                raise UCIDDataError(wrong[0])
        except BaseException:
            with ThreadPoolExecutor(16) as threads:
                list(threads.map(storage.remove, (uri for part in todo for uri in part["files"])))
            raise

    def _merge(
        self, parts: list[dict[str, Any]], done: dict[str, dict[str, Any]],
        round_of: Callable[[list[dict[str, Any]], bool], dict[str, dict[str, Any]]],
    ) -> dict[str, dict[str, Any]]:  # fmt: skip
        """States of parts to fewer states, as many at a time as one task may hold; then the results of all, and their record. What
        is little goes to results at once: groups of different parts are often different ones, which a merge does not make fewer."""
        assert self.sums is not None
        merge, finish, files, levels = self.sums
        states = f"{self.manifest.checkpoint}/states"

        def sized(parts: list[dict[str, Any]], done: dict[str, dict[str, Any]]) -> list[tuple[str, int]]:
            return [(uri, one["bytes"]) for part in parts for uri, one in done[part["name"]]["files"].items()]

        sources = sized([part for part in parts if part["name"] in done], done)
        depth = 0
        while len(runs := _merge_runs(sources)) > 1:
            depth += 1
            merged: list[dict[str, Any]] = [
                {"name": name, "files": [f"{states}/{name}.parquet"], "sources": run, "plan": merge}
                for name, run in ((f"merge-{depth}-{i:06d}", run) for i, run in enumerate(runs))
            ]
            made = round_of(merged, False)
            if len(made) < len(merged):  # what went wrong is in the report
                return {}
            sources = sized(merged, made)
        if not sources:
            return {}
        return round_of([{"name": "finish", "files": files, "sources": runs[0], "levels": levels, "plan": finish}], False)

    def _report(
        self, done: dict[str, dict[str, Any]], finished: dict[str, dict[str, Any]], failed: dict[str, str], again: Counter[str],
        resumed: int, seconds: float,
    ) -> dict[str, Any]:  # fmt: skip
        manifest = self.manifest
        statuses: Counter[str] = Counter()
        for said in done.values():
            statuses.update(said["status"])
        rows = sum(said["rows_in"] for said in done.values())
        written = [one for said in finished.values() for one in said["files"].values()]
        return {
            "command": manifest.command,
            "output": manifest.output,
            "checkpoint": manifest.checkpoint,
            "version": ucid.__version__,
            "inputs": len(manifest.inputs),
            "parts": len(manifest.parts),
            "parts_done": len(done),
            "parts_resumed": resumed,
            "rows_in": rows,
            "rows": sum(said["rows"] for said in finished.values()),
            "bytes_in": sum(part.get("bytes", 0) for part in manifest.parts),
            "bytes_out": sum(one["bytes"] for one in written),
            "status": dict(sorted(statuses.items())),
            "failed": [{"input": uri, "error": error} for uri, error in sorted(failed.items())],
            "resubmitted": sum(again.values()),
            "reasons": dict(again.most_common(8)),
            "seconds": round(seconds, 3),
            "rows_per_s": round(rows / seconds) if seconds else 0,
        }


def _digest(plan: Plan, chunk_bytes: int, compression: str | None, shape: csv_files.Shape | None = None) -> str:
    said = [plan.digest(), chunk_bytes, compression, pa.__version__, *([shape.said()] if shape is not None else [])]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _of_files(
    command: str, plan: Plan, inputs: Sequence[str], output: str, checkpoint: str, folder: str, chunk_bytes: int | None,
    compression: str | None, columns_of: Callable[[pa.Schema], list[str] | None], texts: Sequence[str],
) -> Job:  # fmt: skip
    found = storage.find([_absolute(one) for one in inputs])
    if csv_files.is_csv(found[0].uri):
        return _of_csv(command, plan, found, output, checkpoint, folder, chunk_bytes, compression, columns_of, texts)
    if texts:
        raise UCIDConfigError(f"text is for CSV; {found[0].uri} is read as Parquet")
    return _of_parquet(command, plan, found, _footers(found), output, checkpoint, folder, chunk_bytes, compression, columns_of)


_Footer = tuple[pa.Schema, list[tuple[int, int, int]]] | str


def _footers(found: Sequence[storage.Found]) -> list[_Footer]:
    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(_footer, found))


def _of_parquet(
    command: str, plan: Plan, found: Sequence[storage.Found], footers: Sequence[_Footer], output: str, checkpoint: str, folder: str,
    chunk_bytes: int | None, compression: str | None, columns_of: Callable[[pa.Schema], list[str] | None],
) -> Job:  # fmt: skip
    sizes = (group[1] for footer in footers if not isinstance(footer, str) for group in footer[1])
    chunk_bytes = chunk_bytes or _part_bytes(sum(sizes))
    listed: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    first: tuple[str, pa.Schema] | None = None
    kept: tuple[list[str], list[str]] = ([], [])
    for one, footer in zip(found, footers, strict=True):
        entry: dict[str, Any] = {"uri": one.uri, "size": one.size, "tag": one.tag}
        listed.append(entry)
        if isinstance(footer, str):
            entry["error"] = footer
            continue
        schema, groups = footer
        if first is None:
            first = (one.uri, schema)
            plan.schema(schema)  # a missing column or index ends the job before it begins
            kept = plan.kept(schema)
        elif not schema.equals(first[1]):
            entry["error"] = f"other columns than {first[0]}"
            continue
        entry["rows"] = sum(group[0] for group in groups)
        for begin, end in _cut(groups, chunk_bytes):
            name = f"part-{len(parts):06d}"
            parts.append({"name": name, "files": [f"{folder}/{name}.parquet"], "input": one.uri, "size": one.size, "tag": one.tag,
                          "row_groups": [begin, end], "columns": columns_of(schema),
                          "bytes": sum(group[2] for group in groups[begin:end])})  # fmt: skip
    manifest = Manifest(checkpoint, command, output, _digest(plan, chunk_bytes, compression), listed, parts)
    return Job(manifest, plan, compression=compression, kept=kept)


def _start(found: storage.Found, length: int) -> tuple[bytes, list[str], int] | str:
    """So much of the start of a CSV file, the names of its columns, and where its rows begin; or what is wrong."""

    def read(length: int) -> bytes:
        with storage.open_file(found.uri) as raw:
            return bytes(raw.read(min(length, found.size)))

    while True:
        try:
            start = storage.retry(lambda: read(length), found.uri)  # noqa: B023  called at once
        except Exception as error:
            if storage.is_transient(error):
                raise
            return _one_line(error)
        made = csv_files.header(start, len(start) == found.size)
        if made is not None:
            return (start, *made) if isinstance(made, tuple) else made
        length *= 4


def _of_csv(
    command: str, plan: Plan, found: Sequence[storage.Found], output: str, checkpoint: str, folder: str, chunk_bytes: int | None,
    compression: str | None, columns_of: Callable[[pa.Schema], list[str] | None], texts: Sequence[str],
) -> Job:  # fmt: skip
    with ThreadPoolExecutor(16) as pool:
        starts = list(pool.map(lambda one: _start(one, csv_files.WINDOW_BYTES), found))
    chunk_bytes = chunk_bytes or _part_bytes(sum(one.size for one in found))
    listed: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    first: tuple[str, list[str], csv_files.Shape] | None = None
    for one, start in zip(found, starts, strict=True):
        entry: dict[str, Any] = {"uri": one.uri, "size": one.size, "tag": one.tag}
        listed.append(entry)
        if not csv_files.is_csv(one.uri):
            entry["error"] = "is no CSV, and others are"
            continue
        if first is None and not isinstance(start, str):
            start = _start(one, csv_files.FIRST_BYTES)
        if isinstance(start, str):
            entry["error"] = start
            continue
        text, names, begin = start
        if first is None:
            try:
                shape = csv_files.shape_of(plan, text, names, begin, len(text) == one.size, texts)
            except UCIDDataError as error:
                entry["error"] = _one_line(error)
                continue
            first = (one.uri, names, shape)
            plan.schema(shape.schema)  # a missing column or index ends the job before it begins
        elif names != first[1]:
            entry["error"] = f"other columns than {first[0]}"
            continue
        for i, range_ in enumerate(csv_files.cut(begin, one.size, chunk_bytes)):
            name = f"part-{len(parts):06d}"
            parts.append({"name": name, "files": [f"{folder}/{name}.parquet"], "input": one.uri, "size": one.size, "tag": one.tag,
                          "range": list(range_), "columns": columns_of(first[2].schema), "bytes": range_[1] - range_[0],
                          **({"start": begin} if i == 0 else {})})  # fmt: skip
    shape_ = first[2] if first is not None else None
    manifest = Manifest(checkpoint, command, output, _digest(plan, chunk_bytes, compression, shape_), listed, parts)
    return Job(manifest, plan, compression=compression, csv=shape_)


def over_files(
    command: str, plan: Plan, inputs: Sequence[str], output: str, *, checkpoint: str | None = None, chunk_bytes: int | None = None,
    compression: str | None = None, texts: Sequence[str] = (),
) -> Job:  # fmt: skip
    """A plan over rows of Parquet or CSV files: one file out for each part.

    Parameters
    ----------
    command : str
        What the report calls it: ``score``, ``create``, ...
    inputs : sequence of str
        Paths, URIs, folders, patterns.
    output : str
        Folder of the parts.
    checkpoint : str, optional
        Folder of manifest and records; default: ``_ucid`` below the output.
    chunk_bytes : int, optional
        Of a part, before compression; default: 16 to 256 MB, by the bytes of the inputs.
    compression : {"snappy", "zstd", "lz4", "gzip", "none"}, optional
        Of what is written; default: snappy, and columns of Parquet files that come out as they went in stay as they are. Of scored
        places zstd makes files of two thirds, in half as much time again.
    texts : sequence of str
        Columns of CSV to be read as text; ``*``: all. Others are of the types that the first 4 MB show, as the program has it.
    """
    output = _absolute(output)
    checkpoint = _absolute(checkpoint) if checkpoint else f"{output}/_ucid"
    return _of_files(command, plan, inputs, output, checkpoint, output, chunk_bytes, compression, lambda schema: None, texts)


def writing(plan: Plan, found: Sequence[storage.Found], names: Sequence[str], folder: str, compression: str) -> Job | None:
    """A plan over rows of Parquet files, in this order, for :meth:`Job.write`; None where it would leave out a file, or a column of
    those that rows are said to have."""
    footers = _footers(found)
    if any(isinstance(one, str) or not one[0].equals(footers[0][0]) or one[0].names != (names or one[0].names) for one in footers):
        return None
    folder = _absolute(folder)
    job = _of_parquet("write", plan, found, footers, folder, "", folder, None, compression, lambda schema: None)
    return job if job.manifest.parts else None


def grid(
    areas: Any, output: str, context: str | None = None, *, index: Any = None, resolution: int = 9, checkpoint: str | None = None,
    compression: str | None = None, **options: Any,
) -> Job:  # fmt: skip
    """Cells of areas, with a context their scores; parts of about equal numbers of cells. ``areas``: city codes, boxes."""
    output = _absolute(output)
    checkpoint = _absolute(checkpoint) if checkpoint else f"{output}/_ucid"
    plan = Plan.grid(context, index=index, resolution=resolution, **options)
    parts = [
        {"name": f"part-{i:06d}", "files": [f"{output}/part-{i:06d}.parquet"], "areas": [row]}
        for i, row in enumerate(area_table(areas, resolution).to_pylist())
    ]
    manifest = Manifest(checkpoint, "grid", output, _digest(plan, len(parts), compression), [], parts)
    return Job(manifest, plan, compression=compression)


def aggregate(
    inputs: Sequence[str], output: str, to: Sequence[str] | None = None, *, by: Sequence[str] | None = None,
    checkpoint: str | None = None, chunk_bytes: int | None = None, compression: str | None = None, texts: Sequence[str] = (),
    **options: Any,
) -> Job:  # fmt: skip
    """Scored rows rolled up to levels, or any numbers by any columns, in one pass over the rows: states of each part, merged
    in a tree. Options of :func:`ucid.aggregate`.

    Parameters
    ----------
    output : str
        Folder, which gets one file a level, ``r7.parquet``, or ``groups.parquet``; or for one of them a name that ends with
        ``.parquet``.
    to : sequence of {"r0" .. "r15", "city", "region", "country"}
    by : sequence of str
        Instead of ``to``: columns whose values make the groups, with ``agg`` and ``of``.
    """
    if (to is None) == (by is None):
        raise UCIDConfigError("either to or by says what makes the groups")
    output = _absolute(output)
    single = output.endswith(".parquet")
    if by is not None:
        levels, names, command = None, ["groups"], f"aggregate --by {','.join(by)}"
        merging = {name: value for name, value in options.items() if name != "of"}
        plan = Plan.groups(by=by, **options)
        merge, finish = (Plan.groups(stage, by=by, **merging) for stage in ("merge", "finish"))
    else:
        levels = names = [to] if isinstance(to, str) else list(to or ())
        command = f"aggregate --to {','.join(levels)}"
        plan, merge, finish = Plan.aggregate(levels, **options), Plan.aggregate(levels, "merge"), Plan.aggregate(levels, "finish")
    if single and len(names) != 1:
        raise UCIDConfigError(f"{output} is one file; a folder is wanted for {', '.join(names)}")
    checkpoint = _absolute(checkpoint) if checkpoint else f"{output}._ucid" if single else f"{output}/_ucid"
    job = _of_files(command, plan, inputs, output, checkpoint, f"{checkpoint}/states", chunk_bytes, compression,
                    lambda schema: plan.needed(schema.names), texts)  # fmt: skip
    job.sums = Sums(merge, finish, [output if single else f"{output}/{name}.parquet" for name in names], levels)
    return job
