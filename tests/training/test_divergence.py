"""Divergence: an update that would spoil a player is not made, the run stops or goes back, and no checkpoint is bad."""

import json

import numpy as np
import paddle
import pytest
from training.test_solver import latest
from training.test_solver import line_solver
from training.test_solver import train  # noqa: F401 - a fixture

from ppsci_gan import weights
from ppsci_gan.errors import TrainingError
from ppsci_gan.losses import Objective
from ppsci_gan.training import divergence
from ppsci_gan.training.checkpoints import RunCheckpoints
from ppsci_gan.training.divergence import Diverged
from ppsci_gan.training.solver import Score


@pytest.fixture
def spoil(monkeypatch):
    """``spoil(number, value)`` multiplies the critic's loss at its update of this number, once, or from then on."""

    def spoiled(number, value=np.nan, always=False):
        seen, loss = [], Objective.critic_loss

        def critic_loss(self, output_dict, *others):
            terms = loss(self, output_dict, *others)
            is_due = output_dict.get("update") == number - 1 and number - 1 not in seen
            seen.append(output_dict.get("update"))
            if is_due or (always and number - 1 in seen):
                terms["loss"] = terms["loss"] * value
            return terms

        monkeypatch.setattr(Objective, "critic_loss", critic_loss)
        return seen

    return spoiled


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e38])
def test_the_update_is_not_made_and_the_run_says_which(tmp_path, spoil, value):
    seen = spoil(4, value)
    solver, _, critic = line_solver(tmp_path)
    solver.run_iteration()
    before, counts = critic.slope.item(), dict(solver.updates.counts)
    with pytest.raises(Diverged, match=r"critic/.*in iteration 2, update 4, learning rate 0.1$"):
        solver.run_iteration()
    assert len(seen) == 4
    assert critic.slope.item() != before  # by the first of the two updates
    assert solver.updates.counts == {"critic": counts["critic"] + 1, "generator": counts["generator"]}
    assert critic.slope.grad is None or critic.slope.grad.item() == 0


def test_a_finite_loss_beyond_any_scale_is_one_too_but_data_may_have_their_own(tmp_path):
    watch, gradients = divergence.DivergenceWatch(), [paddle.to_tensor(1.0)]
    for loss in (3e5, 2e11):  # of large data
        watch.check("critic", {"loss": paddle.to_tensor(loss)}, gradients, "")
    assert watch.scales == {"critic": 3e5}
    with pytest.raises(Diverged, match="critic/loss is 4e"):
        watch.check("critic", {"loss": paddle.to_tensor(4e11)}, gradients, "")


@pytest.mark.parametrize("half", [False, True])
def test_the_norm_is_that_of_all_gradients(half):
    layer = paddle.nn.Linear(3, 2)
    (layer(paddle.randn([5, 3])) ** 2).sum().backward()
    gradients = [value.grad for value in layer.parameters()]
    found = divergence.read({"loss": paddle.to_tensor(2.0, "float16" if half else "float32")}, gradients)
    norm = np.linalg.norm(np.concatenate([value.numpy().ravel() for value in gradients]))
    assert found == [2.0, pytest.approx(norm, rel=1e-6)]
    assert divergence.read({"loss": paddle.to_tensor([2.0])}, []) == [2.0, 0.0]


def test_a_run_that_diverges_stops_and_keeps_its_last_good_checkpoint(train, tmp_path, spoil):  # noqa: F811
    spoil(9)
    with pytest.raises(TrainingError, match=r"critic/loss is nan.*iteration 5.*resume=.*learning_rate.*rollback"):
        train(tmp_path)
    assert latest(tmp_path)[1]["iteration"] == 0


def test_a_learning_rate_of_1000_is_an_error_at_once(train, tmp_path):  # noqa: F811
    with pytest.raises(TrainingError, match=r"critic/.* in iteration 1, update \d, learning rate 1000"):
        train(tmp_path, "TRAIN.lr_scheduler_gen.learning_rate=1000")
    assert RunCheckpoints(tmp_path / "checkpoints").newest().state["iteration"] == 0


