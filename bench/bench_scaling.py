"""How jobs scale to 256 workers: what a task is, what an engine costs a task, and what the real scheduler makes of them.

    PYTHONPATH=build/python .venv-cluster/bin/python bench/bench_scaling.py index.ucidx [--engines dask,ray,spark]
        [--workers 4,16,64,256] [--task SECONDS] [--tasks-a-worker 6]

1. task: seconds of one part of jobs.CHUNK_BYTES on one thread of this host, its bytes in and out, the bytes of the index, which
   a host fetches once.
2. engine: seconds that a task costs which does nothing, of TASKS tasks on one worker.
3. workers: a job's tasks, with a job's own values and results, on many workers of the real scheduler; each task sleeps for what
   the kernel took. Efficiency is ideal time by time spent, without the start of the cluster, beside the published page's.

With Dask the scheduler is a process, the workers share one process for each 64 of them and speak TCP, and our driver is this
process; Ray and Spark start worker processes, which is why they have fewer workers here. All share this host's processors, which
sleeping leaves to the scheduler, the driver and the workers' own messages. So 3 says what the scheduler and the driver cost,
not what a network or a store does: those are the bytes of 1. JSON lines.
"""

import argparse
import asyncio
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

import ucid
from ucid.distributed import jobs, tasks
from ucid.distributed.plan import Plan

os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
TASKS = 300
A_PROCESS = 64  # workers of Dask
PUBLISHED = {4: 0.95, 16: 0.90, 64: 0.80, 256: 0.70}


def say(**members):
    print(json.dumps(members), flush=True)


def one_part(folder, index):
    """A job of one part of as many bytes as a part has, before compression."""
    south, west, north, east = ucid.open_index(index).bounds
    random = np.random.default_rng(1)
    rows = jobs.CHUNK_BYTES // 24
    places = pa.table({"id": np.arange(rows), "lat": random.uniform(south, north, rows), "lon": random.uniform(west, east, rows)})
    pq.write_table(places, f"{folder}/places.parquet", row_group_size=200_000)
    job = jobs.over_files("score", Plan.score(index=index), [f"{folder}/places.parquet"], f"{folder}/out", chunk_bytes=jobs.CHUNK_BYTES)
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
    with contextlib.closing(tasks.open_pool(name, workers=1)) as pool:
        list(tasks.run(pool, nothing, range(20)))
        begun_s = time.perf_counter()
        list(tasks.run(pool, nothing, range(TASKS)))
        say(what="engine", engine=name, tasks=TASKS, seconds_a_task=(time.perf_counter() - begun_s) / TASKS)


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
        for at in range(0, count, A_PROCESS):
            start(os.path.abspath(__file__), "--be-workers", address, str(min(A_PROCESS, count - at)))
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=300)
        yield address


@contextlib.contextmanager
def opened(name, count):
    """A pool of so many workers."""
    if name == "dask":
        with dask_cluster(count) as address, contextlib.closing(tasks.open_pool("dask", address)) as pool:
            yield pool
    else:
        with contextlib.closing(tasks.open_pool(name, workers=count)) as pool:
            yield pool


def workers(name, count, seconds, a_worker, spec, result):
    """Measure a job of sleeping tasks on many workers."""
    total = count * a_worker
    value = {**spec, "result": result}
    with opened(name, count) as pool:
        list(tasks.run(pool, sleep, [{**value, "sleep_s": 0.5}] * (2 * count)))  # starts what starts with the first task
        begun_s = time.perf_counter()
        list(tasks.run(pool, sleep, [{**value, "sleep_s": seconds}] * total))
        spent = time.perf_counter() - begun_s
    say(what="workers", engine=name, workers=count, tasks=total, sleep_s=round(seconds, 3), seconds=round(spent, 3),
        efficiency=round(a_worker * seconds / spent, 4), published=PUBLISHED.get(count))  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("index")
    parser.add_argument("--engines", default="dask")
    parser.add_argument("--workers", default=",".join(map(str, PUBLISHED)))
    parser.add_argument("--task", type=float, help="seconds of a task; default: what it is measured to take")
    parser.add_argument("--tasks-a-worker", type=int, default=6)
    given = parser.parse_args()
    engines = given.engines.split(",")
    with tempfile.TemporaryDirectory() as folder:
        spec = one_part(folder, os.path.abspath(given.index))
        seconds, result = kernel(spec, given.index)
    for name in engines:
        engine_cost(name)
        for count in map(int, given.workers.split(",")):
            workers(name, count, given.task or seconds, given.tasks_a_worker, spec, result)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--be-workers"]:
        asyncio.run(be_workers(sys.argv[2], int(sys.argv[3])))
    else:
        main()
