"""AdversarialSolver: one ppsci Solver that trains two players in turn."""

from __future__ import annotations

import faulthandler
import functools
import signal
import sys
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import AbstractContextManager
from contextlib import contextmanager
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any
from typing import NamedTuple

import numpy as np
import paddle
import ppsci
from omegaconf import DictConfig
from omegaconf import OmegaConf
from paddle import Tensor
from paddle import nn
from ppsci.utils import logger
from ppsci.utils import misc

from ppsci_gan import logs
from ppsci_gan import plots
from ppsci_gan import runs
from ppsci_gan import weights
from ppsci_gan.data.batches import ShuffledBatches
from ppsci_gan.devices import device
from ppsci_gan.devices import memory
from ppsci_gan.devices import ranks
from ppsci_gan.errors import InputError
from ppsci_gan.errors import TrainingError
from ppsci_gan.export import writing
from ppsci_gan.networks import latent
from ppsci_gan.networks.base import Player
from ppsci_gan.training import dry_run
from ppsci_gan.training import lines
from ppsci_gan.training import optimizers
from ppsci_gan.training import precision
from ppsci_gan.training import resuming
from ppsci_gan.training import trackers
from ppsci_gan.training.average import GeneratorAverage
from ppsci_gan.training.checkpoints import LATEST
from ppsci_gan.training.checkpoints import RunCheckpoints
from ppsci_gan.training.collapse import CollapseWatch
from ppsci_gan.training.divergence import Diverged
from ppsci_gan.training.phases import Batch
from ppsci_gan.training.phases import Phase
from ppsci_gan.training.phases import Updates
from ppsci_gan.training.precision import Precision
from ppsci_gan.training.scalars import Scalars
from ppsci_gan.training.stages import Stage
from ppsci_gan.training.stages import Stages
from ppsci_gan.weights.checkpoint import AVERAGE
from ppsci_gan.weights.checkpoint import OPTIMIZER
from ppsci_gan.weights.checkpoint import find_unusable

MEANWHILE_SECONDS = 8.0  # without a line of the training, until one is added to those of log_freq
ROLLBACKS = 5  # at most, of a run that diverges again and again
LOWER = 0.5  # factor of the learning rates, at every rollback
GRACE_SECONDS = 45  # that ranks have to finish an iteration and save, once they are told to stop


class Score(NamedTuple):
    """The score that chooses the best checkpoint.

    Attributes:
        name: ``<metric>.<key>``, as ``Solver.eval`` reports it.
        higher_is_better: Its right direction.
    """

    name: str
    higher_is_better: bool

    def better(self, value: float, than: float | None) -> bool:
        """Whether a value beats another; any number beats None, and NaN nothing."""
        if than is None:
            return bool(np.isfinite(value))
        return value > than if self.higher_is_better else value < than


