"""The Python package: columns of every kind, as the program and the scalars give them."""

import array
import importlib
import math
import os
import struct
import warnings
from datetime import datetime

import pytest

from conftest import BUILD, data, run
from python_town import ADDED, chosen, extract, FIXED, GOOD, places, python, same, town  # noqa: F401: fixtures

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
import ucid


def test_columns_are_the_scalars(chosen):
    table = places(chosen)
    made = ucid.create(table, **FIXED)
    assert made.column_names == ["id", "lat", "lon", "ucid", "status"] and made.num_rows == table.num_rows
    for row in made.to_pylist():
        try:
            text = str(ucid.create_ucid("IST", row["lat"], row["lon"], "2026W01T12", "15MIN"))
            assert (row["ucid"], row["status"]) == (text, "ok")
        except ucid.UCIDError:
            assert row["ucid"] is None and row["status"] == "invalid_field"
    read = ucid.parse(made.select(["ucid"]))
    for row in read.to_pylist()[:500]:
        if row["ucid"] is not None:
            one = ucid.parse_ucid(row["ucid"])
            assert [row["lat"], row["h3_index"], row["grade"]] == [one.lat, one.h3_index, one.grade]
        else:
            assert row["status"] == "null_input" and row["city"] is None
    context = ucid.get_context("15MIN")
    scored = ucid.score(table, timestamp="2026W01T12", city="IST", detail=True)
    assert pc.count_distinct(scored.column("score")).as_py() > 10
    for row in scored.to_pylist()[:500]:
        if row["score"] is None:
            continue
        one = context.compute(row["lat"], row["lon"], "2026W01T12")
        assert (one.score, one.grade, one.confidence, one.status) == tuple(row[n] for n in ("score", "grade", "confidence", "status"))
        assert one.breakdown == {part: row[part] for part in one.breakdown}
        assert one.nearest_m == {part: row[f"nearest_{part}_m"] for part in one.nearest_m}
        flags = one.flags
        text = str(ucid.create_ucid("IST", row["lat"], row["lon"], "2026W01T12", "15MIN", one.grade, one.confidence, flags=flags))
        assert row["ucid"] == text


def test_scores_are_those_of_the_program(chosen, tmp_path):
    table = places(chosen)
    pyarrow.parquet.write_table(table, tmp_path / "in.parquet")
    run(BUILD / "ucid", "score", tmp_path / "in.parquet", "-o", tmp_path / "out.parquet", "--index", chosen.path, check=False)
    program = pyarrow.parquet.read_table(tmp_path / "out.parquet")
    ours = ucid.score(table)
    for name in ADDED:
        assert ours.column(name).combine_chunks().equals(program.column(name).combine_chunks()), name
    assert ours.schema.metadata[b"ucid.index"].decode() == chosen.id


def test_las_palmas(tmp_path):
    extract = next(iter(sorted(data("las-palmas").glob("*.osm.pbf"))), None)
    if extract is None:
        pytest.skip("no extract of Las Palmas")
    index = ucid.build_index(extract, tmp_path / "las-palmas.ucidx")
    index.check()
    scored = ucid.score(places(index, 20000), index=index)
    one = ucid.explain(28.1235, -15.4363, index=index)
    assert pc.max(scored.column("score")).as_py() > 85
    assert any(row.part == "transit" and row.counted and row.distance_m < 1200 for row in one)
    assert "<td>transit</td>" in one._repr_html_()


def test_any_number_of_threads_gives_the_same_bytes(chosen):
    table = places(chosen, 30011)
    whole = [ucid.score(table, detail=True, threads=threads) for threads in (1, 2, 7)]
    assert same(whole[0], whole[1]) and same(whole[0], whole[2])


def shaped(table):
    """The same rows in other shapes: (name, table, whether lat and lon are as they were)."""
    chunks = pa.concat_tables([table.slice(0, 1), table.slice(1, 0), table.slice(1, 998), table.slice(999)])
    padded = pa.concat_tables([table.slice(0, 13), table, table.slice(0, 5)]).combine_chunks()
    yield "chunked", chunks
    yield "sliced", padded.slice(13, table.num_rows)
    for kind in (pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string()), pa.dictionary(pa.int32(), pa.large_string())):
        yield str(kind), table.set_column(3, "city", table.column("city").cast(kind))
    yield "reader", table.to_reader(max_chunksize=700)


def test_every_shape_of_a_table_gives_the_same(chosen):
    table = places(chosen, 2500)
    table = table.append_column("city", pa.array([["IST", "NYC", None, "no"][i % 4] for i in range(2500)]))
    expected = ucid.score(table, timestamp="2026W01T12").select(ADDED).combine_chunks()
    for name, other in shaped(table):
        got = pa.table(ucid.score(other, timestamp="2026W01T12")).select(ADDED).combine_chunks()
        assert got.equals(expected), name
    assert expected.column("ucid").null_count > 600


def coded(column, index):
    """A column behind a dictionary, which also holds a null, and what no row points to: some rows are null there."""
    plain = column.combine_chunks()
    found = plain.unique().drop_null()
    entries = pa.concat_arrays([found, pa.nulls(1, plain.type), found[:1]])
    positions = {repr(value): position for position, value in enumerate(found.to_pylist())}  # repr: NaN is like NaN
    rows = [positions[repr(value)] if value is not None else (len(found), None)[i % 2] for i, value in enumerate(plain.to_pylist())]
    return pa.DictionaryArray.from_arrays(pa.array(rows, index), entries)


INDEXES = [pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.int32(), pa.uint32(), pa.int64(), pa.uint64()]


