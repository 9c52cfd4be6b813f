"""Gradients of one update of every player from this rank's part of a batch; rank 0 writes them as npz.

Run by paddle.distributed.launch, or alone for the whole batch: ``updates.py FILE``.
"""

import sys
from types import SimpleNamespace

import numpy as np
import paddle
import paddle.distributed as dist

from ppsci_gan.devices import ranks
from ppsci_gan.losses import GradientPenalty
from ppsci_gan.losses import Objective
from ppsci_gan.networks import wgangp

BATCH = 8


def part(name: str, *shape: int) -> paddle.Tensor:
    """Return this rank's rows of a fixed array."""
    rows = np.random.default_rng(len(name)).standard_normal((BATCH, *shape))
    return paddle.to_tensor(rows[dist.get_rank() :: dist.get_world_size()])


def critic_gradients(critic, size: int) -> dict[str, np.ndarray]:
    """Return those of the whole critic loss, penalty and classifier included."""
    real_rand, paddle.rand = paddle.rand, lambda shape, dtype: paddle.nn.functional.sigmoid(part("factor", *shape[1:]))
    batch = {"real_data": part("real", size), "fake_data": part("generated", size), "update": 0}
    labels = {"labels": (part("labels") * 100).astype("int64") % 10}
    Objective(critic, penalty=GradientPenalty()).critic_loss(batch, labels)["loss"].backward()
    paddle.rand = real_rand
    return averaged(critic)


def generator_gradients(generator, critic) -> dict[str, np.ndarray]:
    """Return those of the generator loss, and the running statistics after it."""
    ranks.synchronise_batch_norm(generator)
    inputs = {"noise": part("noise", 128), "labels": (part("labels") * 100).astype("int64") % 10}
    outputs = generator({key: inputs[key] for key in generator.input_keys})
    Objective(critic, penalty=GradientPenalty()).generator_loss(outputs, inputs)["loss"].backward()
    statistics = {f"{name} (buffer)": value.numpy() for name, value in generator.named_buffers()}
    generator.eval()  # then without a look at the other ranks
    evaluated = generator({key: value[:1] for key, value in inputs.items() if key in generator.input_keys})
    assert np.isfinite(evaluated["fake_data"].numpy()).all()
    return {**averaged(generator), **statistics}


def averaged(network) -> dict[str, np.ndarray]:
    ranks.average_gradients(network.parameters())
    return {name: value.grad.numpy() for name, value in network.named_parameters() if value.grad is not None}


def main(file: str):
    paddle.device.set_device(sys.argv[2] if len(sys.argv) > 2 else "cpu")
    ranks.start()
    paddle.set_default_dtype("float64")  # so that only a mistake can make a difference
    paddle.seed(0)
    image, score, classes = ("data",), ("score",), ("score", "class_logits")
    conditional = wgangp.WganGpCifar10Discriminator(image, classes, dim=4, use_label=True, normalize=True)
    critics = {
        "toy": (wgangp.WganGpToyDiscriminator(image, score, dim=16), 2),
        "mnist": (wgangp.WganGpMnistDiscriminator(image, score, dim=4), 784),
        "resnet": (conditional, 3072),
        "dcgan": (wgangp.WganGpCifar10DcganDiscriminator(image, score, dim=4), 3072),
    }
    noise, fake = ("noise", "labels"), ("fake_data",)
    generators = {
        "resnet": wgangp.WganGpCifar10Generator(noise, fake, dim=4, use_label=True),
        "dcgan": wgangp.WganGpCifar10DcganGenerator(noise, fake, dim=4),
    }
    found = {f"critic {name}": critic_gradients(*critic) for name, critic in critics.items()}
    for name, generator in generators.items():
        found[f"generator {name}"] = generator_gradients(generator, critics[name][0])
    if ranks.is_first():
        np.savez(file, **{f"{who}/{key}": value for who, values in found.items() for key, value in values.items()})
    check_agreement()


def check_agreement():
    """Check what ranks tell each other."""
    rank, size_of_world = dist.get_rank(), dist.get_world_size()
    assert ranks.broadcast_text(f"run {rank} of 试验") == "run 0 of 试验"
    assert ranks.any_rank(rank == size_of_world - 1)
    assert not ranks.any_rank(False)
    for size in (1, 2, 5, 8):
        rows, calls = np.arange(2 * size, dtype="float32").reshape(size, 2), SimpleNamespace(rows=0)

        def double(rows, calls=calls):
            calls.rows += len(rows)
            return 2 * rows

        assert (ranks.map_rows(double, rows) == 2 * rows).all()
        assert calls.rows == -(-size // size_of_world)


if __name__ == "__main__":
    main(sys.argv[1])
