"""``ppsci_gan.load``: names, files and checkpoints to samples, and what is refused."""

import subprocess

import numpy as np
import paddle
import pytest
import warm

import ppsci_gan
from ppsci_gan import trained
from ppsci_gan import weights
from ppsci_gan.errors import InputError
from ppsci_gan.files import REPOSITORY
from ppsci_gan.networks.wgangp import WganGpToyGenerator
from ppsci_gan.weights import Checkpoint

GENERATORS = [name for name in weights.pretrained() if not name.startswith("classifier")]


@pytest.fixture(scope="module")
def digits():
    return ppsci_gan.load("dcgan_mnist")


@pytest.mark.parametrize("name", GENERATORS)
def test_every_pretrained_generator_draws(name):
    generator = ppsci_gan.load(name)
    samples = generator.sample(3, seed=1)
    if generator.image_shape:
        assert (samples.dtype, samples.shape) == (np.uint8, (3, *generator.image_shape))
        assert samples.std() > 10
    else:
        assert samples.shape == (3, 2)


def test_samples_are_the_seed_s_whatever_was_drawn_before(digits):
    first = digits.sample(4, labels=3, seed=0)
    np.testing.assert_array_equal(digits.sample(4, labels=3, seed=0), first)
    np.testing.assert_array_equal(digits.sample(4, labels=[3], seed=0), first)
    assert (digits.sample(4, labels=3, seed=1) != first).any()
    assert (digits.sample(4, labels=3, seed=0, truncation=0.5) != first).any()


def test_batches_make_no_difference(digits, monkeypatch):
    whole = digits.sample(7)
    monkeypatch.setattr(trained, "SAMPLES_AT_A_TIME", 3)
    np.testing.assert_allclose(digits.sample(7), whole, atol=1)  # of 255: sums are in another order


def test_given_latents_are_used(digits):
    noise = np.random.default_rng(0).standard_normal((2, 100), dtype=np.float32)
    np.testing.assert_array_equal(digits.generate(noise, [3, 3]), digits.sample(2, labels=3, seed=0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: g.sample(2, labels=10), r"labels=\[10\]: this generator has classes 0 to 9"),
        (lambda g: g.sample(2, labels=[-1, 3]), r"labels=\[-1, 3\]: this generator has classes 0 to 9"),
        (lambda g: g.sample(0), "draw at least one sample"),
        (lambda g: g.sample(2, seed=-1), "from a seed of 0 or more"),
        (lambda g: g.sample(2, truncation=0.0), "truncation=0.0: give at least 0.05"),
        (lambda g: g.generate(np.zeros([2, 99]), [1, 2]), r"shape \[2, 99\]; dcgan_mnist takes latents \[N, 100\]"),
        (lambda g: g.generate(np.zeros(100), [1]), r"takes latents \[N, 100\]"),
        (lambda g: g.generate(np.zeros([2, 100])), "give a class for each of 2"),
        (lambda g: g.generate(np.zeros([2, 100]), [1, 11]), "this generator has classes 0 to 9"),
    ],
)
def test_what_cannot_be_drawn(digits, call, message):
    with pytest.raises(InputError, match=message):
        call(digits)


def test_points_have_no_classes():
    with pytest.raises(InputError, match="this generator has no classes"):
        ppsci_gan.load("wgangp_toy_8gaussians").sample(2, labels=1)


def test_a_checkpoint_is_loaded_with_its_average(tmp_path):
    settings = {"input_keys": ["noise"], "output_keys": ["points"], "dim": 8}
    network = WganGpToyGenerator(**settings)
    arrays = {name: value.numpy() for name, value in network.state_dict().items()}
    checkpoint = Checkpoint({"iteration": 3, "seed": 0, "use": {"generator": "averaged"}})
    checkpoint.put("generator", arrays)
    checkpoint.put("averaged", {name: 0 * value for name, value in arrays.items()})
    checkpoint.state["networks"] = {"generator": {"class": "WganGpToyGenerator", "settings": settings}}
    checkpoint.write(tmp_path / "latest.safetensors")
    assert not ppsci_gan.load(str(tmp_path / "latest")).sample(3).any()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("dcgan_minst", "dcgan_minst: no such pretrained weights. There are: dcgan_mnist, "),
        ("no/such/file", "no/such/file: no such file of weights"),
        ("classifier_mnist", "holds no generator, only classifier"),
    ],
)
def test_what_cannot_be_loaded(name, message):
    with pytest.raises(InputError, match=message):
        ppsci_gan.load(name)


def test_weights_that_do_not_say_of_which_network(tmp_path):
    weights.save(paddle.nn.Linear(2, 3), tmp_path / "linear.pdparams")
    with pytest.raises(InputError, match="does not say which network it is of") as error:
        ppsci_gan.load(str(tmp_path / "linear.pdparams"))
    assert "Give a checkpoint or published weights" in str(error.value)


def run(folder, *arguments):
    line = [warm.python(), "-m", "ppsci_gan.commands.sample", *map(str, arguments)]
    done = subprocess.run(line, check=False, cwd=folder, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def test_the_command_writes_what_the_function_returns(tmp_path, digits):
    code, printed = run(tmp_path, "dcgan_mnist", "-n", 4, "--labels", 3, "--output", "digits.npz", "--device", "cpu")
    assert code == 0, printed
    np.testing.assert_allclose(np.load(tmp_path / "digits.npz")["images"], digits.sample(4, labels=3), atol=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dcgan_mnist", "--output", "a.jpg"], "--output a.jpg: name a .png file, an .npz file or a folder"),
        (["wgangp_toy_8gaussians", "--output", "folder"], "points are no images"),
        (["dcgan_mnist", "--labels", "12"], "classes 0 to 9"),
    ],
)
def test_what_the_command_refuses(tmp_path, arguments, message):
    code, printed = run(tmp_path, *arguments)
    assert code == 2
    assert f"{message}" in printed
    assert "Traceback" not in printed
    assert not list(tmp_path.iterdir())


def test_the_registry_has_every_file():
    listed = (REPOSITORY / "pretrained" / "SHA256SUMS").read_text().split()[1::2]
    assert sorted(listed) == sorted(file.name for file in weights.pretrained().values())


def test_a_damaged_file_is_noticed(tmp_path, monkeypatch):
    from ppsci_gan.weights import finding

    (tmp_path / "pretrained").mkdir()
    (tmp_path / "pretrained" / "a.safetensors").write_bytes(b"damaged")
    (tmp_path / "pretrained" / "SHA256SUMS").write_text(f"{'0' * 64}  a.safetensors\n")
    monkeypatch.setattr(finding, "REPOSITORY", tmp_path)
    with pytest.raises(InputError, match="a.safetensors: its SHA-256 is not that of SHA256SUMS .* --force-reinstall"):
        ppsci_gan.load("a")
