"""Studies that commands run: a loaded model with prompts, and a progress bar."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from attnscope.cli.progress import ProgressObserver, progress_bar

if TYPE_CHECKING:
    from attnscope.model.model import Model
    from attnscope.prompt_sets import PromptSet
    from attnscope.study.study import Study


@contextmanager
def study_of(model: str, prompts: PromptSet, words: str) -> Generator[tuple[Study, ProgressObserver]]:
    """A study of `model` on `prompts`; a progress bar counts them while the block runs."""
    from attnscope.cli.sources import model_entry
    from attnscope.study.study import Study

    entry = model_entry(model)
    study = Study(cast("Model", entry.load()), prompts)
    with progress_bar(f"{words} {entry.title}") as observer:
        yield study, observer
