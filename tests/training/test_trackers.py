"""Pictures and the configuration reach those who track a run; the packages, extras, are played by lists here."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from ppsci_gan import plots
from ppsci_gan.training import trackers


class Writer:
    """VisualDL's, TensorBoard's or W&B's."""

    def __init__(self):
        self.pictures, self.rows, self.config = [], [], {}

    def add_image(self, name, pixels, step, dataformats):
        assert dataformats == "HWC"
        self.pictures.append((name, pixels, step))

    def log(self, row):
        self.rows.append(row)


@pytest.fixture
def picture(tmp_path):
    path = str(tmp_path / "samples.png")
    plots.save_enlarged_grid(np.arange(4 * 3 * 8 * 8, dtype="uint8").reshape([4, 3, 8, 8]), path)
    return path


def make_solver(**used):
    return SimpleNamespace(**{"vdl_writer": None, "tbd_writer": None, "wandb_writer": None, "global_step": 7, **used})


@pytest.mark.parametrize("name", ["vdl_writer", "tbd_writer"])
def test_a_picture_reaches_a_writer(picture, name):
    writer = Writer()
    trackers.add_picture(make_solver(**{name: writer}), "samples", picture)
    ((name, pixels, step),) = writer.pictures
    assert (name, step, pixels.dtype, pixels.ndim, pixels.shape[2]) == ("samples", 7, np.uint8, 3, 3)


def test_wandb_gets_pictures_and_the_configuration(picture, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(Image=np.asarray))
    writer = Writer()
    solver = make_solver(wandb_writer=writer)
    trackers.add_picture(solver, "samples", picture)
    trackers.add_configuration(solver, {"seed": 3})
    assert (writer.rows[0]["step"], writer.rows[0]["samples"].ndim, writer.config) == (7, 3, {"seed": 3})


def test_nobody_listens():
    trackers.add_picture(make_solver(), "samples", "no/such/file.png")
    trackers.add_configuration(make_solver(), {})
