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
