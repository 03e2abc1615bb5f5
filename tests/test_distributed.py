"""Plans in this process: the batches they are given change nothing; choice of engine; grids in parts; roll-ups by DuckDB."""

import contextlib
import itertools
import pickle
import random
import shutil
import struct
import sys
import types
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import BUILD
from python_town import small_town as town  # noqa: F401: a fixture

sys.path.insert(0, str(BUILD / "python"))

import duckdb  # noqa: E402
import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

import ucid  # noqa: E402
from ucid import distributed  # noqa: E402
from ucid.distributed import Plan, choose, jobs, origins, parquet, storage, tasks  # noqa: E402
from ucid.distributed.areas import parts_of  # noqa: E402
from ucid.grids import cell_to_parent  # noqa: E402


@pytest.fixture(scope="module")
def places(town):
    south, west, north, east = ucid.open_index(town).bounds
    rng = np.random.default_rng(1)
    lat, lon = rng.uniform(south, north, 20_000), rng.uniform(west, east, 20_000)
    lat[::97] = 91.0
    return pa.table({"id": np.arange(20_000), "lat": lat, "lon": lon, "weight": rng.integers(0, 5, 20_000) * 0.5})


def test_batches_change_nothing(places, town):
    plan = pickle.loads(pickle.dumps(Plan.score(index=town, detail=True)))
    wanted = ucid.score(places, index=town, detail=True).replace_schema_metadata(None)
    rng = random.Random(1)
    cuts = sorted(rng.sample(range(len(places)), 30))
    pieces = [places.slice(a, b - a) for a, b in zip([0, *cuts], [*cuts, len(places)], strict=True)]
    batches = [batch for piece in pieces for batch in piece.to_batches()]
    assert pa.Table.from_batches(plan.batches(iter(batches))).replace_schema_metadata(None).equals(wanted)
    assert plan.schema(places.schema).equals(wanted.schema)
    assert list(plan.batches(iter(()))) == []


class Half:
    """A context in Python: half the latitude's fraction."""

    context_id = "HALF"

    def score(self, lat, lon, timestamp):
        return np.asarray(lat) % 1 * 50, np.full(len(lat), 0.5)


def test_plug_in_contexts_travel(places, tmp_path):
    fixed = {"city": "IST", "timestamp": "2026W01T12"}
    ucid.register_context(Half)
    try:
        wanted = ucid.score(places, "HALF", **fixed)
        plan = pickle.loads(pickle.dumps(Plan.score("HALF", **fixed)))
        grids = Plan.grid("HALF", **fixed)
        assert distributed.score(places, "HALF", **fixed).equals(wanted.replace_schema_metadata(None))
        cells = distributed.grid((40.0, -40.0, 40.05, -39.95), "HALF", **fixed)
        frame = Plan.score("HALF", **fixed).frame(places.slice(0, 50).to_pandas())
    finally:
        ucid.contexts._registered.pop("HALF")
    assert plan.table(places).equals(wanted.replace_schema_metadata(None))  # where nobody has registered it
    assert plan.schema(places.schema) == wanted.schema.remove_metadata()
    assert frame["score"].fillna(-1).tolist() == wanted.column("score").slice(0, 50).fill_null(-1).to_pylist()
    assert cells.num_rows > 10 and cells.column("score").null_count == 0 and grids.plugin is not None
    assert plan.digest() != Plan.score("15MIN", index=[], **fixed).digest()
    assert distributed.aggregate(wanted, "r7").equals(ucid.aggregate(wanted, "r7").replace_schema_metadata(None))


def test_a_plan_opens_what_it_was_made_for(town, tmp_path):
    path = tmp_path / "town.ucidx"
    shutil.copy(town, path)
    plan = Plan.score(index=path)
    places = pa.table({"lat": [40.0], "lon": [-40.0]})
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 255
    path.write_bytes(damaged)
    with pytest.raises(ucid.UCIDDataError, match="town.ucidx on .*checksum") as caught:
        plan.table(places)
    assert caught.value.error_code == "INDEX_CORRUPT"
    path.unlink()
    with pytest.raises(ucid.UCIDDataError, match="no such file on .*object store"):
        plan.table(places)
    assert plan.digest() == Plan.score(index=town, threads=3).digest() != Plan.score(index=town, detail=True).digest()


