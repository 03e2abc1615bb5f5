"""Tables beside the libraries and engines that read them: a CSV file, and the mean of its scores by city.

    PYTHON bench/rivals/tables.py make FILE.csv ROWS                  the file, and FILE.parquet beside it
    PYTHON bench/rivals/tables.py FILE.csv UCID RUNS STEP ...         JSON on stdout; UCID: our program

A step is JOB:PROGRAM:SUFFIX, such as mean:ucid_dask:.parquet, of the file with that suffix. Steps of one call share a session
of their engine; each says when it begins, then one line a run, or how it failed.

read holds every column in memory (Spark: in its cache; ours writes it as Arrow, uncompressed, to memory's file system); mean
is that of `score` by `city`, from FILE.csv or FILE.parquet; ucid_dask and the like are ucid.distributed.aggregate of what the
engine reads, ucid_dask_job and the like a job on that engine, whose tasks read the file themselves. Two threads or workers.
Sessions of engines are started before the clock. A step runs RUNS times, or until its runs took 5 s together. Processor
seconds are of the process and all that it started; peak memory is told by the programs that have one process, for engines
bench/table.py looks. The answer is a digest that must be equal for all.
"""

import contextlib
import hashlib
import importlib.metadata
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import processes  # noqa: E402  bench/processes.py
import sessions  # noqa: E402  beside this file

THREADS = 2
for name in ("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS", "ARROW_NUM_THREADS"):
    os.environ[name] = str(THREADS)

CITIES, PART = 200, 1_000_000


