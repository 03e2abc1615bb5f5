"""How jobs scale to 256 workers: what a task is, what an engine costs a task, and what the real scheduler makes of them.

    PYTHONPATH=build/python .venv-cluster/bin/python bench/bench_scaling.py index.ucidx [--engines dask,ray,spark]
        [--workers 4,16,64,256] [--input GB] [--task SECONDS] [--tasks-a-worker 6] [--when-warm COMMAND]

1. task: seconds of one part of an input of so many GB on one thread of this host, its bytes in and out, the bytes of the index,
   which a host fetches once.
2. engine: seconds that a task costs which does nothing, of TASKS tasks on one worker.
3. workers: a job's tasks, with a job's own values and results, on many workers of the real scheduler; each task sleeps for what
   the kernel took. Efficiency is ideal time by time spent, without the start of the cluster and its first tasks, beside the
   published page's; and what a task costs each kind of process, in milliseconds of a core. Reckoned from these is the efficiency
   where each worker has a core of its own, and driver and scheduler have one each: a worker then takes a task's time and its own
   share of the cost, or, if that is longer, as long as the busiest of the others takes for a task of every worker; and each host
   fetches the index once, at 1 Gbit/s.

With Dask the scheduler is a process, the workers share one process for each 64 of them and speak TCP, and our driver is this
process. With Spark, as `local[N]`, scheduler and executor are threads of one JVM, and each worker is a process, forked from one
that has imported what it needs; with Ray hosts are raylets of 64 workers each, and each worker is a process that Ray starts. All
share this host's processors, which sleeping leaves to the scheduler, the driver and the workers' own messages: a cluster's
workers would have processors of their own. So 3 says what the scheduler, the driver and the engine's own part of a task cost, not
what a network or a store does: those are the bytes of 1. JSON lines.
"""

import argparse
import asyncio
import collections
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import processes
import ucid
from ucid.distributed import jobs, tasks
from ucid.distributed.plan import Plan

os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
# The JVM of a long job has compiled itself; that of a short one would do it here, on the processors of all.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
os.environ |= {"RAY_raylet_start_wait_time_s": "60", "RAY_worker_register_timeout_seconds": "600", "RAY_USAGE_STATS_ENABLED": "0",
               "RAY_worker_niceness": "0"}  # fmt: skip
TASKS = 300
WARM = 20  # tasks of nothing for each worker, in which the JVM compiles itself
TOGETHER = 64  # workers of Dask that share a process, of Ray that share a host
PUBLISHED = {4: 0.95, 16: 0.90, 64: 0.80, 256: 0.70}
SHARED = ("driver", "scheduler", "jvm", "gcs")  # of which a cluster has one each
BYTES_A_SECOND = 125e6  # of a host, for the index


def say(**members):
    print(json.dumps(members), flush=True)


def one_part(folder, index, chunk_bytes):
    """A job of one part of so many bytes before compression."""
    south, west, north, east = ucid.open_index(index).bounds
    random = np.random.default_rng(1)
    rows = chunk_bytes // 24
    places = pa.table({"id": np.arange(rows), "lat": random.uniform(south, north, rows), "lon": random.uniform(west, east, rows)})
    pq.write_table(places, f"{folder}/places.parquet", row_group_size=200_000)
    job = jobs.over_files("score", Plan.score(index=index), [f"{folder}/places.parquet"], f"{folder}/out", chunk_bytes=chunk_bytes)
    return job.task({**job.manifest.parts[0], "plan": job.plan})


def kernel(spec, index):
    """Measure one task; gives its seconds and its result."""
    jobs.run_task(spec)  # opens the index
    results = [jobs.run_task(spec) for _ in range(3)]
    seconds = min(one["seconds"] for one in results)
    size = sum(os.path.getsize(uri) for uri in spec["files"])
    say(what="task", rows=results[0]["rows_in"], seconds=seconds, bytes_in=spec["bytes"], bytes_out=size,
        index_bytes=os.path.getsize(index))  # fmt: skip
    return seconds, results[0]


def nothing(value):
    return value


def engine_cost(name):
    """Measure what an engine costs a task."""
    with opened(name, 1) as pool:
        list(tasks.run(pool, nothing, range(20)))
        begun_s = time.perf_counter()
        list(tasks.run(pool, nothing, range(TASKS)))
        say(what="engine", engine=name, tasks=TASKS, seconds_a_task=(time.perf_counter() - begun_s) / TASKS)


ROLES = {"/java ": "jvm", "dask_scheduler": "scheduler", "gcs_server": "gcs", "raylet/raylet": "raylets",
         "pyspark.worker": "workers", "--be-workers": "workers", "ray::": "workers"}  # fmt: skip


def processor_seconds():
    """Of this process, the driver, and of those below it by what they are for."""
    found = collections.Counter()
    for process in processes.family(os.getpid()):
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            role = "driver" if process == os.getpid() else next((ROLES[sign] for sign in ROLES if sign in words), "others")
            found[role] += (int(fields[11]) + int(fields[12])) / processes.TICKS
    return found


def sleep(spec):
    time.sleep(spec["sleep_s"])
    return spec["result"]


async def be_workers(address, count):
    """Workers of Dask in this process, until it is ended."""
    import dask
    from distributed import Worker

    # what a worker does on a host of its own, and what would be done 256 times on this one
    calm = {"distributed.worker.memory.target": False, "distributed.worker.memory.spill": False,
            "distributed.worker.memory.pause": False, "distributed.worker.memory.terminate": False,
            "distributed.worker.profile.enabled": False, "distributed.admin.system-monitor.interval": "60s",
            "distributed.admin.system-monitor.gil.enabled": False, "distributed.admin.tick.interval": "10s"}  # fmt: skip
    with dask.config.set(calm):
        made = [Worker(address, nthreads=1, dashboard=False, memory_limit=0) for _ in range(count)]
        await asyncio.gather(*made)
        await asyncio.gather(*(one.finished() for one in made))