def test_a_damaged_copy_is_fetched_again(town, tmp_path, monkeypatch):
    monkeypatch.setenv("UCID_CACHE", str(tmp_path / "cache"))
    shutil.copy(town, tmp_path / "town.ucidx")
    plan = Plan.score(index=f"file://{tmp_path}/town.ucidx")
    (copy,) = (tmp_path / "cache" / "indexes").glob("*.ucidx")
    damaged = bytearray(copy.read_bytes())
    damaged[len(damaged) // 2] ^= 255
    copy.write_bytes(damaged)
    places = pa.table({"lat": [40.0], "lon": [-40.0]})
    assert plan.table(places).equals(ucid.score(places, index=town).replace_schema_metadata(None))
    assert copy.read_bytes() == town.read_bytes()


def test_paths_and_tables_stay_what_they_are(places, town, tmp_path, capsys):
    pq.write_table(places, tmp_path / "places.parquet", row_group_size=3000)
    wanted = ucid.score(places, index=town)
    assert distributed.score(places, index=town).equals(wanted)
    stream = distributed.score(f"{tmp_path}/*.parquet", index=town)
    assert isinstance(stream, pa.RecordBatchReader)
    assert stream.read_all().equals(wanted)
    size = (tmp_path / "places.parquet").stat().st_size
    assert capsys.readouterr().err == f"ucid: engine local: {size / 1e9:.3g} GB listed, less than 1 GB\n"
    assert distributed.score(places.to_pandas(), index=town).equals(places.to_pandas().ucid.score(index=town))


def test_files_choose_by_their_bytes(monkeypatch, capsys):
    there = {"dask", "spark"}
    monkeypatch.setattr(choose, "installed", lambda engine: engine in there)
    gb = 10**9
    for size, said in ((gb - 1, "local"), (gb, "dask"), (100 * gb, "dask"), (1000 * gb, "dask"), (1000 * gb + 1, "spark")):
        monkeypatch.setattr(choose, "measure", lambda paths, size=size: size)
        assert choose.choose("s3://bucket/*.parquet") == said
        assert capsys.readouterr().err.startswith(f"ucid: engine {said}: {size / gb:.3g} GB listed, ")
    there.clear()
    monkeypatch.setattr(choose, "measure", lambda paths: 5 * gb)
    assert choose.choose("x.parquet") == "local"
    assert "no engine is installed" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "ray", types.SimpleNamespace(is_initialized=lambda: True))
    assert choose.choose("x.parquet") == "ray"
    assert choose.choose("x.parquet", "modin") == "modin"
    with pytest.raises(ucid.UCIDConfigError, match="no engine 'flink'"):
        choose.choose("x.parquet", "flink")


def test_bytes_are_listed(tmp_path):
    (tmp_path / "sub").mkdir()
    for name, size in (("a.parquet", 10), ("b.parquet", 20), ("sub/c.parquet", 40), ("d.csv", 80)):
        (tmp_path / name).write_bytes(bytes(size))
    assert choose.measure([f"{tmp_path}/*.parquet"]) == 30
    assert choose.measure([str(tmp_path)]) == 150
    with pytest.raises(ucid.UCIDDataError, match="nowhere: no such file"):
        choose.measure([str(tmp_path / "nowhere")])
    assert choose.measure([f"file://{tmp_path}/a.parquet", str(tmp_path / "sub")]) == 50


