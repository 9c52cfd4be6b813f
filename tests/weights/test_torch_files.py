"""PyTorch's weights files: read as PyTorch wrote them; hostile and damaged ones are refused, and not run."""

import pickle
import runpy
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from ppsci_gan.errors import InputError
from ppsci_gan.weights import torch_files

FIXTURES = Path(__file__).parents[1] / "fixtures" / "scores"
REFERENCES = runpy.run_path(str(FIXTURES / "make_references.py"))
FORMATS = ["zip", "legacy"]
NUMBERS = np.arange(6, dtype="<f4")


def _assert_same(content, expected):
    assert list(content) == list(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(content[name], value, err_msg=name, strict=True)


def _text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def _numbers(values) -> bytes:
    return b"(" + b"".join(b"L%dL\n" % value for value in values) + b"t"


def _tensor(
    shape=(2, 3), strides=(3, 1), offset=0, size=6, key="0", storage=b"ctorch\nFloatStorage\n", kind="storage"
) -> bytes:
    """A tensor in pickle's operations, as PyTorch writes them."""
    reference = b"(" + _text(kind) + storage + _text(key) + _text("cpu") + b"L%dL\ntQ" % size
    position = b"L%dL\n" % offset + _numbers(shape) + _numbers(strides)
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + reference + position + b"\x89ccollections\nOrderedDict\n)RtR"


def _state(*values: bytes) -> bytes:
    items = b"".join(_text(f"w{index}") + value for index, value in enumerate(values))
    return b"\x80\x02}(" + items + b"u."


def _write(path, file_format, state, data=None, lengths=None, byteorder=None):
    """A file around a pickle; by default with one block of six floats."""
    data = {"0": NUMBERS.tobytes()} if data is None else data
    if file_format == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", state)
            for key, block in data.items():
                archive.writestr(f"archive/data/{key}", block)
            if byteorder:
                archive.writestr("archive/byteorder", byteorder)
    else:
        head = [pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})]
        lengths = lengths or {key: len(block) // 4 for key, block in data.items()}
        blocks = [struct.pack("<q", lengths[key]) + block for key, block in data.items()]
        path.write_bytes(b"".join([*head, state, pickle.dumps(list(data), 2), *blocks]))
    return path


@pytest.mark.parametrize("file_format", FORMATS)
def test_reads_what_pytorch_wrote(file_format):
    # Several types, three views of one storage, a scalar, a Parameter.
    _assert_same(torch_files.read(FIXTURES / f"named_{file_format}.pth"), REFERENCES["named_arrays"]())


@pytest.mark.parametrize("file_format", FORMATS)
def test_reads_what_pytorch_writes(tmp_path, file_format):
    torch = pytest.importorskip("torch")
    path = tmp_path / "named.pt"
    torch.save(REFERENCES["named_tensors"](), path, _use_new_zipfile_serialization=file_format == "zip")
    _assert_same(torch_files.read(path), REFERENCES["named_arrays"]())


@pytest.mark.parametrize("file_format", FORMATS)
def test_reads_a_module_of_pytorch(tmp_path, file_format):
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(2, 3, bias=False))
    module[2].weight.data = module[2].weight.data.half()
    path = tmp_path / "module.pth"
    torch.save(module.state_dict(), path, _use_new_zipfile_serialization=file_format == "zip")
    _assert_same(torch_files.read(path), {name: value.numpy() for name, value in module.state_dict().items()})


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("content", ["nested", "module", "tensor", "number", "bfloat16"])
def test_other_content_of_pytorch_is_refused(tmp_path, file_format, content):
    torch = pytest.importorskip("torch")
    tensor = torch.zeros(2)
    values = {
        "nested": {"model": {"w": tensor}},
        "module": torch.nn.Linear(2, 3),
        "tensor": tensor,
        "number": {"w": tensor, "epoch": 3},
        "bfloat16": {"w": tensor.bfloat16()},
    }
    path = tmp_path / "other.pth"
    torch.save(values[content], path, _use_new_zipfile_serialization=file_format == "zip")
    with pytest.raises(InputError, match=r"other\.pth: (holds something else|refused, it asks for torch)"):
        torch_files.read(path)


