"""Independent tasks on an engine: each is a function of one value, run somewhere, until it has given its result.

Engines lose tasks in ways of their own: Dask gives up what killed three workers, Ray was seen to wait for ever for a node
whose link was cut, Spark knows nothing of a task that hangs. So the deadline of a task and its resubmission are kept here,
above the engine: a task that fails, or is not back in time, is given out again, and whichever run answers first counts. A
task must therefore do no harm when it runs twice.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import importlib
import itertools
import multiprocessing
import os
import pickle
import queue
import random
import signal
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent import futures
from multiprocessing import connection
from typing import Any, NamedTuple, Protocol

from ucid.errors import UCIDConfigError, UCIDError

__all__ = ["ENGINES", "Done", "NoResult", "Pool", "open_pool", "run", "there"]

Function = Callable[[Any], Any]


class NoResult(UCIDError):
    """A task has failed as often as it may."""


class Pool(Protocol):
    """What is asked of an engine. Handles are its own."""

    binds: bool  # whether a task that waits may wait for one worker, while others are idle

    def slots(self) -> int:
        """Tasks that it runs at once; 0 while it has no worker."""
        ...

    def submit(self, function: Function, given: Sequence[tuple[Any, int]]) -> list[Any]:
        """Give tasks out, a value and the number of its attempt each; from the second attempt on, to another worker where the
        engine lets that be said."""
        ...

    def ended(self, handles: Sequence[Any], timeout_s: float) -> list[Any]:
        """Those of the handles that have ended; waits for the first."""
        ...

    def result(self, handle: Any) -> Any:
        """Of a handle that has ended; raises what the task raised, or what befell it."""

    def cancel(self, handle: Any) -> None:
        """Give a task up, if the engine can."""

    def close(self) -> None: ...


class Done(NamedTuple):
    """A task that has given its result."""

    position: int
    result: Any
    attempts: int


# --------------------------------------------------------------------------------------------------------------- run


class _Run(NamedTuple):
    position: int
    attempt: int
    begun_s: float


_SLOTS_S = 2.0  # how long an answer holds: it costs the engine more the more workers there are
_LOOK_S = 0.5  # between looks for tasks that are late
_SWEEP_S = 1.0  # between looks for tasks that are lost


def run(
    pool: Pool, function: Function, values: Sequence[Any], *, deadline_s: float = 600.0, attempts: int = 6,
    patience_s: float = 120.0, again: Callable[[int, str], None] | None = None, until: Callable[[Any], bool] | None = None,
) -> Iterator[Done]:  # fmt: skip
    """Results of ``function(value)`` for all values, as they come.

    Parameters
    ----------
    deadline_s : float
        Time of one run of a task, from when it is given to the engine.
    attempts : int
        Runs of a task before the job is given up.
    patience_s : float
        How long the engine may be without any worker.
    again : callable, optional
        Told the position and the reason of each task that is given out again.
    until : callable, optional
        Asked of each result; once it says so no task is given out any more, and those that run are waited for.

    Raises
    ------
    NoResult
        A task failed ``attempts`` times, or there was no worker: the message names the last cause.
    """
    waiting = deque((position, 1, 0.0) for position in range(len(values)))
    flying: dict[Any, _Run] = {}
    late: dict[Any, _Run] = {}  # given out again, but may still answer
    left = set(range(len(values)))
    alone_since = time.monotonic()
    slots, asked_s, looked_s = 0, 0.0, alone_since
    ending = False

    def resubmit(one: _Run, reason: str) -> None:
        if ending:
            left.discard(one.position)
        if one.position not in left:
            return
        if one.attempt >= attempts:
            raise NoResult(f"task {one.position} failed {one.attempt} times, last: {reason}", code="TASK_FAILED")
        if again is not None:
            again(one.position, reason)
        waiting.append((one.position, one.attempt + 1, time.monotonic() + min(30.0, 0.25 * 2**one.attempt)))

    def give_out(now: float) -> None:
        """A second task for each slot, which begins while the result of the first is on its way here. Half as many as there are slots
        go in one call, which costs some engines more than a task, and meanwhile no worker is idle: its second task has only begun.
        The last ones are given out one by one where they would wait behind a task that runs while other workers are idle."""
        ahead = slots if len(waiting) > slots or not pool.binds else 0
        room = slots + ahead - len(flying)
        if room < (max(1, slots // 2) if ahead else 1):
            return
        chosen: list[_Run] = []
        for _ in range(len(waiting)):
            if len(chosen) == room:
                break
            position, attempt, earliest_s = waiting.popleft()
            if position not in left:
                continue
            if earliest_s > now:
                waiting.append((position, attempt, earliest_s))
                continue
            chosen.append(_Run(position, attempt, now))
        if chosen:
            handles = pool.submit(function, [(values[one.position], one.attempt) for one in chosen])
            flying.update(zip(handles, chosen, strict=True))

    try:
        while left:
            now = time.monotonic()
            if slots == 0 or now - asked_s > _SLOTS_S:
                slots, asked_s = pool.slots(), now
            if slots:
                alone_since = now
            elif now - alone_since > patience_s:
                raise NoResult(f"no worker for {patience_s:.0f} s", code="NO_WORKER")
            if waiting:
                give_out(now)
            handles = [*flying, *late]
            if handles:
                found = pool.ended(handles, 0.5)
            else:
                found = []
                time.sleep(0.1)
            for handle in found:
                one = flying.pop(handle, None)
                known_late = one is None
                if one is None:
                    one = late.pop(handle)
                try:
                    result = pool.result(handle)
                except Exception as error:  # whatever befell the task
                    if not known_late:
                        resubmit(one, f"{type(error).__name__}: {error}".strip().splitlines()[0][:300])
                    continue
                if until is not None and until(result):
                    ending = True
                    waiting.clear()
                    left.intersection_update([one.position, *(other.position for other in flying.values())])
                if one.position in left:
                    left.discard(one.position)
                    yield Done(one.position, result, one.attempt)
            now = time.monotonic()
            if now - looked_s < _LOOK_S:
                continue
            looked_s = now
            for handle, one in list(flying.items()):
                if now - one.begun_s > deadline_s:
                    del flying[handle]
                    pool.cancel(handle)
                    late[handle] = one
                    resubmit(one, f"not back within {deadline_s:.0f} s")
    finally:
        for handle in [*flying, *late]:
            pool.cancel(handle)


# ------------------------------------------------------------------------------------------------------------- engines


class _Task:
    """A task of this host: what is to be done, then how it ended."""

    def __init__(self, function: Function, value: Any) -> None:
        self.work = (function, value)
        self.ended = False
        self.result: Any = None
        self.error: Exception | None = None


def _work(pipe: Any) -> None:
    """What a process of LocalPool does, until the other end is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            function, value = pipe.recv()
        except (EOFError, OSError):
            return
        said = _answer(function, value)
        try:
            pipe.send(said)
        except (TypeError, AttributeError, pickle.PicklingError):
            pipe.send((False, RuntimeError(f"a {type(said[1]).__name__} cannot travel")))


