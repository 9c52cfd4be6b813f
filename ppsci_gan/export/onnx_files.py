"""ONNX files from Paddle's inference files, without harm to the user's environment.

paddle2onnx folds constants with Polygraphy by default, which installs what it lacks with pip, NumPy 2 among it. Here it
only converts. It ends its process where it does not know an operator, so it runs in one of its own.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import numpy as np
import paddle

from ppsci_gan.errors import InputError
from ppsci_gan.errors import TrainingError

if TYPE_CHECKING:
    import onnx

OPSET = 17  # which ONNX Runtime knows since 1.12
PACKAGES = ("onnx", "onnxruntime", "paddle2onnx")
_CONVERT = f"""
import sys, paddle2onnx
paddle2onnx.export(*sys.argv[1:], opset_version={OPSET}, optimize_tool="None")
"""
LEAST_HALVED = 64  # numbers of an array that is worth a conversion at loading


def require() -> None:
    """Raise an InputError where a package is missing that ONNX files take.

    Raises:
        InputError: The extra "export" is not installed; the message has the command.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"INFER.with_onnx=true takes {', '.join(missing)}, not installed here: pip install 'ppsci-gan[export]'."
        )


def convert(export_path: str, description: Mapping[str, Any], half: bool = False) -> None:
    """Convert Paddle's inference files to ``<export_path>.onnx``.

    Inputs and output have the network's names, and any batch size.

    Args:
        export_path: ``.json`` and ``.pdiparams`` are added.
        description: What to keep as the file's metadata, as JSON by name.
        half: Whether to store the weights in half precision; they are widened when the file is loaded.

    Raises:
        InputError: The extra "export" is not installed.
        TrainingError: The converter has failed.
    """
    require()
    path = f"{export_path}.onnx"
    _run_converter(export_path, path)
    import onnx  # an extra

    model = onnx.load(path)
    _set_slopes(model, export_path)
    _drop_unused(model)
    _name_output_and_batch(model, description["settings"]["output_keys"][0])
    if half:
        _halve(model)
    onnx.helper.set_model_props(model, {key: json.dumps(value) for key, value in description.items()})
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def _run_converter(export_path: str, path: str) -> None:
    # In the files' own folder, whose modules alone "-c" puts before the installed ones.
    folder, name = os.path.split(os.path.abspath(export_path))
    files = [f"{name}.json", f"{name}.pdiparams", os.path.abspath(path)]
    done = subprocess.run(
        [sys.executable, "-c", _CONVERT, *files], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode or not Path(path).is_file():
        said = (done.stdout + done.stderr).strip().splitlines()
        errors = [line for line in said if "ERROR" in line] or said[-1:] or [f"exit code {done.returncode}"]
        raise TrainingError(
            f"{path}: not written, paddle2onnx does not convert this generator ({'; '.join(errors)[:500]}). Paddle's "
            "own inference files are good; mode=infer takes them."
        )


def _set_slopes(model: onnx.ModelProto, export_path: str) -> None:
    """Set the leaky rectifiers' slopes, for which paddle2onnx 2.1 reads four of the eight bytes of another number."""
    loaded = paddle.jit.load(export_path)  # owns the program
    operators = loaded.program().global_block().ops
    slopes = [op.attrs()["negative_slope"] for op in operators if op.name() == "pd_op.leaky_relu"]
    nodes = [node for node in model.graph.node if node.op_type == "LeakyRelu"]
    if len(slopes) != len(nodes):
        raise TrainingError(f"{export_path}.onnx: {len(nodes)} leaky rectifiers instead of {len(slopes)}.")
    for node, slope in zip(nodes, slopes):
        node.attribute[0].f = slope


def _drop_unused(model: onnx.ModelProto) -> None:
    """Remove nodes whose results nobody takes, of which ONNX Runtime would warn one by one."""
    graph = model.graph
    while True:
        taken = {name for node in graph.node for name in node.input} | {value.name for value in graph.output}
        kept = [node for node in graph.node if taken & set(node.output)]
        if len(kept) == len(graph.node):
            return
        del graph.node[:]
        graph.node.extend(kept)


def _name_output_and_batch(model: onnx.ModelProto, name: str) -> None:
    graph = model.graph
    before, graph.output[0].name = graph.output[0].name, name
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [name if one == before else one for one in names]
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    del graph.value_info[:]  # sizes of what lies between, under the converter's names of the batch


def _halve(model: onnx.ModelProto) -> None:
    """Store large constants in half precision; what loads the file widens them once."""
    import onnx

    for node in model.graph.node:
        if node.op_type != "Constant" or node.attribute[0].t.data_type != onnx.TensorProto.FLOAT:
            continue
        array = onnx.numpy_helper.to_array(node.attribute[0].t)
        if array.size >= LEAST_HALVED:
            stored = onnx.numpy_helper.from_array(array.astype("float16"), f"{node.output[0]}.half")
            model.graph.initializer.append(stored)
            node.CopyFrom(onnx.helper.make_node("Cast", [stored.name], node.output, to=onnx.TensorProto.FLOAT))


def run(path: str, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return what an ONNX file computes on the CPU.

    Args:
        path: The file.
        inputs: By name.
    """
    import onnxruntime  # an extra

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {given.name: inputs[given.name] for given in session.get_inputs()})[0]
