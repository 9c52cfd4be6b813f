"""AdversarialSolver: phases, what learns when, moving average, checkpoints, resuming."""

import json
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import paddle
import ppsci
import pytest
import warm
from hydra import compose
from hydra import initialize_config_dir
from ppsci.data.dataset import NamedArrayDataset

from ppsci_gan import weights
from ppsci_gan.errors import InputError
from ppsci_gan.files import REPOSITORY
from ppsci_gan.losses import GradientPenalty
from ppsci_gan.losses import Objective
from ppsci_gan.training.average import GeneratorAverage
from ppsci_gan.training.phases import Phase
from ppsci_gan.training.solver import AdversarialSolver
from ppsci_gan.training.solver import Score

TINY = [
    "DATA.num_samples=100",
    "MODEL.gen_net.dim=8",
    "MODEL.dis_net.dim=8",
    "TRAIN.batch_size=16",
    "TRAIN.epochs=2",
    "TRAIN.iters_per_epoch=6",
    "TRAIN.n_critic=2",
    "TRAIN.eval_during_train=false",
    "TRAIN.sample_freq=0",
    "TRAIN.ema.use_ema=true",
    "TRAIN.ema.decay=0.9",
    "TRAIN.lr_scheduler_gen.learning_rate=1e-3",
    "TRAIN.lr_scheduler_gen.end_lr=0",
    "EVAL.num_samples=64",
    "EVAL.batch_size=64",
    "VIS.num_images=20",
    "log_freq=4",
    "device=cpu",
]


def config(output_dir, *overrides):
    with initialize_config_dir(str(REPOSITORY / "conf"), version_base=None):
        return compose("wgangp_toy", [*TINY, f"output_dir={output_dir}", *overrides])


@pytest.fixture
def train(load_example, plain_curves):
    """Train the toy example in this process and return the solver, taken when it starts to train."""
    script = load_example("wgangp", "wgangp_toy")

    def run(output_dir, *overrides, **attributes):
        made, codes = [], []

        class Recorded(AdversarialSolver):
            def train(self):
                made.append(self)
                for name, value in attributes.items():
                    setattr(self, name, value)
                super().train()

        original, script.AdversarialSolver = script.AdversarialSolver, Recorded
        paddle.seed(0)
        try:
            script.train(config(output_dir, *overrides))
        except SystemExit as stop:
            codes.append(stop.code)
        finally:
            script.AdversarialSolver = original
        assert codes == [130] * made[0].interrupted
        return made[0]

    return run


def latest(run):
    return weights.read_checkpoint(run / "checkpoints" / "latest")


def assert_same_checkpoint(first, second):
    (tensors, state), (other_tensors, other_state) = latest(first), latest(second)
    assert set(tensors) == set(other_tensors)
    for name, value in tensors.items():
        np.testing.assert_array_equal(value, other_tensors[name], err_msg=name)
    assert state == other_state


@pytest.mark.parametrize("stop", [3, 6, 7])
def test_resumed_run_is_bit_identical(train, tmp_path, stop):
    train(tmp_path / "whole")
    stopper = {"train_epoch_func": stopping_at(stop)}
    train(tmp_path / "stopped", **stopper)
    assert latest(tmp_path / "stopped")[1]["iteration"] == stop
    train(tmp_path / "resumed", f"TRAIN.checkpoint_path={tmp_path}/stopped/checkpoints/latest")
    assert_same_checkpoint(tmp_path / "whole", tmp_path / "resumed")


def stopping_at(iteration):
    """An epoch function that is interrupted, as by Ctrl-C, in the middle of an iteration."""
    from ppsci_gan.training.solver import train_epoch

    def epoch(solver, epoch_id, log_freq):
        run_iteration = solver.run_iteration

        def interrupted():
            if solver.global_step + 1 == iteration:
                signal.raise_signal(signal.SIGINT)
            return run_iteration()

        solver.run_iteration = interrupted
        train_epoch(solver, epoch_id, log_freq)
        solver.run_iteration = run_iteration

    return epoch