def test_what_is_noted_beside_files_is_not_read(places, tmp_path):
    folder = tmp_path / "_made"
    (folder / "_ucid" / "states").mkdir(parents=True)
    pq.write_table(places, folder / "part-0.parquet")
    for name in ("_SUCCESS", ".part-0.parquet.crc", "_ucid/manifest.json", "_ucid/states/part-0.parquet"):
        (folder / name).write_bytes(b"1")
    for given in (folder, folder / "part-*.parquet", folder / "part-0.parquet"):
        made = distributed.create(str(given), engine="local", city="IST", timestamp="2026W01T12", context="15MIN")
        assert made.read_all().num_rows == len(places)
    assert choose.measure([str(folder)]) == (folder / "part-0.parquet").stat().st_size
    for given in (folder, folder / "part-*.parquet", folder / "part-0.parquet"):
        assert [one.uri.rpartition("/")[2] for one in storage.find([str(given)])] == ["part-0.parquet"]


def test_jobs_follow_links_to_files(tmp_path):
    there, links = tmp_path / "there.parquet", tmp_path / "links"
    links.mkdir()
    there.write_bytes(bytes(10))
    (links / "a.parquet").symlink_to(there)
    (found,) = storage.find([str(links)])
    assert found == storage.info(found.uri) and found.size == 10
    (links / "b.parquet").symlink_to(tmp_path / "gone.parquet")
    for given in (str(links), f"{links}/*.parquet"):
        with pytest.raises(ucid.UCIDDataError, match="b.parquet: a link to no file"):
            storage.find([given])


def test_files_are_left_to_the_system_and_waited_for(tmp_path, monkeypatch):
    waited = []
    monkeypatch.setattr(storage.os, "fsync", lambda file: waited.append(storage.os.readlink(f"/proc/self/fd/{file}")))
    names = [str(tmp_path / "folder" / name) for name in ("a", "b")]
    for name in names:
        storage.put(name, [b"rows"], settled=False)
    assert waited == []
    storage.settle(names)
    assert waited == names
    with pytest.raises(storage.Missing, match="the same one on all hosts"):
        storage.settle([f"{tmp_path}/of_another_host"])


def test_an_engine_that_is_missing_names_its_extra():
    missing = [engine for engine in ("dask", "ray", "spark", "modin") if not choose.installed(engine)]
    assert missing, "this test is for the environment without engines"
    for engine in missing:
        with pytest.raises(ucid.UCIDConfigError, match=rf"pip install 'ucid\[{engine}\]'"):
            distributed.create(pa.table({"lat": [1.0], "lon": [2.0]}), engine=engine)


def test_a_grid_in_parts_is_the_grid(town, monkeypatch):
    south, west, north, east = box = ucid.open_index(town).bounds
    monkeypatch.setattr("ucid.distributed.areas.PART_CELLS", 100)
    assert len(parts_of(box, 11)) > 10
    for context in (None, "15MIN"):
        index = {} if context is None else {"index": town}
        got = distributed.grid(box, context, resolution=11, **index).sort_by("h3")
        wanted = pa.table(ucid.grid(box, context, resolution=11, **index))
        assert got.equals(wanted.cast(got.schema))
    both = distributed.grid(["IST", "HEL"], resolution=6)
    for city in ("IST", "HEL"):
        cells = pa.table(ucid.grid(ucid.get_city_bbox(city), resolution=6)).column("h3").to_pylist()
        mine = both.filter(pa.compute.equal(both.column("city"), city)).column("h3").to_pylist()
        assert sorted(mine) == cells and cells


