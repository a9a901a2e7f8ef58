"""A progress bar on standard error that counts prompts."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


class ProgressObserver:
    """An `Observer` that draws a progress bar."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def layer(self, done: int, total: int) -> None:
        """`done` of `total` prompts are finished."""
        self._progress.update(self._task, completed=done, total=total)

    def cancelled(self) -> bool:
        """Never: the command is cancelled with Ctrl+C."""
        return False


@contextmanager
def progress_bar(words: str) -> Generator[ProgressObserver]:
    """Show a progress bar while the block runs."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield ProgressObserver(progress, progress.add_task(words, total=None))
