"""No page asks another server for anything: neither what is written in it, nor what it does in a browser."""

import re
from html.parser import HTMLParser
from urllib.parse import urlparse

import pytest

pytestmark = pytest.mark.xdist_group("site")

LOADING = {"src", "srcset", "data", "poster", "action", "xlink:href"}  # attributes that a browser follows by itself
# What the theme's script would load for things that no page of ours has: a repository's stars, and Mermaid's diagrams.
KNOWN_IN_SCRIPTS = {"api.github.com", "unpkg.com", "clipboardjs.com"}
# Decodes every picture of a page, also those that are loaded late, and returns the addresses of those that fail.
DECODE = """Promise.all([...document.images].map(one => {
    one.loading = "eager";
    return one.decode().then(() => null, () => one.src);
})).then(found => found.filter(Boolean))"""


class Loads(HTMLParser):
    """Collects the addresses that a page loads, as against those that it links to."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            follows = name in LOADING or (tag == "link" and name == "href")
            if follows or name == "style":
                self.found.append(value or "")


def is_outside(address):
    return bool(urlparse(address.strip()).netloc)


def test_no_page_loads_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        loads = Loads()
        loads.feed(page.read_text(encoding="utf-8"))
        assert loads.found
        assert [one for one in loads.found if is_outside(one)] == [], page


def test_no_style_loads_from_elsewhere(site):
    styles = [*site.rglob("*.css")]
    assert any("built" in style.parts for style in styles)
    for style in styles:
        text = style.read_text(encoding="utf-8")
        addresses = re.findall(r"""(?:url\(|@import)\s*["']?([^"')\s;]+)""", text)
        assert [one for one in addresses if is_outside(one)] == [], style


def test_scripts_name_no_other_server_but_the_themes(site):
    for script in [*site.rglob("*.js"), *site.rglob("*.mjs")]:
        text = script.read_text(encoding="utf-8")
        loaded = re.findall(r"""(?:import\(|fetch\(|importScripts\(|src\s*=)\s*["'`](https?:)?//([\w.-]+)""", text)
        assert {host for _, host in loaded} <= KNOWN_IN_SCRIPTS, script


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/zh/",
        "/examples/wgangp_toy/",
        "/zh/examples/wgangp_toy/",
        "/examples/dcgan/",
        "/how_it_works/",
        "/api/losses/",
    ],
)
def test_a_page_in_the_browser(visit, path):
    page = visit(path)  # fails where the page asks another server, or its scripts fail
    page.wait_for_load_state("networkidle")
    families = page.evaluate(
        "document.fonts.ready.then(fonts => [...fonts].filter(f => f.status === 'loaded').map(f => f.family))"
    )
    assert any("Roboto" in family for family in families)
    assert page.locator(".katex-error").count() == 0
    formulas = page.locator(".arithmatex").count()
    assert page.locator(".arithmatex .katex").count() == formulas
    assert formulas or "examples" not in path


def test_every_page_fits_a_phone_and_a_laptop_and_has_its_pictures(visit, site):
    pages = [page.parent for page in sorted(site.rglob("index.html")) if "api" not in page.parts]
    page = visit("/")
    start = page.url.rstrip("/")
    for folder in pages:
        path = folder.relative_to(site).as_posix()
        page.goto(f"{start}/{'' if path == '.' else path + '/'}")
        for width in (390, 1400):
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_function(f"document.documentElement.scrollWidth <= {width}", timeout=5000)
        missing = page.evaluate(DECODE)
        assert missing == [], path
