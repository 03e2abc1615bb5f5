"""The roll-up R9 -> R7 -> R5, city, country of Parquet files larger than a cache, on each engine beside that engine's own read of the
same columns, and beside DuckDB and polars.

    python bench/bench_rollup.py [--rows 100000000] [--rounds 3] [--engines local,dask,ray,spark,modin]
                                  [--passes read,collection,fetched,job] [--folder FOLDER]

    read        the three columns as an engine's own collection, of which nothing is kept: rows of a partition counted (Dask, Ray),
                `noop` (Spark), read into its partitions (Modin, which is not lazy), batches of a stream (local)
    collection  `aggregate` of that collection, computed and left where the engine has it; local: of the stream
    fetched     the same, as a table of this process
    job         `ucid distributed aggregate` of the same files: its tasks read them, a file a level is written

Rows are a cell of resolution 9 in 2 M places of 60 cities, a city and a score, a file of each million, places of a city in no order.
Cells are signed numbers: of others Spark makes decimals. Each engine runs in a process of its own with two workers that have done all
of it before, with four of the files; passes take turns, and each round turns their order by one. Ratios are the middle of the rounds' own, of
seconds and of CPU seconds, which are of all processes; memory is the most that one process of Python held. DuckDB and polars read and
group by themselves with two threads (bench/rivals/levels.py, with the interpreter that UCID_RIVALS names; without it they are left
out). Groups and means of all engines must be the same, those of the rivals to 1e-9. JSON lines.
"""

import argparse
import gc
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bench_engines  # which finds the interpreter that has the engines
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from processes import Meter

import ucid
import ucid.distributed as distributed
from ucid.distributed import jobs

LEVELS = ["r9", "r7", "r5", "city", "country"]
COLUMNS = ["h3", "city", "score"]
A_FILE = 1_000_000


def cities(count=60):
    """Cities of the registry and their countries."""
    return [(city.code, city.country) for city in ucid.list_cities()[:count]]


