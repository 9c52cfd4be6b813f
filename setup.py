"""What pyproject.toml cannot say: scripts, configurations and weights lie beside the package, and go into its wheel."""

from setuptools import find_packages
from setuptools import setup

BESIDE = ("conf", "examples", "pretrained")

setup(
    packages=[*find_packages(include=["ppsci_gan*"]), *(f"ppsci_gan.{name}" for name in BESIDE)],
    package_dir={f"ppsci_gan.{name}": name for name in BESIDE},
    package_data={
        "ppsci_gan": ["py.typed"],
        "ppsci_gan.conf": ["**/*.yaml"],
        "ppsci_gan.examples": ["**/*.py", "**/*.ipynb"],
        "ppsci_gan.pretrained": ["*.md", "*.safetensors", "SHA256SUMS"],
    },
)
