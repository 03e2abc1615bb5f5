"""What the tests of clusters share: stores, a town, places in it and what they must become; and a look at what a run leaves."""

import contextlib
import functools
import os
import shutil
import struct
import subprocess
import uuid

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import BUILD, run

from .clusters import BOX, GROUPS, TIME, levels_of, same, ucid
from .servers import STORES, wait_until

ROWS = int(os.environ.get("UCID_ROWS", 1_000_000 if os.environ.get("UCID_LONG") else 100_000))
MARK = "UCID_TESTS_RUN"
os.environ[MARK] = uuid.uuid4().hex
# short, for Ray's sockets; and not where other runs of Ray are
os.environ["RAY_TMPDIR"] = f"/tmp/ucid-ray-{os.getpid()}"


def of_this_run():
    """Processes that a test has started, whoever their parent is now: they have inherited the mark of the run."""
    found = []
    for one in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            # the tracker of Python's multiprocessing ends with this process
            if one.pid != os.getpid() and one.environ().get(MARK) == os.environ[MARK] and one.status() != psutil.STATUS_ZOMBIE:
                if "resource_tracker" not in " ".join(one.cmdline()):
                    found.append(one)
    return found


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left(tmp_path_factory):
    """A run leaves no process, and so no port; no namespace, no mount, no folder of Ray's."""
    folder = tmp_path_factory.getbasetemp()
    probe = subprocess.Popen(["sleep", "60"], start_new_session=True)
    # it would be seen, once Linux shows its variables, which is not at once
    wait_until(lambda: probe.pid in {one.pid for one in of_this_run()}, "a process that is seen", probe)
    probe.kill()
    probe.wait()
    yield
    _, alive = psutil.wait_procs(of_this_run(), timeout=30)
    said = []
    for one in alive:
        with contextlib.suppress(psutil.Error):
            said.append(" ".join(one.cmdline())[:200])
    if shutil.which("ip"):
        said += [line for line in run("ip", "netns", "list").stdout.splitlines() if line.startswith(f"ucid{os.getpid()}-")]
    with open("/proc/mounts") as mounts:
        said += [line for line in mounts if f" {folder}" in line]
    shutil.rmtree(os.environ["RAY_TMPDIR"], ignore_errors=True)
    assert said == []


FAULTS = []


@pytest.fixture(scope="session")
def befell():
    """Tells what befell a job, how it ended, and the rows that its output lacks: the run prints them all at its end."""

    def tell(fault, where, *, times=1, stopped=0, rows_in, output):
        lost = rows_in - sum(pq.read_metadata(file).num_rows for file in output.glob("*.parquet"))
        FAULTS.append((fault, where, times, stopped, lost))
        assert lost == 0

    return tell


TOLD = {}


@pytest.fixture(scope="session")
def told():
    """Keeps a line for the end of the run, under a heading."""
    return lambda heading, line: TOLD.setdefault(heading, []).append(line)


def pytest_terminal_summary(terminalreporter):
    for heading, lines in TOLD.items():
        terminalreporter.section(heading)
        for line in lines:
            terminalreporter.write_line(line)
    if FAULTS:
        terminalreporter.section("what befell jobs")
        for fault, where, times, stopped, lost in FAULTS:
            end = "stopped and went on" if stopped else "ended"
            terminalreporter.write_line(f"{fault:58} {where:8} {times:3} times, {end}, rows lost {lost}")
        tried = sum(times for _, _, times, _, _ in FAULTS)
        lost = sum(lost for *_, lost in FAULTS)
        stops = sum(stopped for _, _, _, stopped, _ in FAULTS)
        terminalreporter.write_line(f"faults {tried}, survived {tried} ({stops} by --resume), rows lost {lost}")


@pytest.fixture(scope="session")
def stores(tmp_path_factory):
    """Stores by scheme, each started when it is first asked for."""
    with contextlib.ExitStack() as stack:

        @functools.cache
        def start(scheme):
            return stack.enter_context(STORES[scheme](tmp_path_factory.mktemp(scheme)))

        yield start


@pytest.fixture(params=list(STORES))
def store(request, stores, monkeypatch):
    """Each of the stores, with its environment set."""
    found = stores(request.param)
    found.set(monkeypatch)
    return found


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


@pytest.fixture(scope="session")
def zones(town, tmp_path_factory):
    """Path of nine squares over the town, each with a name and people, with gaps between them."""
    south, west, north, east = ucid.open_index(town).bounds
    high, wide = (north - south) / 3, (east - west) / 3
    squares = []
    for i in range(9):
        lat, lon = south + i // 3 * high, west + i % 3 * wide
        ring = [(lon, lat), (lon + 0.9 * wide, lat), (lon + 0.9 * wide, lat + 0.9 * high), (lon, lat + 0.9 * high), (lon, lat)]
        squares.append(struct.pack("<BIIi", 1, 3, 1, 5) + b"".join(struct.pack("<dd", *corner) for corner in ring))
    path = tmp_path_factory.mktemp("zones") / "zones.parquet"
    pq.write_table(pa.table({"name": [f"zone {i}" for i in range(9)], "people": list(range(9)), "geometry": squares}), path)
    return str(path)


@pytest.fixture(scope="session")
def expected(places, town, zones):
    """Hashes of what the rows must become."""
    scored = ucid.score(places, index=town)
    made = ucid.create(places, context="15MIN")
    return {
        "score": same(scored),
        "detail": same(ucid.score(places, index=town, detail=True, timestamp=TIME)),
        "create": same(made),
        "parse": same(ucid.parse(made.select(["id", "ucid"]))),
        "join": same(ucid.join(places, zones)),
        "r7": same(ucid.aggregate(scored, "r7"), "h3"),
        "levels": same(levels_of(scored), "key"),
        "groups": same(ucid.aggregate(scored, **GROUPS), "city"),
    }


PLUG_IN = """
import numpy as np

class Half:
    context_id = "HALF"

    def score(self, lat, lon, timestamp):
        return np.asarray(lat) % 1 * 50, np.full(len(lat), 0.5)
"""


@pytest.fixture
def half(places):
    """A context in Python as a notebook has it: workers cannot import it. Hashes of what the places become in it."""
    notebook = {"__name__": "__main__"}
    exec(PLUG_IN, notebook)
    ucid.register_context(notebook["Half"])
    scored = ucid.score(places, "HALF")
    cells = pa.table(ucid.grid(BOX, "HALF", city="IST", timestamp=TIME))
    assert cells.num_rows > 100 and cells.column("score").null_count == 0
    yield {"score": same(scored), "r7": same(ucid.aggregate(scored, "r7"), "h3"), "grid": same(cells, "h3")}
    ucid.contexts._registered.pop("HALF")
