"""What a generator and its discriminator compute, as numbers to draw histograms of."""

from __future__ import annotations

import numpy as np
import paddle
from paddle import nn

from ppsci_gan.training.dry_run import preserve_state

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
