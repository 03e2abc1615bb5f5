"""Points in zones: ours beside GeoPandas, dask-geopandas, DuckDB's spatial extension, SedonaDB and Sedona on Spark.

    $(scripts/rivals) bench/rivals/joins.py build/libucid.so [--points 10000000] [--zones 5000] [--share 1.0]

Zones are a tessellation with rough borders that neighbours share corner by corner, of 500 to 50,000 corners (--share
scales that); points are uniform over a slightly larger box. Both are made from a fixed seed and lie in two Parquet files.
Each program runs in a process of its own, with two threads, from the files to an array of one zone a point; seconds and
peak memory are of the process, without the start of Python. All arrays must be equal: a point on a border, which the
others have in two zones or none, may differ, and their number is told. Sedona on Spark takes its jar from Maven's
repository, and its clock starts when its session has. JSON lines.
"""

import argparse
import ctypes
import json
import os
import resource
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
    """points.parquet (lon, lat) and zones.parquet (zone, geometry); corners in all, and of the smallest and largest."""
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
        pq.write_table(pa.table({"lon": lon, "lat": lat}), point_file, row_group_size=1 << 20)
    sizes = np.array([(len(shape.as_py()) - 13) // 16 for shape in pq.read_table(zone_file)["geometry"]])
    return point_file, zone_file, sizes


# ---------------------------------------------------------------------------------------------------------- the programs


def ours(points, zones, library):
    lib = ctypes.CDLL(library)
    lib.ucid_zones_builder_add_wkb.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p]
    builder, compiled = ctypes.c_void_p(), ctypes.c_void_p()
    assert lib.ucid_zones_builder_new(None, ctypes.byref(builder), None) == 0
    steps, start = {}, time.perf_counter()
    for batch in pq.ParquetFile(zones).iter_batches(500, columns=["geometry"]):
        for shape in batch["geometry"]:
            data = shape.as_py()
            assert lib.ucid_zones_builder_add_wkb(builder, data, len(data), None) == 0
    steps["read"] = time.perf_counter() - start
    assert lib.ucid_zones_build(builder, THREADS, ctypes.byref(compiled), None) == 0
    lib.ucid_zones_builder_free(builder)
    steps["compile"] = time.perf_counter() - start - steps["read"]
    found, spent = [], 0.0
    for batch in pq.ParquetFile(points).iter_batches(1 << 20):
        lon, lat = batch["lon"].to_numpy(), batch["lat"].to_numpy()
        zone = np.empty(len(lon), np.int32)
        before = time.perf_counter()
        status = lib.ucid_zones_within(compiled, ctypes.c_int64(len(lon)), lat.ctypes, lon.ctypes, None, THREADS, zone.ctypes,
                                       None, None)
        spent += time.perf_counter() - before
        assert status == 0
        found.append(zone)
    steps["join"] = spent
    return np.concatenate(found), steps


def geopandas(points, zones, _):
    import geopandas as gpd

    areas = gpd.read_parquet(zones)
    table = pq.read_table(points)
    places = gpd.GeoDataFrame(geometry=gpd.points_from_xy(table["lon"].to_numpy(), table["lat"].to_numpy()), crs=areas.crs)
    joined = gpd.sjoin(places, areas, predicate="within")
    return from_pairs(joined.index.to_numpy(), joined["zone"].to_numpy(), len(places)), {}


def duckdb(points, zones, _):
    import duckdb

    db = duckdb.connect(config={"threads": THREADS})
    try:
        db.execute("LOAD spatial")
    except Exception:
        db.execute("INSTALL spatial; LOAD spatial")
    pairs = db.execute(f"""
        SELECT p.row AS row, z.zone AS zone
        FROM (SELECT file_row_number AS row, ST_Point(lon, lat) AS g FROM read_parquet('{points}', file_row_number = true)) p
        JOIN (SELECT zone, geometry AS g FROM read_parquet('{zones}')) z ON ST_Within(p.g, z.g)""").fetchnumpy()
    return from_pairs(pairs["row"], pairs["zone"], pq.ParquetFile(points).metadata.num_rows), {}


def sedonadb(points, zones, _):
    import sedona.db

    sd = sedona.db.connect()
    try:
        sd.sql(f"SET datafusion.execution.target_partitions = {THREADS}").execute()
    except Exception:
        pass
    table = pq.read_table(points)
    table = table.append_column("row", pa.array(np.arange(len(table), dtype=np.int64)))
    sd.create_data_frame(table).to_view("p")
    sd.read_parquet(str(zones)).to_view("z")
    pairs = sd.sql("""SELECT p."row" AS r, z.zone AS zone FROM p JOIN z ON ST_Within(ST_SetSRID(ST_Point(p.lon, p.lat), 4326),
                      ST_SetSRID(z.geometry, 4326))""").to_arrow_table()
    return from_pairs(pairs["r"].to_numpy(), pairs["zone"].to_numpy(), len(table)), {}


def dask_geopandas(points, zones, _):
    import dask
    import dask_geopandas as dg
    import geopandas as gpd

    dask.config.set(scheduler="processes", num_workers=THREADS)
    areas = gpd.read_parquet(zones)
    table = pq.read_table(points)
    places = gpd.GeoDataFrame(geometry=gpd.points_from_xy(table["lon"].to_numpy(), table["lat"].to_numpy()), crs=areas.crs)
    joined = dg.from_geopandas(places, npartitions=4 * THREADS).sjoin(areas, predicate="within").compute()
    return from_pairs(joined.index.to_numpy(), joined["zone"].to_numpy(), len(places)), {}


def sedona_spark(points, zones, _):
    from pyspark.sql import functions as f
    from sedona.spark import SedonaContext

    builder = SedonaContext.builder().master(f"local[{THREADS}]").config("spark.driver.memory", "12g").config("spark.ui.enabled", "false")
    sedona = SedonaContext.create(builder.config("spark.jars.packages", SEDONA_JAR).config("spark.log.level", "ERROR").getOrCreate())
    sedona.range(10).count()
    start = time.perf_counter()
    table = pq.read_table(points)
    numbered = points.with_suffix(".numbered.parquet")
    pq.write_table(table.append_column("row", pa.array(np.arange(len(table), dtype=np.int64))), numbered)
    places = sedona.read.parquet(str(numbered)).select("row", f.expr("ST_Point(lon, lat)").alias("p"))
    areas = sedona.read.parquet(str(zones)).select("zone", f.expr("ST_GeomFromWKB(geometry)").alias("g"))
    pairs = places.join(f.broadcast(areas), f.expr("ST_Within(p, g)")).select("row", "zone").toPandas()
    found = from_pairs(pairs["row"].to_numpy(), pairs["zone"].to_numpy(), len(table))
    steps = {"wall": time.perf_counter() - start}
    sedona.stop()
    return found, steps


def from_pairs(rows, zones, n):
    """The first zone of each row, -1 where it has none."""
    found = np.full(n, np.iinfo(np.int32).max, np.int32)
    np.minimum.at(found, np.asarray(rows), np.asarray(zones).astype(np.int32))
    found[found == np.iinfo(np.int32).max] = -1
    return found


PROGRAMS = {"ucid": ours, "sedonadb": sedonadb, "geopandas": geopandas, "dask_geopandas": dask_geopandas, "duckdb": duckdb,
            "sedona_spark": sedona_spark}  # fmt: skip
SEDONA_JAR = "org.apache.sedona:sedona-spark-shaded-4.0_2.13:1.9.1"


def run_one(name, points, zones, library, out):
    start, cpu = time.perf_counter(), time.process_time()
    found, steps = PROGRAMS[name](Path(points), Path(zones), library)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    np.save(out, found)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak = max(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, ended.ru_maxrss) / 1024
    row = {"wall_s": round(wall, 3), "cpu_s": round(cpu + ended.ru_utime + ended.ru_stime, 3), "peak_mb": round(peak)}
    if name == "sedona_spark":  # the JVM has not ended yet
        row = {}
    print(json.dumps({**row, **{f"{key}_s": round(value, 3) for key, value in steps.items()}}))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("library")
    parser.add_argument("--points", type=int, default=10_000_000)
    parser.add_argument("--zones", type=int, default=5000)
    parser.add_argument("--share", type=float, default=1.0, help="of the corners")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "ucid-joins")
    parser.add_argument("--only", nargs="*", default=list(PROGRAMS))
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        return run_one(*options.one[:3], options.library, options.one[3])
    options.folder.mkdir(parents=True, exist_ok=True)
    points, zones, sizes = make_data(options.folder, options.points, options.zones, options.share)
    print(json.dumps({"points": options.points, "zones": len(sizes), "corners": int(sizes.sum()), "least": int(sizes.min()),
                      "median": int(np.median(sizes)), "most": int(sizes.max())}), flush=True)
    expected = None
    for name in options.only:
        out = options.folder / f"found-{name}.npy"
        done = subprocess.run([sys.executable, __file__, options.library, "--one", name, points, zones, out],
                              capture_output=True, text=True)
        if done.returncode != 0:
            print(json.dumps({"program": name, "error": done.stderr.strip().splitlines()[-1:]}), flush=True)
            continue
        found = np.load(out)
        expected = found if expected is None else expected
        row = {"program": name, **json.loads(done.stdout.splitlines()[-1]), "inside": int((found >= 0).sum()),
               "different": int((found != expected).sum())}
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