class LocalPool:
    """Processes of this host. One that dies or hangs loses its own task and no other."""

    binds = False

    def __init__(self, workers: int | None = None) -> None:
        self._count = workers or len(os.sched_getaffinity(0))
        # spawned: a fork would copy the threads' locks of Arrow and of the stores' clients
        self._context = multiprocessing.get_context("spawn")
        self._idle: list[tuple[Any, Any]] = []
        self._busy: dict[Any, tuple[Any, _Task]] = {}
        self._queue: deque[_Task] = deque()

    def slots(self) -> int:
        return self._count

    def _fill(self) -> None:
        while self._queue and (self._idle or len(self._busy) < self._count):
            if self._idle:
                pipe, process = self._idle.pop()
            else:
                pipe, far = self._context.Pipe()
                process = self._context.Process(target=_work, args=(far,), daemon=True)
                process.start()
                far.close()
            task = self._queue.popleft()
            self._busy[pipe] = (process, task)
            with contextlib.suppress(OSError):  # a process that is gone is found when it does not answer
                pipe.send(task.work)

    def submit(self, function: Function, given: Sequence[tuple[Any, int]]) -> list[Any]:
        made = [_Task(function, value) for value, _ in given]
        self._queue.extend(made)
        self._fill()
        return made

    def ended(self, handles: Sequence[Any], timeout_s: float) -> list[Any]:
        self._fill()
        found = [one for one in handles if one.ended]
        if found:
            return found
        for pipe in connection.wait(list(self._busy), timeout_s):
            process, task = self._busy.pop(pipe)
            value: Any
            try:
                good, value = pipe.recv()  # type: ignore[union-attr, call-arg]
                self._idle.append((pipe, process))
            except (EOFError, OSError):
                process.join()
                good, value = False, ChildProcessError(f"a process of this host ended with {process.exitcode}")
            task.ended, task.result, task.error = True, value if good else None, None if good else value
        self._fill()
        return [one for one in handles if one.ended]

    def result(self, handle: Any) -> Any:
        if handle.error is not None:
            raise handle.error
        return handle.result

    def cancel(self, handle: Any) -> None:
        if handle in self._queue:
            self._queue.remove(handle)
        for process, task in self._busy.values():
            if task is handle:
                process.kill()

    def close(self) -> None:
        self._queue.clear()
        for pipe, process in [*self._idle, *((pipe, busy[0]) for pipe, busy in self._busy.items())]:
            pipe.close()
            process.kill()
            process.join()
        self._idle, self._busy = [], {}


