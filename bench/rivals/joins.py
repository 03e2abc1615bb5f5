"""Points in zones: ours beside GeoPandas, dask-geopandas, DuckDB's spatial extension, SedonaDB and Sedona on Spark; and ours
on Dask, Ray, Spark and Modin.

    $(scripts/rivals) bench/rivals/joins.py build/libucid.so [--points 10000000] [--zones 5000] [--share 1.0]
        [--engines .venv-cluster/bin/python] [--runs 3] [--limit SECONDS] [--only PROGRAM ...]

Zones are a tessellation with rough borders that neighbours share corner by corner, of 500 to 50,000 corners (--share
scales that); points are uniform over a slightly larger box. Both are made from a fixed seed and lie in two Parquet files.
Each program runs in a process of its own, with two threads or workers, from the files to an array of one zone a point;
seconds are without the start of Python and of an engine's session, processor seconds and memory of the process and all that it
started. It runs --runs times, or until its runs took 5 s together, and the run with the middle seconds is told. All arrays must
be equal, to the first that was made for such data: a point on a border, which the others have in two zones or none, may differ,
and their number is told.
Sedona on Spark takes its jar from Maven's repository; DuckDB is as new as the package of its extension. JSON lines.
"""

import argparse
import contextlib
import ctypes
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

THREADS = 2
for name in ("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS"):
    os.environ[name] = str(THREADS)

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import processes  # noqa: E402  bench/processes.py
import sessions  # noqa: E402  beside this file

EAST, NORTH, WEST, SOUTH = 40.0, 50.0, 0.0, 30.0


# ------------------------------------------------------------------------------------------------------------- the data


def border(rng, a, b, count):
    """A rough line of about `count` corners from a to b: midpoints are moved sideways, less at each step."""
    line, size = np.array([a, b]), 0.16
    while len(line) <= count:
        step = np.diff(line, axis=0)
        middle = line[:-1] + step / 2 + size * rng.uniform(-1, 1, (len(step), 1)) * np.column_stack([-step[:, 1], step[:, 0]])
        line = np.insert(line, np.arange(1, len(line)), middle, axis=0)
        size *= 0.93
    return line[np.unique(np.linspace(0, len(line) - 1, max(count, 2)).round().astype(int))]


def make_zones(count, share, seed=7):
    """Rings [corners, 2] in 1e-7 degrees: one closed ring a zone."""
    rng = np.random.default_rng(seed)
    rows = max(1, int(np.sqrt(count / 2)))
    cols = count // rows
    xs, ys = np.linspace(WEST, EAST, cols + 1), np.linspace(SOUTH, NORTH, rows + 1)
    node = np.stack(np.meshgrid(xs, ys), axis=-1)
    node[1:-1, 1:-1] += rng.uniform(-0.2, 0.2, node[1:-1, 1:-1].shape) * [xs[1] - xs[0], ys[1] - ys[0]]
    # How rough a place is varies smoothly over the map, so that neighbours' borders agree and all sizes occur.
    u, v = np.meshgrid(np.linspace(0, 1, cols + 1), np.linspace(0, 1, rows + 1))
    wave = (np.sin(9 * u + 3 * v) + np.sin(7 * v - 4 * u + 1) + np.sin(17 * u * v)) / 3
    rank = wave.ravel().argsort().argsort().reshape(wave.shape) / (wave.size - 1)
    corners = share * 125 * 100 ** (rank**2)

    def between(i, k, j, m):
        a, b = node[i, k], node[j, m]
        line = border(rng, a, b, int((corners[i, k] + corners[j, m]) / 2))
        return np.round(line * 1e7).astype(np.int64)

    across = [[between(i, k, i, k + 1) for k in range(cols)] for i in range(rows + 1)]
    up = [[between(i, k, i + 1, k) for k in range(cols + 1)] for i in range(rows)]
    for i in range(rows):
        for k in range(cols):
            ring = np.concatenate([across[i][k][:-1], up[i][k + 1][:-1], across[i + 1][k][:0:-1], up[i][k][::-1]])
            yield ring[np.concatenate([[True], np.any(np.diff(ring, axis=0) != 0, axis=1)])]


