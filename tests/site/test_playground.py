"""The playground in headless Chromium: its images are Python's, and every control does what it says."""

import base64
import io

import numpy as np
import paddle
import pytest
from PIL import Image

from ppsci_gan import weights
from ppsci_gan.networks.dcgan import DcganGenerator
from ppsci_gan.networks.wgangp import WganGpCifar10Generator
from ppsci_gan.networks.wgangp import WganGpToyDiscriminator
from ppsci_gan.networks.wgangp import WganGpToyGenerator

pytestmark = pytest.mark.xdist_group("site")

FACES, DIGITS, THINGS = "dcgan_faces_quick", "dcgan_mnist", "wgangp_cifar10"
POINTS = ["wgangp_toy_8gaussians", "wgangp_toy_25gaussians", "wgangp_toy_swissroll"]
CLASSES = {FACES: DcganGenerator, DIGITS: DcganGenerator, THINGS: WganGpCifar10Generator}
SECONDS = 3  # for the first image, from an idle machine


class Playground:
    """What a visitor does and sees."""

    def __init__(self, page):
        self.page = page
        page.wait_for_selector("#play[data-first-image]", timeout=30_000)

    def choose(self, model):
        self.page.get_by_label("Model").select_option(model)
        self.page.wait_for_selector(f'#play[data-model="{model}"]', timeout=60_000)
        self.settle()

    def settle(self):
        self.page.evaluate("document.getElementById('play').playground.busy")

    def press(self, name):
        self.page.get_by_role("button", name=name, exact=True).click()
        self.settle()

    def ask(self, expression):
        """An attribute of the page's object."""
        self.settle()
        return self.page.evaluate(f"(p => {expression})(document.getElementById('play').playground)")

    @property
    def latent(self):
        return np.array(self.ask("[...p.current.latent]"), dtype=np.float32)

    def picture(self, selector=".picture canvas", nth=0):
        self.settle()
        data = self.page.locator(f"#play {selector}").nth(nth).evaluate("canvas => canvas.toDataURL()")
        return to_pixels(base64.b64decode(data.partition(",")[2]))


def to_pixels(png):
    return np.array(Image.open(io.BytesIO(png)).convert("RGB"))


@pytest.fixture(scope="module")
def opened(browser, address):
    page = browser.new_page()
    page.goto(f"{address}/playground/")
    yield Playground(page)
    page.close()


@pytest.fixture
def play(opened):
    """The playground as it opens: loading it for each test would take longer than the tests."""
    opened.choose(FACES)
    opened.ask("p.draw(1)")
    return opened


@paddle.no_grad()
def compute(model, latents, labels=None):
    """What Python makes of latents: images [N, H, W, 3]."""
    generator = weights.restore(f"pretrained:{model}", "generator", [CLASSES[model]], {})
    generator.eval()
    values = [paddle.to_tensor(np.asarray(latents, dtype=np.float32)), paddle.to_tensor(labels or [0] * len(latents))]
    inputs = dict(zip(generator.input_keys, values)) if generator.label_num else {generator.input_keys[0]: values[0]}
    images = generator.to_images(generator(inputs)[generator.output_keys[0]].numpy()).transpose(0, 2, 3, 1)
    return np.broadcast_to(images, [*images.shape[:3], 3])


def assert_same(found, expected):
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= 1  # of 255: weights have 16 bits, and sums another order


@pytest.mark.parametrize("model", [FACES, DIGITS, THINGS])
def test_its_images_are_those_of_python(play, model):
    play.choose(model)
    labels = play.ask("Array.from({length: 16}, (_, i) => p.labelOf(i))")
    expected = compute(model, np.reshape(play.ask("[...p.noise]"), [16, -1]), labels)
    for sample in range(16):
        assert_same(play.picture(".thumbnails canvas", sample), expected[sample])
    assert_same(play.picture(), expected[0])
    assert len(np.unique(expected.reshape(16, -1), axis=0)) == 16


