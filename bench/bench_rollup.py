"""The roll-up R9 -> R7 -> R5, city, country of Parquet files larger than a cache, beside DuckDB, polars and the reading alone.

    PYTHONPATH=build/python .venv-cluster/bin/python bench/bench_rollup.py [--rows 100000000] [--rounds 3] [--engines local,dask]

Rows are a cell of resolution 9 in 2 M places of 60 cities, a city and a score, a file of each million, places of a city in no
order. `read` reads the same columns as an engine's own collection and does nothing with them; the roll-up of ours starts from
that collection. DuckDB and polars read and group by themselves (bench/rivals/levels.py, with the interpreter that UCID_RIVALS
names; without it they are left out). Two threads or workers each; means must agree to 1e-9; medians; JSON lines; most memory of
the process so far.
"""

import argparse
import contextlib
import gc
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import ucid
import ucid.distributed as distributed

THREADS = 2
LEVELS = ["r9", "r7", "r5", "city", "country"]
A_FILE = 1_000_000


def cities(count=60):
    """Cities of the registry and their countries."""
    return [(city.code, city.country) for city in ucid.list_cities()[:count]]


def make_files(folder, rows):
    """Cells as bench/rivals/rollup.py makes them, 14 cells of resolution 5 a city."""
    random = np.random.default_rng(1)
    codes = np.array([code for code, _ in cities()])
    digits = np.arange(2401, dtype=np.uint64)
    fine = sum((digits // np.uint64(7**k) % np.uint64(7)) << np.uint64(3 * k) for k in range(4)) << np.uint64(18)
    start = np.uint64(8 << 56 | 9 << 52 | 20 << 45 | (1 << 18) - 1)
    for part in range(-(-rows // A_FILE)):
        n = min(A_FILE, rows - part * A_FILE)
        city = np.full(n, part % len(codes))
        block = (city * 14 + random.integers(0, 14, n)).astype(np.uint64)
        coarse = sum((block // np.uint64(7**k) % np.uint64(7)) << np.uint64(30 + 3 * k) for k in range(5))
        table = pa.table({"h3": coarse | fine[random.integers(0, 2401, n)] | start, "city": codes[city],
                          "score": np.round(random.uniform(0, 100, n), 2)})  # fmt: skip
        pq.write_table(table, folder / f"{part:04}.parquet")


def by_level(groups):
    """Keys and means of a roll-up of ours, cells as numbers, ascending."""
    made = {}
    for level in LEVELS:
        chosen = groups.filter(pa.compute.equal(groups.column("level"), level))
        keys = chosen.column("key").to_pylist()
        keys = np.array([int(key, 16) for key in keys], np.uint64) if level[0] == "r" else np.array(keys)
        order = np.argsort(keys)
        made[level] = keys[order], chosen.column("score").to_numpy()[order]
    return made


def by_rival(folder, name, rounds):
    """What a rival says of its time, and keys and means of its roll-up."""
    with tempfile.TemporaryDirectory() as made:
        (Path(made) / "cities.json").write_text(json.dumps(cities()))
        program = Path(__file__).parent / "rivals" / "levels.py"
        run = subprocess.run([os.environ["UCID_RIVALS"], program, folder, made, name, str(rounds)], check=True, capture_output=True, text=True)
        with np.load(Path(made) / "levels.npz") as arrays:
            return json.loads(run.stdout), {level: (arrays[f"{level}_key"], arrays[f"{level}_mean"]) for level in LEVELS}


@contextlib.contextmanager
def local(folder):
    """Reads as a stream."""

    def read(columns):
        adapter = distributed._choose.adapter("local")
        for _ in adapter.select(adapter.read([str(folder)]), columns):
            pass

    yield read, lambda: distributed.aggregate(str(folder), LEVELS, engine="local").read_all()


@contextlib.contextmanager
def dask(folder):
    import dask.dataframe as dd
    from distributed import wait

    with distributed.UCIDDaskClient(n_workers=THREADS, threads_per_worker=1, memory_limit="6GB", dashboard_address=None) as client:

        def read(columns):
            wait(dd.read_parquet(str(folder), columns=columns).map_partitions(len).persist())

        yield read, lambda: pa.Table.from_pandas(client.aggregate(dd.read_parquet(str(folder)), LEVELS).compute())
        client.cluster.close()


def measured(work, rounds):
    """Median seconds of wall and of this process's CPU, and the last result."""
    wall, cpu, made = [], [], None
    for _ in range(rounds):
        made = None
        gc.collect()
        start, used = time.perf_counter(), time.process_time()
        made = work()
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - used)
    return statistics.median(wall), statistics.median(cpu), made


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engines", default="local,dask")
    parser.add_argument("--folder", help="of files made earlier, or to keep them in")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(given.folder or made)
        folder.mkdir(exist_ok=True)
        if not list(folder.glob("*.parquet")):
            make_files(folder, given.rows)
        def say(program, wall, cpu, **more):
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
            print(json.dumps({"program": program, "rows": given.rows, "wall_s": round(wall, 3), "cpu_s": round(cpu, 3), **more,
                              "peak_mib": peak, "load": round(os.getloadavg()[0], 1)}), flush=True)  # fmt: skip

        expected = None
        for name in given.engines.split(","):
            with {"local": local, "dask": dask}[name](folder) as (read, roll):
                columns = ["h3", "city", "score"]
                read(columns)
                reading, cpu, _ = measured(lambda: read(columns), given.rounds)
                say(f"{name}, read", reading, cpu)
                wall, cpu, groups = measured(roll, given.rounds)
                groups = by_level(groups)
                expected = expected or groups
                same = all(np.array_equal(groups[level][0], expected[level][0]) and np.array_equal(groups[level][1], expected[level][1])
                           for level in LEVELS)  # fmt: skip
                say(f"{name}, roll-up", wall, cpu, by_read=round(wall / reading, 3), groups=[len(groups[level][0]) for level in LEVELS],
                    same=same)  # fmt: skip
        for name in ("duckdb", "polars") if "UCID_RIVALS" in os.environ else ():
            said, groups = by_rival(folder, name, given.rounds)
            same = all(list(groups[level][0]) == list(expected[level][0]) and np.allclose(groups[level][1], expected[level][1], rtol=0, atol=1e-9)
                       for level in LEVELS)  # fmt: skip
            print(json.dumps({"program": name, "rows": given.rows, **said, "same": same, "load": round(os.getloadavg()[0], 1)}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
