"""`ucid score` from Parquet to Parquet, beside reading and writing the same columns without a kernel.

    python bench/bench_cli.py BUILD EXTRACT [ROWS]

The input has city, lat, lon and an integer; `ucid` and `score` are added (with grade, confidence and status). The rival is
`ucid copy` of the input and of the output: what `score` reads, and what it writes. Wall and processor seconds are the
least of three runs; memory is the greatest peak.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy
import pyarrow
import pyarrow.parquet


def write_places(path: Path, box: list[float], rows: int) -> None:
    """Random places of a box, a million a row group."""
    random = numpy.random.default_rng(15)
    schema = pyarrow.schema([("city", pyarrow.string()), ("lat", pyarrow.float64()), ("lon", pyarrow.float64()),
                             ("n", pyarrow.int64())])
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for first in range(0, rows, 1_000_000):
            n = min(1_000_000, rows - first)
            writer.write_table(pyarrow.table([pyarrow.array(["LPA"] * n), random.uniform(box[0], box[2], n),
                                              random.uniform(box[1], box[3], n), numpy.arange(first, first + n)], schema))


def measure(command: list[str]) -> tuple[float, float, int]:
    """Wall seconds, processor seconds, peak memory in kB of a command."""
    start = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        sys.exit(f"{command} ended with {process.returncode}")
    return time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss


def main() -> None:
    """Measure and print one JSON line."""
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    program, extract = Path(sys.argv[1]).resolve() / "ucid", sys.argv[2]
    rows = int(sys.argv[3]) if len(sys.argv) > 3 else 20_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        built = subprocess.run([program, "index", "build", extract, "-o", folder / "c.ucidx", "--json"], check=True,
                               capture_output=True)
        info = json.loads(built.stdout)
        box = [info[key] for key in ("min_lat_deg", "min_lon_deg", "max_lat_deg", "max_lon_deg")]
        write_places(folder / "in.parquet", box, rows)
        commands = {
            "score": ["score", folder / "in.parquet", "-o", folder / "out.parquet", "--index", folder / "c.ucidx"],
            "copy_in": ["copy", folder / "in.parquet", "-o", folder / "copy.parquet"],
            "copy_out": ["copy", folder / "out.parquet", "-o", folder / "copy.parquet"],
        }
        figures = {"bench": "cli", "rows": rows, "load": os.getloadavg()[0]}
        runs = {key: [] for key in commands}
        for _ in range(3):
            for key, command in commands.items():
                runs[key].append(measure([program, *command, "-q"]))
        for key, measured in runs.items():
            figures[key] = {"wall_s": round(min(m[0] for m in measured), 2), "cpu_s": round(min(m[1] for m in measured), 2),
                            "peak_mb": round(max(m[2] for m in measured) / 1024)}
        for unit in ("wall_s", "cpu_s"):
            figures[f"score_over_copy_out_{unit}"] = round(figures["score"][unit] / figures["copy_out"][unit], 2)
        print(json.dumps(figures))


main()