@pytest.mark.parametrize("file_format", FORMATS)
def test_hand_written_files_are_read(tmp_path, file_format):
    # What the damaged ones below differ from.
    state = _state(_tensor(), _tensor([2], [2], offset=1), _tensor([2, 0], [1, 1], offset=6), _tensor([], [], offset=5))
    expected = {
        "w0": NUMBERS.reshape(2, 3),
        "w1": NUMBERS[1:4:2],
        "w2": np.zeros([2, 0], np.float32),
        "w3": NUMBERS[5].reshape([]),
    }
    content = torch_files.read(_write(tmp_path / "w.pth", file_format, state))
    _assert_same(content, expected)
    content["w0"][0, 0] = 7  # writeable, as any array, and alone


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize(
    "tensor",
    [
        _tensor([7], [1]),
        _tensor([2, 3], [4, 1]),
        _tensor([2, 3], [3, 1], offset=1),
        _tensor([1], [1], offset=6),
        _tensor([], [], offset=6),
        _tensor([2], [2**62]),
        _tensor([2**62, 2**62], [1, 1]),
        _tensor([2], [-1], offset=5),
        _tensor([2], [1], offset=-1),
        _tensor([-2], [1]),
        _tensor([2, 3], [1]),
        _tensor([2], [1], size=7),
        _tensor([2], [1], size=5),
        _tensor([2], [1], size=-6),
        _tensor([2], [1], size=2**60),
        _tensor([2], [1], key="1"),
        _tensor([2], [1], key="../data.pkl"),
        _tensor([2], [1], kind="module"),
        _tensor([2], [1], storage=b"ctorch\nDoubleStorage\n"),
        _tensor([2], [1], storage=_text("float")),
        _tensor([2**50], [0]),
        b"ctorch._utils\n_rebuild_tensor_v2\n(NI0\n" + _numbers([2]) + _numbers([1]) + b"tR",
        b"ctorch._utils\n_rebuild_parameter\n(NtR",
        b"ctorch\nFloatStorage\n",
        b"N",
        b"L3L\n",
        b"}(" + _text("w") + _tensor() + b"u",  # a state dict within another
    ],
)
def test_tensors_beyond_their_numbers_are_refused(tmp_path, file_format, tensor):
    path = _write(tmp_path / "broken.pth", file_format, _state(tensor))
    with pytest.raises(InputError, match=r"broken\.pth: (truncated, damaged|refused|holds something else)"):
        torch_files.read(path)


def _hostile(marker):
    statement, command = _text(f"open({str(marker)!r}, 'w').close()"), _text(f"touch {marker}")
    calls = {
        "exec": b"cbuiltins\nexec\n(" + statement + b"tR",
        "os.system": b"cos\nsystem\n(" + command + b"tR",
        "posix.system": b"cposix\nsystem\n(" + command + b"tR",
        "INST": b"(" + command + b"ios\nsystem\n",
    }
    return {
        name: (_state(call), _state(_tensor(storage=call)), b"\x80\x02" + call + b".") for name, call in calls.items()
    }


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("name", ["exec", "os.system", "posix.system", "INST"])
def test_hostile_files_are_refused_and_not_run(tmp_path, file_format, name):
    marker = tmp_path / "marker"
    for state in _hostile(marker)[name]:
        path = _write(tmp_path / "hostile.pth", file_format, state)
        with pytest.raises(InputError, match=r"hostile\.pth: refused, it asks for (os|posix|builtins)\.\w+"):
            torch_files.read(path)
        assert not marker.exists()
    pickle.loads(state)  # really hostile, or the test would prove nothing
    assert marker.exists()


