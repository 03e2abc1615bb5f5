"""The command line: tables in, tables out, whatever they hold; every way to fail; the same bytes however it runs."""

import contextlib
import gzip
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import time

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
from conftest import BUILD, SANITIZED, data, run, ucid

ADDED = ["ucid", "score", "grade", "confidence", "status"]
WEEK = "2025W43T12"
KILLS = 4  # of each kind


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="session")
def index(folder):
    path = folder / "monaco.ucidx"
    ucid("index", "build", data("monaco/monaco-2025.osm.pbf"), "-o", path)
    return path


def places(rows, seed=1):
    random = np.random.default_rng(seed)
    return {"lat": random.uniform(43.72, 43.76, rows), "lon": random.uniform(7.40, 7.45, rows)}


def score(folder, index, table, *options, code=None, name="in.parquet", out="out.parquet"):
    """Score a table through files; the output as a table."""
    pq.write_table(table, folder / name)
    if "--time" not in options:
        options = ("--time", WEEK, *options)
    result = ucid("score", folder / name, "-o", folder / out, "--index", index, "--quiet", *options, check=False)
    assert result.returncode in ((0, 1) if code is None else (code,)), result.stderr
    return pq.read_table(folder / out) if result.returncode < 2 else result


# --------------------------------------------------------------------------------------------------------- the frame --


def test_help_fits_a_screen_and_names_every_command():
    text = ucid("--help").stdout
    assert len(text.splitlines()) <= 24 and max(map(len, text.splitlines())) <= 80
    program = json.loads(ucid("help", "--json").stdout)
    for command in program["commands"]:
        for word in command["name"].split():
            assert word in text
        shown = ucid(*command["name"].split(), "--help").stdout
        assert all("--" + option["name"] in shown for option in command["options"])
        assert len(shown.splitlines()) <= 50 and max(map(len, shown.splitlines())) <= 90


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["index", "nonsense"], ["score"], ["score", "a", "b"],
                                       ["score", "a", "--nonsense"], ["explain", "x", "7.4"]])
def test_wrong_usage_ends_with_2(arguments):
    result = ucid(*arguments, check=False)
    assert result.returncode == 2 and result.stderr and not result.stdout


def test_several_files_are_one_table(folder, index):
    whole = pa.table({"id": range(3000), **places(3000)})
    for command, options in (("copy", ()), ("score", ("--index", index, "--time", WEEK)), ("aggregate", ("--to", "r7"))):
        given = score(folder, index, whole) if command == "aggregate" else whole
        home = folder / command
        (home / "some").mkdir(parents=True)
        pq.write_table(given, home / "whole.parquet")
        for name, first, last in (("z", 0, 1), ("some/b", 1, 1000), ("some/c", 1000, 2999), ("a", 2999, 3000)):
            pq.write_table(given.slice(first, last - first), home / f"{name}.parquet")
        wanted = ucid(command, home / "whole.parquet", "-o", home / "wanted.parquet", *options, check=False)
        said = ucid(command, home / "z.parquet", home / "some", home / "a.parquet", "-o", home / "got.parquet", *options, "--json", check=False)
        assert said.returncode == wanted.returncode < 2
        assert pq.read_table(home / "got.parquet").equals(pq.read_table(home / "wanted.parquet"), check_metadata=True), command
    states = [folder / f"state{n}.parquet" for n in range(2)]
    for out, parts in zip(states, (["z", "some"], ["a"])):
        inputs = [home / ("some" if part == "some" else f"{part}.parquet") for part in parts]
        ucid("aggregate", *inputs, "-o", out, "--to", "r9", "--states")
    ucid("aggregate", *states, "-o", folder / "merged.parquet", "--to", "r7")
    assert pq.read_table(folder / "merged.parquet").equals(pq.read_table(home / "wanted.parquet"))
    for by in ("grade", "confidence"):
        ucid("aggregate", home / "z.parquet", home / "some", home / "a.parquet", "-o", folder / "by.csv", "--by", by, "--agg", "count")
        assert sum(pa.csv.read_csv(folder / "by.csv").column("count").to_pylist()) == pa.compute.count(given["score"]).as_py()
    (folder / "x.csv").write_text("id,lat,lon\n1,2,3\n")
    (folder / "y.csv").write_text("id,lat,lon\n4,5,6\n")
    assert ucid("copy", folder / "x.csv", folder / "y.csv", "-o", "-").stdout == "id,lat,lon\n1,2,3\n4,5,6\n"
    named = pa.table({"ucid": ["UCID-V1:IST:+41.015:+28.979:9:891ec90243bffff:2026W01T12:15MIN:A:0.95:"]})
    pq.write_table(named, folder / "named.parquet")
    ucid("parse", folder / "named.parquet", folder / "named.parquet", "-o", folder / "parsed.parquet")
    assert pq.read_table(folder / "parsed.parquet").column("city").to_pylist() == ["IST"] * 2


def test_files_that_are_no_one_table_are_refused(folder):
    home = folder / "refused"
    home.mkdir()
    pq.write_table(pa.table({"lat": [1.0], "lon": [2.0]}), home / "a.parquet")
    pq.write_table(pa.table({"lat": [1.0], "lng": [2.0]}), home / "b.parquet")
    (home / "c.csv").write_text("lat,lon\n1,2\n")
    for more, code, message in (("b.parquet", 3, "b.parquet has other columns than"), ("c.csv", 3, "c.csv: is csv, the first is parquet"),
                                ("none.parquet", 3, "none.parquet: No such file"), ("-", 3, "-: standard input is read alone")):
        given = more if more == "-" else home / more
        said = ucid("copy", home / "a.parquet", given, "-o", home / "out.parquet", check=False)
        assert said.returncode == code and message in said.stderr and said.stderr.count("\n") == 1, said.stderr
        assert not (home / "out.parquet").exists()


