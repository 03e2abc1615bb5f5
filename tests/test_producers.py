"""Tables of every library that speaks Arrow, in and out: each is really asked. Expected is what a pyarrow table gives,
and that what comes out points to the columns that went in."""

import sys

import pytest

from conftest import BUILD, run

sys.path.insert(0, str(BUILD / "python"))

import duckdb  # noqa: E402
import geopandas  # noqa: E402
import nanoarrow  # noqa: E402
import numpy as np  # noqa: E402
import pandas  # noqa: E402
import polars  # noqa: E402
import pyarrow as pa  # noqa: E402

import ucid  # noqa: E402

ROWS = 600
FIXED = {"city": "IST", "timestamp": "2026W01T12", "context": "15MIN"}
SCORED = ["ucid", "score", "grade", "confidence", "status"]


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    folder = tmp_path_factory.mktemp("town")
    run(BUILD / "ucid-town", "-n", 5000, "-s", 5, folder / "town.osm.pbf")
    return ucid.build_index(folder / "town.osm.pbf", folder / "town.ucidx")


@pytest.fixture(scope="module")
def places(town):
    south, west, north, east = town.bounds
    random = np.random.default_rng(1)
    lat, lon = random.uniform(south, north, ROWS), random.uniform(west, east, ROWS)
    lat[::97], lon[::89] = 91.0, -60.0
    names = pa.array([None if i % 13 == 0 else f"place {i} ü" for i in range(ROWS)])
    return pa.table({"name": names, "lat": lat, "lon": pa.array(lon, mask=np.arange(ROWS) % 31 == 0)})


class Batch:
    """What has ``__arrow_c_array__`` alone: one batch."""

    def __init__(self, batch):
        self._batch = batch

    def __arrow_c_array__(self, requested_schema=None):
        return self._batch.__arrow_c_array__(requested_schema)


class Stream:
    """What has ``__arrow_c_stream__`` alone."""

    def __init__(self, table):
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


def one_batch(table):
    return table.combine_chunks().to_batches()[0]


# What makes each library's kind of a pyarrow table, and what its door gives back.
KINDS = {
    "pyarrow.Table": (lambda table: table, pa.Table),
    "pyarrow.Table, chunked": (lambda table: pa.concat_tables([table.slice(0, 1), table.slice(1, 0), table.slice(1, 300), table.slice(301)]), pa.Table),
    "pyarrow.RecordBatch": (one_batch, ucid.ArrowStream),
    "pyarrow.RecordBatchReader": (lambda table: table.to_reader(max_chunksize=77), ucid.ArrowStream),
    "polars.DataFrame": (polars.from_arrow, polars.DataFrame),
    "polars.DataFrame, chunked": (lambda table: polars.concat([polars.from_arrow(table.slice(0, 5)), polars.from_arrow(table.slice(5))], rechunk=False), polars.DataFrame),
    "duckdb.DuckDBPyRelation": (lambda table: duckdb.connect().from_arrow(table), ucid.ArrowStream),
    "pandas.DataFrame": (lambda table: table.to_pandas(), pandas.DataFrame),
    "pandas.DataFrame of Arrow columns": (lambda table: table.to_pandas(types_mapper=pandas.ArrowDtype), pandas.DataFrame),
    "nanoarrow.Array": (lambda table: nanoarrow.Array(one_batch(table)), ucid.ArrowStream),
    "nanoarrow.ArrayStream": (nanoarrow.ArrayStream, ucid.ArrowStream),
    "a stream and nothing else": (Stream, ucid.ArrowStream),
    "an array and nothing else": (lambda table: Batch(one_batch(table)), ucid.ArrowStream),
    "ucid.ArrowStream": (lambda table: ucid.create(table.to_reader(), **FIXED), ucid.ArrowStream),
}


