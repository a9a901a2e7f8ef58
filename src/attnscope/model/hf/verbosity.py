"""Silence transformers while a model loads; whatever matters in its messages becomes an error of attnscope."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast


@contextmanager
def quiet() -> Generator[None]:
    """Inside the `with` statement, transformers shows no progress bars and no warnings; then its settings are restored."""
    from transformers import modeling_gguf_pytorch_utils
    from transformers.utils import logging

    loader = cast(Any, modeling_gguf_pytorch_utils)  # draws its own progress bar, which no setting turns off
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
