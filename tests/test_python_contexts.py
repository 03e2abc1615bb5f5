"""The Python package: contexts of others, results that show themselves, indexes and catalogs."""

import array
import hashlib
import json
import math
import os
import pickle
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from conftest import BUILD, data, run
from python_town import ADDED, catalog, chosen, extract, half, Half, middle_of, places, python, same, town  # noqa: F401: fixtures

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ucid
from ucid import contexts, indexes


def test_an_index_without_a_date_needs_a_time_key(tmp_path):
    index = ucid.build_index(data("heidelberg/heidelberg.osm.pbf"), tmp_path / "heidelberg.ucidx")
    place = {"lat": array.array("d", [49.41]), "lon": array.array("d", [8.69])}
    with pytest.raises(ucid.UCIDConfigError, match="no date"):
        ucid.score(place, index=index)
    scored = pa.table(ucid.score(place, index=index, timestamp="2026W01T12")).to_pylist()[0]
    assert scored["status"] == "ok" and ":2026W01T12:" in scored["ucid"]


def test_plug_in_contexts_work_through_every_door(half, chosen):
    assert half.compute(40.5, 3.0).score == 25.0 and half.compute(40.5, 3.0).grade == "F"
    assert "HALF" in ucid.list_contexts()
    for table in (pa.table({"lat": [40.5, 40.9, None], "lon": [1.0, 2.0, 3.0]}), pytest.importorskip("pandas").DataFrame({"lat": [40.5, 40.9, np.nan], "lon": [1.0, 2, 3]})):
        scored = ucid.score(table, "HALF", city="IST", timestamp="2026W01T12")
        assert type(scored) is type(table)
        rows = pa.table(scored).to_pylist()
        assert [row["score"] for row in rows[:2]] == [25.0, 45.0] and rows[2]["ucid"] is None
        assert rows[0]["ucid"].endswith(":HALF:F:0.50:")

    class Bad(Half):
        context_id = "BAD"

        def score(self, lat, lon, timestamp):
            return [101.0] * len(lat), [0.5] * len(lat)

    ucid.register_context(Bad())
    with pytest.raises(ucid.UCIDContextError, match="101"):
        ucid.get_context("BAD").compute(1, 1)
    contexts._registered.pop("BAD")
    for wrong in (object(), type("Wrong", (Half,), {"context_id": "lower"}), type("Wrong", (Half,), {"context_id": "15MIN"})):
        with pytest.raises(ucid.UCIDContextError):
            ucid.register_context(wrong)


