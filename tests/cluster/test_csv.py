"""Jobs over CSV have the rows that the program has, wherever files are cut, and name what they cannot read."""

import contextlib
import io
import json
import random
import sys
import uuid

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from conftest import BUILD, run
from ucid import distributed
from ucid.distributed import jobs, tasks
from ucid.distributed.plan import Plan
from ucid.errors import UCIDConfigError

from .clusters import same, table
from .test_jobs import digests

CHUNK = 200_000
SUMS = {"by": ["city"], "agg": ["rows", "nulls", "mean", "std", "p90"], "of": "id"}


@pytest.fixture(scope="module")
def lines(places, tmp_path_factory):
    """The places as CSV in three files, with a text of quotes and line ends, and empty fields."""
    folder = tmp_path_factory.mktemp("csv")
    rng = random.Random(3)
    notes = ["", "plain", "two\nlines", 'say "so",\n\n"again"', "a,b", "\n", "Zürich"]
    whole = places.append_column("note", pa.array(rng.choices(notes, k=len(places))))
    for at in range(3):
        step = -(-len(whole) // 3)
        text = io.BytesIO()
        pa.csv.write_csv(whole.slice(at * step, step), text)
        (folder / f"{at}.csv").write_bytes(text.getvalue())
    return folder


@pytest.mark.parametrize("engine", ["local", "dask"])
def test_rows_of_csv_are_those_that_the_program_reads(engine, lines, town, expected, tmp_path):
    with contextlib.closing(tasks.open_pool(engine, workers=2)) as pool:
        plan = Plan.score(index=town)
        report = jobs.over_files("score", plan, [str(lines)], str(tmp_path / "scores"), chunk_bytes=CHUNK).run(pool=pool)
        assert report["parts"] > 20 and report["failed"] == []
        job = jobs.aggregate([str(lines / "*.csv")], str(tmp_path / "groups.parquet"), **SUMS, chunk_bytes=CHUNK)
        assert job.run(pool=pool)["failed"] == []
    scores = table(tmp_path / "scores")
    assert same(scores.drop_columns(["note"])) == expected["score"]
    run(BUILD / "ucid", "score", *sorted(lines.iterdir()), "-o", tmp_path / "program.parquet", "--index", town, check=False)
    assert scores.replace_schema_metadata(None).equals(pq.read_table(tmp_path / "program.parquet").replace_schema_metadata(None))
    words = ["--by", "city", "--agg", "rows,nulls,mean,std,p90", "--of", "id"]
    run(BUILD / "ucid", "aggregate", *sorted(lines.iterdir()), "-o", tmp_path / "by_program.parquet", *words)
    groups = pq.read_table(tmp_path / "groups.parquet")
    assert groups.equals(pq.read_table(tmp_path / "by_program.parquet"))
    # the same rows in Parquet, with doubles as CSV has them, give the same bytes
    pq.write_table(scores.select(["city", "id"]).set_column(1, "id", scores["id"].cast(pa.float64())), tmp_path / "rows.parquet")
    jobs.aggregate([str(tmp_path / "rows.parquet")], str(tmp_path / "again.parquet"), **SUMS).run(workers=1)
    assert pq.read_table(tmp_path / "again.parquet").equals(groups)


def test_every_store_has_the_same_rows_of_csv(store, lines, tmp_path):
    prefix = f"{store.uri}/{uuid.uuid4().hex}"
    for file in lines.iterdir():
        with fsspec.open(f"{prefix}/in/{file.name}", "wb") as out:
            out.write(file.read_bytes())
    options = {"city": "IST", "timestamp": "2026W01T12", "context": "15MIN", "replace": True}
    for source, output in ((str(lines), str(tmp_path / "made")), (f"{prefix}/in", f"{prefix}/made")):
        job = jobs.over_files("create", Plan.create(**options), [source], output, chunk_bytes=CHUNK)
        report = job.run(workers=2)
        assert report["failed"] == [] and report["rows_in"] == report["rows"]
    assert digests(f"{prefix}/made") == digests(tmp_path / "made")
    assert jobs.over_files("create", Plan.create(**options), [f"{prefix}/in"], f"{prefix}/made", chunk_bytes=CHUNK).run(
        workers=1, resume=True)["parts_resumed"] == report["parts"]  # fmt: skip


def quoted(rng, columns):
    """A CSV file of quoted line ends: what looks like rows is in quotes, and what looks like quotes is text."""
    fields = ["", "7", "x", '"a\nb"', '"\n"', '"1,2\n3,4\n5,6"', '""""', '"""\n"""', '5" pipe', 'a"', '"q"t', '"\r\n"', "ü"]
    ends = ["\n", "\n", "\r\n", "\n\n"]
    names = ",".join(f"c{i}" for i in range(columns))
    rows = [",".join(rng.choice(fields) for _ in range(columns)) + rng.choice(ends) for _ in range(400)]
    return (names + "\n" + "".join(row for row in rows if row.strip("\r\n"))).encode()


@pytest.mark.parametrize("columns", [1, 2, 5])
def test_a_cut_inside_quotes_does_no_harm(columns, tmp_path):
    """Parts of some bytes, most of which begin inside quotes or rows: the rows are those of the whole file."""
    rng = random.Random(columns)
    again = 0
    for attempt in range(3):
        path, out = tmp_path / f"{attempt}.csv", tmp_path / f"{attempt}"
        path.write_bytes(quoted(rng, columns))
        out.mkdir()
        run(BUILD / "ucid", "aggregate", path, "-o", out / "program.parquet", "--by", "c0", "--agg", "rows")
        expected = pq.read_table(out / "program.parquet")
        for chunk in (61, 500, 1 << 20):
            job = jobs.aggregate([str(path)], str(out / f"{chunk}.parquet"), by=["c0"], agg=["rows"], chunk_bytes=chunk)
            pool = Here()
            report = job.run(pool=pool)
            again += pool.runs - report["parts"]
            assert report["failed"] == [] and report["rows_in"] == pc.sum(expected["rows"]).as_py()
            assert pq.read_table(out / f"{chunk}.parquet").equals(expected)
    assert again > (9 if columns == 1 else -1)  # of one column nearly all that a part sees looks like rows


class Here:
    """A pool that runs tasks when they are given out, and counts those of parts."""

    binds = False

    def __init__(self):
        self.runs = 0
        self._results = {}

    def slots(self):
        return 1

    def submit(self, function, given):
        self.runs += sum("range" in value for value, _ in given)
        handles = [uuid.uuid4().hex for _ in given]
        self._results |= {handle: function(dict(value)) for handle, (value, _) in zip(handles, given, strict=True)}
        return handles

    def ended(self, handles, timeout_s):
        return list(handles)

    def result(self, handle):
        return self._results.pop(handle)

    def cancel(self, handle):
        pass


def test_what_a_csv_file_has_wrong_is_named(tmp_path):
    rows = "".join(f"{i},IST,{i % 7}.5\n" for i in range(3000))
    (tmp_path / "a.csv").write_text("id,city,score\n" + rows)
    late = "id,city,score\n" + rows + "3000,IST,word\n" + rows
    (tmp_path / "b.csv").write_text(late)
    (tmp_path / "c.csv").write_text("id,city,score\n" + rows + "1,IST\n" + rows)
    (tmp_path / "d.csv").write_text("id,city,points\n1,IST,2\n")
    (tmp_path / "e.csv").write_text("id,id\n1,2\n")
    (tmp_path / "f.csv").write_bytes(b"")
    (tmp_path / "g.csv").write_bytes(b"id,city,score\r1,IST,2\r")
    command = [sys.executable, "-m", "ucid.distributed", "aggregate", "-i", tmp_path, "-o", tmp_path / "out", "--chunk", "4000",
               "--by", "city", "--workers", 1, "--json"]  # fmt: skip
    told = run(*command, check=False)
    report = json.loads(told.stdout)
    failed = {one["input"].rsplit("/", 1)[-1]: one["error"] for one in report["failed"]}
    assert told.returncode == 3 and list(failed) == ["b.csv", "c.csv", "d.csv", "e.csv", "f.csv", "g.csv"]
    assert failed["b.csv"] == f"the row at byte {late.index('3000,IST,word')}, column 'score': 'word' is not a number"
    assert failed["c.csv"] == f"the row at byte {14 + len(rows)} has 2 columns, the header 3"
    assert failed["d.csv"].startswith("other columns than") and failed["e.csv"] == "there are two columns 'id'"
    assert "Empty CSV file" in failed["f.csv"] and failed["g.csv"] == "its lines end with CR alone"
    said = run(BUILD / "ucid", "aggregate", tmp_path / "b.csv", "-o", "-", "--by", "city", check=False).stderr
    assert "column 'score': 'word' is not a number" in said  # as the program says it, with the row

    # types that were inferred: what the first megabytes are
    (tmp_path / "zip").mkdir()
    lines = "".join(f"{i},{10_000 + i % 80_000},40.0,-40.0\n" for i in range(250_000))
    (tmp_path / "zip" / "z.csv").write_text("id,zip,lat,lon\n" + lines + "1,2A004,abc,\n")
    plan = Plan.create(city="IST", timestamp="2026W01T12", context="15MIN")
    report = jobs.over_files("create", plan, [str(tmp_path / "zip")], str(tmp_path / "made")).run(workers=1)
    at = 15 + len(lines)
    assert [one["error"] for one in report["failed"]] == [
        f"the row at byte {at}, column 'zip': '2A004' is not int64, as the first megabytes are"
    ]
    job = jobs.over_files("create", plan, [str(tmp_path / "zip")], str(tmp_path / "made"), texts=["zip"])
    report = job.run(workers=1, overwrite=True)
    assert report["rows"] == 250_001 and report["failed"] == []
    last = table(tmp_path / "made").slice(250_000).to_pylist()[0]
    assert (last["zip"], last["lon"], last["status"]) == ("2A004", None, "null_input") and last["lat"] != last["lat"]


def test_numbers_and_empty_texts_are_as_the_program_reads_them(tmp_path):
    numbers = ["1", "+1.5", " 2 ", "1e3", "-1E-2", "NA", "", '""', "nan", "inf", "1e400", '"7"', ".5", "3.", "NULL"]
    texts = ["x", "", '""', "NA", '"a ""b"""', "x"]
    body = "".join(f"{texts[i % len(texts)]},{one}\n" for i, one in enumerate(numbers * 7))
    (tmp_path / "in.csv").write_text("city,score\n" + body)
    words = ["--by", "city", "--agg", "rows,count,min,max,p50"]
    run(BUILD / "ucid", "aggregate", tmp_path / "in.csv", "-o", tmp_path / "program.parquet", *words)
    jobs.aggregate([str(tmp_path / "in.csv")], str(tmp_path / "job.parquet"), by=["city"], agg=["rows", "count", "min", "max", "p50"],
                   chunk_bytes=100).run(pool=Here())  # fmt: skip
    assert pq.read_table(tmp_path / "job.parquet").equals(pq.read_table(tmp_path / "program.parquet"))


def test_a_broken_off_job_over_csv_goes_on(lines, tmp_path):
    """Its parts stay; a job of other types or bytes is another."""
    sums = lambda **how: jobs.aggregate([str(lines)], str(tmp_path / "out"), **SUMS, chunk_bytes=CHUNK, **how)  # noqa: E731
    whole = sums().run(workers=1)
    before = digests(tmp_path / "out")
    done = sorted((tmp_path / "out" / "_ucid" / "done").glob("part-*.json"))
    for file in done[::3]:
        file.unlink()
    (tmp_path / "out" / "groups.parquet").unlink()
    report = sums().run(workers=1, resume=True)
    assert whole["parts"] - len(done[::3]) <= report["parts_resumed"] < whole["parts"] + 10 and digests(tmp_path / "out") == before
    with pytest.raises(UCIDConfigError, match="options, index or versions"):
        sums(texts=["timestamp", "lat"]).run(workers=1, resume=True)


def test_a_task_that_guessed_does_not_undo_one_that_knew(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text('c0\n' + '"a\nb"\n' * 100)
    job = jobs.aggregate([f"file://{path}"], str(tmp_path / "out.parquet"), by=["c0"], agg=["rows"], chunk_bytes=102)
    job.run(pool=Here())
    spec = {**job.manifest.parts[2], "plan": job.plan, "csv": job.csv, "checkpoint": job.manifest.checkpoint, "compression": "snappy"}
    written = digests(tmp_path)
    assert "start" not in spec and "error" in jobs.run_task(spec)
    assert digests(tmp_path) == written


def test_an_engine_is_not_given_csv_by_its_path(lines):
    with pytest.raises(UCIDConfigError, match="ucid distributed"):
        distributed.aggregate(str(lines / "0.csv"), by="city", agg="mean", of="id")