def test_failures_are_one_line_that_names_the_file(folder, index):
    places_path = folder / "some.parquet"
    pq.write_table(pa.table(places(3)), places_path)
    (folder / "damaged.parquet").write_bytes(b"PAR1 and no more")
    (folder / "damaged.ucidx").write_bytes(index.read_bytes()[:1000])
    out = folder / "never.parquet"
    arguments_of_all = ["--time", WEEK]
    for code, name, arguments in [
        (3, "missing.parquet", [folder / "missing.parquet", "-o", out, "--index", index]),
        (3, "damaged.parquet", [folder / "damaged.parquet", "-o", out, "--index", index]),
        (3, "never.xyz", [places_path, "-o", folder / "never.xyz", "--index", index]),
        (4, "damaged.ucidx", [places_path, "-o", out, "--index", folder / "damaged.ucidx"]),
        (3, "nowhere", [places_path, "-o", folder / "nowhere" / "o.parquet", "--index", index]),
    ]:
        result = ucid("score", *arguments, *arguments_of_all, check=False)
        assert result.returncode == code, (name, result.stderr)
        assert result.stderr.startswith("ucid: score: ") and result.stderr.count("\n") == 1 and name in result.stderr
        assert not out.exists()
    report = json.loads(ucid("score", folder / "missing.parquet", "-o", out, "--index", index, "--json", check=False).stdout)
    assert report["error"]["code"] == "FILE_NOT_FOUND" and report["exit_code"] == 3


# ------------------------------------------------------------------------------------------------------------- score --


def test_all_columns_pass_through_untouched(folder, index):
    rows = 1000
    table = pa.table({
        "id": pa.array(range(rows), pa.uint16()),
        **places(rows),
        "kind": pa.array(["a", None, "b"] * 333 + ["c"]).dictionary_encode(),
        "large": pa.array([f"text {i}" for i in range(rows)], pa.large_string()),
        "when": pa.array(range(rows), pa.timestamp("ms", "Europe/Monaco")),
        "price": pa.array([None if i % 7 == 0 else i for i in range(rows)], pa.decimal128(12, 2)),
        "list": pa.array([[i, None] for i in range(rows)]),
        "point": pa.array([{"x": i, "y": None} for i in range(rows)]),
    }).replace_schema_metadata({"geo": '{"version": "1.1.0"}'})
    scored = score(folder, index, table, "--detail")
    assert scored.select(table.column_names).equals(table)
    assert scored.schema.metadata[b"geo"] == b'{"version": "1.1.0"}'
    assert b"OpenStreetMap" in scored.schema.metadata[b"ucid.attribution"]
    parts = [name for name in scored.column_names if name.startswith("nearest_")]
    assert len(parts) == 6 and scored.column_names[-1] == "status"


def test_a_row_that_cannot_be_scored_has_a_status_and_nothing_else(folder, index):
    good = (43.7325, 7.4189)
    rows = [(good, None), ((float("nan"), 7.4), "invalid_coordinates"), ((43.7, float("inf")), "invalid_coordinates"),
            ((91.0, 7.4), "invalid_coordinates"), ((-91.0, 7.4), "invalid_coordinates"), ((43.7, 181.0), "invalid_coordinates"),
            ((None, 7.4), "null_input"), ((43.7, None), "null_input"), ((0.0, 0.0), "outside_index"), (good, None)]
    table = pa.table({"n": range(len(rows)), "lat": pa.array([r[0][0] for r in rows], pa.float64()),
                      "lon": pa.array([r[0][1] for r in rows], pa.float64())})
    scored = score(folder, index, table, code=1).to_pylist()
    assert [row["n"] for row in scored] == list(range(len(rows)))
    for row, (_, status) in zip(scored, rows):
        if status is None:
            assert row["score"] > 50 and row["ucid"].startswith("UCID-V1:") and row["grade"] in ("A+", "A", "B", "C")
        else:
            assert row["status"] == status
            assert row["ucid"] is None and row["score"] is None and row["grade"] is None and row["confidence"] is None


def test_coordinates_of_any_type_and_cells_of_any_kind_of_text(folder, index):
    lat, lon = places(500).values()
    single = pa.table({"lat": lat.astype("float32"), "lon": lon.astype("float32")})
    double = pa.table({"lat": lat.astype("float32").astype("float64"), "lon": lon.astype("float32").astype("float64")})
    expected = score(folder, index, double).select(ADDED)
    assert score(folder, index, single).select(ADDED).equals(expected)
    cells = [text.split(":")[5] if text else None for text in expected["ucid"].to_pylist()]
    by_text = score(folder, index, pa.table({"h3": pa.array(cells)})).select(ADDED)
    for array in (pa.array(cells, pa.large_string()), pa.array(cells).dictionary_encode(),
                  pa.array([None if c is None else int(c, 16) for c in cells], pa.uint64()),
                  pa.array([None if c is None else int(c, 16) for c in cells], pa.int64())):
        assert score(folder, index, pa.table({"h3": array})).select(ADDED).equals(by_text)
    view = pa.table({"h3": pa.array(cells, pa.string_view())})
    with pa.OSFile(str(folder / "view.arrow"), "wb") as sink, pa.ipc.new_file(sink, view.schema) as writer:
        writer.write_table(view)
    ucid("score", folder / "view.arrow", "-o", folder / "view.parquet", "--index", index, "--time", WEEK, check=False)
    assert pq.read_table(folder / "view.parquet").select(ADDED).equals(by_text)


def test_the_bytes_do_not_depend_on_threads_batches_formats(folder, index):
    table = pa.table(places(20_000))
    expected = score(folder, index, table, "--threads", "1")
    files = set()
    for threads in (1, 2, 7):
        for batch in (1_000, 131_072):
            assert score(folder, index, table, "--threads", str(threads), "--batch-rows", str(batch)).equals(expected)
        score(folder, index, table, "--threads", str(threads))
        files.add((folder / "out.parquet").read_bytes())
    assert len(files) == 1
    ucid("copy", folder / "in.parquet", "-o", folder / "f.arrow")
    shuffled = np.random.default_rng(2).permutation(20_000)
    assert score(folder, index, table.take(shuffled)).equals(expected.take(shuffled))
    ucid("score", folder / "f.arrow", "-o", folder / "g.arrow", "--index", index, "--time", WEEK, check=False)
    assert pa.ipc.open_file(folder / "g.arrow").read_all().equals(expected)


