"""The log: plain text in pipes, without notices that say nothing to users, and never silent for long."""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ppsci.utils import logger

QUIET_SECONDS = 10.0  # without a line, until one says what is being done
NAME = "ppsci"  # of the logger that ppsci's functions write to

# Of ppsci: what nobody can act on, and lines in whose place we write our own.
_IRRELEVANT = re.compile(
    r"Auto collation is disabled|Using paddlepaddle |Set to_static=|Predicting batch |batch_size\(\d+\) is larger than"
    r"|Logger has already been automatically initialized|Inference with engine: |\[Eval\].*\[Avg\]"
)
_EVALUATION = re.compile(r"\[Eval\].*\[Iter\s*(\d+)/(\d+)\].*eta: (\S+)")


class _State:
    """When the last line was written, and what is being done since."""

    spoke = time.monotonic()
    task = ""


def set_up(path: str | None = None, level: str = "info") -> None:
    """Set ppsci's logger up: colours only where they are shown, and nothing irrelevant.

    Args:
        path: A file for the log, too.
        level: ``debug``, ``info``, ``warning`` or ``error``.

    Examples:
        >>> from ppsci_gan import logs
        >>> logs.set_up()  # doctest: +SKIP
    """
    logger.init_logger(NAME, path, level)
    for handler in logging.getLogger(NAME).handlers:
        handler.addFilter(_is_relevant)
        if not _shows_colours():
            plain = logging.Formatter("[%(asctime)s] %(name)s %(levelname)s: %(message)s", "%Y/%m/%d %H:%M:%S")
            handler.setFormatter(plain)


def set_up_once() -> None:
    """Set the logger up unless it is; a command's first message would otherwise come with a warning."""
    if not logging.getLogger(NAME).handlers:
        set_up()


def _shows_colours() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ  # see no-color.org


def _is_relevant(record: logging.LogRecord) -> bool:
    text = record.getMessage()
    batch = _EVALUATION.search(text)
    if batch:  # one for each batch; the line for silence has the last
        at("evaluating: batch {} of {}, eta {}".format(*batch.groups()))
        return False
    if _IRRELEVANT.match(text):
        return False
    _State.spoke = time.monotonic()
    return True


def at(task: str) -> None:
    """Say what is being done now. It is shown only if it takes so long that nothing else is logged meanwhile.

    Args:
        task: Such as ``features: 300 of 10000 images``.
    """
    _State.task = task


@contextmanager
def never_silent(seconds: float = QUIET_SECONDS) -> Iterator[None]:
    """Log what is being done whenever nothing has been logged for some time.

    Args:
        seconds: For how long.

    Examples:
        >>> import time
        >>> from ppsci_gan import logs
        >>> with logs.never_silent(seconds=0.1):
        ...     logs.at("sleeping")
        ...     time.sleep(0.3)
    """
    over = threading.Event()
    start = _State.spoke = time.monotonic()

    def watch() -> None:
        while not over.wait(max(0.01, _State.spoke + seconds - time.monotonic())):
            if time.monotonic() - _State.spoke >= seconds:
                logger.info(f"{_State.task or 'working'} ({time.monotonic() - start:.0f} s since the start)")
                _State.spoke = time.monotonic()  # also where the level lets no such line through

    thread = threading.Thread(target=watch, name="never_silent", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
