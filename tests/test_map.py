"""`ucid map`: the page draws, answers and asks nobody; the picture shows the same."""

import ctypes
import json
import math

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from browser import ENTER, ESCAPE, Browser
from conftest import LIBRARY, data, ucid
from PIL import Image

PARTS = ["grocery", "healthcare", "education", "public_space", "transit", "cultural"]
TITLES = ["Groceries", "Health care", "Education", "Public space", "Transit", "Culture"]
GRADES = [(95, "A+"), (85, "A"), (70, "B"), (55, "C"), (40, "D"), (0, "F")]
GROUND = (0xF4, 0xF3, 0xEF)

library = ctypes.CDLL(LIBRARY)
library.ucid_cell_at.restype = ctypes.c_uint64
library.ucid_cell_at.argtypes = [ctypes.c_double, ctypes.c_double, ctypes.c_int]


def cells_around(lat, lon, resolution=9, side=24, step_deg=0.0018):
    """Distinct cells in a square about a place, in order of the alphabet."""
    steps = (np.arange(side) - side / 2) * step_deg
    found = {library.ucid_cell_at(lat + y, lon + x, resolution) for y in steps for x in steps}
    return sorted(f"{cell:x}" for cell in found)


def grade_of(score):
    return next(name for least, name in GRADES if score >= least)


def table_of(cells, detail=True):
    """A grid as `ucid grid --detail` writes it: values differ from row to row and cover their whole range."""
    rows = len(cells)
    row = np.arange(rows)
    part = {key: (row * (7 + 4 * p) % 9) * 12.5 for p, key in enumerate(PARTS)}
    score = np.round(row * 100 / max(rows - 1, 1), 2)
    status = np.where(row % 10 == 3, "off_network", np.where(row % 10 == 7, "near_boundary", "ok"))
    score = np.where(status == "off_network", 0, score)
    table = {
        "h3": cells,
        "score": score,
        "grade": [grade_of(value) for value in score],
        "confidence": np.round(0.1 + 0.9 * (row % 13) / 12, 2),
        "status": pa.array(status).dictionary_encode(),
    }
    if detail:
        table |= part
        for p, key in enumerate(PARTS):
            metres = np.round(40.5 + (row * 13 + 100 * p) % 1160, 1)
            table[f"nearest_{key}_m"] = pa.array(metres, mask=part[key] == 0)
        table["snap_m"] = row % 50 * 1.5
    return pa.table(table)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("map")


@pytest.fixture(scope="module")
def table():
    return table_of(cells_around(28.12, -15.43))


@pytest.fixture(scope="module")
def page(folder, table):
    pa.parquet.write_table(table, folder / "grid.parquet", row_group_size=100)
    ucid("map", folder / "grid.parquet", "-o", folder / "map.html", "--title", 'A <b> & "city"')
    return folder / "map.html"


@pytest.fixture(scope="module")
def browser(page):
    window = Browser()
    window.open(page)
    yield window
    window.close()


@pytest.fixture(scope="module")
def other():
    """A window for all other pages."""
    window = Browser()
    yield window
    window.close()


@pytest.fixture(autouse=True)
def quiet(request):
    """No test leaves an error on the console, or a request to anywhere but the page itself."""
    yield
    for name in {"browser", "other"} & set(request.fixturenames):
        window = request.getfixturevalue(name)
        assert [entry for entry in window.logs() if entry["level"] in ("SEVERE", "WARNING")] == []
        elsewhere = [url for url in window.requests() if not url.startswith(("file://", "data:", "blob:"))]
        assert elsewhere == []


def card(window):
    """What the card of a place says."""
    return window.run("""
        const card = document.getElementById("card");
        if (card.hidden) return null;
        const text = (selector) => card.querySelector(selector)?.textContent ?? null;
        const parts = Object.fromEntries([...card.querySelectorAll("tr[data-part]")].map((row) =>
            [row.dataset.part, [row.querySelector("th").textContent, row.querySelector(".value").textContent,
             row.querySelector(".walk").textContent]]));
        return {row: Number(card.dataset.row), grade: text(".chip"), score: text(".score"), sure: text(".sure b"), parts,
                note: text(".note"), cell: text(".cell")};""")


def place_of(window, row):
    point = window.run("const p = ucidMap.pixelOf(arguments[0]); return [p.x, p.y]", row)
    return round(point[0]), round(point[1])


def reset(window):
    window.keys(ESCAPE)
    window.run("document.getElementById('m-score').click(); ucidMap.map.jumpTo(ucidMap.home)")
    window.wait(lambda: window.run("return ucidMap.map.loaded() && !ucidMap.map.isMoving()"), "the map")
    window.settle()