def test_resumed_run_is_bit_identical_across_processes(tmp_path):
    """Other layers are built first in the second process, so Paddle's automatic parameter names differ."""
    program = (
        f"import sys; root = {str(REPOSITORY)!r}\n"
        "sys.path[:0] = [root, root + '/tests', root + '/tests/training', root + '/examples/wgangp']\n"
        "import paddle\n"
        "from test_solver import config\n"
        "[paddle.nn.Linear(2, 2) for _ in range(int(sys.argv[2]))]\n"
        "paddle.seed(0)\n"
        "import wgangp_toy\n"
        "wgangp_toy.train(config(sys.argv[1], *sys.argv[3:]))\n"
    )

    def run(name, layers, *overrides):
        command = [warm.python(), "-c", program, str(tmp_path / name), str(layers), *overrides]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr

    run("whole", 0)
    run("half", 0, "TRAIN.save_freq=1")
    run("resumed", 3, f"TRAIN.checkpoint_path={tmp_path}/half/checkpoints/epoch_1")
    assert_same_checkpoint(tmp_path / "whole", tmp_path / "resumed")


def test_same_seed_same_run_and_other_seed_another(train, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(tmp_path / name, f"seed={seed}")
    assert_same_checkpoint(tmp_path / "a", tmp_path / "b")
    assert any((latest(tmp_path / "a")[0][k] != v).any() for k, v in latest(tmp_path / "c")[0].items())


class Line(ppsci.arch.Arch):
    """y = w x, in one dimension."""

    def __init__(self, input_key, output_key, slope):
        super().__init__()
        self.input_keys, self.output_keys = (input_key,), (output_key,)
        self.latent_dim, self.label_num = 1, 0
        self.slope = self.create_parameter([1], default_initializer=paddle.nn.initializer.Constant(slope))

    def forward(self, x):
        return {self.output_keys[0]: x[self.input_keys[0]] * self.slope}


def line_solver(tmp_path, *overrides, n_critic=2, penalty_weight=0.0):
    """A generator and a critic of one parameter each, trained by gradient descent: arithmetic that fits in the head."""
    generator, critic = Line("noise", "fake_data", 1.0), Line("data", "score", 0.5)
    penalty = GradientPenalty(penalty_weight)
    objective = Objective(lambda x: {"score": critic(x)["score"][:, 0]}, penalty=penalty)
    dataset = NamedArrayDataset({"data": np.full([10, 1], 3.0, "float32")}, {})
    descent = [paddle.optimizer.SGD(0.1, parameters=player.parameters()) for player in (critic, generator)]
    phases = [
        Phase("critic", critic, descent[0], objective.critic_loss, 5, n_critic, dataset, lambda batch: batch["data"]),
        Phase("generator", generator, descent[1], objective.generator_loss, 5),
    ]
    solver = AdversarialSolver(generator, phases, score=Score("x.y", True), cfg=config(tmp_path, *overrides))
    solver._open_data()
    return solver, generator, critic


def test_iteration_is_the_arithmetic_of_its_phases(tmp_path, monkeypatch):
    """Noise fixed at 2: critic's gradient is mean(fake) - mean(real), generator's is -slope * noise."""
    monkeypatch.setattr("ppsci_gan.networks.latent.paddle.randn", lambda shape: paddle.full(shape, 2.0))
    solver, generator, critic = line_solver(tmp_path)
    terms = solver.run_iteration()
    slope = 0.5 - 2 * 0.1 * (2.0 - 3.0)
    assert critic.slope.item() == pytest.approx(slope)
    assert generator.slope.item() == pytest.approx(1.0 + 0.1 * slope * 2.0)
    assert [float(value) for value in terms["critic/wasserstein"]] == pytest.approx([0.5, 0.5 + 0.1])
    assert [float(value) for value in terms["generator/loss"]] == pytest.approx([-slope * 2.0])
    assert solver.updates.counts == {"critic": 2, "generator": 1}
    assert solver.global_step == 1


def test_only_the_learning_player_gets_gradients(tmp_path):
    solver, generator, critic = line_solver(tmp_path)
    seen = []
    for phase in solver.phases:
        step = phase.optimizer.step
        phase.optimizer.step = lambda step=step, name=phase.name: (
            seen.append((name, critic.slope.grad is not None, generator.slope.grad is not None)),
            step(),
        )
    solver.run_iteration()
    assert seen == [("critic", True, False), ("critic", True, False), ("generator", False, True)]
    assert not critic.slope.stop_gradient
    assert not generator.slope.stop_gradient


def test_average_follows_its_formula_with_buffers(tmp_path):
    norm = paddle.nn.BatchNorm1D(2)
    average = GeneratorAverage(norm, decay=0.9)
    expected = {name: value.numpy().copy() for name, value in norm.state_dict().items()}
    for _ in range(3):
        norm(paddle.randn([8, 2]) + 5.0)
        norm.weight.set_value(norm.weight + 1.0)
        average.update()
        for name, value in norm.state_dict().items():
            expected[name] = 0.9 * expected[name] + 0.1 * value.numpy()
    for name, value in expected.items():
        np.testing.assert_allclose(average.params_shadow[name].numpy(), value, rtol=1e-6)
    assert not np.allclose(average.params_shadow["_mean"].numpy(), 0.0)


def test_averaged_weights_are_lent_and_given_back(tmp_path):
    solver, generator, _ = line_solver(tmp_path)
    solver.run_iteration()
    raw = generator.slope.item()
    with solver.averaged():
        assert generator.slope.item() == pytest.approx(0.9 * 1.0 + 0.1 * raw)
    assert generator.slope.item() == raw


@pytest.mark.parametrize(("higher", "best"), [(True, 3.0), (False, 1.0)])
def test_best_follows_the_scores_direction(tmp_path, monkeypatch, higher, best):
    solver, _, _ = line_solver(tmp_path, "TRAIN.ema.use_ema=false")
    solver.score = Score("x.y", higher)
    for value in (2.0, 3.0, 1.0, 2.5):
        monkeypatch.setattr(solver, "eval", lambda epoch, value=value: (0.0, {"x": {"y": value}}))
        solver.global_step = int(10 * value)
        solver._evaluate_and_keep_best(1)
    assert solver.best["raw"] == best
    assert weights.read_checkpoint(tmp_path / "checkpoints" / "best")[1]["iteration"] == int(10 * best)


def test_best_averaged_keeps_the_raw_weights_beside(tmp_path, monkeypatch):
    """A run can go on from it, and evaluation takes the average."""
    solver, generator, _ = line_solver(tmp_path)
    solver.run_iteration()
    monkeypatch.setattr(solver, "eval", lambda epoch: (0.0, {"x": {"y": generator.slope.item()}}))
    solver._evaluate_and_keep_best(1)
    tensors, _ = weights.read_checkpoint(tmp_path / "checkpoints" / "best_averaged")
    average = 0.9 * 1.0 + 0.1 * generator.slope.item()
    assert solver.best == {"raw": generator.slope.item(), "averaged": pytest.approx(average)}
    assert tensors["generator/slope"] == generator.slope.item()
    assert weights.read(str(tmp_path / "checkpoints/best_averaged"), "generator")["slope"] == pytest.approx(average)
    assert weights.read(str(tmp_path / "checkpoints/best"), "generator")["slope"] == generator.slope.item()


def test_not_finite_loss_ends_the_run_and_keeps_the_checkpoint(tmp_path):
    solver, generator, critic = line_solver(tmp_path, "log_freq=1")
    solver.train_epoch_func(_prepared(solver), 1, 1)
    solver.save_checkpoint("latest")
    critic.slope.set_value(paddle.to_tensor([np.nan]))
    with pytest.raises(FloatingPointError, match="critic/loss.*iteration 7"):
        solver.train_epoch_func(solver, 2, 1)
    assert np.isfinite(latest(tmp_path)[0]["critic/slope"]).all()


def _prepared(solver):
    solver.max_steps = solver.epochs * solver.iters_per_epoch
    return solver


def test_scalars_hold_what_was_logged_and_follow_a_resume(train, tmp_path):
    train(tmp_path, train_epoch_func=stopping_at(5))
    train(tmp_path, f"TRAIN.checkpoint_path={tmp_path}/checkpoints/latest")
    rows = [json.loads(line) for line in (tmp_path / "scalars.jsonl").read_text().splitlines()]
    assert [row["iteration"] for row in rows] == [1, 4, 5, 6, 8, 12]
    assert {"critic/loss", "critic/wasserstein", "critic/penalty", "generator/loss", "lr/critic"} <= set(rows[0])
    assert rows[0]["critic/loss"] == pytest.approx(rows[0]["critic/penalty"] - rows[0]["critic/wasserstein"], abs=1e-5)


@pytest.mark.parametrize(
    ("switch", "module", "writer"), [("use_tbd", "tensorboardX", "SummaryWriter"), ("use_vdl", "visualdl", "LogWriter")]
)
def test_ppscis_switches_send_the_scalars(train, tmp_path, monkeypatch, switch, module, writer):
    sent = {}

    class Writer:
        def __init__(self, folder):
            self.logdir = self._logdir = folder

        def add_scalar(self, name, value, step=None, global_step=None):
            sent.setdefault(name, []).append((step or global_step, value))

    monkeypatch.setitem(sys.modules, module, SimpleNamespace(**{writer: Writer}))
    train(tmp_path, f"{switch}=true")
    rows = [json.loads(line) for line in (tmp_path / "scalars.jsonl").read_text().splitlines()]
    assert sent["critic/loss"] == [(row["iteration"], row["critic/loss"]) for row in rows]


def test_more_iterations_than_data_start_a_new_pass(train, tmp_path):
    assert train(tmp_path, "DATA.num_samples=16").global_step == 12


def test_batch_larger_than_the_data_is_refused(train, tmp_path):
    with pytest.raises(InputError, match="TRAIN.batch_size=16.*8 samples"):
        train(tmp_path, "DATA.num_samples=8")


def test_checkpoint_of_other_networks_is_refused(train, tmp_path):
    train(tmp_path)
    with pytest.raises(InputError, match=r"MODEL.gen_net.dim=8"):
        train(tmp_path, "MODEL.gen_net.dim=4", f"TRAIN.checkpoint_path={tmp_path}/checkpoints/latest")


def test_published_weights_are_no_checkpoint_to_go_on_from(train, tmp_path):
    train(tmp_path)
    weights.publish(str(tmp_path / "checkpoints" / "latest"), str(tmp_path / "shared.safetensors"))
    with pytest.raises(InputError, match="TRAIN.pretrained_gen_model_path"):
        train(tmp_path, f"TRAIN.checkpoint_path={tmp_path}/shared")
    solver = train(tmp_path, f"TRAIN.pretrained_gen_model_path={tmp_path}/shared", "TRAIN.epochs=1")
    assert solver.global_step == 6


def test_checkpoint_keeps_every_shape(tmp_path):
    """A single number stays one: networks have such buffers."""
    tensors = {"a": np.array(3, "int32"), "b": np.zeros([2, 0]), "c": np.ones([2, 3]).T}
    weights.save_checkpoint(tmp_path / "x.safetensors", tensors, {"seed": 1})
    read, state = weights.read_checkpoint(tmp_path / "x")
    assert state == {"seed": 1}
    assert {name: value.shape for name, value in read.items()} == {"a": (), "b": (2, 0), "c": (3, 2)}
    np.testing.assert_array_equal(read["c"], tensors["c"])


def test_checkpoint_of_another_seed_is_refused(train, tmp_path):
    train(tmp_path)
    with pytest.raises(InputError, match="seed=42"):
        train(tmp_path, "seed=7", f"TRAIN.checkpoint_path={tmp_path}/checkpoints/latest")


def test_checkpoint_without_average_says_how_to_go_on(train, tmp_path):
    train(tmp_path, "TRAIN.ema.use_ema=false")
    with pytest.raises(InputError, match="TRAIN.ema.use_ema=false"):
        train(tmp_path, f"TRAIN.checkpoint_path={tmp_path}/checkpoints/latest")
