"""ucid fetch against a server of our own: whole files, broken transfers, wrong sums, unknown regions, no server."""

import hashlib
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from conftest import BUILD, ucid

EXTRACT = bytes(range(256)) * 4000
SUM = hashlib.md5(EXTRACT).hexdigest()


class Mirror(BaseHTTPRequestHandler):
    """Laid out like Geofabrik's server; continues transfers, and breaks the first one off where told."""

    break_at = None
    wrong_sum = False
    continues = True

    def log_message(self, *words):
        pass

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Range")))
        listing = {"type": "FeatureCollection", "features": [
            {"properties": {"id": "testland", "name": "Testland",
                            "urls": {"pbf": "https://download.geofabrik.de/europe/testland-latest.osm.pbf"}}}]}  # fmt: skip
        bodies = {
            "/index-v1-nogeom.json": json.dumps(listing).encode(),
            "/europe/testland-latest.osm.pbf": EXTRACT,
            "/europe/testland-latest.osm.pbf.md5": f"{'0' * 32 if self.wrong_sum else SUM}  x.osm.pbf\n".encode(),
        }
        body = bodies.get(self.path)
        if body is None:
            self.send_error(404)
            return
        start = 0
        if self.continues and self.headers.get("Range"):
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            if start >= len(body):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        if body is EXTRACT and self.break_at is not None:
            self.wfile.write(body[start : self.break_at])
            type(self).break_at = None
            self.close_connection = True
            return
        self.wfile.write(body[start:])


@pytest.fixture
def mirror():
    if not (BUILD / "libucid_fetch.so").exists():
        pytest.skip("built without libcurl")
    handler = type("ThisMirror", (Mirror,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.asked = []
    server.handler = handler
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_arrives_whole(mirror, tmp_path):
    report = json.loads(ucid("fetch", "testland", "--mirror", mirror.url, "--json", cwd=tmp_path).stdout)
    assert report["bytes"] == len(EXTRACT)
    assert (tmp_path / "testland.osm.pbf").read_bytes() == EXTRACT
    assert [file.name for file in tmp_path.iterdir()] == ["testland.osm.pbf"]


@pytest.mark.parametrize("continues", [True, False])
def test_a_broken_transfer_goes_on(mirror, tmp_path, continues):
    mirror.handler.break_at = 300_000
    mirror.handler.continues = continues
    out = tmp_path / "t.pbf"
    first = ucid("fetch", "europe/testland", "-o", out, "--mirror", mirror.url, check=False)
    assert first.returncode == 5 and first.stderr.count("\n") == 1
    assert not out.exists() and (tmp_path / "t.pbf.part").stat().st_size == 300_000
    ucid("fetch", "europe/testland", "-o", out, "--mirror", mirror.url)
    assert out.read_bytes() == EXTRACT
    ranges = [asked for path, asked in mirror.asked if path.endswith(".pbf")]
    assert ranges == [None, "bytes=300000-"] + ([] if continues else [None])


def test_a_wrong_sum_is_refused(mirror, tmp_path):
    mirror.handler.wrong_sum = True
    result = ucid("fetch", "testland", "--mirror", mirror.url, cwd=tmp_path, check=False)
    assert result.returncode == 3 and "md5" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_region_is_named_with_a_hint(mirror, tmp_path):
    result = ucid("fetch", "testlnd", "--mirror", mirror.url, cwd=tmp_path, check=False)
    assert result.returncode == 3
    assert result.stderr == "ucid: fetch: no region 'testlnd'; is it one of testland\n"


def test_no_server_is_one_line(tmp_path):
    if not (BUILD / "libucid_fetch.so").exists():
        pytest.skip("built without libcurl")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    result = ucid("fetch", "testland", "--mirror", f"http://127.0.0.1:{port}", cwd=tmp_path, check=False)
    assert result.returncode == 5 and result.stderr.count("\n") == 1
