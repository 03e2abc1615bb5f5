"""The roll-up R9 -> R7 -> R5, city, country of Parquet files larger than a cache, beside DuckDB, polars and the reading alone.

    PYTHONPATH=build/python .venv-cluster/bin/python bench/bench_rollup.py [--rows 100000000] [--rounds 3] [--engines local,dask]

Rows are a cell of resolution 9 in 2 M places of 60 cities, a city and a score, a file of each million, places of a city in no
order. `read` reads the same columns as an engine's own collection and does nothing with them; the roll-up of ours starts from
that collection. DuckDB and polars read and group by themselves, with bit operations for parents. Two threads or workers each;
means must agree to 1e-9; medians; JSON lines. polars is left out where it is not installed.
"""

import argparse
import contextlib
import gc
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

THREADS = 2
os.environ["POLARS_MAX_THREADS"] = str(THREADS)

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

try:
    import polars
except ImportError:
    polars = None

import ucid
import ucid.distributed as distributed

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


def keep(resolution):
    """What a parent keeps of a cell, and what it gets."""
    return ~(15 << 52) & (2**64 - 1), resolution << 52 | (1 << (45 - 3 * resolution)) - 1


def by_duckdb(folder, db):
    def parent(resolution):
        mask, low = keep(resolution)
        return f"((key & {mask}::UBIGINT) | {low}::UBIGINT)"

    made = {}
    db.execute(f"CREATE OR REPLACE TEMP TABLE states AS SELECT h3 AS key, city, sum(score) AS s, count(*) AS n"
               f" FROM read_parquet('{folder}/*.parquet') GROUP BY ALL")  # fmt: skip
    made["r9"] = db.execute("SELECT key, sum(s) / sum(n) AS mean FROM states GROUP BY 1 ORDER BY 1").fetchnumpy()
    db.execute(f"CREATE OR REPLACE TEMP TABLE r7 AS SELECT {parent(7)} AS key, sum(s) AS s, sum(n) AS n FROM states GROUP BY 1")
    made["r7"] = db.execute("SELECT key, s / n AS mean FROM r7 ORDER BY 1").fetchnumpy()
    made["r5"] = db.execute(f"SELECT {parent(5)} AS key, sum(s) / sum(n) AS mean FROM r7 GROUP BY 1 ORDER BY 1").fetchnumpy()
    made["city"] = db.execute("SELECT city AS key, sum(s) / sum(n) AS mean FROM states GROUP BY 1 ORDER BY 1").fetchnumpy()
    made["country"] = db.execute("SELECT country AS key, sum(s) / sum(n) AS mean FROM states JOIN countries USING (city) GROUP BY 1"
                                 " ORDER BY 1").fetchnumpy()  # fmt: skip
    return {level: (one["key"], one["mean"]) for level, one in made.items()}


def by_polars(folder):
    def parent(resolution):
        mask, low = keep(resolution)
        return (polars.col("h3") & polars.lit(mask, polars.UInt64)) | polars.lit(low, polars.UInt64)

    def coarser(table, key):
        return table.group_by(key).agg(polars.col("score").sum(), polars.col("n").sum()).sort(key)

    states = polars.scan_parquet(f"{folder}/*.parquet").group_by("h3", "city").agg(polars.col("score").sum(), polars.len().alias("n"))
    states = states.collect(engine="streaming")
    r9 = coarser(states, "h3")
    r7 = coarser(states.with_columns(parent(7)), "h3")
    r5 = coarser(r7.with_columns(parent(5)), "h3")
    city = coarser(states, "city")
    country = coarser(city.with_columns(polars.col("city").replace_strict(dict(cities()))), "city")
    named = zip(LEVELS, (r9, r7, r5, city, country), strict=True)
    return {level: (one.to_series(0).to_numpy(), (one["score"] / one["n"]).to_numpy()) for level, one in named}


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
        db = duckdb.connect(config={"threads": THREADS})
        db.execute("CREATE TEMP TABLE countries (city VARCHAR, country VARCHAR)")
        db.executemany("INSERT INTO countries VALUES (?, ?)", cities())
        rivals = {"duckdb": lambda: by_duckdb(folder, db), **({"polars": lambda: by_polars(folder)} if polars else {})}

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
        for name, roll in rivals.items():
            wall, cpu, groups = measured(roll, given.rounds)
            same = all(list(groups[level][0]) == list(expected[level][0]) and np.allclose(groups[level][1], expected[level][1], rtol=0, atol=1e-9)
                       for level in LEVELS)  # fmt: skip
            say(name, wall, cpu, same=same)


if __name__ == "__main__":
    sys.exit(main())
