"""The roll-up R9 -> R7 -> R5 beside DuckDB and polars with plain bit operations, and polars with the parents of polars-h3 and
h3ronpy, in a virtual environment of its own.

    python3 -m venv /tmp/rivals && /tmp/rivals/bin/pip install duckdb polars polars-h3 h3ronpy pyarrow numpy
    /tmp/rivals/bin/python bench/rivals/rollup.py build/libucid.so [cells [order ...]]

Ten million cells of resolution 9 with a score in memory, ascending, shuffled, few (ten thousand of them again and again) and
many (a quarter as many rows, of the whole globe, in no order); two threads; the mean of each parent at both resolutions. Means
must agree to 1e-9; medians of five runs; JSON lines.
"""

import ctypes
import json
import os
import statistics
import sys
import time
from functools import partial

THREADS, RUNS = 2, 5
os.environ["POLARS_MAX_THREADS"] = str(THREADS)

import duckdb
import numpy as np
import polars
import pyarrow as pa

library = ctypes.CDLL(sys.argv[1])
COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000_000


class Options(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("allocator", ctypes.c_void_p), ("threads", ctypes.c_int), ("resolution", ctypes.c_int)]


class Rows(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in ("score", "confidence", "grade", "weight", "validity")]


class Results(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in ("cell", "text", "rows", "nulls", "weight", "mean", "std", "min", "max",
                                                     "confidence", "grade", *(f"grade_{k}" for k in range(6)))]


