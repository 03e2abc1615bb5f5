"""Modin on Dask, and on Ray in a process of its own: plans where the row partitions lie."""

import os

import pandas
import pytest

os.environ["MODIN_ENGINE"] = "dask"

import modin.pandas as mpd  # noqa: E402
from distributed import Client  # noqa: E402

import ucid.distributed as distributed  # noqa: E402
from ucid.errors import UCIDConfigError  # noqa: E402

from .clusters import BOX, DASK_OPTIONS, GROUPS, LEVELS, TIME, same, table
from .engines import Engine


@pytest.fixture(scope="module", autouse=True)
def cluster():
    with Client(**DASK_OPTIONS) as client:
        yield client
        client.cluster.close()


def test_another_client_of_a_process_is_refused(places, town):
    """By name, before Modin loses what it left with the first."""
    frame = mpd.DataFrame(places.slice(0, 100).to_pandas())
    frame.ucid.score(index=town)
    with Client(processes=False, n_workers=1, dashboard_address=":0") as second:
        with pytest.raises(UCIDConfigError, match="first Dask client of a process"):
            mpd.DataFrame(places.slice(0, 100).to_pandas()).ucid.score(index=town)
        second.cluster.close()


def as_pandas(frame):
    assert isinstance(frame, mpd.DataFrame)
    return frame.modin.to_pandas() if hasattr(frame, "modin") else frame._to_pandas()


def test_rows_become_what_they_become_here(places, town, expected):
    frame = mpd.DataFrame(places.to_pandas().sample(frac=1, random_state=1))
    scored = frame.ucid.score(index=town)
    assert same(as_pandas(scored)) == expected["score"]
    assert scored.index.equals(frame.index)
    assert same(as_pandas(scored.ucid.aggregate("r7")), "h3") == expected["r7"]
    assert same(as_pandas(scored.ucid.aggregate(LEVELS)), "key") == expected["levels"]
    assert same(as_pandas(scored.ucid.aggregate(**GROUPS)), "city") == expected["groups"]
    assert same(as_pandas(distributed.score(frame, index=town, detail=True, timestamp=TIME))) == expected["detail"]
    made = frame.ucid.create(context="15MIN")
    assert same(as_pandas(made)) == expected["create"]
    assert same(as_pandas(distributed.parse(made[["id", "ucid"]]))) == expected["parse"]


def test_plug_in_contexts_run_where_the_rows_lie(places, half):
    scored = mpd.DataFrame(places.to_pandas()).ucid.score("HALF")
    assert same(as_pandas(scored)) == half["score"]
    assert same(as_pandas(scored.ucid.aggregate("r7")), "h3") == half["r7"]
    cells = distributed.grid(BOX, "HALF", engine="modin", city="IST", timestamp=TIME)
    assert same(as_pandas(cells), "h3") == half["grid"]


def test_files_through_modin(files, town, expected):
    scored = distributed.score(str(files), index=town, engine="modin")
    assert isinstance(scored, mpd.DataFrame)
    assert same(as_pandas(scored)) == expected["score"]
    assert isinstance(as_pandas(scored), pandas.DataFrame)


def on_ray(_, whole, places, town, folder):
    frame = mpd.DataFrame(places.to_pandas())
    scored = frame.ucid.score(index=town)
    distributed.write(scored, folder)
    levels, groups = scored.ucid.aggregate(LEVELS), scored.ucid.aggregate(**GROUPS)
    return {"score": same(whole(scored)), "levels": same(whole(levels), "key"), "groups": same(whole(groups), "city"),
            "create": same(whole(frame.ucid.create(context="15MIN")))}  # fmt: skip


def test_rows_become_the_same_on_ray(places, town, expected, tmp_path):
    folder = f"{tmp_path}/scored"
    with Engine("modin on ray", 2, {}) as engine:
        made = engine(on_ray, places, town, folder)
    assert made == {name: expected[name] for name in made}
    assert same(table(folder)) == expected["score"]