@contextlib.contextmanager
def dask_cluster(count):
    from distributed import Client

    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        told = Path(folder) / "scheduler.json"

        def start(*words):
            process = subprocess.Popen([sys.executable, *words], stderr=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.kill)

        start("-m", "distributed.cli.dask_scheduler", "--port", "0", "--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0",
              "--scheduler-file", str(told))  # fmt: skip
        while not told.exists():
            time.sleep(0.1)
        address = json.loads(told.read_text())["address"]
        for at in range(0, count, TOGETHER):
            start(os.path.abspath(__file__), "--be-workers", address, str(min(TOGETHER, count - at)))
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=300)
        yield address


@contextlib.contextmanager
def ray_cluster(count):
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    try:
        for at in range(0, count, TOGETHER):
            cluster.add_node(num_cpus=min(TOGETHER, count - at), object_store_memory=100_000_000, include_dashboard=False)
        cluster.wait_for_nodes()
        yield cluster.address
    finally:
        ray.shutdown()
        cluster.shutdown()


@contextlib.contextmanager
def spark_here(count):
    """Spark of this process, whose workers are forked from one that has imported what they need: to import it 256 times takes two
    processors some minutes."""
    from pyspark.sql import SparkSession

    here = os.path.dirname(os.path.abspath(__file__))
    builder = SparkSession.builder.master(f"local[{count}]").config("spark.ui.enabled", "false").config("spark.log.level", "ERROR")
    builder = builder.config("spark.python.daemon.module", "bench_scaling").config("spark.executorEnv.PYTHONPATH", here)
    session = builder.getOrCreate()
    try:
        yield None
    finally:
        session.stop()


def be_daemon():
    """The parent of Spark's workers."""
    import pyspark.worker  # noqa: F401
    from pyspark import daemon

    daemon.manager()


CLUSTERS = {"dask": dask_cluster, "ray": ray_cluster, "spark": spark_here}


@contextlib.contextmanager
def opened(name, count):
    """A pool of so many workers."""
    with CLUSTERS[name](count) as address, contextlib.closing(tasks.open_pool(name, address)) as pool:
        yield pool


def reckoned(count, seconds, a_worker, cost_s, index_bytes):
    """Efficiency of workers with a core each, from what a task costs each kind of process."""
    own = seconds + cost_s["workers"] + cost_s["raylets"]
    shared = max(*(count * cost_s[role] for role in SHARED), min(count, TOGETHER) * cost_s["raylets"])
    return a_worker * seconds / (a_worker * max(own, shared) + index_bytes / BYTES_A_SECOND)


def workers(name, count, seconds, a_worker, spec, result, index_bytes, when_warm):
    """Measure a job of sleeping tasks on many workers."""
    total = count * a_worker
    value = {**spec, "result": result}
    with opened(name, count) as pool:
        for _ in range(WARM):  # starts what starts with a first task, on all workers: then they do a round at once
            begun_s = time.perf_counter()
            list(tasks.run(pool, sleep, [{**value, "sleep_s": 2}] * count))
            if time.perf_counter() - begun_s < 4:
                break
        list(tasks.run(pool, sleep, [{**value, "sleep_s": 0}] * (WARM * count)))
        if when_warm:
            waits = subprocess.Popen(when_warm, shell=True)
            while waits.poll() is None:  # workers of Spark that idle for a minute are ended
                list(tasks.run(pool, sleep, [{**value, "sleep_s": 1}] * count))
                with contextlib.suppress(subprocess.TimeoutExpired):
                    waits.wait(15)
        before, begun_s = processor_seconds(), time.perf_counter()
        list(tasks.run(pool, sleep, [{**value, "sleep_s": seconds}] * total))
        spent = time.perf_counter() - begun_s
        cpu = processor_seconds() - before
    cost_s = collections.Counter({role: one / total for role, one in cpu.items()})
    say(what="workers", engine=name, workers=count, tasks=total, sleep_s=round(seconds, 3), seconds=round(spent, 3),
        efficiency=round(a_worker * seconds / spent, 4), published=PUBLISHED.get(count),
        reckoned=round(reckoned(count, seconds, a_worker, cost_s, index_bytes), 4),
        cpu_ms_a_task={role: round(1000 * one, 2) for role, one in cost_s.items()}, load=os.getloadavg()[0])  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("index")
    parser.add_argument("--engines", default="dask")
    parser.add_argument("--workers", default=",".join(map(str, PUBLISHED)))
    parser.add_argument("--task", type=float, help="seconds of a task; default: what it is measured to take")
    parser.add_argument("--input", type=float, default=100, help="GB of the job's input: parts have 64 MiB, from 550 GB on 256")
    parser.add_argument("--tasks-a-worker", type=int, default=6)
    parser.add_argument("--when-warm", help="run before each job is measured, when its workers have started")
    given = parser.parse_args()
    engines = given.engines.split(",")
    with tempfile.TemporaryDirectory() as folder:
        spec = one_part(folder, os.path.abspath(given.index), jobs._part_bytes(int(given.input * 1e9)))
        seconds, result = kernel(spec, given.index)
    for name in engines:
        engine_cost(name)
        for count in map(int, given.workers.split(",")):
            workers(name, count, given.task or seconds, given.tasks_a_worker, spec, result, os.path.getsize(given.index), given.when_warm)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--be-workers"]:
        asyncio.run(be_workers(sys.argv[2], int(sys.argv[3])))
    elif sys.argv[1:2] == ["pyspark.worker"]:
        be_daemon()
    else:
        main()