@pytest.mark.parametrize("index", INDEXES, ids=str)
def test_what_is_behind_a_dictionary_is_read_through_it(chosen, index):
    rows, few = 700, np.random.default_rng(11)
    some = {name: few.choice(places(chosen, 40).column(name).to_numpy(), rows) for name in ("lat", "lon")}
    masked = lambda values, kind=None: pa.array(values, kind, mask=few.random(rows) < 0.1)  # noqa: E731
    cells = few.choice([int(cell, 16) for cell in pa.table(ucid.grid(chosen.bounds)).column("h3").to_pylist()[:40]], rows)
    plain = pa.table({
        "lat": masked(some["lat"]), "lon": masked(some["lon"]), "city": masked(few.choice(["IST", "HEL", "no"], rows)), "grade": masked(few.choice(["A", "B"], rows)),
        "confidence": masked(few.choice([0.25, 0.5], rows)), "weight": masked(few.integers(0, 60, rows), pa.int32()),
        "score": masked(few.choice([1.25, 50.0, 99.5], rows)), "h3": masked(cells, pa.uint64()), "day": masked(few.integers(0, 9, rows), pa.int32()).cast(pa.date32()),
        "sure": masked(few.random(rows) < 0.5), "rain": masked(few.choice([0.5, 1.5], rows), pa.float32()), "far": masked(few.integers(0, 9, rows) * 2**59, pa.int64())})  # fmt: skip
    behind = pa.table([coded(column, index) for column in plain.columns], plain.column_names)
    assert behind.column("lat").null_count != plain.column("lat").null_count  # nulls of both kinds
    shapes = {"whole": behind, "cut": pa.concat_tables([behind.slice(0, 13), behind.slice(13, 300), behind.slice(313)])}

    def same_texts(door, **options):
        for name, shape in shapes.items():
            expected, made = door(plain, **options), door(shape, **options)
            for column in set(expected.column_names) - set(plain.column_names):
                assert made.column(column).equals(expected.column(column)), (name, column)
        return expected

    made = same_texts(ucid.create, timestamp="2026W01T12", context="15MIN")
    assert made.column("ucid").null_count > 200 and "null_input" in made.column("status").to_pylist()
    same_texts(ucid.create, city="IST", timestamp="2026W01T12", context="15MIN", h3="h3")
    same_texts(lambda table: ucid.score(table.drop_columns(["score", "grade", "confidence"])))
    same_texts(lambda table: ucid.score(table.drop_columns(["score", "grade", "confidence", "lat", "lon"])))
    texts = ucid.create(plain, timestamp="2026W01T12", context="15MIN").select(["ucid"])
    assert ucid.parse(pa.table({"ucid": coded(texts.column("ucid"), pa.int16())})).drop_columns("ucid").equals(ucid.parse(texts).drop_columns("ucid"))
    for shape in shapes.values():
        assert ucid.aggregate(shape, "r7", weight="weight").equals(ucid.aggregate(plain, "r7", weight="weight"))
        for keys in (["day"], ["sure", "rain"], ["weight", "city", "far"]):
            for of in ("far", "score"):
                functions = {"by": keys, "agg": ["rows", "nulls", "min", "max", "mean"], "of": of}
                assert ucid.aggregate(shape, **functions).equals(ucid.aggregate(plain, **functions)), (keys, of)

    shape = struct.pack("<BIII10d", 1, 3, 1, 5, 0, 0, 20, 0, 20, 20, 0, 20, 0, 0)  # a square as WKB
    zones = {"geometry": [shape] * rows, **{name: plain.column(name) for name in ("weight", "score", "city", "h3")}}
    coded_zones = {name: coded(plain.column(name), index) if name != "geometry" else values for name, values in zones.items()}
    place = {"lat": [10.0], "lon": [10.0]}
    joined = [ucid.join(pa.table(place), ucid.Zones(pa.table(table)), all=True).to_pylist() for table in (zones, coded_zones)]
    assert joined[0] == joined[1] and joined[0][0]["weight"].count(";") == rows - 1

    categories = ucid.frames.pandas.DataFrame({name: ucid.frames.pandas.Categorical(plain.column(name).to_pandas()) for name in ("lat", "lon", "city", "grade", "confidence")})
    framed = categories.ucid.create(timestamp="2026W01T12", context="15MIN")
    assert [None if value is ucid.frames.pandas.NA else value for value in framed["ucid"]] == made.column("ucid").to_pylist()
    assert framed["lat"].dtype == "category"


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())], ids=str)
@pytest.mark.parametrize("time", ["2026W01T12", "2020W53T00", "1969W01T00", "2026W54T12", "noon", ""])
def test_a_text_that_all_rows_have_is_as_a_text_a_row(chosen, kind, time):
    """A column of one text is read once; the same texts beside others, or without a null's, are read row by row."""
    table = places(chosen, rows=1000)

    def with_texts(times, cities):
        made = {"timestamp": times, "city": cities, "context": ["15MIN"] * len(times)}
        # a slice, so that the first text is not the first of its buffers
        columns = {name: pa.array(["other", *texts]).cast(kind)[1:] for name, texts in made.items()}
        return table.append_column("timestamp", columns["timestamp"]).append_column("city", columns["city"]).append_column(
            "context", columns["context"])  # fmt: skip

    alone = with_texts([time] * 1000, ["IST"] * 1000)
    beside = with_texts([time] * 999 + ["2026W01T13"], ["IST"] * 999 + ["HEL"])
    nulls = with_texts([time] * 499 + [None] + [time] * 500, ["IST"] * 1000)
    for door in (ucid.score, ucid.create):
        made = [door(one) for one in (alone, beside, nulls)]
        whole, other, null = (one.select([name for name in ADDED if name in one.column_names]) for one in made)
        assert whole.slice(0, 999).equals(other.slice(0, 999))
        assert whole.slice(0, 499).equals(null.slice(0, 499)) and whole.slice(500).equals(null.slice(500))
        assert null.column("ucid")[499].as_py() is None
        for row in range(0, 1000, 101):
            assert door(alone.slice(row, 1)).select(whole.column_names).equals(whole.slice(row, 1))
        assert (whole.column("ucid").null_count < 500) == (time in ("2026W01T12", "2020W53T00") or (door is ucid.create and time[:4] == "1969"))


def test_keys_and_nulls_in_any_mixture_are_as_one_by_one(chosen):
    """Rows of a batch are scored key by key."""
    random = np.random.default_rng(5)
    table = places(chosen, rows=2000)
    keys = [None, "noon", "1969W52T00", *[f"20{year}W{week:02}T{hour:02}" for year in (24, 25, 26) for week in (1, 20) for hour in (0, 12)]]
    times = [keys[at] for at in random.integers(0, len(keys), 2000)]
    mixed = ucid.score(table.append_column("timestamp", pa.array(times)), city="IST").select(ADDED).to_pylist()
    scored = {key: ucid.score(table, city="IST", timestamp=key).select(ADDED).to_pylist() for key in keys[3:]}
    for row, time in enumerate(times):
        if time in scored:
            assert mixed[row] == scored[time][row]
        else:
            assert mixed[row]["score"] is None and mixed[row]["status"] in ("invalid_time", "invalid_coordinates", "null_input")


