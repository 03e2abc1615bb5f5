"""Cells of coordinates beside h3ronpy, polars-h3, h3-py and DuckDB's h3 extension.

    $(scripts/rivals) bench/rivals/cells.py build/libucid.so [places]

Calls the library through ctypes. What cannot be loaded is told, with the error. Every rival's cells are compared with ours before its time counts; processor time, one
thread, median of seven runs; JSON lines as the other benchmarks print.
"""

import ctypes
import json
import os
import statistics
import sys
import time

for name in ("POLARS_MAX_THREADS", "RAYON_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np

PLACES, RUNS = 500_000, 7


def ours(library):
    call = ctypes.CDLL(library).ucid_cells_at
    call.restype = ctypes.c_int
    call.argtypes = [ctypes.c_int64] + [ctypes.c_void_p] * 3 + [ctypes.c_int] + [ctypes.c_void_p] * 3

    def run(lat, lon, resolution):
        cells = np.empty(len(lat), dtype=np.uint64)
        status = call(len(lat), lat.ctypes.data, lon.ctypes.data, None, resolution, cells.ctypes.data, None, None)
        assert status == 0
        return cells

    return run


def h3ronpy():
    from h3ronpy.vector import coordinates_to_cells

    return lambda lat, lon, resolution: np.asarray(coordinates_to_cells(lat, lon, resolution)).astype(np.uint64)


def polars_h3():
    import polars
    import polars_h3

    def run(lat, lon, resolution):
        frame = polars.DataFrame({"lat": lat, "lon": lon})
        cell = polars_h3.latlng_to_cell("lat", "lon", resolution, return_dtype=polars.UInt64)
        return frame.select(cell=cell)["cell"].to_numpy()

    return run


def h3_py():
    from h3.api.basic_int import latlng_to_cell

    return lambda lat, lon, resolution: np.array([latlng_to_cell(a, b, resolution) for a, b in zip(lat.tolist(), lon.tolist())], np.uint64)


def duckdb_h3():
    import duckdb

    db = duckdb.connect(config={"threads": 1})
    db.execute("INSTALL h3 FROM community; LOAD h3")

    def run(lat, lon, resolution):
        import pyarrow as pa

        data = pa.table({"lat": lat, "lon": lon})  # noqa: F841  DuckDB finds it by its name
        return db.execute(f"SELECT h3_latlng_to_cell(lat, lon, {resolution}) AS cell FROM data").fetchnumpy()["cell"]

    return run


def median_ns(run, *arguments):
    times = []
    for _ in range(RUNS):
        start = time.process_time()
        run(*arguments)
        times.append(time.process_time() - start)
    return statistics.median(times) * 1e9 / len(arguments[0])


def main(library, count=PLACES):
    count, rivals = int(count), {}
    for name, load in (("h3ronpy", h3ronpy), ("polars-h3", polars_h3), ("h3-py", h3_py), ("DuckDB's h3", duckdb_h3)):
        try:
            rivals[name] = load()
        except Exception as error:  # noqa: BLE001  of any library
            print(json.dumps({"program": name, "error": " ".join(str(error).split())}))
    random = np.random.default_rng(1)
    places = {
        "Istanbul": (41.01 + 0.3 * (random.random(count) - 0.5), 28.98 + 0.3 * (random.random(count) - 0.5)),
        "whole sphere": (np.degrees(np.arcsin(2 * random.random(count) - 1)), 360 * random.random(count) - 180),
    }
    mine = ours(os.path.abspath(library))
    for where, (lat, lon) in places.items():
        cells = mine(lat, lon, 9)
        own = median_ns(mine, lat, lon, 9)
        print(json.dumps({"name": f"cell at, {where}, r9", "unit": "ns", "value": round(own, 2)}))
        for name, rival in rivals.items():
            different = int((rival(lat, lon, 9) != cells).sum())
            if different:
                sys.exit(f"{name}: {different} of {count} cells differ")
            theirs = median_ns(rival, lat, lon, 9)
            print(json.dumps({"name": f"cell at, {where}, r9/{name}", "unit": "ns", "value": round(theirs, 2), "ratio": round(theirs / own, 2)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
