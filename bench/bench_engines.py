"""What a plan costs on each engine, beside the engine's own pass over the same file; pairs in one run, on a warm cluster.

    python bench/bench_engines.py [--rows 2000000] [--engines local,dask,ray,spark,modin] [--rounds 3] [--parts file,warm,rollup,udf]
        [--passes identity,output,score,path,job]

    file      Parquet -> score (which makes the identifiers too) -> Parquet, as a collection of the engine's with distributed.write
              (score), as one that distributed.score made of the path (path), and as a job;
              beside the engine's own pass over the same file: its reader, a function that gives back each batch in the same
              format (pyarrow in one process and on Ray, pandas on Dask and Modin, Arrow on Spark), its writer. The file has the
              columns of the published page's tables: id, city, lat, lon, timestamp, context. And beside its pass over what
              that wrote, which has identifiers and scores too: the same work but for making them (by_output). One round of all
              is not counted; each round turns their order by one. Ratios are the middle of the rounds' own, of seconds and of
              CPU seconds. --passes names those that run: Spark's and Modin's collections take minutes for 20 M rows
    memory    most that one worker held during each pass, MiB, round by round
    warm      scoring 1 M points that the cluster holds already
    rollup    R9, R7, R5, city, country of the scored file, beside reading the same columns
    udf       Spark only: the published page's function a row, with the `ucid` of PyPI, beside ucid_create in the JVM (of a build
              with a JDK) on the same columns of the same frame in memory, nothing written; and beside an Arrow function that
              computes nothing. They take turns, and ratios are the middle of the rounds' own. UCID_PYPI names the folder that
              `pip install --target FOLDER ucid==1.0.3` filled

Each engine runs in a process of its own with two workers. One JSON object a line goes to stdout, a table to stderr.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent
ENVIRONMENT = SOURCE / ".venv-cluster" / "bin" / "python"
if importlib.util.find_spec("dask") is None:
    if not ENVIRONMENT.exists():
        sys.exit("the engines are missing: scripts/setup cluster makes .venv-cluster")
    os.execv(ENVIRONMENT, [str(ENVIRONMENT), *sys.argv])
BUILD = Path(os.environ.get("UCID_BUILD", SOURCE / "build"))
if __name__ == "__main__":
    os.environ["PYTHONPATH"] = str(BUILD / "python")
    os.environ["PYSPARK_PYTHON"] = sys.executable
sys.path.insert(0, str(BUILD / "python"))

import numpy as np  # noqa: E402
import psutil  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

import ucid  # noqa: E402
import ucid.distributed as distributed  # noqa: E402
from ucid.distributed import jobs, tasks  # noqa: E402

LEVELS = ["r9", "r7", "r5", "city", "country"]
TIME = "2026W01T12"
PAGE = ["city", "lat", "lon", "timestamp", "context"]  # what the page's function takes


def same(batch):
    return batch


def make_data(folder, rows):
    """A town's index and rows places in it, in files of at most a million rows."""
    subprocess.run([BUILD / "ucid-town", "-n", "200000", "-s", "5", folder / "town.osm.pbf"], check=True, capture_output=True)
    index = ucid.build_index(folder / "town.osm.pbf", folder / "town.ucidx")
    south, west, north, east = index.bounds
    random = np.random.default_rng(1)
    (folder / "places").mkdir()
    for part, start in enumerate(range(0, rows, 1_000_000)):
        n = min(1_000_000, rows - start)
        table = pa.table({"id": np.arange(start, start + n), "lat": random.uniform(south, north, n),
                          "lon": random.uniform(west, east, n), "city": pa.repeat("IST", n), "timestamp": pa.repeat(TIME, n),
                          "context": pa.repeat("15MIN", n)})  # fmt: skip
        pq.write_table(table, folder / "places" / f"{part:04}.parquet", row_group_size=200_000)


