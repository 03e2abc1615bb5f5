"""`ucid join`: zones of every format and coordinate system, beside GEOS."""

import json
import sqlite3
import struct

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import shapely
from conftest import data, ucid

N = 20_000


def star(x, y, radius, corners, random):
    """A rough ring around a point, with a hole in the middle."""
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    outside = radius * (0.6 + 0.4 * random.random(corners))
    ring = np.column_stack([x + outside * np.cos(angle), y + outside * np.sin(angle)])
    hole = np.column_stack([x + radius / 5 * np.cos(angle), y + radius / 5 * np.sin(angle)])
    return shapely.Polygon(np.round(ring, 7), [np.round(hole, 7)])


@pytest.fixture(scope="module")
def zones():
    """Overlapping zones: polygons, multipolygons, an empty and a null one."""
    random = np.random.default_rng(3)
    made = [star(7 + random.random(), 43 + random.random(), 0.05 + 0.2 * random.random(), 300, random) for _ in range(40)]
    made += [shapely.MultiPolygon([star(6.5, 43.2 + k / 5, 0.05, 40, random) for k in range(3)]), shapely.Polygon(), None]
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory, zones):
    path = tmp_path_factory.mktemp("join")
    random = np.random.default_rng(4)
    lon, lat = np.round(random.uniform(6.3, 8.3, N), 7), np.round(random.uniform(42.8, 44.2, N), 7)
    pq.write_table(pa.table({"id": np.arange(N), "lat": lat, "lon": lon}), path / "places.parquet")
    pyarrow.csv.write_csv(pa.table({"id": np.arange(N), "lat": lat, "lon": lon}), path / "places.csv")
    names = [f"zone {k}" for k in range(len(zones))]
    wkb = pa.array([None if zone is None else shapely.to_wkb(zone) for zone in zones], pa.binary())
    codes = pa.array([None if k == 5 else 2**60 + k for k in range(len(zones))], pa.int64())
    pq.write_table(pa.table({"name": names, "code": codes, "geometry": wkb}), path / "zones.parquet")
    features = [{"type": "Feature", "properties": {"name": name}, "geometry": None if zone is None else json.loads(shapely.to_geojson(zone))}
                for name, zone in zip(names, zones)]
    (path / "zones.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


@pytest.fixture(scope="module")
def expected(folder, zones):
    """Numbers of the zones of each place, by GEOS."""
    table = pq.read_table(folder / "places.parquet")
    tree = shapely.STRtree([shapely.Polygon() if zone is None else zone for zone in zones])
    place, zone = tree.query(shapely.points(table["lon"].to_numpy(), table["lat"].to_numpy()), predicate="within")
    found = [[] for _ in range(N)]
    for p, z in sorted(zip(place.tolist(), zone.tolist())):
        found[p].append(z)
    assert max(map(len, found)) > 2 and found.count([]) > N / 10
    return found


def join(folder, *options, zones="zones.parquet", places="places.parquet", out="out.parquet"):
    ucid("join", folder / places, folder / zones, "-o", folder / out, *options)
    return pyarrow.csv.read_csv(folder / out) if out.endswith(".csv") else pq.read_table(folder / out)


def test_the_first_zone_is_that_of_geos(folder, expected):
    out = join(folder)
    assert out.column_names == ["id", "lat", "lon", "name", "code", "zone", "status"]
    first = [zones[0] if zones else None for zones in expected]
    assert out["zone"].to_pylist() == first
    assert out["name"].to_pylist() == [None if z is None else f"zone {z}" for z in first]
    assert out["code"].to_pylist() == [None if z in (None, 5) else 2**60 + z for z in first]
    assert set(out["status"].to_pylist()) == {"ok"}
    assert join(folder, "--threads", "1", "--batch-rows", "777").equals(out)


def test_all_zones_are_those_of_geos(folder, expected):
    out = join(folder, "--all", "--zone-columns", "name")
    assert out["zone"].to_pylist() == [";".join(map(str, zones)) or None for zones in expected]
    assert out["name"].to_pylist() == [";".join(f"zone {z}" for z in zones) or None for zones in expected]


def crossing(x, y, random):
    """Rings that cross and touch themselves and each other, twice the same corner, spikes, a hole that lies outside."""
    corners = [x, y] + np.round(random.uniform(-8, 8, (9, 2)), 6)
    corners = np.insert(corners, [3, 5], corners[[3, 2]], axis=0)
    shift = np.round(random.uniform(-9, 9, 2), 6)
    return shapely.Polygon(corners, [corners[2:6] + shift, corners[5:10] - shift])


def test_rings_that_are_not_simple_are_those_of_geos(tmp_path):
    """What an odd number of rings is around is what GEOS makes valid of the lines."""
    random = np.random.default_rng(11)
    zones = [crossing(x, y, random) for x in range(-160, 161, 8) for y in range(-70, 71, 10)]
    assert sum(not zone.is_valid for zone in zones) > len(zones) * 0.9
    places = np.round(np.column_stack([random.uniform(-175, 175, 40_000), random.uniform(-85, 85, 40_000)]), 6)
    pq.write_table(pa.table({"lon": places[:, 0], "lat": places[:, 1]}), tmp_path / "places.parquet")
    pq.write_table(pa.table({"geometry": shapely.to_wkb(zones)}), tmp_path / "zones.parquet")
    found = [set() for _ in places]
    for number, zone in enumerate(zones):
        plain = shapely.make_valid(zone, method="linework")
        near = np.flatnonzero((np.abs(places - shapely.get_coordinates(zone.envelope.centroid)) < 30).all(axis=1))
        for row in near[shapely.contains_xy(plain, places[near])]:
            found[row].add(number)
    out = join(tmp_path, "--all")
    assert [set(map(int, filter(None, (zones or "").split(";")))) for zones in out["zone"].to_pylist()] == found
    assert max(map(len, found)) > 2


def test_zones_across_longitude_180_and_around_poles_are_those_of_geos(tmp_path):
    """GEOS is asked on planes where these zones are in one piece."""
    random = np.random.default_rng(12)
    lon = np.sort(random.uniform(-180, 180, 50)).round(6)
    caps = [np.column_stack([lon, sign * random.uniform(60, 80, 50).round(6)]) for sign in (1, -1)]
    across = [star(180 + random.uniform(-10, 10), random.uniform(-50, 50), 15, 60, random) for _ in range(20)]
    across.append(shapely.MultiPolygon([star(170, 40, 5, 9, random), star(190, 40, 5, 9, random)]))

    def turned(zone, by=0.0):
        return shapely.transform(zone, lambda at: np.column_stack([np.round((at[:, 0] + by + 180) % 360 - 180, 7), at[:, 1]]))

    zones = [turned(zone) for zone in across] + [shapely.Polygon(cap) for cap in caps]
    far = np.array([-180.0, -180.0, 180.0, 179.9999999, 0.0, 0.0, 12.0, -180.0]), np.array([0.0, 40.0, 40.0, -20.0, 90.0, -90.0, 90.0, 90.0])
    lon = np.concatenate([random.uniform(-180, 180, 20_000), random.uniform(155, 205, 20_000), far[0]])
    lon = np.where(lon > 180, lon - 360, lon).round(7)
    lat = np.concatenate([random.uniform(-90, 90, 40_000), far[1]]).round(7)
    pq.write_table(pa.table({"lon": lon, "lat": lat}), tmp_path / "places.parquet")
    pq.write_table(pa.table({"geometry": shapely.to_wkb(zones)}), tmp_path / "zones.parquet")
    expected = [[] for _ in lon]
    for number, zone in enumerate(across):
        for row in np.flatnonzero(shapely.contains_xy(zone, np.where(lon < 0, lon + 360, lon), lat)):
            expected[row].append(number)
    for number, (cap, pole) in enumerate(zip(caps, (91, -91)), len(across)):
        over = np.vstack([cap[-1:] - [360, 0], cap, cap[:1] + [360, 0], [[cap[0, 0] + 360, pole], [cap[-1, 0] - 360, pole]]])
        for row in np.flatnonzero(shapely.contains_xy(shapely.Polygon(over), lon, lat)):
            expected[row].append(number)
    out = join(tmp_path, "--all")
    assert [sorted(map(int, filter(None, (zones or "").split(";")))) for zones in out["zone"].to_pylist()] == expected
    assert all(any(number in zones for zones in expected) for number in range(len(zones)))
    assert expected[-4] == expected[-2] == expected[-1] == [len(across)] and expected[-3] == [len(across) + 1]


def test_csv_and_geojson(folder, expected):
    out = join(folder, zones="zones.geojson", places="places.csv", out="out.csv")
    assert out["zone"].to_pylist() == [zones[0] if zones else None for zones in expected]
    assert (folder / "out.csv").read_text().splitlines()[0].replace('"', "") == "id,lat,lon,name,zone,status"


def test_nearest_is_near_that_of_geos(folder, zones, expected):
    """GEOS knows degrees only, so it is asked on a plane in metres that is right around the middle of the map."""
    out = join(folder, "--predicate", "nearest", "--distance", "5km")
    table = pq.read_table(folder / "places.parquet")
    metre = np.pi / 180 * 6371000
    plane = shapely.transform([zone or shapely.Polygon() for zone in zones], lambda x: x * [metre * np.cos(np.radians(43.5)), metre])
    rows = [row for row in range(N) if 43.45 < table["lat"][row].as_py() < 43.55][:400]
    for row in rows:
        place = shapely.Point(table["lon"][row].as_py() * metre * np.cos(np.radians(43.5)), table["lat"][row].as_py() * metre)
        dist, found = np.nanmin(shapely.distance(place, plane)), out["distance_m"][row].as_py()
        if expected[row]:
            assert found == 0 and out["zone"][row].as_py() == expected[row][0]
        elif dist > 5100:
            assert found is None and out["zone"][row].as_py() is None
        elif dist < 4900:
            assert found == pytest.approx(dist, rel=0.01)


def test_what_cannot_be_placed_says_so(folder):
    (folder / "bad.csv").write_text("lat,lon\n43.5,7.5\nx,7.5\n,\n91,7\n")
    done = ucid("join", folder / "bad.csv", folder / "zones.parquet", "-o", folder / "bad.out.csv", check=False)
    assert done.returncode == 1
    out = pyarrow.csv.read_csv(folder / "bad.out.csv")
    assert out["status"].to_pylist() == ["ok", "invalid_coordinates", "null_input", "invalid_coordinates"]


@pytest.mark.parametrize("words, code, message", [
    (["zones.parquet", "--zone-columns", "nme"], 3, "no column 'nme'; there are name, code, geometry"),
    (["places.parquet"], 3, "no column for geometries of zones; there are id, lat, lon"),
    (["places.csv"], 3, "no column for geometries"),
    (["missing.gpkg"], 3, "missing.gpkg: No such file"),
    (["zones.parquet", "--predicate", "near"], 2, "neither within, nearest nor area"),
    (["zones.parquet", "--predicate", "area"], 3, "no column for cells"),
    (["zones.parquet", "--predicate", "area", "--all"], 2, "--predicate area is for cells"),
    (["zones.parquet", "--predicate", "nearest"], 2, "needs --distance"),
    (["zones.parquet", "--geometry", "name"], 3, "zone 0: WKB"),
    (["zones.geojson", "--layer", "x"], 3, "no layer 'x'; there are zones"),
])
def test_errors_are_one_line(folder, words, code, message):
    done = ucid("join", folder / "places.parquet", folder / words[0], "-o", folder / "none.parquet", *words[1:], check=False)
    assert done.returncode == code and message in done.stderr and len(done.stderr.splitlines()) <= 2
    assert not (folder / "none.parquet").exists()


def districts():
    """A map in metres of Gran Canaria's own projection (EPSG:5635), from the data folder."""
    return data("las-palmas/school-districts.geojson")


def test_other_coordinate_systems(folder):
    """The districts of a map that is not in degrees hold as many places as GeoPandas found, which reads it by itself."""
    random = np.random.default_rng(1)
    lon, lat = np.round(random.uniform(-15.5, -15.38, 10_000), 7), np.round(random.uniform(28.0, 28.2, 10_000), 7)
    pq.write_table(pa.table({"lat": lat, "lon": lon}), folder / "canaria.parquet")
    ucid("join", folder / "canaria.parquet", districts(), "-o", folder / "out.parquet", "--zone-columns", "Codigo")
    counts = pq.read_table(folder / "out.parquet").group_by("zone").aggregate([([], "count_all")]).sort_by("zone")
    assert sum(counts["count_all"].to_pylist()) == 10_000
    geopandas = [26, 44, 197, 46, 28, 606, 24, 111, 249, 37, 451, 52, 32, 46, 10, 195, 32, 6, 384, 33, 29, 118, 394, 23, 54,
                 262, 21, 125, 17, 6348]  # the last: in none
    assert counts["count_all"].to_pylist() == geopandas


def test_a_geopackage(folder):
    """GeoPackage: a SQLite file whose geometries are well-known binary behind a short header."""
    file = data("las-palmas/ghsl-urban-centre.gpkg")
    with sqlite3.connect(file) as db:
        name, column = db.execute("SELECT table_name, column_name FROM gpkg_geometry_columns").fetchone()
        blob = db.execute(f'SELECT "{column}" FROM "{name}"').fetchone()[0]
    zone = shapely.from_wkb(blob[8 + [0, 32, 48, 48, 64][blob[3] >> 1 & 7]:])
    west, south, east, north = zone.bounds
    random = np.random.default_rng(2)
    lon, lat = np.round(random.uniform(west, east, 5000), 7), np.round(random.uniform(south, north, 5000), 7)
    pq.write_table(pa.table({"lat": lat, "lon": lon}), folder / "centre.parquet")
    ucid("join", folder / "centre.parquet", file, "-o", folder / "out.parquet")
    inside = [zone is not None for zone in pq.read_table(folder / "out.parquet")["zone"].to_pylist()]
    assert inside == shapely.contains_xy(zone, lon, lat).tolist()


def test_a_shapefile(folder):
    """Two polygons, the second with a hole, written as ESRI's white paper has it; outer rings are clockwise."""
    rings = [[[(7, 43), (7, 43.5), (7.5, 43.5), (7.5, 43), (7, 43)]],
             [[(7.5, 43), (7.5, 44), (8, 44), (8, 43), (7.5, 43)], [(7.6, 43.2), (7.8, 43.2), (7.8, 43.6), (7.6, 43.6), (7.6, 43.2)]]]
    records = b""
    index = b""
    for number, parts in enumerate(rings):
        corners = [corner for part in parts for corner in part]
        box = [min(x for x, _ in corners), min(y for _, y in corners), max(x for x, _ in corners), max(y for _, y in corners)]
        starts = [sum(map(len, parts[:k])) for k in range(len(parts))]
        body = struct.pack("<i4d2i", 5, *box, len(parts), len(corners)) + struct.pack(f"<{len(parts)}i", *starts)
        body += b"".join(struct.pack("<2d", *corner) for corner in corners)
        index += struct.pack(">2i", 50 + len(records) // 2, len(body) // 2)
        records += struct.pack(">2i", number + 1, len(body) // 2) + body
    for ending, content in (("shp", records), ("shx", index)):
        head = struct.pack(">7i", 9994, 0, 0, 0, 0, 0, 50 + len(content) // 2)
        (folder / f"squares.{ending}").write_bytes(head + struct.pack("<2i8d", 1000, 5, 7, 43, 8, 44, 0, 0, 0, 0) + content)
    field = struct.pack("<11sc4xBB14x", b"NAME", b"C", 4, 0)
    (folder / "squares.dbf").write_bytes(struct.pack("<4BIHH20x", 3, 126, 1, 1, 2, 65, 5) + field + b"\r" + b" west" + b" east" + b"\x1a")
    (folder / "squares.prj").write_text('GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],'
                                        'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]')
    shapes = [shapely.Polygon(parts[0], parts[1:]) for parts in rings]
    out = join(folder, zones="squares.shp")
    places = pq.read_table(folder / "places.parquet")
    inside = [shapely.contains_xy(shape, places["lon"].to_numpy(), places["lat"].to_numpy()) for shape in shapes]
    assert out["NAME"].to_pylist() == ["west" if west else "east" if east else None for west, east in zip(*map(np.ndarray.tolist, inside))]


def test_geoparquet_says_its_coordinate_system(folder):
    """The same square in degrees and in metres of Web Mercator."""
    earth = 6378137 * np.pi / 180
    crs = {"$schema": "https://proj.org/schemas/v0.7/projjson.schema.json", "type": "ProjectedCRS", "name": "WGS 84 / Pseudo-Mercator",
           "base_crs": {"name": "WGS 84", "datum": {"type": "GeodeticReferenceFrame", "name": "World Geodetic System 1984",
                        "ellipsoid": {"name": "WGS 84", "semi_major_axis": 6378137, "inverse_flattening": 298.257223563}},
                        "coordinate_system": {"subtype": "ellipsoidal", "axis": [
                            {"name": "Geodetic latitude", "abbreviation": "Lat", "direction": "north", "unit": "degree"},
                            {"name": "Geodetic longitude", "abbreviation": "Lon", "direction": "east", "unit": "degree"}]}},
           "conversion": {"name": "Popular Visualisation Pseudo-Mercator",
                          "method": {"name": "Popular Visualisation Pseudo Mercator", "id": {"authority": "EPSG", "code": 1024}},
                          "parameters": [{"name": name, "value": 0, "unit": unit} for name, unit in
                                         [("Latitude of natural origin", "degree"), ("Longitude of natural origin", "degree"),
                                          ("False easting", "metre"), ("False northing", "metre")]]},
           "coordinate_system": {"subtype": "Cartesian", "axis": [
               {"name": "Easting", "abbreviation": "X", "direction": "east", "unit": "metre"},
               {"name": "Northing", "abbreviation": "Y", "direction": "north", "unit": "metre"}]},
           "id": {"authority": "EPSG", "code": 3857}}
    square = shapely.box(7 * earth, -earth, 8 * earth, earth)  # a degree of latitude there is 1.00005 degrees of height
    geo = {"version": "1.1.0", "primary_column": "shape", "columns": {"shape": {"encoding": "WKB", "geometry_types": [], "crs": crs}}}
    table = pa.table({"shape": pa.array([shapely.to_wkb(square)], pa.binary())})
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), folder / "square.parquet")
    (folder / "square.csv").write_text("lat,lon\n0.5,7.5\n0.5,6.9999\n-0.9,7.0001\n1.1,7.5\n")
    out = join(folder, zones="square.parquet", places="square.csv", out="square.out.csv")
    assert out["zone"].to_pylist() == [0, None, 0, None]
