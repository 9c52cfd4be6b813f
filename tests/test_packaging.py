"""The files around the code agree with each other and with it."""

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import ppsci_gan

ROOT = Path(__file__).parents[1]
PYTHONS = ["3.10", "3.11", "3.12"]


def environment(python: str, extra: str = "") -> dict[str, str]:
    return {"python_version": python, "python_full_version": f"{python}.9", "extra": extra}


def locked(python: str) -> dict[str, str]:
    """Name to exact version, of the lines of constraints.txt that hold for this Python."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {
        canonicalize_name(requirement.name): str(requirement.specifier).removeprefix("==")
        for requirement in requirements
        if not requirement.marker or requirement.marker.evaluate(environment(python))
    }


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("extra", ["", "dev", "docs", "export", "parity"])
def test_constraints_hold_every_dependency_within_its_range(python, extra):
    requirements = [Requirement(text) for text in metadata.requires("ppsci-gan")]
    asked = [r for r in requirements if not r.marker or r.marker.evaluate(environment(python, extra))]
    versions = locked(python)
    assert len(asked) > 10
    for requirement in asked:
        assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)]), requirement


def test_paddle_and_numpy_are_those_the_suite_was_measured_with():
    for python in PYTHONS:
        versions = locked(python)
        assert versions["paddlepaddle"].startswith("3.3.")
        assert versions["paddlesci"].startswith("1.4.")
        assert versions["numpy"].startswith("1.26.")


def test_versions_agree():
    assert metadata.version("ppsci-gan") == ppsci_gan.__version__


def test_pre_commit_runs_the_locked_ruff():
    pinned = re.search(r"ruff-pre-commit\s+rev: v([\d.]+)", (ROOT / ".pre-commit-config.yaml").read_text())
    assert pinned[1] == locked("3.12")["ruff"]


def test_every_public_module_has_its_api_page():
    pages = "\n".join(page.read_text() for page in (ROOT / "docs" / "api").glob("*.md"))
    documented = set(re.findall(r"^::: (ppsci_gan[\w.]*)", pages, flags=re.MULTILINE))
    files = (file.relative_to(ROOT).with_suffix("") for file in (ROOT / "ppsci_gan").rglob("[!_]*.py"))
    assert {".".join(file.parts) for file in files} == documented


def test_tutorials_show_sections_of_the_code():
    marker = re.compile(r'^ *--8<-- "([^":]+)(?::(\w+))?"$', flags=re.MULTILINE)
    for page in (ROOT / "docs" / "examples").glob("*.md"):
        text = page.read_text()
        assert len(marker.findall(text)) > 5, page
        assert "8 <" not in text, page  # a formatter takes a marker for Python
        for file, section in marker.findall(text):
            assert not section or f"# --8<-- [start:{section}]" in (ROOT / file).read_text(), (page, file, section)


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, ppsci_gan; sys.exit('paddle' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_examples_modules_are_forgotten_between_examples(load_example, tmp_path, monkeypatch):
    for example in ("first", "second"):
        (tmp_path / example).mkdir()
        (tmp_path / example / "model.py").write_text(f"NAME = '{example}'\n")
    monkeypatch.setitem(load_example.__globals__, "EXAMPLES", tmp_path)
    first = load_example("first", "model")
    assert load_example("first", "model") is first
    assert (first.NAME, load_example("second", "model").NAME) == ("first", "second")
