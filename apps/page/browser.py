"""Headless Chromium with the page in it, for test.py and picture.py."""
import base64
import pathlib
import shutil
import tempfile

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

SWITCHES = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run
--disable-background-networking --disable-component-update --disable-sync --hide-scrollbars
--force-device-scale-factor=1""".split()


class Browser:
    def __init__(self, page):
        self.page = pathlib.Path(page).resolve().as_uri()
        self.folder = tempfile.mkdtemp()
        options = Options()
        for switch in [*SWITCHES, f"--user-data-dir={self.folder}"]:
            options.add_argument(switch)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        self.driver.set_script_timeout(120)

    def close(self):
        self.driver.quit()
        shutil.rmtree(self.folder, ignore_errors=True)

    def js(self, expression, *arguments):
        return self.driver.execute_script(f"return ({expression})", *arguments)

    def wait(self, expression, *arguments):
        """Until the expression is true; an error when that takes minutes."""
        return WebDriverWait(self.driver, 120, 0.05).until(lambda _: self.js(expression, *arguments))

    def command(self, name, **arguments):
        return self.driver.execute_cdp_cmd(name, arguments)

    def open(self, width=1200, height=900, phone=False, scheme="light", reduced_motion="reduce", media=""):
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                     mobile=phone)
        self.command("Emulation.setEmulatedMedia", media=media, features=[
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": reduced_motion}])
        self.driver.get(self.page)
        self.wait("document.documentElement.dataset.ready === 'true'")

    def picture(self, file, element=None):
        """Of an element, or of the window."""
        more = {}
        if element:
            box = self.js("(({left, top, width, height}) => ({x: left + scrollX, y: top + scrollY, width, height, scale: 1}))"
                          "(document.querySelector(arguments[0]).getBoundingClientRect())", element)
            more = {"clip": box, "captureBeyondViewport": True}
        data = self.command("Page.captureScreenshot", format="png", **more)["data"]
        pathlib.Path(file).write_bytes(base64.b64decode(data))
