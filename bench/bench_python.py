"""The Python package beside the C library, and its scalars beside the published package: pairs of one run.

    PYTHONPATH=build/python python bench/bench_python.py [index.ucidx] [rows] [--frame-rows N] [--published PYTHON]

`rows` places (10^6) within the index, or around Istanbul without one; frames have N rows (10^7). The C side of a column is
the same stream, of the same batches, read with nothing but the Arrow C structs, and its batches are kept or dropped as
Python's are: kept by a table in and a table out, dropped by a reader in and a stream out. Both sides run on one thread and
take turns; processor time is told, the least of RUNS and the middle one of the ratios of turns.

scripts/rivals makes an environment with h3-py, h3ronpy and the published package; run with its interpreter, cells of the
same places by the first two are timed too. The published package has our name, so it is asked in an interpreter of its own,
PYTHON; its lock is repaired there, since its 1.0.x releases lock up in parse, and parses leniently, since its strict parser
refuses what it wrote. JSON lines.
"""

import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa

RUNS = 5


class Stream(ctypes.Structure):
    """struct ArrowArrayStream"""

    _fields_ = [(name, ctypes.c_void_p) for name in ("get_schema", "get_next", "get_last_error", "release", "private_data")]


class Array(ctypes.Structure):
    """struct ArrowArray"""

    _fields_ = [*((name, ctypes.c_int64) for name in ("length", "null_count", "offset", "n_buffers", "n_children")),
                *((name, ctypes.c_void_p) for name in ("buffers", "children", "dictionary", "release", "private_data"))]  # fmt: skip


def drain(stream, keep=False):
    """Read a stream to its end in C; batches are released at once, or kept until the end."""
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    capsule = stream.__arrow_c_stream__()
    address = pointer(capsule, b"arrow_array_stream")
    get_next = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(Stream.from_address(address).get_next)
    array, held, rows = Array(), [], 0
    while get_next(address, ctypes.addressof(array)) == 0 and array.release:
        rows += array.length
        held.append(array)
        if not keep:
            release(held.pop())
        array = Array()
    for array in held:
        release(array)
    return rows


def release(array):
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(array.release)(ctypes.addressof(array))


def seconds(call):
    """Processor seconds of a call, whose answer is let go outside of them."""
    start = time.process_time()
    answer = call()
    took = time.process_time() - start
    del answer
    return took


def least(call):
    """Least of RUNS."""
    return min(seconds(call) for _ in range(RUNS))


def pair(ours, theirs):
    """Least seconds of two calls that take turns, and the middle one of the ratios of their turns."""
    turns = [(seconds(ours), seconds(theirs)) for _ in range(RUNS)]
    return *(min(side) for side in zip(*turns)), statistics.median(mine / other for mine, other in turns)


def in_large_batches(door, table, fixed, index):
    """The stream that a table's door makes a table of."""
    from ucid import _ext

    options = {"threads": 1, "batch_rows": 1 << 20}
    if door == "score":
        return _ext.score_stream(table, {**options, "context": "15MIN"}, (index,), None, lambda outside, rows: None)
    values = {"city": fixed["city"], "time": fixed["timestamp"], "context": fixed["context"]} if door == "create" else {"mode": 1}
    return _ext.add_columns(door, table, {**options, **values})


def tell(what, **figures):
    print(json.dumps({"bench": "python", "what": what, **figures}), flush=True)


def each(call, count=100_000):
    """Nanoseconds of one of many calls."""
    def many():
        for _ in range(count):
            call()

    return round(least(many) / count * 1e9)


