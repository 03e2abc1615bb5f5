"""Identifiers beside the published package, DuckDB and polars, in a virtual environment of their own.

    python3 -m venv /tmp/rivals && /tmp/rivals/bin/pip install ucid==1.0.3 duckdb polars numpy
    /tmp/rivals/bin/python bench/rivals/identifiers.py build/libucid.so [rows]

Calls our library through ctypes, on one thread. The published package makes the same places; its texts must equal ours,
every one. DuckDB and polars take texts apart with a regular expression for the grammar alone (they check neither city nor
cell nor week); ours applies every strict rule. The published package's 1.0.x releases lock up in every parse, validate and
canonicalize call, because the lock of its registry cannot be taken twice; here it can, and all three are measured. JSON
lines; processor time of one thread, best of RUNS; ratio: their time over ours for as many rows.
"""

import ctypes
import json
import os
import sys
import threading
import time

for name in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS"):
    os.environ[name] = "1"

threading.Lock = threading.RLock  # before the published package makes its lock

import duckdb
import numpy as np
import polars as pl
from ucid import canonicalize, create_ucid, parse_ucid

RUNS = 5
CITY, TIME, CONTEXT = b"IST", b"2026W01T12", b"15MIN"
GRAMMAR = (
    r"^UCID-V1:([A-Z]{3}):([+-]?\d{1,3}(?:\.\d{1,15})?):([+-]?\d{1,3}(?:\.\d{1,15})?):(\d{1,2}):([0-9a-f]{15}):"
    r"(\d{4}W\d{2}T\d{2}):([A-Z0-9]{1,16}):(A\+|[ABCDF]):([01](?:\.\d{1,15})?):?([A-Z0-9;]*)$"
)


class Texts(ctypes.Structure):
    """ucid_texts"""

    _fields_ = [("data", ctypes.c_void_p), ("offsets", ctypes.c_void_p), ("offsets64", ctypes.c_void_p),
                ("length", ctypes.c_size_t), ("validity", ctypes.c_void_p)]  # fmt: skip


class TextsOut(ctypes.Structure):
    """ucid_texts_out"""

    _fields_ = [("data", ctypes.c_void_p), ("capacity", ctypes.c_size_t), ("offsets", ctypes.c_void_p),
                ("offsets64", ctypes.c_void_p)]  # fmt: skip


class CreateColumns(ctypes.Structure):
    """ucid_create_columns"""

    _fields_ = [("lat", ctypes.c_void_p), ("lon", ctypes.c_void_p), ("validity", ctypes.c_void_p), ("city", Texts),
                ("context", Texts), ("time", Texts), ("hour", ctypes.c_void_p), ("grade", ctypes.c_void_p),
                ("confidence", ctypes.c_void_p), ("cell", ctypes.c_void_p), ("flags", Texts),
                ("resolution", ctypes.c_int)]  # fmt: skip


class ParseColumns(ctypes.Structure):
    """ucid_parse_columns"""

    _fields_ = [("city", ctypes.c_void_p), ("lat", ctypes.c_void_p), ("lon", ctypes.c_void_p),
                ("resolution", ctypes.c_void_p), ("cell", ctypes.c_void_p), ("hour", ctypes.c_void_p),
                ("context", TextsOut), ("grade", ctypes.c_void_p), ("confidence", ctypes.c_void_p), ("flags", TextsOut),
                ("validity", ctypes.c_void_p), ("status", ctypes.c_void_p), ("byte", ctypes.c_void_p)]  # fmt: skip


def constant(text):
    return Texts(ctypes.cast(ctypes.c_char_p(text), ctypes.c_void_p), None, None, len(text), None)


def best(run):
    seconds = []
    for _ in range(RUNS):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return min(seconds)


def show(name, rows, seconds, **more):
    print(json.dumps({"name": name, "unit": "M rows/s", "value": round(rows / seconds / 1e6, 3), **more}), flush=True)


