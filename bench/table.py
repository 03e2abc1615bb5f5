"""The published page's table, measured here: runs rows of benchmarks, keeps what they say, and writes docs/benchmarks.md.

    python bench/table.py BUILD [--rows NAME ...] [--scale 0.05] [--work FOLDER] [--report]

A row is described once, in ROWS: which program of this folder runs it, and how its JSON lines become seconds. Each row that
runs replaces its figures in bench/results/table.json; the report, with its picture, is made of all that are kept there, so
rows may be run one by one on a machine that is quiet. --scale is of 10 GB of CSV. Rivals run in the environment that
scripts/rivals makes (UCID_RIVALS: its interpreter), engines in .venv-cluster; what fails is named with its last words.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(SOURCE / "bench"))
import run  # noqa: E402  bench/run.py: extracts, towns, the machine

RIVALS = os.environ.get("UCID_RIVALS", str(Path.home() / ".cache/ucid-rivals/bin/python"))
ENGINES = str(SOURCE / ".venv-cluster/bin/python")
KEPT, PAGE = SOURCE / "bench/results/table.json", SOURCE / "docs/benchmarks.md"
PAGE_CORES, CSV_ROWS_OF_10_GB = 32, 113_000_000


class Row:
    """One row: its title, what the page says for so much work, and how it is run here."""

    def __init__(self, name, title, runner, page=None, work_of_page=1.0):
        self.name, self.title, self.runner, self.page, self.work_of_page = name, title, runner, page, work_of_page


def lines_of(command, environment=None, limit_s=900):
    """JSON objects that a command prints, and why it failed or None."""
    environment = {**os.environ, **(environment or {})}
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=environment, timeout=limit_s)
    except subprocess.TimeoutExpired:
        return [], f"did not end within {limit_s} s"
    except FileNotFoundError as error:
        return [], str(error)
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return found, None if done.returncode == 0 else run.cause(done)


# ---------------------------------------------------------------------------------------------------------------- rows


def tables(job, options):
    rows = int(CSV_ROWS_OF_10_GB * options.scale)
    path = options.work / f"table-{rows}.csv"
    script = SOURCE / "bench/rivals/tables.py"
    if not path.exists():
        subprocess.run([RIVALS, script, "make", path, str(rows)], check=True)
    made = []
    for program in ("ucid", "polars", "duckdb", "pyarrow", "pandas", "dask", "ray", "spark", "modin"):
        if options.only and program not in options.only:
            continue
        python = RIVALS if program in ("ucid", "polars", "duckdb", "pyarrow", "pandas") else ENGINES
        runs, failure = [], None
        for _ in range(options.runs if python == RIVALS else 1):
            found, failure = lines_of([python, script, job, program, path, options.build / "ucid"], limit_s=300)
            runs += found
            if failure:
                break
        if not runs:
            made.append({"program": program, "error": failure})
            continue
        runs.sort(key=lambda one: one["wall_s"])
        made.append({**runs[len(runs) // 2], "runs": len(runs)})
    work = path.stat().st_size / 1e10
    return made, {"work": work, "what": f"{path.stat().st_size / 1e9:.2f} GB of CSV"}


def join(options):
    words = [RIVALS, SOURCE / "bench/rivals/joins.py", options.build / "libucid.so", "--share", str(options.share)]
    words += ["--folder", options.work / "joins", *(["--only", *options.only] if options.only else [])]
    found, failure = lines_of(words)
    if not found:
        return [{"program": "all", "error": failure}], {}
    data, *made = found
    for row in made:
        if "error" not in row:
            row["answer"] = f"{row.pop('inside')} inside"
            row["answer"] += f", {row['different']} not as ours" if row.pop("different") else ""
    what = f"{data['points']:,} points, {data['zones']:,} zones of {data['least']:,} to {data['most']:,} corners, {data['corners'] / 1e6:.1f} M in all"
    return made, {"work": 1.0, "what": what}


def score(options):
    extract = city(options)
    found, failure = lines_of([sys.executable, SOURCE / "bench/bench_cli.py", options.build, extract, "1000000"],
                              {"PYTHONPATH": str(options.build / "python")})  # fmt: skip
    made = [{"program": "ucid", **row["score"]} for row in found if "score" in row]
    if not made:
        made = [{"program": "ucid", "error": failure}]
    found, failure = lines_of([RIVALS, SOURCE / "bench/rivals/network_scores.py", options.build / "libucid.so", extract])
    made += [{"program": f"streets to scores: {row['who']}" + "".join(f", {key} {row[key]}" for key in ("from", "threads") if key in row),
              **row} for row in found if "wall_s" in row]  # fmt: skip
    made += [{"program": "pandana, cityseer", "error": failure}] if failure else []
    return made, {"work": 1.0, "what": f"1 M places of {Path(extract).name}, Parquet to Parquet"}


def warm(options):
    """The engines' own bench, of which the warm pass is the page's row."""
    words = [sys.executable, SOURCE / "bench/bench_engines.py", "--rounds", "3"]
    words += ["--engines", ",".join(options.only)] if options.only else []
    found, failure = lines_of(words, {"UCID_BUILD": str(options.build)})
    made = [{"program": f"ucid on {row.get('engine') or row.get('name')}", "wall_s": round(row["warm_1m_s"], 3)} for row in found]
    return made or [{"program": "engines", "error": failure}], {"work": 1.0, "what": "1 M places that the cluster holds"}


def of_program(script, what, environment=RIVALS):
    """A program whose lines are kept as they are; those with seconds become rows."""

    def runner(options):
        found, failure = lines_of([environment, SOURCE / f"bench/rivals/{script}.py", options.build / "libucid.so"])
        for row in found:
            if "order" in row:
                row["program"] += f", {row['order']}"
        return [*found, *([{"program": script, "error": failure}] if failure else [])], {"what": what, "work": 1.0}

    return runner


def grid(options):
    index = run.index_of(options.build, city(options))
    walls = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([options.build / "ucid", "grid", "--res", "9", "--index", index, "-o", options.work / "grid.parquet", "-q"], check=True)
        walls.append(time.perf_counter() - start)
    return [{"program": "ucid", "wall_s": round(statistics.median(walls), 3)}], {"work": 1.0, "what": f"cells of resolution 9 of {Path(city(options)).name}, scored, to Parquet"}


def build(options):
    walls, made = [], []
    extract = city(options)
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([options.build / "ucid", "index", "build", extract, "-o", options.work / "city.ucidx", "-q"], check=True, capture_output=True)
        walls.append(time.perf_counter() - start)
    made.append({"program": "ucid", "wall_s": round(statistics.median(walls), 3)})
    return made, {"work": 1.0, "what": f"{Path(extract).name}, {os.path.getsize(extract) / 1e6:.1f} MB"}


def growth(options):
    """Ours alone: 1, 10, 100 times the points; the zones; the corners; the streets."""
    made = []
    cases = [("points", points, 5000, 0.1) for points in (100_000, 1_000_000, 10_000_000)]
    cases += [("zones", 10_000_000, zones, 0.1) for zones in (50, 500, 5000)] + [("corners", 10_000_000, 5000, share) for share in (0.01, 0.1, 1.0)]
    for of, points, zones, share in cases:
        words = [RIVALS, SOURCE / "bench/rivals/joins.py", options.build / "libucid.so", "--folder", options.work / "joins"]
        words += ["--points", str(points), "--zones", str(zones), "--share", str(share), "--only", "ucid"]
        found, failure = lines_of(words)
        if failure:
            made.append({"program": f"{of} {points} {zones} {share}", "error": failure})
        else:
            made.append({"program": "ucid", "of": of, "corners": found[0]["corners"], "points": points, "zones": found[0]["zones"], **found[1]})
    for name in ("town-0.1M", "town-1M"):
        extract = run.town(options.build, name)
        start = time.perf_counter()
        subprocess.run([options.build / "ucid", "index", "build", extract, "-o", options.work / "town.ucidx", "-q"], check=True, capture_output=True)
        made.append({"program": "ucid", "of": "network", "junctions": name.removeprefix("town-"), "wall_s": round(time.perf_counter() - start, 3)})
    return made, {"what": "how cost grows", "work": 1.0}


def city(options):
    cities = [str(run.DATA / one) for one in run.CITIES if (run.DATA / one).exists()]
    return cities[0] if cities else run.town(options.build, "town-0.1M")


ROWS = [
    Row("csv", "CSV read", lambda options: tables("read", options), {"Dask": 45, "Ray": 50, "Spark": 60}),
    Row("mean", "Group-by + mean", lambda options: tables("mean", options), {"Dask": 12, "Ray": 15, "Spark": 20}),
    Row("join", "Spatial join", join, {"Dask": 30, "Ray": 35, "Spark": 45}),
    Row("score", "Context scoring", score, {"Dask": 180, "Ray": 120, "Spark": 240}),
    Row("warm", "Context scoring on engines", warm, {"Dask": 180, "Ray": 120, "Spark": 240}),
    Row("identifiers", "Identifiers", of_program("identifiers", "create, parse and repair, one thread")),
    Row("cells", "Cells of coordinates", of_program("cells", "one thread")),
    Row("rollup", "Roll-up R9 to R7 to R5", of_program("rollup", "10 M cells in memory, two threads")),
    Row("grid", "Grid of a city", grid),
    Row("build", "Index of a city", build),
    Row("growth", "Growth", growth),
]

# -------------------------------------------------------------------------------------------------------------- report


def table_of(rows):
    """Markdown of measured programs: those with wall seconds as columns that all share, others key by key."""
    timed = [row for row in rows if "wall_s" in row]
    if not timed:
        told = [row for row in rows if "error" not in row]
        return [f"- {', '.join(f'{key} {value}' for key, value in row.items() if key != 'bench')}" for row in told]
    shown = ["of", "points", "zones", "corners", "junctions"] if any("of" in row for row in timed) else ["version", "answer"]
    keys = [key for key in ("program", "wall_s", "cpu_s", "peak_mb", *shown) if any(key in row for row in timed)]
    head = {"program": "", "wall_s": "wall s", "cpu_s": "CPU s", "peak_mb": "peak MB"}
    text = ["| " + " | ".join(head.get(key, key) for key in keys) + " |", "|" + " --- |" * len(keys)]
    return text + ["| " + " | ".join(str(row.get(key, "")) for key in keys) + " |" for row in timed]


def core_seconds(one, cores):
    """Processor seconds where a program tells them, else its wall seconds on all cores."""
    return one.get("cpu_s", one["wall_s"] * cores)


def beside_the_page(kept):
    """Core seconds: the page's for its work over ours for as much."""
    text = ["| | here, core s | for the page's work | page, s on 32 cores | page over ours: Dask / Ray / Spark |", "| --- | --- | --- | --- | --- |"]
    for row in ROWS:
        there = kept.get(row.name)
        ours = [one for one in there["programs"] if one.get("program", "").startswith("ucid") and "wall_s" in one] if there and row.page else []
        if not ours:
            continue
        best = min(core_seconds(one, there["machine"]["cores"]) for one in ours)
        ratios = [seconds * PAGE_CORES * there["work"] / best for seconds in row.page.values()]
        verdict = "" if min(ratios) >= 10 else " **below 10**"
        text.append(f"| {row.title} | {best:.3g} | {best / there['work']:.3g} | {' / '.join(map(str, row.page.values()))} | {' / '.join(f'{one:.0f}x' for one in ratios)}{verdict} |")
    return text


