"""Spark: plans on rows and partitions, columnar functions in SQL and on frames, files through Spark's own reader."""

import json
import math

import numpy as np
import pyarrow as pa
import pytest
from pyspark.errors import AnalysisException
from pyspark.sql.functions import lit, spark_partition_id

import ucid
import ucid.distributed as distributed
import ucid.distributed.spark
from conftest import SOURCE
from ucid.grids import cell_to_parent

from .clusters import BOX, GROUPS, LEVELS, TIME, same, spark_session


@pytest.fixture(scope="module")
def spark():
    with spark_session() as session:
        yield session


@pytest.mark.parametrize("parts", [1, 5])
def test_rows_become_what_they_become_here(spark, places, files, town, expected, parts):
    frame = spark.read.parquet(str(files))
    frame = frame.repartition(parts) if parts > 1 else frame  # straight from Spark's columnar reader, and shuffled
    scored = distributed.score(frame, index=town)
    assert same(scored.toArrow()) == expected["score"]
    assert same(distributed.aggregate(scored, "r7").toArrow(), "h3") == expected["r7"]
    assert same(distributed.aggregate(scored, LEVELS).toArrow(), "key") == expected["levels"]
    assert same(distributed.aggregate(scored, **GROUPS).toArrow(), "city") == expected["groups"]
    assert same(distributed.score(frame, index=town, detail=True, timestamp=TIME).toArrow()) == expected["detail"]
    made = distributed.create(frame, context="15MIN")
    assert same(made.toArrow()) == expected["create"]
    assert same(distributed.parse(made.select("id", "ucid")).toArrow()) == expected["parse"]


def test_plug_in_contexts_run_where_the_rows_lie(spark, files, half):
    scored = distributed.score(spark.read.parquet(str(files)), "HALF")
    assert same(scored.toArrow()) == half["score"]
    assert same(distributed.aggregate(scored, "r7").toArrow(), "h3") == half["r7"]
    cells = distributed.grid(BOX, "HALF", engine="spark", city="IST", timestamp=TIME)
    assert same(cells.toArrow(), "h3") == half["grid"]


def test_sql_functions(spark, places, town):
    functions = distributed.spark.register(spark, index=town)
    few = places.slice(0, 2000)
    spark.createDataFrame(few).createOrReplaceTempView("places")
    got = spark.sql(
        "SELECT id, lat, lon, ucid_create(city, lat, lon, timestamp, '15MIN') AS ucid, ucid_cell(lat, lon, 9) AS cell,"
        " ucid_parent(ucid_cell(lat, lon, 9), 7) AS parent, ucid_score(lat, lon, '15MIN', '2026W01T12') AS scored,"
        " ucid_parse(ucid_create(city, lat, lon, timestamp, '15MIN')) AS parsed FROM places"
    ).toArrow().sort_by("id")
    made = ucid.create(few, context="15MIN")
    assert got.column("ucid").to_pylist() == made.column("ucid").to_pylist()
    parsed = ucid.parse(made.select(["ucid"]))
    names = [name for name in parsed.column_names if name != "ucid"]
    assert [[row[name] for name in names] for row in got.column("parsed").to_pylist()] == [
        [row[name] for name in names] for row in parsed.to_pylist()
    ]
    scored = ucid.score(few.select(["lat", "lon"]), index=town, timestamp=TIME)
    names = ["ucid", "score", "grade", "confidence", "status"]
    assert got.column("scored").to_pylist() == scored.select(names).to_pylist()
    for row in got.slice(0, 300).to_pylist():
        good = row["lon"] is not None and abs(row["lat"]) <= 90
        assert row["cell"] == (ucid.latlng_to_cell(row["lat"], row["lon"], 9) if good else None)
        assert row["parent"] == (cell_to_parent(row["cell"], 7) if good else None)
    frame = spark.table("places")
    column = functions["ucid_create"]("where", frame.lat, "lon", "timestamp", lit("15MIN"))
    made_again = frame.withColumn("where", frame.city).select("id", column.alias("ucid"))
    assert made_again.toArrow().sort_by("id").column("ucid").to_pylist() == made.column("ucid").to_pylist()
    parsed_again = made_again.select("id", functions["ucid_parse"]("ucid").alias("parsed")).toArrow().sort_by("id")
    assert parsed_again.column("parsed").to_pylist() == got.column("parsed").to_pylist()
    column = frame.select(functions["ucid_score"]("lat", "lon", "city"))
    with pytest.raises(Exception, match="context must be one value"):
        column.collect()