def test_no_rows_and_many_columns(folder, index):
    empty = score(folder, index, pa.table({"lat": pa.array([], pa.float64()), "lon": pa.array([], pa.float64())}), code=0)
    assert empty.num_rows == 0 and empty.column_names == ["lat", "lon", *ADDED]
    wide = pa.table({**places(300), **{f"c{i}": np.full(300, i) for i in range(10_000)}})
    scored = score(folder, index, wide)
    assert scored.num_columns == 10_002 + len(ADDED) and scored.select(wide.column_names).equals(wide)


def test_columns_are_found_or_named_in_the_message(folder, index):
    lat, lon = places(10).values()
    expected = score(folder, index, pa.table({"lat": lat, "lon": lon})).select(ADDED)
    assert score(folder, index, pa.table({"latitude": lat, "lng": lon})).select(ADDED).equals(expected)
    mapped = score(folder, index, pa.table({"A": lat, "B": lon}), "--lat", "A", "--lon", "B").select(ADDED)
    assert mapped.equals(expected)
    for table, options, word in [
        (pa.table({"Breite": lat, "Laenge": lon}), [], "Breite"),
        (pa.table({"lat": lat, "lon": lon}), ["--lat", "nosuch"], "nosuch"),
        (pa.table({"lat": [[1.0]] * 10, "lon": lon}), [], "lat"),
        (pa.table({"lat": lat, "lon": lon, "score": lon}), [], "score"),
    ]:
        result = score(folder, index, table, *options, code=3)
        assert word in result.stderr and result.stderr.count("\n") == 1
    assert score(folder, index, pa.table({"lat": lat, "lon": lon, "score": lon}), "--replace").select(ADDED).equals(expected)


def test_swapped_coordinates_are_noticed(folder, index):
    lat, lon = places(100).values()
    pq.write_table(pa.table({"lat": lon, "lon": lat}), folder / "swapped.parquet")
    result = ucid("score", folder / "swapped.parquet", "-o", folder / "x.parquet", "--index", index, "--time", WEEK, check=False)
    assert result.returncode == 1 and "lat" in result.stderr and "places are outside the index, but inside when latitude and longitude change places" in result.stderr


def test_csv_keeps_its_texts_and_no_bad_cell_stops_it(folder, index):
    text = ('id,lat,lon,"a, b"\n007,43.7325000,+7.4189,"x ""y"""\n1,abc,7.4,\n2,,7.4,é\n3,43.7325,7.4189,"two\nlines"\n')
    result = ucid("score", "-", "-o", "-", "--index", index, "--time", WEEK, check=False, input=text)
    assert result.returncode == 1
    rows = [line for line in result.stdout.replace("two\nlines", "two lines").split("\n") if line]
    assert rows[0] == 'id,lat,lon,"a, b",ucid,score,grade,confidence,status'
    assert rows[1].startswith('007,43.7325000,+7.4189,"x ""y""",UCID-V1:')
    assert rows[2] == "1,abc,7.4,,,,,,invalid_coordinates" and rows[3] == "2,,7.4,é,,,,,null_input"
    (folder / "in.csv").write_text(text, encoding="utf-8")
    ucid("score", folder / "in.csv", "-o", folder / "csv.parquet", "--index", index, "--time", WEEK, check=False)
    typed = pq.read_table(folder / "csv.parquet")
    assert typed.schema.field("lat").type == pa.float64() and typed["status"].to_pylist()[1:3] == ["invalid_coordinates", "null_input"]


def test_a_value_of_another_type_is_named_with_its_remedy(folder):
    path = folder / "late.csv"
    with path.open("w") as out:
        out.write("id,zip\n")
        out.writelines(f"{i},{10_000 + i % 80_000}\n" for i in range(500_000))  # more than types are inferred from
        out.write("500000,2A004\n")
    old = folder / "late.parquet"
    old.write_bytes(b"the old file")
    for source, words in [(path, f"{path}: row 500002 (the header is row 1), column 'zip': '2A004' is not int64"), ("-", "standard input: ")]:
        with path.open() as piped:
            result = ucid("copy", source, "-o", old, "--format", "csv", check=False, stdin=piped)
        assert result.returncode == 3 and words in result.stderr and "--text zip" in result.stderr and result.stderr.count("\n") == 1
    assert old.read_bytes() == b"the old file"
    for name in ("zip", "*"):
        ucid("copy", path, "-o", old, "--text", name)
        assert pq.read_table(old)["zip"].to_pylist()[-1] == "2A004"
    with path.open("a") as out:
        out.write("1,2,3\n")
    result = ucid("copy", path, "-o", old, "--text", "*", check=False)
    assert result.returncode == 3 and "row 500003" in result.stderr and "Expected 2 columns, got 3" in result.stderr


def test_pipes_carry_arrow(folder, index):
    table = pa.table(places(1000))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=333)
    result = subprocess.run([BUILD / "ucid", "score", "-", "-o", "-", "--index", index, "--time", WEEK], input=sink.getvalue().to_pybytes(),
                            capture_output=True)
    assert pa.ipc.open_stream(result.stdout).read_all().equals(score(folder, index, table))


def test_time_and_city_reach_the_identifier(folder, index):
    scored = score(folder, index, pa.table({"lat": [43.7325], "lon": [7.4189]}), "--time", WEEK, "--city", "NCE").to_pylist()[0]
    assert scored["ucid"].startswith("UCID-V1:NCE:+43.733:+7.419:9:") and f":{WEEK}:15MIN:{scored['grade']}:" in scored["ucid"]
    week = json.loads(ucid("index", "info", "--json", index).stdout)["data_week"]
    ucid("score", folder / "in.parquet", "-o", folder / "out.parquet", "--index", index)
    dated = pq.read_table(folder / "out.parquet").to_pylist()[0]
    assert week.startswith("2025W43T") and f":{week}:15MIN:" in dated["ucid"]
    ucid("index", "build", data("heidelberg/heidelberg.osm.pbf"), "-o", folder / "undated.ucidx")
    undated = ucid("grid", "-o", folder / "x.parquet", "--index", folder / "undated.ucidx", check=False)
    assert undated.returncode == 2 and "--time" in undated.stderr
    assert ucid("score", "x.parquet", "-o", "y.parquet", "--time", "2025W60T12", check=False).returncode == 2


