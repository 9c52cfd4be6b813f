"""What the READMEs claim at a glance is true."""

import html
import re

import pytest

from ppsci_gan.files import REPOSITORY

READMES = ["README.md", "README_zh.md"]


def read(name):
    return (REPOSITORY / name).read_text(encoding="utf-8")


def label(badge):
    return html.unescape(re.search(r'aria-label="([^"]+)"', read(f"docs/images/badges/{badge}.svg"))[1])


def test_the_badges_say_what_the_package_does():
    project = read("pyproject.toml")
    for badge, name, pattern in [
        ("python", "Python", r'^requires-python = "(.+)"'),
        ("licence", "licence", r'^license = "(.+)"'),
        ("paddle", "PaddlePaddle", r'"paddlepaddle([<>=][^"]+)"'),
    ]:
        assert label(badge) == f"{name}: {re.search(pattern, project, flags=re.MULTILINE)[1]}"


@pytest.mark.parametrize("name", READMES)
def test_every_link_within_the_repository_leads_somewhere(name):
    links = re.findall(r"\]\(([^)\s]+)\)", read(name))
    for link in links:
        if not link.startswith("https://"):
            assert (REPOSITORY / link.partition("#")[0]).exists(), link


@pytest.mark.parametrize("name", READMES)
def test_every_table_has_as_many_cells_as_its_head(name):
    for table in re.findall(r"(?:^\|.*\|\n)+", read(name), flags=re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1, table


def test_the_three_lines_of_python_run():
    for name in READMES:
        (block,) = re.findall(r"```python\n(.*?)```", read(name), flags=re.DOTALL)
        found = {}
        exec(block, found)
        assert found["images"].shape == (16, 1, 28, 28)
        assert found["images"].dtype == "uint8"
