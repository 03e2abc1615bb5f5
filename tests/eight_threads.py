"""Eight threads of one interpreter on one index: python tests/eight_threads.py BUILD INDEX [rounds].

Needs the package alone, so that the thread sanitizer sees our code and CPython's: streams are drained by ctypes, which lets
go of the interpreter's lock. Every thread must get the same answers.
"""

import ctypes
import pickle
import sys
import threading
from array import array

sys.path.insert(0, f"{sys.argv[1]}/python")
import ucid  # noqa: E402
from ucid import contexts  # noqa: E402


class Stream(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in ("get_schema", "get_next", "get_last_error", "release", "private_data")]


class Array(ctypes.Structure):
    _fields_ = [*((name, ctypes.c_int64) for name in ("length", "null_count", "offset", "n_buffers", "n_children")),
                *((name, ctypes.c_void_p) for name in ("buffers", "children", "dictionary", "release", "private_data"))]


capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
capsule_pointer.restype, capsule_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]


def drain(stream):
    """Rows of a stream, and the bytes of its column of scores."""
    column = stream.column_names.index("score") if "score" in stream.column_names else None
    capsule = stream.__arrow_c_stream__()
    address = capsule_pointer(capsule, b"arrow_array_stream")
    get_next = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(Stream.from_address(address).get_next)
    batch, rows, scores = Array(), 0, b""
    while get_next(address, ctypes.addressof(batch)) == 0 and batch.release:
        rows += batch.length
        if column is not None:
            children = ctypes.cast(batch.children, ctypes.POINTER(ctypes.POINTER(Array)))
            buffers = ctypes.cast(children[column].contents.buffers, ctypes.POINTER(ctypes.c_void_p))
            scores += ctypes.string_at(buffers[1], 8 * batch.length)
        ctypes.CFUNCTYPE(None, ctypes.c_void_p)(batch.release)(ctypes.addressof(batch))
    return rows, scores


def main(index, rounds):
    ucid.use_index(index)
    south, west, north, east = index.bounds
    lats = array("d", (south + (north - south) * i / 4999 for i in range(5000)))
    lons = array("d", (west + (east - west) * (i * 37 % 5000) / 4999 for i in range(5000)))
    middle = (south + north) / 2, (west + east) / 2
    context = ucid.get_context("15MIN")
    fixed = {"city": "IST", "timestamp": "2026W01T12", "context": "15MIN"}

    def answers(number):
        found = [drain(ucid.score(lat=lats, lon=lons, threads=1 + number % 3)), drain(ucid.create(lat=lats, lon=lons, **fixed))]
        found += [context.compute(*middle) for _ in range(50)][-1:]
        made = ucid.create_ucid("IST", *middle, "2026W01T12", "15MIN")
        found += [str(ucid.parse_ucid(str(made))), len(ucid.explain(*middle)), pickle.loads(pickle.dumps(index)).id]
        found += [drain(ucid.aggregate(ucid.score(lat=lats, lon=lons, threads=2), "r7")), index.json]
        return found

    expected, wrong = answers(0), []
    start = threading.Barrier(8)

    def work(number):
        start.wait()
        for _ in range(rounds):
            if answers(number) != expected:
                wrong.append(number)
            contexts.forget_indexes()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong
    print(f"8 threads, {rounds} rounds: the same answers")


main(ucid.open_index(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 3)
