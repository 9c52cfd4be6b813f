"""Training in PyTorch: iterations of both players, with the schedule and the moving average of the examples."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from peers.layers import State

STATISTICS = ("._mean", "._variance")  # end the names of what normalisations keep


def copy_state(arrays: dict, memory_format: torch.memory_format = torch.contiguous_format, **options) -> State:
    """Return the state of a network.

    Args:
        arrays: Arrays by our names, such as those of a ``.safetensors`` file, or a Paddle network's ``state_dict()``.
        memory_format: Of convolutions' weights, which decides on that of the whole computation.
        **options: ``device`` and ``dtype`` of floating-point values.
    """
    state = {}
    for name, value in arrays.items():
        tensor = torch.tensor(value.numpy() if hasattr(value, "numpy") else value)
        if tensor.is_floating_point():
            tensor = tensor.to(**options)
            tensor = tensor.to(memory_format=memory_format) if tensor.dim() == 4 else tensor
            tensor.requires_grad_(not name.endswith(STATISTICS))
        state[name] = tensor
    return state


def to_arrays(state: State) -> dict:
    """Return the arrays of a state, NumPy, row-major."""
    return {name: value.detach().cpu().contiguous().numpy() for name, value in state.items()}


class Batches:
    """Batches of indices in the order of ``ppsci_gan.data.batches.ShuffledBatches``.

    Args:
        num_samples: Size of the data set.
        batch_size: Of a batch.
        seed: Of the permutations.
        start: Number of batches that were taken before.
    """

    def __init__(self, num_samples: int, batch_size: int, seed: int, start: int = 0):
        self.num_samples, self.batch_size, self.seed = num_samples, batch_size, seed
        self.taken = start
        self.order: tuple[int, np.ndarray] | None = None  # pass and its permutation

    def __next__(self) -> np.ndarray:
        """Return the next batch, [batch_size]."""
        data_pass, number = divmod(self.taken, self.num_samples // self.batch_size)
        self.taken += 1
        if self.order is None or self.order[0] != data_pass:
            self.order = data_pass, np.random.default_rng([self.seed, data_pass]).permutation(self.num_samples)
        return self.order[1][number * self.batch_size :][: self.batch_size]


class Draws:
    """Where random numbers come from: PyTorch's generator of a device.

    Args:
        seed: Any integer.
        device: Of the numbers.
        dtype: Of noise and shares.
    """

    def __init__(self, seed: int, device: str = "cpu", dtype: torch.dtype = torch.float32):
        self.options = {"generator": torch.Generator(device).manual_seed(seed), "device": device}
        self.dtype = dtype

    def noise(self, count: int, size: int) -> Tensor:
        """Return latents [count, size]."""
        return torch.randn(count, size, dtype=self.dtype, **self.options)

    def labels(self, count: int, classes: int) -> Tensor:
        """Return classes [count]."""
        return torch.randint(classes, [count], **self.options)

    def shares(self, count: int) -> Tensor:
        """Return numbers between 0 and 1, [count]."""
        return torch.rand(count, dtype=self.dtype, **self.options)


@dataclass
class Settings:
    """What an iteration is.

    Attributes:
        latent_dim: Length of the latent.
        batch_size: Of the generator's updates; the critic's have that of the real samples.
        label_num: Classes of a conditional generator, 0 of any other.
        n_critic: Updates of the critic.
        n_gen: Updates of the generator, afterwards.
        betas: Of Adam.
        rates: Learning rates of the generator and of the critic at the start.
        end_rates: And after so many ``iterations``, linearly.
        iterations: Of the schedule; 0 for constant rates.
        decay: Of the generator's moving average; None for none.
    """

    latent_dim: int
    batch_size: int
    label_num: int = 0
    n_critic: int = 5
    n_gen: int = 1
    betas: tuple[float, float] = (0.5, 0.9)
    rates: tuple[float, float] = (1e-4, 1e-4)
    end_rates: tuple[float, float] = (1e-4, 1e-4)
    iterations: int = 0
    decay: float | None = None


class Trainer:
    """Two players that learn in turn.

    Args:
        generate: (state, noise, labels) -> samples.
        judge: (state, samples, labels) -> scores and class logits or None.
        generator: State, which training changes in place.
        critic: State.
        losses: Of ``peers.losses``.
        settings: What an iteration is.
        draws: Where random numbers come from.
    """

    def __init__(
        self,
        generate: Callable,
        judge: Callable,
        generator: State,
        critic: State,
        losses,
        settings: Settings,
        draws: Draws,
    ):
        self.generate, self.judge = generate, judge
        self.generator, self.critic = generator, critic
        self.losses, self.settings, self.draws = losses, settings, draws
        self.learned = {"generator": learned(generator), "critic": learned(critic)}
        self.optimizers = {
            name: torch.optim.Adam(values, rate, settings.betas)
            for (name, values), rate in zip(self.learned.items(), settings.rates)
        }
        self.average = {name: value.detach().clone() for name, value in generator.items()} if settings.decay else None
        self.updates = self.iterations = 0

    def iterate(self, next_batch: Callable[[], tuple[Tensor, Tensor | None]]) -> dict[str, Tensor]:
        """Run one iteration; returns the last update's terms by ``critic/<term>`` and ``generator/<term>``.

        Args:
            next_batch: Returns real samples and, where labels are used, theirs.
        """
        for name, optimizer in self.optimizers.items():
            optimizer.param_groups[0]["lr"] = self.rate(name)
        for _ in range(self.settings.n_critic):
            of_critic = self._update_critic(*next_batch())
        for _ in range(self.settings.n_gen):
            of_generator = self._update_generator()
        if self.average is not None:
            self._move_average()
        self.iterations += 1
        both = {"critic": of_critic, "generator": of_generator}
        return {f"{name}/{term}": value.detach() for name, terms in both.items() for term, value in terms.items()}

    def rate(self, name: str) -> float:
        """Return a player's present learning rate."""
        index, plan = list(self.learned).index(name), self.settings
        start, end = plan.rates[index], plan.end_rates[index]
        left = 1 - min(self.iterations, plan.iterations) / plan.iterations if plan.iterations else 1.0
        return (start - end) * left + end

    def _update_critic(self, real: Tensor, labels: Tensor | None) -> dict[str, Tensor]:
        noise = self.draws.noise(len(real), self.settings.latent_dim)
        given = labels if self.settings.label_num else None
        with torch.no_grad():
            fake = self.generate(self.generator, noise, given)

        def judge(samples: Tensor):
            return self.judge(self.critic, samples, given)

        terms = self.losses.critic(judge, real, fake, labels, lambda: self.draws.shares(len(real)), self.updates)
        self.updates += 1
        self._step("critic", terms["loss"])
        return terms

    def _update_generator(self) -> dict[str, Tensor]:
        size, classes = self.settings.batch_size, self.settings.label_num
        noise = self.draws.noise(size, self.settings.latent_dim)
        labels = self.draws.labels(size, classes) if classes else None
        with frozen(self.learned["critic"]):
            fake = self.generate(self.generator, noise, labels)
            terms = self.losses.generator(lambda samples: self.judge(self.critic, samples, labels), fake, labels)
            self._step("generator", terms["loss"])
        return terms

    def _step(self, name: str, loss: Tensor) -> None:
        loss.backward()
        self.optimizers[name].step()
        self.optimizers[name].zero_grad()

    @torch.no_grad()
    def _move_average(self) -> None:
        for name, value in self.generator.items():
            if value.is_floating_point():
                self.average[name].lerp_(value, 1 - self.settings.decay)
            else:
                self.average[name].copy_(value)


def get_moments(optimizer: torch.optim.Adam) -> dict[str, np.ndarray]:
    """Return the moments and the numbers of steps of an optimizer."""
    found = {}
    for number, state in optimizer.state_dict()["state"].items():
        found |= {f"{number}/{name}": value.cpu().contiguous().numpy() for name, value in state.items()}
    return found


def set_moments(optimizer: torch.optim.Adam, moments: dict[str, np.ndarray]) -> None:
    """Give an optimizer what ``get_moments`` returned."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in moments.items():
        number, _, name = key.partition("/")
        state.setdefault(int(number), {})[name] = torch.from_numpy(value)
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def learned(state: State) -> list[Tensor]:
    """Return the values that training changes by gradients."""
    return [value for value in state.values() if value.requires_grad]


@contextmanager
def frozen(values: list[Tensor]) -> Iterator[None]:
    """Ask for no gradient of these."""
    for value in values:
        value.requires_grad_(False)
    try:
        yield
    finally:
        for value in values:
            value.requires_grad_()
