"""The published page's table, measured here: runs rows of benchmarks, keeps what they say, and writes docs/benchmarks.md.

    python bench/table.py BUILD [--rows NAME ...] [--only PROGRAM ...] [--scale 0.02] [--work FOLDER] [--report]

A row is described once, in ROWS: which program of this folder runs it, and how its JSON lines become seconds. Each row that
runs replaces its figures in bench/results/table.json; the report, with its picture, is made of all that are kept there, so
rows may be run one by one on a machine that is quiet. --scale is of 10 GB of CSV. At the default other rows do the part of their
work that ROWS tells, and with more of CSV as much more of it, up to the whole. Figures of whole work (10 GB of CSV, 10 M points
in 5,000 zones) are kept beside those of less: neither run replaces the other's. Rivals run in the environment that
scripts/rivals makes (UCID_RIVALS: its interpreter), engines in .venv-cluster; what fails, takes too long (--limit) or holds too
much memory (--memory) is ended and named with its last words.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(SOURCE / "bench"))
import processes  # noqa: E402  bench/processes.py: runs a program, looks at its memory
import run  # noqa: E402  bench/run.py: extracts, towns, the machine

RIVALS = os.environ.get("UCID_RIVALS", str(Path.home() / ".cache/ucid-rivals/bin/python"))
ENGINES = str(SOURCE / ".venv-cluster/bin/python")
KEPT, PAGE = SOURCE / "bench/results/table.json", SOURCE / "docs/benchmarks.md"
PAGE_CORES, CSV_ROWS_OF_10_GB = 32, 113_000_000
DEFAULT_SCALE = 0.02
ON_ENGINES = ["dask", "ray", "spark", "modin"]


class Row:
    """One row: its title, how it is run here, what the page says for so much work, and how much of it is done by default."""

    def __init__(self, name, title, runner, page=None, part=None):
        self.name, self.title, self.runner, self.page, self.part = name, title, runner, page, part

    def part_at(self, scale):
        """Of its work, at a scale of the CSV file; a row without parts is always whole."""
        return round(min(1.0, self.part * scale / DEFAULT_SCALE), 9) if self.part else 1.0  # 0.4, not 0.39999999999999997

    def key(self, scale):
        """Under which its figures are kept."""
        return self.name + (WHOLE if self.part and self.part_at(scale) == 1 else "")


def lines_of(command, environment=None, limit_s=900, limit_mb=14_000):
    """JSON objects that a command prints, why it failed or None, and the most memory that it held until each of them."""
    said, wrong, code, why, peaks = processes.watched(command, environment, limit_s, limit_mb)
    found = [(json.loads(line), peak) for line, peak in zip(said.splitlines(), peaks) if line.startswith("{")]
    if why is None and code != 0:
        why = run.cause(subprocess.CompletedProcess(command, code, said, wrong))
    return [one for one, _ in found], why, [peak for _, peak in found]


def timed(words, runs=5):
    """Seconds and memory of a program."""
    made = []
    while len(made) < runs and sum(one["wall_s"] for one in made) < processes.LONG_S:
        start = time.perf_counter()
        program = subprocess.Popen([str(word) for word in words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(program.pid, 0)
        program.returncode = os.waitstatus_to_exitcode(status)
        if program.returncode not in (0, 1):
            return {"error": f"{Path(words[0]).name} {words[1]} ended with {program.returncode}"}
        made.append({"wall_s": round(time.perf_counter() - start, 3), "cpu_s": round(used.ru_utime + used.ru_stime, 3),
                     "peak_mb": round(used.ru_maxrss / 1024)})  # fmt: skip
    return processes.middle(made)


# ---------------------------------------------------------------------------------------------------------------- rows


def in_cache(path):
    """Read a file, so that each program finds it in the system's cache as far as that holds it."""
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 22):
            pass


