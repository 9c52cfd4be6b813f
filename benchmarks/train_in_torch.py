"""Train an example's networks in PyTorch, on a machine that has an accelerator and no Paddle, in pieces.

    python benchmarks/train_in_torch.py prepare cifar10_resnet run/ DATA.data_path=cifar-10-python.tar.gz ...
    python benchmarks/train_in_torch.py run run/ --minutes 9 --device cuda       # there, as often as wanted
    python benchmarks/train_in_torch.py convert run/ latest.safetensors          # here, for mode=eval and publish

``prepare`` and ``convert`` need Paddle, ``run`` needs PyTorch and NumPy. Networks, losses, optimizer, schedule, order
of the data and moving average are ours: tests/benchmarks compares them. Random numbers are PyTorch's. The files in
``run/`` hold arrays and plain values: images_<n>.npy (below 50 MB each) and labels.npy, plan.json, and
state_<iterations>/ with a file for each player, for the moving average and for each optimizer, of which ``run`` takes
the newest and leaves a newer one.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import shutil
import time
from pathlib import Path

import numpy as np

LARGEST_PART = 48 << 20  # bytes of images in a file
PLAYERS = ("generator", "critic")


def prepare(workload: str, folder: Path, overrides: list[str]) -> None:
    """Write the data, the first weights and the plan of a training.

    Args:
        workload: Name in ``workloads``.
        folder: Where to.
        overrides: Of the example's configuration.
    """
    import in_torch
    import ours
    from hydra import compose
    from hydra import initialize_config_dir
    from workloads import named

    from ppsci_gan.files import REPOSITORY

    chosen = named(workload)
    with initialize_config_dir(str(REPOSITORY / "conf"), version_base=None):
        fixed = [
            "device=cpu",
            f"output_dir={folder / 'output'}",
            "TRAIN.sample_freq=0",
            "TRAIN.eval_during_train=false",
        ]
        cfg = compose(chosen.script.rpartition("/")[2], [*fixed, *overrides])
    solver = ours.build_solver(chosen, cfg)
    of_critic = next(phase for phase in solver.phases if phase.dataset is not None)
    images, labels = of_critic.dataset.input["data"], of_critic.dataset.label.get("labels")
    per_file = max(1, LARGEST_PART // images[0].nbytes)
    for number, start in enumerate(range(0, len(images), per_file)):
        np.save(folder / f"images_{number}.npy", images[start : start + per_file])
    if labels is not None:
        np.save(folder / "labels.npy", labels)
    players = {"generator": solver.generator, "critic": solver.players["critic"]}
    start = folder / "state_0"
    start.mkdir()
    for name, player in players.items():
        np.savez(start / f"{name}.npz", **{key: value.numpy() for key, value in player.state_dict().items()})
    (start / "state.json").write_text(json.dumps({"iterations": 0, "updates": 0}))
    plan = {
        "peer": chosen.peer,
        "shape": chosen.shape,
        "seed": cfg.seed,
        "batch_size": of_critic.batch_size,
        "dequantize": cfg.DATA.dequantize,
        "losses": in_torch.loss_settings(cfg),
        "settings": dataclasses.asdict(in_torch.settings(solver, cfg)),
        "networks": {name: player.recipe for name, player in players.items()},
    }
    (folder / "plan.json").write_text(json.dumps(plan, indent=2) + "\n")


def run(folder: Path, minutes: float, device: str, iterations: int | None = None) -> None:
    """Train on from the last state, for a time or a number of iterations.

    Args:
        folder: Of ``prepare``.
        minutes: Time to stop after.
        device: ``cpu`` or ``cuda``.
        iterations: Iterations of the whole training to stop at, if sooner.
    """
    import torch
    from peers.training import Batches

    plan = json.loads((folder / "plan.json").read_text())
    trainer = load_trainer(folder, plan, device)
    files = sorted(folder.glob("images_*.npy"), key=lambda file: int(file.stem.partition("_")[2]))
    images = torch.from_numpy(np.concatenate([np.load(file) for file in files])).to(device)
    labels = torch.from_numpy(np.load(folder / "labels.npy")).to(device) if (folder / "labels.npy").exists() else None
    per_iteration = trainer.settings.n_critic
    order = Batches(len(images), plan["batch_size"], plan["seed"], start=trainer.iterations * per_iteration)

    def to_floats(indices: np.ndarray) -> torch.Tensor:
        levels = images[torch.from_numpy(indices).to(device)].float().view(-1, *plan["shape"])
        if not plan["dequantize"]:
            return levels / 127.5 - 1
        return (levels + trainer.draws.shares(levels.numel()).view_as(levels)) / 128 - 1

    def next_batch():
        indices = next(order)
        return to_floats(indices), None if labels is None else labels[torch.from_numpy(indices).to(device)]

    began = last = time.monotonic()
    while time.monotonic() - began < 60 * minutes and (iterations is None or trainer.iterations < iterations):
        terms = trainer.iterate(next_batch)
        if time.monotonic() - last > 10:
            last = time.monotonic()
            values = {name: float(value) for name, value in terms.items()}
            if not all(np.isfinite(value) for value in values.values()):
                raise SystemExit(f"iteration {trainer.iterations}: not finite: {values}; the last state stays.")
            shown = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
            print(f"iteration {trainer.iterations}: {shown}", flush=True)
    save_trainer(folder, trainer)
    print(f"{trainer.iterations} iterations; {folder}")


def newest(folder: Path) -> Path:
    """Return the folder of the newest state that is whole.

    Args:
        folder: Of ``prepare``.
    """
    whole = [file.parent for file in folder.glob("state_*/state.json")]
    return max(whole, key=lambda found: int(found.name.partition("_")[2]))


def load_trainer(folder: Path, plan: dict, device: str):
    """Return the trainer at the newest state.

    Args:
        folder: Of ``prepare``.
        plan: Its plan.json.
        device: ``cpu`` or ``cuda``.
    """
    import torch
    from peers import losses
    from peers import training

    found = newest(folder)
    states = [training.copy_state(_arrays(found / f"{player}.npz"), device=device) for player in PLAYERS]
    settings = training.Settings(**{k: tuple(v) if isinstance(v, list) else v for k, v in plan["settings"].items()})
    draws = training.Draws(plan["seed"], device)
    objective = getattr(losses, plan["losses"]["name"])(**plan["losses"]["settings"])
    peer = importlib.import_module(f"peers.{plan['peer']}")
    trainer = training.Trainer(peer.generator, peer.critic, *states, objective, settings, draws)
    state = json.loads((found / "state.json").read_text())
    trainer.iterations, trainer.updates = state["iterations"], state["updates"]
    if trainer.iterations:
        draws.options["generator"].set_state(torch.tensor(state["random"], dtype=torch.uint8))
        for player, optimizer in trainer.optimizers.items():
            training.set_moments(optimizer, _arrays(found / f"adam_{player}.npz"))
        if trainer.average is not None:
            trainer.average = training.copy_state(_arrays(found / "average.npz"), device=device)
    return trainer


def save_trainer(folder: Path, trainer) -> None:
    """Write the state of a trainer beside the one before, which is then removed.

    Args:
        folder: Of ``prepare``.
        trainer: The trainer.
    """
    from peers import training

    before, target = newest(folder), folder / f"state_{trainer.iterations}"
    target.mkdir(exist_ok=True)
    groups = {"generator": trainer.generator, "critic": trainer.critic, "average": trainer.average or {}}
    groups = {name: training.to_arrays(state) for name, state in groups.items()}
    groups |= {f"adam_{name}": training.get_moments(optimizer) for name, optimizer in trainer.optimizers.items()}
    for name, arrays in groups.items():
        np.savez(target / f"{name}.npz", **arrays)
    random = trainer.draws.options["generator"].get_state().tolist()
    state = {"iterations": trainer.iterations, "updates": trainer.updates, "random": random}
    (target / "state.json").write_text(json.dumps(state))  # last: with it the state is whole
    if before != target:
        shutil.rmtree(before)


def convert(folder: Path, path: Path) -> None:
    """Write the players as a checkpoint of this suite, which mode=eval and publishing take.

    Args:
        folder: Of ``run``.
        path: ``.safetensors``.
    """
    from ppsci_gan.weights import Checkpoint
    from ppsci_gan.weights.checkpoint import AVERAGE

    found, plan = newest(folder), json.loads((folder / "plan.json").read_text())
    state = json.loads((found / "state.json").read_text())
    use = {} if plan["settings"]["decay"] is None else {"generator": AVERAGE}
    known = {"iteration": state["iterations"], "seed": plan["seed"], "networks": plan["networks"], "use": use}
    checkpoint = Checkpoint(known)
    for player in PLAYERS:
        checkpoint.put(player, _arrays(found / f"{player}.npz"))
    if use:
        checkpoint.put(AVERAGE, _arrays(found / "average.npz"))
    checkpoint.write(path)


def _arrays(file: Path) -> dict[str, np.ndarray]:
    with np.load(file, allow_pickle=False) as arrays:
        return dict(arrays)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("prepare")
    command.add_argument("workload")
    command.add_argument("folder", type=Path)
    command.add_argument("overrides", nargs="*")
    command.set_defaults(command=prepare)
    command = commands.add_parser("run")
    command.add_argument("folder", type=Path)
    command.add_argument("--minutes", type=float, default=9.0)
    command.add_argument("--device", default="cuda")
    command.add_argument("--iterations", type=int)
    command.set_defaults(command=run)
    command = commands.add_parser("convert")
    command.add_argument("folder", type=Path)
    command.add_argument("path", type=Path)
    command.set_defaults(command=convert)
    given = vars(parser.parse_args())
    given["folder"].mkdir(parents=True, exist_ok=True)
    given.pop("command")(**given)


if __name__ == "__main__":
    main()
