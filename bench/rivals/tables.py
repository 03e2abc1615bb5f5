"""Tables beside the libraries and engines that read them: a CSV file, and the mean of its scores by city.

    PYTHON bench/rivals/tables.py make FILE.csv ROWS                   the file, and FILE.parquet beside it
    PYTHON bench/rivals/tables.py read|mean PROGRAM FILE.csv [UCID]    one program, JSON on stdout; UCID: our program

read holds every column in memory (Spark: in its cache; ours writes it as Arrow, uncompressed, to memory's file system); mean
is that of `score` by `city`, from the file. Two threads or workers. Sessions of engines are started before the clock.
Seconds are of the wall; processor seconds and peak memory are of the process and its children that ended, where they tell
(Ray's do not). The answer is a digest that must be equal for all.
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


def with_ucid(job, path, ucid):
    import pyarrow.compute as pc
    import pyarrow.ipc as ipc

    folder = tempfile.mkdtemp(dir="/dev/shm")
    out = f"{folder}/out.arrow"
    words = ["copy", path, "-o", out] if job == "read" else ["aggregate", path, "-o", out, "--by", "city", "--agg", "mean"]
    try:
        yield
        subprocess.run([ucid, *words, "--threads", str(THREADS), "--quiet"], check=True)
        yield
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
    table = pl.scan_csv(path).group_by("city").agg(pl.col("score").mean()).collect(engine="streaming")
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
    pairs = db.execute(f"SELECT city, avg(score) FROM read_csv('{path}') GROUP BY city").fetchall()
    yield
    yield digest_of_mean(pairs)


def with_pandas(job, path, _):
    import pandas

    yield
    table = pandas.read_csv(path, usecols=None if job == "read" else ["city", "score"])
    if job == "mean":
        table = table.groupby("city")["score"].mean()
    yield
    yield digest_of_read(len(table), table["score"].sum()) if job == "read" else digest_of_mean(table.items())


def with_pyarrow(job, path, _):
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv as csv

    pa.set_cpu_count(THREADS)
    yield
    table = csv.read_csv(path, convert_options=csv.ConvertOptions(include_columns=None if job == "read" else ["city", "score"]))
    if job == "mean":
        table = table.group_by("city").aggregate([("score", "mean")])
    yield
    if job == "read":
        yield digest_of_read(len(table), pc.sum(table["score"]).as_py())
    yield digest_of_mean(zip(table["city"].to_pylist(), table["score_mean"].to_pylist()))


def with_dask(job, path, _):
    import dask
    import dask.dataframe as dd
    from distributed import Client, LocalCluster, wait

    with LocalCluster(n_workers=THREADS, threads_per_worker=1, memory_limit="8GB", dashboard_address=None) as cluster, \
            Client(cluster) as client:  # fmt: skip
        yield
        data = dd.read_csv(path, usecols=None if job == "read" else ["city", "score"])
        if job == "mean":
            means = data.groupby("city")["score"].mean().compute()
            yield
            yield digest_of_mean(means.items())
        data = data.persist()
        wait(data)
        yield
        total, rows = dask.compute(data["score"].sum(), data["score"].count())
        yield digest_of_read(rows, total)
        client.close()


def with_ray(job, path, _):
    import ray
    import ray.data

    ray.init(num_cpus=THREADS, include_dashboard=False, log_to_driver=False, object_store_memory=3_000_000_000)
    ray.data.DataContext.get_current().enable_progress_bars = False
    ray.data.range(10).materialize()  # workers run
    yield
    data = ray.data.read_csv(path)
    if job == "mean":
        means = data.select_columns(["city", "score"]).groupby("city").mean("score").take_all()
        yield
        yield digest_of_mean((row["city"], row["mean(score)"]) for row in means)
    data = data.materialize()
    yield
    answer = digest_of_read(data.count(), data.sum("score"))
    ray.shutdown()
    yield answer


def with_spark(job, path, _):
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as f

    builder = SparkSession.builder.master(f"local[{THREADS}]").config("spark.ui.enabled", "false")
    spark = builder.config("spark.driver.memory", "6g").config("spark.log.level", "ERROR").getOrCreate()
    spark.range(10).count()
    yield
    schema = "id long, city string, lat double, lon double, score double, confidence double, note string"
    data = spark.read.csv(path, header=True, schema=schema)
    if job == "mean":
        means = data.groupBy("city").agg(f.mean("score")).collect()
        yield
        answer = digest_of_mean((row[0], row[1]) for row in means)
    else:
        data = data.cache()
        data.count()
        yield
        answer = digest_of_read(*data.agg(f.count("*"), f.sum("score")).first())
    spark.stop()
    yield answer


def with_modin(job, path, _):
    os.environ["MODIN_ENGINE"], os.environ["MODIN_CPUS"] = "ray", str(THREADS)
    import modin.pandas as mpd
    import ray

    ray.init(num_cpus=THREADS, include_dashboard=False, log_to_driver=False, object_store_memory=3_000_000_000)
    mpd.DataFrame({"a": range(10)}).sum()
    yield
    table = mpd.read_csv(path, usecols=None if job == "read" else ["city", "score"])
    if job == "mean":
        means = table.groupby("city")["score"].mean()._to_pandas()
        yield
        yield digest_of_mean(means.items())
    from modin.utils import execute

    execute(table)
    yield
    answer = digest_of_read(len(table), table["score"].sum())
    ray.shutdown()
    yield answer


PACKAGES = {"polars": "polars", "duckdb": "duckdb", "pandas": "pandas", "pyarrow": "pyarrow", "dask": "dask", "ray": "ray",
            "spark": "pyspark", "modin": "modin"}  # fmt: skip


def main():
    if sys.argv[1] == "make":
        return make(sys.argv[2], int(sys.argv[3]))
    job, program, path, ucid = (*sys.argv[1:], None)[:4]
    steps = globals()[f"with_{program}"](job, path, ucid)
    next(steps)
    start, cpu = time.perf_counter(), time.process_time()
    next(steps)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    answer = next(steps)
    steps.close()
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak = max(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss if program != "ucid" else 0, ended.ru_maxrss) / 1024
    row = {"program": program, "wall_s": round(wall, 3), "answer": answer}
    if program in ("ucid", "polars", "duckdb", "pandas", "pyarrow"):
        row |= {"cpu_s": round(ended.ru_utime + ended.ru_stime if program == "ucid" else cpu, 3), "peak_mb": round(peak)}
    if program in PACKAGES:
        row["version"] = importlib.metadata.version(PACKAGES[program])
    print(json.dumps(row))
    return None


if __name__ == "__main__":
    main()
