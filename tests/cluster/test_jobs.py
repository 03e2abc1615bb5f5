"""Jobs end with the same bytes on every engine and every store, however often they are broken off on the way."""

import contextlib
import functools
import gc
import hashlib
import json
import operator
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pyspark.cloudpickle
import pytest

import ucid
from conftest import BUILD, run
from ucid.distributed import jobs, storage, tasks
from ucid.distributed.plan import Plan
from ucid.errors import UCIDConfigError

from .clusters import GROUPS, same, spark_session, start_ray, table

CHUNK = 200_000  # bytes: some dozen parts


def digests(output):
    """sha256 of each file of an output, by name."""
    files, path = fsspec.url_to_fs(str(output))
    files.invalidate_cache()
    names = [name for name in files.find(path) if "/_ucid" not in name]
    return {name.rsplit("/", 1)[-1]: hashlib.sha256(files.cat_file(name)).hexdigest() for name in names}


def scoring(files, town, output, **options):
    return jobs.over_files("score", Plan.score(index=town), [str(files)], str(output), chunk_bytes=CHUNK, **options)


@pytest.fixture(scope="module")
def undisturbed(files, town, tmp_path_factory):
    """Digests of the parts of a job that nothing befell."""
    output = tmp_path_factory.mktemp("undisturbed") / "scores"
    report = scoring(files, town, output).run(workers=2)
    assert report["parts"] > 6 and report["parts_done"] == report["parts"] and report["failed"] == []
    return digests(output)


@contextlib.contextmanager
def ray():
    import ray

    start_ray()
    yield
    ray.shutdown()


ENGINES = {"local": contextlib.nullcontext, "dask": contextlib.nullcontext, "ray": ray, "spark": spark_session}


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_gives_the_same_bytes(engine, files, town, zones, expected, undisturbed, tmp_path):
    with ENGINES[engine](), contextlib.closing(tasks.open_pool(engine, workers=2)) as pool:
        _on(pool, files, town, expected, undisturbed, tmp_path)
        joined = jobs.over_files("join", Plan.join(zones), [str(files)], str(tmp_path / "joined"), chunk_bytes=CHUNK).run(pool=pool)
        assert joined["rows"] == joined["rows_in"] and same(table(tmp_path / "joined")) == expected["join"]


def _on(pool, files, town, expected, undisturbed, tmp_path):
    report = scoring(files, town, tmp_path / "scores").run(pool=pool)
    assert digests(tmp_path / "scores") == undisturbed
    assert same(table(tmp_path / "scores")) == expected["score"]
    assert report["rows_in"] == report["rows"] == sum(report["status"].values())
    sums = jobs.aggregate([str(tmp_path / "scores")], str(tmp_path / "sums"), ["r7", "r5", "city", "country"], chunk_bytes=CHUNK)
    sums.run(pool=pool)
    for level in ("r7", "r5", "city", "country"):
        here = ucid.aggregate(table(tmp_path / "scores"), level)
        assert pq.read_table(tmp_path / "sums" / f"{level}.parquet").replace_schema_metadata(None).equals(here)
    groups = jobs.aggregate([str(tmp_path / "scores")], str(tmp_path / "groups.parquet"), **GROUPS, chunk_bytes=CHUNK)
    groups.run(pool=pool)
    assert pq.read_table(tmp_path / "groups.parquet").equals(ucid.aggregate(table(tmp_path / "scores"), **GROUPS))


@pytest.mark.parametrize("levels", [["r7", "r5", "city", "country"], None])
def test_states_that_one_task_cannot_hold_are_merged_in_a_tree(levels, places, town, tmp_path, monkeypatch):
    """Whatever its shape, and of a job that goes on, the same bytes as of all states at once."""
    scored = ucid.score(places, index=town)
    for at in range(11):
        pq.write_table(scored.slice(at * 90, 90 if at < 10 else None), tmp_path / f"{at:02}.parquet")
    of = {"to": levels} if levels else GROUPS
    sums = lambda name: jobs.aggregate([str(tmp_path / "*.parquet")], str(tmp_path / name), **of, chunk_bytes=1)  # noqa: E731
    output = lambda name: tmp_path / name if levels else tmp_path / name / "groups.parquet"  # noqa: E731
    sums("flat").run(workers=1)
    made = {path.name for path in (tmp_path / "flat" / "_ucid" / "states").iterdir()}
    assert made == {f"part-{at:06}.parquet" for at in range(11)}
    monkeypatch.setattr(jobs, "MERGE_BYTES", 1)
    monkeypatch.setattr(jobs, "MERGE_FILES", (3, 256))
    sums("tree").run(workers=2)
    done = tmp_path / "tree" / "_ucid" / "done"
    merges = sorted(path.stem for path in done.glob("merge-*"))
    assert merges == [f"merge-1-{at:06}" for at in range(4)] + [f"merge-2-{at:06}" for at in range(2)]
    assert digests(output("tree")) == digests(output("flat")) != {}
    for name in ("merge-1-000002", "merge-2-000000", "finish"):
        (done / f"{name}.json").unlink()
    report = sums("tree").run(workers=1, resume=True)
    assert report["parts_resumed"] == 11 + 4 and digests(output("tree")) == digests(output("flat"))
    monkeypatch.setattr(jobs, "MERGE_FILES", (1, 4))
    monkeypatch.setattr(jobs, "MERGE_BYTES", 1 << 30)
    sums("fours").run(workers=1)
    assert len(list((tmp_path / "fours" / "_ucid" / "done").glob("merge-*"))) == 3
    assert digests(output("fours")) == digests(output("flat"))


