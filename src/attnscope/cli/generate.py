"""`attnscope generate`: text that a model writes on, each token with its probability and what else was likely."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attnscope.cli.chats import Chat, text_or_chat
from attnscope.cli.edits import Listed, Written, edits_given, say_edits
from attnscope.errors import InputError

if TYPE_CHECKING:
    from attnscope.model.generation.result import Generation, Step

_WIDTH = 16
_OTHERS = 3
_ENDS = {
    "length": "the number asked for",
    "end": "the model's own end of text",
    "stop": "a stop string",
}


def generate(
    model: Annotated[str, typer.Argument(help="Hub id, local folder, .gguf file, or an embedded model: smollm2.")],
    text: Annotated[str | None, typer.Option(help="The text to go on from.")] = None,
    chat: Chat = None,
    max_new_tokens: Annotated[
        int, typer.Option("--max-new-tokens", "-n", min=1, help="How many tokens to write.")
    ] = 20,
    target: Annotated[str | None, typer.Option(help="What an encoder-decoder model's own text begins with.")] = None,
    temperature: Annotated[
        float | None, typer.Option(min=0.0, help="Draw tokens: below 1 the likely ones more often, above 1 less.")
    ] = None,
    top_k: Annotated[int | None, typer.Option(min=1, help="Draw among so many of the most probable tokens.")] = None,
    top_p: Annotated[
        float | None, typer.Option(help="Draw among the most probable tokens that together have this probability.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Draw with this seed: the same gives the same text.")] = None,
    stop: Annotated[list[str] | None, typer.Option(help="End once this is in the text (may be given again).")] = None,
    edit: Written = None,
    edits: Listed = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Also save the trace of prompt and continuation, as a .trace file."),
    ] = None,
) -> None:
    """Let a model write on, and show how probable each token was."""
    from attnscope.cli.sources import model_entry
    from attnscope.model.generation.result import GenerationSettings

    if output is not None and (output.is_dir() or not output.parent.is_dir()):
        problem = "is a folder" if output.is_dir() else "lies in a folder that does not exist"
        raise InputError(f"The trace cannot be written: {str(output)!r} {problem}.")
    settings = GenerationSettings.of(
        max_new_tokens, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed, stop=stop or ()
    )
    changes = edits_given(edit or (), edits)
    given = text_or_chat(text, chat)
    if given is None:
        raise InputError("Pass what the model goes on from: --text 'Once upon a time', or --chat FILE.")
    loaded = model_entry(model).load()
    made = loaded.generate(given, edits=changes, target=target, on_token=_Table(), **settings.options())
    typer.echo(f"\n{text or ''}{made.text}\n")
    typer.echo(_said(made, settings.seed))
    say_edits(made.trace)
    for warning in made.trace.warnings:
        typer.echo(warning, err=True)
    if output is not None:
        made.trace.save(output)
        typer.echo(f"{output}: {len(made.trace.tokens)} tokens. {made.trace.certificate.sentence}")


class _Table:
    """Prints the head of the table with its first line: nothing stands there if the model refuses."""

    def __init__(self) -> None:
        self._begun = False

    def __call__(self, step: Step) -> None:
        if not self._begun:
            typer.echo(f"{'token':<{_WIDTH}} {'probability':>11}  others")
            self._begun = True
        others = [f"{_shown(token.text)} {chance:.1%}" for token, chance in step.top if token.id != step.token.id]
        rank = "" if step.rank == 1 else f"  (rank {step.rank:,})"
        typer.echo(
            f"{_shown(step.token.text):<{_WIDTH}} {step.probability:>11.1%}  {', '.join(others[:_OTHERS])}{rank}"
        )


def _said(made: Generation, seed: int | None) -> str:
    count = len(made.tokens)
    drawn = "" if seed is None else f" Drawn with seed {seed}."
    return f"{count} new token{'s' if count != 1 else ''}, ended by {_ENDS[made.stopped]}.{drawn}"


def _shown(text: str) -> str:
    """A token on one line, with its spaces to be seen and nothing that a terminal would obey."""
    return "".join(
        char if char.isprintable() and char != " " else "·" if char == " " else repr(char)[1:-1] for char in text
    )
