"""A faster reader of GGUF files for the time that transformers loads one.

gguf's own reader slices a memory map once for every entry of a list, which takes minutes for a vocabulary of 262,000 tokens, and
transformers reads the file three times: for the config, the weights and the tokenizer.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import gguf
import numpy as np

_LOCK = threading.RLock()


class _Reader(gguf.GGUFReader):
    """gguf's reader, with plain arrays in place of memory maps, and lists read in one go."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value.view(np.ndarray) if isinstance(value, np.memmap) else value)

    def _get_field_parts(self, orig_offs: int, raw_type: int) -> Any:
        kind = gguf.GGUFValueType(raw_type)
        if kind != gguf.GGUFValueType.ARRAY or self.byte_order != "I" or sys.byteorder != "little":
            return super()._get_field_parts(orig_offs, raw_type)
        data: Any = self.data
        inner = gguf.GGUFValueType(int(data[orig_offs : orig_offs + 4].view(np.uint32)[0]))
        count = int(data[orig_offs + 4 : orig_offs + 12].view(np.uint64)[0])
        start, parts = orig_offs + 12, list[Any]()
        scalar: Any = self.gguf_scalar_to_np.get(inner)
        if scalar is not None:
            end = start + count * np.dtype(scalar).itemsize
            values = data[start:end].view(scalar)
            parts = [values[i : i + 1] for i in range(count)]
        elif inner == gguf.GGUFValueType.STRING:
            end, raw = start, memoryview(data)
            for _ in range(count):
                length = int.from_bytes(raw[end : end + 8], "little")
                parts.append(data[end + 8 : end + 8 + length])
                end += 8 + length
        else:  # lists of lists
            return super()._get_field_parts(orig_offs, raw_type)
        return end - orig_offs, parts, list(range(count)), [kind, inner][: 2 if count else 1]


@contextmanager
def fast_reader() -> Generator[None]:
    """Inside the `with` statement, `gguf.GGUFReader` reads each file quickly, and only once."""
    with _LOCK:
        own, known = gguf.GGUFReader, dict[str, gguf.GGUFReader]()

        def read(path: Any, mode: Any = "r") -> gguf.GGUFReader:
            if mode != "r":
                return own(path, mode)
            if str(path) not in known:
                known[str(path)] = _Reader(path, "r")
            return known[str(path)]

        gguf.GGUFReader = read  # pyright: ignore[reportAttributeAccessIssue] - it is called like the class
        try:
            yield
        finally:
            gguf.GGUFReader = own
