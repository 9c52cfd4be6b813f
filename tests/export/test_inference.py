"""Exported generators: the same samples as the networks they came from, and what becomes of files that do not fit."""

import json

import numpy as np
import paddle
import pytest
from hydra import compose
from hydra import initialize_config_dir

from ppsci_gan import weights
from ppsci_gan.errors import InputError
from ppsci_gan.export import inference
from ppsci_gan.files import REPOSITORY
from ppsci_gan.networks import latent
from ppsci_gan.networks import wgangp

NETWORKS = {
    "toy": ("toy", "WganGpToyGenerator", ["MODEL.gen_net.dim=8"]),
    "mnist": ("mnist", "WganGpMnistGenerator", ["MODEL.gen_net.dim=2"]),
    "conditional": ("cifar10", "WganGpCifar10Generator", ["MODEL.gen_net.dim=4"]),
    "dcgan": ("cifar10", "WganGpCifar10DcganGenerator", ["preset=dcgan", "MODEL.gen_net.dim=4"]),
}


def config(name, folder, *overrides):
    places = [f"output_dir={folder}", f"INFER.export_path={folder}/generator"]
    with initialize_config_dir(str(REPOSITORY / "conf"), version_base=None):
        return compose(f"wgangp_{name}", ["device=cpu", *places, *overrides])


def randomise(generator):
    """Give every weight and statistic a value of its own, so that a forgotten one shows."""
    rng = np.random.default_rng(0)
    for name, value in generator.state_dict().items():
        if "published" not in name:
            positive = "_variance" in name
            drawn = rng.uniform(0.5, 1.5, value.shape) if positive else rng.normal(0, 0.3, value.shape)
            value.set_value(drawn.astype("float32"))


@pytest.fixture
def export(tmp_path, load_example):
    """``export(case)`` exports a generator as its script does; gives the configuration and the generator."""

    def run(case):
        name, network, overrides = NETWORKS[case]
        file = tmp_path / "weights.pdparams"
        cfg = config(name, tmp_path, f"INFER.pretrained_gen_model_path={file}", *overrides)
        script = load_example("wgangp", f"wgangp_{name}")
        generator = getattr(wgangp, network)(**cfg.MODEL.gen_net)
        randomise(generator)
        weights.save(generator, file)
        script.export(cfg)
        return cfg, generator

    return run


@pytest.mark.parametrize("case", NETWORKS)
def test_it_gives_the_samples_of_the_network(export, case):
    cfg, generator = export(case)
    inputs = latent.sample_fixed(generator, 7, seed=3)
    generator.eval()
    expected = generator({key: paddle.to_tensor(value) for key, value in inputs.items()})["fake_data"].numpy()
    assert expected.std() > 0.01
    predictor = inference.GeneratorPredictor(cfg, [type(generator)])
    assert predictor.generator.settings == generator.settings
    for batch_size in (1, 3, 7, 10):  # 3 leaves one for the last batch
        samples, report = predictor.generate(inputs, batch_size)
        np.testing.assert_allclose(samples, expected, rtol=1e-5, atol=1e-5)
        assert (report["images"], report["batch_size"]) == (7, batch_size)


def test_the_report_adds_up(export, tmp_path):
    cfg, generator = export("toy")
    predictor = inference.GeneratorPredictor(cfg, [type(generator)])
    _, report = predictor.generate(latent.sample_fixed(generator, 7, seed=0), 3)
    assert report["total_ms"] == pytest.approx(3 * report["ms_per_batch"])  # 3, 3 and 1
    assert report["images_per_second"] * report["total_ms"] / 1000 == pytest.approx(7)
    assert report["first_batch_ms"] > 0
    report["latency"] = predictor.measure_latency(5)
    assert [row["batch_size"] for row in report["latency"]] == [1, 4, 5]
    for row in report["latency"]:
        assert 0 < row["median_ms"] <= row["p95_ms"]
        assert row["images_per_second"] * row["median_ms"] / 1000 == pytest.approx(row["batch_size"])
        assert row["speedup"] * row["median_ms"] == pytest.approx(row["eager_median_ms"])
    inference.write_report(report, str(tmp_path / "new" / "time_result.json"))
    assert json.loads((tmp_path / "new" / "time_result.json").read_text()) == report


def test_onednn_computes_on_the_cpu(export):
    cfg, generator = export("conditional")
    assert inference.GeneratorPredictor(cfg, [type(generator)]).config.onednn_enabled()


def test_what_changed_since_the_export_is_noticed(export, tmp_path):
    cfg, _ = export("toy")
    file = tmp_path / "generator.pdiparams"
    file.write_bytes(bytes([file.read_bytes()[0] ^ 1]) + file.read_bytes()[1:])
    assert "generator.pdiparams: not the file whose SHA-256 is in" in refusal(cfg)


def test_the_users_own_file_needs_no_digest(export, tmp_path):
    cfg, generator = export("toy")
    (tmp_path / "generator.pdiparams").rename(tmp_path / "own.pdiparams")
    cfg.INFER.pdiparams_path = f"{tmp_path}/own.pdiparams"
    samples, _ = inference.GeneratorPredictor(cfg, [type(generator)]).generate(latent.sample_fixed(generator, 2, 0), 2)
    assert samples.shape == (2, 2)


# --- files that do not fit ---


def refusal(cfg, inputs=None, classes=(wgangp.WganGpToyGenerator, wgangp.WganGpCifar10Generator)):
    with pytest.raises(InputError) as error:
        inference.GeneratorPredictor(cfg, classes).generate(inputs, 2)
    return str(error.value)


@pytest.mark.parametrize(
    ("missing", "overrides"),
    [
        ("generator.json", []),
        ("generator.pdiparams", []),
        ("generator.onnx", ["INFER.engine=onnx"]),
        ("generator.network.yaml", []),
    ],
)
def test_missing_files_are_named(export, tmp_path, missing, overrides):
    export("toy")
    (tmp_path / missing).unlink(missing_ok=True)
    message = refusal(config("toy", tmp_path, *overrides))
    assert message.startswith(f"{tmp_path}/{missing}: no such file")
    assert "mode=export" in message
    assert "INFER.export_path" in message


@pytest.mark.parametrize(
    ("name", "keep"),
    [("generator.json", 50), ("generator.network.yaml", 50), ("generator.pdiparams", 0), ("generator.pdiparams", -1)],
)
def test_a_damaged_file_is_named(export, tmp_path, name, keep):
    cfg, _ = export("toy")
    file = tmp_path / name
    file.write_bytes(file.read_bytes()[:keep])  # Paddle itself does not notice that a last tensor is short
    message = refusal(cfg)
    assert str(file) in message
    assert "mode=export" in message


def test_a_description_of_another_network_is_refused(export):
    message = refusal(export("toy")[0], classes=[wgangp.WganGpMnistGenerator])
    assert "generator.network.yaml holds a WganGpToyGenerator; this takes WganGpMnistGenerator" in message


@pytest.mark.parametrize(
    "inputs",
    [
        {"noise": np.zeros((3, 128), "float32")},  # an unconditional generator's
        {"noise": np.zeros((3, 2), "float32"), "labels": np.zeros(3, "int64")},  # another latent
        {"noise": np.zeros((3, 128), "float32"), "labels": np.zeros(3, "int64"), "more": np.zeros(3, "float32")},
    ],
)
def test_a_generator_exported_with_other_settings_is_refused(export, inputs):
    message = refusal(export("conditional")[0], inputs)
    assert "damaged, or of another generator than its description says" in message
    assert "mode=export" in message
