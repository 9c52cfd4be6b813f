"""The files around the code agree with each other and with it."""

import email
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import pytest
import warm
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import ppsci_gan
from ppsci_gan import installation
from ppsci_gan.__main__ import COMMANDS
from ppsci_gan.__main__ import main as ppsci_gan_main
from ppsci_gan.errors import InputError

ROOT = Path(__file__).parents[1]
PYTHONS = ["3.10", "3.11", "3.12"]


def environment(python: str, extra: str = "") -> dict[str, str]:
    return {"python_version": python, "python_full_version": f"{python}.9", "extra": extra}


def locked(python: str) -> dict[str, str]:
    """Name to exact version, of the lines of constraints.txt that hold for this Python."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {
        canonicalize_name(requirement.name): str(requirement.specifier).removeprefix("==")
        for requirement in requirements
        if not requirement.marker or requirement.marker.evaluate(environment(python))
    }


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("extra", ["", "cpu", "dev", "docs", "export", "lsun", "parity"])
def test_constraints_hold_every_dependency_within_its_range(python, extra):
    requirements = [Requirement(text) for text in metadata.requires("ppsci-gan")]
    asked = [r for r in requirements if not r.marker or r.marker.evaluate(environment(python, extra))]
    versions = locked(python)
    assert len(asked) > 10
    for requirement in asked:
        if requirement.name == "ppsci-gan":  # an extra that has another in it
            continue
        assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)]), requirement


def test_paddle_and_numpy_are_those_the_suite_was_measured_with():
    for python in PYTHONS:
        versions = locked(python)
        assert versions["paddlepaddle"].startswith("3.3.")
        assert versions["paddlesci"].startswith("1.4.")
        assert versions["numpy"].startswith("1.26.")


def test_versions_agree():
    assert metadata.version("ppsci-gan") == ppsci_gan.__version__


def test_pre_commit_runs_the_locked_ruff():
    pinned = re.search(r"ruff-pre-commit\s+rev: v([\d.]+)", (ROOT / ".pre-commit-config.yaml").read_text())
    assert pinned[1] == locked("3.12")["ruff"]


def test_every_public_module_has_its_api_page():
    pages = "\n".join(page.read_text() for page in (ROOT / "docs" / "api").glob("*.md"))
    documented = set(re.findall(r"^::: (ppsci_gan[\w.]*)", pages, flags=re.MULTILINE))
    files = (file.relative_to(ROOT).with_suffix("") for file in (ROOT / "ppsci_gan").rglob("[!_]*.py"))
    assert {".".join(file.parts) for file in files} == documented


def test_tutorials_show_sections_of_the_code():
    marker = re.compile(r'^ *--8<-- "([^":]+)(?::(\w+))?"$', flags=re.MULTILINE)
    for page in (ROOT / "docs" / "examples").glob("*.md"):
        text = page.read_text()
        assert len(marker.findall(text)) > 5, page
        assert "8 <" not in text, page  # a formatter takes a marker for Python
        for file, section in marker.findall(text):
            assert not section or f"# --8<-- [start:{section}]" in (ROOT / file).read_text(), (page, file, section)


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, ppsci_gan; sys.exit('paddle' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_examples_modules_are_forgotten_between_examples(load_example, tmp_path, monkeypatch):
    for example in ("first", "second"):
        (tmp_path / example).mkdir()
        (tmp_path / example / "model.py").write_text(f"NAME = '{example}'\n")
    monkeypatch.setitem(load_example.__globals__, "EXAMPLES", tmp_path)
    first = load_example("first", "model")
    assert load_example("first", "model") is first
    assert (first.NAME, load_example("second", "model").NAME) == ("first", "second")


# --- the wheel ---

PROBE = """
import sys
import ppsci_gan, ppsci_gan.files
assert ppsci_gan.__file__.startswith(sys.argv[1]), ppsci_gan.__file__
from ppsci_gan import weights
from ppsci_gan.commands import run
images = ppsci_gan.load("dcgan_mnist").sample(16, labels=3, seed=0)
print(images.shape, images.dtype, sorted(run.scripts()) , (ppsci_gan.files.PACKAGE / "py.typed").is_file())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The folder that a wheel, built from a source distribution of a copy, unpacks to; without a clone around it."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("ppsci_gan", "conf", "examples", "pretrained"):
        shutil.copytree(ROOT / name, folder / "copy" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "copy")
    build = "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])"
    command = [sys.executable, "-W", "error::UserWarning", "-c", build]
    done = subprocess.run(
        [*command, "build_sdist", str(folder)], cwd=folder / "copy", capture_output=True, text=True, check=True
    )
    assert "would be ignored" not in done.stderr
    shutil.unpack_archive(next(folder.glob("*.tar.gz")), folder / "source")
    (source,) = (folder / "source").iterdir()
    subprocess.run([*command, "build_wheel", str(folder)], cwd=source, capture_output=True, check=True)
    shutil.unpack_archive(next(folder.glob("*.whl")), folder / "site", format="zip")
    return folder / "site"


def test_the_wheel_has_all_that_the_commands_need(wheel):
    for name in ("conf", "examples", "pretrained"):
        files = {file.relative_to(ROOT) for file in (ROOT / name).rglob("*.*") if "__pycache__" not in file.parts}
        assert {file.relative_to(wheel / "ppsci_gan") for file in (wheel / "ppsci_gan" / name).rglob("*.*")} == files


