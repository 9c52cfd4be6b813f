"""What wrong input gets: one message that names file or key, exit code 1 or 2, and nothing half-written."""

import errno
import gzip
import io
import pickle
import re
import subprocess
import sys
import tarfile
import tempfile

import numpy as np
import pytest
from hydra import compose
from hydra import initialize_config_dir

from ppsci_gan import cli
from ppsci_gan import device
from ppsci_gan import weights
from ppsci_gan.errors import InputError
from ppsci_gan.files import REPOSITORY

TINY = ["MODEL.gen_net.dim=2", "MODEL.dis_net.dim=2", "TRAIN.batch_size=4", "TRAIN.epochs=1", "TRAIN.iters_per_epoch=1"]


def config(name, *overrides, with_hydra=False):
    with initialize_config_dir(str(REPOSITORY / "conf"), version_base=None):
        return compose(f"wgangp_{name}", ["device=cpu", *TINY, *overrides], return_hydra_config=with_hydra)


@pytest.fixture
def error_of(capsys):
    """``error_of(function, *args)`` is the message with which a command ends; it ends with exit code 2."""

    def run(function, *args):
        with pytest.raises(SystemExit) as end:
            function(*args)
        assert end.value.code == 2
        return re.search("^Error: .*", capsys.readouterr().err, re.DOTALL | re.MULTILINE).group()

    return run


# --- which errors are explained ---


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (InputError("DATA.data_path is not set."), "Error: DATA.data_path is not set.\n"),
        (FloatingPointError("critic/loss is no longer finite."), "Error: critic/loss is no longer finite.\n"),
        (ModuleNotFoundError("Please install 'wandb'"), "Error: Please install 'wandb'\n"),
        (PermissionError(errno.EACCES, "Permission denied", "out/a.png"), "Error: out/a.png: Permission denied.\n"),
        (OSError(errno.ENOSPC, "No space left on device"), "Error: No space left on device.\n"),
    ],
)
def test_explained(error_of, error, message):
    @cli.explain_errors
    def command():
        raise error

    assert error_of(command) == message


@pytest.mark.parametrize("error", [ValueError("bug"), KeyError("bug"), OSError("bug"), KeyboardInterrupt()])
def test_what_the_user_cannot_fix_keeps_its_traceback(error):
    @cli.explain_errors
    def command():
        raise error

    with pytest.raises(type(error)):
        command()


def test_a_command_that_works_is_left_alone():
    @cli.explain_errors
    def command(a, b=2):
        """Doc."""
        return a + b

    assert command(1, b=4) == 5
    assert (command.__name__, command.__doc__) == ("command", "Doc.")


# --- before Hydra makes a folder ---


def start(*overrides, name="toy"):
    cli.InitCallback().on_run_start(config(name, *overrides, with_hydra=True))


def test_good_configuration_passes_and_makes_its_folder(tmp_path):
    start(f"output_dir={tmp_path}/a/run")
    assert not list((tmp_path / "a" / "run").iterdir())


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("mode=evaluate", "mode=evaluate: .*'train', 'eval', 'export' or 'infer'"),
        (
            "TRAIN.lr_scheduler_gen.learning_rate=-1e-4",
            "TRAIN.lr_scheduler_gen.learning_rate=-0.0001: .*greater than 0",
        ),
        ("TRAIN.epochs=many", "TRAIN.epochs=many: .*valid integer"),
        ("+TRAIN.epoch=3", "TRAIN.epoch: unknown key. Did you mean epochs"),
        ("DATA.name=moons", "DATA.name=moons: .*'8gaussians', '25gaussians' or 'swissroll'"),
        ("device=tpu", "device=tpu: write auto, cpu, gpu, npu or xpu"),
        ("device=npu", "device=npu: .*paddle-custom-npu"),
        ("device=gpu:7", "device=gpu:7: .*nvidia-smi"),
        ("TRAIN.batch_size=${nothing}", "TRAIN.batch_size: Interpolation key 'nothing' not found"),
    ],
)
@pytest.mark.parametrize("event", ["on_run_start", "on_job_start"])  # a multi-run has only the second
def test_refused_configuration_leaves_no_folder(tmp_path, monkeypatch, error_of, event, override, expected):
    monkeypatch.setattr(device, "count", lambda kind: int(kind == "cpu"))
    cfg = config("toy", f"output_dir={tmp_path}/run", override, with_hydra=True)
    message = error_of(getattr(cli.InitCallback(), event), cfg)
    assert re.search(expected, message)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("mode", "group"), [("eval", "EVAL"), ("export", "INFER")])