def rows_of(made):
    """Rows of whatever a door gave."""
    return pa.Table.from_pandas(made, preserve_index=False) if isinstance(made, pandas.DataFrame) else pa.table(made)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_table_gives_the_same(kind, town, places):
    make, gives = KINDS[kind]
    expected = ucid.score(places, index=town)
    given = make(places)
    scored = ucid.score(given, index=town, replace=kind == "ucid.ArrowStream")
    assert type(scored) is gives
    rows = rows_of(scored)
    for name in SCORED:
        got = rows.column(name).cast(expected.schema.field(name).type).combine_chunks()
        got = pa.array([None if one is None or one != one else one for one in got.to_pylist()], got.type)
        assert got.equals(expected.column(name).combine_chunks()), name
    assert rows.column("name").cast(pa.string()).to_pylist() == places.column("name").to_pylist()
    assert rows_of(ucid.create(make(places), replace=True, **FIXED)).column("ucid").to_pylist() == ucid.create(places, **FIXED).column("ucid").to_pylist()


@pytest.mark.parametrize("kind", KINDS)
def test_the_other_doors_take_them_too(kind, town, places):
    make, _ = KINDS[kind]
    if kind == "ucid.ArrowStream":
        make = lambda table: Stream(table)  # noqa: E731
    made = ucid.score(places, index=town, city="IST")
    parsed = rows_of(ucid.parse(make(made.select(["name", "ucid"]))))
    assert parsed.column("h3_index").to_pylist() == ucid.parse(made.select(["ucid"])).column("h3_index").to_pylist()
    canonical = rows_of(ucid.canonicalize(make(made.select(["ucid"]))))
    assert canonical.column("canonical").to_pylist() == made.column("ucid").to_pylist()
    groups = rows_of(ucid.aggregate(make(made), "r7"))
    assert groups.column("score").to_pylist() == ucid.aggregate(made, "r7").column("score").to_pylist()
    south, west, north, east = town.bounds
    square = geopandas.GeoDataFrame({"zone_name": ["all"]}, geometry=geopandas.GeoSeries.from_wkt(
        [f"POLYGON(({west} {south},{east} {south},{east} {north},{west} {north},{west} {south}))"], crs="EPSG:4326"))
    zones = ucid.Zones(square)
    joined = rows_of(ucid.join(make(places), zones))
    assert joined.column("zone_name").to_pylist() == ucid.join(places, zones).column("zone_name").to_pylist()
    assert joined.column("status").to_pylist() == ucid.join(places, zones).column("status").to_pylist()


CONSUMERS = {
    "pyarrow": pa.table,
    "polars": lambda stream: polars.DataFrame(stream).to_arrow(),
    "pandas": lambda stream: pa.Table.from_pandas(pandas.DataFrame.from_arrow(stream), preserve_index=False),
    "duckdb": lambda stream: duckdb.connect().sql("select * from stream").to_arrow_table(),
    "nanoarrow": lambda stream: pa.table(nanoarrow.ArrayStream(stream).read_all()),
}


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_every_library_takes_what_comes_out(consumer, town, places):
    expected = ucid.score(places, index=town)
    taken = CONSUMERS[consumer](ucid.score(places.to_reader(), index=town))
    assert taken.column_names == expected.column_names
    for name in SCORED:
        got = [None if one != one else one for one in taken.column(name).to_pylist()]
        assert got == expected.column(name).to_pylist(), name


def addresses(column):
    return [buffer.address for buffer in column.buffers() if buffer is not None]


def test_columns_pass_through_without_a_copy(town, places):
    """The address of a column that went in is that of the one that comes out; of new ones too, in another library."""
    batch = one_batch(places)
    for given in (batch, Batch(batch), nanoarrow.Array(batch), Stream(pa.table(batch))):
        made = next(iter(pa.RecordBatchReader.from_stream(ucid.score(given, index=town))))
        for name in ("name", "lat", "lon"):
            assert addresses(made.column(name)) == addresses(batch.column(name)), name
    lat, lon = places.column("lat").to_numpy(), np.linspace(0.0, 1.0, ROWS)
    made = next(iter(pa.RecordBatchReader.from_stream(ucid.score(lat=lat, lon=lon, index=town))))
    assert addresses(made.column("lat")) == [lat.ctypes.data] and addresses(made.column("lon")) == [lon.ctypes.data]
    frame = polars.DataFrame({"lat": lat, "lon": lon})
    scored = ucid.score(frame, index=town)
    assert addresses(scored["lat"].to_arrow()) == addresses(frame["lat"].to_arrow())
    stream = ucid.score(batch, index=town)
    array = nanoarrow.ArrayStream(stream).read_all()
    assert addresses(pa.record_batch(pa.table(array).to_batches()[0]).column("lat")) == addresses(batch.column("lat"))


