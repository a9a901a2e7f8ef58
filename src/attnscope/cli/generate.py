"""`attnscope generate`: continue a text, and print each token's probability and the likely alternatives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attnscope.cli.chats import NEEDS_CHAT, Chat, ContinueFinalMessage, text_or_chat
from attnscope.cli.edits import EditOption, EditsFile, print_edits, read_edits
from attnscope.cli.images import ImageFiles, image_paths
from attnscope.errors import InputError
from attnscope.files import check_target

if TYPE_CHECKING:
    from attnscope.model.generation.result import Generation, Step

_WIDTH = 16
_OTHERS = 3
_ENDS = {
    "length": "the token limit",
    "end": "the model's end-of-text token",
    "stop": "a stop string",
}


def generate(
    model: Annotated[str, typer.Argument(help="Hub id, local folder, .gguf file, or a packaged model: smollm2.")],
    text: Annotated[str | None, typer.Option(help="Text to continue.")] = None,
    chat: Chat = None,
    continue_final_message: ContinueFinalMessage = False,  # noqa: FBT002 - typer makes a flag of it
    image: ImageFiles = None,
    max_new_tokens: Annotated[
        int, typer.Option("--max-new-tokens", "-n", min=1, help="Number of tokens to generate, at most.")
    ] = 20,
    target: Annotated[str | None, typer.Option(help="Start of the target text, for an encoder-decoder model.")] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            min=0.0, help="Sample tokens at this temperature: below 1 favors likely tokens, above 1 flattens."
        ),
    ] = None,
    top_k: Annotated[int | None, typer.Option(min=1, help="Sample from this many of the most probable tokens.")] = None,
    top_p: Annotated[
        float | None,
        typer.Option(help="Sample from the most probable tokens whose probabilities add up to this."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed for sampling: the same seed gives the same text.")
    ] = None,
    stop: Annotated[
        list[str] | None, typer.Option(help="Stop once the text contains this string. Can be repeated.")
    ] = None,
    edit: EditOption = None,
    edits: EditsFile = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Also save the trace of prompt and continuation to this .trace file."),
    ] = None,
) -> None:
    """Continue a text, and print how probable each token was."""
    from attnscope.cli.sources import model_entry
    from attnscope.model.generation.result import GenerationSettings

    if output is not None:
        check_target(output, "the trace")
    settings = GenerationSettings.of(
        max_new_tokens, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed, stop=stop or ()
    )
    edit_list = read_edits(edit or (), edits)
    prompt, images = text_or_chat(text, chat), image_paths(image)
    if prompt is None and images is None:
        raise InputError(
            "Pass a prompt: --text 'Once upon a time', --chat FILE, or --image FILE for a model that reads images."
        )
    if continue_final_message and chat is None:
        raise InputError(NEEDS_CHAT)
    loaded = model_entry(model).load()
    inputs = loaded.encode(prompt, target=target, image=images, continue_final_message=continue_final_message)
    made = loaded.generate(inputs, edits=edit_list, on_token=_Table(), **settings.options())
    typer.echo(f"\n{text or ''}{made.text}\n")
    typer.echo(_summary(made, settings.seed))
    print_edits(made.trace)
    for warning in made.trace.warnings:
        typer.echo(warning, err=True)
    if output is not None:
        made.trace.save(output)
        typer.echo(f"{output}: {len(made.trace.tokens)} tokens. {made.trace.certificate.sentence}")


class _Table:
    """Prints one line per token. The header comes with the first line, so that an error leaves no empty table."""

    def __init__(self) -> None:
        self._started = False

    def __call__(self, step: Step) -> None:
        if not self._started:
            typer.echo(f"{'token':<{_WIDTH}} {'probability':>11}  alternatives")
            self._started = True
        others = [f"{_shown(token.text)} {chance:.1%}" for token, chance in step.top if token.id != step.token.id]
        rank = "" if step.rank == 1 else f"  (rank {step.rank:,})"
        typer.echo(
            f"{_shown(step.token.text):<{_WIDTH}} {step.probability:>11.1%}  {', '.join(others[:_OTHERS])}{rank}"
        )


def _summary(made: Generation, seed: int | None) -> str:
    count = len(made.tokens)
    sampled = "" if seed is None else f" Sampled with seed {seed}."
    return f"{count} new token{'s' if count != 1 else ''}, stopped by {_ENDS[made.stopped]}.{sampled}"


def _shown(text: str) -> str:
    """A token on one line: spaces are visible, and characters that a terminal would interpret are escaped."""
    return "".join(
        char if char.isprintable() and char != " " else "·" if char == " " else repr(char)[1:-1] for char in text
    )