class Local:
    """The package in this process; its pass is pyarrow's reader and writer."""

    def read(self, path):
        return distributed.local.read([str(path)])

    def identity(self, data):
        return data

    def write(self, data, path):
        path.mkdir()
        with pq.ParquetWriter(path / "0.parquet", data.schema) as writer:
            for batch in data:
                writer.write_batch(batch)

    def pool(self):
        return tasks.open_pool("local", workers=2)

    def held(self, table):
        return table

    def count(self, data):
        return len(data)

    def touch(self, data):
        for _ in data:
            pass

    def stop(self):
        pass


class Dask(Local):
    def __init__(self):
        self.client = distributed.UCIDDaskClient(n_workers=2, threads_per_worker=1, memory_limit="3GB", dashboard_address=None)

    def read(self, path):
        import dask.dataframe as dd

        return dd.read_parquet(path)

    def identity(self, data):
        return data.map_partitions(same, meta=data._meta)

    def write(self, data, path):
        data.to_parquet(path, write_index=False)

    def pool(self):
        return tasks.open_pool("dask", self.client.scheduler.address)

    def held(self, table):
        import dask.dataframe as dd
        from distributed import wait

        data = dd.from_pandas(table.to_pandas(), npartitions=4).persist()
        wait(data)
        return data

    def count(self, data):
        from distributed import wait

        wait(data.persist())

    touch = count

    def stop(self):
        self.client.cluster.close()
        self.client.close()


class Ray(Local):
    def __init__(self):
        import ray
        import ray.data

        ray.init(num_cpus=2, include_dashboard=False, object_store_memory=1_500_000_000, log_to_driver=False)
        ray.data.DataContext.get_current().enable_progress_bars = False
        self.ray = ray

    def read(self, path):
        return self.ray.data.read_parquet(str(path))

    def identity(self, data):
        return data.map_batches(same, batch_format="pyarrow", batch_size=None)

    def write(self, data, path):
        data.write_parquet(str(path))

    def pool(self):
        return tasks.open_pool("ray")

    def held(self, table):
        return self.ray.data.from_arrow([table.slice(part * 250_000, 250_000) for part in range(4)])

    def count(self, data):
        data.materialize()

    touch = count

    def stop(self):
        self.ray.shutdown()


class Spark(Local):
    def __init__(self):
        from pyspark.sql import SparkSession

        builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").config("spark.driver.memory", "3g")
        builder = builder.config("spark.sql.execution.arrow.pythonUDF.columnarInput.enabled", "false")
        builder = builder.config("spark.sql.execution.arrow.maxBytesPerBatch", 2**31 - 1)  # for every pass: docs/distributed.md
        self.spark = builder.config("spark.log.level", "ERROR").getOrCreate()

    def read(self, path):
        return self.spark.read.parquet(str(path))

    def identity(self, data):
        return data.mapInArrow(same, data.schema)

    def write(self, data, path):
        data.write.parquet(str(path))

    def pool(self):
        return tasks.open_pool("spark")

    def held(self, table):
        data = self.spark.createDataFrame(table).repartition(4).cache()
        data.count()
        return data

    def count(self, data):
        data.write.format("noop").mode("overwrite").save()

    touch = count

    def udf(self, places, rounds):
        """Seconds of a function that computes nothing, of ours, and of the page's function a row, for two numbers of rows."""
        from pyspark.sql.functions import udf
        from pyspark.sql.types import StringType

        from ucid.distributed import sql

        pypi = os.environ["UCID_PYPI"]

        def nothing(city, lat, lon, timestamp, context):
            return city

        @udf(returnType=StringType())
        def create_ucid_udf(city, lat, lon, timestamp, context):
            import sys

            if pypi not in sys.path[:1]:
                sys.path.insert(0, pypi)
                for name in [name for name in sys.modules if name.partition(".")[0] == "ucid"]:
                    del sys.modules[name]
            from ucid import create_ucid

            return str(create_ucid(city=city, lat=lat, lon=lon, timestamp=timestamp, context=context))

        held = []
        for rows in (250_000, 1_000_000):
            held.append(self.read(places).limit(rows).repartition(4).cache())
            held[-1].count()
        ours = distributed.spark.register(self.spark, jvm=True)["ucid_create"]  # Python's workers lose our package to the page's
        functions = {"nothing": sql.arrow_function(nothing, "string"), "ours": ours, "page": create_ucid_udf}
        used = Memory(False).used

        def both(data, function):
            made = data.select(function(*(data[column] for column in PAGE)).alias("ucid"))
            begun = used()
            return timed(lambda: self.count(made)), used() - begun

        for turn in range(15):  # the JVM compiles
            for data in held:
                both(data, ours)
                if turn < 5:
                    both(data, functions["nothing"])
        both(held[0].limit(1000), create_ucid_udf)
        spent = {name: [[] for _ in held] for name in functions}
        for _ in range(rounds):
            for at, data in enumerate(held):
                for name, function in functions.items():
                    spent[name][at].append(both(data, function))
        kinds = (("_s", 0), ("_cpu_s", 1))
        middle = {f"{name}{kind}": [statistics.median(one[at] for one in pairs) for pairs in ones]
                  for name, ones in spent.items() for kind, at in kinds}  # fmt: skip
        for kind, at in kinds:
            pages = [zip(*both, strict=True) for both in zip(spent["page"], spent["ours"], strict=True)]
            middle[f"ratio{kind}"] = [statistics.median(page[at] / own[at] for page, own in pairs) for pairs in pages]
        return middle

    def stop(self):
        self.spark.stop()


