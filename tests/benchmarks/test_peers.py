"""The PyTorch peers train as our examples do: twenty iterations from the same weights, on the same numbers."""

import os
import subprocess
import sys

import numpy as np
import paddle
import pytest

torch = pytest.importorskip("torch")

from in_torch import samples  # noqa: E402 - needs PyTorch
from in_torch import trainer  # noqa: E402
from ours import build_solver  # noqa: E402
from ours import configuration  # noqa: E402
from peers import training  # noqa: E402
from workloads import both  # noqa: E402
from workloads import named  # noqa: E402

from ppsci_gan.files import REPOSITORY  # noqa: E402
from ppsci_gan.training import Phase  # noqa: E402

ITERATIONS = 20
# In double precision: in single, rounding decides where weights go that have hardly any gradient, as the size of Adam's
# steps does not depend on it. What remains is what Paddle keeps in single precision all the same, Adam's betas and the
# normalisations' epsilon: 3e-8 of their values, in each of a hundred updates.
RELATIVE = 1e-5
CASES = {
    "toy": ("toy", ["TRAIN.gen_batch_multiple=2", "LOSS.penalty_interval=2", "LOSS.penalty_one_sided=true"]),
    "mnist": ("mnist", []),
    "cifar10_dcgan": ("cifar10_dcgan", ["TRAIN.n_critic=2"]),
    "cifar10_resnet": ("cifar10_resnet", ["TRAIN.n_critic=2"]),
    "conditional": (
        "cifar10_resnet",
        ["MODEL.gen_net.use_label=true", "MODEL.dis_net.normalize=true", "TRAIN.n_critic=1"],
    ),
    "critic sees labels": (
        "cifar10_resnet",
        [
            "MODEL.gen_net.use_label=true",
            "MODEL.dis_net.normalize=true",
            "MODEL.dis_net.acgan=false",
            "TRAIN.n_critic=1",
        ],
    ),
    "transfer_64": ("transfer_64", ["TRAIN.n_critic=1", "TRAIN.batch_size=2"]),
    "conditional transfer_64": (
        "transfer_64",
        ["MODEL.gen_net.use_label=true", "MODEL.gen_net.label_num=5", "TRAIN.n_critic=1", "TRAIN.batch_size=2"],
    ),
    "dcgan_faces": ("dcgan_faces", ["LOSS.real_target=0.9"]),
    "conditional DCGAN": ("dcgan_faces", ["MODEL.gen_net.use_label=true", *both("hidden=6")]),
    "pgan": ("pgan_4", []),
    "conditional PGAN": ("pgan_8", ["MODEL.gen_net.use_label=true"]),
    "PGAN of pytorch_GAN_zoo": (
        "pgan_4",
        ["MODEL.gen_net.scale_bias=true", "MODEL.gen_net.he_everywhere=true", "MODEL.dis_net.consecutive_groups=true"],
    ),
}


class Replayed:
    """Numbers that Paddle drew, once more."""

    def __init__(self, drawn):
        self.drawn = {name: iter(values) for name, values in drawn.items()}

    def noise(self, *_):
        return torch.tensor(next(self.drawn["randn"]))

    def labels(self, *_):
        return torch.tensor(next(self.drawn["randint"]))

    def shares(self, *_):
        return torch.tensor(next(self.drawn["rand"]))


@pytest.fixture
def drawn(monkeypatch):
    """Arrays that Paddle drew, by the function's name."""
    found = {"randn": [], "rand": [], "randint": []}

    def recording(name):
        draw = getattr(paddle, name)

        def recorded(*args, **kwargs):
            values = draw(*args, **kwargs)
            found[name].append(values.numpy())
            return values

        return recorded

    for name in found:
        monkeypatch.setattr(paddle, name, recording(name))
    return found