def make_files(folder, rows):
    """Cells as bench/rivals/rollup.py makes them, 14 cells of resolution 5 a city."""
    random = np.random.default_rng(1)
    codes = np.array([code for code, _ in cities()])
    digits = np.arange(2401, dtype=np.int64)
    fine = sum((digits // 7**k % 7) << 3 * k for k in range(4)) << 18
    start = 8 << 56 | 9 << 52 | 20 << 45 | (1 << 18) - 1
    for part in range(-(-rows // A_FILE)):
        n = min(A_FILE, rows - part * A_FILE)
        city = np.full(n, part % len(codes))
        block = city * 14 + random.integers(0, 14, n)
        coarse = sum((block // 7**k % 7) << (30 + 3 * k) for k in range(5))
        table = pa.table({"h3": coarse | fine[random.integers(0, 2401, n)] | start, "city": codes[city],
                          "score": np.round(random.uniform(0, 100, n), 2)})  # fmt: skip
        pq.write_table(table, folder / f"{part:04}.parquet")


def by_level(level, groups):
    """Keys and means of a level, cells as numbers, ascending."""
    keys = groups.column(0).to_pylist()
    keys = np.array([int(key, 16) for key in keys], np.int64) if level[0] == "r" else np.array(keys)
    order = np.argsort(keys)
    return keys[order], groups.column("score").to_numpy()[order]


def of_table(groups):
    """Levels of a roll-up that stand in one table."""
    wanted = {level: groups.filter(pa.compute.equal(groups.column("level"), level)) for level in LEVELS}
    return {level: by_level(level, one.drop_columns(["level"])) for level, one in wanted.items()}


def of_files(folder):
    """Levels of a roll-up that a job has written."""
    return {level: by_level(level, pq.read_table(folder / f"{level}.parquet")) for level in LEVELS}


def equal(made, expected, off=0):
    """Whether two roll-ups have the same groups, and means that differ by no more than ``off``."""
    return all(np.array_equal(made[level][0], expected[level][0])
               and np.allclose(made[level][1], expected[level][1], rtol=0, atol=off) for level in LEVELS)  # fmt: skip


def save(path, groups):
    np.savez(path, **{f"{level}_key": key for level, (key, _) in groups.items()},
             **{f"{level}_mean": mean for level, (_, mean) in groups.items()})  # fmt: skip


def saved(path):
    with np.load(path) as arrays:
        return {level: (arrays[f"{level}_key"], arrays[f"{level}_mean"]) for level in LEVELS}


def by_rival(folder, name, rounds):
    """What a rival says of its time, and keys and means of its roll-up."""
    with tempfile.TemporaryDirectory() as made:
        (Path(made) / "cities.json").write_text(json.dumps(cities()))
        program = Path(__file__).parent / "rivals" / "levels.py"
        run = subprocess.run([os.environ["UCID_RIVALS"], program, folder, made, name, str(rounds)], check=True, capture_output=True, text=True)
        return json.loads(run.stdout), saved(Path(made) / "levels.npz")


def rows_of(block):
    """What is kept of a block that was read."""
    return pa.table({"rows": [block.num_rows]})


COUNTED = {
    "dask": lambda data: data.map_partitions(len),
    "ray": lambda data: data.map_batches(rows_of, batch_format="pyarrow", batch_size=None, zero_copy_batch=True),
}
FETCHED = {
    "local": lambda groups: groups.read_all(),
    "dask": lambda groups: pa.Table.from_pandas(groups.compute(), preserve_index=False),
    "ray": lambda groups: pa.concat_tables(__import__("ray").get(groups.to_arrow_refs())),
    "spark": lambda groups: groups.toArrow(),
    "modin": lambda groups: pa.Table.from_pandas(groups.modin.to_pandas(), preserve_index=False),
}


def passes_of(name, engine, pool, folder, out):
    """What is measured, each a call."""
    adapter = distributed._choose.adapter(name)
    read = lambda: adapter.select(engine.read(folder), COLUMNS)  # noqa: E731
    roll = lambda: distributed.aggregate(engine.read(folder), LEVELS)  # noqa: E731

    def job():
        shutil.rmtree(out, ignore_errors=True)
        return jobs.aggregate([str(folder)], str(out), LEVELS).run(pool=pool)

    return {
        "read": lambda: engine.touch(COUNTED.get(name, lambda data: data)(read())),
        "collection": lambda: engine.touch(roll()),
        "fetched": lambda: FETCHED[name](roll()),
        "job": job,
    }


def bench(name, folder, rounds, chosen, made):
    """One engine: lines of its passes, and its groups for the others to be compared with."""
    engine = bench_engines.ENGINES[name]()
    out = made / "out"
    with Meter() as meter:
        pool = engine.pool()
        (made / "few").mkdir()
        for path in sorted(folder.glob("*.parquet"))[:4]:
            shutil.copy(path, made / "few")
        for _ in range(2):
            few = passes_of(name, engine, pool, made / "few", out)
            for key in chosen:
                few[key]()
        whole = passes_of(name, engine, pool, folder, out)
        passes = {key: whole[key] for key in chosen}
        spent = {key: {"wall": [], "cpu": [], "most": []} for key in passes}
        order, groups = list(passes), {}
        for _ in range(rounds):
            for key in order:
                gc.collect()
                with bench_engines.Memory(name == "local") as memory:
                    used, start = meter.cpu_s(), time.perf_counter()
                    given = passes[key]()
                    spent[key]["wall"].append(time.perf_counter() - start)
                    spent[key]["cpu"].append(meter.cpu_s() - used)
                spent[key]["most"].append(memory.most)
                if key == "fetched":
                    groups[key] = of_table(given)
                if key == "job":
                    groups[key] = of_files(out)
                del given
            order.append(order.pop(0))
        pool.close()
    if not (made / "expected.npz").exists():
        save(made / "expected.npz", next(iter(groups.values())))
    expected = saved(made / "expected.npz")
    for key, of in spent.items():
        ratios = {f"{kind}_by_read": round(statistics.median(x / y for x, y in zip(of[kind], spent["read"][kind], strict=True)), 2)
                  for kind in ("wall", "cpu") if key != "read" and "read" in spent}  # fmt: skip
        same = {"same": equal(groups[key], expected)} if key in groups else {}
        say(f"{name}, {key}", wall_s=round(statistics.median(of["wall"]), 3), cpu_s=round(statistics.median(of["cpu"]), 2),
            **ratios, peak_mib=max(of["most"]), **same)  # fmt: skip
    engine.stop()


def say(program, **more):
    print(json.dumps({"program": program, **more, "load": round(os.getloadavg()[0], 1)}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engines", default=",".join(bench_engines.ENGINES))
    parser.add_argument("--passes", default="read,collection,fetched,job", help="of which fetched or job")
    parser.add_argument("--folder", help="of files made earlier, or to keep them in")
    parser.add_argument("--made", type=Path, help=argparse.SUPPRESS)  # one engine, in a process of its own
    given = parser.parse_args()
    if given.made:
        bench(given.engines, Path(given.folder), given.rounds, given.passes.split(","), given.made)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(given.folder or temporary) / f"rows-{given.rows}"
        made = Path(temporary) / "made"
        made.mkdir()
        workers = {**os.environ, "PYTHONPATH": str(bench_engines.BUILD / "python"), "PYSPARK_PYTHON": sys.executable}
        if not folder.exists():
            folder.mkdir(parents=True)
            make_files(folder, given.rows)
        say("files", rows=given.rows, rounds=given.rounds)
        for name in given.engines.split(","):
            for left in ("few", "out"):
                shutil.rmtree(made / left, ignore_errors=True)
            command = [sys.executable, __file__, "--folder", folder, "--engines", name, "--rounds", str(given.rounds),
                       "--passes", given.passes, "--made", made]  # fmt: skip
            ended = subprocess.run(command, env=workers)
            if ended.returncode != 0:
                print(f"{name}: ended with {ended.returncode}", file=sys.stderr)
        for name in ("duckdb", "polars") if "UCID_RIVALS" in os.environ else ():
            said, groups = by_rival(folder, name, given.rounds)
            say(name, **said, same=equal(groups, saved(made / "expected.npz"), 1e-9))


if __name__ == "__main__":
    sys.exit(main())