def main(index_path, rows, frame_rows):
    import ucid

    fixed = {"city": "IST", "timestamp": "2026W01T12", "context": "15MIN"}
    index = ucid.open_index(index_path) if index_path else None
    south, west, north, east = index.bounds if index else (40.8, 28.5, 41.3, 29.5)
    random = np.random.default_rng(1)
    table = pa.table({"lat": random.uniform(south, north, rows), "lon": random.uniform(west, east, rows)})
    made = ucid.create(table, **fixed).select(["ucid"])
    doors = {"create": (table, lambda t, **more: ucid.create(t, threads=1, **fixed, **more)),
             "parse": (made, lambda t, **more: ucid.parse(t, threads=1, **more))}  # fmt: skip
    if index:
        doors["score"] = (table, lambda t, **more: ucid.score(t, index=index, threads=1, **more))
    for name, (given, door) in doors.items():
        kept = pair(lambda given=given, door=door: door(given), lambda given=given, door=door: drain(in_large_batches(name, given, fixed, index), keep=True))
        dropped = pair(lambda given=given, door=door: sum(map(len, pa.RecordBatchReader.from_stream(door(given.to_reader())))),
                       lambda given=given, door=door: drain(door(given.to_reader())))  # fmt: skip
        for way, (python_s, c_s, ratio) in {"kept": kept, "dropped": dropped}.items():
            tell(f"{name}, columns, {way}", rows=rows, c_s=round(c_s, 4), python_s=round(python_s, 4), ratio=round(ratio, 3))

    if index:
        ucid.use_index(index)
        compute, lat, lon = ucid.get_context("15MIN").compute, table.column("lat")[0].as_py(), table.column("lon")[0].as_py()
        tell("compute", ns=each(lambda: compute(lat, lon, "2026W01T12")))

    rivals(table)
    try:
        import pandas
    except ImportError:
        return
    import ucid.frames

    assert ucid.frames
    lat, lon = random.uniform(south, north, frame_rows), random.uniform(west, east, frame_rows)
    table, frame = pa.table({"lat": lat, "lon": lon}), pandas.DataFrame({"lat": lat, "lon": lon})
    ours, columnar, ratio = pair(lambda: frame.ucid.create(threads=1, **fixed), lambda: ucid.create(table, threads=1, **fixed))
    tell("df.ucid.create", pandas=pandas.__version__, rows=frame_rows, columnar_s=round(columnar, 4), accessor_s=round(ours, 4), ratio=round(ratio, 3))


def rivals(table):
    """Cells of the same places by others, and by us as identifiers, of which cells are a part; answers are compared."""
    import ucid

    lat, lon = table.column("lat").to_numpy(), table.column("lon").to_numpy()
    identified = lambda: ucid.create(table, city="IST", timestamp="2026W01T12", context="15MIN", threads=1)  # noqa: E731
    cells = ucid.parse(identified().select(["ucid"])).column("h3_index").to_pylist()

    def beside(name, call, hexadecimal):
        assert [hexadecimal(cell) for cell in call()] == cells
        ours, theirs, ratio = pair(identified, call)
        tell(name, rows=len(lat), s=round(theirs, 4), identifiers_s=round(ours, 4), ratio=round(1 / ratio, 1))

    try:
        import h3

        beside("h3-py, list comprehension", lambda: [h3.latlng_to_cell(*place, 9) for place in zip(lat, lon)], str)
    except ImportError:
        pass
    try:
        from h3ronpy.vector import coordinates_to_cells

        beside("h3ronpy", lambda: coordinates_to_cells(lat, lon, 9), lambda cell: f"{cell.as_py():x}")
    except ImportError:
        pass


PUBLISHED = """
import sys, threading, time
threading.Lock = threading.RLock  # before the package makes its lock, which it takes twice
from ucid import create_ucid, parse_ucid
text = str(create_ucid("IST", 41.015, 28.979, "2026W01T12", "15MIN"))
calls = {"create and str": lambda: str(create_ucid("IST", 41.015, 28.979, "2026W01T12", "15MIN")), "parse": lambda: parse_ucid(text, strict=False)}
for name, call in calls.items():
    took = []
    for _ in range(5):
        start = time.process_time()
        for _ in range(2000):
            call()
        took.append(time.process_time() - start)
    print(name, min(took) / 2000 * 1e9, sep="=")
"""


def starts():
    """What an interpreter waits longer for when it imports the package."""
    took = {"pass": [], "import ucid": []}
    for _ in range(3 * RUNS):
        for code, times in took.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            times.append(time.perf_counter() - start)
    alone, with_us = (statistics.median(times) * 1e3 for times in took.values())
    tell("import ucid", interpreter_ms=round(alone, 1), more_ms=round(with_us - alone, 1))


def scalars(published):
    """One value a call, beside the published package where an interpreter that has it is named."""
    import ucid

    create = lambda: str(ucid.create_ucid("IST", 41.015, 28.979, "2026W01T12", "15MIN"))  # noqa: E731
    text = create()
    told = {}
    if published:
        alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        said = subprocess.run([published, "-c", PUBLISHED], env=alone, capture_output=True, text=True, check=True).stdout
        told = {name: float(ns) for name, ns in (line.split("=") for line in said.splitlines())}
    for name, call in {"create and str": create, "parse": lambda: ucid.parse_ucid(text)}.items():
        ours = each(call)
        tell(name, ns=ours, **({"published_ns": round(told[name]), "ratio": round(told[name] / ours, 1)} if name in told else {}))


if __name__ == "__main__":
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("index", nargs="?")
    reader.add_argument("rows", nargs="?", type=int, default=1_000_000)
    reader.add_argument("--frame-rows", type=int, default=10_000_000)
    reader.add_argument("--published")
    given = reader.parse_args()
    starts()
    scalars(given.published)
    main(given.index, given.rows, given.frame_rows)
