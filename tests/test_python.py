"""The Python package: what is published, values, and what threads, processes and pickles do to them."""

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
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from conftest import BUILD, SOURCE, run
from python_town import catalog, chosen, extract, GOOD, half, middle_of, places, python, same, town  # noqa: F401: fixtures

import ucid
from ucid import _ext, contexts, identifiers, indexes, temporal


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
    return context.compute(*middle_of(index)), ucid.score(table, index=index).to_pylist(), index.id


@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_processes_share_an_index(chosen, way, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(BUILD / "python"), str(SOURCE / "tests")]))
    table = places(chosen, 300).slice(0, 80)
    arguments = chosen, ucid.get_context("15MIN"), table
    expected = score_of(arguments)
    with multiprocessing.get_context(way).Pool(2) as pool:
        assert [repr(answer) for answer in pool.map(score_of, [arguments] * 4)] == [repr(expected)] * 4


def copies(value):
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        yield pickle.loads(pickle.dumps(value, protocol))
    yield copy.deepcopy(value)


def test_values_travel(chosen, half):
    lat, lon = middle_of(chosen)
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
    lat, lon = middle_of(chosen)
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
