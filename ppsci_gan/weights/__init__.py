"""Weights: finding, reading, checking, publishing, and starting from those of other runs."""

from ppsci_gan.weights.checkpoint import Checkpoint
from ppsci_gan.weights.checkpoint import read_checkpoint
from ppsci_gan.weights.checkpoint import save_checkpoint
from ppsci_gan.weights.finding import SUFFIXES
from ppsci_gan.weights.finding import find
from ppsci_gan.weights.finding import pretrained
from ppsci_gan.weights.finding import shown
from ppsci_gan.weights.loading import build
from ppsci_gan.weights.loading import check
from ppsci_gan.weights.loading import describe
from ppsci_gan.weights.loading import digest
from ppsci_gan.weights.loading import fill
from ppsci_gan.weights.loading import has_part
from ppsci_gan.weights.loading import load
from ppsci_gan.weights.loading import load_players
from ppsci_gan.weights.loading import read
from ppsci_gan.weights.loading import read_renamed
from ppsci_gan.weights.loading import restore
from ppsci_gan.weights.loading import save
from ppsci_gan.weights.publishing import publish

__all__ = [
    "SUFFIXES",
    "Checkpoint",
    "build",
    "check",
    "describe",
    "digest",
    "fill",
    "find",
    "has_part",
    "load",
    "load_players",
    "pretrained",
    "publish",
    "read",
    "read_checkpoint",
    "read_renamed",
    "restore",
    "save",
    "save_checkpoint",
    "shown",
]
