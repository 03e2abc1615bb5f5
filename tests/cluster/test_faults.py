"""What stores and hosts do to a job, on this host: answers of 503, broken transfers, a store that is away, a full disk, a damaged
index. (What networks and clusters do is in test_clusters.py.)"""

import asyncio
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time

import pytest

from conftest import run, ucid

from .servers import free_port, s3, s3_environment

CHUNK = 100_000


class Proxy:
    """Stands before a store and spoils a share of the answers: a 503, or an end in the middle. `away` lets nobody in."""

    def __init__(self, port, share, seed=7):
        self.port, self.share, self.random = port, share, random.Random(seed)
        self.away = False
        self.spoilt = 0
        self.own = free_port()
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()
        assert self.ready.wait(30)

    def _serve(self):
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(asyncio.start_server(self._connect, "127.0.0.1", self.own))
        self.ready.set()
        self.loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0.1))
        self.loop.close()

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    async def _connect(self, reader, writer):
        try:
            if self.away:
                return
            fate = self.random.random()
            if fate < self.share / 2:
                self.spoilt += 1
                await reader.read(65536)
                writer.write(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                await writer.drain()
                return
            cut = self.random.randrange(200, 60_000) if fate < self.share else None
            self.spoilt += cut is not None
            there, out = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                await asyncio.wait([asyncio.ensure_future(self._copy(reader, out, None)),
                                    asyncio.ensure_future(self._copy(there, writer, cut))],
                                   return_when=asyncio.FIRST_COMPLETED)  # fmt: skip
            finally:
                out.close()
        except OSError:
            pass
        finally:
            writer.close()

    async def _copy(self, reader, writer, most):
        while data := await reader.read(65536):
            if most is not None and len(data) >= most:
                writer.write(data[:most])
                await writer.drain()
                return
            most = None if most is None else most - len(data)
            writer.write(data)
            await writer.drain()


@pytest.fixture(scope="module")
def store(files, town, tmp_path_factory):
    """A store that holds the places and a catalog."""
    with s3(tmp_path_factory.mktemp("s3")) as made:
        shutil.copytree(files, made.folder / "places")
        (made.folder / "catalog").mkdir()
        shutil.copy(town, made.folder / "catalog" / "town.ucidx")
        ucid("catalog", "add", made.folder / "catalog", made.folder / "catalog" / "town.ucidx")
        yield made


ENGINES = ("local", "dask", "ray", "spark") if os.environ.get("UCID_LONG") else ("local", "dask")


def start(store, name, tmp_path, *more, url=None, cache=None, **variables):
    command = [sys.executable, "-m", "ucid.distributed", "score", "-i", "s3://bucket/places", "-o", f"s3://bucket/{name}",
               "--catalog", "s3://bucket/catalog", "--chunk", str(CHUNK), "--workers", "2", "--json", *more]  # fmt: skip
    environment = {**os.environ, **s3_environment(url or store.url), "UCID_CACHE": str(cache or tmp_path / "cache"), **variables}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(child):
    said, problems = child.communicate(timeout=400)
    assert said, problems
    return child.returncode, json.loads(said)


def digests(store, name):
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in (store.folder / name).glob("*.parquet")}


@pytest.fixture(scope="module")
def expected(store, tmp_path_factory):
    code, report = ended(start(store, "undisturbed", tmp_path_factory.mktemp("undisturbed")))
    assert code == 1 and report["resubmitted"] == 0
    return digests(store, "undisturbed")


@pytest.fixture
def survived(store, places, befell):
    """Tells what befell a job on the store."""
    return lambda fault, where, name, **more: befell(fault, where, rows_in=len(places), output=store.folder / name, **more)


@pytest.mark.parametrize("engine", ENGINES)
def test_answers_of_503_and_broken_transfers(engine, store, expected, survived, tmp_path):
    name = f"spoilt-{engine}"
    proxy = Proxy(int(store.url.rsplit(":", 1)[1]), 0.2)
    try:
        code, report = ended(start(store, name, tmp_path, "--engine", engine, "--attempts", "30", url=f"http://127.0.0.1:{proxy.own}"))
    finally:
        proxy.close()
    assert code == 1, report
    assert proxy.spoilt > 3
    assert digests(store, name) == expected
    survived("an answer of 503, or a transfer broken off", engine, name, times=proxy.spoilt)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_store_that_is_away_for_a_while(engine, store, expected, survived, tmp_path):
    name = f"away-{engine}"
    proxy = Proxy(int(store.url.rsplit(":", 1)[1]), 0)
    try:
        child = start(store, name, tmp_path, "--engine", engine, url=f"http://127.0.0.1:{proxy.own}")
        done = store.folder / name / "_ucid" / "done"
        while child.poll() is None and not (done.exists() and list(done.glob("*.json"))):
            time.sleep(0.02)
        assert child.poll() is None
        proxy.away = True
        time.sleep(10)
        proxy.away = False
        code, report = ended(child)
    finally:
        proxy.close()
    assert code == 1, report
    assert digests(store, name) == expected
    survived("the store away for 10 s", engine, name)


def test_a_store_that_stays_away_is_named_and_the_job_goes_on_later(store, expected, survived, tmp_path):
    proxy = Proxy(int(store.url.rsplit(":", 1)[1]), 0)
    try:
        child = start(store, "gone", tmp_path, "--attempts", "2", url=f"http://127.0.0.1:{proxy.own}",
                      UCID_STORAGE_PATIENCE_S="2", AWS_MAX_ATTEMPTS="1")  # fmt: skip
        done = store.folder / "gone" / "_ucid" / "done"
        while child.poll() is None and not (done.exists() and list(done.glob("*.json"))):
            time.sleep(0.02)
        proxy.away = True
        code, report = ended(child)
    finally:
        proxy.close()
    assert code == 5 and "--resume goes on" in report["error"]["message"]
    code, report = ended(start(store, "gone", tmp_path, "--resume"))
    assert code == 1 and report["parts_resumed"] >= 1
    assert digests(store, "gone") == expected
    survived("the store away for good", "S3", "gone", stopped=1)


def test_a_full_disk_is_named_and_the_job_goes_on_later(store, expected, survived, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0 or run("mount", "-t", "tmpfs", "-o", "size=64k", "none", disk, check=False).returncode != 0:
        pytest.skip("mounting a small disk needs root")
    try:
        code, report = ended(start(store, "full", tmp_path, "--attempts", "2", cache=disk))
    finally:
        run("umount", disk)
    assert code in (4, 5) and "No space left" in report["error"]["message"], report
    code, report = ended(start(store, "full", tmp_path, "--resume"))
    assert code == 1 and digests(store, "full") == expected
    survived("the disk of the index cache full", "one host", "full", stopped=1)


def test_a_damaged_index_of_a_host_is_fetched_again(store, expected, survived, tmp_path):
    ended(start(store, "first", tmp_path))
    [index] = (tmp_path / "cache" / "indexes").glob("*.ucidx")
    bytes_ = bytearray(index.read_bytes())
    bytes_[len(bytes_) // 2] ^= 0xFF
    index.write_bytes(bytes_)
    code, report = ended(start(store, "second", tmp_path))
    assert code == 1, report
    assert digests(store, "second") == digests(store, "first") == expected
    survived("the cached index damaged", "one host", "second")
