"""A small network of hosts that share nothing but wires: each is a network namespace with a cable to one switch, a cache
folder of its own, and processes that are ended by their ids. Needs root and iproute2.

    switch 10.77.0.0/24 ── head 10.77.0.1 ── node 10.77.0.11, .12, ... ── store 10.77.0.5
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest

from conftest import BUILD, run

from .servers import s3, wait_until

ADDRESS = {"head": "10.77.0.1", "store": "10.77.0.5"}
ENGINES = ("dask", "spark", "ray")
JOINED = {"dask": "Registered to:", "spark": "Successfully registered with master", "ray": "Ray runtime started"}  # as workers log it
# Words and variables by which a worker has too little memory: its nanny ends it again and again; its Python gets no more; its raylet
# finds the host full and ends what runs.
POOR = {
    "dask": (("--memory-limit", "120MB"), {}),
    "spark": ((), {"PYSPARK_EXECUTOR_MEMORY_MB": "120"}),
    "ray": ((), {"RAY_memory_usage_threshold": "0.01", "RAY_memory_monitor_refresh_ms": "100"}),
}


class Lab:
    """Hosts, what runs on them, and what may befall them."""

    def __init__(self, folder, nodes):
        self.folder = folder
        self.nodes = [f"node{i}" for i in range(nodes)]
        self.address = {**ADDRESS, **{node: f"10.77.0.{11 + i}" for i, node in enumerate(self.nodes)}}
        self.prefix = f"ucid{os.getpid()}-"
        self.children = []
        self.environment = {}

    def namespace(self, host):
        return self.prefix + host

    def ip(self, *words, check=True):
        return run("ip", *words, check=check)

    def up(self):
        """The switch, whose namespace is there, and the hosts, each with its cable."""
        switch = self.namespace("switch")
        self.ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        self.ip("-n", switch, "link", "set", "bridge", "up")
        for host, address in self.address.items():
            name = self.namespace(host)
            self.ip("netns", "add", name)
            self.ip("-n", name, "link", "set", "lo", "up")
            self.ip("link", "add", host, "netns", switch, "type", "veth", "peer", "name", "eth0", "netns", name)
            self.ip("-n", switch, "link", "set", host, "master", "bridge", "up")
            self.ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
            self.ip("-n", name, "link", "set", "eth0", "up")

    def down(self):
        for child in reversed(self.children):
            self.end(child)
        left = []
        for host in [*self.address, "switch"]:
            name = self.namespace(host)
            for pid in self.ip("netns", "pids", name, check=False).stdout.split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            self.ip("netns", "del", name, check=False)
            left += [line for line in self.ip("netns", "list").stdout.splitlines() if line.split()[:1] == [name]]
        assert left == []

    def inside(self, host):
        """What goes before a command so that it runs on a host."""
        return ["ip", "netns", "exec", self.namespace(host)]

    def variables(self, host):
        """Environment of a host: its own cache, and nothing of the tests' network."""
        return {**os.environ, **self.environment, "PYTHONPATH": str(BUILD / "python"), "UCID_CACHE": str(self.cache(host)),
                "PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable, "SPARK_LOCAL_IP": self.address[host],
                "RAY_AUTH_MODE": "disabled", "RAY_raylet_start_wait_time_s": "40", "RAY_USAGE_STATS_ENABLED": "0",
                "SPARK_LOCAL_DIRS": str(self.place(host)), "SPARK_WORKER_DIR": str(self.place(host)),
                "no_proxy": "*"}  # fmt: skip

    def place(self, host):
        folder = self.folder / host
        folder.mkdir(exist_ok=True)
        return folder

    def cache(self, host):
        return self.place(host) / "cache"

    def start(self, host, *command, log=None, variables=None):
        """A process on a host, with variables beside the host's; returns it."""
        with open(self.folder / f"{host}-{log or len(self.children)}.log", "ab") as out:
            child = subprocess.Popen([*self.inside(host), *(str(word) for word in command)], stdout=out, stderr=out,
                                     env={**self.variables(host), **(variables or {})}, cwd=self.place(host), start_new_session=True)  # fmt: skip
        self.children.append(child)
        return child

    def end(self, child, number=signal.SIGTERM):
        """End a process and all that it has started."""
        with contextlib.suppress(psutil.NoSuchProcess):
            family = [psutil.Process(child.pid), *psutil.Process(child.pid).children(recursive=True)]
            for one in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.send_signal(number)
            _, alive = psutil.wait_procs(family, timeout=10)
            for one in alive:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
        child.wait()
        if child in self.children:
            self.children.remove(child)

    def link(self, host, state):
        """Pull a host's cable, or plug it in: "down", "up"."""
        self.ip("-n", self.namespace("switch"), "link", "set", host, state)

    @contextlib.contextmanager
    def throttled(self, host, rate):
        """Let so much through a host's cable, each way: "8mbit"."""
        limit = ["root", "tbf", "rate", rate, "burst", "64kb", "latency", "400ms"]
        ends = [("-n", self.namespace("switch"), host), ("-n", self.namespace(host), "eth0")]
        for *where, device in ends:
            run("tc", *where, "qdisc", "replace", "dev", device, *limit)
        yield
        for *where, device in ends:
            run("tc", *where, "qdisc", "del", "dev", device, "root")

    def reaches(self, host, address, port):
        probe = f"import socket; socket.create_connection(('{address}', {port}), 2).close()"
        return run(*self.inside(host), sys.executable, "-c", probe, check=False).returncode == 0