def make(path, rows):
    """Rows of 100 bytes: id, city, lat, lon, score in hundredths, confidence and an identifier."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv as csv
    import pyarrow.parquet as pq

    random = np.random.default_rng(5)
    names = np.array([chr(65 + k // 26 % 26) + chr(65 + k % 26) + chr(65 + k * 7 % 26) for k in range(CITIES)])
    writer, wide = None, None
    for first in range(0, rows, PART):
        n = min(PART, rows - first)
        cells = random.integers(0, 1 << 40, n)
        table = pa.table({
            "id": np.arange(first, first + n), "city": names[random.integers(0, CITIES, n)],
            "lat": np.round(random.uniform(-60, 60, n), 6), "lon": np.round(random.uniform(-180, 180, n), 6),
            "score": np.round(random.uniform(0, 100, n), 2), "confidence": np.round(random.uniform(0, 1, n), 2),
            "note": [f"{cell:040x}" for cell in cells.tolist()],
        })  # fmt: skip
        if writer is None:
            writer, wide = csv.CSVWriter(path, table.schema), pq.ParquetWriter(path.replace(".csv", ".parquet"), table.schema)
        writer.write_table(table)
        wide.write_table(table)
    writer.close()
    wide.close()


def digest_of_read(rows, total):
    return f"{rows} rows, scores {round(total)}"


def digest_of_mean(pairs):
    """Means to a hundred-millionth: sums of doubles depend on their order in the last bits."""
    text = ";".join(f"{city}={mean:.8f}" for city, mean in sorted(pairs))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# ---------------------------------------------------------------------------------------------------------- programs
#
# Each is a session that gives a function of a step: (job, path, ours) to what is timed, which returns the bytes that it holds
# besides its process, and a function that makes the answer.


MEAN = ["city", "score"]
ALL = "id long, city string, lat double, lon double, score double, confidence double, note string"


def with_ucid():
    import pyarrow.compute as pc
    import pyarrow.ipc as ipc

    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        out = f"{folder}/out.arrow"

        def step(job, path, program):
            words = ["copy", path, "-o", out] if job == "read" else ["aggregate", path, "-o", out, "--by", "city", "--agg", "mean"]

            def answer():
                table = ipc.open_file(out).read_all()
                if job == "read":
                    return digest_of_read(len(table), pc.sum(table["score"]).as_py())
                return digest_of_mean(zip(table["city"].to_pylist(), table["mean"].to_pylist()))

            def work():
                subprocess.run([program, *words, "--threads", str(THREADS), "--quiet"], check=True)
                return os.path.getsize(out), answer

            return work

        yield step


def with_polars():
    import polars as pl

    def step(job, path, _):
        def read():
            table = pl.read_csv(path)
            return 0, lambda: digest_of_read(len(table), table["score"].sum())

        def mean():
            table = pl.scan_csv(path) if path.endswith(".csv") else pl.scan_parquet(path)
            table = table.group_by("city").agg(pl.col("score").mean()).collect(engine="streaming")
            return 0, lambda: digest_of_mean(table.rows())

        return read if job == "read" else mean

    yield step


def with_duckdb():
    import duckdb

    db = duckdb.connect(config={"threads": THREADS})

    def step(job, path, _):
        def read():
            db.execute(f"CREATE OR REPLACE TABLE t AS FROM read_csv('{path}')")
            return 0, lambda: digest_of_read(*db.execute("SELECT count(*), sum(score) FROM t").fetchone())

        def mean():
            pairs = db.execute(f"SELECT city, avg(score) FROM '{path}' GROUP BY city").fetchall()
            return 0, lambda: digest_of_mean(pairs)

        return read if job == "read" else mean

    yield step


def with_pandas():
    import pandas

    def step(job, path, _):
        def read():
            table = pandas.read_csv(path)
            return 0, lambda: digest_of_read(len(table), table["score"].sum())

        def mean():
            table = pandas.read_csv(path, usecols=MEAN) if path.endswith(".csv") else pandas.read_parquet(path, columns=MEAN)
            means = table.groupby("city")["score"].mean()
            return 0, lambda: digest_of_mean(means.items())

        return read if job == "read" else mean

    yield step


def with_pyarrow():
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv as csv
    import pyarrow.parquet as pq

    pa.set_cpu_count(THREADS)

    def step(job, path, _):
        def read():
            table = csv.read_csv(path)
            return 0, lambda: digest_of_read(len(table), pc.sum(table["score"]).as_py())

        def mean():
            options = csv.ConvertOptions(include_columns=MEAN)
            table = csv.read_csv(path, convert_options=options) if path.endswith(".csv") else pq.read_table(path, columns=MEAN)
            table = table.group_by("city").aggregate([("score", "mean")])
            return 0, lambda: digest_of_mean(zip(table["city"].to_pylist(), table["score_mean"].to_pylist()))

        return read if job == "read" else mean

    yield step


def with_dask():
    import dask
    import dask.dataframe as dd
    from distributed import Client, LocalCluster, wait

    def step(job, path, ours):
        def read():
            data = dd.read_csv(path).persist()
            wait(data)
            return 0, lambda: digest_of_read(*reversed(dask.compute(data["score"].sum(), data["score"].count())))

        def mean():
            # partitions are row groups of Parquet: whole columns of a file are more than a worker has
            data = dd.read_csv(path, usecols=MEAN) if path.endswith(".csv") else dd.read_parquet(path, columns=MEAN, split_row_groups=True)
            if ours:
                means = mean_of_ours(data).compute()
                return 0, lambda: digest_of_mean(zip(means["city"], means["mean"]))
            means = data.groupby("city")["score"].mean().compute()
            return 0, lambda: digest_of_mean(means.items())

        return job_of("dask", path, cluster.scheduler_address) if ours == JOB else read if job == "read" else mean

    with LocalCluster(n_workers=THREADS, threads_per_worker=1, memory_limit="7GB", dashboard_address=None) as cluster, Client(cluster):
        yield step


def with_ray():
    import ray.data

    def step(job, path, ours):
        def read():
            data = ray.data.read_csv(path).materialize()
            return 0, lambda: digest_of_read(data.count(), data.sum("score"))

        def mean():
            data = ray.data.read_csv(path).select_columns(MEAN) if path.endswith(".csv") else ray.data.read_parquet(path, columns=MEAN)
            name = "mean" if ours else "mean(score)"
            means = (mean_of_ours(data) if ours else data.groupby("city").mean("score")).take_all()
            return 0, lambda: digest_of_mean((row["city"], row[name]) for row in means)

        return job_of("ray", path) if ours == JOB else read if job == "read" else mean

    with sessions.ray_data(THREADS, 3_000_000_000):
        yield step


def with_spark():
    from pyspark.sql import functions as f

    def step(job, path, ours):
        def of_file():
            return spark.read.csv(path, header=True, schema=ALL) if path.endswith(".csv") else spark.read.parquet(path)

        def read():
            data = of_file().cache()
            data.count()

            def answer():
                rows, total = data.agg(f.count("*"), f.sum("score")).first()
                data.unpersist(blocking=True)
                return digest_of_read(rows, total)

            return 0, answer

        def mean():
            rows = (mean_of_ours(of_file()).select("city", "mean") if ours else of_file().groupBy("city").agg(f.mean("score"))).collect()
            return 0, lambda: digest_of_mean((row[0], row[1]) for row in rows)

        return job_of("spark", path) if ours == JOB else read if job == "read" else mean

    with sessions.spark_session(THREADS, "6g") as spark:
        yield step


def with_modin():
    os.environ["MODIN_ENGINE"], os.environ["MODIN_CPUS"] = "ray", str(THREADS)
    import modin.pandas as mpd
    from modin.utils import execute

    def step(job, path, ours):
        def read():
            table = mpd.read_csv(path)
            execute(table)
            return 0, lambda: digest_of_read(len(table), table["score"].sum())

        def mean():
            table = mpd.read_csv(path, usecols=MEAN) if path.endswith(".csv") else mpd.read_parquet(path, columns=MEAN)
            if ours:
                means = mean_of_ours(table)._to_pandas()
                return 0, lambda: digest_of_mean(zip(means["city"], means["mean"]))
            means = table.groupby("city")["score"].mean()._to_pandas()
            return 0, lambda: digest_of_mean(means.items())

        return job_of("ray", path) if ours == JOB else read if job == "read" else mean

    with sessions.ray_session(THREADS, 3_000_000_000):
        mpd.DataFrame({"a": range(10)}).sum()
        yield step


JOB = "job"  # ours, where its tasks read the file


def job_of(engine, path, cluster=None):
    """A job on the session that is there: files in, a file out."""
    import pyarrow.parquet as pq
    from ucid.distributed import jobs

    def work():
        folder = tempfile.mkdtemp(dir="/dev/shm")
        out = f"{folder}/means.parquet"
        report = jobs.aggregate([path], out, by=["city"], agg=["mean"], of="score").run(engine, cluster)
        assert not report["failed"]
        means = pq.read_table(out).to_pydict()
        shutil.rmtree(folder)
        return 0, lambda: digest_of_mean(zip(means["city"], means["mean"]))

    return work


def mean_of_ours(data):
    import ucid.distributed as distributed

    return distributed.aggregate(data, by="city", agg="mean", of="score")


PACKAGES = {"polars": "polars", "duckdb": "duckdb", "pandas": "pandas", "pyarrow": "pyarrow", "dask": "dask", "ray": "ray",
            "spark": "pyspark", "modin": "modin"}  # fmt: skip


def main():
    if sys.argv[1] == "make":
        make(sys.argv[2], int(sys.argv[3]))
        return
    path, ucid, runs, steps = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4:]
    (engine,) = {engine_of(step.split(":")[1]) for step in steps}
    session = contextlib.contextmanager(globals()[f"with_{engine}"])
    with processes.Meter() as meter, session() as work_of:
        for step in steps:
            job, program, suffix = step.split(":")
            print(json.dumps({"step": step, "begins": True}), flush=True)
            ours = ucid if program == "ucid" else JOB if program.endswith("_job") else engine != program
            try:
                for row in measured(work_of(job, str(path.with_suffix(suffix)), ours), runs, meter, engine, program):
                    print(json.dumps({"step": step, "program": program, **row}), flush=True)
            except Exception as error:  # noqa: BLE001  of any engine: the next step may do
                print(json.dumps({"step": step, "program": program, "error": f"{type(error).__name__}: {error}"}), flush=True)


def engine_of(program):
    return program.removeprefix("ucid_").removesuffix("_job")


def measured(work, runs, meter, engine, program):
    """Figures of each run."""
    spent = 0
    while runs > 0 and spent < processes.LONG_S:
        start, cpu = time.perf_counter(), meter.cpu_s()
        in_memory, answer = work()
        wall, cpu = time.perf_counter() - start, meter.cpu_s() - cpu
        row = {"wall_s": round(wall, 3), "cpu_s": round(cpu, 3), "answer": answer()}
        del answer  # and with it what was read
        if program in ("polars", "duckdb", "pandas", "pyarrow"):
            row["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        elif program == "ucid":
            row["peak_mb"] = round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024 + in_memory / 1e6)
        if engine in PACKAGES:
            row["version"] = importlib.metadata.version(PACKAGES[engine])
        yield row
        runs, spent = runs - 1, spent + wall


if __name__ == "__main__":
    main()
