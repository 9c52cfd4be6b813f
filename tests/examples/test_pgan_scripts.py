"""PGAN from end to end in small: its stages, going on anywhere in them, evaluation at every scale, and bad input."""

import json
import subprocess
import sys

import numpy as np
import paddle
import pytest
import warm
from PIL import Image

from ppsci_gan import weights
from ppsci_gan.data import faces
from ppsci_gan.data import prepare
from ppsci_gan.errors import InputError
from ppsci_gan.files import REPOSITORY
from ppsci_gan.networks import latent
from ppsci_gan.networks import pgan

SCRIPT = REPOSITORY / "examples" / "pgan" / "pgan.py"


def stages(*plan):
    """``(resolution, fade_images, stable_images)`` of each, as an override."""
    keys = "{{resolution:{},fade_images:{},stable_images:{},batch_size:4,learning_rate:0.01}}"
    return f"TRAIN.stages=[{','.join(keys.format(*stage) for stage in plan)}]"


PLAN = [(4, 0, 16), (8, 16, 8), (16, 16, 8)]  # 4, 6 and 6 iterations
TINY = [
    "device=cpu",
    "log_freq=1",
    "DATA.num_samples=24",
    "MODEL.gen_net.depths=[6,4,4]",
    "MODEL.gen_net.latent_dim=5",
    "TRAIN.iters_per_epoch=3",
    "TRAIN.sample_freq=4",
    "TRAIN.ema.decay=0.5",
    "TRAIN.num_eval_samples=8",
    "EVAL.num_samples=8",
    "EVAL.num_images=5",
    "EVAL.batch_size=4",
    "EVAL.splits=2",
    "EVAL.subset_size=4",
    "INFER.num_images=6",
    "INFER.batch_size=4",
    "VIS.num_images=9",
    stages(*PLAN),
]


@pytest.fixture
def run(runner):
    return runner("pgan", TINY)


def rows_of(output_dir):
    return [json.loads(line) for line in (output_dir / "scalars.jsonl").read_text().splitlines()]


def sizes_in(folder):
    """The sizes of a folder's pictures."""
    sizes = set()
    for file in folder.iterdir():
        with Image.open(file) as image:
            sizes.add(image.size)
    return sizes


def names_in(folder):
    return sorted(file.name for file in folder.iterdir())


def checkpoint(folder, name="latest"):
    return weights.read_checkpoint(folder / "checkpoints" / name)


