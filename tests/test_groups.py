"""`ucid aggregate --by`: what DuckDB and pandas say of the same rows, sums that Python's fractions confirm, any CSV file,
groups and values that do not fit into memory, and the same bytes in every order, split and number of threads."""

import csv
import datetime
import io
import math
import os
import random
import re
import resource
import subprocess
import sys
from fractions import Fraction

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import BUILD, SANITIZED, ucid

ALL = "rows,count,nulls,sum,mean,std,var,min,max,median,p0,p12.5,p90,p100"
csv.field_size_limit(1 << 24)
SQL = ("count(*), count(v), count(*) - count(v), sum(v), avg(v), stddev_samp(v), var_samp(v), min(v), max(v), median(v),"
       " quantile_cont(v, 0.0), quantile_cont(v, 0.125), quantile_cont(v, 0.9), quantile_cont(v, 1.0)")  # fmt: skip


def groups(folder, source, *options, **more):
    """The groups of a table, a file or many files, as a table."""
    if isinstance(source, pa.Table):
        pq.write_table(source, folder / "in.parquet")
        source = folder / "in.parquet"
    ucid("aggregate", source, "-o", folder / "groups.parquet", "--quiet", *options, **more)
    return pq.read_table(folder / "groups.parquet")


def rows_of(table):
    return [tuple(row.values()) for row in table.to_pylist()]


def mixed(rows, seed=1):
    """Keys of several types, with nulls, empty texts and NULs; numbers that are small, large, null and NaN."""
    r = np.random.default_rng(seed)
    texts = ["IST", "Zürich", "", None, "a\0b", "a", "a\0", "日本", "x" * 70]
    values = np.where(r.random(rows) < 0.5, r.integers(0, 81, rows) * 1.25, r.normal(0, 1, rows) * 10.0 ** r.integers(-3, 9, rows))
    values[r.random(rows) < 0.1] = math.nan
    days = [datetime.date(2026, 1, 1) + datetime.timedelta(int(d)) for d in r.integers(-3, 3, rows)]
    return pa.table({
        "city": pa.array([texts[i] for i in r.integers(0, len(texts), rows)]),
        "floor": pa.array(r.integers(-2, 3, rows).astype("int8")),
        "day": pa.array(days),
        "open": pa.array([None if x == 2 else bool(x) for x in r.integers(0, 3, rows)]),
        "ratio": pa.array(r.integers(-1, 2, rows) / 2),
        "big": pa.array((r.integers(0, 3, rows).astype("uint64") << np.uint64(62)) + np.uint64(1)),
        "v": pa.array(values, mask=r.random(rows) < 0.1),
        "n": pa.array(r.integers(-(10**15), 10**15, rows), mask=r.random(rows) < 0.1),
    })  # fmt: skip


def assert_close(ours, theirs):
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs):
        assert (a is None) == (b is None or b != b), (ours, theirs)
        if a is not None and isinstance(a, (int, float)) and not isinstance(a, bool):
            assert a == pytest.approx(float(b), rel=1e-9, abs=1e-9), (ours, theirs)
        elif a is not None:
            assert a == b


@pytest.mark.parametrize("by", ["city", "floor", "day", "open", "ratio", "big", "city,floor,day", "open,city", "big,ratio"])
def test_groups_are_those_of_duckdb(tmp_path, by):
    table = mixed(20000)
    t = table.set_column(table.schema.get_field_index("v"), "v", pa.array(table["v"].to_pandas(), from_pandas=True))  # noqa: F841
    for of in ("v", "n"):
        ours = groups(tmp_path, table, "--by", by, "--agg", ALL, "--of", of)
        assert ours.column_names == by.split(",") + ALL.split(",")
        assert all(ours.schema.field(name).type == table.schema.field(name).type for name in by.split(","))
        keys = ", ".join(f"{name} NULLS FIRST" for name in by.split(","))
        theirs = duckdb.sql(f"SELECT {by}, {SQL.replace('(v', f'({of}')} FROM t GROUP BY {by} ORDER BY {keys}").fetchall()
        assert len(ours) == len(theirs)
        for mine, said in zip(rows_of(ours), theirs):
            assert_close(mine, said)


