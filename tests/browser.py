"""A headless Chromium, driven through chromedriver by WebDriver's own JSON over HTTP."""

import base64
import io
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
from PIL import Image

FLAGS = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars", "--use-gl=angle",
         "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--force-color-profile=srgb"]
ENTER, ESCAPE = "\ue007", "\ue00c"


class Browser:
    def __init__(self):
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        driver = shutil.which("chromedriver")
        if not chromium or not driver:
            pytest.skip("chromium and chromedriver are missing")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.process = subprocess.Popen([driver, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.base = f"http://127.0.0.1:{port}"
        self.session = None
        self.wait(lambda: self.call("GET", "/status")["ready"], "chromedriver")
        options = {"binary": chromium, "args": FLAGS}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options,
                  "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
        self.session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        self.base += f"/session/{self.session}"
        self.shape()

    def shape(self, width=1200, height=800, dark=False):
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.cdp("Emulation.setEmulatedMedia", features=[scheme, {"name": "prefers-reduced-motion", "value": "reduce"}])

    def call(self, method, path, body=None):
        request = urllib.request.Request(self.base + path, method=method, headers={"Content-Type": "application/json"},
                                         data=None if method == "GET" else json.dumps(body or {}).encode())
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error)["value"]["message"]) from None

    def wait(self, condition, what, seconds=90):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if condition():
                    return
            except (OSError, KeyError):
                pass
            time.sleep(0.1)
        pytest.fail(f"waited {seconds} s for {what}; the page said: {self.logs()}", pytrace=False)

    def cdp(self, command, **parameters):
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def run(self, script, *arguments):
        return self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def open(self, path):
        self.call("POST", "/url", {"url": path.resolve().as_uri()})
        self.wait(lambda: self.run("return document.documentElement.hasAttribute('data-ready')"), "the page")
        self.settle()

    def settle(self):
        """Two drawn frames later."""
        self.call("POST", "/execute/async",
                  {"script": "const end = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => end()))",
                   "args": []})
        time.sleep(0.2)

    def pixels(self):
        """What the window shows: [height, width, rgb]."""
        image = base64.b64decode(self.call("GET", "/screenshot"))
        return np.asarray(Image.open(io.BytesIO(image)).convert("RGB")).astype(int)

    def move(self, x, y):
        self.cdp("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        self.settle()

    def click(self, x, y):
        for kind in ("mousePressed", "mouseReleased"):
            self.cdp("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        self.settle()

    def keys(self, text):
        actions = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})
        self.settle()

    def logs(self):
        """What the console has said since the last call."""
        if self.session:
            return self.call("POST", "/se/log", {"type": "browser"})
        return []

    def requests(self):
        """Addresses of all requests since the last call."""
        events = [json.loads(entry["message"])["message"] for entry in self.call("POST", "/se/log", {"type": "performance"})]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]

    def close(self):
        if self.session:
            self.call("DELETE", "")
        self.process.terminate()
        self.process.wait()
