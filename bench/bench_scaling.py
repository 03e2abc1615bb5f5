"""How jobs scale to 256 workers: what an engine costs a task, what a task moves, and what Dask's real scheduler makes of it.

    PYTHONPATH=build/python .venv-cluster/bin/python bench/bench_scaling.py index.ucidx [engine ...]

1. kernel: seconds of one task of CHUNK_BYTES on one thread of this host, its bytes in and out, the bytes of the index.
2. engines: seconds a task that does nothing takes, of TASKS tasks on one worker of each engine named (default: dask).
3. workers: a real Dask scheduler with 4, 16, 64 and 256 workers that are threads of one process, each task sleeping for what
   the kernel took. Efficiency is ideal time by time spent, without the start of the cluster; it stands beside the published
   page's. Sleeping tasks leave the processors to the scheduler and to 256 workers' heartbeats, so 256 workers on two cores say
   what the scheduler and our driver cost, not what a network or a store does: those are the bytes of 1.

JSON lines.
"""

import json
import os
import sys
import tempfile
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import ucid
from ucid.distributed import jobs, tasks
from ucid.distributed.plan import Plan

TASKS = 300
A_WORKER = 6  # tasks of each worker
PUBLISHED = {4: 0.95, 16: 0.90, 64: 0.80, 256: 0.70}


def say(**members):
    print(json.dumps(members), flush=True)


def kernel(index):
    """Measure one task."""
    south, west, north, east = ucid.open_index(index).bounds
    random = np.random.default_rng(1)
    rows = jobs.CHUNK_BYTES // 24
    places = pa.table({"id": np.arange(rows), "lat": random.uniform(south, north, rows), "lon": random.uniform(west, east, rows)})
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(places, f"{folder}/places.parquet", row_group_size=rows)
        job = jobs.over_files("score", Plan.score(index=index), [f"{folder}/places.parquet"], f"{folder}/out")
        [part] = job.manifest.parts
        spec = {**part, "plan": job.plan, "checkpoint": job.manifest.checkpoint}
        jobs.run_task(spec)  # opens the index
        seconds = min(jobs.run_task(spec)["seconds"] for _ in range(3))
        size = sum(os.path.getsize(uri) for uri in part["files"])
        say(what="task", rows=rows, seconds=seconds, bytes_in=part["bytes"], bytes_out=size, index_bytes=os.path.getsize(index))
    return seconds


def nothing(value):
    return value


def engine_cost(name):
    """Measure what an engine costs a task."""
    pool = tasks.open_pool(name, workers=1)
    try:
        list(tasks.run(pool, nothing, range(20)))
        begun_s = time.perf_counter()
        list(tasks.run(pool, nothing, range(TASKS)))
        say(what="engine", engine=name, tasks=TASKS, seconds_a_task=(time.perf_counter() - begun_s) / TASKS)
    finally:
        pool.close()


def sleep(seconds):
    time.sleep(seconds)


def workers(count, seconds):
    """Measure a job of sleeping tasks on many workers."""
    import dask
    from distributed import LocalCluster

    calm = {"distributed.worker.memory.target": False, "distributed.worker.memory.spill": False,
            "distributed.worker.memory.pause": False, "distributed.worker.memory.terminate": False,
            "distributed.worker.profile.enabled": False, "distributed.comm.timeouts.connect": "120s"}  # fmt: skip
    with dask.config.set(calm), LocalCluster(
        n_workers=count, threads_per_worker=1, processes=False, dashboard_address=None, memory_limit=0
    ) as cluster:
        pool = tasks.DaskPool(cluster.scheduler_address)
        try:
            list(tasks.run(pool, sleep, [0.01] * count))
            total = count * A_WORKER
            begun_s = time.perf_counter()
            list(tasks.run(pool, sleep, [seconds] * total))
            spent = time.perf_counter() - begun_s
        finally:
            pool.close()
    say(what="workers", workers=count, tasks=total, sleep_s=seconds, seconds=spent, efficiency=A_WORKER * seconds / spent,
        published=PUBLISHED[count])  # fmt: skip


def main():
    index, *engines = sys.argv[1:]
    seconds = kernel(index)
    for engine in engines or ["dask"]:
        engine_cost(engine)
    for count in PUBLISHED:
        workers(count, seconds)


if __name__ == "__main__":
    main()