def test_groups_are_those_of_pandas(tmp_path):
    table = mixed(5000, seed=2)
    said = table.to_pandas().groupby("city", dropna=False)["v"]
    said = pd.DataFrame({"count": said.count(), "mean": said.mean(), "std": said.std(), "median": said.median(), "p90": said.quantile(0.9)})
    ours = groups(tmp_path, table, "--by", "city", "--agg", "count,mean,std,median,p90", "--of", "v").to_pandas()
    assert len(said) == len(ours)
    for key, mine in zip(ours["city"], ours.drop(columns="city").values.tolist()):
        theirs = said[said.index.isna()] if key is None or key != key else said.loc[[key]]
        assert_close(mine, theirs.values.tolist()[0])


@pytest.mark.parametrize("agg", ["mean", ALL])
def test_texts_behind_dictionaries_are_the_same_groups(tmp_path, agg):
    """Entries that are null, or twice the same, that no row has; rows that are null; dictionaries longer than the rows, and those
    that begin anew within a table; files of which one has its texts behind a dictionary, and the other has not."""
    r = np.random.default_rng(4)
    pieces = []
    for rows, entries, width in ((9000, ["b", "", None, "a", "b", "a\0", "none"], "int8"), (70_000, ["a", "c"], "int32"),
                                 (50, [f"t{i % 40}" for i in range(300)], "int16"), (40_000, [None, "b"], "uint8"), (0, [], "int32")):  # fmt: skip
        codes = pa.array(r.integers(0, max(1, min(len(entries), 120)), rows), mask=r.random(rows) < 0.1 * (len(entries) > 2)).cast(width)
        texts = pa.DictionaryArray.from_arrays(codes, pa.array(entries, pa.string()))
        values = pa.array(np.where(r.random(rows) < 0.1, math.nan, r.normal(0, 1e6, rows)), mask=r.random(rows) < 0.1 * (rows < 50_000))
        pieces.append(pa.table({"city": texts.cast(pa.dictionary(pa.int32(), pa.string())), "v": values}))
    coded = pa.concat_tables(pieces)
    plain = coded.set_column(0, "city", coded["city"].cast(pa.string()))
    options = ("--by", "city", "--of", "v", "--agg", agg)
    expected = groups(tmp_path, plain, *options)
    with pa.OSFile(str(tmp_path / "coded.arrows"), "wb") as file, pa.ipc.new_stream(file, coded.schema) as out:
        out.write_table(coded)
    for threads in ("1", "3"):
        assert groups(tmp_path, tmp_path / "coded.arrows", *options, "--threads", threads).equals(expected)
    once = pa.table({"city": [f"no other has {i}" for i in range(5000)], "v": r.normal(0, 1, 5000)})
    for name, tables in {"few": (plain, once), "many": (once, plain)}.items():
        files = [tmp_path / f"{name}-{i}.parquet" for i in range(2)]
        for file, table in zip(files, tables, strict=True):
            pq.write_table(table, file, row_group_size=20_000)
        ucid("aggregate", *files, "-o", tmp_path / f"{name}.parquet", "--quiet", *options)
    both = pa.concat_tables([plain, once])
    for name in ("few", "many"):
        assert pq.read_table(tmp_path / f"{name}.parquet").equals(groups(tmp_path, both, *options))


