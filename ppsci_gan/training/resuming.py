"""What a run goes on from: the state in its checkpoint, checked, and what has changed since."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Annotated
from typing import Any
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel
from pydantic import Field
from pydantic import FiniteFloat
from pydantic import NonNegativeInt
from pydantic import PositiveFloat
from pydantic import PositiveInt
from pydantic import ValidationError

from ppsci_gan.errors import InputError
from ppsci_gan.training.phases import Phase

SAMPLES = 16  # by which data are recognised, evenly spaced

# Keys that decide where, how fast and how long a run computes and what it writes, and its learning rate's schedule. A
# change of any other makes it another run.
HARMLESS = re.compile(
    r"mode|output_dir|device|schema|resume\w*|log_\w+|use_\w+|wandb_config|amp_\w+|(wandb_config|CPU|INFER|VIS|STUDY)\..*"
    r"|DATA\.data_path"  # the data themselves are compared
    r"|LOSS\.penalty_gradient"
    r"|EVAL\.(batch_size|num_images|labels|seeds|truncation|scores|pretrained_\w+|eval_with_no_grad|compute_\w+)"
    r"|TRAIN\.(iters_per_epoch|save_\w+|keep_checkpoints|sample_freq|\w*eval_\w+|on_divergence|checkpoint_path|"
    r"pretrained_\w+|(lr_scheduler_\w+|optimizer|collapse)\..*|stages\.\d+\.learning_rate)"
)
LENGTHS = re.compile(r"TRAIN\.(epochs|stages\.\d+\.(fade|stable)_images)")  # these may grow
BATCHES = re.compile(r"TRAIN\.(update_freq|(stages\.\d+\.)?batch_size)")  # their product, over all ranks, counts
Number = Annotated[float, Field(allow_inf_nan=False)]


class _Stage(BaseModel):
    index: NonNegativeInt
    name: str
    images: NonNegativeInt


class _Schedule(BaseModel):
    last_epoch: int
    last_lr: FiniteFloat


class _Scaler(BaseModel):
    scale: PositiveFloat
    incr_count: NonNegativeInt
    decr_count: NonNegativeInt
    skipped: NonNegativeInt


class _Best(BaseModel, extra="forbid"):
    raw: Number | None
    averaged: Number | None


class RunState(BaseModel):
    """The state of a checkpoint that a run can go on from. What earlier versions did not write has a default.

    Attributes:
        iteration: After which it was saved.
        seed: Of the run.
        data: Each phase's position in its data.
        updates: Each phase's number of updates; earlier versions did not count.
        best: Best scores of the raw and the averaged weights.
        schedules: Each phase's learning rate.
        scalers: Each phase's loss scaler; empty ones where losses are not scaled.
        stage: Where a growing training is.
        averages: Updates of the moving average.
        scales: Of ``DivergenceWatch``.
        rollbacks: Iterations to which the run went back after it had diverged.
        samples: What each phase's data are recognised by.
        ranks: Number of ranks.
        config: The configuration.
    """

    iteration: NonNegativeInt
    seed: NonNegativeInt
    data: dict[str, tuple[NonNegativeInt, NonNegativeInt]]
    updates: dict[str, NonNegativeInt] | None = None
    best: _Best
    schedules: dict[str, _Schedule] = Field(alias="schedulers")
    scalers: dict[str, _Scaler | dict[str, None]] = {}
    stage: _Stage | None = None
    averages: NonNegativeInt = 0
    scales: dict[str, FiniteFloat] = {}
    rollbacks: list[NonNegativeInt] = []
    samples: dict[str, str] = {}
    ranks: PositiveInt = 1
    config: dict[str, Any] | None = None


def read_state(state: Mapping[str, Any], path: Any) -> RunState:
    """Check the state of a checkpoint.

    Args:
        state: Of the file.
        path: Of the file, for the message.

    Raises:
        InputError: It is not of a run, or not whole.
    """
    if "schedulers" not in state:
        raise InputError(
            f"{path} holds weights only. To start from them, use TRAIN.pretrained_gen_model_path and "
            "TRAIN.pretrained_dis_model_path."
        )
    if "data" not in state:
        raise InputError(
            f"{path} is of an earlier version, which kept no position in the data: a run cannot go on from it. Its "
            "weights can be a start: TRAIN.pretrained_gen_model_path and TRAIN.pretrained_dis_model_path."
        )
    try:
        return RunState.model_validate(state)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise InputError(f"{path}: damaged, its state's {key}: {first['msg']}. Take another checkpoint.") from error


class Change(NamedTuple):
    """A key with another value than when the checkpoint was written.

    Attributes:
        key: With its groups.
        before: Its value then.
        now: Its value now.
        is_harmless: Whether the run is still the same.
    """

    key: str
    before: Any
    now: Any
    is_harmless: bool

    def __str__(self) -> str:
        return f"{self.key}={_text(self.before)} in the run, {_text(self.now)} now"


def find_changes(before: Mapping[str, Any], now: Mapping[str, Any], ranks: tuple[int, int]) -> list[Change]:
    """Compare two configurations, as far as both have the same keys: versions differ in theirs.

    Args:
        before: When the checkpoint was written, resolved.
        now: The present one, resolved.
        ranks: Their numbers of ranks.

    Examples:
        >>> from ppsci_gan.training.resuming import find_changes
        >>> before = {"log_freq": 10, "TRAIN": {"epochs": 2, "batch_size": 64}}
        >>> for change in find_changes(before, {"log_freq": 1, "TRAIN": {"epochs": 1, "batch_size": 32}}, (1, 1)):
        ...     print(change, change.is_harmless)
        log_freq=10 in the run, 1 now True
        TRAIN.epochs=2 in the run, 1 now False
        TRAIN.batch_size=64 in the run, 32 now False
        >>> find_changes(before, {"TRAIN": {"batch_size": 32}}, (1, 2))[0].is_harmless
        True
    """
    old, new = dict(_leaves(before)), dict(_leaves(now))
    stages = [values.get("TRAIN", {}).get("stages") or [] for values in (before, now)]
    changes = [
        Change(key, old[key], new[key], _is_harmless(key, old, new, ranks, is_growing=bool(stages[0])))
        for key in old
        if key in new and old[key] != new[key]
    ]
    if len(stages[1]) < len(stages[0]):
        changes.append(Change("TRAIN.stages", stages[0], stages[1], False))
    return changes


def _is_harmless(
    key: str, old: Mapping[str, Any], new: Mapping[str, Any], ranks: tuple[int, int], is_growing: bool
) -> bool:
    if key == "TRAIN.epochs" and is_growing:
        return True  # they follow from the stages and the ranks
    try:
        if LENGTHS.fullmatch(key):
            return new[key] >= old[key]
        if BATCHES.fullmatch(key):
            sizes = [size for size in old if size.endswith("batch_size") and BATCHES.fullmatch(size) and size in new]
            parts = [each.get("TRAIN.update_freq", 1) * count for each, count in zip((old, new), ranks)]
            return all(old[size] * parts[0] == new[size] * parts[1] for size in sizes)
    except TypeError:  # a damaged file's value is no number
        return False
    return HARMLESS.fullmatch(key) is not None


def _leaves(values: Mapping[str, Any] | Sequence[Any], group: str = "") -> Iterator[tuple[str, Any]]:
    """Yield keys with their groups, and values; a list of groups has their numbers for keys."""
    for key, value in values.items() if isinstance(values, Mapping) else enumerate(values):
        is_table = isinstance(value, list) and bool(value) and all(isinstance(row, Mapping) for row in value)
        if is_table or (isinstance(value, Mapping) and value):
            yield from _leaves(value, f"{group}{key}.")
        else:
            yield f"{group}{key}", value


def _text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value).replace(" ", "") if isinstance(value, list) else str(value)


def recognise_data(phases: Sequence[Phase]) -> dict[str, str]:
    """Return a digest of the number of samples and of some of them, for each phase that has data.

    Args:
        phases: The phases.
    """
    found = {}
    for phase in phases:
        if phase.dataset is not None:
            size = len(phase.dataset)
            inputs, labels, _ = phase.dataset[np.linspace(0, size - 1, SAMPLES).astype(int)]
            total = hashlib.sha256(str(size).encode())
            for name, value in sorted({**inputs, **labels}.items()):
                total.update(f"{name} {np.shape(value)}".encode())
                total.update(np.ascontiguousarray(value).tobytes())
            found[phase.name] = total.hexdigest()
    return found


def check_changes(changes: Sequence[Change], other_data: bool, path: Any) -> None:
    """Refuse to go on with another run's settings.

    Args:
        changes: What has changed.
        other_data: Whether the data are others, whatever the keys say.
        path: Of the checkpoint, for the message.

    Raises:
        InputError: Lists what would make it another run.
    """
    lines = [str(change) for change in changes if not change.is_harmless]
    if other_data and not any(change.key.startswith("DATA.") and not change.is_harmless for change in changes):
        lines.append("the data are others than those of the run")
    if lines:
        raise InputError(
            "\n  ".join(
                [
                    f"{path} is of a run with other settings:",
                    *lines,
                    "Leave these as they were, or add resume_changed=true, which forgets the best scores so far.",
                ]
            )
        )