def draw(kept):
    """Wall seconds of each row's programs, as bars on a logarithmic scale."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    matplotlib.rcParams["svg.hashsalt"] = "ucid"
    rows = [row for row in ROWS if row.name in ("csv", "mean", "join") and any("wall_s" in one for one in kept.get(row.name, {}).get("programs", []))]
    if not rows:
        return
    figure, axes = plt.subplots(1, len(rows), figsize=(4 * len(rows), 3.2), squeeze=False)
    for axis, row in zip(axes[0], rows, strict=True):
        timed = sorted((one for one in kept[row.name]["programs"] if "wall_s" in one), key=lambda one: -one["wall_s"])
        bars = axis.barh([one["program"] for one in timed], [one["wall_s"] for one in timed],
                         color=["#c0392b" if one["program"] == "ucid" else "#7f8c8d" for one in timed])  # fmt: skip
        axis.bar_label(bars, fmt="%.3g", padding=2, fontsize=8)
        axis.set_xscale("log")
        axis.margins(x=0.2)
        axis.set_title(f"{row.title}, s", fontsize=10)
        axis.tick_params(labelsize=8)
    figure.tight_layout()
    figure.savefig(PAGE.with_suffix(".svg"), metadata={"Date": None})


def report(kept):
    """Write the page and its picture."""
    text = ["# Benchmarks", "", "Made by `make bench-table`; every row is what one run said, with equal answers where it has any to compare. Raw figures:",
            "[bench/results/table.json](../bench/results/table.json). `ucid` is ours; sessions of engines are started before the clock.", "",
            "![seconds of three rows](benchmarks.svg)", "", "## Beside the published page", "",
            "The page names neither its data beyond 10 GB and 1 M points nor its processors: a core there is taken for a core here, and",
            "its cores for busy. Here, processor seconds are counted. Figures of less work are scaled up. A row that says a load above",
            "1 was not alone on its machine: then wall seconds are upper bounds, and only those of one row may be compared.", "", *beside_the_page(kept), ""]  # fmt: skip
    for row in ROWS:
        there = kept.get(row.name)
        if there is None:
            text += [f"## {row.title}", "", "Not run.", ""]
            continue
        on = there["machine"]
        text += [f"## {row.title}", "", f"{there.get('what', '')}. {there['date']}, commit {on['commit']}, {on['cores']} cores, {on['cpu']}, load {on['load_before']}.".lstrip(". "), ""]
        text += [*table_of(there["programs"]), ""]
        answers = {one["answer"] for one in there["programs"] if "answer" in one}
        if len(answers) > 1:
            text += [f"Answers differ: {'; '.join(sorted(answers))}.", ""]
        text += [f"- {one['program']}: {re.sub('[|`]', '', str(one['error']))[:300]}" for one in there["programs"] if "error" in one]
        if text[-1] != "":
            text.append("")
    PAGE.write_text("\n".join(text))
    draw(kept)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("build", type=Path)
    parser.add_argument("--rows", nargs="*", default=[row.name for row in ROWS])
    parser.add_argument("--only", nargs="*", help="programs of the rows; others keep their figures")
    parser.add_argument("--scale", type=float, default=float(os.environ.get("SCALE", "0.05")))
    parser.add_argument("--share", type=float, default=0.1, help="of the zones' corners, in the join beside rivals")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("/tmp/ucid-table"))
    parser.add_argument("--report", action="store_true", help="only write the page")
    options = parser.parse_args()
    options.build = options.build.resolve()
    options.work.mkdir(parents=True, exist_ok=True)
    KEPT.parent.mkdir(exist_ok=True)
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    for row in ROWS if not options.report else []:
        if row.name not in options.rows:
            continue
        programs, about = row.runner(options)
        if options.only and row.name in kept:
            named = {one["program"] for one in programs}
            programs += [one for one in kept[row.name]["programs"] if one["program"] not in named]
        kept[row.name] = {**about, "date": date.today().isoformat(), "machine": run.machine(), "programs": programs}
        KEPT.write_text(json.dumps(kept, indent=1) + "\n")
        for one in programs:
            print(row.name, json.dumps(one), flush=True)
    report(kept)


if __name__ == "__main__":
    main()
