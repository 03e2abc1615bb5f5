"""Commands of identity: what people see, what scripts get, tables in and out."""

import csv
import json

import pytest
from conftest import BUILD, run
from pyarrow import parquet

PLUGIN = BUILD / "libucid_io.so"
GOOD = "UCID-V1:IST:+41.015:+28.979:9:891ec90243bffff:2026W01T12:15MIN:A:0.95:"
BINARY = "014953545c0f2442fed4e741ffff3b2490ec91089c7d07000100041c250000"


def ucid(*arguments, code=0, **options):
    done = run(BUILD / "ucid", *arguments, check=False, **options)
    assert done.returncode == code, done
    return done


@pytest.mark.parametrize(
    "arguments, printed",
    [
        (["create", "41.015", "28.979", "--city", "ist", "-t", "2026W01T12", "--context", "15min", "--grade", "A",
          "--confidence", "0.95"], GOOD),
        (["create", "--lat", "-33.8688", "--lon", "151.2093", "--city", "SYD", "--timestamp", "2026W01T12", "--context",
          "WALK", "--flags", "B,A"], "UCID-V1:SYD:-33.869:+151.209:9:89be0e35cbbffff:2026W01T12:WALK:F:0.00:A;B"),
        (["canon", " ucid-v1:ist:41.015:28.979:9:891EC90243BFFFF:2026W1T12:15min:a:0.95"], GOOD),
        (["pack", GOOD], BINARY),
        (["unpack", BINARY.upper()], GOOD),
        (["time", "add", "2026W53T12", "1", "--weeks"], "2027W01T12"),
        (["time", "add", "2026W01T00", "-1"], "2025W52T23"),
        (["time", "diff", "2026W01T12", "2026W02T12"], "-168"),
        (["time", "range", "2026W52T12", "2027W01T12", "168"], "2026W52T12\n2026W53T12\n2027W01T12"),
        (["time", "to-utc", "2026W01T12", "--city", "IST"], "2026W01T09"),
        (["time", "from-utc", "2026W01T09", "--zone", "Europe/Istanbul"], "2026W01T12"),
        (["cell", "at", "41.015", "28.979"], "891ec90243bffff"),
        (["cell", "family", "891ec90243bffff", "--res", "7"], "871ec9024ffffff"),
    ],
)
def test_prints(arguments, printed):
    assert ucid(*arguments).stdout.strip() == printed


def test_cells_of_an_area_need_no_index(tmp_path):
    """In ascending order, as many as the standard's case has; a million of them in the memory of a few batches."""
    area = ["grid", "--cells", "--bbox", "41,28.9,41.1,29.1", "-o"]
    rows = list(csv.DictReader(ucid(*area, "-", "--output-format", "csv").stdout.splitlines()))
    cells = [row["h3"] for row in rows]
    assert len(cells) > 1000 and cells == sorted(set(cells)) and all(41 <= float(row["lat"]) < 41.1 for row in rows)
    assert ucid("cell", "at", rows[7]["lat"], rows[7]["lon"]).stdout.strip() == cells[7]
    ucid(*area, tmp_path / "cells.parquet", "--res", "12", "--quiet")
    assert parquet.ParquetFile(tmp_path / "cells.parquet").metadata.num_rows > 500_000
    assert "--bbox" in ucid("grid", "--cells", "-o", "-", code=2).stderr
    assert "not scored" in ucid(*area, "-", "--time", "2026W01T12", code=2).stderr


@pytest.mark.parametrize(
    "arguments, code, message",
    [
        (["create", "91", "0", "--city", "IST", "-t", "2026W01T12", "--context", "A"], 3, "lat"),
        (["create", "1", "0"], 2, "--city"),
        (["parse", "UCID:IST"], 3, "INVALID_PREFIX"),
        (["parse", GOOD, "UCID:IST"], 1, "INVALID_PREFIX"),
        (["parse", GOOD.replace("IST", "XXX")], 3, "INVALID_CITY"),
        (["unpack", "01"], 3, "62 hexadecimal digits"),
        (["time", "add", "2025W53T12", "1"], 3, "52 weeks"),
        (["time", "range", "2026W01T00", "2026W01T23", "0"], 3, "positive"),
        (["time", "to-utc", "2026W01T00"], 2, "--zone"),
        (["cities", "no such city"], 3, "no city"),
        (["cell", "info", "891f2ed6df7ffff"], 3, "not a valid H3 cell"),
    ],
)
def test_refuses(arguments, code, message):
    assert message in ucid(*arguments, code=code).stderr


