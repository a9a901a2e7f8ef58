"""Silence for transformers while a local model is read: what matters of its messages becomes errors of ours."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast


@contextmanager
def quiet() -> Generator[None]:
    """No progress bars and no warnings of transformers inside; both are as before outside."""
    from transformers import modeling_gguf_pytorch_utils
    from transformers.utils import logging

    loader = cast(Any, modeling_gguf_pytorch_utils)  # draws a bar of its own, which no setting reaches
    verbosity, bars, gguf_bar = logging.get_verbosity(), logging.is_progress_bar_enabled(), loader.tqdm
    logging.set_verbosity(50)  # CRITICAL, which this module does not export
    logging.disable_progress_bar()
    loader.tqdm = partial(gguf_bar, disable=True)
    try:
        yield
    finally:
        loader.tqdm = gguf_bar
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