def test_plug_ins_add_what_a_built_in_context_adds(half, chosen):
    """The columns of 15MIN, in their order, from every kind of input; no place that has no coordinates is shown to them."""
    table = places(chosen, 400).append_column("timestamp", pa.array([f"2026W0{1 + i % 3}T12" for i in range(400)]))
    built_in = ucid.score(table, city="IST")
    seen = []

    class Seen(Half):
        context_id = "SEEN"

        def score(self, lat, lon, timestamp):
            seen.append((len(lat), timestamp))
            assert np.all(np.abs(lat) <= 90) and np.all(np.abs(lon) <= 180)
            score, confidence = super().score(lat, lon, timestamp)
            return np.where(np.asarray(lat) < 0, np.nan, score), confidence

        def explain(self, lat, lon):
            return [("half", True, "n", 1, "place", "amenity=place", 1.0, 12.0, lat, lon)]

    try:
        ucid.register_context(Seen)
        scored = ucid.score(table, "SEEN", city="IST")
        assert scored.schema.remove_metadata() == built_in.schema.remove_metadata()
        assert {key for _, key in seen if key} == {"2026W01T12", "2026W02T12", "2026W03T12"}
        rows = scored.to_pylist()
        for row in rows:
            bad = row["lat"] is None or not abs(row["lat"]) <= 90 or not abs(row["lon"]) <= 180
            assert row["status"] == ("invalid_coordinates" if bad else "computation_failed" if row["lat"] < 0 else "ok")
            assert (row["ucid"] is None) == (row["score"] is None) == (row["grade"] is None) == (row["status"] != "ok")
            if row["status"] == "ok":
                one = ucid.get_context("SEEN").compute(row["lat"], row["lon"], row["timestamp"])
                assert (one.score, one.grade, one.confidence) == (row["score"], row["grade"], row["confidence"])
                assert row["ucid"] == str(ucid.create_ucid("IST", row["lat"], row["lon"], row["timestamp"], "SEEN", one.grade, one.confidence))
        stream = ucid.score(table.to_reader(max_chunksize=100), "SEEN", city="IST")
        assert isinstance(stream, ucid.ArrowStream) and stream.column_names == built_in.column_names
        assert same(pa.table(stream), scored)
        polars = pytest.importorskip("polars")
        assert isinstance(ucid.score(polars.from_arrow(table), "SEEN", city="IST"), polars.DataFrame)
        framed = table.to_pandas().ucid.score("SEEN", city="IST")
        assert framed["score"].fillna(-1).tolist() == scored.column("score").fill_null(-1).to_pylist()
        arrays = pa.table(ucid.score(None, "SEEN", lat=np.array([40.5]), lon=np.array([1.0]), city="IST", timestamp="2026W01T12"))
        assert arrays.column("score").to_pylist() == [25.0]
        box = (40.0, -40.0, 40.01, -39.99)
        cells = pa.table(ucid.grid(box, "SEEN", city="IST", timestamp="2026W01T12"))
        assert cells.column("h3").to_pylist() == ucid.generate_grid_h3(box) and cells.column("score").null_count == 0
        by_cell = ucid.score(cells.select(["h3"]), "SEEN", city="IST", timestamp="2026W01T12")
        assert by_cell.column("score").to_pylist() == cells.column("score").to_pylist()
        integers = pa.table({"cell": pa.array([int(cell, 16) for cell in cells.column("h3").to_pylist()] + [7, None], pa.uint64())})
        assert ucid.score(integers, "SEEN", city="IST", timestamp="2026W01T12").column("status").to_pylist()[-2:] == ["invalid_h3", "null_input"]
        groups = ucid.aggregate(scored, "city")
        assert groups.column("rows").to_pylist()[-1] == sum(row["status"] == "ok" for row in rows)
        assert ucid.explain(1.0, 2.0, "SEEN")[0].name == "place"
        with pytest.raises(ucid.UCIDContextError, match="without explain"):
            ucid.explain(1.0, 2.0, "HALF")
        with pytest.raises(ucid.UCIDContextError, match="no context 'NO'"):
            ucid.explain(1.0, 2.0, "NO")
        with pytest.raises(ucid.UCIDDataError, match="row 0: invalid_coordinates"):
            ucid.score(table, "SEEN", city="IST", errors="raise")
        for wrong, options, message in ((table, {"detail": True}, "no parts"), (table.drop(["timestamp"]), {}, "timestamp is needed"),
                                        (table.select(["lat", "timestamp"]), {}, "no places"), (scored, {}, "'ucid' already"),
                                        (table, {"lat": "north"}, "no column 'north'")):
            with pytest.raises((ucid.UCIDConfigError, ucid.UCIDDataError), match=message):
                ucid.score(wrong, "SEEN", city="IST", **options)
        with pytest.raises(ucid.UCIDDataError, match="city"):
            ucid.score(table, "SEEN")
        assert same(ucid.score(scored, "SEEN", city="IST", replace=True), scored)
    finally:
        contexts._registered.pop("SEEN", None)


def test_plug_ins_that_fail_are_named(chosen):
    class Broken(Half):
        context_id = "BROKEN"

        def score(self, lat, lon, timestamp):
            raise KeyError("the table")

    ucid.register_context(Broken)
    try:
        table = pa.table({"lat": [1.0], "lon": [2.0]})
        for call in (lambda: ucid.score(table, "BROKEN", city="IST", timestamp="2026W01T12"),
                     lambda: ucid.score(table.to_pandas(), "BROKEN", city="IST", timestamp="2026W01T12"),
                     lambda: pa.table(ucid.score(table.to_reader(), "BROKEN", city="IST", timestamp="2026W01T12"))):
            with pytest.raises(Exception, match="context BROKEN: KeyError: 'the table'"):
                call()
    finally:
        contexts._registered.pop("BROKEN")