def test_roll_ups_are_what_duckdb_says(places, town):
    scored = ucid.score(places, index=town)
    got = distributed.aggregate(scored, ["r7", "country"], weight="weight")
    fine = ucid.parse(scored.select(["ucid"]), strict=False).column("h3_index").to_pylist()
    cells = [cell and cell_to_parent(cell, 7) for cell in fine]
    rows = pa.table({"cell": pa.array(cells, pa.string()), "score": scored.column("score"), "weight": scored.column("weight")})
    said = duckdb.sql(
        "SELECT cell, count(score), sum(weight) FILTER (score IS NOT NULL), sum(score * weight) / sum(weight) FILTER"
        " (score IS NOT NULL), min(score), max(score) FROM rows GROUP BY cell"
    ).fetchall()
    mine = {row["key"]: row for row in got.to_pylist() if row["level"] == "r7"}
    assert len(said) == len(mine) > 1
    for cell, count, weight, mean, least, most in said:
        row = mine[cell]
        assert (row["rows"], row["min"], row["max"]) == (count, least, most)
        assert count == 0 or (row["weight"], row["score"]) == pytest.approx((weight, mean))
    assert sum(row["rows"] + row["nulls"] for row in got.to_pylist() if row["level"] == "country") == len(places)
    assert distributed.aggregate(scored, 7, weight="weight").equals(ucid.aggregate(scored, "r7", weight="weight"))
    with pytest.raises(ucid.UCIDConfigError, match="no groups 'r16'"):
        distributed.aggregate(scored, "r16")