@pytest.mark.parametrize("model", POINTS)
def test_its_points_and_contours_are_those_of_python(play, model):
    play.choose(model)
    noise = np.reshape(play.ask("[...p.noise]"), [-1, 2]).astype(np.float32)
    points = np.reshape(play.ask("[...p.points]"), [-1, 2])
    generator = weights.restore(f"pretrained:{model}", "generator", [WganGpToyGenerator], {})
    expected = generator({"noise": paddle.to_tensor(noise)})["fake_data"].numpy()
    np.testing.assert_allclose(points, expected, atol=1e-4 * np.abs(expected).max())
    critic = weights.restore(f"pretrained:{model}", "critic", [WganGpToyDiscriminator], {})
    asked = np.random.default_rng(0).uniform(-1, 1, [50, 2]).astype(np.float32)
    values = play.ask(f"p.critic.run(Float32Array.from({asked.ravel().tolist()}), 2).then(x => [...x])")
    expected = critic({"data": paddle.to_tensor(asked)})["score"].numpy()
    np.testing.assert_allclose(values, expected, atol=1e-4 * np.abs(expected).max())


def test_the_first_image_comes_soon(opened):
    seconds = float(opened.page.get_attribute("#play", "data-first-image"))
    assert seconds < 3 * SECONDS, "other tests, which run beside this one, explain a part"


def test_new_samples_and_seeds(play):
    first = play.picture(".thumbnails canvas", 3)
    play.press("New samples")
    assert play.page.get_by_label("Seed").input_value() == "2"
    assert (play.picture(".thumbnails canvas", 3) != first).any()
    play.page.get_by_label("Seed").fill("1")
    play.page.get_by_label("Seed").press("Enter")
    np.testing.assert_array_equal(play.picture(".thumbnails canvas", 3), first)


def test_a_click_on_a_sample_shows_it(play):
    play.press("Sample 5")
    np.testing.assert_array_equal(play.picture(), play.picture(".thumbnails canvas", 4))
    assert play.page.get_by_role("button", name="Sample 5").get_attribute("aria-pressed") == "true"


def test_a_cell_is_changed_by_keys_slider_and_pointer(play):
    before = play.latent
    cell = play.page.get_by_role("slider", name="Number 7", exact=True).first
    cell.focus()
    for _ in range(3):
        cell.press("ArrowUp")
    expected = before.copy()
    expected[6] = min(3, before[6] + 0.75)
    np.testing.assert_allclose(play.latent, expected, atol=1e-6)
    assert_same(play.picture(), compute(FACES, [expected])[0])
    assert float(cell.get_attribute("aria-valuenow")) == pytest.approx(expected[6], abs=0.01)

    cell.press("0")
    assert play.latent[6] == 0
    cell.press("ArrowRight")
    assert play.page.evaluate("document.activeElement.ariaLabel") == "Number 8"
    play.page.locator("#play .cell-slider input").fill("-2")
    assert play.latent[7] == -2

    box = play.page.locator("#play .cells > div").nth(20).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    play.page.mouse.move(x, y)
    play.page.mouse.down()
    play.page.mouse.move(x + 24, y)
    play.page.mouse.up()
    assert play.latent[20] == pytest.approx(min(3, before[20] + 1), abs=0.1)
    assert_same(play.picture(), compute(FACES, [play.latent])[0])

    play.press("Undo changes")
    np.testing.assert_array_equal(play.latent, before)


def test_a_walk_leads_from_one_sample_to_another(play):
    play.press("Sample 3")
    play.press("Start here")
    play.press("Sample 6")
    play.press("End here")
    ends = [play.picture(".thumbnails canvas", sample) for sample in (2, 5)]
    for end in (0, 1):
        np.testing.assert_array_equal(play.picture(".end canvas", end), ends[end])
    slider = play.page.get_by_label("Position on the walk")
    for share, end in (("0", ends[0]), ("1", ends[1])):
        slider.fill(share)
        np.testing.assert_array_equal(play.picture(), end)
    slider.fill("0.5")
    begin, end = (np.array(play.ask(f"[...p.walkEnds[{i}].latent]")) for i in (0, 1))
    np.testing.assert_allclose(np.linalg.norm(play.latent), np.linalg.norm([begin, end], axis=1).mean(), rtol=0.05)
    assert_same(play.picture(), compute(FACES, [play.latent])[0])

    play.press("Play")
    play.page.wait_for_function("document.querySelector('#play .walk input').value > 0.9", timeout=20_000)
    play.page.get_by_role("button", name="Pause").click()
    where = slider.input_value()
    play.page.wait_for_timeout(300)
    assert slider.input_value() == where


