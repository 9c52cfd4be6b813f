"""Histograms of what a generator and its discriminator compute."""

from __future__ import annotations

from os import path as osp

import numpy as np
import paddle
from paddle import nn

from ppsci_gan import plots
from ppsci_gan.data import batches
from ppsci_gan.data.images import Images
from ppsci_gan.devices import ranks
from ppsci_gan.networks import latent
from ppsci_gan.training.dry_run import preserve_state
from ppsci_gan.training.solver import AdversarialSolver

MOST = 100_000  # values of a layer that are kept


def collect(
    generator: nn.Layer,
    discriminator: nn.Layer,
    inputs: dict[str, paddle.Tensor],
    real: dict[str, paddle.Tensor],
) -> dict[str, np.ndarray]:
    """Return the outputs of both players and of their layers in training mode; their state is restored.

    Args:
        generator: See ``ppsci_gan.networks.latent``.
        discriminator: Takes its first input key, and ``labels`` where it is conditional; gives its first output key.
        inputs: The generator's.
        real: The discriminator's, of real samples.

    Returns:
        float32 arrays by name: ``latent``, ``score/real``, ``score/fake``, ``generator/<layer>`` and
        ``discriminator/<layer>``, the latter of generated samples.
    """
    with paddle.no_grad(), preserve_state(generator), preserve_state(discriminator):
        generated, of_generator = _record_outputs(generator, inputs)
        fake = {**real, discriminator.input_keys[0]: generated[generator.output_keys[0]]}
        if "labels" in inputs:
            fake["labels"] = inputs["labels"]
        of_real, _ = _record_outputs(discriminator, real)
        of_fake, of_discriminator = _record_outputs(discriminator, fake)
    score = discriminator.output_keys[0]
    found = {"latent": inputs[generator.input_keys[0]], "score/real": of_real[score], "score/fake": of_fake[score]}
    found.update({f"generator/{name}": value for name, value in of_generator.items()})
    found.update({f"discriminator/{name}": value for name, value in of_discriminator.items()})
    return {name: _subsample(value.astype("float32").numpy()) for name, value in found.items()}


# --8<-- [start:draw]
def draw(solver: AdversarialSolver, discriminator: nn.Layer, real: Images, epoch: int) -> None:
    """Draw the discriminator's outputs on real and generated images, and what both players' layers give.

    The histograms go to ``histograms/epoch_<number>.png`` and to the solver's loggers, such as VisualDL.

    Args:
        solver: Has the generator, the seed of its inputs, and the precision.
        discriminator: As for ``collect``.
        real: Images, of which the first ``VIS.num_images`` are taken.
        epoch: Number of the epoch, for the file's name.

    Examples:
        See ``train`` in ``examples/dcgan/dcgan.py``.
    """
    count = min(solver.num_fixed, len(real.data))
    inputs = latent.sample_fixed(solver.generator, count, solver.seed)
    inputs = {key: paddle.to_tensor(value) for key, value in inputs.items()}
    shown = {"data": batches.to_floats(paddle.to_tensor(real.data[:count]))}
    if solver.generator.label_num:
        shown["labels"] = paddle.to_tensor(real.labels[:count])
    with solver.precision.autocast_for_evaluation():
        values = collect(solver.generator, discriminator, inputs, shown)
    solver.add_histograms(values)
    if ranks.is_first():
        plots.save_histograms(values, osp.join(solver.output_dir, "histograms", f"epoch_{epoch:05d}.png"))


# --8<-- [end:draw]


def _record_outputs(network: nn.Layer, inputs: dict[str, paddle.Tensor]):
    """Run a network; return its outputs and those of its convolutional and linear layers."""
    seen: dict[str, paddle.Tensor] = {}
    layers = {name: layer for name, layer in network.named_sublayers() if getattr(layer, "weight", None) is not None}
    hooks = [
        layer.register_forward_post_hook(lambda _layer, _given, output, name=name: seen.update({name: output}))
        for name, layer in layers.items()
        if len(layer.weight.shape) > 1
    ]
    try:
        return network(inputs), seen
    finally:
        for hook in hooks:
            hook.remove()


def _subsample(values: np.ndarray) -> np.ndarray:
    """Subsample an array evenly to at most this many values."""
    flat = values.reshape(-1)
    return flat[:: -(-len(flat) // MOST)]
