"""Updates: accumulated, in whichever precision, of one player at a time."""

import numpy as np
import paddle
import pytest
from paddle import nn

from ppsci_gan.training.phases import Phase
from ppsci_gan.training.phases import Updates
from ppsci_gan.training.precision import Precision


class Generator(nn.Layer):
    input_keys, output_keys, latent_dim, label_num = ("noise",), ("fake_data",), 2, 0

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 3)

    def forward(self, x):
        return {"fake_data": self.layer(x["noise"])}


@pytest.fixture
def phase():
    paddle.seed(0)
    critic = nn.Linear(3, 1)
    optimizer = paddle.optimizer.SGD(0.1, parameters=critic.parameters())

    def loss(outputs, labels):
        return {"loss": (critic(outputs["real_data"]) ** 2).mean(), "two": 2 * outputs["real_data"].mean()}

    return Phase("critic", critic, optimizer, loss, batch_size=4)


def batches(parts):
    rows = np.random.default_rng(0).standard_normal((8, 3)).astype("float32")
    parts = iter(np.split(rows, parts))
    return lambda: ({"real_data": paddle.to_tensor(next(parts))}, {})


@pytest.mark.parametrize("parts", [2, 4])
def test_an_update_of_several_batches_is_that_of_one_large_batch(phase, parts):
    start = {name: value.clone() for name, value in phase.player.state_dict().items()}
    found = []
    for accumulate in (1, parts):
        phase.player.set_state_dict(start)
        terms = Updates(Generator(), [phase], Precision(False), accumulate).update(phase, batches(accumulate))
        found.append((phase.player.weight.numpy().copy(), *terms.values()))
    assert (found[0][0] != start["weight"].numpy()).any()
    for one, several in zip(*found):
        np.testing.assert_allclose(several, one, rtol=1e-6)


def test_only_the_phases_player_gets_gradients(phase):
    generator = Generator()
    updates = Updates(generator, [phase], Precision(False))
    with updates.only_learning(phase.player):
        assert all(parameter.stop_gradient for parameter in generator.parameters())
        assert not any(parameter.stop_gradient for parameter in phase.player.parameters())
    assert not any(parameter.stop_gradient for parameter in generator.parameters())


def test_on_the_cpu_mixed_precision_is_said_to_be_none(phase, caplog):
    with caplog.at_level("WARNING", logger="ppsci"):
        precision = Precision(True, "O2", "float16")
    assert precision.name == "float32"
    precision.prepare(phase.player, phase.optimizer)
    assert phase.player.weight.dtype == paddle.float32
    assert not precision.scaler().enabled