@contextlib.contextmanager
def lab(folder, nodes=2):
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and iproute2")
    made = Lab(folder, nodes)
    if (refused := made.ip("netns", "add", made.namespace("switch"), check=False)).returncode != 0:
        pytest.skip(f"no network namespaces here: {refused.stderr.strip()}")
    try:
        made.up()
        with s3(made.place("store"), ADDRESS["store"], 7070, made.inside("store")) as store:
            made.environment = store.environment
            yield made, store
    finally:
        made.down()


class Cluster:
    """An engine's cluster in a lab: a head, a worker on each node, and a job that is driven from the head."""

    def __init__(self, lab, engine):
        self.lab, self.engine = lab, engine
        self.head = lab.address["head"]
        self.workers, self.before = {}, {}
        self.address, command, port = {
            "dask": (f"tcp://{self.head}:8786", [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", self.head,
                     "--port", 8786, "--no-dashboard"], 8786),
            "ray": (f"{self.head}:6379", self.ray(self.head, 0, "--head", "--port=6379", "--include-dashboard=false",
                                             f"--temp-dir={os.environ['RAY_TMPDIR']}/lab"), 6379),
            "spark": (f"spark://{self.head}:7077", [*self.spark("master.Master"), "-h", self.head, "-p", 7077, "--webui-port", 0],
                      7077),
        }[engine]  # fmt: skip
        child = self.launch("head", command)
        wait_until(lambda: lab.reaches("head", self.head, port), f"head of {engine}", child, 180)
        for node in lab.nodes:
            self.join(node)

    @staticmethod
    def ray(address, cpus, *words):
        program = str(os.path.join(os.path.dirname(sys.executable), "ray"))
        return [program, "start", "--block", f"--node-ip-address={address}", f"--num-cpus={cpus}", "--disable-usage-stats",
                "--object-store-memory=100000000", *words]  # fmt: skip

    @staticmethod
    def spark(name):
        import pyspark

        home = os.path.dirname(pyspark.__file__)
        return [f"{home}/bin/spark-class", f"org.apache.spark.deploy.{name}"]

    def join(self, node, poor=False):
        """Start the worker of a node; a poor one has less memory than the package needs."""
        own = self.lab.address[node]
        command = {
            "dask": lambda: [sys.executable, "-m", "distributed.cli.dask_worker", self.address, "--host", own, "--nthreads", 1,
                             "--no-dashboard", "--memory-limit", "1GB", "--death-timeout", 60, "--local-directory", "dask"],
            "ray": lambda: self.ray(own, 1, f"--address={self.address}"),
            "spark": lambda: [*self.spark("worker.Worker"), "-h", own, "-c", 1, "-m", "1g", "--webui-port", 0, self.address],
        }[self.engine]()  # fmt: skip
        more, variables = POOR[self.engine] if poor else ((), {})
        self.workers[node] = self.launch(node, [*command, *more], variables)

    def launch(self, host, command, variables=None):
        """Start a process of the engine; Ray, which gives up where a host is slow, is started again until it says so."""
        before = self.starts(host)
        child = self.lab.start(host, *command, log=self.engine, variables=variables)
        end = time.monotonic() + 600
        while self.engine == "ray" and self.starts(host) == before:
            if time.monotonic() > end:
                pytest.fail(f"ray did not start on {host}")
            if child.poll() is not None:
                self.lab.end(child)
                child = self.lab.start(host, *command, log=self.engine, variables=variables)
            time.sleep(0.2)
        return child

    def starts(self, host):
        """How often an engine has said on a host that it has started."""
        log = self.lab.folder / f"{host}-{self.engine}.log"
        return log.read_text(errors="replace").count(JOINED[self.engine]) if log.exists() else 0

    def up(self):
        """Nodes whose workers have joined."""
        return [node for node in self.workers if self.starts(node) > self.before.get(node, 0)]

    def kill(self, node):
        """End a node's worker with all its processes, at once."""
        self.lab.end(self.workers.pop(node), signal.SIGKILL)
        self.before[node] = self.starts(node)

    def end(self):
        """All at once: there is nothing that they could still write."""
        for child in list(self.lab.children):
            self.lab.end(child, signal.SIGKILL)

    def restart(self):
        """Start the workers again that have given up."""
        for node, child in list(self.workers.items()):
            if child.poll() is not None:
                self.lab.end(child)
                self.join(node)

    def drive(self, *words, log="driver"):
        """A job, driven from the head."""
        return self.lab.start("head", sys.executable, "-m", "ucid.distributed", *words, "--engine", self.engine, "--cluster",
                              self.address, "--json", log=log)  # fmt: skip


def wait_for_parts(folder, count, child, seconds=240):
    """Until a job has recorded so many parts."""
    end = time.monotonic() + seconds
    while child.poll() is None and time.monotonic() < end:
        if folder.exists() and len(list(folder.glob("*.json"))) >= count:
            return
        time.sleep(0.02)