def test_the_wheel_works_without_the_repository(wheel, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(wheel)}
    done = subprocess.run(
        [warm.python(environment), "-c", PROBE, str(wheel)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    scripts = "['dcgan', 'pgan', 'study', 'transfergan', 'wgangp_cifar10', 'wgangp_mnist', 'wgangp_toy']"
    assert f"(16, 1, 28, 28) uint8 {scripts} True" in done.stdout


def test_the_wheel_s_metadata(wheel):
    (folder,) = wheel.glob("*.dist-info")
    given = email.message_from_string((folder / "METADATA").read_text(encoding="utf-8"))
    assert given["Description-Content-Type"] == "text/markdown"
    assert given.get_payload().startswith("# ppsci-gan")
    requirements = [Requirement(text) for text in given.get_all("Requires-Dist")]
    always = {requirement.name for requirement in requirements if not requirement.marker}
    assert "paddlesci" in always
    assert not [name for name in always if name.startswith("paddlepaddle")]  # or it would replace a build for a GPU
    assert {"cpu", "gpu", "export", "lsun"} <= set(given.get_all("Provides-Extra"))
    assert "ppsci-gan = ppsci_gan.__main__:main" in (folder / "entry_points.txt").read_text()
    assert (folder / "licenses" / "LICENSE").is_file()


def test_help_of_the_command_is_quick(tmp_path):
    code = "import time; a = time.process_time(); import runpy, sys; sys.argv[1:] = ['--help']\n"
    code += "runpy.run_module('ppsci_gan', run_name='__main__')\n"
    code += "print(time.process_time() - a, {'paddle', 'numpy', 'hydra'} & set(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, _, heavy = done.stderr.strip().splitlines()[-1].partition(" ")
    assert heavy == "set()"
    assert float(seconds) < 0.5
    for name, command in COMMANDS.items():
        assert f"  {name} " in done.stdout
        assert importlib.util.find_spec(f"ppsci_gan.commands.{command.module}") is not None


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["ppsci-gan", name, "--help"])
    with suppress(SystemExit):
        ppsci_gan_main()
    assert capsys.readouterr().out.startswith(f"usage: ppsci-gan {name} ")


def test_an_unknown_command(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["ppsci-gan", "smaple"])
    with pytest.raises(SystemExit, match="2"):
        ppsci_gan_main()
    assert "smaple: no such command. There are sample, score" in capsys.readouterr().err


def test_without_paddle_commands_say_what_to_run(capsys, monkeypatch):
    monkeypatch.setattr(installation.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["ppsci-gan", "sample", "dcgan_mnist"])
    with pytest.raises(SystemExit, match="2"):
        ppsci_gan_main()
    told = capsys.readouterr().err
    assert 'pip install "ppsci-gan[cpu]"' in told
    assert f'paddlepaddle-gpu>=3.3,<3.4" -i {installation.INDEX}' in told
    with pytest.raises(InputError, match="Paddle is not installed"):
        ppsci_gan.load("dcgan_mnist")


def test_two_builds_of_paddle_are_noticed(monkeypatch):
    monkeypatch.setattr(installation.metadata, "distribution", lambda name: name)
    with pytest.raises(InputError, match="pip uninstall -y paddlepaddle paddlepaddle-gpu"):
        installation.require_paddle()


def test_make_installs_the_build_of_paddle_that_is_asked_for():
    def recipe(*arguments):
        line = ["make", "--dry-run", "--always-make", "demo", *arguments]
        return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    usual, other = recipe(), recipe(f"PADDLE=paddlepaddle-gpu==3.3.1 -i {installation.INDEX}")
    assert re.search(r"grep -q '\^paddlepaddle-' \|\| .*pip install .* paddlepaddle$", usual, re.MULTILINE)
    assert re.search(rf"pip install .* paddlepaddle-gpu==3.3.1 -i {installation.INDEX}$", other, re.MULTILINE)
    assert "pip uninstall --quiet --yes paddlepaddle paddlepaddle-gpu" in other
    assert not re.search("pip install .* paddlepaddle$", other, re.MULTILINE)


# --- systems that nobody had here ---

HIDDEN = """
import runpy, signal, sys
for name in ("resource", "fcntl", "pwd", "grp", "termios", "syslog"):
    sys.modules[name] = None
for name in ("SIGKILL", "SIGALRM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGQUIT", "SIGCHLD", "alarm", "setitimer"):
    delattr(signal, name)
import pkgutil, importlib, ppsci_gan
for module in pkgutil.walk_packages(ppsci_gan.__path__, "ppsci_gan."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_nothing_needs_what_windows_lacks(tmp_path):
    """Simulated: modules and signals of POSIX systems are hidden while everything is imported, and a run is trained."""
    script = ROOT / "examples" / "wgangp" / "wgangp_toy.py"
    settings = ["preset=demo", "TRAIN.epochs=1", "TRAIN.iters_per_epoch=2", "TRAIN.eval_during_train=false"]
    done = subprocess.run(
        [warm.python(), "-c", HIDDEN, str(script), *settings, "output_dir=run", "device=cpu"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "checkpoints" / "latest.safetensors").is_file()