# ---------------------------------------------------------------------------------------------------------- extracts --


def extract(path, text, compression="zlib"):
    """An extract of OPL text, by osmium."""
    if shutil.which("osmium") is None:
        pytest.skip("osmium is missing")
    run("osmium", "cat", "-f", f"pbf,pbf_compression={compression}", "-F", "opl", "-", "-o", path, "--overwrite", input=text)
    return path


def street(first=1, nodes=60, lat=41.0, lon=29.0, absent=()):
    """OPL of a street of 100 m steps to the east, and of a bakery beside its middle."""
    lines = [f"n{first + i} v1 t2026-01-05T12:00:00Z x{lon + i * 0.0012:.7f} y{lat:.7f}" for i in range(nodes) if i not in absent]
    lines.append(f"n{first + nodes} v1 t2026-01-05T12:00:00Z Tshop=bakery,name=B x{lon + nodes * 0.0006:.7f} y{lat + 0.0001:.7f}")
    refs = ",".join(f"n{first + i}" for i in range(nodes))
    return "\n".join([*lines, f"w{first} v1 t2026-01-05T12:00:00Z Thighway=residential N{refs}"]) + "\n"


def sorted_opl(*texts):
    lines = "".join(texts).splitlines()
    return "".join(line + "\n" for line in sorted(lines, key=lambda line: (line[0], int(line[1:].split()[0]))))


