"""Run every benchmark of a build and keep what it prints.

    python bench/run.py BUILD [NAME ...]        NAME: cell, identity, read, index, score, aggregate

The programs print JSON lines; this adds the machine, the commit and the arguments, writes all of it to
BUILD/bench.json, and shows a table. Extracts come from UCID_DATA (default: shared/data beside the checkout) and, so that
scale can be measured anywhere, from ucid-town.
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
TOWN_NODES = {"town-0.1M": 430_000, "town-1M": 4_300_000}  # nodes of the extract; the name tells junctions


def towns(build: Path, names: list[str]) -> list[str]:
    """Towns that do not exist, made once a build."""
    made = []
    for name in names:
        path = build / f"{name}.osm.pbf"
        if not path.exists():
            subprocess.run([build / "ucid-town", "-n", str(TOWN_NODES[name]), path], check=True)
        made.append(str(path))
    return made


def arguments(build: Path, name: str) -> list[list[str]]:
    """Argument lists that a program is run with."""
    cities = [str(DATA / city) for city in CITIES if (DATA / city).exists()]
    if name == "score":
        return [[extract] for extract in cities + towns(build, ["town-1M"])]
    if name == "index":
        return [["1", *cities, *towns(build, ["town-0.1M", "town-1M"])]]  # on one thread
    if name == "read":
        return [cities + towns(build, ["town-1M"])]
    return [[]]


def machine() -> dict[str, object]:
    """What the figures were taken on."""
    cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "")
    commit = subprocess.run(["git", "-C", SOURCE, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return {"cpu": cpu, "cores": os.cpu_count(), "kernel": platform.release(), "commit": commit.stdout.strip(),
            "load_before": round(os.getloadavg()[0], 2)}  # fmt: skip


def main() -> None:
    """Run what is asked for."""
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    build, wanted = Path(sys.argv[1]).resolve(), sys.argv[2:]
    results = []
    for program in sorted(build.glob("bench_*")):
        name = program.name.removeprefix("bench_")
        if (wanted and name not in wanted) or not os.access(program, os.X_OK) or program.is_dir():
            continue
        for words in arguments(build, name):
            shown = " ".join(Path(word).name for word in words)
            print(f"--- {name} {shown}", flush=True)
            run = subprocess.run([program, *words], capture_output=True, text=True)
            if run.returncode != 0:
                sys.exit(f"{program} ended with {run.returncode}\n{run.stdout}{run.stderr}")
            for line in run.stdout.splitlines():
                row = json.loads(line)
                results.append({"bench": name, "on": shown, **row})
                print("   ", "  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    path = build / "bench.json"
    path.write_text(json.dumps({"machine": machine(), "results": results}, indent=1) + "\n")
    print(f"--- {path}")


if __name__ == "__main__":
    main()
