"""The roll-up of bench/bench_rollup.py by DuckDB and polars, from Parquet files, with bit operations for parents.

    levels.py FOLDER MADE PROGRAM ROUNDS        MADE/cities.json: cities and their countries; MADE/levels.npz: keys and means

One JSON object: medians of wall and CPU, and most memory.
"""

import gc
import json
import os
import statistics
import sys
import time
from pathlib import Path

THREADS = 2
os.environ["POLARS_MAX_THREADS"] = str(THREADS)

import duckdb
import numpy as np
import polars

LEVELS = ["r9", "r7", "r5", "city", "country"]


def keep(resolution):
    """What a parent keeps of a cell, and what it gets."""
    return ~(15 << 52), resolution << 52 | (1 << (45 - 3 * resolution)) - 1


def by_duckdb(folder, countries, db=duckdb.connect(config={"threads": THREADS})):
    db.execute("CREATE OR REPLACE TEMP TABLE countries (city VARCHAR, country VARCHAR)")
    db.executemany("INSERT INTO countries VALUES (?, ?)", countries)

    def parent(resolution):
        mask, low = keep(resolution)
        return f"((key & {mask}::BIGINT) | {low}::BIGINT)"

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


def by_polars(folder, countries):
    def parent(resolution):
        mask, low = keep(resolution)
        return (polars.col("h3") & polars.lit(mask, polars.Int64)) | polars.lit(low, polars.Int64)

    def coarser(table, key):
        return table.group_by(key).agg(polars.col("score").sum(), polars.col("n").sum()).sort(key)

    states = polars.scan_parquet(f"{folder}/*.parquet").group_by("h3", "city").agg(polars.col("score").sum(), polars.len().alias("n"))
    states = states.collect(engine="streaming")
    r9 = coarser(states, "h3")
    r7 = coarser(states.with_columns(parent(7)), "h3")
    r5 = coarser(r7.with_columns(parent(5)), "h3")
    city = coarser(states, "city")
    country = coarser(city.with_columns(polars.col("city").replace_strict(dict(countries))), "city")
    named = zip(LEVELS, (r9, r7, r5, city, country), strict=True)
    return {level: (one.to_series(0).to_numpy(), (one["score"] / one["n"]).to_numpy()) for level, one in named}


def main():
    folder, made, program, rounds = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    countries = json.loads((made / "cities.json").read_text())
    roll = {"duckdb": by_duckdb, "polars": by_polars}[program]
    wall, cpu, groups = [], [], None
    for _ in range(rounds):
        groups = None
        gc.collect()
        start, used = time.perf_counter(), time.process_time()
        groups = roll(folder, countries)
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - used)
    status = Path("/proc/self/status").read_text()  # what the system counts for its parent, too, is not of this program
    peak = int(status.partition("VmHWM:")[2].split()[0]) >> 10
    print(json.dumps({"wall_s": round(statistics.median(wall), 3), "cpu_s": round(statistics.median(cpu), 3), "peak_mib": peak}))
    arrays = {f"{level}_key": np.array(list(key)) if key.dtype == object else key for level, (key, _) in groups.items()}
    np.savez(made / "levels.npz", **arrays, **{f"{level}_mean": mean for level, (_, mean) in groups.items()})


if __name__ == "__main__":
    main()