def wkb(ring):
    head = np.array([1, 3, 0, 0, 0, 1, 0, 0, 0], dtype=np.uint8).tobytes() + np.uint32(len(ring)).tobytes()
    return head + (ring / 1e7).astype("<f8").tobytes()


def make_data(folder, points, zones, share):
    """points.parquet (lon, lat), points.numbered.parquet (row, too), zones.parquet (zone, geometry); corners of each zone."""
    stem = f"{zones}-{share:g}"
    zone_file, point_file = folder / f"zones-{stem}.parquet", folder / f"points-{points}.parquet"
    if not zone_file.exists():
        shapes = [wkb(ring) for ring in make_zones(zones, share)]
        geo = {"version": "1.0.0", "primary_column": "geometry",
               "columns": {"geometry": {"encoding": "WKB", "geometry_types": ["Polygon"]}}}
        table = pa.table({"zone": pa.array(range(len(shapes)), pa.int32()), "geometry": pa.array(shapes, pa.binary())})
        pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), zone_file, row_group_size=500)
    if not point_file.exists():
        rng = np.random.default_rng(11)
        lon = np.round(rng.uniform(WEST - 0.5, EAST + 0.5, points), 7)
        lat = np.round(rng.uniform(SOUTH - 0.5, NORTH + 0.5, points), 7)
        table = pa.table({"lon": lon, "lat": lat})
        pq.write_table(table.append_column("row", pa.array(np.arange(points))), numbered(point_file), row_group_size=1 << 20)
        pq.write_table(table, point_file, row_group_size=1 << 20)
    sizes = np.array([(len(shape.as_py()) - 13) // 16 for shape in pq.read_table(zone_file)["geometry"]])
    return point_file, zone_file, sizes


def numbered(points):
    """The same points with their row, for engines that keep no order."""
    return points.with_suffix(".numbered.parquet")


# ---------------------------------------------------------------------------------------------------------- the programs
#
# Each is a generator: it yields, when its session has started, what is timed, which returns (zone a point, seconds of its steps).


def our_program(points, zones, library):
    """ucid join, to a file that is read."""
    import pyarrow.ipc as ipc

    out = points.with_suffix(".joined.arrow")
    words = [Path(library).parent / "ucid", "join", points, zones, "-o", out, "--threads", str(THREADS), "--quiet"]

    def work():
        subprocess.run(words, check=True)
        return np.concatenate([batch["zone"].fill_null(-1).to_numpy() for batch in arrow_batches(ipc.open_file(out))]), {}

    yield work
    out.unlink()


def arrow_batches(file):
    return (file.get_batch(i) for i in range(file.num_record_batches))


def row_groups(path, columns):
    file = pq.ParquetFile(path)
    for i in range(file.num_row_groups):
        yield file.read_row_group(i, columns)


def ours(points, zones, library):
    lib = ctypes.CDLL(library)
    lib.ucid_zones_builder_add_wkb.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
    pa.set_memory_pool(pa.system_memory_pool())  # gives back what a row group took

    def work():
        builder, compiled = ctypes.c_void_p(), ctypes.c_void_p()
        assert lib.ucid_zones_builder_new(None, ctypes.byref(builder), None) == 0
        steps, start = {}, time.perf_counter()
        for shapes in row_groups(zones, ["geometry"]):
            for chunk in shapes["geometry"].chunks:
                ends = np.frombuffer(chunk.buffers()[1], np.int32)[chunk.offset : chunk.offset + len(chunk) + 1].tolist()
                first = chunk.buffers()[2].address
                for at, end in zip(ends[:-1], ends[1:], strict=True):
                    assert lib.ucid_zones_builder_add_wkb(builder, first + at, end - at, None) == 0
        steps["read"] = time.perf_counter() - start
        assert lib.ucid_zones_build(builder, THREADS, ctypes.byref(compiled), None) == 0
        lib.ucid_zones_builder_free(builder)
        steps["compile"] = time.perf_counter() - start - steps["read"]
        found, spent = [], 0.0
        for batch in row_groups(points, ["lon", "lat"]):
            lon, lat = batch["lon"].to_numpy(), batch["lat"].to_numpy()
            zone = np.empty(len(lon), np.int32)
            before = time.perf_counter()
            status = lib.ucid_zones_within(compiled, ctypes.c_int64(len(lon)), lat.ctypes, lon.ctypes, None, THREADS, zone.ctypes,
                                           None, None)
            spent += time.perf_counter() - before
            assert status == 0
            found.append(zone)
        lib.ucid_zones_close(compiled)
        steps["join"] = spent
        return np.concatenate(found), steps

    yield work


def ours_on_dask(points, zones, _):
    from distributed import Client, LocalCluster

    import dask.dataframe as dd
    import ucid.distributed as distributed

    with LocalCluster(n_workers=THREADS, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:

        def work():
            places = dd.read_parquet(points, split_row_groups=True)
            return distributed.join(places, zones).compute()["zone"].fillna(-1).to_numpy(np.int32), {}

        yield work
        client.close()


def ours_on_ray(points, zones, _):
    import ucid.distributed as distributed

    with sessions.ray_data(THREADS, 2_000_000_000) as ray:

        def work():
            joined = distributed.join(ray.data.read_parquet(str(numbered(points))), zones).select_columns(["row", "zone"])
            table = pa.concat_tables(ray.get(joined.to_arrow_refs())).filter(pa.compute.field("zone").is_valid())
            return from_pairs(table["row"].to_numpy(), table["zone"].to_numpy(), pq.ParquetFile(points).metadata.num_rows), {}

        yield work


def ours_on_spark(points, zones, _):
    import ucid.distributed as distributed

    arrow = {"spark.driver.maxResultSize": "2g", "spark.sql.execution.arrow.pyspark.enabled": "true"}
    with sessions.spark_session(THREADS, "4g", **arrow) as spark:

        def work():
            joined = distributed.join(spark.read.parquet(str(numbered(points))), zones).select("row", "zone")
            pairs = joined.where("zone is not null").toArrow()
            return from_pairs(pairs["row"].to_numpy(), pairs["zone"].to_numpy(), pq.ParquetFile(points).metadata.num_rows), {}

        yield work


def ours_on_modin(points, zones, _):
    os.environ["MODIN_ENGINE"] = "dask"
    from distributed import Client, LocalCluster

    import modin.pandas as mpd
    import ucid.distributed as distributed

    with LocalCluster(n_workers=THREADS, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        mpd.DataFrame({"a": range(10)}).sum()

        def work():
            joined = distributed.join(mpd.read_parquet(str(points)), zones)
            return joined["zone"]._to_pandas().fillna(-1).to_numpy(np.int32), {}

        yield work
        client.close()


def geopandas(points, zones, _):
    import geopandas as gpd


    def work():
        areas = gpd.read_parquet(zones)
        table = pq.read_table(points)
        places = gpd.GeoDataFrame(geometry=gpd.points_from_xy(table["lon"].to_numpy(), table["lat"].to_numpy()), crs=areas.crs)
        joined = gpd.sjoin(places, areas, predicate="within")
        return from_pairs(joined.index.to_numpy(), joined["zone"].to_numpy(), len(places)), {}

    yield work


def duckdb(points, zones, _):
    sys.path.insert(0, SPATIAL)
    import duckdb

    db = duckdb.connect(config={"threads": THREADS, "allow_unsigned_extensions": True})
    package = Path(SPATIAL) / f"duckdb_extension_spatial/extensions/v{duckdb.__version__}/spatial.duckdb_extension"
    db.execute(f"LOAD '{package}'" if package.exists() else "INSTALL spatial; LOAD spatial")

    def work():
        pairs = db.execute(f"""
            SELECT p.row AS row, z.zone AS zone
            FROM (SELECT row, ST_Point(lon, lat) AS g FROM read_parquet('{numbered(points)}')) p
            JOIN (SELECT zone, geometry AS g FROM read_parquet('{zones}')) z ON ST_Within(p.g, z.g)""").fetchnumpy()
        return from_pairs(pairs["row"], pairs["zone"], pq.ParquetFile(points).metadata.num_rows), {}

    yield work


def sedonadb(points, zones, _):
    import sedona.db

    sd = sedona.db.connect()
    with contextlib.suppress(Exception):
        sd.sql(f"SET datafusion.execution.target_partitions = {THREADS}").execute()

    def work():
        sd.read_parquet(str(numbered(points))).to_view("p", overwrite=True)
        sd.read_parquet(str(zones)).to_view("z", overwrite=True)
        pairs = sd.sql("""SELECT p."row" AS r, z.zone AS zone FROM p JOIN z ON ST_Within(ST_SetSRID(ST_Point(p.lon, p.lat), 4326),
                          ST_SetSRID(z.geometry, 4326))""").to_arrow_table()
        return from_pairs(pairs["r"].to_numpy(), pairs["zone"].to_numpy(), pq.ParquetFile(points).metadata.num_rows), {}

    yield work


def dask_geopandas(points, zones, _):
    import dask
    import dask_geopandas as dg
    import geopandas as gpd

    dask.config.set(scheduler="processes", num_workers=THREADS)

    def work():
        areas = gpd.read_parquet(zones)
        table = pq.read_table(points)
        places = gpd.GeoDataFrame(geometry=gpd.points_from_xy(table["lon"].to_numpy(), table["lat"].to_numpy()), crs=areas.crs)
        joined = dg.from_geopandas(places, npartitions=4 * THREADS).sjoin(areas, predicate="within").compute()
        return from_pairs(joined.index.to_numpy(), joined["zone"].to_numpy(), len(places)), {}

    yield work


def sedona_spark(points, zones, _):
    from pyspark.sql import functions as f
    from sedona.spark import SedonaContext

    builder = SedonaContext.builder().master(f"local[{THREADS}]").config("spark.driver.memory", "8g").config("spark.ui.enabled", "false")
    builder = builder.config("spark.jars.packages", ",".join(SEDONA_JARS)).config("spark.driver.maxResultSize", "2g")
    builder = builder.config("spark.sql.execution.arrow.pyspark.enabled", "true").config("spark.log.level", "ERROR")
    sedona = SedonaContext.create(builder.getOrCreate())
    sedona.range(10).count()

    def work():
        places = sedona.read.parquet(str(numbered(points))).select("row", f.expr("ST_Point(lon, lat)").alias("p"))
        areas = sedona.read.parquet(str(zones)).select("zone", f.expr("ST_GeomFromWKB(geometry)").alias("g"))
        pairs = places.join(f.broadcast(areas), f.expr("ST_Within(p, g)")).select("row", "zone").toArrow()
        return from_pairs(pairs["row"].to_numpy(), pairs["zone"].to_numpy(), pq.ParquetFile(points).metadata.num_rows), {}

    yield work
    sedona.stop()


def from_pairs(rows, zones, n):
    """The first zone of each row, -1 where it has none."""
    found = np.full(n, np.iinfo(np.int32).max, np.int32)
    np.minimum.at(found, np.asarray(rows), np.asarray(zones).astype(np.int32))
    found[found == np.iinfo(np.int32).max] = -1
    return found


OURS_ON = {"ucid_dask": ours_on_dask, "ucid_ray": ours_on_ray, "ucid_spark": ours_on_spark, "ucid_modin": ours_on_modin}
PROGRAMS = {"ucid": our_program, "ucid_library": ours, **OURS_ON, "sedonadb": sedonadb, "geopandas": geopandas, "dask_geopandas": dask_geopandas,
            "duckdb": duckdb, "sedona_spark": sedona_spark}  # fmt: skip
PACKAGES = {"ucid_dask": "dask", "ucid_ray": "ray", "ucid_spark": "pyspark", "ucid_modin": "modin", "sedona_spark": "apache-sedona"}
SEDONA_JARS = ["org.apache.sedona:sedona-spark-shaded-4.0_2.13:1.8.0", "org.datasyslab:geotools-wrapper:1.8.1-33.1"]
SPATIAL = str(Path(sys.prefix) / "duckdb-spatial")  # scripts/rivals fills it


def version_of(name):
    """Of the package that a program is."""
    if name == "duckdb":
        return sys.modules["duckdb"].__version__
    try:
        return importlib.metadata.version(PACKAGES.get(name, name.replace("_", "-")))
    except importlib.metadata.PackageNotFoundError:
        return None


def run_one(name, points, zones, library, out, runs):
    """A line a run; what the first found is kept, to which the others are equal."""
    program = contextlib.contextmanager(PROGRAMS[name])
    with processes.Meter() as meter, program(Path(points), Path(zones), library) as work:
        spent = 0
        while runs > 0 and spent < processes.LONG_S:
            start, cpu = time.perf_counter(), meter.cpu_s()
            found, parts = work()
            wall, cpu = time.perf_counter() - start, meter.cpu_s() - cpu
            row = {"wall_s": round(wall, 3), "cpu_s": round(cpu, 3)} | {f"{key}_s": round(value, 3) for key, value in parts.items()}
            print(json.dumps(row | ({} if name in ("ucid", "ucid_library") else {"version": version_of(name)})), flush=True)
            if spent == 0:
                np.save(out, found)
            assert np.array_equal(np.load(out), found), "answers of two runs differ"
            del found
            runs, spent = runs - 1, spent + wall


def measured(name, points, zones, out, options):
    """The middle one of a program's runs; of one that failed: why."""
    python, environment = sys.executable, {}
    if name in OURS_ON:
        python = options.engines
        environment = {"PYTHONPATH": str(Path(options.library).resolve().parent / "python"), "PYSPARK_PYTHON": python}
    words = [python, __file__, options.library, "--runs", str(options.runs), "--one", name, points, zones, out]
    said, wrong, code, why, peaks = processes.watched(words, environment, options.limit)
    runs = [{**json.loads(line), "peak_mb": peak} for line, peak in zip(said.splitlines(), peaks) if line.startswith("{")]
    if why or code != 0 or not runs:
        return {"program": name, "error": why or " ".join(wrong.strip().splitlines()[-1:])}
    return {"program": name, **processes.middle(runs)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("library")
    parser.add_argument("--points", type=int, default=10_000_000)
    parser.add_argument("--zones", type=int, default=5000)
    parser.add_argument("--share", type=float, default=1.0, help="of the corners")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "ucid-joins")
    parser.add_argument("--engines", help="interpreter that has Dask, Ray, Spark and Modin: ours on them, too")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--limit", type=int, default=300, help="seconds of a run, after which it is ended")
    parser.add_argument("--only", nargs="*", default=list(PROGRAMS))
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        return run_one(*options.one[:3], options.library, options.one[3], options.runs)
    options.folder.mkdir(parents=True, exist_ok=True)
    points, zones, sizes = make_data(options.folder, options.points, options.zones, options.share)
    print(json.dumps({"points": options.points, "zones": len(sizes), "corners": int(sizes.sum()), "least": int(sizes.min()),
                      "median": int(np.median(sizes)), "most": int(sizes.max())}), flush=True)
    first = options.folder / f"expected-{options.points}-{options.zones}-{options.share:g}.npy"  # the first program's answer
    for name in options.only:
        if name in OURS_ON and not options.engines:
            continue
        out = options.folder / f"found-{name}.npy"
        row = measured(name, points, zones, out, options)
        if "error" not in row:
            found = np.load(out)
            if not first.exists():
                np.save(first, found)
            expected = np.load(first)
            row |= {"inside": int((found >= 0).sum()), "different": int((found != expected).sum())}
        out.unlink(missing_ok=True)
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
