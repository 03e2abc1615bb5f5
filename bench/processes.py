"""What a program and all that it starts cost: runs it, looks at its processes while it runs, and ends what outlives it.

Memory is the most that was held at one look: the private pages of all processes, and the greatest amount of pages that one
of them shares with files and with others, once. Processor seconds are of all processes, those that ended too.
"""

import os
import signal
import subprocess
import tempfile
import threading
import time

LOOK_S, TICKS = 0.1, os.sysconf("SC_CLK_TCK")
LONG_S = 5  # a program of the table is not run again after runs of so long together


def family(root):
    """{process: when it started} of a process and its descendants."""
    children, born = {}, {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            children.setdefault(int(fields[1]), []).append(int(name))
            born[int(name)] = fields[19]
    found, left = {}, [root] if root in born else []
    while left:
        process = left.pop()
        found[process] = born[process]
        left += children.get(process, [])
    return found


class Meter:
    """Processor seconds of this process and all that it has started, while it is open.

    Linux adds those of a process that ended to its parent's, but for a parent that ignores that its children end, as Ray's does:
    what was last seen of these is kept."""

    def __init__(self):
        self._seen, self._kept = {}, 0  # {(process, start): (its parent ignores its end, ticks)}
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._look_often, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _look_often(self):
        while not self._stop.wait(LOOK_S):
            self._look()

    def _look(self):
        """Ticks of all processes until now."""
        with self._lock:
            now, ignoring = {}, {}
            for process, start in family(os.getpid()).items():
                try:
                    with open(f"/proc/{process}/stat") as file:
                        fields = file.read().rpartition(")")[2].split()
                    parent = int(fields[1])
                    if parent not in ignoring:
                        with open(f"/proc/{parent}/status") as file:
                            mask = next(line for line in file if line.startswith("SigIgn")).split()[1]
                        ignoring[parent] = bool(int(mask, 16) >> (signal.SIGCHLD - 1) & 1)
                except OSError:
                    continue
                now[process, start] = ignoring[parent], sum(int(field) for field in fields[11:15])
            self._kept += sum(ticks for one, (lost, ticks) in self._seen.items() if lost and one not in now)
            self._seen = now
            return self._kept + sum(ticks for _, ticks in now.values())

    def cpu_s(self):
        return self._look() / TICKS


def held_mb(processes):
    """Memory that processes hold."""
    private, files, shared = 0, 0, 0
    for process in processes:
        try:
            with open(f"/proc/{process}/status") as file:
                of = dict(line.split(":", 1) for line in file if line.startswith("Rss"))
        except OSError:
            continue
        if not of:
            continue
        private += int(of["RssAnon"].split()[0])
        files = max(files, int(of["RssFile"].split()[0]))
        shared = max(shared, int(of["RssShmem"].split()[0]))
    return (private + files + shared) / 1024


def end(processes):
    """Kill those of the processes that still run."""
    for process, start in processes.items():
        try:
            with open(f"/proc/{process}/stat") as file:
                if file.read().rpartition(")")[2].split()[19] == start:
                    os.kill(process, signal.SIGKILL)
        except OSError:
            pass


def watched(command, environment=None, limit_s=900, limit_mb=12_000):
    """(stdout, stderr, exit code, why it was ended or None, peak MB of each line) of a command: what was held until it was said
    since the line before, and after the last one. The limit is of the seconds to the next line."""
    peaks, peak, seen, why = [], 0.0, {}, None
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        start, read = time.monotonic(), 0
        program = subprocess.Popen([str(word) for word in command], stdout=out, stderr=err, stdin=subprocess.DEVNULL,
                                   env={**os.environ, **(environment or {})}, start_new_session=True)  # fmt: skip
        try:
            while program.poll() is None and why is None:
                now = family(program.pid)
                seen |= now
                peak = max(peak, held := held_mb(now))
                if new := os.pread(out.fileno(), 1 << 20, read):
                    peaks += [round(peak)] * new.count(b"\n")
                    start, read, peak = time.monotonic(), read + len(new), held
                if time.monotonic() - start > limit_s:
                    why = f"did not end within {limit_s} s"
                elif held > limit_mb:
                    why = f"held more than {limit_mb / 1000:g} GB"
                time.sleep(LOOK_S)
        finally:
            end(seen)
            program.wait()
        out.seek(0)
        err.seek(0)
        said = out.read()
        peaks += [round(peak)] * (said.count("\n") + 1 - len(peaks))
        return said, err.read(), program.returncode, why, peaks


def middle(runs):
    """The run with the middle wall seconds, of two the faster."""
    runs.sort(key=lambda one: one["wall_s"])
    return {**runs[(len(runs) - 1) // 2], "runs": len(runs)}