def test_sums_are_rounded_once(tmp_path):
    r = random.Random(3)
    kinds = {
        "cancels": [1e16, 1.0, -1e16] * 50,
        "wide": [r.uniform(-1, 1) * 10.0 ** r.randint(-300, 150) for _ in range(300)],
        "tiny": [5e-324 * r.randint(-9, 9) for _ in range(50)],
        "huge": [1.2e308, 1.2e308, -1.2e308, -1.1e308],
        "tenths": [0.1] * 1000,
        "far": [1e9 + r.random() * 1e-3 for _ in range(500)],
        "zero": [0.0, -0.0],
        "one": [0.3],
    }
    rows = [(kind, value) for kind, values in kinds.items() for value in values]
    r.shuffle(rows)
    table = pa.table({"k": [kind for kind, _ in rows], "v": [value for _, value in rows]})
    for row in groups(tmp_path, table, "--by", "k", "--agg", "sum,mean,var,std,count", "--of", "v").to_pylist():
        exact = [Fraction(value) for value in kinds[row["k"]]]
        n = len(exact)
        assert row["count"] == n and row["sum"] == float(sum(exact))
        assert row["mean"] == pytest.approx(float(sum(exact) / n), rel=1e-15, abs=5e-324)
        if n == 1:
            assert row["var"] is None and row["std"] is None
            continue
        var = (sum(x * x for x in exact) - sum(exact) ** 2 / n) / (n - 1)
        if var < 10**300:
            assert row["var"] == pytest.approx(float(var), rel=1e-14, abs=5e-324)
        root = Fraction(row["std"])
        assert abs(root * root - var) <= var * Fraction(1, 10**14) + root * Fraction(2 * 5e-324)


def test_infinite_values(tmp_path):
    table = pa.table({"k": ["up", "up", "both", "both", "nan"], "v": [math.inf, 1.0, math.inf, -math.inf, math.nan]})
    rows = {row["k"]: row for row in groups(tmp_path, table, "--by", "k", "--agg", "count,sum,mean,std,min,max", "--of", "v").to_pylist()}
    assert rows["up"] == {"k": "up", "count": 2, "sum": math.inf, "mean": math.inf, "std": None, "min": 1.0, "max": math.inf}
    assert rows["both"] == {"k": "both", "count": 2, "sum": None, "mean": None, "std": None, "min": -math.inf, "max": math.inf}
    assert rows["nan"] == {"k": "nan", "count": 0, "sum": None, "mean": None, "std": None, "min": None, "max": None}


def test_integers_stay_integers(tmp_path):
    table = pa.table({"k": [1, 1, 2], "v": pa.array([2**62 + 1, 2**62 - 3, -(2**63)], pa.int64())})
    ours = groups(tmp_path, table, "--by", "k", "--agg", "sum,min,max", "--of", "v")
    assert rows_of(ours) == [(1, 2**63 - 2, 2**62 - 3, 2**62 + 1), (2, -(2**63), -(2**63), -(2**63))]
    table = pa.table({"k": [1, 1], "v": pa.array([2**63 - 1, 1], pa.int64())})
    pq.write_table(table, tmp_path / "in.parquet")
    result = ucid("aggregate", tmp_path / "in.parquet", "-o", tmp_path / "x.csv", "--by", "k", "--agg", "sum", "--of", "v", check=False)
    assert result.returncode == 3 and "64 bits" in result.stderr
    assert rows_of(groups(tmp_path, table, "--by", "k", "--agg", "mean,max", "--of", "v")) == [(1, 2.0**62, 2**63 - 1)]
    table = pa.table({"k": [1, 1, 2, 3], "v": pa.array([2**53 + 1, -7, 5, None], pa.int64())})
    asked = ("--by", "k", "--agg", "rows,sum,min,max")
    whole = groups(tmp_path, table, *asked, "--of", "v")
    (tmp_path / "parts").mkdir()
    for part in range(4):  # one of them without any value
        made = groups(tmp_path, table.slice(part, 1), *asked, "--of", "v", "--states")
        pq.write_table(made, tmp_path / "parts" / f"{part}.parquet")
    assert groups(tmp_path, tmp_path / "parts", *asked).equals(whole) and whole.schema.field("max").type == pa.int64()


