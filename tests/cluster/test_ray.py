"""Ray: plans on Arrow blocks, actors that score and remember, files through Ray's own reader."""

import math

import numpy as np
import pyarrow as pa
import pytest
import ray
import ray.data

import ucid
import ucid.distributed as distributed

from .clusters import BOX, GROUPS, LEVELS, TIME, same, start_ray



@pytest.fixture(scope="module", autouse=True)
def cluster():
    start_ray()
    yield
    ray.shutdown()


def whole(dataset):
    """All rows of a dataset as one table."""
    return pa.concat_tables(ray.get(dataset.to_arrow_refs()))


@pytest.mark.parametrize("parts", [1, 5])
def test_rows_become_what_they_become_here(places, town, expected, parts):
    mixed = places.take(np.random.default_rng(parts).permutation(len(places)))
    step = -(-len(mixed) // parts)
    dataset = ray.data.from_arrow([mixed.slice(part * step, step) for part in range(parts)])
    scored = distributed.score(dataset, index=town).materialize()
    assert same(whole(scored)) == expected["score"]
    assert same(whole(distributed.aggregate(scored, "r7")), "h3") == expected["r7"]
    assert same(whole(distributed.aggregate(scored, LEVELS)), "key") == expected["levels"]
    assert same(whole(distributed.aggregate(scored, **GROUPS)), "city") == expected["groups"]
    assert same(whole(distributed.score(dataset, index=town, detail=True, timestamp=TIME))) == expected["detail"]
    made = distributed.create(dataset, context="15MIN")
    assert same(whole(made)) == expected["create"]
    assert same(whole(distributed.parse(made.select_columns(["id", "ucid"])))) == expected["parse"]


def test_plug_in_contexts_run_where_the_rows_lie(places, half):
    scored = distributed.score(ray.data.from_arrow([places.slice(0, 700), places.slice(700)]), "HALF").materialize()
    assert same(whole(scored)) == half["score"]
    assert same(whole(distributed.aggregate(scored, "r7")), "h3") == half["r7"]
    cells = distributed.grid(BOX, "HALF", engine="ray", city="IST", timestamp=TIME)
    assert same(whole(cells), "h3") == half["grid"]


def test_actors_score_and_remember(places, town):
    few = places.slice(0, 40).to_pylist()
    few = [place for place in few if place["lon"] is not None and abs(place["lat"]) <= 90]
    ucid.use_index(town)
    context = ucid.get_context("15MIN")
    wanted = [context.compute(place["lat"], place["lon"], TIME).score for place in few]
    scorer = distributed.UCIDScorer.remote("15MIN", index=town, cache_size=10)
    got = ray.get([scorer.score.remote(place["lat"], place["lon"]) for place in few for _ in range(2)])
    assert all(a == b or math.isnan(a) and math.isnan(b) for a, b in zip(got[::2], wanted, strict=True))
    stats = ray.get(scorer.get_cache_stats.remote())
    assert stats == {"size": 10, "limit": 10, "hits": len(few), "misses": len(few)}
    ray.kill(scorer)


def test_a_pool_of_actors_runs_over_a_dataset(files, town, expected):
    """Over files, through Ray's own reader."""
    dataset = ray.data.read_parquet(str(files)).drop_columns(["city", "timestamp"])
    pool = dataset.map_batches(distributed.UCIDScorer, fn_constructor_kwargs={"context": "15MIN", "index": town},
                               batch_format="pyarrow", concurrency=1)  # fmt: skip
    alone = distributed.score(dataset, index=town, timestamp=TIME)
    assert same(whole(pool)) == same(whole(alone))


def test_rows_of_one_key_lie_together(places):
    moved = distributed.repartition(ray.data.from_arrow([places.slice(0, 500), places.slice(500, 500)]), "city", parts=2)
    blocks = [set(block.column("city").to_pylist()) for block in ray.get(moved.to_arrow_refs()) if len(block)]
    assert sorted(city for block in blocks for city in block) == ["HEL", "IST", "ist"]
    assert moved.count() == 1000
