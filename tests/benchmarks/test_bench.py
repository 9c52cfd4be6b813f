"""The benchmark runs, shrunk, and says what it measured."""

import json
from argparse import Namespace

import alternation
import bench
import flat_memory
import iterations
import machine
import pytest
import startup
import two_ranks
from ours import build_solver
from ours import configuration
from workloads import both
from workloads import named


class Scripted:
    """A contestant of a clock that only contestants move."""

    def __init__(self, name, clock, seconds):
        self.name, self.clock, self.seconds, self.runs = name, clock, seconds, []

    def run(self, iterations):
        self.runs.append(iterations)
        self.clock.now += self.seconds * iterations


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 0.0

    monkeypatch.setattr(alternation.time, "perf_counter", lambda: Clock.now)
    return Clock


def test_contestants_take_turns_for_equally_long(clock):
    quick, slow = Scripted("quick", clock, 0.05), Scripted("slow", clock, 1.0)
    times = alternation.alternate([quick, slow], rounds=3, least=0.3)
    assert times["quick"] == pytest.approx([0.05] * 3)
    assert times["slow"] == pytest.approx([1.0] * 3)
    assert quick.runs == [1, 1, 6, 6, 6]
    assert slow.runs == [1, 1, 1, 1, 1]


def test_ratio_is_of_medians_with_the_quartiles_of_the_rounds():
    found = alternation.ratio([2.0, 4.0, 6.0, 8.0, 100.0], [2.0, 2.0, 2.0, 2.0, 2.0])
    assert found == {"ratio": 3.0, "low": 2.0, "high": 4.0}
    assert alternation.ratio([3.0], [2.0]) == {"ratio": 1.5, "low": 1.5, "high": 1.5}


def test_the_better_layout_counts():
    found = iterations.compared({"solver": [2.0], "bare loop": [2.0], "PyTorch a": [4.0], "PyTorch b": [1.0]})
    assert found["best"] == "PyTorch b"
    assert found["ratios"]["PyTorch b"]["ratio"] == 2.0


def test_every_figure_is_in_the_table_and_in_the_file(tmp_path, capsys):
    path = tmp_path / "figures.json"
    parts = ["--only", "toy", "mnist", "evaluation", "memory"]
    bench.main(["--small", "--rounds", "2", "--iterations", "8", *parts, "--json", str(path)])
    figures, told = json.loads(path.read_text()), capsys.readouterr().out
    assert list(figures["iterations"]) == ["toy", "mnist"]
    contestants = {"solver", "bare loop"}
    if machine.HAS_TORCH:
        contestants |= {"PyTorch contiguous", "PyTorch channels_last"}
    assert set(figures["iterations"]["mnist"]["seconds"]) == contestants
    assert {"two Solvers", "two Solvers, untuned"} < set(figures["iterations"]["toy"]["medians"])
    assert all(0 < found["input"] < 1 for found in figures["iterations"].values())
    assert all(len(found["resident_mb"]) == 5 for found in figures["memory"].values())
    assert figures["peak_flops"] > 0
    assert all(rate > 0 for rate in figures["evaluation"]["images_per_second"].values())
    assert {"processor", "threads"} < set(figures["machine"])
    for workload in ("toy", "mnist", *flat_memory.LONG):
        assert named(workload).title in told
    assert ("PyTorch is not installed" in told) is not machine.HAS_TORCH


def test_pytorch_is_left_out_where_it_is_missing(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(machine, "HAS_TORCH", False)
    monkeypatch.setattr(iterations, "HAS_TORCH", False)
    path = tmp_path / "figures.json"
    setting = ["--set", "CPU.convolution=paddle"]
    bench.main(["--small", "--rounds", "1", "--only", "pgan_4", *setting, "--json", str(path)])
    found = json.loads(path.read_text())["iterations"]["pgan_4"]
    assert set(found["medians"]) == {"solver", "bare loop"}
    assert "operations" not in found
    assert "PyTorch is not installed (extra parity)" in capsys.readouterr().out


def test_operations_are_those_of_the_products(data):
    """By hand, multiplications per sample; a weight takes one forward, one for its gradient, one for its input's."""
    pytest.importorskip("torch")
    import in_torch

    workload = named("toy")
    cfg = configuration(workload, data, [*both("dim=8"), "TRAIN.batch_size=4"])
    counted = in_torch.InTorch(workload, build_solver(workload, cfg), cfg, "contiguous").operations()
    first, hidden, last = 2 * 8, 2 * 8 * 8, 8
    generator, critic = first + hidden + 2 * last, first + hidden + last
    of_both = generator + 2 * (3 * critic - first)  # generated without gradients; data needs none
    of_penalty = 2 * critic + critic + (critic - last)  # the critic, its input's gradient; then that one's gradients
    of_generator = (3 * generator - first) + 2 * critic
    least = 2 * 4 * (5 * (of_both + of_penalty) + of_generator)
    # PyTorch also sends the zeros of a rectifier's second derivative through the critic.
    assert least <= counted <= least + 2 * 4 * 5 * 2 * critic


def test_a_script_is_timed_to_its_first_iteration(data):
    found = startup.first_iteration(named("toy"), data, Namespace(small=True, set=[]))
    assert 0 < found["first_iteration"] < 200
    assert found["peak_mb"] > 50


def test_ranks_are_compared_without_their_first_iterations(data, monkeypatch):
    rates = {True: [1, 1, 30, 40, 30], False: [1, 1, 20, 20, 90]}
    monkeypatch.setattr(two_ranks, "_images_per_second", lambda command: rates["paddle.distributed.launch" in command])
    assert two_ranks.measure(data, Namespace(small=True, set=[]))["ratio"] == 1.5


def test_unknrename_published_are_refused(capsys):
    with pytest.raises(SystemExit):
        bench.main(["--only", "toys"])
    assert "--only toys: choose of toy, mnist" in capsys.readouterr().err
