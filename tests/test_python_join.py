"""ucid.join: the zones of the program, whatever the places and the zones are."""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import BUILD, data, ucid as program

sys.path.insert(0, str(BUILD / "python"))

import geopandas
import pandas
import polars
import pyarrow.compute
import shapely
import ucid

N = 5000


@pytest.fixture(scope="module")
def districts():
    """A map in metres of Gran Canaria's own projection (EPSG:5635)."""
    return data("las-palmas/school-districts.geojson")


@pytest.fixture(scope="module")
def places():
    random = np.random.default_rng(1)
    lon, lat = np.round(random.uniform(-15.5, -15.38, N), 7), np.round(random.uniform(28.0, 28.2, N), 7)
    return pa.table({"lat": lat, "lon": lon, "k": np.arange(N)})


@pytest.fixture(scope="module")
def joined(districts, places, tmp_path_factory):
    folder = tmp_path_factory.mktemp("join")
    pq.write_table(places, folder / "in.parquet")
    program("join", folder / "in.parquet", districts, "-o", folder / "out.parquet")
    return pq.read_table(folder / "out.parquet")


def test_zones_of_every_kind_give_what_the_program_gives(districts, places, joined, tmp_path):
    frame = geopandas.read_file(districts)
    frame.to_parquet(tmp_path / "zones.parquet")
    kinds = [districts, frame, tmp_path / "zones.parquet", pa.table(frame.to_arrow(geometry_encoding="WKB")),
             pa.table(frame.to_arrow(geometry_encoding="geoarrow")), frame.to_crs(4326), ucid.Zones(frame)]
    for zones in kinds:
        assert ucid.join(places, zones).equals(joined)
    bare = pa.table({"geometry": pa.array(frame.geometry.to_crs(4326).to_wkb(), pa.binary())})
    assert ucid.join(places, bare).column("zone").equals(joined.column("zone"))
    assert ucid.join(places, frame.geometry).column("zone").equals(joined.column("zone"))


def test_zones_that_are_not_compiled_have_a_text():
    unborn = ucid.Zones.__new__(ucid.Zones)
    assert repr(unborn) == "<ucid.Zones of 0 zones>" and len(unborn) == 0 and "0 zones" in unborn._repr_html_()