@pytest.mark.parametrize("agg", ["count,mean,std,min,max,sum", "median,p90,std"])
def test_bytes_do_not_depend_on_order_split_or_threads(tmp_path, agg):
    table = mixed(200000, seed=4)
    options = ("--by", "city,floor", "--agg", agg, "--of", "v")
    groups(tmp_path, table, *options, "--threads", "1")
    whole = (tmp_path / "groups.parquet").read_bytes()
    for threads in (2, 7):
        groups(tmp_path, table, *options, "--threads", threads)
        assert (tmp_path / "groups.parquet").read_bytes() == whole
    order = np.random.default_rng(5).permutation(len(table))
    groups(tmp_path, table.take(pa.array(order)), *options)
    assert (tmp_path / "groups.parquet").read_bytes() == whole
    (tmp_path / "states").mkdir()
    for i, (low, high) in enumerate([(0, 1), (1, 1), (1, 70000), (70000, 70001), (70001, 200000)]):
        pq.write_table(table.slice(low, high - low), tmp_path / "part.parquet")
        ucid("aggregate", tmp_path / "part.parquet", "-o", tmp_path / "states" / f"{4 - i}.parquet", "--states", *options)
    groups(tmp_path, tmp_path / "states", *options[:4])
    assert (tmp_path / "groups.parquet").read_bytes() == whole


def test_states_that_are_none(tmp_path):
    made = groups(tmp_path, mixed(100), "--by", "floor", "--agg", "mean,median", "--of", "v", "--states")
    bad = {
        "state_count": [-1] * len(made),
        "state_flags": [9] * len(made),
        "state_sum": [b"12345"] * len(made),
        "state_values": [b"0" * 16] * len(made),
    }
    for name, values in bad.items():
        at = made.schema.get_field_index(name)
        pq.write_table(made.set_column(at, name, pa.array(values, made.schema.field(name).type)), tmp_path / "bad.parquet")
        result = ucid("aggregate", tmp_path / "bad.parquet", "-o", tmp_path / "x.csv", "--by", "floor", "--agg", "mean,median", check=False)
        assert result.returncode == 3 and "row 0 is not a state" in result.stderr, (name, result.stderr)
    pq.write_table(made, tmp_path / "states.parquet")
    result = ucid("aggregate", tmp_path / "states.parquet", "-o", tmp_path / "x.csv", "--by", "floor", "--agg", "std", check=False)
    assert result.returncode == 3 and "state_squares" in result.stderr


def test_values_that_do_not_fit_go_to_a_file(tmp_path):
    r = np.random.default_rng(6)
    values, keys = r.normal(400, 120, 3_000_000), r.integers(0, 3, 3_000_000)
    pq.write_table(pa.table({"k": keys, "v": values}), tmp_path / "in.parquet")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    options = ("--by", "k", "--agg", "median,p1,p99.9", "--of", "v")
    ours = groups(tmp_path, tmp_path / "in.parquet", *options, "--memory", "1", env={**os.environ, "TMPDIR": str(scratch)})
    within = groups(tmp_path, tmp_path / "in.parquet", *options)
    assert ours.equals(within) and list(scratch.iterdir()) == []
    for row in ours.to_pylist():
        said = np.quantile(values[keys == row["k"]], [0.5, 0.01, 0.999])
        assert [row["median"], row["p1"], row["p99.9"]] == pytest.approx(said.tolist(), rel=1e-12)
    result = ucid("aggregate", tmp_path / "in.parquet", "-o", tmp_path / "x.csv", *options, "--memory", "1", check=False,
                  env={**os.environ, "TMPDIR": str(tmp_path / "missing")})  # fmt: skip
    assert result.returncode in (3, 5) and "missing: cannot create" in result.stderr