def test_the_caret_is_under_the_byte():
    lines = ucid("parse", GOOD.replace("28.979", "28x979"), code=3).stderr.splitlines()
    assert lines[1][lines[2].index("^")] == "x"


def test_validate_names_every_defect():
    report = json.loads(ucid("validate", "--json", GOOD, GOOD.replace("IST", "XXX").replace("2026W01", "2025W53"),
                             code=1).stdout)
    codes = [[defect["code"] for defect in result["defects"]] for result in report["results"]]
    assert codes == [[], ["INVALID_CITY", "INVALID_TIME"]]


def test_parse_reports_json():
    (fields,) = json.loads(ucid("parse", "--json", GOOD + "B;A").stdout)["results"]
    assert fields["ucid"] == GOOD + "A;B"
    assert (fields["lat"], fields["lon"], fields["h3_index"]) == (41.015, 28.979, "891ec90243bffff")
    assert (fields["flags"], fields["confidence"]) == (["A", "B"], 0.95)


def test_cities(tmp_path):
    found = json.loads(ucid("cities", "zurich", "--json").stdout)["cities"]
    assert [city["code"] for city in found] == ["ZRI", "ZRH"]
    (near,) = json.loads(ucid("cities", "--near", "-33.87,151.21", "--json").stdout)["cities"]
    assert near["code"] == "SYD" and near["distance_m"] < 1000 and near["bbox_estimated"]
    more = tmp_path / "more.csv"
    more.write_text("code,name,country,region,lat,lon,bbox,population,tz\nQQQ,Newtown,DE,,48,11,,5,Europe/Berlin\n")
    ucid("parse", GOOD.replace("IST", "QQQ"), code=3)
    ucid("parse", GOOD.replace("IST", "QQQ"), "--cities", more)


@pytest.mark.skipif(not PLUGIN.exists(), reason="libucid_io.so is not built")
def test_tables(tmp_path):
    places, named, fields = tmp_path / "places.csv", tmp_path / "named.csv", tmp_path / "fields.parquet"
    places.write_text("name,lat,lon,city\na,41.015,28.979,IST\nb,91,2,IST\nc,,3,IST\nd,-33.8688,151.2093,QQQ\n")
    ucid("create", places, "-o", named, "-t", "2026W01T12", "--context", "15MIN", code=1)
    rows = list(csv.DictReader(named.open()))
    assert [row["status"] for row in rows] == ["ok", "invalid_field", "null_input", "ok"]
    assert rows[0]["ucid"] == GOOD.replace(":A:0.95:", ":F:0.00:") and rows[1]["ucid"] == ""
    ucid("parse", named, "-o", fields, "--replace", code=1)
    ucid("copy", fields, "-o", tmp_path / "fields.csv", code=1)
    rows = list(csv.DictReader((tmp_path / "fields.csv").open()))
    assert [row["status"] for row in rows][::3] == ["ok", "invalid_city"]
    assert (float(rows[0]["lat"]), rows[0]["h3_index"], rows[0]["name"]) == (41.015, "891ec90243bffff", "a")
    done = ucid("canon", "-", "-o", "-", "--format", "csv", "--output-format", "csv", input="ucid\n" + GOOD[:-1] + "\n")
    assert done.stdout.splitlines()[1].split(",")[1] == GOOD