def test_a_dictionary_of_the_wrong_kind_is_refused():
    texts = pa.array(["41", "42"]).dictionary_encode()
    with pytest.raises(ucid.UCIDDataError, match=r"column 'lat' is dictionary\(int32\)<string>, not numbers"):
        ucid.create(pa.table({"lat": texts, "lon": [1.0, 2.0]}), **FIXED)
    for kind, entries in ((pa.float64(), [1.5]), (pa.string(), ["IST"]), (pa.int64(), [7])):
        beyond = pa.DictionaryArray.from_arrays(pa.array([0, 3], pa.int8()), pa.array(entries, kind), safe=False)
        name = {"double": "lat", "string": "city", "int64": "weight"}[str(kind)]
        table = pa.table({"lat": [1.0, 2.0], "lon": [1.0, 2.0], "score": [1.0, 2.0], "city": ["IST", "IST"], "weight": [1, 1]})
        table = table.set_column(table.column_names.index(name), name, beyond)
        with pytest.raises((ucid.UCIDDataError, OSError, ValueError), match="dictionary"):
            ucid.aggregate(table, by=[name]) if name == "weight" else ucid.create(table, timestamp="2026W01T12", context="15MIN")


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
def test_offsets_that_go_back_are_refused_in_any_piece(kind):
    """An array is read in pieces of 131,072 rows; what lies beyond those of a slice is nobody's."""
    rows, length = 300_000, 3
    offsets = np.arange(rows + 1, dtype="int32" if kind == pa.string() else "int64") * length
    texts = pa.py_buffer(b"ISTPAR" * (rows // 2))
    for wrong in (0, 100, 200_000, 299_999):
        bent = offsets.copy()
        bent[wrong + 1] = -3 if wrong == 0 else bent[wrong] - 1
        city = pa.Array.from_buffers(kind, rows, [None, pa.py_buffer(bent), texts])
        with pytest.raises(ValueError, match="column 'city'"):
            pa.table(ucid.aggregate(pa.table({"city": city, "score": np.ones(rows)}), by="city", agg="count", of="score"))
        rest = city.slice(wrong + 2)
        if len(rest):
            counted = pa.table(ucid.aggregate(pa.table({"city": rest, "score": np.ones(len(rest))}), by="city", agg="count", of="score"))
            assert sum(counted.column("count").to_pylist()) == len(rest)


def test_nulls_nan_and_no_rows(chosen):
    table = pa.table({"lat": pa.array([None, math.nan, 91.0, -91.0, 40.0, math.inf], pa.float64()), "lon": pa.array([0.0] * 5 + [None])})
    made = ucid.create(table, **FIXED)
    assert made.column("status").to_pylist() == ["null_input"] + ["invalid_field"] * 3 + ["ok", "null_input"]
    assert made.column("ucid").null_count == 5
    for kind in (pa.float32(), pa.int16(), pa.uint8(), pa.float16()):
        numbers = pa.table({"lat": pa.array(np.array([40, 41], dtype=kind.to_pandas_dtype())), "lon": pa.array([28, 29], pa.int64())})
        assert ucid.create(numbers, **FIXED).column("ucid").to_pylist()[1].startswith("UCID-V1:IST:+41.000:+29.000:")
    for empty in (table.slice(0, 0), table.schema.empty_table()):
        assert ucid.create(empty, **FIXED).num_rows == 0
        assert ucid.score(empty).column_names[2:] == ADDED
        assert ucid.score(empty, errors="raise").num_rows == 0


@pytest.mark.parametrize(
    "table, options, message",
    [
        ({"x": [1.0]}, {}, "lat"),
        ({"lat": ["a"], "lon": [1.0]}, {}, "lat"),
        ({"lat": [1.0], "lon": [1.0], "ucid": ["a"]}, {}, "ucid"),
        ({"lat": [1.0], "lon": [1.0], "city": [7]}, {"city": None}, "city"),
        ({"lat": [1.0], "lon": [1.0]}, {"lat": "nowhere"}, "nowhere"),
        ({"lat": [1.0], "lon": [1.0]}, {"resolution": 16}, "resolution"),
        ({"lat": [1.0], "lon": [1.0]}, {"errors": "ignore"}, "errors"),
        ({"lat": [1.0], "lon": [1.0]}, {"city": "I\0"}, "NUL"),
    ],
)
def test_wrong_tables_are_refused_by_name(table, options, message):
    with pytest.raises((ucid.UCIDDataError, ucid.UCIDConfigError, ValueError), match=message):
        ucid.create(pa.table(table), **{**FIXED, **options})


def test_columns_that_are_there_are_replaced_only_when_asked():
    table = pa.table({"lat": [41.0], "lon": [29.0], "ucid": ["a"], "status": [1]})
    made = ucid.create(table, replace=True, **FIXED)
    assert made.column_names == ["lat", "lon", "ucid", "status"] and made.column("status").to_pylist() == ["ok"]


def test_errors_can_be_raised():
    table = pa.table({"ucid": [GOOD, None, "no"]})
    with pytest.raises(ucid.UCIDDataError, match="row 1: null_input") as caught:
        ucid.parse(table, errors="raise")
    assert caught.value.details == {"row": 1}
    assert ucid.parse(table.slice(0, 1), errors="raise").column("grade").to_pylist() == ["A"]
    assert ucid.canonicalize(pa.table({"ucid": [GOOD.lower()]})).column("canonical").to_pylist() == [GOOD]


def test_buffers_go_in_as_they_are(chosen):
    lat, lon = places(chosen, 400).column("lat").to_numpy(), places(chosen, 400).column("lon").to_numpy()
    expected = pa.table(ucid.score(lat=lat, lon=lon))
    assert expected.column_names == ["lat", "lon", *ADDED]
    others = [
        {"lat": array.array("d", lat), "lon": memoryview(lon)},
        {"lat": np.repeat(lat, 2)[::2], "lon": np.stack([lon, lon])[1]},
        {"lat": lat.copy(order="F"), "lon": lon[::-1][::-1]},
    ]
    for columns in others:
        assert same(pa.table(ucid.score(columns)), expected)
    pandas = pytest.importorskip("pandas")
    assert same(pa.table(ucid.score(lat=pandas.Series(lat), lon=pandas.Series(lon, dtype="float64[pyarrow]"))), expected)
    with pytest.raises(TypeError, match="lat: an array with a buffer"):
        ucid.score(lat=[1.0], lon=[2.0])
    narrow = pa.table(ucid.create(lat=np.array([41, 42], np.int32), lon=np.array([28, 29], np.float32), **FIXED))
    assert narrow.column("status").to_pylist() == ["ok", "ok"]
    for bad in ({"lat": lat, "lon": lon[:-1]}, {"lat": lat.reshape(2, -1), "lon": lon}, {"lat": lat.astype(">f8"), "lon": lon},
                {"lat": lat.astype("datetime64[s]"), "lon": lon}):
        with pytest.raises((TypeError, ValueError)):
            ucid.score(bad)


def test_streams_are_lazy_and_read_once(chosen):
    pulled = []

    def batches():
        for i in range(50):
            pulled.append(i)
            yield from places(chosen, 1000, i).to_batches()

    source = pa.RecordBatchReader.from_batches(places(chosen, 1).schema, batches())
    stream = ucid.score(source)
    assert stream.column_names == ["id", "lat", "lon", *ADDED] and not pulled
    reader = pa.RecordBatchReader.from_stream(stream)
    assert len(reader.read_next_batch()) > 0 and len(pulled) < 10
    assert reader.read_all().num_rows > 40000
    assert repr(stream) == "ArrowStream(read)"
    with pytest.raises(ValueError, match="read"):
        pa.table(stream)
    with pytest.raises(ValueError, match="read"):
        pa.schema(stream)

    def broken():
        yield from places(chosen, 10).to_batches()
        raise OSError("the source broke")

    with pytest.raises(Exception, match="the source broke"):
        pa.table(ucid.score(pa.RecordBatchReader.from_batches(places(chosen, 1).schema, broken())))


def test_a_stream_keeps_what_it_needs(extract):
    index = ucid.open_index(extract.with_name("town.ucidx"))
    table = places(index, 5000)
    expected = ucid.score(table, index=index)
    stream = ucid.score(table.to_reader(), index=index)
    del table, index
    assert same(pa.table(stream), expected)


def test_polars(chosen):
    polars = pytest.importorskip("polars")
    table = places(chosen, 500)
    frame = polars.from_arrow(table)
    scored = ucid.score(frame)
    assert isinstance(scored, polars.DataFrame)
    assert scored["score"].to_list() == ucid.score(table).column("score").to_pylist()
    assert ucid.parse(ucid.create(frame, **FIXED).select("ucid"))["city"].drop_nulls().unique().to_list() == ["IST"]


def test_duckdb(chosen):
    duckdb = pytest.importorskip("duckdb")
    connection = duckdb.connect()
    rows = places(chosen, 500)
    relation = connection.sql("select * from rows where id % 2 = 0")
    stream = ucid.score(relation)
    assert isinstance(stream, ucid.ArrowStream)
    mean = duckdb.connect().sql("select count(*), avg(score) from stream").fetchall()[0]
    expected = ucid.score(rows.filter(pc.equal(pc.bit_wise_and(rows.column("id"), 1), 0)))
    assert mean[0] == 250 and math.isclose(mean[1], pc.mean(expected.column("score")).as_py())


def test_pandas(chosen):
    pandas = pytest.importorskip("pandas")
    table = places(chosen, 500)
    frame = table.to_pandas().set_index(np.arange(500) * 3)
    scored = ucid.score(frame)
    assert isinstance(scored, pandas.DataFrame) and list(scored.index) == list(frame.index)
    assert list(scored.columns) == ["id", "lat", "lon", *ADDED]
    expected = ucid.score(table).column("score").to_numpy(zero_copy_only=False)
    assert np.array_equal(scored["score"].to_numpy(), expected, equal_nan=True)


def test_the_pandas_accessor(chosen):
    pandas = pytest.importorskip("pandas")
    importlib.import_module("ucid.frames")
    table = places(chosen, 500)
    frame = table.to_pandas().assign(mixed=[1, "a"] * 250).set_index(np.arange(500) * 3)
    made = frame.ucid.create(**FIXED).ucid.parse(replace=True)
    assert made["grade"].dropna().unique().tolist() == ["F"] and list(made.index) == list(frame.index)
    assert frame.ucid.score("15MIN")["score"].equals(ucid.score(frame)["score"]) and "score" not in frame
    assert made.ucid.canonicalize(replace=True)["canonical"].dropna().equals(made["ucid"].dropna().rename("canonical"))
    with pytest.raises(ucid.UCIDDataError, match="'score' already"):
        frame.assign(score=1).ucid.score()
    assert frame.assign(score=1).ucid.score(replace=True).columns[-4] == "score"
    before = frame.copy()
    for door in (lambda given: given.ucid.create(**FIXED), lambda given: given.ucid.score(), lambda given: given.assign(score=1).ucid.score(replace=True)):
        made = door(frame)
        made.loc[0, ["lat", "mixed"]] = 7.5, "b"  # what was given is not written to
        assert frame.equals(before) and made.loc[0, "lat"] == 7.5


def test_texts_come_as_pandas_keeps_them(chosen):
    """Their offsets have 64 bits, so that pandas takes them as they are; what they say is what a table has."""
    pandas = pytest.importorskip("pandas")
    table = pa.Table.from_pandas(places(chosen, 900).to_pandas(), preserve_index=False)  # NaN is null there
    zones = ucid.Zones(pa.table({"geometry": [struct.pack("<BIII10d", 1, 3, 1, 5, -180, -89, 180, -89, 180, 89, -180, 89, -180, -89)], "zone_name": ["all"]}))
    doors = {
        "create": lambda given: ucid.create(given, **FIXED), "score": lambda given: ucid.score(given), "detail": lambda given: ucid.score(given, detail=True),
        "parse": lambda given: ucid.parse(given), "canonicalize": lambda given: ucid.canonicalize(given), "join": lambda given: ucid.join(given, zones),
        "all": lambda given: ucid.join(given, zones, all=True), "area": lambda given: ucid.join(given, zones, predicate="area")}  # fmt: skip
    texts = ucid.create(table, **FIXED).select(["ucid"])
    cells = pa.table({"h3": ucid.parse(texts).column("h3_index")})
    for name, door in doors.items():
        given = texts if name in ("parse", "canonicalize") else cells if name == "area" else table
        expected, framed = door(given), door(given.to_pandas())
        added = [column for column in expected.column_names if column not in given.column_names]
        assert added and list(framed.columns) == expected.column_names
        for column in added:
            values = expected.column(column)
            if pa.types.is_string(values.type):
                assert isinstance(framed[column].dtype, pandas.StringDtype), (name, column)
                held = framed[column].array.__arrow_array__()
                assert pa.types.is_large_string(held.type) and held.to_pylist() == values.to_pylist(), (name, column)
            else:
                assert framed[column].equals(values.to_pandas()), (name, column)
    with pytest.raises(ucid.UCIDDataError, match="row 1: invalid_field"):
        ucid.create(pandas.DataFrame({"lat": [1.0, 91.0], "lon": [2.0, 2.0]}), errors="raise", **FIXED)
    with pytest.raises(ucid.UCIDDataError, match="there are.*a"):
        pandas.DataFrame({"a": [1]}).ucid.create(**FIXED)
    with pytest.raises(ucid.UCIDDataError, match="the latitude; there are name, Latitude, lon"):
        pandas.DataFrame({"name": [object()], "Latitude": [1.0], "lon": [1.0]}).ucid.score()
    with pytest.raises(ucid.UCIDDataError, match="'lat' is .*string, not numbers"):
        pandas.DataFrame({"lat": ["1.0"], "lon": [1.0]}).ucid.score()


LATE = """
import importlib, importlib.util, sys
first, second = sys.argv[1:]
if first == "probed":  # somebody looks whether pandas is there before it is imported
    import ucid
    assert importlib.util.find_spec("pandas") and "pandas" not in sys.modules
    import pandas
else:
    importlib.import_module(first), importlib.import_module(second)
import pandas, ucid.latecomers
loader = pandas.__spec__.loader
assert type(loader).__module__ != "ucid.latecomers" and pandas.__loader__ is loader and not ucid.latecomers._followers
frame = pandas.DataFrame({"lat": [41.015], "lon": [28.979]})
print(frame.ucid.create(city="IST", timestamp="2026W01T12", context="15MIN")["ucid"][0])
"""


@pytest.mark.parametrize("order", [("pandas", "ucid"), ("ucid", "pandas"), ("ucid.frames", "ucid"), ("probed", "")])
def test_the_accessor_is_there_in_any_order_of_imports(order):
    assert python(LATE, *order).stdout == str(ucid.create_ucid("IST", 41.015, 28.979, "2026W01T12", "15MIN")) + "\n"


def test_the_import_of_a_library_does_not_fail_with_ours(tmp_path):
    (tmp_path / "pandas").mkdir()
    (tmp_path / "pandas" / "__init__.py").write_text("old = True\n")  # another package of that name, which our accessor cannot use
    code = "import sys; sys.path.insert(0, sys.argv[1]); import ucid, pandas; print(pandas.old, hasattr(pandas, '__path__'))"
    assert python(code, tmp_path).stdout == "True True\n"


def test_geopandas(chosen):
    geopandas = pytest.importorskip("geopandas")
    table = places(chosen, 300).filter(pc.less(pc.fill_null(places(chosen, 300).column("lat"), 91), 90)).to_pandas().dropna()
    points = geopandas.points_from_xy(table["lon"], table["lat"])
    frame = geopandas.GeoDataFrame({"id": table["id"]}, geometry=points, crs="EPSG:4326")
    expected = ucid.score(table)["score"]
    for given in (frame, frame.to_crs(3857)):
        scored = ucid.score(given)
        assert isinstance(scored, geopandas.GeoDataFrame) and scored.crs == given.crs
        assert (scored["score"].fillna(-1) - expected.fillna(-1)).abs().max() <= (0 if given is frame else 2.5)
    with pytest.raises(ucid.UCIDDataError, match="no CRS"):
        ucid.score(frame.set_crs(None, allow_override=True))
    with pytest.raises(ucid.UCIDDataError, match="other geometries"):
        ucid.score(frame.set_geometry(frame.to_crs(3857).buffer(10)))


def test_geopandas_of_any_shape():
    geopandas, shapely = pytest.importorskip("geopandas"), pytest.importorskip("shapely")
    shapes = [shapely.Point(28.979, 41.015), shapely.Point(), None, shapely.Point(28.9, 41.0, 5.0)]
    frame = geopandas.GeoDataFrame({"id": [1, 2, 3, 4], "lat": ["not", "asked", "for", "!"]}, geometry=shapes, crs="EPSG:4326")
    texts = [str(ucid.create_ucid("IST", lat, lon, "2026W01T12", "15MIN")) for lat, lon in ((41.015, 28.979), (41.0, 28.9))]
    for given in (frame, frame.to_crs("EPSG:32635"), frame.to_crs("EPSG:3857"), frame.rename_geometry("place")):
        for made in (ucid.create(given, **FIXED), given.ucid.create(**FIXED)):
            assert isinstance(made, geopandas.GeoDataFrame) and made.crs == given.crs and made.geometry.name == given.geometry.name
            assert made["ucid"].dropna().tolist() == texts and list(made.columns) == [*given.columns, "ucid", "status"]
            assert made["status"].tolist() == ["ok", "null_input", "null_input", "ok"]
    assert len(ucid.create(frame.iloc[:0], **FIXED)) == 0
    named = ucid.create(frame, **FIXED)[["ucid", "geometry"]]
    assert isinstance(ucid.parse(named), geopandas.GeoDataFrame) and ucid.parse(named)["city"].dropna().tolist() == ["IST"] * 2
    bare = geopandas.GeoDataFrame({"lat": [41.015], "lon": [28.979]})  # no geometry yet
    assert ucid.create(bare, **FIXED)["ucid"].tolist() == texts[:1]
    for wrong in (shapely.box(0, 0, 1, 1), shapely.MultiPoint([(1, 2)]), shapely.LineString([(0, 0), (1, 1)])):
        with pytest.raises(ucid.UCIDDataError, match="other geometries than points; take .representative_point"):
            ucid.create(geopandas.GeoDataFrame(geometry=[shapes[0], wrong], crs="EPSG:4326"), **FIXED)
    with pytest.raises(ucid.UCIDDataError, match="has no CRS: set_crs"):
        frame.set_crs(None, allow_override=True).ucid.create(**FIXED)
    for series in (frame.geometry, frame["id"]):
        with pytest.raises(TypeError, match="a frame is wanted, not a .*Series"):
            ucid.create(series, **FIXED)


def test_exchanged_coordinates_are_told(chosen):
    table = places(chosen, 400).rename_columns(["id", "lon", "lat"])
    for kind in (table, table.to_pandas(), pytest.importorskip("polars").from_arrow(table)):
        with pytest.warns(UserWarning, match="[34].. of 400 places .* exchanged") as told:
            ucid.score(kind)
        assert [one.filename for one in told] == [__file__]
    stream = ucid.score(table.to_reader(max_chunksize=50))
    with pytest.warns(UserWarning, match="exchanged") as told:
        pa.table(stream)
    assert [one.filename for one in told] == [__file__]
    with pytest.warns(UserWarning, match="exchanged"):
        pa.table(ucid.score(lat=table["lat"].to_numpy(), lon=table["lon"].to_numpy()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pa.table(ucid.score(places(chosen, 400).to_reader()))
        ucid.score(pa.concat_tables([table.select(["lat", "lon"]), places(chosen, 450).select(["lat", "lon"])]))  # the half is not most
        ucid.score(pa.table({"lat": [1.0, 2.0], "lon": [3.0, 4.0]}))
        ucid.score(pa.table({"lat": pa.nulls(2, pa.float64()), "lon": [3.0, 4.0]}))
        with pytest.raises(Exception, match="exchanged"):  # where warnings are errors, a stream is broken off
            pa.table(ucid.score(table.to_reader()))


def test_grids(chosen):
    south, west, north, east = chosen.bounds
    cells = pa.table(ucid.grid((south, west, north, east)))
    assert cells.column("h3").to_pylist() == ucid.generate_grid_h3((south, west, north, east))
    scored = pa.table(ucid.grid((south, west, north, east), "15MIN"))
    assert scored.column("h3").equals(cells.column("h3")) and pc.max(scored.column("score")).as_py() > 0


def test_results_come_in_batches():
    """A quarter of a million groups at a time, whatever the levels: 400,000 cells of resolution 15, their parents, a city."""
    rows = 400_000
    digits = np.arange(rows, dtype=np.uint64)
    fine = sum((digits // np.uint64(7**k) % np.uint64(7)) << np.uint64(3 * k) for k in range(7))
    cells = fine | np.uint64(8 << 56 | 15 << 52 | 20 << 45)
    scores = (digits % np.uint64(101)).astype(np.float64)
    given = pa.table({"h3": cells.astype(np.int64), "city": pa.repeat("IST", rows), "score": scores})
    batches = list(pa.RecordBatchReader.from_stream(ucid.aggregate(given.to_reader(), ["r15", "city", "r12", "r14"])))
    assert [batch.num_rows for batch in batches[:-1]] == [1 << 18] and len(batches) == 2
    made = pa.Table.from_batches(batches)
    assert pc.run_end_encode(made.column("level").combine_chunks()).values.to_pylist() == ["r15", "city", "r12", "r14"]
    for level, cell in (("r15", 0), ("r14", 1), ("r12", 3)):
        of_level = made.filter(pc.equal(made.column("level"), level))
        _, place = np.unique(cells >> np.uint64(3 * cell), return_inverse=True)
        count = np.bincount(place)
        assert of_level.column("rows").to_pylist() == count.tolist()
        assert np.allclose(of_level.column("score").to_numpy(), np.bincount(place, scores) / count, rtol=1e-12)
        assert of_level.column("key").to_pylist() == sorted(of_level.column("key").to_pylist())
    assert made.filter(pc.equal(made.column("level"), "city")).column("rows").to_pylist() == [rows]


def test_aggregates_are_those_of_the_program(chosen, tmp_path):
    scored = ucid.score(places(chosen, 20000), city="IST").append_column("people", pa.array(np.arange(20000) % 7))
    pyarrow.parquet.write_table(scored, tmp_path / "in.parquet")
    for to, options in [("r7", {}), ("r5", {"weight": "people"}), ("city", {}), ("country", {"weight": "people"}), ("region", {})]:
        words = [f"--{name}={value}" for name, value in options.items()]
        run(BUILD / "ucid", "aggregate", tmp_path / "in.parquet", "-o", tmp_path / "out.parquet", "--to", to, *words)
        ours = ucid.aggregate(scored, to, **options)
        assert ours.equals(pyarrow.parquet.read_table(tmp_path / "out.parquet")), to
        assert ours.schema.metadata[b"ucid.index"].decode() == chosen.id
    groups = ucid.aggregate(scored, 7)
    assert pc.sum(groups.column("rows")).as_py() + pc.sum(groups.column("nulls")).as_py() == 20000
    mean = pc.mean(scored.column("score")).as_py()
    assert ucid.aggregate(scored, "city").column("score").to_pylist()[-1] == pytest.approx(mean, abs=1e-9)


def test_states_merge_in_any_order_to_the_same_bits(chosen):
    scored = ucid.score(places(chosen, 9000), city="IST").append_column("people", pa.array(np.arange(9000) % 5))
    weighed = {"weight": "people"}
    cuts = [0, 1, 1, 4000, 4001, 8999, 9000]
    parts = [scored.slice(low, high - low) for low, high in zip(cuts, cuts[1:])]
    for fine, coarse in (("r9", "r7"), ("r9", "r5"), ("city", "country"), ("city", "city")):
        states = [ucid.aggregate(part, fine, states=True, **weighed) for part in parts]
        whole = ucid.aggregate(scored, coarse, **weighed)
        for order in (states, states[::-1]):
            assert same(ucid.aggregate(pa.concat_tables(order), coarse), whole)
        packed = [ucid.aggregate(part, fine, states="bytes", **weighed) for part in parts]
        for order in (packed, packed[::-1]):
            assert order[0].column_names == ["states"]
            assert same(ucid.aggregate(pa.concat_tables(order), coarse), whole)
        for one, other in zip(packed, states):
            assert same(ucid.aggregate(one, fine, states=True), pa.table(ucid.aggregate(other, fine, states=True)))
        half = [ucid.aggregate(pa.concat_tables(some), coarse, states=True) for some in (states[:2], states[2:])]
        assert same(ucid.aggregate(pa.concat_tables(half), coarse), whole)
        polars, pandas = pytest.importorskip("polars"), pytest.importorskip("pandas")
        assert ucid.aggregate(polars.from_arrow(pa.concat_tables(states)), coarse)["score"].to_list() == whole.column("score").to_pylist()
        framed = ucid.aggregate(pa.concat_tables(states).to_pandas(), coarse)
        assert isinstance(framed, pandas.DataFrame) and list(framed.columns) == whole.column_names
        assert framed["rows"].tolist() == whole.column("rows").to_pylist()
    with pytest.raises(ucid.UCIDConfigError, match="no column of scores or weights"):
        ucid.aggregate(states[0], "r5", weight="rows")
    with pytest.raises(ucid.UCIDConfigError, match="no column of scores or weights"):
        ucid.aggregate(packed[1], "city", weight="rows")
    with pytest.raises(ucid.UCIDConfigError, match="or, of a roll-up, 'bytes'"):
        ucid.aggregate(scored, by="city", states="bytes")
    for bad in (b"", b"r9", b"city", b"city\0\0\0\0", packed[3].column(0)[0].as_py()[:-1], None):
        with pytest.raises(Exception, match="states"):
            pa.table(ucid.aggregate(pa.table({"states": pa.array([bad], pa.binary())}), "city"))
    with pytest.raises(Exception, match="no states of what is asked for"):
        pa.table(ucid.aggregate(packed[3], "r7"))
    with pytest.raises(ucid.UCIDDataError, match="'states' is int64"):
        ucid.aggregate(pa.table({"states": [1]}), "city")
    with pytest.raises(ucid.UCIDDataError, match="'rows' of a state"):
        ucid.aggregate(states[0].set_column(1, "rows", pa.array([1.0])), "city")
    with pytest.raises(Exception, match="row 0 is not a state"):
        ucid.aggregate(states[0].set_column(1, "rows", pa.array([-1])), "city")
    for to in ("r16", "r", "planet", -1):
        with pytest.raises(ucid.UCIDConfigError, match="groups are"):
            ucid.aggregate(scored, to)
    with pytest.raises(ucid.UCIDDataError, match="no column 'score'"):
        ucid.aggregate(places(chosen, 3), "r7")


def test_the_page_is_the_program_s(chosen, tmp_path):
    if not (BUILD / "share" / "ucid" / "map.html").exists():
        pytest.skip("the page is not part of this build")
    scored = pa.table(ucid.grid(chosen.bounds, "15MIN", resolution=10, detail=True))
    pyarrow.parquet.write_table(scored, tmp_path / "grid.parquet")
    run(BUILD / "ucid", "map", tmp_path / "grid.parquet", "--index", chosen.path, "--show", "transit", "-o", tmp_path / "program.html")
    page = ucid.map(scored, tmp_path / "ours.html", index=chosen, show="transit")
    assert page.rows == scored.num_rows and page._repr_html_().startswith("<iframe srcdoc=")
    assert (tmp_path / "ours.html").read_bytes() == (tmp_path / "program.html").read_bytes()
    for kind in (scored.to_pandas(), pytest.importorskip("polars").from_arrow(scored)):
        ucid.map(kind, tmp_path / "kind.html", index=chosen.path, show="transit")
        assert (tmp_path / "kind.html").read_bytes() == (tmp_path / "ours.html").read_bytes()
    with pytest.raises(ucid.UCIDConfigError, match="show noise"):
        ucid.map(scored, tmp_path / "kind.html", show="noise")
    with pytest.raises(ucid.UCIDDataError, match="more than once"):
        ucid.map(pa.concat_tables([scored, scored]), tmp_path / "kind.html")
    with pytest.raises(ucid.UCIDDataError, match="No such file"):
        ucid.map(scored, tmp_path / "no" / "page.html")
    with pytest.warns(UserWarning, match="1 of 2 rows have no place"):
        held = ucid.map(pa.table({"h3": ["891ec90243bffff", None], "score": [1.0, 2.0]}))
    os.unlink(held)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".html"] * 3 + [".parquet"]


def test_pictures_show_every_row(chosen):
    plt = pytest.importorskip("matplotlib.pyplot")
    scored = pa.table(ucid.grid(chosen.bounds, "15MIN", resolution=10, detail=True))
    axes = ucid.plot(scored, title="Town")
    grades = [None if row["status"] == "off_network" else row["grade"] for row in scored.select(["grade", "status"]).to_pylist()]
    expected = [f"{name} ({grades.count(grade)})" for name, grade in [(g, g) for g in ("A+", "A", "B", "C", "D", "F")] + [("no score", None)]]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [text for text in expected if text != "no score (0)"]
    assert sum(len(drawn.get_paths()) for drawn in axes.collections) == scored.num_rows and axes.get_title() == "Town"
    places = ucid.plot(scored.select(["lat", "lon", "transit"]).to_pandas(), "transit")
    assert len(places.collections[0].get_offsets()) == scored.num_rows
    by_identifier = ucid.plot(scored.select(["ucid", "score"]), "score", legend=False)
    assert sum(len(drawn.get_paths()) for drawn in by_identifier.collections) == scored.num_rows - scored.column("ucid").null_count
    with pytest.raises(ucid.UCIDDataError, match="no column 'noise'"):
        ucid.plot(scored, "noise")
    with pytest.raises(ucid.UCIDDataError, match="holds no numbers"):
        ucid.plot(scored, "h3")
    plt.close("all")


@pytest.mark.parametrize("kind", ["pyarrow", "pandas", "polars", "arrays", "batches"])
def test_a_network_in_tables_is_indexed(tmp_path, kind):
    nodes = {"id": np.array([70, 8, 9, 5]), "lat": np.array([40.0, 40.002, 40.0, 39.998]), "lon": np.array([9.0, 9.0, 9.003, 9.0])}
    edges = {"u": np.array([70, 70, 5]), "v": np.array([8, 9, 70]), "length": np.array([230.0, 260.0, 240.0])}
    places = {"lat": np.array([40.002, 39.998]), "lon": np.array([9.0, 9.0])}
    texts = {"tag": ["shop=supermarket", "leisure=park"], "name": ["Corner", None], "osm_type": ["way", "n"]}

    def made(columns):
        match kind:
            case "arrays":
                return columns
            case "pandas":
                return pytest.importorskip("pandas").DataFrame(columns)
            case "polars":
                return pytest.importorskip("polars").DataFrame(columns)
            case "batches":  # sliced, all behind dictionaries
                table = pa.table({name: pa.array(values).dictionary_encode() for name, values in columns.items()})
                return pa.concat_tables([table, table]).slice(table.num_rows).to_reader(max_chunksize=1)
            case _:
                return pa.table(columns)

    all_places = pa.table(places | texts) if kind == "arrays" else made(places | texts)
    date = datetime(2026, 1, 5)
    index = ucid.build_index(ucid.Network(made(nodes), made(edges), all_places, date), tmp_path / "crossing.ucidx")
    assert index.timestamp == "2026W02T00"
    reasons = ucid.explain(40.0, 9.003, index=index)
    found = {reason.part: (reason.name, reason.distance_m, reason.osm_type, reason.osm_id) for reason in reasons}
    assert found == {"grocery": ("Corner", 490.0, "w", 0), "public_space": ("", 500.0, "n", 1)}


def test_a_network_that_cannot_be_is_refused(tmp_path):
    nodes = pa.table({"id": [1, 2], "lat": [40.0, 40.001], "lon": [9.0, 9.0], "end": [False, None]})
    edges = pa.table({"from": [1], "to": [2]})
    places = pa.table({"lat": [40.0], "lon": [9.0], "tag": ["shop=bakery"]})
    out = tmp_path / "never.ucidx"

    def build(n=nodes, e=edges, p=places):
        return ucid.build_index(ucid.Network(n, e, p), out)

    bad = [
        ((nodes.drop(["lat"]), edges, places), "nodes: no column for lat; there are id, lon, end"),
        ((nodes, edges.drop(["to"]), places), "edges: no column for to; there are from"),
        ((nodes, edges, places.drop(["tag"])), "places: no column for tag"),
        ((nodes.set_column(1, "lat", [["a", "b"]]), edges, places), "nodes: column 'lat' is string, not numbers"),
        ((nodes.set_column(0, "id", [[1.0, 2.0]]), edges, places), "nodes: column 'id' holds no whole numbers"),
        ((nodes.set_column(0, "id", [[2, 2]]), edges, places), "nodes: rows 0 and 1 have one id, 2"),
        ((nodes, edges.set_column(1, "to", [[3]]), places), "edges: row 0: no node has the id 3"),
        ((nodes.drop(["id"]), edges, places), "edge 0: there is no node 2 of 2"),
        ((nodes.set_column(1, "lat", [[None, 40.0]]), edges, places), "node 0: latitudes are -89..89, not nan"),
        ((nodes, edges, places.set_column(2, "tag", [pa.array([None], pa.string())])), "place 0: tag ''"),
        ((nodes, edges.append_column("rank", [[9]]), places), "edge 0: ranks are"),
        ((nodes, edges.append_column("metres", [[-1]]), places), "edge 0: metres are"),
        ((nodes, edges.slice(1), places), "no edge between two nodes"),
    ]
    for tables, words in bad:
        with pytest.raises(ucid.UCIDDataError) as caught:
            build(*tables)
        assert words in str(caught.value)
    with pytest.raises(TypeError, match="a table that speaks Arrow"):
        build(p=7)
    assert not list(tmp_path.iterdir())
    assert build().bounds[0] == 40.0


def test_groups_of_any_columns(tmp_path):
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    random = np.random.default_rng(11)
    table = pa.table({"city": pa.array(random.choice(["IST", "HEL", "NYC"], 4000)), "week": random.integers(1, 5, 4000),
                      "day": pa.array(random.integers(0, 3, 4000), pa.int32()).cast(pa.date32()),
                      "walk_m": pa.array(random.normal(400, 120, 4000), mask=random.random(4000) < 0.1)})  # fmt: skip
    agg = ["count", "sum", "mean", "std", "min", "max", "median", "p90"]
    whole = ucid.aggregate(table, by=["city", "week", "day"], agg=agg, of="walk_m")
    said = table.to_pandas().groupby(["city", "week", "day"])["walk_m"]
    for name, values in {"count": said.count(), "std": said.std(), "median": said.median(), "p90": said.quantile(0.9)}.items():
        assert whole.column(name).to_pylist() == pytest.approx(values.tolist(), rel=1e-12)
    pyarrow.parquet.write_table(table, tmp_path / "in.parquet")
    run(BUILD / "ucid", "aggregate", tmp_path / "in.parquet", "-o", tmp_path / "out.parquet", "--by", "city,week,day", "--agg", ",".join(agg), "--of", "walk_m")
    assert whole.equals(pyarrow.parquet.read_table(tmp_path / "out.parquet"))
    parts = [table.slice(low, high - low) for low, high in ((0, 1), (1, 1), (1, 3000), (3000, 4000))]
    states = [ucid.aggregate(part, by=["city", "week", "day"], agg=agg, of="walk_m", states=True) for part in parts]
    assert ucid.aggregate(pa.concat_tables(states[::-1]), by=["city", "week", "day"], agg=agg).equals(whole)
    framed = ucid.aggregate(table.to_pandas(), by="city", agg="mean,rows", of="walk_m")
    assert isinstance(framed, pandas.DataFrame) and framed["rows"].sum() == 4000
    assert isinstance(ucid.aggregate(polars.from_arrow(table), by="city", of="walk_m"), polars.DataFrame)
    for options, error in [({"by": "town"}, ucid.UCIDDataError), ({"by": "city", "agg": "mode"}, ucid.UCIDConfigError),
                           ({"by": "city", "to": "r7"}, ucid.UCIDConfigError), ({"by": []}, ucid.UCIDConfigError)]:  # fmt: skip
        with pytest.raises(error):
            ucid.aggregate(table, of="walk_m", **options)
