"""Parquet files put together of others' column chunks, and pages of ours: what other readers say of them; jobs that copy what they do
not look at."""

import io
import random
import struct
import sys
from datetime import date, datetime
from decimal import Decimal

import pytest

from conftest import BUILD
from python_town import small_town as town  # noqa: F401: a fixture

sys.path.insert(0, str(BUILD / "python"))

import duckdb  # noqa: E402
import numpy as np  # noqa: E402
import polars  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.compute as pc  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

import ucid  # noqa: E402
from ucid import _ext  # noqa: E402
from ucid.distributed import Plan, jobs, parquet  # noqa: E402

ROWS = 4000


def every_kind(rows=ROWS):
    """A table with a column of each kind that Parquet has a way of its own for."""
    rng = np.random.default_rng(3)
    some = rng.integers(0, 50, rows)
    null = rng.random(rows) < 0.1
    return pa.table({
        "id": np.arange(rows),
        "small": pa.array(some, pa.int8(), mask=null),
        "truth": pa.array(some % 2 == 0, mask=null),
        "text": pa.array([f"text {i}" for i in some], mask=null),
        "large": pa.array([f"{i:08}" * 5 for i in range(rows)], pa.large_string()),
        "bytes": pa.array([bytes([i % 256]) * (i % 9) for i in range(rows)], pa.binary()),
        "sized": pa.array([bytes([i]) * 7 for i in some], pa.binary(7)),
        "coded": pa.array([f"code {i}" for i in some]).dictionary_encode(),
        "decimal": pa.array([Decimal(int(i)) / 100 for i in some], pa.decimal128(9, 2)),
        "day": pa.array([date(2026, 1, 1 + int(i) % 28) for i in some]),
        "time": pa.array([datetime(2026, 1, 1, int(i) % 24) for i in some], pa.timestamp("ns", "Europe/Istanbul")),
        "half": pa.array(some.astype(np.float16)),
        "list": pa.array([None if i % 11 == 0 else list(range(i % 4)) for i in range(rows)], pa.list_(pa.int32())),
        "map": pa.array([[("a", int(i)), ("b", 2)] for i in some], pa.map_(pa.string(), pa.int64())),
        "deep": pa.array([{"x": {"y": [{"z": int(i)}]}, "w": str(i)} for i in some]),
        "nothing": pa.nulls(rows, pa.float64()),
    })  # fmt: skip


def written(table, **options):
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return out.getvalue()


def part(data, names=None, first=0, count=None):
    end = parquet.footer_of(io.BytesIO(data), len(data))
    return end, len(data), first, parquet.described(end).metadata.num_row_groups - first if count is None else count, names


def beside(files, parts, said=()):
    spans, end = _ext.parquet_beside(parts, list(said))
    return b"".join([b"PAR1", *(files[which][offset : offset + length] for which, offset, length in spans), end])


@pytest.mark.parametrize("options", [
    {}, {"compression": "zstd", "data_page_version": "2.0", "version": "1.0"}, {"compression": "none", "use_dictionary": False},
    {"compression": "gzip", "write_page_index": True, "use_deprecated_int96_timestamps": True},
    {"write_statistics": False, "data_page_size": 1000, "store_decimal_as_integer": True}], ids=str)  # fmt: skip
