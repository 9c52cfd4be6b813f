"""Data and weights that the WGAN-GP scripts cannot use: a message that names them, and nothing half-written."""

import gzip
import io
import pickle
import re
import shutil
import tarfile

import numpy as np
import pytest
from hydra import compose
from hydra import initialize_config_dir

from ppsci_gan import cli
from ppsci_gan import weights
from ppsci_gan.files import REPOSITORY
from ppsci_gan.networks import wgangp

TINY = ["MODEL.gen_net.dim=2", "MODEL.dis_net.dim=2", "TRAIN.batch_size=4", "TRAIN.epochs=1", "TRAIN.iters_per_epoch=1"]


def config(name, *overrides):
    with initialize_config_dir(str(REPOSITORY / "conf"), version_base=None):
        return compose(f"wgangp_{name}", ["device=cpu", *TINY, *overrides])


@pytest.fixture
def error_of(load_example, capsys):
    """``error_of(name, function, cfg)`` is the message with which a script's function ends, code 2."""

    def run(name, function, cfg):
        with pytest.raises(SystemExit) as end:
            cli.explain_errors(getattr(load_example("wgangp", f"wgangp_{name}"), function))(cfg)
        assert end.value.code == 2
        return re.search("^Error: .*", capsys.readouterr().err, re.DOTALL | re.MULTILINE).group()

    return run


def digits(num=8, width=784):
    rng = np.random.default_rng(0)
    return rng.random((num, width), np.float32), rng.integers(0, 10, num)


def mnist_file(path, **kwargs):
    path.write_bytes(gzip.compress(pickle.dumps([digits(**kwargs)] * 3)))
    return path


def cifar10_file(path, names, width=3072):
    content = pickle.dumps({b"data": np.zeros((8, width), np.uint8), b"labels": [0] * 8})
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


BATCHES = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]


def truncated(path):
    path.write_bytes(path.read_bytes()[:-200])
    return path


def text(path):
    path.write_text("<html>404 Not Found</html>" * 20)
    return path


DATA_FILES = {
    ("mnist", "missing"): (lambda path: path, "no such file.*f68b3c2dcbeaaa9fbdd348bbdeb94873"),
    ("mnist", "truncated"): (lambda path: truncated(mnist_file(path)), "truncated.*Get the file again"),
    ("mnist", "no gzip"): (text, "of another format.*Get the file again"),
    ("mnist", "wrong shape"): (lambda path: mnist_file(path, width=700), r"float32 \[8, 700\], not float32 \[N, 784\]"),
    ("mnist", "too few"): (lambda path: mnist_file(path, num=3), "TRAIN.batch_size=4 is more than .* 3 samples"),
    ("cifar10", "missing"): (lambda path: path, "no such file.*cs.toronto.edu.*c58f30108f718f92721af3b95e74349a"),
    ("cifar10", "truncated"): (lambda path: truncated(cifar10_file(path, BATCHES)), "truncated"),
    ("cifar10", "no gzip"): (text, "not a tar.gz file.*cs.toronto.edu"),
    ("cifar10", "no batches"): (lambda path: cifar10_file(path, ["a", "b"]), "lacks data_batch_1.*cs.toronto.edu"),
    ("cifar10", "wrong shape"): (
        lambda path: cifar10_file(path, BATCHES, width=300),
        r"uint8 \[8, 300\], not uint8 \[N, 3072\]",
    ),
}


@pytest.mark.parametrize(("name", "case"), DATA_FILES)
def test_data_that_cannot_be_used(tmp_path, error_of, name, case):
    make, expected = DATA_FILES[name, case]
    path = make(tmp_path / "data.gz")
    cfg = config(name, f"DATA.data_path={path}", f"output_dir={tmp_path}/run")
    message = error_of(name, "train", cfg)
    assert re.search(expected, message, re.DOTALL)
    assert case == "too few" or str(path) in message
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_data_path_must_be_set(tmp_path, error_of, name):
    cfg = config(name, "DATA.data_path=null", f"output_dir={tmp_path}/run")
    message = error_of(name, "train", cfg)
    assert re.match("Error: DATA.data_path is not set", message)
    assert not (tmp_path / "run").exists()


