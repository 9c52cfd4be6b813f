"""Stages of a training: phases and data that change in its course, counted in iterations and kept in images."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from ppsci_gan.errors import InputError
from ppsci_gan.training.phases import Phase


class Stage(NamedTuple):
    """A part of a training with its own phases and data; players and optimizers are shared by all stages.

    Attributes:
        name: Such as ``16x16``.
        iterations: How long it lasts.
        phases: What an iteration does, in order.
        begin: Called before each iteration with its number in the stage, such as to fade in.
    """

    name: str
    iterations: int
    phases: Sequence[Phase]
    begin: Callable[[int], None] = lambda iteration: None

    def real_images(self) -> int:
        """Return the number of real images that an iteration takes, of one rank and without accumulation."""
        return sum(phase.updates * phase.batch_size for phase in self.phases if phase.dataset is not None)


class Stages:
    """The stages of a training, one after the other.

    Args:
        stages: At least one.
        parts: Ranks times accumulated batches: an iteration takes this many times a stage's real images.
        is_growing: Whether stages are told apart in the log, end with a checkpoint of their name, and are counted in
            images. Otherwise there is one stage, the whole training, counted in iterations.

    Examples:
        >>> from ppsci_gan.training.stages import Stage
        >>> from ppsci_gan.training.stages import Stages
        >>> stages = Stages([Stage("4x4", 10, []), Stage("8x8", 5, [])], parts=1)
        >>> stages.iterations, stages.position(12)
        (15, (1, 2))
        >>> stages.end_at(10), stages.end_at(12)
        (True, False)
    """

    def __init__(self, stages: Sequence[Stage], parts: int, is_growing: bool = True):
        self.stages = list(stages)
        self.parts = parts
        self.is_growing = is_growing
        self.iterations = sum(stage.iterations for stage in self.stages)

    def __getitem__(self, index: int) -> Stage:
        return self.stages[index]

    def position(self, iteration: int) -> tuple[int, int]:
        """Return the index of the stage that an iteration belongs to, and the number of iterations done in it."""
        for index, stage in enumerate(self.stages[:-1]):
            if iteration <= stage.iterations:
                return index, iteration
            iteration -= stage.iterations
        return len(self.stages) - 1, iteration

    def after(self, iteration: int) -> tuple[Stage, int]:
        """Return the stage of the next iteration, and the iteration's number in it."""
        index, done = self.position(iteration)
        return (self.stages[index + 1], 0) if done == self.stages[index].iterations else (self.stages[index], done)

    def end_at(self, iteration: int) -> bool:
        """Return whether an iteration was the last one of a stage, in a training that grows."""
        index, done = self.position(iteration)
        return self.is_growing and done == self.stages[index].iterations

    def images_per_iteration(self, stage: Stage) -> int:
        """Return the number of real images that all ranks see."""
        return stage.real_images() * self.parts

    def state(self, iteration: int) -> dict[str, Any]:
        """Return the position after an iteration, in images, so that another number of ranks can resume from it."""
        index, done = self.position(iteration)
        stage = self.stages[index]
        return {"index": index, "name": stage.name, "images": done * self.images_per_iteration(stage)}

    def find_iteration(self, state: dict[str, Any], path: str) -> int:
        """Return the iteration that a checkpoint corresponds to among these stages.

        Args:
            state: Of the checkpoint: ``iteration``, and ``stage`` as ``state`` returned it.
            path: Of the checkpoint, for the error.

        Raises:
            InputError: Its stage is not among these.
        """
        if not self.is_growing:
            return state["iteration"]
        place, names = state["stage"], [stage.name for stage in self.stages]
        if names[place["index"] : place["index"] + 1] != [place["name"]]:
            raise InputError(
                f"{path} was saved in stage {place['index'] + 1}, {place['name'] or 'of a run without stages'}; these "
                f"are {', '.join(names)}. It can go on with the TRAIN.stages and TRAIN.start_scale of its run."
            )
        stage = self.stages[place["index"]]
        done = min(place["images"] // self.images_per_iteration(stage), stage.iterations)
        return sum(before.iterations for before in self.stages[: place["index"]]) + done