@pytest.mark.parametrize("agg", ["rows,mean,std,min,max", "mean,median,p90,std"])
def test_groups_that_do_not_fit_go_to_a_file(tmp_path, agg):
    """Many keys of all types, long and short, each in many places of the input; and their states."""
    r = np.random.default_rng(9)
    t = table = mixed(400_000, seed=9).append_column("key", pa.array([f"{'x' * (i % 300)}{i}" if i % 999 else None for i in r.integers(0, 90_000, 400_000)]))  # noqa: F841
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    options = ("--by", "key,open", "--agg", agg, "--of", "v")
    within = groups(tmp_path, table, *options)
    for more in (("--threads", "1"), ("--threads", "3"), ("--states",)):
        ours = groups(tmp_path, table, *options, *more, "--memory", "1", env={**os.environ, "TMPDIR": str(scratch)})
        assert list(scratch.iterdir()) == [] and len(ours) == len(within) > 1 << 17
        if "--states" in more:
            pq.write_table(ours, tmp_path / "states.parquet", row_group_size=10_000)
            ours = groups(tmp_path, tmp_path / "states.parquet", *options[:4], "--memory", "1")
        assert ours.equals(within)
    theirs = duckdb.sql("SELECT key, open, count(*), avg(nullif(v, 'nan')) FROM t GROUP BY ALL ORDER BY key NULLS FIRST, open NULLS FIRST").fetchall()
    assert [row[:2] for row in theirs] == list(zip(*(within[name].to_pylist() for name in ("key", "open"))))
    assert_close(within["mean"].to_pylist(), [row[3] for row in theirs])
    result = ucid("aggregate", tmp_path / "in.parquet", "-o", tmp_path / "x.csv", *options, "--memory", "1", check=False,
                  env={**os.environ, "TMPDIR": str(tmp_path / "missing")})  # fmt: skip
    assert result.returncode in (3, 5) and "missing: cannot create" in result.stderr and not (tmp_path / "x.csv").exists()


def peak_mib(*command):
    """Most memory of a command, whose parent has to be small: a new process begins with the peak of the one it is made from."""
    script = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True);"
              " print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10)")  # fmt: skip
    return int(subprocess.run([sys.executable, "-S", "-c", script, *command], check=True, capture_output=True).stdout)


@pytest.mark.skipif(SANITIZED, reason="a sanitizer takes more memory")
def test_memory_that_groups_take(tmp_path):
    with (tmp_path / "in.csv").open("w") as file:
        file.write("k,v\n")
        file.writelines(f"key number {i},{i % 100}\n" for i in range(2_000_000))
    peaks, options = {}, ("--by", "k", "--agg", "mean,std", "--of", "v", "--quiet")
    for name, more in (("within", ()), ("filed", ("--memory", "64"))):
        peaks[name] = peak_mib(BUILD / "ucid", "aggregate", tmp_path / "in.csv", "-o", tmp_path / f"{name}.parquet", *options, *more)
    assert (tmp_path / "within.parquet").read_bytes() == (tmp_path / "filed.parquet").read_bytes()
    assert peaks["within"] > 600 and peaks["filed"] < 350, peaks
    limit = 700 << 20
    result = ucid("aggregate", tmp_path / "in.csv", "-o", tmp_path / "x.csv", *options, "--memory", "8000", check=False,
                  preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))  # fmt: skip
    assert result.returncode == 5 and re.search(r"no memory for more groups: \d+.* take \d+ bytes", result.stderr), result.stderr
    assert not (tmp_path / "x.csv").exists()