def test_a_list_of_levels_is_each_of_them(places, town, tmp_path):
    """Out of one pass, by states of parts in any order, and from files, where cities come behind a dictionary."""
    scored = ucid.score(places, index=town)
    cities = [[None, "IST", "HEL", "LPA", "XXQ", "NYC"][i // 100 % 6] for i in range(len(scored))]
    table = scored.append_column("city", pa.array(cities, pa.string()))
    levels = ["country", "r9", "r5", "region", "city", "r7"]
    each = [ucid.aggregate(table, level) for level in levels]
    wanted = pa.concat_tables(one.rename_columns(["key", *one.column_names[1:]]).replace_schema_metadata(None)
                              .add_column(0, pa.field("level", pa.string(), False), pa.array([level] * len(one)))
                              for level, one in zip(levels, each, strict=True)).combine_chunks()  # fmt: skip

    def same(made):
        return pa.table(made).replace_schema_metadata(None).combine_chunks().equals(wanted)

    assert same(ucid.aggregate(table, levels))
    coded = table.set_column(table.column_names.index("city"), "city", table.column("city").dictionary_encode())
    assert same(ucid.aggregate(coded, levels)) and same(distributed.aggregate(coded, levels))
    parts = [pa.table(ucid.aggregate(table.slice(at, 700), levels, states=True)) for at in range(0, len(table), 700)]
    half = [pa.table(ucid.aggregate(pa.concat_tables(some), levels, states=True)) for some in (parts[::2], parts[1::2])]
    assert same(ucid.aggregate(pa.concat_tables(half), levels))
    for at in (0, 1000):
        pq.write_table(table.slice(at, 1000 if at == 0 else None), tmp_path / f"{at}.parquet")
    assert same(distributed.aggregate(str(tmp_path), levels, engine="local"))
    one = pa.table(ucid.aggregate(table, ["city"]))
    assert one.drop_columns("level").column("key").equals(each[4].column("city")) and set(one.column("level").to_pylist()) == {"city"}
    with pytest.raises(pa.ArrowInvalid, match="level 'r9' is not the finest of those asked for"):
        pa.table(ucid.aggregate(parts[0], ["r7", "r5"]))
    for aggregate in (ucid.aggregate, distributed.aggregate):
        with pytest.raises(ucid.UCIDConfigError, match="groups 'r7' are asked for twice"):
            aggregate(table, ["r7", "city", "r7"])
    with pytest.raises(ucid.UCIDDataError, match="rows have no score"):
        ucid.aggregate(table, ["r9", "city"], errors="raise")


def test_roll_ups_need_few_columns(places, town):
    """Whatever columns there are, those that are said to be needed give the groups that all of them give."""
    scored = ucid.score(places, index=town)
    fields = ucid.parse(scored.select(["ucid"]), strict=False)
    wide = scored.append_column("h3", fields.column("h3_index")).append_column("city", fields.column("city"))
    always = ["id", "lat", "lon", "score", "confidence", "status"]
    for more in (one for n in range(5) for one in itertools.combinations(["ucid", "h3", "city", "weight"], n)):
        table = wide.select([*more, *always])
        for to in ("r7", "city", ["r9", "r5"], ["r8", "country"]):
            if {"city", "country"}.intersection([to] if isinstance(to, str) else to) and not {"ucid", "city"}.intersection(more):
                continue
            plan = Plan.aggregate(to, weight="weight" if "weight" in more else None)
            needed = plan.needed(table.column_names)
            assert not {"id", "status"}.intersection(needed) and len(needed) <= 6
            assert plan.table(table.select(needed)).equals(plan.table(table)), (more, to)
    assert Plan.aggregate(["r9", "city"]).needed(wide.column_names) == ["score", "confidence", "h3", "city"]


def test_files_of_jobs_do_not_depend_on_batches(places, monkeypatch):
    monkeypatch.setattr(jobs, "GROUP_ROWS", 1000)
    monkeypatch.setattr(jobs, "BATCH_ROWS", 300)
    cities = pa.array([None if i % 11 == 0 else ["IST", "HEL", "LPA"][i // 50 % 3] for i in range(len(places))], pa.string())
    rows = places.append_column("city", cities)
    spec = {"plan": Plan.create(), "compression": "snappy"}
    rng = random.Random(2)
    made = set()
    for pieces in (1, 7, 200):
        cuts = [0, *sorted(rng.choices(range(len(rows)), k=pieces)), len(rows)]
        parts = [rows.slice(a, b - a) for a, b in itertools.pairwise(cuts)]
        coded = [part.set_column(4, "city", part.column("city").combine_chunks().dictionary_encode()) for part in parts]
        for some in (parts, coded) if pieces == 1 else (coded,):
            stream = jobs._recut(pa.concat_tables(some))
            made.add(b"".join(jobs._parquet(stream, rows.schema, stream.schema, spec)))
    (file,) = (pq.ParquetFile(pa.BufferReader(one)) for one in made)
    assert file.metadata.num_row_groups == len(rows) // 1000
    assert file.read().equals(rows) and file.schema_arrow.remove_metadata().equals(rows.schema)


def test_texts_that_repeat_are_written_as_they_were_read(places, town, tmp_path):
    """Texts behind dictionaries in a file pass through behind them; who reads what is made, or the file, sees what went in."""
    n = len(places)
    few = pa.array([None if i % 7 == 0 else f"city {i % 5}" for i in range(n)])
    given = places.append_column("few", few).append_column("large", few.cast(pa.large_string()))
    given = given.append_column("many", pa.array([f"place {i}" for i in range(n)])).append_column("none", pa.nulls(n, pa.string()))
    given = given.append_column("code", few.dictionary_encode()).append_column("list", pa.array([["a", "b"]] * n))
    given = given.replace_schema_metadata({"who": "me"})
    (tmp_path / "in").mkdir()
    for at in (0, n // 2):
        pq.write_table(given.slice(at, n // 2), tmp_path / "in" / f"{at:06}.parquet", row_group_size=3000)
    file = pq.ParquetFile(tmp_path / "in" / "000000.parquet")
    assert parquet.coded(file.metadata, file.schema_arrow) == ["few", "large", "none"]
    options = {"index": town, "timestamp": "2026W01T12", "city": "IST"}
    wanted = ucid.score(given, **options)

    def made():
        return distributed.score(str(tmp_path / "in"), engine="local", **options)

    assert made().read_all().equals(wanted) and made().schema.names == wanted.schema.names
    distributed.write(made(), tmp_path / "whole")
    begun = made()
    first = begun.read_next_batch().num_rows
    distributed.write(begun, tmp_path / "rest")
    assert pq.read_table(tmp_path / "whole").equals(wanted) and pq.read_table(tmp_path / "rest").equals(wanted.slice(first))
    columns = ["few", "large", "id", "none", "ucid", "score"]
    distributed.write(made().read_all().select(columns), tmp_path / "flat")
    group = pq.ParquetFile(tmp_path / "flat" / "part-0.parquet").metadata.row_group(0)
    assert [group.column(at).is_stats_set for at in range(6)] == [True, True, True, True, False, True]
    for compression in ("snappy", "zstd"):
        job = jobs.over_files("score", Plan.score(**options), [str(tmp_path / "in")], str(tmp_path / compression), chunk_bytes=200_000,
                              compression=compression)  # fmt: skip
        report = job.run(workers=1)
        assert report["rows"] == n and report["parts"] > 2
        table = pq.read_table([str(tmp_path / compression / f"part-{at:06}.parquet") for at in range(report["parts"])])
        assert table.equals(wanted) and table.schema.metadata[b"who"] == b"me"
        assert pq.ParquetFile(tmp_path / compression / "part-000000.parquet").metadata.row_group(0).column(0).compression == compression.upper()
    with pytest.raises(ucid.UCIDConfigError, match="options, index or versions"):
        jobs.over_files("score", Plan.score(**options), [str(tmp_path / "in")], str(tmp_path / "zstd"), chunk_bytes=200_000).run(resume=True)


def test_what_nobody_changed_is_written_from_its_files(places, town, tmp_path, monkeypatch):
    """By tasks in this process: the rows that a stream of them gives, in order, in parts and nothing beside them, or nothing."""
    monkeypatch.setattr(jobs, "PART_BYTES", (100_000, 100_000, 100_000))
    monkeypatch.chdir(tmp_path)
    for name, at in (("in/2.parquet", 0), ("in/10.parquet", 1), ("k=1/a.parquet", 0), ("ending/a.pq", 0), ("more/_hidden/a.parquet", 0),
                     ("more/a.parquet", 1)):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(places.slice(at * 10_000, 10_000), name, row_group_size=2000)
    wanted = ucid.score(places, index=town).replace_schema_metadata(None)
    assert len(wanted.column("status").unique()) > 1

    def made(*data, **options):
        return distributed.score(list(data), index=town, engine="local", **options)

    def parts(collection, folder):
        distributed.write(collection, folder)
        return sorted(one.name for one in (tmp_path / folder).iterdir())

    names = parts(made("in/2.parquet", "in/10.parquet"), "listed")
    assert names == [f"part-{at:06}.parquet" for at in range(len(names))] and len(names) > 4
    assert pq.read_table(tmp_path / "listed").equals(wanted)
    assert parts(made("in/*.parquet"), "pattern") == names
    assert pq.read_table(tmp_path / "pattern").equals(pa.concat_tables([wanted.slice(10_000), wanted.slice(0, 10_000)]))
    for at, data in enumerate((["k=1"], ["ending"], ["more"], ["in/2.parquet", "in"])):  # engines may differ in what they read of it
        assert parts(made(*data), f"stream-{at}") == ["part-0.parquet"]
    assert pq.read_table("stream-3").num_rows == 30_000
    assert parts(made("in", errors="null"), "errors") == ["part-0.parquet"]

    good = (tmp_path / "in" / "2.parquet").read_bytes()
    begin = pq.ParquetFile(tmp_path / "in" / "2.parquet").metadata.row_group(3).column(1).data_page_offset
    collection = made("in/*.parquet")
    (tmp_path / "in" / "2.parquet").write_bytes(good[:begin] + b"\xff" * 40 + good[begin + 40 :])
    for one, said in ((made("in/*.parquet"), "2.parquet: "), (collection, "2.parquet has changed since it was listed")):
        with pytest.raises(ucid.UCIDDataError, match=said):
            distributed.write(one, tmp_path / "never")
        assert not list((tmp_path / "never").iterdir())
    key = id(collection)
    assert key in origins._ORIGINS
    del collection, one
    assert key not in origins._ORIGINS


def test_a_value_for_all_rows_asks_for_no_column(places, town):
    fixed = {"city": "IST", "timestamp": "2026W01T12"}
    names = ["id", "lat", "lon", "city", "timestamp", "context", "grade"]
    assert Plan.score(index=town, **fixed).asked(names) == ["lat", "lon"]
    assert Plan.score(index=town).asked(names) == ["lat", "lon", "city", "timestamp"]
    assert Plan.create(context="15MIN", **fixed).asked(names) == ["lat", "lon", "grade"]
    assert Plan.create(timestamp="2026W01T12").asked(names) == ["lat", "lon", "city", "context", "grade"]
    wanted = ucid.score(places.to_pandas(), index=town, **fixed)
    frame = places.to_pandas().assign(timestamp=[object() for _ in range(len(places))])  # which Arrow has no type for
    for made in (frame.ucid.score(index=town, **fixed), Plan.score(index=town, **fixed).frame(frame)):
        assert made.drop(columns="timestamp").equals(wanted)


@pytest.mark.parametrize("binds", [False, True])
def test_the_last_tasks_wait_where_any_worker_takes_them(binds):
    flying = []

    class One(tasks.LocalPool):
        def submit(self, function, given):
            flying.append(len(self._busy))
            return super().submit(function, given)

    pool = One(1)
    pool.binds = binds
    with contextlib.closing(pool):
        made = {one.position: one.result for one in tasks.run(pool, abs, [-1, -2, -3, -4])}
    assert made == {0: 1, 1: 2, 2: 3, 3: 4}
    assert flying == ([0, 1, 1] if not binds else [0, 1, 0])


def test_parts_follow_from_the_input():
    mb = 1 << 20
    sizes = {0: 16, 1 << 30: 16, 8 << 30: 32, 16 << 30: 64, 100 << 30: 64, 256 << 30: 128, 512 << 30: 256, 100 << 40: 256}
    assert {total: jobs._part_bytes(total) // mb for total in sizes} == sizes


def test_groups_by_any_columns(places):
    places = places.append_column("part", pa.array(np.arange(len(places)) % 7))
    options = {"by": ["part"], "agg": ["count", "std", "median"], "of": "weight"}
    whole = ucid.aggregate(places, **options)
    assert distributed.aggregate(places, **options).equals(whole) and whole.num_rows > 1
    framed = distributed.aggregate(places.to_pandas(), **options)
    assert framed["std"].tolist() == whole.column("std").to_pylist()
    with pytest.raises(ucid.UCIDConfigError, match="by stands alone"):
        distributed.aggregate(places, "r7", **options)


def test_zones_travel_as_a_file(places, town, tmp_path):
    south, west, north, east = ucid.open_index(town).bounds
    lat, lon = (south + north) / 2, (west + east) / 2
    ring = [(west, south), (lon, south), (lon, lat), (west, lat), (west, south)]
    square = struct.pack("<BIIi", 1, 3, 1, 5) + b"".join(struct.pack("<dd", *corner) for corner in ring)
    zones = tmp_path / "zones.parquet"
    pq.write_table(pa.table({"name": ["corner"], "people": [7], "geometry": [square]}), zones)
    wanted = ucid.join(places, zones)
    assert 0 < wanted.column("name").null_count < len(places)
    assert distributed.join(places, zones).equals(wanted.replace_schema_metadata(places.schema.metadata))
    frame = Plan.join(zones, columns=["people"]).frame(places.slice(0, 50).to_pandas())
    assert frame.people.dtype == frame.zone.dtype == "float64"
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda _: Plan.join(zones, columns=["people"]).options["zones"].open(), range(8)))
    assert len({id(one) for one in opened}) == 1  # compiled once in a process
    broken = tmp_path / "broken.parquet"
    pq.write_table(pa.table({"name": ["corner"], "people": [7], "geometry": [square[:-3]]}), broken)
    assert Plan.join(broken).schema(places.schema).equals(wanted.schema.remove_metadata())  # which needs no geometries
    with pytest.raises(ucid.UCIDDataError, match="zone 0: "):
        Plan.join(broken).table(places)
    plan = pickle.loads(pickle.dumps(Plan.join(zones, columns=["name"])))  # not opened in this process yet
    pq.write_table(pa.table({"name": ["other"], "people": [8], "geometry": [square]}), zones)
    with pytest.raises(ucid.UCIDDataError, match="its sha256 is .*the plan was made for"):
        plan.table(places)
