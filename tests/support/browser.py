"""A headless Chromium that a test drives by the DevTools protocol (https://chromedevtools.github.io/devtools-protocol)."""

import base64
import json
import re
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import websocket

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome")
SECONDS = 60
"""How long a page may take for anything."""


def find_browser() -> str | None:
    """The browser of this machine; None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name)) is not None), None)


class Page:
    """A tab. Errors of its scripts, and what its headers forbid, are in `problems`."""

    def __init__(self, connection: Any) -> None:
        self._connection, self._number = connection, 0
        self.problems: list[str] = []
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """A command of the protocol, and its result."""
        self._number += 1
        self._connection.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._connection.recv())
            if message.get("id") == self._number:
                assert "error" not in message, message
                return message["result"]
            self._note(message)

    def _note(self, message: Any) -> None:
        match message:
            case {"method": "Runtime.exceptionThrown", "params": {"exceptionDetails": details}}:
                self.problems.append(details.get("exception", details).get("description", "exception"))
            case {"method": "Log.entryAdded", "params": {"entry": {"level": "error", "text": text}}}:
                self.problems.append(text)

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, condition: str) -> Any:
        """Wait until an expression is true; returns its value."""
        deadline = time.monotonic() + SECONDS
        while not (value := self.run(condition)):
            assert time.monotonic() < deadline, f"{condition}; {self.problems}; {self.run('document.body.innerText')}"
            time.sleep(0.05)
        return value

    def open(self, address: str) -> None:
        self.call("Page.navigate", url=address)
        self.wait("document.readyState === 'complete'")

    def show_as(self, width: int, height: int, *, dark: bool = False) -> None:
        """The size of the window, and whether its user likes it dark."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self) -> bytes:
        """What is to be seen, as a PNG file."""
        return base64.b64decode(self.call("Page.captureScreenshot")["data"])


@contextmanager
def open_page(browser: str, folder: Path) -> Iterator[Page]:
    """A tab of a new browser, which keeps its files in `folder` and ends with the block."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"]
    process = subprocess.Popen([browser, *options], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        address = next(match[1] for line in process.stderr if (match := re.search(r"ws://([^/]+)/", line)))
        with urllib.request.urlopen(f"http://{address}/json") as answer:
            (tab,) = [each for each in json.load(answer) if each["type"] == "page"]
        connection = websocket.create_connection(tab["webSocketDebuggerUrl"], timeout=SECONDS, suppress_origin=True)
        try:
            yield Page(connection)
        finally:
            connection.close()
    finally:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()