def make_cells(count):
    """Cells of resolution 9, ascending: children of resolution 5 cells that follow each other."""
    base = np.arange((count + 2400) // 2401, dtype=np.uint64)
    digits = np.arange(2401, dtype=np.uint64)
    fine = sum((digits // np.uint64(7**k) % np.uint64(7)) << np.uint64(3 * k) for k in range(4))
    coarse = sum((base // np.uint64(7**k) % np.uint64(7)) << np.uint64(3 * k) for k in range(5))
    start = np.uint64(8 << 56 | 9 << 52 | 20 << 45 | (1 << 18) - 1)
    return ((coarse[:, None] << np.uint64(30)) | (fine[None, :] << np.uint64(18)) | start).ravel()[:count]


def ours(cells, scores):
    made = []
    finer = None
    for resolution in (7, 5):
        aggregate, groups = ctypes.c_void_p(), ctypes.c_int64()
        options = Options(ctypes.sizeof(Options), None, THREADS, resolution)
        assert library.ucid_aggregate_new(ctypes.byref(options), ctypes.byref(aggregate), None) == 0
        if finer is None:
            rows = Rows(scores.ctypes.data, None, None, None, None)
            assert library.ucid_aggregate_add_cells(aggregate, ctypes.c_int64(len(cells)), cells.ctypes, ctypes.byref(rows), None) == 0
        else:
            assert library.ucid_aggregate_merge(aggregate, finer, None) == 0
        assert library.ucid_aggregate_sort(aggregate, ctypes.byref(groups), None) == 0
        cell, mean = np.empty(groups.value, np.uint64), np.empty(groups.value)
        library.ucid_aggregate_finish(aggregate, ctypes.byref(Results(cell=cell.ctypes.data, mean=mean.ctypes.data)))
        made.append((cell, mean))
        if finer is not None:
            library.ucid_aggregate_free(finer)
        finer = aggregate
    library.ucid_aggregate_free(finer)
    return made


def parent_sql(column, resolution):
    keep = ~(15 << 52) & (2**64 - 1)
    return f"(({column} & {keep}::UBIGINT) | {resolution << 52}::UBIGINT | {(1 << (45 - 3 * resolution)) - 1}::UBIGINT)"


def by_duckdb(cells, scores, db=duckdb.connect(config={"threads": THREADS})):
    data = pa.table({"cell": cells, "score": scores})  # noqa: F841, DuckDB finds it by its name
    db.execute(f"CREATE OR REPLACE TEMP TABLE r7 AS SELECT {parent_sql('cell', 7)} AS cell, sum(score) AS s, count(*) AS n FROM data GROUP BY 1")
    fine = db.execute("SELECT cell, s / n AS mean FROM r7 ORDER BY 1").fetchnumpy()
    coarse = db.execute(f"SELECT {parent_sql('cell', 5)} AS cell, sum(s) / sum(n) AS mean FROM r7 GROUP BY 1 ORDER BY 1").fetchnumpy()
    return [(fine["cell"], fine["mean"]), (coarse["cell"], coarse["mean"])]


def polars_bits(cells, resolution):
    keep = polars.lit(~(15 << 52) & (2**64 - 1), polars.UInt64)
    return (cells & keep) | polars.lit(resolution << 52 | (1 << (45 - 3 * resolution)) - 1, polars.UInt64)


def polars_h3_parents(cells, resolution):
    import polars_h3

    return polars_h3.cell_to_parent(cells, resolution)


def h3ronpy_parents(cells, resolution):
    import h3ronpy

    def parents(some):
        return polars.Series(np.asarray(h3ronpy.change_resolution(some.to_arrow(), resolution)).astype(np.uint64))

    return cells.map_batches(parents, return_dtype=polars.UInt64)


def by_polars(cells, scores, parent=polars_bits):
    sums = (polars.col("score").sum(), polars.len().alias("n"))
    fine = polars.DataFrame({"cell": cells, "score": scores}).group_by(parent(polars.col("cell"), 7)).agg(*sums).sort("cell")
    coarse = fine.group_by(parent(polars.col("cell"), 5)).agg(polars.col("score").sum(), polars.col("n").sum()).sort("cell")
    return [(t["cell"].to_numpy(), (t["score"] / t["n"]).to_numpy()) for t in (fine, coarse)]


def make_globe(random, count):
    """Cells of resolution 9 that lie anywhere: any digits in any base cell that is no pentagon."""
    bases = np.array([base for base in range(122) if base not in (4, 14, 24, 38, 49, 58, 63, 72, 83, 97, 107, 117)], np.uint64)
    cells = random.choice(bases, count) << np.uint64(45) | np.uint64(8 << 56 | 9 << 52 | (1 << 18) - 1)
    for place in range(18, 45, 3):
        cells |= random.integers(0, 7, count, np.uint64) << np.uint64(place)
    return cells


ascending = make_cells(COUNT)
random = np.random.default_rng(5)
shuffled = random.permutation(ascending)
orders = {"ascending": ascending, "shuffled": shuffled, "few": random.choice(shuffled[:10_000], COUNT), "many": make_globe(random, COUNT // 4)}
for order in sys.argv[3:] or orders:
    cells = orders[order]
    scores = np.round(random.uniform(0, 100, len(cells)), 2)
    expected = None
    for name, run in (("ucid", ours), ("duckdb", by_duckdb), ("polars", by_polars),
                      ("polars-h3", partial(by_polars, parent=polars_h3_parents)),
                      ("h3ronpy", partial(by_polars, parent=h3ronpy_parents))):  # fmt: skip
        wall, cpu = [], []
        for _ in range(RUNS):
            start, used = time.perf_counter(), time.process_time()
            made = run(cells, scores)
            wall.append(time.perf_counter() - start)
            cpu.append(time.process_time() - used)
        expected = made if expected is None else expected
        same = all(np.array_equal(a[0], b[0]) and np.allclose(a[1], b[1], rtol=0, atol=1e-9) for a, b in zip(made, expected))
        print(json.dumps({"bench": "rollup", "order": order, "cells": len(cells), "program": name, "threads": THREADS,
                          "wall_s": round(statistics.median(wall), 3), "cpu_s": round(statistics.median(cpu), 3),
                          "groups": [len(m[0]) for m in made], "same": same}), flush=True)