def test_wrong_questions(tmp_path):
    pq.write_table(mixed(10), tmp_path / "in.parquet")
    for options, code, words in [
        (["--by", "city", "--agg", "mode", "--of", "v"], 2, "no function 'mode'"),
        (["--by", "city", "--agg", "p101", "--of", "v"], 2, "no function 'p101'"),
        (["--by", "city", "--agg", "mean,mean", "--of", "v"], 2, "asked for twice"),
        (["--by", "city,city", "--of", "v"], 2, "twice by column 'city'"),
        (["--by", "town", "--of", "v"], 3, "no column 'town'; there are city, floor, day, open, ratio, big, v, n"),
        (["--by", "city"], 3, "no column 'score'; there are city, floor, day"),
        (["--to", "r5"], 3, "; there are city, floor, day"),
        (["--by", "city", "--of", "day"], 3, "not numbers"),
        (["--by", "city", "--to", "r7"], 2, "--by stands alone"),
        (["--agg", "mean"], 2, "go with --by"),
    ]:
        result = ucid("aggregate", tmp_path / "in.parquet", "-o", tmp_path / "x.parquet", *options, check=False)
        assert result.returncode == code and words in result.stderr, (options, result.stderr)


# ------------------------------------------------------------------------------------------------------------------ CSV --


def said_by_python(text, by, of):
    """Groups of a CSV text by Python's own reader: of each key the numbers."""
    found = {}
    for row in csv.DictReader(io.StringIO(text, newline="")):
        value = row[of].strip(" \t")
        found.setdefault(row[by], []).append(None if value in ("", "NA", "null", "nan") else float(value))
    return found


def check_csv(folder, text, by="k", of="v"):
    (folder / "in.csv").write_text(text, newline="")
    expected = said_by_python(text.removeprefix("\ufeff"), by, of)
    for options, more in [((), {}), (("--threads", "1"), {})]:
        ours = groups(folder, folder / "in.csv", "--by", by, "--agg", "rows,count,sum,min", "--of", of, *options, **more)
        mine = {row[by] or "": row for row in ours.to_pylist()}
        assert sorted(mine) == sorted(expected)
        for key, values in expected.items():
            values = [value for value in values if value is not None]
            assert (mine[key]["rows"], mine[key]["count"]) == (len(expected[key]), len(values)), key
            assert mine[key]["sum"] == (math.fsum(values) if values else None) and mine[key]["min"] == min(values, default=None), key


def test_csv_spellings(tmp_path):
    numbers = ["1", "-1", "+1.5", "0.1", ".5", "5.", "1e3", "1E-3", "-0", "1e400", "-1e400", "1e-400", "0.30000000000000004", " 7 ",
               "123456789012345678901234567890", "9007199254740993", "0." + "0" * 30 + "123", '"2.5"', "", "NA", "null", "nan",
               "1." + "3" * 400, "0." + "0" * 400 + "1"]  # fmt: skip
    lines = [f"k{i % 4},x,{number}" for i, number in enumerate(numbers) if "e400" not in number]
    for end in ("\n", "\r\n"):
        for last in ("", end, end * 3):
            check_csv(tmp_path, end.join(["k,other,v", *lines]) + last)
    check_csv(tmp_path, "\ufeffk,v\na,1\n\n\nb,2\n")
    check_csv(tmp_path, 'v,"k",other\n1,"a ""quoted"" word",x\n2,"two\nlines, with commas",\n4,,z\n')
    (tmp_path / "in.csv").write_text('k,v\n"",1\n,2\n')
    assert rows_of(groups(tmp_path, tmp_path / "in.csv", "--by", "k", "--of", "v")) == [(None, 2.0), ("", 1.0)]
    (tmp_path / "in.csv").write_text("k,v\na,1e400\na,-1e-400\nb,-1e400\n")
    rows = {row["k"]: row for row in groups(tmp_path, tmp_path / "in.csv", "--by", "k", "--agg", "min,max", "--of", "v").to_pylist()}
    assert rows == {"a": {"k": "a", "min": 0.0, "max": math.inf}, "b": {"k": "b", "min": -math.inf, "max": -math.inf}}


