"""Prints how long the playground takes to its first image, in headless Chromium on this machine, where there is one."""

import functools
import http.server
import shutil
import threading
from pathlib import Path

from playwright.sync_api import sync_playwright

SITE = Path(__file__).parents[1] / "site"
NAMES = ("chromium", "chromium-browser", "google-chrome")


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def measure(chromium: str) -> str:
    """Return the seconds from the beginning of the page to its first image."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=SITE))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])  # as root, too
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/playground/")
        page.wait_for_selector("#play[data-first-image]", timeout=60_000)
        seconds = page.get_attribute("#play", "data-first-image")
        browser.close()
    server.shutdown()
    return seconds


def main() -> None:
    chromium = next(filter(None, map(shutil.which, NAMES)), None)
    found = f"after {measure(chromium)} s" if chromium else "not timed: no Chromium here"
    print(f"The playground's first image: {found}")


if __name__ == "__main__":
    main()
