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

import pyarrow.parquet as pq
import pytest
from clusters import *  # noqa: F403
from netlab import ENGINES, Cluster, lab, wait_for_parts
from servers import process

from conftest import run, ucid

CHUNK = 60_000
LONG = bool(os.environ.get("UCID_LONG"))


def digests(folder):
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.glob("*.parquet")}


@pytest.fixture(scope="module")
def network(files, town, tmp_path_factory):
    """A lab whose store holds the places and a catalog, and what a job on them must give."""
    folder = tmp_path_factory.mktemp("lab")
    with lab(folder) as (made, store):
        shutil.copytree(files, store.folder / "places")
        (store.folder / "catalog").mkdir()
        shutil.copy(town, store.folder / "catalog" / "town.ucidx")
        ucid("catalog", "add", store.folder / "catalog", store.folder / "catalog" / "town.ucidx")
        child = made.start("head", sys.executable, "-m", "ucid.distributed", *job("undisturbed"), "--workers", 1,
                           log="undisturbed")  # fmt: skip
        child.wait()
        made.children.remove(child)
        expected = digests(store.folder / "undisturbed")
        assert len(expected) > 10, (folder / "head-undisturbed.log").read_text()
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
    for child in list(made.children):
        made.end(child)


def whole(network, name, code, report):
    _, store, expected = network
    assert code in (0, 1), report
    assert digests(store.folder / name) == expected
    assert report["rows"] == sum(pq.read_metadata(file).num_rows for file in (store.folder / "places").glob("*.parquet"))


def test_a_whole_job_and_a_worker_killed_on_the_way(cluster, network):
    made, store, expected = network
    name = f"{cluster.engine}-killed"
    child = cluster.drive(*job(name, "--deadline", 60), log=name)
    done = store.folder / name / "_ucid" / "done"
    kills = 10 if LONG else 1
    for i in range(kills):
        wait_for_parts(done, 1 + i * len(expected) // kills, child)
        time.sleep(random.uniform(0, 0.2))
        node = made.nodes[i % 2]
        cluster.kill(node)
        cluster.join(node)
    code, report = finished(made, child, name)
    whole(network, name, code, report)
    assert any(list((made.cache(node) / "indexes").glob("*.ucidx")) for node in made.nodes)
    sums = cluster.drive("aggregate", "--input", f"s3://bucket/{name}", "--output", f"s3://bucket/{name}-sums", "--to", "r7,city",
                         log=f"{name}-sums")  # fmt: skip
    code, report = finished(made, sums, f"{name}-sums")
    assert code == 0 and (store.folder / f"{name}-sums" / "r7.parquet").exists()


def test_a_cable_is_pulled(cluster, network):
    """Of a worker, for longer than its tasks may take; of the head, for a while."""
    made, store, expected = network
    name = f"{cluster.engine}-cable"
    child = cluster.drive(*job(name, "--deadline", 25, "--attempts", 20), log=name)
    wait_for_parts(store.folder / name / "_ucid" / "done", 2, child)
    host = made.nodes[0] if cluster.engine != "dask" else "head"
    made.link(host, "down")
    time.sleep(20)
    made.link(host, "up")
    code, report = finished(made, child, name)
    if code not in (0, 1):  # it may stop, if it says why; then it goes on
        assert code == 5 and "resume" in report["error"]["message"], report
        for node in made.nodes:
            if cluster.workers[node].poll() is not None:
                cluster.join(node)
        code, report = finished(made, cluster.drive(*job(name, "--resume"), log=f"{name}-again"), f"{name}-again")
    whole(network, name, code, report)


def test_a_host_is_short_of_wire_disk_and_memory_and_its_index_is_damaged(network):
    made, store, _ = network
    cluster = Cluster(made, "dask")
    slow, poor = made.nodes

    def again(name):
        code, report = finished(made, cluster.drive(*job(name, "--attempts", 60), log=name), name)
        whole(network, name, code, report)
        return report

    try:
        made.throttle(slow, "8mbit")
        again("throttled")
        [index] = (made.cache(slow) / "indexes").glob("*.ucidx")
        damaged = bytearray(index.read_bytes())
        damaged[len(damaged) // 2] ^= 0xFF
        index.write_bytes(damaged)
        cluster.kill(slow)
        cluster.join(slow)
        again("damaged")
        cluster.kill(poor)
        shutil.rmtree(made.cache(poor), ignore_errors=True)
        made.cache(poor).mkdir()
        run("mount", "-t", "tmpfs", "-o", "size=64k", "none", made.cache(poor))
        cluster.join(poor)
        again("full")
        cluster.kill(poor)
        run("umount", made.cache(poor))
        cluster.join(poor, "--memory-limit", "120MB")  # less than the package needs: its nanny ends it again and again
        again("memory")
    finally:
        run("umount", made.cache(poor), check=False)
        for child in list(made.children):
            made.end(child)
