"""The notebook runs from top to bottom as it is, and is small."""

import ast
import json

import numpy as np
import pytest

from ppsci_gan.files import REPOSITORY

NOTEBOOK = REPOSITORY / "docs" / "notebooks" / "first_samples.ipynb"
MOST_BYTES = 100_000


@pytest.fixture(scope="module")
def cells():
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert content["nbformat"] == 4
    return [cell for cell in content["cells"] if cell["cell_type"] == "code"]


def run(code, names):
    """Run a cell; gives the value of its last expression, which a notebook shows."""
    *statements, last = ast.parse(code).body
    is_value = isinstance(last, ast.Expr)
    exec(compile(ast.Module([*statements, *([] if is_value else [last])], []), "cell", "exec"), names)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names) if is_value else None


def test_every_cell_runs(cells, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    shown = [run("".join(cell["source"]), names) for cell in cells if "install" not in cell["metadata"].get("tags", [])]
    assert shown[0] == ((16, 1, 28, 28), np.dtype("uint8"))
    assert [value.size for value in shown[1:4]] == [(242, 62), (302, 32), (302, 32)]
    assert all(value.getextrema()[0] == 0 for value in shown[1:4])
    assert shown[4] > 0.98


def test_only_the_first_cell_installs(cells):
    installing = [cell for cell in cells if "pip install" in "".join(cell["source"])]
    assert installing == cells[:1]
    assert installing[0]["metadata"]["tags"] == ["install"]


def test_its_outputs_are_there_and_small(cells):
    kinds = [set(output["data"]) for cell in cells[1:] for output in cell["outputs"]]
    assert sum("image/png" in kind for kind in kinds) == 3
    assert not any(output["output_type"] in ("error", "stream") for cell in cells for output in cell["outputs"])
    assert NOTEBOOK.stat().st_size < MOST_BYTES
