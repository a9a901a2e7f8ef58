"""The golden messages decoded in Python; the front end's tests decode the same bytes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from attnscope.errors import DamagedError, InputError
from attnscope.wire import Message, decode, encode, frame, message_from_fields

pytestmark = pytest.mark.core

GOLDEN = Path(__file__).parent / "golden"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.safetensors"))


@pytest.mark.parametrize("name", NAMES)
def test_golden_messages_decode_to_the_expected_values(name: str) -> None:
    message = decode((GOLDEN / f"{name}.safetensors").read_bytes())
    expected = json.loads((GOLDEN / f"{name}.json").read_text())
    fields = {"v": 1, "id": message.id, "type": message.type, **message.body}
    assert fields == expected["fields"]
    assert set(message.tensors) == set(expected["tensors"])
    for key, tensor in message.tensors.items():
        assert str(tensor.dtype) == expected["tensors"][key]["dtype"]
        assert list(tensor.shape) == expected["tensors"][key]["shape"]
        assert tensor.astype(float).ravel().tolist() == expected["tensors"][key]["values"]


@pytest.mark.parametrize("name", NAMES)
def test_decoding_and_encoding_reproduces_the_bytes(name: str) -> None:
    data = (GOLDEN / f"{name}.safetensors").read_bytes()
    assert encode(decode(data)) == data


def test_the_golden_script_reproduces_the_golden_files(tmp_path: Path) -> None:
    copy = tmp_path / "make.py"
    copy.write_text((GOLDEN / "make.py").read_text())
    subprocess.run([sys.executable, str(copy)], check=True)
    for path in GOLDEN.glob("*.safetensors"):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_a_truncated_message_raises_wherever_it_ends() -> None:
    data = (GOLDEN / "causal-gqa-half.safetensors").read_bytes()
    for length in [0, 7, 8, 100, len(data) - 1]:
        with pytest.raises(DamagedError):
            decode(data[:length])


@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 10**12])
def test_a_header_length_beyond_the_message_raises_before_it_is_read(length: int) -> None:
    with pytest.raises(DamagedError, match="is truncated"):
        decode(length.to_bytes(8, "little") + b"{}")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_values_that_json_cannot_represent_raise(value: object) -> None:
    with pytest.raises(InputError):
        encode(Message("progress", "r1", {"done": value}))


@pytest.mark.parametrize("fields", [[], {"v": 2, "id": "a", "type": "b"}, {"v": 1, "id": 3, "type": "b"}, {"v": 1}])
def test_fields_without_a_valid_version_id_or_type_raise(fields: object) -> None:
    with pytest.raises(DamagedError):
        message_from_fields(fields)


def test_a_frame_is_the_length_followed_by_the_message() -> None:
    data = encode(Message("cancel", "r1", {"found": True}, {"x": np.arange(3, dtype=np.float32)}))
    framed = frame(data)
    assert int.from_bytes(framed[:8], "little") == len(data)
    assert framed[8:] == data
