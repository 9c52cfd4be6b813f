"""Images of an .onnx generator; the runtime, an extra, is played by NumPy here."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from ppsci_gan.errors import InputError
from ppsci_gan.evaluation import onnx_generator

LATENT = SimpleNamespace(name="z", type="tensor(float)", shape=["N", 4])
LABELS = SimpleNamespace(name="y", type="tensor(int32)", shape=["N", 1])


@pytest.fixture
def generator(tmp_path, monkeypatch):
    """``generator(compute, inputs, metadata)`` is the path of a file that computes this."""

    def make(compute, inputs=(LATENT,), metadata=()):
        class Session:
            sizes = []

            def __init__(self, path, providers):
                if not compute:
                    raise RuntimeError("protobuf parsing failed")

            def get_inputs(self):
                return inputs

            def get_modelmeta(self):
                return SimpleNamespace(custom_metadata_map=dict(metadata))

            def run(self, names, given):
                self.sizes.append(len(given["z"]))
                return [compute(**given)]

        monkeypatch.setitem(sys.modules, "onnxruntime", SimpleNamespace(InferenceSession=Session))
        path = tmp_path / "generator.onnx"
        path.write_text("onnx")
        return path, Session.sizes

    return make


def grey(value, shape=(1, 2, 2)):
    return lambda z, **_: np.full([len(z), *shape], value, np.float32) * np.linspace(0, 1, 4).reshape(shape)


def test_the_latents_are_the_seed_s(generator):
    path, _ = generator(lambda z: np.tanh(z).reshape([-1, 1, 2, 2]))
    first, again, other = (onnx_generator.sample(path, 5, seed).data for seed in (0, 0, 1))
    expected = np.tanh(np.random.default_rng(0).standard_normal((5, 4), dtype=np.float32))
    np.testing.assert_array_equal(first[:, 0].reshape([5, 4]), np.rint((expected + 1) * 127.5))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize(
    ("compute", "brightest"),
    [(grey(1.0), 255), (grey(255.0), 255), (grey(100.0), 100), (lambda z: -np.ones([len(z), 1, 2, 2], np.float32), 0)],
)
def test_the_range_is_recognised(generator, compute, brightest):
    path, _ = generator(compute)
    assert onnx_generator.sample(path, 3, 0).data.max() == brightest


def test_the_file_s_own_words_count_more(generator):
    words = {"black": "-1.0", "image_shape": "[3, 1, 4]", "label_num": "none", "author": "{"}
    path, _ = generator(lambda z: np.zeros([len(z), 12], np.float32), [LATENT], words)
    found = onnx_generator.sample(path, 2, 0).data
    assert found.shape == (2, 3, 1, 4)
    assert (found == 128).all()


def test_bytes_are_taken_as_they_are_with_the_channels_last(generator):
    path, _ = generator(lambda z: np.full([len(z), 2, 5, 3], 7, np.uint8))
    found = onnx_generator.sample(path, 3, 0).data
    assert found.shape == (3, 3, 2, 5)
    assert found.max() == 7


@pytest.mark.parametrize(("values", "shape"), [(784, (1, 28, 28)), (3072, (3, 32, 32))])
def test_flat_images_are_squares(generator, values, shape):
    path, _ = generator(lambda z: np.zeros([len(z), values], np.float32))
    assert onnx_generator.sample(path, 2, 0).data.shape == (2, *shape)


def test_a_file_of_a_fixed_batch(generator):
    path, sizes = generator(grey(1.0), [SimpleNamespace(name="z", type="tensor(float)", shape=[3, 4, 1, 1])])
    assert len(onnx_generator.sample(path, 7, 0).data) == 7
    assert sizes == [3, 3, 3]


@pytest.mark.parametrize(("classes", "metadata"), [(3, {}), (None, {"label_num": "3"})])
def test_classes_come_in_turn(generator, classes, metadata):
    path, _ = generator(lambda z, y: np.tile(y[:, :, None, None] / 3, [1, 1, 2, 2]), [LATENT, LABELS], metadata)
    found = onnx_generator.sample(path, 5, 0, classes)
    assert found.labels.tolist() == [0, 1, 2, 0, 1]
    assert found.data[:, 0, 0, 0].tolist() == [0, 85, 170, 0, 85]


@pytest.mark.parametrize(
    ("compute", "inputs", "message"),
    [
        (None, [LATENT], "damaged, or no ONNX file .protobuf parsing failed"),
        (grey(1.0), [LATENT, LABELS], "how many classes there are: add --classes N"),
        (grey(1.0), [LATENT, SimpleNamespace(**{**vars(LATENT), "name": "w"})], "a generator takes a latent"),
        (grey(1.0), [SimpleNamespace(name="x", type="tensor(float)", shape=["N", 3, "H", "W"])], "takes x float"),
        (grey(np.nan), [LATENT], "gives values from nan"),
        (grey(-40.0), [LATENT], "gives values from -40 to"),
        (lambda z: np.zeros([len(z), 7], np.float32), [LATENT], "7 values each, which are no square image"),
        (lambda z: np.zeros([len(z), 9, 9, 9], np.float32), [LATENT], "the shape is"),
        (lambda z: {}[0], [LATENT], "cannot be run"),
    ],
)
def test_what_is_no_generator(generator, compute, inputs, message):
    path, _ = generator(compute, inputs)
    with pytest.raises(InputError, match=message):
        onnx_generator.sample(path, 3, 0)


def test_the_extra_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"pip install 'ppsci-gan\[export\]'"):
        onnx_generator.sample(tmp_path / "a.onnx", 3, 0)


def test_a_missing_file(generator):
    path, _ = generator(grey(1.0))
    path.unlink()
    with pytest.raises(InputError, match="no such file"):
        onnx_generator.sample(path, 3, 0)
