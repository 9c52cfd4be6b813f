"""An ONNX file that lies is removed, one that does not is kept; the runtime, an extra, is played by Paddle here."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import paddle
import pytest

from ppsci_gan.errors import TrainingError
from ppsci_gan.export import onnx_files


class Generator(paddle.nn.Layer):
    input_keys, output_keys, latent_dim, label_num = ("noise", "labels"), ("fake_data",), 4, 3

    def forward(self, x):
        return {"fake_data": x["noise"] + x["labels"].astype("float32").unsqueeze(1)}


def runtime(error):
    """A module with a session that computes the generator's output plus an error."""

    class Session:
        def __init__(self, path, providers):
            assert Path(path).read_text() == "onnx"

        def get_inputs(self):
            return [SimpleNamespace(name="labels"), SimpleNamespace(name="noise")]

        def run(self, _, inputs):
            return [inputs["noise"] + inputs["labels"][:, None] + np.asarray(error, np.float32)]

    return SimpleNamespace(InferenceSession=Session)


@pytest.fixture
def file(tmp_path):
    (tmp_path / "generator.onnx").write_text("onnx")
    return tmp_path / "generator.onnx"


def test_a_faithful_file_is_kept(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", runtime(1e-5))
    onnx_files.check(Generator(), str(file))
    assert file.exists()


@pytest.mark.parametrize("error", [0.1, np.nan, np.zeros([2, 1, 1])])
def test_a_wrong_file_is_removed(file, monkeypatch, error):
    monkeypatch.setitem(sys.modules, "onnxruntime", runtime(error))
    with pytest.raises(TrainingError, match=r"generator\.onnx: the converted generator's samples differ"):
        onnx_files.check(Generator(), str(file))
    assert not file.exists()
