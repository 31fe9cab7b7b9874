# SPDX-License-Identifier: GPL-3.0-or-later
"""A Chromium without a screen, as Debian packages it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

BROWSER, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
#: Width and height of a screen, in CSS pixels.
DESKTOP, PHONE = (1280, 900), (390, 844)

PAGE_TIMEOUT_S = 60


class Browser:
    """One browser; its screen is made as asked for with every page."""

    def __init__(self, profile: Path) -> None:
        options = Options()
        options.binary_location = BROWSER
        # As root there is no sandbox, and in containers little shared memory. The pages are our own.
        for argument in ("--headless", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars"):
            options.add_argument(argument)
        options.add_argument("--user-data-dir=%s" % profile)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        self.driver.set_page_load_timeout(PAGE_TIMEOUT_S)

    def open(self, page: Path, screen: tuple[int, int] = DESKTOP, *, dark: bool = False, media: str = "screen") -> None:
        """Show a page, with nothing of the one before."""
        width, height = screen
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": screen == PHONE}
        self._command("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._command("Emulation.setEmulatedMedia", {"media": media, "features": [scheme]})
        self.driver.get("about:blank")
        for log in ("browser", "performance"):
            self._log(log)
        self.driver.get(page.as_uri())

    def said(self) -> list[str]:
        """What the console has, of whatever level."""
        return ["%s %s" % (entry["level"], entry["message"]) for entry in self._log("browser")]

    def requested(self) -> list[str]:
        """Every address that was asked for since the page was opened."""
        messages = [json.loads(entry["message"])["message"] for entry in self._log("performance")]
        return [message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"]

    def ask(self, script: str) -> Any:
        """What a script returns; it runs beside the page, which can't forbid it."""
        return self.driver.execute_script(script)

    def shoot(self, path: Path, selector: str = "html") -> bytes:
        """A picture of an element, however large."""
        box = self.ask(
            "const b = document.querySelector(%s).getBoundingClientRect();"
            "return [b.left + scrollX, b.top + scrollY, b.width, b.height]" % json.dumps(selector)
        )
        clip = dict(zip(("x", "y", "width", "height"), box, strict=True), scale=1)
        shot = self._command("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True, "clip": clip})
        picture = base64.b64decode(shot["data"])
        path.write_bytes(picture)
        return picture

    def _command(self, name: str, arguments: dict[str, Any]) -> Any:
        return self.driver.execute_cdp_cmd(name, arguments)

    def _log(self, name: str) -> list[dict[str, Any]]:
        """What was logged since it was asked last."""
        entries: list[dict[str, Any]] = self.driver.execute("getLog", {"type": name})["value"]
        return entries

    def close(self) -> None:
        """End it."""
        self.driver.quit()