def assert_same_run(found, expected):
    (found, found_state), (expected, expected_state) = checkpoint(found), checkpoint(expected)
    assert found_state == expected_state
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_train_evaluate_export_infer(run, load_example):
    trained = run("train", "TRAIN.eval_during_train=true", "TRAIN.eval_freq=1")
    names = ["16x16", "4x4", "8x8", "best", "best_averaged", "latest"]
    assert names_in(trained / "checkpoints") == [f"{name}.safetensors" for name in names]
    # Every fourth iteration, and the end of every stage.
    assert names_in(trained / "samples") == [f"{number:07d}.png" for number in (4, 8, 10, 12, 16)]
    sizes = sizes_in(trained / "samples")
    assert sizes == {(3 * 64 + 4 * 2,) * 2}
    with Image.open(trained / "growth.png") as growth:
        assert growth.size == (10 * 66 + 2, 3 * 66 + 2)
        pixels = np.asarray(growth)[2:-2, 2:-2].astype(int)
    for row, scale in enumerate((4, 8, 16)):  # pixels of the first picture of each row, repeated
        block = pixels[66 * row : 66 * row + 64 // scale, : 64 // scale]
        assert (block == block[0, 0]).all()
    rows = rows_of(trained)
    assert [row["iteration"] for row in rows if "critic/loss" in row] == list(range(1, 17))
    scored = [row for row in rows if "eval_averaged/pixels.sliced_wasserstein" in row]
    assert [row["iteration"] for row in scored] == [3, 6, 9, 12, 15, 16]
    assert {"critic/wasserstein", "critic/penalty", "critic/drift", "generator/loss"} <= set(rows[0])

    given = f"EVAL.pretrained_gen_model_path={trained}/checkpoints/latest"
    evaluated = run("evaluate", given)
    scores = json.loads((evaluated / "scores.json").read_text())
    assert scores["pixels.sliced_wasserstein"]["value"] == pytest.approx(
        scored[-1]["eval_averaged/pixels.sliced_wasserstein"], rel=1e-6
    )
    assert scores["pixels.sliced_wasserstein"]["protocol"]["generator"].endswith("16 pixels")
    assert "pixels.ms_ssim" in scores
    assert sizes_in(evaluated / "images") == {(16, 16)}
    assert len(names_in(evaluated / "images")) == 5
    with Image.open(evaluated / "walk.gif") as walk:
        assert (walk.n_frames, walk.size) == (72, (128, 128))

    run("export", given)
    inferred = run("inference")
    model = pgan
    generator = model.PganGenerator(("noise",), ("fake_data",), depths=[6, 4, 4], latent_dim=5)
    weights.load(generator, f"{trained}/checkpoints/latest", "MODEL.gen_net", "generator")
    inputs = latent.sample_fixed(generator, 6, seed=42)
    expected = generator({"noise": paddle.to_tensor(inputs["noise"])})["fake_data"].numpy()
    for number, image in enumerate(np.rint((expected.clip(-1, 1) + 1) * 127.5)):
        drawn = np.asarray(Image.open(inferred / "images" / f"{number:05d}.png")).transpose(2, 0, 1)
        assert np.abs(drawn - image).max() <= 1
    timing = json.loads((inferred / "time_result.json").read_text())
    assert timing["images_per_second"] > 0


@pytest.mark.parametrize("scale", [0, 1, 2])
def test_every_scale_of_a_run_can_be_evaluated_and_exported(run, scale):
    trained, edge = run("train", "TRAIN.sample_freq=0"), 4 * 2**scale
    for settings in ([f"MODEL.scale={scale}"], []):
        name = "latest" if settings else f"{edge}x{edge}"
        given = [*settings, f"EVAL.pretrained_gen_model_path={trained}/checkpoints/{name}"]
        evaluated = run("evaluate", *given)
        scored = {"pixels.ms_ssim", *(("pixels.sliced_wasserstein",) if scale else ())}  # of patches of 7 pixels
        assert scored <= set(json.loads((evaluated / "scores.json").read_text()))
        assert sizes_in(evaluated / "images") == {(edge, edge)}
        run("export", *given)
        inferred = run("inference")
        assert sizes_in(inferred / "images") == {(edge, edge)}


@pytest.mark.parametrize("stop", [2, 4, 6, 8, 10, 11, 13])
def test_going_on_anywhere_gives_the_same_run(run, interrupted_after, stop):
    """At a stage's end, within a fade-in, and between; weights, moments, average, data and order are the same."""
    settings = ["TRAIN.sample_freq=0", "TRAIN.update_freq=1"]
    whole = run("train", *settings, folder="whole")
    with interrupted_after(stop):
        run("train", *settings, folder="stopped")
    _, state = checkpoint(whole.parent / "stopped")
    assert state["iteration"] == stop
    paddle.seed(99)
    latest = f"TRAIN.checkpoint_path={whole.parent}/stopped/checkpoints/latest"
    assert_same_run(run("train", *settings, latest, folder="stopped"), whole)


def test_kept_layers_keep_their_average_and_moments_and_new_ones_enter(run):
    """What 4x4 has learned is there at the end of 8x8, and layers that were not in use move only from then on."""
    trained = run("train", "TRAIN.sample_freq=0", "TRAIN.optimizer.beta2=0.999999")
    (small, _), (large, _) = checkpoint(trained, "4x4"), checkpoint(trained, "8x8")
    untouched = "generator/blocks.0.0.layer.weight"
    np.testing.assert_array_equal(small["averaged/blocks.0.0.layer.weight"], small[untouched])
    assert not any(name.startswith("optimizer/generator/blocks.0") and value.any() for name, value in small.items())
    assert (large[untouched] != small[untouched]).any()
    assert (large["averaged/blocks.0.0.layer.weight"] != large[untouched]).any()
    # With hardly any forgetting, squared gradients only add up: history is kept.
    moments = "optimizer/generator/base.layer.weight/moment2_0"
    assert (large[moments] >= small[moments] * 0.9999).all()
    assert large[moments].sum() > small[moments].sum()


def test_moments_can_start_afresh_with_every_stage(run):
    plan = stages((4, 0, 16), (8, 0, 4))  # the second has one iteration
    power = "optimizer/critic/base.layer.weight/beta2_pow_acc_0"
    trained = run("train", plan, "TRAIN.reset_optimizer=true")
    assert checkpoint(trained)[0][power].item() == pytest.approx(0.99**2)
    trained = run("train", plan)
    assert checkpoint(trained)[0][power].item() == pytest.approx(0.99**6)


def test_the_average_can_start_afresh_with_every_stage(run):
    """The second stage has one iteration: of the first one's average nothing is left in a layer that both have."""
    plan, name = stages((4, 0, 16), (8, 0, 4)), "base.layer.weight"
    averaged = {}
    for reset in ("true", "false"):
        trained = run("train", plan, "TRAIN.ema.decay=0.75", f"TRAIN.reset_average={reset}")
        before, after = (checkpoint(trained, stage)[0] for stage in ("4x4", "latest"))
        start = before[f"{'generator' if reset == 'true' else 'averaged'}/{name}"]
        expected = 0.75 * start + 0.25 * after[f"generator/{name}"]
        averaged[reset] = after[f"averaged/{name}"]
        np.testing.assert_allclose(averaged[reset], expected, atol=1e-6)
    assert np.abs(averaged["true"] - averaged["false"]).max() > 1e-3


def test_starting_at_a_scale_from_weights(run):
    first = run("train", stages((4, 0, 16)), folder="first")
    given = [f"TRAIN.pretrained_{player}_model_path={first}/checkpoints/latest" for player in ("gen", "dis")]
    second = run("train", "TRAIN.start_scale=1", *given, stages((4, 0, 16), (8, 0, 4)), folder="second")
    tensors, state = checkpoint(second)
    assert state["iteration"] == 1
    expected, _ = checkpoint(first)
    # One step of Adam at .01 moves no value by more.
    start = expected["averaged/first.layer.weight"]
    assert 0 < np.abs(tensors["generator/first.layer.weight"] - start).max() < 0.011
    np.testing.assert_array_equal(tensors["generator/growth"], [1, 2**20])


def test_longer_stages_go_on_within_theirs(run):
    """Stages are counted in images, so that a run goes on where it was, also when it is to take longer."""
    first = run("train", stages((4, 0, 16), (8, 16, 0)), "TRAIN.sample_freq=0")
    latest = f"TRAIN.checkpoint_path={first}/checkpoints/latest"
    run("train", stages((4, 0, 16), (8, 16, 16)), latest, "TRAIN.update_freq=2", "TRAIN.sample_freq=0")
    # Of 32 images at 8 pixels 16 were shown; two batches an iteration are left for the others.
    assert [row["iteration"] for row in rows_of(first)][-2:] == [2 + 2 + 1, 2 + 2 + 2]


def test_labels_go_to_both_players(run):
    conditional = ["MODEL.gen_net.use_label=true", "MODEL.gen_net.label_num=5"]
    trained = run("train", *conditional, "TRAIN.sample_freq=0")
    assert rows_of(trained)[0]["critic/acgan"] > 0
    evaluated = run(
        "evaluate",
        *conditional,
        f"EVAL.pretrained_gen_model_path={trained}/checkpoints/latest",
        "EVAL.scores=[sliced_wasserstein]",
    )
    assert (evaluated / "walk.gif").is_file()
    with pytest.raises(InputError, match="label_num=4: drawn faces train has classes up to 4"):
        run("train", "MODEL.gen_net.use_label=true", "MODEL.gen_net.label_num=4")


@pytest.mark.parametrize("grey", [False, True])
def test_prepared_pictures(run, tmp_path, grey):
    (tmp_path / "pictures").mkdir()
    images = faces.draw(faces.draw_factors(60, 0), 16)
    for index, image in enumerate(images.transpose(0, 2, 3, 1)):
        Image.fromarray(image).save(tmp_path / "pictures" / f"{index}.png")
    prepared = prepare.prepare(str(tmp_path / "pictures"), str(tmp_path / "prepared"), size="16", grey=grey)
    settings = ["DATA.name=pictures", f"DATA.data_path={prepared}", f"MODEL.gen_net.channels={1 if grey else 3}"]
    trained = run("train", *settings, "TRAIN.eval_during_train=true", "TRAIN.num_eval_samples=6")
    latest = f"EVAL.pretrained_gen_model_path={trained}/checkpoints/latest"
    evaluated = run("evaluate", *settings, latest, "EVAL.num_samples=6")
    record = json.loads((evaluated / "scores.json").read_text())["pixels.sliced_wasserstein"]
    assert record["protocol"]["held_out"] == f"6 of {prepared} test"
    channels = "MODEL.gen_net.channels"
    with pytest.raises(
        InputError, match=f"{1 if grey else 3} channels, the network's have .* {3 if grey else 1} channels"
    ):
        run("train", *settings, f"{channels}={3 if grey else 1}")
    with pytest.raises(InputError, match="MODEL.gen_net.use_label=true.*prepared train has no classes"):
        run("train", *settings, "MODEL.gen_net.use_label=true")


def test_cifar10_is_scored_by_its_classifier(run, data):
    settings = ["preset=cifar10", "MODEL.gen_net.depths=[4,4,4,4]", f"DATA.data_path={data['cifar10']}"]
    plan = stages((4, 0, 8), (8, 8, 0), (16, 8, 0), (32, 8, 8))
    trained = run("train", *settings, plan, "TRAIN.eval_freq=1")
    rows = [row for row in rows_of(trained) if "eval_averaged/classifier.frechet_distance" in row]
    assert [row["iteration"] for row in rows] == [3, 6, 9, 10]  # at 8, 16 and 32 pixels, enlarged to 32
    evaluated = run("evaluate", *settings, f"EVAL.pretrained_gen_model_path={trained}/checkpoints/latest")
    scores = json.loads((evaluated / "scores.json").read_text())
    assert {"classifier.score", "classifier.frechet_distance", "pixels.sliced_wasserstein_32"} <= set(scores)
    assert scores["classifier.frechet_distance"]["value"] == pytest.approx(
        rows[-1]["eval_averaged/classifier.frechet_distance"], rel=1e-5
    )
    with pytest.raises(InputError, match="goes to 64 pixels; the images have at most 32"):
        run("train", *settings, "MODEL.gen_net.depths=[4,4,4,4,4]", stages((64, 0, 8)))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([stages((8, 0, 8), (4, 0, 8))], r"resolutions \[8, 4\]: they must not become smaller"),
        ([stages((4, 0, 8), (12, 0, 8))], r"resolutions \[4, 12\]; MODEL\.gen_net\.depths=\[6, 4, 4\] has 3 scales: "),
        ([stages((4, 0, 8), (32, 0, 8))], r"resolutions \[4, 32\]; .* has 3 scales: \[4, 8, 16\]"),
        (["TRAIN.start_scale=3"], r"TRAIN\.start_scale=3: TRAIN\.stages ends with 16 pixels"),
        ([stages((4, 0, 0))], "the stage of 4 pixels shows no images"),
        ([stages((4, 0, 8)), "DATA.num_samples=3"], "more than the data set has, 3 samples"),
    ],
)
def test_impossible_growth_is_refused(run, overrides, message):
    with pytest.raises(InputError, match=message):
        run("train", *overrides)


