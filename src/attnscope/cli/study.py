"""`attnscope study`: one question asked of many prompts, with n, intervals and controls."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attnscope.cli.edits import EditOption, EditsFile, read_edits
from attnscope.cli.numbers import numbers
from attnscope.cli.positions import position_given
from attnscope.cli.prompts import Column, Cross, Limit, Prompts, Swap, Template, prompts_of
from attnscope.cli.results import check_folder, print_result, write_results
from attnscope.cli.studies import study_of
from attnscope.errors import InputError

if TYPE_CHECKING:
    from attnscope.prompt_sets import PromptSet
    from attnscope.study.study import Study

QUESTIONS = (
    "heads", "edge", "contrast", "match", "variability", "decays", "decay", "scale", "effect", "patch", "mediate", "states",
)  # fmt: skip


def study(
    model: Annotated[
        str, typer.Argument(help="Hub id, local folder, .gguf file, or a packaged model: smollm2, minilm.")
    ],
    prompts: Prompts,
    ask: Annotated[str, typer.Option(help=f"Question: {', '.join(QUESTIONS)}.")] = "heads",
    template: Template = None,
    cross: Cross = None,
    swap: Swap = None,
    column: Column = "text",
    limit: Limit = None,
    query: Annotated[str | None, typer.Option(help="Query: a slot, or a token of every prompt.")] = None,
    key: Annotated[
        list[str] | None, typer.Option(help="Key: a slot, or a token of every prompt. For contrast, pass it twice.")
    ] = None,
    between: Annotated[
        str | None, typer.Option(help="Label and two of its values whose prompts are compared, such as p,She,He.")
    ] = None,
    pattern: Annotated[
        str | None,
        typer.Option(help="Pattern for match: previous, next, self, same word, induction, brackets, next item."),
    ] = None,
    head: Annotated[str | None, typer.Option(help="Head for decay and scale, such as 3.1.")] = None,
    count: Annotated[int, typer.Option(min=1, help="Number of pairs of dimensions to scale.")] = 4,
    factor: Annotated[float, typer.Option(help="What to multiply the pairs with.")] = 0.0,
    edit: EditOption = None,
    edits: EditsFile = None,
    answer: Annotated[
        str | None, typer.Option(help='Answer, one token or several. Labels in braces are filled in: " {io}".')
    ] = None,
    foil: Annotated[str | None, typer.Option(help="What the answer is compared with.")] = None,
    metric: Annotated[
        str | None, typer.Option(help="logit, probability, log_probability or ratio. Default: logit of single tokens.")
    ] = None,
    what: Annotated[
        str | None, typer.Option(help="Activation for patch and mediate: output, attention, residual or mlp.")
    ] = None,
    layers: Annotated[
        str | None, typer.Option(help="Layers for patch and mediate, such as 0-5,9. Default: all.")
    ] = None,
    heads: Annotated[str | None, typer.Option(help="Heads for patch and mediate, such as 0,2-4. Default: all.")] = None,
    controls: Annotated[int, typer.Option(min=1, help="Number of controls for effect and scale.")] = 20,
    by: Annotated[str | None, typer.Option(help="Value to rank by, such as a measure or share.")] = None,
    lowest: Annotated[bool, typer.Option("--lowest", help="Rank from lowest to highest.")] = False,  # noqa: FBT002
    top: Annotated[int, typer.Option(min=1, help="Number of rows to show.")] = 12,
    off_sink: Annotated[bool, typer.Option("--off-sink", help="Measure without attention sinks.")] = False,  # noqa: FBT002
    stack: Annotated[
        str | None, typer.Option(help="encoder, decoder or cross, for a model with several stacks.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="Folder for every value (.parquet), the summary (.csv) and a figure (.pdf)."
        ),
    ] = None,
) -> None:
    """Ask one question of many prompts: mean, 95 % interval and n of every head, with controls."""
    if ask not in QUESTIONS:
        raise InputError(f"--ask must be one of {', '.join(QUESTIONS)}; got {ask!r:.80}.")
    if output is not None:
        check_folder(output)
    chosen = prompts_of(prompts, template, cross, swap, column, limit)
    arguments = _arguments(
        ask, chosen, query=query, key=key, between=between, pattern=pattern, head=head, answer=answer, foil=foil
    )
    options: dict[str, Any] = {"stack": stack}
    if ask in ("heads", "edge", "contrast", "match", "variability"):
        options["off_sink"] = off_sink
    if ask == "heads":
        options["by"] = by
    if ask == "scale":
        options |= {"count": count, "factor": factor, "controls": controls}
    if ask == "effect":
        options = {"metric": metric, "controls": controls}
        arguments["edits"] = read_edits(edit or (), edits)
        if not arguments["edits"]:
            raise InputError("--ask effect needs an edit: --edit JSON or --edits FILE.")
    if ask in ("patch", "mediate"):
        chosen_options = {
            "what": what,
            "metric": metric if ask == "patch" else None,
            "layers": numbers("--layers", layers),
            "heads": numbers("--heads", heads),
        }
        options |= {name: value for name, value in chosen_options.items() if value is not None}
    if ask == "states":
        options = {}
    with study_of(model, chosen, ask) as (asked, observer):
        result = _method(asked, ask)(**arguments, **options, observer=observer)
    print_result(result, top, by, lowest=lowest)
    if output is not None:
        for path in write_results(result, output, ask, by):
            typer.echo(str(path))


def _method(study: Study, ask: str) -> Any:
    return study.scale_pairs if ask == "scale" else getattr(study, ask)


def _arguments(ask: str, prompts: PromptSet, **given: Any) -> dict[str, Any]:
    """The arguments of the question. Raises `InputError` for one that is missing."""
    needs = {
        "edge": ("query", "key"),
        "contrast": ("query", "key"),
        "match": ("pattern",),
        "decay": ("head",),
        "scale": ("head",),
        "effect": ("answer",),
        "patch": ("between", "answer"),
        "mediate": ("between", "answer", "foil"),
        "states": ("answer",),
    }.get(ask, ())
    missing = [f"--{name}" for name in needs if not given[name]]
    if missing:
        raise InputError(f"--ask {ask} needs {' and '.join(missing)}.")
    keys = [position_given(one, "--key") for one in given["key"] or ()]
    found: dict[str, Any] = {}
    if ask in ("edge", "contrast"):
        found["query"] = position_given(given["query"], "--query")
        if len(keys) != (1 if ask == "edge" else 2):
            raise InputError(f"--ask {ask} needs {'one --key' if ask == 'edge' else 'two --key'}; got {len(keys)}.")
        found["key"] = keys[0] if ask == "edge" else tuple(keys)
    if ask in ("contrast", "patch", "mediate") and given["between"]:
        found["between"] = _typed(_triple(given["between"]), prompts)
    if ask == "match":
        found["pattern"] = given["pattern"]
    if ask in ("decay", "scale"):
        found["layer"], found["head"] = _head(given["head"])
    if ask in ("effect", "patch", "mediate", "states"):
        found |= {"answer": given["answer"], "foil": given["foil"]}
    return found


def _triple(text: str) -> tuple[str, str, str]:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 3 or not all(parts):
        raise InputError(f"--between is a label and two of its values, such as p,She,He; got {text!r:.80}.")
    return parts[0], parts[1], parts[2]


def _typed(between: tuple[str, str, str], prompts: PromptSet) -> tuple[str, Any, Any]:
    """The triple with the label's own values, which may be numbers, or True and False."""
    label, *wanted = between
    known = {str(prompt.labels.get(label)): prompt.labels.get(label) for prompt in prompts}
    first, second = (known.get(one, one) for one in wanted)
    return label, first, second


def _head(text: str) -> tuple[int, int]:
    layer, dot, head = text.partition(".")
    if not dot or not layer.isdecimal() or not head.isdecimal():
        raise InputError(f"--head is a layer and a head, such as 3.1; got {text!r:.80}.")
    return int(layer), int(head)