def test_every_store_gives_the_same_bytes(store, files, town, undisturbed):
    prefix = f"{store.uri}/{uuid.uuid4().hex}"
    for file in files.iterdir():
        with fsspec.open(f"{prefix}/in/{file.name}", "wb") as out:
            out.write(file.read_bytes())
    scoring(f"{prefix}/in/*.parquet", town, f"{prefix}/scores").run(workers=2)
    assert digests(f"{prefix}/scores") == undisturbed
    again = scoring(f"{prefix}/in/*.parquet", town, f"{prefix}/scores")
    with pytest.raises(UCIDConfigError, match="holds a job already"):
        again.run(workers=1)
    report = again.run(workers=1, resume=True)
    assert report["parts_resumed"] == report["parts"]


def test_a_broken_off_job_goes_on(files, places, town, undisturbed, befell, tmp_path):
    """Killed at several moments, it ends with the bytes of a job that nothing befell; no part is written twice."""
    words = ["score", "-i", files, "-o", tmp_path / "scores", "--index", town, "--chunk", CHUNK, "--workers", 2, "--resume"]
    command = [sys.executable, "-m", "ucid.distributed", *map(str, words)]
    written = {}
    for attempt in range(10 if os.environ.get("UCID_LONG") else 3):
        child = subprocess.Popen([*command, "-q"], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        done = tmp_path / "scores" / "_ucid" / "done"
        end = time.monotonic() + 60
        before = len(list(done.glob("*"))) if done.exists() else 0
        while time.monotonic() < end and child.poll() is None:
            if done.exists() and len(list(done.glob("*.json"))) > before + attempt % 2:
                break
            time.sleep(0.01)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        for file in (tmp_path / "scores").glob("part-*"):
            pq.read_table(file)  # whole
            recorded = (done / f"{file.stem}.json").exists()
            assert written.setdefault(file.name, file.stat().st_mtime_ns) == file.stat().st_mtime_ns or not recorded
            if not recorded:
                del written[file.name]
    report = json.loads(run(*command, "--json", check=False).stdout)
    assert report["exit_code"] == 1 and report["parts_done"] == report["parts"]  # some rows have no place
    assert digests(tmp_path / "scores") == undisturbed
    assert report["parts_resumed"] > 0
    befell("driver and workers killed", "one host", times=attempt + 1, stopped=attempt + 1, rows_in=len(places), output=tmp_path / "scores")


def test_what_a_power_cut_takes_is_done_again(files, places, town, undisturbed, befell, tmp_path):
    """Files and records are left to the system to be written, which may have had no time for it: what is short is not taken for whole."""
    job = scoring(files, town, tmp_path / "scores")
    assert job.run(workers=1)["parts"] >= 4
    done = tmp_path / "scores" / "_ucid" / "done"
    (tmp_path / "scores" / "_ucid" / "report.json").unlink()
    (done / "part-000000.json").write_bytes(b"")
    (done / "part-000001.json").unlink()
    (tmp_path / "scores" / "part-000002.parquet").write_bytes(b"")
    os.truncate(tmp_path / "scores" / "part-000003.parquet", 1000)
    report = job.run(workers=1, resume=True)
    assert report["parts_resumed"] == report["parts"] - 4
    assert digests(tmp_path / "scores") == undisturbed
    befell("power lost before files were on the disk", "one host", stopped=1, rows_in=len(places), output=tmp_path / "scores")


def test_what_would_not_give_the_same_bytes_is_refused(files, town, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for file in sorted(files.iterdir())[:2]:
        (folder / file.name).write_bytes(file.read_bytes())
    scoring(folder, town, tmp_path / "out").run(workers=1)
    other = jobs.over_files("score", Plan.score(index=town, detail=True), [str(folder)], str(tmp_path / "out"), chunk_bytes=CHUNK)
    with pytest.raises(UCIDConfigError, match="options, index or versions"):
        other.run(workers=1, resume=True)
    first = sorted(folder.iterdir())[0]
    first.write_bytes(sorted(folder.iterdir())[1].read_bytes())
    with pytest.raises(UCIDConfigError, match=f"{first.name} has changed"):
        scoring(folder, town, tmp_path / "out").run(workers=1, resume=True)
    before = digests(tmp_path / "out")
    report = scoring(folder, town, tmp_path / "out").run(workers=1, overwrite=True)
    assert digests(tmp_path / "out") != before and len(digests(tmp_path / "out")) == report["parts"]


@pytest.mark.parametrize("engine", ["local", "dask", "ray", "spark"] if os.environ.get("UCID_LONG") else ["local"])
def test_a_poisoned_file_among_a_thousand_is_named(engine, places, town, befell, tmp_path):
    (tmp_path / "in").mkdir()
    few = places.slice(0, 20)
    for i in range(1000):
        pq.write_table(few, tmp_path / "in" / f"{i:04d}.parquet")
    good = (tmp_path / "in" / "0500.parquet").read_bytes()
    begin = pq.ParquetFile(tmp_path / "in" / "0500.parquet").metadata.row_group(0).column(1).data_page_offset
    (tmp_path / "in" / "0500.parquet").write_bytes(good[: begin + 4] + b"\xff" * 40 + good[begin + 44 :])  # its footer is whole
    (tmp_path / "in" / "0700.parquet").write_bytes(good[:1000])
    pq.write_table(few.drop_columns(["lat"]), tmp_path / "in" / "0900.parquet")
    command = [sys.executable, "-m", "ucid.distributed", "score", "-i", tmp_path / "in", "-o", tmp_path / "out", "--index", town,
               "--engine", engine, "--workers", 2, "--json"]  # fmt: skip
    told = run(*command, check=False)
    report = json.loads(told.stdout)
    assert (told.returncode, report["parts_done"], report["rows"]) == (3, 997, 997 * 20)
    names = [one["input"].rsplit("/", 1)[-1] for one in report["failed"]]
    assert names == ["0500.parquet", "0700.parquet", "0900.parquet"]
    assert sum(name in told.stderr for name in names) == 3
    befell("an unreadable file among a thousand, named and left out", engine, times=3, rows_in=997 * 20, output=tmp_path / "out")


def test_cells_of_cities_are_cut_into_parts_of_equal_work(town, tmp_path):
    south, west, north, east = ucid.open_index(town).bounds
    box = (south - 0.5, west - 0.5, north + 0.5, east + 0.5)
    job = jobs.grid([box], str(tmp_path / "grid"), "15MIN", index=town, resolution=9)
    report = job.run(workers=2)
    whole = pa.table(ucid.grid(box, "15MIN", index=town, resolution=9))
    assert report["rows"] == whole.num_rows and report["parts"] > 1
    assert same(table(tmp_path / "grid"), "h3") == same(whole, "h3")


def test_the_program_runs_jobs(files, town, zones, expected, tmp_path, monkeypatch):
    monkeypatch.setenv("UCID_PYTHON", sys.executable)
    words = ["join", "-i", files, "-o", tmp_path / "joined", "--zones", zones, "--columns", "name,people", "--workers", 1]
    assert run(BUILD / "ucid", "distributed", *words, check=False).returncode == 1  # some rows have no place
    assert same(table(tmp_path / "joined")) == expected["join"]
    words = ["aggregate", "-i", files, "-o", tmp_path / "groups", "--by", "city", "--agg", "rows,max,p50", "--of", "id", "--workers", 1]
    run(BUILD / "ucid", "distributed", *words)
    rows = pq.read_table(files)
    groups = pq.read_table(tmp_path / "groups" / "groups.parquet")
    assert groups.equals(ucid.aggregate(rows, by="city", agg="rows,max,p50", of="id"))
    assert run(BUILD / "ucid", "distributed", *words, "--weight", "id", check=False).returncode == 2
    words = ["create", "-i", files, "-o", tmp_path / "made", "--context", "15MIN", "--json", "--workers", 1]
    told = run(BUILD / "ucid", "distributed", *words, check=False)
    assert told.returncode == 1 and json.loads(told.stdout)["rows"] == table(tmp_path / "made").num_rows
    monkeypatch.setenv("UCID_PYTHON", "/none")
    assert run(BUILD / "ucid", "distributed", *words, check=False).returncode == 2
    monkeypatch.delenv("PYTHONPATH")
    monkeypatch.setenv("UCID_PYTHON", sys.executable)
    told = run(BUILD / "ucid", "distributed", *words, check=False)
    assert told.returncode == 2 and "no package ucid" in told.stderr


@pytest.mark.parametrize("engine", ["local", "spark"])
def test_tasks_that_fail_or_hang_are_given_out_again(engine, tmp_path):
    """Those of Spark are given out together; what befalls one costs the others nothing but an attempt."""
    pyspark.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # its workers cannot import this file
    with ENGINES[engine](), contextlib.closing(tasks.open_pool(engine, workers=2)) as pool:
        for kind, said in enumerate(("OSError: once", "ended with 9|exited unexpectedly", "not back within 20 s")):
            reasons = []
            values = [(str(tmp_path / f"{kind}-{i}"), kind if i == 1 else 3) for i in range(4)]
            made = list(tasks.run(pool, _fails_once, values, deadline_s=20, attempts=8,
                                  again=lambda position, reason: reasons.append(reason)))  # noqa: B023  # fmt: skip
            assert {one.position: one.result for one in made} == {i: path for i, (path, _) in enumerate(values)}
            assert any(re.search(said, reason) for reason in reasons), reasons
        # on Spark, which cannot be told where, a task given out again runs twice at once, and one result is enough
        [made] = tasks.run(pool, _fails_twice, [str(tmp_path / "twice")])
        assert made.attempts == (2 if engine == "spark" else 3)
        with pytest.raises(tasks.NoResult, match="failed 2 times, last: ZeroDivisionError"):
            list(tasks.run(pool, _divide, [0], attempts=2))
        # Spark's workers collect garbage after each task: what they have imported is set aside, once
        assert any(one.result for one in tasks.run(pool, _set_aside, range(8))) == (engine == "spark")


def test_a_driver_of_dask_that_does_not_hear_answers_asks_for_them():
    """Answers are events; those of tasks that end while nobody listens do not come, as after a cable was pulled for long."""
    with contextlib.closing(tasks.open_pool("dask", workers=2)) as pool:
        pool._client.unsubscribe_topic(tasks._TOPIC)
        reasons = []
        for first in (0, 20):  # when all had to be asked for, it listens again
            values = range(first, first + 20)
            made = list(tasks.run(pool, functools.partial(pow, 2), values, again=lambda position, reason: reasons.append(reason)))
            assert {one.position: one.result for one in made} == {i: 2**value for i, value in enumerate(values)}
        assert reasons == []
        with pytest.raises(tasks.NoResult, match="failed 2 times, last: ZeroDivisionError"):
            list(tasks.run(pool, functools.partial(operator.truediv, 1), [0], attempts=2))
        with pytest.raises(tasks.NoResult, match="failed 2 times, last: .*cannot pickle"):
            list(tasks.run(pool, memoryview, [b""], attempts=2))


def _fails_once(value):
    path, kind = value
    if not os.path.exists(path):
        open(path, "w").close()
        if kind == 0:
            raise OSError("once")
        if kind == 1:
            os._exit(9)
        if kind == 2:
            time.sleep(3600)
    return path


def _fails_twice(path):
    for i in range(2):
        with contextlib.suppress(FileExistsError):
            open(f"{path}-{i}", "x").close()
            raise OSError("not here")
    return path


def _divide(value):
    return 1 / value


def _set_aside(value):
    return gc.get_freeze_count()


def test_one_of_many_writers_puts_a_new_file(store):
    uri = f"{store.uri}/{uuid.uuid4().hex}/file"
    with ThreadPoolExecutor(8) as pool:
        first = list(pool.map(lambda i: storage.put(uri, [b"%d" % i], new=True), range(8)))
    assert sum(first) == 1 and storage.get(uri) == b"%d" % first.index(True)
    large = os.urandom(12 << 20)  # some requests
    files, path = fsspec.url_to_fs(f"{uri}-large")
    with files.open(path, "wb", **({"block_size": 5 << 20} if store.scheme == "s3" else {})) as out:
        out.write(large)
    assert storage.get(f"{uri}-large") == large


def test_a_process_that_has_used_a_store_can_be_forked(store):
    """As engines do when they start. The client of HDFS waits for ever in the fork, unless what is there keeps it, and what
    others have opened, such as Dask."""
    uri = f"{store.uri}/{uuid.uuid4().hex}/file"
    storage.put(uri, [b"some", b"thing"])
    with ThreadPoolExecutor(1) as pool:  # another thread has a file system of its own
        assert pool.submit(lambda: fsspec.open(uri, "rb").open().read()).result() == b"something"
    child = os.fork()
    if child == 0:
        os._exit(0)
    end = time.monotonic() + 60
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < end:
        time.sleep(0.05)
    if ended == (0, 0):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert ended == (child, 0)


def test_a_file_is_put_whole_and_once(store):
    uri = f"{store.uri}/{uuid.uuid4().hex}/file"
    assert storage.put(uri, [b"first"], new=True)
    assert not storage.put(uri, [b"second"], new=True)
    assert storage.get(uri) == b"first"
    assert storage.put(uri, [b"thi", memoryview(b"rd")]) and storage.get(uri) == b"third"
    assert storage.list_names(uri.rpartition("/")[0]) == {"file": 5}
    storage.remove(uri)
    with pytest.raises(storage.Missing):
        storage.get(uri)