def test_checkpoints_of_other_networks_are_refused(run):
    trained = run("train", stages((4, 0, 8)), "TRAIN.sample_freq=0")
    latest = f"{trained}/checkpoints/latest"
    other = ["MODEL.gen_net.depths=[6,4]", stages((4, 0, 8), (8, 8, 8))]
    with pytest.raises(InputError, match=r"(?s)latest does not fit .*add MODEL\.gen_net\.depths=\[6,4,4\]"):
        run("train", f"TRAIN.checkpoint_path={latest}", *other)
    run("evaluate", f"EVAL.pretrained_gen_model_path={latest}", *other)  # the file says which network it is of
    with pytest.raises(InputError, match=r"scale=3: these networks have scales 0 to 2 \(depths=\[6, 4, 4\]\)"):
        run("evaluate", "MODEL.scale=3", f"EVAL.pretrained_gen_model_path={latest}")
    with pytest.raises(InputError, match="was saved in stage 1, 4x4; these are 8x8, 16x16"):
        run("train", "TRAIN.start_scale=1", f"TRAIN.checkpoint_path={latest}")


def test_a_diverged_generator_has_no_score(run):
    trained = run("train", stages((4, 0, 8)), "TRAIN.sample_freq=0")
    tensors, state = checkpoint(trained)
    tensors = {name: value * np.nan if value.dtype == np.float32 else value for name, value in tensors.items()}
    weights.save_checkpoint(trained / "diverged.safetensors", tensors, state)
    with pytest.raises(InputError, match="images contain NaN"):
        run("evaluate", f"EVAL.pretrained_gen_model_path={trained}/diverged")


def test_command_from_another_folder(tmp_path):
    command = [sys.executable, str(SCRIPT), *TINY, "preset=quick", stages(*PLAN)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (log,) = tmp_path.glob("outputs_pgan/*/*/train.log")
    text = log.read_text()
    assert "16x16, lr: 1.00e-02" in text
    command = [warm.python(), *command[1:], stages((8, 0, 8), (4, 0, 8))]
    bad = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (bad.returncode, "Traceback" in bad.stderr) == (2, False)
    assert "Error: TRAIN.stages has resolutions [8, 4]: they must not become smaller." in bad.stderr