@pytest.mark.skipif(not PLUGIN.exists(), reason="libucid_io.so is not built")
@pytest.mark.parametrize("command", ["parse", "validate", "canon", "pack", "create"])
def test_a_row_that_is_not_utf8_has_its_status(tmp_path, command):
    """One in three rows; CSV has the bytes that were read, Parquet U+FFFD for each that is none of a text."""
    given, arguments = tmp_path / "given.csv", []
    rows = [("a", GOOD, "IST"), ("\xfcber", GOOD, "IST"), ("c", GOOD.replace("IST", "I\xdcT"), "I\xdcT")]
    lines = [f"{name},41.015,28.979,{city}" if command == "create" else f"{name},{text}" for name, text, city in rows]
    header = "name,lat,lon,city" if command == "create" else "name,ucid"
    given.write_bytes("\n".join([header, *lines, ""]).encode("latin-1"))
    if command == "create":
        arguments = ["-t", "2026W01T12", "--context", "15MIN"]
    ucid(command, given, "-o", tmp_path / "out.csv", *arguments, code=1)
    ucid(command, given, "-o", tmp_path / "out.parquet", *arguments, code=1)
    made = list(csv.DictReader((tmp_path / "out.csv").open(encoding="latin-1")))
    assert [row["name"] for row in made] == ["a", "\xfcber", "c"]
    table = parquet.read_table(tmp_path / "out.parquet")
    table.validate(full=True)
    assert table["name"].to_pylist() == ["a", "\ufffdber", "c"]
    for statuses in ([row["status"] for row in made], table["status"].to_pylist()):
        assert statuses == ["ok", "ok", "invalid_field" if command == "create" else "field_format"]


def rows_of(path):
    return list(csv.DictReader(path.open()))


@pytest.mark.skipif(not PLUGIN.exists(), reason="libucid_io.so is not built")
def test_tables_of_the_other_commands(tmp_path):
    """Each command over a table says what it says of each text by itself."""
    named, out, packed = tmp_path / "named.csv", tmp_path / "out.csv", tmp_path / "packed.parquet"
    bad = GOOD.replace("IST", "XXX").replace("2026W01", "2025W53")
    named.write_text(f"ucid,timestamp,first,h3,lat,lon\n"
                     f"{GOOD},2026W01T12,2025W52T12,891ec90243bffff,41.015,28.979\n"
                     f"{bad},2025W53T12,2025W52T12,891f2ed6df7ffff,91,2\n,,,,,\n")
    ucid("validate", named, "-o", out, code=1)
    assert [(row["status"], row["defects"]) for row in rows_of(out)] == [
        ("ok", ""), ("invalid_city", "invalid_city:city:8;invalid_time:timestamp:46"),
        ("invalid_prefix", "invalid_prefix::0")]

    ucid("pack", named, "-o", out, code=1)
    assert [(row["binary"], row["status"]) for row in rows_of(out)] == [
        (BINARY, "ok"), ("", "unencodable"), ("", "invalid_prefix")]
    ucid("unpack", out, "-o", packed, "--replace", code=1)
    ucid("pack", named, "-o", packed, code=1)
    ucid("unpack", packed, "-o", tmp_path / "back.parquet", "--replace", code=1)
    back = parquet.read_table(tmp_path / "back.parquet")
    assert back["ucid"].to_pylist() == [GOOD, None, None]
    assert back["binary"].to_pylist() == [bytes.fromhex(BINARY), None, None]

    def column(name, *arguments):
        ucid(*arguments[:2], named, *arguments[2:], "-o", out, "--replace", code=1)
        first, _, empty = (row["status"] for row in rows_of(out))
        assert first == "ok" and empty in ("field_format", "invalid_h3", "null_input")
        return [row[name] for row in rows_of(out)]

    assert column("later", "time", "add", "2", "--weeks") == ["2026W03T12", "", ""]
    assert column("later", "time", "add", "1", "--column", "first")[1] == "2025W52T13"
    assert column("hours", "time", "diff", "--earlier", "first") == ["168", "", ""]
    assert column("utc", "time", "to-utc", "--city", "IST") == ["2026W01T09", "", ""]
    assert column("local", "time", "from-utc", "--zone", "Asia/Tokyo") == ["2026W01T21", "", ""]
    assert column("h3", "cell", "at", "--res", "8") == ["881ec90243fffff", "", ""]
    assert column("parent", "cell", "family", "--res", "7") == ["871ec9024ffffff", "", ""]
    assert column("boundary", "cell", "info")[0].startswith("POLYGON ((28.97")
    (row, *_) = rows_of(out)
    assert row["h3_resolution"] == "9" and abs(float(row["lat"]) - 41.0146) < 1e-3 and float(row["area_m2"]) > 9e4
    assert "--earlier" in ucid("time", "diff", named, "-o", out, code=2).stderr


