"""Tables beside the libraries and engines that read them: a CSV file, and the mean of its scores by city.

    PYTHON bench/rivals/tables.py make FILE.csv ROWS              the file, and FILE.parquet beside it
    PYTHON bench/rivals/tables.py read|mean PROGRAM FILE [UCID]   one program, JSON on stdout; UCID: our program

read holds every column in memory (Spark: in its cache; ours writes it as Arrow, uncompressed, to memory's file system); mean
is that of `score` by `city`, from FILE.csv or FILE.parquet; ucid_dask and the like are ucid.distributed.aggregate of what the
engine reads. Two threads or workers. Sessions of engines are started before the clock. Processor seconds are of the process
and all that it started; peak memory is told by the programs that have one process, for engines bench/table.py looks. The
answer is a digest that must be equal for all.
"""

import hashlib
import importlib.metadata
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import processes  # noqa: E402  bench/processes.py

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


MEAN = ["city", "score"]


def with_ucid(job, path, ucid):
    import pyarrow.compute as pc
    import pyarrow.ipc as ipc

    folder = tempfile.mkdtemp(dir="/dev/shm")
    out = f"{folder}/out.arrow"
    words = ["copy", path, "-o", out] if job == "read" else ["aggregate", path, "-o", out, "--by", "city", "--agg", "mean"]
    try:
        yield
        subprocess.run([ucid, *words, "--threads", str(THREADS), "--quiet"], check=True)
        yield os.path.getsize(out)
        table = ipc.open_file(out).read_all()
    finally:
        for name in os.listdir(folder):
            os.remove(f"{folder}/{name}")
        os.rmdir(folder)
    if job == "read":
        yield digest_of_read(len(table), pc.sum(table["score"]).as_py())
    yield digest_of_mean(zip(table["city"].to_pylist(), table["mean"].to_pylist()))


def with_polars(job, path, _):
    import polars as pl

    yield
    if job == "read":
        table = pl.read_csv(path)
        yield
        yield digest_of_read(len(table), table["score"].sum())
    table = pl.scan_csv(path) if path.endswith(".csv") else pl.scan_parquet(path)
    table = table.group_by("city").agg(pl.col("score").mean()).collect(engine="streaming")
    yield
    yield digest_of_mean(table.rows())


def with_duckdb(job, path, _):
    import duckdb

    db = duckdb.connect(config={"threads": THREADS})
    yield
    if job == "read":
        db.execute(f"CREATE TABLE t AS FROM read_csv('{path}')")
        yield
        yield digest_of_read(*db.execute("SELECT count(*), sum(score) FROM t").fetchone())
    pairs = db.execute(f"SELECT city, avg(score) FROM '{path}' GROUP BY city").fetchall()
    yield
    yield digest_of_mean(pairs)


def with_pandas(job, path, _):
    import pandas

    yield
    if job == "read":
        table = pandas.read_csv(path)
        yield
        yield digest_of_read(len(table), table["score"].sum())
    table = pandas.read_csv(path, usecols=MEAN) if path.endswith(".csv") else pandas.read_parquet(path, columns=MEAN)
    means = table.groupby("city")["score"].mean()
    yield
    yield digest_of_mean(means.items())


def with_pyarrow(job, path, _):
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv as csv
    import pyarrow.parquet as pq

    pa.set_cpu_count(THREADS)
    yield
    if job == "read":
        table = csv.read_csv(path)
        yield
        yield digest_of_read(len(table), pc.sum(table["score"]).as_py())
    options = csv.ConvertOptions(include_columns=MEAN)
    table = csv.read_csv(path, convert_options=options) if path.endswith(".csv") else pq.read_table(path, columns=MEAN)
    table = table.group_by("city").aggregate([("score", "mean")])
    yield
    yield digest_of_mean(zip(table["city"].to_pylist(), table["score_mean"].to_pylist()))


def with_dask(job, path, ours):
    import dask
    import dask.dataframe as dd
    from distributed import Client, LocalCluster, wait

    with LocalCluster(n_workers=THREADS, threads_per_worker=1, memory_limit="7GB", dashboard_address=None) as cluster, \
            Client(cluster) as client:  # fmt: skip
        yield
        if job == "read":
            data = dd.read_csv(path).persist()
            wait(data)
            yield
            total, rows = dask.compute(data["score"].sum(), data["score"].count())
            yield digest_of_read(rows, total)
        else:
            # partitions are row groups of Parquet: whole columns of a file are more than a worker has
            data = dd.read_csv(path, usecols=MEAN) if path.endswith(".csv") else dd.read_parquet(path, columns=MEAN, split_row_groups=True)
            if ours:
                means = mean_of_ours(data).compute()
                yield
                yield digest_of_mean(zip(means["city"], means["mean"]))
            else:
                means = data.groupby("city")["score"].mean().compute()
                yield
                yield digest_of_mean(means.items())
        client.close()