def test_the_class_is_chosen(play):
    assert not play.page.get_by_role("group", name="Class").is_visible()  # faces have none
    play.choose(DIGITS)
    play.press("7")
    expected = compute(DIGITS, np.reshape(play.ask("[...p.noise]"), [16, -1]), [7] * 16)
    for sample in (0, 9):
        assert_same(play.picture(".thumbnails canvas", sample), expected[sample])
    assert_same(play.picture(), expected[0])
    play.press("All")
    assert play.ask("Array.from({length: 12}, (_, i) => p.labelOf(i))") == [*range(10), 0, 1]


def test_the_picture_is_saved(play):
    with play.page.expect_download() as download:
        play.press("Save PNG")
    assert download.value.suggested_filename == f"{FACES}.png"
    saved = to_pixels(download.value.path().read_bytes())
    np.testing.assert_array_equal(saved[::8, ::8], play.picture())


def test_points_move_and_their_number_is_chosen(play):
    play.choose(POINTS[0])
    assert not play.page.locator("#play .thumbnails").is_visible()
    play.page.get_by_label("Points", exact=True).fill("500")
    assert play.ask("p.points.length") == 1000
    before = play.ask("[...p.noise]")
    play.press("Move the points")
    play.page.wait_for_function(f"document.getElementById('play').playground.noise[0] !== {before[0]}")
    play.page.get_by_role("button", name="Stop the points").click()
    after = play.ask("[...p.noise]")
    play.page.wait_for_timeout(300)
    assert play.ask("[...p.noise]") == after
    assert np.std(after) == pytest.approx(1, abs=0.1)


def test_the_page_is_used_by_keyboard_alone(play):
    play.page.get_by_label("Model").focus()
    reached = set()
    for _ in range(40):
        play.page.keyboard.press("Tab")
        reached.add(play.page.evaluate("document.activeElement.ariaLabel || document.activeElement.textContent"))
    assert {
        "Save PNG",
        "New samples",
        "Sample 1",
        "Sample 16",
        "Undo changes",
        "Start here",
        "End here",
        "Play",
    } <= reached
    assert len([name for name in reached if name.startswith("Number ")]) == 1  # from there the arrow keys go on


def test_contours_take_the_colours_of_a_dark_page(visit):
    brightness = []
    for scheme in ("light", "dark"):
        play = Playground(visit("/playground/", color_scheme=scheme))
        play.choose(POINTS[0])
        brightness.append(play.picture().mean())
        play.page.close()
    assert brightness[0] > 150 > 100 > brightness[1]


@pytest.mark.parametrize(
    ("path", "said"), [("/playground/", "has no WebAssembly"), ("/zh/playground/", "不支持 WebAssembly")]
)
def test_without_webassembly_it_says_so(browser, address, path, said):
    page = browser.new_page()
    page.add_init_script("delete window.WebAssembly")
    page.goto(address + path)
    page.wait_for_selector("#play .message")
    assert said in page.locator("#play").inner_text()
    page.close()


def test_progress_is_shown_while_a_model_loads(visit):
    page = visit("/playground/")
    held = []
    page.wait_for_selector("#play[data-first-image]", timeout=30_000)
    page.route("**/*.onnx", lambda route: held.append(route))
    page.get_by_label("Model").select_option(DIGITS)
    page.wait_for_selector("#play progress", state="visible")
    assert "Loading Digits" in page.locator("#play .status").inner_text()
    held[0].continue_()
    page.wait_for_selector(f'#play[data-model="{DIGITS}"]', timeout=60_000)
    page.wait_for_selector("#play progress", state="hidden")


def test_what_does_not_load_is_told(browser, address):
    page = browser.new_page()
    page.route("**/models.json", lambda route: route.fulfill(status=500))
    page.goto(address + "/playground/")
    page.wait_for_function("document.querySelector('#play .status')?.textContent.startsWith('This did not load')")
    page.close()


@pytest.mark.parametrize("path", ["/playground/", "/zh/playground/"])
def test_it_fits_a_phone(visit, path):
    page = visit(path, viewport={"width": 390, "height": 844}, has_touch=True)
    page.wait_for_selector("#play[data-first-image]", timeout=30_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_in_chinese_nothing_is_english(visit):
    page = visit("/zh/playground/")
    page.wait_for_selector("#play[data-first-image]", timeout=30_000)
    for said in ("换一批样本", "隐变量", "插值", "设为起点", "保存 PNG", "首张图像"):
        assert said in page.locator("#play").inner_text()
