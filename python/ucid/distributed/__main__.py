"""``python -m ucid.distributed``: jobs from a shell; ``ucid distributed`` is the same.

Exit codes are those of ``ucid``: 0 done; 1 done, some rows without a result; 2 usage; 3 done but for inputs that could not be
read; 4 index; 5 stopped: --resume goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from typing import Any, NoReturn

from ucid.distributed import jobs, tasks
from ucid.distributed.plan import Plan
from ucid.errors import UCIDConfigError, UCIDError

_FINE = {"ok", "island", "near_boundary"}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("ucid distributed", description="Jobs over many files, on a cluster or on this host.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    where = common.add_argument_group("where")
    where.add_argument("--engine", default="local", choices=sorted(tasks.ENGINES), help="default: local")
    where.add_argument("--cluster", metavar="ADDRESS", help="tcp://host:8786, host:6379, spark://host:7077; else started here")
    where.add_argument("--workers", type=int, metavar="N", help="of an engine that is started here")
    where.add_argument("--output", "-o", required=True, metavar="URI", help="folder to write")
    where.add_argument("--checkpoint", metavar="URI", help="folder of the manifest; OUTPUT/_ucid")
    how = common.add_argument_group("how")
    how.add_argument("--resume", action="store_true", help="do only what is missing")
    how.add_argument("--overwrite", action="store_true", help="remove an earlier job of this checkpoint first")
    how.add_argument("--chunk", type=_size, metavar="SIZE", help="rows of a task, unpacked, or CSV; default: by the input, 16M to 256M")
    how.add_argument("--compression", choices=("snappy", "zstd", "lz4", "gzip", "none"), help="of the output; default: snappy, and copied columns keep theirs")
    how.add_argument("--deadline", type=float, default=600.0, metavar="SECONDS", help="of a task; 600")
    how.add_argument("--attempts", type=int, default=6, metavar="N", help="of a task; 6")
    how.add_argument("--patience", type=float, default=120.0, metavar="SECONDS", help="without any worker; 120")
    how.add_argument("--json", action="store_true", help="print one report object")
    how.add_argument("--quiet", "-q", action="store_true", help="no progress")
    files = argparse.ArgumentParser(add_help=False)
    files.add_argument("--input", "-i", action="append", required=True, metavar="URI", help="Parquet or CSV: files, folders, patterns")
    files.add_argument("--text", action="append", default=[], metavar="NAME", help="column of CSV to read as text; * for all")
    scored = argparse.ArgumentParser(add_help=False)
    scored.add_argument("--index", action="append", metavar="URI", help="CITY.ucidx that every worker can read")
    scored.add_argument("--catalog", metavar="URI", help="catalog.json, or its folder; else UCID_CATALOG")
    scored.add_argument("--context", metavar="CONTEXT", help="15MIN")
    scored.add_argument("--detail", action="store_true", help="add the parts and the metres to the nearest of each")
    keys = argparse.ArgumentParser(add_help=False)
    keys.add_argument("--time", metavar="KEY", help="2026W01T12 for all rows")
    keys.add_argument("--city", metavar="CODE", help="IST for all rows")
    keys.add_argument("--res", type=int, default=9, metavar="0..15", help="H3 resolution; 9")
    replace = argparse.ArgumentParser(add_help=False)
    replace.add_argument("--replace", action="store_true", help="replace columns that are there already")

    commands.add_parser("score", parents=[files, scored, keys, replace, common], help="score the places of tables")
    create = commands.add_parser("create", parents=[files, keys, replace, common], help="make identifiers of places")
    create.add_argument("--context", metavar="CONTEXT", help="of all rows; else the column context")
    grid = commands.add_parser("grid", parents=[scored, keys, common], help="cells of cities, with a context also scored")
    grid.add_argument("--cities", metavar="FILE", help="city codes, one a line")
    grid.add_argument("--bbox", action="append", type=_box, metavar="S,W,N,E", help="min_lat,min_lon,max_lat,max_lon")
    join = commands.add_parser("join", parents=[files, replace, common], help="find the zone of each place")
    join.add_argument("--zones", required=True, metavar="URI", help="file of zones that every worker can read")
    join.add_argument("--columns", type=_names, metavar="NAMES", help="of the zones: name,people; all texts and numbers")
    sums = commands.add_parser("aggregate", parents=[files, common], help="roll scores up, or any numbers by any columns")
    groups = sums.add_mutually_exclusive_group(required=True)
    groups.add_argument("--to", type=_names, metavar="LEVELS", help="r7,r5,city,region,country: one or more")
    groups.add_argument("--by", type=_names, metavar="NAMES", help="columns whose values make the groups")
    sums.add_argument("--weight", metavar="NAME", help="with --to: column of weights")
    sums.add_argument("--agg", type=_names, metavar="NAMES", help="with --by: count, rows, nulls, sum, mean, std, var, min, max, "
                      "median, p0 to p100; mean")  # fmt: skip
    sums.add_argument("--of", metavar="NAME", help="with --by: column of numbers; score")
    return parser


def _names(text: str) -> list[str]:
    return text.split(",")


def _size(text: str) -> int:
    units = {"K": 10, "M": 20, "G": 30}
    digits, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 0)
    if not digits.isdigit() or int(digits) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a size such as 64M")
    return int(digits) << unit


def _box(text: str) -> tuple[float, ...]:
    try:
        sides = tuple(float(side) for side in text.split(","))
    except ValueError:
        sides = ()
    if len(sides) != 4:
        raise argparse.ArgumentTypeError(f"'{text}' is not min_lat,min_lon,max_lat,max_lon")
    return sides


def _index(given: argparse.Namespace) -> Any:
    return [*(given.index or []), *([given.catalog] if given.catalog else [])] or None


def _job(given: argparse.Namespace) -> jobs.Job:
    # only what is given: a default that is spelt out would be another plan
    asked = {"timestamp": "time", "city": "city", "detail": "detail", "replace": "replace"}
    options = {name: getattr(given, of) for name, of in asked.items() if getattr(given, of, None)}
    if getattr(given, "res", 9) != 9:
        options["resolution"] = given.res
    if given.command == "score":
        plan = Plan.score(given.context or "15MIN", index=_index(given), **options)
    elif given.command == "create":
        plan = Plan.create(context=given.context, **options)
    elif given.command == "join":
        plan = Plan.join(given.zones, columns=given.columns, **options)
    elif given.command == "grid":
        areas = list(given.bbox or [])
        if given.cities:
            with open(given.cities, encoding="utf-8") as lines:
                areas += [line.strip().upper() for line in lines if line.strip() and not line.startswith("#")]
        if not areas:
            raise UCIDConfigError("--cities FILE or --bbox S,W,N,E is missing")
        index = _index(given) if given.context else None
        options |= {"checkpoint": given.checkpoint, "compression": given.compression}
        return jobs.grid(areas, given.output, given.context, index=index, **options)
    else:
        if strange := [name for name in (("agg", "of") if given.to else ("weight",)) if getattr(given, name)]:
            raise UCIDConfigError(f"--{strange[0]} does not go with --{'to' if given.to else 'by'}")
        options = {name: getattr(given, name) for name in ("weight", "agg", "of") if getattr(given, name)}
        return jobs.aggregate(given.input, given.output, given.to, by=given.by, checkpoint=given.checkpoint,
                              chunk_bytes=given.chunk, compression=given.compression, texts=given.text, **options)  # fmt: skip
    return jobs.over_files(given.command, plan, given.input, given.output, checkpoint=given.checkpoint, chunk_bytes=given.chunk,
                           compression=given.compression, texts=given.text)  # fmt: skip


def _show(progress: jobs.Progress) -> None:
    left = time.strftime("%H:%M:%S", time.gmtime(progress.left_s))
    text = f"{progress.parts_done}/{progress.parts} parts  {progress.rows_per_s:,.0f} rows/s  {left} left"
    print(f"\r{text:<70}", end="", file=sys.stderr, flush=True)


def _code(report: dict[str, Any]) -> int:
    if report["failed"]:
        return 3
    return int(any(rows for name, rows in report["status"].items() if name not in _FINE))


def _stop(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    given = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _stop)
    shown = sys.stderr.isatty() and not given.quiet
    report: dict[str, Any]
    try:
        report = _job(given).run(
            given.engine, given.cluster, workers=given.workers, resume=given.resume, overwrite=given.overwrite,
            deadline_s=given.deadline, attempts=given.attempts, patience_s=given.patience, progress=_show if shown else None,
        )  # fmt: skip
        code = _code(report)
    except KeyboardInterrupt:
        report, code = {"error": {"code": "CANCELLED", "message": "interrupted; --resume goes on"}}, 5
    except UCIDError as error:
        usage = isinstance(error, UCIDConfigError)
        code = 2 if usage else 4 if error.code.startswith("INDEX") else 5 if error.code in ("TASK_FAILED", "NO_WORKER") else 3
        hint = "; --resume goes on" if code == 5 else ""
        report = {"error": {"code": error.code, "message": f"{error}{hint}"}}
    except OSError as error:
        report, code = {"error": {"code": "IO_ERROR", "message": f"{error}; --resume goes on"}}, 5
    if shown:
        print(file=sys.stderr)
    report = {"command": given.command, **report, "exit_code": code}
    if "error" in report:
        print(f"ucid: distributed {given.command}: {report['error']['message']}", file=sys.stderr)
    for one in report.get("failed", [])[:20]:
        print(f"ucid: distributed {given.command}: {one['input']}: {one['error']}", file=sys.stderr)
    if given.json:
        print(json.dumps(report, indent=2, sort_keys=True))
    elif "rows" in report:
        print(f"{report['rows']:,} rows in {report['parts_done']} parts, {report['seconds']:.1f} s, "
              f"{report['rows_per_s']:,} rows/s: {report['output']}")  # fmt: skip
    return code


def entry() -> NoReturn:
    """Run the command of this process, and end it: threads of engines that wait for a lost node must not hold it."""
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    entry()