def test_entry_points_are_found(tmp_path):
    (tmp_path / "quiet.py").write_text("class Quiet:\n    context_id = 'QUIET'\n    def score(self, lat, lon, timestamp):\n"
                                       "        return [80.0] * len(lat), [1.0] * len(lat)\n")
    info = tmp_path / "quiet-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: quiet\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ucid.contexts]\nQUIET = quiet:Quiet\n")
    said = python("import sys; sys.path.insert(0, sys.argv[1]); import ucid; print(ucid.get_context('QUIET').compute(1, 1).grade)", tmp_path)
    assert said.stdout == "B\n"


def test_results_show_themselves(chosen):
    south, west, north, east = chosen.bounds
    result = ucid.get_context("15MIN").compute((south + north) / 2, (west + east) / 2)
    assert repr(result).startswith("ContextResult(15MIN: score=") 
    assert result.raw_score == result.score and result.context == "15MIN"
    assert result.uncertainty["ci95_low"] <= result.score <= result.uncertainty["ci95_high"]
    assert result.data_sources[0]["index"] == chosen.id and "OpenStreetMap" in result.metadata["attribution"]
    assert math.isclose(sum(ucid.get_context("15MIN").weights.values()), 1.0)
    total = sum(weight * result.breakdown[part] for part, weight in ucid.get_context("15MIN").weights.items())
    assert abs(total - result.score) < 0.006
    reasons = ucid.explain((south + north) / 2, (west + east) / 2)
    assert {reason.part for reason in reasons} <= set(result.breakdown)


class Cells(HTMLParser):
    """Texts of the cells of an HTML table, row by row; whatever is not closed in order is an error."""

    def __init__(self, html):
        super().__init__()
        self.open, self.rows, self.caption = [], [], ""
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        assert not attributes
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if self.open[-1] == "caption":
            self.caption += text
        else:
            self.rows[-1][-1] += text


def test_notebooks_show_every_kind(chosen, half, catalog):
    lat, lon = middle_of(chosen)
    result = ucid.get_context("15MIN").compute(lat, lon)
    shown = Cells(result._repr_html_())
    assert shown.caption.startswith(f"15MIN: {result.score:.2f}, grade {result.grade}, ")
    assert shown.rows[0] == ["part", "weight", "score", "nearest, m"]
    assert [(row[0], row[2]) for row in shown.rows[1:]] == [(part, f"{score:.2f}") for part, score in result.breakdown.items()]
    assert Cells(ucid.get_context("15MIN").compute(-60, lon)._repr_html_()).caption == "15MIN: no score (outside_index)"
    assert Cells(half.compute(40.5, 1)._repr_html_()).caption == "HALF: 25.00, grade F, confidence 0.50 (ok)"
    index = dict(Cells(chosen._repr_html_()).rows)
    about = json.loads(chosen.json)
    assert index["id"] == chosen.id and index["week of the data"] == chosen.timestamp and index["places"] == f"{about['places']['kept']:,}"
    listed = Cells(indexes.Catalog(catalog)._repr_html_())
    assert listed.caption.endswith("catalog.json: 1 indexes") and listed.rows[1][:2] == ["town.ucidx", chosen.timestamp]
    stream = ucid.score(places(chosen, 10).to_reader())
    columns = Cells(stream._repr_html_()).rows
    assert columns[0] == ["column", "type"] and columns[1] == ["id", "int64"] and ["score", "double"] in columns
    assert pa.table(stream).num_rows == 10 and Cells(stream._repr_html_()).caption == "ArrowStream, read already"
    odd = pa.table({"a<b&": ["c"], "geometry": [bytes.fromhex("0103000000010000000400000000000000000000000000000000000000000000000000f03f"
                                                              "0000000000000000000000000000f03f000000000000f03f00000000000000000000000000000000")]})
    zones = Cells(ucid.Zones(odd)._repr_html_())
    assert zones.caption == "1 zone" and ["a<b&"] in zones.rows
    odd = ucid.indexes.Reasons([indexes.Reason("transit", True, "node", 1, "<script>", "a=b", 1.0, 12.4, lat, lon)])
    assert Cells(odd._repr_html_()).rows[1] == ["transit", "<script>", "a=b", "12", "yes"]


