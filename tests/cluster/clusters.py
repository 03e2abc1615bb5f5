"""What the tests of every engine share: a town, places in it, what they must become, and clusters that end.

`same(table)` is one hash of a table's values by row, whatever engine, order or partition they came through; `EXPECTED` of a
plan is what the package makes of the same rows in this process.
"""

import hashlib
import os
import sys

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from conftest import BUILD, SOURCE, run

# Workers import the package from the build, as this process does; what they start inherits nothing else.
os.environ["PYTHONPATH"] = str(BUILD / "python")
os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
# On a loaded machine Ray gives up on workers that are still importing, and starts more of them.
os.environ |= {"RAY_raylet_start_wait_time_s": "300", "RAY_worker_register_timeout_seconds": "300"}
sys.path.insert(0, str(BUILD / "python"))

import ucid  # noqa: E402

ROWS = int(os.environ.get("UCID_ROWS", 100_000))
TIME = "2026W01T12"
SPARK_CONF = {"spark.ui.enabled": "false", "spark.driver.memory": "1g", "spark.sql.shuffle.partitions": "4",
              "spark.driver.host": "127.0.0.1", "spark.log.level": "ERROR"}  # fmt: skip
DASK_OPTIONS = {"n_workers": 2, "threads_per_worker": 1, "memory_limit": "1GB", "dashboard_address": None}
RAY_OPTIONS = {"num_cpus": 2, "include_dashboard": False, "object_store_memory": 300_000_000, "log_to_driver": False}


def start_ray():
    """A Ray of this process. It gives its own agent half a minute to start, whatever the load, so it is asked thrice."""
    import ray
    import ray.data

    for attempt in range(3):
        try:
            ray.init(**RAY_OPTIONS)
            break
        except Exception:
            ray.shutdown()
            if attempt == 2:
                raise
    ray.data.DataContext.get_current().enable_progress_bars = False


@pytest.fixture(scope="session")
def town(tmp_path_factory):
    """Path of an index of a town that does not exist."""
    folder = tmp_path_factory.mktemp("town")
    run(BUILD / "ucid-town", "-n", 20000, "-s", 5, folder / "town.osm.pbf")
    ucid.build_index(folder / "town.osm.pbf", folder / "town.ucidx")
    return str(folder / "town.ucidx")


@pytest.fixture(scope="session")
def places(town):
    """ROWS places in the town and around it, some of them nowhere, of three cities and four hours."""
    south, west, north, east = ucid.open_index(town).bounds
    random = np.random.default_rng(1)
    lat, lon = random.uniform(south, north, ROWS), random.uniform(west, east, ROWS)
    lat[::97], lat[::83] = 91.0, -60.0
    missing = np.arange(ROWS) % 89 == 0
    return pa.table({
        "id": np.arange(ROWS), "lat": lat, "lon": pa.array(lon, mask=missing),
        "city": pa.array(np.array(["IST", "HEL", "ist"])[random.integers(0, 3, ROWS)]),
        "timestamp": pa.array(np.array(["2026W01T12", "2026W01T13", "2026W02T00", "2026W60T00"])[random.integers(0, 4, ROWS)]),
    })  # fmt: skip


@pytest.fixture(scope="session")
def files(places, tmp_path_factory):
    """The places as Parquet in seven files, shuffled."""
    folder = tmp_path_factory.mktemp("places")
    shuffled = places.take(np.random.default_rng(2).permutation(ROWS))
    step = -(-ROWS // 7)
    for part in range(7):
        pq.write_table(shuffled.slice(part * step, step), folder / f"part-{part}.parquet", row_group_size=step // 2 + 1)
    return folder


def same(table, key="id"):
    """One hash of a table's values, by key; engines differ in order, in how they cut, and in what lies below a null."""
    if not isinstance(table, pa.Table):
        table = pa.Table.from_pandas(table, preserve_index=False)
    table = table.sort_by([(name, "ascending") for name in ("level", key) if name in table.column_names])
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


LEVELS = ["r9", "r7", "r5", "city", "country"]


def levels_of(scored):
    """A roll-up to all levels, each made by the package on its own."""
    groups = [ucid.aggregate(scored, level) for level in LEVELS]
    named = [one.rename_columns(["key", *one.column_names[1:]]).add_column(0, "level", pa.array([level] * len(one)))
             for level, one in zip(LEVELS, groups)]  # fmt: skip
    return pa.concat_tables(one.replace_schema_metadata(None) for one in named)


@pytest.fixture(scope="session")
def expected(places, town):
    """Hashes of what the rows must become."""
    scored = ucid.score(places, index=town)
    made = ucid.create(places, context="15MIN")
    return {
        "score": same(scored),
        "detail": same(ucid.score(places, index=town, detail=True, timestamp=TIME)),
        "create": same(made),
        "parse": same(ucid.parse(made.select(["id", "ucid"]))),
        "r7": same(ucid.aggregate(scored, "r7"), "h3"),
        "levels": same(levels_of(scored), "key"),
    }


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left():
    """A run leaves no process of its own, and so no port."""
    yield
    children = psutil.Process().children(recursive=True)
    said = {child.pid: " ".join(child.cmdline())[:200] for child in children if child.status() != psutil.STATUS_ZOMBIE}
    # that of Python's multiprocessing ends with this process
    left = [child for child in children if child.pid in said and "resource_tracker" not in said[child.pid]]
    _, alive = psutil.wait_procs(left, timeout=20)
    assert [said[child.pid] for child in alive] == []
