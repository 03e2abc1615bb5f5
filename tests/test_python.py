"""The Python package: what is published, columns of every kind, and what threads, processes and pickles do to it."""

import array
import ast
import copy
import doctest
import hashlib
import importlib
import inspect
import json
import math
import multiprocessing
import os
import pickle
import re
import struct
import subprocess
import sys
import textwrap
import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from html.parser import HTMLParser

import pytest

from conftest import BUILD, SOURCE, data, run

sys.path.insert(0, str(BUILD / "python"))

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.compute as pc  # noqa: E402
import pyarrow.parquet  # noqa: E402

os.environ["MPLBACKEND"] = "agg"
import ucid  # noqa: E402
from ucid import _ext, contexts, identifiers, indexes, temporal  # noqa: E402

GOOD = "UCID-V1:IST:+41.015:+28.979:9:891ec90243bffff:2026W01T12:15MIN:A:0.95:"
FIXED = {"city": "IST", "timestamp": "2026W01T12", "context": "15MIN"}
ADDED = ["ucid", "score", "grade", "confidence", "status"]


@pytest.fixture(scope="session")
def extract(tmp_path_factory):
    path = tmp_path_factory.mktemp("town") / "town.osm.pbf"
    run(BUILD / "ucid-town", "-n", 20000, "-s", 5, path)
    return path


@pytest.fixture(scope="session")
def town(extract):
    stages = []
    index = ucid.build_index(extract, extract.with_name("town.ucidx"), progress=lambda *stage: stages.append(stage))
    assert {stage for stage, _, _ in stages} >= {"read", "snap grid"}
    assert index.timestamp == "2026W01T00"
    return index


@pytest.fixture
def chosen(town, monkeypatch):
    monkeypatch.setattr(indexes, "_chosen", town)
    contexts.forget_indexes()
    yield town
    contexts.forget_indexes()


def places(index, rows=3000, seed=1):
    """Places within the bounds of an index, and a few that are nowhere."""
    south, west, north, east = index.bounds
    random = np.random.default_rng(seed)
    lat, lon = random.uniform(south, north, rows), random.uniform(west, east, rows)
    lat[::97], lon[::89] = 91.0, np.nan
    lat[::83] = -60.0
    return pa.table({"id": np.arange(rows), "lat": lat, "lon": lon})


def same(a, b):
    """Whether two tables have the same bytes of the same columns, however they are cut; NaN equals itself."""
    def flat(table):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema.remove_metadata()) as writer:
            writer.write_table(table.replace_schema_metadata(None).combine_chunks())
        return sink.getvalue()

    return flat(a).equals(flat(b))


def python(code, *arguments, check=True, **environment):
    """A fresh interpreter with the package on its path."""
    return run(sys.executable, "-c", textwrap.dedent(code), *arguments, check=check,
               env={**os.environ, "PYTHONPATH": str(BUILD / "python"), **environment})


# ---------------------------------------------------------------------------------------------------------- scalars


def number(value):
    return float(value) if isinstance(value, str) else value


def case_create(given):
    given = {name: number(value) if name in ("lat", "lon", "confidence") else value for name, value in given.items()}
    return str(ucid.create_ucid(**given))


def case_parse(given):
    read = ucid.parse_ucid(given["text"], given.get("strict", True))
    fields = ("city", "lat", "lon", "h3_res", "h3_index", "timestamp", "context", "grade", "confidence", "flags")
    return {**{name: getattr(read, name) for name in fields}, "canonical": str(read)}


def case_compare(given):
    a, b = ucid.parse_ucid(given["a"], strict=False), ucid.parse_ucid(given["b"], strict=False)
    assert (a == b) == (hash(a) == hash(b))
    return (a > b) - (a < b)


def case_grid(given):
    cells = ucid.generate_grid_h3(given["bbox"], given["resolution"])
    digest = hashlib.sha256("\n".join(cells).encode()).hexdigest()
    return {"count": len(cells), "first": cells[0], "last": cells[-1], "sha256": digest} if cells else {"count": 0, "first": None, "last": None, "sha256": hashlib.sha256().hexdigest()}


def case_component(given):
    if given["component"] == "income_equity":
        return ucid.equality(given["low_mid_high"])
    [one] = [one for one in ucid.list_components(given["context"]) if one.key == given["component"]]
    return ucid.component_scores(one.context, one.key, [given[one.input]])[0]


CASES = {
    "create": case_create,
    "parse": case_parse,
    "canonicalize": lambda given: ucid.canonicalize(given["text"]),
    "validate": lambda given: ucid.validate_ucid(given["text"], strict=given["strict"]),
    "compare": case_compare,
    "key_from_datetime": lambda given: temporal.from_datetime(datetime.fromisoformat(given)),
    "key_monday": lambda given: temporal.to_datetime(given).date().isoformat(),
    "key_ordinal": lambda given: _ext.time_hour(given),
    "add_hours": lambda given: ucid.add_hours(given["key"], given["hours"]),
    "add_weeks": lambda given: ucid.add_weeks(given["key"], given["weeks"]),
    "diff_hours": lambda given: ucid.diff_hours(given["a"], given["b"]),
    "compare_temporal": lambda given: ucid.compare_temporal(given["a"], given["b"]),
    "time_range": lambda given: ucid.generate_time_range(given["start"], given["end"], given["step_hours"]),
    "in_range": lambda given: ucid.is_in_range(given["key"], given["start"], given["end"]),
    "parse_temporal_key": lambda given: ucid.parse_temporal_key(given),
    "to_utc": lambda given: ucid.to_utc(given["key"], given["tz"]),
    "from_utc": lambda given: ucid.from_utc(given["key"], given["tz"]),
    "freshness": lambda given: ucid.calculate_freshness(given["score"], given["now"], given["context"]),
    "pack": lambda given: ucid.pack(ucid.parse_ucid(given["text"], strict=False)).hex(),
    "unpack": lambda given: str(ucid.unpack(bytes.fromhex(given["hex"]))),
    "grade": lambda given: contexts.grade_of(given),
    "grid": case_grid,
    "normalize": lambda given: ucid.normalize_score(**given),
    "component": case_component,
}
OTHERS = {"weeks_in_year", "aggregate", "score_15min"}  # not doors of this package


def test_every_conformance_case_holds():
    wrong, ran = [], 0
    for line in (SOURCE / "tests" / "conformance.jsonl").read_text().splitlines():
        case = json.loads(line)
        if case["op"] in OTHERS:
            continue
        ran += 1
        try:
            got = CASES[case["op"]](case["in"])
            fine = "error" not in case and (
                math.isclose(got, case["out"], abs_tol=5e-7) if isinstance(got, float) else
                all(got.get(name) == value for name, value in case["out"].items()) if isinstance(got, dict) else
                got == case["out"]
            )  # fmt: skip
        except ucid.UCIDError as error:
            got = (error.error_code, error.details)
            fine = error.error_code == case.get("error") and case.get("field") in (None, error.details.get("field"))
        if not fine:
            wrong.append((case, got))
    assert not wrong
    assert ran > 450


def test_every_status_has_its_class():
    assert len(_ext.STATUSES) > 25
    for code, (_, name, meaning) in _ext.STATUSES.items():
        assert meaning
        if name in ("None", "MemoryError"):
            continue
        error = getattr(ucid.errors, name)("said", {"row": 1}, code)
        assert isinstance(error, ucid.UCIDError) and error.error_code == code
        assert isinstance(error, ValueError) == (name in ("UCIDParseError", "UCIDValidationError", "UCIDConfigError"))
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), copy.message, copy.details, copy.error_code) == (type(error), "said", {"row": 1}, code)


@pytest.mark.parametrize(
    "call, error, code",
    [
        (lambda: ucid.create_ucid("IST", 91, 0, "2026W01T12", "15MIN"), ucid.UCIDValidationError, "INVALID_FIELD"),
        (lambda: ucid.parse_ucid("no"), ucid.UCIDParseError, "INVALID_PREFIX"),
        (lambda: ucid.parse_ucid("UCID-V1:\0"), ucid.UCIDParseError, "MALFORMED_STRING"),
        (lambda: ucid.parse_ucid("UCID-V1:é"), ucid.UCIDParseError, "MALFORMED_STRING"),
        (lambda: ucid.get_city("no"), ucid.UCIDRegistryError, "CITY_NOT_FOUND"),
        (lambda: ucid.get_context("no"), ucid.UCIDContextError, "CONTEXT_NOT_FOUND"),
        (lambda: ucid.open_index("no.ucidx"), ucid.UCIDDataError, "FILE_NOT_FOUND"),
        (lambda: ucid.open_index(__file__), ucid.UCIDDataError, "INDEX_FORMAT"),
        (lambda: ucid.build_index(__file__, "/dev/null/x"), ucid.UCIDDataError, None),
        (lambda: ucid.k_ring("891ec90243bffff", -1), ucid.UCIDConfigError, "INVALID_ARGUMENT"),
        (lambda: ucid.cell_to_latlng("no"), ucid.UCIDValidationError, "INVALID_H3"),
        (lambda: ucid.latlng_to_cell(0, 0, 16), ucid.UCIDValidationError, "INVALID_FIELD"),
        (lambda: ucid.generate_grid_h3((1, 2, 3, math.nan)), ucid.UCIDConfigError, "INVALID_ARGUMENT"),
    ],
)
def test_errors_have_their_class_and_code(call, error, code):
    with pytest.raises(error) as caught:
        call()
    assert code is None or caught.value.error_code == code
    assert caught.value.message and "\n" not in caught.value.message


@pytest.mark.parametrize(
    "call",
    [
        lambda: ucid.create_ucid(),
        lambda: ucid.create_ucid("IST", "a", 0, "2026W01T12", "15MIN"),
        lambda: ucid.create_ucid("IST", 1, 0, "2026W01T12", "15MIN", city="IST"),
        lambda: ucid.create_ucid("IST", 1, 0, "2026W01T12", "15MIN", no=1),
        lambda: ucid.create_ucid(*range(13)),
        lambda: ucid.create_ucid("IST", 1, 0, "2026W01T12", "15MIN", flags=[1]),
        lambda: ucid.create_ucid("IST", 1, 0, 7, "15MIN"),
        lambda: ucid.parse_ucid(b"UCID"),
        lambda: ucid.pack("UCID"),
        lambda: ucid.unpack("UCID"),
        lambda: _ext.Context("15MIN"),
        lambda: _ext.ContextResult(),
        lambda: _ext.ArrowStream(),
        lambda: ucid.score(None),
        lambda: ucid.score([1, 2]),
        lambda: ucid.create({"lat": [1.0], "lon": [1.0]}),
    ],
)
def test_wrong_types_are_type_errors(call):
    with pytest.raises(TypeError):
        call()


