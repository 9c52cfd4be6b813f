"""What a configuration would need at least, worked out from its numbers before any of it is taken."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from omegaconf import OmegaConf
from pydantic import BaseModel

from ppsci_gan.config import groups
from ppsci_gan.config.checking import find_schema
from ppsci_gan.errors import InputError
from ppsci_gan.files import available_memory
from ppsci_gan.networks import base

FLOAT = 4  # bytes
FACE = 104  # bytes of a drawn face's factors
OF_POINT = 200  # bytes of a point's distances from 25 modes
OF_IMAGE = 512  # bytes of an image's features, at least
# Of a weight while training: itself, its gradient, Adam's two moments; and all but the gradient again, to be saved.
COPIES_TO_TRAIN, COPIES_TO_SAVE = 4, 3
KEPT = 3  # checkpoints: latest, best, best_averaged


def check_needs(cfg: DictConfig | dict[str, Any]) -> None:
    """Refuse a configuration that needs more memory, or more room for its checkpoints, than there is.

    Only what follows from its numbers is counted, so a configuration that passes may still need more; what a batch
    takes inside the networks is measured when training begins.

    Args:
        cfg: A configuration that ``check`` has accepted.

    Raises:
        InputError: Names the keys that need most.

    Examples:
        >>> from hydra import compose, initialize_config_dir
        >>> from ppsci_gan import config
        >>> from ppsci_gan.files import REPOSITORY
        >>> with initialize_config_dir(str(REPOSITORY / "conf"), version_base=None):
        ...     cfg = compose("wgangp_toy", ["MODEL.gen_net.dim=10000000", "output_dir=."])
        >>> config.check_needs(cfg)
        Traceback (most recent call last):
            ...
        ppsci_gan.errors.InputError: This configuration needs about 5,600,002 GB of memory; ... GB are free:
          MODEL.gen_net: 5,600,002 GB
        Make these smaller.
    """
    values = dict(OmegaConf.to_container(cfg, resolve=True) if isinstance(cfg, DictConfig) else cfg)
    experiment = find_schema(values.pop("schema"))(**values)
    players = _outline_players(experiment)
    _refuse_above(available_memory(), "memory", dict(_memory(experiment, players)))
    if experiment.mode == "train":
        folder = Path(experiment.output_dir).absolute()  # may be made later, under a name with the time
        free = shutil.disk_usage(next(place for place in (folder, *folder.parents) if place.exists())).free
        _refuse_above(free, f"disk space in {experiment.output_dir}", dict(_disk(experiment, players)))


def _refuse_above(free: int, what: str, needs: dict[str, int]) -> None:
    total = sum(needs.values())
    if total > free:
        largest = [item for item in sorted(needs.items(), key=lambda item: -item[1]) if item[1] > total / 10]
        lines = [f"  {keys}: {needed / 1e9:,.0f} GB" for keys, needed in largest]
        raise InputError(
            f"This configuration needs about {total / 1e9:,.0f} GB of {what}; {free / 1e9:,.0f} GB are free:\n"
            + "\n".join(lines)
            + "\nMake these smaller."
        )


def _outline_players(experiment: BaseModel) -> dict[str, base.Player]:
    """Return the networks without their weights, by their groups; of several that there may be, the smallest."""
    found = {}
    for group, networks in getattr(type(experiment.MODEL), "players", {}).items():
        settings = getattr(experiment.MODEL, group).model_dump()
        found[group] = min(_outline_possible(networks, settings, f"MODEL.{group}"), key=base.count_weights)
    return found


def _outline_possible(networks: Sequence[type[base.Player]], settings: dict[str, Any], key: str) -> list[base.Player]:
    """Return the networks that take these settings; of two architectures, one may refuse what the other needs."""
    found, refused = [], None
    for network in networks:
        try:
            found.append(base.outline(network, settings, key))
        except InputError as error:
            refused = error
    if not found:
        raise refused
    return found


def _memory(experiment: BaseModel, players: dict[str, base.Player]) -> Iterator[tuple[str, int]]:
    """Yield bytes by the keys that they follow from."""
    mode, data, train = experiment.mode, experiment.DATA, experiment.TRAIN
    generator = players.get("gen_net")
    values, latent = prod(getattr(generator, "image_shape", (2,))), getattr(generator, "latent_dim", 0)
    of_sample = FLOAT * (latent + values) + values  # its latent, as floats, and an image's bytes
    if mode == "train":
        for group, player in players.items():
            yield f"MODEL.{group}", FLOAT * base.count_weights(player) * (COPIES_TO_TRAIN + COPIES_TO_SAVE)
        # Of each size of image there is a batch at a time; of a generated sample and of a real one, the gradient, too.
        yield _of_largest_batch(train, FLOAT * (latent + 4 * values))
    if mode in ("train", "eval") and hasattr(data, "num_samples"):
        is_toy = isinstance(data, groups.ToyData)
        if is_toy or data.name == "faces":
            yield f"DATA.num_samples={data.num_samples}", data.num_samples * (6 * FLOAT if is_toy else FACE)
    yield from _scored_and_drawn(experiment, of_sample, OF_IMAGE if hasattr(generator, "image_shape") else OF_POINT)


def _of_largest_batch(train: BaseModel, of_sample: int) -> tuple[str, int]:
    if hasattr(train, "stages"):
        largest = max(stage.batch_size * stage.resolution**2 for stage in train.stages)
        return "TRAIN.stages: batch_size", 4 * FLOAT * largest
    multiple = getattr(train, "gen_batch_multiple", 1)
    return f"TRAIN.batch_size={train.batch_size}" + f" times {multiple}" * (multiple > 1), (
        train.batch_size * multiple * of_sample
    )


def _scored_and_drawn(experiment: BaseModel, of_sample: int, of_score: int) -> Iterator[tuple[str, int]]:
    mode, train, evaluation = experiment.mode, experiment.TRAIN, experiment.EVAL
    if mode == "train" and train.eval_during_train and hasattr(train, "num_eval_samples"):
        yield f"TRAIN.num_eval_samples={train.num_eval_samples}", train.num_eval_samples * (of_sample + of_score)
    elif mode == "eval" or (mode == "train" and train.eval_during_train):
        yield f"EVAL.num_samples={evaluation.num_samples}", evaluation.num_samples * (of_sample + of_score)
    if mode == "infer":
        # A picture of points has a batch of them.
        each = experiment.INFER.batch_size if of_score == OF_POINT else 1
        yield f"INFER.num_images={experiment.INFER.num_images}", experiment.INFER.num_images * each * of_sample
    elif mode == "eval" and hasattr(evaluation, "num_images"):
        yield f"EVAL.num_images={evaluation.num_images}", evaluation.num_images * of_sample
    elif mode in ("train", "eval"):
        yield f"VIS.num_images={experiment.VIS.num_images}", experiment.VIS.num_images * of_sample


def _disk(experiment: BaseModel, players: dict[str, base.Player]) -> Iterator[tuple[str, int]]:
    train = experiment.TRAIN
    of_one = FLOAT * COPIES_TO_SAVE * sum(map(base.count_weights, players.values()))
    yield "MODEL, a checkpoint", KEPT * of_one
    if train.save_freq:
        kept = train.epochs // train.save_freq
        yield f"TRAIN.save_freq={train.save_freq}: {kept} checkpoints", kept * of_one
