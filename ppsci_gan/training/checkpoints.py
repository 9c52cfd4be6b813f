"""The checkpoints of a run: when the latest is due, what stands behind it, which of them are kept."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from ppsci.utils import logger

from ppsci_gan.errors import InputError
from ppsci_gan.files import atomic
from ppsci_gan.weights.checkpoint import Checkpoint

LATEST, PREVIOUS = "latest", "previous"
SHARE = 0.01  # of the time that saving the latest checkpoint may take


class RunCheckpoints:
    """The folder ``checkpoints`` of a run.

    ``latest`` is replaced again and again; ``previous`` is what it was before. Other names are written once, or, as
    ``best``, where there is something better.

    Args:
        folder: The folder; made when something is saved.
        minutes: Between two saves of ``latest`` within an epoch; None for none.
        keep: How many ``epoch_*`` there are at most, the newest; None for all.

    Examples:
        >>> import tempfile
        >>> from ppsci_gan.training.checkpoints import RunCheckpoints
        >>> from ppsci_gan.weights import Checkpoint
        >>> checkpoints = RunCheckpoints(tempfile.mkdtemp())
        >>> for iteration in (10, 20):
        ...     checkpoints.save("latest", Checkpoint({"iteration": iteration}))
        >>> sorted(file.stem for file in checkpoints.folder.iterdir())
        ['latest', 'previous']
        >>> checkpoints.newest().state["iteration"]
        20
    """

    def __init__(self, folder: os.PathLike | str, minutes: float | None = None, keep: int | None = None):
        self.folder, self.minutes, self.keep = Path(folder), minutes, keep
        self.unwanted: set[Path] = set()  # damaged, or of a way that was given up
        self.saved = time.perf_counter()  # not the time of day, which can be set back
        self.took = 0.0

    def path(self, name: str) -> Path:
        """Return the file of a checkpoint's name."""
        return self.folder / f"{name}.safetensors"

    def is_due(self, epoch_ends: bool) -> bool:
        """Whether ``latest`` is to be saved: it is time, or an epoch ends, and saving takes no time to speak of.

        Args:
            epoch_ends: Whether an epoch has ended.
        """
        since = time.perf_counter() - self.saved
        is_time = self.minutes is not None and since >= 60 * self.minutes
        return (epoch_ends or is_time) and since >= self.took / SHARE

    def save(self, name: str, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, and remove the oldest of too many.

        Args:
            name: Without folder and suffix.
            checkpoint: What to write.

        Raises:
            OSError: It cannot be written. What there was before is still there.
        """
        begin = time.perf_counter()
        checkpoint.write(self.path(name), self._keep_previous if name == LATEST else lambda: None)
        self.unwanted.discard(self.path(name))
        if name == LATEST:
            self.saved = time.perf_counter()
            self.took = self.saved - begin
        self._remove_oldest()

    def begin_anew(self) -> None:
        """Let what another run has left not be taken for this one's."""
        self.unwanted.add(self.path(LATEST))
        self.path(PREVIOUS).unlink(missing_ok=True)

    def go_back_to(self, checkpoint: Checkpoint) -> None:
        """Let ``latest`` not become the previous one where it is another than the one that a run goes back to.

        Args:
            checkpoint: As ``newest_first`` returned it.
        """
        if checkpoint.path != self.path(LATEST):
            self.unwanted.add(self.path(LATEST))

    def _keep_previous(self) -> None:
        """Let the file that is ``latest`` until now be ``previous``, too, so that at no time there is no ``latest``."""
        latest = self.path(LATEST)
        if latest.is_file() and latest not in self.unwanted:
            with atomic(self.path(PREVIOUS)) as temporary:
                try:
                    os.link(latest, temporary)
                except OSError:  # such as on FAT, which has no links
                    shutil.copyfile(latest, temporary)

    def _remove_oldest(self) -> None:
        numbers = [file.stem.removeprefix("epoch_") for file in self.folder.glob("epoch_*.safetensors")]
        numbers = sorted((int(number) for number in numbers if number.isdigit()), reverse=True)
        for number in numbers[self.keep :] if self.keep else ():
            self.path(f"epoch_{number}").unlink(missing_ok=True)

    def remove_leftovers(self) -> None:
        """Remove what a killed process was writing when it ended."""
        for file in self.folder.glob(".*.safetensors"):
            file.unlink(missing_ok=True)

    def newest(self) -> Checkpoint | None:
        """Return the newest whole checkpoint, with a warning that names the damaged ones before it.

        Returns:
            None where there is no checkpoint.

        Raises:
            InputError: There are some, and every one is damaged.
        """
        return next(self.newest_first(), None)

    def newest_first(self) -> Iterator[Checkpoint]:
        """Return the whole checkpoints: ``latest``, ``previous``, then the others by iteration.

        Raises:
            InputError: There are some, and every one is damaged.
        """
        roles = [self.path(LATEST), self.path(PREVIOUS)]
        problems, found = [], False
        for checkpoint, problem in self._read([file for file in roles if file.is_file()]):
            problems.append(problem)
            if checkpoint is not None:
                _tell(problems, checkpoint)
                found, problems = True, []
                yield checkpoint
        others = list(self._read(sorted(set(self.folder.glob("[!.]*.safetensors")) - set(roles))))
        problems += [problem for _, problem in others]
        whole = [checkpoint for checkpoint, _ in others if checkpoint is not None]
        for checkpoint in sorted(whole, key=lambda one: one.state.get("iteration", 0), reverse=True):
            _tell(problems, checkpoint)
            found, problems = True, []
            yield checkpoint
        if not found and any(problems):
            raise InputError("\n  ".join(["no checkpoint of this run is whole:", *filter(None, problems)]))

    def _read(self, files: list[Path]) -> Iterator[tuple[Checkpoint | None, str]]:
        for file in files:
            try:
                yield Checkpoint.read(file), ""
            except (InputError, OSError) as error:
                self.unwanted.add(file)
                yield None, str(error)


def _tell(problems: list[str], instead: Checkpoint) -> None:
    for problem in filter(None, problems):
        logger.warning(f"{problem} Taking {instead.path} instead, of iteration {instead.state.get('iteration')}.")