def test_identifiers_are_immutable_values():
    a, b = ucid.parse_ucid(GOOD), ucid.create_ucid("ist", 41.015, 28.979, "2026W01T12", "15min", "A", 0.95)
    assert a == b and hash(a) == hash(b) and str(a) == GOOD and a != GOOD
    assert repr(a) == f"UCID('{GOOD}')"
    assert (a.version, a.lat3, a.lon3, a.conf2, a.flags_str, a.h3_resolution) == ("V1", "+41.015", "+28.979", "0.95", "", 9)
    with pytest.raises(AttributeError):
        a.city = "NYC"
    fine = ucid.create_ucid("IST", 41.0151234567, 28.979, "2026W01T12", "15MIN", flags=["RUSH", "CACHED"], h3_res=11)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        copy = pickle.loads(pickle.dumps(fine, protocol))
        assert copy == fine and copy.lat == 41.0151234567 and copy.flags == ["CACHED", "RUSH"]
    assert ucid.UCID("IST", 41.015, 28.979, "2026W01T12", "15MIN", grade="A", confidence=0.95) == a
    assert ucid.validate_ucid(a) == [] and ucid.is_valid_ucid(GOOD) and not ucid.is_valid_ucid(GOOD + ":")


MODULES = [ucid, *(importlib.import_module(f"ucid.{name}") for name in (
    "cities", "columns", "components", "contexts", "errors", "grids", "identifiers", "indexes", "joins", "maps", "temporal"))]  # fmt: skip


def public():
    """(name, object) of all that the package publishes, methods of its classes among them."""
    for name in [*ucid.__all__, "map"]:
        value = getattr(ucid, name)
        if inspect.ismodule(value) or isinstance(value, str):
            continue
        yield name, value
        if inspect.isclass(value) and not issubclass(value, Exception):
            yield from ((f"{name}.{member}", what) for member, what in vars(value).items()
                        if inspect.isroutine(what) and not member.startswith("_") or inspect.isgetsetdescriptor(what) and member[0] != "_")


def test_every_docstring_is_true(chosen, tmp_path, monkeypatch):
    for name in ("town.osm.pbf", "town.ucidx"):
        os.symlink(os.path.join(os.path.dirname(chosen.path), name), tmp_path / name)
    monkeypatch.chdir(tmp_path)
    finder, runner, tried = doctest.DocTestFinder(), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS), set()
    named = {name: getattr(ucid, name) for name in ucid.__all__} | {"ucid": ucid, "cell_resolution": ucid.get_resolution}
    for module in MODULES:
        for test in finder.find(module, extraglobs={"ucid": ucid}):
            runner.run(test)
    for name, value in public():
        if getattr(value, "__module__", None) in {module.__name__ for module in MODULES} and "." not in name:
            continue
        for test in finder.find(value, name, globs=dict(named)):
            tried.add(name)
            runner.run(test)
    assert runner.summarize(verbose=False).failed == 0 and runner.tries > 100 and len(tried) > 20
    for name in ("SAFETY", "NOISE"):
        contexts._registered.pop(name, None)
    sys.modules["matplotlib.pyplot"].close("all")


def test_every_docstring_says_what_is_asked():
    """Functions say each parameter of their signature, what they return, and show it."""
    bare = []
    for name, value in public():
        doc = inspect.getdoc(value) or ""
        if not doc:
            bare.append((name, "nothing"))
        if not inspect.isroutine(value):
            continue
        signature = inspect.signature(value)
        section = re.search(r"Parameters\n-+\n(.*?)(?:\n\n[A-Z]\w+\n-|\Z)", doc, re.DOTALL)
        heads = [line.partition(" :")[0] for line in (section[1] if section else "").splitlines() if line[:1].strip()]
        told = {parameter.strip() for head in heads for parameter in head.split(",")}
        if missing := set(signature.parameters) - {"self"} - told:
            bare.append((name, missing))
        if "Examples\n---" not in doc:
            bare.append((name, "examples"))
        if signature.return_annotation not in (None, "None") and not re.search(r"(Returns|Yields)\n---", doc) and name != "Index.check":
            bare.append((name, "returns"))
    assert not bare


def test_stubs_are_what_the_extension_has():
    """Names, and parameters where the extension tells them, of _ext.pyi and _ext."""
    tree = ast.parse((SOURCE / "python" / "ucid" / "_ext.pyi").read_text())
    stub = {node.name: node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    assert set(stub) == {name for name, value in vars(_ext).items() if callable(value)}

    def parameters(node):
        names = [argument.arg for argument in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]]
        return [name for name in names if name not in ("self", "cls")]

    for name, node in stub.items():
        value = getattr(_ext, name)
        if isinstance(node, ast.FunctionDef) and value.__text_signature__:
            assert parameters(node) == list(inspect.signature(value).parameters), name
        if isinstance(node, ast.ClassDef):
            members = {inner.name: inner for inner in node.body if isinstance(inner, ast.FunctionDef)}
            have = {member for member in vars(value) if not member.startswith("__") or member.startswith("__arrow")}
            assert {member for member in members if not member.startswith("__") or member.startswith("__arrow")} == have, name
            if "__new__" in members and value.__text_signature__:
                assert parameters(members["__new__"]) == list(inspect.signature(value).parameters), name


@pytest.mark.parametrize("checker", [["-m", "mypy"], ["-m", "pyright", "--warnings"]])
def test_types_are_sound(checker):
    pytest.importorskip(checker[1])
    run(sys.executable, *checker, cwd=SOURCE)


def test_import_is_light():
    code = "import sys; sys.path.insert(0, sys.argv[1]); before = set(sys.modules); import ucid; print(*set(sys.modules) - before)"
    loaded = run(sys.executable, "-c", code, BUILD / "python").stdout.split()
    assert "ucid._ext" in loaded
    ours = {"ucid", "ucid._ext", "ucid.errors", "ucid.latecomers"}
    assert set(loaded) <= {*ours, "__future__"}  # of pyarrow, pandas and engines nothing; of Python what it has loaded itself
    code = "import sys, time; sys.path.insert(0, sys.argv[1]); t = time.process_time(); import ucid; print(time.process_time() - t)"
    took = min(float(run(sys.executable, "-c", code, BUILD / "python").stdout) for _ in range(5))
    assert took < 0.05


# ---------------------------------------------------------------------------------------------------------- columns


def test_columns_are_the_scalars(chosen):
    table = places(chosen)
    made = ucid.create(table, **FIXED)
    assert made.column_names == ["id", "lat", "lon", "ucid", "status"] and made.num_rows == table.num_rows
    for row in made.to_pylist():
        try:
            text = str(ucid.create_ucid("IST", row["lat"], row["lon"], "2026W01T12", "15MIN"))
            assert (row["ucid"], row["status"]) == (text, "ok")
        except ucid.UCIDError:
            assert row["ucid"] is None and row["status"] == "invalid_field"
    read = ucid.parse(made.select(["ucid"]))
    for row in read.to_pylist()[:500]:
        if row["ucid"] is not None:
            one = ucid.parse_ucid(row["ucid"])
            assert [row["lat"], row["h3_index"], row["grade"]] == [one.lat, one.h3_index, one.grade]
        else:
            assert row["status"] == "null_input" and row["city"] is None
    context = ucid.get_context("15MIN")
    scored = ucid.score(table, timestamp="2026W01T12", city="IST", detail=True)
    assert pc.count_distinct(scored.column("score")).as_py() > 10
    for row in scored.to_pylist()[:500]:
        if row["score"] is None:
            continue
        one = context.compute(row["lat"], row["lon"], "2026W01T12")
        assert (one.score, one.grade, one.confidence, one.status) == tuple(row[n] for n in ("score", "grade", "confidence", "status"))
        assert one.breakdown == {part: row[part] for part in one.breakdown}
        assert one.nearest_m == {part: row[f"nearest_{part}_m"] for part in one.nearest_m}
        flags = one.flags
        text = str(ucid.create_ucid("IST", row["lat"], row["lon"], "2026W01T12", "15MIN", one.grade, one.confidence, flags=flags))
        assert row["ucid"] == text


def test_scores_are_those_of_the_program(chosen, tmp_path):
    table = places(chosen)
    pyarrow.parquet.write_table(table, tmp_path / "in.parquet")
    run(BUILD / "ucid", "score", tmp_path / "in.parquet", "-o", tmp_path / "out.parquet", "--index", chosen.path, check=False)
    program = pyarrow.parquet.read_table(tmp_path / "out.parquet")
    ours = ucid.score(table)
    for name in ADDED:
        assert ours.column(name).combine_chunks().equals(program.column(name).combine_chunks()), name
    assert ours.schema.metadata[b"ucid.index"].decode() == chosen.id


def test_las_palmas(tmp_path):
    extract = next(iter(sorted(data("las-palmas").glob("*.osm.pbf"))), None)
    if extract is None:
        pytest.skip("no extract of Las Palmas")
    index = ucid.build_index(extract, tmp_path / "las-palmas.ucidx")
    index.check()
    scored = ucid.score(places(index, 20000), index=index)
    one = ucid.explain(28.1235, -15.4363, index=index)
    assert pc.max(scored.column("score")).as_py() > 85
    assert any(row.part == "transit" and row.counted and row.distance_m < 1200 for row in one)
    assert "<td>transit</td>" in one._repr_html_()


def test_any_number_of_threads_gives_the_same_bytes(chosen):
    table = places(chosen, 30011)
    whole = [ucid.score(table, detail=True, threads=threads) for threads in (1, 2, 7)]
    assert same(whole[0], whole[1]) and same(whole[0], whole[2])


def shaped(table):
    """The same rows in other shapes: (name, table, whether lat and lon are as they were)."""
    chunks = pa.concat_tables([table.slice(0, 1), table.slice(1, 0), table.slice(1, 998), table.slice(999)])
    padded = pa.concat_tables([table.slice(0, 13), table, table.slice(0, 5)]).combine_chunks()
    yield "chunked", chunks
    yield "sliced", padded.slice(13, table.num_rows)
    for kind in (pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string()), pa.dictionary(pa.int32(), pa.large_string())):
        yield str(kind), table.set_column(3, "city", table.column("city").cast(kind))
    yield "reader", table.to_reader(max_chunksize=700)


def test_every_shape_of_a_table_gives_the_same(chosen):
    table = places(chosen, 2500)
    table = table.append_column("city", pa.array([["IST", "NYC", None, "no"][i % 4] for i in range(2500)]))
    expected = ucid.score(table, timestamp="2026W01T12").select(ADDED).combine_chunks()
    for name, other in shaped(table):
        got = pa.table(ucid.score(other, timestamp="2026W01T12")).select(ADDED).combine_chunks()
        assert got.equals(expected), name
    assert expected.column("ucid").null_count > 600


def coded(column, index):
    """A column behind a dictionary, which also holds a null, and what no row points to: some rows are null there."""
    plain = column.combine_chunks()
    found = plain.unique().drop_null()
    entries = pa.concat_arrays([found, pa.nulls(1, plain.type), found[:1]])
    positions = {repr(value): position for position, value in enumerate(found.to_pylist())}  # repr: NaN is like NaN
    rows = [positions[repr(value)] if value is not None else (len(found), None)[i % 2] for i, value in enumerate(plain.to_pylist())]
    return pa.DictionaryArray.from_arrays(pa.array(rows, index), entries)


