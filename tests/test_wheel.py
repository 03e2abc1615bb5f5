"""The sdist builds a wheel in an environment of its own, and the wheel works where nothing else is installed."""

import email
import os
import re
import shutil
import sys
import venv
import zipfile

import pytest

from conftest import BUILD, SOURCE, run

WORKS = """
import sys, ucid
assert str(ucid.create_ucid("IST", 41.015, 28.979, "2026W01T12", "15MIN", grade="A", confidence=0.95)) == sys.argv[1]
index = ucid.build_index(sys.argv[2], sys.argv[3])
ucid.use_index(index)
south, west, north, east = index.bounds
result = ucid.get_context("15MIN").compute((south + north) / 2, (west + east) / 2)
assert result.status == "ok" and result.score > 0
with open("half.geojson", "w") as out:
    ring = [[west, south], [east, south], [east, (south + north) / 2], [west, (south + north) / 2], [west, south]]
    out.write('{"type": "Polygon", "coordinates": [%s]}' % ring)
half = ucid.build_index(sys.argv[4], "half.ucidx", boundary="half.geojson")
assert half.id != index.id and ucid.get_context("15MIN").compute(south * 0.6 + north * 0.4, (west + east) / 2).score > 0
page = ucid.map(ucid.grid(index.bounds, "15MIN"), "page.html", index=index)
assert page.rows > 10
print(ucid.__file__)
"""
GOOD = "UCID-V1:IST:+41.015:+28.979:9:891ec90243bffff:2026W01T12:15MIN:A:0.95:"


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """A virtual environment with pip alone."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, with_pip=True)
    return folder


def test_the_sdist_installs_and_works(clean, tmp_path):
    pip = clean / "bin" / "pip"
    run(pip, "install", "--quiet", "build")
    nothing = {"UCID_CACHE": str(tmp_path / "cache"), "npm_config_cache": str(tmp_path / "npm")}  # is kept from earlier builds
    # an sdist, and a wheel of that sdist
    run(clean / "bin" / "python", "-m", "build", "--outdir", tmp_path, SOURCE, env={**os.environ, **nothing})
    assert [file.name for file in (tmp_path / "cache").glob("h3*")] == ["h3-4.5.0.tar.gz"]
    (sdist,), (wheel,) = tmp_path.glob("*.tar.gz"), tmp_path.glob("*.whl")
    assert re.fullmatch(r"ucid-[0-9.]+-cp311-abi3-linux_\w+\.whl", wheel.name) and sdist.stat().st_size < 2 << 20
    metadata = email.message_from_bytes(next(zipfile.ZipFile(wheel).read(name) for name in zipfile.ZipFile(wheel).namelist() if name.endswith("/METADATA")))
    assert metadata["Description-Content-Type"] == "text/markdown" and metadata["License-Expression"] == "Apache-2.0"
    assert {"arrow", "pandas", "geo", "plot", "catalog", "s3", "gcs", "hdfs", "dask", "ray", "spark", "modin", "all"} == set(metadata.get_all("Provides-Extra"))
    assert not [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]  # nothing is needed
    assert "create_ucid" in metadata.get_payload() and not re.search(r"\]\((?!https?:)", metadata.get_payload())
    assert ("ucid/spark.jar" in zipfile.ZipFile(wheel).namelist()) == (shutil.which("javac") is not None)
    extension = zipfile.ZipFile(wheel).extract("ucid/_ext.abi3.so", tmp_path)
    needed = re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", extension).stdout)
    outside = {name for name in needed if f"ucid/{name}" not in zipfile.ZipFile(wheel).namelist()}
    assert {name.partition(".so")[0] for name in outside} <= {"libc", "libm", "libz", "libpthread", "ld-linux-x86-64"}, needed
    exported = run("nm", "-D", "--defined-only", extension).stdout.split()[2::3]
    assert exported == ["PyInit__ext"]

    run(pip, "uninstall", "--quiet", "--yes", "build")
    run(pip, "install", "--quiet", "--no-index", wheel)
    for compression in ("zlib", "zstd"):
        run(BUILD / "ucid-town", "-n", 3000, "--compression", compression, tmp_path / f"{compression}.osm.pbf")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    said = run(clean / "bin" / "python", "-I", "-c", WORKS, GOOD, tmp_path / "zlib.osm.pbf", tmp_path / "town.ucidx",
               tmp_path / "zstd.osm.pbf", cwd=tmp_path, env=environment)
    assert said.stdout.startswith(str(clean)) and sys.prefix != str(clean)