def test_reasons_are_a_table(chosen):
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    reasons = ucid.explain(*middle_of(chosen))
    assert len(reasons) > 5 and reasons[:2][1] == reasons[1] and reasons[:2] != reasons
    table = pa.table(reasons)
    assert table.column_names == list(indexes.Reason._fields) and table.to_pylist() == [one._asdict() for one in reasons]
    assert pandas.DataFrame(reasons)["name"].tolist() == table.column("name").to_pylist() == polars.DataFrame(reasons)["name"].to_list()
    assert pa.table(reasons[:0]).schema == table.schema
    scored = pa.table(ucid.score(reasons, replace=True))  # they are places, too
    assert scored.num_rows == len(reasons) and pc.max(scored.column("score")).as_py() > 0


def test_without_an_index_the_error_says_what_to_do(monkeypatch):
    monkeypatch.setattr(indexes, "_chosen", None)
    monkeypatch.delenv("UCID_CATALOG", raising=False)
    contexts.forget_indexes()
    with pytest.raises(ucid.UCIDDataError, match="build_index") as caught:
        ucid.get_context("15MIN").compute(41, 29)
    assert caught.value.error_code == "INDEX_NOT_FOUND"
    with pytest.raises(ucid.UCIDDataError, match="use_catalog"):
        ucid.score(pa.table({"lat": [1.0], "lon": [1.0]}))


def test_catalogs_on_this_host(catalog, town, monkeypatch):
    lat, lon = middle_of(town)
    code = "import sys, ucid; print(ucid.get_context('15MIN').compute(float(sys.argv[1]), float(sys.argv[2])).score)"
    said = python(code, lat, lon, UCID_CATALOG=str(catalog))
    ucid.use_index(town)
    assert float(said.stdout) == ucid.get_context("15MIN").compute(lat, lon).score
    ucid.use_catalog(catalog)
    assert ucid.score(pa.table({"lat": [lat], "lon": [lon]})).column("score")[0].as_py() == float(said.stdout)
    with pytest.raises(ucid.UCIDDataError, match="covers 1.0"):
        ucid.get_context("15MIN").compute(1.0, 1.0)
    monkeypatch.setattr(indexes, "_chosen", None)
    contexts.forget_indexes()


RACE = """
import sys, ucid, ucid.indexes as indexes
real = indexes._read_remote
def counted(uri):
    print("read", uri.rsplit("/", 1)[1], flush=True)
    return real(uri)
indexes._read_remote = counted
ucid.use_catalog(sys.argv[1])
print(ucid.get_context("15MIN").compute(float(sys.argv[2]), float(sys.argv[3])).score)
"""


def test_remote_catalogs_are_fetched_once_and_checked(catalog, town, tmp_path):
    pytest.importorskip("fsspec")
    lat, lon = middle_of(town)
    environment = {**os.environ, "PYTHONPATH": str(BUILD / "python"), "UCID_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-c", RACE, f"file://{catalog}", str(lat), str(lon)]
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = "".join(process.communicate()[0] for process in running)
    assert all(process.returncode == 0 for process in running)
    assert said.count("read town.ucidx") == 1 and said.count("read catalog.json") == 3
    kept = list((tmp_path / "cache" / "indexes").glob("*.ucidx"))
    assert [path.stem for path in kept] == [hashlib.sha256((catalog / "town.ucidx").read_bytes()).hexdigest()]
    kept[0].unlink()
    with open(catalog / "town.ucidx", "r+b") as file:
        file.seek(-100, os.SEEK_END)
        file.write(b"\xff" * 8)
    refused = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert refused.returncode == 1 and "UCIDDataError" in refused.stderr and "its sha256 is" in refused.stderr
    assert not [path for path in (tmp_path / "cache" / "indexes").iterdir() if path.suffix != ".lock"]


