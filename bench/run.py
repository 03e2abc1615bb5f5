"""Run every benchmark that can run here, keep what it prints, and say what was left out and why.

    python bench/run.py BUILD [NAME ...]        NAME: score, index, cli, python, rivals/network_scores, ...

Programs are BUILD/bench_*, bench/bench_*.py and bench/rivals/*.py. They print JSON lines; this adds the machine, the commit
and the arguments, writes all of it to BUILD/bench.json, and shows a table. Extracts come from UCID_DATA (default: shared/data
beside the checkout) and, so that scale can be measured anywhere, from ucid-town. Rivals need an environment of their own,
which the head of each says how to make: UCID_RIVALS names its interpreter.
"""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("UCID_DATA", SOURCE.parent / "shared" / "data"))
CITIES = ["las-palmas/las-palmas.osm.pbf", "malta/malta-2016.osm.pbf"]
TOWN_NODES = {"town-0.001M": 4_300, "town-0.01M": 43_000, "town-0.1M": 430_000, "town-1M": 4_300_000, "town-10M": 43_000_000}  # nodes of the extract; the name: junctions


def town(build: Path, name: str) -> str:
    """A town that does not exist, made once a build."""
    path = build / f"{name}.osm.pbf"
    if not path.exists():
        subprocess.run([build / "ucid-town", "-n", str(TOWN_NODES[name]), path], check=True, capture_output=True)
    return str(path)


def index_of(build: Path, extract: str) -> str:
    """An index of an extract, made once a build."""
    path = build / (Path(extract).name.removesuffix(".osm.pbf") + ".ucidx")
    if not path.exists():
        subprocess.run([build / "ucid", "index", "build", extract, "-o", path, "-q"], check=True, capture_output=True)
    return str(path)


def arguments(build: Path, name: str) -> list[list[str]]:
    """Argument lists that a program is run with."""
    cities = [str(DATA / city) for city in CITIES if (DATA / city).exists()]
    city = cities[0] if cities else town(build, "town-0.1M")
    library = str(build / "libucid.so")
    match name:
        case "score":
            return [[extract] for extract in [*cities, town(build, "town-1M")]]
        case "index":  # on one thread
            return [["1", *cities, town(build, "town-0.1M"), town(build, "town-1M")]]
        case "read":
            return [[*cities, town(build, "town-1M")]]
        case "cli":
            return [[str(build), city]]
        case "python":
            return [[index_of(build, city)]]
        case "rivals/tables" | "rivals/levels":  # of bench/table.py and bench_rollup.py, which make their data
            return []
        case "rivals/network_scores":
            return [[library, city]]
        case _:
            return [[library]] if name.startswith("rivals/") else [[]]


def programs(build: Path) -> dict[str, list[str | Path]]:
    """Commands by name; rivals run with an interpreter of their own."""
    found: dict[str, list[str | Path]] = {}
    for path in sorted(build.glob("bench_*")):
        if path.is_file() and os.access(path, os.X_OK):
            found[path.name.removeprefix("bench_")] = [path]
    for path in sorted((SOURCE / "bench").glob("bench_*.py")):
        found[path.stem.removeprefix("bench_")] = [sys.executable, path]
    for path in sorted((SOURCE / "bench" / "rivals").glob("*.py")):
        found[f"rivals/{path.stem}"] = [os.environ.get("UCID_RIVALS", ""), path]
    return found


def machine() -> dict[str, object]:
    """What the figures were taken on."""
    cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "")
    commit = subprocess.run(["git", "-C", SOURCE, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return {"cpu": cpu, "cores": os.cpu_count(), "kernel": platform.release(), "commit": commit.stdout.strip(),
            "load_before": round(os.getloadavg()[0], 2)}  # fmt: skip


def cause(run: subprocess.CompletedProcess[str]) -> str:
    """Last line of what a program that failed said."""
    lines = (run.stderr.strip() or run.stdout.strip()).splitlines()
    return f"{lines[-1] if lines else 'nothing said'} (exit code {run.returncode})"


def main() -> None:
    """Run what is asked for."""
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    build, wanted = Path(sys.argv[1]).resolve(), sys.argv[2:]
    commands = programs(build)
    if unknown := [name for name in wanted if name not in commands]:
        sys.exit(f"no benchmark {', '.join(unknown)}; there are {', '.join(commands)}")
    environment = {**os.environ, "PYTHONPATH": str(build / "python"), "UCID_BUILD": str(build)}
    results, left_out, failed = [], {}, {}
    for name in wanted or commands:
        if name.startswith("rivals/") and not commands[name][0]:
            left_out[name] = "UCID_RIVALS names no interpreter"
            continue
        for words in arguments(build, name):
            shown = " ".join(Path(word).name for word in words)
            print(f"--- {name} {shown}", flush=True)
            alone = {**os.environ} if name.startswith("rivals/") else environment
            run = subprocess.run([*commands[name], *words], capture_output=True, text=True, env=alone)
            for line in run.stdout.splitlines():
                row = json.loads(line)
                results.append({"bench": name, "on": shown, **row})
                print("   ", "  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
            if run.returncode != 0:
                is_missing = "ModuleNotFoundError" in run.stderr or " are missing: " in run.stderr
                (left_out if is_missing else failed)[name] = cause(run)
    for name, reason in left_out.items():
        print(f"--- left out: {name}: {reason}")
    for name, reason in failed.items():
        print(f"--- failed: {name}: {reason}")
    path = build / "bench.json"
    kept = {"machine": machine(), "results": results, "left_out": left_out, "failed": failed}
    path.write_text(json.dumps(kept, indent=1) + "\n")
    print(f"--- {path}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
