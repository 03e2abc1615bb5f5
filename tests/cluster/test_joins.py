"""Real zones for real cells and places through every engine, against one process: shares of areas, the nearest, the one that a
place is in. The zones lie on a store; workers fetch their file by its hash."""

import itertools
import os

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from conftest import data
from ucid.grids import cell_area

import ucid
import ucid.distributed as distributed

from .clusters import same
from .engines import ENGINES, Engine, spark_conf

ROWS = 1_000_000 if os.environ.get("UCID_LONG") else 50_000
PREDICATES = {"area": {"predicate": "area"}, "nearest": {"predicate": "nearest", "distance": 3000}, "within": {}}
KEYS = {"area": ("h3", "zone"), "nearest": ("id",), "within": ("id",)}


@pytest.fixture(scope="module")
def city(stores, tmp_path_factory):
    """Las Palmas: school districts on a store, cells with an amount each, and places, shuffled, in files; and what they become here."""
    import geopandas

    districts = geopandas.read_file(data("las-palmas/school-districts.geojson")).to_crs("EPSG:4326")
    store, folder = stores("s3"), tmp_path_factory.mktemp("city")
    districts.to_file(store.folder / "districts.geojson", driver="GeoJSON")
    west, south, east, north = districts.total_bounds
    random = np.random.default_rng(3)
    cells = pa.table(ucid.grid((south - 0.01, west - 0.01, north + 0.01, east + 0.01), resolution=10)).select(["h3"])
    cells = cells.append_column("amount", pa.array(random.uniform(0, 100, len(cells)).round(2)))
    places = pa.table({
        "id": np.arange(ROWS),
        "lat": pa.array(random.uniform(south - 0.05, north + 0.05, ROWS), mask=np.arange(ROWS) % 89 == 0),
        "lon": random.uniform(west - 0.05, east + 0.05, ROWS),
    })  # fmt: skip
    inputs = {"cells": cells, "places": places}
    for name, rows in inputs.items():
        (folder / name).mkdir()
        mixed = rows.take(random.permutation(len(rows)))
        step = -(-len(mixed) // 5)
        for part in range(5):
            pq.write_table(mixed.slice(part * step, step), folder / name / f"part-{part}.parquet")
    whole = {name: pa.table(ucid.join(inputs[_rows(name)], districts, **options)) for name, options in PREDICATES.items()}
    with pytest.MonkeyPatch.context() as patch:
        store.set(patch)
        yield folder, f"{store.uri}/districts.geojson", whole, spark_conf(stores)


def _rows(predicate):
    return "cells" if predicate == "area" else "places"


@pytest.fixture(scope="module", params=ENGINES)
def engine(request, city):
    with Engine(request.param, 2, city[3]) as started:
        yield started


def joined(engine, whole, folder, zones, options):
    return whole(distributed.join(folder, zones, engine=engine, **options))


@pytest.mark.parametrize("predicate", PREDICATES)
def test_every_engine_joins_alike(engine, predicate, city, told):
    folder, zones, wanted, _ = city
    made = engine(joined, str(folder / _rows(predicate)), zones, PREDICATES[predicate])
    found, expected = same(made, *KEYS[predicate]), same(wanted[predicate], *KEYS[predicate])
    assert found == expected
    told("one hash of joins", f"{predicate:8} {engine.name:6} {len(wanted[predicate]):8} rows  {found}")


def test_shares_of_a_city_add_up(city):
    """What all engines are compared with: of a cell no more than all of it, of a zone all of it, an amount shared out once."""
    rows = city[2]["area"].to_pandas()
    inside = rows.dropna(subset="zone")
    assert len(inside) > 3000 and inside.zone.nunique() == 29
    assert inside.groupby("zone").zone_share.sum().to_numpy() == pytest.approx(1, abs=1e-6)
    assert inside.cell_share.between(0, 1 + 1e-9).all()
    for row in itertools.islice(inside.itertuples(), 200):
        assert row.area_m2 == pytest.approx(row.cell_share * cell_area(row.h3) * 1e6, rel=1e-3)
    near = city[2]["nearest"]
    assert 0 < near.column("zone").null_count < len(near) and pc.max(near.column("distance_m")).as_py() <= 3000
    within = city[2]["within"]
    by_distance = pc.equal(near.column("distance_m"), 0).fill_null(False)
    assert within.column("zone").is_valid().equals(by_distance)