def test_wide_zones_are_read_a_few_at_a_time(tmp_path):
    """Rings of 40,000 corners in one row group: batches are bounded by bytes, not by rows."""
    turn = np.linspace(0, 2 * np.pi, 40_001)[:-1]
    rings = [shapely.Polygon(np.column_stack([k + 0.4 * np.cos(turn), 10 + 0.4 * np.sin(turn)])) for k in range(60)]
    frame = geopandas.GeoDataFrame({"k": range(60)}, geometry=rings, crs=4326)
    frame.to_parquet(tmp_path / "zones.parquet")
    places = pa.table({"lat": [10.0] * 60, "lon": [float(k) for k in range(60)]})
    assert ucid.join(places, tmp_path / "zones.parquet").column("k").to_pylist() == list(range(60))
    batches = list(ucid.joins._batches(str(tmp_path / "zones.parquet")))
    assert max(len(batch) for batch in batches) <= 30 and sum(len(batch) for batch in batches) == 60
    pq.write_table(places, tmp_path / "places.parquet")
    program("join", tmp_path / "places.parquet", tmp_path / "zones.parquet", "-o", tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet").column("k").to_pylist() == list(range(60))


def test_places_of_every_kind(districts, places, joined):
    zones = ucid.Zones(districts, columns=["Codigo"])
    assert len(zones) == 29 and zones.columns == ["Codigo"]
    expected = joined.column("Codigo").to_pylist()
    assert ucid.join(polars.from_arrow(places), zones)["Codigo"].to_list() == expected
    assert pa.table(ucid.join(iter_of(places), zones)).column("Codigo").to_pylist() == expected
    made = ucid.join(places.to_pandas(), zones)
    assert list(made.columns) == ["lat", "lon", "k", "Codigo", "zone", "status"]
    assert made["Codigo"].fillna(-1).tolist() == [-1 if code is None else code for code in expected]
    points = geopandas.points_from_xy(places["lon"].to_numpy(), places["lat"].to_numpy())
    metres = geopandas.GeoDataFrame({"k": range(N)}, geometry=points, crs=4326).to_crs(32628)
    moved = ucid.join(metres, zones, predicate="nearest", distance=500)
    assert isinstance(moved, geopandas.GeoDataFrame) and moved.columns.tolist()[-3:] == ["zone", "distance_m", "status"]
    inside = moved["distance_m"] == 0
    assert (moved["Codigo"][inside].tolist() == made["Codigo"][inside].tolist()) and moved["distance_m"].max() <= 500


def iter_of(table):
    """A stream, which can be read once."""
    return pa.RecordBatchReader.from_batches(table.schema, table.to_batches(1000))


@pytest.mark.parametrize("error, words", [
    (ucid.UCIDConfigError, {"predicate": "near"}),
    (ucid.UCIDConfigError, {"predicate": "nearest"}),
    (ucid.UCIDConfigError, {"distance": 5}),
    (ucid.UCIDConfigError, {"predicate": "nearest", "distance": -1}),
    (ucid.UCIDDataError, {"columns": ["nothing"]}),
    (ucid.UCIDDataError, {"lat": "nothing"}),
])
def test_errors(districts, places, error, words):
    with pytest.raises(error):
        ucid.join(places, districts, **words)


def test_frames_that_cannot_be_placed(places):
    with pytest.raises(ucid.UCIDDataError, match="no CRS"):
        ucid.join(places, geopandas.GeoDataFrame(geometry=geopandas.points_from_xy([0], [0])))
    with pytest.raises(ucid.UCIDDataError, match="not an area"):
        ucid.join(places, geopandas.GeoDataFrame(geometry=geopandas.points_from_xy([0], [0]), crs=4326))
    with pytest.raises(ucid.UCIDDataError, match="no such file"):
        ucid.join(places, "missing.gpkg")
    with pytest.raises(TypeError):
        ucid.join(places, pandas.Series([1]).to_numpy())


# ------------------------------------------------------------------------------------------------- cells, by area

RADIUS = 6371000.0


def on_the_cylinder(shapes, steps):
    """Shapes in degrees on a plane where areas are those of the sphere, sides cut into pieces of so many degrees."""
    def place(lon_lat):
        lon, lat = np.radians(lon_lat).T
        return np.column_stack([RADIUS * lon, RADIUS * np.sin(lat)])

    return shapely.transform(shapely.segmentize(shapely.make_valid(shapes), steps), place)


def outline_of(cell):
    """A cell's ring in degrees: its corners, and places on the great circles between them."""
    lat, lon = np.radians(ucid.cell_to_boundary(cell)).T
    corners = np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    share = np.linspace(0, 1, 16, endpoint=False)[:, None]
    ring = np.concatenate([a * (1 - share) + b * share for a, b in zip(corners, np.roll(corners, -1, axis=0))])
    return shapely.Polygon(np.degrees(np.column_stack([np.arctan2(ring[:, 1], ring[:, 0]), np.arctan2(ring[:, 2], np.hypot(*ring[:, :2].T))])))


@pytest.mark.parametrize("file, resolution", [("school-districts.geojson", 8), ("school-districts.geojson", 9), ("boundary.geojson", 7)])
def test_shares_of_cells_are_those_of_geos(file, resolution, tmp_path):
    frame = geopandas.read_file(data(f"las-palmas/{file}")).to_crs(4326)
    west, south, east, north = frame.total_bounds
    cells = pa.table(ucid.grid((south, west, north, east), resolution=resolution)).select(["h3"])
    cells = cells.append_column("k", pa.array(range(len(cells))))
    made = ucid.join(cells, frame, predicate="area")
    numbers = ["h3", "k", "zone", "area_m2", "cell_share", "zone_share", "status"]
    pq.write_table(cells, tmp_path / "cells.parquet")
    frame.to_parquet(tmp_path / "zones.parquet")
    for words in (["--threads", "1"], ["--threads", "2", "--batch-rows", "77"]):
        program("join", tmp_path / "cells.parquet", tmp_path / "zones.parquet", "-o", tmp_path / "out.parquet", "--predicate", "area", *words)
        assert pq.read_table(tmp_path / "out.parquet").select(numbers).equals(made.select(numbers))
    zones = on_the_cylinder(frame.geometry.to_numpy(), 1e-3)
    outlines = on_the_cylinder(np.array([outline_of(cell) for cell in cells["h3"].to_pylist()]), 1e-3)
    tree, expected = shapely.STRtree(zones), {}
    for k, zone in zip(*tree.query(outlines, predicate="intersects")):
        expected[k, zone] = shapely.area(shapely.intersection(outlines[k], zones[zone]))
    rows = made.to_pylist()
    found = {(row["k"], row["zone"]): row for row in rows if row["zone"] is not None}
    assert len(found) > 20 and {row["k"] for row in rows} == set(range(len(cells)))
    size = shapely.area(outlines)
    for k, zone in expected.keys() | found.keys():
        row, area = found.get((k, zone), {"area_m2": 0, "cell_share": 0, "zone_share": 0}), expected.get((k, zone), 0)
        # a border may be off by 1e-7 degrees, 11 mm, over what of it runs in the cell
        assert abs(row["area_m2"] - area) < 1e-4 * size[k]
        assert abs(row["cell_share"] - area / size[k]) < 1e-4
        assert abs(row["zone_share"] * shapely.area(zones[zone]) - area) < 1e-4 * size[k] + 1e-4 * area
    assert np.mean([abs(row["cell_share"] - expected.get(key, 0) / size[key[0]]) for key, row in found.items()]) < 1e-5
    # a zone whose cells are all there is shared out, but for the rim of the box
    shares = np.zeros(len(frame))
    for (k, zone), row in found.items():
        shares[zone] += row["zone_share"]
    assert (shares < 1 + 1e-9).all() and np.isclose(shares, 1, atol=1e-9).sum() >= len(frame) // 2


def test_cells_of_every_kind_by_area():
    frame = geopandas.read_file(data("las-palmas/boundary.geojson"))[["geometry"]]
    west, south, east, north = frame.to_crs(4326).total_bounds
    cells = pa.table(ucid.grid((south, west, north, east), resolution=7)).select(["h3"])
    count = len(cells)
    plain = cells.append_column("score", pa.array([None, *map(float, range(1, count))])).append_column("name", pa.array(["é" * (k % 5) for k in range(count)]))
    plain = plain.append_column("flag", pa.array([k % 3 == 0 for k in range(count)])).append_column("b", pa.array([bytes([k % 256]) for k in range(count)], pa.large_binary()))
    plain = plain.append_column("when", pa.array(range(count), pa.timestamp("us", "UTC"))).append_column("d", plain["name"].dictionary_encode())
    zones = ucid.Zones(frame)
    made = ucid.join(plain.slice(3), zones, predicate="area")
    back = dict(zip(plain["h3"].to_pylist(), plain.drop_columns("h3").to_pylist()))
    assert made.num_rows >= count - 3 and made["h3"].to_pylist() == plain["h3"].to_pylist()[3:]  # one zone: a row a cell
    for row in made.to_pylist():
        assert {name: row[name] for name in back[row["h3"]]} == back[row["h3"]]
    of_polars = ucid.join(polars.from_arrow(plain.slice(3)), zones, predicate="area")
    assert of_polars["area_m2"].to_list() == made["area_m2"].to_pylist() and of_polars["name"].to_list() == made["name"].to_pylist()
    of_pandas = ucid.join(plain.slice(3).to_pandas(), zones, predicate="area")
    assert of_pandas["cell_share"].fillna(-1).tolist() == [-1 if share is None else share for share in made["cell_share"].to_pylist()]
    assert of_pandas["name"].tolist() == made["name"].to_pylist()
    # what cells have, rolled up to zones: the mean weighs what they share
    both = plain.filter(pa.compute.is_valid(plain["score"])).select(["h3", "score"])
    rows = [row for row in ucid.join(both, zones, predicate="area").to_pylist() if row["zone"] == 0]
    mean = sum(row["score"] * row["area_m2"] for row in rows) / sum(row["area_m2"] for row in rows)
    assert 0 < mean < count
    with pytest.raises(ucid.UCIDDataError, match="column 'l' of type \\+l cannot be repeated"):
        ucid.join(plain.append_column("l", pa.array([[1]] * count)), zones, predicate="area")
    with pytest.raises(ucid.UCIDConfigError, match="by area"):
        ucid.join(plain, zones, predicate="area", all=True)
    bad = ucid.join(pa.table({"h3": ["x", None, plain["h3"][0].as_py()]}), zones, predicate="area")
    assert bad["status"].to_pylist()[:2] == ["invalid_h3", "null_input"] and bad["zone"].to_pylist()[:2] == [None, None]