@pytest.mark.parametrize("position", range(5))
def test_a_hostile_pickle_in_any_place_of_a_legacy_file_is_refused(tmp_path, position):
    marker = tmp_path / "marker"
    parts = [pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {})]
    parts += [_state(_tensor()), pickle.dumps(["0"], 2)]
    parts[position] = _hostile(marker)["exec"][2]
    path = tmp_path / "hostile.pth"
    path.write_bytes(b"".join(parts) + struct.pack("<q", 6) + NUMBERS.tobytes())
    with pytest.raises(InputError, match=r"hostile\.pth: refused, it asks for builtins\.exec"):
        torch_files.read(path)
    assert not marker.exists()


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize(
    "call",
    [
        b"ctorch\nload\n",
        b"ctorch._utils\n_rebuild_sparse_tensor\n",
        b"ctorch.nn.modules.linear\nLinear\n",
        b"ctorch._utils\n_rebuild_tensor_v2.__globals__\n",
        b"ctorch\nUntypedStorage\n",
    ],
)
def test_other_globals_of_pytorch_are_refused(tmp_path, file_format, call):
    path = _write(tmp_path / "other.pth", file_format, _state(call))
    with pytest.raises(InputError, match=r"other\.pth: refused, it asks for torch"):
        torch_files.read(path)


@pytest.mark.parametrize("file_format", FORMATS)
def test_truncated_files_are_refused(tmp_path, file_format):
    whole = (FIXTURES / f"named_{file_format}.pth").read_bytes()
    path = tmp_path / "truncated.pth"
    for size in [*range(0, len(whole), 37), len(whole) - 1]:
        path.write_bytes(whole[:size])
        # Cut within the name of a function, it asks for another one.
        with pytest.raises(InputError, match=r"truncated\.pth: (truncated, damaged|refused, it asks for)"):
            torch_files.read(path)


def _outcome(path):
    try:
        return torch_files.read(path)
    except InputError as error:
        return error


@pytest.mark.parametrize("file_format", FORMATS)
def test_changed_bytes_give_numbers_or_one_kind_of_error(tmp_path, file_format):
    whole = (FIXTURES / f"named_{file_format}.pth").read_bytes()
    path = tmp_path / "changed.pth"
    outcomes = []
    for place in range(0, len(whole), 11):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x15]) + whole[place + 1 :])
        outcomes.append(_outcome(path))
    errors = [str(outcome) for outcome in outcomes if isinstance(outcome, InputError)]
    assert len(errors) > 20
    assert all(error.startswith(f"{path}: ") for error in errors)
    read = [outcome for outcome in outcomes if not isinstance(outcome, InputError)]
    assert all(isinstance(value, np.ndarray) for content in read for value in content.values())


def test_a_changed_number_in_an_archive_is_seen(tmp_path):
    whole = _write(tmp_path / "w.pth", "zip", _state(_tensor())).read_bytes()
    place = whole.index(NUMBERS.tobytes()) + 9
    path = tmp_path / "changed.pth"
    path.write_bytes(whole[:place] + b"\x01" + whole[place + 1 :])
    with pytest.raises(InputError, match=r"changed\.pth: .*CRC"):
        torch_files.read(path)


@pytest.mark.parametrize("length", [5, 7, -6, 2**62])
def test_a_legacy_length_that_differs_is_refused(tmp_path, length):
    path = _write(tmp_path / "w.pth", "legacy", _state(_tensor()), lengths={"0": length})
    with pytest.raises(InputError, match=r"w\.pth: truncated"):
        torch_files.read(path)


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_missing_block_is_refused(tmp_path, file_format):
    with pytest.raises(InputError, match=r"w\.pth: truncated"):
        torch_files.read(_write(tmp_path / "w.pth", file_format, _state(_tensor()), data={}))


def test_byte_order(tmp_path):
    little = _write(tmp_path / "little.pth", "zip", _state(_tensor()), byteorder=b"little")
    np.testing.assert_array_equal(torch_files.read(little)["w0"], NUMBERS.reshape(2, 3))
    big = _write(tmp_path / "big.pth", "zip", _state(_tensor()), byteorder=b"big")
    with pytest.raises(InputError, match=r"big\.pth: .*big-endian"):
        torch_files.read(big)