@pytest.mark.parametrize("errors", ["null", "raise"])
def test_errors_are_nulls_or_raised_at_every_door(errors, town, places):
    good = places.filter(pa.compute.equal(pa.compute.starts_with(ucid.score(places, index=town).column("status"), "o"), True))
    good = good.filter(pa.compute.equal(ucid.score(good, index=town).column("status"), "ok"))
    bad = pa.concat_tables([good.slice(0, 3), pa.table({"name": ["bad"], "lat": [91.0], "lon": [0.0]}), good.slice(3, 3)])
    scored = ucid.score(bad, index=town, city="IST")
    zones = ucid.Zones(geopandas.GeoDataFrame({"zone_name": ["far"]}, geometry=geopandas.GeoSeries.from_wkt(["POLYGON((1 1,2 1,2 2,1 1))"], crs="EPSG:4326")))
    nowhere = (south, west, north, east) = (-60.0, 0.0, -59.9, 0.1)
    doors = {
        "create": lambda table: ucid.create(table, errors=errors, **FIXED),
        "score": lambda table: ucid.score(table, index=town, errors=errors),
        "parse": lambda table: ucid.parse(ucid.create(table, **FIXED).select(["ucid"]), errors=errors),
        "canonicalize": lambda table: ucid.canonicalize(ucid.create(table, **FIXED).select(["ucid"]), errors=errors),
        "join": lambda table: ucid.join(table, zones, errors=errors),
        "aggregate": lambda table: ucid.aggregate(scored if table is bad else scored.slice(0, 3), "r7", errors=errors),
        "grid": lambda table: pa.table(ucid.grid(nowhere if table is bad else town.bounds, "15MIN", index=town, errors=errors, resolution=8)),
    }
    for name, door in doors.items():
        made = door(good.slice(0, 6)) if name != "grid" or errors == "null" else None
        assert made is None or made.num_rows > 0, name
        if errors == "null":
            assert door(bad).num_rows > 0, name
            continue
        with pytest.raises(ucid.UCIDDataError) as caught:
            door(bad)
        assert caught.value.details.get("row", 3) in (0, 3), name
        for framed in (bad.to_pandas(), polars.from_arrow(bad)) if name in ("create", "score", "join") else ():
            with pytest.raises(ucid.UCIDDataError, match="row 3: invalid"):
                door(framed)
    for door in (lambda: ucid.join(bad, zones, errors="no"), lambda: ucid.aggregate(scored, errors="no"), lambda: ucid.grid(nowhere, "15MIN", index=town, errors="no")):
        with pytest.raises(ucid.UCIDConfigError, match="errors is 'no'"):
            door()


def test_tables_that_are_none_are_refused_in_words(town, places):
    for given, error, message in (
        (7, TypeError, "speaks Arrow"),
        ([1, 2], TypeError, "speaks Arrow"),
        (pa.array([1.0]), (ucid.UCIDDataError, TypeError), "single columns|tables"),
        (nanoarrow.Array([1.0, 2.0], nanoarrow.float64()), ucid.UCIDDataError, "single columns"),
        (polars.Series([1.0]), (ucid.UCIDDataError, TypeError), "single columns|tables"),
        (pa.table({"lat": [True], "lon": [1.0]}), ucid.UCIDDataError, "'lat' is"),
        (pa.table({"lat": [[1.0]], "lon": [1.0]}), ucid.UCIDDataError, "'lat' is"),
        (pa.table({"lon": [1.0]}), ucid.UCIDDataError, "no column for the latitude|the latitude"),
        (pa.table({}), ucid.UCIDDataError, "places"),
    ):
        with pytest.raises(error, match=message):
            ucid.score(given, index=town)
    empty = places.slice(0, 0)
    for kind, (make, _) in KINDS.items():
        if kind in ("pyarrow.RecordBatch", "nanoarrow.Array", "an array and nothing else", "polars.DataFrame, chunked", "pyarrow.Table, chunked"):
            continue
        made = rows_of(ucid.score(make(empty), index=town, replace=kind == "ucid.ArrowStream"))
        assert made.num_rows == 0 and set(SCORED) <= set(made.column_names), kind