INDEXES = [pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.int32(), pa.uint32(), pa.int64(), pa.uint64()]


@pytest.mark.parametrize("index", INDEXES, ids=str)
def test_what_is_behind_a_dictionary_is_read_through_it(chosen, index):
    rows, few = 700, np.random.default_rng(11)
    some = {name: few.choice(places(chosen, 40).column(name).to_numpy(), rows) for name in ("lat", "lon")}
    masked = lambda values, kind=None: pa.array(values, kind, mask=few.random(rows) < 0.1)  # noqa: E731
    cells = few.choice([int(cell, 16) for cell in pa.table(ucid.grid(chosen.bounds)).column("h3").to_pylist()[:40]], rows)
    plain = pa.table({
        "lat": masked(some["lat"]), "lon": masked(some["lon"]), "city": masked(few.choice(["IST", "HEL", "no"], rows)), "grade": masked(few.choice(["A", "B"], rows)),
        "confidence": masked(few.choice([0.25, 0.5], rows)), "weight": masked(few.integers(0, 60, rows), pa.int32()),
        "score": masked(few.choice([1.25, 50.0, 99.5], rows)), "h3": masked(cells, pa.uint64()), "day": masked(few.integers(0, 9, rows), pa.int32()).cast(pa.date32()),
        "sure": masked(few.random(rows) < 0.5), "rain": masked(few.choice([0.5, 1.5], rows), pa.float32()), "far": masked(few.integers(0, 9, rows) * 2**59, pa.int64())})  # fmt: skip
    behind = pa.table([coded(column, index) for column in plain.columns], plain.column_names)
    assert behind.column("lat").null_count != plain.column("lat").null_count  # nulls of both kinds
    shapes = {"whole": behind, "cut": pa.concat_tables([behind.slice(0, 13), behind.slice(13, 300), behind.slice(313)])}

    def same_texts(door, **options):
        for name, shape in shapes.items():
            expected, made = door(plain, **options), door(shape, **options)
            for column in set(expected.column_names) - set(plain.column_names):
                assert made.column(column).equals(expected.column(column)), (name, column)
        return expected

    made = same_texts(ucid.create, timestamp="2026W01T12", context="15MIN")
    assert made.column("ucid").null_count > 200 and "null_input" in made.column("status").to_pylist()
    same_texts(ucid.create, city="IST", timestamp="2026W01T12", context="15MIN", h3="h3")
    same_texts(lambda table: ucid.score(table.drop_columns(["score", "grade", "confidence"])))
    same_texts(lambda table: ucid.score(table.drop_columns(["score", "grade", "confidence", "lat", "lon"])))
    texts = ucid.create(plain, timestamp="2026W01T12", context="15MIN").select(["ucid"])
    assert ucid.parse(pa.table({"ucid": coded(texts.column("ucid"), pa.int16())})).drop_columns("ucid").equals(ucid.parse(texts).drop_columns("ucid"))
    for shape in shapes.values():
        assert ucid.aggregate(shape, "r7", weight="weight").equals(ucid.aggregate(plain, "r7", weight="weight"))
        for keys in (["day"], ["sure", "rain"], ["weight", "city", "far"]):
            for of in ("far", "score"):
                functions = {"by": keys, "agg": ["rows", "nulls", "min", "max", "mean"], "of": of}
                assert ucid.aggregate(shape, **functions).equals(ucid.aggregate(plain, **functions)), (keys, of)

    shape = struct.pack("<BIII10d", 1, 3, 1, 5, 0, 0, 20, 0, 20, 20, 0, 20, 0, 0)  # a square as WKB
    zones = {"geometry": [shape] * rows, **{name: plain.column(name) for name in ("weight", "score", "city", "h3")}}
    coded_zones = {name: coded(plain.column(name), index) if name != "geometry" else values for name, values in zones.items()}
    place = {"lat": [10.0], "lon": [10.0]}
    joined = [ucid.join(pa.table(place), ucid.Zones(pa.table(table)), all=True).to_pylist() for table in (zones, coded_zones)]
    assert joined[0] == joined[1] and joined[0][0]["weight"].count(";") == rows - 1

    categories = ucid.frames.pandas.DataFrame({name: ucid.frames.pandas.Categorical(plain.column(name).to_pandas()) for name in ("lat", "lon", "city", "grade", "confidence")})
    framed = categories.ucid.create(timestamp="2026W01T12", context="15MIN")
    assert [None if value is ucid.frames.pandas.NA else value for value in framed["ucid"]] == made.column("ucid").to_pylist()
    assert framed["lat"].dtype == "category"