def test_columns_side_by_side_are_the_columns(tmp_path, options):
    left, right = every_kind(), pa.table({"score": np.arange(ROWS) / 8, "word": [f"{i % 3}" for i in range(ROWS)], "pair": [{"a": i, "b": [i]} for i in range(ROWS)]})
    files = [written(left, row_group_size=300, **options), written(right, row_group_size=300)]
    path = tmp_path / "both.parquet"
    schema = pa.schema([*left.schema, *right.schema])
    path.write_bytes(beside(files, [part(files[0]), part(files[1])], parquet._said(schema).items()))
    made, before = pq.ParquetFile(path), pq.ParquetFile(pa.BufferReader(files[0]))
    whole = before.read()
    for at in range(right.num_columns):
        whole = whole.append_column(right.schema.field(at), right.column(at))
    assert made.read().equals(whole) and made.schema_arrow.names == whole.schema.names
    for group in range(made.num_row_groups):
        new, old = made.metadata.row_group(group), before.metadata.row_group(group)
        assert new.num_rows == old.num_rows and new.total_byte_size > old.total_byte_size
        for at in range(old.num_columns):
            a, b = new.column(at).to_dict(), old.column(at).to_dict()
            shift = a["data_page_offset"] - b["data_page_offset"]
            assert a["dictionary_page_offset"] == (b["dictionary_page_offset"] + shift if b["dictionary_page_offset"] else None)
            assert a["statistics"] == b["statistics"]
            assert all(a[name] == b[name] for name in ("encodings", "compression", "num_values", "total_compressed_size", "path_in_schema"))
    known = whole.drop_columns(["half"])
    counts = duckdb.sql(f"select count(*), sum(id), sum(score), count(text), sum(len(list)), sum(pair.a), max(deep.w) from '{path}'").fetchall()
    asked = duckdb.sql("select count(*), sum(id), sum(score), count(text), sum(len(list)), sum(pair.a), max(deep.w) from known").fetchall()
    assert counts == asked
    if "use_deprecated_int96_timestamps" not in options:
        flat = [name for name in whole.schema.names if name not in ("map", "half")]
        assert polars.read_parquet(path, columns=flat).to_arrow().num_rows == ROWS
        assert polars.read_parquet(path, columns=["id", "text", "score"]).equals(polars.from_arrow(whole.select(["id", "text", "score"])))


def test_some_columns_of_some_row_groups():
    table = every_kind()
    order = pq.SortingColumn(0)
    files = [written(table, row_group_size=100, sorting_columns=[order]), written(table.select(["truth"]).rename_columns(["other"]).slice(700, 1500), row_group_size=100)]
    some = ["deep", "id", "list"]
    made = pq.ParquetFile(pa.BufferReader(beside(files, [part(files[0], some, 7, 15), part(files[1])], [(b"who", b"me")])))
    assert made.read().drop_columns("other").equals(table.select(["id", "list", "deep"]).slice(700, 1500)) and made.num_row_groups == 15
    assert made.metadata.metadata == {b"who": b"me"}
    assert made.metadata.row_group(0).sorting_columns == ()  # numbers of columns that others have now
    whole = pq.ParquetFile(pa.BufferReader(beside(files[:1], [part(files[0], None, 3, 2)], parquet._said(table.schema).items())))
    assert whole.read().equals(table.slice(300, 200)) and whole.metadata.row_group(1).sorting_columns == (order,)
    empty = pq.ParquetFile(pa.BufferReader(beside(files[:1], [part(files[0], [], 0, 0)])))
    assert empty.metadata.num_rows == 0 and empty.metadata.num_columns == 0
    for parts, message in (([part(files[0]), part(files[1])], "40 and 15 row groups"), ([part(files[0], None, 39, 2)], "row groups 39 to 41 of 40"), ([], "no file")):
        with pytest.raises(ucid.UCIDConfigError, match=message):
            beside(files, parts)
    uneven = written(table, row_group_size=99)
    with pytest.raises(ucid.UCIDDataError, match="100 and 99 rows"):
        beside([files[0], uneven], [part(files[0], None, 0, 1), part(uneven, None, 0, 1)])


def test_damaged_footers_are_errors_or_footers():
    """Cut anywhere, and with any byte another one; in a file that is too short."""
    data = written(every_kind(50).select(["id", "text", "list"]), row_group_size=20)
    end, size, *rest = part(data)
    rng = random.Random(4)

    def tried(footer, length=size):
        try:
            _ext.parquet_beside([(footer, length, *rest)], [])
            return True
        except (ucid.UCIDDataError, ucid.UCIDConfigError):
            return False

    assert tried(end) and not any(tried(end[:at]) for at in range(len(end)))
    changed = [tried(end[:at] + bytes([rng.randrange(256)]) + end[at + 1 :]) for at in range(len(end)) for _ in range(20)]
    assert 0 < sum(changed) < len(changed)
    assert not tried(end, 100)
    for old in (b"parquet-mr version 1.2.8", b"parquet-mr version 1.0.0"):
        name = b"parquet-cpp-arrow version " + pa.__version__.encode()
        assert not tried(end.replace(bytes([len(name)]) + name, bytes([len(old)]) + old))
    new = b"parquet-mr version 1.12.3"
    assert tried(end.replace(bytes([len(name)]) + name, bytes([len(new)]) + new))


# ------------------------------------------------------------------------------------------------------------ pages of ours


