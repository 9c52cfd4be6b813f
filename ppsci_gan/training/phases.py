"""The phases of an iteration: whose turn it is, and how its player is updated."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from typing import Any
from typing import NamedTuple

import numpy as np
import paddle
import ppsci
from paddle import Tensor
from paddle import nn

from ppsci_gan.devices import memory
from ppsci_gan.devices import ranks
from ppsci_gan.networks import latent
from ppsci_gan.training import optimizers
from ppsci_gan.training import precision
from ppsci_gan.training.divergence import DivergenceWatch
from ppsci_gan.training.precision import Precision

Batch = tuple[dict[str, Tensor], dict[str, Tensor]]  # real samples and labels, by name


class Phase(NamedTuple):
    """A part of an iteration, in which one player learns.

    Attributes:
        name: Such as ``critic``.
        player: The network whose parameters are updated.
        optimizer: Its optimizer.
        loss: Maps (output_dict, label_dict) to a dict of scalars: ``loss`` is minimised, the others are logged.
            output_dict holds ``real_data`` where there is a dataset, the generator's ``fake_data``, ``update``, the
            number of updates that this phase had before, and ``progress``, the share of the training that is done.
        batch_size: Number of generated samples, and of real ones, per rank and accumulated part.
        updates: Updates per iteration.
        dataset: Real data; a batch of indices gives the (input, label, weight) dicts of a batch of samples.
        transform: Maps a batch's input dict of tensors to the real samples as the player is to see them.
    """

    name: str
    player: nn.Layer
    optimizer: paddle.optimizer.Optimizer
    loss: Callable[..., dict[str, Tensor]]
    batch_size: int
    updates: int = 1
    dataset: ppsci.data.dataset.NamedArrayDataset | None = None
    transform: Callable[[dict[str, Tensor]], Tensor] | None = None

    def read(self, indices: np.ndarray) -> Batch:
        """Return real samples and their labels, as tensors; nothing where there is no dataset.

        Args:
            indices: Of the samples.
        """
        if self.dataset is None:
            return {}, {}
        inputs, labels, _ = ({k: paddle.to_tensor(v) for k, v in part.items()} for part in self.dataset[indices])
        return {"real_data": self.transform(inputs)}, labels

    @property
    def scheduler(self) -> paddle.optimizer.lr.LRScheduler | None:
        """The optimizer's schedule, if its rate is not constant."""
        rate = self.optimizer._learning_rate
        return rate if isinstance(rate, paddle.optimizer.lr.LRScheduler) else None


class Updates:
    """Updates players: mixed precision, accumulated gradients, averaging over ranks, no update that would spoil one.

    Attributes:
        counts: Number of updates that each phase had.
        iteration: Number of the present iteration, from 1.
        progress: Share of the training that is done, from 0 to 1.
        rate: Factor of all learning rates.

    Args:
        generator: Makes the generated samples of every phase.
        phases: All phases.
        precision: Of the computation.
        accumulate: Number of batches whose gradients make one update.
    """

    def __init__(self, generator: nn.Layer, phases: Sequence[Phase], precision: Precision, accumulate: int = 1):
        self.generator = generator
        self.players = [generator, *(phase.player for phase in phases if phase.player is not generator)]
        self.precision = precision
        self.accumulate = accumulate
        self.scalers = {phase.name: precision.scaler() for phase in phases}
        self.counts = {phase.name: 0 for phase in phases}
        self.watch = DivergenceWatch()
        self.iteration = 1
        self.progress = 0.0
        self.rate = 1.0

    def update(self, phase: Phase, next_batch: Callable[[], Batch]) -> dict[str, float]:
        """Update a phase's player once.

        Args:
            phase: The phase.
            next_batch: Returns the next batch of real data.

        Returns:
            The loss and its terms, means over the accumulated parts, and ``gradient_norm``.

        Raises:
            InputError: The device has not enough memory.
            Diverged: The update would spoil the player, and was not made.
        """
        scaler = self.scalers[phase.name]
        with memory.explain_out_of_memory(f"phase {phase.name}"), self.only_learning(phase.player):
            try:
                parts = [self.backward(phase, next_batch(), phase.batch_size) for _ in range(self.accumulate)]
                ranks.average_gradients(phase.player.parameters())
                scaler.unscale(phase.optimizer)
                # After an overflow of scaled losses the scaler skips the update by itself, and tries a smaller scale.
                seen = self._average(parts), self._gradients(phase.player), self._situation(phase)
                terms = self.watch.check(phase.name, *seen, only_scale=scaler.enabled)
                with optimizers.scale_rate(phase.optimizer, self.rate):
                    scaler.step(phase.optimizer)
            finally:
                phase.optimizer.clear_grad(set_to_zero=False)
        self.counts[phase.name] += 1
        return terms

    def _gradients(self, player: nn.Layer) -> list[Tensor]:
        gradients = [parameter.grad for parameter in player.parameters()]
        gradients = [gradient for gradient in gradients if gradient is not None]
        return [precision.to_float32(value) for value in gradients] if self.precision.enabled else gradients

    def _average(self, parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        if self.accumulate == 1:
            return parts[0]
        return {name: paddle.stack([part[name] for part in parts]).mean() for name in parts[0]}

    def _situation(self, phase: Phase) -> str:
        rate = phase.optimizer.get_lr() * self.rate
        return f"in iteration {self.iteration}, update {self.counts[phase.name] + 1}, learning rate {rate:.4g}"

    def backward(self, phase: Phase, batch: Batch, num_samples: int) -> dict[str, Tensor]:
        """Add the gradients of one part of an update to the player's; returns the detached loss and its terms."""
        output_dict, label_dict = batch
        inputs = latent.sample(self.generator, num_samples, label_dict.get("labels"))
        with self.precision.autocast():
            with paddle.set_grad_enabled(phase.player is self.generator):
                generated = self.generator(inputs)
            generated = {name: precision.to_float32(value) for name, value in generated.items()}
            progress = {"update": self.counts[phase.name], "progress": self.progress}
            output_dict = {**output_dict, **generated, **progress}
            label_dict = {**label_dict, **{key: value for key, value in inputs.items() if key == "labels"}}
            losses = phase.loss(output_dict, label_dict)
        loss = losses["loss"]
        self.scalers[phase.name].backward(loss if self.accumulate == 1 else loss / self.accumulate)
        return {name: value.detach() for name, value in losses.items()}

    @contextmanager
    def only_learning(self, player: nn.Layer) -> Iterator[None]:
        """Freeze the other players' parameters, so that their gradients are not computed."""
        frozen = [
            parameter
            for other in self.players
            if other is not player
            for parameter in other.parameters()
            if not parameter.stop_gradient
        ]
        for parameter in frozen:
            parameter.stop_gradient = True
        try:
            yield
        finally:
            for parameter in frozen:
                parameter.stop_gradient = False

    def state_dict(self) -> dict[str, Any]:
        """Return the loss scalers' states by phase."""
        return {name: scaler.state_dict() for name, scaler in self.scalers.items()}

    def set_state_dict(self, states: dict[str, Any]) -> None:
        """Restore the loss scalers' states."""
        for name, scaler in self.scalers.items():
            scaler.set_state_dict(states.get(name, {}))