def test_only_the_indexes_of_the_places_are_fetched(catalog, town, tmp_path, monkeypatch):
    fsspec = pytest.importorskip("fsspec")
    monkeypatch.setenv("UCID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(indexes, "_chosen", None)
    run(BUILD / "ucid-town", "-n", 2000, "-c", "10,20", tmp_path / "far.osm.pbf")
    far = ucid.build_index(tmp_path / "far.osm.pbf", catalog / "far.ucidx")
    run(BUILD / "ucid", "catalog", "add", catalog, far.path)
    for name in ("catalog.json", "town.ucidx", "far.ucidx"):
        with fsspec.open(f"memory://two/{name}", "wb") as out:
            out.write((catalog / name).read_bytes())
    kept = lambda: len(list((tmp_path / "cache" / "indexes").glob("*.ucidx")))  # noqa: E731
    table = places(town, 500)
    expected = ucid.score(table, index=[town, far]).select(ADDED)
    ucid.use_catalog("memory://two")
    try:
        assert kept() == 0
        nowhere = ucid.score(pa.table({"lat": [-50.0, None], "lon": [0.0, 1.0]}))
        assert nowhere.column("status").to_pylist() == ["outside_index", "null_input"] and kept() == 0
        for kind in (table, table.to_pandas(), {"lat": table["lat"].to_numpy(), "lon": table["lon"].to_numpy()}):
            scored = pa.table(ucid.score(kind))
            assert scored.column("score").combine_chunks().equals(expected.column("score").combine_chunks())
        assert [path.stem for path in (tmp_path / "cache" / "indexes").glob("*.ucidx")] == [hashlib.sha256(open(town.path, "rb").read()).hexdigest()]
        travels = pickle.dumps(ucid.get_context("15MIN"))
        held = pickle.dumps(indexes.current().find(ucid.latlng_to_cell(*middle_of(town), 7)))
        south, west, north, east = far.bounds
        cells = pa.table({"h3": ucid.generate_grid_h3((south, west, north, east), 9)})
        assert ucid.score(cells).select(ADDED) == ucid.score(cells, index=[town, far]).select(ADDED) and kept() == 2
        for path in (tmp_path / "cache" / "indexes").glob("*.ucidx"):
            path.unlink()
        indexes._reopen.cache_clear()
        assert pickle.loads(held).id == town.id and pickle.loads(travels).compute(*middle_of(far)).status == "ok" and kept() == 2
        for path in (tmp_path / "cache" / "indexes").glob("*.ucidx"):
            path.unlink()
        indexes.current()._opened.clear()
        stream = ucid.score(table.to_reader())
        assert kept() == 0  # nothing is fetched before a row needs it
        assert pa.table(stream).column("score").equals(expected.column("score")) and kept() == 1
    finally:
        contexts.forget_indexes()


def test_catalogs_in_memory(catalog, town, tmp_path, monkeypatch):
    fsspec = pytest.importorskip("fsspec")
    monkeypatch.setenv("UCID_CACHE", str(tmp_path / "cache"))
    for name in ("catalog.json", "town.ucidx"):
        with fsspec.open(f"memory://ucid/{name}", "wb") as out:
            out.write((catalog / name).read_bytes())
    assert [index.id for index in indexes.Catalog("memory://ucid").all()] == [town.id]
    for text in ("{", "[]", '{"format": 9, "indexes": []}', '{"format": 1}',
                 '{"format": 1, "indexes": [{"path": "a", "id": "", "sha256": "../a", "data": "", "coverage": []}]}',
                 '{"format": 1, "indexes": []}'):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(ucid.UCIDDataError, match="bad.json"):
            indexes.Catalog(tmp_path / "bad.json")
    with pytest.raises(ucid.UCIDDataError):
        indexes.Catalog(tmp_path / "none")