@pytest.mark.parametrize("names", [[], ["archive/version"], ["data.pkl"], ["a/data.pkl", "b/data.pkl"]])
def test_an_archive_without_one_pickle_is_refused(tmp_path, names):
    path = tmp_path / "archive.pth"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, _state())
    with pytest.raises(InputError, match=r"archive\.pth: truncated, damaged or of another format"):
        torch_files.read(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no such file",
        b"<!DOCTYPE html><html>Not Found</html>",
        b"PK\x03\x04" + bytes(200),
        pickle.dumps({"w": np.zeros(2)}, 2),
        pickle.dumps(0x1950A86A20F9469CFC6C, 2),
        bytes(1000),
    ],
)
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "other.pth"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"other\.pth: truncated, damaged or of another format"):
        torch_files.read(path)


def test_a_few_numbers_do_not_become_a_large_array():
    block = torch_files._Block(np.dtype("<f4"), "0", 1)
    tensor = torch_files._Tensor(block, 0, (2**40,), (0,))
    with pytest.raises(ValueError, match="larger than its numbers"):
        torch_files._view(tensor, {"0": np.zeros(1, np.float32)})


@pytest.mark.parametrize("file_format", FORMATS)
def test_many_tensors_of_the_same_numbers_are_refused(tmp_path, file_format):
    path = _write(tmp_path / "w.pth", file_format, _state(*[_tensor()] * 5))
    with pytest.raises(InputError, match=r"w\.pth: .*its tensors are larger than their numbers"):
        torch_files.read(path)


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.timeout(20)
def test_a_name_that_takes_for_ever_to_hash_is_refused(tmp_path, file_format):
    key = b")q\x000" + b"h\x00h\x00\x86q\x000" * 60
    reference = b"(" + _text("storage") + b"ctorch\nFloatStorage\nh\x00" + _text("cpu") + b"L6L\ntQ"
    with pytest.raises(InputError, match=r"w\.pth: .*name of a block"):
        torch_files.read(_write(tmp_path / "w.pth", file_format, b"\x80\x02" + key + reference + b"."))


def test_members_that_unpack_to_more_than_the_file_are_refused(tmp_path):
    path = tmp_path / "w.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", _state(_tensor()))
        archive.writestr("archive/data/0", NUMBERS.tobytes())
    with pytest.raises(InputError, match=r"w\.pth: .*its members are compressed"):
        torch_files.read(path)


def _entry(name: str, content: bytes) -> bytes:
    """What a zip archive says of a member, both before it and in the directory."""
    size = len(content)
    return struct.pack("<HHHHHIIIHH", 20, 0, 0, 0, 0, zlib.crc32(content), size, size, len(name), 0)


def test_members_that_lie_in_the_same_bytes_are_refused(tmp_path):
    """Each member's bytes are the next members, headers and all, so that a few add up to many times the file."""
    contents = {"archive/data/7": bytes(10_000)}
    for number in reversed(range(7)):
        name, content = next(iter(contents.items()))
        contents = {
            f"archive/data/{number}": b"PK\x03\x04" + _entry(name, content) + name.encode() + content,
            **contents,
        }
    byte_block = {"shape": [1], "strides": [1], "storage": b"ctorch\nByteStorage\n"}
    state = _state(*(_tensor(**byte_block, size=len(part), key=name[-1]) for name, part in contents.items()))
    contents = {"archive/data.pkl": state, **contents}
    whole, directory = b"", b""
    for name, content in contents.items():
        header = b"PK\x03\x04" + _entry(name, content) + name.encode()
        at = len(whole) if name.endswith(("pkl", "/0")) else whole.index(header)
        whole += header + content if at == len(whole) else b""
        directory += b"PK\x01\x02\x14\x00" + _entry(name, content) + bytes(10) + struct.pack("<I", at) + name.encode()
    end = struct.pack("<HHHHIIH", 0, 0, len(contents), len(contents), len(directory), len(whole), 0)
    path = tmp_path / "w.pth"
    path.write_bytes(whole + directory + b"PK\x05\x06" + end)
    with pytest.raises(InputError, match=r"w\.pth: .*(its members overlap|Overlapped entries)"):  # Python's own words
        torch_files.read(path)
