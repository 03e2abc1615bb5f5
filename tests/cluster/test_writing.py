"""Collections of files that nobody changed are written by tasks that read the files; whatever was done to one, its engine writes it."""

import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ucid
import ucid.distributed as distributed

from .clusters import same, table
from .engines import Engine

PARTS = [f"part-{at:06}.parquet" for at in range(7)]
CHANGES = {
    "dask": lambda made: made[made.columns],
    "ray": lambda made: made.repartition(3),
    "spark": lambda made: made.select("*"),
}


def in_place(name, made):
    """The same object, and yet another collection."""
    if name == "dask":
        made["more"] = made.lat + 1
    elif name == "spark":
        made.cache()
    return made


def written(name, whole, folder, files, town, zones):
    """Names of the files that each way of a collection leaves, or what it says of an input."""
    made = lambda: distributed.score(str(files), index=town, engine=name)  # noqa: E731
    collections = {"tasks": made(), "engine": CHANGES[name](made()), "place": in_place(name, made()),
                   "join": distributed.join([str(file) for file in sorted(files.iterdir())], zones, engine=name)}  # fmt: skip
    for way, one in collections.items():
        distributed.write(one, f"{folder}/{way}", compression="zstd" if way == "join" else "snappy")
    damaged = distributed.score(f"{folder}/damaged", index=town, engine=name)
    with pytest.raises(ucid.UCIDDataError) as caught:
        distributed.write(damaged, f"{folder}/never")
    assert whole(collections["tasks"]) is not None  # which is as it was
    return caught.value.message


@pytest.mark.parametrize("name", CHANGES)
def test_both_ways_write_the_same(name, files, places, town, zones, expected, tmp_path):
    (tmp_path / "damaged").mkdir()
    for file in files.iterdir():
        data = bytearray(file.read_bytes())
        column = pq.ParquetFile(file).metadata.row_group(1).column(places.schema.names.index("lat"))
        if file.name == "part-3.parquet":
            data[column.data_page_offset : column.data_page_offset + 40] = b"\xff" * 40
        (tmp_path / "damaged" / file.name).write_bytes(data)
    with Engine(name, 2, {}) as engine:
        message = engine(written, str(tmp_path), files, town, zones)
    assert "damaged/part-3.parquet: " in message and not list((tmp_path / "never").glob("*"))
    assert sorted(os.listdir(tmp_path / "tasks")) == PARTS
    assert not set(PARTS).intersection(os.listdir(tmp_path / "engine"))
    assert not set(PARTS).intersection(os.listdir(tmp_path / "place")) or name == "ray"
    for way in ("tasks", "engine", "place"):
        made = table(tmp_path / way)
        assert same(made.drop_columns("more") if "more" in made.schema.names else made) == expected["score"]
    assert same(table(tmp_path / "join")) == expected["join"]
    assert pq.ParquetFile(tmp_path / "join" / PARTS[0]).metadata.row_group(0).column(0).compression == "ZSTD"
    given = pa.concat_tables([pq.read_table(file) for file in sorted(files.iterdir())])
    wanted = ucid.score(given, index=town)
    assert pa.concat_tables([pq.read_table(tmp_path / "tasks" / part) for part in PARTS]).replace_schema_metadata(None).equals(wanted)