def tables(options, wanted):
    """CSV and Parquet. The programs of an engine share its session, which the first of them warms, as its start takes longer
    than most of them."""
    rows = int(CSV_ROWS_OF_10_GB * options.scale)
    path = options.work / f"table-{rows}.csv"
    script = SOURCE / "bench/rivals/tables.py"
    if not path.exists():
        subprocess.run([RIVALS, script, "make", path, str(rows)], check=True)
    steps = {}  # {what shares a process: {step: its row}}
    for row, job, suffix in ((row, *TABLES[row.name]) for row in sorted(wanted, key=lambda row: list(TABLES).index(row.name))):
        in_cache(path.with_suffix(suffix))
        programs = ["ucid", "polars", "duckdb", "pyarrow", "pandas"]
        kinds = ("{}", "ucid_{}", "ucid_{}_job") if job == "mean" else ("{}",)
        programs += [kind.format(engine) for engine in ON_ENGINES for kind in kinds]
        for program in (one for one in programs if not options.only or one in options.only):
            engine = program.removeprefix("ucid_").removesuffix("_job")
            steps.setdefault(engine if engine in ON_ENGINES else (row.name, program), {})[f"{job}:{program}:{suffix}"] = row
    made = {row: [] for row in wanted}
    for shared, of in steps.items():
        python, environment = RIVALS, {}
        if shared in ON_ENGINES:
            python, environment = ENGINES, {"PYTHONPATH": str(options.build / "python"), "PYSPARK_PYTHON": ENGINES}
        for step, figures in in_turn([python, script, path, options.build / "ucid", options.runs], list(of), environment, options):
            made[of[step]].append({"program": step.split(":")[1], **figures})
    about = {"work": path.stat().st_size / 1e10, "what": f"{rows:,} rows, {path.stat().st_size / 1e9:.2f} GB as CSV"}
    return [(row, made[row], about) for row in wanted]


def in_turn(words, steps, environment, options):
    """(step, its figures or why there are none) of steps that share a process; those behind one that had to be ended, in another."""
    while steps:
        found, failure, peaks = lines_of([*words, *steps], environment, options.limit, options.memory)
        begun = [one["step"] for one in found if "begins" in one]
        for step in begun if failure is None else begun[:-1]:
            runs = [{"peak_mb": peak, **one} for one, peak in zip(found, peaks, strict=True) if one["step"] == step and "wall_s" in one]
            wrong = [one["error"] for one in found if one["step"] == step and "error" in one]
            yield step, {"error": wrong[0]} if wrong else processes.middle(runs)
        if failure is None:
            return
        for step in [begun[-1]] if begun else steps:  # without a session no step can be made
            yield step, {"error": failure}
        steps = steps[len(begun) :] if begun else []


def join(options, part):
    words = [RIVALS, SOURCE / "bench/rivals/joins.py", options.build / "libucid.so", "--share", f"{part:g}"]
    words += ["--points", str(int(10_000_000 * part)), "--folder", options.work / "joins", "--engines", ENGINES]
    words += ["--runs", str(options.runs), "--limit", str(options.limit), *(["--only", *options.only] if options.only else [])]
    found, failure, _ = lines_of(words, limit_s=3600, limit_mb=20_000)  # joins.py ends its programs at less
    if not found:
        return [{"program": "all", "error": failure}], {}
    data, *made = found
    for row in made:
        if "error" not in row:
            row["answer"] = f"{row.pop('inside')} inside"
            row["answer"] += f", {row['different']} not as ours" if row.pop("different") else ""
    made += [{"program": "what comes next", "error": failure}] if failure else []
    what = f"{data['points']:,} points, {data['zones']:,} zones of {data['least']:,} to {data['most']:,} corners, {data['corners'] / 1e6:.1f} M in all"
    return made, {"work": part, "what": what}


def score(options, part):
    extract, places = city(options), str(int(1_000_000 * part))
    found, failure, _ = lines_of([sys.executable, SOURCE / "bench/bench_cli.py", options.build, extract, places],
                                 {"PYTHONPATH": str(options.build / "python")})  # fmt: skip
    made = [{"program": "ucid", **row["score"]} for row in found if "score" in row]
    if not made:
        made = [{"program": "ucid", "error": failure}]
    found, failure, _ = lines_of([RIVALS, SOURCE / "bench/rivals/network_scores.py", options.build / "libucid.so", extract, places])
    for row in found:
        name = f"streets to scores: {row['who']}" + "".join(f", {key} {row[key]}" for key in ("from", "threads") if key in row)
        name += f", a sample of {row['places']} places" if row.get("places", int(places)) != int(places) else ""
        compared = f"{100 * row['scores_equal']:.4g} % of scores are those of the extract" if "scores_equal" in row else ""
        made.append({"program": name, **row, **({"answer": compared} if compared else {})})
    made += [{"program": "pandana, cityseer, r5py", "error": failure}] if failure else []
    return made, {"work": part, "what": f"{int(places):,} places of {Path(extract).name}, Parquet to Parquet"}