def test_weights_must_be_set(tmp_path, error_of, mode, group):
    cfg = config("mnist", f"mode={mode}", f"output_dir={tmp_path}/run", with_hydra=True)
    assert f"{group}.pretrained_gen_model_path is not set" in error_of(cli.InitCallback().on_run_start, cfg)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["file", "file/run"])
def test_output_folder_that_cannot_be_made(tmp_path, error_of, place):
    (tmp_path / "file").write_text("mine")
    message = error_of(start, f"output_dir={tmp_path}/{place}")
    assert f"output_dir={tmp_path}/{place}: nothing can be written there" in message
    assert "Choose another folder" in message
    assert (tmp_path / "file").read_text() == "mine"


def test_output_folder_that_cannot_be_written(tmp_path, monkeypatch, error_of):
    """Permissions stop everybody but root, who may run the tests, so the refusal itself is put in place."""

    def refuse(dir):
        raise PermissionError(errno.EACCES, "Permission denied", dir)

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    message = error_of(start, f"output_dir={tmp_path}")
    assert message.startswith(f"Error: output_dir={tmp_path}: nothing can be written there (Permission denied).")


def test_an_unexpected_error_of_the_check_ends_the_process(tmp_path, monkeypatch, capsys):
    """Hydra would turn it into a warning and run what was not checked."""

    def fail(values):
        raise KeyError("bug")

    monkeypatch.setattr(cli.schema, "check", fail)
    with pytest.raises(SystemExit) as end:
        start(f"output_dir={tmp_path}/run")
    assert end.value.code == 1
    assert "KeyError: 'bug'" in capsys.readouterr().err


# --- data and weights, through the scripts' own functions ---


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
    ("mnist", "missing"): (lambda path: path, "no such file.*mnist.pkl.gz from http.*f68b3c2dcbeaaa9fbdd348bbdeb94873"),
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
def test_data_that_cannot_be_used(tmp_path, load_example, error_of, name, case):
    make, expected = DATA_FILES[name, case]
    path = make(tmp_path / "data.gz")
    cfg = config(name, f"DATA.data_path={path}", f"output_dir={tmp_path}/run")
    message = error_of(cli.explain_errors(load_example("wgangp", f"wgangp_{name}").train), cfg)
    assert re.search(expected, message, re.DOTALL)
    assert case == "too few" or str(path) in message
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_data_path_must_be_set(tmp_path, load_example, error_of, name):
    cfg = config(name, f"output_dir={tmp_path}/run")
    message = error_of(cli.explain_errors(load_example("wgangp", f"wgangp_{name}").train), cfg)
    assert re.match("Error: DATA.data_path is not set. Give .*http.*md5", message, re.DOTALL)
    assert not (tmp_path / "run").exists()


def test_batch_larger_than_the_toy_data(tmp_path, load_example, error_of):
    cfg = config("toy", "DATA.num_samples=3", "EVAL.num_samples=9", f"output_dir={tmp_path}/run")
    message = error_of(cli.explain_errors(load_example("wgangp", "wgangp_toy").train), cfg)
    assert "TRAIN.batch_size=4 is more than the data set has: 3 samples" in message
    assert not (tmp_path / "run").exists()


@pytest.fixture
def weight_files(tmp_path, load_example):
    """Weights of toy generators of width 2 and 3, of an MNIST generator, and what is none."""
    model = load_example("wgangp", "model")
    for file, network in (
        ("sound", model.WganGpToyGenerator(["noise"], ["fake_data"], dim=2)),
        ("other_width", model.WganGpToyGenerator(["noise"], ["fake_data"], dim=3)),
        ("other_network", model.WganGpMnistGenerator(["noise"], ["fake_data"], dim=2)),
    ):
        weights.save(network, tmp_path / f"{file}.pdparams")
    text(tmp_path / "no_weights.pdparams")
    text(tmp_path / "no_checkpoint.safetensors")
    truncated(weights_copy(tmp_path))
    return tmp_path


def weights_copy(folder):
    copy = folder / "truncated.pdparams"
    copy.write_bytes((folder / "other_network.pdparams").read_bytes())
    return copy


WEIGHTS = [
    ("nothing.pdparams", "no such file. In that folder: .*sound.pdparams"),
    ("other_width.pdparams", "hidden.0.weight is .2, 3. in the file, .2, 2. here.*add MODEL.gen_net.dim=3"),
    ("other_network.pdparams", "another kind of network than MODEL.gen_net describes"),
    ("no_weights.pdparams", "damaged or of another format"),
    ("truncated.pdparams", "truncated"),
    ("no_checkpoint.safetensors", "not a checkpoint of this suite, or damaged"),
]