class ThreadPool:
    """Threads of this process, for who wants no other: a program that is no module cannot be imported by a process of LocalPool."""

    binds = False

    def __init__(self) -> None:
        self._count = len(os.sched_getaffinity(0))
        self._threads = futures.ThreadPoolExecutor(self._count, thread_name_prefix="ucid")

    def slots(self) -> int:
        return self._count

    def submit(self, function: Function, given: Sequence[tuple[Any, int]]) -> list[Any]:
        return [self._threads.submit(function, value) for value, _ in given]

    def ended(self, handles: Sequence[Any], timeout_s: float) -> list[Any]:
        return list(futures.wait(handles, timeout_s, futures.FIRST_COMPLETED).done)

    def result(self, handle: Any) -> Any:
        return handle.result()

    def cancel(self, handle: Any) -> None:
        handle.cancel()

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)


class DaskPool:
    """A Dask scheduler by its address, or a LocalCluster. Answers come as events, which travel with the news that a task has ended:
    a result would have to be fetched from its worker, which costs the scheduler, and the worker, as much again as the task."""

    binds = True

    def __init__(self, cluster: str | None = None, workers: int | None = None, security: Any = None) -> None:
        self._address = cluster
        self._security = security
        self._name = f"ucid-{uuid.uuid4().hex}"
        self._count = itertools.count()
        self._workers: dict[str, int] = {}  # and their threads
        self._told: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()  # keys, and what their tasks answer
        self._answers: dict[str, tuple[bool, Any]] = {}  # of keys that have ended
        self._silent: set[str] = set()  # keys that had ended at the last sweep, and whose events had not come
        self._open({"address": cluster, "security": security} if cluster else {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": ":0"})

    def _open(self, options: dict[str, Any]) -> None:
        from distributed import Client

        self._client = Client(**options, set_as_default=False, timeout="60s")
        self._swept_s = time.monotonic()
        self._listen()

    def _listen(self) -> None:
        def hear(event: tuple[float, tuple[str, bytes]]) -> None:
            if event[1][0].startswith(self._name):  # not of another driver
                self._told.put(event[1])

        self._client.subscribe_topic(_TOPIC, hear)

    def slots(self) -> int:
        with contextlib.suppress(OSError, TimeoutError, AttributeError, RuntimeError):  # cut off: the deadline of tasks decides
            self._workers = dict(self._client.nthreads())
        return sum(self._workers.values())

    def submit(self, function: Function, given: Sequence[tuple[Any, int]]) -> list[Any]:
        if self._client.status == "closed" and self._address:  # its connection was cut for longer than it waits
            self._open({"address": self._address, "security": self._security})
        work = functools.partial(_tell, function)
        # a host that fails at once is always idle, and would get every task again
        apart = [attempt > 1 and bool(self._workers) for _, attempt in given]
        handles: dict[int, Any] = {}
        first = [i for i, alone in enumerate(apart) if not alone]
        if first:
            keys = [f"{self._name}-{next(self._count)}" for _ in first]
            handles.update(zip(first, self._client.map(work, [given[i][0] for i in first], key=keys, pure=False), strict=True))
        for i in (i for i, alone in enumerate(apart) if alone):
            where = random.choice(list(self._workers))  # noqa: S311
            key = f"{self._name}-{next(self._count)}"
            handles[i] = self._client.submit(work, given[i][0], key=key, pure=False, workers=[where], allow_other_workers=True)
        return [handles[i] for i in range(len(given))]

    def ended(self, handles: Sequence[Any], timeout_s: float) -> list[Any]:
        end = time.monotonic() + timeout_s
        known = {one.key: one for one in handles}
        self._answers = {key: answer for key, answer in self._answers.items() if key in known}
        while True:
            now = time.monotonic()
            if now - self._swept_s > _SWEEP_S:
                self._swept_s = now
                self._sweep(handles)
            with contextlib.suppress(queue.Empty):
                if not self._answers:
                    self._take(known, self._told.get(timeout=max(0.0, min(end, self._swept_s + _SWEEP_S) - now)))
                while True:
                    self._take(known, self._told.get_nowait())
            if self._answers or time.monotonic() > end:
                return [known[key] for key in self._answers]

    def _take(self, known: Mapping[str, Any], told: tuple[str, bytes]) -> None:
        key, said = told
        if key in known:
            self._answers[key] = pickle.loads(said)  # noqa: S301

    def _sweep(self, handles: Sequence[Any]) -> None:
        """Look for tasks that have ended without an event: with their scheduler or their workers, or while it was cut off."""
        silent = {one.key for one in handles if one.status == "finished" and one.key not in self._answers}
        for one in handles:
            if one.client.status == "closed" or one.status in ("cancelled", "lost"):
                self._answers[one.key] = False, futures.CancelledError(f"the scheduler has lost {one.key}")
            elif one.status == "error":
                self._answers[one.key] = False, one.exception(timeout=30)
            elif one.key in silent & self._silent:
                self._listen()
                try:
                    self._answers[one.key] = pickle.loads(one.result(timeout=30))  # noqa: S301
                except Exception as error:
                    self._answers[one.key] = False, error
        self._silent = silent

    def result(self, handle: Any) -> Any:
        good, value = self._answers.pop(handle.key)
        if not good:
            raise value
        return value

    def cancel(self, handle: Any) -> None:
        if handle.client is self._client and self._client.status == "running":
            self._client.cancel([handle], asynchronous=False, force=True)

    def close(self) -> None:
        self._client.close()
        if self._address is None and self._client.cluster is not None:
            self._client.cluster.close()


_TOPIC = "ucid"  # of events; the scheduler keeps the last thousand


def _tell(function: Function, value: Any) -> bytes:
    """Run a task of Dask, and tell its answer; it is also the result, for a driver that did not hear."""
    from distributed import get_worker

    _keep_freed()
    said = pickle.dumps(_answer(function, value))
    worker = get_worker()
    worker.log_event(_TOPIC, (worker.get_current_task(), said))
    return said


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


@functools.cache
def _keep_freed() -> None:
    """Have malloc keep what a task has freed for the next one. Dask's nanny has it give everything back at once, so that the system
    clears 90 MiB of pages for each million rows, a tenth of a task's time. Without the nanny, and in other engines' workers, malloc
    comes to keep blocks of such sizes by itself."""
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_TRIM_THRESHOLD, 128 << 20)
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)


