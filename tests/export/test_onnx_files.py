"""ONNX files: the network's own samples, metadata, a converter that may end its process, and no pip and no network."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import paddle
import pytest

from ppsci_gan import weights
from ppsci_gan.errors import InputError
from ppsci_gan.errors import TrainingError
from ppsci_gan.export import onnx_files
from ppsci_gan.export import writing
from ppsci_gan.files import REPOSITORY
from ppsci_gan.networks import dcgan
from ppsci_gan.networks import latent
from ppsci_gan.networks import pgan
from ppsci_gan.networks import wgangp

KEYS = ["noise", "labels"], ["fake_data"]


def make_pgan(scale):
    generator = pgan.PganGenerator(*KEYS, depths=[8, 8, 4], latent_dim=6, label_num=3, use_label=True)
    generator.grow(scale)
    return generator


GENERATORS = {
    "toy": lambda: wgangp.WganGpToyGenerator(*KEYS, dim=8),
    "mnist": lambda: wgangp.WganGpMnistGenerator(*KEYS, dim=2),
    "conditional": lambda: wgangp.WganGpCifar10Generator(*KEYS, dim=4, use_label=True),
    "dcgan": lambda: dcgan.DcganGenerator(*KEYS, [28, 28], [8, 4], hidden=8, channels=1, use_label=True),
    "pgan, 4 pixels": lambda: make_pgan(0),
    "pgan, 16 pixels": lambda: make_pgan(2),
}


def randomise(generator):
    """Give every weight and statistic a value of its own, so that a forgotten one shows."""
    rng = np.random.default_rng(0)
    for name, value in generator.state_dict().items():
        if "published" not in name and name != "growth":
            drawn = rng.uniform(0.5, 1.5, value.shape) if "_variance" in name else rng.normal(0, 0.3, value.shape)
            value.set_value(drawn.astype("float32"))
    return generator


@pytest.fixture(params=GENERATORS)
def generator(request):
    return randomise(GENERATORS[request.param]())


def session(path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra export")
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@pytest.mark.skipif(not all(map(onnx_files.importlib.util.find_spec, onnx_files.PACKAGES)), reason="extra export")
class TestConversion:
    def test_it_computes_what_the_network_does(self, generator, tmp_path):
        source = tmp_path / "weights.pdparams"
        weights.save(generator, source)
        writing.write(generator, str(tmp_path / "new" / "generator"), str(source), with_onnx=True)
        found = session(tmp_path / "new" / "generator.onnx")
        for size in (1, 3, 8):
            inputs = latent.sample_fixed(generator, size, seed=100 + size)
            expected = generator({key: paddle.to_tensor(value) for key, value in inputs.items()})["fake_data"].numpy()
            assert expected.std() > 0.01
            # Sums in another order; relative, because a linear last layer of random weights has no bounds.
            allowed = 1e-5 * max(1, np.abs(expected).max())
            np.testing.assert_allclose(found.run(["fake_data"], inputs)[0], expected, atol=allowed)
        metadata = found.get_modelmeta().custom_metadata_map
        metadata = {key: json.loads(value) for key, value in metadata.items()}
        assert metadata["class"] == type(generator).__name__
        assert metadata["settings"] == generator.settings
        assert (metadata["latent_dim"], metadata["label_num"]) == (generator.latent_dim, generator.label_num)
        assert metadata["source"]["sha256"] == writing.description.sha256(source)
        assert metadata.get("image_shape") == (list(getattr(generator, "image_shape", ())) or None)
        assert {value.shape[0] for value in (*found.get_inputs(), *found.get_outputs())} == {"batch"}

    def test_half_precision_halves_the_file(self, tmp_path):
        generator = randomise(wgangp.WganGpMnistGenerator(*KEYS, dim=8))
        # As published weights are, which are then not changed at all.
        weights.fill(generator, {k: v.numpy().astype("float16") for k, v in generator.state_dict().items()})
        sizes = []
        for half in (False, True):
            writing.write(generator, str(tmp_path / "generator"), with_onnx=True, half=half)
            sizes.append((tmp_path / "generator.onnx").stat().st_size)
        assert sizes[1] < 0.55 * sizes[0]
        run = session(tmp_path / "generator.onnx").run
        assert writing.measure_difference(generator, lambda inputs: run(None, inputs)[0], 4) < 1e-5

    def test_it_installs_and_fetches_nothing(self, tmp_path):
        """The export of a script, in processes that end at the first attempt; Polygraphy would install packages."""
        (tmp_path / "sitecustomize.py").write_text(
            "import os, sys\n"
            "def forbid(event, arguments):\n"
            "    words = ' '.join(map(str, arguments)) if event in ('import', 'subprocess.Popen') else ''\n"
            "    at_pip = 'pip' in words if event == 'subprocess.Popen' else words.startswith(('polygraphy', 'pip '))\n"
            "    if at_pip or event in ('socket.connect', 'socket.getaddrinfo'):\n"
            f"        open({str(tmp_path / 'attempts')!r}, 'a').write(f'{{event}} {{arguments}}\\n')\n"
            "        os._exit(77)\n"
            "sys.addaudithook(forbid)\n"
        )
        path = os.pathsep.join([str(tmp_path), str(REPOSITORY)])
        environment = {**os.environ, "PYTHONPATH": path}
        command = [sys.executable, "examples/dcgan/dcgan.py", "preset=mnist", "mode=export", "device=cpu"]
        command += ["INFER.with_onnx=true", f"INFER.export_path={tmp_path}/digits", f"output_dir={tmp_path}/run"]
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert not (tmp_path / "attempts").exists()
        assert (tmp_path / "digits.onnx").stat().st_size > 1e6


# --- without the extra ---


@pytest.fixture
def exported(tmp_path, monkeypatch):
    """``exported(code)`` exports a small network with this in the converter's place; gives the message."""
    monkeypatch.setattr(onnx_files, "PACKAGES", ())

    def export(code):
        monkeypatch.setattr(onnx_files, "_CONVERT", code)
        with pytest.raises(TrainingError) as error:
            writing.write(GENERATORS["toy"](), str(tmp_path / "generator"), with_onnx=True)
        return str(error.value)

    return export


@pytest.mark.parametrize(
    "code", ["import os; os.abort()", "raise SystemExit", "print('[ERROR] no such operator'); 1/0"]
)
def test_a_converter_that_ends_its_process(exported, tmp_path, code):
    message = exported(code)
    assert "generator.onnx: not written, paddle2onnx does not convert this generator" in message
    assert ("no such operator" in message) == ("no such" in code)
    names = {"generator.json", "generator.pdiparams", "generator.network.yaml", "generator.sha256"}
    assert {path.name for path in tmp_path.iterdir()} == names


def test_a_missing_extra_is_named_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_files, "PACKAGES", ("paddle", "no_such_package"))
    with pytest.raises(InputError, match=r"no_such_package, not installed here: pip install 'ppsci-gan\[export\]'"):
        writing.write(GENERATORS["toy"](), str(tmp_path / "new" / "generator"), with_onnx=True)
    assert not Path(tmp_path, "new").exists()
