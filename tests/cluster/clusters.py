"""How engines are started, and when two tables are the same.

`same(table)` is one hash of a table's values by row, whatever engine, order or partition they came through.
"""

import contextlib
import hashlib
import os
import sys
import time

import fsspec
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from conftest import BUILD

# Workers import the package from the build, as this process does; what they start inherits nothing else.
os.environ["PYTHONPATH"] = str(BUILD / "python")
os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
# On a loaded machine Ray gives up on workers that are still importing, and starts more of them, all with the lowest priority.
# (A raylet gives its agent a quarter of a minute to start, or is gone: waiting long for it is no help, starting it again is.)
os.environ |= {"RAY_raylet_start_wait_time_s": "40", "RAY_worker_register_timeout_seconds": "300", "RAY_worker_niceness": "0"}
sys.path.insert(0, str(BUILD / "python"))

import ucid  # noqa: E402
from ucid.distributed.choose import hold  # noqa: E402, F401

TIME = "2026W01T12"
BOX = (40.0, -40.0, 40.05, -39.95)
SPARK_CONF = {"spark.ui.enabled": "false", "spark.driver.memory": "1g", "spark.sql.shuffle.partitions": "4",
              "spark.driver.host": "127.0.0.1", "spark.log.level": "ERROR"}  # fmt: skip
DASK_OPTIONS = {"n_workers": 2, "threads_per_worker": 1, "memory_limit": "1GB", "dashboard_address": ":0"}
RAY_OPTIONS = {"num_cpus": 2, "include_dashboard": False, "object_store_memory": 300_000_000, "log_to_driver": False}


def start_ray(**options):
    """A Ray of this process, started again where it gave up on a slow host."""
    import ray
    import ray.data

    end = time.monotonic() + 600
    while True:
        before = set(psutil.Process().children(recursive=True))
        try:
            ray.init(**{**RAY_OPTIONS, **options})
            break
        except Exception:
            ray.shutdown()
            left = set(psutil.Process().children(recursive=True)) - before  # of a start that failed it ends nothing
            for one in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
            psutil.wait_procs(left, timeout=30)
            if time.monotonic() > end:
                raise
    ray.data.DataContext.get_current().enable_progress_bars = False


@contextlib.contextmanager
def spark_session(master="local[2]", **conf):
    """A Spark of this process, and the end of its JVM."""
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(master).appName("ucid")
    for name, value in {**SPARK_CONF, **conf}.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    try:
        yield session
    finally:
        gateway = session.sparkContext._gateway
        session.stop()
        gateway.shutdown()
        gateway.proc.stdin.close()
        gateway.proc.wait(30)
        # another may be started in this process
        SparkContext._gateway = SparkContext._jvm = None


def same(table, *keys):
    """One hash of a table's values, by keys (`id`); engines differ in order, in how they cut, and in what lies below a null."""
    if not isinstance(table, pa.Table):
        table = pa.Table.from_pandas(table, preserve_index=False)
    table = table.sort_by([(name, "ascending") for name in ("level", *(keys or ("id",))) if name in table.column_names])
    digest = hashlib.sha256()
    for name in sorted(table.column_names):
        column = table.column(name).combine_chunks()
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
            column = column.cast(pa.float64())
            column = pc.if_else(pc.is_nan(column), pa.scalar(None, pa.float64()), column)
        else:
            column = column.cast(pa.string())
        digest.update(f"{name} {column.type} {len(column)} {column.null_count}".encode())
        values = column.drop_null()
        positions = column.is_valid().cast(pa.int8())
        for array in (positions, values):
            for buffer in pa.concat_arrays([array.slice(0, 0), array]).buffers()[1:]:
                digest.update(buffer or b"")
    return digest.hexdigest()


def table(output):
    """Rows of the Parquet files of an output, but for what a job keeps beside them."""
    files, path = fsspec.url_to_fs(str(output))
    files.invalidate_cache()
    names = sorted(name for name in files.find(path) if name.endswith(".parquet") and "/_ucid" not in name)
    return pa.concat_tables([pq.read_table(pa.BufferReader(files.cat_file(name))) for name in names])


LEVELS = ["r9", "r7", "r5", "city", "country"]
GROUPS = {"by": ["city"], "agg": ["rows", "count", "mean", "std", "min", "max", "median", "p90"], "of": "score"}


def levels_of(scored):
    """A roll-up to all levels, each made by the package on its own."""
    groups = [ucid.aggregate(scored, level) for level in LEVELS]
    named = [one.rename_columns(["key", *one.column_names[1:]]).add_column(0, "level", pa.array([level] * len(one)))
             for level, one in zip(LEVELS, groups)]  # fmt: skip
    return pa.concat_tables(one.replace_schema_metadata(None) for one in named)