@pytest.mark.parametrize("stray", [False, True])
def test_csv_of_many_blocks(tmp_path, stray):
    """Quotes, line ends and commas in texts fall on every place of blocks of 2 MB and of 64 bytes."""
    r = random.Random(7)
    words = ["", "a", 'say "hi"', "x,y", "two\nlines", '"', '""', ",", "\r\n", "plain " * 20, "é" * 33]
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["note", "k", "more", "v"])
    for i in range(110000):
        writer.writerow([r.choice(words), f"key {r.randint(0, 9)}" + r.choice(["", ",", '"q"']), r.choice(words), r.choice([i * 0.25, "", "NA"])])
    text = out.getvalue()
    if stray:
        rows = text.split("\n")
        text = "\n".join(rows[:1] + ['5" pipe,key 1,x"y"z,1', 'a"",key 2,"b"c,2'] + rows[1:])
    assert len(text) > 5 << 20
    check_csv(tmp_path, text)


def test_csv_without_quotes_of_many_blocks(tmp_path):
    r = np.random.default_rng(8)
    text = "k,a,v\n" + "".join(f"{k},{'z' * (i % 70)},{v}\n" for i, (k, v) in enumerate(zip(r.integers(0, 50, 150000), r.normal(size=150000))))
    check_csv(tmp_path, text)
    check_csv(tmp_path, text.rstrip("\n"))
    long_row = "k,a,v\n1,x,2\n3," + "w" * (7 << 20) + ",4\n5,y,6\n"
    check_csv(tmp_path, long_row)


def test_csv_with_a_long_header(tmp_path):
    names = [f"column {i}" for i in range(220_000)]
    text = ",".join(["k", *names, "v"]) + "\n" + "".join(f"{key}{',' * (len(names) + 1)}{i}\n" for i, key in enumerate("abca"))
    assert len(text) > 2 << 20
    (tmp_path / "in.csv").write_text("\n" + text)
    assert rows_of(groups(tmp_path, tmp_path / "in.csv", "--by", "k", "--agg", "rows,sum", "--of", "v")) == [("a", 2, 3.0), ("b", 1, 1.0), ("c", 1, 2.0)]


def test_csv_that_is_wrong(tmp_path):
    rows = [f"a,{i}" for i in range(400000)]
    for at, row, words in [
        (300000, "a,1 apple", "row 300002 (the header is row 1) column 'v': '1 apple' is not a number"),
        (5, "a,1,2", "row 7 (the header is row 1) has 3 columns, the header 2"),
        (399999, "a", "has 1 columns"),
        (200000, '"a,1', "columns"),
    ]:
        (tmp_path / "in.csv").write_text("\n".join(["k,v", *rows[:at], row, *rows[at + 1 :]]) + "\n")
        result = ucid("aggregate", tmp_path / "in.csv", "-o", tmp_path / "x.csv", "--by", "k", "--of", "v", check=False)
        assert result.returncode == 3 and words in result.stderr and "in.csv" in result.stderr, result.stderr
        assert not (tmp_path / "x.csv").exists()


def test_groups_of_statuses_are_no_failures(tmp_path):
    table = pa.table({"status": ["ok", "outside_index", "ok"], "v": [1.0, 2.0, 3.0]})
    made = groups(tmp_path, table, "--by", "status", "--of", "v")  # exit code 0
    assert sorted(rows_of(made)) == [("ok", 2.0), ("outside_index", 2.0)]


def test_csv_from_a_pipe_and_keys_as_written(tmp_path):
    text = "zip,v\n007,1\n7,2\n007,3\n1e3,4\n"
    result = ucid("aggregate", "-", "-o", "-", "--output-format", "csv", "--by", "zip", "--agg", "count,mean", "--of", "v", input=text)
    assert result.stdout == "zip,count,mean\n007,2,2\n1e3,1,4\n7,1,2\n"
    header_only = ucid("aggregate", "-", "-o", "-", "--output-format", "csv", "--by", "zip", "--of", "v", input="zip,v\n")
    assert header_only.stdout == "zip,mean\n"
    old = ucid("aggregate", "-", "-o", "-", "--output-format", "csv", "--by", "k", "--of", "v", input="k,v\ra,1\rb,2\ra,3\r")
    assert old.stdout == "k,mean\na,2\nb,2\n"