def conformance():
    """Places that others have made identifiers of; where they state no cell or resolution, what they became."""
    made = [json.loads(line) for line in (SOURCE / "tests" / "conformance.jsonl").read_text().splitlines()]
    return [one for one in made if one["op"] == "create"]


def rows_of_all_kinds():
    """Places and cells as they come: those of the conformance file, random ones, and what breaks one rule after another."""
    random = np.random.default_rng(7)
    rows = [tuple(one["in"].get(name) for name in PLACE) for one in conformance()]
    rows = [row for row in rows if all(isinstance(value, (str, type(None))) == (at in (0, 3, 4)) or value is None
                                       for at, value in enumerate(row))]  # fmt: skip
    n = 4000
    lat, lon = np.degrees(np.arcsin(random.uniform(-1, 1, n))), random.uniform(-180, 180, n)
    lat[:8], lon[:8] = [90, -90, 0, -0.0, 90, -90, 0.0005, 12], [180, -180, 0, -0.0, -180, 180, -0.0005, 179.9995]
    years = random.integers(1, 10000, n)
    times = [f"{year:04}W{week:02}T{hour:02}" for year, week, hour in zip(years, random.integers(1, 54, n), random.integers(0, 24, n))]
    rows += list(zip(["IST", "hel", "Xyz", "zzZ"] * (n // 4), lat.tolist(), lon.tolist(), times, ["15MIN", "transit", "A" * 16, "0"] * (n // 4)))
    texts = [None, "", " ", "IS", "ISTA", "I\u0130T", "\u0149ST", "\U0001f30d", "IST\0", "x" * 255, "x" * 256, "x" * 100_000]
    numbers = [None, math.nan, math.inf, -math.inf, 90.00000000000001, 180.00000000000003, -181.0, 1e308, 5e-324]
    good = ("IST", 41.015, 28.979, "2026W01T12", "15MIN")
    broken = {0: texts, 1: numbers, 2: numbers, 4: [*texts, "A" * 17, "15-MIN", "15:MIN"],
              3: [*texts, "2026W54T00", "2026W00T00", "2026W01T24", "2026w01t12", "2026W1T1", "2026W01T12 ", "0000W01T00"]}  # fmt: skip
    rows += [(*good[:at], value, *good[at + 1 :]) for at, values in broken.items() for value in values]
    cells = [ucid.latlng_to_cell(one[1], one[2], int(at)) for one, at in zip(rows[-n // 2 :], random.integers(0, 16, n)) if is_place(one)]
    cells += [*texts, cells[0].upper(), cells[0][:-1], cells[0] + "f", "0" * 15, "f" * 15, "115283473ffffff"]
    table = dict(zip(PLACE, zip(*rows, strict=True), strict=True))
    table["cell"] = [cells[i % len(cells)] for i in range(len(rows))]
    table["resolution"] = pa.array(random.integers(0, 16, len(rows)), pa.int32(), mask=np.arange(len(rows)) % 31 == 0)
    return pa.table({"id": np.arange(len(rows)), **table})


PLACE = ("city", "lat", "lon", "timestamp", "context")


def place_key(row):
    """-0.0 is another place than 0."""
    return tuple(repr(float(row[name])) if isinstance(row[name], (int, float)) else row[name] for name in PLACE)


def is_place(row):
    return row[1] is not None and row[2] is not None and abs(row[1]) <= 90 and abs(row[2]) <= 180


def test_the_jvm_says_what_python_says(spark, town):
    """Identifiers and cells of all kinds of rows, from the jar, from Arrow functions, and in this process."""
    rows = rows_of_all_kinds()
    frame = spark.createDataFrame(rows).repartition(3).cache()
    frame.createOrReplaceTempView("kinds")
    made = {}
    for jvm in (None, False):
        functions = distributed.spark.register(spark, index=town, jvm=jvm)
        by_sql = spark.sql("SELECT id, ucid_create(city, lat, lon, timestamp, context) AS ucid, ucid_cell(lat, lon, resolution) AS at,"
                           " ucid_parent(cell, resolution) AS parent FROM kinds")  # fmt: skip
        plan = by_sql._jdf.queryExecution().executedPlan().toString()
        assert ("ArrowEvalPython" in plan) == (jvm is False)  # the build of the tests has a jar
        by_name = frame.select("id", functions["ucid_create"](*PLACE).alias("ucid"), functions["ucid_cell"]("lat", frame.lon, "resolution").alias("at"),
                               functions["ucid_parent"](frame.cell, "resolution").alias("parent"))  # fmt: skip
        made[jvm] = by_sql.toArrow().sort_by("id")
        assert by_name.toArrow().sort_by("id") == made[jvm]
    assert made[None] == made[False]
    here = ucid.create(rows.drop_columns(["cell", "resolution"]))
    assert made[None].column("ucid").to_pylist() == here.column("ucid").to_pylist()
    assert 0 < here.column("ucid").null_count < len(here) / 20
    for row, got in zip(rows.to_pylist(), made[None].to_pylist(), strict=True):
        place = is_place([row[name] for name in PLACE]) and row["resolution"] is not None
        assert got["at"] == (ucid.latlng_to_cell(row["lat"], row["lon"], row["resolution"]) if place else None)
        try:
            parent = cell_to_parent(row["cell"], row["resolution"])
        except (TypeError, ValueError):
            parent = None
        assert got["parent"] == parent
    by_place = {place_key(row): row["id"] for row in rows.to_pylist()}
    stated = [one for one in conformance() if set(one["in"]) == set(PLACE) and str(one.get("out")).startswith("UCID-V1:")]
    assert len(stated) > 10
    for one in stated:
        assert made[None].column("ucid")[by_place[place_key(one["in"])]].as_py() == one["out"]


@pytest.mark.parametrize("jvm", [True, False])
def test_what_functions_refuse(spark, town, jvm):
    distributed.spark.register(spark, index=town, jvm=jvm)
    place = "SELECT ucid_create('IST', {}, 29, {}, '15MIN')"
    for lat, time in (("41", "timestamp '2026-01-01 12:00:00'"), ("41", "date '2026-01-01'"), ("41", "12"), ("date '2026-01-01'", "'2026W01T12'")):
        with pytest.raises(AnalysisException, match="cannot cast"):
            spark.sql(place.format(lat, time))
    for resolution in (-1, 16):
        with pytest.raises(Exception, match=f"resolution is {resolution}, not 0..15"):
            spark.sql(f"SELECT ucid_cell(lat, 29, {resolution}) FROM VALUES (41), (NULL) AS places(lat)").collect()
        assert spark.sql(f"SELECT ucid_parent('891ec90243bffff', {resolution})").collect()[0][0] is None
    text, decimal, null = (spark.sql(place.format(lat, "'2026W01T12'")).collect()[0][0] for lat in ("'41.0'", "41.0", "NULL"))
    assert text == decimal == "UCID-V1:IST:+41.000:+29.000:9:891ec9020afffff:2026W01T12:15MIN:F:0.00:" and null is None
    # no city in UTF-8; a fresh session has the functions once it registers them, this one goes on having them
    assert spark.sql("SELECT ucid_create(CAST(X'49ff54' AS STRING), 41, 29, '2026W01T12', '15MIN'), ucid_parent(X'ff', 7)").collect() == [(None, None)]
    other = spark.newSession()
    distributed.spark.register(other, index=town, jvm=jvm)
    for session in (other, spark):
        assert session.sql("SELECT ucid_cell(41, 29, 9)").collect()[0][0] == "891ec9020afffff"


def test_columns_that_nothing_asks_for_stay_as_they_are(spark, places, town, expected):
    frame = spark.createDataFrame(places).selectExpr("array(id, 1) AS `a.b`", "*", "cast(id AS decimal(20, 3)) AS `c``d`")
    made = distributed.score(frame, index=town)
    assert made.columns == ["a.b", *places.column_names, "c`d", "ucid", "score", "grade", "confidence", "status"]
    table = made.toArrow()
    assert same(table.drop_columns(["a.b", "c`d"])) == expected["score"]
    assert [one[0] for one in table.column("a.b").to_pylist()] == table.column("id").to_pylist()
    again = distributed.create(made.drop("score", "grade", "confidence"), context="15MIN", replace=True)
    assert again.columns == ["a.b", *places.column_names, "c`d", "ucid", "status"]
    assert same(again.drop("a.b", "c`d").toArrow()) == expected["create"]
    # a filter of what was made runs behind it, not a second time before it
    plan = made.filter("score > 50")._jdf.queryExecution().executedPlan().toString()
    assert plan.count("ArrowEvalPython") == 1
    assert "MapInArrow" not in plan


def test_rows_of_one_key_lie_together(spark, places):
    frame = spark.createDataFrame(places.slice(0, 2000).select(["id", "lat", "lon", "city", "timestamp"]))
    for key in ("city", "h3_parent", "timestamp"):
        moved = distributed.repartition(frame, key, resolution=8)
        pairs = moved.select(key, spark_partition_id().alias("part")).distinct().collect()
        assert len(pairs) == len({row[key] for row in pairs}) > 1
        assert moved.count() == 2000