def walk_text(metres):
    if metres is None:
        return "none"
    return f"{math.floor(metres + 0.5)} m" if metres < 1000 else f"{metres / 1000:.2f} km"


def check_card(said, table, row):
    """The card says what the table's row holds."""
    values = {name: table[name][row].as_py() for name in table.column_names}
    assert said["row"] == row
    assert said["cell"] == values["h3"]
    assert said["grade"] == values["grade"]
    assert said["score"] == f"{values['score']:.2f} of 100"
    assert said["sure"] == f"{values['confidence']:.2f}"
    want = {key: [title, f"{values[key]:g}", walk_text(values[f"nearest_{key}_m"])] for key, title in zip(PARTS, TITLES)}
    assert said["parts"] == want


def test_the_page_says_what_it_shows(browser, table):
    said = browser.run("return {title: document.title, h1: document.getElementById('title').textContent,"
                       "legend: [...document.querySelectorAll('.band')].map((band) => [band.querySelector('.grade').textContent,"
                       "band.querySelector('.count span').textContent]),"
                       "credit: document.querySelector('.maplibregl-ctrl-attrib').textContent,"
                       "measures: [...document.querySelectorAll('input[name=measure]')].map((input) => input.value)}")
    assert said["title"] == said["h1"] == 'A <b> & "city"'
    grades = [grade for grade, status in zip(table["grade"].to_pylist(), table["status"].to_pylist()) if status != "off_network"]
    assert said["legend"] == [[name, str(grades.count(name))] for _, name in GRADES]
    assert "© OpenStreetMap contributors" in said["credit"]
    assert said["measures"] == ["score", *PARTS, "confidence"]


def test_cells_have_the_colours_of_the_ramp(browser, table):
    reset(browser)
    seen = browser.pixels()
    status = table["status"].to_pylist()
    drawn = 0
    for row in range(0, table.num_rows, 3):
        x, y = place_of(browser, row)
        if status[row] == "off_network":
            want = GROUND
        else:
            ramp = browser.run("return ucidMap.colourOf(arguments[0])", row).removeprefix("rgb(").removesuffix(")").split()
            want = [int(c) * 218 / 255 + g * (1 - 218 / 255) for c, g in zip(ramp, GROUND)]
            drawn += 1
        assert np.abs(seen[y, x] - want).max() <= 3, (row, seen[y, x], want)
    assert drawn > 50
    assert len(np.unique(seen.reshape(-1, 3), axis=0)) > 200


def test_hover_tells_the_numbers_of_the_cell(browser, table):
    reset(browser)
    status = table["status"].to_pylist()
    for row in (0, 5, 17, table.num_rows - 2):
        browser.move(*place_of(browser, row))
        said = card(browser)
        if status[row] == "off_network":
            assert said is None
        else:
            check_card(said, table, row)
            assert (said["note"] is not None) == (status[row] == "near_boundary")
    browser.move(1190, 790)
    assert card(browser) is None


def test_a_click_keeps_the_card(browser, table):
    reset(browser)
    browser.click(*place_of(browser, 42))
    browser.move(1190, 790)
    check_card(card(browser), table, 42)
    browser.keys(ESCAPE)
    assert card(browser) is None


def test_another_measure_changes_colours_and_legend(browser, table):
    reset(browser)
    before = browser.pixels()
    for p, key in enumerate([*PARTS, "confidence"]):
        browser.run("document.getElementById(arguments[0]).click()", f"m-{key}")
        browser.settle()
        values = np.array(table[key].to_pylist())
        after = browser.pixels()
        for row in (2, 8, 21, 58):
            x, y = place_of(browser, row)
            value = values[row] * (100 if key == "confidence" else 1)
            stops = browser.run("return ucidMap.data.ramp")
            at = value / 100 * (len(stops) - 1)
            low = min(int(at), len(stops) - 2)
            mix = [(1 - at + low) * int(stops[low][i:i + 2], 16) + (at - low) * int(stops[low + 1][i:i + 2], 16) for i in (1, 3, 5)]
            want = [c * 218 / 255 + g * (1 - 218 / 255) for c, g in zip(mix, GROUND)]
            assert np.abs(after[y, x] - want).max() <= 3, (key, row, value)
        assert (np.abs(after - before).max(axis=2) > 8).mean() > 0.02
        before = after
        counts = browser.run("return [...document.querySelectorAll('.band .count span')].map((c) => Number(c.textContent))")
        places = values[np.array(table["status"].to_pylist()) != "off_network"]
        breaks = [0.9, 0.7, 0.5, 0.3, 0] if key == "confidence" else [100, 75, 50, 25, 0.005, 0]
        want = [int(((places >= low) & (places < high)).sum()) for low, high in zip(breaks, [math.inf, *breaks])]
        assert counts == want


