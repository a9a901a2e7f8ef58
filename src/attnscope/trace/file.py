"""Trace files in safetensors format, which takes a few lines to read and cannot execute code.

    metadata  one entry, "attnscope": a JSON object with `format`, `id`, tokens, stacks, provenance, certificate …
    tensors   "<stack>.<layer>.<part>" for every record, "<stack>.<layer>.projection" with `weights=True`, "input.<name>",
              "image.<index>" (a PNG or JPEG file)

Two hashes reveal a file that was damaged: `checksum` covers everything in it (files of version 0.1 have none), `id` what was
captured. Anyone can compute them, so nothing in a file is believed: `stored_trace.py`, `description.py` and `stored_layer.py`
check every value against the others before it is used.
"""

from __future__ import annotations

import json
from pathlib import Path

from attnscope.errors import DamagedError
from attnscope.files import check_target
from attnscope.trace.parts import TraceParts
from attnscope.trace.serialization import checksum
from attnscope.trace.stored_trace import FORMAT, described_parts, parts_of
from attnscope.trace.tensor_file import ChangedError, TensorFile, write_file

KEY = "attnscope"


def write(parts: TraceParts, trace_id: str, path: Path, *, weights: bool) -> None:
    """See `Trace.save`. `trace_id` is `parts.id`, passed in because it is slow to compute."""
    check_target(path, "the trace")
    described, tensors = described_parts(parts, trace_id, weights=weights)
    ready = {name: tensor.clone() for name, tensor in tensors.items()}
    described["checksum"] = checksum(json.dumps(described, allow_nan=False), ready)
    write_file(path, "the trace", ready, {KEY: json.dumps(described, allow_nan=False)})


def read(file: TensorFile) -> TraceParts:
    """Read the parts of a trace from an open file. Raises `DamagedError` if it is not a complete trace in this format."""
    described = file.described(KEY, "a trace", FORMAT)
    recorded = described.optional("checksum")
    try:
        if recorded is not None:
            file.verify(described, recorded.text())
        return parts_of(described, file.tensors)
    except ChangedError as error:
        raise DamagedError(
            f"{file.name} was changed after it was saved: its content does not match its hash."
        ) from error
    except DamagedError as error:
        raise DamagedError(f"{file.name} is not a valid trace: {error}") from error