@pytest.fixture
def taken(monkeypatch):
    """Batches of real data that a solver took; they are in double precision, too."""
    read, found = Phase.read, []

    def of_doubles(self, indices):
        outputs, labels = read(self, indices)
        outputs = {key: value.astype("float64") for key, value in outputs.items()}
        if outputs:
            found.append({**outputs, **labels})
        return outputs, labels

    monkeypatch.setattr(Phase, "read", of_doubles)
    return found


@pytest.fixture
def built(data, float64):
    """``built(name, overrides)`` is a workload, small and in double precision: itself, our solver and its peer."""

    def build(name, overrides):
        workload = named(name)
        given = [*workload.small, "TRAIN.epochs=1", f"TRAIN.iters_per_epoch={ITERATIONS}"]
        given += ["TRAIN.ema.use_ema=true", "TRAIN.ema.decay=0.9", *overrides]
        given += ["DATA.dequantize=false"] if name == "cifar10_resnet" else []
        cfg = configuration(workload, data, given)
        solver = build_solver(workload, cfg)
        return workload, solver, trainer(workload, solver, cfg, dtype=torch.float64)

    return build


def assert_close(ours, theirs, what, least=0.0):
    """Biases before a normalisation have no gradient but rounding: they stay far below ``least``, a single step."""
    ours, theirs = (np.asarray(values, np.float64) for values in (ours, theirs))
    difference, largest = np.abs(ours - theirs).max(), max(np.abs(ours).max(), least)
    assert difference <= RELATIVE * largest, f"{what}: {difference} of {largest}"


@pytest.mark.parametrize("case", CASES)
def test_twenty_iterations_equal_ours(case, taken, drawn, built):
    workload, solver, peer = built(*CASES[case])
    for values in (taken, *drawn.values()):
        values.clear()  # those of building and trying
    ours = [{name: float(of[-1]) for name, of in solver.run_iteration().items()} for _ in range(ITERATIONS)]

    peer.draws, batches = Replayed(drawn), iter(taken)

    def next_batch():
        batch = next(batches)
        return samples(workload, batch["real_data"]), torch.tensor(
            batch["labels"].numpy()
        ) if "labels" in batch else None

    for number, mine in enumerate(ours):
        theirs = {name: float(value) for name, value in peer.iterate(next_batch).items()}
        for name, value in theirs.items():
            assert_close(mine[name], value, f"{name} of iteration {number}")
    for player, state in ((solver.generator, peer.generator), (solver.players["critic"], peer.critic)):
        arrays = training.to_arrays(state)
        for name, value in player.state_dict().items():
            assert_close(value.numpy(), arrays[name], name, least=peer.settings.rates[0])
    averages = {name: value.numpy() for name, value in solver.ema_model.params_shadow.items()}
    for name, value in peer.average.items():
        assert_close(averages[name], value.numpy(), f"average of {name}", peer.settings.rates[0])


def test_peers_need_no_paddle():
    """They train on machines that have PyTorch alone, from arrays by our names, and give such arrays back."""
    code = """
import sys
sys.modules["paddle"] = None  # importing it fails
import numpy as np
from peers import losses, toy, training

def arrays(outputs):
    widths = [2, 4, 4, 4, outputs]
    names = [f"hidden.{number}" for number in range(3)] + ["output"]
    weights = {f"{name}.weight": np.full([i, o], 0.1, "float32") for name, i, o in zip(names, widths, widths[1:])}
    return {**weights, **{f"{name}.bias": np.zeros(o, "float32") for name, o in zip(names, widths[1:])}}

states = [training.copy_state(arrays(outputs)) for outputs in (2, 1)]
settings = training.Settings(latent_dim=2, batch_size=4)
trainer = training.Trainer(toy.generator, toy.critic, *states, losses.WassersteinGP(), settings, training.Draws(0))
trainer.iterate(lambda: (trainer.draws.noise(4, 2), None))
found = training.to_arrays(states[0])
assert list(found) == list(arrays(2))
assert any((found[name] != value).any() for name, value in arrays(2).items())
"""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "benchmarks")}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
