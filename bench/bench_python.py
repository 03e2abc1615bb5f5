"""The Python package beside the C library, and its scalars beside the published package: pairs of one run.

    PYTHONPATH=build/python python bench/bench_python.py [index.ucidx] [rows]

`rows` places (10^6) within the index, or around Istanbul without one. The C side of a column is the same stream read with
nothing but the Arrow C structs: kept, as a table is, and dropped, batch by batch, which touches no new memory. Both sides
run on one thread, and processor time is told, the least of RUNS, so that other work on the machine counts little. With the published package in the environment (which has the
same name, so ask another interpreter for it with --published PYTHON) its create is timed too; its 1.0.x releases lock up in
parse. With h3-py and h3ronpy in the environment, cells of 10^6 places by them are timed too. JSON lines.
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


def least(call):
    """Least processor seconds of a call, whose answer is let go outside of them."""
    took = []
    for _ in range(RUNS):
        start = time.process_time()
        answer = call()
        took.append(time.process_time() - start)
        del answer
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
        dropped = least(lambda given=given, door=door: drain(door(given.to_reader())))
        kept = least(lambda given=given, door=door: drain(door(given.to_reader()), keep=True))
        ours = least(lambda given=given, door=door: door(given))
        tell(f"{name}, columns", rows=rows, c_kept_s=round(kept, 4), c_dropped_s=round(dropped, 4), python_s=round(ours, 4),
             ratio_kept=round(ours / kept, 3), ratio_dropped=round(ours / dropped, 3))  # fmt: skip

    tell("create and str", ns=each(lambda: str(ucid.create_ucid("IST", 41.015, 28.979, "2026W01T12", "15MIN"))))
    text = str(ucid.create_ucid("IST", 41.015, 28.979, "2026W01T12", "15MIN"))
    tell("parse", ns=each(lambda: ucid.parse_ucid(text)))
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
    frame = pandas.DataFrame({"lat": table.column("lat").to_numpy(), "lon": table.column("lon").to_numpy()})
    columnar = least(lambda: ucid.create(table, threads=1, **fixed))
    accessor = least(lambda: frame.ucid.create(threads=1, **fixed))
    tell("df.ucid.create", rows=rows, columnar_s=round(columnar, 4), accessor_s=round(accessor, 4), ratio=round(accessor / columnar, 3))


def rivals(table):
    """Cells of the same places by others, and by us as identifiers, of which cells are a part; answers are compared."""
    import ucid

    lat, lon = table.column("lat").to_numpy(), table.column("lon").to_numpy()
    made = ucid.create(table, city="IST", timestamp="2026W01T12", context="15MIN", threads=1)
    cells = ucid.parse(made.select(["ucid"])).column("h3_index")
    try:
        import h3

        assert [h3.latlng_to_cell(*place, 9) for place in zip(lat[:1000], lon[:1000])] == cells[:1000].to_pylist()
        tell("h3-py, list comprehension", rows=len(lat), s=round(least(lambda: [h3.latlng_to_cell(*place, 9) for place in zip(lat, lon)]), 4))
    except ImportError:
        pass
    try:
        from h3ronpy.vector import coordinates_to_cells

        assert pa.array(coordinates_to_cells(lat[:1000], lon[:1000], 9)).to_pylist() == [int(cell, 16) for cell in cells[:1000].to_pylist()]
        tell("h3ronpy", rows=len(lat), s=round(least(lambda: coordinates_to_cells(lat, lon, 9)), 4))
    except ImportError:
        pass


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
