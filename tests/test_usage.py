"""``--help``: what a script does, its presets, and what every key is, before Paddle is imported."""

import os
import subprocess
import sys

import pytest
from hydra import compose
from hydra import initialize_config_dir
from omegaconf import OmegaConf

from ppsci_gan import usage
from ppsci_gan.files import REPOSITORY

CONF = REPOSITORY / "conf"
EXPERIMENTS = sorted(folder.name for folder in (CONF / "preset").iterdir())
SCRIPT = '''"""What this script does."""

from ppsci_gan import usage

if __name__ == "__main__":
    usage.answer_help("wgangp_toy")

print("further")
'''
MEASURED = """
import resource
import runpy
import sys

try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_utime + used.ru_stime, *sorted({"paddle", "ppsci", "numpy"} & set(sys.modules)), file=sys.stderr)
"""


def leaves(values, group=""):
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{group}{name}.")
        else:
            yield f"{group}{name}", value


def table(text):
    """The keys that a help text lists, with their groups: comments, or None."""
    listed, groups = {}, []
    for line in text[text.index("Keys, as") :].splitlines()[1:]:
        if not line:
            return listed
        entry, _, comment = line.partition("  # ")
        if not entry.strip().startswith("- "):
            depth = (len(entry) - len(entry.lstrip())) // 2 - 1
            groups = [*groups[:depth], entry.split(":")[0].strip()]
            listed[".".join(groups)] = comment or None
    raise AssertionError("the list has no end")


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_key_is_listed_and_says_what_it_is(name):
    listed = table(usage.describe(name, "script.py", "Purpose."))
    with initialize_config_dir(str(CONF), version_base=None):
        values = OmegaConf.to_container(compose(name, ["output_dir=out"]), resolve=False)
    assert {key for key, _ in leaves(values)} <= set(listed)
    # An interpolation says it itself; the group's comment may hold for all of its keys.
    unexplained = {
        key
        for key, value in leaves(values)
        if not (listed[key] or listed[key.rpartition(".")[0] or key] or str(value).startswith("${"))
    }
    assert not unexplained


def test_an_experiments_own_comment_goes_over_the_shared_one():
    shared = usage.read_comments(CONF / "images.yaml")["DATA.data_path"]
    own = usage.read_comments(CONF / "pgan.yaml")["DATA.data_path"]
    assert shared != own
    assert table(usage.describe("pgan", "pgan.py", ""))["DATA.data_path"] == own


def test_comments_of_a_file(tmp_path):
    (tmp_path / "a.yaml").write_text(
        "# of nothing\n"
        "defaults:\n  - b # no key\n"
        "top: 1 # first\n"
        "plain: a#b\n"
        "GROUP: # of a group\n"
        "  inner: [1, 2] # second\n"
        "  DEEP:\n"
        "    last: ${top}/x # third: # too\n"
        "  back: 'a # b'\n"
        "other: null\n"
    )
    comments = {"top": "first", "GROUP": "of a group", "GROUP.inner": "second", "GROUP.DEEP.last": "third: # too"}
    found = usage.read_comments(tmp_path / "a.yaml")
    assert {key: found.get(key) for key in comments} == comments
    assert {"plain", "GROUP.DEEP", "other"}.isdisjoint(found)
    assert usage.read_comments(tmp_path / "a.yaml", "LOSS")["LOSS.GROUP.inner"] == "second"


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_preset_says_what_it_is_for(name):
    presets = usage.read_presets(name)
    assert set(presets) == {file.stem for file in (CONF / "preset" / name).glob("*.yaml")}
    text = usage.describe(name, "script.py", "Purpose.")
    for preset, purpose in presets.items():
        assert purpose.endswith((".", ":"))
        assert any(line.split() == [preset, *purpose.split()] for line in text.splitlines())


def test_a_table_is_listed_row_by_row():
    text = usage.describe("pgan", "pgan.py", "")
    rows = [line for line in text.splitlines() if line.strip().startswith("- {resolution: ")]
    assert len(rows) == 6
    assert max(map(len, rows)) < 120


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_is_quick_and_imports_no_paddle(tmp_path, option):
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv = sys.argv[1:]\n" + MEASURED, "script.py", option],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("What this script does.\n\npython script.py [preset=NAME]")
    assert "\nSeveral runs, a folder each: " in done.stdout
    assert "further" not in done.stdout
    seconds, *imported = done.stderr.split()
    assert not imported
    assert float(seconds) < 2


def test_without_the_option_the_script_goes_on(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["script.py", "preset=quick"])
    usage.answer_help("wgangp_toy")
    assert capsys.readouterr().out == ""
