"""`attnscope study`: one question asked of many prompts, with n, intervals and controls."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from attnscope.cli.edits import EditOption, EditsFile
from attnscope.cli.prompts import Column, Cross, Limit, Prompts, Swap, Template, prompts_of
from attnscope.cli.questions import QUESTIONS, arguments_of, question_named
from attnscope.cli.results import check_folder, print_result, write_results
from attnscope.cli.studies import study_of


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
    count: Annotated[
        int | None, typer.Option(min=1, help="Number of pairs of dimensions to scale. Default: 4.")
    ] = None,
    factor: Annotated[float | None, typer.Option(help="What to multiply the pairs with. Default: 0.")] = None,
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
    controls: Annotated[
        int | None, typer.Option(min=1, help="Number of controls for effect and scale. Default: 20.")
    ] = None,
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
    question = question_named(ask)
    if output is not None:
        check_folder(output)
    chosen = prompts_of(prompts, template, cross, swap, column, limit)
    options = {
        "query": query, "key": key, "between": between, "pattern": pattern, "head": head, "count": count, "factor": factor,
        "edit": edit, "edits": edits, "answer": answer, "foil": foil, "metric": metric, "what": what, "layers": layers,
        "heads": heads, "controls": controls, "off_sink": off_sink, "stack": stack,
    }  # fmt: skip
    arguments = arguments_of(ask, chosen, options)
    if ask == "heads":
        arguments["by"] = by
    with study_of(model, chosen, ask) as (asked, observer):
        result = getattr(asked, question.method)(**arguments, observer=observer)
    print_result(result, top, by, lowest=lowest)
    if output is not None:
        for path in write_results(result, output, ask, by):
            typer.echo(str(path))
