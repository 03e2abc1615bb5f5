"""Dask: plans on pandas partitions, the client that retries, accessors, geometry in metres."""

import dask
import dask.dataframe as dd
import pandas
import pyarrow as pa
import pytest
from distributed import wait

import ucid
import ucid.distributed as distributed
from ucid.distributed import UCIDDaskClient

from .clusters import BOX, DASK_OPTIONS, GROUPS, LEVELS, TIME, same



@pytest.fixture(scope="module")
def client():
    with UCIDDaskClient(**DASK_OPTIONS) as made:
        yield made
        made.cluster.close()


@pytest.mark.parametrize("parts", [1, 5])
def test_rows_become_what_they_become_here(client, files, town, expected, parts):
    frame = dd.read_parquet(str(files)).repartition(npartitions=parts)
    scored = frame.ucid.score(index=town)
    assert isinstance(scored, dd.DataFrame) and scored.npartitions == parts
    got = scored.compute()
    assert same(got) == expected["score"]
    assert got.dtypes.to_dict() == scored.dtypes.to_dict()
    assert same(client.aggregate(scored, "r7").compute(), "h3") == expected["r7"]
    assert same(scored.ucid.aggregate(LEVELS).compute(), "key") == expected["levels"]
    assert same(client.aggregate(scored, **GROUPS).compute(), "city") == expected["groups"]
    assert same(client.score(frame, index=town, detail=True, timestamp=TIME).compute()) == expected["detail"]
    made = client.create(frame, context="15MIN")
    assert same(made.compute()) == expected["create"]
    assert same(distributed.parse(made[["id", "ucid"]]).compute()) == expected["parse"]


def test_plug_in_contexts_run_where_the_rows_lie(client, files, half):
    scored = dd.read_parquet(str(files)).ucid.score("HALF")
    assert same(scored.compute()) == half["score"]
    assert same(client.aggregate(scored, "r7").compute(), "h3") == half["r7"]
    cells = distributed.grid(BOX, "HALF", engine="dask", city="IST", timestamp=TIME)
    assert same(cells.compute(), "h3") == half["grid"]


def test_frames_of_objects_and_files(client, places, files, town, expected):
    objects = places.to_pandas().astype({"city": object, "timestamp": object})
    with dask.config.set({"dataframe.convert-string": False}):
        frame = dd.from_pandas(objects, npartitions=3)
        scored = frame.ucid.score(index=town)
        assert scored.dtypes["city"] == object
        assert same(scored.compute()) == expected["score"]
    assert same(client.score(str(files), index=town).compute()) == expected["score"]


def test_a_worker_that_spills_loses_nothing(files, town, expected):
    """Scores beyond the memory that a worker keeps for them lie on its disk, and come back."""
    with dask.config.set({"distributed.worker.memory.target": 0.005}), UCIDDaskClient(**{**DASK_OPTIONS, "n_workers": 1}) as small:
        scored = dd.read_parquet(str(files)).repartition(npartitions=20).ucid.score(index=town).persist()
        wait(scored)
        [spilt] = small.run(lambda dask_worker: len(dask_worker.data.slow)).values()
        assert spilt > 0
        assert same(scored.compute()) == expected["score"]
        assert same(scored.ucid.aggregate(LEVELS).compute(), "key") == expected["levels"]
        small.cluster.close()


def fails_twice(folder):
    tries = len(list(folder.iterdir()))
    (folder / str(tries)).touch()
    if tries < 2:
        raise OSError("not yet")
    return tries


def test_tasks_are_tried_again(client, tmp_path):
    assert client.retries == 3
    for name, ask in (("submit", lambda folder: client.submit(fails_twice, folder).result()),
                      ("map", lambda folder: client.gather(client.map(fails_twice, [folder]))[0])):  # fmt: skip
        (tmp_path / name).mkdir()
        assert ask(tmp_path / name) == 2
    (tmp_path / "none").mkdir()
    with pytest.raises(OSError, match="not yet"):
        client.submit(fails_twice, tmp_path / "none", retries=0).result()
    frame = dd.from_pandas(pandas.DataFrame({"a": [1]}), npartitions=1)
    for name in ("compute", "persist"):
        (tmp_path / name).mkdir()
        lazy = frame.map_partitions(lambda part, folder=tmp_path / name: part.assign(a=fails_twice(folder)), meta={"a": int})
        assert (lazy if name == "compute" else client.persist(lazy)).compute().a.tolist() == [2]


def test_cities_are_scored_in_parts(client, town):
    south, west, north, east = ucid.open_index(town).bounds
    box = (south, west, north, east)
    got = client.process_cities([box], index=town, resolution=12)
    wanted = pa.table(ucid.grid(box, "15MIN", index=town, resolution=12))
    assert isinstance(got, pandas.DataFrame) and len(got) == wanted.num_rows
    assert same(got, "h3") == same(wanted, "h3")


def test_rows_of_one_key_lie_together(client, files, town):
    frame = dd.read_parquet(str(files))
    for key, table in (("city", frame), ("h3_parent", frame.ucid.score(index=town)[["ucid"]]), ("timestamp", frame)):
        moved = distributed.repartition(table, key, resolution=7)
        assert len(moved) == len(frame)
        parts = moved.map_partitions(lambda part, key=key: part[[key]].drop_duplicates(), meta=moved._meta[[key]]).compute()
        assert not parts[key].duplicated().any() and len(parts) > 1


def test_margins_are_metres(client):
    dask_geopandas = pytest.importorskip("dask_geopandas")
    import geopandas

    points = geopandas.GeoDataFrame(geometry=geopandas.points_from_xy([28.979, 28.99], [41.015, 41.02]), crs="EPSG:4326")
    margin = dask_geopandas.from_geopandas(points, npartitions=1).ucid.buffer(500)
    area = margin.to_crs("EPSG:32635").area.compute().tolist()
    assert area == pytest.approx([3.14159 * 500**2] * 2, rel=0.01)