def test_a_grade_can_be_shown_alone(browser, table):
    reset(browser)
    row = max(row for row in range(table.num_rows) if table["grade"][row].as_py() == "F" and table["status"][row].as_py() == "ok")
    x, y = place_of(browser, row)
    before = browser.pixels()[y, x]
    browser.run("document.querySelector('.band').click()")
    browser.settle()
    assert browser.run("return document.querySelector('.band').getAttribute('aria-pressed')") == "true"
    after = browser.pixels()[y, x]
    assert np.abs(after - GROUND).max() < np.abs(before - GROUND).max() / 3
    browser.run("document.querySelector('.band').click()")


def test_search_finds_cells_and_says_what_it_cannot_find(browser, table):
    reset(browser)

    def search(text):
        browser.run("document.getElementById('query').value = arguments[0];"
                    "document.getElementById('search').requestSubmit()", text)
        browser.settle()
        return browser.run("return document.getElementById('found').textContent")

    assert search(table["h3"][100].as_py().upper()) == ""
    check_card(card(browser), table, 100)
    x, y = place_of(browser, 100)
    assert abs(x - 600) < 3 and abs(y - 400) < 3
    assert search(f"UCID-V1:LPA:+28.120:-15.430:9:{table['h3'][50].as_py()}:2026W01T12:15MIN:A:0.95:") == ""
    check_card(card(browser), table, 50)
    assert search("28.12, -15.43") == ""
    cell = f"{library.ucid_cell_at(28.12, -15.43, 9):x}"
    assert card(browser)["cell"] == cell
    assert "not on the map" in search("891ec90243bffff")
    assert "not an H3 cell" in search("891ec90243b")
    assert "sixth field" in search("UCID-V1:LPA:+28.120:-15.430:9:zzz:2026W01T12:15MIN:A:0.95:")
    assert "No place" in search("48.1, 11.5")
    assert "within" in search("98.1, 11.5")
    reset(browser)


def test_the_keyboard_is_enough(browser, table):
    reset(browser)
    browser.run("document.getElementById('query').focus(); document.getElementById('query').value = ''")
    browser.keys(table["h3"][80].as_py() + ENTER)
    check_card(card(browser), table, 80)
    browser.keys(ESCAPE)
    assert card(browser) is None
    browser.run("document.querySelector('.maplibregl-canvas').focus()")
    browser.keys(ENTER)
    check_card(card(browser), table, 80)
    browser.keys(ESCAPE)
    browser.run("document.getElementById('m-score').focus()")
    browser.keys("\ue015")  # arrow down
    assert browser.run("return ucidMap.view.measure.key") == "grocery"
    reset(browser)


def test_the_page_fits_a_phone(page, other):
    other.shape(390, 844, dark=True)
    other.open(page)
    wide = other.run("return document.documentElement.scrollWidth")
    panel = other.run("const box = document.getElementById('panel').getBoundingClientRect(); return [box.left, box.right, box.top]")
    assert wide <= 390 and panel[0] >= 0 and panel[1] <= 390 and panel[2] > 300
    assert other.run("return document.documentElement.dataset.theme") == "dark"
    x, y = place_of(other, 12)
    assert np.abs(other.pixels()[y, x] - (0x14, 0x17, 0x1C)).max() > 10
    other.click(x, y)
    assert card(other)["row"] == 12
    other.shape()


def test_nobody_is_asked(page, other):
    other.open(page)
    asked = other.requests()
    assert page.as_uri() in asked  # so requests are seen
    assert [url for url in asked if not url.startswith(("file://", "data:", "blob:"))] == []


def test_points(folder, other):
    rows = 60
    row = np.arange(rows)
    points = pa.table({
        "name": [f"place {i}" for i in row],
        "latitude": pa.array([28.1 + 0.001 * i for i in row[:-1]] + [None], pa.float64()),
        "lng": pa.array(-15.43 + 0.0007 * (row * 7 % 60), pa.float32()),
        "score": pa.array([None if i == 5 else float(i) for i in row]),
    })
    pa.csv.write_csv(points, folder / "points.csv")
    done = ucid("map", folder / "points.csv", "-o", folder / "points.html", "--json")
    assert "1 of 60 rows have no place" in done.stderr
    report = json.loads(done.stdout)
    assert (report["kind"], report["rows"], report["rows_left_out"]) == ("points", 59, 1)
    other.open(folder / "points.html")
    assert other.run("return [...document.querySelectorAll('input[name=measure]')].map((input) => input.value)") == ["score"]
    x, y = place_of(other, 40)
    other.move(x, y)
    said = card(other)
    assert (said["row"], said["score"], said["grade"]) == (40, "40.00 of 100", "D")