_RAY_START_S = 120.0


class RayPool:
    """A Ray cluster that this host belongs to, or one that is started here."""

    binds = True  # to a host

    def __init__(self, cluster: str | None = None, workers: int | None = None) -> None:
        ray: Any = importlib.import_module("ray")  # not the module beside this one
        self._ray = ray
        self._own = not ray.is_initialized()
        if self._own:
            options: dict[str, Any] = {"address": cluster} if cluster else {"num_cpus": workers, "include_dashboard": False}
            end_s = time.monotonic() + _RAY_START_S
            while True:
                try:
                    ray.init(**options, log_to_driver=False, logging_level="ERROR")
                    break
                except (ConnectionError, RuntimeError, TimeoutError):  # its head may be on the way up
                    if not cluster or time.monotonic() > end_s:
                        raise
                    time.sleep(2)
        self._remote = ray.remote(num_cpus=1, max_retries=0)(_call)
        self._spread = self._remote.options(scheduling_strategy="SPREAD")

    def slots(self) -> int:
        return int(self._ray.cluster_resources().get("CPU", 0))

    def submit(self, function: Function, given: Sequence[tuple[Any, int]]) -> list[Any]:
        # Ray fills one host before the next: a host that fails at once is always idle, and would get every task again
        return [(self._spread if attempt > 1 else self._remote).remote(function, value) for value, attempt in given]

    def ended(self, handles: Sequence[Any], timeout_s: float) -> list[Any]:
        flying = list(handles)
        there = self._ray.wait(flying, num_returns=len(flying), timeout=0)[0]
        return list(there or self._ray.wait(flying, num_returns=1, timeout=timeout_s)[0])

    def result(self, handle: Any) -> Any:
        return self._ray.get(handle, timeout=30)

    def cancel(self, handle: Any) -> None:
        self._ray.cancel(handle, force=True)

    def close(self) -> None:
        if self._own:
            self._ray.shutdown()


