"""Jobs on clusters whose hosts share nothing but the network, while they lose workers, wires, the store, disk and memory: they
end with the bytes of a job that nothing befell, or stop with the cause and go on to them."""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pyarrow.parquet as pq
import pytest

from conftest import run, ucid

from .netlab import ENGINES, Cluster, lab, wait_for_parts
from .servers import wait_until

CHUNK = 1000  # bytes: a part is a row group
PARTS = 30 if os.environ.get("UCID_LONG") else 6  # of each file
LONG = bool(os.environ.get("UCID_LONG"))
KILLS = 10 if LONG else 2


def digests(folder):
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.glob("*.parquet")}


@pytest.fixture(scope="module")
def network(files, town, tmp_path_factory):
    """A lab whose store holds the places and a catalog, and what a job on them must give."""
    folder = tmp_path_factory.mktemp("lab")
    with lab(folder) as (made, store):
        (store.folder / "places").mkdir()
        for file in files.glob("*.parquet"):  # in many small parts, so that a job takes a while
            rows = pq.read_table(file)
            pq.write_table(rows, store.folder / "places" / file.name, row_group_size=-(-len(rows) // PARTS))
        (store.folder / "catalog").mkdir()
        shutil.copy(town, store.folder / "catalog" / "town.ucidx")
        ucid("catalog", "add", store.folder / "catalog", store.folder / "catalog" / "town.ucidx")
        child = made.start("head", sys.executable, "-m", "ucid.distributed", *job("undisturbed"), "--workers", 1,
                           log="undisturbed")  # fmt: skip
        child.wait()
        made.children.remove(child)
        expected = digests(store.folder / "undisturbed")
        assert len(expected) == 7 * PARTS, (folder / "head-undisturbed.log").read_text()
        yield made, store, expected


def job(name, *more):
    return ["score", "--input", "s3://bucket/places/*.parquet", "--output", f"s3://bucket/{name}", "--catalog",
            "s3://bucket/catalog", "--chunk", CHUNK, *more]  # fmt: skip


def finished(made, child, log="driver", seconds=400):
    """Exit code and report of a job."""
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        made.end(child)
        pytest.fail(f"the job did not end in {seconds} s\n{(made.folder / f'head-{log}.log').read_text()[-3000:]}")
    made.children.remove(child)
    text = (made.folder / f"head-{log}.log").read_text()
    begin = text.rfind("\n{\n") + 1 if "\n{\n" in text else text.find("{\n")
    return child.returncode, json.loads(text[begin : text.rindex("}") + 1]) if begin >= 0 and "}" in text else text


@pytest.fixture(scope="module", params=ENGINES)
def cluster(request, network):
    made, store, expected = network
    started = Cluster(made, request.param)
    yield started
    started.end()


def whole(network, name, code, report):
    """The job has ended as if nothing had befallen it; returns the rows that went in."""
    _, store, expected = network
    assert code in (0, 1), report
    assert digests(store.folder / name) == expected
    rows = sum(pq.read_metadata(file).num_rows for file in (store.folder / "places").glob("*.parquet"))
    assert report["rows"] == rows
    return rows


def test_a_whole_job_and_workers_killed_on_the_way(cluster, network, befell):
    """Each kill waits for parts that were done since the one before, and takes a host that has joined: however long hosts take to
    come back, the job does little in between."""
    made, store, expected = network
    name = f"{cluster.engine}-killed"
    child = cluster.drive(*job(name, "--deadline", 60, "--attempts", 20), log=name)
    done = store.folder / name / "_ucid" / "done"
    killed, joining = 0, []
    with ThreadPoolExecutor(2) as pool:
        for _ in range(KILLS):
            wait_for_parts(done, len(list(done.glob("*.json"))) + random.randint(1, len(expected) // (2 * KILLS)), child)
            wait_until(cluster.up, "a host that has joined", seconds=240)
            node = random.choice(cluster.up())
            killed += child.poll() is None
            cluster.kill(node)
            joining.append(pool.submit(cluster.join, node))
    for one in joining:
        one.result()
    code, report = finished(made, child, name)
    rows = whole(network, name, code, report)
    assert killed == KILLS or (killed and not LONG)
    befell("a worker and all its processes killed, another started", cluster.engine, times=killed, rows_in=rows, output=store.folder / name)
    assert any(list((made.cache(node) / "indexes").glob("*.ucidx")) for node in made.nodes)
    sums = cluster.drive("aggregate", "--input", f"s3://bucket/{name}", "--output", f"s3://bucket/{name}-sums", "--to", "r7,city",
                         log=f"{name}-sums")  # fmt: skip
    code, report = finished(made, sums, f"{name}-sums")
    assert code == 0 and (store.folder / f"{name}-sums" / "r7.parquet").exists()


FUNCTIONS = """
import sys
import pyarrow as pa
from pyspark.sql import SparkSession
import ucid
from ucid.distributed.spark import register

address, head = sys.argv[1:]
builder = SparkSession.builder.master(address).config("spark.driver.host", head).config("spark.executor.memory", "512m")
spark = builder.config("spark.ui.enabled", "false").getOrCreate()
register(spark, jvm=True)
made = spark.range(0, 4000, 1, 8).selectExpr("id", "ucid_create('IST', 41 + id / 10000, 29, '2026W01T12', '15MIN') AS ucid")
plan = made._jdf.queryExecution().executedPlan().toString()
lat = pa.array([41 + i / 10000 for i in range(4000)])
here = ucid.create(pa.table({"lat": lat, "lon": pa.repeat(29.0, 4000)}), city="IST", timestamp="2026W01T12", context="15MIN")
assert "Python" not in plan and made.toArrow().sort_by("id").column("ucid").to_pylist() == here.column("ucid").to_pylist()
spark.stop()
"""


def test_functions_of_sql(cluster, network):
    """Their jar travels to workers from the driver, and its library loads there."""
    if cluster.engine != "spark":
        pytest.skip("Spark alone has SQL")
    made = network[0]
    child = made.start("head", sys.executable, "-c", FUNCTIONS, cluster.address, made.address["head"], log="functions")
    child.wait(240)
    made.children.remove(child)
    assert child.returncode == 0, (made.folder / "head-functions.log").read_text()[-3000:]
    for node in made.nodes:
        assert list(made.place(node).glob("app-*/*/spark.jar"))


@pytest.mark.parametrize("whose", ["worker", "head"])
def test_a_cable_is_pulled(cluster, whose, network, befell):
    """For 20 s: of a worker, for longer than its tasks may take; or of the host of scheduler and driver."""
    made, store, expected = network
    if not LONG and (whose == "head") != (cluster.engine == "dask"):
        pytest.skip("one cable an engine; UCID_LONG=1 pulls both")
    name = f"{cluster.engine}-cable-{whose}"
    child = cluster.drive(*job(name, "--deadline", 15, "--attempts", 20, "--patience", 60), log=name)
    wait_for_parts(store.folder / name / "_ucid" / "done", 2, child)
    host = "head" if whose == "head" else made.nodes[0]
    made.link(host, "down")
    assert child.poll() is None
    time.sleep(20)
    made.link(host, "up")
    code, report = finished(made, child, name)
    stopped = code not in (0, 1)
    if stopped:  # it may, if it says why; then it goes on
        assert code == 5 and "resume" in report["error"]["message"], report
        cluster.restart()
        code, report = finished(made, cluster.drive(*job(name, "--resume"), log=f"{name}-again"), f"{name}-again")
    rows = whole(network, name, code, report)
    cluster.restart()
    befell(f"the cable of the {whose} pulled for 20 s", cluster.engine, stopped=int(stopped), rows_in=rows, output=store.folder / name)


def test_a_host_is_short_of_wire_disk_and_memory_and_its_index_is_damaged(cluster, network, befell):
    """And the store is away."""
    made, store, _ = network
    if not LONG and cluster.engine != "dask":
        pytest.skip("on one engine; UCID_LONG=1 has all three")
    slow, poor = made.nodes

    def begun(name):
        name = f"{cluster.engine}-{name}"
        return name, cluster.drive(*job(name, "--deadline", 60, "--attempts", 60), log=name)

    def survived(name, child, fault):
        code, report = finished(made, child, name)
        rows = whole(network, name, code, report)
        befell(fault, cluster.engine, rows_in=rows, output=store.folder / name)
        return report

    name, child = begun("away")
    wait_for_parts(store.folder / name / "_ucid" / "done", 2, child)
    made.link("store", "down")
    assert child.poll() is None
    time.sleep(10)
    made.link("store", "up")
    survived(name, child, "the store away for 10 s")
    with made.throttled(slow, "8mbit"):
        survived(*begun("throttled"), "a cable throttled to 8 Mbit/s")
    [index] = (made.cache(slow) / "indexes").glob("*.ucidx")
    good = index.read_bytes()
    damaged = bytearray(good)
    damaged[len(damaged) // 2] ^= 0xFF
    index.write_bytes(damaged)
    cluster.kill(slow)
    cluster.kill(poor)  # so that the damaged host has all the work
    cluster.join(slow)
    survived(*begun("damaged"), "the cached index of a host damaged")
    assert index.read_bytes() == good
    cluster.kill(slow)
    shutil.rmtree(made.cache(poor), ignore_errors=True)
    made.cache(poor).mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=64k", "none", made.cache(poor))
    try:
        cluster.join(poor)
        name, child = begun("full")
        wait_until(lambda: any(made.cache(poor).rglob("*")), "an index on the full disk", child, 180)
        cluster.join(slow)
        assert survived(name, child, "the disk of a host's index cache full")["resubmitted"] > 0
    finally:
        cluster.kill(poor)
        run("umount", made.cache(poor))
    cluster.join(poor, poor=True)
    survived(*begun("memory"), "a worker with less memory than the package needs")
    if cluster.engine == "dask":  # the others say it each in its own way, or not at all
        assert "memory budget. Restarting" in (made.folder / f"{poor}-dask.log").read_text(errors="replace")
