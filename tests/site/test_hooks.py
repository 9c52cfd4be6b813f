"""What web/hooks.py makes of a page's text, and of the search index."""

import importlib.util
import json

import pytest

from ppsci_gan.files import REPOSITORY

pytest.importorskip("mkdocs", reason="no MkDocs (extra docs)")


@pytest.fixture(scope="module")
def hooks():
    specification = importlib.util.spec_from_file_location("hooks", REPOSITORY / "web" / "hooks.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("origin", "address"),
    [
        ("https://github.com/owner/name.git\n", "https://github.com/owner/name"),
        ("git@gitee.com:owner/name.git", "https://gitee.com/owner/name"),
        ("ssh://git@host.org/owner/name", "https://host.org/owner/name"),
        ("https://user:secret@host.org/owner/name", "https://host.org/owner/name"),
        ("/home/somebody/name", None),
        ("", None),
    ],
)
def test_the_address_of_the_repository(hooks, origin, address):
    assert hooks.find_repository({}, origin) == address


def test_ci_knows_the_repository_best(hooks):
    assert hooks.find_repository({"GITHUB_REPOSITORY": "a/b"}, "/somewhere") == "https://github.com/a/b"


def test_a_diagram(hooks):
    drawn = hooks.draw("critic × 5: points > loss < 0\n")
    assert drawn == ('<div class="flow"><div><b>critic × 5</b><ol><li>points</li><li>loss &lt; 0</li></ol></div></div>')


def test_a_search_index_for_each_language(hooks, tmp_path):
    docs = [{"location": "faq/#a", "title": "A"}, {"location": "zh/faq/#a", "title": "甲"}]
    paths = tmp_path / "index.json", tmp_path / "zh" / "index.json"
    hooks.split_index({"config": {}, "docs": docs}, *paths)
    found = [json.loads(path.read_text(encoding="utf-8"))["docs"] for path in paths]
    assert found == [[docs[0]], [{"location": "faq/#a", "title": "甲"}]]