def _call(function: Function, value: Any) -> Any:
    return function(value)


class SparkPool:
    """A Spark master by its address, or Spark in this process. What is given out together is one job of a partition a task, as a
    job costs the driver more than a task; an accumulator brings each task's answer when it ends, not when its job does."""

    binds = False

    def __init__(self, cluster: str | None = None, workers: int | None = None, session: Any = None) -> None:
        from pyspark.sql import SparkSession

        session = session or SparkSession.getActiveSession()
        self._own = session is None
        if session is None:
            builder = SparkSession.builder.appName("ucid").config("spark.ui.enabled", "false")
            session = builder.master(cluster or f"local[{workers or '*'}]").getOrCreate()
        self._spark = session
        self._context = self._spark.sparkContext
        self._answers = self._context.accumulator({}, _Answers())
        self._threads = futures.ThreadPoolExecutor(256, thread_name_prefix="ucid-spark")
        self._count = itertools.count()
        self._jobs: dict[int, _SparkJob] = {}  # of handles
        self._lock = threading.Lock()

    def slots(self) -> int:
        # of the executors that there are; the driver is among them, and alone where Spark runs in this process
        status = self._context._jsc.sc().getExecutorMemoryStatus().size()
        if self._context.master.startswith("local"):
            return int(self._context.defaultParallelism)
        per_executor = int(self._context.getConf().get("spark.executor.cores", "1"))
        return max(0, (int(status) - 1) * per_executor)

    def submit(self, function: Function, given: Sequence[tuple[Any, int]]) -> list[Any]:
        numbered = [(next(self._count), value, attempt) for value, attempt in given]
        self._start(function, [(handle, value) for handle, value, attempt in numbered if attempt == 1])
        for handle, value, attempt in numbered:
            # a host that fails at once is always idle, and Spark cannot be told where a task goes: two runs at once are on two hosts
            if attempt > 1:
                self._start(function, [(handle, value)] * min(2, self.slots() or 1))
        return [handle for handle, _, _ in numbered]

    def _start(self, function: Function, numbered: Sequence[tuple[int, Any]]) -> None:
        """One job of a partition a run; a handle may have several, of which one that gives a result is enough."""
        if not numbered:
            return
        handles = {handle for handle, _ in numbered}
        answers, tag = self._answers, f"ucid-{id(self)}-{numbered[0][0]}"

        def work(one: tuple[int, Any]) -> None:
            answers.add({one[0]: [_answer(function, one[1])]})
            _settle()

        def run_job() -> None:
            with self._lock:  # the tag belongs to the thread, and the call to the JVM may not
                self._context.addJobTag(tag)
            try:
                self._context.parallelize(numbered, len(numbered)).foreach(work)
            finally:
                self._context.removeJobTag(tag)

        job = _SparkJob(tag, handles, len(numbered) // len(handles), self._threads.submit(run_job))
        self._jobs.update(dict.fromkeys(handles, job))

    def _has_ended(self, handle: int, answers: Mapping[int, Sequence[tuple[bool, Any]]]) -> bool:
        said, job = answers.get(handle, ()), self._jobs[handle]
        return len(said) == job.runs or any(good for good, _ in said) or job.future.done()

    def ended(self, handles: Sequence[Any], timeout_s: float) -> list[Any]:
        end = time.monotonic() + timeout_s
        while True:
            there = self._answers.value
            found = [one for one in handles if self._has_ended(one, there)]
            if found or time.monotonic() > end:
                return found
            time.sleep(0.005)

    def result(self, handle: Any) -> Any:
        said = self._answers.value.pop(handle, [])
        job = self._jobs.pop(handle)  # another run goes on: to end it ends its Python, whose start costs more than a task
        job.asked.discard(handle)
        if not said:
            raise RuntimeError(_said_by_spark(job.future.exception()))
        good, value = max(said, key=lambda one: one[0])
        if not good:
            raise value
        return value

    def cancel(self, handle: Any) -> None:
        job = self._jobs[handle]  # with others, which may still answer
        job.asked.discard(handle)
        if not job.asked and not job.future.cancel():
            self._context.cancelJobsWithTag(job.tag)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._own:
            self._spark.stop()


class _SparkJob(NamedTuple):
    """Tasks that Spark was given together."""

    tag: str
    asked: set[int]  # handles whose answers somebody waits for
    runs: int  # of each
    future: futures.Future[None]


def _said_by_spark(error: BaseException | None) -> str:
    """The line that names the cause, out of stacks of Python and of the JVM."""
    lines = [line for line in str(error or "").splitlines() if line and not line[0].isspace()]
    if not lines:
        return "Spark has ended a job without an answer"
    return next((line[2:] for line in lines if line.startswith(": ")), lines[-1])


@functools.cache
def _settle() -> None:
    """Set aside, once, what this process of Python has imported and opened. Spark's worker collects garbage after each task, and
    would look through all of it each time, for longer than the rest that a task costs it."""
    gc.collect()
    gc.freeze()


class _Answers:
    """How answers come together, as :class:`pyspark.accumulators.AccumulatorParam` asks."""

    def zero(self, value: dict[int, list[Any]]) -> dict[int, list[Any]]:
        return {}

    def addInPlace(self, value1: dict[int, list[Any]], value2: dict[int, list[Any]]) -> dict[int, list[Any]]:  # noqa: N802
        for handle, said in value2.items():
            value1.setdefault(handle, []).extend(said)
        return value1


def _answer(function: Function, value: Any) -> tuple[bool, Any]:
    """Whether a task has done its work, and what came of it: its result, or an error that can travel."""
    try:
        return True, function(value)
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))  # noqa: S301
        except Exception:
            return False, RuntimeError(f"{type(error).__name__}: {error}")
        return False, error


