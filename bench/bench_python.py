"""The Python package beside the C library, and its scalars beside the published package: pairs of one run.

    PYTHONPATH=build/python python bench/bench_python.py [index.ucidx] [rows]

`rows` places (10^6) within the index, or around Istanbul without one. The C side of a column is the same stream drained with
nothing but the Arrow C structs; both sides run on one thread. With the published package in the environment (which has the
same name, so ask another interpreter for it with --published PYTHON) its create is timed too; its 1.0.x releases lock up in
parse. JSON lines; least wall time of RUNS, because other work on the machine only ever adds.
"""

import ctypes
import json
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


def drain(stream):
    """Read a stream to its end in C, keeping nothing."""
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    capsule = stream.__arrow_c_stream__()
    address = pointer(capsule, b"arrow_array_stream")
    get_next = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(Stream.from_address(address).get_next)
    array, rows = Array(), 0
    while get_next(address, ctypes.addressof(array)) == 0 and array.release:
        rows += array.length
        ctypes.CFUNCTYPE(None, ctypes.c_void_p)(array.release)(ctypes.addressof(array))
    return rows


def least(call):
    """Least wall seconds of a call."""
    took = []
    for _ in range(RUNS):
        start = time.perf_counter()
        call()
        took.append(time.perf_counter() - start)
    return min(took)


def tell(what, **figures):
    print(json.dumps({"bench": "python", "what": what, **figures}), flush=True)


def each(call, count=100_000):
    """Nanoseconds of one of many calls."""
    def many():
        for _ in range(count):
            call()

    return round(least(many) / count * 1e9)


def main(index_path, rows):
    import ucid

    fixed = {"city": "IST", "timestamp": "2026W01T12", "context": "15MIN"}
    index = ucid.open_index(index_path) if index_path else None
    south, west, north, east = index.bounds if index else (40.8, 28.5, 41.3, 29.5)
    random = np.random.default_rng(1)
    table = pa.table({"lat": random.uniform(south, north, rows), "lon": random.uniform(west, east, rows)})
    made = ucid.create(table, **fixed).select(["ucid"])
    doors = {"create": (table, lambda t: ucid.create(t, threads=1, **fixed)), "parse": (made, lambda t: ucid.parse(t, threads=1))}
    if index:
        doors["score"] = (table, lambda t: ucid.score(t, index=index, threads=1))
    for name, (given, door) in doors.items():
        c = least(lambda given=given, door=door: drain(door(given.to_reader())))
        ours = least(lambda given=given, door=door: door(given))
        tell(f"{name}, columns", rows=rows, c_s=round(c, 4), python_s=round(ours, 4), ratio=round(ours / c, 3))

    tell("create and str", ns=each(lambda: str(ucid.create_ucid("IST", 41.015, 28.979, "2026W01T12", "15MIN"))))
    text = str(ucid.create_ucid("IST", 41.015, 28.979, "2026W01T12", "15MIN"))
    tell("parse", ns=each(lambda: ucid.parse_ucid(text)))
    if index:
        ucid.use_index(index)
        compute, lat, lon = ucid.get_context("15MIN").compute, table.column("lat")[0].as_py(), table.column("lon")[0].as_py()
        tell("compute", ns=each(lambda: compute(lat, lon, "2026W01T12")))

    try:
        import pandas
    except ImportError:
        return
    import ucid.frames

    assert ucid.frames
    frame = pandas.DataFrame({"lat": table.column("lat").to_numpy(), "lon": table.column("lon").to_numpy()})
    columnar, accessor = least(lambda: ucid.create(table, **fixed)), least(lambda: frame.ucid.create(**fixed))
    tell("df.ucid.create", rows=rows, columnar_s=round(columnar, 4), accessor_s=round(accessor, 4), ratio=round(accessor / columnar, 3))


PUBLISHED = """
import sys, time
from ucid import create_ucid
best = 1e9
for _ in range(5):
    start = time.perf_counter()
    for _ in range(2000):
        str(create_ucid("IST", 41.015, 28.979, "2026W01T12", "15MIN"))
    best = min(best, time.perf_counter() - start)
print(best / 2000 * 1e9)
"""

if __name__ == "__main__":
    words = sys.argv[1:]
    if "--published" in words:
        at = words.index("--published")
        said = subprocess.run([words[at + 1], "-c", PUBLISHED], env={}, capture_output=True, text=True, check=True)
        tell("published create and str", ns=round(float(said.stdout)))
        del words[at : at + 2]
    main(words[0] if words and words[0].endswith(".ucidx") else None, int(words[-1]) if words and words[-1].isdigit() else 1_000_000)
