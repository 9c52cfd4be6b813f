"""A small, fixed part of ``soak/bad_files.py``: no bad file is run, waited for, believed or answered by a traceback."""

import random
import runpy

import pytest

from ppsci_gan.files import REPOSITORY

NAMES = ["mnist.pkl.gz", "cifar-10 archive", "npz", "pictures", "pyramid.json", "pth", "cached features", "YAML"]


@pytest.fixture(scope="module")
def soak():
    return runpy.run_path(str(REPOSITORY / "soak" / "bad_files.py"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.timeout(60)
def test_bad_files_are_refused(soak, name):
    reader = next(reader for reader in soak["READERS"] if reader.name == name)._replace(bombs=list)
    found = list(soak["try_reader"](reader, 12, random.Random(1)))
    assert len(found) == 12
    assert {kind for kind, _ in found} <= {"refused", "same", "unseen"}, [said for _, said in found if said]
    assert sum(kind == "refused" for kind, _ in found) >= 4


def test_what_goes_wrong_is_seen(soak, tmp_path, monkeypatch):
    """What never finds anything could be blind."""
    monkeypatch.setitem(soak["watch"].__globals__, "SECONDS", 1)
    reader = soak["Reader"]("text", lambda folder: folder / "a", lambda path: path.read_text(), True)
    write = reader._replace(write=lambda folder: (folder / "a").write_text("good") and folder / "a")
    kinds = {kind for kind, _ in soak["try_reader"](write, 8, random.Random(1))}
    assert {"other", "slow"} <= kinds  # another text; a pipe
    wrong = write._replace(read=lambda path: int(path.read_text() == "good") / (path.stat().st_size == 4))
    assert "traceback" in {kind for kind, _ in soak["try_reader"](wrong, 8, random.Random(1))}