def _modin(cluster: str | None, workers: int | None) -> Pool:
    from modin.config import Engine

    engine = Engine.get()
    if engine not in ("Dask", "Ray"):
        raise UCIDConfigError(f"modin runs on {engine}; jobs run on Dask or Ray")
    return open_pool(engine.lower(), cluster, workers)


ENGINES: dict[str, Callable[[str | None, int | None], Pool]] = {
    "local": lambda cluster, workers: LocalPool(workers),
    "dask": DaskPool,
    "ray": RayPool,
    "spark": SparkPool,
    "modin": _modin,
}
_NEEDS = {"local": "pyarrow", "dask": "distributed", "ray": "ray", "spark": "pyspark", "modin": "modin"}


def open_pool(engine: str, cluster: str | None = None, workers: int | None = None) -> Pool:
    """An engine to run tasks on.

    Parameters
    ----------
    engine : {"local", "dask", "ray", "spark", "modin"}
    cluster : str, optional
        Address: ``tcp://host:8786`` (Dask), ``host:6379`` or ``auto`` (Ray), ``spark://host:7077``. Without one the engine
        is started on this host.
    workers : int, optional
        Of an engine that is started here; default: the processors that this process may use.

    Raises
    ------
    UCIDConfigError
        There is no such engine, or it is not installed.
    """
    if engine not in ENGINES:
        raise UCIDConfigError(f"no engine '{engine}'; there are {', '.join(ENGINES)}")
    try:
        importlib.import_module(_NEEDS[engine])
        return ENGINES[engine](cluster, workers)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("ucid"):
            raise
        message = f"engine '{engine}' needs {error.name}: pip install 'ucid[{engine}]'"
        raise UCIDConfigError(message, code="MISSING_DEPENDENCY") from error


def there(engine: str, made: Any) -> Pool | None:
    """A pool on what runs already for a collection, and goes on when the pool is closed: Dask's default client, else threads as Dask
    has them, the Ray that this process is connected to, the session of Spark. None where nothing does, or where a task of Dask asks,
    which would wait for its own worker."""
    if engine == "dask":
        from distributed import default_client, get_worker

        with contextlib.suppress(ValueError):
            get_worker()
            return None
        with contextlib.suppress(ValueError):
            client = default_client()
            return DaskPool(client.scheduler.address, security=client.security)
    elif engine == "ray":
        return RayPool() if importlib.import_module("ray").is_initialized() else None
    elif engine == "spark":
        return SparkPool(session=made.sparkSession)
    return ThreadPool()
