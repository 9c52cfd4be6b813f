"""The built site behind a web server, and headless Chromium to look at it."""

import functools
import http.server
import shutil
import threading

import pytest

from ppsci_gan.files import REPOSITORY

SITE = REPOSITORY / "site"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def site():
    """The folder of the built site."""
    if not (SITE / "built" / "playground.js").is_file():
        pytest.skip("the site is not built: make docs")
    return SITE


@pytest.fixture(scope="session")
def address(site):
    """Where the site is served."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium."""
    if CHROMIUM is None:
        pytest.skip("no Chromium (Debian: apt install chromium)")
    playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright (extra docs)")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])  # as root, too
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser, address):
    """``visit(path, **context)`` opens a page; what it asks other servers for, or fails at, fails the test."""
    contexts, troubles = [], []

    def open_page(path, **settings):
        contexts.append(browser.new_context(**settings))
        page = contexts[-1].new_page()
        page.on("request", lambda asked: allowed(asked.url) or troubles.append(f"asks for {asked.url}"))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto(address + path)
        return page

    def allowed(url):
        return url.startswith((address, "data:", "blob:"))

    yield open_page
    for context in contexts:
        context.close()
    assert not troubles