class Modin(Dask):
    def __init__(self):
        os.environ["MODIN_ENGINE"] = "dask"
        super().__init__()

    def read(self, path):
        import modin.pandas as mpd

        return mpd.read_parquet(str(path))

    def identity(self, data):
        from ucid.distributed import modin

        return modin.from_partitions([modin._submit(same, part) for part in modin.unwrap_partitions(data, axis=0)], axis=0)

    def write(self, data, path):
        path.mkdir()
        data.to_parquet(str(path / "0.parquet"), index=False)

    def held(self, table):
        import modin.pandas as mpd

        return mpd.DataFrame(table.to_pandas())

    def count(self, data):
        from distributed import wait

        from ucid.distributed import modin

        wait(modin.unwrap_partitions(data, axis=0))

    touch = count


ENGINES = {"local": Local, "dask": Dask, "ray": Ray, "spark": Spark, "modin": Modin}


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


class Memory:
    """Most resident memory that one process held while this was open, MiB, and CPU seconds of all of them."""

    def __init__(self, alone):
        self.alone = alone  # no worker but this process

    def processes(self):
        me = psutil.Process()
        return [me, *me.children(recursive=True)] if self.alone else me.children(recursive=True)

    def used(self):
        total = 0.0
        for process in {psutil.Process(), *self.processes()}:
            with contextlib.suppress(psutil.NoSuchProcess):
                total += sum(process.cpu_times()[:2])
        return total

    def __enter__(self):
        self.begun = self.used()
        self.most, self.ended = 0, threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self):
        while not self.ended.wait(0.25):
            for process in self.processes():
                try:
                    if process.name().startswith(("python", "ray")):
                        self.most = max(self.most, process.memory_info().rss >> 20)
                except psutil.NoSuchProcess:
                    pass

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        self.cpu = self.used() - self.begun