class Players(ppsci.arch.ModelList):
    """Both networks; a forward pass runs those whose inputs are given.

    So evaluation, prediction and export, which give noise, run the generator alone.
    """

    def forward(self, x: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the outputs of every network whose inputs are in ``x``, in float32 also where weights are half."""
        outputs = {}
        for model in self.model_list:
            if set(model.input_keys) <= set(x):
                outputs.update({name: precision.to_float32(value) for name, value in model(x).items()})
        return outputs


class AdversarialSolver(ppsci.solver.Solver):
    """Train a generator against its critic, phase by phase.

    One iteration runs every phase, ``updates`` times each: for WGAN-GP ``n_critic`` critic updates and one generator
    update. Evaluation, prediction, VisualDL, TensorBoard and W&B are ``ppsci.solver.Solver``'s.

    Everything random in an iteration follows from (seed, rank, iteration), and the order of the data from the seed. A
    checkpoint therefore continues a run exactly: on the CPU bit by bit. A run that has diverged goes back to a
    checkpoint, at most ``ROLLBACKS`` times, with other random numbers, another order of the data and learning rates
    ``LOWER`` times as high; or it stops, as ``TRAIN.on_divergence`` says.

    On several ranks gradients are averaged, batch statistics shared and data divided; rank 0 writes.

    Args:
        generator: Maps ``noise`` (and ``labels``) to its first output key; see ``ppsci_gan.networks.latent``.
        phases: What an iteration does, in order.
        stages: In place of ``phases``, where these change in the course of the training.
        validator: As for ``ppsci.solver.Solver``.
        score: Chooses the best checkpoint while training.
        draw: ``draw(samples, path)`` makes a picture of the fixed latent's samples (array [N, ...]); by default a grid
            of images.
        watch: Looks at the phase ``critic`` for a collapse.
        each_epoch: Called with the number of every epoch that ends, on every rank.
        cfg: Configuration; read as ``ppsci.solver.Solver`` does, and ``TRAIN.sample_freq``, ``VIS.num_images``.

    Examples:
        See ``examples/wgangp/wgangp_toy.py``.
    """

    def __init__(
        self,
        generator: nn.Layer,
        phases: Sequence[Phase] = (),
        validator: dict[str, ppsci.validate.Validator] | None = None,
        score: Score | None = None,
        draw: Callable[[np.ndarray, str], None] | None = None,
        watch: CollapseWatch | None = None,
        each_epoch: Callable[[int], None] | None = None,
        *,
        stages: Sequence[Stage] = (),
        cfg: DictConfig,
    ):
        self.generator = generator
        # Null where an epoch is a pass over the data, until the script has opened them; evaluation never does.
        iterations = cfg.TRAIN.epochs * (cfg.TRAIN.iters_per_epoch or 0)
        parts = cfg.TRAIN.update_freq * ranks.count()
        self.stages = Stages(stages or [Stage("training", iterations, phases)], parts, is_growing=bool(stages))
        self.stage: Stage | None = None  # the present one
        self.phases = phases = self.stages[0].phases
        self.score = score
        self.draw = draw or self._draw_grid
        self.watch = watch
        self.each_epoch = each_epoch
        self.players = {phase.name: phase.player for phase in phases}
        others = [player for player in self.players.values() if player is not generator]
        # The players come afterwards: on several ranks ppsci would wrap them in DataParallel, which takes one backward
        # pass per forward pass; the gradient penalty has two.
        super().__init__(Players(()), validator=validator, cfg=cfg)
        trackers.add_configuration(self, OmegaConf.to_container(cfg, resolve=True))
        self.model = Players((generator, *others))
        ranks.synchronise_batch_norm(self.model)
        self.optimizer = ppsci.optimizer.OptimizerList(tuple(phase.optimizer for phase in phases))
        self.seed = cfg.seed
        self.sample_freq = cfg.TRAIN.sample_freq or 0
        self.num_fixed = cfg.VIS.num_images
        self.ema_model = None
        if cfg.TRAIN.ema.use_ema:
            self.ema_model = GeneratorAverage(generator, cfg.TRAIN.ema.decay, self._find_optimizer(generator))
        self.best: dict[str, float | None] = {"raw": None, "averaged": None}
        self.train_epoch_func = train_epoch
        self.order: dict[str, ShuffledBatches] = {}
        self.positions: dict[str, tuple[int, int]] = {}  # in the data, where a stage or a checkpoint ended
        self.signalled = False  # this rank was told to stop
        self.interrupted = False  # all ranks know, and stop after the same iteration
        self.scalars = Scalars(Path(self.output_dir, runs.SCALARS))
        self.precision = Precision(cfg.use_amp and bool(phases), cfg.amp_level, cfg.amp_dtype)
        for phase in phases:
            self.precision.prepare(phase.player, phase.optimizer)
        self.updates = Updates(generator, phases, self.precision, cfg.TRAIN.update_freq)
        self.on_divergence = cfg.TRAIN.on_divergence
        self.rollbacks: list[int] = []  # the iterations that the run went back to
        folder = Path(self.output_dir, "checkpoints")
        self.checkpoints = RunCheckpoints(folder, cfg.TRAIN.save_minutes, cfg.TRAIN.keep_checkpoints)
        self.is_resumed = self._resume(cfg.TRAIN.checkpoint_path, cfg.resume_changed)

    def _parse_params_from_cfg(self, cfg: DictConfig):
        super()._parse_params_from_cfg(cfg)
        self.device = device.select(cfg.device)
        self.wandb_config = {"dir": cfg.output_dir, **cfg.wandb_config}
        # ppsci would load these itself, by unpickling and without the random states.
        self.checkpoint_path, self.pretrained_model_path = None, None
        # Two players need two loss scalers; Precision has them.
        self.use_amp = False

    def no_sync_context_manager(self, enable: bool, ddp_model: nn.Layer) -> AbstractContextManager:
        """Return the context in which ppsci predicts; there is no DataParallel to hold back."""
        return nullcontext()

    def autocast_context_manager(self, enable: bool, level: str = "O1") -> AbstractContextManager:
        """Return the context in which ppsci evaluates and predicts: full precision, unless the weights are half."""
        return self.precision.autocast_for_evaluation()

    # --- training ---

    def train(self) -> None:
        """Train to the end, from the start or a checkpoint; Ctrl-C saves a checkpoint first.

        Raises:
            TrainingError: It has diverged. The last good checkpoint is kept.
        """
        self.max_steps = self.stages.iterations
        self._try_stages()
        if ranks.is_first():
            runs.accept_settings(self.output_dir)
            self.checkpoints.remove_leftovers()
            if not self.is_resumed:
                self.checkpoints.begin_anew()
            self.scalars.drop_after(self.global_step)
        self.model.train()
        if self.global_step >= self.max_steps:
            logger.message(f"{self.output_dir} has finished already. A larger TRAIN.epochs goes further.")
        logger.info(f"Training from iteration {self.global_step} to {self.max_steps}, into {self.output_dir}")
        with self._catch_interrupt():
            self._save_first()
            while self.global_step < self.max_steps and not self.interrupted:
                try:
                    self._train_epoch()
                except Diverged as error:
                    self._go_back(error)
        ranks.wait_for_all()  # a rank that ends before the first has written would have the launcher end that
        if self.interrupted:
            logger.message(f"Stopped after iteration {self.global_step}. Go on with resume={self.output_dir}")
            sys.exit(130)
        if ranks.is_first():
            with self._survive_full_disk("the curves"):
                self.scalars.plot(self.output_dir)
        logger.message(f"Curves, samples and checkpoints: {self.output_dir}")

    def _train_epoch(self) -> None:
        """Train to the end of the present epoch, and save."""
        epoch = self.global_step // self.iters_per_epoch + 1
        self.train_epoch_func(self, epoch, self.log_freq)
        epoch_ends = self.global_step % self.iters_per_epoch == 0
        is_over = self.interrupted or self.global_step == self.max_steps
        if epoch_ends or self.global_step == self.max_steps:
            self._finish_epoch(epoch)
        if is_over:
            self._save_or_explain()
        elif self._is_save_due(epoch_ends):
            self.save_latest()

    def _go_back(self, error: Diverged) -> None:
        """Go on from the last good checkpoint with other random numbers and a lower rate; or stop, if so configured."""
        if self.on_divergence == "stop" or len(self.rollbacks) == ROLLBACKS:
            raise TrainingError(self._explain_divergence(error)) from error
        diverged_at, best, before = self.global_step + 1, self.best, self.rollbacks
        checkpoint = self._choose_rollback()
        self.checkpoints.go_back_to(checkpoint)
        self._restore(checkpoint, resuming.read_state(checkpoint.state, checkpoint.path))
        self.best = best  # their files are still there
        self.rollbacks = [*before, self.global_step]
        self.updates.rate = LOWER ** len(self.rollbacks)
        logger.warning(
            f"{error}. The update was not made. Back to {checkpoint.path}, of iteration {self.global_step}, with other "
            f"random numbers and {self.updates.rate:g} of the learning rates: rollback {len(self.rollbacks)} of "
            f"{ROLLBACKS}."
        )
        ranks.wait_for_all()  # until every rank has read what the first now replaces
        if ranks.is_first():
            with self._survive_full_disk("the scalars"):
                self.scalars.drop_after(self.global_step)
        self._write_scalars({"rollbacks": len(self.rollbacks), "diverged_at": diverged_at, "rate": self.updates.rate})

    def _choose_rollback(self) -> weights.Checkpoint:
        """Return the newest checkpoint since the last rollback or else one before it: what lies between led here."""
        last = None
        for checkpoint in self.checkpoints.newest_first():
            state = resuming.read_state(checkpoint.state, checkpoint.path)
            is_since = len(state.rollbacks) == len(self.rollbacks)
            if not self.rollbacks or state.iteration < self.rollbacks[-1]:
                return checkpoint
            if is_since and state.iteration > self.rollbacks[-1]:
                return checkpoint
            if state.iteration == self.rollbacks[-1] and last is None:
                last = checkpoint
        if last is None:
            raise TrainingError(f"{self.checkpoints.folder} has no checkpoint to go back to.")
        return last  # there is no older one

    def _explain_divergence(self, error: Diverged) -> str:
        ways = "TRAIN.on_divergence=rollback, which lowers it by itself"
        if self.on_divergence != "stop":
            ways = f"other settings: after {ROLLBACKS} rollbacks to lower rates it diverges still"
        return (
            f"{error}. The update was not made, and no checkpoint is of after it. Go on with resume={self.output_dir} "
            f"and a smaller TRAIN.lr_scheduler_gen.learning_rate, or with {ways}."
        )

    def _try_stages(self) -> None:
        """Dry-run every stage, then restore all state, so that what the device lacks shows in the first minute.

        A growing training's stages are tried with their whole batch.
        """
        present, _ = self.stages.position(self.global_step)
        self.trial_seconds = [0.0] * present
        with dry_run.dry_run(self.model, self.precision.name):
            for stage in self.stages.stages[present:]:
                logs.at(f"trying stage {stage.name}")
                if self.stages.is_growing:
                    logger.info(f"Trying an iteration of stage {stage.name} with its whole batch")
                self._enter(stage)
                stage.begin(max(1, stage.iterations // 2))
                seconds = 0.0
                for phase in stage.phases:
                    seconds += phase.updates * self.updates.accumulate * self._try_phase(phase)
                dry_run.check_duration(seconds)
                self.trial_seconds.append(seconds)
        self.stage = None

    def _try_phase(self, phase: Phase) -> float:
        """Dry-run a phase; returns the seconds that it took, with the whole batch in a growing training."""

        def run(num_samples: int) -> None:
            with self.updates.only_learning(phase.player):
                losses = self.updates.backward(phase, phase.read(np.arange(num_samples)), num_samples)
                float(losses["loss"])  # waits for the device
            self.model.clear_gradients(set_to_zero=False)

        advice = memory.GROWING if self.stages.is_growing else memory.TRAINING
        with memory.explain_out_of_memory(self._place(phase), advice):
            seconds = dry_run.check_batch(run, phase.batch_size, self._place(phase), advice)
            if self.stages.is_growing:
                start = time.perf_counter()
                run(phase.batch_size)
                seconds = time.perf_counter() - start
        return seconds

    def _place(self, phase: Phase) -> str:
        stage = f"stage {self.stage.name}, " if self.stages.is_growing else ""
        return f"{stage}phase {phase.name}"

    def _enter(self, stage: Stage) -> None:
        self.stage, self.phases = stage, stage.phases
        self.positions.update({name: order.position for name, order in self.order.items()})
        self._open_data()

    def run_iteration(self) -> dict[str, list[float]]:
        """Run every phase once; returns its terms by ``<phase>/<term>``, one per update."""
        stage, number = self.stages.after(self.global_step)
        if stage is not self.stage:
            self._enter(stage)
        stage.begin(number)
        self.updates.iteration = self.global_step + 1
        self.updates.progress = self.global_step / self.stages.iterations
        misc.set_random_seed(self._iteration_seed())
        terms: dict[str, list[float]] = {}
        for phase in self.phases:
            for update in range(phase.updates):
                place = f"iteration {self.global_step + 1} of {self.stages.iterations}"
                logs.at(f"{place}: {phase.name} update {update + 1}")
                losses = self.updates.update(phase, functools.partial(self._next_batch, phase))
                for name, value in losses.items():
                    terms.setdefault(f"{phase.name}/{name}", []).append(value)
            if phase.scheduler:
                phase.scheduler.step()
        if self.ema_model is not None and (self.global_step + 1) % self.avg_freq == 0:
            self.ema_model.update()
        self.global_step += 1
        return terms

    def _find_optimizer(self, player: nn.Layer) -> paddle.optimizer.Optimizer | None:
        return next((phase.optimizer for phase in self.phases if phase.player is player), None)

    def _next_batch(self, phase: Phase) -> Batch:
        return phase.read(next(self.order[phase.name])) if phase.name in self.order else ({}, {})

    def _iteration_seed(self) -> int:
        # Mixed, because neighbouring seeds of a generator may give related streams.
        return int(np.random.SeedSequence([self._stream(), self.rank, self.global_step]).generate_state(1)[0])

    def _stream(self) -> int:
        """Return the seed of everything random, which is another one after every rollback."""
        if not self.rollbacks:
            return self.seed
        return int(np.random.SeedSequence([self.seed, len(self.rollbacks)]).generate_state(1)[0])

    def _open_data(self) -> None:
        for phase in self.phases:
            if phase.dataset is None:
                continue
            size = len(phase.dataset)
            if phase.batch_size * self.world_size > size:
                each = f" for each of {self.world_size} ranks" if self.world_size > 1 else ""
                raise InputError(
                    f"TRAIN.batch_size={phase.batch_size}{each} is more than the data set has, {size} samples: choose "
                    "a smaller one."
                )
            order = ShuffledBatches(size, phase.batch_size, self._stream(), self.rank, self.world_size)
            order.position = self.positions.get(phase.name, order.position)
            self.order[phase.name] = order

    @contextmanager
    def _catch_interrupt(self) -> Iterator[None]:
        """Let a running iteration finish on Ctrl-C, SIGTERM or a closed terminal, so that the checkpoint is whole.

        A second Ctrl-C does not wait.
        """

        def stop(signum, frame):
            self.signalled = True
            signal.signal(signal.SIGINT, signal.default_int_handler)
            logger.message("Stopping after this iteration ...")
            if self.world_size > 1:
                # Where the signal comes because another rank has died, waiting for that one would never end.
                faulthandler.dump_traceback_later(GRACE_SECONDS, exit=True)

        numbers = [signal.SIGINT, signal.SIGTERM]
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup has set it
            numbers.append(signal.SIGHUP)
        previous = {number: signal.signal(number, stop) for number in numbers}
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _finish_epoch(self, epoch: int) -> None:
        if self.each_epoch is not None:
            with self._survive_full_disk("what is drawn at the end of an epoch"):
                self.each_epoch(epoch)
        if self.eval_during_train and epoch % self.eval_freq == 0 and epoch >= self.start_eval_epoch:
            self._evaluate_and_keep_best(epoch)
        if self.save_freq > 0 and epoch % self.save_freq == 0:
            with self._survive_full_disk(f"checkpoint epoch_{epoch}"):
                self.save_checkpoint(f"epoch_{epoch}")

    def _evaluate_and_keep_best(self, epoch: int) -> None:
        scores, best = {}, []
        for kind in ("raw", "averaged") if self.ema_model is not None else ("raw",):
            logs.at(f"evaluating the {kind} weights")
            with self.averaged(kind == "averaged"):
                _, groups = self.eval(epoch)
            named = {f"{metric}.{key}": value for metric, values in groups.items() for key, value in values.items()}
            scores.update({f"eval_{kind}/{name}": value for name, value in named.items()})
            is_better = self.score is not None and self.score.better(named[self.score.name], self.best[kind])
            if is_better and self._save_best(kind, named[self.score.name]):
                best.append(kind)
        line = lines.describe_evaluation(scores, self.score and self.score.name, best)
        logger.message(f"[Eval][Epoch {epoch}/{self.epochs}] {line}")
        self._write_scalars(scores)

    def _save_best(self, kind: str, value: float) -> bool:
        """Save the best checkpoint; returns whether that could be."""
        before, self.best = self.best, {**self.best, kind: value}
        name, is_saved = "best" if kind == "raw" else "best_averaged", False
        with self._survive_full_disk(f"checkpoint {name}"):
            self.save_checkpoint(name, averaged=kind == "averaged")
            is_saved = True
        is_saved = ranks.any_rank(is_saved and ranks.is_first())
        if not is_saved:
            self.best = before  # the next better one is saved
        return is_saved

    @contextmanager
    def averaged(self, wanted: bool = True) -> Iterator[None]:
        """Put the moving average in the generator's place, if wanted and there is one."""
        if not wanted or self.ema_model is None:
            yield
            return
        self.ema_model.apply_shadow()
        try:
            yield
        finally:
            self.ema_model.restore()

    def eval(self, epoch_id: int | None = None) -> tuple[float, dict[str, dict[str, float]]]:
        """Evaluate as ppsci does; every rank generates its share."""
        log_freq, self.log_freq = self.log_freq, 1  # every batch is what logs.never_silent then can tell
        try:
            with memory.explain_out_of_memory("evaluation", memory.EVALUATION):
                return super().eval(epoch_id)
        finally:
            self.log_freq = log_freq

    def generate(self, inputs: dict[str, np.ndarray], batch_size: int) -> np.ndarray:
        """Return generated samples [N, ...].

        Args:
            inputs: Of ``ppsci_gan.networks.latent``.
            batch_size: Samples at a time.
        """
        outputs = self.predict(inputs, batch_size=batch_size, return_numpy=True)
        return outputs[self.generator.output_keys[0]]

    # --- what one sees ---

    def draw_samples(self, path: str) -> None:
        """Draw the samples of the fixed latent, from the averaged generator where there is one.

        Args:
            path: The picture.
        """
        inputs = latent.sample_fixed(self.generator, self.num_fixed, self.seed)
        with self.averaged(), memory.explain_out_of_memory("drawing samples", memory.EVALUATION):
            samples = self.generate(inputs, self.num_fixed)
        if ranks.is_first():
            with self._survive_full_disk(path):
                self.draw(samples, path)
                trackers.add_picture(self, "samples", path)

    def _draw_grid(self, samples: np.ndarray, path: str) -> None:
        plots.save_enlarged_grid(self.generator.to_images(samples), path)

    def log(self, terms: list[dict[str, list[float]]], seconds: float) -> None:
        """Print the means over the last iterations' updates, and write them to the scalars' file and writers.

        Args:
            terms: What ``run_iteration`` returned, an iteration each.
            seconds: What they took.
        """
        means = _means(terms)
        values = dict(zip(means, ranks.mean(np.array(list(means.values()))).tolist()))
        scalers = {name: scaler for name, scaler in self.updates.scalers.items() if scaler.enabled}
        for name, scaler in scalers.items():
            values.update({f"{name}/loss_scale": scaler.scale, f"{name}/skipped": scaler.skipped})
        per_second = self.stages.images_per_iteration(self.stage) * len(terms) / seconds
        rates = {f"lr/{phase.name}": phase.optimizer.get_lr() * self.updates.rate for phase in self.phases}
        self._log_progress(values, len(terms), seconds)
        self._write_scalars({**values, **rates, "images_per_second": per_second})
        if self.watch is not None:
            of_critic = {name[len("critic/") :]: v for name, v in values.items() if name.startswith("critic/")}
            if "diversity" in of_critic:  # a loss that classifies; Wasserstein's terms do not show a collapse
                self._look_for_collapse(of_critic, len(terms))

    def log_meanwhile(self, terms: list[dict[str, list[float]]], seconds: float) -> None:
        """Print the means over this rank's updates since the last line; a slow run's next full line takes long.

        Args:
            terms: As for ``log``.
            seconds: As for ``log``.
        """
        if ranks.is_first():
            self._log_progress(_means(terms), len(terms), seconds)

    def _log_progress(self, values: dict[str, float], iterations: int, seconds: float) -> None:
        per_second = self.stages.images_per_iteration(self.stage) * iterations / seconds
        remaining = timedelta(seconds=int(self._remaining_seconds(seconds / iterations)))
        epoch, iteration = divmod(self.global_step - 1, self.iters_per_epoch)
        logger.info(
            f"[Train][Epoch {epoch + 1}/{self.epochs}][Iter {iteration + 1}/{self.iters_per_epoch}] "
            + (f"{self.stage.name}, " if self.stages.is_growing else "")
            + f"lr: {self.phases[0].optimizer.get_lr() * self.updates.rate:.2e}, "
            + ", ".join(f"{name}: {value:.4g}" for name, value in values.items())
            + f", {per_second:.0f} images/s, memory: {memory.peak_mb()} MB, eta: {remaining}"
        )

    def _look_for_collapse(self, terms: dict[str, float], iterations: int) -> None:
        complaint = self.watch.observe(terms, iterations)
        if complaint is None:
            return
        if self.watch.stop:
            self.save_latest()
            kept = ", ".join(sorted(path.name for path in Path(self.output_dir, "checkpoints").glob("best*")))
            raise TrainingError(
                f"stopped at iteration {self.global_step}: {complaint}. In {self.output_dir}/checkpoints the best so "
                f"far is kept ({kept or 'none: TRAIN.eval_during_train=true keeps it'})."
            )
        logger.warning(f"Iteration {self.global_step}: {complaint}. TRAIN.collapse.stop=true would stop here.")

    def add_histograms(self, values: dict[str, np.ndarray]) -> None:
        """Send histograms to VisualDL and TensorBoard, where they are used.

        Args:
            values: Arrays by name.
        """
        if ranks.is_first():
            for writer in filter(None, (self.vdl_writer, self.tbd_writer)):
                for name, array in values.items():
                    writer.add_histogram(name, array, self.global_step)

    def _remaining_seconds(self, per_iteration: float) -> float:
        """Estimate the remaining time: this stage at its measured pace, later stages at that of their dry run."""
        index, number = self.stages.position(self.global_step)
        left = per_iteration * (self.stages[index].iterations - number)
        return left + sum(
            stage.iterations * max(per_iteration, self.trial_seconds[later])
            for later, stage in enumerate(self.stages.stages)
            if later > index
        )

    def _write_scalars(self, values: dict[str, float]) -> None:
        if ranks.is_first():
            with self._survive_full_disk("the scalars"):
                self.scalars.write(self.global_step, values)
        logger.scalar(values, self.global_step, self.vdl_writer, self.wandb_writer, self.tbd_writer)

    def export_generator(self) -> None:
        """Export the generator's inference files; see ``ppsci_gan.export.writing.write``.

        ``INFER.export_path`` says where, ``INFER.with_onnx`` and ``INFER.onnx_half`` whether there is an ONNX file.

        Raises:
            InputError: ONNX is asked for, and the extra "export" is not installed.
            TrainingError: A file does not compute what the network does.
        """
        given = self.cfg.INFER
        source = given.pretrained_gen_model_path
        writing.write(self.generator, given.export_path, source, given.with_onnx, given.onnx_half)

    # --- checkpoints ---

    def save_checkpoint(self, name: str, averaged: bool = True) -> None:
        """Write everything that resuming needs to ``<output_dir>/checkpoints/<name>.safetensors``.

        Args:
            name: Such as ``latest``.
            averaged: Whether its reader is to take the averaged generator, where there is one.

        Raises:
            Diverged: A weight is not finite or beyond any scale. Nothing is written.
            OSError: It cannot be written. What there was before is still there.
        """
        checkpoint = self._collect(averaged) if ranks.is_first() else None
        problem = checkpoint and find_unusable(checkpoint.tensors)
        if ranks.any_rank(bool(problem)):
            raise Diverged(f"{problem or 'a weight is not finite'} after iteration {self.global_step}")
        if checkpoint:
            self.checkpoints.save(name, checkpoint)

    def _collect(self, averaged: bool) -> weights.Checkpoint:
        averaged = averaged and self.ema_model is not None
        checkpoint = weights.Checkpoint(
            {
                "iteration": self.global_step,
                "seed": self.seed,
                "networks": {
                    name: player.recipe for name, player in self.players.items() if isinstance(player, Player)
                },
                "use": {"generator": AVERAGE if averaged else "generator"},
                "data": {**self.positions, **{name: order.position for name, order in self.order.items()}},
                "samples": resuming.recognise_data(self._present_phases()),
                "updates": self.updates.counts,
                "best": self.best,
                "schedulers": {phase.name: phase.scheduler.state_dict() for phase in self.phases if phase.scheduler},
                "scalers": self.updates.state_dict(),
                "scales": self.updates.watch.scales,
                "rollbacks": self.rollbacks,
                "stage": self.stages.state(self.global_step),
                "ranks": self.world_size,
                "config": self._settings(),
            }
        )
        for phase in self.phases:
            values = phase.player.state_dict()
            own = {k: precision.to_float32(value, phase.optimizer).numpy() for k, value in values.items()}
            moments = optimizers.optimizer_state(phase.optimizer, phase.player)
            checkpoint.put(phase.name, own)
            checkpoint.put(f"{OPTIMIZER}/{phase.name}", {k: value.numpy() for k, value in moments.items()})
        if self.ema_model is not None:
            checkpoint.put(AVERAGE, {k: value.numpy() for k, value in self.ema_model.params_shadow.items()})
            checkpoint.state["averages"] = int(self.ema_model.n_avg)
        return checkpoint

    def _settings(self) -> dict[str, Any]:
        """Return the configuration without what only says where a run begins and writes."""
        settings = OmegaConf.to_container(self.cfg, resolve=True)
        for key in ("mode", "output_dir", "resume", "resume_changed"):
            settings.pop(key)
        settings["TRAIN"].pop("checkpoint_path")
        return settings

    def _present_phases(self) -> Sequence[Phase]:
        """Return the phases of the stage that the training is in."""
        return self.stages[self.stages.position(self.global_step)[0]].phases

    def is_save_due(self) -> bool:
        """Whether ``latest`` is to be saved within an epoch; all ranks must call it."""
        return self._is_save_due(epoch_ends=False)

    def _is_save_due(self, epoch_ends: bool) -> bool:
        return ranks.any_rank(ranks.is_first() and self.checkpoints.is_due(epoch_ends))  # others do not know how long

    def _save_first(self) -> None:
        """Save before the first iteration, so that there is something to go back to, and a full disk shows now."""
        if not self.is_resumed or ranks.any_rank(ranks.is_first() and not self.checkpoints.path(LATEST).exists()):
            self._save_or_explain()

    def save_latest(self) -> None:
        """Save, or say why that is not possible and go on: there may be room again next time."""
        with self._survive_full_disk("checkpoint latest"):
            self.save_checkpoint(LATEST)

    def save_stage(self) -> None:
        """Save under the name of the stage that has ended."""
        with self._survive_full_disk(f"checkpoint {self.stage.name}"):
            self.save_checkpoint(self.stage.name)

    def _save_or_explain(self) -> None:
        """Save where there is no next time."""
        try:
            self.save_checkpoint(LATEST)
        except OSError as error:
            before = self.checkpoints.path(LATEST)
            kept = f" The last one that could be is {before}." if before.exists() else ""
            raise InputError(
                f"{self.checkpoints.folder}: the state of iteration {self.global_step} cannot be saved "
                f"({error.strerror}).{kept} Make room, or choose another output_dir."
            ) from error

    @contextmanager
    def _survive_full_disk(self, what: str) -> Iterator[None]:
        """Turn what a disk refuses into a warning: the training is worth more than what it writes on its way."""
        try:
            yield
        except (OSError, InputError) as error:
            reason = error if isinstance(error, OSError) else error.__cause__
            if not isinstance(reason, OSError):
                raise
            logger.warning(f"{what} cannot be written ({reason.strerror or reason}); the training goes on.")

    def _resume(self, path: str | None, changed: bool) -> bool:
        """Resume from a checkpoint; ``auto`` is the newest of the run's own. Returns whether there was one."""
        if path is None:
            return False
        if path != "auto":
            self.load_checkpoint(path, changed)
            return True
        checkpoint = self.checkpoints.newest()
        if checkpoint is None:
            logger.message(f"{self.checkpoints.folder} has no checkpoint yet: this is the beginning of the run.")
            return False
        self._load(checkpoint, changed)
        return True

    def load_checkpoint(self, path: str, changed: bool = False) -> None:
        """Resume from a checkpoint: players, optimizers, schedulers, average, iteration and best scores.

        Args:
            path: ``<run>/checkpoints/<name>``, with or without suffix.
            changed: Whether the data, networks, losses and so on may be others than the run's. Its best scores then
                do not count.

        Raises:
            InputError: It is no checkpoint, or damaged, or of other networks, another seed or other settings.
        """
        self._load(weights.Checkpoint.read(path), changed)

    def _load(self, checkpoint: weights.Checkpoint, changed: bool) -> None:
        path = checkpoint.path
        state = resuming.read_state(checkpoint.state, path)
        if state.seed != self.seed and not changed:
            raise InputError(f"{path} is of a run with seed={state.seed}: it can go on only with that.")
        if not checkpoint.has_digest:
            logger.warning(f"{path} is of an earlier version and has no digest: whether it is whole, nobody can tell.")
        self._restore(checkpoint, state)
        self._compare(state, path, changed)
        logger.message(f"Going on from {path}, after iteration {self.global_step}")

    def _compare(self, state: resuming.RunState, path: Any, changed: bool) -> None:
        """Tell what has changed since the checkpoint, and refuse what would make it another run."""
        changes = resuming.find_changes(state.config or {}, self._settings(), (state.ranks, self.world_size))
        samples = resuming.recognise_data(self._present_phases())
        other_data = any(samples.get(name, digest) != digest for name, digest in state.samples.items())
        if not changed:
            resuming.check_changes(changes, other_data, path)
        elif other_data or any(not change.is_harmless for change in changes):
            self.best = dict.fromkeys(self.best)
            logger.warning(f"resume_changed=true: the best scores so far, {state.best}, no longer count.")
        if changes:
            logger.message("\n  ".join(["Changed since the checkpoint:", *map(str, changes)]))

    def _restore(self, checkpoint: weights.Checkpoint, state: resuming.RunState) -> None:
        path = checkpoint.path
        # The generator first: the critic's settings often follow the ones that its error message names.
        for name, player in sorted(self.players.items(), key=lambda item: item[1] is not self.generator):
            arrays = checkpoint.group(name)
            weights.check(player, arrays, path, "MODEL.gen_net" if player is self.generator else "MODEL.dis_net")
            precision.load(player, _to_tensors(arrays), self._find_optimizer(player))
        for phase in self.phases:
            self._restore_optimizer(phase, checkpoint, state)
        self.updates.set_state_dict({name: dict(scaler) for name, scaler in state.scalers.items()})
        if self.ema_model is not None:
            arrays = checkpoint.group(AVERAGE)
            if not arrays:
                raise InputError(f"{path} has no moving average: add TRAIN.ema.use_ema=false.")
            weights.check(self.generator, arrays, path, "MODEL.gen_net")
            self.ema_model.set_state_dict({**_to_tensors(arrays), "n_avg": paddle.to_tensor(state.averages)})
        self.global_step = self.stages.find_iteration(state.model_dump(), path)
        self.best = dict(state.best)
        # Earlier versions did not count, and took every iteration for alike.
        earlier = {phase.name: self.global_step * phase.updates for phase in self.phases}
        self.updates.counts.update(earlier if state.updates is None else state.updates)
        self.updates.watch.scales = dict(state.scales)
        self.rollbacks, self.updates.rate = state.rollbacks, LOWER ** len(state.rollbacks)
        self.stage, self.order, self.positions = None, {}, state.data

    def _restore_optimizer(self, phase: Phase, checkpoint: weights.Checkpoint, state: resuming.RunState) -> None:
        try:
            moments = checkpoint.group(f"{OPTIMIZER}/{phase.name}")
            optimizers.set_optimizer_state(phase.optimizer, phase.player, moments)
            if phase.scheduler:
                phase.scheduler.set_state_dict(dict(state.schedules[phase.name]))
        except (AssertionError, KeyError, ValueError) as error:  # the first is Paddle's, where a moment is missing
            raise InputError(
                f"{checkpoint.path}: damaged, the optimizer's state of phase {phase.name} does not fit ({error})."
            ) from error


def train_epoch(solver: AdversarialSolver, epoch_id: int, log_freq: int) -> None:
    """Train to the end of an epoch: ppsci's ``train_epoch_func`` for two players.

    Args:
        solver: The solver.
        epoch_id: Number of the epoch, from 1.
        log_freq: Iterations between two lines of the log.
    """
    terms, start = [], time.perf_counter()
    said = start
    last = min(epoch_id * solver.iters_per_epoch, solver.max_steps)
    while solver.global_step < last and not solver.interrupted:
        terms.append(solver.run_iteration())
        solver.interrupted = ranks.any_rank(solver.interrupted or solver.signalled)
        step, stage_is_done = solver.global_step, solver.stages.end_at(solver.global_step)
        if step % log_freq == 0 or step in (1, last) or stage_is_done or solver.interrupted:
            solver.log(terms, time.perf_counter() - start)
            terms, start = [], time.perf_counter()
            said = start
        elif time.perf_counter() - said > MEANWHILE_SECONDS:
            solver.log_meanwhile(terms, time.perf_counter() - start)
            said = time.perf_counter()
        if solver.sample_freq > 0 and (step % solver.sample_freq == 0 or stage_is_done):
            drawing = time.perf_counter()
            solver.draw_samples(str(Path(solver.output_dir, "samples", f"{step:07d}.png")))
            start += time.perf_counter() - drawing
        if stage_is_done:
            solver.save_stage()
        # The last of an epoch is saved when the epoch has been scored, so that a run that is resumed scores it, too.
        if step < last and not solver.interrupted and solver.is_save_due():
            saving = time.perf_counter()
            solver.save_latest()
            start += time.perf_counter() - saving


def _means(terms: list[dict[str, list[float]]]) -> dict[str, float]:
    names = dict.fromkeys(name for row in terms for name in row)
    return {n: float(np.mean([value for row in terms for value in row.get(n, ())])) for n in names}


def _to_tensors(arrays: dict[str, np.ndarray]) -> dict[str, Tensor]:
    return {name: paddle.to_tensor(value) for name, value in arrays.items()}
