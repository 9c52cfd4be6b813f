"""Writes the playground's networks: ONNX files of the weights in the repository, and models.json, which describes them.

They are made when the site is built, so that a page never shows other weights than those in pretrained/.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import paddle
import paddle2onnx
from onnx import TensorProto
from onnx import helper
from onnx import numpy_helper
from paddle.static import InputSpec

from ppsci_gan import weights
from ppsci_gan.data import toy
from ppsci_gan.networks import latent
from ppsci_gan.networks.base import ImageGenerator
from ppsci_gan.networks.base import Player
from ppsci_gan.networks.dcgan import DcganGenerator
from ppsci_gan.networks.wgangp import WganGpCifar10Generator
from ppsci_gan.networks.wgangp import WganGpToyDiscriminator
from ppsci_gan.networks.wgangp import WganGpToyGenerator

OPSET = 17
HALVED_FROM = 20_000  # numbers; smaller arrays, such as those of the points' networks, keep their 32 bits
DIGITS = {"en": list("0123456789"), "zh": list("0123456789")}
THINGS = {
    "en": ["aeroplane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "lorry"],
    "zh": ["飞机", "汽车", "鸟", "猫", "鹿", "狗", "青蛙", "马", "船", "卡车"],
}


@dataclass
class Model:
    """A model of the playground's menu.

    Attributes:
        weights: Name of the file in pretrained/, without suffix.
        generator: Its class.
        title: In English and Chinese.
        classes: Names of the classes in both languages, of a conditional generator.
        points: Name of the data set of a generator of points.
    """

    weights: str
    generator: type[Player]
    title: dict[str, str]
    classes: dict[str, list[str]] | None = None
    points: str | None = None


MODELS = [
    Model("dcgan_faces_quick", DcganGenerator, {"en": "Drawn faces (DCGAN)", "zh": "程序绘制的人脸（DCGAN）"}),
    Model("dcgan_mnist", DcganGenerator, {"en": "Digits (DCGAN)", "zh": "手写数字（DCGAN）"}, DIGITS),
    Model("wgangp_cifar10", WganGpCifar10Generator, {"en": "CIFAR-10 (WGAN-GP)", "zh": "CIFAR-10（WGAN-GP）"}, THINGS),
    *(
        Model(f"wgangp_toy_{name}", WganGpToyGenerator, {"en": english, "zh": chinese}, points=name)
        for name, english, chinese in [
            ("8gaussians", "8 Gaussians (WGAN-GP)", "8 个高斯分布（WGAN-GP）"),
            ("25gaussians", "25 Gaussians (WGAN-GP)", "25 个高斯分布（WGAN-GP）"),
            ("swissroll", "Swiss roll (WGAN-GP)", "瑞士卷（WGAN-GP）"),
        ]
    ),
]


def to_onnx(network: Player, inputs: dict[str, InputSpec]) -> onnx.ModelProto:
    """Convert a network in evaluation mode; without paddle2onnx's optimisation, which would install packages."""
    network.eval()
    with tempfile.TemporaryDirectory() as folder:
        static = paddle.jit.to_static(network, input_spec=[inputs], full_graph=True)
        paddle.jit.save(static, f"{folder}/network", skip_prune_program=True)
        files = [f"{folder}/network.{suffix}" for suffix in ("json", "pdiparams", "onnx")]
        paddle2onnx.export(*files, opset_version=OPSET, optimize_tool="none")
        return onnx.load(files[2])


def halve(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store large arrays in 16 bits: half the download. ONNX Runtime widens them once, when it opens the file."""
    graph = model.graph
    arrays = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    for node in list(graph.node):
        if node.op_type == "Constant":  # paddle2onnx writes weights as constants
            arrays[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
            graph.node.remove(node)
    del graph.initializer[:]
    used = {name for node in graph.node for name in node.input}
    for name, array in arrays.items():
        if name not in used:
            continue
        if array.dtype == np.float32 and array.size >= HALVED_FROM:
            graph.initializer.append(numpy_helper.from_array(array.astype(np.float16), f"{name}.half"))
            graph.node.insert(0, helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
        else:
            graph.initializer.append(numpy_helper.from_array(array, name))
    onnx.checker.check_model(model)
    return model


def write(network: Player, inputs: dict[str, InputSpec], path: Path) -> None:
    path.write_bytes(halve(to_onnx(network, inputs)).SerializeToString())
    print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")


def write_model(model: Model, folder: Path) -> dict:
    """Write the files of a model, and return what the page has to know of it."""
    source = f"pretrained:{model.weights}"
    generator = weights.restore(source, "generator", [model.generator], {})
    path = folder / f"{model.weights}.onnx"
    write(generator, latent.input_spec(generator), path)
    described = {
        "name": model.weights,
        "title": model.title,
        "file": path.name,
        "bytes": path.stat().st_size,
        "inputs": list(latent.input_spec(generator)),  # data first
        "latent": generator.latent_dim,
        "classes": model.classes if generator.label_num else None,
    }
    if isinstance(generator, ImageGenerator):
        return {**described, "shape": list(generator.image_shape), "black": generator.black}
    critic = weights.restore(source, "critic", [WganGpToyDiscriminator], {})
    path = folder / f"{model.weights}_critic.onnx"
    inputs = {key: InputSpec([None, 2], "float32", key) for key in critic.input_keys}
    write(critic, inputs, path)
    reach = 1.2 * float(np.abs(toy.sample(model.points, 2000, seed=0)).max())
    return {
        **described,
        "reach": reach,
        "critic": {"file": path.name, "bytes": path.stat().st_size, "inputs": [*inputs]},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the files go")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    described = [write_model(model, folder) for model in MODELS]
    (folder / "models.json").write_text(json.dumps(described, ensure_ascii=False, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