@pytest.mark.skipif(not PLUGIN.exists(), reason="libucid_io.so is not built")
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_every_command_takes_several_tables(tmp_path, ending):
    """Two files and a folder of two say what the one table of all their rows says; arguments behind them keep their meaning."""
    places = [(40 + i / 97, 20 + i / 89, 7 + i % 45) for i in range(40)]
    (tmp_path / "given.csv").write_text("lat,lon,city,timestamp,first\n" + "".join(
        f"{lat:.4f},{lon:.4f},IST,2026W{week:02}T12,2025W52T12\n" for lat, lon, week in places))
    ucid("create", tmp_path / "given.csv", "-o", tmp_path / "whole.parquet", "--context", "15MIN")
    ucid("cell", "at", tmp_path / "whole.parquet", "-o", tmp_path / "with.parquet", "--replace")
    ucid("pack", tmp_path / "with.parquet", "-o", tmp_path / f"whole.{ending}", "--replace")
    (tmp_path / "some").mkdir()
    rows = parquet.read_table(tmp_path / "whole.parquet") if ending == "parquet" else (tmp_path / "whole.csv").read_text().splitlines()
    for name, first, last in (("z", 0, 1), ("some/b", 1, 20), ("some/c", 20, 39), ("a", 39, 40)):
        if ending == "parquet":
            parquet.write_table(rows.slice(first, last - first), tmp_path / f"{name}.parquet")
        else:
            (tmp_path / f"{name}.csv").write_text("\n".join([rows[0], *rows[1 + first : 1 + last], ""]))
    zones = tmp_path / "zones.geojson"
    ring = [[20, 40], [20.2, 40], [20.2, 41], [20, 41], [20, 40]]
    zones.write_text(json.dumps({"type": "FeatureCollection", "features": [
        {"type": "Feature", "properties": {"zone_name": "west"}, "geometry": {"type": "Polygon", "coordinates": [ring]}}]}))
    commands = (["create", "--context", "15MIN"], ["parse"], ["validate"], ["canon"], ["pack"], ["unpack"], ["time", "add", "5"], ["time", "diff", "--earlier", "first"],
                ["time", "to-utc", "--city", "IST"], ["time", "from-utc", "--city", "IST"], ["cell", "at"], ["cell", "info"], ["cell", "family", "--res", "7"],
                ["join", zones], ["copy"])  # fmt: skip
    for command in commands:
        words = 2 if command[0] in ("time", "cell") else 1
        replace = [] if command == ["copy"] else ["--replace"]
        made = []
        for inputs in ([f"whole.{ending}"], [f"z.{ending}", "some", f"a.{ending}"]):
            out = tmp_path / f"out{len(made)}.{ending}"
            ucid(*command[:words], *(tmp_path / one for one in inputs), *command[words:], "-o", out, *replace)
            made.append(parquet.read_table(out).to_pylist() if ending == "parquet" else rows_of(out))
        assert made[0] == made[1] and len(made[0]) == 40, command


def test_one_value_is_asked_for_where_no_table_is_made():
    for command in (["time", "add", "2026W01T12", "2026W01T12", "1"], ["time", "to-utc", "2026W01T12", "2026W01T12", "--city", "IST"],
                    ["cell", "info", "891ec90243bffff", "891ec90243bffff"], ["cell", "family", "891ec90243bffff", "891ec90243bffff"],
                    ["cell", "at", "1", "2", "3"], ["time", "diff", "2026W01T12"], ["create", "1", "2", "3"]):  # fmt: skip
        assert "--output OUT" in ucid(*command, code=2).stderr


@pytest.mark.skipif(not PLUGIN.exists(), reason="libucid_io.so is not built")
def test_cities_of_tables(tmp_path):
    more, named, out = tmp_path / "more.csv", tmp_path / "named.csv", tmp_path / "out.csv"
    more.write_text("code,name,country,region,lat,lon,bbox,population,tz\nQQQ,Newtown,DE,,48,11,,5,Europe/Berlin\n")
    named.write_text(f"ucid,lat,lon,city\n{GOOD.replace('IST', 'QQQ')},41.015,28.979,QQQ\n")
    create = ["create", named, "-o", out, "-t", "2026W01T12", "--context", "15MIN", "--strict", "--replace"]
    for command in (["parse", named, "-o", out, "--replace"], ["validate", named, "-o", out], create):
        ucid(*command, code=1)
        assert rows_of(out)[0]["status"] == "invalid_city"
        ucid(*command, "--cities", more)
        assert rows_of(out)[0]["status"] == "ok"