def identifiers(rows, seed=1):
    rng = np.random.default_rng(seed)
    table = pa.table({"lat": rng.uniform(-90, 90, 50)[rng.integers(0, 50, rows)], "lon": rng.uniform(-180, 180, rows)})
    given = table.append_column("grade", pa.array(np.array(["A+", "A", "F"])[rng.integers(0, 3, rows)]))
    return ucid.create(given, city="IST", context="15MIN", timestamp="2026W01T12")["ucid"]


def every_page(rows):
    """Texts and doubles of each kind that pages have a way of their own for."""
    rng = random.Random(3)
    letters = "".join(map(chr, range(32, 0x250)))
    none = np.random.default_rng(5).random(rows)
    columns = {
        "ucid": identifiers(rows),
        "some_ucid": pc.if_else(pa.array(none < 0.3), None, identifiers(rows, 2)),
        "noise": ["".join(rng.choices(letters, k=rng.randrange(30))) for _ in range(rows)],
        "cells": [f"891ac{i * 7 % 99991:05x}fffff" for i in range(rows)],
        "colons": ["::" * rng.randrange(9) + "a:b" + ":" * rng.randrange(80) for _ in range(rows)],
        "long": ["x" * (i % 3) + ("ab" * 50_000 if i == rows // 2 else "") + str(i) for i in range(rows)],
        "few": [rng.choice(["", "a", "bb", None]) for _ in range(rows)],
        "runs": [str(i // 900) for i in range(rows)],
        "one": ["same"] * rows,
        "none": pa.nulls(rows, pa.string()),
        "last": pa.array([None] * max(rows - 1, 0) + ["x"] * min(rows, 1)),
        "coded": pa.array([rng.choice(["ok", "off", None]) for _ in range(rows)], pa.string()).dictionary_encode(),
        "many": pa.array([f"text {rng.randrange(3000)}: {'z' * 40}" for _ in range(rows)]).dictionary_encode(),
        "score": [rng.choice([None, 0.0, -0.0, 12.5, 100.0]) for _ in range(rows)],
        "numbers": none,
        "odd": [rng.choice([float("nan"), float("inf"), -1.5, None]) for _ in range(rows)],
        "steps": np.arange(rows) // 8 / 4.0,
        "empty": pa.nulls(rows, pa.float64()),
    }  # fmt: skip
    return pa.table(columns)


def pages(table, group_rows, unordered=("ucid",)):
    return b"".join(_ext.parquet_write(table, list(group_rows), list(unordered)))


def plainly(table):
    return pa.table({name: column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column for name, column in zip(table.column_names, table.columns, strict=True)})


def test_pages_say_to_others_what_they_are_made_of(tmp_path):
    rows = 100_000
    table = every_page(rows)
    wanted = plainly(table)
    path = tmp_path / "pages.parquet"
    path.write_bytes(pages(table, [30_000, 66_000, 1000]))
    made = pq.ParquetFile(path)
    assert [made.metadata.row_group(at).num_rows for at in range(made.num_row_groups)] == [30_000, 66_000, *[1000] * 4]
    assert made.metadata.created_by.startswith("ucid version ")
    back = made.read()
    back.validate(full=True)
    same = wanted.drop_columns("odd")
    assert back.drop_columns("odd").equals(same)
    assert polars.read_parquet(path).drop("odd").equals(polars.from_arrow(same))
    assert duckdb.sql(f"select * exclude (odd) from '{path}'").to_arrow_table().cast(same.schema).equals(same)
    for reader in (lambda: back["odd"], lambda: polars.read_parquet(path)["odd"].to_arrow(), lambda: duckdb.sql(f"select odd from '{path}'").to_arrow_table()["odd"]):
        read = reader()
        assert np.array_equal(np.array(read.to_pylist(), float), np.array(wanted["odd"].to_pylist(), float), equal_nan=True) and read.null_count == wanted["odd"].null_count
    looked = duckdb.sql(f"select count(*), min(cells), max(numbers), sum(score) from '{path}' where numbers between 0.25 and 0.5 and cells > '891ac8'").fetchall()
    assert looked == duckdb.sql("select count(*), min(cells), max(numbers), sum(score) from wanted where numbers between 0.25 and 0.5 and cells > '891ac8'").fetchall()
    packed = made.metadata.row_group(1).column(0)
    assert packed.total_compressed_size < packed.total_uncompressed_size / 2
    noise = made.metadata.row_group(1).column(2)
    assert noise.total_compressed_size < noise.total_uncompressed_size * 1.02


def test_statistics_of_pages_are_those_of_arrow():
    table = plainly(every_page(20_000)).drop_columns("long")
    ours = pq.ParquetFile(pa.BufferReader(pages(table, [7000]))).metadata
    arrow = pq.ParquetFile(pa.BufferReader(written(table, row_group_size=7000))).metadata
    for group in range(ours.num_row_groups):
        for at, name in enumerate(table.column_names):
            one, other = ours.row_group(group).column(at), arrow.row_group(group).column(at)
            assert one.num_values == other.num_values == ours.row_group(group).num_rows
            if name == "ucid":
                assert one.statistics is None
                continue
            assert one.statistics.null_count == other.statistics.null_count
            assert (one.statistics.min, one.statistics.max) == (other.statistics.min, other.statistics.max), name


def test_pages_do_not_depend_on_batches():
    table = every_page(9000)
    whole = pages(table.combine_chunks(), [4000])
    for rows in (1, 7, 64, 999, 4000):
        cut = pa.Table.from_batches(table.combine_chunks().to_batches(max_chunksize=rows))
        assert pages(cut, [4000]) == whole
    for rows in (0, 1, 2, 7, 8, 9, 15, 16, 17, 64, 65):
        some = table.slice(1234, rows)
        back = pq.read_table(pa.BufferReader(pages(some, [1 << 18]))).drop_columns("odd")
        assert back.equals(plainly(some).drop_columns("odd")), rows
        assert pq.read_table(pa.BufferReader(pages(some, [3]))).drop_columns("odd").equals(back)


def test_what_pages_are_not_made_of():
    for column in (pa.array([1]), pa.array([[1.0]]), pa.array([1.0]).dictionary_encode()):
        with pytest.raises(ucid.UCIDDataError, match="column 'x' is neither of texts nor of doubles"):
            pages(pa.table({"x": column}), [10])
    with pytest.raises(ucid.UCIDConfigError, match="a row group of 0 rows"):
        pages(pa.table({"x": ["a"]}), [10, 0])
    lying = pa.Table.from_arrays([pa.array(["a", None])], schema=pa.schema([pa.field("x", pa.string(), nullable=False)]))
    with pytest.raises(ucid.UCIDDataError, match="column 'x' has nulls, against its schema"):
        pages(lying, [10])
    with pytest.raises(TypeError):
        _ext.parquet_write(pa.table({"x": ["a"]}), ["ten"], [])


def test_columns_of_two_writers_stand_in_their_order():
    """What the library does not write, Arrow does, and a failure on the way is told as it is."""
    table = every_kind(5000)
    batches = table.to_batches(max_chunksize=700)
    for compression in (None, "snappy", "zstd"):
        pieces = parquet.written(batches, table.schema, table.schema, [3000], compression)
        made = pq.ParquetFile(pa.BufferReader(b"".join(pieces)))
        assert made.read().equals(table) and made.schema_arrow.equals(table.schema)
        assert {made.metadata.row_group(1).column(at).compression for at in range(made.metadata.num_columns)} == {(compression or "snappy").upper()}

    def failing():
        yield batches[0]
        raise ucid.UCIDDataError("the index is damaged", code="INDEX_CORRUPT")

    with pytest.raises(ucid.UCIDDataError, match="^the index is damaged") as told:
        parquet.written(failing(), table.schema, table.schema, [3000], None)
    assert told.value.code == "INDEX_CORRUPT"


# ------------------------------------------------------------------------------------------------------------------- jobs


def job(command, plan, given, out, **options):
    report = jobs.over_files(command, plan, [str(given)], str(out), **options).run(workers=1)
    assert not report["failed"]
    files = [pq.ParquetFile(one) for one in sorted(out.glob("*.parquet"))]
    return report, files, pa.concat_tables([one.read() for one in files])


def test_jobs_copy_what_they_do_not_look_at(town, tmp_path):
    south, west, north, east = ucid.open_index(town).bounds
    rng = np.random.default_rng(5)
    rows = 140_000
    lat, lon = rng.uniform(south, north, rows), rng.uniform(west, east, rows)
    lat[::97] = 91.0
    kinds = every_kind(rows).drop_columns(["map", "half"])
    table = kinds.append_column("lat", pa.array(lat)).append_column("lon", pa.array(lon, mask=rng.random(rows) < 0.01))
    table = table.append_column("timestamp", pa.array(["2026W01T12"] * rows)).append_column("score", pa.array(np.arange(rows)))
    table = table.replace_schema_metadata({"who": "me"})
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=35_000, compression="gzip")
    given = pq.ParquetFile(tmp_path / "in.parquet").metadata
    chunk = 5 * given.row_group(0).total_byte_size // 2
    options = {"index": town, "city": "IST"}
    plan = Plan.score(**options, replace=True)
    wanted = ucid.score(table, **options, replace=True)
    for compression, copied in ((None, True), ("gzip", True), ("snappy", False)):
        report, files, made = job("score", plan, tmp_path / "in.parquet", tmp_path / str(compression), compression=compression, chunk_bytes=chunk)
        assert report["parts"] > 1 and report["rows"] == rows and sum(report["status"].values()) == rows
        assert made.equals(wanted) and made.schema.equals(wanted.schema) and made.schema.metadata[b"who"] == b"me"
        groups = [one.metadata.row_group(at) for one in files for at in range(one.num_row_groups)]
        assert {group.column(0).compression for group in groups} == {"GZIP" if copied else "SNAPPY"}
        assert ([group.num_rows for group in groups] == [35_000] * 4) == copied
        assert {group.column(group.num_columns - 1).compression for group in groups} == {(compression or "snappy").upper()}
        leaves = [at for at in range(given.num_columns) if given.schema.column(at).path != "score"]
        for number, group in enumerate(groups if copied else []):
            old = [given.row_group(number).column(at) for at in leaves]
            new = [group.column(at) for at in range(len(leaves))]
            assert [(one.path_in_schema, one.total_compressed_size, one.statistics) for one in new] == [(one.path_in_schema, one.total_compressed_size, one.statistics) for one in old]
    made = job("create", Plan.create(city="IST", context="15MIN"), tmp_path / "in.parquet", tmp_path / "create")[2]
    assert made.equals(ucid.create(table, city="IST", context="15MIN"))
    parsed = job("parse", Plan.parse(replace=True), tmp_path / "create", tmp_path / "parsed")[2]
    assert parsed.equals(ucid.parse(made, replace=True))
    west_half = struct.pack("<BIII10d", 1, 3, 1, 5, -180, -89, 0, -89, 0, 89, -180, 89, -180, -89)
    zones = pa.table({"geometry": [west_half], "zone_name": ["all"]})
    pq.write_table(zones, tmp_path / "zones.parquet")
    joined = job("join", Plan.join(tmp_path / "zones.parquet", replace=True), tmp_path / "in.parquet", tmp_path / "joined")[2]
    assert joined.equals(ucid.join(table, tmp_path / "zones.parquet", replace=True)) and joined.column("zone_name").null_count < rows / 10


def test_small_row_groups_are_put_together(town, tmp_path):
    rows = 40_000
    table = pa.table({"id": np.arange(rows), "lat": np.full(rows, 40.0), "lon": np.full(rows, -40.0)})
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=500)
    plan = Plan.score(index=town, city="IST", timestamp="2026W01T12")
    files, made = job("score", plan, tmp_path / "in.parquet", tmp_path / "out")[1:]
    assert [one.num_row_groups for one in files] == [1] and made.column("id").equals(table.column("id"))


def test_a_transfer_that_breaks_off_is_no_verdict_on_the_file(town, tmp_path, monkeypatch):
    table = pa.table({"lat": np.full(40_000, 40.0), "lon": np.full(40_000, -40.0)})
    pq.write_table(table, tmp_path / "in.parquet")
    plan = Plan.score(index=town, city="IST", timestamp="2026W01T12")
    made = jobs.over_files("score", plan, [str(tmp_path / "in.parquet")], str(tmp_path / "out"))
    tries = []

    def open_file(uri):
        tries.append(uri)
        data = (tmp_path / "in.parquet").read_bytes()
        return io.BytesIO(data[: -1 if len(tries) < jobs.READS else None])

    monkeypatch.setattr(jobs.storage, "open_file", open_file)
    said = jobs.run_task(made.task({**made.manifest.parts[0], "plan": plan}))
    assert said["rows"] == 40_000 and len(tries) == jobs.READS
    monkeypatch.setattr(jobs, "READS", 1)
    monkeypatch.setattr(jobs.storage, "open_file", lambda uri: io.BytesIO(b"no Parquet at all"))
    assert "no footer" in jobs.run_task(made.task({**made.manifest.parts[0], "plan": plan}))["error"]