def main():
    library = ctypes.CDLL(sys.argv[1])
    rows = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    random = np.random.default_rng(1)
    lat, lon = random.uniform(-90, 90, rows), random.uniform(-180, 180, rows)
    columns = CreateColumns(lat.ctypes.data, lon.ctypes.data, None, constant(CITY), constant(CONTEXT), constant(TIME),
                            None, None, None, None, Texts(), 9)  # fmt: skip
    library.ucid_texts_create_bound.restype = library.ucid_texts_canonicalize_bound.restype = ctypes.c_size_t
    bound = library.ucid_texts_create_bound(ctypes.c_int64(rows), ctypes.byref(columns))
    data, offsets = np.empty(bound, np.uint8), np.empty(rows + 1, np.int32)
    status = np.empty(rows, np.uint8)
    out = TextsOut(data.ctypes.data, bound, offsets.ctypes.data, None)

    def create():
        failed = library.ucid_texts_create(ctypes.c_int64(rows), ctypes.byref(columns), 0, None, ctypes.byref(out), None,
                                           None, ctypes.c_void_p(status.ctypes.data), None)  # fmt: skip
        assert failed == 0

    seconds = best(create)
    assert not status.any()
    text = data[: offsets[-1]].tobytes().decode()
    ours = [text[a:b] for a, b in zip(offsets[:-1].tolist(), offsets[1:].tolist())]
    show("create, ours", rows, seconds)
    start = time.process_time()
    published = [str(create_ucid(city="IST", lat=a, lon=b, timestamp="2026W01T12", context="15MIN"))
                 for a, b in zip(lat.tolist(), lon.tolist())]  # fmt: skip
    spent = time.process_time() - start
    different = sum(a != b for a, b in zip(ours, published))
    show("create, published 1.0.3", rows, spent, different=different, ratio=round(spent / seconds, 1))

    texts = Texts(data.ctypes.data, offsets.ctypes.data, None, 0, None)
    arrays = {"city": np.empty(3 * rows, np.uint8), "lat": np.empty(rows), "lon": np.empty(rows),
              "resolution": np.empty(rows, np.uint8), "cell": np.empty(rows, np.uint64), "hour": np.empty(rows, np.int32),
              "grade": np.empty(rows, np.uint8), "confidence": np.empty(rows)}  # fmt: skip
    context = np.empty(16 * rows + 16, np.uint8)
    context_offsets, flag_offsets = np.empty(rows + 1, np.int32), np.empty(rows + 1, np.int32)
    flags = np.empty(bound, np.uint8)
    fields = ParseColumns(**{name: array.ctypes.data for name, array in arrays.items()}, status=status.ctypes.data,
                          context=TextsOut(context.ctypes.data, len(context), context_offsets.ctypes.data, None),
                          flags=TextsOut(flags.ctypes.data, bound, flag_offsets.ctypes.data, None))  # fmt: skip

    def parse():
        failed = library.ucid_texts_parse(ctypes.c_int64(rows), ctypes.byref(texts), 1, None, ctypes.byref(fields), None)
        assert failed == 0

    seconds = best(parse)
    assert not status.any()
    show("parse, ours, every strict rule", rows, seconds)

    some = ours[: max(rows // 20, 1)]  # the published package is slow
    start = time.process_time()
    for one in some:
        parse_ucid(one, strict=False)
    spent = (time.process_time() - start) * rows / len(some)
    show("parse, published 1.0.3, lenient, its lock repaired", rows, spent, ratio=round(spent / seconds, 1))

    bound = library.ucid_texts_canonicalize_bound(ctypes.c_int64(rows), ctypes.byref(texts))
    again, again_offsets = np.empty(bound, np.uint8), np.empty(rows + 1, np.int32)
    room = TextsOut(again.ctypes.data, bound, again_offsets.ctypes.data, None)

    def repair():
        failed = library.ucid_texts_canonicalize(ctypes.c_int64(rows), ctypes.byref(texts), ctypes.byref(room), None,
                                                 ctypes.c_void_p(status.ctypes.data), None)  # fmt: skip
        assert failed == 0

    mended = best(repair)
    assert not status.any() and again[: again_offsets[-1]].tobytes().decode() == text
    show("canonicalize, ours", rows, mended)
    start = time.process_time()
    for one in some:
        canonicalize(one)
    spent = (time.process_time() - start) * rows / len(some)
    show("canonicalize, published 1.0.3, its lock repaired", rows, spent, ratio=round(spent / mended, 1))

    frame = pl.DataFrame({"ucid": ours})
    groups = pl.col("ucid").str.extract_groups(GRAMMAR)
    names = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]
    query = frame.lazy().select(groups.alias("g")).unnest("g").rename(dict(zip(names, "cayrhtxgbf"))).with_columns(
        pl.col("a", "y", "b").cast(pl.Float64), pl.col("r").cast(pl.UInt8))  # fmt: skip
    spent = best(query.collect)
    assert np.array_equal(query.collect()["a"].to_numpy(), arrays["lat"])
    show("parse, polars, grammar alone", rows, spent, ratio=round(spent / seconds, 1))

    connection = duckdb.connect(config={"threads": 1})
    rows_ = frame.to_arrow()  # noqa: F841  (DuckDB reads the variable)
    connection.execute("create table t as select * from rows_")
    sql = (
        f"select sum(m['a']::double), sum(m['b']::double), max(m['r']::int), max(m['h']) from (select regexp_extract(ucid, "
        f"'{GRAMMAR}', ['c','a','y','r','h','t','x','g','b','f']) m from t)"
    )
    spent = best(lambda: connection.execute(sql).fetchall())
    show("parse, DuckDB, grammar alone", rows, spent, ratio=round(spent / seconds, 1))


if __name__ == "__main__":
    main()