def test_identifiers_are_given_back_byte_for_byte(folder, table, other):
    texts = []
    for row, cell in enumerate(table["h3"].to_pylist()):
        lat = ("-0.000", "+28.124", "-7.001")[row % 3]
        flags = ("", "ESTIMATED", "ESTIMATED;OUTDATED")[row % 3]
        grade, confidence = table["grade"][row].as_py(), table["confidence"][row].as_py()
        texts.append(f"UCID-V1:LPA:{lat}:-15.436:9:{cell}:2026W01T{row % 24:02d}:15MIN:{grade}:{confidence:.2f}:{flags}")
    pa.parquet.write_table(table.append_column("ucid", pa.array(texts, pa.string_view())), folder / "ids.parquet")
    ucid("map", folder / "ids.parquet", "-o", folder / "ids.html")
    other.open(folder / "ids.html")
    said = other.run("return Array.from({length: ucidMap.data.count}, (_, row) => ucidMap.data.ucid(row))")
    assert said == ["" if ":-0.000:" in text else text for text in texts]  # a zero's sign is not kept, so nothing is claimed


@pytest.mark.parametrize("columns, message", [
    ({"score": [1.0]}, "rows have no place: no column h3, ucid, or lat and lon"),
    ({"h3": ["89346b4c93bffff"]}, "there is no column score"),
    ({"h3": ["89346b4c93bffff"], "score": ["high"]}, "column score is text"),
    ({"h3": ["89346b4c93bffff"], "score": [100.5]}, "row 0: score 100.5 is not within 0..100"),
    ({"h3": ["89346b4c93bffff"] * 2, "score": [1.0, 2.0]}, "cell 89346b4c93bffff is there more than once"),
])
def test_tables_that_cannot_be_shown(folder, columns, message):
    pa.parquet.write_table(pa.table(columns), folder / "wrong.parquet")
    (folder / "wrong.html").write_text("as it was")
    done = ucid("map", folder / "wrong.parquet", "-o", folder / "wrong.html", check=False)
    assert done.returncode == 3
    assert message in done.stderr and done.stderr.count("\n") == 1
    assert (folder / "wrong.html").read_text() == "as it was"
    assert not list(folder.glob("wrong.html.*"))


def test_usage(folder, page):
    grid = folder / "grid.parquet"
    for arguments, message in [
        (["map", grid], "-o FILE is missing"),
        (["map", grid, "-o", folder / "x.png", "--width", "10"], "64..16384"),
        (["map", grid, "-o", folder / "x.png", "--show", "noise"], "--show noise"),
    ]:
        done = ucid(*arguments, check=False)
        assert done.returncode == 2 and message in done.stderr
    done = ucid("map", grid, "-o", folder / "no" / "such" / "folder.html", check=False)
    assert done.returncode == 5 and "No such file" in done.stderr


def test_an_empty_table_makes_an_empty_map(folder, table, other):
    pa.parquet.write_table(table.slice(0, 0), folder / "empty.parquet")
    ucid("map", folder / "empty.parquet", "-o", folder / "empty.html")
    ucid("map", folder / "empty.parquet", "-o", folder / "empty.png")
    other.open(folder / "empty.html")
    assert "No cells with a value" in other.run("return document.getElementById('headline').textContent")


# ------------------------------------------------------------------------------------------------------- The picture --