def test_extracts_that_cannot_be_indexed_are_told_in_one_line(folder):
    monaco = data("monaco/monaco-2025.osm.pbf").read_bytes()
    flipped = bytearray(monaco)
    flipped[len(monaco) // 2] ^= 0x20
    cases = {
        "empty": (b"", "empty"),
        "gzip": (gzip.compress(monaco), "is gzip"),
        "xml": (b"<?xml version='1.0'?><osm version='0.6'/>", "is XML"),
        "cut": (monaco[: len(monaco) // 2], "truncated"),
        "header-only": (monaco[: 4 + int.from_bytes(monaco[:4], "big")], "truncated"),
        "flipped": (bytes(flipped), "blob at byte"),
    }
    for name, (content, words) in cases.items():
        (folder / f"{name}.osm.pbf").write_bytes(content)
    for name, text, words in [
        ("nodes", "n1 v1 x7.42 y43.73 Tshop=bakery\n", "no walkable street"),
        ("no-street", "n1 v1 x7.42 y43.73\nn2 v1 x7.43 y43.74\nw1 v1 Thighway=motorway Nn1,n2\n", "no walkable street"),
        ("no-nodes", "w1 v1 Thighway=residential Nn1,n2,n3\n", "nodes are missing"),
    ]:
        extract(folder / f"{name}.osm.pbf", text)
        cases[name] = (None, words)
    old = folder / "stays.ucidx"
    old.write_bytes(b"the old index")
    for name, (_, words) in cases.items():
        path = folder / f"{name}.osm.pbf"
        result = ucid("index", "build", path, "-o", old, check=False)
        assert result.returncode == 3, (name, result.stderr)
        assert result.stderr.startswith(f"ucid: index build: {path}: ") and result.stderr.count("\n") == 1 and words in result.stderr
        assert old.read_bytes() == b"the old index" and not list(folder.glob("stays.ucidx.*"))


def test_odd_extracts_are_read_as_they_are(folder):
    far = 1 << 40
    text = sorted_opl(street(), street(first=1000, nodes=5, lat=41.05))
    beyond = sorted_opl(street(first=far), street(first=far + 1000, nodes=5, lat=41.05))
    cut = sorted_opl(street(nodes=60, absent=range(40, 60)), street(first=1000, nodes=5, lat=41.05))
    grids = {}
    for name, content, compression in [("zlib", text, "zlib"), ("none", text, "none"), ("lz4", text, "lz4"), ("beyond", beyond, "zlib"), ("cut", cut, "zlib")]:
        extract(folder / "odd.osm.pbf", content, compression)
        ucid("index", "build", folder / "odd.osm.pbf", "-o", folder / "odd.ucidx")
        ucid("grid", "--index", folder / "odd.ucidx", "--bbox", "40.99,28.99,41.06,29.08", "--detail", "-o", folder / "odd.parquet")
        grids[name] = pq.read_table(folder / "odd.parquet")
    for name in ("none", "lz4", "beyond"):
        assert grids[name].equals(grids["zlib"]), name
    status = {name: {row["status"] for row in grids[name].to_pylist() if row["lat"] < 41.04} for name in grids}
    assert status["zlib"] >= {"ok", "off_network"} and "near_boundary" not in status["zlib"]
    assert "near_boundary" in status["cut"]
    islet = [row for row in grids["zlib"].to_pylist() if row["lat"] > 41.045 and row["status"] == "island"]
    assert islet and all(row["grocery"] == 50 and row["score"] == 10 for row in islet)


def test_an_extract_that_does_not_tell_where_it_ends_is_told(folder, index):
    known = ucid("index", "info", index)
    assert "the box in its header is trusted" in known.stdout and known.stderr == ""
    extract = data("monaco/monaco-2012.osm.pbf")
    built = ucid("index", "build", extract, "-o", folder / "endless.ucidx")
    told = json.loads(ucid("index", "info", folder / "endless.ucidx", "--json", "--quiet").stdout)
    assert "nothing tells where the extract ends" in built.stderr and built.stderr.count("\n") == 1
    assert len(told["warnings"]) == 1 and told["about"]["inputs"]["osm"]["header_box"] == "absent"
    box = {"type": "Polygon", "coordinates": [[[7.415, 43.73], [7.425, 43.73], [7.425, 43.74], [7.415, 43.74], [7.415, 43.73]]]}
    (folder / "part.geojson").write_text(json.dumps(box))
    part = ucid("index", "build", extract, "-o", folder / "part.ucidx", "--boundary", folder / "part.geojson")
    assert part.stderr == ""


def test_an_extract_of_streets_alone_knows_no_parts(folder, index):
    assert json.loads(ucid("index", "info", index, "--json").stdout)["too_few"] == []
    ucid("index", "build", data("sao-paulo/sao-paulo.osm.pbf"), "-o", folder / "streets.ucidx", "--quiet")
    report = json.loads(ucid("index", "info", folder / "streets.ucidx", "--json", "--quiet").stdout)
    assert {"grocery", "healthcare", "education", "cultural"} <= set(report["too_few"])
    assert ucid("index", "info", folder / "streets.ucidx", "--quiet").stdout.count("too few") == len(report["too_few"])
    scored = score(folder, folder / "streets.ucidx", pa.table({"lat": [-23.53], "lon": [-46.64]}), "--time", "2020W39T12").to_pylist()[0]
    assert scored["confidence"] < 0.7 and scored["ucid"].endswith("ESTIMATED")


# ------------------------------------------------------------------------------------------------- grid, explain, ... --


def test_grid_has_the_cells_of_the_box(folder, index):
    ucid("grid", "--bbox", "43.72,7.40,43.76,7.45", "--res", "10", "--index", index, "--time", WEEK, "-o", folder / "grid.parquet")
    grid = pq.read_table(folder / "grid.parquet")
    lat, lon = grid["lat"].to_numpy(), grid["lon"].to_numpy()
    assert grid.num_rows > 500 and lat.min() >= 43.72 and lat.max() < 43.76 and lon.min() >= 7.40 and lon.max() < 7.45
    cells = grid["h3"].to_pylist()
    assert cells == sorted(set(cells)) and all(cell.startswith("8a") for cell in cells)
    again = score(folder, index, grid.select(["lat", "lon"]), "--res", "10").select(ADDED)
    assert again["score"].equals(grid["score"]) and again["status"].equals(grid["status"])


def test_aggregate_is_the_mean_of_its_rows(folder, index):
    scored = score(folder, index, pa.table({**places(5000), "people": np.arange(5000) % 7}))
    pq.write_table(scored.append_column("h3", pa.array([t.split(":")[5] if t else None for t in scored["ucid"].to_pylist()])),
                   folder / "cells.parquet")
    for source, options in [("cells.parquet", []), ("out.parquet", []), ("cells.parquet", ["--weight", "people"])]:
        ucid("aggregate", folder / source, "-o", folder / "r7.parquet", "--to", "r7", *options)
        groups = {row["h3"]: row for row in pq.read_table(folder / "r7.parquet").to_pylist()}
        assert sum(row["rows"] + row["nulls"] for row in groups.values()) == 5000
        expected = {}
        for row in scored.to_pylist():
            if row["ucid"] is not None:
                cell = int(row["ucid"].split(":")[5], 16)
                parent = (cell & ~(0xF << 52) | 7 << 52) | ((1 << 3 * 8) - 1)
                weight = row["people"] if options else 1
                total = expected.setdefault(f"{parent:x}", [0, 0, 0])
                total[0] += weight * row["score"]
                total[1] += weight
                total[2] += 1
        assert set(groups) - {None} == set(expected)
        for cell, (total, weight, rows) in expected.items():
            assert groups[cell]["score"] == pytest.approx(total / weight, abs=1e-9) and groups[cell]["rows"] == rows
    for to, key in [("city", "MCM"), ("country", "MC")]:
        ucid("aggregate", folder / "out.parquet", "-o", folder / "city.parquet", "--to", to)
        keys = pq.read_table(folder / "city.parquet").to_pylist()
        assert [row[to] for row in keys if row["rows"] > 0] == [key]
    named = pa.table({"city": ["NYC", "LPA", "BUF", "HKG", "ACE", None, "QQQ"], "score": [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0]})
    pq.write_table(named, folder / "named.parquet")
    ucid("aggregate", folder / "named.parquet", "-o", folder / "region.parquet", "--to", "region")
    regions = {row["region"]: (row["score"], row["rows"]) for row in pq.read_table(folder / "region.parquet").to_pylist()}
    assert regions == {"US-NY": (20.0, 2), "ES-CN": (35.0, 2), None: (pytest.approx(170 / 3), 3)}
    result = ucid("aggregate", folder / "out.parquet", "-o", folder / "x.parquet", "--to", "r7", "--weight", "none", check=False)
    assert result.returncode == 3 and "'none'" in result.stderr and "score" in result.stderr


def test_stored_states_are_merged(folder, index):
    """Roll-ups of parts, put into a folder, and rolled up once more: the bytes of the roll-up of the whole."""
    whole = score(folder, index, pa.table(places(5000, 7)), "--city", "MCM")
    states = folder / "states"
    states.mkdir()
    for i, first in enumerate((0, 1, 2000, 4990)):
        pq.write_table(whole.slice(first, (1, 1999, 2990, 10)[i]), folder / "part.parquet")
        ucid("aggregate", folder / "part.parquet", "-o", states / f"{i}.parquet", "--to", "r9", "--states")
    pq.write_table(whole, folder / "whole.parquet")
    for to in ("r9", "r7", "r5"):
        ucid("aggregate", states, "-o", folder / "merged.parquet", "--to", to)
        ucid("aggregate", folder / "whole.parquet", "-o", folder / "direct.parquet", "--to", to)
        merged, direct = (pq.read_table(folder / name) for name in ("merged.parquet", "direct.parquet"))
        assert merged.equals(direct) and merged.num_rows > 0
    ucid("aggregate", states, "-o", folder / "states.parquet", "--to", "r7", "--states")
    ucid("aggregate", folder / "states.parquet", "-o", folder / "merged.parquet", "--to", "r5")
    assert pq.read_table(folder / "merged.parquet").equals(pq.read_table(folder / "direct.parquet"))


def test_explain_tells_what_score_says(folder, index):
    explained = json.loads(ucid("explain", "43.7325", "7.4189", "--index", index, "--json").stdout)
    scored = score(folder, index, pa.table({"lat": [43.7325], "lon": [7.4189]}), "--detail").to_pylist()[0]
    assert explained["score"] == scored["score"] and explained["grade"] == scored["grade"]
    for part in explained["parts"]:
        assert part["score"] == scored[part["key"]]
        assert part["nearest_m"] == pytest.approx(scored[f"nearest_{part['key']}_m"], abs=1e-9)
        distances = [place["distance_m"] for place in part["places"]]
        assert distances == sorted(distances)
    assert ucid("explain", "-43.7", "-7.4", "--index", index, check=False).returncode == 1
    text = ucid("explain", "43.7325", "7.4189", "--index", index).stdout
    assert f"score {scored['score']:.2f}" in text and "shop=" in text


def test_a_catalog_sends_each_row_to_its_index(folder, index):
    home = folder / "catalog"
    home.mkdir()
    shutil.copy(index, home / "monaco.ucidx")
    ucid("index", "build", data("liechtenstein/liechtenstein-2013.osm.pbf"), "-o", home / "li.ucidx")
    ucid("catalog", "add", home, home / "monaco.ucidx", home / "li.ucidx")
    ucid("catalog", "add", home, home / "li.ucidx")
    catalog = json.loads((home / "catalog.json").read_text())
    assert [entry["path"] for entry in catalog["indexes"]] == ["monaco.ucidx", "li.ucidx"] and catalog["format"] == 1
    for place, file in ((("43.7325", "7.4189"), "monaco.ucidx"), (("47.14", "9.52"), "li.ucidx")):
        explained = ucid("explain", *place, "--catalog", home, "--json").stdout
        assert explained == ucid("explain", *place, "--index", home / file, "--json").stdout
        assert explained == ucid("explain", *place, "--index", index, "--index", home / "li.ucidx", "--json").stdout
    lost = ucid("explain", "10", "10", "--catalog", home, check=False)
    assert lost.returncode == 1 and "10 10: none of the 2 indexes holds the place" in lost.stderr
    lat, lon = places(200).values()
    li = pa.table({"lat": np.linspace(47.1, 47.2, 200), "lon": np.full(200, 9.52)})
    mixed = pa.concat_tables([pa.table({"lat": lat, "lon": lon}), li]).take(np.random.default_rng(3).permutation(400))
    pq.write_table(mixed, folder / "mixed.parquet")
    ucid("score", folder / "mixed.parquet", "-o", folder / "o.parquet", "--catalog", home, "--time", WEEK, "--city", "TST", check=False)
    both = pq.read_table(folder / "o.parquet")
    alone = [score(folder, path, mixed, "--time", WEEK, "--city", "TST") for path in (index, home / "li.ucidx")]
    first = mixed["lat"].to_numpy() < 45
    for name in ADDED:
        expected = [alone[0 if here else 1][name][i].as_py() for i, here in enumerate(first)]
        assert both[name].to_pylist() == expected, name


@pytest.fixture(scope="session")
def towns(folder):
    """A catalog of two towns that lie far apart, addressed as an object store would be: (address, folder, places)."""
    home = folder / "towns"
    home.mkdir()
    for name, corner in (("near", "40,-40"), ("far", "10,20")):
        run(BUILD / "ucid-town", "-n", 2000, "-c", corner, home / f"{name}.osm.pbf")
        ucid("index", "build", home / f"{name}.osm.pbf", "-o", home / f"{name}.ucidx")
    ucid("catalog", "add", home, home / "near.ucidx", home / "far.ucidx")
    boxes = {entry["path"]: entry["bounds"] for entry in json.loads((home / "catalog.json").read_text())["indexes"]}

    def sample(name, rows=400):
        south, west, north, east = boxes[f"{name}.ucidx"]
        random = np.random.default_rng(rows)
        return pa.table({"lat": random.uniform(south, north, rows), "lon": random.uniform(west, east, rows)})

    return f"file://{home}", home, sample


def test_of_a_remote_catalog_only_the_indexes_of_the_places_are_fetched(folder, towns, monkeypatch):
    address, home, sample = towns
    cache = folder / "cache"
    monkeypatch.setenv("UCID_CACHE", str(cache))
    kept = lambda: {path.stem for path in (cache / "indexes").glob("*.ucidx")}  # noqa: E731
    sums = {name: hashlib.sha256((home / f"{name}.ucidx").read_bytes()).hexdigest() for name in ("near", "far")}
    nowhere = pa.table({"lat": [-50.0, None, 99.0], "lon": [0.0, 1.0, 2.0]})
    pq.write_table(nowhere, folder / "in.parquet")
    ucid("score", folder / "in.parquet", "-o", folder / "out.parquet", "--catalog", address, check=False)
    assert pq.read_table(folder / "out.parquet")["status"].to_pylist() == ["outside_index", "null_input", "invalid_coordinates"]
    assert kept() == set()
    expected = {}
    for name, fetched in (("near", {sums["near"]}), ("far", set(sums.values()))):
        pq.write_table(sample(name), folder / "in.parquet")
        command = ["score", folder / "in.parquet", "-o", folder / "out.parquet"]
        ucid(*command, "--catalog", address, check=False)
        assert kept() == fetched
        expected[name] = pq.read_table(folder / "out.parquet")
        ucid(*command, "--index", home / f"{name}.ucidx", check=False)
        assert pq.read_table(folder / "out.parquet").equals(expected[name]) and expected[name]["score"].null_count < 400
    both = pa.concat_tables([sample("near"), nowhere, sample("far")])
    pq.write_table(both, folder / "in.parquet")
    ucid("score", folder / "in.parquet", "-o", folder / "out.parquet", "--catalog", address, "--batch-rows", 64, check=False)
    assert pq.read_table(folder / "out.parquet")["ucid"].to_pylist() == expected["near"]["ucid"].to_pylist() + [None] * 3 + expected["far"]["ucid"].to_pylist()
    assert not [path for path in (cache / "indexes").iterdir() if path.suffix == ".part"]
    grid = ucid("grid", "--bbox", ",".join(map(str, (39.9, -40.1, 40.1, -39.9))), "--catalog", address, "-o", folder / "g.parquet", "--json")
    assert json.loads(grid.stdout)["status"]["ok"] > 0


def test_processes_that_race_fetch_an_index_once(folder, towns, monkeypatch):
    address, home, sample = towns
    cache = folder / "raced"
    monkeypatch.setenv("UCID_CACHE", str(cache))
    pq.write_table(sample("near"), folder / "in.parquet")
    running = []
    for i in range(3):
        command = [BUILD / "ucid", "score", folder / "in.parquet", "-o", folder / f"raced{i}.parquet", "--catalog", address, "-q"]
        running.append(subprocess.Popen([str(word) for word in command], stderr=subprocess.PIPE, text=True))
    # The name of a complete file appears once: whoever waited for the lock finds it.
    seen = set()
    while any(process.poll() is None for process in running):
        seen |= {(path.name, path.stat().st_ino) for path in cache.glob("indexes/*.ucidx")}
    assert [process.communicate()[1] for process in running] == [""] * 3 and len(seen) == 1
    assert {process.returncode for process in running} <= {0, 1}
    assert len({(folder / f"raced{i}.parquet").read_bytes() for i in range(3)}) == 1


def test_an_index_that_is_not_the_catalog_s_is_refused(folder, towns, monkeypatch):
    address, home, sample = towns
    monkeypatch.setenv("UCID_CACHE", str(folder / "refused"))
    pq.write_table(pa.concat_tables([sample("near"), sample("far")]), folder / "in.parquet")
    bad = folder / "bad"
    shutil.copytree(home, bad)
    with open(bad / "far.ucidx", "r+b") as file:
        file.seek(-100, os.SEEK_END)
        file.write(b"\xff" * 8)
    command = ["score", folder / "in.parquet", "-o", folder / "refused.parquet", "--catalog"]
    for catalog, message in ((f"file://{bad}", "far.ucidx: its sha256 is"), (bad, None)):
        failed = ucid(*command, catalog, check=False)
        if message is not None:  # an index on this host is not hashed; `ucid index check` does that
            assert failed.returncode == 4 and message in failed.stderr and failed.stderr.count("\n") == 1
            assert not (folder / "refused.parquet").exists()
            assert [path.suffix for path in (folder / "refused" / "indexes").iterdir() if path.stem not in ("near",)].count(".part") == 0
    shutil.copy(bad / "near.ucidx", bad / "far.ucidx")
    failed = ucid(*command, bad, "--json", check=False)
    assert failed.returncode == 4 and "not that of the catalog" in failed.stderr and json.loads(failed.stdout)["error"]["code"] == "INDEX_CORRUPT"
    (bad / "far.ucidx").unlink()
    assert ucid(*command, bad, check=False).returncode == 3
    pq.write_table(sample("near"), folder / "in.parquet")
    assert ucid(*command, bad, check=False).returncode in (0, 1)  # that index is not needed
    for text in ("{", "[]", '{"format": 9, "indexes": []}', '{"format": 1, "indexes": []}', '{"format": 1, "indexes": [{"path": "x"}]}',
                 (bad / "catalog.json").read_text().replace('"87', '"x7', 1)):
        (bad / "catalog.json").write_text(text)
        failed = ucid(*command, bad, check=False)
        assert failed.returncode in (3, 4) and failed.stderr.count("\n") == 1 and "bad" in failed.stderr
    (folder / "file").write_text("")
    monkeypatch.setenv("UCID_CACHE", str(folder / "file"))
    failed = ucid(*command, address, check=False)
    assert failed.returncode == 5 and "no folder to keep it in" in failed.stderr


# ------------------------------------------------------------------------------------------------------------ failing --


def catches(pid, number):
    """Whether a process has a handler of a signal by now."""
    with open(f"/proc/{pid}/status") as status:
        caught = next((int(line.split()[1], 16) for line in status if line.startswith("SigCgt:")), 0)
    return bool(caught >> (number - 1) & 1)


def test_full_disk_and_kill_leave_the_old_file(folder, index):
    table = pa.table({**places(400_000), "n": np.arange(400_000)})
    score(folder, index, table, name="big.parquet", out="whole.parquet")
    old = folder / "old.parquet"
    old.write_bytes(b"the old file")
    result = ucid("score", folder / "big.parquet", "-o", "/dev/full", "--output-format", "parquet", "--index", index, "--time", WEEK, check=False)
    assert result.returncode == 5 and "No space left" in result.stderr
    grid = folder / "some.parquet"
    ucid("grid", "--bbox", "43.72,7.40,43.76,7.45", "--index", index, "-o", grid)
    for command in [f"score {folder}/big.parquet -o {old} --index {index} --time {WEEK}",
                    f"index build {data('monaco/monaco-2025.osm.pbf')} -o {old}", f"catalog add {old} {index}",
                    f"map {grid} -o {old}", f"map {grid} --png -o {old}"]:
        old.write_text('{"format": 1, "indexes": []}' if command.startswith("catalog") else "the old file")
        kept = old.read_bytes()
        limit = 0 if command.startswith("catalog") else 16  # of 1024 bytes
        result = run("bash", "-c", f"ulimit -f {limit}; trap '' XFSZ; exec {BUILD}/ucid {command}", check=False)
        assert result.returncode == 5 and str(old) in result.stderr and result.stderr.count("\n") == 1, (command, result.stderr)
        assert "File too large" in result.stderr and ".part" not in result.stderr
        assert old.read_bytes() == kept and not list(folder.glob("old.parquet.*"))
    os.mkfifo(folder / "pipe")
    result = ucid("index", "build", data("monaco/monaco-2025.osm.pbf"), "-o", folder / "pipe", check=False)
    assert result.returncode == 5 and "no regular file" in result.stderr and (folder / "pipe").is_fifo()
    old.write_bytes(b"the old file")
    for delay in (0.05, 0.2, 0.4):
        process = subprocess.Popen([BUILD / "ucid", "score", folder / "big.parquet", "-o", old, "--index", index, "-q", "--time", WEEK])
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert old.read_bytes() == b"the old file" or pq.read_metadata(old).num_rows == 400_000
    process = subprocess.Popen([BUILD / "ucid", "score", folder / "big.parquet", "-o", folder / "int.parquet", "--index", index, "--time", WEEK],
                               stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not catches(process.pid, signal.SIGINT):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    code = process.wait()
    assert (code == 5 and "interrupted" in process.stderr.read()) or code in (0, 1)
    assert not [name for name in os.listdir(folder) if name.endswith(".part")]
    assert pq.read_table(folder / "big.parquet").equals(table)


def written(process, folder):
    """Bytes of the largest file of a folder that a process has open, named or not; -1 without one."""
    sizes = [-1]
    with contextlib.suppress(OSError):  # it may end, and files may come and go
        for descriptor in os.scandir(f"/proc/{process.pid}/fd"):
            with contextlib.suppress(OSError):
                if os.readlink(descriptor.path).startswith(f"{folder}/"):
                    sizes.append(os.stat(descriptor.path).st_size)
    return max(sizes)


def test_killed_in_the_middle_of_writing_an_index_or_a_map(folder, index):
    """SIGKILL once some bytes of the new file have been written: the old file, none, or all of the new one."""
    moments = random.Random()
    grid = folder / "killed.parquet"
    ucid("grid", "--bbox", "43.72,7.40,43.76,7.45", "--index", index, "-o", grid)
    home = folder / "killed"
    home.mkdir()
    whole, target = home / "whole", home / "target"
    for command in (["index", "build", data("monaco/monaco-2025.osm.pbf")], ["map", grid, "--index", index], ["map", grid, "--png", "--index", index]):
        ucid(*command, "-o", whole)
        expected = whole.read_bytes()
        for old in [None, b"the old file"] * KILLS:
            target.unlink(missing_ok=True)
            if old is not None:
                target.write_bytes(old)
            least = moments.randrange(len(expected))
            process = subprocess.Popen([str(word) for word in (BUILD / "ucid", *command, "-o", target, "-q")])
            while process.poll() is None and written(process, home) < least:
                pass
            process.kill()
            process.wait()
            found = target.read_bytes() if target.exists() else None
            assert found in (old, expected), (command, least, None if found is None else len(found))
            for part in home.glob("target.*"):
                part.unlink()


def test_a_folder_is_read_in_the_order_of_its_names(folder, index):
    parts = folder / "parts"
    parts.mkdir()
    table = pa.table({"n": range(300), **places(300)})
    for i in range(3):
        pq.write_table(table.slice(i * 100, 100), parts / f"{i}.parquet")
    (parts / "_SUCCESS").touch()
    ucid("copy", parts, "-o", folder / "joined.parquet")
    assert pq.read_table(folder / "joined.parquet").equals(table)
    ucid("copy", folder / "joined.parquet", "-o", folder / "joined.parquet")
    assert pq.read_table(folder / "joined.parquet").equals(table)


@pytest.mark.skipif(SANITIZED, reason="a sanitizer keeps what is freed")
def test_memory_does_not_grow_with_rows(folder, index):
    part = pa.table(places(1_000_000))

    def peak_kb(rows):
        with pq.ParquetWriter(folder / "rows.parquet", part.schema) as writer:
            for _ in range(rows // part.num_rows):
                writer.write_table(part, row_group_size=100_000)
        command = "import resource,subprocess,sys;subprocess.run(sys.argv[1:]);print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
        out = run("python3", "-c", command, BUILD / "ucid", "score", folder / "rows.parquet", "-o", folder / "scores.parquet",
                  "--index", index, "--quiet", "--time", WEEK)
        return int(out.stdout.split()[-1])

    # from three row groups of the output on one is written while two are made: fewer rows need less
    few, many = peak_kb(3_000_000), peak_kb(10_000_000)
    assert many < 1.25 * few + 20_000 and many < 1_000_000, (few, many)


def test_long_csv_files_are_read_in_blocks_as_arrow_reads_them(folder):
    """Rows of all kinds, over blocks of some megabytes: quoted ends of lines, empty ones, both kinds of line ends."""
    rng = random.Random(7)
    path = folder / "long.csv"
    with open(path, "w", newline="") as file:
        file.write("id,name,value,flag,day,empty\n")
        for i in range(150_000):
            name = rng.choice(["plain", '"a, b"', '"say ""so"""', '"two\nlines"', "", "Zürich", "x" * rng.randrange(60)])
            end = rng.choice(["\n", "\n", "\r\n", "\n\n"])
            value, flag = rng.choice(["", "1.5", "-2e9", "nan"]), rng.choice(["true", "false"])
            file.write(f"{i},{name},{value},{flag},2026-01-{1 + i % 28:02},{end}")
    assert path.stat().st_size > 5 << 20
    parse = pa.csv.ParseOptions(newlines_in_values=True)
    expected = pa.csv.read_csv(path, parse_options=parse)
    for threads in ("1", "3"):
        ucid("copy", path, "-o", folder / "long.parquet", "--quiet", "--threads", threads)
        assert pq.read_table(folder / "long.parquet").cast(expected.schema).equals(expected)
    with open(path, "a") as file:
        file.write("150000,late,word,true,2026-01-01,\n")
    for name in (path, "-"):
        with open(path, "rb") as file:
            result = ucid("copy", name, "-o", folder / "bad.parquet", "--format", "csv", "--quiet", check=False, stdin=file)
        assert result.returncode == 3
        assert "row 150002 (the header is row 1), column 'value': 'word' is not double" in result.stderr
