"""Object stores for tests: versitygw and MinIO (S3), fake-gcs-server (GCS), Hadoop's mini-cluster (HDFS), as scripts/servers
gets them. Each is a `Store`, started on a free port of loopback with its data in a folder of the test, and ended by its id."""

import contextlib
import dataclasses
import functools
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import s3fs

from conftest import SOURCE, run

from .clusters import hold

KEY, SECRET, REGION = "ucid", "a secret of the tests", "us-east-1"
BUCKET = "bucket"


@functools.cache
def servers(name):
    """Folder of the servers, with the named one in it."""
    return Path(run(SOURCE / "scripts" / "servers", name).stdout.strip())


def free_port(host="127.0.0.1"):
    with socket.socket() as free:
        free.bind((host, 0))
        return free.getsockname()[1]


def wait_until(ready, what, process=None, seconds=90):
    """Ask every 50 ms; a server that ended, or that is not ready in time, fails the test."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process is not None and process.poll() is not None:
            pytest.fail(f"{what} ended with {process.returncode}")
        if ready():
            return
        time.sleep(0.05)
    pytest.fail(f"{what} was not ready in {seconds} s")


def answers(url):
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except OSError as error:
        return isinstance(error, urllib.error.HTTPError)
    return True


@contextlib.contextmanager
def process(command, log, **options):
    """A process, ended at the end: asked to, then made to."""
    with open(log, "ab") as out:
        child = subprocess.Popen([str(word) for word in command], stdout=out, stderr=out, **options)
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@dataclasses.dataclass
class Store:
    """A running store: names in it start with `uri`, programs find it by `environment`."""

    scheme: str
    uri: str
    environment: dict
    folder: Path
    url: str = ""

    def set(self, monkeypatch):
        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)
        if self.scheme == "s3":  # one of another server has read its environment
            s3fs.S3FileSystem.clear_instance_cache()
        hold([self.uri])  # the tests' own use of HDFS


def s3_environment(url, secret=SECRET):
    return {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": secret, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": url, "AWS_EC2_METADATA_DISABLED": "true"}  # fmt: skip


@contextlib.contextmanager
def s3(folder, host="127.0.0.1", port=None, before=()):
    """versitygw over a folder. `before` goes before the command: ip netns exec NAME."""
    port = port or free_port(host)
    (folder / "data" / BUCKET).mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "ROOT_ACCESS_KEY": KEY, "ROOT_SECRET_KEY": SECRET}
    gateway = servers("s3") / "versitygw-v1.8.0"
    command = [*before, gateway, "--port", f"{host}:{port}", "--region", REGION, "--health", "/health", "posix", folder / "data"]
    url = f"http://{host}:{port}"
    with process(command, folder / "s3.log", env=environment) as child:
        if before:
            probe = [*before, sys.executable, "-c", f"import urllib.request as it; it.urlopen('{url}/health', timeout=2)"]
            wait_until(lambda: run(*probe, check=False).returncode == 0, "versitygw", child)
        else:
            wait_until(lambda: answers(f"{url}/health"), "versitygw", child)
        yield Store("s3", f"s3://{BUCKET}", s3_environment(url), folder / "data" / BUCKET, url)


@contextlib.contextmanager
def minio(folder):
    """MinIO, a second S3 by other people, where `scripts/servers minio` has been run."""
    [gateway] = _built("minio-*") or [None]
    if gateway is None:
        pytest.skip("MinIO is missing: scripts/servers minio")
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [gateway, "server", "--quiet", "--address", f"127.0.0.1:{port}", "--console-address", f"127.0.0.1:{free_port()}",
               folder / "data"]  # fmt: skip
    environment = {**os.environ, "MINIO_ROOT_USER": KEY, "MINIO_ROOT_PASSWORD": SECRET, "MINIO_UPDATE": "off", "HOME": str(folder)}
    with process(command, folder / "minio.log", env=environment) as child:
        wait_until(lambda: answers(f"{url}/minio/health/ready"), "MinIO", child)
        told = s3_environment(url)
        s3fs.S3FileSystem(key=KEY, secret=SECRET, endpoint_url=url, client_kwargs={"region_name": REGION}).mkdir(BUCKET)
        yield Store("s3", f"s3://{BUCKET}", told, folder / "data" / BUCKET, url)


def _built(pattern):
    """What of a name there is in the folder of the servers."""
    return sorted(servers("s3").glob(pattern))


@contextlib.contextmanager
def gcs(folder):
    """fake-gcs-server, which checks no credentials."""
    port = free_port()
    (folder / "data" / BUCKET).mkdir(parents=True)
    url = f"http://127.0.0.1:{port}"
    command = [servers("gcs") / "fake-gcs-server-v1.56.1", "-scheme", "http", "-host", "127.0.0.1", "-port", port,
               "-public-host", f"127.0.0.1:{port}", "-backend", "filesystem", "-filesystem-root", folder / "data"]  # fmt: skip
    # gcsfs asks for the kind of a bucket in a way that the fake does not know, for a minute
    environment = {"STORAGE_EMULATOR_HOST": url, "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}
    with process(command, folder / "gcs.log") as child:
        wait_until(lambda: answers(f"{url}/storage/v1/b"), "fake-gcs-server", child)
        yield Store("gs", f"gs://{BUCKET}", environment, folder / "data" / BUCKET, url)


@contextlib.contextmanager
def hdfs(folder):
    """A NameNode and two DataNodes in one process."""
    jars = servers("hdfs") / "hadoop-3.5.0"
    config, details = folder / "conf" / "hdfs-site.xml", folder / "details.json"
    config.parent.mkdir()
    (folder / "tmp").mkdir()
    command = ["java", "-Xmx300m", f"-Djava.io.tmpdir={folder}/tmp", "-cp", f"{jars}/*",
               "org.apache.hadoop.mapreduce.MiniHadoopClusterManager", "-nomr", "-D", f"hadoop.tmp.dir={folder}/tmp", "-datanodes", 2,
               "-nnhttpport", 0, "-format", "-writeConfig", config, "-writeDetails", details]  # fmt: skip
    with process(command, folder / "hdfs.log", cwd=folder) as child:
        wait_until(lambda: details.exists() and details.read_text().endswith("}"), "HDFS", child, 180)
        shutil.copy(config, config.with_name("core-site.xml"))
        port = json.loads(details.read_text())["namenode_port"]
        environment = {"HADOOP_CONF_DIR": str(config.parent), "HADOOP_USER_NAME": Path.home().owner()}
        yield Store("hdfs", f"hdfs://localhost:{port}", environment, folder)


def connectors():
    """Jars by which Spark reads S3 and GCS."""
    return sorted((servers("spark") / "spark-hadoop-3.5.0").glob("*.jar"))


STORES = {"s3": s3, "minio": minio, "gs": gcs, "hdfs": hdfs}