@pytest.mark.parametrize("dark", [False, True])
def test_the_picture(folder, page, table, dark):
    picture = folder / f"map-{dark}.png"
    table = table.set_column(1, "score", pa.array(np.linspace(50, 100, table.num_rows).round(2)))  # far from both grounds
    pa.parquet.write_table(table, folder / "high.parquet")
    ucid("map", folder / "high.parquet", "-o", picture, "--width", 1000, "--height", 700, *(["--dark"] if dark else []))
    image = np.asarray(Image.open(picture).convert("RGB")).astype(int)
    assert image.shape == (700, 1000, 3)
    ground = (0x14, 0x17, 0x1C) if dark else GROUND
    assert tuple(image[699, 400]) == ground and tuple(image[2, 998]) == ground

    # Where the projection puts the corners of all hexagons, and where colour begins and ends, give every cell's pixel.
    place = np.array(table["status"].to_pylist()) != "off_network"
    centres = mercator(np.array([centre_of(cell) for cell in table["h3"].to_pylist()]))
    corners = np.concatenate([centre + 0.965 * (mercator(boundary_of(cell)) - centre) for cell, centre in
                              zip(np.array(table["h3"].to_pylist())[place], centres[place])])
    coloured = np.argwhere(np.abs(image[:, 330:] - ground).max(axis=2) > 20) + (0, 330)
    coloured = coloured[coloured[:, 0] < 600]  # above scale and credit
    left, right = coloured[:, 1].min(), coloured[:, 1].max() + 1
    scale = (right - left) / np.ptp(corners[:, 0])
    pixels = (centres - corners.min(axis=0)) * scale + (left, coloured[:, 0].min())

    stops = ramp_of(folder / "map.html")
    if dark:
        stops = stops[::-1]
    checked = 0
    for row in np.flatnonzero(place)[::4]:
        at = table["score"][row].as_py() / 100 * (len(stops) - 1)
        low = min(int(at), len(stops) - 2)
        mix = stops[low] + (at - low) * (stops[low + 1] - stops[low])
        want = mix * 0.855 + np.array(ground) * 0.145
        assert np.abs(image[int(pixels[row, 1]), int(pixels[row, 0])] - want).max() <= 4, row
        checked += 1
    assert checked > 30
    for row in np.flatnonzero(~place)[::7]:
        assert np.abs(image[int(pixels[row, 1]), int(pixels[row, 0])] - ground).max() <= 2


def mercator(places):
    """[n, (lat, lon)] in degrees to [n, (x, y)]."""
    lat, lon = np.radians(np.atleast_2d(places)).T
    return np.column_stack([lon, -np.log(np.tan(np.pi / 4 + lat / 2))]).squeeze()


def ramp_of(path):
    """The ramp's stops as the page holds them."""
    text = path.read_text()
    stops = json.loads(text[text.index('"ramp":') + 7:].split("]", 1)[0] + "]")
    return np.array([[int(stop[i:i + 2], 16) for i in (1, 3, 5)] for stop in stops])


def boundary_of(cell):
    lat, lon, count = (ctypes.c_double * 10)(), (ctypes.c_double * 10)(), ctypes.c_int()
    assert library.ucid_cell_boundary(ctypes.c_uint64(int(cell, 16)), lat, lon, ctypes.byref(count), None) == 0
    return np.array([[lat[i], lon[i]] for i in range(count.value)])


def centre_of(cell):
    lat, lon = ctypes.c_double(), ctypes.c_double()
    assert library.ucid_cell_centre(ctypes.c_uint64(int(cell, 16)), ctypes.byref(lat), ctypes.byref(lon), None) == 0
    return lat.value, lon.value


def oklab(rgb):
    """Björn Ottosson's OKLab of sRGB 0..255."""
    c = np.asarray(rgb) / 255
    c = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    lms = c @ np.array([[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
                        [0.0883024619, 0.2817188376, 0.6299787005]]).T
    return np.cbrt(lms) @ np.array([[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
                                    [0.0259040371, 0.7827717662, -0.8086757660]]).T


def test_the_ramp_is_even_and_its_order_needs_no_hue(page):
    lab = oklab(ramp_of(page))
    steps = np.linalg.norm(np.diff(lab, axis=0), axis=1)
    assert steps.max() / steps.min() < 1.25
    assert (np.diff(lab[:, 0]) < -0.012).all()  # darker at each step, for any kind of sight


# ----------------------------------------------------------------------------------------------------- A real city --


def test_a_city_from_extract_to_map(folder, other):
    extract = data("monaco/monaco-2021.osm.pbf")
    ucid("index", "build", extract, "-o", folder / "monaco.ucidx")
    ucid("grid", "--bbox", "43.72,7.40,43.76,7.45", "--res", "9", "--detail", "--index", folder / "monaco.ucidx", "-o",
         folder / "monaco.parquet")
    ucid("map", folder / "monaco.parquet", "--index", folder / "monaco.ucidx", "-o", folder / "monaco.html", "--title", "Monaco")
    ucid("map", folder / "monaco.parquet", "--index", folder / "monaco.ucidx", "-o", folder / "monaco.png")
    assert (folder / "monaco.html").stat().st_size < 4e6
    scores = pa.parquet.read_table(folder / "monaco.parquet")
    other.open(folder / "monaco.html")
    assert "April 2021" in other.run("return document.getElementById('subtitle').textContent")
    lines = other.run("return ucidMap.data.streets().map((rank) => rank.length)")
    assert sum(lines) > 1000 and min(lines[2:]) > 10
    row = int(np.argmax(scores["score"].fill_null(0).to_numpy()))
    other.move(*place_of(other, row))
    check_card(dict(card(other), cell=scores["h3"][row].as_py()), scores, row)
