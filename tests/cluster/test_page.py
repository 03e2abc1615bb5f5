"""The published page: each snippet runs as printed, or fails as docs/distributed.md says beside its smallest working form.

A snippet of the page stands on the ones before it, so they run in one interpreter an engine, in a guarded main, with what
the page leaves out (`locations`, an import) put before them. `s3://ucid-data` is a bucket of a real server.
"""

import json
import os
import re
import subprocess
import sys

import geopandas
import numpy as np
import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray
import s3fs

from conftest import SOURCE
from test_docs import FENCE, execute, matches

import ucid

from .clusters import SPARK_CONF, start_ray
from .servers import connectors

SECTION = re.compile(r"^## ([\w ]+)\n\n```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PAGE = dict(SECTION.findall((SOURCE / "tests" / "cluster" / "page.md").read_text()))
SECONDS = 900
MAIN = """
import json, sys
def fails(text, error):
    try:
        exec(text, globals())
    except error as caught:
        return str(caught)
    raise AssertionError(f"this was to fail with {error}")
if __name__ == "__main__":
    PAGE = json.load(open("page.json"))
    for text in json.load(open("steps.json")):
        print("step:", text.partition("\\n")[0][:70], flush=True)
        exec(PAGE.get(text, text), globals())
"""


def steps(folder, environment, *texts):
    """Run snippets, by name, and code between them, in one interpreter."""
    (folder / "page.json").write_text(json.dumps(PAGE))
    (folder / "steps.json").write_text(json.dumps(texts))
    (folder / "main.py").write_text(MAIN)
    with open(folder / "said", "w") as said:
        command, environment = [sys.executable, "main.py"], {**os.environ, **environment}
        try:
            code = subprocess.run(command, cwd=folder, env=environment, stdout=said, stderr=said, timeout=SECONDS).returncode
        except subprocess.TimeoutExpired:
            code = f"not after {SECONDS} s"
    if code != 0:
        pytest.fail(f"it ended with {code}\n{(folder / 'said').read_text()[-6000:]}", pytrace=False)


def file_system(told):
    return s3fs.S3FileSystem(key=told["AWS_ACCESS_KEY_ID"], secret=told["AWS_SECRET_ACCESS_KEY"], endpoint_url=told["AWS_ENDPOINT_URL"])


@pytest.fixture(scope="module")
def bucket(stores, tmp_path_factory):
    """`s3://ucid-data`, with scores, locations and geometry; and the environment that finds it."""
    folder = tmp_path_factory.mktemp("ucid-data")
    for name in ("scores", "locations", "geometry"):
        (folder / name).mkdir()
    random = np.random.default_rng(5)
    rows = 4000
    cities = np.array(["IST", "HEL", "BER"])[random.integers(0, 3, rows)]
    scores = pa.table({"city": cities, "score": random.uniform(0, 100, rows)})
    locations = pa.table({"city": cities, "lat": random.uniform(40.9, 41.1, rows), "lon": random.uniform(28.8, 29.0, rows),
                          "timestamp": ["2026W01T12"] * rows, "context": ["15MIN"] * rows})  # fmt: skip
    for part in range(2):
        pq.write_table(scores.slice(part * 2000, 2000), folder / "scores" / f"{part}.parquet")
        pq.write_table(locations.slice(part * 2000, 2000), folder / "locations" / f"{part}.parquet")
    points = geopandas.points_from_xy([28.979, 28.99], [41.015, 41.02])
    geopandas.GeoDataFrame({"id": [1, 2]}, geometry=points, crs="EPSG:4326").to_parquet(folder / "geometry" / "0.parquet")
    store = stores("s3")
    (store.folder.parent / "ucid-data").mkdir()
    told = store.environment
    files = file_system(told)
    for path in folder.rglob("*.parquet"):
        files.put_file(str(path), f"ucid-data/{path.relative_to(folder)}")
    return folder, told


def test_dask(bucket, town, tmp_path):
    folder, environment = bucket
    (tmp_path / "data").mkdir()
    pandas.DataFrame({"city": ["IST", "HEL", "IST"], "score": [60.0, 40.0, 80.0]}).to_parquet(tmp_path / "data" / "a.parquet")
    south, west, north, east = ucid.open_index(town).bounds
    steps(tmp_path, {**environment, "UCID_CATALOG": town},
          "dask frames",
          "import pandas as pd\nwanted = pd.read_parquet('s3://ucid-data/scores/').groupby('city').score.agg(['mean', 'std', 'count'])\n"
          "pd.testing.assert_frame_equal(result.sort_index(), wanted, check_index_type=False)",
          "locations = [dict(city='IST', lat=41 + i / 1e4, lon=29.0, timestamp='2026W01T12', context='15MIN') for i in range(2500)]",
          "dask creation",
          "assert len(all_ucids) == 2500 and str(all_ucids[7]) == str(create_ucid(**locations[7]))",
          "dask lazy",
          "assert result.to_dict() == {'IST': 70.0}",
          # 500 means degrees where the data are in degrees
          "dask geometry",
          "assert area.sum() > 1e6\n"
          "metres = gddf.ucid.buffer(500).to_crs('EPSG:32635').area.compute()\n"
          "assert all(abs(metres / (3.14159 * 500**2) - 1) < 0.01)",
          # a name that is deleted cannot be passed on
          "ddf = dd.read_parquet('s3://ucid-data/scores/*.parquet')\n"
          "assert \"'ddf_filtered'\" in fails(PAGE['memory'], NameError)",
          "ddf_filtered = ddf[ddf.score > 50].persist()\nclient.cancel(ddf_filtered)\ndel ddf_filtered",
          "checkpoint",
          "assert len(ddf) == 4000",
          # a second run with fewer parts leaves parts of the first: overwrite=True does not
          "ddf = dd.read_parquet('s3://ucid-data/scores/*.parquet').repartition(npartitions=1)",
          "checkpoint",
          "assert len(ddf) > 4000\n"
          "fresh = dd.read_parquet('s3://ucid-data/scores/*.parquet').repartition(npartitions=1)\n"
          "fresh.to_parquet('s3://ucid-data/checkpoint/', engine='pyarrow', write_index=False, overwrite=True)\n"
          "assert len(dd.read_parquet('s3://ucid-data/checkpoint/')) == 4000",
          # the page's imports are missing, and a city is one task: process_cities cuts it
          "assert 'GeoDataFrame' in fails(PAGE['cities'], NameError)",
          "import h3, pandas as pd\nfrom geopandas import GeoDataFrame\n"
          f"get_city_bbox = lambda code: ({south}, {west}, {north}, {east})\ncity_codes = ['CVU']",
          "cities",
          "client = UCIDDaskClient(cluster)\n"
          "ours = client.process_cities([get_city_bbox('CVU')], timestamp='2026W01T12').set_index('h3')\n"
          "assert len(ours) == len(combined) > 100\n"
          "pd.testing.assert_series_equal(ours.score.sort_index(), combined.set_index('h3_index').score.sort_index(), check_names=False,"
          " check_index_type=False)",
          "client.close(); cluster.close()",
          )  # fmt: skip
    assert "dask_kubernetes" in PAGE["kubernetes"]  # comes with clusters of containers


def test_retries(tmp_path):
    """distributed.Client takes no retries: it hands them to its cluster, which fails after a minute. Ours does."""
    ours = PAGE["retries"].replace("from dask.distributed import Client", "from ucid.distributed import UCIDDaskClient as Client")
    assert ours != PAGE["retries"]
    steps(tmp_path, {}, ours, "workers = client.scheduler_info(n_workers=-1)['workers'].values()\n"
          "assert client.retries == 3 and {worker['memory_limit'] for worker in workers} == {4 * 10**9} and len(workers) == 4\n"
          "client.cluster.close(); client.close()")  # fmt: skip


def test_ray(bucket, town, tmp_path, monkeypatch):
    folder, environment = bucket
    for name, value in {**environment, "UCID_CATALOG": town}.items():
        monkeypatch.setenv(name, value)
    start_ray()
    try:
        address = {"RAY_ADDRESS": ray.get_runtime_context().gcs_address}
        steps(tmp_path, address,
              "ray functions",
              "assert len(results) == 1000 and results[3]['context'] == '15MIN'",
              "from ucid import create_ucid",
              "ray data",
              "import pandas as pd\nmade = pd.read_parquet('s3://ucid-data/processed/')\n"
              "assert len(made) == 4000 and made['ucid'].str.startswith('UCID-V1:').all()",
              # the same, columnar
              "import ucid.distributed as distributed\n"
              "ours = distributed.create(ds, timestamp='2026W01T12', context='15MIN', replace=True).to_pandas()\n"
              "assert sorted(ours['ucid']) == sorted(made['ucid'])",
              "locations = locations[:60]",
              "ray actors",
              "assert len(scores) == 60 and ray.get(scorers[0].get_cache_stats.remote())['size'] == 15",
              # the page's own class has no bound
              "from ucid.distributed import UCIDScorer",
              "again = ray.get([UCIDScorer.remote('15MIN', cache_size=5).score.remote(loc['lat'], loc['lon']) for loc in locations[:1]])\n"
              "assert str(again) == str(scores[:1])",
              )  # fmt: skip
    finally:
        ray.shutdown()


def test_spark(bucket, tmp_path):
    """As printed, after these settings: `s3://` is Hadoop's connector, which its distribution leaves out, under another name; and
    without the last one Spark 4.2.0 waits for ever in the page's function."""
    folder, environment = bucket
    settings = {"spark.jars": ",".join(map(str, connectors())), "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
                "spark.hadoop.fs.s3a.endpoint": environment["AWS_ENDPOINT_URL"], "spark.hadoop.fs.s3a.path.style.access": "true",
                "spark.hadoop.fs.s3a.endpoint.region": environment["AWS_REGION"],
                "spark.sql.execution.arrow.pythonUDF.columnarInput.enabled": "false", **SPARK_CONF}  # fmt: skip
    (tmp_path / "spark-defaults.conf").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    files = file_system(environment)
    if files.exists("ucid-data/processed"):
        files.rm("ucid-data/processed", recursive=True)
    steps(tmp_path, {**environment, "SPARK_CONF_DIR": str(tmp_path)},
          "spark",
          "import ucid.distributed.spark\nfunctions = ucid.distributed.spark.register(spark)\n"
          "made = spark.read.parquet('s3://ucid-data/processed/')\n"
          "ours = df.select(functions['ucid_create'](df.city, df.lat, df.lon, df.timestamp, df.context).alias('ucid'))\n"
          "assert made.count() == 4000 and made.select('ucid').exceptAll(ours).count() == 0",
          # a second run finds the output of the first
          "from pyspark.errors import AnalysisException",
          "assert 'PATH_ALREADY_EXISTS' in fails(PAGE['spark'], AnalysisException)",
          "df_with_ucids.write.mode('overwrite').parquet('s3://ucid-data/processed/')\n"
          "assert spark.read.parquet('s3://ucid-data/processed/').count() == 4000",
          "spark.stop()")  # fmt: skip


def test_the_document(tmp_path, monkeypatch):
    """docs/distributed.md with its engines, which the default tests leave out."""
    said = None
    for language, _, text in FENCE.findall((SOURCE / "docs" / "distributed.md").read_text()):
        if language == "output":
            assert matches(text, said), f"it shows\n{text}\nbut the block prints\n{said}"
        elif language in ("sh", "python"):
            said = execute(language, text, tmp_path)