def warm(options, part):
    """The engines' own bench, of which the warm pass is the page's row."""
    made, rows = [], int(1_000_000 * part)
    left = list(options.only or ["local", *ON_ENGINES])
    while left:
        words = [ENGINES, SOURCE / "bench/bench_engines.py", "--rounds", "3", "--parts", "warm", "--rows", str(rows), "--engines", ",".join(left)]
        found, failure, peaks = lines_of(words, {"UCID_BUILD": str(options.build)}, options.limit, options.memory)
        named = {row["engine"]: {"wall_s": round(row["warm_1m_s"], 3), "peak_mb": peak} for row, peak in zip(found, peaks, strict=True)}
        if missing := [engine for engine in left if engine not in named][:1]:  # the first of them had to be ended, or failed
            named[missing[0]] = {"error": failure or "ended without a figure"}
        made += [{"program": "ucid" if engine == "local" else f"ucid_{engine}", **one} for engine, one in named.items()]
        left = [engine for engine in left if engine not in named]
    return made, {"work": part, "what": f"{rows:,} places that the cluster holds, scored there"}


def of_program(script, what, count):
    """A program whose lines are kept as they are; those with seconds become rows."""

    def runner(options, part):
        n = int(count * part)
        found, failure, _ = lines_of([RIVALS, SOURCE / f"bench/rivals/{script}.py", options.build / "libucid.so", str(n)])
        for row in found:
            if "order" in row:
                row["program"] += f", {row['order']}"
                row["answer"] = "equal" if row["same"] else "not as ours"
        return [*found, *([{"program": script, "error": failure}] if failure else [])], {"what": what.format(n), "work": part}

    return runner


def grid(options, _):
    words = [options.build / "ucid", "grid", "--index", run.index_of(options.build, city(options)), "-o", options.work / "grid.parquet", "-q"]
    made = [{"program": f"ucid, resolution {resolution}", **timed([*words, "--res", resolution])} for resolution in (9, 10, 11)]
    return made, {"work": 1.0, "what": f"all cells of {Path(city(options)).name}, scored, to Parquet"}


def build(options, _):
    extract = city(options)
    made = [{"program": "ucid", **timed([options.build / "ucid", "index", "build", extract, "-o", options.work / "city.ucidx", "-q"])}]
    return made, {"work": 1.0, "what": f"{Path(extract).name}, {os.path.getsize(extract) / 1e6:.1f} MB"}