def test_a_rollback_goes_on_otherwise_with_half_the_rate_and_is_recorded(train, tmp_path, spoil, monkeypatch):  # noqa: F811
    monkeypatch.setattr("ppsci_gan.training.checkpoints.SHARE", 1e9)  # saves at the end of every epoch
    plain = train(tmp_path / "plain")
    seen = spoil(2 * 8)
    solver = train(tmp_path / "run", "TRAIN.on_divergence=rollback", "log_freq=1")
    assert seen[-9:] == list(range(15, 24))
    assert solver.rollbacks == [6]
    rows = [json.loads(line) for line in (tmp_path / "run" / "scalars.jsonl").open()]
    assert [row["iteration"] for row in rows] == [1, 2, 3, 4, 5, 6, 6, 7, 8, 9, 10, 11, 12]
    assert rows[6] == {"iteration": 6, "rollbacks": 1, "diverged_at": 8, "rate": 0.5}
    assert rows[7]["lr/critic"] == pytest.approx(0.5 * 1e-3 * (1 - 7 / 12))
    tensors, state = latest(tmp_path / "run")
    assert (state["iteration"], state["rollbacks"], state["updates"]) == (12, [6], {"critic": 24, "generator": 12})
    assert state["averages"] == 12
    others = plain.generator.state_dict()
    assert all((tensors[f"generator/{name}"] != value.numpy()).any() for name, value in others.items())


def test_a_resumed_run_keeps_its_rollbacks(train, tmp_path, spoil):  # noqa: F811
    spoil(2 * 4)
    train(tmp_path / "whole", "TRAIN.on_divergence=rollback")
    spoil(2 * 4)
    train(tmp_path / "run", "TRAIN.on_divergence=rollback", "TRAIN.save_freq=1")
    going_on = f"TRAIN.checkpoint_path={tmp_path}/run/checkpoints/epoch_1"
    solver = train(tmp_path / "again", "TRAIN.on_divergence=rollback", going_on)
    assert solver.updates.rate == 0.5
    for name, value in latest(tmp_path / "whole")[0].items():
        np.testing.assert_array_equal(value, latest(tmp_path / "again")[0][name])


def test_rollbacks_are_bounded_and_go_further_back(train, tmp_path, spoil, monkeypatch):  # noqa: F811
    monkeypatch.setattr("ppsci_gan.training.checkpoints.SHARE", 1e9)
    spoil(2 * 8, always=True)  # from the eighth iteration on
    with pytest.raises(TrainingError, match="after 5 rollbacks"):
        train(tmp_path, "TRAIN.on_divergence=rollback")
    rows = [
        json.loads(line) for line in (tmp_path / "scalars.jsonl").open()
    ]  # what came after where it went back is gone
    assert [(row["iteration"], row["rollbacks"]) for row in rows] == [(0, 2), (0, 3), (0, 4), (0, 5)]
    assert latest(tmp_path)[1]["iteration"] == 6


@pytest.mark.parametrize("value", [np.nan, 1e38])
def test_no_checkpoint_with_spoiled_weights_is_written(tmp_path, value):
    solver, _, critic = line_solver(tmp_path)
    solver.run_iteration()
    solver.save_checkpoint("latest")
    critic.slope.set_value(paddle.to_tensor([value], "float32"))
    with pytest.raises(Diverged, match="critic/slope"):
        solver.save_checkpoint("latest")
    assert weights.read_checkpoint(tmp_path / "checkpoints" / "latest")[1]["iteration"] == 1


def test_not_a_number_is_no_best_score():
    assert not Score("x.y", True).better(float("nan"), None)
    assert not Score("x.y", False).better(float("nan"), 1.0)
    assert Score("x.y", False).better(1.0, None)