def bench_file(name, folder, rounds, engine, score, wanted):
    """The passes over the file, each beside the engine's own in the same round."""
    pool = engine.pool()
    index = str(folder / "town.ucidx")
    plan = distributed.Plan.score(index=index, timestamp=TIME)
    job = lambda out: jobs.over_files("score", plan, [str(folder / "places")], out)  # noqa: E731
    identity = lambda of, out: engine.write(engine.identity(engine.read(of)), out)  # noqa: E731
    scored = folder / f"made-{name}"
    if "output" in wanted:
        distributed.write(score(engine.read(folder / "places")), scored)
    passes = {
        "identity": lambda out: identity(folder / "places", out),
        "output": lambda out: identity(scored, out),
        "score": lambda out: distributed.write(score(engine.read(folder / "places")), out),
        "path": lambda out: distributed.write(distributed.score(str(folder / "places"), index=index, timestamp=TIME, engine=name), out),
        "job": lambda out: job(out).run(pool=pool),
    }
    order = [key for key in passes if key in wanted]
    seconds, cpu, memory = ({key: [] for key in order} for _ in range(3))
    for turn in range(rounds + 1):
        for key in order:
            with Memory(name == "local") as held:
                spent = timed(lambda key=key: passes[key](folder / "out"))
            shutil.rmtree(folder / "out")
            if turn:
                seconds[key].append(spent)
                cpu[key].append(held.cpu)
                memory[key].append(held.most)
        order.append(order.pop(0))
    pool.close()
    shutil.rmtree(scored, ignore_errors=True)
    ratios = {}
    for by, base in (("", "identity"), ("_by_output", "output")):
        for key, said in (("score", "ratio"), ("path", "path_ratio"), ("job", "job_ratio")):
            for kind, of in (("", seconds), ("cpu_", cpu)) if key in order and base in order else ():
                pairs = zip(of[key], of[base], strict=True)
                ratios[f"{kind}{said}{by}"] = statistics.median(x / y for x, y in pairs)
    return {**{f"{key}_s": statistics.median(values) for key, values in seconds.items()}, **ratios,
            "cpu_s": {key: statistics.median(values) for key, values in cpu.items()}, "memory_mib": memory}  # fmt: skip


def bench(name, folder, rounds, parts, passes):
    index = str(folder / "town.ucidx")
    engine = ENGINES[name]()
    adapter = distributed._choose.adapter(name)
    score = lambda data: adapter.apply(data, distributed.Plan.score(index=index, timestamp=TIME))  # noqa: E731
    result = {"engine": name, "load": os.getloadavg()[0]}
    if "file" in parts:
        result |= bench_file(name, folder, rounds, engine, score, passes)
    if "warm" in parts:
        million = pq.read_table(folder / "places").slice(0, 1_000_000).select(["id", "lat", "lon"])
        held = engine.held(million)
        engine.count(score(held))
        result["warm_1m_s"] = statistics.median(timed(lambda: engine.count(score(held))) for _ in range(rounds))
    if "rollup" in parts:
        scored = folder / f"scored-{name}"
        distributed.write(score(engine.read(folder / "places")), scored)
        columns = distributed.Plan.aggregate(LEVELS).needed(pq.read_schema(next(scored.glob("*.parquet"))).names)
        roll = lambda: engine.touch(distributed.aggregate(engine.read(scored), LEVELS))  # noqa: E731
        read = lambda: engine.touch(adapter.select(engine.read(scored), columns))  # noqa: E731
        roll()
        result["rollup_s"], result["read_s"] = (statistics.median(timed(work) for _ in range(rounds)) for work in (roll, read))
        result["rollup_ratio"] = result["rollup_s"] / result["read_s"]
        shutil.rmtree(scored)
    if "udf" in parts and name == "spark" and os.environ.get("UCID_PYPI"):
        result["udf"] = engine.udf(folder / "places", rounds)
    engine.stop()
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parts", default="file,warm,rollup,udf")
    parser.add_argument("--passes", default="identity,output,score,path,job")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.folder:  # one engine, in a process of its own
        print(json.dumps(bench(given.engines, given.folder, given.rounds, given.parts.split(","), given.passes.split(","))))
        return
    with tempfile.TemporaryDirectory() as folder:
        make_data(Path(folder), given.rows)
        for name in given.engines.split(","):
            command = [sys.executable, __file__, "--folder", folder, "--engines", name, "--rounds", str(given.rounds),
                       "--parts", given.parts, "--passes", given.passes]  # fmt: skip
            ended = subprocess.run(command, stdout=subprocess.PIPE, text=True)
            if ended.returncode != 0:
                print(f"{name}: ended with {ended.returncode}", file=sys.stderr)
                continue
            line = ended.stdout.strip().splitlines()[-1]
            row = {"rows": given.rows, **json.loads(line)}
            print(json.dumps(row), flush=True)
            said = [f"{key} {value:.2f}" for key, value in row.items() if isinstance(value, float)]
            print(f"{name:6} {', '.join(said)}", file=sys.stderr)


if __name__ == "__main__":
    main()