def with_ray(job, path, ours):
    import ray
    import ray.data

    ray.init(num_cpus=THREADS, include_dashboard=False, log_to_driver=False, object_store_memory=3_000_000_000)
    ray.data.DataContext.get_current().enable_progress_bars = False
    ray.data.range(10).materialize()  # workers run
    yield
    if job == "read":
        data = ray.data.read_csv(path).materialize()
        yield
        answer = digest_of_read(data.count(), data.sum("score"))
    else:
        data = ray.data.read_csv(path).select_columns(MEAN) if path.endswith(".csv") else ray.data.read_parquet(path, columns=MEAN)
        if ours:
            means = mean_of_ours(data).take_all()
            yield
            answer = digest_of_mean((row["city"], row["mean"]) for row in means)
        else:
            means = data.groupby("city").mean("score").take_all()
            yield
            answer = digest_of_mean((row["city"], row["mean(score)"]) for row in means)
    ray.shutdown()
    yield answer


def with_spark(job, path, ours):
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as f

    builder = SparkSession.builder.master(f"local[{THREADS}]").config("spark.ui.enabled", "false")
    spark = builder.config("spark.driver.memory", "6g").config("spark.log.level", "ERROR").getOrCreate()
    spark.range(10).count()
    yield
    schema = "id long, city string, lat double, lon double, score double, confidence double, note string"
    data = spark.read.csv(path, header=True, schema=schema) if path.endswith(".csv") else spark.read.parquet(path)
    if job == "read":
        data = data.cache()
        data.count()
        yield
        answer = digest_of_read(*data.agg(f.count("*"), f.sum("score")).first())
    else:
        means = mean_of_ours(data).select("city", "mean") if ours else data.groupBy("city").agg(f.mean("score"))
        rows = means.collect()
        yield
        answer = digest_of_mean((row[0], row[1]) for row in rows)
    spark.stop()
    yield answer


def with_modin(job, path, ours):
    os.environ["MODIN_ENGINE"], os.environ["MODIN_CPUS"] = "ray", str(THREADS)
    import modin.pandas as mpd
    import ray

    ray.init(num_cpus=THREADS, include_dashboard=False, log_to_driver=False, object_store_memory=3_000_000_000)
    mpd.DataFrame({"a": range(10)}).sum()
    yield
    if job == "read":
        from modin.utils import execute

        table = mpd.read_csv(path)
        execute(table)
        yield
        answer = digest_of_read(len(table), table["score"].sum())
    else:
        table = mpd.read_csv(path, usecols=MEAN) if path.endswith(".csv") else mpd.read_parquet(path, columns=MEAN)
        if ours:
            means = mean_of_ours(table)._to_pandas()
            yield
            answer = digest_of_mean(zip(means["city"], means["mean"]))
        else:
            means = table.groupby("city")["score"].mean()._to_pandas()
            yield
            answer = digest_of_mean(means.items())
    ray.shutdown()
    yield answer


def mean_of_ours(data):
    import ucid.distributed as distributed

    return distributed.aggregate(data, by="city", agg="mean", of="score")


PACKAGES = {"polars": "polars", "duckdb": "duckdb", "pandas": "pandas", "pyarrow": "pyarrow", "dask": "dask", "ray": "ray",
            "spark": "pyspark", "modin": "modin"}  # fmt: skip


def main():
    if sys.argv[1] == "make":
        return make(sys.argv[2], int(sys.argv[3]))
    job, program, path, ucid = (*sys.argv[1:], None)[:4]
    engine = program.removeprefix("ucid_")
    steps = globals()[f"with_{engine}"](job, path, ucid if engine == program == "ucid" else engine != program)
    next(steps)
    start, cpu = time.perf_counter(), processes.cpu_s()
    in_memory = next(steps) or 0  # bytes of a file
    wall, cpu = time.perf_counter() - start, processes.cpu_s() - cpu
    answer = next(steps)
    steps.close()
    row = {"program": program, "wall_s": round(wall, 3), "cpu_s": round(cpu, 3), "answer": answer}
    if program in ("polars", "duckdb", "pandas", "pyarrow"):
        row["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    elif program == "ucid":
        row["peak_mb"] = round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024 + in_memory / 1e6)
    if engine in PACKAGES:
        row["version"] = importlib.metadata.version(PACKAGES[engine])
    print(json.dumps(row), flush=True)
    return None


if __name__ == "__main__":
    main()
