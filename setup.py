"""What pyproject.toml cannot say: scripts, configurations and weights lie beside the package, and go into its wheel."""

from pathlib import Path

from setuptools import find_packages
from setuptools import setup

BESIDE = [
    folder
    for name in ("conf", "examples", "pretrained")
    for folder in (Path(name), *sorted(Path(name).rglob("*/")))
    if folder.is_dir() and folder.name != "__pycache__"
]
names = {f"ppsci_gan.{'.'.join(folder.parts)}": folder.as_posix() for folder in BESIDE}

setup(
    packages=[*find_packages(include=["ppsci_gan*"]), *names],
    package_dir=names,
    package_data={"": ["py.typed", "*.yaml", "*.json", "*.md", "*.safetensors", "SHA256SUMS"]},
)