@pytest.mark.parametrize(("file", "expected"), WEIGHTS)
@pytest.mark.parametrize(
    ("function", "key"),
    [
        ("train", "TRAIN.pretrained_gen_model_path"),
        ("evaluate", "EVAL.pretrained_gen_model_path"),
        ("export", "INFER.pretrained_gen_model_path"),
    ],
)
def test_weights_that_cannot_be_used(weight_files, load_example, error_of, function, key, file, expected):
    output_dir = weight_files / "run"
    cfg = config("toy", f"{key}={weight_files / file}", f"output_dir={output_dir}", f"INFER.export_path={output_dir}/x")
    message = error_of(cli.explain_errors(getattr(load_example("wgangp", "wgangp_toy"), function)), cfg)
    assert str(weight_files / file) in message
    assert re.search(expected, message, re.DOTALL)
    assert not output_dir.exists()


@pytest.mark.parametrize("file", ["nothing", "no_checkpoint.safetensors"])
def test_checkpoint_that_cannot_be_continued(weight_files, load_example, error_of, file):
    path = weight_files / file
    cfg = config("toy", f"TRAIN.checkpoint_path={path}", "EVAL.num_samples=9", f"output_dir={weight_files}/run")
    message = error_of(cli.explain_errors(load_example("wgangp", "wgangp_toy").train), cfg)
    assert str(path) in message
    assert not (weight_files / "run").exists()


def test_inference_without_exported_files(tmp_path, load_example, error_of):
    cfg = config("toy", f"INFER.export_path={tmp_path}/generator", f"output_dir={tmp_path}/run")
    message = error_of(cli.explain_errors(load_example("wgangp", "wgangp_toy").inference), cfg)
    assert f"{tmp_path}/generator.json: no such file. Export the generator first, with mode=export." in message
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["MODEL.gen_net.use_label=true", "MODEL.gen_net.normalize=false"], "use_label=true needs normalize=true"),
        (["MODEL.gen_net.use_label=true", "MODEL.architecture=dcgan"], "set MODEL.gen_net.use_label=false"),
    ],
)
def test_networks_that_cannot_be_built(tmp_path, load_example, error_of, overrides, expected):
    path = cifar10_file(tmp_path / "data.tar.gz", BATCHES)
    cfg = config("cifar10", f"DATA.data_path={path}", f"output_dir={tmp_path}/run", *overrides)
    message = error_of(cli.explain_errors(load_example("wgangp", "wgangp_cifar10").train), cfg)
    assert expected in message
    assert not (tmp_path / "run").exists()


# --- as a user sees it ---


def shell(folder, script, *arguments):
    """Run an example from another folder; gives exit code, what was printed and the files left."""
    process = subprocess.run(
        [sys.executable, str(REPOSITORY / "examples" / "wgangp" / f"wgangp_{script}.py"), *arguments, "device=cpu"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    left = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    assert "Traceback" not in process.stdout + process.stderr
    return process.returncode, process.stdout + process.stderr, left


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["TRAIN.lr=1"], 1, "Could not override 'TRAIN.lr'"),
        (["preset=fast"], 1, "Could not find 'preset/fast'.*none.*quick"),
        (["mode=evaluate", "TRAIN.epochs=many"], 2, "Error: .*mode=evaluate: .*TRAIN.epochs=many: "),
        (["output_dir=file/run"], 2, "Error: output_dir=file/run: nothing can be written there"),
    ],
)
def test_refused_command_line_leaves_nothing(tmp_path, arguments, code, expected):
    (tmp_path / "file").write_text("mine")
    returned, printed, left = shell(tmp_path, "toy", *arguments)
    assert returned == code
    assert re.search(expected, printed, re.DOTALL)
    assert left == {"file"}


def test_every_job_of_a_multi_run_is_checked(tmp_path):
    arguments = ["--multirun", "TRAIN.batch_size=-1,-2", f"hydra.sweep.dir={tmp_path}/sweep"]
    code, printed, left = shell(tmp_path, "toy", *arguments)
    assert code == 2
    assert "TRAIN.batch_size=-1: " in printed
    assert not any(file.startswith("outputs") for file in left)


def test_missing_data_leaves_only_the_log(tmp_path):
    code, printed, left = shell(tmp_path, "mnist", "output_dir=run", "DATA.data_path=mnist.pkl.gz")
    assert code == 2
    assert "Error: DATA.data_path=mnist.pkl.gz: no such file or folder." in printed
    assert {file for file in left if "/.hydra/" not in file} == {"run/train.log"}
