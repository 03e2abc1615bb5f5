"""Spark: plans on rows and partitions, columnar functions in SQL and on frames, files through Spark's own reader."""

import pyarrow as pa
import pytest
from pyspark.sql.functions import lit, spark_partition_id

import ucid
import ucid.distributed as distributed
import ucid.distributed.spark
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
    column = frame.select(functions["ucid_cell"]("lat", "lon", "id"))
    with pytest.raises(Exception, match="resolution must be one value"):
        column.collect()


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