def test_batch_larger_than_the_toy_data(tmp_path, error_of):
    cfg = config("toy", "DATA.num_samples=3", "EVAL.num_samples=9", f"output_dir={tmp_path}/run")
    message = error_of("toy", "train", cfg)
    assert "TRAIN.batch_size=4 is more than the data set has, 3 samples" in message
    assert not (tmp_path / "run").exists()


@pytest.fixture
def weight_files(tmp_path, load_example):
    """Weights of toy generators of width 2 and 3, of an MNIST generator, and what is none."""
    model = wgangp
    for file, network in (
        ("sound", model.WganGpToyGenerator(["noise"], ["fake_data"], dim=2)),
        ("other_width", model.WganGpToyGenerator(["noise"], ["fake_data"], dim=3)),
        ("other_network", model.WganGpMnistGenerator(["noise"], ["fake_data"], dim=2)),
    ):
        weights.save(network, tmp_path / f"{file}.pdparams")
    text(tmp_path / "no_weights.pdparams")
    text(tmp_path / "no_checkpoint.safetensors")
    truncated(shutil.copy(tmp_path / "other_network.pdparams", tmp_path / "truncated.pdparams"))
    return tmp_path


WEIGHTS = [
    ("nothing.pdparams", "no such file of weights.* In that folder: .*sound.pdparams"),
    ("other_width.pdparams", "hidden.0.weight is .2, 3. in the file, .2, 2. here.*add MODEL.gen_net.dim=3"),
    ("other_network.pdparams", "another kind of network than MODEL.gen_net describes"),
    ("no_weights.pdparams", "damaged or of another format"),
    ("truncated.pdparams", "truncated"),
    ("no_checkpoint.safetensors", "not a checkpoint of this suite, or damaged"),
]


@pytest.mark.parametrize(
    ("function", "key", "file", "expected"),
    [
        (function, key, file, expected)
        for file, expected in WEIGHTS
        for function, key in (
            ("train", "TRAIN.pretrained_gen_model_path"),
            ("evaluate", "EVAL.pretrained_gen_model_path"),
            ("export", "INFER.pretrained_gen_model_path"),
        )
        if function == "train" or file != "other_width.pdparams"  # evaluation takes the width that the file shows
    ],
)
def test_weights_that_cannot_be_used(weight_files, error_of, function, key, file, expected):
    output_dir = weight_files / "run"
    cfg = config("toy", f"{key}={weight_files / file}", f"output_dir={output_dir}", f"INFER.export_path={output_dir}/x")
    message = error_of("toy", function, cfg)
    assert str(weight_files / file) in message
    assert re.search(expected, message, re.DOTALL)
    assert not output_dir.exists()


@pytest.mark.parametrize("file", ["nothing", "no_checkpoint.safetensors"])
def test_checkpoint_that_cannot_be_continued(weight_files, error_of, file):
    path = weight_files / file
    cfg = config("toy", f"TRAIN.checkpoint_path={path}", "EVAL.num_samples=9", f"output_dir={weight_files}/run")
    message = error_of("toy", "train", cfg)
    assert str(path) in message
    assert not (weight_files / "run").exists()


def test_inference_without_exported_files(tmp_path, error_of):
    cfg = config("toy", f"INFER.export_path={tmp_path}/generator", f"output_dir={tmp_path}/run")
    message = error_of("toy", "inference", cfg)
    assert f"{tmp_path}/generator.json: no such file. Export the generator first, with mode=export and" in message
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["MODEL.gen_net.normalize=false"], "use_label=true needs normalize=true"),
        (["MODEL.architecture=dcgan"], "set MODEL.gen_net.use_label=false"),
    ],
)
def test_networks_that_cannot_be_built(tmp_path, error_of, overrides, expected):
    path = cifar10_file(tmp_path / "data.tar.gz", BATCHES)
    cfg = config("cifar10", f"DATA.data_path={path}", f"output_dir={tmp_path}/run", *overrides)
    message = error_of("cifar10", "train", cfg)
    assert expected in message
    assert not (tmp_path / "run").exists()