def test_a_dictionary_of_the_wrong_kind_is_refused():
    texts = pa.array(["41", "42"]).dictionary_encode()
    with pytest.raises(ucid.UCIDDataError, match=r"column 'lat' is dictionary\(int32\)<string>, not numbers"):
        ucid.create(pa.table({"lat": texts, "lon": [1.0, 2.0]}), **FIXED)
    for kind, entries in ((pa.float64(), [1.5]), (pa.string(), ["IST"]), (pa.int64(), [7])):
        beyond = pa.DictionaryArray.from_arrays(pa.array([0, 3], pa.int8()), pa.array(entries, kind), safe=False)
        name = {"double": "lat", "string": "city", "int64": "weight"}[str(kind)]
        table = pa.table({"lat": [1.0, 2.0], "lon": [1.0, 2.0], "score": [1.0, 2.0], "city": ["IST", "IST"], "weight": [1, 1]})
        table = table.set_column(table.column_names.index(name), name, beyond)
        with pytest.raises((ucid.UCIDDataError, OSError, ValueError), match="dictionary"):
            ucid.aggregate(table, by=[name]) if name == "weight" else ucid.create(table, timestamp="2026W01T12", context="15MIN")


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
def test_offsets_that_go_back_are_refused_in_any_piece(kind):
    """An array is read in pieces of 131,072 rows; what lies beyond those of a slice is nobody's."""
    rows, length = 300_000, 3
    offsets = np.arange(rows + 1, dtype="int32" if kind == pa.string() else "int64") * length
    texts = pa.py_buffer(b"ISTPAR" * (rows // 2))
    for wrong in (0, 100, 200_000, 299_999):
        bent = offsets.copy()
        bent[wrong + 1] = -3 if wrong == 0 else bent[wrong] - 1
        city = pa.Array.from_buffers(kind, rows, [None, pa.py_buffer(bent), texts])
        with pytest.raises(ValueError, match="column 'city'"):
            pa.table(ucid.aggregate(pa.table({"city": city, "score": np.ones(rows)}), by="city", agg="count", of="score"))
        rest = city.slice(wrong + 2)
        if len(rest):
            counted = pa.table(ucid.aggregate(pa.table({"city": rest, "score": np.ones(len(rest))}), by="city", agg="count", of="score"))
            assert sum(counted.column("count").to_pylist()) == len(rest)


def test_nulls_nan_and_no_rows(chosen):
    table = pa.table({"lat": pa.array([None, math.nan, 91.0, -91.0, 40.0, math.inf], pa.float64()), "lon": pa.array([0.0] * 5 + [None])})
    made = ucid.create(table, **FIXED)
    assert made.column("status").to_pylist() == ["null_input"] + ["invalid_field"] * 3 + ["ok", "null_input"]
    assert made.column("ucid").null_count == 5
    for kind in (pa.float32(), pa.int16(), pa.uint8(), pa.float16()):
        numbers = pa.table({"lat": pa.array(np.array([40, 41], dtype=kind.to_pandas_dtype())), "lon": pa.array([28, 29], pa.int64())})
        assert ucid.create(numbers, **FIXED).column("ucid").to_pylist()[1].startswith("UCID-V1:IST:+41.000:+29.000:")
    for empty in (table.slice(0, 0), table.schema.empty_table()):
        assert ucid.create(empty, **FIXED).num_rows == 0
        assert ucid.score(empty).column_names[2:] == ADDED
        assert ucid.score(empty, errors="raise").num_rows == 0


@pytest.mark.parametrize(
    "table, options, message",
    [
        ({"x": [1.0]}, {}, "lat"),
        ({"lat": ["a"], "lon": [1.0]}, {}, "lat"),
        ({"lat": [1.0], "lon": [1.0], "ucid": ["a"]}, {}, "ucid"),
        ({"lat": [1.0], "lon": [1.0], "city": [7]}, {"city": None}, "city"),
        ({"lat": [1.0], "lon": [1.0]}, {"lat": "nowhere"}, "nowhere"),
        ({"lat": [1.0], "lon": [1.0]}, {"resolution": 16}, "resolution"),
        ({"lat": [1.0], "lon": [1.0]}, {"errors": "ignore"}, "errors"),
        ({"lat": [1.0], "lon": [1.0]}, {"city": "I\0"}, "NUL"),
    ],
)
def test_wrong_tables_are_refused_by_name(table, options, message):
    with pytest.raises((ucid.UCIDDataError, ucid.UCIDConfigError, ValueError), match=message):
        ucid.create(pa.table(table), **{**FIXED, **options})


def test_columns_that_are_there_are_replaced_only_when_asked():
    table = pa.table({"lat": [41.0], "lon": [29.0], "ucid": ["a"], "status": [1]})
    made = ucid.create(table, replace=True, **FIXED)
    assert made.column_names == ["lat", "lon", "ucid", "status"] and made.column("status").to_pylist() == ["ok"]


def test_errors_can_be_raised():
    table = pa.table({"ucid": [GOOD, None, "no"]})
    with pytest.raises(ucid.UCIDDataError, match="row 1: null_input") as caught:
        ucid.parse(table, errors="raise")
    assert caught.value.details == {"row": 1}
    assert ucid.parse(table.slice(0, 1), errors="raise").column("grade").to_pylist() == ["A"]
    assert ucid.canonicalize(pa.table({"ucid": [GOOD.lower()]})).column("canonical").to_pylist() == [GOOD]


def test_buffers_go_in_as_they_are(chosen):
    lat, lon = places(chosen, 400).column("lat").to_numpy(), places(chosen, 400).column("lon").to_numpy()
    expected = pa.table(ucid.score(lat=lat, lon=lon))
    assert expected.column_names == ["lat", "lon", *ADDED]
    others = [
        {"lat": array.array("d", lat), "lon": memoryview(lon)},
        {"lat": np.repeat(lat, 2)[::2], "lon": np.stack([lon, lon])[1]},
        {"lat": lat.copy(order="F"), "lon": lon[::-1][::-1]},
    ]
    for columns in others:
        assert same(pa.table(ucid.score(columns)), expected)
    pandas = pytest.importorskip("pandas")
    assert same(pa.table(ucid.score(lat=pandas.Series(lat), lon=pandas.Series(lon, dtype="float64[pyarrow]"))), expected)
    with pytest.raises(TypeError, match="lat: an array with a buffer"):
        ucid.score(lat=[1.0], lon=[2.0])
    narrow = pa.table(ucid.create(lat=np.array([41, 42], np.int32), lon=np.array([28, 29], np.float32), **FIXED))
    assert narrow.column("status").to_pylist() == ["ok", "ok"]
    for bad in ({"lat": lat, "lon": lon[:-1]}, {"lat": lat.reshape(2, -1), "lon": lon}, {"lat": lat.astype(">f8"), "lon": lon},
                {"lat": lat.astype("datetime64[s]"), "lon": lon}):
        with pytest.raises((TypeError, ValueError)):
            ucid.score(bad)


def test_streams_are_lazy_and_read_once(chosen):
    pulled = []

    def batches():
        for i in range(50):
            pulled.append(i)
            yield from places(chosen, 1000, i).to_batches()

    source = pa.RecordBatchReader.from_batches(places(chosen, 1).schema, batches())
    stream = ucid.score(source)
    assert stream.column_names == ["id", "lat", "lon", *ADDED] and not pulled
    reader = pa.RecordBatchReader.from_stream(stream)
    assert len(reader.read_next_batch()) > 0 and len(pulled) < 10
    assert reader.read_all().num_rows > 40000
    assert repr(stream) == "ArrowStream(read)"
    with pytest.raises(ValueError, match="read"):
        pa.table(stream)
    with pytest.raises(ValueError, match="read"):
        pa.schema(stream)

    def broken():
        yield from places(chosen, 10).to_batches()
        raise OSError("the source broke")

    with pytest.raises(Exception, match="the source broke"):
        pa.table(ucid.score(pa.RecordBatchReader.from_batches(places(chosen, 1).schema, broken())))


def test_a_stream_keeps_what_it_needs(extract):
    index = ucid.open_index(extract.with_name("town.ucidx"))
    table = places(index, 5000)
    expected = ucid.score(table, index=index)
    stream = ucid.score(table.to_reader(), index=index)
    del table, index
    assert same(pa.table(stream), expected)


def test_polars(chosen):
    polars = pytest.importorskip("polars")
    table = places(chosen, 500)
    frame = polars.from_arrow(table)
    scored = ucid.score(frame)
    assert isinstance(scored, polars.DataFrame)
    assert scored["score"].to_list() == ucid.score(table).column("score").to_pylist()
    assert ucid.parse(ucid.create(frame, **FIXED).select("ucid"))["city"].drop_nulls().unique().to_list() == ["IST"]


def test_duckdb(chosen):
    duckdb = pytest.importorskip("duckdb")
    connection = duckdb.connect()
    rows = places(chosen, 500)
    relation = connection.sql("select * from rows where id % 2 = 0")
    stream = ucid.score(relation)
    assert isinstance(stream, ucid.ArrowStream)
    mean = duckdb.connect().sql("select count(*), avg(score) from stream").fetchall()[0]
    expected = ucid.score(rows.filter(pc.equal(pc.bit_wise_and(rows.column("id"), 1), 0)))
    assert mean[0] == 250 and math.isclose(mean[1], pc.mean(expected.column("score")).as_py())


def test_pandas(chosen):
    pandas = pytest.importorskip("pandas")
    table = places(chosen, 500)
    frame = table.to_pandas().set_index(np.arange(500) * 3)
    scored = ucid.score(frame)
    assert isinstance(scored, pandas.DataFrame) and list(scored.index) == list(frame.index)
    assert list(scored.columns) == ["id", "lat", "lon", *ADDED]
    expected = ucid.score(table).column("score").to_numpy(zero_copy_only=False)
    assert np.array_equal(scored["score"].to_numpy(), expected, equal_nan=True)


def test_the_pandas_accessor(chosen):
    pandas = pytest.importorskip("pandas")
    importlib.import_module("ucid.frames")
    table = places(chosen, 500)
    frame = table.to_pandas().assign(mixed=[1, "a"] * 250).set_index(np.arange(500) * 3)
    made = frame.ucid.create(**FIXED).ucid.parse(replace=True)
    assert made["grade"].dropna().unique().tolist() == ["F"] and list(made.index) == list(frame.index)
    assert frame.ucid.score("15MIN")["score"].equals(ucid.score(frame)["score"]) and "score" not in frame
    assert made.ucid.canonicalize(replace=True)["canonical"].dropna().equals(made["ucid"].dropna().rename("canonical"))
    with pytest.raises(ucid.UCIDDataError, match="'score' already"):
        frame.assign(score=1).ucid.score()
    assert frame.assign(score=1).ucid.score(replace=True).columns[-4] == "score"
    before = frame.copy()
    for door in (lambda given: given.ucid.create(**FIXED), lambda given: given.ucid.score(), lambda given: given.assign(score=1).ucid.score(replace=True)):
        made = door(frame)
        made.loc[0, ["lat", "mixed"]] = 7.5, "b"  # what was given is not written to
        assert frame.equals(before) and made.loc[0, "lat"] == 7.5


def test_texts_come_as_pandas_keeps_them(chosen):
    """Their offsets have 64 bits, so that pandas takes them as they are; what they say is what a table has."""
    pandas = pytest.importorskip("pandas")
    table = pa.Table.from_pandas(places(chosen, 900).to_pandas(), preserve_index=False)  # NaN is null there
    zones = ucid.Zones(pa.table({"geometry": [struct.pack("<BIII10d", 1, 3, 1, 5, -180, -89, 180, -89, 180, 89, -180, 89, -180, -89)], "zone_name": ["all"]}))
    doors = {
        "create": lambda given: ucid.create(given, **FIXED), "score": lambda given: ucid.score(given), "detail": lambda given: ucid.score(given, detail=True),
        "parse": lambda given: ucid.parse(given), "canonicalize": lambda given: ucid.canonicalize(given), "join": lambda given: ucid.join(given, zones),
        "all": lambda given: ucid.join(given, zones, all=True), "area": lambda given: ucid.join(given, zones, predicate="area")}  # fmt: skip
    texts = ucid.create(table, **FIXED).select(["ucid"])
    cells = pa.table({"h3": ucid.parse(texts).column("h3_index")})
    for name, door in doors.items():
        given = texts if name in ("parse", "canonicalize") else cells if name == "area" else table
        expected, framed = door(given), door(given.to_pandas())
        added = [column for column in expected.column_names if column not in given.column_names]
        assert added and list(framed.columns) == expected.column_names
        for column in added:
            values = expected.column(column)
            if pa.types.is_string(values.type):
                assert isinstance(framed[column].dtype, pandas.StringDtype), (name, column)
                held = framed[column].array.__arrow_array__()
                assert pa.types.is_large_string(held.type) and held.to_pylist() == values.to_pylist(), (name, column)
            else:
                assert framed[column].equals(values.to_pandas()), (name, column)
    with pytest.raises(ucid.UCIDDataError, match="row 1: invalid_field"):
        ucid.create(pandas.DataFrame({"lat": [1.0, 91.0], "lon": [2.0, 2.0]}), errors="raise", **FIXED)
    with pytest.raises(ucid.UCIDDataError, match="there are.*a"):
        pandas.DataFrame({"a": [1]}).ucid.create(**FIXED)
    with pytest.raises(ucid.UCIDDataError, match="the latitude; there are name, Latitude, lon"):
        pandas.DataFrame({"name": [object()], "Latitude": [1.0], "lon": [1.0]}).ucid.score()
    with pytest.raises(ucid.UCIDDataError, match="'lat' is .*string, not numbers"):
        pandas.DataFrame({"lat": ["1.0"], "lon": [1.0]}).ucid.score()


LATE = """
import importlib, importlib.util, sys
first, second = sys.argv[1:]
if first == "probed":  # somebody looks whether pandas is there before it is imported
    import ucid
    assert importlib.util.find_spec("pandas") and "pandas" not in sys.modules
    import pandas
else:
    importlib.import_module(first), importlib.import_module(second)
import pandas, ucid.latecomers
loader = pandas.__spec__.loader
assert type(loader).__module__ != "ucid.latecomers" and pandas.__loader__ is loader and not ucid.latecomers._followers
frame = pandas.DataFrame({"lat": [41.015], "lon": [28.979]})
print(frame.ucid.create(city="IST", timestamp="2026W01T12", context="15MIN")["ucid"][0])
"""


@pytest.mark.parametrize("order", [("pandas", "ucid"), ("ucid", "pandas"), ("ucid.frames", "ucid"), ("probed", "")])
def test_the_accessor_is_there_in_any_order_of_imports(order):
    assert python(LATE, *order).stdout == str(ucid.create_ucid("IST", 41.015, 28.979, "2026W01T12", "15MIN")) + "\n"


def test_the_import_of_a_library_does_not_fail_with_ours(tmp_path):
    (tmp_path / "pandas").mkdir()
    (tmp_path / "pandas" / "__init__.py").write_text("old = True\n")  # another package of that name, which our accessor cannot use
    code = "import sys; sys.path.insert(0, sys.argv[1]); import ucid, pandas; print(pandas.old, hasattr(pandas, '__path__'))"
    assert python(code, tmp_path).stdout == "True True\n"


def test_geopandas(chosen):
    geopandas = pytest.importorskip("geopandas")
    table = places(chosen, 300).filter(pc.less(pc.fill_null(places(chosen, 300).column("lat"), 91), 90)).to_pandas().dropna()
    points = geopandas.points_from_xy(table["lon"], table["lat"])
    frame = geopandas.GeoDataFrame({"id": table["id"]}, geometry=points, crs="EPSG:4326")
    expected = ucid.score(table)["score"]
    for given in (frame, frame.to_crs(3857)):
        scored = ucid.score(given)
        assert isinstance(scored, geopandas.GeoDataFrame) and scored.crs == given.crs
        assert (scored["score"].fillna(-1) - expected.fillna(-1)).abs().max() <= (0 if given is frame else 2.5)
    with pytest.raises(ucid.UCIDDataError, match="no CRS"):
        ucid.score(frame.set_crs(None, allow_override=True))
    with pytest.raises(ucid.UCIDDataError, match="other geometries"):
        ucid.score(frame.set_geometry(frame.to_crs(3857).buffer(10)))


def test_geopandas_of_any_shape():
    geopandas, shapely = pytest.importorskip("geopandas"), pytest.importorskip("shapely")
    shapes = [shapely.Point(28.979, 41.015), shapely.Point(), None, shapely.Point(28.9, 41.0, 5.0)]
    frame = geopandas.GeoDataFrame({"id": [1, 2, 3, 4], "lat": ["not", "asked", "for", "!"]}, geometry=shapes, crs="EPSG:4326")
    texts = [str(ucid.create_ucid("IST", lat, lon, "2026W01T12", "15MIN")) for lat, lon in ((41.015, 28.979), (41.0, 28.9))]
    for given in (frame, frame.to_crs("EPSG:32635"), frame.to_crs("EPSG:3857"), frame.rename_geometry("place")):
        for made in (ucid.create(given, **FIXED), given.ucid.create(**FIXED)):
            assert isinstance(made, geopandas.GeoDataFrame) and made.crs == given.crs and made.geometry.name == given.geometry.name
            assert made["ucid"].dropna().tolist() == texts and list(made.columns) == [*given.columns, "ucid", "status"]
            assert made["status"].tolist() == ["ok", "null_input", "null_input", "ok"]
    assert len(ucid.create(frame.iloc[:0], **FIXED)) == 0
    named = ucid.create(frame, **FIXED)[["ucid", "geometry"]]
    assert isinstance(ucid.parse(named), geopandas.GeoDataFrame) and ucid.parse(named)["city"].dropna().tolist() == ["IST"] * 2
    bare = geopandas.GeoDataFrame({"lat": [41.015], "lon": [28.979]})  # no geometry yet
    assert ucid.create(bare, **FIXED)["ucid"].tolist() == texts[:1]
    for wrong in (shapely.box(0, 0, 1, 1), shapely.MultiPoint([(1, 2)]), shapely.LineString([(0, 0), (1, 1)])):
        with pytest.raises(ucid.UCIDDataError, match="other geometries than points; take .representative_point"):
            ucid.create(geopandas.GeoDataFrame(geometry=[shapes[0], wrong], crs="EPSG:4326"), **FIXED)
    with pytest.raises(ucid.UCIDDataError, match="has no CRS: set_crs"):
        frame.set_crs(None, allow_override=True).ucid.create(**FIXED)
    for series in (frame.geometry, frame["id"]):
        with pytest.raises(TypeError, match="a frame is wanted, not a .*Series"):
            ucid.create(series, **FIXED)


def test_exchanged_coordinates_are_told(chosen):
    table = places(chosen, 400).rename_columns(["id", "lon", "lat"])
    for kind in (table, table.to_pandas(), pytest.importorskip("polars").from_arrow(table)):
        with pytest.warns(UserWarning, match="[34].. of 400 places .* exchanged") as told:
            ucid.score(kind)
        assert [one.filename for one in told] == [__file__]
    stream = ucid.score(table.to_reader(max_chunksize=50))
    with pytest.warns(UserWarning, match="exchanged") as told:
        pa.table(stream)
    assert [one.filename for one in told] == [__file__]
    with pytest.warns(UserWarning, match="exchanged"):
        pa.table(ucid.score(lat=table["lat"].to_numpy(), lon=table["lon"].to_numpy()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pa.table(ucid.score(places(chosen, 400).to_reader()))
        ucid.score(pa.concat_tables([table.select(["lat", "lon"]), places(chosen, 450).select(["lat", "lon"])]))  # the half is not most
        ucid.score(pa.table({"lat": [1.0, 2.0], "lon": [3.0, 4.0]}))
        ucid.score(pa.table({"lat": pa.nulls(2, pa.float64()), "lon": [3.0, 4.0]}))
        with pytest.raises(Exception, match="exchanged"):  # where warnings are errors, a stream is broken off
            pa.table(ucid.score(table.to_reader()))


def test_grids(chosen):
    south, west, north, east = chosen.bounds
    cells = pa.table(ucid.grid((south, west, north, east)))
    assert cells.column("h3").to_pylist() == ucid.generate_grid_h3((south, west, north, east))
    scored = pa.table(ucid.grid((south, west, north, east), "15MIN"))
    assert scored.column("h3").equals(cells.column("h3")) and pc.max(scored.column("score")).as_py() > 0


def test_aggregates_are_those_of_the_program(chosen, tmp_path):
    scored = ucid.score(places(chosen, 20000), city="IST").append_column("people", pa.array(np.arange(20000) % 7))
    pyarrow.parquet.write_table(scored, tmp_path / "in.parquet")
    for to, options in [("r7", {}), ("r5", {"weight": "people"}), ("city", {}), ("country", {"weight": "people"}), ("region", {})]:
        words = [f"--{name}={value}" for name, value in options.items()]
        run(BUILD / "ucid", "aggregate", tmp_path / "in.parquet", "-o", tmp_path / "out.parquet", "--to", to, *words)
        ours = ucid.aggregate(scored, to, **options)
        assert ours.equals(pyarrow.parquet.read_table(tmp_path / "out.parquet")), to
        assert ours.schema.metadata[b"ucid.index"].decode() == chosen.id
    groups = ucid.aggregate(scored, 7)
    assert pc.sum(groups.column("rows")).as_py() + pc.sum(groups.column("nulls")).as_py() == 20000
    mean = pc.mean(scored.column("score")).as_py()
    assert ucid.aggregate(scored, "city").column("score").to_pylist()[-1] == pytest.approx(mean, abs=1e-9)


def test_states_merge_in_any_order_to_the_same_bits(chosen):
    scored = ucid.score(places(chosen, 9000), city="IST").append_column("people", pa.array(np.arange(9000) % 5))
    weighed = {"weight": "people"}
    cuts = [0, 1, 1, 4000, 4001, 8999, 9000]
    parts = [scored.slice(low, high - low) for low, high in zip(cuts, cuts[1:])]
    for fine, coarse in (("r9", "r7"), ("r9", "r5"), ("city", "country"), ("city", "city")):
        states = [ucid.aggregate(part, fine, states=True, **weighed) for part in parts]
        whole = ucid.aggregate(scored, coarse, **weighed)
        for order in (states, states[::-1]):
            assert same(ucid.aggregate(pa.concat_tables(order), coarse), whole)
        half = [ucid.aggregate(pa.concat_tables(some), coarse, states=True) for some in (states[:2], states[2:])]
        assert same(ucid.aggregate(pa.concat_tables(half), coarse), whole)
        polars, pandas = pytest.importorskip("polars"), pytest.importorskip("pandas")
        assert ucid.aggregate(polars.from_arrow(pa.concat_tables(states)), coarse)["score"].to_list() == whole.column("score").to_pylist()
        framed = ucid.aggregate(pa.concat_tables(states).to_pandas(), coarse)
        assert isinstance(framed, pandas.DataFrame) and list(framed.columns) == whole.column_names
        assert framed["rows"].tolist() == whole.column("rows").to_pylist()
    with pytest.raises(ucid.UCIDConfigError, match="no column of scores or weights"):
        ucid.aggregate(states[0], "r5", weight="rows")
    with pytest.raises(ucid.UCIDDataError, match="'rows' of a state"):
        ucid.aggregate(states[0].set_column(1, "rows", pa.array([1.0])), "city")
    with pytest.raises(Exception, match="row 0 is not a state"):
        ucid.aggregate(states[0].set_column(1, "rows", pa.array([-1])), "city")
    for to in ("r16", "r", "planet", -1):
        with pytest.raises(ucid.UCIDConfigError, match="groups are"):
            ucid.aggregate(scored, to)
    with pytest.raises(ucid.UCIDDataError, match="no column 'score'"):
        ucid.aggregate(places(chosen, 3), "r7")


def test_the_page_is_the_program_s(chosen, tmp_path):
    if not (BUILD / "share" / "ucid" / "map.html").exists():
        pytest.skip("the page is not part of this build")
    scored = pa.table(ucid.grid(chosen.bounds, "15MIN", resolution=10, detail=True))
    pyarrow.parquet.write_table(scored, tmp_path / "grid.parquet")
    run(BUILD / "ucid", "map", tmp_path / "grid.parquet", "--index", chosen.path, "--show", "transit", "-o", tmp_path / "program.html")
    page = ucid.map(scored, tmp_path / "ours.html", index=chosen, show="transit")
    assert page.rows == scored.num_rows and page._repr_html_().startswith("<iframe srcdoc=")
    assert (tmp_path / "ours.html").read_bytes() == (tmp_path / "program.html").read_bytes()
    for kind in (scored.to_pandas(), pytest.importorskip("polars").from_arrow(scored)):
        ucid.map(kind, tmp_path / "kind.html", index=chosen.path, show="transit")
        assert (tmp_path / "kind.html").read_bytes() == (tmp_path / "ours.html").read_bytes()
    with pytest.raises(ucid.UCIDConfigError, match="show noise"):
        ucid.map(scored, tmp_path / "kind.html", show="noise")
    with pytest.raises(ucid.UCIDDataError, match="more than once"):
        ucid.map(pa.concat_tables([scored, scored]), tmp_path / "kind.html")
    with pytest.raises(ucid.UCIDDataError, match="No such file"):
        ucid.map(scored, tmp_path / "no" / "page.html")
    with pytest.warns(UserWarning, match="1 of 2 rows have no place"):
        held = ucid.map(pa.table({"h3": ["891ec90243bffff", None], "score": [1.0, 2.0]}))
    os.unlink(held)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".html"] * 3 + [".parquet"]


def test_pictures_show_every_row(chosen):
    plt = pytest.importorskip("matplotlib.pyplot")
    scored = pa.table(ucid.grid(chosen.bounds, "15MIN", resolution=10, detail=True))
    axes = ucid.plot(scored, title="Town")
    grades = [None if row["status"] == "off_network" else row["grade"] for row in scored.select(["grade", "status"]).to_pylist()]
    expected = [f"{name} ({grades.count(grade)})" for name, grade in [(g, g) for g in ("A+", "A", "B", "C", "D", "F")] + [("no score", None)]]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [text for text in expected if text != "no score (0)"]
    assert sum(len(drawn.get_paths()) for drawn in axes.collections) == scored.num_rows and axes.get_title() == "Town"
    places = ucid.plot(scored.select(["lat", "lon", "transit"]).to_pandas(), "transit")
    assert len(places.collections[0].get_offsets()) == scored.num_rows
    by_identifier = ucid.plot(scored.select(["ucid", "score"]), "score", legend=False)
    assert sum(len(drawn.get_paths()) for drawn in by_identifier.collections) == scored.num_rows - scored.column("ucid").null_count
    with pytest.raises(ucid.UCIDDataError, match="no column 'noise'"):
        ucid.plot(scored, "noise")
    with pytest.raises(ucid.UCIDDataError, match="holds no numbers"):
        ucid.plot(scored, "h3")
    plt.close("all")


# ------------------------------------------------------------------------------------------------- contexts, indexes


class Half:
    """A context in Python: half the latitude's fraction."""

    context_id = "HALF"

    def score(self, lat, lon, timestamp):
        return np.asarray(lat) % 1 * 50, np.full(len(lat), 0.5)


def test_an_index_without_a_date_needs_a_time_key(tmp_path):
    index = ucid.build_index(data("heidelberg/heidelberg.osm.pbf"), tmp_path / "heidelberg.ucidx")
    place = {"lat": array.array("d", [49.41]), "lon": array.array("d", [8.69])}
    with pytest.raises(ucid.UCIDConfigError, match="no date"):
        ucid.score(place, index=index)
    scored = pa.table(ucid.score(place, index=index, timestamp="2026W01T12")).to_pylist()[0]
    assert scored["status"] == "ok" and ":2026W01T12:" in scored["ucid"]


@pytest.fixture
def half():
    ucid.register_context(Half)
    yield ucid.get_context("half")
    contexts._registered.pop("HALF")


def test_plug_in_contexts_work_through_every_door(half, chosen):
    assert half.compute(40.5, 3.0).score == 25.0 and half.compute(40.5, 3.0).grade == "F"
    assert "HALF" in ucid.list_contexts()
    for table in (pa.table({"lat": [40.5, 40.9, None], "lon": [1.0, 2.0, 3.0]}), pytest.importorskip("pandas").DataFrame({"lat": [40.5, 40.9, np.nan], "lon": [1.0, 2, 3]})):
        scored = ucid.score(table, "HALF", city="IST", timestamp="2026W01T12")
        assert type(scored) is type(table)
        rows = pa.table(scored).to_pylist()
        assert [row["score"] for row in rows[:2]] == [25.0, 45.0] and rows[2]["ucid"] is None
        assert rows[0]["ucid"].endswith(":HALF:F:0.50:")

    class Bad(Half):
        context_id = "BAD"

        def score(self, lat, lon, timestamp):
            return [101.0] * len(lat), [0.5] * len(lat)

    ucid.register_context(Bad())
    with pytest.raises(ucid.UCIDContextError, match="101"):
        ucid.get_context("BAD").compute(1, 1)
    contexts._registered.pop("BAD")
    for wrong in (object(), type("Wrong", (Half,), {"context_id": "lower"}), type("Wrong", (Half,), {"context_id": "15MIN"})):
        with pytest.raises(ucid.UCIDContextError):
            ucid.register_context(wrong)


def test_plug_ins_add_what_a_built_in_context_adds(half, chosen):
    """The columns of 15MIN, in their order, from every kind of input; no place that has no coordinates is shown to them."""
    table = places(chosen, 400).append_column("timestamp", pa.array([f"2026W0{1 + i % 3}T12" for i in range(400)]))
    built_in = ucid.score(table, city="IST")
    seen = []

    class Seen(Half):
        context_id = "SEEN"

        def score(self, lat, lon, timestamp):
            seen.append((len(lat), timestamp))
            assert np.all(np.abs(lat) <= 90) and np.all(np.abs(lon) <= 180)
            score, confidence = super().score(lat, lon, timestamp)
            return np.where(np.asarray(lat) < 0, np.nan, score), confidence

        def explain(self, lat, lon):
            return [("half", True, "n", 1, "place", "amenity=place", 1.0, 12.0, lat, lon)]

    try:
        ucid.register_context(Seen)
        scored = ucid.score(table, "SEEN", city="IST")
        assert scored.schema.remove_metadata() == built_in.schema.remove_metadata()
        assert {key for _, key in seen if key} == {"2026W01T12", "2026W02T12", "2026W03T12"}
        rows = scored.to_pylist()
        for row in rows:
            bad = row["lat"] is None or not abs(row["lat"]) <= 90 or not abs(row["lon"]) <= 180
            assert row["status"] == ("invalid_coordinates" if bad else "computation_failed" if row["lat"] < 0 else "ok")
            assert (row["ucid"] is None) == (row["score"] is None) == (row["grade"] is None) == (row["status"] != "ok")
            if row["status"] == "ok":
                one = ucid.get_context("SEEN").compute(row["lat"], row["lon"], row["timestamp"])
                assert (one.score, one.grade, one.confidence) == (row["score"], row["grade"], row["confidence"])
                assert row["ucid"] == str(ucid.create_ucid("IST", row["lat"], row["lon"], row["timestamp"], "SEEN", one.grade, one.confidence))
        stream = ucid.score(table.to_reader(max_chunksize=100), "SEEN", city="IST")
        assert isinstance(stream, ucid.ArrowStream) and stream.column_names == built_in.column_names
        assert same(pa.table(stream), scored)
        polars = pytest.importorskip("polars")
        assert isinstance(ucid.score(polars.from_arrow(table), "SEEN", city="IST"), polars.DataFrame)
        framed = table.to_pandas().ucid.score("SEEN", city="IST")
        assert framed["score"].fillna(-1).tolist() == scored.column("score").fill_null(-1).to_pylist()
        arrays = pa.table(ucid.score(None, "SEEN", lat=np.array([40.5]), lon=np.array([1.0]), city="IST", timestamp="2026W01T12"))
        assert arrays.column("score").to_pylist() == [25.0]
        box = (40.0, -40.0, 40.01, -39.99)
        cells = pa.table(ucid.grid(box, "SEEN", city="IST", timestamp="2026W01T12"))
        assert cells.column("h3").to_pylist() == ucid.generate_grid_h3(box) and cells.column("score").null_count == 0
        by_cell = ucid.score(cells.select(["h3"]), "SEEN", city="IST", timestamp="2026W01T12")
        assert by_cell.column("score").to_pylist() == cells.column("score").to_pylist()
        integers = pa.table({"cell": pa.array([int(cell, 16) for cell in cells.column("h3").to_pylist()] + [7, None], pa.uint64())})
        assert ucid.score(integers, "SEEN", city="IST", timestamp="2026W01T12").column("status").to_pylist()[-2:] == ["invalid_h3", "null_input"]
        groups = ucid.aggregate(scored, "city")
        assert groups.column("rows").to_pylist()[-1] == sum(row["status"] == "ok" for row in rows)
        assert ucid.explain(1.0, 2.0, "SEEN")[0].name == "place"
        with pytest.raises(ucid.UCIDContextError, match="without explain"):
            ucid.explain(1.0, 2.0, "HALF")
        with pytest.raises(ucid.UCIDContextError, match="no context 'NO'"):
            ucid.explain(1.0, 2.0, "NO")
        with pytest.raises(ucid.UCIDDataError, match="row 0: invalid_coordinates"):
            ucid.score(table, "SEEN", city="IST", errors="raise")
        for wrong, options, message in ((table, {"detail": True}, "no parts"), (table.drop(["timestamp"]), {}, "timestamp is needed"),
                                        (table.select(["lat", "timestamp"]), {}, "no places"), (scored, {}, "'ucid' already"),
                                        (table, {"lat": "north"}, "no column 'north'")):
            with pytest.raises((ucid.UCIDConfigError, ucid.UCIDDataError), match=message):
                ucid.score(wrong, "SEEN", city="IST", **options)
        with pytest.raises(ucid.UCIDDataError, match="city"):
            ucid.score(table, "SEEN")
        assert same(ucid.score(scored, "SEEN", city="IST", replace=True), scored)
    finally:
        contexts._registered.pop("SEEN", None)


def test_plug_ins_that_fail_are_named(chosen):
    class Broken(Half):
        context_id = "BROKEN"

        def score(self, lat, lon, timestamp):
            raise KeyError("the table")

    ucid.register_context(Broken)
    try:
        table = pa.table({"lat": [1.0], "lon": [2.0]})
        for call in (lambda: ucid.score(table, "BROKEN", city="IST", timestamp="2026W01T12"),
                     lambda: ucid.score(table.to_pandas(), "BROKEN", city="IST", timestamp="2026W01T12"),
                     lambda: pa.table(ucid.score(table.to_reader(), "BROKEN", city="IST", timestamp="2026W01T12"))):
            with pytest.raises(Exception, match="context BROKEN: KeyError: 'the table'"):
                call()
    finally:
        contexts._registered.pop("BROKEN")


def test_entry_points_are_found(tmp_path):
    (tmp_path / "quiet.py").write_text("class Quiet:\n    context_id = 'QUIET'\n    def score(self, lat, lon, timestamp):\n"
                                       "        return [80.0] * len(lat), [1.0] * len(lat)\n")
    info = tmp_path / "quiet-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: quiet\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ucid.contexts]\nQUIET = quiet:Quiet\n")
    said = python("import sys; sys.path.insert(0, sys.argv[1]); import ucid; print(ucid.get_context('QUIET').compute(1, 1).grade)", tmp_path)
    assert said.stdout == "B\n"


def test_results_show_themselves(chosen):
    south, west, north, east = chosen.bounds
    result = ucid.get_context("15MIN").compute((south + north) / 2, (west + east) / 2)
    assert repr(result).startswith("ContextResult(15MIN: score=") 
    assert result.raw_score == result.score and result.context == "15MIN"
    assert result.uncertainty["ci95_low"] <= result.score <= result.uncertainty["ci95_high"]
    assert result.data_sources[0]["index"] == chosen.id and "OpenStreetMap" in result.metadata["attribution"]
    assert math.isclose(sum(ucid.get_context("15MIN").weights.values()), 1.0)
    total = sum(weight * result.breakdown[part] for part, weight in ucid.get_context("15MIN").weights.items())
    assert abs(total - result.score) < 0.006
    reasons = ucid.explain((south + north) / 2, (west + east) / 2)
    assert {reason.part for reason in reasons} <= set(result.breakdown)


class Cells(HTMLParser):
    """Texts of the cells of an HTML table, row by row; whatever is not closed in order is an error."""

    def __init__(self, html):
        super().__init__()
        self.open, self.rows, self.caption = [], [], ""
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        assert not attributes
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if self.open[-1] == "caption":
            self.caption += text
        else:
            self.rows[-1][-1] += text


def test_notebooks_show_every_kind(chosen, half, catalog):
    lat, lon = places_score(chosen)
    result = ucid.get_context("15MIN").compute(lat, lon)
    shown = Cells(result._repr_html_())
    assert shown.caption.startswith(f"15MIN: {result.score:.2f}, grade {result.grade}, ")
    assert shown.rows[0] == ["part", "weight", "score", "nearest, m"]
    assert [(row[0], row[2]) for row in shown.rows[1:]] == [(part, f"{score:.2f}") for part, score in result.breakdown.items()]
    assert Cells(ucid.get_context("15MIN").compute(-60, lon)._repr_html_()).caption == "15MIN: no score (outside_index)"
    assert Cells(half.compute(40.5, 1)._repr_html_()).caption == "HALF: 25.00, grade F, confidence 0.50 (ok)"
    index = dict(Cells(chosen._repr_html_()).rows)
    about = json.loads(chosen.json)
    assert index["id"] == chosen.id and index["week of the data"] == chosen.timestamp and index["places"] == f"{about['places']['kept']:,}"
    listed = Cells(indexes.Catalog(catalog)._repr_html_())
    assert listed.caption.endswith("catalog.json: 1 indexes") and listed.rows[1][:2] == ["town.ucidx", chosen.timestamp]
    stream = ucid.score(places(chosen, 10).to_reader())
    columns = Cells(stream._repr_html_()).rows
    assert columns[0] == ["column", "type"] and columns[1] == ["id", "int64"] and ["score", "double"] in columns
    assert pa.table(stream).num_rows == 10 and Cells(stream._repr_html_()).caption == "ArrowStream, read already"
    odd = pa.table({"a<b&": ["c"], "geometry": [bytes.fromhex("0103000000010000000400000000000000000000000000000000000000000000000000f03f"
                                                              "0000000000000000000000000000f03f000000000000f03f00000000000000000000000000000000")]})
    zones = Cells(ucid.Zones(odd)._repr_html_())
    assert zones.caption == "1 zone" and ["a<b&"] in zones.rows
    odd = ucid.indexes.Reasons([indexes.Reason("transit", True, "node", 1, "<script>", "a=b", 1.0, 12.4, lat, lon)])
    assert Cells(odd._repr_html_()).rows[1] == ["transit", "<script>", "a=b", "12", "yes"]


def test_reasons_are_a_table(chosen):
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    reasons = ucid.explain(*places_score(chosen))
    assert len(reasons) > 5 and reasons[:2][1] == reasons[1] and reasons[:2] != reasons
    table = pa.table(reasons)
    assert table.column_names == list(indexes.Reason._fields) and table.to_pylist() == [one._asdict() for one in reasons]
    assert pandas.DataFrame(reasons)["name"].tolist() == table.column("name").to_pylist() == polars.DataFrame(reasons)["name"].to_list()
    assert pa.table(reasons[:0]).schema == table.schema
    scored = pa.table(ucid.score(reasons, replace=True))  # they are places, too
    assert scored.num_rows == len(reasons) and pc.max(scored.column("score")).as_py() > 0


def test_without_an_index_the_error_says_what_to_do(monkeypatch):
    monkeypatch.setattr(indexes, "_chosen", None)
    monkeypatch.delenv("UCID_CATALOG", raising=False)
    contexts.forget_indexes()
    with pytest.raises(ucid.UCIDDataError, match="build_index") as caught:
        ucid.get_context("15MIN").compute(41, 29)
    assert caught.value.error_code == "INDEX_NOT_FOUND"
    with pytest.raises(ucid.UCIDDataError, match="use_catalog"):
        ucid.score(pa.table({"lat": [1.0], "lon": [1.0]}))


@pytest.fixture
def catalog(town, tmp_path):
    """A folder with the index and its catalog, as the program makes it."""
    folder = tmp_path / "catalog"
    folder.mkdir()
    path = folder / "town.ucidx"
    path.write_bytes(open(town.path, "rb").read())
    run(BUILD / "ucid", "catalog", "add", folder, path)
    return folder


def places_score(index):
    south, west, north, east = index.bounds
    return (south + north) / 2, (west + east) / 2


def test_catalogs_on_this_host(catalog, town, monkeypatch):
    lat, lon = places_score(town)
    code = "import sys, ucid; print(ucid.get_context('15MIN').compute(float(sys.argv[1]), float(sys.argv[2])).score)"
    said = python(code, lat, lon, UCID_CATALOG=str(catalog))
    ucid.use_index(town)
    assert float(said.stdout) == ucid.get_context("15MIN").compute(lat, lon).score
    ucid.use_catalog(catalog)
    assert ucid.score(pa.table({"lat": [lat], "lon": [lon]})).column("score")[0].as_py() == float(said.stdout)
    with pytest.raises(ucid.UCIDDataError, match="covers 1.0"):
        ucid.get_context("15MIN").compute(1.0, 1.0)
    monkeypatch.setattr(indexes, "_chosen", None)
    contexts.forget_indexes()


RACE = """
import sys, ucid, ucid.indexes as indexes
real = indexes._read_remote
def counted(uri):
    print("read", uri.rsplit("/", 1)[1], flush=True)
    return real(uri)
indexes._read_remote = counted
ucid.use_catalog(sys.argv[1])
print(ucid.get_context("15MIN").compute(float(sys.argv[2]), float(sys.argv[3])).score)
"""


def test_remote_catalogs_are_fetched_once_and_checked(catalog, town, tmp_path):
    pytest.importorskip("fsspec")
    lat, lon = places_score(town)
    environment = {**os.environ, "PYTHONPATH": str(BUILD / "python"), "UCID_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-c", RACE, f"file://{catalog}", str(lat), str(lon)]
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = "".join(process.communicate()[0] for process in running)
    assert all(process.returncode == 0 for process in running)
    assert said.count("read town.ucidx") == 1 and said.count("read catalog.json") == 3
    kept = list((tmp_path / "cache" / "indexes").glob("*.ucidx"))
    assert [path.stem for path in kept] == [hashlib.sha256((catalog / "town.ucidx").read_bytes()).hexdigest()]
    kept[0].unlink()
    with open(catalog / "town.ucidx", "r+b") as file:
        file.seek(-100, os.SEEK_END)
        file.write(b"\xff" * 8)
    refused = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert refused.returncode == 1 and "UCIDDataError" in refused.stderr and "its sha256 is" in refused.stderr
    assert not [path for path in (tmp_path / "cache" / "indexes").iterdir() if path.suffix != ".lock"]


def test_only_the_indexes_of_the_places_are_fetched(catalog, town, tmp_path, monkeypatch):
    fsspec = pytest.importorskip("fsspec")
    monkeypatch.setenv("UCID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(indexes, "_chosen", None)
    run(BUILD / "ucid-town", "-n", 2000, "-c", "10,20", tmp_path / "far.osm.pbf")
    far = ucid.build_index(tmp_path / "far.osm.pbf", catalog / "far.ucidx")
    run(BUILD / "ucid", "catalog", "add", catalog, far.path)
    for name in ("catalog.json", "town.ucidx", "far.ucidx"):
        with fsspec.open(f"memory://two/{name}", "wb") as out:
            out.write((catalog / name).read_bytes())
    kept = lambda: len(list((tmp_path / "cache" / "indexes").glob("*.ucidx")))  # noqa: E731
    table = places(town, 500)
    expected = ucid.score(table, index=[town, far]).select(ADDED)
    ucid.use_catalog("memory://two")
    try:
        assert kept() == 0
        nowhere = ucid.score(pa.table({"lat": [-50.0, None], "lon": [0.0, 1.0]}))
        assert nowhere.column("status").to_pylist() == ["outside_index", "null_input"] and kept() == 0
        for kind in (table, table.to_pandas(), {"lat": table["lat"].to_numpy(), "lon": table["lon"].to_numpy()}):
            scored = pa.table(ucid.score(kind))
            assert scored.column("score").combine_chunks().equals(expected.column("score").combine_chunks())
        assert [path.stem for path in (tmp_path / "cache" / "indexes").glob("*.ucidx")] == [hashlib.sha256(open(town.path, "rb").read()).hexdigest()]
        travels = pickle.dumps(ucid.get_context("15MIN"))
        held = pickle.dumps(indexes.current().find(ucid.latlng_to_cell(*places_score(town), 7)))
        south, west, north, east = far.bounds
        cells = pa.table({"h3": ucid.generate_grid_h3((south, west, north, east), 9)})
        assert ucid.score(cells).select(ADDED) == ucid.score(cells, index=[town, far]).select(ADDED) and kept() == 2
        for path in (tmp_path / "cache" / "indexes").glob("*.ucidx"):
            path.unlink()
        indexes._reopen.cache_clear()
        assert pickle.loads(held).id == town.id and pickle.loads(travels).compute(*places_score(far)).status == "ok" and kept() == 2
        for path in (tmp_path / "cache" / "indexes").glob("*.ucidx"):
            path.unlink()
        indexes.current()._opened.clear()
        stream = ucid.score(table.to_reader())
        assert kept() == 0  # nothing is fetched before a row needs it
        assert pa.table(stream).column("score").equals(expected.column("score")) and kept() == 1
    finally:
        contexts.forget_indexes()


def test_catalogs_in_memory(catalog, town, tmp_path, monkeypatch):
    fsspec = pytest.importorskip("fsspec")
    monkeypatch.setenv("UCID_CACHE", str(tmp_path / "cache"))
    for name in ("catalog.json", "town.ucidx"):
        with fsspec.open(f"memory://ucid/{name}", "wb") as out:
            out.write((catalog / name).read_bytes())
    assert [index.id for index in indexes.Catalog("memory://ucid").all()] == [town.id]
    for text in ("{", "[]", '{"format": 9, "indexes": []}', '{"format": 1}',
                 '{"format": 1, "indexes": [{"path": "a", "id": "", "sha256": "../a", "data": "", "coverage": []}]}',
                 '{"format": 1, "indexes": []}'):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(ucid.UCIDDataError, match="bad.json"):
            indexes.Catalog(tmp_path / "bad.json")
    with pytest.raises(ucid.UCIDDataError):
        indexes.Catalog(tmp_path / "none")


# ---------------------------------------------------------------------------------------------- threads and processes


def test_eight_threads_share_an_index(chosen):
    said = run(sys.executable, SOURCE / "tests" / "eight_threads.py", BUILD, chosen.path)
    assert said.stdout == "8 threads, 3 rounds: the same answers\n"
    table = places(chosen, 20000)
    expected = ucid.score(table, threads=1)
    with ThreadPoolExecutor(8) as pool:  # through pyarrow too
        assert all(pool.map(lambda threads: same(ucid.score(table, threads=threads), expected), [1, 2, 3, 1, 2, 3, 1, 2]))


def score_of(arguments):
    """Work of a process that chose nothing: index, context and catalog open there what they came with."""
    index, context, table = arguments
    return context.compute(*places_score(index)), ucid.score(table, index=index).to_pylist(), index.id


@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_processes_share_an_index(chosen, way, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(BUILD / "python"), str(SOURCE / "tests")]))
    table = places(chosen, 300).slice(0, 80)
    arguments = chosen, ucid.get_context("15MIN"), table
    expected = score_of(arguments)
    with multiprocessing.get_context(way).Pool(2) as pool:
        assert [repr(answer) for answer in pool.map(score_of, [arguments] * 4)] == [repr(expected)] * 4


@pytest.mark.parametrize("kind", ["pyarrow", "pandas", "polars", "arrays", "batches"])
def test_a_network_in_tables_is_indexed(tmp_path, kind):
    nodes = {"id": np.array([70, 8, 9, 5]), "lat": np.array([40.0, 40.002, 40.0, 39.998]), "lon": np.array([9.0, 9.0, 9.003, 9.0])}
    edges = {"u": np.array([70, 70, 5]), "v": np.array([8, 9, 70]), "length": np.array([230.0, 260.0, 240.0])}
    places = {"lat": np.array([40.002, 39.998]), "lon": np.array([9.0, 9.0])}
    texts = {"tag": ["shop=supermarket", "leisure=park"], "name": ["Corner", None], "osm_type": ["way", "n"]}

    def made(columns):
        match kind:
            case "arrays":
                return columns
            case "pandas":
                return pytest.importorskip("pandas").DataFrame(columns)
            case "polars":
                return pytest.importorskip("polars").DataFrame(columns)
            case "batches":  # sliced, all behind dictionaries
                table = pa.table({name: pa.array(values).dictionary_encode() for name, values in columns.items()})
                return pa.concat_tables([table, table]).slice(table.num_rows).to_reader(max_chunksize=1)
            case _:
                return pa.table(columns)

    all_places = pa.table(places | texts) if kind == "arrays" else made(places | texts)
    date = datetime(2026, 1, 5)
    index = ucid.build_index(ucid.Network(made(nodes), made(edges), all_places, date), tmp_path / "crossing.ucidx")
    assert index.timestamp == "2026W02T00"
    reasons = ucid.explain(40.0, 9.003, index=index)
    found = {reason.part: (reason.name, reason.distance_m, reason.osm_type, reason.osm_id) for reason in reasons}
    assert found == {"grocery": ("Corner", 490.0, "w", 0), "public_space": ("", 500.0, "n", 1)}


def test_a_network_that_cannot_be_is_refused(tmp_path):
    nodes = pa.table({"id": [1, 2], "lat": [40.0, 40.001], "lon": [9.0, 9.0], "end": [False, None]})
    edges = pa.table({"from": [1], "to": [2]})
    places = pa.table({"lat": [40.0], "lon": [9.0], "tag": ["shop=bakery"]})
    out = tmp_path / "never.ucidx"

    def build(n=nodes, e=edges, p=places):
        return ucid.build_index(ucid.Network(n, e, p), out)

    bad = [
        ((nodes.drop(["lat"]), edges, places), "nodes: no column for lat; there are id, lon, end"),
        ((nodes, edges.drop(["to"]), places), "edges: no column for to; there are from"),
        ((nodes, edges, places.drop(["tag"])), "places: no column for tag"),
        ((nodes.set_column(1, "lat", [["a", "b"]]), edges, places), "nodes: column 'lat' is string, not numbers"),
        ((nodes.set_column(0, "id", [[1.0, 2.0]]), edges, places), "nodes: column 'id' holds no whole numbers"),
        ((nodes.set_column(0, "id", [[2, 2]]), edges, places), "nodes: rows 0 and 1 have one id, 2"),
        ((nodes, edges.set_column(1, "to", [[3]]), places), "edges: row 0: no node has the id 3"),
        ((nodes.drop(["id"]), edges, places), "edge 0: there is no node 2 of 2"),
        ((nodes.set_column(1, "lat", [[None, 40.0]]), edges, places), "node 0: latitudes are -89..89, not nan"),
        ((nodes, edges, places.set_column(2, "tag", [pa.array([None], pa.string())])), "place 0: tag ''"),
        ((nodes, edges.append_column("rank", [[9]]), places), "edge 0: ranks are"),
        ((nodes, edges.append_column("metres", [[-1]]), places), "edge 0: metres are"),
        ((nodes, edges.slice(1), places), "no edge between two nodes"),
    ]
    for tables, words in bad:
        with pytest.raises(ucid.UCIDDataError) as caught:
            build(*tables)
        assert words in str(caught.value)
    with pytest.raises(TypeError, match="a table that speaks Arrow"):
        build(p=7)
    assert not list(tmp_path.iterdir())
    assert build().bounds[0] == 40.0


def copies(value):
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        yield pickle.loads(pickle.dumps(value, protocol))
    yield copy.deepcopy(value)


def test_values_travel(chosen, half):
    lat, lon = places_score(chosen)
    near, far = ucid.get_context("15MIN").compute(lat, lon, "2026W01T12"), ucid.get_context("15MIN").compute(-60, lon)
    assert near != far and far.nearest_m["transit"] is None and math.isnan(far.score)
    for result in (near, far):
        for other in copies(result):
            assert other == result and hash(other) == hash(result) and repr(other) == repr(result)
            assert (other.breakdown, other.nearest_m, other.flags, other.data_sources, other._repr_html_()) == (
                result.breakdown, result.nearest_m, result.flags, result.data_sources, result._repr_html_())
    values = [ucid.get_city("IST"), ucid.get_city_bbox("IST"), temporal.parse_temporal_key("2026W01T12"), half.compute(1, 1),
              identifiers.defects("no")[0], ucid.explain(lat, lon), ucid.parse_ucid(GOOD), contexts.get_context("HALF").plugin.__class__]
    for value in values:
        for other in copies(value):
            assert repr(other) == repr(value) and type(other) is type(value)
    assert pickle.loads(pickle.dumps(half)).compute(40.5, 1).score == 25.0
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(ucid.grid(chosen.bounds))
    with pytest.raises(ucid.UCIDContextError):
        _ext.restore_result("NO", 1.0, 1.0, 1.0, (1.0,) * 8, (1.0,) * 8, 0, 1, 0, 0, "id")
    for wrong in (("15MIN",), ("15MIN", 1.0, 1.0, 1.0, (1.0,) * 7, (1.0,) * 8, 0, 1, 0, 0, "id"), ("15MIN", 1.0, 1.0, 1.0, (1.0,) * 8, ("a",) * 8, 0, 1, 0, 0, "id")):
        with pytest.raises((TypeError, IndexError)):
            _ext.restore_result(*wrong)


def test_indexes_and_contexts_travel_with_their_address(chosen, catalog, tmp_path, monkeypatch):
    monkeypatch.setattr(indexes, "_origins", {})
    lat, lon = places_score(chosen)
    expected = ucid.get_context("15MIN").compute(lat, lon)
    moved = tmp_path / "moved.ucidx"
    moved.write_bytes(open(chosen.path, "rb").read())
    index, context = pickle.dumps(ucid.open_index(moved)), pickle.dumps(ucid.get_context("15MIN"))
    listed = pickle.dumps(indexes.Catalog(catalog))
    assert len(index) < 400 and len(context) < 400
    monkeypatch.setattr(indexes, "_chosen", None)  # as in a process that chose nothing
    contexts.forget_indexes()
    assert pickle.loads(context).compute(lat, lon) == expected
    assert pickle.loads(pickle.dumps(pickle.loads(context))).compute(lat, lon) == expected
    assert pickle.loads(listed).all()[0].id == chosen.id
    assert pickle.loads(index) is pickle.loads(index)
    indexes._reopen.cache_clear()
    moved.unlink()
    with pytest.raises(ucid.UCIDDataError, match="moved.ucidx"):
        pickle.loads(index)
    other = tmp_path / "other.osm.pbf"
    run(BUILD / "ucid-town", "-n", 500, other)
    ucid.build_index(other, moved)
    with pytest.raises(ucid.UCIDDataError, match="its id is"):
        pickle.loads(index)


def test_sub_interpreters_are_refused():
    interpreters = pytest.importorskip("_xxsubinterpreters", reason="this Python has them under another name")
    inner = interpreters.create()
    with pytest.raises(interpreters.RunFailedError, match="main interpreter"):
        interpreters.run_string(inner, f"import sys; sys.path.insert(0, {str(BUILD / 'python')!r}); import ucid")
    interpreters.destroy(inner)


def test_a_build_can_be_stopped(extract, tmp_path):
    def stop(stage, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ucid.build_index(extract, tmp_path / "never.ucidx", progress=stop)
    assert list(tmp_path.iterdir()) == []


FLAT = """
import resource, sys, ucid, pickle
import pyarrow as pa
ucid.use_index(sys.argv[1])
south, west, north, east = ucid.open_index(sys.argv[1]).bounds
lat, lon = (south + north) / 2, (west + east) / 2
table = pa.table({"lat": [lat, 91.0] * 50, "lon": [lon, None] * 50})
context = ucid.get_context("15MIN")

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

def tries(call):
    try:
        call()
    except (ucid.UCIDError, TypeError, ValueError):
        pass

def all_doors():
    one = ucid.create_ucid("IST", lat, lon, "2026W01T12", "15MIN", flags=["A"])
    pickle.loads(pickle.dumps(ucid.parse_ucid(str(one))))
    hash(one), repr(one), one.flags, one.lat3, ucid.validate_ucid("UCID-V1:", strict=False)
    ucid.unpack(ucid.pack(ucid.create_ucid("IST", lat, lon, "2026W01T12", "15MIN")))
    result = context.compute(lat, lon)
    result.breakdown, result.nearest_m, result.metadata, result.data_sources, result.uncertainty, result._repr_html_()
    ucid.get_city("IST"), ucid.k_ring("891ec90243bffff", 2), ucid.to_utc("2026W01T12", "IST")
    ucid.generate_time_range("2026W01T00", "2026W01T12"), ucid.cell_to_boundary("891ec90243bffff")
    tries(lambda: ucid.parse_ucid("no"))
    tries(lambda: ucid.create_ucid("IST", 91, 0, "2026W01T12", "15MIN"))
    tries(lambda: ucid.create_ucid("IST", 1, 0, "2026W01T12", "15MIN", flags=["A", 1]))
    tries(lambda: context.compute(91, 0))
    tries(lambda: ucid.open_index("/no"))
    tries(lambda: ucid.create(pa.table({"x": [1]}), city="IST"))
    pa.table(ucid.score(table, threads=1))
    ucid.score(table)  # never read
    ucid.explain(lat, lon)
    ucid.parse(ucid.create(table, city="IST", timestamp="2026W01T12", context="15MIN").select(["ucid"]))
    pa.table(ucid.score(lat=memoryview(b"\\0" * 80).cast("d"), lon=memoryview(b"\\0" * 80).cast("d")))

for _ in range(300):
    all_doors()
before = resident()
for _ in range(int(sys.argv[2])):
    all_doors()
print(resident() - before)
"""


def test_memory_stays_flat(town):
    grown = int(python(FLAT, town.path, 10000 if os.environ.get("UCID_LONG") else 1500).stdout)
    assert grown < 2 << 20, f"{grown} bytes more"


def test_groups_of_any_columns(tmp_path):
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    random = np.random.default_rng(11)
    table = pa.table({"city": pa.array(random.choice(["IST", "HEL", "NYC"], 4000)), "week": random.integers(1, 5, 4000),
                      "day": pa.array(random.integers(0, 3, 4000), pa.int32()).cast(pa.date32()),
                      "walk_m": pa.array(random.normal(400, 120, 4000), mask=random.random(4000) < 0.1)})  # fmt: skip
    agg = ["count", "sum", "mean", "std", "min", "max", "median", "p90"]
    whole = ucid.aggregate(table, by=["city", "week", "day"], agg=agg, of="walk_m")
    said = table.to_pandas().groupby(["city", "week", "day"])["walk_m"]
    for name, values in {"count": said.count(), "std": said.std(), "median": said.median(), "p90": said.quantile(0.9)}.items():
        assert whole.column(name).to_pylist() == pytest.approx(values.tolist(), rel=1e-12)
    pyarrow.parquet.write_table(table, tmp_path / "in.parquet")
    run(BUILD / "ucid", "aggregate", tmp_path / "in.parquet", "-o", tmp_path / "out.parquet", "--by", "city,week,day", "--agg", ",".join(agg), "--of", "walk_m")
    assert whole.equals(pyarrow.parquet.read_table(tmp_path / "out.parquet"))
    parts = [table.slice(low, high - low) for low, high in ((0, 1), (1, 1), (1, 3000), (3000, 4000))]
    states = [ucid.aggregate(part, by=["city", "week", "day"], agg=agg, of="walk_m", states=True) for part in parts]
    assert ucid.aggregate(pa.concat_tables(states[::-1]), by=["city", "week", "day"], agg=agg).equals(whole)
    framed = ucid.aggregate(table.to_pandas(), by="city", agg="mean,rows", of="walk_m")
    assert isinstance(framed, pandas.DataFrame) and framed["rows"].sum() == 4000
    assert isinstance(ucid.aggregate(polars.from_arrow(table), by="city", of="walk_m"), polars.DataFrame)
    for options, error in [({"by": "town"}, ucid.UCIDDataError), ({"by": "city", "agg": "mode"}, ucid.UCIDConfigError),
                           ({"by": "city", "to": "r7"}, ucid.UCIDConfigError), ({"by": []}, ucid.UCIDConfigError)]:  # fmt: skip
        with pytest.raises(error):
            ucid.aggregate(table, of="walk_m", **options)