def growth(options, part):
    """Ours alone: 1, 10, 100 times the points; the zones; the corners; the streets."""
    made, most = [], int(10_000_000 * part)
    cases = [("points", points, 5000, 0.1) for points in (most // 100, most // 10, most)]
    cases += [("zones", most, zones, 0.1) for zones in (50, 500, 5000)] + [("corners", most, 5000, share) for share in (0.01, 0.1, 1.0)]
    for of, points, zones, share in cases:
        words = [RIVALS, SOURCE / "bench/rivals/joins.py", options.build / "libucid.so", "--folder", options.work / "joins", "--only", "ucid_library"]
        words += ["--points", str(points), "--zones", str(zones), "--share", f"{share * part:g}", "--runs", str(options.runs)]
        found, failure, _ = lines_of(words)
        case = {"program": f"ucid join, {of}"}
        if failure or "error" in found[1]:
            made.append({**case, "error": failure or found[1]["error"]})
        else:
            made.append({**found[1], **case, "of": of, "corners": found[0]["corners"], "points": points, "zones": found[0]["zones"]})
    places = str(most // 10)
    for name in ("town-0.01M", "town-0.1M", "town-1M") if part == 1 else ("town-0.001M", "town-0.01M", "town-0.1M"):
        extract = run.town(options.build, name)
        case = {"of": "network", "junctions": name.removeprefix("town-")}
        made.append({"program": "ucid index build", **case, **timed([options.build / "ucid", "index", "build", extract, "-o", options.work / "town.ucidx", "-q"], options.runs)})
        found, failure, _ = lines_of([sys.executable, SOURCE / "bench/bench_cli.py", options.build, extract, places], {"PYTHONPATH": str(options.build / "python")})
        made.append({"program": "ucid score", **case, "points": int(places), **(found[0]["score"] if found else {"error": failure})})
    return made, {"what": "1, 10 and 100 times the points, zones, corners of zones, junctions of a generated town", "work": part}


def city(options):
    cities = [str(run.DATA / one) for one in run.CITIES if (run.DATA / one).exists()]
    return cities[0] if cities else run.town(options.build, "town-0.1M")


WHOLE = "-whole"  # behind the name of a row: its figures of all the work
TABLES = {"parquet": ("mean", ".parquet"), "mean": ("mean", ".csv"), "csv": ("read", ".csv")}  # what holds most memory is last
ROWS = [
    Row("csv", "CSV read", tables, {"Dask": 45, "Ray": 50, "Spark": 60}, DEFAULT_SCALE),
    Row("mean", "Group-by + mean", tables, {"Dask": 12, "Ray": 15, "Spark": 20}, DEFAULT_SCALE),
    Row("parquet", "Group-by + mean of Parquet", tables, None, DEFAULT_SCALE),
    Row("join", "Spatial join", join, {"Dask": 30, "Ray": 35, "Spark": 45}, 0.1),
    Row("score", "Context scoring", score, {"Dask": 180, "Ray": 120, "Spark": 240}, 0.4),
    Row("warm", "Context scoring on engines", warm, {"Dask": 180, "Ray": 120, "Spark": 240}, 0.4),
    Row("identifiers", "Identifiers", of_program("identifiers", "{:,} texts: create, parse and repair, one thread", 1_000_000), None, 0.4),
    Row("cells", "Cells of coordinates", of_program("cells", "{:,} places, one thread", 500_000), None, 0.4),
    Row("rollup", "Roll-up R9 to R7 to R5", of_program("rollup", "{:,} cells in memory, two threads", 10_000_000), None, 0.4),
    Row("grid", "Grid of a city", grid),
    Row("build", "Index of a city", build),
    Row("growth", "Growth", growth, None, 0.2),
]

# -------------------------------------------------------------------------------------------------------------- report


def table_of(rows):
    """Markdown of measured programs: those with wall seconds as columns that all share, rates as they are."""
    timed_rows = [row for row in rows if "wall_s" in row]
    if not timed_rows:
        text = ["| | | | times ours |", "| --- | --- | --- | --- |"]
        for row in rows:
            if "value" in row:
                note = f", {row['different']} different" if "different" in row else ""
                text.append(f"| {row['name']}{note} | {row['value']} | {row['unit']} | {row.get('ratio', '')} |")
        return text
    shown = ["points", "zones", "corners", "junctions", "compile_s", "join_s"] if any("of" in row for row in timed_rows) else ["version", "load", "answer"]
    keys = [key for key in ("program", "wall_s", "cpu_s", "peak_mb", *shown) if any(key in row for row in timed_rows)]
    head = {"program": "", "wall_s": "wall s", "cpu_s": "CPU s", "peak_mb": "peak MB", "compile_s": "of that compiling s", "join_s": "joining s", "load": "load, if another"}
    text = ["| " + " | ".join(head.get(key, key) for key in keys) + " |", "|" + " --- |" * len(keys)]
    return text + ["| " + " | ".join(str(row.get(key) if row.get(key) is not None else "") for key in keys) + " |" for row in timed_rows]


def core_seconds(one, cores):
    """Processor seconds where a program tells them, else its wall seconds on all cores."""
    return one.get("cpu_s", one["wall_s"] * cores)


def beside_the_page(kept):
    """Core seconds: the page's for its work over ours for as much, ours alone and on the engine that the page names."""
    text = ["| | here | core s here | for the page's work | page | page: s x 32 cores | page over ours, a core |", "|" + " --- |" * 7]
    for row in ROWS:
        there = kept.get(row.name + WHOLE) or kept.get(row.name)
        if not there or not row.page:
            continue
        of = {one["program"]: one for one in there["programs"] if "wall_s" in one}
        for engine, seconds in row.page.items():
            for ours in ("ucid", f"ucid_{engine.lower()}", f"ucid_{engine.lower()}_job"):
                if ours not in of:
                    continue
                spent = core_seconds(of[ours], there["machine"]["cores"])
                ratio = seconds * PAGE_CORES * there["work"] / spent
                text.append(f"| {row.title} | {ours} | {spent:.3g} | {spent / there['work']:.3g} | {engine} {seconds} s | {seconds * PAGE_CORES} "
                            f"| {ratio:.0f}x{'' if ratio >= 10 else ' **below 10**'} |")  # fmt: skip
    return text


def best_rival(kept):
    """Ours beside the fastest of the others, a row each."""
    text = ["| | ours: wall s, CPU s | fastest other | wall s, CPU s | over ours: wall, CPU |", "|" + " --- |" * 5]
    for row in ROWS:
        for name in (row.name, row.name + WHOLE):
            of = {one["program"]: one for one in kept.get(name, {}).get("programs", []) if "wall_s" in one}
            others = [one for program, one in of.items() if "ucid" not in program]
            if "ucid" not in of or not others:
                continue
            ours, other = of["ucid"], min(others, key=lambda one: one["wall_s"])
            if row.name == "score":  # from streets to scores
                ours = of.get("streets to scores: ucid, from arrays, threads 2", ours)
            cpu = f"{other['cpu_s'] / ours['cpu_s']:.2f}x" if "cpu_s" in other and "cpu_s" in ours else ""
            text.append(f"| {row.title}{', whole' if name != row.name else ''} | {ours['wall_s']}, {ours.get('cpu_s', '')} | {other['program']} "
                        f"| {other['wall_s']}, {other.get('cpu_s', '')} | {other['wall_s'] / ours['wall_s']:.2f}x, {cpu} |")  # fmt: skip
    return text


def draw(kept):
    """Wall seconds of each row's programs, as bars on a logarithmic scale."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    matplotlib.rcParams["svg.hashsalt"] = "ucid"
    drawn = {row: kept.get(row.name) or kept.get(row.name + WHOLE) for row in ROWS if row.name in ("csv", "mean", "join")}
    rows = [row for row, there in drawn.items() if there and any("wall_s" in one for one in there["programs"])]
    if not rows:
        return
    figure, axes = plt.subplots(1, len(rows), figsize=(4 * len(rows), 3.6), squeeze=False)
    for axis, row in zip(axes[0], rows, strict=True):
        timed = sorted((one for one in drawn[row]["programs"] if "wall_s" in one), key=lambda one: -one["wall_s"])
        bars = axis.barh([one["program"] for one in timed], [one["wall_s"] for one in timed],
                         color=["#c0392b" if one["program"].startswith("ucid") else "#7f8c8d" for one in timed])  # fmt: skip
        axis.bar_label(bars, fmt="%.3g", padding=2, fontsize=8)
        axis.set_xscale("log")
        axis.margins(x=0.2)
        axis.set_title(f"{row.title}, s", fontsize=10)
        axis.tick_params(labelsize=8)
    figure.tight_layout()
    figure.savefig(PAGE.with_suffix(".svg"), metadata={"Date": None})


def section(row, there, whole):
    """A row's table, what failed, and whether answers differ."""
    on = there["machine"]
    text = [f"## {row.title}{', whole' if whole else ''}", "", f"{there.get('what', '')}. {there['date']}, commit {on['commit']}, {on['cores']} cores, {on['cpu']}, load {on['load_before']}.".lstrip(". "), ""]
    text += [*table_of(there["programs"]), ""]
    answers = {one["answer"] for one in there["programs"] if "answer" in one}
    if len(answers) > 1 and row.name != "score":
        text += [f"Answers differ: {'; '.join(sorted(answers))}.", ""]
    text += [f"- {one['program']}: {re.sub('[|`<>]', '', str(one['error']))[:300]}" for one in there["programs"] if "error" in one]
    return text if text[-1] == "" else [*text, ""]


def report(kept):
    """Write the page and its picture."""
    text = ["# Benchmarks", "", "Made by `make bench-table`; every row is what one run said, with equal answers where it has any to compare. Raw figures:",
            "[bench/results/table.json](../bench/results/table.json). `ucid` is ours, `ucid_dask` and the like ours over what that engine's own reader gives,",
            "`ucid_dask_job` and the like a job (`ucid distributed`) on that engine, whose tasks read the file themselves. Sessions of engines are",
            "started before the clock. Rows of CSV and Parquet that run together share one: memory is that of its processes with what earlier programs left",
            "in them. `ucid` is a program that starts for each run, libraries are loaded before. Two threads or workers; medians of up to three",
            "runs, of which there are no more when they took 5 s together. Rows that are called whole did all the work (`SCALE=1 make bench-table`:",
            "10 GB of CSV, 10 M points in 5,000 zones), the others a part of it. The load of a row is that of the minute before it: of the row",
            "before, where the whole table runs. What else ran beside a row makes its wall seconds upper bounds.", "",
            "![seconds of three rows](benchmarks.svg)", "", "## Beside the published page", "",
            "The page names neither its data beyond 10 GB and 1 M points nor its processors: a core there is taken for a core here, and",
            "its 32 cores for busy. Here processor seconds are counted, or wall seconds on both cores where an engine does not tell them. Figures",
            "of less work are scaled up.", "", *beside_the_page(kept), "", "## Beside the fastest of the others", "", *best_rival(kept), ""]  # fmt: skip
    for row in ROWS:
        if row.name not in kept and row.name + WHOLE not in kept:
            text += [f"## {row.title}", "", "Not run.", ""]
        for name in (row.name, row.name + WHOLE):
            if name in kept:
                text += section(row, kept[name], name != row.name)
    PAGE.write_text("\n".join(text))
    draw(kept)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("build", type=Path)
    parser.add_argument("--rows", nargs="*", default=[row.name for row in ROWS])
    parser.add_argument("--only", nargs="*", help="programs of the rows; others keep their figures")
    parser.add_argument("--scale", type=float, default=float(os.environ.get("SCALE", DEFAULT_SCALE)), help="of 10 GB of CSV")
    parser.add_argument("--runs", type=int, default=3, help="until they took 5 s together")
    parser.add_argument("--limit", type=int, help="seconds that a run may take (60; 900 of 10 GB)")
    parser.add_argument("--memory", type=int, default=14_000, help="MB that a run may hold")
    parser.add_argument("--work", type=Path, default=Path("/tmp/ucid-table"))
    parser.add_argument("--report", action="store_true", help="only write the page")
    options = parser.parse_args()
    options.build = options.build.resolve()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # engines are many processes: each module is compiled once, not by every one
    os.environ["PYTHONPYCACHEPREFIX"] = str(options.build / "pycache")
    options.limit = options.limit or (900 if options.scale == 1 else 60)
    options.work.mkdir(parents=True, exist_ok=True)
    KEPT.parent.mkdir(exist_ok=True)
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    for runner in dict.fromkeys(row.runner for row in ROWS) if not options.report else []:
        wanted = [row for row in ROWS if row.runner is runner and row.name in options.rows]
        if not wanted:
            continue
        start, load = time.perf_counter(), os.getloadavg()[0]
        made = runner(options, wanted) if runner is tables else [(wanted[0], *runner(options, wanted[0].part_at(options.scale)))]
        for row, programs, about in made:
            name = row.key(options.scale)
            if options.only and name in kept:
                named = {one["program"] for one in programs}
                before = kept[name]["machine"]["load_before"]
                programs += [{"load": before, **one} for one in kept[name]["programs"] if one["program"] not in named]
            kept[name] = {**about, "date": date.today().isoformat(), "machine": {**run.machine(), "load_before": round(load, 2)}, "programs": programs}
            KEPT.write_text(json.dumps(kept, indent=1) + "\n")
            for one in programs:
                print(row.name, json.dumps(one), flush=True)
        print(f"--- {', '.join(row.name for row in wanted)}: {time.perf_counter() - start:.0f} s", flush=True)
    report(kept)


if __name__ == "__main__":
    main()
